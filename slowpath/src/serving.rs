//! The gateway's thread: HTTP and WebSocket, for as long as the process lives.
//!
//! Whatever happens here, archiver and shadow engine go on.

use crate::console::say;
use crate::counters::{self, GATEWAY_PORT, GATEWAY_TROUBLES};
use crate::descriptors;
use crate::room::Room;
use crate::signals::Signals;
use crate::storing::database;
use crate::trouble::Trouble;
use anyhow::{Context as _, Result};
use domain::{REQUEST_WORDS, Seq};
use gateway::{CommandRing, Gateway, Live, Measures};
use shm::heartbeat::is_silent;
use shm::layout::TileView;
use shm::layout::fast_layout::TILES;
use shm::{
    Counter, FastView, LogReader, RingProducer, SlowView, SlowWriter, TileState, since_boot,
};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use store::Store;
use tokio::runtime::Runtime;
use topology::Config;
use topology::instruments::{matching, tile_kind};

/// Wait before a gateway that could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// Time between two looks whether the process is to stop.
const LOOK: Duration = Duration::from_millis(20);
/// Questions to the store at a time.
const READERS: u32 = 4;

/// The command ring with its one producer, what its consumer shows, and the journal in which commands appear.
pub struct Ring {
    producer: Mutex<RingProducer>,
    fast: FastView,
    slow: SlowView,
    journal: LogReader,
    room: Room,
    signals: Arc<Signals>,
}

impl Ring {
    /// Of a producer, into the fastpath whose region is `fast` and which writes `journal`, as far as `slow` lets it.
    #[must_use]
    pub fn new(
        producer: RingProducer,
        fast: FastView,
        slow: SlowView,
        journal: LogReader,
        signals: Arc<Signals>,
    ) -> Self {
        Self {
            producer: Mutex::new(producer),
            fast,
            slow,
            journal,
            room: Room::new(Instant::now()),
            signals,
        }
    }
}

impl Ring {
    fn match_tile(&self) -> Option<TileView> {
        let mut tiles = (0..TILES).filter_map(|slot| self.fast.tile(slot));
        tiles.find(|tile| tile.kind == tile_kind::MATCH)
    }
}

impl CommandRing for Ring {
    fn push(&mut self, slot: &[u64; REQUEST_WORDS]) -> bool {
        let ring = self
            .producer
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let pushed = ring.push(slot).is_ok();
        ring.publish();
        pushed
    }

    fn waiting(&self) -> u64 {
        let mut ring = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        (ring.capacity() - ring.free()) as u64
    }

    fn is_served(&self) -> bool {
        self.match_tile().is_some_and(|tile| {
            tile.state == Some(TileState::Run) && !is_silent(tile.heartbeat, since_boot())
        })
    }

    fn blockage(&mut self) -> Option<String> {
        let tile = self.match_tile()?;
        let turns = tile.counters[matching::no_room];
        let gate = self.slow.durable_seq().min(self.fast.out_seq());
        let stand = (self.journal.head(), gate);
        if !self.room.is_used_up(stand, turns, Instant::now()) {
            return None;
        }
        let why = self.signals.archive_trouble().map(|kind| kind.to_string());
        let why = why
            .as_deref()
            .unwrap_or("the archive or the out tile stands still, `sluice status` says which");
        Some(format!("journal memory is full ({why})"))
    }

    fn journalled(&self) -> Seq {
        Seq(self.journal.head())
    }
}

/// Where the gateway of a slowpath that runs listens; none if it does not, or not yet.
#[must_use]
pub fn address(config: &Config, slow: &SlowView) -> Option<SocketAddr> {
    let address = counters::address(slow, GATEWAY_PORT, config.gateway.bind)?;
    config.gateway.enabled.then_some(address)
}

/// Whether the gateway listens, as others see it.
pub struct Door {
    port: Counter,
    trouble: Trouble,
    /// What kept it shut, as it was said last.
    told: String,
}

impl Door {
    /// Shut, whatever an earlier slowpath has left.
    #[must_use]
    pub fn new(slow: &SlowWriter) -> Self {
        let port = slow.counter(GATEWAY_PORT);
        port.set(0);
        Self {
            port,
            trouble: Trouble::new(slow, GATEWAY_TROUBLES, "the gateway listens"),
            told: String::new(),
        }
    }

    fn open(&mut self, scheme: &str, address: SocketAddr) {
        self.trouble.end();
        self.told.clear();
        say(format_args!("gateway: {scheme}://{address}"));
        self.port.set(address.port().into());
    }

    fn shut(&self) {
        self.port.set(0);
    }

    /// It stays shut for now, which is said once.
    fn fail(&mut self, error: &anyhow::Error) {
        self.shut();
        self.trouble.note("no gateway");
        let error = format!("{error:#}");
        if error != self.told {
            say(format_args!("trouble: no gateway, trying again: {error}"));
            self.told = error;
        }
    }
}

/// Serves until the process is to stop, from when there is a shadow engine to be read. Trouble is said once and tried
/// again.
pub fn run(
    config: &Config,
    live: &Receiver<Live>,
    measures: &Measures,
    signals: &Arc<Signals>,
    mut door: Door,
) {
    let Some(live) = wait_for(live, signals) else {
        return;
    };
    let mut config = config.clone();
    config.gateway.max_connections = descriptors::connections(config.gateway.max_connections);
    while !signals.is_closing() {
        let Err(error) = serve(&config, &live, measures, signals, &mut door) else {
            return door.shut();
        };
        door.fail(&error);
        let mut left = RETRY;
        while !left.is_zero() && !signals.is_closing() {
            std::thread::sleep(LOOK);
            left = left.saturating_sub(LOOK);
        }
    }
}

/// None if the process is to stop before.
fn wait_for(live: &Receiver<Live>, signals: &Signals) -> Option<Live> {
    while !signals.is_closing() {
        match live.recv_timeout(LOOK) {
            Ok(live) => return Some(live),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    None
}

fn runtime(config: &Config) -> Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder
        .worker_threads(config.gateway.threads)
        .thread_name("gateway")
        .enable_all()
        .build()
        .context("start the gateway's threads")
}

fn serve(
    config: &Config,
    live: &Live,
    measures: &Measures,
    signals: &Arc<Signals>,
    door: &mut Door,
) -> Result<()> {
    // Before it listens: else it would seem open each time that it is tried.
    gateway::check_tls(config).map_err(anyhow::Error::msg)?;
    let secret = topology::secret::load_or_create(&config.secret_file())?;
    let runtime = runtime(config)?;
    let signals = Arc::clone(signals);
    let stop = async move {
        while !signals.is_closing() {
            tokio::time::sleep(LOOK).await;
        }
    };
    runtime.block_on(async {
        let store = Store::new(&database(config)?, READERS);
        let gateway = Gateway::new(
            config,
            &secret,
            live.clone(),
            store.clone(),
            measures.clone(),
        )?;
        door.open(config.gateway.scheme(), gateway.address()?);
        gateway.serve(stop).await?;
        store.close().await;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm::heartbeat::SILENCE;
    use shm::{
        FastWriter, Identity, Memory, command_ring_producer, fast_spec, journal_spec, slow_spec,
    };

    /// A match tile whose last heartbeat is old is dead although it was only seen now, and says that it runs.
    #[test]
    fn only_a_match_tile_that_has_beaten_lately_serves() -> Result<()> {
        let identity = Identity {
            shard: 0,
            boot_id: [1, 2],
            epoch: 1,
        };
        let fast = Memory::anonymous(&fast_spec(1), &identity)?;
        let slow = Memory::anonymous(&slow_spec(), &identity)?;
        let producer = command_ring_producer(&slow, &fast)?;
        let journal = Memory::anonymous(&journal_spec(1 << 10, 1 << 16), &identity)?;
        let journal = LogReader::new(journal, 1)?;
        let (fast_view, slow) = (FastView::new(fast.clone())?, SlowView::new(slow)?);
        let ring = Ring::new(producer, fast_view, slow, journal, Arc::default());
        assert!(!ring.is_served(), "there is no tile");
        let block = FastWriter::new(fast)?.tile(1);
        block.set_kind(tile_kind::MATCH);
        block.set_state(TileState::Run);
        let now = since_boot();
        for (heartbeat, serves) in [(now, true), (now - now.min(2 * SILENCE), false)] {
            block.beat(heartbeat);
            assert_eq!(ring.is_served(), serves, "{heartbeat} of {now}");
        }
        block.beat(since_boot());
        block.set_state(TileState::Halt);
        assert!(!ring.is_served());
        Ok(())
    }
}
