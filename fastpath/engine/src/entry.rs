//! New orders: the checks before one is accepted, and its start.

use crate::client_ids::Vacancy;
use crate::engine::{Engine, Session};
use crate::limits::Measured;
use crate::look_ahead::Arriving;
use crate::market::Market;
use crate::orders::Order;
use crate::stops::Stop;
use crate::sweep::Sweep;
use domain::{
    AccountId, Amount, AssetId, ClientOrderId, CommandKind, Delegation, Effects, MAX_SLICES, Nanos,
    NewOrder, OrderId, OrderType, Phase, Price, Qty, Reason, SelfTrade, Seq, SessionId, Side,
    TimeInForce,
};

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
                self.halt_if_beyond(command.market, reason, out);
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
        self.check_kill_switches(state)?;
        let market = self.market(command.market).ok_or(Reason::UnknownMarket)?;
        market.check_open()?;
        market.check_kind(command)?;
        let is_plain = is_plain(command);
        check_terms(market, command, is_plain)?;
        if !is_plain {
            self.check_end(command)?;
            market.check_stop(command)?;
        }
        let (side, post_only) = (command.side, command.post_only);
        let arrival = market.arrival_of(command)?;
        let sizes = sizes(market, command, arrival.price).ok_or(Reason::NotionalTooLarge)?;
        let Sizes { notional, hold, .. } = sizes;
        if !delegation.covers(notional) {
            return Err(Reason::BeyondDelegation);
        }
        let reckoned = match sizes.reckoned {
            Some(notional) => Some(notional),
            None => market.reckoned(command, arrival.price),
        };
        let measured = Measured {
            account: state.account,
            side,
            qty: command.qty,
            leaves: command.qty,
            notional: reckoned,
            open_notional: reckoned,
            new_orders: 1,
        };
        self.check_limits(market, &measured)?;
        let account = self.account_state(state.account);
        let entered = self.check_unattested(session, account, || market.volume_of(reckoned))?;
        let id = command.client_order_id;
        let Err(vacancy) = self.client_ids.look_up(&self.orders, session, id) else {
            return Err(Reason::DuplicateClientOrderId);
        };
        if self.orders.is_full() {
            return Err(Reason::OrderTableFull);
        }
        if command.time_in_force.rests() && !command.order_type.waits() {
            self.check_page(market, side, arrival.price)?;
        }
        if arrival.trades && market.must_not_trade(post_only) {
            return Err(Reason::WouldTrade);
        }
        // Before the look ahead, so that nobody finds hidden lots with funds that he does not have.
        let (asset, needed) = hold;
        if self.funds.balance(state.account, asset).available < needed {
            return Err(Reason::InsufficientFunds);
        }
        if let Some(must) = must_trade(command)
            && !market.state.is_call()
        {
            self.look_ahead(market, &Arriving::of(session, command, arrival.price), must)?;
        }
        arrival.within_collar?;
        Ok(Entrant {
            account: state.account,
            price: arrival.price,
            hold,
            entered,
            vacancy,
            rests_at_once: !arrival.trades && command.time_in_force.rests(),
        })
    }

    /// An order that is good till a time ends later than now.
    fn check_end(&self, command: &NewOrder) -> Result<(), Reason> {
        if command.time_in_force == TimeInForce::GoodTillTime && command.expires <= self.now {
            return Err(Reason::AlreadyExpired);
        }
        Ok(())
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
        let order = Order::new(order_id, session, command, entrant.price);
        self.orders[slot] = order;
        self.orders.set_display(&order, command.display_qty);
        self.client_ids.fill(entrant.vacancy, slot);
        self.list(session, slot);
        self.note_end(&order, command.expires);
        let (asset, amount) = entrant.hold;
        self.funds.hold(entrant.account, asset, amount);
        self.count_entered(session, entrant.entered);
        self.report_accepted(&order, command, entrant.price, out);
        if command.order_type.waits() {
            return self.wait(&order, Stop::of(seq, command));
        }
        if entrant.rests_at_once {
            self.rest(slot);
            self.publish_add(&order, out);
            return;
        }
        let sweep = Sweep {
            order_id,
            order_type: command.order_type,
            time_in_force: if command.time_in_force.rests() {
                TimeInForce::GoodTillCancel
            } else {
                command.time_in_force
            },
            worst: match command.order_type {
                OrderType::Market => entrant.price,
                OrderType::Limit | OrderType::Stop | OrderType::StopLimit => Price(0),
            },
        };
        self.sweep(sweep, out);
    }
}

/// What was found of an order that may enter.
struct Entrant {
    account: AccountId,
    /// At which it is taken.
    price: Price,
    /// What it sets aside, and of which asset.
    hold: (AssetId, Amount),
    /// Counts for what the session has not attested.
    entered: u64,
    /// Where its client order id will stand.
    vacancy: Vacancy,
    /// It trades with nobody and stays.
    rests_at_once: bool,
}

/// What an order is worth.
struct Sizes {
    /// None without a limit.
    notional: Option<Amount>,
    /// What limits reckon with, as far as the other side need not be looked at: none of a market order.
    reckoned: Option<Amount>,
    /// What it sets aside, and of which asset: nothing for a market buy.
    hold: (AssetId, Amount),
}

/// The lots that must trade at once, or the order is refused; `None` if nothing has to be looked at for that.
fn must_trade(command: &NewOrder) -> Option<Qty> {
    let must = match command.time_in_force {
        TimeInForce::FillOrKill => command.qty,
        TimeInForce::GoodTillCancel
        | TimeInForce::GoodTillTime
        | TimeInForce::GoodTillClose
        | TimeInForce::ImmediateOrCancel => command.min_qty,
    };
    (must > Qty::ZERO || command.self_trade == SelfTrade::Abort).then_some(must)
}

/// Whether an order would be shown in more parts than it may.
pub(crate) fn has_too_many_slices(qty: Qty, display: Qty) -> bool {
    display != Qty::ZERO && qty.0.div_ceil(display.0) > MAX_SLICES
}

/// Whether a stop asks for nothing that is seen to when an order is entered.
fn may_wait(command: &NewOrder) -> bool {
    command.time_in_force.rests()
        && !command.post_only.is_on()
        && command.min_qty == Qty::ZERO
        && command.display_qty == Qty::ZERO
        && command.self_trade != SelfTrade::Abort
}

/// Whether an order has a price and a quantity and asks for nothing else but to trade, or to rest: of most checks there is
/// nothing that such an order could fail.
#[inline]
fn is_plain(command: &NewOrder) -> bool {
    let extras = command.min_qty.0
        | command.expires.0
        | command.display_qty.0
        | command.trigger_price.0.cast_unsigned();
    extras == 0
        && command.order_type == OrderType::Limit
        && command.time_in_force != TimeInForce::GoodTillTime
        && (command.time_in_force.rests() || !command.post_only.is_on())
}

/// Checks what depends on the order and its market alone, but for what it is worth.
#[inline]
fn check_terms(market: &Market, command: &NewOrder, is_plain: bool) -> Result<(), Reason> {
    if command.client_order_id == ClientOrderId(0) {
        return Err(Reason::InvalidClientOrderId);
    }
    if !is_plain {
        check_combination(command)?;
    }
    if !market.has_price(command.price) {
        check_without_price(command)?;
    }
    let (qty, least) = (command.qty, market.terms.min_qty);
    if qty == Qty::ZERO || !is_plain && has_invalid_parts(command) {
        return Err(Reason::InvalidQuantity);
    }
    if qty < least || command.display_qty > Qty::ZERO && command.display_qty < least {
        return Err(Reason::QuantityBelowMinimum);
    }
    Ok(())
}

/// Whether all that an order asks for goes together.
#[cold]
fn check_combination(command: &NewOrder) -> Result<(), Reason> {
    let stays = command.time_in_force.rests();
    let post_only = command.post_only.is_on();
    match command.order_type {
        OrderType::Market if stays || post_only => return Err(Reason::InvalidCombination),
        OrderType::Limit if post_only && !stays => return Err(Reason::InvalidCombination),
        OrderType::Stop | OrderType::StopLimit if !may_wait(command) => {
            return Err(Reason::InvalidCombination);
        }
        OrderType::Market | OrderType::Limit | OrderType::Stop | OrderType::StopLimit => {}
    }
    let kills = command.time_in_force == TimeInForce::FillOrKill;
    if command.min_qty > Qty::ZERO && (post_only || kills) {
        return Err(Reason::InvalidCombination);
    }
    if command.expires != Nanos(0) && command.time_in_force != TimeInForce::GoodTillTime {
        return Err(Reason::InvalidCombination);
    }
    if command.display_qty > Qty::ZERO && !stays {
        return Err(Reason::InvalidCombination);
    }
    if command.trigger_price != Price(0) && !command.order_type.waits() {
        return Err(Reason::InvalidCombination);
    }
    Ok(())
}

/// Of an order whose price is none of the market's: only a market order, or what becomes one, may name no price.
#[cold]
fn check_without_price(command: &NewOrder) -> Result<(), Reason> {
    if command.order_type.has_limit() {
        return Err(Reason::PriceOutOfRange);
    }
    if command.price != Price(0) {
        return Err(Reason::InvalidPrice);
    }
    Ok(())
}

/// Whether parts of the quantity are none.
fn has_invalid_parts(command: &NewOrder) -> bool {
    let qty = command.qty;
    command.min_qty > qty
        || command.display_qty > qty
        || has_too_many_slices(qty, command.display_qty)
}

/// What the order is worth, or `None` beyond the range. The hold of all but market orders must fit as if they bought,
/// whichever side they are on.
#[inline(always)]
fn sizes(market: &Market, command: &NewOrder, price: Price) -> Option<Sizes> {
    let base_units = market.base_units(command.qty)?;
    let price = match command.order_type {
        OrderType::Limit | OrderType::StopLimit => Some(price),
        OrderType::Stop => Some(Stop::of(Seq(0), command).price_of(command.side, Price(0))),
        OrderType::Market => None,
    };
    let (reckoned, buy_hold) = match price {
        Some(price) => {
            let notional = market.notional(price, command.qty)?;
            (Some(notional), market.buy_hold_of(notional)?)
        }
        None => (None, Amount::ZERO),
    };
    let hold = match command.side {
        Side::Buy => (market.terms.quote, buy_hold),
        Side::Sell => (market.terms.base, base_units),
    };
    Some(Sizes {
        notional: reckoned.filter(|_| command.order_type.has_limit()),
        reckoned,
        hold,
    })
}
