//! Sweeps: an arriving order trades until nothing crosses, then its rest is settled.

use crate::book::crosses;
use crate::engine::Engine;
use crate::entry::limit_of;
use domain::{Effects, MAX_FILLS, OrderId, OrderType, Qty, Reason, Seq, Side, TimeInForce};

/// An order that sweeps, and what of it its slot does not hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sweep {
    pub(crate) order_id: OrderId,
    pub(crate) order_type: OrderType,
    pub(crate) time_in_force: TimeInForce,
}

/// Why a sweep stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// The order is done, or nothing crosses any more.
    Ended,
    /// A market buy's funds do not pay for more.
    FundsExhausted,
    /// The frame has no room for more; the sweep goes on in the next.
    FrameFull,
}

impl Engine {
    /// The order whose sweep the next request must continue.
    #[must_use]
    pub fn pending_sweep(&self) -> Option<OrderId> {
        self.sweep.map(|sweep| sweep.order_id)
    }

    pub(crate) fn continue_sweep(&mut self, seq: Seq, out: &mut Effects) {
        let sweep = self
            .sweep
            .take()
            .expect("a Continue was found to name the pending sweep");
        self.sweep(seq, sweep, out);
    }

    /// Trades as far as the frame allows; settles the rest unless the sweep stays pending.
    pub(crate) fn sweep(&mut self, seq: Seq, sweep: Sweep, out: &mut Effects) {
        match self.trade_while_crossing(sweep, out) {
            Stop::FrameFull => self.sweep = Some(sweep),
            Stop::Ended => self.settle_rest(seq, sweep, Reason::Unfilled, out),
            Stop::FundsExhausted => self.settle_rest(seq, sweep, Reason::FundsExhausted, out),
        }
    }

    fn trade_while_crossing(&mut self, sweep: Sweep, out: &mut Effects) -> Stop {
        let slot = sweep.order_id.slot();
        let taker = self.orders[slot];
        let limit = limit_of(taker.side, sweep.order_type, taker.price);
        let pays_as_it_goes = sweep.order_type == OrderType::Market && taker.side == Side::Buy;
        let mut fills = 0;
        loop {
            let leaves = self.orders[slot].leaves;
            let market = self.market_of_order(taker.market());
            let best = market.book.best_or_none_to_cross(taker.side.opposite());
            if leaves == Qty::ZERO || !crosses(taker.side, limit, best) {
                return Stop::Ended;
            }
            if fills == MAX_FILLS {
                return Stop::FrameFull;
            }
            let maker = market.book.first_in_queue(&self.ladders, best);
            let wanted = leaves.min(self.orders[maker].leaves);
            let mut qty = wanted;
            if pays_as_it_goes {
                let account = self.account_of(taker.session);
                let available = self.funds.balance(account, market.terms.quote).available;
                qty = market.affordable(best, wanted, available);
                if qty == Qty::ZERO {
                    return Stop::FundsExhausted;
                }
            }
            self.trade(slot, maker, qty, out);
            if qty < wanted {
                return Stop::FundsExhausted;
            }
            fills += 1;
        }
    }

    /// Puts an order at the end of the queue of its price.
    pub(crate) fn rest(&mut self, seq: Seq, slot: u32) {
        self.orders[slot].priority = seq;
        let market = self.markets[self.orders[slot].market().0 as usize]
            .as_mut()
            .expect("orders stand in markets that exist");
        market.book.join(&mut self.ladders, &mut self.orders, slot);
    }

    /// Lets an order rest, or ends it.
    fn settle_rest(&mut self, seq: Seq, sweep: Sweep, reason: Reason, out: &mut Effects) {
        let slot = sweep.order_id.slot();
        let order = self.orders[slot];
        let rests = sweep.order_type == OrderType::Limit
            && sweep.time_in_force == TimeInForce::GoodTillCancel;
        if order.leaves == Qty::ZERO {
            self.retire(&order);
        } else if rests {
            self.rest(seq, slot);
            self.publish_add(&order, out);
        } else {
            self.cancel_rest(slot, reason, out);
        }
    }
}
