//! Collars: how far an order may reach.

use crate::exchange::*;
use domain::*;

const BUY: Side = Side::Buy;
const SELL: Side = Side::Sell;

fn collar(reference: Reference, price: i64, width_ppm: u32, halts: bool) -> Command {
    Command::SetCollar(SetCollar {
        price: Price(price),
        market: PLAIN,
        width_ppm,
        reference,
        halts: Flag::from(halts),
        pad: [Zero::Zero; 6],
    })
}

#[test]
fn an_order_reaches_no_further_than_the_collar() {
    let mut x = Exchange::new();
    // 5 % of 101: from 95.95 to 106.05.
    assert_eq!(
        x.admin(collar(Reference::Set, 101, 50_000, false)),
        Reason::None
    );
    assert_eq!(
        x.rejection(0, limit(1, PLAIN, BUY, 107, 1)),
        Reason::PriceBeyondCollar
    );
    assert_eq!(
        x.rejection(1, limit(1, PLAIN, SELL, 95, 1)),
        Reason::PriceBeyondCollar
    );
    x.rest(0, limit(1, PLAIN, BUY, 10, 1));
    x.rest(1, limit(1, PLAIN, SELL, 190, 1));
    let id = x.rest(1, limit(2, PLAIN, SELL, 106, 1));
    assert_eq!(
        only_rejection(&x.amend(1, id, 95, 1)),
        Reason::PriceBeyondCollar
    );
    x.amend(1, id, 96, 1);
    x.rest(1, limit(3, PLAIN, SELL, 107, 1));
    let events = x.enter(0, market(2, PLAIN, BUY, 3));
    assert_eq!(
        trades(&events).len(),
        1,
        "that at 107 is out of reach: {events:?}"
    );
    assert!(matches!(events[0], Event::Accepted(e) if e.price == Price(106)));
}

#[test]
fn a_reference_that_is_not_there_bounds_nothing() {
    for reference in [Reference::LastTrade, Reference::Middle] {
        let mut x = Exchange::new();
        assert_eq!(x.admin(collar(reference, 0, 10_000, false)), Reason::None);
        x.rest(1, limit(1, PLAIN, SELL, 150, 1));
        x.enter(0, limit(1, PLAIN, BUY, 150, 1));
        let next = limit(2, PLAIN, BUY, 152, 1);
        if reference == Reference::LastTrade {
            assert_eq!(x.rejection(0, next), Reason::PriceBeyondCollar);
        } else {
            x.rest(0, next);
            x.rest(1, limit(2, PLAIN, SELL, 155, 1));
            // The middle is 153.5: from 151.965 to 155.035.
            assert_eq!(
                x.rejection(0, limit(3, PLAIN, BUY, 156, 1)),
                Reason::PriceBeyondCollar
            );
            assert_eq!(
                x.rejection(1, limit(3, PLAIN, SELL, 151, 1)),
                Reason::PriceBeyondCollar
            );
        }
    }
}

#[test]
fn a_breach_halts_the_market_if_it_is_to() {
    let mut x = Exchange::new();
    x.admin(collar(Reference::Set, 100, 50_000, true));
    let events = x.enter(0, limit(1, PLAIN, BUY, 150, 1));
    assert!(matches!(
        events[..],
        [Event::Rejected(e), Event::MarketStateChanged(s)]
            if e.reason == Reason::PriceBeyondCollar && s.state == MarketState::Halted
    ));
    assert_eq!(
        x.rejection(0, limit(1, PLAIN, BUY, 100, 1)),
        Reason::MarketHalted
    );
}

#[test]
fn only_an_order_that_would_have_been_taken_halts_the_market() {
    let mut x = Exchange::new();
    x.admin(collar(Reference::Set, 100, 50_000, true));
    x.rest(1, limit(1, PLAIN, SELL, 104, 3));
    let own = x.rest(0, limit(9, PLAIN, SELL, 105, 1));
    let beyond = limit(1, PLAIN, BUY, 150, 4);
    let aborts = NewOrder {
        self_trade: SelfTrade::Abort,
        ..beyond
    };
    let refused = [
        (limit(1, PLAIN, BUY, 150, START), Reason::InsufficientFunds),
        (post_only(beyond), Reason::WouldTrade),
        (
            fill_or_kill(limit(1, PLAIN, BUY, 150, 5)),
            Reason::CannotFill,
        ),
        (aborts, Reason::WouldSelfTrade),
    ];
    for (order, reason) in refused {
        assert_eq!(x.rejection(0, order), reason);
    }
    let events = x.enter(0, fill_or_kill(beyond));
    assert!(matches!(
        events[..],
        [Event::Rejected(e), Event::MarketStateChanged(_)] if e.reason == Reason::PriceBeyondCollar
    ));
    assert!(x.engine.order(own).is_some());
    assert_eq!(x.rejection(0, beyond), Reason::MarketHalted);
}

#[test]
fn an_amendment_is_held_to_it_last_and_not_where_it_keeps_its_place() {
    let mut x = Exchange::new();
    let id = x.rest(0, limit(1, PLAIN, BUY, 150, 5));
    x.admin(collar(Reference::Set, 100, 50_000, true));
    assert!(matches!(
        x.amend(0, id, 150, 3)[0],
        Event::Amended(e) if e.kept_priority.is_yes()
    ));
    assert_eq!(
        only_rejection(&x.amend(0, id, 150, START)),
        Reason::InsufficientFunds
    );
    let events = x.amend(0, id, 150, 4);
    assert!(matches!(
        events[..],
        [Event::Rejected(e), Event::MarketStateChanged(_)] if e.reason == Reason::PriceBeyondCollar
    ));
}

#[test]
fn what_does_not_go_together_is_no_collar() {
    let mut x = Exchange::new();
    for bad in [
        collar(Reference::None, 0, 1, false),
        collar(Reference::None, 0, 0, true),
        collar(Reference::Set, 0, 1, false),
        collar(Reference::LastTrade, 5, 1, false),
        collar(Reference::Middle, 0, 0, false),
    ] {
        assert_eq!(x.admin(bad), Reason::InvalidParameter);
    }
    assert_eq!(x.admin(collar(Reference::None, 0, 0, false)), Reason::None);
}
