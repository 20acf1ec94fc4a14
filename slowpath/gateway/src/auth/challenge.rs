//! Challenges: what a wallet signs to log on.
//!
//! Data: challenges that were given out and not used. Owner: this. Invariants: a challenge is used once, by
//! the wallet that it was made for, within its time; what is signed names the exchange, the wallet and the
//! purpose, so that no other site can have it signed by accident.

use crate::delegation::Wanted;
use domain::Nanos;
use ed25519_dalek::{Signature, VerifyingKey};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How long a challenge may be answered.
pub(crate) const LIFETIME: u64 = 120_000_000_000;
/// Most challenges that wait to be answered; the oldest go first.
const MOST: usize = 1 << 14;

/// A challenge that was given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    pub(crate) wallet: [u8; 32],
    /// What is delegated with it.
    pub(crate) wanted: Option<Wanted>,
    pub(crate) message: String,
    pub(crate) expires: Nanos,
}

/// Why an answer was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error(
        "there is no such challenge: it was answered already or has expired; ask for a new one"
    )]
    Unknown,
    #[error("the challenge is another wallet's")]
    OtherWallet,
    #[error("the signature is not the wallet's over exactly the challenge's message")]
    Signature,
}

/// Challenges by nonce.
#[derive(Default)]
pub(crate) struct Challenges(Mutex<BTreeMap<String, Challenge>>);

impl Challenges {
    /// Gives out a challenge.
    pub(crate) fn give(
        &self,
        wallet: [u8; 32],
        wanted: Option<Wanted>,
        nonce: &str,
        exchange: &str,
        now: Nanos,
    ) -> Challenge {
        let expires = Nanos(now.0.saturating_add(LIFETIME));
        let delegation = wanted.map_or_else(String::new, |wanted| format!("{wanted}\n\n"));
        let message = format!(
            "{exchange} wants you to log on with your Solana wallet:\n{}\n\n{delegation}\
             Signing this moves no funds and costs nothing.\n\nNonce: {nonce}\nIssued: {}\nExpires: {}",
            crate::view::wallet(wallet),
            now.0,
            expires.0
        );
        let challenge = Challenge {
            wallet,
            wanted,
            message,
            expires,
        };
        let mut waiting = self.lock();
        if waiting.len() >= MOST {
            waiting.retain(|_, challenge| challenge.expires > now);
        }
        if waiting.len() >= MOST
            && let Some(oldest) = waiting
                .iter()
                .min_by_key(|(_, challenge)| challenge.expires)
                .map(|(nonce, _)| nonce.clone())
        {
            waiting.remove(&oldest);
        }
        waiting.insert(nonce.to_owned(), challenge.clone());
        challenge
    }

    /// Takes the answer to a challenge, which is used up by it if it is right; gives what it delegates. What others
    /// try takes no challenge away.
    pub(crate) fn answer(
        &self,
        nonce: &str,
        wallet: [u8; 32],
        signature: &[u8; 64],
        now: Nanos,
    ) -> Result<Option<Wanted>, Refused> {
        let found = self.lock().get(nonce).cloned();
        let challenge = found
            .filter(|challenge| challenge.expires > now)
            .ok_or(Refused::Unknown)?;
        if challenge.wallet != wallet {
            return Err(Refused::OtherWallet);
        }
        verify(wallet, challenge.message.as_bytes(), signature)?;
        // Of two right answers at once, one finds it.
        let taken = self.lock().remove(nonce).ok_or(Refused::Unknown)?;
        Ok(taken.wanted)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Challenge>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

    const NOW: Nanos = Nanos(1_000);

    fn wallet(seed: u8) -> (SigningKey, [u8; 32]) {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let public = key.verifying_key().to_bytes();
        (key, public)
    }

    #[test]
    fn a_challenge_is_answered_once_by_its_wallet() {
        let (key, public) = wallet(1);
        let challenges = Challenges::default();
        let challenge = challenges.give(public, None, "n", "Test", NOW);
        let signature = key.sign(challenge.message.as_bytes()).to_bytes();
        assert_eq!(challenges.answer("n", public, &signature, NOW), Ok(None));
        let again = challenges.answer("n", public, &signature, NOW);
        assert_eq!(again, Err(Refused::Unknown));
    }

    #[test]
    fn wrong_answers_leave_the_challenge_to_its_wallet() {
        let ((key, public), (other, other_public)) = (wallet(1), wallet(2));
        let challenges = Challenges::default();
        let challenge = challenges.give(public, None, "n", "Test", NOW);
        let [right, wrong] =
            [&key, &other].map(|key| key.sign(challenge.message.as_bytes()).to_bytes());
        for (wallet, signature) in [(other_public, wrong), (public, wrong)] {
            assert!(challenges.answer("n", wallet, &signature, NOW).is_err());
        }
        assert_eq!(challenges.answer("n", public, &right, NOW), Ok(None));
    }

    #[test]
    fn other_wallets_messages_and_times_are_refused() {
        let ((key, public), (other, other_public)) = (wallet(1), wallet(2));
        let challenges = Challenges::default();
        let answer = |wallet, message: &str, signer: &SigningKey, late| {
            challenges.give(public, None, "n", "Test", NOW);
            let signature = signer.sign(message.as_bytes()).to_bytes();
            challenges.answer("n", wallet, &signature, Nanos(NOW.0 + late))
        };
        let message = challenges.give(public, None, "n", "Test", NOW).message;
        assert_eq!(
            answer(other_public, &message, &other, 0),
            Err(Refused::OtherWallet)
        );
        assert_eq!(answer(public, &message, &other, 0), Err(Refused::Signature));
        let changed = message.replace("Test", "Evil");
        assert_eq!(answer(public, &changed, &key, 0), Err(Refused::Signature));
        assert_eq!(
            answer(public, &message, &key, LIFETIME),
            Err(Refused::Unknown)
        );
        assert_eq!(answer(public, &message, &key, LIFETIME - 1), Ok(None));
    }

    /// What is delegated is what stood in the signed message.
    #[test]
    fn a_delegation_is_signed_with_it() {
        let (key, public) = wallet(1);
        let challenges = Challenges::default();
        let wanted = Wanted {
            session: None,
            delegation: domain::Delegation::unlimited([9; 32]),
        };
        let message = challenges
            .give(public, Some(wanted), "n", "Test", NOW)
            .message;
        assert!(message.contains(&wanted.to_string()));
        let plain = message.replace(&format!("{wanted}\n\n"), "");
        let signature = key.sign(plain.as_bytes()).to_bytes();
        let answer = challenges.answer("n", public, &signature, NOW);
        assert_eq!(answer, Err(Refused::Signature));
        challenges.give(public, Some(wanted), "n", "Test", NOW);
        let signature = key.sign(message.as_bytes()).to_bytes();
        let answer = challenges.answer("n", public, &signature, NOW);
        assert_eq!(answer, Ok(Some(wanted)));
    }

    #[test]
    fn there_are_never_more_than_may_wait() {
        let challenges = Challenges::default();
        for nonce in 0..MOST + 10 {
            let now = Nanos(NOW.0 + nonce as u64);
            challenges.give([1; 32], None, &nonce.to_string(), "Test", now);
        }
        let waiting = challenges.0.lock().unwrap();
        assert_eq!(waiting.len(), MOST);
        assert!(!waiting.contains_key("0") && waiting.contains_key(&(MOST + 9).to_string()));
    }
}
