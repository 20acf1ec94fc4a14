//! What a signal means before the tiles run.

use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Until the tiles run, SIGTERM, SIGINT and SIGHUP end the process at once and in order, however long it replays or
/// waits for a lock: nobody was promised anything, and what stands in the journal the next start finds.
#[derive(Debug)]
pub struct Booting(Arc<AtomicBool>);

impl Booting {
    /// From now on. To be called first of all: before, these signals kill the process as if it had failed.
    ///
    /// # Errors
    /// If the system takes no handler.
    pub fn begin() -> Result<Self> {
        let booting = Arc::new(AtomicBool::new(true));
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            signal_hook::flag::register_conditional_shutdown(signal, 0, Arc::clone(&booting))
                .context("install a handler")?;
        }
        Ok(Self(booting))
    }

    /// Somebody else listens by now.
    pub(crate) fn over(&self) {
        // ORDER: read by a signal handler, to which nothing else is said.
        self.0.store(false, Ordering::Relaxed);
    }
}
