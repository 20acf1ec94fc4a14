//! The state of the twin, and the way of a command through it.

use crate::Mutant;
use domain::{
    AccountId, Amount, AssetId, ClientOrderId, Command, CreateAccount, CreateAsset, CreateMarket,
    Effects, Genesis, Limits, MarketId, MarketState, MassCancel, Nanos, OpenSession, OrderId,
    OrderType, Phase, PostOnly, Price, Qty, Reason, Request, Scope, SelfTrade, SelfTradeScope, Seq,
    SessionId, SetCollar, SetProtection, Side, Source, Stamp, TimeInForce,
};
use std::collections::{BTreeMap, BTreeSet};

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
    pub(crate) markets: BTreeMap<MarketId, Market>,
    /// What a tier pays in a market, where that was set: maker and taker, in parts per million.
    pub(crate) tier_fees: BTreeMap<(MarketId, u32), (i32, u32)>,
    pub(crate) accounts: BTreeMap<AccountId, Account>,
    /// Limits of tiers, where they were set.
    pub(crate) tier_limits: BTreeMap<u32, Limits>,
    /// Limits of accounts that have their own.
    pub(crate) own_limits: BTreeMap<AccountId, Limits>,
    /// What an account owns of an asset, held or not, in base units. No entry: nothing.
    pub(crate) owned: BTreeMap<(AccountId, AssetId), u64>,
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    /// Last numbers of all sources that have sent anything.
    pub(crate) last_numbers: BTreeMap<Source, u64>,
    /// Resting orders and the one that sweeps, in the order in which they were entered.
    pub(crate) orders: Vec<Order>,
    /// Order ids that slots will give out next; the last one first.
    pub(crate) free_slots: Vec<OrderId>,
    pub(crate) next_fresh_slot: u32,
    /// Protections that have limits.
    pub(crate) protections: BTreeMap<(SessionId, MarketId), Protection>,
    /// Those that are on.
    pub(crate) kill_switches: BTreeSet<(Scope, u32)>,
    pub(crate) work: Option<Work>,
    mutant: Option<Mutant>,
}

/// An asset and its totals, in base units.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asset {
    pub(crate) terms: CreateAsset,
    pub(crate) deposited: u64,
    pub(crate) fees: u64,
}

/// A market: its terms, and what has become of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Market {
    pub(crate) terms: CreateMarket,
    pub(crate) state: MarketState,
    /// Of its last trade, in ticks; 0 before the first.
    pub(crate) last_price: Price,
    pub(crate) collar: SetCollar,
    /// Lowest and highest price of trades that have not been told to stops yet.
    pub(crate) reach: Option<(Price, Price)>,
}

/// An account; its limits, if it has its own, are with those of the others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    pub(crate) terms: CreateAccount,
    pub(crate) tier: u32,
    /// What it traded on `volume_day`, in millionths of whole units of the quote assets.
    pub(crate) volume: u64,
    /// The day of its last trade, in days since 1970.
    pub(crate) volume_day: u32,
}

/// A session; its last number is with those of the other sources.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session {
    pub(crate) terms: OpenSession,
    pub(crate) next_report_no: u64,
    /// The first report number of this epoch.
    pub(crate) epoch_report_no: u64,
    /// What it has entered while there was a limit to what is not attested, in millionths of whole quote units, modulo
    /// 2^64.
    pub(crate) entered: u64,
    /// What of that it has not attested.
    pub(crate) unattested: u64,
    /// How many had been opened before it.
    pub(crate) opened: usize,
}

/// A live order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    pub(crate) session: SessionId,
    pub(crate) account: AccountId,
    pub(crate) market: MarketId,
    pub(crate) side: Side,
    pub(crate) post_only: PostOnly,
    /// Whether it is a side of its session's quote.
    pub(crate) quote: bool,
    pub(crate) self_trade: SelfTrade,
    pub(crate) self_trade_scope: SelfTradeScope,
    /// In ticks; 0 for a market order, also one that waits.
    pub(crate) price: Price,
    pub(crate) leaves: Qty,
    pub(crate) filled: Qty,
    pub(crate) client_order_id: ClientOrderId,
    /// Number of the event by which it joined the queue of its price; [`NOWHERE`] while it is in none.
    pub(crate) priority: u64,
    /// Lots that the book shows of it at a time; 0: all.
    pub(crate) display: Qty,
    /// Lots of `leaves` that the book does not show.
    pub(crate) hidden: Qty,
    /// When it ends; 0: never by itself.
    pub(crate) expires: Nanos,
    /// Whether it ends when its market closes.
    pub(crate) until_close: bool,
    /// Set while it waits for a trade.
    pub(crate) stop: Option<Stop>,
}

/// How a session protects what it quotes in a market, and what has traded of that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Protection {
    pub(crate) terms: SetProtection,
    /// The first trade that counts; not looked at while none does.
    pub(crate) begun: Nanos,
    pub(crate) qty: Qty,
    pub(crate) notional: Amount,
    pub(crate) fills: u32,
    /// No quotes are taken.
    pub(crate) reached: bool,
}

/// What an order waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop {
    pub(crate) trigger: Price,
    /// The worst price at which it trades then, if it has no limit; 0: any.
    pub(crate) worst: Price,
    /// The frame of its command.
    pub(crate) entered: Seq,
}

/// The priority of an order that rests nowhere. Feed numbers start at 1.
pub(crate) const NOWHERE: u64 = 0;

/// What a frame had no room for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    Sweep(Sweep),
    Canceling(Canceling),
    Uncrossing(Uncrossing),
    /// Orders whose time has come.
    Expiring,
    /// Stops of a market that are to arrive.
    Arriving(MarketId),
}

/// What a sweep needs to know beyond its order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sweep {
    pub(crate) order_id: OrderId,
    pub(crate) order_type: OrderType,
    pub(crate) time_in_force: TimeInForce,
    /// The worst price at which a market order trades; 0: any.
    pub(crate) worst: Price,
}

/// A mass cancel, or what cancels as one does, and where its walk stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Canceling {
    pub(crate) reason: Reason,
    /// The session that asked, if one did.
    pub(crate) asked: Option<SessionId>,
    /// Which orders; of a session's own command with the target that it means.
    pub(crate) wanted: MassCancel,
    pub(crate) count: u64,
    /// None behind the last.
    pub(crate) next_session: Option<u32>,
    /// The order to look at next, or none if the session is.
    pub(crate) next_order: OrderId,
}

/// An auction, and how far it has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uncrossing {
    pub(crate) market: MarketId,
    pub(crate) stage: Stage,
}

/// The stages of an auction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stage {
    /// Its price is looked for.
    Looking(Looking),
    /// So many lots are still to trade.
    Trading { price: Price, left: Qty },
}

/// Where the search for an auction's price stands: what meets next, and what has met.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Looking {
    pub(crate) bid: Price,
    pub(crate) bid_left: Qty,
    pub(crate) ask: Price,
    pub(crate) ask_left: Qty,
    pub(crate) volume: Qty,
    pub(crate) last_bid: Price,
    pub(crate) last_ask: Price,
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
            tier_fees: BTreeMap::new(),
            accounts: BTreeMap::new(),
            tier_limits: BTreeMap::new(),
            own_limits: BTreeMap::new(),
            owned: BTreeMap::new(),
            sessions: BTreeMap::new(),
            last_numbers: BTreeMap::new(),
            orders: Vec::new(),
            free_slots: Vec::new(),
            next_fresh_slot: 0,
            protections: BTreeMap::new(),
            kill_switches: BTreeSet::new(),
            work: None,
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
    /// If the command is not admitted, or if it is a `Continue` exactly when no work (or another
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
            None => self.apply_from_elsewhere(request, last, out),
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
            "Continue comes if and only if its work is pending"
        );
    }

    /// Whether the command may come now. While work is pending only its `Continue` may, and no
    /// `Continue` otherwise; a `Recovered` always may, because a process can die within it and
    /// its first command after that begins the epoch.
    #[must_use]
    pub fn fits(&self, command: &Command) -> bool {
        match (command, self.pending_work()) {
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
            Command::AmendOrder(amend) => self.amend_order(session, amend, out),
            Command::MassCancel(cancel) => self.mass_cancel(Some(session), cancel, out),
            Command::KillSwitch(switch) => self.kill_switch(Some(session), switch, out),
            Command::Quote(quote) => self.quote(session, quote, out),
            Command::SetProtection(command) => self.set_protection(session, command, out),
            Command::Attest(_) => self.attest(session, out),
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
            | Command::Deposit(_) => self.report_rejected(
                session,
                command.kind(),
                (OrderId::NONE, ClientOrderId(0)),
                Reason::UnknownSession,
                out,
            ),
        }
    }

    fn apply_from_elsewhere(&mut self, request: &Request, last: u64, out: &mut Effects) {
        let answer = match &request.command {
            Command::NewOrder(_)
            | Command::CancelOrder(_)
            | Command::AmendOrder(_)
            | Command::Quote(_)
            | Command::SetProtection(_)
            | Command::Attest(_) => Err(Reason::UnknownSession),
            Command::MassCancel(cancel) => return self.mass_cancel(None, cancel, out),
            Command::KillSwitch(switch) => return self.kill_switch(None, switch, out),
            Command::Continue(_) => return self.go_on(out),
            Command::SetMarketState(command) => return self.set_market_state(command, out),
            Command::DelistMarket(command) => return self.delist_market(command, out),
            Command::Timer(_) => return self.timer(out),
            Command::Checkpoint(_) => return self.report_state_hash(out),
            Command::Recovered(command) => self.recovered(command, out),
            Command::EngineVersion(command) => self.engine_version(command),
            Command::Genesis(command) => self.genesis(command),
            Command::CreateAsset(command) => self.create_asset(command),
            Command::CreateMarket(command) => self.create_market(command, out),
            Command::CreateAccount(command) => self.create_account(command),
            Command::OpenSession(command) => self.open_session(command),
            Command::Delegate(command) => self.delegate(command),
            Command::SetTier(command) => self.set_tier(command),
            Command::SetLimits(command) => self.set_limits(command),
            Command::SetFees(command) => self.set_fees(command),
            Command::CollectFees(command) => self.pay_out_fees(command),
            Command::SetCollar(command) => self.set_collar(command),
            Command::ConfirmAttestation(command) => self.confirm_attestation(command),
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

    /// Goes on with what is pending.
    fn go_on(&mut self, out: &mut Effects) {
        match self.work.take() {
            Some(Work::Sweep(sweep)) => self.go_on_sweeping(sweep, out),
            Some(Work::Canceling(canceling)) => self.go_on_canceling(canceling, out),
            Some(Work::Uncrossing(uncrossing)) => self.uncross(uncrossing, out),
            Some(Work::Expiring) => self.expire(out),
            Some(Work::Arriving(market)) => self.arrive(market, out),
            None => panic!("a Continue names the pending work"),
        }
    }
}
