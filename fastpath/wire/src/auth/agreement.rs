//! The key agreement of a log-on: X25519 (RFC 7748) between a key of the client and one of the exchange.
//!
//! The exchange keeps no key for it: its side follows from the host secret, the session and the client's
//! public key, so both of its processes find the same, after every restart. What an owner's wallet signs
//! is the client's public key, which is journalled. `docs/WIRE.md`, "Log-on", defines the derivations.

use super::{HostSecret, SessionSecret, derive};
use core::fmt;
use domain::SessionId;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

const EXCHANGE_SALT: &[u8] = b"sluice exchange v1";
const AGREED_SALT: &[u8] = b"sluice session v2";

secret! {
    /// The client's half of an agreement: 32 random bytes, new for every log-on.
    ExchangeSecret, 32
}

/// A public key with which nothing secret can be agreed: one of the few points of small order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeakKey;

impl fmt::Display for WeakKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "nothing secret can be agreed with this key: take the X25519 public key of 32 random bytes",
        )
    }
}

impl core::error::Error for WeakKey {}

impl ExchangeSecret {
    /// The public key, which the wallet signs.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        PublicKey::from(&StaticSecret::from(self.0)).to_bytes()
    }

    /// The session's secret, with the exchange's public key from the answer to the log-on.
    ///
    /// # Errors
    /// [`WeakKey`]: whoever answered is not the exchange.
    pub fn session_secret(
        &self,
        session: SessionId,
        exchange_key: &[u8; 32],
    ) -> Result<SessionSecret, WeakKey> {
        let shared = agree(&self.0, exchange_key)?;
        Ok(secret(session, &shared, &self.public_key(), exchange_key))
    }
}

impl HostSecret {
    /// The secret of any session: handed out by the operator if the client's key is zeros.
    ///
    /// # Errors
    /// [`WeakKey`] if nothing secret can be agreed with the client's key.
    pub fn secret_for(
        &self,
        session: SessionId,
        client_key: &[u8; 32],
    ) -> Result<SessionSecret, WeakKey> {
        if *client_key == [0; 32] {
            return Ok(self.session_secret(session));
        }
        self.agreed_secret(session, client_key)
    }

    /// The exchange's public key for a session and the client's public key.
    #[must_use]
    pub fn exchange_key(&self, session: SessionId, client_key: &[u8; 32]) -> [u8; 32] {
        PublicKey::from(&StaticSecret::from(*self.half(session, client_key))).to_bytes()
    }

    /// The secret of a session that was opened by a log-on with the client's public key.
    ///
    /// # Errors
    /// [`WeakKey`] if nothing secret can be agreed with it.
    pub fn agreed_secret(
        &self,
        session: SessionId,
        client_key: &[u8; 32],
    ) -> Result<SessionSecret, WeakKey> {
        let shared = agree(&self.half(session, client_key), client_key)?;
        let exchange_key = self.exchange_key(session, client_key);
        Ok(secret(session, &shared, client_key, &exchange_key))
    }

    fn half(&self, session: SessionId, client_key: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        let mut info = [0; 36];
        info[..4].copy_from_slice(&session.0.to_le_bytes());
        info[4..].copy_from_slice(client_key);
        derive(&self.0, EXCHANGE_SALT, &info)
    }
}

fn agree(secret: &[u8; 32], public_key: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, WeakKey> {
    let shared = StaticSecret::from(*secret).diffie_hellman(&PublicKey::from(*public_key));
    if shared.was_contributory() {
        Ok(Zeroizing::new(shared.to_bytes()))
    } else {
        Err(WeakKey)
    }
}

fn secret(
    session: SessionId,
    shared: &[u8; 32],
    client_key: &[u8; 32],
    exchange_key: &[u8; 32],
) -> SessionSecret {
    let mut info = [0; 68];
    info[..4].copy_from_slice(&session.0.to_le_bytes());
    info[4..36].copy_from_slice(client_key);
    info[36..].copy_from_slice(exchange_key);
    SessionSecret(*derive(shared, AGREED_SALT, &info))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: SessionId = SessionId(5);

    fn client() -> ExchangeSecret {
        ExchangeSecret::from_bytes(core::array::from_fn(|i| u8::try_from(i).unwrap()))
    }

    fn host(byte: u8) -> HostSecret {
        HostSecret::from_bytes([byte; 32])
    }

    fn hex(bytes: &[u8; 32]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The values come from another implementation: libsodium's X25519, and HKDF written out in Python.
    #[test]
    fn both_sides_agree_on_what_another_implementation_says() {
        let client_key = client().public_key();
        assert_eq!(
            hex(&client_key),
            "8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f"
        );
        let exchange_key = host(7).exchange_key(SESSION, &client_key);
        assert_eq!(
            hex(&exchange_key),
            "ba13b782cef5ea2bda011799a454b2622ffdffacbbf10e760bc8ae7a50ca3712"
        );
        let theirs = client().session_secret(SESSION, &exchange_key).unwrap();
        let ours = host(7).agreed_secret(SESSION, &client_key).unwrap();
        assert_eq!(theirs.expose(), ours.expose());
        assert_eq!(
            hex(ours.expose()),
            "140ac5c3a2bc9cf1c78c7061ae4a5e18aa019e37b964c5f506fc655e6edb1404"
        );
    }

    #[test]
    fn every_input_counts() {
        let key = client().public_key();
        let other = ExchangeSecret::from_bytes([9; 32]).public_key();
        let mut secrets: Vec<_> = [
            host(7).agreed_secret(SESSION, &key),
            host(8).agreed_secret(SESSION, &key),
            host(7).agreed_secret(SessionId(6), &key),
            host(7).agreed_secret(SESSION, &other),
        ]
        .map(|secret| *secret.unwrap().expose())
        .to_vec();
        secrets.sort_unstable();
        secrets.dedup();
        assert_eq!(secrets.len(), 4);
    }

    /// Zero, one, and a point of order 8 (RFC 7748, section 6.1, and the note in section 7).
    #[test]
    fn keys_of_small_order_are_refused_on_both_sides() {
        let mut one = [0; 32];
        one[0] = 1;
        let order_8 = [
            0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f,
            0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16,
            0x5f, 0x49, 0xb8, 0x00,
        ];
        for key in [[0; 32], one, order_8] {
            assert_eq!(host(7).agreed_secret(SESSION, &key).unwrap_err(), WeakKey);
            assert_eq!(client().session_secret(SESSION, &key).unwrap_err(), WeakKey);
        }
    }
}
