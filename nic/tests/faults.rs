//! The network in memory does what its faults say, the same for the same seed, and nothing else.
#![expect(
    clippy::unwrap_used,
    reason = "a set-up that fails is a test that fails"
)]

use nic::inproc::{Faults, Network, NetworkStats};
use nic::{Peer, Receive, Transmit};

const HERE: Peer = Peer {
    ip: [10, 0, 0, 1],
    port: 7,
};

/// Sends the numbers 0..count to one port and returns what arrives, in order.
fn run(seed: u64, faults: Faults, count: u32) -> (Vec<u32>, NetworkStats) {
    let network = Network::new(seed, faults);
    let (mut rx, mut tx) = network.open(HERE).unwrap();
    let mut got = Vec::new();
    let mut drain = |rx: &mut nic::inproc::InprocRx| {
        rx.receive(32, &mut |datagram| {
            got.push(u32::from_le_bytes(datagram.payload.try_into().unwrap()));
        })
    };
    for number in 0..count {
        let mut slot = tx.reserve().unwrap();
        slot.payload()[..4].copy_from_slice(&number.to_le_bytes());
        slot.commit(4, HERE);
        if number % 16 == 15 {
            tx.flush();
            drain(&mut rx);
        }
    }
    tx.flush();
    let mut empty = 0;
    while empty < 2 {
        empty = if drain(&mut rx) == 0 { empty + 1 } else { 0 };
    }
    (got, network.stats())
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let faults = Faults {
        loss_ppm: 100_000,
        duplicate_ppm: 100_000,
        delay_ppm: 100_000,
        delay_span: 5,
        full_ppm: 0,
    };
    assert_eq!(run(3, faults, 1_000), run(3, faults, 1_000));
    assert_ne!(run(3, faults, 1_000).0, run(4, faults, 1_000).0);
}

#[test]
fn loss_loses_and_nothing_else() {
    let faults = Faults {
        loss_ppm: 250_000,
        ..Faults::NONE
    };
    let (got, stats) = run(1, faults, 4_000);
    assert!(got.is_sorted());
    assert_eq!(got.len() as u64 + stats.lost, 4_000);
    assert!(
        (800..1_200).contains(&stats.lost),
        "about a quarter: {}",
        stats.lost
    );
}

#[test]
fn duplication_repeats_and_nothing_else() {
    let faults = Faults {
        duplicate_ppm: 250_000,
        ..Faults::NONE
    };
    let (mut got, stats) = run(1, faults, 4_000);
    assert_eq!(got.len() as u64, 4_000 + stats.duplicated);
    assert!((800..1_200).contains(&stats.duplicated));
    assert!(got.is_sorted());
    got.dedup();
    assert_eq!(got, (0..4_000).collect::<Vec<_>>());
}

#[test]
fn delay_reorders_within_its_span_and_loses_nothing() {
    let faults = Faults {
        delay_ppm: 250_000,
        delay_span: 4,
        ..Faults::NONE
    };
    let (mut got, stats) = run(1, faults, 4_000);
    assert!((800..1_200).contains(&stats.delayed));
    assert!(!got.is_sorted());
    got.sort_unstable();
    assert_eq!(got, (0..4_000).collect::<Vec<_>>());
}

#[test]
fn a_full_inbox_loses_and_says_so() {
    let network = Network::new(1, Faults::NONE);
    let (mut rx, _tx) = network.open(HERE).unwrap();
    for _ in 0..nic::inproc::INBOX + 5 {
        network.inject(HERE, HERE, b"x");
    }
    assert_eq!(rx.stats().no_buffer, 5);
    assert_eq!(network.stats().overflowed, 5);
    let mut count = 0;
    while rx.receive(32, &mut |_| count += 1) > 0 {}
    assert_eq!(count, nic::inproc::INBOX);
}

#[test]
fn a_callback_may_transmit() {
    let (_network, (mut rx, mut tx), (mut rx_other, mut tx_other)) = nic::inproc::pair();
    let other = rx_other.local();
    tx.reserve().unwrap().commit(3, other);
    tx.flush();
    rx_other.receive(1, &mut |datagram| {
        tx_other
            .reserve()
            .unwrap()
            .commit(datagram.payload.len(), datagram.peer);
        tx_other.flush();
    });
    assert_eq!(
        rx.receive(1, &mut |datagram| assert_eq!(datagram.peer, other)),
        1
    );
}

#[test]
fn a_delayed_datagram_that_nothing_overtakes_still_comes() {
    let faults = Faults {
        delay_ppm: 1_000_000,
        delay_span: 1,
        ..Faults::NONE
    };
    let network = Network::new(1, faults);
    let (mut rx, _tx) = network.open(HERE).unwrap();
    network.inject(HERE, HERE, b"late");
    assert_eq!(rx.receive(1, &mut |_| panic!("it is held back")), 0);
    assert_eq!(
        rx.receive(1, &mut |datagram| assert_eq!(datagram.payload, b"late")),
        1
    );
}
