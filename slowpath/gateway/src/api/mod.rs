//! The HTTP API under `/api/v1`: one file a subject.

pub(crate) mod admin;
pub(crate) mod log_on;
pub(crate) mod market;
pub(crate) mod market_states;
pub(crate) mod mass;
pub(crate) mod new_order;
pub(crate) mod orders;
pub(crate) mod protection;
pub(crate) mod quotes;
pub(crate) mod sessions;
pub(crate) mod system;
pub(crate) mod tiers;
pub(crate) mod users;

use crate::number::{I64, U64};
use crate::problem::Problem;
use crate::state::App;
use domain::{Amount, Price};
use serde::{Deserialize, Serialize};
use store::At;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoParams, Modify, OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Rows of a page that asks for no number of its own.
const PAGE: u32 = 100;

/// A page of a list, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The rows.
    pub(crate) items: Vec<T>,
    /// Give it as `cursor` for the page behind this one; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_cursor: Option<String>,
    /// The history is complete up to this engine sequence number.
    pub(crate) sequence: U64,
}

impl<T> Page<T> {
    /// A page of what was found with at most `limit` rows, by what each row's place in the list is.
    pub(crate) fn of<R>(
        found: At<Vec<R>>,
        limit: u32,
        place: impl FnOnce(&R) -> u64,
        show: impl Fn(R) -> T,
    ) -> Self {
        let is_full = found.value.len() == limit as usize;
        let last = found.value.last().filter(|_| is_full);
        Self {
            next_cursor: last.map(|last| place(last).to_string()),
            items: found.value.into_iter().map(show).collect(),
            sequence: U64(found.seq.0),
        }
    }
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// `next_cursor` of the page before.
    #[param(max_length = 64)]
    pub(crate) cursor: Option<String>,
    /// Most rows, 1 to 500.
    #[param(minimum = 1, maximum = 500)]
    pub(crate) limit: Option<u32>,
}

impl Paging {
    pub(crate) fn limit(&self) -> Result<u32, Problem> {
        limit(self.limit, PAGE)
    }

    /// The cursor as a number.
    pub(crate) fn number(&self) -> Result<Option<u64>, Problem> {
        self.cursor.as_deref().map(number).transpose()
    }
}

/// A number of rows within its range.
pub(crate) fn limit(asked: Option<u32>, otherwise: u32) -> Result<u32, Problem> {
    let limit = asked.unwrap_or(otherwise);
    if (1..=store::MAX_ROWS).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::invalid(format!(
        "limit {limit} is out of range: use 1 to {}",
        store::MAX_ROWS
    )))
}

/// A command of administration that makes nothing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Journalled {
    /// Engine sequence number of the command.
    pub(crate) sequence: U64,
}

/// The lowest or the highest price that is meant; 0 if none is named.
pub(crate) fn bound(name: &str, ticks: Option<I64>) -> Result<Price, Problem> {
    match ticks {
        None => Ok(Price(0)),
        Some(I64(ticks)) if ticks >= 1 => Ok(Price(ticks)),
        Some(I64(ticks)) => Err(Problem::invalid(format!(
            "{name}: {ticks} is no price, use a whole number of ticks from 1 on"
        ))),
    }
}

/// At least one base unit.
pub(crate) fn amount(U64(units): U64) -> Result<Amount, Problem> {
    match units {
        0 => Err(Problem::invalid("amount: use at least 1 base unit")),
        units => Ok(Amount(units)),
    }
}

/// A number in a path, a query or a cursor.
pub(crate) fn number(text: &str) -> Result<u64, Problem> {
    let digits = (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .then(|| text.parse().ok())
        .flatten()
        .ok_or_else(|| Problem::invalid(format!("{text:?} is no number of up to 64 bits")))
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sluice",
        description = "Orders, market data and accounts of a Sluice exchange. Prices are ticks, quantities lots, \
                       amounts base units, times UTC nanoseconds; 64-bit numbers are strings of digits. \
                       Errors are problems (RFC 9457) with stable codes. WebSocket: `/api/v1/ws`.",
        version = "1",
        license(name = "MIT", identifier = "MIT")
    ),
    modifiers(&Bearer),
    components(schemas(Problem)),
    tags(
        (name = "orders", description = "Enter, change, cancel, ask"),
        (name = "market", description = "Books, trades, candles"),
        (name = "users", description = "A user's orders, trades, account"),
        (name = "log on", description = "Wallet log-on, tokens, sessions of the binary port"),
        (name = "system", description = "Markets, configuration, health"),
        (name = "administration", description = "What operators do; each is a journalled command")
    )
)]
struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

/// All routes and their description.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(orders::place, mass::cancel_all))
        .routes(routes!(mass::kill))
        .routes(routes!(quotes::place, quotes::pull))
        .routes(routes!(protection::set, protection::list))
        .routes(routes!(orders::get, orders::modify, orders::cancel))
        .routes(routes!(orders::outcome, orders::cancel_by_client_id))
        .routes(routes!(market::orderbook))
        .routes(routes!(market::depth))
        .routes(routes!(market::trades))
        .routes(routes!(market::recent_trades))
        .routes(routes!(market::stats))
        .routes(routes!(market::price_history))
        .routes(routes!(market_states::states))
        .routes(routes!(market_states::auctions))
        .routes(routes!(users::orders))
        .routes(routes!(users::trades))
        .routes(routes!(users::self_trades))
        .routes(routes!(users::account_of))
        .routes(routes!(users::balances))
        .routes(routes!(users::faucet))
        .routes(routes!(log_on::challenge))
        .routes(routes!(log_on::token))
        .routes(routes!(log_on::refresh))
        .routes(routes!(log_on::revoke))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::revoke))
        .routes(routes!(system::status))
        .routes(routes!(system::markets))
        .routes(routes!(system::config))
        .routes(routes!(admin::create_asset))
        .routes(routes!(admin::create_market))
        .routes(routes!(admin::create_account))
        .routes(routes!(admin::deposit))
        .routes(routes!(admin::find_deposit))
        .routes(routes!(admin::set_role, admin::roles))
        .routes(routes!(admin::audit))
        .routes(routes!(admin::snapshots))
        .routes(routes!(tiers::account))
        .routes(routes!(tiers::set_tier))
        .routes(routes!(
            tiers::set_account_limits,
            tiers::end_account_limits
        ))
        .routes(routes!(tiers::tiers))
        .routes(routes!(tiers::set_tier_limits))
        .routes(routes!(tiers::set_fees))
        .routes(routes!(tiers::collect_fees))
        .routes(routes!(market_states::set_state))
        .routes(routes!(market_states::set_collar))
        .routes(routes!(market_states::delist))
        .routes(routes!(mass::cancel_of))
        .routes(routes!(mass::set_kill_switch, mass::kill_switches))
}
