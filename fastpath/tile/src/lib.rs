//! What runs the tiles of a core: the loop that polls them in turn, the clock, what to do when there
//! is no work, pinning, and the orderly stop.
//!
//! A tile is a struct with one [`Tile::poll`] step; which tiles share a core is the configuration's
//! business ([`topology::Core`]), so that one core or three run the same code.
//!
//! Architecture invariants: this crate knows no tile; after [`run`] has begun it allocates nothing, takes no
//! lock, and with [`Idle::Spin`] makes no system call.

#[expect(unsafe_code, reason = "an allocator hands on raw memory")]
pub mod allocator;
mod clock;
mod cpu;
mod idle;
mod round;
mod stop;

pub use clock::Clock;
pub use cpu::{CpuError, check_cpu, pin};
pub use round::{MAX_TILES, run};
pub use stop::StopFlag;
pub use topology::Idle;

/// One stage of the fastpath, polled by the loop of its core. It never waits: a step does what there
/// is to do, within its own bounds, and returns.
pub trait Tile: Send {
    /// Its name: that of its kind in the configuration.
    fn name(&self) -> &'static str;

    /// Does a bounded amount of work; returns how much, 0 if there was none.
    fn poll(&mut self) -> usize;

    /// Does what is not worth doing every time, such as copying counters to shared memory; called
    /// about every millisecond. `now` is [`Clock::now`].
    fn housekeep(&mut self, now: u64) {
        let _ = now;
    }

    /// Called when the core is asked to stop, again and again with polls between, until it returns
    /// true: the tile has finished what it had begun, and is not polled any more.
    fn stop(&mut self) -> bool {
        true
    }

    /// This tile's turn in the stop of all cores that share a [`StopFlag`]: it is asked to stop once
    /// those of every lower turn have stopped, wherever they run. Turns count from 0 and each has
    /// exactly one tile. A tile without a turn is asked once those before it on its own core have
    /// stopped.
    fn stop_turn(&self) -> Option<u64> {
        None
    }
}
