//! The region `slow`: written by the slowpath, read by the fastpath, which trusts nothing in it.

use super::ProcessState;
use crate::header::{HEADER_WORDS, Header, RegionError, RegionSpec};
use crate::ring::SLOT_WORDS;
use crate::words::{LINE_WORDS, Span, WordAt};
use crate::{Counter, Heartbeat, Memory, Word, Words};
use std::sync::atomic::Ordering;

/// The first bytes of the region.
pub const SLOW_MAGIC: [u8; 8] = *b"SLUICESL";
/// Slots of the command ring.
#[cfg(not(loom))]
pub const COMMAND_SLOTS: usize = 4096;
/// Slots of the command ring. Loom pays for every word.
#[cfg(loom)]
pub const COMMAND_SLOTS: usize = 2;
/// Counters of the slowpath.
pub const SLOW_COUNTERS: usize = 48;

/// The command ring's producer position.
const COMMAND_HEAD: usize = HEADER_WORDS;
const DURABLE_SEQ: usize = COMMAND_HEAD + LINE_WORDS;
const ARCHIVED_SEQ: usize = DURABLE_SEQ + LINE_WORDS;
const SHADOW_SEQ: usize = ARCHIVED_SEQ + LINE_WORDS;
/// A line of words that nobody polls.
const STATUS_LINE: usize = SHADOW_SEQ + LINE_WORDS;
const PID: usize = STATUS_LINE;
const HEARTBEAT: usize = STATUS_LINE + 1;
const SHADOW_STATE: usize = STATUS_LINE + 2;
const DIVERGED_SEQ: usize = STATUS_LINE + 3;
const SHADOW_HASH: usize = STATUS_LINE + 4;
const PROCESS_STATE: usize = STATUS_LINE + 5;
const COUNTERS: usize = STATUS_LINE + if LINE_WORDS > 8 { LINE_WORDS } else { 8 };
const COMMAND_RING: usize = COUNTERS + SLOW_COUNTERS;
const COMMAND_RING_WORDS: usize = COMMAND_SLOTS * SLOT_WORDS;

/// The region `slow`.
#[must_use]
pub fn slow_spec() -> RegionSpec {
    RegionSpec {
        magic: SLOW_MAGIC,
        words: COMMAND_RING + COMMAND_RING_WORDS,
        parameters: [COMMAND_SLOTS as u64, 0, 0, 0, 0, 0, 0, 0],
    }
}

fn check<W: Words>(memory: &W) -> Result<(), RegionError> {
    let words = memory.words().len();
    let parameters = Header::of(memory).map_or([0; 8], |header| header.parameters());
    if words == slow_spec().words && parameters == slow_spec().parameters {
        Ok(())
    } else {
        Err(RegionError::Layout {
            layout: "slow",
            words,
            parameter: parameters[0],
        })
    }
}

pub(super) fn command_ring<W: Words>(memory: &W) -> Result<(Span<W>, WordAt<W>), RegionError> {
    check(memory)?;
    let slots = Span::new(memory, COMMAND_RING, COMMAND_RING_WORDS);
    Ok((slots, WordAt::new(memory, COMMAND_HEAD)))
}

/// What the shadow engine has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum ShadowState {
    /// All frames so far agree.
    Ok = 1,
    /// A frame did not agree: see [`SlowView::diverged_seq`].
    Diverged = 2,
    /// A frame could not be read, and will not by trying again: see [`SlowView::diverged_seq`].
    Unreadable = 3,
}

/// Reads the region `slow`. The values are another process's word: each is to be checked where it
/// is used.
#[derive(Clone, Debug)]
pub struct SlowView<W = Memory>(W);

impl<W: Words> SlowView<W> {
    /// A view of the region in `memory`.
    ///
    /// # Errors
    /// If it has another layout.
    pub fn new(memory: W) -> Result<Self, RegionError> {
        check(&memory)?;
        Ok(Self(memory))
    }

    #[inline]
    fn word(&self, at: usize) -> &Word {
        &self.0.words()[at]
    }

    /// The process that writes it; 0 if it has not said.
    #[must_use]
    pub fn pid(&self) -> u64 {
        self.word(PID).get()
    }

    /// How the slowpath has ended, if it has; nothing if the word is none of the states. Ask this
    /// before [`Self::pid`]: a state that is not of the past is then that of this pid.
    #[must_use]
    pub fn process_state(&self) -> Option<ProcessState> {
        // ORDER: pairs with the release in `SlowWriter::set_process_state`: a start that was seen here
        // has written its pid.
        ProcessState::from_word(self.word(PROCESS_STATE).acquire())
    }

    /// When it was last alive, ns since boot; 0 never.
    #[must_use]
    pub fn heartbeat(&self) -> u64 {
        self.word(HEARTBEAT).get()
    }

    /// The last seq written to the archive, perhaps not yet durable.
    #[inline]
    #[must_use]
    pub fn archived_seq(&self) -> u64 {
        // ORDER: pairs with the release in `SlowWriter::set_archived_seq`.
        self.word(ARCHIVED_SEQ).acquire()
    }

    /// The last seq that survives power loss. [`crate::LogWriter::gate`] checks it.
    #[inline]
    #[must_use]
    pub fn durable_seq(&self) -> u64 {
        // ORDER: pairs with the release in `SlowWriter::set_durable_seq`: the archiver has read, and
        // made durable, every frame up to it, so they may be overwritten.
        self.word(DURABLE_SEQ)
            .load_at("slow.durable.observe", Ordering::Acquire)
    }

    /// The last seq that the shadow engine has applied.
    #[inline]
    #[must_use]
    pub fn shadow_seq(&self) -> u64 {
        // ORDER: pairs with the release in `SlowWriter::set_shadow`.
        self.word(SHADOW_SEQ)
            .load_at("slow.shadow.observe", Ordering::Acquire)
    }

    /// What the shadow engine has found; nothing if it has not said, or nonsense.
    #[must_use]
    pub fn shadow_state(&self) -> Option<ShadowState> {
        match self.word(SHADOW_STATE).acquire() {
            1 => Some(ShadowState::Ok),
            2 => Some(ShadowState::Diverged),
            3 => Some(ShadowState::Unreadable),
            _ => None,
        }
    }

    /// The first seq that did not agree or could not be read, as the state says; 0 none.
    #[must_use]
    pub fn diverged_seq(&self) -> u64 {
        self.word(DIVERGED_SEQ).get()
    }

    /// The shadow engine's state hash at a seq that was [`Self::shadow_seq`] when it was written.
    #[must_use]
    pub fn shadow_hash(&self) -> u64 {
        self.word(SHADOW_HASH).get()
    }

    /// The counter `counter`, below [`SLOW_COUNTERS`].
    #[must_use]
    pub fn counter(&self, counter: usize) -> Option<u64> {
        (counter < SLOW_COUNTERS).then(|| self.word(COUNTERS + counter).get())
    }
}

/// Writes the region `slow`, and reads it as a [`SlowView`].
#[derive(Clone, Debug)]
pub struct SlowWriter<W = Memory>(SlowView<W>);

impl<W: Words> SlowWriter<W> {
    /// The writer of the region in `memory`: from now on this process is the one that runs.
    ///
    /// # Errors
    /// If it has another layout or is mapped for reading.
    pub fn new(memory: W) -> Result<Self, RegionError> {
        if !memory.writable() {
            return Err(RegionError::ReadOnly);
        }
        let writer = Self(SlowView::new(memory)?);
        writer.0.word(PID).set(u64::from(std::process::id()));
        writer.set_process_state(ProcessState::Running);
        Ok(writer)
    }

    /// The same region, for reading.
    #[must_use]
    pub fn view(&self) -> &SlowView<W> {
        &self.0
    }

    /// How it went, at the very end.
    pub fn set_process_state(&self, state: ProcessState) {
        // ORDER: pairs with the acquire in `SlowView::process_state`: at a start the pid is there, at
        // the end all other words are final.
        self.0.word(PROCESS_STATE).release(state as u64);
    }

    /// The slowpath's heartbeat.
    #[must_use]
    pub fn heartbeat(&self) -> Heartbeat<W> {
        Heartbeat::new(&self.0.0, HEARTBEAT)
    }

    /// Frames up to `seq` are written to the archive. Written by the archiver.
    #[inline]
    pub fn set_archived_seq(&self, seq: u64) {
        // ORDER: pairs with the acquire in `SlowView::archived_seq`.
        self.0.word(ARCHIVED_SEQ).release(seq);
    }

    /// Frames up to `seq` survive power loss. Written by the archiver, after `fdatasync`.
    #[inline]
    pub fn set_durable_seq(&self, seq: u64) {
        // ORDER: pairs with the acquire in `SlowView::durable_seq`: the frames have been read.
        self.0
            .word(DURABLE_SEQ)
            .store_at("slow.durable", seq, Ordering::Release);
    }

    /// The shadow engine has applied `seq` and has this state hash. Written by the shadow engine.
    pub fn set_shadow(&self, seq: u64, hash: u64) {
        self.0.word(SHADOW_HASH).set(hash);
        self.0.word(SHADOW_STATE).set(ShadowState::Ok as u64);
        // ORDER: pairs with the acquire in `SlowView::shadow_seq`: the hash is that of `seq` or later.
        self.0
            .word(SHADOW_SEQ)
            .store_at("slow.shadow", seq, Ordering::Release);
    }

    /// The shadow engine does not agree with the frame `seq`. Written by the shadow engine.
    pub fn set_diverged(&self, seq: u64) {
        self.set_stopped(ShadowState::Diverged, seq);
    }

    /// The shadow engine cannot read the frame `seq`. Written by the shadow engine.
    pub fn set_unreadable(&self, seq: u64) {
        self.set_stopped(ShadowState::Unreadable, seq);
    }

    fn set_stopped(&self, state: ShadowState, seq: u64) {
        self.0.word(DIVERGED_SEQ).set(seq);
        // ORDER: pairs with the acquire in `SlowView::shadow_state`: the seq is there.
        self.0.word(SHADOW_STATE).release(state as u64);
    }

    /// The counter `counter`, for its one writer.
    ///
    /// # Panics
    /// If it is not below [`SLOW_COUNTERS`].
    #[must_use]
    pub fn counter(&self, counter: usize) -> Counter<W> {
        assert!(
            counter < SLOW_COUNTERS,
            "counter {counter} of {SLOW_COUNTERS}"
        );
        Counter::new(&self.0.0, COUNTERS + counter)
    }
}
