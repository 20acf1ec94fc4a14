//! The rows that are derived from the journal.

use crate::candles::Interval;
use crate::column::{Column, Fields, Values, numbered};
use crate::error::StoreError;
use crate::record::record;
use domain::{
    AccountId, Amount, AssetId, ClientOrderId, CommandKind, EventKind, FirmId, Flag, MarketId,
    MarketState, Nanos, OrderId, OrderType, PostOnly, Price, Qty, Reason, SelfTrade,
    SelfTradeScope, Seq, SessionId, Side, Source, TimeInForce,
};
use zerocopy::{Immutable, KnownLayout, TryFromBytes};

/// What has become of an order. Stable numbers.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, TryFromBytes, Immutable, KnownLayout,
)]
#[repr(u8)]
pub enum OrderStatus {
    /// Nothing of it has traded.
    New = 0,
    /// Part of it has traded, and the rest still can.
    PartiallyFilled = 1,
    /// All of it has traded.
    Filled = 2,
    /// The rest of it will not trade; the order's reason says why.
    Canceled = 3,
    /// A stop that waits until the market reaches its trigger price.
    Waiting = 4,
}
numbered!(OrderStatus as u8);

impl OrderStatus {
    /// The open ones, as the index of open orders says it: said otherwise it is not used.
    pub(crate) const OPEN: &str = "status IN (0, 1, 4)";

    /// Whether it can still trade.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::New | Self::PartiallyFilled | Self::Waiting)
    }
}

record! {
    /// An asset.
    pub Asset in "assets", key [], changing [] {
        /// Its id.
        asset: AssetId,
        /// Base units per whole unit, as a power of ten.
        decimals: u8,
        /// Name.
        symbol: String,
        /// Frame that made it.
        seq: Seq,
    }
}

record! {
    /// A market. Fields as in `domain::CreateMarket`.
    pub Market in "markets", key [], changing [] {
        /// Its id.
        market: MarketId,
        /// What is traded.
        base: AssetId,
        /// What it is paid in.
        quote: AssetId,
        /// Fee of the resting side, parts per million.
        maker_fee_ppm: u32,
        /// Fee of the arriving side, parts per million.
        taker_fee_ppm: u32,
        /// Prices from `price_min` up.
        price_levels: u32,
        /// Quote base units per tick and lot.
        tick_value: u64,
        /// Base asset's base units per lot.
        lot_size: u64,
        /// Smallest order, lots.
        min_qty: Qty,
        /// Lowest price, ticks.
        price_min: Price,
        /// Name.
        symbol: String,
        /// Frame that made it.
        seq: Seq,
    }
}

record! {
    /// An account.
    pub Account in "accounts", key [], changing [] {
        /// Its id.
        account: AccountId,
        /// Whose it is.
        firm: FirmId,
        /// Wallet of its owner; none if nobody's.
        owner: Option<[u8; 32]>,
        /// Frame that made it.
        seq: Seq,
        /// When, UTC ns.
        time: Nanos,
    }
}

record! {
    /// A session.
    pub Session in "sessions", key [], changing [] {
        /// Its id.
        session: SessionId,
        /// The account that it trades for.
        account: AccountId,
        /// The delegated ed25519 public key.
        public_key: [u8; 32],
        /// Frame that opened it.
        seq: Seq,
        /// When, UTC ns.
        time: Nanos,
    }
}

record! {
    /// An order that was accepted, as it is now. Its average price is `notional / (filled * tick_value)`.
    pub Order in "orders", key [order_id],
    changing [client_order_id, price, qty, filled, leaves, notional, status, reason, updated_seq, updated_time] {
        /// The engine's id.
        order_id: OrderId,
        /// Who entered it.
        session: SessionId,
        /// For whom.
        account: AccountId,
        /// The owner's id: the last one that was given. Of a quote the quote's, which both sides share.
        client_order_id: ClientOrderId,
        /// Where.
        market: MarketId,
        /// Buy or sell.
        side: Side,
        /// Limit or market, at once or later.
        order_type: OrderType,
        /// How long.
        time_in_force: TimeInForce,
        /// Whether it had to rest, and what became of it otherwise.
        post_only: PostOnly,
        /// Lots that had to trade at once; 0: any.
        min_qty: Qty,
        /// What it did where it met an order of its own.
        self_trade: SelfTrade,
        /// Which orders are its own.
        self_trade_scope: SelfTradeScope,
        /// Engine time at which it ends; 0: none.
        expires: Nanos,
        /// Lots that the book shows of it at a time; 0: all.
        display_qty: Qty,
        /// Of a stop its trigger price in ticks, also when it waits no more; else 0.
        trigger_price: Price,
        /// Whether it is a side of a quote: no client order id finds it.
        quote: Flag,
        /// Limit price in ticks; of a market order the worst, or 0.
        price: Price,
        /// Lots, those that have traded included.
        qty: Qty,
        /// Lots that have traded.
        filled: Qty,
        /// Lots that can still trade.
        leaves: Qty,
        /// Sum of `price * lots * tick_value` of its fills, quote base units.
        notional: u128,
        /// What has become of it.
        status: OrderStatus,
        /// Why it ended, if it was cancelled.
        reason: Reason,
        /// Frame that accepted it.
        created_seq: Seq,
        /// When, UTC ns.
        created_time: Nanos,
        /// Frame that changed it last.
        updated_seq: Seq,
        /// When, UTC ns.
        updated_time: Nanos,
    }
}

record! {
    /// A command of a session that was refused.
    pub Rejection in "rejections", key [], changing [] {
        /// Whose.
        session: SessionId,
        /// The session's report number.
        report_no: u64,
        /// For whom.
        account: AccountId,
        /// The client order id that the command named, or 0.
        client_order_id: ClientOrderId,
        /// The order id that the command named, or none.
        order_id: OrderId,
        /// What was refused.
        command: CommandKind,
        /// Why.
        reason: Reason,
        /// Frame.
        seq: Seq,
        /// When, UTC ns.
        time: Nanos,
    }
}

record! {
    /// A private event, as the journal has it.
    pub(crate) ReportRow in "reports", key [], changing [] {
        /// Whose.
        session: SessionId,
        /// The session's report number.
        report_no: u64,
        /// Frame.
        seq: Seq,
        /// When, UTC ns.
        time: Nanos,
        /// Which event.
        kind: EventKind,
        /// Its bytes.
        payload: Vec<u8>,
    }
}

record! {
    /// A trade.
    pub Trade in "trades", key [], changing [] {
        /// Increasing within the shard.
        trade_id: u64,
        /// Where.
        market: MarketId,
        /// The resting order's, in ticks.
        price: Price,
        /// Lots.
        qty: Qty,
        /// `price * qty * tick_value`, quote base units.
        notional: Amount,
        /// Of the arriving order.
        taker_side: Side,
        /// The order that rested.
        maker_order: OrderId,
        /// Whose.
        maker_account: AccountId,
        /// Whose.
        maker_session: SessionId,
        /// What it paid, quote base units; or received.
        maker_fee: Amount,
        /// Whether it received that.
        maker_is_rebate: Flag,
        /// The order that arrived.
        taker_order: OrderId,
        /// Whose.
        taker_account: AccountId,
        /// Whose.
        taker_session: SessionId,
        /// What it paid, quote base units.
        taker_fee: Amount,
        /// Frame.
        seq: Seq,
        /// When, UTC ns.
        time: Nanos,
    }
}

record! {
    /// An order met one of its own and did not trade with it.
    pub SelfTradePrevented in "self_trades", key [], changing [] {
        /// Whose the arriving order is.
        session: SessionId,
        /// The session's report number.
        report_no: u64,
        /// Whose it is.
        account: AccountId,
        /// The arriving order.
        order_id: OrderId,
        /// The resting order.
        maker_order: OrderId,
        /// Where.
        market: MarketId,
        /// The resting order's, in ticks.
        price: Price,
        /// Lots that would have traded.
        qty: Qty,
        /// What was done.
        self_trade: SelfTrade,
        /// Frame.
        seq: Seq,
        /// When, UTC ns.
        time: Nanos,
    }
}

record! {
    /// A client order id that an order had until it was replaced by another.
    pub(crate) ReplacedId in "replaced_ids", key [], changing [] {
        /// For whom the order is.
        account: AccountId,
        /// Whose ids they are.
        session: SessionId,
        /// Until then.
        client_order_id: ClientOrderId,
        /// The order.
        order_id: OrderId,
        /// Frame that replaced it.
        seq: Seq,
    }
}

record! {
    /// What may happen in a market from a frame on.
    pub MarketStateRow in "market_states", key [], changing [] {
        /// Where.
        market: MarketId,
        /// Frame.
        seq: Seq,
        /// From then on.
        state: MarketState,
        /// When, UTC ns.
        time: Nanos,
    }
}

record! {
    /// Bids and asks of a market that crossed have traded at one price. The trades are those of the frame and of those
    /// that went on with it.
    pub Auction in "auctions", key [], changing [] {
        /// Where.
        market: MarketId,
        /// Frame.
        seq: Seq,
        /// Ticks.
        price: Price,
        /// Lots.
        qty: Qty,
        /// When, UTC ns.
        time: Nanos,
    }
}

record! {
    /// What an account has of an asset, base units.
    pub Balance in "balances", key [account, asset], changing [available, held, seq] {
        /// Whose.
        account: AccountId,
        /// Of what.
        asset: AssetId,
        /// Free to be used.
        available: Amount,
        /// Set aside for live orders.
        held: Amount,
        /// Last frame that may have changed it.
        seq: Seq,
    }
}

record! {
    /// A market's trades since its first, and its last one.
    pub MarketTotals in "market_stats", key [market],
    changing [last_trade, last_price, last_qty, last_time, volume, quote_volume, trades, seq] {
        /// Which.
        market: MarketId,
        /// Id of the last trade.
        last_trade: u64,
        /// Its price, ticks.
        last_price: Price,
        /// Its lots.
        last_qty: Qty,
        /// When, UTC ns.
        last_time: Nanos,
        /// Lots of all trades.
        volume: u128,
        /// Notional of all trades, quote base units.
        quote_volume: u128,
        /// How many.
        trades: u64,
        /// Frame of the last trade.
        seq: Seq,
    }
}

record! {
    /// The trades of a market in an interval of time.
    pub Candle in "candles", key [market, interval, open_time],
    changing [high, low, close, volume, quote_volume, trades, seq] {
        /// Where.
        market: MarketId,
        /// How long.
        interval: Interval,
        /// Begin, UTC ns: a multiple of the interval.
        open_time: Nanos,
        /// Price of the first trade, ticks.
        open: Price,
        /// Highest price, ticks.
        high: Price,
        /// Lowest price, ticks.
        low: Price,
        /// Price of the last trade, ticks.
        close: Price,
        /// Lots.
        volume: u128,
        /// Notional, quote base units.
        quote_volume: u128,
        /// How many trades.
        trades: u64,
        /// Frame of the last one.
        seq: Seq,
    }
}

record! {
    /// A deposit, credited or refused.
    pub Deposit in "deposits", key [], changing [] {
        /// Frame.
        seq: Seq,
        /// When, UTC ns.
        time: Nanos,
        /// Who made it: deposits, unless the operator did by hand.
        source: Source,
        /// Its number among that source's commands: the deposit id.
        number: u64,
        /// Whose.
        account: AccountId,
        /// Of what.
        asset: AssetId,
        /// Base units.
        amount: Amount,
        /// Why it was refused, or none.
        reason: Reason,
    }
}

record! {
    /// A command of the operator or of the genesis file.
    pub AuditEntry in "audit", key [], changing [] {
        /// Frame.
        seq: Seq,
        /// When, UTC ns.
        time: Nanos,
        /// Its number among the operator's commands.
        number: u64,
        /// What was asked.
        command: CommandKind,
        /// The command's body as in the journal.
        payload: Vec<u8>,
        /// Why it was refused, or none.
        reason: Reason,
    }
}
