//! Tiers, limits, fees and rebates by example, for both engines.

use crate::{
    scenarios::{Floor, amend, at_market, buy, sell},
    world::{Terms, World},
};
use domain::{
    AccountId, Amount, AssetId, CollectFees, Command, Flag, Limits, MarketId, Qty, SetFees,
    SetLimits, SetTier, Side, Source, TimeInForce, Zero,
};

fn set_tier(account: u32, tier: u32) -> Command {
    Command::SetTier(SetTier {
        account: AccountId(account),
        tier,
    })
}

fn set_fees(tier: u32, maker_fee_ppm: i32, taker_fee_ppm: u32) -> Command {
    Command::SetFees(SetFees {
        tier,
        market: MarketId::ANY,
        maker_fee_ppm,
        taker_fee_ppm,
    })
}

fn limits_of(of_account: Flag, target: u32, limits: Limits) -> Command {
    Command::SetLimits(SetLimits {
        target,
        of_account,
        as_tier: Flag::No,
        pad: [Zero::Zero; 2],
        limits,
    })
}

/// Two accounts with 10,000 of assets of two decimals; 1% for makers and 10% for takers.
fn floor() -> Floor {
    let plain = World::plain(10_000);
    let terms = Terms {
        maker_fee_ppm: 10_000,
        taker_fee_ppm: 100_000,
        ..plain.markets[0]
    };
    Floor::new(&World {
        markets: vec![terms],
        decimals: vec![2],
        ..plain
    })
}

fn set(floor: &mut Floor, command: Command) {
    let said = floor.from(Source::ADMINISTRATION, command);
    assert!(said[0].ends_with(": None"), "{said:?}");
}

fn refuses(floor: &mut Floor, session: u32, command: Command, reason: &str) {
    let said = floor.says(session, command);
    assert!(said[0].ends_with(&format!(": {reason}")), "{said:?}");
}

#[test]
fn a_rebate_comes_from_what_the_exchange_has_the_fee_of_the_same_trade_included() {
    let mut floor = floor();
    set(&mut floor, set_tier(0, 1));
    set(&mut floor, set_fees(1, -200_000, 100_000));
    set(&mut floor, set_fees(0, 0, 50_000));
    floor.says(0, sell(1, 4, 50));
    // Of 200: the taker pays 10, and of a rebate of 40 there is no more than that.
    let said = floor.says(1, buy(1, 4, 50));
    assert_eq!(said[2], "s0 r2 Maker Sell o0.1 4@50 fee 10 leaves 0");
    assert_eq!(said[3], "s1 r2 Taker Buy o1.1 4@50 fee 10 leaves 0");
    assert_eq!(floor.funds(0), [(9_996, 0), (10_210, 0)]);
    assert_eq!(floor.funds(1), [(10_004, 0), (9_790, 0)]);
    let asset = floor.pair.fast().asset(AssetId(1));
    assert_eq!(asset, Some((Amount(20_000), Amount(0))));
}

#[test]
fn holds_are_of_the_list_fees_and_what_is_too_much_comes_back() {
    let mut floor = floor();
    set(&mut floor, set_fees(0, 0, 0));
    floor.says(0, buy(1, 4, 50));
    assert_eq!(floor.funds(0)[1], (9_780, 220));
    floor.says(1, sell(1, 4, 50));
    assert_eq!(floor.funds(0)[1], (9_800, 0));
}

#[test]
fn the_exchange_takes_out_no_more_than_it_has_earned() {
    let mut floor = floor();
    floor.says(0, sell(1, 4, 50));
    floor.says(1, buy(1, 4, 50));
    let collect = |amount| {
        Command::CollectFees(CollectFees {
            account: AccountId(1),
            asset: AssetId(1),
            amount: Amount(amount),
        })
    };
    let said = floor.from(Source::ADMINISTRATION, collect(23));
    assert_eq!(said, ["CollectFees: InsufficientFunds"]);
    set(&mut floor, collect(22));
    assert_eq!(floor.funds(1)[1], (9_802, 0));
}

#[test]
fn limits_count_whole_units_and_an_accounts_own_come_first() {
    let mut floor = floor();
    let tier = Limits {
        max_order_qty: Qty(10),
        max_order_notional: 3,
        ..Limits::default()
    };
    set(&mut floor, limits_of(Flag::No, 0, tier));
    refuses(&mut floor, 0, buy(1, 11, 1), "QuantityAboveLimit");
    refuses(&mut floor, 0, buy(1, 7, 43), "NotionalAboveLimit");
    floor.says(0, buy(1, 6, 50));
    refuses(&mut floor, 0, amend(1, 6, 51), "NotionalAboveLimit");
    // A market order that names no price is reckoned at the best.
    refuses(
        &mut floor,
        1,
        at_market(1, Side::Sell, 7, TimeInForce::ImmediateOrCancel),
        "NotionalAboveLimit",
    );
    let own = Limits {
        max_open_orders: 1,
        ..Limits::default()
    };
    set(&mut floor, limits_of(Flag::Yes, 0, own));
    refuses(&mut floor, 0, buy(2, 1, 1), "TooManyOpenOrders");
    assert!(floor.says(0, amend(1, 20, 50))[0].contains("amended"));
}

#[test]
fn a_position_is_what_is_owned_and_what_is_bought() {
    let mut floor = floor();
    let limits = Limits {
        max_position: 101,
        ..Limits::default()
    };
    set(&mut floor, limits_of(Flag::No, 0, limits));
    refuses(&mut floor, 0, buy(1, 101, 1), "PositionAboveLimit");
    floor.says(0, sell(1, 50, 90));
    refuses(&mut floor, 0, buy(1, 101, 1), "PositionAboveLimit");
    assert!(floor.says(0, buy(2, 100, 1))[0].contains("accepted"));
}

#[test]
fn of_an_amended_order_only_what_can_still_trade_is_reckoned() {
    let mut floor = floor();
    floor.says(0, buy(1, 6, 50));
    floor.says(1, sell(1, 4, 50));
    // It has bought 4 for 2 whole units; 3 more cost 1.5.
    let limits = Limits {
        max_position: 101,
        max_daily_volume: 4,
        ..Limits::default()
    };
    set(&mut floor, limits_of(Flag::No, 0, limits));
    assert!(floor.says(0, amend(1, 7, 50))[0].contains("amended"));
    assert!(floor.says(0, amend(1, 8, 50))[0].contains("amended"));
    refuses(&mut floor, 0, amend(1, 9, 50), "VolumeAboveLimit");
    assert!(floor.says(0, amend(1, 100, 2))[0].contains("amended"));
    refuses(&mut floor, 0, amend(1, 101, 2), "PositionAboveLimit");
}

/// The clock of these tests starts just before midnight.
#[test]
fn a_days_volume_ends_at_midnight() {
    let mut floor = floor();
    let limits = Limits {
        max_daily_volume: 3,
        ..Limits::default()
    };
    set(&mut floor, limits_of(Flag::No, 0, limits));
    floor.says(0, sell(1, 4, 50));
    floor.says(1, buy(1, 4, 50));
    refuses(&mut floor, 0, sell(2, 3, 34), "VolumeAboveLimit");
    floor.says(0, sell(2, 2, 50));
    refuses(&mut floor, 1, buy(2, 3, 34), "VolumeAboveLimit");
    floor.pair.clock += 200;
    assert!(floor.says(1, buy(2, 3, 34))[0].contains("accepted"));
}
