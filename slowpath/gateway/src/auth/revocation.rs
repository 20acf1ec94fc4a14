//! Log-ons that were ended: in memory at once, in the store as soon as it takes it.
//!
//! Data: families whose end is not in the store yet. Owner: this. Invariant: a family leaves only when the store
//! has its end, so that none of its refresh tokens works, now or after a restart.

use crate::live::now;
use crate::state::App;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use store::StoreError;

/// See the module.
#[derive(Default)]
pub(crate) struct Unwritten(Mutex<BTreeSet<u64>>);

impl Unwritten {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a log-on. If the store does not take it now, it is written later: [`write_rest`]. One that has ended and is
/// written costs nobody anything.
pub(crate) async fn end(app: &App, family: u64) -> Result<(), StoreError> {
    {
        let mut unwritten = app.unwritten.lock();
        if app.tokens.is_revoked(family) && !unwritten.contains(&family) {
            return Ok(());
        }
        // First, as the request may be given up at any wait.
        unwritten.insert(family);
    }
    app.tokens.revoke(family, Instant::now());
    write(app, family).await
}

/// Ends a log-on of which the store has just shown that it lacks the end, whether or not that was written before.
pub(crate) async fn end_again(app: &App, family: u64) -> Result<(), StoreError> {
    app.unwritten.lock().insert(family);
    end(app, family).await
}

/// Whether a log-on was ended, as far as its tokens may still come.
pub(crate) fn has_ended(app: &App, family: u64) -> bool {
    app.tokens.is_revoked(family) || app.unwritten.lock().contains(&family)
}

/// Writes what the store has not taken yet.
pub(crate) async fn write_rest(app: &App) -> Result<(), StoreError> {
    let families: Vec<u64> = app.unwritten.lock().iter().copied().collect();
    for family in families {
        write(app, family).await?;
    }
    Ok(())
}

async fn write(app: &App, family: u64) -> Result<(), StoreError> {
    app.store.revoke_family(family, now()).await?;
    app.unwritten.lock().remove(&family);
    Ok(())
}
