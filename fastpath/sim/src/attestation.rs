//! What a session enters, and what of that its attestations cover.

use crate::{Mutant, NaiveEngine, administration::Answer, entry::ensure, naive::Session};
use domain::{
    AccountId, ClientOrderId, CommandKind, ConfirmAttestation, Effects, OrderId, Reason, SessionId,
};

impl NaiveEngine {
    fn session_mut(&mut self, session: SessionId) -> &mut Session {
        let session = self.sessions.get_mut(&session);
        session.expect("commands come from sessions that exist")
    }

    fn max_unattested(&self, account: AccountId) -> u64 {
        self.limits_of(account).max_unattested_notional
    }

    /// f: so many millionths more are not too much. What asks for nothing is not looked at.
    pub(crate) fn check_unattested(&self, session: SessionId, volume: u64) -> Result<(), Reason> {
        let session = &self.sessions[&session];
        let limit = u128::from(self.max_unattested(session.terms.account)) * 1_000_000;
        let all = session.unattested.saturating_add(volume);
        ensure(
            limit == 0 || volume == 0 || u128::from(all) <= limit,
            Reason::UnattestedAboveLimit,
        )
    }

    /// What was checked was taken.
    pub(crate) fn count_entered(&mut self, session: SessionId, volume: u64) {
        let account = self.sessions[&session].terms.account;
        let counts = self.max_unattested(account) != 0 || self.is(Mutant::CountsWithoutALimit);
        let session = self.session_mut(session);
        if counts {
            session.entered = session.entered.wrapping_add(volume);
            session.unattested = session.unattested.saturating_add(volume);
        }
    }

    pub(crate) fn attest(&mut self, session: SessionId, out: &mut Effects) {
        if self.is(Mutant::RevokedMayNotAttest)
            && let Err(reason) = self.check_delegation_lasts(session)
        {
            let ids = (OrderId::NONE, ClientOrderId(0));
            return self.report_rejected(session, CommandKind::Attest, ids, reason, out);
        }
        let level = self.sessions[&session].entered;
        if self.is(Mutant::AttestationsNeedNoCheck) {
            self.session_mut(session).unattested = 0;
        }
        self.report_attestation_noted(session, level, out);
    }

    /// Of what was entered last, no more than what lies behind the level is left.
    pub(crate) fn confirm_attestation(&mut self, command: &ConfirmAttestation) -> Answer {
        self.initialised()?;
        let any_level = self.is(Mutant::OldAttestationsCount);
        let session = self.sessions.get_mut(&command.session);
        let session = session.ok_or(Reason::UnknownReference)?;
        let behind = session.entered.wrapping_sub(command.level);
        if behind < session.unattested || any_level {
            session.unattested = behind;
        }
        Ok(())
    }
}
