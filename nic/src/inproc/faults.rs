//! What goes wrong on a network in memory, and the seeded draw that decides when.

/// How often what goes wrong. Rates are in parts per million of datagrams, 0 to 1,000,000; a datagram
/// suffers at most one of loss, duplication and delay, so these three together must not exceed
/// 1,000,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Datagrams that are lost.
    pub loss_ppm: u32,
    /// Datagrams that are delivered twice.
    pub duplicate_ppm: u32,
    /// Datagrams that later ones overtake.
    pub delay_ppm: u32,
    /// Most datagrams that may overtake a delayed one; at least 1 if any is delayed.
    pub delay_span: u32,
    /// Flushes that find the driver full.
    pub full_ppm: u32,
}

impl Faults {
    /// Nothing goes wrong.
    pub const NONE: Self = Self {
        loss_ppm: 0,
        duplicate_ppm: 0,
        delay_ppm: 0,
        delay_span: 0,
        full_ppm: 0,
    };
}

/// What happens to a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Delivered,
    Lost,
    Duplicated,
    /// So many others overtake it.
    Delayed(u32),
}

/// A seeded source of decisions (SplitMix64).
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Whether something that happens `ppm` times in a million happens now.
    pub(super) fn strikes(&mut self, ppm: u32) -> bool {
        self.next() % 1_000_000 < u64::from(ppm)
    }

    pub(super) fn fate(&mut self, faults: &Faults) -> Fate {
        let draw = self.next() % 1_000_000;
        let lost = u64::from(faults.loss_ppm);
        let duplicated = lost + u64::from(faults.duplicate_ppm);
        let delayed = duplicated + u64::from(faults.delay_ppm);
        if draw < lost {
            Fate::Lost
        } else if draw < duplicated {
            Fate::Duplicated
        } else if draw < delayed {
            let others = self.next() % u64::from(faults.delay_span.max(1)) + 1;
            Fate::Delayed(u32::try_from(others).expect("at most the span, which is 32 bits"))
        } else {
            Fate::Delivered
        }
    }
}
