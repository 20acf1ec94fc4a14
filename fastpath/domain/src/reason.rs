//! Why something was refused or ended. Numbers are stable for ever: on the wire, in the journal.

use core::fmt;
use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// Reason codes. 0: none. 1-99: refusals by the engine. 100-149: refusals of administration, and 103 of an order too.
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
    /// These options do not go together (a market order that would rest, or post-only; post-only with IOC or FOK; a
    /// minimum quantity with post-only or FOK; an end that is not good till a time; a display quantity of an order that
    /// does not rest; a trigger price without a stop; a stop that would not rest, or is post-only, or has a minimum or
    /// display quantity, or wants nothing to happen where it meets its own).
    InvalidCombination = 6,
    /// The worst price of a market order, also of one that waits, is outside the market's range.
    InvalidPrice = 7,
    /// A limit price outside the market's range.
    PriceOutOfRange = 8,
    /// Quantity 0, or a minimum or display quantity above it.
    InvalidQuantity = 9,
    /// Quantity, or display quantity, below the market's minimum.
    QuantityBelowMinimum = 10,
    /// Quantity or notional beyond what can be counted.
    NotionalTooLarge = 11,
    /// Available funds do not cover the order and its fee.
    InsufficientFunds = 12,
    /// Post-only, and it would have traded; or there is no price left to slide to.
    WouldTrade = 13,
    /// Fill-or-kill, or with a minimum quantity, and so much cannot trade now.
    CannotFill = 14,
    /// No room for another order.
    OrderTableFull = 15,
    /// After a recovery only cancels are accepted for a while.
    CancelOnly = 16,
    /// The session's delegation has ended or was revoked: only cancels are accepted.
    DelegationExpired = 17,
    /// The order is larger than the session's delegation allows.
    BeyondDelegation = 18,
    /// It would have met an order of its own, and wants nothing of it to happen then.
    WouldSelfTrade = 19,
    /// What it asks cannot be seen by looking at the first [`crate::MAX_LOOK_AHEAD`] orders.
    LookAheadTooLong = 20,
    /// A kill switch is on for its session, account or firm: only cancels are accepted.
    Killed = 21,
    /// A session may not do that: it belongs to the operator.
    NotPermitted = 22,
    /// No room for another kill switch that is on.
    KillSwitchTableFull = 23,
    /// More lots than an order of the account may have.
    QuantityAboveLimit = 24,
    /// A larger notional than an order of the account may have.
    NotionalAboveLimit = 25,
    /// The account has as many live orders as it may have.
    TooManyOpenOrders = 26,
    /// The account would own more of the base asset than it may.
    PositionAboveLimit = 27,
    /// The account's trades of the day would be more than they may.
    VolumeAboveLimit = 28,
    /// The market is halted: only cancels are accepted.
    MarketHalted = 29,
    /// The market takes only cancels.
    MarketCancelOnly = 30,
    /// The market is closed: only cancels are accepted.
    MarketClosed = 31,
    /// The market collects orders for an auction: only limit orders that stay, without a minimum quantity.
    OnlyRestingOrders = 32,
    /// The market has ended.
    MarketDelisted = 33,
    /// It reaches further into the other side than the market's collar allows.
    PriceBeyondCollar = 34,
    /// It is good till a time that has come already.
    AlreadyExpired = 35,
    /// The trigger price of a stop is outside the market's range.
    InvalidTrigger = 36,
    /// The last trade was at the stop's trigger price or beyond already.
    WouldTrigger = 37,
    /// A quote's bid is not below its ask.
    QuoteCrossed = 38,
    /// The protection of the session's quotes in the market was reached, and has not been set anew.
    Protected = 39,
    /// No room for another market that the session quotes or protects.
    QuoteTableFull = 40,
    /// A protection with limits and no window, or with a window and no limits.
    InvalidProtection = 41,
    /// The session would have entered more than it may without an attestation.
    UnattestedAboveLimit = 42,

    /// The id is in use, or at or above the capacity.
    InvalidId = 100,
    /// Refers to an asset, account or market that does not exist.
    UnknownReference = 101,
    /// A parameter is outside its range.
    InvalidParameter = 102,
    /// No room for the price levels of another market, or for an order at a price near which none rests.
    LevelTableFull = 103,
    /// The asset's total would be beyond what can be counted.
    SupplyTooLarge = 104,
    /// A genesis came twice.
    AlreadyInitialised = 105,
    /// No genesis yet.
    NotInitialised = 106,
    /// This build has no such engine version.
    UnsupportedEngineVersion = 107,
    /// No room for the own limits of another account.
    LimitsTableFull = 108,

    /// Cancelled because its owner asked.
    Requested = 200,
    /// The rest of an immediate-or-cancel order.
    Unfilled = 201,
    /// The rest of a market buy that funds no longer cover.
    FundsExhausted = 202,
    /// Amended to no more than was already filled.
    AmendedToFilled = 203,
    /// It met an order of its own.
    SelfTrade = 204,
    /// By a mass cancel.
    MassCancel = 205,
    /// By a kill switch.
    KillSwitch = 206,
    /// Its market has ended.
    Delisted = 207,
    /// It was good till a time that has come.
    Expired = 208,
    /// It was good till its market closed.
    MarketClose = 209,
    /// So much of its owner's quotes traded that their protection was reached.
    Protection = 210,

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
        assert_eq!(Reason::try_from(43), Err(UnknownReason(43)));
    }
}
