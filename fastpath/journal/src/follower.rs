//! A reader that never has to keep up: it reads the archive, then the journal memory, and goes back
//! to the archive whenever the memory has overtaken it.

use crate::chain::{Chain, ChainError};
use crate::damage::ArchiveError;
use crate::directory::Segments;
use crate::frame::{Checked, Frame, FrameBuffer, FrameError, MAX_FRAME_WORDS};
use crate::reader::ArchiveReader;
use crate::recovery::MemoryRead;
use core::ops::Range;
use domain::Seq;

/// Why a follower stops.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The archive is refused, or could not be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The journal memory holds no frame there.
    #[error(
        "journal memory, seq {seq}: {error}; stop the fastpath and start it again: it will say what to do"
    )]
    Frame {
        /// Which should be there.
        seq: Seq,
        /// What is wrong.
        error: FrameError,
    },
    /// The journal memory was overwritten by something else.
    #[error(
        "journal memory, seq {seq}: no writer wrote what is there; stop the fastpath and start it again: it will say what to do"
    )]
    Corrupt {
        /// Which should be there.
        seq: Seq,
    },
    /// The next frame does not continue those before: the journal was replaced, or forks.
    #[error(
        "seq {seq}: {error}; archive and journal memory are not of one journal: start again from the first frame"
    )]
    Chain {
        /// Which should be there.
        seq: Seq,
        /// What is wrong.
        error: ChainError,
    },
}

/// Yields every frame once and in order, for as long as the journal grows.
pub struct Follower<S, M> {
    archive: ArchiveReader<S>,
    memory: M,
    chain: Chain,
    in_archive: bool,
    buffer: Box<FrameBuffer>,
}

/// Where a frame was found.
enum Place {
    Archive(Range<usize>),
    Memory(usize),
}

impl<S: Segments, M: FnMut(Seq, &mut FrameBuffer) -> MemoryRead> Follower<S, M> {
    /// From the first frame on; nothing was read of the archive yet.
    #[must_use]
    pub fn new(archive: ArchiveReader<S>, memory: M) -> Self {
        Self {
            chain: archive.chain(),
            archive,
            memory,
            in_archive: true,
            buffer: Box::new([0; MAX_FRAME_WORDS]),
        }
    }

    /// The frame that comes next.
    #[must_use]
    pub fn next_seq(&self) -> Seq {
        self.chain.next_seq
    }

    /// The next frame; `None` if there is none yet.
    ///
    /// # Errors
    /// [`FollowError`]. Only after [`ArchiveError::Io`] may it be asked again.
    #[expect(
        clippy::should_implement_trait,
        reason = "it lends its buffer, which no iterator does"
    )]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, FollowError> {
        let Some((place, checked)) = self.find()? else {
            return Ok(None);
        };
        let seq = self.chain.next_seq;
        self.chain
            .check_parts(&checked)
            .map_err(|error| FollowError::Chain { seq, error })?;
        Ok(Some(checked.over(match place {
            Place::Archive(words) => self.archive.words(words),
            Place::Memory(words) => &self.buffer[..words],
        })))
    }

    fn find(&mut self) -> Result<Option<(Place, Checked)>, FollowError> {
        if self.in_archive
            && let Some((words, checked)) = self.archive.advance()?
        {
            return Ok(Some((Place::Archive(words), checked)));
        }
        self.in_archive = false;
        let seq = self.chain.next_seq;
        match (self.memory)(seq, &mut self.buffer) {
            MemoryRead::Frame(words) => Checked::check(&self.buffer[..words])
                .map(|checked| Some((Place::Memory(words), checked)))
                .map_err(|error| FollowError::Frame { seq, error }),
            MemoryRead::End => Ok(None),
            MemoryRead::Corrupt => Err(FollowError::Corrupt { seq }),
            MemoryRead::Gone { .. } => self.go_back(seq),
        }
    }

    /// Goes on in the archive, which has what the memory has lost.
    fn go_back(&mut self, seq: Seq) -> Result<Option<(Place, Checked)>, FollowError> {
        match self.archive.seek(seq) {
            // A new memory may be ahead of an archive that is not cut or written yet: wait.
            Err(ArchiveError::NotArchived { .. }) => return Ok(None),
            sought => sought?,
        }
        self.in_archive = true;
        let found = self.archive.advance()?;
        Ok(found.map(|(words, checked)| (Place::Archive(words), checked)))
    }
}
