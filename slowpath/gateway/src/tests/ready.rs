//! A gateway is ready when what it needs to take orders answers.

use super::NoRing;
use super::exchange::Exchange;
use super::lagging_history::gateway;
use crate::api::system::ready;
use axum::extract::State;
use serde_json::json;
use sqlx::{AnyConnection, Connection as _, Executor as _};

/// Orders with a client order id are refused then: what became of it cannot be told.
#[tokio::test]
async fn it_is_not_ready_while_the_table_of_orders_is_damaged() {
    let exchange = Exchange::with_traders(1 << 40, 64);
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let app = gateway(&exchange, &url, exchange.frames.len(), NoRing).await;
    assert!(ready(State(app.clone())).await.is_ok());
    let mut other = AnyConnection::connect(&url).await.unwrap();
    let damage = "ALTER TABLE orders RENAME TO damaged";
    other.execute(damage).await.unwrap();
    assert!(app.store.last_seq().await.is_ok());
    let problem = json!(ready(State(app.clone())).await.unwrap_err());
    assert_eq!(problem["code"], "unavailable");
    let repair = "ALTER TABLE damaged RENAME TO orders";
    other.execute(repair).await.unwrap();
    assert!(ready(State(app)).await.is_ok());
}
