//! What the gateway shares with the shadow engine's thread: the engine for live reads, the desk, the hub.

use crate::desk::{CommandRing, Desk, Done, NoOutcome, PATIENCE, outcome};
use crate::hub::Hub;
use crate::problem::Problem;
use attestation::Checker;
use domain::{Command, ConfirmAttestation, Nanos, Seq, SessionId, Source, Zero};
use engine::Engine;
use journal::Frame;
use shadow::Shadow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where the shadow engine stands, for whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has not caught up with the journal since the process started.
    CatchingUp,
    /// It follows.
    Live,
    /// It does not agree with the journal: nothing may be told any more.
    Diverged,
}

/// Behind a journal that goes on, a shadow engine that has applied nothing for so long does not follow it.
const STALL: Duration = Duration::from_secs(2);

/// What to do when the outcome of a session's command is not known.
const UNKNOWN: &str = "the command was sent and may still be taken: ask for its outcome by its client order id, \
                       and do not send it again under another one";

/// What comes of a command that was sent.
pub(crate) type Answer = tokio::sync::oneshot::Receiver<Done>;

struct Shared {
    shadow: RwLock<Shadow>,
    standing: RwLock<Standing>,
    /// What keeps it from following the journal.
    hindrance: Mutex<Option<String>>,
    /// Why the fastpath takes nothing.
    blockage: Mutex<Option<String>>,
    desk: Desk,
    hub: Hub,
    /// One command of administration at a time gets its number and is sent.
    asking: tokio::sync::Mutex<()>,
    /// What sessions have attested, as far as it is archived.
    checker: Mutex<Checker>,
    /// The engine's time after the last frame that was seen when it was new, and when that was.
    seen: Mutex<Option<(Nanos, Instant)>>,
    /// The last frame that was applied, and when the shadow engine last moved or had nothing before it.
    moved: Mutex<(Seq, Instant)>,
    /// Nobody asks: nothing is told.
    quiet: bool,
}

/// A handle on all of it; cheap to clone.
#[derive(Clone)]
pub struct Live(Arc<Shared>);

impl Live {
    /// Over a shadow engine as it stands and the command ring. `quiet`: there is no gateway, so that nothing
    /// need be kept for it.
    #[must_use]
    pub fn new(shadow: Shadow, ring: Box<dyn CommandRing>, quiet: bool) -> Self {
        let hub = Hub::default();
        hub.load(shadow.engine(), shadow.checked_seq().0);
        let moved = (shadow.checked_seq(), Instant::now());
        let checker = Checker::new(shadow.chain().shard);
        Self(Arc::new(Shared {
            seen: Mutex::new(None),
            moved: Mutex::new(moved),
            shadow: RwLock::new(shadow),
            standing: RwLock::new(Standing::CatchingUp),
            hindrance: Mutex::new(None),
            blockage: Mutex::new(None),
            desk: Desk::new(ring),
            hub,
            asking: tokio::sync::Mutex::default(),
            checker: Mutex::new(checker),
            quiet,
        }))
    }

    /// For the shadow engine's thread: applies a batch under one lock. What `step` has applied is told by
    /// [`Batch::told`]; when it ends, books that have changed are published.
    pub fn batch<T>(&self, step: impl FnOnce(&mut Batch<'_>) -> T) -> T {
        let shared = &*self.0;
        let mut shadow = shared
            .shadow
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let before = shadow.engine().now();
        let result = step(&mut Batch {
            shadow: &mut shadow,
            desk: &shared.desk,
            hub: &shared.hub,
            quiet: shared.quiet,
        });
        if !shared.quiet {
            let time = shadow.engine().now();
            if time != before && self.standing() == Standing::Live {
                *self.lock_seen() = Some((time, Instant::now()));
            }
            let seq = shadow.checked_seq();
            let is_at_end = shared.desk.journalled() <= seq;
            let mut moved = self.lock_moved();
            if is_at_end || moved.0 != seq {
                *moved = (seq, Instant::now());
            }
            drop(moved);
            *self.lock_blockage() = shared.desk.blockage();
            shared.hub.publish(shadow.engine(), seq.0);
        }
        result
    }

    /// For the shadow engine's thread: where it stands now.
    pub fn stand(&self, standing: Standing) {
        *self
            .0
            .standing
            .write()
            .unwrap_or_else(PoisonError::into_inner) = standing;
    }

    /// For the shadow engine's thread: what keeps it from following the journal, and what to do; none: nothing does.
    pub fn hinder(&self, what: Option<String>) {
        *self.lock_hindrance() = what;
    }

    fn lock_hindrance(&self) -> MutexGuard<'_, Option<String>> {
        self.0
            .hindrance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_blockage(&self) -> MutexGuard<'_, Option<String>> {
        self.0
            .blockage
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the shadow engine stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        *self
            .0
            .standing
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// How many of the commands that were sent the fastpath has taken: their frames, if any, are in the journal. None
    /// while it has some of an earlier gateway.
    #[must_use]
    pub fn taken(&self) -> Option<u64> {
        self.0.desk.taken()
    }

    /// For the shadow engine's thread: it has reached what the journal's end was when so many commands had been
    /// [taken](Self::taken).
    pub fn settle(&self, taken: u64) {
        self.0.desk.settle(taken);
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.0.hub
    }

    /// Reads the engine's state and the seq after which it is so.
    pub fn read<T>(&self, reader: impl FnOnce(&Engine, Seq) -> T) -> T {
        let shadow = self.0.shadow.read().unwrap_or_else(PoisonError::into_inner);
        reader(shadow.engine(), shadow.checked_seq())
    }

    /// The exchange's time, UTC ns: the last frame's and what has passed since it was seen, because the system's clock
    /// may have been set since the exchange began to count. Before a new frame was seen, the later of the last frame's
    /// and the system's.
    pub(crate) fn time(&self) -> Nanos {
        let seen = *self.lock_seen();
        match seen {
            Some((time, seen)) => {
                let passed = u64::try_from(seen.elapsed().as_nanos()).unwrap_or(u64::MAX);
                Nanos(time.0.saturating_add(passed))
            }
            None => self.read(|engine, _| engine.now()).max(now()),
        }
    }

    fn lock_seen(&self) -> MutexGuard<'_, Option<(Nanos, Instant)>> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_moved(&self) -> MutexGuard<'_, (Seq, Instant)> {
        self.0.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the journal goes on without the shadow engine. Its thread cannot say so itself.
    fn is_stalled(&self) -> bool {
        let (seq, when) = *self.lock_moved();
        when.elapsed() >= STALL && self.0.desk.journalled() > seq
    }

    /// Refuses unless the shadow engine follows the journal.
    pub(crate) fn ensure_live(&self) -> Result<(), Problem> {
        match self.standing() {
            Standing::Live if self.is_stalled() => Err(Problem::unavailable(format!(
                "nothing that is in the journal could be told for 2 s: {}",
                self.lock_hindrance().as_deref().unwrap_or(
                    "the shadow engine stands still or, where answers are durable, the archive; `sluice status` says \
                     which. Try again"
                )
            ))),
            Standing::Live => Ok(()),
            Standing::CatchingUp => Err(Problem::unavailable(match &*self.lock_hindrance() {
                Some(what) => format!(
                    "the exchange cannot start: {what}; it goes on by itself when that is done (`trouble:` in the \
                     slowpath's output says more)"
                ),
                None => "the exchange is starting: the journal is still being read; try again"
                    .to_owned(),
            })),
            Standing::Diverged => Err(Problem::unavailable(
                "the exchange has stopped publishing: its shadow engine does not agree with the journal",
            )),
        }
    }

    /// The checker of attestations. Its thread holds it for a batch of frames at most.
    pub fn checker(&self) -> MutexGuard<'_, Checker> {
        self.0
            .checker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// For the thread of the checker: tells the engine that a session's attestations are right up to a level. False if it
    /// was not sent, because there is nobody to take it, or somebody else is about to give the next number of
    /// administration: then later. Sent or not, it counts only once it is journalled.
    #[must_use]
    pub fn confirm_attestation(&self, session: SessionId, level: u64) -> bool {
        if self.standing() != Standing::Live || !self.0.desk.is_served() {
            return false;
        }
        let Ok(_one_at_a_time) = self.0.asking.try_lock() else {
            return false;
        };
        let command = Command::ConfirmAttestation(ConfirmAttestation {
            session,
            pad: [Zero::Zero; 4],
            level,
        });
        let sent = self.read(|engine, _| {
            let last = engine.last_number(Source::ADMINISTRATION);
            self.0
                .desk
                .send(Source::ADMINISTRATION, last, command, now())
        });
        sent.is_ok()
    }

    /// Whoever holds it gives the next number of administration or of deposits.
    pub(crate) fn asking(&self) -> &tokio::sync::Mutex<()> {
        &self.0.asking
    }

    pub(crate) fn desk(&self) -> &Desk {
        &self.0.desk
    }

    /// Refuses unless commands are taken: nothing is sent that would only wait.
    pub(crate) fn ensure_open(&self) -> Result<(), Problem> {
        self.ensure_live()?;
        if !self.0.desk.is_served() {
            return Err(Problem::unavailable(
                "the fastpath does not answer (it does not run, or stands still), so nothing was sent and nothing has an effect: try again",
            ));
        }
        match &*self.lock_blockage() {
            Some(why) => Err(Problem::busy_because(format!(
                "{why}, so nothing was sent and nothing has an effect: try again"
            ))),
            None => Ok(()),
        }
    }

    /// Sends a command of a source and waits for its frame.
    pub(crate) async fn command(&self, source: Source, command: Command) -> Result<Done, Problem> {
        self.ensure_open()?;
        // Under the shadow engine's lock: what it has seen and what was given out are looked at together.
        let sent = self.read(|engine, _| {
            let last = engine.last_number(source);
            self.0.desk.send(source, last, command, now())
        });
        self.answered(sent.map_err(|error| no_outcome(error, UNKNOWN))?, UNKNOWN)
            .await
    }

    /// Sends commands of a source one behind the other, as many of them as there is room for, and waits for the frames
    /// of all no longer than for one; `unknown` says what to do about one that does not come in time.
    pub(crate) async fn commands(
        &self,
        source: Source,
        commands: &[Command],
        unknown: &str,
    ) -> Result<Vec<Result<Done, Problem>>, Problem> {
        self.ensure_open()?;
        let mut has_room = true;
        let send = |command: &Command, last| match has_room {
            true => {
                let sent = self.0.desk.send(source, last, *command, now());
                has_room = sent.is_ok();
                sent
            }
            false => Err(NoOutcome::Busy),
        };
        let sent: Vec<_> = self.read(|engine, _| {
            let last = engine.last_number(source);
            let mut send = send;
            commands.iter().map(|command| send(command, last)).collect()
        });
        let until = patience();
        let mut done = Vec::new();
        for answer in sent {
            let answer = match answer {
                Ok(answer) => outcome(answer, until).await,
                Err(error) => Err(error),
            };
            done.push(answer.map_err(|error| no_outcome(error, unknown)));
        }
        Ok(done)
    }

    /// The number that a source's next command would have.
    pub(crate) fn next_number(&self, source: Source) -> u64 {
        self.read(|engine, _| self.0.desk.next(source, engine.last_number(source)))
    }

    /// Sends a command under this number, if it is its source's next; none if it is not any more.
    pub(crate) fn send_as(
        &self,
        source: Source,
        number: u64,
        command: Command,
    ) -> Result<Option<Answer>, Problem> {
        self.ensure_open()?;
        let sent = self.read(|engine, _| {
            let last = engine.last_number(source);
            self.0.desk.send_as(source, last, number, command, now())
        });
        sent.map_err(|error| no_outcome(error, UNKNOWN))
    }

    /// Waits for the frame of a command that was sent; `unknown` says what to do if it does not come in time.
    pub(crate) async fn answered(&self, answer: Answer, unknown: &str) -> Result<Done, Problem> {
        let done = outcome(answer, patience()).await;
        done.map_err(|error| no_outcome(error, unknown))
    }
}

/// Until when an answer is waited for.
fn patience() -> tokio::time::Instant {
    tokio::time::Instant::now() + PATIENCE
}

fn no_outcome(error: NoOutcome, unknown: &str) -> Problem {
    match error {
        NoOutcome::Busy => Problem::busy(),
        NoOutcome::Unknown => Problem::unknown_outcome(unknown),
    }
}

/// A batch of frames under the shadow engine's lock.
pub struct Batch<'a> {
    shadow: &'a mut Shadow,
    desk: &'a Desk,
    hub: &'a Hub,
    quiet: bool,
}

impl Batch<'_> {
    /// The shadow engine.
    pub fn shadow(&mut self) -> &mut Shadow {
        self.shadow
    }

    /// The shadow engine has applied this frame: subscribers and whoever waits for it are told.
    pub fn told(&mut self, frame: &Frame<'_>) {
        if !self.quiet {
            self.hub.frame(frame, self.shadow.engine());
            self.desk.frame(frame, |order| self.hub.known(order));
        }
    }
}

/// UTC nanoseconds.
pub(crate) fn now() -> Nanos {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::NoRing;
    use std::num::NonZeroU64;

    #[test]
    fn the_exchanges_time_goes_on_while_nothing_comes() {
        const DAY: Duration = Duration::from_secs(86_400);
        let live = Live::new(Shadow::new(1, NonZeroU64::MAX), Box::new(NoRing), false);
        let yesterday = Instant::now().checked_sub(DAY).unwrap();
        *live.lock_seen() = Some((Nanos(7), yesterday));
        let day = u64::try_from(DAY.as_nanos()).unwrap();
        assert!(live.time() >= Nanos(7 + day), "{:?}", live.time());
    }
}
