//! What keeps an archiver from writing, for the operator to see.

use core::fmt;
use std::io;
use std::time::Duration;

/// What kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// No space or no quota: make room.
    DiskFull,
    /// Any other error of the storage.
    Storage,
}

/// An error of the storage that the archiver tries again after a while. Nothing is lost: frames stay
/// in journal memory until they are durable, and the fastpath refuses orders when that is full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What kind.
    pub kind: TroubleKind,
    /// What the storage said last.
    pub message: String,
    /// Attempts that failed since it began.
    pub attempts: u32,
    /// When it will be tried again, by the clock of [`crate::Archiver::step`].
    pub retry_at: Duration,
}

impl Trouble {
    pub(crate) fn kind_of(error: &io::Error) -> TroubleKind {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        if full.contains(&error.kind()) {
            TroubleKind::DiskFull
        } else {
            TroubleKind::Storage
        }
    }
}

impl fmt::Display for TroubleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DiskFull => "the archive's disk is full: make room",
            Self::Storage => "the archive's storage fails: check the disk",
        })
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}; {} attempts, trying again; no frame is lost)",
            self.kind, self.message, self.attempts
        )
    }
}
