//! A command as it stands in a file: 32 bytes, little-endian.

use crate::checksum::Outcome;
use domain::Side;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What a command asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Enters an order under a new id.
    New,
    /// Takes a live order away.
    Cancel,
    /// Gives a live order another price and quantity, and the last place in the queue.
    Replace,
}

/// How long an order lasts, and what it may do on arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// What does not trade rests.
    Stays,
    /// What does not trade at once is gone.
    AtOnce,
    /// All of it trades at once, or nothing.
    AllOrNothing,
    /// As [`Lasting::AtOnce`], at any price.
    Market,
    /// Rests, or is refused if it would trade.
    PostOnly,
}

/// A record of a file. Its enumerations are numbers until they are asked for.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Command {
    /// Of the order; each new order has one of its own.
    pub id: u64,
    /// Ticks.
    pub price: u32,
    /// Lots.
    pub qty: u32,
    op: u8,
    side: u8,
    lasting: u8,
    pad: u8,
    /// Which market, from 0.
    pub symbol: u32,
    /// Whose order.
    pub owner: u32,
    pad2: u32,
}

const _: () = assert!(size_of::<Command>() == 32);

impl Command {
    /// A new order.
    #[must_use]
    pub fn new(id: u64, side: Side, lasting: Lasting, price: u32, qty: u32) -> Self {
        Self {
            id,
            price,
            qty,
            side: side as u8,
            lasting: lasting as u8,
            ..Self::default()
        }
    }

    /// Takes an order away.
    #[must_use]
    pub fn cancel(id: u64) -> Self {
        Self {
            id,
            op: Op::Cancel as u8,
            ..Self::default()
        }
    }

    /// Changes an order.
    #[must_use]
    pub fn replace(id: u64, price: u32, qty: u32) -> Self {
        Self {
            id,
            price,
            qty,
            op: Op::Replace as u8,
            ..Self::default()
        }
    }

    /// The same for a market and an owner.
    #[must_use]
    pub fn of(self, symbol: u32, owner: u32) -> Self {
        Self {
            symbol,
            owner,
            ..self
        }
    }

    /// What it asks for; `None` if the number means nothing.
    #[must_use]
    pub fn op(&self) -> Option<Op> {
        [Op::New, Op::Cancel, Op::Replace]
            .get(usize::from(self.op))
            .copied()
    }

    /// Its side; `None` if the number means nothing.
    #[must_use]
    pub fn side(&self) -> Option<Side> {
        [Side::Buy, Side::Sell].get(usize::from(self.side)).copied()
    }

    /// How long it lasts; `None` if the number means nothing.
    #[must_use]
    pub fn lasting(&self) -> Option<Lasting> {
        let all = [
            Lasting::Stays,
            Lasting::AtOnce,
            Lasting::AllOrNothing,
            Lasting::Market,
            Lasting::PostOnly,
        ];
        all.get(usize::from(self.lasting)).copied()
    }
}

/// Where a table by id keeps an order's entry.
pub(crate) fn place_of(id: u64) -> usize {
    usize::try_from(id).expect("ids are below 2^32")
}

/// Commands, and what has to come of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// How many markets.
    pub symbols: u32,
    /// The largest id of an order.
    pub largest_id: u64,
    /// So many commands make the state in which the others are timed.
    pub prefix: usize,
    /// All of them.
    pub commands: Vec<Command>,
    /// Of all of them.
    pub outcome: Outcome,
}
