//! The archiver's thread: when a group begins, what is published of it, what the operator is told.

use crate::console::say;
use crate::counters::{ARCHIVE_TROUBLES, GROUPS};
use crate::signals::Signals;
use crate::trouble::Trouble;
use archive::{Archiver, FileStorage, Limits, Refusal, TroubleKind, frames_of};
use domain::Seq;
use journal::{FrameBuffer, MAX_FRAME_WORDS, MemoryRead};
use shm::{Counter, LogError, LogReader, Memory, SlowWriter};
use std::time::{Duration, Instant};
use topology::Config;

/// Shortest sleep of a thread that has nothing to do.
const SHORTEST_SLEEP: Duration = Duration::from_micros(200);
/// Longest sleep before it is looked whether something more urgent has come up.
const LONGEST_SLEEP: Duration = Duration::from_millis(2);

/// What the archiver works with.
pub struct Archiving<M> {
    archiver: Archiver<FileStorage, M>,
    /// For the journal's head only.
    journal: LogReader,
    slow: SlowWriter,
    groups: Counter,
    pace: Pace,
    opened: bool,
    trouble: Trouble,
}

/// Makes the archiver of `journal`. `published` is what an archiver of this boot published last.
///
/// # Errors
/// If the region is no journal memory.
pub fn archiving(
    config: &Config,
    journal: &Memory,
    storage: FileStorage,
    slow: &SlowWriter,
    published: Option<Seq>,
) -> Result<Archiving<impl FnMut(Seq, &mut FrameBuffer) -> MemoryRead + use<>>, LogError> {
    let limits = Limits {
        segment_bytes: u64::from(config.archive.segment_mib) << 20,
        ..Limits::default()
    };
    let frames = frames_of(LogReader::new(journal.clone(), 1)?);
    Ok(Archiving {
        archiver: Archiver::new(storage, frames, config.instance.shard, limits, published),
        journal: LogReader::new(journal.clone(), 1)?,
        slow: slow.clone(),
        groups: slow.counter(GROUPS),
        pace: Pace::new(
            Duration::from_millis(config.archive.group_max_ms),
            journal.header().parameters(),
        ),
        opened: false,
        trouble: Trouble::new(slow, ARCHIVE_TROUBLES, "archiving again"),
    })
}

impl<M: FnMut(Seq, &mut FrameBuffer) -> MemoryRead> Archiving<M> {
    /// Archives until it is asked to end and has archived what it was asked to.
    ///
    /// # Errors
    /// [`Refusal`]: it cannot go on.
    pub fn run(mut self, signals: &Signals) -> Result<(), Refusal> {
        let start = Instant::now();
        loop {
            let begin = Instant::now();
            let head = Seq(self.journal.head());
            let frames = self.archiver.step(begin - start)?;
            self.publish(frames, signals);
            let durable = self.archiver.durable();
            if signals.is_finished_at(durable) {
                return Ok(());
            }
            // What was there already and is not archived now did not fit the group, which was thus
            // full: there is nothing to wait for.
            let is_full = frames > 0 && durable < head;
            if !is_full {
                self.rest(begin, durable, signals);
            }
        }
    }

    /// Sleeps until the next group begins.
    fn rest(&self, begin: Instant, durable: Seq, signals: &Signals) {
        loop {
            let waiting = self.journal.head().saturating_sub(durable.0);
            let sleep = self
                .pace
                .wait(begin.elapsed(), waiting, signals.is_finishing());
            let Some(sleep) = sleep else { return };
            std::thread::sleep(sleep);
        }
    }

    fn publish(&mut self, frames: usize, signals: &Signals) {
        let durable = self.archiver.durable();
        self.tell(frames, signals);
        if frames > 0 {
            self.groups.add(1);
        }
        // What the archiver calls durable has been synced; nothing else is published.
        if durable.0 > self.slow.view().durable_seq() {
            self.slow.set_durable_seq(durable.0);
        }
        if durable.0 > self.slow.view().archived_seq() {
            self.slow.set_archived_seq(durable.0);
        }
    }

    fn tell(&mut self, frames: usize, signals: &Signals) {
        let trouble = self.archiver.trouble();
        signals.set_archive_trouble(trouble.map(|trouble| trouble.kind));
        if let Some(trouble) = trouble {
            let what = match trouble.kind {
                TroubleKind::DiskFull => "disk full",
                TroubleKind::Storage => "storage",
            };
            return self.trouble.begin(what, format_args!("{trouble}"));
        }
        self.trouble.end();
        if self.opened {
            return;
        }
        self.opened = true;
        signals.set_archive_open();
        if let Some(torn) = self.archiver.cut() {
            say(format_args!(
                "cut {} bytes of an unfinished write off the archive, {}",
                torn.bytes, torn.at
            ));
        }
        let first = self.archiver.durable().0 - frames as u64 + 1;
        say(format_args!("archiving from seq {first}"));
    }
}

/// When groups begin: not sooner than `group_max` after each other, so that frames wait for others
/// and share a sync; but at once if journal memory might fill up meanwhile.
struct Pace {
    group_max: Duration,
    /// So many waiting frames are urgent.
    urgent: u64,
}

impl Pace {
    /// For a journal memory with these parameters: frames, then words of data.
    fn new(group_max: Duration, [frames, words, ..]: [u64; 8]) -> Self {
        let largest = words / MAX_FRAME_WORDS as u64;
        Self {
            group_max,
            // An eighth of the memory, even if every frame is of the largest size.
            urgent: (frames.min(largest) / 8).max(1),
        }
    }

    /// How long to sleep before looking again; none if the next group begins.
    fn wait(&self, since_begin: Duration, waiting: u64, finishing: bool) -> Option<Duration> {
        if waiting >= self.urgent || (finishing && waiting > 0) {
            // Not at once: with storage that fails, this would spin.
            return (since_begin < SHORTEST_SLEEP).then_some(SHORTEST_SLEEP);
        }
        let group_max = self.group_max.max(SHORTEST_SLEEP);
        let left = group_max
            .checked_sub(since_begin)
            .filter(|left| !left.is_zero())?;
        Some(left.clamp(SHORTEST_SLEEP, LONGEST_SLEEP))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn pace(group_max: Duration) -> Pace {
        Pace::new(group_max, [1024, 131_072, 0, 0, 0, 0, 0, 0])
    }

    #[test]
    fn groups_begin_no_sooner_than_configured() {
        let pace = pace(5 * MS);
        assert_eq!(pace.wait(Duration::ZERO, 1, false), Some(2 * MS));
        assert_eq!(pace.wait(4 * MS, 1, false), Some(MS));
        assert_eq!(pace.wait(5 * MS, 1, false), None);
        assert_eq!(pace.wait(9 * MS, 0, false), None);
    }

    #[test]
    fn without_a_configured_wait_it_still_sleeps_when_idle() {
        let pace = pace(Duration::ZERO);
        assert_eq!(pace.wait(Duration::ZERO, 0, false), Some(SHORTEST_SLEEP));
        assert_eq!(pace.wait(SHORTEST_SLEEP, 0, false), None);
    }

    #[test]
    fn what_might_fill_the_memory_does_not_wait_and_neither_does_the_end() {
        let pace = pace(1000 * MS);
        assert_eq!(pace.urgent, 15);
        assert!(pace.wait(MS, 14, false).is_some());
        assert_eq!(pace.wait(MS, 15, false), None);
        assert_eq!(pace.wait(MS, 1, true), None);
        assert_eq!(pace.wait(Duration::ZERO, 15, true), Some(SHORTEST_SLEEP));
    }
}
