//! Questions about markets, candles and accounts.

use crate::candles::Interval;
use crate::column::Values;
use crate::error::StoreError;
use crate::rows::{Account, Asset, Balance, Candle, Deposit, Market, MarketTotals, Session};
use crate::store::{At, MAX_ROWS, Question, Store, at_most, bound};
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
    /// All assets.
    ///
    /// # Errors
    /// [`StoreError::Database`] if the database does not answer, as for every question.
    pub async fn assets(&self) -> Result<At<Vec<Asset>>, StoreError> {
        let mut question = self.ask().await?;
        let assets = question.all("ORDER BY asset", Values::default()).await?;
        question.answer(assets).await
    }

    /// All markets.
    ///
    /// # Errors
    /// As [`Store::assets`].
    pub async fn markets(&self) -> Result<At<Vec<Market>>, StoreError> {
        let mut question = self.ask().await?;
        let markets = question.all("ORDER BY market", Values::default()).await?;
        question.answer(markets).await
    }

    /// An account.
    ///
    /// # Errors
    /// As [`Store::assets`].
    pub async fn account(&self, account: AccountId) -> Result<At<Option<Account>>, StoreError> {
        let mut question = self.ask().await?;
        let values = Values::default().with(&account);
        let account = question.first("WHERE account = $1", values).await?;
        question.answer(account).await
    }

    /// The accounts of a wallet, at most 500.
    ///
    /// # Errors
    /// As [`Store::assets`].
    pub async fn accounts_of(&self, owner: [u8; 32]) -> Result<At<Vec<Account>>, StoreError> {
        let mut question = self.ask().await?;
        let values = Values::default()
            .with(&owner.to_vec())
            .with(&at_most(MAX_ROWS));
        let accounts = question
            .all("WHERE owner = $1 ORDER BY account LIMIT $2", values)
            .await?;
        question.answer(accounts).await
    }

    /// The sessions of an account, at most 500.
    ///
    /// # Errors
    /// As [`Store::assets`].
    pub async fn sessions_of(&self, account: AccountId) -> Result<At<Vec<Session>>, StoreError> {
        let mut question = self.ask().await?;
        let values = Values::default().with(&account).with(&at_most(MAX_ROWS));
        let sessions = question
            .all("WHERE account = $1 ORDER BY session LIMIT $2", values)
            .await?;
        question.answer(sessions).await
    }

    /// The balances of an account that ever were other than 0, by asset.
    ///
    /// # Errors
    /// As [`Store::assets`].
    pub async fn balances(&self, account: AccountId) -> Result<At<Vec<Balance>>, StoreError> {
        let mut question = self.ask().await?;
        let values = Values::default().with(&account);
        let balances = question
            .all("WHERE account = $1 ORDER BY asset", values)
            .await?;
        question.answer(balances).await
    }

    /// Deposits to an account below a seq, the newest first, at most `limit` (500).
    ///
    /// # Errors
    /// As [`Store::assets`].
    pub async fn deposits(
        &self,
        account: AccountId,
        below: Option<Seq>,
        limit: u32,
    ) -> Result<At<Vec<Deposit>>, StoreError> {
        let mut question = self.ask().await?;
        let values = Values::default()
            .with(&account)
            .with(&bound(below.map_or(u64::MAX, |seq| seq.0)))
            .with(&at_most(limit));
        let deposits = question
            .all(
                "WHERE account = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3",
                values,
            )
            .await?;
        question.answer(deposits).await
    }

    /// Candles that begin in `from .. to` (UTC ns), the oldest first, at most `limit` (500). An interval
    /// without trades has none.
    ///
    /// # Errors
    /// As [`Store::assets`].
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
    /// As [`Store::assets`].
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
