//! What a receiver says of packets that are late, lost, foreign, or of a new session.

use crate::exchange::session;
use client::feed::{Event, Receiver};
use domain::{Nanos, OrderId};
use wire::market_data::{BookDelete, Message, PacketError, PacketWriter, SessionName};

const LATER: Nanos = Nanos(1_000_000_000);

fn message(number: u64) -> Message {
    Message::BookDelete(BookDelete {
        order_id: OrderId(number),
        ..BookDelete::default()
    })
}

/// A packet of the messages `numbers`; each names its own number.
fn packet(session: SessionName, numbers: std::ops::Range<u64>) -> Vec<u8> {
    let mut writer = PacketWriter::new(session, numbers.start);
    for number in numbers {
        writer.push(&message(number)).unwrap();
    }
    writer.finish().to_vec()
}

fn end(session: SessionName, next: u64) -> Vec<u8> {
    PacketWriter::new(session, next).end_of_session().to_vec()
}

/// The numbers that are told at `now`, and whatever else is.
fn told(receiver: &mut Receiver, now: Nanos) -> (Vec<u64>, Vec<Event>) {
    let (mut numbers, mut others) = (Vec::new(), Vec::new());
    while let Some(event) = receiver.poll_event(now) {
        if let Event::Message { number, message: m } = event {
            assert_eq!(m, message(number));
            numbers.push(number);
        } else {
            others.push(event);
        }
    }
    (numbers, others)
}

fn feed(receiver: &mut Receiver, bytes: &[u8]) -> (Vec<u64>, Vec<Event>) {
    receiver.feed(bytes, Nanos(0)).unwrap();
    told(receiver, Nanos(0))
}

#[test]
fn packets_that_overtake_each_other_and_come_twice_lose_nothing() {
    let (mut receiver, session) = (Receiver::new(1), session(1));
    assert_eq!(feed(&mut receiver, &packet(session, 3..5)).0, []);
    assert_eq!(receiver.next_timeout(), Some(Nanos(50_000_000)));
    assert_eq!(feed(&mut receiver, &packet(session, 1..3)).0, [1, 2, 3, 4]);
    assert_eq!(receiver.next_timeout(), None);
    assert_eq!(feed(&mut receiver, &packet(session, 1..3)).0, []);
    // Cut otherwise after a restart: what is new counts.
    assert_eq!(feed(&mut receiver, &packet(session, 2..7)).0, [5, 6]);
    assert_eq!(told(&mut receiver, LATER), (vec![], vec![]));
}

#[test]
fn what_does_not_come_is_a_gap_and_then_silence_until_told() {
    let (mut receiver, session) = (Receiver::new(1), session(1));
    feed(&mut receiver, &packet(session, 1..3));
    feed(&mut receiver, &packet(session, 5..7));
    assert_eq!(told(&mut receiver, Nanos(49_999_999)), (vec![], vec![]));
    let gap = Event::Gap { from: 3, to: 5 };
    assert_eq!(told(&mut receiver, Nanos(50_000_000)), (vec![], vec![gap]));
    assert!(!receiver.is_in_sync());
    assert_eq!(feed(&mut receiver, &packet(session, 7..9)).0, []);
    assert_eq!(told(&mut receiver, LATER), (vec![], vec![]), "once");
    // A snapshot at 5.
    receiver.resume(6, LATER);
    assert_eq!(told(&mut receiver, LATER), (vec![6, 7, 8], vec![]));
    assert!(receiver.is_in_sync());
    // One that is too old leaves a gap again.
    feed(&mut receiver, &packet(session, 10..11));
    let gap = Event::Gap { from: 9, to: 10 };
    assert_eq!(told(&mut receiver, LATER).1, [gap]);
    receiver.resume(8, LATER);
    let later = Nanos(LATER.0 + 50_000_000);
    assert_eq!(
        told(&mut receiver, later).1,
        [Event::Gap { from: 8, to: 10 }]
    );
}

#[test]
fn one_stray_packet_with_a_huge_number_is_got_over() {
    for number in [1 << 60, u64::MAX - 1, u64::MAX] {
        let (mut receiver, session) = (Receiver::new(1), session(1));
        feed(&mut receiver, &packet(session, 1..3));
        feed(&mut receiver, &packet(session, number..number));
        if number < u64::MAX {
            feed(&mut receiver, &packet(session, number..number + 1));
        }
        let (_, others) = told(&mut receiver, LATER);
        assert!(
            matches!(others[..], [Event::Gap { from: 3, .. }]),
            "{others:?}"
        );
        receiver.resume(3, LATER);
        receiver.feed(&packet(session, 3..5), LATER).unwrap();
        let later = Nanos(2 * LATER.0);
        assert_eq!(told(&mut receiver, later), (vec![3, 4], vec![]));
        assert!(receiver.is_in_sync());
    }
}

#[test]
fn a_late_packet_behind_a_gap_is_not_lost_for_who_asks_for_it() {
    let (mut receiver, session) = (Receiver::new(1), session(1));
    feed(&mut receiver, &packet(session, 2..4));
    assert_eq!(
        told(&mut receiver, LATER).1,
        [Event::Gap { from: 1, to: 2 }]
    );
    assert_eq!(feed(&mut receiver, &packet(session, 1..2)).0, []);
    receiver.resume(1, LATER);
    assert_eq!(told(&mut receiver, LATER), (vec![1, 2, 3], vec![]));
}

#[test]
fn heartbeats_and_ends_tell_of_what_was_lost_last() {
    for last in [packet(session(1), 4..4), end(session(1), 4)] {
        let mut receiver = Receiver::new(1);
        feed(&mut receiver, &packet(session(1), 1..2));
        assert_eq!(
            feed(&mut receiver, &packet(session(1), 2..2)),
            (vec![], vec![])
        );
        assert_eq!(feed(&mut receiver, &last), (vec![], vec![]));
        // What was known stays known when an older packet comes again.
        assert_eq!(
            feed(&mut receiver, &packet(session(1), 1..2)),
            (vec![], vec![])
        );
        let gap = Event::Gap { from: 2, to: 4 };
        assert_eq!(told(&mut receiver, LATER), (vec![], vec![gap]));
    }
}

#[test]
fn an_end_is_told_once_and_behind_the_last_message() {
    let (mut receiver, session) = (Receiver::new(1), session(1));
    assert_eq!(feed(&mut receiver, &end(session, 3)), (vec![], vec![]));
    let ended = Event::EndOfSession { next: 3 };
    let all = feed(&mut receiver, &packet(session, 1..3));
    assert_eq!(all, (vec![1, 2], vec![ended]));
    assert_eq!(feed(&mut receiver, &end(session, 3)), (vec![], vec![]));
    // It was started again, with its memory.
    assert_eq!(feed(&mut receiver, &packet(session, 3..4)).0, [3]);
    let ended = Event::EndOfSession { next: 4 };
    assert_eq!(feed(&mut receiver, &end(session, 4)).1, [ended]);
}

#[test]
fn a_new_session_voids_what_was_told_and_an_old_one_is_over() {
    let mut receiver = Receiver::new(1);
    feed(&mut receiver, &packet(session(1), 1..5));
    let next = 3;
    let new = Event::NewSession {
        session: session(2),
        next,
    };
    assert_eq!(feed(&mut receiver, &packet(session(2), 3..6)).1, [new]);
    assert_eq!(receiver.session(), Some(session(2)));
    let old = feed(&mut receiver, &packet(session(1), 5..9));
    assert_eq!(old, (vec![], vec![]), "too late");
    assert_eq!(feed(&mut receiver, &packet(session(2), 6..7)).0, []);
    receiver.resume(4, LATER);
    assert_eq!(told(&mut receiver, LATER), (vec![4, 5, 6], vec![]));
    let foreign = packet(SessionName::new(1, 9), 1..9);
    assert_eq!(
        feed(&mut receiver, &foreign),
        (vec![], vec![]),
        "another shard"
    );
}

#[test]
fn what_is_no_packet_changes_nothing() {
    let mut receiver = Receiver::new(1);
    let mut bytes = packet(session(1), 1..3);
    bytes.pop();
    assert_eq!(receiver.feed(&bytes, LATER), Err(PacketError::CutOff));
    assert_eq!(receiver.last_heard(), None);
    assert_eq!(receiver.session(), None);
    assert_eq!(feed(&mut receiver, &packet(session(1), 1..3)).0, [1, 2]);
    assert_eq!(receiver.last_heard(), Some(Nanos(0)));
}

/// A subscriber that never comes back must not grow.
#[test]
fn what_is_held_is_bounded() {
    let (mut receiver, session) = (Receiver::new(1), session(1));
    feed(&mut receiver, &packet(session, 2..3));
    told(&mut receiver, LATER);
    let last = 70_000;
    for number in 3..last {
        receiver
            .feed(&packet(session, number..number + 1), LATER)
            .unwrap();
    }
    receiver.resume(3, LATER);
    let later = Nanos(LATER.0 * 2);
    let oldest = last - 65_536;
    let gap = Event::Gap {
        from: 3,
        to: oldest,
    };
    assert_eq!(told(&mut receiver, later), (vec![], vec![gap]));
    receiver.resume(oldest, later);
    assert_eq!(told(&mut receiver, later).0.len(), 65_536);
}
