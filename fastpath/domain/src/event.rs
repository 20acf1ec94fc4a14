//! Events: everything that a command caused, in the order in which it happened.
//!
//! Each event is a fixed-size record whose first byte is its kind. *Private* events name a session
//! and carry its report number; *public* events name a market and carry the shard's feed number.
//! Both numbers are engine state and final. The structs are the layouts; how they stand in a frame:
//! docs/JOURNAL.md.

use crate::{
    AssetId, ClientOrderId, CommandKind, Flag, Liquidity, MarketId, MarketState, Nanos, OrderId,
    OrderType, Phase, PostOnly, Price, Qty, Reason, SelfTrade, SelfTradeScope, SessionId, Side,
    TimeInForce, Zero,
};
use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// What happened. Stable numbers; 0 is never an event.
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
#[expect(missing_docs, reason = "each is documented at its record")]
pub enum EventKind {
    Accepted = 1,
    Rejected = 2,
    Fill = 3,
    Canceled = 4,
    Amended = 5,
    NotApplied = 6,
    SelfTradePrevented = 7,
    MassCanceled = 8,
    Triggered = 9,
    ProtectionSet = 10,
    ProtectionReached = 11,
    AttestationNoted = 12,
    BookAdd = 32,
    BookReduce = 33,
    BookDelete = 34,
    Trade = 35,
    PhaseChanged = 36,
    MarketDefined = 37,
    BookReplace = 38,
    MarketStateChanged = 39,
    Uncrossed = 40,
    Outcome = 64,
    StateHash = 65,
}

/// A record that is an event.
pub trait EventRecord: TryFromBytes + IntoBytes + Immutable + KnownLayout + Copy {
    /// Its kind, which is also its first byte.
    const KIND: EventKind;
}

macro_rules! record {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident : $ty:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
        #[repr(C)]
        pub struct $name {
            /// The kind of this record.
            pub kind: EventKind,
            $($(#[$field_doc])* pub $field: $ty),*
        }
        const _: () = assert!(size_of::<$name>() % 8 == 0);
        impl EventRecord for $name {
            const KIND: EventKind = EventKind::$name;
        }
    };
}

record! {
    /// Private: an order was accepted. Its trades follow; it rests only if a `BookAdd` follows. A stop waits, until a
    /// `Triggered` tells that it arrives.
    Accepted {
        /// Buy or sell.
        side: Side,
        /// Limit or market.
        order_type: OrderType,
        /// How long.
        time_in_force: TimeInForce,
        /// Whose.
        session: SessionId,
        /// The session's report number.
        report_no: u64,
        /// The id that the engine gave it.
        order_id: OrderId,
        /// The owner's id.
        client_order_id: ClientOrderId,
        /// Limit price in ticks, at which it slid if it did; of a market order the worst, or 0.
        price: Price,
        /// Lots.
        qty: Qty,
        /// Engine time at which it ends; 0: none.
        expires: Nanos,
        /// Lots that the book shows of it at a time; 0: all.
        display_qty: Qty,
        /// Of a stop, which now waits, its trigger price in ticks; else 0.
        trigger_price: Price,
        /// Where.
        market: MarketId,
        /// Did not trade on arrival.
        post_only: PostOnly,
        /// What to do where it meets an order of its own.
        self_trade: SelfTrade,
        /// Which orders are its own.
        self_trade_scope: SelfTradeScope,
        /// Whether it is a side of a quote.
        quote: Flag,
    }
}

record! {
    /// Private: a command was refused; nothing changed but the source's last number.
    Rejected {
        /// Zero.
        pad: Zero,
        /// Why.
        reason: Reason,
        /// Whose.
        session: SessionId,
        /// The session's report number.
        report_no: u64,
        /// The order id that the command named, or none.
        order_id: OrderId,
        /// The client order id that the command named, or 0.
        client_order_id: ClientOrderId,
        /// What was refused.
        command: CommandKind,
        /// Zero.
        pad2: [Zero; 6],
    }
}

record! {
    /// Private: part of an order traded. `leaves` 0 means that the order is done.
    Fill {
        /// Of the order.
        side: Side,
        /// Whether it rested.
        liquidity: Liquidity,
        /// Zero.
        pad: Zero,
        /// Whose.
        session: SessionId,
        /// The session's report number.
        report_no: u64,
        /// The order.
        order_id: OrderId,
        /// The owner's id.
        client_order_id: ClientOrderId,
        /// Same on both sides of the trade, increasing within the shard.
        trade_id: u64,
        /// The resting order's price in ticks.
        price: Price,
        /// Lots traded.
        qty: Qty,
        /// Lots left.
        leaves: Qty,
        /// Paid, in base units of the quote asset; or received, if it is a rebate.
        fee: crate::Amount,
        /// Where.
        market: MarketId,
        /// Whether `fee` is a rebate.
        is_rebate: Flag,
        /// Zero.
        pad2: [Zero; 3],
    }
}

record! {
    /// Private: what was left of an order is gone.
    Canceled {
        /// Zero.
        pad: Zero,
        /// Why.
        reason: Reason,
        /// Whose.
        session: SessionId,
        /// The session's report number.
        report_no: u64,
        /// The order.
        order_id: OrderId,
        /// The owner's id.
        client_order_id: ClientOrderId,
        /// Lots that will not trade.
        qty: Qty,
        /// Where.
        market: MarketId,
        /// Zero.
        pad2: [Zero; 4],
    }
}

record! {
    /// Private: an order was changed, by its owner or because an order of its own met it. If it lost its place, a `BookReplace` follows; or, if it trades
    /// at its new price, a `BookDelete`, its trades, and perhaps a `BookAdd`.
    Amended {
        /// Whether it kept its place in the queue.
        kept_priority: Flag,
        /// Zero.
        pad: [Zero; 2],
        /// Whose.
        session: SessionId,
        /// The session's report number.
        report_no: u64,
        /// The order.
        order_id: OrderId,
        /// The owner's id, from now on.
        client_order_id: ClientOrderId,
        /// New price in ticks.
        price: Price,
        /// New total quantity, filled part included.
        qty: Qty,
        /// Lots that can still trade.
        leaves: Qty,
        /// Where.
        market: MarketId,
        /// Zero.
        pad2: [Zero; 4],
    }
}

record! {
    /// Private: these numbers of the session were skipped and will never apply.
    NotApplied {
        /// Zero.
        pad: [Zero; 3],
        /// Whose.
        session: SessionId,
        /// The session's report number.
        report_no: u64,
        /// First number skipped.
        from: u64,
        /// How many.
        count: u64,
    }
}

record! {
    /// Private to the owner of an arriving order: it met one of its own and did not trade with it. If it or the
    /// resting one ends by that, a `Canceled` says so; if the resting one became smaller, an `Amended` does.
    SelfTradePrevented {
        /// What was done.
        self_trade: SelfTrade,
        /// Zero.
        pad: [Zero; 2],
        /// Whose.
        session: SessionId,
        /// The session's report number.
        report_no: u64,
        /// The arriving order.
        order_id: OrderId,
        /// The owner's id.
        client_order_id: ClientOrderId,
        /// The resting order.
        maker_order_id: OrderId,
        /// The resting order's price in ticks.
        price: Price,
        /// Lots that would have traded.
        qty: Qty,
        /// Lots left of the arriving order, also if it is cancelled now.
        leaves: Qty,
        /// Where.
        market: MarketId,
        /// Zero.
        pad2: [Zero; 4],
    }
}

record! {
    /// Private: a mass cancel or a kill switch that the session asked for has cancelled all that it was to cancel. The
    /// cancels themselves came before, each to the session of its order.
    MassCanceled {
        /// Zero.
        pad: [Zero; 3],
        /// Whose.
        session: SessionId,
        /// The session's report number.
        report_no: u64,
        /// As in the command.
        request: u64,
        /// How many orders were cancelled.
        count: u64,
    }
}

record! {
    /// Private: a stop has waited enough and arrives. Its trades follow, as behind an `Accepted`.
    Triggered {
        /// Of the order.
        side: Side,
        /// Zero.
        pad: [Zero; 2],
        /// Whose.
        session: SessionId,
        /// The session's report number.
        report_no: u64,
        /// The order.
        order_id: OrderId,
        /// The owner's id.
        client_order_id: ClientOrderId,
        /// Limit price in ticks; of a market order the worst, or 0.
        price: Price,
        /// Where.
        market: MarketId,
        /// Zero.
        pad2: [Zero; 4],
    }
}

record! {
    /// Private: the protection of the session's quotes in a market is as the session asked, and its counters are empty.
    ProtectionSet {
        /// Zero.
        pad: [Zero; 3],
        /// Whose.
        session: SessionId,
        /// The session's report number.
        report_no: u64,
        /// As in the command.
        request: u64,
        /// Where.
        market: MarketId,
        /// Zero.
        pad2: [Zero; 4],
    }
}

record! {
    /// Private: so much of the session's quotes in a market has traded that they are cancelled, and no others are taken
    /// until the protection is set anew.
    ProtectionReached {
        /// Zero.
        pad: [Zero; 3],
        /// Whose.
        session: SessionId,
        /// The session's report number.
        report_no: u64,
        /// Lots that have traded in the window.
        qty: Qty,
        /// What these were worth, in base units of the quote asset.
        notional: crate::Amount,
        /// Trades in the window.
        fills: u32,
        /// Where.
        market: MarketId,
    }
}

record! {
    /// Private: an attestation of the session stands in the journal. The exchange checks it from there.
    AttestationNoted {
        /// Zero.
        pad: [Zero; 3],
        /// Whose.
        session: SessionId,
        /// The session's report number.
        report_no: u64,
        /// What the session has entered so far, in millionths of whole units of the quote assets, modulo 2^64: that much
        /// the attestation speaks of.
        level: u64,
    }
}

record! {
    /// Public: an order joined the book, last in the queue of its price.
    BookAdd {
        /// Of the order.
        side: Side,
        /// Zero.
        pad: [Zero; 2],
        /// Where.
        market: MarketId,
        /// The shard's feed number.
        feed_no: u64,
        /// The order.
        order_id: OrderId,
        /// In ticks.
        price: Price,
        /// Lots that can trade.
        qty: Qty,
    }
}

record! {
    /// Public: a resting order became smaller without trading and kept its place.
    BookReduce {
        /// Of the order.
        side: Side,
        /// Zero.
        pad: [Zero; 2],
        /// Where.
        market: MarketId,
        /// The shard's feed number.
        feed_no: u64,
        /// The order.
        order_id: OrderId,
        /// Lots that can still trade.
        leaves: Qty,
    }
}

record! {
    /// Public: an order left the book without trading.
    BookDelete {
        /// Of the order.
        side: Side,
        /// Zero.
        pad: [Zero; 2],
        /// Where.
        market: MarketId,
        /// The shard's feed number.
        feed_no: u64,
        /// The order.
        order_id: OrderId,
    }
}

record! {
    /// Public: a resting order traded. It left the book if `maker_leaves` is 0; if it has hidden lots, a `BookAdd` with its id follows.
    Trade {
        /// Of the arriving order.
        taker_side: Side,
        /// Zero.
        pad: [Zero; 2],
        /// Where.
        market: MarketId,
        /// The shard's feed number.
        feed_no: u64,
        /// Increasing within the shard.
        trade_id: u64,
        /// The order that rested.
        maker_order_id: OrderId,
        /// The order that arrived.
        taker_order_id: OrderId,
        /// The resting order's price in ticks.
        price: Price,
        /// Lots traded.
        qty: Qty,
        /// Lots left of the resting order, of those that the book shows.
        maker_leaves: Qty,
    }
}

record! {
    /// Public: the engine takes other commands than before.
    PhaseChanged {
        /// From now on.
        phase: Phase,
        /// Zero.
        pad: [Zero; 6],
        /// The shard's feed number.
        feed_no: u64,
    }
}

record! {
    /// Public: a market can be traded from now on.
    MarketDefined {
        /// Of the base asset: base units per whole unit, as a power of ten.
        base_decimals: u8,
        /// Of the quote asset: base units per whole unit, as a power of ten.
        quote_decimals: u8,
        /// In which it begins.
        state: MarketState,
        /// Which.
        market: MarketId,
        /// The shard's feed number.
        feed_no: u64,
        /// What is traded.
        base: AssetId,
        /// What it is paid in.
        quote: AssetId,
        /// Fee of the resting side in parts per million of the notional.
        maker_fee_ppm: u32,
        /// Fee of the arriving side in parts per million of the notional.
        taker_fee_ppm: u32,
        /// Prices from `price_min` up.
        price_levels: u32,
        /// Zero.
        pad2: [Zero; 4],
        /// Quote base units per tick and lot.
        tick_value: u64,
        /// Base asset's base units per lot.
        lot_size: u64,
        /// Smallest order, in lots.
        min_qty: Qty,
        /// Lowest price, in ticks.
        price_min: Price,
        /// Name in ASCII, filled up with zeros.
        symbol: [u8; 16],
        /// The base asset's name.
        base_symbol: [u8; 16],
        /// The quote asset's name.
        quote_symbol: [u8; 16],
    }
}

record! {
    /// Public: an order left its place for the end of the queue of its new price, without trading.
    BookReplace {
        /// Of the order.
        side: Side,
        /// Zero.
        pad: [Zero; 2],
        /// Where.
        market: MarketId,
        /// The shard's feed number.
        feed_no: u64,
        /// The order, which keeps its id.
        order_id: OrderId,
        /// New price in ticks.
        price: Price,
        /// Lots that can trade.
        qty: Qty,
    }
}

record! {
    /// Public: a market is in another state from now on.
    MarketStateChanged {
        /// Which state.
        state: MarketState,
        /// Zero.
        pad: [Zero; 2],
        /// Which market.
        market: MarketId,
        /// The shard's feed number.
        feed_no: u64,
    }
}

record! {
    /// Public: bids and asks of a market that cross trade now, all at one price. The trades follow.
    Uncrossed {
        /// Zero.
        pad: [Zero; 3],
        /// Where.
        market: MarketId,
        /// The shard's feed number.
        feed_no: u64,
        /// In ticks.
        price: Price,
        /// Lots that trade.
        qty: Qty,
    }
}

record! {
    /// What became of a command that no session sent.
    Outcome {
        /// Zero.
        pad: Zero,
        /// Why it was refused, or [`Reason::None`].
        reason: Reason,
        /// What was asked.
        command: CommandKind,
        /// Zero.
        pad2: [Zero; 2],
    }
}

record! {
    /// The state hash after the checkpoint command was applied.
    StateHash {
        /// Zero.
        pad: [Zero; 7],
        /// See docs/ENGINE.md.
        hash: u64,
    }
}

/// Any event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is documented at its record")]
pub enum Event {
    Accepted(Accepted),
    Rejected(Rejected),
    Fill(Fill),
    Canceled(Canceled),
    Amended(Amended),
    NotApplied(NotApplied),
    SelfTradePrevented(SelfTradePrevented),
    MassCanceled(MassCanceled),
    Triggered(Triggered),
    ProtectionSet(ProtectionSet),
    ProtectionReached(ProtectionReached),
    AttestationNoted(AttestationNoted),
    BookAdd(BookAdd),
    BookReduce(BookReduce),
    BookDelete(BookDelete),
    Trade(Trade),
    PhaseChanged(PhaseChanged),
    MarketDefined(MarketDefined),
    BookReplace(BookReplace),
    MarketStateChanged(MarketStateChanged),
    Uncrossed(Uncrossed),
    Outcome(Outcome),
    StateHash(StateHash),
}

impl Event {
    /// The session and report number of a private event.
    #[must_use]
    pub fn report(&self) -> Option<(SessionId, u64)> {
        match self {
            Self::Accepted(e) => Some((e.session, e.report_no)),
            Self::Rejected(e) => Some((e.session, e.report_no)),
            Self::Fill(e) => Some((e.session, e.report_no)),
            Self::Canceled(e) => Some((e.session, e.report_no)),
            Self::Amended(e) => Some((e.session, e.report_no)),
            Self::NotApplied(e) => Some((e.session, e.report_no)),
            Self::SelfTradePrevented(e) => Some((e.session, e.report_no)),
            Self::MassCanceled(e) => Some((e.session, e.report_no)),
            Self::Triggered(e) => Some((e.session, e.report_no)),
            Self::ProtectionSet(e) => Some((e.session, e.report_no)),
            Self::ProtectionReached(e) => Some((e.session, e.report_no)),
            Self::AttestationNoted(e) => Some((e.session, e.report_no)),
            Self::BookAdd(_)
            | Self::BookReduce(_)
            | Self::BookDelete(_)
            | Self::Trade(_)
            | Self::PhaseChanged(_)
            | Self::MarketDefined(_)
            | Self::BookReplace(_)
            | Self::MarketStateChanged(_)
            | Self::Uncrossed(_)
            | Self::Outcome(_)
            | Self::StateHash(_) => None,
        }
    }

    /// The feed number of a public event.
    #[must_use]
    pub fn feed_no(&self) -> Option<u64> {
        match self {
            Self::BookAdd(e) => Some(e.feed_no),
            Self::BookReduce(e) => Some(e.feed_no),
            Self::BookDelete(e) => Some(e.feed_no),
            Self::Trade(e) => Some(e.feed_no),
            Self::PhaseChanged(e) => Some(e.feed_no),
            Self::MarketDefined(e) => Some(e.feed_no),
            Self::BookReplace(e) => Some(e.feed_no),
            Self::MarketStateChanged(e) => Some(e.feed_no),
            Self::Uncrossed(e) => Some(e.feed_no),
            Self::Accepted(_)
            | Self::Rejected(_)
            | Self::Fill(_)
            | Self::Canceled(_)
            | Self::Amended(_)
            | Self::NotApplied(_)
            | Self::SelfTradePrevented(_)
            | Self::MassCanceled(_)
            | Self::Triggered(_)
            | Self::ProtectionSet(_)
            | Self::ProtectionReached(_)
            | Self::AttestationNoted(_)
            | Self::Outcome(_)
            | Self::StateHash(_) => None,
        }
    }
}
