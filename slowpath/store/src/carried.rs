//! The rows that go on changing, read back: from them a projection goes on that was not brought the frames
//! that made them.

use crate::candles::Interval;
use crate::column::Values;
use crate::error::StoreError;
use crate::record::all;
use crate::rows::{Candle, MarketTotals, Order, OrderStatus};
use sqlx::AnyConnection;

/// What the tables have, after the last frame in them, of everything that later frames change.
#[derive(Default)]
pub(crate) struct Carried {
    /// Orders that can still trade.
    pub(crate) orders: Vec<Order>,
    /// The newest candle of each market and interval.
    pub(crate) candles: Vec<Candle>,
    /// Of each market that has traded.
    pub(crate) totals: Vec<MarketTotals>,
}

impl Carried {
    /// Reads it. The caller's transaction makes it of one moment.
    pub(crate) async fn read(connection: &mut AnyConnection) -> Result<Self, StoreError> {
        let open = format!("WHERE {}", OrderStatus::OPEN);
        let orders = all(connection, &open, Values::default()).await?;
        let totals: Vec<MarketTotals> = all(connection, "", Values::default()).await?;
        let mut candles = Vec::new();
        for market in &totals {
            for interval in Interval::ALL {
                let newest = "WHERE market = $1 AND interval = $2 ORDER BY open_time DESC LIMIT 1";
                let of = Values::default().with(&market.market).with(&interval);
                candles.extend(all::<Candle>(connection, newest, of).await?);
            }
        }
        Ok(Self {
            orders,
            candles,
            totals,
        })
    }
}
