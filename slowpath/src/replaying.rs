//! The thread that tells again what was told: its sockets, how far the others are, what the operator is told.
//!
//! It reads and counts, and nobody waits for it: whatever happens here, archiver and shadow engine go on.

use crate::console::{now as utc, say};
use crate::counters::{
    ARCHIVE_TROUBLES, FEED_REPEATED, FEED_REQUESTS, FEED_REQUESTS_MALFORMED,
    FEED_REQUESTS_THROTTLED, FEED_REQUESTS_UNKNOWN, REPLAY_OUTCOMES, REPLAY_REFUSED,
    REPLAY_REPORTS, REPLAY_REQUESTS, REPLAY_SEQ, REPLAY_THROTTLED, REPLAY_TROUBLES, REPLAY_UNKNOWN,
};
use crate::session_keys::SessionKeys;
use crate::signals::Signals;
use crate::trouble::Trouble;
use anyhow::Result;
use archive::frames_of;
use domain::Seq;
use journal::{Directory, FrameBuffer, MemoryRead};
use nic::sockets::{self, SocketsConfig, SocketsRx, SocketsTx};
use replay::{FeedRequests, History, Progress, ReportRequests, Sources, Unreadable, Work};
use shm::{Counter, FastView, LogReader, Memory, SlowView, SlowWriter};
use std::io;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use topology::{Ack, Config};
use wire::auth::HostSecret;

/// Sleep of a thread that has nothing to do.
const IDLE: Duration = Duration::from_millis(1);
/// Wait before an address that could not be had is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// What is indexed in a turn, and what is read for answers.
const INDEXED: Work = Work {
    frames: 4096,
    bytes: 1 << 20,
};
const ANSWERED: Work = Work {
    frames: 4096,
    bytes: 2 << 20,
};
/// Datagrams that a port takes at a time.
const BURST: usize = 64;
/// Bytes that are asked for in the kernel: what one asker may have at once, of many.
const BUFFER: usize = 4 << 20;

/// Reads frames of journal memory.
type ReadMemory = Box<dyn FnMut(Seq, &mut FrameBuffer) -> MemoryRead + Send>;

/// Journal memory and the archive's folder.
struct Files {
    folder: PathBuf,
    memory: ReadMemory,
}

impl Sources for Files {
    type Archive = Directory;

    fn open_archive(&mut self) -> io::Result<Directory> {
        Directory::open(&self.folder)
    }

    fn memory(&mut self, seq: Seq, into: &mut FrameBuffer) -> MemoryRead {
        (self.memory)(seq, into)
    }
}

/// How far the others are.
struct Others {
    journal: LogReader,
    fast: FastView,
    slow: SlowView,
    durable_only: bool,
}

impl Others {
    /// What `out` has handed to its port, as far as that can be; the archive, once the archiver has opened it.
    fn progress(&self, signals: &Signals) -> Progress {
        let durable = if signals.is_archive_open() {
            self.slow.durable_seq()
        } else {
            0
        };
        let told = self.fast.out_seq().min(self.journal.head());
        Progress {
            told: Seq(if self.durable_only {
                told.min(self.slow.durable_seq())
            } else {
                told
            }),
            durable: Seq(durable),
        }
    }

    /// How often the archiver has opened the archive anew: what was read ahead then may be there no more.
    fn reopened(&self) -> u64 {
        self.slow.counter(ARCHIVE_TROUBLES.begun).unwrap_or(0)
    }
}

/// Datagrams in and out at the address that a key names.
fn open_port(bind: SocketAddrV4, key: &str) -> Result<(SocketsRx, SocketsTx), Failure> {
    let port = sockets::open(SocketsConfig {
        bind,
        burst: BURST,
        recv_buffer: BUFFER,
        send_buffer: BUFFER,
        busy_poll_us: None,
        multicast: None,
    });
    port.map_err(|error| Failure::Port(format!("{error}, in {key}")))
}

/// The counts of a port in the region.
struct Tally<const N: usize> {
    counters: [Counter; N],
    /// What of the port's counts is there.
    counted: [u64; N],
}

impl<const N: usize> Tally<N> {
    fn new(numbers: [usize; N], slow: &SlowWriter) -> Self {
        Self {
            counters: numbers.map(|number| slow.counter(number)),
            counted: [0; N],
        }
    }

    fn follow(&mut self, now: [u64; N]) {
        let both = now.into_iter().zip(self.counted);
        for (counter, (now, before)) in self.counters.iter().zip(both) {
            counter.add(now - before);
        }
        self.counted = now;
    }
}

/// The feed's requests.
struct Feed {
    bind: SocketAddrV4,
    rate: u32,
    port: Option<FeedRequests<SocketsRx, SocketsTx>>,
    tally: Tally<5>,
}

impl Feed {
    fn new(bind: SocketAddrV4, rate: u32, slow: &SlowWriter) -> Self {
        let numbers = [
            FEED_REQUESTS,
            FEED_REQUESTS_MALFORMED,
            FEED_REQUESTS_UNKNOWN,
            FEED_REQUESTS_THROTTLED,
            FEED_REPEATED,
        ];
        Self {
            bind,
            rate,
            port: None,
            tally: Tally::new(numbers, slow),
        }
    }

    fn open(&mut self) -> Result<(), Failure> {
        if self.port.is_none() {
            let (rx, tx) = open_port(self.bind, "feed.requests")?;
            self.port = Some(FeedRequests::new(rx, tx, self.rate));
            say(format_args!("requests of the feed: udp://{}", self.bind));
        }
        Ok(())
    }

    fn step(&mut self, now: Duration, history: &mut History<Files>) -> Result<usize, Unreadable> {
        let Some(port) = &mut self.port else {
            return Ok(0);
        };
        let answered = port.step(now, history, &mut ANSWERED.clone());
        let counts = port.counts();
        self.tally.follow([
            counts.requests,
            counts.malformed,
            counts.unknown,
            counts.throttled,
            counts.messages,
        ]);
        answered
    }
}

/// The replay port.
struct Reports {
    bind: SocketAddrV4,
    rate: u32,
    secret: PathBuf,
    fast: FastView,
    port: Option<ReportRequests<SocketsRx, SocketsTx, SessionKeys>>,
    tally: Tally<6>,
}

impl Reports {
    fn new(bind: SocketAddrV4, config: &Config, fast: FastView, slow: &SlowWriter) -> Self {
        let numbers = [
            REPLAY_REQUESTS,
            REPLAY_REFUSED,
            REPLAY_UNKNOWN,
            REPLAY_THROTTLED,
            REPLAY_REPORTS,
            REPLAY_OUTCOMES,
        ];
        Self {
            bind,
            rate: config.slowpath.replay_rate,
            secret: config.secret_file(),
            fast,
            port: None,
            tally: Tally::new(numbers, slow),
        }
    }

    fn open(&mut self) -> Result<(), Failure> {
        if self.port.is_none() {
            let secret = topology::secret::load_or_create(&self.secret);
            let secret = secret.map_err(|error| Failure::Port(error.to_string()))?;
            let keys = SessionKeys::new(HostSecret::from_bytes(secret), self.fast.clone());
            let (rx, tx) = open_port(self.bind, "slowpath.replay")?;
            self.port = Some(ReportRequests::new(rx, tx, keys, self.rate));
            say(format_args!("replay: udp://{}", self.bind));
        }
        Ok(())
    }

    fn step(&mut self, now: Duration, history: &mut History<Files>) -> Result<usize, Unreadable> {
        let Some(port) = &mut self.port else {
            return Ok(0);
        };
        port.keys_mut().begin_turn();
        let answered = port.step(now, utc(), history, &mut ANSWERED.clone());
        let counts = port.counts();
        self.tally.follow([
            counts.requests,
            counts.refused,
            counts.unknown,
            counts.throttled,
            counts.reports,
            counts.outcomes,
        ]);
        answered
    }
}

/// What the thread works with.
pub struct Replaying {
    others: Others,
    history: History<Files>,
    feed: Option<Feed>,
    reports: Option<Reports>,
    indexed: Counter,
    trouble: Trouble,
}

impl Replaying {
    /// Makes what tells again, if anything is to be told again, of `journal` as far as `fast` and `slow` let it.
    ///
    /// # Errors
    /// If a region is none.
    pub fn new(
        config: &Config,
        journal: &Memory,
        fast: &Memory,
        slow: &SlowWriter,
    ) -> Result<Option<Self>> {
        let fast = FastView::new(fast.clone())?;
        let feed = config.feed.requests;
        let feed = feed.map(|bind| Feed::new(bind, config.feed.requests_rate, slow));
        let reports = config.slowpath.replay;
        let reports = reports.map(|bind| Reports::new(bind, config, fast.clone(), slow));
        if feed.is_none() && reports.is_none() {
            return Ok(None);
        }
        let files = Files {
            folder: config.archive_dir(),
            memory: Box::new(frames_of(LogReader::new(journal.clone(), 1)?)),
        };
        Ok(Some(Self {
            others: Others {
                journal: LogReader::new(journal.clone(), 1)?,
                fast,
                slow: slow.view().clone(),
                durable_only: config.instance.ack == Ack::Durable,
            },
            history: History::new(config.instance.shard, files),
            feed,
            reports,
            indexed: slow.counter(REPLAY_SEQ),
            trouble: Trouble::new(slow, REPLAY_TROUBLES, "told again is what is asked for"),
        }))
    }

    /// Answers until the process is to stop.
    pub fn run(mut self, signals: &Signals) {
        let start = Instant::now();
        let mut reopened = self.others.reopened();
        let mut open_at = start;
        let mut port_fails = false;
        self.indexed.set(0);
        while !signals.is_closing() {
            if Instant::now() >= open_at {
                open_at = Instant::now() + RETRY;
                port_fails = self.open();
            }
            // Before it is looked whether the archive was opened anew: what is durable by then, was durable before.
            let progress = self.others.progress(signals);
            let now_reopened = self.others.reopened();
            if now_reopened != reopened {
                reopened = now_reopened;
                self.history.forget_read_ahead();
            }
            let now = start.elapsed();
            let indexed = self.history.advance(now, progress, &mut INDEXED.clone());
            self.indexed.set(self.history.indexed().0);
            let done = match self.answer(now) {
                Ok(answered) => indexed + answered,
                Err(error) => {
                    self.cannot_read(&error.to_string());
                    continue;
                }
            };
            match self.history.trouble().map(ToString::to_string) {
                Some(error) => self.cannot_read(&error),
                None if port_fails => {}
                None => self.trouble.end(),
            }
            if done == 0 {
                std::thread::sleep(IDLE);
            }
        }
    }

    /// Opens what is not open yet; true, and said, if it cannot be had.
    fn open(&mut self) -> bool {
        let feed = self.feed.as_mut().map_or(Ok(()), Feed::open);
        let reports = self.reports.as_mut().map_or(Ok(()), Reports::open);
        let failed = feed.and(reports);
        if let Err(Failure::Port(error)) = &failed {
            let line = format_args!("nothing is told again, trying again: {error}");
            self.trouble.begin("the address is not to be had", line);
        }
        failed.is_err()
    }

    /// Answers at both ports as far as a turn goes.
    fn answer(&mut self, now: Duration) -> Result<usize, Unreadable> {
        let history = &mut self.history;
        let feed = self.feed.as_mut().map_or(Ok(0), |it| it.step(now, history));
        let reports = self.reports.as_mut();
        let reports = reports.map_or(Ok(0), |it| it.step(now, history));
        Ok(feed? + reports?)
    }

    fn cannot_read(&mut self, error: &str) {
        let line = format_args!("what left journal memory is not told again: {error}");
        self.trouble.begin("archive", line);
    }
}

/// Why a port is not open.
enum Failure {
    Port(String),
}
