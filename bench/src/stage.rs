//! The commands that set an engine's stage: assets, a market, accounts with a session and funds.

use domain::{
    AccountId, Amount, AssetId, Command, CreateAccount, CreateAsset, CreateMarket, Delegation,
    Deposit, FirmId, Gate, MarketId, MarketState, Nanos, OpenSession, Price, Qty, Recovered,
    SessionId, Zero,
};

/// Of all owners and sessions: nobody logs on.
const KEY: [u8; 32] = [7; 32];

pub(crate) fn asset(id: u32) -> Command {
    Command::CreateAsset(CreateAsset {
        asset: AssetId(id),
        decimals: 6,
        pad: [Zero::Zero; 3],
        symbol: *b"ASSET\0\0\0\0\0\0\0\0\0\0\0",
    })
}

/// A market of asset 0 in asset 1, with prices from 1 on.
pub(crate) fn market(
    market: MarketId,
    price_levels: u32,
    tick_value: u64,
    lot_size: u64,
) -> Command {
    let pair = (AssetId(0), AssetId(1));
    market_of(market, pair, price_levels, (tick_value, lot_size))
}

/// A market of the first asset in the second, with prices from 1 on.
pub(crate) fn market_of(
    market: MarketId,
    (base, quote): (AssetId, AssetId),
    price_levels: u32,
    (tick_value, lot_size): (u64, u64),
) -> Command {
    Command::CreateMarket(CreateMarket {
        market,
        base,
        quote,
        maker_fee_ppm: 100,
        taker_fee_ppm: 300,
        price_levels,
        tick_value,
        lot_size,
        min_qty: Qty(1),
        price_min: Price(1),
        symbol: *b"BASE/QUOTE\0\0\0\0\0\0",
        state: MarketState::Continuous,
        pad: [Zero::Zero; 7],
    })
}

pub(crate) fn account(id: u32) -> Command {
    Command::CreateAccount(CreateAccount {
        account: AccountId(id),
        firm: FirmId(id),
        owner: KEY,
    })
}

/// A session of the account of the same number.
pub(crate) fn session(id: u32) -> Command {
    Command::OpenSession(OpenSession {
        session: SessionId(id),
        account: AccountId(id),
        delegation: Delegation::unlimited(KEY),
        gate: Gate::Port,
        pad: [Zero::Zero; 7],
    })
}

pub(crate) fn deposit(account: u32, asset: u32, amount: u64) -> Command {
    Command::Deposit(Deposit {
        account: AccountId(account),
        asset: AssetId(asset),
        amount: Amount(amount),
    })
}

/// The begin of the first epoch, with orders taken at once.
pub(crate) fn recovered() -> Command {
    Command::Recovered(Recovered {
        epoch: 1,
        pad: [Zero::Zero; 4],
        grace: Nanos(0),
    })
}
