//! The shadow engine: applies every journalled command to an engine of its own and compares what it
//! causes with what the journal says, byte by byte, checkpoints included.
//!
//! [`Shadow`] is a step function over frames in order; it knows no memory, archive or thread. It
//! stops at the first difference and stays stopped: from there on one of the two is wrong, and
//! nothing that follows tells which. What it agrees with can be put on the disk as a snapshot
//! ([`store_snapshot`]).
#![forbid(unsafe_code)]

mod conservation;
mod divergence;
mod shadow;
mod snapshot;

pub use conservation::{Unbalanced, check_conservation};
pub use divergence::{Divergence, Found};
pub use shadow::Shadow;
pub use snapshot::{SnapshotStorage, store_snapshot};
