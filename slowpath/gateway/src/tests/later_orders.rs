//! Stops, icebergs and orders that end by themselves: what is told of them is the same whether the gateway has followed
//! them or found them in the engine.

use super::NoRing;
use super::administration::Office;
use super::exchange::{BEGIN, Exchange};
use super::lagging_history::{MEMBER, buy, gateway};
use crate::state::App;
use domain::{ClientOrderId, Nanos, NewOrder, OrderType, Price, Qty, Side, TimeInForce};
use serde_json::{Value, json};

/// What is told of the live orders, the oldest first, but for when it was.
fn told(app: &App) -> Vec<Value> {
    let orders = app.live.hub().orders_of(MEMBER.account);
    let mut told: Vec<Value> = orders
        .iter()
        .map(|order| json!(order.view("SOL/USDC", None)))
        .collect();
    for order in &mut told {
        order["timestamp"] = Value::Null;
    }
    told
}

fn enter(exchange: &mut Exchange) {
    let stop = |id, price| NewOrder {
        order_type: OrderType::StopLimit,
        trigger_price: Price(100),
        price: Price(price),
        ..buy(id, 2)
    };
    for order in [
        NewOrder {
            display_qty: Qty(3),
            ..buy(1, 10)
        },
        NewOrder {
            time_in_force: TimeInForce::GoodTillTime,
            expires: Nanos(BEGIN.0 + (1 << 50)),
            price: Price(98),
            ..buy(2, 1)
        },
        NewOrder {
            time_in_force: TimeInForce::GoodTillClose,
            price: Price(98),
            ..buy(3, 1)
        },
        stop(4, 99),
        NewOrder {
            order_type: OrderType::Stop,
            trigger_price: Price(101),
            ..stop(5, 0)
        },
        // One that names the worst price at which it trades.
        NewOrder {
            order_type: OrderType::Stop,
            trigger_price: Price(102),
            ..stop(6, 104)
        },
    ] {
        exchange.order(1, order);
    }
}

#[tokio::test]
async fn what_was_there_before_is_told_like_what_came_since() {
    let mut office = Office::over(Exchange::with_traders(1 << 40, 64)).await;
    let folder = tempfile::tempdir().unwrap();
    let begun_again = async |exchange: &Exchange, name: &str| {
        let url = format!("sqlite:{}", folder.path().join(name).display());
        told(&gateway(exchange, &url, exchange.frames.len(), NoRing).await)
    };
    let words = |told: &[Value], field: &str| -> Vec<String> {
        let of = |order: &Value| order[field].as_str().unwrap().to_owned();
        told.iter().map(of).collect()
    };

    enter(&mut office.exchange);
    office.tell();
    let followed = told(&office.app);
    assert_eq!(
        words(&followed, "hidden_quantity"),
        ["7", "0", "0", "0", "0", "0"]
    );
    let (new, waiting) = ("New", "Waiting");
    assert_eq!(
        words(&followed, "status"),
        [new, new, new, waiting, waiting, waiting]
    );
    assert_eq!(
        words(&followed, "order_type"),
        ["Limit", "Limit", "Limit", "StopLimit", "Stop", "Stop"]
    );
    assert_eq!(words(&followed, "price")[4..], ["0", "104"]);
    assert_eq!(begun_again(&office.exchange, "waiting.db").await, followed);

    // It trades with four lots of the iceberg, and the first stop arrives.
    let sell = NewOrder {
        client_order_id: ClientOrderId(1),
        side: Side::Sell,
        ..buy(1, 4)
    };
    office.exchange.order(2, sell);
    office.tell();
    let mut followed = told(&office.app);
    assert_eq!(
        words(&followed, "hidden_quantity"),
        ["4", "0", "0", "0", "0", "0"]
    );
    assert_eq!(followed[0]["remaining_quantity"], "6");
    assert_eq!(words(&followed, "status")[3..], [new, waiting, waiting]);
    // Of one that waits no more the engine knows nothing but its limit.
    (followed[3]["order_type"], followed[3]["trigger_price"]) = (json!("Limit"), json!("0"));
    assert_eq!(begun_again(&office.exchange, "arrived.db").await, followed);
}
