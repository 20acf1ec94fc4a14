//! The three tiles together, polled step by step on one thread: no sockets, no shared files.

mod attestation;
mod clock;
mod delivery;
mod establish;
mod expiry;
mod fairness;
mod feed;
mod genesis;
mod log_on;
mod mass_cancel;
mod mutation;
mod numbers;
mod progress;
mod query;
mod quotes;
mod resend;
mod rig;
mod slow_region;
mod snapshot;
mod stops;
mod watermark;
