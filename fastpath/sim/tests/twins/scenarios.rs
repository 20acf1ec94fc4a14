//! The rules of docs/ENGINE.md by example, with the events written out by hand, for both engines.

use crate::{
    notation::line,
    pair::Pair,
    world::{self, Terms, World},
};
use domain::{
    AccountId, AmendOrder, Amount, AssetId, CancelOrder, Checkpoint, ClientOrderId, Command,
    Effects, Event, MAX_FILLS, MarketId, Nanos, NewOrder, OrderId, OrderType, PostOnly, Price, Qty,
    Recovered, Request, Seq, SessionId, Side, Source, Stamp, TimeInForce, Timer, Zero,
};
use sim::NaiveEngine;

/// Both engines on a stage.
pub(crate) struct Floor {
    pub(crate) pair: Pair,
}

impl Floor {
    pub(crate) fn new(world: &World) -> Self {
        let mut pair = Pair::new();
        world.set_up(&mut pair).expect("the twins agree");
        Self { pair }
    }

    pub(crate) fn from(&mut self, source: Source, command: Command) -> Vec<String> {
        self.pair.next(source, command).iter().map(line).collect()
    }

    pub(crate) fn says(&mut self, session: u32, command: Command) -> Vec<String> {
        self.from(Source::of_session(SessionId(session)), command)
    }

    pub(crate) fn funds(&self, account: u32) -> [(u64, u64); 2] {
        [0, 1].map(|asset| {
            let balance = self.pair.fast().balance(AccountId(account), AssetId(asset));
            let (available, held) = balance.expect("both exist");
            (available.0, held.0)
        })
    }
}

pub(crate) fn order(client: u64, side: Side, qty: u64, price: i64) -> NewOrder {
    NewOrder {
        client_order_id: ClientOrderId(client),
        price: Price(price),
        qty: Qty(qty),
        market: MarketId(0),
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        ..NewOrder::PLAIN
    }
}

pub(crate) fn buy(client: u64, qty: u64, price: i64) -> Command {
    Command::NewOrder(order(client, Side::Buy, qty, price))
}

pub(crate) fn sell(client: u64, qty: u64, price: i64) -> Command {
    Command::NewOrder(order(client, Side::Sell, qty, price))
}

pub(crate) fn at_market(client: u64, side: Side, qty: u64, time_in_force: TimeInForce) -> Command {
    Command::NewOrder(NewOrder {
        order_type: OrderType::Market,
        time_in_force,
        ..order(client, side, qty, 0)
    })
}

pub(crate) fn cancel(client: u64) -> Command {
    Command::CancelOrder(CancelOrder {
        order_id: OrderId::NONE,
        client_order_id: ClientOrderId(client),
        qty: Qty::ZERO,
    })
}

pub(crate) fn amend(client: u64, qty: u64, price: i64) -> Command {
    Command::AmendOrder(AmendOrder {
        order_id: OrderId::NONE,
        client_order_id: ClientOrderId(client),
        price: Price(price),
        qty: Qty(qty),
        new_client_order_id: ClientOrderId(0),
    })
}

pub(crate) fn recovered(epoch: u32, grace: u64) -> Command {
    Command::Recovered(Recovered {
        epoch,
        pad: [Zero::Zero; 4],
        grace: Nanos(grace),
    })
}

fn timer() -> Command {
    Command::Timer(Timer { deadline: Nanos(0) })
}

/// Fees of 1% for makers and 10% for takers.
fn world_with_fees(funds: u64) -> World {
    let plain = World::plain(funds);
    World {
        markets: vec![Terms {
            maker_fee_ppm: 10_000,
            taker_fee_ppm: 100_000,
            ..plain.markets[0]
        }],
        ..plain
    }
}

#[test]
fn a_trade_happens_at_the_makers_price_and_both_pay_their_fee() {
    let mut floor = Floor::new(&world_with_fees(1_000));
    assert_eq!(
        floor.says(0, sell(1, 5, 20)),
        ["s0 r1 accepted o0.1 c1", "f2 add Sell o0.1 5@20"]
    );
    assert_eq!(floor.funds(0), [(995, 5), (1_000, 0)]);
    assert_eq!(
        floor.says(1, buy(1, 7, 30)),
        [
            "s1 r1 accepted o1.1 c1",
            "f3 trade 1 o0.1 with o1.1 5@20 leaves 0",
            "s0 r2 Maker Sell o0.1 5@20 fee 1 leaves 0",
            "s1 r2 Taker Buy o1.1 5@20 fee 10 leaves 2",
            "f4 add Buy o1.1 2@30",
        ]
    );
    assert_eq!(floor.funds(0), [(995, 0), (1_099, 0)]);
    // 110 paid; the rest of 2 at 30 holds 60 and the higher fee on it, 6.
    assert_eq!(floor.funds(1), [(1_005, 0), (824, 66)]);
    let asset = floor.pair.fast().asset(AssetId(1));
    assert_eq!(asset, Some((Amount(2_000), Amount(11))));
}

#[test]
fn price_comes_before_time_and_time_before_size() {
    let mut floor = Floor::new(&World::plain(1_000));
    for (client, qty, price) in [(1, 1, 20), (2, 9, 20), (3, 1, 19)] {
        floor.says(0, sell(client, qty, price));
    }
    let said = floor.says(1, buy(1, 4, 20));
    let trades: Vec<_> = said.iter().filter(|line| line.contains("trade")).collect();
    assert_eq!(
        trades,
        [
            "f5 trade 1 o2.1 with o3.1 1@19 leaves 0",
            "f6 trade 2 o0.1 with o3.1 1@20 leaves 0",
            "f7 trade 3 o1.1 with o3.1 2@20 leaves 7",
        ]
    );
    // The maker slots were given back in the order of the trades, the taker's last: last out first.
    assert_eq!(floor.says(0, sell(4, 1, 50))[0], "s0 r7 accepted o3.2 c4");
    assert_eq!(floor.says(0, sell(5, 1, 50))[0], "s0 r8 accepted o0.2 c5");
    assert_eq!(floor.says(0, sell(6, 1, 50))[0], "s0 r9 accepted o2.2 c6");
    assert_eq!(floor.says(0, sell(7, 1, 50))[0], "s0 r10 accepted o4.1 c7");
}

/// Wherever in a wide book the next price is: beside the last one or at the other end.
#[test]
fn a_sweep_finds_the_next_price_however_far_it_is() {
    let levels = [
        0, 1, 62, 63, 64, 4_095, 4_096, 4_097, 262_143, 262_144, 299_999,
    ];
    for side in [Side::Buy, Side::Sell] {
        let mut world = World::plain(u64::MAX / 8);
        world.genesis.max_levels = 300_000;
        world.genesis.max_pages = 11;
        world.markets[0].price_levels = 300_000;
        let mut floor = Floor::new(&world);
        // From the middle outwards, so that the best price changes both ways.
        for (client, level) in (1..).zip([5, 4, 6, 3, 7, 2, 8, 1, 9, 0, 10]) {
            let price = 1 + levels[level];
            floor.says(0, Command::NewOrder(order(client, side, 1, price)));
        }
        let take = at_market(1, side.opposite(), 99, TimeInForce::ImmediateOrCancel);
        let events = floor.pair.next(Source::of_session(SessionId(1)), take);
        let mut traded = Vec::new();
        for event in &events {
            if let Event::Trade(trade) = event {
                traded.push(trade.price.0 - 1);
            }
        }
        let mut expected = levels.to_vec();
        if side == Side::Buy {
            expected.reverse();
        }
        assert_eq!(traded, expected);
    }
}

#[test]
fn a_long_sweep_goes_on_in_frames_of_its_own() {
    let mut floor = Floor::new(&World::plain(10_000));
    let makers = MAX_FILLS as u64 + 3;
    for client in 1..=makers {
        floor.says(0, sell(client, 1, 20));
    }
    let source = Source::of_session(SessionId(1));
    let frames = floor.pair.submit(source, 1, buy(1, makers + 2, 20));
    let frames = frames.expect("the twins agree");
    let counts: Vec<_> = frames.iter().map(|frame| frame.events.len()).collect();
    // Accepted and full of trades; then the rest of them and the remainder's BookAdd.
    assert_eq!(counts, [1 + 3 * MAX_FILLS, 3 * 3 + 1]);
    // What has rested has its priority from the Continue frame, thus comes after none before it.
    assert_eq!(floor.pair.fast().live_orders(), 1);
    assert_eq!(
        floor.pair.fast().depth(MarketId(0), Side::Buy, 9),
        [(Price(20), Qty(2), 1)]
    );
}

#[test]
fn a_sweep_that_ends_with_its_last_allowed_maker_needs_no_second_frame() {
    let frame = MAX_FILLS as u64;
    for (wanted, resting) in [(frame, frame + 8), (frame + 8, frame)] {
        let mut floor = Floor::new(&World::plain(10_000));
        for client in 1..=resting {
            floor.says(0, sell(client, 1, 20));
        }
        let source = Source::of_session(SessionId(1));
        let frames = floor.pair.submit(source, 1, buy(1, wanted, 20));
        assert_eq!(frames.expect("the twins agree").len(), 1);
    }
}

#[test]
fn a_market_buy_takes_what_it_can_pay_for() {
    let mut world = world_with_fees(1_000);
    world.deposits = vec![1_000, 1_000, 0, 100];
    let mut floor = Floor::new(&world);
    floor.says(0, sell(1, 2, 10));
    floor.says(0, sell(2, 9, 20));
    assert_eq!(
        floor.says(
            1,
            at_market(1, Side::Buy, 8, TimeInForce::ImmediateOrCancel)
        ),
        [
            "s1 r1 accepted o2.1 c1",
            "f4 trade 1 o0.1 with o2.1 2@10 leaves 0",
            "s0 r3 Maker Sell o0.1 2@10 fee 0 leaves 0",
            "s1 r2 Taker Buy o2.1 2@10 fee 2 leaves 6",
            "f5 trade 2 o1.1 with o2.1 3@20 leaves 6",
            "s0 r4 Maker Sell o1.1 3@20 fee 0 leaves 6",
            "s1 r3 Taker Buy o2.1 3@20 fee 6 leaves 3",
            "s1 r4 canceled o2.1 3: FundsExhausted",
        ]
    );
    assert_eq!(floor.funds(1), [(5, 0), (12, 0)]);
    assert_eq!(
        floor.says(
            1,
            at_market(1, Side::Buy, 1, TimeInForce::ImmediateOrCancel)
        ),
        [
            "s1 r5 accepted o2.2 c1",
            "s1 r6 canceled o2.2 1: FundsExhausted"
        ]
    );
    let sell_all = at_market(2, Side::Sell, 5, TimeInForce::ImmediateOrCancel);
    assert_eq!(
        floor.says(1, sell_all),
        ["s1 r7 accepted o2.3 c2", "s1 r8 canceled o2.3 5: Unfilled"]
    );
}

#[test]
fn fill_or_kill_fills_or_is_refused() {
    let mut world = world_with_fees(1_000);
    world.deposits = vec![1_000, 1_000, 0, 54];
    let mut floor = Floor::new(&world);
    floor.says(0, sell(1, 2, 10));
    floor.says(0, sell(2, 3, 11));
    let kill = |client, qty| at_market(client, Side::Buy, qty, TimeInForce::FillOrKill);
    // What is there costs more than there is, so nobody hears that it is too little.
    assert_eq!(
        floor.says(1, kill(1, 6)),
        ["s1 r1 rejected NewOrder o0.0 c1: InsufficientFunds"]
    );
    // Four cost 42 and a fee of 4; five cost 53 and 5, of 54.
    assert_eq!(
        floor.says(1, kill(1, 5)),
        ["s1 r2 rejected NewOrder o0.0 c1: InsufficientFunds"]
    );
    let worst = |price| {
        Command::NewOrder(NewOrder {
            order_type: OrderType::Market,
            time_in_force: TimeInForce::FillOrKill,
            ..order(1, Side::Buy, 6, price)
        })
    };
    assert_eq!(
        floor.says(1, worst(10)),
        ["s1 r3 rejected NewOrder o0.0 c1: CannotFill"]
    );
    let said = floor.says(1, kill(1, 4));
    assert_eq!(said.len(), 1 + 2 * 3);
    assert_eq!(floor.funds(1), [(4, 0), (8, 0)]);
}

#[test]
fn post_only_never_trades_on_arrival() {
    let mut floor = Floor::new(&World::plain(1_000));
    floor.says(0, sell(1, 1, 20));
    let post = |client, price| {
        Command::NewOrder(NewOrder {
            post_only: PostOnly::Refuse,
            ..order(client, Side::Buy, 1, price)
        })
    };
    assert_eq!(
        floor.says(1, post(1, 20)),
        ["s1 r1 rejected NewOrder o0.0 c1: WouldTrade"]
    );
    assert_eq!(
        floor.says(1, post(1, 19)),
        ["s1 r2 accepted o1.1 c1", "f3 add Buy o1.1 1@19"]
    );
    assert_eq!(
        floor.says(1, amend(1, 2, 20)),
        ["s1 r3 rejected AmendOrder o0.0 c1: WouldTrade"]
    );
}

#[test]
fn an_amendment_keeps_its_place_only_if_the_order_does_not_grow_or_move() {
    let mut floor = Floor::new(&World::plain(1_000));
    floor.says(0, buy(1, 5, 10));
    floor.says(0, buy(2, 5, 10));
    assert_eq!(
        floor.says(0, amend(1, 3, 10)),
        [
            "s0 r3 amended o0.1 3@10 leaves 3 keeps Yes",
            "f4 reduce o0.1 to 3"
        ]
    );
    assert_eq!(floor.funds(0), [(1_000, 0), (920, 80)]);
    assert_eq!(
        floor.says(0, amend(1, 3, 10)),
        ["s0 r4 amended o0.1 3@10 leaves 3 keeps Yes"]
    );
    assert_eq!(
        floor.says(1, sell(1, 1, 10))[1],
        "f5 trade 1 o0.1 with o2.1 1@10 leaves 2"
    );
    assert_eq!(
        floor.says(0, amend(1, 6, 10)),
        [
            "s0 r6 amended o0.1 6@10 leaves 5 keeps No",
            "f6 replace o0.1 5@10"
        ]
    );
    assert_eq!(
        floor.says(1, sell(1, 1, 10))[1],
        "f7 trade 2 o1.1 with o2.2 1@10 leaves 4"
    );
    assert_eq!(
        floor.says(0, amend(1, 1, 999)),
        ["s0 r8 canceled o0.1 5: AmendedToFilled", "f8 delete o0.1"]
    );
    assert_eq!(
        floor.says(0, amend(1, 1, 10)),
        ["s0 r9 rejected AmendOrder o0.0 c1: UnknownOrder"]
    );
}

#[test]
fn an_amendment_that_crosses_trades_as_taker_with_its_filled_part_kept() {
    let mut floor = Floor::new(&World::plain(100));
    floor.says(0, buy(1, 5, 10));
    floor.says(1, sell(1, 2, 10));
    floor.says(1, sell(2, 1, 12));
    assert_eq!(
        floor.says(0, amend(1, 7, 12)),
        [
            "s0 r3 amended o0.1 7@12 leaves 5 keeps No",
            "f5 delete o0.1",
            "f6 trade 2 o1.2 with o0.1 1@12 leaves 0",
            "s1 r4 Maker Sell o1.2 1@12 fee 0 leaves 0",
            "s0 r4 Taker Buy o0.1 1@12 fee 0 leaves 4",
            "f7 add Buy o0.1 4@12",
        ]
    );
    // 20 and 12 are paid; 48 are held; 20 are left.
    assert_eq!(floor.funds(0), [(103, 0), (20, 48)]);
    assert_eq!(
        floor.says(0, amend(1, 9, 12)),
        ["s0 r5 rejected AmendOrder o0.0 c1: InsufficientFunds"],
        "six at 12 hold 72 of 68"
    );
    assert_eq!(
        floor.says(0, amend(1, 8, 12)),
        [
            "s0 r6 amended o0.1 8@12 leaves 5 keeps No",
            "f8 replace o0.1 5@12"
        ]
    );
}

#[test]
fn what_cannot_be_counted_is_refused_the_filled_part_included() {
    let mut world = World::plain(u64::MAX / 8);
    world.markets[0].tick_value = 1 << 50;
    let mut floor = Floor::new(&world);
    // At price 1, so many lots are worth 2^64.
    let too_many = 1 << 14;
    assert_eq!(
        floor.says(0, sell(1, too_many, 1)),
        ["s0 r1 rejected NewOrder o0.0 c1: NotionalTooLarge"]
    );
    floor.says(0, sell(1, 5, 1));
    floor.says(1, buy(1, 2, 1));
    assert_eq!(
        floor.says(0, amend(1, too_many, 1)),
        ["s0 r4 rejected AmendOrder o0.0 c1: NotionalTooLarge"]
    );
    assert_eq!(
        floor.says(0, amend(1, too_many - 1, 1))[0],
        "s0 r5 amended o0.1 16383@1 leaves 16381 keeps No"
    );
}

#[test]
fn an_order_belongs_to_its_session() {
    let mut world = World::plain(1_000);
    world.sessions = vec![0, 1, 0];
    let mut floor = Floor::new(&world);
    floor.says(0, buy(1, 5, 10));
    let named = Command::CancelOrder(CancelOrder {
        order_id: OrderId::first(0),
        client_order_id: ClientOrderId(9),
        qty: Qty::ZERO,
    });
    for (session, number) in [(1, 1), (2, 1)] {
        assert_eq!(
            floor.says(session, named),
            [format!(
                "s{session} r{number} rejected CancelOrder o0.1 c9: UnknownOrder"
            )]
        );
    }
    assert_eq!(
        floor.says(2, cancel(1)),
        ["s2 r2 rejected CancelOrder o0.0 c1: UnknownOrder"]
    );
    assert_eq!(
        floor.says(0, named),
        ["s0 r2 canceled o0.1 5: Requested", "f3 delete o0.1"]
    );
    assert_eq!(
        floor.says(0, named),
        ["s0 r3 rejected CancelOrder o0.1 c9: UnknownOrder"]
    );
}

#[test]
fn a_client_order_id_is_free_again_when_its_order_has_ended() {
    let mut floor = Floor::new(&World::plain(1_000));
    floor.says(0, buy(1, 5, 10));
    assert_eq!(
        floor.says(0, sell(1, 5, 50)),
        ["s0 r2 rejected NewOrder o0.0 c1: DuplicateClientOrderId"]
    );
    assert_eq!(floor.says(1, buy(1, 5, 9))[0], "s1 r1 accepted o1.1 c1");
    floor.says(0, cancel(1));
    assert_eq!(floor.says(0, sell(1, 5, 50))[0], "s0 r4 accepted o0.2 c1");
}

#[test]
fn one_account_may_trade_with_itself() {
    let mut floor = Floor::new(&world_with_fees(1_000));
    floor.says(0, sell(1, 10, 10));
    floor.says(0, buy(2, 10, 10));
    assert_eq!(floor.funds(0), [(1_000, 0), (989, 0)]);
}

#[test]
fn skipped_numbers_never_apply() {
    let mut floor = Floor::new(&World::plain(1_000));
    let source = Source::of_session(SessionId(0));
    let frames = floor.pair.submit(source, 4, cancel(1));
    let frames = frames.expect("the twins agree");
    let said: Vec<_> = frames[0].events.iter().map(line).collect();
    assert_eq!(
        said,
        [
            "s0 r1 not applied 3 from 1",
            "s0 r2 rejected CancelOrder o0.0 c1: UnknownOrder"
        ]
    );
    for late in [0, 3, 4] {
        let frames = floor.pair.submit(source, late, cancel(1));
        assert!(frames.expect("the twins agree").is_empty());
    }
}

#[test]
fn deposits_come_one_by_one_even_if_refused() {
    let mut floor = Floor::new(&World::plain(1_000));
    let last = floor.pair.last_number(Source::DEPOSITS);
    let none = Command::Deposit(world::deposit(0, 0, 0));
    let some = Command::Deposit(world::deposit(0, 0, u64::MAX - 2_000));
    let skipped = floor.pair.submit(Source::DEPOSITS, last + 2, some);
    assert!(skipped.expect("the twins agree").is_empty());
    assert_eq!(
        floor.from(Source::DEPOSITS, none),
        ["Deposit: InvalidParameter"]
    );
    assert_eq!(floor.pair.last_number(Source::DEPOSITS), last + 1);
    assert_eq!(floor.from(Source::DEPOSITS, some), ["Deposit: None"]);
    let one = Command::Deposit(world::deposit(1, 0, 1));
    assert_eq!(
        floor.from(Source::DEPOSITS, one),
        ["Deposit: SupplyTooLarge"]
    );
}

#[test]
fn after_a_recovery_only_cancels_until_a_timer_finds_the_grace_over() {
    let mut floor = Floor::new(&World::plain(1_000));
    floor.says(0, buy(1, 5, 10));
    floor.says(0, buy(2, 5, 10));
    assert_eq!(
        floor.from(Source::SEQUENCER, recovered(3, 100)),
        ["f4 CancelOnly", "Recovered: None"]
    );
    let due = floor.pair.fast().next_deadline().expect("a grace runs").0;
    assert_eq!(due, floor.pair.clock + 100);
    assert_eq!(
        floor.says(0, buy(3, 5, 10)),
        ["s0 r3 rejected NewOrder o0.0 c3: CancelOnly"]
    );
    assert_eq!(
        floor.says(0, amend(1, 1, 10)),
        ["s0 r4 rejected AmendOrder o0.0 c1: CancelOnly"]
    );
    assert_eq!(
        floor.says(0, cancel(1))[0],
        "s0 r5 canceled o0.1 5: Requested"
    );
    floor.pair.clock = due - 2;
    assert_eq!(floor.from(Source::SEQUENCER, timer()), ["Timer: None"]);
    assert_eq!(
        floor.from(Source::SEQUENCER, timer()),
        ["f6 Open", "Timer: None"]
    );
    assert_eq!(
        floor.from(Source::SEQUENCER, recovered(2, 0)),
        ["Recovered: InvalidParameter"]
    );
    assert_eq!(
        floor.from(Source::SEQUENCER, recovered(3, u64::MAX)),
        ["f7 CancelOnly", "Recovered: None"]
    );
    assert_eq!(
        floor.from(Source::SEQUENCER, recovered(4, 0)),
        ["f8 Open", "Recovered: None"]
    );
    assert_eq!(floor.pair.fast().epoch(), 4);
}

#[test]
fn a_full_order_table_is_an_answer() {
    let mut world = World::plain(1_000);
    world.genesis.max_orders = 2;
    let mut floor = Floor::new(&world);
    floor.says(0, buy(1, 1, 10));
    floor.says(0, buy(2, 1, 10));
    assert_eq!(
        floor.says(1, sell(1, 1, 10)),
        ["s1 r1 rejected NewOrder o0.0 c1: OrderTableFull"],
        "even one that would trade and leave"
    );
    floor.says(0, cancel(2));
    assert_eq!(floor.says(1, sell(1, 1, 10))[0], "s1 r2 accepted o1.2 c1");
}

#[test]
fn a_source_says_only_what_is_its_own() {
    let mut floor = Floor::new(&World::plain(1_000));
    assert_eq!(
        floor.says(0, Command::Checkpoint(Checkpoint { interval: 1 })),
        ["s0 r1 rejected Checkpoint o0.0 c0: UnknownSession"]
    );
    assert_eq!(
        floor.from(Source::GATEWAY, buy(1, 1, 1)),
        ["NewOrder: UnknownSession"]
    );
    let unknown = [Source(4), Source::of_session(SessionId(2))];
    for source in unknown {
        let frames = floor.pair.submit(source, 1, timer());
        assert!(frames.expect("the twins agree").is_empty());
    }
}

#[test]
fn before_genesis_there_is_nothing_to_administer() {
    let mut floor = Floor { pair: Pair::new() };
    let asset = Command::CreateAsset(world::create_asset(0));
    assert_eq!(
        floor.from(Source::ADMINISTRATION, asset),
        ["CreateAsset: NotInitialised"]
    );
    assert_eq!(
        floor.from(Source::DEPOSITS, Command::Deposit(world::deposit(0, 0, 1))),
        ["Deposit: NotInitialised"]
    );
    assert_eq!(floor.from(Source::SEQUENCER, timer()), ["Timer: None"]);
    assert_eq!(
        floor.from(Source::SEQUENCER, recovered(1, 0)),
        ["Recovered: None"]
    );
}

#[test]
fn a_checkpoint_hashes_the_state_that_it_leaves() {
    let mut floor = Floor::new(&World::plain(1_000));
    floor.says(0, buy(1, 1, 10));
    let checkpoint = Command::Checkpoint(Checkpoint { interval: 1 });
    let events = floor.pair.next(Source::SEQUENCER, checkpoint);
    let [Event::StateHash(hash)] = events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(hash.hash, floor.pair.fast().state_hash());
}

fn apply_to_naive(command: Command, number: u64) {
    let request = Request {
        source: Source::SEQUENCER,
        source_seq: number,
        receive_time: Nanos(1),
        command,
    };
    let stamp = Stamp {
        seq: Seq(1),
        time: Nanos(1),
    };
    NaiveEngine::new().apply(stamp, &request, &mut Effects::new());
}

#[test]
#[should_panic(expected = "not admitted")]
fn what_is_not_admitted_is_never_applied() {
    apply_to_naive(timer(), 0);
}

#[test]
#[should_panic(expected = "work is pending")]
fn nothing_goes_on_that_is_not_pending() {
    let order_id = OrderId::first(0);
    apply_to_naive(Command::Continue(domain::Continue { order_id }), 1);
}
