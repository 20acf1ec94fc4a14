//! The floor: a bare echo over the same NIC backend, with the run loop and idle strategy of a tile.
//!
//! What an exchange's round trip has in common with it (two passes through the kernel, the wake-ups, the
//! generator) is no merit or fault of the exchange.

use anyhow::{Context as _, Result};
use nic::sockets::{self, SocketsRx, SocketsTx};
use nic::{Receive, Transmit};
use shm::{FastWriter, Heap, fast_spec};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::thread::JoinHandle;
use tile::{Idle, StopFlag, Tile};

use crate::load::generator::{BURST, Port, Subject, sockets_config};

/// Bytes of a datagram with one new order, the most frequent of the mix; what is echoed has this
/// length both ways.
pub const DATAGRAM: usize = 128;

/// Sends each datagram back to where it came from.
struct EchoTile<R, T> {
    rx: R,
    tx: T,
}

impl<R: Receive + Send, T: Transmit + Send> Tile for EchoTile<R, T> {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn poll(&mut self) -> usize {
        let tx = &mut self.tx;
        let received = self.rx.receive(BURST, &mut |datagram| {
            // Without a free slot the datagram is lost, and missed by who sent it.
            if let Some(mut slot) = tx.reserve() {
                slot.payload()[..datagram.payload.len()].copy_from_slice(datagram.payload);
                slot.commit(datagram.payload.len(), datagram.peer);
            }
        });
        if received > 0 || self.tx.pending() > 0 {
            self.tx.flush();
        }
        received
    }
}

/// An echo in a thread of its own; it ends when dropped.
pub struct Echo {
    /// Where to send to.
    pub address: SocketAddrV4,
    stop: StopFlag,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    /// Starts one on loopback. It keeps to `cpu`, if one is given.
    ///
    /// # Errors
    /// If there is no port or no thread for it, or it may not run on that CPU.
    pub fn start(idle: Idle, cpu: Option<usize>) -> Result<Self> {
        if let Some(cpu) = cpu {
            tile::check_cpu(cpu)?;
        }
        let any = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        let (rx, tx): (SocketsRx, SocketsTx) =
            sockets::open(sockets_config(any)).context("open the echo's socket")?;
        let address = rx.local().into();
        let fast = FastWriter::new(Heap::new(fast_spec(0).words))?;
        let stop = StopFlag::new();
        let asked = stop.clone();
        let run = move || {
            if let Some(cpu) = cpu {
                tile::pin(cpu).expect("the CPU was there a moment ago");
            }
            let mut tiles: [Box<dyn Tile>; 1] = [Box::new(EchoTile { rx, tx })];
            tile::run(&mut tiles, &[fast.tile(0)], idle, &asked);
        };
        let thread = std::thread::Builder::new().name("echo".into()).spawn(run)?;
        Ok(Self {
            address,
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            // A panic of the echo shows itself in requests without an answer.
            drop(thread.join());
        }
    }
}

/// The echo as the subject: numbered datagrams that must come back as they went.
#[derive(Clone, Debug, Default)]
pub struct Echoed {
    spoiled: u64,
}

impl Subject for Echoed {
    fn send(&mut self, request: usize, _now: u64, port: &mut Port) -> bool {
        port.send(&content(request as u64));
        true
    }

    fn take(&mut self, bytes: &[u8], _now: u64, answered: &mut dyn FnMut(usize)) {
        match number(bytes) {
            Some(request) => answered(request),
            None => self.spoiled += 1,
        }
    }

    fn faults(&self) -> Vec<(&'static str, u64)> {
        vec![("datagrams that came back spoiled", self.spoiled)]
    }
}

/// The number, then bytes that follow from it.
fn content(number: u64) -> [u8; DATAGRAM] {
    let mut bytes = [0; DATAGRAM];
    for (word, chunk) in (0..).zip(bytes.chunks_exact_mut(8)) {
        chunk.copy_from_slice(&number.wrapping_add(word).to_le_bytes());
    }
    bytes
}

/// The number of a datagram that is as it was sent.
fn number(bytes: &[u8]) -> Option<usize> {
    let (first, _) = bytes.split_first_chunk()?;
    let number = u64::from_le_bytes(*first);
    (bytes == content(number))
        .then(|| usize::try_from(number).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::flights::From;
    use crate::load::generator;
    use crate::load::row::Row;
    use crate::load::schedule::{Arrivals, Schedule};
    use std::net::UdpSocket;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    fn row(to: SocketAddrV4) -> Row {
        let mut port = Port::open(to).expect("loopback");
        let schedule = Schedule::new(Arrivals::Constant, 2_000, 0, 1, 0);
        let segment =
            generator::run(&mut Echoed::default(), &mut port, &schedule).expect("it runs");
        let mut row = Row::new("echo", 2_000).expect("constant bounds");
        row.add(&segment).expect("constant bounds");
        row
    }

    #[test]
    fn every_datagram_comes_back_once_over_the_real_backend() {
        let echo = Echo::start(Idle::SpinThenYield, None).expect("loopback");
        let row = row(echo.address);
        let counts = row.counts;
        assert_eq!(
            (counts.planned, counts.sent, counts.answered, counts.strays),
            (2_000, 2_000, 2_000, 0)
        );
        assert!(row.faults.iter().all(|(_, count)| *count == 0), "{row:?}");
        for from in From::BOTH {
            assert_eq!(row.latencies(from).len(), 2_000);
        }
    }

    #[test]
    fn what_an_echo_loses_doubles_or_spoils_fails_the_row() {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .expect("a valid time");
        let std::net::SocketAddr::V4(address) = socket.local_addr().expect("bound") else {
            panic!("an IPv4 socket");
        };
        let stop = AtomicBool::new(false);
        let row = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut bytes = [0; 2_048];
                // ORDER: the flag is the whole message.
                while !stop.load(Ordering::Relaxed) {
                    let Ok((length, from)) = socket.recv_from(&mut bytes) else {
                        continue;
                    };
                    match bytes[0] % 64 {
                        0 => continue,
                        1 => drop(socket.send_to(&bytes[..length], from)),
                        2 => bytes[50] ^= 1,
                        _ => {}
                    }
                    socket.send_to(&bytes[..length], from).ok();
                }
            });
            let row = row(address);
            stop.store(true, Ordering::Relaxed);
            row
        });
        // The numbers 0 to 1,999 whose low byte leaves 0, 1 or 2 over 64: 32 or 31 of each.
        let spoiled = row.faults.iter().find(|(name, _)| name.contains("spoiled"));
        assert_eq!(spoiled.map(|(_, count)| *count), Some(32));
        assert_eq!(row.counts.answered, 2_000 - 64);
        assert_eq!(row.counts.strays, 32);
        let reasons = row.reasons().join(", ");
        for reason in [
            "64 of 2000 not answered",
            "32 answers to nothing",
            "32 datagrams that came back spoiled",
        ] {
            assert!(reasons.contains(reason), "{reasons}");
        }
    }
}
