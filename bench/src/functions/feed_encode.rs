//! Encoding a public event into a packet of the feed.

use domain::Event;
use std::hint::black_box;
use wire::market_data::{Message, PacketWriter, SessionName, Stamp};

use super::frame_encode::Typical;
use super::{Entry, Subject};

pub(super) const ENTRY: Entry = Entry {
    name: "feed-encode",
    what: "an order that joins the book becomes a message of a packet, packets of ten",
    batch: 10_000,
    is_counted: true,
    make: || Box::new(Encode::new()),
};

const PACKET: u16 = 10;

struct Encode {
    stamp: Stamp,
    event: Event,
    packet: Box<PacketWriter>,
}

impl Encode {
    fn new() -> Self {
        let typical = Typical::new();
        let mut events = typical.effects.events().flatten();
        let event = events.find(|event| event.feed_no().is_some());
        Self {
            stamp: Stamp {
                engine_seq: typical.header.seq,
                engine_time: typical.header.engine_time,
            },
            event: event.expect("an order that rests is public"),
            packet: Box::new(PacketWriter::new(SessionName::new(0, 1), 1)),
        }
    }
}

impl Subject for Encode {
    fn run(&mut self, count: u64) -> u64 {
        for _ in 0..count {
            let message = Message::public(black_box(self.stamp), black_box(&self.event));
            let message = message.expect("a public event");
            self.packet.push(&message).expect("ten fit");
            if self.packet.count() == PACKET {
                black_box(self.packet.finish());
                self.packet.restart(self.packet.next_number());
            }
        }
        self.packet.next_number()
    }
}
