//! How long what another process holds is waited for: a start just behind a stop meets locks that are about to fall.

use crate::asked::Asked;
use crate::console::say;
use std::fmt::Display;
use std::time::{Duration, Instant};

/// Longest wait.
const LONGEST: Duration = Duration::from_secs(3);
/// Time between two tries.
const TRY: Duration = Duration::from_millis(10);

/// Tries until it is decided: until what it gives may not pass, or has lasted too long. None if somebody asked the
/// process to stop meanwhile. What is waited for is said once.
pub fn wait_out<T, E: Display>(
    asked: &Asked,
    mut attempt: impl FnMut() -> Result<T, E>,
    may_pass: impl Fn(&E) -> bool,
) -> Option<Result<T, E>> {
    let mut start = None;
    loop {
        match attempt() {
            Err(error) if may_pass(&error) => {
                let start = start.get_or_insert_with(|| {
                    let seconds = LONGEST.as_secs();
                    say(format_args!("waiting for at most {seconds} s: {error}"));
                    Instant::now()
                });
                if start.elapsed() >= LONGEST {
                    return Some(Err(error));
                }
            }
            decided => return Some(decided),
        }
        if asked.is_set() {
            return None;
        }
        std::thread::sleep(TRY);
    }
}
