//! New orders. The first check that fails decides.

use crate::{
    Mutant, NaiveEngine,
    limits::Intent,
    naive::{Market, NOWHERE, Order, Stop, Sweep},
};
use domain::{
    Amount, ClientOrderId, CommandKind, Effects, MAX_SLICES, MarketId, NewOrder, OrderId,
    OrderType, PostOnly, Price, Qty, Reason, Seq, SessionId, Side, TimeInForce,
};

pub(crate) fn ensure(holds: bool, otherwise: Reason) -> Result<(), Reason> {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// What must trade at once.
fn must(new: &NewOrder) -> Qty {
    match new.time_in_force {
        TimeInForce::FillOrKill => new.qty,
        TimeInForce::GoodTillCancel
        | TimeInForce::GoodTillTime
        | TimeInForce::GoodTillClose
        | TimeInForce::ImmediateOrCancel => new.min_qty,
    }
}

impl NaiveEngine {
    pub(crate) fn new_order(
        &mut self,
        session: SessionId,
        new: &NewOrder,
        seq: Seq,
        out: &mut Effects,
    ) {
        let (new, volume) = match self.check_new(session, new) {
            Ok(checked) => checked,
            Err(reason) => {
                let ids = (OrderId::NONE, new.client_order_id);
                self.report_rejected(session, CommandKind::NewOrder, ids, reason, out);
                return self.halt_if_beyond_collar(new.market, reason, out);
            }
        };
        let id = self.take_slot();
        let arriving = self.arriving(session, &new);
        let mut order = Order { id, ..arriving };
        let mut worst = Price(0);
        if !new.order_type.has_limit() {
            (order.price, worst) = (Price(0), new.price);
        }
        if new.order_type.waits() {
            order.stop = Some(Stop {
                trigger: new.trigger_price,
                worst,
                entered: seq,
            });
        }
        self.orders.push(order);
        self.count_entered(session, volume);
        self.report_accepted(&order, &new, out);
        if order.stop.is_some() {
            return;
        }
        let sweep = Sweep {
            order_id: id,
            order_type: new.order_type,
            time_in_force: if new.time_in_force.rests() {
                TimeInForce::GoodTillCancel
            } else {
                new.time_in_force
            },
            worst,
        };
        self.go_on_sweeping(sweep, out);
    }

    /// The order as it arrives: without an id, and with the worst price at which it trades.
    fn arriving(&self, session: SessionId, new: &NewOrder) -> Order {
        Order {
            id: OrderId::NONE,
            session,
            account: self.sessions[&session].terms.account,
            market: new.market,
            side: new.side,
            post_only: new.post_only,
            quote: false,
            self_trade: new.self_trade,
            self_trade_scope: new.self_trade_scope,
            price: new.price,
            leaves: new.qty,
            filled: Qty::ZERO,
            client_order_id: new.client_order_id,
            priority: NOWHERE,
            display: new.display_qty,
            hidden: Qty::ZERO,
            expires: new.expires,
            until_close: new.time_in_force == TimeInForce::GoodTillClose,
            stop: None,
        }
    }

    /// The order at the price with which it goes on, and what is not attested of it.
    fn check_new(&self, session: SessionId, new: &NewOrder) -> Result<(NewOrder, u64), Reason> {
        ensure(self.accepts_orders(), Reason::CancelOnly)?;
        self.check_delegation_lasts(session)?;
        ensure(!self.is_killed(session), Reason::Killed)?;
        let market = self.markets.get(&new.market).ok_or(Reason::UnknownMarket)?;
        self.check_market_takes_orders(market)?;
        self.check_rests_in_call(new)?;
        ensure(new.client_order_id.0 != 0, Reason::InvalidClientOrderId)?;
        self.check_shape(market, new)?;
        self.check_trigger(market, new)?;
        let (mut named, mut collar) = (new.price, Ok(new.price));
        if !new.order_type.waits() {
            named = self.slid(new.market, new.side, new.post_only, new.price)?;
            collar = self.within_collar(market, new.side, new.order_type, named);
        }
        if self.is(Mutant::CollarIsNotLast) {
            collar?;
        }
        // What is beyond the collar is refused only if nothing else is said against it.
        let price = collar.unwrap_or(named);
        let new = NewOrder { price, ..*new };
        self.check_size(market, Self::reckoned_at(&new), new.qty)?;
        let limit = new.order_type.has_limit().then_some(new.price);
        self.check_delegation_covers(session, market, limit, new.qty)?;
        let intent = Intent {
            account: self.sessions[&session].terms.account,
            market: new.market,
            side: new.side,
            order_type: new.order_type,
            price: if self.is(Mutant::LimitsForgetTheCollar) {
                named
            } else {
                new.price
            },
            trigger: new.trigger_price,
            qty: new.qty,
            leaves: new.qty,
            new_orders: 1,
        };
        self.check_limits(&intent)?;
        let volume = self.open_volume(&intent);
        self.check_unattested(session, volume)?;
        ensure(
            !self.has_client_id(session, new.client_order_id)
                || self.is(Mutant::DuplicateClientOrderId),
            Reason::DuplicateClientOrderId,
        )?;
        ensure(self.has_slot(), Reason::OrderTableFull)?;
        if new.time_in_force.rests() && !new.order_type.waits() {
            let place = (new.market, new.side, new.price);
            ensure(self.has_page(place), Reason::LevelTableFull)?;
        }
        if !new.order_type.waits() {
            self.check_does_not_trade(new.market, new.side, new.post_only, named)?;
        }
        self.check_arriving(&self.arriving(session, &new), &new)?;
        collar?;
        Ok((new, volume))
    }

    /// Checks 13 and 14: funds, and what it demands of the other side.
    fn check_arriving(&self, arriving: &Order, new: &NewOrder) -> Result<(), Reason> {
        let funds = || ensure(self.can_hold(arriving, new), Reason::InsufficientFunds);
        if !self.is(Mutant::LooksAheadBeforeFunds) {
            funds()?;
        }
        let pays_as_it_goes = (new.side, new.order_type) == (Side::Buy, OrderType::Market);
        let quote = self.markets[&new.market].terms.quote;
        let purse = pays_as_it_goes.then(|| self.available(arriving.account, quote));
        let takes = self.look_ahead(arriving, must(new), purse)?;
        funds()?;
        let filled = || self.check_fills(&takes, must(new), new.qty);
        if self.is(Mutant::FillsBeforeFunds) {
            filled()?;
        }
        ensure(
            !pays_as_it_goes || self.can_pay(arriving, new, &takes),
            Reason::InsufficientFunds,
        )?;
        filled()
    }

    pub(crate) fn has_client_id(&self, session: SessionId, id: ClientOrderId) -> bool {
        let quotes_too = self.is(Mutant::QuoteIdsAreTaken);
        self.orders.iter().any(|order| {
            let named = !order.quote || quotes_too;
            named && order.session == session && order.client_order_id == id
        })
    }

    /// Check 2: what the session may do has not ended.
    pub(crate) fn check_delegation_lasts(&self, session: SessionId) -> Result<(), Reason> {
        let expires = self.sessions[&session].terms.delegation.expires;
        let late = u64::from(self.is(Mutant::DelegationEndsLate));
        let now = self.now.0.saturating_sub(late);
        ensure(expires.0 == 0 || now < expires.0, Reason::DelegationExpired)
    }

    /// Check 9: the order is no larger than the session may enter. How large one without a limit
    /// price is nobody knows.
    pub(crate) fn check_delegation_covers(
        &self,
        session: SessionId,
        market: &Market,
        limit: Option<Price>,
        qty: Qty,
    ) -> Result<(), Reason> {
        let most = self.sessions[&session].terms.delegation.max_order_notional;
        let notional =
            limit.and_then(|price| Amount::notional(price, qty, market.terms.tick_value));
        let covered = most.0 == 0 || notional.is_some_and(|notional| notional <= most);
        ensure(covered, Reason::BeyondDelegation)
    }

    /// Checks 5 to 7: options, price, quantity.
    fn check_shape(&self, market: &Market, new: &NewOrder) -> Result<(), Reason> {
        ensure(Self::combines(new), Reason::InvalidCombination)?;
        let is_price = self.has_price(market, new.price);
        if new.order_type.has_limit() {
            ensure(is_price, Reason::PriceOutOfRange)?;
        } else {
            ensure(is_price || new.price == Price(0), Reason::InvalidPrice)?;
        }
        ensure(
            new.qty > Qty::ZERO && new.min_qty <= new.qty && new.display_qty <= new.qty,
            Reason::InvalidQuantity,
        )?;
        ensure(
            !self.has_too_many_slices(new.qty, new.display_qty),
            Reason::InvalidQuantity,
        )?;
        let least = market.terms.min_qty;
        ensure(
            new.qty >= least && (new.display_qty == Qty::ZERO || new.display_qty >= least),
            Reason::QuantityBelowMinimum,
        )?;
        let lasts = new.time_in_force != TimeInForce::GoodTillTime || new.expires > self.now;
        ensure(
            lasts || self.is(Mutant::ExpiredOrdersAreTaken),
            Reason::AlreadyExpired,
        )
    }

    /// Whether the book would show an order in more parts than it may.
    pub(crate) fn has_too_many_slices(&self, qty: Qty, display: Qty) -> bool {
        let most = MAX_SLICES + u64::from(self.is(Mutant::OneSliceTooMany));
        display != Qty::ZERO && u128::from(qty.0) > u128::from(display.0) * u128::from(most)
    }

    /// Check 5.
    fn combines(new: &NewOrder) -> bool {
        let stays = new.time_in_force.rests();
        let kills = new.time_in_force == TimeInForce::FillOrKill;
        let post_only = new.post_only.is_on();
        let has_minimum = new.min_qty > Qty::ZERO;
        let of_type = match (new.order_type, post_only) {
            (OrderType::Market, true) => false,
            (OrderType::Market, false) => !stays,
            (OrderType::Limit, true) => stays && !has_minimum,
            (OrderType::Limit, false) => true,
            (OrderType::Stop | OrderType::StopLimit, _) => Self::may_wait(new),
        };
        of_type
            && !(kills && has_minimum)
            && (new.expires.0 == 0 || new.time_in_force == TimeInForce::GoodTillTime)
            && (new.display_qty == Qty::ZERO || stays)
            && (new.trigger_price == Price(0) || new.order_type.waits())
    }

    /// Whether a price is in the market's range.
    pub(crate) fn has_price(&self, market: &Market, price: Price) -> bool {
        let lowest = market.terms.price_min.0;
        let end = lowest + i64::from(market.terms.price_levels);
        let end = end - i64::from(self.is(Mutant::PriceRangeTooShort));
        (lowest..end).contains(&price.0)
    }

    /// The price to which an order slides that must not trade; its own, if it need not.
    pub(crate) fn slid(
        &self,
        market: MarketId,
        side: Side,
        post_only: PostOnly,
        price: Price,
    ) -> Result<Price, Reason> {
        if post_only != PostOnly::Slide {
            return Ok(price);
        }
        let opposite = self.opposite(market, side, price);
        let Some(best) = opposite.first() else {
            return Ok(price);
        };
        let step = if self.is(Mutant::SlideTwoTicks) { 2 } else { 1 };
        let beside = match side {
            Side::Buy => Price(best.price.0 - step),
            Side::Sell => Price(best.price.0 + step),
        };
        ensure(
            self.has_price(&self.markets[&market], beside) || self.is(Mutant::SlideOutOfRange),
            Reason::WouldTrade,
        )?;
        Ok(beside)
    }

    /// The price at which everything that the order could move has to be counted; none of a market order.
    fn reckoned_at(new: &NewOrder) -> Option<Price> {
        match new.order_type {
            OrderType::Limit | OrderType::StopLimit => Some(new.price),
            OrderType::Stop => Some(Self::reckoned_price(new.side, new.price, new.trigger_price)),
            OrderType::Market => None,
        }
    }

    /// Check 8: everything that the order could move can be counted.
    pub(crate) fn check_size(
        &self,
        market: &Market,
        price: Option<Price>,
        qty: Qty,
    ) -> Result<(), Reason> {
        ensure(
            qty.base_units(market.terms.lot_size).is_some(),
            Reason::NotionalTooLarge,
        )?;
        ensure(
            price.is_none_or(|price| self.limit_buy_hold(&market.terms, price, qty).is_some()),
            Reason::NotionalTooLarge,
        )
    }

    /// Check 12: what must not trade on arrival would not.
    pub(crate) fn check_does_not_trade(
        &self,
        market: MarketId,
        side: Side,
        post_only: PostOnly,
        price: Price,
    ) -> Result<(), Reason> {
        let may_trade = !post_only.is_on() && self.lets_orders_trade(market);
        ensure(
            may_trade || !self.would_trade(market, side, price),
            Reason::WouldTrade,
        )
    }

    /// Check 13: what the order sets aside is there.
    fn can_hold(&self, arriving: &Order, new: &NewOrder) -> bool {
        let market = &self.markets[&new.market].terms;
        let price = match new.order_type {
            OrderType::Limit | OrderType::StopLimit => new.price,
            OrderType::Stop => self.held_while_waiting(new.side, new.price, new.trigger_price),
            OrderType::Market => Price(0),
        };
        let needed = self.hold(market, new.side, price, new.qty);
        needed.is_some_and(|(asset, amount)| amount <= self.available(arriving.account, asset))
    }

    /// The end of check 14: a market buy can pay what it must take, as far as that is there.
    fn can_pay(&self, arriving: &Order, new: &NewOrder, takes: &[(Price, Qty)]) -> bool {
        let quote = self.markets[&new.market].terms.quote;
        let cost = self.cost_of(arriving, takes, self.paid_at_once(new));
        cost.is_some_and(|cost| cost <= self.available(arriving.account, quote))
    }

    /// The lots that a market buy must be able to pay for.
    fn paid_at_once(&self, new: &NewOrder) -> Qty {
        if self.is(Mutant::MarketBuyPaysForAll) && must(new) > Qty::ZERO {
            return new.qty;
        }
        must(new)
    }

    /// What a market buy pays for the first `must` of the lots that it takes, the taker's fee on
    /// the whole included.
    fn cost_of(&self, arriving: &Order, takes: &[(Price, Qty)], must: Qty) -> Option<u64> {
        let market = &self.markets[&arriving.market];
        let rate = self.taker_rate(market, arriving.account);
        let mut wanted = must.0;
        let mut cost = 0_u64;
        for (price, qty) in takes {
            let taken = wanted.min(qty.0);
            wanted -= taken;
            if taken > 0 {
                let notional = Amount::notional(*price, Qty(taken), market.terms.tick_value)?;
                cost = cost.checked_add(notional.0)?;
            }
        }
        if self.is(Mutant::FillOrKillForgetsFee) {
            return Some(cost);
        }
        cost.checked_add(self.fee(Amount(cost), rate))
    }
}
