//! The layouts of the regions `fast` and `slow`: which word means what, and who writes it.
//!
//! Each has a view, for the process that reads it and trusts nothing in it, and a writer, for the
//! one process that writes it. A writer's clones may be used by several threads as long as each
//! word keeps its one writer. Positions that another thread polls lie in lines of their own.

mod fast;
mod process_state;
mod slow;

pub use fast::{FastView, FastWriter, TileBlock, TileState, TileView, fast_spec};
pub use process_state::ProcessState;
pub use slow::{ShadowState, SlowView, SlowWriter, slow_spec};

use crate::ring::{RingConsumer, RingProducer};
use crate::{RegionError, Words};

/// Words of the region `fast`: sizes that others rely on.
pub mod fast_layout {
    pub use super::fast::{FAST_MAGIC, HISTOGRAMS, TILE_COUNTERS, TILES};
}

/// Words of the region `slow`: sizes that others rely on.
pub mod slow_layout {
    pub use super::slow::{COMMAND_SLOTS, SLOW_COUNTERS, SLOW_MAGIC};
}

/// The slowpath's end of the command ring: slots and head in its own region `slow`, the tail in the
/// fastpath's region `fast`.
///
/// # Errors
/// If `slow` is not writable or one of the two has another layout.
pub fn command_ring_producer<W: Words>(slow: &W, fast: &W) -> Result<RingProducer<W>, RegionError> {
    if !slow.writable() {
        return Err(RegionError::ReadOnly);
    }
    let (slots, head) = slow::command_ring(slow)?;
    Ok(RingProducer::resume(slots, head, fast::command_tail(fast)?))
}

/// The fastpath's end of the command ring.
///
/// # Errors
/// If `fast` is not writable or one of the two has another layout.
pub fn command_ring_consumer<W: Words>(slow: &W, fast: &W) -> Result<RingConsumer<W>, RegionError> {
    if !fast.writable() {
        return Err(RegionError::ReadOnly);
    }
    let (slots, head) = slow::command_ring(slow)?;
    Ok(RingConsumer::resume(slots, head, fast::command_tail(fast)?))
}
