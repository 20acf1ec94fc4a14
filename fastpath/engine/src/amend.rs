//! Amendments: in place where the order asks for less, else as a new arrival.

use crate::book::crosses;
use crate::engine::Engine;
use crate::orders::Order;
use crate::sweep::Sweep;
use domain::{
    AmendOrder, CommandKind, Effects, Flag, OrderType, Phase, Qty, Reason, Seq, SessionId,
    TimeInForce,
};

/// What an amendment that was not refused comes to.
enum Amendment {
    /// No more than was filled is wanted.
    Cancel,
    /// Less at the same price: the order keeps its place.
    Keep(Order),
    /// The order leaves its queue and arrives again.
    Requeue(Order),
}

impl Engine {
    pub(crate) fn amend_order(
        &mut self,
        seq: Seq,
        session: SessionId,
        command: &AmendOrder,
        out: &mut Effects,
    ) {
        match self.check_amendment(session, command) {
            Ok((slot, Amendment::Cancel)) => {
                self.cancel_resting(slot, Reason::AmendedToFilled, out);
            }
            Ok((slot, Amendment::Keep(amended))) => {
                self.amend_in_place(slot, amended, command, out);
            }
            Ok((slot, Amendment::Requeue(amended))) => {
                self.requeue(seq, slot, amended, command, out);
            }
            Err(reason) => {
                let named = (command.order_id, command.client_order_id);
                self.report_rejected(session, CommandKind::AmendOrder, named, reason, out);
            }
        }
    }

    /// The order's slot and what becomes of it, or the first reason against the amendment.
    fn check_amendment(
        &self,
        session: SessionId,
        command: &AmendOrder,
    ) -> Result<(u32, Amendment), Reason> {
        if self.phase == Phase::CancelOnly {
            return Err(Reason::CancelOnly);
        }
        let state = self.session_state(session);
        let delegation = self.current_delegation(state)?;
        let named = (command.order_id, command.client_order_id);
        let slot = self
            .named_order(session, named)
            .ok_or(Reason::UnknownOrder)?;
        let order = self.orders[slot];
        let market = self.market_of_order(order.market());
        let leaves = match command.qty.checked_sub(order.filled) {
            None | Some(Qty::ZERO) => return Ok((slot, Amendment::Cancel)),
            Some(leaves) => leaves,
        };
        if !market.has_price(command.price) {
            return Err(Reason::PriceOutOfRange);
        }
        if command.qty < market.terms.min_qty {
            return Err(Reason::QuantityBelowMinimum);
        }
        if market.base_units(command.qty).is_none()
            || market.buy_hold(command.price, command.qty).is_none()
        {
            return Err(Reason::NotionalTooLarge);
        }
        if !delegation.covers(market.notional(command.price, command.qty)) {
            return Err(Reason::BeyondDelegation);
        }
        let mut amended = order;
        amended.price = command.price;
        amended.leaves = leaves;
        if amended.price == order.price && amended.leaves <= order.leaves {
            return Ok((slot, Amendment::Keep(amended)));
        }
        let opposite = market.book.best_or_none_to_cross(order.side.opposite());
        if order.post_only.is_yes() && crosses(order.side, amended.price, opposite) {
            return Err(Reason::WouldTrade);
        }
        let (asset, held) = market.hold_of(&order);
        let (_, needed) = market.hold_of(&amended);
        let available = self.funds.balance(state.account, asset).available;
        let covered = available
            .checked_add(held)
            .expect("both are parts of the asset's supply");
        if covered < needed {
            return Err(Reason::InsufficientFunds);
        }
        amended.priority = Seq(0);
        Ok((slot, Amendment::Requeue(amended)))
    }

    fn amend_in_place(
        &mut self,
        slot: u32,
        amended: Order,
        command: &AmendOrder,
        out: &mut Effects,
    ) {
        let order = self.orders[slot];
        let market = self.market_of_order(order.market());
        let freed = Qty(order.leaves.0 - amended.leaves.0);
        let book = market.book;
        self.exchange_hold(&order, &amended);
        book.reduce(&mut self.ladders, order.price, freed);
        self.orders[slot] = amended;
        self.report_amended(&amended, command.qty, Flag::Yes, out);
        if freed > Qty::ZERO {
            self.publish_reduce(&amended, out);
        }
    }

    fn requeue(
        &mut self,
        seq: Seq,
        slot: u32,
        amended: Order,
        command: &AmendOrder,
        out: &mut Effects,
    ) {
        let order = self.orders[slot];
        self.leave_book(slot);
        self.exchange_hold(&order, &amended);
        self.orders[slot] = amended;
        self.report_amended(&amended, command.qty, Flag::No, out);
        let market = self.market_of_order(amended.market());
        let opposite = market.book.best_or_none_to_cross(amended.side.opposite());
        if !crosses(amended.side, amended.price, opposite) {
            self.rest(seq, slot);
            self.publish_replace(&amended, out);
            return;
        }
        self.publish_delete(&amended, out);
        let sweep = Sweep {
            order_id: order.id,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::GoodTillCancel,
        };
        self.sweep(seq, sweep, out);
    }

    /// Returns the hold of the order as it was, and takes that of the order as it will be.
    fn exchange_hold(&mut self, before: &Order, after: &Order) {
        let account = self.account_of(before.session);
        let market = self.market_of_order(before.market());
        let (asset, released) = market.hold_of(before);
        let (_, needed) = market.hold_of(after);
        self.funds.release(account, asset, released);
        self.funds.hold(account, asset, needed);
    }
}
