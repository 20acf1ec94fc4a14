//! Challenges: what a wallet signs to log on.
//!
//! What is given out is not kept: its nonce carries what an answer is checked by, under a key of this process. Data:
//! the nonces that were answered, until they end. Owner: this. Invariants: a challenge is answered once, by the wallet
//! that it was made for, within its time; whoever asks for challenges takes no memory, and nobody else's challenge.
//! What is signed names the exchange, its address if that is configured, the wallet and the purpose, for the wallet's
//! owner to read: where the signature was asked for, only they can see.

use crate::delegation::Wanted;
use crate::live::now;
use crate::problem::Problem;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Nanos, Utc};
use ed25519_dalek::{Signature, VerifyingKey};
use hkdf::Hkdf;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a challenge may be answered.
pub(crate) const LIFETIME: Duration = Duration::from_secs(120);
/// Most answered challenges within their lifetimes, and most at which strangers are still let in: however many come,
/// there is room for those who are known.
const MOST: usize = 1 << 18;
const MOST_FOR_STRANGERS: usize = MOST / 4 * 3;
/// Longest text of a nonce.
const LONGEST: usize = 192;

type Random = [u8; 16];
type Mac = [u8; 16];

/// A challenge that is given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    pub(crate) nonce: String,
    pub(crate) message: String,
    pub(crate) expires: Nanos,
}

/// Why an answer was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error(
        "there is no such challenge for this wallet: it was answered already or has expired; ask for a new one"
    )]
    Unknown,
    #[error("the signature is not the wallet's over exactly the challenge's message")]
    Signature,
    #[error("too many wallets log on: try again in a moment")]
    Full,
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unknown | Refused::Signature => Self::unauthenticated(refused.to_string()),
            Refused::Full => Self::unavailable(refused.to_string()),
        }
    }
}

/// See the module.
pub(crate) struct Challenges {
    key: Hkdf<Sha256>,
    /// As it is called in messages.
    exchange: String,
    /// When the process began, and what the clock said then: a clock that is set must not make a challenge valid again.
    began: (Instant, Nanos),
    answered: Mutex<BTreeSet<(Nanos, Random)>>,
}

/// What a nonce says.
struct Nonce {
    random: Random,
    expires: Nanos,
    wanted: Option<Wanted>,
}

impl Challenges {
    /// Of an exchange, as messages call it; `key` is this process's alone.
    pub(crate) fn new(key: &[u8; 32], exchange: String) -> Self {
        Self {
            key: Hkdf::new(Some(b"sluice challenge v1"), key),
            exchange,
            began: (Instant::now(), now()),
            answered: Mutex::default(),
        }
    }

    /// Gives out a challenge; `random` is used for no other.
    pub(crate) fn give(
        &self,
        wallet: [u8; 32],
        wanted: Option<&Wanted>,
        random: Random,
        at: Instant,
    ) -> Challenge {
        let nonce = Nonce {
            random,
            expires: self.time(at + LIFETIME),
            wanted: wanted.copied(),
        };
        let text = self.write(wallet, &nonce);
        Challenge {
            message: self.message(wallet, &nonce, &text),
            expires: nonce.expires,
            nonce: text,
        }
    }

    /// Takes the answer to a challenge, which is used up by it if it is right; gives what it delegates. What others
    /// try uses no challenge up. `is_known`: the wallet has an account or a role.
    pub(crate) fn answer(
        &self,
        text: &str,
        (wallet, is_known): ([u8; 32], bool),
        signature: &[u8; 64],
        at: Instant,
    ) -> Result<Option<Wanted>, Refused> {
        let nonce = self.read(wallet, text).ok_or(Refused::Unknown)?;
        let now = self.time(at);
        if nonce.expires <= now {
            return Err(Refused::Unknown);
        }
        let message = self.message(wallet, &nonce, text);
        verify(wallet, message.as_bytes(), signature)?;
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        while answered.first().is_some_and(|(end, _)| *end <= now) {
            answered.pop_first();
        }
        let most = if is_known { MOST } else { MOST_FOR_STRANGERS };
        if answered.len() >= most {
            return Err(Refused::Full);
        }
        if !answered.insert((nonce.expires, nonce.random)) {
            return Err(Refused::Unknown);
        }
        Ok(nonce.wanted)
    }

    /// UTC, as if the clock had not been set since the process began.
    fn time(&self, at: Instant) -> Nanos {
        let (began, time) = self.began;
        let passed = at.saturating_duration_since(began).as_nanos();
        Nanos(
            time.0
                .saturating_add(u64::try_from(passed).unwrap_or(u64::MAX)),
        )
    }

    fn message(&self, wallet: [u8; 32], nonce: &Nonce, text: &str) -> String {
        let wanted = nonce.wanted.as_ref();
        let delegation = wanted.map_or_else(String::new, |wanted| format!("{wanted}\n\n"));
        let lifetime = u64::try_from(LIFETIME.as_nanos()).unwrap_or(u64::MAX);
        format!(
            "{} wants you to log on with your Solana wallet:\n{}\n\n{delegation}\
             Signing this moves no funds and costs nothing.\n\nNonce: {text}\nIssued: {}\nExpires: {}",
            self.exchange,
            crate::view::wallet(wallet),
            Utc(Nanos(nonce.expires.0.saturating_sub(lifetime))),
            Utc(nonce.expires)
        )
    }

    fn mac(&self, wallet: [u8; 32], body: &[u8]) -> Mac {
        let mut mac = Mac::default();
        self.key
            .expand_multi_info(&[&wallet, body], &mut mac)
            .expect("16 bytes are a length that HKDF gives");
        mac
    }

    fn write(&self, wallet: [u8; 32], nonce: &Nonce) -> String {
        let mut bytes = nonce.random.to_vec();
        bytes.extend(nonce.expires.0.to_le_bytes());
        if let Some(wanted) = &nonce.wanted {
            bytes.extend(wanted.to_bytes());
        }
        bytes.extend(self.mac(wallet, &bytes));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a nonce says that was given out to this wallet.
    fn read(&self, wallet: [u8; 32], text: &str) -> Option<Nonce> {
        if text.len() > LONGEST {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, mac) = bytes.split_last_chunk::<16>()?;
        // By their hashes: how long it takes says nothing of the right one.
        if Sha256::digest(mac) != Sha256::digest(self.mac(wallet, body)) {
            return None;
        }
        let (random, rest) = body.split_first_chunk()?;
        let (expires, wanted) = rest.split_first_chunk()?;
        Some(Nonce {
            random: *random,
            expires: Nanos(u64::from_le_bytes(*expires)),
            wanted: wanted.try_into().ok().map(Wanted::from_bytes),
        })
    }
}

/// Whether a wallet signed a message.
pub(crate) fn verify(
    wallet: [u8; 32],
    message: &[u8],
    signature: &[u8; 64],
) -> Result<(), Refused> {
    let key = VerifyingKey::from_bytes(&wallet).map_err(|_| Refused::Signature)?;
    key.verify_strict(message, &Signature::from_bytes(signature))
        .map_err(|_| Refused::Signature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer as _, SigningKey};

    fn wallet(seed: u8) -> (SigningKey, [u8; 32]) {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let public = key.verifying_key().to_bytes();
        (key, public)
    }

    fn challenges() -> Challenges {
        Challenges::new(&[7; 32], "Test".to_owned())
    }

    fn sign(key: &SigningKey, message: &str) -> [u8; 64] {
        key.sign(message.as_bytes()).to_bytes()
    }

    #[test]
    fn a_challenge_is_answered_once_by_its_wallet() {
        let (key, public) = wallet(1);
        let (challenges, now) = (challenges(), Instant::now());
        let [one, other] = [1, 2].map(|n| challenges.give(public, None, [n; 16], now));
        let answer = |challenge: &Challenge, at| {
            let signature = sign(&key, &challenge.message);
            challenges.answer(&challenge.nonce, (public, true), &signature, at)
        };
        assert_eq!(answer(&one, now), Ok(None));
        assert_eq!(answer(&one, now), Err(Refused::Unknown));
        assert_eq!(answer(&other, now), Ok(None));
        let just_before = now + LIFETIME - Duration::from_nanos(1);
        assert_eq!(answer(&one, just_before), Err(Refused::Unknown));
        assert_eq!(answer(&one, now + LIFETIME), Err(Refused::Unknown));
    }

    #[test]
    fn strangers_leave_room_for_those_who_are_known() {
        let (key, public) = wallet(1);
        let (challenges, now) = (challenges(), Instant::now());
        let later = challenges.time(now + LIFETIME);
        let others = (0..MOST_FOR_STRANGERS).map(|number| {
            let mut random = Random::default();
            random[..8].copy_from_slice(&number.to_le_bytes());
            (later, random)
        });
        challenges.answered.lock().unwrap().extend(others);
        let answer = |is_known| {
            let given = challenges.give(public, None, [0xFF; 16], now);
            let signature = sign(&key, &given.message);
            challenges.answer(&given.nonce, (public, is_known), &signature, now)
        };
        assert_eq!(answer(false), Err(Refused::Full));
        assert_eq!(answer(true), Ok(None));
    }

    #[test]
    fn wrong_answers_leave_the_challenge_to_its_wallet() {
        let ((key, public), (other, other_public)) = (wallet(1), wallet(2));
        let (challenges, now) = (challenges(), Instant::now());
        let given = challenges.give(public, None, [1; 16], now);
        let [right, wrong] = [&key, &other].map(|key| sign(key, &given.message));
        let answer =
            |wallet, signature| challenges.answer(&given.nonce, (wallet, true), signature, now);
        assert_eq!(answer(other_public, &wrong), Err(Refused::Unknown));
        assert_eq!(answer(public, &wrong), Err(Refused::Signature));
        assert_eq!(answer(public, &right), Ok(None));
    }

    #[test]
    fn other_messages_times_and_nonces_are_refused() {
        let (key, public) = wallet(1);
        let (challenges, now) = (challenges(), Instant::now());
        let given = challenges.give(public, None, [1; 16], now);
        let answer = |nonce: &str, message: &str, at| {
            challenges.answer(nonce, (public, true), &sign(&key, message), at)
        };
        let changed = given.message.replace("Test", "Evil");
        assert_eq!(answer(&given.nonce, &changed, now), Err(Refused::Signature));
        for late in [LIFETIME, 2 * LIFETIME] {
            let answer = answer(&given.nonce, &given.message, now + late);
            assert_eq!(answer, Err(Refused::Unknown));
        }
        for at in 0..given.nonce.len() {
            let mut bytes = given.nonce.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let nonce = String::from_utf8(bytes).unwrap();
            let message = given.message.replace(&given.nonce, &nonce);
            assert_eq!(answer(&nonce, &message, now), Err(Refused::Unknown), "{at}");
        }
        for nonce in ["", "x", "AAAA", &"A".repeat(LONGEST), &"A".repeat(1 << 14)] {
            assert_eq!(answer(nonce, &given.message, now), Err(Refused::Unknown));
        }
        // Another process's.
        let other = Challenges::new(&[8; 32], "Test".to_owned());
        let strange = other.give(public, None, [1; 16], now);
        assert_eq!(
            answer(&strange.nonce, &strange.message, now),
            Err(Refused::Unknown)
        );
        assert_eq!(answer(&given.nonce, &given.message, now), Ok(None));
    }

    /// What is delegated is what stood in the signed message.
    #[test]
    fn a_delegation_is_signed_with_it() {
        let (key, public) = wallet(1);
        let (challenges, now) = (challenges(), Instant::now());
        let wanted = Wanted {
            session: None,
            delegation: domain::Delegation::unlimited([9; 32]),
        };
        let given = challenges.give(public, Some(&wanted), [1; 16], now);
        assert!(given.nonce.len() <= LONGEST);
        assert!(given.message.contains(&wanted.to_string()));
        let plain = given.message.replace(&format!("{wanted}\n\n"), "");
        let answer = |message: &str| {
            challenges.answer(&given.nonce, (public, true), &sign(&key, message), now)
        };
        assert_eq!(answer(&plain), Err(Refused::Signature));
        assert_eq!(answer(&given.message), Ok(Some(wanted)));
    }

    #[test]
    fn however_many_are_given_out_the_first_can_be_answered() {
        let (key, public) = wallet(1);
        let (challenges, now) = (challenges(), Instant::now());
        let first = challenges.give(public, None, [1; 16], now);
        for number in 0..1_u128 << 15 {
            challenges.give([1; 32], None, number.to_le_bytes(), now);
        }
        assert!(challenges.answered.lock().unwrap().is_empty());
        let signature = sign(&key, &first.message);
        assert_eq!(
            challenges.answer(&first.nonce, (public, true), &signature, now),
            Ok(None)
        );
        assert_eq!(challenges.answered.lock().unwrap().len(), 1);
        // What has ended is not kept.
        let later = now + LIFETIME;
        let next = challenges.give(public, None, [2; 16], later);
        let signature = sign(&key, &next.message);
        let answer = challenges.answer(&next.nonce, (public, true), &signature, later);
        assert_eq!(answer, Ok(None));
        assert_eq!(challenges.answered.lock().unwrap().len(), 1);
    }
}
