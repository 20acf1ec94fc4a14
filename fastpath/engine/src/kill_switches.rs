//! The kill switches that are on: whose orders are not taken.

use domain::{AccountId, FirmId, MAX_KILL_SWITCHES, Scope, SessionId};

/// Few, and mostly none: a sorted list. Room for all is allocated at the start.
pub(crate) struct KillSwitches(Vec<(Scope, u32)>);

/// There is no room for another.
pub(crate) struct TableFull;

impl KillSwitches {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(MAX_KILL_SWITCHES))
    }

    /// Whether none is on, which is all that most orders need to know.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn is_on(&self, scope: Scope, target: u32) -> bool {
        self.0.binary_search(&(scope, target)).is_ok()
    }

    /// Whether one is on for any of them.
    pub(crate) fn cover(&self, session: SessionId, account: AccountId, firm: FirmId) -> bool {
        self.is_on(Scope::Session, session.0)
            || self.is_on(Scope::Account, account.0)
            || self.is_on(Scope::Firm, firm.0)
            || self.is_on(Scope::Everyone, 0)
    }

    pub(crate) fn turn_on(&mut self, scope: Scope, target: u32) -> Result<(), TableFull> {
        let Err(place) = self.0.binary_search(&(scope, target)) else {
            return Ok(());
        };
        if self.0.len() == MAX_KILL_SWITCHES {
            return Err(TableFull);
        }
        self.0.insert(place, (scope, target));
        Ok(())
    }

    pub(crate) fn turn_off(&mut self, scope: Scope, target: u32) {
        if let Ok(place) = self.0.binary_search(&(scope, target)) {
            self.0.remove(place);
        }
    }

    /// Those that are on, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Scope, u32)> {
        self.0.iter().copied()
    }
}
