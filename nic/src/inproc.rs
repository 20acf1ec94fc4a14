//! Ports joined in memory, with faults: for tests and the simulator.
//!
//! A [`Network`] carries datagrams between its ports at once and in order, unless its [`Faults`] say
//! otherwise. Everything it does follows from its seed and the order of the calls, so that a run on
//! one thread can be repeated exactly. Unlike the other backends it takes a lock, and allocates
//! when a datagram is longer than a payload may be.

mod faults;

use crate::transmit::{Handover, Outgoing, TransmitQueue};
use crate::{Datagram, MTU_PAYLOAD, Peer, Receive, RxStats, Slot, Transmit, TxStats};
pub use faults::Faults;
use faults::{Chance, Fate};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Transmit slots of a port, and the most datagrams that one call receives.
pub const BURST: usize = 32;
/// Datagrams that wait at a port; what arrives beyond is lost, and counted there (`no_buffer`).
pub const INBOX: usize = 1024;

/// A network of ports in this process. Clones are the same network.
#[derive(Clone)]
pub struct Network(Arc<Mutex<Carrier>>);

/// Counts of a network since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkStats {
    /// Datagrams put into an inbox, duplicates included.
    pub delivered: u64,
    /// Lost by a fault.
    pub lost: u64,
    /// Delivered once more by a fault.
    pub duplicated: u64,
    /// Held back by a fault.
    pub delayed: u64,
    /// Lost because nobody has the address.
    pub unreachable: u64,
    /// Lost because the inbox was full.
    pub overflowed: u64,
}

struct Carrier {
    inboxes: BTreeMap<Peer, Inbox>,
    faults: Faults,
    chance: Chance,
    stats: NetworkStats,
    next_port: u16,
}

#[derive(Default)]
struct Inbox {
    waiting: VecDeque<Packet>,
    /// Held back, each until so many more datagrams have come or the receiver has found nothing.
    delayed: Vec<(u32, Packet)>,
    lost: u64,
}

#[derive(Clone)]
struct Packet {
    from: Peer,
    payload: Vec<u8>,
}

/// A network without faults and two ports of it, 127.0.0.1:1 and :2.
#[must_use]
pub fn pair() -> (Network, (InprocRx, InprocTx), (InprocRx, InprocTx)) {
    let network = Network::new(0, Faults::NONE);
    let open = |port| {
        let address = Peer {
            ip: [127, 0, 0, 1],
            port,
        };
        network
            .open(address)
            .expect("nobody else has an address of a new network")
    };
    let (left, right) = (open(1), open(2));
    (network, left, right)
}

impl Network {
    /// A network whose faults are drawn from `seed`.
    #[must_use]
    pub fn new(seed: u64, faults: Faults) -> Self {
        Self(Arc::new(Mutex::new(Carrier {
            inboxes: BTreeMap::new(),
            faults,
            chance: Chance::new(seed),
            stats: NetworkStats::default(),
            next_port: 49_152,
        })))
    }

    /// Opens a port at `local`; port number 0 takes a free one. The address is free again when both
    /// halves are dropped; what was waiting there is lost.
    ///
    /// # Errors
    /// `AddrInUse` if the address is taken.
    pub fn open(&self, local: Peer) -> io::Result<(InprocRx, InprocTx)> {
        let mut carrier = self.lock();
        let local = if local.port == 0 {
            carrier.free_address(local.ip)?
        } else {
            local
        };
        if carrier.inboxes.contains_key(&local) {
            let problem = format!("{local} is taken: drop both halves of that port first");
            return Err(io::Error::new(io::ErrorKind::AddrInUse, problem));
        }
        carrier.inboxes.insert(local, Inbox::default());
        drop(carrier);
        let port = Arc::new(Port {
            network: self.clone(),
            local,
        });
        let rx = InprocRx {
            port: Arc::clone(&port),
            taken: Vec::with_capacity(BURST),
            stats: RxStats::default(),
        };
        let tx = InprocTx {
            port,
            queue: TransmitQueue::new(BURST),
        };
        Ok((rx, tx))
    }

    /// Puts bytes of any length on the network, as if a port at `from` had sent them.
    pub fn inject(&self, from: Peer, to: Peer, payload: &[u8]) {
        self.lock().carry(from, to, payload);
    }

    /// Changes the faults from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// What happened so far.
    #[must_use]
    pub fn stats(&self) -> NetworkStats {
        self.lock().stats
    }

    fn lock(&self) -> MutexGuard<'_, Carrier> {
        // A panic under the lock leaves queues and counters, each whole: a test that failed on one thread must not
        // hide its message behind another's.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Carrier {
    fn free_address(&mut self, ip: [u8; 4]) -> io::Result<Peer> {
        for _ in 0..u16::MAX {
            let port = self.next_port;
            self.next_port = port.checked_add(1).unwrap_or(1);
            let address = Peer { ip, port };
            if !self.inboxes.contains_key(&address) {
                return Ok(address);
            }
        }
        Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "every port number of this address is taken",
        ))
    }

    fn carry(&mut self, from: Peer, to: Peer, payload: &[u8]) {
        let Some(inbox) = self.inboxes.get_mut(&to) else {
            self.stats.unreachable += 1;
            return;
        };
        let packet = Packet {
            from,
            payload: payload.to_vec(),
        };
        let fate = self.chance.fate(&self.faults);
        match fate {
            Fate::Lost => self.stats.lost += 1,
            Fate::Delayed(others) => {
                self.stats.delayed += 1;
                inbox.delayed.push((others, packet));
                return;
            }
            Fate::Delivered => inbox.put(packet, &mut self.stats),
            Fate::Duplicated => {
                self.stats.duplicated += 1;
                inbox.put(packet.clone(), &mut self.stats);
                inbox.put(packet, &mut self.stats);
            }
        }
        inbox.overtake(&mut self.stats);
    }
}

impl Inbox {
    fn put(&mut self, packet: Packet, stats: &mut NetworkStats) {
        if self.waiting.len() == INBOX {
            self.lost += 1;
            stats.overflowed += 1;
        } else {
            self.waiting.push_back(packet);
            stats.delivered += 1;
        }
    }

    /// One more datagram came: those held back for no more than this one are due.
    fn overtake(&mut self, stats: &mut NetworkStats) {
        let mut index = 0;
        while index < self.delayed.len() {
            if self.delayed[index].0 <= 1 {
                let (_, packet) = self.delayed.remove(index);
                self.put(packet, stats);
            } else {
                self.delayed[index].0 -= 1;
                index += 1;
            }
        }
    }

    /// The receiver found nothing: nothing is left to overtake what is held back.
    fn release_delayed(&mut self, stats: &mut NetworkStats) {
        for (_, packet) in std::mem::take(&mut self.delayed) {
            self.put(packet, stats);
        }
    }
}

/// An address in use; freed with the last half that holds it.
struct Port {
    network: Network,
    local: Peer,
}

impl Drop for Port {
    fn drop(&mut self) {
        self.network.lock().inboxes.remove(&self.local);
    }
}

/// The receiving half of a port in memory.
pub struct InprocRx {
    port: Arc<Port>,
    taken: Vec<Packet>,
    stats: RxStats,
}

impl Receive for InprocRx {
    fn receive(&mut self, limit: usize, each: &mut impl FnMut(Datagram<'_>)) -> usize {
        let limit = limit.min(BURST);
        if limit == 0 {
            return 0;
        }
        {
            let mut carrier = self.port.network.lock();
            let carrier = &mut *carrier;
            let inbox = carrier
                .inboxes
                .get_mut(&self.port.local)
                .expect("an open port has an inbox");
            let count = limit.min(inbox.waiting.len());
            self.taken.extend(inbox.waiting.drain(..count));
            if count == 0 {
                inbox.release_delayed(&mut carrier.stats);
            }
        }
        if self.taken.is_empty() {
            self.stats.empty_polls += 1;
        }
        let mut lent = 0;
        // The lock is free by now, so that the callback may transmit on the same network.
        for packet in self.taken.drain(..) {
            if packet.payload.len() > MTU_PAYLOAD {
                self.stats.rx_drop += 1;
                continue;
            }
            each(Datagram {
                payload: &packet.payload,
                peer: packet.from,
                hardware_time: None,
            });
            lent += 1;
        }
        self.stats.rx += lent as u64;
        lent
    }

    fn stats(&self) -> RxStats {
        let carrier = self.port.network.lock();
        RxStats {
            no_buffer: carrier.inboxes[&self.port.local].lost,
            ..self.stats
        }
    }

    fn local(&self) -> Peer {
        self.port.local
    }
}

/// The transmitting half of a port in memory.
pub struct InprocTx {
    port: Arc<Port>,
    queue: TransmitQueue,
}

impl InprocTx {
    /// With so many transmit slots instead of [`BURST`]: for who wants to see a port full. Nothing may have been committed.
    #[must_use]
    pub fn with_slots(self, slots: usize) -> Self {
        Self {
            queue: TransmitQueue::new(slots),
            ..self
        }
    }

    fn offer(carrier: &mut Carrier, from: Peer, stretch: &[Outgoing]) -> Handover {
        if carrier.chance.strikes(carrier.faults.full_ppm) {
            return Handover::Full;
        }
        let sendable = stretch
            .iter()
            .take_while(|datagram| datagram.to().port != 0)
            .count();
        for datagram in &stretch[..sendable] {
            carrier.carry(from, datagram.to(), datagram.payload());
        }
        if sendable == 0 {
            Handover::Impossible
        } else {
            Handover::Took(sendable)
        }
    }
}

impl Transmit for InprocTx {
    fn reserve(&mut self) -> Option<Slot<'_>> {
        self.queue.reserve()
    }

    fn flush(&mut self) -> usize {
        let Port { network, local } = &*self.port;
        self.queue
            .flush(|stretch| Self::offer(&mut network.lock(), *local, stretch))
    }

    fn pending(&self) -> usize {
        self.queue.pending()
    }

    fn stats(&self) -> TxStats {
        self.queue.stats()
    }
}
