//! The generator: one thread that sends by a schedule, never waits for an answer, and takes answers
//! in between.

use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;
use nic::sockets::{self, SocketsConfig, SocketsRx, SocketsTx};
use nic::{Peer, Receive as _, Transmit as _};
use std::net::{Ipv4Addr, SocketAddrV4};
use tile::Clock;

use super::flights::{self, Flights};
use super::host;
use super::schedule::Schedule;

/// Most requests that are sent before answers are looked at.
const SEND_BURST: usize = 8;
/// Most datagrams that one call takes.
pub const BURST: usize = 32;
/// Kernel buffers: they take a second of answers while the generator is held up.
const BUFFER_BYTES: usize = 4 << 20;
/// From the call to the first intended time.
const LEAD: u64 = 5_000_000;
/// Between two looks at what is due besides the schedule.
const UPKEEP: u64 = 200_000;
/// For the answers that are still on their way when the schedule has ended.
const PATIENCE: u64 = 2_000_000_000;

/// The generator's socket, and where it sends to.
pub struct Port {
    rx: SocketsRx,
    tx: SocketsTx,
    to: Peer,
    /// Datagrams that the kernel had no room for.
    pub not_sent: u64,
}

impl Port {
    /// A socket of any free port.
    ///
    /// # Errors
    /// If there is none.
    pub fn open(to: SocketAddrV4) -> Result<Self> {
        let any = if to.ip().is_loopback() {
            Ipv4Addr::LOCALHOST
        } else {
            Ipv4Addr::UNSPECIFIED
        };
        let (rx, tx) = sockets::open(sockets_config(SocketAddrV4::new(any, 0)))
            .context("open the generator's socket")?;
        Ok(Self {
            rx,
            tx,
            to: to.into(),
            not_sent: 0,
        })
    }

    /// Sends a datagram at once.
    pub fn send(&mut self, bytes: &[u8]) {
        if let Some(mut slot) = self.tx.reserve() {
            slot.payload()[..bytes.len()].copy_from_slice(bytes);
            slot.commit(bytes.len(), self.to);
            self.tx.flush();
        } else {
            self.not_sent += 1;
        }
    }

    /// Datagrams that the kernel dropped at this socket.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.rx.stats().no_buffer + self.tx.stats().tx_error + self.not_sent
    }

    fn receive(&mut self, each: &mut impl FnMut(&[u8])) -> usize {
        self.rx
            .receive(BURST, &mut |datagram| each(datagram.payload))
    }
}

/// The socket of the generator, and likewise that of the echo.
#[must_use]
pub fn sockets_config(bind: SocketAddrV4) -> SocketsConfig {
    SocketsConfig {
        bind,
        burst: BURST,
        recv_buffer: BUFFER_BYTES,
        send_buffer: BUFFER_BYTES,
        busy_poll_us: None,
        multicast: None,
    }
}

/// What is measured: it writes requests and knows their answers.
pub trait Subject {
    /// Sends `request`; false if it could not be taken.
    fn send(&mut self, request: usize, now: u64, port: &mut Port) -> bool;

    /// Takes a datagram in; tells `answered` which requests it is the first answer to.
    fn take(&mut self, bytes: &[u8], now: u64, answered: &mut dyn FnMut(usize));

    /// Sends what is due besides the schedule.
    fn upkeep(&mut self, now: u64, port: &mut Port) {
        let _ = (now, port);
    }

    /// Things that went wrong and must not in a run that counts, each with its count so far.
    fn faults(&self) -> Vec<(&'static str, u64)>;
}

/// What one segment gave.
pub struct Segment {
    /// Its requests.
    pub flights: Flights,
    /// What went wrong, by name.
    pub faults: Vec<(&'static str, u64)>,
    /// Nanoseconds between two turns of the generator: it was not running in the long ones.
    pub turns: Histogram<u64>,
    /// Times that the generator was taken off its CPU.
    pub preempted: u64,
}

/// Runs a schedule against a subject, in a thread of its own that keeps to `cpu`, if one is given: what the
/// caller starts besides must not inherit that.
///
/// # Errors
/// If there is no such CPU, or no thread.
pub fn run_on(
    cpu: Option<usize>,
    subject: &mut (impl Subject + Send),
    port: &mut Port,
    schedule: &Schedule,
) -> Result<Segment> {
    std::thread::scope(|scope| {
        let generate = || {
            if let Some(cpu) = cpu {
                tile::pin(cpu)?;
            }
            run(subject, port, schedule)
        };
        let thread = std::thread::Builder::new().name("generator".into());
        let thread = thread.spawn_scoped(scope, generate)?;
        thread
            .join()
            .map_err(|_| anyhow::anyhow!("the generator panicked"))?
    })
}

/// Runs a schedule against a subject.
///
/// # Errors
/// If a histogram cannot be made, which constant bounds exclude.
pub fn run(subject: &mut impl Subject, port: &mut Port, schedule: &Schedule) -> Result<Segment> {
    let faults_before = faults(subject, port);
    let preempted_before = host::preempted_here();
    let mut turns = flights::empty()?;
    let start = Clock::now() + LEAD;
    let mut flights = Flights::new(schedule, start);
    let mut next = 0;
    let mut last_turn = Clock::now();
    let mut next_upkeep = 0;
    let end = start + schedule.length() + PATIENCE;
    loop {
        let turn = Clock::now();
        turns.saturating_record(turn - last_turn);
        last_turn = turn;
        for _ in 0..SEND_BURST {
            let now = Clock::now();
            if flights.intended(next).is_none_or(|intended| intended > now) {
                break;
            }
            if subject.send(next, now, port) {
                flights.sent(next, now);
            }
            next += 1;
        }
        port.receive(&mut |bytes| {
            subject.take(bytes, Clock::now(), &mut |request| {
                flights.answered(request, Clock::now());
            });
        });
        if turn >= next_upkeep {
            next_upkeep = turn + UPKEEP;
            subject.upkeep(turn, port);
            let all_sent = next == schedule.planned();
            if all_sent && (flights.open() == 0 || turn > end) {
                break;
            }
        }
    }
    let after = faults(subject, port);
    let faults = after
        .into_iter()
        .zip(faults_before)
        .map(|((name, after), (_, before))| (name, after - before))
        .collect();
    Ok(Segment {
        flights,
        faults,
        turns,
        preempted: host::preempted_here().saturating_sub(preempted_before),
    })
}

fn faults(subject: &impl Subject, port: &Port) -> Vec<(&'static str, u64)> {
    let mut faults = subject.faults();
    faults.push(("datagrams dropped at the generator", port.dropped()));
    faults
}

/// Polls a subject outside any schedule until `done`, or until `limit` nanoseconds have passed;
/// false if they have.
pub fn settle<S: Subject>(
    subject: &mut S,
    port: &mut Port,
    limit: u64,
    mut done: impl FnMut(&mut S, &mut Port) -> bool,
) -> bool {
    let start = Clock::now();
    loop {
        let now = Clock::now();
        subject.upkeep(now, port);
        port.receive(&mut |bytes| subject.take(bytes, Clock::now(), &mut |_| {}));
        if done(subject, port) {
            return true;
        }
        if now - start > limit {
            return false;
        }
    }
}
