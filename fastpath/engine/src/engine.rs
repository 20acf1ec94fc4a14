//! The engine's state and the way of a request through it.

use crate::accounts::{Account, Day, LimitsTable};
use crate::attestation::EnteredTable;
use crate::auction::Uncrossing;
use crate::book::Ladders;
use crate::client_ids::ClientIds;
use crate::expiries::Expiries;
use crate::funds::Funds;
use crate::kill_switches::KillSwitches;
use crate::market::Market;
use crate::mass_cancel::Canceling;
use crate::orders::Orders;
use crate::quoted::QuotedTable;
use crate::sources::ServiceNumbers;
use crate::stops::Stops;
use crate::sweep::Sweep;
use crate::table::Table;
use domain::{
    AccountId, Amount, Command, CreateAsset, Delegation, Effects, Flag, Gate, Genesis, MarketId,
    Nanos, OrderId, Phase, Reason, Request, Seq, SessionId, Stamp,
};

/// The version of the rules that this build knows.
pub(crate) const ENGINE_VERSION: u16 = 1;

/// An asset that exists.
#[derive(Clone, Copy)]
pub(crate) struct Asset {
    /// As it was created.
    pub(crate) terms: CreateAsset,
    pub(crate) deposited: Amount,
    pub(crate) fees: Amount,
}

/// A session that exists. A delegation begins with its two keys, which no order looks at: they are the first cache
/// line, and all else is the second.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Session {
    pub(crate) delegation: Delegation,
    pub(crate) account: AccountId,
    pub(crate) gate: Gate,
    /// Whether its kill switch is on.
    pub(crate) is_killed: Flag,
    /// Slot of the live order that was entered last, or [`NIL`](crate::orders::NIL).
    pub(crate) newest_order: u32,
    /// The session of its account that was opened next before it, or [`NIL`](crate::orders::NIL).
    pub(crate) older_session: u32,
    pub(crate) next_report_no: u64,
    pub(crate) last_number: u64,
    /// Its next report number when the epoch began; 1 if it was opened later.
    pub(crate) epoch_report_no: u64,
}

const _: () = assert!(
    size_of::<Option<Session>>() == 128 && core::mem::offset_of!(Delegation, expires) == 64,
    "a session is two cache lines, of which an order needs one"
);

/// What a frame had no room for, and the next ones go on with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    Sweep(Sweep),
    MassCancel(Canceling),
    Uncrossing(Uncrossing),
    /// Orders whose time has come, and who are the first of [`Expiries`].
    Expiring,
    /// Stops of a market that are to arrive.
    Arriving(MarketId),
}

/// The engine. Empty until `Genesis`, which allocates every table.
pub struct Engine {
    pub(crate) version: u16,
    pub(crate) epoch: u32,
    pub(crate) phase: Phase,
    pub(crate) cancel_only_until: Nanos,
    pub(crate) now: Nanos,
    pub(crate) next_trade_id: u64,
    pub(crate) next_feed_no: u64,
    pub(crate) services: ServiceNumbers,
    pub(crate) genesis: Option<Genesis>,
    pub(crate) assets: Table<Asset>,
    pub(crate) markets: Table<Market>,
    pub(crate) accounts: Table<Account>,
    pub(crate) limits: LimitsTable,
    /// That of `now`.
    pub(crate) day: Day,
    pub(crate) sessions: Table<Session>,
    /// Behind the highest id of a session that exists.
    pub(crate) sessions_end: u32,
    pub(crate) entered: EnteredTable,
    pub(crate) funds: Funds,
    pub(crate) orders: Orders,
    pub(crate) client_ids: ClientIds,
    pub(crate) quoted: QuotedTable,
    pub(crate) expiries: Expiries,
    pub(crate) stops: Stops,
    pub(crate) ladders: Ladders,
    pub(crate) kill_switches: KillSwitches,
    pub(crate) work: Option<Work>,
    pub(crate) probe_key: u64,
}

impl Default for Engine {
    fn default() -> Self {
        Self::new()
    }
}

impl Engine {
    /// An engine before its genesis.
    #[must_use]
    pub fn new() -> Self {
        Self::with_probe_key(0)
    }

    /// An engine whose table of client order ids is laid out by a secret, so that clients cannot
    /// choose ids that collide in it. The key changes no result, only where entries lie: engines
    /// with different keys give the same events and the same state hash.
    #[must_use]
    pub fn with_probe_key(probe_key: u64) -> Self {
        Self {
            version: ENGINE_VERSION,
            epoch: 0,
            phase: Phase::Open,
            cancel_only_until: Nanos(0),
            now: Nanos(0),
            next_trade_id: 1,
            next_feed_no: 1,
            services: ServiceNumbers::default(),
            genesis: None,
            assets: Table::with_capacity(0),
            markets: Table::with_capacity(0),
            accounts: Table::with_capacity(0),
            limits: LimitsTable::with_capacity(0),
            day: Day::of(Nanos(0)),
            sessions: Table::with_capacity(0),
            sessions_end: 0,
            entered: EnteredTable::with_capacity(0),
            funds: Funds::with_capacity(0, 0),
            orders: Orders::with_capacity(0),
            client_ids: ClientIds::with_capacity(0, probe_key),
            quoted: QuotedTable::with_capacity(0, 0, probe_key),
            expiries: Expiries::with_capacity(0),
            stops: Stops::with_capacity(0),
            ladders: Ladders::with_capacity(0, 0, 0),
            kill_switches: KillSwitches::new(),
            work: None,
            probe_key,
        }
    }

    /// Applies an admitted request and writes what it caused into `out`, which is cleared first.
    ///
    /// # Panics
    /// If the sequencer breaks the protocol: the request is not admitted ([`Engine::admits`]);
    /// work is pending ([`Engine::pending_work`]) and the request is not its `Continue`; or it is a
    /// `Continue` and no work is pending.
    pub fn apply(&mut self, stamp: Stamp, request: &Request, out: &mut Effects) {
        out.clear();
        self.check_protocol(request);
        let skipped = self.take_number(request.source, request.source_seq);
        self.let_pass(stamp.time);
        match request.source.session() {
            Some(session) => {
                if let Some((from, count)) = skipped {
                    self.report_not_applied(session, from, count, out);
                }
                self.apply_from_session(stamp.seq, session, &request.command, out);
            }
            None => self.apply_from_service(&request.command, out),
        }
    }

    /// Engine time never goes back.
    fn let_pass(&mut self, time: Nanos) {
        self.now = self.now.max(time);
        if self.day.has_ended(self.now) {
            self.day = Day::of(self.now);
        }
    }

    fn check_protocol(&self, request: &Request) {
        assert!(
            self.admits(request.source, request.source_seq),
            "{} number {} is not admitted: ask admits() first",
            request.source,
            request.source_seq
        );
        assert!(
            self.fits(&request.command),
            "pending work, and nothing else, is continued: ask pending_work() first"
        );
    }

    /// Whether the command may come now. While work is pending only its `Continue` may, and no
    /// `Continue` otherwise; a `Recovered` always may, because a process can die within it and
    /// its first command after that begins the epoch.
    #[must_use]
    pub fn fits(&self, command: &Command) -> bool {
        let continued = if let Command::Continue(command) = command {
            Some(command.order_id)
        } else {
            None
        };
        continued == self.pending_work() || matches!(command, Command::Recovered(_))
    }

    fn apply_from_session(
        &mut self,
        seq: Seq,
        session: SessionId,
        command: &Command,
        out: &mut Effects,
    ) {
        match command {
            Command::NewOrder(command) => self.new_order(seq, session, command, out),
            Command::CancelOrder(command) => self.cancel_order(session, command, out),
            Command::AmendOrder(command) => self.amend_order(session, command, out),
            Command::MassCancel(command) => self.mass_cancel(Some(session), command, out),
            Command::KillSwitch(command) => self.kill_switch(Some(session), command, out),
            Command::Quote(command) => self.quote(session, command, out),
            Command::SetProtection(command) => self.set_protection(session, command, out),
            Command::Attest(command) => self.attest(session, command, out),
            Command::Continue(_)
            | Command::Timer(_)
            | Command::Checkpoint(_)
            | Command::Recovered(_)
            | Command::EngineVersion(_)
            | Command::Genesis(_)
            | Command::CreateAsset(_)
            | Command::CreateMarket(_)
            | Command::CreateAccount(_)
            | Command::OpenSession(_)
            | Command::Delegate(_)
            | Command::SetTier(_)
            | Command::SetLimits(_)
            | Command::SetFees(_)
            | Command::CollectFees(_)
            | Command::SetMarketState(_)
            | Command::SetCollar(_)
            | Command::DelistMarket(_)
            | Command::ConfirmAttestation(_)
            | Command::Deposit(_) => {
                self.report_not_for_sessions(session, command.kind(), out);
            }
        }
    }

    fn apply_from_service(&mut self, command: &Command, out: &mut Effects) {
        let result = match command {
            Command::Continue(_) => return self.go_on(out),
            Command::MassCancel(command) => return self.mass_cancel(None, command, out),
            Command::KillSwitch(command) => return self.kill_switch(None, command, out),
            Command::SetMarketState(command) => return self.set_market_state(command, out),
            Command::DelistMarket(command) => return self.delist_market(command, out),
            Command::Checkpoint(_) => return self.checkpoint(out),
            Command::Timer(_) => return self.timer(out),
            Command::NewOrder(_)
            | Command::CancelOrder(_)
            | Command::AmendOrder(_)
            | Command::Quote(_)
            | Command::SetProtection(_)
            | Command::Attest(_) => Err(Reason::UnknownSession),
            Command::Recovered(command) => self.recovered(command, out),
            Command::EngineVersion(command) => self.switch_version(command),
            Command::Genesis(command) => self.begin(command),
            Command::CreateAsset(command) => self.create_asset(command),
            Command::CreateMarket(command) => self.create_market(command, out),
            Command::CreateAccount(command) => self.create_account(command),
            Command::OpenSession(command) => self.open_session(command),
            Command::Delegate(command) => self.delegate(command),
            Command::SetTier(command) => self.set_tier(command),
            Command::SetLimits(command) => self.set_limits(command),
            Command::SetFees(command) => self.set_fees(command),
            Command::CollectFees(command) => self.collect_fees(command),
            Command::SetCollar(command) => self.set_collar(command),
            Command::ConfirmAttestation(command) => self.confirm_attestation(command),
            Command::Deposit(command) => self.deposit(command),
        };
        Self::report_outcome(command.kind(), result.err().unwrap_or(Reason::None), out);
    }

    /// What the next request must continue: the order that sweeps, or [`OrderId::NONE`] of any other work.
    #[must_use]
    pub fn pending_work(&self) -> Option<OrderId> {
        self.work.as_ref().map(|work| match work {
            Work::Sweep(sweep) => sweep.order_id,
            Work::MassCancel(_) | Work::Uncrossing(_) | Work::Expiring | Work::Arriving(_) => {
                OrderId::NONE
            }
        })
    }

    fn go_on(&mut self, out: &mut Effects) {
        let work = self.work.take();
        match work.expect("a Continue was found to name the pending work") {
            Work::Sweep(sweep) => self.sweep(sweep, out),
            Work::MassCancel(canceling) => self.go_on_canceling(canceling, out),
            Work::Uncrossing(uncrossing) => self.go_on_uncrossing(uncrossing, out),
            Work::Expiring => self.expire(out),
            Work::Arriving(market) => self.go_on_arriving(market, out),
        }
    }

    /// A market that an order names, and that therefore exists.
    pub(crate) fn market_of_order(&self, market: MarketId) -> &Market {
        self.markets[market.0 as usize]
            .as_ref()
            .expect("orders stand in markets that exist")
    }

    /// The account that an existing session trades for.
    pub(crate) fn account_of(&self, session: SessionId) -> AccountId {
        self.session_state(session).account
    }

    pub(crate) fn session_or_none(&self, session: SessionId) -> Option<&Session> {
        self.sessions.get(session.0 as usize)?.as_ref()
    }

    pub(crate) fn session_state(&self, session: SessionId) -> &Session {
        self.sessions[session.0 as usize]
            .as_ref()
            .expect("only sessions that exist are admitted or own orders")
    }
}
