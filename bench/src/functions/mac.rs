//! The MAC of a datagram: checking one that came, and signing one that goes.

use std::hint::black_box;
use wire::MAX_DATAGRAM;
use wire::auth::{Mac, MacKey};
use wire::order_entry::DatagramReader;

use super::decode::{datagram, key};
use super::{Entry, Subject};

pub(super) const VERIFY: Entry = Entry {
    name: "mac-verify",
    what: "the MAC of a datagram of 128 bytes is checked",
    batch: 10_000,
    is_counted: true,
    make: || Box::new(Verify(Signed::new())),
};

pub(super) const SIGN: Entry = Entry {
    name: "mac-sign",
    what: "the MAC of 120 bytes is made",
    batch: 10_000,
    is_counted: true,
    make: || Box::new(Sign(Signed::new())),
};

struct Signed {
    bytes: [u8; MAX_DATAGRAM],
    length: usize,
    key: MacKey,
}

impl Signed {
    fn new() -> Self {
        let (bytes, length) = datagram();
        Self {
            bytes,
            length,
            key: key(),
        }
    }
}

struct Verify(Signed);

impl Subject for Verify {
    fn run(&mut self, count: u64) -> u64 {
        let Signed { bytes, length, key } = &self.0;
        let genuine = (0..count)
            .filter(|_| DatagramReader::verify(black_box(&bytes[..*length]), black_box(key)));
        genuine.count() as u64
    }
}

struct Sign(Signed);

impl Subject for Sign {
    fn run(&mut self, count: u64) -> u64 {
        let Signed { bytes, length, key } = &self.0;
        let content = *length - Mac::BYTES;
        let sign = |_| u64::from_le_bytes(Mac::sign(black_box(key), black_box(&bytes[..content])));
        (0..count)
            .map(sign)
            .fold(1, |sum: u64, mac| sum.rotate_left(1) ^ mac)
            | 1
    }
}
