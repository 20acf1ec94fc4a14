//! Fixed-point numbers. All arithmetic is checked; there are no floats anywhere in Sluice.

use core::fmt;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A price in ticks of its market. Range of an accepted order: the market's `price_min ..`,
/// always at least 1. Signed, because spreads may need it later.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(transparent)]
pub struct Price(pub i64);

/// A quantity in lots of its market.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(transparent)]
pub struct Qty(pub u64);

/// An amount of an asset in its base units (the smallest unit that a chain knows).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(transparent)]
pub struct Amount(pub u64);

/// Nanoseconds since 1970-01-01 UTC (of a time), or just nanoseconds (of a span).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(transparent)]
pub struct Nanos(pub u64);

/// Position of a frame in the journal of its shard. The first frame is 1.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(transparent)]
pub struct Seq(pub u64);

impl Qty {
    /// No lots.
    pub const ZERO: Self = Self(0);

    /// `self + other`, or `None` beyond the range.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// `self - other`, or `None` if it would be negative.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// Base units of the base asset in this many lots, or `None` beyond the range.
    #[must_use]
    pub fn base_units(self, lot_size: u64) -> Option<Amount> {
        self.0.checked_mul(lot_size).map(Amount)
    }
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `self + other`, or `None` beyond the range.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// `self - other`, or `None` if it would be negative.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// `price * qty * tick_value` in base units of the quote asset: exact, no rounding.
    /// `None` for a price or a `tick_value` below 1 or a result beyond the range.
    #[must_use]
    pub fn notional(price: Price, qty: Qty, tick_value: u64) -> Option<Self> {
        let price = u64::try_from(price.0).ok().filter(|&p| p > 0)?;
        if tick_value == 0 {
            return None;
        }
        let ticks = price.checked_mul(qty.0)?;
        ticks.checked_mul(tick_value).map(Self)
    }

    /// The fee on this notional: `floor(notional * rate_ppm / 1_000_000)`.
    ///
    /// Rounded down, fill by fill: the fees of the parts of an order never exceed the fee of the
    /// whole, so the hold taken for the whole always covers them. `rate_ppm` is at most 1,000,000.
    #[must_use]
    pub fn fee(self, rate_ppm: u32) -> Self {
        // Millions and the rest apart, so that no product exceeds 64 bits: the fee on the
        // millions is whole, and at most what they are.
        const MILLION: u64 = 1_000_000;
        let rate = u64::from(rate_ppm).min(MILLION);
        Self(self.0 / MILLION * rate + self.0 % MILLION * rate / MILLION)
    }
}

impl Seq {
    /// The position after this one.
    ///
    /// # Panics
    /// After 2^64 frames.
    #[must_use]
    pub fn next(self) -> Self {
        Self(
            self.0
                .checked_add(1)
                .expect("a journal has fewer than 2^64 frames"),
        )
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl fmt::Display for Qty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn notional_is_exact_and_bounded() {
        assert_eq!(Amount::notional(Price(3), Qty(5), 7), Some(Amount(105)));
        assert_eq!(Amount::notional(Price(0), Qty(5), 7), None);
        assert_eq!(Amount::notional(Price(-1), Qty(5), 7), None);
        assert_eq!(
            Amount::notional(Price(i64::MAX), Qty(u64::MAX), u64::MAX),
            None
        );
        assert_eq!(
            Amount::notional(Price(1), Qty(u64::MAX), 1),
            Some(Amount(u64::MAX))
        );
    }

    proptest! {
        #[test]
        fn a_fee_is_the_floor_of_the_share(n in any::<u64>(), small in 0..5_000_000_u64, rate in 0..=1_000_000_u32) {
            for n in [n, small, u64::MAX - small] {
                let wide = u128::from(n) * u128::from(rate) / 1_000_000;
                prop_assert_eq!(u128::from(Amount(n).fee(rate).0), wide);
                prop_assert_eq!(Amount(n).fee(1_000_000), Amount(n));
                prop_assert_eq!(Amount(n).fee(u32::MAX), Amount(n));
            }
        }

        #[test]
        fn a_notional_is_the_product_or_does_not_fit(
            price in prop_oneof![1..1_000_000_i64, 1..=i64::MAX],
            qty in prop_oneof![0..1_000_000_u64, any::<u64>()],
            tick_value in prop_oneof![1..1_000_000_u64, 1..=u64::MAX],
        ) {
            let ticks = u128::from(price.unsigned_abs()) * u128::from(qty);
            let units = ticks.checked_mul(u128::from(tick_value)).and_then(|units| u64::try_from(units).ok());
            prop_assert_eq!(Amount::notional(Price(price), Qty(qty), tick_value), units.map(Amount));
        }

        #[test]
        fn fees_of_parts_never_exceed_the_fee_of_the_whole(
            a in 0..u64::MAX / 2, b in 0..u64::MAX / 2, rate in 0..=1_000_000_u32,
        ) {
            prop_assert!(Amount(a).fee(rate).0 + Amount(b).fee(rate).0 <= Amount(a + b).fee(rate).0);
        }
    }
}
