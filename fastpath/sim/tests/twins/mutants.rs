//! The twin with one rule broken must not pass: this is what shows that the tests can fail.

use crate::{pair::Pair, stream};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use sim::Mutant;

/// Streams that a mutant has to hide in: those of one normal run.
const STREAMS: u32 = 300;

fn survives(mutant: Mutant) -> bool {
    let config = Config {
        cases: STREAMS,
        failure_persistence: None,
        max_shrink_iters: 0,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let outcome = TestRunner::new_with_rng(config, rng).run(&stream::streams(), |stream| {
        let run = stream.run(&mut Pair::with_mutant(mutant));
        run.map(|_| ()).map_err(TestCaseError::fail)
    });
    outcome.is_ok()
}

#[test]
fn every_broken_rule_is_seen() {
    let survivors: Vec<Mutant> = Mutant::ALL.into_iter().filter(|m| survives(*m)).collect();
    assert_eq!(survivors, [], "no stream shows these broken rules");
}
