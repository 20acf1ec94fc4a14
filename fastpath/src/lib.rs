//! The fastpath: tiles that poll, between a NIC queue and the journal.
//!
//! The process (`main.rs`) is [`run`]; [`inprocess`] is the same tiles over any port, in memory of their own, for
//! who measures them. Everything else is this crate's own.
#![forbid(unsafe_code)]

mod assembly;
mod binding;
mod boot;
mod booting;
mod claim;
mod clock_watch;
pub mod console;
mod counters;
mod epochs;
mod feed;
pub mod inprocess;
mod keys;
mod lane;
mod match_tile;
mod net;
mod out;
mod patience;
mod port;
mod post;
mod query;
mod recovery;
mod replies;
mod resend;
mod sequencer;
mod supervisor;
#[cfg(test)]
mod tests;
mod watermark;
mod window;

pub use booting::Booting;

use anyhow::Result;
use tile::allocator::CountingAllocator;
use topology::Config;

/// Boots an instance and runs its tiles until SIGTERM, SIGINT or SIGHUP. `allocator` is the process's: it is
/// closed once the tiles run, and `booting` is over then.
///
/// # Errors
/// If the start is refused, the process cannot go on, or frames stay unarchived at the end.
pub fn run(config: &Config, allocator: &CountingAllocator, booting: Booting) -> Result<()> {
    let machine = boot::boot(config, booting.begun())?;
    supervisor::supervise(config, machine, allocator, booting)
}
