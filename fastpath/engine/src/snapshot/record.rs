//! The records of a body: fixed size, little-endian, no implicit padding.

use domain::{
    AccountId, Amount, AssetId, ClientOrderId, CreateAsset, Delegation, Flag, Gate, Genesis, Nanos,
    OrderId, OrderType, Phase, Price, Qty, Seq, SessionId, Side, TimeInForce, Zero,
};
use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// The version of these layouts.
pub(crate) const LAYOUT: u16 = 1;

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
    Head, 136 {
        layout: u16,
        version: u16,
        epoch: u32,
        phase: Phase,
        /// Whether `Genesis` has been; if not, nothing follows.
        initialised: Flag,
        /// Whether a sweep is pending, whose records then are the last.
        sweeping: Flag,
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
        pad2: [Zero; 4],
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
    /// A session.
    SessionRecord, 120 {
        session: SessionId,
        account: AccountId,
        delegation: Delegation,
        gate: Gate,
        pad: [Zero; 7],
        next_report_no: u64,
        last_number: u64,
        epoch_report_no: u64,
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
    OrderRecord, 56 {
        id: OrderId,
        price: Price,
        leaves: Qty,
        filled: Qty,
        client_order_id: ClientOrderId,
        /// 0 of the order that sweeps.
        priority: Seq,
        session: SessionId,
        market: u16,
        side: Side,
        post_only: Flag,
    }
}

record! {
    /// What a sweep knows beyond its order, whose record comes before.
    SweepRecord, 8 {
        order_type: OrderType,
        time_in_force: TimeInForce,
        pad: [Zero; 6],
    }
}
