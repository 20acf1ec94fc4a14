//! Commands of administration and deposits. Who asks is on disk before the command can be in the journal: a
//! command that is journalled has its name, and a name without a command says that it was asked and never came.

use crate::desk::Done;
use crate::live::{Answer, now};
use crate::problem::Problem;
use crate::state::App;
use crate::upkeep::within;
use domain::{Command, Source};
use store::Asked;

/// What to do when the outcome of a command is not known.
const UNKNOWN: &str = "the command was sent and may still be taken: see /api/v1/admin/audit for what came of it before you \
                       send it again";

/// Sends a command for which the wallet `by` asked, and waits for its frame.
pub(crate) async fn administer(
    app: &App,
    by: [u8; 32],
    source: Source,
    command: Command,
) -> Result<Done, Problem> {
    let answer = {
        let _one_at_a_time = app.live.asking().lock().await;
        send(app, by, source, command, None).await?
    };
    app.live.answered(answer, UNKNOWN).await
}

/// Sends a command for which the wallet `by` asked, under a name if it has one. Only whoever holds `asking` may.
pub(crate) async fn send(
    app: &App,
    by: [u8; 32],
    source: Source,
    command: Command,
    request: Option<String>,
) -> Result<Answer, Problem> {
    app.live.ensure_open()?;
    loop {
        let number = app.live.next_number(source);
        let asked = Asked {
            source,
            number,
            command: command.kind(),
            payload: command.body().to_vec(),
            wallet: by,
            time: now(),
            request: request.clone(),
        };
        within(app.store.add_asked(&asked)).await?;
        // Numbers that never came may have been given up meanwhile: then it is another one.
        if let Some(answer) = app.live.send_as(source, number, command)? {
            return Ok(answer);
        }
    }
}
