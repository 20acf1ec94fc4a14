//! Whether the fastpath lives, by the heartbeat of its match tile, which is who takes the gateway's commands.

use crate::console::now;
use gateway::Pulse;
use shm::layout::ProcessState;
use shm::layout::fast_layout::TILES;
use shm::{FastView, Memory, RegionError};
use topology::instruments::tile_kind;

/// A tile that was silent for longer, in nanoseconds, is taken for dead.
const SILENCE: u64 = 1_000_000_000;

/// The fastpath's pulse, as its region shows it.
pub struct FastPulse(FastView);

impl FastPulse {
    /// Of a region `fast`.
    ///
    /// # Errors
    /// If it has another layout.
    pub fn new(fast: &Memory) -> Result<Self, RegionError> {
        FastView::new(fast.clone()).map(Self)
    }
}

impl Pulse for FastPulse {
    fn is_beating(&self) -> bool {
        let fast = &self.0;
        let mut tiles = (0..TILES).filter_map(|slot| fast.tile(slot));
        let beaten = tiles
            .find(|tile| tile.kind == tile_kind::MATCH)
            .map_or(0, |tile| tile.heartbeat);
        fast.process_state() == Some(ProcessState::Running)
            && now().0.saturating_sub(beaten) <= SILENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm::{FastWriter, Identity, Places, fast_spec};

    #[test]
    fn a_fastpath_that_was_killed_or_has_stopped_has_no_pulse() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("shm")).unwrap();
        let places = Places {
            instance: "pulse".into(),
            hugetlbfs: None,
            shm_dir: folder.path().join("shm"),
            state_dir: folder.path().join("state"),
        };
        let identity = Identity {
            shard: 0,
            boot_id: [1, 2],
            epoch: 1,
        };
        let (memory, _lock, _) =
            Memory::create_or_open(&places, "fast", fast_spec(1), identity).unwrap();
        let (fast, pulse) = (
            FastWriter::new(memory.clone()).unwrap(),
            FastPulse::new(&memory).unwrap(),
        );
        assert!(!pulse.is_beating(), "there is no tile yet");
        let tile = fast.tile(1);
        tile.set_kind(tile_kind::MATCH);
        tile.beat(now().0 - 2 * SILENCE);
        assert!(!pulse.is_beating(), "it was silent");
        // The clock of a machine may be put back.
        tile.beat(now().0 + 60 * SILENCE);
        assert!(pulse.is_beating());
        fast.set_process_state(ProcessState::Stopped);
        assert!(!pulse.is_beating());
    }
}
