//! Orders that end: at a time, or when their market closes.

use crate::{
    Mutant, NaiveEngine,
    naive::{Canceling, Order, Work},
};
use domain::{
    CommandKind, Effects, MAX_CANCELS, MarketId, MarketState, MassCancel, Nanos, OrderId, Phase,
    Reason, Scope,
};

impl NaiveEngine {
    /// When the next `Timer` is due, if anything waits for one.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Nanos> {
        let opening = (self.phase == Phase::CancelOnly).then_some(self.cancel_only_until);
        let ends = self.orders.iter().map(|order| order.expires);
        ends.filter(|end| *end != Nanos(0)).chain(opening).min()
    }

    /// Answers itself, because the cancels follow the answer.
    pub(crate) fn timer(&mut self, out: &mut Effects) {
        self.end_grace(out);
        Self::report_outcome(CommandKind::Timer, Ok(()), out);
        self.expire(out);
    }

    /// The order to end next, if its time has come.
    fn next_expired(&self) -> Option<Order> {
        let late = u64::from(self.is(Mutant::OrdersEndLate));
        let due = self.orders.iter().filter(|order| {
            order.expires != Nanos(0) && order.expires.0.saturating_add(late) <= self.now.0
        });
        let rank = |order: &&Order| {
            if self.is(Mutant::OrdersEndById) {
                (Nanos(0), order.id)
            } else {
                (order.expires, order.id)
            }
        };
        due.min_by_key(rank).copied()
    }

    /// Ends orders until no more are due, or the frame is full.
    pub(crate) fn expire(&mut self, out: &mut Effects) {
        for _ in 0..MAX_CANCELS + usize::from(self.is(Mutant::OneMoreEndsInAFrame)) {
            let Some(order) = self.next_expired() else {
                return;
            };
            self.cancel_resting(&order, Reason::Expired, out);
        }
        self.work = self.next_expired().map(|_| Work::Expiring);
    }

    /// What is to be cancelled in a market that has closed, if anything is.
    pub(crate) fn closing(&self, market: MarketId) -> Option<Canceling> {
        let closed = self.markets[&market].state == MarketState::Closed;
        let ends = |order: &Order| order.market == market && order.until_close;
        let any = self.orders.iter().any(ends) && !self.is(Mutant::CloseSparesAll);
        (closed && any).then_some(Canceling {
            reason: Reason::MarketClose,
            asked: None,
            wanted: MassCancel {
                market,
                scope: Scope::Everyone,
                ..MassCancel::OWN
            },
            count: 0,
            next_session: Some(0),
            next_order: OrderId::NONE,
        })
    }
}
