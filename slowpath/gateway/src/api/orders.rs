//! Orders: enter, change, cancel, ask what became of them.

use crate::api::number;
use crate::auth::{Caller, Membership};
use crate::desk::Done;
use crate::live::now;
use crate::number::{I64, U64};
use crate::problem::{Problem, Refusals};
use crate::state::{App, Body, Path, Query};
use crate::view::{
    ApiOrder, ApiOrderType, ApiReport, ApiSide, ApiStatus, ApiTimeInForce, Tracked, wallet,
};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::{
    AmendOrder, CancelOrder, ClientOrderId, Command, Event, MarketId, NewOrder, OrderId, Price,
    Qty, Reason,
};
use serde::{Deserialize, Serialize};
use store::Outcome;
use utoipa::{IntoParams, ToSchema};

/// A new order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlaceOrder {
    /// The market's symbol; may be left out if there is only one.
    market: Option<String>,
    /// Your id for it, not 0, never used before by you: what makes it safe to ask again. One is made if
    /// you give none.
    client_order_id: Option<U64>,
    side: ApiSide,
    order_type: ApiOrderType,
    /// Ticks; left out for a market order.
    price: Option<I64>,
    /// Lots.
    quantity: U64,
    /// `GoodTillCancelled` unless said otherwise; a market order needs another.
    time_in_force: Option<ApiTimeInForce>,
    /// What happens to orders that would trade with your own. This version can only let them: `None`.
    #[expect(dead_code, reason = "there is only one value, which asks for nothing")]
    self_trade_behavior: Option<SelfTradeBehavior>,
}

/// What happens to orders that would trade with their own account's.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
pub(crate) enum SelfTradeBehavior {
    /// They trade.
    None,
}

/// A change of an order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModifyOrder {
    /// New price, ticks.
    price: I64,
    /// New total quantity, lots, the filled ones included; no more than those cancels the rest.
    quantity: U64,
}

/// What a command did, at its frame of the journal.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Applied {
    /// The order after it.
    order: ApiOrder,
    /// Everything that happened to your orders in this frame, in order. A large order may go on trading in
    /// the next frames: watch `UserOrders`.
    reports: Vec<ApiReport>,
    /// Engine sequence number of the frame.
    sequence: U64,
}

/// Enters an order.
///
/// The answer comes when the order is journalled (and, if the exchange promises it, durable). If the
/// connection breaks before, ask `GET /api/v1/orders/by-client-id/{client_order_id}`.
#[utoipa::path(post, path = "/api/v1/orders", tag = "orders", request_body = PlaceOrder,
    security(("bearer" = [])),
    responses(
        (status = 201, description = "accepted", body = Applied),
        Refusals,
    ))]
pub(crate) async fn place(
    State(app): State<App>,
    caller: Caller,
    Body(order): Body<PlaceOrder>,
) -> Result<(StatusCode, Json<Applied>), Problem> {
    let member = caller.membership(&app)?;
    app.limits.order(&caller.wallet)?;
    let market = app.market_or_only(order.market.as_deref())?;
    let client_order_id = match order.client_order_id {
        Some(U64(0)) => return Err(Problem::refused(Reason::InvalidClientOrderId)),
        Some(U64(id)) => ClientOrderId(id),
        None => ClientOrderId(fresh_id()?),
    };
    if order.client_order_id.is_some() {
        ensure_unused(&app, member, client_order_id).await?;
    }
    let (order_type, post_only) = order.order_type.parts();
    let command = Command::NewOrder(NewOrder {
        client_order_id,
        price: Price(order.price.unwrap_or_default().0),
        qty: Qty(order.quantity.0),
        market,
        side: order.side.into(),
        order_type,
        time_in_force: order
            .time_in_force
            .unwrap_or(ApiTimeInForce::GoodTillCancelled)
            .into(),
        post_only,
    });
    let done = app.live.command(member.source(), command).await?;
    let applied = applied(&app, &caller, member, None, &done)?;
    Ok((StatusCode::CREATED, Json(applied)))
}

/// An id that nobody used: the time, in nanoseconds, with a random end.
fn fresh_id() -> Result<u64, Problem> {
    let random = getrandom::u64().map_err(|error| {
        Problem::unavailable(format!("the system gives no random bytes: {error}"))
    })?;
    Ok((now().0 & !0xFFFF) | (random & 0xFFFF))
}

/// Refuses a client order id that the session has used: it would make two orders of one that was sent twice.
async fn ensure_unused(app: &App, member: Membership, id: ClientOrderId) -> Result<(), Problem> {
    let used = |what: &str| {
        Err(Problem::conflict(
            "client-order-id-used",
            "This client order id was used before",
            format!(
                "an order with client order id {} {what}: ask /api/v1/orders/by-client-id/{} what became of it, \
                 or use another id for another order",
                id.0, id.0
            ),
        ))
    };
    let (live, seq) = app
        .live
        .read(|engine, seq| (engine.order_id(member.session, id).is_some(), seq));
    if live {
        return used("is live");
    }
    let outcome = app.store.outcome(member.account, id).await?;
    match outcome.value {
        Some(Outcome::Accepted(_)) => return used("was accepted"),
        // What was refused never happened: the id may be used again.
        Some(Outcome::Refused(_)) | None => {}
    }
    // What the store has not seen yet, the hub still remembers.
    if outcome.seq >= seq {
        return Ok(());
    }
    match app.live.hub().has_used(member.session, id, outcome.seq.0) {
        Some(false) => Ok(()),
        Some(true) => used("was accepted"),
        None => Err(Problem::unavailable(
            "the history is too far behind to know whether this client order id was used: try again, or leave \
             client_order_id out",
        )),
    }
}

/// What a command did to its order: as it was before, if it was there, taken through the frame's events; or the
/// engine's refusal.
fn applied(
    app: &App,
    caller: &Caller,
    member: Membership,
    before: Option<Tracked>,
    done: &Done,
) -> Result<Applied, Problem> {
    let own = |event: &&Event| {
        event
            .report()
            .is_some_and(|(session, _)| session == member.session)
    };
    let mut order = before;
    let mut reports = Vec::new();
    for event in done.events.iter().filter(own) {
        if let Event::Rejected(rejected) = event {
            return Err(Problem::refused(rejected.reason));
        }
        order = follow(order, event, member);
        reports.extend(ApiReport::of(event));
    }
    let order = order.ok_or_else(|| {
        Problem::unknown_outcome(
            "the command was applied and says nothing of an order of this session",
        )
    })?;
    let name = app.live.hub().symbol(order.market);
    Ok(Applied {
        order: order.view(&name, Some(wallet(caller.wallet)), done.time),
        reports,
        sequence: U64(done.seq.0),
    })
}

/// The order of a command as an event leaves it.
fn follow(order: Option<Tracked>, event: &Event, member: Membership) -> Option<Tracked> {
    match (event, order) {
        (Event::Accepted(e), None) => Some(Tracked {
            order_id: e.order_id,
            client_order_id: e.client_order_id,
            session: e.session,
            account: member.account,
            market: e.market,
            side: e.side,
            order_type: e.order_type,
            time_in_force: e.time_in_force,
            post_only: e.post_only,
            price: e.price,
            qty: e.qty,
            leaves: e.qty,
            filled: Qty(0),
            ended: None,
        }),
        (Event::Amended(e), Some(mut order)) if order.order_id == e.order_id => {
            (order.price, order.qty, order.leaves) = (e.price, e.qty, e.leaves);
            order.filled = Qty(e.qty.0.saturating_sub(e.leaves.0));
            Some(order)
        }
        (Event::Fill(e), Some(mut order)) if order.order_id == e.order_id => {
            order.filled = Qty(order.filled.0 + e.qty.0);
            order.leaves = e.leaves;
            Some(order)
        }
        (Event::Canceled(e), Some(mut order)) if order.order_id == e.order_id => {
            order.ended = Some(e.reason);
            Some(order)
        }
        (_, order) => order,
    }
}

/// The engine's id in a path.
fn order_id(text: &str) -> Result<OrderId, Problem> {
    match number(text)? {
        0 => Err(Problem::not_found("order", 0)),
        id => Ok(OrderId(id)),
    }
}

/// The order that a caller names, as it was before the command: only the caller's own.
fn own_order(app: &App, member: Membership, id: OrderId) -> Result<Tracked, Problem> {
    let order = app.live.hub().order(id);
    let order = order.filter(|order| order.account == member.account);
    let order = order.ok_or_else(|| Problem::not_found("live order of yours", id.0))?;
    if order.session != member.session {
        return Err(Problem::forbidden(format!(
            "order {} was entered by session {} on the binary port: change it there",
            id.0, order.session.0
        )));
    }
    Ok(order)
}

/// One order.
///
/// Yours, live or past; auditors and operators see everybody's.
#[utoipa::path(get, path = "/api/v1/orders/{order_id}", tag = "orders",
    security(("bearer" = [])),
    params(("order_id" = String, Path, description = "the exchange's id", pattern = "^[0-9]{1,19}$")),
    responses(
        (status = 200, description = "the order", body = ApiOrder),
        Refusals,
    ))]
pub(crate) async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<ApiOrder>, Problem> {
    let id = order_id(&id)?;
    let hub = app.live.hub();
    let live = hub.order(id);
    let view = match live {
        Some(order) => {
            let owner = owner_of(&app, order.account);
            caller.ensure_reader(owner)?;
            let time = app.live.read(|engine, _| engine.now());
            order.view(&hub.symbol(order.market), owner.map(wallet), time)
        }
        None => {
            let found = app.store.order(id).await?.value;
            let order = found.ok_or_else(|| Problem::not_found("order", id.0))?;
            let owner = owner_of(&app, order.account);
            caller.ensure_reader(owner)?;
            ApiOrder::of_row(&order, &hub.symbol(order.market), owner.map(wallet))
        }
    };
    Ok(Json(view))
}

/// The wallet that owns an account.
pub(crate) fn owner_of(app: &App, account: domain::AccountId) -> Option<[u8; 32]> {
    let view = app.live.read(|engine, _| engine.account(account));
    view.map(|view| view.owner)
        .filter(|owner| *owner != [0; 32])
}

/// Changes price and quantity of a live order.
#[utoipa::path(put, path = "/api/v1/orders/{order_id}", tag = "orders", request_body = ModifyOrder,
    security(("bearer" = [])),
    params(("order_id" = String, Path, description = "the exchange's id", pattern = "^[0-9]{1,19}$")),
    responses(
        (status = 200, description = "changed", body = Applied),
        Refusals,
    ))]
pub(crate) async fn modify(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Body(change): Body<ModifyOrder>,
) -> Result<Json<Applied>, Problem> {
    let member = caller.membership(&app)?;
    app.limits.order(&caller.wallet)?;
    let before = own_order(&app, member, order_id(&id)?)?;
    let command = Command::AmendOrder(AmendOrder {
        order_id: before.order_id,
        client_order_id: ClientOrderId(0),
        price: Price(change.price.0),
        qty: Qty(change.quantity.0),
    });
    let done = app.live.command(member.source(), command).await?;
    applied(&app, &caller, member, Some(before), &done).map(Json)
}

/// Cancels a live order.
#[utoipa::path(delete, path = "/api/v1/orders/{order_id}", tag = "orders",
    security(("bearer" = [])),
    params(("order_id" = String, Path, description = "the exchange's id", pattern = "^[0-9]{1,19}$")),
    responses(
        (status = 200, description = "cancelled", body = Applied),
        Refusals,
    ))]
pub(crate) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Applied>, Problem> {
    let member = caller.membership(&app)?;
    let before = own_order(&app, member, order_id(&id)?)?;
    cancel_one(&app, &caller, member, before).await.map(Json)
}

async fn cancel_one(
    app: &App,
    caller: &Caller,
    member: Membership,
    before: Tracked,
) -> Result<Applied, Problem> {
    let command = Command::CancelOrder(CancelOrder {
        order_id: before.order_id,
        client_order_id: ClientOrderId(0),
    });
    let done = app.live.command(member.source(), command).await?;
    applied(app, caller, member, Some(before), &done)
}

/// Which orders to cancel.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Only of this market.
    #[param(max_length = 16)]
    market: Option<String>,
    /// Only of this side.
    #[param(inline)]
    side: Option<ApiSide>,
}

/// What a mass cancel did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CancelledAll {
    /// The orders that are gone.
    cancelled: Vec<ApiOrder>,
    /// Orders that were gone already when their turn came.
    gone: Vec<U64>,
}

/// Cancels all live orders that you entered here, or those of a market or side.
///
/// One by one, each a command of its own: an order may trade before its turn comes. Orders of sessions on
/// the binary port are left alone.
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
    let member = caller.membership(&app)?;
    let market: Option<MarketId> = which
        .market
        .as_deref()
        .map(|name| app.market(name))
        .transpose()?;
    let side = which.side.map(domain::Side::from);
    let mut result = CancelledAll {
        cancelled: Vec::new(),
        gone: Vec::new(),
    };
    for order in app.live.hub().orders_of(member.account) {
        let meant = order.session == member.session
            && market.is_none_or(|market| market == order.market)
            && side.is_none_or(|side| side == order.side);
        if !meant {
            continue;
        }
        match cancel_one(&app, &caller, member, order).await {
            Ok(applied) => result.cancelled.push(applied.order),
            Err(problem) if problem.status() == 404 => result.gone.push(U64(order.order_id.0)),
            Err(problem) => return Err(problem),
        }
    }
    Ok(Json(result))
}

/// What became of an order that you sent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrderOutcome {
    /// Whether it was accepted.
    accepted: bool,
    /// The order, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<ApiOrder>,
    /// The reason code, if it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<u16>,
    status: ApiStatus,
    /// Engine sequence number at which this is so.
    sequence: U64,
}

/// What became of an order, by your own id.
///
/// 404 means that no order with this id has happened up to `sequence` of the problem's time: if one was
/// under way, ask again.
#[utoipa::path(get, path = "/api/v1/orders/by-client-id/{client_order_id}", tag = "orders",
    security(("bearer" = [])),
    params(("client_order_id" = String, Path, description = "your id", pattern = "^[0-9]{1,19}$")),
    responses(
        (status = 200, description = "accepted or refused", body = OrderOutcome),
        Refusals,
    ))]
pub(crate) async fn outcome(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<OrderOutcome>, Problem> {
    let member = caller.membership(&app)?;
    let id = ClientOrderId(number(&id)?);
    let hub = app.live.hub();
    let owner = Some(wallet(caller.wallet));
    let (live, seq, time) = app
        .live
        .read(|engine, seq| (engine.order_id(member.session, id), seq, engine.now()));
    if let Some(order) = live.and_then(|id| hub.order(id)) {
        let order = order.view(&hub.symbol(order.market), owner, time);
        return Ok(Json(OrderOutcome {
            accepted: true,
            status: order.status,
            order: Some(order),
            reason: None,
            sequence: U64(seq.0),
        }));
    }
    let found = app.store.outcome(member.account, id).await?;
    let sequence = U64(found.seq.0);
    Ok(Json(match found.value {
        Some(Outcome::Accepted(order)) => {
            let order = ApiOrder::of_row(&order, &hub.symbol(order.market), owner);
            OrderOutcome {
                accepted: true,
                status: order.status,
                order: Some(order),
                reason: None,
                sequence,
            }
        }
        Some(Outcome::Refused(refused)) => OrderOutcome {
            accepted: false,
            order: None,
            reason: Some(u16::from(refused.reason)),
            status: ApiStatus::Rejected,
            sequence,
        },
        None => {
            return Err(Problem::not_found(
                "order of yours with client order id",
                id.0,
            ));
        }
    }))
}
