//! The replay port: a session's reports once more, and what became of its messages, however old they are.
//!
//! Data: the sessions that ask, with their requests. Invariants: nothing counts before its MAC is right, and nobody is
//! answered but from where the session's client is; what goes out is what `out` sent, datagram by datagram, but for the
//! flag, the time of sending and the MAC; nothing that is not archived is told here, because `out` still has it.

use crate::askers::Askers;
use crate::history::{History, Place, Sources};
use crate::sessions::Access;
use crate::trouble::Unreadable;
use crate::work::Work;
use domain::{ClientOrderId, Command, Gate, Nanos, Reason, Seq, SessionId};
use journal::Frame;
use nic::{Peer, Receive, Transmit};
use std::collections::BTreeMap;
use std::time::Duration;
use wire::auth::MacKeys;
use wire::order_entry::{
    Context, DatagramReader, DatagramWriter, FrameStamp, Message, Outcome, OutcomeQuery, Refused,
    Template,
};

/// Datagrams taken in a turn, and sent.
const TAKEN: usize = 64;
const SENT: usize = 64;
/// Most reports that one request brings back: as many as `out` sends.
const REPORTS: u64 = 64;
/// What is done for one session before the next is served.
const SLICE: usize = 512;
/// Frames that a search by client order id goes back, at most, of those among which the session's stand.
const LOOKED_AT: u64 = 1 << 20;

/// Keys of sessions, and where their clients are.
pub trait Keys {
    /// The keys of a session in the place's epoch; none if they cannot be had now.
    fn keys(&mut self, session: SessionId, access: &Access, place: Place) -> Option<&MacKeys>;

    /// Whether the session's client is bound to this address at the order port, at whatever port number.
    fn is_bound(&self, session: SessionId, address: [u8; 4]) -> bool;
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportCounts {
    /// Requests and queries that were taken.
    pub requests: u64,
    /// Datagrams that are not genuine, not whole, of another epoch, or from where the session is not.
    pub refused: u64,
    /// Requests for what is not issued or not archived yet, and messages that nobody answers here.
    pub unknown: u64,
    /// Requests that were dropped because too many wait of their session.
    pub throttled: u64,
    /// Reports sent.
    pub reports: u64,
    /// Outcomes sent.
    pub outcomes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    to: Peer,
    /// The client order id that the query names.
    id: ClientOrderId,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// Reports `next .. end`; all before stand before the frame `seq`, or in it.
    Reports { next: u64, end: u64, seq: u64 },
    /// What became of this number; it does not stand before the frame `seq`.
    Number { number: u64, seq: u64 },
    /// What became of the last new order with this id.
    Order(Search),
}

/// A search for a new order by its id, backwards from mark to mark.
#[derive(Clone, Copy, Debug)]
struct Search {
    id: ClientOrderId,
    /// The block before which is looked, and the frames that are looked at now.
    before: usize,
    seq: u64,
    end: u64,
    /// The last that was found among them.
    found: Option<Outcome>,
    looked_at: u64,
}

/// What a slice of work came to.
enum Step {
    /// A datagram is to be sent; the request goes on, or is done with.
    Send(Answer, Option<What>),
    /// It goes on.
    Later(What),
    /// Nothing is to be said.
    Nothing,
}

/// What is sent.
enum Answer {
    Outcome(Outcome),
    Refused(Refused),
    /// The reports `from .. to` of a session, as they stand in a frame.
    Reports {
        seq: u64,
        from: u64,
        to: u64,
    },
}

/// The port, over its two halves.
pub struct ReportRequests<R, T, K> {
    rx: R,
    tx: T,
    keys: K,
    askers: Askers<SessionId, Asked>,
    /// By session: a report, and the frame before which nothing of it or behind it stands. Who asks range after range goes
    /// on there.
    ends: BTreeMap<SessionId, (u64, u64)>,
    counts: ReportCounts,
}

impl<R: Receive, T: Transmit, K: Keys> ReportRequests<R, T, K> {
    /// Answers at a port, each session so many datagrams a second.
    #[must_use]
    pub fn new(rx: R, tx: T, keys: K, datagrams_a_second: u32) -> Self {
        Self {
            rx,
            tx,
            keys,
            askers: Askers::new(datagrams_a_second),
            ends: BTreeMap::new(),
            counts: ReportCounts::default(),
        }
    }

    /// What gives it keys.
    pub fn keys_mut(&mut self) -> &mut K {
        &mut self.keys
    }

    /// What has happened so far.
    #[must_use]
    pub fn counts(&self) -> ReportCounts {
        self.counts
    }

    /// Takes requests in and answers, as far as `work` goes. `utc` is the time that datagrams say. Says how many
    /// datagrams came and slices of work were done.
    ///
    /// # Errors
    /// [`Unreadable`] if the archive cannot be read: the request that needs it is given up, its session asks again.
    pub fn step<S: Sources>(
        &mut self,
        now: Duration,
        utc: Nanos,
        history: &mut History<S>,
        work: &mut Work,
    ) -> Result<usize, Unreadable> {
        let received = self.receive(now, history);
        let answered = self.answer(now, utc, history, work);
        self.tx.flush();
        Ok(received + answered?)
    }

    fn receive<S: Sources>(&mut self, now: Duration, history: &History<S>) -> usize {
        let Self {
            rx,
            keys,
            askers,
            ends,
            counts,
            ..
        } = self;
        rx.receive(TAKEN, &mut |datagram| {
            let peer = datagram.peer;
            let genuine = genuine(keys, history, peer, datagram.payload);
            let Some(datagram) = genuine.and_then(|bytes| DatagramReader::parse(bytes).ok()) else {
                counts.refused += 1;
                return;
            };
            let session = datagram.context.session_id;
            for numbered in datagram.messages {
                let end = ends.get(&session).copied();
                let Some(what) = asked(history, session, end, &numbered.message) else {
                    counts.unknown += 1;
                    continue;
                };
                let id = if let Message::OutcomeQuery(query) = &numbered.message {
                    query.client_order_id
                } else {
                    ClientOrderId(0)
                };
                let taken = askers.ask(session, Asked { to: peer, id, what }, now);
                counts.requests += u64::from(taken);
                counts.throttled += u64::from(!taken);
            }
        })
    }

    fn answer<S: Sources>(
        &mut self,
        now: Duration,
        utc: Nanos,
        history: &mut History<S>,
        work: &mut Work,
    ) -> Result<usize, Unreadable> {
        let mut slices = 0;
        // So many in a row could be sent nothing.
        let mut passed = 0;
        while slices < SENT && passed < self.askers.in_turn() && !work.is_done() {
            let Some((session, asked)) = self.askers.next(now) else {
                break;
            };
            let Some(asked) = asked.map(|asked| *asked) else {
                passed += 1;
                continue;
            };
            passed = 0;
            slices += 1;
            let slice = &mut work.slice(SLICE);
            let step = step(history, session, asked.what, slice);
            work.take(slice, SLICE);
            let said = match step {
                Ok(Step::Send(answer, rest)) => {
                    let sent = self.send(session, &asked, &answer, utc, history, work);
                    sent.map(|sent| sent.then_some(rest))
                }
                Ok(Step::Later(what)) => Ok(Some(Some(what))),
                Ok(Step::Nothing) => {
                    self.counts.unknown += 1;
                    Ok(Some(None))
                }
                Err(error) => Err(error),
            };
            let rest = match said {
                Ok(Some(rest)) => rest,
                // The port is full: the same again.
                Ok(None) => return Ok(slices),
                Err(error) => {
                    self.askers.done(session);
                    return Err(error);
                }
            };
            self.askers.sent(session, now);
            match rest {
                Some(what) => self.askers.put_back(session, Asked { what, ..asked }),
                None => self.askers.done(session),
            }
        }
        Ok(slices)
    }

    /// Sends one datagram; false if the port is full.
    fn send<S: Sources>(
        &mut self,
        session: SessionId,
        asked: &Asked,
        answer: &Answer,
        utc: Nanos,
        history: &mut History<S>,
        work: &mut Work,
    ) -> Result<bool, Unreadable> {
        let spoken = history.access(session).zip(history.place());
        let keys = spoken.and_then(|(access, place)| {
            let keys = self.keys.keys(session, &access, place);
            keys.zip(Some(place))
        });
        // Its owner has agreed on another key meanwhile, which is not derived yet: it asks again.
        let Some((keys, place)) = keys else {
            return Ok(true);
        };
        if self.tx.reserve().is_none() {
            self.tx.flush();
        }
        let Some(mut slot) = self.tx.reserve() else {
            return Ok(false);
        };
        let first = match answer {
            Answer::Reports { from, .. } => *from,
            Answer::Outcome(_) | Answer::Refused(_) => history.sessions().next_report(session),
        };
        let context = Context {
            session_id: session,
            epoch: place.epoch,
            next_seq_no: first,
            sending_time: utc,
            shard: place.shard,
            flags: Context::RETRANSMISSION,
            reserved: 0,
        };
        let mut writer = DatagramWriter::new(slot.payload(), context);
        match answer {
            Answer::Outcome(outcome) => {
                let outcome = Outcome {
                    client_order_id: asked.id,
                    ..*outcome
                };
                writer.push(&outcome).expect("one message fits");
                self.counts.outcomes += 1;
            }
            Answer::Refused(refused) => writer.push(refused).expect("one message fits"),
            Answer::Reports { seq, from, to } => {
                let Some(frame) = history.frame(Seq(*seq), work)? else {
                    return Ok(true);
                };
                write_reports(&frame, session, *from, *to, &mut writer);
                self.counts.reports += to - from;
                self.ends.insert(session, (*to, *seq));
            }
        }
        let length = writer.finish(&keys.to_client);
        slot.commit(length, asked.to);
        Ok(true)
    }
}

/// The bytes, if they are a session's, with its key, from where it is.
fn genuine<'a, S: Sources>(
    keys: &mut impl Keys,
    history: &History<S>,
    peer: Peer,
    bytes: &'a [u8],
) -> Option<&'a [u8]> {
    let context = DatagramReader::context(bytes).ok()?;
    let session = context.session_id;
    let place = history
        .place()
        .filter(|place| place.epoch == context.epoch)?;
    let access = history.access(session).filter(|a| a.gate == Gate::Port)?;
    let keys_of = keys.keys(session, &access, place)?;
    let is_genuine = DatagramReader::verify(bytes, &keys_of.to_exchange);
    (is_genuine && keys.is_bound(session, peer.ip)).then_some(bytes)
}

/// What a message asks for; none if that cannot be had here.
fn asked<S: Sources>(
    history: &History<S>,
    session: SessionId,
    known_end: Option<(u64, u64)>,
    message: &Message,
) -> Option<What> {
    let sessions = history.sessions();
    if let Message::ResendRequest(request) = message {
        let next = request.from_report_no;
        let count = u64::from(request.count).clamp(1, REPORTS);
        let end = next
            .saturating_add(count)
            .min(sessions.next_report(session));
        let known = known_end.filter(|(report, _)| *report <= next);
        let seq = known.map_or(0, |(_, seq)| seq);
        // What is not archived is not told here, and nobody says that it was not issued.
        return (1..end)
            .contains(&next)
            .then_some(What::Reports { next, end, seq });
    }
    let Message::OutcomeQuery(query) = message else {
        return None;
    };
    let &OutcomeQuery {
        seq_no: number,
        client_order_id: id,
    } = query;
    Some(if number > 0 {
        What::Number { number, seq: 0 }
    } else {
        What::Order(Search {
            id,
            before: history.blocks(),
            seq: 0,
            end: 0,
            found: None,
            looked_at: 0,
        })
    })
}

/// Does a slice of work for a request.
fn step<S: Sources>(
    history: &mut History<S>,
    session: SessionId,
    what: What,
    work: &mut Work,
) -> Result<Step, Unreadable> {
    match what {
        What::Reports { next, end, seq } => next_reports(history, session, next, end, seq, work),
        What::Number { number, seq } => outcome_of(history, session, number, seq, work),
        What::Order(search) => search_order(history, session, search, work),
    }
}

/// Looks for the next datagram of a request for reports.
fn next_reports<S: Sources>(
    history: &mut History<S>,
    session: SessionId,
    next: u64,
    end: u64,
    seq: u64,
    work: &mut Work,
) -> Result<Step, Unreadable> {
    let Some(block) = history.sessions().block_of_report(session, next) else {
        return Ok(Step::Nothing);
    };
    let span = history.span(block);
    for seq in seq.max(span.start)..span.end {
        if work.is_done() {
            return Ok(Step::Later(What::Reports { next, end, seq }));
        }
        let Some(frame) = history.frame(Seq(seq), work)? else {
            return Ok(Step::Nothing);
        };
        let mut numbers = frame.events().flatten().filter_map(|event| event.report());
        if !numbers.any(|report| report == (session, next)) {
            continue;
        }
        // As many as follow each other in the frame, and fit into a datagram.
        let mut bytes = [0; wire::MAX_DATAGRAM];
        let mut writer = DatagramWriter::new(&mut bytes, Context::default());
        let to = write_reports(&frame, session, next, end, &mut writer);
        let rest = (to < end).then_some(What::Reports { next: to, end, seq });
        let from = next;
        return Ok(Step::Send(Answer::Reports { seq, from, to }, rest));
    }
    Ok(Step::Nothing)
}

/// Writes the session's reports from `from` on that follow each other in the frame, before `end`, as far as there is
/// room; says which comes next.
fn write_reports(
    frame: &Frame<'_>,
    session: SessionId,
    from: u64,
    end: u64,
    writer: &mut DatagramWriter<'_>,
) -> u64 {
    let stamp = stamp(frame);
    let mut next = from;
    for event in frame.events().flatten() {
        if next < end && event.report() == Some((session, next)) {
            let report = Message::report(&stamp, &event);
            if report.is_none_or(|report| writer.push_message(&report).is_err()) {
                break;
            }
            next += 1;
        }
    }
    next
}

fn stamp(frame: &Frame<'_>) -> FrameStamp {
    let header = &frame.header;
    FrameStamp {
        seq: header.seq,
        engine_time: header.engine_time,
        receive_time: header.receive_time,
        source: header.source,
        source_seq: header.source_seq,
    }
}

/// Looks for what became of a number.
fn outcome_of<S: Sources>(
    history: &mut History<S>,
    session: SessionId,
    number: u64,
    seq: u64,
    work: &mut Work,
) -> Result<Step, Unreadable> {
    let Some(block) = history.sessions().block_of_number(session, number) else {
        // The archive does not know it.
        let outcome = Outcome {
            seq_no: number,
            ..Outcome::default()
        };
        return Ok(Step::Send(Answer::Outcome(outcome), None));
    };
    let span = history.span(block);
    for seq in seq.max(span.start)..span.end {
        if work.is_done() {
            return Ok(Step::Later(What::Number { number, seq }));
        }
        let Some(frame) = history.frame(Seq(seq), work)? else {
            return Ok(Step::Nothing);
        };
        let events = frame.events().flatten();
        if let Some(outcome) = Outcome::of(&stamp(&frame), events, session, number) {
            return Ok(Step::Send(Answer::Outcome(outcome), None));
        }
    }
    Ok(Step::Nothing)
}

/// Goes on with a search for an order.
fn search_order<S: Sources>(
    history: &mut History<S>,
    session: SessionId,
    mut search: Search,
    work: &mut Work,
) -> Result<Step, Unreadable> {
    loop {
        while search.seq < search.end {
            if work.is_done() {
                return Ok(Step::Later(What::Order(search)));
            }
            let Some(frame) = history.frame(Seq(search.seq), work)? else {
                return Ok(Step::Nothing);
            };
            search.look(&frame, session);
        }
        if let Some(outcome) = search.found {
            return Ok(Step::Send(Answer::Outcome(outcome), None));
        }
        if search.looked_at >= LOOKED_AT {
            // Further back only numbers lead.
            let refused = Refused {
                from_no: search.id.0,
                count: 1,
                reason: Reason::NoLongerInMemory.into(),
                refused_template_id: Template::OutcomeQuery.number(),
                ..Refused::default()
            };
            return Ok(Step::Send(Answer::Refused(refused), None));
        }
        let Some(block) = history.sessions().block_before(session, search.before) else {
            return Ok(Step::Send(Answer::Outcome(Outcome::default()), None));
        };
        let span = history.span_before(block, search.before);
        (search.seq, search.end) = (span.start, span.end);
        search.before = block;
    }
}

impl Search {
    fn look(&mut self, frame: &Frame<'_>, session: SessionId) {
        self.seq += 1;
        self.looked_at += 1;
        let header = &frame.header;
        if let Command::NewOrder(order) = frame.command
            && order.client_order_id == self.id
            && header.source.session() == Some(session)
        {
            let events = frame.events().flatten();
            self.found = Outcome::of(&stamp(frame), events, session, header.source_seq);
        }
    }
}
