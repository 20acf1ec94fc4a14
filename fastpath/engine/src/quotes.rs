//! Quotes: a bid and an ask of a session in a market, set together. They never trade on arrival.

use crate::book::crosses;
use crate::engine::Engine;
use crate::limits::Measured;
use crate::market::Market;
use crate::orders::{Instructions, Order};
use crate::quoted::Quoted;
use domain::{
    ClientOrderId, CommandKind, Effects, Flag, MarketId, NewOrder, OrderId, OrderType, Phase,
    Price, Qty, Quote, Reason, SessionId, Side,
};

/// What a side of a quote is to be.
#[derive(Clone, Copy)]
struct Wanted {
    side: Side,
    price: Price,
    /// None: nothing is to be quoted.
    qty: Qty,
    /// Slot of the order that is that side until now.
    before: Option<u32>,
}

impl Wanted {
    fn is_asked_for(&self) -> bool {
        self.qty > Qty::ZERO
    }

    fn is_new(&self) -> bool {
        self.is_asked_for() && self.before.is_none()
    }

    /// Whether the order that was this side keeps its place.
    fn stays(&self, order: &Order) -> bool {
        self.price == order.price && self.qty <= order.leaves
    }
}

impl Engine {
    pub(crate) fn quote(&mut self, session: SessionId, command: &Quote, out: &mut Effects) {
        let done = if command.is_pull() {
            self.pull(session, command.market, out)
        } else {
            self.check_quote(session, command).map(|(sides, entered)| {
                self.count_entered(session, entered);
                self.set_quote(session, command, sides, out);
            })
        };
        if let Err(reason) = done {
            let named = (OrderId::NONE, command.quote_id);
            self.report_rejected(session, CommandKind::Quote, named, reason, out);
            self.halt_if_beyond(command.market, reason, out);
        }
    }

    /// Cancels what is quoted, whatever the state of session and market.
    fn pull(
        &mut self,
        session: SessionId,
        market: MarketId,
        out: &mut Effects,
    ) -> Result<(), Reason> {
        self.market(market).ok_or(Reason::UnknownMarket)?;
        let quoted = self.quoted.find(session, market);
        if !quoted.is_some_and(Quoted::has_quotes) {
            return Err(Reason::UnknownOrder);
        }
        self.cancel_quotes(session, market, Reason::Requested, out);
        Ok(())
    }

    /// What bid and ask are to be, and what of them counts for what the session has not attested; or the first reason
    /// against it.
    fn check_quote(
        &self,
        session: SessionId,
        command: &Quote,
    ) -> Result<([Wanted; 2], u64), Reason> {
        if self.phase == Phase::CancelOnly {
            return Err(Reason::CancelOnly);
        }
        let state = self.session_state(session);
        let delegation = self.current_delegation(state)?;
        self.check_kill_switches(state)?;
        let market = self.market(command.market).ok_or(Reason::UnknownMarket)?;
        market.check_open()?;
        check_terms(market, command)?;
        let quoted = self.quoted.find(session, command.market);
        if quoted.is_some_and(|quoted| quoted.protection.is_reached()) {
            return Err(Reason::Protected);
        }
        let mut sides = self.wanted(command, quoted);
        let slides = command.slide.is_yes();
        let opposite = sides.map(|side| self.best_of_others(market, side.side.opposite(), quoted));
        for (side, best) in sides.iter_mut().zip(opposite) {
            side.price = market.price_beside(side, best, slides)?;
        }
        let asked_for = || sides.iter().filter(|side| side.is_asked_for());
        let new_orders = sides.map(|side| u32::from(side.is_new())).iter().sum();
        for side in asked_for() {
            let notional = self
                .countable(market, side)
                .ok_or(Reason::NotionalTooLarge)?;
            if !delegation.covers(Some(notional)) {
                return Err(Reason::BeyondDelegation);
            }
            let measured = Measured {
                account: state.account,
                side: side.side,
                qty: side.qty,
                leaves: side.qty,
                notional: Some(notional),
                open_notional: Some(notional),
                new_orders: if side.is_new() { new_orders } else { 0 },
            };
            self.check_limits(market, &measured)?;
        }
        let account = self.account_state(state.account);
        let entered = self.check_unattested(session, account, || self.volume_of(market, &sides))?;
        if !self.orders.have_room_for(new_orders) {
            return Err(Reason::OrderTableFull);
        }
        let lacks_page = |side: &&Wanted| {
            let book = &market.book;
            !book.has_page(&self.ladders, side.side, side.price)
        };
        if asked_for().filter(lacks_page).count() > self.ladders.free_pages() {
            return Err(Reason::LevelTableFull);
        }
        self.check_room_to_quote(session, command.market)?;
        for side in asked_for() {
            self.check_quote_funds(session, market, side)?;
        }
        for side in asked_for().filter(|side| !self.stays(side)) {
            market.within_collar(side.side, OrderType::Limit, side.price)?;
        }
        Ok((sides, entered))
    }

    /// Of the sides that do not stay in their place, together.
    fn volume_of(&self, market: &Market, sides: &[Wanted; 2]) -> u64 {
        let stays = |side: &Wanted| {
            let before = side.before.map(|slot| &self.orders[slot]);
            before.is_some_and(|order| side.stays(order))
        };
        let entering = sides
            .iter()
            .filter(|side| side.is_asked_for() && !stays(side));
        entering
            .map(|side| market.volume_of(market.notional(side.price, side.qty)))
            .fold(0, u64::saturating_add)
    }

    /// Bid and ask, as the command has them.
    fn wanted(&self, command: &Quote, quoted: Option<&Quoted>) -> [Wanted; 2] {
        let side = |side, price, qty| Wanted {
            side,
            price,
            qty,
            before: quoted.and_then(|quoted| quoted.slot(side)),
        };
        [
            side(Side::Buy, command.bid_price, command.bid_qty),
            side(Side::Sell, command.ask_price, command.ask_qty),
        ]
    }

    /// The best price of a side without the session's own quote, which is about to be another; or one that nothing
    /// crosses.
    fn best_of_others(&self, market: &Market, side: Side, quoted: Option<&Quoted>) -> Price {
        let best = market.book.best_or_none_to_cross(side);
        let Some(slot) = quoted.and_then(|quoted| quoted.slot(side)) else {
            return best;
        };
        if self.orders[slot].price != best {
            return best;
        }
        let mut queue = market.book.queue(&self.ladders, &self.orders, side, best);
        if queue.nth(1).is_some() {
            return best;
        }
        let book = &market.book;
        book.next_or_none_to_cross(&self.ladders, side, best)
    }

    /// Whether the order that is this side keeps its place.
    fn stays(&self, side: &Wanted) -> bool {
        side.before.is_some_and(|slot| {
            let order = &self.orders[slot];
            order.price == side.price && side.qty <= order.leaves
        })
    }

    /// What a side is worth, if it and all that its order ever was can be counted.
    fn countable(&self, market: &Market, side: &Wanted) -> Option<domain::Amount> {
        let filled = side
            .before
            .map_or(Qty::ZERO, |slot| self.orders[slot].filled);
        filled.checked_add(side.qty)?;
        market.base_units(side.qty)?;
        let notional = market.notional(side.price, side.qty)?;
        market.buy_hold_of(notional)?;
        Some(notional)
    }

    fn check_quote_funds(
        &self,
        session: SessionId,
        market: &Market,
        side: &Wanted,
    ) -> Result<(), Reason> {
        let (asset, needed) = market.hold(side.side, side.price, side.qty);
        let available = self
            .funds
            .balance(self.account_of(session), asset)
            .available;
        let held = side
            .before
            .map(|slot| market.hold_of(&self.orders[slot]).1)
            .unwrap_or_default();
        let covered = available
            .checked_add(held)
            .expect("both are parts of the asset's supply");
        if covered < needed {
            return Err(Reason::InsufficientFunds);
        }
        Ok(())
    }

    /// Whether the session may have something in this market, if it has not.
    pub(crate) fn check_room_to_quote(
        &self,
        session: SessionId,
        market: MarketId,
    ) -> Result<(), Reason> {
        let is_there = self.quoted.find(session, market).is_some();
        if !is_there && !self.quoted.has_room_for(self.account_of(session)) {
            return Err(Reason::QuoteTableFull);
        }
        Ok(())
    }

    /// Brings both sides to what was asked for. The book is not crossed in between.
    fn set_quote(
        &mut self,
        session: SessionId,
        command: &Quote,
        [bid, ask]: [Wanted; 2],
        out: &mut Effects,
    ) {
        let is_above_old_ask = |slot| bid.is_asked_for() && bid.price >= self.orders[slot].price;
        let order = if ask.before.is_some_and(is_above_old_ask) {
            [ask, bid]
        } else {
            [bid, ask]
        };
        for side in order {
            match side.before {
                None if !side.is_asked_for() => {}
                None => self.enter_quote(session, command, side, out),
                Some(slot) if !side.is_asked_for() => {
                    self.cancel_resting(slot, Reason::Requested, out);
                }
                Some(slot) => self.change_quote(slot, command.quote_id, side, out),
            }
        }
    }

    fn enter_quote(
        &mut self,
        session: SessionId,
        command: &Quote,
        side: Wanted,
        out: &mut Effects,
    ) {
        let new = NewOrder {
            client_order_id: command.quote_id,
            price: side.price,
            qty: side.qty,
            market: command.market,
            side: side.side,
            ..NewOrder::PLAIN
        };
        let order_id = self.orders.take().expect("a slot was found to be left");
        let slot = order_id.slot();
        let mut order = Order::new(order_id, session, &new, side.price);
        order.instructions = Instructions::QUOTE;
        self.orders[slot] = order;
        self.list(session, slot);
        let account = self.account_of(session);
        let market = self.market_of_order(command.market);
        let (asset, amount) = market.hold_of(&order);
        self.funds.hold(account, asset, amount);
        self.note_quoted(session, command.market);
        let key = (session, command.market);
        self.quoted.set_slot(key, side.side, Some(slot));
        self.report_accepted(&order, &new, side.price, out);
        self.rest(slot);
        self.publish_add(&order, out);
    }

    fn change_quote(
        &mut self,
        slot: u32,
        quote_id: ClientOrderId,
        side: Wanted,
        out: &mut Effects,
    ) {
        let order = self.orders[slot];
        let mut changed = order;
        changed.client_order_id = quote_id;
        changed.price = side.price;
        changed.leaves = side.qty;
        if side.stays(&order) {
            return self.amend_in_place(slot, changed, out);
        }
        changed.priority = 0;
        self.leave_book(slot);
        self.put_amended(slot, changed);
        self.report_amended(&changed, Flag::No, out);
        self.rest(slot);
        self.publish_replace(&changed, out);
    }

    /// Slot of the order that is a side of a session's quote.
    pub(crate) fn quote_slot(
        &self,
        session: SessionId,
        market: MarketId,
        side: Side,
    ) -> Option<u32> {
        self.quoted.find(session, market)?.slot(side)
    }

    /// A session is to have something in a market; there is room for it.
    pub(crate) fn note_quoted(&mut self, session: SessionId, market: MarketId) {
        if self.quoted.find(session, market).is_none() {
            let account = self.account_of(session);
            self.quoted.insert(account, session, market);
        }
    }

    /// A quote's order is done.
    #[inline(never)]
    pub(crate) fn forget_quote(&mut self, order: &Order) {
        let key = (order.session, order.market());
        self.quoted.set_slot(key, order.side, None);
        self.drop_if_empty(order.session, order.market());
    }

    pub(crate) fn drop_if_empty(&mut self, session: SessionId, market: MarketId) {
        let quoted = self.quoted.find(session, market);
        if quoted.is_some_and(Quoted::is_empty) {
            self.quoted
                .remove(self.account_of(session), session, market);
        }
    }
}

/// Checks what depends on the quote and its market alone.
fn check_terms(market: &Market, command: &Quote) -> Result<(), Reason> {
    if command.quote_id == ClientOrderId(0) {
        return Err(Reason::InvalidClientOrderId);
    }
    let sides = [
        (command.bid_price, command.bid_qty),
        (command.ask_price, command.ask_qty),
    ];
    let [bids, asks] = sides.map(|(_, qty)| qty > Qty::ZERO);
    if bids && asks && command.bid_price >= command.ask_price {
        return Err(Reason::QuoteCrossed);
    }
    let asked_for = || sides.iter().filter(|(_, qty)| *qty > Qty::ZERO);
    if asked_for().any(|(price, _)| !market.has_price(*price)) {
        return Err(Reason::PriceOutOfRange);
    }
    if asked_for().any(|(_, qty)| *qty < market.terms.min_qty) {
        return Err(Reason::QuantityBelowMinimum);
    }
    Ok(())
}

impl Market {
    /// The price that a side of a quote gets where `best` is that of the other side's others.
    fn price_beside(&self, side: &Wanted, best: Price, slides: bool) -> Result<Price, Reason> {
        let trades = side.is_asked_for() && crosses(side.side, side.price, best);
        if self.state.is_call() || !trades {
            return Ok(side.price);
        }
        let beside = match side.side {
            Side::Buy => Price(best.0 - 1),
            Side::Sell => Price(best.0 + 1),
        };
        if !slides || !self.has_price(beside) {
            return Err(Reason::WouldTrade);
        }
        Ok(beside)
    }
}
