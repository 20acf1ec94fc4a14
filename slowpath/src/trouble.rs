//! What a thread waits out: the operator is told once when it begins and once when it is over, and the region counts
//! both, so that others see whether it lasts.

use crate::console::say;
use crate::counters::Troubles;
use shm::{Counter, SlowWriter};
use std::fmt;
use std::time::Instant;

/// A kind of trouble of one thread.
pub struct Trouble {
    /// What is said of whom when it is over.
    over: &'static str,
    /// What was told last, and when it began; none: all is well.
    told: Option<(&'static str, Instant)>,
    begun: Counter,
    ended: Counter,
}

impl Trouble {
    /// None yet. `over` says what goes on when it has passed.
    #[must_use]
    pub fn new(slow: &SlowWriter, counters: Troubles, over: &'static str) -> Self {
        let begun = slow.counter(counters.begun);
        let ended = slow.counter(counters.ended);
        // The trouble of a slowpath that was killed is not ours.
        ended.add(begun.get().wrapping_sub(ended.get()));
        Self {
            over,
            told: None,
            begun,
            ended,
        }
    }

    /// It is there, and is `what`: said if it was not there before, or was something else.
    pub fn begin(&mut self, what: &'static str, line: fmt::Arguments<'_>) {
        if self.note(what) {
            say(format_args!("trouble: {line}"));
        }
    }

    /// It is there, and whoever calls says so. Whether that is news.
    pub fn note(&mut self, what: &'static str) -> bool {
        let since = match self.told {
            Some((told, _)) if told == what => return false,
            Some((_, since)) => since,
            None => {
                self.begun.add(1);
                Instant::now()
            }
        };
        self.told = Some((what, since));
        true
    }

    /// It is not there, or no more.
    pub fn end(&mut self) {
        if let Some((_, since)) = self.told.take() {
            self.ended.add(1);
            let seconds = since.elapsed().as_secs();
            say(format_args!(
                "trouble over after {seconds} s: {}",
                self.over
            ));
        }
    }
}
