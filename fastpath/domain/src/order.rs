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
        // No branch: sides come in any order, and nobody could foretell them.
        [Self::Sell, Self::Buy][self as usize]
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
    /// At any price, or any as good as its price field if that is not 0. Only with IOC or FOK.
    Market = 1,
    /// Waits until a trade is at its trigger price or beyond, and arrives as a market order with IOC then.
    Stop = 2,
    /// Waits until a trade is at its trigger price or beyond, and arrives as a limit order then.
    StopLimit = 3,
}

impl OrderType {
    /// Whether it waits for a trade before it arrives.
    #[must_use]
    pub fn waits(self) -> bool {
        matches!(self, Self::Stop | Self::StopLimit)
    }

    /// Whether it arrives with a limit price.
    #[must_use]
    pub fn has_limit(self) -> bool {
        matches!(self, Self::Limit | Self::StopLimit)
    }
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
    /// Until cancelled, or a time has come.
    GoodTillTime = 3,
    /// Until cancelled, or its market closes.
    GoodTillClose = 4,
}

impl TimeInForce {
    /// Whether what does not trade at once may rest.
    #[must_use]
    pub fn rests(self) -> bool {
        match self {
            Self::GoodTillCancel | Self::GoodTillTime | Self::GoodTillClose => true,
            Self::ImmediateOrCancel | Self::FillOrKill => false,
        }
    }
}

/// What becomes of an order that must not trade on arrival, and would.
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
pub enum PostOnly {
    /// It may trade.
    #[default]
    No = 0,
    /// It is refused.
    Refuse = 1,
    /// It is taken at the nearest price at which it does not trade.
    Slide = 2,
}

impl PostOnly {
    /// Whether the order must not trade on arrival.
    #[must_use]
    pub fn is_on(self) -> bool {
        self != Self::No
    }
}

/// What becomes of an arriving order and one of its own that it meets. The arriving order's word decides.
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
pub enum SelfTrade {
    /// They trade.
    #[default]
    Allow = 0,
    /// The rest of the arriving order is cancelled.
    CancelNewest = 1,
    /// The resting order is cancelled.
    CancelOldest = 2,
    /// The resting order and the rest of the arriving one are cancelled.
    CancelBoth = 3,
    /// The smaller is cancelled, and the larger becomes smaller by as much; of two alike both are cancelled.
    DecrementAndCancel = 4,
    /// The arriving order is refused before anything of it happens.
    Abort = 5,
}

/// Which orders are one's own.
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
pub enum SelfTradeScope {
    /// Those of the same account.
    #[default]
    Account = 0,
    /// Those of all accounts of the same firm; of the same account, if it has no firm.
    Firm = 1,
}

/// Whose orders a command is about.
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
pub enum Scope {
    /// A session's.
    #[default]
    Session = 0,
    /// Those of all sessions of an account.
    Account = 1,
    /// Those of all accounts of a firm.
    Firm = 2,
    /// Everybody's.
    Everyone = 3,
}

/// What may happen in a market.
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
pub enum MarketState {
    /// Orders trade as they arrive.
    #[default]
    Continuous = 0,
    /// Orders are collected, and nothing trades.
    PreOpen = 1,
    /// As before the opening; leaving it is the opening auction.
    OpeningAuction = 2,
    /// Only cancels are taken. The book stays as it is.
    Halted = 3,
    /// Only cancels are taken, because the market is about to end or to rest.
    CancelOnly = 4,
    /// Orders are taken that do not trade on arrival.
    PostOnly = 5,
    /// Orders are collected, and nothing trades; leaving it is the closing auction.
    ClosingAuction = 6,
    /// Only cancels are taken until it opens again.
    Closed = 7,
    /// It has ended for ever.
    Delisted = 8,
}

impl MarketState {
    /// Whether orders are collected without trading, so that bids may be above asks.
    #[must_use]
    pub fn is_call(self) -> bool {
        matches!(
            self,
            Self::PreOpen | Self::OpeningAuction | Self::ClosingAuction
        )
    }

    /// Whether the book stays as it was found, crossed or not.
    #[must_use]
    pub fn leaves_book_alone(self) -> bool {
        self.is_call() || matches!(self, Self::Halted | Self::CancelOnly | Self::Delisted)
    }
}

/// From which price a collar is measured.
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
pub enum Reference {
    /// There is no collar.
    #[default]
    None = 0,
    /// The last trade's.
    LastTrade = 1,
    /// The middle between the best bid and the best ask.
    Middle = 2,
    /// One that was set.
    Set = 3,
}

/// Orders of which side.
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
pub enum Sides {
    /// Of both.
    #[default]
    Both = 0,
    /// Only those that buy.
    Buys = 1,
    /// Only those that sell.
    Sells = 2,
}

impl Sides {
    /// Whether an order of this side is meant.
    #[must_use]
    pub fn has(self, side: Side) -> bool {
        match self {
            Self::Both => true,
            Self::Buys => side == Side::Buy,
            Self::Sells => side == Side::Sell,
        }
    }
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
