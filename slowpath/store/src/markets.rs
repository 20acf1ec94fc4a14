//! Questions about markets, candles and balances.

use crate::candles::Interval;
use crate::column::Values;
use crate::error::StoreError;
use crate::rows::{Auction, Balance, Candle, MarketStateRow, MarketTotals};
use crate::store::{At, Question, Store, at_most, bound};
use domain::{AccountId, MarketId, Nanos, Price, Seq};

/// A market's last trade, and its trades of the last 24 hours by the minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketStats {
    /// Since its first trade.
    pub totals: MarketTotals,
    /// None if nothing was traded in them.
    pub day: Option<DayStats>,
}

/// Trades of 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayStats {
    /// Price of the first trade, ticks.
    pub open: Price,
    /// Highest price, ticks.
    pub high: Price,
    /// Lowest price, ticks.
    pub low: Price,
    /// Lots.
    pub volume: u128,
    /// Notional, quote base units.
    pub quote_volume: u128,
    /// How many.
    pub trades: u64,
}

impl Store {
    /// The balances of an account that ever were other than 0, by asset.
    ///
    /// # Errors
    /// [`StoreError::Database`] if the database does not answer, as for every question.
    pub async fn balances(&self, account: AccountId) -> Result<At<Vec<Balance>>, StoreError> {
        let mut question = self.ask().await?;
        let values = Values::default().with(&account);
        let balances = question
            .all("WHERE account = $1 ORDER BY asset", values)
            .await?;
        question.answer(balances).await
    }

    /// The states of a market that began below a frame, the newest first, at most `limit` (500).
    ///
    /// # Errors
    /// As [`Store::balances`].
    pub async fn market_states(
        &self,
        market: MarketId,
        below: Option<Seq>,
        limit: u32,
    ) -> Result<At<Vec<MarketStateRow>>, StoreError> {
        let mut question = self.ask().await?;
        let found = question.all(OF_MARKET, page(market, below, limit)).await?;
        question.answer(found).await
    }

    /// The auctions of a market below a frame, the newest first, at most `limit` (500).
    ///
    /// # Errors
    /// As [`Store::balances`].
    pub async fn auctions(
        &self,
        market: MarketId,
        below: Option<Seq>,
        limit: u32,
    ) -> Result<At<Vec<Auction>>, StoreError> {
        let mut question = self.ask().await?;
        let found = question.all(OF_MARKET, page(market, below, limit)).await?;
        question.answer(found).await
    }

    /// Candles that begin in `from .. to` (UTC ns), the oldest first, at most `limit` (500). An interval
    /// without trades has none.
    ///
    /// # Errors
    /// As [`Store::balances`].
    pub async fn candles(
        &self,
        market: MarketId,
        interval: Interval,
        from: Nanos,
        to: Nanos,
        limit: u32,
    ) -> Result<At<Vec<Candle>>, StoreError> {
        let mut question = self.ask().await?;
        let candles = candles(&mut question, market, interval, (from, to), at_most(limit)).await?;
        question.answer(candles).await
    }

    /// A market's last trade and its 24 hours up to `now` (UTC ns), begun minutes included; none if it
    /// has never traded.
    ///
    /// # Errors
    /// As [`Store::balances`].
    pub async fn market_stats(
        &self,
        market: MarketId,
        now: Nanos,
    ) -> Result<At<Option<MarketStats>>, StoreError> {
        let mut question = self.ask().await?;
        let values = Values::default().with(&market);
        let totals: Option<MarketTotals> = question.first("WHERE market = $1", values).await?;
        let Some(totals) = totals else {
            return question.answer(None).await;
        };
        let day_ago = now.0.saturating_sub(Interval::Day.nanos());
        let from = Interval::Minute.begin(Nanos(day_ago));
        let to = Nanos(now.0.saturating_add(1));
        // One more than the minutes of a day.
        let minutes = candles(&mut question, market, Interval::Minute, (from, to), 1_441).await?;
        let day = day(&minutes);
        question.answer(Some(MarketStats { totals, day })).await
    }
}

/// Rows of a market below a frame, as [`page`] gives their places.
const OF_MARKET: &str = "WHERE market = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3";

fn page(market: MarketId, below: Option<Seq>, limit: u32) -> Values {
    Values::default()
        .with(&market)
        .with(&bound(below.map_or(u64::MAX, |seq| seq.0)))
        .with(&at_most(limit))
}

async fn candles(
    question: &mut Question,
    market: MarketId,
    interval: Interval,
    (from, to): (Nanos, Nanos),
    limit: i64,
) -> Result<Vec<Candle>, StoreError> {
    let values = Values::default()
        .with(&market)
        .with(&interval)
        .with(&bound(from.0))
        .with(&bound(to.0))
        .with(&limit);
    question
        .all(
            "WHERE market = $1 AND interval = $2 AND open_time >= $3 AND open_time < $4 \
             ORDER BY open_time LIMIT $5",
            values,
        )
        .await
}

fn day(minutes: &[Candle]) -> Option<DayStats> {
    let first = minutes.first()?;
    let start = DayStats {
        open: first.open,
        high: first.high,
        low: first.low,
        volume: 0,
        quote_volume: 0,
        trades: 0,
    };
    Some(minutes.iter().fold(start, |day, minute| DayStats {
        open: day.open,
        high: day.high.max(minute.high),
        low: day.low.min(minute.low),
        volume: day.volume + minute.volume,
        quote_volume: day.quote_volume + minute.quote_volume,
        trades: day.trades + minute.trades,
    }))
}
