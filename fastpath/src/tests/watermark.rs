//! What waits for the slowpath: room in the journal, and reports in `ack = "durable"`.

use super::rig::{Client, Rig, refusals, reports, resting};
use crate::boot::recover;
use domain::Reason;
use shm::LogReader;
use tile::{Clock, Tile as _};
use topology::instruments::matching as counter;
use topology::{Ack, TileKind};

/// Journal memory for two of the largest frames.
const SMALL: usize = 4096;

/// Sends order after order, until one is refused; its number.
fn send_until_busy(rig: &mut Rig, client: &mut Client, from: u64) -> u64 {
    for number in from..from + 1_000 {
        client.send(number, &[resting(number)]);
        rig.settle();
        if refusals(&client.receive()).contains(&(Reason::Busy, number, 1)) {
            return number;
        }
    }
    panic!("the journal is never full");
}

#[test]
fn a_full_journal_is_busy_until_the_archiver_goes_on() {
    let mut rig = Rig::with(SMALL, |config| config.limits.net_ring = 4);
    let mut client = rig.client(1);
    let refused = send_until_busy(&mut rig, &mut client, 1);
    assert!(rig.count(TileKind::Match, counter::no_room) > 0);
    let head = rig.head();
    rig.settle();
    assert_eq!(rig.head(), head, "without room nothing is taken");
    rig.slow.set_durable_seq(head);
    rig.settle();
    assert_eq!(
        rig.head(),
        head + 4,
        "what was in the ring goes on, no more and no less"
    );
    assert_eq!(reports(&client.receive()).len(), 4);
    client.send(refused, &[resting(refused)]);
    rig.settle();
    let report = reports(&client.receive());
    assert_eq!(report.len(), 1, "the refused number is taken");
    assert_eq!(report[0].0, refused, "no report number is lost");
    // Round the memory several times.
    let mut next = refused + 1;
    for _ in 0..5 {
        next = send_until_busy(&mut rig, &mut client, next);
        rig.slow.set_durable_seq(rig.head());
        rig.settle();
        client.receive();
    }
    rig.check_engine();
    assert_eq!(rig.count(TileKind::Match, counter::gate_faults), 0);
}

#[test]
fn the_journal_waits_for_what_is_not_sent_as_well() {
    let mut rig = Rig::with(SMALL, |config| config.limits.net_ring = 4);
    let mut client = rig.client(1);
    let sent = rig.head();
    for number in 1..=200 {
        client.send(number, &[resting(number)]);
        rig.tiles.net.poll();
        rig.tiles.matching.poll();
        rig.slow.set_durable_seq(rig.head());
    }
    assert!(rig.count(TileKind::Match, counter::no_room) > 0);
    let log = rig.tiles.matching.sequencer.log();
    assert_eq!(log.gate_seq(), sent, "out has sent nothing since");
    rig.settle();
    let log = rig.tiles.matching.sequencer.log();
    assert!(log.gate_seq() > sent);
    let numbers: Vec<u64> = reports(&client.receive()).iter().map(|r| r.0).collect();
    assert!(numbers.len() > 4);
    assert!(numbers.iter().copied().eq(1..=numbers.len() as u64));
}

#[test]
fn with_durable_acks_nothing_leaves_before_it_is_durable() {
    let mut rig = Rig::with(1 << 18, |config| config.instance.ack = Ack::Durable);
    // Challenges and refusals are outside the sequence: they wait for nothing.
    let mut client = rig.client(1);
    client.send(1, &[resting(1)]);
    client.send(2, &[resting(2)]);
    rig.settle();
    let head = rig.head();
    assert_eq!(client.receive(), []);
    // Nor does a duplicate give away what is not durable.
    client.send(1, &[resting(1)]);
    client.heartbeat();
    rig.settle();
    let received = client.receive();
    assert_eq!(reports(&received), []);
    assert_eq!(received.len(), 1, "the heartbeat's answer");
    assert_eq!(received[0].context.next_seq_no, 1);
    rig.slow.set_durable_seq(head - 1);
    rig.settle();
    let received = reports(&client.receive());
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].0, 1);
    rig.slow.set_durable_seq(head);
    rig.settle();
    assert_eq!(reports(&client.receive()).len(), 1);
}

#[test]
fn a_frame_that_may_not_leave_is_not_even_read() {
    let mut rig = Rig::with(1 << 18, |config| config.instance.ack = Ack::Durable);
    let mut client = rig.client(1);
    rig.slow.set_durable_seq(rig.head());
    rig.settle();
    client.receive();
    client.send(1, &[resting(1)]);
    rig.settle();
    let out = &rig.tiles.out;
    assert_eq!(out.reader.next_seq(), rig.head(), "the order waits");
    assert!(out.current.is_none());
    rig.slow.set_durable_seq(rig.head());
    rig.settle();
    assert_eq!(reports(&client.receive()).len(), 1);
    assert_eq!(rig.tiles.out.reader.next_seq(), rig.head() + 1);
}

#[test]
fn impossible_progress_is_counted_and_not_believed() {
    let mut rig = Rig::new();
    let client = rig.client(1);
    client.send(1, &[resting(1)]);
    rig.settle();
    let head = rig.head();
    rig.slow.set_durable_seq(head + 1);
    rig.turn();
    assert_eq!(rig.count(TileKind::Match, counter::gate_faults), 1);
    assert_eq!(rig.tiles.matching.sequencer.log().gate_seq(), 0);
    rig.slow.set_durable_seq(head);
    rig.turn();
    assert_eq!(rig.tiles.matching.sequencer.log().gate_seq(), head);
    rig.slow.set_durable_seq(head - 1);
    rig.turn();
    assert_eq!(rig.count(TileKind::Match, counter::gate_faults), 2);
    assert_eq!(rig.tiles.matching.sequencer.log().gate_seq(), head);
}

/// Its frames are gone, and the word that they were durable is not: frames of other content will have their seqs.
#[test]
fn no_journal_begins_below_what_was_durable() {
    let mut rig = Rig::with(1 << 18, |config| config.instance.ack = Ack::Durable);
    let genesis = rig.head();
    let client = rig.client(1);
    for number in 1..=20 {
        client.send(number, &[resting(number)]);
    }
    rig.settle();
    let stale = rig.head();
    assert!(stale > genesis);
    rig.slow.set_durable_seq(stale);
    std::fs::remove_file(rig.config.epoch_file()).unwrap();
    rig.regions.continues = false;
    rig.regions.journal.wipe().unwrap();
    let refused = recover(&rig.config, &rig.regions, None, &Clock::now);
    let refusal = refused.err().expect("nothing is there").to_string();
    let says =
        format!("says that seq {stale} is durable, but archive and journal memory end with seq 0");
    assert!(refusal.contains(&says), "{refusal}");
    let log = LogReader::new(rig.regions.journal.clone(), 1).unwrap();
    assert_eq!(log.head(), 0, "nothing is journalled");

    // As after the file was removed. Behind the word that was stale the head passes without a report.
    rig.slow.set_durable_seq(0);
    let mut rig = rig.restart(|_| {});
    assert_eq!(rig.head(), genesis);
    let mut client = rig.client(1);
    for number in 1..=40 {
        client.send(number, &[resting(number)]);
        rig.settle();
    }
    assert!(rig.head() > stale);
    assert_eq!(reports(&client.receive()), []);
    rig.slow.set_durable_seq(rig.head());
    rig.settle();
    assert_eq!(reports(&client.receive()).len(), 40);
}

/// Memory that goes on ends below what was durable only if it, or the word, is not what it was.
#[test]
fn no_journal_goes_on_below_what_was_durable() {
    let rig = Rig::new();
    let head = rig.head();
    rig.slow.set_durable_seq(head + 1);
    let refused = recover(&rig.config, &rig.regions, None, &Clock::now);
    let refusal = refused.err().expect("it ends below").to_string();
    let says = format!("says that seq {} is durable, but", head + 1);
    assert!(refusal.contains(&says), "{refusal}");
    rig.slow.set_durable_seq(head);
    assert_eq!(rig.restart(|_| {}).head(), head + 1);
}
