//! What may happen in a market: its states, auctions, its collar, its end.

use super::{ANY_PRICE, Letter, POSTS, RESTS, amend, cancel, new, operator};
use domain::{
    Command, DelistMarket, Flag, MarketId, MarketState, OrderId, Price, Reference, SetCollar,
    SetMarketState, Side, Zero,
};

/// Those in which it can be again.
const STATES: [MarketState; 8] = [
    MarketState::Continuous,
    MarketState::PreOpen,
    MarketState::OpeningAuction,
    MarketState::Halted,
    MarketState::CancelOnly,
    MarketState::PostOnly,
    MarketState::ClosingAuction,
    MarketState::Closed,
];

pub(super) fn state(market: u32, state: MarketState) -> Letter {
    operator(Command::SetMarketState(SetMarketState {
        market: MarketId(market),
        state,
        pad: [Zero::Zero; 3],
    }))
}

pub(super) fn collar(reference: Reference, price: i64, width_ppm: u32, halts: Flag) -> Letter {
    operator(Command::SetCollar(SetCollar {
        price: Price(price),
        market: MarketId(0),
        width_ppm,
        reference,
        halts,
        pad: [Zero::Zero; 6],
    }))
}

fn delist(market: u32) -> Letter {
    operator(Command::DelistMarket(DelistMarket {
        market: MarketId(market),
        pad: [Zero::Zero; 4],
    }))
}

/// In every way that is different here. A width of 5 % lies between two prices.
pub(super) fn full() -> Vec<Letter> {
    let mut letters = STATES.map(|to| state(0, to)).to_vec();
    letters.extend([
        state(0, MarketState::Delisted),
        state(1, MarketState::Halted),
        collar(Reference::None, 0, 0, Flag::No),
        collar(Reference::Set, 11, 50_000, Flag::No),
        collar(Reference::Set, 10, 100_000, Flag::Yes),
        collar(Reference::LastTrade, 0, 50_000, Flag::No),
        collar(Reference::Middle, 0, 50_000, Flag::Yes),
        collar(Reference::Middle, 0, 0, Flag::No),
        collar(Reference::Set, 2, 100_000, Flag::No),
        delist(0),
        delist(1),
    ]);
    letters
}

/// What changes what follows.
pub(super) fn sound() -> Vec<Letter> {
    vec![
        state(0, MarketState::Continuous),
        state(0, MarketState::PreOpen),
        state(0, MarketState::Halted),
        state(0, MarketState::PostOnly),
        state(0, MarketState::Closed),
        collar(Reference::Set, 10, 50_000, Flag::Yes),
        collar(Reference::LastTrade, 0, 50_000, Flag::No),
        collar(Reference::Middle, 0, 50_000, Flag::No),
        delist(0),
    ]
}

/// Twelve around an auction.
pub(crate) fn small() -> Vec<Letter> {
    use Side::{Buy, Sell};
    vec![
        state(0, MarketState::PreOpen),
        state(0, MarketState::Continuous),
        state(0, MarketState::PostOnly),
        state(0, MarketState::Halted),
        collar(Reference::Set, 12, 50_000, Flag::Yes),
        new(0, RESTS, Buy, 3, 11),
        new(0, RESTS, Buy, 1, 12),
        new(1, RESTS, Sell, 3, 10),
        new(1, POSTS, Sell, 1, 11),
        new(0, ANY_PRICE, Buy, 3, 0),
        amend(0, OrderId::NONE, 3, 2, 12),
        cancel(1, OrderId::NONE, 3),
    ]
}

/// Behind a ladder of asks in a call: bids for more and fewer than one frame of an auction trades, and its end.
pub(crate) fn of_a_call() -> Vec<Letter> {
    let mut letters = [23, 24, 25, 33]
        .map(|qty| new(0, RESTS, Side::Buy, qty, 11))
        .to_vec();
    letters.extend([
        new(1, RESTS, Side::Buy, 2, 10),
        new(0, RESTS, Side::Buy, 1, 12),
        state(0, MarketState::Continuous),
        state(0, MarketState::Closed),
        state(0, MarketState::ClosingAuction),
        state(0, MarketState::Halted),
        delist(0),
        cancel(1, OrderId::NONE, 102),
        amend(1, OrderId::NONE, 101, 2, 11),
    ]);
    letters
}
