//! When messages that are missing are asked for, and which.

use crate::backoff::Backoff;
use domain::Nanos;
use std::collections::VecDeque;
use wire::market_data::{Request, SessionName};

/// How long a message that is late is waited for before it is asked for, ns.
const REORDERING: u64 = 5_000_000;
/// How long an answer is waited for before it is asked again, first and at most, ns.
const ANSWER: [u64; 2] = [20_000_000, 500_000_000];
/// Most holes that are asked for at once.
const HOLES: usize = 16;
/// Most messages of one request, and of all at once.
const MESSAGES: u64 = 1024;
const AT_ONCE: u64 = 4 * MESSAGES;

/// Numbers `from .. to` that are missing.
pub(super) type Hole = (u64, u64);

#[derive(Debug)]
pub(super) struct Recovery {
    /// Below this everything was asked for.
    asked_to: u64,
    /// When it is asked for again; none if nothing is on its way.
    again_at: Option<Nanos>,
    retry: Backoff,
    requests: VecDeque<Request>,
}

impl Recovery {
    pub(super) fn new() -> Self {
        Self {
            asked_to: 0,
            again_at: None,
            retry: Backoff::new(ANSWER[0], ANSWER[1]),
            requests: VecDeque::new(),
        }
    }

    /// Something that was missing has come.
    pub(super) fn progress(&mut self, now: Nanos) {
        if self.again_at.is_some() {
            self.retry.reset();
            self.again_at = Some(self.retry.after(now));
        }
    }

    /// Nothing is missing, or nobody waits for it any more.
    pub(super) fn end(&mut self) {
        self.again_at = None;
        self.asked_to = 0;
        self.retry.reset();
        self.requests.clear();
    }

    /// When there is something to ask, while the number `next` is missing since `since`.
    pub(super) fn due(&self, next: u64, since: Nanos) -> Nanos {
        match self.again_at {
            None => Nanos(since.0.saturating_add(REORDERING)),
            // All that was asked for has come, and more is missing: what it is has been known for long enough.
            Some(_) if self.asked_to <= next || !self.requests.is_empty() => Nanos(0),
            Some(again_at) => again_at,
        }
    }

    /// The next request, which is due. `holes` are what is missing, in order, as much as anybody wants to know.
    pub(super) fn request(
        &mut self,
        session: SessionName,
        holes: impl Iterator<Item = Hole>,
        now: Nanos,
    ) -> Option<Request> {
        if let Some(request) = self.requests.pop_front() {
            return Some(request);
        }
        let mut wanted = AT_ONCE;
        for (from, to) in holes.take(HOLES) {
            let mut first = from;
            while first < to && wanted > 0 {
                let most = (to - first).min(MESSAGES).min(wanted);
                let count = u16::try_from(most).unwrap_or(u16::MAX);
                self.requests.push_back(Request {
                    session,
                    first,
                    count,
                });
                first += u64::from(count);
                wanted -= u64::from(count);
                self.asked_to = first;
            }
        }
        self.again_at = Some(self.retry.after(now));
        self.requests.pop_front()
    }
}
