//! Frames: their bytes, and that nothing but what was written is read.

mod written;

use domain::{
    Command, CommandError, Effects, EventError, EventKind, MAX_COMMAND_WORDS, MAX_EVENTS, Nanos,
    Seq, SessionId, Source, Timer,
};
use journal::{
    Chain, Extent, FORMAT_VERSION, Frame, FrameError, FrameHeader, MAX_FRAME_WORDS, encode,
};
use written::{Seeded, bytes, fill, journal};

/// Puts the right CRC into a frame.
fn seal(words: &mut [u64]) {
    let all = bytes(words);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&all[..60]), &all[64..]);
    words[7] = words[7] & 0xFFFF_FFFF | u64::from(crc) << 32;
}

#[test]
fn a_frame_has_the_documented_bytes() {
    let header = FrameHeader {
        engine_version: 0x0102,
        seq: Seq(0x1122_3344_5566_7788),
        epoch: 0x0A0B_0C0D,
        shard: 0x0E0F,
        source: Source::of_session(SessionId(6)),
        source_seq: 0x0706_0504_0302_0100,
        receive_time: Nanos(0x2121_2121),
        engine_time: Nanos(0x4343_4343),
        prev_crc: 0xDEAD_BEEF,
    };
    let command = Command::Timer(Timer {
        deadline: Nanos(0x99),
    });
    let mut effects = Effects::new();
    effects.push(&fill());
    let mut buffer = [0; MAX_FRAME_WORDS];
    let (words, crc) = encode(&header, &command, &effects, &mut buffer);
    let all = bytes(&buffer[..words]);
    assert_eq!(words, 8 + 1 + 10);
    let expected = [
        &[6, 0, 0x02, 0x01][..],
        &152_u32.to_le_bytes(),
        &header.seq.0.to_le_bytes(),
        &header.epoch.to_le_bytes(),
        &header.shard.to_le_bytes(),
        &17_u16.to_le_bytes(),
        &[6, 0, 0, 0x80],
        &[1, 0, 1, 0],
        &header.source_seq.to_le_bytes(),
        &header.receive_time.0.to_le_bytes(),
        &header.engine_time.0.to_le_bytes(),
        &header.prev_crc.to_le_bytes(),
        &crc.to_le_bytes(),
        &0x99_u64.to_le_bytes(),
    ]
    .concat();
    assert_eq!(all[..72], expected);
    assert_eq!(all[72], 3, "a fill's kind comes first");
    let crc_of_the_rest = crc32c::crc32c(&[&all[..60], &all[64..]].concat());
    assert_eq!(crc, crc_of_the_rest);

    let frame = Frame::parse(&buffer[..words]).expect("whole");
    assert_eq!(
        (frame.header, frame.crc, frame.command),
        (header, crc, command)
    );
    assert_eq!(frame.event_words, effects.words());
    assert_eq!(frame.words(), words);
    assert_eq!(frame.request().source_seq, header.source_seq);
    let extent = Extent::peek(&buffer[..8]).expect("a header");
    assert_eq!((extent.seq, extent.words), (header.seq, words));
}

#[test]
fn the_longest_frame_fits() {
    let mut effects = Effects::new();
    while usize::from(effects.count()) < 102 {
        effects.push(&fill());
    }
    assert!(usize::from(effects.count()) <= MAX_EVENTS);
    let mut chain = Chain::new(1);
    let commands = written::commands().into_iter();
    let longest = commands.max_by_key(|command| command.kind().body_words());
    let mut command = longest.expect("there are commands");
    assert_eq!(command.kind().body_words(), MAX_COMMAND_WORDS);
    let header = written::header(&chain, &mut command);
    let words = written::write(&mut chain, &header, &command, &effects);
    assert_eq!(words.len(), 8 + command.kind().body_words() + 1020);
}

#[test]
fn every_flipped_bit_and_every_cut_is_seen() {
    for words in journal(20) {
        for bit in 0..64 * words.len() {
            let mut flipped = words.clone();
            flipped[bit / 64] ^= 1 << (bit % 64);
            assert!(Frame::parse(&flipped).is_err(), "bit {bit}");
        }
        for len in 0..words.len() {
            assert!(Frame::parse(&words[..len]).is_err(), "{len} words");
        }
        let mut longer = words.clone();
        longer.push(0);
        assert!(Frame::parse(&longer).is_err());
    }
}

#[test]
fn each_refusal_says_what_is_wrong() {
    // A NewOrder with nine private events: 8 header words, 9 of the command, then an Accepted.
    let whole = &journal(1)[0];
    let refused = |change: &dyn Fn(&mut [u64])| {
        let mut words = whole.clone();
        change(&mut words);
        seal(&mut words);
        Frame::parse(&words).expect_err("it is refused")
    };
    assert_eq!(
        refused(&|words| words[0] += 1),
        FrameError::FormatVersion(FORMAT_VERSION + 1)
    );
    assert!(matches!(
        refused(&|words| words[0] += 8 << 32),
        FrameError::Length { .. }
    ));
    assert_eq!(
        refused(&|words| words[2] = words[2] & !(0xFFFF << 48) | 99 << 48),
        FrameError::Command(CommandError::UnknownKind(99))
    );
    assert!(matches!(
        refused(&|words| words[3] += 1 << 32),
        FrameError::Command(CommandError::WrongLength { words: 10, .. })
    ));
    assert!(matches!(
        refused(&|words| words[3] |= 0xFFFF << 32),
        FrameError::Command(CommandError::WrongLength { .. })
    ));
    assert!(matches!(
        refused(&|words| words[11] |= 9 << 32),
        FrameError::Command(CommandError::InvalidField(_))
    ));
    assert_eq!(
        refused(&|words| words[3] += 1 << 48),
        FrameError::EventCount {
            says: 13,
            found: 12
        }
    );
    let event = 8 + written::commands()[0].kind().body_words();
    assert_eq!(
        refused(&|words| words[event] = words[event] & !0xFF | 200),
        FrameError::Event {
            index: 0,
            error: EventError::UnknownKind(200)
        }
    );
    assert!(matches!(
        refused(&|words| words[event] |= 0xFF << 8),
        FrameError::Event {
            index: 0,
            error: EventError::InvalidField(EventKind::Accepted)
        }
    ));
    let mut words = whole.clone();
    words[9] ^= 1;
    assert!(matches!(Frame::parse(&words), Err(FrameError::Crc { .. })));
    assert_eq!(
        Frame::parse(&words[..3]),
        Err(FrameError::NoHeader { words: 3 })
    );
}

/// What a sealed, but otherwise random change makes is refused, or it is a frame that its own parts
/// encode again to the same words: there is one encoding of everything.
#[test]
fn sealed_mutants_are_refused_or_canonical() {
    let frames = journal(30);
    let mut seeded = Seeded(11);
    let mut read = 0;
    for round in 0..60_000 {
        let mut words = frames[round % frames.len()].clone();
        for _ in 0..=seeded.below(3) {
            let at = seeded.below(words.len());
            match seeded.below(4) {
                0 => words[at] ^= 1 << seeded.below(64),
                1 => words[at] = seeded.next(),
                2 => words[at] = words[seeded.below(words.len())],
                _ => {
                    let from = &frames[seeded.below(frames.len())];
                    words[at] = from[seeded.below(from.len())];
                }
            }
        }
        seal(&mut words);
        let Ok(frame) = Frame::parse(&words) else {
            continue;
        };
        read += 1;
        let kept: Vec<_> = frame.events().map(|event| event.expect("valid")).collect();
        assert!(kept.len() <= MAX_EVENTS);
        let mut body = frame.command.body().to_vec();
        body.extend(bytes(frame.event_words));
        assert_eq!(body, bytes(&words[8..]));
    }
    assert!(read > 1_000, "some of them are frames: {read}");
}
