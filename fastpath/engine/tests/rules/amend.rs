//! Amendments.

use crate::exchange::*;
use domain::*;

const BUY: Side = Side::Buy;
const SELL: Side = Side::Sell;

fn amended(events: &[Event]) -> Amended {
    match events[0] {
        Event::Amended(amended) => amended,
        event => panic!("{event:?}"),
    }
}

#[test]
fn less_at_the_same_price_keeps_the_place() {
    let mut x = Exchange::new();
    let first = x.rest(0, limit(1, FEES, BUY, 100, 10));
    let second = x.rest(0, limit(2, FEES, BUY, 100, 10));
    let events = x.amend(0, first, 100, 6);
    assert_eq!(
        events,
        [
            Event::Amended(Amended {
                kind: EventKind::Amended,
                kept_priority: Flag::Yes,
                pad: [Zero::Zero; 2],
                session: SessionId(0),
                report_no: 3,
                order_id: first,
                client_order_id: ClientOrderId(1),
                price: Price(100),
                qty: Qty(6),
                leaves: Qty(6),
                market: FEES,
                pad2: [Zero::Zero; 4],
            }),
            Event::BookReduce(BookReduce {
                kind: EventKind::BookReduce,
                side: BUY,
                pad: [Zero::Zero; 2],
                market: FEES,
                feed_no: 5,
                order_id: first,
                leaves: Qty(6),
            }),
        ]
    );
    assert_eq!(x.balance(0, QUOTE).1, 6_012 + 10_020);
    assert_eq!(x.engine.depth(FEES, BUY, 1), [(Price(100), Qty(16), 2)]);
    let events = x.enter(1, limit(1, FEES, SELL, 100, 7));
    assert_eq!(trades(&events), [(first, 100, 6), (second, 100, 1)]);
}

#[test]
fn the_same_again_is_confirmed_and_changes_nothing() {
    let mut x = Exchange::new();
    let id = x.rest(0, limit(1, FEES, BUY, 100, 10));
    let events = x.amend(0, id, 100, 10);
    assert_eq!(events.len(), 1);
    assert_eq!(amended(&events).kept_priority, Flag::Yes);
}

#[test]
fn the_new_quantity_includes_what_was_filled() {
    let mut x = Exchange::new();
    let id = x.rest(0, limit(1, FEES, BUY, 100, 10));
    x.enter(1, limit(1, FEES, SELL, 100, 4));
    let events = x.amend(0, id, 100, 9);
    assert_eq!(
        (amended(&events).qty, amended(&events).leaves),
        (Qty(9), Qty(5))
    );
    // 4 are filled: 3 or 4 in total leave nothing to trade. The price is not looked at.
    for qty in [4, 3, 0] {
        let mut x = Exchange::new();
        let id = x.rest(0, limit(1, FEES, BUY, 100, 10));
        x.enter(1, limit(1, FEES, SELL, 100, 4));
        let events = x.amend(0, id, i64::MIN, qty);
        assert_eq!(canceled(&events), Some((Reason::AmendedToFilled, 6)));
        assert!(matches!(events[1], Event::BookDelete(_)));
        assert_eq!(events.len(), 2);
        assert_eq!(x.balance(0, QUOTE), (START - 4_004, 0));
    }
}

#[test]
fn more_at_the_same_price_goes_to_the_end_of_the_queue() {
    let mut x = Exchange::new();
    let first = x.rest(1, limit(1, PLAIN, SELL, 100, 5));
    let second = x.rest(1, limit(2, PLAIN, SELL, 100, 5));
    let events = x.amend(1, first, 100, 6);
    assert_eq!(amended(&events).kept_priority, Flag::No);
    assert!(
        matches!(events[1..], [Event::BookReplace(new)] if new.qty == Qty(6) && new.order_id == first)
    );
    assert_eq!(x.balance(1, BASE), (START - 11, 11));
    let events = x.enter(0, limit(1, PLAIN, BUY, 100, 6));
    assert_eq!(trades(&events), [(second, 100, 5), (first, 100, 1)]);
}

#[test]
fn a_new_price_that_crosses_trades_as_taker_and_the_rest_rests() {
    let mut x = Exchange::new();
    let buy = x.rest(0, limit(1, FEES, BUY, 90, 10));
    let sell = x.rest(1, limit(1, FEES, SELL, 100, 4));
    x.enter(1, limit(2, FEES, SELL, 90, 3));
    let events = x.amend(0, buy, 105, 12);
    assert_eq!(amended(&events).leaves, Qty(9));
    assert!(matches!(events[1], Event::BookDelete(_)));
    assert_eq!(trades(&events), [(sell, 100, 4)]);
    assert!(
        matches!(events[5], Event::BookAdd(add) if add.qty == Qty(5) && add.price == Price(105))
    );
    // 2,700 and 2 as maker; 4,000 and 8 as taker; 5,250 and 10 held.
    assert_eq!(x.balance(0, QUOTE), (START - 2_702 - 4_008 - 5_260, 5_260));
    let events = x.amend(0, buy, 105, 11);
    assert_eq!(amended(&events).leaves, Qty(4));
}

#[test]
fn a_worse_price_frees_funds_and_moves_the_best_price() {
    let mut x = Exchange::new();
    let id = x.rest(0, limit(1, FEES, BUY, 100, 10));
    x.amend(0, id, 60, 10);
    assert_eq!(x.balance(0, QUOTE), (START - 6_012, 6_012));
    assert_eq!(x.engine.best_bid(FEES), Some(Price(60)));
}

#[test]
fn each_check_refuses_for_its_reason() {
    let mut x = Exchange::new();
    let id = x.rest(0, post_only(limit(1, FEES, BUY, 100, 10)));
    x.rest(1, limit(1, FEES, SELL, 110, 10));
    for (order_id, price, qty, reason) in [
        (OrderId::NONE, 100, 5, Reason::UnknownOrder),
        (OrderId::first(1), 100, 5, Reason::UnknownOrder),
        (id, 49, 1, Reason::PriceOutOfRange),
        (id, 150, 5, Reason::PriceOutOfRange),
        (id, i64::MIN, 5, Reason::PriceOutOfRange),
        (id, 100, 1, Reason::QuantityBelowMinimum),
        (id, 100, u64::MAX, Reason::NotionalTooLarge),
        (id, 149, u64::MAX / 1_490, Reason::NotionalTooLarge),
        (id, 110, u64::MAX / 1_500, Reason::WouldTrade),
        (id, 100, u64::MAX / 1_500, Reason::InsufficientFunds),
    ] {
        let events = x.amend(0, order_id, price, qty);
        let [Event::Rejected(rejected)] = events[..] else {
            panic!("{events:?}");
        };
        assert_eq!(rejected.reason, reason);
        assert_eq!(rejected.command, CommandKind::AmendOrder);
        assert_eq!(
            (rejected.order_id, rejected.client_order_id),
            (order_id, ClientOrderId(0))
        );
    }
    assert_eq!(x.engine.depth(FEES, BUY, 9), [(Price(100), Qty(10), 1)]);
}

#[test]
fn available_and_the_old_hold_together_cover_the_new_hold() {
    let mut x = Exchange::unfunded(GENESIS);
    x.fund(0, QUOTE, 10_020 + 50);
    let id = x.rest(0, limit(1, FEES, BUY, 100, 10));
    assert_eq!(
        only_rejection(&x.amend(0, id, 101, 10)),
        Reason::InsufficientFunds
    );
    x.fund(0, QUOTE, 49);
    assert_eq!(
        only_rejection(&x.amend(0, id, 101, 10)),
        Reason::InsufficientFunds
    );
    x.fund(0, QUOTE, 1);
    x.amend(0, id, 101, 10);
    assert_eq!(x.balance(0, QUOTE), (0, 10_120));
    assert_eq!(x.engine.best_bid(FEES), Some(Price(101)));
}

#[test]
fn in_cancel_only_every_amendment_is_refused_for_that() {
    let mut x = Exchange::new();
    x.sequencer(Command::Recovered(Recovered {
        epoch: 1,
        pad: [Zero::Zero; 4],
        grace: Nanos(1_000),
    }));
    assert_eq!(
        only_rejection(&x.amend(0, OrderId(77), 0, 0)),
        Reason::CancelOnly
    );
}
