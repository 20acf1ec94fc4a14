//! The fast engine saved and loaded in the middle of a stream: it must not show.
//!
//! `CASES` sets how many streams.

use crate::{
    generate,
    pair::{Frame, Pair},
};
use domain::{
    Command, Effects, Event, Genesis, MarketId, Nanos, OrderId, Phase, Reason, SelfTrade, Seq,
    Stamp,
};
use engine::Engine;
use proptest::{
    prelude::*,
    sample::Index,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use std::collections::BTreeMap;

/// An engine that replays what a pair was told.
struct Replay {
    engine: Engine,
    out: Effects,
    capacities: Option<Genesis>,
}

impl Replay {
    fn new() -> Self {
        Self {
            engine: Engine::new(),
            out: Effects::new(),
            capacities: None,
        }
    }

    fn apply(&mut self, seq: usize, frame: &Frame) {
        let stamp = Stamp {
            seq: Seq(seq as u64),
            time: Nanos(frame.request.receive_time.0),
        };
        self.engine.apply(stamp, &frame.request, &mut self.out);
        if let Command::Genesis(genesis) = frame.request.command
            && matches!(frame.events[..], [Event::Outcome(outcome)] if outcome.reason == Reason::None)
        {
            self.capacities = Some(genesis);
        }
    }

    fn save(&self) -> Vec<u8> {
        let mut body = Vec::new();
        self.engine.save(&mut body);
        body
    }

    /// A new engine of this one's state.
    fn restored(&self, probe_key: u64) -> Result<Self, String> {
        let engine = Engine::load(&self.save(), self.capacities.as_ref(), probe_key);
        let engine = engine.map_err(|error| error.to_string())?;
        engine
            .check_invariants()
            .map_err(|broken| broken.to_string())?;
        Ok(Self {
            engine,
            out: Effects::new(),
            capacities: self.capacities,
        })
    }
}

fn cases() -> u32 {
    let cases = std::env::var("CASES").ok();
    cases.map_or(500, |cases| {
        cases.parse().expect("CASES is a number of streams")
    })
}

/// Replays a stream, exchanging one of two engines for a loaded one behind some of its frames.
fn run(frames: &[Frame], points: &[Index]) -> Result<(), TestCaseError> {
    let (mut original, mut copy) = (Replay::new(), Replay::new());
    let points: Vec<usize> = points
        .iter()
        .map(|point| point.index(frames.len()))
        .collect();
    for (index, frame) in frames.iter().enumerate() {
        original.apply(index + 1, frame);
        copy.apply(index + 1, frame);
        prop_assert_eq!(
            original.out.words(),
            copy.out.words(),
            "frame {}",
            index + 1
        );
        if points.contains(&index) {
            let loaded = original.restored(index as u64);
            copy =
                loaded.map_err(|why| TestCaseError::fail(format!("frame {}: {why}", index + 1)))?;
            prop_assert_eq!(copy.save(), original.save());
        }
        prop_assert_eq!(original.engine.state_hash(), copy.engine.state_hash());
    }
    let (original, copy) = (&original.engine, &copy.engine);
    for session in original.session_ids() {
        prop_assert_eq!(original.session(session), copy.session(session));
    }
    prop_assert!(original.orders().eq(copy.orders()));
    Ok(())
}

proptest! {
    #![proptest_config(Config { cases: cases(), ..Config::default() })]
    #[test]
    fn a_loaded_engine_goes_on_as_the_one_that_was_saved(
        stream in generate::streams(),
        points in prop::collection::vec(any::<Index>(), 1..6),
    ) {
        let frames = stream.run(&mut Pair::new()).map_err(TestCaseError::fail)?;
        run(&frames, &points)?;
    }
}

/// Streams that are the same in every run.
fn streams(count: usize) -> Vec<Vec<Frame>> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let run = |_| {
        let tree = generate::streams().new_tree(&mut runner);
        let stream = tree.expect("streams are never filtered").current();
        stream.run(&mut Pair::new()).expect("the twins agree")
    };
    (0..count).map(run).collect()
}

/// Behind every single frame, and what was there to be saved.
#[test]
fn every_frame_of_some_streams_may_be_the_last_before_a_snapshot() {
    let mut seen = BTreeMap::new();
    for frames in streams(100) {
        let mut replay = Replay::new();
        for (index, frame) in frames.iter().enumerate() {
            replay.apply(index + 1, frame);
            let loaded = replay.restored(7).unwrap_or_else(|why| panic!("{why}"));
            let engine = &loaded.engine;
            assert_eq!(engine.state_hash(), replay.engine.state_hash());
            let opens = is_begun_by_a_state(&frames[..=index]);
            for (what, is_so) in [
                ("no genesis", replay.capacities.is_none()),
                ("orders", engine.live_orders() > 5),
                (
                    "a pending sweep",
                    engine.pending_work().is_some_and(|id| id != OrderId::NONE),
                ),
                (
                    "a pending mass cancel",
                    engine.pending_work() == Some(OrderId::NONE) && !opens,
                ),
                (
                    "a pending auction",
                    engine.pending_work() == Some(OrderId::NONE) && opens,
                ),
                (
                    "a market that is called",
                    engine.market_ids().any(|id| is_called(engine, id)),
                ),
                (
                    "accounts of other tiers that have traded",
                    engine.account_ids().any(|id| {
                        let account = engine.account(id);
                        account.is_some_and(|account| account.tier > 0 && account.volume > 0)
                    }),
                ),
                ("a kill switch", engine.kill_switches().next().is_some()),
                (
                    "prevention of self trades",
                    engine
                        .orders()
                        .any(|order| order.self_trade != SelfTrade::Allow),
                ),
                ("cancel-only", engine.phase() == Phase::CancelOnly),
                ("a later epoch", engine.epoch() > 1),
                (
                    "reports of an earlier epoch",
                    engine.session_ids().any(|id| {
                        let session = engine.session(id);
                        session.is_some_and(|session| session.epoch_report_no > 1)
                    }),
                ),
            ] {
                *seen.entry(what).or_insert(0) += u32::from(is_so);
            }
        }
    }
    assert!(seen.values().all(|&times| times >= 10), "{seen:?}");
}

/// Whether what is pending, if something is, follows a change of a market's state.
fn is_begun_by_a_state(frames: &[Frame]) -> bool {
    let commands = frames.iter().rev().map(|frame| frame.request.command);
    let mut beginnings =
        commands.filter(|command| !matches!(command, Command::Continue(_) | Command::Recovered(_)));
    matches!(beginnings.next(), Some(Command::SetMarketState(_)))
}

fn is_called(engine: &Engine, market: MarketId) -> bool {
    let state = engine.market_state(market);
    state.is_some_and(|(state, _)| state.is_call())
}

/// A small generator of numbers: the same in every run.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }
}

/// Any frame, and half of the time one that had no room for its work, if there is one.
fn end_of(frames: &[Frame], seeded: &mut Seeded) -> usize {
    let is_continued =
        |index: &usize| matches!(frames[index + 1].request.command, Command::Continue(_));
    let unfinished: Vec<usize> = (0..frames.len() - 1).filter(is_continued).collect();
    if unfinished.is_empty() || seeded.below(2) == 0 {
        return seeded.below(frames.len());
    }
    unfinished[seeded.below(unfinished.len())]
}

/// Bodies with something changed: refused, or the body of a state that keeps the invariants and is
/// saved as exactly these bytes. Never a panic.
#[test]
fn mutants_of_bodies_are_refused_or_are_states() {
    let mut seeded = Seeded(29);
    let (mut refused, mut loaded) = (0, 0);
    for frames in streams(60) {
        let mut replay = Replay::new();
        let end = end_of(&frames, &mut seeded);
        for (index, frame) in frames[..=end].iter().enumerate() {
            replay.apply(index + 1, frame);
        }
        let body = replay.save();
        for _ in 0..300 {
            let mut mutant = body.clone();
            for _ in 0..=seeded.below(3) {
                mutate(&mut mutant, &mut seeded);
            }
            let Ok(engine) = Engine::load(&mutant, replay.capacities.as_ref(), 0) else {
                refused += 1;
                continue;
            };
            loaded += 1;
            engine.check_invariants().expect("only sound states load");
            let mut again = Vec::new();
            engine.save(&mut again);
            assert!(again == mutant, "a state has one body");
            let same = engine.state_hash() == replay.engine.state_hash();
            assert_eq!(same, mutant == body, "a hash of two bodies");
        }
    }
    assert!(
        refused > 5_000 && loaded > 500,
        "{refused} refused, {loaded} loaded"
    );
}

fn mutate(body: &mut Vec<u8>, seeded: &mut Seeded) {
    let at = seeded.below(body.len());
    let aligned = at / 8 * 8;
    match seeded.below(6) {
        0 => body[at] ^= 1 << seeded.below(8),
        1 => body[at] = body[at].wrapping_add(1),
        2 => {
            let word = [0, 1, u64::MAX, 1 << 63][seeded.below(4)];
            if let Some(place) = body.get_mut(aligned..aligned + 8) {
                place.copy_from_slice(&word.to_le_bytes());
            }
        }
        3 => {
            // A record in the place of another.
            let size = [8, 16, 24, 40, 56, 64, 104, 120][seeded.below(8)];
            let from = seeded.below(body.len()) / 8 * 8;
            if from + size <= body.len() && aligned + size <= body.len() {
                body.copy_within(from..from + size, aligned);
            }
        }
        4 => {
            // An amount moves from one balance, or anything else, to another.
            let other = seeded.below(body.len());
            if body[at] > 0 {
                body[at] -= 1;
                body[other] = body[other].wrapping_add(1);
            }
        }
        _ => body.truncate(at.max(1)),
    }
}
