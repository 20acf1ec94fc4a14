//! What the gateway does by itself, beside answering requests.

use crate::auth::{is_named_operator, revocation};
use crate::live::now;
use crate::state::App;
use crate::view::wallet;
use std::time::Duration;
use store::StoreError;
use tokio::time::{Interval, MissedTickBehavior};

/// Time between two looks at what is to be done.
const LOOK: Duration = Duration::from_secs(1);
/// Time between two times that expired refresh tokens are forgotten; the first is at start.
const HOUR: Duration = Duration::from_secs(3600);

/// Longest wait for the store, as long as a request has unless configured.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs for as long as the gateway serves.
pub(crate) async fn run(app: &App) {
    // The tables may still be made. Who reads says if they are not.
    while app.store.last_seq().await.is_err() {
        tokio::time::sleep(LOOK).await;
    }
    app.set_store_open();
    tell_stray_operators(app).await;
    let (mut look, mut hourly) = (every(LOOK), every(HOUR));
    loop {
        let done = tokio::select! {
            _ = look.tick() => within(revocation::write_rest(app)).await,
            _ = hourly.tick() => within(app.store.forget_tokens(now())).await.map(drop),
        };
        if let Err(error) = done {
            tracing::warn!(%error, "the store does not take what ends log-ons; it is tried on");
        }
    }
}

/// Gives up work of the store that nobody waits for who would give it up: it holds the only turn of its kind.
pub(crate) async fn within<T>(
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.unwrap_or(Err(StoreError::Silent(PATIENCE.as_secs())))
}

fn every(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Says which operators an earlier version kept because its configuration named them, and this one does not.
async fn tell_stray_operators(app: &App) {
    let stray = match app.store.stray_operators().await {
        Ok(stray) => stray,
        Err(error) => {
            tracing::warn!(%error, "the store does not say which operators it has");
            return;
        }
    };
    for stray in stray {
        if !is_named_operator(app, stray) {
            tracing::warn!(
                wallet = wallet(stray),
                "the store has this wallet as operator, but gateway.operators does not name it and nothing says \
                 that an operator made it one: it is a user; PUT /api/v1/admin/roles makes it an operator again"
            );
        }
    }
}
