//! What became of messages: questions, until they are answered.

use crate::backoff::Backoff;
use core::net::SocketAddrV4;
use domain::Nanos;
use wire::order_entry::{Outcome, OutcomeQuery};

/// Most queries of one datagram.
const AT_ONCE: usize = 16;
/// How often a query is sent before nobody is thought to answer it.
const ATTEMPTS: u32 = 12;

#[derive(Clone, Copy, Debug)]
struct Waiting {
    query: OutcomeQuery,
    /// None: the exchange is asked.
    replay: Option<SocketAddrV4>,
    attempts: u32,
    /// Nobody can be asked.
    is_lost: bool,
    due: Nanos,
    retry: Backoff,
}

/// Queries in the order in which they were asked.
#[derive(Debug)]
pub(crate) struct Queries {
    waiting: Vec<Waiting>,
    retry: Backoff,
}

impl Queries {
    pub(crate) fn new(retry: Backoff) -> Self {
        Self {
            waiting: Vec::new(),
            retry,
        }
    }

    /// Asks, unless the same waits for its answer already.
    pub(crate) fn ask(&mut self, query: OutcomeQuery) {
        if self.waiting.iter().all(|waiting| waiting.query != query) {
            self.waiting.push(Waiting {
                query,
                replay: None,
                attempts: 0,
                is_lost: false,
                due: Nanos(0),
                retry: self.retry,
            });
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Nanos> {
        self.waiting.iter().map(|waiting| waiting.due).min()
    }

    /// The queries that are due at the replay port, or at the exchange, and where that is.
    pub(crate) fn due(
        &mut self,
        now: Nanos,
        replay: bool,
    ) -> Option<(Option<SocketAddrV4>, Vec<OutcomeQuery>)> {
        let is_due = |it: &Waiting| it.due <= now && !it.is_lost && it.attempts < ATTEMPTS;
        let first = self.waiting.iter();
        let mut first = first.filter(|it| is_due(it) && it.replay.is_some() == replay);
        let address = first.next()?.replay;
        let due = self.waiting.iter_mut();
        let due = due.filter(|it| is_due(it) && it.replay == address);
        let queries = due.take(AT_ONCE).map(|waiting| {
            waiting.attempts += 1;
            waiting.due = waiting.retry.after(now);
            waiting.query
        });
        Some((address, queries.collect()))
    }

    /// The exchange has no more what the query named by this number or id asks for.
    pub(crate) fn refused(&mut self, from: u64, replay: Option<SocketAddrV4>, now: Nanos) {
        let named = |query: &OutcomeQuery| match query.seq_no {
            0 => query.client_order_id.0,
            number => number,
        };
        let retry = self.retry;
        for waiting in &mut self.waiting {
            if named(&waiting.query) == from {
                // The replay port says so of what is too far back.
                waiting.is_lost = waiting.replay.is_some() || replay.is_none();
                waiting.replay = replay;
                (waiting.attempts, waiting.due, waiting.retry) = (0, now, retry);
            }
        }
    }

    /// Whether it is an answer to one of them, which is then done with.
    pub(crate) fn answered(&mut self, outcome: &Outcome) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| {
            let query = &waiting.query;
            let same_id = query.client_order_id == outcome.client_order_id;
            !(same_id && (query.seq_no == 0 || query.seq_no == outcome.seq_no))
        });
        self.waiting.len() < before
    }

    /// Those that nobody answers; they are done with.
    pub(crate) fn given_up(&mut self, now: Nanos) -> Vec<OutcomeQuery> {
        let is_over = |it: &Waiting| it.is_lost || (it.attempts >= ATTEMPTS && it.due <= now);
        let over = self.waiting.iter().filter(|it| is_over(it));
        let over = over.map(|waiting| waiting.query).collect();
        self.waiting.retain(|waiting| !is_over(waiting));
        over
    }
}
