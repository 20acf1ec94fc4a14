//! Recovery: archive and journal memory become one chain, or it is said why not.

mod written;

use domain::Seq;
use journal::{
    ArchiveReader, FrameBuffer, MemoryRead, NoMemory, Recovered, Recovery, RecoveryError,
};
use written::{Archive, SHARD, bytes, extend, journal};

/// A journal memory that has the frames of some seqs.
fn memory(frames: &[Vec<u64>], oldest: u64) -> impl FnMut(Seq, &mut FrameBuffer) -> MemoryRead {
    move |seq, buffer| {
        let Some(words) = frames.get(usize::try_from(seq.0 - 1).expect("fits")) else {
            return MemoryRead::End;
        };
        if seq.0 < oldest {
            return MemoryRead::Gone {
                oldest: Seq(oldest),
            };
        }
        buffer[..words.len()].copy_from_slice(words);
        MemoryRead::Frame(words.len())
    }
}

fn reader(archive: &Archive) -> ArchiveReader<Archive> {
    ArchiveReader::over(archive.clone(), SHARD).expect("whole")
}

/// Seqs and CRCs of all frames, and how it ended.
fn run<M: FnMut(Seq, &mut FrameBuffer) -> MemoryRead>(
    mut recovery: Recovery<Archive, M>,
) -> Result<(Vec<Vec<u8>>, Recovered), RecoveryError> {
    let mut frames = Vec::new();
    while let Some(frame) = recovery.next()? {
        assert_eq!(frame.header.seq.0, frames.len() as u64 + 1);
        frames.push([frame.command.body(), &bytes(frame.event_words)].concat());
    }
    Ok((frames, recovery.finish()))
}

fn contents(frames: &[Vec<u64>]) -> Vec<Vec<u8>> {
    frames.iter().map(|words| bytes(&words[8..])).collect()
}

fn join(
    archived: &[Vec<u64>],
    frames: &[Vec<u64>],
    oldest: u64,
) -> Result<Recovered, RecoveryError> {
    let archive = Archive::of(archived, 7);
    let recovery = Recovery::with_memory(reader(&archive), memory(frames, oldest), 1..=1);
    let (read, recovered) = run(recovery)?;
    assert_eq!(read, contents(frames));
    Ok(recovered)
}

#[test]
fn archive_and_memory_join_wherever_they_overlap() {
    let frames = journal(30);
    for archived in [0, 1, 6, 7, 20, 30] {
        for oldest in 1..=archived as u64 + 1 {
            let recovered = join(&frames[..archived], &frames, oldest).expect("it joins");
            assert_eq!(recovered.chain.next_seq, Seq(31));
            assert_eq!(recovered.from_memory, 30 - archived as u64);
            assert_eq!(recovered.torn, None);
            let seen = recovered.from_memory > 0 || oldest <= archived as u64;
            assert_eq!(recovered.tail_may_be_lost, !seen && archived > 0);
        }
    }
}

#[test]
fn without_memory_the_tail_may_be_lost() {
    let frames = journal(10);
    let archive = Archive::of(&frames, 4);
    let recovery: Recovery<Archive, NoMemory> = Recovery::without_memory(reader(&archive), 1..=1);
    let (read, recovered) = run(recovery).expect("whole");
    assert_eq!(read, contents(&frames));
    assert!(recovered.tail_may_be_lost);

    let (_, recovered) =
        run(Recovery::without_memory(reader(&Archive::default()), 1..=1)).expect("empty");
    assert!(!recovered.tail_may_be_lost, "a new shard lost nothing");
    assert_eq!(recovered.chain.next_seq, Seq(1));
}

#[test]
fn a_memory_that_was_never_written_to_joins_nothing() {
    let frames = journal(10);
    let archive = Archive::of(&frames, 4);
    let empty = |_, _: &mut FrameBuffer| MemoryRead::End;
    let (_, recovered) = run(Recovery::with_memory(reader(&archive), empty, 1..=1)).expect("whole");
    assert!(recovered.tail_may_be_lost);
}

#[test]
fn a_torn_tail_is_taken_from_memory() {
    let frames = journal(10);
    let mut archive = Archive::of(&frames, 4);
    let content = archive.last();
    content.truncate(content.len() - 5);
    let recovery = Recovery::with_memory(reader(&archive), memory(&frames, 5), 1..=1);
    let (read, recovered) = run(recovery).expect("it joins");
    assert_eq!(read, contents(&frames));
    assert_eq!(recovered.torn.map(|torn| torn.at.segment), Some(Seq(9)));
    assert!(!recovered.tail_may_be_lost);
    let (read, recovered) =
        run(Recovery::without_memory(reader(&archive), 1..=1)).expect("whole so far");
    assert_eq!(read, contents(&frames[..9]));
    assert!(recovered.torn.is_some() && recovered.tail_may_be_lost);
}

#[test]
fn a_gap_between_archive_and_memory_is_refused() {
    let frames = journal(30);
    let error = join(&frames[..10], &frames, 15).expect_err("refused");
    assert!(matches!(
        error,
        RecoveryError::MissingBetween {
            from: Seq(11),
            to: Seq(14)
        }
    ));
    assert!(error.to_string().contains("seqs 11 to 14"), "{error}");
    let error = join(&[], &frames, 2).expect_err("refused");
    assert!(matches!(
        error,
        RecoveryError::MissingBetween {
            from: Seq(1),
            to: Seq(1)
        }
    ));
}

#[test]
fn different_frames_are_refused_and_the_first_is_named() {
    let frames = journal(12);
    let mut other = frames[..5].to_vec();
    let mut chain = journal::Chain::new(SHARD);
    extend(&mut chain, 5);
    chain.engine_time.0 += 1;
    let mut command = written::commands()[4];
    let mut header = written::header(&chain, &mut command);
    header.engine_time.0 += 5;
    other.push(written::write(
        &mut chain,
        &header,
        &command,
        &domain::Effects::new(),
    ));
    other.extend(extend(&mut chain, 6));
    for oldest in [1, 4, 6] {
        let error = join(&frames, &other, oldest).expect_err("refused");
        assert!(
            matches!(error, RecoveryError::Different { seq: Seq(6), .. }),
            "{error}"
        );
    }
    // Where they part is no longer in memory: the first frame that both have differs.
    assert!(matches!(
        join(&frames, &other, 9).expect_err("refused"),
        RecoveryError::Different { seq: Seq(9), .. }
    ));
    // They part behind the archive's end.
    assert!(matches!(
        join(&frames[..8], &other, 9).expect_err("refused"),
        RecoveryError::MemoryChain { seq: Seq(9), .. }
    ));
}

#[test]
fn a_memory_that_ends_before_the_archive_is_refused() {
    let frames = journal(12);
    let archive = Archive::of(&frames, 7);
    let recovery = Recovery::with_memory(reader(&archive), memory(&frames[..9], 3), 1..=1);
    assert!(matches!(
        run(recovery).expect_err("refused"),
        RecoveryError::MemoryBehind {
            memory: Seq(9),
            archive: Seq(10)
        }
    ));
}

#[test]
fn memory_that_holds_no_frame_is_refused() {
    let frames = journal(12);
    let archive = Archive::of(&frames[..9], 7);
    for at in [9, 10] {
        let mut damaged = frames.clone();
        damaged[at - 1][8] ^= 1;
        let recovery = Recovery::with_memory(reader(&archive), memory(&damaged, 1), 1..=1);
        let error = run(recovery).expect_err("refused");
        assert!(
            matches!(error, RecoveryError::MemoryFrame { seq, .. } if seq.0 == at as u64),
            "{error}"
        );
    }
    let corrupt = |_, _: &mut FrameBuffer| MemoryRead::Corrupt;
    assert!(matches!(
        run(Recovery::with_memory(reader(&archive), corrupt, 1..=1)).expect_err("refused"),
        RecoveryError::MemoryCorrupt { seq: Seq(1) }
    ));
}

#[test]
fn an_engine_version_that_this_build_does_not_have_is_refused() {
    let frames = journal(12);
    let archive = Archive::of(&frames[..9], 7);
    for (versions, seq) in [(2..=3, 1), (0..=0, 1)] {
        let recovery = Recovery::with_memory(reader(&archive), memory(&frames, 1), versions);
        let error = run(recovery).expect_err("refused");
        assert!(matches!(
            error,
            RecoveryError::EngineVersion { seq: Seq(at), found: 1, .. } if at == seq
        ));
        assert!(error.to_string().contains("run the version"), "{error}");
    }
}

#[test]
fn damage_in_the_archive_is_passed_on() {
    let frames = journal(12);
    let mut archive = Archive::of(&frames, 7);
    archive.segments.get_mut(&Seq(1)).expect("there")[100] ^= 1;
    let recovery = Recovery::with_memory(reader(&archive), memory(&frames, 1), 1..=1);
    assert!(matches!(run(recovery), Err(RecoveryError::Archive(_))));
}
