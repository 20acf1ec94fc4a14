//! Funds are conserved: what was deposited of an asset is in the accounts or in the fees.

use domain::{Amount, AssetId};
use engine::Engine;

/// An asset whose books do not balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "asset {}: {deposited} base units were deposited, but accounts hold {in_accounts} and fees {fees}",
    asset.0
)]
pub struct Unbalanced {
    /// Which.
    pub asset: AssetId,
    /// Ever deposited, base units.
    pub deposited: Amount,
    /// Available and held, of all accounts together, base units.
    pub in_accounts: u128,
    /// Base units.
    pub fees: Amount,
}

/// Checks every asset of an engine. Takes time in accounts times assets.
///
/// # Errors
/// [`Unbalanced`]: the first asset of which something was made or lost.
pub fn check_conservation(engine: &Engine) -> Result<(), Unbalanced> {
    for asset in engine.asset_ids() {
        let (deposited, fees) = engine.asset(asset).expect("the engine listed the asset");
        let balances = engine
            .account_ids()
            .filter_map(|account| engine.balance(account, asset));
        check_asset(asset, deposited, fees, balances)?;
    }
    Ok(())
}

/// Checks one asset against the available and held funds of all accounts.
fn check_asset(
    asset: AssetId,
    deposited: Amount,
    fees: Amount,
    balances: impl Iterator<Item = (Amount, Amount)>,
) -> Result<(), Unbalanced> {
    let in_accounts: u128 = balances
        .map(|(available, held)| u128::from(available.0) + u128::from(held.0))
        .sum();
    if in_accounts + u128::from(fees.0) == u128::from(deposited.0) {
        return Ok(());
    }
    Err(Unbalanced {
        asset,
        deposited,
        in_accounts,
        fees,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_unit_made_or_lost_is_seen() {
        let all = Amount(u64::MAX);
        for (held, balanced) in [(9, false), (10, true), (11, false)] {
            let balances = [(Amount(all.0 - 15), Amount(held)), (Amount(2), Amount(0))];
            let checked = check_asset(AssetId(1), all, Amount(3), balances.into_iter());
            assert_eq!(checked.is_ok(), balanced, "{checked:?}");
        }
        // More than 64 bits hold is no reason to wrap around to balance.
        let balances = [(all, Amount(1)), (all, Amount(0))];
        assert!(check_asset(AssetId(1), all, Amount(0), balances.into_iter()).is_err());
    }
}
