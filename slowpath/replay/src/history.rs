//! The journal by feed number: from journal memory where it has the frame, else from the archive.
//!
//! Data: an index of what is archived, one of what journal memory has beyond or before that is indexed, and the blocks
//! read last. Owner: the thread that answers. Invariants: nothing above what was told is ever indexed, and what is
//! not indexed is not read; all of it follows from the journal, so nothing is kept across a start.

use crate::index::{Block, Index};
use crate::loaded::Cache;
use crate::sessions::{Access, SPAN, Sessions};
use crate::trouble::Unreadable;
use crate::work::Work;
use core::ops::Range;
use domain::{Seq, SessionId};
use journal::{ArchiveReader, Frame, FrameBuffer, MAX_FRAME_WORDS, MemoryRead, Position, Segments};
use std::io;
use std::time::Duration;
use wire::market_data::{Message, SessionName, Stamp};

/// Wait before an archive that could not be read is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How far others are with the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The last frame of which everything was handed to the port.
    pub told: Seq,
    /// The last frame that is archived for certain.
    pub durable: Seq,
}

/// Where a walk through the feed goes on: the messages before the next one stand before this frame, or in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint(Seq);

/// Whose journal it is, and in which epoch that is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The shard.
    pub shard: u16,
    /// The epoch.
    pub epoch: u32,
}

/// Where frames can be had.
pub trait Sources {
    /// What the archive lies in.
    type Archive: Segments;

    /// Opens the archive for reading; asked again after an error.
    ///
    /// # Errors
    /// What the file system says.
    fn open_archive(&mut self) -> io::Result<Self::Archive>;

    /// Copies the frame `seq` from journal memory.
    fn memory(&mut self, seq: Seq, into: &mut FrameBuffer) -> MemoryRead;
}

/// The journal of a shard, as far as it was told.
pub struct History<S: Sources> {
    shard: u16,
    sources: S,
    /// Reads the archive once, in order.
    reader: Option<ArchiveReader<S::Archive>>,
    /// Reads blocks of it.
    blocks: Option<S::Archive>,
    archived: Index,
    /// What journal memory has, as far as `archived` does not reach yet.
    recent: Index,
    /// Of what is archived. A block's number is its place in `archived`, which lets none go.
    sessions: Sessions,
    /// The archive was indexed to its end once, and has been readable since.
    is_whole: bool,
    cache: Cache,
    retry_at: Duration,
    trouble: Option<Unreadable>,
    buffer: Box<FrameBuffer>,
}

impl<S: Sources> History<S> {
    /// Of the shard; nothing is indexed yet.
    #[must_use]
    pub fn new(shard: u16, sources: S) -> Self {
        Self {
            shard,
            sources,
            reader: None,
            blocks: None,
            archived: Index::new(Seq(1)),
            recent: Index::new(Seq(1)),
            sessions: Sessions::default(),
            is_whole: false,
            cache: Cache::default(),
            retry_at: Duration::ZERO,
            trouble: None,
            buffer: Box::new([0; MAX_FRAME_WORDS]),
        }
    }

    /// What keeps the archive from being read, if anything does.
    #[must_use]
    pub fn trouble(&self) -> Option<&Unreadable> {
        self.trouble.as_ref()
    }

    /// The last frame up to which the archive is indexed.
    #[must_use]
    pub fn indexed(&self) -> Seq {
        Seq(self.archived.next_seq().0 - 1)
    }

    /// The feed's session now; none as long as no frame is known.
    #[must_use]
    pub fn session(&self) -> Option<SessionName> {
        let Place { shard, epoch } = self.place()?;
        Some(SessionName::new(shard, epoch))
    }

    /// The feed number that comes next, as far as is known; none before the first.
    #[must_use]
    pub fn next_feed(&self) -> Option<u64> {
        self.recent.next_feed().max(self.archived.next_feed())
    }

    /// What was read ahead of the archive may be there no more: the archiver has opened it anew.
    pub fn forget_read_ahead(&mut self) {
        self.reader = None;
    }

    /// Indexes what has come, up to what was told. `now` is the time since any one moment, by a clock that is never set.
    /// Says how many frames.
    pub fn advance(&mut self, now: Duration, progress: Progress, work: &mut Work) -> usize {
        let before = work.frames;
        // First what is new: it is asked for most.
        self.index_memory(progress.told, work);
        if now >= self.retry_at {
            let up_to = progress.durable.min(progress.told);
            match self.index_archive(up_to, work) {
                Ok(()) => self.trouble = None,
                Err(error) => {
                    self.reader = None;
                    self.fail(error, now);
                }
            }
        }
        before - work.frames
    }

    fn fail(&mut self, error: Unreadable, now: Duration) {
        self.blocks = None;
        self.is_whole = false;
        self.retry_at = now + RETRY;
        self.trouble = Some(error);
    }

    fn index_memory(&mut self, told: Seq, work: &mut Work) {
        self.recent.let_go_before(self.archived.next_seq());
        if self.recent.next_seq() < self.archived.next_seq() {
            self.recent = Index::new(self.archived.next_seq());
        }
        while self.recent.next_seq() <= told && !work.is_done() {
            let seq = self.recent.next_seq();
            let words = match self.sources.memory(seq, &mut self.buffer) {
                MemoryRead::Frame(words) => words,
                MemoryRead::Gone { oldest } if oldest > seq => {
                    self.recent = Index::new(oldest);
                    continue;
                }
                MemoryRead::Gone { .. } | MemoryRead::End | MemoryRead::Corrupt => return,
            };
            work.frame();
            // What does not parse, the archive will have.
            let frame = Frame::parse(&self.buffer[..words]).ok();
            let Some(frame) = frame.filter(|frame| frame.header.seq == seq) else {
                return;
            };
            self.recent.note(&frame, None);
        }
    }

    fn index_archive(&mut self, up_to: Seq, work: &mut Work) -> Result<(), Unreadable> {
        while self.archived.next_seq() <= up_to && !work.is_done() {
            let reader = match &mut self.reader {
                Some(reader) => reader,
                None => {
                    let source = self.sources.open_archive().map_err(Unreadable::Open)?;
                    let mut reader = ArchiveReader::over(source, self.shard)?;
                    reader.seek(self.archived.next_seq())?;
                    self.reader.insert(reader)
                }
            };
            let read = reader.next(&mut self.buffer)?;
            let (Some(words), Some(end)) = (read, reader.position()) else {
                // Durable and not there: what was read ahead may be of a file that was cut since.
                self.reader = None;
                return Ok(());
            };
            work.frame();
            let at = Position {
                offset: end.offset - 8 * words as u64,
                ..end
            };
            // The reader has checked it.
            let Ok(frame) = Frame::parse(&self.buffer[..words]) else {
                return Ok(());
            };
            self.archived.note(&frame, Some(at));
            self.sessions.note(&frame, self.archived.last_block());
        }
        self.is_whole |= self.archived.next_seq() > up_to && up_to > Seq(0);
        Ok(())
    }

    /// The shard, and its epoch now; none as long as no frame is known.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        let epoch = self.recent.epoch().or(self.archived.epoch())?;
        let shard = self.shard;
        Some(Place { shard, epoch })
    }

    /// How a session is spoken to, as the archive says; none as long as it has not been read to its end.
    #[must_use]
    pub fn access(&self, session: SessionId) -> Option<Access> {
        self.is_whole
            .then(|| self.sessions.access(session))
            .flatten()
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// The frames among which something of a session stands that begins with this block.
    pub(crate) fn span(&self, block: usize) -> Range<u64> {
        self.archived.frames(block, SPAN)
    }

    /// The same, before another block.
    pub(crate) fn span_before(&self, block: usize, other: usize) -> Range<u64> {
        self.archived.frames(block, SPAN.min(other - block))
    }

    /// One more than the last block's number.
    pub(crate) fn blocks(&self) -> usize {
        self.archived.last_block() + 1
    }

    fn block_of_feed(&self, number: u64) -> Option<Block> {
        self.archived
            .of_feed(number)
            .or_else(|| self.recent.of_feed(number))
    }

    /// Gives the messages `from .. to` to `each`, in order, until it says false; says which number comes next. That is
    /// less than `to` if the rest is not known, or if there is no work left. `hint` makes the next call short.
    ///
    /// # Errors
    /// [`Unreadable`] if the archive cannot be read; it is then tried again after a while.
    pub fn feed(
        &mut self,
        from: u64,
        to: u64,
        hint: &mut Option<Hint>,
        work: &mut Work,
        each: &mut impl FnMut(&Message) -> bool,
    ) -> Result<u64, Unreadable> {
        let mut number = from;
        while number < to
            && !work.is_done()
            && let Some(block) = self.block_of_feed(number)
        {
            let before = number;
            let known = hint.map_or(block.first, |Hint(seq)| seq);
            let mut seq = known.max(block.first);
            while number < to && seq < block.end() && !work.is_done() {
                *hint = Some(Hint(seq));
                let Some(frame) = self.frame(seq, work)? else {
                    return Ok(number);
                };
                if !messages_of(&frame, &mut number, to, each) {
                    return Ok(number);
                }
                seq = seq.next();
                *hint = Some(Hint(seq));
            }
            if seq >= block.end() && number == before {
                // The index says that it is here, and it is not: nothing is gained by looking again.
                return Ok(number);
            }
        }
        Ok(number)
    }

    /// A frame that is indexed; none if neither journal memory nor the archive has it now.
    pub(crate) fn frame(
        &mut self,
        seq: Seq,
        work: &mut Work,
    ) -> Result<Option<Frame<'_>>, Unreadable> {
        work.frame();
        if let MemoryRead::Frame(words) = self.sources.memory(seq, &mut self.buffer) {
            let frame = Frame::parse(&self.buffer[..words]).ok();
            return Ok(frame.filter(|frame| frame.header.seq == seq));
        }
        let block = self.archived.of_seq(seq);
        let Some((block, at)) = block.and_then(|block| Some((block, block.at?))) else {
            return Ok(None);
        };
        if !self.cache.has(&block) {
            let source = match &mut self.blocks {
                Some(source) => source,
                None => self
                    .blocks
                    .insert(self.sources.open_archive().map_err(Unreadable::Open)?),
            };
            work.bytes(block.bytes as usize);
            if let Err(error) = self.cache.load(source, &block, at) {
                // A file that gave an error is opened anew.
                self.blocks = None;
                return Err(error);
            }
        }
        Ok(self.cache.frame(&block, seq))
    }
}

/// Gives the frame's messages from `number` on to `each`, up to `to`, and counts on; false if `each` wants no more.
fn messages_of(
    frame: &Frame<'_>,
    number: &mut u64,
    to: u64,
    each: &mut impl FnMut(&Message) -> bool,
) -> bool {
    let stamp = Stamp {
        engine_seq: frame.header.seq,
        engine_time: frame.header.engine_time,
    };
    for event in frame.events().flatten() {
        if *number < to && event.feed_no() == Some(*number) {
            if !Message::public(stamp, &event).is_some_and(|message| each(&message)) {
                return false;
            }
            *number += 1;
        }
    }
    true
}
