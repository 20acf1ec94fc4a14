//! What the process tells its operator: one line at a time on standard output.

use domain::Nanos;
use std::fmt;
use std::io::Write as _;
use std::time::SystemTime;

/// Writes one line and flushes it. An operator who is not listening is no reason to stop: a closed
/// output is ignored.
pub fn say(line: fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    let _ignored = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// UTC now, nanoseconds.
#[must_use]
pub fn now() -> Nanos {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    // A clock before 1970 counts as 1970: it shows as heartbeats that are far too old.
    let nanos = since_1970.map_or(0, |since| since.as_nanos());
    Nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
