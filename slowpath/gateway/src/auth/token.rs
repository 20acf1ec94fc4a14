//! Access tokens (JWT, HS256) and refresh tokens (random, kept by hash).
//!
//! The signing key follows from the host secret and from a number of this process: what an earlier process
//! gave out is not accepted, so that nothing that was revoked comes back with a restart. Clients refresh.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Nanos;
use hkdf::Hkdf;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use store::Role;

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
    lifetime: u64,
    /// Families that were revoked, until when their access tokens would have been valid, seconds.
    revoked: Mutex<BTreeMap<u64, u64>>,
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
            lifetime,
            revoked: Mutex::new(BTreeMap::new()),
        }
    }

    /// Seconds that an access token is valid.
    pub(crate) fn lifetime(&self) -> u64 {
        self.lifetime
    }

    /// An access token.
    pub(crate) fn issue(&self, wallet: &str, role: Role, family: u64, now: Nanos) -> String {
        let iat = now.0 / SECOND;
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

    /// What a token says, if it is ours, valid at `now` and not revoked.
    pub(crate) fn check(&self, token: &str, now: Nanos) -> Option<Claims> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.leeway = 0;
        // Our own clock decides, which tests can set.
        validation.validate_exp = false;
        let decoded = jsonwebtoken::decode::<Claims>(token, &self.decoding, &validation).ok()?;
        let claims = decoded.claims;
        let family = claims.family()?;
        let valid = now.0 / SECOND < claims.exp && !self.is_revoked(family);
        valid.then_some(claims)
    }

    /// Whether a log-on was ended before its access tokens were.
    pub(crate) fn is_revoked(&self, family: u64) -> bool {
        let revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        revoked.contains_key(&family)
    }

    /// No access token of this family is valid any more.
    pub(crate) fn revoke(&self, family: u64, now: Nanos) {
        let seconds = now.0 / SECOND;
        let mut revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        revoked.retain(|_, until| *until > seconds);
        revoked.insert(family, seconds + self.lifetime + 1);
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

    const NOW: Nanos = Nanos(1_700_000_000 * SECOND);

    #[test]
    fn a_token_is_valid_for_its_time_and_until_its_family_is_revoked() {
        let tokens = Tokens::new(&[1; 32], 7, 60);
        let token = tokens.issue("wallet", Role::Operator, 5, NOW);
        let claims = tokens.check(&token, NOW).unwrap();
        assert_eq!(
            (claims.sub.as_str(), claims.role.as_str()),
            ("wallet", "operator")
        );
        let last = Nanos(NOW.0 + 59 * SECOND);
        assert!(tokens.check(&token, last).is_some());
        assert!(tokens.check(&token, Nanos(last.0 + SECOND)).is_none());
        tokens.revoke(claims.family().unwrap(), NOW);
        assert!(tokens.check(&token, NOW).is_none());
        let other = tokens.issue("wallet", Role::User, 6, NOW);
        assert!(tokens.check(&other, NOW).is_some());
    }

    #[test]
    fn tokens_of_others_are_refused() {
        let tokens = Tokens::new(&[1; 32], 7, 60);
        for other in [Tokens::new(&[2; 32], 7, 60), Tokens::new(&[1; 32], 8, 60)] {
            let token = other.issue("wallet", Role::User, 5, NOW);
            assert!(tokens.check(&token, NOW).is_none());
        }
        let token = tokens.issue("wallet", Role::User, 5, NOW);
        let (head, rest) = token.split_once('.').unwrap();
        let (body, _) = rest.split_once('.').unwrap();
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        for forged in [
            format!("{none}.{body}."),
            format!("{head}.{body}."),
            String::new(),
        ] {
            assert!(tokens.check(&forged, NOW).is_none(), "{forged}");
        }
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            let last_bits = at + 1 == token.len();
            assert!(last_bits || tokens.check(&changed, NOW).is_none(), "{at}");
        }
    }
}
