//! Streams of commands, as steps that mean something whatever came before them, so that a failing
//! stream still means something with most of its steps taken out.

use crate::{
    pair::{Difference, Frame, Pair},
    world::{self, World},
};
use domain::{
    AmendOrder, CancelOrder, Checkpoint, ClientOrderId, Command, CreateAccount, CreateAsset,
    EngineVersion, FirmId, Flag, Genesis, MarketId, Nanos, NewOrder, OrderId, OrderType, Price,
    Qty, Recovered, SessionId, Side, Source, TimeInForce, Timer, Zero,
};
use proptest::prelude::*;

/// A world and what happens in it.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    /// Before the genesis.
    pub(crate) early: Vec<Step>,
    pub(crate) world: World,
    pub(crate) steps: Vec<Step>,
}

/// A number relative to the source's last one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    Next,
    /// So many are left out.
    Skip(u64),
    /// The last one once more.
    Again,
    /// The last one there is: the source is done for.
    Final,
}

/// The order that a cancel or an amendment names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// The n-th live order of the session itself.
    Own(usize),
    /// The n-th live order of anyone.
    Anyone(usize),
    /// By client order id.
    Client(u64),
    /// Any id.
    Id(u64),
}

/// A limit price or, for a market order, what is found in its place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ticks {
    /// Above the lowest price of the market.
    Above(i64),
    Exactly(i64),
    /// Of the order that is amended.
    Unchanged,
}

/// How an order is meant: type, time in force, post-only.
pub(crate) type Kind = (OrderType, TimeInForce, Flag);

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    New {
        session: u32,
        number: Number,
        market: u32,
        side: Side,
        kind: Kind,
        price: Ticks,
        qty: u64,
        client: u64,
    },
    /// Many small orders side by side, for sweeps that do not fit a frame.
    Ladder {
        session: u32,
        market: u32,
        side: Side,
        price: i64,
        orders: u64,
    },
    Cancel {
        session: u32,
        number: Number,
        target: Target,
    },
    Amend {
        session: u32,
        number: Number,
        target: Target,
        price: Ticks,
        qty: u64,
    },
    /// Any command from any source that is no session's own business.
    Other {
        source: Source,
        number: Number,
        command: Command,
    },
    /// The clock moves, perhaps back.
    Wait(i64),
}

impl Stream {
    pub(crate) fn run(&self, pair: &mut Pair) -> Result<Vec<Frame>, Difference> {
        let mut frames = Vec::new();
        for step in &self.early {
            frames.extend(step.run(pair)?);
        }
        frames.extend(self.world.set_up(pair)?);
        for step in &self.steps {
            frames.extend(step.run(pair)?);
        }
        pair.check_invariants()?;
        Ok(frames)
    }
}

impl Number {
    fn of(self, source: Source, last: u64) -> u64 {
        match self {
            Self::Skip(count) => last.saturating_add(1 + count),
            Self::Again => last,
            // The sequencer itself must be able to go on.
            Self::Final if source != Source::SEQUENCER => u64::MAX,
            Self::Next | Self::Final => last.saturating_add(1),
        }
    }
}

impl Target {
    fn ids(self, pair: &Pair, session: SessionId) -> (OrderId, ClientOrderId) {
        let nth = |ids: Vec<OrderId>, n: usize| {
            let id = ids.get(n % ids.len().max(1)).copied();
            (id.unwrap_or(OrderId(n as u64)), ClientOrderId(0))
        };
        match self {
            Self::Own(n) => nth(pair.observer.orders_of(session).collect(), n),
            Self::Anyone(n) => nth(pair.observer.live.keys().copied().collect(), n),
            Self::Client(id) => (OrderId::NONE, ClientOrderId(id)),
            Self::Id(id) => (OrderId(id), ClientOrderId(1)),
        }
    }
}

impl Ticks {
    fn price(self, pair: &Pair, market: MarketId, unchanged: Option<Price>) -> Price {
        match self {
            Self::Above(ticks) => {
                let market = pair.observer.markets.get(&market);
                Price(
                    market
                        .map_or(1, |terms| terms.price_min.0)
                        .saturating_add(ticks),
                )
            }
            Self::Exactly(price) => Price(price),
            Self::Unchanged => unchanged.unwrap_or(Price(1)),
        }
    }
}

impl Step {
    fn run(&self, pair: &mut Pair) -> Result<Vec<Frame>, Difference> {
        match self {
            Self::Ladder { orders, .. } => {
                let mut frames = Vec::new();
                for nth in 0..*orders {
                    let (source, command) = self.rung(pair, nth);
                    let number = pair.last_number(source).saturating_add(1);
                    frames.extend(pair.submit(source, number, command)?);
                }
                Ok(frames)
            }
            Self::Wait(span) => {
                pair.clock = pair.clock.saturating_add_signed(*span).min(u64::MAX / 2);
                Ok(Vec::new())
            }
            Self::New { .. } | Self::Cancel { .. } | Self::Amend { .. } | Self::Other { .. } => {
                let (source, number, command) = self.request(pair);
                let number = number.of(source, pair.last_number(source));
                pair.submit(source, number, command)
            }
        }
    }

    fn rung(&self, pair: &Pair, nth: u64) -> (Source, Command) {
        let Self::Ladder {
            session,
            market,
            side,
            price,
            ..
        } = self
        else {
            panic!("only a ladder has rungs");
        };
        let ticks = price + i64::try_from(nth % 3).expect("small");
        let market_id = MarketId(*market);
        let smallest = pair.observer.markets.get(&market_id);
        let command = Command::NewOrder(NewOrder {
            client_order_id: ClientOrderId(100 + nth),
            price: Ticks::Above(ticks).price(pair, market_id, None),
            qty: smallest.map_or(Qty(1), |terms| terms.min_qty),
            market: market_id,
            side: *side,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::GoodTillCancel,
            post_only: Flag::No,
        });
        (Source::of_session(SessionId(*session)), command)
    }

    fn request(&self, pair: &Pair) -> (Source, Number, Command) {
        match self {
            Self::New {
                session,
                number,
                market,
                side,
                kind: (order_type, time_in_force, post_only),
                price,
                qty,
                client,
            } => {
                let command = Command::NewOrder(NewOrder {
                    client_order_id: ClientOrderId(*client),
                    price: price.price(pair, MarketId(*market), None),
                    qty: Qty(*qty),
                    market: MarketId(*market),
                    side: *side,
                    order_type: *order_type,
                    time_in_force: *time_in_force,
                    post_only: *post_only,
                });
                (Source::of_session(SessionId(*session)), *number, command)
            }
            Self::Cancel {
                session,
                number,
                target,
            } => {
                let (order_id, client_order_id) = target.ids(pair, SessionId(*session));
                let command = Command::CancelOrder(CancelOrder {
                    order_id,
                    client_order_id,
                });
                (Source::of_session(SessionId(*session)), *number, command)
            }
            Self::Amend {
                session,
                number,
                target,
                price,
                qty,
            } => {
                let (order_id, client_order_id) = target.ids(pair, SessionId(*session));
                let old = pair.observer.book.get(&order_id);
                let market = old.map_or(MarketId(0), |order| order.market);
                let command = Command::AmendOrder(AmendOrder {
                    order_id,
                    client_order_id,
                    price: price.price(pair, market, old.map(|order| order.price)),
                    qty: Qty(*qty),
                });
                (Source::of_session(SessionId(*session)), *number, command)
            }
            Self::Other {
                source,
                number,
                command,
            } => (*source, *number, *command),
            Self::Ladder { .. } | Self::Wait(_) => panic!("not a single request"),
        }
    }
}

fn numbers() -> impl Strategy<Value = Number> {
    prop_oneof![
        600 => Just(Number::Next),
        20 => (1..4_u64).prop_map(Number::Skip),
        10 => Just(Number::Again),
        1 => Just(Number::Final),
    ]
}

fn sides() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell)]
}

fn kinds() -> impl Strategy<Value = Kind> {
    use Flag::{No, Yes};
    use OrderType::{Limit, Market};
    use TimeInForce::{FillOrKill, GoodTillCancel, ImmediateOrCancel};
    prop_oneof![
        60 => Just((Limit, GoodTillCancel, No)),
        10 => Just((Limit, GoodTillCancel, Yes)),
        8 => Just((Limit, ImmediateOrCancel, No)),
        6 => Just((Limit, FillOrKill, No)),
        8 => Just((Market, ImmediateOrCancel, No)),
        6 => Just((Market, FillOrKill, No)),
        1 => Just((Market, GoodTillCancel, No)),
        1 => Just((Market, ImmediateOrCancel, Yes)),
        1 => Just((Limit, ImmediateOrCancel, Yes)),
        1 => Just((Limit, FillOrKill, Yes)),
    ]
}

fn limit_prices() -> impl Strategy<Value = Ticks> {
    prop_oneof![
        40 => (0..7_i64).prop_map(Ticks::Above),
        4 => (-2..24_i64).prop_map(Ticks::Above),
        1 => prop_oneof![Just(0), Just(-1), Just(i64::MIN), Just(i64::MAX)].prop_map(Ticks::Exactly),
    ]
}

fn market_prices() -> impl Strategy<Value = Ticks> {
    prop_oneof![30 => Just(Ticks::Exactly(0)), 1 => Just(Ticks::Above(1))]
}

fn quantities() -> impl Strategy<Value = u64> {
    prop_oneof![
        40 => 1..12_u64,
        10 => 20..150_u64,
        1 => Just(0),
        1 => prop_oneof![
            Just(u64::MAX), Just(u64::MAX / 2), Just(u64::MAX / 1_000), Just(1 << 14), Just(1 << 40),
        ],
    ]
}

fn clients() -> impl Strategy<Value = u64> {
    prop_oneof![20 => 1..40_u64, 2 => 100..130_u64, 1 => prop_oneof![Just(0), Just(u64::MAX)]]
}

fn new_orders() -> impl Strategy<Value = Step> {
    let place = (
        0..6_u32,
        numbers(),
        prop_oneof![9 => 0..2_u32, 2 => 2..5_u32],
        sides(),
    );
    let prices = (limit_prices(), market_prices());
    (place, kinds(), prices, quantities(), clients()).prop_map(
        |((session, number, market, side), kind, (limit, at_market), qty, client)| Step::New {
            session,
            number,
            market,
            side,
            kind,
            price: match kind.0 {
                OrderType::Limit => limit,
                OrderType::Market => at_market,
            },
            qty,
            client,
        },
    )
}

fn ladders() -> impl Strategy<Value = Step> {
    (0..4_u32, 0..2_u32, sides(), 0..5_i64, 34..75_u64).prop_map(
        |(session, market, side, price, orders)| Step::Ladder {
            session,
            market,
            side,
            price,
            orders,
        },
    )
}

fn targets() -> impl Strategy<Value = Target> {
    prop_oneof![
        12 => (0..50_usize).prop_map(Target::Own),
        2 => (0..50_usize).prop_map(Target::Anyone),
        4 => clients().prop_map(Target::Client),
        1 => prop_oneof![0..4_u64, (0..3_u64, 0..6_u64).prop_map(|(g, slot)| g << 26 | slot)]
            .prop_map(Target::Id),
    ]
}

fn cancels() -> impl Strategy<Value = Step> {
    (0..6_u32, numbers(), targets()).prop_map(|(session, number, target)| Step::Cancel {
        session,
        number,
        target,
    })
}

fn amends() -> impl Strategy<Value = Step> {
    let prices = prop_oneof![2 => Just(Ticks::Unchanged), 3 => limit_prices()];
    (0..6_u32, numbers(), targets(), prices, quantities()).prop_map(
        |(session, number, target, price, qty)| Step::Amend {
            session,
            number,
            target,
            price,
            qty,
        },
    )
}

fn deposits() -> impl Strategy<Value = Command> {
    let amounts =
        prop_oneof![4 => 1..5_000_u64, 2 => Just(1 << 50), 1 => Just(0), 1 => Just(u64::MAX)];
    (0..5_u32, 0..4_u32, amounts).prop_map(|(account, asset, amount)| {
        Command::Deposit(world::deposit(account, asset, amount))
    })
}

fn sequencer_commands() -> impl Strategy<Value = Command> {
    let recovered = (
        prop_oneof![6 => 0..4_u32, 1 => 4..9_u32],
        prop_oneof![3 => Just(0_u64), 4 => 1..12_u64, 1 => Just(u64::MAX)],
    );
    prop_oneof![
        8 => (0..9_u64).prop_map(|at| Command::Timer(Timer { deadline: Nanos(at) })),
        4 => Just(Command::Checkpoint(Checkpoint { interval: 64 })),
        2 => recovered.prop_map(|(epoch, grace)| Command::Recovered(Recovered {
            epoch,
            pad: [Zero::Zero; 4],
            grace: Nanos(grace),
        })),
    ]
}

fn administration() -> impl Strategy<Value = Command> {
    let asset = (0..5_u32, 0..22_u8).prop_map(|(asset, decimals)| {
        Command::CreateAsset(CreateAsset {
            decimals,
            ..world::create_asset(asset)
        })
    });
    let account = (0..7_u32, 0..3_u32).prop_map(|(account, firm)| {
        Command::CreateAccount(CreateAccount {
            account: domain::AccountId(account),
            firm: FirmId(firm),
        })
    });
    let session = (0..8_u32, 0..6_u32)
        .prop_map(|(session, account)| Command::OpenSession(world::open_session(session, account)));
    let genesis =
        prop::array::uniform6(prop_oneof![4 => 1..5_u32, 1 => Just(0), 1 => Just(u32::MAX)])
            .prop_map(|sizes| {
                Command::Genesis(Genesis {
                    max_assets: sizes[0],
                    max_markets: sizes[1],
                    max_accounts: sizes[2],
                    max_sessions: sizes[3],
                    max_orders: sizes[4],
                    max_levels: sizes[5],
                })
            });
    let version = prop_oneof![Just(1_u16), 0..4_u16].prop_map(|version| {
        Command::EngineVersion(EngineVersion {
            version,
            pad: [Zero::Zero; 6],
        })
    });
    prop_oneof![
        2 => asset,
        6 => odd_markets(),
        2 => account,
        2 => session,
        1 => genesis,
        1 => version,
    ]
}

/// Markets of which most break a rule or two.
fn odd_markets() -> impl Strategy<Value = Command> {
    let fees = prop_oneof![4 => Just(100_u32), 1 => Just(1_000_001)];
    let sizes = prop::array::uniform3(prop_oneof![8 => Just(1_u64), 1 => Just(0)]);
    let prices = prop_oneof![
        6 => Just((1_i64, 8_u32)),
        1 => Just((0, 8)),
        1 => Just((1, 0)),
        1 => Just((i64::MAX - 8, 8)),
        1 => Just((i64::MAX - 7, 8)),
        1 => Just((1, u32::MAX)),
    ];
    (
        0..5_u32,
        (0..4_u32, 0..4_u32),
        [fees.clone(), fees],
        sizes,
        prices,
    )
        .prop_map(
            |(market, (base, quote), fees, sizes, (price_min, price_levels))| {
                let terms = world::Terms {
                    base,
                    quote,
                    maker_fee_ppm: fees[0],
                    taker_fee_ppm: fees[1],
                    price_levels,
                    tick_value: sizes[0],
                    lot_size: sizes[1],
                    min_qty: sizes[2],
                    price_min,
                };
                Command::CreateMarket(terms.command(market))
            },
        )
}

/// Commands where they do not belong.
fn misplaced() -> impl Strategy<Value = Step> {
    let sources = prop_oneof![
        (0..6_u32).prop_map(Source),
        (0..6_u32).prop_map(|id| Source::of_session(SessionId(id))),
    ];
    let cancel = Command::CancelOrder(CancelOrder {
        order_id: OrderId(5),
        client_order_id: ClientOrderId(6),
    });
    let amend = Command::AmendOrder(AmendOrder {
        order_id: OrderId(5),
        client_order_id: ClientOrderId(6),
        price: Price(1),
        qty: Qty(1),
    });
    let commands = prop_oneof![
        deposits(),
        sequencer_commands(),
        administration(),
        Just(cancel),
        Just(amend),
    ];
    (sources, numbers(), commands).prop_map(|(source, number, command)| Step::Other {
        source,
        number,
        command,
    })
}

fn from(source: Source, commands: impl Strategy<Value = Command>) -> impl Strategy<Value = Step> {
    (numbers(), commands).prop_map(move |(number, command)| Step::Other {
        source,
        number,
        command,
    })
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        60 => new_orders(),
        2 => ladders(),
        14 => cancels(),
        16 => amends(),
        4 => from(Source::DEPOSITS, deposits()),
        4 => from(Source::SEQUENCER, sequencer_commands()),
        3 => from(Source::ADMINISTRATION, administration()),
        1 => misplaced(),
        2 => (-40..40_i64).prop_map(Step::Wait),
    ]
}

fn early_steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        from(Source::SEQUENCER, sequencer_commands()),
        from(Source::DEPOSITS, deposits()),
        from(Source::ADMINISTRATION, odd_markets()),
        misplaced(),
    ]
}

/// About two hundred commands each.
pub(crate) fn streams() -> impl Strategy<Value = Stream> {
    (
        prop::collection::vec(early_steps(), 0..3),
        world::worlds(),
        prop::collection::vec(steps(), 40..130),
    )
        .prop_map(|(early, world, steps)| Stream {
            early,
            world,
            steps,
        })
}
