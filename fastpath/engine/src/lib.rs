//! The deterministic matching engine: accounts, risk, book, state hash.
//!
//! [`Engine::apply`] is a pure function of the state and its arguments: no clock, no randomness,
//! no I/O. The rules are docs/ENGINE.md, to the byte; `sim` holds a second implementation of
//! them, and both must agree.
//!
//! Architecture invariants: after `Genesis` nothing allocates; nothing panics on an admitted
//! request; amounts are integers and every sum of them is checked.
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod administration;
mod amend;
mod bitmap;
mod book;
mod cancel;
mod client_ids;
mod engine;
mod entry;
mod funds;
mod hash;
mod invariants;
mod market;
mod orders;
mod phase;
mod reports;
mod sources;
mod sweep;
mod trade;
mod views;

pub use domain::{SessionView, Stamp};
pub use engine::Engine;
pub use invariants::BrokenInvariant;
