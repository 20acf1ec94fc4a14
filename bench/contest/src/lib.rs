//! The workload on which matching cores are compared: commands, their outcome, and who runs them.
//!
//! Data: a [`Workload`] is a row of [`Command`]s and the [`Outcome`] that every core must come to. Owners:
//! [`generate`] makes one, [`file`] reads and writes one, [`Oracle`] says what is right. Invariants: a workload is
//! a function of its [`Kind`] and seed; a core's trades, in their order, are compared by checksum.
#![forbid(unsafe_code)]

pub mod bare;
pub mod checksum;
pub mod command;
pub mod core;
pub mod file;
pub mod floors;
pub mod frames;
pub mod generate;
pub mod oracle;
pub mod peers;
pub mod race;
pub mod random;
pub mod whole;

pub use checksum::Outcome;
pub use command::{Command, Lasting, Op, Workload};
pub use generate::{Kind, generate};
pub use oracle::Oracle;
