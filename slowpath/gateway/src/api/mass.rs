//! Many orders at once: mass cancels and kill switches, of users and of operators. Each is one command of the engine.

use crate::administration::administer;
use crate::api::users::ensure_done;
use crate::api::{Journalled, bound};
use crate::auth::{Auditor, Caller, Membership, Operator};
use crate::choices::{ApiScope, OwnScope};
use crate::desk::Done;
use crate::number::{I64, U64};
use crate::problem::{Problem, Refusals};
use crate::state::{App, Body, Query};
use crate::view::{ApiOrder, ApiSide, Tracked, wallet};
use crate::whole::to_the_end;
use axum::Json;
use axum::extract::State;
use domain::{
    Command, Event, Flag, KillSwitch, MarketId, MassCancel, Price, Scope, Sides, Source, Zero,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which orders to cancel.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// `Session`, which are those that were entered here, unless said otherwise.
    #[param(inline)]
    scope: Option<OwnScope>,
    /// Only of this market.
    #[param(max_length = 16)]
    market: Option<String>,
    /// Only of this side.
    #[param(inline)]
    side: Option<ApiSide>,
    /// Only of this price or higher, ticks.
    #[param(inline)]
    price_min: Option<I64>,
    /// Only of this price or lower, ticks.
    #[param(inline)]
    price_max: Option<I64>,
    /// A number of yours, which stands in the report `MassCancelled`.
    #[param(inline)]
    request: Option<U64>,
}

/// What was cancelled.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CancelledAll {
    /// The orders that are gone.
    cancelled: Vec<ApiOrder>,
    /// How many they are.
    count: U64,
    /// Engine sequence number of the frame with the last of them.
    sequence: U64,
}

/// Of which market, side and prices.
struct Range {
    market: MarketId,
    sides: Sides,
    lowest: Price,
    highest: Price,
}

impl Range {
    fn of(
        app: &App,
        market: Option<&str>,
        side: Option<ApiSide>,
        [lowest, highest]: [Option<I64>; 2],
    ) -> Result<Self, Problem> {
        let (lowest, highest) = (bound("price_min", lowest)?, bound("price_max", highest)?);
        if highest != Price(0) && lowest > highest {
            return Err(Problem::invalid(format!(
                "price_min {} is above price_max {}: no price is between them",
                lowest.0, highest.0
            )));
        }
        Ok(Self {
            market: match market {
                Some(name) => app.market(name)?,
                None => MarketId::ANY,
            },
            sides: match side {
                Some(ApiSide::Bid) => Sides::Buys,
                Some(ApiSide::Ask) => Sides::Sells,
                None => Sides::Both,
            },
            lowest,
            highest,
        })
    }

    fn command(&self, request: u64, scope: Scope, target: u32) -> Command {
        Command::MassCancel(MassCancel {
            request,
            lowest: self.lowest,
            highest: self.highest,
            target,
            market: self.market,
            scope,
            sides: self.sides,
            pad: [Zero::Zero; 6],
        })
    }
}

/// Cancels all live orders that you entered here, or all of your account, or those of a market, a side or a range of
/// prices.
///
/// By one command, which nothing of yours can come between. The answer comes when the last of them is gone.
#[utoipa::path(delete, path = "/api/v1/orders", tag = "orders", params(Which),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "cancelled", body = CancelledAll),
        Refusals,
    ))]
pub(crate) async fn cancel_all(
    State(app): State<App>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Json<CancelledAll>, Problem> {
    app.live.ensure_live()?;
    let member = caller.membership(&app)?;
    app.limits.order(&caller.wallet)?;
    let prices = [which.price_min, which.price_max];
    let range = Range::of(&app, which.market.as_deref(), which.side, prices)?;
    let request = which.request.unwrap_or_default().0;
    let scope = which.scope.unwrap_or_default();
    let command = range.command(request, scope.into(), 0);
    let done = app.live.command(member.source(), command).await?;
    cancelled(&app, &caller, member, &done).map(Json)
}

/// To turn a kill switch on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stop {
    /// `Session`, by which this API enters your orders, or all of your account.
    scope: OwnScope,
    /// A number of yours, which stands in the report `MassCancelled`.
    #[schema(schema_with = crate::number::as_read_if_given)]
    request: Option<U64>,
}

/// Stops your session or your account: cancels all of its orders and takes no others.
///
/// Orders can still be cancelled. Only an operator turns it off again.
#[utoipa::path(post, path = "/api/v1/kill-switch", tag = "orders", request_body = Stop,
    security(("bearer" = [])),
    responses(
        (status = 200, description = "stopped", body = CancelledAll),
        Refusals,
    ))]
pub(crate) async fn kill(
    State(app): State<App>,
    caller: Caller,
    Body(stop): Body<Stop>,
) -> Result<Json<CancelledAll>, Problem> {
    app.live.ensure_live()?;
    let member = caller.membership(&app)?;
    app.limits.order(&caller.wallet)?;
    let scope = stop.scope;
    let request = stop.request.unwrap_or_default().0;
    let command = switch(request, scope.into(), 0, true);
    let done = app.live.command(member.source(), command).await?;
    cancelled(&app, &caller, member, &done).map(Json)
}

fn switch(request: u64, scope: Scope, target: u32, on: bool) -> Command {
    Command::KillSwitch(KillSwitch {
        request,
        target,
        scope,
        on: Flag::from(on),
        pad: [Zero::Zero; 2],
    })
}

/// What a mass cancel or a kill switch of a session did, or the engine's refusal.
fn cancelled(
    app: &App,
    caller: &Caller,
    member: Membership,
    done: &Done,
) -> Result<CancelledAll, Problem> {
    let hub = app.live.hub();
    let view = |order: Tracked| {
        let owner = Some(wallet(caller.wallet));
        order.view(&hub.symbol(order.market), owner)
    };
    let mut count = None;
    for event in &done.events {
        match event {
            Event::Rejected(refused) if refused.session == member.session => {
                return Err(Problem::refused(refused.reason));
            }
            Event::MassCanceled(ended) => count = Some(ended.count),
            _ => {}
        }
    }
    let count = count.ok_or_else(|| {
        Problem::unknown_outcome("the command was applied and does not say what it did")
    })?;
    Ok(CancelledAll {
        cancelled: done.cancelled.iter().copied().map(view).collect(),
        count: U64(count),
        sequence: U64(done.seq.0),
    })
}

/// Whose orders an operator means.
fn target(scope: ApiScope, target: Option<u32>) -> Result<u32, Problem> {
    match (scope, target) {
        (ApiScope::Everyone, None | Some(0)) => Ok(0),
        (ApiScope::Everyone, Some(_)) => Err(Problem::invalid(
            "target: leave it out with scope Everyone, which is about everybody",
        )),
        (ApiScope::Firm, Some(0)) => Err(Problem::invalid(
            "target: firm 0 is no firm; name one from 1 on",
        )),
        (_, Some(target)) => Ok(target),
        (_, None) => Err(Problem::invalid(
            "target is missing: give the number of the session, account or firm",
        )),
    }
}

/// Whose orders to cancel.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CancelOf {
    /// What `target` is.
    scope: ApiScope,
    /// Number of the session, account or firm; left out with `Everyone`.
    #[schema(value_type = Option<u64>, minimum = 0)]
    target: Option<u32>,
    /// Only of this market.
    #[schema(max_length = 16)]
    market: Option<String>,
    /// Only of this side.
    side: Option<ApiSide>,
    /// Only of this price or higher, ticks.
    price_min: Option<I64>,
    /// Only of this price or lower, ticks.
    price_max: Option<I64>,
}

/// Cancels orders of a session, an account, a firm or everybody.
///
/// The answer comes when it is journalled. The cancels follow before any other command is taken.
#[utoipa::path(post, path = "/api/v1/admin/orders/cancel", tag = "administration", request_body = CancelOf,
    security(("bearer" = [])),
    responses(
        (status = 200, description = "journalled", body = Journalled),
        Refusals,
    ))]
pub(crate) async fn cancel_of(
    State(app): State<App>,
    Operator(caller): Operator,
    Body(which): Body<CancelOf>,
) -> Result<Json<Journalled>, Problem> {
    let target = target(which.scope, which.target)?;
    let prices = [which.price_min, which.price_max];
    let range = Range::of(&app, which.market.as_deref(), which.side, prices)?;
    let command = range.command(0, which.scope.into(), target);
    journalled(app, caller, command).await
}

/// A kill switch to turn on or off.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetKillSwitch {
    /// What `target` is.
    scope: ApiScope,
    /// Number of the session, account or firm; left out with `Everyone`.
    #[schema(value_type = Option<u64>, minimum = 0)]
    target: Option<u32>,
    /// On cancels all orders and takes no others; off takes them again.
    on: bool,
}

/// Turns a kill switch on or off.
///
/// A switch is its scope and target: an account's that is turned off leaves those of its sessions on. Cancels are
/// taken all the same.
#[utoipa::path(put, path = "/api/v1/admin/kill-switches", tag = "administration", request_body = SetKillSwitch,
    security(("bearer" = [])),
    responses(
        (status = 200, description = "journalled", body = Journalled),
        Refusals,
    ))]
pub(crate) async fn set_kill_switch(
    State(app): State<App>,
    Operator(caller): Operator,
    Body(set): Body<SetKillSwitch>,
) -> Result<Json<Journalled>, Problem> {
    let target = target(set.scope, set.target)?;
    let command = switch(0, set.scope.into(), target, set.on);
    journalled(app, caller, command).await
}

/// Sends a command of administration that makes nothing.
pub(crate) async fn journalled(
    app: App,
    caller: Caller,
    command: Command,
) -> Result<Json<Journalled>, Problem> {
    to_the_end(async move {
        let done = administer(&app, caller.wallet, Source::ADMINISTRATION, command).await?;
        ensure_done(&done.events)?;
        let sequence = U64(done.seq.0);
        Ok(Json(Journalled { sequence }))
    })
    .await
}

/// A kill switch that is on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiKillSwitch {
    scope: ApiScope,
    /// Number of the session, account or firm; 0 of everybody.
    target: u32,
}

/// The kill switches that are on. For operators and auditors.
#[utoipa::path(get, path = "/api/v1/admin/kill-switches", tag = "administration",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "those that are on", body = Vec<ApiKillSwitch>),
        Refusals,
    ))]
pub(crate) async fn kill_switches(
    State(app): State<App>,
    _: Auditor,
) -> Result<Json<Vec<ApiKillSwitch>>, Problem> {
    app.live.ensure_live()?;
    Ok(Json(app.live.read(|engine, _| {
        let on = engine.kill_switches();
        on.map(|(scope, target)| ApiKillSwitch {
            scope: scope.into(),
            target,
        })
        .collect()
    })))
}
