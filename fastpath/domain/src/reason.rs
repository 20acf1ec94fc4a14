//! Why something was refused or ended. Numbers are stable for ever: on the wire, in the journal.

use core::fmt;
use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// Reason codes. 0: none. 1-99: refusals by the engine. 100-149: refusals of administration.
/// 200-249: why an order ended. 300-349: answers of the port, outside the sequence.
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
#[repr(u16)]
pub enum Reason {
    /// Nothing was refused.
    #[default]
    None = 0,
    /// The market does not exist.
    UnknownMarket = 1,
    /// No live order of this session has that id.
    UnknownOrder = 2,
    /// The session does not exist.
    UnknownSession = 3,
    /// Client order id 0.
    InvalidClientOrderId = 4,
    /// A live order of this session has this client order id.
    DuplicateClientOrderId = 5,
    /// These options do not go together (market with GTC or post-only; post-only with IOC or FOK).
    InvalidCombination = 6,
    /// A market order with a price other than 0.
    InvalidPrice = 7,
    /// A limit price outside the market's range.
    PriceOutOfRange = 8,
    /// Quantity 0.
    InvalidQuantity = 9,
    /// Quantity below the market's minimum.
    QuantityBelowMinimum = 10,
    /// Quantity or notional beyond what can be counted.
    NotionalTooLarge = 11,
    /// Available funds do not cover the order and its fee.
    InsufficientFunds = 12,
    /// Post-only, and it would have traded.
    WouldTrade = 13,
    /// Fill-or-kill, and it cannot be filled now.
    CannotFill = 14,
    /// No room for another order.
    OrderTableFull = 15,
    /// After a recovery only cancels are accepted for a while.
    CancelOnly = 16,
    /// The session's delegation has ended or was revoked: only cancels are accepted.
    DelegationExpired = 17,
    /// The order is larger than the session's delegation allows.
    BeyondDelegation = 18,

    /// The id is in use, or at or above the capacity.
    InvalidId = 100,
    /// Refers to an asset, account or market that does not exist.
    UnknownReference = 101,
    /// A parameter is outside its range.
    InvalidParameter = 102,
    /// No room for the price levels of another market.
    LevelTableFull = 103,
    /// The asset's total would be beyond what can be counted.
    SupplyTooLarge = 104,
    /// A genesis came twice.
    AlreadyInitialised = 105,
    /// No genesis yet.
    NotInitialised = 106,
    /// This build has no such engine version.
    UnsupportedEngineVersion = 107,

    /// Cancelled because its owner asked.
    Requested = 200,
    /// The rest of an immediate-or-cancel order.
    Unfilled = 201,
    /// The rest of a market buy that funds no longer cover.
    FundsExhausted = 202,
    /// Amended to no more than was already filled.
    AmendedToFilled = 203,

    /// The ring or the journal is full, or the session's burst used up: send the same number again.
    Busy = 300,
    /// Reserved, never sent: a datagram of another epoch is dropped.
    WrongEpoch = 301,
    /// The session is not established: answer the challenge.
    NotEstablished = 302,
    /// The message is malformed.
    Malformed = 303,
    /// No such message on this port.
    UnsupportedMessage = 304,
    /// No longer in journal memory: ask the replay port.
    NoLongerInMemory = 305,
    /// Not issued yet.
    NotIssued = 306,
}

/// A number that is no reason code of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownReason(pub u16);

impl TryFrom<u16> for Reason {
    type Error = UnknownReason;
    fn try_from(number: u16) -> Result<Self, UnknownReason> {
        Self::try_read_from_bytes(&number.to_le_bytes()).map_err(|_| UnknownReason(number))
    }
}

impl From<Reason> for u16 {
    fn from(reason: Reason) -> Self {
        reason as Self
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?} ({})", u16::from(*self))
    }
}

impl fmt::Display for UnknownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown reason code {}", self.0)
    }
}

impl core::error::Error for UnknownReason {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_reasons_round_trip() {
        for number in 0..=u16::MAX {
            if let Ok(reason) = Reason::try_from(number) {
                assert_eq!(u16::from(reason), number);
            }
        }
        assert_eq!(Reason::try_from(16), Ok(Reason::CancelOnly));
        assert_eq!(Reason::try_from(19), Err(UnknownReason(19)));
    }
}
