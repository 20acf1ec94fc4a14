//! A tile's counters, looked up once.

use shm::{Counter, TileBlock};

/// The counters of one tile's block, by the numbers of `topology::instruments`.
#[derive(Debug)]
pub(crate) struct Counters(Box<[Counter]>);

impl Counters {
    pub(crate) fn new(block: &TileBlock, names: &[&str]) -> Self {
        Self(
            (0..names.len())
                .map(|number| block.counter(number))
                .collect(),
        )
    }

    pub(crate) fn add(&self, number: usize, n: u64) {
        self.0[number].add(n);
    }

    /// Brings a counter up to a total that is counted elsewhere.
    pub(crate) fn raise(&self, number: usize, total: u64) {
        self.0[number].add(total.saturating_sub(self.0[number].get()));
    }
}
