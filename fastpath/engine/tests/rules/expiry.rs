//! Orders that end at a time, or when their market closes.

use crate::auction::set_state;
use crate::exchange::*;
use domain::*;

const BUY: Side = Side::Buy;
const SELL: Side = Side::Sell;

/// (client order id, reason) of each cancel.
fn ended(events: &[Event]) -> Vec<(u64, Reason)> {
    let canceled = events.iter().filter_map(|event| match event {
        Event::Canceled(canceled) => Some((canceled.client_order_id.0, canceled.reason)),
        _ => None,
    });
    canceled.collect()
}

/// Time passes, and the timer says so.
fn at(x: &mut Exchange, time: u64) -> Vec<Event> {
    x.time = time - 1;
    let mut events = x.sequencer(timer(time));
    events.extend(x.finish_sweep().0);
    events
}

fn close(x: &mut Exchange) -> Vec<Event> {
    let close = set_state(PLAIN, MarketState::Closed);
    let mut events = x.apply(Source::ADMINISTRATION, close);
    events.extend(x.finish_sweep().0);
    events
}

#[test]
fn an_order_ends_at_its_time_and_not_before() {
    let mut x = Exchange::new();
    let events = x.enter(0, until(500, limit(1, PLAIN, BUY, 90, 2)));
    let [Event::Accepted(accepted), Event::BookAdd(_)] = events[..] else {
        panic!("it must rest: {events:?}");
    };
    assert_eq!(
        (accepted.time_in_force, accepted.expires),
        (TimeInForce::GoodTillTime, Nanos(500))
    );
    assert_eq!(x.engine.next_deadline(), Some(Nanos(500)));
    assert_eq!(
        x.engine.order(accepted.order_id).unwrap().expires,
        Nanos(500)
    );
    assert_eq!(ended(&at(&mut x, 499)), []);
    let events = at(&mut x, 500);
    assert!(matches!(
        events[..],
        [
            Event::Outcome(_),
            Event::Canceled(Canceled {
                reason: Reason::Expired,
                qty: Qty(2),
                ..
            }),
            Event::BookDelete(_)
        ]
    ));
    assert_eq!(x.balance(0, QUOTE), (START, 0));
    assert_eq!(x.engine.next_deadline(), None);
}

#[test]
fn an_end_goes_with_good_till_time_and_lies_ahead() {
    let mut x = Exchange::new();
    x.time = 99;
    let order = limit(1, PLAIN, BUY, 90, 1);
    for past in [0, 1, 100] {
        x.time = 99;
        assert_eq!(
            x.rejection(0, until(past, order)),
            Reason::AlreadyExpired,
            "{past}"
        );
    }
    x.time = 99;
    x.rest(0, until(101, order));
    for other in [
        order,
        immediate(order),
        fill_or_kill(order),
        until_close(order),
    ] {
        let other = NewOrder {
            expires: Nanos(1_000),
            ..other
        };
        assert_eq!(x.rejection(0, other), Reason::InvalidCombination);
    }
    for rests in [
        until(1_000, market(2, PLAIN, BUY, 1)),
        until_close(market(2, PLAIN, BUY, 1)),
    ] {
        assert_eq!(x.rejection(0, rests), Reason::InvalidCombination);
    }
}

#[test]
fn the_earliest_ends_first_and_of_two_the_one_with_the_lower_id() {
    let mut x = Exchange::new();
    for (client, end) in [(1, 400), (2, 300), (3, 400), (4, 500), (5, 300)] {
        x.rest(0, until(end, limit(client, PLAIN, BUY, 90, 1)));
    }
    let expired = |ids: &[u64]| -> Vec<_> { ids.iter().map(|&id| (id, Reason::Expired)).collect() };
    assert_eq!(ended(&at(&mut x, 450)), expired(&[2, 5, 1, 3]));
    assert_eq!(ended(&at(&mut x, 501)), expired(&[4]));
}

#[test]
fn an_order_that_is_gone_does_not_end_again() {
    let mut x = Exchange::new();
    let canceled = x.rest(0, until(300, limit(1, PLAIN, BUY, 90, 1)));
    x.rest(0, until(310, limit(2, PLAIN, BUY, 91, 1)));
    let amended = x.rest(0, until(320, limit(3, PLAIN, BUY, 89, 1)));
    x.cancel(0, canceled);
    x.enter(1, limit(1, PLAIN, SELL, 91, 1));
    assert_eq!(x.engine.next_deadline(), Some(Nanos(320)));
    x.amend(0, amended, 88, 5);
    assert_eq!(ended(&at(&mut x, 1_000)), [(3, Reason::Expired)]);
    assert_eq!(x.engine.live_orders(), 0);
}

#[test]
fn what_trades_at_once_needs_no_end() {
    let mut x = Exchange::new();
    x.rest(1, limit(1, PLAIN, SELL, 100, 3));
    x.enter(0, until(500, limit(1, PLAIN, BUY, 100, 3)));
    assert_eq!(x.engine.next_deadline(), None);
    x.rest(1, limit(2, PLAIN, SELL, 100, 1));
    let events = x.enter(0, until(500, limit(2, PLAIN, BUY, 100, 3)));
    assert_eq!(trades(&events).len(), 1);
    assert_eq!(x.engine.next_deadline(), Some(Nanos(500)), "the rest of it");
}

#[test]
fn many_take_more_than_a_frame_and_nothing_comes_between() {
    let mut x = Exchange::new();
    let many = MAX_CANCELS as u64 + 5;
    for client in 1..=many {
        x.rest(
            0,
            until(1_000 + client % 2, limit(client, PLAIN, BUY, 90, 1)),
        );
    }
    x.time = 999;
    let first = x.sequencer(timer(1_000));
    let ended_first = ended(&first).len();
    assert!(ended_first < MAX_CANCELS, "those of 1,001 are not due");
    x.time = 1_000;
    let mut events = x.sequencer(timer(1_001));
    assert_eq!(x.engine.pending_work(), None);
    events.extend(first);
    assert_eq!(ended(&events).len() as u64, many);

    for client in 1..=many {
        x.rest(0, until(3_000, limit(client, PLAIN, BUY, 90, 1)));
    }
    x.time = 2_999;
    assert_eq!(ended(&x.sequencer(timer(3_000))).len(), MAX_CANCELS);
    assert_eq!(x.engine.pending_work(), Some(OrderId::NONE));
    let (events, frames) = x.finish_sweep();
    assert_eq!((ended(&events).len(), frames), (5, 1));
}

#[test]
fn orders_end_while_only_cancels_are_taken() {
    let mut x = Exchange::new();
    x.rest(0, until(100, limit(1, PLAIN, BUY, 90, 1)));
    x.sequencer(Command::Recovered(Recovered {
        epoch: 1,
        pad: [Zero::Zero; 4],
        grace: Nanos(1_000),
    }));
    assert_eq!(x.engine.next_deadline(), Some(Nanos(100)));
    assert_eq!(ended(&at(&mut x, 100)), [(1, Reason::Expired)]);
    assert_eq!(x.engine.phase(), Phase::CancelOnly);
    let opening = x.engine.next_deadline().expect("it opens").0;
    assert_eq!(ended(&at(&mut x, opening)), []);
    assert_eq!(x.engine.phase(), Phase::Open);
}

#[test]
fn a_close_ends_the_orders_that_last_until_then() {
    let mut x = Exchange::new();
    x.rest(0, until_close(limit(1, PLAIN, BUY, 90, 1)));
    x.rest(0, limit(2, PLAIN, BUY, 91, 1));
    x.rest(1, until_close(limit(1, PLAIN, SELL, 100, 1)));
    x.rest(1, until_close(limit(2, FEES, SELL, 100, 2)));
    for state in [MarketState::Halted, MarketState::Continuous] {
        x.apply(Source::ADMINISTRATION, set_state(PLAIN, state));
    }
    assert_eq!(x.engine.live_orders(), 4);
    let events = close(&mut x);
    assert_eq!(
        ended(&events),
        [(1, Reason::MarketClose), (1, Reason::MarketClose)]
    );
    assert_eq!(x.engine.live_orders(), 2, "one that stays, one elsewhere");
    assert_eq!(ended(&close(&mut x)), [], "it is closed");
}

#[test]
fn the_closing_auction_comes_before_the_end() {
    let mut x = Exchange::new();
    x.apply(
        Source::ADMINISTRATION,
        set_state(PLAIN, MarketState::ClosingAuction),
    );
    x.rest(0, until_close(limit(1, PLAIN, BUY, 101, 5)));
    x.rest(1, until_close(limit(1, PLAIN, SELL, 99, 3)));
    let events = close(&mut x);
    assert_eq!(trades(&events).len(), 1);
    assert_eq!(ended(&events), [(1, Reason::MarketClose)]);
    assert_eq!(x.engine.live_orders(), 0);
}
