//! Any stream of commands, in packets of any sizes that come twice and overtake each other: the books
//! are the engine's behind every frame.

use crate::exchange::{Exchange, MARKETS, shown};
use client::feed::{Books, Event, Receiver, RestingOrder};
use domain::{
    AmendOrder, CancelOrder, ClientOrderId, Command, Flag, MAX_FILLS, Nanos, NewOrder, OrderId,
    OrderType, Price, Qty, Recovered, Side, Source, TimeInForce, Timer, Zero,
};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Session(u32, Command),
    Sequencer(Command),
    /// So many orders of one lot, one behind the other.
    Many(u32, i64, u64),
}

fn order(client: u64, price: i64, qty: u64, buys: bool, place: usize, kind: u8) -> Command {
    let (order_type, time_in_force, post_only) = match kind {
        0 => (OrderType::Limit, TimeInForce::ImmediateOrCancel, Flag::No),
        1 => (OrderType::Market, TimeInForce::ImmediateOrCancel, Flag::No),
        2 => (OrderType::Limit, TimeInForce::GoodTillCancel, Flag::Yes),
        _ => (OrderType::Limit, TimeInForce::GoodTillCancel, Flag::No),
    };
    Command::NewOrder(NewOrder {
        client_order_id: ClientOrderId(client),
        price: Price(if order_type == OrderType::Market {
            0
        } else {
            price
        }),
        qty: Qty(qty),
        market: MARKETS[place],
        side: if buys { Side::Buy } else { Side::Sell },
        order_type,
        time_in_force,
        post_only,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let session = 0..2_u32;
    let client = 1..40_u64;
    prop_oneof![
        12 => (session.clone(), client.clone(), 95..105_i64, 1..90_u64, any::<bool>(), 0..2_usize, 0..8_u8)
            .prop_map(|(session, client, price, qty, buys, place, kind)| {
                Step::Session(session, order(client, price, qty, buys, place, kind))
            }),
        3 => (session.clone(), client.clone()).prop_map(|(session, client)| {
            Step::Session(session, Command::CancelOrder(CancelOrder {
                order_id: OrderId::NONE,
                client_order_id: ClientOrderId(client),
            }))
        }),
        5 => (session.clone(), client, 95..105_i64, 0..90_u64).prop_map(
            |(session, client, price, qty)| {
                Step::Session(session, Command::AmendOrder(AmendOrder {
                    order_id: OrderId::NONE,
                    client_order_id: ClientOrderId(client),
                    price: Price(price),
                    qty: Qty(qty),
                }))
            }
        ),
        1 => (session, 95..105_i64, 1..2 * MAX_FILLS as u64)
            .prop_map(|(session, price, count)| Step::Many(session, price, count)),
        1 => (0..3_u64).prop_map(|grace| Step::Sequencer(Command::Recovered(Recovered {
            epoch: 1,
            pad: [Zero::Zero; 4],
            grace: Nanos(grace),
        }))),
        1 => Just(Step::Sequencer(Command::Timer(Timer { deadline: Nanos(0) }))),
    ]
}

fn run(steps: &[Step]) -> Exchange {
    let mut exchange = Exchange::new();
    let mut client = 1_000;
    for step in steps {
        match step {
            Step::Session(session, command) => exchange.send(*session, *command),
            Step::Sequencer(command) => exchange.apply(Source::SEQUENCER, *command),
            Step::Many(session, price, count) => {
                for _ in 0..*count {
                    client += 1;
                    exchange.send(*session, order(client, *price, 1, false, 0, 9));
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
            if let Some((expected, phase)) = exchange.shown.get(&number) {
                assert_eq!(&shown(&books), expected, "at {number}");
                assert_eq!(books.phase(), *phase);
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
    let (sides, _) = &exchange.shown[&number];
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
        // Without the phase, which a snapshot does not tell.
        let mut books = snapshot(&exchange, start);
        let mut receiver = Receiver::new(start + 1);
        for packet in &packets {
            receiver.feed(packet, Nanos(0)).unwrap();
            while let Some(event) = receiver.poll_event(Nanos(0)) {
                let Event::Message { number, message } = event else {
                    panic!("nothing is lost: {event:?}");
                };
                books.apply(number, &message).unwrap();
                if let Some((expected, _)) = exchange.shown.get(&number) {
                    prop_assert_eq!(&shown(&books), expected);
                }
            }
        }
        prop_assert_eq!(books.number() + 1, exchange.engine.next_feed_no());
        prop_assert_eq!(books.len(), exchange.engine.live_orders());
    }
}
