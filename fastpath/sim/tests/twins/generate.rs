//! Strategies: which streams come up, and how often each kind of step does.

use crate::{
    pair::START,
    stream::{Kind, Number, Step, Stream, Target, Ticks},
    world,
};
use domain::{
    AccountId, AmendOrder, Amount, CancelOrder, Checkpoint, ClientOrderId, Command, CreateAccount,
    CreateAsset, Delegate, Delegation, EngineVersion, FirmId, Flag, Gate, Genesis, Nanos,
    OpenSession, OrderId, OrderType, Price, Qty, Recovered, SessionId, Side, Source, TimeInForce,
    Timer, Zero,
};
use proptest::prelude::*;

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
        16 => Just((Limit, GoodTillCancel, Yes)),
        8 => Just((Limit, ImmediateOrCancel, No)),
        6 => Just((Limit, FillOrKill, No)),
        10 => Just((Market, ImmediateOrCancel, No)),
        12 => Just((Market, FillOrKill, No)),
        1 => Just((Market, GoodTillCancel, No)),
        1 => Just((Market, ImmediateOrCancel, Yes)),
        1 => Just((Limit, ImmediateOrCancel, Yes)),
        1 => Just((Limit, FillOrKill, Yes)),
    ]
}

fn limit_prices() -> impl Strategy<Value = Ticks> {
    prop_oneof![
        40 => (0..7_i64).prop_map(Ticks::Above),
        8 => (0..=1_000_i64).prop_map(Ticks::Within),
        2 => prop_oneof![Just(63_i64), Just(64), Just(4_095), Just(4_096)].prop_map(Ticks::Above),
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
    prop_oneof![40 => 1..30_u64, 1 => prop_oneof![Just(0), Just(u64::MAX)]]
}

fn markets() -> impl Strategy<Value = u32> {
    prop_oneof![12 => Just(0_u32), 4 => Just(1), 1 => 2..5_u32]
}

fn sessions() -> impl Strategy<Value = u32> {
    prop_oneof![12 => 0..2_u32, 3 => 2..6_u32]
}

fn new_orders() -> impl Strategy<Value = Step> {
    let place = (sessions(), numbers(), markets(), sides());
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

/// Orders that take a whole ladder.
fn sweepers() -> impl Strategy<Value = Step> {
    (
        (sessions(), markets(), sides()),
        kinds(),
        34..160_u64,
        clients(),
    )
        .prop_map(|((session, market, side), kind, qty, client)| Step::New {
            session,
            number: Number::Next,
            market,
            side,
            kind,
            price: match (kind.0, side) {
                (OrderType::Market, _) => Ticks::Exactly(0),
                (OrderType::Limit, Side::Buy) => Ticks::Above(5),
                (OrderType::Limit, Side::Sell) => Ticks::Above(0),
            },
            qty,
            client,
        })
}

/// Bids low, asks high, so that they stay.
fn ladders() -> impl Strategy<Value = Step> {
    (sessions(), markets(), sides(), 0..3_i64, 34..75_u64).prop_map(
        |(session, market, side, price, orders)| Step::Ladder {
            session,
            market,
            side,
            price: match side {
                Side::Buy => price,
                Side::Sell => price + 3,
            },
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
    (sessions(), numbers(), targets()).prop_map(|(session, number, target)| Step::Cancel {
        session,
        number,
        target,
    })
}

fn amends() -> impl Strategy<Value = Step> {
    let prices = prop_oneof![2 => Just(Ticks::Unchanged), 3 => limit_prices()];
    (sessions(), numbers(), targets(), prices, quantities()).prop_map(
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
        12 => (0..9_u64).prop_map(|at| Command::Timer(Timer { deadline: Nanos(at) })),
        4 => Just(Command::Checkpoint(Checkpoint { interval: 64 })),
        1 => recovered.prop_map(|(epoch, grace)| Command::Recovered(Recovered {
            epoch,
            pad: [Zero::Zero; 4],
            grace: Nanos(grace),
        })),
    ]
}

/// Mostly such that orders still come through.
pub(crate) fn delegations() -> impl Strategy<Value = Delegation> {
    let ends = prop_oneof![4 => Just(0_u64), 2 => START..START + 400, 1 => Just(u64::MAX)];
    let limits = prop_oneof![4 => Just(0_u64), 4 => 1..1_500_u64, 1 => Just(u64::MAX)];
    (0..3_u8, ends, limits).prop_map(|(key, expires, most)| Delegation {
        public_key: [key; 32],
        exchange_key: [key / 2; 32],
        expires: Nanos(expires),
        max_order_notional: Amount(most),
    })
}

fn administration() -> impl Strategy<Value = Command> {
    let asset = (0..5_u32, 0..22_u8).prop_map(|(asset, decimals)| {
        Command::CreateAsset(CreateAsset {
            decimals,
            ..world::create_asset(asset)
        })
    });
    let account = (0..7_u32, 0..3_u32, 0..2_u8).prop_map(|(account, firm, owner)| {
        Command::CreateAccount(CreateAccount {
            account: AccountId(account),
            firm: FirmId(firm),
            owner: [owner; 32],
        })
    });
    let gates = prop_oneof![Just(Gate::Port), Just(Gate::Gateway)];
    let session = (0..8_u32, 0..6_u32, delegations(), gates).prop_map(
        |(session, account, delegation, gate)| {
            Command::OpenSession(OpenSession {
                delegation,
                gate,
                ..world::open_session(session, account)
            })
        },
    );
    let delegate = (sessions(), delegations()).prop_map(|(session, delegation)| {
        Command::Delegate(Delegate {
            session: SessionId(session),
            pad: [Zero::Zero; 4],
            delegation,
        })
    });
    let version = prop_oneof![Just(1_u16), 0..4_u16].prop_map(|version| {
        Command::EngineVersion(EngineVersion {
            version,
            pad: [Zero::Zero; 6],
        })
    });
    prop_oneof![
        4 => asset,
        6 => odd_markets(),
        2 => account,
        2 => session,
        3 => delegate,
        1 => version,
    ]
}

/// A capacity or two of it are out of range.
fn impossible_geneses() -> impl Strategy<Value = Command> {
    let size = prop_oneof![1 => 1..5_u32, 1 => Just(0), 1 => Just(u32::MAX)];
    let sizes = prop::array::uniform5(size);
    (sizes, prop_oneof![Just(0), Just(u32::MAX)]).prop_map(|(sizes, last)| {
        Command::Genesis(Genesis {
            max_assets: sizes[0],
            max_markets: sizes[1],
            max_accounts: sizes[2],
            max_sessions: sizes[3],
            max_orders: sizes[4],
            max_levels: last,
        })
    })
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

/// Nearly two commands each, on average.
pub(crate) fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        60 => new_orders(),
        8 => sweepers(),
        4 => ladders(),
        14 => cancels(),
        24 => amends(),
        4 => from(Source::DEPOSITS, deposits()),
        4 => from(Source::SEQUENCER, sequencer_commands()),
        3 => from(Source::ADMINISTRATION, administration()),
        1 => from(Source::ADMINISTRATION, impossible_geneses()),
        1 => misplaced(),
        2 => (-40..40_i64).prop_map(Step::Wait),
        1 => Just(Step::WaitForAnEnd),
    ]
}

fn early_steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        from(Source::SEQUENCER, sequencer_commands()),
        from(Source::DEPOSITS, deposits()),
        from(Source::ADMINISTRATION, administration()),
        from(Source::ADMINISTRATION, impossible_geneses()),
        misplaced(),
    ]
}

/// About two hundred commands each. Any number of steps will do, so that shrinking may leave out
/// all that do not matter.
pub(crate) fn streams() -> impl Strategy<Value = Stream> {
    (
        prop::collection::vec(early_steps(), 0..4),
        world::worlds(),
        prop::collection::vec(steps(), 1..220),
    )
        .prop_map(|(early, world, steps)| Stream {
            early,
            world,
            steps,
        })
}
