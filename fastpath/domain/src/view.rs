//! What a reader may know of the state between commands.

use crate::{
    AccountId, Amount, ClientOrderId, Delegation, FirmId, Gate, Limits, MarketId, Nanos, OrderId,
    PostOnly, Price, Qty, SelfTrade, SelfTradeScope, SessionId, Side,
};

/// What a reader may know of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// Whose it is.
    pub firm: FirmId,
    /// The wallet that may log on for it; zeros if none.
    pub owner: [u8; 32],
    /// Whose limits and fees it has.
    pub tier: u32,
    /// Its own limits, if it does not have those of its tier.
    pub own_limits: Option<Limits>,
    /// Live orders.
    pub open_orders: u32,
    /// Notional of its trades on `volume_day`, in millionths of whole units of the quote assets.
    pub volume: u64,
    /// Days since 1970 (UTC).
    pub volume_day: u32,
}

/// What a reader may know of a live order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderView {
    /// The engine's id.
    pub order_id: OrderId,
    /// The session that entered it.
    pub session: SessionId,
    /// Where.
    pub market: MarketId,
    /// Buy or sell.
    pub side: Side,
    /// Does not trade on arrival.
    pub post_only: PostOnly,
    /// What to do where it meets an order of its own.
    pub self_trade: SelfTrade,
    /// Which orders are its own.
    pub self_trade_scope: SelfTradeScope,
    /// In ticks; 0 for a market order that sweeps or waits.
    pub price: Price,
    /// Lots that can still trade.
    pub leaves: Qty,
    /// Lots that have traded.
    pub filled: Qty,
    /// The owner's id.
    pub client_order_id: ClientOrderId,
    /// Feed number of the event by which it joined the queue of its price; 0 while it sweeps.
    pub priority: u64,
    /// Engine time at which it ends; 0: none.
    pub expires: Nanos,
    /// Whether it ends when its market closes.
    pub until_close: bool,
    /// Lots that the book shows of it at a time; 0: all.
    pub display_qty: Qty,
    /// Lots of `leaves` that the book does not show now.
    pub hidden: Qty,
    /// Of a stop that waits its trigger price in ticks; else 0.
    pub trigger_price: Price,
    /// Of a stop that waits and will have no limit the worst price at which it trades then; 0: any.
    pub worst_price: Price,
    /// Whether it is a side of its session's quote.
    pub quote: bool,
}

impl OrderView {
    /// The lots that the book shows.
    #[must_use]
    pub fn shown(&self) -> Qty {
        Qty(self.leaves.0 - self.hidden.0)
    }
}

/// What a reader may know of the protection of a session's quotes in a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtectionView {
    /// How long trades are counted together, in nanoseconds from the first of them on.
    pub window: u64,
    /// Lots; 0: no limit.
    pub max_qty: Qty,
    /// Base units of the quote asset; 0: no limit.
    pub max_notional: Amount,
    /// Trades; 0: no limit.
    pub max_fills: u32,
    /// Engine time of the first trade that was counted last; 0 if none was.
    pub begun: Nanos,
    /// Lots counted since then.
    pub qty: Qty,
    /// What these were worth, in base units of the quote asset.
    pub notional: Amount,
    /// Trades counted since then.
    pub fills: u32,
    /// Whether no quotes are taken until it is set anew.
    pub reached: bool,
}

/// What a reader may know of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// The account that it trades for.
    pub account: AccountId,
    /// To whom, how far and how long its account's owner delegates.
    pub delegation: Delegation,
    /// By which door its commands come in.
    pub gate: Gate,
    /// Number of the next report that it will be sent; from 1.
    pub next_report_no: u64,
    /// Its last number that was applied; 0 before the first.
    pub last_number: u64,
    /// Number of the first report of this epoch: its next report number when the epoch began, or 1
    /// if it was opened later.
    pub epoch_report_no: u64,
    /// What it has entered while there was a limit to what it may not attest, in millionths of whole units of the quote
    /// assets, modulo 2^64.
    pub entered: u64,
    /// What of that it has not attested, at most `u64::MAX`.
    pub unattested: u64,
}
