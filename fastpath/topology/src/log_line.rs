//! How a line for people begins, in the log of either process: what writes one, and what reads it again.

use domain::Utc;
use std::fmt;

/// The begin of a line: time and program, because lines of both processes may stand in one output.
#[derive(Clone, Copy, Debug)]
pub struct LineHead {
    /// When it is said.
    pub time: Utc,
    /// Who says it.
    pub program: &'static str,
}

impl fmt::Display for LineHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6} {}: ", self.time, self.program)
    }
}

/// What a line says behind its [`LineHead`]; all of it if it has none, as what no logging wrote.
#[must_use]
pub fn message_of(line: &str) -> &str {
    let behind = || {
        let (time, rest) = line.split_once(' ')?;
        let (program, message) = rest.split_once(": ")?;
        let is_time = time.ends_with('Z') && time.starts_with(|first: char| first.is_ascii_digit());
        let is_program = !program.is_empty() && !program.contains(char::is_whitespace);
        (is_time && is_program).then_some(message)
    };
    behind().unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Nanos;

    #[test]
    fn what_is_said_is_found_behind_the_head_and_whole_without_one() {
        let head = LineHead {
            time: Utc(Nanos(951_782_400_000_007_000)),
            program: "fastpath",
        };
        for said in ["ready port=1 epoch=2 seq=3", "alarm: a: b", "", "next "] {
            let line = format!("{head}{said}");
            let begin = "2000-02-29T00:00:00.000007Z fastpath: ";
            assert_eq!(line.strip_prefix(begin), Some(said));
            assert_eq!(message_of(&line), said);
            assert_eq!(message_of(said), said);
        }
        for other in [
            "Z fastpath: ready",
            "2000-02-29T00:00:00.000007Z a thread: ready",
            "2000-02-29T00:00:00.000007Z fastpath:",
            "thread 'main' panicked at src/main.rs: ready",
        ] {
            assert_eq!(message_of(other), other);
        }
    }
}
