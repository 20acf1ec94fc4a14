//! What stops an archiver for good, and what it waits out.

mod journal_memory;

use archive::simulated::{Fault, SimulatedDisk, Survival};
use archive::{Archiver, Limits, Refusal, Storage, TroubleKind, frames_of};
use domain::{Nanos, Seq};
use journal::{
    ArchiveError, ArchiveReader, FrameBuffer, MemoryRead, SEGMENT_HEADER_BYTES, Segments,
};
use journal_memory::JournalMemory;
use shm::{LogReader, LogWriter};
use std::io;
use std::time::Duration;

const SHARD: u16 = 3;
const LIMITS: Limits = Limits {
    segment_bytes: 700,
    group_bytes: 300,
    shortest_wait: Duration::from_nanos(10),
    longest_wait: Duration::from_nanos(80),
};

/// A memory that has all its frames.
fn full(memory: &JournalMemory) -> impl FnMut(Seq, &mut FrameBuffer) -> MemoryRead + use<> {
    memory.growing(Some(memory.last())).source()
}

/// Steps until there is nothing more to do.
fn run(
    disk: SimulatedDisk,
    source: impl FnMut(Seq, &mut FrameBuffer) -> MemoryRead,
    shard: u16,
    published: Option<Seq>,
) -> (SimulatedDisk, Result<Seq, Refusal>) {
    let mut archiver = Archiver::new(disk, source, shard, LIMITS, published);
    let outcome = loop {
        match archiver.step(Duration::ZERO) {
            Ok(0) => break Ok(archiver.durable()),
            Ok(_) => {}
            Err(refusal) => {
                let again = archiver.step(Duration::ZERO).expect_err("it stays refused");
                assert_eq!(again.to_string(), refusal.to_string());
                break Err(refusal);
            }
        }
    };
    (archiver.into_storage(), outcome)
}

fn archived(memory: &JournalMemory) -> SimulatedDisk {
    let (disk, durable) = run(SimulatedDisk::new(), full(memory), SHARD, None);
    assert_eq!(durable.expect("nothing is wrong"), memory.last());
    disk
}

#[test]
fn a_forked_archive_is_refused_by_its_last_frame() {
    let memory = JournalMemory::new(SHARD, 10);
    let disk = archived(&memory);
    // The same four frames first, then others.
    let before = memory.frames()[..4].to_vec();
    let other = JournalMemory::after_power_loss(SHARD, before, 9).with_oldest(1);
    let operations = disk.operations();
    let (disk, outcome) = run(disk, full(&other), SHARD, None);
    assert!(
        matches!(outcome, Err(Refusal::Forked { seq: Seq(10), .. })),
        "{outcome:?}"
    );
    assert_eq!(disk.operations(), operations, "nothing was written");
}

#[test]
fn a_memory_that_continues_another_archive_is_refused() {
    let memory = JournalMemory::new(SHARD, 10);
    let disk = archived(&memory);
    let before = memory.frames()[..4].to_vec();
    // It begins behind the archive's end, so that only the chain tells.
    let other = JournalMemory::after_power_loss(SHARD, before, 9).with_oldest(11);
    let (_, outcome) = run(disk, full(&other), SHARD, None);
    assert!(
        matches!(outcome, Err(Refusal::Chain { seq: Seq(11), .. })),
        "{outcome:?}"
    );
}

/// Starts an archiver over `disk` that must refuse it: says why. Not a byte has changed by then.
fn refused_untouched(
    disk: &SimulatedDisk,
    source: impl FnMut(Seq, &mut FrameBuffer) -> MemoryRead,
    published: Option<Seq>,
) -> Refusal {
    let (mut left, outcome) = run(disk.clone(), source, SHARD, published);
    let refusal = outcome.expect_err("it is refused");
    assert_eq!(left.operations(), disk.operations(), "{refusal}");
    for first in (1..=40).map(Seq) {
        assert_eq!(left.bytes(first), disk.clone().bytes(first), "{refusal}");
    }
    refusal
}

/// Wherever the memory begins and whatever was published, frames of another journal are not cut off.
#[test]
fn another_archive_is_refused_untouched() {
    let ours = JournalMemory::new(SHARD, 20);
    for (same, others) in [
        (0, 14),
        (0, 20),
        (0, 33),
        (4, 10),
        (9, 6),
        (15, 2),
        (15, 20),
    ] {
        let before = ours.frames()[..same].to_vec();
        let other = JournalMemory::after_power_loss(SHARD, before, others).with_oldest(1);
        let disk = archived(&other);
        let torn = torn_behind(disk.clone(), &other);
        for published in (same as u64 + 1)..=20 {
            // From 21 on it would be empty.
            for oldest in 1..=20.min(published + 1) {
                let memory = ours.clone().with_oldest(oldest);
                for disk in [&disk, &torn] {
                    refused_untouched(disk, full(&memory), Some(Seq(published)));
                }
            }
        }
    }
}

/// Nor if the journals part only behind what was published.
#[test]
fn an_archive_that_forks_behind_what_was_published_is_refused_untouched() {
    let ours = JournalMemory::new(SHARD, 20);
    for (same, others) in [(5, 3), (5, 15), (5, 30), (12, 5)] {
        let before = ours.frames()[..same].to_vec();
        let other = JournalMemory::after_power_loss(SHARD, before, others).with_oldest(1);
        let disk = archived(&other);
        for published in 0..=same as u64 {
            for oldest in 1..=published + 1 {
                let memory = ours.clone().with_oldest(oldest);
                refused_untouched(&disk, full(&memory), Some(Seq(published)));
            }
        }
    }
}

/// An archive that goes on where journal memory ends is of another journal, even if all frames of
/// the memory are in it.
#[test]
fn an_archive_beyond_journal_memory_is_refused_untouched() {
    let ours = JournalMemory::new(SHARD, 20);
    let disk = archived(&ours);
    let torn = torn_behind(disk.clone(), &ours);
    for head in 1..20 {
        for published in (0..=head).map(|seq| Some(Seq(seq))).chain([None]) {
            let source = || ours.growing(Some(Seq(head))).source();
            for disk in [&disk, &torn] {
                let refusal = refused_untouched(disk, source(), published);
                assert!(
                    matches!(refusal, Refusal::MemoryBehind { .. }),
                    "{head}, {published:?}: {refusal}"
                );
            }
        }
    }
}

/// A memory without a frame says nothing: what is whole stays, and what is torn goes.
#[test]
fn an_empty_memory_costs_no_whole_frame() {
    let ours = JournalMemory::new(SHARD, 20);
    let mut disk = archived(&ours);
    for oldest in [1, 21] {
        for published in [None, Some(Seq(0)), Some(Seq(7)), Some(Seq(20))] {
            let empty = ours.clone().with_oldest(oldest).growing(None).source();
            let torn = torn_behind(disk.clone(), &ours);
            let (mut left, outcome) = run(torn, empty, SHARD, published);
            assert_eq!(outcome.expect("nothing is wrong"), Seq(20));
            for first in (1..=20).map(Seq) {
                assert_eq!(left.bytes(first), disk.bytes(first));
            }
        }
    }
}

/// What was not synced may read as anything: it is written again from a memory that continues the
/// archive, also where whole frames stand behind a hole.
#[test]
fn a_hole_behind_what_is_durable_is_written_again() {
    let ours = JournalMemory::new(SHARD, 20);
    let mut whole = archived(&ours);
    let first = last_segment(&mut whole, &ours);
    for oldest in 1..=first.0 + 1 {
        let mut disk = whole.clone();
        let hole = SEGMENT_HEADER_BYTES
            + 8 * ours.frames()[usize::try_from(first.0 - 1).expect("fits")].len();
        disk.bytes(first).expect("there")[hole..hole + 8].fill(0);
        let memory = ours.clone().with_oldest(oldest);
        let (mut left, outcome) = run(disk, full(&memory), SHARD, Some(first));
        assert_eq!(outcome.expect("memory has the rest"), Seq(20));
        assert_eq!(left.bytes(first), whole.bytes(first));
    }
}

/// A disk on which a part of one segment, of which a sync failed, cannot be read until it is cut off.
struct BadBlock {
    disk: SimulatedDisk,
    first: Seq,
    from: u64,
}

impl Segments for BadBlock {
    fn names(&mut self) -> io::Result<Vec<String>> {
        self.disk.names()
    }
    fn read(&mut self, first: Seq, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if first != self.first {
            return self.disk.read(first, offset, buffer);
        }
        let good = self.from.saturating_sub(offset);
        if good == 0 {
            return Err(io::Error::other("input/output error"));
        }
        let len = usize::try_from(good).expect("fits").min(buffer.len());
        self.disk.read(first, offset, &mut buffer[..len])
    }
}

impl Storage for BadBlock {
    fn create(&mut self, first: Seq) -> io::Result<()> {
        self.disk.create(first)
    }
    fn append(&mut self, first: Seq, bytes: &[u8]) -> io::Result<()> {
        self.disk.append(first, bytes)
    }
    fn truncate(&mut self, first: Seq, len: u64) -> io::Result<()> {
        if first == self.first && len <= self.from {
            self.from = u64::MAX;
        }
        self.disk.truncate(first, len)
    }
    fn sync(&mut self, first: Seq) -> io::Result<()> {
        self.disk.sync(first)
    }
    fn sync_directory(&mut self) -> io::Result<()> {
        self.disk.sync_directory()
    }
}

/// Waiting would not make it readable; writing it again does.
#[test]
fn an_unreadable_block_behind_what_is_durable_is_written_again() {
    let ours = JournalMemory::new(SHARD, 20);
    let mut whole = archived(&ours);
    let first = last_segment(&mut whole, &ours);
    let frame = &ours.frames()[usize::try_from(first.0 - 1).expect("fits")];
    let bad = BadBlock {
        disk: whole.clone(),
        first,
        from: (SEGMENT_HEADER_BYTES + 8 * frame.len()) as u64,
    };
    let mut archiver = Archiver::new(bad, full(&ours), SHARD, LIMITS, Some(first));
    while archiver.step(Duration::ZERO).expect("no refusal") > 0 {}
    assert_eq!(archiver.trouble(), None);
    assert_eq!(archiver.durable(), Seq(20));
    let mut left = archiver.into_storage().disk;
    assert_eq!(left.bytes(first), whole.bytes(first));
}

/// The last segment of an archive that has all frames.
fn last_segment(disk: &mut SimulatedDisk, memory: &JournalMemory) -> Seq {
    (1..=memory.last().0)
        .rev()
        .map(Seq)
        .find(|&first| disk.bytes(first).is_some())
        .expect("there is one")
}

/// An unfinished write at its end.
fn torn_behind(mut disk: SimulatedDisk, memory: &JournalMemory) -> SimulatedDisk {
    let first = last_segment(&mut disk, memory);
    disk.bytes(first).expect("there").extend([1, 2, 3]);
    disk
}

#[test]
fn a_foreign_archive_is_refused() {
    let memory = JournalMemory::new(SHARD, 10);
    let disk = archived(&memory);
    let (_, outcome) = run(disk, full(&JournalMemory::new(4, 10)), 4, None);
    assert!(
        matches!(
            outcome,
            Err(Refusal::Archive(ArchiveError::ForeignShard {
                expected: 4,
                found: SHARD,
                ..
            }))
        ),
        "{outcome:?}"
    );
    // And so are another shard's frames in memory.
    let (_, outcome) = run(
        SimulatedDisk::new(),
        full(&JournalMemory::new(4, 10)),
        SHARD,
        None,
    );
    assert!(
        matches!(outcome, Err(Refusal::Chain { seq: Seq(1), .. })),
        "{outcome:?}"
    );
}

#[test]
fn frames_that_were_overwritten_unarchived_are_refused() {
    let memory = JournalMemory::new(SHARD, 10).with_oldest(4);
    let (_, outcome) = run(SimulatedDisk::new(), full(&memory), SHARD, None);
    assert!(
        matches!(
            outcome,
            Err(Refusal::Lapped {
                next: Seq(1),
                oldest: Seq(4)
            })
        ),
        "{outcome:?}"
    );
}

#[test]
fn durable_frames_that_are_gone_are_noticed() {
    let memory = JournalMemory::new(SHARD, 25);
    let mut disk = archived(&memory);
    let mut last = SEGMENT_HEADER_BYTES;
    let first = (1..=25)
        .rev()
        .map(Seq)
        .find(|&first| disk.bytes(first).is_some());
    let content = disk.bytes(first.expect("there is one")).expect("there");
    last += (content.len() - last) / 2;
    content.truncate(last);
    // Journal memory has the frames that are gone, but not that nobody was told of them.
    let (_, outcome) = run(disk, full(&memory), SHARD, Some(Seq(25)));
    assert!(
        matches!(
            outcome,
            Err(Refusal::DurableLost {
                durable: Seq(25),
                ..
            })
        ),
        "{outcome:?}"
    );
}

#[test]
fn damage_is_refused_and_a_torn_tail_is_cut_and_said() {
    let memory = JournalMemory::new(SHARD, 10);
    let mut disk = archived(&memory);
    let first = (1..=10)
        .rev()
        .map(Seq)
        .find(|&first| disk.bytes(first).is_some());
    let first = first.expect("there is one");
    let mut torn = disk.clone();
    torn.bytes(first).expect("there").extend([1, 2, 3]);
    let mut archiver = Archiver::new(torn, full(&memory), SHARD, LIMITS, None);
    assert_eq!(archiver.step(Duration::ZERO).expect("it is mended"), 0);
    assert_eq!(archiver.cut().map(|torn| torn.bytes), Some(3));
    let mut torn = archiver.into_storage();
    assert_eq!(torn.bytes(first), disk.bytes(first));

    disk.bytes(first).expect("there")[SEGMENT_HEADER_BYTES + 3] ^= 1;
    let (_, outcome) = run(disk, full(&memory), SHARD, None);
    assert!(
        matches!(
            outcome,
            Err(Refusal::Archive(ArchiveError::Damaged {
                whole_frame: Some(_),
                ..
            }))
        ),
        "{outcome:?}"
    );
}

#[test]
fn a_full_disk_is_waited_out_and_nothing_is_lost() {
    let memory = JournalMemory::new(SHARD, 25);
    let mut disk = SimulatedDisk::new();
    disk.set_capacity(Some(1000));
    let mut archiver = Archiver::new(disk, full(&memory), SHARD, LIMITS, None);
    let mut now = Duration::ZERO;
    while archiver.trouble().is_none() {
        archiver.step(now).expect("no refusal");
    }
    let reached = archiver.durable();
    assert!(reached > Seq(0) && reached < Seq(25));
    let mut waits = Vec::new();
    for attempts in 1..8 {
        let trouble = archiver.trouble().expect("the disk is full").clone();
        assert_eq!(trouble.kind, TroubleKind::DiskFull);
        assert_eq!(trouble.attempts, attempts);
        assert!(trouble.to_string().contains("make room"), "{trouble}");
        waits.push((trouble.retry_at - now).as_nanos());
        // Too early: nothing is tried.
        now = trouble.retry_at - Duration::from_nanos(1);
        assert_eq!(archiver.step(now).expect("no refusal"), 0);
        assert_eq!(archiver.trouble(), Some(&trouble));
        now = trouble.retry_at;
        assert_eq!(archiver.step(now).expect("no refusal"), 0);
    }
    assert_eq!(waits, [10, 20, 40, 80, 80, 80, 80]);
    assert_eq!(archiver.durable(), reached);

    let mut disk = archiver.into_storage();
    disk.set_capacity(None);
    let (mut disk, durable) = run(disk, full(&memory), SHARD, Some(reached));
    assert_eq!(durable.expect("there is room"), Seq(25));
    disk.lose_power(Survival::Nothing);
    let mut reader = ArchiveReader::over(disk, SHARD).expect("whole");
    while reader.next_frame().expect("whole").is_some() {}
    assert_eq!(reader.tail().last_seq, Seq(25));
}

#[test]
fn trouble_ends_when_writing_works_again() {
    let memory = JournalMemory::new(SHARD, 5);
    let mut disk = SimulatedDisk::new();
    disk.fault(1, Fault::Fails);
    let mut archiver = Archiver::new(disk, full(&memory), SHARD, LIMITS, None);
    assert_eq!(
        archiver.step(Duration::from_nanos(5)).expect("no refusal"),
        0
    );
    let trouble = archiver.trouble().expect("the append failed");
    assert_eq!(
        (trouble.kind, trouble.retry_at),
        (TroubleKind::Storage, Duration::from_nanos(15))
    );
    assert!(archiver.step(Duration::from_nanos(15)).expect("no refusal") > 0);
    assert_eq!(archiver.trouble(), None);
}

#[test]
fn segments_keep_to_their_size_unless_a_single_frame_is_larger() {
    let memory = JournalMemory::new(SHARD, 60);
    for (segment_bytes, group_bytes) in [(700, 300), (700, 5000), (1, 1)] {
        let limits = Limits {
            segment_bytes,
            group_bytes,
            ..LIMITS
        };
        let source = full(&memory);
        let mut archiver = Archiver::new(SimulatedDisk::new(), source, SHARD, limits, None);
        while archiver.durable() < memory.last() {
            let frames = archiver.step(Duration::ZERO).expect("no refusal");
            // No frame is shorter than 72 bytes; one always goes.
            assert!(
                frames <= (group_bytes / 72).max(1),
                "{frames} frames in a group"
            );
        }
        let mut disk = archiver.into_storage();
        let segments: Vec<Seq> = (1..=60)
            .map(Seq)
            .filter(|&first| disk.bytes(first).is_some())
            .collect();
        let full = segments
            .iter()
            .all(|&first| disk.bytes(first).expect("there").len() as u64 <= segment_bytes);
        assert_eq!(full, segment_bytes > 1);
        assert_eq!(segments.len() == 60, segment_bytes == 1, "{segments:?}");
    }
}

/// A slow disk makes larger groups: what came meanwhile is written together.
#[test]
fn a_slow_disk_makes_larger_groups() {
    let memory = JournalMemory::new(SHARD, 24);
    let growing = memory.growing(None);
    let mut disk = SimulatedDisk::new();
    disk.set_latency(Nanos(100));
    let mut archiver = Archiver::new(disk, growing.source(), SHARD, LIMITS, None);
    let mut groups = Vec::new();
    while archiver.durable() < memory.last() {
        growing.grow(3);
        groups.push(archiver.step(Duration::ZERO).expect("no refusal"));
    }
    assert!(
        groups.iter().all(|&frames| (1..=3).contains(&frames)),
        "{groups:?}"
    );
    let disk = archiver.into_storage();
    assert_eq!(disk.elapsed().0, disk.operations() * 100);
}

#[test]
fn frames_come_from_a_journal_memory_in_words() {
    let memory = JournalMemory::new(SHARD, 40);
    let words = shm::log::heap(64, 1024);
    let mut writer = LogWriter::attach(words.clone()).expect("a journal memory");
    let log = LogReader::new(words, 1).expect("a journal memory");
    let mut archiver = Archiver::new(SimulatedDisk::new(), frames_of(log), SHARD, LIMITS, None);
    for frame in memory.frames() {
        while !writer.has_room(frame.len()) {
            archiver.step(Duration::ZERO).expect("no refusal");
            writer
                .gate(archiver.durable().0)
                .expect("what was read can be archived");
        }
        writer.append(frame);
    }
    while archiver.step(Duration::ZERO).expect("no refusal") > 0 {}
    assert_eq!(archiver.durable(), memory.last());
}
