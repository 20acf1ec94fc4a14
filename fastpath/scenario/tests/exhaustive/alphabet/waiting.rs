//! Orders that wait for something: for their end, for a trade at their trigger, or hidden lots for those that are shown.

use super::{
    ANY_PRICE, FILLS, FRAME, Kind, Letter, RESTS, amend, cancel, deposit, empty, ladder, market,
    new, order, own::with, timer,
};
use domain::{
    ClientOrderId, MarketState, Nanos, NewOrder, OrderId, OrderType, PostOnly, Price, Qty,
    SelfTrade, Side, TimeInForce,
};

/// When orders end: one step of the timer behind the start.
const END: Nanos = Nanos(1_050);

const UNTIL: Kind = (OrderType::Limit, TimeInForce::GoodTillTime, PostOnly::No);
const UNTIL_CLOSE: Kind = (OrderType::Limit, TimeInForce::GoodTillClose, PostOnly::No);
const STOP: Kind = (OrderType::Stop, TimeInForce::GoodTillCancel, PostOnly::No);
const STOP_LIMIT: Kind = (
    OrderType::StopLimit,
    TimeInForce::GoodTillCancel,
    PostOnly::No,
);

/// Ends at [`END`].
pub(super) fn until(order: NewOrder) -> NewOrder {
    until_time(END, order)
}

fn until_time(expires: Nanos, order: NewOrder) -> NewOrder {
    NewOrder {
        expires,
        time_in_force: TimeInForce::GoodTillTime,
        ..order
    }
}

fn until_close(order: NewOrder) -> NewOrder {
    NewOrder {
        time_in_force: TimeInForce::GoodTillClose,
        ..order
    }
}

/// Three lots, of which the book shows so many.
fn iceberg(side: Side, price: i64, show: u64) -> NewOrder {
    NewOrder {
        display_qty: Qty(show),
        ..order(RESTS, side, 3, price)
    }
}

/// Without a limit the price is the worst, or 0.
fn stop(kind: Kind, side: Side, trigger: i64, qty: u64, price: i64) -> NewOrder {
    NewOrder {
        trigger_price: Price(trigger),
        ..order(kind, side, qty, price)
    }
}

fn ends() -> Vec<Letter> {
    let mut letters = Vec::new();
    for session in [0, 1] {
        for (side, price) in [(Side::Buy, 10), (Side::Sell, 11)] {
            for qty in [1, 3] {
                letters.push(with(session, until(order(UNTIL, side, qty, price))));
            }
            letters.push(new(session, UNTIL_CLOSE, side, 3, price));
        }
    }
    let good = order(UNTIL, Side::Buy, 1, 10);
    letters.extend([
        with(0, good),
        with(
            0,
            NewOrder {
                expires: Nanos(1_000),
                ..good
            },
        ),
        with(0, until_close(until(good))),
    ]);
    letters
}

fn icebergs() -> Vec<Letter> {
    let mut letters = Vec::new();
    for session in [0, 1] {
        for side in [Side::Buy, Side::Sell] {
            for (price, show) in [(10, 1), (11, 1), (11, 2)] {
                letters.push(with(session, iceberg(side, price, show)));
            }
        }
    }
    letters.push(with(0, iceberg(Side::Buy, 10, 4)));
    letters
}

fn stops() -> Vec<Letter> {
    let mut letters = Vec::new();
    for (side, triggers) in [(Side::Buy, [11, 12]), (Side::Sell, [10, 11])] {
        for trigger in triggers {
            letters.push(with(0, stop(STOP, side, trigger, 1, 0)));
            letters.push(with(1, stop(STOP_LIMIT, side, trigger, 3, 11)));
        }
        let apart = NewOrder {
            self_trade: SelfTrade::DecrementAndCancel,
            ..stop(STOP_LIMIT, side, 11, 2, 11)
        };
        letters.extend([
            with(0, apart),
            with(0, until(stop(STOP, side, 11, 3, 11))),
            with(1, until_close(stop(STOP, side, 11, 1, 0))),
        ]);
    }
    letters.extend([
        with(0, stop(STOP, Side::Buy, 13, 1, 0)),
        with(0, stop(RESTS, Side::Buy, 11, 1, 10)),
        with(
            0,
            NewOrder {
                display_qty: Qty(1),
                ..stop(STOP, Side::Buy, 11, 3, 0)
            },
        ),
    ]);
    letters
}

/// In every way that is different here.
pub(super) fn full() -> Vec<Letter> {
    [ends(), icebergs(), stops()].concat()
}

/// Of each what changes most of what follows.
pub(super) fn sound() -> Vec<Letter> {
    vec![
        with(0, until(order(UNTIL, Side::Buy, 3, 10))),
        new(1, UNTIL_CLOSE, Side::Sell, 3, 11),
        with(0, iceberg(Side::Buy, 10, 1)),
        with(1, iceberg(Side::Sell, 11, 2)),
        with(0, stop(STOP, Side::Buy, 11, 1, 0)),
        with(1, stop(STOP_LIMIT, Side::Sell, 10, 3, 10)),
    ]
}

/// Twelve that wait, and what they wait for.
pub(crate) fn small() -> Vec<Letter> {
    use Side::{Buy, Sell};
    vec![
        with(0, iceberg(Buy, 10, 2)),
        with(1, iceberg(Sell, 11, 1)),
        with(0, stop(STOP, Buy, 10, 1, 0)),
        with(1, stop(STOP, Sell, 10, 1, 0)),
        with(1, until_close(stop(STOP_LIMIT, Buy, 11, 2, 11))),
        with(0, until(order(UNTIL, Sell, 2, 10))),
        new(0, RESTS, Buy, 3, 12),
        new(1, FILLS, Sell, 3, 10),
        amend(0, OrderId::NONE, 3, 2, 10),
        timer(50),
        market::state(0, MarketState::Closed),
        market::state(0, MarketState::Continuous),
    ]
}

/// Twenty lots, one at a time.
fn long_iceberg(client: u64) -> Letter {
    let iceberg = NewOrder {
        client_order_id: ClientOrderId(client),
        qty: Qty(20),
        ..iceberg(Side::Sell, 10, 1)
    };
    with(1, iceberg)
}

/// Instead of a ladder an iceberg that takes more than a frame.
pub(crate) fn iceberg_alone() -> Vec<Letter> {
    [ladder(0), vec![long_iceberg(101)]].concat()
}

/// Behind a ladder: another iceberg, and a stop that takes more than a frame.
pub(super) fn of_a_ladder() -> Vec<Letter> {
    vec![
        long_iceberg(20),
        with(0, stop(STOP, Side::Buy, 10, FRAME + 1, 0)),
    ]
}

/// Two stops that whoever takes the ask triggers. That which is farther away was entered first; the other has a worst
/// price. Both set aside what many letters have not.
pub(crate) fn farther_first() -> Vec<Letter> {
    let mut letters = empty(6);
    letters.extend([
        deposit(0, 1, 1_000),
        with(0, stop(STOP, Side::Buy, 12, 1, 0)),
        with(0, stop(STOP, Side::Buy, 11, 2, 12)),
        new(1, RESTS, Side::Sell, 1, 12),
    ]);
    letters
}

/// Arrives with the lowest limit.
pub(super) fn sells_below(trigger: i64) -> Letter {
    with(1, stop(STOP_LIMIT, Side::Sell, trigger, 1, 10))
}

/// Behind a ladder of orders that end at a time: what ends them, and others.
pub(crate) fn of_ends() -> Vec<Letter> {
    vec![
        timer(49),
        timer(50),
        timer(1),
        with(1, until_time(Nanos(1_049), order(UNTIL, Side::Sell, 1, 12))),
        new(0, RESTS, Side::Buy, 3, 10),
        new(0, ANY_PRICE, Side::Buy, FRAME + 1, 0),
        amend(1, OrderId::NONE, 101, 2, 11),
        cancel(1, OrderId::NONE, 102),
        market::state(0, MarketState::Closed),
        market::state(0, MarketState::Halted),
    ]
}
