//! The match tile: takes requests in a stated order and puts them through the sequencer.
//!
//! A turn: what the sequencer owes (the rest of work that no frame had room for, a due deadline, a checkpoint), then a burst
//! from the net tile's ring, then the slow ring's fixed share. Slots are released only after their
//! frames are committed, so a restarted engine reads again what it had not taken. Without room for
//! a full frame nothing is taken, and the rings fill up to a typed `Busy`.

use crate::counters::Counters;
use crate::keys::Delegated;
use crate::sequencer::Sequencer;
use crate::watermark::Watermark;
use domain::{AccountId, Command, Gate, Request, SessionId, Source};
use engine::Engine;
use shm::{FastWriter, Heap, Histogram, RingConsumer, Slot, SlowView};
use std::time::{Duration, Instant};
use tile::{Clock, Tile};
use topology::instruments::matching as counter;

/// Most requests of the net ring in one turn.
pub(crate) const NET_BURST: usize = 32;

pub(crate) struct MatchTile {
    pub(crate) sequencer: Sequencer,
    pub(crate) from_net: RingConsumer<Heap>,
    pub(crate) from_slow: RingConsumer,
    pub(crate) delegated: Delegated,
    /// Most requests of the slow ring in one turn.
    pub(crate) slow_share: usize,
    pub(crate) fast: FastWriter,
    pub(crate) slow: SlowView,
    pub(crate) counters: Counters,
    pub(crate) receive_to_commit: Histogram,
    pub(crate) durable: Watermark,
    /// The requests that were read from the net ring last. Its room is all that is kept between turns.
    pub(crate) burst: Vec<Request>,
    pub(crate) received: [u64; NET_BURST],
    pub(crate) slow_ring: SlowRing,
    /// When it was asked to stop: from then on only what sessions were promised is taken.
    pub(crate) stopping: Option<Instant>,
}

/// What the slow ring's producer position has shown since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlowRing {
    /// It was never possible. One of the two regions may be new, and then it becomes possible when a
    /// slowpath resumes the ring.
    Awaited,
    /// It was possible.
    Followed,
    /// It became impossible: nobody knows what is in the ring, which is not read again.
    Refused,
}

/// How long a stop waits for room in the journal.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

impl MatchTile {
    /// Lets the journal reuse what is both archived and sent.
    fn move_gate(&mut self) {
        let said = self.slow.durable_seq();
        let head = self.sequencer.log().head();
        let Some(durable) = self.durable.follow(said, head) else {
            self.counters.add(counter::gate_faults, 1);
            return;
        };
        let gate = durable.min(self.fast.view().out_seq());
        let log = self.sequencer.log_mut();
        if gate > log.gate_seq() && log.gate(gate).is_err() {
            self.counters.add(counter::gate_faults, 1);
        }
    }

    /// What there is to do at `now`, UTC ns.
    pub(crate) fn turn(&mut self, now: u64) -> usize {
        if self.sequencer.sequence_own(now) {
            return 1;
        }
        let taken = self.take_from_net(now);
        if self.stopping.is_some() {
            return taken;
        }
        taken + self.take_from_slow(now)
    }

    fn may_take(&self) -> bool {
        self.sequencer.has_room() && self.sequencer.engine().pending_work().is_none()
    }

    fn take_from_net(&mut self, now: u64) -> usize {
        let mut taken = 0;
        while taken < NET_BURST && self.may_take() {
            self.read_burst(NET_BURST - taken);
            let burst = std::mem::take(&mut self.burst);
            let done = self.take_burst(&burst, taken, now);
            let is_over = done == 0 || done < burst.len();
            self.burst = burst;
            taken += done;
            if is_over {
                break;
            }
        }
        if taken > 0 {
            self.from_net.release();
            let committed = Clock::now();
            for &received in &self.received[..taken] {
                let age = committed.saturating_sub(received);
                self.receive_to_commit.record(age);
            }
            self.counters.add(counter::from_net, taken as u64);
        }
        taken
    }

    /// Reads what the ring holds, at most so many requests, and what they will need.
    fn read_burst(&mut self, most: usize) {
        self.burst.clear();
        let decode = |slot| Request::decode(&slot).expect("the net tile writes whole requests");
        let Ok(Some(first)) = self.from_net.peek() else {
            return;
        };
        self.burst.push(decode(first));
        while self.burst.len() < most
            && let Some(next) = self.from_net.peek_behind(self.burst.len())
        {
            self.burst.push(decode(next));
        }
        self.sequencer.engine().touch(&self.burst);
    }

    /// Takes these requests, of which `taken` came before in this turn, as far as they may be taken. How many.
    fn take_burst(&mut self, burst: &[Request], taken: usize, now: u64) -> usize {
        for (done, request) in burst.iter().enumerate() {
            // net looks at the clock too, and may have done so later: nothing is sequenced before it came.
            let now = now.max(request.receive_time.0);
            if !self.may_take() || self.sequencer.is_due(now) {
                return done;
            }
            if self
                .sequencer
                .engine()
                .admits(request.source, request.source_seq)
            {
                self.sequencer.sequence(request, now);
            } else {
                self.counters.add(counter::stale, 1);
            }
            self.from_net.advance();
            self.received[taken + done] = request.receive_time.0;
        }
        burst.len()
    }

    fn take_from_slow(&mut self, now: u64) -> usize {
        let mut taken = 0;
        while taken < self.slow_share
            && self.slow_ring != SlowRing::Refused
            && self.delegated.has_room()
            && self.may_take()
        {
            let Some(slot) = self.look_at_slow_ring() else {
                break;
            };
            self.take_slow_slot(&slot, now);
            self.from_slow.advance();
            taken += 1;
        }
        if taken > 0 {
            self.from_slow.release();
        }
        taken
    }

    fn look_at_slow_ring(&mut self) -> Option<Slot> {
        match self.from_slow.peek() {
            Ok(slot) => {
                self.slow_ring = SlowRing::Followed;
                slot
            }
            Err(_) if self.slow_ring == SlowRing::Awaited => None,
            Err(_) => {
                self.slow_ring = SlowRing::Refused;
                self.counters.add(counter::ring_faults, 1);
                None
            }
        }
    }

    /// Its keys are to be derived from what the engine holds now, whether it took the command or not.
    fn pass_on_session(&mut self, command: &Command) {
        let session = delegated_session(command);
        let view = session.and_then(|session| self.sequencer.engine().session(session));
        if let (Some(session), Some(view)) = (session, view) {
            self.delegated.pass_on(session, &view);
        }
    }

    fn take_slow_slot(&mut self, slot: &[u64; domain::REQUEST_WORDS], now: u64) {
        // Whoever sent it was told that its outcome is not known, and may have asked again since.
        if Request::deadline(slot).is_some_and(|deadline| Clock::since_boot() > deadline) {
            return self.counters.add(counter::slow_late, 1);
        }
        let engine = self.sequencer.engine();
        let request = Request::decode(slot)
            .ok()
            .filter(|request| slow_may_send(engine, request));
        match request {
            Some(r) if self.sequencer.engine().admits(r.source, r.source_seq) => {
                self.sequencer.sequence(&r, now);
                self.pass_on_session(&r.command);
                self.counters.add(counter::from_slow, 1);
            }
            Some(_) => self.counters.add(counter::stale, 1),
            None => self.counters.add(counter::slow_refused, 1),
        }
    }
}

/// The session that a command opens or delegates.
fn delegated_session(command: &Command) -> Option<SessionId> {
    if let Command::OpenSession(open) = command {
        Some(open.session)
    } else if let Command::Delegate(delegate) = command {
        Some(delegate.session)
    } else {
        None
    }
}

/// What the slowpath may ask for. It is not trusted: it cannot speak for the sequencer or for a
/// session of the port, a number is taken only from the source that counts it, and only accounts
/// whose owner logs on by wallet are its to open sessions for and to delegate.
fn slow_may_send(engine: &Engine, request: &Request) -> bool {
    match request.command {
        Command::Deposit(_) => request.source == Source::DEPOSITS,
        Command::CreateAsset(_)
        | Command::CreateMarket(_)
        | Command::CreateAccount(_)
        | Command::SetTier(_)
        | Command::SetLimits(_)
        | Command::SetFees(_)
        | Command::CollectFees(_)
        | Command::SetMarketState(_)
        | Command::SetCollar(_)
        | Command::DelistMarket(_)
        | Command::ConfirmAttestation(_) => request.source == Source::ADMINISTRATION,
        Command::OpenSession(open) => {
            request.source == Source::ADMINISTRATION && has_owner(engine, open.account)
        }
        Command::Delegate(delegate) => {
            let session = engine.session(delegate.session);
            request.source == Source::ADMINISTRATION
                && session.is_some_and(|session| has_owner(engine, session.account))
        }
        Command::MassCancel(_) | Command::KillSwitch(_) => {
            request.source == Source::ADMINISTRATION || is_of_gateway(engine, request.source)
        }
        Command::NewOrder(_)
        | Command::CancelOrder(_)
        | Command::AmendOrder(_)
        | Command::Quote(_)
        | Command::SetProtection(_)
        | Command::Attest(_) => is_of_gateway(engine, request.source),
        Command::Continue(_)
        | Command::Timer(_)
        | Command::Checkpoint(_)
        | Command::Recovered(_)
        | Command::EngineVersion(_)
        | Command::Genesis(_) => false,
    }
}

/// Whether the source is a session whose commands come in by the gateway.
fn is_of_gateway(engine: &Engine, source: Source) -> bool {
    let session = source.session().and_then(|id| engine.session(id));
    session.is_some_and(|session| session.gate == Gate::Gateway)
}

fn has_owner(engine: &Engine, account: AccountId) -> bool {
    let account = engine.account(account);
    account.is_some_and(|account| account.owner != [0; 32])
}

impl Tile for MatchTile {
    fn name(&self) -> &'static str {
        "match"
    }

    fn poll(&mut self) -> usize {
        self.move_gate();
        if !self.sequencer.has_room() {
            self.counters.add(counter::no_room, 1);
            return 0;
        }
        self.turn(Clock::now())
    }

    /// Done when everything that the net tile accepted is journalled. (Without room, because nothing
    /// archives, it is given up after a while: nobody was told of it.)
    fn stop(&mut self) -> bool {
        let since = *self.stopping.get_or_insert_with(Instant::now);
        let work = self.poll();
        work == 0 && (self.sequencer.has_room() || since.elapsed() > STOP_PATIENCE)
    }

    fn stop_turn(&self) -> Option<u64> {
        Some(1)
    }
}
