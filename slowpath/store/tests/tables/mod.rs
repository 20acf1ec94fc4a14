//! Exchanges and stores that tests make, and all that is in one.

use crate::exchange::{Exchange, SHARD, words};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _, Row as _};
use std::collections::BTreeMap;
use store::{Database, Projector, StoreError, Written};

const TABLES: [&str; 23] = [
    "system",
    "assets",
    "markets",
    "accounts",
    "sessions",
    "orders",
    "rejections",
    "reports",
    "replaced_ids",
    "trades",
    "self_trades",
    "balances",
    "market_stats",
    "market_states",
    "auctions",
    "candles",
    "deposits",
    "audit",
    "snapshots",
    "users",
    "refresh_tokens",
    "asked",
    "roles_given",
];

/// A busy exchange of about so many frames.
pub(crate) fn busy(seed: u64, actions: usize) -> Exchange {
    let mut exchange = Exchange::with_traders(100_000, 4_096);
    for word in words(seed).take(actions) {
        exchange.act(word);
    }
    exchange
}

pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(work)
}

/// Every row of every table as text, in the order of that text.
pub(crate) async fn dump(url: &str) -> BTreeMap<&'static str, Vec<String>> {
    Database::new(url).expect("understood");
    let mut connection = AnyConnection::connect(url).await.expect("connects");
    let mut tables = BTreeMap::new();
    for table in TABLES {
        let all = AssertSqlSafe(format!("SELECT * FROM {table}"));
        let rows = connection.fetch_all(all).await.expect("is there");
        let mut rows: Vec<String> = rows.iter().map(text).collect();
        rows.sort_unstable();
        tables.insert(table, rows);
    }
    connection.close().await.expect("closes");
    tables
}

fn text(row: &AnyRow) -> String {
    let value = |at: usize| {
        if let Ok(number) = row.try_get::<Option<i64>, _>(at) {
            return number.map_or("null".to_owned(), |number| number.to_string());
        }
        if let Ok(text) = row.try_get::<Option<String>, _>(at) {
            return format!("{text:?}");
        }
        format!(
            "{:?}",
            row.try_get::<Option<Vec<u8>>, _>(at).expect("bytes")
        )
    };
    let columns = row.columns().iter().zip(0..);
    columns
        .map(|(column, at)| format!("{}={} ", sqlx::Column::name(column), value(at)))
        .collect()
}

/// Says the first difference of two stores.
pub(crate) fn assert_same(
    one: &BTreeMap<&'static str, Vec<String>>,
    other: &BTreeMap<&'static str, Vec<String>>,
) {
    for table in TABLES {
        let (one, other) = (&one[table], &other[table]);
        for (one, other) in one.iter().zip(other) {
            assert_eq!(one, other, "table {table}");
        }
        assert_eq!(one.len(), other.len(), "rows of {table}");
    }
}

/// Brings a store from where it is to frame `to`, `batch` frames at a time, from the beginning again if
/// the database is found elsewhere than it was left.
pub(crate) async fn bring_up(
    url: &str,
    exchange: &Exchange,
    to: usize,
    batch: usize,
) -> Result<(), StoreError> {
    for _attempt in 0..5 {
        if bring_up_once(url, exchange, to, batch).await? != Written::StartAgain {
            return Ok(());
        }
    }
    panic!("it begins again and again");
}

async fn bring_up_once(
    url: &str,
    exchange: &Exchange,
    to: usize,
    batch: usize,
) -> Result<Written, StoreError> {
    let mut projector = Projector::open(&Database::new(url)?, SHARD).await?;
    let mut waiting = 0;
    for frame in exchange.frames_of(1, to) {
        projector.take(&frame)?;
        waiting += usize::from(projector.has_rows_to_write());
        if waiting == batch {
            waiting = 0;
            if projector.write().await? == Written::StartAgain {
                return Ok(Written::StartAgain);
            }
        }
    }
    projector.write().await
}
