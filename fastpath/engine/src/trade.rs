//! One trade: funds change hands, the maker's queue gets shorter, both sides hear of it.

use crate::engine::Engine;
use crate::market::FITS;
use crate::orders::Order;
use crate::reports::TradeTerms;
use domain::{Amount, Effects, Liquidity, Price, Qty, Side};

impl Engine {
    /// Trades `qty` lots between a sweeping order and the first order of the best opposite price,
    /// at that price. Both have so many leaves, and a market buy can pay for them.
    pub(crate) fn trade(&mut self, taker: u32, maker: u32, qty: Qty, out: &mut Effects) {
        let terms = TradeTerms {
            trade_id: self.take_trade_id(),
            price: self.orders[maker].price,
            qty,
        };
        let (maker_fee, taker_fee) = self.exchange_funds(taker, maker, terms);
        self.fill_maker(maker, qty);
        fill(&mut self.orders[taker], qty);
        let (maker, taker) = (self.orders[maker], self.orders[taker]);
        self.report_trade(terms, &maker, &taker, out);
        self.report_fill(terms, &maker, Liquidity::Maker, maker_fee, out);
        self.report_fill(terms, &taker, Liquidity::Taker, taker_fee, out);
        if maker.leaves == Qty::ZERO {
            self.retire(&maker);
        }
    }

    /// Moves base, quote and fees; the orders still have the leaves from before the trade.
    /// Answers with the maker's and the taker's fee.
    fn exchange_funds(&mut self, taker: u32, maker: u32, terms: TradeTerms) -> (Amount, Amount) {
        let (taker, maker) = (&self.orders[taker], &self.orders[maker]);
        let market = self.market_of_order(maker.market());
        let notional = market.notional(terms.price, terms.qty).expect(FITS);
        let base_units = market.base_units(terms.qty).expect(FITS);
        let maker_fee = notional.fee(market.terms.maker_fee_ppm);
        let taker_fee = notional.fee(market.terms.taker_fee_ppm);
        let (buy, buyer_fee, sell, seller_fee) = match taker.side {
            Side::Buy => (taker, taker_fee, maker, maker_fee),
            Side::Sell => (maker, maker_fee, taker, taker_fee),
        };
        let buyer = self.account_of(buy.session);
        let seller = self.account_of(sell.session);
        let (base, quote) = (market.terms.base, market.terms.quote);
        let paid = notional
            .checked_add(buyer_fee)
            .expect("the buyer was found to have it");
        let earned = notional
            .checked_sub(seller_fee)
            .expect("a fee is at most the notional");
        if buy.price == Price(0) {
            self.funds.debit(buyer, quote, paid);
        } else {
            let freed = market.freed_of_buy(buy, terms.qty);
            self.funds.spend_held(buyer, quote, freed, paid);
        }
        self.funds.credit(buyer, base, base_units);
        self.funds.spend_held(seller, base, base_units, base_units);
        self.funds.credit(seller, quote, earned);
        let quote = self.assets[quote.0 as usize]
            .as_mut()
            .expect("markets have assets that exist");
        quote.fees = [maker_fee, taker_fee]
            .into_iter()
            .try_fold(quote.fees, Amount::checked_add)
            .expect("fees are part of the asset's supply");
        (maker_fee, taker_fee)
    }

    /// Takes lots off a resting order; one without leaves leaves the book.
    fn fill_maker(&mut self, maker: u32, qty: Qty) {
        let order = self.orders[maker];
        let market = self.markets[order.market().0 as usize]
            .as_mut()
            .expect("orders stand in markets that exist");
        market.book.reduce(&mut self.ladders, order.price, qty);
        fill(&mut self.orders[maker], qty);
        if self.orders[maker].leaves == Qty::ZERO {
            market
                .book
                .leave(&mut self.ladders, &mut self.orders, maker);
        }
    }
}

fn fill(order: &mut Order, qty: Qty) {
    order.leaves = order
        .leaves
        .checked_sub(qty)
        .expect("a trade is no larger than either order");
    order.filled = order
        .filled
        .checked_add(qty)
        .expect("filled and leaves add up to the order's quantity");
}
