//! What the process tells its operator: one line at a time, as text or as JSON.
//!
//! The process links no logging crate: it says a few dozen lines in its life, before its tiles run and when they
//! have ended.

use domain::{Nanos, Utc};
use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};
use topology::{LineHead, LogFormat};

/// Who says it.
const PROGRAM: &str = "fastpath";

static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// From now on lines are written like this; before, as text.
pub fn begin(format: LogFormat) {
    let _first = FORMAT.set(format);
}

/// Writes one line to standard output. An operator who is not listening is no reason to stop: a closed
/// output is ignored.
pub fn say(line: fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    let _ignored = write(&mut out, "INFO", line).and_then(|()| out.flush());
}

/// The same on standard error, for the reason of a failure.
pub fn complain(line: fmt::Arguments<'_>) {
    let _ignored = write(&mut io::stderr().lock(), "ERROR", line);
}

/// The same, for what wants attention and does not end the process.
pub(crate) fn warn(line: fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    let _ignored = write(&mut out, "WARN", line).and_then(|()| out.flush());
}

fn write(out: &mut impl Write, level: &str, line: fmt::Arguments<'_>) -> io::Result<()> {
    if FORMAT.get() != Some(&LogFormat::Json) {
        let (time, program) = (now(), PROGRAM);
        return writeln!(out, "{}{line}", LineHead { time, program });
    }
    let mut text = String::new();
    let object = json(now(), level, line, &mut text);
    // It fails only if a value to be shown says so.
    object.map_err(io::Error::other)?;
    writeln!(out, "{text}")
}

/// UTC now; 1970 for a clock that is before it.
fn now() -> Utc {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = since.unwrap_or_default().as_nanos();
    Utc(Nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
}

/// The object that the slowpath's lines are too.
fn json(time: Utc, level: &str, line: fmt::Arguments<'_>, to: &mut String) -> fmt::Result {
    write!(
        to,
        "{{\"timestamp\":\"{time:.6}\",\"level\":\"{level}\",\"message\":\""
    )?;
    write!(Escaped(to), "{line}")?;
    write!(to, "\",\"target\":\"{PROGRAM}\"}}")
}

/// Makes what is written to it the inside of a string of JSON.
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            match letter {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                control if control < ' ' => write!(self.0, "\\u{:04x}", u32::from(control))?,
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_json_is_one_object_whatever_is_said() {
        let mut text = String::new();
        let line = format_args!("a \"b\" \\ \u{1} é\nnext");
        let time = Utc(Nanos(951_782_400_000_007_000));
        json(time, "WARN", line, &mut text).unwrap();
        assert_eq!(
            text,
            "{\"timestamp\":\"2000-02-29T00:00:00.000007Z\",\"level\":\"WARN\",\
             \"message\":\"a \\\"b\\\" \\\\ \\u0001 é\\u000anext\",\"target\":\"fastpath\"}"
        );
    }
}
