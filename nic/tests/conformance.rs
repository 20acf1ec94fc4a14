//! One suite for all backends: what a port promises, whatever carries its datagrams.
#![expect(
    clippy::unwrap_used,
    reason = "a set-up that fails is a test that fails"
)]

use nic::inproc::{Faults, InprocRx, InprocTx, Network};
use nic::sockets::{self, Multicast, SocketsConfig, SocketsRx, SocketsTx};
use nic::{Datagram, MTU_PAYLOAD, Peer, Receive, Transmit};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

/// How a test reaches a backend.
trait Backend {
    type Rx: Receive + Send + 'static;
    type Tx: Transmit + Send + 'static;
    /// Transmit slots of every port.
    const SLOTS: usize;
    /// Opens a port at `local`, or at a free one if its port number is 0.
    fn open(&self, local: Peer) -> Result<(Self::Rx, Self::Tx), std::io::Error>;
    /// Sends bytes of any length from elsewhere.
    fn inject(&self, to: Peer, payload: &[u8]);
}

const ANY: Peer = Peer {
    ip: [127, 0, 0, 1],
    port: 0,
};

/// An address whose freed port numbers no test that runs beside this one can be given.
const ALONE: Peer = Peer {
    ip: [127, 7, 7, 7],
    port: 0,
};

struct Sockets;

impl Backend for Sockets {
    type Rx = SocketsRx;
    type Tx = SocketsTx;
    const SLOTS: usize = 32;

    fn open(&self, local: Peer) -> Result<(SocketsRx, SocketsTx), std::io::Error> {
        sockets::open(SocketsConfig {
            bind: local.into(),
            burst: Self::SLOTS,
            recv_buffer: 1 << 20,
            send_buffer: 1 << 20,
            busy_poll_us: None,
            multicast: None,
        })
    }

    fn inject(&self, to: Peer, payload: &[u8]) {
        let socket = UdpSocket::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.send_to(payload, SocketAddrV4::from(to)).unwrap();
    }
}

struct InProcess(Network);

impl Backend for InProcess {
    type Rx = InprocRx;
    type Tx = InprocTx;
    const SLOTS: usize = nic::inproc::BURST;

    fn open(&self, local: Peer) -> Result<(InprocRx, InprocTx), std::io::Error> {
        self.0.open(local)
    }

    fn inject(&self, to: Peer, payload: &[u8]) {
        let from = Peer { port: 9, ..ANY };
        self.0.inject(from, to, payload);
    }
}

fn send(tx: &mut impl Transmit, payload: &[u8], to: Peer) {
    let mut slot = tx.reserve().expect("there is a free slot");
    slot.payload()[..payload.len()].copy_from_slice(payload);
    slot.commit(payload.len(), to);
}

/// Receives `count` datagrams, or fails after a while.
fn collect(rx: &mut impl Receive, count: usize) -> Vec<(Vec<u8>, Peer)> {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut got = Vec::new();
    while got.len() < count {
        let lent = rx.receive(count - got.len(), &mut |datagram: Datagram<'_>| {
            got.push((datagram.payload.to_vec(), datagram.peer));
        });
        if lent == 0 {
            assert!(
                Instant::now() < deadline,
                "{} of {count} datagrams came",
                got.len()
            );
            thread::yield_now();
        }
    }
    got
}

fn delivers_payload_and_peer(backend: &impl Backend) {
    let (mut rx_a, mut tx_a) = backend.open(ANY).unwrap();
    let (mut rx_b, mut tx_b) = backend.open(ANY).unwrap();
    let (a, b) = (rx_a.local(), rx_b.local());
    assert!(a != b && a.port != 0 && b.port != 0);

    let longest: Vec<u8> = (0..MTU_PAYLOAD).map(|at| at.to_le_bytes()[0]).collect();
    send(&mut tx_a, b"to b", b);
    send(&mut tx_a, b"", b);
    send(&mut tx_a, &longest, b);
    assert_eq!(tx_a.pending(), 3);
    assert_eq!(tx_a.flush(), 3);
    assert_eq!(tx_a.pending(), 0);
    let expected = [(b"to b".to_vec(), a), (Vec::new(), a), (longest, a)];
    assert_eq!(collect(&mut rx_b, 3), expected);

    send(&mut tx_b, b"to a", a);
    tx_b.flush();
    assert_eq!(collect(&mut rx_a, 1), [(b"to a".to_vec(), b)]);
}

fn nothing_leaves_before_the_flush(backend: &impl Backend) {
    let (mut rx, mut tx) = backend.open(ANY).unwrap();
    let to = rx.local();
    send(&mut tx, b"one", to);
    let none = rx.receive(8, &mut |_| panic!("it was not flushed"));
    assert_eq!((none, rx.stats().empty_polls), (0, 1));
    tx.flush();
    assert_eq!(collect(&mut rx, 1).len(), 1);
}

fn keeps_order_over_bursts(backend: &impl Backend) {
    let (mut rx, _tx) = backend.open(ANY).unwrap();
    let (_rx, mut tx) = backend.open(ANY).unwrap();
    let to = rx.local();
    let mut next = 0_u64;
    for round in 0_usize..200 {
        let first = next;
        for _ in 0..=round % 40 {
            if tx.reserve().is_none() {
                tx.flush();
            }
            send(&mut tx, &next.to_le_bytes(), to);
            next += 1;
        }
        tx.flush();
        let got = collect(&mut rx, usize::try_from(next - first).unwrap());
        let expected: Vec<_> = (first..next).map(|n| n.to_le_bytes().to_vec()).collect();
        assert_eq!(
            got.into_iter().map(|(p, _)| p).collect::<Vec<_>>(),
            expected
        );
    }
    assert_eq!((tx.stats().tx, rx.stats().rx), (next, next));
}

fn a_limit_leaves_the_rest_waiting(backend: &impl Backend) {
    let (mut rx, mut tx) = backend.open(ANY).unwrap();
    let to = rx.local();
    for byte in 0..10 {
        send(&mut tx, &[byte], to);
    }
    tx.flush();
    assert_eq!(rx.receive(0, &mut |_| panic!("nothing was asked for")), 0);
    let mut got = Vec::new();
    while got.len() < 10 {
        let before = got.len();
        let lent = rx.receive(3, &mut |datagram| got.push(datagram.payload[0]));
        assert!(lent <= 3 && got.len() == before + lent);
    }
    assert_eq!(got, (0..10).collect::<Vec<_>>());
}

fn a_full_port_pushes_back<B: Backend>(backend: &B) {
    let (mut rx, mut tx) = backend.open(ANY).unwrap();
    let to = rx.local();
    for byte in 0..B::SLOTS {
        send(&mut tx, &[u8::try_from(byte).unwrap()], to);
    }
    assert!(tx.reserve().is_none());
    assert!(tx.reserve().is_none());
    assert_eq!((tx.stats().tx_full, tx.pending()), (2, B::SLOTS));
    assert_eq!(tx.flush(), B::SLOTS);
    let got = collect(&mut rx, B::SLOTS);
    assert!(
        got.iter()
            .enumerate()
            .all(|(at, (p, _))| usize::from(p[0]) == at)
    );
    assert!(tx.reserve().is_some());
}

fn too_long_datagrams_are_dropped_and_counted(backend: &impl Backend) {
    let (mut rx, mut tx) = backend.open(ANY).unwrap();
    let to = rx.local();
    backend.inject(to, &[1; MTU_PAYLOAD + 1]);
    backend.inject(to, &[2; 9_000]);
    backend.inject(to, &[3; MTU_PAYLOAD]);
    send(&mut tx, &[4], to);
    tx.flush();
    let got = collect(&mut rx, 2);
    assert_eq!((got[0].0.len(), got[0].0[0]), (MTU_PAYLOAD, 3));
    assert_eq!(got[1].0, [4]);
    let stats = rx.stats();
    assert_eq!((stats.rx, stats.rx_drop, stats.no_buffer), (2, 2, 0));
}

fn an_impossible_datagram_does_not_stop_its_neighbours(backend: &impl Backend) {
    let (mut rx, mut tx) = backend.open(ANY).unwrap();
    let to = rx.local();
    for byte in 0_u8..9 {
        let nobody = byte % 4 == 2;
        send(&mut tx, &[byte], if nobody { ANY } else { to });
    }
    assert_eq!(tx.flush(), 7);
    let got: Vec<u8> = collect(&mut rx, 7).iter().map(|(p, _)| p[0]).collect();
    assert_eq!(got, [0, 1, 3, 4, 5, 7, 8]);
    let stats = tx.stats();
    assert_eq!((stats.tx, stats.tx_error, tx.pending()), (7, 2, 0));
}

fn a_dead_peer_harms_nobody(backend: &impl Backend) {
    let (mut rx, mut tx) = backend.open(ANY).unwrap();
    let here = rx.local();
    let dead = {
        let (rx, _tx) = backend.open(ALONE).unwrap();
        rx.local()
    };
    for round in 0_u8..20 {
        send(&mut tx, b"anyone?", dead);
        send(&mut tx, &[round], here);
        while tx.pending() > 0 {
            tx.flush();
        }
        assert_eq!(collect(&mut rx, 1)[0].0, [round]);
    }
    assert_eq!((tx.stats().tx, tx.stats().tx_error), (40, 0));
}

fn a_port_restarts_on_its_address(backend: &impl Backend) {
    let (mut rx_peer, mut tx_peer) = backend.open(ANY).unwrap();
    let (rx, tx) = backend.open(ALONE).unwrap();
    let address = rx.local();
    assert!(backend.open(address).is_err(), "the port is in use");
    drop(rx);
    let still = backend.open(address);
    assert!(still.is_err(), "the other half holds the port");
    drop(tx);

    let (mut rx, mut tx) = backend.open(address).unwrap();
    assert_eq!(rx.local(), address);
    assert_eq!((rx.stats().rx, tx.stats().tx), (0, 0));
    send(&mut tx_peer, b"welcome back", address);
    tx_peer.flush();
    assert_eq!(collect(&mut rx, 1)[0].0, b"welcome back");
    send(&mut tx, b"thanks", rx_peer.local());
    tx.flush();
    assert_eq!(collect(&mut rx_peer, 1), [(b"thanks".to_vec(), address)]);
}

/// Sender and receiver on two threads, more than fits anywhere at once: every datagram is either
/// received once, in order, or accounted for at the receiver.
fn statistics_add_up_under_load(backend: &impl Backend) {
    const TOTAL: u64 = 20_000;
    let (mut rx, _tx) = backend.open(ANY).unwrap();
    let (_rx, mut tx) = backend.open(ANY).unwrap();
    let to = rx.local();
    let sender = thread::spawn(move || {
        for number in 0..TOTAL {
            while tx.reserve().is_none() {
                tx.flush();
            }
            send(&mut tx, &number.to_le_bytes(), to);
            if number % 7 == 0 {
                tx.flush();
            }
        }
        while tx.pending() > 0 {
            tx.flush();
        }
        tx.stats()
    });
    let mut last = None;
    let mut quiet = VecDeque::new();
    loop {
        let finished = sender.is_finished();
        let lent = rx.receive(64, &mut |datagram| {
            let number = u64::from_le_bytes(datagram.payload.try_into().unwrap());
            assert!(last < Some(number), "{number} after {last:?}");
            last = Some(number);
        });
        quiet.push_back(lent == 0);
        if finished && quiet.iter().rev().take(3).all(|&nothing| nothing) {
            break;
        }
        if lent == 0 {
            thread::yield_now();
        }
    }
    let sent = sender.join().unwrap();
    let received = rx.stats();
    assert_eq!((sent.tx, sent.tx_error), (TOTAL, 0));
    assert!(sent.kicks >= TOTAL / 32);
    assert!(received.rx > 0);
    assert_eq!(received.rx + received.no_buffer, TOTAL);
}

macro_rules! conformance {
    ($($test:ident),* $(,)?) => {
        mod sockets_backend {
            $(#[test] fn $test() { super::$test(&super::Sockets); })*
        }
        mod inproc_backend {
            use nic::inproc::{Faults, Network};
            $(#[test] fn $test() { super::$test(&super::InProcess(Network::new(1, Faults::NONE))); })*
        }
    };
}

conformance! {
    delivers_payload_and_peer,
    nothing_leaves_before_the_flush,
    keeps_order_over_bursts,
    a_limit_leaves_the_rest_waiting,
    a_full_port_pushes_back,
    too_long_datagrams_are_dropped_and_counted,
    an_impossible_datagram_does_not_stop_its_neighbours,
    a_dead_peer_harms_nobody,
    a_port_restarts_on_its_address,
    statistics_add_up_under_load,
}

/// The suite's promises about content hold on a network whose driver is often full, too.
#[test]
fn a_driver_that_is_often_full_loses_nothing() {
    let faults = Faults {
        full_ppm: 700_000,
        ..Faults::NONE
    };
    let backend = InProcess(Network::new(7, faults));
    statistics_add_up_under_load(&backend);
    a_dead_peer_harms_nobody(&backend);
}

#[test]
fn what_the_kernel_drops_is_counted() {
    const SENT: u64 = 200;
    let config = |recv_buffer| SocketsConfig {
        bind: ANY.into(),
        burst: 32,
        recv_buffer,
        send_buffer: 1 << 20,
        busy_poll_us: None,
        multicast: None,
    };
    let (mut rx, _tx) = sockets::open(config(8192)).unwrap();
    let (_rx, mut tx) = sockets::open(config(1 << 16)).unwrap();
    assert!(rx.buffer_bytes() >= 8192 && tx.buffer_bytes() > 0);
    for _ in 0..SENT {
        send(&mut tx, &[0; MTU_PAYLOAD], rx.local());
        tx.flush();
    }
    while rx.receive(32, &mut |_| ()) > 0 {}
    let stats = rx.stats();
    assert!(
        stats.no_buffer > 0,
        "so small a buffer cannot hold them all"
    );
    assert_eq!(stats.rx + stats.no_buffer, SENT);
}

/// One port sends to a listener by its own address, and to a group by the interface that it names.
#[test]
fn a_group_is_reached_by_the_interface_that_is_named() {
    let group = Ipv4Addr::new(239, 77, 7, 1);
    let listener = UdpSocket::bind(SocketAddrV4::new(group, 0)).unwrap();
    listener
        .join_multicast_v4(&group, &Ipv4Addr::LOCALHOST)
        .unwrap();
    let limit = Some(Duration::from_secs(10));
    listener.set_read_timeout(limit).unwrap();
    let port = listener.local_addr().unwrap().port();
    let multicast = Multicast {
        ttl: 0,
        interface: Some(Ipv4Addr::LOCALHOST),
        loopback: true,
    };
    let config = SocketsConfig {
        bind: ANY.into(),
        burst: 4,
        recv_buffer: 1 << 16,
        send_buffer: 1 << 16,
        busy_poll_us: None,
        multicast: Some(multicast),
    };
    let (mut rx, mut tx) = sockets::open(config).unwrap();
    let ip = group.octets();
    let (own, own_port) = (rx.local(), rx.local().port);
    send(&mut tx, b"to the group", Peer { ip, port });
    send(&mut tx, b"to itself", own);
    assert_eq!(tx.flush(), 2);
    let mut bytes = [0; MTU_PAYLOAD];
    let (length, from) = listener.recv_from(&mut bytes).unwrap();
    assert_eq!(&bytes[..length], b"to the group");
    assert_eq!(from.port(), own_port, "from the port's own address");
    assert_eq!(collect(&mut rx, 1), [(b"to itself".to_vec(), own)]);

    let interface = Some(Ipv4Addr::new(192, 0, 2, 1));
    let elsewhere = Multicast {
        interface,
        ..multicast
    };
    let refused = sockets::open(SocketsConfig {
        multicast: Some(elsewhere),
        ..config
    });
    let text = refused.err().expect("not of this machine").to_string();
    assert!(text.contains("192.0.2.1: ") && text.contains("interface"));
}

#[test]
fn a_port_that_cannot_be_is_refused_with_what_to_do() {
    let config = SocketsConfig {
        bind: SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 7400),
        burst: 32,
        recv_buffer: 1 << 16,
        send_buffer: 1 << 16,
        busy_poll_us: None,
        multicast: None,
    };
    let refusal = |config| match sockets::open(config) {
        Ok(_) => panic!("it cannot be opened"),
        Err(error) => error.to_string(),
    };
    let text = refusal(config);
    assert!(
        text.contains("192.0.2.1:7400") && text.contains("of this machine"),
        "{text}"
    );
    for burst in [0, nic::MAX_BURST + 1] {
        assert!(refusal(SocketsConfig { burst, ..config }).contains("1 to 1024"));
    }
    let bind = ANY.into();
    let text = refusal(SocketsConfig {
        bind,
        recv_buffer: 1 << 31,
        ..config
    });
    assert!(text.contains("less than 1 GiB"), "{text}");
}
