//! Where feed numbers stand in the journal.
//!
//! Data: blocks of frames that follow each other, each with its first seq, the first feed number in it or behind
//! it, and its place in the archive if it has one. Owner: [`crate::History`]. Invariant: blocks and their feed numbers
//! are in order, so both are searched by halving; a block is only ever added behind the last one or let go at the front.

use core::ops::Range;
use domain::Seq;
use journal::{Frame, Position};
use std::collections::VecDeque;

/// A block ends before the frame that would take it beyond so many bytes: what is read to find one message.
pub(crate) const BLOCK_BYTES: u32 = 1 << 16;
/// Of a block behind which no public event has been seen yet. Larger than any feed number.
const NOT_KNOWN: u64 = u64::MAX;

/// Frames that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Its first frame.
    pub(crate) first: Seq,
    /// How many frames it has.
    pub(crate) frames: u32,
    /// How many bytes.
    pub(crate) bytes: u32,
    /// Where its first frame stands in the archive; none if it is known from journal memory alone.
    pub(crate) at: Option<Position>,
    /// The number of the first public event in it or behind it.
    feed: u64,
}

impl Block {
    /// The seq behind its last frame.
    pub(crate) fn end(&self) -> Seq {
        Seq(self.first.0 + u64::from(self.frames))
    }

    fn takes(&self, bytes: u32, at: Option<Position>) -> bool {
        let segment = |at: Option<Position>| at.map(|at| at.segment);
        self.bytes + bytes <= BLOCK_BYTES && segment(self.at) == segment(at)
    }
}

/// An index of a stretch of the journal.
#[derive(Debug)]
pub(crate) struct Index {
    blocks: VecDeque<Block>,
    /// The frame that comes next.
    next_seq: Seq,
    /// The feed number that comes next; none before the first public event.
    next_feed: Option<u64>,
    /// Of the last frame.
    epoch: Option<u32>,
}

impl Index {
    /// An empty one that begins with the frame `first`.
    pub(crate) fn new(first: Seq) -> Self {
        Self {
            blocks: VecDeque::new(),
            next_seq: first,
            next_feed: None,
            epoch: None,
        }
    }

    pub(crate) fn next_seq(&self) -> Seq {
        self.next_seq
    }

    pub(crate) fn next_feed(&self) -> Option<u64> {
        self.next_feed
    }

    pub(crate) fn epoch(&self) -> Option<u32> {
        self.epoch
    }

    /// Takes note of the next frame, which stands in the archive `at`.
    pub(crate) fn note(&mut self, frame: &Frame<'_>, at: Option<Position>) {
        let bytes = u32::try_from(8 * frame.words()).expect("a frame is shorter than 2^32 bytes");
        if self.blocks.back().is_none_or(|last| !last.takes(bytes, at)) {
            self.blocks.push_back(Block {
                first: frame.header.seq,
                frames: 0,
                bytes: 0,
                at,
                feed: NOT_KNOWN,
            });
        }
        if let Some(last) = self.blocks.back_mut() {
            last.frames += 1;
            last.bytes += bytes;
        }
        self.next_seq = frame.header.seq.next();
        self.epoch = Some(frame.header.epoch);
        let mut numbers = frame.events().flatten().filter_map(|event| event.feed_no());
        if let Some(first) = numbers.next() {
            self.first_public(first);
            self.next_feed = Some(numbers.last().unwrap_or(first).saturating_add(1));
        }
    }

    /// The first public event behind all blocks that wait for one.
    fn first_public(&mut self, number: u64) {
        let waiting = self.blocks.iter_mut().rev();
        for block in waiting.take_while(|block| block.feed == NOT_KNOWN) {
            block.feed = number;
        }
    }

    /// Lets go what stands before the frame `seq`, by whole blocks.
    pub(crate) fn let_go_before(&mut self, seq: Seq) {
        while self.blocks.front().is_some_and(|block| block.end() <= seq) {
            self.blocks.pop_front();
        }
    }

    /// The block that holds the message with this feed number.
    pub(crate) fn of_feed(&self, number: u64) -> Option<Block> {
        if self.next_feed.is_none_or(|next| number >= next) {
            return None;
        }
        let behind = self.blocks.partition_point(|block| block.feed <= number);
        self.blocks.get(behind.checked_sub(1)?).copied()
    }

    /// The number of the last block.
    pub(crate) fn last_block(&self) -> usize {
        self.blocks.len().saturating_sub(1)
    }

    /// The frames of so many blocks from one on.
    pub(crate) fn frames(&self, block: usize, blocks: usize) -> Range<u64> {
        let start = self.blocks.get(block).map_or(self.next_seq, |b| b.first);
        let end = self.blocks.get(block.saturating_add(blocks));
        start.0..end.map_or(self.next_seq, |b| b.first).0
    }

    /// The block that holds the frame.
    pub(crate) fn of_seq(&self, seq: Seq) -> Option<Block> {
        let behind = self.blocks.partition_point(|block| block.first <= seq);
        let block = self.blocks.get(behind.checked_sub(1)?).copied()?;
        (seq < block.end()).then_some(block)
    }
}
