//! What the process tells its operator: one line at a time.

use std::fmt;
use std::io::Write as _;

/// Writes one line to standard output. An operator who is not listening is no reason to stop: a closed
/// output is ignored.
pub fn say(line: fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    let _ignored = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// The same on standard error, for the reason of a failure.
pub fn complain(line: fmt::Arguments<'_>) {
    let _ignored = writeln!(std::io::stderr().lock(), "{line}");
}
