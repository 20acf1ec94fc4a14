//! What sessions have entered, and what of that they have not attested.

use crate::accounts::Account;
use crate::engine::Engine;
use domain::{Attest, ConfirmAttestation, Effects, Reason, SessionId};

/// What a session has entered while its account had a limit to what is not attested, in millionths of whole quote units.
/// It stands beside the session, whose cache lines are full, and only a session with the limit touches it.
#[derive(Clone, Copy, Default)]
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
            self.entered[session.0 as usize].enter(volume);
        }
    }

    pub(crate) fn entered(&self, session: SessionId) -> Entered {
        self.entered[session.0 as usize]
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
        self.entered[command.session.0 as usize].attest(command.level);
        Ok(())
    }
}
