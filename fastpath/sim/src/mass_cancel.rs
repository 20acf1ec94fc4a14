//! Cancels of many orders: mass cancels, kill switches, and what else walks over all orders as they do.

use crate::{
    Mutant, NaiveEngine,
    entry::ensure,
    naive::{Canceling, Order, Session, Work},
};
use domain::{
    AccountId, ClientOrderId, CommandKind, Effects, FirmId, KillSwitch, MAX_CANCELS,
    MAX_KILL_SWITCHES, MAX_LOOKS, MarketId, MassCancel, OrderId, Price, Reason, Scope, SessionId,
};

/// Whether this order is meant, if it is that of someone who is.
fn means(wanted: &MassCancel, order: &Order) -> bool {
    (wanted.market == MarketId::ANY || wanted.market == order.market)
        && wanted.sides.has(order.side)
        && (wanted.lowest == Price(0) || wanted.lowest <= order.price)
        && (wanted.highest == Price(0) || order.price <= wanted.highest)
}

impl NaiveEngine {
    pub(crate) fn mass_cancel(
        &mut self,
        from: Option<SessionId>,
        command: &MassCancel,
        out: &mut Effects,
    ) {
        match self.wanted_by(from, command) {
            Ok(wanted) => self.cancel_many(
                from,
                CommandKind::MassCancel,
                Reason::MassCancel,
                wanted,
                out,
            ),
            Err(reason) => {
                let (kind, request) = (CommandKind::MassCancel, command.request);
                self.refuse_cancel_of_many(from, kind, request, reason, out);
            }
        }
    }

    /// The command with the target that it means.
    fn wanted_by(
        &self,
        from: Option<SessionId>,
        command: &MassCancel,
    ) -> Result<MassCancel, Reason> {
        if command.scope != Scope::Session {
            self.check_may_do_more(from)?;
        }
        let target = self.target_of_many(from, command.scope, command.target)?;
        let known = command.market == MarketId::ANY || self.markets.contains_key(&command.market);
        ensure(known, Reason::UnknownMarket)?;
        Ok(MassCancel { target, ..*command })
    }

    pub(crate) fn kill_switch(
        &mut self,
        from: Option<SessionId>,
        command: &KillSwitch,
        out: &mut Effects,
    ) {
        let kind = CommandKind::KillSwitch;
        match self.turn(from, command) {
            Ok(target) if command.on.is_yes() => {
                let wanted = MassCancel {
                    request: command.request,
                    scope: command.scope,
                    target,
                    ..MassCancel::OWN
                };
                if from.is_none() && !self.is(Mutant::KillingSparesProtections) {
                    self.drop_protections(|twin, session, _| {
                        twin.has(command.scope, target, session)
                    });
                }
                self.cancel_many(from, kind, Reason::KillSwitch, wanted, out);
            }
            Ok(_) => Self::report_outcome(kind, Ok(()), out),
            Err(reason) => self.refuse_cancel_of_many(from, kind, command.request, reason, out),
        }
    }

    /// A session whose delegation has ended may cancel its own orders, and no more.
    fn check_may_do_more(&self, from: Option<SessionId>) -> Result<(), Reason> {
        match from {
            Some(session) if !self.is(Mutant::RevokedMayKill) => {
                self.check_delegation_lasts(session)
            }
            _ => Ok(()),
        }
    }

    /// Turns a kill switch on or off. Whose it is.
    fn turn(&mut self, from: Option<SessionId>, command: &KillSwitch) -> Result<u32, Reason> {
        self.check_may_do_more(from)?;
        let target = self.target_of_many(from, command.scope, command.target)?;
        let switch = (command.scope, target);
        if command.on.is_yes() {
            let is_on = self.kill_switches.contains(&switch);
            let counts = |scope| scope == Scope::Firm || self.is(Mutant::SessionsFillTheTable);
            let counted = self.kill_switches.iter().filter(|(of, _)| counts(*of));
            let room = counted.count() < MAX_KILL_SWITCHES;
            ensure(
                is_on || room || !counts(command.scope),
                Reason::KillSwitchTableFull,
            )?;
            self.kill_switches.insert(switch);
        } else {
            ensure(from.is_none(), Reason::NotPermitted)?;
            self.kill_switches.remove(&switch);
            if self.is(Mutant::SwitchOffIsForAll) {
                self.kill_switches.clear();
            }
        }
        Ok(target)
    }

    /// Whether a kill switch is on for the session, its account or its firm.
    pub(crate) fn is_killed(&self, session: SessionId) -> bool {
        self.kill_switches
            .iter()
            .filter(|(scope, _)| *scope != Scope::Firm || !self.is(Mutant::FirmIsNotKilled))
            .any(|(scope, target)| self.has(*scope, *target, session))
    }

    /// Whether a session is one of those that a scope and a target name.
    fn has(&self, scope: Scope, target: u32, session: SessionId) -> bool {
        let account = self.sessions[&session].terms.account;
        match scope {
            Scope::Session => session.0 == target,
            Scope::Account => account.0 == target,
            Scope::Firm => self.accounts[&account].terms.firm.0 == target,
            Scope::Everyone => true,
        }
    }

    /// The number of the session, account or firm that a command for many orders means.
    fn target_of_many(
        &self,
        from: Option<SessionId>,
        scope: Scope,
        target: u32,
    ) -> Result<u32, Reason> {
        if let Some(session) = from {
            return match scope {
                Scope::Session => Ok(session.0),
                Scope::Account => Ok(self.sessions[&session].terms.account.0),
                Scope::Firm | Scope::Everyone => Err(Reason::NotPermitted),
            };
        }
        self.initialised()?;
        match scope {
            Scope::Session => ensure(
                self.sessions.contains_key(&SessionId(target)),
                Reason::UnknownReference,
            )?,
            Scope::Account => ensure(
                self.accounts.contains_key(&AccountId(target)),
                Reason::UnknownReference,
            )?,
            Scope::Firm => ensure(FirmId(target) != FirmId(0), Reason::InvalidParameter)?,
            Scope::Everyone => ensure(target == 0, Reason::InvalidParameter)?,
        }
        Ok(target)
    }

    fn refuse_cancel_of_many(
        &mut self,
        from: Option<SessionId>,
        kind: CommandKind,
        request: u64,
        reason: Reason,
        out: &mut Effects,
    ) {
        match from {
            Some(session) => {
                let ids = (OrderId::NONE, ClientOrderId(request));
                self.report_rejected(session, kind, ids, reason, out);
            }
            None => Self::report_outcome(kind, Err(reason), out),
        }
    }

    fn cancel_many(
        &mut self,
        from: Option<SessionId>,
        kind: CommandKind,
        reason: Reason,
        wanted: MassCancel,
        out: &mut Effects,
    ) {
        if from.is_none() {
            Self::report_outcome(kind, Ok(()), out);
        }
        self.begin_canceling(reason, from, wanted, out);
    }

    /// Begins the walk over all orders that are wanted.
    pub(crate) fn begin_canceling(
        &mut self,
        reason: Reason,
        asked: Option<SessionId>,
        wanted: MassCancel,
        out: &mut Effects,
    ) {
        let next_session = match wanted.scope {
            Scope::Session => Some(wanted.target),
            Scope::Account => self.walked_of(AccountId(wanted.target)).next(),
            Scope::Firm | Scope::Everyone => self.sessions.keys().next().map(|_| 0),
        };
        let canceling = Canceling {
            reason,
            asked,
            wanted,
            count: 0,
            next_session,
            next_order: OrderId::NONE,
        };
        self.go_on_canceling(canceling, out);
    }

    /// Walks on until there are no more sessions, or the frame is full.
    pub(crate) fn go_on_canceling(&mut self, mut canceling: Canceling, out: &mut Effects) {
        let one = |mutant| usize::from(self.is(mutant));
        let most_looks = MAX_LOOKS + one(Mutant::MassCancelLooksOneFurther);
        let most_cancels = MAX_CANCELS + one(Mutant::MassCancelOneTooMany);
        let (mut looks, mut cancels) = (0, 0);
        while let Some(session) = canceling.next_session {
            if looks == most_looks || cancels == most_cancels {
                self.work = Some(Work::Canceling(canceling));
                return;
            }
            looks += 1;
            match self.order(canceling.next_order) {
                None => self.look_at_session(SessionId(session), &mut canceling),
                Some(order) => cancels += self.look_at_order(&order, &mut canceling, out),
            }
        }
        if let Some(session) = canceling.asked {
            let (request, count) = (canceling.wanted.request, canceling.count);
            self.report_mass_canceled(session, request, count, out);
        }
    }

    /// The sessions of an account: that which was opened last comes first.
    fn walked_of(&self, account: AccountId) -> impl Iterator<Item = u32> {
        let sessions = self.sessions.iter();
        let own = sessions.filter(|(_, session)| session.terms.account == account);
        let mut own: Vec<_> = own.map(|(id, session)| (session.opened, id.0)).collect();
        if self.is(Mutant::AccountsAreWalkedById) {
            own.sort_by_key(|(_, id)| *id);
        } else {
            own.sort_by_key(|(opened, _)| std::cmp::Reverse(*opened));
        }
        own.into_iter().map(|(_, id)| id)
    }

    /// The session of the same account that was opened next before it.
    pub(crate) fn session_before(&self, session: SessionId) -> Option<SessionId> {
        let Session { terms, opened, .. } = self.sessions[&session];
        let sessions = self.sessions.iter();
        let before = sessions
            .filter(|(_, other)| other.terms.account == terms.account && other.opened < opened);
        before
            .max_by_key(|(_, other)| other.opened)
            .map(|(id, _)| *id)
    }

    /// Where the walk goes on behind a session.
    fn session_after(&self, session: u32, wanted: &MassCancel) -> Option<u32> {
        match wanted.scope {
            Scope::Session => None,
            Scope::Account => {
                let mut own = self.walked_of(AccountId(wanted.target));
                own.find(|id| *id == session);
                own.next()
            }
            Scope::Firm | Scope::Everyone => {
                let highest = self.sessions.keys().next_back();
                highest
                    .filter(|highest| session < highest.0)
                    .map(|_| session + 1)
            }
        }
    }

    fn look_at_session(&self, session: SessionId, canceling: &mut Canceling) {
        let Canceling { wanted, .. } = canceling;
        let belongs =
            self.sessions.contains_key(&session) && self.has(wanted.scope, wanted.target, session);
        let newest = self.newest(session).filter(|_| belongs);
        match newest {
            Some(order) => canceling.next_order = order,
            None => canceling.next_session = self.session_after(session.0, wanted),
        }
    }

    /// How many orders it cancels.
    fn look_at_order(
        &mut self,
        order: &Order,
        canceling: &mut Canceling,
        out: &mut Effects,
    ) -> usize {
        let older = self.older(order);
        canceling.next_order = older.unwrap_or(OrderId::NONE);
        if older.is_none() {
            canceling.next_session = self.session_after(order.session.0, &canceling.wanted);
        }
        let wanted = &canceling.wanted;
        let at_highest =
            order.price == wanted.highest && self.is(Mutant::MassCancelSparesHighestPrice);
        let ends = canceling.reason != Reason::MarketClose
            || order.until_close
            || self.is(Mutant::CloseEndsAll);
        if !means(wanted, order) || at_highest || !ends {
            return 0;
        }
        self.cancel_resting(order, canceling.reason, out);
        canceling.count += 1;
        1
    }
}
