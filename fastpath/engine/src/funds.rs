//! Balances: a dense table of accounts by assets.
//!
//! Every step is checked. None can fail on a state that the engine made: an amount is taken only
//! where it was found to be covered, and no sum exceeds what was deposited, which is a `u64`.

use crate::hash::record;
use crate::kept::Kept;
use domain::{AccountId, Amount, AssetId, Tag};

/// What an account has of an asset, in base units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Balance {
    /// Free to be used.
    pub(crate) available: Amount,
    /// Set aside for live orders.
    pub(crate) held: Amount,
}

/// All balances.
pub(crate) struct Funds {
    balances: Vec<Balance>,
    assets: u32,
    kept: Kept,
}

/// An empty balance is no record.
fn hash_of_balance(balances: &[Balance], row: u32) -> u64 {
    let balance = balances[row as usize];
    if balance == Balance::default() {
        return 0;
    }
    record(
        Tag::Balance,
        [u64::from(row), balance.available.0, balance.held.0],
    )
}

#[inline]
fn plus(a: Amount, b: Amount) -> Amount {
    a.checked_add(b)
        .expect("no balance exceeds the asset's supply")
}

#[inline]
fn minus(a: Amount, b: Amount) -> Amount {
    a.checked_sub(b)
        .expect("only what is there is taken: the caller checked")
}

impl Funds {
    /// Room for all balances, allocated now.
    pub(crate) fn with_capacity(accounts: u32, assets: u32) -> Self {
        Self {
            balances: vec![Balance::default(); accounts as usize * assets as usize],
            assets,
            kept: Kept::new(),
        }
    }

    /// Genesis bounds these to 2^28.
    #[inline]
    fn row(&self, account: AccountId, asset: AssetId) -> u32 {
        account.0 * self.assets + asset.0
    }

    /// The balance of an account that exists of an asset that exists.
    #[inline]
    pub(crate) fn balance(&self, account: AccountId, asset: AssetId) -> Balance {
        self.balances[self.row(account, asset) as usize]
    }

    #[inline]
    fn balance_mut(&mut self, account: AccountId, asset: AssetId) -> &mut Balance {
        let row = self.row(account, asset);
        if !self.kept.has_out(row) {
            self.take_out(row);
        }
        &mut self.balances[row as usize]
    }

    #[inline(never)]
    fn take_out(&mut self, row: u32) {
        let balances = &self.balances[..];
        self.kept
            .take_out(row, |row| hash_of_balance(balances, row));
    }

    /// The sum of the hashes of all balances.
    pub(crate) fn hash(&self) -> u64 {
        self.kept.sum(|row| hash_of_balance(&self.balances, row))
    }

    /// The same, of all of them anew.
    pub(crate) fn hash_anew(&self) -> u64 {
        let rows = (0..).zip(&self.balances);
        rows.map(|(row, _)| hash_of_balance(&self.balances, row))
            .fold(0, u64::wrapping_add)
    }

    /// Gives to available.
    #[inline]
    pub(crate) fn credit(&mut self, account: AccountId, asset: AssetId, amount: Amount) {
        let balance = self.balance_mut(account, asset);
        balance.available = plus(balance.available, amount);
    }

    /// Takes from available what is known to be there.
    #[inline]
    pub(crate) fn debit(&mut self, account: AccountId, asset: AssetId, amount: Amount) {
        let balance = self.balance_mut(account, asset);
        balance.available = minus(balance.available, amount);
    }

    /// Sets aside what is known to be available.
    #[inline]
    pub(crate) fn hold(&mut self, account: AccountId, asset: AssetId, amount: Amount) {
        let balance = self.balance_mut(account, asset);
        balance.available = minus(balance.available, amount);
        balance.held = plus(balance.held, amount);
    }

    /// Returns what was held.
    #[inline]
    pub(crate) fn release(&mut self, account: AccountId, asset: AssetId, amount: Amount) {
        let balance = self.balance_mut(account, asset);
        balance.held = minus(balance.held, amount);
        balance.available = plus(balance.available, amount);
    }

    /// Spends part of what was held for a trade: `freed` leaves the hold, `spent` of it is gone,
    /// the difference returns to available.
    #[inline]
    pub(crate) fn spend_held(
        &mut self,
        account: AccountId,
        asset: AssetId,
        freed: Amount,
        spent: Amount,
    ) {
        let balance = self.balance_mut(account, asset);
        balance.held = minus(balance.held, freed);
        balance.available = plus(balance.available, minus(freed, spent));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: AccountId = AccountId(1);
    const ASSET: AssetId = AssetId(2);

    fn funded(amount: u64) -> Funds {
        let mut funds = Funds::with_capacity(2, 3);
        funds.credit(ACCOUNT, ASSET, Amount(amount));
        funds
    }

    #[test]
    fn amounts_move_between_available_and_held() {
        let mut funds = funded(100);
        funds.hold(ACCOUNT, ASSET, Amount(60));
        funds.spend_held(ACCOUNT, ASSET, Amount(50), Amount(30));
        funds.release(ACCOUNT, ASSET, Amount(4));
        funds.debit(ACCOUNT, ASSET, Amount(1));
        let balance = funds.balance(ACCOUNT, ASSET);
        assert_eq!((balance.available, balance.held), (Amount(63), Amount(6)));
        for (account, asset) in [(0, 2), (1, 1), (0, 0)] {
            assert_eq!(
                funds.balance(AccountId(account), AssetId(asset)),
                Balance::default()
            );
        }
    }

    #[test]
    #[should_panic(expected = "only what is there is taken")]
    fn a_balance_never_becomes_negative() {
        funded(1).debit(ACCOUNT, ASSET, Amount(2));
    }

    #[test]
    #[should_panic(expected = "no balance exceeds the asset's supply")]
    fn a_balance_never_wraps() {
        funded(u64::MAX).credit(ACCOUNT, ASSET, Amount(1));
    }
}
