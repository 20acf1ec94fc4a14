//! Establishing: who we are, under which keys, and the handshake that tells the exchange our address.

use crate::backoff::Backoff;
use domain::{Nanos, SessionId};
use wire::CONTROL_EPOCH;
use wire::auth::{Mac, MacKey, MacKeys, SessionSecret};
use wire::order_entry::{Challenge, Context, Establish, Established, Hello};

/// Unanswered `Establish` messages before starting over: the exchange may have forgotten its cookie.
const ESTABLISH_ATTEMPTS: u32 = 3;

/// The keys of the epoch that we are established in.
#[derive(Debug)]
pub(crate) struct EpochKeys {
    pub(crate) epoch: u32,
    pub(crate) shard: u16,
    pub(crate) keys: MacKeys,
}

/// What a handshake says next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Hello(Hello),
    Establish(Establish),
}

#[derive(Debug)]
struct Handshake {
    nonce: u64,
    cookie: Option<u64>,
    attempts: u32,
    due: Nanos,
    backoff: Backoff,
}

/// Whose datagram arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The control epoch.
    Control,
    /// The epoch that we are established in.
    Current,
    /// The exchange, in an epoch that we have not heard of yet.
    NewerEpoch,
    /// Nobody whom we know.
    Nobody,
}

/// The link to the exchange.
#[derive(Debug)]
pub(crate) struct Link {
    session: SessionId,
    secret: SessionSecret,
    control: MacKeys,
    current: Option<EpochKeys>,
    handshake: Option<Handshake>,
    nonce_key: MacKey,
    nonces: u64,
    retry: Backoff,
}

impl Link {
    /// Not established, and about to say Hello. `seed` must be unpredictable: nonces follow from it.
    pub(crate) fn new(
        session: SessionId,
        secret: SessionSecret,
        seed: [u8; 16],
        retry: Backoff,
    ) -> Self {
        let mut link = Self {
            session,
            control: secret.keys(session, 0, CONTROL_EPOCH),
            secret,
            current: None,
            handshake: None,
            nonce_key: MacKey::from_bytes(seed),
            nonces: 0,
            retry,
        };
        link.start(Nanos(0));
        link
    }

    pub(crate) fn session(&self) -> SessionId {
        self.session
    }

    pub(crate) fn current(&self) -> Option<&EpochKeys> {
        self.current.as_ref()
    }

    pub(crate) fn control_key(&self) -> &MacKey {
        &self.control.to_exchange
    }

    pub(crate) fn is_establishing(&self) -> bool {
        self.handshake.is_some()
    }

    /// Starts a handshake now, unless one is under way.
    pub(crate) fn start(&mut self, now: Nanos) {
        if self.handshake.is_none() {
            self.restart(now, self.retry);
        }
    }

    fn restart(&mut self, due: Nanos, backoff: Backoff) {
        self.nonces += 1;
        let nonce = Mac::sign(&self.nonce_key, &self.nonces.to_le_bytes());
        self.handshake = Some(Handshake {
            nonce: u64::from_le_bytes(nonce),
            cookie: None,
            attempts: 0,
            due,
            backoff,
        });
    }

    /// When the handshake has something to say.
    pub(crate) fn due(&self) -> Option<Nanos> {
        self.handshake.as_ref().map(|handshake| handshake.due)
    }

    /// What it says, if that is due.
    pub(crate) fn step(&mut self, now: Nanos) -> Option<Step> {
        let handshake = self.handshake.as_ref().filter(|it| it.due <= now)?;
        if handshake.cookie.is_some() && handshake.attempts >= ESTABLISH_ATTEMPTS {
            let backoff = handshake.backoff;
            self.restart(now, backoff);
        }
        let handshake = self.handshake.as_mut()?;
        handshake.attempts += 1;
        handshake.due = handshake.backoff.after(now);
        let nonce = handshake.nonce;
        Some(match handshake.cookie {
            None => Step::Hello(Hello { nonce }),
            Some(cookie) => Step::Establish(Establish { nonce, cookie }),
        })
    }

    /// Who sent these bytes. Only the exchange has the keys, whatever address they came from.
    pub(crate) fn origin(&self, context: &Context, bytes: &[u8]) -> Origin {
        use wire::order_entry::DatagramReader as Reader;
        if context.session_id != self.session {
            return Origin::Nobody;
        }
        let (origin, genuine) = match &self.current {
            _ if context.epoch == CONTROL_EPOCH => (
                Origin::Control,
                Reader::verify(bytes, &self.control.to_client),
            ),
            Some(current) if context.epoch == current.epoch => (
                Origin::Current,
                Reader::verify(bytes, &current.keys.to_client),
            ),
            Some(current) if context.epoch > current.epoch && self.handshake.is_none() => {
                let keys = self.secret.keys(self.session, context.shard, context.epoch);
                (Origin::NewerEpoch, Reader::verify(bytes, &keys.to_client))
            }
            _ => (Origin::Nobody, false),
        };
        if genuine { origin } else { Origin::Nobody }
    }

    /// The answer to our `Hello`; anybody else's is ignored.
    pub(crate) fn challenged(&mut self, challenge: &Challenge, now: Nanos) {
        let handshake = self.handshake.as_mut();
        if let Some(handshake) = handshake
            && handshake.nonce == challenge.nonce
            && handshake.cookie.is_none()
        {
            handshake.cookie = Some(challenge.cookie);
            handshake.attempts = 0;
            handshake.due = now;
            handshake.backoff.reset();
        }
    }

    /// Whether this is the answer to our `Establish`: then its keys are the current ones.
    pub(crate) fn established(&mut self, established: &Established) -> bool {
        let expected = self.handshake.as_ref().is_some_and(|handshake| {
            handshake.nonce == established.nonce && handshake.cookie.is_some()
        });
        if expected && established.epoch != CONTROL_EPOCH {
            self.handshake = None;
            let (shard, epoch) = (established.shard, established.epoch);
            self.current = Some(EpochKeys {
                epoch,
                shard,
                keys: self.secret.keys(self.session, shard, epoch),
            });
            return true;
        }
        false
    }
}
