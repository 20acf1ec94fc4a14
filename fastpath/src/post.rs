//! Sends datagrams to sessions: looks up address and key, fills a slot of the port, signs it.

use domain::{Nanos, Reason, SessionId};
use nic::{Peer, Transmit};
use shm::FastView;
use std::net::SocketAddrV4;
use tile::Clock;
use wire::CONTROL_EPOCH;
use wire::order_entry::{Block, Challenge, Context, DatagramWriter, Established, Outcome, Refused};

use crate::keys::{Half, KeyHalf};
use crate::replies::Refusal;

/// Why a datagram was not handed to the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotSent {
    /// The port has no free slot: try again after a flush.
    PortFull,
    /// The session does not exist or has no address yet.
    Unreachable,
}

pub(crate) struct Post<T> {
    pub(crate) port: T,
    /// By session id.
    pub(crate) keys: Vec<Option<Half>>,
    pub(crate) fast: FastView,
    pub(crate) shard: u16,
    pub(crate) epoch: u32,
    /// Where older ranges are served; tells clients with a refusal.
    pub(crate) replay: Option<SocketAddrV4>,
    /// The sending time of what comes next, UTC ns; none: the clock is looked at first. A look costs as
    /// much as a small report, so it serves for the datagrams of a whole frame.
    pub(crate) time: Option<u64>,
}

/// Which datagram: whose, from which number, in which epoch.
struct Envelope {
    session: SessionId,
    to: Peer,
    epoch: u32,
    next_no: u64,
    flags: u16,
}

impl<T: Transmit> Post<T> {
    /// Reports of a session from number `first` on, as many as `fill` puts in.
    pub(crate) fn reports(
        &mut self,
        session: SessionId,
        first: u64,
        flags: u16,
        fill: impl FnOnce(&mut DatagramWriter<'_>),
    ) -> Result<(), NotSent> {
        let to = self.bound(session).ok_or(NotSent::Unreachable)?;
        let epoch = self.epoch;
        self.send(
            &Envelope {
                session,
                to,
                epoch,
                next_no: first,
                flags,
            },
            fill,
        )
    }

    /// A datagram of one message.
    fn send_one<B: Block>(
        &mut self,
        (session, to): (SessionId, Peer),
        epoch: u32,
        next_no: u64,
        message: &B,
    ) -> Result<(), NotSent> {
        let envelope = Envelope {
            session,
            to,
            epoch,
            next_no,
            flags: 0,
        };
        self.send(&envelope, |writer| {
            writer.push(message).expect("one message fits");
        })
    }

    pub(crate) fn challenge(
        &mut self,
        session: SessionId,
        to: Peer,
        message: &Challenge,
    ) -> Result<(), NotSent> {
        self.send_one((session, to), CONTROL_EPOCH, 0, message)
    }

    pub(crate) fn established(
        &mut self,
        session: SessionId,
        to: Peer,
        message: &Established,
    ) -> Result<(), NotSent> {
        self.send_one(
            (session, to),
            CONTROL_EPOCH,
            message.next_report_no,
            message,
        )
    }

    /// What became of a message, to where the session's reports go.
    pub(crate) fn became(
        &mut self,
        session: SessionId,
        next_no: u64,
        message: &Outcome,
    ) -> Result<(), NotSent> {
        let to = self.bound(session).ok_or(NotSent::Unreachable)?;
        self.send_one((session, to), self.epoch, next_no, message)
    }

    /// A refusal, to the given address or else to where the session's reports go.
    pub(crate) fn refused(
        &mut self,
        session: SessionId,
        to: Option<Peer>,
        next_no: u64,
        refusal: &Refusal,
    ) -> Result<(), NotSent> {
        let to = to
            .or_else(|| self.bound(session))
            .ok_or(NotSent::Unreachable)?;
        let replay = (refusal.reason == Reason::NoLongerInMemory)
            .then_some(self.replay)
            .flatten();
        let message = Refused {
            from_no: refusal.from,
            count: refusal.count,
            reason: refusal.reason.into(),
            refused_template_id: refusal.template,
            replay_port: 0,
            reserved: 0,
            replay_ip: 0,
            reserved2: 0,
        }
        .with_replay(replay);
        self.send_one((session, to), self.epoch, next_no, &message)
    }

    fn send(
        &mut self,
        envelope: &Envelope,
        fill: impl FnOnce(&mut DatagramWriter<'_>),
    ) -> Result<(), NotSent> {
        // By its field, because the port is borrowed beside it.
        let half = half(&self.keys, envelope.session).ok_or(NotSent::Unreachable)?;
        let key = if envelope.epoch == CONTROL_EPOCH {
            &half.control
        } else {
            &half.current
        };
        let sending_time = *self.time.get_or_insert_with(Clock::now);
        let mut slot = match self.port.reserve() {
            Some(slot) => slot,
            None => {
                self.port.flush();
                self.port.reserve().ok_or(NotSent::PortFull)?
            }
        };
        let context = Context {
            session_id: envelope.session,
            epoch: envelope.epoch,
            next_seq_no: envelope.next_no,
            sending_time: Nanos(sending_time),
            shard: if envelope.epoch == CONTROL_EPOCH {
                0
            } else {
                self.shard
            },
            flags: envelope.flags,
            reserved: 0,
        };
        let mut writer = DatagramWriter::new(slot.payload(), context);
        fill(&mut writer);
        let length = writer.finish(key);
        slot.commit(length, envelope.to);
        Ok(())
    }

    /// Time has passed: what is sent next looks at the clock.
    pub(crate) fn forget_time(&mut self) {
        self.time = None;
    }

    /// Now, UTC ns; from here on what is sent says so.
    pub(crate) fn look_at_clock(&mut self) -> u64 {
        *self.time.insert(Clock::now())
    }

    /// A session was opened, or its owner has agreed on another key.
    pub(crate) fn take_keys(&mut self, half: KeyHalf) {
        let place = usize::try_from(half.session.0).ok();
        if let Some(known) = place.and_then(|place| self.keys.get_mut(place)) {
            *known = half.keys;
        }
    }

    /// Whether the session's commands come in by the port.
    pub(crate) fn serves(&self, session: SessionId) -> bool {
        half(&self.keys, session).is_some()
    }

    /// Where the session's client is, if it showed that with the key that the session has.
    fn bound(&self, session: SessionId) -> Option<Peer> {
        let word = self.fast.peer(session.0 as usize)?;
        half(&self.keys, session)?.tag.bound(word)
    }
}

fn half(keys: &[Option<Half>], session: SessionId) -> Option<&Half> {
    let place = usize::try_from(session.0).ok()?;
    keys.get(place)?.as_ref()
}
