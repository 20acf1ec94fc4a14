//! Quotes: what a market maker bids and asks, in many markets by one request. Each market's is one command of the
//! engine, which is done or refused for itself.

use crate::api::orders::fresh_id;
use crate::auth::{Caller, Membership};
use crate::desk::Done;
use crate::number::{I64, U64};
use crate::problem::{Problem, Refusals};
use crate::report::ApiReport;
use crate::state::{App, Body, Query};
use crate::timeout::SentAs;
use crate::view::{ApiOrder, wallet};
use axum::extract::State;
use axum::{Extension, Json};
use domain::{
    ClientOrderId, Command, Event, Flag, MarketId, Price, Qty, Quote, Reason, Side, Zero,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Entries of a request at most: as many as a message of the binary port has.
const MOST: usize = 32;
/// What to do when it is not known what became of a quote.
const UNKNOWN: &str = "the quote was sent and may still be taken, within five seconds: quote again, because the last \
                       one that is taken is what holds, or look at GET /api/v1/users/me/orders, where the quote_id \
                       is the client_order_id";

/// What you quote from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlaceQuotes {
    /// Your id for these quotes, not 0, which you may use again. One is made if you give none.
    #[schema(schema_with = crate::number::as_read_if_given)]
    quote_id: Option<U64>,
    /// Whether a side that would trade goes one tick away from the other side of the book, instead of being refused with
    /// its market's quote. `false` unless said otherwise.
    #[serde(default)]
    slide: bool,
    /// One for a market, in the order in which they are taken.
    #[schema(min_items = 1, max_items = 32)]
    quotes: Vec<PlaceQuote>,
}

/// What you quote in a market from now on. With neither side it pulls what you quote there.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlaceQuote {
    /// The market's symbol; may be left out if there is only one.
    market: Option<String>,
    /// Ticks.
    #[schema(schema_with = crate::number::signed_as_read_if_given)]
    bid_price: Option<I64>,
    /// Lots that are to be open from now on; 0, or left out: none, and a bid that is there is cancelled.
    #[schema(schema_with = crate::number::as_read_if_given)]
    bid_quantity: Option<U64>,
    /// Ticks.
    #[schema(schema_with = crate::number::signed_as_read_if_given)]
    ask_price: Option<I64>,
    /// Lots that are to be open from now on; 0, or left out: none, and an ask that is there is cancelled.
    #[schema(schema_with = crate::number::as_read_if_given)]
    ask_quantity: Option<U64>,
}

/// Price and lots of a side that is quoted; zeros if it is not.
fn side(name: &str, price: Option<I64>, lots: Option<U64>) -> Result<(Price, Qty), Problem> {
    match (price, lots.unwrap_or_default()) {
        (_, U64(0)) => Ok((Price(0), Qty::ZERO)),
        (Some(I64(ticks)), U64(lots)) => Ok((Price(ticks), Qty(lots))),
        (None, U64(_)) => Err(Problem::missing(
            "price-missing",
            "The quote has no price",
            &format!("{name}_price is missing: a side with a {name}_quantity needs one, in ticks"),
        )),
    }
}

impl PlaceQuote {
    /// As the engine is told of it.
    fn entered(
        &self,
        market: MarketId,
        quote_id: ClientOrderId,
        slide: bool,
    ) -> Result<Quote, Problem> {
        let (bid_price, bid_qty) = side("bid", self.bid_price, self.bid_quantity)?;
        let (ask_price, ask_qty) = side("ask", self.ask_price, self.ask_quantity)?;
        Ok(Quote {
            quote_id,
            bid_price,
            bid_qty,
            ask_price,
            ask_qty,
            market,
            slide: Flag::from(slide),
            pad: [Zero::Zero; 3],
        })
    }
}

impl PlaceQuotes {
    /// What is sent; nothing of a request that has a fault.
    fn entered(&self, app: &App, quote_id: ClientOrderId) -> Result<Vec<Quote>, Problem> {
        let enter = |quote: &PlaceQuote| {
            let market = app.market_or_only(quote.market.as_deref())?;
            quote.entered(market, quote_id, self.slide)
        };
        self.quotes.iter().map(enter).collect()
    }
}

/// What became of quotes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Quoted {
    /// Yours, or the one that was given.
    quote_id: U64,
    /// Of each that was asked for, in this order.
    quotes: Vec<QuotedIn>,
}

/// What became of the quote of a market: with a `problem` nothing, unless it is `outcome-unknown`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QuotedIn {
    /// The market's symbol.
    market: String,
    /// Your bid after it, or as it ended; absent if there was none and there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    bid: Option<ApiOrder>,
    /// The same of your ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    ask: Option<ApiOrder>,
    /// What happened to your orders, in order.
    reports: Vec<ApiReport>,
    /// Engine sequence number of its frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<U64>,
    /// Why it was refused, or what else is not known of it. What you quoted there before stays then.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

impl QuotedIn {
    /// What a quote did, or the engine's refusal.
    fn of(app: &App, caller: &Caller, member: Membership, done: &Done) -> Result<Self, Problem> {
        let hub = app.live.hub();
        let mut reports = Vec::new();
        for event in &done.events {
            if let Event::Rejected(refused) = event {
                return Err(Problem::refused(refused.reason).at(done.seq.0));
            }
            let own = event
                .report()
                .filter(|(session, _)| *session == member.session);
            if own.is_some() {
                reports.extend(ApiReport::of(event, |market| hub.symbol(market)));
            }
        }
        let of_side = |side| {
            let order = done.orders.iter().find(|order| order.side == side)?;
            Some(order.view(&hub.symbol(order.market), Some(wallet(caller.wallet))))
        };
        let market = done.orders.first().ok_or_else(|| {
            Problem::unknown_outcome("the quote was applied and says nothing of its orders")
        })?;
        Ok(Self {
            market: hub.symbol(market.market),
            bid: of_side(Side::Buy),
            ask: of_side(Side::Sell),
            reports,
            sequence: Some(U64(done.seq.0)),
            problem: None,
        })
    }

    /// Of which nothing came.
    fn without(market: String, problem: Problem) -> Self {
        Self {
            market,
            bid: None,
            ask: None,
            reports: Vec::new(),
            sequence: None,
            problem: Some(problem),
        }
    }
}

/// Sets what you quote in up to 32 markets.
///
/// You have at most one bid and one ask quote in a market; they are orders of yours, with `quote`. Those that are there
/// become as you say, each market's as a whole or not at all, one behind the other. A quote never trades on arrival.
/// Nothing is sent if one of them is not understood.
#[utoipa::path(post, path = "/api/v1/quotes", tag = "orders", request_body = PlaceQuotes,
    security(("bearer" = [])),
    responses(
        (status = 200, description = "what became of each", body = Quoted),
        Refusals,
    ))]
pub(crate) async fn place(
    State(app): State<App>,
    caller: Caller,
    Extension(sent_as): Extension<SentAs>,
    Body(asked): Body<PlaceQuotes>,
) -> Result<Json<Quoted>, Problem> {
    app.live.ensure_live()?;
    let member = caller.membership(&app)?;
    if !(1..=MOST).contains(&asked.quotes.len()) {
        return Err(Problem::invalid(format!(
            "quotes: there are {}, send 1 to {MOST}",
            asked.quotes.len()
        )));
    }
    app.limits.orders(&caller.wallet, asked.quotes.len())?;
    let quote_id = match asked.quote_id {
        Some(U64(0)) => return Err(Problem::refused(Reason::InvalidClientOrderId)),
        Some(U64(id)) => ClientOrderId(id),
        None => ClientOrderId(fresh_id()?),
    };
    let quotes = asked.entered(&app, quote_id)?;
    sent_as.say(quote_id);
    let quotes = quote(&app, &caller, member, &quotes).await;
    Ok(Json(Quoted {
        quote_id: U64(quote_id.0),
        quotes: quotes.map_err(|problem| problem.of_order(quote_id))?,
    }))
}

/// Sends quotes, and says of each what became of it.
pub(crate) async fn quote(
    app: &App,
    caller: &Caller,
    member: Membership,
    quotes: &[Quote],
) -> Result<Vec<QuotedIn>, Problem> {
    let commands: Vec<Command> = quotes.iter().copied().map(Command::Quote).collect();
    let done = app
        .live
        .commands(member.source(), &commands, UNKNOWN)
        .await?;
    if let Some(problem) = of_all(&done) {
        return Err(problem);
    }
    let quoted = quotes.iter().zip(done).map(|(quote, done)| {
        let quoted = done.and_then(|done| QuotedIn::of(app, caller, member, &done));
        let market = || app.live.hub().symbol(quote.market);
        quoted.unwrap_or_else(|problem| QuotedIn::without(market(), problem))
    });
    Ok(quoted.collect())
}

/// The problem of the request, if nothing is known of any of its commands: that of one that may yet be taken, if there is
/// one.
fn of_all(done: &[Result<Done, Problem>]) -> Option<Problem> {
    let problems: Option<Vec<&Problem>> = done.iter().map(|done| done.as_ref().err()).collect();
    let problems = problems?;
    let unknown = problems.iter().find(|problem| problem.is_unknown_outcome());
    unknown.or_else(|| problems.first()).copied().cloned()
}

/// Where.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Where {
    /// The market's symbol; may be left out if there is only one.
    #[param(max_length = 16)]
    market: Option<String>,
}

/// Pulls what you quote in a market: both sides are cancelled.
///
/// It is taken whatever the state of the market, as cancels are. Sent again it does no harm.
#[utoipa::path(delete, path = "/api/v1/quotes", tag = "orders", params(Where),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "pulled", body = QuotedIn),
        Refusals,
    ))]
pub(crate) async fn pull(
    State(app): State<App>,
    caller: Caller,
    Query(which): Query<Where>,
) -> Result<Json<QuotedIn>, Problem> {
    app.live.ensure_live()?;
    let member = caller.membership(&app)?;
    let market = app.market_or_only(which.market.as_deref())?;
    let quoted = |engine: &engine::Engine| engine.quote_of(member.session, market);
    if app.live.read(|engine, _| quoted(engine)) == [None; 2] {
        // One may be under way, so it is sent; but not for nothing as often as anybody likes.
        app.limits.order(&caller.wallet)?;
    }
    let pull = Quote {
        market,
        ..Quote::PULL
    };
    let pulled = quote(&app, &caller, member, &[pull]).await?.pop();
    let mut pulled = pulled.ok_or_else(Problem::busy)?;
    match pulled.problem.take() {
        Some(problem) => Err(problem),
        None => Ok(Json(pulled)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Seq;
    use serde_json::{Value, json};

    fn entered(fields: Value) -> Result<Quote, Value> {
        let quote: PlaceQuote = serde_json::from_value(fields).unwrap();
        let entered = quote.entered(MarketId(3), ClientOrderId(7), true);
        entered.map_err(|problem| json!(problem))
    }

    #[test]
    fn a_side_without_lots_is_not_quoted_and_one_with_lots_has_a_price() {
        let both =
            json!({ "bid_price": "9", "bid_quantity": 2, "ask_price": "11", "ask_quantity": "3" });
        let quote = entered(both).unwrap();
        assert_eq!((quote.bid_price, quote.bid_qty), (Price(9), Qty(2)));
        assert_eq!((quote.ask_price, quote.ask_qty), (Price(11), Qty(3)));
        assert_eq!(
            (quote.market, quote.quote_id),
            (MarketId(3), ClientOrderId(7))
        );
        assert_eq!(quote.slide, Flag::Yes);
        let one = entered(json!({ "bid_price": "9", "ask_price": "11", "ask_quantity": "3" }));
        assert_eq!(one.map(|quote| quote.bid_qty), Ok(Qty::ZERO));
        assert!(entered(json!({})).unwrap().is_pull());
        for name in ["bid", "ask"] {
            let lots = format!("{name}_quantity");
            let problem = entered(json!({ lots: "1" })).unwrap_err();
            assert_eq!(problem["code"], "price-missing");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.starts_with(&format!("{name}_price")), "{detail}");
        }
    }

    #[test]
    fn the_request_has_a_problem_only_if_nothing_is_known_of_any() {
        let done = || {
            Ok(Done {
                seq: Seq(1),
                events: Vec::new(),
                orders: Vec::new(),
                cancelled: Vec::new(),
            })
        };
        let (busy, unknown) = (
            || Err(Problem::busy()),
            || Err(Problem::unknown_outcome("it was sent")),
        );
        assert!(of_all(&[done(), busy()]).is_none());
        assert!(of_all(&[unknown(), done()]).is_none());
        let status = |done: &[_]| of_all(done).map(|problem| problem.status());
        assert_eq!(status(&[busy(), busy()]), Some(503));
        assert_eq!(status(&[busy(), unknown()]), Some(504));
    }
}
