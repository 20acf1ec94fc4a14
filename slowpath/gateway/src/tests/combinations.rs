//! What the engine refuses because its fields do not go together is told by the rule that it breaks, and nothing else is.

use super::exchange::{BEGIN, Exchange};
use super::lagging_history::buy;
use crate::combination::broken;
use domain::{
    Command, Event, MassCancel, Nanos, NewOrder, OrderType, PostOnly, Price, Qty, Reason,
    SelfTrade, SessionId, Source, TimeInForce,
};
use std::collections::BTreeSet;

const TYPES: [OrderType; 4] = [
    OrderType::Limit,
    OrderType::Market,
    OrderType::Stop,
    OrderType::StopLimit,
];
const STAYS: [TimeInForce; 5] = [
    TimeInForce::GoodTillCancel,
    TimeInForce::ImmediateOrCancel,
    TimeInForce::FillOrKill,
    TimeInForce::GoodTillTime,
    TimeInForce::GoodTillClose,
];
const POST_ONLY: [PostOnly; 3] = [PostOnly::No, PostOnly::Refuse, PostOnly::Slide];

/// An order with those of the fields that may not go together for which there is a bit.
fn with(bits: u8) -> NewOrder {
    let is_given = |bit: u8| bits & (1 << bit) != 0;
    let or_none = |bit, given: u64| if is_given(bit) { given } else { 0 };
    NewOrder {
        min_qty: Qty(or_none(0, 1)),
        display_qty: Qty(or_none(1, 1)),
        expires: Nanos(or_none(2, BEGIN.0 + (1 << 50))),
        trigger_price: Price(if is_given(3) { 100 } else { 0 }),
        self_trade: if is_given(4) {
            SelfTrade::Abort
        } else {
            SelfTrade::Allow
        },
        ..buy(1, 2)
    }
}

/// Orders of every type, with each of these fields and without.
fn orders() -> Vec<NewOrder> {
    let mut orders = Vec::new();
    for order_type in TYPES {
        for time_in_force in STAYS {
            for post_only in POST_ONLY {
                orders.extend((0..32).map(|bits| NewOrder {
                    order_type,
                    time_in_force,
                    post_only,
                    ..with(bits)
                }));
            }
        }
    }
    orders
}

/// Why the last frame refused its order, if it did.
fn refusal(exchange: &Exchange) -> Option<Reason> {
    let last = exchange.frames.len();
    let frame = exchange.frames_of(last, last).next().unwrap();
    frame.events().flatten().find_map(|event| match event {
        Event::Rejected(rejected) => Some(rejected.reason),
        _ => None,
    })
}

#[test]
fn the_rules_told_are_the_engines() {
    let mut exchange = Exchange::with_traders(1 << 40, 64);
    let source = Source::of_session(SessionId(1));
    let mut told = BTreeSet::new();
    for order in orders() {
        exchange.order(1, order);
        let is_refused = refusal(&exchange) == Some(Reason::InvalidCombination);
        let broken = broken(&order);
        assert_eq!(broken.is_some(), is_refused, "{order:?}: {broken:?}");
        told.extend(broken);
        exchange.apply(source, Command::MassCancel(MassCancel::OWN));
    }
    assert_eq!(told.len(), 13, "{told:?}");
}
