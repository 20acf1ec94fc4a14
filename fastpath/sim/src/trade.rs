//! One trade: who pays whom, what the exchange gets of it, and what it leaves behind.

use crate::{
    Mutant, NaiveEngine,
    fees::Charge,
    naive::{Market, Order},
};
use domain::{Amount, Flag, Liquidity, Price, Qty, Side};

impl NaiveEngine {
    /// Moves what a trade moves. What the maker and the taker pay or get.
    pub(crate) fn exchange(
        &mut self,
        maker: &Order,
        taker: &Order,
        price: Price,
        qty: Qty,
    ) -> [Charge; 2] {
        let market = self.markets[&maker.market];
        let notional = Amount::notional(price, qty, market.terms.tick_value)
            .expect("no more than an order's whole notional, which was checked");
        let charges = self.charges(&market, maker, taker, notional);
        self.pay(&market, [maker, taker], charges, notional, qty);
        for order in [maker, taker] {
            let order = self.order_mut(order.id);
            order.leaves.0 -= qty.0;
            order.filled.0 += qty.0;
        }
        self.note_trade(maker, taker, price, notional);
        charges
    }

    /// The taker's fee comes first: the maker's rebate may be paid from it.
    fn charges(
        &mut self,
        market: &Market,
        maker: &Order,
        taker: &Order,
        notional: Amount,
    ) -> [Charge; 2] {
        if self.is(Mutant::RebateBeforeFee) {
            let of_maker = self.charge(market, maker.account, Liquidity::Maker, notional);
            let of_taker = self.charge(market, taker.account, Liquidity::Taker, notional);
            return [of_maker, of_taker];
        }
        let of_taker = self.charge(market, taker.account, Liquidity::Taker, notional);
        let of_maker = self.charge(market, maker.account, Liquidity::Maker, notional);
        [of_maker, of_taker]
    }

    /// One account may be on both sides: it pays before it is paid.
    fn pay(
        &mut self,
        market: &Market,
        [maker, taker]: [&Order; 2],
        [of_maker, of_taker]: [Charge; 2],
        notional: Amount,
        qty: Qty,
    ) {
        let (buyer, of_buyer, seller, of_seller) = match taker.side {
            Side::Buy => (taker, of_taker, maker, of_maker),
            Side::Sell => (maker, of_maker, taker, of_taker),
        };
        let base = qty.base_units(market.terms.lot_size);
        let base = base.expect("no more than an order's whole quantity, which was checked");
        let pays = match of_buyer.is_rebate {
            Flag::No => notional.0 + of_buyer.amount,
            Flag::Yes => notional.0 - of_buyer.amount,
        };
        let gets = match of_seller.is_rebate {
            Flag::No => notional.0 - of_seller.amount,
            Flag::Yes => notional.0 + of_seller.amount,
        };
        self.debit(buyer.account, market.terms.quote, pays);
        self.debit(seller.account, market.terms.base, base.0);
        self.credit(buyer.account, market.terms.base, base.0);
        self.credit(seller.account, market.terms.quote, gets);
    }

    /// The market's last price, and the volume of both accounts.
    fn note_trade(&mut self, maker: &Order, taker: &Order, price: Price, notional: Amount) {
        self.reach(maker.market, price);
        let more = self.millionths(self.markets[&maker.market].terms.quote, notional);
        self.note_volume(maker.account, more);
        if !self.is(Mutant::OnlyMakersHaveVolume) {
            self.note_volume(taker.account, more);
        }
    }
}
