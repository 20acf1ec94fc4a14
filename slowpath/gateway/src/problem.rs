//! Errors as RFC 9457 problems. The code is stable; the detail says what to do.

use crate::combination::broken;
use crate::number::U64;
use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::{ClientOrderId, NewOrder, Reason};
use serde::Serialize;
use std::collections::BTreeMap;
use store::StoreError;
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder, response};
use utoipa::{IntoResponses, ToSchema};

/// A problem, as `application/problem+json`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// `urn:sluice:problem:` and the code.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: Box<str>,
    /// The HTTP status.
    status: u16,
    /// What is wrong, in a few words; the same for every problem of this code.
    title: &'static str,
    /// What is wrong here and what to do.
    detail: String,
    /// Stable name of the problem.
    #[schema(value_type = String)]
    code: Box<str>,
    /// The engine's reason code, if the engine refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<u16>,
    /// Engine sequence number at which this is so, where that matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<U64>,
    /// Of an order whose outcome is not known: its client order id, by which what became of it is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_order_id: Option<U64>,
    /// Seconds after which it may be tried again.
    #[serde(skip)]
    retry_after: Option<u32>,
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        code: &str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            kind: format!("urn:sluice:problem:{code}").into(),
            status: status.as_u16(),
            title,
            detail: detail.into(),
            code: code.into(),
            reason: None,
            sequence: None,
            client_order_id: None,
            retry_after: None,
        }
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid-request",
            "The request is not understood",
            detail,
        )
    }

    pub(crate) fn not_found(what: &str, which: impl std::fmt::Display) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "There is no such thing",
            format!("there is no {what} {which}"),
        )
    }

    /// The same, with the engine sequence number at which this is so.
    pub(crate) fn at(self, sequence: u64) -> Self {
        Self {
            sequence: Some(U64(sequence)),
            ..self
        }
    }

    pub(crate) fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "Log on first",
            detail,
        )
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "This is not allowed",
            detail,
        )
    }

    pub(crate) fn conflict(code: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, title, detail)
    }

    pub(crate) fn too_many(detail: impl Into<String>, retry_after: u32) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate-limited",
                "Too many requests",
                detail,
            )
        }
    }

    pub(crate) fn busy() -> Self {
        Self::busy_because("the command was not taken and has no effect: send it again")
    }

    pub(crate) fn busy_because(detail: impl Into<String>) -> Self {
        Self {
            retry_after: Some(1),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "The exchange is busy",
                detail,
            )
        }
    }

    /// The store has not seen yet what would be needed to answer.
    pub(crate) fn history_behind() -> Self {
        Self {
            retry_after: Some(1),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "history-behind",
                "The history is behind the exchange",
                "the history has not reached the present yet, so this cannot be told: try again",
            )
        }
    }

    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self {
            retry_after: Some(1),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "The exchange cannot do this now",
                detail,
            )
        }
    }

    pub(crate) fn unknown_outcome(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::GATEWAY_TIMEOUT,
            "outcome-unknown",
            "The outcome is not known yet",
            detail,
        )
    }

    /// What the engine refused.
    pub(crate) fn refused(reason: Reason) -> Self {
        let status = match reason {
            Reason::UnknownOrder | Reason::UnknownMarket | Reason::UnknownReference => {
                StatusCode::NOT_FOUND
            }
            Reason::CancelOnly
            | Reason::OrderTableFull
            | Reason::LevelTableFull
            | Reason::KillSwitchTableFull
            | Reason::LimitsTableFull
            | Reason::QuoteTableFull => StatusCode::SERVICE_UNAVAILABLE,
            Reason::DelegationExpired
            | Reason::BeyondDelegation
            | Reason::Killed
            | Reason::NotPermitted => StatusCode::FORBIDDEN,
            // It depends on the state of the market, the account or the order.
            _ => StatusCode::CONFLICT,
        };
        let problem = Self::new(
            status,
            &code_of(reason),
            "The engine refused the command",
            format!("{reason}: {}", advice(reason)),
        );
        Self {
            reason: Some(u16::from(reason)),
            retry_after: (reason == Reason::CancelOnly).then_some(1),
            ..problem
        }
    }

    /// The same; if its outcome is not known, with the client order id of the order that was sent.
    pub(crate) fn of_order(self, id: ClientOrderId) -> Self {
        let client_order_id = self.is_unknown_outcome().then_some(U64(id.0));
        Self {
            client_order_id,
            ..self
        }
    }

    /// What the engine refused of an order, with the rule that it breaks if its fields do not go together.
    pub(crate) fn refused_order(reason: Reason, order: &NewOrder) -> Self {
        let refused = Self::refused(reason);
        match reason {
            Reason::InvalidCombination => Self {
                detail: broken(order).map_or(refused.detail, str::to_owned),
                ..refused
            },
            _ => refused,
        }
    }

    /// A field of an order that goes with others of its fields, and is not there.
    pub(crate) fn missing(code: &str, title: &'static str, detail: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, title, detail)
    }

    /// Whether what was asked may yet happen.
    pub(crate) fn is_unknown_outcome(&self) -> bool {
        self.status == StatusCode::GATEWAY_TIMEOUT.as_u16()
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }
}

/// What to do about a refusal of the engine.
fn advice(reason: Reason) -> &'static str {
    match reason {
        Reason::UnknownMarket => "/api/v1/system/markets lists them",
        Reason::UnknownOrder => {
            "it has ended, is not yours, or (of a pull) you quote nothing there; GET /api/v1/orders/{order_id} says"
        }
        Reason::InvalidClientOrderId => {
            "use a client_order_id (or quote_id) other than 0, or leave it out"
        }
        Reason::DuplicateClientOrderId => "use another client_order_id for another order",
        Reason::InvalidCombination => {
            "a Market order needs time_in_force ImmediateOrCancel or FillOrKill, a PostOnly order, a stop or one with a \
             display_quantity another; min_quantity goes with neither PostOnly nor FillOrKill, expires_at only with \
             GoodTillTime, trigger_price only with a stop, which takes neither min_quantity nor display_quantity nor \
             self_trade_behavior Abort"
        }
        Reason::InvalidPrice => {
            "price of a Market order or Stop is the worst at which it trades: leave it out, or use one from price_min to \
             price_max, as /api/v1/system/markets gives them"
        }
        Reason::PriceOutOfRange => {
            "use one from price_min to price_max, as /api/v1/system/markets gives them"
        }
        Reason::InvalidQuantity | Reason::QuantityBelowMinimum => {
            "use a quantity of at least min_quantity and display_quantity of the order, if it has them; neither may \
             be below min_quantity of the market, as /api/v1/system/markets gives it"
        }
        Reason::NotionalTooLarge => "use a smaller quantity",
        Reason::InsufficientFunds => {
            "use a smaller quantity, cancel other orders or deposit; /api/v1/users/me/balances says what is available"
        }
        Reason::WouldTrade => {
            "use a price that does not reach the other side, or order_type Limit; in a market that is PostOnly only \
             such orders are taken"
        }
        Reason::CancelOnly => "it started again, and takes only cancels: try again in a moment",
        Reason::DelegationExpired => {
            "its time is over, or it was revoked, and only cancels are taken: log on and delegate again"
        }
        Reason::BeyondDelegation => "use a smaller quantity, or delegate more",
        Reason::AlreadyExpired | Reason::InvalidTrigger | Reason::WouldTrigger => of_later(reason),
        Reason::CannotFill
        | Reason::OrderTableFull
        | Reason::LevelTableFull
        | Reason::WouldSelfTrade
        | Reason::LookAheadTooLong
        | Reason::OnlyRestingOrders
        | Reason::PriceBeyondCollar => of_the_book(reason),
        Reason::QuantityAboveLimit
        | Reason::NotionalAboveLimit
        | Reason::TooManyOpenOrders
        | Reason::PositionAboveLimit
        | Reason::VolumeAboveLimit
        | Reason::UnattestedAboveLimit => of_limits(reason),
        Reason::MarketHalted
        | Reason::MarketCancelOnly
        | Reason::MarketClosed
        | Reason::MarketDelisted => of_states(reason),
        Reason::QuoteCrossed
        | Reason::Protected
        | Reason::QuoteTableFull
        | Reason::InvalidProtection => of_quotes(reason),
        Reason::Killed
        | Reason::NotPermitted
        | Reason::KillSwitchTableFull
        | Reason::LimitsTableFull => of_operators(reason),
        Reason::UnknownReference => "use the number of one that there is",
        Reason::InvalidParameter => "a value is out of its range, or does not go with another",
        _ => "docs/WIRE.md lists the reason codes",
    }
}

/// Of orders that wait, or end by themselves.
fn of_later(reason: Reason) -> &'static str {
    match reason {
        Reason::AlreadyExpired => {
            "use an expires_at that is still to come, in UTC nanoseconds or as RFC 3339"
        }
        Reason::InvalidTrigger => {
            "use a trigger_price from price_min to price_max, as /api/v1/system/markets gives them"
        }
        _ => {
            "the last trade was there already: use a trigger_price above it if you buy, below it if you sell, or an \
             order that does not wait"
        }
    }
}

fn of_the_book(reason: Reason) -> &'static str {
    match reason {
        Reason::CannotFill => {
            "use a smaller quantity or min_quantity, a better price or another time_in_force"
        }
        Reason::OrderTableFull => "cancel orders that you do not need, or try again later",
        Reason::LevelTableFull => "name a price at which others rest, or try again later",
        Reason::WouldSelfTrade => {
            "cancel your own order that it would meet, use a price that does not reach it or another \
             self_trade_behavior"
        }
        Reason::LookAheadTooLong => {
            "so many orders cannot be looked at beforehand: use a smaller quantity, or no min_quantity and a \
             self_trade_behavior other than Abort"
        }
        Reason::OnlyRestingOrders => {
            "the market collects orders for an auction: use order_type Limit, a time_in_force that lets it stay and no \
             min_quantity, or wait until it is Continuous"
        }
        _ => {
            "use a price nearer to the market's: it reaches further into the other side than its collar in \
             /api/v1/system/markets allows"
        }
    }
}

fn of_operators(reason: Reason) -> &'static str {
    match reason {
        Reason::Killed => {
            "a kill switch is on for your session, your account, your firm or everyone, and only cancels are taken: an operator turns it \
             off; stopped_by of GET /api/v1/users/me/account says which"
        }
        Reason::NotPermitted => "this is the operator's to do: ask there",
        Reason::KillSwitchTableFull => "turn off a kill switch that is not needed",
        _ => {
            "put the account into a tier with these limits, or let another one have those of its tier"
        }
    }
}

fn of_quotes(reason: Reason) -> &'static str {
    match reason {
        Reason::QuoteCrossed => "use a bid_price below the ask_price",
        Reason::Protected => {
            "so much of your quotes there has traded that your protection was reached: set it anew by \
             PUT /api/v1/protection, then quote again"
        }
        Reason::QuoteTableFull => {
            "pull quotes and end protections where you need none: an account has them in 256 markets at most, and the \
             room of all is bounded too"
        }
        _ => "a protection has a window and at least one limit that is not 0, or neither",
    }
}

fn of_limits(reason: Reason) -> &'static str {
    match reason {
        Reason::QuantityAboveLimit => {
            "use a smaller quantity: max_order_quantity of GET /api/v1/users/me/account is the most"
        }
        Reason::NotionalAboveLimit => {
            "use a smaller quantity: price and quantity come to more than max_order_notional of \
             GET /api/v1/users/me/account"
        }
        Reason::TooManyOpenOrders => {
            "cancel orders that you do not need: max_open_orders of GET /api/v1/users/me/account is the most"
        }
        Reason::PositionAboveLimit => {
            "use a smaller quantity: you would own more of the asset than max_position of \
             GET /api/v1/users/me/account"
        }
        Reason::UnattestedAboveLimit => {
            "orders by HTTP cannot be attested, and max_unattested_notional of GET /api/v1/users/me/account is the most \
             without it: ask the operator for another limit, or trade by the binary port"
        }
        _ => {
            "use a smaller quantity, or wait for 00:00 UTC: with volume_today it comes to more than max_daily_volume of \
             GET /api/v1/users/me/account"
        }
    }
}

fn of_states(reason: Reason) -> &'static str {
    match reason {
        Reason::MarketHalted => {
            "only cancels are taken until an operator lets it go on; state of /api/v1/system/markets says when"
        }
        Reason::MarketCancelOnly => "only cancels are taken; use another market",
        Reason::MarketClosed => {
            "only cancels are taken until it opens again; state of /api/v1/system/markets says when"
        }
        _ => "it has ended for ever: use another market",
    }
}

/// `InsufficientFunds` as `insufficient-funds`.
pub(crate) fn code_of(reason: Reason) -> String {
    let mut code = String::new();
    for letter in format!("{reason:?}").chars() {
        if letter.is_ascii_uppercase() && !code.is_empty() {
            code.push('-');
        }
        code.push(letter.to_ascii_lowercase());
    }
    code
}

/// What every request may be answered with instead, for the description.
pub(crate) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<response::Response>> {
        let problem = |description: &str| {
            let content = Content::new(Some(Ref::from_schema_name(<Problem as ToSchema>::name())));
            let response = ResponseBuilder::new()
                .description(description)
                .content("application/problem+json", content);
            RefOr::T(response.build())
        };
        let answers = [("4XX", "refused"), ("5XX", "not possible now")];
        answers
            .map(|(status, description)| (status.to_owned(), problem(description)))
            .into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "the store does not answer");
        Self::unavailable("the store of the history does not answer: try again")
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self {
            status: rejection.status().as_u16(),
            ..Self::invalid(rejection.body_text())
        }
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::invalid(rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::invalid(rejection.body_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_reasons_names() {
        assert_eq!(code_of(Reason::InsufficientFunds), "insufficient-funds");
        assert_eq!(code_of(Reason::CancelOnly), "cancel-only");
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let problem = serde_json::to_value(Problem::refused(Reason::InvalidCombination)).unwrap();
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains("time_in_force ImmediateOrCancel"),
            "{detail}"
        );
        let ended = serde_json::to_value(Problem::refused(Reason::DelegationExpired)).unwrap();
        let detail = ended["detail"].as_str().unwrap();
        assert!(
            detail.contains("or it was revoked, and only cancels"),
            "{detail}"
        );
    }

    #[test]
    fn every_reason_of_a_refusal_has_advice_of_its_own() {
        let refusals = (1..300).filter_map(|code| Reason::try_from(code).ok());
        // These never come of what is asked here, or say all there is to say.
        let wordless = [
            Reason::UnknownSession,
            Reason::InvalidId,
            Reason::AlreadyInitialised,
            Reason::SupplyTooLarge,
            Reason::NotInitialised,
            Reason::UnsupportedEngineVersion,
        ];
        for reason in refusals.filter(|reason| u16::from(*reason) < 200) {
            let is_general = advice(reason).starts_with("docs/WIRE.md");
            assert_eq!(is_general, wordless.contains(&reason), "{reason}");
        }
    }

    #[test]
    fn an_order_whose_outcome_is_unknown_is_named() {
        let id = |problem: Problem| {
            let problem = serde_json::to_value(problem.of_order(ClientOrderId(7))).unwrap();
            problem.get("client_order_id").cloned()
        };
        assert_eq!(
            id(Problem::unknown_outcome("it was sent")),
            Some("7".into())
        );
        assert_eq!(id(Problem::busy()), None);
    }

    #[test]
    fn after_a_restart_it_is_said_when_to_try_again() {
        let response = Problem::refused(Reason::CancelOnly).into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        let response = Problem::refused(Reason::InsufficientFunds).into_response();
        assert!(!response.headers().contains_key(header::RETRY_AFTER));
    }

    #[test]
    fn a_response_says_what_it_is() {
        let response = Problem::busy().into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "application/problem+json"
        );
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }
}
