//! The shadow engine's thread: follows the journal, publishes how far it agrees, raises the alarm.

use crate::console::say;
use crate::counters::SHADOW_LAPPED;
use crate::follower::{FollowError, Follower};
use crate::signals::Signals;
use crate::snapshotting::{self, Snapshotting};
use domain::{Event, Seq};
use journal::{ArchiveError, ArchiveReader, Frame};
use shadow::{Divergence, Shadow};
use shm::layout::ShadowState;
use shm::{Counter, LogError, LogReader, Memory, SlowWriter};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};
use topology::Config;

/// Shortest time between two state hashes that are published: a hash walks the whole state.
const PUBLISH_EVERY: Duration = Duration::from_millis(100);
/// Frames between two checks of conservation, which walk all accounts.
pub const CONSERVATION_INTERVAL: NonZeroU64 = NonZeroU64::new(1 << 16).expect("is not zero");
/// Frames that are applied between two looks at the clock.
const BATCH: usize = 256;
/// Sleep of a thread that has nothing to do.
const IDLE: Duration = Duration::from_millis(1);
/// Wait before an archive that could not be read is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How the shadow engine ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was asked to, and agrees with all frames that it was asked to check.
    Agreed,
    /// It did not agree with this frame, or could not read it.
    Diverged(Seq),
}

/// What the shadow engine works with.
pub struct Shadowing {
    shadow: Shadow,
    follower: Follower,
    slow: SlowWriter,
    lapped: Counter,
    config: Config,
    journal: Memory,
    /// None: they are switched off, or it has not begun.
    snapshotting: Option<Snapshotting>,
    /// Last published, and when.
    published: (Seq, Option<Instant>),
    /// A frame that an earlier shadow engine did not agree with: its alarm stands until this one has
    /// got past it.
    doubted: Option<Seq>,
}

impl Shadowing {
    /// A shadow engine that has not begun.
    ///
    /// # Errors
    /// If the region is no journal memory.
    pub fn new(config: &Config, journal: &Memory, slow: &SlowWriter) -> Result<Self, LogError> {
        let shard = config.instance.shard;
        let memory = LogReader::new(journal.clone(), 1)?;
        let view = slow.view();
        let diverged = view.shadow_state() == Some(ShadowState::Diverged);
        Ok(Self {
            shadow: Shadow::new(shard, CONSERVATION_INTERVAL),
            follower: Follower::new(Some(config.archive_dir()), shard, Some(memory), Seq(1)),
            slow: slow.clone(),
            lapped: slow.counter(SHADOW_LAPPED),
            config: config.clone(),
            journal: journal.clone(),
            snapshotting: None,
            published: (Seq(0), None),
            doubted: diverged.then(|| Seq(view.diverged_seq())),
        })
    }

    /// Follows the journal until it is asked to end and has checked what it was asked to, or until it
    /// does not agree. The archive is read once the archiver has opened it.
    pub fn run(mut self, signals: &Signals) -> Ending {
        while !signals.is_archive_open() {
            if signals.is_finished_at(Seq(0)) {
                return Ending::Agreed;
            }
            std::thread::sleep(IDLE);
        }
        if self.config.snapshots.enabled {
            self.begin_behind_snapshot();
        }
        loop {
            match self.check_some() {
                Ok(applied) => {
                    let finished = signals.is_finished_at(self.shadow.checked_seq());
                    self.publish(finished);
                    if finished {
                        return Ending::Agreed;
                    }
                    if applied == 0 {
                        std::thread::sleep(IDLE);
                    }
                }
                Err(Failure::Unreadable(error)) => {
                    say(format_args!("trouble: the shadow engine waits: {error}"));
                    std::thread::sleep(RETRY);
                }
                Err(Failure::Alarm(seq, what)) => {
                    self.slow.set_diverged(seq.0);
                    say(format_args!("alarm: the shadow engine stops: {what}"));
                    return Ending::Diverged(seq);
                }
            }
        }
    }

    /// Goes to the newest snapshot that holds, and begins to take others.
    fn begin_behind_snapshot(&mut self) {
        // Before a frame that is doubted, so that it is checked again.
        let up_to = self.doubted.map_or(u64::MAX, |seq| seq.0.saturating_sub(1));
        if let Err(error) = self.load_snapshot(Seq(up_to)) {
            say(format_args!(
                "the shadow engine begins at the first frame: no snapshot can be read: {error}"
            ));
        }
        let newest = self.shadow.checked_seq();
        match Snapshotting::start(&self.config, &self.slow, newest) {
            Ok(snapshotting) => self.snapshotting = Some(snapshotting),
            Err(error) => say(format_args!(
                "trouble: no snapshots are written: their thread does not start: {error}"
            )),
        }
    }

    fn load_snapshot(&mut self, up_to: Seq) -> anyhow::Result<()> {
        let (archive, shard) = (self.config.archive_dir(), self.config.instance.shard);
        let mut reader = ArchiveReader::open(&archive, shard)?;
        let begin = Instant::now();
        let found = snapshotting::newest(&self.config, &mut reader, up_to, |name, error| {
            say(format_args!("snapshot {name} is not used: {error}"));
        })?;
        let Some((header, engine)) = found else {
            return Ok(());
        };
        let memory = LogReader::new(self.journal.clone(), 1)?;
        self.shadow = Shadow::behind(engine, header.chain(), CONSERVATION_INTERVAL);
        self.follower = Follower::new(Some(archive), shard, Some(memory), header.seq.next());
        say(format_args!(
            "the shadow engine begins behind the snapshot of seq {}, loaded in {} ms",
            header.seq,
            begin.elapsed().as_millis()
        ));
        Ok(())
    }

    /// Checks up to a batch of frames; says how many.
    fn check_some(&mut self) -> Result<usize, Failure> {
        let archived = Seq(self.slow.view().durable_seq());
        for applied in 0..BATCH {
            let seq = self.follower.next_seq();
            let lapped = self.follower.lapped();
            let next = self.follower.next(archived);
            let Some(frame) = next.map_err(|error| Failure::of(seq, error))? else {
                self.lapped.add(self.follower.lapped() - lapped);
                return Ok(applied);
            };
            check(&mut self.shadow, &frame)?;
            if let Some(snapshotting) = &mut self.snapshotting
                && let Some(Ok(Event::StateHash(checkpoint))) = frame.events().next()
            {
                snapshotting.offer(&self.shadow, checkpoint.hash);
            }
            self.lapped.add(self.follower.lapped() - lapped);
        }
        Ok(BATCH)
    }

    /// Publishes how far it has come, if that is new and the last time is long enough ago.
    fn publish(&mut self, at_once: bool) {
        let seq = self.shadow.checked_seq();
        if self.doubted.is_some_and(|doubted| seq < doubted) {
            return;
        }
        if let Some(doubted) = self.doubted.take() {
            say(format_args!(
                "the shadow engine now agrees with seq {doubted}, with which an earlier one did not"
            ));
        }
        let (published, when) = self.published;
        let due = when.is_none_or(|when| when.elapsed() >= PUBLISH_EVERY);
        let new = when.is_none() || seq > published;
        if new && (due || at_once) {
            self.slow
                .set_shadow(seq.0, self.shadow.engine().state_hash());
            self.published = (seq, Some(Instant::now()));
        }
    }
}

/// Why it does not go on.
enum Failure {
    /// This may pass.
    Unreadable(ArchiveError),
    /// This will not: the frame, and what is wrong with it.
    Alarm(Seq, String),
}

impl Failure {
    fn of(seq: Seq, error: FollowError) -> Self {
        match error {
            FollowError::Archive(error @ ArchiveError::Io { .. }) => Self::Unreadable(error),
            FollowError::Archive(_)
            | FollowError::Frame { .. }
            | FollowError::Corrupt { .. }
            | FollowError::Missing { .. } => Self::Alarm(seq, error.to_string()),
        }
    }
}

fn check(shadow: &mut Shadow, frame: &Frame<'_>) -> Result<(), Failure> {
    shadow
        .step(frame)
        .map_err(|divergence: Divergence| Failure::Alarm(divergence.seq, divergence.to_string()))
}
