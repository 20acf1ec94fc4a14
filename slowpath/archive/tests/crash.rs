//! The archiver is crashed at every operation of its storage, in every way, twice in a row. What it
//! published must be there, the chain must hold, and it must go on. Mutants of the storage calls
//! show that these tests see what they are for.

mod journal_memory;

use archive::simulated::{Fault, SimulatedDisk, Survival};
use archive::{Archiver, Limits, Refusal, Storage};
use domain::Seq;
use journal::{ArchiveError, ArchiveReader, MAX_FRAME_WORDS, Segments};
use journal_memory::JournalMemory;
use std::io;
use std::time::Duration;

const SHARD: u16 = 3;
const LIMITS: Limits = Limits {
    segment_bytes: 700,
    group_bytes: 300,
    shortest_wait: Duration::from_nanos(1),
    longest_wait: Duration::from_nanos(4),
};

/// A storage call that is left out or misplaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    None,
    SkipSync,
    /// Each sync happens one call late: what is published was not synced.
    LateSync,
    SkipDirectorySync,
    SkipCut,
    /// A failed sync is tried again and then believed.
    TrustCacheAfterFailedSync,
}

struct Mutated {
    disk: SimulatedDisk,
    mutant: Mutant,
    late: Option<Seq>,
}

impl Segments for Mutated {
    fn names(&mut self) -> io::Result<Vec<String>> {
        self.disk.names()
    }
    fn read(&mut self, first: Seq, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.disk.read(first, offset, buffer)
    }
}

impl Storage for Mutated {
    fn create(&mut self, first: Seq) -> io::Result<()> {
        self.disk.create(first)
    }
    fn append(&mut self, first: Seq, bytes: &[u8]) -> io::Result<()> {
        if let Some(late) = self.late.take() {
            self.disk.sync(late)?;
        }
        self.disk.append(first, bytes)
    }
    fn truncate(&mut self, first: Seq, len: u64) -> io::Result<()> {
        if self.mutant == Mutant::SkipCut {
            return Ok(());
        }
        self.disk.truncate(first, len)
    }
    fn sync(&mut self, first: Seq) -> io::Result<()> {
        match self.mutant {
            Mutant::SkipSync => Ok(()),
            Mutant::LateSync => {
                self.late = Some(first);
                Ok(())
            }
            Mutant::TrustCacheAfterFailedSync => {
                self.disk.sync(first).or_else(|_| self.disk.sync(first))
            }
            Mutant::None | Mutant::SkipDirectorySync | Mutant::SkipCut => self.disk.sync(first),
        }
    }
    fn sync_directory(&mut self) -> io::Result<()> {
        if self.mutant == Mutant::SkipDirectorySync {
            return Ok(());
        }
        self.disk.sync_directory()
    }
}

/// One life of an archiver: until everything is durable, it crashes, or it refuses.
struct Life {
    disk: SimulatedDisk,
    published: Seq,
    /// How far the journal memory had been filled.
    head: Seq,
    refusal: Option<Refusal>,
}

/// `before`: the life before in the same boot.
fn live(
    disk: SimulatedDisk,
    memory: &JournalMemory,
    before: Option<(Seq, Seq)>,
    mutant: Mutant,
) -> Life {
    let storage = Mutated {
        disk,
        mutant,
        late: None,
    };
    let published = before.map(|(published, _)| published);
    let growing = memory.growing(before.map(|(_, head)| head));
    let source = growing.source();
    let mut archiver = Archiver::new(storage, source, SHARD, LIMITS, published);
    let mut refusal = None;
    for now in 0.. {
        assert!(now < 1_000, "it goes on: {:?}", archiver.trouble());
        growing.grow(2);
        match archiver.step(Duration::from_nanos(now)) {
            Ok(_) => {}
            Err(error) => {
                refusal = Some(error);
                break;
            }
        }
        let down = archiver
            .trouble()
            .is_some_and(|trouble| trouble.message.contains("the machine is down"));
        if down || archiver.durable() >= memory.last() {
            break;
        }
    }
    let published = archiver.durable();
    Life {
        disk: archiver.into_storage().disk,
        published,
        head: growing.head(),
        refusal,
    }
}

/// Every frame of an archive.
fn frames(disk: &SimulatedDisk) -> (Vec<Vec<u64>>, Result<(), ArchiveError>) {
    let mut frames = Vec::new();
    let mut buffer = [0; MAX_FRAME_WORDS];
    let outcome = ArchiveReader::over(disk.clone(), SHARD).and_then(|mut reader| {
        while let Some(words) = reader.next(&mut buffer)? {
            frames.push(buffer[..words].to_vec());
        }
        Ok(())
    });
    (frames, outcome)
}

/// What is left of an archive is a part of the journal that has at least what was published.
fn check_survivors(
    disk: &SimulatedDisk,
    memory: &JournalMemory,
    published: Seq,
) -> Result<Vec<Vec<u64>>, String> {
    let (frames, _) = frames(disk);
    if (frames.len() as u64) < published.0 {
        return Err(format!(
            "{published} was published, {} are left",
            frames.len()
        ));
    }
    if frames
        .iter()
        .zip(memory.frames())
        .any(|(left, written)| left != written)
    {
        return Err("other frames than were written".to_owned());
    }
    Ok(frames)
}

/// The archive is the whole journal.
fn check_complete(disk: &SimulatedDisk, memory: &JournalMemory) -> Result<(), String> {
    let (frames, outcome) = frames(disk);
    outcome.map_err(|error| error.to_string())?;
    if frames != memory.frames() {
        return Err(format!(
            "{} of {} frames",
            frames.len(),
            memory.frames().len()
        ));
    }
    Ok(())
}

/// A loss of power in a life, then a second one while the next archiver starts, then a third life.
fn lose_power_twice(
    life: Life,
    memory: &JournalMemory,
    survival: Survival,
    second: u64,
    mutant: Mutant,
) -> Result<(), String> {
    let mut life = life;
    let mut memory = memory.clone();
    for crash_at in [Some(second), None] {
        life.disk.lose_power(survival);
        let left = check_survivors(&life.disk, &memory, life.published)?;
        memory = JournalMemory::after_power_loss(SHARD, left, 5);
        if let Some(operation) = crash_at {
            life.disk
                .fault(life.disk.operations() + operation, Fault::Crash);
        }
        life = live(life.disk, &memory, None, mutant);
        if let Some(refusal) = life.refusal {
            // Pages that were not written in order leave a hole that looks like damage.
            let hole = survival == Survival::Hole
                && matches!(
                    refusal,
                    Refusal::Archive(ArchiveError::Damaged {
                        whole_frame: Some(_),
                        ..
                    })
                );
            return if hole {
                Ok(())
            } else {
                Err(refusal.to_string())
            };
        }
    }
    check_complete(&life.disk, &memory)
}

/// The process dies in a life, once more while it starts, and journal memory stays.
fn die_twice(
    life: Life,
    memory: &JournalMemory,
    second: u64,
    mutant: Mutant,
) -> Result<(), String> {
    let mut life = life;
    for crash_at in [Some(second), None] {
        life.disk.restart();
        if let Some(operation) = crash_at {
            life.disk
                .fault(life.disk.operations() + operation, Fault::Crash);
        }
        life = live(life.disk, memory, Some((life.published, life.head)), mutant);
        if let Some(refusal) = life.refusal {
            return Err(refusal.to_string());
        }
    }
    check_complete(&life.disk, memory)?;
    life.disk.lose_power(Survival::Nothing);
    check_survivors(&life.disk, memory, life.published)?;
    Ok(())
}

/// Crashes at every operation of a script in every way; the first thing that goes wrong.
fn crash_everywhere(mutant: Mutant) -> Result<(), String> {
    let memory = JournalMemory::new(SHARD, 25);
    let calm = live(SimulatedDisk::new(), &memory, None, Mutant::None);
    check_complete(&calm.disk, &memory)?;
    let operations = calm.disk.operations();
    assert!(operations > 20, "the script is long enough");
    let survivals = [
        Survival::Nothing,
        Survival::Prefix(1),
        Survival::Prefix(60),
        Survival::Prefix(100),
        Survival::Prefix(200),
        Survival::Everything,
        Survival::Hole,
    ];
    for first in 0..=operations {
        let crashed = || {
            let mut disk = SimulatedDisk::new();
            disk.fault(first, Fault::Crash);
            live(disk, &memory, None, mutant)
        };
        for second in [0, 1, 2, 3, 4, 5, 7, 100] {
            for survival in survivals {
                lose_power_twice(crashed(), &memory, survival, second, mutant)
                    .map_err(|error| format!("{survival:?} at {first}, {second}: {error}"))?;
            }
            die_twice(crashed(), &memory, second, mutant)
                .map_err(|error| format!("killed at {first}, {second}: {error}"))?;
        }
    }
    Ok(())
}

/// One failing operation, and power lost when all is done.
fn fail_everywhere(mutant: Mutant) -> Result<(), String> {
    let memory = JournalMemory::new(SHARD, 25);
    let calm = live(SimulatedDisk::new(), &memory, None, Mutant::None);
    for operation in 0..calm.disk.operations() {
        for fault in [Fault::Fails, Fault::Torn(1), Fault::Torn(77), Fault::Full] {
            let mut disk = SimulatedDisk::new();
            disk.fault(operation, fault);
            let mut life = live(disk, &memory, None, mutant);
            let at = |error| format!("{fault:?} at {operation}: {error}");
            check_complete(&life.disk, &memory).map_err(at)?;
            life.disk.lose_power(Survival::Nothing);
            check_survivors(&life.disk, &memory, life.published).map_err(at)?;
        }
    }
    Ok(())
}

/// A failing operation, the process killed soon after, an archiver that starts again in the same boot
/// with what the page cache shows, and then power lost.
fn fail_and_die_everywhere(mutant: Mutant) -> Result<(), String> {
    let memory = JournalMemory::new(SHARD, 25);
    let calm = live(SimulatedDisk::new(), &memory, None, Mutant::None);
    for operation in 0..calm.disk.operations() {
        for soon in 1..6 {
            let mut disk = SimulatedDisk::new();
            disk.fault(operation, Fault::Fails);
            disk.fault(operation + soon, Fault::Crash);
            let mut life = live(disk, &memory, None, mutant);
            life.disk.restart();
            let before = Some((life.published, life.head));
            life = live(life.disk, &memory, before, mutant);
            let at = |error| format!("{operation}, {soon}: {error}");
            check_complete(&life.disk, &memory).map_err(at)?;
            life.disk.lose_power(Survival::Nothing);
            check_survivors(&life.disk, &memory, life.published).map_err(at)?;
        }
    }
    Ok(())
}

#[test]
fn the_page_cache_is_not_trusted_after_a_failed_sync_and_a_kill() {
    assert_eq!(fail_and_die_everywhere(Mutant::None), Ok(()));
}

/// The process is killed anywhere; the next archiver finds an archive and no memory, so it can only
/// make durable what is there. What it then says is durable survives a loss of power.
#[test]
fn what_is_found_at_the_start_is_made_durable_first() {
    let memory = JournalMemory::new(SHARD, 25);
    let operations = live(SimulatedDisk::new(), &memory, None, Mutant::None)
        .disk
        .operations();
    for operation in 0..operations {
        let mut disk = SimulatedDisk::new();
        disk.fault(operation, Fault::Crash);
        let mut life = live(disk, &memory, None, Mutant::None);
        life.disk.restart();
        let none = |_, _: &mut journal::FrameBuffer| journal::MemoryRead::End;
        let mut archiver = Archiver::new(life.disk, none, SHARD, LIMITS, Some(life.published));
        assert_eq!(archiver.step(Duration::ZERO).expect("no refusal"), 0);
        let durable = archiver.durable();
        assert!(durable >= life.published);
        let mut disk = archiver.into_storage();
        disk.lose_power(Survival::Nothing);
        let survivors = check_survivors(&disk, &memory, durable);
        assert!(survivors.is_ok(), "{operation}: {survivors:?}");
    }
}

#[test]
fn what_was_published_survives_every_crash() {
    assert_eq!(crash_everywhere(Mutant::None), Ok(()));
}

#[test]
fn one_failure_anywhere_loses_nothing() {
    assert_eq!(fail_everywhere(Mutant::None), Ok(()));
}

#[test]
fn every_mutant_is_caught() {
    for mutant in [
        Mutant::SkipSync,
        Mutant::LateSync,
        Mutant::SkipDirectorySync,
        Mutant::SkipCut,
    ] {
        let caught = crash_everywhere(mutant).expect_err("the mutant is caught");
        println!("{mutant:?}: {caught}");
    }
    let trusting = Mutant::TrustCacheAfterFailedSync;
    let caught = fail_everywhere(trusting).expect_err("the mutant is caught");
    println!("{trusting:?}: {caught}");
}
