//! The journal memory: one writer, many readers, of which only one holds the writer back.
//!
//! Two rings of words behind the region's header: `index`, by seq, and `data`. Positions count
//! words for ever; a position's place is `position mod capacity`. A frame of n words at position p
//! takes the *commit word* at p and the n words behind it. See `docs/JOURNAL.md`.
//!
//! The argument, in short. A frame is visible by its commit word alone: stored with release after
//! the frame's words, so who acquires it sees them. The word where the next commit word will stand
//! is set to 0 before, because what lies there from the lap before may be any content, and could
//! pass for a commit word. A reader may be overtaken while it copies. Therefore the writer announces
//! in `reserved` up to which position it is going to write, then fences, then writes; the reader
//! copies, then fences, then looks at `reserved`. If it copied a single new word, the two fences
//! order the announcement before the look, and the copy is void.

mod reader;
mod writer;

pub use reader::{LogReader, Read, SeekError};
pub use writer::{GateFault, LogError, LogWriter};

use crate::header::{HEADER_WORDS, Header, Identity, RegionSpec};
use crate::word::fence_at;
use crate::words::{LINE_WORDS, place};
use crate::{Heap, Word, Words, mutant};
use std::sync::atomic::Ordering;

/// Words of the largest frame: header, command, events.
pub const MAX_FRAME_WORDS: usize = 8 + 12 + 1024;

/// The first bytes of the journal's region.
pub const JOURNAL_MAGIC: [u8; 8] = *b"SLUICEJM";

/// Bits of a commit word that hold the length; the others hold the lap.
const LENGTH_BITS: u32 = 24;
const _: () = assert!(MAX_FRAME_WORDS < 1 << LENGTH_BITS);

/// The seq of the last frame; one less than `FIRST` if there is none.
const HEAD: usize = HEADER_WORDS;
/// The position up to which words may be new.
const RESERVED: usize = HEAD + LINE_WORDS;
/// The seq of the first frame that was ever in this memory.
const FIRST: usize = RESERVED + LINE_WORDS;
const INDEX: usize = FIRST + LINE_WORDS;

/// The least words of data: room for two of the largest frames, because the last one is kept while
/// the next is written. Loom's models are smaller, and so are their frames.
const LEAST_WORDS: usize = if cfg!(loom) { 4 } else { 4096 };
const _: () = assert!(cfg!(loom) || LEAST_WORDS > 2 * (1 + MAX_FRAME_WORDS));

/// The region for a journal memory of `frames` frames and `words` words of data.
///
/// # Panics
/// If one of the two is not a power of two, `frames` is below 4, or `words` is below 4096.
#[must_use]
pub fn journal_spec(frames: usize, words: usize) -> RegionSpec {
    assert!(
        words >= LEAST_WORDS,
        "{words} words: fewer than {LEAST_WORDS}"
    );
    spec(frames, words)
}

fn spec(frames: usize, words: usize) -> RegionSpec {
    assert!(
        frames.is_power_of_two() && frames >= 4,
        "{frames} frames: not a power of two from 4"
    );
    assert!(
        words.is_power_of_two() && words >= 4,
        "{words} words: not a power of two from 4"
    );
    RegionSpec {
        magic: JOURNAL_MAGIC,
        words: INDEX + frames + words,
        parameters: [frames as u64, words as u64, 0, 0, 0, 0, 0, 0],
    }
}

/// A journal memory inside this process, for tests and simulation. With fewer than 4096 words it
/// takes the smaller frames only.
///
/// # Panics
/// If one of the two is not a power of two, or below 4.
#[must_use]
pub fn heap(frames: usize, words: usize) -> Heap {
    let spec = spec(frames, words);
    let memory = Heap::new(spec.words);
    Header::write(
        &memory,
        &spec,
        &Identity {
            shard: 0,
            boot_id: [0; 2],
            epoch: 0,
        },
    );
    memory
}

/// Where index and data lie, and what writer and readers do alike. Sizes are read once.
struct LogMemory<W> {
    memory: W,
    frames: u64,
    capacity: u64,
    data: usize,
}

impl<W: Words> LogMemory<W> {
    fn open(memory: W) -> Result<Self, LogError> {
        let words = memory.words().len();
        let header = Header::of(&memory).ok_or(LogError::Layout {
            words,
            frames: 0,
            data: 0,
        })?;
        let [frames, data, ..] = header.parameters();
        let refused = LogError::Layout {
            words,
            frames,
            data,
        };
        let fits = frames
            .checked_add(data)
            .and_then(|sum| sum.checked_add(INDEX as u64));
        if !(fits == Some(words as u64)
            && frames.is_power_of_two()
            && data.is_power_of_two()
            && frames >= 4
            && data >= 4)
        {
            return Err(refused);
        }
        Ok(Self {
            memory,
            frames,
            capacity: data,
            data: INDEX + place(frames),
        })
    }

    #[inline]
    fn head(&self) -> &Word {
        &self.memory.words()[HEAD]
    }

    #[inline]
    fn reserved(&self) -> &Word {
        &self.memory.words()[RESERVED]
    }

    #[inline]
    fn first(&self) -> &Word {
        &self.memory.words()[FIRST]
    }

    /// Holds the position of the frame `seq`, or of one that came a multiple of `frames` later.
    #[inline]
    fn index(&self, seq: u64) -> &Word {
        &self.memory.words()[INDEX + place(seq & (self.frames - 1))]
    }

    /// The word of `position`.
    #[inline]
    fn word(&self, position: u64) -> &Word {
        &self.memory.words()[self.data + self.place(position)]
    }

    #[inline]
    fn place(&self, position: u64) -> usize {
        place(position & (self.capacity - 1))
    }

    /// The `len` words from `position` on: those up to the end of the ring, and those from its start.
    #[inline]
    fn run(&self, position: u64, len: usize) -> (&[Word], &[Word]) {
        let data = &self.memory.words()[self.data..];
        let (before, from) = data.split_at(self.place(position));
        let first = len.min(from.len());
        (&from[..first], &before[..len - first])
    }

    /// The commit word of a frame of `len` words at `position`.
    #[inline]
    fn commit_word(&self, position: u64, len: u64) -> u64 {
        (position / self.capacity + 1) << LENGTH_BITS | len
    }

    /// The length that `commit` gives to a frame at `position`, if it is of this lap and possible.
    #[inline]
    fn length(&self, position: u64, commit: u64) -> Option<usize> {
        let len = commit & ((1 << LENGTH_BITS) - 1);
        let possible = len >= 1
            && len <= MAX_FRAME_WORDS as u64
            && len + 2 <= self.capacity
            && commit == self.commit_word(position, len);
        possible.then_some(place(len))
    }

    /// Whether words from `position` on may have been overwritten, given what was reserved. The
    /// position is never above that but in damaged memory, where this says so too.
    #[inline]
    fn is_lapped(&self, position: u64, reserved: u64) -> bool {
        reserved.wrapping_sub(position) > self.capacity
    }

    /// Whether the index may no longer hold the position of `seq`, given the head: the entry is
    /// overwritten by the frame `seq + frames`, which begins when the head is one less.
    #[inline]
    fn is_unindexed(&self, seq: u64, head: u64) -> bool {
        head.wrapping_sub(seq) >= self.frames - 1
    }

    /// The first seq that was whole when `head` and `reserved` were read. Entries of the index are
    /// in order, so half of them fall away at each step.
    fn oldest(&self, head: u64, reserved: u64) -> u64 {
        let mut low = self
            .first()
            .get()
            .max(1)
            .max(head.saturating_sub(self.frames - 2));
        let mut high = head.saturating_add(1);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.is_lapped(self.index(middle).get(), reserved) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The position of the frame `seq`, if the memory still has it.
    fn locate(&self, seq: u64) -> Result<u64, SeekError> {
        // ORDER: pairs with the release of the head in `LogWriter::append`: the index has an entry
        // for every seq up to it.
        let head = self.head().load_at("log.head.observe", Ordering::Acquire);
        if seq > head {
            return Err(SeekError::NotYet);
        }
        let first = self.first().get().max(1);
        if seq < first || self.is_unindexed(seq, head) {
            return Err(self.too_old());
        }
        let position = self.index(seq).get();
        // ORDER: pairs with the release fence in `LogWriter::append`: if the entry is that of a
        // later frame, then the head before that frame and its reservation are visible now.
        fence_at("log.locate.fence", Ordering::Acquire);
        let unindexed = self.is_unindexed(seq, self.head().get());
        if !mutant::check("log.index", !unindexed)
            || self.is_lapped(position, self.reserved().get())
        {
            return Err(self.too_old());
        }
        Ok(position)
    }

    #[cold]
    fn too_old(&self) -> SeekError {
        SeekError::TooOld {
            oldest: self.oldest(self.head().acquire(), self.reserved().get()),
        }
    }
}
