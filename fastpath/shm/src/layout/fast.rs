//! The region `fast`: written by the fastpath, read by the slowpath and by `sluice status`.

use super::ProcessState;
use crate::header::{HEADER_WORDS, Header, RegionError, RegionSpec};
use crate::histogram::HISTOGRAM_WORDS;
use crate::words::{LINE_WORDS, WordAt};
use crate::{Counter, Heartbeat, Histogram, HistogramSnapshot, Memory, Word, Words};

/// The first bytes of the region.
pub const FAST_MAGIC: [u8; 8] = *b"SLUICEFA";
/// Tiles that have a block.
pub const TILES: usize = 16;
/// Counters of a tile.
pub const TILE_COUNTERS: usize = 40;
/// Histograms.
pub const HISTOGRAMS: usize = 8;

/// Written by match: the command ring's consumer position.
const COMMAND_TAIL: usize = HEADER_WORDS;
/// Written by out: the last seq it has handed on.
const OUT_SEQ: usize = COMMAND_TAIL + LINE_WORDS;
/// Written by the supervisor: a line of words that nobody polls.
const PROCESS_LINE: usize = OUT_SEQ + LINE_WORDS;
const PROCESS_STATE: usize = PROCESS_LINE;
/// Written by each tile: its block, three lines.
const TILE_BLOCKS: usize = PROCESS_LINE + if LINE_WORDS > 4 { LINE_WORDS } else { 4 };
const TILE_WORDS: usize = 48;
const HISTOGRAM_AREA: usize = TILE_BLOCKS + TILES * TILE_WORDS;
/// Written by net: for each session, where its client is.
const PEERS: usize = HISTOGRAM_AREA + HISTOGRAMS * HISTOGRAM_WORDS;

// A tile's block.
const KIND: usize = 0;
const HEARTBEAT: usize = 1;
const STATE: usize = 2;
const POLLS: usize = 3;
const BUSY_POLLS: usize = 4;
const COUNTERS: usize = 8;
const _: () = assert!(COUNTERS + TILE_COUNTERS <= TILE_WORDS);

/// The region `fast` for `max_sessions` sessions.
#[must_use]
pub fn fast_spec(max_sessions: usize) -> RegionSpec {
    RegionSpec {
        magic: FAST_MAGIC,
        words: PEERS + max_sessions,
        parameters: [max_sessions as u64, 0, 0, 0, 0, 0, 0, 0],
    }
}

/// The number of sessions, if the region has this layout.
fn sessions<W: Words>(memory: &W) -> Result<usize, RegionError> {
    let words = memory.words().len();
    let header = Header::of(memory);
    let parameters = header.map_or([0; 8], |header| header.parameters());
    words
        .checked_sub(PEERS)
        .filter(|sessions| *sessions as u64 == parameters[0])
        .ok_or(RegionError::Layout {
            layout: "fast",
            words,
            parameter: parameters[0],
        })
}

pub(super) fn command_tail<W: Words>(memory: &W) -> Result<WordAt<W>, RegionError> {
    sessions(memory)?;
    Ok(WordAt::new(memory, COMMAND_TAIL))
}

/// What a tile is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum TileState {
    /// It is being set up.
    Boot = 1,
    /// It polls.
    Run = 2,
    /// It has stopped in an orderly way.
    Halt = 3,
    /// It has stopped because of an error.
    Fail = 4,
}

impl TileState {
    /// The state with this number.
    #[must_use]
    pub fn from_word(word: u64) -> Option<Self> {
        [Self::Boot, Self::Run, Self::Halt, Self::Fail]
            .into_iter()
            .find(|s| *s as u64 == word)
    }
}

/// Reads the region `fast`.
#[derive(Clone, Debug)]
pub struct FastView<W = Memory> {
    memory: W,
    sessions: usize,
}

impl<W: Words> FastView<W> {
    /// A view of the region in `memory`.
    ///
    /// # Errors
    /// If it has another layout.
    pub fn new(memory: W) -> Result<Self, RegionError> {
        let sessions = sessions(&memory)?;
        Ok(Self { memory, sessions })
    }

    fn word(&self, at: usize) -> &Word {
        &self.memory.words()[at]
    }

    /// The consumer's position in the command ring, in slots.
    #[must_use]
    pub fn command_tail(&self) -> u64 {
        // ORDER: pairs with the release in `RingConsumer::release`; it is a number to be shown or kept.
        self.word(COMMAND_TAIL).acquire()
    }

    /// The last seq whose reports out has handed on; 0 none.
    #[inline]
    #[must_use]
    pub fn out_seq(&self) -> u64 {
        // ORDER: pairs with the release in `FastWriter::set_out_seq`.
        self.word(OUT_SEQ).acquire()
    }

    /// How the fastpath has ended, if it has; nothing if the word is none of the states.
    #[must_use]
    pub fn process_state(&self) -> Option<ProcessState> {
        // ORDER: pairs with the release in `FastWriter::set_process_state`.
        ProcessState::from_word(self.word(PROCESS_STATE).acquire())
    }

    /// The tile in slot `tile`, below [`TILES`]; nothing if there is none.
    #[must_use]
    pub fn tile(&self, tile: usize) -> Option<TileView> {
        let block = TILE_BLOCKS + tile * TILE_WORDS;
        let kind = (tile < TILES)
            .then(|| self.word(block + KIND).get())
            .filter(|kind| *kind != 0)?;
        // ORDER: pairs with the release in `TileBlock::set_state`: the figures are those of this state or later.
        let state = TileState::from_word(self.word(block + STATE).acquire());
        Some(TileView {
            kind,
            heartbeat: self.word(block + HEARTBEAT).get(),
            state,
            polls: self.word(block + POLLS).get(),
            busy_polls: self.word(block + BUSY_POLLS).get(),
            counters: std::array::from_fn(|i| self.word(block + COUNTERS + i).get()),
        })
    }

    /// Sessions for which there is room.
    #[must_use]
    pub fn max_sessions(&self) -> usize {
        self.sessions
    }

    /// Where the client of `session` is, as net wrote it; 0 unknown, nothing if there is no such
    /// session.
    #[inline]
    #[must_use]
    pub fn peer(&self, session: usize) -> Option<u64> {
        // ORDER: pairs with the release in `FastWriter::set_peer`: out signs with keys that it was given
        // before net was, and so before net bound anybody by them.
        (session < self.sessions).then(|| self.word(PEERS + session).acquire())
    }

    /// The histogram `histogram`, below [`HISTOGRAMS`].
    #[must_use]
    pub fn histogram(&self, histogram: usize) -> Option<HistogramSnapshot> {
        (histogram < HISTOGRAMS).then(|| histogram_at(&self.memory, histogram).snapshot())
    }
}

fn histogram_at<W: Words>(memory: &W, histogram: usize) -> Histogram<W> {
    Histogram::new(memory, HISTOGRAM_AREA + histogram * HISTOGRAM_WORDS)
}

/// A tile at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TileView {
    /// Its kind, by the fastpath's numbers; never 0.
    pub kind: u64,
    /// When it was last alive, ns since boot; 0 never.
    pub heartbeat: u64,
    /// What it does; nothing if the word is none of the states.
    pub state: Option<TileState>,
    /// Polls so far.
    pub polls: u64,
    /// Polls that found work.
    pub busy_polls: u64,
    /// Its counters, by its own numbers.
    pub counters: [u64; TILE_COUNTERS],
}

/// Writes the region `fast`, and reads it as a [`FastView`].
#[derive(Clone, Debug)]
pub struct FastWriter<W = Memory>(FastView<W>);

impl<W: Words> FastWriter<W> {
    /// The writer of the region in `memory`.
    ///
    /// # Errors
    /// If it has another layout or is mapped for reading.
    pub fn new(memory: W) -> Result<Self, RegionError> {
        if !memory.writable() {
            return Err(RegionError::ReadOnly);
        }
        Ok(Self(FastView::new(memory)?))
    }

    /// The same region, for reading.
    #[must_use]
    pub fn view(&self) -> &FastView<W> {
        &self.0
    }

    /// The reports of frames up to `seq` are handed on. Written by out.
    #[inline]
    pub fn set_out_seq(&self, seq: u64) {
        // ORDER: pairs with the acquire in `FastView::out_seq`: out has finished reading those frames.
        self.0.word(OUT_SEQ).release(seq);
    }

    /// Where the consumer of the command ring goes on, in slots. Only before it resumes.
    pub fn set_command_tail(&self, position: u64) {
        // ORDER: pairs with the acquire in `RingProducer::look`, as the release of the consumer does.
        self.0.word(COMMAND_TAIL).release(position);
    }

    /// Running at the start, how it went at the very end. Written by the supervisor.
    pub fn set_process_state(&self, state: ProcessState) {
        // ORDER: pairs with the acquire in `FastView::process_state`: all other words are final.
        self.0.word(PROCESS_STATE).release(state as u64);
    }

    /// The block of the tile in slot `tile`, for that tile.
    ///
    /// # Panics
    /// If `tile` is not below [`TILES`].
    #[must_use]
    pub fn tile(&self, tile: usize) -> TileBlock<W> {
        assert!(tile < TILES, "tile {tile} of {TILES}");
        TileBlock {
            memory: self.0.memory.clone(),
            at: TILE_BLOCKS + tile * TILE_WORDS,
        }
    }

    /// The client of `session` is at `peer`. Written by net.
    ///
    /// # Panics
    /// If there is no such session.
    #[inline]
    pub fn set_peer(&self, session: usize, peer: u64) {
        assert!(
            session < self.0.sessions,
            "session {session} of {}",
            self.0.sessions
        );
        // ORDER: pairs with the acquire in `FastView::peer`: what net did before is done.
        self.0.word(PEERS + session).release(peer);
    }

    /// The histogram `histogram`, for the one tile that fills it.
    ///
    /// # Panics
    /// If it is not below [`HISTOGRAMS`].
    #[must_use]
    pub fn histogram(&self, histogram: usize) -> Histogram<W> {
        assert!(
            histogram < HISTOGRAMS,
            "histogram {histogram} of {HISTOGRAMS}"
        );
        histogram_at(&self.0.memory, histogram)
    }
}

/// The block of one tile, for that tile to write.
#[derive(Clone, Debug)]
pub struct TileBlock<W = Memory> {
    memory: W,
    at: usize,
}

impl<W: Words> TileBlock<W> {
    fn word(&self, at: usize) -> &Word {
        &self.memory.words()[self.at + at]
    }

    /// Sets the kind, by the fastpath's numbers; 0 says that there is no tile.
    pub fn set_kind(&self, kind: u64) {
        self.word(KIND).set(kind);
    }

    /// Sets the state, behind the figures that belong to it.
    pub fn set_state(&self, state: TileState) {
        // ORDER: pairs with the acquire in `FastView::tile`.
        self.word(STATE).release(state as u64);
    }

    /// Alive at `now`, ns since boot.
    #[inline]
    pub fn beat(&self, now: u64) {
        self.word(HEARTBEAT).set(now);
    }

    /// Its heartbeat.
    #[must_use]
    pub fn heartbeat(&self) -> Heartbeat<W> {
        Heartbeat::new(&self.memory, self.at + HEARTBEAT)
    }

    /// Sets how often it has polled, and how often it found work.
    #[inline]
    pub fn set_polls(&self, polls: u64, busy_polls: u64) {
        self.word(POLLS).set(polls);
        self.word(BUSY_POLLS).set(busy_polls);
    }

    /// Its counter `counter`, by its own numbers.
    ///
    /// # Panics
    /// If it is not below [`TILE_COUNTERS`].
    #[must_use]
    pub fn counter(&self, counter: usize) -> Counter<W> {
        assert!(
            counter < TILE_COUNTERS,
            "counter {counter} of {TILE_COUNTERS}"
        );
        Counter::new(&self.memory, self.at + COUNTERS + counter)
    }
}
