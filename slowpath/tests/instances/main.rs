//! The slowpath and the operator's command as processes, against a fastpath that the test plays.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot do what it needs fails where that shows"
)]

mod attestations;
mod commands;
mod gateway;
mod instance;
mod logging;
mod metrics;
mod operator;
mod process;
mod replaying;
mod snapshots;
mod storing;
