//! Archives: all of one is read, anything else is told apart and said.

mod written;

use domain::{Effects, Seq};
use journal::{
    ArchiveError, ArchiveReader, Chain, ChainError, Damage, FORMAT_VERSION, Frame, FrameError,
    MAX_FRAME_WORDS, Position, SEGMENT_HEADER_BYTES, SegmentError, Segments, Torn,
};
use std::io;
use written::{Archive, SHARD, Seeded, bytes, extend, journal};

/// All frames up to the end or the first refusal.
fn read(archive: &Archive) -> (Vec<Vec<u64>>, Result<Option<Torn>, ArchiveError>) {
    let mut frames = Vec::new();
    let mut buffer = [0; MAX_FRAME_WORDS];
    let outcome = ArchiveReader::over(archive.clone(), SHARD).and_then(|mut reader| {
        while let Some(words) = reader.next(&mut buffer)? {
            frames.push(buffer[..words].to_vec());
        }
        assert_eq!(reader.tail().last_seq.0, frames.len() as u64);
        Ok(reader.tail().torn)
    });
    (frames, outcome)
}

fn refusal(archive: &Archive) -> ArchiveError {
    read(archive).1.expect_err("it is refused")
}

fn segment(archive: &mut Archive, first: u64) -> &mut Vec<u8> {
    archive.segments.get_mut(&Seq(first)).expect("it is there")
}

#[test]
fn an_archive_is_read_back_and_so_is_an_empty_one() {
    let frames = journal(50);
    for per_segment in [1, 7, 50] {
        let (read, outcome) = read(&Archive::of(&frames, per_segment));
        assert_eq!(read, frames);
        assert_eq!(outcome.expect("whole"), None);
    }
    let (read, outcome) = read(&Archive::default());
    assert!(read.is_empty() && outcome.expect("empty").is_none());
}

#[test]
fn every_cut_of_the_last_segment_is_a_torn_tail() {
    let frames = journal(12);
    let whole = Archive::of(&frames, 5);
    let len = whole.clone().last().len();
    for cut in 0..len {
        let mut archive = whole.clone();
        archive.last().truncate(cut);
        let (left, outcome) = read(&archive);
        assert_eq!(left, frames[..left.len()], "cut at {cut}");
        let torn = outcome.expect("a torn tail");
        let kept: usize = left[10.min(left.len())..]
            .iter()
            .map(|frame| 8 * frame.len())
            .sum();
        let rest = if cut < SEGMENT_HEADER_BYTES {
            cut
        } else {
            cut - SEGMENT_HEADER_BYTES - kept
        };
        assert_eq!(
            torn.map_or(0, |torn| torn.bytes),
            rest as u64,
            "cut at {cut}"
        );
        if let Some(Torn { at, .. }) = torn {
            assert_eq!(at.segment, Seq(11));
            assert_eq!(at.offset, (cut - rest) as u64);
        }
    }
}

#[test]
fn every_cut_of_another_segment_is_refused() {
    let whole = Archive::of(&journal(12), 5);
    let len = whole.segments[&Seq(6)].len();
    for cut in 0..len {
        let mut archive = whole.clone();
        segment(&mut archive, 6).truncate(cut);
        let (left, outcome) = read(&archive);
        let error = outcome.expect_err("it is refused");
        let says = error.to_string();
        assert!(
            says.contains("seq") && left.len() < 10,
            "cut at {cut}: {says}"
        );
    }
}

/// A flipped bit is damage, or, in the very last frame, a torn tail; never another frame.
#[test]
fn every_flipped_byte_is_found() {
    let frames = journal(9);
    let whole = Archive::of(&frames, 4);
    let last_frame = 8 * frames[8].len();
    for (&first, content) in &whole.segments {
        for at in 0..content.len() {
            for bit in [0, 3, 7] {
                let mut archive = whole.clone();
                segment(&mut archive, first.0)[at] ^= 1 << bit;
                let (left, outcome) = read(&archive);
                assert_eq!(left, frames[..left.len()]);
                let in_last = first == Seq(9);
                match outcome {
                    Ok(torn) => {
                        let in_last_frame = at + last_frame >= content.len();
                        assert!(in_last && in_last_frame, "{first}: byte {at}, bit {bit}");
                        assert_eq!(torn.map(|torn| torn.bytes), Some(last_frame as u64));
                    }
                    Err(ArchiveError::Damaged { at: place, seq, .. }) => {
                        assert_eq!(place.segment, first, "byte {at}");
                        assert!(place.offset <= at as u64);
                        assert!(seq >= first);
                    }
                    Err(other) => panic!("{first}: byte {at}, bit {bit}: {other}"),
                }
            }
        }
    }
}

/// Splices: bytes and frames lost, doubled, exchanged, put in, at places that a generator chooses.
#[test]
fn seeded_splices_never_give_another_journal() {
    let frames = journal(40);
    let whole = Archive::of(&frames, 9);
    let firsts: Vec<Seq> = whole.segments.keys().copied().collect();
    let mut seeded = Seeded(5);
    let (mut torn, mut refused) = (0, 0);
    for round in 0..4_000 {
        let mut archive = whole.clone();
        let first = firsts[seeded.below(firsts.len())];
        let donor = whole.segments[&firsts[seeded.below(firsts.len())]].clone();
        let content = segment(&mut archive, first.0);
        let at = seeded.below(content.len());
        let end = (at + 1 + seeded.below(300)).min(content.len());
        match seeded.below(6) {
            0 => drop(content.drain(at..end)),
            1 => content.extend_from_within(at..end),
            2 => drop(content.splice(at..at, donor[at.min(donor.len())..].to_vec())),
            3 => content[at..end].fill(0),
            4 => content[at..end].reverse(),
            _ => drop(content.splice(at..end, (0..seeded.below(99)).map(|_| 0xA5))),
        }
        if *content == whole.segments[&first] {
            continue;
        }
        let (left, outcome) = read(&archive);
        assert_eq!(left, frames[..left.len()], "round {round}");
        match outcome {
            Ok(tail) => {
                assert_eq!(Some(&first), firsts.last(), "round {round}");
                // A cut at a frame's end is no damage that an archive alone can show.
                assert!(tail.is_some() || left.len() < frames.len(), "round {round}");
                torn += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(
        torn > 100 && refused > 1_000,
        "{torn} torn, {refused} refused"
    );
}

#[test]
fn frames_doubled_or_exchanged_at_the_end_are_refused() {
    let frames = journal(6);
    let mut doubled = Archive::of(&frames, 9);
    doubled.last().extend(bytes(&frames[5]));
    assert!(matches!(
        refusal(&doubled),
        ArchiveError::Damaged {
            seq: Seq(7),
            damage: Damage::Chain(ChainError::Seq {
                expected: Seq(7),
                found: Seq(6)
            }),
            ..
        }
    ));
    let mut exchanged = frames.clone();
    exchanged.swap(4, 5);
    assert!(matches!(
        refusal(&Archive::of(&exchanged, 9)),
        ArchiveError::Damaged {
            seq: Seq(5),
            damage: Damage::Chain(ChainError::Seq { .. }),
            ..
        }
    ));
}

#[test]
fn damage_before_a_whole_frame_of_the_last_segment_is_refused() {
    let frames = journal(6);
    let mut archive = Archive::of(&frames, 9);
    let at = SEGMENT_HEADER_BYTES + 8 * (frames[0].len() + frames[1].len());
    archive.last()[at + 70] ^= 1;
    let error = refusal(&archive);
    let follows = (at + 8 * frames[2].len()) as u64;
    assert!(
        matches!(
            error,
            ArchiveError::Damaged {
                at: Position { segment: Seq(1), offset },
                seq: Seq(3),
                damage: Damage::Frame(FrameError::Crc { .. }),
                whole_frame: Some(place),
            } if offset == at as u64 && place == follows
        ),
        "{error}"
    );
    let says = error.to_string();
    let file = "00000000000000000001.seg";
    for part in [
        file,
        &format!("byte {at}"),
        "seq 3",
        "restore",
        &format!("`cp {file} {file}.damaged`"),
        &format!("`truncate --size={at} {file}`"),
        "seq 3 and every frame behind it are then lost",
        "more than 1048576 bytes",
    ] {
        assert!(says.contains(part), "{says}");
    }
    // The operator does as told.
    archive.last().truncate(at);
    let (left, outcome) = read(&archive);
    assert_eq!(
        (left.as_slice(), outcome.expect("whole")),
        (&frames[..2], None)
    );
}

#[test]
fn missing_segments_are_named() {
    let whole = Archive::of(&journal(12), 4);
    let mut first = whole.clone();
    first.segments.remove(&Seq(1));
    assert!(matches!(
        refusal(&first),
        ArchiveError::Missing {
            from: Seq(1),
            to: Seq(4),
            before: Seq(5)
        }
    ));
    let mut between = whole.clone();
    between.segments.remove(&Seq(5));
    let error = refusal(&between);
    assert!(matches!(
        error,
        ArchiveError::Missing {
            from: Seq(5),
            to: Seq(8),
            before: Seq(9)
        }
    ));
    assert!(error.to_string().contains("seqs 5 to 8"), "{error}");
}

#[test]
fn segments_that_do_not_belong_are_refused() {
    let frames = journal(12);
    let whole = Archive::of(&frames, 4);

    let mut overlapping = whole.clone();
    let extra = Archive::of(&frames[6..], 9);
    overlapping.segments.extend(extra.segments);
    assert!(matches!(
        refusal(&overlapping),
        ArchiveError::Overlap { second: Seq(7), .. }
    ));

    let mut renamed = whole.clone();
    let content = renamed.segments[&Seq(5)].clone();
    renamed.segments.insert(Seq(13), content);
    assert!(matches!(
        refusal(&renamed),
        ArchiveError::Damaged {
            damage: Damage::OtherName(Seq(5)),
            ..
        }
    ));

    let mut named = whole.clone();
    named.others = vec!["LOCK".to_owned(), "5.seg".to_owned()];
    assert!(matches!(
        refusal(&named),
        ArchiveError::ForeignFile { name } if name == "5.seg"
    ));

    // Another journal's segment with the same seqs.
    let mut chain = Chain::new(SHARD);
    let other = extend(&mut chain, 1)
        .into_iter()
        .chain([{
            let mut command = written::commands()[3];
            let header = written::header(&chain, &mut command);
            written::write(&mut chain, &header, &command, &Effects::new())
        }])
        .collect::<Vec<_>>();
    let rest = extend(&mut chain, 10);
    let forked = Archive::of(&[other, rest].concat(), 4);
    let mut spliced = whole.clone();
    spliced
        .segments
        .insert(Seq(9), forked.segments[&Seq(9)].clone());
    assert!(matches!(
        refusal(&spliced),
        ArchiveError::Damaged {
            seq: Seq(9),
            damage: Damage::HeaderPrevCrc { .. },
            ..
        }
    ));
}

#[test]
fn another_shard_and_another_version_are_refused_as_such() {
    const FOREIGN: u16 = FORMAT_VERSION + 1;
    let whole = Archive::of(&journal(8), 4);
    let Err(error) = ArchiveReader::over(whole.clone(), SHARD + 1) else {
        panic!("it is refused");
    };
    assert!(matches!(
        error,
        ArchiveError::ForeignShard {
            segment: Seq(1),
            expected: 6,
            found: 5
        }
    ));

    let mut header = whole.clone();
    let content = segment(&mut header, 5);
    content[8] = FOREIGN.to_le_bytes()[0];
    let crc = crc32c::crc32c(&content[..60]);
    content[60..64].copy_from_slice(&crc.to_le_bytes());
    assert!(matches!(
        refusal(&header),
        ArchiveError::ForeignVersion {
            at: Position {
                segment: Seq(5),
                offset: 0
            },
            found: FOREIGN,
            ..
        }
    ));

    // A whole frame of another version at the very end is no torn tail.
    let frames = journal(3);
    let mut archive = Archive::of(&frames, 9);
    let at = archive.last().len() - 8 * frames[2].len();
    let frame = &mut archive.last()[at..];
    frame[0] = FOREIGN.to_le_bytes()[0];
    let crc = crc32c::crc32c_append(crc32c::crc32c(&frame[..60]), &frame[64..]);
    frame[60..64].copy_from_slice(&crc.to_le_bytes());
    let error = refusal(&archive);
    assert!(
        matches!(
            error,
            ArchiveError::ForeignVersion {
                seq: Seq(3),
                found: FOREIGN,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("run the version"), "{error}");
}

#[test]
fn a_header_that_announces_another_epoch_is_refused() {
    let mut archive = Archive::of(&journal(8), 4);
    let content = segment(&mut archive, 5);
    content[12] ^= 1;
    let crc = crc32c::crc32c(&content[..60]);
    content[60..64].copy_from_slice(&crc.to_le_bytes());
    assert!(matches!(
        refusal(&archive),
        ArchiveError::Damaged {
            seq: Seq(5),
            damage: Damage::HeaderEpoch { .. },
            ..
        }
    ));
}

/// What follows damage is found however far away it is, and wherever the parts end in which it is
/// searched.
#[test]
fn a_whole_frame_far_behind_damage_is_found() {
    let frames = journal(3);
    let (second, third) = (bytes(&frames[1]), bytes(&frames[2]));
    let across = (1 << 20) - second.len() - third.len() / 2;
    for gap in [0, 1, across, 1 << 20, (3 << 20) + 5] {
        let mut archive = Archive::of(&frames[..1], 9);
        let end = archive.last().len();
        archive.last().extend(&second[..second.len() - 1]);
        archive.last().extend(vec![0x5A; gap]);
        let (left, outcome) = read(&archive);
        assert_eq!(
            (
                left.len(),
                outcome.expect("torn").map(|torn| torn.at.offset)
            ),
            (1, Some(end as u64))
        );
        let place = archive.last().len() as u64;
        archive.last().extend(&third);
        let error = refusal(&archive);
        assert!(
            matches!(error, ArchiveError::Damaged { whole_frame: Some(found), .. } if found == place),
            "{gap}: {error}"
        );
    }
}

/// A frame whose CRC is right was written as it stands: at the end too it is no unfinished write.
#[test]
fn a_last_frame_that_is_whole_and_does_not_decode_is_refused() {
    let frames = journal(3);
    let mut archive = Archive::of(&frames, 9);
    let at = archive.last().len() - 8 * frames[2].len();
    let frame = &mut archive.last()[at..];
    frame[22] = 99;
    let crc = crc32c::crc32c_append(crc32c::crc32c(&frame[..60]), &frame[64..]);
    frame[60..64].copy_from_slice(&crc.to_le_bytes());
    assert!(matches!(
        refusal(&archive),
        ArchiveError::Damaged {
            seq: Seq(3),
            damage: Damage::Frame(FrameError::Command(_)),
            whole_frame: None,
            ..
        }
    ));
}

/// An archive of which the first reads see only a part: the archiver writes the rest in between.
struct Racing {
    archive: Archive,
    cut: usize,
    reads_before: usize,
}

impl Segments for Racing {
    fn names(&mut self) -> io::Result<Vec<String>> {
        self.archive.names()
    }

    fn read(&mut self, first: Seq, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.archive.read(first, offset, buffer)?;
        if self.reads_before == 0 {
            return Ok(read);
        }
        self.reads_before -= 1;
        let offset = usize::try_from(offset).expect("fits");
        Ok(read.min(self.cut.saturating_sub(offset)))
    }
}

#[test]
fn a_write_that_ends_between_two_looks_is_no_damage() {
    let frames = journal(6);
    let archive = Archive::of(&frames, 9);
    let len = archive.segments[&Seq(1)].len();
    for cut in (0..len).step_by(5) {
        for reads_before in 0..8 {
            let racing = Racing {
                archive: archive.clone(),
                cut,
                reads_before,
            };
            let mut reader = ArchiveReader::over(racing, SHARD).expect("whole so far");
            let mut seen = 0;
            for _ in 0..20 {
                while reader.next_frame().expect("no damage").is_some() {
                    seen += 1;
                }
            }
            assert_eq!(seen, frames.len(), "cut at {cut}, {reads_before} reads");
        }
    }
}

#[test]
fn a_header_that_is_not_written_yet_is_a_torn_tail_unless_a_frame_follows() {
    let frames = journal(8);
    let whole = Archive::of(&frames, 4);
    let mut zeros = whole.clone();
    *zeros.last() = vec![0; 40];
    let (left, outcome) = read(&zeros);
    assert_eq!(left, frames[..4]);
    assert_eq!(outcome.expect("torn").map(|torn| torn.bytes), Some(40));
    let mut broken = whole;
    broken.last()[20] ^= 1;
    assert!(matches!(
        refusal(&broken),
        ArchiveError::Damaged {
            damage: Damage::Header(SegmentError::Crc { .. }),
            whole_frame: Some(64),
            ..
        }
    ));
    let says = refusal(&broken).to_string();
    assert!(
        says.contains("`truncate --size=0 00000000000000000005.seg`"),
        "{says}"
    );
    broken.last().clear();
    let (left, outcome) = read(&broken);
    assert_eq!(
        (left.as_slice(), outcome.expect("whole")),
        (&frames[..4], None)
    );
}

/// A reader sees what an archiver appends, byte by byte, in segments that come to be.
#[test]
fn a_reader_follows_an_archive_that_grows() {
    let frames = journal(9);
    let whole = Archive::of(&frames, 4);
    let mut reader = ArchiveReader::over(Archive::default(), SHARD).expect("empty");
    let mut read = Vec::new();
    let mut buffer = [0; MAX_FRAME_WORDS];
    for (&first, content) in &whole.segments {
        for len in (0..=content.len()).step_by(3).chain([content.len()]) {
            let grown = content[..len].to_vec();
            reader.source().segments.insert(first, grown);
            while let Some(words) = reader.next(&mut buffer).expect("whole so far") {
                read.push(buffer[..words].to_vec());
            }
        }
    }
    assert_eq!(read, frames);
    assert_eq!(reader.tail().torn, None);
}

#[test]
fn seek_finds_every_seq_and_no_other() {
    let frames = journal(20);
    let mut reader = ArchiveReader::over(Archive::of(&frames, 6), SHARD).expect("whole");
    for seq in (1..=20).rev() {
        reader.seek(Seq(seq)).expect("it is archived");
        let frame = reader.next_frame().expect("whole").expect("there");
        assert_eq!(frame.header.seq, Seq(seq));
    }
    reader.seek(Seq(21)).expect("the next one");
    assert_eq!(reader.next_frame().expect("whole"), None);
    assert!(matches!(
        reader.seek(Seq(22)),
        Err(ArchiveError::NotArchived {
            seq: Seq(22),
            last: Seq(20)
        })
    ));
}

#[test]
fn the_chain_refuses_what_does_not_continue_it() {
    let frames = journal(6);
    let parsed: Vec<_> = frames
        .iter()
        .map(|words| Frame::parse(words).expect("whole"))
        .collect();
    let mut chain = Chain::new(SHARD);
    for frame in &parsed {
        assert_eq!(chain.check(frame), Ok(()));
        let before = chain;
        assert!(matches!(chain.check(frame), Err(ChainError::Seq { .. })));
        assert_eq!(chain, before, "an error changes nothing");
    }
    let next = extend(&mut chain.clone(), 1).remove(0);
    let next = Frame::parse(&next).expect("whole");
    let changed = |change: &dyn Fn(&mut Chain)| {
        let mut changed = chain;
        change(&mut changed);
        changed.check(&next).expect_err("it does not continue")
    };
    assert!(matches!(
        changed(&|chain| chain.shard += 1),
        ChainError::Shard { .. }
    ));
    assert!(matches!(
        changed(&|chain| chain.last_crc ^= 1),
        ChainError::PrevCrc { .. }
    ));
    // The frame is a `Recovered`: it may begin a later epoch, but not an earlier one.
    assert!(matches!(
        changed(&|chain| chain.epoch = Some(9)),
        ChainError::Epoch { .. }
    ));
    assert!(matches!(
        changed(&|chain| chain.engine_time.0 = 99),
        ChainError::Time { .. }
    ));
    // A segment's header may name any seq as its first.
    let mut end = Chain {
        next_seq: Seq(u64::MAX),
        ..chain
    };
    let mut last = next;
    last.header.seq = end.next_seq;
    assert_eq!(end.check(&last), Err(ChainError::Last));
    let mut risen = Chain::new(SHARD);
    risen.epoch = Some(0);
    assert!(matches!(
        risen.check(&parsed[0]),
        Err(ChainError::Epoch {
            expected: 0,
            found: 1,
            ..
        })
    ));
}
