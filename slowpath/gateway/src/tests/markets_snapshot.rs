//! The stream of all markets begins with what each was last traded at, whether or not the gateway has followed it.

use super::exchange::Exchange;
use super::lagging_history::buy;
use crate::hub::at_first;
use domain::{MarketId, NewOrder, Side};
use serde_json::{Value, json};

#[test]
fn it_begins_with_the_last_prices() {
    let mut exchange = Exchange::with_traders(1 << 40, 64);
    let sell = NewOrder {
        side: Side::Sell,
        ..buy(1, 3)
    };
    let last = |exchange: &Exchange, market| {
        at_first(&exchange.engine, MarketId(market), String::new())["last_price"].clone()
    };
    assert_eq!(last(&exchange, 0), Value::Null);
    exchange.order(0, sell);
    exchange.order(1, buy(1, 2));
    assert_eq!(last(&exchange, 0), json!("100"));
    assert_eq!(last(&exchange, 1), Value::Null);
}
