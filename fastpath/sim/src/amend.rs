//! Cancels and amendments of a single order. The first check that fails decides.

use crate::{
    Mutant, NaiveEngine,
    entry::ensure,
    limits::Intent,
    naive::{NOWHERE, Order, Sweep},
};
use domain::{
    AmendOrder, CancelOrder, ClientOrderId, CommandKind, Effects, Flag, OrderType, Price, Qty,
    Reason, SelfTrade, SessionId, TimeInForce,
};

/// What is asked of an order that is amended.
pub(crate) struct Amendment {
    pub(crate) price: Price,
    pub(crate) qty: Qty,
    pub(crate) client_order_id: ClientOrderId,
}

impl NaiveEngine {
    pub(crate) fn cancel_order(
        &mut self,
        session: SessionId,
        cancel: &CancelOrder,
        out: &mut Effects,
    ) {
        match self.target(session, cancel.order_id, cancel.client_order_id) {
            Some(order) if self.is_partial(cancel, &order) => {
                self.shrink(&order, cancel.qty, out);
            }
            Some(order) => self.cancel_resting(&order, Reason::Requested, out),
            None => self.report_rejected(
                session,
                CommandKind::CancelOrder,
                (cancel.order_id, cancel.client_order_id),
                Reason::UnknownOrder,
                out,
            ),
        }
    }

    pub(crate) fn cancel_resting(&mut self, order: &Order, reason: Reason, out: &mut Effects) {
        self.remove(order.id);
        self.report_canceled(order, reason, out);
        if order.stop.is_none() {
            self.publish_delete(order, out);
        }
    }

    /// Whether something of the order stays.
    fn is_partial(&self, cancel: &CancelOrder, order: &Order) -> bool {
        let minimum = if self.is(Mutant::PartialCancelKeepsMinimum) {
            self.markets[&order.market].terms.min_qty.0
        } else {
            1
        };
        let left = order.leaves.0.checked_sub(cancel.qty.0);
        cancel.qty != Qty::ZERO && left.is_some_and(|left| left >= minimum)
    }

    /// The order becomes smaller and keeps its place.
    pub(crate) fn shrink(&mut self, order: &Order, by: Qty, out: &mut Effects) {
        let leaves = Qty(order.leaves.0 - by.0);
        let smaller = Order { leaves, ..*order };
        let total = if self.is(Mutant::PartialCancelForgetsFilled) {
            leaves
        } else {
            Qty(order.filled.0 + leaves.0)
        };
        if order.stop.is_some() {
            *self.order_mut(order.id) = smaller;
            return self.report_amended(&smaller, Flag::Yes, total, out);
        }
        self.amend_in_place(order, smaller, total, out);
    }

    pub(crate) fn amend_order(
        &mut self,
        session: SessionId,
        amend: &AmendOrder,
        out: &mut Effects,
    ) {
        if let Err(reason) = self.try_amend(session, amend, out) {
            let ids = (amend.order_id, amend.client_order_id);
            self.report_rejected(session, CommandKind::AmendOrder, ids, reason, out);
            if let Some(order) = self.target(session, amend.order_id, amend.client_order_id) {
                self.halt_if_beyond_collar(order.market, reason, out);
            }
        }
    }

    fn try_amend(
        &mut self,
        session: SessionId,
        amend: &AmendOrder,
        out: &mut Effects,
    ) -> Result<(), Reason> {
        ensure(self.accepts_orders(), Reason::CancelOnly)?;
        self.check_delegation_lasts(session)?;
        ensure(
            !self.is_killed(session) || self.is(Mutant::KilledMayAmend),
            Reason::Killed,
        )?;
        let old = self
            .target(session, amend.order_id, amend.client_order_id)
            .filter(|order| !order.quote || self.is(Mutant::QuotesCanBeAmended))
            .ok_or(Reason::UnknownOrder)?;
        let client_order_id = self.renamed(&old, amend.new_client_order_id)?;
        if !self.is(Mutant::AmendInAnyState) {
            self.check_market_takes_orders(&self.markets[&old.market])?;
        }
        if amend.qty <= old.filled {
            let old = if self.is(Mutant::EndsByItsNewName) {
                Order {
                    client_order_id,
                    ..old
                }
            } else {
                old
            };
            self.cancel_resting(&old, Reason::AmendedToFilled, out);
            return Ok(());
        }
        if let Some(stop) = old.stop {
            let amendment = Amendment {
                price: amend.price,
                qty: amend.qty,
                client_order_id,
            };
            return self.amend_stop(&old, stop, &amendment, out);
        }
        let price = self.check_amended(&old, amend)?;
        let filled = if self.is(Mutant::AmendForgetsFilled) {
            0
        } else {
            old.filled.0
        };
        let new = Order {
            price,
            leaves: Qty(amend.qty.0 - filled),
            client_order_id,
            ..old
        };
        let keeps_priority = new.price == old.price
            && new.leaves <= old.leaves
            && !self.is(Mutant::AmendDownLosesPriority);
        let intent = Self::amended_intent(&old, price, amend.qty);
        let volume = self.amended_volume(&intent, keeps_priority);
        self.check_unattested(session, volume)?;
        if keeps_priority {
            self.count_entered(session, volume);
            self.amend_in_place(&old, new, amend.qty, out);
            return Ok(());
        }
        let place = (new.market, new.side, new.price);
        let has_page = self.has_page(place) || self.is(Mutant::AmendNeedsNoPage);
        ensure(has_page, Reason::LevelTableFull)?;
        self.check_requeue(&old, &new)?;
        self.count_entered(session, volume);
        self.requeue(&old, new, amend.qty, out);
        Ok(())
    }

    /// The client order id that the order has from now on.
    fn renamed(&self, old: &Order, new: ClientOrderId) -> Result<ClientOrderId, Reason> {
        if new == ClientOrderId(0) || new == old.client_order_id {
            return Ok(old.client_order_id);
        }
        ensure(
            !self.has_client_id(old.session, new) || self.is(Mutant::RenameToTakenId),
            Reason::DuplicateClientOrderId,
        )?;
        Ok(new)
    }

    /// Checks 5 to 8 of an amendment. The price with which it goes on.
    fn check_amended(&self, old: &Order, amend: &AmendOrder) -> Result<Price, Reason> {
        let market = &self.markets[&old.market];
        ensure(self.has_price(market, amend.price), Reason::PriceOutOfRange)?;
        ensure(
            !self.has_too_many_slices(Qty(amend.qty.0 - old.filled.0), old.display),
            Reason::InvalidQuantity,
        )?;
        ensure(
            amend.qty >= market.terms.min_qty || self.is(Mutant::AmendBelowMinimum),
            Reason::QuantityBelowMinimum,
        )?;
        let price = if self.is(Mutant::AmendDoesNotSlide) {
            amend.price
        } else {
            self.slid(old.market, old.side, old.post_only, amend.price)?
        };
        if self.is(Mutant::AmendCollarIsNotLast) {
            self.within_collar(market, old.side, OrderType::Limit, price)?;
        }
        self.check_size(market, Some(price), amend.qty)?;
        if !self.is(Mutant::AmendBeyondDelegation) {
            self.check_delegation_covers(old.session, market, Some(price), amend.qty)?;
        }
        self.check_amended_limits(old, price, amend.qty)?;
        Ok(price)
    }

    fn check_amended_limits(&self, old: &Order, price: Price, qty: Qty) -> Result<(), Reason> {
        if self.is(Mutant::AmendBeyondLimits) {
            return Ok(());
        }
        self.check_limits(&Self::amended_intent(old, price, qty))
    }

    /// The order as it would be.
    fn amended_intent(old: &Order, price: Price, qty: Qty) -> Intent {
        Intent {
            account: old.account,
            market: old.market,
            side: old.side,
            order_type: OrderType::Limit,
            price,
            trigger: Price(0),
            qty,
            leaves: Qty(qty.0 - old.filled.0),
            new_orders: 0,
        }
    }

    /// What is not attested of an amended order: all of it, as if it were new; nothing if it asks for no more.
    pub(crate) fn amended_volume(&self, intent: &Intent, asks_for_no_more: bool) -> u64 {
        let spared = if self.is(Mutant::KeptPlacesEnterAgain) {
            false
        } else {
            asks_for_no_more || self.is(Mutant::AmendmentsNeedNoAttestation)
        };
        if spared { 0 } else { self.open_volume(intent) }
    }

    /// What is hidden goes first.
    fn amend_in_place(&mut self, old: &Order, mut new: Order, total: Qty, out: &mut Effects) {
        let gone = old.leaves.0 - new.leaves.0;
        let of_hidden = if self.is(Mutant::ShownLotsGoFirst) {
            gone.saturating_sub(old.shown().0 - 1)
        } else {
            gone
        };
        new.hidden = Qty(old.hidden.0.saturating_sub(of_hidden));
        *self.order_mut(old.id) = new;
        self.report_amended(&new, Flag::Yes, total, out);
        if new.shown() != old.shown() {
            self.publish_reduce(&new, out);
        }
    }

    /// Checks 9 to 12 of an amendment that loses its place.
    fn check_requeue(&self, old: &Order, new: &Order) -> Result<(), Reason> {
        self.check_does_not_trade(new.market, new.side, new.post_only, new.price)?;
        let funds = || self.check_hold_of_amended(old, new);
        if !self.is(Mutant::LooksAheadBeforeFunds) {
            funds()?;
        }
        if new.self_trade == SelfTrade::Abort {
            self.look_ahead(new, Qty::ZERO, None)?;
        }
        funds()?;
        if !self.is(Mutant::AmendBeyondCollar) {
            let market = &self.markets[&new.market];
            self.within_collar(market, new.side, OrderType::Limit, new.price)?;
        }
        Ok(())
    }

    /// The account can set aside what the order holds from now on.
    pub(crate) fn check_hold_of_amended(&self, old: &Order, new: &Order) -> Result<(), Reason> {
        let (asset, old_hold) = self.hold_of(old);
        let (_, new_hold) = self.hold_of(new);
        ensure(
            new_hold <= self.available(old.account, asset) + old_hold,
            Reason::InsufficientFunds,
        )
    }

    /// The order loses its place, and joins another queue or trades.
    fn requeue(&mut self, old: &Order, new: Order, total: Qty, out: &mut Effects) {
        if self.is(Mutant::AmendedIsNewest) {
            self.orders.retain(|order| order.id != old.id);
            self.orders.push(*old);
        }
        *self.order_mut(old.id) = Order {
            priority: NOWHERE,
            hidden: Qty::ZERO,
            ..new
        };
        self.report_amended(&new, Flag::No, total, out);
        if self.opposite(new.market, new.side, new.price).is_empty()
            && !self.is(Mutant::RequeueWithoutReplace)
        {
            let new = self.rest(new.id);
            self.publish_replace(&new, out);
            return;
        }
        self.publish_delete(old, out);
        let sweep = Sweep {
            order_id: old.id,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::GoodTillCancel,
            worst: Price(0),
        };
        self.go_on_sweeping(sweep, out);
    }
}
