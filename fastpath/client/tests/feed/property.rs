//! Any stream of commands, in packets of any sizes that come twice and overtake each other: the books
//! are the engine's behind every frame.

use crate::exchange::{Exchange, MARKETS, shown};
use client::feed::{Book, Books, Event, Receiver, RestingOrder};
use domain::{
    AmendOrder, CancelOrder, ClientOrderId, Command, Flag, KillSwitch, MAX_FILLS, MarketState,
    MassCancel, Nanos, NewOrder, OrderId, OrderType, PostOnly, Price, Qty, Recovered, Scope,
    SelfTrade, SelfTradeScope, SetMarketState, Side, Sides, Source, TimeInForce, Timer, Zero,
};
use proptest::prelude::*;
use proptest::sample::select;

#[derive(Clone, Debug)]
enum Step {
    Session(u32, Command),
    Operator(Command),
    Sequencer(Command),
    /// So many orders of one lot, one behind the other, of a side.
    Many(u32, i64, u64, Side),
}

const SIDES: [Side; 2] = [Side::Buy, Side::Sell];

fn order(client: u64, price: i64, qty: u64, side: Side) -> NewOrder {
    NewOrder {
        client_order_id: ClientOrderId(client),
        price: Price(price),
        qty: Qty(qty),
        side,
        ..NewOrder::PLAIN
    }
}

fn any_order() -> impl Strategy<Value = Command> {
    use PostOnly::{No, Refuse, Slide};
    use TimeInForce::{GoodTillCancel, GoodTillClose, GoodTillTime, ImmediateOrCancel};
    let options = [
        (OrderType::Limit, ImmediateOrCancel, No),
        (OrderType::Market, ImmediateOrCancel, No),
        (OrderType::Limit, GoodTillCancel, Refuse),
        (OrderType::Limit, GoodTillCancel, Slide),
        (OrderType::Limit, GoodTillTime, No),
        (OrderType::Limit, GoodTillClose, No),
        (OrderType::Stop, GoodTillCancel, No),
        (OrderType::StopLimit, GoodTillTime, No),
        (OrderType::Limit, GoodTillCancel, No),
        (OrderType::Limit, GoodTillCancel, No),
        (OrderType::Limit, GoodTillCancel, No),
    ];
    let self_trade = [
        SelfTrade::Allow,
        SelfTrade::Allow,
        SelfTrade::CancelNewest,
        SelfTrade::CancelOldest,
        SelfTrade::CancelBoth,
        SelfTrade::DecrementAndCancel,
        SelfTrade::Abort,
    ];
    let scope = [SelfTradeScope::Account, SelfTradeScope::Firm];
    let plain = (1..40_u64, 95..105_i64, 1..90_u64, select(&SIDES[..]))
        .prop_map(|(client, price, qty, side)| order(client, price, qty, side));
    let own = (select(self_trade.to_vec()), select(scope.to_vec()));
    let later = (15..400_u64, 95..105_i64, prop_oneof![Just(0), 1..9_u64]);
    let whole = (
        plain,
        select(&MARKETS[..]),
        select(options.to_vec()),
        own,
        later,
    );
    whole.prop_map(|(plain, market, options, own, later)| {
        let (order_type, time_in_force, post_only) = options;
        let order = NewOrder {
            market,
            order_type,
            time_in_force,
            post_only,
            self_trade: own.0,
            self_trade_scope: own.1,
            ..plain
        };
        Command::NewOrder(of_later(order, later))
    })
}

/// What the order's type and time in force allow of an end, a trigger and lots shown.
fn of_later(order: NewOrder, (expires, trigger, shown): (u64, i64, u64)) -> NewOrder {
    let mut order = order;
    if order.time_in_force == TimeInForce::GoodTillTime {
        order.expires = Nanos(expires);
    }
    if order.order_type.waits() {
        order.trigger_price = Price(trigger);
    } else if order.time_in_force.rests() {
        order.display_qty = Qty(shown.min(order.qty.0));
    }
    order
}

fn any_cancel() -> impl Strategy<Value = Command> {
    (1..40_u64, 0..20_u64).prop_map(|(client, qty)| {
        Command::CancelOrder(CancelOrder {
            order_id: OrderId::NONE,
            client_order_id: ClientOrderId(client),
            qty: Qty(qty),
        })
    })
}

fn any_amendment() -> impl Strategy<Value = Command> {
    let names = (1..40_u64, prop_oneof![Just(0), 1..40_u64]);
    (names, 95..105_i64, 0..90_u64).prop_map(|((client, new), price, qty)| {
        Command::AmendOrder(AmendOrder {
            order_id: OrderId::NONE,
            client_order_id: ClientOrderId(client),
            price: Price(price),
            qty: Qty(qty),
            new_client_order_id: ClientOrderId(new),
        })
    })
}

fn any_mass_cancel() -> impl Strategy<Value = Command> {
    let sides = [Sides::Both, Sides::Buys, Sides::Sells];
    (select(&MARKETS[..]), select(sides.to_vec()), 95..105_i64).prop_map(
        |(market, sides, lowest)| {
            Command::MassCancel(MassCancel {
                market,
                sides,
                lowest: Price(lowest),
                ..MassCancel::OWN
            })
        },
    )
}

/// A firm's kill switch, which cancels everything of both accounts.
fn switch(on: Flag) -> Command {
    Command::KillSwitch(KillSwitch {
        request: 0,
        target: 7,
        scope: Scope::Firm,
        on,
        pad: [Zero::Zero; 2],
    })
}

fn any_state() -> impl Strategy<Value = Command> {
    use MarketState::{
        CancelOnly, Closed, ClosingAuction, Continuous, Halted, OpeningAuction, PostOnly, PreOpen,
    };
    let states = [
        Continuous,
        Continuous,
        Continuous,
        PreOpen,
        OpeningAuction,
        ClosingAuction,
        PostOnly,
        Halted,
        CancelOnly,
        Closed,
    ];
    (select(&MARKETS[..]), select(states.to_vec())).prop_map(|(market, state)| {
        Command::SetMarketState(SetMarketState {
            market,
            state,
            pad: [Zero::Zero; 3],
        })
    })
}

fn any_of_the_sequencer() -> impl Strategy<Value = Command> {
    prop_oneof![
        (0..3_u64).prop_map(|grace| {
            Command::Recovered(Recovered {
                epoch: 1,
                pad: [Zero::Zero; 4],
                grace: Nanos(grace),
            })
        }),
        Just(Command::Timer(Timer { deadline: Nanos(0) })),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let of_session = prop_oneof![
        12 => any_order(),
        3 => any_cancel(),
        5 => any_amendment(),
        1 => any_mass_cancel(),
    ];
    let many = (95..105_i64, 1..2 * MAX_FILLS as u64, select(&SIDES[..]));
    prop_oneof![
        21 => (0..2_u32, of_session).prop_map(|(session, command)| Step::Session(session, command)),
        1 => (0..2_u32, many).prop_map(|(session, (price, count, side))| {
            Step::Many(session, price, count, side)
        }),
        2 => any_state().prop_map(Step::Operator),
        1 => select(vec![switch(Flag::Yes), switch(Flag::No), switch(Flag::No)]).prop_map(Step::Operator),
        2 => any_of_the_sequencer().prop_map(Step::Sequencer),
    ]
}

fn run(steps: &[Step]) -> Exchange {
    let mut exchange = Exchange::new();
    let mut client = 1_000;
    for step in steps {
        match step {
            Step::Session(session, command) => exchange.send(*session, *command),
            Step::Operator(command) => exchange.apply(Source::ADMINISTRATION, *command),
            Step::Sequencer(command) => exchange.apply(Source::SEQUENCER, *command),
            Step::Many(session, price, count, side) => {
                for _ in 0..*count {
                    client += 1;
                    let order = order(client, *price, 1, *side);
                    exchange.send(*session, Command::NewOrder(order));
                }
            }
        }
    }
    exchange
}

/// The packets in an order in which each comes at most a few places late, some of them twice.
fn disturbed(packets: Vec<Vec<u8>>, random: &mut impl FnMut() -> u64) -> Vec<Vec<u8>> {
    let mut keyed = Vec::new();
    for (place, packet) in (0_u64..).zip(packets) {
        if random().is_multiple_of(4) {
            keyed.push((place * 4 + random() % 40, packet.clone()));
        }
        keyed.push((place * 4 + random() % 20, packet));
    }
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, packet)| packet).collect()
}

/// Follows all packets from `books` on, and compares behind every frame.
fn follow(exchange: &Exchange, packets: &[Vec<u8>], mut books: Books) -> usize {
    let mut receiver = Receiver::new(books.number() + 1);
    let (now, mut compared) = (Nanos(0), 0);
    for packet in packets {
        receiver.feed(packet, now).unwrap();
        while let Some(event) = receiver.poll_event(now) {
            let Event::Message { number, message } = event else {
                panic!("nothing is lost: {event:?}");
            };
            books.apply(number, &message).unwrap();
            if let Some((expected, phase, states)) = exchange.shown.get(&number) {
                assert_eq!(&shown(&books), expected, "at {number}");
                assert_eq!(books.phase(), *phase);
                let state = |(market, book): (_, &Book)| (market, book.state().unwrap());
                assert!(books.markets().map(state).eq(states.iter().copied()));
                check_depth(exchange, &books, number);
                compared += 1;
            }
        }
    }
    assert_eq!(books.number() + 1, exchange.engine.next_feed_no());
    assert_eq!(receiver.next_timeout(), None);
    compared
}

/// At the end the engine itself can be asked.
fn check_depth(exchange: &Exchange, books: &Books, number: u64) {
    if number + 1 != exchange.engine.next_feed_no() {
        return;
    }
    for market in MARKETS {
        for side in [Side::Buy, Side::Sell] {
            let levels = books.book(market).unwrap().depth(side);
            let levels: Vec<_> = levels
                .map(|l| (l.price, l.quantity, u32::try_from(l.orders).unwrap()))
                .collect();
            assert_eq!(levels, exchange.engine.depth(market, side, usize::MAX));
        }
    }
}

fn snapshot(exchange: &Exchange, number: u64) -> Books {
    let (sides, ..) = &exchange.shown[&number];
    let orders = sides.iter().flat_map(|(market, side, orders)| {
        orders.iter().map(|(price, order_id, leaves)| RestingOrder {
            order_id: *order_id,
            market: *market,
            side: *side,
            price: *price,
            leaves: *leaves,
        })
    });
    Books::from_orders(number, orders).unwrap()
}

/// splitmix64.
fn seeded(mut state: u64) -> impl FnMut() -> u64 {
    move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn books_are_the_engines_at_every_frame(
        steps in proptest::collection::vec(step(), 1..160),
        seed in any::<u64>(),
    ) {
        let exchange = run(&steps);
        let mut random = seeded(seed);
        let packets = exchange.packets(|| 1 + random() % 30);
        let packets = disturbed(packets, &mut random);
        let compared = follow(&exchange, &packets, Books::new());
        // Frame 0 stands for those before the first public event.
        let frames = exchange.shown.range(1..).count();
        prop_assert_eq!(compared, frames);
    }

    #[test]
    fn a_snapshot_at_any_frame_is_as_good_as_the_beginning(
        steps in proptest::collection::vec(step(), 1..120),
        seed in any::<u64>(),
    ) {
        let exchange = run(&steps);
        let mut random = seeded(seed);
        let packets = exchange.packets(|| 1 + random() % 30);
        let packets = disturbed(packets, &mut random);
        let numbers: Vec<u64> = exchange.shown.keys().copied().collect();
        let start = numbers[usize::try_from(random() % numbers.len() as u64).unwrap()];
        // Without phase and states, which a snapshot does not tell.
        let mut books = snapshot(&exchange, start);
        let mut receiver = Receiver::new(start + 1);
        for packet in &packets {
            receiver.feed(packet, Nanos(0)).unwrap();
            while let Some(event) = receiver.poll_event(Nanos(0)) {
                let Event::Message { number, message } = event else {
                    panic!("nothing is lost: {event:?}");
                };
                books.apply(number, &message).unwrap();
                if let Some((expected, ..)) = exchange.shown.get(&number) {
                    prop_assert_eq!(&shown(&books), expected);
                }
            }
        }
        prop_assert_eq!(books.number() + 1, exchange.engine.next_feed_no());
        let resting = exchange.engine.orders().filter(|order| order.trigger_price == Price(0));
        prop_assert_eq!(books.len(), resting.count());
    }
}
