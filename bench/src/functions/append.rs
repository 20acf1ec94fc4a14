//! Appending a frame to journal memory: room, reservation, words, commit.

use journal::MAX_FRAME_WORDS;
use shm::{Heap, LogWriter, log};
use std::hint::black_box;

use super::frame_encode::Typical;
use super::{Entry, Subject};

const FRAMES: usize = 1 << 14;
const WORDS: usize = 1 << 20;
/// Frames between two movements of the gate.
const GROUP: u64 = 1_000;

pub(super) const ENTRY: Entry = Entry {
    name: "journal-append",
    what: "the frame of a passive order is reserved, written and published in journal memory",
    batch: 10_000,
    is_counted: true,
    make: || Box::new(Append::new()),
};

struct Append {
    log: LogWriter<Heap>,
    frame: Vec<u64>,
}

impl Append {
    fn new() -> Self {
        let Typical {
            header,
            command,
            effects,
        } = Typical::new();
        let mut buffer = Box::new([0; MAX_FRAME_WORDS]);
        let (words, _) = journal::encode(&header, &command, &effects, &mut buffer);
        Self {
            log: LogWriter::attach(log::heap(FRAMES, WORDS)).expect("a new memory"),
            frame: buffer[..words].to_vec(),
        }
    }
}

impl Subject for Append {
    fn run(&mut self, count: u64) -> u64 {
        let frame = black_box(&self.frame[..]);
        for _ in 0..count {
            if self.log.head() - self.log.gate_seq() >= GROUP {
                self.log
                    .gate(self.log.head())
                    .expect("between gate and head");
            }
            self.log.append(frame);
        }
        self.log.head()
    }
}
