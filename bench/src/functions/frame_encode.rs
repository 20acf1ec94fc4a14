//! Encoding a frame: header, command, events and CRC.

use domain::{Command, Effects, Nanos, Request, Seq, Side, TimeInForce};
use journal::{FrameHeader, MAX_FRAME_WORDS};
use std::hint::black_box;

use super::book::{Book, MIDDLE};
use super::{Entry, Subject};

pub(super) const ENTRY: Entry = Entry {
    name: "frame-encode",
    what: "the frame of a passive order is encoded, with its CRC",
    batch: 10_000,
    is_counted: true,
    make: || Box::new(Encode::new()),
};

/// The most frequent frame: an order that enters and rests.
pub(super) struct Typical {
    pub(super) header: FrameHeader,
    pub(super) command: Command,
    pub(super) effects: Effects,
}

impl Typical {
    pub(super) fn new() -> Self {
        let mut book = Book::filled();
        let order = book.order(Side::Buy, MIDDLE - 3, TimeInForce::GoodTillCancel);
        let request: Request = book.request(Command::NewOrder(order));
        book.apply(&request);
        Self {
            header: FrameHeader {
                engine_version: book.engine.version(),
                seq: Seq(20_000),
                epoch: 1,
                shard: 0,
                source: request.source,
                source_seq: request.source_seq,
                receive_time: Nanos(1_700_000_000_000_000_000),
                engine_time: Nanos(1_700_000_000_000_000_400),
                prev_crc: 1,
            },
            command: request.command,
            effects: book.effects,
        }
    }
}

struct Encode {
    typical: Typical,
    buffer: Box<[u64; MAX_FRAME_WORDS]>,
}

impl Encode {
    fn new() -> Self {
        Self {
            typical: Typical::new(),
            buffer: Box::new([0; MAX_FRAME_WORDS]),
        }
    }
}

impl Subject for Encode {
    fn run(&mut self, count: u64) -> u64 {
        let Typical {
            header,
            command,
            effects,
        } = &self.typical;
        let mut header = *header;
        for _ in 0..count {
            header.seq = header.seq.next();
            let (_, crc) = journal::encode(
                &header,
                black_box(command),
                black_box(effects),
                &mut self.buffer,
            );
            header.prev_crc = crc;
        }
        u64::from(header.prev_crc) | 1
    }
}
