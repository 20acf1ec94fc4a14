//! The feed's re-request server: exact MoldUDP64 requests in, packets of the feed out, to who asked.
//!
//! Data: the askers with their requests. Invariants: it says nothing that the journal does not, nothing above what was
//! told, and nothing unasked; a packet is given to the port or still owed. Who asks is not known, only where the answer
//! goes: askers are told apart by their address, without the port number.

use crate::askers::Askers;
use crate::history::{Hint, History, Sources};
use crate::trouble::Unreadable;
use crate::work::Work;
use nic::{Peer, Receive, Transmit};
use std::time::Duration;
use wire::market_data::{PacketWriter, Request, SessionName};

/// Requests taken in a turn.
const REQUESTS: usize = 64;
/// Packets sent in a turn.
const PACKETS: usize = 64;
/// Most messages that are sent for one request.
const MESSAGES: u64 = 1024;

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedCounts {
    /// Requests that were taken.
    pub requests: u64,
    /// Datagrams that are no request.
    pub malformed: u64,
    /// Requests of another session, or for numbers that are not issued, or not indexed yet.
    pub unknown: u64,
    /// Requests that were dropped because too many wait of their asker, or because there are too many askers.
    pub throttled: u64,
    /// Packets sent.
    pub packets: u64,
    /// Messages sent in them.
    pub messages: u64,
}

/// A request that waits for its packets.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    to: Peer,
    session: SessionName,
    next: u64,
    end: u64,
    hint: Option<Hint>,
}

/// The server, over the two halves of a port.
pub struct FeedRequests<R, T> {
    rx: R,
    tx: T,
    askers: Askers<[u8; 4], Wanted>,
    packet: Box<PacketWriter>,
    /// Whose packet it is.
    session: SessionName,
    counts: FeedCounts,
}

/// What became of the request in turn.
enum Served {
    /// It was sent a packet, or has no more coming.
    Something,
    /// Nothing can be sent to anybody now.
    Blocked,
}

impl<R: Receive, T: Transmit> FeedRequests<R, T> {
    /// Answers at a port, each asker so many packets a second.
    #[must_use]
    pub fn new(rx: R, tx: T, packets_a_second: u32) -> Self {
        // Until somebody asks, by which time there is one.
        let session = SessionName::new(0, 0);
        Self {
            rx,
            tx,
            askers: Askers::new(packets_a_second),
            packet: Box::new(PacketWriter::new(session, 1)),
            session,
            counts: FeedCounts::default(),
        }
    }

    /// What has happened so far.
    #[must_use]
    pub fn counts(&self) -> FeedCounts {
        self.counts
    }

    /// Takes requests in and answers, as far as `work` goes. Says how many requests and packets that were.
    ///
    /// # Errors
    /// [`Unreadable`] if the archive cannot be read: the request that needs it is given up, its asker asks again.
    pub fn step<S: Sources>(
        &mut self,
        now: Duration,
        history: &mut History<S>,
        work: &mut Work,
    ) -> Result<usize, Unreadable> {
        let received = self.receive(now, history);
        let answered = self.answer(now, history, work);
        self.tx.flush();
        Ok(received + answered?)
    }

    fn receive<S: Sources>(&mut self, now: Duration, history: &History<S>) -> usize {
        let known = history.session().zip(history.next_feed());
        let (askers, counts) = (&mut self.askers, &mut self.counts);
        self.rx.receive(REQUESTS, &mut |datagram| {
            let Ok(request) = Request::parse(datagram.payload) else {
                counts.malformed += 1;
                return;
            };
            let known = known
                .filter(|(session, next)| request.session == *session && request.first < *next);
            let Some((session, next_feed)) = known else {
                counts.unknown += 1;
                return;
            };
            let end = request.end().min(request.first + MESSAGES).min(next_feed);
            let wanted = Wanted {
                to: datagram.peer,
                session,
                next: request.first,
                end,
                hint: None,
            };
            let taken = askers.ask(datagram.peer.ip, wanted, now);
            counts.requests += u64::from(taken);
            counts.throttled += u64::from(!taken);
        })
    }

    fn answer<S: Sources>(
        &mut self,
        now: Duration,
        history: &mut History<S>,
        work: &mut Work,
    ) -> Result<usize, Unreadable> {
        let mut packets = 0;
        // So many in a row could be sent nothing.
        let mut passed = 0;
        while packets < PACKETS && passed < self.askers.in_turn() && !work.is_done() {
            let Some((who, wanted)) = self.askers.next(now) else {
                break;
            };
            let Some(wanted) = wanted.map(|wanted| *wanted) else {
                passed += 1;
                continue;
            };
            match self.serve(who, wanted, now, history, work) {
                Ok(Served::Something) => passed = 0,
                Ok(Served::Blocked) => break,
                Err(error) => {
                    self.askers.done(who);
                    return Err(error);
                }
            }
            packets += 1;
        }
        Ok(packets)
    }

    /// Sends the next packet of a request.
    fn serve<S: Sources>(
        &mut self,
        who: [u8; 4],
        mut wanted: Wanted,
        now: Duration,
        history: &mut History<S>,
        work: &mut Work,
    ) -> Result<Served, Unreadable> {
        if self.tx.reserve().is_none() {
            self.tx.flush();
        }
        let Some(mut slot) = self.tx.reserve() else {
            return Ok(Served::Blocked);
        };
        let packet = &mut self.packet;
        if self.session != wanted.session {
            self.session = wanted.session;
            **packet = PacketWriter::new(wanted.session, wanted.next);
        }
        packet.restart(wanted.next);
        let (from, to) = (wanted.next, wanted.end);
        let mut is_full = false;
        let next = history.feed(from, to, &mut wanted.hint, work, &mut |message| {
            is_full = packet.push(message).is_err();
            !is_full
        })?;
        let count = packet.count();
        if count > 0 {
            let bytes = packet.finish();
            slot.payload()[..bytes.len()].copy_from_slice(bytes);
            slot.commit(bytes.len(), wanted.to);
            self.counts.packets += 1;
            self.counts.messages += u64::from(count);
            self.askers.sent(who, now);
        }
        wanted.next = next;
        let is_stuck = count == 0 && !work.is_done();
        self.counts.unknown += u64::from(is_stuck);
        if next >= to || is_stuck {
            self.askers.done(who);
        } else {
            self.askers.put_back(who, wanted);
        }
        Ok(Served::Something)
    }
}
