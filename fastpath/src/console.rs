//! What the process tells its operator: one line at a time, as text or as JSON.
//!
//! The process links no logging crate: it says a few dozen lines in its life, before its tiles run and when they
//! have ended.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};
use topology::LogFormat;

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
        return writeln!(out, "{line}");
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let mut text = String::new();
    let object = json(
        since.unwrap_or_default().as_micros(),
        level,
        line,
        &mut text,
    );
    // It fails only if a value to be shown says so.
    object.map_err(io::Error::other)?;
    writeln!(out, "{text}")
}

/// The object that the slowpath's lines are too.
fn json(micros: u128, level: &str, line: fmt::Arguments<'_>, to: &mut String) -> fmt::Result {
    to.push_str("{\"timestamp\":\"");
    utc(micros, to)?;
    write!(to, "\",\"level\":\"{level}\",\"message\":\"")?;
    write!(Escaped(to), "{line}")?;
    to.push_str("\",\"target\":\"fastpath\"}");
    Ok(())
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

/// A time since 1970 as ISO 8601. Years begin in March here, so that the day that some lack is their last.
fn utc(micros: u128, to: &mut String) -> fmt::Result {
    let (seconds, micro) = (micros / 1_000_000, micros % 1_000_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let since_march_of_0 = days + 719_468;
    let (era, day) = (since_march_of_0 / 146_097, since_march_of_0 % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = 400 * era + year + u128::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    write!(
        to,
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micro:06}Z"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_json_is_one_object_whatever_is_said() {
        let mut text = String::new();
        let line = format_args!("a \"b\" \\ \u{1} é\nnext");
        json(951_782_400_000_007, "WARN", line, &mut text).unwrap();
        assert_eq!(
            text,
            "{\"timestamp\":\"2000-02-29T00:00:00.000007Z\",\"level\":\"WARN\",\
             \"message\":\"a \\\"b\\\" \\\\ \\u0001 é\\u000anext\",\"target\":\"fastpath\"}"
        );
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_868_800, "2000-03-01T00:00:00.000000Z"),
            (1_767_225_599, "2025-12-31T23:59:59.000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000Z"),
        ] {
            let mut said = String::new();
            utc(seconds * 1_000_000, &mut said).unwrap();
            assert_eq!(said, text);
        }
    }
}
