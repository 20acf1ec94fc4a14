//! Counters and heartbeats: one writer, relaxed, for people to look at.

use crate::{Memory, WordAt, Words};

/// A count that one thread increases. It wraps at 2^64.
#[derive(Clone, Debug)]
pub struct Counter<W = Memory>(WordAt<W>);

impl<W: Words> Counter<W> {
    /// The counter at word `at`.
    ///
    /// # Panics
    /// If there is no such word.
    #[must_use]
    pub fn new(memory: &W, at: usize) -> Self {
        Self(WordAt::new(memory, at))
    }

    /// Adds `n`. Only the counter's one writer may call this.
    #[inline]
    pub fn add(&self, n: u64) {
        let word = self.0.word();
        word.set(word.get().wrapping_add(n));
    }

    /// Sets what is not a count but a level. Only the counter's one writer may call this.
    #[inline]
    pub fn set(&self, level: u64) {
        self.0.word().set(level);
    }

    /// The count.
    #[inline]
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.word().get()
    }
}

/// The time at which something was last alive, UTC ns.
#[derive(Clone, Debug)]
pub struct Heartbeat<W = Memory>(WordAt<W>);

impl<W: Words> Heartbeat<W> {
    /// The heartbeat at word `at`.
    ///
    /// # Panics
    /// If there is no such word.
    #[must_use]
    pub fn new(memory: &W, at: usize) -> Self {
        Self(WordAt::new(memory, at))
    }

    /// Alive at `now`, UTC ns. Only the one writer may call this.
    #[inline]
    pub fn beat(&self, now: u64) {
        self.0.word().set(now);
    }

    /// When it was last alive, UTC ns; 0 never.
    #[inline]
    #[must_use]
    pub fn last(&self) -> u64 {
        self.0.word().get()
    }

    /// Nanoseconds since then; 0 if that lies ahead of `now`.
    #[inline]
    #[must_use]
    pub fn age(&self, now: u64) -> u64 {
        now.saturating_sub(self.last())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Heap;

    #[test]
    fn a_counter_adds_and_wraps() {
        let memory = Heap::new(1);
        let counter = Counter::new(&memory, 0);
        counter.add(3);
        counter.add(4);
        assert_eq!(counter.get(), 7);
        memory.words()[0].set(u64::MAX);
        counter.add(2);
        assert_eq!(counter.get(), 1);
    }

    #[test]
    fn an_age_is_never_negative() {
        let heartbeat = Heartbeat::new(&Heap::new(1), 0);
        heartbeat.beat(100);
        assert_eq!(
            (heartbeat.last(), heartbeat.age(130), heartbeat.age(90)),
            (100, 30, 0)
        );
    }
}
