//! The handle that answers questions. Every answer is of one moment and says its seq.

use crate::column::Values;
use crate::database::{Database, Purpose};
use crate::error::StoreError;
use crate::pool::{Pool, Transaction};
use crate::record::{self, Record};
use crate::schema;
use domain::Seq;

/// Most rows of one answer; a larger limit counts as this.
pub const MAX_ROWS: u32 = 500;

/// An answer, and the frame after which it was so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At<T> {
    /// The last frame that was projected.
    pub seq: Seq,
    /// What was asked.
    pub value: T,
}

/// Answers questions, and keeps users and tokens. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) read: Pool,
    pub(crate) own: Pool,
}

impl Store {
    /// A store with at most so many questions at a time. It connects when it is first asked; the
    /// tables are made by a [`crate::Writer`] or by [`crate::prepare`].
    #[must_use]
    pub fn new(database: &Database, readers: u32) -> Self {
        Self {
            read: Pool::new(database, Purpose::Read, readers),
            own: Pool::new(database, Purpose::Own, 1),
        }
    }

    /// The last frame that was projected.
    ///
    /// # Errors
    /// As every question: [`StoreError::Database`] if the database does not answer.
    pub async fn last_seq(&self) -> Result<Seq, StoreError> {
        let Question { transaction, seq } = self.ask().await?;
        transaction.commit().await?;
        Ok(seq)
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.read.close().await;
        self.own.close().await;
    }

    /// Begins a question: everything that it reads is of one moment.
    pub(crate) async fn ask(&self) -> Result<Question, StoreError> {
        let mut transaction = self.read.begin().await?;
        let (_, at) = schema::read(&mut transaction).await?;
        Ok(Question {
            transaction,
            seq: at.last_seq,
        })
    }
}

/// A transaction that reads.
pub(crate) struct Question {
    transaction: Transaction,
    pub(crate) seq: Seq,
}

impl Question {
    /// All rows of a record's table to which the rest of the statement applies.
    pub(crate) async fn all<R: Record>(
        &mut self,
        rest: &str,
        values: Values,
    ) -> Result<Vec<R>, StoreError> {
        record::all(&mut self.transaction, rest, values).await
    }

    /// The first of them.
    pub(crate) async fn first<R: Record>(
        &mut self,
        rest: &str,
        values: Values,
    ) -> Result<Option<R>, StoreError> {
        Ok(self.all(rest, values).await?.into_iter().next())
    }

    /// Ends the question with its answer.
    pub(crate) async fn answer<T>(self, value: T) -> Result<At<T>, StoreError> {
        self.transaction.commit().await?;
        Ok(At {
            seq: self.seq,
            value,
        })
    }
}

/// A limit as it counts.
pub(crate) fn at_most(limit: u32) -> i64 {
    i64::from(limit.min(MAX_ROWS))
}

/// A number that a column is compared with: those columns stay below 2^63.
pub(crate) fn bound(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
