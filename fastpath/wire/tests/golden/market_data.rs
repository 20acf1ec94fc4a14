//! The feed's golden vectors: one message of every template with its smallest, its largest and telling
//! values, and packets of them.

use crate::vectors::{camel, check_files, hex};
use domain::{MarketState, Nanos, OrderId, Seq, Side, Zero};
use wire::market_data::{
    Content, Field, Message, MessageHeader, Packet, PacketWriter, Request, SessionName, Stamp,
    Template,
};
use zerocopy::IntoBytes;

/// Which values a sample has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Values {
    Smallest,
    Largest,
    /// Every byte of the block differs from its neighbours.
    Telling,
}

/// A golden message, and each field as a reader must show it.
pub(crate) struct Sample {
    name: String,
    template: Template,
    pub(crate) message: Message,
    expected: Vec<(String, String)>,
}

fn flat_fields(template: Template) -> impl Iterator<Item = &'static Field> {
    let (_, own) = template.fields().split_first().unwrap();
    Stamp::FIELDS.iter().chain(own)
}

/// The bytes of a field and how they read.
fn value(field: &Field, values: Values) -> ([u8; 16], String) {
    let largest = u64::MAX >> (64 - 8 * field.size.min(8));
    let telling: [u8; 16] = core::array::from_fn(|i| u8::try_from(field.offset + i + 1).unwrap());
    let number = match values {
        Values::Smallest => 0,
        Values::Largest => largest,
        Values::Telling => u64::from_le_bytes(*telling.first_chunk().unwrap()) & largest,
    };
    let enumerated = |names: [&str; 2]| {
        let value = usize::from(values != Values::Smallest);
        (value as u64, names[value].to_owned())
    };
    let state = [
        MarketState::Continuous,
        MarketState::Delisted,
        MarketState::ClosingAuction,
    ][values as usize];
    let (bits, text) = match field.name {
        "side" | "taker_side" => enumerated(["Buy", "Sell"]),
        "phase" => enumerated(["Open", "CancelOnly"]),
        "state" => (state as u64, format!("{state:?}")),
        "price" | "price_min" => {
            let price = match values {
                Values::Smallest => i64::MIN,
                Values::Largest => i64::MAX,
                Values::Telling => -123_456_789_012_345,
            };
            (price.cast_unsigned(), price.to_string())
        }
        name if name.starts_with("reserved") => (0, "0".to_owned()),
        "symbol" | "base_symbol" | "quote_symbol" => {
            let text = ["A", "ABCDEFGHIJKLMNOP", "SOL/USDC"][values as usize];
            let mut bytes = [0; 16];
            bytes[..text.len()].copy_from_slice(text.as_bytes());
            return (bytes, text.to_owned());
        }
        _ => (number, number.to_string()),
    };
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&bits.to_le_bytes());
    (bytes, text)
}

pub(crate) fn sample(template: Template, values: Values) -> Sample {
    let (mut block, mut expected) = (Vec::new(), Vec::new());
    for field in flat_fields(template) {
        let (bytes, text) = value(field, values);
        block.extend_from_slice(&bytes[..field.size]);
        expected.push((camel(field.name), text));
    }
    Sample {
        name: format!("{template:?}-{values:?}").to_lowercase(),
        template,
        message: Message::from_block(template.number(), &block).unwrap(),
        expected,
    }
}

/// Every template three times.
pub(crate) fn samples() -> Vec<Sample> {
    let values = [Values::Smallest, Values::Largest, Values::Telling];
    let templates = Template::ALL.iter();
    templates
        .flat_map(|&template| values.map(|values| sample(template, values)))
        .collect()
}

fn encode(message: &Message) -> Vec<u8> {
    let template = Template::try_from(message.template_id()).unwrap();
    let mut bytes = template.header().as_bytes().to_vec();
    bytes.extend_from_slice(message.block());
    bytes
}

/// A golden packet.
pub(crate) struct PacketSample {
    name: &'static str,
    shard: u16,
    epoch: u32,
    sequence: u64,
    messages: Vec<Message>,
    ends: bool,
}

impl PacketSample {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let session = SessionName::new(self.shard, self.epoch);
        let mut writer = PacketWriter::new(session, self.sequence);
        for message in &self.messages {
            writer.push(message).unwrap();
        }
        if self.ends {
            writer.end_of_session().to_vec()
        } else {
            writer.finish().to_vec()
        }
    }
}

pub(crate) fn packets() -> Vec<PacketSample> {
    let telling = |template| sample(template, Values::Telling).message;
    let packet = |name, epoch, sequence, messages| PacketSample {
        name,
        shard: 3,
        epoch,
        sequence,
        messages,
        ends: false,
    };
    vec![
        packet("heartbeat", 2, 1, vec![]),
        PacketSample {
            ends: true,
            ..packet("end", 2, u64::MAX, vec![])
        },
        packet("one", 1, 1, vec![telling(Template::MarketDefined)]),
        packet(
            "every",
            u32::MAX,
            u64::MAX - 9,
            Template::ALL.iter().map(|&t| telling(t)).collect(),
        ),
        PacketSample {
            shard: u16::MAX,
            ..packet("full", 2, 1 << 40, vec![telling(Template::BookDelete); 32])
        },
    ]
}

/// Golden requests: their names, shards and epochs, and what they ask for.
pub(crate) fn requests() -> Vec<(&'static str, u16, u32, Request)> {
    let request = |name, shard, epoch, first, count| {
        let session = SessionName::new(shard, epoch);
        let request = Request {
            session,
            first,
            count,
        };
        (name, shard, epoch, request)
    };
    vec![
        request("one", 0, 1, 1, 1),
        request("telling", 3, 2, 0x0102_0304_0506_0708, 0x090A),
        request(
            "largest",
            u16::MAX,
            u32::MAX,
            u64::MAX - u64::from(u16::MAX),
            u16::MAX,
        ),
    ]
}

fn expected_requests() -> String {
    let entries = requests().into_iter().map(|(name, shard, epoch, request)| {
        let Request { first, count, .. } = request;
        format!(
            "  \"request-{name}\": {{ \"shard\": {shard}, \"epoch\": {epoch}, \"first\": \"{first}\", \"count\": {count} }}"
        )
    });
    format!("{{\n{}\n}}\n", entries.collect::<Vec<_>>().join(",\n"))
}

/// All numbers are strings, because JSON's are not 64 bits wide.
fn expected_values() -> String {
    let messages = samples().into_iter().map(|sample| {
        let fields = sample.expected.iter();
        let fields = fields.map(|(field, value)| format!("      \"{field}\": \"{value}\""));
        format!(
            "  \"{}\": {{\n    \"message\": \"{:?}\",\n    \"values\": {{\n{}\n    }}\n  }}",
            sample.name,
            sample.template,
            fields.collect::<Vec<_>>().join(",\n")
        )
    });
    format!("{{\n{}\n}}\n", messages.collect::<Vec<_>>().join(",\n"))
}

fn expected_packets() -> String {
    let entries = packets().into_iter().map(|packet| {
        let templates = packet.messages.iter().map(|m| m.template_id().to_string());
        format!(
            "  \"packet-{}\": {{ \"shard\": {}, \"epoch\": {}, \"sequence\": \"{}\", \"ends\": {}, \"templates\": [{}] }}",
            packet.name,
            packet.shard,
            packet.epoch,
            packet.sequence,
            packet.ends,
            templates.collect::<Vec<_>>().join(", ")
        )
    });
    format!("{{\n{}\n}}\n", entries.collect::<Vec<_>>().join(",\n"))
}

#[test]
fn the_files_are_what_is_written() {
    let mut files: Vec<(String, String)> = Vec::new();
    for sample in &samples() {
        files.push((
            format!("{}.hex", sample.name),
            hex(&encode(&sample.message)),
        ));
    }
    for packet in &packets() {
        files.push((format!("packet-{}.hex", packet.name), hex(&packet.encode())));
    }
    for (name, _, _, request) in requests() {
        files.push((format!("request-{name}.hex"), hex(&request.encode())));
    }
    files.push(("requests.json".to_owned(), expected_requests()));
    files.push(("messages.json".to_owned(), expected_values()));
    files.push(("packets.json".to_owned(), expected_packets()));
    check_files("vectors/market-data", &files);
}

#[test]
fn packets_read_back() {
    for sample in packets() {
        let bytes = sample.encode();
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.session, SessionName::new(sample.shard, sample.epoch));
        assert_eq!(packet.sequence, sample.sequence);
        match packet.content {
            Content::Messages(messages) => {
                assert_eq!(messages.collect::<Vec<_>>(), sample.messages);
            }
            Content::Heartbeat => assert!(sample.messages.is_empty() && !sample.ends),
            Content::EndOfSession => assert!(sample.ends),
        }
    }
}

#[test]
fn requests_read_back() {
    for (_, shard, epoch, request) in requests() {
        assert_eq!(Request::parse(&request.encode()), Ok(request));
        assert_eq!(request.session.parts(), Some((shard, epoch)));
        assert_eq!(request.end() - request.first, u64::from(request.count));
    }
}

#[test]
fn messages_read_back_also_from_a_newer_version() {
    for sample in samples() {
        let bytes = encode(&sample.message);
        let (header, block) = bytes.split_at(MessageHeader::BYTES);
        assert_eq!(header, sample.template.header().as_bytes());
        let id = sample.template.number();
        let longer = [block, &[0xEE; 16]].concat();
        assert_eq!(Message::from_block(id, &longer), Some(sample.message));
        assert_eq!(Message::from_block(id, &block[..block.len() - 1]), None);
        assert_eq!(
            sample.message.stamp().unwrap().as_bytes(),
            &block[..size_of::<Stamp>()]
        );
    }
}

#[test]
fn a_session_name_is_ten_digits_and_says_shard_and_epoch() {
    let name = |shard, epoch| SessionName::new(shard, epoch).to_string();
    assert_eq!(name(0, 1), "0000000001");
    assert_eq!(name(0, 33), "0000000011");
    assert_eq!(name(3, 2), "000C000002");
    assert_eq!(name(u16::MAX, u32::MAX), "7VVVVVVVVV");
    for (shard, epoch) in [(0, 0), (0, 1), (1, 0), (7, 1 << 31), (u16::MAX, u32::MAX)] {
        let parts = SessionName::new(shard, epoch).parts();
        assert_eq!(parts, Some((shard, epoch)));
    }
}

#[test]
fn a_public_event_keeps_every_field_and_a_private_one_is_not_shown() {
    let stamp = Stamp {
        engine_seq: Seq(8),
        engine_time: Nanos(9),
    };
    let event = domain::Event::Trade(domain::Trade {
        kind: domain::EventKind::Trade,
        taker_side: Side::Sell,
        pad: [Zero::Zero; 2],
        market: domain::MarketId(1),
        feed_no: 2,
        trade_id: 3,
        maker_order_id: OrderId(4),
        taker_order_id: OrderId(5),
        price: domain::Price(-6),
        qty: domain::Qty(7),
        maker_leaves: domain::Qty(10),
    });
    let Some(Message::Trade(trade)) = Message::public(stamp, &event) else {
        panic!("a trade is public")
    };
    assert_eq!((trade.stamp, trade.trade_id), (stamp, 3));
    assert_eq!((trade.maker_order_id.0, trade.taker_order_id.0), (4, 5));
    assert_eq!((trade.price.0, trade.quantity.0), (-6, 7));
    assert_eq!((trade.leaves_quantity.0, trade.market_id.0), (10, 1));
    assert_eq!(trade.taker_side, 1);
    let event = domain::Event::MarketStateChanged(domain::MarketStateChanged {
        kind: domain::EventKind::MarketStateChanged,
        state: MarketState::Halted,
        pad: [Zero::Zero; 2],
        market: domain::MarketId(1),
        feed_no: 2,
    });
    let Some(Message::MarketStateChanged(changed)) = Message::public(stamp, &event) else {
        panic!("a market's state is public")
    };
    assert_eq!((changed.market_id.0, changed.state), (1, 3));
    let event = domain::Event::Uncrossed(domain::Uncrossed {
        kind: domain::EventKind::Uncrossed,
        pad: [Zero::Zero; 3],
        market: domain::MarketId(1),
        feed_no: 2,
        price: domain::Price(3),
        qty: domain::Qty(4),
    });
    let Some(Message::Uncrossed(uncrossed)) = Message::public(stamp, &event) else {
        panic!("an auction is public")
    };
    assert_eq!((uncrossed.stamp, uncrossed.market_id.0), (stamp, 1));
    assert_eq!((uncrossed.price.0, uncrossed.quantity.0), (3, 4));
    let private = domain::Event::NotApplied(domain::NotApplied {
        kind: domain::EventKind::NotApplied,
        pad: [Zero::Zero; 3],
        session: domain::SessionId(1),
        report_no: 1,
        from: 1,
        count: 1,
    });
    assert_eq!(Message::public(stamp, &private), None);
}
