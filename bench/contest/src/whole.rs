//! Our whole engine: funds, fees, duplicates, limits, and every event as it is journalled.

use crate::checksum::Outcome;
use crate::command::{Command as Asked, Lasting, Op, Workload, place_of};
use crate::core::Core;
use domain::{
    AccountId, AmendOrder, Amount, AssetId, CancelOrder, ClientOrderId, Command, CreateAccount,
    CreateAsset, CreateMarket, Delegation, Deposit, Effects, Event, FirmId, Gate, Genesis,
    Liquidity, MarketId, MarketState, Nanos, NewOrder, OpenSession, OrderId, OrderType, OrderView,
    PostOnly, Price, Qty, Request, Seq, SessionId, Side, Source, Stamp, TimeInForce, Zero,
};
use engine::Engine;
use std::ops::Range;

/// Prices of a market.
const LEVELS: u32 = 1 << 16;
/// What each account has of each asset, base units.
const FUNDS: u64 = 1 << 50;

/// The engine, with an account and a session for each owner.
pub struct Whole<'a> {
    engine: Engine,
    effects: Effects,
    commands: &'a [Asked],
    /// Requests of a burst, from the first command's on. What is asked of a replacement is found when its turn comes.
    burst: Vec<Request>,
    first_of_burst: usize,
    /// By number of a command: the engine's id of the order that it names.
    names: Vec<OrderId>,
    seq: u64,
    /// By session.
    numbers: Vec<u64>,
    outcome: Outcome,
}

impl<'a> Whole<'a> {
    /// With the ids that a first run of the same commands was given: a client names an order by the id that the
    /// exchange gave it.
    #[must_use]
    pub fn new(workload: &'a Workload) -> Self {
        let mut first = Self::empty(workload, Vec::new());
        let mut given = vec![OrderId::NONE; place_of(workload.largest_id) + 1];
        let mut names = Vec::with_capacity(workload.commands.len());
        for (at, command) in workload.commands.iter().enumerate() {
            let id = place_of(command.id);
            names.push(given[id]);
            first.names.push(given[id]);
            first.apply(at);
            for event in first.effects.events().flatten() {
                if let Event::Accepted(accepted) = event {
                    given[id] = accepted.order_id;
                }
            }
        }
        Self::empty(workload, names)
    }

    fn empty(workload: &'a Workload, names: Vec<OrderId>) -> Self {
        let owners = workload.commands.iter().map(|command| command.owner);
        let owners = owners.max().unwrap_or(0) + 1;
        let mut whole = Self {
            engine: Engine::new(),
            effects: Effects::new(),
            commands: &workload.commands,
            burst: Vec::new(),
            first_of_burst: 0,
            names,
            seq: 0,
            numbers: vec![0; owners as usize],
            outcome: Outcome::default(),
        };
        let orders = most_live(workload);
        whole.begin(workload.symbols, owners, orders);
        whole
    }

    fn begin(&mut self, markets: u32, owners: u32, orders: u32) {
        let genesis = Genesis {
            max_assets: 2,
            max_markets: markets,
            max_accounts: owners,
            max_sessions: owners,
            max_orders: orders,
            max_levels: markets * LEVELS,
            max_pages: Genesis::enough_pages(orders, markets, markets * LEVELS),
            pad: [Zero::Zero; 4],
        };
        self.administer(Command::Genesis(genesis));
        for asset in 0..2 {
            self.administer(Command::CreateAsset(CreateAsset {
                asset: AssetId(asset),
                decimals: 0,
                pad: [Zero::Zero; 3],
                symbol: [b'A'; 16],
            }));
        }
        for market in 0..markets {
            self.administer(Command::CreateMarket(market_of(market)));
        }
        for owner in 0..owners {
            self.admit(owner);
        }
    }

    fn admit(&mut self, owner: u32) {
        let account = AccountId(owner);
        self.administer(Command::CreateAccount(CreateAccount {
            account,
            firm: FirmId(0),
            owner: [0; 32],
        }));
        self.administer(Command::OpenSession(OpenSession {
            session: SessionId(owner),
            account,
            delegation: Delegation::unlimited([0; 32]),
            gate: Gate::Port,
            pad: [Zero::Zero; 7],
        }));
        for asset in 0..2 {
            let deposit = Command::Deposit(Deposit {
                account,
                asset: AssetId(asset),
                amount: Amount(FUNDS),
            });
            self.send(
                Source::DEPOSITS,
                u64::from(owner) * 2 + u64::from(asset) + 1,
                deposit,
            );
        }
    }

    fn administer(&mut self, command: Command) {
        let number = self.engine.last_number(Source::ADMINISTRATION) + 1;
        self.send(Source::ADMINISTRATION, number, command);
    }

    #[inline]
    fn send(&mut self, source: Source, number: u64, command: Command) {
        let stamp = self.stamp();
        let request = Request {
            source,
            source_seq: number,
            receive_time: stamp.time,
            command,
        };
        self.engine.apply(stamp, &request, &mut self.effects);
    }

    #[inline]
    fn stamp(&mut self) -> Stamp {
        self.seq += 1;
        Stamp {
            seq: Seq(self.seq),
            time: Nanos(self.seq),
        }
    }

    /// Numbers are given last: how many requests a replacement becomes is found when its turn comes.
    #[inline]
    fn next_number(&mut self, owner: u32) -> u64 {
        let number = &mut self.numbers[owner as usize];
        *number += 1;
        *number
    }

    #[inline]
    fn ask(&mut self, owner: u32, command: Command) {
        let (stamp, number) = (self.stamp(), self.next_number(owner));
        let mut request = request(owner, command);
        request.source_seq = number;
        self.engine.apply(stamp, &request, &mut self.effects);
        self.go_on();
    }

    /// A request of the burst.
    #[inline]
    fn ask_known(&mut self, owner: u32, place: usize) {
        let (stamp, number) = (self.stamp(), self.next_number(owner));
        self.burst[place].source_seq = number;
        let request = &self.burst[place];
        self.engine.apply(stamp, request, &mut self.effects);
        self.go_on();
    }

    #[inline]
    fn go_on(&mut self) {
        self.note_trades();
        while let Some(order_id) = self.engine.pending_work() {
            let number = self.engine.last_number(Source::SEQUENCER) + 1;
            let rest = Command::Continue(domain::Continue { order_id });
            self.send(Source::SEQUENCER, number, rest);
            self.note_trades();
        }
    }

    /// Both fills of a trade follow one another, the maker's first. What trades is told of in more than two events, and
    /// nothing else is.
    #[inline]
    fn note_trades(&mut self) {
        if self.effects.count() <= 2 {
            return;
        }
        let mut maker = 0;
        for event in self.effects.events() {
            let Ok(Event::Fill(fill)) = event else {
                continue;
            };
            if fill.liquidity == Liquidity::Maker {
                maker = fill.client_order_id.0;
            } else {
                let price = u32::try_from(fill.price.0).unwrap_or(0);
                let qty = u32::try_from(fill.qty.0).unwrap_or(0);
                self.outcome
                    .trade(maker, fill.client_order_id.0, price, qty);
            }
        }
    }
}

impl Whole<'_> {
    /// A replaced order loses its place. An amended one keeps it if it only becomes smaller, so that one is cancelled and
    /// entered again.
    #[inline]
    fn replace(&mut self, asked: &Asked, order: &OrderView) {
        let keeps_place =
            order.price.0 == i64::from(asked.price) && order.leaves.0 >= u64::from(asked.qty);
        if keeps_place {
            self.ask(asked.owner, cancel(order.order_id));
            let again = NewOrder {
                side: order.side,
                ..order_of(asked)
            };
            return self.ask(asked.owner, Command::NewOrder(again));
        }
        // The workload names what is to be left, a client the whole.
        let total = Qty(order.filled.0 + u64::from(asked.qty));
        self.ask(asked.owner, amend(asked, order.order_id, total));
    }
}

impl Core for Whole<'_> {
    #[inline]
    fn apply(&mut self, at: usize) {
        let asked = self.commands[at];
        if asked.op() == Some(Op::Replace) {
            if let Some(order) = self.engine.order(self.names[at]) {
                self.replace(&asked, &order);
            }
            return;
        }
        let place = at.wrapping_sub(self.first_of_burst);
        if place < self.burst.len() {
            self.ask_known(asked.owner, place);
        } else if let Some(request) = request_of(&asked, self.names[at]) {
            self.ask(asked.owner, request.command);
        }
    }

    /// As the match tile does with what its ring holds.
    fn look_ahead(&mut self, burst: Range<usize>) {
        self.first_of_burst = burst.start;
        self.burst.clear();
        let asked = self.commands[burst.clone()].iter().zip(&self.names[burst]);
        self.burst
            .extend(asked.map_while(|(asked, &named)| request_of(asked, named)));
        self.engine.touch(&self.burst);
    }

    fn outcome(&self) -> Outcome {
        self.outcome
    }
}

/// What a command asks for; of a replacement, as far as what it needs is concerned.
fn request_of(asked: &Asked, named: OrderId) -> Option<Request> {
    let command = match asked.op()? {
        Op::New => Command::NewOrder(order_of(asked)),
        Op::Cancel | Op::Replace => cancel(named),
    };
    Some(request(asked.owner, command))
}

/// Without a number yet.
fn request(owner: u32, command: Command) -> Request {
    Request {
        source: Source::of_session(SessionId(owner)),
        source_seq: 0,
        receive_time: Nanos(0),
        command,
    }
}

fn cancel(order_id: OrderId) -> Command {
    Command::CancelOrder(CancelOrder {
        order_id,
        client_order_id: ClientOrderId(0),
        qty: Qty::ZERO,
    })
}

fn amend(asked: &Asked, order_id: OrderId, qty: Qty) -> Command {
    Command::AmendOrder(AmendOrder {
        order_id,
        client_order_id: ClientOrderId(0),
        price: Price(asked.price.into()),
        qty,
        new_client_order_id: ClientOrderId(0),
    })
}

fn order_of(asked: &Asked) -> NewOrder {
    let (order_type, time_in_force, post_only) = match asked.lasting() {
        Some(Lasting::AtOnce) => (
            OrderType::Limit,
            TimeInForce::ImmediateOrCancel,
            PostOnly::No,
        ),
        Some(Lasting::AllOrNothing) => (OrderType::Limit, TimeInForce::FillOrKill, PostOnly::No),
        Some(Lasting::Market) => (
            OrderType::Market,
            TimeInForce::ImmediateOrCancel,
            PostOnly::No,
        ),
        Some(Lasting::PostOnly) => (
            OrderType::Limit,
            TimeInForce::GoodTillCancel,
            PostOnly::Refuse,
        ),
        Some(Lasting::Stays) | None => {
            (OrderType::Limit, TimeInForce::GoodTillCancel, PostOnly::No)
        }
    };
    let price = if order_type == OrderType::Market {
        0
    } else {
        i64::from(asked.price)
    };
    NewOrder {
        client_order_id: ClientOrderId(asked.id),
        price: Price(price),
        qty: Qty(asked.qty.into()),
        market: MarketId(asked.symbol),
        side: asked.side().unwrap_or(Side::Buy),
        order_type,
        time_in_force,
        post_only,
        ..NewOrder::PLAIN
    }
}

fn market_of(market: u32) -> CreateMarket {
    CreateMarket {
        market: MarketId(market),
        base: AssetId(0),
        quote: AssetId(1),
        maker_fee_ppm: 100,
        taker_fee_ppm: 300,
        price_levels: LEVELS - 1,
        tick_value: 100,
        lot_size: 10,
        min_qty: Qty(1),
        price_min: Price(1),
        symbol: [b'M'; 16],
        state: MarketState::Continuous,
        pad: [Zero::Zero; 7],
    }
}

/// An upper bound of the orders that rest at a time.
pub(crate) fn most_live(workload: &Workload) -> u32 {
    let mut live = 0_u32;
    let mut most = 1;
    for command in &workload.commands {
        match command.op() {
            Some(Op::New) => live += 1,
            Some(Op::Cancel) => live = live.saturating_sub(1),
            Some(Op::Replace) | None => {}
        }
        most = most.max(live);
    }
    (most + 1).min(OrderId::MAX_SLOTS)
}
