//! Clocks that step: the engine's time, which they may not carry back, and who is taken for dead, which they
//! are nothing to.

use super::rig::{Rig, order};
use super::slow_region::{push, ring};
use domain::{AccountId, Amount, AssetId, Command, Deposit, Phase, Side, Source};
use journal::Frame;
use shm::{LogReader, MAX_FRAME_WORDS, Read, heartbeat};
use tile::{Clock, Tile as _};
use topology::Ack;

const SECOND: u64 = 1_000_000_000;
const YEAR: u64 = 31_536_000 * SECOND;

/// What every frame of memory says: receive time and engine time, by seq.
fn times(rig: &Rig) -> Vec<(u64, u64)> {
    let mut reader = LogReader::new(rig.regions.journal.clone(), 1).unwrap();
    let mut buffer = Box::new([0; MAX_FRAME_WORDS]);
    let mut times = Vec::new();
    while let Read::Frame(words) = reader.poll(&mut buffer) {
        let header = Frame::parse(&buffer[..words]).unwrap().header;
        times.push((header.receive_time.0, header.engine_time.0));
    }
    times
}

/// The engine time of the last frame.
fn last(rig: &Rig) -> u64 {
    times(rig).last().unwrap().1
}

/// A command that carries no time of ours, sequenced when the match tile's clock shows `now`.
fn deposit_at(rig: &mut Rig, now: u64) {
    let deposit = Command::Deposit(Deposit {
        account: AccountId(1),
        asset: AssetId(0),
        amount: Amount(1),
    });
    let (source, head) = (Source::DEPOSITS, rig.head());
    let number = rig.engine().last_number(source) + 1;
    assert!(push(&mut ring(rig), source, number, deposit));
    while rig.tiles.matching.turn(now) > 0 {}
    assert!(rig.head() > head);
}

/// Set back while the exchange was down: engine time goes on from where it was, at the clock's rate.
#[test]
fn a_clock_that_was_set_back_carries_the_engine_nowhere() {
    let mut rig = Rig::new();
    let now = Clock::now() + YEAR;
    deposit_at(&mut rig, now);
    let before = last(&rig);
    assert_eq!(before, now);
    for back in [3 * SECOND, YEAR / 12] {
        let clock = now - back;
        let resumed = last(&rig);
        rig = rig.restart_under(&|| clock, |_| {});
        assert_eq!(rig.tiles.matching.sequencer.ahead(), resumed - clock);
        deposit_at(&mut rig, clock + SECOND);
        assert_eq!(last(&rig), resumed + SECOND);
    }
    // While it runs the clock does not go back; if it did, time would stand.
    let at = last(&rig);
    deposit_at(&mut rig, now - YEAR / 2);
    assert_eq!(last(&rig), at);
    assert!(times(&rig).is_sorted_by_key(|(_, engine)| *engine));
}

/// One start under a clock that is a year ahead: engine time jumps and stays ahead, and what is timed in it
/// goes on being timed.
#[test]
fn a_clock_that_was_ahead_once_leaves_the_engine_ahead() {
    let mut rig = Rig::new();
    let now = Clock::now();
    deposit_at(&mut rig, now);
    let mut rig = rig.restart_under(&|| now + YEAR, |_| {});
    assert_eq!(last(&rig), now + YEAR);
    assert_eq!(rig.tiles.matching.sequencer.ahead(), 0);
    deposit_at(&mut rig, now + YEAR + SECOND);
    // Set right.
    let mut rig = rig.restart_under(&|| now + 2 * SECOND, |_| {});
    assert_eq!(rig.tiles.matching.sequencer.ahead(), YEAR - SECOND);
    let grace = rig.config.engine.recovery_grace_ms * 1_000_000;
    assert!(grace > SECOND && rig.engine().phase() == Phase::CancelOnly);
    deposit_at(&mut rig, now + 2 * SECOND + grace - 1);
    assert_eq!(rig.engine().phase(), Phase::CancelOnly);
    deposit_at(&mut rig, now + 2 * SECOND + grace);
    assert_eq!(rig.engine().phase(), Phase::Open);
    assert!(times(&rig).is_sorted_by_key(|(_, engine)| *engine));
}

/// The match tile looks at the clock, then net does, then the match tile reads the ring.
#[test]
fn nothing_is_sequenced_before_it_was_received() {
    let mut rig = Rig::new();
    let client = rig.client(1);
    let looked = Clock::now();
    for number in 1..=20 {
        client.send(number, &[order(number, Side::Buy, 50, 1)]);
        rig.tiles.net.poll();
    }
    let before = rig.head();
    rig.tiles.matching.turn(looked);
    let times = times(&rig);
    assert_eq!(rig.head(), before + 20);
    let received = &times[usize::try_from(before).unwrap()..];
    for (receive, engine) in received {
        assert!(receive > &looked && engine >= receive, "{receive} {engine}");
    }
}

/// A deadline that falls between that look and the request comes first all the same.
#[test]
fn what_is_due_before_a_request_comes_before_it() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    let now = Clock::now();
    let grace = rig.config.engine.recovery_grace_ms * 1_000_000;
    let mut rig = rig.restart_under(&|| now - grace, |_| {});
    let due = rig.engine().next_deadline().unwrap().0 - rig.tiles.matching.sequencer.ahead();
    while Clock::now() <= due {
        std::thread::yield_now();
    }
    client.send(1, &[order(1, Side::Buy, 50, 1)]);
    rig.tiles.net.poll();
    let head = rig.head();
    assert_eq!(
        rig.tiles.matching.turn(due - 1),
        0,
        "the timer is owed first"
    );
    assert_eq!(rig.head(), head);
    rig.settle();
    assert_eq!(rig.engine().phase(), Phase::Open);
    let answers = super::rig::messages(&client.receive());
    assert!(
        matches!(answers[..], [wire::order_entry::Message::OrderAccepted(_)]),
        "{answers:?}"
    );
}

/// A stop in durable mode waits for a slowpath that lives. Both sides beat in time since boot, in which a
/// step of the system's time does not show; UTC would be half a century of silence.
#[test]
fn a_slowpath_that_beats_is_not_given_up() {
    let rig = Rig::with(1 << 18, |config| config.instance.ack = Ack::Durable);
    let out = &rig.tiles.out;
    assert!(out.is_alone(), "it never beat");
    let now = shm::since_boot();
    rig.slow.heartbeat().beat(now);
    assert!(!out.is_alone());
    rig.slow
        .heartbeat()
        .beat(now.saturating_sub(2 * heartbeat::SILENCE));
    assert!(out.is_alone());
}
