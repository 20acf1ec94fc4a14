//! The chain: every frame names the CRC of the one before, seqs have no gaps, time and epoch never
//! go back.

use crate::frame::{Checked, Frame, FrameHeader};
use core::fmt;
use domain::{CommandKind, Nanos, Seq};

/// Where a journal stands: what the next frame must continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Whose journal.
    pub shard: u16,
    /// The seq that comes next.
    pub next_seq: Seq,
    /// CRC of the last frame, 0 before the first.
    pub last_crc: u32,
    /// Epoch of the last frame, none if not known (before the first).
    pub epoch: Option<u32>,
    /// Engine time of the last frame, 0 if not known.
    pub engine_time: Nanos,
}

/// A frame that does not continue the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainError {
    /// Another shard's.
    Shard {
        /// Ours.
        expected: u16,
        /// The frame's.
        found: u16,
    },
    /// Another place.
    Seq {
        /// The one that comes next.
        expected: Seq,
        /// The frame's.
        found: Seq,
    },
    /// No frame could follow: no journal is so long.
    Last,
    /// It follows another frame than the one before it.
    PrevCrc {
        /// The frame's place.
        seq: Seq,
        /// CRC of the frame before.
        expected: u32,
        /// What the frame names.
        found: u32,
    },
    /// The epoch went back, or rose in a frame that is no `Recovered`.
    Epoch {
        /// The frame's place.
        seq: Seq,
        /// Of the frame before.
        expected: u32,
        /// The frame's.
        found: u32,
    },
    /// Engine time went back.
    Time {
        /// The frame's place.
        seq: Seq,
        /// Of the frame before.
        before: Nanos,
        /// The frame's.
        found: Nanos,
    },
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shard { expected, found } => {
                write!(
                    f,
                    "a frame of shard {found} in the journal of shard {expected}"
                )
            }
            Self::Seq { expected, found } => {
                write!(f, "seq {found} where seq {expected} comes next")
            }
            Self::Last => write!(
                f,
                "seq {} is that of no frame: no journal is so long",
                u64::MAX
            ),
            Self::PrevCrc {
                seq,
                expected,
                found,
            } => write!(
                f,
                "seq {seq} follows a frame with CRC {found:08x}, but the frame before it has {expected:08x}"
            ),
            Self::Epoch {
                seq,
                expected,
                found,
            } => write!(
                f,
                "seq {seq} is of epoch {found} after epoch {expected}, which only a later epoch's Recovered frame may be"
            ),
            Self::Time { seq, before, found } => write!(
                f,
                "seq {seq} has engine time {found} ns, before the frame that it follows ({before} ns)"
            ),
        }
    }
}

impl core::error::Error for ChainError {}

impl Chain {
    /// Before the first frame of a shard.
    #[must_use]
    pub fn new(shard: u16) -> Self {
        Self {
            shard,
            next_seq: Seq(1),
            last_crc: 0,
            epoch: None,
            engine_time: Nanos(0),
        }
    }

    /// The last frame's seq, 0 before the first.
    #[must_use]
    pub fn last_seq(&self) -> Seq {
        Seq(self.next_seq.0 - 1)
    }

    /// Takes the frame as the next one. After an error the chain is as before.
    ///
    /// # Errors
    /// [`ChainError`] if it is not the next one.
    pub fn check(&mut self, frame: &Frame<'_>) -> Result<(), ChainError> {
        self.take(&frame.header, frame.command.kind(), frame.crc)
    }

    pub(crate) fn check_parts(&mut self, checked: &Checked) -> Result<(), ChainError> {
        self.take(&checked.header, checked.kind(), checked.crc)
    }

    fn take(
        &mut self,
        header: &FrameHeader,
        kind: CommandKind,
        crc: u32,
    ) -> Result<(), ChainError> {
        let seq = header.seq;
        if header.shard != self.shard {
            return Err(ChainError::Shard {
                expected: self.shard,
                found: header.shard,
            });
        }
        if seq != self.next_seq {
            return Err(ChainError::Seq {
                expected: self.next_seq,
                found: seq,
            });
        }
        if seq.0 == u64::MAX {
            return Err(ChainError::Last);
        }
        if header.prev_crc != self.last_crc {
            return Err(ChainError::PrevCrc {
                seq,
                expected: self.last_crc,
                found: header.prev_crc,
            });
        }
        if let Some(epoch) = self.epoch {
            let begins_one = kind == CommandKind::Recovered && header.epoch > epoch;
            if header.epoch != epoch && !begins_one {
                return Err(ChainError::Epoch {
                    seq,
                    expected: epoch,
                    found: header.epoch,
                });
            }
        }
        if header.engine_time < self.engine_time {
            return Err(ChainError::Time {
                seq,
                before: self.engine_time,
                found: header.engine_time,
            });
        }
        *self = Self {
            shard: self.shard,
            next_seq: seq.next(),
            last_crc: crc,
            epoch: Some(header.epoch),
            engine_time: header.engine_time,
        };
        Ok(())
    }
}
