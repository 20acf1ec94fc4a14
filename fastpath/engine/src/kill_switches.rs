//! The kill switches that are on: whose orders are not taken.
//!
//! Those of sessions and accounts stand with these. Firms are no records of the engine, so theirs are a list.

use crate::engine::{Engine, Session};
use crate::hash::{existing, hash_of_kill_switch, sum};
use domain::{FirmId, Flag, MAX_KILL_SWITCHES, Reason, Scope, SessionId};

/// Those of firms, and that of everyone.
pub(crate) struct KillSwitches {
    /// Few, and mostly none: sorted. Room for all is allocated at the start.
    firms: Vec<u32>,
    everyone: bool,
    /// The sum of the hashes of all.
    hash: u64,
}

/// There is no room for another firm's.
pub(crate) struct TableFull;

impl KillSwitches {
    pub(crate) fn new() -> Self {
        Self {
            firms: Vec::with_capacity(MAX_KILL_SWITCHES),
            everyone: false,
            hash: 0,
        }
    }

    /// The sum of the hashes of all.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// The same, of all of them anew.
    pub(crate) fn hash_anew(&self) -> u64 {
        sum(self.iter().map(hash_of_kill_switch))
    }

    fn iter(&self) -> impl Iterator<Item = (Scope, u32)> {
        let firms = self.firms.iter().map(|&firm| (Scope::Firm, firm));
        firms.chain(self.everyone.then_some((Scope::Everyone, 0)))
    }

    /// Whether one is on for the accounts of a firm.
    #[inline]
    fn cover(&self, firm: FirmId) -> bool {
        self.everyone || !self.firms.is_empty() && self.has_firm(firm.0)
    }

    fn has_firm(&self, firm: u32) -> bool {
        self.firms.binary_search(&firm).is_ok()
    }

    fn turn_on_firm(&mut self, firm: u32) -> Result<(), TableFull> {
        let Err(place) = self.firms.binary_search(&firm) else {
            return Ok(());
        };
        if self.firms.len() == MAX_KILL_SWITCHES {
            return Err(TableFull);
        }
        self.firms.insert(place, firm);
        self.turned(Scope::Firm, firm, true);
        Ok(())
    }

    fn turn_off_firm(&mut self, firm: u32) {
        if let Ok(place) = self.firms.binary_search(&firm) {
            self.firms.remove(place);
            self.turned(Scope::Firm, firm, false);
        }
    }

    fn turn_everyone(&mut self, on: bool) {
        if self.everyone != on {
            self.everyone = on;
            self.turned(Scope::Everyone, 0, on);
        }
    }

    fn turned(&mut self, scope: Scope, target: u32, on: bool) {
        let record = hash_of_kill_switch((scope, target));
        self.hash = if on {
            self.hash.wrapping_add(record)
        } else {
            self.hash.wrapping_sub(record)
        };
    }
}

impl Engine {
    /// Orders are taken unless a kill switch is on for them.
    #[inline]
    pub(crate) fn check_kill_switches(&self, session: &Session) -> Result<(), Reason> {
        let account = self.account_state(session.account);
        let is_its = session.is_killed.is_yes() || account.is_killed.is_yes();
        if is_its || self.kill_switches.cover(account.firm) {
            return Err(Reason::Killed);
        }
        Ok(())
    }

    /// Turns one on or off whose target can be.
    pub(crate) fn turn_switch(
        &mut self,
        scope: Scope,
        target: u32,
        on: Flag,
    ) -> Result<(), TableFull> {
        match scope {
            Scope::Session => self
                .sessions
                .change(target, |session| session.is_killed = on),
            Scope::Account => self
                .accounts
                .change(target, |account| account.is_killed = on),
            Scope::Firm if on.is_yes() => return self.kill_switches.turn_on_firm(target),
            Scope::Firm => self.kill_switches.turn_off_firm(target),
            Scope::Everyone => self.kill_switches.turn_everyone(on.is_yes()),
        }
        Ok(())
    }

    /// Whether this one is on.
    #[must_use]
    pub fn is_kill_switch_on(&self, scope: Scope, target: u32) -> bool {
        match scope {
            Scope::Session => {
                let session = self.session_or_none(SessionId(target));
                session.is_some_and(|session| session.is_killed.is_yes())
            }
            Scope::Account => {
                let account = self.accounts.get(target as usize);
                let account = account.and_then(Option::as_ref);
                account.is_some_and(|account| account.is_killed.is_yes())
            }
            Scope::Firm => self.kill_switches.has_firm(target),
            Scope::Everyone => target == 0 && self.kill_switches.everyone,
        }
    }

    /// Those that are on, by scope and target. Walks all sessions and accounts.
    pub fn kill_switches(&self) -> impl Iterator<Item = (Scope, u32)> {
        let sessions = existing(&self.sessions)
            .filter(|(_, session)| session.is_killed.is_yes())
            .map(|(id, _)| (Scope::Session, id));
        let accounts = existing(&self.accounts)
            .filter(|(_, account)| account.is_killed.is_yes())
            .map(|(id, _)| (Scope::Account, id));
        sessions.chain(accounts).chain(self.kill_switches.iter())
    }
}
