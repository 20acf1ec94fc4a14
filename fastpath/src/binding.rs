//! The binding of a session: where its client is, and with which key it showed that.
//!
//! It stands as a word in the region `fast` and so outlives the process, a key that was replaced a moment
//! before the process died included. So the word carries a tag of the key, and counts for no other key.

use crate::keys::SessionKeys;
use nic::Peer;
use wire::auth::Mac;

/// What a tag is the code of: shorter than any datagram, so no tag is a datagram's code.
const LABEL: &[u8] = b"binding";
/// Bits of the word that [`Peer::to_word`] takes.
const PEER_BITS: u32 = 48;

/// 16 bits of a session's keys in this epoch, which do not give them away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyTag(u16);

impl KeyTag {
    pub(crate) fn of(keys: &SessionKeys) -> Self {
        let [low, high, ..] = Mac::sign(&keys.current.to_client, LABEL);
        Self(u16::from_le_bytes([low, high]))
    }

    pub(crate) fn from_word(word: u64) -> Self {
        let [low, high, ..] = word.to_le_bytes();
        Self(u16::from_le_bytes([low, high]))
    }

    pub(crate) fn to_word(self) -> u64 {
        u64::from(self.0)
    }

    /// The word that binds the session to `peer`.
    pub(crate) fn bind(self, peer: Peer) -> u64 {
        peer.to_word() | self.to_word() << PEER_BITS
    }

    /// Where the session is, if it was bound with this tag's key.
    pub(crate) fn bound(self, word: u64) -> Option<Peer> {
        let peer = Peer::from_word(word);
        (peer.to_word() != 0 && self.bind(peer) == word).then_some(peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_counts_for_the_key_that_made_it() {
        let peer = Peer {
            ip: [255, 1, 2, 3],
            port: 65_535,
        };
        for tag in [0, 1, 0x8000, 0xffff].map(KeyTag) {
            assert_eq!(KeyTag::from_word(tag.to_word()), tag);
            assert_eq!(tag.bound(tag.bind(peer)), Some(peer));
            assert_eq!(KeyTag(tag.0 ^ 1).bound(tag.bind(peer)), None);
            assert_eq!(tag.bound(0), None, "nobody");
            assert_eq!(tag.bound(tag.to_word() << PEER_BITS), None, "nowhere");
        }
    }
}
