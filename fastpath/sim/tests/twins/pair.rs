//! Both engines behind one small sequencer.

use crate::{notation::line, observer::Observer};
use domain::{
    AccountId, AssetId, Command, Continue, Effects, Event, MarketId, Nanos, Recovered, Request,
    Seq, SessionId, Side, Source, Stamp, Zero,
};
use engine::Engine;
use sim::{Mutant, NaiveEngine};
use std::fmt::Debug;

/// Nanoseconds of a day.
const DAY: u64 = 86_400_000_000_000;
/// The sequencer's clock before the first frame: a day ends soon.
pub(crate) const START: u64 = 20_000 * DAY - 140;

/// What differs, and after which request.
pub(crate) type Difference = String;

/// One command applied to both engines, and the events that both gave.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) request: Request,
    pub(crate) events: Vec<Event>,
}

/// The twins, in the same state as far as anyone can tell.
pub(crate) struct Pair {
    naive: NaiveEngine,
    fast: Engine,
    naive_out: Effects,
    fast_out: Effects,
    /// What can be known from outside.
    pub(crate) observer: Observer,
    /// The sequencer's clock. It may go back: engine time must not.
    pub(crate) clock: u64,
    seq: u64,
}

/// Frames between two calls of `check_invariants`.
const INVARIANTS_EVERY: u64 = 8;
/// With more live orders than this the whole state is looked at in one of so many frames only.
const CROWD: (usize, u64) = (500, 16);

fn same<T: PartialEq + Debug>(what: &str, naive: T, fast: T) -> Result<(), Difference> {
    if naive == fast {
        return Ok(());
    }
    Err(format!("{what}: naive {naive:?}, fast {fast:?}"))
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self::of(NaiveEngine::new())
    }

    /// The twin gets one rule wrong.
    pub(crate) fn with_mutant(mutant: Mutant) -> Self {
        Self::of(NaiveEngine::with_mutant(mutant))
    }

    fn of(naive: NaiveEngine) -> Self {
        Self {
            naive,
            fast: Engine::new(),
            naive_out: Effects::new(),
            fast_out: Effects::new(),
            observer: Observer::default(),
            clock: START,
            seq: 0,
        }
    }

    pub(crate) fn last_number(&self, source: Source) -> u64 {
        self.fast.last_number(source)
    }

    /// When the next thing ends that is not over by now.
    pub(crate) fn next_end(&self) -> Option<u64> {
        let delegations = self.fast.session_ids().filter_map(|id| {
            let session = self.fast.session(id)?;
            Some(session.delegation.expires)
        });
        let ends = delegations.chain(self.fast.next_deadline());
        ends.map(|end| end.0).filter(|end| *end > self.clock).min()
    }

    pub(crate) fn fast(&self) -> &Engine {
        &self.fast
    }

    /// Sequences a request if it is admitted, then whatever must follow before the next one.
    /// No frame: it was not admitted.
    pub(crate) fn submit(
        &mut self,
        source: Source,
        number: u64,
        command: Command,
    ) -> Result<Vec<Frame>, Difference> {
        let admitted = self.fast.admits(source, number);
        same(
            &format!("admits({source}, {number})"),
            self.naive.admits(source, number),
            admitted,
        )?;
        let mut frames = Vec::new();
        if !admitted {
            return Ok(frames);
        }
        frames.push(self.sequence(source, number, command)?);
        while let Some(order_id) = self.fast.pending_work() {
            let number = self.fast.last_number(Source::SEQUENCER) + 1;
            let go_on = if number.is_multiple_of(3) {
                // As if the process had died within the work; now and then with a new epoch or a grace.
                Command::Recovered(Recovered {
                    epoch: self.fast.epoch() + u32::from(number.is_multiple_of(4)),
                    pad: [Zero::Zero; 4],
                    grace: Nanos(if number.is_multiple_of(5) { 9 } else { 0 }),
                })
            } else {
                Command::Continue(Continue { order_id })
            };
            frames.push(self.sequence(Source::SEQUENCER, number, go_on)?);
        }
        Ok(frames)
    }

    /// [`Self::submit`] with the session's next number.
    pub(crate) fn submit_next(
        &mut self,
        session: u32,
        command: Command,
    ) -> Result<Vec<Frame>, Difference> {
        let source = Source::of_session(SessionId(session));
        let number = self.last_number(source).saturating_add(1);
        self.submit(source, number, command)
    }

    /// [`Self::submit`] with the source's next number; events of all frames together.
    pub(crate) fn next(&mut self, source: Source, command: Command) -> Vec<Event> {
        let number = self.last_number(source) + 1;
        let frames = self.submit(source, number, command);
        let frames = frames.unwrap_or_else(|difference| panic!("{difference}"));
        assert!(!frames.is_empty(), "{source} is not admitted");
        frames.into_iter().flat_map(|frame| frame.events).collect()
    }

    fn sequence(
        &mut self,
        source: Source,
        number: u64,
        command: Command,
    ) -> Result<Frame, Difference> {
        self.seq += 1;
        self.clock += 1;
        let stamp = Stamp {
            seq: Seq(self.seq),
            time: Nanos(self.clock),
        };
        let request = Request {
            source,
            source_seq: number,
            receive_time: Nanos(self.clock),
            command,
        };
        self.naive.apply(stamp, &request, &mut self.naive_out);
        self.fast.apply(stamp, &request, &mut self.fast_out);
        self.compare(&request)
            .and_then(|events| {
                self.observer.observe(&request, &events)?;
                if self.looks_closely() {
                    self.observer.check_readers(&self.fast)?;
                }
                Ok(Frame { request, events })
            })
            .map_err(|difference| {
                let Request {
                    source, command, ..
                } = request;
                let seq = self.seq;
                format!("frame {seq}, {source} number {number}: {command:?}: {difference}")
            })
    }

    fn looks_closely(&self) -> bool {
        let (crowd, every) = CROWD;
        self.fast.live_orders() < crowd || self.seq.is_multiple_of(every)
    }

    fn compare(&self, request: &Request) -> Result<Vec<Event>, Difference> {
        if self.naive_out.words() != self.fast_out.words() {
            return Err(self.describe_events());
        }
        let events: Result<Vec<Event>, _> = self.fast_out.events().collect();
        let events = events.map_err(|error| error.to_string())?;
        same(
            "count of events",
            events.len(),
            usize::from(self.fast_out.count()),
        )?;
        if !self.looks_closely() {
            return Ok(events);
        }
        self.compare_state()?;
        self.compare_funds()?;
        self.compare_books()?;
        let session = request.source.session().unwrap_or(SessionId(0));
        same(
            "session",
            self.naive.session(session),
            self.fast.session(session),
        )?;
        if self.seq.is_multiple_of(INVARIANTS_EVERY) {
            self.check_invariants()?;
        }
        Ok(events)
    }

    pub(crate) fn check_invariants(&self) -> Result<(), Difference> {
        self.naive.check_invariants()?;
        let fast = self.fast.check_invariants();
        fast.map_err(|broken| format!("invariant: {broken:?}"))
    }

    /// What both say, and in full where they part.
    fn describe_events(&self) -> Difference {
        let said = |out: &Effects| -> Vec<Event> { out.events().map_while(Result::ok).collect() };
        let (naive, fast) = (said(&self.naive_out), said(&self.fast_out));
        let lines = |events: &[Event]| -> String {
            let lines = events.iter().map(|event| format!("\n  {}", line(event)));
            lines.collect()
        };
        let same = naive.iter().zip(&fast).take_while(|(n, f)| n == f).count();
        format!(
            "events\n naive:{}\n fast:{}\n they part at event {same}:\n  {:?}\n  {:?}",
            lines(&naive),
            lines(&fast),
            naive.get(same),
            fast.get(same)
        )
    }

    fn compare_state(&self) -> Result<(), Difference> {
        let (naive, fast) = (&self.naive, &self.fast);
        same("pending_work", naive.pending_work(), fast.pending_work())?;
        same("next_deadline", naive.next_deadline(), fast.next_deadline())?;
        same("now", naive.now(), fast.now())?;
        same("epoch", naive.epoch(), fast.epoch())?;
        same("version", naive.version(), fast.version())?;
        same("live_orders", naive.live_orders(), fast.live_orders())?;
        same("sessions", naive.session_count(), fast.session_count())?;
        for source in [0, 1, 2, 3, 4].map(Source) {
            same(
                "last_number",
                naive.last_number(source),
                fast.last_number(source),
            )?;
        }
        same("state_hash", naive.state_hash(), fast.state_hash())
    }

    /// Of one account and one asset too many, so that unknown ones are asked for as well.
    fn compare_funds(&self) -> Result<(), Difference> {
        for asset in (0..=self.observer.assets()).map(AssetId) {
            same("asset", self.naive.asset(asset), self.fast.asset(asset))?;
            for account in (0..=self.observer.accounts()).map(AccountId) {
                same(
                    &format!("balance of account {} in asset {}", account.0, asset.0),
                    self.naive.balance(account, asset),
                    self.fast.balance(account, asset),
                )?;
            }
        }
        Ok(())
    }

    fn compare_books(&self) -> Result<(), Difference> {
        for market in self.naive.market_ids().chain([MarketId(u32::MAX)]) {
            let (naive, fast) = (&self.naive, &self.fast);
            same("best_bid", naive.best_bid(market), fast.best_bid(market))?;
            same("best_ask", naive.best_ask(market), fast.best_ask(market))?;
            for side in [Side::Buy, Side::Sell] {
                same(
                    "depth",
                    naive.depth(market, side, 3),
                    fast.depth(market, side, 3),
                )?;
            }
        }
        Ok(())
    }
}
