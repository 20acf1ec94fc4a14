//! The loop of a core.

use crate::idle::Rest;
use crate::{Clock, Idle, StopFlag, Tile};
use shm::{TileBlock, TileState, Words};

/// Most tiles of a core: every tile of the machine has a block in the `fast` region.
pub const MAX_TILES: usize = shm::layout::fast_layout::TILES;
/// Rounds between two looks at the clock while there is work.
const ROUNDS_PER_LOOK: u32 = 64;
/// Nanoseconds between two housekeepings.
const HOUSEKEEPING_INTERVAL: u64 = 1_000_000;

/// Polls the tiles of a core in turn until `stop` asks, then stops them and returns. `blocks` are theirs,
/// in the same order: their state, heartbeat (nanoseconds since boot) and polls are written there,
/// about every millisecond.
///
/// # Panics
/// If there are not as many blocks as tiles, or more than [`MAX_TILES`].
pub fn run<W: Words>(
    tiles: &mut [Box<dyn Tile>],
    blocks: &[TileBlock<W>],
    idle: Idle,
    stop: &StopFlag,
) {
    let mut core = Core::start(tiles, blocks, idle);
    while !stop.is_asked() {
        core.round();
    }
    while !core.stop(stop) {
        core.round();
    }
}

/// What a tile did, counted here and copied to its block now and then.
#[derive(Clone, Copy, Default)]
struct Tally {
    polls: u64,
    busy_polls: u64,
    halted: bool,
}

struct Core<'a, W> {
    tiles: &'a mut [Box<dyn Tile>],
    blocks: &'a [TileBlock<W>],
    tallies: [Tally; MAX_TILES],
    rest: Rest,
    rounds: u32,
    next_housekeeping: u64,
}

impl<'a, W: Words> Core<'a, W> {
    fn start(tiles: &'a mut [Box<dyn Tile>], blocks: &'a [TileBlock<W>], idle: Idle) -> Self {
        assert_eq!(tiles.len(), blocks.len(), "every tile has its block");
        assert!(
            tiles.len() <= MAX_TILES,
            "{} tiles on one core",
            tiles.len()
        );
        let mut core = Self {
            tiles,
            blocks,
            tallies: [Tally::default(); MAX_TILES],
            rest: Rest::new(idle),
            rounds: 0,
            next_housekeeping: 0,
        };
        core.housekeep(Clock::now());
        for block in blocks {
            block.set_state(TileState::Run);
        }
        core
    }

    /// Polls every tile once, and keeps house if it is time.
    #[inline]
    fn round(&mut self) {
        let mut work = 0;
        for (tile, tally) in self.tiles.iter_mut().zip(&mut self.tallies) {
            if !tally.halted {
                let done = tile.poll();
                tally.polls += 1;
                tally.busy_polls += u64::from(done > 0);
                work += done;
            }
        }
        let mut time = None;
        if work > 0 {
            self.rest.interrupt();
        } else {
            time = self.rest.rest();
        }
        self.rounds += 1;
        if self.rounds >= ROUNDS_PER_LOOK {
            self.rounds = 0;
            time = time.or_else(|| Some(Clock::now()));
        }
        if let Some(now) = time.filter(|&now| now >= self.next_housekeeping) {
            self.housekeep(now);
        }
    }

    #[cold]
    fn housekeep(&mut self, now: u64) {
        self.next_housekeeping = now + HOUSEKEEPING_INTERVAL;
        let alive = Clock::since_boot();
        for ((tile, block), tally) in self.tiles.iter_mut().zip(self.blocks).zip(&self.tallies) {
            if !tally.halted {
                tile.housekeep(now);
                block.set_polls(tally.polls, tally.busy_polls);
                block.beat(alive);
            }
        }
    }

    /// Asks those tiles to stop whose turn it is; true when all have stopped.
    fn stop(&mut self, stop: &StopFlag) -> bool {
        let mut all_before = true;
        for index in 0..self.tiles.len() {
            if !self.tallies[index].halted {
                let turn = self.tiles[index].stop_turn();
                let is_turn = turn.map_or(all_before, |turn| stop.is_turn(turn));
                if is_turn && self.tiles[index].stop() {
                    self.halt(index);
                    if let Some(turn) = turn {
                        stop.end_turn(turn);
                    }
                }
            }
            all_before &= self.tallies[index].halted;
        }
        all_before
    }

    /// The tile has stopped: its block shows its last figures.
    fn halt(&mut self, index: usize) {
        let (tally, block) = (&mut self.tallies[index], &self.blocks[index]);
        tally.halted = true;
        self.tiles[index].housekeep(Clock::now());
        block.set_polls(tally.polls, tally.busy_polls);
        block.beat(Clock::since_boot());
        block.set_state(TileState::Halt);
    }
}
