//! Blocks of the archive that were read lately.
//!
//! Invariant: a block is kept only if it is what was indexed: every frame whole, in its place.

use crate::index::Block;
use crate::trouble::Unreadable;
use domain::Seq;
use journal::{Extent, Frame, Position, Segments};
use std::collections::VecDeque;
use zerocopy::IntoBytes;

/// So many are kept: askers that are served in turn find theirs again.
const KEPT: usize = 32;

/// The frames of a block.
struct Loaded {
    first: Seq,
    words: Vec<u64>,
    /// Where each frame begins, in words.
    starts: Vec<usize>,
}

/// The blocks read last, the latest at the back.
#[derive(Default)]
pub(crate) struct Cache(VecDeque<Loaded>);

impl Cache {
    pub(crate) fn has(&self, block: &Block) -> bool {
        self.0.iter().any(|loaded| loaded.first == block.first)
    }

    /// Reads a block that is at `at` in the archive.
    pub(crate) fn load<S: Segments>(
        &mut self,
        source: &mut S,
        block: &Block,
        at: Position,
    ) -> Result<(), Unreadable> {
        let words = block.bytes as usize / 8;
        let mut loaded = Loaded {
            first: block.first,
            words: vec![0; words],
            starts: Vec::with_capacity(block.frames as usize),
        };
        let bytes = loaded.words.as_mut_bytes();
        let mut filled = 0;
        while filled < bytes.len() {
            let place = at.offset + filled as u64;
            let read = source.read(at.segment, place, &mut bytes[filled..]);
            match read.map_err(|error| Unreadable::Io { at, error })? {
                0 => return Err(Unreadable::Changed { at }),
                read => filled += read,
            }
        }
        loaded
            .find_frames(block)
            .ok_or(Unreadable::Changed { at })?;
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(loaded);
        Ok(())
    }

    /// A frame of a block that was loaded.
    pub(crate) fn frame(&mut self, block: &Block, seq: Seq) -> Option<Frame<'_>> {
        let place = self.0.iter().position(|l| l.first == block.first)?;
        let found = self.0.remove(place)?;
        self.0.push_back(found);
        let loaded = self.0.back()?;
        let number = usize::try_from(seq.0.checked_sub(loaded.first.0)?).ok()?;
        let start = *loaded.starts.get(number)?;
        let end = loaded.starts.get(number + 1).copied();
        let words = &loaded.words[start..end.unwrap_or(loaded.words.len())];
        Frame::parse(words).ok()
    }
}

impl Loaded {
    /// None if these are not the frames that were indexed.
    fn find_frames(&mut self, block: &Block) -> Option<()> {
        let mut at = 0;
        for number in 0..u64::from(block.frames) {
            let extent = Extent::peek(&self.words[at..]).ok()?;
            let frame = Frame::parse(self.words.get(at..at + extent.words)?).ok()?;
            if frame.header.seq.0 != block.first.0 + number {
                return None;
            }
            self.starts.push(at);
            at += extent.words;
        }
        (at == self.words.len()).then_some(())
    }
}
