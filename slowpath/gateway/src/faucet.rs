//! The faucet's limits. An exchange has at most 2^64 - 1 base units of an asset, and nobody may take all of it.
//!
//! Data: what each account was given since the process began. Owner: this.

use crate::problem::Problem;
use domain::{AccountId, AssetId};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Most that is given at a time, base units.
pub(crate) const AT_ONCE: u64 = 1_000_000_000_000_000;
/// Most that an account is given of an asset, base units: all accounts of a shard of the default size together
/// stay below 2^64.
pub(crate) const IN_ALL: u64 = 10_000_000_000_000_000;

/// See the module.
#[derive(Default)]
pub(crate) struct Given(Mutex<BTreeMap<(AccountId, AssetId), u64>>);

impl Given {
    /// Counts what is to be given, if it may be.
    pub(crate) fn take(
        &self,
        account: AccountId,
        asset: AssetId,
        amount: u64,
    ) -> Result<(), Problem> {
        if amount > AT_ONCE {
            return Err(Problem::invalid(format!(
                "amount: the faucet gives at most {AT_ONCE} base units at a time"
            )));
        }
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let given = given.entry((account, asset)).or_default();
        if *given + amount > IN_ALL {
            return Err(Problem::conflict(
                "faucet-empty",
                "The faucet has given you all that it gives",
                format!(
                    "you have had {given} base units of at most {IN_ALL}: ask an operator for more"
                ),
            ));
        }
        *given += amount;
        Ok(())
    }

    /// What was counted was not given.
    pub(crate) fn put_back(&self, account: AccountId, asset: AssetId, amount: u64) {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(given) = given.get_mut(&(account, asset)) {
            *given = given.saturating_sub(amount);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_more_than_their_share() {
        let given = Given::default();
        let take = |account, asset, amount| {
            let taken = given.take(AccountId(account), AssetId(asset), amount);
            taken.map_err(|problem| problem.status())
        };
        assert_eq!(take(1, 0, AT_ONCE + 1), Err(422));
        for _ in 0..IN_ALL / AT_ONCE {
            assert_eq!(take(1, 0, AT_ONCE), Ok(()));
        }
        assert_eq!(take(1, 0, 1), Err(409));
        assert_eq!((take(2, 0, 1), take(1, 1, 1)), (Ok(()), Ok(())));
        given.put_back(AccountId(1), AssetId(0), 1);
        assert_eq!((take(1, 0, 2), take(1, 0, 1)), (Err(409), Ok(())));
    }
}
