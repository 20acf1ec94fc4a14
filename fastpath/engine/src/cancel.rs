//! Cancels, and how an order leaves the engine.

use crate::engine::Engine;
use crate::orders::Order;
use domain::{CancelOrder, ClientOrderId, CommandKind, Effects, OrderId, Qty, Reason, SessionId};

impl Engine {
    pub(crate) fn cancel_order(
        &mut self,
        session: SessionId,
        command: &CancelOrder,
        out: &mut Effects,
    ) {
        let named = (command.order_id, command.client_order_id);
        match self.named_order(session, named) {
            Some(slot) if self.keeps_some(slot, command) => {
                self.reduce_resting(slot, command.qty, out);
            }
            Some(slot) => self.cancel_resting(slot, Reason::Requested, out),
            None => {
                let kind = CommandKind::CancelOrder;
                self.report_rejected(session, kind, named, Reason::UnknownOrder, out);
            }
        }
    }

    fn keeps_some(&self, slot: u32, command: &CancelOrder) -> bool {
        command.qty > Qty::ZERO && command.qty < self.orders[slot].leaves
    }

    /// The slot of the session's live order that a command names: by the engine's id if it gives
    /// one, else by the client's.
    pub(crate) fn named_order(
        &self,
        session: SessionId,
        (order_id, client_order_id): (OrderId, ClientOrderId),
    ) -> Option<u32> {
        if order_id == OrderId::NONE {
            self.client_ids.find(&self.orders, session, client_order_id)
        } else {
            let slot = self.orders.find(order_id)?;
            (self.orders[slot].session == session).then_some(slot)
        }
    }

    /// Takes a resting order out of its book, or a stop from among those that wait, and then out of the engine.
    pub(crate) fn cancel_resting(&mut self, slot: u32, reason: Reason, out: &mut Effects) {
        let order = self.orders[slot];
        if self.stop_of(&order).is_some() {
            self.stop_waiting(&order);
            self.cancel(&order, reason, out);
            return;
        }
        self.leave_book(slot);
        self.cancel(&order, reason, out);
        self.publish_delete(&order, out);
    }

    /// Cancels what is left of an order that is in no queue.
    pub(crate) fn cancel_rest(&mut self, slot: u32, reason: Reason, out: &mut Effects) {
        let order = self.orders[slot];
        self.cancel(&order, reason, out);
    }

    fn cancel(&mut self, order: &Order, reason: Reason, out: &mut Effects) {
        let (asset, amount) = self.hold_of(order);
        let account = self.account_of(order.session);
        self.funds.release(account, asset, amount);
        self.report_canceled(order, reason, out);
        self.retire(order);
    }

    /// Takes an order out of the queue of its price.
    pub(crate) fn leave_book(&mut self, slot: u32) {
        let market = self.markets.loose(self.orders[slot].market().0);
        market.book.leave(&mut self.ladders, &mut self.orders, slot);
    }

    /// Puts an order at the front of its session's list: it is the newest.
    pub(crate) fn list(&mut self, session: SessionId, slot: u32) {
        let newest = self.sessions.loose(session.0).newest_order;
        self.orders.link(slot, *newest);
        *newest = slot;
        let account = self.account_of(session);
        *self.accounts.loose(account.0).open_orders += 1;
    }

    fn unlist(&mut self, session: SessionId, slot: u32) {
        let older = self.orders.older(slot);
        if self.orders.unlink(slot) {
            *self.sessions.loose(session.0).newest_order = older;
        }
        let account = self.account_of(session);
        *self.accounts.loose(account.0).open_orders -= 1;
    }

    /// Frees the slot and the client order id of an order that is done.
    pub(crate) fn retire(&mut self, order: &Order) {
        let slot = order.id.slot();
        if order.instructions.is_quote() {
            self.forget_quote(order);
        } else {
            self.client_ids
                .remove(order.session, order.client_order_id, slot);
        }
        self.unlist(order.session, slot);
        self.forget_end(order);
        self.orders.give_back(order.id);
    }
}
