//! The net tile: datagrams in, requests to the match tile, everything else to the out tile.
//!
//! Data: per session its keys and the last number that it accepted; owner: this tile alone (new keys come
//! from the supervisor's thread at housekeeping, see `keys`; the
//! binding of a session to an address stands in the `fast` region, written here only). Invariants:
//! nothing counts before its MAC is right; each quote of a mass quote is a message of its own, with a number of its
//! own; a number goes to the match tile at most once and in
//! increasing order; a datagram is taken up to a number, mostly its last, and the rest is refused in
//! one answer; after `Busy` no higher number overtakes the one that was refused. Poll order: the
//! port, in arrival order; a session that used up its burst in this turn is answered `Busy`.

use crate::counters::Counters;
use crate::keys::{Half, KeyHalf, NewKeys};
use crate::lane::{Lane, NotTaken};
use crate::replies::{Refusal, Reply};
use core::ops::Range;
use domain::{Nanos, REQUEST_WORDS, Reason, Request, SessionId, Source};
use nic::{Datagram as Arrival, Peer, Receive};
use shm::{FastWriter, Heap, RingProducer};
use tile::{Clock, Tile};
use topology::instruments::net as counter;
use wire::CONTROL_EPOCH;
use wire::auth::{Mac, MacKey};
use wire::order_entry::{Context, DatagramReader, Establish, Message, Messages, Numbered};

/// Above every number: no number waits to come again.
const NOTHING_BUSY: u64 = u64::MAX;

/// What the net tile knows of one session.
pub(crate) struct NetSession {
    pub(crate) keys: Half,
    pub(crate) last_accepted: u64,
    /// The lowest number that was answered `Busy` and has not come again; [`NOTHING_BUSY`] if none.
    pub(crate) busy_from: u64,
    pub(crate) turn: u64,
    pub(crate) used: usize,
}

/// Everything of the tile but the port, so that the port can lend datagrams to it.
pub(crate) struct Entry {
    /// By session id; `None` where there is no such session.
    pub(crate) sessions: Vec<Option<NetSession>>,
    pub(crate) epoch: u32,
    /// Messages of one session in one turn.
    pub(crate) session_burst: usize,
    /// Of this boot: binds a challenge to session and address.
    pub(crate) cookie_key: MacKey,
    pub(crate) requests: RingProducer<Heap>,
    /// The answers to log-ons, and all others.
    pub(crate) handshakes: Lane,
    pub(crate) replies: Lane,
    pub(crate) fast: FastWriter,
    pub(crate) counters: Counters,
    pub(crate) turn: u64,
    /// The duplicates of the datagram that is being taken. They are its first numbers, so they follow each other.
    pub(crate) repeated: Range<u64>,
    /// When this turn's datagrams were found, UTC ns; none until the first of them: they lay there before
    /// the first was looked at, so one look at the clock serves for all.
    pub(crate) received: Option<u64>,
}

pub(crate) struct NetTile<R> {
    pub(crate) port: R,
    pub(crate) burst: usize,
    pub(crate) entry: Entry,
    pub(crate) new_keys: NewKeys,
    pub(crate) stopping: bool,
}

impl<R: Receive + Send> Tile for NetTile<R> {
    fn name(&self) -> &'static str {
        "net"
    }

    fn poll(&mut self) -> usize {
        if self.stopping {
            return 0;
        }
        self.entry.turn += 1;
        self.entry.received = None;
        let entry = &mut self.entry;
        let received = self
            .port
            .receive(self.burst, &mut |arrival| entry.take(&arrival));
        if received > 0 {
            entry.requests.publish();
            entry.handshakes.publish();
            entry.replies.publish();
        }
        received
    }

    fn housekeep(&mut self, _now: u64) {
        while let Some(half) = self.new_keys.take() {
            self.entry.take_keys(half);
        }
        let stats = self.port.stats();
        let counters = &self.entry.counters;
        counters.follow(counter::datagrams, stats.rx);
        counters.follow(counter::oversize, stats.rx_drop);
        counters.follow(counter::empty_polls, stats.empty_polls);
        counters.follow(counter::system_drops, stats.no_buffer);
        counters.follow(counter::port_errors, stats.rx_error);
    }

    /// Takes nothing more: what is in the rings is the match tile's to finish.
    fn stop(&mut self) -> bool {
        self.stopping = true;
        true
    }

    fn stop_turn(&self) -> Option<u64> {
        Some(0)
    }
}

impl NetSession {
    /// With these keys.
    pub(crate) fn new(keys: Half, last_accepted: u64) -> Self {
        Self {
            keys,
            last_accepted,
            busy_from: NOTHING_BUSY,
            turn: 0,
            used: 0,
        }
    }
}

impl Entry {
    /// A session was opened, or its owner has agreed on another key: its numbers go on.
    fn take_keys(&mut self, half: KeyHalf) {
        let place = usize::try_from(half.session.0).ok();
        let Some(known) = place.and_then(|place| self.sessions.get_mut(place)) else {
            return;
        };
        let same = match (&half.keys, &known) {
            (Some(half), Some(known)) => {
                known.keys.control.expose() == half.control.expose()
                    && known.keys.current.expose() == half.current.expose()
            }
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if same {
            return;
        }
        let last_accepted = known.as_ref().map_or(0, |known| known.last_accepted);
        *known = half.keys.map(|keys| NetSession::new(keys, last_accepted));
        // Whoever had the key before hears nothing more.
        self.fast.set_peer(half.session.0 as usize, 0);
    }

    /// One datagram: whose, whether genuine, what it says.
    fn take(&mut self, arrival: &Arrival<'_>) {
        let now = match arrival.hardware_time {
            Some(time) => time,
            None => *self.received.get_or_insert_with(Clock::now),
        };
        let bytes = arrival.payload;
        let Ok(context) = DatagramReader::context(bytes) else {
            return self.count(counter::garbage);
        };
        let session = context.session_id;
        let control = context.epoch == CONTROL_EPOCH;
        if !control && context.epoch != self.epoch {
            return self.count(counter::wrong_epoch);
        }
        let Some(known) = self.session(session) else {
            return self.count(counter::unknown_session);
        };
        let key = if control {
            &known.keys.control
        } else {
            &known.keys.current
        };
        if !DatagramReader::verify(bytes, key) {
            return self.count(counter::wrong_mac);
        }
        let Ok(parsed) = DatagramReader::parse(bytes) else {
            return self.malformed(&context);
        };
        if !control && self.bound(session).is_none() {
            return self.not_established(&context, arrival.peer);
        }
        let mut rest = parsed.messages;
        if rest.is_empty() && !control && self.within_burst(session) {
            self.reply(&Reply::Heartbeat { session });
        }
        let mut here = rest.clone();
        let mut refused = None;
        while refused.is_none()
            && let Some(numbered) = rest.next()
        {
            match self.message(&context, arrival.peer, &numbered, now) {
                Ok(()) => here = rest.clone(),
                Err(reason) => refused = Some(reason),
            }
        }
        self.repeat_outcomes(session);
        if let Some(reason) = refused {
            self.refuse_rest(&context, here, reason);
        }
    }

    /// Nothing of the datagram counts. The client gives its number up, so none waits for it.
    fn malformed(&mut self, context: &Context) {
        self.count(counter::malformed);
        if context.epoch == CONTROL_EPOCH {
            return;
        }
        if !self.within_burst(context.session_id) {
            return self.count(counter::throttled);
        }
        let (from, count) = (context.next_seq_no, 1);
        self.give_up(context.session_id, from, count);
        let refusal = Refusal {
            reason: Reason::Malformed,
            template: 0,
            from,
            count,
        };
        self.refuse(context, refusal);
    }

    /// The only refusal that goes to where the datagram came from: the session has no address.
    fn not_established(&mut self, context: &Context, from: Peer) {
        self.count(counter::not_established);
        if !self.within_burst(context.session_id) {
            return self.count(counter::throttled);
        }
        let refusal = Refusal {
            reason: Reason::NotEstablished,
            template: 0,
            from: context.next_seq_no,
            count: 0,
        };
        self.reply(&Reply::Refused {
            session: context.session_id,
            to: Some(from),
            refusal,
        });
    }

    /// One message of a genuine datagram; the reason if it and those after it are not taken.
    fn message(
        &mut self,
        context: &Context,
        from: Peer,
        numbered: &Numbered,
        now: u64,
    ) -> Result<(), Reason> {
        let session = context.session_id;
        let within_burst = self.within_burst(session);
        if let Some(number) = numbered.number {
            return self.application(session, number, &numbered.message, within_burst, now);
        }
        if !within_burst {
            self.count(counter::throttled);
            return Ok(());
        }
        match &numbered.message {
            Message::Hello(hello) => {
                let cookie = self.cookie(session, from, hello.nonce);
                self.reply(&Reply::Challenge {
                    session,
                    to: from,
                    nonce: hello.nonce,
                    cookie,
                });
            }
            Message::Establish(establish) => self.establish(session, from, establish),
            Message::ResendRequest(request) => {
                let (from, count) = (request.from_report_no, request.count);
                self.reply(&Reply::Resend {
                    session,
                    from,
                    count,
                });
            }
            Message::OutcomeQuery(query) => self.reply(&Reply::Query {
                session,
                number: query.seq_no,
                client_order_id: query.client_order_id.0,
            }),
            Message::Context(_)
            | Message::Outcome(_)
            | Message::Challenge(_)
            | Message::Established(_)
            | Message::Refused(_)
            | Message::NewOrder(_)
            | Message::CancelOrder(_)
            | Message::AmendOrder(_)
            | Message::MassCancel(_)
            | Message::KillSwitch(_)
            | Message::MassQuote(_)
            | Message::SetProtection(_)
            | Message::Attest(_)
            | Message::OrderAccepted(_)
            | Message::OrderRejected(_)
            | Message::OrderFilled(_)
            | Message::OrderCanceled(_)
            | Message::OrderAmended(_)
            | Message::NotApplied(_)
            | Message::SelfTradePrevented(_)
            | Message::MassCanceled(_)
            | Message::Triggered(_)
            | Message::ProtectionSet(_)
            | Message::ProtectionReached(_)
            | Message::AttestationNoted(_)
            | Message::Unknown { .. } => {
                self.count(counter::unsupported);
                let refusal = Refusal {
                    reason: Reason::UnsupportedMessage,
                    template: numbered.message.template_id(),
                    from: 0,
                    count: 0,
                };
                self.refuse(context, refusal);
            }
        }
        Ok(())
    }

    /// Binds the session to the address that the cookie proves it is reached at.
    fn establish(&mut self, session: SessionId, from: Peer, establish: &Establish) {
        let bound = self.bound(session);
        // From where the session is already, nothing moves: its answer may have been lost.
        let stays = bound == Some(from);
        if !stays && establish.cookie != self.cookie(session, from, establish.nonce) {
            return self.count(counter::wrong_cookie);
        }
        self.bind(session, from);
        self.count(counter::established);
        // The client is about to learn its last number, and goes on from there.
        self.forget_busy(session);
        let accepted = self.session(session).map_or(0, |s| s.last_accepted);
        self.reply(&Reply::Established {
            session,
            to: from,
            nonce: establish.nonce,
            accepted,
        });
    }

    /// A message with a number: a request if the number is new, else its outcome again.
    fn application(
        &mut self,
        session: SessionId,
        number: u64,
        message: &Message,
        within_burst: bool,
        now: u64,
    ) -> Result<(), Reason> {
        let Some(known) = self.session(session) else {
            return Ok(());
        };
        if number > known.busy_from {
            return Err(Reason::Busy);
        }
        if number <= known.last_accepted {
            self.count(counter::duplicates);
            if !within_burst {
                self.count(counter::throttled);
            } else if self.repeated.is_empty() {
                self.repeated = number..number + 1;
            } else {
                self.repeated.end = number + 1;
            }
            return Ok(());
        }
        let Ok(command) = message.command() else {
            return Err(Reason::UnsupportedMessage);
        };
        let request = Request {
            source: Source::of_session(session),
            source_seq: number,
            receive_time: Nanos(now),
            command,
        };
        let mut slot = [0; REQUEST_WORDS];
        request.encode(&mut slot);
        if !within_burst || self.requests.push(&slot).is_err() {
            return Err(Reason::Busy);
        }
        if let Some(known) = self.session(session) {
            known.last_accepted = number;
            if number >= known.busy_from {
                known.busy_from = NOTHING_BUSY;
            }
        }
        self.count(counter::accepted);
        Ok(())
    }

    /// Asks for the outcomes of the datagram's duplicates: one answer of the session's share for all of them, because
    /// a mass quote has as many as two shares.
    fn repeat_outcomes(&mut self, session: SessionId) {
        let numbers = core::mem::take(&mut self.repeated);
        if !numbers.is_empty() {
            self.reply(&Reply::Outcomes {
                session,
                from: numbers.start,
                count: numbers.end - numbers.start,
            });
        }
    }

    /// Refuses the rest of a datagram, which begins with a new number, in one answer. What is refused
    /// as `Busy` must come again before any higher number: others of the session's datagrams are on
    /// their way, and taking them would make the refused numbers `NotApplied`. Each of these is told
    /// from where on nothing was taken, because the answer before may have been lost.
    fn refuse_rest(&mut self, context: &Context, rest: Messages<'_>, reason: Reason) {
        let mut numbers = rest.filter(|it| it.number.is_some());
        let Some(first) = numbers.next() else {
            return;
        };
        let mut from = first.number.unwrap_or(0);
        let here = 1 + numbers.count() as u64;
        let end = from + here;
        if reason == Reason::Busy {
            self.counters.add(counter::busy, here);
            if let Some(known) = self.session(context.session_id) {
                known.busy_from = known.busy_from.min(from);
                from = known.busy_from;
            }
        } else {
            self.counters.add(counter::unsupported, here);
            self.give_up(context.session_id, from, here);
        }
        let refusal = Refusal {
            reason,
            template: first.message.template_id(),
            from,
            count: end - from,
        };
        self.refuse(context, refusal);
    }

    /// The client will not send these numbers again: if one was awaited, it is no more.
    fn give_up(&mut self, session: SessionId, from: u64, count: u64) {
        let awaited = self.session(session).map(|known| known.busy_from);
        if awaited.is_some_and(|it| it >= from && it - from < count) {
            self.forget_busy(session);
        }
    }

    /// Any new number of the session may come next.
    fn forget_busy(&mut self, session: SessionId) {
        if let Some(known) = self.session(session) {
            known.busy_from = NOTHING_BUSY;
        }
    }

    /// Refuses to where the session is: a recorded datagram sends nothing anywhere else. In the
    /// control epoch, whose datagrams are genuine for ever, nothing is refused.
    fn refuse(&mut self, context: &Context, refusal: Refusal) {
        if context.epoch != CONTROL_EPOCH {
            self.reply(&Reply::Refused {
                session: context.session_id,
                to: None,
                refusal,
            });
        }
    }

    /// Counts one message of the session in this turn; false beyond its burst.
    fn within_burst(&mut self, session: SessionId) -> bool {
        let (turn, burst) = (self.turn, self.session_burst);
        let Some(known) = self.session(session) else {
            return false;
        };
        if known.turn != turn {
            (known.turn, known.used) = (turn, 0);
        }
        known.used += 1;
        known.used <= burst
    }

    /// Hands a reply to the out tile. What its lane does not take is given up and counted: a client
    /// that hears nothing asks again.
    fn reply(&mut self, reply: &Reply) {
        let lane = if reply.is_handshake() {
            &mut self.handshakes
        } else {
            &mut self.replies
        };
        match lane.push(reply.session(), reply) {
            Ok(()) => {}
            Err(NotTaken::OverShare) => self.count(counter::throttled),
            Err(NotTaken::Full) => self.count(counter::replies_dropped),
        }
    }

    fn cookie(&self, session: SessionId, peer: Peer, nonce: u64) -> u64 {
        let mut bytes = [0; 28];
        bytes[..4].copy_from_slice(&session.0.to_le_bytes());
        bytes[4..12].copy_from_slice(&peer.to_word().to_le_bytes());
        bytes[12..20].copy_from_slice(&nonce.to_le_bytes());
        // Once the session has moved, what moved it there is of no more use to anybody.
        let bound = self.fast.view().peer(session.0 as usize).unwrap_or(0);
        bytes[20..].copy_from_slice(&bound.to_le_bytes());
        u64::from_le_bytes(Mac::sign(&self.cookie_key, &bytes))
    }

    fn session(&mut self, session: SessionId) -> Option<&mut NetSession> {
        self.sessions
            .get_mut(usize::try_from(session.0).ok()?)?
            .as_mut()
    }

    /// From now on the session's client is at `peer`, by the key that the session has.
    pub(crate) fn bind(&mut self, session: SessionId, peer: Peer) {
        if let Some(tag) = self.session(session).map(|known| known.keys.tag) {
            self.fast.set_peer(session.0 as usize, tag.bind(peer));
        }
    }

    /// Where the session's client is, if it showed that with the key that the session has.
    fn bound(&mut self, session: SessionId) -> Option<Peer> {
        let tag = self.session(session)?.keys.tag;
        tag.bound(self.fast.view().peer(session.0 as usize)?)
    }

    fn count(&self, counter: usize) {
        self.counters.add(counter, 1);
    }
}
