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
use crate::replies::{HANDSHAKE_BURST, REPLY_BURST, Reply};
use crate::watermark::Watermark;
use crate::window::Windows;
use domain::{Event, Nanos, SessionId};
use journal::{Frame, FrameHeader};
use nic::Transmit;
use shm::heartbeat::is_silent;
use shm::{
    FastWriter, Heap, Histogram, LogReader, MAX_FRAME_WORDS, Read, RingConsumer, SlowView,
    TileBlock, TileState, since_boot,
};
use std::time::{Duration, Instant};
use tile::Tile;
use topology::instruments::out as counter;
use wire::order_entry::{Challenge, Established, FrameStamp, Message};

/// Most frames in one turn.
const FRAME_BURST: usize = 32;
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
    /// The frame being sent: its words, its events, and how far it is.
    pub(crate) frame: Box<[u64; MAX_FRAME_WORDS]>,
    pub(crate) events: Vec<Event>,
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
    header: FrameHeader,
    /// Events whose reports are done with, and events that the publisher has taken in.
    reported: usize,
    published: usize,
}

impl<T: Transmit + Send> Tile for OutTile<T> {
    fn name(&self) -> &'static str {
        "out"
    }

    fn poll(&mut self) -> usize {
        self.post.forget_time();
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
        let (header, events) = (&current.header, &self.events);
        let reported = &mut current.reported;
        let whole = send_frame(&mut self.post, header, events, reported, &self.counters)
            && self.feed.as_mut().is_none_or(|feed| {
                let (port, published) = (&mut self.post.port, &mut current.published);
                feed.publish(port, header, events, published, &self.counters)
            });
        if whole {
            self.done(&current.header);
        } else {
            self.current = Some(current);
        }
        whole
    }

    /// Reads the next frame, once it may leave, and takes note of what it holds.
    fn read_next(&mut self) -> Option<Current> {
        if self.failed || !self.may_leave(self.reader.next_seq()) {
            return None;
        }
        match self.reader.poll(&mut self.frame) {
            Read::Frame(words) => {
                let (words, events) = (&self.frame[..words], &mut self.events);
                events.clear();
                let frame = Frame::parse_each(words, |event| events.push(event));
                let Ok(header) = frame.map(|frame| frame.header) else {
                    // Its CRC does not hold: a word within was overwritten.
                    self.fail();
                    return None;
                };
                note(&mut self.windows, &header, &self.events);
                self.noted = header.seq.0;
                Some(Current {
                    header,
                    reported: 0,
                    published: 0,
                })
            }
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
        let now = self.post.look_at_clock();
        // The gateway's requests carry the slowpath's clock.
        let session = header.source.session();
        if session.is_some_and(|session| self.post.serves(session)) {
            let waited = now.saturating_sub(header.receive_time.0);
            self.receive_to_send.record(waited);
        }
    }

    /// There is a word in journal memory that the match tile did not write: what follows cannot be known, so
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
        self.post.forget_time();
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
            Reply::Heartbeat { session } => self.heartbeat(session),
            Reply::Outcomes {
                session,
                from,
                count,
            } => (from..from + count).try_for_each(|number| self.outcome(session, number)),
            Reply::Resend {
                session,
                from,
                count,
            } => self.resend(session, from, u64::from(count)),
            Reply::Query {
                session,
                number,
                client_order_id,
            } => self.query(session, number, client_order_id),
        }
    }

    pub(crate) fn heartbeat(&mut self, session: SessionId) -> Result<(), NotSent> {
        let next = self.next_report(session);
        self.post.reports(session, next, 0, |_| {})
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

    pub(crate) fn next_report(&self, session: SessionId) -> u64 {
        self.windows
            .session(session)
            .map_or(1, |window| window.next_report)
    }
}

fn next_reply(ring: &mut RingConsumer<Heap>) -> Option<Reply> {
    let slot = ring.peek().ok()??;
    ring.advance();
    Some(Reply::decode(&slot).expect("the net tile writes whole replies"))
}

pub(crate) fn stamp(header: &FrameHeader) -> FrameStamp {
    FrameStamp {
        seq: header.seq,
        engine_time: header.engine_time,
        receive_time: header.receive_time,
        source: header.source,
        source_seq: header.source_seq,
    }
}

/// Sends the reports of a frame behind the first `done` events, which it counts on, a datagram for each
/// run of one session's. True when the frame is done with; false if the port is full.
fn send_frame<T: Transmit>(
    post: &mut Post<T>,
    header: &FrameHeader,
    events: &[Event],
    done: &mut usize,
    counters: &Counters,
) -> bool {
    let stamp = stamp(header);
    while let Some(event) = events.get(*done) {
        let Some((session, first)) = event.report() else {
            counters.add(counter::trades, u64::from(matches!(event, Event::Trade(_))));
            *done += 1;
            continue;
        };
        let mut written = 0;
        let sent = post.reports(session, first, 0, |writer| {
            let run = events[*done..].iter().take_while(|event| {
                event.report().is_some_and(|(whose, _)| whose == session)
                    && Message::report(&stamp, event)
                        .is_some_and(|report| writer.push_message(&report).is_ok())
            });
            written = run.count();
        });
        match sent {
            Ok(()) => {
                counters.add(counter::reports, written as u64);
                *done += written;
            }
            Err(NotSent::PortFull) => {
                post.port.flush();
                return false;
            }
            Err(NotSent::Unreachable) => {
                // Whoever trades by another door hears of it there.
                let by_port = u64::from(post.serves(session));
                counters.add(counter::unreachable, by_port);
                *done += 1;
            }
        }
    }
    true
}

/// Takes note of where the frame's reports and its command's outcome stand.
pub(crate) fn note(windows: &mut Windows, header: &FrameHeader, events: &[Event]) {
    let seq = header.seq.0;
    if let Some(session) = header.source.session() {
        windows.number(session, header.source_seq, seq);
    }
    for event in events {
        if let Event::NotApplied(skipped) = event {
            windows.skipped(skipped.session, skipped.from, skipped.count, seq);
        }
        if let Some((session, report)) = event.report() {
            windows.report(session, report, seq);
        }
    }
}
