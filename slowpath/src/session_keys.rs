//! Keys of sessions for the replay port, as the fastpath derives them.
//!
//! Agreeing on a key takes some 100 µs, and anybody may name a session in a datagram: so a key is derived once, and
//! only so many in a turn.

use domain::SessionId;
use nic::Peer;
use replay::{Access, Keys, Place};
use shm::FastView;
use std::collections::BTreeMap;
use wire::auth::{HostSecret, MacKeys};

/// Keys that are derived in a turn.
const A_TURN: usize = 4;

/// The keys that a session had when it was last asked for.
struct Derived {
    client_key: [u8; 32],
    epoch: u32,
    /// None: nothing secret can be agreed with such a key.
    keys: Option<MacKeys>,
}

/// Derives keys, and looks where clients are.
pub(crate) struct SessionKeys {
    host: HostSecret,
    fast: FastView,
    derived: BTreeMap<SessionId, Derived>,
    left: usize,
}

impl SessionKeys {
    pub(crate) fn new(host: HostSecret, fast: FastView) -> Self {
        Self {
            host,
            fast,
            derived: BTreeMap::new(),
            left: A_TURN,
        }
    }

    /// As many keys as in any turn may be derived.
    pub(crate) fn begin_turn(&mut self) {
        self.left = A_TURN;
    }
}

impl Keys for SessionKeys {
    fn keys(&mut self, session: SessionId, access: &Access, place: Place) -> Option<&MacKeys> {
        let Place { shard, epoch } = place;
        let client_key = access.client_key;
        let known = self.derived.get(&session);
        if known.is_none_or(|it| it.client_key != client_key || it.epoch != epoch) {
            self.left = self.left.checked_sub(1)?;
            let secret = self.host.secret_for(session, &client_key).ok();
            let derived = Derived {
                client_key,
                epoch,
                keys: secret.map(|secret| secret.keys(session, shard, epoch)),
            };
            self.derived.insert(session, derived);
        }
        self.derived.get(&session)?.keys.as_ref()
    }

    fn is_bound(&self, session: SessionId, address: [u8; 4]) -> bool {
        let word = usize::try_from(session.0).ok();
        let word = word.and_then(|session| self.fast.peer(session));
        word.is_some_and(|word| word != 0 && Peer::from_word(word).ip == address)
    }
}
