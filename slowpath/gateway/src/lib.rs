//! The gateway: the door for everyone who is not colocated. HTTP and WebSocket, wallet log-on, limits.
//!
//! An order comes in by `api::orders`, goes through the [`desk`](Live) into the command ring, and is answered
//! when the shadow engine has seen its frame at the ack mode's watermark. Live reads come from the shadow
//! engine and say their sequence; history comes from the store; streams from the hub. docs/GATEWAY.md.
//!
//! Architecture invariants: nothing here writes what the journal says; nobody is told what is not in it; a slow
//! client costs itself.
#![forbid(unsafe_code)]
#![expect(
    unused_qualifications,
    reason = "the macros that describe the API qualify what is imported"
)]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "an answer looks for the events that it means"
)]

mod address;
mod administration;
mod api;
mod auth;
mod choices;
mod combination;
mod connections;
mod delegation;
mod deposits;
mod desk;
mod faucet;
mod http1;
mod hub;
mod limits;
mod live;
mod measures;
mod membership;
pub mod notation;
mod number;
mod parameters;
mod problem;
mod report;
mod serve;
mod state;
#[cfg(test)]
mod tests;
mod timeout;
mod turns;
mod upkeep;
mod view;
mod watched;
mod whole;
mod ws;

pub use desk::CommandRing;
pub use live::{Batch, Live, Standing};
pub use measures::Measures;
pub use serve::serve_few;

use auth::challenge::Challenges;
use auth::revocation::Unwritten;
use auth::token::Tokens;
use faucet::Given;
use limits::Limits;
use serve::TlsFiles;
use state::{App, Parts};
use std::net::TcpListener;
use std::sync::atomic::AtomicBool;
use store::Store;
use topology::{Config, Profile};
use turns::Turns;
use wire::auth::HostSecret;

/// Everything that a gateway is made of.
pub struct Gateway {
    app: App,
    listener: TcpListener,
    tls: Option<TlsFiles>,
}

/// Why there is no gateway.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}; name a free port in gateway.bind")]
    Listen {
        /// Which.
        address: std::net::SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// Serving failed.
    #[error("the gateway cannot serve: {0}")]
    Serve(std::io::Error),
    /// The system has no randomness.
    #[error("the system gives no random bytes: {0}; see random(7)")]
    NoRandomness(getrandom::Error),
}

impl Gateway {
    /// Listens; connections wait until [`Gateway::serve`]. What it does is counted in `measures`.
    ///
    /// # Errors
    /// [`GatewayError`]: the address is taken, or there is no randomness.
    pub fn new(
        config: &Config,
        host_secret: &[u8; 32],
        live: Live,
        store: Store,
        measures: Measures,
    ) -> Result<Self, GatewayError> {
        let address = config.gateway.bind;
        let listener =
            TcpListener::bind(address).map_err(|error| GatewayError::Listen { address, error })?;
        let process = getrandom::u64().map_err(GatewayError::NoRandomness)?;
        let mut challenge_key = [0; 32];
        getrandom::fill(&mut challenge_key).map_err(GatewayError::NoRandomness)?;
        let settings = config.gateway.clone();
        if settings.public_url.is_none() && config.profile != Profile::Development {
            tracing::warn!(
                "what wallets sign to log on does not say where this exchange is: set gateway.public_url"
            );
        }
        let tls = TlsFiles::of(config);
        let app = App::new(Parts {
            instance: config.instance.name.clone(),
            shard: config.instance.shard,
            port: config.port.bind.to_string(),
            live,
            store,
            host: HostSecret::from_bytes(*host_secret),
            measures,
            tokens: Tokens::new(host_secret, process, settings.access_token_s),
            unwritten: Unwritten::default(),
            challenges: Challenges::new(&challenge_key, name_of(config)),
            limits: Limits::new(&settings),
            given: Given::default(),
            registering: tokio::sync::Mutex::new(()),
            delegating: Turns::default(),
            store_open: AtomicBool::new(false),
            config: settings,
        });
        Ok(Self { app, listener, tls })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn address(&self) -> std::io::Result<std::net::SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` says so.
    ///
    /// # Errors
    /// [`GatewayError::Serve`]: certificate and key cannot be used, or the socket fails.
    pub async fn serve(
        self,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), GatewayError> {
        let app = self.app.clone();
        let upkeep = tokio::spawn(async move { upkeep::run(&app).await });
        let served = serve::serve(self.app, self.listener, self.tls, stop).await;
        upkeep.abort();
        served.map_err(GatewayError::Serve)
    }
}

/// Whether certificate and key can be used, if the configuration names any and there is a gateway.
///
/// # Errors
/// What is wrong with them and what to do.
pub fn check_tls(config: &Config) -> Result<(), String> {
    let files = TlsFiles::of(config).filter(|_| config.gateway.enabled);
    files.map_or(Ok(()), |files| files.check())
}

/// As the exchange is called in what wallets sign.
fn name_of(config: &Config) -> String {
    let (name, shard) = (&config.instance.name, config.instance.shard);
    match &config.gateway.public_url {
        Some(url) => format!("{url} (Sluice {name} shard {shard})"),
        None => format!("Sluice {name} shard {shard}"),
    }
}
