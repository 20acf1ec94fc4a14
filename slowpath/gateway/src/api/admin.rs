//! What operators do. Every command is journalled; the journal is the audit trail.

use crate::api::users::{credit, ensure_done};
use crate::api::{Page, Paging};
use crate::auth::token::role_of;
use crate::auth::{Caller, wallet_of};
use crate::delegation;
use crate::live::now;
use crate::membership;
use crate::number::{I64, U64};
use crate::problem::Problem;
use crate::state::{App, Body, Query};
use crate::view::symbol;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::{
    AssetId, Command, CreateAsset, CreateMarket, FirmId, MarketId, Price, Qty, Seq, Source, Zero,
};
use serde::{Deserialize, Serialize};
use store::Role;
use utoipa::ToSchema;

/// What was journalled.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Made {
    /// The new thing's number.
    id: u32,
    /// Engine sequence number of the command.
    sequence: U64,
}

/// A name of 1 to 16 printable ASCII characters, filled up with zeros.
fn padded(text: &str) -> Result<[u8; 16], Problem> {
    let mut symbol = [0; 16];
    match symbol.get_mut(..text.len()) {
        Some(place) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) => {
            place.copy_from_slice(text.as_bytes());
            Ok(symbol)
        }
        _ => Err(Problem::invalid(format!(
            "{text:?} is no symbol: use 1 to 16 characters of ASCII without spaces"
        ))),
    }
}

/// A new asset.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAsset {
    /// 1 to 16 characters of ASCII without spaces.
    #[schema(min_length = 1, max_length = 16)]
    symbol: String,
    /// Base units per whole unit, as a power of ten.
    #[schema(minimum = 0, maximum = 18)]
    decimals: u8,
}

/// Makes an asset.
#[utoipa::path(post, path = "/api/v1/admin/assets", tag = "administration", request_body = NewAsset,
    security(("bearer" = [])),
    responses(
        (status = 201, description = "made", body = Made),
        (status = "4XX", description = "refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "not possible now", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn create_asset(
    State(app): State<App>,
    caller: Caller,
    Body(new): Body<NewAsset>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    caller.ensure_operator()?;
    let _one_at_a_time = app.registering.lock().await;
    let name = padded(&new.symbol)?;
    let (taken, next) = app.live.read(|engine, _| {
        let mut ids = engine.asset_ids();
        let taken = ids.any(|id| {
            engine
                .asset_terms(id)
                .is_some_and(|terms| terms.symbol == name)
        });
        (
            taken,
            engine.asset_ids().map(|id| id.0 + 1).max().unwrap_or(0),
        )
    });
    ensure_new(taken, "asset", &new.symbol)?;
    let command = Command::CreateAsset(CreateAsset {
        asset: AssetId(next),
        decimals: new.decimals,
        pad: [Zero::Zero; 3],
        symbol: name,
    });
    made(&app, command, next).await
}

fn ensure_new(taken: bool, what: &str, name: &str) -> Result<(), Problem> {
    if taken {
        return Err(Problem::conflict(
            "symbol-used",
            "This symbol is used",
            format!("there is a {what} {name:?} already: use another symbol"),
        ));
    }
    Ok(())
}

async fn made(app: &App, command: Command, id: u32) -> Result<(StatusCode, Json<Made>), Problem> {
    let done = app.live.command(Source::ADMINISTRATION, command).await?;
    ensure_done(&done.events)?;
    let sequence = U64(done.seq.0);
    Ok((StatusCode::CREATED, Json(Made { id, sequence })))
}

/// A new market.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewMarket {
    /// 1 to 16 characters of ASCII without spaces.
    #[schema(min_length = 1, max_length = 16)]
    symbol: String,
    /// Symbol of the asset that is traded.
    #[schema(max_length = 16)]
    base: String,
    /// Symbol of the asset that it is paid in.
    #[schema(max_length = 16)]
    quote: String,
    /// Quote base units per tick and lot.
    tick_value: U64,
    /// Base units of the base asset per lot.
    lot_size: U64,
    /// Smallest order, lots.
    min_quantity: U64,
    /// Lowest price, ticks, at least 1.
    price_min: I64,
    /// Prices from the lowest up.
    #[schema(minimum = 1)]
    price_levels: u32,
    /// Parts per million.
    #[schema(minimum = 0, maximum = 1_000_000)]
    maker_fee_ppm: u32,
    /// Parts per million.
    #[schema(minimum = 0, maximum = 1_000_000)]
    taker_fee_ppm: u32,
}

/// Makes a market.
#[utoipa::path(post, path = "/api/v1/admin/markets", tag = "administration", request_body = NewMarket,
    security(("bearer" = [])),
    responses(
        (status = 201, description = "made", body = Made),
        (status = "4XX", description = "refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "not possible now", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn create_market(
    State(app): State<App>,
    caller: Caller,
    Body(new): Body<NewMarket>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    caller.ensure_operator()?;
    let _one_at_a_time = app.registering.lock().await;
    let name = padded(&new.symbol)?;
    let asset = |wanted: &str| {
        let found = app.live.read(|engine, _| {
            engine.asset_ids().find(|id| {
                let terms = engine.asset_terms(*id);
                terms.is_some_and(|terms| symbol(terms.symbol) == wanted)
            })
        });
        found.ok_or_else(|| Problem::not_found("asset", format!("{wanted:?}")))
    };
    ensure_new(
        app.live.hub().market(&new.symbol).is_some(),
        "market",
        &new.symbol,
    )?;
    let (base, quote) = (asset(&new.base)?, asset(&new.quote)?);
    let next = app
        .live
        .read(|engine, _| engine.market_ids().map(|id| id.0 + 1).max().unwrap_or(0));
    let command = Command::CreateMarket(CreateMarket {
        market: MarketId(next),
        base,
        quote,
        maker_fee_ppm: new.maker_fee_ppm,
        taker_fee_ppm: new.taker_fee_ppm,
        price_levels: new.price_levels,
        tick_value: new.tick_value.0,
        lot_size: new.lot_size.0,
        min_qty: Qty(new.min_quantity.0),
        price_min: Price(new.price_min.0),
        symbol: name,
    });
    made(&app, command, next).await
}

/// A new account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAccount {
    /// The owner's wallet, base58.
    #[schema(min_length = 32, max_length = 44)]
    wallet: String,
    /// The firm that it belongs to; one of its own unless said otherwise.
    firm: Option<u32>,
}

/// Makes an account for a wallet.
#[utoipa::path(post, path = "/api/v1/admin/accounts", tag = "administration", request_body = NewAccount,
    security(("bearer" = [])),
    responses(
        (status = 201, description = "made", body = Made),
        (status = "4XX", description = "refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "not possible now", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn create_account(
    State(app): State<App>,
    caller: Caller,
    Body(new): Body<NewAccount>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    caller.ensure_operator()?;
    let wallet = wallet_of(&new.wallet)?;
    delegation::ensure_key("wallet", &wallet)?;
    let _one_at_a_time = app.registering.lock().await;
    if let Some(account) = app.live.hub().account_of(&wallet) {
        return Err(Problem::conflict(
            "account-exists",
            "This wallet has an account",
            format!("it is account {}", account.0),
        ));
    }
    let account = membership::make_account(&app, wallet, new.firm.map(FirmId)).await?;
    let sequence = app.live.read(|_, seq| U64(seq.0));
    let id = account.0;
    Ok((StatusCode::CREATED, Json(Made { id, sequence })))
}

/// Funds to credit.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credit {
    /// The owner's wallet, base58.
    #[schema(min_length = 32, max_length = 44)]
    wallet: String,
    /// The asset's symbol.
    #[schema(max_length = 16)]
    asset: String,
    /// Base units.
    amount: U64,
}

/// Credits an account.
#[utoipa::path(post, path = "/api/v1/admin/deposits", tag = "administration", request_body = Credit,
    security(("bearer" = [])),
    responses(
        (status = 201, description = "credited", body = Made),
        (status = "4XX", description = "refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "not possible now", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn deposit(
    State(app): State<App>,
    caller: Caller,
    Body(new): Body<Credit>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    caller.ensure_operator()?;
    let wallet = wallet_of(&new.wallet)?;
    let account = app.live.hub().account_of(&wallet);
    let account = account.ok_or_else(|| Problem::not_found("account of wallet", &new.wallet))?;
    let seq = credit(&app, account, &new.asset, new.amount.0).await?;
    let (id, sequence) = (account.0, U64(seq.0));
    Ok((StatusCode::CREATED, Json(Made { id, sequence })))
}

/// A role to give.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GiveRole {
    /// The user's wallet, base58.
    #[schema(min_length = 32, max_length = 44)]
    wallet: String,
    /// What they may do.
    #[schema(pattern = "^(user|maker|operator|auditor)$")]
    role: String,
}

/// Gives a user a role: it holds from their next token on.
#[utoipa::path(put, path = "/api/v1/admin/roles", tag = "administration", request_body = GiveRole,
    security(("bearer" = [])),
    responses(
        (status = 204, description = "given"),
        (status = "4XX", description = "refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "not possible now", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn set_role(
    State(app): State<App>,
    caller: Caller,
    Body(give): Body<GiveRole>,
) -> Result<StatusCode, Problem> {
    caller.ensure_operator()?;
    let wallet = wallet_of(&give.wallet)?;
    let role = role_of(&give.role).ok_or_else(|| {
        Problem::invalid(format!(
            "{:?} is no role: use user, maker, operator or auditor",
            give.role
        ))
    })?;
    app.store.user_or_new(wallet, role, now()).await?;
    app.store.set_role(wallet, role).await?;
    tracing::info!(wallet = give.wallet, role = give.role, "a role was given");
    Ok(StatusCode::NO_CONTENT)
}

/// A journalled command of administration.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditRow {
    /// Engine sequence number.
    sequence: U64,
    /// UTC nanoseconds.
    timestamp: U64,
    /// What was asked.
    command: String,
    /// 0, or why it was refused.
    reason: u16,
}

/// The operators' commands as the journal has them, the newest first. For operators and auditors.
#[utoipa::path(get, path = "/api/v1/admin/audit", tag = "administration", params(Paging),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "a page", body = Page<AuditRow>),
        (status = "4XX", description = "refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "not possible now", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn audit(
    State(app): State<App>,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<AuditRow>>, Problem> {
    if !matches!(caller.role, Role::Operator | Role::Auditor) {
        return Err(Problem::forbidden(
            "only operators and auditors may do this",
        ));
    }
    let (below, limit) = (paging.number()?, paging.limit()?);
    let found = app.store.audit(below.map(Seq), limit).await?;
    let full = found.value.len() == limit as usize;
    let last = found.value.last().filter(|_| full);
    let next_cursor = last.map(|entry| entry.seq.0.to_string());
    let items = found.value.iter().map(|entry| AuditRow {
        sequence: U64(entry.seq.0),
        timestamp: U64(entry.time.0),
        command: format!("{:?}", entry.command),
        reason: entry.reason.into(),
    });
    Ok(Json(Page {
        items: items.collect(),
        next_cursor,
        sequence: U64(found.seq.0),
    }))
}
