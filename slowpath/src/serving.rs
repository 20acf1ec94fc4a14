//! The gateway's thread: HTTP and WebSocket, for as long as the process lives.
//!
//! Whatever happens here, archiver and shadow engine go on.

use crate::console::say;
use crate::descriptors;
use crate::signals::Signals;
use crate::storing::database;
use anyhow::{Context as _, Result};
use domain::REQUEST_WORDS;
use gateway::{CommandRing, Gateway, Live, Measures};
use shm::layout::TileView;
use shm::layout::fast_layout::TILES;
use shm::{FastView, RingProducer, TileState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use store::Store;
use tokio::runtime::Runtime;
use topology::Config;
use topology::instruments::tile_kind;

/// Wait before a gateway that could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// Time between two looks whether the process is to stop.
const LOOK: Duration = Duration::from_millis(20);
/// Questions to the store at a time.
const READERS: u32 = 4;

/// A match tile that has been silent for so long takes no commands.
const SILENCE: Duration = Duration::from_secs(2);

/// The command ring with its one producer, and what its consumer shows.
pub struct Ring {
    producer: Mutex<RingProducer>,
    fast: FastView,
    pulse: Mutex<Pulse>,
}

/// The last heartbeat that was seen, and when: by a clock that nobody sets, because the heartbeat is UTC as
/// the fastpath took it when it was started.
struct Pulse {
    heartbeat: u64,
    seen: Instant,
}

impl Ring {
    /// Of a producer, into the fastpath whose region is `fast`.
    #[must_use]
    pub fn new(producer: RingProducer, fast: FastView) -> Self {
        Self {
            producer: Mutex::new(producer),
            fast,
            pulse: Mutex::new(Pulse {
                heartbeat: 0,
                seen: Instant::now(),
            }),
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
        self.take_pulse();
        let runs = self.match_tile().map(|tile| tile.state) == Some(Some(TileState::Run));
        let pulse = self.pulse.lock().unwrap_or_else(PoisonError::into_inner);
        runs && pulse.seen.elapsed() < SILENCE
    }

    fn take_pulse(&self) {
        let heartbeat = self.match_tile().map_or(0, |tile| tile.heartbeat);
        let mut pulse = self.pulse.lock().unwrap_or_else(PoisonError::into_inner);
        if pulse.heartbeat != heartbeat {
            *pulse = Pulse {
                heartbeat,
                seen: Instant::now(),
            };
        }
    }
}

/// Serves until the process is to stop. Trouble is said once and tried again.
pub fn run(config: &Config, live: &Live, measures: &Measures, signals: &Arc<Signals>) {
    let mut config = config.clone();
    config.gateway.max_connections = descriptors::connections(config.gateway.max_connections);
    let mut told = String::new();
    while !signals.is_closing() {
        let Err(error) = serve(&config, live, measures, signals) else {
            return;
        };
        let error = format!("{error:#}");
        if error != told {
            say(format_args!("trouble: no gateway, trying again: {error}"));
            told = error;
        }
        let mut left = RETRY;
        while !left.is_zero() && !signals.is_closing() {
            std::thread::sleep(LOOK);
            left = left.saturating_sub(LOOK);
        }
    }
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

fn serve(config: &Config, live: &Live, measures: &Measures, signals: &Arc<Signals>) -> Result<()> {
    let secret = topology::secret::load_or_create(&config.secret_file())?;
    let runtime = runtime(config)?;
    let signals = Arc::clone(signals);
    let stop = async move {
        while !signals.is_closing() {
            tokio::time::sleep(LOOK).await;
        }
    };
    runtime.block_on(async {
        let store = Store::new(&database(config)?, READERS)?;
        let gateway = Gateway::new(
            config,
            &secret,
            live.clone(),
            store.clone(),
            measures.clone(),
        )?;
        let scheme = if config.gateway.tls_cert.is_some() {
            "https"
        } else {
            "http"
        };
        say(format_args!("gateway: {scheme}://{}", gateway.address()?));
        gateway.serve(stop).await?;
        store.close().await;
        Ok(())
    })
}
