//! A tile's counters, looked up once.

use shm::{Counter, TileBlock};
use std::cell::Cell;

/// The counters of one tile's block, by the numbers of `topology::instruments`. They outlive the
/// process: a restarted one goes on counting where its predecessor stopped.
#[derive(Debug)]
pub(crate) struct Counters {
    counters: Box<[Counter]>,
    /// Totals counted elsewhere in this process, as far as they were added.
    added: Box<[Cell<u64>]>,
}

impl Counters {
    pub(crate) fn new(block: &TileBlock, names: &[&str]) -> Self {
        Self {
            counters: (0..names.len())
                .map(|number| block.counter(number))
                .collect(),
            added: names.iter().map(|_| Cell::new(0)).collect(),
        }
    }

    pub(crate) fn add(&self, number: usize, n: u64) {
        self.counters[number].add(n);
    }

    /// Adds what has come to a total of this process, which is counted elsewhere.
    pub(crate) fn follow(&self, number: usize, total: u64) {
        let before = self.added[number].replace(total);
        self.counters[number].add(total.saturating_sub(before));
    }

    /// Sets what is a level of this process, not a count.
    pub(crate) fn set(&self, number: usize, level: u64) {
        self.counters[number].set(level);
    }
}
