//! The exchange itself: state, markets, public configuration; health for machines.

use crate::live::{Standing, now};
use crate::number::U64;
use crate::problem::{Problem, Refusals};
use crate::state::App;
use crate::view::ApiMarket;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::{AccountId, ClientOrderId, Phase, SessionId};
use serde::Serialize;
use utoipa::ToSchema;

/// How the exchange is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Status {
    /// `starting`, `open`, `cancel-only` (for some seconds after a restart) or `stopped`.
    state: String,
    /// The instance's name.
    instance: String,
    /// The shard's number.
    shard: u16,
    /// The epoch: it rises when the end of the journal may have been lost.
    epoch: u32,
    /// The last engine sequence number that is published.
    sequence: U64,
    /// Engine time, UTC nanoseconds.
    engine_time: U64,
    /// This server's clock, UTC nanoseconds.
    server_time: U64,
    /// Up to where the history is complete; absent if the store does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    history_sequence: Option<U64>,
    /// Orders that can trade.
    live_orders: u64,
}

/// How the exchange is.
#[utoipa::path(get, path = "/api/v1/system/status", tag = "system",
    responses((status = 200, description = "the state", body = Status), Refusals))]
pub(crate) async fn status(State(app): State<App>) -> Json<Status> {
    let history = app.store.last_seq().await.ok();
    let standing = app.live.standing();
    let is_served = app.live.ensure_open().is_ok();
    Json(app.live.read(|engine, seq| {
        let state = match (standing, engine.phase()) {
            (Standing::CatchingUp, _) => "starting",
            (Standing::Diverged, _) => "stopped",
            (Standing::Live, _) if !is_served => "stopped",
            (Standing::Live, Phase::Open) => "open",
            (Standing::Live, Phase::CancelOnly) => "cancel-only",
        };
        Status {
            state: state.to_owned(),
            instance: app.instance.clone(),
            shard: app.shard,
            epoch: engine.epoch(),
            sequence: U64(seq.0),
            engine_time: U64(engine.now().0),
            server_time: U64(now().0),
            history_sequence: history.map(|seq| U64(seq.0)),
            live_orders: engine.live_orders() as u64,
        }
    }))
}

/// Markets and the units of their numbers.
#[utoipa::path(get, path = "/api/v1/system/markets", tag = "system",
    responses((status = 200, description = "markets", body = Vec<ApiMarket>), Refusals))]
pub(crate) async fn markets(State(app): State<App>) -> Json<Vec<ApiMarket>> {
    Json(all_markets(&app))
}

fn all_markets(app: &App) -> Vec<ApiMarket> {
    app.live.read(|engine, _| {
        let markets = engine.market_ids().filter_map(|market| {
            let terms = engine.market_terms(market)?;
            let base = engine.asset_terms(terms.base)?;
            let quote = engine.asset_terms(terms.quote)?;
            let (state, _) = engine.market_state(market)?;
            let collar = engine.collar(market)?;
            Some(ApiMarket::of(terms, (state, &collar), base, quote))
        });
        markets.collect()
    })
}

/// What clients have to know.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PublicConfig {
    /// Markets and the units of their numbers.
    markets: Vec<ApiMarket>,
    /// Who gets an account by logging on: `open` or `closed`.
    registration: String,
    /// Whether there are test funds.
    faucet: bool,
    /// Where the binary port listens.
    order_port: String,
    /// Requests per second of an address.
    requests_per_second: u32,
    /// Orders per second of a user.
    orders_per_second: u32,
    /// Seconds that an access token is valid.
    access_token_s: u64,
}

/// Public configuration: units, fees, limits.
#[utoipa::path(get, path = "/api/v1/system/config", tag = "system",
    responses((status = 200, description = "configuration", body = PublicConfig), Refusals))]
pub(crate) async fn config(State(app): State<App>) -> Json<PublicConfig> {
    let registration = match app.config.registration {
        topology::Registration::Open => "open",
        topology::Registration::Closed => "closed",
    };
    Json(PublicConfig {
        markets: all_markets(&app),
        registration: registration.to_owned(),
        faucet: app.config.faucet,
        order_port: app.port.clone(),
        requests_per_second: app.config.address_rate,
        orders_per_second: app.config.order_rate,
        access_token_s: app.config.access_token_s,
    })
}

/// Whether the process serves.
pub(crate) async fn health() -> (StatusCode, &'static str) {
    (StatusCode::OK, "ok\n")
}

/// Whether orders can be entered and answers are current.
pub(crate) async fn ready(State(app): State<App>) -> Result<&'static str, Problem> {
    app.live.ensure_open()?;
    // What an order with a client order id is looked for in before it is taken: tables may be damaged one by one.
    let of_nobody = (AccountId(u32::MAX), SessionId(u32::MAX));
    if let Err(error) = app.store.outcome(of_nobody, ClientOrderId(0)).await {
        return Err(match app.store_is_open() {
            true => error.into(),
            // Its thread says if that does not pass.
            false => Problem::unavailable(
                "the exchange is starting: the tables of its history are being made, or their database does not \
                 answer; try again",
            ),
        });
    }
    app.set_store_open();
    Ok("ready\n")
}
