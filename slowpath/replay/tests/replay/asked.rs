//! Requests of the feed: what comes, what does not, and how much work that is.

use crate::exchange::{Exchange, Eyes, SHARD};
use domain::Seq;
use nic::inproc::{BURST, Faults, InprocRx, InprocTx, Network};
use nic::{Peer, Receive as _, Transmit as _};
use replay::{FeedRequests, History, Progress, Unreadable, Work};
use std::time::Duration;
use wire::market_data::{Content, Message, Packet, Request, SessionName};

pub(crate) const PLENTY: Work = Work {
    frames: 1 << 20,
    bytes: 1 << 30,
};
/// More packets a second than a test asks for.
pub(crate) const FAST: u32 = 1_000_000;

/// A server and whoever asks it, at addresses of their own.
struct Bench {
    server: FeedRequests<InprocRx, InprocTx>,
    network: Network,
    askers: Vec<(InprocRx, InprocTx)>,
    now: Duration,
}

fn address(last: u8) -> Peer {
    Peer {
        ip: [10, 0, 0, last],
        port: 1,
    }
}

impl Bench {
    fn new(askers: u8, packets_a_second: u32) -> Self {
        let network = Network::new(1, Faults::NONE);
        let (rx, tx) = network.open(address(0)).unwrap();
        let open = |last| network.open(address(last)).unwrap();
        Self {
            server: FeedRequests::new(rx, tx, packets_a_second),
            askers: (1..=askers).map(open).collect(),
            network,
            now: Duration::from_secs(1),
        }
    }

    fn send(&mut self, asker: usize, bytes: &[u8]) {
        let mut slot = self.askers[asker].1.reserve().unwrap();
        slot.payload()[..bytes.len()].copy_from_slice(bytes);
        slot.commit(bytes.len(), address(0));
        self.askers[asker].1.flush();
    }

    fn step(&mut self, history: &mut History<Eyes>, work: &mut Work) -> usize {
        self.server.step(self.now, history, work).unwrap()
    }

    /// The messages that came to an asker, with their numbers.
    fn heard(&mut self, asker: usize) -> Vec<(u64, Message)> {
        let mut heard = Vec::new();
        while self.askers[asker].0.receive(BURST, &mut |datagram| {
            let packet = Packet::parse(datagram.payload).unwrap();
            let Content::Messages(messages) = packet.content else {
                panic!("nobody asks for heartbeats")
            };
            heard.extend((packet.sequence..).zip(messages));
        }) > 0
        {}
        heard
    }

    /// Asks and gives what comes, at leisure.
    fn ask(&mut self, history: &mut History<Eyes>, request: Request) -> Vec<(u64, Message)> {
        self.send(0, &request.encode());
        let mut heard = Vec::new();
        loop {
            self.now += Duration::from_millis(1);
            let done = self.step(history, &mut PLENTY.clone());
            heard.extend(self.heard(0));
            if done == 0 {
                return heard;
            }
        }
    }
}

fn request(session: SessionName, first: u64, count: u16) -> Request {
    Request {
        session,
        first,
        count,
    }
}

/// Indexed to the end.
fn indexed(exchange: &Exchange) -> History<Eyes> {
    let mut history = exchange.history();
    let work = &mut PLENTY.clone();
    history.advance(Duration::ZERO, exchange.progress(), work);
    assert!(history.trouble().is_none(), "{:?}", history.trouble());
    history
}

/// What was told with these numbers.
fn told(exchange: &Exchange, first: u64, end: u64) -> Vec<(u64, Message)> {
    let messages = exchange.messages.iter().copied();
    let all = (1..).zip(messages);
    all.filter(|(number, _)| (first..end).contains(number))
        .collect()
}

/// Every number alone and in ranges, wherever the frames are.
fn everything_comes(exchange: &mut Exchange, history: &mut History<Eyes>) {
    let mut bench = Bench::new(1, FAST);
    let session = exchange.session();
    let end = exchange.messages.len() as u64 + 1;
    assert_eq!(history.next_feed(), Some(end));
    for _ in 0..200 {
        let first = exchange.random(end - 1) + 1;
        let count = u16::try_from(exchange.random(400) + 1).unwrap();
        let heard = bench.ask(history, request(session, first, count));
        let to = end.min(first + u64::from(count));
        assert!(
            heard == told(exchange, first, to),
            "{count} from {first}, but came {} from {:?}",
            heard.len(),
            heard.first()
        );
    }
    for first in [1, end - 1] {
        let heard = bench.ask(history, request(session, first, 1));
        assert_eq!(heard, told(exchange, first, first + 1));
    }
}

#[test]
fn what_is_asked_for_comes_from_memory_and_from_the_archive() {
    let mut exchange = Exchange::new();
    exchange.trade(2000);
    exchange.refuse(1500);
    exchange.trade(2000);
    // Nothing is archived.
    let mut history = indexed(&exchange);
    everything_comes(&mut exchange, &mut history);
    // A part is, and memory has the rest.
    exchange.archive(700);
    exchange.trade(1000);
    exchange.lap(4000);
    let progress = exchange.progress();
    history.advance(Duration::ZERO, progress, &mut PLENTY.clone());
    everything_comes(&mut exchange, &mut history);
    let mut started_again = indexed(&exchange);
    everything_comes(&mut exchange, &mut started_again);
    // Memory has nothing: all is in the archive.
    exchange.archive(700);
    exchange.lap(exchange.head() + 1);
    let progress = exchange.progress();
    history.advance(Duration::ZERO, progress, &mut PLENTY.clone());
    everything_comes(&mut exchange, &mut history);
    let mut started_again = indexed(&exchange);
    everything_comes(&mut exchange, &mut started_again);
}

#[test]
fn before_the_archive_is_indexed_what_memory_has_comes_already() {
    let mut exchange = Exchange::new();
    exchange.trade(3000);
    exchange.archive(500);
    let last = exchange.messages.len() as u64;
    exchange.lap(2500);
    let mut history = exchange.history();
    let mut bench = Bench::new(1, FAST);
    // So much that what memory has is indexed, and little more.
    let mut work = Work {
        frames: 700,
        ..PLENTY
    };
    history.advance(Duration::ZERO, exchange.progress(), &mut work);
    assert!(history.indexed() < Seq(200));
    let session = exchange.session();
    let heard = bench.ask(&mut history, request(session, last, 1));
    assert_eq!(heard, told(&exchange, last, last + 1));
    let middle = last / 2;
    assert_eq!(bench.ask(&mut history, request(session, middle, 1)), []);
    assert_eq!(bench.server.counts().unknown, 1);
    while history.indexed() < Seq(exchange.head()) {
        let mut work = Work {
            frames: 100,
            ..PLENTY
        };
        assert!(history.advance(Duration::ZERO, exchange.progress(), &mut work) > 0);
    }
    let heard = bench.ask(&mut history, request(session, middle, 1));
    assert_eq!(heard, told(&exchange, middle, middle + 1));
}

#[test]
fn nothing_is_told_that_was_not_told_before() {
    let mut exchange = Exchange::new();
    exchange.trade(300);
    exchange.archive(100);
    let (head, messages) = (exchange.head(), exchange.messages.len() as u64);
    exchange.trade(300);
    let mut history = exchange.history();
    let mut bench = Bench::new(1, FAST);
    for durable in [0, head, head + 300] {
        if durable > head {
            exchange.archive(100);
        }
        let progress = Progress {
            told: Seq(head),
            durable: Seq(durable),
        };
        history.advance(Duration::ZERO, progress, &mut PLENTY.clone());
        let session = exchange.session();
        let heard = bench.ask(&mut history, request(session, 1, 1024));
        assert_eq!(heard, told(&exchange, 1, messages + 1), "{durable}");
        let heard = bench.ask(&mut history, request(session, messages + 1, 9));
        assert_eq!(heard, []);
    }
}

#[test]
fn a_new_session_has_all_history_and_the_old_ones_name_has_none() {
    let mut exchange = Exchange::new();
    exchange.trade(300);
    let old = exchange.session();
    exchange.archive(100);
    exchange.begin_epoch(2);
    exchange.trade(300);
    exchange.archive(100);
    exchange.lap(exchange.head() + 1);
    let mut history = indexed(&exchange);
    everything_comes(&mut exchange, &mut history);
    let mut bench = Bench::new(1, FAST);
    assert_eq!(bench.ask(&mut history, request(old, 1, 5)), []);
    let foreign = SessionName::new(SHARD + 1, 2);
    assert_eq!(bench.ask(&mut history, request(foreign, 1, 5)), []);
    assert_eq!(bench.server.counts().unknown, 2);
}

#[test]
fn what_is_no_request_is_counted_and_gets_no_answer() {
    let mut exchange = Exchange::new();
    exchange.trade(100);
    let mut history = indexed(&exchange);
    let mut bench = Bench::new(1, FAST);
    let session = exchange.session();
    let whole = request(session, 1, 1).encode();
    let mut longer = whole.to_vec();
    longer.push(0);
    let zero = request(session, 0, 1).encode();
    let nothing = request(session, 1, 0).encode();
    let far = request(session, u64::MAX, 1).encode();
    let end = [&whole[..18], &[0xFF, 0xFF]].concat();
    let all: [&[u8]; 6] = [&[], &whole[..19], &longer, &zero, &nothing, &far];
    for bytes in all {
        bench.send(0, bytes);
        bench.step(&mut history, &mut PLENTY.clone());
        assert_eq!(bench.heard(0), []);
    }
    assert_eq!(bench.server.counts().malformed, 6);
    let beyond = exchange.messages.len() as u64 + 1;
    assert_eq!(bench.ask(&mut history, request(session, beyond, 1)), []);
    assert_eq!(bench.server.counts().unknown, 1);
    // The count of an end of session is a count like any other.
    bench.send(0, &end);
    bench.step(&mut history, &mut PLENTY.clone());
    assert_eq!(bench.heard(0).len(), exchange.messages.len());
}

#[test]
fn one_request_brings_so_many_messages_and_no_more() {
    let mut exchange = Exchange::new();
    exchange.trade(3000);
    let mut history = indexed(&exchange);
    let mut bench = Bench::new(1, FAST);
    let heard = bench.ask(&mut history, request(exchange.session(), 5, 2000));
    assert_eq!(heard.len(), 1024);
    assert!(heard == told(&exchange, 5, 1029));
}

#[test]
fn who_asks_for_much_keeps_nobody_waiting() {
    let mut exchange = Exchange::new();
    exchange.trade(3000);
    let mut history = indexed(&exchange);
    let mut bench = Bench::new(2, 1000);
    let session = exchange.session();
    for _ in 0..25 {
        bench.send(0, &request(session, 1, 1000).encode());
    }
    bench.send(1, &request(session, 7, 3).encode());
    for _ in 0..25 {
        bench.send(0, &request(session, 1, 1000).encode());
    }
    let work = &mut PLENTY.clone();
    bench.step(&mut history, work);
    assert_eq!(bench.heard(1), told(&exchange, 7, 10), "in the first turn");
    bench.step(&mut history, work);
    // One was done with in the first turn.
    assert_eq!(bench.server.counts().throttled, 50 - 17);
    // It has what it may have at once, and then one packet a millisecond.
    while bench.step(&mut history, work) > 0 {}
    let packets = bench.server.counts().packets;
    assert!((64..=67).contains(&packets), "{packets}");
    for later in 1..=5 {
        bench.now += Duration::from_millis(1);
        while bench.step(&mut history, work) > 0 {}
        assert_eq!(bench.server.counts().packets, packets + later);
    }
    assert_eq!(bench.network.stats().unreachable, 0);
}

#[test]
fn a_turn_does_no_more_than_it_may_and_the_next_goes_on() {
    let mut exchange = Exchange::new();
    exchange.trade(500);
    exchange.refuse(3000);
    exchange.trade(500);
    exchange.archive(900);
    exchange.lap(exchange.head() + 1);
    let mut history = indexed(&exchange);
    let mut bench = Bench::new(1, FAST);
    let session = exchange.session();
    let end = exchange.messages.len() as u64 + 1;
    bench.send(0, &request(session, 1, 1024).encode());
    let mut heard = Vec::new();
    let mut turns = 0;
    loop {
        let work = &mut Work {
            frames: 20,
            bytes: 1,
        };
        exchange.shown.borrow_mut().bytes_read = 0;
        exchange.shown.borrow_mut().memory_reads = 0;
        let done = bench.step(&mut history, work);
        let (bytes, reads) = {
            let shown = exchange.shown.borrow();
            (shown.bytes_read, shown.memory_reads)
        };
        assert!(bytes <= 1 << 16, "one block: {bytes}");
        assert!(reads <= 20, "{reads}");
        heard.extend(bench.heard(0));
        if done == 0 {
            break;
        }
        turns += 1;
    }
    assert_eq!(heard, told(&exchange, 1, end.min(1025)));
    assert!(turns > 20, "{turns}");
}

#[test]
fn an_archive_that_cannot_be_read_is_said_and_tried_again() {
    let mut exchange = Exchange::new();
    exchange.trade(300);
    exchange.archive(100);
    exchange.lap(exchange.head() + 1);
    let mut history = exchange.history();
    exchange.shown.borrow_mut().fails = true;
    let second = Duration::from_secs(1);
    let progress = exchange.progress();
    history.advance(second, progress, &mut PLENTY.clone());
    assert!(matches!(history.trouble(), Some(Unreadable::Archive(_))));
    exchange.shown.borrow_mut().fails = false;
    let soon = second + Duration::from_millis(999);
    history.advance(soon, progress, &mut PLENTY.clone());
    assert!(history.trouble().is_some(), "it waits");
    history.advance(2 * second, progress, &mut PLENTY.clone());
    assert!(history.trouble().is_none());
    everything_comes(&mut exchange, &mut history);
}

/// Frames that were indexed and are others now are not told.
#[test]
fn a_block_that_has_changed_is_not_told() {
    let mut exchange = Exchange::new();
    exchange.trade(300);
    exchange.archive(1000);
    exchange.lap(exchange.head() + 1);
    let mut history = indexed(&exchange);
    let session = exchange.session();
    {
        let mut shown = exchange.shown.borrow_mut();
        let bytes = shown.segments.get_mut(&Seq(1)).unwrap();
        assert!(bytes.len() > 1 << 16, "it is more than a block");
        bytes[2000] ^= 1;
    }
    let mut bench = Bench::new(1, FAST);
    bench.send(0, &request(session, 1, 5).encode());
    let now = bench.now;
    let mut said = Vec::new();
    for _ in 0..9 {
        let step = bench.server.step(now, &mut history, &mut PLENTY.clone());
        said.extend(step.err());
    }
    assert!(matches!(said[..], [Unreadable::Changed { .. }]), "{said:?}");
    assert_eq!(bench.heard(0), []);
    // Whole frames in places that are not theirs.
    let swap = |from: usize, to: usize| {
        let mut shown = exchange.shown.borrow_mut();
        let bytes = shown.segments.get_mut(&Seq(1)).unwrap();
        bytes[2000] ^= 1;
        let length = u32::from_le_bytes(bytes[from + 4..from + 8].try_into().unwrap());
        let length = usize::try_from(length).unwrap();
        assert_eq!(from + length, to);
        let (one, other) = bytes.split_at_mut(to);
        one[from..].swap_with_slice(&mut other[..length]);
    };
    let [one, other] = alike(&exchange);
    swap(one, other);
    bench.send(0, &request(session, 1, 5).encode());
    let step = bench.server.step(now, &mut history, &mut PLENTY.clone());
    assert!(matches!(step, Err(Unreadable::Changed { .. })), "{step:?}");
    // The others are what they were.
    let last = exchange.messages.len() as u64;
    let heard = bench.ask(&mut history, request(session, last, 1));
    assert_eq!(heard, told(&exchange, last, last + 1));
}

/// Where two frames that follow each other in the first block and have the same length stand in the first segment.
fn alike(exchange: &Exchange) -> [usize; 2] {
    let shown = exchange.shown.borrow();
    let bytes = &shown.segments[&Seq(1)];
    let mut at = journal::SEGMENT_HEADER_BYTES;
    let length = |at: usize| u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap());
    loop {
        let next = at + usize::try_from(length(at)).unwrap();
        if length(at) == length(next) {
            return [at, next];
        }
        at = next;
    }
}
