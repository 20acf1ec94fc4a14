//! One session, without I/O: datagrams and the time go in, datagrams and events come out.

use crate::attestation::{AttestError, Attesting, Attestor, Behind};
use crate::backoff::Backoff;
use crate::event::Event;
use crate::inbox::Inbox;
use crate::link::{Link, Origin, Step};
use crate::orders::Orders;
use crate::outbox::{Outbox, SendError};
use crate::queries::Queries;
use core::net::SocketAddrV4;
use core::ops::Range;
use domain::{ClientOrderId, Flag, Nanos, Reason, Scope, SessionId};
use std::collections::VecDeque;
use wire::CONTROL_EPOCH;
use wire::auth::SessionSecret;
use wire::order_entry::{
    Attest, Block, Context, Datagram, DatagramReader, DatagramWriter, Established, KillSwitch,
    MIN_DATAGRAM, MassCancel, Message, OutcomeQuery, Refused, SetProtection, Template,
};

/// Which reports a new process of a session wants first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReportsFrom {
    /// Only those that are issued from now on.
    Next,
    /// All that the exchange can still send: order state is rebuilt from them.
    #[default]
    Oldest,
    /// From this number on: the one after the last that an earlier process has taken in. They count from
    /// 1, and 0 means the same.
    Number(u64),
}

/// Waits, in nanoseconds. All double at every further attempt, up to `longest`.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// For the answer to a `Hello` or `Establish`.
    pub handshake: u64,
    /// For the answer to a command, before it is sent again.
    pub answer: u64,
    /// After `Busy`, before the command is sent again.
    pub busy: u64,
    /// For reports that overtook each other, before the missing ones are asked for.
    pub reordering: u64,
    /// For the answer to a request for reports.
    pub resend: u64,
    /// The longest of these waits.
    pub longest: u64,
    /// Without a word from the exchange, before the session is established anew.
    pub silence: u64,
    /// Without a word from us, before a heartbeat is sent.
    pub heartbeat: u64,
}

impl Default for Timing {
    fn default() -> Self {
        const MILLISECOND: u64 = 1_000_000;
        Self {
            handshake: 50 * MILLISECOND,
            answer: 20 * MILLISECOND,
            busy: MILLISECOND,
            reordering: MILLISECOND,
            resend: 10 * MILLISECOND,
            longest: 500 * MILLISECOND,
            silence: 3_000 * MILLISECOND,
            heartbeat: 1_000 * MILLISECOND,
        }
    }
}

/// Who we are.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our session.
    pub session: SessionId,
    /// Its secret.
    pub secret: SessionSecret,
    /// Which reports to start with.
    pub reports_from: ReportsFrom,
    /// Waits.
    pub timing: Timing,
    /// How it attests what it sends; none: it does not.
    pub attesting: Option<Attesting>,
}

impl Config {
    /// A session with the default waits that starts with the oldest reports there are, and attests nothing.
    #[must_use]
    pub fn new(session: SessionId, secret: SessionSecret) -> Self {
        Self {
            session,
            secret,
            reports_from: ReportsFrom::default(),
            timing: Timing::default(),
            attesting: None,
        }
    }
}

/// One session of a market maker.
///
/// Times are UTC and must not go back. After every call that may have something to send (a command,
/// [`feed`](Self::feed), the passing of [`next_timeout`](Self::next_timeout)) call
/// [`poll_transmit`](Self::poll_transmit) until it gives nothing.
#[derive(Debug)]
pub struct Session {
    link: Link,
    outbox: Outbox,
    inbox: Inbox,
    orders: Orders,
    /// None: it attests nothing.
    attestor: Option<Attestor>,
    queries: Queries,
    uses_replay: bool,
    events: VecDeque<Event>,
    reports_from: ReportsFrom,
    timing: Timing,
    last_heard: Nanos,
    last_sent: Nanos,
}

impl Session {
    /// A session that is about to say Hello. `seed` must be unpredictable and new for every process.
    #[must_use]
    pub fn new(config: Config, seed: [u8; 16], now: Nanos) -> Self {
        let timing = config.timing;
        let backoff = |first| Backoff::new(first, timing.longest);
        Self {
            link: Link::new(
                config.session,
                config.secret,
                seed,
                backoff(timing.handshake),
            ),
            outbox: Outbox::new(backoff(timing.answer), backoff(timing.busy)),
            inbox: Inbox::new(timing.reordering, backoff(timing.resend)),
            orders: Orders::default(),
            attestor: config
                .attesting
                .map(|how| Attestor::new(how, config.session)),
            queries: Queries::new(backoff(timing.resend)),
            uses_replay: false,
            events: VecDeque::new(),
            reports_from: config.reports_from,
            timing,
            last_heard: now,
            last_sent: now,
        }
    }

    /// Enters an order. Returns the number of the command; the reports that it causes directly carry
    /// it as `stamp.client_seq_no`.
    ///
    /// # Errors
    /// [`SendError`] if it cannot be taken now.
    pub fn new_order(&mut self, order: &domain::NewOrder) -> Result<u64, SendError> {
        self.send(Message::NewOrder(order.into()))
    }

    /// Cancels an order. Returns the number of the command.
    ///
    /// # Errors
    /// [`SendError`] if it cannot be taken now.
    pub fn cancel_order(&mut self, cancel: &domain::CancelOrder) -> Result<u64, SendError> {
        self.send(Message::CancelOrder(cancel.into()))
    }

    /// Changes an order. Returns the number of the command.
    ///
    /// # Errors
    /// [`SendError`] if it cannot be taken now.
    pub fn amend_order(&mut self, amend: &domain::AmendOrder) -> Result<u64, SendError> {
        self.send(Message::AmendOrder(amend.into()))
    }

    /// Cancels all live orders of the session, or of its account, or some of them; `target` is not looked at. Returns the
    /// number of the command, which also becomes its `request`: the `MassCanceled` that says it is done may come
    /// from a later frame than the command's own, whose stamp does not name the number.
    ///
    /// # Errors
    /// [`SendError`] if it cannot be taken now.
    pub fn mass_cancel(&mut self, cancel: &domain::MassCancel) -> Result<u64, SendError> {
        let request = self.outbox.next_no();
        self.send(Message::MassCancel(MassCancel {
            request,
            ..cancel.into()
        }))
    }

    /// Turns the kill switch of the session or of its account on: all live orders are cancelled, and no others are
    /// taken until the operator turns it off. Returns the number of the command, which also becomes its
    /// `request`, as of [`mass_cancel`](Self::mass_cancel).
    ///
    /// # Errors
    /// [`SendError`] if it cannot be taken now.
    pub fn kill(&mut self, scope: Scope) -> Result<u64, SendError> {
        self.send(Message::KillSwitch(KillSwitch {
            request: self.outbox.next_no(),
            scope: scope as u8,
            on: Flag::Yes as u8,
            ..KillSwitch::default()
        }))
    }

    /// Quotes markets, each quote instead of what the session quoted in its market before. Returns the numbers of the
    /// quotes, one each, in order. Those that follow each other with the same id and `slide` share a message, up to
    /// [`MAX_QUOTES`](wire::order_entry::MAX_QUOTES) of them; each is taken or refused for itself.
    ///
    /// # Errors
    /// [`SendError`] if they cannot be taken now; then none is.
    pub fn mass_quote(&mut self, quotes: &[domain::Quote]) -> Result<Range<u64>, SendError> {
        if !self.is_established() {
            return Err(SendError::NotEstablished);
        }
        let messages = quotes.iter().map(|quote| Message::MassQuote(quote.into()));
        let numbers = self.outbox.push_all(messages.clone())?;
        for (number, message) in numbers.clone().zip(messages) {
            self.taken(number, &message);
        }
        Ok(numbers)
    }

    /// Says after how many trades the session's quotes in a market are cancelled, and lets it quote there again if that
    /// has happened. Returns the number of the command, which also becomes its `request`.
    ///
    /// # Errors
    /// [`SendError`] if it cannot be taken now.
    pub fn set_protection(&mut self, protection: &domain::SetProtection) -> Result<u64, SendError> {
        let request = self.outbox.next_no();
        self.send(Message::SetProtection(SetProtection {
            request,
            ..protection.into()
        }))
    }

    fn send(&mut self, message: Message) -> Result<u64, SendError> {
        if !self.is_established() {
            return Err(SendError::NotEstablished);
        }
        let number = self.outbox.push(message)?;
        self.taken(number, &message);
        Ok(number)
    }

    /// A message got a number: it will be attested.
    fn taken(&mut self, number: u64, message: &Message) {
        let command = message.command().expect("only commands are sent");
        self.vouch(|attestor| attestor.take(number, command));
    }

    /// Tells whoever attests, if anybody does, and its owner if it no longer can.
    fn vouch(&mut self, tell: impl FnOnce(&mut Attestor)) {
        if let Some(attestor) = &mut self.attestor {
            tell(attestor);
            if attestor.take_lost() {
                self.events.push_back(Event::AttestationLost);
            }
        }
    }

    /// The running hash behind the session's last number: a process that keeps it, and sends nothing more, can be
    /// followed by one that goes on with it ([`Attesting::since`]). None while a command is unanswered, and of a session
    /// that does not attest, or cannot any more.
    #[must_use]
    pub fn running_hash(&self) -> Option<Behind> {
        self.attestor.as_ref().and_then(Attestor::settled)
    }

    /// Goes on attesting behind a number, after an [`Event::AttestationLost`]. The hash is the caller's word: whoever
    /// takes it from the exchange vouches for whatever the exchange has put into it.
    ///
    /// # Errors
    /// [`AttestError`] if it is not behind the session's last number, or commands are unanswered.
    pub fn attest_behind(&mut self, behind: Behind) -> Result<(), AttestError> {
        let attestor = self.attestor.as_mut().ok_or(AttestError::TurnedOff)?;
        if self.link.current().is_none() || self.outbox.len() > 0 {
            return Err(AttestError::Unanswered);
        }
        let last = self.outbox.next_no() - 1;
        if behind.number != last {
            return Err(AttestError::OtherNumber { last });
        }
        attestor.start_behind(behind);
        Ok(())
    }

    /// Whether it was ever established: then commands can be given.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.link.current().is_some()
    }

    /// Commands that the exchange has not answered for.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.outbox.len()
    }

    /// The number of the next report to be delivered. A process that keeps it can go on with
    /// [`ReportsFrom::Number`].
    #[must_use]
    pub fn next_report_no(&self) -> u64 {
        self.inbox.next_no()
    }

    /// What the delivered reports say about our orders.
    #[must_use]
    pub fn orders(&self) -> &Orders {
        &self.orders
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`poll_transmit`](Self::poll_transmit) will have something to send if nothing else
    /// happens.
    #[must_use]
    pub fn next_timeout(&self) -> Nanos {
        let after = |time: Nanos, wait| Nanos(time.0.saturating_add(wait));
        let mut next = after(self.last_heard, self.timing.silence);
        if self.link.is_establishing() {
            next = self.link.due().unwrap_or(next);
        }
        if self.is_established() {
            let heartbeat = after(self.last_sent, self.timing.heartbeat);
            let attestor = self.attestor.as_ref().filter(|_| self.outbox.has_room());
            let others = [
                self.outbox.next_timeout(),
                self.inbox.next_timeout(),
                self.queries.next_timeout(),
            ];
            next = others
                .into_iter()
                .flatten()
                .chain(attestor.and_then(Attestor::next_timeout))
                .fold(next.min(heartbeat), Ord::min);
        }
        next
    }

    /// Takes a datagram in. What is not genuine, or is malformed, is ignored.
    pub fn feed(&mut self, bytes: &[u8], now: Nanos) {
        let Ok(context) = DatagramReader::context(bytes) else {
            return;
        };
        let origin = self.link.origin(&context, bytes);
        if origin == Origin::NewerEpoch {
            self.link.start(now);
            return;
        }
        let Ok(datagram) = DatagramReader::parse(bytes) else {
            return;
        };
        match origin {
            Origin::Control => self.feed_control(datagram, now),
            Origin::Current => self.feed_current(datagram, now),
            Origin::NewerEpoch | Origin::Nobody => {}
        }
    }

    fn feed_control(&mut self, datagram: Datagram<'_>, now: Nanos) {
        for numbered in datagram.messages {
            if let Message::Challenge(challenge) = numbered.message {
                self.link.challenged(&challenge, now);
            } else if let Message::Established(established) = numbered.message {
                self.established(&established, now);
            }
        }
    }

    fn established(&mut self, established: &Established, now: Nanos) {
        let earlier = self.link.current().map(|current| current.epoch);
        if !self.link.established(established) {
            return;
        }
        self.last_heard = now;
        let &Established {
            epoch,
            shard,
            last_seq_no,
            next_report_no,
            oldest_report_no,
            epoch_report_no,
            ..
        } = established;
        let lost_from = match earlier {
            // Within an epoch nothing is lost: an answer that claims less than we know is just late.
            Some(earlier) if earlier == epoch => None,
            Some(earlier) if epoch == earlier.saturating_add(1) => Some(epoch_report_no),
            Some(_) => {
                self.orders.missed();
                Some(oldest_report_no.min(epoch_report_no))
            }
            None => {
                let start = match self.reports_from {
                    ReportsFrom::Next => next_report_no,
                    ReportsFrom::Oldest => oldest_report_no.clamp(1, next_report_no.max(1)),
                    ReportsFrom::Number(number) => number.max(1),
                };
                self.inbox.start_at(start);
                (start > next_report_no).then_some(next_report_no)
            }
        };
        if let Some(lost_from) = lost_from {
            let next_report_no = lost_from.max(1).min(self.inbox.next_no());
            self.inbox.roll_back(next_report_no, now);
            self.orders.rolled_back(next_report_no);
            self.events.push_back(Event::RolledBack {
                epoch,
                last_seq_no,
                next_report_no,
            });
        }
        self.outbox
            .established(last_seq_no, lost_from.is_some(), now);
        self.vouch(|attestor| {
            attestor.established(shard, last_seq_no, next_report_no, lost_from);
        });
        self.inbox.issued_below(next_report_no, now);
        self.events.push_back(Event::Established {
            epoch,
            shard,
            last_seq_no,
            next_report_no,
        });
    }

    fn feed_current(&mut self, datagram: Datagram<'_>, now: Nanos) {
        self.last_heard = now;
        if !datagram.context.is_retransmission() {
            // All reports before the datagram's first have been issued; it may be that it has none.
            let next = datagram.context.next_seq_no;
            self.inbox.issued_below(next, now);
        }
        for numbered in datagram.messages {
            if let Some(number) = numbered.number {
                if !self.inbox.accept(number, numbered.message) {
                    self.reported_late(number, &numbered.message, now);
                }
            } else if let Message::Refused(refused) = numbered.message {
                self.refused(&refused, now);
            } else if let Message::Outcome(outcome) = numbered.message
                && self.queries.answered(&outcome)
            {
                self.events.push_back(Event::Outcome(outcome));
            }
        }
        self.deliver(now);
    }

    fn deliver(&mut self, now: Nanos) {
        while let Some((number, message)) = self.inbox.deliver(now) {
            self.orders.report(number, &message);
            self.attest_answered(number, &message, now);
            self.answer(&message, now);
            self.events.push_back(Event::Report { number, message });
        }
    }

    /// Clears the commands that a report answers.
    fn answer(&mut self, message: &Message, now: Nanos) {
        if let Message::NotApplied(report) = message {
            self.outbox.give_up(report.from_seq_no, report.count, now);
        } else if let Some(number) = answered(message) {
            let unknown = self.outbox.answered(number, now);
            self.outcomes_unknown(unknown);
        }
    }

    /// What a report says of the numbers that are attested.
    fn attest_answered(&mut self, number: u64, message: &Message, now: Nanos) {
        if let Message::NotApplied(report) = message {
            let (from, count) = (report.from_seq_no, report.count);
            return self.vouch(|attestor| attestor.not_applied(number, from, count));
        }
        let own = answered(message).unwrap_or(0);
        self.vouch(|attestor| {
            attestor.applied(own);
            if let Message::AttestationNoted(report) = message {
                attestor.noted(report, now);
            } else if let Message::OrderRejected(report) = message
                && report.reason == Reason::UnattestedAboveLimit.into()
            {
                attestor.above_limit(own, now);
            }
        });
    }

    /// A report that was passed over as missed, and now came as the answer to a command that was sent
    /// again. Its place in the order of reports is gone.
    fn reported_late(&mut self, number: u64, message: &Message, now: Nanos) {
        let (from, count) = if let Message::NotApplied(report) = message {
            let (from, count) = (report.from_seq_no, report.count);
            self.vouch(|attestor| attestor.not_applied(number, from, count));
            (from, count)
        } else {
            let own = answered(message).unwrap_or(0);
            self.vouch(|attestor| attestor.applied_late(own));
            (own, 1)
        };
        let given_up = self.outbox.give_up(from, count, now);
        self.outcomes_unknown(given_up);
    }

    fn outcomes_unknown(&mut self, numbers: Vec<u64>) {
        let events = numbers.into_iter();
        self.events
            .extend(events.map(|seq_no| Event::OutcomeUnknown { seq_no }));
    }

    fn refused(&mut self, refused: &Refused, now: Nanos) {
        let (from, count) = (refused.from_no, refused.count);
        let about_reports = refused.refused_template_id == Template::ResendRequest.number();
        match Reason::try_from(refused.reason) {
            Ok(Reason::Busy) if about_reports => {}
            Ok(Reason::Busy) => self.outbox.busy(from, now),
            // The first is reserved: no exchange of this version says it.
            Ok(Reason::WrongEpoch | Reason::NotEstablished) => self.link.start(now),
            Ok(Reason::NoLongerInMemory) if about_reports => {
                let replay = refused.replay();
                let at = replay.filter(|_| self.uses_replay);
                if at.is_some_and(|at| self.inbox.redirect(from, count, at, now)) {
                    return;
                }
                let first = self.inbox.next_no();
                if let Some(count) = self.inbox.skip(from, count, now) {
                    self.missed(first, count, replay);
                }
            }
            Ok(Reason::NoLongerInMemory)
                if refused.refused_template_id == Template::OutcomeQuery.number() =>
            {
                let replay = refused.replay().filter(|_| self.uses_replay);
                self.queries.refused(from, replay, now);
            }
            Ok(Reason::NoLongerInMemory) => {
                let given_up = self.outbox.give_up(from, count, now);
                self.outcomes_unknown(given_up);
            }
            Ok(Reason::NotIssued) => self.inbox.not_issued(from),
            _ => {
                self.outbox.give_up(from, count, now);
                self.events.push_back(Event::Refused(*refused));
            }
        }
    }

    fn missed(&mut self, from: u64, count: u64, replay: Option<SocketAddrV4>) {
        self.orders.missed();
        self.events.push_back(Event::Missed {
            from,
            count,
            replay,
        });
    }

    /// Asks what became of a message, by its number. The answer is [`Event::Outcome`]: the exchange's, or, if it has that no
    /// more, the replay port's ([`poll_replay`](Self::poll_replay)).
    pub fn query_outcome(&mut self, seq_no: u64) {
        self.queries.ask(OutcomeQuery {
            seq_no,
            ..OutcomeQuery::default()
        });
    }

    /// Asks what became of the last new order with this client order id, as [`query_outcome`](Self::query_outcome) does.
    pub fn query_order(&mut self, client_order_id: ClientOrderId) {
        self.queries.ask(OutcomeQuery {
            seq_no: 0,
            client_order_id,
        });
    }

    /// From now on the caller sends what [`poll_replay`](Self::poll_replay) gives, and what the exchange has no more is
    /// asked for at its replay port. Without, it is missed.
    pub fn use_replay(&mut self) {
        self.uses_replay = true;
    }

    /// Gives up what nobody has answered.
    fn give_up(&mut self, now: Nanos) {
        if let Some((from, count, address)) = self.inbox.give_up_replay(now) {
            self.missed(from, count, Some(address));
            self.deliver(now);
        }
        let queries = self.queries.given_up(now).into_iter();
        self.events.extend(queries.map(Event::QueryUnanswered));
    }

    /// Writes the next datagram that is due at the exchange's replay port; gives its address and the bytes, which must come
    /// from the address from which the exchange is spoken to. What is answered goes to [`feed_replay`](Self::feed_replay).
    ///
    /// # Panics
    /// As [`poll_transmit`](Self::poll_transmit).
    pub fn poll_replay(&mut self, buffer: &mut [u8], now: Nanos) -> Option<(SocketAddrV4, usize)> {
        self.give_up(now);
        self.link.current()?;
        if let Some((address, requests)) = self.inbox.replay_requests(now) {
            return Some((address, self.write_replay(buffer, &requests, now)?));
        }
        let (address, queries) = self.queries.due(now, true)?;
        Some((address?, self.write_replay(buffer, &queries, now)?))
    }

    fn write_replay<B: Block>(&self, buffer: &mut [u8], blocks: &[B], now: Nanos) -> Option<usize> {
        let current = self.link.current()?;
        let context = Context {
            session_id: self.link.session(),
            epoch: current.epoch,
            next_seq_no: self.outbox.sent_end(),
            sending_time: now,
            shard: current.shard,
            ..Context::default()
        };
        let mut writer = DatagramWriter::new(buffer, context);
        for block in blocks {
            // A small buffer takes fewer: the rest is asked for next time.
            writer.push(block).ok();
        }
        Some(writer.finish(&current.keys.to_exchange))
    }

    /// Takes a datagram of the replay port in. It says nothing of whether the exchange is there.
    pub fn feed_replay(&mut self, bytes: &[u8], now: Nanos) {
        let last_heard = self.last_heard;
        let is_current = DatagramReader::context(bytes)
            .is_ok_and(|context| self.link.origin(&context, bytes) == Origin::Current);
        if is_current && let Ok(datagram) = DatagramReader::parse(bytes) {
            self.feed_current(datagram, now);
        }
        self.last_heard = last_heard;
    }

    /// Writes the next datagram that is due and returns its bytes. The buffer should have
    /// [`wire::MAX_DATAGRAM`] bytes.
    ///
    /// # Panics
    /// If the buffer has less than 128 bytes, room for a single message.
    pub fn poll_transmit(&mut self, buffer: &mut [u8], now: Nanos) -> Option<usize> {
        assert!(
            buffer.len() >= MIN_DATAGRAM + 80,
            "give poll_transmit a buffer of wire::MAX_DATAGRAM bytes"
        );
        self.give_up(now);
        let silent_since = self.last_heard.0.saturating_add(self.timing.silence);
        if silent_since <= now.0 && !self.link.is_establishing() {
            self.link.start(now);
            self.events.push_back(Event::Silent);
        }
        self.attest(now);
        let length = match self.link.step(now) {
            Some(step) => self.write_step(step, buffer, now),
            None => self.write_current(buffer, now)?,
        };
        self.last_sent = now;
        Some(length)
    }

    /// Gives the next attestation a number, if one is due and numbers are left.
    fn attest(&mut self, now: Nanos) {
        if !self.outbox.has_room() {
            return;
        }
        let Some(attest) = self.attestor.as_mut().and_then(|it| it.due(now)) else {
            return;
        };
        if let Ok(number) = self.outbox.push(Message::Attest(Attest::from(&attest))) {
            self.vouch(|attestor| attestor.attested(number, attest, now));
        }
    }

    fn write_step(&self, step: Step, buffer: &mut [u8], now: Nanos) -> usize {
        let context = Context {
            session_id: self.link.session(),
            epoch: CONTROL_EPOCH,
            next_seq_no: if self.is_established() {
                self.outbox.sent_end()
            } else {
                0
            },
            sending_time: now,
            ..Context::default()
        };
        let key = self.link.control_key();
        match step {
            Step::Hello(hello) => write_one(buffer, context, &hello, key),
            Step::Establish(establish) => write_one(buffer, context, &establish, key),
        }
    }

    fn write_current(&mut self, buffer: &mut [u8], now: Nanos) -> Option<usize> {
        let current = self.link.current()?;
        let key = &current.keys.to_exchange;
        let context = Context {
            session_id: self.link.session(),
            epoch: current.epoch,
            next_seq_no: self.outbox.sent_end(),
            sending_time: now,
            shard: current.shard,
            ..Context::default()
        };
        if let Some(number) = self.outbox.due(now) {
            let context = Context {
                next_seq_no: number,
                flags: u16::from(self.outbox.was_sent(number)) * Context::RETRANSMISSION,
                ..context
            };
            let mut writer = DatagramWriter::new(buffer, context);
            self.outbox.write(number, &mut writer, now);
            return Some(writer.finish(key));
        }
        let requests = self.inbox.requests(now);
        if !requests.is_empty() {
            let mut writer = DatagramWriter::new(buffer, context);
            for request in &requests {
                // A small buffer takes fewer: the rest is asked for next time.
                writer.push(request).ok();
            }
            return Some(writer.finish(key));
        }
        if let Some((None, queries)) = self.queries.due(now, false) {
            let mut writer = DatagramWriter::new(buffer, context);
            for query in &queries {
                writer.push(query).ok();
            }
            return Some(writer.finish(key));
        }
        let heartbeat_at = self.last_sent.0.saturating_add(self.timing.heartbeat);
        (heartbeat_at <= now.0).then(|| DatagramWriter::new(buffer, context).finish(key))
    }
}

/// The number of the command that a report answers; 0: none of ours.
fn answered(report: &Message) -> Option<u64> {
    if let Message::MassCanceled(report) = report {
        return Some(report.request);
    }
    report.stamp().map(|stamp| stamp.client_seq_no)
}

fn write_one<B: Block>(
    buffer: &mut [u8],
    context: Context,
    block: &B,
    key: &wire::auth::MacKey,
) -> usize {
    let mut writer = DatagramWriter::new(buffer, context);
    writer
        .push(block)
        .expect("a single message fits into every datagram");
    writer.finish(key)
}
