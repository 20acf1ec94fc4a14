//! Amendments: in place where the order asks for less, else as a new arrival.

use crate::book::crosses;
use crate::engine::Engine;
use crate::entry::has_too_many_slices;
use crate::limits::Measured;
use crate::look_ahead::Arriving;
use crate::market::Market;
use crate::orders::Order;
use crate::stops::Stop;
use crate::sweep::Sweep;
use domain::{
    AmendOrder, ClientOrderId, CommandKind, Effects, Flag, OrderType, Phase, Price, Qty, Reason,
    SelfTrade, SessionId, TimeInForce,
};

/// What an amendment that was not refused comes to.
enum Amendment {
    /// No more than was filled is wanted.
    Cancel,
    /// Less at the same price: the order keeps its place.
    Keep(Order),
    /// The order still waits for a trade; what counts for what its session has not attested.
    Wait(Order, u64),
    /// The order leaves its queue and arrives again; what counts as of one that waits.
    Requeue(Order, u64),
}

/// Whether an order keeps its price and has no more lots than before, and so its place.
fn asks_for_no_more(order: &Order, amended: &Order) -> bool {
    amended.price == order.price && amended.leaves <= order.leaves
}

impl Engine {
    pub(crate) fn amend_order(
        &mut self,
        session: SessionId,
        command: &AmendOrder,
        out: &mut Effects,
    ) {
        match self.check_amendment(session, command) {
            Ok((slot, Amendment::Cancel)) => {
                self.cancel_resting(slot, Reason::AmendedToFilled, out);
            }
            Ok((slot, Amendment::Keep(amended))) => {
                self.amend_in_place(slot, amended, out);
            }
            Ok((slot, Amendment::Wait(amended, entered))) => {
                self.count_entered(session, entered);
                self.amend_waiting(slot, amended, out);
            }
            Ok((slot, Amendment::Requeue(amended, entered))) => {
                self.count_entered(session, entered);
                self.requeue(slot, amended, out);
            }
            Err(reason) => {
                let named = (command.order_id, command.client_order_id);
                self.report_rejected(session, CommandKind::AmendOrder, named, reason, out);
                if reason == Reason::PriceBeyondCollar
                    && let Some(slot) = self.named_order(session, named)
                {
                    let market = self.orders[slot].market();
                    self.halt_if_beyond(market, reason, out);
                }
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
        self.check_kill_switches(state)?;
        let named = (command.order_id, command.client_order_id);
        let slot = self
            .named_order(session, named)
            .filter(|&slot| !self.orders[slot].instructions.is_quote())
            .ok_or(Reason::UnknownOrder)?;
        let order = self.orders[slot];
        let client_order_id = self.client_order_id_after(&order, command)?;
        let market = self.market_of_order(order.market());
        market.check_open()?;
        let leaves = match command.qty.checked_sub(order.filled) {
            None | Some(Qty::ZERO) => return Ok((slot, Amendment::Cancel)),
            Some(leaves) => leaves,
        };
        let mut amended = order;
        amended.client_order_id = client_order_id;
        amended.leaves = leaves;
        if let Some(stop) = self.stop_of(&order) {
            let amendment = self.check_amended_stop(stop, command, (order, amended))?;
            return Ok((slot, amendment));
        }
        self.check_amended_terms(market, command, (&order, leaves))?;
        let post_only = order.instructions.post_only();
        let arrival = market.arrival(order.side, post_only, command.price)?;
        let price = arrival.price;
        if market.base_units(command.qty).is_none() || market.buy_hold(price, command.qty).is_none()
        {
            return Err(Reason::NotionalTooLarge);
        }
        if !delegation.covers(market.notional(price, command.qty)) {
            return Err(Reason::BeyondDelegation);
        }
        let measured = Measured {
            account: state.account,
            side: order.side,
            qty: command.qty,
            leaves,
            notional: market.notional(price, command.qty),
            open_notional: market.notional(price, leaves),
            new_orders: 0,
        };
        self.check_limits(market, &measured)?;
        amended.price = price;
        if asks_for_no_more(&order, &amended) {
            return Ok((slot, Amendment::Keep(amended)));
        }
        let entered = self.check_amended_unattested(market, &order, &measured)?;
        self.check_page(market, order.side, price)?;
        if arrival.trades && market.must_not_trade(post_only) {
            return Err(Reason::WouldTrade);
        }
        self.check_amended_hold(&order, &amended)?;
        if order.instructions.self_trade() == SelfTrade::Abort && !market.state.is_call() {
            self.look_ahead(market, &Arriving::again(&amended), Qty::ZERO)?;
        }
        market.within_collar(order.side, OrderType::Limit, price)?;
        amended.priority = 0;
        Ok((slot, Amendment::Requeue(amended, entered)))
    }

    /// Checks what depends on the amendment and its market alone, but for what it is worth.
    fn check_amended_terms(
        &self,
        market: &Market,
        command: &AmendOrder,
        (order, leaves): (&Order, Qty),
    ) -> Result<(), Reason> {
        if !market.has_price(command.price) {
            return Err(Reason::PriceOutOfRange);
        }
        if has_too_many_slices(leaves, self.orders.iceberg(order).display) {
            return Err(Reason::InvalidQuantity);
        }
        if command.qty < market.terms.min_qty {
            return Err(Reason::QuantityBelowMinimum);
        }
        Ok(())
    }

    /// What becomes of a stop that still waits. One that arrives as a market order keeps its worst price.
    fn check_amended_stop(
        &self,
        stop: &Stop,
        command: &AmendOrder,
        (order, mut amended): (Order, Order),
    ) -> Result<Amendment, Reason> {
        let market = self.market_of_order(order.market());
        let has_limit = order.price != Price(0);
        if has_limit {
            amended.price = command.price;
        }
        if has_limit && !market.has_price(command.price) {
            return Err(Reason::PriceOutOfRange);
        }
        if command.qty < market.terms.min_qty {
            return Err(Reason::QuantityBelowMinimum);
        }
        let price = stop.price_of(order.side, amended.price);
        let fits = market.buy_hold(price, command.qty).is_some();
        if market.base_units(command.qty).is_none() || !fits {
            return Err(Reason::NotionalTooLarge);
        }
        let notional = has_limit.then(|| market.notional(price, command.qty));
        let state = self.session_state(order.session);
        if !state.delegation.covers(notional.flatten()) {
            return Err(Reason::BeyondDelegation);
        }
        let reckoned = market.notional(price, command.qty);
        let measured = Measured {
            account: state.account,
            side: order.side,
            qty: command.qty,
            leaves: amended.leaves,
            notional: reckoned,
            open_notional: reckoned,
            new_orders: 0,
        };
        self.check_limits(market, &measured)?;
        let entered = if asks_for_no_more(&order, &amended) {
            0
        } else {
            self.check_amended_unattested(market, &order, &measured)?
        };
        self.check_amended_hold(&order, &amended)?;
        Ok(Amendment::Wait(amended, entered))
    }

    /// What counts for what the session has not attested: all that can still trade, as if it were entered now.
    fn check_amended_unattested(
        &self,
        market: &Market,
        order: &Order,
        measured: &Measured,
    ) -> Result<u64, Reason> {
        let account = self.account_state(measured.account);
        let volume = || market.volume_of(measured.open_notional);
        self.check_unattested(order.session, account, volume)
    }

    /// Whether its account can set aside what an order holds when it is amended.
    fn check_amended_hold(&self, order: &Order, amended: &Order) -> Result<(), Reason> {
        let (asset, held) = self.hold_of(order);
        let (_, needed) = self.hold_of(amended);
        let account = self.account_of(order.session);
        let available = self.funds.balance(account, asset).available;
        let covered = available
            .checked_add(held)
            .expect("both are parts of the asset's supply");
        if covered < needed {
            return Err(Reason::InsufficientFunds);
        }
        Ok(())
    }

    /// The client order id that the amended order will have.
    fn client_order_id_after(
        &self,
        order: &Order,
        command: &AmendOrder,
    ) -> Result<ClientOrderId, Reason> {
        let id = command.new_client_order_id;
        if id == ClientOrderId(0) || id == order.client_order_id {
            return Ok(order.client_order_id);
        }
        match self.client_ids.find(&self.orders, order.session, id) {
            Some(_) => Err(Reason::DuplicateClientOrderId),
            None => Ok(id),
        }
    }

    /// Puts the amended order in the place of the order, which its client finds by its new id from now on.
    pub(crate) fn put_amended(&mut self, slot: u32, amended: Order) {
        let order = self.orders[slot];
        self.exchange_hold(&order, &amended);
        let (session, id) = (order.session, amended.client_order_id);
        if order.instructions.is_quote() {
            self.orders[slot] = amended;
            return;
        }
        if id != order.client_order_id {
            self.client_ids.remove(session, order.client_order_id, slot);
        }
        self.orders[slot] = amended;
        if id != order.client_order_id {
            let vacancy = self.client_ids.look_up(&self.orders, session, id);
            let vacancy = vacancy.expect_err("the new id was found to be free");
            self.client_ids.fill(vacancy, slot);
        }
    }

    pub(crate) fn amend_in_place(&mut self, slot: u32, amended: Order, out: &mut Effects) {
        let order = self.orders[slot];
        let (shown, hidden) = (
            self.orders.shown(&order),
            self.orders.iceberg(&order).hidden,
        );
        // What is hidden goes first.
        let still_shown = shown.min(amended.leaves);
        let still_hidden = Qty(amended.leaves.0 - still_shown.0);
        let freed = Qty(shown.0 - still_shown.0);
        let freed_of_hidden = Qty(hidden.0 - still_hidden.0);
        let book = self.market_of_order(order.market()).book;
        let lots = (freed, freed_of_hidden);
        book.reduce(&mut self.ladders, order.side, order.price, lots);
        self.put_amended(slot, amended);
        self.orders.hide(slot, still_hidden);
        self.report_amended(&amended, Flag::Yes, out);
        if freed > Qty::ZERO {
            self.publish_reduce(&amended, out);
        }
    }

    /// Makes a resting order smaller by lots that it has more of. It keeps its place.
    pub(crate) fn reduce_resting(&mut self, slot: u32, qty: Qty, out: &mut Effects) {
        let mut reduced = self.orders[slot];
        reduced.leaves = Qty(reduced.leaves.0 - qty.0);
        if self.stop_of(&reduced).is_some() {
            return self.amend_waiting(slot, reduced, out);
        }
        self.amend_in_place(slot, reduced, out);
    }

    fn requeue(&mut self, slot: u32, amended: Order, out: &mut Effects) {
        self.leave_book(slot);
        self.orders.hide(slot, Qty::ZERO);
        self.put_amended(slot, amended);
        self.report_amended(&amended, Flag::No, out);
        let market = self.market_of_order(amended.market());
        let opposite = market.book.best_or_none_to_cross(amended.side.opposite());
        if market.state.is_call() || !crosses(amended.side, amended.price, opposite) {
            self.rest(slot);
            self.publish_replace(&amended, out);
            return;
        }
        self.publish_delete(&amended, out);
        let sweep = Sweep {
            order_id: amended.id,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::GoodTillCancel,
            worst: Price(0),
        };
        self.sweep(sweep, out);
    }

    /// Returns the hold of the order as it was, and takes that of the order as it will be.
    pub(crate) fn exchange_hold(&mut self, before: &Order, after: &Order) {
        let account = self.account_of(before.session);
        let (asset, released) = self.hold_of(before);
        let (_, needed) = self.hold_of(after);
        self.funds.release(account, asset, released);
        self.funds.hold(account, asset, needed);
    }
}
