//! Work that is done to its end, even if whoever asked for it has gone.
//!
//! A request's future is dropped with its connection or at its time limit. What holds a lock until the command that
//! it sent is decided would then give the lock away too early.

use crate::problem::Problem;
use tracing::Instrument as _;

/// Does `work`, whoever waits for it.
pub(crate) async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    let task = tokio::spawn(work.instrument(tracing::Span::current()));
    task.await.unwrap_or_else(|failed| {
        tracing::error!(%failed, "what a request asked for failed");
        Err(Problem::unknown_outcome(
            "this request failed in an unexpected way, which was logged: look what came of it before you ask again",
        ))
    })
}
