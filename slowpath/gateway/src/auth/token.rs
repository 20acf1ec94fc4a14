//! Access tokens (JWT, HS256) and refresh tokens (kept by hash): the first of a log-on is random, each later one follows
//! from the one before and the host secret, so that an exchange whose answer was lost can be answered again.
//!
//! The signing key follows from the host secret and from a number of this process: what an earlier process
//! gave out is not accepted, so that nothing that was revoked comes back with a restart. Clients refresh.

use crate::live::now;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use store::Role;
use tokio::sync::watch;

const ISSUER: &str = "sluice";
const SECOND: u64 = 1_000_000_000;

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    iss: String,
    /// The wallet, base58.
    pub(crate) sub: String,
    /// `user`, `maker`, `operator` or `auditor`.
    pub(crate) role: String,
    /// The log-on that it goes back to, 16 hexadecimal digits.
    family: String,
    /// Seconds since 1970.
    iat: u64,
    /// Seconds since 1970.
    pub(crate) exp: u64,
}

impl Claims {
    /// The log-on that it goes back to.
    pub(crate) fn family(&self) -> Option<u64> {
        u64::from_str_radix(&self.family, 16).ok()
    }
}

/// Makes and checks tokens.
pub(crate) struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    /// What refresh tokens follow from, beside the one before.
    refresh: Hkdf<Sha256>,
    lifetime: u64,
    /// When the process began, and what the clock said then, seconds since 1970. All times of tokens are counted
    /// from there: a clock that is set must not make a token valid again.
    began: (Instant, u64),
    /// Families that were revoked, until when their access tokens would have been valid.
    revoked: Mutex<BTreeMap<u64, Instant>>,
    /// Changes whenever another family was revoked.
    told: watch::Sender<()>,
}

impl Tokens {
    /// `lifetime` is in seconds.
    pub(crate) fn new(host_secret: &[u8; 32], process: u64, lifetime: u64) -> Self {
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(Some(b"sluice access token v1"), host_secret)
            .expand(&process.to_le_bytes(), &mut key)
            .expect("32 bytes are a length that HKDF gives");
        Self {
            encoding: EncodingKey::from_secret(&key),
            decoding: DecodingKey::from_secret(&key),
            refresh: Hkdf::new(Some(b"sluice refresh token v1"), host_secret),
            lifetime,
            began: (Instant::now(), now().0 / SECOND),
            revoked: Mutex::new(BTreeMap::new()),
            told: watch::Sender::new(()),
        }
    }

    /// The refresh token for which this one is exchanged, however often that is asked for.
    pub(crate) fn successor(&self, token: &str) -> String {
        let mut bytes = [0; 32];
        self.refresh
            .expand(token.as_bytes(), &mut bytes)
            .expect("32 bytes are a length that HKDF gives");
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Seconds that an access token is valid.
    pub(crate) fn lifetime(&self) -> u64 {
        self.lifetime
    }

    /// Seconds since 1970, as if the clock had not been set since the process began.
    fn seconds(&self, at: Instant) -> u64 {
        let (began, seconds) = self.began;
        seconds + at.saturating_duration_since(began).as_secs()
    }

    /// When a token ends.
    pub(crate) fn end(&self, claims: &Claims) -> Instant {
        let (began, seconds) = self.began;
        began + Duration::from_secs(claims.exp.saturating_sub(seconds))
    }

    /// An access token.
    pub(crate) fn issue(&self, wallet: &str, role: Role, family: u64, at: Instant) -> String {
        let iat = self.seconds(at);
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: wallet.to_owned(),
            role: role_name(role).to_owned(),
            family: format!("{family:016x}"),
            iat,
            exp: iat + self.lifetime,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .expect("the claims are strings and numbers")
    }

    /// What a token says, if it is ours, valid and not revoked.
    pub(crate) fn check(&self, token: &str, at: Instant) -> Option<Claims> {
        let claims = self.check_time(token, at)?;
        (!self.is_revoked(claims.family()?)).then_some(claims)
    }

    /// What a token says, if it is ours and would be valid were it not revoked.
    pub(crate) fn check_time(&self, token: &str, at: Instant) -> Option<Claims> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.leeway = 0;
        // Our own clock decides.
        validation.validate_exp = false;
        let decoded = jsonwebtoken::decode::<Claims>(token, &self.decoding, &validation).ok()?;
        let claims = decoded.claims;
        (self.seconds(at) < claims.exp).then_some(claims)
    }

    /// Whether a log-on was ended before its access tokens were.
    pub(crate) fn is_revoked(&self, family: u64) -> bool {
        let revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        revoked.contains_key(&family)
    }

    /// No access token of this family is valid any more.
    pub(crate) fn revoke(&self, family: u64, at: Instant) {
        let mut revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        revoked.retain(|_, until| *until > at);
        let before = revoked.insert(family, at + Duration::from_secs(self.lifetime + 1));
        drop(revoked);
        // Every WebSocket hears it: nobody must be able to make that happen again and again.
        if before.is_none() {
            self.told.send_replace(());
        }
    }

    /// Says when a family was revoked.
    pub(crate) fn revocations(&self) -> watch::Receiver<()> {
        self.told.subscribe()
    }
}

/// A role as tokens call it.
pub(crate) fn role_name(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Maker => "maker",
        Role::Operator => "operator",
        Role::Auditor => "auditor",
    }
}

/// The role of a name.
pub(crate) fn role_of(name: &str) -> Option<Role> {
    [Role::User, Role::Maker, Role::Operator, Role::Auditor]
        .into_iter()
        .find(|role| role_name(*role) == name)
}

/// Random bytes as text without signs that a URL would change.
pub(crate) fn random_text() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// By what a refresh token is kept: whoever reads the store cannot use it.
pub(crate) fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_valid_for_its_time_and_until_its_family_is_revoked() {
        let tokens = Tokens::new(&[1; 32], 7, 60);
        let begin = tokens.began.0;
        let second = |number| begin + Duration::from_secs(number);
        let token = tokens.issue("wallet", Role::Operator, 5, begin);
        let claims = tokens.check(&token, begin).unwrap();
        assert_eq!(
            (claims.sub.as_str(), claims.role.as_str()),
            ("wallet", "operator")
        );
        assert_eq!(tokens.end(&claims), second(60));
        assert!(tokens.check(&token, second(59)).is_some());
        assert!(tokens.check(&token, second(60)).is_none());
        let mut told = tokens.revocations();
        tokens.revoke(claims.family().unwrap(), begin);
        assert!(told.has_changed().unwrap());
        told.mark_unchanged();
        tokens.revoke(claims.family().unwrap(), begin);
        assert!(!told.has_changed().unwrap(), "it had ended before");
        assert!(tokens.check(&token, begin).is_none());
        assert!(tokens.check_time(&token, second(59)).is_some());
        assert!(tokens.check_time(&token, second(60)).is_none());
        let other = tokens.issue("wallet", Role::User, 6, begin);
        assert!(tokens.check(&other, begin).is_some());
        // It is remembered for as long as its tokens would be valid, and no longer.
        tokens.revoke(7, second(60));
        assert!(tokens.is_revoked(5));
        tokens.revoke(7, second(61));
        assert!(!tokens.is_revoked(5) && tokens.is_revoked(7));
    }

    #[test]
    fn a_refresh_token_has_one_successor_that_only_this_host_knows() {
        let successor =
            |host: u8, process, token: &str| Tokens::new(&[host; 32], process, 60).successor(token);
        let next = successor(1, 7, "a");
        assert_eq!(successor(1, 8, "a"), next, "also behind a restart");
        assert_ne!(successor(1, 7, "b"), next);
        assert_ne!(successor(2, 7, "a"), next);
    }

    #[test]
    fn tokens_of_others_are_refused() {
        let tokens = Tokens::new(&[1; 32], 7, 60);
        let now = tokens.began.0;
        for other in [Tokens::new(&[2; 32], 7, 60), Tokens::new(&[1; 32], 8, 60)] {
            let token = other.issue("wallet", Role::User, 5, now);
            assert!(tokens.check(&token, now).is_none());
        }
        let token = tokens.issue("wallet", Role::User, 5, now);
        let (head, rest) = token.split_once('.').unwrap();
        let (body, _) = rest.split_once('.').unwrap();
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        for forged in [
            format!("{none}.{body}."),
            format!("{head}.{body}."),
            String::new(),
        ] {
            assert!(tokens.check(&forged, now).is_none(), "{forged}");
        }
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            let last_bits = at + 1 == token.len();
            assert!(last_bits || tokens.check(&changed, now).is_none(), "{at}");
        }
    }
}
