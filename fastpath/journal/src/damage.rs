//! What can be wrong with an archive, where it is, and what to do about it.

use crate::chain::ChainError;
use crate::frame::FrameError;
use crate::segment::{SegmentError, SegmentName};
use core::fmt;
use domain::Seq;
use std::io;

/// A place in an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// First seq of the segment.
    pub segment: Seq,
    /// Bytes from the segment's front.
    pub offset: u64,
}

impl Position {
    /// The front of a segment.
    #[must_use]
    pub fn front(segment: Seq) -> Self {
        Self { segment, offset: 0 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", SegmentName(self.segment), self.offset)
    }
}

/// Why bytes are not the next frame of the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each is")]
pub enum Damage {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error("segment header: {0}")]
    Header(#[from] SegmentError),
    #[error("the segment ends within a frame, but another segment follows")]
    EndsWithinFrame,
    #[error("the segment's header says that its first frame is seq {0}")]
    OtherName(Seq),
    #[error(
        "the segment's header follows CRC {found:08x}, but the frame before it has {expected:08x}"
    )]
    HeaderPrevCrc { expected: u32, found: u32 },
    #[error("the segment's header says epoch {header}, but its first frame is of epoch {frame}")]
    HeaderEpoch { header: u32, frame: u32 },
}

/// An archive that is refused, or could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file system refused.
    #[error("archive: {doing}: {error}; if this passes, start again")]
    Io {
        /// What was being done.
        doing: String,
        /// What the file system said.
        error: io::Error,
    },
    /// A file claims to be a segment and cannot be one.
    #[error(
        "archive: file {name:?} is not named like a segment (20 digits and .seg); move it out of the directory"
    )]
    ForeignFile {
        /// Its name.
        name: String,
    },
    /// The archive of another shard.
    #[error(
        "archive: {} is of shard {found}, not of shard {expected}; correct the archive directory in the configuration",
        SegmentName(*segment)
    )]
    ForeignShard {
        /// Which segment.
        segment: Seq,
        /// Ours.
        expected: u16,
        /// Its.
        found: u16,
    },
    /// Written by a build with other layouts.
    #[error(
        "archive: {at}, seq {seq}: format version {found}, but this build reads version {}; run the version that wrote it",
        crate::FORMAT_VERSION
    )]
    ForeignVersion {
        /// Where.
        at: Position,
        /// Which frame should be there.
        seq: Seq,
        /// The version found.
        found: u16,
    },
    /// Segments are not there.
    #[error(
        "archive: seqs {} to {} are missing before {}; put their segments back into the directory",
        from, to, SegmentName(*before)
    )]
    Missing {
        /// First seq that is missing.
        from: Seq,
        /// Last one.
        to: Seq,
        /// The segment that follows the gap.
        before: Seq,
    },
    /// Two segments hold the same seqs.
    #[error(
        "archive: {} begins with a seq that {} holds too (it ends with seq {last}); move the one that does not belong out of the directory",
        SegmentName(*second), SegmentName(*first)
    )]
    Overlap {
        /// The earlier segment.
        first: Seq,
        /// Its last seq.
        last: Seq,
        /// The later one.
        second: Seq,
    },
    /// Bytes that are not the next frame, before the last whole frame.
    #[error(
        "archive: {at}, seq {seq}: {damage}; restore this segment from a copy{}",
        Follows { at: *at, seq: *seq, whole_frame: *whole_frame }
    )]
    Damaged {
        /// Where.
        at: Position,
        /// Which frame should be there.
        seq: Seq,
        /// What is wrong.
        damage: Damage,
        /// Where the next whole frame begins, if that is why the bytes are no torn tail.
        whole_frame: Option<u64>,
    },
    /// Asked for a seq that is not archived.
    #[error("archive: seq {seq} is not in the archive, which ends with seq {last}")]
    NotArchived {
        /// Asked for.
        seq: Seq,
        /// The last one.
        last: Seq,
    },
}

impl ArchiveError {
    /// Where and what, without what to do about it: for whoever refers to what is said whole where the archive is read.
    #[must_use]
    pub fn brief(&self) -> impl fmt::Display + '_ {
        Brief(self)
    }
}

struct Brief<'a>(&'a ArchiveError);

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ArchiveError::Damaged { at, seq, .. } => {
                write!(f, "archive: {at}, seq {seq} is damaged")
            }
            other @ (ArchiveError::Io { .. }
            | ArchiveError::ForeignFile { .. }
            | ArchiveError::ForeignShard { .. }
            | ArchiveError::ForeignVersion { .. }
            | ArchiveError::Missing { .. }
            | ArchiveError::Overlap { .. }
            | ArchiveError::NotArchived { .. }) => {
                let text = other.to_string();
                // Behind the semicolon stands what to do.
                f.write_str(text.split(';').next().unwrap_or(&text))
            }
        }
    }
}

/// Says why bytes that cannot be read are not just cut off, who may do so, how, and what it costs.
struct Follows {
    at: Position,
    seq: Seq,
    whole_frame: Option<u64>,
}

impl fmt::Display for Follows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(follows) = self.whole_frame else {
            return Ok(());
        };
        let (file, offset, seq) = (SegmentName(self.at.segment), self.at.offset, self.seq);
        write!(
            f,
            "; a whole frame follows at byte {follows}, so this is not cut off as an unfinished write. If the machine lost power and there is no copy: with fastpath and slowpath stopped, in the archive directory, keep the bytes with `cp {file} {file}.damaged` and cut them off with `truncate --size={offset} {file}`; seq {seq} and every frame behind it are then lost, and the next start begins a new epoch. If the file goes on for more than {} bytes behind byte {offset}, durable frames are among them",
            crate::LARGEST_GROUP_BYTES
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_place_and_seq_and_no_remedy() {
        let damaged = ArchiveError::Damaged {
            at: Position {
                segment: Seq(1),
                offset: 200,
            },
            seq: Seq(3),
            damage: Damage::EndsWithinFrame,
            whole_frame: Some(300),
        };
        assert_eq!(
            damaged.brief().to_string(),
            "archive: 00000000000000000001.seg at byte 200, seq 3 is damaged"
        );
        let missing = ArchiveError::Missing {
            from: Seq(5),
            to: Seq(9),
            before: Seq(10),
        };
        assert_eq!(
            missing.brief().to_string(),
            "archive: seqs 5 to 9 are missing before 00000000000000000010.seg"
        );
    }
}
