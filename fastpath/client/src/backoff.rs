//! When to try again.

use domain::Nanos;

/// Doubles the wait after every attempt, up to a limit, until told that something moved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    first: u64,
    limit: u64,
    wait: u64,
}

impl Backoff {
    /// Waits of `first`, then twice that, and so on up to `limit`, in nanoseconds.
    pub(crate) fn new(first: u64, limit: u64) -> Self {
        Self {
            first,
            limit,
            wait: first,
        }
    }

    /// The time of the next attempt, if this one is made now.
    pub(crate) fn after(&mut self, now: Nanos) -> Nanos {
        let next = Nanos(now.0.saturating_add(self.wait));
        self.wait = self.wait.saturating_mul(2).min(self.limit);
        next
    }

    /// Something moved: waits are short again.
    pub(crate) fn reset(&mut self) {
        self.wait = self.first;
    }
}
