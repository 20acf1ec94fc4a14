//! How many commands the engine refused, by reason, as the shadow engine reads it in the journal.

use domain::{Event, Reason, Seq};
use journal::Frame;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts since the process was started. Owner: the shadow engine's thread; that of the figures reads.
#[derive(Clone, Debug, Default)]
pub struct Rejects(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    /// Frames up to this one were there before, and an earlier process may have counted them.
    behind: Seq,
    by_reason: BTreeMap<Reason, u64>,
}

impl Rejects {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what stands in frames behind this one.
    pub fn begin_behind(&self, seq: Seq) {
        self.lock().behind = seq;
    }

    /// A frame that the shadow engine agrees with.
    pub fn frame(&self, frame: &Frame<'_>) {
        let mut counts = self.lock();
        if frame.header.seq <= counts.behind {
            return;
        }
        for event in frame.events() {
            if let Ok(Event::Rejected(rejected)) = event {
                *counts.by_reason.entry(rejected.reason).or_default() += 1;
            }
        }
    }

    /// All that there were, by the names of docs/WIRE.md.
    #[must_use]
    pub fn by_name(&self) -> Vec<(String, u64)> {
        let counts = self.lock();
        let named = counts.by_reason.iter();
        named
            .map(|(reason, count)| (format!("{reason:?}"), *count))
            .collect()
    }
}
