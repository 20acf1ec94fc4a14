//! Strategies: which streams come up, and how often each kind of step does.

use crate::{
    attestations, operator,
    pair::START,
    quotes,
    stream::{Kind, Number, Step, Stream, Target, Ticks, Wish},
    world,
};
use domain::{
    AccountId, AmendOrder, Amount, CancelOrder, Checkpoint, ClientOrderId, Command, CreateAccount,
    CreateAsset, Delegate, Delegation, EngineVersion, FirmId, Flag, Gate, Genesis, KillSwitch,
    MAX_KILL_SWITCHES, MarketId, MassCancel, Nanos, OpenSession, OrderId, OrderType, PostOnly,
    Price, Qty, Recovered, Scope, SelfTrade, SelfTradeScope, SessionId, Side, Sides, Source,
    TimeInForce, Timer, Zero,
};
use proptest::prelude::*;

pub(crate) fn numbers() -> impl Strategy<Value = Number> {
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
    use OrderType::{Limit, Market, Stop, StopLimit};
    use PostOnly::{No, Refuse, Slide};
    use TimeInForce::{FillOrKill, GoodTillCancel, GoodTillClose, GoodTillTime, ImmediateOrCancel};
    prop_oneof![
        60 => Just((Limit, GoodTillCancel, No)),
        10 => Just((Limit, GoodTillTime, No)),
        3 => Just((Limit, GoodTillTime, Slide)),
        8 => Just((Limit, GoodTillClose, No)),
        9 => Just((Stop, GoodTillCancel, No)),
        3 => Just((Stop, GoodTillTime, No)),
        9 => Just((StopLimit, GoodTillCancel, No)),
        3 => Just((StopLimit, GoodTillClose, No)),
        1 => Just((StopLimit, ImmediateOrCancel, No)),
        1 => Just((Stop, GoodTillCancel, Refuse)),
        1 => Just((Market, GoodTillTime, No)),
        12 => Just((Limit, GoodTillCancel, Refuse)),
        12 => Just((Limit, GoodTillCancel, Slide)),
        8 => Just((Limit, ImmediateOrCancel, No)),
        6 => Just((Limit, FillOrKill, No)),
        18 => Just((Market, ImmediateOrCancel, No)),
        20 => Just((Market, FillOrKill, No)),
        1 => Just((Market, GoodTillCancel, No)),
        1 => Just((Market, ImmediateOrCancel, Refuse)),
        1 => Just((Limit, ImmediateOrCancel, Slide)),
        1 => Just((Limit, FillOrKill, Refuse)),
    ]
}

fn self_trades() -> impl Strategy<Value = SelfTrade> {
    prop_oneof![
        5 => Just(SelfTrade::Allow),
        1 => Just(SelfTrade::CancelNewest),
        2 => Just(SelfTrade::CancelOldest),
        1 => Just(SelfTrade::CancelBoth),
        3 => Just(SelfTrade::DecrementAndCancel),
        3 => Just(SelfTrade::Abort),
    ]
}

fn self_trade_scopes() -> impl Strategy<Value = SelfTradeScope> {
    prop_oneof![Just(SelfTradeScope::Account), Just(SelfTradeScope::Firm)]
}

/// Mostly without a minimum, which most kinds cannot have.
fn kinds_and_wishes() -> impl Strategy<Value = (Kind, Wish)> {
    use OrderType::{Limit, Market};
    use TimeInForce::{GoodTillCancel, ImmediateOrCancel};
    let with_minimum = prop_oneof![
        8 => Just((Limit, GoodTillCancel, PostOnly::No)),
        5 => Just((Limit, ImmediateOrCancel, PostOnly::No)),
        8 => Just((Market, ImmediateOrCancel, PostOnly::No)),
        1 => kinds(),
    ];
    let minima = prop_oneof![20 => 1..9_u64, 4 => 10..50_u64, 1 => Just(u64::MAX)];
    let both = prop_oneof![4 => (kinds(), Just(0)), 1 => (with_minimum, minima)];
    (both, self_trades(), self_trade_scopes(), lasting()).prop_map(
        |((kind, min_qty), self_trade, scope, (display, ends_in, trigger, is_odd))| {
            let (order_type, time_in_force, _) = kind;
            let is_shown = order_type == Limit && time_in_force.rests();
            let is_ended = time_in_force == TimeInForce::GoodTillTime;
            let wish = Wish {
                min_qty,
                self_trade,
                scope,
                display: if is_shown != is_odd { display } else { 0 },
                ends_in: (is_ended != is_odd).then_some(ends_in),
                trigger: (order_type.waits() != is_odd).then_some(trigger),
            };
            (kind, wish)
        },
    )
}

/// Lots to show, spans and triggers, and whether they go where they do not belong.
fn lasting() -> impl Strategy<Value = (u64, u64, Ticks, bool)> {
    let displays = prop_oneof![6 => Just(0), 4 => 1..5_u64, 1 => 5..30_u64];
    let spans = prop_oneof![1 => 0..3_u64, 12 => 3..90_u64, 1 => Just(u64::MAX)];
    let triggers = prop_oneof![
        24 => (0..7_i64).prop_map(Ticks::Above),
        1 => (-2..24_i64).prop_map(Ticks::Above),
    ];
    let is_odd = prop_oneof![40 => Just(false), 1 => Just(true)];
    (displays, spans, triggers, is_odd)
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
    prop_oneof![
        20 => Just(Ticks::Exactly(0)),
        10 => (0..7_i64).prop_map(Ticks::Above),
        1 => (-2..24_i64).prop_map(Ticks::Above),
        1 => prop_oneof![Just(-1), Just(i64::MIN), Just(i64::MAX)].prop_map(Ticks::Exactly),
    ]
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

pub(crate) fn sessions() -> impl Strategy<Value = u32> {
    prop_oneof![12 => 0..2_u32, 3 => 2..6_u32]
}

fn new_orders() -> impl Strategy<Value = Step> {
    let place = (sessions(), numbers(), markets(), sides());
    let prices = (limit_prices(), market_prices());
    (place, kinds_and_wishes(), prices, quantities(), clients()).prop_map(
        |((session, number, market, side), (kind, wish), (limit, at_market), qty, client)| {
            Step::New {
                session,
                number,
                market,
                side,
                kind,
                wish,
                price: match kind.0 {
                    OrderType::Limit | OrderType::StopLimit => limit,
                    OrderType::Market | OrderType::Stop => at_market,
                },
                qty,
                client,
            }
        },
    )
}

/// Orders that take a whole ladder.
fn sweepers() -> impl Strategy<Value = Step> {
    (
        (sessions(), markets(), sides()),
        kinds_and_wishes(),
        34..160_u64,
        clients(),
    )
        .prop_map(
            |((session, market, side), (kind, wish), qty, client)| Step::New {
                session,
                number: Number::Next,
                market,
                side,
                kind,
                wish,
                price: match (kind.0, side) {
                    (OrderType::Market | OrderType::Stop, _) => Ticks::Exactly(0),
                    (OrderType::Limit | OrderType::StopLimit, Side::Buy) => Ticks::Above(5),
                    (OrderType::Limit | OrderType::StopLimit, Side::Sell) => Ticks::Above(0),
                },
                qty,
                client,
            },
        )
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
    let lots = prop_oneof![4 => Just(0), 4 => 1..12_u64, 1 => Just(u64::MAX)];
    (sessions(), numbers(), targets(), lots).prop_map(|(session, number, target, qty)| {
        Step::Cancel {
            session,
            number,
            target,
            qty,
        }
    })
}

fn amends() -> impl Strategy<Value = Step> {
    let prices = prop_oneof![2 => Just(Ticks::Unchanged), 3 => limit_prices()];
    let names = prop_oneof![3 => Just(0), 1 => clients()];
    let places = (sessions(), numbers(), targets());
    (places, prices, quantities(), names).prop_map(
        |((session, number, target), price, qty, renamed)| Step::Amend {
            session,
            number,
            target,
            price,
            qty,
            renamed,
        },
    )
}

/// Sources of cancels of many orders.
fn cancelers() -> impl Strategy<Value = Source> {
    prop_oneof![
        6 => sessions().prop_map(|id| Source::of_session(SessionId(id))),
        3 => Just(Source::ADMINISTRATION),
        1 => Just(Source::GATEWAY),
    ]
}

/// Scopes, and targets that mostly exist.
fn scopes() -> impl Strategy<Value = (Scope, u32)> {
    prop_oneof![
        4 => (Just(Scope::Session), 0..7_u32),
        4 => (Just(Scope::Account), 0..6_u32),
        2 => (Just(Scope::Firm), 0..4_u32),
        2 => (Just(Scope::Everyone), prop_oneof![5 => Just(0_u32), 1 => Just(1)]),
    ]
}

fn mass_cancels() -> impl Strategy<Value = Step> {
    let wheres = prop_oneof![
        3 => Just(MarketId::ANY),
        3 => markets().prop_map(MarketId),
        1 => Just(MarketId(u32::MAX - 1)),
    ];
    let sides =
        prop_oneof![2 => Just(Sides::Both), 1 => Just(Sides::Buys), 1 => Just(Sides::Sells)];
    let bound =
        || prop_oneof![2 => Just(None), 1 => (0..7_i64).prop_map(|t| Some(Ticks::Above(t)))];
    let which = (scopes(), wheres, sides, [bound(), bound()]);
    (cancelers(), numbers(), which, 0..9_u64).prop_map(
        |(source, number, ((scope, target), market, sides, bounds), request)| Step::MassCancel {
            source,
            number,
            command: MassCancel {
                request,
                target,
                market,
                scope,
                sides,
                ..MassCancel::OWN
            },
            bounds,
        },
    )
}

/// Most are turned off again soon, or nobody would say anything.
fn kill_switches() -> impl Strategy<Value = Step> {
    let kill_switch = |((scope, target), on): ((Scope, u32), bool)| {
        Command::KillSwitch(KillSwitch {
            request: 3,
            target,
            scope,
            on: Flag::from(on),
            pad: [Zero::Zero; 2],
        })
    };
    let on = (cancelers(), (scopes(), Just(true)));
    let off = (Just(Source::ADMINISTRATION), (scopes(), Just(false)));
    let any = (cancelers(), (scopes(), any::<bool>()));
    let which = prop_oneof![2 => on, 24 => off, 1 => any];
    (which, numbers()).prop_map(move |((source, which), number)| Step::Other {
        source,
        number,
        command: kill_switch(which),
    })
}

/// Many small orders that end together.
fn crowded_ends() -> impl Strategy<Value = Step> {
    (sessions(), markets(), sides(), 40..60_u64, any::<bool>()).prop_map(
        |(session, market, side, orders, by_close)| Step::Ending {
            session,
            market,
            side,
            orders,
            by_close,
        },
    )
}

/// What is as long as a look ahead may be.
fn walls() -> impl Strategy<Value = Step> {
    let minimum = prop_oneof![1 => Just(0_u64), 3 => Just(u64::MAX)];
    let modes = prop_oneof![
        1 => self_trades(),
        3 => Just(SelfTrade::CancelOldest),
        2 => Just(SelfTrade::Abort),
    ];
    let wishes = (minimum, modes, self_trade_scopes());
    let wishes = wishes.prop_map(|(min_qty, self_trade, scope)| Wish {
        min_qty,
        self_trade,
        scope,
        display: 0,
        ends_in: None,
        trigger: None,
    });
    let place = (0..2_u32, 0..2_u32, sides(), 0..3_u32);
    let sizes = prop_oneof![1 => 1_022..1_025_u64, 3 => 1_025..1_028_u64];
    (place, sizes, wishes).prop_map(
        |((session, market, side, taker), orders, wish)| Step::Wall {
            session,
            market,
            side,
            orders,
            taker,
            wish,
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
    let decimals = prop_oneof![3 => 0..19_u8, 1 => 19..22_u8];
    let asset = (0..5_u32, decimals).prop_map(|(asset, decimals)| {
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
            max_pages: sizes[4],
            pad: [Zero::Zero; 4],
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
        operator::states(),
    )
        .prop_map(
            |(market, (base, quote), fees, sizes, (price_min, price_levels), state)| {
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
                    state,
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
        qty: Qty::ZERO,
    });
    let amend = Command::AmendOrder(AmendOrder {
        order_id: OrderId(5),
        client_order_id: ClientOrderId(6),
        price: Price(1),
        qty: Qty(1),
        new_client_order_id: ClientOrderId(0),
    });
    let commands = prop_oneof![
        deposits(),
        sequencer_commands(),
        administration(),
        operator::commands(),
        Just(cancel),
        Just(amend),
        quotes::misplaced(),
        attestations::misplaced(),
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
        30 => amends(),
        24 => quotes::quotes(),
        7 => quotes::protections(),
        10 => attestations::steps(),
        3 => mass_cancels(),
        6 => kill_switches(),
        4 => from(Source::DEPOSITS, deposits()),
        4 => from(Source::SEQUENCER, sequencer_commands()),
        4 => from(Source::ADMINISTRATION, administration()),
        12 => from(Source::ADMINISTRATION, operator::commands()),
        4 => operator::collars(),
        2 => operator::calls(),
        1 => from(Source::ADMINISTRATION, impossible_geneses()),
        1 => misplaced(),
        2 => (-40..40_i64).prop_map(Step::Wait),
        1 => Just(Step::WaitForAnEnd),
        3 => Just(Step::End),
        1 => crowded_ends(),
    ]
}

fn early_steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        from(Source::SEQUENCER, sequencer_commands()),
        from(Source::DEPOSITS, deposits()),
        from(Source::ADMINISTRATION, administration()),
        from(Source::ADMINISTRATION, operator::commands()),
        from(Source::ADMINISTRATION, impossible_geneses()),
        mass_cancels(),
        kill_switches(),
        attestations::steps(),
        misplaced(),
    ]
}

/// What takes a thousand commands, and therefore comes in few streams.
fn crowds() -> impl Strategy<Value = Step> {
    let most = u32::try_from(MAX_KILL_SWITCHES).expect("small");
    prop_oneof![3 => walls(), 1 => (most - 3..most + 3).prop_map(Step::Switches)]
}

/// About two hundred commands each. Any number of steps will do, so that shrinking may leave out
/// all that do not matter.
pub(crate) fn streams() -> impl Strategy<Value = Stream> {
    let crowd = prop_oneof![
        14 => Just(None),
        1 => (0..4_usize, crowds()).prop_map(Some),
    ];
    (
        prop::collection::vec(early_steps(), 0..4),
        world::worlds(),
        prop::collection::vec(steps(), 1..220),
        crowd,
    )
        .prop_map(|(early, mut world, mut steps, crowd)| {
            if let Some((place, crowd)) = crowd {
                world.genesis.max_orders = 1_400;
                world.deposits = vec![1_000_000_000_000];
                world.delegations = vec![Delegation::unlimited([7; 32])];
                steps.insert(place.min(steps.len()), crowd);
            }
            Stream {
                early,
                world,
                steps,
            }
        })
}
