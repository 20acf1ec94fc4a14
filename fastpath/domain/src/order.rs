//! What an order is made of.

use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// Which side of the book.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    TryFromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(u8)]
pub enum Side {
    /// Buys base for quote.
    Buy = 0,
    /// Sells base for quote.
    Sell = 1,
}

impl Side {
    /// The other side.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
}

/// How an order is priced.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    TryFromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(u8)]
pub enum OrderType {
    /// At its price or better.
    Limit = 0,
    /// At any price; its price field is 0. Only with IOC or FOK.
    Market = 1,
}

/// How long an order stays.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    TryFromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(u8)]
pub enum TimeInForce {
    /// Until cancelled.
    GoodTillCancel = 0,
    /// What does not trade at once is cancelled.
    ImmediateOrCancel = 1,
    /// All of it trades at once, or it is refused.
    FillOrKill = 2,
}

/// A yes or no in a record.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    TryFromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(u8)]
pub enum Flag {
    /// No.
    #[default]
    No = 0,
    /// Yes.
    Yes = 1,
}

impl Flag {
    /// As a `bool`.
    #[must_use]
    pub fn is_yes(self) -> bool {
        self == Self::Yes
    }
}

impl From<bool> for Flag {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// Whether a fill took liquidity or gave it.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    TryFromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(u8)]
pub enum Liquidity {
    /// Was resting.
    Maker = 0,
    /// Arrived.
    Taker = 1,
}

/// Whether the engine takes new orders.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    TryFromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(u8)]
pub enum Phase {
    /// Everything is accepted.
    Open = 0,
    /// After a recovery, until the grace ends: only cancels.
    CancelOnly = 1,
}

/// By which door a session's commands come in. Each door refuses the sessions of the other.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    TryFromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(u8)]
pub enum Gate {
    /// The binary port: every message carries a MAC of the session.
    Port = 0,
    /// The slowpath's gateway, which has let its owner in by other means.
    Gateway = 1,
}

/// A byte that must be zero: explicit padding that a decoder checks.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    TryFromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(u8)]
pub enum Zero {
    /// The only value.
    #[default]
    Zero = 0,
}
