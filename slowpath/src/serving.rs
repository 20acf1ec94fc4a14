//! The gateway's thread: HTTP and WebSocket, for as long as the process lives.
//!
//! Whatever happens here, archiver and shadow engine go on.

use crate::console::say;
use crate::descriptors;
use crate::signals::Signals;
use crate::storing::database;
use anyhow::{Context as _, Result};
use domain::REQUEST_WORDS;
use gateway::{CommandRing, Gateway, Live};
use shm::RingProducer;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::Store;
use tokio::runtime::Runtime;
use topology::Config;

/// Wait before a gateway that could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// Time between two looks whether the process is to stop.
const LOOK: Duration = Duration::from_millis(20);
/// Questions to the store at a time.
const READERS: u32 = 4;

/// The command ring with its one producer.
pub struct Ring(Mutex<RingProducer>);

impl Ring {
    /// Of a producer.
    #[must_use]
    pub fn new(producer: RingProducer) -> Self {
        Self(Mutex::new(producer))
    }
}

impl CommandRing for Ring {
    fn push(&mut self, slot: &[u64; REQUEST_WORDS]) -> bool {
        let ring = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        let pushed = ring.push(slot).is_ok();
        ring.publish();
        pushed
    }

    fn is_drained(&self) -> bool {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.free() == ring.capacity()
    }
}

/// Serves until the process is to stop. Trouble is said once and tried again.
pub fn run(config: &Config, live: &Live, signals: &Arc<Signals>) {
    let mut config = config.clone();
    config.gateway.max_connections = descriptors::connections(config.gateway.max_connections);
    let mut told = String::new();
    while !signals.is_closing() {
        let Err(error) = serve(&config, live, signals) else {
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

fn serve(config: &Config, live: &Live, signals: &Arc<Signals>) -> Result<()> {
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
        let gateway = Gateway::new(config, &secret, live.clone(), store.clone())?;
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
