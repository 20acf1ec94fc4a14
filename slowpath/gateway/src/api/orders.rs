//! Orders: enter, change, cancel, ask what became of them.

use crate::api::new_order::PlaceOrder;
use crate::api::number;
use crate::auth::{Caller, Membership};
use crate::desk::{Done, Reserved};
use crate::live::now;
use crate::number::{I64, U64};
use crate::problem::{Problem, Refusals};
use crate::report::ApiReport;
use crate::state::{App, Body, Path, Query};
use crate::timeout::SentAs;
use crate::view::{ApiOrder, ApiStatus, Tracked, reason_name, wallet};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use domain::{
    AccountId, AmendOrder, CancelOrder, ClientOrderId, Command, Event, OrderId, Price, Qty, Reason,
};
use serde::{Deserialize, Serialize};
use store::Outcome;
use utoipa::{IntoParams, ToSchema};

/// A change of an order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModifyOrder {
    /// New price, ticks; left out: the one that it has. Of a `Stop` it is not looked at.
    price: Option<I64>,
    /// New total quantity, lots, the filled ones included; no more than those cancels the rest. Left out: the one that it
    /// has when this is asked for.
    quantity: Option<U64>,
    /// Your id for it from now on, not 0, never used before by you; left out: the one that it has.
    new_client_order_id: Option<U64>,
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
    Extension(sent_as): Extension<SentAs>,
    Body(order): Body<PlaceOrder>,
) -> Result<(StatusCode, Json<Applied>), Problem> {
    app.live.ensure_live()?;
    let member = caller.membership(&app)?;
    app.limits.order(&caller.wallet)?;
    let market = app.market_or_only(order.market.as_deref())?;
    let client_order_id = match order.client_order_id {
        Some(U64(0)) => return Err(Problem::refused(Reason::InvalidClientOrderId)),
        Some(U64(id)) => ClientOrderId(id),
        None => ClientOrderId(fresh_id()?),
    };
    let entered = order.entered(market, client_order_id)?;
    let _reserved = match order.client_order_id {
        Some(_) => reserve(&app, member, client_order_id).await?,
        // Nobody used it; kept all the same, so that what becomes of it can be asked for.
        None => keep(&app, member, client_order_id)?,
    };
    sent_as.say(client_order_id);
    let done = app
        .live
        .command(member.source(), Command::NewOrder(entered))
        .await;
    let refused = |reason| Problem::refused_order(reason, &entered);
    let applied = done.and_then(|done| applied_or(&app, &caller, member, &done, refused));
    let applied = applied.map_err(|problem| problem.of_order(client_order_id))?;
    Ok((StatusCode::CREATED, Json(applied)))
}

/// An id that nobody used: the time, in nanoseconds, with a random end.
pub(crate) fn fresh_id() -> Result<u64, Problem> {
    let random = getrandom::u64().map_err(|error| {
        Problem::unavailable(format!("the system gives no random bytes: {error}"))
    })?;
    Ok((now().0 & !0xFFFF) | (random & 0xFFFF))
}

/// Keeps a client order id for one order. It is refused if the session has used it or is using it: of one order that
/// was sent twice it would make two.
async fn reserve(
    app: &App,
    member: Membership,
    id: ClientOrderId,
) -> Result<Reserved<'_>, Problem> {
    let reserved = keep(app, member, id)?;
    ensure_unused(app, member, id).await?;
    Ok(reserved)
}

/// Keeps a client order id, unless an order with it is under way.
fn keep(app: &App, member: Membership, id: ClientOrderId) -> Result<Reserved<'_>, Problem> {
    let reserved = app.live.desk().reserve(member.source(), id);
    reserved.ok_or_else(|| {
        Problem::conflict(
            "client-order-id-under-way",
            "An order with this client order id is under way",
            format!(
                "an order with client order id {} was sent and its outcome is not known yet: ask \
                 /api/v1/orders/by-client-id/{}",
                id.0, id.0
            ),
        )
    })
}

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
    if app.live.hub().accepted(member.session, id).is_some() {
        return used("was accepted");
    }
    let outcome = app.store.outcome(member.owner(), id).await?;
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
        None => Err(Problem::history_behind()),
    }
}

/// What a command did to its order, or the engine's refusal.
fn applied(
    app: &App,
    caller: &Caller,
    member: Membership,
    done: &Done,
) -> Result<Applied, Problem> {
    applied_or(app, caller, member, done, Problem::refused)
}

/// The same, with a refusal as `refused` puts it.
fn applied_or(
    app: &App,
    caller: &Caller,
    member: Membership,
    done: &Done,
    refused: impl FnOnce(Reason) -> Problem,
) -> Result<Applied, Problem> {
    let own = |event: &&Event| {
        event
            .report()
            .is_some_and(|(session, _)| session == member.session)
    };
    let mut reports = Vec::new();
    for event in done.events.iter().filter(own) {
        if let Event::Rejected(rejected) = event {
            return Err(refused(rejected.reason));
        }
        reports.extend(ApiReport::of(event, |market| app.live.hub().symbol(market)));
    }
    let order = done.orders.first().ok_or_else(|| {
        Problem::unknown_outcome(
            "the command was applied and says nothing of an order of this session",
        )
    })?;
    let name = app.live.hub().symbol(order.market);
    Ok(Applied {
        order: order.view(&name, Some(wallet(caller.wallet))),
        reports,
        sequence: U64(done.seq.0),
    })
}

/// The engine's id in a path.
fn order_id(text: &str) -> Result<OrderId, Problem> {
    match number(text)? {
        0 => Err(Problem::not_found("order", 0)),
        id => Ok(OrderId(id)),
    }
}

/// A live order of the caller's session here; every other is refused.
fn own(app: &App, member: Membership, id: OrderId) -> Result<Tracked, Problem> {
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
    params(("order_id" = String, Path, description = "the exchange's id", pattern = "^[0-9]{1,20}$")),
    responses(
        (status = 200, description = "the order", body = ApiOrder),
        Refusals,
    ))]
pub(crate) async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<ApiOrder>, Problem> {
    app.live.ensure_live()?;
    let id = order_id(&id)?;
    let (account, order) = find(&app, id).await?;
    caller.ensure_reader(owner_of(&app, account))?;
    Ok(Json(order))
}

/// An order, live or past, and whose it is.
pub(crate) async fn find(app: &App, id: OrderId) -> Result<(AccountId, ApiOrder), Problem> {
    let seq = app.live.read(|_, seq| seq.0);
    if let Some(known) = known(app, id) {
        return Ok(known);
    }
    let found = app.store.order(id).await?;
    let hub = app.live.hub();
    match found.value {
        // Whether it still is, the history does not know.
        Some(order) if order.status.is_open() => known(app, id).ok_or_else(Problem::history_behind),
        Some(order) => {
            let owner = owner_of(app, order.account).map(wallet);
            let view = ApiOrder::of_row(&order, &hub.symbol(order.market), owner);
            Ok((order.account, view))
        }
        None if hub.knows_since(found.seq.0) => Err(Problem::not_found("order", id.0).at(seq)),
        None => Err(Problem::history_behind()),
    }
}

/// An order that is live or has ended lately, and whose it is.
fn known(app: &App, id: OrderId) -> Option<(AccountId, ApiOrder)> {
    let hub = app.live.hub();
    let order = hub.known(id)?;
    let owner = owner_of(app, order.account).map(wallet);
    let view = order.view(&hub.symbol(order.market), owner);
    Some((order.account, view))
}

/// The wallet that owns an account.
pub(crate) fn owner_of(app: &App, account: domain::AccountId) -> Option<[u8; 32]> {
    let view = app.live.read(|engine, _| engine.account(account));
    view.map(|view| view.owner)
        .filter(|owner| *owner != [0; 32])
}

/// Changes price or quantity of a live order, or your id for it: what you name of them, and nothing else.
///
/// `quantity` is the total, the lots that have traded included. The order keeps its place in the queue if only its quantity becomes smaller. A stop goes on waiting for its trigger price. With `new_client_order_id` this can be asked for
/// again: once it is done, the id is used, and the second time is refused.
#[utoipa::path(put, path = "/api/v1/orders/{order_id}", tag = "orders", request_body = ModifyOrder,
    security(("bearer" = [])),
    params(("order_id" = String, Path, description = "the exchange's id", pattern = "^[0-9]{1,20}$")),
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
    app.live.ensure_live()?;
    let member = caller.membership(&app)?;
    app.limits.order(&caller.wallet)?;
    let order_id = order_id(&id)?;
    let live = own(&app, member, order_id)?;
    if change.price.is_none() && change.quantity.is_none() && change.new_client_order_id.is_none() {
        return Err(Problem::invalid(
            "name what changes: price, quantity or new_client_order_id",
        ));
    }
    if live.quote {
        return Err(Problem::conflict(
            "order-is-quote",
            "The order is a side of your quote",
            "change it by POST /api/v1/quotes, which says what you quote from now on",
        ));
    }
    let new_id = ClientOrderId(change.new_client_order_id.unwrap_or_default().0);
    let _reserved = match change.new_client_order_id {
        Some(U64(0)) => {
            return Err(Problem::invalid(
                "new_client_order_id: 0 is no id, use another one or leave it out",
            ));
        }
        Some(_) => Some(reserve(&app, member, new_id).await?),
        None => None,
    };
    let command = Command::AmendOrder(AmendOrder {
        order_id,
        client_order_id: ClientOrderId(0),
        price: change.price.map_or(live.price, |price| Price(price.0)),
        qty: change.quantity.map_or(live.qty, |quantity| Qty(quantity.0)),
        new_client_order_id: new_id,
    });
    let done = app.live.command(member.source(), command).await?;
    applied(&app, &caller, member, &done).map(Json)
}

/// How much of an order to cancel.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct HowMuch {
    /// Lots; all that can still trade if it is left out, or more than that. What is left keeps its place.
    #[param(inline)]
    quantity: Option<U64>,
}

impl HowMuch {
    /// 0: all.
    fn lots(&self) -> Result<Qty, Problem> {
        match self.quantity {
            None => Ok(Qty::ZERO),
            Some(U64(0)) => Err(Problem::invalid(
                "quantity: 0 cancels nothing, leave it out to cancel all of the order",
            )),
            Some(U64(lots)) => Ok(Qty(lots)),
        }
    }
}

/// Cancels a live order, or a part of it.
///
/// A part that was cancelled is cancelled: after an answer that was lost, look at the order before you ask again.
#[utoipa::path(delete, path = "/api/v1/orders/{order_id}", tag = "orders",
    security(("bearer" = [])),
    params(("order_id" = String, Path, description = "the exchange's id", pattern = "^[0-9]{1,20}$"), HowMuch),
    responses(
        (status = 200, description = "cancelled", body = Applied),
        Refusals,
    ))]
pub(crate) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(how_much): Query<HowMuch>,
) -> Result<Json<Applied>, Problem> {
    app.live.ensure_live()?;
    let member = caller.membership(&app)?;
    let (order_id, qty) = (order_id(&id)?, how_much.lots()?);
    own(&app, member, order_id)?;
    cancel_one(&app, &caller, member, (order_id, qty))
        .await
        .map(Json)
}

async fn cancel_one(
    app: &App,
    caller: &Caller,
    member: Membership,
    (order_id, qty): (OrderId, Qty),
) -> Result<Applied, Problem> {
    let command = Command::CancelOrder(CancelOrder {
        order_id,
        client_order_id: ClientOrderId(0),
        qty,
    });
    let done = app.live.command(member.source(), command).await?;
    applied(app, caller, member, &done)
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
    /// The same by its name, as problems have it in `code`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_name: Option<String>,
    status: ApiStatus,
    /// Engine sequence number at which this is so.
    sequence: U64,
}

/// What became of an order, by your own id.
///
/// 404 means that none with this id was accepted up to the problem's `sequence`, and none is under way. While one is
/// under way, the answer is 504 `outcome-unknown`: it is decided within seconds, so ask again.
#[utoipa::path(get, path = "/api/v1/orders/by-client-id/{client_order_id}", tag = "orders",
    security(("bearer" = [])),
    params(("client_order_id" = String, Path, description = "your id", pattern = "^[0-9]{1,20}$")),
    responses(
        (status = 200, description = "accepted or refused", body = OrderOutcome),
        Refusals,
    ))]
pub(crate) async fn outcome(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<OrderOutcome>, Problem> {
    app.live.ensure_live()?;
    let member = caller.membership(&app)?;
    let id = ClientOrderId(number(&id)?);
    outcome_of(&app, caller.wallet, member, id).await.map(Json)
}

/// What became of an order of a member, who is this wallet's.
pub(crate) async fn outcome_of(
    app: &App,
    owner: [u8; 32],
    member: Membership,
    id: ClientOrderId,
) -> Result<OrderOutcome, Problem> {
    let seq = app.live.read(|_, seq| seq.0);
    ensure_decided(app, member, id)?;
    if let Some(order_id) = order_of(app, member, id) {
        let (_, order) = find(app, order_id).await?;
        return Ok(OrderOutcome::accepted(order, seq));
    }
    let found = app.store.outcome(member.owner(), id).await?;
    let hub = app.live.hub();
    // What was accepted since the history's present is not in it.
    let is_all = hub.has_used(member.session, id, found.seq.0) == Some(false);
    match found.value {
        Some(Outcome::Accepted(order)) if !order.status.is_open() => {
            let owner = Some(wallet(owner));
            let order = ApiOrder::of_row(&order, &hub.symbol(order.market), owner);
            Ok(OrderOutcome::accepted(order, found.seq.0))
        }
        // It may have another client order id by now, by which alone the engine knows it.
        Some(Outcome::Accepted(order)) => match known(app, order.order_id) {
            Some((_, order)) => Ok(OrderOutcome::accepted(order, seq)),
            None => Err(Problem::history_behind()),
        },
        Some(Outcome::Refused(refused)) if is_all => {
            Ok(OrderOutcome::refused(refused.reason, found.seq.0))
        }
        None if is_all => {
            let what = "order of yours with client order id";
            Err(Problem::not_found(what, id.0).at(seq))
        }
        Some(Outcome::Refused(_)) | None => Err(Problem::history_behind()),
    }
}

/// Refuses while an order with this id is under way. To be asked first of all: what is not under way now is known to
/// those who are asked next.
fn ensure_decided(app: &App, member: Membership, id: ClientOrderId) -> Result<(), Problem> {
    if !app.live.desk().is_under_way(member.source(), id) {
        return Ok(());
    }
    Err(Problem::unknown_outcome(
        "the order was sent and may yet be taken: this is decided within seconds, ask again",
    ))
}

impl OrderOutcome {
    fn accepted(order: ApiOrder, sequence: u64) -> Self {
        Self {
            accepted: true,
            status: order.status,
            order: Some(order),
            reason: None,
            reason_name: None,
            sequence: U64(sequence),
        }
    }

    fn refused(reason: Reason, sequence: u64) -> Self {
        Self {
            accepted: false,
            status: ApiStatus::Rejected,
            order: None,
            reason: Some(u16::from(reason)),
            reason_name: reason_name(reason),
            sequence: U64(sequence),
        }
    }
}

/// The order that was accepted with a client order id, if it is live or was lately.
fn order_of(app: &App, member: Membership, id: ClientOrderId) -> Option<OrderId> {
    let live = app
        .live
        .read(|engine, _| engine.order_id(member.session, id));
    live.or_else(|| app.live.hub().accepted(member.session, id))
}

/// Cancels a live order by your own id, or a part of it.
#[utoipa::path(delete, path = "/api/v1/orders/by-client-id/{client_order_id}", tag = "orders",
    security(("bearer" = [])),
    params(("client_order_id" = String, Path, description = "your id", pattern = "^[0-9]{1,20}$"), HowMuch),
    responses(
        (status = 200, description = "cancelled", body = Applied),
        Refusals,
    ))]
pub(crate) async fn cancel_by_client_id(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(how_much): Query<HowMuch>,
) -> Result<Json<Applied>, Problem> {
    app.live.ensure_live()?;
    let member = caller.membership(&app)?;
    let (id, qty) = (ClientOrderId(number(&id)?), how_much.lots()?);
    ensure_decided(&app, member, id)?;
    let gone = || Problem::not_found("live order of yours with client order id", id.0);
    let order = order_of(&app, member, id).ok_or_else(gone)?;
    // One that has ended is named as it was asked for.
    own(&app, member, order).map_err(|problem| match problem.status() {
        404 => gone(),
        _ => problem,
    })?;
    cancel_one(&app, &caller, member, (order, qty))
        .await
        .map(Json)
}
