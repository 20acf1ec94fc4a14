//! Who may speak for a session: secrets, the keys that follow from them, and datagram MACs.
//!
//! `docs/WIRE.md`, "Datagram", defines the derivations. A MAC is symmetric: it convinces the two ends
//! of a session of each other, and nobody else of anything.
//!
//! Secrets are zeroed when they are dropped, and so are the states and keys between them: HKDF's pseudo-random key, the
//! hash's state and block, both halves and the outcome of an agreement. Zeroed are not the copies that the compiler
//! leaves where it moves a value, and what HMAC keeps on its stack: its key's two pads and the last block that it put
//! out. Whoever reads this process's memory or its core may find them.

use crate::CONTROL_EPOCH;
use core::fmt;
use domain::SessionId;
use hkdf::Hkdf;
use sha2::Sha256;
use siphasher::sip::SipHasher24;
use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

const SESSION_SALT: &[u8] = b"sluice session v1";
const MAC_SALT: &[u8] = b"sluice mac v1";

/// Declares a secret of some bytes that `Debug` does not show and that are zeroed when it is dropped.
macro_rules! secret {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, zeroize::ZeroizeOnDrop)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// From its bytes.
            #[must_use]
            pub fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(secret)"))
            }
        }
    };
}

mod agreement;
mod attestation;

pub use agreement::{ExchangeSecret, WeakKey};
pub use attestation::RunningHash;

secret! {
    /// What every session secret of an exchange follows from. Only the exchange has it.
    HostSecret, 32
}

secret! {
    /// What all keys of one session follow from. The exchange and the session's owner have it.
    SessionSecret, 32
}

secret! {
    /// Authenticates datagrams in one direction, of one session, in one epoch.
    MacKey, 16
}

impl MacKey {
    /// The bytes, for whoever carries them to the tile that needs them.
    #[must_use]
    pub fn expose(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The keys of a session in one epoch.
#[derive(Clone, Debug)]
pub struct MacKeys {
    /// For what the client sends.
    pub to_exchange: MacKey,
    /// For what the exchange sends.
    pub to_client: MacKey,
}

/// Text that is no session secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSecret;

impl fmt::Display for InvalidSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session secret is 32 bytes, written as 64 hexadecimal digits")
    }
}

impl core::error::Error for InvalidSecret {}

impl HostSecret {
    /// The secret of a session.
    #[must_use]
    pub fn session_secret(&self, session: SessionId) -> SessionSecret {
        SessionSecret(*derive(&self.0, SESSION_SALT, &session.0.to_le_bytes()))
    }
}

impl SessionSecret {
    /// From 64 hexadecimal digits; white space around them does not count.
    ///
    /// # Errors
    /// [`InvalidSecret`] for anything else. The error does not repeat the text.
    pub fn from_hex(text: &str) -> Result<Self, InvalidSecret> {
        let bytes = domain::from_hex(text.trim().as_bytes());
        bytes.map(Self).ok_or(InvalidSecret)
    }

    /// The bytes, to be handed to the session's owner and to nobody else.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The session's keys in an epoch. In [`CONTROL_EPOCH`] the shard does not count: a client learns
    /// its shard only when it is established.
    #[must_use]
    pub fn keys(&self, session: SessionId, shard: u16, epoch: u32) -> MacKeys {
        let shard = if epoch == CONTROL_EPOCH { 0 } else { shard };
        let key = |direction: u8| {
            let mut info = [0; 11];
            info[0] = direction;
            info[1..3].copy_from_slice(&shard.to_le_bytes());
            info[3..7].copy_from_slice(&session.0.to_le_bytes());
            info[7..11].copy_from_slice(&epoch.to_le_bytes());
            MacKey(*derive(&self.0, MAC_SALT, &info))
        };
        MacKeys {
            to_exchange: key(0),
            to_client: key(1),
        }
    }
}

fn derive<const N: usize>(secret: &[u8; 32], salt: &[u8], info: &[u8]) -> Zeroizing<[u8; N]> {
    let (mut pseudo_random, hkdf) = Hkdf::<Sha256>::extract(Some(salt), secret);
    pseudo_random[..].zeroize();
    let mut key = Zeroizing::new([0; N]);
    hkdf.expand(info, &mut *key)
        .expect("HKDF-SHA256 gives up to 8,160 bytes");
    key
}

/// HKDF's state is two of the hash's, which are zeroed only with that crate's feature.
const _: fn() = || {
    fn is_zeroed<T: ZeroizeOnDrop>() {}
    is_zeroed::<Sha256>();
};

/// A datagram's authentication code: SipHash-2-4 of all bytes before it.
#[derive(Clone, Copy, Debug)]
pub struct Mac;

impl Mac {
    /// Bytes of a code.
    pub const BYTES: usize = 8;

    /// The code of `bytes`.
    #[must_use]
    pub fn sign(key: &MacKey, bytes: &[u8]) -> [u8; Self::BYTES] {
        SipHasher24::new_with_key(&key.0).hash(bytes).to_le_bytes()
    }

    /// Whether `code` is the code of `bytes`; the time it takes does not depend on how wrong it is.
    #[must_use]
    pub fn verify(key: &MacKey, bytes: &[u8], code: [u8; Self::BYTES]) -> bool {
        let difference = u64::from_le_bytes(Self::sign(key, bytes)) ^ u64::from_le_bytes(code);
        // All 8 bytes are compared as one number, and the compiler may not split that up again.
        core::hint::black_box(difference) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(range: core::ops::Range<u8>) -> Vec<u8> {
        range.collect()
    }

    /// RFC 5869, appendix A.1.
    #[test]
    fn hkdf_agrees_with_rfc_5869() {
        let mut key = [0; 42];
        Hkdf::<Sha256>::new(Some(&bytes(0..0x0d)), &[0x0b; 22])
            .expand(&bytes(0xf0..0xfa), &mut key)
            .unwrap();
        assert_eq!(
            key,
            [
                0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a, 0x90, 0x43, 0x4f, 0x64, 0xd0, 0x36,
                0x2f, 0x2a, 0x2d, 0x2d, 0x0a, 0x90, 0xcf, 0x1a, 0x5a, 0x4c, 0x5d, 0xb0, 0x2d, 0x56,
                0xec, 0xc4, 0xc5, 0xbf, 0x34, 0x00, 0x72, 0x08, 0xd5, 0xb8, 0x87, 0x18, 0x58, 0x65,
            ]
        );
    }

    /// The paper's appendix A (15 bytes), and the first rows of the reference implementation's
    /// `vectors.h` (inputs of 0, 1, 7 and 8 bytes); key 00 01 .. 0f.
    #[test]
    fn siphash_agrees_with_its_reference_vectors() {
        let key = MacKey(core::array::from_fn(|i| u8::try_from(i).unwrap()));
        for (length, code) in [
            (0, 0x726f_db47_dd0e_0e31_u64),
            (1, 0x74f8_39c5_93dc_67fd),
            (7, 0xab02_00f5_8b01_d137),
            (8, 0x93f5_f579_9a93_2462),
            (15, 0xa129_ca61_49be_45e5),
        ] {
            assert_eq!(
                Mac::sign(&key, &bytes(0..length)),
                code.to_le_bytes(),
                "{length}"
            );
        }
    }

    #[test]
    fn every_input_of_a_key_counts() {
        let secret = HostSecret::from_bytes([7; 32]).session_secret(SessionId(1));
        let sign = |key: &MacKey| Mac::sign(key, b"datagram");
        let base = secret.keys(SessionId(1), 0, 1);
        let mut codes = vec![sign(&base.to_exchange), sign(&base.to_client)];
        for keys in [
            secret.keys(SessionId(2), 0, 1),
            secret.keys(SessionId(1), 1, 1),
            secret.keys(SessionId(1), 0, 2),
            HostSecret::from_bytes([8; 32])
                .session_secret(SessionId(1))
                .keys(SessionId(1), 0, 1),
        ] {
            codes.push(sign(&keys.to_exchange));
        }
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), 6);
    }

    #[test]
    fn control_keys_do_not_depend_on_the_shard() {
        let secret = SessionSecret::from_bytes([7; 32]);
        let [a, b] = [0, 3].map(|shard| secret.keys(SessionId(1), shard, CONTROL_EPOCH));
        assert_eq!(
            Mac::sign(&a.to_exchange, b""),
            Mac::sign(&b.to_exchange, b"")
        );
    }

    #[test]
    fn one_wrong_bit_anywhere_is_refused() {
        let key = MacKey::from_bytes([5; 16]);
        let datagram = *b"some bytes of a datagram";
        let code = Mac::sign(&key, &datagram);
        assert!(Mac::verify(&key, &datagram, code));
        for bit in 0..datagram.len() * 8 {
            let mut other = datagram;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!Mac::verify(&key, &other, code));
        }
        for bit in 0..64 {
            let mut other = code;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!Mac::verify(&key, &datagram, other));
        }
    }

    #[test]
    fn secrets_are_read_from_hex_and_never_shown() {
        let text = "00ff".repeat(16) + "\n";
        let secret = SessionSecret::from_hex(&text).unwrap();
        assert_eq!(secret.expose()[..4], [0, 255, 0, 255]);
        assert_eq!(format!("{secret:?}"), "SessionSecret(secret)");
        for wrong in ["", "00", &"0g".repeat(32), &"é".repeat(32)] {
            assert_eq!(
                SessionSecret::from_hex(wrong).unwrap_err(),
                InvalidSecret,
                "{wrong}"
            );
        }
    }
}
