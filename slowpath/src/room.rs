//! Whether journal memory has room for anything: the match tile says so by its turns without room.

use std::time::{Duration, Instant};

/// So long it is waited out: the archive's next group makes room, and what was sent is taken then.
const LASTING: Duration = Duration::from_millis(100);
/// Turns of the match tile within which it certainly sees progress that we see.
const TURNS: u64 = 64;

/// What room depends on: the journal's last frame, and the frame up to which it may be overwritten.
pub type Stand = (u64, u64);

/// Watches it.
pub struct Room {
    stand: Stand,
    /// Turns without room when it came to stand there, and when that was seen.
    turns: u64,
    since: Instant,
}

impl Room {
    /// There may be room.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            stand: (0, 0),
            turns: 0,
            since: now,
        }
    }

    /// Whether there has been none for a while, if the match tile has counted so many turns without. As long as nothing
    /// moves, room does not change: one turn without it would do, if it were of now.
    pub fn is_used_up(&mut self, stand: Stand, turns: u64, now: Instant) -> bool {
        if stand != self.stand || turns < self.turns {
            *self = Self {
                stand,
                turns,
                since: now,
            };
        }
        turns - self.turns > TURNS && now.duration_since(self.since) >= LASTING
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_used_up_when_turns_without_it_go_on_and_nothing_moves() {
        let start = Instant::now();
        let mut room = Room::new(start);
        let mut look =
            |ms, stand, turns| room.is_used_up(stand, turns, start + Duration::from_millis(ms));
        assert!(!look(0, (900, 10), 5000), "they may be of long ago");
        assert!(!look(500, (900, 10), 5000 + TURNS), "nor of now");
        assert!(look(501, (900, 10), 5001 + TURNS));
        assert!(!look(502, (900, 11), 6000), "the gate has moved");
        assert!(!look(550, (900, 11), 7000), "not for long");
        assert!(look(650, (900, 11), 7000));
        assert!(!look(651, (901, 11), 7000), "a frame was taken");
        assert!(!look(900, (901, 11), 0), "another fastpath counts");
    }
}
