//! What holds the words, and checked places in it.

use crate::Word;
use std::sync::Arc;

/// Words between two positions that different threads write: two cache lines, because processors
/// fetch lines in pairs.
#[cfg(not(loom))]
pub const LINE_WORDS: usize = 16;
/// Words between two positions that different threads write. Loom has no cache lines, and pays for
/// every word.
#[cfg(loom)]
pub const LINE_WORDS: usize = 1;

#[cfg(not(target_pointer_width = "64"))]
compile_error!("positions are 64-bit and become places: Sluice runs on 64-bit machines only");

/// A count or place of words as an index.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "pointers have 64 bits, see above"
)]
pub(crate) const fn place(words: u64) -> usize {
    words as usize
}

/// Something that holds words: a mapping or a heap. Clones share the words.
pub trait Words: Clone + Send + Sync + 'static {
    /// The words; always the same ones.
    fn words(&self) -> &[Word];
    /// Whether this process may write them.
    fn writable(&self) -> bool;
}

/// Words inside one process.
#[derive(Clone, Debug)]
pub struct Heap(Arc<[Word]>);

impl Heap {
    /// `words` words of zero.
    #[must_use]
    pub fn new(words: usize) -> Self {
        Self((0..words).map(|_| Word::new(0)).collect())
    }
}

impl Words for Heap {
    #[inline]
    fn words(&self) -> &[Word] {
        &self.0
    }

    #[inline]
    fn writable(&self) -> bool {
        true
    }
}

/// One word in something that holds words.
#[derive(Clone, Debug)]
pub struct WordAt<W> {
    memory: W,
    at: usize,
}

impl<W: Words> WordAt<W> {
    /// The word at `at`.
    ///
    /// # Panics
    /// If there is no such word.
    #[must_use]
    pub fn new(memory: &W, at: usize) -> Self {
        assert!(at < memory.words().len(), "no word {at} in this memory");
        Self {
            memory: memory.clone(),
            at,
        }
    }

    /// The word.
    #[inline]
    #[must_use]
    pub fn word(&self) -> &Word {
        &self.memory.words()[self.at]
    }
}

/// Consecutive words in something that holds words.
#[derive(Clone, Debug)]
pub struct Span<W> {
    memory: W,
    at: usize,
    end: usize,
}

impl<W: Words> Span<W> {
    /// The `len` words from `at`.
    ///
    /// # Panics
    /// If there are not as many.
    #[must_use]
    pub fn new(memory: &W, at: usize, len: usize) -> Self {
        let end = at
            .checked_add(len)
            .filter(|end| *end <= memory.words().len());
        let end = end.expect("the memory holds the span");
        Self {
            memory: memory.clone(),
            at,
            end,
        }
    }

    /// The words.
    #[inline]
    #[must_use]
    pub fn words(&self) -> &[Word] {
        &self.memory.words()[self.at..self.end]
    }
}
