//! The clients: one thread, a task each, that reads what comes and notes how old it is.

use anyhow::{Context as _, Result, ensure};
use bench::load::flights;
use futures_util::{SinkExt as _, StreamExt as _};
use hdrhistogram::Histogram;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::Duration;
use tile::Clock;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::Second;

const SECOND: u64 = 1_000_000_000;
/// Clients that shake hands at once: the gateway's queue of new connections is not what is measured.
const AT_ONCE: usize = 64;
/// For a client to get in.
const PATIENCE: Duration = Duration::from_secs(30);
const SUBSCRIBE: &str =
    r#"{"type":"Subscribe","subscription":{"type":"Trades","market":"SOL/USDC"}}"#;

/// What all clients heard.
pub(super) struct Heard {
    /// Ages of messages on receipt, by the second of their stamp.
    pub(super) seconds: Vec<Second>,
    /// Of each message: how old it was when the last client had it.
    pub(super) last: Histogram<u64>,
    /// Bytes of a message.
    pub(super) bytes: usize,
    /// Clients whose connection ended.
    pub(super) lost: u64,
    /// Messages without a stamp, after those by which a stream begins.
    pub(super) others: u64,
    /// Messages that came before their stamp: the clocks of two processes do not agree.
    pub(super) early: u64,
}

/// Kept by all tasks together.
#[derive(Default)]
struct Notes {
    /// By stamp: ages, in nanoseconds.
    messages: BTreeMap<u64, Histogram<u64>>,
    bytes: usize,
    lost: u64,
    others: u64,
    early: u64,
}

/// Clients that are connected and wait to be told to listen.
pub(super) struct Crowd {
    start: oneshot::Sender<()>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<Heard>>,
}

/// Clients that listen.
pub(super) struct Listening {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<Heard>>,
}

impl Crowd {
    /// Connects and subscribes so many.
    pub(super) fn connect(gateway: SocketAddr, count: usize, cpu: Option<usize>) -> Result<Self> {
        let (start, started) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let run = move || {
            if let Some(cpu) = cpu {
                tile::pin(cpu)?;
            }
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(LocalSet::new().run_until(async {
                let mut sockets = Vec::new();
                while sockets.len() < count {
                    let more = AT_ONCE.min(count - sockets.len());
                    let entering: Vec<_> = (0..more).map(|_| spawn_local(enter(gateway))).collect();
                    for entering in entering {
                        let socket = timeout(PATIENCE, entering)
                            .await
                            .context("a client waits for ever")??;
                        sockets
                            .push(socket.with_context(|| format!("client {}", sockets.len() + 1))?);
                    }
                }
                // Whoever waits may be gone after an error of its own.
                ready.send(()).ok();
                listen(sockets, started, stopped).await
            }))
        };
        let thread = std::thread::Builder::new()
            .name("clients".into())
            .spawn(run)?;
        let crowd = Self {
            start,
            stop,
            thread,
        };
        if is_ready.recv().is_err() {
            let ended = crowd
                .thread
                .join()
                .map_err(|_| anyhow::anyhow!("the clients panicked"))?;
            ended.context("the clients did not all get in")?;
            anyhow::bail!("the clients ended before they listened");
        }
        Ok(crowd)
    }

    pub(super) fn listen(self) -> Listening {
        // A thread that has ended says why when it is joined.
        self.start.send(()).ok();
        Listening {
            stop: self.stop,
            thread: self.thread,
        }
    }
}

impl Listening {
    /// Ends it; gives what was heard.
    pub(super) fn stop(self) -> Result<Heard> {
        self.stop.send(()).ok();
        self.thread
            .join()
            .map_err(|_| anyhow::anyhow!("the clients panicked"))?
    }
}

/// One client that is in: subscribed, and told so.
async fn enter(gateway: SocketAddr) -> Result<WebSocketStream<TcpStream>> {
    let stream = TcpStream::connect(gateway).await.context("connect")?;
    let (mut socket, _) = client_async(format!("ws://{gateway}/ws"), stream)
        .await
        .context("upgrade")?;
    socket.send(Message::text(SUBSCRIBE)).await?;
    loop {
        let message = socket.next().await.context("the connection ended")??;
        // The snapshot is the last word before what is new.
        if message.is_text() && message.to_text()?.contains("TradesSnapshot") {
            return Ok(socket);
        }
    }
}

async fn listen(
    sockets: Vec<WebSocketStream<TcpStream>>,
    started: oneshot::Receiver<()>,
    stopped: oneshot::Receiver<()>,
) -> Result<Heard> {
    let notes = Rc::new(RefCell::new(Notes::default()));
    started.await.context("nobody wants them to listen")?;
    for socket in sockets {
        spawn_local(follow(socket, Rc::clone(&notes)));
    }
    // Ended by a drop as well: an error of whoever started it.
    let _dropped = stopped.await;
    let notes = std::mem::take(&mut *notes.borrow_mut());
    heard(notes)
}

/// Reads until the connection ends. Also used for the floor, whose socket shook no hands.
pub(super) async fn follow(mut socket: WebSocketStream<TcpStream>, notes: Rc<RefCell<impl Note>>) {
    while let Some(Ok(message)) = socket.next().await {
        let now = Clock::now();
        if let Message::Text(text) = message {
            notes.borrow_mut().note(&text, now);
        }
    }
    notes.borrow_mut().lose();
}

/// Takes note of what came.
pub(super) trait Note: 'static {
    fn note(&mut self, text: &str, now: u64);
    fn lose(&mut self);
}

impl Note for Notes {
    fn note(&mut self, text: &str, now: u64) {
        let Some(stamp) = stamp(text) else {
            self.others += 1;
            return;
        };
        self.bytes = text.len();
        self.early += u64::from(now < stamp);
        let ages = self.messages.entry(stamp);
        let ages = ages.or_insert_with(|| flights::empty().expect("constant bounds"));
        ages.saturating_record(now.saturating_sub(stamp));
    }

    fn lose(&mut self) {
        self.lost += 1;
    }
}

/// The engine's time in a message of a trade; the floor's messages have one in the same place.
fn stamp(text: &str) -> Option<u64> {
    let (_, after) = text.split_once("\"timestamp\":\"")?;
    let (digits, _) = after.split_once('"')?;
    digits.parse().ok()
}

fn heard(notes: Notes) -> Result<Heard> {
    let first = notes.messages.keys().next().copied().unwrap_or(0);
    let mut last = flights::empty()?;
    let mut seconds: Vec<Second> = Vec::new();
    for (stamp, ages) in &notes.messages {
        last.saturating_record(ages.max());
        let second = (stamp - first) / SECOND;
        if seconds.last().is_none_or(|(known, _)| *known != second) {
            seconds.push((second, flights::empty()?));
        }
        if let Some((_, sum)) = seconds.last_mut() {
            sum.add(ages)?;
        }
    }
    Ok(Heard {
        seconds,
        last,
        bytes: notes.bytes,
        lost: notes.lost,
        others: notes.others,
        early: notes.early,
    })
}

/// Clients of the floor: the ends of plain connections, as if they had shaken hands.
pub(super) async fn follow_plain(
    streams: Vec<TcpStream>,
    stopped: oneshot::Receiver<()>,
) -> Result<Heard> {
    let notes = Rc::new(RefCell::new(Notes::default()));
    for stream in streams {
        let role = tokio_tungstenite::tungstenite::protocol::Role::Client;
        let socket = WebSocketStream::from_raw_socket(stream, role, None).await;
        spawn_local(follow(socket, Rc::clone(&notes)));
    }
    let _dropped = stopped.await;
    let notes = std::mem::take(&mut *notes.borrow_mut());
    heard(notes)
}

/// Clients that subscribe to what is said most often and then never read, with buffers as small as they get.
pub(super) fn stall(gateway: SocketAddr, count: usize) -> Result<Vec<std::net::TcpStream>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut stalled = Vec::new();
        for _ in 0..count {
            let socket = tokio::net::TcpSocket::new_v4()?;
            socket.set_recv_buffer_size(1)?;
            let stream = socket.connect(gateway).await?;
            let (mut socket, _) = client_async(format!("ws://{gateway}/ws"), stream).await?;
            socket.send(Message::text(SUBSCRIBE)).await?;
            let stream = socket.into_inner().into_std()?;
            stalled.push(stream);
        }
        ensure!(stalled.len() == count, "all of them");
        Ok(stalled)
    })
}

/// How many of them the gateway has ended: what is left to read ends.
pub(super) fn count_dropped(stalled: Vec<std::net::TcpStream>) -> usize {
    let ended = |mut stream: std::net::TcpStream| {
        let mut buffer = [0; 4_096];
        let is_set = stream
            .set_nonblocking(false)
            .and_then(|()| stream.set_read_timeout(Some(Duration::from_millis(50))));
        if is_set.is_err() {
            return false;
        }
        loop {
            match std::io::Read::read(&mut stream, &mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => {
                    return !matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    );
                }
            }
        }
    };
    stalled
        .into_iter()
        .map(ended)
        .filter(|ended| *ended)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stamp_of_a_trade_is_found() {
        let text = r#"{"data":{"trade":{"quantity":"1","timestamp":"1795657819199831238","trade_id":"4"}}}"#;
        assert_eq!(stamp(text), Some(1_795_657_819_199_831_238));
        assert_eq!(stamp(r#"{"type":"Pong"}"#), None);
    }

    #[test]
    fn the_last_client_of_each_message_counts_and_seconds_are_told_apart() {
        let mut notes = Notes::default();
        let text = |stamp: u64| format!("{{\"timestamp\":\"{stamp}\"}}");
        for (stamp, age) in [(SECOND, 5_000), (SECOND, 9_000), (3 * SECOND, 7_000)] {
            notes.note(&text(stamp), stamp + age);
        }
        notes.note("{}", 1);
        notes.lose();
        notes.note(&text(5 * SECOND), 5 * SECOND - 1);
        let heard = heard(notes).expect("constant bounds");
        let counts: Vec<(u64, u64)> = heard
            .seconds
            .iter()
            .map(|(second, h)| (*second, h.len()))
            .collect();
        assert_eq!(counts, [(0, 2), (2, 1), (4, 1)]);
        assert_eq!((heard.last.len(), heard.lost, heard.others), (3, 1, 1));
        assert_eq!((heard.early, heard.last.min()), (1, 0));
        assert!(heard.last.max().abs_diff(9_000) < 20);
    }
}
