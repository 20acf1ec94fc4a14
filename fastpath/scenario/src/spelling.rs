//! How a line spells what a record can hold: one table for each kind of value, read both ways.

use crate::words::{Fault, Words};
use domain::{
    Flag, Liquidity, MarketState, OrderType, PostOnly, Reference, Scope, SelfTrade, SelfTradeScope,
    Side, TimeInForce,
};

/// Values and their words.
pub(crate) type Table<T> = &'static [(&'static str, T)];

pub(crate) const SIDES: Table<Side> = &[("buy", Side::Buy), ("sell", Side::Sell)];

pub(crate) const ORDER_TYPES: Table<OrderType> = &[
    ("limit", OrderType::Limit),
    ("market", OrderType::Market),
    ("stop", OrderType::Stop),
    ("stop-limit", OrderType::StopLimit),
];

pub(crate) const TIMES_IN_FORCE: Table<TimeInForce> = &[
    ("gtc", TimeInForce::GoodTillCancel),
    ("ioc", TimeInForce::ImmediateOrCancel),
    ("fok", TimeInForce::FillOrKill),
    ("gtt", TimeInForce::GoodTillTime),
    ("until-close", TimeInForce::GoodTillClose),
];

pub(crate) const POST_ONLY: Table<PostOnly> = &[
    ("no", PostOnly::No),
    ("yes", PostOnly::Refuse),
    ("slide", PostOnly::Slide),
];

pub(crate) const FLAGS: Table<Flag> = &[("no", Flag::No), ("yes", Flag::Yes)];

pub(crate) const SELF_TRADE: Table<SelfTrade> = &[
    ("allow", SelfTrade::Allow),
    ("cancel-newest", SelfTrade::CancelNewest),
    ("cancel-oldest", SelfTrade::CancelOldest),
    ("cancel-both", SelfTrade::CancelBoth),
    ("decrement", SelfTrade::DecrementAndCancel),
    ("abort", SelfTrade::Abort),
];

pub(crate) const OWN: Table<SelfTradeScope> = &[
    ("account", SelfTradeScope::Account),
    ("firm", SelfTradeScope::Firm),
];

pub(crate) const SCOPES: Table<Scope> = &[
    ("session", Scope::Session),
    ("account", Scope::Account),
    ("firm", Scope::Firm),
    ("everyone", Scope::Everyone),
];

pub(crate) const MARKET_STATES: Table<MarketState> = &[
    ("Continuous", MarketState::Continuous),
    ("PreOpen", MarketState::PreOpen),
    ("OpeningAuction", MarketState::OpeningAuction),
    ("Halted", MarketState::Halted),
    ("CancelOnly", MarketState::CancelOnly),
    ("PostOnly", MarketState::PostOnly),
    ("ClosingAuction", MarketState::ClosingAuction),
    ("Closed", MarketState::Closed),
    ("Delisted", MarketState::Delisted),
];

pub(crate) const REFERENCES: Table<Reference> = &[
    ("none", Reference::None),
    ("last-trade", Reference::LastTrade),
    ("middle", Reference::Middle),
    ("set", Reference::Set),
];

pub(crate) const LIQUIDITY: Table<Liquidity> =
    &[("maker", Liquidity::Maker), ("taker", Liquidity::Taker)];

/// The word of a value.
pub(crate) fn word<T: Copy + PartialEq>(table: Table<T>, value: T) -> &'static str {
    let known = table.iter().find(|(_, known)| *known == value);
    known.expect("a table has all values of its type").0
}

/// All words, for who wrote another.
pub(crate) fn all<T>(table: Table<T>) -> String {
    let all: Vec<&str> = table.iter().map(|(word, _)| *word).collect();
    all.join(", ")
}

/// The value of a word.
pub(crate) fn value<T: Copy>(words: &Words, table: Table<T>, word: &str) -> Result<T, Fault> {
    let known = table.iter().find(|(known, _)| *known == word);
    known
        .map(|(_, value)| *value)
        .ok_or_else(|| words.expected(&format!("one of {}", all(table)), Some(word)))
}

/// The value of the word that stands next.
pub(crate) fn next<T: Copy>(words: &mut Words, what: &str, table: Table<T>) -> Result<T, Fault> {
    let word = words.next(what)?;
    value(words, table, &word)
}

/// The value of an option, or the usual one.
pub(crate) fn option_or<T: Copy>(
    words: &mut Words,
    key: &'static str,
    table: Table<T>,
    otherwise: T,
) -> Result<T, Fault> {
    let word = words.option(key);
    word.map_or(Ok(otherwise), |word| value(words, table, &word))
}
