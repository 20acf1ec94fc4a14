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
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio_stream::Stream;

/// Ends a request that takes longer than it may.
pub(crate) async fn within(State(app): State<App>, request: Request, next: Next) -> Response {
    let limit = Duration::from_millis(app.config.request_timeout_ms);
    let asks = request.method().is_safe();
    let waits = Arc::new(AtomicBool::new(false));
    let request = request.map(|body| {
        Body::from_stream(WatchedBody {
            body: body.into_data_stream(),
            waits: Arc::clone(&waits),
        })
    });
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        // ORDER: written by the task that reads it here.
        Err(_) if waits.load(Ordering::Relaxed) => unfinished(limit).into_response(),
        Err(_) => late(asks).into_response(),
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

fn late(asks: bool) -> Problem {
    if asks {
        return Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "timeout",
            "The request took too long",
            "nothing was changed: ask again",
        );
    }
    Problem::unknown_outcome(
        "the request took too long, and what it asked for may yet be done: ask what became of it before you send it \
         again",
    )
}

#[cfg(test)]
mod tests {
    use super::late;

    #[test]
    fn only_a_question_may_simply_be_asked_again() {
        let problem = |asks| serde_json::to_value(late(asks)).unwrap();
        assert_eq!(problem(true)["code"], "timeout");
        assert_eq!(problem(false)["code"], "outcome-unknown");
    }
}
