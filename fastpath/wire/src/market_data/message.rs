//! The feed's messages: one fixed block of little-endian integers each.
//!
//! Enumerations stay the integers that arrived, because a newer exchange may send values that this
//! version does not know.

use crate::sbe::{Field, fields, message, templates};
use domain::{AssetId, MarketId, Nanos, OrderId, Price, Qty, Seq};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The schema of market data.
pub const SCHEMA_ID: u16 = 2;
/// The version of the schema that this crate sends. It reads any.
pub const VERSION: u16 = 0;

/// Opens every message: the frame of the journal that it comes from. Messages of one frame have
/// the same stamp, and private reports of that frame carry the same numbers.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Stamp {
    /// The frame's position in the shard's journal.
    pub engine_seq: Seq,
    /// When its command was sequenced, UTC.
    pub engine_time: Nanos,
}

impl Stamp {
    /// The fields that it puts at the start of a message.
    pub const FIELDS: &'static [Field] = fields!(Stamp {
        engine_seq: Seq,
        engine_time: Nanos,
    });
}

message! {
    /// An order joined the book, last in the queue of its price.
    BookAdd, block 48 {
        /// From which frame.
        stamp: Stamp,
        /// The order.
        order_id: OrderId,
        /// In ticks.
        price: Price,
        /// Lots that can trade.
        quantity: Qty,
        /// Where.
        market_id: MarketId,
        /// A [`domain::Side`].
        side: u8,
        /// Zero.
        reserved: u8,
        /// Zero.
        reserved2: u16,
    }
}

message! {
    /// A resting order traded, and left the book if it shows nothing any more. If it has hidden lots it joins again: a `BookAdd` with its id follows.
    Trade, block 72 {
        /// From which frame.
        stamp: Stamp,
        /// Increasing within the shard.
        trade_id: u64,
        /// The order that rested.
        maker_order_id: OrderId,
        /// The order that arrived.
        taker_order_id: OrderId,
        /// At which they traded, in ticks: the resting order's, or the auction's.
        price: Price,
        /// Lots traded.
        quantity: Qty,
        /// Lots left of the resting order, of those that the book shows; 0: it has left its queue.
        leaves_quantity: Qty,
        /// Where.
        market_id: MarketId,
        /// Of the arriving order: a [`domain::Side`].
        taker_side: u8,
        /// Zero.
        reserved: u8,
        /// Zero.
        reserved2: u16,
    }
}

message! {
    /// A resting order became smaller without trading and kept its place.
    BookReduce, block 40 {
        /// From which frame.
        stamp: Stamp,
        /// The order.
        order_id: OrderId,
        /// Lots that can still trade.
        leaves_quantity: Qty,
        /// Where.
        market_id: MarketId,
        /// A [`domain::Side`].
        side: u8,
        /// Zero.
        reserved: u8,
        /// Zero.
        reserved2: u16,
    }
}

message! {
    /// An order left the book without trading.
    BookDelete, block 32 {
        /// From which frame.
        stamp: Stamp,
        /// The order.
        order_id: OrderId,
        /// Where.
        market_id: MarketId,
        /// A [`domain::Side`].
        side: u8,
        /// Zero.
        reserved: u8,
        /// Zero.
        reserved2: u16,
    }
}

message! {
    /// An order left its place for the end of the queue of its new price, without trading.
    BookReplace, block 48 {
        /// From which frame.
        stamp: Stamp,
        /// The order, which keeps its id.
        order_id: OrderId,
        /// New price in ticks.
        price: Price,
        /// Lots that can trade.
        quantity: Qty,
        /// Where.
        market_id: MarketId,
        /// A [`domain::Side`].
        side: u8,
        /// Zero.
        reserved: u8,
        /// Zero.
        reserved2: u16,
    }
}

message! {
    /// All markets take other commands than before.
    PhaseChanged, block 24 {
        /// From which frame.
        stamp: Stamp,
        /// From now on: a [`domain::Phase`].
        phase: u8,
        /// Zero.
        reserved: u8,
        /// Zero.
        reserved2: u16,
        /// Zero.
        reserved3: u32,
    }
}

message! {
    /// A market is there from now on.
    MarketDefined, block 128 {
        /// From which frame.
        stamp: Stamp,
        /// Quote base units per tick and lot.
        tick_value: u64,
        /// Base asset's base units per lot.
        lot_size: u64,
        /// Smallest order, in lots.
        min_quantity: Qty,
        /// Lowest price, in ticks.
        price_min: Price,
        /// Which.
        market_id: MarketId,
        /// What is traded.
        base_id: AssetId,
        /// What it is paid in.
        quote_id: AssetId,
        /// Fee of the resting side in parts per million of the notional.
        maker_fee_ppm: u32,
        /// Fee of the arriving side in parts per million of the notional.
        taker_fee_ppm: u32,
        /// Prices from `price_min` up.
        price_levels: u32,
        /// Of the base asset: base units per whole unit, as a power of ten.
        base_decimals: u8,
        /// Of the quote asset: base units per whole unit, as a power of ten.
        quote_decimals: u8,
        /// In which it begins: a [`domain::MarketState`].
        state: u8,
        /// Zero.
        reserved: u8,
        /// Zero.
        reserved2: u32,
        /// Name in ASCII, filled up with zeros.
        symbol: [u8; 16],
        /// The base asset's name.
        base_symbol: [u8; 16],
        /// The quote asset's name.
        quote_symbol: [u8; 16],
    }
}

message! {
    /// A market is in another state from now on.
    MarketStateChanged, block 24 {
        /// From which frame.
        stamp: Stamp,
        /// Which market.
        market_id: MarketId,
        /// Which state: a [`domain::MarketState`].
        state: u8,
        /// Zero.
        reserved: u8,
        /// Zero.
        reserved2: u16,
    }
}

message! {
    /// Bids and asks of a market that cross trade now, all at one price. The trades follow.
    Uncrossed, block 40 {
        /// From which frame.
        stamp: Stamp,
        /// In ticks.
        price: Price,
        /// Lots that trade.
        quantity: Qty,
        /// Where.
        market_id: MarketId,
        /// Zero.
        reserved: u32,
    }
}

templates! {
    BookAdd = 1,
    Trade = 2,
    BookReduce = 3,
    BookDelete = 4,
    BookReplace = 5,
    PhaseChanged = 6,
    MarketDefined = 7,
    MarketStateChanged = 8,
    Uncrossed = 9,
}

impl Message {
    /// From which frame it comes; `None` of an unknown one.
    #[must_use]
    pub fn stamp(&self) -> Option<&Stamp> {
        match self {
            Self::BookAdd(message) => Some(&message.stamp),
            Self::Trade(message) => Some(&message.stamp),
            Self::BookReduce(message) => Some(&message.stamp),
            Self::BookDelete(message) => Some(&message.stamp),
            Self::BookReplace(message) => Some(&message.stamp),
            Self::PhaseChanged(message) => Some(&message.stamp),
            Self::MarketDefined(message) => Some(&message.stamp),
            Self::MarketStateChanged(message) => Some(&message.stamp),
            Self::Uncrossed(message) => Some(&message.stamp),
            Self::Unknown { .. } => None,
        }
    }
}
