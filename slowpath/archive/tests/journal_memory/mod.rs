//! A journal memory for tests: frames in a vector, of which some can be seen.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test file uses a part of it"
)]

use domain::{
    Command, CommandKind, Effects, EventKind, Nanos, Outcome, Reason, Recovered, Seq, Source,
    Timer, Zero,
};
use journal::{Chain, Frame, FrameBuffer, FrameHeader, MAX_FRAME_WORDS, MemoryRead, encode};
use std::cell::Cell;
use std::rc::Rc;

#[derive(Clone, Debug)]
pub(crate) struct JournalMemory {
    frames: Vec<Vec<u64>>,
    /// First seq that the memory has.
    oldest: u64,
}

impl JournalMemory {
    /// A new shard's, with so many frames.
    pub(crate) fn new(shard: u16, frames: u64) -> Self {
        let mut memory = Self {
            frames: Vec::new(),
            oldest: 1,
        };
        memory.extend(Chain::new(shard), frames, 0);
        memory
    }

    /// The memory after a loss of power: a new epoch that continues the frames that are left, of
    /// which it has none.
    pub(crate) fn after_power_loss(shard: u16, left: Vec<Vec<u64>>, frames: u64) -> Self {
        let mut chain = Chain::new(shard);
        for words in &left {
            let frame = Frame::parse(words).expect("a whole frame");
            chain.check(&frame).expect("a chain");
        }
        let mut memory = Self {
            oldest: left.len() as u64 + 1,
            frames: left,
        };
        let epoch = chain.epoch.unwrap_or(0) + 1;
        memory.extend(chain, frames, epoch);
        memory
    }

    /// The same, when it has frames from this seq on.
    pub(crate) fn with_oldest(mut self, oldest: u64) -> Self {
        self.oldest = oldest;
        self
    }

    fn extend(&mut self, mut chain: Chain, frames: u64, epoch: u32) {
        for index in 0..frames {
            let deadline = Nanos(7 * index);
            let command = if index == 0 {
                Command::Recovered(Recovered {
                    epoch,
                    pad: [Zero::Zero; 4],
                    grace: Nanos(0),
                })
            } else {
                Command::Timer(Timer { deadline })
            };
            let mut effects = Effects::new();
            for _ in 0..index % 4 {
                effects.push(&Outcome {
                    kind: EventKind::Outcome,
                    pad: Zero::Zero,
                    reason: Reason::None,
                    command: CommandKind::Timer,
                    pad2: [Zero::Zero; 2],
                });
            }
            let header = FrameHeader {
                engine_version: 1,
                seq: chain.next_seq,
                epoch,
                shard: chain.shard,
                source: Source::SEQUENCER,
                source_seq: chain.next_seq.0,
                receive_time: Nanos(0),
                engine_time: chain.engine_time,
                prev_crc: chain.last_crc,
            };
            let mut buffer = [0; MAX_FRAME_WORDS];
            let (words, _) = encode(&header, &command, &effects, &mut buffer);
            let frame = Frame::parse(&buffer[..words]).expect("what was encoded");
            chain.check(&frame).expect("it continues the chain");
            self.frames.push(buffer[..words].to_vec());
        }
    }

    /// All frames from seq 1 on, those too that the memory no longer has.
    pub(crate) fn frames(&self) -> &[Vec<u64>] {
        &self.frames
    }

    pub(crate) fn last(&self) -> Seq {
        Seq(self.frames.len() as u64)
    }

    /// The memory while it fills, from a head on; by default from empty on.
    pub(crate) fn growing(&self, head: Option<Seq>) -> Growing {
        Growing {
            memory: self.clone(),
            head: Rc::new(Cell::new(head.map_or(self.oldest - 1, |head| head.0))),
        }
    }
}

pub(crate) struct Growing {
    memory: JournalMemory,
    head: Rc<Cell<u64>>,
}

impl Growing {
    /// Lets more frames be seen.
    pub(crate) fn grow(&self, frames: u64) {
        let head = (self.head.get() + frames).min(self.memory.last().0);
        self.head.set(head);
    }

    /// The last frame that can be seen.
    pub(crate) fn head(&self) -> Seq {
        Seq(self.head.get())
    }

    /// What an archiver reads.
    pub(crate) fn source(&self) -> impl FnMut(Seq, &mut FrameBuffer) -> MemoryRead + use<> {
        let (memory, head) = (self.memory.clone(), self.head.clone());
        move |seq, buffer| {
            if seq.0 > head.get() {
                return MemoryRead::End;
            }
            if seq.0 < memory.oldest {
                return MemoryRead::Gone {
                    oldest: Seq(memory.oldest),
                };
            }
            let index = usize::try_from(seq.0 - 1).expect("fits");
            let words = &memory.frames[index];
            buffer[..words.len()].copy_from_slice(words);
            MemoryRead::Frame(words.len())
        }
    }
}
