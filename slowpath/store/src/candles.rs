//! Candles: trades by market and interval, built trade by trade.

use crate::column::{Column, Fields, Values, numbered};
use crate::error::StoreError;
use crate::rows::{Candle, Trade};
use domain::{MarketId, Nanos};
use std::collections::BTreeMap;
use zerocopy::{Immutable, KnownLayout, TryFromBytes};

/// How long a candle is; its number is in seconds. Candles begin at multiples of it since 1970, UTC.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, TryFromBytes, Immutable, KnownLayout,
)]
#[repr(u32)]
pub enum Interval {
    /// One second.
    Second = 1,
    /// One minute.
    Minute = 60,
    /// Five minutes.
    Minutes5 = 300,
    /// A quarter of an hour.
    Minutes15 = 900,
    /// One hour.
    Hour = 3_600,
    /// Four hours.
    Hours4 = 14_400,
    /// One day, from midnight UTC.
    Day = 86_400,
}
numbered!(Interval as u32);

impl Interval {
    /// All, the shortest first.
    pub const ALL: [Self; 7] = [
        Self::Second,
        Self::Minute,
        Self::Minutes5,
        Self::Minutes15,
        Self::Hour,
        Self::Hours4,
        Self::Day,
    ];

    /// Its length in nanoseconds.
    #[must_use]
    pub fn nanos(self) -> u64 {
        u64::from(self as u32) * 1_000_000_000
    }

    /// Begin of the candle in which `time` lies.
    #[must_use]
    pub fn begin(self, time: Nanos) -> Nanos {
        Nanos(time.0 - time.0 % self.nanos())
    }
}

impl Candle {
    fn of(trade: &Trade, interval: Interval) -> Self {
        Self {
            market: trade.market,
            interval,
            open_time: interval.begin(trade.time),
            open: trade.price,
            high: trade.price,
            low: trade.price,
            close: trade.price,
            volume: trade.qty.0.into(),
            quote_volume: trade.notional.0.into(),
            trades: 1,
            seq: trade.seq,
        }
    }

    fn add(&mut self, trade: &Trade) {
        self.high = self.high.max(trade.price);
        self.low = self.low.min(trade.price);
        self.close = trade.price;
        self.volume += u128::from(trade.qty.0);
        self.quote_volume += u128::from(trade.notional.0);
        self.trades += 1;
        self.seq = trade.seq;
    }
}

/// The newest candle of each market and interval. Engine time never goes back, so no other changes.
#[derive(Default)]
pub(crate) struct OpenCandles(BTreeMap<(MarketId, Interval), Candle>);

impl OpenCandles {
    /// Goes on from the newest candles, as they were written.
    pub(crate) fn of(newest: Vec<Candle>) -> Self {
        let keyed = newest
            .into_iter()
            .map(|candle| ((candle.market, candle.interval), candle));
        Self(keyed.collect())
    }

    /// Adds a trade; answers with the candles that it lies in.
    pub(crate) fn add(&mut self, trade: &Trade) -> [&Candle; 7] {
        for interval in Interval::ALL {
            let begin = interval.begin(trade.time);
            self.0
                .entry((trade.market, interval))
                .and_modify(|candle| {
                    if candle.open_time == begin {
                        candle.add(trade);
                    } else {
                        *candle = Candle::of(trade, interval);
                    }
                })
                .or_insert_with(|| Candle::of(trade, interval));
        }
        Interval::ALL.map(|interval| &self.0[&(trade.market, interval)])
    }
}
