//! What a core does when none of its tiles has work.

use crate::{Clock, Idle};
use std::hint;
use std::thread;
use std::time::Duration;

/// Empty rounds before the thread lets others run.
const SPIN_ROUNDS: u32 = 200;
/// Nanoseconds without work, counted from the first yield, before the thread sleeps.
const NAP_AFTER: u64 = 1_000_000;
/// How long it sleeps at a time: not felt by a person, and enough for the other threads of a machine
/// with fewer CPUs than busy threads.
const NAP: Duration = Duration::from_micros(50);

/// An [`Idle`] at work.
pub(crate) struct Rest {
    idle: Idle,
    empty_rounds: u32,
    idle_since: Option<u64>,
    napping: bool,
}

impl Rest {
    pub(crate) fn new(idle: Idle) -> Self {
        Self {
            idle,
            empty_rounds: 0,
            idle_since: None,
            napping: false,
        }
    }

    /// There was work: the next empty round is the first.
    #[inline]
    pub(crate) fn interrupt(&mut self) {
        if self.empty_rounds != 0 {
            *self = Self::new(self.idle);
        }
    }

    /// There was no work in this round. Returns the time, if it had to look at the clock.
    #[inline]
    pub(crate) fn rest(&mut self) -> Option<u64> {
        self.empty_rounds = self.empty_rounds.saturating_add(1);
        if self.idle == Idle::Spin || self.empty_rounds <= SPIN_ROUNDS {
            hint::spin_loop();
            return None;
        }
        if self.napping {
            thread::sleep(NAP);
        } else {
            thread::yield_now();
        }
        let now = Clock::now();
        let since = *self.idle_since.get_or_insert(now);
        self.napping = now.saturating_sub(since) >= NAP_AFTER;
        Some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spinning_never_does_anything_else() {
        let mut rest = Rest::new(Idle::Spin);
        assert!((0..10 * SPIN_ROUNDS).all(|_| rest.rest().is_none()));
        assert!(!rest.napping);
    }

    #[test]
    fn yielding_comes_after_spinning_and_sleeping_after_yielding() {
        let mut rest = Rest::new(Idle::SpinThenYield);
        for _ in 0..SPIN_ROUNDS {
            assert_eq!(rest.rest(), None);
        }
        let first = rest.rest().expect("it has yielded");
        assert!(!rest.napping);
        let mut last = first;
        while !rest.napping {
            last = rest.rest().expect("it yields");
        }
        assert!(last - first >= NAP_AFTER);
        assert!(rest.rest() > Some(last), "it sleeps");

        rest.interrupt();
        for _ in 0..SPIN_ROUNDS {
            assert_eq!(rest.rest(), None, "work starts it over");
        }
        assert!(rest.rest().is_some() && !rest.napping);
    }
}
