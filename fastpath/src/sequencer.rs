//! The sequencer: gives a request its place and time, applies it, and journals the frame.
//!
//! Data: the engine, the journal's writer, the chain (last CRC, last time) and the numbers of the
//! sequencer's own commands. Owner: the match tile. Invariants: a request is applied only if the
//! engine admits it and the journal has room for a full frame; nobody outside learns of it before
//! its frame is committed; engine time never goes back.

use domain::{
    Checkpoint, Command, Continue, Effects, Event, Nanos, Reason, Recovered, Request, Seq, Source,
    Stamp, Timer, Zero,
};
use engine::Engine;
use journal::FrameHeader;
use shm::{LogWriter, MAX_FRAME_WORDS};

/// Kept free for the first frames of restarts while nothing is archived.
const RESERVED_FRAMES: u64 = 64;
const RESERVED_WORDS: u64 = RESERVED_FRAMES * (RECOVERED_WORDS as u64 + 1);
/// At most: header, body, and the two events of a `Recovered`.
const RECOVERED_WORDS: usize = 16;

/// What a recovery hands over.
pub(crate) struct Resumed {
    pub(crate) engine: Engine,
    pub(crate) last_crc: u32,
    pub(crate) last_time: u64,
    pub(crate) epoch: u32,
}

pub(crate) struct Sequencer {
    engine: Engine,
    log: LogWriter,
    shard: u16,
    epoch: u32,
    last_crc: u32,
    last_time: u64,
    /// By how much engine time runs ahead of the clock: the clock stepped back while we were down.
    ahead: u64,
    own_number: u64,
    checkpoint_interval: u64,
    since_checkpoint: u64,
    effects: Effects,
    frame: Box<[u64; MAX_FRAME_WORDS]>,
}

impl Sequencer {
    /// `now` is UTC ns.
    pub(crate) fn new(
        from: Resumed,
        log: LogWriter,
        shard: u16,
        checkpoint_interval: u64,
        now: u64,
    ) -> Self {
        let own_number = from.engine.last_number(Source::SEQUENCER);
        Self {
            engine: from.engine,
            log,
            shard,
            epoch: from.epoch,
            last_crc: from.last_crc,
            last_time: from.last_time,
            ahead: from.last_time.saturating_sub(now),
            own_number,
            checkpoint_interval,
            since_checkpoint: 0,
            effects: Effects::new(),
            frame: Box::new([0; MAX_FRAME_WORDS]),
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// By how many ns engine time runs ahead of the clock, until the process ends.
    pub(crate) fn ahead(&self) -> u64 {
        self.ahead
    }

    pub(crate) fn log(&self) -> &LogWriter {
        &self.log
    }

    pub(crate) fn log_mut(&mut self) -> &mut LogWriter {
        &mut self.log
    }

    /// Whether any command may be taken: there is room for the largest frame, and beside it the
    /// reserve for restarts, each of which must journal its `Recovered` before anything moves.
    pub(crate) fn has_room(&self) -> bool {
        let (words, frames) = self.log.free();
        words >= (MAX_FRAME_WORDS as u64) + RESERVED_WORDS && frames > RESERVED_FRAMES
    }

    /// Whether there is room for a frame of the sequencer's own at start.
    pub(crate) fn has_room_to_recover(&self) -> bool {
        self.log.has_room(RECOVERED_WORDS)
    }

    /// Sequences a request that the engine admits, while there is room and no work is pending.
    pub(crate) fn sequence(&mut self, request: &Request, now: u64) {
        let time = self.last_time.max(self.engine_time(now));
        let seq = Seq(self.log.head() + 1);
        let engine_version = self.engine.version();
        self.engine.apply(
            Stamp {
                seq,
                time: Nanos(time),
            },
            request,
            &mut self.effects,
        );
        let header = FrameHeader {
            engine_version,
            seq,
            epoch: self.epoch,
            shard: self.shard,
            source: request.source,
            source_seq: request.source_seq,
            receive_time: request.receive_time,
            engine_time: Nanos(time),
            prev_crc: self.last_crc,
        };
        let (words, crc) =
            journal::encode(&header, &request.command, &self.effects, &mut self.frame);
        self.log.append(&self.frame[..words]);
        self.last_crc = crc;
        self.last_time = time;
        self.since_checkpoint += 1;
    }

    /// Why the last command was refused, if it was one that no session sent and it was.
    pub(crate) fn refused(&self) -> Option<Reason> {
        self.effects.events().find_map(|event| match event {
            Ok(Event::Outcome(outcome)) => Some(outcome.reason).filter(|r| *r != Reason::None),
            _ => None,
        })
    }

    /// The next of the sequencer's own commands that must come before anything else: the rest of
    /// work that its frame had no room for first, then a deadline, then a checkpoint. True if it sequenced one.
    pub(crate) fn sequence_own(&mut self, now: u64) -> bool {
        let command = if let Some(order_id) = self.engine.pending_work() {
            Command::Continue(Continue { order_id })
        } else if let Some(deadline) = self.due(now) {
            Command::Timer(Timer { deadline })
        } else if self.since_checkpoint >= self.checkpoint_interval {
            self.since_checkpoint = 0;
            Command::Checkpoint(Checkpoint {
                interval: self.checkpoint_interval,
            })
        } else {
            return false;
        };
        self.sequence_as_own(command, now);
        true
    }

    /// Begins an epoch, or says that this one goes on after a restart.
    pub(crate) fn recovered(&mut self, epoch: u32, grace: u64, now: u64) {
        self.epoch = epoch;
        let recovered = Recovered {
            epoch,
            pad: [Zero::Zero; 4],
            grace: Nanos(grace),
        };
        self.sequence_as_own(Command::Recovered(recovered), now);
    }

    /// Whether a deadline comes before anything else that is sequenced at `now`.
    pub(crate) fn is_due(&self, now: u64) -> bool {
        self.due(now).is_some()
    }

    fn due(&self, now: u64) -> Option<Nanos> {
        let deadline = self.engine.next_deadline();
        deadline.filter(|it| it.0 <= self.engine_time(now))
    }

    fn engine_time(&self, now: u64) -> u64 {
        now.saturating_add(self.ahead)
    }

    fn sequence_as_own(&mut self, command: Command, now: u64) {
        self.own_number += 1;
        let request = Request {
            source: Source::SEQUENCER,
            source_seq: self.own_number,
            receive_time: Nanos(now),
            command,
        };
        self.sequence(&request, now);
    }
}
