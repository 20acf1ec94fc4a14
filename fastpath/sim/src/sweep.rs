//! How an order that arrives trades, and what becomes of the rest of it.

use crate::{
    Mutant, NaiveEngine,
    naive::{Order, Sweep},
};
use domain::{Amount, Effects, MAX_FILLS, OrderId, OrderType, Qty, Reason, Seq, Side, TimeInForce};

impl NaiveEngine {
    /// Goes on with the sweep until it ends or the frame is full. The caller has set `self.sweep`.
    pub(crate) fn go_on(&mut self, seq: Seq, out: &mut Effects) {
        let sweep = self.sweep.expect("the caller has set the sweep");
        if let Some(reason) = self.sweep_book(sweep.order_id, out) {
            self.sweep = None;
            self.settle_rest(sweep, reason, seq, out);
        }
    }

    fn sweeping(&self, id: OrderId) -> Order {
        self.order(id).expect("the order that sweeps is live")
    }

    /// Trades with one maker after the other. Why a rest would not stay, once the sweep has ended;
    /// none if it is still pending.
    fn sweep_book(&mut self, id: OrderId, out: &mut Effects) -> Option<Reason> {
        let most = MAX_FILLS + usize::from(self.is(Mutant::SweepOneMakerTooLong));
        let mut makers = 0;
        loop {
            let taker = self.sweeping(id);
            let opposite = self.opposite(taker.market, taker.side, taker.price);
            let Some(maker) = opposite.first().filter(|_| taker.leaves > Qty::ZERO) else {
                return Some(Reason::Unfilled);
            };
            if makers == most {
                return None;
            }
            let wanted = taker.leaves.min(maker.leaves);
            let qty = self.affordable(&taker, maker, wanted);
            if qty == Qty::ZERO {
                return Some(Reason::FundsExhausted);
            }
            self.trade(maker, &taker, qty, out);
            if qty < wanted && !self.is(Mutant::SweepAfterReduction) {
                return Some(Reason::FundsExhausted);
            }
            makers += 1;
        }
    }

    /// The most of `wanted` that the taker can pay for at the maker's price. Only a market buy has
    /// not paid in advance.
    fn affordable(&self, taker: &Order, maker: &Order, wanted: Qty) -> Qty {
        let market = &self.markets[&taker.market];
        if taker.side == Side::Sell || taker.price.0 != 0 {
            return wanted;
        }
        let available = self.available(taker.account, market.quote);
        let covers = |lots: u64| {
            lots == 0
                || Amount::notional(maker.price, Qty(lots), market.tick_value)
                    .and_then(|n| n.0.checked_add(self.fee(n, market.taker_fee_ppm)))
                    .is_some_and(|cost| cost <= available)
        };
        if covers(wanted.0) {
            return wanted;
        }
        if self.is(Mutant::NoPartialAfford) {
            return Qty::ZERO;
        }
        // What more lots cost grows with them: halve the gap between enough and too many.
        let (mut enough, mut too_many) = (0, wanted.0);
        while too_many - enough > 1 {
            let middle = enough + (too_many - enough) / 2;
            if covers(middle) {
                enough = middle;
            } else {
                too_many = middle;
            }
        }
        Qty(enough)
    }

    fn trade(&mut self, maker: &Order, taker: &Order, qty: Qty, out: &mut Effects) {
        let market = self.markets[&maker.market];
        let price = if self.is(Mutant::TradeAtTakerPrice) && taker.price.0 != 0 {
            taker.price
        } else {
            maker.price
        };
        let notional = Amount::notional(price, qty, market.tick_value)
            .expect("no more than the maker's whole notional, which was checked");
        let base = qty
            .base_units(market.lot_size)
            .expect("no more than the maker's whole quantity, which was checked")
            .0;
        let maker_rate = if self.is(Mutant::MakerPaysTakerFee) {
            market.taker_fee_ppm
        } else {
            market.maker_fee_ppm
        };
        let maker_fee = self.fee(notional, maker_rate);
        let taker_fee = self.fee(notional, market.taker_fee_ppm);
        let (buyer, buyer_fee, seller, seller_fee) = match taker.side {
            Side::Buy => (taker, taker_fee, maker, maker_fee),
            Side::Sell => (maker, maker_fee, taker, taker_fee),
        };
        // One account may be on both sides: it pays before it is paid.
        self.debit(buyer.account, market.quote, notional.0 + buyer_fee);
        self.debit(seller.account, market.base, base);
        self.credit(buyer.account, market.base, base);
        self.credit(seller.account, market.quote, notional.0 - seller_fee);
        self.collect_fees(market.quote, buyer_fee);
        self.collect_fees(market.quote, seller_fee);

        for id in [maker.id, taker.id] {
            let order = self.order_mut(id);
            order.leaves.0 -= qty.0;
            order.filled.0 += qty.0;
        }
        let (maker, taker) = (self.sweeping(maker.id), self.sweeping(taker.id));
        self.report_trade([&maker, &taker], price, qty, [maker_fee, taker_fee], out);
        if maker.leaves == Qty::ZERO {
            self.remove(maker.id);
        }
    }

    fn settle_rest(&mut self, sweep: Sweep, reason: Reason, seq: Seq, out: &mut Effects) {
        let order = self.sweeping(sweep.order_id);
        let stays = sweep.order_type == OrderType::Limit
            && sweep.time_in_force == TimeInForce::GoodTillCancel;
        if order.leaves == Qty::ZERO {
            self.remove(order.id);
        } else if stays {
            self.rest(order.id, seq);
            self.publish_add(&order, out);
        } else {
            self.remove(order.id);
            self.report_canceled(&order, reason, out);
        }
    }
}
