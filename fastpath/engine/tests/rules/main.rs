//! The rules of docs/ENGINE.md, one by one, through the public interface. After every request
//! the engine's invariants are checked.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for the event that it means"
)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod administration;
mod amend;
mod attestation;
mod auction;
mod cancel;
mod collar;
mod delegation;
mod entry;
mod enumeration;
mod exchange;
mod expiry;
mod fees;
mod iceberg;
mod limits;
mod mass_cancel;
mod numbers;
mod pages;
mod properties;
mod protection;
mod protocol;
mod quote;
mod snapshot;
mod state_hash;
mod stop;
mod sweep;
mod touch;
mod trading;
