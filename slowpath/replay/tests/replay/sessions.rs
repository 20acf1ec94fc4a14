//! The replay port: what comes to a session, what does not, and how much work that is.

use crate::asked::{FAST, PLENTY};
use crate::exchange::{Exchange, Eyes, SESSIONS, SHARD};
use domain::{
    CancelOrder, ClientOrderId, Command, Nanos, NewOrder, OrderId, Price, Qty, Reason, Seq,
    SessionId, Side, Source,
};
use nic::inproc::{BURST, Faults, InprocRx, InprocTx, Network};
use nic::{Peer, Receive as _, Transmit as _};
use replay::{Access, History, Keys, Place, Progress, ReportRequests, Work};
use std::time::Duration;
use wire::auth::{HostSecret, MacKeys};
use wire::order_entry::{
    Became, Block, Context, DatagramReader, DatagramWriter, Message, Outcome, OutcomeQuery,
    ResendRequest, Template,
};

const SERVER: Peer = Peer {
    ip: [10, 0, 0, 1],
    port: 7,
};
const CLIENT: Peer = Peer {
    ip: [10, 0, 0, 2],
    port: 8,
};
const STRANGER: Peer = Peer {
    ip: [10, 0, 0, 3],
    port: 8,
};
const UTC: Nanos = Nanos(77);

/// The keys of a test, of which nobody agreed: they follow from the session and its key.
struct Derived(Option<MacKeys>);

fn keys_of(session: SessionId, client_key: [u8; 32], epoch: u32) -> MacKeys {
    let secret = HostSecret::from_bytes(client_key).session_secret(session);
    secret.keys(session, SHARD, epoch)
}

impl Keys for Derived {
    fn keys(&mut self, session: SessionId, access: &Access, place: Place) -> Option<&MacKeys> {
        assert_eq!(place.shard, SHARD);
        Some(
            self.0
                .insert(keys_of(session, access.client_key, place.epoch)),
        )
    }

    fn is_bound(&self, _session: SessionId, address: [u8; 4]) -> bool {
        address == CLIENT.ip
    }
}

/// What came in a datagram: its context's first number and its messages.
type Heard = (u64, Vec<Message>);

struct Bench {
    server: ReportRequests<InprocRx, InprocTx, Derived>,
    client: (InprocRx, InprocTx),
    stranger: (InprocRx, InprocTx),
    keys: MacKeys,
    session: SessionId,
    epoch: u32,
    now: Duration,
}

impl Bench {
    fn new(session: SessionId, datagrams_a_second: u32) -> Self {
        let network = Network::new(1, Faults::NONE);
        let (rx, tx) = network.open(SERVER).unwrap();
        Self {
            server: ReportRequests::new(rx, tx, Derived(None), datagrams_a_second),
            client: network.open(CLIENT).unwrap(),
            stranger: network.open(STRANGER).unwrap(),
            keys: keys_of(session, [0; 32], 1),
            session,
            epoch: 1,
            now: Duration::from_secs(1),
        }
    }

    fn datagram<B: Block>(&self, blocks: &[B]) -> Vec<u8> {
        let context = Context {
            session_id: self.session,
            epoch: self.epoch,
            next_seq_no: 1,
            ..Context::default()
        };
        let mut bytes = vec![0; wire::MAX_DATAGRAM];
        let mut writer = DatagramWriter::new(&mut bytes, context);
        for block in blocks {
            writer.push(block).unwrap();
        }
        let length = writer.finish(&self.keys.to_exchange);
        bytes.truncate(length);
        bytes
    }

    fn send(&mut self, bytes: &[u8]) {
        send(&mut self.client.1, bytes);
    }

    fn step(&mut self, history: &mut History<Eyes>, work: &mut Work) -> usize {
        self.server.step(self.now, UTC, history, work).unwrap()
    }

    fn heard(&mut self) -> Vec<Heard> {
        let (keys, session, epoch) = (&self.keys, self.session, self.epoch);
        let mut heard = Vec::new();
        while self.client.0.receive(BURST, &mut |datagram| {
            assert!(DatagramReader::verify(datagram.payload, &keys.to_client));
            let parsed = DatagramReader::parse(datagram.payload).unwrap();
            let context = parsed.context;
            assert_eq!((context.session_id, context.epoch), (session, epoch));
            assert_eq!((context.shard, context.sending_time), (SHARD, UTC));
            assert!(context.is_retransmission());
            let messages = parsed.messages.map(|numbered| numbered.message);
            heard.push((context.next_seq_no, messages.collect()));
        }) > 0
        {}
        heard
    }

    /// Sends and gives what comes, at leisure.
    fn ask<B: Block>(&mut self, history: &mut History<Eyes>, blocks: &[B]) -> Vec<Heard> {
        self.send(&self.datagram(blocks));
        let mut heard = Vec::new();
        loop {
            self.now += Duration::from_millis(1);
            let done = self.step(history, &mut PLENTY.clone());
            heard.extend(self.heard());
            if done == 0 {
                return heard;
            }
        }
    }

    fn outcome(&mut self, history: &mut History<Eyes>, query: OutcomeQuery) -> Outcome {
        let heard = self.ask(history, &[query]);
        let [(_, ref messages)] = heard[..] else {
            panic!("{heard:?}")
        };
        let [Message::Outcome(outcome)] = messages[..] else {
            panic!("{messages:?}")
        };
        outcome
    }
}

fn send(tx: &mut InprocTx, bytes: &[u8]) {
    let mut slot = tx.reserve().unwrap();
    slot.payload()[..bytes.len()].copy_from_slice(bytes);
    slot.commit(bytes.len(), SERVER);
    tx.flush();
}

fn resend(from_report_no: u64, count: u32) -> ResendRequest {
    ResendRequest {
        from_report_no,
        count,
        reserved: 0,
    }
}

fn by_number(seq_no: u64) -> OutcomeQuery {
    OutcomeQuery {
        seq_no,
        ..OutcomeQuery::default()
    }
}

fn by_id(id: u64) -> OutcomeQuery {
    OutcomeQuery {
        seq_no: 0,
        client_order_id: ClientOrderId(id),
    }
}

/// Indexed to the end of the archive.
fn indexed(exchange: &Exchange) -> History<Eyes> {
    let mut history = exchange.history();
    history.advance(Duration::ZERO, exchange.progress(), &mut PLENTY.clone());
    assert!(history.trouble().is_none(), "{:?}", history.trouble());
    history
}

/// A long history of two sessions, all of it archived, in segments of some frames.
fn long() -> Exchange {
    let mut exchange = Exchange::new();
    exchange.trade(3000);
    exchange.refuse(2500);
    exchange.trade(3000);
    exchange.archive(1700);
    exchange
}

/// Reports `from .. to` as they were told: of each frame in datagrams of its own.
fn told(exchange: &Exchange, session: SessionId, from: u64, to: u64) -> Vec<Heard> {
    let mut all: Vec<(Seq, Heard)> = Vec::new();
    for (seq, number, report) in exchange.reports(session) {
        if !(from..to).contains(&number) {
            continue;
        }
        match all.last_mut() {
            Some((last, heard)) if *last == seq => heard.1.push(report),
            _ => all.push((seq, (number, vec![report]))),
        }
    }
    all.into_iter().map(|(_, heard)| heard).collect()
}

fn every_range_comes(exchange: &mut Exchange, history: &mut History<Eyes>, bench: &mut Bench) {
    let session = bench.session;
    let end = exchange.reports(session).count() as u64 + 1;
    for _ in 0..60 {
        let from = exchange.random(end - 1) + 1;
        let count = u32::try_from(exchange.random(80)).unwrap();
        let heard = bench.ask(history, &[resend(from, count)]);
        let to = end.min(from + u64::from(count.clamp(1, 64)));
        assert!(
            heard == told(exchange, session, from, to),
            "{count} from {from}: {heard:?}"
        );
    }
}

#[test]
fn any_range_comes_as_it_was_told() {
    let mut exchange = long();
    for lap in [1, 4000, exchange.head() + 1] {
        exchange.lap(lap);
        for session in SESSIONS {
            let mut bench = Bench::new(session, FAST);
            let mut history = indexed(&exchange);
            every_range_comes(&mut exchange, &mut history, &mut bench);
        }
    }
}

#[test]
fn an_index_that_grew_with_the_journal_finds_what_a_new_one_finds() {
    let mut exchange = Exchange::new();
    let mut history = exchange.history();
    for _ in 0..30 {
        exchange.trade(100);
        exchange.refuse(50);
        exchange.archive(400);
        exchange.lap(exchange.head());
        let work = &mut PLENTY.clone();
        history.advance(Duration::ZERO, exchange.progress(), work);
    }
    let mut bench = Bench::new(SESSIONS[1], FAST);
    every_range_comes(&mut exchange, &mut history, &mut bench);
}

/// A report that another's message caused, long after the session was last heard of.
#[test]
fn a_report_that_came_out_of_silence_is_found() {
    let mut exchange = Exchange::new();
    let order = |side, id| {
        Command::NewOrder(NewOrder {
            client_order_id: ClientOrderId(id),
            price: Price(150),
            qty: Qty(1),
            side,
            ..NewOrder::PLAIN
        })
    };
    let [maker, taker] = SESSIONS;
    exchange.apply(Source::of_session(maker), order(Side::Sell, 1));
    for _ in 0..12_000 {
        let nothing = Command::NewOrder(NewOrder::PLAIN);
        exchange.apply(Source::of_session(taker), nothing);
    }
    exchange.apply(Source::of_session(taker), order(Side::Buy, 2));
    exchange.archive(5000);
    exchange.lap(exchange.head() + 1);
    let mut bench = Bench::new(maker, FAST);
    let mut history = indexed(&exchange);
    for report in 1..=2 {
        let heard = bench.ask(&mut history, &[resend(report, 1)]);
        assert_eq!(heard, told(&exchange, maker, report, report + 1));
        assert_eq!(heard.len(), 1);
    }
}

#[test]
fn several_requests_of_a_datagram_are_answered_in_turn() {
    let exchange = long();
    let mut bench = Bench::new(SESSIONS[0], FAST);
    let heard = bench.ask(&mut indexed(&exchange), &[resend(3, 2), resend(900, 4)]);
    let mut all = told(&exchange, SESSIONS[0], 3, 5);
    all.extend(told(&exchange, SESSIONS[0], 900, 904));
    assert_eq!(heard, all);
}

#[test]
fn what_is_not_archived_or_not_issued_is_not_told() {
    let mut exchange = Exchange::new();
    exchange.trade(300);
    exchange.archive(100);
    let issued = exchange.reports(SESSIONS[0]).count() as u64;
    exchange.trade(300);
    let mut history = indexed(&exchange);
    let mut bench = Bench::new(SESSIONS[0], FAST);
    assert_eq!(bench.ask(&mut history, &[resend(issued + 1, 1)]), []);
    assert_eq!(bench.ask(&mut history, &[resend(0, 1)]), []);
    assert_eq!(bench.ask(&mut history, &[resend(u64::MAX, u32::MAX)]), []);
    assert_eq!(bench.server.counts().unknown, 3);
    let heard = bench.ask(&mut history, &[resend(issued, 9)]);
    assert_eq!(heard, told(&exchange, SESSIONS[0], issued, issued + 1));
    // It is archived, but was not told.
    exchange.archive(100);
    let progress = Progress {
        told: Seq(history.indexed().0),
        ..exchange.progress()
    };
    history.advance(Duration::ZERO, progress, &mut PLENTY.clone());
    assert_eq!(bench.ask(&mut history, &[resend(issued + 1, 1)]), []);
}

#[test]
fn only_the_session_with_its_key_of_now_from_where_it_is_is_answered() {
    let mut exchange = long();
    let mut history = indexed(&exchange);
    let mut bench = Bench::new(SESSIONS[0], FAST);
    let good = bench.datagram(&[resend(1, 1)]);
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    bench.epoch = 2;
    let other_epoch = bench.datagram(&[resend(1, 1)]);
    bench.epoch = 0;
    let control = bench.datagram(&[resend(1, 1)]);
    bench.epoch = 1;
    bench.session = SessionId(9);
    let nobody = bench.datagram(&[resend(1, 1)]);
    bench.session = SESSIONS[0];
    for bytes in [
        &forged,
        &other_epoch,
        &control,
        &nobody,
        &good[..9].to_vec(),
    ] {
        bench.send(bytes);
    }
    send(&mut bench.stranger.1, &good);
    bench.step(&mut history, &mut PLENTY.clone());
    assert_eq!(bench.heard(), []);
    assert_eq!(bench.stranger.0.receive(1, &mut |_| {}), 0);
    assert_eq!(bench.server.counts().refused, 6);
    // Orders are not for this port.
    assert_eq!(
        bench.ask(&mut history, &[wire::order_entry::NewOrder::default()]),
        []
    );
    assert_eq!(bench.server.counts().unknown, 1);
    // Its owner agrees on another key: the one before is nobody's.
    exchange.delegate(SESSIONS[0], [6; 32]);
    exchange.archive(1700);
    history.advance(Duration::ZERO, exchange.progress(), &mut PLENTY.clone());
    bench.send(&good);
    bench.step(&mut history, &mut PLENTY.clone());
    assert_eq!(bench.server.counts().refused, 7);
    bench.keys = keys_of(SESSIONS[0], [6; 32], 1);
    let heard = bench.ask(&mut history, &[resend(1, 1)]);
    assert_eq!(heard, told(&exchange, SESSIONS[0], 1, 2));
}

/// Nobody is answered by an index that does not reach the end: a key may have been replaced behind it.
#[test]
fn before_the_archive_is_read_to_its_end_it_is_silent() {
    let exchange = long();
    let mut history = exchange.history();
    let mut bench = Bench::new(SESSIONS[0], FAST);
    let mut silent = 0;
    loop {
        let heard = bench.ask(&mut history, &[resend(1, 1)]);
        if !heard.is_empty() {
            assert_eq!(heard, told(&exchange, SESSIONS[0], 1, 2));
            break;
        }
        silent += 1;
        assert!(silent < 99, "it is never whole");
        let mut work = Work {
            frames: 3000,
            ..PLENTY
        };
        history.advance(Duration::ZERO, exchange.progress(), &mut work);
    }
    assert!(silent > 3, "{silent}");
}

#[test]
fn what_became_of_any_message_is_told_by_its_number() {
    let mut exchange = Exchange::new();
    exchange.trade(2000);
    let session = SESSIONS[0];
    let source = Source::of_session(session);
    let skipping = exchange.last_number(source) + 5;
    exchange.apply_number(source, skipping, Command::NewOrder(NewOrder::PLAIN));
    exchange.trade(2000);
    exchange.archive(700);
    exchange.lap(exchange.head() + 1);
    let mut history = indexed(&exchange);
    let mut bench = Bench::new(session, FAST);
    let last = exchange.last_number(source);
    for number in (1..=last).step_by(7).chain(skipping - 5..=skipping + 1) {
        let expected = exchange.outcome(session, number).unwrap();
        assert_eq!(bench.outcome(&mut history, by_number(number)), expected);
        let became = if (skipping - 4..skipping).contains(&number) {
            Became::NotApplied
        } else {
            Became::Applied
        };
        assert_eq!(expected.became, became as u8);
    }
    let never = Outcome {
        seq_no: last + 1,
        ..Outcome::default()
    };
    assert_eq!(bench.outcome(&mut history, by_number(last + 1)), never);
    let refused = bench.outcome(&mut history, by_number(skipping));
    assert_eq!(refused.reason, u16::from(Reason::InvalidClientOrderId));
    assert_eq!(refused.first_template_id, Template::OrderRejected.number());
}

#[test]
fn the_last_new_order_with_an_id_is_found_however_far_back() {
    let mut exchange = Exchange::new();
    let session = SESSIONS[1];
    let source = Source::of_session(session);
    let order = |id| {
        Command::NewOrder(NewOrder {
            client_order_id: ClientOrderId(id),
            price: Price(1),
            qty: Qty(1),
            side: Side::Buy,
            ..NewOrder::PLAIN
        })
    };
    exchange.trade(50);
    exchange.apply(source, order(7001));
    // Ids are a session's own.
    exchange.apply(Source::of_session(SESSIONS[0]), order(7001));
    exchange.apply(Source::of_session(SESSIONS[0]), order(7002));
    exchange.refuse(4000);
    exchange.trade(2000);
    exchange.apply(source, order(7003));
    let cancel = Command::CancelOrder(CancelOrder {
        order_id: OrderId::NONE,
        client_order_id: ClientOrderId(7003),
        qty: Qty(0),
    });
    exchange.apply(source, cancel);
    exchange.apply(source, order(7003));
    let third = exchange.last_number(source);
    exchange.trade(3000);
    exchange.archive(700);
    exchange.lap(exchange.head() + 1);
    let mut history = indexed(&exchange);
    let mut bench = Bench::new(session, FAST);
    let first = bench.outcome(&mut history, by_id(7001));
    let expected = exchange.outcome(session, first.seq_no).unwrap();
    assert_eq!(first.became, Became::Applied as u8);
    assert_eq!(
        first,
        Outcome {
            client_order_id: ClientOrderId(7001),
            ..expected
        }
    );
    let found = bench.outcome(&mut history, by_id(7003));
    assert_eq!(found.seq_no, third, "the last of both");
    let others = bench.outcome(&mut history, by_id(7002));
    let never = Outcome {
        client_order_id: ClientOrderId(7002),
        ..Outcome::default()
    };
    assert_eq!(others, never, "another session's");
}

#[test]
fn a_turn_does_no_more_than_it_may_and_a_session_no_more_than_its_share() {
    let exchange = long();
    exchange.lap(exchange.head() + 1);
    let mut history = indexed(&exchange);
    let mut bench = Bench::new(SESSIONS[0], 1000);
    let many = [resend(1, 64); 40];
    bench.send(&bench.datagram(&many));
    let mut turns = 0;
    loop {
        let work = &mut Work {
            frames: 20,
            bytes: 1,
        };
        exchange.shown.borrow_mut().bytes_read = 0;
        exchange.shown.borrow_mut().memory_reads = 0;
        let done = bench.step(&mut history, work);
        let shown = exchange.shown.borrow();
        // The frame that is sent is read once more than it is looked for.
        assert!(shown.bytes_read <= 2 << 16, "{}", shown.bytes_read);
        assert!(shown.memory_reads <= 21, "{}", shown.memory_reads);
        drop(shown);
        if done == 0 {
            break;
        }
        turns += 1;
    }
    assert_eq!(bench.server.counts().throttled, 40 - 16);
    assert!(turns > 5, "{turns}");
    let datagrams = bench.heard().len();
    assert!(datagrams <= 65, "{datagrams} at once");
    bench.now += Duration::from_millis(3);
    while bench.step(&mut history, &mut PLENTY.clone()) > 0 {}
    assert_eq!(bench.heard().len(), 3);
}
