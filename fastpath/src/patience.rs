//! Waiting for a process that is on its way out: one that was killed a moment ago may hold its locks and its
//! port still.

use std::time::{Duration, Instant};

/// How long a start waits for each of them.
const PATIENCE: Duration = Duration::from_secs(2);
/// Time between two attempts.
const PAUSE: Duration = Duration::from_millis(5);

/// Tries again while what refuses may pass; gives the last answer.
pub(crate) fn patiently<T, E>(
    attempt: impl Fn() -> Result<T, E>,
    may_pass: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let start = Instant::now();
    loop {
        match attempt() {
            Err(refusal) if may_pass(&refusal) && start.elapsed() < PATIENCE => {
                std::thread::sleep(PAUSE);
            }
            decided => return decided,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn only_what_may_pass_is_waited_for() {
        let attempts = Cell::new(0);
        let refuse_until = |last: u32| {
            attempts.set(attempts.get() + 1);
            let attempt = attempts.get();
            if attempt < last {
                Err(attempt)
            } else {
                Ok(attempt)
            }
        };
        assert_eq!(patiently(|| refuse_until(3), |_| true), Ok(3));
        attempts.set(0);
        assert_eq!(
            patiently(|| refuse_until(3), |attempt| *attempt == 9),
            Err(1)
        );
    }
}
