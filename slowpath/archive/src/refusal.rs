//! Why an archiver stops for good.

use domain::Seq;
use journal::{ArchiveError, ChainError, FrameError};

/// Something that trying again does not mend. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The archive is damaged, incomplete or foreign.
    #[error(transparent)]
    Archive(ArchiveError),
    /// Frames that were durable are not there any more.
    #[error(
        "the archive ends with seq {found}, but frames up to seq {durable} were durable: the disk lost data, or this is another archive: restore it from a copy; if the memory in /dev/shm is another instance's of the same name, change instance.name; if this instance is to begin anew, remove that memory too"
    )]
    DurableLost {
        /// What was durable.
        durable: Seq,
        /// The last whole frame.
        found: Seq,
    },
    /// Archive and journal memory part.
    #[error(
        "seq {seq} has CRC {archive:08x} in the archive and {memory:08x} in journal memory: they are not of one journal; correct the archive directory in the configuration"
    )]
    Forked {
        /// The archive's last frame.
        seq: Seq,
        /// Its CRC in the archive.
        archive: u32,
        /// Its CRC in journal memory.
        memory: u32,
    },
    /// The archive has frames that journal memory does not have yet.
    #[error(
        "the archive goes on to seq {archive}, but journal memory ends before: they are not of one journal; correct the archive directory in the configuration"
    )]
    MemoryBehind {
        /// A seq that only the archive has.
        archive: Seq,
    },
    /// Frames were overwritten before they were archived.
    #[error(
        "journal memory begins with seq {oldest}, but seq {next} is not archived: the archive is older than this journal; restore the archive from a copy"
    )]
    Lapped {
        /// The seq that is needed.
        next: Seq,
        /// The first that there is.
        oldest: Seq,
    },
    /// Journal memory gave no frame.
    #[error(
        "journal memory, seq {seq}: {error}; stop the fastpath and start it again: it will say whether its memory is damaged"
    )]
    Frame {
        /// Which should be there.
        seq: Seq,
        /// What is wrong.
        error: FrameError,
    },
    /// Journal memory was overwritten by something else.
    #[error(
        "journal memory, seq {seq}: no writer wrote what is there; stop the fastpath and start it again: it will say what to do"
    )]
    Corrupt {
        /// Which should be there.
        seq: Seq,
    },
    /// Journal memory gave a frame that does not continue the archive.
    #[error(
        "journal memory, seq {seq}: {error}: archive and memory are not of one journal; correct the archive directory in the configuration"
    )]
    Chain {
        /// Which should be there.
        seq: Seq,
        /// What is wrong.
        error: ChainError,
    },
}
