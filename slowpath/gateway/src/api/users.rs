//! A user's orders, trades, account and balances; test funds.

use crate::api::tiers::{Standing, standing_of};
use crate::api::{self, Page, Paging, number};
use crate::auth::{Caller, wallet_of};
use crate::choices::ApiSelfTrade;
use crate::deposits::{self, RequestId};
use crate::number::{I64, Paid, U64};
use crate::problem::{Problem, Refusals};
use crate::state::{App, Body, Path, Query};
use crate::view::{ApiOrder, ApiSide, ApiStatus, ApiTrade, decimal, symbol, wallet};
use axum::Json;
use axum::extract::State;
use domain::{AccountId, AssetId, Deposit, Event, Flag, OrderId, Reason, Seq};
use serde::{Deserialize, Serialize};
use store::{OrderCursor, OrderFilter, OrderStatus};
use utoipa::{IntoParams, ToSchema};

/// The account of a path's user: `me`, or a wallet.
fn account(app: &App, caller: &Caller, user: &str) -> Result<(AccountId, [u8; 32]), Problem> {
    let owner = if user == "me" {
        caller.wallet
    } else {
        wallet_of(user)?
    };
    caller.ensure_reader(Some(owner))?;
    let account = app.live.hub().account_of(&owner);
    let account = account.ok_or_else(|| Problem::not_found("account of wallet", wallet(owner)))?;
    Ok((account, owner))
}

/// Which orders.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichOrders {
    /// Only of this market.
    #[param(max_length = 16)]
    market: Option<String>,
    /// Only in this state.
    #[param(inline)]
    status: Option<ApiStatus>,
    /// Only those that can still trade.
    open_only: Option<bool>,
    /// `next_cursor` of the page before.
    #[param(max_length = 64)]
    cursor: Option<String>,
    /// Most rows, 1 to 500.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// The two numbers of a cursor.
fn pair_cursor(text: &str) -> Result<(u64, u64), Problem> {
    let (one, other) = text
        .split_once('-')
        .ok_or_else(|| Problem::invalid(format!("{text:?} is no cursor of a page of this list")))?;
    Ok((number(one)?, number(other)?))
}

fn order_cursor(text: &str) -> Result<OrderCursor, Problem> {
    let (seq, id) = pair_cursor(text)?;
    Ok(OrderCursor {
        created_seq: Seq(seq),
        order_id: OrderId(id),
    })
}

/// A user's orders, the newest first.
#[utoipa::path(get, path = "/api/v1/users/{user_id}/orders", tag = "users", params(
        ("user_id" = String, Path, description = "`me`, or a wallet in base58"), WhichOrders),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "a page", body = Page<ApiOrder>),
        Refusals,
    ))]
pub(crate) async fn orders(
    State(app): State<App>,
    caller: Caller,
    Path(user): Path<String>,
    Query(which): Query<WhichOrders>,
) -> Result<Json<Page<ApiOrder>>, Problem> {
    let (account, owner) = account(&app, &caller, &user)?;
    let status = match which.status {
        None => None,
        Some(ApiStatus::New) => Some(OrderStatus::New),
        Some(ApiStatus::PartiallyFilled) => Some(OrderStatus::PartiallyFilled),
        Some(ApiStatus::Filled) => Some(OrderStatus::Filled),
        Some(ApiStatus::Cancelled) => Some(OrderStatus::Canceled),
        Some(ApiStatus::Waiting) => Some(OrderStatus::Waiting),
        Some(ApiStatus::Rejected) => {
            return Err(Problem::invalid(
                "refused orders are no orders: ask for them by client order id",
            ));
        }
    };
    let filter = OrderFilter {
        market: which
            .market
            .as_deref()
            .map(|name| app.market(name))
            .transpose()?,
        status,
        open_only: which.open_only.unwrap_or(false),
    };
    let behind = which.cursor.as_deref().map(order_cursor).transpose()?;
    let limit = crate::api::limit(which.limit, 100)?;
    let found = app.store.orders(account, filter, behind, limit).await?;
    let full = found.value.len() == limit as usize;
    let last = found.value.last().filter(|_| full).map(|order| {
        let cursor = order.cursor();
        format!("{}-{}", cursor.created_seq.0, cursor.order_id.0)
    });
    let hub = app.live.hub();
    let items = found
        .value
        .iter()
        .map(|order| ApiOrder::of_row(order, &hub.symbol(order.market), Some(wallet(owner))));
    Ok(Json(Page {
        items: items.collect(),
        next_cursor: last,
        sequence: U64(found.seq.0),
    }))
}

/// One of a user's trades.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserTrade {
    #[serde(flatten)]
    trade: ApiTrade,
    /// Which side was the user's; of a trade with oneself the arriving one.
    side: ApiSide,
    /// The user's order.
    order_id: U64,
    /// What the user paid, quote base units; below 0 it is a rebate, which the user received.
    fee: Paid,
}

/// A user's trades, the newest first.
#[utoipa::path(get, path = "/api/v1/users/{user_id}/trades", tag = "users", params(
        ("user_id" = String, Path, description = "`me`, or a wallet in base58"), Paging),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "a page", body = Page<UserTrade>),
        Refusals,
    ))]
pub(crate) async fn trades(
    State(app): State<App>,
    caller: Caller,
    Path(user): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<UserTrade>>, Problem> {
    let (account, _) = account(&app, &caller, &user)?;
    let (below, limit) = (paging.number()?, paging.limit()?);
    let found = app.store.trades_of_account(account, below, limit).await?;
    let full = found.value.len() == limit as usize;
    let last = found.value.last().filter(|_| full);
    let next_cursor = last.map(|trade| trade.trade_id.to_string());
    let hub = app.live.hub();
    let items = found.value.iter().map(|trade| {
        let taker = trade.taker_account == account;
        let (side, order, fee) = if taker {
            let fee = Paid::of(trade.taker_fee, Flag::No);
            (trade.taker_side, trade.taker_order, fee)
        } else {
            (
                trade.taker_side.opposite(),
                trade.maker_order,
                Paid::of(trade.maker_fee, trade.maker_is_rebate),
            )
        };
        UserTrade {
            trade: ApiTrade::of_row(trade, &hub.symbol(trade.market)),
            side: side.into(),
            order_id: U64(order.0),
            fee,
        }
    });
    Ok(Json(Page {
        items: items.collect(),
        next_cursor,
        sequence: U64(found.seq.0),
    }))
}

/// An order of a user's met one of their own, and did not trade with it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SelfTradeRow {
    /// The market's symbol.
    market: String,
    /// The order that arrived.
    order_id: U64,
    /// The order that rested.
    maker_order_id: U64,
    /// The resting order's, ticks.
    price: I64,
    /// Lots that would have traded.
    quantity: U64,
    self_trade_behavior: ApiSelfTrade,
    /// UTC nanoseconds.
    timestamp: U64,
    /// Engine sequence number.
    sequence: U64,
}

/// Where a user's orders met their own and did not trade, the newest first.
#[utoipa::path(get, path = "/api/v1/users/{user_id}/self-trades", tag = "users", params(
        ("user_id" = String, Path, description = "`me`, or a wallet in base58"), Paging),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "a page", body = Page<SelfTradeRow>),
        Refusals,
    ))]
pub(crate) async fn self_trades(
    State(app): State<App>,
    caller: Caller,
    Path(user): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<SelfTradeRow>>, Problem> {
    let (account, _) = account(&app, &caller, &user)?;
    let limit = paging.limit()?;
    let behind = paging.cursor.as_deref().map(pair_cursor).transpose()?;
    let behind = behind.map(|(seq, report_no)| (Seq(seq), report_no));
    let found = app.store.self_trades(account, behind, limit).await?;
    let full = found.value.len() == limit as usize;
    let last = found.value.last().filter(|_| full);
    let hub = app.live.hub();
    let items = found.value.iter().map(|met| SelfTradeRow {
        market: hub.symbol(met.market),
        order_id: U64(met.order_id.0),
        maker_order_id: U64(met.maker_order.0),
        price: I64(met.price.0),
        quantity: U64(met.qty.0),
        self_trade_behavior: met.self_trade.into(),
        timestamp: U64(met.time.0),
        sequence: U64(met.seq.0),
    });
    Ok(Json(Page {
        items: items.collect(),
        next_cursor: last.map(|met| format!("{}-{}", met.seq.0, met.report_no)),
        sequence: U64(found.seq.0),
    }))
}

/// What an account has of an asset.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiBalance {
    /// The asset's symbol.
    asset: String,
    /// Its number in commands.
    asset_id: u32,
    /// Free, base units.
    available: U64,
    /// Set aside for orders, base units.
    held: U64,
    /// Free, in whole units.
    available_decimal: String,
    /// Set aside, in whole units.
    held_decimal: String,
}

/// Balances of an account at a moment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Balances {
    /// Every asset that the exchange knows.
    balances: Vec<ApiBalance>,
    /// Engine sequence number after which they are so.
    sequence: U64,
}

fn balances_of(app: &App, account: AccountId) -> Balances {
    app.live.read(|engine, seq| {
        let assets = engine.asset_ids().filter_map(|asset| {
            let (available, held) = engine.balance(account, asset)?;
            let terms = engine.asset_terms(asset)?;
            Some(ApiBalance {
                asset: symbol(terms.symbol),
                asset_id: asset.0,
                available: U64(available.0),
                held: U64(held.0),
                available_decimal: decimal(available.0.into(), terms.decimals),
                held_decimal: decimal(held.0.into(), terms.decimals),
            })
        });
        Balances {
            balances: assets.collect(),
            sequence: U64(seq.0),
        }
    })
}

/// A user's balances, live.
#[utoipa::path(get, path = "/api/v1/users/{user_id}/balances", tag = "users", params(
        ("user_id" = String, Path, description = "`me`, or a wallet in base58")),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "balances", body = Balances),
        Refusals,
    ))]
pub(crate) async fn balances(
    State(app): State<App>,
    caller: Caller,
    Path(user): Path<String>,
) -> Result<Json<Balances>, Problem> {
    app.live.ensure_live()?;
    let (account, _) = account(&app, &caller, &user)?;
    Ok(Json(balances_of(&app, account)))
}

/// A user's account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Account {
    /// The wallet, base58.
    owner: String,
    /// The account's number.
    account: u32,
    /// The firm that it belongs to.
    firm: u32,
    /// The session by which this API enters its orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<u32>,
    #[serde(flatten)]
    standing: Standing,
    /// Balances.
    #[serde(flatten)]
    balances: Balances,
}

/// A user's account: balances, open orders, tier, limits, fees, volume of today.
#[utoipa::path(get, path = "/api/v1/users/{user_id}/account", tag = "users", params(
        ("user_id" = String, Path, description = "`me`, or a wallet in base58")),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "the account", body = Account),
        Refusals,
    ))]
pub(crate) async fn account_of(
    State(app): State<App>,
    caller: Caller,
    Path(user): Path<String>,
) -> Result<Json<Account>, Problem> {
    app.live.ensure_live()?;
    let (account, owner) = account(&app, &caller, &user)?;
    let hub = app.live.hub();
    let time = app.live.time();
    let found = app.live.read(|engine, _| {
        let view = engine.account(account)?;
        Some((view.firm, standing_of(engine, account, &view, time)))
    });
    let (firm, standing) = found.ok_or_else(|| Problem::not_found("account", account.0))?;
    Ok(Json(Account {
        owner: wallet(owner),
        account: account.0,
        firm: firm.0,
        session: hub.door_of(account).map(|session| session.0),
        standing,
        balances: balances_of(&app, account),
    }))
}

/// Test funds to credit.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Faucet {
    /// The asset's symbol.
    #[schema(max_length = 16)]
    asset: String,
    /// Base units.
    amount: U64,
    /// A name of yours for this wish: asked for again under it, it is granted once.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    request_id: Option<String>,
}

/// Credits your account with test funds.
///
/// Only where the operator has turned the faucet on, which is never where funds are real. It gives at most 10^15 base
/// units at a time, and 10^16 of an asset to an account before the exchange is started again.
#[utoipa::path(post, path = "/api/v1/faucet", tag = "users", request_body = Faucet,
    security(("bearer" = [])),
    responses(
        (status = 200, description = "credited: the balances after it", body = Balances),
        Refusals,
    ))]
pub(crate) async fn faucet(
    State(app): State<App>,
    caller: Caller,
    Body(wish): Body<Faucet>,
) -> Result<Json<Balances>, Problem> {
    if !app.config.faucet {
        return Err(Problem::forbidden(
            "there is no faucet here: the operator has not set gateway.faucet",
        ));
    }
    app.live.ensure_live()?;
    let member = caller.membership(&app)?;
    app.limits.order(&caller.wallet)?;
    let (account, asset) = (member.account, asset_of(&app, &wish.asset)?);
    let amount = api::amount(wish.amount)?;
    let id = wish.request_id.as_deref();
    let request = id.map(|id| RequestId::of_user(caller.wallet, id));
    let request = request.transpose()?;
    let deposit = Deposit {
        account,
        asset,
        amount,
    };
    let mut taken = false;
    let take = || {
        app.given.take(account, asset, amount.0)?;
        taken = true;
        Ok(())
    };
    let made = deposits::make(&app, caller.wallet, deposit, request, take).await;
    let never_comes = |problem: &Problem| !problem.is_unknown_outcome();
    if taken && made.as_ref().is_err_and(never_comes) {
        app.given.put_back(account, asset, amount.0);
    }
    made?;
    Ok(Json(balances_of(&app, account)))
}

/// The asset of a symbol.
pub(crate) fn asset_of(app: &App, name: &str) -> Result<AssetId, Problem> {
    let named = app.live.read(|engine, _| {
        engine.asset_ids().find(|id| {
            let terms = engine.asset_terms(*id);
            terms.is_some_and(|terms| symbol(terms.symbol) == name)
        })
    });
    named.ok_or_else(|| Problem::not_found("asset", format!("{name:?}")))
}

/// Refuses what the engine refused of a command that no session sent.
pub(crate) fn ensure_done(events: &[Event]) -> Result<(), Problem> {
    for event in events {
        if let Event::Outcome(outcome) = event
            && outcome.reason != Reason::None
        {
            return Err(Problem::refused(outcome.reason));
        }
    }
    Ok(())
}
