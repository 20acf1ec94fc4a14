//! The deterministic matching engine: accounts, risk, book, state hash.
//!
//! [`Engine::apply`] is a pure function of the state and its arguments: no clock, no randomness,
//! no I/O. The rules are docs/ENGINE.md, to the byte; `sim` holds a second implementation of
//! them, and both must agree.
//!
//! ```
//! use domain::{Command, Effects, Genesis, Nanos, Request, Seq, Source, Stamp, Zero};
//! use engine::Engine;
//!
//! let mut engine = Engine::new();
//! let mut events = Effects::new();
//! let request = Request {
//!     source: Source::ADMINISTRATION,
//!     source_seq: 1,
//!     receive_time: Nanos(0),
//!     command: Command::Genesis(Genesis {
//!         max_assets: 2,
//!         max_markets: 1,
//!         max_accounts: 10,
//!         max_sessions: 10,
//!         max_orders: 1_000,
//!         max_levels: 4_096,
//!         max_pages: 130,
//!         pad: [Zero::Zero; 4],
//!     }),
//! };
//! assert!(engine.admits(request.source, request.source_seq));
//! let stamp = Stamp { seq: Seq(1), time: Nanos(1) };
//! engine.apply(stamp, &request, &mut events);
//! assert_eq!(events.count(), 1);
//! ```
//!
//! Architecture invariants: after `Genesis` nothing allocates; nothing panics on an admitted
//! request; amounts are integers and every sum of them is checked.
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod accounts;
mod administration;
mod amend;
mod attestation;
mod auction;
pub mod bare;
mod bitmap;
mod book;
mod cancel;
mod client_ids;
mod collar;
mod engine;
mod entry;
mod expiries;
mod fees;
mod funds;
mod hash;
mod invariants;
mod kept;
mod kill_switches;
mod limits;
mod look_ahead;
mod market;
mod market_state;
mod mass_cancel;
mod orders;
mod pages;
mod phase;
mod prevent;
mod protection;
mod quoted;
mod quotes;
mod reports;
mod rows;
mod snapshot;
mod sources;
mod stops;
mod sweep;
mod table;
mod touch;
mod trade;
mod views;

/// A tile takes the engine with it onto its own thread.
const _: () = {
    const fn moves_between_threads<T: Send>() {}
    moves_between_threads::<Engine>();
};

pub use domain::{SessionView, Stamp};
pub use engine::Engine;
pub use invariants::BrokenInvariant;
pub use snapshot::{Fault, LoadError, Section};
