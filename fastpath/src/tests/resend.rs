//! The exchange's numbers: what a client missed, it asks for.

use super::rig::{Client, Received, Rig, refusals, reports, resting};
use domain::{Reason, Side};
use std::net::SocketAddrV4;
use topology::TileKind;
use topology::instruments::out as counter;
use wire::order_entry::{Message, ResendRequest};

fn ask(rig: &mut Rig, client: &mut Client, from: u64, count: u32) -> Vec<Received> {
    let request = ResendRequest {
        from_report_no: from,
        count,
        reserved: 0,
    };
    client.send(1, &[request]);
    rig.settle();
    client.receive()
}

/// A client with `count` reports, and those reports.
fn with_reports(rig: &mut Rig, count: u64) -> (Client, Vec<(u64, Vec<u8>)>) {
    let mut client = rig.client(1);
    let mut first = Vec::new();
    for number in 1..=count {
        client.send(number, &[resting(number)]);
        if number % 8 == 0 || number == count {
            rig.settle();
            first.extend(reports(&client.receive()));
        }
    }
    assert_eq!(first.len() as u64, count);
    (client, first)
}

#[test]
fn any_range_comes_again_as_it_was() {
    let mut rig = Rig::new();
    let (mut client, first) = with_reports(&mut rig, 20);
    for (from, count, expected) in [
        (1, 20, 0..20),
        (7, 3, 6..9),
        (20, 1, 19..20),
        (15, 100, 14..20),
        (3, u32::MAX, 2..20),
        (5, 0, 4..5),
    ] {
        let received = ask(&mut rig, &mut client, from, count);
        assert_eq!(
            reports(&received),
            first[expected],
            "from {from}, {count} of them"
        );
        assert!(received.iter().all(|r| r.context.is_retransmission()));
        assert_eq!(refusals(&received), []);
    }
}

#[test]
fn a_range_may_begin_and_end_within_a_frame() {
    let mut rig = Rig::new();
    let (mut maker, _) = with_reports(&mut rig, 5);
    let mut taker = rig.client(2);
    // One frame: accepted and five fills for the taker, a fill for the maker in between.
    taker.send(1, &[super::rig::order(1, Side::Sell, 1, 5)]);
    rig.settle();
    let first = reports(&taker.receive());
    assert_eq!(first.len(), 6);
    let received = ask(&mut rig, &mut taker, 3, 2);
    assert_eq!(reports(&received), first[2..4]);
    let fills = reports(&maker.receive());
    assert_eq!(fills.len(), 5);
    let received = ask(&mut rig, &mut maker, 7, 3);
    assert_eq!(reports(&received), fills[1..4]);
}

#[test]
fn what_was_never_issued_is_refused() {
    let mut rig = Rig::new();
    let (mut client, _) = with_reports(&mut rig, 3);
    for (from, count) in [(0, 1), (0, u32::MAX), (4, 1), (u64::MAX, u32::MAX)] {
        let received = ask(&mut rig, &mut client, from, count);
        let expected = (Reason::NotIssued, from, u64::from(count));
        assert_eq!(refusals(&received), [expected]);
        assert_eq!(reports(&received), []);
    }
}

#[test]
fn one_request_brings_a_bounded_number() {
    let mut rig = Rig::new();
    let (mut client, first) = with_reports(&mut rig, 200);
    let received = ask(&mut rig, &mut client, 1, u32::MAX);
    let limit = reports(&received).len();
    assert!(limit < 200, "{limit} at once");
    let mut all = reports(&received);
    while all.len() < first.len() {
        let received = ask(&mut rig, &mut client, 1 + all.len() as u64, u32::MAX);
        let more = reports(&received);
        assert!((1..=limit).contains(&more.len()));
        all.extend(more);
    }
    assert!(all == first, "what comes again differs");
}

#[test]
fn what_left_the_memory_is_at_the_replay_address() {
    let replay: SocketAddrV4 = "10.0.0.9:7500".parse().unwrap();
    let mut rig = Rig::with(4096, |config| config.slowpath.replay = Some(replay));
    let mut client = rig.client(1);
    let mut first = Vec::new();
    for number in 1..=400 {
        client.send(number, &[resting(number)]);
        rig.settle();
        rig.slow.set_durable_seq(rig.head());
        first.extend(reports(&client.receive()));
    }
    assert_eq!(first.len(), 400);
    let received = ask(&mut rig, &mut client, 1, 3);
    assert_eq!(refusals(&received), [(Reason::NoLongerInMemory, 1, 3)]);
    let Message::Refused(refused) = received[0].messages[0] else {
        panic!("{received:?}");
    };
    assert_eq!(refused.replay(), Some(replay));
    assert_eq!(refused.refused_template_id, 6);
    let received = ask(&mut rig, &mut client, 399, 2);
    assert_eq!(reports(&received), first[398..]);
    // Its own messages' outcomes as well.
    client.send(1, &[resting(1)]);
    rig.settle();
    let received = client.receive();
    assert_eq!(refusals(&received), [(Reason::NoLongerInMemory, 1, 1)]);
    assert!(rig.count(TileKind::Out, counter::resent_frames) > 0);
}

#[test]
fn after_a_restart_the_window_is_that_of_the_memory() {
    let mut rig = Rig::new();
    let (mut client, first) = with_reports(&mut rig, 10);
    let mut rig = rig.restart(|_| {});
    let received = ask(&mut rig, &mut client, 1, 10);
    assert_eq!(reports(&received), first);
}

#[test]
fn an_entry_so_old_that_it_names_another_frame_finds_nothing() {
    let mut rig = Rig::new();
    let (mut client, _) = with_reports(&mut rig, 3);
    let other = rig.client(2);
    for number in 1..=2 {
        // Trades with the first client's orders, so its reports stand in these frames too.
        other.send(number, &[super::rig::order(number, Side::Sell, 1, 1)]);
        rig.settle();
    }
    client.receive();
    let head = rig.head();
    let windows = &mut rig.tiles.out.windows;
    // As 2^32 frames later: the low halves are those of recent frames, of another session's order and
    // of its own third.
    windows.number(client.session, 1, head - 1);
    windows.number(client.session, 2, head - 2);
    windows.report(client.session, 1, head - 1);
    windows.report(client.session, 4, head);
    for number in [1, 2] {
        client.send(number, &[resting(number)]);
        rig.settle();
        let received = client.receive();
        assert_eq!(reports(&received), []);
        let expected = (Reason::NoLongerInMemory, number, 1);
        assert_eq!(refusals(&received), [expected]);
    }
    for (from, count) in [(1, 1), (4, 2)] {
        let received = ask(&mut rig, &mut client, from, count);
        assert_eq!(reports(&received), []);
        let expected = (Reason::NoLongerInMemory, from, u64::from(count));
        assert_eq!(refusals(&received), [expected]);
    }
}

#[test]
fn an_outcome_costs_a_frame_of_the_turns_budget() {
    let mut rig = Rig::new();
    let (mut client, _) = with_reports(&mut rig, 3);
    rig.turn();
    let whole = rig.tiles.out.resend_budget;
    for number in 1..=3 {
        client.send(number, &[resting(number)]);
    }
    rig.turn();
    assert_eq!(reports(&client.receive()).len(), 3);
    assert_eq!(rig.tiles.out.resend_budget, whole - 3);
    assert_eq!(rig.count(TileKind::Out, counter::resent_frames), 3);
}
