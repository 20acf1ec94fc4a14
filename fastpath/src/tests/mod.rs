//! The three tiles together, polled step by step on one thread: no sockets, no shared files.

mod clock;
mod delivery;
mod establish;
mod fairness;
mod feed;
mod log_on;
mod mutation;
mod numbers;
mod progress;
mod resend;
mod rig;
mod slow_region;
mod snapshot;
mod watermark;
