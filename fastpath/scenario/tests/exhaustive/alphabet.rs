//! What may happen next, in a universe so small that everything meets: two accounts with a session each, one market
//! with three prices.

mod accounts;
pub(crate) mod attestation;
pub(crate) mod market;
pub(crate) mod own;
pub(crate) mod quotes;
pub(crate) mod waiting;

use domain::{
    AccountId, AmendOrder, Amount, AssetId, CancelOrder, Checkpoint, ClientOrderId, Command,
    CreateAccount, CreateAsset, CreateMarket, Delegate, Delegation, Deposit, EngineVersion, FirmId,
    Gate, Genesis, MAX_FILLS, MarketId, MarketState, Nanos, NewOrder, OpenSession, OrderId,
    OrderType, PostOnly, Price, Qty, Recovered, SessionId, Side, Source, TimeInForce, Timer, Zero,
};

/// Makers of one frame.
pub(crate) const FRAME: u64 = MAX_FILLS as u64;

/// Something that may happen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Letter {
    /// The clock goes on, or back, by so much first.
    pub(crate) wait: i64,
    pub(crate) source: Source,
    /// So many of the source's numbers are left out.
    pub(crate) skip: u64,
    pub(crate) command: Command,
}

impl Letter {
    fn of(source: Source, command: Command) -> Self {
        Self {
            wait: 0,
            source,
            skip: 0,
            command,
        }
    }
}

fn operator(command: Command) -> Letter {
    Letter::of(Source::ADMINISTRATION, command)
}

fn by(session: u32, command: Command) -> Letter {
    Letter::of(Source::of_session(SessionId(session)), command)
}

/// The clock goes on, or back, and the timer says so.
fn timer(wait: i64) -> Letter {
    let timer = Command::Timer(Timer { deadline: Nanos(0) });
    Letter {
        wait,
        ..Letter::of(Source::SEQUENCER, timer)
    }
}

type Kind = (OrderType, TimeInForce, PostOnly);

const RESTS: Kind = (OrderType::Limit, TimeInForce::GoodTillCancel, PostOnly::No);
const POSTS: Kind = (
    OrderType::Limit,
    TimeInForce::GoodTillCancel,
    PostOnly::Refuse,
);
const TAKES: Kind = (
    OrderType::Limit,
    TimeInForce::ImmediateOrCancel,
    PostOnly::No,
);
const FILLS: Kind = (OrderType::Limit, TimeInForce::FillOrKill, PostOnly::No);
const ANY_PRICE: Kind = (
    OrderType::Market,
    TimeInForce::ImmediateOrCancel,
    PostOnly::No,
);
const FILLS_AT_ANY_PRICE: Kind = (OrderType::Market, TimeInForce::FillOrKill, PostOnly::No);

/// An order; its client order id is its quantity, so that sizes collide with themselves.
fn order(
    (order_type, time_in_force, post_only): Kind,
    side: Side,
    qty: u64,
    price: i64,
) -> NewOrder {
    NewOrder {
        client_order_id: ClientOrderId(qty),
        price: Price(price),
        qty: Qty(qty),
        market: MarketId(0),
        side,
        order_type,
        time_in_force,
        post_only,
        ..NewOrder::PLAIN
    }
}

fn new(session: u32, kind: Kind, side: Side, qty: u64, price: i64) -> Letter {
    by(session, Command::NewOrder(order(kind, side, qty, price)))
}

fn cancel(session: u32, order_id: OrderId, client: u64) -> Letter {
    let client_order_id = ClientOrderId(client);
    let cancel = CancelOrder {
        order_id,
        client_order_id,
        qty: Qty::ZERO,
    };
    by(session, Command::CancelOrder(cancel))
}

fn amend(session: u32, order_id: OrderId, client: u64, qty: u64, price: i64) -> Letter {
    let amend = AmendOrder {
        order_id,
        client_order_id: ClientOrderId(client),
        price: Price(price),
        qty: Qty(qty),
        new_client_order_id: ClientOrderId(0),
    };
    by(session, Command::AmendOrder(amend))
}

fn orders() -> Vec<Letter> {
    let mut letters = Vec::new();
    for session in [0, 1] {
        for side in [Side::Buy, Side::Sell] {
            for qty in [1, 3] {
                for kind in [RESTS, POSTS, TAKES, FILLS] {
                    letters.extend([10, 11].map(|price| new(session, kind, side, qty, price)));
                }
                for kind in [ANY_PRICE, FILLS_AT_ANY_PRICE] {
                    letters.push(new(session, kind, side, qty, 0));
                }
            }
        }
    }
    // At the highest price.
    letters.push(new(1, RESTS, Side::Sell, 1, 12));
    letters
}

fn cancels_and_amendments() -> Vec<Letter> {
    let mut letters = Vec::new();
    let again = OrderId::first(0).successor().expect("there are many");
    for session in [0, 1] {
        letters.extend([1, 3].map(|client| cancel(session, OrderId::NONE, client)));
        letters
            .extend([OrderId::first(0), OrderId::first(1), again].map(|id| cancel(session, id, 0)));
        for client in [1, 3] {
            for (qty, price) in [(1, 10), (2, 10), (2, 11), (4, 11)] {
                letters.push(amend(session, OrderId::NONE, client, qty, price));
            }
        }
        letters.push(amend(session, OrderId::first(0), 0, 2, 11));
    }
    letters.extend(
        [(2, 13), (2_u64.pow(63), 11), (0, 10)]
            .map(|(qty, price)| amend(0, OrderId::NONE, 3, qty, price)),
    );
    letters
}

/// Orders that break a rule of their own, and what a source may not say.
fn mistakes() -> Vec<Letter> {
    let good = order(RESTS, Side::Buy, 1, 10);
    let wrong = [
        NewOrder {
            client_order_id: ClientOrderId(0),
            ..good
        },
        NewOrder {
            market: MarketId(1),
            ..good
        },
        NewOrder {
            post_only: PostOnly::Refuse,
            time_in_force: TimeInForce::FillOrKill,
            ..good
        },
        NewOrder {
            price: Price(13),
            ..good
        },
        NewOrder {
            qty: Qty(0),
            ..good
        },
        NewOrder {
            qty: Qty(2_u64.pow(63)),
            ..good
        },
        NewOrder {
            order_type: OrderType::Market,
            time_in_force: TimeInForce::ImmediateOrCancel,
            price: Price(13),
            ..good
        },
        NewOrder {
            min_qty: Qty(1),
            time_in_force: TimeInForce::FillOrKill,
            ..good
        },
        NewOrder {
            min_qty: Qty(2),
            ..good
        },
    ];
    let mut letters = wrong.map(|order| by(0, Command::NewOrder(order))).to_vec();
    letters.push(Letter::of(Source::GATEWAY, Command::NewOrder(good)));
    letters.push(by(0, Command::Timer(Timer { deadline: Nanos(0) })));
    letters.push(Letter {
        skip: 2,
        ..cancel(1, OrderId::NONE, 1)
    });
    letters
}

pub(crate) fn genesis(max_orders: u32) -> Genesis {
    Genesis {
        max_assets: 3,
        max_markets: 2,
        max_accounts: 3,
        max_sessions: 3,
        max_orders,
        max_levels: 6,
        max_pages: 4,
        pad: [Zero::Zero; 4],
    }
}

fn asset(id: u32, decimals: u8) -> Command {
    Command::CreateAsset(CreateAsset {
        asset: AssetId(id),
        decimals,
        pad: [Zero::Zero; 3],
        symbol: *b"ASSET\0\0\0\0\0\0\0\0\0\0\0",
    })
}

fn market(id: u32, quote: u32, price_levels: u32) -> Command {
    Command::CreateMarket(CreateMarket {
        market: MarketId(id),
        base: AssetId(0),
        quote: AssetId(quote),
        maker_fee_ppm: 150_000,
        taker_fee_ppm: 100_000,
        price_levels,
        tick_value: 1,
        lot_size: 1,
        min_qty: Qty(1),
        price_min: Price(10),
        symbol: *b"BASE/QUOTE\0\0\0\0\0\0",
        state: MarketState::Continuous,
        pad: [Zero::Zero; 7],
    })
}

/// The firm of all accounts.
const FIRM: u32 = 5;

fn account(id: u32) -> Command {
    Command::CreateAccount(CreateAccount {
        account: AccountId(id),
        firm: FirmId(FIRM),
        owner: [7; 32],
    })
}

fn session(id: u32, account: u32) -> Command {
    Command::OpenSession(OpenSession {
        session: SessionId(id),
        account: AccountId(account),
        delegation: Delegation::unlimited([7; 32]),
        gate: Gate::Port,
        pad: [Zero::Zero; 7],
    })
}

fn delegate(session: u32, expires: u64, most: u64) -> Command {
    Command::Delegate(Delegate {
        session: SessionId(session),
        pad: [Zero::Zero; 4],
        delegation: Delegation {
            expires: Nanos(expires),
            max_order_notional: Amount(most),
            ..Delegation::unlimited([7; 32])
        },
    })
}

fn deposit(account: u32, asset: u32, amount: u64) -> Letter {
    let deposit = Deposit {
        account: AccountId(account),
        asset: AssetId(asset),
        amount: Amount(amount),
    };
    Letter::of(Source::DEPOSITS, Command::Deposit(deposit))
}

fn recovered(epoch: u32, grace: u64) -> Command {
    Command::Recovered(Recovered {
        epoch,
        pad: [Zero::Zero; 4],
        grace: Nanos(grace),
    })
}

fn version(version: u16) -> Command {
    Command::EngineVersion(EngineVersion {
        version,
        pad: [Zero::Zero; 6],
    })
}

/// Every other command, done and refused.
fn others() -> Vec<Letter> {
    let administration = [
        Command::Genesis(genesis(3)),
        asset(0, 6),
        asset(2, 19),
        asset(2, 6),
        market(0, 1, 1),
        market(1, 2, 3),
        market(1, 1, 4),
        market(1, 1, 0),
        market(1, 1, 3),
        account(0),
        account(2),
        session(0, 0),
        session(2, 2),
        session(2, 0),
        delegate(2, 0, 0),
        delegate(0, 0, 0),
        delegate(0, 0, 20),
        delegate(0, 1_000, 0),
        delegate(1, 1_050, 0),
    ];
    let sequencer = [
        Command::Checkpoint(Checkpoint { interval: 1 }),
        recovered(0, 0),
        recovered(2, 0),
        recovered(2, 50),
        version(1),
        version(9),
    ];
    let mut letters = [0, 50, -10].map(timer).to_vec();
    letters.extend(administration.map(|command| Letter::of(Source::ADMINISTRATION, command)));
    letters.extend(sequencer.map(|command| Letter::of(Source::SEQUENCER, command)));
    letters.extend([
        deposit(0, 1, 12),
        deposit(1, 0, 2),
        deposit(0, 0, 0),
        deposit(0, 2, 1),
        deposit(0, 1, u64::MAX),
        deposit(0, 1, u64::MAX / 2),
    ]);
    letters
}

/// Every command, in every way that is different here.
pub(crate) fn full() -> Vec<Letter> {
    let plain = [orders(), cancels_and_amendments(), mistakes(), others()].concat();
    [
        plain,
        own::full(),
        accounts::full(),
        market::full(),
        waiting::full(),
        quotes::full(),
        attestation::full(),
    ]
    .concat()
}

/// Of every kind of command, what changes most of what follows.
pub(crate) fn sound() -> Vec<Letter> {
    let waits = [50, 86_400_000_000_000].map(timer);
    let rest = vec![
        Letter::of(Source::SEQUENCER, recovered(2, 50)),
        operator(session(2, 0)),
        operator(delegate(0, 0, 20)),
        operator(delegate(0, 1_000, 0)),
        deposit(0, 1, 12),
    ];
    let plain = [orders_that_meet(), waits.to_vec(), rest].concat();
    [
        plain,
        own::sound(),
        accounts::sound(),
        market::sound(),
        waiting::sound(),
        quotes::sound(),
        attestation::sound(),
    ]
    .concat()
}

/// Of plain orders, cancels and amendments those that reach each other.
fn orders_that_meet() -> Vec<Letter> {
    let mut letters = Vec::new();
    for session in [0, 1] {
        for (side, meeting) in [(Side::Buy, 11), (Side::Sell, 10)] {
            for qty in [1, 3] {
                letters.extend([10, 11].map(|price| new(session, RESTS, side, qty, price)));
            }
            for kind in [POSTS, TAKES, FILLS] {
                letters.push(new(session, kind, side, 3, meeting));
            }
            letters.push(new(session, ANY_PRICE, side, 3, 0));
        }
        letters.extend([1, 3].map(|client| cancel(session, OrderId::NONE, client)));
        for (client, qty, price) in [(1, 2, 10), (3, 2, 10), (3, 2, 11), (3, 4, 11)] {
            letters.push(amend(session, OrderId::NONE, client, qty, price));
        }
    }
    letters.push(cancel(1, OrderId::first(0), 0));
    letters
}

/// Twelve plain ones that meet most.
pub(crate) fn small() -> Vec<Letter> {
    use Side::{Buy, Sell};
    vec![
        new(0, RESTS, Buy, 3, 10),
        new(0, RESTS, Buy, 1, 11),
        new(1, RESTS, Sell, 1, 10),
        new(1, RESTS, Sell, 3, 11),
        new(1, POSTS, Buy, 3, 11),
        new(0, ANY_PRICE, Buy, 3, 0),
        new(1, FILLS, Sell, 3, 10),
        cancel(0, OrderId::NONE, 3),
        cancel(1, OrderId::first(0), 0),
        amend(0, OrderId::NONE, 3, 4, 11),
        amend(0, OrderId::NONE, 3, 2, 10),
        amend(1, OrderId::NONE, 3, 2, 10),
    ]
}

/// Where sequences start: the world without an order.
pub(crate) fn empty(max_orders: u32) -> Vec<Letter> {
    empty_of(genesis(max_orders))
}

/// With a page of price levels for one side and none for the other.
pub(crate) fn one_page() -> Vec<Letter> {
    empty_of(Genesis {
        max_pages: 1,
        ..genesis(3)
    })
}

fn empty_of(genesis: Genesis) -> Vec<Letter> {
    let administration = [
        Command::Genesis(genesis),
        asset(0, 0),
        asset(1, 1),
        market(0, 1, 3),
        account(0),
        account(1),
        session(0, 0),
        session(1, 1),
    ];
    let administration = administration.map(|command| Letter::of(Source::ADMINISTRATION, command));
    let deposits = [(0, 0, 5), (0, 1, 45), (1, 0, 40), (1, 1, 41)];
    let deposits = deposits.map(|(account, asset, amount)| deposit(account, asset, amount));
    [&administration[..], &deposits].concat()
}

/// A bid and an ask that share the last place with what comes. A part of both has filled, and a tier has fees of its own.
pub(crate) fn busy() -> Vec<Letter> {
    let mut letters = empty(3);
    letters.extend([
        deposit(0, 1, 12),
        accounts::free_tier(),
        new(0, RESTS, Side::Buy, 3, 10),
        new(1, TAKES, Side::Sell, 1, 10),
        new(1, RESTS, Side::Sell, 3, 11),
        new(0, TAKES, Side::Buy, 1, 11),
    ]);
    letters
}

/// A call in which bids and an ask cross. The most trade at every price, and least is left over at the higher two.
pub(crate) fn crossed() -> Vec<Letter> {
    let mut letters = empty(6);
    letters.extend([
        deposit(0, 1, 100),
        market::state(0, MarketState::PreOpen),
        new(0, RESTS, Side::Buy, 2, 12),
        new(0, RESTS, Side::Buy, 1, 10),
        new(1, RESTS, Side::Sell, 2, 10),
    ]);
    letters
}

/// The same behind a trade at the highest price.
pub(crate) fn crossed_behind_a_trade() -> Vec<Letter> {
    crossed_behind(&[
        deposit(0, 1, 100),
        new(1, RESTS, Side::Sell, 1, 12),
        new(0, TAKES, Side::Buy, 1, 12),
    ])
}

/// The same with a stop, which whatever the auction trades triggers.
pub(crate) fn crossed_behind_a_stop() -> Vec<Letter> {
    crossed_behind(&[waiting::sells_below(12)])
}

fn crossed_behind(before: &[Letter]) -> Vec<Letter> {
    let mut letters = crossed();
    let call = letters.split_off(empty(6).len());
    [letters, before.to_vec(), call].concat()
}

/// Asks of one lot for a frame or two, and who can pay for them.
pub(crate) fn ladder(makers: u64) -> Vec<Letter> {
    ladder_of(makers, order(RESTS, Side::Sell, 1, 10))
}

/// The same of asks that end.
pub(crate) fn ending_ladder(makers: u64) -> Vec<Letter> {
    ladder_of(makers, waiting::until(order(RESTS, Side::Sell, 1, 10)))
}

fn ladder_of(makers: u64, ask: NewOrder) -> Vec<Letter> {
    let mut letters = empty(60);
    letters.extend([
        deposit(0, 1, 1_000),
        deposit(1, 1, 1_000),
        deposit(1, 0, 60),
    ]);
    letters.extend((1..=makers).map(|nth| {
        let ask = NewOrder {
            client_order_id: ClientOrderId(100 + nth),
            ..ask
        };
        by(1, Command::NewOrder(ask))
    }));
    letters
}

/// Takers of everything, and what may stand beside them.
pub(crate) fn sweepers() -> Vec<Letter> {
    use Side::{Buy, Sell};
    let mut letters = Vec::new();
    for kind in [RESTS, TAKES, FILLS, ANY_PRICE, FILLS_AT_ANY_PRICE] {
        let price = if kind.0 == OrderType::Market { 0 } else { 10 };
        letters.extend([FRAME, FRAME + 1, FRAME + 2].map(|qty| new(0, kind, Buy, qty, price)));
        letters.push(new(1, kind, Buy, 3, price));
    }
    letters.extend([
        new(1, RESTS, Sell, 3, 10),
        new(0, RESTS, Buy, 3, 10),
        cancel(1, OrderId::NONE, 101),
        cancel(0, OrderId::NONE, FRAME + 2),
        amend(0, OrderId::NONE, FRAME + 2, FRAME + 4, 10),
        amend(1, OrderId::NONE, 102, 2, 11),
        deposit(1, 1, 1_000),
    ]);
    letters.extend(own::of_a_ladder());
    letters.extend(waiting::of_a_ladder());
    letters
}

/// A ladder in a call.
pub(crate) fn call(makers: u64) -> Vec<Letter> {
    let mut letters = ladder(makers);
    letters.push(market::state(0, MarketState::PreOpen));
    letters
}
