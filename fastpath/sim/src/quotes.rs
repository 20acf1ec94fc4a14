//! Quotes: what a session bids and asks in a market, both set by one command that never trades.

use crate::{
    Mutant, NaiveEngine,
    entry::ensure,
    limits::Intent,
    naive::{Market, NOWHERE, Order},
};
use domain::{
    ClientOrderId, CommandKind, Effects, Flag, MAX_QUOTED, MAX_QUOTED_OF_ACCOUNT, MarketId, Nanos,
    NewOrder, OrderId, OrderType, PostOnly, Price, Qty, Quote, Reason, SelfTrade, SelfTradeScope,
    SessionId, Side,
};
use std::collections::BTreeSet;

/// What is to be open on a side, and the order that is.
#[derive(Clone, Copy, Debug)]
struct Leg {
    side: Side,
    price: Price,
    qty: Qty,
    old: Option<Order>,
}

impl Leg {
    fn is_asked_for(&self) -> bool {
        self.qty > Qty::ZERO
    }

    fn is_new(&self) -> bool {
        self.is_asked_for() && self.old.is_none()
    }

    /// Whether the order keeps its place: at its price, with no more lots.
    fn stays(&self) -> bool {
        let keeps = |old: Order| old.price == self.price && self.qty <= old.leaves;
        self.old.is_some_and(keeps)
    }
}

impl NaiveEngine {
    pub(crate) fn quote(&mut self, session: SessionId, quote: &Quote, out: &mut Effects) {
        match self.check_quote(session, quote) {
            Ok(legs) => {
                self.count_entered(session, self.entering(session, quote.market, &legs));
                for leg in self.in_order(legs) {
                    self.set_leg(session, quote, leg, out);
                }
            }
            Err(reason) => {
                let ids = (OrderId::NONE, quote.quote_id);
                self.report_rejected(session, CommandKind::Quote, ids, reason, out);
                self.halt_if_beyond_collar(quote.market, reason, out);
            }
        }
    }

    /// The session's quote on a side of a market.
    pub(crate) fn quoted(&self, session: SessionId, market: MarketId, side: Side) -> Option<Order> {
        let is_it = |order: &&Order| {
            order.quote && (order.session, order.market, order.side) == (session, market, side)
        };
        self.orders.iter().find(is_it).copied()
    }

    fn legs(&self, session: SessionId, quote: &Quote) -> [Leg; 2] {
        let leg = |side, price, qty| Leg {
            side,
            price,
            qty,
            old: self.quoted(session, quote.market, side),
        };
        [
            leg(Side::Buy, quote.bid_price, quote.bid_qty),
            leg(Side::Sell, quote.ask_price, quote.ask_qty),
        ]
    }

    /// All checks, in the order of docs/ENGINE.md. Both sides, with the prices at which they go on.
    fn check_quote(&self, session: SessionId, quote: &Quote) -> Result<[Leg; 2], Reason> {
        let mut legs = self.legs(session, quote);
        let is_pull = legs.iter().all(|leg| !leg.is_asked_for());
        if !is_pull || self.is(Mutant::PullsAreQuotes) {
            self.check_may_quote(session)?;
        }
        let market = self
            .markets
            .get(&quote.market)
            .ok_or(Reason::UnknownMarket)?;
        if is_pull {
            let any = legs.iter().any(|leg| leg.old.is_some());
            ensure(any, Reason::UnknownOrder)?;
            return Ok(legs);
        }
        self.check_market_takes_orders(market)?;
        self.check_legs(market, quote, &legs)?;
        let protected = self.protections.get(&(session, quote.market));
        let protected = protected.is_some_and(|protection| protection.reached);
        ensure(
            !protected || self.is(Mutant::ProtectedMayQuote),
            Reason::Protected,
        )?;
        for leg in legs.iter_mut().filter(|leg| leg.is_asked_for()) {
            leg.price = self.beside_the_book(session, market, leg, quote.slide)?;
        }
        let asked = || legs.iter().filter(|leg| leg.is_asked_for());
        let news = legs.iter().filter(|leg| leg.is_new()).count();
        let counted = if self.is(Mutant::QuotesAreOneOrder) {
            news.min(1)
        } else {
            news
        };
        for leg in asked() {
            self.check_leg_size(session, market, leg, counted)?;
        }
        self.check_legs_unattested(session, quote.market, &legs)?;
        self.check_slots(news)?;
        self.check_pages(market, &legs)?;
        self.check_quote_table(session, quote.market)?;
        for leg in asked() {
            self.check_leg_funds(session, market, leg)?;
        }
        let spared = |leg: &&Leg| leg.stays() && !self.is(Mutant::QuotesThatStayMeetTheCollar);
        let meets = |leg: &&Leg| !self.is(Mutant::QuotesHaveNoCollar) && !spared(leg);
        for leg in asked().filter(meets) {
            self.within_collar(market, leg.side, OrderType::Limit, leg.price)?;
        }
        Ok(legs)
    }

    /// Checks 1, 2 and the first part of 3.
    fn check_may_quote(&self, session: SessionId) -> Result<(), Reason> {
        ensure(self.accepts_orders(), Reason::CancelOnly)?;
        self.check_delegation_lasts(session)?;
        ensure(
            !self.is_killed(session) || self.is(Mutant::KilledMayQuote),
            Reason::Killed,
        )
    }

    /// Checks 4 to 7.
    fn check_legs(&self, market: &Market, quote: &Quote, legs: &[Leg; 2]) -> Result<(), Reason> {
        ensure(
            quote.quote_id != ClientOrderId(0),
            Reason::InvalidClientOrderId,
        )?;
        let both = legs.iter().all(Leg::is_asked_for);
        let [bid, ask] = legs.map(|leg| leg.price.0);
        let may_lock = self.is(Mutant::QuotesMayLock);
        let crossed = bid > ask || bid == ask && !may_lock;
        ensure(!both || !crossed, Reason::QuoteCrossed)?;
        let asked = || legs.iter().filter(|leg| leg.is_asked_for());
        for leg in asked() {
            ensure(self.has_price(market, leg.price), Reason::PriceOutOfRange)?;
        }
        let least = market.terms.min_qty;
        let smallest = asked().all(|leg| leg.qty >= least);
        ensure(
            smallest || self.is(Mutant::QuotesBelowMinimum),
            Reason::QuantityBelowMinimum,
        )
    }

    /// Check 9: the price of a side at which it does not trade with what would be there without the session's own
    /// quote on the other side.
    fn beside_the_book(
        &self,
        session: SessionId,
        market: &Market,
        leg: &Leg,
        slide: Flag,
    ) -> Result<Price, Reason> {
        let mut opposite = self.opposite(market.terms.market, leg.side, leg.price);
        opposite.retain(|order| {
            let own = order.session == session;
            let spared = order.quote && !self.is(Mutant::QuotesMeetThemselves)
                || self.is(Mutant::QuotesSpareTheirOwn);
            !(own && spared)
        });
        let Some(best) = opposite.first() else {
            return Ok(leg.price);
        };
        ensure(slide.is_yes(), Reason::WouldTrade)?;
        let step = if self.is(Mutant::SlideTwoTicks) { 2 } else { 1 };
        let beside = match leg.side {
            Side::Buy => Price(best.price.0 - step),
            Side::Sell => Price(best.price.0 + step),
        };
        ensure(
            self.has_price(market, beside) || self.is(Mutant::SlideOutOfRange),
            Reason::WouldTrade,
        )?;
        Ok(beside)
    }

    /// Check 10, of a side.
    fn check_leg_size(
        &self,
        session: SessionId,
        market: &Market,
        leg: &Leg,
        news: usize,
    ) -> Result<(), Reason> {
        self.check_size(market, Some(leg.price), leg.qty)?;
        let filled = leg.old.map_or(0, |old| old.filled.0);
        let counts = filled.checked_add(leg.qty.0).is_some();
        ensure(counts, Reason::NotionalTooLarge)?;
        if !self.is(Mutant::QuotesBeyondDelegation) {
            self.check_delegation_covers(session, market, Some(leg.price), leg.qty)?;
        }
        if self.is(Mutant::QuotesBeyondLimits) {
            return Ok(());
        }
        self.check_limits(&self.leg_intent(session, market.terms.market, leg, news))
    }

    fn leg_intent(&self, session: SessionId, market: MarketId, leg: &Leg, news: usize) -> Intent {
        Intent {
            account: self.sessions[&session].terms.account,
            market,
            side: leg.side,
            order_type: OrderType::Limit,
            price: leg.price,
            trigger: Price(0),
            qty: leg.qty,
            leaves: leg.qty,
            new_orders: if leg.is_new() { news } else { 0 },
        }
    }

    /// What is not attested of the sides, together: all of those that do not keep their place.
    fn entering(&self, session: SessionId, market: MarketId, legs: &[Leg]) -> u64 {
        legs.iter()
            .filter(|leg| leg.is_asked_for())
            .map(|leg| {
                let stays = |old: Order| leg.price == old.price && leg.qty <= old.leaves;
                let intent = self.leg_intent(session, market, leg, 0);
                self.amended_volume(&intent, leg.old.is_some_and(stays))
            })
            .fold(0, u64::saturating_add)
    }

    /// The last part of check 10.
    fn check_legs_unattested(
        &self,
        session: SessionId,
        market: MarketId,
        legs: &[Leg; 2],
    ) -> Result<(), Reason> {
        if self.is(Mutant::SidesAreAttestedApart) {
            for leg in legs {
                let volume = self.entering(session, market, &[*leg]);
                self.check_unattested(session, volume)?;
            }
            return Ok(());
        }
        self.check_unattested(session, self.entering(session, market, legs))
    }

    /// Check 11: there is a slot for each order that is new.
    fn check_slots(&self, news: usize) -> Result<(), Reason> {
        let needed = if self.is(Mutant::QuotesNeedOneSlot) {
            news.min(1)
        } else {
            news
        };
        ensure(self.slots_left() >= needed, Reason::OrderTableFull)
    }

    /// And a page for each side.
    fn check_pages(&self, market: &Market, legs: &[Leg; 2]) -> Result<(), Reason> {
        let mut pages = self.pages_in_use();
        let asked = legs.iter().filter(|leg| leg.is_asked_for());
        let wanted = asked.map(|leg| self.page_of((market.terms.market, leg.side, leg.price)));
        if self.is(Mutant::QuotesNeedOnePage) {
            pages.extend(wanted.take(1));
        } else {
            pages.extend(wanted);
        }
        ensure(pages.len() <= self.max_pages(), Reason::LevelTableFull)
    }

    /// All pairs of a session and a market for which something is quoted or protected.
    fn quote_entries(&self) -> BTreeSet<(SessionId, MarketId)> {
        let quotes = self.orders.iter().filter(|order| order.quote);
        let quotes = quotes.map(|order| (order.session, order.market));
        quotes.chain(self.protections.keys().copied()).collect()
    }

    /// There is an entry, or room for one more.
    pub(crate) fn check_quote_table(
        &self,
        session: SessionId,
        market: MarketId,
    ) -> Result<(), Reason> {
        let entries = self.quote_entries();
        let capacity = self.capacities.map_or(0, |genesis| genesis.max_orders);
        let more = usize::from(self.is(Mutant::OneQuoteEntryMore));
        let most = MAX_QUOTED.min(capacity as usize) + more;
        let account = |session: SessionId| self.sessions[&session].terms.account;
        let is_own = |of: SessionId| account(of) == account(session);
        let own = entries.iter().filter(|(of, _)| is_own(*of)).count();
        let room = entries.len() < most && own < MAX_QUOTED_OF_ACCOUNT as usize;
        ensure(
            room || entries.contains(&(session, market)),
            Reason::QuoteTableFull,
        )
    }

    /// Check 13, of a side.
    fn check_leg_funds(
        &self,
        session: SessionId,
        market: &Market,
        leg: &Leg,
    ) -> Result<(), Reason> {
        let account = self.sessions[&session].terms.account;
        let (asset, new_hold) = self
            .hold(&market.terms, leg.side, leg.price, leg.qty)
            .expect("it was found to be countable");
        let old = leg.old.filter(|_| !self.is(Mutant::QuotesForgetOldHold));
        let old_hold = old.map_or(0, |old| self.hold_of(&old).1);
        ensure(
            new_hold <= self.available(account, asset) + old_hold,
            Reason::InsufficientFunds,
        )
    }

    /// The order in which the sides are set: the bid first, unless it would cross what the session asks until now.
    fn in_order(&self, [bid, ask]: [Leg; 2]) -> [Leg; 2] {
        let meets = ask.old.is_some_and(|old| bid.price >= old.price);
        if bid.is_asked_for() && meets && !self.is(Mutant::BidsAreSetFirst) {
            [ask, bid]
        } else {
            [bid, ask]
        }
    }

    fn set_leg(&mut self, session: SessionId, quote: &Quote, leg: Leg, out: &mut Effects) {
        match leg.old {
            None if leg.is_asked_for() => self.enter_leg(session, quote, leg, out),
            None => {}
            Some(old) if leg.is_asked_for() => self.move_leg(&old, quote.quote_id, leg, out),
            Some(old) => self.cancel_resting(&old, Reason::Requested, out),
        }
    }

    fn enter_leg(&mut self, session: SessionId, quote: &Quote, leg: Leg, out: &mut Effects) {
        let as_order = NewOrder {
            client_order_id: quote.quote_id,
            price: leg.price,
            qty: leg.qty,
            market: quote.market,
            side: leg.side,
            ..NewOrder::PLAIN
        };
        let order = Order {
            id: self.take_slot(),
            session,
            account: self.sessions[&session].terms.account,
            market: quote.market,
            side: leg.side,
            post_only: PostOnly::No,
            quote: true,
            self_trade: SelfTrade::Allow,
            self_trade_scope: SelfTradeScope::Account,
            price: leg.price,
            leaves: leg.qty,
            filled: Qty::ZERO,
            client_order_id: quote.quote_id,
            priority: NOWHERE,
            display: Qty::ZERO,
            hidden: Qty::ZERO,
            expires: Nanos(0),
            until_close: false,
            stop: None,
        };
        self.orders.push(order);
        self.report_accepted(&order, &as_order, out);
        let order = self.rest(order.id);
        self.publish_add(&order, out);
    }

    fn move_leg(&mut self, old: &Order, quote_id: ClientOrderId, leg: Leg, out: &mut Effects) {
        let leaves = if self.is(Mutant::QuotesAreTotals) {
            Qty(leg.qty.0.saturating_sub(old.filled.0).max(1))
        } else {
            leg.qty
        };
        let client_order_id = if self.is(Mutant::QuotesKeepTheirFirstId) {
            old.client_order_id
        } else {
            quote_id
        };
        let new = Order {
            price: leg.price,
            leaves,
            client_order_id,
            ..*old
        };
        let total = Qty(old.filled.0 + leaves.0);
        let is_less = leaves <= old.leaves && !self.is(Mutant::SmallerQuotesLosePriority);
        let keeps =
            new.price == old.price && (is_less || self.is(Mutant::LargerQuotesKeepPriority));
        *self.order_mut(old.id) = new;
        self.report_amended(&new, Flag::from(keeps), total, out);
        if !keeps {
            let new = self.rest(new.id);
            self.publish_replace(&new, out);
        } else if new.leaves != old.leaves {
            self.publish_reduce(&new, out);
        }
    }
}
