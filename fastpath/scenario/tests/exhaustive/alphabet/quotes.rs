//! What a session bids and asks by one command, and what protects it from trading too much of that.

use super::{
    FILLS, Letter, RESTS, TAKES, by, cancel, empty, ladder_of, market, new, operator, order, own,
    timer,
};
use domain::{
    Amount, ClientOrderId, Command, Flag, MarketId, MarketState, OrderId, Price, Qty, Quote,
    Reference, SelfTrade, SelfTradeScope, SetProtection, Side,
};

/// One side: lots, and their price.
type Half = (u64, i64);

const NONE: Half = (0, 0);

/// Its id is that of an order of one lot, or of three.
fn of((bid_qty, bid): Half, (ask_qty, ask): Half) -> Quote {
    Quote {
        quote_id: ClientOrderId(if bid == 11 { 3 } else { 1 }),
        bid_price: Price(bid),
        bid_qty: Qty(bid_qty),
        ask_price: Price(ask),
        ask_qty: Qty(ask_qty),
        ..Quote::PULL
    }
}

fn quote(session: u32, bid: Half, ask: Half) -> Letter {
    by(session, Command::Quote(of(bid, ask)))
}

/// Of one lot each, apart.
pub(super) fn both_sides() -> Letter {
    quote(0, (1, 10), (1, 12))
}

fn slide(session: u32, bid: Half, ask: Half) -> Letter {
    let quote = Quote {
        slide: Flag::Yes,
        ..of(bid, ask)
    };
    by(session, Command::Quote(quote))
}

fn pull(session: u32) -> Letter {
    by(session, Command::Quote(Quote::PULL))
}

/// A window as long as a step of the timer.
const STEP: SetProtection = SetProtection {
    window: 50,
    ..SetProtection::OFF
};

fn after_fills(max_fills: u32) -> SetProtection {
    SetProtection { max_fills, ..STEP }
}

fn after_lots(lots: u64) -> SetProtection {
    SetProtection {
        max_qty: Qty(lots),
        ..STEP
    }
}

fn after_notional(notional: u64) -> SetProtection {
    SetProtection {
        max_notional: Amount(notional),
        ..STEP
    }
}

fn protect(session: u32, protection: SetProtection) -> Letter {
    by(session, Command::SetProtection(protection))
}

fn mistakes() -> Vec<Letter> {
    let good = of((1, 10), (1, 12));
    let wrong = [
        Quote {
            quote_id: ClientOrderId(0),
            ..good
        },
        Quote {
            market: MarketId(1),
            ..good
        },
        Quote {
            market: MarketId(1),
            ..Quote::PULL
        },
        of((1, 11), (1, 11)),
        of((1, 9), NONE),
        of(NONE, (1, 13)),
        of((1, 10), (1 << 63, 12)),
        of((1 << 62, 10), (1, 12)),
        of((3, 10), (9, 12)),
    ];
    let mut letters = wrong.map(|quote| by(0, Command::Quote(quote))).to_vec();
    let wrong = [
        SetProtection {
            max_fills: 1,
            ..SetProtection::OFF
        },
        STEP,
        SetProtection {
            market: MarketId(1),
            ..after_fills(1)
        },
    ];
    letters.extend(wrong.map(|protection| protect(0, protection)));
    letters.extend([
        operator(Command::Quote(good)),
        operator(Command::SetProtection(after_fills(1))),
    ]);
    letters
}

/// In every way that is different here.
pub(crate) fn full() -> Vec<Letter> {
    let mut letters = mistakes();
    for session in [0, 1] {
        letters.extend([
            quote(session, (1, 10), (1, 11)),
            quote(session, (3, 10), (3, 12)),
            quote(session, (1, 11), (3, 12)),
            quote(session, (3, 11), NONE),
            quote(session, NONE, (1, 10)),
            slide(session, (1, 11), (1, 12)),
            slide(session, (3, 10), (1, 11)),
            pull(session),
            protect(session, after_fills(1)),
            protect(session, after_lots(2)),
            protect(session, SetProtection::OFF),
        ]);
    }
    letters.push(protect(0, after_notional(20)));
    letters
}

/// What changes most of what follows.
pub(super) fn sound() -> Vec<Letter> {
    vec![
        quote(0, (1, 10), (1, 11)),
        quote(0, (3, 11), (1, 12)),
        slide(1, (1, 11), (3, 12)),
        pull(0),
        protect(0, after_fills(1)),
        protect(0, after_lots(2)),
    ]
}

/// Twelve around quotes that trade.
pub(crate) fn small() -> Vec<Letter> {
    use Side::{Buy, Sell};
    vec![
        quote(0, (3, 10), (1, 11)),
        quote(0, (1, 11), (1, 12)),
        quote(0, (3, 11), NONE),
        slide(0, (1, 12), NONE),
        slide(1, NONE, (3, 10)),
        pull(0),
        protect(0, after_fills(2)),
        protect(0, after_lots(1)),
        new(1, RESTS, Buy, 1, 11),
        new(1, TAKES, Sell, 1, 10),
        cancel(0, OrderId::first(0), 0),
        timer(50),
    ]
}

/// Twelve around what else happens to quotes.
pub(crate) fn among_others() -> Vec<Letter> {
    use Side::{Buy, Sell};
    vec![
        quote(0, (1, 10), (2, 11)),
        quote(0, (2, 11), (1, 12)),
        protect(0, after_notional(20)),
        protect(0, SetProtection::OFF),
        new(0, RESTS, Buy, 1, 11),
        new(1, FILLS, Sell, 2, 10),
        own::kept_apart(0, Buy, SelfTrade::CancelOldest, SelfTradeScope::Account),
        cancel(0, OrderId::NONE, 1),
        market::state(0, MarketState::PreOpen),
        market::state(0, MarketState::Continuous),
        own::kill(0, Flag::Yes),
        own::kill(0, Flag::No),
    ]
}

/// A quote that its second trade ends.
pub(crate) fn protected() -> Vec<Letter> {
    let mut letters = empty(3);
    letters.extend([protect(0, after_fills(2)), quote(0, (3, 10), (1, 11))]);
    letters
}

/// The same, with an ask beyond a collar that came later.
pub(crate) fn beyond_a_collar() -> Vec<Letter> {
    let mut letters = protected();
    letters.push(market::collar(Reference::Set, 12, 50_000, Flag::Yes));
    letters
}

/// Behind asks of a session, its quote; with a protection that is reached by a trade.
pub(crate) fn behind_a_ladder(makers: u64) -> Vec<Letter> {
    let mut letters = ladder_of(makers, order(RESTS, Side::Sell, 1, 10));
    letters.extend([
        protect(1, after_fills(1)),
        quote(1, NONE, (2, 10)),
        new(0, RESTS, Side::Sell, 3, 10),
    ]);
    letters
}
