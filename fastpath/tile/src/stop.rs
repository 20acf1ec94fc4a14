//! Asking tiles to stop, in order over all cores.

use shm::Word;
use std::sync::Arc;

/// Asks the cores that share it to stop. Clones are the same flag.
#[derive(Clone)]
pub struct StopFlag(Arc<Words>);

struct Words {
    /// Not 0: stop. Written by whoever asks.
    asked: Word,
    /// Turns that have stopped, from 0 without a hole. Written only by the tile whose turn it is.
    turns: Word,
}

impl Default for StopFlag {
    fn default() -> Self {
        Self::new()
    }
}

impl StopFlag {
    /// A flag that asks for nothing.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Words {
            asked: Word::new(0),
            turns: Word::new(0),
        }))
    }

    /// Asks for the stop. It cannot be taken back.
    pub fn stop(&self) {
        // ORDER: pairs with the acquire in `is_asked`: a tile that stops sees what was done before.
        self.0.asked.release(1);
    }

    /// Whether the stop was asked for.
    #[inline]
    #[must_use]
    pub fn is_asked(&self) -> bool {
        // ORDER: pairs with the release in `stop`.
        self.0.asked.acquire() != 0
    }

    /// Whether every turn below `turn` has stopped.
    pub(crate) fn is_turn(&self, turn: u64) -> bool {
        // ORDER: pairs with the release in `end_turn`: what the tiles of earlier turns wrote is seen by
        // the one that is now asked to stop, so it finds their last messages.
        self.0.turns.acquire() >= turn
    }

    /// The tile of `turn` has stopped.
    pub(crate) fn end_turn(&self, turn: u64) {
        // ORDER: pairs with the acquire in `is_turn`. One writer at a time: this turn's tile, after it
        // has acquired that the turn before it ended.
        self.0.turns.release(turn + 1);
    }
}
