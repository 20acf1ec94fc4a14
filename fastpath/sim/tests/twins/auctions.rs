//! Market states, auctions and collars by example, with the events written out by hand, for both engines.

use crate::{
    operator::{delist, set_state},
    pair::Frame,
    scenarios::{Floor, amend, at_market, buy, order, sell},
    world::World,
};
use domain::{
    Command, Event, Flag, MAX_AUCTION_TRADES, MAX_CANCELS, MAX_LOOKS, MarketId, MarketState, Price,
    Reference, SetCollar, Side, Source, TimeInForce, Zero,
};

/// A side of a book: lots and prices, first come first.
type Lots = [(u64, i64)];

fn collar(reference: Reference, price: i64, width_ppm: u32, halts: Flag) -> Command {
    Command::SetCollar(SetCollar {
        price: Price(price),
        market: MarketId(0),
        width_ppm,
        reference,
        halts,
        pad: [Zero::Zero; 6],
    })
}

/// A market of prices 1 to 120 in a call, with bids of session 0 and asks of session 1.
fn called(bids: &Lots, asks: &Lots) -> Floor {
    let mut world = World::plain(100_000);
    world.markets[0].price_levels = 120;
    let mut floor = Floor::new(&world);
    call(&mut floor, bids, asks);
    floor
}

fn call(floor: &mut Floor, bids: &Lots, asks: &Lots) {
    floor.operator(set_state(0, MarketState::PreOpen));
    for (client, (qty, price)) in (100..).zip(bids) {
        let said = floor.says(0, buy(client, *qty, *price));
        assert!(said[1].contains("add"), "it rests: {said:?}");
    }
    for (client, (qty, price)) in (100..).zip(asks) {
        let said = floor.says(1, sell(client, *qty, *price));
        assert!(said[1].contains("add"), "it rests: {said:?}");
    }
}

impl Floor {
    fn operator(&mut self, command: Command) -> Vec<String> {
        self.from(Source::ADMINISTRATION, command)
    }

    fn open(&mut self) -> Vec<String> {
        self.operator(set_state(0, MarketState::Continuous))
    }

    /// The frames with which the market opens, but for those of recoveries in between.
    fn opening_frames(&mut self) -> Vec<Frame> {
        let number = self.pair.last_number(Source::ADMINISTRATION) + 1;
        let open = set_state(0, MarketState::Continuous);
        let frames = self.pair.submit(Source::ADMINISTRATION, number, open);
        let mut frames = frames.expect("the twins agree");
        frames.retain(|frame| !matches!(frame.request.command, Command::Recovered(_)));
        frames
    }

    /// Lots and price of the auction with which the market opens.
    fn opens_at(&mut self) -> Option<String> {
        let said = self.open();
        let found = said.iter().find_map(|line| line.split_once("uncrossed 0 "));
        found.map(|(_, found)| found.to_owned())
    }
}

#[test]
fn most_lots_trade() {
    // At 102 ten of 15 asks; at 100 only five; at 105 no more than at 102.
    let mut floor = called(&[(10, 105), (10, 100)], &[(5, 95), (10, 102)]);
    assert_eq!(floor.opens_at().as_deref(), Some("10@102"));
    // At 107 two, at 106 five, at 105 four: at no other price five.
    let mut floor = called(&[(2, 107), (3, 106), (4, 105)], &[(4, 105), (3, 106)]);
    assert_eq!(floor.opens_at().as_deref(), Some("5@106"));
}

#[test]
fn of_prices_with_as_many_lots_fewest_are_left_over() {
    // Five trade from 100 to 104; two bids are left over up to 101.
    let mut floor = called(&[(5, 104), (2, 101)], &[(5, 100)]);
    assert_eq!(floor.opens_at().as_deref(), Some("5@102"));
    // Two asks are left over from 103 on.
    let mut floor = called(&[(5, 104)], &[(5, 100), (2, 103)]);
    assert_eq!(floor.opens_at().as_deref(), Some("5@100"));
    // One ask is left over at 100, two bids at 99: five trade at both.
    let mut floor = called(&[(5, 100), (2, 99)], &[(5, 99), (1, 100)]);
    assert_eq!(floor.opens_at().as_deref(), Some("5@100"));
}

#[test]
fn of_prices_alike_the_one_nearest_to_the_last_trade() {
    for (last, expected) in [(50, 95), (95, 95), (98, 98), (105, 105), (110, 105)] {
        let mut floor = called(&[], &[]);
        floor.open();
        floor.says(1, sell(1, 1, last));
        floor.says(0, buy(1, 1, last));
        // The last trade counts, not the price of the collar.
        floor.operator(collar(Reference::Set, 101, 900_000, Flag::No));
        call(&mut floor, &[(5, 105)], &[(5, 95)]);
        assert_eq!(floor.opens_at(), Some(format!("5@{expected}")));
    }
}

#[test]
fn before_the_first_trade_the_one_nearest_to_the_price_of_the_collar_or_the_lowest() {
    for (reference, price, expected) in [
        (Reference::Set, 101, 101),
        (Reference::Set, 115, 105),
        (Reference::Middle, 0, 95),
        (Reference::LastTrade, 0, 95),
    ] {
        let mut floor = called(&[(5, 105)], &[(5, 95)]);
        floor.operator(collar(reference, price, 900_000, Flag::No));
        assert_eq!(floor.opens_at(), Some(format!("5@{expected}")));
    }
    let mut floor = called(&[(5, 105)], &[(5, 95)]);
    assert_eq!(floor.opens_at().as_deref(), Some("5@95"));
}

#[test]
fn at_equal_prices_who_came_first_trades_and_who_came_later_takes() {
    let mut floor = called(&[(5, 100), (20, 100)], &[(7, 100)]);
    // The ask came last: its lots leave the book first, as those of who takes.
    assert_eq!(
        floor.open(),
        [
            "f6 market 0 Continuous",
            "SetMarketState: None",
            "f7 uncrossed 0 7@100",
            "f8 reduce o2.1 to 2",
            "f9 trade 1 o0.1 with o2.1 5@100 leaves 0",
            "s0 r3 Maker Buy o0.1 5@100 fee 0 leaves 0",
            "s1 r2 Taker Sell o2.1 5@100 fee 0 leaves 2",
            "f10 delete o2.1",
            "f11 trade 2 o1.1 with o2.1 2@100 leaves 18",
            "s0 r4 Maker Buy o1.1 2@100 fee 0 leaves 18",
            "s1 r3 Taker Sell o2.1 2@100 fee 0 leaves 0",
        ]
    );
    assert_eq!(floor.funds(0), [(100_007, 0), (97_500, 1_800)]);
    // The slot of the maker was given back first: the taker's is the next to be taken.
    assert_eq!(floor.says(0, buy(9, 1, 1))[0], "s0 r5 accepted o2.2 c9");
}

#[test]
fn a_buyer_pays_the_price_of_the_auction_and_gets_the_rest_of_its_hold_back() {
    let mut floor = called(&[(10, 110)], &[(4, 90), (3, 95)]);
    assert_eq!(floor.funds(0), [(100_000, 0), (98_900, 1_100)]);
    // Seven trade from 95 to 110, three bids are left over: the lowest.
    assert_eq!(floor.opens_at().as_deref(), Some("7@95"));
    assert_eq!(floor.funds(0), [(100_007, 0), (99_005, 330)]);
    assert_eq!(floor.funds(1), [(99_993, 0), (100_665, 0)]);
}

#[test]
fn a_book_with_one_side_or_a_spread_opens_without_an_auction() {
    for (bids, asks) in [
        (&[(5, 100)][..], &[][..]),
        (&[], &[(5, 100)]),
        (&[(5, 100)], &[(5, 101)]),
    ] {
        assert_eq!(called(bids, asks).opens_at(), None);
    }
}

#[test]
fn own_orders_trade_with_each_other_in_an_auction() {
    let mut floor = called(&[(5, 100)], &[]);
    floor.says(0, sell(1, 5, 99));
    assert_eq!(floor.opens_at().as_deref(), Some("5@99"));
    assert_eq!(floor.funds(0), [(100_000, 0), (100_000, 0)]);
}

#[test]
fn leaving_a_call_for_a_state_that_trades_nothing_leaves_the_book() {
    use MarketState::{
        CancelOnly, Closed, ClosingAuction, Continuous, Halted, OpeningAuction, PostOnly,
    };
    for end in [Continuous, Closed, PostOnly] {
        let mut floor = called(&[(5, 100)], &[(5, 100)]);
        for state in [Halted, CancelOnly, OpeningAuction, ClosingAuction] {
            let said = floor.operator(set_state(0, state));
            assert_eq!(said.len(), 2, "state and answer: {said:?}");
        }
        let said = floor.operator(set_state(0, end));
        assert_eq!(said[2], "f10 uncrossed 0 5@100", "{end:?}");
    }
}

#[test]
fn a_long_auction_goes_on_frame_by_frame() {
    let mut world = World::plain(100_000);
    world.genesis.max_orders = 200;
    let mut floor = Floor::new(&world);
    let one_each = [(1, 50); 2 * MAX_AUCTION_TRADES + 3];
    call(&mut floor, &one_each, &one_each);
    let frames = floor.opening_frames();
    let trades = frames.iter().map(|frame| {
        let trades = frame.events.iter();
        trades
            .filter(|event| matches!(event, Event::Trade(_)))
            .count()
    });
    let trades: Vec<usize> = trades.collect();
    assert_eq!(trades, [MAX_AUCTION_TRADES, MAX_AUCTION_TRADES, 3]);
}

/// One bid against asks at so many prices. How many frames it takes until the price is found.
fn frames_until_uncrossed(prices: usize) -> usize {
    let prices = i64::try_from(prices).expect("small");
    let mut world = World::plain(u64::MAX / 8);
    world.genesis.max_orders = 1_100;
    world.genesis.max_levels = 1_200;
    world.markets[0].price_levels = 1_200;
    let mut floor = Floor::new(&world);
    let asks: Vec<(u64, i64)> = (1..=prices).map(|price| (1, price)).collect();
    call(&mut floor, &[(2_000, 1_200)], &asks);
    let frames = floor.opening_frames();
    let found = frames.iter().position(|frame| {
        let mut events = frame.events.iter();
        events.any(|event| matches!(event, Event::Uncrossed(_)))
    });
    1 + found.expect("it trades")
}

#[test]
fn a_price_that_takes_long_to_find_is_looked_for_frame_by_frame() {
    assert_eq!(frames_until_uncrossed(MAX_LOOKS), 1);
    assert_eq!(frames_until_uncrossed(MAX_LOOKS + 1), 2);
}

#[test]
fn in_a_call_orders_rest_and_nothing_else_is_taken() {
    let mut floor = called(&[(5, 100)], &[(5, 90)]);
    let refused = "rejected NewOrder o0.0 c7: OnlyRestingOrders";
    for (nth, time_in_force) in [TimeInForce::ImmediateOrCancel, TimeInForce::FillOrKill]
        .into_iter()
        .enumerate()
    {
        let said = floor.says(0, at_market(7, Side::Buy, 1, time_in_force));
        assert_eq!(said, [format!("s0 r{} {refused}", 2 + nth)]);
    }
    // A slide does not slide, and an amendment goes where it likes.
    let slides = Command::NewOrder(domain::NewOrder {
        post_only: domain::PostOnly::Slide,
        ..order(8, Side::Buy, 1, 95)
    });
    assert_eq!(floor.says(0, slides)[1], "f5 add Buy o2.1 1@95");
    assert_eq!(
        floor.says(0, amend(8, 1, 120)),
        [
            "s0 r5 amended o2.1 1@120 leaves 1 keeps No",
            "f6 replace o2.1 1@120"
        ]
    );
}

#[test]
fn a_market_that_takes_only_cancels_says_why() {
    use MarketState::{CancelOnly, Closed, Halted};
    for (state, reason) in [
        (Halted, "MarketHalted"),
        (CancelOnly, "MarketCancelOnly"),
        (Closed, "MarketClosed"),
    ] {
        let mut floor = called(&[(5, 100)], &[]);
        floor.operator(set_state(0, state));
        let said = floor.says(0, buy(7, 1, 1));
        assert_eq!(said, [format!("s0 r2 rejected NewOrder o0.0 c7: {reason}")]);
        let said = floor.says(0, amend(100, 1, 1));
        assert_eq!(
            said,
            [format!("s0 r3 rejected AmendOrder o0.0 c100: {reason}")]
        );
    }
}

#[test]
fn a_delisted_market_loses_its_orders_frame_by_frame() {
    let mut world = World::plain(100_000);
    world.genesis.max_orders = 200;
    let mut floor = Floor::new(&world);
    let asks = vec![(1, 50); MAX_CANCELS + 2];
    call(&mut floor, &[(1, 60)], &asks);
    let said = floor.operator(delist(0));
    assert!(said[0].ends_with("market 0 Delisted"));
    assert_eq!(said[1], "DelistMarket: None");
    let canceled = said.iter().filter(|line| line.ends_with(": Delisted"));
    assert_eq!(canceled.count(), MAX_CANCELS + 3);
    assert_eq!(floor.pair.fast().live_orders(), 0);
    assert_eq!(
        floor.says(0, buy(1, 1, 1)),
        ["s0 r3 rejected NewOrder o0.0 c1: MarketDelisted"]
    );
    for command in [delist(0), set_state(0, MarketState::Continuous)] {
        let said = floor.operator(command);
        assert!(said[0].ends_with(": InvalidParameter"), "{said:?}");
    }
}

#[test]
fn the_middle_of_a_collar_may_lie_between_two_prices() {
    let mut floor = called(&[(5, 50)], &[(5, 61)]);
    floor.open();
    floor.operator(collar(Reference::Middle, 0, 100_000, Flag::No));
    // Of 55.5: from 49.95 to 61.05.
    let beyond = |said: &[String]| said[0].ends_with(": PriceBeyondCollar");
    assert!(beyond(&floor.says(0, buy(1, 1, 62))));
    assert!(beyond(&floor.says(1, sell(1, 1, 49))));
    assert!(!beyond(&floor.says(0, buy(1, 1, 61))));
    assert!(!beyond(&floor.says(1, sell(1, 1, 50))));
}

#[test]
fn a_market_order_goes_as_far_as_the_collar() {
    let mut floor = called(&[], &[(1, 100), (1, 110), (1, 111)]);
    floor.open();
    floor.operator(collar(Reference::Set, 100, 100_000, Flag::Yes));
    let said = floor.says(
        0,
        at_market(1, Side::Buy, 3, TimeInForce::ImmediateOrCancel),
    );
    assert_eq!(
        said.last().expect("it is taken"),
        "s0 r4 canceled o3.1 1: Unfilled"
    );
    // What was sold at 100 and 110 is gone; a bid beyond halts the market.
    assert_eq!(
        floor.says(0, buy(2, 1, 111)),
        [
            "s0 r5 rejected NewOrder o0.0 c2: PriceBeyondCollar",
            "f9 market 0 Halted"
        ]
    );
}

#[test]
fn an_amendment_beyond_the_collar_halts_the_market_too() {
    let mut floor = called(&[(5, 100)], &[]);
    floor.open();
    floor.operator(collar(Reference::Set, 100, 50_000, Flag::Yes));
    assert_eq!(
        floor.says(0, amend(100, 5, 106)),
        [
            "s0 r2 rejected AmendOrder o0.0 c100: PriceBeyondCollar",
            "f5 market 0 Halted"
        ]
    );
}
