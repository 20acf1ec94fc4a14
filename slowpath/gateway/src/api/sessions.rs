//! Sessions of the binary port: opened by a log-on that delegates, listed, revoked.

use crate::auth::{Caller, wallet_of};
use crate::delegation::{self, Wanted};
use crate::number::U64;
use crate::problem::{Problem, Refusals};
use crate::state::{App, Path};
use crate::view::wallet as base58;
use crate::whole::to_the_end;
use attestation::Standing;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::{AccountId, Amount, Delegation, Gate, SessionId, SessionView};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A key that is to trade for the account by the binary port.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskDelegation {
    /// X25519 public key, base58, new for this log-on: the session's secret is agreed with it.
    #[schema(min_length = 32, max_length = 44)]
    exchange_key: String,
    /// The delegated ed25519 public key, base58: it vouches for the session's messages.
    #[schema(min_length = 32, max_length = 44)]
    public_key: String,
    /// When it ends, UTC nanoseconds; absent: in a day.
    expires: Option<U64>,
    /// Largest order in base units of its quote asset, market orders excluded; absent or 0: without limit.
    max_order_notional: Option<U64>,
    /// A session of the account that is to have this key from now on; absent: a new session, or the one that
    /// has this exchange key already.
    session: Option<u32>,
}

impl AskDelegation {
    /// What the wallet is to sign.
    pub(crate) fn wanted(&self, app: &App) -> Result<Wanted, Problem> {
        let exchange_key = key_of("exchange_key", &self.exchange_key)?;
        delegation::ensure_strong(app, &exchange_key)?;
        let public_key = key_of("public_key", &self.public_key)?;
        delegation::ensure_key("public_key", &public_key)?;
        let asked = self.expires.map(|expires| expires.0);
        Ok(Wanted {
            session: self.session.map(SessionId),
            delegation: Delegation {
                public_key,
                exchange_key,
                expires: delegation::expiry(asked, app.config.delegation_s, app.live.time())?,
                max_order_notional: Amount(self.max_order_notional.unwrap_or_default().0),
            },
        })
    }
}

fn key_of(field: &str, text: &str) -> Result<[u8; 32], Problem> {
    wallet_of(text).map_err(|_| {
        Problem::invalid(format!(
            "{field}: write the 32 bytes of a public key in base58"
        ))
    })
}

/// A session of the binary port that a log-on has opened.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OpenedSession {
    /// Its number.
    session: u32,
    /// The exchange's X25519 public key for it, base58: docs/WIRE.md says how the secret follows.
    exchange_key: String,
    /// Where the binary port listens.
    address: String,
    /// The shard's number.
    shard: u16,
    /// When the delegation ends, UTC nanoseconds.
    expires: U64,
    /// The frame with the delegation.
    sequence: U64,
}

/// Journals what the wallet `by` has signed.
pub(crate) async fn open(
    app: &App,
    by: [u8; 32],
    account: AccountId,
    wanted: &Wanted,
) -> Result<OpenedSession, Problem> {
    let (session, seq) = delegation::journal(app, by, account, wanted).await?;
    let exchange_key = app
        .host
        .exchange_key(session, &wanted.delegation.exchange_key);
    Ok(OpenedSession {
        session: session.0,
        exchange_key: base58(exchange_key),
        address: app.port.clone(),
        shard: app.shard,
        expires: U64(wanted.delegation.expires.0),
        sequence: U64(seq.0),
    })
}

/// By which door a session's commands come in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Door {
    /// The binary port.
    Port,
    /// This API.
    Gateway,
}

/// A session of an account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiSession {
    /// Its number.
    session: u32,
    /// By which door its commands come in.
    door: Door,
    /// The delegated ed25519 public key, base58.
    public_key: String,
    /// The client's X25519 public key, base58; absent if its secret was not agreed by a log-on.
    #[serde(skip_serializing_if = "Option::is_none")]
    exchange_key: Option<String>,
    /// When the delegation ends, UTC nanoseconds; 0: without end.
    expires: U64,
    /// Whether it has ended: then it can only cancel.
    ended: bool,
    /// Largest order in base units of its quote asset; 0: without limit.
    max_order_notional: U64,
    /// The last of its numbers that was applied.
    last_number: U64,
    /// The number of its next report.
    next_report: U64,
    /// What it has entered and not attested, or what no checked attestation covers yet, in millionths of a whole unit of
    /// the quote assets; counted while its account has a `max_unattested_notional`.
    unattested: U64,
    /// What it would sign if it attested now; absent of one that comes in by this API.
    #[serde(skip_serializing_if = "Option::is_none")]
    attestation: Option<ApiAttestation>,
}

/// A session's running hash as the exchange has it. Whoever signs it without a hash of his own vouches for whatever
/// the exchange has put into it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiAttestation {
    /// The session's last number in the archive.
    number: U64,
    /// The running hash behind it, 64 hexadecimal digits.
    running_hash: String,
}

impl From<Standing> for ApiAttestation {
    fn from(standing: Standing) -> Self {
        Self {
            number: U64(standing.number),
            running_hash: hexadecimal(&standing.hash.to_bytes()),
        }
    }
}

impl ApiSession {
    fn new(
        session: SessionId,
        view: &SessionView,
        standing: Option<Standing>,
        now: domain::Nanos,
    ) -> Self {
        let delegation = &view.delegation;
        let agreed = delegation.exchange_key != [0; 32];
        Self {
            session: session.0,
            door: match view.gate {
                Gate::Port => Door::Port,
                Gate::Gateway => Door::Gateway,
            },
            public_key: base58(delegation.public_key),
            exchange_key: agreed.then(|| base58(delegation.exchange_key)),
            expires: U64(delegation.expires.0),
            ended: delegation.has_expired(now),
            max_order_notional: U64(delegation.max_order_notional.0),
            last_number: U64(view.last_number),
            next_report: U64(view.next_report_no),
            unattested: U64(view.unattested),
            attestation: match view.gate {
                Gate::Port => standing.map(ApiAttestation::from),
                Gate::Gateway => None,
            },
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An account's sessions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Sessions {
    /// By number.
    sessions: Vec<ApiSession>,
    /// So it is after this frame.
    sequence: U64,
}

/// The caller's sessions, live.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "log on",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "all of them", body = Sessions),
        Refusals,
    ))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<Sessions>, Problem> {
    app.live.ensure_live()?;
    let member = caller.membership(&app)?;
    let mut own = app.live.hub().port_sessions(member.account);
    own.insert(member.session);
    // One lock at a time.
    let standing: BTreeMap<SessionId, Standing> = {
        let checker = app.live.checker();
        let standing = |id: &SessionId| Some((*id, checker.standing(*id)?));
        own.iter().filter_map(standing).collect()
    };
    let sessions = app.live.read(|engine, seq| Sessions {
        sessions: own
            .iter()
            .filter_map(|id| {
                let view = engine.session(*id)?;
                let standing = standing.get(id).copied();
                Some(ApiSession::new(*id, &view, standing, engine.now()))
            })
            .collect(),
        sequence: U64(seq.0),
    });
    Ok(Json(sessions))
}

/// Revokes a session of the binary port: it can only cancel from now on.
///
/// Its orders rest on until they are cancelled. To shut somebody out who has its secret, log on with another
/// exchange key for it.
#[utoipa::path(delete, path = "/api/v1/sessions/{session}", tag = "log on", params(
        ("session" = u32, Path, description = "its number"),
    ),
    security(("bearer" = [])),
    responses(
        (status = 204, description = "revoked"),
        Refusals,
    ))]
pub(crate) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(session): Path<u32>,
) -> Result<StatusCode, Problem> {
    app.live.ensure_live()?;
    let member = caller.membership(&app)?;
    let session = SessionId(session);
    let revoke =
        async move { delegation::revoke(&app, caller.wallet, member.account, session).await };
    to_the_end(revoke).await?;
    Ok(StatusCode::NO_CONTENT)
}
