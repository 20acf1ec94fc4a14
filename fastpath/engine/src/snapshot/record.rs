//! The records of a body: fixed size, little-endian, no implicit padding.

use domain::{
    AccountId, Amount, AssetId, ClientOrderId, CreateAccount, CreateAsset, CreateMarket,
    Delegation, Flag, Gate, Genesis, MarketId, MarketState, Nanos, OrderId, OrderType, Phase,
    PostOnly, Price, Qty, Reason, Reference, Scope, SelfTrade, SelfTradeScope, Seq, SessionId,
    Side, Sides, TimeInForce, Zero,
};
use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// The version of these layouts.
pub(crate) const LAYOUT: u16 = 4;

/// What a frame had no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(u8)]
pub(crate) enum Pending {
    Nothing = 0,
    Sweep = 1,
    MassCancel = 2,
    Uncrossing = 3,
    /// That is all there is to know of it.
    Expiring = 4,
    Arriving = 5,
}

macro_rules! record {
    ($(#[$doc:meta])* $name:ident, $bytes:literal { $($(#[$field_doc:meta])* $field:ident : $ty:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
        #[repr(C)]
        pub(crate) struct $name { $($(#[$field_doc])* pub(crate) $field: $ty),* }
        const _: () = assert!(size_of::<$name>() == $bytes);
    };
}

record! {
    /// Counters, capacities, and how many records of each kind follow.
    Head, 160 {
        layout: u16,
        version: u16,
        epoch: u32,
        phase: Phase,
        /// Whether `Genesis` has been; if not, nothing follows.
        initialised: Flag,
        /// What is pending, whose records then are the last.
        pending: Pending,
        pad: Zero,
        next_fresh_slot: u32,
        cancel_only_until: Nanos,
        now: Nanos,
        next_trade_id: u64,
        next_feed_no: u64,
        /// Last numbers of sequencer, administration, deposits and gateway.
        services: [u64; 4],
        /// Zeros before `Genesis`.
        capacities: Genesis,
        assets: u32,
        markets: u32,
        accounts: u32,
        sessions: u32,
        balances: u32,
        resting: u32,
        free: u32,
        kill_switches: u32,
        limits: u32,
        fees: u32,
        stops: u32,
        protections: u32,
    }
}

record! {
    /// An asset and its totals.
    AssetRecord, 40 {
        terms: CreateAsset,
        deposited: Amount,
        fees: Amount,
    }
}

record! {
    /// A market.
    MarketRecord, 120 {
        terms: CreateMarket,
        last_price: Price,
        /// Prices of trades that stops were not looked at for; zeros: none.
        reach_lowest: Price,
        reach_highest: Price,
        collar_price: Price,
        collar_width_ppm: u32,
        state: MarketState,
        collar_reference: Reference,
        collar_halts: Flag,
        pad: Zero,
    }
}

record! {
    /// An account.
    AccountRecord, 56 {
        terms: CreateAccount,
        volume: u64,
        volume_day: u32,
        tier: u8,
        pad: [Zero; 3],
    }
}

record! {
    /// A session.
    SessionRecord, 136 {
        session: SessionId,
        account: AccountId,
        delegation: Delegation,
        gate: Gate,
        pad: [Zero; 3],
        /// The session of its account that was opened next before it, or all ones.
        older: u32,
        next_report_no: u64,
        last_number: u64,
        epoch_report_no: u64,
        /// What it has entered while there was a limit, and what of that it has not attested. Any two numbers.
        entered: u64,
        unattested: u64,
    }
}

record! {
    /// What an account has of an asset; not both amounts are 0.
    BalanceRecord, 24 {
        account: AccountId,
        asset: AssetId,
        available: Amount,
        held: Amount,
    }
}

record! {
    /// A live order.
    OrderRecord, 88 {
        id: OrderId,
        price: Price,
        leaves: Qty,
        filled: Qty,
        client_order_id: ClientOrderId,
        /// 0 of the order that sweeps.
        priority: u64,
        /// 0: none.
        expires: Nanos,
        /// Lots that the book shows at a time; 0: all.
        display_qty: Qty,
        /// Lots of `leaves` that it does not show now.
        hidden: Qty,
        session: SessionId,
        market: u16,
        side: Side,
        post_only: PostOnly,
        self_trade: SelfTrade,
        self_trade_scope: SelfTradeScope,
        until_close: Flag,
        /// Whether it is a side of a quote.
        quote: Flag,
        /// Slot of the session's next older order, or all ones.
        older: u32,
    }
}

record! {
    /// A stop that waits. Its order has price 0 if it arrives as a market order, and priority 0.
    StopRecord, 112 {
        order: OrderRecord,
        trigger: Price,
        /// 0: any.
        worst: Price,
        entered: Seq,
    }
}

record! {
    /// Stops of a market that are to arrive.
    ArrivingRecord, 8 {
        market: MarketId,
        pad: [Zero; 4],
    }
}

record! {
    /// A kill switch that is on.
    KillSwitchRecord, 8 {
        target: u32,
        scope: Scope,
        pad: [Zero; 3],
    }
}

record! {
    /// The protection of a session's quotes in a market.
    ProtectionRecord, 64 {
        session: SessionId,
        market: MarketId,
        window: u64,
        max_qty: Qty,
        max_notional: Amount,
        max_fills: u32,
        /// Trades that were counted; without one the other counts are 0, too.
        fills: u32,
        begun: Nanos,
        qty: Qty,
        notional: Amount,
    }
}

record! {
    /// A mass cancel that is pending.
    MassCancelRecord, 64 {
        request: u64,
        count: u64,
        lowest: Price,
        highest: Price,
        /// None: the session is to be looked at.
        next_order: OrderId,
        next_session: u32,
        /// Who asked, if it was a session; else 0.
        asked: SessionId,
        target: u32,
        market: MarketId,
        reason: Reason,
        /// Whether a session asked.
        by_session: Flag,
        scope: Scope,
        sides: Sides,
        pad: [Zero; 3],
    }
}

record! {
    /// An auction that is pending.
    UncrossingRecord, 64 {
        market: MarketId,
        /// Whether its price is found.
        is_trading: Flag,
        pad: [Zero; 3],
        /// Before that: bid, what is left of it, ask, what is left of it, volume, last bid, last ask. Then: price, what is
        /// left to trade, and zeros.
        words: [u64; 7],
    }
}

record! {
    /// What a sweep knows beyond its order, whose record comes before.
    SweepRecord, 16 {
        order_type: OrderType,
        time_in_force: TimeInForce,
        pad: [Zero; 6],
        /// The worst price at which a market order trades; 0: any. Of a limit order 0.
        worst: Price,
    }
}
