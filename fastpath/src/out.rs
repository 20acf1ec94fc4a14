//! The out tile: tails the journal and sends each session its reports and everyone the feed; answers
//! resends.
//!
//! Data: a reader of the journal, the windows (a cache of where reports stand), the publisher of the
//! feed, the port's transmitting half. Owner: this tile. Invariants: it adds nothing of its own: every report's
//! number and content come from a committed frame that the ack mode's watermark has passed, and so do
//! the feed's, so after a restart it repeats them identically from its progress word on; a frame's
//! public events are given to the port after its reports; a frame counts as sent only after the
//! port was flushed.

use crate::counters::Counters;
use crate::feed::Publisher;
use crate::keys::NewKeys;
use crate::post::{NotSent, Post};
use crate::replies::{HANDSHAKE_BURST, REPLY_BURST, Refusal, Reply};
use crate::watermark::Watermark;
use crate::window::Windows;
use domain::{Event, Events, Nanos, Reason, SessionId};
use journal::{Frame, FrameHeader};
use nic::Transmit;
use shm::heartbeat::is_silent;
use shm::{
    FastWriter, Heap, Histogram, LogReader, MAX_FRAME_WORDS, Read, RingConsumer, SlowView,
    TileBlock, TileState, since_boot,
};
use std::time::{Duration, Instant};
use tile::{Clock, Tile};
use topology::instruments::out as counter;
use wire::order_entry::{Challenge, Context, Established, FrameStamp, Message, Template};

/// Most frames in one turn.
const FRAME_BURST: usize = 32;
/// Most reports that one request brings back; a client asks again for more.
const RESEND_LIMIT: u64 = 64;
/// Frames read for resends in one turn, after which the other replies wait for the next.
const RESEND_FRAMES: usize = 64;
/// How long a stop waits for the archiver, and how long if there is none.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
const STOP_ALONE: Duration = Duration::from_secs(1);

/// When a report may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ack {
    /// Its frame is committed.
    Sequenced,
    /// Its frame is archived with fdatasync.
    Durable,
}

pub(crate) struct OutTile<T> {
    pub(crate) post: Post<T>,
    pub(crate) new_keys: NewKeys,
    /// None: there is no feed.
    pub(crate) feed: Option<Publisher>,
    pub(crate) reader: LogReader,
    pub(crate) windows: Windows,
    /// By session id: its first report number in this epoch.
    pub(crate) epoch_reports: Vec<u64>,
    /// Answers to log-ons, which come first, and all others.
    pub(crate) handshakes: RingConsumer<Heap>,
    pub(crate) replies: RingConsumer<Heap>,
    pub(crate) ack: Ack,
    pub(crate) fast: FastWriter,
    pub(crate) slow: SlowView,
    pub(crate) counters: Counters,
    pub(crate) receive_to_send: Histogram,
    /// The frame being sent: its words, and how far it is.
    pub(crate) frame: Box<[u64; MAX_FRAME_WORDS]>,
    pub(crate) current: Option<Current>,
    /// The last frame that went out whole, and its engine time.
    pub(crate) sent: u64,
    /// The last frame in the windows, which may be one that is being sent.
    pub(crate) noted: u64,
    /// The last frame of which the port has taken over everything: the progress word.
    pub(crate) told: u64,
    pub(crate) durable: Watermark,
    /// Frames that may still be read for resends in this turn.
    pub(crate) resend_budget: usize,
    /// Journal memory is damaged: no frame is read any more.
    pub(crate) failed: bool,
    /// Where it says so.
    pub(crate) block: TileBlock,
    /// When it was asked to stop.
    pub(crate) stopping: Option<Instant>,
    pub(crate) engine_time: u64,
    pub(crate) again: Box<[u64; MAX_FRAME_WORDS]>,
}

/// A frame that was read and is not done with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Current {
    words: usize,
    /// Events whose reports are done with, and events that the publisher has taken in.
    events_done: usize,
    published: usize,
}

impl<T: Transmit + Send> Tile for OutTile<T> {
    fn name(&self) -> &'static str {
        "out"
    }

    fn poll(&mut self) -> usize {
        let mut frames = 0;
        while frames < FRAME_BURST && self.next_frame() {
            frames += 1;
        }
        let replies = self.answer();
        let given = self.close_packet();
        self.post.port.flush();
        if self.sent != self.told && given && self.post.port.pending() == 0 {
            self.told = self.sent;
            self.fast.set_out_seq(self.sent);
        }
        frames + replies
    }

    fn housekeep(&mut self, now: u64) {
        while let Some(half) = self.new_keys.take() {
            self.post.take_keys(half);
        }
        if let Some(feed) = &mut self.feed {
            feed.housekeep(&mut self.post.port, now, &self.counters);
        }
        let stats = self.post.port.stats();
        self.counters.follow(counter::datagrams, stats.tx);
        self.counters.follow(counter::port_full, stats.tx_full);
        self.counters.follow(counter::port_errors, stats.tx_error);
    }

    /// Done when every report has left, and the feed has said that it ends. In durable mode reports
    /// leave when they are archived; if nobody archives, they are given up after a while and leave
    /// after the next start.
    fn stop(&mut self) -> bool {
        let since = *self.stopping.get_or_insert_with(Instant::now);
        let idle = self.poll() == 0;
        let all_told = self.current.is_none()
            && self.told >= self.reader.head()
            && self.post.port.pending() == 0;
        let waited = since.elapsed();
        let done = idle
            && (all_told
                || self.failed
                || waited > STOP_PATIENCE
                || (self.is_alone() && waited > STOP_ALONE));
        done && (self.end_feed() || waited > STOP_PATIENCE + STOP_ALONE)
    }

    fn stop_turn(&self) -> Option<u64> {
        Some(2)
    }
}

impl<T: Transmit> OutTile<T> {
    /// Whether no slowpath shows that it lives.
    pub(crate) fn is_alone(&self) -> bool {
        is_silent(self.slow.heartbeat(), since_boot())
    }

    /// Sends the next frame's reports and public events; false if there is none, it may not leave yet, or the port
    /// is full.
    fn next_frame(&mut self) -> bool {
        let Some(mut current) = self.current.take().or_else(|| self.read_next()) else {
            return false;
        };
        let frame = parse(&self.frame[..current.words]);
        let header = frame.header;
        if header.seq.0 > self.noted {
            note(&mut self.windows, &frame);
            self.noted = header.seq.0;
        }
        let whole = send_frame(&mut self.post, &frame, &mut current, &self.counters)
            && self.feed.as_mut().is_none_or(|feed| {
                let (port, published) = (&mut self.post.port, &mut current.published);
                feed.publish(port, &frame, published, &self.counters)
            });
        if whole {
            self.done(&header);
        } else {
            self.current = Some(current);
        }
        whole
    }

    /// Reads the next frame, once it may leave.
    fn read_next(&mut self) -> Option<Current> {
        if self.failed || !self.may_leave(self.reader.next_seq()) {
            return None;
        }
        match self.reader.poll(&mut self.frame) {
            Read::Frame(words) => Some(Current {
                words,
                events_done: 0,
                published: 0,
            }),
            Read::Empty => None,
            Read::Corrupt => {
                self.fail();
                None
            }
            Read::Lapped => {
                // The gate waits for this tile, so this happens only to one that was restarted
                // with its whole memory unsent. What it skips, clients find at the replay port.
                self.counters.add(counter::lapped, 1);
                let oldest = self.reader.oldest();
                self.reader.seek(oldest).ok();
                None
            }
        }
    }

    /// Whether the ack mode's watermark has passed `seq`.
    fn may_leave(&mut self, seq: u64) -> bool {
        if self.ack == Ack::Sequenced || seq <= self.durable.believed() {
            return true;
        }
        let said = self.slow.durable_seq();
        let durable = self.durable.follow(said, self.reader.head());
        durable.is_some_and(|durable| seq <= durable)
    }

    /// A frame has gone out whole.
    fn done(&mut self, header: &FrameHeader) {
        self.sent = header.seq.0;
        self.engine_time = header.engine_time.0;
        // The gateway's requests carry the slowpath's clock.
        let session = header.source.session();
        if session.is_some_and(|session| self.post.serves(session)) {
            let waited = Clock::now().saturating_sub(header.receive_time.0);
            self.receive_to_send.record(waited);
        }
    }

    /// There is a word in journal memory that no writer wrote: what follows cannot be known, so
    /// nothing of it leaves. The gate stays where it is, and soon orders are answered `Busy`. The
    /// supervisor says it.
    #[cold]
    fn fail(&mut self) {
        self.failed = true;
        self.counters.add(counter::corrupt, 1);
        self.block.set_state(TileState::Fail);
    }

    /// Gives the port what the turn has put into a packet; false if something is owed.
    fn close_packet(&mut self) -> bool {
        let port = &mut self.post.port;
        self.feed
            .as_mut()
            .is_none_or(|feed| feed.close(port, &self.counters))
    }

    /// Says that the feed ends; true when the port has taken that over.
    fn end_feed(&mut self) -> bool {
        let port = &mut self.post.port;
        let said = self
            .feed
            .as_mut()
            .is_none_or(|feed| feed.end(port, &self.counters));
        port.flush();
        said && port.pending() == 0
    }

    fn answer(&mut self) -> usize {
        self.resend_budget = RESEND_FRAMES;
        let mut handshakes = 0;
        while handshakes < HANDSHAKE_BURST
            && let Some(reply) = next_reply(&mut self.handshakes)
        {
            self.answer_one(&reply);
            handshakes += 1;
        }
        if handshakes > 0 {
            self.handshakes.release();
        }
        let mut replies = 0;
        while replies < REPLY_BURST
            && self.resend_budget > 0
            && let Some(reply) = next_reply(&mut self.replies)
        {
            self.answer_one(&reply);
            replies += 1;
        }
        if replies > 0 {
            self.replies.release();
        }
        handshakes + replies
    }

    fn answer_one(&mut self, reply: &Reply) {
        match self.reply(reply) {
            Ok(()) => self.counters.add(counter::replies, 1),
            Err(NotSent::PortFull) => self.counters.add(counter::replies_dropped, 1),
            Err(NotSent::Unreachable) => self.counters.add(counter::unreachable, 1),
        }
    }

    fn reply(&mut self, reply: &Reply) -> Result<(), NotSent> {
        match *reply {
            Reply::Challenge {
                session,
                to,
                nonce,
                cookie,
            } => self
                .post
                .challenge(session, to, &Challenge { nonce, cookie }),
            Reply::Established {
                session,
                to,
                nonce,
                accepted,
            } => {
                let message = self
                    .established(session, nonce, accepted)
                    .ok_or(NotSent::Unreachable)?;
                self.post.established(session, to, &message)
            }
            Reply::Refused {
                session,
                to,
                refusal,
            } => self
                .post
                .refused(session, to, self.next_report(session), &refusal),
            Reply::Heartbeat { session } => {
                let next = self.next_report(session);
                self.post.reports(session, next, 0, |_| {})
            }
            Reply::Outcome { session, number } => self.outcome(session, number),
            Reply::Resend {
                session,
                from,
                count,
            } => self.resend(session, from, u64::from(count)),
        }
    }

    /// `accepted` counts although it may not be journalled yet: a client that went on below it
    /// would have its new message taken for a duplicate.
    fn established(&self, session: SessionId, nonce: u64, accepted: u64) -> Option<Established> {
        let window = self.windows.session(session)?;
        Some(Established {
            nonce,
            epoch: self.post.epoch,
            shard: self.post.shard,
            reserved: 0,
            last_seq_no: window.last_applied.max(accepted),
            next_report_no: window.next_report,
            engine_time: Nanos(self.engine_time),
            oldest_report_no: self.windows.oldest_report(session),
            epoch_report_no: self
                .epoch_reports
                .get(session.0 as usize)
                .copied()
                .unwrap_or(1),
        })
    }

    fn next_report(&self, session: SessionId) -> u64 {
        self.windows
            .session(session)
            .map_or(1, |window| window.next_report)
    }

    /// What became of the session's message: the reports of its own frame once more. While the
    /// message is on its way there is nothing to say.
    fn outcome(&mut self, session: SessionId, number: u64) -> Result<(), NotSent> {
        let window = self.windows.session(session).ok_or(NotSent::Unreachable)?;
        if number > window.last_applied {
            return Ok(());
        }
        let seq = self.windows.frame_of_number(session, number, self.noted);
        let words = seq.and_then(|seq| self.read_again(seq));
        let frame = words.map(|words| parse(&self.again[..words]));
        // A window's entry may be so old that it names a newer frame.
        let Some(frame) = frame.filter(|frame| tells_of_number(frame, session, number)) else {
            return self.not_in_memory(session, Template::NewOrder.number(), number, 1);
        };
        let applied = frame.header.source_seq == number;
        let wanted = |event: &Event| applied || matches!(event, Event::NotApplied(_));
        send_again(&mut self.post, &frame, session, wanted).map(drop)
    }

    /// Reports `from .. from + count` once more, frame by frame.
    fn resend(&mut self, session: SessionId, from: u64, count: u64) -> Result<(), NotSent> {
        let next_report = self.next_report(session);
        let template = Template::ResendRequest.number();
        if from == 0 || from >= next_report {
            let refusal = Refusal {
                reason: Reason::NotIssued,
                template,
                from,
                count,
            };
            return self.post.refused(session, None, next_report, &refusal);
        }
        let end = from
            .saturating_add(count.clamp(1, RESEND_LIMIT))
            .min(next_report);
        let oldest = self.windows.oldest_report(session);
        if from < oldest {
            self.not_in_memory(session, template, from, oldest.min(end) - from)?;
        }
        let mut number = from.max(oldest);
        while number < end {
            let seq = self.windows.frame_of_report(session, number, self.noted);
            let words = seq.and_then(|seq| self.read_again(seq));
            let frame = words.map(|words| parse(&self.again[..words]));
            let Some(frame) = frame.filter(|frame| has_report(frame, session, number)) else {
                return self.not_in_memory(session, template, number, end - number);
            };
            let wanted = |event: &Event| {
                event
                    .report()
                    .is_some_and(|(_, report)| (number..end).contains(&report))
            };
            let Some(last) = send_again(&mut self.post, &frame, session, wanted)? else {
                return self.not_in_memory(session, template, number, end - number);
            };
            number = last + 1;
        }
        Ok(())
    }

    /// Reads a frame into `again`, at the cost of this turn's budget.
    fn read_again(&mut self, seq: u64) -> Option<usize> {
        self.resend_budget = self.resend_budget.saturating_sub(1);
        match self.reader.read_at(seq, &mut self.again) {
            Read::Frame(words) => {
                self.counters.add(counter::resent_frames, 1);
                Some(words)
            }
            Read::Empty | Read::Lapped | Read::Corrupt => None,
        }
    }

    fn not_in_memory(
        &mut self,
        session: SessionId,
        template: u16,
        from: u64,
        count: u64,
    ) -> Result<(), NotSent> {
        let refusal = Refusal {
            reason: Reason::NoLongerInMemory,
            template,
            from,
            count,
        };
        self.post
            .refused(session, None, self.next_report(session), &refusal)
    }
}

fn next_reply(ring: &mut RingConsumer<Heap>) -> Option<Reply> {
    let slot = ring.peek().ok()??;
    ring.advance();
    Some(Reply::decode(&slot).expect("the net tile writes whole replies"))
}

fn parse(words: &[u64]) -> Frame<'_> {
    Frame::parse(words).expect("the match tile wrote it")
}

/// Whether a frame says what became of the session's message `number`: it holds the message, or one
/// that skipped it.
fn tells_of_number(frame: &Frame<'_>, session: SessionId, number: u64) -> bool {
    let skips = |event: Event| {
        if let Event::NotApplied(skipped) = event {
            skipped.session == session
                && number
                    .checked_sub(skipped.from)
                    .is_some_and(|after| after < skipped.count)
        } else {
            false
        }
    };
    frame.header.source.session() == Some(session)
        && (frame.header.source_seq == number || frame.events().flatten().any(skips))
}

/// Whether a frame holds the session's report `number`.
fn has_report(frame: &Frame<'_>, session: SessionId, number: u64) -> bool {
    let mut events = frame.events().flatten();
    events.any(|event| event.report() == Some((session, number)))
}

fn stamp(frame: &Frame<'_>) -> FrameStamp {
    FrameStamp {
        seq: frame.header.seq,
        engine_time: frame.header.engine_time,
        receive_time: frame.header.receive_time,
        source: frame.header.source,
        source_seq: frame.header.source_seq,
    }
}

/// Sends all reports of a frame, a datagram for each run of one session's; each event is decoded
/// once. True when the frame is done with; false if the port is full, `current` says from where to go on.
fn send_frame<T: Transmit>(
    post: &mut Post<T>,
    frame: &Frame<'_>,
    current: &mut Current,
    counters: &Counters,
) -> bool {
    let stamp = stamp(frame);
    let mut events = frame.events();
    for _ in 0..current.events_done {
        events.next();
    }
    let mut next = following(&mut events);
    while let Some(event) = next.take() {
        let Some((session, first)) = event.report() else {
            counters.add(counter::trades, u64::from(matches!(event, Event::Trade(_))));
            current.events_done += 1;
            next = following(&mut events);
            continue;
        };
        let mut done = 0;
        let sent = post.reports(session, first, 0, |writer| {
            let mut ahead = Some(event);
            while let Some(event) = ahead {
                let report = Message::report(&stamp, &event);
                let own = event.report().is_some_and(|(whose, _)| whose == session);
                let Some(report) = report.filter(|_| own) else {
                    break;
                };
                if writer.push_message(&report).is_err() {
                    break;
                }
                ahead = following(&mut events);
                done += 1;
            }
            next = ahead;
        });
        match sent {
            Ok(()) => {
                counters.add(counter::reports, done);
                current.events_done += usize::try_from(done).expect("a frame has few events");
            }
            Err(NotSent::PortFull) => {
                post.port.flush();
                return false;
            }
            Err(NotSent::Unreachable) => {
                // Whoever trades by another door hears of it there.
                let by_port = u64::from(post.serves(session));
                counters.add(counter::unreachable, by_port);
                current.events_done += 1;
                next = following(&mut events);
            }
        }
    }
    true
}

fn following(events: &mut Events<'_>) -> Option<Event> {
    Some(events.next()?.expect("the frame was parsed"))
}

/// Takes note of where the frame's reports and its command's outcome stand.
pub(crate) fn note(windows: &mut Windows, frame: &Frame<'_>) {
    let seq = frame.header.seq.0;
    if let Some(session) = frame.header.source.session() {
        windows.number(session, frame.header.source_seq, seq);
    }
    for event in frame.events().flatten() {
        if let Event::NotApplied(skipped) = event {
            windows.skipped(skipped.session, skipped.from, skipped.count, seq);
        }
        if let Some((session, report)) = event.report() {
            windows.report(session, report, seq);
        }
    }
}

/// Sends those reports of a frame that belong to `session` and are `wanted`, marked as
/// retransmission; gives the number of the last one.
fn send_again<T: Transmit>(
    post: &mut Post<T>,
    frame: &Frame<'_>,
    session: SessionId,
    wanted: impl Fn(&Event) -> bool,
) -> Result<Option<u64>, NotSent> {
    let stamp = stamp(frame);
    let of_session = |event: &Event| event.report().is_some_and(|(whose, _)| whose == session);
    let mut events = frame
        .events()
        .flatten()
        .filter(|e| of_session(e) && wanted(e))
        .peekable();
    let mut last = None;
    while let Some((_, first)) = events.peek().and_then(Event::report) {
        let mut next = first;
        post.reports(session, first, Context::RETRANSMISSION, |writer| {
            // A datagram's reports are consecutive: its context names only the first number.
            while let Some(event) = events
                .peek()
                .filter(|e| e.report() == Some((session, next)))
            {
                let report = Message::report(&stamp, event).expect("a private event");
                if writer.push_message(&report).is_err() {
                    break;
                }
                events.next();
                last = Some(next);
                next += 1;
            }
        })?;
        if last.is_none_or(|last| last < first) {
            break;
        }
    }
    Ok(last)
}
