//! Any bytes: no panic, no more work than one pass, and what is accepted means one thing.
//!
//! Every golden vector is mutated from fixed seeds. `corpus/` holds one input for each way to be
//! refused, named after it; `WRITE_CORPUS=1 cargo test -p wire --test golden` adds what is missing.

use crate::samples::{datagrams, keys, samples};
use std::collections::BTreeMap;
use std::path::PathBuf;
use wire::order_entry::{
    DatagramReader, DatagramWriter, DecodeError, MIN_DATAGRAM, Message, MessageHeader, NotACommand,
    Template,
};
use zerocopy::IntoBytes;

/// splitmix64: small, seeded, and good enough to pick bytes.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}

/// Datagrams, single messages, and messages wrapped into a datagram.
fn seeds() -> Vec<Vec<u8>> {
    let contexts: Vec<_> = datagrams().iter().map(|sample| sample.context).collect();
    let mut seeds: Vec<Vec<u8>> = datagrams().iter().map(|sample| sample.encode()).collect();
    for sample in samples() {
        let mut message = sample.template.header().as_bytes().to_vec();
        message.extend_from_slice(sample.message.block());
        for context in [&contexts[0], &contexts[2]] {
            let mut bytes = vec![0; wire::MAX_DATAGRAM];
            let mut writer = DatagramWriter::new(&mut bytes, *context);
            writer.push_message(&sample.message).unwrap();
            let length = writer.finish(&keys(context.epoch).to_exchange);
            bytes.truncate(length);
            seeds.push(bytes);
        }
        seeds.push(message);
    }
    seeds
}

pub(crate) fn mutate(seed: &[u8], others: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    const TELLING: [u16; 14] = [0, 1, 7, 8, 15, 16, 19, 20, 32, 33, 40, 1400, 0x7FFF, 0xFFFF];
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        match random.below(6) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            1 => bytes.truncate(at),
            2 => {
                let other = &others[random.below(others.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[random.below(other.len())..]);
            }
            // A lie in a header: its words stand on even offsets.
            3 if bytes.len() >= 2 => {
                let at = at.min(bytes.len() - 2) & !1;
                let value = TELLING[random.below(TELLING.len())];
                bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
            }
            // A whole message more, or one less.
            4 if bytes.len() > MIN_DATAGRAM => {
                let other = &others[random.below(others.len())];
                let at = bytes.len() - 8;
                bytes.splice(at..at, other.iter().copied());
            }
            _ => {
                let length = random.below(64);
                bytes.extend((0..length).map(|_| random.next().to_le_bytes()[0]));
            }
        }
    }
    bytes
}

/// The name of what a reader makes of the bytes.
fn outcome(bytes: &[u8]) -> &'static str {
    match DatagramReader::parse(bytes) {
        Ok(_) => "accepted",
        Err(DecodeError::WrongLength { .. }) => "wrong-length",
        Err(DecodeError::NoContext) => "no-context",
        Err(DecodeError::SecondContext) => "second-context",
        Err(DecodeError::UnknownSchema { .. }) => "unknown-schema",
        Err(DecodeError::UnevenBlock { .. }) => "uneven-block",
        Err(DecodeError::ShortBlock { .. }) => "short-block",
        Err(DecodeError::InvalidGroup { .. }) => "invalid-group",
        Err(DecodeError::CutOff) => "cut-off",
        Err(DecodeError::InvalidField(NotACommand::InvalidField { field, .. })) => match field {
            "side" => "invalid-side",
            "order_type" => "invalid-order-type",
            "time_in_force" => "invalid-time-in-force",
            "post_only" => "invalid-post-only",
            "self_trade" => "invalid-self-trade",
            "self_trade_scope" => "invalid-self-trade-scope",
            "scope" => "invalid-scope",
            "sides" => "invalid-sides",
            "on" => "invalid-on",
            "slide" => "invalid-slide",
            other => panic!("{other} is not checked"),
        },
        Err(DecodeError::InvalidField(other)) => panic!("{other} is not about a field"),
        Err(DecodeError::WrongEpoch { .. }) => "wrong-epoch",
        Err(DecodeError::InvalidNumber) => "invalid-number",
    }
}

const OUTCOMES: [&str; 21] = [
    "accepted",
    "cut-off",
    "invalid-group",
    "invalid-number",
    "invalid-on",
    "invalid-order-type",
    "invalid-post-only",
    "invalid-scope",
    "invalid-self-trade",
    "invalid-self-trade-scope",
    "invalid-side",
    "invalid-sides",
    "invalid-slide",
    "invalid-time-in-force",
    "no-context",
    "second-context",
    "short-block",
    "uneven-block",
    "unknown-schema",
    "wrong-epoch",
    "wrong-length",
];

/// Sends bytes through every decoder.
fn exercise(bytes: &[u8]) -> &'static str {
    let key = &keys(2).to_exchange;
    let _ = DatagramReader::verify(bytes, key);
    let context = DatagramReader::context(bytes);
    for template in Template::ALL {
        if let Some(message) = Message::from_block(template.number(), bytes) {
            let length = message.block().len();
            assert!(length >= template.block_length());
            assert_eq!(message.block(), &bytes[..length]);
        }
    }
    if let Ok(datagram) = DatagramReader::parse(bytes) {
        assert_eq!(Ok(datagram.context), context);
        let mut again = vec![0; wire::MAX_DATAGRAM];
        let mut writer = DatagramWriter::new(&mut again, datagram.context);
        let mut count = 0;
        for numbered in datagram.messages.clone() {
            count += 1;
            assert_eq!(numbered.number.is_some(), numbered.message.takes_number());
            match (numbered.message, numbered.message.command()) {
                (
                    Message::NewOrder(_)
                    | Message::CancelOrder(_)
                    | Message::AmendOrder(_)
                    | Message::MassCancel(_)
                    | Message::KillSwitch(_)
                    | Message::MassQuote(_)
                    | Message::SetProtection(_)
                    | Message::Attest(_),
                    it,
                ) => {
                    assert!(it.is_ok(), "a command of an accepted datagram converts");
                }
                (_, it) => assert!(it.is_err()),
            }
            if !matches!(numbered.message, Message::Unknown { .. }) {
                writer.push_message(&numbered.message).unwrap();
            }
        }
        // A quote that shares its block takes more bytes than a header.
        assert!(count <= bytes.len() / MessageHeader::BYTES);
        let known = datagram
            .messages
            .clone()
            .filter(|numbered| !matches!(numbered.message, Message::Unknown { .. }));
        let known: Vec<_> = known.map(|numbered| numbered.message).collect();
        let length = writer.finish(key);
        let read = DatagramReader::parse(&again[..length]).unwrap();
        let read: Vec<_> = read.messages.map(|numbered| numbered.message).collect();
        assert_eq!(read, known);
    }
    outcome(bytes)
}

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

#[test]
fn mutations_of_golden_vectors_are_read_or_refused() {
    let seeds = seeds();
    let mut random = Random(1);
    let mut found: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for seed in &seeds {
        exercise(seed);
        for length in 0..seed.len() {
            exercise(&seed[..length]);
        }
        for bit in 0..seed.len() * 8 {
            let mut bytes = seed.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            exercise(&bytes);
        }
        for _ in 0..2_000 {
            let bytes = mutate(seed, &seeds, &mut random);
            let outcome = exercise(&bytes);
            found.entry(outcome).or_insert(bytes);
        }
    }
    let outcomes: Vec<_> = found.keys().copied().collect();
    assert_eq!(
        outcomes, OUTCOMES,
        "the mutations reach every way to be refused"
    );
    if std::env::var_os("WRITE_CORPUS").is_some() {
        for (outcome, bytes) in found {
            let path = corpus().join(format!("{outcome}.bin"));
            if !path.exists() {
                std::fs::write(path, bytes).unwrap();
            }
        }
    }
}

#[test]
fn the_corpus_is_refused_for_the_reasons_that_it_names() {
    let mut outcomes = Vec::new();
    for entry in std::fs::read_dir(corpus()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert_eq!(exercise(&bytes), name);
        outcomes.push(name);
    }
    outcomes.sort();
    assert_eq!(outcomes, OUTCOMES);
}

#[test]
fn noise_is_read_or_refused() {
    let mut random = Random(2);
    for _ in 0..20_000 {
        let length = random.below(wire::MAX_DATAGRAM + 8);
        let bytes: Vec<u8> = (0..length)
            .map(|_| random.next().to_le_bytes()[0])
            .collect();
        assert_ne!(exercise(&bytes), "accepted");
    }
}
