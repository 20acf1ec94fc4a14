//! New orders: the checks before one is accepted, and its start.

use crate::book::{crosses, no_limit};
use crate::engine::Engine;
use crate::market::{Market, with_fee};
use crate::orders::Order;
use crate::sweep::Sweep;
use domain::{
    Amount, AssetId, ClientOrderId, CommandKind, Delegation, Effects, NewOrder, OrderId, OrderType,
    Phase, Price, Qty, Reason, Seq, SessionId, Side, TimeInForce,
};

/// How far into the other side of the book an order goes.
pub(crate) fn limit_of(side: Side, order_type: OrderType, price: Price) -> Price {
    match order_type {
        OrderType::Limit => price,
        OrderType::Market => no_limit(side),
    }
}

impl Engine {
    pub(crate) fn new_order(
        &mut self,
        seq: Seq,
        session: SessionId,
        command: &NewOrder,
        out: &mut Effects,
    ) {
        match self.check_new_order(session, command) {
            Ok(hold) => self.accept(seq, session, command, hold, out),
            Err(reason) => {
                let named = (OrderId::NONE, command.client_order_id);
                self.report_rejected(session, CommandKind::NewOrder, named, reason, out);
            }
        }
    }

    /// What the order will hold, or the first reason against it.
    fn check_new_order(
        &self,
        session: SessionId,
        command: &NewOrder,
    ) -> Result<(AssetId, Amount), Reason> {
        if self.phase == Phase::CancelOnly {
            return Err(Reason::CancelOnly);
        }
        let delegation = self.current_delegation(session)?;
        let market = self.market(command.market).ok_or(Reason::UnknownMarket)?;
        check_terms(market, command)?;
        let notional = match command.order_type {
            OrderType::Limit => market.notional(command.price, command.qty),
            OrderType::Market => None,
        };
        if !delegation.covers(notional) {
            return Err(Reason::BeyondDelegation);
        }
        let id = command.client_order_id;
        if self.client_ids.find(&self.orders, session, id).is_some() {
            return Err(Reason::DuplicateClientOrderId);
        }
        if self.orders.is_full() {
            return Err(Reason::OrderTableFull);
        }
        let opposite = market.book.best_or_none_to_cross(command.side.opposite());
        if command.post_only.is_yes() && crosses(command.side, command.price, opposite) {
            return Err(Reason::WouldTrade);
        }
        // Only fill-or-kill has to be paid in full; what else a market buy takes is paid as it goes.
        let cost = if command.time_in_force == TimeInForce::FillOrKill {
            self.cost_of_filling(market, command)?
        } else {
            Some(Amount::ZERO)
        };
        let (asset, needed, hold) = match (command.order_type, command.side) {
            (OrderType::Market, Side::Buy) => {
                let needed = cost.and_then(|cost| with_fee(cost, market.terms.taker_fee_ppm));
                let needed = needed.ok_or(Reason::InsufficientFunds)?;
                (market.terms.quote, needed, Amount::ZERO)
            }
            (OrderType::Limit, _) | (OrderType::Market, Side::Sell) => {
                let (asset, hold) = market.hold(command.side, command.price, command.qty);
                (asset, hold, hold)
            }
        };
        let balance = self.funds.balance(self.account_of(session), asset);
        if balance.available < needed {
            return Err(Reason::InsufficientFunds);
        }
        Ok((asset, hold))
    }

    /// The session's delegation, unless it has ended.
    pub(crate) fn current_delegation(&self, session: SessionId) -> Result<Delegation, Reason> {
        let delegation = self.session_state(session).delegation;
        if delegation.has_expired(self.now) {
            return Err(Reason::DelegationExpired);
        }
        Ok(delegation)
    }

    /// What all of a fill-or-kill order pays without fee, or `None` beyond the range.
    fn cost_of_filling(
        &self,
        market: &Market,
        command: &NewOrder,
    ) -> Result<Option<Amount>, Reason> {
        let limit = limit_of(command.side, command.order_type, command.price);
        let mut missing = command.qty;
        let mut cost = Some(Amount::ZERO);
        let opposite = command.side.opposite();
        for (price, qty) in market.book.levels(&self.ladders, opposite) {
            if !crosses(command.side, limit, price) {
                break;
            }
            let taken = qty.min(missing);
            cost = cost.and_then(|cost| cost.checked_add(market.notional(price, taken)?));
            missing = Qty(missing.0 - taken.0);
            if missing == Qty::ZERO {
                return Ok(cost);
            }
        }
        Err(Reason::CannotFill)
    }

    fn accept(
        &mut self,
        seq: Seq,
        session: SessionId,
        command: &NewOrder,
        (asset, hold): (AssetId, Amount),
        out: &mut Effects,
    ) {
        let order_id = self.orders.take().expect("a slot was found to be left");
        let slot = order_id.slot();
        self.orders[slot] = Order::new(order_id, session, command);
        self.client_ids
            .insert(session, command.client_order_id, slot);
        self.funds.hold(self.account_of(session), asset, hold);
        self.report_accepted(session, order_id, command, out);
        let sweep = Sweep {
            order_id,
            order_type: command.order_type,
            time_in_force: command.time_in_force,
        };
        self.sweep(seq, sweep, out);
    }
}

/// Checks what depends on the order and its market alone.
fn check_terms(market: &Market, command: &NewOrder) -> Result<(), Reason> {
    if command.client_order_id == ClientOrderId(0) {
        return Err(Reason::InvalidClientOrderId);
    }
    let stays = command.time_in_force == TimeInForce::GoodTillCancel;
    let post_only = command.post_only.is_yes();
    match command.order_type {
        OrderType::Market if stays || post_only => return Err(Reason::InvalidCombination),
        OrderType::Limit if post_only && !stays => return Err(Reason::InvalidCombination),
        OrderType::Market if command.price != Price(0) => return Err(Reason::InvalidPrice),
        OrderType::Limit if !market.has_price(command.price) => {
            return Err(Reason::PriceOutOfRange);
        }
        OrderType::Market | OrderType::Limit => {}
    }
    if command.qty == Qty::ZERO {
        return Err(Reason::InvalidQuantity);
    }
    if command.qty < market.terms.min_qty {
        return Err(Reason::QuantityBelowMinimum);
    }
    let countable = market.base_units(command.qty).is_some()
        && (command.order_type == OrderType::Market
            || market.buy_hold(command.price, command.qty).is_some());
    if countable {
        Ok(())
    } else {
        Err(Reason::NotionalTooLarge)
    }
}
