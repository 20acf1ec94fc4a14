//! The sum of the hashes of a table's rows, kept while they change.

use crate::hash::record;
use crate::orders::NIL;
use core::mem::replace;
use domain::{OrderId, Tag};

/// Ids on top of a stack that may be out of its sum at a time.
const TOP: usize = 64;

/// Rows of a table that may be out of its sum at a time: a power of two. More of them are more that a checkpoint has to
/// hash, and fewer that are hashed because another one needs their place.
const PLACES: usize = 256;

/// The sum of the hashes of all rows of a table but those that are *out* of it.
///
/// A row is taken out before it is changed, and put back when another one needs its place. So a row that changes
/// often is seldom hashed, and what a row hashed to is nowhere remembered: it is found anew before the change. Which
/// rows are out is no state.
#[derive(Clone)]
pub(crate) struct Kept {
    sum: u64,
    /// The rows that are out, each at a place that its number says; else [`NIL`].
    out: [u32; PLACES],
}

impl Kept {
    /// Of a table whose rows all hash to 0.
    pub(crate) const fn new() -> Self {
        Self {
            sum: 0,
            out: [NIL; PLACES],
        }
    }

    /// Neighbours are apart, and so are rows that a power of two is between.
    fn place(row: u32) -> usize {
        (row.wrapping_mul(0x9E37_79B1) >> (u32::BITS - PLACES.ilog2())) as usize
    }

    /// Whether a row is out, and so may be changed.
    #[inline]
    pub(crate) fn has_out(&self, row: u32) -> bool {
        self.out[Self::place(row)] == row
    }

    /// Takes a row out that is not, and is about to be changed. `hash` is that of a row as it is.
    #[inline]
    pub(crate) fn take_out(&mut self, row: u32, hash: impl Fn(u32) -> u64) {
        let before = replace(&mut self.out[Self::place(row)], row);
        let before = if before == NIL { 0 } else { hash(before) };
        self.exchange_record(hash(row), before);
    }

    /// A record comes that belongs to no row.
    pub(crate) fn add(&mut self, hash: u64) {
        self.exchange_record(0, hash);
    }

    /// A record that belongs to no row becomes another.
    pub(crate) fn exchange_record(&mut self, before: u64, after: u64) {
        self.sum = self.sum.wrapping_add(after).wrapping_sub(before);
    }

    /// The sum of all rows and records.
    pub(crate) fn sum(&self, hash: impl Fn(u32) -> u64) -> u64 {
        let out = self.out.iter().filter(|&&row| row != NIL);
        out.fold(self.sum, |sum, &row| sum.wrapping_add(hash(row)))
    }
}

/// The sum of the hashes of a stack's bottom. What comes and goes at its top is not hashed.
#[derive(Default)]
pub(crate) struct KeptStack {
    sum: u64,
    /// Ids of the bottom that are hashed.
    hashed: usize,
}

impl KeptStack {
    /// An id was put on top.
    #[inline]
    pub(crate) fn pushed(&mut self, free: &[OrderId]) {
        if free.len() - self.hashed > TOP {
            let hash = hash_of_free(self.hashed, free[self.hashed]);
            self.sum = self.sum.wrapping_add(hash);
            self.hashed += 1;
        }
    }

    /// An id was taken from the top.
    #[inline]
    pub(crate) fn popped(&mut self, free: &[OrderId], id: OrderId) {
        if free.len() < self.hashed {
            self.hashed = free.len();
            self.sum = self.sum.wrapping_sub(hash_of_free(free.len(), id));
        }
    }

    /// The sum of all ids.
    pub(crate) fn sum(&self, free: &[OrderId]) -> u64 {
        let top = self.hashed..free.len();
        top.fold(self.sum, |sum, position| {
            sum.wrapping_add(hash_of_free(position, free[position]))
        })
    }
}

/// The entry of the free list at a position from the bottom.
fn hash_of_free(position: usize, id: OrderId) -> u64 {
    record(Tag::FreeSlot, [position as u64, id.0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Some rows are empty, and so hash to 0.
    fn hash(rows: &[u64], row: u32) -> u64 {
        match rows[row as usize] {
            0 => 0,
            word => record(Tag::Balance, [u64::from(row), word]),
        }
    }

    proptest! {
        /// Of so many rows that they take each other's places.
        #[test]
        fn the_sum_is_that_of_all_rows(
            steps in prop::collection::vec((0..1_000_u32, 0..3_u64), 0..400),
        ) {
            let (mut rows, mut kept) = (vec![0; 1_000], Kept::new());
            for (row, word) in steps {
                if !kept.has_out(row) {
                    kept.take_out(row, |row| hash(&rows, row));
                }
                rows[row as usize] = word;
            }
            let all = (0..1_000).map(|row| hash(&rows, row));
            prop_assert_eq!(kept.sum(|row| hash(&rows, row)), all.fold(0, u64::wrapping_add));
        }

        /// So deep that most of it is hashed, and far down again.
        #[test]
        fn the_sum_of_a_stack_is_that_of_its_ids(
            steps in prop::collection::vec((any::<bool>(), 1..200_u32), 0..30),
        ) {
            let (mut free, mut kept) = (Vec::new(), KeptStack::default());
            for (comes, times) in steps {
                for slot in 0..times {
                    if comes {
                        free.push(OrderId::first(slot));
                        kept.pushed(&free);
                    } else if let Some(id) = free.pop() {
                        kept.popped(&free, id);
                    }
                }
                prop_assert!(free.len() - kept.hashed <= TOP);
                let all = (0..).zip(&free).map(|(position, &id)| hash_of_free(position, id));
                prop_assert_eq!(kept.sum(&free), all.fold(0, u64::wrapping_add));
            }
        }
    }
}
