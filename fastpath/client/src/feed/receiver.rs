//! Packets in, messages in order out.

use super::recovery::{Hole, Recovery};
use domain::Nanos;
use std::collections::{BTreeMap, VecDeque};
use wire::market_data::{Content, Message, Packet, PacketError, Request, SessionName};

/// Messages that are held while earlier ones are missing; beyond, the oldest are let go.
const MAX_HELD: usize = 65_536;
/// How far ahead of where a subscriber goes on a held message may lie.
const AHEAD: u64 = 1 << 20;
/// How long a message that is late is waited for, ns.
const PATIENCE: u64 = 50_000_000;
/// The same where it is asked for: so long after anything has come.
const PATIENCE_ASKING: u64 = 3_000_000_000;
/// Messages behind the first hole that are looked at for further ones.
const LOOKED_AT: usize = 8192;

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
/// then gives up what is missing. One that asks ([`Receiver::asking`]) has requests for the exchange's re-request
/// server instead, and gives up when nothing has come for 3 s: what the packets that answer hold is fed to it like any other.
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
    /// None: nobody is asked.
    recovery: Option<Recovery>,
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
            recovery: None,
        }
    }

    /// As [`Receiver::new`], for a subscriber that can ask a re-request server: what is missing in the middle, and what
    /// was said from `next` on before it came, is asked for. Who knows nothing begins with 1, and is told all history.
    #[must_use]
    pub fn asking(next: u64) -> Self {
        Self {
            recovery: Some(Recovery::new()),
            ..Self::new(next)
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
            if self.recovery.is_some() {
                // They will be asked for, the last ones last.
                self.held.pop_last();
            } else {
                self.held.pop_first();
            }
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
        self.stop_waiting();
        self.events.push_back(event);
    }

    fn stop_waiting(&mut self) {
        self.missing_since = None;
        if let Some(recovery) = &mut self.recovery {
            recovery.end();
        }
    }

    /// Tells what can be told, and looks after what is missing.
    fn advance(&mut self, now: Nanos) {
        if self.is_lost {
            return;
        }
        let before = self.next;
        while let Some(message) = self.held.remove(&self.next) {
            let number = self.next;
            self.events.push_back(Event::Message { number, message });
            self.next += 1;
            self.missing_since = None;
        }
        if let Some(recovery) = &mut self.recovery {
            if self.next >= self.end {
                recovery.end();
            } else if self.next > before {
                recovery.progress(now);
            }
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
        if self.gives_up_at().is_some_and(|due| now >= due) {
            let first = self.held.first_key_value().map(|(number, _)| *number);
            let (from, to) = (self.next, first.unwrap_or(self.end));
            self.lose(Event::Gap { from, to });
        }
        self.events.pop_front()
    }

    /// When what is missing is given up.
    fn gives_up_at(&self) -> Option<Nanos> {
        let since = self.missing_since?;
        let patience = if self.recovery.is_some() {
            PATIENCE_ASKING
        } else {
            PATIENCE
        };
        Some(Nanos(since.0.saturating_add(patience)))
    }

    /// When there is something to ask.
    fn asks_at(&self) -> Option<Nanos> {
        let (recovery, since) = (self.recovery.as_ref()?, self.missing_since?);
        self.session?;
        Some(recovery.due(self.next, since))
    }

    /// When [`Receiver::poll_request`] and [`Receiver::poll_event`] must be called although nothing came: then what is
    /// missing is asked for, or given up.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Nanos> {
        let both = [self.asks_at(), self.gives_up_at()];
        both.into_iter().flatten().min()
    }

    /// What there is to ask the re-request server, one datagram at a time ([`Request::encode`]); none from a receiver that
    /// does not ask.
    pub fn poll_request(&mut self, now: Nanos) -> Option<Request> {
        if self.asks_at().is_none_or(|due| now < due) {
            return None;
        }
        let (next, end, session) = (self.next, self.end, self.session?);
        let recovery = self.recovery.as_mut()?;
        recovery.request(session, holes(&self.held, next, end), now)
    }

    /// The subscriber knows everything below `next`, from a snapshot or by asking elsewhere: what is
    /// held from there on follows.
    pub fn resume(&mut self, next: u64, now: Nanos) {
        self.is_lost = false;
        self.stop_waiting();
        self.next = next;
        self.held = self.held.split_off(&next);
        // One stray packet must not be what is missing for ever. If it was none, the next one says so again.
        let _strays = self.held.split_off(&next.saturating_add(AHEAD));
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

/// What is missing of `next .. end`, in order, as far as it is near.
fn holes(held: &BTreeMap<u64, Message>, next: u64, end: u64) -> impl Iterator<Item = Hole> {
    let ends = held.keys().copied().take(LOOKED_AT).chain([end]);
    let mut from = next;
    ends.filter_map(move |to| {
        let hole = (from, to);
        from = to.saturating_add(1);
        (hole.0 < hole.1).then_some(hole)
    })
}
