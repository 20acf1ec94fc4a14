//! The one writer of the journal memory.

use super::{LogMemory, MAX_FRAME_WORDS};
use crate::word::fence_at;
use crate::{Memory, Words, mutant};
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::Ordering;

/// Positions and seqs beyond this one come from damaged memory: at a word a nanosecond they take a
/// century.
const LAST_POSITION: u64 = 1 << 62;

/// Why a journal memory cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The header does not describe a journal memory of this size.
    #[error(
        "journal memory of {words} words with {frames} frames and {data} words of data: its header is damaged; stop its writer, remove the region, and recover from the archive"
    )]
    Layout {
        /// Words of the region.
        words: usize,
        /// Frames of the index, as the header says.
        frames: u64,
        /// Words of the data, as the header says.
        data: u64,
    },
    /// The last frame is not where the index says, or beyond what was reserved.
    #[error(
        "journal memory: frame {head} is not at position {position}; the memory is damaged: remove the region and recover from the archive"
    )]
    Head {
        /// The seq of the last frame.
        head: u64,
        /// Where it should be.
        position: u64,
    },
    /// It holds frames already.
    #[error(
        "journal memory already holds frames up to {head}; only an empty one starts at a chosen seq"
    )]
    NotEmpty {
        /// The seq of the last frame.
        head: u64,
    },
    /// It is mapped for reading.
    #[error("journal memory is mapped for reading only; open it as its writer")]
    ReadOnly,
}

/// A gate that cannot be: it was ignored. Count it; it comes from the archiver's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GateFault {
    /// It lies before an earlier one.
    #[error("progress went back from {gate} to {durable}; restart the archiver")]
    Backwards {
        /// The gate in force.
        gate: u64,
        /// The refused one.
        durable: u64,
    },
    /// It lies beyond the last frame.
    #[error("progress {durable} is beyond the last frame {head}; restart the archiver")]
    BeyondHead {
        /// The seq of the last frame.
        head: u64,
        /// The refused gate.
        durable: u64,
    },
}

/// Writes frames; each becomes visible as a whole or not at all.
pub struct LogWriter<W = Memory> {
    log: LogMemory<W>,
    /// The seq of the last frame.
    head: u64,
    /// The position of the next commit word.
    end: u64,
    /// The position of the last frame, which is never overwritten: by it the next writer finds
    /// where to go on, also if this one is killed within the frame after it.
    last: u64,
    /// The position up to which words may be new. It can be above `end` when a writer was killed
    /// within a frame, and never goes back: what that one has overwritten stays overwritten.
    reserved: u64,
    /// Frames up to this seq may be overwritten.
    gate: u64,
    /// The position of the frame after the gate.
    gate_position: u64,
    not_sync: PhantomData<Cell<()>>,
}

impl<W: Words> LogWriter<W> {
    /// The writer of `memory`, behind the last frame that is whole: one without commit word did not
    /// happen. The gate is before the oldest frame that is still there.
    ///
    /// # Errors
    /// If the memory is not one that a writer left.
    pub fn attach(memory: W) -> Result<Self, LogError> {
        if !memory.writable() {
            return Err(LogError::ReadOnly);
        }
        let log = LogMemory::open(memory)?;
        let first = log.first().get().max(1);
        let mut head = log.head().get().max(first - 1);
        let (mut last, mut end) = (0, 0);
        if head >= first {
            let position = log.index(head).get();
            let refused = LogError::Head { head, position };
            let len = log
                .length(position, log.word(position).get())
                .ok_or(refused)?;
            last = position;
            end = position.checked_add(1 + len as u64).ok_or(refused)?;
        }
        // Killed between commit word and head: the frame happened, readers may have seen it.
        if let Some(len) = log.length(end, log.word(end).get()) {
            head = head.saturating_add(1);
            let refused = LogError::Head {
                head,
                position: end,
            };
            if log.index(head).get() != end {
                return Err(refused);
            }
            last = end;
            end = end.checked_add(1 + len as u64).ok_or(refused)?;
        }
        let reserved = log.reserved().get();
        let oldest = log.oldest(head, reserved);
        let gate_position = if oldest > head {
            end
        } else {
            log.index(oldest).get()
        };
        let gate = oldest - 1;
        let whole = |from: u64, to: u64| to.checked_sub(from).is_some_and(|n| n <= log.capacity);
        if !(whole(end, reserved) && whole(gate_position, end)) || end.max(head) > LAST_POSITION {
            return Err(LogError::Head {
                head,
                position: end,
            });
        }
        log.first().set(first);
        log.head().release(head);
        Ok(Self {
            log,
            head,
            end,
            last,
            reserved,
            gate,
            gate_position,
            not_sync: PhantomData,
        })
    }

    /// Makes `seq` (from 1) the first frame of an empty memory.
    ///
    /// # Errors
    /// If it holds frames.
    pub fn start_at(&mut self, seq: u64) -> Result<(), LogError> {
        if self.end != 0 {
            return Err(LogError::NotEmpty { head: self.head });
        }
        let seq = seq.max(1);
        // `first` before `head`: killed in between, the memory is still empty.
        self.log.first().set(seq);
        self.head = seq - 1;
        self.gate = self.head;
        self.log.head().release(self.head);
        Ok(())
    }

    /// Whether a frame of `frame_words` words can be appended: afterwards the frame before it and
    /// every frame above the gate are still whole and indexed, and the next commit word has its
    /// place.
    #[inline]
    #[must_use]
    pub fn has_room(&self, frame_words: usize) -> bool {
        let kept = self.gate_position.min(self.last);
        let touched = (self.end + frame_words as u64 + 2).wrapping_sub(kept);
        let indexed = self.head + 1 - self.gate;
        (1..=MAX_FRAME_WORDS).contains(&frame_words)
            && mutant::check("log.room.data", touched <= self.log.capacity)
            && mutant::check("log.room.index", indexed < self.log.frames)
    }

    /// Words and frames that can still be appended, each frame with one more word than its own.
    #[inline]
    #[must_use]
    pub fn free(&self) -> (u64, u64) {
        let used = self.end.wrapping_sub(self.gate_position.min(self.last));
        let words = self.log.capacity.saturating_sub(used + 2);
        (
            words,
            self.log.frames.saturating_sub(self.head + 1 - self.gate),
        )
    }

    /// Appends `frame` and makes it visible. Its seq, which is returned, is one more than the last.
    ///
    /// # Panics
    /// If [`Self::has_room`] says no.
    #[inline]
    pub fn append(&mut self, frame: &[u64]) -> u64 {
        assert!(self.has_room(frame.len()), "append without asking for room");
        let log = &self.log;
        let seq = self.head + 1;
        let next = self.end + 1 + frame.len() as u64;

        self.reserved = self.reserved.max(next + 1);
        log.reserved().set(self.reserved);
        // ORDER: pairs with the acquire fences in `LogReader` and `LogMemory::locate`: a reader
        // that finds one of the words written below sees this reservation and the head before.
        fence_at("log.reserve.fence", Ordering::Release);

        log.index(seq).set(self.end);
        let (before_end, from_start) = log.run(self.end + 1, frame.len());
        let (head_part, tail_part) = frame.split_at(before_end.len());
        for (word, value) in before_end.iter().zip(head_part) {
            word.set(*value);
        }
        for (word, value) in from_start.iter().zip(tail_part) {
            word.set(*value);
        }
        if mutant::keeps("log.zero") {
            log.word(next).set(0);
        }
        // ORDER: pairs with the acquire in `LogReader::read`: who sees the commit word sees the
        // frame, and 0 where the next commit word will be.
        log.word(self.end).store_at(
            "log.commit",
            log.commit_word(self.end, frame.len() as u64),
            Ordering::Release,
        );
        // ORDER: pairs with the acquire in `LogMemory::locate`: the index holds this seq.
        log.head().store_at("log.head", seq, Ordering::Release);
        self.head = seq;
        self.last = self.end;
        self.end = next;
        seq
    }

    /// The seq of the last frame, also if it was in another memory; 0 if there never was one.
    #[inline]
    #[must_use]
    pub fn head(&self) -> u64 {
        self.head
    }

    /// The first seq that is still whole; one more than the head if none is. For start-up: it
    /// searches.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        self.log.oldest(self.head, self.reserved)
    }

    /// The gate in force: frames up to this seq may be overwritten.
    #[inline]
    #[must_use]
    pub fn gate_seq(&self) -> u64 {
        self.gate
    }

    /// Allows frames up to `durable_seq` to be overwritten.
    ///
    /// # Errors
    /// If that goes back or lies beyond the last frame. Then nothing changes.
    #[inline]
    pub fn gate(&mut self, durable_seq: u64) -> Result<(), GateFault> {
        if durable_seq == self.gate {
            return Ok(());
        }
        if durable_seq < self.gate {
            return Err(GateFault::Backwards {
                gate: self.gate,
                durable: durable_seq,
            });
        }
        if durable_seq > self.head {
            return Err(GateFault::BeyondHead {
                head: self.head,
                durable: durable_seq,
            });
        }
        self.gate = durable_seq;
        self.gate_position = if durable_seq == self.head {
            self.end
        } else {
            self.log.index(durable_seq + 1).get()
        };
        Ok(())
    }
}
