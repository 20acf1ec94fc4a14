//! Who asks: wallet log-on, tokens, roles.

pub(crate) mod challenge;
pub(crate) mod revocation;
pub(crate) mod token;

use crate::problem::Problem;
use crate::state::App;
use crate::view::wallet as wallet_text;
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use domain::{AccountId, SessionId, Source};
use std::time::Instant;
use store::Role;
use token::Claims;

/// Whoever asks, let in by an access token.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) wallet: [u8; 32],
    pub(crate) role: Role,
    /// The log-on that the token goes back to.
    pub(crate) family: u64,
    /// When the access token ends.
    pub(crate) until: Instant,
}

/// An operator who asks; others are refused. Either is logged.
pub(crate) struct Operator(pub(crate) Caller);

/// Somebody who may read everything asks; others are refused. Either is logged.
pub(crate) struct Auditor;

/// Whoever ends a log-on: its access token may have been revoked already, so that this can be repeated.
pub(crate) struct Leaving(pub(crate) Caller);

/// The account of whoever asks, and the session by which the gateway speaks for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Membership {
    pub(crate) account: AccountId,
    pub(crate) session: SessionId,
}

impl Membership {
    /// By what the store knows whose an order is.
    pub(crate) fn owner(self) -> (AccountId, SessionId) {
        (self.account, self.session)
    }

    pub(crate) fn source(self) -> Source {
        Source::of_session(self.session)
    }
}

/// The 32 bytes of a wallet in base58.
pub(crate) fn wallet_of(text: &str) -> Result<[u8; 32], Problem> {
    let refused = || {
        Problem::invalid(format!(
            "{text:?} is no wallet: write its public key (32 bytes) in base58"
        ))
    };
    // Longer texts are none, and decoding takes time in the square of the length.
    if text.len() > 44 {
        return Err(refused());
    }
    let bytes = bs58::decode(text).into_vec().map_err(|_| refused())?;
    bytes.try_into().map_err(|_| refused())
}

/// What a wallet may do now: the configuration names operators, and they give every other role. Whom the
/// configuration names no more is no operator any more, unless one made them so.
pub(crate) async fn role(app: &App, wallet: [u8; 32]) -> Result<Role, Problem> {
    if is_named_operator(app, wallet) {
        return Ok(Role::Operator);
    }
    Ok(app.store.role(wallet).await?)
}

/// Whether the configuration names a wallet as operator.
pub(crate) fn is_named_operator(app: &App, wallet: [u8; 32]) -> bool {
    app.config.operators.contains(&wallet_text(wallet))
}

impl Caller {
    /// Of a token.
    pub(crate) fn of_token(app: &App, token: &str) -> Result<Self, Problem> {
        Self::of_claims(app, app.tokens.check(token, Instant::now()))
    }

    fn of_claims(app: &App, claims: Option<Claims>) -> Result<Self, Problem> {
        let claims = claims.ok_or_else(|| {
            Problem::unauthenticated(
                "the access token is not valid any more: refresh it or log on again",
            )
        })?;
        let role = token::role_of(&claims.role);
        let (Ok(wallet), Some(role), Some(family)) =
            (wallet_of(&claims.sub), role, claims.family())
        else {
            return Err(Problem::unauthenticated(
                "the access token is not of this version",
            ));
        };
        Ok(Self {
            wallet,
            role,
            family,
            until: app.tokens.end(&claims),
        })
    }

    /// The caller's account.
    pub(crate) fn membership(&self, app: &App) -> Result<Membership, Problem> {
        let hub = app.live.hub();
        let account = hub.account_of(&self.wallet);
        let session = account.and_then(|account| hub.door_of(account));
        match (account, session) {
            (Some(account), Some(session)) => Ok(Membership { account, session }),
            _ => Err(Problem::forbidden(
                "this wallet has no account: an operator has to make one, then log on again",
            )),
        }
    }

    /// Refuses whoever has none of these roles, and logs who asked for what.
    fn ensure(self, roles: &[Role], who: &str, parts: &Parts) -> Result<Self, Problem> {
        let (wallet, method, path) = (wallet_text(self.wallet), &parts.method, parts.uri.path());
        if roles.contains(&self.role) {
            tracing::info!(wallet, %method, path, "administration was asked for");
            return Ok(self);
        }
        tracing::warn!(wallet, %method, path, "administration was refused");
        Err(Problem::forbidden(format!("only {who} may do this")))
    }

    /// Refuses whoever may not read what is not theirs.
    pub(crate) fn ensure_reader(&self, owner: Option<[u8; 32]>) -> Result<(), Problem> {
        let own = owner.is_some_and(|owner| owner == self.wallet);
        if own || matches!(self.role, Role::Operator | Role::Auditor) {
            return Ok(());
        }
        Err(Problem::forbidden("this is another user's"))
    }
}

fn bearer(parts: &Parts) -> Result<&str, Problem> {
    let header = parts
        .headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    token_of(header)
}

/// The token of a header.
fn token_of(header: Option<&str>) -> Result<&str, Problem> {
    let token = header
        .map(str::trim_end)
        .filter(|value| *value != "Bearer")
        .map(|value| value.strip_prefix("Bearer "));
    match token {
        Some(Some(token)) => Ok(token),
        Some(None) => Err(Problem::unauthenticated(
            "send the access token as `Authorization: Bearer TOKEN`",
        )),
        None => Err(Problem::unauthenticated(
            "no token was sent: send the access token as `Authorization: Bearer TOKEN`",
        )),
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Self::of_token(app, bearer(parts)?)
    }
}

impl FromRequestParts<App> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = Caller::of_token(app, bearer(parts)?)?;
        let operator = caller.ensure(&[Role::Operator], "operators", parts);
        operator.map(Self)
    }
}

impl FromRequestParts<App> for Auditor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = Caller::of_token(app, bearer(parts)?)?;
        let roles = [Role::Operator, Role::Auditor];
        caller.ensure(&roles, "operators and auditors", parts)?;
        Ok(Self)
    }
}

impl FromRequestParts<App> for Leaving {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let claims = app.tokens.check_time(bearer(parts)?, Instant::now());
        Caller::of_claims(app, claims).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::token_of;
    use serde_json::json;

    #[test]
    fn whoever_sends_no_token_is_told_so() {
        assert_eq!(token_of(Some("Bearer a.b.c")).unwrap(), "a.b.c");
        for (header, is_empty) in [
            (None, true),
            (Some("Bearer"), true),
            (Some("Bearer "), true),
            (Some("Basic x"), false),
        ] {
            let problem = json!(token_of(header).unwrap_err());
            let detail = problem["detail"].as_str().unwrap();
            assert_eq!(
                detail.starts_with("no token was sent"),
                is_empty,
                "{header:?}"
            );
        }
    }
}
