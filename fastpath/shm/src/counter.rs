//! Counters: one writer, relaxed, for people to look at.

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
}
