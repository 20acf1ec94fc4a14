//! The tables, the versions that they went through, and the row that says how far the projection is.

use crate::column::{Fields, Values};
use crate::database::{Database, Kind, Purpose};
use crate::error::StoreError;
use domain::{Nanos, Seq};
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};

/// What leads from each version to the next, version 0 being no tables. A step that was released is
/// never changed.
const STEPS: [&str; 7] = [
    include_str!("../migrations/0001_tables.sql"),
    include_str!("../migrations/0002_removed_snapshots.sql"),
    include_str!("../migrations/0003_who_asked.sql"),
    include_str!("../migrations/0004_tokens_of_a_wallet.sql"),
    include_str!("../migrations/0005_requests.sql"),
    include_str!("../migrations/0006_rules.sql"),
    include_str!("../migrations/0007_quotes.sql"),
];

/// The version of the tables that this build knows.
pub const VERSION: u64 = STEPS.len() as u64;

/// Tables that the journal gives again, and the index of snapshots, which their folder does.
const DERIVED: [&str; 18] = [
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
];

/// How far the journal is projected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The last frame that is in the tables; 0 if none.
    pub last_seq: Seq,
    /// Its CRC.
    pub last_crc: u32,
    /// Its engine time, UTC ns.
    pub last_time: Nanos,
    /// Its epoch.
    pub epoch: u32,
}

/// What [`prepare`] found and did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Version of the tables before; 0 if there were none.
    pub from: u64,
    /// Version now.
    pub to: u64,
    /// How far the projection is.
    pub resume: Resume,
}

/// Makes the tables, or brings them to this build's version, in one transaction.
///
/// # Errors
/// [`StoreError`]: unreachable, newer than this build, or of another shard.
pub async fn prepare(database: &Database, shard: u16) -> Result<Prepared, StoreError> {
    let mut connection = database.connect(Purpose::Own).await?;
    let prepared = prepare_on(&mut connection, database.kind(), shard).await?;
    connection.close().await?;
    Ok(prepared)
}

/// Empties what the journal gives again, so that another journal can be projected. Users and tokens stay.
///
/// # Errors
/// As [`prepare`].
pub async fn empty(database: &Database, shard: u16) -> Result<Prepared, StoreError> {
    let mut connection = database.connect(Purpose::Own).await?;
    prepare_on(&mut connection, database.kind(), shard).await?;
    let mut transaction = connection.begin().await?;
    let reset = "UPDATE system SET last_seq = 0, last_crc = 0, last_time = 0, epoch = 0";
    transaction.execute(reset).await?;
    for table in DERIVED {
        transaction
            .execute(AssertSqlSafe(format!("DELETE FROM {table}")))
            .await?;
    }
    transaction.commit().await?;
    let prepared = prepare_on(&mut connection, database.kind(), shard).await?;
    connection.close().await?;
    Ok(prepared)
}

pub(crate) async fn prepare_on(
    connection: &mut AnyConnection,
    kind: Kind,
    shard: u16,
) -> Result<Prepared, StoreError> {
    let from = version(connection, kind).await?;
    if from < VERSION {
        migrate(connection, kind, shard).await?;
    }
    let (found, resume) = read(connection).await?;
    if found != shard {
        return Err(StoreError::Shard { found, own: shard });
    }
    Ok(Prepared {
        from,
        to: VERSION,
        resume,
    })
}

/// The version of the tables; 0 if there are none.
async fn version(connection: &mut AnyConnection, kind: Kind) -> Result<u64, StoreError> {
    let is_there = match kind {
        Kind::Sqlite => "SELECT count(*) FROM sqlite_master WHERE name = 'system'",
        Kind::Postgres => {
            "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'system'"
        }
    };
    let row = connection.fetch_one(is_there).await?;
    if Fields::new(&row).get::<u64>()? == 0 {
        return Ok(0);
    }
    let row = connection
        .fetch_one("SELECT schema_version FROM system")
        .await?;
    let found = Fields::new(&row).get::<u64>()?;
    if found > VERSION {
        let known = VERSION;
        return Err(StoreError::Schema { found, known });
    }
    Ok(found)
}

async fn migrate(connection: &mut AnyConnection, kind: Kind, shard: u16) -> Result<(), StoreError> {
    // Two that start at once take turns.
    let (begin, lock) = match kind {
        Kind::Sqlite => ("BEGIN IMMEDIATE", "SELECT 1"),
        Kind::Postgres => (
            "BEGIN",
            "SELECT 1 FROM (SELECT pg_advisory_xact_lock(5394)) AS turn",
        ),
    };
    let mut transaction = connection.begin_with(begin).await?;
    transaction.execute(lock).await?;
    let from = version(&mut transaction, kind).await?;
    let from = usize::try_from(from).unwrap_or(STEPS.len());
    for step in &STEPS[from..] {
        let text = AssertSqlSafe(in_dialect(step, kind));
        transaction.execute(sqlx::raw_sql(text)).await?;
    }
    if from == 0 {
        let first = "INSERT INTO system (id, schema_version, shard, last_seq, last_crc, last_time, epoch) \
                     VALUES (1, $1, $2, 0, 0, 0, 0)";
        let values = Values::default().with(&VERSION).with(&shard);
        let first = sqlx::query_with(first, values.into_arguments());
        transaction.execute(first).await?;
    } else {
        let values = Values::default().with(&VERSION);
        let update = sqlx::query_with(
            "UPDATE system SET schema_version = $1",
            values.into_arguments(),
        );
        transaction.execute(update).await?;
    }
    transaction.commit().await?;
    Ok(())
}

fn in_dialect(step: &str, kind: Kind) -> String {
    let [integer, bytes, rows, by_key] = match kind {
        Kind::Sqlite => ["INTEGER", "BLOB", "STRICT", "STRICT, WITHOUT ROWID"],
        Kind::Postgres => ["BIGINT", "BYTEA", "", ""],
    };
    step.replace("{integer}", integer)
        .replace("{bytes}", bytes)
        .replace("{rows}", rows)
        .replace("{by_key}", by_key)
}

/// Shard and progress.
pub(crate) async fn read(connection: &mut AnyConnection) -> Result<(u16, Resume), StoreError> {
    let row = connection
        .fetch_one("SELECT shard, last_seq, last_crc, last_time, epoch FROM system")
        .await?;
    let mut fields = Fields::new(&row);
    Ok((
        fields.get()?,
        Resume {
            last_seq: fields.get()?,
            last_crc: fields.get()?,
            last_time: fields.get()?,
            epoch: fields.get()?,
        },
    ))
}
