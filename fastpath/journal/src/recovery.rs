//! Recovery: the archive's frames, then the journal memory's, as one verified chain.

use crate::chain::{Chain, ChainError};
use crate::damage::ArchiveError;
use crate::directory::{Directory, Segments};
use crate::frame::{Checked, Frame, FrameBuffer, FrameError, MAX_FRAME_WORDS};
use crate::reader::{ArchiveReader, Torn};
use core::ops::{Range, RangeInclusive};
use domain::Seq;

/// What a journal memory says when asked for a seq.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryRead {
    /// The frame is in the first words of the buffer.
    Frame(usize),
    /// Not written yet.
    End,
    /// Overwritten.
    Gone {
        /// The first seq that is still whole.
        oldest: Seq,
    },
    /// Something stands there that no writer wrote.
    Corrupt,
}

/// The journal memory of a recovery that has none.
pub type NoMemory = fn(Seq, &mut FrameBuffer) -> MemoryRead;

/// Why a recovery is refused.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The archive is.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The archive ends below what the journal memory still has.
    #[error(
        "seqs {from} to {to} are neither in the archive nor in journal memory; put the missing segments back into the archive directory (if the memory in /dev/shm is another instance's of the same name, change instance.name)"
    )]
    MissingBetween {
        /// First seq that is missing.
        from: Seq,
        /// Last one.
        to: Seq,
    },
    /// The archive has frames that the journal memory does not have yet.
    #[error(
        "the archive goes on to seq {archive} but journal memory ends with seq {memory}: they are not of one journal; correct the archive directory, or remove the journal region to start a new epoch from the archive"
    )]
    MemoryBehind {
        /// Last seq of both.
        memory: Seq,
        /// A seq that only the archive has.
        archive: Seq,
    },
    /// Both have the frame, and not the same.
    #[error(
        "seq {seq} is not the same frame in the archive (CRC {archive:08x}) and in journal memory (CRC {memory:08x}): they are not of one journal; correct the archive directory, or remove the journal region to start a new epoch from the archive"
    )]
    Different {
        /// First seq that differs.
        seq: Seq,
        /// The archive's CRC.
        archive: u32,
        /// The memory's CRC.
        memory: u32,
    },
    /// The journal memory holds no frame there.
    #[error(
        "journal memory, seq {seq}: {error}; remove the journal region to start a new epoch from the archive"
    )]
    MemoryFrame {
        /// Which should be there.
        seq: Seq,
        /// What is wrong.
        error: FrameError,
    },
    /// The journal memory was overwritten by something else.
    #[error(
        "journal memory, seq {seq}: no writer wrote what is there; remove the journal region to start a new epoch from the archive"
    )]
    MemoryCorrupt {
        /// Which should be there.
        seq: Seq,
    },
    /// The journal memory's frame does not continue the chain.
    #[error(
        "journal memory, seq {seq}: {error}; remove the journal region to start a new epoch from the archive"
    )]
    MemoryChain {
        /// Which should be there.
        seq: Seq,
        /// What is wrong.
        error: ChainError,
    },
    /// An engine that this build does not have.
    #[error(
        "seq {seq} was applied by engine version {found}, but this build has versions {} to {}; run the version that wrote it",
        supported.start(), supported.end()
    )]
    EngineVersion {
        /// First such frame.
        seq: Seq,
        /// Its version.
        found: u16,
        /// Ours.
        supported: RangeInclusive<u16>,
    },
}

/// How a recovery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// What the next frame must continue.
    pub chain: Chain,
    /// Frames that only the journal memory had.
    pub from_memory: u64,
    /// Bytes behind the archive's last whole frame, which the archiver will cut off.
    pub torn: Option<Torn>,
    /// The tail may be gone: the archive is not empty and no journal memory joined it. A new epoch
    /// must begin.
    pub tail_may_be_lost: bool,
}

/// Yields every frame of a shard once, first the archive's, then the journal memory's.
pub struct Recovery<S = Directory, M = NoMemory> {
    archive: ArchiveReader<S>,
    memory: M,
    engine_versions: RangeInclusive<u16>,
    chain: Chain,
    archive_done: bool,
    /// The first seq that the memory may still have.
    memory_from: Seq,
    /// The memory gave a frame.
    joined: bool,
    from_memory: u64,
    buffer: Box<FrameBuffer>,
}

impl<S: Segments> Recovery<S> {
    /// From an archive alone: journal memory is absent or of another boot.
    #[must_use]
    pub fn without_memory(archive: ArchiveReader<S>, engine_versions: RangeInclusive<u16>) -> Self {
        Self::with_memory(archive, |_, _| MemoryRead::End, engine_versions)
    }
}

impl<S: Segments, M: FnMut(Seq, &mut FrameBuffer) -> MemoryRead> Recovery<S, M> {
    /// From an archive and the journal memory of the same boot, from the frame on at which the
    /// archive's reader stands: the first, or, for a state that is known already, the last frame
    /// before it, so that the two can be seen to be of one journal.
    /// `engine_versions` are those that this build can replay.
    #[must_use]
    pub fn with_memory(
        archive: ArchiveReader<S>,
        memory: M,
        engine_versions: RangeInclusive<u16>,
    ) -> Self {
        Self {
            chain: archive.chain(),
            archive,
            memory,
            engine_versions,
            archive_done: false,
            memory_from: Seq(1),
            joined: false,
            from_memory: 0,
            buffer: Box::new([0; MAX_FRAME_WORDS]),
        }
    }

    /// The next frame; `None` at the end of both.
    ///
    /// # Errors
    /// [`RecoveryError`]: the first thing that is wrong. The recovery cannot go on.
    #[expect(
        clippy::should_implement_trait,
        reason = "it lends its buffer, which no iterator does"
    )]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, RecoveryError> {
        if !self.archive_done {
            if let Some((place, checked)) = self.archive.advance()? {
                self.supports(&checked)?;
                self.compare(&place, &checked)?;
                return Ok(Some(checked.over(self.archive.words(place))));
            }
            self.archive_done = true;
            self.chain = self.archive.chain();
        }
        let frame = self.read_memory()?;
        Ok(frame.map(|(words, checked)| checked.over(&self.buffer[..words])))
    }

    /// How it ended, once [`Recovery::next`] has said `None`.
    #[must_use]
    pub fn finish(self) -> Recovered {
        let tail = self.archive.tail();
        Recovered {
            chain: self.chain,
            from_memory: self.from_memory,
            torn: tail.torn,
            tail_may_be_lost: tail.last_seq != Seq(0) && !self.joined,
        }
    }

    fn supports(&self, checked: &Checked) -> Result<(), RecoveryError> {
        let found = checked.header.engine_version;
        if self.engine_versions.contains(&found) {
            return Ok(());
        }
        Err(RecoveryError::EngineVersion {
            seq: checked.header.seq,
            found,
            supported: self.engine_versions.clone(),
        })
    }

    /// Compares the archive's frame with the memory's, if that still has it.
    fn compare(&mut self, place: &Range<usize>, checked: &Checked) -> Result<(), RecoveryError> {
        let seq = checked.header.seq;
        if seq < self.memory_from {
            return Ok(());
        }
        match (self.memory)(seq, &mut self.buffer) {
            MemoryRead::Frame(words) => {
                let memory = &self.buffer[..words];
                if memory != self.archive.words(place.clone()) {
                    let memory = Checked::check(memory, |_| {})
                        .map_err(|error| RecoveryError::MemoryFrame { seq, error })?;
                    return Err(RecoveryError::Different {
                        seq,
                        archive: checked.crc,
                        memory: memory.crc,
                    });
                }
                self.joined = true;
            }
            MemoryRead::Gone { oldest } => self.memory_from = oldest,
            MemoryRead::Corrupt => return Err(RecoveryError::MemoryCorrupt { seq }),
            MemoryRead::End if self.joined => {
                return Err(RecoveryError::MemoryBehind {
                    memory: Seq(seq.0 - 1),
                    archive: seq,
                });
            }
            MemoryRead::End => {}
        }
        Ok(())
    }

    /// The memory's next frame, checked, with its words in the buffer.
    fn read_memory(&mut self) -> Result<Option<(usize, Checked)>, RecoveryError> {
        let seq = self.chain.next_seq;
        let words = match (self.memory)(seq, &mut self.buffer) {
            MemoryRead::Frame(words) => words,
            MemoryRead::End => return Ok(None),
            MemoryRead::Corrupt => return Err(RecoveryError::MemoryCorrupt { seq }),
            MemoryRead::Gone { oldest } => {
                return Err(RecoveryError::MissingBetween {
                    from: seq,
                    to: Seq(oldest.0.saturating_sub(1)).max(seq),
                });
            }
        };
        let checked = Checked::check(&self.buffer[..words], |_| {})
            .map_err(|error| RecoveryError::MemoryFrame { seq, error })?;
        self.chain
            .check_parts(&checked)
            .map_err(|error| RecoveryError::MemoryChain { seq, error })?;
        self.supports(&checked)?;
        self.joined = true;
        self.from_memory += 1;
        Ok(Some((words, checked)))
    }
}
