//! Wallet log-on: a challenge, its signature, tokens.

use crate::address::Client;
use crate::api::sessions::{self, AskDelegation, OpenedSession};
use crate::auth::token::{hash, random_text, role_name};
use crate::auth::{self, Leaving, revocation, wallet_of};
use crate::live::now;
use crate::membership::{self, Registrant};
use crate::number::U64;
use crate::problem::{Problem, Refusals};
use crate::state::{App, Body};
use crate::view::wallet as wallet_text;
use crate::whole::to_the_end;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::Nanos;
use serde::{Deserialize, Serialize};
use std::time::Instant;
use store::{RefreshToken, Role, Rotation};
use topology::Registration;
use utoipa::ToSchema;

/// Log-ons that a wallet may have at a time: with one more, the one that was not used for longest ends.
const LOG_ONS: u32 = 32;

/// Who wants to log on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskChallenge {
    /// The wallet's public key, base58.
    #[schema(min_length = 32, max_length = 44)]
    wallet: String,
    /// A key that is to trade for the account by the binary port; absent: none.
    delegation: Option<AskDelegation>,
}

/// What the wallet has to sign.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GivenChallenge {
    /// Give it back with the signature.
    nonce: String,
    /// Sign exactly these bytes (UTF-8) with the wallet's ed25519 key.
    message: String,
    /// UTC nanoseconds.
    expires: U64,
}

fn no_randomness(error: getrandom::Error) -> Problem {
    Problem::unavailable(format!("the system gives no random bytes: {error}"))
}

/// A message to sign.
#[utoipa::path(post, path = "/api/v1/auth/challenge", tag = "log on", request_body = AskChallenge,
    responses(
        (status = 200, description = "sign it", body = GivenChallenge),
        Refusals,
    ))]
pub(crate) async fn challenge(
    State(app): State<App>,
    Body(ask): Body<AskChallenge>,
) -> Result<Json<GivenChallenge>, Problem> {
    let wallet = wallet_of(&ask.wallet)?;
    let wanted = ask.delegation.map(|ask| ask.wanted(&app)).transpose()?;
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(no_randomness)?;
    let challenge = app
        .challenges
        .give(wallet, wanted.as_ref(), random, Instant::now());
    Ok(Json(GivenChallenge {
        nonce: challenge.nonce,
        message: challenge.message,
        expires: U64(challenge.expires.0),
    }))
}

/// A signed challenge.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignedChallenge {
    /// The wallet's public key, base58.
    #[schema(min_length = 32, max_length = 44)]
    wallet: String,
    /// Of the challenge.
    #[schema(max_length = 192)]
    nonce: String,
    /// The signature's 64 bytes, base58.
    #[schema(min_length = 64, max_length = 88)]
    signature: String,
}

/// Tokens.
#[derive(Serialize, ToSchema)]
pub(crate) struct Tokens {
    /// Send it as `Authorization: Bearer`.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    /// For new tokens when the access token has expired. It can be used once, and asked for the same again for ten
    /// seconds if the answer was lost: if it comes later, or behind its successor, somebody has a copy, and all
    /// tokens of this log-on end.
    refresh_token: String,
    /// `user`, `maker`, `operator` or `auditor`.
    role: String,
    /// The account's number; absent if the wallet has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<u32>,
    /// The session of the binary port, if a key was delegated.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<OpenedSession>,
}

fn signature_of(text: &str) -> Result<[u8; 64], Problem> {
    let refused = || Problem::invalid("signature: write the 64 bytes of the signature in base58");
    if text.len() > 88 {
        return Err(refused());
    }
    let bytes = bs58::decode(text).into_vec().map_err(|_| refused())?;
    bytes.try_into().map_err(|_| refused())
}

/// Logs on with a signed challenge.
///
/// A wallet's first log-on makes its account, where registration is open. If the challenge delegates a key, its
/// session of the binary port is opened with it.
#[utoipa::path(post, path = "/api/v1/auth/token", tag = "log on", request_body = SignedChallenge,
    responses(
        (status = 200, description = "logged on", body = Tokens),
        Refusals,
    ))]
pub(crate) async fn token(
    State(app): State<App>,
    client: Client,
    Body(signed): Body<SignedChallenge>,
) -> Result<Json<Tokens>, Problem> {
    let wallet = wallet_of(&signed.wallet)?;
    let signature = signature_of(&signed.signature)?;
    // Before the challenge is used up.
    app.live.ensure_live()?;
    let role = auth::role(&app, wallet).await?;
    let is_known = role != Role::User || app.live.hub().account_of(&wallet).is_some();
    if !is_known && app.config.registration == Registration::Closed {
        return Err(no_account());
    }
    let who = (wallet, is_known);
    let wanted = app
        .challenges
        .answer(&signed.nonce, who, &signature, Instant::now())?;
    let registrant = match (app.config.registration, role) {
        (Registration::Closed, _) => Registrant::Nobody,
        (Registration::Open, Role::Operator) => Registrant::Operator,
        (Registration::Open, _) => Registrant::Anybody(client),
    };
    let joined = {
        let app = app.clone();
        to_the_end(async move { membership::ensure(&app, wallet, registrant).await }).await
    };
    let member = match joined {
        // Whoever is to help is let in all the same.
        Err(problem) if role == Role::Operator => {
            tracing::warn!(?problem, "an operator gets no account");
            None
        }
        decided => decided?,
    };
    if member.is_none() && role == Role::User {
        return Err(no_account());
    }
    app.store.user_or_new(wallet, Role::User, now()).await?;
    let session = match (&wanted, member) {
        (Some(wanted), Some(member)) => {
            let (app, wanted) = (app.clone(), *wanted);
            let open = async move { sessions::open(&app, wallet, member.account, &wanted).await };
            Some(to_the_end(open).await?)
        }
        (Some(_), None) => {
            return Err(Problem::forbidden(
                "this wallet has no account for which a key could trade: ask the operator to make one",
            ));
        }
        (None, _) => None,
    };
    let family = getrandom::u64().map_err(no_randomness)? >> 1;
    let refresh_token = random_text().map_err(no_randomness)?;
    let token = RefreshToken {
        hash: hash(&refresh_token),
        family,
        wallet,
        issued: now(),
        expires: refresh_expiry(&app),
        used: None,
        revoked: None,
    };
    for ended in app.store.add_token(&token, LOG_ONS).await? {
        app.tokens.revoke(ended, Instant::now());
    }
    app.measures.log_on();
    Ok(Json(Tokens {
        session,
        ..tokens(&app, &token, role, refresh_token)
    }))
}

fn refresh_expiry(app: &App) -> Nanos {
    let lifetime = app.config.refresh_token_s.saturating_mul(1_000_000_000);
    Nanos(now().0.saturating_add(lifetime))
}

fn tokens(app: &App, token: &RefreshToken, role: Role, refresh_token: String) -> Tokens {
    let wallet = wallet_text(token.wallet);
    Tokens {
        access_token: app
            .tokens
            .issue(&wallet, role, token.family, Instant::now()),
        token_type: "Bearer",
        expires_in: app.tokens.lifetime(),
        refresh_token,
        role: role_name(role).to_owned(),
        account: app.live.hub().account_of(&token.wallet).map(|id| id.0),
        session: None,
    }
}

fn no_account() -> Problem {
    Problem::forbidden(
        "this wallet has no account and registration is closed: ask the operator to make one, or to open \
         registration (gateway.registration)",
    )
}

/// A refresh token to exchange.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refresh {
    /// As it was given out.
    #[schema(max_length = 64)]
    refresh_token: String,
}

/// Exchanges a refresh token for new tokens.
///
/// If the answer is lost, ask again within ten seconds: it gives the same refresh token, unless that was used.
#[utoipa::path(post, path = "/api/v1/auth/refresh", tag = "log on", request_body = Refresh,
    responses(
        (status = 200, description = "new tokens", body = Tokens),
        Refusals,
    ))]
pub(crate) async fn refresh(
    State(app): State<App>,
    Body(refresh): Body<Refresh>,
) -> Result<Json<Tokens>, Problem> {
    let old = hash(&refresh.refresh_token);
    // Strangers have nothing written, and what may fail comes before the exchange.
    let known = app.store.refresh_token(old).await?;
    let known = known.filter(|token| token.revoked.is_none() && token.expires > now());
    let known = known.ok_or_else(ended)?;
    let role = auth::role(&app, known.wallet).await?;
    let next = app.tokens.successor(&refresh.refresh_token);
    let rotation = app
        .store
        .rotate_token(old, hash(&next), now(), refresh_expiry(&app))
        .await?;
    match rotation {
        Rotation::Rotated(token) if revocation::has_ended(&app, token.family) => {
            // The store did not have it yet, or does not have it any more.
            revocation::end_again(&app, token.family).await?;
            Err(ended())
        }
        Rotation::Rotated(token) => Ok(Json(tokens(&app, &token, role, next))),
        Rotation::Reused(family) => {
            app.tokens.revoke(family, Instant::now());
            Err(Problem::unauthenticated(
                "this refresh token was used before: somebody may have a copy, so this log-on has ended; log on again",
            ))
        }
        Rotation::Unknown | Rotation::Ended => Err(ended()),
    }
}

fn ended() -> Problem {
    Problem::unauthenticated("this refresh token is not valid any more: log on again")
}

/// Ends this log-on: no token of it is valid any more, and its streams are closed.
///
/// It may be repeated, also with an access token of the log-on that has ended.
#[utoipa::path(post, path = "/api/v1/auth/revoke", tag = "log on",
    security(("bearer" = [])),
    responses(
        (status = 204, description = "ended"),
        Refusals,
    ))]
pub(crate) async fn revoke(
    State(app): State<App>,
    Leaving(caller): Leaving,
) -> Result<StatusCode, Problem> {
    if let Err(error) = revocation::end(&app, caller.family).await {
        tracing::warn!(%error, "the store does not take the end of a log-on; it is tried on");
        return Err(Problem::unavailable(
            "this log-on has ended, but the store has not taken it yet and is tried on: repeat this to be sure \
             that it is on disk",
        ));
    }
    Ok(StatusCode::NO_CONTENT)
}
