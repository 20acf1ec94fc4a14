//! The numbers of the sources: which request may come next, and which were skipped.

use crate::engine::Engine;
use domain::Source;

/// The sources that are no sessions, in the order of their numbers.
pub(crate) const SERVICES: [Source; 4] = [
    Source::SEQUENCER,
    Source::ADMINISTRATION,
    Source::DEPOSITS,
    Source::GATEWAY,
];

/// The last number of each of [`SERVICES`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ServiceNumbers([u64; SERVICES.len()]);

impl ServiceNumbers {
    /// With the last numbers in the order of [`SERVICES`].
    pub(crate) fn of(last: [u64; SERVICES.len()]) -> Self {
        Self(last)
    }

    /// The last number of a source, if it is one of [`SERVICES`].
    pub(crate) fn last(&self, source: Source) -> Option<u64> {
        self.0.get(source.0 as usize).copied()
    }
}

impl Engine {
    /// Whether a request with this number may be applied now: the next one of deposits, a higher
    /// one of every other source; none of a source that does not exist.
    #[must_use]
    pub fn admits(&self, source: Source, number: u64) -> bool {
        let Some(last) = self.known_last_number(source) else {
            return false;
        };
        if source == Source::DEPOSITS {
            last.checked_add(1) == Some(number)
        } else {
            number > last
        }
    }

    /// The last number of a source that was applied; 0 if there was none or no such source.
    #[must_use]
    pub fn last_number(&self, source: Source) -> u64 {
        self.known_last_number(source).unwrap_or(0)
    }

    fn known_last_number(&self, source: Source) -> Option<u64> {
        match source.session() {
            Some(session) => {
                let session = self.sessions.get(session.0 as usize)?;
                session.as_ref().map(|session| session.last_number)
            }
            None => self.services.last(source),
        }
    }

    /// Takes an admitted number. Answers with the first skipped number and how many were.
    pub(crate) fn take_number(&mut self, source: Source, number: u64) -> Option<(u64, u64)> {
        let last = match source.session() {
            Some(session) => self.sessions.hot(session.0).last_number,
            None => &mut self.services.0[source.0 as usize],
        };
        let expected = *last + 1;
        *last = number;
        (number > expected).then(|| (expected, number - expected))
    }
}
