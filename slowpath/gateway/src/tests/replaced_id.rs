//! A client order id that an order had before it was replaced, and the one that it has since, both are used.

use super::NoRing;
use super::exchange::Exchange;
use super::lagging_history::{MEMBER, buy, gateway};
use crate::api::orders::outcome_of;
use crate::state::App;
use domain::{AmendOrder, ClientOrderId, Command, OrderId, Price, Qty};
use serde_json::json;

/// The order that is found by a client order id, and the id that it has now.
async fn found(app: &App, id: u64) -> (String, String) {
    let outcome = outcome_of(app, [1; 32], MEMBER, ClientOrderId(id)).await;
    let order = &json!(outcome.unwrap())["order"];
    let text = |field: &str| order[field].as_str().unwrap().to_owned();
    (text("order_id"), text("client_order_id"))
}

#[tokio::test]
async fn both_find_the_order_also_when_it_has_ended() {
    let mut exchange = Exchange::with_traders(1 << 40, 64);
    exchange.order(1, buy(1, 5));
    let order = exchange.engine.order_id(MEMBER.session, ClientOrderId(1));
    let order = order.unwrap();
    let amend = |qty, new_client_order_id| {
        Command::AmendOrder(AmendOrder {
            order_id: order,
            client_order_id: ClientOrderId(0),
            price: Price(100),
            qty: Qty(qty),
            new_client_order_id: ClientOrderId(new_client_order_id),
        })
    };
    exchange.apply(MEMBER.source(), amend(5, 2));
    let folder = tempfile::tempdir().unwrap();
    let url = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
    let has = |order: OrderId| (order.0.to_string(), "2".to_owned());
    let all = exchange.frames.len();
    let app = gateway(&exchange, &url("live.db"), all, NoRing).await;
    for id in [1, 2] {
        assert_eq!(found(&app, id).await, has(order));
    }

    exchange.apply(MEMBER.source(), amend(0, 0));
    let all = exchange.frames.len();
    let app = gateway(&exchange, &url("ended.db"), all, NoRing).await;
    for id in [1, 2] {
        assert_eq!(found(&app, id).await, has(order));
    }
}
