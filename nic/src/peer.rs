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

    /// The peer in a word that [`Peer::to_word`] wrote; the upper 16 bits are ignored.
    #[must_use]
    pub fn from_word(word: u64) -> Self {
        let [a, b, c, d, low, high, ..] = word.to_le_bytes();
        Self {
            ip: [a, b, c, d],
            port: u16::from_le_bytes([low, high]),
        }
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
        assert_eq!(Peer::from_word(peer.to_word()), peer);
        assert_eq!(Peer::from(SocketAddrV4::from(peer)), peer);
        assert_eq!(peer.to_string(), "10.1.2.255:65535");
    }
}
