//! How an order that arrives trades, and what becomes of the rest of it.

use crate::{
    Mutant, NaiveEngine,
    naive::{Order, Sweep, Work},
};
use domain::{
    Amount, Effects, MAX_FILLS, OrderId, OrderType, PROTECTED_FILLS, Price, Qty, Reason, Side,
    TimeInForce,
};

impl NaiveEngine {
    /// Goes on with a sweep until it ends or the frame is full.
    pub(crate) fn go_on_sweeping(&mut self, sweep: Sweep, out: &mut Effects) {
        let market = self.sweeping(sweep.order_id).market;
        match self.sweep_book(&sweep, out) {
            Some(reason) => {
                self.settle_rest(sweep, reason, out);
                self.wake(market);
            }
            None => self.work = Some(Work::Sweep(sweep)),
        }
    }

    fn sweeping(&self, id: OrderId) -> Order {
        self.order(id).expect("the order that sweeps is live")
    }

    /// Meets one maker after the other. Why a rest would not stay, once the sweep has ended;
    /// none if it is still pending.
    fn sweep_book(&mut self, sweep: &Sweep, out: &mut Effects) -> Option<Reason> {
        let most = MAX_FILLS + usize::from(self.is(Mutant::SweepOneMakerTooLong));
        let mut makers = 0;
        loop {
            let taker = self.sweeping(sweep.order_id);
            let limit = match sweep.order_type {
                OrderType::Limit | OrderType::StopLimit => taker.price,
                OrderType::Market if self.is(Mutant::WorstPriceForgotten) => Price(0),
                OrderType::Market | OrderType::Stop => sweep.worst,
            };
            let opposite = self.opposite(taker.market, taker.side, limit);
            let Some(maker) = opposite.first().filter(|_| taker.leaves > Qty::ZERO) else {
                return Some(Reason::Unfilled);
            };
            if makers >= most {
                return None;
            }
            let too_poor = self.is(Mutant::FundsBeforePrevention)
                && self.affordable(&taker, maker, taker.leaves.min(maker.shown())) == Qty::ZERO;
            if self.must_not_trade(&taker, maker) && !too_poor {
                if self.prevent(&taker, maker, out) {
                    return Some(Reason::SelfTrade);
                }
                makers += usize::from(!self.is(Mutant::PreventedAreNotCounted));
                continue;
            }
            let wanted = taker.leaves.min(maker.shown());
            let qty = self.affordable(&taker, maker, wanted);
            if qty == Qty::ZERO {
                return Some(Reason::FundsExhausted);
            }
            makers += self.trade(maker, &taker, qty, out);
            if qty < wanted && !self.is(Mutant::SweepAfterReduction) {
                return Some(Reason::FundsExhausted);
            }
        }
    }

    /// The most of `wanted` that the taker can pay for at the maker's price. Only a market buy has
    /// not paid in advance.
    fn affordable(&self, taker: &Order, maker: &Order, wanted: Qty) -> Qty {
        let market = &self.markets[&taker.market];
        let rate = self.taker_rate(market, taker.account);
        let market = &market.terms;
        if taker.side == Side::Sell || taker.price.0 != 0 {
            return wanted;
        }
        let available = self.available(taker.account, market.quote);
        let covers = |lots: u64| {
            lots == 0
                || Amount::notional(maker.price, Qty(lots), market.tick_value)
                    .and_then(|n| n.0.checked_add(self.fee(n, rate)))
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

    /// As how many makers it counts: as more than one if the maker then shows lots that were hidden, or its owner's
    /// protection is reached.
    fn trade(&mut self, maker: &Order, taker: &Order, qty: Qty, out: &mut Effects) -> usize {
        let price = if self.is(Mutant::TradeAtTakerPrice) && taker.price.0 != 0 {
            taker.price
        } else {
            maker.price
        };
        let charges = self.exchange(maker, taker, price, qty);
        let (maker, taker) = (self.sweeping(maker.id), self.sweeping(taker.id));
        self.report_trade([&maker, &taker], price, qty, charges, out);
        let shows_more = self.settle_maker(maker.id, out);
        if self.protect(&maker, price, qty, out) && !self.is(Mutant::ProtectionTakesNoRoom) {
            return PROTECTED_FILLS;
        }
        1 + usize::from(shows_more && !self.is(Mutant::SlicesAreNotCounted))
    }

    fn settle_rest(&mut self, sweep: Sweep, reason: Reason, out: &mut Effects) {
        let order = self.sweeping(sweep.order_id);
        let ends = reason == Reason::SelfTrade && !self.is(Mutant::RestOfSelfTradeStays);
        let stays = sweep.order_type == OrderType::Limit
            && sweep.time_in_force == TimeInForce::GoodTillCancel
            && !ends;
        if order.leaves == Qty::ZERO {
            self.remove(order.id);
        } else if stays && !self.has_page((order.market, order.side, order.price)) {
            // What was a stop: of any other order this was seen to before it was taken.
            self.remove(order.id);
            self.report_canceled(&order, Reason::LevelTableFull, out);
        } else if stays {
            let order = self.rest(order.id);
            self.publish_add(&order, out);
        } else {
            self.remove(order.id);
            self.report_canceled(&order, reason, out);
        }
    }
}
