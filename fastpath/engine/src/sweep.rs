//! Sweeps: an arriving order trades until nothing crosses, then its rest is settled.

use crate::book::crosses;
use crate::engine::{Engine, Work};
use crate::look_ahead::Owner;
use crate::market::{Market, limit_of};
use crate::orders::Order;
use domain::{
    Effects, MAX_FILLS, OrderId, OrderType, Price, Qty, Reason, SelfTrade, Side, TimeInForce,
};

/// An order that sweeps, and what of it its slot does not hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sweep {
    pub(crate) order_id: OrderId,
    pub(crate) order_type: OrderType,
    /// Of whatever may rest [`TimeInForce::GoodTillCancel`].
    pub(crate) time_in_force: TimeInForce,
    /// The worst price at which a market order trades; 0: any. Of a limit order 0.
    pub(crate) worst: Price,
}

impl Sweep {
    /// How far its order goes.
    pub(crate) fn limit(&self, order: &Order) -> Price {
        let price = match self.order_type {
            OrderType::Limit | OrderType::StopLimit => order.price,
            OrderType::Market | OrderType::Stop => self.worst,
        };
        limit_of(order.side, price)
    }
}

/// Why a sweep stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// The order is done, or nothing crosses any more.
    Ended,
    /// A market buy's funds do not pay for more.
    FundsExhausted,
    /// It met an order of its own, and ends by that.
    SelfTrade,
    /// The frame has no room for more; the sweep goes on in the next.
    FrameFull,
}

impl Engine {
    /// Trades as far as the frame allows; settles the rest unless the sweep stays pending.
    pub(crate) fn sweep(&mut self, sweep: Sweep, out: &mut Effects) {
        let market = self.orders[sweep.order_id.slot()].market();
        match self.trade_while_crossing(sweep, out) {
            Stop::FrameFull => {
                self.work = Some(Work::Sweep(sweep));
                return;
            }
            Stop::Ended => self.settle_rest(sweep, Reason::Unfilled, out),
            Stop::FundsExhausted => self.settle_rest(sweep, Reason::FundsExhausted, out),
            Stop::SelfTrade => self.cancel_rest(sweep.order_id.slot(), Reason::SelfTrade, out),
        }
        self.wake(market);
    }

    fn trade_while_crossing(&mut self, sweep: Sweep, out: &mut Effects) -> Stop {
        let slot = sweep.order_id.slot();
        let taker = self.orders[slot];
        let limit = sweep.limit(&taker);
        let prevents = self.prevents(&taker);
        let pays_as_it_goes = sweep.order_type == OrderType::Market && taker.side == Side::Buy;
        let mut fills = 0;
        loop {
            let leaves = self.orders[slot].leaves;
            let market = self.market_of_order(taker.market());
            let best = market.book.best_or_none_to_cross(taker.side.opposite());
            if leaves == Qty::ZERO || !crosses(taker.side, limit, best) {
                return Stop::Ended;
            }
            if fills >= MAX_FILLS {
                return Stop::FrameFull;
            }
            let maker = market
                .book
                .first_in_queue(&self.ladders, taker.side.opposite(), best);
            fills += 1;
            if prevents.is_some_and(|owner| self.owns(owner, &self.orders[maker])) {
                if self.prevent(slot, maker, out) {
                    continue;
                }
                return Stop::SelfTrade;
            }
            let wanted = leaves.min(self.orders.shown(&self.orders[maker]));
            let mut qty = wanted;
            if pays_as_it_goes {
                let account = self.account_of(taker.session);
                let available = self.funds.balance(account, market.terms.quote).available;
                let rates = self.rates_of(account, market);
                qty = market.affordable(best, wanted, available, rates.taker_ppm);
                if qty == Qty::ZERO {
                    return Stop::FundsExhausted;
                }
            }
            fills += self.trade((slot, maker), qty, out);
            if qty < wanted {
                return Stop::FundsExhausted;
            }
        }
    }

    /// With whose orders an order does not trade; `None` if it trades with all.
    fn prevents(&self, taker: &Order) -> Option<Owner> {
        let instructions = taker.instructions;
        (instructions.self_trade() != SelfTrade::Allow)
            .then(|| self.owner(taker.session, instructions.self_trade_scope()))
    }

    /// Puts an order at the end of the queue of its price. The event that tells of it is the next public one.
    pub(crate) fn rest(&mut self, slot: u32) {
        self.orders[slot].priority = self.next_feed_no;
        let hidden = self.orders.to_hide(&self.orders[slot]);
        self.orders.hide(slot, hidden);
        self.join_queue(slot);
    }

    /// Puts an order into the queue of its price, as it is.
    pub(crate) fn join_queue(&mut self, slot: u32) {
        let market = self.markets.loose(self.orders[slot].market().0);
        market.book.join(&mut self.ladders, &mut self.orders, slot);
    }

    /// Lets an order rest, or ends it.
    fn settle_rest(&mut self, sweep: Sweep, reason: Reason, out: &mut Effects) {
        let slot = sweep.order_id.slot();
        let order = self.orders[slot];
        let rests = sweep.order_type == OrderType::Limit
            && sweep.time_in_force == TimeInForce::GoodTillCancel;
        if order.leaves == Qty::ZERO {
            self.retire(&order);
        } else if !rests {
            self.cancel_rest(slot, reason, out);
        } else if let Err(reason) = self.check_page(
            self.market_of_order(order.market()),
            order.side,
            order.price,
        ) {
            // Only what was a stop: of any other order that was seen to before it was taken, and no sweep takes pages
            // from whoever sweeps.
            self.cancel_rest(slot, reason, out);
        } else {
            self.rest(slot);
            self.publish_add(&order, out);
        }
    }

    /// Whether an order may come to rest at a price: its side has the page, or one is free.
    pub(crate) fn check_page(
        &self,
        market: &Market,
        side: Side,
        price: Price,
    ) -> Result<(), Reason> {
        let has = self.ladders.free_pages() > 0 || market.book.has_page(&self.ladders, side, price);
        if has {
            Ok(())
        } else {
            Err(Reason::LevelTableFull)
        }
    }
}
