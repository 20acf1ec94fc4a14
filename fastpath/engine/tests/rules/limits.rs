//! Limits of tiers and accounts.

use crate::exchange::*;
use domain::*;

const BUY: Side = Side::Buy;
const SELL: Side = Side::Sell;
const NONE: Limits = Limits {
    max_order_qty: Qty(0),
    max_order_notional: 0,
    max_position: 0,
    max_daily_volume: 0,
    max_unattested_notional: 0,
    max_open_orders: 0,
    pad: [Zero::Zero; 4],
};

fn limited(limits: Limits) -> Exchange {
    let mut x = Exchange::of_whole_units();
    assert_eq!(x.admin(set_limits(false, 0, limits)), Reason::None);
    x
}

#[test]
fn quantity_and_notional_of_an_order() {
    let mut x = limited(Limits {
        max_order_qty: Qty(10),
        max_order_notional: 1_000,
        ..NONE
    });
    x.rest(0, limit(1, PLAIN, BUY, 100, 10));
    assert_eq!(
        x.rejection(0, limit(2, PLAIN, BUY, 90, 11)),
        Reason::QuantityAboveLimit
    );
    assert_eq!(
        x.rejection(1, limit(2, PLAIN, SELL, 101, 10)),
        Reason::NotionalAboveLimit
    );
    let id = x.rest(1, limit(2, PLAIN, SELL, 102, 9));
    assert_eq!(
        only_rejection(&x.amend(1, id, 102, 10)),
        Reason::NotionalAboveLimit
    );
    assert_eq!(
        only_rejection(&x.amend(1, id, 102, 11)),
        Reason::QuantityAboveLimit
    );
    // A market order is reckoned at the most that it may cost.
    assert_eq!(
        x.rejection(0, market(3, PLAIN, BUY, 10)),
        Reason::NotionalAboveLimit
    );
    let protected = NewOrder {
        price: Price(99),
        ..market(3, PLAIN, BUY, 10)
    };
    assert_eq!(x.enter(0, protected).len(), 2, "accepted and cancelled");
    let protected = NewOrder {
        price: Price(120),
        ..market(3, PLAIN, BUY, 9)
    };
    assert_eq!(x.rejection(0, protected), Reason::NotionalAboveLimit);
    let sell = NewOrder {
        price: Price(1),
        ..market(3, PLAIN, SELL, 10)
    };
    assert_eq!(x.enter(1, sell).len(), 4, "ten at 100 are within");
}

#[test]
fn open_orders_of_an_account_are_counted_over_its_sessions() {
    let mut x = limited(Limits {
        max_open_orders: 2,
        ..NONE
    });
    let first = x.rest(1, limit(1, PLAIN, SELL, 100, 1));
    x.rest(2, limit(1, PLAIN, SELL, 101, 1));
    assert_eq!(
        x.rejection(1, limit(2, PLAIN, SELL, 102, 1)),
        Reason::TooManyOpenOrders
    );
    assert_eq!(x.amend(1, first, 103, 1).len(), 2, "it is none more");
    x.enter(0, limit(1, PLAIN, BUY, 101, 1));
    x.rest(1, limit(2, PLAIN, SELL, 102, 1));
    assert_eq!(x.engine.account(AccountId(1)).unwrap().open_orders, 2);
    x.cancel(1, first);
    x.rest(2, limit(3, PLAIN, SELL, 104, 1));
}

#[test]
fn position_is_what_is_owned_when_a_buy_has_filled() {
    let mut x = limited(Limits {
        max_position: START + 10,
        ..NONE
    });
    x.rest(1, limit(1, PLAIN, SELL, 100, 20));
    assert_eq!(
        x.rejection(0, limit(1, PLAIN, BUY, 90, 11)),
        Reason::PositionAboveLimit
    );
    x.enter(0, limit(1, PLAIN, BUY, 100, 10));
    assert_eq!(
        x.rejection(0, limit(2, PLAIN, BUY, 90, 1)),
        Reason::PositionAboveLimit
    );
    x.enter(0, limit(2, PLAIN, SELL, 101, 5));
    assert_eq!(
        x.rejection(0, limit(3, PLAIN, BUY, 90, 1)),
        Reason::PositionAboveLimit,
        "held is owned"
    );
}

#[test]
fn the_volume_of_a_day_ends_with_it() {
    let mut x = limited(Limits {
        max_daily_volume: 1_000,
        ..NONE
    });
    x.rest(1, limit(1, PLAIN, SELL, 100, 10));
    assert_eq!(
        x.rejection(0, limit(1, PLAIN, BUY, 100, 11)),
        Reason::VolumeAboveLimit
    );
    x.enter(0, limit(1, PLAIN, BUY, 100, 6));
    let account = x.engine.account(AccountId(0)).unwrap();
    assert_eq!((account.volume, account.volume_day), (600_000_000, 0));
    assert_eq!(
        x.rejection(0, limit(2, PLAIN, BUY, 41, 10)),
        Reason::VolumeAboveLimit
    );
    let id = x.rest(0, limit(2, PLAIN, BUY, 40, 10));
    assert_eq!(
        only_rejection(&x.amend(0, id, 41, 10)),
        Reason::VolumeAboveLimit
    );
    x.time = 86_400_000_000_000 - 2;
    assert_eq!(
        x.rejection(1, limit(3, PLAIN, SELL, 50, 9)),
        Reason::VolumeAboveLimit
    );
    x.enter(1, limit(3, PLAIN, SELL, 50, 9));
    assert_eq!(
        x.engine.account(AccountId(1)).unwrap().volume_day,
        0,
        "nothing traded since"
    );
}

#[test]
fn an_account_has_the_limits_of_its_tier_or_its_own() {
    let small = Limits {
        max_order_qty: Qty(1),
        ..NONE
    };
    let mut x = limited(small);
    let two = limit(1, PLAIN, BUY, 10, 2);
    assert_eq!(x.rejection(0, two), Reason::QuantityAboveLimit);
    assert_eq!(x.admin(set_tier(0, 3)), Reason::None);
    x.rest(0, two);
    assert_eq!(x.admin(set_limits(true, 0, small)), Reason::None);
    let two = limit(2, PLAIN, BUY, 10, 2);
    assert_eq!(x.rejection(0, two), Reason::QuantityAboveLimit);
    assert_eq!(x.admin(set_tier(0, 4)), Reason::None);
    assert_eq!(
        x.rejection(0, two),
        Reason::QuantityAboveLimit,
        "its own stay"
    );
    let as_tier = |limits| {
        Command::SetLimits(SetLimits {
            target: 0,
            of_account: Flag::Yes,
            as_tier: Flag::Yes,
            pad: [Zero::Zero; 2],
            limits,
        })
    };
    assert_eq!(x.admin(as_tier(small)), Reason::InvalidParameter);
    assert_eq!(x.admin(as_tier(NONE)), Reason::None);
    x.rest(0, two);
    assert_eq!(x.engine.account(AccountId(0)).unwrap().tier, 4);
}

#[test]
fn tiers_and_accounts_must_exist() {
    let mut x = Exchange::new();
    assert_eq!(x.admin(set_tier(2, 1)), Reason::UnknownReference);
    assert_eq!(x.admin(set_tier(1, MAX_TIERS)), Reason::InvalidParameter);
    assert_eq!(x.admin(set_limits(true, 2, NONE)), Reason::UnknownReference);
    assert_eq!(
        x.admin(set_limits(false, MAX_TIERS, NONE)),
        Reason::InvalidParameter
    );
    let events = x.send(0, set_tier(0, 1));
    assert_eq!(only_rejection(&events), Reason::UnknownSession);
}

#[test]
fn what_cannot_be_counted_is_above_every_limit() {
    let huge = u64::MAX / 2;
    for (limits, reason) in [
        (
            Limits {
                max_order_notional: 1_000,
                ..NONE
            },
            Reason::NotionalAboveLimit,
        ),
        (
            Limits {
                max_daily_volume: 1_000,
                ..NONE
            },
            Reason::VolumeAboveLimit,
        ),
    ] {
        let mut x = limited(limits);
        x.rest(1, limit(1, PLAIN, SELL, 100, 1));
        assert_eq!(x.rejection(0, market(1, PLAIN, BUY, huge)), reason);
        let waits = stop(100, market(1, PLAIN, BUY, huge));
        assert_eq!(
            x.rejection(0, waits),
            Reason::NotionalTooLarge,
            "it would hold that"
        );
    }
}
