//! A small exchange to test with, and short ways to say what is sent to it.
//!
//! Assets 0 (base) and 1 (quote). Market 0: prices 50 to 149, tick value 10, lot size 100, at
//! least 2 lots, maker fee 0.1 %, taker fee 0.2 %. Market 1: prices 1 to 200, all units 1, no fees.
//! Sessions 0 and 1 trade for accounts 0 and 1; session 2 for account 1 as well.

use domain::*;
use engine::Engine;

pub(crate) const BASE: AssetId = AssetId(0);
pub(crate) const QUOTE: AssetId = AssetId(1);
pub(crate) const FEES: MarketId = MarketId(0);
pub(crate) const PLAIN: MarketId = MarketId(1);
pub(crate) const START: u64 = 1_000_000;

pub(crate) const GENESIS: Genesis = Genesis {
    max_assets: 3,
    max_markets: 3,
    max_accounts: 3,
    max_sessions: 4,
    max_orders: 64,
    max_levels: 310,
    max_pages: 64,
    pad: [Zero::Zero; 4],
};

pub(crate) struct Exchange {
    pub(crate) engine: Engine,
    pub(crate) out: Effects,
    pub(crate) seq: u64,
    /// Engine time of the last command.
    pub(crate) time: u64,
}

pub(crate) fn asset(id: u32) -> Command {
    Command::CreateAsset(CreateAsset {
        asset: AssetId(id),
        decimals: 8,
        pad: [Zero::Zero; 3],
        symbol: *b"ASSET\0\0\0\0\0\0\0\0\0\0\0",
    })
}

pub(crate) fn fee_market() -> CreateMarket {
    CreateMarket {
        market: FEES,
        base: BASE,
        quote: QUOTE,
        maker_fee_ppm: 1_000,
        taker_fee_ppm: 2_000,
        price_levels: 100,
        tick_value: 10,
        lot_size: 100,
        min_qty: Qty(2),
        price_min: Price(50),
        symbol: *b"BASE-QUOTE\0\0\0\0\0\0",
        state: MarketState::Continuous,
        pad: [Zero::Zero; 7],
    }
}

pub(crate) fn plain_market() -> CreateMarket {
    CreateMarket {
        market: PLAIN,
        maker_fee_ppm: 0,
        taker_fee_ppm: 0,
        price_levels: 200,
        tick_value: 1,
        lot_size: 1,
        min_qty: Qty(1),
        price_min: Price(1),
        ..fee_market()
    }
}

pub(crate) fn account(id: u32) -> Command {
    Command::CreateAccount(CreateAccount {
        account: AccountId(id),
        firm: FirmId(7),
        owner: [3; 32],
    })
}

pub(crate) fn session(id: u32, account: u32) -> Command {
    Command::OpenSession(OpenSession {
        session: SessionId(id),
        account: AccountId(account),
        delegation: Delegation::unlimited([u8::try_from(id).unwrap(); 32]),
        gate: Gate::Port,
        pad: [Zero::Zero; 7],
    })
}

pub(crate) fn deposit(account: u32, asset: AssetId, amount: u64) -> Command {
    Command::Deposit(Deposit {
        account: AccountId(account),
        asset,
        amount: Amount(amount),
    })
}

/// A copy with something changed.
pub(crate) fn with<T: Copy>(original: T, change: impl FnOnce(&mut T)) -> T {
    let mut copy = original;
    change(&mut copy);
    copy
}

pub(crate) fn limit(client: u64, market: MarketId, side: Side, price: i64, qty: u64) -> NewOrder {
    NewOrder {
        client_order_id: ClientOrderId(client),
        price: Price(price),
        qty: Qty(qty),
        market,
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        ..NewOrder::PLAIN
    }
}

pub(crate) fn immediate(order: NewOrder) -> NewOrder {
    NewOrder {
        time_in_force: TimeInForce::ImmediateOrCancel,
        ..order
    }
}

pub(crate) fn fill_or_kill(order: NewOrder) -> NewOrder {
    NewOrder {
        time_in_force: TimeInForce::FillOrKill,
        ..order
    }
}

/// Arrives as a market order.
pub(crate) fn stop(trigger: i64, order: NewOrder) -> NewOrder {
    NewOrder {
        order_type: OrderType::Stop,
        time_in_force: TimeInForce::GoodTillCancel,
        trigger_price: Price(trigger),
        ..order
    }
}

pub(crate) fn stop_limit(trigger: i64, order: NewOrder) -> NewOrder {
    NewOrder {
        order_type: OrderType::StopLimit,
        ..stop(trigger, order)
    }
}

/// An iceberg.
pub(crate) fn showing(display: u64, order: NewOrder) -> NewOrder {
    NewOrder {
        display_qty: Qty(display),
        ..order
    }
}

/// Good till a time.
pub(crate) fn until(end: u64, order: NewOrder) -> NewOrder {
    NewOrder {
        time_in_force: TimeInForce::GoodTillTime,
        expires: Nanos(end),
        ..order
    }
}

pub(crate) fn until_close(order: NewOrder) -> NewOrder {
    NewOrder {
        time_in_force: TimeInForce::GoodTillClose,
        ..order
    }
}

pub(crate) fn timer(deadline: u64) -> Command {
    Command::Timer(Timer {
        deadline: Nanos(deadline),
    })
}

pub(crate) fn market(client: u64, market: MarketId, side: Side, qty: u64) -> NewOrder {
    NewOrder {
        order_type: OrderType::Market,
        ..immediate(limit(client, market, side, 0, qty))
    }
}

pub(crate) fn kill_switch(scope: Scope, target: u32, on: Flag) -> Command {
    Command::KillSwitch(KillSwitch {
        request: 0,
        target,
        scope,
        on,
        pad: [Zero::Zero; 2],
    })
}

pub(crate) fn set_limits(of_account: bool, target: u32, limits: Limits) -> Command {
    Command::SetLimits(SetLimits {
        target,
        of_account: Flag::from(of_account),
        as_tier: Flag::No,
        pad: [Zero::Zero; 2],
        limits,
    })
}

pub(crate) fn confirm(session: u32, level: u64) -> Command {
    Command::ConfirmAttestation(ConfirmAttestation {
        session: SessionId(session),
        pad: [Zero::Zero; 4],
        level,
    })
}

pub(crate) fn set_tier(account: u32, tier: u32) -> Command {
    Command::SetTier(SetTier {
        account: AccountId(account),
        tier,
    })
}

pub(crate) fn set_fees(tier: u32, market: MarketId, maker: i32, taker: u32) -> Command {
    Command::SetFees(SetFees {
        tier,
        market,
        maker_fee_ppm: maker,
        taker_fee_ppm: taker,
    })
}

pub(crate) fn post_only(order: NewOrder) -> NewOrder {
    NewOrder {
        post_only: PostOnly::Refuse,
        ..order
    }
}

impl Exchange {
    /// Before genesis.
    pub(crate) fn blank() -> Self {
        Self {
            engine: Engine::new(),
            out: Effects::new(),
            seq: 0,
            time: 0,
        }
    }

    /// With assets, markets, accounts and sessions, and no funds.
    pub(crate) fn unfunded(genesis: Genesis) -> Self {
        Self::of_assets(genesis, [asset(0), asset(1)])
    }

    /// With [`START`] of each asset in each account, and one base unit to a whole unit.
    pub(crate) fn of_whole_units() -> Self {
        let whole = |id| match asset(id) {
            Command::CreateAsset(terms) => Command::CreateAsset(CreateAsset {
                decimals: 0,
                ..terms
            }),
            other => other,
        };
        let mut exchange = Self::of_assets(GENESIS, [whole(0), whole(1)]);
        exchange.fund_all();
        exchange
    }

    fn of_assets(genesis: Genesis, [base, quote]: [Command; 2]) -> Self {
        let mut exchange = Self::blank();
        for command in [
            Command::Genesis(genesis),
            base,
            quote,
            Command::CreateMarket(fee_market()),
            Command::CreateMarket(plain_market()),
            account(0),
            account(1),
            session(0, 0),
            session(1, 1),
            session(2, 1),
        ] {
            assert_eq!(exchange.admin(command), Reason::None, "{command:?}");
        }
        exchange
    }

    /// With [`START`] of each asset in each account.
    pub(crate) fn new() -> Self {
        let mut exchange = Self::unfunded(GENESIS);
        exchange.fund_all();
        exchange
    }

    fn fund_all(&mut self) {
        for (account, asset) in [(0, BASE), (0, QUOTE), (1, BASE), (1, QUOTE)] {
            self.fund(account, asset, START);
        }
    }

    pub(crate) fn fund(&mut self, account: u32, asset: AssetId, amount: u64) {
        assert_eq!(self.admin(deposit(account, asset, amount)), Reason::None);
    }

    pub(crate) fn apply_numbered(
        &mut self,
        source: Source,
        number: u64,
        command: Command,
    ) -> Vec<Event> {
        self.seq += 1;
        self.time += 1;
        let request = Request {
            source,
            source_seq: number,
            receive_time: Nanos(0),
            command,
        };
        let stamp = Stamp {
            seq: Seq(self.seq),
            time: Nanos(self.time),
        };
        self.engine.apply(stamp, &request, &mut self.out);
        self.engine
            .check_invariants()
            .unwrap_or_else(|broken| panic!("after {command:?}: {broken}"));
        let events: Vec<_> = self.out.events().map(|event| event.unwrap()).collect();
        assert_eq!(events.len(), usize::from(self.out.count()));
        events
    }

    pub(crate) fn apply(&mut self, source: Source, command: Command) -> Vec<Event> {
        let number = self.engine.last_number(source) + 1;
        self.apply_numbered(source, number, command)
    }

    /// The reason of the one outcome of a command of no session.
    pub(crate) fn admin(&mut self, command: Command) -> Reason {
        let source = match command {
            Command::Deposit(_) => Source::DEPOSITS,
            _ => Source::ADMINISTRATION,
        };
        outcome(&self.apply(source, command), command.kind())
    }

    pub(crate) fn sequencer(&mut self, command: Command) -> Vec<Event> {
        self.apply(Source::SEQUENCER, command)
    }

    pub(crate) fn send(&mut self, session: u32, command: Command) -> Vec<Event> {
        self.apply(Source::of_session(SessionId(session)), command)
    }

    pub(crate) fn enter(&mut self, session: u32, order: NewOrder) -> Vec<Event> {
        self.send(session, Command::NewOrder(order))
    }

    /// Enters an order that must rest without trading.
    pub(crate) fn rest(&mut self, session: u32, order: NewOrder) -> OrderId {
        let events = self.enter(session, order);
        match events[..] {
            [Event::Accepted(accepted), Event::BookAdd(_)] => accepted.order_id,
            _ => panic!("{order:?} must rest: {events:?}"),
        }
    }

    /// Lets a halted market go on.
    pub(crate) fn rest_of_halt(&mut self, market: MarketId) -> Vec<Event> {
        let open = Command::SetMarketState(SetMarketState {
            market,
            state: MarketState::Continuous,
            pad: [Zero::Zero; 3],
        });
        let mut events = self.apply(Source::ADMINISTRATION, open);
        events.extend(self.finish_sweep().0);
        events
    }

    pub(crate) fn cancel(&mut self, session: u32, order_id: OrderId) -> Vec<Event> {
        let client_order_id = ClientOrderId(0);
        self.send(
            session,
            Command::CancelOrder(CancelOrder {
                order_id,
                client_order_id,
                qty: Qty::ZERO,
            }),
        )
    }

    pub(crate) fn amend(
        &mut self,
        session: u32,
        order_id: OrderId,
        price: i64,
        qty: u64,
    ) -> Vec<Event> {
        self.send(
            session,
            Command::AmendOrder(AmendOrder {
                order_id,
                client_order_id: ClientOrderId(0),
                price: Price(price),
                qty: Qty(qty),
                new_client_order_id: ClientOrderId(0),
            }),
        )
    }

    /// Goes on with pending sweeps until there is none; all events and how many frames it took.
    pub(crate) fn finish_sweep(&mut self) -> (Vec<Event>, usize) {
        let (mut events, mut frames) = (Vec::new(), 0);
        while let Some(order_id) = self.engine.pending_work() {
            events.extend(self.sequencer(Command::Continue(Continue { order_id })));
            frames += 1;
        }
        (events, frames)
    }

    /// (available, held)
    pub(crate) fn balance(&self, account: u32, asset: AssetId) -> (u64, u64) {
        let balance = self.engine.balance(AccountId(account), asset);
        let (available, held) = balance.expect("exists");
        (available.0, held.0)
    }

    pub(crate) fn fees(&self, asset: AssetId) -> u64 {
        self.engine.asset(asset).expect("exists").1.0
    }

    pub(crate) fn rejection(&mut self, session: u32, order: NewOrder) -> Reason {
        let hash = self.hash_of_everything_but_numbers();
        let events = self.enter(session, order);
        let [Event::Rejected(rejected)] = events[..] else {
            panic!("{order:?} must be rejected: {events:?}");
        };
        assert_eq!(rejected.command, CommandKind::NewOrder);
        assert_eq!(rejected.order_id, OrderId::NONE);
        assert_eq!(rejected.client_order_id, order.client_order_id);
        assert_eq!(self.hash_of_everything_but_numbers(), hash);
        rejected.reason
    }

    /// What a refused order must not change.
    fn hash_of_everything_but_numbers(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        let depth = |market, side| self.engine.depth(market, side, usize::MAX);
        let books =
            [FEES, PLAIN].map(|market| [depth(market, Side::Buy), depth(market, Side::Sell)]);
        let balances =
            [0, 1].map(|account| (self.balance(account, BASE), self.balance(account, QUOTE)));
        (books, balances, self.engine.live_orders())
    }
}

pub(crate) fn outcome(events: &[Event], command: CommandKind) -> Reason {
    let outcome = match events {
        [Event::Outcome(outcome)] => outcome,
        [Event::MarketDefined(_), Event::Outcome(outcome)] if outcome.reason == Reason::None => {
            outcome
        }
        _ => panic!("{command:?} has one outcome: {events:?}"),
    };
    assert_eq!(outcome.command, command);
    outcome.reason
}

pub(crate) fn only_rejection(events: &[Event]) -> Reason {
    let [Event::Rejected(rejected)] = events else {
        panic!("one rejection expected: {events:?}");
    };
    rejected.reason
}

/// (maker, price, qty) of each trade.
pub(crate) fn trades(events: &[Event]) -> Vec<(OrderId, i64, u64)> {
    let trade = |event: &Event| match event {
        Event::Trade(trade) => Some((trade.maker_order_id, trade.price.0, trade.qty.0)),
        _ => None,
    };
    events.iter().filter_map(trade).collect()
}

/// (reason, qty) of the cancel among the events.
pub(crate) fn canceled(events: &[Event]) -> Option<(Reason, u64)> {
    events.iter().find_map(|event| match event {
        Event::Canceled(canceled) => Some((canceled.reason, canceled.qty.0)),
        _ => None,
    })
}
