//! What can go wrong between the journal and the database, and whether it can pass.

use domain::Seq;
use sqlx::error::DatabaseError as _;
use sqlx::sqlite::SqliteError;

/// Why the store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database did not answer, or refused: it is locked, gone, full, killed, damaged.
    #[error("database: {}{}", .0, repair(.0))]
    Database(#[from] sqlx::Error),
    /// It did not answer in time.
    #[error("the database has not answered for {0} s")]
    Silent(u64),
    /// The file of the database is not the one that was opened any more.
    #[error(
        "{0} was removed or replaced: what the journal gives is made again; users and tokens are lost unless the file is put back"
    )]
    Gone(String),
    /// The events of a frame are not those of its command.
    #[error("the store stops: {0}")]
    Divergence(#[from] shadow::Divergence),
    /// The address is not understood.
    // Not the address itself: it may hold a password.
    #[error("store.url is no database: write sqlite:PATH or postgres://USER@HOST/DATABASE")]
    Url,
    /// Another version of Sluice made these tables.
    #[error(
        "the store has tables of version {found}, this build knows version {known}: run the version that made them, or name an empty database in store.url"
    )]
    Schema {
        /// In the database.
        found: u64,
        /// In this build.
        known: u64,
    },
    /// The tables belong to another shard.
    #[error(
        "the store belongs to shard {found}, this is shard {own}: give each shard a store.url of its own"
    )]
    Shard {
        /// In the database.
        found: u16,
        /// Of this instance.
        own: u16,
    },
    /// The journal does not contain what was projected.
    #[error(
        "the store follows another history: its last frame is seq {seq} with CRC {stored:08x}, {journal}; if this journal is the right one, `sluice init-db --rebuild` empties what was derived from the other (users and tokens stay)"
    )]
    History {
        /// The last seq that was projected.
        seq: Seq,
        /// CRC of that frame as stored.
        stored: u32,
        /// What the journal has there.
        journal: String,
    },
    /// The open orders of the tables are not those of the journal.
    #[error(
        "the open orders of the store are not those of the journal after seq {0}: the database was changed by hand; rebuild it with `sluice init-db --rebuild`"
    )]
    Orders(Seq),
    /// The batch does not continue what is in the database.
    #[error(
        "a batch from seq {first} was refused, because the database is at seq {last}: nothing was written"
    )]
    NotNext {
        /// First seq of the batch.
        first: Seq,
        /// Last seq in the database.
        last: Seq,
    },
    /// A value that no version of the store writes.
    #[error(
        "column {column} holds what is no {what}: the database was changed by hand; rebuild it with `sluice init-db --rebuild`"
    )]
    Unreadable {
        /// The column.
        column: String,
        /// What it should hold.
        what: &'static str,
    },
}

/// What helps a SQLite file that is damaged, or is none: no statement does.
fn repair(error: &sqlx::Error) -> &'static str {
    if is_damage(error) {
        "; the file that store.url names is damaged: with the slowpath stopped move it, its -wal and its -shm away, and \
         start again: what the journal gives is made again; users, tokens and request ids are lost unless a copy of the \
         file is put there"
    } else {
        ""
    }
}

/// `SQLITE_CORRUPT` and `SQLITE_NOTADB`, whatever more their codes say.
fn is_damage(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    let error = error.and_then(|error| error.try_downcast_ref::<SqliteError>());
    let code = error.and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 11 | 26))
}

impl StoreError {
    /// Whether the database's file is damaged: it cannot be emptied either.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Database(error) if is_damage(error))
    }

    /// Whether trying again can help without anybody doing something.
    #[must_use]
    pub fn can_pass(&self) -> bool {
        matches!(self, Self::Database(_) | Self::Silent(_) | Self::Gone(_))
    }
}
