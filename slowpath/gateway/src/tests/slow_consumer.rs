//! Subscribers that do not read: each costs itself.

use super::exchange::{Exchange, SHARD};
use crate::Measures;
use crate::{Batch, CommandRing, Gateway, Live, Standing};
use domain::{
    ClientOrderId, MarketId, NewOrder, OrderType, Price, Qty, REQUEST_WORDS, Seq, Side, TimeInForce,
};
use journal::Frame;
use serde_json::Value;
use shadow::Shadow;
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU64;
use std::process::Command;
use std::time::{Duration, Instant};
use store::{Database, Projector, Store};
use tempfile::TempDir;
use topology::Config;
use tungstenite::{Message, WebSocket};

/// More than any of the waits takes; reached only by a test that fails.
const LONG: Duration = Duration::from_secs(60);
/// Trades of a round: fewer than a subscriber may be behind.
const ROUND: u64 = 512;
/// So many that what lies behind a subscriber who does not read has no room in the system's buffers of its
/// connection (4 MiB and 6 MiB at the most).
const ROUNDS: u64 = 100;
/// Resident memory that is no subscriber's: what the allocator keeps of a round, and orders that have ended, of which
/// the hub remembers so many (17 MiB). What subscribers who do not read would keep is as much again.
const SLACK: u64 = 28 << 20;

/// Nobody administers here.
pub(crate) struct NoRing;

impl CommandRing for NoRing {
    fn push(&mut self, _: &[u64; REQUEST_WORDS]) -> bool {
        false
    }
    fn waiting(&self) -> u64 {
        0
    }
    fn is_served(&self) -> bool {
        true
    }
    fn blockage(&mut self) -> Option<String> {
        None
    }
    fn journalled(&self) -> Seq {
        Seq(0)
    }
}

/// A gateway that serves, and the exchange whose frames it is told.
struct Market {
    exchange: Exchange,
    live: Live,
    address: SocketAddr,
    orders: u64,
    /// What the store has not been given.
    behind: Vec<Vec<u64>>,
    projector: Projector,
    runtime: tokio::runtime::Runtime,
    _folder: TempDir,
}

impl Market {
    fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("store.db").display());
        let interval = NonZeroU64::new(1 << 20).unwrap();
        let live = Live::new(Shadow::new(SHARD, interval), Box::new(NoRing), false);
        let exchange = Exchange::with_traders(1 << 40, 64);
        let mut config = Config::default();
        config.gateway.bind = ([127, 0, 0, 1], 0).into();
        let database = Database::new(&url).unwrap();
        let (gateway, projector) = runtime.block_on(async {
            let mut projector = Projector::open(&database, SHARD).await.unwrap();
            for frame in exchange.frames_of(1, exchange.frames.len()) {
                projector.take(&frame).unwrap();
            }
            projector.write().await.unwrap();
            let store = Store::new(&database, 1);
            let gateway = Gateway::new(
                &config,
                &[1; 32],
                live.clone(),
                store,
                Measures::new().unwrap(),
            );
            (gateway.unwrap(), projector)
        });
        let address = gateway.address().unwrap();
        runtime.spawn(gateway.serve(std::future::pending()));
        let mut market = Self {
            exchange,
            live,
            address,
            orders: 0,
            behind: Vec::new(),
            projector,
            runtime,
            _folder: folder,
        };
        market.tell();
        market.behind.clear();
        market.live.stand(Standing::Live);
        market
    }

    /// Tells the gateway the frames that it has not been told.
    fn tell(&mut self) {
        let frames = std::mem::take(&mut self.exchange.frames);
        self.live.batch(|batch: &mut Batch<'_>| {
            for words in &frames {
                let frame = Frame::parse(words).unwrap();
                batch.shadow().step(&frame).unwrap();
                batch.told(&frame);
            }
        });
        self.behind.extend(frames);
    }

    /// Gives the store the frames that it has not been given.
    fn project(&mut self) {
        for words in self.behind.drain(..) {
            self.projector.take(&Frame::parse(&words).unwrap()).unwrap();
        }
        self.runtime.block_on(self.projector.write()).unwrap();
    }

    fn trade(&mut self, trades: u64) {
        for _ in 0..trades {
            for (session, side) in [(0, Side::Sell), (1, Side::Buy)] {
                self.orders += 1;
                let order = NewOrder {
                    client_order_id: ClientOrderId(self.orders),
                    price: Price(100),
                    qty: Qty(1),
                    market: MarketId(0),
                    side,
                    order_type: OrderType::Limit,
                    time_in_force: TimeInForce::GoodTillCancel,
                    ..NewOrder::PLAIN
                };
                self.exchange.order(session, order);
            }
        }
        self.tell();
    }

    /// A client that is subscribed to the trades that come.
    fn subscribe(&self) -> WebSocket<TcpStream> {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let url = format!("ws://{}/api/v1/ws", self.address);
        let (mut socket, _) = tungstenite::client(url, stream).unwrap();
        let ask = r#"{"type":"Subscribe","subscription":{"type":"Trades","market":"SOL/USDC"}}"#;
        socket.send(Message::text(ask)).unwrap();
        while text(&mut socket)["type"] != "MarketData" {}
        socket
    }
}

fn text(socket: &mut WebSocket<TcpStream>) -> Value {
    loop {
        if let Message::Text(text) = socket.read().unwrap() {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

/// The number of a trade that comes next; else why there is none any more, as the message and as the
/// connection's end say.
fn trade(socket: &mut WebSocket<TcpStream>) -> Result<u64, (String, String)> {
    let message = text(socket);
    if message["type"] == "MarketData" {
        return Ok(message["sequence"].as_str().unwrap().parse().unwrap());
    }
    let told = message["code"].as_str().unwrap().to_owned();
    loop {
        if let Message::Close(frame) = socket.read().unwrap() {
            return Err((told, frame.unwrap().reason.to_string()));
        }
    }
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// Whether the gateway has closed its end of a client's connection: what the client has not read may still be
/// on its way.
fn is_closed(socket: &WebSocket<TcpStream>) -> bool {
    let port = |address: SocketAddr| format!(":{:04X}", address.port());
    let (client, gateway) = (
        socket.get_ref().local_addr().unwrap(),
        socket.get_ref().peer_addr().unwrap(),
    );
    let (client, gateway) = (port(client), port(gateway));
    let connections = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let mut ends = connections.lines().map(|line| line.split_whitespace());
    let established = |mut end: std::str::SplitWhitespace<'_>| {
        let mut next = || end.next().unwrap_or_default().to_owned();
        let (_, local, remote, state) = (next(), next(), next(), next());
        local.ends_with(&gateway) && remote.ends_with(&client) && state == "01"
    };
    !ends.any(established)
}

/// Runs a test of this file in a process of its own, in which no other test's memory is counted. Whether this is that
/// process.
fn is_alone(test: &str) -> bool {
    const ALONE: &str = "GATEWAY_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let name = format!("tests::slow_consumer::{test}");
    let ran = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--test-threads=1"])
        .env(ALONE, "yes")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    false
}

#[test]
fn whoever_does_not_read_is_told_and_disconnected_and_costs_nobody_else() {
    if !is_alone("whoever_does_not_read_is_told_and_disconnected_and_costs_nobody_else") {
        return;
    }
    let mut market = Market::open();
    let mut reader = market.subscribe();
    let mut late: Vec<_> = (0..8).map(|_| market.subscribe()).collect();
    let never = market.subscribe();
    let mut expected = 1;
    let mut first_round = 0;
    for round in 0..ROUNDS {
        market.trade(ROUND);
        // The memory is to be the subscribers', and nobody asks for the history.
        market.behind.clear();
        // A reader misses nothing, however many others do not read.
        for _ in 0..ROUND {
            assert_eq!(trade(&mut reader), Ok(expected));
            expected += 1;
        }
        if round == 0 {
            first_round = resident();
        }
    }
    let grown = resident().saturating_sub(first_round);
    assert!(grown < SLACK, "{grown} bytes more in memory");

    for socket in &mut late {
        let mut next = 1;
        let (told, closed) = loop {
            match trade(socket) {
                Ok(number) => assert_eq!(number, next, "what comes before the end has no hole"),
                Err(end) => break end,
            }
            next += 1;
            assert!(next < expected, "it was not given everything");
        };
        assert_eq!((&*told, &*closed), ("slow-consumer", "slow-consumer"));
    }
    let begin = Instant::now();
    while !is_closed(&never) {
        assert!(begin.elapsed() < LONG, "it is still connected");
        std::thread::sleep(Duration::from_millis(20));
    }
    market.trade(1);
    assert_eq!(trade(&mut reader), Ok(expected));
}

/// Its streams go on while another waits for a store that is behind; that one then begins without a hole.
#[test]
fn whoever_reads_is_not_too_slow_while_a_stream_waits_for_the_history() {
    let mut market = Market::open();
    let mut reader = market.subscribe();
    market.trade(1);
    assert_eq!(trade(&mut reader), Ok(1));
    let again = r#"{"type":"Subscribe","subscription":{"type":"Trades","market":"SOL/USDC"}}"#;
    reader.send(Message::text(again)).unwrap();
    let mut expected = 2;
    for _ in 0..3 {
        market.trade(ROUND);
        for _ in 0..ROUND {
            assert_eq!(trade(&mut reader), Ok(expected));
            expected += 1;
        }
    }
    market.project();
    let begun = text(&mut reader);
    assert_eq!(begun["type"], "Subscribed", "{begun}");
    assert_eq!(begun["sequence"], (expected - 1).to_string());
    assert_eq!(trade(&mut reader), Ok(expected - 1), "the snapshot");
    market.trade(1);
    assert_eq!(trade(&mut reader), Ok(expected));
}
