//! What accounts may do and pay.

use super::{Letter, operator};
use domain::{
    AccountId, Amount, AssetId, CollectFees, Command, Flag, Limits, MarketId, Qty, SetFees,
    SetLimits, SetTier, Zero,
};

fn tier(account: u32, tier: u32) -> Letter {
    let account = AccountId(account);
    operator(Command::SetTier(SetTier { account, tier }))
}

pub(super) fn limits(of_account: Flag, target: u32, as_tier: Flag, limits: Limits) -> Letter {
    operator(Command::SetLimits(SetLimits {
        target,
        of_account,
        as_tier,
        pad: [Zero::Zero; 2],
        limits,
    }))
}

/// One limit each; assets have so few decimals here that they bite.
fn each_limit() -> [Limits; 5] {
    let none = Limits::default();
    [
        Limits {
            max_order_qty: Qty(2),
            ..none
        },
        Limits {
            max_order_notional: 2,
            ..none
        },
        Limits {
            max_position: 6,
            ..none
        },
        Limits {
            max_daily_volume: 4,
            ..none
        },
        Limits {
            max_open_orders: 1,
            ..none
        },
    ]
}

fn fees(tier: u32, market: u32, maker_fee_ppm: i32, taker_fee_ppm: u32) -> Letter {
    operator(Command::SetFees(SetFees {
        tier,
        market: MarketId(market),
        maker_fee_ppm,
        taker_fee_ppm,
    }))
}

/// Tier 1 pays nothing anywhere.
pub(super) fn free_tier() -> Letter {
    fees(1, MarketId::ANY.0, 0, 0)
}

fn collect(account: u32, amount: u64) -> Letter {
    operator(Command::CollectFees(CollectFees {
        account: AccountId(account),
        asset: AssetId(1),
        amount: Amount(amount),
    }))
}

/// In every way that is different here.
pub(super) fn full() -> Vec<Letter> {
    let any = MarketId::ANY.0;
    let mut letters = sound();
    letters.extend(each_limit().map(|one| limits(Flag::No, 1, Flag::No, one)));
    letters.extend([
        tier(1, 1),
        tier(0, 16),
        tier(2, 1),
        limits(Flag::No, 16, Flag::No, Limits::default()),
        limits(Flag::No, 1, Flag::Yes, Limits::default()),
        limits(Flag::Yes, 2, Flag::No, Limits::default()),
        limits(Flag::Yes, 0, Flag::Yes, each_limit()[0]),
        free_tier(),
        fees(0, any, 150_001, 0),
        fees(0, 0, 0, 100_001),
        fees(0, 1, 0, 0),
        fees(16, any, 0, 0),
        collect(0, 0),
        collect(2, 1),
        collect(0, 1_000),
    ]);
    letters
}

/// What changes what follows.
pub(super) fn sound() -> Vec<Letter> {
    let mut letters = each_limit()
        .map(|one| limits(Flag::Yes, 0, Flag::No, one))
        .to_vec();
    letters.extend([
        limits(Flag::Yes, 0, Flag::Yes, Limits::default()),
        tier(0, 1),
        fees(0, 0, -1_000_000, 100_000),
        collect(1, 1),
    ]);
    letters
}
