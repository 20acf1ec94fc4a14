//! The slots of a transmitting half: a ring of datagrams between `commit` and the driver.
//!
//! What a backend adds is the driver, a function that takes datagrams from the front. One of another crate, such
//! as that of a measurement, is made of a [`TransmitQueue`] like those of this one.

use crate::{MTU_PAYLOAD, Peer, TxStats};

/// A datagram on its way out.
pub struct Outgoing {
    payload: [u8; MTU_PAYLOAD],
    len: usize,
    to: Peer,
}

impl Outgoing {
    /// Its bytes.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload[..self.len]
    }

    pub(crate) fn payload_mut(&mut self) -> &mut [u8] {
        &mut self.payload[..self.len]
    }

    /// Where it goes.
    #[must_use]
    pub fn to(&self) -> Peer {
        self.to
    }
}

/// Memory for one datagram. Dropped without [`Slot::commit`], nothing is sent.
pub struct Slot<'a> {
    outgoing: &'a mut Outgoing,
    committed: &'a mut usize,
}

impl Slot<'_> {
    /// The memory, [`MTU_PAYLOAD`] bytes; what an earlier datagram left in it is still there.
    pub fn payload(&mut self) -> &mut [u8] {
        &mut self.outgoing.payload
    }

    /// Queues the first `len` bytes for `to`; the next flush hands them over.
    ///
    /// # Panics
    /// If `len` is more than [`MTU_PAYLOAD`].
    pub fn commit(self, len: usize, to: Peer) {
        assert!(len <= MTU_PAYLOAD, "a datagram longer than its slot");
        self.outgoing.len = len;
        self.outgoing.to = to;
        *self.committed += 1;
    }
}

/// What a driver said to a stretch of datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handover {
    /// It took that many from the front: at least 1.
    Took(usize),
    /// It has no room now.
    Full,
    /// It reported the refusal of an earlier datagram instead; the front is unharmed.
    Refused,
    /// It can never take the one at the front.
    Impossible,
}

/// A ring of slots, filled at one end by [`TransmitQueue::reserve`] and emptied at the other by
/// [`TransmitQueue::flush`]. What a flush must do with each answer of a driver is decided here, once
/// for all backends.
pub struct TransmitQueue {
    slots: Box<[Outgoing]>,
    oldest: usize,
    committed: usize,
    stats: TxStats,
}

impl TransmitQueue {
    /// So many slots, which are all that is ever allocated.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        Self {
            slots: (0..slots)
                .map(|_| Outgoing {
                    payload: [0; MTU_PAYLOAD],
                    len: 0,
                    to: Peer::default(),
                })
                .collect(),
            oldest: 0,
            committed: 0,
            stats: TxStats::default(),
        }
    }

    /// As [`crate::Transmit::reserve`].
    pub fn reserve(&mut self) -> Option<Slot<'_>> {
        if self.committed == self.slots.len() {
            self.stats.tx_full += 1;
            return None;
        }
        let place = (self.oldest + self.committed) % self.slots.len();
        Some(Slot {
            outgoing: &mut self.slots[place],
            committed: &mut self.committed,
        })
    }

    /// Offers the committed datagrams to `driver` in stretches that do not wrap around. Ends when
    /// all are gone or the driver would have to wait; every round but the last takes at least one
    /// datagram out, so the number of rounds is bounded. Returns how many the driver took.
    ///
    /// # Panics
    /// If the driver says that it took none, or more than it was offered.
    pub fn flush(&mut self, mut driver: impl FnMut(&mut [Outgoing]) -> Handover) -> usize {
        let mut taken = 0;
        while self.committed > 0 {
            let end = self.slots.len().min(self.oldest + self.committed);
            self.stats.kicks += 1;
            match driver(&mut self.slots[self.oldest..end]) {
                Handover::Took(count) => {
                    assert!(
                        count > 0 && count <= end - self.oldest,
                        "a driver takes what it was offered"
                    );
                    self.stats.tx += count as u64;
                    taken += count;
                    self.forget(count);
                }
                Handover::Impossible => {
                    self.stats.tx_error += 1;
                    self.forget(1);
                }
                Handover::Full => {
                    self.stats.tx_full += 1;
                    break;
                }
                Handover::Refused => {
                    self.stats.refused += 1;
                    break;
                }
            }
        }
        taken
    }

    fn forget(&mut self, count: usize) {
        self.oldest = (self.oldest + count) % self.slots.len();
        self.committed -= count;
    }

    /// As [`crate::Transmit::pending`].
    #[must_use]
    pub fn pending(&self) -> usize {
        self.committed
    }

    /// As [`crate::Transmit::stats`].
    #[must_use]
    pub fn stats(&self) -> TxStats {
        self.stats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: Peer = Peer {
        ip: [127, 0, 0, 1],
        port: 9,
    };

    fn commit(queue: &mut TransmitQueue, byte: u8) {
        let mut slot = queue.reserve().expect("there is room");
        slot.payload()[0] = byte;
        slot.commit(1, TO);
    }

    /// A flush whose driver answers as the script says; returns what the driver was shown.
    fn flush(queue: &mut TransmitQueue, script: &[Handover]) -> (usize, Vec<Vec<u8>>) {
        let mut answers = script.iter();
        let mut shown = Vec::new();
        let taken = queue.flush(|stretch| {
            shown.push(
                stretch
                    .iter()
                    .map(|datagram| datagram.payload()[0])
                    .collect(),
            );
            *answers.next().expect("no more calls than the script has")
        });
        assert_eq!(
            answers.next(),
            None,
            "every answer of the script was asked for"
        );
        (taken, shown)
    }

    #[test]
    fn what_the_driver_did_not_take_is_kept_in_order_across_the_wrap() {
        let mut queue = TransmitQueue::new(4);
        for byte in 0..4 {
            commit(&mut queue, byte);
        }
        assert!(queue.reserve().is_none());
        let (taken, shown) = flush(&mut queue, &[Handover::Took(3), Handover::Full]);
        assert_eq!((taken, queue.pending()), (3, 1));
        assert_eq!(shown, [vec![0, 1, 2, 3], vec![3]]);

        commit(&mut queue, 4);
        commit(&mut queue, 5);
        let (taken, shown) = flush(&mut queue, &[Handover::Took(1), Handover::Took(2)]);
        assert_eq!((taken, queue.pending()), (3, 0));
        assert_eq!(shown, [vec![3], vec![4, 5]]);
        let stats = queue.stats();
        assert_eq!((stats.tx, stats.tx_full, stats.kicks), (6, 2, 4));
    }

    #[test]
    fn only_the_impossible_datagram_is_dropped() {
        let mut queue = TransmitQueue::new(4);
        for byte in 0..4 {
            commit(&mut queue, byte);
        }
        let script = [Handover::Took(1), Handover::Impossible, Handover::Took(2)];
        let (taken, shown) = flush(&mut queue, &script);
        assert_eq!(taken, 3);
        assert_eq!(shown, [vec![0, 1, 2, 3], vec![1, 2, 3], vec![2, 3]]);
        assert_eq!((queue.stats().tx, queue.stats().tx_error), (3, 1));
    }

    #[test]
    fn a_refusal_loses_nothing() {
        let mut queue = TransmitQueue::new(2);
        commit(&mut queue, 7);
        assert_eq!(flush(&mut queue, &[Handover::Refused]).0, 0);
        assert_eq!(queue.pending(), 1);
        let (taken, shown) = flush(&mut queue, &[Handover::Took(1)]);
        assert_eq!((taken, shown), (1, vec![vec![7]]));
        assert_eq!(queue.stats().refused, 1);
    }

    #[test]
    fn a_slot_dropped_without_commit_sends_nothing() {
        let mut queue = TransmitQueue::new(1);
        assert!(queue.reserve().is_some());
        assert_eq!(queue.pending(), 0);
        assert_eq!(flush(&mut queue, &[]).0, 0);
    }
}
