//! Heartbeats: when a tile or process was last alive, by [`crate::since_boot`], which no step of the system's
//! time moves. One writer, relaxed.

use crate::{Memory, WordAt, Words};

/// Who has shown no heartbeat for longer is taken for dead, nanoseconds.
pub const SILENCE: u64 = 2_000_000_000;

/// The time at which something was last alive, nanoseconds since boot.
#[derive(Clone, Debug)]
pub struct Heartbeat<W = Memory>(WordAt<W>);

impl<W: Words> Heartbeat<W> {
    /// The heartbeat at word `at`.
    ///
    /// # Panics
    /// If there is no such word.
    #[must_use]
    pub fn new(memory: &W, at: usize) -> Self {
        Self(WordAt::new(memory, at))
    }

    /// Alive at `now`, nanoseconds since boot. Only the one writer may call this.
    #[inline]
    pub fn beat(&self, now: u64) {
        self.0.word().set(now);
    }

    /// When it was last alive, nanoseconds since boot; 0 never.
    #[inline]
    #[must_use]
    pub fn last(&self) -> u64 {
        self.0.word().get()
    }
}

/// Nanoseconds from the heartbeat `last` to `now`, both since boot; 0 if it lies ahead.
#[must_use]
pub fn age(last: u64, now: u64) -> u64 {
    now.saturating_sub(last)
}

/// Whether the heartbeat `last` says at `now`, both in nanoseconds since boot, that its owner is dead.
#[must_use]
pub fn is_silent(last: u64, now: u64) -> bool {
    age(last, now) > SILENCE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Heap, since_boot};

    #[test]
    fn an_age_is_never_negative() {
        let heartbeat = Heartbeat::new(&Heap::new(1), 0);
        heartbeat.beat(100);
        let last = heartbeat.last();
        assert_eq!((last, age(last, 130), age(last, 90)), (100, 30, 0));
    }

    #[test]
    fn silence_is_more_than_two_seconds() {
        assert!(!is_silent(7, 7 + SILENCE));
        assert!(is_silent(7, 8 + SILENCE));
    }

    #[test]
    fn what_beats_now_is_heard_whatever_the_time_of_day() {
        let heartbeat = Heartbeat::new(&Heap::new(1), 0);
        heartbeat.beat(since_boot());
        let last = heartbeat.last();
        assert!(!is_silent(last, last + SILENCE / 2));
    }
}
