//! Mass cancels and kill switches: a walk over sessions and their orders, as far as a frame has room.

use crate::engine::{Engine, Work};
use crate::orders::{NIL, Order};
use domain::{
    AccountId, ClientOrderId, CommandKind, Effects, FirmId, KillSwitch, MAX_CANCELS, MAX_LOOKS,
    MarketId, MassCancel, OrderId, Price, Reason, Scope, SessionId, Sides,
};

/// Whose orders, and which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) scope: Scope,
    pub(crate) target: u32,
    pub(crate) market: MarketId,
    pub(crate) sides: Sides,
    /// 0: no bound.
    pub(crate) lowest: Price,
    /// 0: no bound.
    pub(crate) highest: Price,
}

impl Wanted {
    pub(crate) fn all(scope: Scope, target: u32) -> Self {
        Self {
            scope,
            target,
            market: MarketId::ANY,
            sides: Sides::Both,
            lowest: Price(0),
            highest: Price(0),
        }
    }

    /// Everybody's orders in a market.
    pub(crate) fn in_market(market: MarketId) -> Self {
        Self {
            market,
            ..Self::all(Scope::Everyone, 0)
        }
    }

    fn has(&self, order: &Order) -> bool {
        (self.market == MarketId::ANY || self.market == order.market())
            && self.sides.has(order.side)
            && (self.lowest == Price(0) || order.price >= self.lowest)
            && (self.highest == Price(0) || order.price <= self.highest)
    }
}

/// A mass cancel, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Canceling {
    /// Why: [`Reason::MassCancel`], [`Reason::KillSwitch`], [`Reason::Delisted`], or [`Reason::MarketClose`], which is
    /// for orders that end then.
    pub(crate) reason: Reason,
    /// Who asked, if it was a session, and the number that it gave.
    pub(crate) asked: Option<SessionId>,
    pub(crate) request: u64,
    pub(crate) wanted: Wanted,
    /// Orders cancelled so far.
    pub(crate) count: u64,
    pub(crate) next_session: u32,
    /// Slot of the order to be looked at next; [`NIL`]: the session is.
    pub(crate) next_order: u32,
}

impl Canceling {
    /// From its beginning, for which nobody asked.
    pub(crate) fn of_all_in(market: MarketId, reason: Reason) -> Self {
        Self {
            reason,
            asked: None,
            request: 0,
            wanted: Wanted::in_market(market),
            count: 0,
            next_session: 0,
            next_order: NIL,
        }
    }

    fn has(&self, order: &Order) -> bool {
        let ends = self.reason != Reason::MarketClose || order.instructions.until_close();
        ends && self.wanted.has(order)
    }
}

/// What a command for many orders is answered with, if it is refused: a session by a report.
type Asked = (Option<SessionId>, CommandKind, u64);

impl Engine {
    pub(crate) fn mass_cancel(
        &mut self,
        from: Option<SessionId>,
        command: &MassCancel,
        out: &mut Effects,
    ) {
        let asked = (from, CommandKind::MassCancel, command.request);
        let wanted = self
            .check_delegation_of_many(from, command.scope != Scope::Session)
            .and_then(|()| self.target(from, command.scope, command.target))
            .and_then(|target| {
                let exists = self.market(command.market).is_some();
                if command.market != MarketId::ANY && !exists {
                    return Err(Reason::UnknownMarket);
                }
                Ok(Wanted {
                    scope: command.scope,
                    target,
                    market: command.market,
                    sides: command.sides,
                    lowest: command.lowest,
                    highest: command.highest,
                })
            });
        match wanted {
            Ok(wanted) => self.begin_to_cancel(asked, Reason::MassCancel, wanted, out),
            Err(reason) => self.refuse_for_many(asked, reason, out),
        }
    }

    pub(crate) fn kill_switch(
        &mut self,
        from: Option<SessionId>,
        command: &KillSwitch,
        out: &mut Effects,
    ) {
        let asked = (from, CommandKind::KillSwitch, command.request);
        let turned = self
            .check_delegation_of_many(from, true)
            .and_then(|()| self.turn(from, command));
        match turned {
            Ok(Some(wanted)) => {
                if from.is_none() {
                    self.drop_protections(&wanted);
                }
                self.begin_to_cancel(asked, Reason::KillSwitch, wanted, out);
            }
            Ok(None) => Self::report_outcome(CommandKind::KillSwitch, Reason::None, out),
            Err(reason) => self.refuse_for_many(asked, reason, out),
        }
    }

    /// A key whose delegation has ended can cancel what it entered, and do nothing to the rest of its account.
    fn check_delegation_of_many(
        &self,
        from: Option<SessionId>,
        is_more: bool,
    ) -> Result<(), Reason> {
        match from {
            Some(session) if is_more => {
                let state = self.session_state(session);
                self.current_delegation(state).map(|_| ())
            }
            _ => Ok(()),
        }
    }

    /// Turns a kill switch on, which then cancels what is answered, or off.
    fn turn(
        &mut self,
        from: Option<SessionId>,
        command: &KillSwitch,
    ) -> Result<Option<Wanted>, Reason> {
        let (scope, target) = (
            command.scope,
            self.target(from, command.scope, command.target)?,
        );
        if !command.on.is_yes() && from.is_some() {
            return Err(Reason::NotPermitted);
        }
        self.turn_switch(scope, target, command.on)
            .map_err(|_| Reason::KillSwitchTableFull)?;
        if !command.on.is_yes() {
            return Ok(None);
        }
        Ok(Some(Wanted::all(scope, target)))
    }

    /// The session, account or firm that is meant.
    pub(crate) fn target(
        &self,
        from: Option<SessionId>,
        scope: Scope,
        target: u32,
    ) -> Result<u32, Reason> {
        if let Some(session) = from {
            return match scope {
                Scope::Session => Ok(session.0),
                Scope::Account => Ok(self.account_of(session).0),
                Scope::Firm | Scope::Everyone => Err(Reason::NotPermitted),
            };
        }
        if self.genesis.is_none() {
            return Err(Reason::NotInitialised);
        }
        match scope {
            _ if self.has_target(scope, target) => Ok(target),
            Scope::Session | Scope::Account => Err(Reason::UnknownReference),
            Scope::Firm | Scope::Everyone => Err(Reason::InvalidParameter),
        }
    }

    /// Whether there can be orders of it. Any number but 0 is a firm's.
    pub(crate) fn has_target(&self, scope: Scope, target: u32) -> bool {
        match scope {
            Scope::Session => self.session(SessionId(target)).is_some(),
            Scope::Account => self.has_account(AccountId(target)),
            Scope::Firm => FirmId(target) != FirmId(0),
            Scope::Everyone => target == 0,
        }
    }

    fn refuse_for_many(&mut self, asked: Asked, reason: Reason, out: &mut Effects) {
        let (from, command, request) = asked;
        match from {
            Some(session) => {
                let named = (OrderId::NONE, ClientOrderId(request));
                self.report_rejected(session, command, named, reason, out);
            }
            None => Self::report_outcome(command, reason, out),
        }
    }

    pub(crate) fn begin_to_cancel(
        &mut self,
        (from, command, request): Asked,
        reason: Reason,
        wanted: Wanted,
        out: &mut Effects,
    ) {
        if from.is_none() {
            Self::report_outcome(command, Reason::None, out);
        }
        let work = Canceling {
            reason,
            asked: from,
            request,
            wanted,
            count: 0,
            next_session: self.first_session(&wanted),
            next_order: NIL,
        };
        self.go_on_canceling(work, out);
    }

    /// Cancels as far as the frame has room. What is left stays pending.
    pub(crate) fn go_on_canceling(&mut self, mut work: Canceling, out: &mut Effects) {
        let end = self.end_of_sessions(&work.wanted);
        let before = work.count;
        let mut looks = 0;
        while work.next_session < end {
            let canceled = usize::try_from(work.count - before).expect("a frame has few events");
            if looks == MAX_LOOKS || canceled == MAX_CANCELS {
                self.work = Some(Work::MassCancel(work));
                return;
            }
            looks += 1;
            if work.next_order == NIL {
                work.next_order = self.newest_wanted(&work);
            } else {
                self.look_at_order(&mut work, out);
            }
            if work.next_order == NIL {
                work.next_session = self.session_after(&work);
            }
        }
        if let Some(session) = work.asked {
            self.report_mass_canceled(session, work.request, work.count, out);
        }
    }

    /// The session that is looked at first: of an account the one that was opened last, [`NIL`] if it has none.
    fn first_session(&self, wanted: &Wanted) -> u32 {
        match wanted.scope {
            Scope::Session => wanted.target,
            Scope::Account => self.account_state(AccountId(wanted.target)).newest_session,
            Scope::Firm | Scope::Everyone => 0,
        }
    }

    /// The session that is looked at next: those of an account are linked, of others all ids are tried.
    fn session_after(&self, work: &Canceling) -> u32 {
        match work.wanted.scope {
            Scope::Account => {
                self.session_state(SessionId(work.next_session))
                    .older_session
            }
            Scope::Session | Scope::Firm | Scope::Everyone => work.next_session + 1,
        }
    }

    /// Behind the last session that may have such orders.
    pub(crate) fn end_of_sessions(&self, wanted: &Wanted) -> u32 {
        match wanted.scope {
            Scope::Session => wanted.target + 1,
            Scope::Account | Scope::Firm | Scope::Everyone => self.sessions_end,
        }
    }

    /// The newest order of the next session, if that belongs to those whose orders are wanted.
    fn newest_wanted(&self, work: &Canceling) -> u32 {
        let session = SessionId(work.next_session);
        if !self.belongs(session, &work.wanted) {
            return NIL;
        }
        self.session_state(session).newest_order
    }

    /// Whether a session exists and is one of those whose orders are wanted.
    pub(crate) fn belongs(&self, session: SessionId, wanted: &Wanted) -> bool {
        let Some(state) = self.session_or_none(session) else {
            return false;
        };
        match wanted.scope {
            Scope::Session => session.0 == wanted.target,
            Scope::Account => state.account.0 == wanted.target,
            Scope::Firm => self.firm_of(state.account).0 == wanted.target,
            Scope::Everyone => true,
        }
    }

    fn look_at_order(&mut self, work: &mut Canceling, out: &mut Effects) {
        let slot = work.next_order;
        work.next_order = self.orders.older(slot);
        if work.has(&self.orders[slot]) {
            self.cancel_resting(slot, work.reason, out);
            work.count += 1;
        }
    }
}
