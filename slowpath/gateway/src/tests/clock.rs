//! Time is the exchange's, which may be ahead of the system's, and goes on while nothing is traded.

use super::NoRing;
use super::exchange::Exchange;
use super::lagging_history::{buy, gateway};
use crate::api::market::stats;
use crate::api::sessions::AskDelegation;
use crate::live::now;
use crate::state::{App, Query};
use crate::view::wallet as base58;
use axum::extract::State;
use domain::{Nanos, NewOrder, Side};
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};
use wire::auth::ExchangeSecret;

const HOUR: u64 = 3_600_000_000_000;
const DAY: u64 = 24 * HOUR;

/// An exchange whose last frame is a trade at this time.
fn traded_at(time: Nanos) -> Exchange {
    let mut exchange = Exchange::with_traders(1 << 40, 64);
    exchange.now = time;
    let sell = NewOrder {
        side: Side::Sell,
        ..buy(1, 3)
    };
    exchange.order(0, sell);
    exchange.order(1, buy(1, 3));
    exchange
}

async fn app(exchange: &Exchange, folder: &tempfile::TempDir) -> App {
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    gateway(exchange, &url, exchange.frames.len(), NoRing).await
}

#[tokio::test]
async fn a_delegation_lasts_by_the_exchanges_clock() {
    let ahead = Nanos(now().0 + 3 * DAY);
    let folder = tempfile::tempdir().unwrap();
    let app = app(&traded_at(ahead), &folder).await;
    let key = SigningKey::from_bytes(&[3; 32]).verifying_key();
    let ask = |expires: Option<Nanos>| {
        let ask = json!({
            "exchange_key": base58(ExchangeSecret::from_bytes([4; 32]).public_key()),
            "public_key": base58(key.to_bytes()),
            "expires": expires.map(|expires| expires.0.to_string()),
        });
        let ask: AskDelegation = serde_json::from_value(ask).unwrap();
        ask.wanted(&app).map(|wanted| wanted.delegation.expires)
    };
    assert_eq!(ask(None).unwrap(), Nanos(ahead.0 + DAY));
    // By the system's clock it would have two days yet; the engine would let nothing in.
    assert!(ask(Some(Nanos(ahead.0 - DAY))).is_err());
}

/// What the market's statistics say of trades so long ago, since when nothing came.
async fn stats_after(time: u64) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let app = app(&traded_at(Nanos(now().0 - time)), &folder).await;
    let market = serde_json::from_value(json!({ "market": "SOL/USDC" })).unwrap();
    json!(stats(State(app), Query(market)).await.unwrap().0)
}

#[tokio::test]
async fn the_last_day_of_a_market_ends_now_and_not_with_its_last_trade() {
    let fresh = stats_after(HOUR).await;
    assert_eq!(
        (&fresh["trades_24h"], &fresh["volume_24h"]),
        (&json!("1"), &json!("3"))
    );
    let stale = stats_after(2 * DAY).await;
    assert_eq!(
        (&stale["trades_24h"], &stale["volume_24h"]),
        (&json!("0"), &json!("0"))
    );
    assert_eq!(stale["high_24h"], Value::Null);
    assert_eq!(stale["last_price"], fresh["last_price"]);
}
