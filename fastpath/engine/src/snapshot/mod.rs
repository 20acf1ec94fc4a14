//! The whole state as bytes, and back.
//!
//! A body is a [`Head`], then the records of `record` in the order of docs/SNAPSHOTS.md. It is
//! canonical: a state has one body, and a body that is not exactly what [`Engine::save`] writes is
//! refused. What is no state (the layout of tables and ladders) is not in it.

mod faults;
mod load;
mod load_orders;
mod load_work;
mod quotes;
mod reader;
mod record;
mod save;

pub use faults::{Fault, LoadError, Section};
pub(crate) use record::{
    AccountRecord, ArrivingRecord, AssetRecord, BalanceRecord, Head, KillSwitchRecord, LAYOUT,
    MarketRecord, MassCancelRecord, OrderRecord, Pending, ProtectionRecord, SessionRecord,
    StopRecord, SweepRecord, UncrossingRecord,
};

#[cfg(doc)]
use crate::Engine;
