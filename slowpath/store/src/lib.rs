//! The store: what the journal says, as tables that can be asked. Tables, owners, invariants: docs/STORE.md.
//!
//! A [`Projection`] turns frames into rows without any I/O; a [`Writer`] writes a [`Batch`] of them in one
//! transaction with the seq of the last frame; a [`Projector`] joins the two and knows where to go on; a [`Store`] answers questions. One code for SQLite and
//! PostgreSQL.
//!
//! Architecture invariants: nothing but the writer writes what is derived from the journal; what it wrote can
//! be thrown away and made again; no float and no clock.
#![forbid(unsafe_code)]

mod asked;
mod batch;
mod candles;
mod carried;
mod column;
mod database;
mod error;
mod markets;
mod pool;
mod projection;
mod projector;
mod record;
mod rows;
mod schema;
mod snapshots;
mod store;
mod trading;
mod users;
mod writer;

pub use asked::{Asked, Audited};
pub use batch::Batch;
pub use candles::Interval;
pub use database::Database;
pub use error::StoreError;
pub use markets::{DayStats, MarketStats};
pub use projection::Projection;
pub use projector::{BATCH_ROWS, Projector, Written};
pub use rows::{
    Account, Asset, Auction, AuditEntry, Balance, Candle, Deposit, Market, MarketStateRow,
    MarketTotals, Order, OrderStatus, Rejection, SelfTradePrevented, Session, Trade,
};
pub use schema::VERSION as SCHEMA_VERSION;
pub use schema::{Prepared, Resume, empty, prepare};
pub use snapshots::{Snapshot, SnapshotFolder};
pub use store::{At, MAX_ROWS, Store};
pub use trading::{OrderCursor, OrderFilter, Outcome, Report};
pub use users::{ROTATION_REPEAT, RefreshToken, Role, RoleGiven, Rotation, User};
pub use writer::Writer;
