//! While only cancels are taken after a restart, the state of the exchange says so.

use super::administration::Office;
use super::exchange::Exchange;
use crate::api::system::status;
use axum::extract::State;
use domain::{Command, Nanos, Recovered, Source, Zero};
use serde_json::json;

#[tokio::test]
async fn the_state_says_that_only_cancels_are_taken() {
    let mut office = Office::over(Exchange::with_traders(1 << 40, 64)).await;
    let app = office.app.clone();
    let state = async || json!(status(State(app.clone())).await.0)["state"].clone();
    assert_eq!(state().await, "open");
    let recovered = Recovered {
        epoch: office.exchange.engine.epoch() + 1,
        pad: [Zero::Zero; 4],
        grace: Nanos(5_000_000_000),
    };
    office
        .exchange
        .apply(Source::SEQUENCER, Command::Recovered(recovered));
    office.tell();
    assert_eq!(state().await, "cancel-only");
}
