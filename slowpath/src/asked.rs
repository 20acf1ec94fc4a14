//! Whether somebody asked a process to stop.

use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether SIGTERM, SIGINT or SIGHUP asked the process to stop. The default one hears nothing.
#[derive(Clone, Debug, Default)]
pub struct Asked(Arc<AtomicBool>);

impl Asked {
    /// Listens from now on. To be called first of all: until then these signals kill the process, as if it had left
    /// something undone.
    ///
    /// # Errors
    /// If the system takes no handler.
    pub fn listen() -> Result<Self> {
        let asked = Self::default();
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&asked.0))
                .context("install a handler")?;
        }
        Ok(asked)
    }

    /// Whether one came since.
    #[must_use]
    pub fn is_set(&self) -> bool {
        // ORDER: the flag is set by a signal handler and is the whole message.
        self.0.load(Ordering::Relaxed)
    }
}
