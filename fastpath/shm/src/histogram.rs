//! Latency histograms: log-linear, 32 buckets per power of two, so that a value is known to within
//! one part in 32.

use crate::{Memory, Span, Words, mutant};

#[cfg(not(loom))]
const SUB_BITS: u32 = 5;
/// Values from 2^40 ns (18 minutes) on count as the largest below.
#[cfg(not(loom))]
const VALUE_BITS: u32 = 40;
// Loom pays for every word: under it a histogram has 6 buckets.
#[cfg(loom)]
const SUB_BITS: u32 = 1;
#[cfg(loom)]
const VALUE_BITS: u32 = 3;
const SUB: usize = 1 << SUB_BITS;
const LARGEST: u64 = (1 << VALUE_BITS) - 1;

/// Buckets of a histogram: values below 32 each have their own, then 32 per power of two.
pub const BUCKETS: usize = SUB + (VALUE_BITS - SUB_BITS) as usize * SUB;

const SUM: usize = 0;
const MAX: usize = 1;
/// Stored inverted, so that memory of zeros says "no value yet".
const INVERTED_MIN: usize = 2;
const FIRST_BUCKET: usize = 8;

/// Words of a histogram: sum, maximum, inverted minimum, five spare, then the buckets.
pub const HISTOGRAM_WORDS: usize = FIRST_BUCKET + BUCKETS;

/// The bucket of `value`.
#[inline]
fn bucket_of(value: u64) -> usize {
    let value = value.min(LARGEST);
    let exponent = (value | 1).ilog2();
    if exponent < SUB_BITS {
        return usize::try_from(value).expect("below SUB");
    }
    let shift = exponent - SUB_BITS;
    let sub = usize::try_from(value >> shift).expect("below twice SUB") - SUB;
    SUB + shift as usize * SUB + sub
}

/// The least and the greatest value of `bucket`.
fn bounds(bucket: usize) -> (u64, u64) {
    let Some(above) = bucket.checked_sub(SUB) else {
        return (bucket as u64, bucket as u64);
    };
    let (shift, sub) = (above / SUB, above % SUB);
    let least = ((SUB + sub) as u64) << shift;
    (least, least + (1 << shift) - 1)
}

/// A histogram of nanoseconds that one thread fills.
#[derive(Clone, Debug)]
pub struct Histogram<W = Memory>(Span<W>);

impl<W: Words> Histogram<W> {
    /// The histogram at words `at ..`.
    ///
    /// # Panics
    /// If there is no room for one.
    #[must_use]
    pub fn new(memory: &W, at: usize) -> Self {
        Self(Span::new(memory, at, HISTOGRAM_WORDS))
    }

    /// Records `value`, ns; from 2^40 on as 2^40 - 1. Only the one writer may call this.
    #[inline]
    pub fn record(&self, value: u64) {
        let words = self.0.words();
        let value = value.min(LARGEST);
        words[SUM].set(words[SUM].get().wrapping_add(value));
        if value > words[MAX].get() {
            words[MAX].set(value);
        }
        if !value > words[INVERTED_MIN].get() {
            words[INVERTED_MIN].set(!value);
        }
        let bucket = &words[FIRST_BUCKET + bucket_of(value)];
        bucket.set(bucket.get().wrapping_add(1));
    }

    /// What was recorded so far. While the writer is at work some of the newest values may be
    /// missing, never one twice, and minimum, maximum and count fit each other.
    #[must_use]
    pub fn snapshot(&self) -> HistogramSnapshot {
        let words = self.0.words();
        let counts: Box<[u64]> = words[FIRST_BUCKET..].iter().map(crate::Word::get).collect();
        let exact = (
            words[SUM].get(),
            words[MAX].get(),
            !words[INVERTED_MIN].get(),
        );
        HistogramSnapshot::new(counts, exact)
    }
}

/// A histogram at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistogramSnapshot {
    /// Values recorded.
    pub count: u64,
    /// The least, ns; 0 if there is none.
    pub min: u64,
    /// The greatest, ns; 0 if there is none.
    pub max: u64,
    /// Their sum, ns, modulo 2^64.
    pub sum: u64,
    counts: Box<[u64]>,
}

impl HistogramSnapshot {
    /// The exact extremes are other words than the counts, and may be newer or, in memory that
    /// another process wrote, anything: each is held to the bucket that it must lie in.
    fn new(counts: Box<[u64]>, (sum, max, min): (u64, u64, u64)) -> Self {
        let count = counts.iter().fold(0u64, |sum, n| sum.saturating_add(*n));
        let held = |bucket: Option<usize>, exact: u64| match bucket.map(bounds) {
            Some(_) if !mutant::keeps("histogram.held") => exact,
            Some((least, greatest)) => exact.clamp(least, greatest),
            None => 0,
        };
        let min = held(counts.iter().position(|n| *n != 0), min);
        let max = held(counts.iter().rposition(|n| *n != 0), max).max(min);
        Self {
            count,
            min,
            max,
            sum,
            counts,
        }
    }

    /// How many values lie in buckets that end at `value` or below. Exact where a bucket ends at `value`, as one does
    /// at every power of two less one; else those are missing that share a bucket with what is above.
    #[must_use]
    pub fn count_to(&self, value: u64) -> u64 {
        self.counts
            .iter()
            .enumerate()
            .take_while(|(bucket, _)| bounds(*bucket).1 <= value)
            .fold(0, |sum, (_, n)| sum.saturating_add(*n))
    }

    /// The value, ns, that `p` percent of the values do not exceed: the greatest of its bucket, thus
    /// at most 3.2 % above the exact one, and never above [`Self::max`]. 0 if nothing was recorded.
    #[must_use]
    pub fn percentile(&self, p: f64) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank between 0 and the count; `as` saturates"
        )]
        let rank = (p.clamp(0.0, 100.0) * self.count as f64 / 100.0).ceil() as u64;
        let rank = rank.clamp(1, self.count.max(1));
        let mut below = 0u64;
        for (bucket, n) in self.counts.iter().enumerate() {
            below = below.saturating_add(*n);
            if below >= rank {
                return bounds(bucket).1.clamp(self.min, self.max);
            }
        }
        self.max
    }

    /// The mean, ns; 0 if nothing was recorded.
    #[must_use]
    pub fn mean(&self) -> u64 {
        self.sum.checked_div(self.count).unwrap_or(0)
    }

    /// The buckets that are not empty: least value, greatest value, count.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        self.counts
            .iter()
            .enumerate()
            .filter(|(_, n)| **n != 0)
            .map(|(bucket, n)| {
                let (least, greatest) = bounds(bucket);
                (least, greatest, *n)
            })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::Heap;
    use proptest::prelude::*;

    fn filled(values: &[u64]) -> HistogramSnapshot {
        let histogram = Histogram::new(&Heap::new(HISTOGRAM_WORDS), 0);
        for value in values {
            histogram.record(*value);
        }
        histogram.snapshot()
    }

    #[test]
    fn buckets_follow_one_another_without_gap() {
        let mut next = 0;
        for bucket in 0..BUCKETS {
            let (least, greatest) = bounds(bucket);
            assert_eq!(least, next, "bucket {bucket}");
            assert_eq!((bucket_of(least), bucket_of(greatest)), (bucket, bucket));
            assert!(
                greatest - least <= least / 32,
                "bucket {bucket} is wider than 1/32"
            );
            next = greatest + 1;
        }
        assert_eq!(next, LARGEST + 1);
    }

    #[test]
    fn what_is_too_large_counts_as_the_largest() {
        let snapshot = filled(&[u64::MAX]);
        assert_eq!(
            (snapshot.count, snapshot.min, snapshot.max),
            (1, LARGEST, LARGEST)
        );
    }

    #[test]
    fn what_lies_below_a_power_of_two_is_counted_exactly() {
        let snapshot = filled(&[0, 1023, 1024, 1025, 5000, u64::MAX]);
        let counts = [0, 1023, 2047, LARGEST, u64::MAX].map(|value| snapshot.count_to(value));
        assert_eq!(counts, [1, 2, 4, 6, 6]);
    }

    #[test]
    fn an_empty_one_is_all_zero() {
        let snapshot = filled(&[]);
        assert_eq!(
            (snapshot.count, snapshot.min, snapshot.max, snapshot.mean()),
            (0, 0, 0, 0)
        );
        assert_eq!(snapshot.percentile(99.0), 0);
    }

    proptest! {
        #[test]
        fn percentiles_are_those_of_the_sorted_values(
            mut values in prop::collection::vec(prop_oneof![0..100u64, 0..LARGEST], 1..300),
            p in 0..=100u32,
        ) {
            let snapshot = filled(&values);
            values.sort_unstable();
            prop_assert_eq!(snapshot.count, values.len() as u64);
            prop_assert_eq!((snapshot.min, snapshot.max), (values[0], values[values.len() - 1]));
            let rank = (values.len() * p as usize).div_ceil(100).max(1);
            let exact = values[rank - 1];
            let found = snapshot.percentile(f64::from(p));
            prop_assert!(found >= exact && found - exact <= exact / 32, "{} for {}", found, exact);
        }

        #[test]
        fn garbage_gives_a_snapshot_that_fits_itself(words in prop::collection::vec(any::<u64>(), HISTOGRAM_WORDS)) {
            let memory = Heap::new(HISTOGRAM_WORDS);
            for (word, value) in memory.words().iter().zip(&words) {
                word.set(*value);
            }
            let snapshot = Histogram::new(&memory, 0).snapshot();
            prop_assert!(snapshot.min <= snapshot.percentile(50.0));
            prop_assert!(snapshot.percentile(50.0) <= snapshot.max);
        }
    }
}
