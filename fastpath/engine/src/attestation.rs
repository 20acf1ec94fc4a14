//! What sessions have entered, and what of that they have not attested.

use crate::accounts::Account;
use crate::engine::Engine;
use crate::hash::record;
use crate::kept::Kept;
use domain::{Attest, ConfirmAttestation, Effects, Reason, SessionId, Tag};

/// What a session has entered while its account had a limit to what is not attested, in millionths of whole quote units.
/// It stands beside the session, whose cache lines are full, and only a session with the limit touches it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Entered {
    /// All of it, modulo 2^64: levels are named by it.
    pub(crate) all: u64,
    /// What of it is not attested; at most `u64::MAX`.
    pub(crate) unattested: u64,
}

impl Entered {
    fn enter(&mut self, volume: u64) {
        self.all = self.all.wrapping_add(volume);
        self.unattested = self.unattested.saturating_add(volume);
    }

    /// All up to a level is attested. One that lies behind, or was never reached, changes nothing.
    fn attest(&mut self, level: u64) {
        let behind = self.all.wrapping_sub(level);
        self.unattested = self.unattested.min(behind);
    }
}

/// What all sessions have entered.
pub(crate) struct EnteredTable {
    rows: Vec<Entered>,
    kept: Kept,
}

/// What is all 0 is no record.
fn hash_of_entered(rows: &[Entered], session: u32) -> u64 {
    let entered = rows[session as usize];
    if entered == Entered::default() {
        return 0;
    }
    record(
        Tag::Entered,
        [u64::from(session), entered.all, entered.unattested],
    )
}

impl EnteredTable {
    /// Room for so many sessions, allocated now.
    pub(crate) fn with_capacity(sessions: u32) -> Self {
        Self {
            rows: vec![Entered::default(); sessions as usize],
            kept: Kept::new(),
        }
    }

    /// Of a session below the capacity.
    pub(crate) fn get(&self, session: SessionId) -> Option<Entered> {
        self.rows.get(session.0 as usize).copied()
    }

    fn row_mut(&mut self, session: SessionId) -> &mut Entered {
        if !self.kept.has_out(session.0) {
            let rows = &self.rows[..];
            self.kept
                .take_out(session.0, |session| hash_of_entered(rows, session));
        }
        &mut self.rows[session.0 as usize]
    }

    /// What a session has entered, as a snapshot has it.
    pub(crate) fn set(&mut self, session: SessionId, entered: Entered) {
        *self.row_mut(session) = entered;
    }

    /// The sum of the hashes of all records.
    pub(crate) fn hash(&self) -> u64 {
        self.kept
            .sum(|session| hash_of_entered(&self.rows, session))
    }

    /// The same, of all of them anew.
    pub(crate) fn hash_anew(&self) -> u64 {
        let sessions = (0..).zip(&self.rows);
        sessions
            .map(|(session, _)| hash_of_entered(&self.rows, session))
            .fold(0, u64::wrapping_add)
    }
}

impl Engine {
    /// What counts of a volume that the session would enter: none without a limit; or that it would be too much.
    #[inline]
    pub(crate) fn check_unattested(
        &self,
        session: SessionId,
        account: &Account,
        volume: impl FnOnce() -> u64,
    ) -> Result<u64, Reason> {
        let limit = self.limits_of(account).max_unattested_notional;
        if limit == 0 {
            return Ok(0);
        }
        let volume = volume();
        let after = self.entered(session).unattested.saturating_add(volume);
        if volume != 0 && after > limit.saturating_mul(1_000_000) {
            return Err(Reason::UnattestedAboveLimit);
        }
        Ok(volume)
    }

    /// Counts what [`Engine::check_unattested`] found.
    #[inline]
    pub(crate) fn count_entered(&mut self, session: SessionId, volume: u64) {
        if volume != 0 {
            self.entered.row_mut(session).enter(volume);
        }
    }

    pub(crate) fn entered(&self, session: SessionId) -> Entered {
        self.entered.get(session).unwrap_or_default()
    }

    /// An attestation is no order: it is always taken.
    pub(crate) fn attest(&mut self, session: SessionId, _: &Attest, out: &mut Effects) {
        let level = self.entered(session).all;
        self.report_attestation_noted(session, level, out);
    }

    pub(crate) fn confirm_attestation(
        &mut self,
        command: &ConfirmAttestation,
    ) -> Result<(), Reason> {
        self.initialised()?;
        let session = self.session_or_none(command.session);
        session.ok_or(Reason::UnknownReference)?;
        self.entered.row_mut(command.session).attest(command.level);
        Ok(())
    }
}
