//! Orders that meet their own, and what an order demands before it is taken, by example.

use crate::{
    scenarios::{Floor, amend, at_market, buy, cancel, order, sell},
    world::{Terms, World},
};
use domain::{
    Command, MAX_FILLS, MAX_LOOK_AHEAD, NewOrder, OrderType, PostOnly, Price, Qty, SelfTrade,
    SelfTradeScope, SessionId, Side, Source, TimeInForce,
};

/// Sessions 0 and 1 are of accounts 0 and 1; 2 is another of account 0; 3 is of account 2, which has the firm of
/// account 0 (none); 4 is of account 3, which has the firm of account 1.
fn world() -> World {
    let plain = World::plain(10_000);
    World {
        genesis: domain::Genesis {
            max_sessions: 8,
            max_orders: 2_000,
            ..plain.genesis
        },
        accounts: 4,
        sessions: vec![0, 1, 0, 2, 3],
        ..plain
    }
}

fn with(self_trade: SelfTrade, order: NewOrder) -> Command {
    Command::NewOrder(NewOrder {
        self_trade,
        ..order
    })
}

fn buying(self_trade: SelfTrade, qty: u64) -> Command {
    with(self_trade, order(9, Side::Buy, qty, 20))
}

/// Account 0 sells 2 and account 1 sells 3, at 20, in this order.
fn floor() -> Floor {
    let mut floor = Floor::new(&world());
    floor.says(2, sell(1, 2, 20));
    floor.says(1, sell(1, 3, 20));
    floor
}

#[test]
fn the_rest_of_the_newest_is_cancelled() {
    let mut floor = floor();
    assert_eq!(
        floor.says(0, buying(SelfTrade::CancelNewest, 4)),
        [
            "s0 r1 accepted o2.1 c9",
            "s0 r2 prevented o2.1 with o0.1 2@20 leaves 4",
            "s0 r3 canceled o2.1 4: SelfTrade",
        ]
    );
    assert_eq!(floor.funds(0), [(9_998, 2), (10_000, 0)]);
}

#[test]
fn the_oldest_gives_way() {
    let mut floor = floor();
    assert_eq!(
        floor.says(0, buying(SelfTrade::CancelOldest, 4)),
        [
            "s0 r1 accepted o2.1 c9",
            "s0 r2 prevented o2.1 with o0.1 2@20 leaves 4",
            "s2 r2 canceled o0.1 2: SelfTrade",
            "f4 delete o0.1",
            "f5 trade 1 o1.1 with o2.1 3@20 leaves 0",
            "s1 r2 Maker Sell o1.1 3@20 fee 0 leaves 0",
            "s0 r3 Taker Buy o2.1 3@20 fee 0 leaves 1",
            "f6 add Buy o2.1 1@20",
        ]
    );
    assert_eq!(floor.funds(0), [(10_003, 0), (9_920, 20)]);
}

#[test]
fn both_are_cancelled() {
    let mut floor = floor();
    assert_eq!(
        floor.says(0, buying(SelfTrade::CancelBoth, 4)),
        [
            "s0 r1 accepted o2.1 c9",
            "s0 r2 prevented o2.1 with o0.1 2@20 leaves 4",
            "s2 r2 canceled o0.1 2: SelfTrade",
            "f4 delete o0.1",
            "s0 r3 canceled o2.1 4: SelfTrade",
        ]
    );
    assert_eq!(floor.funds(0), [(10_000, 0), (10_000, 0)]);
}

#[test]
fn the_larger_becomes_smaller_by_the_smaller() {
    let mut floor = floor();
    // The one that arrives is larger.
    assert_eq!(
        floor.says(0, buying(SelfTrade::DecrementAndCancel, 6)),
        [
            "s0 r1 accepted o2.1 c9",
            "s0 r2 prevented o2.1 with o0.1 2@20 leaves 4",
            "s2 r2 canceled o0.1 2: SelfTrade",
            "f4 delete o0.1",
            "f5 trade 1 o1.1 with o2.1 3@20 leaves 0",
            "s1 r2 Maker Sell o1.1 3@20 fee 0 leaves 0",
            "s0 r3 Taker Buy o2.1 3@20 fee 0 leaves 1",
            "f6 add Buy o2.1 1@20",
        ]
    );
    // Two are alike, of which one has filled 3 before.
    let selling = order(2, Side::Sell, 1, 20);
    assert_eq!(
        floor.says(2, with(SelfTrade::DecrementAndCancel, selling)),
        [
            "s2 r3 accepted o1.2 c2",
            "s2 r4 prevented o1.2 with o2.1 1@20 leaves 1",
            "s0 r4 canceled o2.1 1: SelfTrade",
            "f7 delete o2.1",
            "s2 r5 canceled o1.2 1: SelfTrade",
        ]
    );
}

#[test]
fn what_rests_and_is_larger_becomes_smaller_and_keeps_its_place() {
    let mut floor = Floor::new(&world());
    floor.says(0, sell(1, 8, 20));
    floor.says(1, buy(1, 3, 20));
    assert_eq!(
        floor.says(2, buying(SelfTrade::DecrementAndCancel, 4)),
        [
            "s2 r1 accepted o1.2 c9",
            "s2 r2 prevented o1.2 with o0.1 4@20 leaves 4",
            "s0 r3 amended o0.1 4@20 leaves 1 keeps Yes",
            "f4 reduce o0.1 to 1",
            "s2 r3 canceled o1.2 4: SelfTrade",
        ]
    );
    assert_eq!(floor.funds(0), [(9_996, 1), (10_060, 0)]);
}

#[test]
fn who_aborts_is_refused_before_anything_happens() {
    let mut floor = floor();
    let refused = |number| format!("s0 r{number} rejected NewOrder o0.0 c9: WouldSelfTrade");
    assert_eq!(
        floor.says(0, buying(SelfTrade::Abort, 4)),
        [refused(1).as_str()]
    );
    // Account 1 meets its own only behind the other's.
    assert_eq!(floor.says(1, buying(SelfTrade::Abort, 2)).len(), 4);
    // What rests does not decide.
    floor.says(1, with(SelfTrade::Abort, order(8, Side::Buy, 1, 10)));
    let meets_it = floor.says(1, sell(7, 1, 10));
    assert!(meets_it[1].contains("trade"), "{meets_it:?}");
    // An amendment is looked at as well.
    let resting = order(6, Side::Buy, 1, 10);
    floor.says(1, with(SelfTrade::Abort, resting));
    let said = floor.says(1, amend(6, 1, 20));
    assert!(said[0].contains("c6: WouldSelfTrade"), "{said:?}");
}

/// Accounts 1 and 3 have a firm; 0 and 2 have none, which makes them no firm.
#[test]
fn orders_of_one_firm_are_its_own_if_it_asks_for_that() {
    for (maker, taker, scope, prevented) in [
        (1, 4, SelfTradeScope::Account, false),
        (1, 4, SelfTradeScope::Firm, true),
        (0, 3, SelfTradeScope::Firm, false),
        (0, 2, SelfTradeScope::Firm, true),
        (0, 2, SelfTradeScope::Account, true),
    ] {
        let mut floor = Floor::new(&world());
        floor.says(maker, sell(1, 2, 20));
        let buying = NewOrder {
            self_trade_scope: scope,
            ..order(9, Side::Buy, 1, 20)
        };
        let said = floor.says(taker, with(SelfTrade::CancelNewest, buying));
        assert_eq!(said[1].contains("prevented"), prevented, "{said:?}");
    }
}

#[test]
fn prevented_trades_make_a_frame_as_long_as_trades_do() {
    let mut floor = Floor::new(&world());
    let makers = MAX_FILLS as u64 + 2;
    for client in 1..=makers {
        floor.says(0, sell(client, 1, 20));
    }
    let source = Source::of_session(SessionId(2));
    let taker = buying(SelfTrade::CancelOldest, makers + 5);
    let frames = floor.pair.submit(source, 1, taker);
    let frames = frames.expect("the twins agree");
    let counts: Vec<_> = frames.iter().map(|frame| frame.events.len()).collect();
    assert_eq!(counts, [1 + 3 * MAX_FILLS, 3 * 2 + 1]);
}

#[test]
fn a_minimum_trades_at_once_or_the_order_is_refused() {
    let mut floor = floor();
    let at_least = |client, min_qty, self_trade| {
        Command::NewOrder(NewOrder {
            min_qty: Qty(min_qty),
            self_trade,
            ..order(client, Side::Buy, 7, 20)
        })
    };
    let said = floor.says(3, at_least(1, 6, SelfTrade::Allow));
    assert_eq!(said, ["s3 r1 rejected NewOrder o0.0 c1: CannotFill"]);
    // Of these five lots two are its own.
    let said = floor.says(0, at_least(1, 4, SelfTrade::CancelOldest));
    assert_eq!(said, ["s0 r1 rejected NewOrder o0.0 c1: CannotFill"]);
    let said = floor.says(3, at_least(1, 5, SelfTrade::CancelOldest));
    assert_eq!(
        said.last().map(String::as_str),
        Some("f6 add Buy o2.1 2@20")
    );
}

/// A market buy must be able to pay for its minimum, fee included, and no more than that.
#[test]
fn a_market_buy_pays_for_its_minimum() {
    let mut world = World {
        markets: vec![Terms {
            taker_fee_ppm: 100_000,
            ..World::plain(0).markets[0]
        }],
        ..World::plain(0)
    };
    for (funds, min_qty, taken) in [(32, 3, 0), (33, 3, 3), (33, 4, 0), (33, 0, 3)] {
        world.deposits = vec![1_000, 1_000, 0, funds];
        let mut floor = Floor::new(&world);
        floor.says(0, sell(1, 9, 10));
        let buying = Command::NewOrder(NewOrder {
            order_type: OrderType::Market,
            time_in_force: TimeInForce::ImmediateOrCancel,
            min_qty: Qty(min_qty),
            ..order(1, Side::Buy, 9, 0)
        });
        let said = floor.says(1, buying);
        let is_refused = said == ["s1 r1 rejected NewOrder o0.0 c1: InsufficientFunds"];
        assert_eq!(is_refused, taken == 0, "{said:?}");
        assert_eq!(floor.funds(1)[0], (taken, 0));
    }
}

#[test]
fn a_market_order_goes_no_further_than_its_worst_price() {
    for (side, prices) in [(Side::Buy, [20, 21, 22]), (Side::Sell, [22, 21, 20])] {
        let mut floor = Floor::new(&World::plain(1_000));
        for (client, price) in (1..).zip(prices) {
            floor.says(
                0,
                Command::NewOrder(order(client, side.opposite(), 1, price)),
            );
        }
        let Command::NewOrder(any_price) = at_market(1, side, 5, TimeInForce::ImmediateOrCancel)
        else {
            panic!("a new order");
        };
        let said = floor.says(
            1,
            Command::NewOrder(NewOrder {
                price: Price(21),
                ..any_price
            }),
        );
        assert_eq!(said.len(), 1 + 2 * 3 + 1, "{said:?}");
        assert_eq!(said[7], "s1 r4 canceled o3.1 3: Unfilled");
    }
}

#[test]
fn an_order_slides_to_the_nearest_price_at_which_it_does_not_trade() {
    let mut floor = Floor::new(&World::plain(1_000));
    floor.says(0, sell(1, 1, 20));
    let slide = |client, side, price| {
        Command::NewOrder(NewOrder {
            post_only: PostOnly::Slide,
            ..order(client, side, 1, price)
        })
    };
    assert_eq!(
        floor.says(1, slide(1, Side::Buy, 25)),
        ["s1 r1 accepted o1.1 c1", "f3 add Buy o1.1 1@19"]
    );
    assert_eq!(
        floor.says(0, slide(2, Side::Sell, 3)),
        ["s0 r2 accepted o2.1 c2", "f4 add Sell o2.1 1@20"]
    );
    assert_eq!(
        floor.says(1, amend(1, 1, 30)),
        ["s1 r2 amended o1.1 1@19 leaves 1 keeps Yes"]
    );
    // There is no price below the lowest.
    floor.says(1, cancel(1));
    floor.says(0, sell(3, 1, 1));
    assert_eq!(
        floor.says(1, slide(2, Side::Buy, 7)),
        ["s1 r4 rejected NewOrder o0.0 c2: WouldTrade"]
    );
}

/// Up to the last order that may be looked at, and one further.
#[test]
fn a_look_ahead_ends_at_its_bound() {
    let mut floor = Floor::new(&World {
        deposits: vec![100_000],
        ..world()
    });
    let most = MAX_LOOK_AHEAD as u64;
    for client in 1..=most {
        floor.says(0, sell(client, 1, 20));
    }
    let at_least = |client, qty| {
        Command::NewOrder(NewOrder {
            min_qty: Qty(qty),
            ..order(client, Side::Buy, qty, 20)
        })
    };
    let Command::NewOrder(more) = at_least(1, most + 1) else {
        panic!("a new order");
    };
    let preventing = with(SelfTrade::CancelBoth, more);
    assert_eq!(
        floor.says(1, preventing),
        ["s1 r1 rejected NewOrder o0.0 c1: CannotFill"]
    );
    floor.says(0, sell(most + 1, 1, 20));
    assert_eq!(
        floor.says(1, preventing),
        ["s1 r2 rejected NewOrder o0.0 c1: LookAheadTooLong"]
    );
    // An amendment that aborts looks as far.
    floor.says(1, with(SelfTrade::Abort, order(2, Side::Buy, most + 1, 1)));
    assert_eq!(
        floor.says(1, amend(2, most + 1, 20)),
        ["s1 r4 rejected AmendOrder o0.0 c2: LookAheadTooLong"]
    );
    // Who may meet its own looks at the lots of each price only.
    assert_eq!(
        floor.says(1, at_least(1, most + 1))[0],
        "s1 r5 accepted o1026.1 c1"
    );
}
