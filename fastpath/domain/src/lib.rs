//! The words every other crate speaks: identifiers, fixed-point numbers, commands, events, reasons.
//!
//! Everything here is a fixed-size record of integers without implicit padding, so that the bytes
//! of a command or an event are the same in a ring, in the journal, in the archive and in a hash.
//! Layouts are little-endian, and these structs are the law on them: `docs/JOURNAL.md` says how they stand in
//! a frame, and a change of one is a change of that format's version.
//!
//! Architecture invariant: this crate knows no I/O, no clock, no allocation on any path but
//! [`Effects::new`], and it never panics on bytes from outside.
#![forbid(unsafe_code)]

#[cfg(target_endian = "big")]
compile_error!(
    "records are laid over memory as they are: Sluice runs on little-endian machines only"
);

mod command;
mod effects;
mod event;
mod hash;
mod hex;
mod id;
mod number;
mod order;
mod reason;
mod utc;
mod view;

pub use command::*;
pub use effects::{
    Effects, EventError, Events, MAX_AUCTION_TRADES, MAX_CANCELS, MAX_EVENT_WORDS, MAX_EVENTS,
    MAX_FILLS, MAX_KILL_SWITCHES, MAX_LOOK_AHEAD, MAX_LOOKS, MAX_QUOTED, MAX_QUOTED_OF_ACCOUNT,
    MAX_SLICES, PROTECTED_FILLS,
};
pub use event::*;
pub use hash::{RecordHash, Tag};
pub use hex::from_hex;
pub use id::*;
pub use number::*;
pub use order::*;
pub use reason::{Reason, UnknownReason};
pub use utc::Utc;
pub use view::*;
