//! The hub: turns frames into what subscribers see, once for all of them.
//!
//! Data: live orders, who owns which account, the prices that changed since the last publication, and one
//! topic per stream that somebody watches. Owner: the shadow engine's thread writes; requests look things up.
//! Invariants: a topic's sequence numbers rise; what a topic says was true at the ack mode's watermark; a
//! subscriber that does not keep up loses its subscription and nobody waits for it.

mod live_orders;
mod news;

use crate::number::U64;
use crate::report::ApiReport;
use crate::view::{ApiTrade, Tracked, symbol, wallet};
use axum::extract::ws::Utf8Bytes;
use domain::{
    AccountId, ClientOrderId, Command, Event, Gate, MarketId, OrderId, Price, Qty, SessionId, Side,
};
use engine::Engine;
use journal::{Frame, FrameHeader};
use live_orders::Orders;
use news::News;
pub(crate) use news::at_first;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::broadcast;

/// Updates that a subscriber may be behind before it is told to go.
const BACKLOG: usize = 1024;
/// Updates of a topic that a returning subscriber can have again.
const RECENT: usize = 1024;
/// How long a topic is kept without subscribers, so that one can come back to it.
const KEEP: Duration = Duration::from_secs(60);
/// Shortest time between two updates of a book.
const BOOK_INTERVAL: Duration = Duration::from_millis(20);

/// What can be subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stream {
    /// Price levels of a market; numbered by engine seq.
    Book(MarketId),
    /// Trades of a market; numbered by trade id.
    Trades(MarketId),
    /// Reports of a session; numbered by report number.
    User(SessionId),
    /// Last prices of all markets; numbered by engine seq.
    Markets,
}

/// One message of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    pub(crate) number: u64,
    pub(crate) text: Utf8Bytes,
}

struct Topic {
    sender: broadcast::Sender<Arc<Update>>,
    recent: VecDeque<Arc<Update>>,
    /// Everything after this number is in `recent`.
    since: u64,
    /// When somebody was subscribed last.
    watched: Instant,
}

impl Topic {
    fn new(since: u64) -> Self {
        Self {
            sender: broadcast::Sender::new(BACKLOG),
            recent: VecDeque::new(),
            since,
            watched: Instant::now(),
        }
    }

    fn publish(&mut self, number: u64, message: &Value) {
        let update = Arc::new(Update {
            number,
            text: message.to_string().into(),
        });
        if self.recent.len() == RECENT
            && let Some(oldest) = self.recent.pop_front()
        {
            self.since = oldest.number;
        }
        self.recent.push_back(Arc::clone(&update));
        if self.sender.receiver_count() > 0 {
            // The last subscriber may go at this moment.
            let _nobody = self.sender.send(update);
        }
    }
}

/// A subscription: what was missed, if it is still known, and what comes.
pub(crate) struct Subscription {
    /// Behind which number it goes on; none: from a snapshot.
    pub(crate) after: Option<u64>,
    pub(crate) missed: Option<Vec<Arc<Update>>>,
    pub(crate) receiver: broadcast::Receiver<Arc<Update>>,
}

#[derive(Default)]
struct Inner {
    orders: Orders,
    owners: BTreeMap<[u8; 32], AccountId>,
    doors: BTreeMap<AccountId, SessionId>,
    ports: BTreeMap<AccountId, BTreeSet<SessionId>>,
    symbols: BTreeMap<MarketId, String>,
    markets: BTreeMap<String, MarketId>,
    touched: BTreeMap<MarketId, BTreeSet<(Side, Price)>>,
    news: BTreeMap<MarketId, News>,
    book_numbers: BTreeMap<MarketId, u64>,
    books_published: Option<Instant>,
    topics: BTreeMap<Stream, Topic>,
    accepted: Accepted,
    past: Past,
}

/// Client order ids that were accepted lately from sessions of the gateway.
#[derive(Default)]
struct Accepted {
    ids: BTreeMap<(SessionId, ClientOrderId), (u64, OrderId)>,
    order: VecDeque<(u64, (SessionId, ClientOrderId))>,
    /// Everything after this seq is remembered.
    since: u64,
}

/// Client order ids that are remembered.
const ACCEPTED: usize = 1 << 16;

impl Accepted {
    fn add(&mut self, session: SessionId, id: ClientOrderId, seq: u64, order_id: OrderId) {
        if self.order.len() == ACCEPTED
            && let Some((oldest, key)) = self.order.pop_front()
        {
            self.since = oldest;
            if self.ids.get(&key).is_some_and(|(seq, _)| *seq == oldest) {
                self.ids.remove(&key);
            }
        }
        self.ids.insert((session, id), (seq, order_id));
        self.order.push_back((seq, (session, id)));
    }
}

/// Orders that have ended lately, as they were then, for as long as the store may not have them.
#[derive(Default)]
struct Past {
    orders: BTreeMap<OrderId, Tracked>,
    order: VecDeque<(u64, OrderId)>,
    /// Everything that ended after this seq is remembered.
    since: u64,
}

/// Ended orders that are remembered.
const PAST: usize = 1 << 16;

impl Past {
    fn add(&mut self, order: Tracked, seq: u64) {
        if self.order.len() == PAST
            && let Some((oldest, id)) = self.order.pop_front()
        {
            self.since = oldest;
            self.orders.remove(&id);
        }
        self.orders.insert(order.order_id, order);
        self.order.push_back((seq, order.order_id));
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct Hub(Mutex<Inner>);

impl Hub {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over the state of an engine that has not been followed from its first frame.
    pub(crate) fn load(&self, engine: &Engine, seq: u64) {
        let mut inner = self.lock();
        inner.accepted.since = seq;
        inner.past.since = seq;
        for account in engine.account_ids() {
            inner.know_account(engine, account);
        }
        for session in engine.session_ids() {
            inner.know_session(engine, session);
        }
        for market in engine.market_ids() {
            inner.know_market(engine, market);
        }
        for order in engine.orders() {
            let account = engine.session(order.session).map(|session| session.account);
            let tracked = Tracked::of(&order, account.unwrap_or_default(), engine.now());
            inner.orders.insert(tracked);
        }
    }

    /// A frame that the shadow engine has just applied and found right.
    pub(crate) fn frame(&self, frame: &Frame<'_>, engine: &Engine) {
        let mut inner = self.lock();
        inner.learn(&frame.command, engine);
        for event in frame.events().filter_map(Result::ok) {
            inner.event(&event, frame, engine);
        }
    }

    /// Publishes the books that have changed, if the last time is long enough ago.
    pub(crate) fn publish(&self, engine: &Engine, seq: u64) {
        let mut inner = self.lock();
        let now = Instant::now();
        let due = inner
            .books_published
            .is_none_or(|when| now.duration_since(when) >= BOOK_INTERVAL);
        if due && !(inner.touched.is_empty() && inner.news.is_empty()) {
            inner.books_published = Some(now);
            inner.publish_books(engine, seq);
            inner.publish_markets(engine, seq);
        }
        inner.topics.retain(|_, topic| {
            // Also a stream on which nothing comes.
            if topic.sender.receiver_count() > 0 {
                topic.watched = now;
            }
            now.duration_since(topic.watched) < KEEP
        });
    }

    /// Subscribes. With `after`, what came after that number is given again if all of it is known.
    ///
    /// `now` is the stream's number, and whoever asks holds the shadow engine's lock since it was read: a frame
    /// between the two would be missing from a topic that is made here.
    pub(crate) fn subscribe(&self, stream: Stream, now: u64, after: Option<u64>) -> Subscription {
        let mut inner = self.lock();
        let topic = inner
            .topics
            .entry(stream)
            .or_insert_with(|| Topic::new(now));
        topic.watched = Instant::now();
        // Nothing ever comes behind a number that the stream has not reached: it is another past's.
        let after = after.filter(|after| *after <= now);
        let missed = after.filter(|after| *after >= topic.since).map(|after| {
            let recent = topic.recent.iter();
            recent
                .filter(|update| update.number > after)
                .cloned()
                .collect()
        });
        Subscription {
            after,
            missed,
            receiver: topic.sender.subscribe(),
        }
    }

    /// The market of this name.
    pub(crate) fn market(&self, symbol: &str) -> Option<MarketId> {
        self.lock().markets.get(symbol).copied()
    }

    /// The market's name.
    pub(crate) fn symbol(&self, market: MarketId) -> String {
        self.lock().symbol(market)
    }

    /// The account of a wallet.
    pub(crate) fn account_of(&self, owner: &[u8; 32]) -> Option<AccountId> {
        self.lock().owners.get(owner).copied()
    }

    /// The session by which the gateway speaks for an account.
    pub(crate) fn door_of(&self, account: AccountId) -> Option<SessionId> {
        self.lock().doors.get(&account).copied()
    }

    /// The sessions of the binary port of an account.
    pub(crate) fn port_sessions(&self, account: AccountId) -> BTreeSet<SessionId> {
        self.lock().ports.get(&account).cloned().unwrap_or_default()
    }

    /// Whether an order with this client order id was accepted after the frame `since`; none if that is no
    /// longer remembered.
    pub(crate) fn has_used(
        &self,
        session: SessionId,
        id: ClientOrderId,
        since: u64,
    ) -> Option<bool> {
        let inner = self.lock();
        let known = since >= inner.accepted.since;
        known.then(|| {
            let accepted = inner.accepted.ids.get(&(session, id));
            accepted.is_some_and(|(seq, _)| *seq > since)
        })
    }

    /// The order that was accepted lately with this client order id.
    pub(crate) fn accepted(&self, session: SessionId, id: ClientOrderId) -> Option<OrderId> {
        let inner = self.lock();
        inner.accepted.ids.get(&(session, id)).map(|(_, id)| *id)
    }

    /// An order that is live, or has ended lately.
    pub(crate) fn known(&self, order_id: OrderId) -> Option<Tracked> {
        let inner = self.lock();
        let past = || inner.past.orders.get(&order_id);
        inner.orders.get(order_id).or_else(past).copied()
    }

    /// Whether every order that ended after this frame is known.
    pub(crate) fn knows_since(&self, seq: u64) -> bool {
        seq >= self.lock().past.since
    }

    /// A live order.
    pub(crate) fn order(&self, order_id: OrderId) -> Option<Tracked> {
        self.lock().orders.get(order_id).copied()
    }

    /// The live orders of an account, oldest id first.
    pub(crate) fn orders_of(&self, account: AccountId) -> Vec<Tracked> {
        self.lock().orders.of(account).copied().collect()
    }
}

impl Inner {
    fn symbol(&self, market: MarketId) -> String {
        self.symbols
            .get(&market)
            .cloned()
            .unwrap_or_else(|| market.0.to_string())
    }

    fn know_account(&mut self, engine: &Engine, account: AccountId) {
        if let Some(view) = engine.account(account)
            && view.owner != [0; 32]
        {
            keep_lowest(&mut self.owners, view.owner, account);
        }
    }

    fn know_session(&mut self, engine: &Engine, session: SessionId) {
        let Some(view) = engine.session(session) else {
            return;
        };
        match view.gate {
            Gate::Gateway => {
                keep_lowest(&mut self.doors, view.account, session);
            }
            Gate::Port => {
                self.ports.entry(view.account).or_default().insert(session);
            }
        }
    }

    fn know_market(&mut self, engine: &Engine, market: MarketId) {
        if let Some(terms) = engine.market_terms(market) {
            let name = symbol(terms.symbol);
            self.markets.entry(name.clone()).or_insert(market);
            self.symbols.insert(market, name);
        }
    }

    /// What a command of administration made, if it did.
    fn learn(&mut self, command: &Command, engine: &Engine) {
        match command {
            Command::CreateAccount(c) => self.know_account(engine, c.account),
            Command::OpenSession(c) => self.know_session(engine, c.session),
            Command::CreateMarket(c) => self.know_market(engine, c.market),
            Command::NewOrder(_)
            | Command::CancelOrder(_)
            | Command::AmendOrder(_)
            | Command::MassCancel(_)
            | Command::KillSwitch(_)
            | Command::Quote(_)
            | Command::SetProtection(_)
            | Command::Attest(_)
            | Command::SetTier(_)
            | Command::SetLimits(_)
            | Command::SetFees(_)
            | Command::CollectFees(_)
            | Command::SetMarketState(_)
            | Command::SetCollar(_)
            | Command::DelistMarket(_)
            | Command::ConfirmAttestation(_)
            | Command::Continue(_)
            | Command::Timer(_)
            | Command::Checkpoint(_)
            | Command::Recovered(_)
            | Command::EngineVersion(_)
            | Command::Genesis(_)
            | Command::CreateAsset(_)
            | Command::Delegate(_)
            | Command::Deposit(_) => {}
        }
    }

    fn event(&mut self, event: &Event, frame: &Frame<'_>, engine: &Engine) {
        let seq = frame.header.seq.0;
        let changed = self.change(event, engine, frame);
        let changed = changed.map(|order| self.hide(order, engine));
        if let Some(order) = &changed
            && self.orders.get(order.order_id).is_none()
        {
            self.past.add(*order, seq);
        }
        news::note(&mut self.news, event);
        if let Event::Trade(trade) = event {
            let name = self.symbol(trade.market);
            if let Some(topic) = self.topics.get_mut(&Stream::Trades(trade.market)) {
                let trade = ApiTrade::of_event(trade, &name, frame.header.engine_time);
                let message = trade_message(&trade);
                topic.publish(trade.trade_id.0, &message);
            }
        }
        if let Some((session, number)) = event.report()
            && self.topics.contains_key(&Stream::User(session))
        {
            let order = changed.map(|order| self.shown(&order, engine));
            let report = ApiReport::of(event, |market| self.symbol(market));
            let message = order_message(session, number, &json!(order), &json!(report), false);
            if let Some(topic) = self.topics.get_mut(&Stream::User(session)) {
                topic.publish(number, &message);
            }
        }
    }

    fn shown(&self, order: &Tracked, engine: &Engine) -> Value {
        let owner = engine.account(order.account).map(|view| view.owner);
        let owner = owner.filter(|owner| *owner != [0; 32]).map(wallet);
        json!(order.view(&self.symbol(order.market), owner))
    }

    /// Begins to follow an order.
    fn accept(&mut self, e: &domain::Accepted, engine: &Engine, frame: &Frame<'_>) -> Tracked {
        let header = &frame.header;
        let min_qty = match &frame.command {
            Command::NewOrder(order) => order.min_qty,
            _ => Qty::ZERO,
        };
        let account = engine.session(e.session).map(|session| session.account);
        let order = Tracked {
            order_id: e.order_id,
            client_order_id: e.client_order_id,
            session: e.session,
            account: account.unwrap_or_default(),
            market: e.market,
            side: e.side,
            order_type: e.order_type,
            time_in_force: e.time_in_force,
            post_only: e.post_only,
            min_qty,
            self_trade: e.self_trade,
            self_trade_scope: e.self_trade_scope,
            expires: e.expires,
            trigger_price: e.trigger_price,
            quote: e.quote.is_yes(),
            waits: e.order_type.waits(),
            display_qty: e.display_qty,
            hidden: Qty::ZERO,
            price: e.price,
            qty: e.qty,
            leaves: e.qty,
            filled: Qty(0),
            ended: None,
            changed: header.engine_time,
        };
        self.orders.insert(order);
        self.remember(&order, header);
        order
    }

    /// The client order id of an order of the gateway's own sessions is used from now on. That of a quote is not: it
    /// finds none, and may come again.
    fn remember(&mut self, order: &Tracked, header: &FrameHeader) {
        if !order.quote && self.doors.get(&order.account) == Some(&order.session) {
            let (session, id) = (order.session, order.client_order_id);
            self.accepted.add(session, id, header.seq.0, order.order_id);
        }
    }

    fn amend(&mut self, e: &domain::Amended, header: &FrameHeader) -> Option<Tracked> {
        let before = *self.orders.get(e.order_id)?;
        self.touch(&before);
        let order = self.orders.get_mut(e.order_id)?;
        // A stop without a limit is amended without a price and keeps its worst.
        if order.order_type.has_limit() {
            order.price = e.price;
        }
        (order.qty, order.leaves) = (e.qty, e.leaves);
        order.client_order_id = e.client_order_id;
        order.changed = header.engine_time;
        let order = *order;
        self.touch(&order);
        if before.client_order_id != order.client_order_id {
            self.remember(&order, header);
        }
        Some(order)
    }

    /// Follows an order through an event; gives it as it is now.
    fn change(&mut self, event: &Event, engine: &Engine, frame: &Frame<'_>) -> Option<Tracked> {
        let time = frame.header.engine_time;
        match event {
            Event::Accepted(e) => Some(self.accept(e, engine, frame)),
            Event::Fill(e) => {
                let order = self.orders.get_mut(e.order_id)?;
                order.filled = Qty(order.filled.0 + e.qty.0);
                (order.leaves, order.changed) = (e.leaves, time);
                let order = *order;
                self.touch(&order);
                if e.leaves == Qty(0) {
                    self.orders.remove(e.order_id);
                }
                Some(order)
            }
            Event::Canceled(e) => {
                let mut order = self.orders.remove(e.order_id)?;
                self.touch(&order);
                (order.leaves, order.ended, order.changed) = (Qty(0), Some(e.reason), time);
                Some(order)
            }
            Event::Amended(e) => self.amend(e, &frame.header),
            Event::SelfTradePrevented(e) => {
                let order = self.orders.get_mut(e.order_id)?;
                order.qty = Qty(order.filled.0 + e.leaves.0);
                (order.leaves, order.changed) = (e.leaves, time);
                Some(*order)
            }
            Event::Triggered(e) => {
                let order = self.orders.get_mut(e.order_id)?;
                (order.waits, order.changed) = (false, time);
                Some(*order)
            }
            Event::BookAdd(e) => {
                self.touched
                    .entry(e.market)
                    .or_default()
                    .insert((e.side, e.price));
                None
            }
            Event::Rejected(e) => self.orders.get(e.order_id).copied(),
            Event::NotApplied(_)
            | Event::MassCanceled(_)
            | Event::ProtectionSet(_)
            | Event::ProtectionReached(_)
            | Event::AttestationNoted(_)
            | Event::BookReduce(_)
            | Event::BookDelete(_)
            | Event::BookReplace(_)
            | Event::Trade(_)
            | Event::PhaseChanged(_)
            | Event::MarketDefined(_)
            | Event::MarketStateChanged(_)
            | Event::Uncrossed(_)
            | Event::Outcome(_)
            | Event::StateHash(_) => None,
        }
    }

    /// How much of an order nobody else sees after the frame. It changes only in frames that report something of the
    /// order.
    fn hide(&mut self, order: Tracked, engine: &Engine) -> Tracked {
        if order.display_qty == Qty::ZERO {
            return order;
        }
        let live = engine.order(order.order_id);
        let hidden = live.map_or(Qty::ZERO, |live| live.hidden);
        if let Some(kept) = self.orders.get_mut(order.order_id) {
            kept.hidden = hidden;
        }
        Tracked { hidden, ..order }
    }

    /// The level of an order with a limit may have changed.
    fn touch(&mut self, order: &Tracked) {
        if order.order_type.has_limit() {
            self.touched
                .entry(order.market)
                .or_default()
                .insert((order.side, order.price));
        }
    }

    fn publish_books(&mut self, engine: &Engine, seq: u64) {
        let touched = std::mem::take(&mut self.touched);
        for (market, prices) in touched {
            let previous = self.book_numbers.insert(market, seq).unwrap_or(0);
            let name = self.symbol(market);
            let Some(topic) = self.topics.get_mut(&Stream::Book(market)) else {
                continue;
            };
            let side = |wanted: Side| -> Vec<(String, String)> {
                let levels = prices.iter().filter(|(side, _)| *side == wanted);
                levels
                    .map(|(side, price)| {
                        let qty = engine.quantity_at(market, *side, *price);
                        (price.0.to_string(), qty.0.to_string())
                    })
                    .collect()
            };
            let message = json!({
                "type": "MarketData",
                "stream": format!("OrderBook:{name}"),
                "sequence": U64(seq),
                "data": {
                    "update_type": "OrderBookUpdate",
                    "order_book": {
                        "market": name,
                        "bids": side(Side::Buy),
                        "asks": side(Side::Sell),
                        "sequence_number": U64(seq),
                        "previous_sequence_number": U64(previous),
                        "timestamp": U64(engine.now().0),
                    },
                },
            });
            topic.publish(seq, &message);
        }
    }

    fn publish_markets(&mut self, engine: &Engine, seq: u64) {
        let news = std::mem::take(&mut self.news);
        if news.is_empty() || !self.topics.contains_key(&Stream::Markets) {
            return;
        }
        let markets: Vec<Value> = news
            .iter()
            .map(|(market, news)| news::told(engine, *market, self.symbol(*market), news))
            .collect();
        let message = json!({
            "type": "MarketData",
            "stream": "Markets",
            "sequence": U64(seq),
            "data": {
                "update_type": "MarketsUpdate",
                "markets": markets,
                "timestamp": U64(engine.now().0),
            },
        });
        if let Some(topic) = self.topics.get_mut(&Stream::Markets) {
            topic.publish(seq, &message);
        }
    }
}

/// Keeps the lowest value of a key, so that the order in which they come does not matter: a restart changes it.
fn keep_lowest<K: Ord, V: Ord + Copy>(map: &mut BTreeMap<K, V>, key: K, value: V) {
    map.entry(key)
        .and_modify(|kept| *kept = value.min(*kept))
        .or_insert(value);
}

/// A trade as a message of its stream.
pub(crate) fn trade_message(trade: &ApiTrade) -> Value {
    json!({
        "type": "MarketData",
        "stream": format!("Trades:{}", trade.market),
        "sequence": trade.trade_id,
        "data": { "update_type": "TradeExecution", "trade": trade },
    })
}

/// A report as a message of its session's stream.
pub(crate) fn order_message(
    session: SessionId,
    number: u64,
    order: &Value,
    report: &Value,
    replayed: bool,
) -> Value {
    json!({
        "type": "OrderUpdate",
        "stream": format!("UserOrders:{}", session.0),
        "sequence": U64(number),
        "data": { "order": order, "report": report, "replayed": replayed },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_stream_is_kept_for_whoever_has_just_left_it() {
        let (hub, engine) = (Hub::default(), Engine::new());
        let watching = hub.subscribe(Stream::Markets, 10, None);
        let long_ago = Instant::now().checked_sub(2 * KEEP).unwrap();
        let begun = |when| {
            let mut inner = hub.lock();
            inner.topics.get_mut(&Stream::Markets).unwrap().watched = when;
        };
        let mut inner = hub.lock();
        let topic = inner.topics.get_mut(&Stream::Markets).unwrap();
        topic.publish(11, &json!(11));
        drop(inner);
        begun(long_ago);
        hub.publish(&engine, 11);
        drop(watching);
        hub.publish(&engine, 11);
        let resumed = hub.subscribe(Stream::Markets, 11, Some(10));
        assert_eq!(numbers(&resumed), Some(vec![11]));
        drop(resumed);
        begun(long_ago);
        hub.publish(&engine, 11);
        assert!(hub.lock().topics.is_empty());
    }

    #[test]
    fn of_two_that_fit_the_lowest_is_kept_in_whichever_order_they_come() {
        for order in [[3, 5, 4], [5, 4, 3]] {
            let mut owners = BTreeMap::new();
            for account in order {
                keep_lowest(&mut owners, [1; 32], AccountId(account));
            }
            assert_eq!(owners[&[1; 32]], AccountId(3));
        }
    }

    fn numbers(subscription: &Subscription) -> Option<Vec<u64>> {
        let missed = subscription.missed.as_ref()?;
        Some(missed.iter().map(|update| update.number).collect())
    }

    #[test]
    fn a_topic_goes_on_behind_any_number_that_it_has_reached_and_behind_no_other() {
        let hub = Hub::default();
        let _watching = hub.subscribe(Stream::Markets, 10, None);
        for number in [11, 14] {
            let mut inner = hub.lock();
            let topic = inner.topics.get_mut(&Stream::Markets).unwrap();
            topic.publish(number, &json!(number));
        }
        for (after, missed) in [
            (10, vec![11, 14]),
            (11, vec![14]),
            (14, vec![]),
            (15, vec![]),
        ] {
            let resumed = hub.subscribe(Stream::Markets, 15, Some(after));
            assert_eq!(
                (resumed.after, numbers(&resumed)),
                (Some(after), Some(missed))
            );
        }
        for ahead in [16, u64::MAX] {
            let begun = hub.subscribe(Stream::Markets, 15, Some(ahead));
            assert_eq!((begun.after, numbers(&begun)), (None, None));
        }
        let too_old = hub.subscribe(Stream::Markets, 15, Some(9));
        assert_eq!((too_old.after, numbers(&too_old)), (Some(9), None));
    }
}
