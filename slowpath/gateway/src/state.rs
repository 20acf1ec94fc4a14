//! What every request works with.

use crate::auth::challenge::Challenges;
use crate::auth::revocation::Unwritten;
use crate::auth::token::Tokens;
use crate::faucet::Given;
use crate::limits::Limits;
use crate::live::Live;
use crate::measures::Measures;
use crate::problem::Problem;
use crate::turns::Turns;
use axum::extract::{FromRequest, FromRequestParts};
use domain::MarketId;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use store::Store;
use topology::Gateway;
use wire::auth::HostSecret;

/// Shared by all requests; cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

/// See [`App`].
pub(crate) struct Parts {
    pub(crate) config: Gateway,
    pub(crate) instance: String,
    pub(crate) shard: u16,
    /// Where the binary port listens.
    pub(crate) port: String,
    pub(crate) live: Live,
    pub(crate) store: Store,
    pub(crate) measures: Measures,
    pub(crate) tokens: Tokens,
    pub(crate) unwritten: Unwritten,
    /// The exchange's half of every agreement on a session's secret.
    pub(crate) host: HostSecret,
    pub(crate) challenges: Challenges,
    pub(crate) limits: Limits,
    /// By the faucet.
    pub(crate) given: Given,
    /// One request at a time chooses the number of a new account, session, asset or market.
    pub(crate) registering: tokio::sync::Mutex<()>,
    /// One request of an account at a time delegates or revokes, before it waits for `registering` if it has to.
    pub(crate) delegating: Turns,
    /// The store has answered: before, its tables may still be made.
    pub(crate) store_open: AtomicBool,
}

impl std::ops::Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The store has answered.
    pub(crate) fn set_store_open(&self) {
        // ORDER: nothing is read behind it.
        self.store_open.store(true, Ordering::Relaxed);
    }

    /// Whether the store has answered yet.
    pub(crate) fn store_is_open(&self) -> bool {
        // ORDER: nothing is read behind it.
        self.store_open.load(Ordering::Relaxed)
    }

    /// The market that a request names.
    pub(crate) fn market(&self, symbol: &str) -> Result<MarketId, Problem> {
        self.live.hub().market(symbol).ok_or_else(|| {
            Problem::not_found(
                "market",
                format!("{symbol:?}: /api/v1/system/markets lists them"),
            )
        })
    }

    /// The market that a request names, or the only one if it names none.
    pub(crate) fn market_or_only(&self, symbol: Option<&str>) -> Result<MarketId, Problem> {
        if let Some(symbol) = symbol {
            return self.market(symbol);
        }
        let mut markets = self
            .live
            .read(|engine, _| engine.market_ids().take(2).collect::<Vec<_>>());
        match (markets.pop(), markets.pop()) {
            (Some(market), None) => Ok(market),
            _ => Err(Problem::invalid(
                "market: there are several, so name one; /api/v1/system/markets lists them",
            )),
        }
    }
}

/// A JSON body; what is wrong with it is a problem.
#[derive(FromRequest)]
#[from_request(via(axum::Json), rejection(Problem))]
pub(crate) struct Body<T>(pub(crate) T);

/// The query; what is wrong with it is a problem.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub(crate) struct Query<T>(pub(crate) T);

/// A part of the path; what is wrong with it is a problem.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub(crate) struct Path<T>(pub(crate) T);
