//! Protection of quotes: when so much has traded in a window, what is left of them goes.

use crate::auction::set_state;
use crate::exchange::*;
use crate::quote::{PULL, quote};
use domain::*;

const BUY: Side = Side::Buy;
const SELL: Side = Side::Sell;

const FILLS: SetProtection = SetProtection {
    request: 5,
    window: 1_000,
    max_fills: 2,
    market: PLAIN,
    ..SetProtection::OFF
};

fn protect(x: &mut Exchange, session: u32, protection: SetProtection) {
    let events = x.send(session, Command::SetProtection(protection));
    let [Event::ProtectionSet(set)] = events[..] else {
        panic!("{protection:?} must be set: {events:?}");
    };
    assert_eq!(
        (set.request, set.market),
        (protection.request, protection.market)
    );
    assert_eq!(set.session, SessionId(session));
}

fn take(x: &mut Exchange, side: Side, price: i64, qty: u64) -> Vec<Event> {
    x.enter(1, immediate(limit(1, PLAIN, side, price, qty)))
}

/// (lots, notional, fills) of the protection that was reached.
fn reached(events: &[Event]) -> Option<(u64, u64, u32)> {
    events.iter().find_map(|event| match event {
        Event::ProtectionReached(e) => Some((e.qty.0, e.notional.0, e.fills)),
        _ => None,
    })
}

#[test]
fn each_limit_alone_reaches_it() {
    let cases = [
        (
            SetProtection {
                max_fills: 0,
                max_qty: Qty(6),
                ..FILLS
            },
            (6, 612, 2),
        ),
        (
            SetProtection {
                max_fills: 0,
                max_qty: Qty(5),
                ..FILLS
            },
            (6, 612, 2),
        ),
        (
            SetProtection {
                max_fills: 0,
                max_notional: Amount(612),
                ..FILLS
            },
            (6, 612, 2),
        ),
        (
            SetProtection {
                max_fills: 0,
                max_notional: Amount(400),
                ..FILLS
            },
            (6, 612, 2),
        ),
        (FILLS, (6, 612, 2)),
        (
            SetProtection {
                max_qty: Qty(99),
                max_notional: Amount(9_999),
                ..FILLS
            },
            (6, 612, 2),
        ),
    ];
    for (protection, counted) in cases {
        let mut x = Exchange::new();
        protect(&mut x, 0, protection);
        x.quoting(0, quote(1, (98, 10), (102, 10)));
        assert_eq!(reached(&take(&mut x, BUY, 102, 3)), None, "{protection:?}");
        assert_eq!(
            reached(&take(&mut x, BUY, 102, 3)),
            Some(counted),
            "{protection:?}"
        );
    }
}

#[test]
fn what_is_left_goes_directly_behind_the_trade_and_the_sweep_goes_on() {
    let mut x = Exchange::new();
    protect(
        &mut x,
        0,
        SetProtection {
            max_fills: 1,
            ..FILLS
        },
    );
    x.quoting(0, quote(7, (98, 4), (102, 3)));
    x.rest(2, limit(1, PLAIN, SELL, 103, 3));
    let [bid, ask] = x.engine.quote_of(SessionId(0), PLAIN).map(Option::unwrap);
    let events = take(&mut x, BUY, 103, 5);
    assert_eq!(
        trades(&events),
        [
            (ask, 102, 3),
            (x.engine.book(PLAIN, SELL).next().unwrap().order_id, 103, 2)
        ]
    );
    let [
        Event::Accepted(_),
        Event::Trade(_),
        Event::Fill(_),
        Event::Fill(_),
        Event::ProtectionReached(reached),
        Event::Canceled(canceled),
        Event::BookDelete(deleted),
        Event::Trade(_),
        Event::Fill(_),
        Event::Fill(_),
    ] = events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((reached.session, reached.market), (SessionId(0), PLAIN));
    assert_eq!(
        (canceled.order_id, canceled.reason),
        (bid, Reason::Protection)
    );
    assert_eq!((canceled.session, canceled.qty), (SessionId(0), Qty(4)));
    assert_eq!(
        (canceled.client_order_id, deleted.order_id),
        (ClientOrderId(7), bid)
    );
    assert_eq!(x.balance(0, QUOTE).1, 0);
}

#[test]
fn both_sides_go_the_bid_first_and_none_comes_until_it_is_set_anew() {
    let mut x = Exchange::new();
    protect(&mut x, 0, FILLS);
    x.quoting(0, quote(7, (98, 4), (102, 5)));
    take(&mut x, SELL, 98, 1);
    let events = take(&mut x, BUY, 102, 1);
    let cancels = events.iter().filter_map(|event| match event {
        Event::Canceled(e) => Some((e.qty.0, e.reason)),
        _ => None,
    });
    let why = Reason::Protection;
    assert_eq!(Vec::from_iter(cancels), [(3, why), (4, why)]);
    let view = x.engine.protection(SessionId(0), PLAIN).unwrap();
    assert!(view.reached);
    assert_eq!(
        (view.qty, view.notional, view.fills),
        (Qty(2), Amount(200), 2)
    );
    let again = quote(8, (98, 4), (102, 5));
    let refused = |x: &mut Exchange| only_rejection(&x.quote(0, again));
    assert_eq!(refused(&mut x), Reason::Protected);
    let events = x.quote(0, PULL);
    assert_eq!(
        only_rejection(&events),
        Reason::UnknownOrder,
        "a pull is looked at"
    );
    // Orders, other markets and other sessions are taken.
    x.rest(0, limit(1, PLAIN, BUY, 90, 1));
    assert_eq!(
        x.quote(
            0,
            Quote {
                market: FEES,
                ..again
            }
        )
        .len(),
        4
    );
    assert_eq!(x.quote(2, quote(8, (97, 4), (103, 5))).len(), 4);
    x.time += 5_000;
    assert_eq!(
        refused(&mut x),
        Reason::Protected,
        "time alone changes nothing"
    );
    protect(&mut x, 0, FILLS);
    let view = x.engine.protection(SessionId(0), PLAIN).unwrap();
    assert!(!view.reached);
    assert_eq!((view.begun, view.qty, view.fills), (Nanos(0), Qty(0), 0));
    assert_eq!(x.quote(0, again).len(), 4);
    // Off is lifted, too.
    take(&mut x, BUY, 102, 1);
    take(&mut x, BUY, 102, 1);
    assert_eq!(refused(&mut x), Reason::Protected);
    protect(
        &mut x,
        0,
        SetProtection {
            market: PLAIN,
            ..SetProtection::OFF
        },
    );
    assert_eq!(x.engine.protection(SessionId(0), PLAIN), None);
    assert_eq!(x.quote(0, again).len(), 4);
}

#[test]
fn a_window_begins_with_a_trade_and_ends_before_its_last_nanosecond_is_over() {
    let mut x = Exchange::new();
    protect(&mut x, 0, FILLS);
    x.quoting(0, quote(1, (98, 10), (102, 10)));
    take(&mut x, BUY, 102, 1);
    let begun = x.time;
    assert_eq!(
        x.engine.protection(SessionId(0), PLAIN).unwrap().begun,
        Nanos(begun)
    );
    // The command gets the next nanosecond.
    x.time = begun + 1_000 - 1;
    assert_eq!(reached(&take(&mut x, BUY, 102, 1)), None);
    let view = x.engine.protection(SessionId(0), PLAIN).unwrap();
    assert_eq!((view.begun, view.fills), (Nanos(begun + 1_000), 1));
    x.time = begun + 2_000 - 2;
    assert_eq!(reached(&take(&mut x, BUY, 102, 1)), Some((2, 204, 2)));
}

#[test]
fn a_window_that_has_no_end_does_not_end() {
    let mut x = Exchange::new();
    protect(
        &mut x,
        0,
        SetProtection {
            window: u64::MAX,
            ..FILLS
        },
    );
    x.quoting(0, quote(1, (98, 10), (102, 10)));
    take(&mut x, BUY, 102, 1);
    x.time = u64::MAX / 2;
    assert_eq!(reached(&take(&mut x, BUY, 102, 1)), Some((2, 204, 2)));
}

#[test]
fn a_session_counts_for_itself_and_only_quotes_that_rested_in_this_market() {
    let mut x = Exchange::new();
    protect(&mut x, 0, FILLS);
    protect(
        &mut x,
        0,
        SetProtection {
            market: FEES,
            ..FILLS
        },
    );
    x.quoting(0, quote(1, (98, 10), (102, 10)));
    x.quoting(2, quote(1, (98, 10), (102, 10)));
    // An order that is no quote; a trade in which it is the taker; quotes elsewhere and of others.
    x.rest(0, limit(1, PLAIN, SELL, 101, 1));
    assert_eq!(trades(&take(&mut x, BUY, 101, 1)).len(), 1);
    x.rest(1, limit(1, PLAIN, SELL, 101, 1));
    assert_eq!(
        trades(&x.enter(0, immediate(limit(2, PLAIN, BUY, 101, 1)))).len(),
        1
    );
    x.quoting(
        0,
        Quote {
            market: FEES,
            ..quote(2, (98, 9), (102, 9))
        },
    );
    x.enter(1, immediate(limit(1, FEES, BUY, 102, 2)));
    let fills = |x: &Exchange, market| x.engine.protection(SessionId(0), market).unwrap().fills;
    assert_eq!((fills(&x, PLAIN), fills(&x, FEES)), (0, 1));
    // Both are hit by one order, and one of them is protected.
    assert_eq!(trades(&take(&mut x, BUY, 102, 15)).len(), 2);
    assert_eq!(fills(&x, PLAIN), 1);
    assert_eq!(x.engine.protection(SessionId(2), PLAIN), None);
    // Its own order, too, if it trades with it.
    let own = x.enter(0, immediate(limit(3, PLAIN, SELL, 98, 1)));
    assert_eq!(reached(&own), Some((11, 1_118, 2)));
}

#[test]
fn an_auction_is_not_counted() {
    let mut x = Exchange::new();
    protect(
        &mut x,
        0,
        SetProtection {
            max_fills: 1,
            ..FILLS
        },
    );
    x.apply(
        Source::ADMINISTRATION,
        set_state(PLAIN, MarketState::PreOpen),
    );
    x.quoting(0, quote(1, (98, 10), (102, 10)));
    x.rest(1, limit(1, PLAIN, BUY, 102, 3));
    let open = set_state(PLAIN, MarketState::Continuous);
    let events = x.apply(Source::ADMINISTRATION, open);
    assert_eq!((trades(&events).len(), reached(&events)), (1, None));
    assert_eq!(x.engine.protection(SessionId(0), PLAIN).unwrap().fills, 0);
    assert_eq!(reached(&take(&mut x, BUY, 102, 1)), Some((1, 102, 1)));
}

#[test]
fn a_prevented_trade_is_not_counted() {
    let mut x = Exchange::new();
    protect(
        &mut x,
        0,
        SetProtection {
            max_fills: 1,
            ..FILLS
        },
    );
    x.quoting(0, quote(1, (98, 10), (102, 10)));
    let order = NewOrder {
        self_trade: SelfTrade::DecrementAndCancel,
        ..immediate(limit(1, PLAIN, BUY, 102, 3))
    };
    x.enter(0, order);
    assert_eq!(x.engine.protection(SessionId(0), PLAIN).unwrap().fills, 0);
    let order = NewOrder {
        self_trade: SelfTrade::CancelOldest,
        ..immediate(limit(1, PLAIN, BUY, 102, 3))
    };
    let events = x.enter(0, order);
    assert!(events.iter().any(
        |event| matches!(event, Event::Canceled(e) if e.reason == Reason::SelfTrade && e.qty == Qty(7))
    ));
}

/// The worst frame that there is: the last of its makers reaches a protection.
#[test]
fn a_trade_that_reaches_a_protection_counts_as_three() {
    let fills = u64::try_from(MAX_FILLS).unwrap();
    for first in [false, true] {
        let mut x = Exchange::new();
        protect(
            &mut x,
            0,
            SetProtection {
                max_fills: 1,
                ..FILLS
            },
        );
        let (quoted, others) = if first { (100, 101) } else { (101, 100) };
        for client in 1..=fills - 1 {
            x.rest(2, limit(client, PLAIN, SELL, others, 1));
        }
        x.quoting(0, quote(1, (90, 5), (quoted, 5)));
        let order = limit(1, PLAIN, BUY, 101, 2 * fills);
        let number = x.engine.last_number(Source::of_session(SessionId(1))) + 2;
        let source = Source::of_session(SessionId(1));
        let events = x.apply_numbered(source, number, Command::NewOrder(order));
        assert!(events.len() <= MAX_EVENTS, "{}", events.len());
        let traded = if first { MAX_FILLS - 2 } else { MAX_FILLS };
        assert_eq!(trades(&events).len(), traded);
        assert_eq!(x.engine.pending_work().is_some(), first);
        x.finish_sweep();
    }
}

#[test]
fn parameters_that_do_not_go_together_are_refused() {
    let mut x = Exchange::new();
    let refused = |x: &mut Exchange, protection| {
        let events = x.send(0, Command::SetProtection(protection));
        let [Event::Rejected(rejected)] = events[..] else {
            panic!("{protection:?} must be refused: {events:?}");
        };
        assert_eq!(rejected.command, CommandKind::SetProtection);
        assert_eq!(rejected.client_order_id, ClientOrderId(protection.request));
        rejected.reason
    };
    let invalid = Reason::InvalidProtection;
    assert_eq!(
        refused(&mut x, SetProtection { window: 0, ..FILLS }),
        invalid
    );
    assert_eq!(
        refused(
            &mut x,
            SetProtection {
                max_fills: 0,
                ..FILLS
            }
        ),
        invalid
    );
    let nowhere = SetProtection {
        market: MarketId(2),
        window: 0,
        ..FILLS
    };
    assert_eq!(refused(&mut x, nowhere), Reason::UnknownMarket);
    let expired = Command::Delegate(Delegate {
        session: SessionId(0),
        pad: [Zero::Zero; 4],
        delegation: Delegation {
            expires: Nanos(1),
            ..Delegation::unlimited([0; 32])
        },
    });
    assert_eq!(x.admin(expired), Reason::None);
    assert_eq!(refused(&mut x, nowhere), Reason::DelegationExpired);
    // What stops its quotes stops a protection with limits, but not its end.
    x.admin(kill_switch(Scope::Session, 1, Flag::Yes));
    let killed = x.send(1, Command::SetProtection(FILLS));
    assert!(
        matches!(killed[..], [Event::Rejected(event)] if event.reason == Reason::Killed),
        "{killed:?}"
    );
    protect(&mut x, 1, SetProtection::OFF);
    x.admin(kill_switch(Scope::Session, 1, Flag::No));
    // Neither phase nor the market's state is looked at.
    x.apply(
        Source::ADMINISTRATION,
        set_state(PLAIN, MarketState::Closed),
    );
    protect(&mut x, 1, FILLS);
    protect(
        &mut x,
        1,
        SetProtection {
            market: PLAIN,
            ..SetProtection::OFF
        },
    );
    protect(
        &mut x,
        1,
        SetProtection {
            market: PLAIN,
            ..SetProtection::OFF
        },
    );
}
