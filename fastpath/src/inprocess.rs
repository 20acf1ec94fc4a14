//! The tiles of a fresh instance in memory of this process, over any port: for who measures them without a
//! kernel between.
//!
//! What differs from the real process: the regions are anonymous memory, no lock is taken, and whoever calls
//! polls the tiles, says where sessions are ([`Instance::bind`]), and writes the `slow` region. Nothing
//! derives keys of sessions that are opened or delegated later: only those of the genesis trade.

use anyhow::{Context as _, Result};
use domain::SessionId;
use nic::{Peer, Receive, Transmit};
use shm::{FastWriter, Identity, Memory, SlowWriter, TileBlock, fast_spec, slow_spec};
use tile::{Clock, Tile};
use topology::{Config, TileKind};

use crate::assembly::Tiles;
use crate::binding::KeyTag;
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
    /// By session id.
    tags: Vec<Option<KeyTag>>,
}

impl Instance {
    /// The session's client is at `peer`: as if it had established itself from there.
    ///
    /// # Panics
    /// If the genesis has no such session of the port.
    pub fn bind(&self, session: SessionId, peer: Peer) {
        let place = usize::try_from(session.0).expect("a session id indexes a table");
        let tag = self.tags[place].expect("a session of the port");
        self.fast.set_peer(place, tag.bind(peer));
    }

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
        let map = |spec| Memory::anonymous(&spec, &identity);
        let regions = Regions {
            journal: map(boot::journal_of(config)?)?,
            fast: map(fast_spec(sessions))?,
            slow: map(slow_spec())?,
            continues: false,
            identity,
        };
        let recovered = boot::recover(config, &regions, None, &Clock::now)?;
        let epoch = recovered.sequencer.epoch();
        let tiles = Tiles::assemble(config, &regions, recovered, rx, tx)?;
        let fast = FastWriter::new(regions.fast.clone())?;
        let tags = tiles.net.entry.sessions.iter();
        let tags = tags
            .map(|session| session.as_ref().map(|session| session.keys.tag))
            .collect();
        let kinds = [TileKind::Net, TileKind::Match, TileKind::Out];
        Ok(Self {
            tiles: vec![
                Box::new(tiles.net),
                Box::new(tiles.matching),
                Box::new(tiles.out),
            ],
            blocks: kinds.map(|kind| fast.tile(block_of(kind))).into(),
            fast,
            tags,
            slow: SlowWriter::new(regions.slow.clone())?,
            journal: regions.journal.clone(),
            epoch,
        })
    }
}
