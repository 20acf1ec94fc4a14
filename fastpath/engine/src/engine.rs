//! The engine's state and the way of a request through it.

use crate::book::Ladders;
use crate::client_ids::ClientIds;
use crate::funds::Funds;
use crate::market::Market;
use crate::orders::Orders;
use crate::sources::ServiceNumbers;
use crate::sweep::Sweep;
use domain::{
    AccountId, AccountView, Amount, Command, CreateAsset, Delegation, Effects, Gate, Genesis,
    MarketId, Nanos, Phase, Reason, Request, Seq, SessionId, Stamp,
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
    pub(crate) next_report_no: u64,
    pub(crate) last_number: u64,
    /// Its next report number when the epoch began; 1 if it was opened later.
    pub(crate) epoch_report_no: u64,
}

const _: () = assert!(
    size_of::<Option<Session>>() == 128 && core::mem::offset_of!(Delegation, expires) == 64,
    "a session is two cache lines, of which an order needs one"
);

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
    pub(crate) assets: Vec<Option<Asset>>,
    pub(crate) markets: Vec<Option<Market>>,
    pub(crate) accounts: Vec<Option<AccountView>>,
    pub(crate) sessions: Vec<Option<Session>>,
    pub(crate) funds: Funds,
    pub(crate) orders: Orders,
    pub(crate) client_ids: ClientIds,
    pub(crate) ladders: Ladders,
    pub(crate) sweep: Option<Sweep>,
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
            assets: Vec::new(),
            markets: Vec::new(),
            accounts: Vec::new(),
            sessions: Vec::new(),
            funds: Funds::with_capacity(0, 0),
            orders: Orders::with_capacity(0),
            client_ids: ClientIds::with_capacity(0, probe_key),
            ladders: Ladders::with_capacity(0, 0),
            sweep: None,
            probe_key,
        }
    }

    /// Applies an admitted request and writes what it caused into `out`, which is cleared first.
    ///
    /// # Panics
    /// If the sequencer breaks the protocol: the request is not admitted ([`Engine::admits`]);
    /// a sweep is pending ([`Engine::pending_sweep`]) and the request is not the `Continue` of its
    /// order; or it is a `Continue` and no sweep is pending.
    pub fn apply(&mut self, stamp: Stamp, request: &Request, out: &mut Effects) {
        out.clear();
        self.check_protocol(request);
        let skipped = self.take_number(request.source, request.source_seq);
        self.now = self.now.max(stamp.time);
        match request.source.session() {
            Some(session) => {
                if let Some((from, count)) = skipped {
                    self.report_not_applied(session, from, count, out);
                }
                self.apply_from_session(stamp.seq, session, &request.command, out);
            }
            None => self.apply_from_service(stamp.seq, &request.command, out),
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
            "a pending sweep, and nothing else, is continued: ask pending_sweep() first"
        );
    }

    /// Whether the command may come now. While a sweep is pending only its `Continue` may, and no
    /// `Continue` otherwise; a `Recovered` always may, because a process can die within a sweep and
    /// its first command after that begins the epoch.
    #[must_use]
    pub fn fits(&self, command: &Command) -> bool {
        let continued = if let Command::Continue(command) = command {
            Some(command.order_id)
        } else {
            None
        };
        continued == self.pending_sweep() || matches!(command, Command::Recovered(_))
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
            Command::AmendOrder(command) => self.amend_order(seq, session, command, out),
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
            | Command::Deposit(_) => {
                self.report_not_for_sessions(session, command.kind(), out);
            }
        }
    }

    fn apply_from_service(&mut self, seq: Seq, command: &Command, out: &mut Effects) {
        let result = match command {
            Command::Continue(_) => return self.continue_sweep(seq, out),
            Command::Checkpoint(_) => return self.checkpoint(out),
            Command::NewOrder(_) | Command::CancelOrder(_) | Command::AmendOrder(_) => {
                Err(Reason::UnknownSession)
            }
            Command::Timer(_) => {
                self.timer(out);
                Ok(())
            }
            Command::Recovered(command) => self.recovered(command, out),
            Command::EngineVersion(command) => self.switch_version(command),
            Command::Genesis(command) => self.begin(command),
            Command::CreateAsset(command) => self.create_asset(command),
            Command::CreateMarket(command) => self.create_market(command, out),
            Command::CreateAccount(command) => self.create_account(command),
            Command::OpenSession(command) => self.open_session(command),
            Command::Delegate(command) => self.delegate(command),
            Command::Deposit(command) => self.deposit(command),
        };
        Self::report_outcome(command.kind(), result.err().unwrap_or(Reason::None), out);
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

    pub(crate) fn session_state(&self, session: SessionId) -> &Session {
        self.sessions[session.0 as usize]
            .as_ref()
            .expect("only sessions that exist are admitted or own orders")
    }

    pub(crate) fn session_state_mut(&mut self, session: SessionId) -> &mut Session {
        self.sessions[session.0 as usize]
            .as_mut()
            .expect("only sessions that exist are admitted or own orders")
    }
}
