//! What the process tells its operator, one line at a time: see [`crate::logging`].

use domain::Nanos;
use std::fmt;
use std::time::SystemTime;

/// The target of what the process itself says.
pub const TARGET: &str = "slowpath";

/// Says one line. How it begins is its level: `alarm:` is an error, `trouble:` and `warning:` are warnings.
pub fn say(line: fmt::Arguments<'_>) {
    let line = line.to_string();
    if line.starts_with("alarm:") {
        tracing::error!(target: TARGET, "{line}");
    } else if line.starts_with("trouble:") || line.starts_with("warning:") {
        tracing::warn!(target: TARGET, "{line}");
    } else {
        tracing::info!(target: TARGET, "{line}");
    }
}

/// UTC now, nanoseconds.
#[must_use]
pub fn now() -> Nanos {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    // A clock before 1970 counts as 1970.
    let nanos = since_1970.map_or(0, |since| since.as_nanos());
    Nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
