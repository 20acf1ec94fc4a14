//! The time that a request may take.
//!
//! Whoever only asks is told to ask again. Whoever wanted something done must not take that for "it did not
//! happen": what was sent may yet be taken. Unless the request itself had not come whole: then nothing was sent.

use crate::problem::Problem;
use crate::state::App;
use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use domain::ClientOrderId;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio_stream::Stream;

/// The client order id of the order that a request sends, for whoever answers if the request takes too long.
#[derive(Clone, Debug, Default)]
pub(crate) struct SentAs(Arc<OnceLock<ClientOrderId>>);

impl SentAs {
    /// Said before the order is sent.
    pub(crate) fn say(&self, id: ClientOrderId) {
        self.0.get_or_init(|| id);
    }
}

/// Ends a request that takes longer than it may.
pub(crate) async fn within(State(app): State<App>, request: Request, next: Next) -> Response {
    let limit = Duration::from_millis(app.config.request_timeout_ms);
    let asks = request.method().is_safe();
    let waits = Arc::new(AtomicBool::new(false));
    let sent_as = SentAs::default();
    let mut request = request.map(|body| {
        Body::from_stream(WatchedBody {
            body: body.into_data_stream(),
            waits: Arc::clone(&waits),
        })
    });
    request.extensions_mut().insert(sent_as.clone());
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        // ORDER: written by the task that reads it here.
        Err(_) if waits.load(Ordering::Relaxed) => unfinished(limit).into_response(),
        Err(_) => late(asks, &sent_as).into_response(),
    }
}

/// A body that says whether somebody waits for more of it. What a request asks for is done when its body has come, so
/// who waits has done nothing; who never asks for the body does not wait.
struct WatchedBody {
    body: BodyDataStream,
    waits: Arc<AtomicBool>,
}

impl Stream for WatchedBody {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.body).poll_next(context);
        // ORDER: read by the task that writes it here.
        self.waits.store(polled.is_pending(), Ordering::Relaxed);
        polled
    }
}

fn unfinished(limit: Duration) -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "request-timeout",
        "The request did not come whole",
        format!(
            "its body had not come whole within {} ms: nothing was sent and nothing has an effect; send it again",
            limit.as_millis()
        ),
    )
}

fn late(asks: bool, sent_as: &SentAs) -> Problem {
    if asks {
        return Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "timeout",
            "The request took too long",
            "nothing was changed: ask again",
        );
    }
    let late = Problem::unknown_outcome(
        "the request took too long, and what it asked for may yet be done: ask what became of it before you send it \
         again",
    );
    match sent_as.0.get() {
        Some(id) => late.of_order(*id),
        None => late,
    }
}

#[cfg(test)]
mod tests {
    use super::{SentAs, late};
    use domain::ClientOrderId;

    #[test]
    fn only_a_question_may_simply_be_asked_again() {
        let problem = |asks| serde_json::to_value(late(asks, &SentAs::default())).unwrap();
        assert_eq!(problem(true)["code"], "timeout");
        assert_eq!(problem(false)["code"], "outcome-unknown");
    }

    #[test]
    fn an_order_that_may_yet_be_taken_is_named() {
        let sent_as = SentAs::default();
        sent_as.say(ClientOrderId(7));
        let problem = serde_json::to_value(late(false, &sent_as)).unwrap();
        assert_eq!(problem["client_order_id"], "7");
    }
}
