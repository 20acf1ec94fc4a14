//! What the operator sets: tiers, limits, fees, collars, and what may happen in a market.

use crate::{
    command::{any_market, find, market},
    names::Names,
    spelling::{self, MARKET_STATES, REFERENCES},
    words::{Fault, Words},
};
use domain::{
    AccountId, Amount, AssetId, CollectFees, Command, ConfirmAttestation, DelistMarket, Flag,
    Limits, MarketId, Price, Qty, SessionId, SetCollar, SetFees, SetLimits, SetMarketState,
    SetTier, Zero,
};

/// `ACCOUNT TIER`.
pub(super) fn set_tier(words: &mut Words, names: &Names) -> Result<Command, Fault> {
    let account = account(words, names)?;
    let tier = words.number("a tier's number")?;
    Ok(Command::SetTier(SetTier { account, tier }))
}

fn account(words: &mut Words, names: &Names) -> Result<AccountId, Fault> {
    let name = words.next("an account")?;
    find(words, &names.accounts, "account", &name).map(AccountId)
}

/// The number behind `tier`.
fn tier(words: &mut Words) -> Result<u32, Fault> {
    words.word("tier")?;
    words.number("a tier's number")
}

/// `tier TIER` or `ACCOUNT`, and the limits; what is not said is none.
pub(super) fn set_limits(words: &mut Words, names: &Names) -> Result<Command, Fault> {
    let of_tier = words.peek(0) == Some("tier");
    let target = if of_tier {
        tier(words)?
    } else {
        account(words, names)?.0
    };
    Ok(Command::SetLimits(SetLimits {
        target,
        of_account: Flag::from(!of_tier),
        as_tier: Flag::from(words.flag("as-tier")),
        pad: [Zero::Zero; 2],
        limits: Limits {
            max_order_qty: Qty(words.number_or("qty", 0)?),
            max_order_notional: words.number_or("notional", 0)?,
            max_position: words.number_or("position", 0)?,
            max_daily_volume: words.number_or("volume", 0)?,
            max_unattested_notional: words.number_or("unattested", 0)?,
            max_open_orders: words.number_or("orders", 0)?,
            pad: [Zero::Zero; 4],
        },
    }))
}

/// `tier TIER`, and its rates in a market or in all that there are.
pub(super) fn set_fees(words: &mut Words, names: &Names) -> Result<Command, Fault> {
    Ok(Command::SetFees(SetFees {
        tier: tier(words)?,
        market: any_market(words, names)?,
        maker_fee_ppm: words.number_or("maker", 0)?,
        taker_fee_ppm: words.number_or("taker", 0)?,
    }))
}

/// `AMOUNT ASSET for ACCOUNT`.
pub(super) fn collect_fees(words: &mut Words, names: &Names) -> Result<Command, Fault> {
    let amount = words.number("an amount in base units")?;
    let asset = words.next("an asset")?;
    let asset = find(words, &names.assets, "asset", &asset)?;
    words.word("for")?;
    Ok(Command::CollectFees(CollectFees {
        account: account(words, names)?,
        asset: AssetId(asset),
        amount: Amount(amount),
    }))
}

/// `STATE`.
pub(super) fn set_market_state(words: &mut Words, names: &Names) -> Result<Command, Fault> {
    let state = spelling::next(words, "a market's state", MARKET_STATES)?;
    Ok(Command::SetMarketState(SetMarketState {
        market: MarketId(market(words, names)?),
        state,
        pad: [Zero::Zero; 3],
    }))
}

/// `REFERENCE`, and how far from it.
pub(super) fn set_collar(words: &mut Words, names: &Names) -> Result<Command, Fault> {
    let reference = spelling::next(words, "a reference", REFERENCES)?;
    Ok(Command::SetCollar(SetCollar {
        price: Price(words.number_or("price", 0)?),
        market: MarketId(market(words, names)?),
        width_ppm: words.number_or("width", 0)?,
        reference,
        halts: Flag::from(words.flag("halts")),
        pad: [Zero::Zero; 6],
    }))
}

/// `SESSION LEVEL`.
pub(super) fn confirm(words: &mut Words, names: &Names) -> Result<Command, Fault> {
    let session = words.next("a session")?;
    let session = SessionId(find(words, &names.sessions, "session", &session)?);
    Ok(Command::ConfirmAttestation(ConfirmAttestation {
        session,
        pad: [Zero::Zero; 4],
        level: words.number("a level")?,
    }))
}

pub(super) fn delist(words: &mut Words, names: &Names) -> Result<Command, Fault> {
    Ok(Command::DelistMarket(DelistMarket {
        market: MarketId(market(words, names)?),
        pad: [Zero::Zero; 4],
    }))
}
