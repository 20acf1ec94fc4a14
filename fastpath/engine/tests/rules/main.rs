//! The rules of docs/ENGINE.md, one by one, through the public interface. After every request
//! the engine's invariants are checked.

mod administration;
mod amend;
mod cancel;
mod entry;
mod enumeration;
mod exchange;
mod numbers;
mod properties;
mod protocol;
mod state_hash;
mod sweep;
mod trading;
