//! Wall time of a subject: the mean of each batch, and how far the batches lie apart.

use anyhow::{Context as _, Result};
use std::time::{Duration, Instant};

use super::{Entry, measured};

/// Means of batches in tenths of a nanosecond, ascending; there is one at least.
pub(super) struct Means(Vec<u64>);

/// Times a subject.
pub(super) fn time(entry: &Entry, batches: u32) -> Result<Means> {
    let mut subject = (entry.make)();
    let mut once = || {
        subject.prepare(entry.batch);
        let start = Instant::now();
        measured(&mut *subject, entry.batch);
        per_operation(start.elapsed(), entry.batch)
    };
    once();
    let mut means: Vec<u64> = (0..batches).map(|_| once()).collect();
    means.sort_unstable();
    means.first().context("no batch")?;
    Ok(Means(means))
}

fn per_operation(took: Duration, operations: u64) -> u64 {
    let tenths = took.as_nanos() * 10 / u128::from(operations.max(1));
    u64::try_from(tenths).unwrap_or(u64::MAX)
}

impl Means {
    pub(super) fn row(&self, entry: &Entry) -> Vec<String> {
        let means = &self.0;
        let [min, median, max] = [0, means.len() / 2, means.len() - 1].map(|at| tenths(means[at]));
        vec![
            entry.name.to_owned(),
            min,
            median,
            max,
            means.len().to_string(),
            entry.batch.to_string(),
            entry.what.to_owned(),
        ]
    }
}

/// What a reading of the clock takes, in tenths of a nanosecond: the middle of many means.
pub(super) fn clock_tenths() -> u64 {
    const READINGS: u64 = 1_000;
    let mean = || {
        let start = Instant::now();
        for _ in 0..READINGS {
            std::hint::black_box(Instant::now());
        }
        per_operation(start.elapsed(), READINGS)
    };
    let mut means: Vec<u64> = (0..101).map(|_| mean()).collect();
    means.sort_unstable();
    means[means.len() / 2]
}

/// Tenths with their decimal.
pub(super) fn tenths(value: u64) -> String {
    format!("{}.{}", value / 10, value % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_is_per_operation() {
        assert_eq!(per_operation(Duration::from_micros(5), 1_000), 50);
        assert_eq!(tenths(50), "5.0");
        assert_eq!(per_operation(Duration::from_nanos(7), 2), 35);
    }

    #[test]
    fn means_are_shown_from_the_smallest_to_the_largest() {
        let row = Means(vec![10, 20, 35]).row(&super::super::decode::ENTRY);
        assert_eq!(row[..5], ["decode", "1.0", "2.0", "3.5", "3"]);
    }
}
