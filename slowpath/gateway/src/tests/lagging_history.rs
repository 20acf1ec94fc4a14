//! A gateway that has just started, whose store is behind the shadow engine: nothing of the past is told as present.

use super::NoRing;
use super::exchange::{Exchange, SHARD, cancel};
use crate::api::orders::{find, outcome_of};
use crate::auth::Membership;
use crate::problem::Problem;
use crate::state::App;
use crate::{CommandRing, Gateway, Live, Measures, Standing};
use domain::{
    AccountId, ClientOrderId, MarketId, NewOrder, OrderId, OrderType, Price, Qty, SessionId, Side,
    Source, TimeInForce,
};
use serde_json::{Value, json};
use shadow::Shadow;
use std::num::NonZeroU64;
use store::{Database, Projector, Store};
use topology::Config;

pub(super) const MEMBER: Membership = Membership {
    account: AccountId(1),
    session: SessionId(1),
};

pub(super) fn buy(id: u64, qty: u64) -> NewOrder {
    NewOrder {
        client_order_id: ClientOrderId(id),
        price: Price(100),
        qty: Qty(qty),
        market: MarketId(0),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        ..NewOrder::PLAIN
    }
}

/// The gateway of an exchange, of which the store has the first frames, and the shadow engine all.
pub(super) async fn gateway(
    exchange: &Exchange,
    url: &str,
    projected: usize,
    ring: impl CommandRing + 'static,
) -> App {
    let database = Database::new(url).unwrap();
    let mut projector = Projector::open(&database, SHARD).await.unwrap();
    for frame in exchange.frames_of(1, projected) {
        projector.take(&frame).unwrap();
    }
    projector.write().await.unwrap();
    projector.close().await.unwrap();
    let mut shadow = Shadow::new(SHARD, NonZeroU64::MAX);
    for frame in exchange.frames_of(1, exchange.frames.len()) {
        shadow.step(&frame).unwrap();
    }
    let live = Live::new(shadow, Box::new(ring), false);
    live.stand(Standing::Live);
    let store = Store::new(&database, 1);
    let mut config = Config::default();
    config.gateway.bind = ([127, 0, 0, 1], 0).into();
    let measures = Measures::new().unwrap();
    let gateway = Gateway::new(&config, &[1; 32], live, store, measures).unwrap();
    gateway.app
}

fn code(problem: &Problem) -> String {
    json!(problem)["code"].as_str().unwrap().to_owned()
}

/// The order's status and what became of it by its client order id, or why that is not told.
async fn told(app: &App, order: OrderId, id: u64) -> (String, String) {
    let text = |value: &Value| value["status"].as_str().unwrap().to_owned();
    let found = find(app, order).await;
    let found = found.map_or_else(|problem| code(&problem), |(_, order)| text(&json!(order)));
    let outcome = outcome_of(app, [1; 32], MEMBER, ClientOrderId(id)).await;
    let outcome = outcome.map_or_else(|problem| code(&problem), |outcome| text(&json!(outcome)));
    (found, outcome)
}

#[tokio::test]
async fn an_order_that_is_open_in_a_lagging_history_or_was_refused_there_is_not_told() {
    let mut exchange = Exchange::with_traders(1 << 40, 64);
    let source = Source::of_session(MEMBER.session);
    exchange.order(1, buy(1, 1));
    let open = exchange.engine.order_id(MEMBER.session, ClientOrderId(1));
    let open = open.unwrap();
    exchange.order(1, buy(2, 1 << 60));
    let projected = exchange.frames.len();
    exchange.order(1, buy(2, 1));
    exchange.apply(source, cancel(1));
    exchange.apply(source, cancel(2));
    let folder = tempfile::tempdir().unwrap();
    let url = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
    let behind = "history-behind".to_owned();

    let app = gateway(&exchange, &url("lagging.db"), projected, NoRing).await;
    assert_eq!(told(&app, open, 1).await, (behind.clone(), behind.clone()));
    assert_eq!(told(&app, open, 2).await, (behind.clone(), behind));

    let all = exchange.frames.len();
    let app = gateway(&exchange, &url("whole.db"), all, NoRing).await;
    let cancelled = "Cancelled".to_owned();
    for id in [1, 2] {
        let both = (cancelled.clone(), cancelled.clone());
        assert_eq!(told(&app, open, id).await, both);
    }
}
