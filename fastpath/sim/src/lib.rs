//! The naive twin of the engine: the rules of docs/ENGINE.md written down as plainly as possible.
//!
//! [`NaiveEngine`] answers the same commands as `engine::Engine` with the same bytes and the same
//! state hash. It keeps as little as it can and works out the rest anew each time: what an account
//! holds is the sum over its live orders, a book is the live orders of a market sorted by price and
//! priority, the state hash is a walk over all records. It is slow, and easy to believe.
//!
//! Architecture invariant: this crate depends on `domain` only and shares no code with `engine`, so
//! that a mistake must be made twice, in two ways, to go unseen. Nothing but tests and `scenario`
//! depends on it.
#![forbid(unsafe_code)]

mod administration;
mod amend;
mod attestation;
mod auction;
mod book;
mod collar;
mod entry;
mod expiry;
mod fees;
mod funds;
mod hash;
mod limits;
mod look_ahead;
mod market_state;
mod mass_cancel;
mod mutant;
mod naive;
mod prevent;
mod protection;
mod quotes;
mod read;
mod report;
mod shape;
mod stops;
mod sweep;
mod trade;
mod volume;

pub use mutant::Mutant;
pub use naive::NaiveEngine;
