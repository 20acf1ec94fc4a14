//! What operators do. Every command is journalled, and who asked for it is kept beside it; so is who gave which role.

use crate::administration::administer;
use crate::api::users::{asset_of, ensure_done};
use crate::api::{self, Page, Paging};
use crate::auth::token::{role_name, role_of};
use crate::auth::{Auditor, Caller, Operator, is_named_operator, wallet_of};
use crate::choices::ApiMarketState;
use crate::delegation;
use crate::deposits::{self, RequestId};
use crate::live::now;
use crate::membership;
use crate::notation;
use crate::number::{I64, U64};
use crate::problem::{Problem, Refusals};
use crate::state::{App, Body, Path, Query};
use crate::view::{symbol, wallet as wallet_text};
use crate::whole::to_the_end;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::{
    AccountId, AssetId, Command, CommandKind, CreateAsset, CreateMarket, Deposit, FirmId, MarketId,
    MarketState, Nanos, Price, Qty, Seq, Source, Zero,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::{Role, RoleGiven};
use topology::smallest_order_fits;
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
        Refusals,
    ))]
pub(crate) async fn create_asset(
    State(app): State<App>,
    Operator(caller): Operator,
    Body(new): Body<NewAsset>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    to_the_end(async move { make_asset(&app, &caller, &new).await }).await
}

async fn make_asset(
    app: &App,
    caller: &Caller,
    new: &NewAsset,
) -> Result<(StatusCode, Json<Made>), Problem> {
    ensure_decimals(new.decimals)?;
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
    made(app, caller, command, next).await
}

fn ensure_decimals(decimals: u8) -> Result<(), Problem> {
    let most = CreateAsset::MAX_DECIMALS;
    if decimals <= most {
        return Ok(());
    }
    Err(Problem::invalid(format!(
        "decimals: {decimals} is out of range, use 0 to {most}"
    )))
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

async fn made(
    app: &App,
    caller: &Caller,
    command: Command,
    id: u32,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let done = administer(app, caller.wallet, Source::ADMINISTRATION, command).await?;
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
    /// In which it begins: `Continuous` unless said otherwise, and not `Delisted`.
    state: Option<ApiMarketState>,
}

/// Makes a market.
#[utoipa::path(post, path = "/api/v1/admin/markets", tag = "administration", request_body = NewMarket,
    security(("bearer" = [])),
    responses(
        (status = 201, description = "made", body = Made),
        Refusals,
    ))]
pub(crate) async fn create_market(
    State(app): State<App>,
    Operator(caller): Operator,
    Body(new): Body<NewMarket>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    to_the_end(async move { make_market(&app, &caller, &new).await }).await
}

async fn make_market(
    app: &App,
    caller: &Caller,
    new: &NewMarket,
) -> Result<(StatusCode, Json<Made>), Problem> {
    if new.state == Some(ApiMarketState::Delisted) {
        return Err(Problem::invalid(
            "state: a market cannot begin as Delisted, use another one",
        ));
    }
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
    let terms = CreateMarket {
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
        state: new.state.map_or(MarketState::Continuous, MarketState::from),
        pad: [Zero::Zero; 7],
    };
    ensure_terms(&terms)?;
    made(app, caller, Command::CreateMarket(terms), next).await
}

/// Refuses what no market can have, by the field's name: what the engine refuses, and a market in which it would refuse
/// every order at some price, as a genesis file's check does.
fn ensure_terms(terms: &CreateMarket) -> Result<(), Problem> {
    let require = |holds: bool, problem: String| match holds {
        true => Ok(()),
        false => Err(Problem::invalid(problem)),
    };
    require(
        terms.base != terms.quote,
        "quote: this is the base too, use two assets".to_owned(),
    )?;
    for (field, fee) in [
        ("maker_fee_ppm", terms.maker_fee_ppm),
        ("taker_fee_ppm", terms.taker_fee_ppm),
    ] {
        let most = CreateMarket::MAX_FEE_PPM;
        require(
            fee <= most,
            format!("{field}: {fee} is out of range, use 0 to {most}, which is all of it"),
        )?;
    }
    for (field, value) in [
        ("tick_value", terms.tick_value),
        ("lot_size", terms.lot_size),
        ("min_quantity", terms.min_qty.0),
        ("price_levels", terms.price_levels.into()),
    ] {
        require(value > 0, format!("{field}: this is 0, use at least 1"))?;
    }
    let (lowest, levels) = (terms.price_min.0, terms.price_levels);
    // All but the prices is said by now, and the engine's own rule has the last word.
    require(
        terms.is_within_limits(),
        format!(
            "price_min: {lowest} with {levels} price_levels: the lowest price must be at least 1 and the highest fit 63 bits"
        ),
    )?;
    require(
        smallest_order_fits(terms),
        format!(
            "tick_value: {} is too much: the smallest order (min_quantity {}) at the highest price with its fee must \
             fit 64 bits, so use less of one of them",
            terms.tick_value, terms.min_qty.0
        ),
    )
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
        Refusals,
    ))]
pub(crate) async fn create_account(
    State(app): State<App>,
    Operator(caller): Operator,
    Body(new): Body<NewAccount>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let wallet = wallet_of(&new.wallet)?;
    delegation::ensure_key("wallet", &wallet)?;
    let firm = new.firm.map(FirmId);
    to_the_end(async move { make_account(&app, &caller, wallet, firm).await }).await
}

async fn make_account(
    app: &App,
    caller: &Caller,
    wallet: [u8; 32],
    firm: Option<FirmId>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let _one_at_a_time = app.registering.lock().await;
    if let Some(account) = app.live.hub().account_of(&wallet) {
        return Err(Problem::conflict(
            "account-exists",
            "This wallet has an account",
            format!("it is account {}", account.0),
        ));
    }
    let made = membership::make_account(app, caller.wallet, wallet, firm).await?;
    let (id, sequence) = (made.0.0, U64(made.1.0));
    Ok((StatusCode::CREATED, Json(Made { id, sequence })))
}

/// Funds to credit.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credit {
    /// The owner's wallet, base58; or else `account`.
    #[schema(min_length = 32, max_length = 44)]
    wallet: Option<String>,
    /// The account's number: of one that no wallet owns as well.
    account: Option<u32>,
    /// The asset's symbol.
    #[schema(max_length = 16)]
    asset: String,
    /// Base units.
    amount: U64,
    /// The operators' name for this deposit: it is made once, however often it is asked for.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    request_id: String,
}

impl Credit {
    /// The account that is meant.
    fn credited(&self, app: &App) -> Result<AccountId, Problem> {
        match (&self.wallet, self.account) {
            (Some(text), None) => {
                let account = app.live.hub().account_of(&wallet_of(text)?);
                account.ok_or_else(|| Problem::not_found("account of wallet", text))
            }
            (None, Some(number)) => {
                let account = AccountId(number);
                let exists = app.live.read(|engine, _| engine.account(account).is_some());
                exists
                    .then_some(account)
                    .ok_or_else(|| Problem::not_found("account", number))
            }
            (None, None) | (Some(_), Some(_)) => Err(Problem::invalid(
                "name whom to credit: either wallet or account, the account's number",
            )),
        }
    }
}

/// Credits an account, once for a request id: repeated, it is answered as the first time.
#[utoipa::path(post, path = "/api/v1/admin/deposits", tag = "administration", request_body = Credit,
    security(("bearer" = [])),
    responses(
        (status = 201, description = "credited", body = Made),
        Refusals,
    ))]
pub(crate) async fn deposit(
    State(app): State<App>,
    Operator(caller): Operator,
    Body(new): Body<Credit>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let request = RequestId::of_operators(&new.request_id)?;
    let account = new.credited(&app)?;
    let deposit = Deposit {
        account,
        asset: asset_of(&app, &new.asset)?,
        amount: api::amount(new.amount)?,
    };
    let seq = deposits::make(&app, caller.wallet, deposit, Some(request), || Ok(())).await?;
    let (id, sequence) = (account.0, U64(seq.0));
    Ok((StatusCode::CREATED, Json(Made { id, sequence })))
}

/// A deposit that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiDeposit {
    /// The operators' name for it.
    request_id: String,
    /// The account's number.
    account: u32,
    /// The asset's number.
    asset_id: u32,
    /// Base units.
    amount: U64,
    /// Wallet of whoever asked, base58.
    asked_by: String,
    /// When it was credited, UTC nanoseconds.
    timestamp: U64,
    /// The engine sequence number of its frame.
    sequence: U64,
}

/// What became of a deposit. For operators and auditors.
///
/// It is answered with the engine's refusal if that is what came of it, 504 if it may still come, and 404 if nothing
/// was or will be credited under this request id unless it is asked for again.
#[utoipa::path(get, path = "/api/v1/admin/deposits/{request_id}", tag = "administration", params(
        ("request_id" = String, Path, description = "as it was given")),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "credited", body = ApiDeposit),
        Refusals,
    ))]
pub(crate) async fn find_deposit(
    State(app): State<App>,
    _: Auditor,
    Path(request_id): Path<String>,
) -> Result<Json<ApiDeposit>, Problem> {
    let request = RequestId::of_operators(&request_id)?;
    let found = deposits::find(&app, &request).await?;
    let (asked, deposit) =
        found.ok_or_else(|| Problem::not_found("deposit of the request id", &request_id))?;
    Ok(Json(ApiDeposit {
        request_id,
        account: deposit.account.0,
        asset_id: deposit.asset.0,
        amount: U64(deposit.amount.0),
        asked_by: wallet_text(asked.wallet),
        timestamp: U64(deposit.time.0),
        sequence: U64(deposit.seq.0),
    }))
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
        Refusals,
    ))]
pub(crate) async fn set_role(
    State(app): State<App>,
    Operator(caller): Operator,
    Body(give): Body<GiveRole>,
) -> Result<StatusCode, Problem> {
    let wallet = wallet_of(&give.wallet)?;
    let role = role_of(&give.role).ok_or_else(|| {
        Problem::invalid(format!(
            "{:?} is no role: use user, maker, operator or auditor",
            give.role
        ))
    })?;
    if is_named_operator(&app, wallet) && role != Role::Operator {
        return Err(Problem::conflict(
            "named-operator",
            "The configuration names this operator",
            "gateway.operators names this wallet, whatever role it is given: take it out there and start again",
        ));
    }
    let given = RoleGiven {
        time: now(),
        wallet,
        role,
        giver: caller.wallet,
    };
    app.store.give_role(&given).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Roles that operators gave, the newest first. For operators and auditors.
///
/// Those that the configuration names as operators have been given nothing here.
#[utoipa::path(get, path = "/api/v1/admin/roles", tag = "administration", params(Paging),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "a page", body = Page<GivenRole>),
        Refusals,
    ))]
pub(crate) async fn roles(
    State(app): State<App>,
    _: Auditor,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<GivenRole>>, Problem> {
    let (before, limit) = (paging.number()?, paging.limit()?);
    let found = app.store.roles_given(before.map(Nanos), limit).await?;
    let page = Page::of(
        found,
        limit,
        |given| given.time.0,
        |given| GivenRole {
            timestamp: U64(given.time.0),
            wallet: wallet_text(given.wallet),
            role: role_name(given.role).to_owned(),
            given_by: wallet_text(given.giver),
        },
    );
    Ok(Json(page))
}

/// A role that was given.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GivenRole {
    /// UTC nanoseconds.
    timestamp: U64,
    /// To whom: a wallet, base58.
    wallet: String,
    /// `user`, `maker`, `operator` or `auditor`.
    role: String,
    /// By whom: a wallet, base58.
    given_by: String,
}

/// A journalled command of administration, or a deposit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditRow {
    /// Engine sequence number.
    sequence: U64,
    /// UTC nanoseconds.
    timestamp: U64,
    /// What was asked.
    command: String,
    /// The command's fields, by the names that `sluice journal print --json` has: numbers of 64 bits are strings.
    #[schema(value_type = Object)]
    fields: Map<String, Value>,
    /// 0, or why it was refused.
    reason: u16,
    /// Wallet of whoever asked, base58: an operator, or a user who logged on for the first time or asked for test
    /// funds. Absent for what did not come by the gateway, as the genesis file.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked_by: Option<String>,
}

/// Commands of administration and deposits as the journal has them, and who asked for them, the newest first. For
/// operators and auditors.
#[utoipa::path(get, path = "/api/v1/admin/audit", tag = "administration", params(Paging),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "a page", body = Page<AuditRow>),
        Refusals,
    ))]
pub(crate) async fn audit(
    State(app): State<App>,
    _: Auditor,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<AuditRow>>, Problem> {
    let (below, limit) = (paging.number()?, paging.limit()?);
    let found = app.store.audited(below.map(Seq), limit).await?;
    let page = Page::of(
        found,
        limit,
        |one| one.seq.0,
        |one| AuditRow {
            sequence: U64(one.seq.0),
            timestamp: U64(one.time.0),
            command: format!("{:?}", one.command),
            fields: fields_of(one.command, &one.payload),
            reason: one.reason.into(),
            asked_by: one.asked_by.map(wallet_text),
        },
    );
    Ok(Json(page))
}

/// A journalled command's fields by their names; none if its body is not one of this version.
fn fields_of(kind: CommandKind, body: &[u8]) -> Map<String, Value> {
    let (words, _) = body.as_chunks();
    let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let command = Command::decode(kind, &words).ok();
    let record = command.and_then(|command| serde_json::to_value(notation::command(&command)).ok());
    match record {
        Some(Value::Object(mut fields)) => {
            // The row says it already.
            fields.remove("kind");
            fields
        }
        _ => Map::new(),
    }
}

/// A snapshot of the exchange's state.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SnapshotRow {
    /// Engine sequence number of the checkpoint behind which it was taken.
    sequence: U64,
    /// Engine time of that checkpoint, UTC nanoseconds.
    timestamp: U64,
    /// Name of its file in the folder of snapshots.
    file: String,
    /// Size of the file.
    bytes: U64,
    /// The state's hash, as the checkpoint journalled it: 16 hexadecimal digits.
    state_hash: String,
    /// Whether the file is there.
    kept: bool,
    /// UTC nanoseconds at which it was first found to be gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<U64>,
}

/// The snapshots that were taken, the newest first. For operators and auditors.
///
/// What their headers say: whether one holds, `sluice snapshot verify` says.
#[utoipa::path(get, path = "/api/v1/admin/snapshots", tag = "administration", params(Paging),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "a page", body = Page<SnapshotRow>),
        Refusals,
    ))]
pub(crate) async fn snapshots(
    State(app): State<App>,
    _: Auditor,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<SnapshotRow>>, Problem> {
    let (below, limit) = (paging.number()?, paging.limit()?);
    let found = app.store.snapshots(below.map(Seq), limit).await?;
    let page = Page::of(
        found,
        limit,
        |snapshot| snapshot.seq.0,
        |snapshot| SnapshotRow {
            sequence: U64(snapshot.seq.0),
            timestamp: U64(snapshot.created.0),
            file: snapshot.path,
            bytes: U64(snapshot.bytes),
            state_hash: format!("{:016x}", snapshot.state_hash),
            kept: snapshot.removed.is_none(),
            removed: snapshot.removed.map(U64),
        },
    );
    Ok(Json(page))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Amount, SetTier};
    use serde_json::json;

    #[test]
    fn a_row_of_the_audit_has_the_commands_fields() {
        let command = Command::Deposit(Deposit {
            account: AccountId(3),
            asset: AssetId(1),
            amount: Amount(1 << 60),
        });
        let fields = fields_of(command.kind(), command.body());
        assert_eq!(
            Value::Object(fields),
            json!({ "account": 3, "asset": 1, "amount": (1_u64 << 60).to_string() })
        );
        let command = Command::SetTier(SetTier {
            account: AccountId(3),
            tier: 2,
        });
        let fields = fields_of(command.kind(), command.body());
        assert_eq!(Value::Object(fields), json!({ "account": 3, "tier": 2 }));
        // Another version's.
        assert_eq!(fields_of(command.kind(), &[0; 64]), Map::new());
    }

    /// Which field is named as the one that cannot be.
    fn named(refused: Result<(), Problem>) -> Option<String> {
        let problem = refused.err()?;
        assert_eq!(problem.status(), 422);
        let problem: Value = json!(problem);
        assert_eq!(problem["code"], "invalid-request");
        let (field, _) = problem["detail"].as_str()?.split_once(':')?;
        Some(field.to_owned())
    }

    #[test]
    fn a_market_that_cannot_be_is_refused_by_the_fields_name() {
        let fine = CreateMarket {
            market: MarketId(0),
            base: AssetId(0),
            quote: AssetId(1),
            maker_fee_ppm: 0,
            taker_fee_ppm: 1_000_000,
            price_levels: 1 << 10,
            tick_value: 1 << 40,
            lot_size: 1,
            min_qty: Qty(1),
            price_min: Price(1),
            symbol: [b'A'; 16],
            state: MarketState::Continuous,
            pad: [Zero::Zero; 7],
        };
        assert_eq!(named(ensure_terms(&fine)), None);
        let mut wrong = [fine; 11];
        wrong[0].quote = AssetId(0);
        wrong[1].maker_fee_ppm = 1_000_001;
        wrong[2].taker_fee_ppm = 1_000_001;
        wrong[3].tick_value = 0;
        wrong[4].lot_size = 0;
        wrong[5].min_qty = Qty(0);
        wrong[6].price_levels = 0;
        wrong[7].price_min = Price(0);
        wrong[8].price_min = Price(i64::MAX);
        // Twice 2^63, of which half is the fee, is just too much.
        wrong[9].tick_value = 1 << 53;
        wrong[10].min_qty = Qty(1 << 13);
        let fields = wrong.map(|terms| named(ensure_terms(&terms)).unwrap_or_default());
        assert_eq!(
            fields,
            [
                "quote",
                "maker_fee_ppm",
                "taker_fee_ppm",
                "tick_value",
                "lot_size",
                "min_quantity",
                "price_levels",
                "price_min",
                "price_min",
                "tick_value",
                "tick_value",
            ]
        );
    }

    #[test]
    fn decimals_and_amounts_that_cannot_be_are_refused_by_their_names() {
        assert_eq!(named(ensure_decimals(18)), None);
        assert_eq!(named(ensure_decimals(19)).as_deref(), Some("decimals"));
        let amount = |units| named(api::amount(U64(units)).map(drop));
        assert_eq!(amount(1), None);
        assert_eq!(amount(0).as_deref(), Some("amount"));
    }
}
