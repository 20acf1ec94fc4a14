//! The slowpath: everything that is not on the hot path, and may die without it noticing.
//!
//! The process (`main.rs`) archives the journal ([`archiving`]), checks it with an engine of its own
//! ([`shadowing`]), checks what sessions attest ([`attesting`]), projects it into the store ([`storing`]) and tells again what
//! was told ([`replaying`]), one thread each; [`supervisor`] starts and stops them. The operator's command
//! (`bin/sluice`) only reads: regions ([`attach`]) and frames ([`follower`]), whether the processes
//! live or not.
//!
//! Architecture invariant: nothing in the journal, in `fast`, or in the archive is written by
//! anything here but the archiver; journal memory and `fast` are mapped read-only.
#![forbid(unsafe_code)]

pub mod archiving;
pub mod asked;
pub mod attach;
pub mod attestation_file;
pub mod attesting;
pub mod console;
pub mod counters;
mod descriptors;
pub mod follower;
pub mod host_cpus;
pub mod life;
pub mod logging;
pub mod metrics;
pub mod patience;
pub mod rejects;
pub mod replaying;
pub mod room;
pub mod serving;
mod session_keys;
pub mod shadowing;
pub mod signals;
pub mod snapshot_folder;
mod snapshot_index;
pub mod snapshotting;
pub mod state_folder;
pub mod storing;
pub mod supervisor;
pub mod trouble;
