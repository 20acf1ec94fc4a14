//! Who asks: wallet log-on, tokens, roles.

pub(crate) mod challenge;
pub(crate) mod token;

use crate::live::now;
use crate::problem::Problem;
use crate::state::App;
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use domain::{AccountId, SessionId, Source};
use store::Role;

/// Whoever asks, let in by an access token.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) wallet: [u8; 32],
    pub(crate) role: Role,
    pub(crate) family: String,
}

/// The account of whoever asks, and the session by which the gateway speaks for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Membership {
    pub(crate) account: AccountId,
    pub(crate) session: SessionId,
}

impl Membership {
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

impl Caller {
    /// Of a token.
    pub(crate) fn of_token(app: &App, token: &str) -> Result<Self, Problem> {
        let claims = app.tokens.check(token, now()).ok_or_else(|| {
            Problem::unauthenticated(
                "the access token is not valid any more: refresh it or log on again",
            )
        })?;
        let role = token::role_of(&claims.role);
        let (Ok(wallet), Some(role)) = (wallet_of(&claims.sub), role) else {
            return Err(Problem::unauthenticated(
                "the access token is not of this version",
            ));
        };
        Ok(Self {
            wallet,
            role,
            family: claims.family,
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

    /// Refuses whoever is not an operator.
    pub(crate) fn ensure_operator(&self) -> Result<(), Problem> {
        if self.role == Role::Operator {
            // The request's span says what: the journal has no operators' names.
            tracing::info!(
                operator = crate::view::wallet(self.wallet),
                "an operator administers"
            );
            return Ok(());
        }
        Err(Problem::forbidden("only operators may do this"))
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

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let header = parts
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let token = header
            .and_then(|value| value.strip_prefix("Bearer "))
            .ok_or_else(|| {
                Problem::unauthenticated("send the access token as `Authorization: Bearer TOKEN`")
            })?;
        Self::of_token(app, token)
    }
}
