//! A wire in memory: datagrams from one thread to another, over two rings like those between tiles.
//!
//! What a card with kernel bypass costs is a copy per datagram and a word per burst, and so does this. Nothing is
//! lost: what has no room waits at the sender.

use nic::{
    Datagram, Handover, MAX_BURST, MTU_PAYLOAD, Outgoing, Peer, Receive, RxStats, Slot, Transmit,
    TransmitQueue, TxStats,
};
use shm::{Heap, RingConsumer, RingProducer, SLOT_WORDS, ring};

/// Slots of a direction: 8 MiB.
const CAPACITY: usize = 1 << 16;
/// Transmit slots of the exchange's port, as of its sockets.
const BURST: usize = 64;
/// Words of the longest datagram, behind one for its length.
const WORDS: usize = MTU_PAYLOAD / 8 + 1;

/// The end of a direction that writes.
pub(super) struct Sender {
    ring: RingProducer<Heap>,
    /// Slots that are certainly free.
    room: usize,
}

/// The end of a direction that reads.
pub(super) struct Receiver {
    ring: RingConsumer<Heap>,
    bytes: Box<[u8; 8 * WORDS]>,
}

/// A direction.
pub(super) fn direction() -> (Sender, Receiver) {
    let (to, from) = ring::heap(CAPACITY);
    let sender = Sender { ring: to, room: 0 };
    let bytes = Box::new([0; 8 * WORDS]);
    (sender, Receiver { ring: from, bytes })
}

impl Sender {
    /// Writes a datagram, which is not seen before [`Sender::publish`]; false if it has no room.
    pub(super) fn send(&mut self, payload: &[u8]) -> bool {
        let words = 1 + payload.len().div_ceil(8);
        let slots = words.div_ceil(SLOT_WORDS);
        if self.room < slots {
            self.room = self.ring.free();
            if self.room < slots {
                return false;
            }
        }
        self.room -= slots;
        let (mut slot, mut at) = ([0; SLOT_WORDS], 1);
        slot[0] = payload.len() as u64;
        for chunk in payload.chunks(8) {
            if at == SLOT_WORDS {
                self.push(&slot);
                at = 0;
            }
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            slot[at] = u64::from_le_bytes(word);
            at += 1;
        }
        self.push(&slot);
        true
    }

    fn push(&mut self, slot: &shm::Slot) {
        self.ring.push(slot).expect("there is room");
    }

    pub(super) fn publish(&mut self) {
        self.ring.publish();
    }
}

impl Receiver {
    /// The next datagram; its place is given back with [`Receiver::release`].
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        let mut slot = self.ring.peek().expect("both ends are ours")?;
        let length = usize::try_from(slot[0]).expect("as it was sent");
        let words = 1 + length.div_ceil(8);
        let mut done = 0;
        loop {
            self.ring.advance();
            let here = SLOT_WORDS.min(words - done);
            for (chunk, word) in self.bytes[8 * done..]
                .chunks_exact_mut(8)
                .zip(&slot[..here])
            {
                chunk.copy_from_slice(&word.to_le_bytes());
            }
            done += here;
            if done == words {
                return Some(&self.bytes[8..8 + length]);
            }
            slot = self
                .ring
                .peek()
                .expect("as above")
                .expect("a datagram is published whole");
        }
    }

    pub(super) fn release(&mut self) {
        self.ring.release();
    }
}

/// The exchange's half that receives.
pub(super) struct Rx {
    pub(super) from: Receiver,
    pub(super) peer: Peer,
    pub(super) stats: RxStats,
}

impl Receive for Rx {
    fn receive(&mut self, limit: usize, each: &mut impl FnMut(Datagram<'_>)) -> usize {
        let mut received = 0;
        while received < limit.min(MAX_BURST)
            && let Some(payload) = self.from.next()
        {
            each(Datagram {
                payload,
                peer: self.peer,
                hardware_time: None,
            });
            received += 1;
        }
        if received > 0 {
            self.from.release();
            self.stats.rx += received as u64;
        } else {
            self.stats.empty_polls += 1;
        }
        received
    }

    fn stats(&self) -> RxStats {
        self.stats
    }

    fn local(&self) -> Peer {
        self.peer
    }
}

/// The exchange's half that transmits.
pub(super) struct Tx {
    to: Sender,
    queue: TransmitQueue,
}

impl Tx {
    pub(super) fn new(to: Sender) -> Self {
        Self {
            to,
            queue: TransmitQueue::new(BURST),
        }
    }
}

impl Transmit for Tx {
    fn reserve(&mut self) -> Option<Slot<'_>> {
        self.queue.reserve()
    }

    fn flush(&mut self) -> usize {
        let to = &mut self.to;
        self.queue.flush(|datagrams: &mut [Outgoing]| {
            let fits = datagrams
                .iter()
                .take_while(|datagram| to.send(datagram.payload()));
            match fits.count() {
                0 => Handover::Full,
                taken => {
                    to.publish();
                    Handover::Took(taken)
                }
            }
        })
    }

    fn pending(&self) -> usize {
        self.queue.pending()
    }

    fn stats(&self) -> TxStats {
        self.queue.stats()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_of_every_length_come_as_they_went() {
        let (mut to, mut from) = direction();
        for length in [0, 1, 8, 96, 119, 120, 121, 128, 500, MTU_PAYLOAD] {
            let payload: Vec<u8> = (0..length)
                .map(|n| u8::try_from(n % 251).unwrap())
                .collect();
            assert!(to.send(&payload));
            assert!(from.next().is_none(), "not published yet");
            to.publish();
            assert_eq!(from.next(), Some(&payload[..]), "{length}");
            from.release();
        }
    }

    #[test]
    fn what_has_no_room_waits_and_nothing_is_lost() {
        let (to, mut from) = direction();
        let mut tx = Tx::new(to);
        let mut sent = 0_u64;
        while let Some(mut slot) = tx.reserve() {
            slot.payload()[..8].copy_from_slice(&sent.to_le_bytes());
            slot.commit(8, Peer::default());
            tx.flush();
            sent += 1;
        }
        assert_eq!(
            (sent, tx.pending()),
            (CAPACITY as u64 + BURST as u64, BURST)
        );
        let mut seen = 0_u64;
        while let Some(payload) = from.next() {
            assert_eq!(payload, seen.to_le_bytes());
            seen += 1;
            from.release();
            tx.flush();
        }
        assert_eq!((seen, tx.pending()), (sent, 0));
    }
}
