//! What the API shows of orders, trades and markets: the same shapes over HTTP and WebSocket.

use crate::choices::{
    ApiMarketState, ApiReference, ApiSelfTrade, ApiSelfTradeScope, ApiTimeInForce,
};
use crate::number::{I64, U64};
use crate::problem::code_of;
use domain::{
    AccountId, ClientOrderId, CreateMarket, MarketState, Nanos, OrderId, OrderType, OrderView,
    PostOnly, Price, Qty, Reason, Reference, SelfTrade, SelfTradeScope, SessionId, SetCollar, Side,
    TimeInForce,
};
use serde::{Deserialize, Serialize};
use store::OrderStatus;
use utoipa::ToSchema;

/// A symbol's text.
pub(crate) fn symbol(bytes: [u8; 16]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(16);
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// A wallet in base58.
pub(crate) fn wallet(owner: [u8; 32]) -> String {
    bs58::encode(owner).into_string()
}

/// `Expired` as `expired`; none if there is no reason.
pub(crate) fn reason_name(reason: Reason) -> Option<String> {
    (reason != Reason::None).then(|| code_of(reason))
}

/// Which side of the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) enum ApiSide {
    /// Buys.
    Bid,
    /// Sells.
    Ask,
}

impl From<Side> for ApiSide {
    fn from(side: Side) -> Self {
        match side {
            Side::Buy => Self::Bid,
            Side::Sell => Self::Ask,
        }
    }
}

impl From<ApiSide> for Side {
    fn from(side: ApiSide) -> Self {
        match side {
            ApiSide::Bid => Self::Buy,
            ApiSide::Ask => Self::Sell,
        }
    }
}

/// How an order is priced, and whether it may trade on arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) enum ApiOrderType {
    /// At its price or better.
    Limit,
    /// At any price, or any as good as its own if it has one.
    Market,
    /// A limit order that is refused rather than trade on arrival.
    PostOnly,
    /// A limit order that is taken at the nearest price at which it does not trade on arrival.
    PostOnlySlide,
    /// Waits until a trade is at its trigger price or beyond, and arrives as a market order then.
    Stop,
    /// Waits until a trade is at its trigger price or beyond, and arrives as a limit order then.
    StopLimit,
}

impl ApiOrderType {
    pub(crate) fn of(order_type: OrderType, post_only: PostOnly) -> Self {
        match (order_type, post_only) {
            (OrderType::Market, _) => Self::Market,
            (OrderType::Limit, PostOnly::No) => Self::Limit,
            (OrderType::Limit, PostOnly::Refuse) => Self::PostOnly,
            (OrderType::Limit, PostOnly::Slide) => Self::PostOnlySlide,
            (OrderType::Stop, _) => Self::Stop,
            (OrderType::StopLimit, _) => Self::StopLimit,
        }
    }

    pub(crate) fn parts(self) -> (OrderType, PostOnly) {
        match self {
            Self::Limit => (OrderType::Limit, PostOnly::No),
            Self::Market => (OrderType::Market, PostOnly::No),
            Self::PostOnly => (OrderType::Limit, PostOnly::Refuse),
            Self::PostOnlySlide => (OrderType::Limit, PostOnly::Slide),
            Self::Stop => (OrderType::Stop, PostOnly::No),
            Self::StopLimit => (OrderType::StopLimit, PostOnly::No),
        }
    }
}

/// What has become of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) enum ApiStatus {
    /// Nothing of it has traded.
    New,
    /// Part of it has traded, and the rest still can.
    PartiallyFilled,
    /// All of it has traded.
    Filled,
    /// The rest of it will not trade.
    Cancelled,
    /// It was never accepted.
    Rejected,
    /// A stop that waits until the market reaches its trigger price.
    Waiting,
}

impl From<OrderStatus> for ApiStatus {
    fn from(status: OrderStatus) -> Self {
        match status {
            OrderStatus::New => Self::New,
            OrderStatus::PartiallyFilled => Self::PartiallyFilled,
            OrderStatus::Filled => Self::Filled,
            OrderStatus::Canceled => Self::Cancelled,
            OrderStatus::Waiting => Self::Waiting,
        }
    }
}

/// An order. Prices in ticks, quantities in lots, times in UTC nanoseconds.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ApiOrder {
    /// The exchange's id.
    pub(crate) order_id: U64,
    /// The owner's id.
    pub(crate) client_order_id: U64,
    /// Wallet of the account, in base58; absent if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    /// The account.
    pub(crate) account: u32,
    /// The session that entered it.
    pub(crate) session: u32,
    /// The market's symbol.
    pub(crate) market: String,
    pub(crate) side: ApiSide,
    pub(crate) order_type: ApiOrderType,
    pub(crate) time_in_force: ApiTimeInForce,
    /// When it ends, UTC nanoseconds; 0: at no time.
    pub(crate) expires_at: U64,
    /// Of a stop its trigger price in ticks, 0 of every other. Of one that was there before this server began, 0 once it
    /// waits no more.
    pub(crate) trigger_price: I64,
    /// Ticks: at which it was taken, if it slid. Of a market order or `Stop` the worst at which it trades, or 0.
    pub(crate) price: I64,
    /// Lots, the filled ones included.
    pub(crate) quantity: U64,
    /// Lots that have traded.
    pub(crate) filled_quantity: U64,
    /// Lots that can still trade.
    pub(crate) remaining_quantity: U64,
    /// Lots that everybody sees of it at a time; 0: all.
    pub(crate) display_quantity: U64,
    /// Lots of `remaining_quantity` that nobody else sees now; absent where the history tells of the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hidden_quantity: Option<U64>,
    /// Lots that had to trade on arrival; 0: any. Of a live order that was there before this server began, 0.
    pub(crate) min_quantity: U64,
    pub(crate) self_trade_behavior: ApiSelfTrade,
    pub(crate) self_trade_scope: ApiSelfTradeScope,
    /// Whether it is a side of a quote: `client_order_id` is the quote's then, and does not find it.
    pub(crate) quote: bool,
    pub(crate) status: ApiStatus,
    /// Why it ended or was refused: a reason code, 0 if neither.
    pub(crate) reason: u16,
    /// The same by its name, as problems have it in `code`; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason_name: Option<String>,
    /// When it changed last, UTC nanoseconds; of a live order that has not changed since this server began, when
    /// that was.
    pub(crate) timestamp: U64,
}

/// A trade as everybody sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ApiTrade {
    /// Increasing.
    pub(crate) trade_id: U64,
    /// The market's symbol.
    pub(crate) market: String,
    /// The order that rested.
    pub(crate) maker_order_id: U64,
    /// The order that arrived.
    pub(crate) taker_order_id: U64,
    /// Ticks.
    pub(crate) price: I64,
    /// Lots.
    pub(crate) quantity: U64,
    /// Side of the order that rested.
    pub(crate) maker_side: ApiSide,
    /// UTC nanoseconds.
    pub(crate) timestamp: U64,
}

impl ApiTrade {
    pub(crate) fn of_row(trade: &store::Trade, market: &str) -> Self {
        Self {
            trade_id: U64(trade.trade_id),
            market: market.to_owned(),
            maker_order_id: U64(trade.maker_order.0),
            taker_order_id: U64(trade.taker_order.0),
            price: I64(trade.price.0),
            quantity: U64(trade.qty.0),
            maker_side: trade.taker_side.opposite().into(),
            timestamp: U64(trade.time.0),
        }
    }

    pub(crate) fn of_event(trade: &domain::Trade, market: &str, time: Nanos) -> Self {
        Self {
            trade_id: U64(trade.trade_id),
            market: market.to_owned(),
            maker_order_id: U64(trade.maker_order_id.0),
            taker_order_id: U64(trade.taker_order_id.0),
            price: I64(trade.price.0),
            quantity: U64(trade.qty.0),
            maker_side: trade.taker_side.opposite().into(),
            timestamp: U64(time.0),
        }
    }
}

/// A market and the units of its numbers.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ApiMarket {
    /// Its name, by which every request calls it.
    pub(crate) market: String,
    /// Its number on the binary port.
    pub(crate) market_id: u32,
    /// What is traded.
    pub(crate) base: String,
    /// Base units per whole base asset, as a power of ten.
    pub(crate) base_decimals: u8,
    /// What it is paid in.
    pub(crate) quote: String,
    /// Base units per whole quote asset, as a power of ten.
    pub(crate) quote_decimals: u8,
    /// Quote base units per tick and lot.
    pub(crate) tick_value: U64,
    /// Base units of the base asset per lot.
    pub(crate) lot_size: U64,
    /// One tick as a price of a whole base asset in whole quote assets.
    pub(crate) tick_size: String,
    /// One lot in whole base assets.
    pub(crate) lot_size_decimal: String,
    /// Smallest order, lots.
    pub(crate) min_quantity: U64,
    /// Lowest price, ticks.
    pub(crate) price_min: I64,
    /// Highest price, ticks.
    pub(crate) price_max: I64,
    /// List fee of the resting side, parts per million: what a tier pays that pays no less.
    pub(crate) maker_fee_ppm: u32,
    /// List fee of the arriving side, parts per million.
    pub(crate) taker_fee_ppm: u32,
    /// What may happen in it now.
    pub(crate) state: ApiMarketState,
    /// How far orders may reach into the other side; absent if as far as they like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) collar: Option<ApiCollar>,
}

/// How far from a reference orders may reach into the other side of a market.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ApiCollar {
    pub(crate) reference: ApiReference,
    /// The reference in ticks, if it is `Set`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) price: Option<I64>,
    /// Parts per million of the reference.
    pub(crate) width_ppm: u32,
    /// Whether an order that is beyond it halts the market.
    pub(crate) halts: bool,
}

impl ApiCollar {
    /// None without a reference.
    fn of(collar: &SetCollar) -> Option<Self> {
        let price = match collar.reference {
            Reference::None => return None,
            Reference::LastTrade | Reference::Middle => None,
            Reference::Set => Some(I64(collar.price.0)),
        };
        Some(Self {
            reference: collar.reference.into(),
            price,
            width_ppm: collar.width_ppm,
            halts: collar.halts.is_yes(),
        })
    }
}

impl ApiMarket {
    pub(crate) fn of(
        terms: &CreateMarket,
        (state, collar): (MarketState, &SetCollar),
        base: &domain::CreateAsset,
        quote: &domain::CreateAsset,
    ) -> Self {
        let whole_lots = u128::from(terms.lot_size);
        // Quote per base of one tick: tick_value / 10^quote per lot_size / 10^base.
        let exponent = i32::from(quote.decimals) - i32::from(base.decimals);
        Self {
            market: symbol(terms.symbol),
            market_id: terms.market.0,
            base: symbol(base.symbol),
            base_decimals: base.decimals,
            quote: symbol(quote.symbol),
            quote_decimals: quote.decimals,
            tick_value: U64(terms.tick_value),
            lot_size: U64(terms.lot_size),
            tick_size: ratio(u128::from(terms.tick_value), whole_lots, exponent),
            lot_size_decimal: decimal(whole_lots, base.decimals),
            min_quantity: U64(terms.min_qty.0),
            price_min: I64(terms.price_min.0),
            price_max: I64(terms.price_min.0 + i64::from(terms.price_levels) - 1),
            maker_fee_ppm: terms.maker_fee_ppm,
            taker_fee_ppm: terms.taker_fee_ppm,
            state: state.into(),
            collar: ApiCollar::of(collar),
        }
    }
}

/// `units / 10^decimals` in full.
pub(crate) fn decimal(units: u128, decimals: u8) -> String {
    let digits = format!("{units:0>width$}", width = usize::from(decimals) + 1);
    let (whole, part) = digits.split_at(digits.len() - usize::from(decimals));
    let part = part.trim_end_matches('0');
    if part.is_empty() {
        whole.to_owned()
    } else {
        format!("{whole}.{part}")
    }
}

/// `a / b / 10^exponent` to 18 places, rounded down.
fn ratio(a: u128, b: u128, exponent: i32) -> String {
    const PLACES: i32 = 18;
    let shift = PLACES - exponent;
    let scaled = u32::try_from(shift)
        .ok()
        .and_then(|shift| 10_u128.checked_pow(shift))
        .and_then(|scale| a.checked_mul(scale))
        .map(|scaled| scaled / b);
    scaled.map_or_else(|| format!("{a}/{b}"), |scaled| decimal(scaled, 18))
}

/// An order as the hub follows it, from the frame in which it was accepted or from the engine's book.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tracked {
    pub(crate) order_id: OrderId,
    pub(crate) client_order_id: ClientOrderId,
    pub(crate) session: SessionId,
    pub(crate) account: AccountId,
    pub(crate) market: domain::MarketId,
    pub(crate) side: Side,
    pub(crate) order_type: OrderType,
    pub(crate) time_in_force: TimeInForce,
    pub(crate) post_only: PostOnly,
    pub(crate) min_qty: Qty,
    pub(crate) self_trade: SelfTrade,
    pub(crate) self_trade_scope: SelfTradeScope,
    pub(crate) expires: Nanos,
    pub(crate) trigger_price: Price,
    /// A side of a quote.
    pub(crate) quote: bool,
    /// A stop that has not arrived yet.
    pub(crate) waits: bool,
    pub(crate) display_qty: Qty,
    pub(crate) hidden: Qty,
    pub(crate) price: Price,
    pub(crate) qty: Qty,
    pub(crate) leaves: Qty,
    pub(crate) filled: Qty,
    pub(crate) ended: Option<Reason>,
    /// When it changed last; of one that was there when the process began, and has not changed since, when that was.
    pub(crate) changed: Nanos,
}

impl Tracked {
    /// A live order of which the engine is all that knows.
    pub(crate) fn of(live: &OrderView, account: AccountId, now: Nanos) -> Self {
        let waits = live.trigger_price != Price(0);
        Self {
            order_id: live.order_id,
            client_order_id: live.client_order_id,
            session: live.session,
            account,
            market: live.market,
            side: live.side,
            order_type: match (waits, live.price) {
                (false, Price(0)) => OrderType::Market,
                (false, _) => OrderType::Limit,
                (true, Price(0)) => OrderType::Stop,
                (true, _) => OrderType::StopLimit,
            },
            time_in_force: match (live.until_close, live.expires) {
                (true, _) => TimeInForce::GoodTillClose,
                (false, Nanos(0)) => TimeInForce::GoodTillCancel,
                (false, _) => TimeInForce::GoodTillTime,
            },
            post_only: live.post_only,
            min_qty: Qty::ZERO,
            self_trade: live.self_trade,
            self_trade_scope: live.self_trade_scope,
            expires: live.expires,
            trigger_price: live.trigger_price,
            quote: live.quote,
            waits,
            display_qty: live.display_qty,
            hidden: live.hidden,
            // Of a stop without a limit that which it was entered with.
            price: if waits && live.price == Price(0) {
                live.worst_price
            } else {
                live.price
            },
            qty: Qty(live.leaves.0 + live.filled.0),
            leaves: live.leaves,
            filled: live.filled,
            ended: None,
            changed: now,
        }
    }

    pub(crate) fn status(&self) -> ApiStatus {
        match (self.ended, self.leaves, self.filled) {
            (Some(_), ..) => ApiStatus::Cancelled,
            (None, Qty(0), _) => ApiStatus::Filled,
            (None, ..) if self.waits => ApiStatus::Waiting,
            (None, _, Qty(0)) => ApiStatus::New,
            (None, ..) => ApiStatus::PartiallyFilled,
        }
    }

    pub(crate) fn view(&self, market: &str, owner: Option<String>) -> ApiOrder {
        ApiOrder {
            order_id: U64(self.order_id.0),
            client_order_id: U64(self.client_order_id.0),
            owner,
            account: self.account.0,
            session: self.session.0,
            market: market.to_owned(),
            side: self.side.into(),
            order_type: ApiOrderType::of(self.order_type, self.post_only),
            time_in_force: self.time_in_force.into(),
            expires_at: U64(self.expires.0),
            trigger_price: I64(self.trigger_price.0),
            price: I64(self.price.0),
            quantity: U64(self.qty.0),
            filled_quantity: U64(self.filled.0),
            remaining_quantity: U64(self.leaves.0),
            display_quantity: U64(self.display_qty.0),
            hidden_quantity: Some(U64(self.hidden.0)),
            min_quantity: U64(self.min_qty.0),
            self_trade_behavior: self.self_trade.into(),
            self_trade_scope: self.self_trade_scope.into(),
            quote: self.quote,
            status: self.status(),
            reason: self.ended.map_or(0, u16::from),
            reason_name: self.ended.and_then(reason_name),
            timestamp: U64(self.changed.0),
        }
    }
}

impl ApiOrder {
    pub(crate) fn of_row(order: &store::Order, market: &str, owner: Option<String>) -> Self {
        Self {
            order_id: U64(order.order_id.0),
            client_order_id: U64(order.client_order_id.0),
            owner,
            account: order.account.0,
            session: order.session.0,
            market: market.to_owned(),
            side: order.side.into(),
            order_type: ApiOrderType::of(order.order_type, order.post_only),
            time_in_force: order.time_in_force.into(),
            expires_at: U64(order.expires.0),
            trigger_price: I64(order.trigger_price.0),
            price: I64(order.price.0),
            quantity: U64(order.qty.0),
            filled_quantity: U64(order.filled.0),
            remaining_quantity: U64(order.leaves.0),
            display_quantity: U64(order.display_qty.0),
            hidden_quantity: None,
            min_quantity: U64(order.min_qty.0),
            self_trade_behavior: order.self_trade.into(),
            self_trade_scope: order.self_trade_scope.into(),
            quote: order.quote.is_yes(),
            status: order.status.into(),
            reason: u16::from(order.reason),
            reason_name: reason_name(order.reason),
            timestamp: U64(order.updated_time.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_become_decimals() {
        assert_eq!(decimal(1_000_000, 9), "0.001");
        assert_eq!(decimal(12_345, 0), "12345");
        assert_eq!(decimal(10, 1), "1");
        // 10 micro-USDC per tick and lot of 0.001 SOL: 0.01 USDC per SOL.
        assert_eq!(ratio(10, 1_000_000, 6 - 9), "0.01");
    }
}
