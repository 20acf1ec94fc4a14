//! What an order asks of its own arrival, and what is done with many orders at once.

use super::{
    ANY_PRICE, FILLS, FIRM, FRAME, Letter, RESTS, TAKES, amend, by, cancel, new, operator, order,
};
use domain::{
    AmendOrder, CancelOrder, ClientOrderId, Command, Flag, KillSwitch, MarketId, MassCancel,
    NewOrder, OrderId, PostOnly, Price, Qty, Scope, SelfTrade, SelfTradeScope, Side, Sides, Zero,
};

const MODES: [SelfTrade; 5] = [
    SelfTrade::CancelNewest,
    SelfTrade::CancelOldest,
    SelfTrade::CancelBoth,
    SelfTrade::DecrementAndCancel,
    SelfTrade::Abort,
];

/// A price at which the side meets what rests.
fn meeting(side: Side) -> i64 {
    match side {
        Side::Buy => 11,
        Side::Sell => 10,
    }
}

/// Sent by a session, an order with something that plain ones do not have.
pub(super) fn with(session: u32, order: NewOrder) -> Letter {
    by(session, Command::NewOrder(order))
}

/// An order of two lots that does not trade with its own: those of its account, or of the firm, which both have.
pub(super) fn kept_apart(
    session: u32,
    side: Side,
    self_trade: SelfTrade,
    self_trade_scope: SelfTradeScope,
) -> Letter {
    let order = NewOrder {
        self_trade,
        self_trade_scope,
        ..order(RESTS, side, 2, meeting(side))
    };
    with(session, order)
}

/// Takers of three lots that demand something of what stands there.
fn demanding() -> Vec<Letter> {
    let mut letters = Vec::new();
    for side in [Side::Buy, Side::Sell] {
        for kind in [RESTS, TAKES, ANY_PRICE] {
            let price = if kind == ANY_PRICE { 0 } else { meeting(side) };
            let order = NewOrder {
                min_qty: Qty(2),
                ..order(kind, side, 3, price)
            };
            letters.push(with(0, order));
        }
        for self_trade in [SelfTrade::CancelOldest, SelfTrade::DecrementAndCancel] {
            let order = NewOrder {
                self_trade,
                self_trade_scope: SelfTradeScope::Firm,
                ..order(FILLS, side, 3, meeting(side))
            };
            letters.push(with(1, order));
        }
        letters.extend([10, 11].map(|worst| new(0, ANY_PRICE, side, 3, worst)));
    }
    letters
}

fn slide(session: u32, side: Side, qty: u64) -> Letter {
    let order = NewOrder {
        post_only: PostOnly::Slide,
        ..order(RESTS, side, qty, meeting(side))
    };
    with(session, order)
}

/// A part of an order is cancelled.
fn cancel_part(session: u32, client: u64, qty: u64) -> Letter {
    let cancel = CancelOrder {
        order_id: OrderId::NONE,
        client_order_id: ClientOrderId(client),
        qty: Qty(qty),
    };
    by(session, Command::CancelOrder(cancel))
}

/// An amendment that gives the order another name.
fn replace(session: u32, (client, new): (u64, u64), qty: u64, price: i64) -> Letter {
    let amend = AmendOrder {
        order_id: OrderId::NONE,
        client_order_id: ClientOrderId(client),
        price: Price(price),
        qty: Qty(qty),
        new_client_order_id: ClientOrderId(new),
    };
    by(session, Command::AmendOrder(amend))
}

fn many(scope: Scope, target: u32) -> MassCancel {
    MassCancel {
        request: 9,
        scope,
        target,
        ..MassCancel::OWN
    }
}

fn switch(scope: Scope, target: u32, on: Flag) -> Command {
    Command::KillSwitch(KillSwitch {
        request: 9,
        target,
        scope,
        on,
        pad: [Zero::Zero; 2],
    })
}

fn mass_cancels() -> Vec<Letter> {
    let own = many(Scope::Session, 0);
    let buys = MassCancel {
        sides: Sides::Buys,
        ..own
    };
    let range = MassCancel {
        lowest: Price(10),
        highest: Price(10),
        ..own
    };
    let account = many(Scope::Account, 1);
    let firm = many(Scope::Firm, FIRM);
    let everyone = many(Scope::Everyone, 0);
    let sells = MassCancel {
        sides: Sides::Sells,
        lowest: Price(11),
        market: MarketId(0),
        ..everyone
    };
    let elsewhere = MassCancel {
        market: MarketId(1),
        ..own
    };
    let by_session = [own, buys, range, account, firm, elsewhere];
    let by_operator = [
        account,
        firm,
        everyone,
        sells,
        elsewhere,
        many(Scope::Session, 2),
        many(Scope::Firm, 0),
    ];
    let mut letters = by_session.map(|m| by(0, Command::MassCancel(m))).to_vec();
    letters.push(by(1, Command::MassCancel(own)));
    letters.extend(by_operator.map(|m| operator(Command::MassCancel(m))));
    letters
}

fn kill_switches() -> Vec<Letter> {
    let by_session = [
        (Scope::Session, Flag::Yes),
        (Scope::Account, Flag::Yes),
        (Scope::Session, Flag::No),
        (Scope::Everyone, Flag::Yes),
    ];
    let by_operator = [
        (Scope::Session, 0),
        (Scope::Account, 1),
        (Scope::Firm, FIRM),
        (Scope::Everyone, 0),
        (Scope::Account, 2),
        (Scope::Everyone, 1),
    ];
    let by_session = by_session.map(|(scope, on)| by(0, switch(scope, 0, on)));
    let mut letters = by_session.to_vec();
    for (scope, target) in by_operator {
        letters.extend([Flag::Yes, Flag::No].map(|on| operator(switch(scope, target, on))));
    }
    letters
}

/// The operator turns off, or on again, what a session says.
pub(super) fn kill(session: u32, on: Flag) -> Letter {
    operator(switch(Scope::Session, session, on))
}

/// In every way that is different here.
pub(super) fn full() -> Vec<Letter> {
    let mut letters = demanding();
    for side in [Side::Buy, Side::Sell] {
        for self_trade in MODES {
            for scope in [SelfTradeScope::Account, SelfTradeScope::Firm] {
                letters.push(kept_apart(0, side, self_trade, scope));
            }
        }
        letters.extend([1, 3].map(|qty| slide(0, side, qty)));
        let aborting = NewOrder {
            self_trade: SelfTrade::Abort,
            ..order(ANY_PRICE, side, 3, 0)
        };
        letters.extend([0, 1].map(|session| with(session, aborting)));
    }
    letters
        .extend([(0, 1), (0, 3), (1, 2)].map(|(session, client)| cancel_part(session, client, 1)));
    letters.extend([
        replace(0, (3, 1), 3, 10),
        replace(0, (3, 2), 2, 11),
        replace(0, (1, 1), 2, 10),
        replace(0, (3, 7), 0, 10),
        replace(1, (3, 1), 3, 10),
        amend(0, OrderId::NONE, 2, 4, 11),
        amend(0, OrderId::NONE, 2, 4, 10),
    ]);
    [letters, mass_cancels(), kill_switches()].concat()
}

/// Of each what changes most of what follows.
pub(super) fn sound() -> Vec<Letter> {
    let mut letters: Vec<Letter> = MODES
        .into_iter()
        .flat_map(|mode| {
            [
                kept_apart(0, Side::Buy, mode, SelfTradeScope::Account),
                kept_apart(1, Side::Sell, mode, SelfTradeScope::Firm),
            ]
        })
        .collect();
    let at_least_two = |kind, side| {
        let order = NewOrder {
            min_qty: Qty(2),
            ..order(kind, side, 3, meeting(side))
        };
        with(0, order)
    };
    letters.extend([
        at_least_two(RESTS, Side::Buy),
        at_least_two(TAKES, Side::Sell),
        new(0, ANY_PRICE, Side::Buy, 3, 10),
        slide(0, Side::Buy, 3),
        slide(1, Side::Sell, 1),
        cancel_part(0, 3, 1),
        replace(0, (3, 1), 3, 10),
        replace(1, (3, 2), 2, 11),
        amend(0, OrderId::NONE, 2, 4, 10),
        by(0, Command::MassCancel(many(Scope::Session, 0))),
        operator(Command::MassCancel(many(Scope::Firm, FIRM))),
        by(0, switch(Scope::Session, 0, Flag::Yes)),
        operator(switch(Scope::Session, 0, Flag::No)),
        operator(switch(Scope::Firm, FIRM, Flag::Yes)),
    ]);
    letters
}

/// Twelve that meet their own, and go together.
pub(crate) fn small() -> Vec<Letter> {
    use SelfTrade::{CancelBoth, CancelNewest, CancelOldest, DecrementAndCancel};
    use Side::{Buy, Sell};
    let sells = MassCancel {
        sides: Sides::Sells,
        ..many(Scope::Everyone, 0)
    };
    vec![
        new(0, RESTS, Buy, 3, 10),
        new(0, RESTS, Sell, 3, 11),
        new(1, RESTS, Sell, 1, 10),
        kept_apart(0, Sell, CancelOldest, SelfTradeScope::Account),
        kept_apart(0, Buy, DecrementAndCancel, SelfTradeScope::Account),
        kept_apart(1, Buy, CancelNewest, SelfTradeScope::Firm),
        kept_apart(1, Buy, CancelBoth, SelfTradeScope::Firm),
        amend(0, OrderId::NONE, 2, 4, 11),
        by(0, Command::MassCancel(many(Scope::Session, 0))),
        operator(Command::MassCancel(sells)),
        by(0, switch(Scope::Account, 0, Flag::Yes)),
        operator(switch(Scope::Account, 0, Flag::No)),
    ]
}

/// Behind a ladder of a session's orders: what goes through all of them.
pub(super) fn of_a_ladder() -> Vec<Letter> {
    let through = |self_trade| {
        let order = NewOrder {
            self_trade,
            ..order(RESTS, Side::Buy, FRAME + 2, 10)
        };
        with(1, order)
    };
    vec![
        through(SelfTrade::CancelOldest),
        through(SelfTrade::DecrementAndCancel),
        by(1, Command::MassCancel(many(Scope::Session, 0))),
        operator(switch(Scope::Firm, FIRM, Flag::Yes)),
        cancel(1, OrderId::NONE, 102),
    ]
}
