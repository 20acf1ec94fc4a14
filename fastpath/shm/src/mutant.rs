//! Named mutation points: the orderings and checks on which the algorithms stand.
//!
//! In a normal build each is a constant and costs nothing. Under `cfg(loom)` a test arms one by
//! name, which weakens it, and the model must then fail: a model that passes with a weakened
//! algorithm proves nothing about the right one.

use std::sync::atomic::Ordering;

/// The order at the point `at`; relaxed if a test has armed it.
#[inline]
pub(crate) fn order(at: &'static str, order: Ordering) -> Ordering {
    if keeps(at) { order } else { Ordering::Relaxed }
}

/// The check at the point `at`; it always passes if a test has armed it.
#[inline]
pub(crate) fn check(at: &'static str, passes: bool) -> bool {
    passes || !keeps(at)
}

/// Whether the step at the point `at` is done; not if a test has armed it.
#[cfg(not(loom))]
#[inline]
pub(crate) const fn keeps(_at: &'static str) -> bool {
    true
}

#[cfg(loom)]
pub use armed::is_caught;
#[cfg(loom)]
pub(crate) use armed::keeps;

#[cfg(loom)]
mod armed {
    use std::cell::Cell;

    // A loom model runs all its threads on the thread that called it, so that tests with different
    // mutants may run side by side.
    thread_local! {
        static ARMED: Cell<Option<&'static str>> = const { Cell::new(None) };
        static REACHED: Cell<bool> = const { Cell::new(false) };
    }

    /// Runs `model` with the point `at` weakened, and says whether that made it panic.
    ///
    /// # Panics
    /// If the point was never reached: a test must not pass for want of its subject.
    #[must_use]
    pub fn is_caught(at: &'static str, model: impl FnOnce()) -> bool {
        ARMED.set(Some(at));
        REACHED.set(false);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(model));
        ARMED.set(None);
        assert!(REACHED.get(), "mutation point {at} was never reached");
        result.is_err()
    }

    pub(crate) fn keeps(at: &'static str) -> bool {
        let armed = ARMED.get() == Some(at);
        if armed {
            REACHED.set(true);
        }
        !armed
    }
}
