//! Strategies for what an operator does: tiers, limits and fees, states of markets, collars, auctions.

use crate::stream::{Number, Step, Ticks};
use domain::{
    AccountId, Amount, AssetId, CollectFees, Command, Delegate, Delegation, DelistMarket, Flag,
    KillSwitch, Limits, MarketId, MarketState, Price, Qty, Reference, Scope, SessionId, SetCollar,
    SetFees, SetLimits, SetMarketState, SetTier, Side, Source, Zero,
};
use proptest::prelude::*;

pub(crate) fn set_state(market: u32, state: MarketState) -> Command {
    Command::SetMarketState(SetMarketState {
        market: MarketId(market),
        state,
        pad: [Zero::Zero; 3],
    })
}

pub(crate) fn delist(market: u32) -> Command {
    Command::DelistMarket(DelistMarket {
        market: MarketId(market),
        pad: [Zero::Zero; 4],
    })
}

fn tiers() -> impl Strategy<Value = u32> {
    prop_oneof![4 => Just(0_u32), 10 => Just(1), 1 => Just(15), 1 => Just(16)]
}

fn set_tiers() -> impl Strategy<Value = Command> {
    (0..6_u32, tiers()).prop_map(|(account, tier)| {
        Command::SetTier(SetTier {
            account: AccountId(account),
            tier,
        })
    })
}

/// Mostly no limit, else one that some orders are beyond.
fn limit(sizes: impl Strategy<Value = u64> + 'static) -> impl Strategy<Value = u64> {
    prop_oneof![12 => Just(0_u64), 5 => sizes, 1 => Just(u64::MAX)]
}

fn limits() -> impl Strategy<Value = Limits> {
    // Most accounts have 10^12 base units; assets mostly have no decimals, or one.
    let positions = prop_oneof![
        1 => 1..40_u64,
        1 => 1_000..8_000_u64,
        1 => 200_000..200_100_u64,
        6 => 1_000_000_000_000..1_000_000_000_100_u64,
        3 => 100_000_000_000..100_000_000_010_u64,
    ];
    let volumes = prop_oneof![1..60_u64, 100..8_000_u64];
    let all = (
        limit(prop_oneof![3..20_u64, 20..150_u64]),
        limit(prop_oneof![1..30_u64, 30..3_000_u64]),
        limit(positions),
        limit(volumes),
        limit(prop_oneof![3..60_u64, 60..9_000_u64]),
        limit(3..50_u64),
    );
    let all = all.prop_map(
        |(qty, notional, position, volume, unattested, orders)| Limits {
            max_order_qty: Qty(qty),
            max_order_notional: notional,
            max_position: position,
            max_daily_volume: volume,
            max_unattested_notional: unattested,
            max_open_orders: u32::try_from(orders).unwrap_or(u32::MAX),
            pad: [Zero::Zero; 4],
        },
    );
    prop_oneof![3 => all, 2 => Just(Limits::default())]
}

fn set_limits_of(target: u32, of_account: Flag, as_tier: Flag, limits: Limits) -> Command {
    Command::SetLimits(SetLimits {
        target,
        of_account,
        as_tier,
        pad: [Zero::Zero; 2],
        limits,
    })
}

fn set_limits() -> impl Strategy<Value = Command> {
    let flags = prop_oneof![8 => Just(Flag::No), 1 => Just(Flag::Yes)];
    let of_account = prop_oneof![
        3 => limits().prop_map(|limits| (Flag::No, limits)),
        1 => Just((Flag::Yes, Limits::default())),
        1 => (flags, limits()),
    ];
    let of_tier = (tiers(), limits());
    prop_oneof![
        8 => of_tier.prop_map(|(tier, limits)| set_limits_of(tier, Flag::No, Flag::No, limits)),
        8 => (0..5_u32, of_account).prop_map(|(account, (as_tier, limits))| {
            set_limits_of(account, Flag::Yes, as_tier, limits)
        }),
        1 => (0..3_u32).prop_map(|tier| set_limits_of(tier, Flag::No, Flag::Yes, Limits::default())),
    ]
}

pub(crate) fn set_fees() -> impl Strategy<Value = Command> {
    let markets = prop_oneof![
        6 => (0..3_u32).prop_map(MarketId), 3 => Just(MarketId::ANY), 1 => Just(MarketId(9))
    ];
    let makers = prop_oneof![
        6 => Just(0), 6 => -60_000..0_i32, 6 => Just(-1_000_000), 6 => 1..2_500_i32, 3 => Just(300_000),
        1 => Just(-1_000_001), 1 => Just(i32::MIN), 1 => Just(i32::MAX),
    ];
    let takers = prop_oneof![
        6 => Just(0_u32), 6 => 1..2_500_u32, 3 => Just(300_000), 2 => Just(1_000_000),
        1 => Just(u32::MAX),
    ];
    (tiers(), markets, makers, takers).prop_map(|(tier, market, maker_fee_ppm, taker_fee_ppm)| {
        Command::SetFees(SetFees {
            tier,
            market,
            maker_fee_ppm,
            taker_fee_ppm,
        })
    })
}

fn collect_fees() -> impl Strategy<Value = Command> {
    let amounts = prop_oneof![1 => Just(0_u64), 6 => 1..20_u64, 3 => 20..2_000_u64];
    (0..5_u32, 0..4_u32, amounts).prop_map(|(account, asset, amount)| {
        Command::CollectFees(CollectFees {
            account: AccountId(account),
            asset: AssetId(asset),
            amount: Amount(amount),
        })
    })
}

/// Mostly such that orders come through.
pub(crate) fn states() -> BoxedStrategy<MarketState> {
    use MarketState::{
        CancelOnly, Closed, ClosingAuction, Continuous, Delisted, Halted, OpeningAuction, PostOnly,
        PreOpen,
    };
    prop_oneof![
        28 => Just(Continuous),
        4 => Just(PreOpen),
        3 => Just(OpeningAuction),
        3 => Just(ClosingAuction),
        3 => Just(PostOnly),
        2 => Just(Halted),
        1 => Just(CancelOnly),
        2 => Just(Closed),
        1 => Just(Delisted),
    ]
    .boxed()
}

fn markets() -> impl Strategy<Value = u32> {
    prop_oneof![8 => Just(0_u32), 4 => Just(1), 1 => 2..5_u32]
}

fn set_states() -> impl Strategy<Value = Command> {
    (markets(), states()).prop_map(|(market, state)| set_state(market, state))
}

/// Collars that do not go together.
fn impossible_collars() -> impl Strategy<Value = Command> {
    let references = prop_oneof![
        Just(Reference::None),
        Just(Reference::LastTrade),
        Just(Reference::Middle),
        Just(Reference::Set)
    ];
    let halts = prop_oneof![Just(Flag::No), Just(Flag::Yes)];
    (markets(), references, -1..2_i64, 0..2_u32, halts).prop_map(
        |(market, reference, price, width_ppm, halts)| {
            Command::SetCollar(SetCollar {
                price: Price(price),
                market: MarketId(market),
                width_ppm,
                reference,
                halts,
                pad: [Zero::Zero; 6],
            })
        },
    )
}

/// What needs to know nothing of a market.
pub(crate) fn commands() -> BoxedStrategy<Command> {
    prop_oneof![
        4 => set_tiers(),
        5 => set_limits(),
        5 => set_fees(),
        4 => collect_fees(),
        20 => set_states(),
        1 => impossible_collars(),
        2 => prop_oneof![1 => Just(0_u32), 6 => 1..4_u32].prop_map(delist),
    ]
    .boxed()
}

/// What an operator sets before there are orders.
pub(crate) fn beginnings() -> BoxedStrategy<Vec<Command>> {
    let settings = prop_oneof![2 => set_tiers(), 1 => set_limits(), 3 => set_fees()];
    prop::collection::vec(settings, 0..6).boxed()
}

/// All that an operator can do for orders to come through: no limits, nothing killed or expired, open markets.
pub(crate) fn fresh_start() -> Vec<Step> {
    let none = Limits::default();
    let tiers = (0..2).map(|tier| set_limits_of(tier, Flag::No, Flag::No, none));
    let accounts = (0..5).map(|id| set_limits_of(id, Flag::Yes, Flag::Yes, none));
    let markets = (0..3).flat_map(|market| {
        let state = set_state(market, MarketState::Continuous);
        [state, Command::SetCollar(no_collar(market))]
    });
    let sessions = (0..6).map(|session| {
        Command::Delegate(Delegate {
            session: SessionId(session),
            pad: [Zero::Zero; 4],
            delegation: Delegation::unlimited([7; 32]),
        })
    });
    let commands = tiers.chain(accounts).chain(markets).chain(sessions);
    commands.chain(switches_off()).map(from_operator).collect()
}

fn no_collar(market: u32) -> SetCollar {
    SetCollar {
        price: Price(0),
        market: MarketId(market),
        width_ppm: 0,
        reference: Reference::None,
        halts: Flag::No,
        pad: [Zero::Zero; 6],
    }
}

fn switches_off() -> impl Iterator<Item = Command> {
    let scopes = [Scope::Session, Scope::Account, Scope::Firm, Scope::Everyone];
    let all = scopes
        .into_iter()
        .flat_map(|scope| (0..7).map(move |target| (scope, target)));
    all.map(|(scope, target)| {
        Command::KillSwitch(KillSwitch {
            request: 0,
            target,
            scope,
            on: Flag::No,
            pad: [Zero::Zero; 2],
        })
    })
}

fn from_operator(command: Command) -> Step {
    Step::Other {
        source: Source::ADMINISTRATION,
        number: Number::Next,
        command,
    }
}

pub(crate) fn collars() -> BoxedStrategy<Step> {
    let widths = prop_oneof![
        4 => 20_000..100_000_u32, 4 => 300_000..1_000_000_u32, 1 => Just(1), 1 => Just(1_000_000),
        1 => 1_000_001..=u32::MAX,
    ];
    let halts = prop_oneof![12 => Just(Flag::No), 1 => Just(Flag::Yes)];
    let references = prop_oneof![
        Just(Reference::None),
        Just(Reference::LastTrade),
        Just(Reference::Middle),
        Just(Reference::Set),
    ];
    let collar = |(market, reference, width_ppm, halts)| {
        if reference == Reference::None {
            return no_collar(market);
        }
        SetCollar {
            width_ppm,
            reference,
            halts,
            ..no_collar(market)
        }
    };
    let all = (markets(), references, widths, halts).prop_map(collar);
    (all, 2..8_i64)
        .prop_map(|(command, ticks)| {
            if command.reference == Reference::Set {
                let price = Ticks::Above(ticks);
                Step::Collar { command, price }
            } else {
                from_operator(Command::SetCollar(command))
            }
        })
        .boxed()
}

/// Many orders that cross, collected and let go.
pub(crate) fn calls() -> BoxedStrategy<Step> {
    use MarketState::{Closed, ClosingAuction, Continuous, OpeningAuction, PostOnly, PreOpen};
    let calls = prop_oneof![Just(PreOpen), Just(OpeningAuction), Just(ClosingAuction)];
    let ends = prop_oneof![10 => Just(Continuous), 1 => Just(PostOnly), 1 => Just(Closed)];
    let sizes = prop_oneof![1 => (1..12_u64, 1..12_u64), 1 => (26..60_u64, 26..60_u64)];
    let place = (markets(), 0..3_u32, 0..3_u32);
    (place, calls, ends, sizes, 0..4_i64)
        .prop_map(
            |((market, buyer, seller), call, end, (bids, asks), price)| Step::Call {
                market,
                call,
                end,
                bids: (buyer, bids, price + 1),
                asks: (seller, asks, price),
            },
        )
        .boxed()
}

/// The parts of a call.
pub(crate) fn parts_of_call(
    market: u32,
    [call, end]: [MarketState; 2],
    bids: (u32, u64, i64),
    asks: (u32, u64, i64),
) -> [Step; 4] {
    let change = |state| from_operator(set_state(market, state));
    let ladder = |side, (session, orders, price)| Step::Ladder {
        session,
        market,
        side,
        price,
        orders,
    };
    [
        change(call),
        ladder(Side::Buy, bids),
        ladder(Side::Sell, asks),
        change(end),
    ]
}
