//! The ring of one producer and one consumer, between tiles or between processes.
//!
//! Positions count slots for ever; a position's place is `position mod capacity`. The producer
//! writes slots, then releases `head` once per burst; the consumer copies slots, then releases
//! `tail` once per burst. Each side keeps a copy of the other's position and looks again only when
//! that copy says full or empty, so that in a busy ring the two seldom touch the same line.
//!
//! Neither side trusts the other's position: one that is impossible gives the consumer a
//! [`RingFault`] and leaves the producer with the last position that made sense.

use crate::words::{LINE_WORDS, Span, WordAt, place};
use crate::{Heap, Memory, Words, mutant};
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::Ordering;

/// Words of a slot.
#[cfg(not(loom))]
pub const SLOT_WORDS: usize = 16;
/// Words of a slot. Loom pays for every word.
#[cfg(loom)]
pub const SLOT_WORDS: usize = 2;

/// What a slot carries.
pub type Slot = [u64; SLOT_WORDS];

/// There is no free slot: answer `Busy`, or try again after the consumer has released some.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ring is full")]
pub struct Full;

/// The producer's position is impossible, so nothing was read. The ring goes on by itself if the
/// position becomes possible again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingFault {
    /// It went back.
    #[error("the producer's position went back from {seen} to {found}; restart the producer")]
    Backwards {
        /// What it was.
        seen: u64,
        /// What it is.
        found: u64,
    },
    /// It is further ahead of the consumer than the ring is long.
    #[error(
        "the producer's position {found} is over a ring's length ahead of {tail}; restart the producer"
    )]
    Overrun {
        /// The last released position of the consumer.
        tail: u64,
        /// The producer's.
        found: u64,
    },
}

/// Where a ring lies: its slots, and the two positions.
struct Places<W> {
    slots: Span<W>,
    head: WordAt<W>,
    tail: WordAt<W>,
    capacity: u64,
}

impl<W: Words> Places<W> {
    fn new(slots: Span<W>, head: WordAt<W>, tail: WordAt<W>) -> Self {
        let capacity = slots.words().len() / SLOT_WORDS;
        assert!(
            capacity.is_power_of_two(),
            "a ring of {capacity} slots: not a power of two"
        );
        Self {
            slots,
            head,
            tail,
            capacity: capacity as u64,
        }
    }

    /// The words of the slot of `position`.
    #[inline]
    fn slot(&self, position: u64) -> &[crate::Word] {
        let at = place(position & (self.capacity - 1)) * SLOT_WORDS;
        &self.slots.words()[at..at + SLOT_WORDS]
    }
}

/// The end of a ring that writes.
pub struct RingProducer<W = Memory> {
    ring: Places<W>,
    /// The next slot to write; those from the published position on are not visible yet.
    head: u64,
    /// The consumer's position when it was last looked at.
    tail: u64,
    not_sync: PhantomData<Cell<()>>,
}

impl<W: Words> RingProducer<W> {
    /// The producer of the ring of `slots` (a power of two of slots), with `head` its own word and
    /// `tail` the consumer's. It resumes at the stored head; if that does not fit the consumer's
    /// position (one of the two regions is new), the ring starts empty where the consumer is.
    ///
    /// # Panics
    /// If the number of slots is not a power of two.
    #[must_use]
    pub fn resume(slots: Span<W>, head: WordAt<W>, tail: WordAt<W>) -> Self {
        let ring = Places::new(slots, head, tail);
        // ORDER: pairs with the release in `RingConsumer::release`.
        let tail = ring.tail.word().load_at("ring.reclaim", Ordering::Acquire);
        let stored = ring.head.word().get();
        let fits = stored
            .checked_sub(tail)
            .is_some_and(|used| used <= ring.capacity);
        let head = if fits { stored } else { tail };
        let producer = Self {
            ring,
            head,
            tail,
            not_sync: PhantomData,
        };
        producer.store_head();
        producer
    }

    /// Writes the next slot. The consumer sees it after [`Self::publish`].
    ///
    /// # Errors
    /// If there is no free slot.
    #[inline]
    pub fn push(&mut self, slot: &Slot) -> Result<(), Full> {
        if self.used() >= self.ring.capacity {
            self.look();
            if !mutant::check("ring.full", self.used() < self.ring.capacity) {
                return Err(Full);
            }
        }
        for (word, value) in self.ring.slot(self.head).iter().zip(slot) {
            word.owned_set(*value);
        }
        self.head = self.head.wrapping_add(1);
        Ok(())
    }

    /// Makes everything pushed visible: once per burst.
    #[inline]
    pub fn publish(&mut self) {
        self.store_head();
    }

    #[inline]
    fn store_head(&self) {
        // ORDER: pairs with the acquire in `RingConsumer::look`: whoever sees this head sees the slots.
        self.ring
            .head
            .word()
            .store_at("ring.publish", self.head, Ordering::Release);
    }

    /// Slots that can be pushed now.
    #[inline]
    pub fn free(&mut self) -> usize {
        self.look();
        place(self.ring.capacity - self.used())
    }

    /// Slots in all.
    #[must_use]
    pub fn capacity(&self) -> usize {
        place(self.ring.capacity)
    }

    /// The position of the next slot to be pushed.
    #[inline]
    #[must_use]
    pub fn position(&self) -> u64 {
        self.head
    }

    /// The position up to which the consumer has given slots back, looked at now.
    #[inline]
    pub fn released(&mut self) -> u64 {
        self.look();
        self.tail
    }

    #[inline]
    fn used(&self) -> u64 {
        self.head.wrapping_sub(self.tail)
    }

    /// Looks at the consumer's position, which another process may have written: it counts only if
    /// it lies between what was seen before and the head.
    #[inline]
    fn look(&mut self) {
        // ORDER: pairs with the release in `RingConsumer::release`: the consumer has finished
        // reading the slots below this tail, so they may be written again.
        let tail = self
            .ring
            .tail
            .word()
            .load_at("ring.reclaim", Ordering::Acquire);
        let advance = tail.wrapping_sub(self.tail);
        if mutant::check("ring.tail", advance <= self.used()) {
            self.tail = tail;
        }
    }
}

/// The end of a ring that reads.
pub struct RingConsumer<W = Memory> {
    ring: Places<W>,
    /// The next slot to read.
    next: u64,
    /// The last position released.
    tail: u64,
    /// The producer's position when it was last looked at.
    head: u64,
    not_sync: PhantomData<Cell<()>>,
}

impl<W: Words> RingConsumer<W> {
    /// The consumer of the ring of `slots` (a power of two of slots), with `tail` its own word and
    /// `head` the producer's. It resumes at the stored tail.
    ///
    /// # Panics
    /// If the number of slots is not a power of two.
    #[must_use]
    pub fn resume(slots: Span<W>, head: WordAt<W>, tail: WordAt<W>) -> Self {
        let ring = Places::new(slots, head, tail);
        let tail = ring.tail.word().get();
        Self {
            ring,
            next: tail,
            tail,
            head: tail,
            not_sync: PhantomData,
        }
    }

    /// A copy of the next slot, if the producer has published one. Its content is untrusted.
    ///
    /// # Errors
    /// If the producer's position is impossible.
    #[inline]
    pub fn peek(&mut self) -> Result<Option<Slot>, RingFault> {
        if self.next == self.head {
            self.look()?;
            if self.next == self.head {
                return Ok(None);
            }
        }
        Ok(Some(self.copy_of(self.next)))
    }

    /// A copy of the slot that lies so many behind the next one, if the producer had published it when it was last
    /// looked at, which [`Self::peek`] does. Its content is untrusted.
    #[inline]
    #[must_use]
    pub fn peek_behind(&self, slots: usize) -> Option<Slot> {
        let known = self.head.wrapping_sub(self.next);
        let behind = slots as u64;
        (behind < known).then(|| self.copy_of(self.next.wrapping_add(behind)))
    }

    fn copy_of(&self, position: u64) -> Slot {
        let words = self.ring.slot(position);
        std::array::from_fn(|i| words[i].owned_get())
    }

    #[inline]
    fn look(&mut self) -> Result<(), RingFault> {
        // ORDER: pairs with the release in `RingProducer::store_head`: the slots below are written.
        let found = self
            .ring
            .head
            .word()
            .load_at("ring.observe", Ordering::Acquire);
        let ahead = found.wrapping_sub(self.tail);
        let seen = self.head.wrapping_sub(self.tail);
        if ahead > self.ring.capacity {
            return Err(if found < self.head {
                RingFault::Backwards {
                    seen: self.head,
                    found,
                }
            } else {
                RingFault::Overrun {
                    tail: self.tail,
                    found,
                }
            });
        }
        if ahead < seen {
            return Err(RingFault::Backwards {
                seen: self.head,
                found,
            });
        }
        self.head = found;
        Ok(())
    }

    /// Goes to the slot after the one that was peeked. The producer gets it back after
    /// [`Self::release`].
    ///
    /// # Panics
    /// If no slot was there to peek.
    #[inline]
    pub fn advance(&mut self) {
        assert!(
            self.next != self.head,
            "advance without a slot to leave behind"
        );
        self.next = self.next.wrapping_add(1);
    }

    /// Gives all slots that were left behind back to the producer: once per burst.
    #[inline]
    pub fn release(&mut self) {
        self.tail = self.next;
        // ORDER: pairs with the acquire in `RingProducer::look`: the slots below have been read.
        self.ring
            .tail
            .word()
            .store_at("ring.release", self.tail, Ordering::Release);
    }
}

impl RingConsumer<Heap> {
    /// Goes to the slot after the one that was peeked and leaves zeros in its place: for a secret, which is
    /// not to stay in memory. Until [`Self::release`] the slot is the consumer's.
    ///
    /// # Panics
    /// If no slot was there to peek.
    pub fn advance_and_erase(&mut self) {
        let slot = self.next;
        self.advance();
        for word in self.ring.slot(slot) {
            word.owned_set(0);
        }
    }
}

/// A ring of `capacity` slots inside this process.
///
/// # Panics
/// If `capacity` is not a power of two.
#[must_use]
pub fn heap(capacity: usize) -> (RingProducer<Heap>, RingConsumer<Heap>) {
    let memory = Heap::new(2 * LINE_WORDS + capacity * SLOT_WORDS);
    let head = || WordAt::new(&memory, 0);
    let tail = || WordAt::new(&memory, LINE_WORDS);
    let slots = || Span::new(&memory, 2 * LINE_WORDS, capacity * SLOT_WORDS);
    (
        RingProducer::resume(slots(), head(), tail()),
        RingConsumer::resume(slots(), head(), tail()),
    )
}
