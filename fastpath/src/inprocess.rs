//! The tiles of a fresh instance in memory of this process, over any port: for who measures them without a
//! kernel between.
//!
//! What differs from the real process: the regions are anonymous memory, no lock is taken, and whoever calls
//! polls the tiles, puts sessions' addresses into the `fast` region, and writes the `slow` region.

use anyhow::{Context as _, Result};
use nic::{Receive, Transmit};
use shm::{
    FastWriter, Identity, Memory, SlowWriter, TileBlock, fast_spec, journal_spec, slow_spec,
};
use tile::Tile;
use topology::{Config, TileKind};

use crate::assembly::Tiles;
use crate::boot::{self, Regions};
use crate::supervisor::block_of;

/// An instance that has taken its genesis.
pub struct Instance {
    /// net, match and out, in the order of an order's walk.
    pub tiles: Vec<Box<dyn Tile>>,
    /// Theirs, in the same order: for [`tile::run`].
    pub blocks: Vec<TileBlock>,
    /// What the tiles show, and where sessions are.
    pub fast: FastWriter,
    /// What an archiver says.
    pub slow: SlowWriter,
    /// Journal memory.
    pub journal: Memory,
    /// Of which the sessions' keys are.
    pub epoch: u32,
}

impl Instance {
    /// Makes one of a configuration whose state folder is there and empty but for the host secret, which is made
    /// if it is missing. `rx` and `tx` carry the datagrams.
    ///
    /// # Errors
    /// If genesis or memory are refused.
    pub fn fresh<R, T>(config: &Config, rx: R, tx: T) -> Result<Self>
    where
        R: Receive + Send + 'static,
        T: Transmit + Send + 'static,
    {
        let identity = Identity {
            shard: config.instance.shard,
            boot_id: [0; 2],
            epoch: 0,
        };
        let sessions = config.load_genesis()?.capacity.max_sessions;
        let sessions = usize::try_from(sessions).context("max_sessions")?;
        let words =
            usize::try_from(u64::from(config.memory.journal_mib) << 17).context("journal_mib")?;
        let frames = usize::try_from(config.memory.journal_frames).context("journal_frames")?;
        let map = |spec| Memory::anonymous(&spec, &identity);
        let regions = Regions {
            journal: map(journal_spec(frames, words))?,
            fast: map(fast_spec(sessions))?,
            slow: map(slow_spec())?,
            continues: false,
            identity,
        };
        let recovered = boot::recover(config, &regions, None)?;
        let epoch = recovered.sequencer.epoch();
        let tiles = Tiles::assemble(config, &regions, recovered, rx, tx)?;
        let fast = FastWriter::new(regions.fast.clone())?;
        let kinds = [TileKind::Net, TileKind::Match, TileKind::Out];
        Ok(Self {
            tiles: vec![
                Box::new(tiles.net),
                Box::new(tiles.matching),
                Box::new(tiles.out),
            ],
            blocks: kinds.map(|kind| fast.tile(block_of(kind))).into(),
            fast,
            slow: SlowWriter::new(regions.slow.clone())?,
            journal: regions.journal.clone(),
            epoch,
        })
    }
}
