//! What sessions may ask: new order, cancel, amend. The first check that fails decides.

use crate::{
    Mutant, NaiveEngine,
    naive::{Order, SWEEPING, Sweep},
};
use domain::{
    AmendOrder, Amount, CancelOrder, CommandKind, CreateMarket, Effects, Flag, NewOrder, OrderId,
    OrderType, Price, Qty, Reason, Seq, SessionId, Side, TimeInForce,
};

fn ensure(holds: bool, otherwise: Reason) -> Result<(), Reason> {
    if holds { Ok(()) } else { Err(otherwise) }
}

impl NaiveEngine {
    pub(crate) fn new_order(
        &mut self,
        session: SessionId,
        new: &NewOrder,
        seq: Seq,
        out: &mut Effects,
    ) {
        if let Err(reason) = self.check_new(session, new) {
            let ids = (OrderId::NONE, new.client_order_id);
            return self.report_rejected(session, CommandKind::NewOrder, ids, reason, out);
        }
        let order = Order {
            id: self.take_slot(),
            session,
            account: self.sessions[&session].terms.account,
            market: new.market,
            side: new.side,
            post_only: new.post_only,
            price: new.price,
            leaves: new.qty,
            filled: Qty::ZERO,
            client_order_id: new.client_order_id,
            priority: SWEEPING,
        };
        self.orders.push(order);
        self.report_accepted(&order, new, out);
        self.sweep = Some(Sweep {
            order_id: order.id,
            order_type: new.order_type,
            time_in_force: new.time_in_force,
        });
        self.go_on(seq, out);
    }

    fn check_new(&self, session: SessionId, new: &NewOrder) -> Result<(), Reason> {
        ensure(self.accepts_orders(), Reason::CancelOnly)?;
        self.check_delegation_lasts(session)?;
        let market = self.markets.get(&new.market).ok_or(Reason::UnknownMarket)?;
        ensure(new.client_order_id.0 != 0, Reason::InvalidClientOrderId)?;
        self.check_shape(market, new)?;
        self.check_size(market, new.order_type, new.price, new.qty)?;
        self.check_delegation_covers(session, market, new.price, new.qty)?;
        let duplicate = self
            .orders
            .iter()
            .any(|order| order.session == session && order.client_order_id == new.client_order_id);
        ensure(
            !duplicate || self.is(Mutant::DuplicateClientOrderId),
            Reason::DuplicateClientOrderId,
        )?;
        ensure(self.has_slot(), Reason::OrderTableFull)?;
        ensure(
            !new.post_only.is_yes() || !self.would_trade(new.market, new.side, new.price),
            Reason::WouldTrade,
        )?;
        ensure(self.can_fill(new), Reason::CannotFill)?;
        ensure(
            self.can_pay(session, market, new),
            Reason::InsufficientFunds,
        )
    }

    /// Check 2: what the session may do has not ended.
    fn check_delegation_lasts(&self, session: SessionId) -> Result<(), Reason> {
        let expires = self.sessions[&session].terms.delegation.expires;
        let late = u64::from(self.is(Mutant::DelegationEndsLate));
        let now = self.now.0.saturating_sub(late);
        ensure(expires.0 == 0 || now < expires.0, Reason::DelegationExpired)
    }

    /// Check 9: the order is no larger than the session may enter. How large a market order is
    /// nobody knows.
    fn check_delegation_covers(
        &self,
        session: SessionId,
        market: &CreateMarket,
        price: Price,
        qty: Qty,
    ) -> Result<(), Reason> {
        let most = self.sessions[&session].terms.delegation.max_order_notional;
        let covered = most.0 == 0
            || price.0 != 0
                && Amount::notional(price, qty, market.tick_value).is_some_and(|n| n <= most);
        ensure(covered, Reason::BeyondDelegation)
    }

    /// Checks 5 to 7: options, price, quantity.
    fn check_shape(&self, market: &CreateMarket, new: &NewOrder) -> Result<(), Reason> {
        let stays = new.time_in_force == TimeInForce::GoodTillCancel;
        let post_only = new.post_only.is_yes();
        match new.order_type {
            OrderType::Market => {
                ensure(!stays && !post_only, Reason::InvalidCombination)?;
                ensure(new.price == Price(0), Reason::InvalidPrice)?;
            }
            OrderType::Limit => {
                ensure(stays || !post_only, Reason::InvalidCombination)?;
                self.check_price(market, new.price)?;
            }
        }
        ensure(new.qty > Qty::ZERO, Reason::InvalidQuantity)?;
        ensure(new.qty >= market.min_qty, Reason::QuantityBelowMinimum)
    }

    fn check_price(&self, market: &CreateMarket, price: Price) -> Result<(), Reason> {
        let end = market.price_min.0 + i64::from(market.price_levels);
        let end = end - i64::from(self.is(Mutant::PriceRangeTooShort));
        ensure(
            (market.price_min.0..end).contains(&price.0),
            Reason::PriceOutOfRange,
        )
    }

    /// Check 8: everything that the order could move can be counted.
    fn check_size(
        &self,
        market: &CreateMarket,
        order_type: OrderType,
        price: Price,
        qty: Qty,
    ) -> Result<(), Reason> {
        ensure(
            qty.base_units(market.lot_size).is_some(),
            Reason::NotionalTooLarge,
        )?;
        ensure(
            order_type == OrderType::Market || self.limit_buy_hold(market, price, qty).is_some(),
            Reason::NotionalTooLarge,
        )
    }

    /// Check 13. Anything but fill-or-kill need not fill.
    fn can_fill(&self, new: &NewOrder) -> bool {
        let there: u128 = self
            .opposite(new.market, new.side, new.price)
            .iter()
            .map(|maker| u128::from(maker.leaves.0))
            .sum();
        new.time_in_force != TimeInForce::FillOrKill
            || there >= u128::from(new.qty.0)
            || self.is(Mutant::FillOrKillTakesPart)
    }

    /// Check 14.
    fn can_pay(&self, session: SessionId, market: &CreateMarket, new: &NewOrder) -> bool {
        let account = self.sessions[&session].terms.account;
        let needed = match (new.side, new.order_type, new.time_in_force) {
            (Side::Buy, OrderType::Market, TimeInForce::FillOrKill) => self
                .cost_of_fill(market, new)
                .map(|cost| (market.quote, cost)),
            _ => self.hold(market, new.side, new.price, new.qty),
        };
        needed.is_some_and(|(asset, amount)| amount <= self.available(account, asset))
    }

    /// What a market buy that fills at once pays in all, the taker's fee on the whole included.
    fn cost_of_fill(&self, market: &CreateMarket, new: &NewOrder) -> Option<u64> {
        let mut wanted = new.qty.0;
        let mut cost = 0_u64;
        for maker in self.opposite(new.market, new.side, new.price) {
            let taken = wanted.min(maker.leaves.0);
            wanted -= taken;
            if taken > 0 {
                let notional = Amount::notional(maker.price, Qty(taken), market.tick_value)?;
                cost = cost.checked_add(notional.0)?;
            }
        }
        if self.is(Mutant::FillOrKillForgetsFee) {
            return Some(cost);
        }
        cost.checked_add(self.fee(Amount(cost), market.taker_fee_ppm))
    }

    pub(crate) fn cancel_order(
        &mut self,
        session: SessionId,
        cancel: &CancelOrder,
        out: &mut Effects,
    ) {
        match self.target(session, cancel.order_id, cancel.client_order_id) {
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

    fn cancel_resting(&mut self, order: &Order, reason: Reason, out: &mut Effects) {
        self.remove(order.id);
        self.report_canceled(order, reason, out);
        self.publish_delete(order, out);
    }

    pub(crate) fn amend_order(
        &mut self,
        session: SessionId,
        amend: &AmendOrder,
        seq: Seq,
        out: &mut Effects,
    ) {
        if let Err(reason) = self.try_amend(session, amend, seq, out) {
            let ids = (amend.order_id, amend.client_order_id);
            self.report_rejected(session, CommandKind::AmendOrder, ids, reason, out);
        }
    }

    fn try_amend(
        &mut self,
        session: SessionId,
        amend: &AmendOrder,
        seq: Seq,
        out: &mut Effects,
    ) -> Result<(), Reason> {
        ensure(self.accepts_orders(), Reason::CancelOnly)?;
        self.check_delegation_lasts(session)?;
        let old = self
            .target(session, amend.order_id, amend.client_order_id)
            .ok_or(Reason::UnknownOrder)?;
        if amend.qty <= old.filled {
            self.cancel_resting(&old, Reason::AmendedToFilled, out);
            return Ok(());
        }
        let market = self.markets[&old.market];
        self.check_price(&market, amend.price)?;
        ensure(
            amend.qty >= market.min_qty || self.is(Mutant::AmendBelowMinimum),
            Reason::QuantityBelowMinimum,
        )?;
        self.check_size(&market, OrderType::Limit, amend.price, amend.qty)?;
        if !self.is(Mutant::AmendBeyondDelegation) {
            self.check_delegation_covers(session, &market, amend.price, amend.qty)?;
        }
        let filled = if self.is(Mutant::AmendForgetsFilled) {
            0
        } else {
            old.filled.0
        };
        let new = Order {
            price: amend.price,
            leaves: Qty(amend.qty.0 - filled),
            ..old
        };
        let keeps_priority = new.price == old.price
            && new.leaves <= old.leaves
            && !self.is(Mutant::AmendDownLosesPriority);
        if keeps_priority {
            self.amend_in_place(&old, new, amend.qty, out);
            return Ok(());
        }
        self.check_requeue(&old, &new)?;
        *self.order_mut(old.id) = Order {
            priority: SWEEPING,
            ..new
        };
        self.report_amended(&new, Flag::No, amend.qty, out);
        if self.opposite(new.market, new.side, new.price).is_empty()
            && !self.is(Mutant::RequeueWithoutReplace)
        {
            self.rest(new.id, seq);
            self.publish_replace(&new, out);
            return Ok(());
        }
        self.publish_delete(&old, out);
        self.sweep = Some(Sweep {
            order_id: old.id,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::GoodTillCancel,
        });
        self.go_on(seq, out);
        Ok(())
    }

    fn amend_in_place(&mut self, old: &Order, new: Order, total: Qty, out: &mut Effects) {
        *self.order_mut(old.id) = new;
        self.report_amended(&new, Flag::Yes, total, out);
        if new.leaves != old.leaves {
            self.publish_reduce(&new, out);
        }
    }

    /// Checks 7 and 8 of an amendment that loses its place.
    fn check_requeue(&self, old: &Order, new: &Order) -> Result<(), Reason> {
        ensure(
            !new.post_only.is_yes() || !self.would_trade(new.market, new.side, new.price),
            Reason::WouldTrade,
        )?;
        let (asset, old_hold) = self.hold_of(old);
        let (_, new_hold) = self.hold_of(new);
        ensure(
            new_hold <= self.available(old.account, asset) + old_hold,
            Reason::InsufficientFunds,
        )
    }
}
