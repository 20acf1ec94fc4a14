//! The twin with one rule broken must not pass: this is what shows that the tests can fail.

use crate::{generate, pair::Pair};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use sim::Mutant;
use std::panic::catch_unwind;

/// Streams that a mutant has to hide in: those of one normal run.
const STREAMS: u32 = 1_000;

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

#[test]
fn every_broken_rule_is_seen() {
    let survivors: Vec<Mutant> = Mutant::ALL.into_iter().filter(|m| survives(*m)).collect();
    assert_eq!(survivors, [], "no stream shows these broken rules");
}
