//! When each tile was last seen alive, by a clock that nobody sets: a heartbeat is UTC as the fastpath took it when it
//! was started, so how far it lies behind this machine's present UTC says nothing after a step.

use shm::layout::fast_layout::TILES;
use std::time::Instant;

/// By tile: its last heartbeat, and when it was seen to be new.
#[derive(Default)]
pub(super) struct Heard([Option<(u64, Instant)>; TILES]);

impl Heard {
    /// Nanoseconds since the tile in `slot` was last seen to have beaten, which is since the last look at most if it beats.
    pub(super) fn age(&mut self, slot: usize, heartbeat: u64, now: Instant) -> u64 {
        let seen = match self.0[slot] {
            Some((last, seen)) if last == heartbeat => seen,
            Some(_) | None => now,
        };
        self.0[slot] = Some((heartbeat, seen));
        let age = now.saturating_duration_since(seen);
        u64::try_from(age.as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_tile_is_as_old_as_its_last_new_heartbeat_whatever_the_clock_says() {
        let mut heard = Heard::default();
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(heard.age(1, 1_000, at(0)), 0);
        assert_eq!(heard.age(1, 2_000, at(15)), 0);
        assert_eq!(heard.age(2, 2_000, at(15)), 0, "another tile's");
        assert_eq!(heard.age(1, 2_000, at(30)), 15_000_000_000);
        assert_eq!(heard.age(1, 2_000, at(45)), 30_000_000_000);
        // Started again, with a clock that was put back.
        assert_eq!(heard.age(1, 5, at(60)), 0);
    }
}
