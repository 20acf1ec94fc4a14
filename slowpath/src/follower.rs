//! Frames in order, from journal memory as long as it has them, else from the archive.

use crate::console::say;
use crate::signals::Signals;
use domain::Seq;
use journal::{ArchiveError, ArchiveReader, Frame, FrameBuffer, FrameError, MAX_FRAME_WORDS, Torn};
use shm::{LogReader, Read};
use std::path::PathBuf;

/// Why the next frame cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The archive is damaged, or cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Journal memory gave no frame.
    #[error(
        "journal memory, seq {seq}: {error}; stop the fastpath and start it again: it will say what to do"
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
    /// Neither of the two has it.
    #[error(
        "seqs {seq} to {to} are neither in the archive nor in journal memory; put the missing segments back into the archive directory",
        to = oldest.0.saturating_sub(1)
    )]
    Missing {
        /// Which comes next.
        seq: Seq,
        /// The first that journal memory has.
        oldest: Seq,
    },
}

impl FollowError {
    /// What is wrong, for whoever refers to what was said.
    fn brief(&self) -> String {
        match self {
            Self::Archive(error) => error.brief().to_string(),
            Self::Frame { seq, .. } | Self::Corrupt { seq } | Self::Missing { seq, .. } => {
                format!("seq {seq} cannot be read")
            }
        }
    }
}

/// Tells the operator that somebody cannot go on: the whole of it, unless another thread has said the same.
pub fn alarm(signals: &Signals, who: &str, error: &FollowError) {
    if signals.is_news(&error.to_string()) {
        say(format_args!("alarm: {who} stops: {error}"));
    } else {
        let brief = error.brief();
        say(format_args!(
            "alarm: {who} stops: {brief}; what to do was said before"
        ));
    }
}

/// Yields each frame of a shard once, from some seq on.
pub struct Follower {
    archive: Option<PathBuf>,
    shard: u16,
    memory: Option<LogReader>,
    /// Open while frames come from the archive.
    reader: Option<ArchiveReader>,
    next_seq: Seq,
    torn: Option<Torn>,
    lapped: u64,
    buffer: Box<FrameBuffer>,
}

impl Follower {
    /// Begins with the frame `first`. Either source may be absent.
    #[must_use]
    pub fn new(
        archive: Option<PathBuf>,
        shard: u16,
        memory: Option<LogReader>,
        first: Seq,
    ) -> Self {
        Self {
            archive,
            shard,
            memory,
            reader: None,
            next_seq: first,
            torn: None,
            lapped: 0,
            buffer: Box::new([0; MAX_FRAME_WORDS]),
        }
    }

    /// The frame that comes next.
    #[must_use]
    pub fn next_seq(&self) -> Seq {
        self.next_seq
    }

    /// Goes on with the frame `next`.
    pub fn go_to(&mut self, next: Seq) {
        self.reader = None;
        self.next_seq = next;
    }

    /// How often it had to go back to the archive because journal memory no longer had the frame.
    #[must_use]
    pub fn lapped(&self) -> u64 {
        self.lapped
    }

    /// The last frame that is committed in journal memory now; 0 without one.
    #[must_use]
    pub fn head(&self) -> Seq {
        Seq(self.memory.as_ref().map_or(0, LogReader::head))
    }

    /// What follows the archive's last whole frame, when its end was reached last.
    #[must_use]
    pub fn torn(&self) -> Option<Torn> {
        self.torn
    }

    /// The next frame; none at the end for now. Of the archive only frames up to what `archived` says are
    /// read: those above may still be cut off and written again. It is asked again if journal memory has
    /// lost the frame, which happens only once it is archived.
    ///
    /// # Errors
    /// [`FollowError`]. Asking again tries again.
    pub fn next(&mut self, archived: impl Fn() -> Seq) -> Result<Option<Frame<'_>>, FollowError> {
        let Some(words) = self.read(archived)? else {
            return Ok(None);
        };
        let seq = self.next_seq;
        let frame = Frame::parse(&self.buffer[..words])
            .map_err(|error| FollowError::Frame { seq, error })?;
        self.next_seq = seq.next();
        Ok(Some(frame))
    }

    fn read(&mut self, archived: impl Fn() -> Seq) -> Result<Option<usize>, FollowError> {
        let may_be_archived = self.archive.is_some() && self.next_seq <= archived();
        if may_be_archived
            && self.reader.is_some()
            && let Some(words) = self.read_archive()?
        {
            return Ok(Some(words));
        }
        self.reader = None;
        let read = match &self.memory {
            Some(memory) => memory.read_at(self.next_seq.0, &mut self.buffer),
            None => Read::Empty,
        };
        match read {
            Read::Frame(words) => Ok(Some(words)),
            Read::Corrupt => Err(FollowError::Corrupt { seq: self.next_seq }),
            Read::Empty if may_be_archived => self.read_archive(),
            Read::Empty => Ok(None),
            Read::Lapped => self.read_lapped(self.archive.is_some() && self.next_seq <= archived()),
        }
    }

    /// A frame that journal memory no longer has.
    fn read_lapped(&mut self, may_be_archived: bool) -> Result<Option<usize>, FollowError> {
        self.lapped += 1;
        let words = if may_be_archived {
            self.read_archive()?
        } else {
            None
        };
        if words.is_some() {
            return Ok(words);
        }
        let oldest = self.memory.as_ref().map_or(0, LogReader::oldest);
        Err(FollowError::Missing {
            seq: self.next_seq,
            oldest: Seq(oldest),
        })
    }

    /// The next frame from the archive, which is opened where it stands; none if it ends before.
    fn read_archive(&mut self) -> Result<Option<usize>, FollowError> {
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => match self.open_archive()? {
                Some(reader) => reader,
                None => return Ok(None),
            },
        };
        let reader = self.reader.insert(reader);
        let words = reader.next(&mut self.buffer);
        if !matches!(words, Ok(Some(_))) {
            self.torn = reader.tail().torn;
            self.reader = None;
        }
        Ok(words?)
    }

    fn open_archive(&mut self) -> Result<Option<ArchiveReader>, FollowError> {
        let Some(directory) = &self.archive else {
            return Ok(None);
        };
        let mut reader = ArchiveReader::open(directory, self.shard)?;
        match reader.seek(self.next_seq) {
            Ok(()) => Ok(Some(reader)),
            Err(ArchiveError::NotArchived { .. }) => {
                self.torn = reader.tail().torn;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}
