//! The feed against the journal: a subscriber's books, and what a foreign dissector makes of the packets.

use anyhow::{Context as _, Result, bail, ensure};
use bench::instance::{Instance, Plan, Role};
use bench::leftovers::Process;
use bench::load::inside::Moment;
use bench::programs;
use bench::subscriber::Subscriber;
use bench::swarm::Swarm;
use client::feed::Books;
use domain::{Effects, SessionId, Side, Stamp};
use engine::Engine;
use journal::ArchiveReader;
use rustix::process::Signal;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Stdio};
use std::time::Duration;
use topology::instruments::{out, tile_kind};

const READY: Duration = Duration::from_secs(60);
const SESSIONS: u32 = 4;
const ORDERS: usize = 20_000;

/// What came of a comparison of the feed with the journal.
#[derive(Debug)]
pub(crate) enum Followed {
    /// The subscriber's books are those of the journal.
    Same(String),
    /// The subscriber lost messages, so it has no books.
    Lost(String),
}

impl Followed {
    /// What was found, where nothing may be lost.
    pub(crate) fn whole(self) -> Result<String> {
        match self {
            Self::Same(said) => Ok(said),
            Self::Lost(said) => bail!("{said}"),
        }
    }

    /// What was found.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Same(said) | Self::Lost(said) => said,
        }
    }
}

/// Stops listening, and holds the subscriber's books against those of an engine that replays the
/// archive. The instance must have been stopped, so that both have everything.
pub(crate) fn compare(instance: &Instance, subscriber: Subscriber) -> Result<Followed> {
    let (heard, books) = subscriber.stop()?;
    ensure!(heard.wrong == 0, "the feed contradicts itself: {heard:?}");
    let Some(books) = books else {
        return Ok(Followed::Lost(format!(
            "{} messages, {} lost by the subscriber: its books cannot be compared",
            heard.messages, heard.lost
        )));
    };
    let engine = replay(&instance.config.archive_dir())?;
    same_books(&engine, &books)?;
    Ok(Followed::Same(format!(
        "{} messages; {} resting orders as in the replay, at feed number {}",
        heard.messages,
        books.len(),
        books.number()
    )))
}

fn replay(archive: &Path) -> Result<Engine> {
    let mut reader = ArchiveReader::open(archive, 0)?;
    let (mut engine, mut effects) = (Engine::new(), Effects::new());
    while let Some(frame) = reader.next_frame()? {
        let stamp = Stamp {
            seq: frame.header.seq,
            time: frame.header.engine_time,
        };
        engine.apply(stamp, &frame.request(), &mut effects);
    }
    Ok(engine)
}

fn same_books(engine: &Engine, books: &Books) -> Result<()> {
    ensure!(
        books.number() + 1 == engine.next_feed_no(),
        "the feed ended with {}, the journal with {}",
        books.number(),
        engine.next_feed_no() - 1
    );
    ensure!(books.phase() == engine.phase(), "another phase");
    let markets: Vec<_> = engine.market_ids().collect();
    ensure!(
        books
            .markets()
            .map(|(market, _)| market)
            .eq(markets.iter().copied())
    );
    for (market, book) in books.markets() {
        for side in [Side::Buy, Side::Sell] {
            let ours: Vec<_> = book.orders(side).collect();
            let theirs = engine.book(market, side);
            let theirs: Vec<_> = theirs.map(|o| (o.price, o.order_id, o.leaves)).collect();
            ensure!(
                ours == theirs,
                "market {} {side:?}: the feed gives {} orders, the replay {}, and they differ",
                market.0,
                ours.len(),
                theirs.len()
            );
        }
    }
    Ok(())
}

/// Captures the whole life of an instance's feed and counts what tshark finds in it.
#[expect(clippy::print_stdout, reason = "a check says what it saw")]
pub(crate) fn run() -> Result<()> {
    programs::build()?;
    let mut instance = Instance::create(&Plan {
        name: "feed",
        sessions: SESSIONS,
        idle: "spin-then-yield",
        ack: "sequenced",
        journal_mib: 16,
        checkpoint_interval: 1_000,
        gateway: false,
        feed: true,
        snapshot_frames: 1_000_000,
    })?;
    let feed = instance.feed.context("the plan has a feed")?;
    let subscriber = Subscriber::start(feed)?;
    let folder = instance.folder();
    let capture = Capture::start(folder.join("feed.pcapng"), "dst port", feed.port())?;
    let of_orders = Capture::start(folder.join("orders.pcapng"), "port", instance.port.port())?;
    for role in Role::BOTH {
        instance.start(role)?;
    }
    instance.wait_ready(READY)?;
    load(&instance)?;
    instance.stop()?;
    let packets = capture.finish()?;
    let orders = of_orders.dissect()?;
    let counted = published(&instance)?;
    let seen = tally(&packets)?;
    ensure!(
        seen == counted,
        "tshark found {seen:?}, the exchange sent {counted:?}"
    );
    println!("    tshark: {seen:?}, every packet MoldUDP64, none malformed, no hole");
    println!("    orders and reports: {orders}");
    println!("    books: {}", compare(&instance, subscriber)?.whole()?);
    Ok(())
}

/// Orders that rest, trade and are cancelled, then a little more than a second of silence.
fn load(instance: &Instance) -> Result<()> {
    let secrets = (1..=SESSIONS).map(|id| instance.session_secret(SessionId(id)));
    let mut swarm = Swarm::new(instance.port, secrets.collect::<Result<_>>()?)?;
    swarm.establish(Duration::from_secs(30))?;
    for sent in 0..ORDERS {
        let place = sent % swarm.sessions();
        let price = 10_000 + i64::try_from(sent % 7)?;
        match sent % 5 {
            0 => swarm.cancel(place, 2)?,
            _ => swarm.order(place, u8::from(sent % 3 == 0), price, 3)?,
        }
        if sent.is_multiple_of(32) {
            swarm.receive()?;
            std::thread::sleep(Duration::from_micros(300));
        }
    }
    std::thread::sleep(Duration::from_millis(2_500));
    swarm.receive()?;
    ensure!(swarm.tally.fills > 0 && swarm.tally.canceled > 0);
    Ok(())
}

/// What was sent, or found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    packets: u64,
    messages: u64,
    heartbeats: u64,
    ends: u64,
}

/// As the out tile counted.
fn published(instance: &Instance) -> Result<Tally> {
    let now = Moment::read(&instance.fast()?);
    let of = |counter| now.find(tile_kind::OUT, counter).context("out");
    Ok(Tally {
        packets: of(out::feed_packets)?,
        messages: of(out::feed_messages)?,
        heartbeats: of(out::feed_heartbeats)?,
        ends: 3,
    })
}

/// Counts what tshark says of each packet, and follows the sequence.
fn tally(packets: &[Dissected]) -> Result<Tally> {
    let (mut tally, mut next) = (Tally::default(), 1);
    for packet in packets {
        ensure!(
            packet.protocol == "MoldUDP64" && !packet.malformed,
            "packet {} of the capture: {packet:?}",
            tally.packets + 1
        );
        ensure!(packet.session == "0000000001", "{packet:?}");
        ensure!(packet.sequence == next, "{packet:?}, {next} must come");
        tally.packets += 1;
        match packet.count {
            0 => tally.heartbeats += 1,
            0xFFFF => tally.ends += 1,
            count => {
                ensure!(packet.blocks == count, "{packet:?}");
                tally.messages += count;
                next += count;
            }
        }
    }
    Ok(tally)
}

/// A packet as tshark takes it apart.
#[derive(Debug)]
struct Dissected {
    protocol: String,
    session: String,
    sequence: u64,
    count: u64,
    /// Message blocks found.
    blocks: u64,
    malformed: bool,
}

impl Dissected {
    const FIELDS: [&str; 6] = [
        "_ws.col.Protocol",
        "moldudp64.session",
        "moldudp64.sequence",
        "moldudp64.count",
        "moldudp64.msglen",
        "_ws.malformed",
    ];

    fn parse(line: &str) -> Result<Self> {
        let fields: Vec<&str> = line.split('\t').collect();
        let [protocol, session, sequence, count, lengths, malformed] = fields[..] else {
            bail!("tshark said {line:?}");
        };
        Ok(Self {
            protocol: protocol.to_owned(),
            session: session.to_owned(),
            sequence: sequence.parse().with_context(|| line.to_owned())?,
            count: count.parse().with_context(|| line.to_owned())?,
            blocks: lengths.split(',').filter(|l| !l.is_empty()).count() as u64,
            malformed: !malformed.is_empty(),
        })
    }
}

/// What the dissector found in a capture, as its test tells it.
#[derive(Debug, Deserialize)]
struct Told {
    protocols: BTreeMap<String, u64>,
    messages: BTreeMap<String, u64>,
    broken: u64,
}

/// dumpcap on loopback.
struct Capture {
    file: PathBuf,
    port: u16,
    dumpcap: Process,
    /// What it says.
    said: BufReader<ChildStderr>,
}

impl Capture {
    /// Of UDP, by a word on whose port it is.
    fn start(file: PathBuf, whose: &str, port: u16) -> Result<Self> {
        let dumpcap = Process::start(
            Command::new("dumpcap")
                .args(["-q", "-i", "lo", "-B", "64"])
                .args(["-f", &format!("udp {whose} {port}")])
                .arg("-w")
                .arg(&file)
                .stderr(Stdio::piped())
                .stdout(Stdio::null()),
        )
        .context("it comes with tshark")?;
        let stderr = dumpcap.with(|child| child.stderr.take());
        let mut said = BufReader::new(stderr.context("it is piped")?);
        // It names its file when it captures.
        let mut begin = String::new();
        while !begin.contains("File:") {
            if said.read_line(&mut begin)? == 0 {
                bail!("dumpcap ended: {begin}");
            }
        }
        Ok(Self {
            file,
            port,
            dumpcap,
            said,
        })
    }

    /// Stops when the file no longer grows. What dumpcap said.
    fn stop(&mut self) -> Result<String> {
        let size = || std::fs::metadata(&self.file).map(|file| file.len());
        let mut last = 0;
        while size()? != last {
            last = size()?;
            std::thread::sleep(Duration::from_secs(2));
        }
        self.dumpcap.signal(Signal::INT)?;
        let mut said = String::new();
        self.said.read_to_string(&mut said)?;
        self.dumpcap.wait()?;
        Ok(said)
    }

    /// What our dissector makes of what the port sent and received: all of it, and nothing wrong.
    fn dissect(mut self) -> Result<String> {
        self.stop()?;
        let out = Command::new("python3")
            .arg(programs::workspace_root()?.join("fastpath/wire/tests/dissector_test.py"))
            .arg("--tell")
            .arg(&self.file)
            .output()
            .context("start python3")?;
        let errors = String::from_utf8_lossy(&out.stderr);
        ensure!(out.status.success(), "the dissector: {errors}");
        let told: Told = serde_json::from_slice(&out.stdout)?;
        let of = |name| told.messages.get(name).copied().unwrap_or(0);
        // The feed leaves by the same port.
        ensure!(
            told.broken == 0 && told.protocols.keys().eq(["Sluice", "Sluice feed"]),
            "not all is ours: {told:?}"
        );
        // Some may have been sent again.
        let asked = of("NewOrder") + of("CancelOrder");
        let answered = of("OrderAccepted") + of("OrderRejected") + of("OrderCanceled");
        ensure!(
            asked >= ORDERS as u64 && answered >= ORDERS as u64,
            "{asked} requests and {answered} answers: {told:?}"
        );
        Ok(format!(
            "{} packets, {:?}",
            told.protocols["Sluice"], told.messages
        ))
    }

    /// Stops, and takes the feed's packets apart.
    fn finish(mut self) -> Result<Vec<Dissected>> {
        let said = self.stop()?;
        let out = Command::new("tshark")
            .args(["-n", "-d", &format!("udp.port=={},moldudp64", self.port)])
            .args(["-T", "fields"])
            .args(Dissected::FIELDS.iter().flat_map(|field| ["-e", field]))
            .arg("-r")
            .arg(&self.file)
            .output()
            .context("start tshark")?;
        let errors = String::from_utf8_lossy(&out.stderr);
        ensure!(out.status.success(), "tshark: {errors}; {said}");
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        text.lines().map(Dissected::parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_without_books_has_shown_nothing() {
        let said = || "7 messages".to_owned();
        assert_eq!(Followed::Same(said()).whole().expect("books"), said());
        let lost = Followed::Lost(said());
        assert_eq!(lost.text(), said());
        assert!(lost.whole().is_err());
    }
}
