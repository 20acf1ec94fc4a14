//! Fees by market and tier, rebates, and how they are paid out.

use crate::exchange::*;
use domain::*;

const BUY: Side = Side::Buy;
const SELL: Side = Side::Sell;

fn fees_of(events: &[Event]) -> Vec<(u32, u64, bool)> {
    let fills = events.iter().filter_map(|event| match event {
        Event::Fill(fill) => Some((fill.session.0, fill.fee.0, fill.is_rebate.is_yes())),
        _ => None,
    });
    fills.collect()
}

#[test]
fn each_side_pays_by_the_tier_of_its_account() {
    let mut x = Exchange::new();
    x.admin(set_tier(1, 2));
    assert_eq!(x.admin(set_fees(2, FEES, 500, 1_000)), Reason::None);
    x.rest(1, limit(1, FEES, SELL, 100, 10));
    // 10,000 of notional: 0.05 % of a maker in tier 2, and 0.2 % of a taker in tier 0.
    let events = x.enter(0, limit(1, FEES, BUY, 100, 10));
    assert_eq!(fees_of(&events), [(1, 5, false), (0, 20, false)]);
    assert_eq!(
        (x.balance(0, QUOTE), x.fees(QUOTE)),
        ((START - 10_020, 0), 25)
    );
    x.rest(0, limit(2, FEES, BUY, 100, 10));
    let events = x.enter(1, market(2, FEES, SELL, 10));
    assert_eq!(fees_of(&events), [(0, 10, false), (1, 10, false)]);
}

#[test]
fn a_rebate_is_paid_from_what_the_exchange_has() {
    for side in [BUY, SELL] {
        let mut x = Exchange::new();
        x.admin(set_tier(1, 1));
        assert_eq!(x.admin(set_fees(1, MarketId::ANY, -1_500, 0)), Reason::None);
        x.rest(1, limit(1, FEES, side.opposite(), 100, 10));
        let events = x.enter(0, limit(1, FEES, side, 100, 10));
        assert_eq!(fees_of(&events), [(1, 15, true), (0, 20, false)]);
        assert_eq!(x.fees(QUOTE), 5);
        let expected = if side == BUY {
            START + 10_015
        } else {
            START - 9_985
        };
        assert_eq!(x.balance(1, QUOTE), (expected, 0));
        // A taker of tier 1 pays nothing: of the rebate of 15 there are 5.
        x.rest(1, limit(2, FEES, side.opposite(), 100, 10));
        let events = x.enter(2, limit(1, FEES, side, 100, 10));
        assert_eq!(fees_of(&events), [(1, 5, true), (2, 0, false)]);
        assert_eq!(x.fees(QUOTE), 0);
    }
}

#[test]
fn no_tier_pays_more_than_the_list_fees() {
    let mut x = Exchange::new();
    let invalid = Reason::InvalidParameter;
    assert_eq!(x.admin(set_fees(0, FEES, 1_000, 2_000)), Reason::None);
    assert_eq!(x.admin(set_fees(0, FEES, 1_001, 2_000)), invalid);
    assert_eq!(x.admin(set_fees(0, FEES, 1_000, 2_001)), invalid);
    assert_eq!(x.admin(set_fees(0, FEES, -1_000_001, 0)), invalid);
    assert_eq!(x.admin(set_fees(0, FEES, i32::MIN, 0)), invalid);
    assert_eq!(x.admin(set_fees(0, FEES, -1_000_000, 0)), Reason::None);
    assert_eq!(
        x.admin(set_fees(0, MarketId::ANY, 1, 0)),
        invalid,
        "PLAIN has none"
    );
    assert_eq!(
        x.engine.rates(FEES, 0),
        Some((-1_000_000, 0)),
        "none of it happened"
    );
    assert_eq!(x.admin(set_fees(MAX_TIERS, FEES, 0, 0)), invalid);
    assert_eq!(
        x.admin(set_fees(0, MarketId(2), 0, 0)),
        Reason::UnknownReference
    );
}

#[test]
fn the_exchange_pays_out_what_it_has_earned() {
    let mut x = Exchange::new();
    x.rest(1, limit(1, FEES, SELL, 100, 10));
    x.enter(0, limit(1, FEES, BUY, 100, 10));
    let collect = |account, asset, amount| {
        Command::CollectFees(CollectFees {
            account: AccountId(account),
            asset,
            amount: Amount(amount),
        })
    };
    assert_eq!(x.admin(collect(2, QUOTE, 1)), Reason::UnknownReference);
    assert_eq!(x.admin(collect(1, AssetId(2), 1)), Reason::UnknownReference);
    assert_eq!(x.admin(collect(1, QUOTE, 0)), Reason::InvalidParameter);
    assert_eq!(x.admin(collect(1, QUOTE, 31)), Reason::InsufficientFunds);
    let before = x.balance(1, QUOTE).0;
    assert_eq!(x.admin(collect(1, QUOTE, 30)), Reason::None);
    assert_eq!((x.balance(1, QUOTE).0, x.fees(QUOTE)), (before + 30, 0));
}
