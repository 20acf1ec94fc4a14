//! What the sequencer must never do: the engine stops rather than go on.

use crate::exchange::*;
use domain::*;

fn with_pending_work() -> (Exchange, OrderId) {
    let mut x = Exchange::new();
    for client in 1..=MAX_FILLS as u64 + 1 {
        x.rest(1, limit(client, PLAIN, Side::Sell, 100, 1));
    }
    x.enter(0, limit(1, PLAIN, Side::Buy, 100, MAX_FILLS as u64 + 1));
    let order = x.engine.pending_work().expect("a maker is left");
    (x, order)
}

#[test]
#[should_panic(expected = "is not admitted")]
fn a_number_twice() {
    let mut x = Exchange::new();
    x.apply_numbered(Source::DEPOSITS, 4, deposit(0, BASE, 1));
}

#[test]
#[should_panic(expected = "is not admitted")]
fn a_source_that_does_not_exist() {
    Exchange::new().apply_numbered(Source(4), 1, asset(2));
}

#[test]
#[should_panic(expected = "pending work, and nothing else")]
fn anything_else_while_a_sweep_is_pending() {
    let (mut x, _) = with_pending_work();
    x.admin(asset(2));
}

#[test]
#[should_panic(expected = "pending work, and nothing else")]
fn the_continue_of_another_order() {
    let (mut x, order_id) = with_pending_work();
    let order_id = order_id.successor().expect("has generations left");
    x.sequencer(Command::Continue(Continue { order_id }));
}

#[test]
#[should_panic(expected = "pending work, and nothing else")]
fn a_continue_without_a_sweep() {
    let (mut x, order_id) = with_pending_work();
    x.finish_sweep();
    x.sequencer(Command::Continue(Continue { order_id }));
}

#[test]
fn a_continue_from_a_session_is_refused_and_the_sweep_stays() {
    let (mut x, order_id) = with_pending_work();
    let events = x.send(0, Command::Continue(Continue { order_id }));
    assert_eq!(only_rejection(&events), Reason::UnknownSession);
    assert_eq!(x.engine.pending_work(), Some(order_id));
}
