//! What measures and torments a whole Sluice: instances of one's own, chaos before their port,
//! load over it, and the floor that load is compared with; and what a start takes behind a large state.
//!
//! Architecture invariant: nothing of the product depends on this crate; it starts the real
//! binaries and speaks to their port like anyone else.
#![forbid(unsafe_code)]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "load looks at a few messages of many"
)]

pub mod chaos;
pub mod disk;
pub mod echo;
pub mod environment;
pub mod functions;
pub mod hiccup;
pub mod instance;
pub mod leftovers;
pub mod load;
pub mod programs;
pub mod random;
pub mod record;
pub mod report;
pub mod snapshot;
mod stage;
pub mod subscriber;
pub mod swarm;
pub mod trader;
pub mod tuning;
pub mod web;
pub mod witness;
