//! The random numbers of the workload.

/// `splitmix64`.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 to `n` - 1.
    pub fn below(&mut self, n: u32) -> u32 {
        let wide = u128::from(self.bits()) * u128::from(n);
        u32::try_from(wide >> 64).expect("it is below n")
    }

    /// 0 to 1, without 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / 9_007_199_254_740_992.0
    }

    /// Whether something of this probability happens.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Geometric, of this mean.
    pub fn geometric(&mut self, mean: f64) -> u32 {
        whole(((1.0 - self.unit()).ln() / (mean / (mean + 1.0)).ln()).floor())
    }
}

/// A number without a fraction as an integer.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast keeps to the range, and no more is meant"
)]
pub(crate) fn whole(number: f64) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_splitmix64() {
        // The first of seed 1234567, as the algorithm's author publishes them.
        let mut random = Random::new(1_234_567);
        let first = [(); 3].map(|()| random.bits());
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn means_are_right() {
        let mut random = Random::new(1);
        let count = 100_000;
        let sum: u64 = (0..count).map(|_| u64::from(random.geometric(6.0))).sum();
        let mean = sum as f64 / f64::from(count);
        assert!((5.9..6.1).contains(&mean), "{mean}");
        assert!((0..count).all(|_| random.below(7) < 7));
    }
}
