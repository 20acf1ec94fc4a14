//! What accounts traded today.

use crate::{Mutant, NaiveEngine};
use domain::{AccountId, Amount, AssetId};

/// Nanoseconds of a day.
const DAY: u64 = 24 * 60 * 60 * 1_000_000_000;

impl NaiveEngine {
    /// Base units of a whole unit.
    pub(crate) fn whole_unit(&self, asset: AssetId) -> u128 {
        10_u128.pow(u32::from(self.assets[&asset].terms.decimals))
    }

    /// Today in UTC, in days since 1970.
    pub(crate) fn today(&self) -> u32 {
        u32::try_from(self.now.0 / DAY).expect("64 bits of nanoseconds are 213,504 days")
    }

    /// Millionths of whole units of an asset, rounded down.
    pub(crate) fn millionths(&self, asset: AssetId, amount: Amount) -> u64 {
        let millionths = u128::from(amount.0) * 1_000_000 / self.whole_unit(asset);
        u64::try_from(millionths).unwrap_or(u64::MAX)
    }

    /// What an account traded today, in millionths.
    pub(crate) fn volume_of_today(&self, account: AccountId) -> u64 {
        let account = &self.accounts[&account];
        if account.volume_day == self.today() || self.is(Mutant::DayWithoutEnd) {
            account.volume
        } else {
            0
        }
    }

    /// The account traded so many millionths more.
    pub(crate) fn note_volume(&mut self, account: AccountId, more: u64) {
        let volume = self.volume_of_today(account).saturating_add(more);
        let today = self.today();
        let account = self.accounts.get_mut(&account);
        let account = account.expect("orders have accounts that exist");
        (account.volume, account.volume_day) = (volume, today);
    }
}
