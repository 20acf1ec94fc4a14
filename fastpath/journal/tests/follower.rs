//! A follower sees every frame once, however far the journal memory gets ahead of it.

mod written;

use domain::Seq;
use journal::{ArchiveReader, FollowError, Follower, FrameBuffer, MemoryRead};
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use written::{Archive, SHARD, Seeded, bytes, extend, journal};

/// A journal that grows: how much is archived, what the memory still has, and its head.
#[derive(Default)]
struct Growing {
    frames: Vec<Vec<u64>>,
    archive: Archive,
    archived: u64,
    oldest: u64,
    head: u64,
}

type Shared = Rc<RefCell<Growing>>;

struct SharedArchive(Shared);

impl journal::Segments for SharedArchive {
    fn names(&mut self) -> io::Result<Vec<String>> {
        self.0.borrow_mut().archive.names()
    }
    fn read(&mut self, first: Seq, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().archive.read(first, offset, buffer)
    }
}

fn follower(
    shared: &Shared,
) -> Follower<SharedArchive, impl FnMut(Seq, &mut FrameBuffer) -> MemoryRead + use<>> {
    let archive = ArchiveReader::over(SharedArchive(shared.clone()), SHARD).expect("whole");
    let memory = shared.clone();
    Follower::new(archive, move |seq, buffer| {
        let growing = memory.borrow();
        if seq.0 > growing.head {
            return MemoryRead::End;
        }
        if seq.0 < growing.oldest {
            let oldest = Seq(growing.oldest);
            return MemoryRead::Gone { oldest };
        }
        let words = &growing.frames[usize::try_from(seq.0 - 1).expect("fits")];
        buffer[..words.len()].copy_from_slice(words);
        MemoryRead::Frame(words.len())
    })
}

#[test]
fn every_frame_is_seen_once_and_in_order() {
    let frames = journal(300);
    for seed in 0..20 {
        let mut seeded = Seeded(seed);
        let shared = Shared::default();
        shared.borrow_mut().frames.clone_from(&frames);
        let mut follower = follower(&shared);
        let mut seen = Vec::new();
        while seen.len() < frames.len() {
            {
                let growing = &mut *shared.borrow_mut();
                growing.head = (growing.head + seeded.below(40) as u64).min(300);
                // The archive follows the head, and memory loses only what is archived.
                growing.archived = (growing.archived + seeded.below(50) as u64).min(growing.head);
                let lost = seeded.below(30) as u64;
                growing.oldest = (growing.oldest + lost).min(growing.archived + 1);
                let archived = usize::try_from(growing.archived).expect("fits");
                growing.archive = Archive::of(&frames[..archived], 11);
            }
            for _ in 0..seeded.below(30) {
                let Some(frame) = follower.next().expect("nothing is wrong") else {
                    break;
                };
                seen.push(bytes(frame.event_words));
                assert_eq!(frame.header.seq.0, seen.len() as u64);
            }
        }
        let written: Vec<_> = frames
            .iter()
            .map(|words| bytes(journal::Frame::parse(words).expect("whole").event_words))
            .collect();
        assert_eq!(seen, written);
    }
}

#[test]
fn a_journal_that_was_replaced_is_noticed() {
    let shared = Shared::default();
    let frames = journal(20);
    *shared.borrow_mut() = Growing {
        archive: Archive::of(&frames[..10], 4),
        archived: 10,
        head: 10,
        oldest: 1,
        frames: frames.clone(),
    };
    let mut follower = follower(&shared);
    while follower.next().expect("whole").is_some() {}
    assert_eq!(follower.next_seq(), Seq(11));
    let mut chain = journal::Chain::new(SHARD);
    let mut other = extend(&mut chain, 9);
    let mut command = written::commands()[4];
    let header = written::header(&chain, &mut command);
    other.push(written::write(
        &mut chain,
        &header,
        &command,
        &domain::Effects::new(),
    ));
    other.extend(extend(&mut chain, 5));
    {
        let mut growing = shared.borrow_mut();
        growing.frames = other;
        growing.head = 15;
    }
    assert!(matches!(
        follower.next(),
        Err(FollowError::Chain { seq: Seq(11), .. })
    ));
}
