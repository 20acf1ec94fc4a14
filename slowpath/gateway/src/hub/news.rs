//! What is new of a market since everybody was told last.

use crate::choices::ApiMarketState;
use domain::{Event, MarketId, Price, Qty};
use engine::Engine;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The last of each kind. With neither, its state is new.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct News {
    traded: Option<(Price, Qty)>,
    uncrossed: Option<(Price, Qty)>,
}

/// Takes note of what an event says of a market.
pub(crate) fn note(news: &mut BTreeMap<MarketId, News>, event: &Event) {
    match event {
        Event::Trade(e) => news.entry(e.market).or_default().traded = Some((e.price, e.qty)),
        Event::Uncrossed(e) => news.entry(e.market).or_default().uncrossed = Some((e.price, e.qty)),
        Event::MarketStateChanged(e) => {
            news.entry(e.market).or_default();
        }
        Event::MarketDefined(e) => {
            news.entry(e.market).or_default();
        }
        _ => {}
    }
}

/// A market as the stream of all markets shows it, with what is new of it.
pub(crate) fn told(engine: &Engine, market: MarketId, name: String, news: &News) -> Value {
    let mut told = shown(engine, market, name);
    if let Some((price, qty)) = news.traded {
        told["last_price"] = json!(price.0.to_string());
        told["last_quantity"] = json!(qty.0.to_string());
    }
    if let Some((price, qty)) = news.uncrossed {
        let (price, quantity) = (price.0.to_string(), qty.0.to_string());
        told["auction"] = json!({ "price": price, "quantity": quantity });
    }
    told
}

/// A market as the stream of all markets begins with it.
pub(crate) fn at_first(engine: &Engine, market: MarketId, name: String) -> Value {
    let mut shown = shown(engine, market, name);
    let last = engine.market_state(market).map(|(_, price)| price);
    let last = last.filter(|price| *price != Price(0));
    shown["last_price"] = json!(last.map(|price| price.0.to_string()));
    shown
}

/// A market as the stream of all markets shows it.
fn shown(engine: &Engine, market: MarketId, name: String) -> Value {
    let price = |price: Option<Price>| price.map(|price| price.0.to_string());
    let state = engine.market_state(market);
    json!({
        "market": name,
        "state": state.map(|(state, _)| ApiMarketState::from(state)),
        "best_bid": price(engine.best_bid(market)),
        "best_ask": price(engine.best_ask(market)),
    })
}
