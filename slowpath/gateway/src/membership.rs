//! Accounts and the sessions by which the gateway speaks for them: made by journalled commands.

use crate::address::Client;
use crate::administration::administer;
use crate::api::users::ensure_done;
use crate::auth::Membership;
use crate::problem::Problem;
use crate::state::App;
use domain::{
    AccountId, Command, CreateAccount, Delegation, FirmId, Gate, OpenSession, Seq, SessionId,
    Source, Zero,
};

/// Whether a wallet that has no account gets one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Registrant {
    /// It does not: registration is closed.
    Nobody,
    /// It asks from this address, as everybody may.
    Anybody(Client),
    /// It is an operator's: neither rate nor reserve is for it.
    Operator,
}

/// The membership of a wallet. An account is made if there is none and the registrant may have one; a session
/// is opened if the account has none. Whoever is a member already waits for nobody.
pub(crate) async fn ensure(
    app: &App,
    wallet: [u8; 32],
    registrant: Registrant,
) -> Result<Option<Membership>, Problem> {
    let hub = app.live.hub();
    match (hub.account_of(&wallet), registrant) {
        (None, Registrant::Nobody) => return Ok(None),
        (None, Registrant::Anybody(_) | Registrant::Operator) => {}
        (Some(account), _) => {
            if let Some(session) = hub.door_of(account) {
                return Ok(Some(Membership { account, session }));
            }
        }
    }
    let _one_at_a_time = app.registering.lock().await;
    let account = match (hub.account_of(&wallet), registrant) {
        (Some(account), _) => account,
        (None, Registrant::Nobody) => return Ok(None),
        (None, Registrant::Anybody(client)) => {
            ensure_account_room(app)?;
            ensure_session_room(app)?;
            app.limits.registration(client.0)?;
            make_account(app, wallet, wallet, None).await?.0
        }
        (None, Registrant::Operator) => make_account(app, wallet, wallet, None).await?.0,
    };
    let session = match hub.door_of(account) {
        Some(session) => session,
        None => open_door(app, account, wallet).await?,
    };
    Ok(Some(Membership { account, session }))
}

/// Refuses a session that would be one of those that are reserved.
pub(crate) fn ensure_session_room(app: &App) -> Result<(), Problem> {
    let (used, most) = app.live.read(|engine, _| {
        let most = engine.capacities().map_or(0, |most| most.max_sessions);
        (engine.session_count(), most)
    });
    ensure_room(app, "sessions", used, most)
}

/// Refuses an account that would be one of those that are reserved.
fn ensure_account_room(app: &App) -> Result<(), Problem> {
    let (used, most) = app.live.read(|engine, _| {
        let most = engine.capacities().map_or(0, |most| most.max_accounts);
        (engine.account_ids().count(), most)
    });
    ensure_room(app, "accounts", used, most)
}

fn ensure_room(app: &App, what: &str, used: usize, most: u32) -> Result<(), Problem> {
    let reserved = app.config.reserved_accounts;
    if used.saturating_add(reserved as usize) < most as usize {
        return Ok(());
    }
    Err(Problem::unavailable(format!(
        "the exchange has no more {what} for everybody: the last {reserved} are its operator's to give; ask there"
    )))
}

/// The lowest id that is not used, counted from 1: 0 is left to operators' own.
fn free_id(used: impl Iterator<Item = u32>) -> u32 {
    let mut next = 1;
    for id in used {
        if id == next {
            next += 1;
        } else if id > next {
            break;
        }
    }
    next
}

/// Makes an account for a wallet, as the wallet `by` asked, of a firm of its own unless said otherwise; its number, and
/// the frame. Only whoever holds `registering` may.
pub(crate) async fn make_account(
    app: &App,
    by: [u8; 32],
    wallet: [u8; 32],
    firm: Option<FirmId>,
) -> Result<(AccountId, Seq), Problem> {
    let (id, most) = app.live.read(|engine, _| {
        let most = engine.capacities().map_or(0, |most| most.max_accounts);
        (free_id(engine.account_ids().map(|id| id.0)), most)
    });
    ensure_free("accounts", id, most)?;
    let account = AccountId(id);
    let command = Command::CreateAccount(CreateAccount {
        account,
        firm: firm.unwrap_or(FirmId(id)),
        owner: wallet,
    });
    let done = administer(app, by, Source::ADMINISTRATION, command).await?;
    ensure_done(&done.events)?;
    Ok((account, done.seq))
}

/// The number of the next session. Only whoever holds `registering` may use it.
pub(crate) fn free_session(app: &App) -> Result<SessionId, Problem> {
    let (id, most) = app.live.read(|engine, _| {
        let most = engine.capacities().map_or(0, |most| most.max_sessions);
        (free_id(engine.session_ids().map(|id| id.0)), most)
    });
    ensure_free("sessions", id, most)?;
    Ok(SessionId(id))
}

/// Opens the session by which the gateway speaks for an account.
async fn open_door(app: &App, account: AccountId, wallet: [u8; 32]) -> Result<SessionId, Problem> {
    let session = free_session(app)?;
    let command = Command::OpenSession(OpenSession {
        session,
        account,
        delegation: Delegation::unlimited(wallet),
        gate: Gate::Gateway,
        pad: [Zero::Zero; 7],
    });
    let done = administer(app, wallet, Source::ADMINISTRATION, command).await?;
    ensure_done(&done.events)?;
    Ok(session)
}

/// Refuses what a full table has no room for.
fn ensure_free(what: &str, id: u32, most: u32) -> Result<(), Problem> {
    if id < most {
        return Ok(());
    }
    Err(Problem::unavailable(format!(
        "the exchange has no room for more {what}: its operator has to make a larger shard"
    )))
}

#[cfg(test)]
mod tests {
    use super::{ensure_free, free_id};

    #[test]
    fn a_full_table_and_nothing_else_has_no_room() {
        assert!(ensure_free("accounts", 3, 4).is_ok());
        let refused = ensure_free("accounts", 4, 4).unwrap_err();
        assert_eq!(refused.status(), 503);
    }

    #[test]
    fn the_lowest_free_id_is_taken() {
        assert_eq!(free_id([].into_iter()), 1);
        assert_eq!(free_id([0, 1, 2, 5].into_iter()), 3);
        assert_eq!(free_id([4].into_iter()), 1);
    }
}
