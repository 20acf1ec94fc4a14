//! The desk: sends commands through the command ring and waits for what became of them.
//!
//! Data: the last number given out per source, and who waits for which number. Owner: the gateway; the
//! shadow engine's thread answers. Invariants: a number is never given to two commands; numbers of one
//! source enter the ring in order; nobody is told an outcome that the shadow engine has not seen in the
//! journal at the ack mode's watermark.

use domain::{Command, CommandKind, Event, Nanos, REQUEST_WORDS, Request, Seq, Source};
use journal::Frame;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long an answer is waited for. It comes within milliseconds unless the fastpath is down.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// Most commands that may be under way.
const MOST_WAITING: usize = 4096;

/// The command ring, as its one producer sees it.
pub trait CommandRing: Send {
    /// Puts a request into the ring and publishes it; false if the ring is full.
    fn push(&mut self, slot: &[u64; REQUEST_WORDS]) -> bool;
    /// Whether the fastpath has taken everything.
    fn is_drained(&self) -> bool;
    /// Whether there is a fastpath that takes anything.
    fn is_served(&self) -> bool;
}

/// What became of a command: its frame.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) seq: Seq,
    pub(crate) time: Nanos,
    pub(crate) events: Vec<Event>,
}

/// Why there is no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoOutcome {
    /// It was not sent: nothing happened and nothing will.
    Busy,
    /// It was sent, and may yet be taken.
    Unknown,
}

struct Waiting {
    kind: CommandKind,
    answer: oneshot::Sender<Done>,
}

struct Inner {
    ring: Box<dyn CommandRing>,
    sent: u64,
    given: BTreeMap<Source, u64>,
    waiting: BTreeMap<(Source, u64), Waiting>,
}

/// See the module.
pub(crate) struct Desk(Mutex<Inner>);

impl Desk {
    pub(crate) fn new(ring: Box<dyn CommandRing>) -> Self {
        Self(Mutex::new(Inner {
            ring,
            sent: 0,
            given: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a command under the source's next number. `last` is the source's last number that the
    /// shadow engine has seen.
    pub(crate) fn send(
        &self,
        source: Source,
        last: u64,
        command: Command,
        now: Nanos,
    ) -> Result<oneshot::Receiver<Done>, NoOutcome> {
        let mut inner = self.lock();
        if inner.waiting.len() >= MOST_WAITING {
            inner
                .waiting
                .retain(|_, waiting| !waiting.answer.is_closed());
            if inner.waiting.len() >= MOST_WAITING {
                return Err(NoOutcome::Busy);
            }
        }
        let given = inner.given.get(&source).copied().unwrap_or(0);
        let request = Request {
            source,
            source_seq: given.max(last) + 1,
            receive_time: now,
            command,
        };
        let mut slot = [0; REQUEST_WORDS];
        request.encode(&mut slot);
        if !inner.ring.push(&slot) {
            return Err(NoOutcome::Busy);
        }
        let (answer, receiver) = oneshot::channel();
        let kind = command.kind();
        inner.sent += 1;
        inner.given.insert(source, request.source_seq);
        inner
            .waiting
            .insert((source, request.source_seq), Waiting { kind, answer });
        Ok(receiver)
    }

    /// A frame has passed the watermark: whoever waits for it is answered.
    pub(crate) fn frame(&self, frame: &Frame<'_>) {
        let key = (frame.header.source, frame.header.source_seq);
        let Some(waiting) = self.lock().waiting.remove(&key) else {
            return;
        };
        if waiting.kind == frame.command.kind() {
            let done = Done {
                seq: frame.header.seq,
                time: frame.header.engine_time,
                events: frame.events().filter_map(Result::ok).collect(),
            };
            // Whoever asked may have gone.
            let _gone = waiting.answer.send(done);
        }
    }

    /// Whether there is a fastpath that takes commands.
    pub(crate) fn is_served(&self) -> bool {
        self.lock().ring.is_served()
    }

    /// How many commands were sent, if the fastpath has taken all of them.
    pub(crate) fn drained_after(&self) -> Option<u64> {
        let inner = self.lock();
        inner.ring.is_drained().then_some(inner.sent)
    }

    /// The ring was empty after so many commands, and since then the shadow engine has reached the
    /// journal's end: what has not come by now never will.
    pub(crate) fn settle(&self, sent: u64) {
        let mut inner = self.lock();
        if inner.sent == sent {
            inner.given.clear();
            inner.waiting.clear();
        }
    }
}

/// Waits for the answer.
pub(crate) async fn outcome(receiver: oneshot::Receiver<Done>) -> Result<Done, NoOutcome> {
    match tokio::time::timeout(PATIENCE, receiver).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_)) => Err(NoOutcome::Busy),
        Err(_) => Err(NoOutcome::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{CancelOrder, ClientOrderId, OrderId, SessionId};
    use std::sync::Arc;
    use std::sync::mpsc;

    struct Ring {
        out: mpsc::Sender<Request>,
        room: bool,
        drained: Arc<Mutex<bool>>,
    }

    impl CommandRing for Ring {
        fn push(&mut self, slot: &[u64; REQUEST_WORDS]) -> bool {
            let request = Request::decode(slot).unwrap();
            self.room && self.out.send(request).is_ok()
        }
        fn is_drained(&self) -> bool {
            *self.drained.lock().unwrap()
        }
        fn is_served(&self) -> bool {
            true
        }
    }

    fn desk(room: bool) -> (Desk, mpsc::Receiver<Request>, Arc<Mutex<bool>>) {
        let (out, requests) = mpsc::channel();
        let drained = Arc::new(Mutex::new(false));
        let ring = Ring {
            out,
            room,
            drained: Arc::clone(&drained),
        };
        (Desk::new(Box::new(ring)), requests, drained)
    }

    fn cancel() -> Command {
        Command::CancelOrder(CancelOrder {
            order_id: OrderId(1),
            client_order_id: ClientOrderId(0),
        })
    }

    #[test]
    fn numbers_go_on_behind_the_engines_and_are_given_once() {
        let (desk, requests, _) = desk(true);
        let source = Source::of_session(SessionId(1));
        for last in [4, 4, 5, 9] {
            let _answer = desk.send(source, last, cancel(), Nanos(1)).unwrap();
        }
        let numbers: Vec<u64> = requests.try_iter().map(|r| r.source_seq).collect();
        assert_eq!(numbers, [5, 6, 7, 10]);
    }

    #[test]
    fn a_full_ring_gives_no_number() {
        let (desk, _requests, _) = desk(false);
        let source = Source::DEPOSITS;
        assert!(matches!(
            desk.send(source, 4, cancel(), Nanos(1)),
            Err(NoOutcome::Busy)
        ));
        assert!(desk.lock().given.is_empty());
    }

    #[test]
    fn what_never_comes_is_given_up_only_when_it_cannot_come_any_more() {
        let (desk, requests, drained) = desk(true);
        let source = Source::DEPOSITS;
        let mut first = desk.send(source, 4, cancel(), Nanos(1)).unwrap();
        assert_eq!(desk.drained_after(), None);
        *drained.lock().unwrap() = true;
        let sent = desk.drained_after().unwrap();
        let _second = desk.send(source, 4, cancel(), Nanos(1)).unwrap();
        desk.settle(sent);
        assert!(
            first
                .try_recv()
                .is_err_and(|e| e == oneshot::error::TryRecvError::Empty)
        );
        desk.settle(desk.drained_after().unwrap());
        assert!(
            first
                .try_recv()
                .is_err_and(|e| e == oneshot::error::TryRecvError::Closed)
        );
        let _third = desk.send(source, 4, cancel(), Nanos(1)).unwrap();
        let numbers: Vec<u64> = requests.try_iter().map(|r| r.source_seq).collect();
        assert_eq!(numbers, [5, 6, 5], "a number that was lost is given again");
    }
}
