//! What accounts may do and what they pay: tiers, limits, fees, the exchange's own fees.

use crate::api::mass::journalled;
use crate::api::users::asset_of;
use crate::api::{self, Journalled};
use crate::auth::{Auditor, Operator};
use crate::choices::ApiScope;
use crate::number::{self, U64};
use crate::problem::{Problem, Refusals};
use crate::state::{App, Body, Path};
use crate::view::{decimal, symbol, wallet};
use axum::Json;
use axum::extract::State;
use domain::{
    AccountId, AccountView, Amount, CollectFees, Command, CreateMarket, Flag, Limits, MAX_TIERS,
    MarketId, Nanos, Qty, Scope, SetFees, SetLimits, SetTier, Zero,
};
use engine::Engine;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an account may do at most. Of each 0 is no limit.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiLimits {
    /// Lots of an order.
    #[schema(schema_with = number::as_read)]
    max_order_quantity: U64,
    /// Notional of an order, whole units of the quote asset.
    #[schema(schema_with = number::as_read)]
    max_order_notional: U64,
    /// What it owns of a base asset when a buy has filled, whole units.
    #[schema(schema_with = number::as_read)]
    max_position: U64,
    /// Notional of its trades on one day (UTC), whole units of the quote assets.
    #[schema(schema_with = number::as_read)]
    max_daily_volume: U64,
    /// What a session of it may have entered and not attested, whole units of the quote assets. Only by the binary port
    /// can sessions attest.
    #[schema(schema_with = number::as_read)]
    max_unattested_notional: U64,
    /// Live orders.
    #[schema(value_type = u64, minimum = 0)]
    max_open_orders: u32,
}

impl From<&Limits> for ApiLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            max_order_quantity: U64(limits.max_order_qty.0),
            max_order_notional: U64(limits.max_order_notional),
            max_position: U64(limits.max_position),
            max_daily_volume: U64(limits.max_daily_volume),
            max_unattested_notional: U64(limits.max_unattested_notional),
            max_open_orders: limits.max_open_orders,
        }
    }
}

impl From<ApiLimits> for Limits {
    fn from(limits: ApiLimits) -> Self {
        Self {
            max_order_qty: Qty(limits.max_order_quantity.0),
            max_order_notional: limits.max_order_notional.0,
            max_position: limits.max_position.0,
            max_daily_volume: limits.max_daily_volume.0,
            max_unattested_notional: limits.max_unattested_notional.0,
            max_open_orders: limits.max_open_orders,
            pad: [Zero::Zero; 4],
        }
    }
}

/// What is paid in a market.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiRates {
    /// The market's symbol.
    market: String,
    /// Fee of the resting side, parts per million of the notional; below 0 it is a rebate.
    maker_fee_ppm: i32,
    /// Fee of the arriving side, parts per million of the notional.
    taker_fee_ppm: u32,
}

fn rates_of(engine: &Engine, tier: u32) -> Vec<ApiRates> {
    let rates = engine.market_ids().filter_map(|market| {
        let terms = engine.market_terms(market)?;
        let (maker_fee_ppm, taker_fee_ppm) = engine.rates(market, tier)?;
        Some(ApiRates {
            market: symbol(terms.symbol),
            maker_fee_ppm,
            taker_fee_ppm,
        })
    });
    rates.collect()
}

/// What an account may do, what it has done today, and what it pays.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Standing {
    /// The tier that it is in.
    tier: u32,
    limits: ApiLimits,
    /// Whether the limits are its own, and not its tier's.
    own_limits: bool,
    /// How many of its orders can still trade.
    open_orders: u32,
    /// Notional of its trades since 00:00 UTC, whole units of the quote assets.
    volume_today: String,
    /// What it pays.
    fees: Vec<ApiRates>,
    /// Of whom kill switches are on that it is stopped by; empty: it may enter orders. One of a session stops that
    /// session alone.
    stopped_by: Vec<ApiScope>,
}

const DAY: u64 = 86_400_000_000_000;

/// Of an account at a time of the exchange.
pub(crate) fn standing_of(
    engine: &Engine,
    id: AccountId,
    account: &AccountView,
    time: Nanos,
) -> Standing {
    let of_tier = engine.tier_limits(account.tier).copied();
    let limits = account.own_limits.or(of_tier).unwrap_or_default();
    let is_today = u64::from(account.volume_day) == time.0 / DAY;
    let volume = if is_today { account.volume } else { 0 };
    Standing {
        tier: account.tier,
        limits: ApiLimits::from(&limits),
        own_limits: account.own_limits.is_some(),
        open_orders: account.open_orders,
        volume_today: decimal(volume.into(), 6),
        fees: rates_of(engine, account.tier),
        stopped_by: stopped_by(engine, id, account),
    }
}

fn stopped_by(engine: &Engine, id: AccountId, account: &AccountView) -> Vec<ApiScope> {
    let is_on = |scope, target| engine.is_kill_switch_on(scope, target);
    let mut sessions = engine.sessions_of(id);
    let scopes = [
        (
            Scope::Session,
            sessions.any(|session| is_on(Scope::Session, session.0)),
        ),
        (Scope::Account, is_on(Scope::Account, id.0)),
        (Scope::Firm, is_on(Scope::Firm, account.firm.0)),
        (Scope::Everyone, is_on(Scope::Everyone, 0)),
    ];
    let on = scopes.into_iter().filter(|&(_, is_on)| is_on);
    on.map(|(scope, _)| ApiScope::from(scope)).collect()
}

/// An account as operators see it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnyAccount {
    /// The account's number.
    account: u32,
    /// The firm that it belongs to.
    firm: u32,
    /// Its owner's wallet, base58; absent if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(flatten)]
    standing: Standing,
    /// Engine sequence number after which it is so.
    sequence: U64,
}

/// A number in a path, by its name there.
fn small(name: &str, text: &str) -> Result<u32, Problem> {
    let small = api::number(text)
        .ok()
        .and_then(|number| number.try_into().ok());
    small.ok_or_else(|| Problem::invalid(format!("{name}: {text:?} is no number of up to 32 bits")))
}

fn tier_number(tier: u32) -> Result<u32, Problem> {
    if tier < MAX_TIERS {
        return Ok(tier);
    }
    Err(Problem::invalid(format!(
        "tier: there is no tier {tier}, use 0 to {}",
        MAX_TIERS - 1
    )))
}

/// The account of a path, which exists.
fn account_in(app: &App, text: &str) -> Result<AccountId, Problem> {
    let account = AccountId(small("account", text)?);
    let exists = app.live.read(|engine, _| engine.account(account).is_some());
    exists
        .then_some(account)
        .ok_or_else(|| Problem::not_found("account", account.0))
}

/// An account by its number: tier, limits, fees, volume of today. For operators and auditors.
#[utoipa::path(get, path = "/api/v1/admin/accounts/{account}", tag = "administration", params(
        ("account" = String, Path, description = "its number", pattern = "^[0-9]{1,10}$")),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "the account", body = AnyAccount),
        Refusals,
    ))]
pub(crate) async fn account(
    State(app): State<App>,
    _: Auditor,
    Path(account): Path<String>,
) -> Result<Json<AnyAccount>, Problem> {
    app.live.ensure_live()?;
    let id = AccountId(small("account", &account)?);
    let time = app.live.time();
    let found = app.live.read(|engine, seq| {
        let view = engine.account(id)?;
        Some(AnyAccount {
            account: id.0,
            firm: view.firm.0,
            owner: (view.owner != [0; 32]).then(|| wallet(view.owner)),
            standing: standing_of(engine, id, &view, time),
            sequence: U64(seq.0),
        })
    });
    let found = found.ok_or_else(|| Problem::not_found("account", id.0))?;
    Ok(Json(found))
}

/// A tier to put an account into.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IntoTier {
    #[schema(minimum = 0, maximum = 15)]
    tier: u32,
}

/// Puts an account into a tier, whose fees it pays and whose limits it has, unless it has its own.
#[utoipa::path(put, path = "/api/v1/admin/accounts/{account}/tier", tag = "administration",
    request_body = IntoTier, params(
        ("account" = String, Path, description = "its number", pattern = "^[0-9]{1,10}$")),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "journalled", body = Journalled),
        Refusals,
    ))]
pub(crate) async fn set_tier(
    State(app): State<App>,
    Operator(caller): Operator,
    Path(account): Path<String>,
    Body(new): Body<IntoTier>,
) -> Result<Json<Journalled>, Problem> {
    let command = Command::SetTier(SetTier {
        tier: tier_number(new.tier)?,
        account: account_in(&app, &account)?,
    });
    journalled(app, caller, command).await
}

fn set_limits(target: u32, of_account: bool, as_tier: bool, limits: Limits) -> Command {
    Command::SetLimits(SetLimits {
        target,
        of_account: Flag::from(of_account),
        as_tier: Flag::from(as_tier),
        pad: [Zero::Zero; 2],
        limits,
    })
}

/// Gives an account limits of its own. What rests stays.
#[utoipa::path(put, path = "/api/v1/admin/accounts/{account}/limits", tag = "administration",
    request_body = ApiLimits, params(
        ("account" = String, Path, description = "its number", pattern = "^[0-9]{1,10}$")),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "journalled", body = Journalled),
        Refusals,
    ))]
pub(crate) async fn set_account_limits(
    State(app): State<App>,
    Operator(caller): Operator,
    Path(account): Path<String>,
    Body(limits): Body<ApiLimits>,
) -> Result<Json<Journalled>, Problem> {
    let account = account_in(&app, &account)?;
    let command = set_limits(account.0, true, false, limits.into());
    journalled(app, caller, command).await
}

/// Gives an account the limits of its tier again.
#[utoipa::path(delete, path = "/api/v1/admin/accounts/{account}/limits", tag = "administration", params(
        ("account" = String, Path, description = "its number", pattern = "^[0-9]{1,10}$")),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "journalled", body = Journalled),
        Refusals,
    ))]
pub(crate) async fn end_account_limits(
    State(app): State<App>,
    Operator(caller): Operator,
    Path(account): Path<String>,
) -> Result<Json<Journalled>, Problem> {
    let account = account_in(&app, &account)?;
    let command = set_limits(account.0, true, true, Limits::default());
    journalled(app, caller, command).await
}

/// Sets the limits of a tier: of all accounts in it that have none of their own. What rests stays.
#[utoipa::path(put, path = "/api/v1/admin/tiers/{tier}/limits", tag = "administration",
    request_body = ApiLimits, params(
        ("tier" = String, Path, description = "0 to 15", pattern = "^([0-9]|1[0-5])$")),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "journalled", body = Journalled),
        Refusals,
    ))]
pub(crate) async fn set_tier_limits(
    State(app): State<App>,
    Operator(caller): Operator,
    Path(tier): Path<String>,
    Body(limits): Body<ApiLimits>,
) -> Result<Json<Journalled>, Problem> {
    let tier = tier_number(small("tier", &tier)?)?;
    let command = set_limits(tier, false, false, limits.into());
    journalled(app, caller, command).await
}

/// A tier.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiTier {
    tier: u32,
    limits: ApiLimits,
    /// What its accounts pay.
    fees: Vec<ApiRates>,
}

/// All tiers: limits and fees. For operators and auditors.
#[utoipa::path(get, path = "/api/v1/admin/tiers", tag = "administration",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "tiers", body = Vec<ApiTier>),
        Refusals,
    ))]
pub(crate) async fn tiers(
    State(app): State<App>,
    _: Auditor,
) -> Result<Json<Vec<ApiTier>>, Problem> {
    app.live.ensure_live()?;
    Ok(Json(app.live.read(|engine, _| {
        let tiers = (0..MAX_TIERS).filter_map(|tier| {
            Some(ApiTier {
                tier,
                limits: engine.tier_limits(tier)?.into(),
                fees: rates_of(engine, tier),
            })
        });
        tiers.collect()
    })))
}

/// What a tier is to pay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewFees {
    #[schema(minimum = 0, maximum = 15)]
    tier: u32,
    /// Where; in all markets that there are if it is left out.
    #[schema(max_length = 16)]
    market: Option<String>,
    /// Fee of the resting side, parts per million of the notional; below 0 it is a rebate. No more than the market's list
    /// fee.
    #[schema(minimum = -1_000_000, maximum = 1_000_000)]
    maker_fee_ppm: i32,
    /// Fee of the arriving side, parts per million of the notional. No more than the market's list fee.
    #[schema(minimum = 0, maximum = 1_000_000)]
    taker_fee_ppm: u32,
}

/// Refuses what orders did not set aside: fees above the list, and rebates above all of the notional.
fn ensure_fees(app: &App, new: &NewFees, market: MarketId) -> Result<(), Problem> {
    let most = SetFees::MAX_REBATE_PPM;
    if new.maker_fee_ppm < 0 && new.maker_fee_ppm.unsigned_abs() > most {
        return Err(Problem::invalid(format!(
            "maker_fee_ppm: {} is out of range, a rebate is at most {most}",
            new.maker_fee_ppm
        )));
    }
    let most = CreateMarket::MAX_FEE_PPM;
    for (field, fee) in [
        ("maker_fee_ppm", i64::from(new.maker_fee_ppm)),
        ("taker_fee_ppm", new.taker_fee_ppm.into()),
    ] {
        if fee > i64::from(most) {
            return Err(Problem::invalid(format!(
                "{field}: {fee} is out of range, a fee is at most {most}"
            )));
        }
    }
    app.live.read(|engine, _| {
        let meant = |id: &MarketId| market == MarketId::ANY || *id == market;
        for terms in engine
            .market_ids()
            .filter(meant)
            .filter_map(|id| engine.market_terms(id))
        {
            let maker = i64::from(new.maker_fee_ppm);
            let taker = i64::from(new.taker_fee_ppm);
            for (field, fee, list) in [
                ("maker_fee_ppm", maker, i64::from(terms.maker_fee_ppm)),
                ("taker_fee_ppm", taker, terms.taker_fee_ppm.into()),
            ] {
                if fee > list {
                    return Err(Problem::invalid(format!(
                        "{field}: {fee} is more than the list fee of {}, which is {list}: a tier pays that or less",
                        symbol(terms.symbol)
                    )));
                }
            }
        }
        Ok(())
    })
}

/// Sets what the accounts of a tier pay: the list fees of the market or less.
#[utoipa::path(put, path = "/api/v1/admin/fees", tag = "administration", request_body = NewFees,
    security(("bearer" = [])),
    responses(
        (status = 200, description = "journalled", body = Journalled),
        Refusals,
    ))]
pub(crate) async fn set_fees(
    State(app): State<App>,
    Operator(caller): Operator,
    Body(new): Body<NewFees>,
) -> Result<Json<Journalled>, Problem> {
    let market = match new.market.as_deref() {
        Some(name) => app.market(name)?,
        None => MarketId::ANY,
    };
    let tier = tier_number(new.tier)?;
    ensure_fees(&app, &new, market)?;
    let command = Command::SetFees(SetFees {
        tier,
        market,
        maker_fee_ppm: new.maker_fee_ppm,
        taker_fee_ppm: new.taker_fee_ppm,
    });
    journalled(app, caller, command).await
}

/// Fees to collect.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Collect {
    /// Number of the account that gets them.
    #[schema(value_type = u64, minimum = 0)]
    account: u32,
    /// The asset's symbol.
    #[schema(max_length = 16)]
    asset: String,
    /// Base units, at least 1.
    amount: U64,
}

/// Pays out what the exchange has earned of an asset, or a part of it.
#[utoipa::path(post, path = "/api/v1/admin/fees/collect", tag = "administration", request_body = Collect,
    security(("bearer" = [])),
    responses(
        (status = 200, description = "journalled", body = Journalled),
        Refusals,
    ))]
pub(crate) async fn collect_fees(
    State(app): State<App>,
    Operator(caller): Operator,
    Body(collect): Body<Collect>,
) -> Result<Json<Journalled>, Problem> {
    let account = account_in(&app, &collect.account.to_string())?;
    let asset = asset_of(&app, &collect.asset)?;
    let fees = app.live.read(|engine, _| engine.asset(asset));
    let has = fees.map_or(0, |(_, fees)| fees.0);
    let amount = collect.amount.0;
    if amount == 0 {
        return Err(Problem::invalid("amount: collect at least 1 base unit"));
    }
    if amount > has {
        return Err(Problem::conflict(
            "fees-exceeded",
            "There are not so many fees",
            format!(
                "amount: the exchange has earned {has} base units of {} that were not collected",
                collect.asset
            ),
        ));
    }
    let command = Command::CollectFees(CollectFees {
        account,
        asset,
        amount: Amount(amount),
    });
    journalled(app, caller, command).await
}
