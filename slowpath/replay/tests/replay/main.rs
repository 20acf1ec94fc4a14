//! What is told again is what was told: against a real engine, an archive and a journal memory of the test's.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot do what it needs fails where that shows"
)]

mod asked;
mod exchange;
mod network;
mod sessions;
