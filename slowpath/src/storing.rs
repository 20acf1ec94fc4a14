//! The store's thread: follows the journal as far as it is durable and checked, waits out what the database
//! suffers, tells the operator. Archiver and shadow engine do not know of it.

use crate::console::{now, say};
use crate::counters::{STORE_ROWS, STORE_SEQ, STORE_TROUBLES};
use crate::follower::{FollowError, Follower, alarm};
use crate::signals::Signals;
use crate::snapshot_index::SnapshotIndex;
use crate::snapshotting;
use crate::state_folder;
use crate::trouble::Trouble;
use anyhow::{Context as _, Result};
use domain::Seq;
use journal::ArchiveError;
use shm::{Counter, LogError, LogReader, Memory, SlowWriter};
use std::time::Duration;
use store::{Database, Projector, StoreError, Written};
use tokio::runtime::Runtime;
use topology::Config;

/// Niceness of the store's threads: the least that the scheduler knows. Where there are fewer CPUs than
/// busy threads, history waits, not orders or their archive.
const NICE: i32 = 19;
/// Sleep of a thread that has nothing to do.
const IDLE: Duration = Duration::from_millis(2);
/// Shortest and longest wait before what failed is tried again; each is twice the one before.
const RETRY: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// The database that a configuration names. The state folder is made if that is where it lies.
///
/// # Errors
/// If the address is not understood, or the folder cannot be made.
pub fn database(config: &Config) -> Result<Database> {
    if config.store.url.is_none() {
        state_folder::make(config)?;
    }
    Ok(Database::new(&config.store_url())?)
}

/// Lets this thread, and those that it starts, have only what nobody else wants of a CPU.
fn stand_back() {
    if let Err(error) = rustix::process::nice(NICE) {
        say(format_args!(
            "the store's thread keeps its priority: {error}"
        ));
    }
}

/// What the database's driver runs on: this thread.
///
/// # Errors
/// If the system has no more file descriptors.
pub fn runtime() -> Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().context("start the runtime")
}

/// What the thread works with.
pub struct Storing {
    database: Database,
    runtime: Runtime,
    config: Config,
    journal: Memory,
    slow: SlowWriter,
    seq: Counter,
    rows: Counter,
    trouble: Trouble,
}

/// Why a follower came to its end.
enum Stop {
    /// It was asked to.
    Asked,
    /// The database is not where it was: from its seq again.
    StartAgain,
    /// What does not pass.
    Refused(String),
    /// Nor does this: a frame that cannot be had.
    Unreadable(FollowError),
}

/// What failed.
enum Failure {
    Passing(String),
    Lasting(String),
    Lost(FollowError),
}

impl Storing {
    /// The store of an instance; none if it is not enabled.
    ///
    /// # Errors
    /// If the address of the database is not understood.
    pub fn new(config: &Config, journal: &Memory, slow: &SlowWriter) -> Result<Option<Self>> {
        if !config.store.enabled {
            return Ok(None);
        }
        Ok(Some(Self {
            database: database(config)?,
            runtime: runtime()?,
            config: config.clone(),
            journal: journal.clone(),
            slow: slow.clone(),
            seq: slow.counter(STORE_SEQ),
            rows: slow.counter(STORE_ROWS),
            trouble: Trouble::new(slow, STORE_TROUBLES, "the store goes on"),
        }))
    }

    /// Projects until it is asked to end and has written what it was asked to, or cannot go on.
    pub fn run(mut self, signals: &Signals) {
        stand_back();
        while !signals.is_archive_open() {
            // What a stop finds in the journal it is to find in the store, however early it comes.
            if signals.is_finished_at(Seq(0)) {
                return;
            }
            std::thread::sleep(IDLE);
        }
        loop {
            match self.follow(signals) {
                Stop::Asked => return,
                Stop::StartAgain => {
                    say(format_args!(
                        "the store's database is not where it was: reading the journal again"
                    ));
                    std::thread::sleep(RETRY[0]);
                }
                Stop::Refused(why) => {
                    self.trouble.note("refused");
                    say(format_args!("alarm: the store stops: {why}"));
                    return;
                }
                Stop::Unreadable(error) => {
                    self.trouble.note("refused");
                    alarm(signals, "the store", &error);
                    return;
                }
            }
        }
    }

    fn follow(&mut self, signals: &Signals) -> Stop {
        let mut projector = match self.open(signals) {
            Ok(projector) => projector,
            Err(stop) => return stop,
        };
        if let Err(error) = self.begin(&mut projector) {
            return Stop::Refused(error.to_string());
        }
        let mut follower = match self.follower(projector.last_seq().next()) {
            Ok(follower) => follower,
            Err(error) => return Stop::Refused(error.to_string()),
        };
        self.seq.set(projector.resume().last_seq.0);
        // What was indexed stands in this database.
        let mut index = SnapshotIndex::new(&self.config);
        let mut retry = RETRY[0];
        loop {
            let stepped = match self.index_snapshots(&mut projector, &mut index) {
                Ok(Written::Rows(_)) => self.step(&mut projector, &mut follower),
                Ok(Written::StartAgain) => return Stop::StartAgain,
                Err(failure) => Err(failure),
            };
            match stepped {
                Ok(Step::StartAgain) => return Stop::StartAgain,
                Ok(Step::Idle(written)) if signals.is_finished_at(written) => {
                    // What is written is written; this only tidies the files.
                    let _untidy = self.runtime.block_on(projector.close());
                    return Stop::Asked;
                }
                Ok(Step::Idle(_)) => std::thread::sleep(IDLE),
                Ok(Step::Busy) => retry = RETRY[0],
                Err(Failure::Lasting(why)) => return Stop::Refused(why),
                Err(Failure::Lost(error)) => return Stop::Unreadable(error),
                Err(Failure::Passing(why)) => {
                    if !self.wait_out(&why, &mut retry, signals) {
                        return Stop::Asked;
                    }
                }
            }
        }
    }

    /// Connects, however long that takes; an error only if it need not be tried again.
    fn open(&mut self, signals: &Signals) -> Result<Projector, Stop> {
        let mut retry = RETRY[0];
        loop {
            let opened = Projector::open(&self.database, self.config.instance.shard);
            match self.runtime.block_on(opened) {
                Ok(projector) => {
                    let (name, resume) = (self.database.name(), projector.resume());
                    say(format_args!("store: {name}, at seq {}", resume.last_seq));
                    self.trouble.end();
                    return Ok(projector);
                }
                Err(error) if error.can_pass() => {
                    if !self.wait_out(&error.to_string(), &mut retry, signals) {
                        return Err(Stop::Asked);
                    }
                }
                Err(error) => return Err(Stop::Refused(error.to_string())),
            }
        }
    }

    /// Begins behind the newest snapshot that holds and is not ahead of the database, if there is one.
    fn begin(&self, projector: &mut Projector) -> Result<(), StoreError> {
        let resume = projector.resume().last_seq;
        if resume == Seq(0) {
            return Ok(());
        }
        let found = snapshotting::newest_of(&self.config, resume, |name, error| {
            say(format_args!(
                "the store does not begin with snapshot {name}: {error}"
            ));
        });
        match found {
            Ok(None) => Ok(()),
            Ok(Some((header, engine))) => {
                say(format_args!(
                    "the store begins behind the snapshot of seq {}",
                    header.seq
                ));
                projector.begin_behind(engine, header.chain())
            }
            Err(error) => {
                say(format_args!(
                    "the store begins at the first frame: no snapshot can be read: {error}"
                ));
                Ok(())
            }
        }
    }

    fn follower(&self, first: Seq) -> Result<Follower, LogError> {
        let memory = LogReader::new(self.journal.clone(), 1)?;
        let archive = Some(self.config.archive_dir());
        let shard = self.config.instance.shard;
        Ok(Follower::new(archive, shard, Some(memory), first))
    }

    /// Brings the index of snapshots in step with their folder, if that has changed.
    fn index_snapshots(
        &mut self,
        projector: &mut Projector,
        index: &mut SnapshotIndex,
    ) -> Result<Written, Failure> {
        let Some(folder) = index.news() else {
            return Ok(Written::Rows(0));
        };
        let indexing = projector.index_snapshots(&folder, now());
        let written = self.runtime.block_on(indexing)?;
        if written != Written::StartAgain {
            index.is_indexed(folder);
            self.trouble.end();
        }
        Ok(written)
    }

    /// Takes frames until the batch is full or there are no more, and writes it.
    fn step(
        &mut self,
        projector: &mut Projector,
        follower: &mut Follower,
    ) -> Result<Step, Failure> {
        let view = self.slow.view();
        let durable = Seq(view.durable_seq());
        let watermark = durable.min(Seq(view.shadow_seq()));
        let mut taken = 0;
        while projector.has_room() && follower.next_seq() <= watermark {
            let Some(frame) = follower.next(|| durable).map_err(Failure::from)? else {
                break;
            };
            projector.take(&frame).map_err(Failure::from)?;
            taken += 1;
        }
        if projector.has_rows_to_write() {
            match self.runtime.block_on(projector.write())? {
                Written::StartAgain => return Ok(Step::StartAgain),
                Written::Rows(rows) => self.rows.add(rows as u64),
            }
            self.seq.set(projector.last_seq().0);
            self.trouble.end();
        } else if taken > 0 {
            self.trouble.end();
        }
        // What is replayed is in the database already.
        let written = projector.last_seq().max(projector.resume().last_seq);
        Ok(if taken == 0 {
            Step::Idle(written)
        } else {
            Step::Busy
        })
    }

    /// Says once what failed, and waits. False if there is no time to try again.
    fn wait_out(&mut self, why: &str, retry: &mut Duration, signals: &Signals) -> bool {
        let line = format_args!("the store waits, and goes on where it stopped: {why}");
        self.trouble.begin("database", line);
        let mut left = *retry;
        *retry = (*retry * 2).min(RETRY[1]);
        while !left.is_zero() {
            if signals.is_finishing() {
                return false;
            }
            let nap = left.min(RETRY[0]);
            std::thread::sleep(nap);
            left -= nap;
        }
        true
    }
}

/// What a step came to.
enum Step {
    Busy,
    /// There is nothing to do; the last frame that is in the database.
    Idle(Seq),
    StartAgain,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if error.can_pass() {
            Self::Passing(error.to_string())
        } else {
            Self::Lasting(error.to_string())
        }
    }
}

impl From<FollowError> for Failure {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::Archive(ArchiveError::Io { .. }) => Self::Passing(error.to_string()),
            FollowError::Archive(_)
            | FollowError::Frame { .. }
            | FollowError::Corrupt { .. }
            | FollowError::Missing { .. } => Self::Lost(error),
        }
    }
}
