//! Streams that are long: what only many commands lead to, such as slots and levels that were used thousands of times.
//!
//! A normal run has few of some thousand commands each; with `LONG` in the environment there are more, of 100,000
//! each. Shrinking one step at a time would take days, so a stream that fails is made smaller in pieces.

use crate::{
    generate, operator,
    pair::Pair,
    stream::{Step, Stream},
};
use domain::{CommandKind, Event};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use sim::Mutant;
use std::collections::BTreeSet;

/// A stream of so many steps, and nearly twice as many commands. What would keep all that follows from happening is
/// put right now and then.
fn stream(nth: u8, steps: usize) -> Stream {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[nth; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let tree = generate::streams().new_tree(&mut runner);
    let mut stream = tree.expect("streams are never filtered").current();
    let (step, missing) = (generate::steps(), steps.saturating_sub(stream.steps.len()));
    for nth in 0..missing {
        if nth.is_multiple_of(100) {
            stream.steps.extend(operator::fresh_start());
        }
        let tree = step.new_tree(&mut runner);
        stream
            .steps
            .push(tree.expect("steps are never filtered").current());
    }
    // Who has used the last number there is says nothing for the rest of a long stream, nor does a market that has ended.
    let ends = |step: &Step| step.ends_its_source() || step.ends_trading();
    stream.steps.retain(|step| !ends(step));
    stream
}

/// Leaves out as many steps as it can while the stream still fails, in ever smaller pieces.
fn reduced(mut stream: Stream, fails: impl Fn(&Stream) -> bool) -> Stream {
    let mut piece = stream.steps.len();
    while piece > 0 {
        let mut at = 0;
        while at < stream.steps.len() {
            let mut shorter = stream.clone();
            let end = (at + piece).min(shorter.steps.len());
            shorter.steps.drain(at..end);
            if fails(&shorter) {
                stream = shorter;
            } else {
                at = end;
            }
        }
        piece /= 2;
    }
    stream
}

#[test]
fn both_engines_say_the_same_about_long_streams() {
    let (streams, steps, commands) = if std::env::var_os("LONG").is_some() {
        (16, 55_000, 100_000)
    } else {
        (3, 2_000, 3_500)
    };
    let (mut late_trades, mut kinds) = (0, BTreeSet::new());
    for nth in 0..streams {
        let stream = stream(nth, steps);
        let frames = stream.run(&mut Pair::new()).unwrap_or_else(|difference| {
            let stream = reduced(stream, |stream| stream.run(&mut Pair::new()).is_err());
            let smaller = stream.run(&mut Pair::new());
            panic!("stream {nth}: {difference}; made smaller, {stream:?} fails: {smaller:?}")
        });
        assert!(frames.len() >= commands, "{} commands", frames.len());
        kinds.extend(
            frames
                .iter()
                .map(|frame| frame.request.command.kind() as u16),
        );
        let late = &frames[frames.len() / 2..];
        let events = late.iter().flat_map(|frame| &frame.events);
        let trades = events.filter(|event| matches!(event, Event::Trade(_)));
        late_trades += trades.count();
    }
    assert!(
        late_trades > 100 * usize::from(streams),
        "the streams run dry: {late_trades}"
    );
    let all = (0..256).filter(|kind| CommandKind::try_from(*kind).is_ok());
    let missing: Vec<u16> = all.filter(|kind| !kinds.contains(kind)).collect();
    assert_eq!(missing, [0; 0], "kinds of commands that are in none");
}

#[test]
fn a_long_stream_that_fails_is_made_small() {
    let fails = |stream: &Stream| {
        let mut pair = Pair::with_mutant(Mutant::LastInFirstOut);
        stream.run(&mut pair).is_err()
    };
    let failing = (0..).map(|nth| stream(nth, 2_000)).find(fails);
    let failing = failing.expect("some stream shows it");
    assert!(failing.steps.len() > 100);
    let small = reduced(failing, fails);
    assert!(small.steps.len() <= 4, "{small:?}");
}
