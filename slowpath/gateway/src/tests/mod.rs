//! The gateway in one process with its clients: a shadow engine that is fed here, a store with what it is given.

mod administration;
mod attestation;
mod clock;
mod combinations;

#[path = "../../../store/tests/exchange/mod.rs"]
#[expect(dead_code, reason = "made for the store, and this needs less of it")]
mod exchange;
mod grace;
mod lagging_history;
mod later_orders;
mod markets_snapshot;
mod mass_cancel;
mod quotes;
mod ready;
mod replaced_id;
mod slow_consumer;

pub(crate) use slow_consumer::NoRing;
