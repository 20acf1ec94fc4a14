//! The publisher: packs the public events of frames into packets of the feed.
//!
//! Data: the packet that is being filled, and when something was sent last. Owner: the out tile,
//! which calls it with a frame only when the frame's private reports stand in the port's queue: a port
//! hands over what it was given in order, so the feed comes after them. Invariants: numbers and
//! content are the journal's; a message leaves the packet only into the port, so what the port has
//! no room for is owed and the frame not done with.

use domain::Event;
use journal::FrameHeader;
use nic::{Peer, Transmit};
use topology::instruments::out as counter;
use wire::market_data::{Message, PacketWriter, SessionName, Stamp};

use crate::counters::Counters;

/// Nanoseconds of silence after which a heartbeat says that there is nothing to say.
const HEARTBEAT_INTERVAL: u64 = 1_000_000_000;
/// How often the end of the session is said, because any packet may be lost.
const ENDS: u8 = 3;

pub(crate) struct Publisher {
    to: Peer,
    packet: Box<PacketWriter>,
    /// A packet was given to the port since the last look at the clock.
    spoke: bool,
    /// When the last one was, ns; 0 before the first, so that a start is heard at once.
    last_spoke: u64,
    ends_owed: u8,
}

impl Publisher {
    /// Goes on with the message `next_number` of a shard's epoch.
    pub(crate) fn new(to: Peer, shard: u16, epoch: u32, next_number: u64) -> Self {
        let session = SessionName::new(shard, epoch);
        Self {
            to,
            packet: Box::new(PacketWriter::new(session, next_number)),
            spoke: false,
            last_spoke: 0,
            ends_owed: ENDS,
        }
    }

    /// Takes in the events of a frame behind the first `done`, which it counts on. False if the port
    /// is full.
    pub(crate) fn publish<T: Transmit>(
        &mut self,
        port: &mut T,
        header: &FrameHeader,
        events: &[Event],
        done: &mut usize,
        counters: &Counters,
    ) -> bool {
        let stamp = Stamp {
            engine_seq: header.seq,
            engine_time: header.engine_time,
        };
        while let Some(event) = events.get(*done) {
            if !self.add(port, stamp, event, counters) {
                return false;
            }
            *done += 1;
        }
        true
    }

    fn add<T: Transmit>(
        &mut self,
        port: &mut T,
        stamp: Stamp,
        event: &Event,
        counters: &Counters,
    ) -> bool {
        let (Some(number), Some(message)) = (event.feed_no(), Message::public(stamp, event)) else {
            return true;
        };
        if number != self.packet.next_number() {
            // The journal overtook the tile: subscribers see the hole.
            if !self.close(port, counters) {
                return false;
            }
            self.packet.restart(number);
        }
        if self.packet.push(&message).is_err() {
            if !self.close(port, counters) {
                return false;
            }
            self.packet
                .push(&message)
                .expect("an empty packet has room");
        }
        true
    }

    /// Gives the packet to the port, if it has messages. False if the port is full.
    pub(crate) fn close<T: Transmit>(&mut self, port: &mut T, counters: &Counters) -> bool {
        let count = self.packet.count();
        if count == 0 {
            return true;
        }
        if !give(port, self.to, self.packet.finish(), counters) {
            return false;
        }
        counters.add(counter::feed_messages, count.into());
        self.packet.restart(self.packet.next_number());
        self.spoke = true;
        true
    }

    /// Whether everything that was taken in has been given to the port.
    pub(crate) fn is_clear(&self) -> bool {
        self.packet.count() == 0
    }

    /// Gives a heartbeat if nothing was given for a while. `now` in ns; to be called about every
    /// millisecond.
    pub(crate) fn housekeep<T: Transmit>(&mut self, port: &mut T, now: u64, counters: &Counters) {
        if std::mem::take(&mut self.spoke) {
            self.last_spoke = now;
        }
        let is_due = now.saturating_sub(self.last_spoke) >= HEARTBEAT_INTERVAL;
        if is_due && self.is_clear() && give(port, self.to, self.packet.finish(), counters) {
            counters.add(counter::feed_heartbeats, 1);
            self.last_spoke = now;
        }
    }

    /// Says that the session ends here, for now. False while the port is full.
    pub(crate) fn end<T: Transmit>(&mut self, port: &mut T, counters: &Counters) -> bool {
        while self.ends_owed > 0 {
            let given = self.close(port, counters)
                && give(port, self.to, self.packet.end_of_session(), counters);
            if !given {
                return false;
            }
            self.ends_owed -= 1;
        }
        true
    }
}

/// A packet to the port; false, and counted, if it is full.
fn give<T: Transmit>(port: &mut T, to: Peer, packet: &[u8], counters: &Counters) -> bool {
    let mut slot = match port.reserve() {
        Some(slot) => slot,
        None => {
            port.flush();
            let Some(slot) = port.reserve() else {
                counters.add(counter::feed_blocked, 1);
                return false;
            };
            slot
        }
    };
    slot.payload()[..packet.len()].copy_from_slice(packet);
    slot.commit(packet.len(), to);
    counters.add(counter::feed_packets, 1);
    true
}
