//! Packets in, messages in order out.

use domain::Nanos;
use std::collections::{BTreeMap, VecDeque};
use wire::market_data::{Content, Message, Packet, PacketError, SessionName};

/// Messages that are held while earlier ones are missing; beyond, the oldest are let go.
const MAX_HELD: usize = 65_536;
/// How long a message that is late is waited for, ns.
const PATIENCE: u64 = 50_000_000;

/// What a subscriber is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The next message. Numbers have no holes but those that a [`Event::Gap`] or a
    /// [`Event::NewSession`] announced.
    Message {
        /// Its feed number.
        number: u64,
        /// What happened.
        message: Message,
    },
    /// Messages were lost: `from` is the first, `to` the first behind them. No message follows until
    /// [`Receiver::resume`].
    Gap {
        /// The first that is missing.
        from: u64,
        /// The first behind those that are missing.
        to: u64,
    },
    /// The exchange lost the end of its journal and goes on in a new session; what was told last may
    /// never have happened. No message follows until [`Receiver::resume`].
    NewSession {
        /// Its name.
        session: SessionName,
        /// The first number that was heard of it.
        next: u64,
    },
    /// The exchange stopped. Should it start again, what follows is of this session or a new one.
    EndOfSession {
        /// The number that would have come next.
        next: u64,
    },
}

/// Puts the packets of one shard's feed in order. Without I/O: packets and the time go in, events
/// come out.
///
/// It holds what comes early for 50 ms, so that packets that overtake each other lose nothing, and
/// then gives up what is missing.
#[derive(Debug)]
pub struct Receiver {
    session: Option<SessionName>,
    /// The number of the message to be told next.
    next: u64,
    /// One more than the highest number that the exchange is known to have used.
    end: u64,
    held: BTreeMap<u64, Message>,
    /// Since when the next message is missing.
    missing_since: Option<Nanos>,
    /// A gap or a new session was told, and the subscriber has not said how to go on.
    is_lost: bool,
    /// Where the session ends, and where it was said to the subscriber to end.
    ended_at: Option<u64>,
    end_told: Option<u64>,
    last_heard: Option<Nanos>,
    events: VecDeque<Event>,
}

impl Receiver {
    /// A receiver for a subscriber that knows everything below `next`: 1 for one that knows nothing and
    /// listens since before the exchange started, or a snapshot's number and one. The session is
    /// that of the first packet.
    #[must_use]
    pub fn new(next: u64) -> Self {
        Self {
            session: None,
            next,
            end: next,
            held: BTreeMap::new(),
            missing_since: None,
            is_lost: false,
            ended_at: None,
            end_told: None,
            last_heard: None,
            events: VecDeque::new(),
        }
    }

    /// Takes in a packet as it came from the network.
    ///
    /// # Errors
    /// [`PacketError`] if it is none; then it changes nothing.
    pub fn feed(&mut self, bytes: &[u8], now: Nanos) -> Result<(), PacketError> {
        let packet = Packet::parse(bytes)?;
        if !self.is_of_this_session(&packet) {
            return Ok(());
        }
        self.last_heard = Some(now);
        let end = match packet.content {
            Content::Heartbeat => packet.sequence,
            Content::EndOfSession => {
                self.ended_at = Some(packet.sequence);
                packet.sequence
            }
            Content::Messages(messages) => {
                let mut number = packet.sequence;
                for message in messages {
                    // While lost, what was told before may be needed again.
                    if number >= self.next || self.is_lost {
                        self.held.insert(number, message);
                    }
                    number += 1;
                }
                number
            }
        };
        self.end = self.end.max(end);
        while self.held.len() > MAX_HELD {
            self.held.pop_first();
        }
        self.advance(now);
        Ok(())
    }

    /// Whether the packet counts; takes note of a new session.
    fn is_of_this_session(&mut self, packet: &Packet<'_>) -> bool {
        let Some((shard, epoch)) = packet.session.parts() else {
            return false;
        };
        let Some(current) = self.session else {
            self.session = Some(packet.session);
            return true;
        };
        let known = current.parts();
        if packet.session == current {
            return true;
        }
        // A late packet of an older session, or another shard's.
        if known.is_some_and(|(ours, last)| shard != ours || epoch < last) {
            return false;
        }
        self.session = Some(packet.session);
        self.held.clear();
        // Told already, and in order: they may be void, but that is for the subscriber to say.
        self.next = packet.sequence;
        self.end = packet.sequence;
        (self.ended_at, self.end_told) = (None, None);
        self.lose(Event::NewSession {
            session: packet.session,
            next: packet.sequence,
        });
        true
    }

    fn lose(&mut self, event: Event) {
        self.is_lost = true;
        self.missing_since = None;
        self.events.push_back(event);
    }

    /// Tells what can be told, and looks after what is missing.
    fn advance(&mut self, now: Nanos) {
        if self.is_lost {
            return;
        }
        while let Some(message) = self.held.remove(&self.next) {
            let number = self.next;
            self.events.push_back(Event::Message { number, message });
            self.next += 1;
            self.missing_since = None;
        }
        if self.next < self.end {
            self.missing_since.get_or_insert(now);
        } else if let Some(next) = self.ended_at.filter(|end| *end == self.next)
            && self.end_told != Some(next)
        {
            self.end_told = Some(next);
            self.events.push_back(Event::EndOfSession { next });
        }
    }

    /// What there is to tell, one thing at a time.
    pub fn poll_event(&mut self, now: Nanos) -> Option<Event> {
        if self.next_timeout().is_some_and(|due| now >= due) {
            let first = self.held.first_key_value().map(|(number, _)| *number);
            let (from, to) = (self.next, first.unwrap_or(self.end));
            self.lose(Event::Gap { from, to });
        }
        self.events.pop_front()
    }

    /// When [`Receiver::poll_event`] must be called although nothing came: then what is missing is given
    /// up.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Nanos> {
        let since = self.missing_since?;
        Some(Nanos(since.0.saturating_add(PATIENCE)))
    }

    /// The subscriber knows everything below `next`, from a snapshot or by asking elsewhere: what is
    /// held from there on follows.
    pub fn resume(&mut self, next: u64, now: Nanos) {
        self.is_lost = false;
        self.missing_since = None;
        self.next = next;
        self.held = self.held.split_off(&next);
        // One stray packet must not be what is missing for ever: only neighbours are waited for, and whatever
        // else there is the next packet says again.
        let _strays = self.held.split_off(&next.saturating_add(MAX_HELD as u64));
        let last = self.held.last_key_value();
        self.end = last.map_or(next, |(number, _)| number + 1);
        self.advance(now);
    }

    /// Whether messages are told as they come. False after a gap or a new session.
    #[must_use]
    pub fn is_in_sync(&self) -> bool {
        !self.is_lost
    }

    /// The number of the message to be told next.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.next
    }

    /// The session that is listened to.
    #[must_use]
    pub fn session(&self) -> Option<SessionName> {
        self.session
    }

    /// When the last packet came. The exchange speaks at least once a second: after three seconds of
    /// silence something is wrong.
    #[must_use]
    pub fn last_heard(&self) -> Option<Nanos> {
        self.last_heard
    }
}
