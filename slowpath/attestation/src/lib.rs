//! The checker of attestations: follows the journal, keeps the running hash of each session's commands, and finds out
//! whether what a session signed is that (docs/WIRE.md, "Attestation").
//!
//! [`Checker`] is a step function over frames in order; it knows no archive, clock or thread. Its [`Checker::state`] can
//! be kept and is [read](Checker::of) again, bound to the frame behind which it was taken.
#![forbid(unsafe_code)]

mod checker;
mod kept;

pub use checker::{Checker, Noted, Standing};
pub use kept::{NotKept, Place};
