//! What sessions have to attest, and what of that is checked.

use super::{
    ANY_PRICE, Letter, RESTS, TAKES, accounts, amend, by, cancel, delegate, empty, new, operator,
    order, own, quotes,
};
use domain::{
    Attest, Command, ConfirmAttestation, Flag, Limits, NewOrder, OrderId, OrderType, Price,
    SessionId, Side, Source, Zero,
};

/// As much as an order of three lots and one of a lot or two come to.
fn limit() -> Letter {
    let limits = Limits {
        max_unattested_notional: 5,
        ..Limits::default()
    };
    accounts::limits(Flag::Yes, 0, Flag::No, limits)
}

const ATTEST: Command = Command::Attest(Attest { signature: [9; 64] });

fn confirm(session: u32, level: u64) -> Letter {
    operator(Command::ConfirmAttestation(ConfirmAttestation {
        session: SessionId(session),
        pad: [Zero::Zero; 4],
        level,
    }))
}

/// In every way that is different here.
pub(super) fn full() -> Vec<Letter> {
    let mut letters = sound();
    letters.extend([
        Letter::of(Source::GATEWAY, ATTEST),
        by(
            0,
            Command::ConfirmAttestation(ConfirmAttestation {
                session: SessionId(0),
                pad: [Zero::Zero; 4],
                level: 0,
            }),
        ),
        confirm(0, 0),
        confirm(0, u64::MAX),
        confirm(2, 0),
    ]);
    letters
}

/// What changes what follows.
pub(super) fn sound() -> Vec<Letter> {
    vec![limit(), by(0, ATTEST), confirm(0, 3_000_000)]
}

/// The world without an order, in which a session has to attest.
pub(crate) fn limited(max_orders: u32) -> Vec<Letter> {
    let mut letters = empty(max_orders);
    letters.push(limit());
    letters
}

/// What enters, what asks for no more, and what attests.
pub(crate) fn small() -> Vec<Letter> {
    use Side::{Buy, Sell};
    let stop = NewOrder {
        order_type: OrderType::StopLimit,
        trigger_price: Price(12),
        ..order(RESTS, Buy, 2, 11)
    };
    vec![
        new(0, RESTS, Buy, 3, 10),
        new(0, RESTS, Sell, 1, 11),
        new(0, TAKES, Sell, 3, 10),
        new(0, ANY_PRICE, Buy, 1, 0),
        new(1, RESTS, Sell, 1, 10),
        amend(0, OrderId::NONE, 3, 2, 10),
        amend(0, OrderId::NONE, 3, 2, 11),
        cancel(0, OrderId::NONE, 3),
        quotes::both_sides(),
        own::with(0, stop),
        operator(delegate(0, 1_000, 0)),
        accounts::limits(Flag::Yes, 0, Flag::Yes, Limits::default()),
        limit(),
        by(0, ATTEST),
        confirm(0, 3_000_000),
        confirm(0, 1_000_000),
    ]
}
