//! How an example ends: a code for its caller, a sentence for whoever reads the terminal.

use std::error::Error;
use std::process::ExitCode;

/// Prints an error with all that caused it, and makes the exit code: 0, or 1 after an error.
#[expect(
    clippy::print_stderr,
    reason = "the reason of a failure goes to the terminal"
)]
pub(crate) fn code(name: &str, ended: Result<(), Box<dyn Error>>) -> ExitCode {
    let Err(error) = ended else {
        return ExitCode::SUCCESS;
    };
    let mut text = format!("{name}: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    eprintln!("{text}");
    ExitCode::FAILURE
}
