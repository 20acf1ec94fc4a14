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
    /// `None` for a price below 1 or a result beyond the range.
    #[must_use]
    pub fn notional(price: Price, qty: Qty, tick_value: u64) -> Option<Self> {
        let price = u64::try_from(price.0).ok().filter(|&p| p > 0)?;
        let product = u128::from(price).checked_mul(u128::from(qty.0))?;
        let units = product.checked_mul(u128::from(tick_value))?;
        u64::try_from(units).ok().map(Self)
    }

    /// The fee on this notional: `floor(notional * rate_ppm / 1_000_000)`.
    ///
    /// Rounded down, fill by fill: the fees of the parts of an order never exceed the fee of the
    /// whole, so the hold taken for the whole always covers them. `rate_ppm` is at most 1,000,000.
    #[must_use]
    pub fn fee(self, rate_ppm: u32) -> Self {
        let rate = u128::from(rate_ppm.min(1_000_000));
        let fee = u128::from(self.0) * rate / 1_000_000;
        Self(u64::try_from(fee).expect("a rate of at most one keeps the fee below the notional"))
    }
}

impl Nanos {
    /// `self + other`, or `None` beyond the range.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
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
        fn fees_of_parts_never_exceed_the_fee_of_the_whole(
            a in 0..u64::MAX / 2, b in 0..u64::MAX / 2, rate in 0..=1_000_000_u32,
        ) {
            prop_assert!(Amount(a).fee(rate).0 + Amount(b).fee(rate).0 <= Amount(a + b).fee(rate).0);
        }
    }
}
