//! Values of the genesis file that TOML has no type for.

use serde::{Deserialize, Deserializer, de};
use std::fmt;

/// A name of 1 to 16 printable ASCII characters without spaces, filled up with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Symbol(pub [u8; 16]);

impl TryFrom<String> for Symbol {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        let mut symbol = [0; 16];
        match symbol.get_mut(..text.len()) {
            Some(place) if printable && !text.is_empty() => place.copy_from_slice(text.as_bytes()),
            _ => {
                return Err(format!(
                    "{text:?} is no symbol: use 1 to 16 letters, digits and signs of ASCII, without spaces"
                ));
            }
        }
        Ok(Self(symbol))
    }
}

/// An ed25519 public key. Whether it is a point of the curve is not checked here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PublicKey(pub [u8; 32]);

impl TryFrom<String> for PublicKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let key = domain::from_hex(text.as_bytes()).or_else(|| base58_bytes(&text));
        key.map(Self).ok_or_else(|| {
            format!(
                "{text:?} is no public key: write its 32 bytes as wallets show them, in base58, or as 64 hexadecimal digits"
            )
        })
    }
}

/// The 32 bytes of a key as wallets show it.
pub(crate) fn base58_bytes(text: &str) -> Option<[u8; 32]> {
    // Decoding takes time in the square of the length.
    if text.len() > 44 {
        return None;
    }
    let bytes = bs58::decode(text).into_vec().ok()?;
    bytes.try_into().ok()
}

/// A `u64` as an integer or, because TOML's integers end at 2^63 - 1, as a string of digits.
pub(super) fn units<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    struct Visitor;
    impl de::Visitor<'_> for Visitor {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(
                f,
                "a whole number from 0 to {}, in quotes if above {}",
                u64::MAX,
                i64::MAX
            )
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
            u64::try_from(number)
                .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
            Ok(number)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
            let refused = || E::invalid_value(de::Unexpected::Str(text), &self);
            if !text.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(refused());
            }
            text.parse().map_err(|_| refused())
        }
    }
    deserializer.deserialize_any(Visitor)
}
