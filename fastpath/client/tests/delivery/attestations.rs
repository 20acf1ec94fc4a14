//! When a session attests, what it signs after commands that did not apply, and when it says that it no longer can.

use crate::edges::{START, order, talk, transmit};
use crate::exchange::{DELEGATED_KEY, Exchange, SESSION, secret};
use client::{AttestError, Attesting, Behind, Config, Event, ReportsFrom, Session};
use domain::Nanos;
use wire::auth::RunningHash;
use wire::order_entry::{DatagramReader, Message};

const MILLISECOND: u64 = 1_000_000;

fn attesting(change: impl FnOnce(&mut Attesting)) -> Config {
    let mut attesting = Attesting::with_key(&DELEGATED_KEY);
    change(&mut attesting);
    Config {
        attesting: Some(attesting),
        ..Config::new(SESSION, secret())
    }
}

/// A session that has been established, and its exchange.
fn pair(config: Config) -> (Session, Exchange, Nanos) {
    let (mut exchange, mut now) = (Exchange::new(1), START);
    let mut session = Session::new(config, [7; 16], START);
    talk(&mut session, &mut exchange, &mut now);
    assert!(session.is_established());
    (session, exchange, now)
}

/// How many attestations these datagrams hold.
fn attests(datagrams: &[Vec<u8>]) -> usize {
    let messages = datagrams
        .iter()
        .flat_map(|datagram| DatagramReader::parse(datagram).unwrap().messages);
    messages
        .filter(|numbered| matches!(numbered.message, Message::Attest(_)))
        .count()
}

fn deliver(session: &mut Session, exchange: &mut Exchange, datagrams: &[Vec<u8>], now: Nanos) {
    for answer in datagrams
        .iter()
        .flat_map(|datagram| exchange.feed(datagram))
    {
        session.feed(&answer, now);
    }
}

fn is_lost(events: &[Event]) -> bool {
    events.contains(&Event::AttestationLost)
}

#[test]
fn it_attests_100_ms_after_a_command_and_then_no_more() {
    let (mut session, mut exchange, mut now) = pair(attesting(|_| {}));
    session.new_order(&order(1)).unwrap();
    let begin = now;
    let mut when = Vec::new();
    while now.0 < begin.0 + 900 * MILLISECOND {
        let datagrams = transmit(&mut session, now);
        if attests(&datagrams) > 0 {
            when.push((now.0 - begin.0) / MILLISECOND);
        }
        deliver(&mut session, &mut exchange, &datagrams, now);
        let next = session.next_timeout();
        assert!(next > now, "all due was sent");
        now = next.min(Nanos(now.0 + 50 * MILLISECOND));
    }
    assert_eq!(when, [100]);
    assert_eq!(exchange.state.attested_by, 2);
}

#[test]
fn it_attests_at_once_behind_so_many_numbers() {
    let (mut session, mut exchange, now) = pair(attesting(|it| it.numbers = 3));
    for id in 1..=2 {
        session.new_order(&order(id)).unwrap();
    }
    assert_eq!(attests(&transmit(&mut session, now)), 0);
    session.new_order(&order(3)).unwrap();
    let datagrams = transmit(&mut session, now);
    assert_eq!(attests(&datagrams), 1);
    assert_eq!(datagrams.len(), 1, "in the datagram of the command");
    // The first two come again later.
    deliver(&mut session, &mut exchange, &datagrams, now);
    assert_eq!(exchange.state.wrong_attestations, 1, "1 and 2 are skipped");
    let mut now = now;
    talk(&mut session, &mut exchange, &mut now);
    assert!(exchange.state.attested_by > 4, "one more was sent");
}

#[test]
fn it_attests_at_once_when_it_is_stopped_at_the_limit() {
    let (mut session, mut exchange, now) = pair(attesting(|_| {}));
    exchange.state.above_limit_from = 2;
    for id in 1..=2 {
        session.new_order(&order(id)).unwrap();
    }
    let datagrams = transmit(&mut session, now);
    deliver(&mut session, &mut exchange, &datagrams, now);
    let datagrams = transmit(&mut session, now);
    assert_eq!(attests(&datagrams), 1);
    deliver(&mut session, &mut exchange, &datagrams, now);
    assert_eq!(exchange.state.above_limit_from, 0, "it is right");
    // The next one has to wait: a session that only tries again does not flood the exchange.
    exchange.state.above_limit_from = 4;
    session.new_order(&order(4)).unwrap();
    let datagrams = transmit(&mut session, now);
    deliver(&mut session, &mut exchange, &datagrams, now);
    assert_eq!(attests(&transmit(&mut session, now)), 0);
    let later = Nanos(now.0 + 10 * MILLISECOND);
    assert_eq!(session.next_timeout(), later);
    assert_eq!(attests(&transmit(&mut session, later)), 1);
}

#[test]
fn a_command_that_an_attestation_overtook_makes_it_attest_again() {
    let (mut session, mut exchange, mut now) = pair(attesting(|_| {}));
    session.new_order(&order(1)).unwrap();
    let lost = transmit(&mut session, now);
    now.0 += 100 * MILLISECOND;
    // Sent again, with the attestation behind it in a datagram of its own: only that one arrives.
    let mut datagrams = transmit(&mut session, now);
    let (of_attest, others): (Vec<_>, Vec<_>) = datagrams
        .drain(..)
        .partition(|it| attests(std::slice::from_ref(it)) > 0);
    assert!(!others.is_empty() && lost.len() == 1);
    deliver(&mut session, &mut exchange, &of_attest, now);
    assert_eq!(exchange.state.wrong_attestations, 1);
    talk(&mut session, &mut exchange, &mut now);
    let numbers: Vec<u64> = exchange.state.frames.iter().map(|it| it.number).collect();
    assert_eq!((numbers, exchange.state.attested_by), (vec![2, 3], 3));
    let hash = exchange.state.running_hash();
    assert_eq!(session.running_hash(), Some(Behind { number: 3, hash }));
}

#[test]
fn a_process_goes_on_where_the_one_before_it_has_left_off() {
    let (mut session, mut exchange, mut now) = pair(attesting(|_| {}));
    session.new_order(&order(1)).unwrap();
    assert_eq!(session.running_hash(), None, "it is not answered");
    for _ in 0..3 {
        talk(&mut session, &mut exchange, &mut now);
    }
    let behind = session.running_hash().unwrap();
    assert_eq!(behind.number, 2);
    for from in [ReportsFrom::Oldest, ReportsFrom::Next] {
        let mut config = attesting(|it| it.since = Some(behind));
        config.reports_from = from;
        let mut session = Session::new(config, [8; 16], now);
        let events = talk(&mut session, &mut exchange, &mut now);
        assert!(!is_lost(&events));
        assert_eq!(session.running_hash(), Some(behind));
    }
    let mut session = Session::new(attesting(|it| it.since = Some(behind)), [9; 16], now);
    talk(&mut session, &mut exchange, &mut now);
    session.new_order(&order(3)).unwrap();
    for _ in 0..3 {
        talk(&mut session, &mut exchange, &mut now);
    }
    assert_eq!(
        (
            exchange.state.attested_by,
            exchange.state.wrong_attestations
        ),
        (4, 0)
    );
}

#[test]
fn a_process_that_does_not_know_the_past_says_so_and_may_be_told() {
    let (mut session, mut exchange, mut now) = pair(attesting(|_| {}));
    session.new_order(&order(1)).unwrap();
    talk(&mut session, &mut exchange, &mut now);
    let mut session = Session::new(attesting(|_| {}), [8; 16], now);
    let behind = |number, exchange: &Exchange| Behind {
        number,
        hash: exchange.state.running_hash(),
    };
    let told = behind(2, &exchange);
    assert_eq!(session.attest_behind(told), Err(AttestError::Unanswered));
    let events = talk(&mut session, &mut exchange, &mut now);
    assert!(is_lost(&events));
    assert_eq!(session.running_hash(), None);
    let last = exchange.state.last_no;
    session.new_order(&order(3)).unwrap();
    assert_eq!(session.attest_behind(told), Err(AttestError::Unanswered));
    for _ in 0..3 {
        talk(&mut session, &mut exchange, &mut now);
    }
    assert_eq!(exchange.state.last_no, last + 1, "nothing was attested");
    let other = session.attest_behind(behind(last, &exchange));
    assert_eq!(other, Err(AttestError::OtherNumber { last: last + 1 }));
    session.attest_behind(behind(last + 1, &exchange)).unwrap();
    for _ in 0..3 {
        talk(&mut session, &mut exchange, &mut now);
    }
    assert_eq!(exchange.state.attested_by, last + 2);
}

#[test]
fn numbers_that_another_process_used_end_it() {
    let (mut session, mut exchange, mut now) = pair(attesting(|_| {}));
    let mut other = Session::new(Config::new(SESSION, secret()), [8; 16], now);
    talk(&mut other, &mut exchange, &mut now);
    other.new_order(&order(1)).unwrap();
    talk(&mut other, &mut exchange, &mut now);
    exchange.bound = false;
    now.0 += 3_000 * MILLISECOND;
    let events = talk(&mut session, &mut exchange, &mut now);
    assert!(is_lost(&events), "{events:?}");
}

#[test]
fn an_outcome_that_cannot_be_had_ends_it() {
    let (mut session, mut exchange, mut now) = pair(attesting(|_| {}));
    session.new_order(&order(1)).unwrap();
    // Its reports are lost, and out of memory when they are asked for.
    let unheard = transmit(&mut session, now);
    for datagram in unheard {
        exchange.feed(&datagram);
    }
    exchange.oldest_report_no = exchange.next_report_no();
    session.new_order(&order(2)).unwrap();
    let mut events = Vec::new();
    for _ in 0..3 {
        events.extend(talk(&mut session, &mut exchange, &mut now));
    }
    assert!(is_lost(&events), "{events:?}");
    let known = events
        .iter()
        .any(|event| matches!(event, Event::OutcomeUnknown { seq_no: 1 }));
    assert!(known, "{events:?}");
}

#[test]
fn a_recovery_takes_back_what_was_signed() {
    let (mut session, mut exchange, mut now) = pair(attesting(|it| it.numbers = 7));
    for id in 1..=100 {
        session.new_order(&order(id)).unwrap();
        let datagrams = transmit(&mut session, now);
        deliver(&mut session, &mut exchange, &datagrams, now);
    }
    assert!(exchange.state.attested_by > 90);
    exchange.lose(30);
    now.0 += 3_000 * MILLISECOND;
    let mut events = Vec::new();
    for _ in 0..3 {
        events.extend(talk(&mut session, &mut exchange, &mut now));
    }
    assert!(!is_lost(&events));
    let (number, hash) = (exchange.state.last_no, exchange.state.running_hash());
    assert_eq!(session.running_hash(), Some(Behind { number, hash }));
    assert_eq!(exchange.state.attested_by, number);
}

#[test]
fn without_a_key_nothing_is_attested() {
    let (mut session, mut exchange, mut now) = pair(Config::new(SESSION, secret()));
    session.new_order(&order(1)).unwrap();
    for _ in 0..3 {
        talk(&mut session, &mut exchange, &mut now);
    }
    assert_eq!(exchange.state.last_no, 1);
    assert_eq!(session.running_hash(), None);
    let hash = RunningHash::from_bytes([0; 32]);
    let refused = session.attest_behind(Behind { number: 1, hash });
    assert_eq!(refused, Err(AttestError::TurnedOff));
}
