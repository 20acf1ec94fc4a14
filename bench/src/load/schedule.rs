//! When each request is meant to be sent: fixed before the first one leaves.

use crate::random::Random;

const SECOND: u64 = 1_000_000_000;

/// How the intended times are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// At equal distances.
    Constant,
    /// Independently of each other: exponential distances with the rate's mean.
    Poisson,
}

/// The intended times of one segment.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Nanoseconds after the segment's start, ascending.
    offsets: Vec<u64>,
    /// Requests before this one warm up and are not measured.
    first_measured: usize,
    length: u64,
}

impl Schedule {
    /// `rate` requests a second for `warmup` seconds that are not measured and `seconds` that are.
    /// The same arguments give the same times.
    #[must_use]
    pub fn new(arrivals: Arrivals, rate: u32, warmup: u32, seconds: u32, seed: u64) -> Self {
        let length = (u64::from(warmup) + u64::from(seconds)) * SECOND;
        let offsets = match arrivals {
            Arrivals::Constant => constant(rate, length),
            Arrivals::Poisson => poisson(rate, length, Random(seed)),
        };
        let warm = u64::from(warmup) * SECOND;
        Self {
            first_measured: offsets.partition_point(|offset| *offset < warm),
            offsets,
            length,
        }
    }

    /// Requests in all, those that warm up included.
    #[must_use]
    pub fn planned(&self) -> usize {
        self.offsets.len()
    }

    /// The first request that is measured.
    #[must_use]
    pub fn first_measured(&self) -> usize {
        self.first_measured
    }

    /// Nanoseconds from the segment's start to the intended time of `request`, if there is one.
    #[must_use]
    pub fn offset(&self, request: usize) -> Option<u64> {
        self.offsets.get(request).copied()
    }

    /// Nanoseconds that the schedule spans.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }
}

fn constant(rate: u32, length: u64) -> Vec<u64> {
    let rate = u64::from(rate.max(1));
    let planned = rate * (length / SECOND);
    // Each from the start, not from the one before: no rounding adds up.
    (0..planned)
        .map(|request| request * SECOND / rate)
        .collect()
}

fn poisson(rate: u32, length: u64, mut random: Random) -> Vec<u64> {
    let mean = SECOND as f64 / f64::from(rate.max(1));
    let (mut at, mut offsets) = (0.0_f64, Vec::new());
    loop {
        // 53 bits, in (0, 1].
        let uniform = ((random.draw() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        at -= mean * uniform.ln();
        if at >= length as f64 {
            return offsets;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and the length"
        )]
        offsets.push(at as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(schedule: &Schedule) -> Vec<u64> {
        (0..schedule.planned())
            .filter_map(|request| schedule.offset(request))
            .collect()
    }

    #[test]
    fn constant_distances_do_not_drift() {
        // 1/3 of a second is no whole number of nanoseconds.
        let schedule = Schedule::new(Arrivals::Constant, 3, 1, 2, 7);
        assert_eq!(
            offsets(&schedule),
            [
                0,
                333_333_333,
                666_666_666,
                1_000_000_000,
                1_333_333_333,
                1_666_666_666,
                2_000_000_000,
                2_333_333_333,
                2_666_666_666
            ]
        );
        assert_eq!(schedule.first_measured(), 3);
        assert_eq!(schedule.length(), 3 * SECOND);
        assert_eq!(schedule.offset(9), None);
    }

    #[test]
    fn the_rate_is_kept_over_the_whole_length() {
        let schedule = Schedule::new(Arrivals::Constant, 7_777, 0, 10, 7);
        assert_eq!(schedule.planned(), 77_770);
        let last = schedule.offset(77_769).expect("the last");
        assert!(10 * SECOND - last <= SECOND / 7_777 + 1, "{last}");
    }

    #[test]
    fn poisson_has_the_rate_and_the_spread() {
        let schedule = Schedule::new(Arrivals::Poisson, 10_000, 1, 9, 7);
        let offsets = offsets(&schedule);
        // 100,000 expected with a deviation of 316: seven of them either way.
        assert!((97_800..102_200).contains(&offsets.len()));
        assert!(offsets.is_sorted());
        assert!(offsets.iter().all(|offset| *offset < 10 * SECOND));
        let distances = offsets.windows(2).map(|pair| pair[1] - pair[0]);
        // Of exponential distances 1 − 1/e are below the mean: 63 %. Of constant ones, none.
        let below = distances.filter(|distance| *distance < 100_000).count();
        assert!(
            (61_000..65_500).contains(&(below * 100_000 / offsets.len())),
            "{below} of {}",
            offsets.len()
        );
        let warm = schedule.first_measured();
        assert!(offsets[warm - 1] < SECOND && offsets[warm] >= SECOND);
    }

    #[test]
    fn a_seed_is_a_schedule() {
        let times = |seed| offsets(&Schedule::new(Arrivals::Poisson, 1_000, 0, 2, seed));
        assert_eq!(times(1), times(1));
        assert_ne!(times(1), times(2));
    }
}
