//! Which database, and how a connection to it is set up.

use crate::error::StoreError;
use percent_encoding::percent_decode_str;
use sqlx::any::{AnyConnectOptions, install_default_drivers};
use sqlx::{AnyConnection, Connection as _, Executor as _};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::str::FromStr as _;

/// The two that are supported. SQL differs only where this says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// What a connection is for, and therefore what its commits promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Rows that the journal can give again: a commit need not wait for the disk. After a loss of power
    /// the database is at an earlier seq, whole, and goes on from there.
    Projection,
    /// Rows that nothing else has (users, tokens): a commit is on disk.
    Own,
    /// Reading.
    Read,
}

/// The address of a database.
#[derive(Clone, Debug)]
pub struct Database {
    url: String,
    kind: Kind,
}

impl Database {
    /// Understands `sqlite:PATH`, made if it does not exist, and `postgres://…`. In the path, `%` and two
    /// hexadecimal digits are a byte.
    ///
    /// # Errors
    /// [`StoreError::Url`].
    pub fn new(url: &str) -> Result<Self, StoreError> {
        install_default_drivers();
        let bad = || StoreError::Url;
        let (scheme, _) = url.split_once(':').ok_or_else(bad)?;
        let (kind, url) = match scheme {
            "sqlite" if url.contains("mode=") => (Kind::Sqlite, url.to_owned()),
            "sqlite" => {
                let more = if url.contains('?') { '&' } else { '?' };
                (Kind::Sqlite, format!("{url}{more}mode=rwc"))
            }
            "postgres" | "postgresql" => (Kind::Postgres, url.to_owned()),
            _ => return Err(bad()),
        };
        AnyConnectOptions::from_str(&url).map_err(|_| bad())?;
        Ok(Self { url, kind })
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The file, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<PathBuf> {
        let path = self.url.strip_prefix("sqlite:")?;
        let path = path.strip_prefix("//").unwrap_or(path);
        let path = path.split('?').next().unwrap_or(path);
        let bytes = percent_decode_str(path).collect();
        Some(OsString::from_vec(bytes).into())
    }

    /// Device and inode of the file that stands there now, if it is one.
    pub(crate) fn file_id(&self) -> Option<(u64, u64)> {
        let metadata = std::fs::metadata(self.file()?).ok()?;
        Some((metadata.dev(), metadata.ino()))
    }

    /// What it is called in messages: without a password.
    #[must_use]
    pub fn name(&self) -> String {
        match (self.file(), self.url.split_once("://")) {
            (Some(file), _) => format!("sqlite {}", file.display()),
            (None, Some((_, rest))) => {
                let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
                // Behind it there may be a password too.
                let place = place.split('?').next().unwrap_or_default();
                format!("postgres {place}")
            }
            (None, None) => "postgres".to_owned(),
        }
    }

    pub(crate) async fn connect(&self, purpose: Purpose) -> Result<AnyConnection, StoreError> {
        let mut connection = AnyConnection::connect(&self.url).await?;
        set_up(&mut connection, self.kind, purpose).await?;
        Ok(connection)
    }
}

/// Begins a transaction in which everything that is read is of one moment.
pub(crate) fn begin_reading(kind: Kind) -> &'static str {
    match kind {
        Kind::Sqlite => "BEGIN",
        Kind::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    }
}

/// Settings of a connection. SQLite waits for locks itself; five seconds are longer than any batch.
async fn set_up(
    connection: &mut AnyConnection,
    kind: Kind,
    purpose: Purpose,
) -> Result<(), sqlx::Error> {
    let statements: &[&'static str] = match (kind, purpose) {
        (Kind::Sqlite, Purpose::Projection | Purpose::Read) => &[
            "PRAGMA busy_timeout = 5000",
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = NORMAL",
        ],
        (Kind::Sqlite, Purpose::Own) => &[
            "PRAGMA busy_timeout = 5000",
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = FULL",
        ],
        (Kind::Postgres, Purpose::Projection) => &["SET synchronous_commit = off"],
        (Kind::Postgres, Purpose::Own | Purpose::Read) => &[],
    };
    for statement in statements {
        connection.execute(sqlx::raw_sql(*statement)).await?;
    }
    Ok(())
}
