//! Keys of sessions, also of those that are opened or delegated anew while the exchange runs.
//!
//! Data: the host secret. Owner: the supervisor's thread, because agreeing on a key takes some 100 µs,
//! which no tile has. The match tile passes on what was journalled, [`KeyMaker`] derives, net and out take
//! their halves over at their housekeeping; each of the three ways is a ring of its own. Invariants: a key
//! is derived from committed state only, so a start finds the same keys in the recovered engine; without
//! room to pass a session on, the match tile takes nothing more from the slow ring, so none is lost.

use crate::binding::KeyTag;
use domain::{Gate, SessionId, SessionView};
use shm::{Heap, RingConsumer, RingProducer, SLOT_WORDS, Slot};
use wire::CONTROL_EPOCH;
use wire::auth::{HostSecret, MacKey, MacKeys};

/// Slots of each ring; log-ons are rare.
const RING: usize = 64;
/// Bytes of a client's public key in words.
const KEY_WORDS: usize = 4;

/// The keys of a session of the port.
pub(crate) struct SessionKeys {
    pub(crate) control: MacKeys,
    pub(crate) current: MacKeys,
}

/// One direction of a session's keys, for the tile that uses it.
#[derive(Clone)]
pub(crate) struct Half {
    /// Of the control epoch, and of this one.
    pub(crate) control: MacKey,
    pub(crate) current: MacKey,
    /// Of both halves the same.
    pub(crate) tag: KeyTag,
}

impl SessionKeys {
    /// What the net tile checks datagrams with.
    pub(crate) fn to_exchange(&self) -> Half {
        Half {
            control: self.control.to_exchange.clone(),
            current: self.current.to_exchange.clone(),
            tag: KeyTag::of(self),
        }
    }

    /// What the out tile signs datagrams with.
    pub(crate) fn to_client(&self) -> Half {
        Half {
            control: self.control.to_client.clone(),
            current: self.current.to_client.clone(),
            tag: KeyTag::of(self),
        }
    }
}

/// What keys follow from beside the host secret, in this epoch.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) shard: u16,
    pub(crate) epoch: u32,
}

/// The keys of a session; none if its commands do not come in by the port, or if nothing secret can be
/// agreed with its client's key.
pub(crate) fn derive(
    host: &HostSecret,
    place: Place,
    session: SessionId,
    gate: Gate,
    client_key: &[u8; 32],
) -> Option<SessionKeys> {
    if gate != Gate::Port {
        return None;
    }
    let secret = host.secret_for(session, client_key).ok()?;
    Some(SessionKeys {
        control: secret.keys(session, place.shard, CONTROL_EPOCH),
        current: secret.keys(session, place.shard, place.epoch),
    })
}

/// The match tile's end: sessions whose delegation was journalled.
pub(crate) struct Delegated(RingProducer<Heap>);

impl Delegated {
    pub(crate) fn has_room(&mut self) -> bool {
        self.0.free() > 0
    }

    /// Passes a session on as it is now. There must be room.
    pub(crate) fn pass_on(&mut self, session: SessionId, view: &SessionView) {
        let mut slot = [0; SLOT_WORDS];
        slot[0] = u64::from(session.0);
        slot[1] = u64::from(view.gate == Gate::Port);
        for (word, bytes) in slot[2..]
            .iter_mut()
            .zip(view.delegation.exchange_key.as_chunks().0)
        {
            *word = u64::from_le_bytes(*bytes);
        }
        self.0.push(&slot).expect("there is room");
        self.0.publish();
    }
}

/// A tile's end: its half of the keys of a session.
pub(crate) struct NewKeys(RingConsumer<Heap>);

/// What a tile gets of a session's new keys; none if the session has no more.
pub(crate) struct KeyHalf {
    pub(crate) session: SessionId,
    pub(crate) keys: Option<Half>,
}

impl NewKeys {
    /// The next, if there is one.
    pub(crate) fn take(&mut self) -> Option<KeyHalf> {
        let slot = self.0.peek().expect("the supervisor is honest")?;
        self.0.advance_and_erase();
        self.0.release();
        Some(KeyHalf::of_slot(&slot))
    }
}

impl KeyHalf {
    fn to_slot(&self) -> Slot {
        let mut slot = [0; SLOT_WORDS];
        slot[0] = u64::from(self.session.0);
        if let Some(half) = &self.keys {
            (slot[1], slot[6]) = (1, half.tag.to_word());
            let keys = [&half.control, &half.current];
            let words = keys.into_iter().flat_map(|key| key.expose().as_chunks().0);
            for (word, bytes) in slot[2..].iter_mut().zip(words) {
                *word = u64::from_le_bytes(*bytes);
            }
        }
        slot
    }

    fn of_slot(slot: &Slot) -> Self {
        let key = |at: usize| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&slot[at].to_le_bytes());
            bytes[8..].copy_from_slice(&slot[at + 1].to_le_bytes());
            MacKey::from_bytes(bytes)
        };
        Self {
            session: SessionId(u32::try_from(slot[0]).expect("a session id was put in")),
            keys: (slot[1] != 0).then(|| Half {
                control: key(2),
                current: key(4),
                tag: KeyTag::from_word(slot[6]),
            }),
        }
    }
}

/// Derives keys between match, and net and out.
pub(crate) struct KeyMaker {
    host: HostSecret,
    place: Place,
    from_match: RingConsumer<Heap>,
    to_net: RingProducer<Heap>,
    to_out: RingProducer<Heap>,
}

/// The ends that the tiles hold.
pub(crate) struct TileEnds {
    pub(crate) delegated: Delegated,
    pub(crate) net: NewKeys,
    pub(crate) out: NewKeys,
}

impl KeyMaker {
    /// With the ends of its rings.
    pub(crate) fn new(host: HostSecret, place: Place) -> (Self, TileEnds) {
        let (delegated, from_match) = shm::ring::heap(RING);
        let (to_net, net) = shm::ring::heap(RING);
        let (to_out, out) = shm::ring::heap(RING);
        let maker = Self {
            host,
            place,
            from_match,
            to_net,
            to_out,
        };
        let ends = TileEnds {
            delegated: Delegated(delegated),
            net: NewKeys(net),
            out: NewKeys(out),
        };
        (maker, ends)
    }

    /// Derives what has come, as far as both tiles have room. Allocates nothing.
    pub(crate) fn turn(&mut self) {
        while self.to_net.free() > 0 && self.to_out.free() > 0 {
            let slot = self.from_match.peek().expect("the match tile is honest");
            let Some(slot) = slot else {
                return;
            };
            self.make(&slot);
            self.from_match.advance();
            self.from_match.release();
        }
    }

    fn make(&mut self, slot: &Slot) {
        let session = SessionId(u32::try_from(slot[0]).expect("a session id was put in"));
        let gate = if slot[1] == 1 {
            Gate::Port
        } else {
            Gate::Gateway
        };
        let mut client_key = [0; 32];
        for (bytes, word) in client_key
            .as_chunks_mut()
            .0
            .iter_mut()
            .zip(&slot[2..2 + KEY_WORDS])
        {
            *bytes = word.to_le_bytes();
        }
        let keys = derive(&self.host, self.place, session, gate, &client_key);
        let net = keys.as_ref().map(SessionKeys::to_exchange);
        let out = keys.as_ref().map(SessionKeys::to_client);
        // Out first: what net accepts with the new key is answered with it.
        for (ring, keys) in [(&mut self.to_out, out), (&mut self.to_net, net)] {
            let half = KeyHalf { session, keys };
            ring.push(&half.to_slot()).expect("there is room");
            ring.publish();
        }
    }
}
