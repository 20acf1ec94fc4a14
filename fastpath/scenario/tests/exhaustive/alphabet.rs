//! What may happen next, in a universe so small that everything meets: two accounts with a session each, one market
//! with three prices.

use domain::{
    AccountId, AmendOrder, Amount, AssetId, CancelOrder, Checkpoint, ClientOrderId, Command,
    CreateAccount, CreateAsset, CreateMarket, Delegate, Delegation, Deposit, EngineVersion, FirmId,
    Flag, Gate, Genesis, MarketId, Nanos, NewOrder, OpenSession, OrderId, OrderType, Price, Qty,
    Recovered, SessionId, Side, Source, TimeInForce, Timer, Zero,
};

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

fn by(session: u32, command: Command) -> Letter {
    Letter::of(Source::of_session(SessionId(session)), command)
}

type Kind = (OrderType, TimeInForce, Flag);

const RESTS: Kind = (OrderType::Limit, TimeInForce::GoodTillCancel, Flag::No);
const POSTS: Kind = (OrderType::Limit, TimeInForce::GoodTillCancel, Flag::Yes);
const TAKES: Kind = (OrderType::Limit, TimeInForce::ImmediateOrCancel, Flag::No);
const FILLS: Kind = (OrderType::Limit, TimeInForce::FillOrKill, Flag::No);
const ANY_PRICE: Kind = (OrderType::Market, TimeInForce::ImmediateOrCancel, Flag::No);
const FILLS_AT_ANY_PRICE: Kind = (OrderType::Market, TimeInForce::FillOrKill, Flag::No);

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
    };
    by(session, Command::CancelOrder(cancel))
}

fn amend(session: u32, order_id: OrderId, client: u64, qty: u64, price: i64) -> Letter {
    let amend = AmendOrder {
        order_id,
        client_order_id: ClientOrderId(client),
        price: Price(price),
        qty: Qty(qty),
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
            post_only: Flag::Yes,
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
    })
}

fn account(id: u32) -> Command {
    Command::CreateAccount(CreateAccount {
        account: AccountId(id),
        firm: FirmId(id),
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
    let timer = Command::Timer(Timer { deadline: Nanos(0) });
    let timer = Letter::of(Source::SEQUENCER, timer);
    let waits = [0, 50, -10].map(|wait| Letter { wait, ..timer });
    let mut letters = waits.to_vec();
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
    [orders(), cancels_and_amendments(), mistakes(), others()].concat()
}

/// What is not refused for itself, of every kind of command that changes what follows.
pub(crate) fn sound() -> Vec<Letter> {
    let timer = Command::Timer(Timer { deadline: Nanos(0) });
    let mut timer = Letter::of(Source::SEQUENCER, timer);
    timer.wait = 50;
    let rest = [
        timer,
        Letter::of(Source::SEQUENCER, recovered(2, 0)),
        Letter::of(Source::SEQUENCER, recovered(2, 50)),
        Letter::of(Source::ADMINISTRATION, session(2, 0)),
        Letter::of(Source::ADMINISTRATION, delegate(0, 0, 20)),
        Letter::of(Source::ADMINISTRATION, delegate(1, 1_050, 0)),
        deposit(0, 1, 12),
    ];
    [orders(), cancels_and_amendments(), rest.to_vec()].concat()
}

/// What meets most.
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
    let administration = [
        Command::Genesis(genesis(max_orders)),
        asset(0, 6),
        asset(1, 6),
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

/// A bid and an ask that share the last place with what comes.
pub(crate) fn busy() -> Vec<Letter> {
    let mut letters = empty(3);
    letters.push(new(0, RESTS, Side::Buy, 2, 10));
    letters.push(new(1, RESTS, Side::Sell, 3, 11));
    letters
}

/// More asks of one lot than one frame of a sweep may take, and someone who can pay for them.
pub(crate) fn ladder(makers: u64) -> Vec<Letter> {
    let mut letters = empty(40);
    letters.push(deposit(0, 1, 1_000));
    letters.extend((1..=makers).map(|nth| {
        let ask = NewOrder {
            client_order_id: ClientOrderId(100 + nth),
            ..order(RESTS, Side::Sell, 1, 10)
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
        letters.extend([32, 33, 34].map(|qty| new(0, kind, Buy, qty, price)));
        letters.push(new(1, kind, Buy, 3, price));
    }
    letters.extend([
        new(1, RESTS, Sell, 3, 10),
        new(0, RESTS, Buy, 3, 10),
        cancel(1, OrderId::NONE, 101),
        cancel(0, OrderId::NONE, 34),
        amend(0, OrderId::NONE, 34, 36, 10),
        amend(1, OrderId::NONE, 102, 2, 11),
        deposit(1, 1, 1_000),
    ]);
    letters
}
