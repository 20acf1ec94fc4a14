//! What the API shows of orders, trades and markets: the same shapes over HTTP and WebSocket.

use crate::number::{I64, U64};
use domain::{
    AccountId, ClientOrderId, CreateMarket, Event, Flag, Nanos, OrderId, OrderType, Price, Qty,
    Reason, SessionId, Side, TimeInForce,
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
    /// At any price; without a price of its own.
    Market,
    /// A limit order that is refused rather than trade on arrival.
    PostOnly,
}

impl ApiOrderType {
    pub(crate) fn of(order_type: OrderType, post_only: Flag) -> Self {
        match (order_type, post_only) {
            (OrderType::Market, _) => Self::Market,
            (OrderType::Limit, Flag::No) => Self::Limit,
            (OrderType::Limit, Flag::Yes) => Self::PostOnly,
        }
    }

    pub(crate) fn parts(self) -> (OrderType, Flag) {
        match self {
            Self::Limit => (OrderType::Limit, Flag::No),
            Self::Market => (OrderType::Market, Flag::No),
            Self::PostOnly => (OrderType::Limit, Flag::Yes),
        }
    }
}

/// How long an order stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) enum ApiTimeInForce {
    /// Until it is filled or cancelled.
    GoodTillCancelled,
    /// What does not trade at once is cancelled.
    ImmediateOrCancel,
    /// All of it at once, or nothing.
    FillOrKill,
}

impl From<TimeInForce> for ApiTimeInForce {
    fn from(time: TimeInForce) -> Self {
        match time {
            TimeInForce::GoodTillCancel => Self::GoodTillCancelled,
            TimeInForce::ImmediateOrCancel => Self::ImmediateOrCancel,
            TimeInForce::FillOrKill => Self::FillOrKill,
        }
    }
}

impl From<ApiTimeInForce> for TimeInForce {
    fn from(time: ApiTimeInForce) -> Self {
        match time {
            ApiTimeInForce::GoodTillCancelled => Self::GoodTillCancel,
            ApiTimeInForce::ImmediateOrCancel => Self::ImmediateOrCancel,
            ApiTimeInForce::FillOrKill => Self::FillOrKill,
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
}

impl From<OrderStatus> for ApiStatus {
    fn from(status: OrderStatus) -> Self {
        match status {
            OrderStatus::New => Self::New,
            OrderStatus::PartiallyFilled => Self::PartiallyFilled,
            OrderStatus::Filled => Self::Filled,
            OrderStatus::Canceled => Self::Cancelled,
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
    /// Ticks; 0 for a market order.
    pub(crate) price: I64,
    /// Lots, the filled ones included.
    pub(crate) quantity: U64,
    /// Lots that have traded.
    pub(crate) filled_quantity: U64,
    /// Lots that can still trade.
    pub(crate) remaining_quantity: U64,
    pub(crate) status: ApiStatus,
    /// Why it ended or was refused: a reason code, 0 if neither.
    pub(crate) reason: u16,
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
    /// Fee of the resting side, parts per million.
    pub(crate) maker_fee_ppm: u32,
    /// Fee of the arriving side, parts per million.
    pub(crate) taker_fee_ppm: u32,
}

impl ApiMarket {
    pub(crate) fn of(
        terms: &CreateMarket,
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
    pub(crate) post_only: Flag,
    pub(crate) price: Price,
    pub(crate) qty: Qty,
    pub(crate) leaves: Qty,
    pub(crate) filled: Qty,
    pub(crate) ended: Option<Reason>,
    /// When it changed last; of one that was there when the process began, and has not changed since, when that was.
    pub(crate) changed: Nanos,
}

impl Tracked {
    pub(crate) fn status(&self) -> ApiStatus {
        match (self.ended, self.leaves, self.filled) {
            (Some(_), ..) => ApiStatus::Cancelled,
            (None, Qty(0), _) => ApiStatus::Filled,
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
            price: I64(self.price.0),
            quantity: U64(self.qty.0),
            filled_quantity: U64(self.filled.0),
            remaining_quantity: U64(self.leaves.0),
            status: self.status(),
            reason: self.ended.map_or(0, u16::from),
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
            price: I64(order.price.0),
            quantity: U64(order.qty.0),
            filled_quantity: U64(order.filled.0),
            remaining_quantity: U64(order.leaves.0),
            status: order.status.into(),
            reason: u16::from(order.reason),
            timestamp: U64(order.updated_time.0),
        }
    }
}

/// What a report says happened, as the journal has it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(tag = "kind")]
pub(crate) enum ApiReport {
    /// An order was accepted.
    Accepted { order_id: U64, client_order_id: U64 },
    /// A command was refused.
    Rejected {
        order_id: U64,
        client_order_id: U64,
        reason: u16,
    },
    /// Part of an order traded.
    Fill {
        order_id: U64,
        client_order_id: U64,
        trade_id: U64,
        price: I64,
        quantity: U64,
        remaining_quantity: U64,
        /// Quote base units.
        fee: U64,
    },
    /// The rest of an order is gone.
    Cancelled {
        order_id: U64,
        client_order_id: U64,
        quantity: U64,
        reason: u16,
    },
    /// An order was changed.
    Amended {
        order_id: U64,
        client_order_id: U64,
        price: I64,
        quantity: U64,
        remaining_quantity: U64,
        kept_priority: bool,
    },
    /// Numbers of the session that never apply.
    NotApplied { from: U64, count: U64 },
}

impl ApiReport {
    /// None if the event is not private.
    pub(crate) fn of(event: &Event) -> Option<Self> {
        let ids = |order: OrderId, client: ClientOrderId| (U64(order.0), U64(client.0));
        Some(match event {
            Event::Accepted(e) => {
                let (order_id, client_order_id) = ids(e.order_id, e.client_order_id);
                Self::Accepted {
                    order_id,
                    client_order_id,
                }
            }
            Event::Rejected(e) => {
                let (order_id, client_order_id) = ids(e.order_id, e.client_order_id);
                Self::Rejected {
                    order_id,
                    client_order_id,
                    reason: e.reason.into(),
                }
            }
            Event::Fill(e) => {
                let (order_id, client_order_id) = ids(e.order_id, e.client_order_id);
                Self::Fill {
                    order_id,
                    client_order_id,
                    trade_id: U64(e.trade_id),
                    price: I64(e.price.0),
                    quantity: U64(e.qty.0),
                    remaining_quantity: U64(e.leaves.0),
                    fee: U64(e.fee.0),
                }
            }
            Event::Canceled(e) => {
                let (order_id, client_order_id) = ids(e.order_id, e.client_order_id);
                Self::Cancelled {
                    order_id,
                    client_order_id,
                    quantity: U64(e.qty.0),
                    reason: e.reason.into(),
                }
            }
            Event::Amended(e) => {
                let (order_id, client_order_id) = ids(e.order_id, e.client_order_id);
                Self::Amended {
                    order_id,
                    client_order_id,
                    price: I64(e.price.0),
                    quantity: U64(e.qty.0),
                    remaining_quantity: U64(e.leaves.0),
                    kept_priority: e.kept_priority.is_yes(),
                }
            }
            Event::NotApplied(e) => Self::NotApplied {
                from: U64(e.from),
                count: U64(e.count),
            },
            Event::BookAdd(_)
            | Event::BookReduce(_)
            | Event::BookDelete(_)
            | Event::BookReplace(_)
            | Event::Trade(_)
            | Event::PhaseChanged(_)
            | Event::MarketDefined(_)
            | Event::Outcome(_)
            | Event::StateHash(_) => return None,
        })
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
