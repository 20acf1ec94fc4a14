//! WebSocket: subscriptions to the hub's streams.
//!
//! Each stream begins with a snapshot that says its sequence number, and goes on with numbered updates. With
//! `resume_from`, what came after that number is sent instead, if it is still known. Whoever does not read
//! fast enough is told so and the connection ends: nobody waits for it.

mod opening;

use crate::api::market::book;
use crate::auth::{Caller, Membership, revocation};
use crate::hub::{Stream, Subscription, Update, at_first};
use crate::number::U64;
use crate::problem::Problem;
use crate::state::App;
use crate::view::{ApiOrder, wallet};
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use domain::{MarketId, Seq, SessionId};
use engine::Engine;
use opening::{Opening, opened};
use serde::Deserialize;
use serde_json::{Value, json};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use tokio_stream::{StreamExt as _, StreamMap};

/// Subscriptions of one connection.
const SUBSCRIPTIONS: usize = 64;
/// Messages that a client may send per second, on average.
const MESSAGES_PER_SECOND: u32 = 20;
/// How long a message may take to be sent before the client counts as too slow.
const SEND_PATIENCE: Duration = Duration::from_secs(5);
/// Time between two pings; a client that has sent nothing for three of them is gone.
const PING: Duration = Duration::from_secs(20);
/// Largest message of a client.
const LARGEST: usize = 4096;
/// Bytes that a connection reads at a time, and writes at once; both have a buffer of this size as long as it
/// is open.
const BUFFER: usize = 4096;
/// Levels of a side in a snapshot of a book.
const LEVELS: u32 = 500;

/// What a client asks.
#[derive(Deserialize)]
#[serde(tag = "type")]
enum Ask {
    /// Who it is: before private streams.
    Authenticate {
        token: String,
    },
    Subscribe {
        subscription: Wanted,
        /// The last number that it has of the stream.
        resume_from: Option<U64>,
        /// The epoch of which that number is, as `Subscribed` said it.
        epoch: Option<u32>,
    },
    Unsubscribe {
        subscription: Wanted,
    },
    Ping,
}

/// A stream as clients call it.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type")]
enum Wanted {
    OrderBook { market: String },
    Trades { market: String },
    UserOrders,
    Markets,
}

/// A stream's number.
fn number(engine: &Engine, seq: Seq, stream: Stream) -> u64 {
    match stream {
        Stream::Book(_) | Stream::Markets => seq.0,
        Stream::Trades(_) => engine.next_trade_id() - 1,
        Stream::User(session) => engine
            .session(session)
            .map_or(0, |session| session.next_report_no - 1),
    }
}

/// Comes when the time has come; never if there is none.
async fn reached(until: Option<std::time::Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until.into()).await,
        None => std::future::pending().await,
    }
}

/// Answers the upgrade.
pub(crate) async fn upgrade(State(app): State<App>, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_message_size(LARGEST)
        .max_frame_size(LARGEST)
        .on_upgrade(|socket| async move {
            let connection = Connection {
                revocations: app.tokens.revocations(),
                app,
                socket,
                streams: StreamMap::new(),
                opening: JoinSet::new(),
                member: None,
                caller: None,
            };
            connection.run().await;
        })
}

/// What comes of a stream.
type Updates =
    Pin<Box<dyn tokio_stream::Stream<Item = Result<Arc<Update>, BroadcastStreamRecvError>> + Send>>;

/// Why a connection ends.
enum End {
    /// The client is gone, or does not read.
    Gone,
    /// It is told why.
    Told(u16, &'static str),
}

struct Connection {
    app: App,
    socket: WebSocket,
    /// By name.
    streams: StreamMap<String, Updates>,
    /// A stream that waits for the history, beside those that go on. What the client says meanwhile waits for it.
    opening: JoinSet<Opening>,
    member: Option<Membership>,
    caller: Option<Caller>,
    /// Changes when some log-on was ended.
    revocations: watch::Receiver<()>,
}

impl Connection {
    async fn run(mut self) {
        let _open = self.app.measures.websocket();
        let end = self.serve().await;
        // What still waits for the history waits for nobody.
        self.opening.abort_all();
        if let End::Told(code, reason) = end {
            let message = json!({ "type": "Error", "code": reason });
            let closing = async {
                let _gone = self.send(message.to_string().into()).await;
                let close = Message::Close(Some(CloseFrame {
                    code,
                    reason: reason.into(),
                }));
                let _gone = self.socket.send(close).await;
                // What the client has sent meanwhile would make the system drop what it was told.
                while let Some(Ok(_)) = self.socket.recv().await {}
            };
            let _too_slow = timeout(SEND_PATIENCE, closing).await;
        }
    }

    async fn serve(&mut self) -> End {
        let mut heard = Instant::now();
        let mut ping = tokio::time::interval(PING);
        let (mut second, mut asked) = (Instant::now(), 0);
        loop {
            let until = self.caller.as_ref().map(|caller| caller.until);
            let result = tokio::select! {
                () = reached(until) => self.ensure_logged_on(),
                // The sender lives as long as the gateway.
                _ = self.revocations.changed() => self.ensure_logged_on(),
                update = self.streams.next(), if !self.streams.is_empty() => match update {
                    Some((_, Ok(update))) => match self.ensure_logged_on() {
                        Ok(()) => self.send(update.text.clone()).await,
                        Err(end) => Err(end),
                    },
                    Some((_, Err(BroadcastStreamRecvError::Lagged(_)))) => {
                        self.app.measures.slow_consumer();
                        Err(End::Told(close_code::POLICY, "slow-consumer"))
                    }
                    None => Ok(()),
                },
                opening = opened(&mut self.opening) => {
                    let open = self.open(opening).await;
                    heard = Instant::now();
                    open
                }
                message = self.socket.recv(), if self.opening.is_empty() => {
                    if second.elapsed() >= Duration::from_secs(1) {
                        (second, asked) = (Instant::now(), 0);
                    }
                    asked += 1;
                    let heard_it = if asked > MESSAGES_PER_SECOND {
                        Err(End::Told(close_code::POLICY, "too-many-messages"))
                    } else {
                        self.hear(message).await
                    };
                    // An answer may take long, and what the client says meanwhile waits.
                    heard = Instant::now();
                    heard_it
                }
                _ = ping.tick() => {
                    if heard.elapsed() > 3 * PING {
                        Err(End::Gone)
                    } else if let Err(end) = self.ensure_logged_on() {
                        Err(end)
                    } else {
                        self.put(Message::Ping(axum::body::Bytes::new())).await
                    }
                }
            };
            if let Err(end) = result {
                return end;
            }
        }
    }

    /// A log-on that was ended takes its streams with it, and so does an access token that was not renewed.
    fn ensure_logged_on(&self) -> Result<(), End> {
        let Some(caller) = &self.caller else {
            return Ok(());
        };
        if revocation::has_ended(&self.app, caller.family) {
            return Err(End::Told(close_code::POLICY, "logged-off"));
        }
        if std::time::Instant::now() >= caller.until {
            return Err(End::Told(close_code::POLICY, "token-expired"));
        }
        Ok(())
    }

    async fn put(&mut self, message: Message) -> Result<(), End> {
        match timeout(SEND_PATIENCE, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => {
                self.app.measures.slow_consumer();
                Err(End::Told(close_code::POLICY, "slow-consumer"))
            }
        }
    }

    async fn send(&mut self, text: Utf8Bytes) -> Result<(), End> {
        self.put(Message::Text(text)).await
    }

    async fn tell(&mut self, message: Value) -> Result<(), End> {
        self.send(message.to_string().into()).await
    }

    async fn hear(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        self.ensure_logged_on()?;
        let text = match message {
            None | Some(Err(_)) | Some(Ok(Message::Close(_))) => return Err(End::Gone),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(()),
            Some(Ok(Message::Binary(_))) => {
                return Err(End::Told(close_code::UNSUPPORTED, "text-only"));
            }
            Some(Ok(Message::Text(text))) => text,
        };
        let ask = match serde_json::from_str(&text) {
            Ok(ask) => ask,
            Err(error) => {
                return self
                    .tell(json!({ "type": "Error", "code": "invalid-request", "detail": error.to_string() }))
                    .await;
            }
        };
        let done = self.ask(ask).await?;
        self.tell_refusal(done).await
    }

    async fn tell_refusal(&mut self, done: Result<(), Problem>) -> Result<(), End> {
        let Err(problem) = done else {
            return Ok(());
        };
        let problem = json!(problem);
        self.tell(json!({ "type": "Error", "code": problem["code"], "detail": problem["detail"] }))
            .await
    }

    async fn ask(&mut self, ask: Ask) -> Result<Result<(), Problem>, End> {
        match ask {
            Ask::Ping => self.tell(json!({ "type": "Pong" })).await?,
            Ask::Authenticate { token } => match self.authenticate(&token) {
                Ok(member) => {
                    let session = U64(u64::from(member.session.0));
                    self.tell(json!({ "type": "Authenticated", "session": session }))
                        .await?;
                }
                Err(problem) => return Ok(Err(problem)),
            },
            Ask::Unsubscribe { subscription } => match self.stream(&subscription) {
                Ok(stream) => {
                    let name = self.name(stream);
                    self.streams.remove(&name);
                    self.tell(json!({ "type": "Unsubscribed", "stream": name }))
                        .await?;
                }
                Err(problem) => return Ok(Err(problem)),
            },
            Ask::Subscribe {
                subscription,
                resume_from,
                epoch,
            } => {
                if let Err(problem) = self.app.live.ensure_live() {
                    return Ok(Err(problem));
                }
                let stream = match self.stream(&subscription) {
                    Ok(stream) => stream,
                    Err(problem) => return Ok(Err(problem)),
                };
                if self.streams.len() >= SUBSCRIPTIONS {
                    return Err(End::Told(close_code::POLICY, "too-many-subscriptions"));
                }
                let after = resume_from.map(|number| (number.0, epoch));
                return self.subscribe(stream, after).await;
            }
        }
        Ok(Ok(()))
    }

    /// Says who it is, or goes on with a fresh token of the same wallet.
    fn authenticate(&mut self, token: &str) -> Result<Membership, Problem> {
        let caller = Caller::of_token(&self.app, token)?;
        let other = |before: &Caller| before.wallet != caller.wallet;
        if self.caller.as_ref().is_some_and(other) {
            return Err(Problem::conflict(
                "other-wallet",
                "The connection is another wallet's",
                "open another connection for this wallet",
            ));
        }
        let member = caller.membership(&self.app)?;
        self.member = Some(member);
        self.caller = Some(caller);
        Ok(member)
    }

    fn stream(&self, wanted: &Wanted) -> Result<Stream, Problem> {
        Ok(match wanted {
            Wanted::OrderBook { market } => Stream::Book(self.app.market(market)?),
            Wanted::Trades { market } => Stream::Trades(self.app.market(market)?),
            Wanted::Markets => Stream::Markets,
            Wanted::UserOrders => {
                let member = self.member.ok_or_else(|| {
                    Problem::unauthenticated("send {\"type\":\"Authenticate\",\"token\":...} first")
                })?;
                Stream::User(member.session)
            }
        })
    }

    fn name(&self, stream: Stream) -> String {
        let symbol = |market| self.app.live.hub().symbol(market);
        match stream {
            Stream::Book(market) => format!("OrderBook:{}", symbol(market)),
            Stream::Trades(market) => format!("Trades:{}", symbol(market)),
            Stream::User(session) => format!("UserOrders:{}", session.0),
            Stream::Markets => "Markets".to_owned(),
        }
    }

    /// Tells what was missed, or a snapshot, and then what comes.
    ///
    /// The subscription is made before the snapshot is taken, so that nothing lies between the two; what the
    /// snapshot has already is left out.
    async fn subscribe(
        &mut self,
        stream: Stream,
        after: Option<(u64, Option<u32>)>,
    ) -> Result<Result<(), Problem>, End> {
        let live = &self.app.live;
        let (subscription, now) = live.read(|engine, seq| {
            // Numbers of an epoch that has ended may have been given again since.
            let own = |epoch: Option<u32>| epoch.is_none_or(|epoch| epoch == engine.epoch());
            let after = after.filter(|(_, epoch)| own(*epoch));
            let now = number(engine, seq, stream);
            let after = after.map(|(number, _)| number);
            (live.hub().subscribe(stream, now, after), now)
        });
        let after = subscription.after;
        let name = self.name(stream);
        let until = match (&subscription.missed, stream) {
            (Some(_), _) => {
                let after = after.unwrap_or(0);
                self.subscribed(&name, true, after).await?;
                after
            }
            (None, Stream::Book(market)) => self.begin_book(market, &name).await?,
            (None, Stream::Markets) => self.begin_markets(&name).await?,
            (None, Stream::User(session)) if after.is_none() => {
                match self.begin_user(session, &name, now).await? {
                    Ok(until) => until,
                    Err(problem) => return Ok(Err(problem)),
                }
            }
            (None, Stream::Trades(_) | Stream::User(_)) => {
                self.wait(stream, after, now);
                return Ok(Ok(()));
            }
        };
        self.follow(name, subscription, until).await?;
        Ok(Ok(()))
    }

    /// Tells what of a stream was missed, and then what comes; all up to a number has been told.
    async fn follow(
        &mut self,
        name: String,
        subscription: Subscription,
        until: u64,
    ) -> Result<(), End> {
        let mut until = until;
        for update in subscription.missed.unwrap_or_default() {
            until = update.number;
            self.send(update.text.clone()).await?;
        }
        let updates = BroadcastStream::new(subscription.receiver)
            .filter(move |update| update.as_ref().map_or(true, |update| update.number > until));
        self.streams.insert(name, Box::pin(updates));
        Ok(())
    }
}

impl Connection {
    async fn subscribed(&mut self, name: &str, resumed: bool, sequence: u64) -> Result<(), End> {
        let epoch = self.app.live.read(|engine, _| engine.epoch());
        self.tell(json!({
            "type": "Subscribed", "stream": name, "resumed": resumed, "sequence": U64(sequence),
            "epoch": epoch,
        }))
        .await
    }

    /// The beginning of a stream of a book: everything up to the number that is given back. So for those below.
    async fn begin_book(&mut self, market: MarketId, name: &str) -> Result<u64, End> {
        let book = book(&self.app, market, LEVELS);
        let until = book.sequence_number;
        self.subscribed(name, false, until.0).await?;
        self.tell(json!({
            "type": "MarketData", "stream": name, "sequence": until,
            "data": { "update_type": "OrderBookSnapshot", "order_book": book },
        }))
        .await?;
        Ok(until.0)
    }

    async fn begin_markets(&mut self, name: &str) -> Result<u64, End> {
        let hub = self.app.live.hub();
        let (seq, markets) = self.app.live.read(|engine, seq| {
            let markets = engine
                .market_ids()
                .map(|market| at_first(engine, market, hub.symbol(market)));
            (seq.0, markets.collect::<Vec<Value>>())
        });
        self.subscribed(name, false, seq).await?;
        self.tell(json!({
            "type": "MarketData", "stream": name, "sequence": U64(seq),
            "data": { "update_type": "MarketsSnapshot", "markets": markets },
        }))
        .await?;
        Ok(seq)
    }

    /// `last` was read before the orders are: a report that comes between the two is told again, never left out.
    async fn begin_user(
        &mut self,
        session: SessionId,
        name: &str,
        last: u64,
    ) -> Result<Result<u64, Problem>, End> {
        let Some(caller) = self.caller.clone() else {
            return Ok(Err(Problem::unauthenticated("authenticate first")));
        };
        let owner = wallet(caller.wallet);
        let hub = self.app.live.hub();
        let account = self.member.map(|member| member.account).unwrap_or_default();
        let orders: Vec<ApiOrder> = hub
            .orders_of(account)
            .into_iter()
            .filter(|order| order.session == session)
            .map(|order| order.view(&hub.symbol(order.market), Some(owner.clone())))
            .collect();
        self.subscribed(name, false, last).await?;
        self.tell(json!({
            "type": "OrderSnapshot", "stream": name, "sequence": U64(last),
            "data": { "orders": orders },
        }))
        .await?;
        Ok(Ok(last))
    }
}
