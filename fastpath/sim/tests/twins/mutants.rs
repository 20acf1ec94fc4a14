//! The twin with one rule broken must not pass: this is what shows that the tests can fail.

use crate::{generate, pair::Pair};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use sim::Mutant;
use std::{
    panic::catch_unwind,
    sync::Mutex,
    thread::{available_parallelism, scope},
};

/// Streams that a mutant has to hide in. The rarest show in one of a thousand: with three thousand, each change of how
/// streams come up would let another of them pass by chance, and no more run than it takes to see one.
const STREAMS: u32 = 20_000;

fn survives(mutant: Mutant) -> bool {
    let config = Config {
        cases: STREAMS,
        failure_persistence: None,
        max_shrink_iters: 0,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let outcome = TestRunner::new_with_rng(config, rng).run(&generate::streams(), |stream| {
        let run = catch_unwind(|| stream.run(&mut Pair::with_mutant(mutant)));
        // A mutant that trips over itself shows nothing of the tests.
        run.unwrap_or(Ok(Vec::new()))
            .map(|_| ())
            .map_err(TestCaseError::fail)
    });
    outcome.is_ok()
}

/// All, or those that `MUTANTS` names, with spaces between.
fn wanted() -> Vec<Mutant> {
    let named = std::env::var("MUTANTS").unwrap_or_default();
    let is_named = |mutant: &Mutant| {
        let name = format!("{mutant:?}");
        named.is_empty() || named.split(' ').any(|wanted| wanted == name)
    };
    Mutant::ALL.into_iter().filter(is_named).collect()
}

#[test]
fn every_broken_rule_is_seen() {
    let left = Mutex::new(wanted().into_iter());
    let next = || left.lock().expect("nobody panics with it").next();
    let work = || {
        let mutants = std::iter::from_fn(next);
        mutants
            .filter(|mutant| survives(*mutant))
            .collect::<Vec<_>>()
    };
    let threads = available_parallelism().map_or(1, usize::from);
    let survivors: Vec<Mutant> = scope(|scope| {
        let working: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let done = working.into_iter().map(|thread| thread.join());
        done.flat_map(|survivors| survivors.expect("panics of mutants are caught"))
            .collect()
    });
    assert_eq!(survivors, [], "no stream shows these broken rules");
}
