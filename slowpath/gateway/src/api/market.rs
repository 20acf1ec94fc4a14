//! Market data: books from the shadow engine, trades and candles from the store.

use crate::api::{Page, Paging, limit, number};
use crate::number::{I64, U64};
use crate::problem::{Problem, Refusals};
use crate::state::{App, Query};
use crate::view::{ApiTrade, decimal};
use axum::Json;
use axum::extract::State;
use domain::{MarketId, Nanos, Side};
use serde::{Deserialize, Serialize};
use store::Interval;
use utoipa::{IntoParams, ToSchema};

/// Levels of a side, best first, if none are asked for.
const LEVELS: u32 = 50;

/// Which market, and how much of it.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichBook {
    /// The market's symbol; may be left out if there is only one.
    #[param(max_length = 16)]
    market: Option<String>,
    /// Most price levels of a side, 1 to 500.
    #[param(minimum = 1, maximum = 500)]
    depth: Option<u32>,
}

/// A price and the lots that can trade there: ticks, lots.
pub(crate) type Level = (I64, U64);

/// An order book by price level.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrderBook {
    /// The market's symbol.
    pub(crate) market: String,
    /// Best first: price in ticks, lots.
    #[schema(value_type = Vec<Vec<String>>)]
    pub(crate) bids: Vec<Level>,
    /// Best first: price in ticks, lots.
    #[schema(value_type = Vec<Vec<String>>)]
    pub(crate) asks: Vec<Level>,
    /// Engine sequence number after which the book is so.
    pub(crate) sequence_number: U64,
    /// UTC nanoseconds.
    pub(crate) timestamp: U64,
}

/// The book of a market from the shadow engine.
pub(crate) fn book(app: &App, market: MarketId, levels: u32) -> OrderBook {
    let name = app.live.hub().symbol(market);
    app.live.read(|engine, seq| {
        let side = |side: Side| -> Vec<Level> {
            let levels = engine.depth(market, side, levels as usize);
            let levels = levels.into_iter();
            levels
                .map(|(price, qty, _)| (I64(price.0), U64(qty.0)))
                .collect()
        };
        OrderBook {
            market: name,
            bids: side(Side::Buy),
            asks: side(Side::Sell),
            sequence_number: U64(seq.0),
            timestamp: U64(engine.now().0),
        }
    })
}

/// The order book of a market.
#[utoipa::path(get, path = "/api/v1/orderbook", tag = "market", params(WhichBook),
    responses(
        (status = 200, description = "the book", body = OrderBook),
        (status = "4XX", description = "refused", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn orderbook(
    State(app): State<App>,
    Query(which): Query<WhichBook>,
) -> Result<Json<OrderBook>, Problem> {
    let levels = limit(which.depth, LEVELS)?;
    app.live.ensure_live()?;
    let market = app.market_or_only(which.market.as_deref())?;
    Ok(Json(book(&app, market, levels)))
}

/// A price level with the orders that stand there.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DepthLevel {
    /// Ticks.
    price: I64,
    /// Lots.
    quantity: U64,
    /// Lots from the best price to this one.
    total: U64,
    /// How many orders.
    orders: u32,
}

/// A book with running totals.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Depth {
    /// The market's symbol.
    market: String,
    /// Best first.
    bids: Vec<DepthLevel>,
    /// Best first.
    asks: Vec<DepthLevel>,
    /// Engine sequence number after which it is so.
    sequence_number: U64,
}

/// The depth of a market: price levels with numbers of orders and running totals.
#[utoipa::path(get, path = "/api/v1/market/depth", tag = "market", params(WhichBook),
    responses(
        (status = 200, description = "the depth", body = Depth),
        (status = "4XX", description = "refused", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn depth(
    State(app): State<App>,
    Query(which): Query<WhichBook>,
) -> Result<Json<Depth>, Problem> {
    let levels = limit(which.depth, LEVELS)?;
    app.live.ensure_live()?;
    let market = app.market_or_only(which.market.as_deref())?;
    let name = app.live.hub().symbol(market);
    Ok(Json(app.live.read(|engine, seq| {
        let side = |side| {
            let mut total = 0_u64;
            let levels = engine.depth(market, side, levels as usize).into_iter();
            levels
                .map(|(price, qty, orders)| {
                    total = total.saturating_add(qty.0);
                    DepthLevel {
                        price: I64(price.0),
                        quantity: U64(qty.0),
                        total: U64(total),
                        orders,
                    }
                })
                .collect()
        };
        Depth {
            market: name,
            bids: side(Side::Buy),
            asks: side(Side::Sell),
            sequence_number: U64(seq.0),
        }
    })))
}

/// Trades of a market, page by page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichTrades {
    /// The market's symbol; may be left out if there is only one.
    #[param(max_length = 16)]
    market: Option<String>,
    /// `next_cursor` of the page before.
    #[param(max_length = 64)]
    cursor: Option<String>,
    /// Most rows, 1 to 500.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// Trades of a market, newest first.
#[utoipa::path(get, path = "/api/v1/trades", tag = "market", params(WhichTrades),
    responses(
        (status = 200, description = "a page", body = Page<ApiTrade>),
        Refusals,
    ))]
pub(crate) async fn trades(
    State(app): State<App>,
    Query(which): Query<WhichTrades>,
) -> Result<Json<Page<ApiTrade>>, Problem> {
    let paging = Paging {
        cursor: which.cursor,
        limit: which.limit,
    };
    let market = app.market_or_only(which.market.as_deref())?;
    let name = app.live.hub().symbol(market);
    let (below, limit) = (paging.number()?, paging.limit()?);
    let found = app.store.trades_of_market(market, below, limit).await?;
    let last = found.value.last().map(|trade| trade.trade_id);
    let full = found.value.len() == limit as usize;
    let items = found.value.iter();
    Ok(Json(Page {
        items: items.map(|trade| ApiTrade::of_row(trade, &name)).collect(),
        next_cursor: last.filter(|_| full).map(|id| id.to_string()),
        sequence: U64(found.seq.0),
    }))
}

/// Recent trades of a market, newest first, page by page.
#[utoipa::path(get, path = "/api/v1/trades/recent", tag = "market", params(WhichTrades),
    responses(
        (status = 200, description = "a page", body = Page<ApiTrade>),
        Refusals,
    ))]
pub(crate) async fn recent_trades(
    state: State<App>,
    which: Query<WhichTrades>,
) -> Result<Json<Page<ApiTrade>>, Problem> {
    trades(state, which).await
}

/// Which market.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichMarket {
    /// The market's symbol; may be left out if there is only one.
    #[param(max_length = 16)]
    market: Option<String>,
}

/// A market at a glance. Prices in ticks, volumes in lots and quote base units.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Stats {
    /// The market's symbol.
    market: String,
    /// Absent if nobody bids.
    #[serde(skip_serializing_if = "Option::is_none")]
    best_bid: Option<I64>,
    /// Absent if nobody asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    best_ask: Option<I64>,
    /// `best_ask - best_bid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    spread: Option<I64>,
    /// Of the last trade.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_price: Option<I64>,
    /// Of the last 24 hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    open_24h: Option<I64>,
    /// Of the last 24 hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    high_24h: Option<I64>,
    /// Of the last 24 hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    low_24h: Option<I64>,
    /// Lots of the last 24 hours.
    volume_24h: String,
    /// Quote base units of the last 24 hours.
    quote_volume_24h: String,
    /// Trades of the last 24 hours.
    trades_24h: U64,
    /// Engine sequence number of the best prices.
    sequence_number: U64,
    /// Engine sequence number up to which trades are counted.
    history_sequence: U64,
}

/// Best prices, the last trade, the last 24 hours.
#[utoipa::path(get, path = "/api/v1/market/stats", tag = "market", params(WhichMarket),
    responses(
        (status = 200, description = "the market", body = Stats),
        Refusals,
    ))]
pub(crate) async fn stats(
    State(app): State<App>,
    Query(which): Query<WhichMarket>,
) -> Result<Json<Stats>, Problem> {
    app.live.ensure_live()?;
    let market = app.market_or_only(which.market.as_deref())?;
    let (bid, ask, seq) = app
        .live
        .read(|engine, seq| (engine.best_bid(market), engine.best_ask(market), seq));
    let history = app.store.market_stats(market, app.live.time()).await?;
    let day = history.value.as_ref().and_then(|stats| stats.day.as_ref());
    let price = |price: domain::Price| I64(price.0);
    Ok(Json(Stats {
        market: app.live.hub().symbol(market),
        best_bid: bid.map(price),
        best_ask: ask.map(price),
        spread: bid.zip(ask).map(|(bid, ask)| I64(ask.0 - bid.0)),
        last_price: history.value.as_ref().map(|s| price(s.totals.last_price)),
        open_24h: day.map(|day| price(day.open)),
        high_24h: day.map(|day| price(day.high)),
        low_24h: day.map(|day| price(day.low)),
        volume_24h: day.map_or(0, |day| day.volume).to_string(),
        quote_volume_24h: day.map_or(0, |day| day.quote_volume).to_string(),
        trades_24h: U64(day.map_or(0, |day| day.trades)),
        sequence_number: U64(seq.0),
        history_sequence: U64(history.seq.0),
    }))
}

/// How long a candle is.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
pub(crate) enum ApiInterval {
    #[serde(rename = "1s")]
    Second,
    #[serde(rename = "1m")]
    Minute,
    #[serde(rename = "5m")]
    Minutes5,
    #[serde(rename = "15m")]
    Minutes15,
    #[serde(rename = "1h")]
    Hour,
    #[serde(rename = "4h")]
    Hours4,
    #[serde(rename = "1d")]
    Day,
}

impl From<ApiInterval> for Interval {
    fn from(interval: ApiInterval) -> Self {
        match interval {
            ApiInterval::Second => Self::Second,
            ApiInterval::Minute => Self::Minute,
            ApiInterval::Minutes5 => Self::Minutes5,
            ApiInterval::Minutes15 => Self::Minutes15,
            ApiInterval::Hour => Self::Hour,
            ApiInterval::Hours4 => Self::Hours4,
            ApiInterval::Day => Self::Day,
        }
    }
}

/// Candles of a market.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichCandles {
    /// The market's symbol; may be left out if there is only one.
    #[param(max_length = 16)]
    market: Option<String>,
    /// `1m` unless said otherwise.
    #[param(inline)]
    interval: Option<ApiInterval>,
    /// First moment, UTC nanoseconds; the last 500 intervals unless said otherwise.
    #[param(pattern = "^[0-9]{1,20}$")]
    from: Option<String>,
    /// First moment that is not meant any more, UTC nanoseconds; now unless said otherwise.
    #[param(pattern = "^[0-9]{1,20}$")]
    to: Option<String>,
    /// Most candles, 1 to 500.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// The trades of an interval.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiCandle {
    /// When it begins, UTC nanoseconds.
    open_time: U64,
    /// Ticks.
    open: I64,
    /// Ticks.
    high: I64,
    /// Ticks.
    low: I64,
    /// Ticks.
    close: I64,
    /// Lots.
    volume: String,
    /// Quote base units.
    quote_volume: String,
    /// How many.
    trades: U64,
}

/// Candles, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PriceHistory {
    /// The market's symbol.
    market: String,
    /// An interval without trades has none.
    candles: Vec<ApiCandle>,
    /// Engine sequence number up to which trades are counted.
    sequence: U64,
}

/// Candles of a market.
#[utoipa::path(get, path = "/api/v1/market/price-history", tag = "market", params(WhichCandles),
    responses(
        (status = 200, description = "candles", body = PriceHistory),
        Refusals,
    ))]
pub(crate) async fn price_history(
    State(app): State<App>,
    Query(which): Query<WhichCandles>,
) -> Result<Json<PriceHistory>, Problem> {
    let market = app.market_or_only(which.market.as_deref())?;
    let interval = Interval::from(which.interval.unwrap_or(ApiInterval::Minute));
    let limit = limit(which.limit, store::MAX_ROWS)?;
    let to = match which.to.as_deref() {
        Some(text) => number(text)?,
        None => app.live.time().0.saturating_add(1),
    };
    let from = match which.from.as_deref() {
        Some(text) => number(text)?,
        None => to.saturating_sub(interval.nanos().saturating_mul(u64::from(limit))),
    };
    let found = app
        .store
        .candles(market, interval, Nanos(from), Nanos(to), limit)
        .await?;
    let candles = found.value.iter().map(|candle| ApiCandle {
        open_time: U64(candle.open_time.0),
        open: I64(candle.open.0),
        high: I64(candle.high.0),
        low: I64(candle.low.0),
        close: I64(candle.close.0),
        volume: decimal(candle.volume, 0),
        quote_volume: decimal(candle.quote_volume, 0),
        trades: U64(candle.trades),
    });
    Ok(Json(PriceHistory {
        market: app.live.hub().symbol(market),
        candles: candles.collect(),
        sequence: U64(found.seq.0),
    }))
}
