//! Protection: after how much of it has traded what a market maker quotes in a market goes.

use crate::auth::Caller;
use crate::number::U64;
use crate::problem::{Problem, Refusals};
use crate::report::ApiReport;
use crate::state::{App, Body, Query};
use axum::Json;
use axum::extract::State;
use domain::{Amount, Command, Event, ProtectionView, Qty, SetProtection};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What to do when it is not known whether a protection was set.
const UNKNOWN: &str = "the protection was sent and may still be set, within five seconds: set it again, or look at \
                       GET /api/v1/protection";

/// After how much of it has traded your quotes in a market go. All zeros, or all left out: there is no protection.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Protect {
    /// The market's symbol; may be left out if there is only one.
    market: Option<String>,
    /// How long trades are counted together, in nanoseconds from the first of them on; needed with a limit.
    #[schema(schema_with = crate::number::as_read_if_given)]
    window: Option<U64>,
    /// Lots; 0, or left out: no limit.
    #[schema(schema_with = crate::number::as_read_if_given)]
    max_quantity: Option<U64>,
    /// Base units of the quote asset; 0, or left out: no limit.
    #[schema(schema_with = crate::number::as_read_if_given)]
    max_notional: Option<U64>,
    /// Trades; 0, or left out: no limit.
    #[schema(value_type = Option<u64>, minimum = 0)]
    max_fills: Option<u32>,
    /// A number of yours, which stands in the report `ProtectionSet`.
    #[schema(schema_with = crate::number::as_read_if_given)]
    request: Option<U64>,
}

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Protected {
    /// `ProtectionSet`.
    reports: Vec<ApiReport>,
    /// Engine sequence number of its frame.
    sequence: U64,
}

/// Sets the protection of what you quote in a market.
///
/// Its counters are empty from now on, so quotes are taken again where it was reached. Quotes that are there stay.
#[utoipa::path(put, path = "/api/v1/protection", tag = "orders", request_body = Protect,
    security(("bearer" = [])),
    responses(
        (status = 200, description = "set", body = Protected),
        Refusals,
    ))]
pub(crate) async fn set(
    State(app): State<App>,
    caller: Caller,
    Body(asked): Body<Protect>,
) -> Result<Json<Protected>, Problem> {
    app.live.ensure_live()?;
    let member = caller.membership(&app)?;
    app.limits.order(&caller.wallet)?;
    let command = Command::SetProtection(SetProtection {
        request: asked.request.unwrap_or_default().0,
        window: asked.window.unwrap_or_default().0,
        max_qty: Qty(asked.max_quantity.unwrap_or_default().0),
        max_notional: Amount(asked.max_notional.unwrap_or_default().0),
        max_fills: asked.max_fills.unwrap_or_default(),
        market: app.market_or_only(asked.market.as_deref())?,
    });
    let done = app
        .live
        .commands(member.source(), &[command], UNKNOWN)
        .await?;
    let done = done
        .into_iter()
        .next()
        .unwrap_or_else(|| Err(Problem::busy()))?;
    let mut reports = Vec::new();
    for event in &done.events {
        if let Event::Rejected(refused) = event {
            return Err(Problem::refused(refused.reason));
        }
        reports.extend(ApiReport::of(event, |market| app.live.hub().symbol(market)));
    }
    Ok(Json(Protected {
        reports,
        sequence: U64(done.seq.0),
    }))
}

/// A protection and what has been counted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiProtection {
    /// The market's symbol.
    market: String,
    /// How long trades are counted together, in nanoseconds.
    window: U64,
    /// Lots; 0: no limit.
    max_quantity: U64,
    /// Base units of the quote asset; 0: no limit.
    max_notional: U64,
    /// Trades; 0: no limit.
    max_fills: u32,
    /// When the first trade was that is counted, UTC nanoseconds; 0 if there was none.
    begun: U64,
    /// Lots that were counted since then.
    quantity: U64,
    /// What they were worth, base units of the quote asset.
    notional: U64,
    /// Trades that were counted since then.
    fills: u32,
    /// Whether no quotes are taken there until it is set anew.
    reached: bool,
}

impl ApiProtection {
    fn of(view: &ProtectionView, market: String) -> Self {
        Self {
            market,
            window: U64(view.window),
            max_quantity: U64(view.max_qty.0),
            max_notional: U64(view.max_notional.0),
            max_fills: view.max_fills,
            begun: U64(view.begun.0),
            quantity: U64(view.qty.0),
            notional: U64(view.notional.0),
            fills: view.fills,
            reached: view.reached,
        }
    }
}

/// Your protections.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Protections {
    protections: Vec<ApiProtection>,
    /// Engine sequence number at which this is so.
    sequence: U64,
}

/// Which.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Of {
    /// Only of this market.
    #[param(max_length = 16)]
    market: Option<String>,
}

/// The protections of what you quote here, and what has been counted.
///
/// What was counted stays until the next trade or until it is set anew, also when the window is over.
#[utoipa::path(get, path = "/api/v1/protection", tag = "orders", params(Of),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "as they are now", body = Protections),
        Refusals,
    ))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(which): Query<Of>,
) -> Result<Json<Protections>, Problem> {
    app.live.ensure_live()?;
    let session = caller.membership(&app)?.session;
    let only = which
        .market
        .as_deref()
        .map(|name| app.market(name))
        .transpose()?;
    let (found, sequence) = app.live.read(|engine, seq| {
        let markets = engine
            .market_ids()
            .filter(|market| only.is_none_or(|only| only == *market));
        let found =
            markets.filter_map(|market| Some((market, engine.protection(session, market)?)));
        (found.collect::<Vec<_>>(), U64(seq.0))
    });
    let hub = app.live.hub();
    let protections = found
        .iter()
        .map(|(market, view)| ApiProtection::of(view, hub.symbol(*market)))
        .collect();
    Ok(Json(Protections {
        protections,
        sequence,
    }))
}
