//! The index of snapshots: what their folder holds now, and what it held. It is made again from the folder.

use crate::column::Values;
use crate::error::StoreError;
use crate::record::record;
use crate::store::{At, Store, at_most, bound};
use domain::{Nanos, Seq};
use sqlx::{AnyConnection, AssertSqlSafe, Executor as _};

record! {
    /// A snapshot of the engine's state, as the header of its file says. Whether it holds is not said here.
    pub Snapshot in "snapshots", key [seq], changing [path, state_hash, bytes, created, removed] {
        /// The checkpoint's frame, behind which it was taken.
        seq: Seq,
        /// Name of its file in the folder of snapshots.
        path: String,
        /// The engine's state hash.
        state_hash: u64,
        /// Size of the file.
        bytes: u64,
        /// Engine time of the frame, UTC ns.
        created: Nanos,
        /// When its file was first found to be gone, UTC ns; none: it is there.
        removed: Option<u64>,
    }
}

/// What the folder of snapshots holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotFolder {
    /// The snapshots whose headers are whole.
    pub whole: Vec<Snapshot>,
    /// The seqs of all files that are named like snapshots.
    pub names: Vec<Seq>,
}

/// Marks those that the index has and the folder no longer.
pub(crate) async fn mark_removed(
    connection: &mut AnyConnection,
    names: &[Seq],
    now: Nanos,
) -> Result<(), StoreError> {
    let mut text = "UPDATE snapshots SET removed = $1 WHERE removed IS NULL".to_owned();
    if !names.is_empty() {
        let names: Vec<String> = names.iter().map(|seq| seq.0.to_string()).collect();
        text = format!("{text} AND seq NOT IN ({})", names.join(", "));
    }
    let values = Values::default().with(&bound(now.0)).into_arguments();
    let update = sqlx::query_with(AssertSqlSafe(text), values);
    connection.execute(update).await?;
    Ok(())
}

impl Store {
    /// The snapshots of the index below a seq, the newest first, at most `limit` (500).
    ///
    /// # Errors
    /// [`StoreError::Database`] if the database does not answer.
    pub async fn snapshots(
        &self,
        below: Option<Seq>,
        limit: u32,
    ) -> Result<At<Vec<Snapshot>>, StoreError> {
        let mut question = self.ask().await?;
        let values = Values::default()
            .with(&bound(below.map_or(u64::MAX, |seq| seq.0)))
            .with(&at_most(limit));
        let snapshots = question
            .all("WHERE seq < $1 ORDER BY seq DESC LIMIT $2", values)
            .await?;
        question.answer(snapshots).await
    }
}
