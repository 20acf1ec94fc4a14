//! The journal as bytes: frames, the chain that they form, archive segments, snapshots of what they
//! led to, and the recovery that joins an archive and what is left of the journal memory.
//!
//! Layouts and the table of refusals: docs/JOURNAL.md.
//!
//! Architecture invariant: this crate knows neither shared memory nor the engine. Frames come in as
//! words and leave as words; nothing here panics on bytes from outside.
#![forbid(unsafe_code)]

mod chain;
mod damage;
mod directory;
mod frame;
mod reader;
mod recovery;
mod segment;
mod snapshot;
mod tail;
mod window;

pub use chain::{Chain, ChainError};
pub use damage::{ArchiveError, Damage, Position};
pub use directory::{Directory, Segments};
pub use frame::{
    Extent, FORMAT_VERSION, Frame, FrameBuffer, FrameError, FrameHeader, HEADER_WORDS,
    MAX_FRAME_WORDS, encode,
};
pub use reader::{ArchiveReader, Tail, Torn};
pub use recovery::{MemoryRead, NoMemory, Recovered, Recovery, RecoveryError};
pub use segment::{
    LARGEST_GROUP_BYTES, SEGMENT_HEADER_BYTES, SegmentError, SegmentHeader, SegmentName,
};
pub use snapshot::{
    SNAPSHOT_HEADER_BYTES, SNAPSHOT_VERSION, SnapshotDirectory, SnapshotError, SnapshotFiles,
    SnapshotHeader, SnapshotName, load_snapshot, newest_snapshot, read_snapshot_header,
};
