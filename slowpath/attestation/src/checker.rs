//! What each session has in the journal, and what of that it has vouched for.
//!
//! Data: per session its delegated key, the running hash, the newest attestation that nobody has looked at, the highest
//! level of a right one, and the level that the journal confirmed last. Owner: one thread of the slowpath. Invariants:
//! the hash is that of all frames of the session up to the last one taken; no level is to be confirmed whose signature was
//! not found right; of one session at most one attestation waits, because the newest covers those before it.

use domain::{Attest, Command, Event, Outcome, Reason, Seq, SessionId};
use ed25519_dalek::{Signature, VerifyingKey};
use journal::Frame;
use std::collections::{BTreeMap, BTreeSet};
use wire::auth::RunningHash;

/// An attestation that stands in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted {
    /// Whose.
    pub session: SessionId,
    /// Its frame.
    pub seq: Seq,
    /// What it speaks of, as `AttestationNoted` says.
    pub level: u64,
    key: [u8; 32],
    signed: [u8; RunningHash::SIGNED_BYTES],
    signature: [u8; 64],
}

impl Noted {
    /// Whether the signature is the delegated key's and of the running hash. This is what takes time; it needs nothing
    /// but what stands here.
    #[must_use]
    pub fn is_right(&self) -> bool {
        let Ok(key) = VerifyingKey::from_bytes(&self.key) else {
            return false;
        };
        let signature = Signature::from_bytes(&self.signature);
        // Strictly: every verifier must say the same, and a key for which everybody can sign proves nothing.
        key.verify_strict(&self.signed, &signature).is_ok()
    }
}

/// A session, as the checker has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its last number in the journal; 0 if there is none.
    pub number: u64,
    /// The running hash behind that number.
    pub hash: RunningHash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) key: [u8; 32],
    pub(crate) number: u64,
    pub(crate) hash: RunningHash,
    /// The level of the newest attestation that was found right; 0: none was since it was begun at the first frame.
    pub(crate) right: u64,
    /// The level of the last `ConfirmAttestation` in the journal.
    pub(crate) confirmed: u64,
}

impl Row {
    /// Whether a level is right that the journal does not confirm. That it confirms another one, which was found right
    /// before a start, does not make 0 right: where the mark has gone round, 0 would be a level as any other.
    fn is_unconfirmed(&self) -> bool {
        self.right != 0 && self.right != self.confirmed
    }
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checker {
    pub(crate) shard: u16,
    pub(crate) rows: BTreeMap<SessionId, Row>,
    /// The newest attestation of a session, until somebody takes it to look at it.
    noted: BTreeMap<SessionId, Noted>,
    /// Sessions whose right level is not confirmed.
    unconfirmed: BTreeSet<SessionId>,
}

impl Checker {
    /// Before the first frame of a shard's journal.
    #[must_use]
    pub fn new(shard: u16) -> Self {
        Self::with_rows(shard, BTreeMap::new())
    }

    pub(crate) fn with_rows(shard: u16, rows: BTreeMap<SessionId, Row>) -> Self {
        let unconfirmed = rows.iter().filter(|(_, row)| row.is_unconfirmed());
        Self {
            shard,
            unconfirmed: unconfirmed.map(|(session, _)| *session).collect(),
            noted: BTreeMap::new(),
            rows,
        }
    }

    /// The next frame.
    pub fn take(&mut self, frame: &Frame<'_>) {
        if let Some(session) = frame.header.source.session() {
            self.take_of_session(session, frame);
            return;
        }
        if !is_done(frame) {
            return;
        }
        if let Command::OpenSession(open) = &frame.command {
            let row = Row {
                key: open.delegation.public_key,
                number: 0,
                hash: RunningHash::begin(self.shard, open.session),
                right: 0,
                confirmed: 0,
            };
            self.rows.insert(open.session, row);
        } else if let Command::Delegate(delegate) = &frame.command
            && let Some(row) = self.rows.get_mut(&delegate.session)
        {
            row.key = delegate.delegation.public_key;
        } else if let Command::ConfirmAttestation(confirm) = &frame.command
            && let Some(row) = self.rows.get_mut(&confirm.session)
        {
            row.confirmed = confirm.level;
            self.compare(confirm.session);
        }
    }

    fn take_of_session(&mut self, session: SessionId, frame: &Frame<'_>) {
        let Some(row) = self.rows.get_mut(&session) else {
            // The engine refuses it: nothing of it can be settled.
            return;
        };
        if let (Command::Attest(Attest { signature }), Some(level)) =
            (&frame.command, level_of(frame))
        {
            let noted = Noted {
                session,
                seq: frame.header.seq,
                level,
                key: row.key,
                signed: row.hash.signed(),
                signature: *signature,
            };
            self.noted.insert(session, noted);
        }
        row.number = frame.header.source_seq;
        row.hash.take(row.number, &frame.command);
    }

    /// Attestations to look at, one of a session at most: what was attested before a newer one came is covered by that.
    pub fn take_noted(&mut self) -> Vec<Noted> {
        std::mem::take(&mut self.noted).into_values().collect()
    }

    /// Whether there are attestations to look at.
    #[must_use]
    pub fn has_noted(&self) -> bool {
        !self.noted.is_empty()
    }

    /// An attestation was found right.
    pub fn is_right(&mut self, noted: &Noted) {
        if let Some(row) = self.rows.get_mut(&noted.session) {
            row.right = noted.level;
            self.compare(noted.session);
        }
    }

    fn compare(&mut self, session: SessionId) {
        let row = self.rows.get(&session);
        if row.is_some_and(Row::is_unconfirmed) {
            self.unconfirmed.insert(session);
        } else {
            self.unconfirmed.remove(&session);
        }
    }

    /// Sessions and their levels that are right and that the journal does not confirm yet.
    pub fn unconfirmed(&self) -> impl Iterator<Item = (SessionId, u64)> {
        let sessions = self.unconfirmed.iter();
        sessions.filter_map(|session| Some((*session, self.rows.get(session)?.right)))
    }

    /// A session behind the last frame taken.
    #[must_use]
    pub fn standing(&self, session: SessionId) -> Option<Standing> {
        let row = self.rows.get(&session)?;
        Some(Standing {
            number: row.number,
            hash: row.hash,
        })
    }
}

/// Whether a command of the exchange's own was done.
fn is_done(frame: &Frame<'_>) -> bool {
    let mut events = frame.events().flatten();
    events.any(|event| {
        matches!(
            event,
            Event::Outcome(Outcome {
                reason: Reason::None,
                ..
            })
        )
    })
}

fn level_of(frame: &Frame<'_>) -> Option<u64> {
    frame.events().flatten().find_map(|event| {
        if let Event::AttestationNoted(noted) = event {
            Some(noted.level)
        } else {
            None
        }
    })
}
