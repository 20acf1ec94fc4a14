//! The archiver: takes frames from the journal memory, appends them in groups to segments on disk,
//! and says up to which seq they are durable.
//!
//! The rules of the archive are those of docs/JOURNAL.md. [`Archiver`] is a step function over a
//! [`Storage`] and a source of frames: it knows no thread, no clock and no file system, so that a
//! simulator runs the same code as the product ([`FileStorage`]) and can crash it anywhere
//! ([`simulated`]).
//!
//! What always holds: a frame up to [`Archiver::durable`] is on the disk, whatever happens next.
#![forbid(unsafe_code)]

mod agreement;
mod archiver;
mod file_storage;
mod memory;
mod refusal;
pub mod simulated;
mod storage;
mod trouble;

pub use archiver::{Archiver, Limits};
pub use file_storage::{FileStorage, StorageError};
pub use memory::frames_of;
pub use refusal::Refusal;
pub use storage::Storage;
pub use trouble::{Trouble, TroubleKind};
