//! Turns: one at a time for each account.
//!
//! Data: a lock for each account for which somebody works or waits. Owner: this. Invariant: whoever works for one
//! account keeps nobody of another waiting.

use domain::AccountId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// See the module.
#[derive(Default)]
pub(crate) struct Turns(Mutex<BTreeMap<AccountId, Weak<Turn<()>>>>);

impl Turns {
    /// Waits for an account's turn, which lasts as long as what is given back.
    pub(crate) async fn of(&self, account: AccountId) -> OwnedMutexGuard<()> {
        let turn = self.turn(account);
        turn.lock_owned().await
    }

    fn turn(&self, account: AccountId) -> Arc<Turn<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&account).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(account, Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_account_waits_for_itself_and_for_no_other() {
        let turns = Turns::default();
        let first = turns.of(AccountId(1)).await;
        let other = turns.of(AccountId(2)).await;
        assert!(turns.turn(AccountId(1)).try_lock().is_err());
        drop(first);
        let _again = turns.of(AccountId(1)).await;
        let kept = turns.0.lock().unwrap().len();
        assert_eq!(kept, 2);
        drop(other);
        let _third = turns.of(AccountId(3)).await;
        assert!(!turns.0.lock().unwrap().contains_key(&AccountId(2)));
    }
}
