//! The desk: sends commands through the command ring and waits for what became of them.
//!
//! Data: the last number given out per source, who waits for which number, and the client order ids that
//! are under way. Owner: the gateway; the shadow engine's thread answers. Invariants: a number is never given
//! to two commands; numbers of one source enter the ring in order; of a client order id at most one order is
//! under way; nobody is told an outcome that the shadow engine has not seen in the journal at the ack mode's
//! watermark. What is worth nothing when it is late carries a deadline, after which the fastpath does not take it.

use crate::view::Tracked;
use domain::{
    ClientOrderId, Command, CommandKind, Event, Nanos, OrderId, Qty, REQUEST_WORDS, Request, Seq,
    Source,
};
use journal::Frame;
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long an answer is waited for. It comes within milliseconds unless the fastpath is down.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// Most commands that may be under way.
const MOST_WAITING: usize = 4096;

/// The command ring, as its one producer sees it.
pub trait CommandRing: Send {
    /// Puts a request into the ring and publishes it; false if the ring is full.
    fn push(&mut self, slot: &[u64; REQUEST_WORDS]) -> bool;
    /// Requests that the fastpath has not taken yet, those of an earlier gateway included.
    fn waiting(&self) -> u64;
    /// Whether there is a fastpath that takes anything.
    fn is_served(&self) -> bool;
    /// Why a fastpath that lives takes nothing for now; none if it does. It is judged by what went on since it was asked
    /// last, and so to be asked again and again.
    fn blockage(&mut self) -> Option<String>;
    /// The last frame in the journal.
    fn journalled(&self) -> Seq;
}

/// What became of a command: its frame.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) seq: Seq,
    pub(crate) events: Vec<Event>,
    /// The command's order as this frame leaves it, if the command has one; of a quote both sides, the bid first or
    /// the ask.
    pub(crate) orders: Vec<Tracked>,
    /// The orders that a session's mass cancel or kill switch cancelled, as its frames leave them. Collected frame by
    /// frame: the hub forgets orders that have ended before the largest of them is at its end.
    pub(crate) cancelled: Vec<Tracked>,
}

impl Done {
    /// Takes in what another frame of a mass cancel did.
    fn go_on(&mut self, seq: Seq, events: Vec<Event>, known: impl Fn(OrderId) -> Option<Tracked>) {
        self.seq = seq;
        self.cancelled.extend(cancelled(&events).filter_map(known));
        self.events.extend(events);
    }
}

/// The orders that a frame cancelled.
fn cancelled(events: &[Event]) -> impl Iterator<Item = OrderId> {
    events.iter().filter_map(|event| {
        if let Event::Canceled(gone) = event {
            Some(gone.order_id)
        } else {
            None
        }
    })
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
    /// It was the desk's so-manieth command.
    ordinal: u64,
    answer: oneshot::Sender<Done>,
}

/// The last number that a source was given.
struct Given {
    number: u64,
    /// Of the command under it.
    ordinal: u64,
}

struct Inner {
    ring: Box<dyn CommandRing>,
    /// How many commands were sent: the last one's ordinal.
    sent: u64,
    /// So many of them are settled.
    settled: u64,
    given: BTreeMap<Source, Given>,
    waiting: BTreeMap<(Source, u64), Waiting>,
    under_way: BTreeMap<(Source, ClientOrderId), UnderWay>,
    tickets: u64,
    /// A mass cancel that goes on in the frames to come.
    unfinished: Option<Unfinished>,
}

/// A session's mass cancel, or kill switch, that one frame had no room for. There is one at a time, and nothing else
/// comes before its end.
struct Unfinished {
    done: Done,
    answer: oneshot::Sender<Done>,
}

/// A client order id that somebody keeps.
struct UnderWay {
    /// Of whoever keeps it.
    ticket: u64,
    /// None while nothing was sent.
    sent: Option<Sent>,
}

/// An order that was sent.
#[derive(Clone, Copy)]
struct Sent {
    number: u64,
    ordinal: u64,
}

/// The right to send an order with a client order id. Dropped, it is given back, unless an order was sent:
/// then it is kept until its outcome is known.
pub(crate) struct Reserved<'a> {
    desk: &'a Desk,
    key: (Source, ClientOrderId),
    ticket: u64,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let mut inner = self.desk.lock();
        let kept = inner.under_way.get(&self.key);
        // It may have been given back already, and be another's by now.
        if kept.is_some_and(|kept| kept.ticket == self.ticket && kept.sent.is_none()) {
            inner.under_way.remove(&self.key);
        }
    }
}

/// See the module.
pub(crate) struct Desk(Mutex<Inner>);

impl Desk {
    pub(crate) fn new(ring: Box<dyn CommandRing>) -> Self {
        Self(Mutex::new(Inner {
            ring,
            sent: 0,
            settled: 0,
            given: BTreeMap::new(),
            waiting: BTreeMap::new(),
            under_way: BTreeMap::new(),
            tickets: 0,
            unfinished: None,
        }))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a client order id for one order; none if one with it is under way.
    pub(crate) fn reserve(&self, source: Source, id: ClientOrderId) -> Option<Reserved<'_>> {
        let key = (source, id);
        let mut inner = self.lock();
        if inner.under_way.contains_key(&key) {
            return None;
        }
        inner.tickets += 1;
        let ticket = inner.tickets;
        let sent = None;
        inner.under_way.insert(key, UnderWay { ticket, sent });
        Some(Reserved {
            desk: self,
            key,
            ticket,
        })
    }

    /// Whether an order with this client order id is about to be sent, or was and its outcome is not known.
    pub(crate) fn is_under_way(&self, source: Source, id: ClientOrderId) -> bool {
        self.lock().under_way.contains_key(&(source, id))
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
        let number = inner.next(source, last);
        inner.send(source, number, command, now)
    }

    /// The number that the source's next command would have.
    pub(crate) fn next(&self, source: Source, last: u64) -> u64 {
        self.lock().next(source, last)
    }

    /// Sends a command under this number, if it is the source's next; none if it is not.
    pub(crate) fn send_as(
        &self,
        source: Source,
        last: u64,
        number: u64,
        command: Command,
        now: Nanos,
    ) -> Result<Option<oneshot::Receiver<Done>>, NoOutcome> {
        let mut inner = self.lock();
        if inner.next(source, last) != number {
            return Ok(None);
        }
        inner.send(source, number, command, now).map(Some)
    }

    /// A frame has passed the watermark: whoever waits for it is answered. `known` gives orders as the frame leaves
    /// them.
    pub(crate) fn frame(&self, frame: &Frame<'_>, known: impl Fn(OrderId) -> Option<Tracked>) {
        let (source, number) = (frame.header.source, frame.header.source_seq);
        let mut inner = self.lock();
        if let Some(id) = new_id(&frame.command) {
            let key = (source, id);
            let sent = inner.under_way.get(&key).and_then(|kept| kept.sent);
            if sent.is_some_and(|sent| sent.number == number) {
                inner.under_way.remove(&key);
            }
        }
        let unfinished = if let Command::Continue(_) = &frame.command {
            inner.unfinished.take()
        } else {
            None
        };
        let waiting = inner.waiting.remove(&(source, number));
        drop(inner);
        let events = || -> Vec<Event> { frame.events().filter_map(Result::ok).collect() };
        if let Some(Unfinished { mut done, answer }) = unfinished {
            done.go_on(frame.header.seq, events(), &known);
            self.answer_walk(done, answer);
        }
        let Some(waiting) = waiting else {
            return;
        };
        if waiting.kind == frame.command.kind() {
            let events = events();
            let mut done = Done {
                seq: frame.header.seq,
                orders: orders_of(&frame.command, &events)
                    .filter_map(&known)
                    .collect(),
                events: Vec::new(),
                cancelled: Vec::new(),
            };
            if is_walk(source, &frame.command) {
                done.go_on(frame.header.seq, events, known);
                self.answer_walk(done, waiting.answer);
                return;
            }
            done.events = events;
            // Whoever asked may have gone.
            let _gone = waiting.answer.send(done);
        }
    }

    /// Answers whoever waits for a mass cancel, if this was its last frame.
    fn answer_walk(&self, done: Done, answer: oneshot::Sender<Done>) {
        if has_ended(&done.events) {
            let _gone = answer.send(done);
        } else {
            self.lock().unfinished = Some(Unfinished { done, answer });
        }
    }

    /// Whether a fastpath takes commands.
    pub(crate) fn is_served(&self) -> bool {
        self.lock().ring.is_served()
    }

    /// Why a fastpath that lives takes nothing for now.
    pub(crate) fn blockage(&self) -> Option<String> {
        self.lock().ring.blockage()
    }

    /// The last frame in the journal.
    pub(crate) fn journalled(&self) -> Seq {
        self.lock().ring.journalled()
    }

    /// How many of the commands that were sent the fastpath has taken; none while it has some of an earlier gateway.
    pub(crate) fn taken(&self) -> Option<u64> {
        let inner = self.lock();
        inner.sent.checked_sub(inner.ring.waiting())
    }

    /// Since so many commands were taken, the shadow engine has reached what the journal's end was then: those of
    /// them that have not come by now never will.
    pub(crate) fn settle(&self, taken: u64) {
        let mut inner = self.lock();
        if taken > inner.settled {
            inner.settled = taken;
            inner.given.retain(|_, given| given.ordinal > taken);
            inner.waiting.retain(|_, waiting| waiting.ordinal > taken);
            let open = |kept: &UnderWay| kept.sent.is_none_or(|sent| sent.ordinal > taken);
            inner.under_way.retain(|_, kept| open(kept));
        }
    }
}

/// The client order id that a command makes an order's.
fn new_id(command: &Command) -> Option<ClientOrderId> {
    match command {
        Command::NewOrder(order) => Some(order.client_order_id),
        Command::AmendOrder(amend) => {
            Some(amend.new_client_order_id).filter(|id| *id != ClientOrderId(0))
        }
        _ => None,
    }
}

/// Whether a command of a session is answered by what it did to many orders, at its end.
fn is_walk(source: Source, command: &Command) -> bool {
    let is_walk = matches!(command, Command::MassCancel(_) | Command::KillSwitch(_));
    is_walk && source.session().is_some()
}

fn has_ended(events: &[Event]) -> bool {
    let ends = |event: &Event| matches!(event, Event::MassCanceled(_) | Event::Rejected(_));
    events.iter().any(ends)
}

/// The orders that a command is about.
fn orders_of(command: &Command, events: &[Event]) -> impl Iterator<Item = OrderId> {
    let named = match command {
        Command::AmendOrder(amend) => Some(amend.order_id),
        Command::CancelOrder(cancel) => Some(cancel.order_id),
        _ => None,
    };
    let is_told = matches!(command, Command::NewOrder(_) | Command::Quote(_));
    let is_quote = matches!(command, Command::Quote(_));
    let told = events.iter().filter(move |_| is_told);
    named
        .into_iter()
        .chain(told.filter_map(move |event| match event {
            Event::Accepted(e) => Some(e.order_id),
            Event::Amended(e) if is_quote => Some(e.order_id),
            Event::Canceled(e) if is_quote => Some(e.order_id),
            _ => None,
        }))
}

impl Inner {
    fn next(&self, source: Source, last: u64) -> u64 {
        let given = self.given.get(&source).map_or(0, |given| given.number);
        given.max(last) + 1
    }

    fn send(
        &mut self,
        source: Source,
        number: u64,
        command: Command,
        now: Nanos,
    ) -> Result<oneshot::Receiver<Done>, NoOutcome> {
        if self.waiting.len() >= MOST_WAITING {
            self.waiting
                .retain(|_, waiting| !waiting.answer.is_closed());
            if self.waiting.len() >= MOST_WAITING {
                return Err(NoOutcome::Busy);
            }
        }
        let request = Request {
            source,
            source_seq: number,
            receive_time: now,
            command,
        };
        let mut slot = [0; REQUEST_WORDS];
        match deadline(&command) {
            Some(deadline) => request.encode_until(&mut slot, deadline),
            None => request.encode(&mut slot),
        }
        if !self.ring.push(&slot) {
            return Err(NoOutcome::Busy);
        }
        self.sent += 1;
        let ordinal = self.sent;
        if let Some(id) = new_id(&command)
            && let Some(kept) = self.under_way.get_mut(&(source, id))
        {
            kept.sent = Some(Sent { number, ordinal });
        }
        let (answer, receiver) = oneshot::channel();
        let waiting = Waiting {
            kind: command.kind(),
            ordinal,
            answer,
        };
        self.given.insert(source, Given { number, ordinal });
        self.waiting.insert((source, number), waiting);
        Ok(receiver)
    }
}

/// Until when a command may be taken, in nanoseconds since boot. A cancel is welcome however late; but of a part, which
/// may have been asked for again, and what lets orders in again, are not.
fn deadline(command: &Command) -> Option<u64> {
    let is_welcome = match command {
        Command::CancelOrder(cancel) => cancel.qty == Qty::ZERO,
        Command::MassCancel(_) => true,
        Command::Quote(quote) => quote.is_pull(),
        Command::KillSwitch(switch) => switch.on.is_yes(),
        _ => false,
    };
    if is_welcome {
        return None;
    }
    let since_boot = clock_gettime(ClockId::Boottime);
    let since_boot = Duration::try_from(since_boot).unwrap_or_default();
    u64::try_from((since_boot + PATIENCE).as_nanos()).ok()
}

/// Waits for the answer until then.
pub(crate) async fn outcome(
    receiver: oneshot::Receiver<Done>,
    until: Instant,
) -> Result<Done, NoOutcome> {
    match tokio::time::timeout_at(until, receiver).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_)) => Err(NoOutcome::Busy),
        Err(_) => Err(NoOutcome::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{CancelOrder, ClientOrderId, Flag, OrderId, SessionId};
    use std::sync::Arc;
    use std::sync::mpsc;
    use tokio::sync::oneshot::error::TryRecvError;

    struct Ring {
        out: mpsc::Sender<Request>,
        room: bool,
        waiting: Arc<Mutex<u64>>,
    }

    impl CommandRing for Ring {
        fn push(&mut self, slot: &[u64; REQUEST_WORDS]) -> bool {
            let request = Request::decode(slot).unwrap();
            self.room && self.out.send(request).is_ok()
        }
        fn waiting(&self) -> u64 {
            *self.waiting.lock().unwrap()
        }
        fn is_served(&self) -> bool {
            true
        }
        fn blockage(&mut self) -> Option<String> {
            None
        }
        fn journalled(&self) -> Seq {
            Seq(0)
        }
    }

    /// A desk, what it sends, and how many requests are not taken yet: none until a test says so.
    fn desk(room: bool) -> (Desk, mpsc::Receiver<Request>, Arc<Mutex<u64>>) {
        let (out, requests) = mpsc::channel();
        let waiting = Arc::new(Mutex::new(0));
        let ring = Ring {
            out,
            room,
            waiting: Arc::clone(&waiting),
        };
        (Desk::new(Box::new(ring)), requests, waiting)
    }

    fn cancel() -> Command {
        Command::CancelOrder(CancelOrder {
            order_id: OrderId(1),
            client_order_id: ClientOrderId(0),
            qty: Qty::ZERO,
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

    fn new_order(id: u64) -> Command {
        Command::NewOrder(domain::NewOrder {
            client_order_id: ClientOrderId(id),
            price: domain::Price(1),
            qty: domain::Qty(1),
            market: domain::MarketId(0),
            side: domain::Side::Buy,
            order_type: domain::OrderType::Limit,
            time_in_force: domain::TimeInForce::ImmediateOrCancel,
            ..domain::NewOrder::PLAIN
        })
    }

    #[test]
    fn of_a_client_order_id_one_order_is_under_way() {
        let (desk, _requests, _) = desk(true);
        let (source, id) = (Source::of_session(SessionId(1)), ClientOrderId(7));
        let first = desk.reserve(source, id).unwrap();
        assert!(desk.reserve(source, id).is_none());
        assert!(desk.is_under_way(source, id), "it is about to be sent");
        let other = desk.reserve(Source::of_session(SessionId(2)), id);
        assert!(other.is_some(), "another session's");
        drop(first);
        let again = desk.reserve(source, id).unwrap();
        let _answer = desk.send(source, 4, new_order(7), Nanos(1)).unwrap();
        drop(again);
        assert!(desk.is_under_way(source, id));
        assert!(desk.reserve(source, id).is_none(), "it may yet be taken");
        desk.settle(desk.taken().unwrap());
        assert!(!desk.is_under_way(source, id), "it never will be");
        // Who kept it before gives back nothing that is another's by now.
        let late = desk.reserve(source, id).unwrap();
        let _answer = desk.send(source, 4, new_order(7), Nanos(1)).unwrap();
        desk.settle(desk.taken().unwrap());
        let _new = desk.reserve(source, id).unwrap();
        drop(late);
        assert!(desk.reserve(source, id).is_none());
    }

    #[test]
    fn what_was_not_sent_is_not_under_way() {
        let (desk, _requests, _) = desk(false);
        let (source, id) = (Source::of_session(SessionId(1)), ClientOrderId(7));
        let reserved = desk.reserve(source, id);
        assert!(desk.send(source, 4, new_order(7), Nanos(1)).is_err());
        drop(reserved);
        assert!(desk.reserve(source, id).is_some());
    }

    #[test]
    fn all_but_cancels_have_a_deadline() {
        let switch = |on| {
            Command::KillSwitch(domain::KillSwitch {
                request: 0,
                target: 0,
                scope: domain::Scope::Session,
                on,
                pad: [domain::Zero::Zero; 2],
            })
        };
        let quote = |bid_qty| {
            Command::Quote(domain::Quote {
                bid_qty,
                ..domain::Quote::PULL
            })
        };
        for welcome in [
            cancel(),
            quote(Qty::ZERO),
            Command::MassCancel(domain::MassCancel::OWN),
            switch(Flag::Yes),
        ] {
            assert_eq!(deadline(&welcome), None);
        }
        let part = Command::CancelOrder(CancelOrder {
            order_id: OrderId(1),
            client_order_id: ClientOrderId(0),
            qty: Qty(1),
        });
        let protect = Command::SetProtection(domain::SetProtection::OFF);
        for late in [part, switch(Flag::No), quote(Qty(1)), protect] {
            assert!(deadline(&late).is_some());
        }
        let now = deadline(&new_order(1)).unwrap();
        assert!(now > u64::try_from(PATIENCE.as_nanos()).unwrap());
    }

    #[test]
    fn a_command_with_a_number_is_sent_under_that_one_or_not_at_all() {
        let (desk, requests, _) = desk(true);
        let source = Source::ADMINISTRATION;
        let send = |number| desk.send_as(source, 4, number, cancel(), Nanos(1)).unwrap();
        assert_eq!(desk.next(source, 4), 5);
        assert!(send(6).is_none());
        assert!(send(5).is_some());
        assert!(send(5).is_none(), "it was given");
        assert_eq!(desk.next(source, 4), 6);
        let numbers: Vec<u64> = requests.try_iter().map(|r| r.source_seq).collect();
        assert_eq!(numbers, [5]);
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
        let (desk, requests, waiting) = desk(true);
        let source = Source::DEPOSITS;
        let mut first = desk.send(source, 4, cancel(), Nanos(1)).unwrap();
        *waiting.lock().unwrap() = 1;
        desk.settle(desk.taken().unwrap());
        assert_eq!(first.try_recv().unwrap_err(), TryRecvError::Empty);
        *waiting.lock().unwrap() = 0;
        desk.settle(desk.taken().unwrap());
        assert_eq!(first.try_recv().unwrap_err(), TryRecvError::Closed);
        let _again = desk.send(source, 4, cancel(), Nanos(1)).unwrap();
        let numbers: Vec<u64> = requests.try_iter().map(|r| r.source_seq).collect();
        assert_eq!(numbers, [5, 5], "a number that was lost is given again");
    }

    #[test]
    fn what_never_comes_is_given_up_however_much_is_sent_behind_it() {
        let (desk, _requests, waiting) = desk(true);
        let [one, other] = [1, 2].map(|id| Source::of_session(SessionId(id)));
        let id = ClientOrderId(7);
        drop(desk.reserve(one, id).unwrap());
        let reserved = desk.reserve(one, id).unwrap();
        let mut lost = desk.send(one, 4, new_order(7), Nanos(1)).unwrap();
        drop(reserved);
        let taken = desk.taken().unwrap();
        let mut later = desk.send(other, 4, cancel(), Nanos(1)).unwrap();
        *waiting.lock().unwrap() = 1;
        assert_eq!(desk.taken(), Some(taken), "the ring is not empty");
        desk.settle(taken);
        assert_eq!(lost.try_recv().unwrap_err(), TryRecvError::Closed);
        assert_eq!(later.try_recv().unwrap_err(), TryRecvError::Empty);
        assert!(!desk.is_under_way(one, id));
        assert_eq!((desk.next(one, 4), desk.next(other, 4)), (5, 6));
    }

    #[test]
    fn what_an_earlier_gateway_has_sent_is_taken_first() {
        let (desk, _requests, waiting) = desk(true);
        *waiting.lock().unwrap() = 1;
        assert_eq!(desk.taken(), None);
        let _answer = desk.send(Source::DEPOSITS, 4, cancel(), Nanos(1)).unwrap();
        *waiting.lock().unwrap() = 2;
        assert_eq!(desk.taken(), None);
        *waiting.lock().unwrap() = 1;
        assert_eq!(desk.taken(), Some(0));
    }
}
