//! Sweeps over more makers than a frame has room for.

use crate::exchange::*;
use domain::*;

const BUY: Side = Side::Buy;
const SELL: Side = Side::Sell;
const FRAME: u64 = MAX_FILLS as u64;

/// With so many sells of one lot at price 100 of session 1.
fn with_sells(count: u64) -> Exchange {
    let genesis = Genesis {
        max_orders: 200,
        ..GENESIS
    };
    let mut x = Exchange::unfunded(genesis);
    x.fund(0, QUOTE, START);
    x.fund(1, BASE, START);
    for client in 1..=count {
        x.rest(1, limit(client, PLAIN, SELL, 100, 1));
    }
    x
}

fn fill_count(events: &[Event]) -> usize {
    trades(events).len()
}

#[test]
fn a_sweep_ends_within_its_frame_if_nothing_crosses_after_the_last_fill() {
    let mut x = with_sells(FRAME);
    let events = x.enter(0, limit(1, PLAIN, BUY, 100, FRAME + 5));
    assert_eq!(fill_count(&events), MAX_FILLS);
    assert_eq!(x.engine.pending_work(), None);
    assert!(matches!(events.last(), Some(Event::BookAdd(add)) if add.qty == Qty(5)));
    let mut x = with_sells(FRAME + 1);
    let events = x.enter(0, limit(1, PLAIN, BUY, 100, FRAME));
    assert_eq!(fill_count(&events), MAX_FILLS);
    assert_eq!(x.engine.pending_work(), None);
}

#[test]
fn a_long_sweep_goes_on_in_continue_frames_and_then_rests() {
    let mut x = with_sells(2 * FRAME + 3);
    let events = x.enter(0, limit(1, PLAIN, BUY, 100, 100));
    let taker = OrderId::first(u32::try_from(2 * FRAME + 3).unwrap());
    assert_eq!(fill_count(&events), MAX_FILLS);
    assert_eq!(x.engine.pending_work(), Some(taker));
    assert_eq!(x.engine.live_orders(), MAX_FILLS + 3 + 1);
    // What it still may buy stays held.
    assert_eq!(x.balance(0, QUOTE), (START - 10_000, 100 * (100 - FRAME)));
    let before = x.seq;
    let (events, frames) = x.finish_sweep();
    assert_eq!(frames, 2);
    assert_eq!(fill_count(&events), MAX_FILLS + 3);
    let rest = Qty(100 - 2 * FRAME - 3);
    assert!(matches!(events.last(), Some(Event::BookAdd(add)) if add.qty == rest));
    assert_eq!(x.seq, before + 2);
    assert_eq!(x.engine.best_bid(PLAIN), Some(Price(100)));
}

#[test]
fn a_long_fill_or_kill_and_a_long_immediate_order_end_like_short_ones() {
    let mut x = with_sells(FRAME + 8);
    x.enter(0, fill_or_kill(limit(1, PLAIN, BUY, 100, FRAME + 4)));
    let (events, frames) = x.finish_sweep();
    assert_eq!(
        (fill_count(&events), frames, canceled(&events)),
        (4, 1, None)
    );
    let mut x = with_sells(FRAME + 8);
    x.enter(0, immediate(limit(1, PLAIN, BUY, 100, FRAME + 10)));
    let (events, _) = x.finish_sweep();
    assert_eq!(canceled(&events), Some((Reason::Unfilled, 2)));
    assert_eq!(x.balance(0, QUOTE), (START - 100 * (FRAME + 8), 0));
    assert_eq!(x.engine.live_orders(), 0);
}

#[test]
fn a_market_buy_runs_out_of_funds_in_the_next_frame() {
    let mut x = with_sells(FRAME + 8);
    let order = market(1, PLAIN, BUY, 60);
    // Enough for a whole frame and no more: the frame still ends with the sweep pending.
    let mut exact = Exchange::unfunded(Genesis {
        max_orders: 200,
        ..GENESIS
    });
    exact.fund(0, QUOTE, 100 * FRAME + 99);
    exact.fund(1, BASE, START);
    for client in 1..=FRAME + 8 {
        exact.rest(1, limit(client, PLAIN, SELL, 100, 1));
    }
    let events = exact.enter(0, order);
    assert_eq!(canceled(&events), None);
    assert!(exact.engine.pending_work().is_some());
    let (events, frames) = exact.finish_sweep();
    assert_eq!((fill_count(&events), frames), (0, 1));
    assert_eq!(
        canceled(&events),
        Some((Reason::FundsExhausted, 60 - FRAME))
    );
    x.enter(0, order);
    let (events, _) = x.finish_sweep();
    assert_eq!(canceled(&events), Some((Reason::Unfilled, 60 - FRAME - 8)));
}

#[test]
fn a_fill_that_funds_cut_short_ends_the_sweep_in_its_frame() {
    let mut x = with_sells(FRAME - 1);
    x.rest(1, limit(FRAME, PLAIN, SELL, 100, 5));
    let spare = START - 100 * (FRAME + 1);
    x.rest(0, limit(1, PLAIN, BUY, 1, spare));
    let events = x.enter(0, market(2, PLAIN, BUY, 60));
    assert_eq!(fill_count(&events), MAX_FILLS);
    let rest = 60 - FRAME - 1;
    assert_eq!(canceled(&events), Some((Reason::FundsExhausted, rest)));
    assert_eq!(x.balance(0, QUOTE), (0, spare));
    // So it does if the buyer is the seller as well, and has the money back at once.
    let mut x = Exchange::unfunded(GENESIS);
    x.fund(0, QUOTE, 250);
    x.fund(0, BASE, 5);
    x.rest(0, limit(1, PLAIN, SELL, 100, 5));
    let events = x.enter(0, market(2, PLAIN, BUY, 5));
    assert_eq!(trades(&events), [(OrderId::first(0), 100, 2)]);
    assert_eq!(canceled(&events), Some((Reason::FundsExhausted, 3)));
    assert_eq!(x.balance(0, QUOTE), (250, 0));
}

#[test]
fn a_market_sell_sweeps_with_its_base_held() {
    let mut x = with_sells(0);
    x.fund(1, QUOTE, START);
    x.fund(0, BASE, 50);
    for client in 1..=FRAME + 8 {
        x.rest(1, limit(client, PLAIN, BUY, 100, 1));
    }
    x.enter(0, market(1, PLAIN, SELL, 50));
    assert_eq!(x.balance(0, BASE), (0, 50 - FRAME));
    let (events, _) = x.finish_sweep();
    assert_eq!(canceled(&events), Some((Reason::Unfilled, 50 - FRAME - 8)));
    assert_eq!(x.balance(0, BASE), (50 - FRAME - 8, 0));
}

#[test]
fn an_amended_order_sweeps_on_under_its_id() {
    let mut x = with_sells(FRAME + 8);
    let id = x.rest(0, limit(1, PLAIN, BUY, 99, FRAME + 18));
    x.amend(0, id, 100, FRAME + 18);
    assert_eq!(x.engine.pending_work(), Some(id));
    let (events, _) = x.finish_sweep();
    assert!(
        matches!(events.last(), Some(Event::BookAdd(add)) if add.order_id == id && add.qty == Qty(10))
    );
    assert_eq!(x.engine.depth(PLAIN, BUY, 9), [(Price(100), Qty(10), 1)]);
}

#[test]
fn a_continue_leaves_no_outcome_and_the_session_its_numbers() {
    let mut x = with_sells(FRAME + 1);
    x.enter(0, limit(1, PLAIN, BUY, 100, FRAME + 1));
    let last = x.engine.last_number(Source::of_session(SessionId(0)));
    let (events, _) = x.finish_sweep();
    assert_eq!(events.len(), 3, "a trade and two fills: {events:?}");
    assert_eq!(x.engine.last_number(Source::of_session(SessionId(0))), last);
}
