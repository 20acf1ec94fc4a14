//! What may happen in markets: states, auctions, collars, the end of a market.

use crate::api::mass::journalled;
use crate::api::{Journalled, Page, Paging};
use crate::auth::Operator;
use crate::choices::{ApiMarketState, ApiReference};
use crate::number::{I64, U64};
use crate::problem::{Problem, Refusals};
use crate::state::{App, Body, Query};
use axum::Json;
use axum::extract::State;
use domain::{
    Command, DelistMarket, Flag, MarketId, MarketState, Price, Reference, Seq, SetCollar,
    SetMarketState, Zero,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The market that a request names, unless it has ended.
fn market_that_lives(app: &App, name: &str) -> Result<MarketId, Problem> {
    let market = app.market(name)?;
    let state = app.live.read(|engine, _| engine.market_state(market));
    if matches!(state, Some((MarketState::Delisted, _))) {
        return Err(Problem::conflict(
            "market-delisted",
            "The market has ended",
            format!("market {name} was delisted, which is for ever: make another one"),
        ));
    }
    Ok(market)
}

/// A state for a market.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewState {
    /// The market's symbol.
    #[schema(max_length = 16)]
    market: String,
    /// Any but `Delisted`.
    state: ApiMarketState,
}

/// Lets a market go on in another state.
///
/// Where the new one is `Continuous`, `PostOnly` or `Closed`, bids and asks that cross trade at one price first.
#[utoipa::path(put, path = "/api/v1/admin/markets/state", tag = "administration", request_body = NewState,
    security(("bearer" = [])),
    responses(
        (status = 200, description = "journalled", body = Journalled),
        Refusals,
    ))]
pub(crate) async fn set_state(
    State(app): State<App>,
    Operator(caller): Operator,
    Body(new): Body<NewState>,
) -> Result<Json<Journalled>, Problem> {
    if new.state == ApiMarketState::Delisted {
        return Err(Problem::invalid(
            "state: Delisted is for ever, so it has a request of its own: POST /api/v1/admin/markets/delist",
        ));
    }
    let command = Command::SetMarketState(SetMarketState {
        market: market_that_lives(&app, &new.market)?,
        state: new.state.into(),
        pad: [Zero::Zero; 3],
    });
    journalled(app, caller, command).await
}

/// A collar for a market.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCollar {
    /// The market's symbol.
    #[schema(max_length = 16)]
    market: String,
    reference: ApiReference,
    /// The reference, ticks: with `Set` and no other.
    price: Option<I64>,
    /// How far from the reference, parts per million of it; left out with `None`.
    #[schema(value_type = Option<u64>, minimum = 0)]
    width_ppm: Option<u32>,
    /// Whether an order that is beyond it halts the market; not with `None`.
    halts: Option<bool>,
}

impl NewCollar {
    /// The command, or which field does not go with the reference.
    fn command(&self, market: MarketId) -> Result<SetCollar, Problem> {
        let invalid = |detail: &str| Err(Problem::invalid(detail));
        let price = match (self.reference, self.price) {
            (ApiReference::Set, Some(I64(price))) if price >= 1 => price,
            (ApiReference::Set, _) => {
                return invalid("price: reference Set needs one of at least 1 tick");
            }
            (_, None | Some(I64(0))) => 0,
            (_, Some(_)) => return invalid("price: it goes with reference Set only"),
        };
        let is_on = self.reference != ApiReference::None;
        let width_ppm = self.width_ppm.unwrap_or(0);
        match (is_on, width_ppm) {
            (true, 0) => return invalid("width_ppm: a collar needs one of at least 1"),
            (false, 1..) => return invalid("width_ppm: without a reference there is none"),
            (true, 1..) | (false, 0) => {}
        }
        let halts = self.halts.unwrap_or(false);
        if halts && !is_on {
            return invalid("halts: without a reference nothing halts the market");
        }
        Ok(SetCollar {
            price: Price(price),
            market,
            width_ppm,
            reference: Reference::from(self.reference),
            halts: Flag::from(halts),
            pad: [Zero::Zero; 6],
        })
    }
}

/// Says how far from a reference orders may reach into the other side of a market.
#[utoipa::path(put, path = "/api/v1/admin/markets/collar", tag = "administration", request_body = NewCollar,
    security(("bearer" = [])),
    responses(
        (status = 200, description = "journalled", body = Journalled),
        Refusals,
    ))]
pub(crate) async fn set_collar(
    State(app): State<App>,
    Operator(caller): Operator,
    Body(new): Body<NewCollar>,
) -> Result<Json<Journalled>, Problem> {
    let command = new.command(app.market(&new.market)?)?;
    journalled(app, caller, Command::SetCollar(command)).await
}

/// A market to end.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Delist {
    /// The market's symbol.
    #[schema(max_length = 16)]
    market: String,
}

/// Ends a market for ever: its orders are cancelled, and it takes no others.
#[utoipa::path(post, path = "/api/v1/admin/markets/delist", tag = "administration", request_body = Delist,
    security(("bearer" = [])),
    responses(
        (status = 200, description = "journalled", body = Journalled),
        Refusals,
    ))]
pub(crate) async fn delist(
    State(app): State<App>,
    Operator(caller): Operator,
    Body(end): Body<Delist>,
) -> Result<Json<Journalled>, Problem> {
    let command = Command::DelistMarket(DelistMarket {
        market: market_that_lives(&app, &end.market)?,
        pad: [Zero::Zero; 4],
    });
    journalled(app, caller, command).await
}

/// Rows of a market, page by page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichPage {
    /// The market's symbol; may be left out if there is only one.
    #[param(max_length = 16)]
    market: Option<String>,
    /// `next_cursor` of the page before.
    #[param(max_length = 64)]
    cursor: Option<String>,
    /// Most rows, 1 to 500.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

impl WhichPage {
    /// Market, below which frame, and how many rows.
    fn asked(self, app: &App) -> Result<(MarketId, Option<Seq>, u32), Problem> {
        let paging = Paging {
            cursor: self.cursor,
            limit: self.limit,
        };
        let market = app.market_or_only(self.market.as_deref())?;
        Ok((market, paging.number()?.map(Seq), paging.limit()?))
    }
}

/// A state that began.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StateRow {
    state: ApiMarketState,
    /// When it began, UTC nanoseconds.
    timestamp: U64,
    /// Engine sequence number with which it began.
    sequence: U64,
}

/// The states that a market was in, the newest first.
#[utoipa::path(get, path = "/api/v1/market/states", tag = "market", params(WhichPage),
    responses(
        (status = 200, description = "a page", body = Page<StateRow>),
        Refusals,
    ))]
pub(crate) async fn states(
    State(app): State<App>,
    Query(which): Query<WhichPage>,
) -> Result<Json<Page<StateRow>>, Problem> {
    let (market, below, limit) = which.asked(&app)?;
    let found = app.store.market_states(market, below, limit).await?;
    let page = Page::of(
        found,
        limit,
        |row| row.seq.0,
        |row| StateRow {
            state: row.state.into(),
            timestamp: U64(row.time.0),
            sequence: U64(row.seq.0),
        },
    );
    Ok(Json(page))
}

/// An auction: bids and asks that crossed have traded at one price.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuctionRow {
    /// Ticks.
    price: I64,
    /// Lots.
    quantity: U64,
    /// UTC nanoseconds.
    timestamp: U64,
    /// Engine sequence number of its first trades.
    sequence: U64,
}

/// The auctions of a market, the newest first.
#[utoipa::path(get, path = "/api/v1/market/auctions", tag = "market", params(WhichPage),
    responses(
        (status = 200, description = "a page", body = Page<AuctionRow>),
        Refusals,
    ))]
pub(crate) async fn auctions(
    State(app): State<App>,
    Query(which): Query<WhichPage>,
) -> Result<Json<Page<AuctionRow>>, Problem> {
    let (market, below, limit) = which.asked(&app)?;
    let found = app.store.auctions(market, below, limit).await?;
    let page = Page::of(
        found,
        limit,
        |row| row.seq.0,
        |row| AuctionRow {
            price: I64(row.price.0),
            quantity: U64(row.qty.0),
            timestamp: U64(row.time.0),
            sequence: U64(row.seq.0),
        },
    );
    Ok(Json(page))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(collar: &NewCollar) -> String {
        let problem = collar.command(MarketId(0)).unwrap_err();
        let problem = serde_json::to_value(problem).unwrap();
        problem["detail"].as_str().unwrap().to_owned()
    }

    #[test]
    fn what_does_not_go_with_a_reference_is_named() {
        let collar = |reference, price: Option<i64>, width_ppm, halts| NewCollar {
            market: "SOL/USDC".to_owned(),
            reference,
            price: price.map(I64),
            width_ppm,
            halts,
        };
        for (collar, field) in [
            (collar(ApiReference::Set, None, Some(1), None), "price:"),
            (collar(ApiReference::Set, Some(0), Some(1), None), "price:"),
            (
                collar(ApiReference::Middle, Some(5), Some(1), None),
                "price:",
            ),
            (collar(ApiReference::Middle, None, None, None), "width_ppm:"),
            (
                collar(ApiReference::None, None, Some(1), None),
                "width_ppm:",
            ),
            (collar(ApiReference::None, None, None, Some(true)), "halts:"),
        ] {
            let detail = detail(&collar);
            assert!(detail.starts_with(field), "{detail}");
        }
        let set = collar(ApiReference::Set, Some(7), Some(50_000), Some(true));
        let command = set.command(MarketId(3)).unwrap();
        assert_eq!((command.price, command.market), (Price(7), MarketId(3)));
        assert!(command.halts.is_yes());
        assert!(
            collar(ApiReference::None, None, None, None)
                .command(MarketId(3))
                .is_ok()
        );
    }
}
