//! Every sequence of four commands over a small alphabet, in a world where they all interact: two
//! sessions, one market, room for three orders, just enough funds.

use crate::{
    pair::Pair,
    world::{Terms, World},
};
use domain::{
    AmendOrder, CancelOrder, ClientOrderId, Command, Flag, Genesis, MarketId, NewOrder, OrderId,
    OrderType, Price, Qty, SessionId, Side, Source, TimeInForce,
};

const LENGTH: u32 = 4;

fn world() -> World {
    World {
        genesis: Genesis {
            max_orders: 3,
            ..World::plain(0).genesis
        },
        markets: vec![Terms {
            maker_fee_ppm: 50_000,
            taker_fee_ppm: 150_000,
            price_levels: 3,
            price_min: 10,
            ..World::plain(0).markets[0]
        }],
        deposits: vec![5, 45, 4, 40],
        ..World::plain(0)
    }
}

fn order(session: u32, client: u64, side: Side, qty: u64, price: i64) -> (u32, NewOrder) {
    let order = NewOrder {
        client_order_id: ClientOrderId(client),
        price: Price(price),
        qty: Qty(qty),
        market: MarketId(0),
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        post_only: Flag::No,
    };
    (session, order)
}

fn amend(client: u64, price: i64, qty: u64) -> (u32, Command) {
    let amend = AmendOrder {
        order_id: OrderId::NONE,
        client_order_id: ClientOrderId(client),
        price: Price(price),
        qty: Qty(qty),
    };
    (0, Command::AmendOrder(amend))
}

fn alphabet() -> Vec<(u32, Command)> {
    let new = |(session, order)| (session, Command::NewOrder(order));
    let with = |(session, order): (u32, NewOrder), order_type, time_in_force, post_only| {
        let order = NewOrder {
            order_type,
            time_in_force,
            post_only,
            ..order
        };
        (session, Command::NewOrder(order))
    };
    let cancel = |session, order_id, client| {
        let cancel = CancelOrder {
            order_id,
            client_order_id: ClientOrderId(client),
        };
        (session, Command::CancelOrder(cancel))
    };
    use OrderType::{Limit, Market};
    use TimeInForce::{FillOrKill, GoodTillCancel, ImmediateOrCancel};
    vec![
        new(order(0, 1, Side::Buy, 2, 10)),
        new(order(0, 2, Side::Buy, 1, 11)),
        new(order(1, 1, Side::Sell, 1, 10)),
        new(order(1, 2, Side::Sell, 3, 11)),
        new(order(0, 3, Side::Sell, 2, 11)),
        with(
            order(1, 3, Side::Buy, 2, 11),
            Limit,
            GoodTillCancel,
            Flag::Yes,
        ),
        with(
            order(0, 4, Side::Buy, 4, 0),
            Market,
            ImmediateOrCancel,
            Flag::No,
        ),
        with(order(1, 4, Side::Sell, 2, 10), Limit, FillOrKill, Flag::No),
        cancel(0, OrderId::NONE, 1),
        cancel(1, OrderId::first(0), 0),
        amend(1, 11, 3),
        amend(1, 10, 1),
    ]
}

#[test]
fn every_short_sequence_gives_the_same() {
    let alphabet = alphabet();
    let letters = alphabet.len();
    let world = world();
    for sequence in 0..letters.pow(LENGTH) {
        let mut pair = Pair::new();
        world.set_up(&mut pair).expect("the stage is set");
        let mut rest = sequence;
        let mut said = Vec::new();
        for _ in 0..LENGTH {
            let (session, command) = alphabet[rest % letters];
            rest /= letters;
            said.push((session, command));
            let source = Source::of_session(SessionId(session));
            let number = pair.last_number(source) + 1;
            if let Err(difference) = pair.submit(source, number, command) {
                panic!("after {said:#?}: {difference}");
            }
        }
        pair.check_invariants().expect("what always holds");
    }
}
