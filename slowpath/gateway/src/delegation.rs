//! Delegations: what a wallet signs with its log-on, so that a key may trade for its account by the
//! binary port.
//!
//! Invariants: an account's delegations and revocations come one after another; nothing is delegated that the wallet did not sign, word for word; an account has no more
//! sessions of the port than the configuration allows; the same exchange key asked for twice gives the
//! same session, so an answer that was lost may be asked for again.

use crate::administration::administer;
use crate::api::users::ensure_done;
use crate::membership;
use crate::problem::Problem;
use crate::state::App;
use crate::view::wallet as base58;
use domain::{
    AccountId, Amount, Command, Delegate, Delegation, Gate, Nanos, OpenSession, Seq, SessionId,
    Source, Utc, Zero,
};
use ed25519_dalek::VerifyingKey;
use std::fmt;

/// Lifetime of a delegation that asks for none, in seconds.
const DEFAULT_LIFETIME: u64 = 86_400;
const SECOND: u64 = 1_000_000_000;

/// What is to be signed and then journalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// A session of the account that is to have the new key; none: a new session.
    pub(crate) session: Option<SessionId>,
    pub(crate) delegation: Delegation,
}

impl Wanted {
    /// Its size in a challenge's nonce.
    pub(crate) const BYTES: usize = 88;

    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let Delegation {
            public_key,
            exchange_key,
            expires,
            max_order_notional,
        } = self.delegation;
        let session = self.session.map_or(u64::MAX, |session| session.0.into());
        let mut bytes = [0; Self::BYTES];
        bytes[..32].copy_from_slice(&public_key);
        bytes[32..64].copy_from_slice(&exchange_key);
        let numbers = [expires.0, max_order_notional.0, session];
        for (place, number) in bytes[64..].chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// Of what [`Self::to_bytes`] gave.
    pub(crate) fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let key = |from: usize| std::array::from_fn(|byte| bytes[from + byte]);
        let number =
            |from: usize| u64::from_le_bytes(std::array::from_fn(|byte| bytes[from + byte]));
        Self {
            session: u32::try_from(number(80)).ok().map(SessionId),
            delegation: Delegation {
                public_key: key(0),
                exchange_key: key(32),
                expires: Nanos(number(64)),
                max_order_notional: Amount(number(72)),
            },
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Delegation {
            public_key,
            exchange_key,
            expires,
            max_order_notional,
        } = &self.delegation;
        f.write_str("It also lets a key trade for your account by the binary port. The key cannot withdraw.\n")?;
        match self.session {
            Some(session) => writeln!(f, "Session: {}, whose key it replaces", session.0)?,
            None => f.write_str("Session: a new one, or the one that has this exchange key\n")?,
        }
        writeln!(f, "Delegated key: {}", base58(*public_key))?;
        writeln!(f, "Exchange key: {}", base58(*exchange_key))?;
        writeln!(f, "Until: {}", Utc(*expires))?;
        if *max_order_notional == Amount::ZERO {
            f.write_str("Largest order: without limit")
        } else {
            let notional = max_order_notional.0;
            write!(f, "Largest order: {notional} base units of its quote asset")
        }
    }
}

/// When it ends, if that may be.
pub(crate) fn expiry(asked: Option<u64>, longest: u64, now: Nanos) -> Result<Nanos, Problem> {
    let lifetime = |seconds: u64| now.0.saturating_add(seconds.saturating_mul(SECOND));
    let latest = lifetime(longest);
    let expires = asked.unwrap_or_else(|| lifetime(DEFAULT_LIFETIME.min(longest)));
    if expires > now.0 && expires <= latest {
        return Ok(Nanos(expires));
    }
    Err(Problem::invalid(format!(
        "expires: {expires} is out of range: a delegation may last from now, {}, to {latest}, in UTC nanoseconds",
        now.0
    )))
}

/// Refuses an exchange key with which nothing secret can be agreed.
pub(crate) fn ensure_strong(app: &App, exchange_key: &[u8; 32]) -> Result<(), Problem> {
    let agreed = app.host.agreed_secret(SessionId(0), exchange_key);
    agreed
        .map(drop)
        .map_err(|weak| Problem::invalid(format!("exchange_key: {weak}")))
}

/// Refuses a public key that can sign nothing, or for which everybody can sign.
pub(crate) fn ensure_key(field: &str, public_key: &[u8; 32]) -> Result<(), Problem> {
    let key = VerifyingKey::from_bytes(public_key).ok();
    if key.is_some_and(|key| !key.is_weak()) {
        return Ok(());
    }
    Err(Problem::invalid(format!(
        "{field}: this is no ed25519 public key: write the 32 bytes of one in base58"
    )))
}

/// Journals what the wallet `by`, the owner of an account, has signed; the session, and the frame of its delegation.
pub(crate) async fn journal(
    app: &App,
    by: [u8; 32],
    account: AccountId,
    wanted: &Wanted,
) -> Result<(SessionId, Seq), Problem> {
    app.limits.delegation(&by)?;
    let _own_turn = app.delegating.of(account).await;
    let Some(session) = existing(app, account, wanted)? else {
        return open(app, by, account, wanted.delegation).await;
    };
    let command = delegate(session, wanted.delegation);
    let done = administer(app, by, Source::ADMINISTRATION, command).await?;
    ensure_done(&done.events)?;
    Ok((session, done.seq))
}

/// Ends a session's delegation, as the wallet `by` asked: it can cancel what rests, and nothing else.
///
/// Whoever delegates for the account meanwhile waits, so that keys are not put in the place of newer ones. If the outcome is not
/// known, the command stands before every later one: a delegation that is asked for then holds, and this one never
/// makes a key valid, whichever keys it names.
pub(crate) async fn revoke(
    app: &App,
    by: [u8; 32],
    account: AccountId,
    session: SessionId,
) -> Result<(), Problem> {
    app.limits.delegation(&by)?;
    let _own_turn = app.delegating.of(account).await;
    ensure_own(app, account, session)?;
    let view = app.live.read(|engine, _| engine.session(session));
    let view = view.ok_or_else(|| Problem::not_found("session", session.0))?;
    let ended = Delegation {
        expires: Nanos(1),
        ..view.delegation
    };
    let command = delegate(session, ended);
    let done = administer(app, by, Source::ADMINISTRATION, command).await?;
    ensure_done(&done.events)
}

fn delegate(session: SessionId, delegation: Delegation) -> Command {
    Command::Delegate(Delegate {
        session,
        pad: [Zero::Zero; 4],
        delegation,
    })
}

fn ensure_own(app: &App, account: AccountId, session: SessionId) -> Result<(), Problem> {
    if app.live.hub().port_sessions(account).contains(&session) {
        return Ok(());
    }
    Err(Problem::not_found(
        "session of your account at the binary port:",
        session.0,
    ))
}

/// The session that is to have the delegation, if it is there already.
fn existing(app: &App, account: AccountId, wanted: &Wanted) -> Result<Option<SessionId>, Problem> {
    if let Some(session) = wanted.session {
        ensure_own(app, account, session)?;
        return Ok(Some(session));
    }
    let own = app.live.hub().port_sessions(account);
    let same = app.live.read(|engine, _| {
        let key = |session: &SessionId| Some(engine.session(*session)?.delegation.exchange_key);
        own.iter()
            .find(|session| key(session) == Some(wanted.delegation.exchange_key))
            .copied()
    });
    let most = app.config.port_sessions;
    if same.is_none() && own.len() >= most {
        return Err(Problem::conflict(
            "too-many-sessions",
            "The account has all the sessions that it may have",
            format!(
                "an account may have {most} sessions of the binary port (/api/v1/sessions lists them): name one \
                 as `session`, and your key replaces its key"
            ),
        ));
    }
    Ok(same)
}

/// Opens a new session with the delegation.
async fn open(
    app: &App,
    by: [u8; 32],
    account: AccountId,
    delegation: Delegation,
) -> Result<(SessionId, Seq), Problem> {
    let _one_at_a_time = app.registering.lock().await;
    membership::ensure_session_room(app)?;
    let session = membership::free_session(app)?;
    let command = Command::OpenSession(OpenSession {
        session,
        account,
        delegation,
        gate: Gate::Port,
        pad: [Zero::Zero; 7],
    });
    let done = administer(app, by, Source::ADMINISTRATION, command).await?;
    ensure_done(&done.events)?;
    Ok((session, done.seq))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Nanos = Nanos(1_000 * SECOND);

    #[test]
    fn a_delegation_ends_within_its_range() {
        let day = Nanos(NOW.0 + DEFAULT_LIFETIME * SECOND);
        assert_eq!(expiry(None, 30 * DEFAULT_LIFETIME, NOW).unwrap(), day);
        // What is asked for by default is never more than what is allowed.
        assert_eq!(expiry(None, 60, NOW).unwrap(), Nanos(NOW.0 + 60 * SECOND));
        let latest = NOW.0 + 60 * SECOND;
        assert_eq!(expiry(Some(latest), 60, NOW).unwrap(), Nanos(latest));
        assert_eq!(expiry(Some(NOW.0 + 1), 60, NOW).unwrap(), Nanos(NOW.0 + 1));
        for refused in [0, NOW.0, latest + 1, u64::MAX] {
            assert!(expiry(Some(refused), 60, NOW).is_err(), "{refused}");
        }
    }

    #[test]
    fn keys_that_can_sign_nothing_are_refused() {
        let bytes = (0..=u8::MAX).map(|byte| [byte; 32]);
        let no_point = bytes
            .into_iter()
            .find(|key| VerifyingKey::from_bytes(key).is_err());
        assert!(ensure_key("wallet", &no_point.unwrap()).is_err());
        let mut identity = [0; 32];
        identity[0] = 1;
        assert!(ensure_key("wallet", &identity).is_err());
        let key = ed25519_dalek::SigningKey::from_bytes(&[3; 32]);
        assert!(ensure_key("wallet", &key.verifying_key().to_bytes()).is_ok());
    }

    #[test]
    fn everything_that_is_delegated_is_said() {
        let wanted = Wanted {
            session: Some(SessionId(7)),
            delegation: Delegation {
                public_key: [1; 32],
                exchange_key: [2; 32],
                expires: Nanos(123_456),
                max_order_notional: Amount(789),
            },
        };
        let text = wanted.to_string();
        for part in [
            "Session: 7",
            &base58([1; 32]),
            &base58([2; 32]),
            "1970-01-01T00:00:00.000123456Z",
            "789 base units",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        assert_eq!(Wanted::from_bytes(&wanted.to_bytes()), wanted);
        let mut unlimited = wanted;
        (unlimited.session, unlimited.delegation.max_order_notional) = (None, Amount::ZERO);
        let text = unlimited.to_string();
        assert!(text.contains("a new one") && text.contains("without limit"));
        assert_eq!(Wanted::from_bytes(&unlimited.to_bytes()), unlimited);
    }
}
