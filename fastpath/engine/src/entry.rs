//! New orders: the checks before one is accepted, and its start.

use crate::book::{crosses, no_limit};
use crate::client_ids::Vacancy;
use crate::engine::{Engine, Session};
use crate::market::{Market, with_fee};
use crate::orders::Order;
use crate::sweep::Sweep;
use domain::{
    AccountId, Amount, AssetId, ClientOrderId, CommandKind, Delegation, Effects, NewOrder, OrderId,
    OrderType, Phase, Price, Qty, Reason, Seq, SessionId, Side, TimeInForce,
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
            Ok(entrant) => self.accept(seq, session, command, entrant, out),
            Err(reason) => {
                let named = (OrderId::NONE, command.client_order_id);
                self.report_rejected(session, CommandKind::NewOrder, named, reason, out);
            }
        }
    }

    /// What was found of an order that may enter, or the first reason against it.
    fn check_new_order(&self, session: SessionId, command: &NewOrder) -> Result<Entrant, Reason> {
        if self.phase == Phase::CancelOnly {
            return Err(Reason::CancelOnly);
        }
        let state = self.session_state(session);
        let delegation = self.current_delegation(state)?;
        let market = self.market(command.market).ok_or(Reason::UnknownMarket)?;
        let Sizes { notional, hold } = check_terms(market, command)?;
        if !delegation.covers(notional) {
            return Err(Reason::BeyondDelegation);
        }
        let id = command.client_order_id;
        let Err(vacancy) = self.client_ids.look_up(&self.orders, session, id) else {
            return Err(Reason::DuplicateClientOrderId);
        };
        if self.orders.is_full() {
            return Err(Reason::OrderTableFull);
        }
        let limit = limit_of(command.side, command.order_type, command.price);
        let opposite = market.book.best_or_none_to_cross(command.side.opposite());
        let trades = crosses(command.side, limit, opposite);
        if command.post_only.is_yes() && trades {
            return Err(Reason::WouldTrade);
        }
        let (asset, mut needed) = hold;
        if command.time_in_force == TimeInForce::FillOrKill {
            let cost = self.cost_of_filling(market, command)?;
            // Only fill-or-kill has to be paid in full; what else a market buy takes is paid as it goes.
            if command.order_type == OrderType::Market && command.side == Side::Buy {
                let paid = cost.and_then(|cost| with_fee(cost, market.terms.taker_fee_ppm));
                needed = paid.ok_or(Reason::InsufficientFunds)?;
            }
        }
        if self.funds.balance(state.account, asset).available < needed {
            return Err(Reason::InsufficientFunds);
        }
        Ok(Entrant {
            account: state.account,
            hold,
            vacancy,
            rests_at_once: !trades && command.time_in_force == TimeInForce::GoodTillCancel,
        })
    }

    /// The session's delegation, unless it has ended.
    pub(crate) fn current_delegation<'a>(
        &self,
        session: &'a Session,
    ) -> Result<&'a Delegation, Reason> {
        if session.delegation.has_expired(self.now) {
            return Err(Reason::DelegationExpired);
        }
        Ok(&session.delegation)
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
        entrant: Entrant,
        out: &mut Effects,
    ) {
        let order_id = self.orders.take().expect("a slot was found to be left");
        let slot = order_id.slot();
        let order = Order::new(order_id, session, command);
        self.orders[slot] = order;
        self.client_ids.fill(entrant.vacancy, slot);
        let (asset, amount) = entrant.hold;
        self.funds.hold(entrant.account, asset, amount);
        self.report_accepted(session, order_id, command, out);
        if entrant.rests_at_once {
            self.rest(seq, slot);
            self.publish_add(&order, out);
            return;
        }
        let sweep = Sweep {
            order_id,
            order_type: command.order_type,
            time_in_force: command.time_in_force,
        };
        self.sweep(seq, sweep, out);
    }
}

/// What was found of an order that may enter.
struct Entrant {
    account: AccountId,
    /// What it sets aside, and of which asset.
    hold: (AssetId, Amount),
    /// Where its client order id will stand.
    vacancy: Vacancy,
    /// It trades with nobody and stays.
    rests_at_once: bool,
}

/// What an order is worth.
struct Sizes {
    /// None of a market order.
    notional: Option<Amount>,
    /// What it sets aside, and of which asset: nothing for a market buy.
    hold: (AssetId, Amount),
}

/// Checks what depends on the order and its market alone.
fn check_terms(market: &Market, command: &NewOrder) -> Result<Sizes, Reason> {
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
    sizes(market, command).ok_or(Reason::NotionalTooLarge)
}

/// What the order is worth, or `None` beyond the range. A limit order's hold must fit as if it bought, whichever side
/// it is on.
fn sizes(market: &Market, command: &NewOrder) -> Option<Sizes> {
    let base_units = market.base_units(command.qty)?;
    let (notional, buy_hold) = match command.order_type {
        OrderType::Limit => {
            let notional = market.notional(command.price, command.qty)?;
            (Some(notional), market.buy_hold_of(notional)?)
        }
        OrderType::Market => (None, Amount::ZERO),
    };
    let hold = match command.side {
        Side::Buy => (market.terms.quote, buy_hold),
        Side::Sell => (market.terms.base, base_units),
    };
    Some(Sizes { notional, hold })
}
