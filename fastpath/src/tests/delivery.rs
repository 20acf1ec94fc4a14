//! Every report leaves, once and in order, whatever the port does.

use super::rig::{Client, JOURNAL_WORDS, Rig, order, refusals, reports, resting};
use crate::supervisor::block_of;
use domain::{MAX_FILLS, Side};
use nic::inproc::Faults;
use shm::{FastWriter, TileState, Word};
use tile::Tile as _;
use topology::TileKind;
use topology::instruments::out as counter;
use wire::order_entry::ResendRequest;

const FULL: Faults = Faults {
    full_ppm: 1_000_000,
    ..Faults::NONE
};

/// Two makers whose orders alternate: each fill of a sweep is a datagram of its own.
fn alternating(rig: &mut Rig, orders: u64) -> (Client, Client) {
    let (mut one, mut two) = (rig.client(1), rig.client(2));
    for number in 1..=orders {
        for client in [&mut one, &mut two] {
            client.send(number, &[resting(number)]);
            rig.settle();
            assert_eq!(reports(&client.receive()).len(), 1);
        }
    }
    (one, two)
}

fn numbers(reports: &[(u64, Vec<u8>)]) -> Vec<u64> {
    reports.iter().map(|report| report.0).collect()
}

#[test]
fn a_sweep_over_several_frames_arrives_whole() {
    let mut rig = Rig::new();
    let makers = 3 * MAX_FILLS as u64 + 5;
    let mut maker = rig.client(1);
    for number in 1..=makers {
        maker.send(number, &[resting(number)]);
        rig.settle();
    }
    maker.receive();
    let mut taker = rig.client(2);
    let head = rig.head();
    taker.send(1, &[order(1, Side::Sell, 1, makers)]);
    rig.settle();
    assert_eq!(rig.head(), head + 4, "an order and three Continues");
    let received = numbers(&reports(&taker.receive()));
    assert_eq!(received, Vec::from_iter(1..=1 + makers));
    let received = numbers(&reports(&maker.receive()));
    assert_eq!(received, Vec::from_iter(makers + 1..=2 * makers));
    rig.check_engine();
    assert_eq!(rig.engine().live_orders(), 0);
}

#[test]
fn a_port_that_is_full_within_a_frame_loses_nothing() {
    let mut rig = Rig::new();
    let (mut one, mut two) = alternating(&mut rig, 16);
    let mut taker = rig.client(3);
    let before = rig.head();
    rig.network.set_faults(FULL);
    // Each fill is reported to its maker and to the taker in turn: more datagrams than slots.
    taker.send(1, &[order(1, Side::Sell, 1, 32)]);
    for number in 17..=40 {
        one.send(number, &[resting(number)]);
        rig.turn();
    }
    rig.turn();
    rig.tiles.out.housekeep(0);
    assert!(rig.count(TileKind::Out, counter::port_full) > 0);
    assert_eq!(rig.tiles.out.sent, before, "stuck within the sweep's frame");
    assert!(one.receive().is_empty() && taker.receive().is_empty());
    rig.network.set_faults(Faults {
        full_ppm: 700_000,
        ..Faults::NONE
    });
    rig.settle();
    assert_eq!(rig.tiles.out.sent, rig.head());
    for (client, first) in [(&mut one, 17), (&mut two, 17), (&mut taker, 1)] {
        let received = client.receive();
        let place = client.session;
        let next = rig.engine().session(place).unwrap().next_report_no;
        let sequence = numbers(&reports(&received));
        assert_eq!(sequence, Vec::from_iter(first..next), "session {place:?}");
        assert!(received.iter().all(|r| !r.context.is_retransmission()));
    }
}

#[test]
fn a_report_of_a_frame_that_is_half_sent_is_never_said_to_be_lost() {
    let mut rig = Rig::new();
    let (mut one, _two) = alternating(&mut rig, 16);
    let mut taker = rig.client(3);
    rig.network.set_faults(Faults {
        full_ppm: 970_000,
        ..Faults::NONE
    });
    // Each fill is reported to its maker and to the taker in turn: more datagrams than slots.
    taker.send(1, &[order(1, Side::Sell, 1, 32)]);
    rig.turn();
    let (mut half_sent, mut received) = (0, Vec::new());
    while rig.tiles.out.sent < rig.head() {
        half_sent += 1;
        let request = ResendRequest {
            from_report_no: 17,
            count: 1,
            reserved: 0,
        };
        one.send(17, &[request]);
        // The number of its own message is asked for as well.
        taker.send(1, &[order(1, Side::Sell, 1, 32)]);
        rig.turn();
        received.extend(one.receive());
        received.extend(taker.receive());
    }
    assert!(half_sent > 3, "half sent for {half_sent} turns");
    assert_eq!(refusals(&received), []);
    rig.network.set_faults(Faults::NONE);
    rig.settle();
    received.extend(one.receive());
    assert_eq!(refusals(&received), []);
    let again = received
        .iter()
        .filter(|r| r.context.session_id == one.session && r.context.is_retransmission());
    for datagram in again {
        assert_eq!(numbers(&reports(std::slice::from_ref(datagram))), [17]);
    }
}

#[test]
fn a_restarted_out_tile_repeats_identical_reports_from_its_progress_word() {
    let mut rig = Rig::new();
    let (mut one, mut two) = alternating(&mut rig, 3);
    let progress = rig.head();
    two.send(4, &[order(4, Side::Sell, 1, 2), resting(5)]);
    one.send(4, &[resting(4)]);
    rig.settle();
    let first = [reports(&one.receive()), reports(&two.receive())];
    assert!(first.iter().all(|reports| reports.len() > 1));
    let mut rig = rig.restart(|regions| {
        // It died after the datagrams had left and before its progress word said so.
        FastWriter::new(regions.fast.clone())
            .unwrap()
            .set_out_seq(progress);
    });
    rig.settle();
    let again = [reports(&one.receive()), reports(&two.receive())];
    assert_eq!(first, again);
    assert_eq!(rig.tiles.out.sent, rig.head());
    one.send(5, &[resting(5)]);
    rig.settle();
    let next = reports(&one.receive());
    assert_eq!(next[0].0, first[0].last().unwrap().0 + 1, "numbers go on");
}

#[test]
fn damaged_memory_stops_the_out_tile_with_an_alarm() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    client.send(1, &[resting(1)]);
    rig.settle();
    assert_eq!(numbers(&reports(&client.receive())), [1]);
    let told = rig.head();
    // The first word of the next frame becomes one that no writer writes.
    client.send(2, &[resting(2)]);
    rig.tiles.net.poll();
    let words: Vec<u64> = rig.regions.journal.words().iter().map(Word::get).collect();
    rig.tiles.matching.poll();
    let memory = rig.regions.journal.words();
    let data = memory.len() - JOURNAL_WORDS;
    let commit = (data..memory.len()).find(|&at| memory[at].get() != words[at]);
    memory[commit.unwrap()].set(u64::MAX);
    client.send(3, &[resting(3)]);
    rig.settle();
    assert_eq!(client.receive(), [], "neither old reports nor new ones");
    let fast = FastWriter::new(rig.regions.fast.clone()).unwrap();
    assert_eq!(fast.view().out_seq(), told, "progress stays");
    assert_eq!(rig.count(TileKind::Out, counter::corrupt), 1, "once");
    assert_eq!(rig.count(TileKind::Out, counter::lapped), 0);
    let out = fast.view().tile(block_of(TileKind::Out)).unwrap();
    assert_eq!(out.state, Some(TileState::Fail));
    assert!(rig.tiles.out.stop(), "a stop does not wait for it");
}

/// The commit word is as it was: only the frame's CRC tells.
#[test]
fn a_frame_with_a_flipped_bit_stops_the_out_tile_too() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    rig.settle();
    let told = rig.head();
    client.send(1, &[resting(1)]);
    rig.tiles.net.poll();
    rig.tiles.matching.poll();
    flip_bit_of_last_frame(&rig);
    rig.settle();
    assert_eq!(client.receive(), []);
    let fast = FastWriter::new(rig.regions.fast.clone()).unwrap();
    assert_eq!(fast.view().out_seq(), told, "progress stays");
    assert_eq!(rig.count(TileKind::Out, counter::corrupt), 1, "once");
    let out = fast.view().tile(block_of(TileKind::Out)).unwrap();
    assert_eq!(out.state, Some(TileState::Fail));
    assert!(rig.tiles.out.stop(), "a stop does not wait for it");
}

/// Whoever asks again is told that it is gone, as often as it asks, and everything else goes on.
#[test]
fn a_flipped_bit_in_an_old_frame_costs_only_its_reports() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    client.send(1, &[resting(1)]);
    rig.settle();
    assert_eq!(numbers(&reports(&client.receive())), [1]);
    flip_bit_of_last_frame(&rig);
    let request = ResendRequest {
        from_report_no: 1,
        count: 1,
        reserved: 0,
    };
    let gone = [(domain::Reason::NoLongerInMemory, 1, 1)];
    for asked in 1..=2 {
        client.send(1, &[resting(1)]);
        rig.settle();
        assert_eq!(refusals(&client.receive()), gone, "a duplicate");
        client.send(1, &[request]);
        rig.settle();
        assert_eq!(refusals(&client.receive()), gone, "a resend");
        assert_eq!(rig.count(TileKind::Out, counter::corrupt), 2 * asked);
    }
    client.send(2, &[resting(2)]);
    rig.settle();
    assert_eq!(numbers(&reports(&client.receive())), [2]);
    let fast = FastWriter::new(rig.regions.fast.clone()).unwrap();
    let out = fast.view().tile(block_of(TileKind::Out)).unwrap();
    assert_ne!(out.state, Some(TileState::Fail));
}

/// In the last word of the journal that is not 0.
fn flip_bit_of_last_frame(rig: &Rig) {
    let memory = rig.regions.journal.words();
    let data = memory.len() - JOURNAL_WORDS;
    let last = (data..memory.len()).rfind(|&at| memory[at].get() != 0);
    let word = &memory[last.unwrap()];
    word.set(word.get() ^ 1 << 3);
}

#[test]
fn reports_of_a_session_without_an_address_are_counted_and_kept() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    client.send(1, &[resting(1)]);
    rig.settle();
    FastWriter::new(rig.regions.fast.clone())
        .unwrap()
        .set_peer(1, 0);
    let mut taker = rig.client(2);
    taker.send(1, &[order(1, Side::Sell, 1, 1)]);
    rig.settle();
    assert_eq!(rig.count(TileKind::Out, counter::unreachable), 1);
    assert_eq!(reports(&taker.receive()).len(), 2, "others get theirs");
    client.receive();
    let mut client = rig.client(1);
    let request = ResendRequest {
        from_report_no: 2,
        count: 1,
        reserved: 0,
    };
    client.send(1, &[request]);
    rig.settle();
    assert_eq!(numbers(&reports(&client.receive())), [2]);
}
