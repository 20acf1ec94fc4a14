//! Quotes: what became of each market's is told as its frame leaves it, they are told alike whether the gateway has
//! followed them or found them in the engine, and no client order id finds them.

use super::NoRing;
use super::administration::Office;
use super::exchange::Exchange;
use super::lagging_history::{MEMBER, buy, gateway};
use crate::api::orders::outcome_of;
use crate::api::quotes::quote;
use crate::auth::Caller;
use crate::problem::Problem;
use crate::state::App;
use domain::{ClientOrderId, MarketId, Price, Qty, Quote, Side};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use store::Role;

/// Two lots on both sides.
fn around(quote_id: u64, market: u32, [bid, ask]: [i64; 2]) -> Quote {
    Quote {
        quote_id: ClientOrderId(quote_id),
        market: MarketId(market),
        bid_price: Price(bid),
        bid_qty: Qty(2),
        ask_price: Price(ask),
        ask_qty: Qty(2),
        ..Quote::PULL
    }
}

/// Asks for quotes, and tells the gateway what the exchange does with the first `taken` of them.
async fn asked(office: &mut Office, quotes: Vec<Quote>, taken: usize) -> Result<Value, Problem> {
    let app = office.app.clone();
    let caller = Caller {
        wallet: [1; 32],
        role: Role::User,
        family: 1,
        until: Instant::now() + Duration::from_secs(60),
    };
    let answer = tokio::spawn(async move {
        let quoted = quote(&app, &caller, MEMBER, &quotes).await;
        quoted.map(|quoted| json!(quoted))
    });
    for _ in 0..taken {
        let request = office.request().await;
        office.sequence(&request);
    }
    office.tell();
    answer.await.unwrap()
}

/// Price, remaining lots, quote id and status of each side.
fn sides(quoted: &Value) -> [Option<(String, String, String, String)>; 2] {
    ["bid", "ask"].map(|side| {
        let order = quoted.get(side)?;
        assert_eq!(order["quote"], true);
        let text = |field: &str| order[field].as_str().unwrap().to_owned();
        Some((
            text("price"),
            text("remaining_quantity"),
            text("client_order_id"),
            text("status"),
        ))
    })
}

fn side(price: i64, lots: u64, id: u64, status: &str) -> Option<(String, String, String, String)> {
    let [price, lots, id] = [price.to_string(), lots.to_string(), id.to_string()];
    Some((price, lots, id, status.to_owned()))
}

#[tokio::test]
async fn each_is_answered_in_its_order_and_one_that_is_refused_stays_as_it_was() {
    let mut office = Office::over(Exchange::with_traders(1 << 40, 64)).await;
    let quotes = vec![around(7, 0, [99, 101]), around(7, 1, [101, 101])];
    let told = asked(&mut office, quotes, 2).await.unwrap();
    assert_eq!(
        sides(&told[0]),
        [side(99, 2, 7, "New"), side(101, 2, 7, "New")]
    );
    assert_eq!(sides(&told[1]), [None, None]);
    assert_eq!(told[1]["problem"]["code"], "quote-crossed");
    assert_eq!(told[1]["problem"]["reason"], 38);

    // The bid trades, and is quoted in full again; the ask goes.
    office.exchange.order(
        2,
        domain::NewOrder {
            side: Side::Sell,
            price: Price(99),
            ..buy(1, 1)
        },
    );
    let only_bid = Quote {
        ask_qty: Qty::ZERO,
        ..around(8, 0, [99, 0])
    };
    let told = asked(&mut office, vec![only_bid, around(8, 1, [5, 9])], 2)
        .await
        .unwrap();
    assert_eq!(
        sides(&told[0]),
        [
            side(99, 2, 8, "PartiallyFilled"),
            side(101, 0, 7, "Cancelled")
        ]
    );
    assert_eq!(
        sides(&told[1]),
        [side(5, 2, 8, "New"), side(9, 2, 8, "New")]
    );
    let sequences = [0, 1].map(|at: usize| told[at]["sequence"].as_str().unwrap().to_owned());
    let end = office.exchange.frames.len();
    assert_eq!(sequences, [end - 1, end].map(|seq| seq.to_string()));

    // Pulled, and nothing to pull.
    let pulls = vec![Quote::PULL, Quote::PULL];
    let told = asked(&mut office, pulls, 2).await.unwrap();
    assert_eq!(sides(&told[0]), [side(99, 0, 8, "Cancelled"), None]);
    assert_eq!(told[1]["problem"]["code"], "unknown-order");
}

/// What is told of the live orders, the oldest first, but for when it was.
fn live(app: &App) -> Vec<Value> {
    let orders = app.live.hub().orders_of(MEMBER.account);
    let told = orders.iter().map(|order| {
        let mut told = json!(order.view("SOL/USDC", None));
        told["timestamp"] = Value::Null;
        told
    });
    told.collect()
}

#[tokio::test]
async fn they_are_told_alike_after_a_restart_and_no_client_order_id_finds_them() {
    let mut office = Office::over(Exchange::with_traders(1 << 40, 64)).await;
    for id in [7, 8] {
        let quotes = vec![around(id, 0, [90 + i64::try_from(id).unwrap(), 101])];
        asked(&mut office, quotes, 1).await.unwrap();
    }
    office.exchange.order(1, buy(9, 1));
    office.tell();
    let followed = live(&office.app);
    let is_quote: Vec<_> = followed
        .iter()
        .map(|order| order["quote"] == true)
        .collect();
    assert_eq!(is_quote, [true, true, false]);
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("begun.db").display());
    let all = office.exchange.frames.len();
    let begun = gateway(&office.exchange, &url, all, NoRing).await;
    assert_eq!(live(&begun), followed);
    for app in [&office.app, &begun] {
        for id in [7, 8] {
            let id = ClientOrderId(id);
            assert_eq!(app.live.hub().accepted(MEMBER.session, id), None);
            assert_eq!(
                app.live.hub().has_used(MEMBER.session, id, all as u64),
                Some(false)
            );
        }
    }
    for id in [7, 8] {
        let outcome = outcome_of(&begun, [1; 32], MEMBER, ClientOrderId(id)).await;
        let problem = json!(outcome.map(|outcome| json!(outcome)).unwrap_err());
        assert_eq!(problem["code"], "not-found", "{problem}");
    }
}
