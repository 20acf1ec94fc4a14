//! The mixing function of the state hash.
//!
//! The state hash is the wrapping sum of the hashes of all records of the state (which records:
//! docs/ENGINE.md). A sum does not depend on the order of the records, and a record can be
//! exchanged by subtracting its old hash and adding its new one. It is a check between replicas,
//! not a security claim.

/// Domain separation of the kinds of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
#[expect(missing_docs, reason = "the records are listed in docs/ENGINE.md")]
pub enum Tag {
    Engine = 1,
    Asset = 2,
    Market = 3,
    Account = 4,
    Balance = 5,
    Session = 6,
    Source = 7,
    Order = 8,
    FreeSlot = 9,
    Sweep = 10,
    Capacities = 11,
    KillSwitch = 12,
    MassCancel = 13,
    Limits = 14,
    Fees = 15,
    Uncrossing = 16,
    Expiring = 17,
    Arriving = 18,
    Protection = 19,
    Supply = 20,
    Trading = 21,
    Volume = 22,
    Numbers = 23,
    Iceberg = 24,
    Older = 25,
    Expiry = 26,
    Stop = 27,
    Entered = 28,
}

/// The hash of one record, word by word. Each step is a bijection of the running value and of the
/// word, so records of one shape that differ in a single word never collide.
#[derive(Clone, Copy, Debug)]
pub struct RecordHash(u64);

impl RecordHash {
    /// Starts a record.
    #[must_use]
    pub fn new(tag: Tag) -> Self {
        Self(0).word(tag as u64)
    }

    /// Takes in one word.
    #[must_use]
    pub fn word(self, word: u64) -> Self {
        let mixed = (self.0 ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self(mixed ^ (mixed >> 32))
    }

    /// The hash.
    #[must_use]
    pub fn finish(self) -> u64 {
        let mixed = self.0.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        mixed ^ (mixed >> 29)
    }
}
