//! The shadow engine's thread: follows the journal, publishes how far it agrees, raises the alarm.

use crate::console::say;
use crate::counters::{SHADOW_LAPPED, SHADOW_TROUBLES};
use crate::follower::{FollowError, Follower, alarm};
use crate::rejects::Rejects;
use crate::signals::Signals;
use crate::snapshotting::{self, Snapshotting};
use crate::trouble::Trouble;
use archive::TroubleKind;
use domain::{Event, Seq};
use gateway::{Live, Standing};
use journal::{ArchiveError, Frame};
use shadow::{Divergence, Shadow};
use shm::layout::ShadowState;
use shm::{Counter, LogReader, SlowWriter};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};
use topology::{Ack, Config};

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
    /// It did not agree with this frame.
    Diverged(Seq),
    /// It could not read this frame, which says nothing about whether it would agree.
    Unreadable(Seq),
}

/// A shadow engine behind the newest snapshot that holds, else before the first frame.
#[must_use]
pub fn newest_shadow(config: &Config, slow: &SlowWriter) -> Shadow {
    let first = || Shadow::new(config.instance.shard, CONSERVATION_INTERVAL);
    // Before a frame that is doubted, so that it is checked again.
    let up_to = doubted(slow).map_or(u64::MAX, |seq| seq.0.saturating_sub(1));
    match load_snapshot(config, Seq(up_to)) {
        Ok(loaded) => loaded.unwrap_or_else(first),
        Err(error) => {
            say(format_args!(
                "the shadow engine begins at the first frame: no snapshot can be read: {error}"
            ));
            first()
        }
    }
}

fn load_snapshot(config: &Config, up_to: Seq) -> anyhow::Result<Option<Shadow>> {
    let begin = Instant::now();
    let found = snapshotting::newest_of(config, up_to, |name, error| {
        say(format_args!("snapshot {name} is not used: {error}"));
    })?;
    Ok(found.map(|(header, engine)| {
        say(format_args!(
            "the shadow engine begins behind the snapshot of seq {}, loaded in {} ms",
            header.seq,
            begin.elapsed().as_millis()
        ));
        Shadow::behind(engine, header.chain(), CONSERVATION_INTERVAL)
    }))
}

/// The frame that an earlier shadow engine did not agree with, while its alarm stands.
fn doubted(slow: &SlowWriter) -> Option<Seq> {
    let view = slow.view();
    let stopped = matches!(
        view.shadow_state(),
        Some(ShadowState::Diverged | ShadowState::Unreadable)
    );
    stopped.then(|| Seq(view.diverged_seq()))
}

/// A moment to which the shadow engine comes, however fast the journal goes on.
#[derive(Clone, Copy)]
struct Mark {
    /// So many of the gateway's commands were taken.
    taken: u64,
    /// The journal's end just behind that: what has not come when this is reached never will.
    head: Seq,
}

/// What the shadow engine works with.
pub struct Shadowing {
    live: Live,
    /// The ack mode promises what is durable: nothing else may be seen before.
    durable_only: bool,
    follower: Follower,
    slow: SlowWriter,
    lapped: Counter,
    trouble: Trouble,
    rejects: Rejects,
    config: Config,
    /// None: they are switched off, or it has not begun.
    snapshotting: Option<Snapshotting>,
    /// How far the gateway's commands are decided next.
    mark: Option<Mark>,
    /// Last published, and when.
    published: (Seq, Option<Instant>),
    /// A frame that an earlier shadow engine did not agree with, or could not read: its alarm stands until this one has
    /// got past it.
    doubted: Option<Seq>,
}

impl Shadowing {
    /// A shadow engine that goes on in `journal` from where `live` stands.
    #[must_use]
    pub fn new(
        config: &Config,
        journal: LogReader,
        slow: &SlowWriter,
        live: Live,
        rejects: Rejects,
    ) -> Self {
        let shard = config.instance.shard;
        Self {
            rejects,
            follower: Follower::new(
                Some(config.archive_dir()),
                shard,
                Some(journal),
                live.read(|_, seq| seq.next()),
            ),
            live,
            durable_only: config.instance.ack == Ack::Durable,
            slow: slow.clone(),
            lapped: slow.counter(SHADOW_LAPPED),
            trouble: Trouble::new(slow, SHADOW_TROUBLES, "the shadow engine goes on"),
            config: config.clone(),
            snapshotting: None,
            mark: None,
            published: (Seq(0), None),
            doubted: doubted(slow),
        }
    }

    /// Follows the journal until it is asked to end and has checked what it was asked to, or until it
    /// does not agree. The archive is read once the archiver has opened it.
    pub fn run(mut self, signals: &Signals) -> Ending {
        while !signals.is_archive_open() {
            if signals.is_finished_at(Seq(0)) {
                return Ending::Agreed;
            }
            self.hinder(signals.archive_trouble());
            std::thread::sleep(IDLE);
        }
        if self.config.snapshots.enabled {
            self.begin_snapshots();
        }
        loop {
            match self.check_some() {
                Ok(applied) => {
                    self.hinder(signals.archive_trouble().filter(|_| self.durable_only));
                    self.trouble.end();
                    let finished = signals.is_finished_at(self.checked_seq());
                    self.publish(finished);
                    self.settle();
                    if finished {
                        return Ending::Agreed;
                    }
                    if applied == 0 {
                        std::thread::sleep(IDLE);
                    }
                }
                Err(Failure::Unreadable(error)) => {
                    let line = format_args!(
                        "the shadow engine waits, and goes on where it stopped: {error}"
                    );
                    self.trouble.begin("archive", line);
                    let hindrance = "the archive cannot be read: check its disk";
                    self.live.hinder(Some(hindrance.to_owned()));
                    std::thread::sleep(RETRY);
                }
                Err(Failure::Lost(seq, error)) => {
                    self.slow.set_unreadable(seq.0);
                    self.live.stand(Standing::Diverged);
                    alarm(signals, "the shadow engine", &error);
                    return Ending::Unreadable(seq);
                }
                Err(Failure::Alarm(seq, what)) => {
                    self.slow.set_diverged(seq.0);
                    self.live.stand(Standing::Diverged);
                    say(format_args!("alarm: the shadow engine stops: {what}"));
                    return Ending::Diverged(seq);
                }
            }
        }
    }

    /// What keeps it from going on, if anything does, for whoever asks the gateway.
    fn hinder(&self, trouble: Option<TroubleKind>) {
        self.live.hinder(trouble.map(|kind| kind.to_string()));
    }

    /// Begins to take snapshots newer than the one with which it began.
    fn begin_snapshots(&mut self) {
        match Snapshotting::start(&self.config, &self.slow, self.checked_seq()) {
            Ok(snapshotting) => self.snapshotting = Some(snapshotting),
            Err(error) => say(format_args!(
                "trouble: no snapshots are written: their thread does not start: {error}"
            )),
        }
    }

    /// Checks up to a batch of frames; says how many.
    fn check_some(&mut self) -> Result<usize, Failure> {
        // Asked anew for a frame that memory has lost meanwhile: it is then archived.
        let archived = || Seq(self.slow.view().durable_seq());
        let (follower, durable_only) = (&mut self.follower, self.durable_only);
        let snapshotting = &mut self.snapshotting;
        let rejects = &self.rejects;
        let watermark = archived();
        let lapped = follower.lapped();
        let applied = self.live.batch(|batch| {
            for applied in 0..BATCH {
                let seq = follower.next_seq();
                if durable_only && seq > watermark {
                    return Ok(applied);
                }
                let next = follower.next(archived);
                let Some(frame) = next.map_err(|error| Failure::of(seq, error))? else {
                    return Ok(applied);
                };
                check(batch.shadow(), &frame)?;
                batch.told(&frame);
                rejects.frame(&frame);
                if let Some(snapshotting) = snapshotting
                    && let Some(Ok(Event::StateHash(checkpoint))) = frame.events().next()
                {
                    snapshotting.offer(batch.shadow(), checkpoint.hash);
                }
            }
            Ok(BATCH)
        });
        self.lapped.add(self.follower.lapped() - lapped);
        applied
    }

    /// The gateway is live from the first mark on that is reached.
    fn settle(&mut self) {
        let mark = self.mark.take().or_else(|| {
            let taken = self.live.taken()?;
            let head = self.follower.head();
            Some(Mark { taken, head })
        });
        let Some(mark) = mark else {
            return;
        };
        let (epoch, seq) = self.live.read(|engine, seq| (engine.epoch(), seq));
        // Before the first epoch the genesis is not complete: its numbers are not ours to give.
        if seq >= mark.head && epoch > 0 {
            self.live.settle(mark.taken);
            self.live.stand(Standing::Live);
        } else {
            self.mark = Some(mark);
        }
    }

    fn checked_seq(&self) -> Seq {
        self.live.read(|_, seq| seq)
    }

    /// Publishes how far it has come, if that is new and the last time is long enough ago.
    fn publish(&mut self, at_once: bool) {
        let seq = self.checked_seq();
        if self.doubted.is_some_and(|doubted| seq < doubted) {
            return;
        }
        if let Some(doubted) = self.doubted.take() {
            say(format_args!(
                "the shadow engine now agrees with seq {doubted}, at which an earlier one stopped"
            ));
        }
        let (published, when) = self.published;
        let due = when.is_none_or(|when| when.elapsed() >= PUBLISH_EVERY);
        let new = when.is_none() || seq > published;
        if new && (due || at_once) {
            self.slow
                .set_shadow(seq.0, self.live.read(|engine, _| engine.state_hash()));
            self.published = (seq, Some(Instant::now()));
        }
    }
}

/// Why it does not go on.
enum Failure {
    /// This may pass.
    Unreadable(ArchiveError),
    /// This will not: the frame cannot be had.
    Lost(Seq, FollowError),
    /// Nor will this: the frame, and what is wrong with it.
    Alarm(Seq, String),
}

impl Failure {
    fn of(seq: Seq, error: FollowError) -> Self {
        match error {
            FollowError::Archive(error @ ArchiveError::Io { .. }) => Self::Unreadable(error),
            FollowError::Archive(_)
            | FollowError::Frame { .. }
            | FollowError::Corrupt { .. }
            | FollowError::Missing { .. } => Self::Lost(seq, error),
        }
    }
}

fn check(shadow: &mut Shadow, frame: &Frame<'_>) -> Result<(), Failure> {
    shadow
        .step(frame)
        .map_err(|divergence: Divergence| Failure::Alarm(divergence.seq, divergence.to_string()))
}
