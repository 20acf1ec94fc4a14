//! Crowd and tiles take turns on one thread: what the tiles take is told apart from what the crowd takes.
//!
//! For machines with fewer CPUs than crowd, tiles and archiver need together.

use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tile::{Clock, Tile};

use super::crowd::{Crowd, Told};

/// Nanoseconds between two housekeepings, as in [`tile::run`].
const HOUSEKEEPING: u64 = 1_000_000;

/// What the tiles took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turns {
    /// CPU time of their turns.
    pub(super) time: Duration,
    pub(super) commands: u64,
}

impl Turns {
    /// Commands in a second of the tiles' own time.
    pub(super) fn rate(self) -> u64 {
        let nanos = self.time.as_nanos().max(1);
        u64::try_from(u128::from(self.commands) * 1_000_000_000 / nanos).unwrap_or(u64::MAX)
    }
}

struct Tiles<'a> {
    tiles: &'a mut [Box<dyn Tile>],
    next_housekeeping: u64,
}

impl Tiles<'_> {
    /// Polls until there is nothing left to do.
    fn turn(&mut self) {
        // The out tile may have found its port full, made room, and left the rest for its next poll.
        let mut idle = 0;
        while idle < 2 {
            let work: usize = self.tiles.iter_mut().map(|tile| tile.poll()).sum();
            idle = if work == 0 { idle + 1 } else { 0 };
        }
        let now = Clock::now();
        if now >= self.next_housekeeping {
            self.next_housekeeping = now + HOUSEKEEPING;
            for tile in self.tiles.iter_mut() {
                tile.housekeep(now);
            }
        }
    }
}

/// Fills the book and goes on until it is stopped; `filled` is set in between.
pub(super) fn run(
    mut tiles: Vec<Box<dyn Tile>>,
    mut crowd: Crowd,
    filled: &AtomicBool,
    stop: &AtomicBool,
) -> Result<(Told, Turns)> {
    let mut tiles = Tiles {
        tiles: &mut tiles,
        next_housekeeping: 0,
    };
    crowd.fill(&mut || tiles.turn())?;
    // ORDER: the flags are the whole message.
    filled.store(true, Ordering::Relaxed);
    let (before, mut time) = (crowd.answered(), Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        crowd.offer();
        let begin = cpu_time();
        tiles.turn();
        time += cpu_time().saturating_sub(begin);
        while crowd.take() > 0 {}
    }
    let commands = crowd.answered() - before;
    let told = crowd.end(&mut || tiles.turn())?;
    for tile in tiles.tiles.iter_mut() {
        while !tile.stop() {}
    }
    Ok((told, Turns { time, commands }))
}

/// Of this thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}
