//! Why something of the journal cannot be read now.

use journal::{ArchiveError, Position};
use std::io;

/// What keeps the archive from being read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It cannot be opened, or is damaged.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// It cannot be opened at all.
    #[error("open the archive: {0}")]
    Open(io::Error),
    /// A block of it cannot be read.
    #[error("read {at}: {error}")]
    Io {
        /// Where.
        at: Position,
        /// What the file system says.
        error: io::Error,
    },
    /// A block of it is not what it was.
    #[error(
        "{at}: other frames than were there before; is this archive written by another program?"
    )]
    Changed {
        /// Where.
        at: Position,
    },
}
