//! What a receiver asks the re-request server, and when. That everything comes in the end is tested with the server
//! itself, in `slowpath/replay`.

use crate::exchange::session;
use client::feed::{Event, Receiver};
use domain::{Nanos, OrderId};
use std::ops::Range;
use wire::market_data::{BookDelete, Message, PacketWriter, SessionName};

const MS: u64 = 1_000_000;

fn feed(receiver: &mut Receiver, session: SessionName, numbers: Range<u64>, now: u64) {
    let mut writer = PacketWriter::new(session, numbers.start);
    for number in numbers {
        if writer.count() == 20 {
            receiver.feed(writer.finish(), Nanos(now)).unwrap();
            writer.restart(number);
        }
        let order_id = OrderId(number);
        let message = Message::BookDelete(BookDelete {
            order_id,
            ..BookDelete::default()
        });
        writer.push(&message).unwrap();
    }
    receiver.feed(writer.finish(), Nanos(now)).unwrap();
}

/// What it asks at this time: first numbers and counts.
fn asked(receiver: &mut Receiver, now: u64) -> Vec<(u64, u16)> {
    let mut asked = Vec::new();
    while let Some(request) = receiver.poll_request(Nanos(now)) {
        assert_eq!(Some(request.session), receiver.session());
        asked.push((request.first, request.count));
    }
    asked
}

/// The events that are told at this time, messages by their count.
fn told(receiver: &mut Receiver, now: u64) -> (usize, Vec<Event>) {
    let (mut count, mut others) = (0, Vec::new());
    while let Some(event) = receiver.poll_event(Nanos(now)) {
        if matches!(event, Event::Message { .. }) {
            count += 1;
        } else {
            others.push(event);
        }
    }
    (count, others)
}

#[test]
fn only_what_is_missing_is_asked_for_and_not_at_once() {
    let mut receiver = Receiver::asking(1);
    assert_eq!(receiver.next_timeout(), None);
    feed(&mut receiver, session(1), 5..7, 0);
    feed(&mut receiver, session(1), 9..10, 0);
    feed(&mut receiver, session(1), 12..12, 0);
    assert_eq!(asked(&mut receiver, 5 * MS - 1), []);
    assert_eq!(receiver.next_timeout(), Some(Nanos(5 * MS)));
    let holes = [(1, 4), (7, 2), (10, 2)];
    assert_eq!(asked(&mut receiver, 5 * MS), holes);
    assert_eq!(asked(&mut receiver, 5 * MS), [], "it waits for the answer");
    assert_eq!(receiver.next_timeout(), Some(Nanos(25 * MS)));
    // A part of the answer: what is still missing is asked again, a while after that.
    feed(&mut receiver, session(1), 1..3, 20 * MS);
    assert_eq!(asked(&mut receiver, 40 * MS - 1), []);
    let holes = [(3, 2), (7, 2), (10, 2)];
    assert_eq!(asked(&mut receiver, 40 * MS), holes);
    feed(&mut receiver, session(1), 3..12, 41 * MS);
    assert_eq!(told(&mut receiver, 41 * MS), (11, vec![]));
    assert_eq!(receiver.next_timeout(), None);
    // The next hole is new: it may be late.
    feed(&mut receiver, session(1), 13..14, 50 * MS);
    assert_eq!(asked(&mut receiver, 54 * MS), []);
    feed(&mut receiver, session(1), 12..13, 54 * MS);
    assert_eq!(told(&mut receiver, 54 * MS), (2, vec![]));
}

#[test]
fn a_long_history_is_asked_for_piece_by_piece() {
    let mut receiver = Receiver::asking(1);
    feed(&mut receiver, session(1), 10_001..10_002, 0);
    let pieces = |first: u64| [0, 1, 2, 3].map(|n| (first + 1024 * n, 1024));
    assert_eq!(asked(&mut receiver, 5 * MS), pieces(1));
    feed(&mut receiver, session(1), 1..4097, 6 * MS);
    assert_eq!(asked(&mut receiver, 6 * MS), pieces(4097), "all came");
    feed(&mut receiver, session(1), 4097..8193, 7 * MS);
    let rest = [(8193, 1024), (9217, 784)];
    assert_eq!(asked(&mut receiver, 7 * MS), rest);
    feed(&mut receiver, session(1), 8193..10_001, 8 * MS);
    assert_eq!(told(&mut receiver, 8 * MS), (10_001, vec![]));
}

#[test]
fn what_is_held_meanwhile_is_bounded_and_asked_for_again() {
    let mut receiver = Receiver::asking(1);
    let last = 80_000;
    feed(&mut receiver, session(1), 2..last, 0);
    feed(&mut receiver, session(1), 1..2, 0);
    assert_eq!(told(&mut receiver, 0), (65_536, vec![]));
    let [(first, 1024), ..] = asked(&mut receiver, 5 * MS)[..] else {
        panic!("the last ones were let go")
    };
    assert_eq!(first, 65_537);
}

#[test]
fn nothing_is_asked_while_the_subscriber_has_not_said_how_to_go_on() {
    let mut receiver = Receiver::asking(1);
    feed(&mut receiver, session(1), 1..5, 0);
    told(&mut receiver, 0);
    feed(&mut receiver, session(2), 4..6, 0);
    assert_eq!(asked(&mut receiver, 100 * MS), []);
    let (_, others) = told(&mut receiver, 100 * MS);
    assert!(matches!(others[..], [Event::NewSession { .. }]));
    // All of the new session.
    receiver.resume(1, Nanos(100 * MS));
    assert_eq!(asked(&mut receiver, 105 * MS), [(1, 3)]);
    feed(&mut receiver, session(2), 1..4, 106 * MS);
    assert_eq!(told(&mut receiver, 106 * MS), (5, vec![]));
}

#[test]
fn one_that_does_not_ask_gives_up_as_ever() {
    let mut receiver = Receiver::new(1);
    feed(&mut receiver, session(1), 5..7, 0);
    assert_eq!(asked(&mut receiver, 49 * MS), []);
    let gap = Event::Gap { from: 1, to: 5 };
    assert_eq!(told(&mut receiver, 50 * MS), (0, vec![gap]));
}
