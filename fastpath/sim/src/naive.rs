//! The state of the twin, and the way of a command through it.

use crate::Mutant;
use domain::{
    AccountId, AssetId, ClientOrderId, Command, CreateAccount, CreateAsset, CreateMarket, Effects,
    Flag, Genesis, MarketId, Nanos, OpenSession, OrderId, OrderType, Phase, Price, Qty, Reason,
    Request, Seq, SessionId, Side, Source, Stamp, TimeInForce,
};
use std::collections::BTreeMap;

/// The obviously right engine. The rules are those of docs/ENGINE.md; nothing here is fast.
#[derive(Clone, Debug)]
pub struct NaiveEngine {
    pub(crate) version: u16,
    pub(crate) epoch: u32,
    pub(crate) phase: Phase,
    pub(crate) cancel_only_until: Nanos,
    pub(crate) now: Nanos,
    pub(crate) next_trade_id: u64,
    pub(crate) next_feed_no: u64,
    /// Set by `Genesis`; none before it.
    pub(crate) capacities: Option<Genesis>,
    pub(crate) assets: BTreeMap<AssetId, Asset>,
    pub(crate) markets: BTreeMap<MarketId, CreateMarket>,
    pub(crate) accounts: BTreeMap<AccountId, CreateAccount>,
    /// What an account owns of an asset, held or not, in base units. No entry: nothing.
    pub(crate) owned: BTreeMap<(AccountId, AssetId), u64>,
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    /// Last numbers of all sources that have sent anything.
    pub(crate) last_numbers: BTreeMap<Source, u64>,
    /// Resting orders and the one that sweeps, in no particular order.
    pub(crate) orders: Vec<Order>,
    /// Order ids that slots will give out next; the last one first.
    pub(crate) free_slots: Vec<OrderId>,
    pub(crate) next_fresh_slot: u32,
    pub(crate) sweep: Option<Sweep>,
    mutant: Option<Mutant>,
}

/// An asset and its totals, in base units.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asset {
    pub(crate) terms: CreateAsset,
    pub(crate) deposited: u64,
    pub(crate) fees: u64,
}

/// A session; its last number is with those of the other sources.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session {
    pub(crate) terms: OpenSession,
    pub(crate) next_report_no: u64,
    /// The first report number of this epoch.
    pub(crate) epoch_report_no: u64,
}

/// A live order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    pub(crate) session: SessionId,
    pub(crate) account: AccountId,
    pub(crate) market: MarketId,
    pub(crate) side: Side,
    pub(crate) post_only: Flag,
    /// In ticks; 0 for a market order.
    pub(crate) price: Price,
    pub(crate) leaves: Qty,
    pub(crate) filled: Qty,
    pub(crate) client_order_id: ClientOrderId,
    /// The frame in which it joined the queue of its price; [`SWEEPING`] while it sweeps.
    pub(crate) priority: Seq,
}

/// The priority of an order that rests nowhere yet. Frames start at 1.
pub(crate) const SWEEPING: Seq = Seq(0);

/// What a sweep needs to know beyond its order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sweep {
    pub(crate) order_id: OrderId,
    pub(crate) order_type: OrderType,
    pub(crate) time_in_force: TimeInForce,
}

impl Default for NaiveEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl NaiveEngine {
    /// An engine before its first command.
    #[must_use]
    pub fn new() -> Self {
        Self {
            version: 1,
            epoch: 0,
            phase: Phase::Open,
            cancel_only_until: Nanos(0),
            now: Nanos(0),
            next_trade_id: 1,
            next_feed_no: 1,
            capacities: None,
            assets: BTreeMap::new(),
            markets: BTreeMap::new(),
            accounts: BTreeMap::new(),
            owned: BTreeMap::new(),
            sessions: BTreeMap::new(),
            last_numbers: BTreeMap::new(),
            orders: Vec::new(),
            free_slots: Vec::new(),
            next_fresh_slot: 0,
            sweep: None,
            mutant: None,
        }
    }

    /// An engine that gets one rule wrong.
    #[must_use]
    pub fn with_mutant(mutant: Mutant) -> Self {
        Self {
            mutant: Some(mutant),
            ..Self::new()
        }
    }

    pub(crate) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Whether the next command of `source` may carry this number.
    #[must_use]
    pub fn admits(&self, source: Source, number: u64) -> bool {
        let last = self.last_number(source);
        match source.session() {
            Some(session) => self.sessions.contains_key(&session) && number > last,
            None => match source {
                Source::SEQUENCER | Source::ADMINISTRATION | Source::GATEWAY => number > last,
                Source::DEPOSITS => Some(number) == last.checked_add(1),
                _ => false,
            },
        }
    }

    /// Applies a command and writes what it causes into `out`, which is cleared first.
    ///
    /// # Panics
    /// If the command is not admitted, or if it is a `Continue` exactly when no sweep (or another
    /// order's) is pending: the sequencer must not let that happen.
    pub fn apply(&mut self, stamp: Stamp, request: &Request, out: &mut Effects) {
        self.check_protocol(request);
        out.clear();
        let source = request.source;
        let last = self.last_number(source);
        self.last_numbers.insert(source, request.source_seq);
        self.now = if self.is(Mutant::TimeGoesBack) {
            stamp.time
        } else {
            self.now.max(stamp.time)
        };
        match source.session() {
            Some(session) => {
                self.report_skipped(session, last, request.source_seq, out);
                self.apply_from_session(session, stamp.seq, &request.command, out);
            }
            None => self.apply_from_elsewhere(stamp.seq, request, last, out),
        }
    }

    fn check_protocol(&self, request: &Request) {
        assert!(
            self.admits(request.source, request.source_seq),
            "number {} of {} is not admitted",
            request.source_seq,
            request.source
        );
        assert!(
            self.fits(&request.command),
            "Continue comes if and only if its order's sweep is pending"
        );
    }

    /// Whether the command may come now. While a sweep is pending only its `Continue` may, and no
    /// `Continue` otherwise; a `Recovered` always may, because a process can die within a sweep and
    /// its first command after that begins the epoch.
    #[must_use]
    pub fn fits(&self, command: &Command) -> bool {
        match (command, self.pending_sweep()) {
            (Command::Recovered(_), _) => true,
            (Command::Continue(command), pending) => pending == Some(command.order_id),
            (_, pending) => pending.is_none(),
        }
    }

    fn apply_from_session(
        &mut self,
        session: SessionId,
        seq: Seq,
        command: &Command,
        out: &mut Effects,
    ) {
        match command {
            Command::NewOrder(new) => self.new_order(session, new, seq, out),
            Command::CancelOrder(cancel) => self.cancel_order(session, cancel, out),
            Command::AmendOrder(amend) => self.amend_order(session, amend, seq, out),
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
            | Command::Deposit(_) => self.report_rejected(
                session,
                command.kind(),
                (OrderId::NONE, ClientOrderId(0)),
                Reason::UnknownSession,
                out,
            ),
        }
    }

    fn apply_from_elsewhere(&mut self, seq: Seq, request: &Request, last: u64, out: &mut Effects) {
        let answer = match &request.command {
            Command::NewOrder(_) | Command::CancelOrder(_) | Command::AmendOrder(_) => {
                Err(Reason::UnknownSession)
            }
            Command::Continue(_) => return self.go_on(seq, out),
            Command::Checkpoint(_) => return self.report_state_hash(out),
            Command::Timer(_) => self.timer(out),
            Command::Recovered(command) => self.recovered(command, out),
            Command::EngineVersion(command) => self.engine_version(command),
            Command::Genesis(command) => self.genesis(command),
            Command::CreateAsset(command) => self.create_asset(command),
            Command::CreateMarket(command) => self.create_market(command, out),
            Command::CreateAccount(command) => self.create_account(command),
            Command::OpenSession(command) => self.open_session(command),
            Command::Delegate(command) => self.delegate(command),
            Command::Deposit(command) => self.deposit(command),
        };
        if answer.is_err()
            && request.source == Source::DEPOSITS
            && self.is(Mutant::RefusedDepositKeepsNumber)
        {
            self.last_numbers.insert(request.source, last);
        }
        Self::report_outcome(request.command.kind(), answer, out);
    }
}
