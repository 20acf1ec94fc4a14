//! The time that a request may take.
//!
//! Whoever only asks is told to ask again. Whoever wanted something done must not take that for "it did not
//! happen": what was sent may yet be taken.

use crate::problem::Problem;
use crate::state::App;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use std::time::Duration;

/// Ends a request that takes longer than it may.
pub(crate) async fn within(State(app): State<App>, request: Request, next: Next) -> Response {
    let limit = Duration::from_millis(app.config.request_timeout_ms);
    let asks = request.method().is_safe();
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => late(asks).into_response(),
    }
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
