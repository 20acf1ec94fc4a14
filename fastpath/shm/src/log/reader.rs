//! Readers of the journal memory: each with its own position, none with a claim on it.

use super::{LogError, LogMemory, MAX_FRAME_WORDS};
use crate::word::fence_at;
use crate::{Memory, Words, mutant};
use std::sync::atomic::Ordering;

/// What a look at the journal memory gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// The frame is not there yet.
    Empty,
    /// The frame is in the buffer: so many words. Its content is still to be checked.
    Frame(usize),
    /// The frame was overwritten: go on from the archive. The buffer holds nothing of use.
    Lapped,
    /// There is something that no writer wrote. The buffer holds nothing of use.
    Corrupt,
}

/// Why a seq cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeekError {
    /// It was overwritten.
    #[error("no longer in journal memory, which begins at {oldest}; read it from the archive")]
    TooOld {
        /// The first seq that was whole a moment ago.
        oldest: u64,
    },
    /// It was not written yet.
    #[error("not yet in journal memory; try again later")]
    NotYet,
}

/// Reads frames one after another.
pub struct LogReader<W = Memory> {
    log: LogMemory<W>,
    next_seq: u64,
    /// The position of the next frame, once it is known.
    position: Option<u64>,
}

impl<W: Words> LogReader<W> {
    /// A reader whose next frame is `next_seq` (from 1). Whether the memory still has that one, or
    /// has it already, shows at [`Self::poll`].
    ///
    /// # Errors
    /// If the header does not describe a journal memory.
    pub fn new(memory: W, next_seq: u64) -> Result<Self, LogError> {
        Ok(Self {
            log: LogMemory::open(memory)?,
            next_seq: next_seq.max(1),
            position: None,
        })
    }

    /// The seq of the frame that comes next.
    #[inline]
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The seq of the last frame in the memory, also if it was in another memory.
    #[inline]
    #[must_use]
    pub fn head(&self) -> u64 {
        self.log.head().acquire()
    }

    /// The first seq that was whole a moment ago; one more than the head if none was. It searches.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        self.log.oldest(self.head(), self.log.reserved().get())
    }

    /// Copies the next frame to `out` and goes on behind it; otherwise stays.
    #[inline]
    pub fn poll(&mut self, out: &mut [u64; MAX_FRAME_WORDS]) -> Read {
        let position = match self.position {
            Some(position) => position,
            None => match self.log.locate(self.next_seq) {
                Ok(position) => position,
                Err(SeekError::NotYet) => return Read::Empty,
                Err(SeekError::TooOld { .. }) => return Read::Lapped,
            },
        };
        self.position = Some(position);
        let read = self.log.read(position, out);
        if let Read::Frame(len) = read {
            self.position = Some(position.wrapping_add(1 + len as u64));
            self.next_seq = self.next_seq.wrapping_add(1);
        }
        read
    }

    /// Makes `seq` the next frame: one that is in the memory, or the one after the last.
    ///
    /// # Errors
    /// If it is neither. Then the reader stays where it was.
    pub fn seek(&mut self, seq: u64) -> Result<(), SeekError> {
        let position = match self.log.locate(seq) {
            Ok(position) => Some(position),
            Err(SeekError::NotYet) if seq.checked_sub(1) == Some(self.head()) => None,
            Err(refused) => return Err(refused),
        };
        self.position = position;
        self.next_seq = seq;
        Ok(())
    }

    /// Copies the frame `seq` to `out` without moving: [`Read::Empty`] if it is not there yet,
    /// [`Read::Lapped`] if it is there no longer.
    pub fn read_at(&self, seq: u64, out: &mut [u64; MAX_FRAME_WORDS]) -> Read {
        match self.log.locate(seq) {
            Ok(position) => self.log.read(position, out),
            Err(SeekError::NotYet) => Read::Empty,
            Err(SeekError::TooOld { .. }) => Read::Lapped,
        }
    }
}

impl<W: Words> LogMemory<W> {
    /// Copies the frame at `position` to `out`.
    #[inline]
    fn read(&self, position: u64, out: &mut [u64; MAX_FRAME_WORDS]) -> Read {
        // ORDER: pairs with the release of the commit word in `LogWriter::append`: the words that
        // are copied below are those of this frame or later ones. If it is a word of a later frame,
        // it pairs with the release fence there, and the reservation is visible.
        let commit = self
            .word(position)
            .load_at("log.observe", Ordering::Acquire);
        let Some(len) = self.length(position, commit) else {
            return self.not_a_frame(position, commit);
        };
        let (before_end, from_start) = self.run(position.wrapping_add(1), len);
        let (head_part, tail_part) = out[..len].split_at_mut(before_end.len());
        for (value, word) in head_part.iter_mut().zip(before_end) {
            *value = word.get();
        }
        for (value, word) in tail_part.iter_mut().zip(from_start) {
            *value = word.get();
        }
        // ORDER: pairs with the release fence in `LogWriter::append`: if one of the words copied is
        // of a later frame, the reservation of that frame is visible now.
        fence_at("log.read.fence", Ordering::Acquire);
        let lapped = self.is_lapped(position, self.reserved().get());
        if mutant::check("log.lapped", !lapped) {
            Read::Frame(len)
        } else {
            Read::Lapped
        }
    }

    /// What a word is that is no commit word of a frame at `position`.
    #[inline]
    fn not_a_frame(&self, position: u64, commit: u64) -> Read {
        if self.is_lapped(position, self.reserved().get()) {
            Read::Lapped
        } else if commit == 0 {
            Read::Empty
        } else {
            Read::Corrupt
        }
    }
}
