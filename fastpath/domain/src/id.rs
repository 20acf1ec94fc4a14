//! Identifiers. Each is its own type, so that one is never taken for another.

use core::fmt;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// An asset: index into the engine's asset table, below the genesis capacity.
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
pub struct AssetId(pub u32);

/// A market: index into the engine's market table, below the genesis capacity.
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
pub struct MarketId(pub u32);

impl MarketId {
    /// Every market, where a command may mean more than one.
    pub const ANY: Self = Self(u32::MAX);
}

/// A firm: owns accounts.
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
pub struct FirmId(pub u32);

/// An account: holds funds; index into the engine's account table, below the genesis capacity.
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
pub struct AccountId(pub u32);

/// A session: enters orders for one account; index into the engine's session table.
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
pub struct SessionId(pub u32);

/// An order id that its owner chose. Any value but 0; unique among the session's live orders.
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
pub struct ClientOrderId(pub u64);

/// An order id that the engine gave: the order's slot in the low [`OrderId::SLOT_BITS`] bits, the
/// slot's generation (from 1) above. A slot whose generations are used up is never used again, so
/// an id is unique within its shard for ever. 0 means "none".
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
pub struct OrderId(pub u64);

impl OrderId {
    /// No order.
    pub const NONE: Self = Self(0);
    /// Low bits that hold the slot: 67 million slots, and 2^38 generations of each.
    pub const SLOT_BITS: u32 = 26;
    /// Most slots an engine can have.
    pub const MAX_SLOTS: u32 = 1 << Self::SLOT_BITS;

    /// The id of the first order in a slot.
    ///
    /// # Panics
    /// If `slot` is not below [`OrderId::MAX_SLOTS`].
    #[must_use]
    pub fn first(slot: u32) -> Self {
        assert!(slot < Self::MAX_SLOTS, "order slot beyond the id's range");
        Self((1 << Self::SLOT_BITS) | u64::from(slot))
    }

    /// The id of the next order in the same slot; `None` when its generations are used up.
    #[must_use]
    pub fn successor(self) -> Option<Self> {
        self.0.checked_add(1 << Self::SLOT_BITS).map(Self)
    }

    /// The slot.
    #[must_use]
    pub fn slot(self) -> u32 {
        u32::try_from(self.0 & u64::from(Self::MAX_SLOTS - 1)).expect("26 bits fit")
    }
}

/// Where a command came from. Each source numbers its commands; the engine accepts only
/// increasing numbers of each.
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
pub struct Source(pub u32);

impl Source {
    /// The sequencer itself: `Continue`, `Timer`, `Checkpoint`, `Recovered`.
    pub const SEQUENCER: Self = Self(0);
    /// The genesis file and the operator.
    pub const ADMINISTRATION: Self = Self(1);
    /// Deposits: their number is the deposit id and must be exactly the next one.
    pub const DEPOSITS: Self = Self(2);
    /// The slowpath's gateway.
    pub const GATEWAY: Self = Self(3);
    const SESSION_BIT: u32 = 1 << 31;

    /// The source that is this session.
    ///
    /// # Panics
    /// If the session id is 2^31 or more.
    #[must_use]
    pub fn of_session(session: SessionId) -> Self {
        assert!(session.0 < Self::SESSION_BIT, "session id beyond the range");
        Self(Self::SESSION_BIT | session.0)
    }

    /// The session, if this source is one.
    #[must_use]
    pub fn session(self) -> Option<SessionId> {
        (self.0 & Self::SESSION_BIT != 0).then_some(SessionId(self.0 & !Self::SESSION_BIT))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (*self, self.session()) {
            (_, Some(session)) => write!(f, "session {}", session.0),
            (Self::SEQUENCER, _) => f.write_str("sequencer"),
            (Self::ADMINISTRATION, _) => f.write_str("administration"),
            (Self::DEPOSITS, _) => f.write_str("deposits"),
            (Self::GATEWAY, _) => f.write_str("gateway"),
            (Self(other), _) => write!(f, "source {other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_ids_carry_slot_and_generation() {
        let id = OrderId::first(5);
        let next = id.successor().expect("has generations left");
        assert_eq!((id.slot(), next.slot()), (5, 5));
        assert!(next > id);
        assert_eq!(OrderId(u64::MAX).successor(), None);
    }

    #[test]
    fn sources_tell_sessions_from_the_rest() {
        assert_eq!(
            Source::of_session(SessionId(7)).session(),
            Some(SessionId(7))
        );
        assert_eq!(
            Source::of_session(SessionId(0)).session(),
            Some(SessionId(0))
        );
        assert_eq!(Source::GATEWAY.session(), None);
    }
}
