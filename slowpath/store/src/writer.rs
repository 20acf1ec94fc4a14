//! Writes batches: each in one transaction, together with how far the journal is projected by it.

use crate::batch::{Batch, Span};
use crate::carried::Carried;
use crate::column::Values;
use crate::database::{Database, Kind, Purpose, begin_reading};
use crate::error::StoreError;
use crate::record::Record;
use crate::schema::{self, Prepared};
use crate::snapshots::{SnapshotFolder, mark_removed};
use domain::{Nanos, Seq};
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// Rows per statement: few sizes, so that each stays prepared.
const CHUNKS: [usize; 5] = [256, 64, 16, 4, 1];

/// The one writer of what is derived from the journal.
pub struct Writer {
    connection: AnyConnection,
    statements: Statements,
}

impl Writer {
    /// Connects and makes the tables if they are missing. Says how far the projection is.
    ///
    /// # Errors
    /// As [`crate::prepare`].
    pub async fn open(database: &Database, shard: u16) -> Result<(Self, Prepared), StoreError> {
        let mut connection = database.connect(Purpose::Projection).await?;
        let prepared = schema::prepare_on(&mut connection, database.kind(), shard).await?;
        let statements = Statements {
            kind: database.kind(),
            texts: BTreeMap::new(),
        };
        let writer = Self {
            connection,
            statements,
        };
        Ok((writer, prepared))
    }

    /// Writes a batch, all of it or nothing. The database itself refuses one that does not follow the
    /// last frame that it has, by seq and CRC: neither a replay nor a second writer can write a frame twice.
    ///
    /// # Errors
    /// [`StoreError::NotNext`], [`StoreError::History`], or what the database says; then it may or may
    /// not have been written (the answer to a commit can be lost): ask again how far it is.
    pub async fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let Some(span) = batch.span else {
            return Ok(());
        };
        let mut transaction = self.connection.begin().await?;
        if !advance(&mut transaction, span).await? {
            let (_, at) = schema::read(&mut transaction).await?;
            transaction.rollback().await?;
            return Err(refusal(span, at));
        }
        let statements = &mut self.statements;
        let to = &mut *transaction;
        statements.put(to, batch.assets.iter()).await?;
        statements.put(to, batch.markets.iter()).await?;
        statements.put(to, batch.accounts.iter()).await?;
        statements.put(to, batch.sessions.iter()).await?;
        statements.put(to, batch.orders.values()).await?;
        statements.put(to, batch.rejections.iter()).await?;
        statements.put(to, batch.reports.iter()).await?;
        statements.put(to, batch.replaced_ids.iter()).await?;
        statements.put(to, batch.trades.iter()).await?;
        statements.put(to, batch.self_trades.iter()).await?;
        statements.put(to, batch.market_states.iter()).await?;
        statements.put(to, batch.auctions.iter()).await?;
        statements.put(to, batch.balances.values()).await?;
        statements.put(to, batch.totals.values()).await?;
        statements.put(to, batch.candles.values()).await?;
        statements.put(to, batch.deposits.iter()).await?;
        statements.put(to, batch.audit.iter()).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Brings the index of snapshots in step with their folder, as it is at `now`. The same again changes nothing.
    pub(crate) async fn index_snapshots(
        &mut self,
        folder: &SnapshotFolder,
        now: Nanos,
    ) -> Result<(), StoreError> {
        let mut transaction = self.connection.begin().await?;
        mark_removed(&mut transaction, &folder.names, now).await?;
        let whole = folder.whole.iter();
        self.statements.put(&mut transaction, whole).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// How far the projection is, and the rows from which it goes on there.
    ///
    /// # Errors
    /// What the database says; [`StoreError::Unreadable`].
    pub(crate) async fn carried(&mut self) -> Result<(schema::Resume, Carried), StoreError> {
        let begin = begin_reading(self.statements.kind);
        let mut transaction = self.connection.begin_with(begin).await?;
        let (_, resume) = schema::read(&mut transaction).await?;
        let carried = Carried::read(&mut transaction).await?;
        transaction.rollback().await?;
        Ok((resume, carried))
    }

    /// Closes the connection in order.
    ///
    /// # Errors
    /// What the database says.
    pub async fn close(self) -> Result<(), StoreError> {
        Ok(self.connection.close().await?)
    }
}

/// Takes the lock on the progress row and moves it, if it is where the batch begins.
async fn advance(connection: &mut AnyConnection, span: Span) -> Result<bool, StoreError> {
    let values = Values::default()
        .with(&span.last)
        .with(&span.last_crc)
        .with(&span.time)
        .with(&span.epoch)
        .with(&before(span.first))
        .with(&span.prev_crc);
    let update = "UPDATE system SET last_seq = $1, last_crc = $2, last_time = $3, epoch = $4 \
                  WHERE id = 1 AND last_seq = $5 AND last_crc = $6";
    let update = sqlx::query_with(update, values.into_arguments());
    Ok(connection.execute(update).await?.rows_affected() == 1)
}

fn before(seq: Seq) -> Seq {
    Seq(seq.0.saturating_sub(1))
}

fn refusal(span: Span, at: schema::Resume) -> StoreError {
    if at.last_seq == before(span.first) {
        return StoreError::History {
            seq: at.last_seq,
            stored: at.last_crc,
            journal: format!("the journal has CRC {:08x} there", span.prev_crc),
        };
    }
    StoreError::NotNext {
        first: span.first,
        last: at.last_seq,
    }
}

/// The text of each statement that was needed, by table and rows.
struct Statements {
    kind: Kind,
    texts: BTreeMap<(&'static str, usize), Arc<str>>,
}

impl Statements {
    /// Writes rows: new ones, and those that were there with what has changed.
    async fn put<'r, R: Record + 'r>(
        &mut self,
        connection: &mut AnyConnection,
        rows: impl Iterator<Item = &'r R>,
    ) -> Result<(), StoreError> {
        let rows: Vec<&R> = rows.collect();
        let mut rest = &rows[..];
        for size in CHUNKS {
            while rest.len() >= size {
                let (chunk, after) = rest.split_at(size);
                rest = after;
                let mut values = Values::default();
                for row in chunk {
                    row.put(&mut values);
                }
                let kind = self.kind;
                let text = self.texts.entry((R::TABLE, size));
                let text = text.or_insert_with(|| insert::<R>(kind, size));
                let text = AssertSqlSafe(Arc::clone(text));
                let query = sqlx::query_with(text, values.into_arguments());
                connection.execute(query).await?;
            }
        }
        Ok(())
    }
}

fn insert<R: Record>(kind: Kind, rows: usize) -> Arc<str> {
    let mut text = format!(
        "INSERT INTO {} ({}) VALUES ",
        R::TABLE,
        R::COLUMNS.join(", ")
    );
    let width = R::COLUMNS.len();
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 1..=width {
            let comma = if column == 1 { "" } else { ", " };
            // SQLite looks numbered places up one after another, each time: thousands are slow.
            let _infallible = match kind {
                Kind::Sqlite => write!(text, "{comma}?"),
                Kind::Postgres => write!(text, "{comma}${}", row * width + column),
            };
        }
        text.push(')');
    }
    if !R::KEY.is_empty() {
        let changes: Vec<String> = R::CHANGING
            .iter()
            .map(|column| format!("{column} = excluded.{column}"))
            .collect();
        let (key, changes) = (R::KEY.join(", "), changes.join(", "));
        let _infallible = write!(text, " ON CONFLICT ({key}) DO UPDATE SET {changes}");
    }
    text.into()
}
