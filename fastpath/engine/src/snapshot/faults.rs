//! What can be wrong with a body.

use super::LAYOUT;
use crate::engine::ENGINE_VERSION;
use domain::{AssetId, Reason};

/// Why bytes are no body of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The head says how long the body is, and it is not.
    #[error("the body has {found} bytes where its head says {expected}")]
    Length {
        /// By the head's counts; of the head alone, if even that is cut off.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// Other layouts of records.
    #[error("body layout {0}, but this build reads layout {LAYOUT}")]
    Layout(u16),
    /// Rules that this build does not have.
    #[error("engine version {0}, but this build has version {ENGINE_VERSION}")]
    EngineVersion(u16),
    /// A file does not decide how much memory is taken.
    #[error("the capacities are not those of the shard's genesis")]
    Capacities,
    /// A record that cannot be.
    #[error("{section:?} record {index}: {fault}")]
    Record {
        /// Of which kind.
        section: Section,
        /// Counted from 0.
        index: u32,
        /// What is wrong with it.
        fault: Fault,
    },
    /// Funds are not conserved.
    #[error("accounts and fees do not add up to what was deposited of asset {}", .0.0)]
    Funds(AssetId),
}

/// A kind of record, in the order of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the records are those of docs/SNAPSHOTS.md")]
pub enum Section {
    Head,
    Asset,
    Market,
    Account,
    Session,
    Balance,
    Order,
    FreeSlot,
    Stop,
    KillSwitch,
    Limits,
    Fees,
    Sweep,
    MassCancel,
    Uncrossing,
    Arriving,
    Protection,
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each is")]
pub enum Fault {
    #[error("a field holds no value of its type")]
    Field,
    #[error("it does not come behind the record before it")]
    Order,
    #[error("a command that makes it is refused: {0}")]
    Refused(Reason),
    #[error("it names something that does not exist")]
    Unknown,
    #[error("a number is outside its range")]
    Range,
    #[error("its slot was never used, or is taken")]
    Slot,
    #[error("its client order id is 0, or taken")]
    ClientOrderId,
    #[error("its price is not one of the market's")]
    Price,
    #[error("its quantity cannot be counted")]
    Quantity,
    #[error("the account does not have what it holds")]
    NotCovered,
    #[error("what is held is not what the account's orders hold")]
    Held,
    #[error("it crosses the book")]
    Crossed,
    #[error("such an order does not sweep now")]
    Sweep,
    #[error("its session's orders, or its account's sessions, are no list")]
    List,
    #[error("no order's time has come")]
    Expiring,
    #[error("stops that are to arrive have not, or would have by now")]
    Stops,
    #[error("no page of price levels is free for it")]
    Pages,
    #[error("it is no side of a quote, or no protection, that its session has there")]
    Quote,
}

pub(super) fn ensure(holds: bool, fault: Fault) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(fault) }
}
