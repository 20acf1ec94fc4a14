//! Figures for Prometheus at `/metrics`, of both processes, on an address of the operators' own.
//!
//! A thread of its own serves them from the moment that the slowpath has its region, with or without a gateway and
//! while the fastpath is down. It only reads shared memory.

mod catalogue;
mod collect;
mod family;

pub use catalogue::{catalogue, table};
pub use collect::Sources;

use crate::attach::OwnRegion;
use crate::console::say;
use crate::counters::{self, METRICS_PORT};
use crate::rejects::Rejects;
use anyhow::{Context as _, Result};
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use gateway::Measures;
use prometheus::TextEncoder;
use shm::{Counter, SlowView};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use topology::Config;

/// Wait before an address that could not be listened on is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// Connections at a time: the archive needs descriptors too.
const CLIENTS: usize = 16;

/// Where a slowpath that runs serves them; none if it does not, or not yet.
#[must_use]
pub fn address(config: &Config, slow: &SlowView) -> Option<SocketAddr> {
    let address = counters::address(slow, METRICS_PORT, config.metrics.bind)?;
    config.metrics.enabled.then_some(address)
}

/// Begins to serve, if `[metrics]` says so, until the process ends.
///
/// # Errors
/// If the system gives no thread.
pub fn start(
    config: &Config,
    own: &OwnRegion,
    measures: &Measures,
    rejects: &Rejects,
) -> Result<()> {
    let port = own.writer.counter(METRICS_PORT);
    // That of an earlier slowpath is not ours.
    port.set(0);
    if !config.metrics.enabled {
        return Ok(());
    }
    let boot_id = shm::boot_id().context("read the boot id")?;
    let sources = Sources::new(config, &own.memory, boot_id, measures, rejects);
    let sources = Arc::new(Mutex::new(sources));
    let bind = config.metrics.bind;
    std::thread::Builder::new()
        .name("metrics".to_owned())
        .spawn(move || run(bind, &sources, &port))
        .context("start the metrics' thread")?;
    Ok(())
}

/// Trouble is said once and tried again: figures are no reason to stop anything.
fn run(bind: SocketAddr, sources: &Arc<Mutex<Sources>>, port: &Counter) {
    let mut told = String::new();
    loop {
        let Err(error) = serve(bind, sources, port) else {
            return;
        };
        port.set(0);
        let error = format!("{error:#}");
        if error != told {
            say(format_args!(
                "trouble: no metrics, trying again: {error}; name a free port in metrics.bind"
            ));
            told = error;
        }
        std::thread::sleep(RETRY);
    }
}

fn serve(bind: SocketAddr, sources: &Arc<Mutex<Sources>>, port: &Counter) -> Result<()> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().context("start the runtime")?;
    runtime.block_on(async {
        let listener = TcpListener::bind(bind).with_context(|| format!("listen on {bind}"))?;
        let address = listener.local_addr()?;
        say(format_args!("metrics: http://{address}/metrics"));
        port.set(address.port().into());
        let sources = Arc::clone(sources);
        let answer = move || {
            let sources = Arc::clone(&sources);
            async move { figures(&mut sources.lock().unwrap_or_else(PoisonError::into_inner)) }
        };
        let app = Router::new().route("/metrics", get(answer));
        gateway::serve_few(listener, app, CLIENTS)
            .await
            .context("serve")
    })
}

fn figures(sources: &mut Sources) -> Response {
    let mut text = String::new();
    match TextEncoder::new().encode_utf8(&sources.collect(), &mut text) {
        Ok(()) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::warn!(%error, "the figures cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
