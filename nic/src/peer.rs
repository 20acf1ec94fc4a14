//! The address of the other end.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

/// An IPv4 address and UDP port number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// `a.b.c.d`, `a` first.
    pub ip: [u8; 4],
    /// UDP port number.
    pub port: u16,
}

impl Peer {
    /// The peer as one word: the address in bits 0 to 31, `a` lowest, the port number in bits 32 to 47,
    /// the rest zero. Only the peer `0.0.0.0:0`, which nobody can have, is 0.
    #[must_use]
    pub fn to_word(self) -> u64 {
        u64::from(u32::from_le_bytes(self.ip)) | (u64::from(self.port) << 32)
    }

    /// The peer in a word, which may come from another process: `None` for 0, for port 0, and for
    /// anything else that is not what [`Peer::to_word`] writes.
    #[must_use]
    pub fn from_word(word: u64) -> Option<Self> {
        let [a, b, c, d, low, high, 0, 0] = word.to_le_bytes() else {
            return None;
        };
        let port = u16::from_le_bytes([low, high]);
        (port != 0).then_some(Self {
            ip: [a, b, c, d],
            port,
        })
    }
}

impl From<SocketAddrV4> for Peer {
    fn from(address: SocketAddrV4) -> Self {
        Self {
            ip: address.ip().octets(),
            port: address.port(),
        }
    }
}

impl From<Peer> for SocketAddrV4 {
    fn from(peer: Peer) -> Self {
        Self::new(Ipv4Addr::from(peer.ip), peer.port)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddrV4::from(*self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_holds_a_peer() {
        let peer = Peer {
            ip: [10, 1, 2, 255],
            port: 65_535,
        };
        assert_eq!(peer.to_word(), 0x0000_ffff_ff02_010a);
        assert_eq!(Peer::from_word(peer.to_word()), Some(peer));
        assert_eq!(Peer::from(SocketAddrV4::from(peer)), peer);
        assert_eq!(peer.to_string(), "10.1.2.255:65535");
    }

    #[test]
    fn foreign_words_are_no_peers() {
        assert_eq!(Peer::from_word(0), None);
        assert_eq!(Peer::from_word(0x0000_0000_0100_007f), None, "port 0");
        assert_eq!(Peer::from_word(1 << 48 | 1 << 32), None, "a high bit");
        assert_eq!(Peer::from_word(u64::MAX), None);
    }
}
