//! Encoding a report: the datagram by which a session learns that its order rests.

use domain::Event;
use std::hint::black_box;
use wire::MAX_DATAGRAM;
use wire::auth::MacKey;
use wire::order_entry::{Context, DatagramWriter, FrameStamp, Message};

use super::decode::{context, key};
use super::frame_encode::Typical;
use super::{Entry, Subject};

pub(super) const ENTRY: Entry = Entry {
    name: "report-encode",
    what: "the report of a passive order becomes a datagram, its MAC included",
    batch: 10_000,
    is_counted: true,
    make: || Box::new(Encode::new()),
};

struct Encode {
    stamp: FrameStamp,
    event: Event,
    context: Context,
    key: MacKey,
    buffer: [u8; MAX_DATAGRAM],
}

impl Encode {
    fn new() -> Self {
        let typical = Typical::new();
        let header = typical.header;
        let mut events = typical.effects.events().flatten();
        let event = events.find(|event| event.report().is_some());
        Self {
            stamp: FrameStamp {
                seq: header.seq,
                engine_time: header.engine_time,
                receive_time: header.receive_time,
                source: header.source,
                source_seq: header.source_seq,
            },
            event: event.expect("an accepted order is reported"),
            context: context(),
            key: key(),
            buffer: [0; MAX_DATAGRAM],
        }
    }
}

impl Subject for Encode {
    fn run(&mut self, count: u64) -> u64 {
        let mut bytes = 0;
        for _ in 0..count {
            let mut writer = DatagramWriter::new(&mut self.buffer, black_box(self.context));
            let report = Message::report(black_box(&self.stamp), black_box(&self.event));
            let report = report.expect("a private event");
            writer.push_message(&report).expect("one message fits");
            bytes += writer.finish(&self.key) as u64;
        }
        bytes
    }
}
