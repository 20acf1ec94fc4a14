//! The thread of attestations: follows the journal as far as it is archived and checked, looks at what sessions sign, and
//! lets the engine know. Nobody waits for it but sessions whose limit is reached.

use crate::attestation_file::AttestationFile;
use crate::console::say;
use crate::counters::{
    ATTESTATION_SEQ, ATTESTATION_TROUBLES, ATTESTATIONS_CONFIRMED, ATTESTATIONS_RIGHT,
    ATTESTATIONS_WRONG,
};
use crate::follower::{FollowError, Follower, alarm};
use crate::signals::Signals;
use crate::trouble::Trouble;
use attestation::{Checker, Noted, Place};
use domain::{Seq, SessionId};
use gateway::Live;
use journal::ArchiveError;
use shm::{Counter, LogReader, SlowWriter};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::{Duration, Instant};
use topology::Config;

/// Time between two looks at what was attested. Of each session one attestation is looked at each time, however many there
/// are: who sends more costs nobody else.
const LOOK: Duration = Duration::from_millis(10);
/// Frames that are taken under one lock.
const BATCH: usize = 256;
/// Shortest time between two warnings of one session: whoever signs right and wrong by turns fills no disk.
const WARN_EVERY: Duration = Duration::from_secs(600);
/// Most levels that are sent at a time: the command ring is others' too.
const MOST_SENT: usize = 64;
/// Wait for the frame of a level that was sent, before it is sent again.
const ANSWER: Duration = Duration::from_secs(1);
/// Shortest time between two writes of what the next start begins with.
const KEEP_EVERY: Duration = Duration::from_secs(30);
/// Sleep of a thread that has nothing to do.
const IDLE: Duration = Duration::from_millis(1);
/// Wait before an archive that could not be read is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What the thread works with.
pub struct Attesting {
    live: Live,
    config: Config,
    slow: SlowWriter,
    follower: Follower,
    file: AttestationFile,
    /// The frame that was taken last; none before the first.
    place: Option<Place>,
    kept: Option<Place>,
    kept_at: Instant,
    /// When what was attested is looked at next.
    look_at: Instant,
    /// Whether it has come to the end of what may be taken: what was confirmed before the start is known then.
    has_caught_up: bool,
    /// Levels that were sent, and when.
    sent: BTreeMap<SessionId, (u64, Instant)>,
    /// Whose level was sent last.
    last_sent: SessionId,
    /// Sessions of which it was said that an attestation is wrong, and when it was said last.
    wrong: BTreeMap<SessionId, Instant>,
    counters: Counters,
    trouble: Trouble,
    archive_fails: bool,
}

struct Counters {
    seq: Counter,
    right: Counter,
    wrong: Counter,
    confirmed: Counter,
}

/// What does not pass.
enum Failure {
    Passing(ArchiveError),
    Lasting(FollowError),
}

impl From<FollowError> for Failure {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::Archive(error @ ArchiveError::Io { .. }) => Self::Passing(error),
            FollowError::Archive(_)
            | FollowError::Frame { .. }
            | FollowError::Corrupt { .. }
            | FollowError::Missing { .. } => Self::Lasting(error),
        }
    }
}

impl Attesting {
    /// A checker of `journal`, beside the shadow engine of `live`.
    #[must_use]
    pub fn new(config: &Config, journal: LogReader, slow: &SlowWriter, live: Live) -> Self {
        let now = Instant::now();
        let counter = |number| slow.counter(number);
        Self {
            live,
            config: config.clone(),
            slow: slow.clone(),
            follower: Follower::new(
                Some(config.archive_dir()),
                config.instance.shard,
                Some(journal),
                Seq(1),
            ),
            file: AttestationFile::new(config),
            place: None,
            kept: None,
            kept_at: now,
            look_at: now + LOOK,
            has_caught_up: false,
            sent: BTreeMap::new(),
            last_sent: SessionId(0),
            wrong: BTreeMap::new(),
            counters: Counters {
                seq: counter(ATTESTATION_SEQ),
                right: counter(ATTESTATIONS_RIGHT),
                wrong: counter(ATTESTATIONS_WRONG),
                confirmed: counter(ATTESTATIONS_CONFIRMED),
            },
            trouble: Trouble::new(slow, ATTESTATION_TROUBLES, "attestations are checked again"),
            archive_fails: false,
        }
    }

    /// Checks until the process ends, or until it cannot go on: then nothing more is confirmed.
    pub fn run(mut self, signals: &Signals) {
        while !signals.is_archive_open() {
            if signals.is_finishing() {
                return;
            }
            std::thread::sleep(IDLE);
        }
        self.begin();
        while !signals.is_finishing() {
            match self.step() {
                Ok(taken) => {
                    self.end_archive_trouble();
                    if taken == 0 {
                        std::thread::sleep(IDLE);
                    }
                }
                Err(Failure::Passing(error)) => {
                    let line = format_args!(
                        "attestations wait to be checked until the archive can be read: {error}"
                    );
                    self.trouble.begin("archive", line);
                    self.archive_fails = true;
                    self.wait_out(signals);
                }
                Err(Failure::Lasting(error)) => {
                    self.trouble.note("journal");
                    alarm(signals, "the check of attestations", &error);
                    return;
                }
            }
        }
        self.look();
        self.keep();
    }

    /// That of the file lasts until it can be written.
    fn end_archive_trouble(&mut self) {
        if std::mem::take(&mut self.archive_fails) {
            self.trouble.end();
        }
    }

    fn wait_out(&self, signals: &Signals) {
        let begin = Instant::now();
        while begin.elapsed() < RETRY && !signals.is_finishing() {
            std::thread::sleep(IDLE);
        }
    }

    /// Begins behind what an earlier process has kept, if the archive has its frame; else before the first frame.
    fn begin(&mut self) {
        match self.file.load(&self.config) {
            Ok(None) => {}
            Ok(Some((checker, place))) => {
                say(format_args!(
                    "attestations are checked from behind seq {}",
                    place.seq
                ));
                *self.live.checker() = checker;
                self.follower.go_to(place.seq.next());
                self.place = Some(place);
                self.kept = Some(place);
            }
            Err(why) => say(format_args!(
                "attestations are checked from the first frame on: {}: {why}",
                self.file.path().display()
            )),
        }
    }

    /// Takes what there is, and does what is due; gives how many frames were taken.
    fn step(&mut self) -> Result<usize, Failure> {
        let taken = self.take_some()?;
        if let Some(place) = self.place {
            self.counters.seq.set(place.seq.0);
        }
        let begin = Instant::now();
        if self.has_caught_up && begin >= self.look_at {
            self.look();
            self.confirm();
            // However many attest, half of the time is left to follow the journal: whoever falls behind finds more
            // attestations that newer ones cover.
            self.look_at = Instant::now() + LOOK.max(begin.elapsed());
            if self.kept_at.elapsed() >= KEEP_EVERY {
                self.keep();
            }
        }
        Ok(taken)
    }

    fn take_some(&mut self) -> Result<usize, Failure> {
        let archived = || Seq(self.slow.view().durable_seq());
        let durable = archived();
        let watermark = durable.min(self.live.read(|_, seq| seq));
        let mut checker = self.live.checker();
        for taken in 0..BATCH {
            if self.follower.next_seq() > watermark {
                // A shadow engine that reads the past says nothing of where the end is.
                self.has_caught_up |= watermark == durable;
                return Ok(taken);
            }
            let Some(frame) = self.follower.next(archived)? else {
                return Ok(taken);
            };
            checker.take(&frame);
            self.place = Some(Place {
                seq: frame.header.seq,
                crc: frame.crc,
            });
        }
        Ok(BATCH)
    }

    /// Looks at the newest attestation of each session. Whoever reads the checker does not wait for that.
    fn look(&mut self) {
        let noted = self.live.checker().take_noted();
        for noted in &noted {
            if noted.is_right() {
                self.counters.right.add(1);
                self.live.checker().is_right(noted);
            } else {
                self.counters.wrong.add(1);
                self.tell_wrong(noted);
            }
        }
    }

    /// Not again for a while.
    fn tell_wrong(&mut self, noted: &Noted) {
        let now = Instant::now();
        let said = self.wrong.get(&noted.session);
        if said.is_none_or(|said| now.duration_since(*said) >= WARN_EVERY) {
            self.wrong.insert(noted.session, now);
            say(format_args!(
                "warning: the attestation of session {} in seq {} is not its delegated key's signature of what the journal \
                 has of it: it is not confirmed",
                noted.session.0, noted.seq
            ));
        }
    }

    fn confirm(&mut self) {
        let unconfirmed: BTreeMap<SessionId, u64> = self.live.checker().unconfirmed().collect();
        self.sent
            .retain(|session, _| unconfirmed.contains_key(session));
        let due = |(session, level): &(&SessionId, &u64)| {
            let sent = self.sent.get(session);
            sent.is_none_or(|(sent, when)| sent != *level || when.elapsed() >= ANSWER)
        };
        // Each comes to its turn, however often those before it attest.
        let turn = (Bound::Excluded(self.last_sent), Bound::Unbounded);
        let sessions = unconfirmed
            .range(turn)
            .chain(unconfirmed.range(..=self.last_sent));
        let due: Vec<_> = sessions.filter(due).take(MOST_SENT).collect();
        for (&session, &level) in due {
            if !self.live.confirm_attestation(session, level) {
                return;
            }
            self.sent.insert(session, (level, Instant::now()));
            self.last_sent = session;
            self.counters.confirmed.add(1);
        }
    }

    /// Writes what the next start begins with, if it is news. What it then lacks it reads from the archive: a disk that is
    /// full costs time, and nothing else.
    fn keep(&mut self) {
        let Some(place) = self.place.filter(|place| self.kept != Some(*place)) else {
            return;
        };
        self.kept_at = Instant::now();
        // What waits to be looked at is no part of it.
        let state = {
            let checker = self.live.checker();
            (!checker.has_noted()).then(|| checker.state(place))
        };
        let Some(state) = state else {
            return;
        };
        match self.file.write(&state) {
            Ok(()) => {
                self.kept = Some(place);
                self.trouble.end();
            }
            Err(error) => {
                let path = self.file.path().display().to_string();
                let line = format_args!("{path} cannot be written: {error}");
                self.trouble.begin("file", line);
            }
        }
    }
}

/// A checker behind a frame that the archive has.
pub type Kept = (Checker, Place);
