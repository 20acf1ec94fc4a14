//! Packets of the feed that are cut, flipped, spliced or lie about their lengths: no panic, no more work
//! than one pass, and what is accepted means one thing.

use crate::market_data::{Values, packets, requests, sample};
use crate::mutations::{Random, mutate};
use std::collections::BTreeSet;
use wire::MAX_DATAGRAM;
use wire::market_data::{
    BookDelete, Content, HEADER_BYTES, Message, NoRoom, Packet, PacketError, PacketWriter, Request,
    RequestError, SessionName, Template,
};

/// Reads bytes, writes again what was read, and gives the outcome a name.
fn exercise(bytes: &[u8]) -> &'static str {
    let packet = match Packet::parse(bytes) {
        Ok(packet) => packet,
        Err(PacketError::WrongLength { .. }) => return "wrong-length",
        Err(PacketError::CutOff) => return "cut-off",
        Err(PacketError::TooLong) => return "too-long",
        Err(PacketError::UnknownSchema { .. }) => return "unknown-schema",
        Err(PacketError::WrongBlock { .. }) => return "wrong-block",
        Err(PacketError::InvalidNumber) => return "invalid-number",
    };
    if let Some((shard, epoch)) = packet.session.parts() {
        assert_eq!(SessionName::new(shard, epoch), packet.session);
    }
    let Content::Messages(messages) = packet.content else {
        assert_eq!(bytes.len(), HEADER_BYTES);
        return "without-messages";
    };
    let known = |message: &Message| !matches!(message, Message::Unknown { .. });
    let all: Vec<_> = messages.collect();
    assert!(!all.is_empty() && all.len() <= (bytes.len() - HEADER_BYTES) / 10);
    let mut writer = PacketWriter::new(packet.session, packet.sequence);
    for message in all.iter().filter(|message| known(message)) {
        writer.push(message).unwrap();
    }
    let again = writer.finish().to_vec();
    if let Content::Messages(read) = Packet::parse(&again).unwrap().content {
        assert!(read.eq(all.iter().copied().filter(known)));
    }
    "messages"
}

const OUTCOMES: [&str; 8] = [
    "cut-off",
    "invalid-number",
    "messages",
    "too-long",
    "unknown-schema",
    "without-messages",
    "wrong-block",
    "wrong-length",
];

#[test]
fn mutations_of_golden_packets_are_read_or_refused() {
    let seeds: Vec<_> = packets().iter().map(|packet| packet.encode()).collect();
    let mut random = Random(3);
    let mut found = BTreeSet::new();
    for seed in &seeds {
        for length in 0..seed.len() {
            found.insert(exercise(&seed[..length]));
        }
        for bit in 0..seed.len() * 8 {
            let mut bytes = seed.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            found.insert(exercise(&bytes));
        }
        for _ in 0..5_000 {
            found.insert(exercise(&mutate(seed, &seeds, &mut random)));
        }
    }
    assert_eq!(Vec::from_iter(found), OUTCOMES);
}

#[test]
fn noise_is_refused() {
    let mut random = Random(4);
    for _ in 0..20_000 {
        let length = random.below(MAX_DATAGRAM + 8);
        let bytes: Vec<u8> = (0..length)
            .map(|_| random.next().to_le_bytes()[0])
            .collect();
        assert_ne!(exercise(&bytes), "messages");
    }
}

#[test]
fn a_packet_ends_with_its_last_message_and_no_message_within_its_block() {
    let session = SessionName::new(0, 1);
    let mut writer = PacketWriter::new(session, 5);
    writer.push(&BookDelete::default().into()).unwrap();
    let bytes = writer.finish().to_vec();
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        Packet::parse(&bytes).err()
    };
    let template_id = Template::BookDelete.number();
    assert_eq!(refused(&|_| {}), None);
    assert_eq!(refused(&|b| b.push(0)), Some(PacketError::TooLong));
    assert_eq!(refused(&|b| b[19] = 2), Some(PacketError::CutOff));
    assert_eq!(refused(&|b| b[19] = 0), Some(PacketError::TooLong));
    let short = Some(PacketError::WrongBlock { template_id });
    assert_eq!(refused(&|b| b[22] = 40), short, "longer than its message");
    assert_eq!(refused(&|b| b[22] = 24), short, "shorter than known");
    let foreign = Some(PacketError::UnknownSchema { schema_id: 1 });
    assert_eq!(refused(&|b| b[26] = 1), foreign, "of order entry");
    assert_eq!(
        refused(&|b| b[10..18].fill(0)),
        Some(PacketError::InvalidNumber)
    );
    assert_eq!(
        refused(&|b| b[10..18].fill(0xFF)),
        Some(PacketError::InvalidNumber)
    );
    let unknown = |b: &mut Vec<u8>| b[24] = 99;
    let mut newer = bytes.clone();
    unknown(&mut newer);
    let Content::Messages(mut messages) = Packet::parse(&newer).unwrap().content else {
        panic!("it has a message")
    };
    let expected = Message::Unknown { template_id: 99 };
    assert_eq!(messages.next(), Some(expected));
}

#[test]
fn a_request_is_exactly_its_bytes_and_asks_for_numbers_that_can_be() {
    let [(_, _, _, one), ..] = &requests()[..] else {
        panic!("there is a request")
    };
    let bytes = one.encode();
    for length in (0..MAX_DATAGRAM).filter(|length| *length != bytes.len()) {
        let mut other = bytes.to_vec();
        other.resize(length, 0);
        let refused = Some(RequestError::WrongLength { bytes: length });
        assert_eq!(Request::parse(&other).err(), refused);
    }
    let refused = |first: u64, count: u16| {
        let request = Request {
            first,
            count,
            ..*one
        };
        Request::parse(&request.encode()).err()
    };
    assert_eq!(refused(1, 0), Some(RequestError::AsksForNothing));
    assert_eq!(refused(0, 1), Some(RequestError::InvalidNumber));
    assert_eq!(refused(u64::MAX, 1), Some(RequestError::InvalidNumber));
    assert_eq!(refused(u64::MAX - 1, 1), None);
    assert_eq!(refused(u64::MAX - 1, 2), Some(RequestError::InvalidNumber));
    let mut random = Random(5);
    for _ in 0..20_000 {
        let mut noise = bytes;
        noise.fill_with(|| random.next().to_le_bytes()[0]);
        if let Ok(request) = Request::parse(&noise) {
            assert_eq!(request.encode(), noise);
        }
    }
}

#[test]
fn a_full_packet_says_so_and_the_next_goes_on_with_its_number() {
    let session = SessionName::new(0, 1);
    let mut writer = PacketWriter::new(session, 7);
    let message = sample(Template::Trade, Values::Telling).message;
    let mut pushed = 0;
    while writer.push(&message) == Ok(()) {
        pushed += 1;
    }
    assert_eq!(writer.push(&message), Err(NoRoom));
    assert_eq!((writer.next_number(), writer.count()), (7 + pushed, 16));
    let length = writer.finish().len();
    assert!(length <= MAX_DATAGRAM && length + 82 > MAX_DATAGRAM);
    writer.restart(writer.next_number());
    writer.push(&message).unwrap();
    let packet = Packet::parse(writer.finish()).unwrap();
    assert_eq!(packet.sequence, 7 + pushed);
}
