//! The checker's state as bytes, so that a restart need not begin at the first frame.
//!
//! All integers little-endian: `SLUICEAT`, version u16, shard u16, sessions u32, seq u64, u32 CRC of that frame, u32
//! zero; then per session, by number: u32 session, u32 zero, key 32 bytes, number u64, hash 32 bytes, level u64 of the
//! newest right attestation (0: none), level u64 confirmed last; then u32 CRC32C of all before it.

use crate::checker::{Checker, Row};
use domain::{Seq, SessionId};
use std::collections::BTreeMap;
use wire::auth::RunningHash;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

const MAGIC: [u8; 8] = *b"SLUICEAT";
const VERSION: u16 = 1;
const CRC_BYTES: usize = 4;

/// The frame behind which a state was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its seq.
    pub seq: Seq,
    /// Its CRC: the state is of the journal that has this very frame.
    pub crc: u32,
}

/// Why bytes are no state of a checker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each is")]
pub enum NotKept {
    #[error("it does not begin as a state of this version does")]
    Beginning,
    #[error("it is of shard {found}, not of shard {expected}")]
    Shard { expected: u16, found: u16 },
    #[error("it has {found} bytes where its sessions need {expected}")]
    Length { expected: u64, found: u64 },
    #[error("it has CRC {says:08x}, but its bytes give {computed:08x}")]
    Crc { says: u32, computed: u32 },
    #[error("session {0} stands out of its order")]
    Order(u32),
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Head {
    magic: [u8; 8],
    version: u16,
    shard: u16,
    sessions: u32,
    seq: u64,
    frame_crc: u32,
    zero: u32,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Record {
    session: u32,
    zero: u32,
    key: [u8; 32],
    number: u64,
    hash: [u8; 32],
    right: u64,
    confirmed: u64,
}

const _: () = assert!(size_of::<Head>() == 32 && size_of::<Record>() == 96);

impl Checker {
    /// The state behind a frame. Attestations that wait to be looked at are not part of it: there must be none, or they are
    /// looked at only when the session attests again.
    #[must_use]
    pub fn state(&self, place: Place) -> Vec<u8> {
        let head = Head {
            magic: MAGIC,
            version: VERSION,
            shard: self.shard,
            sessions: u32::try_from(self.rows.len()).unwrap_or(u32::MAX),
            seq: place.seq.0,
            frame_crc: place.crc,
            zero: 0,
        };
        let mut bytes = head.as_bytes().to_vec();
        for (session, row) in &self.rows {
            let record = Record {
                session: session.0,
                zero: 0,
                key: row.key,
                number: row.number,
                hash: row.hash.to_bytes(),
                right: row.right,
                confirmed: row.confirmed,
            };
            bytes.extend_from_slice(record.as_bytes());
        }
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The checker of a state, and behind which frame it stands. Whether the journal has that frame the caller looks up.
    ///
    /// # Errors
    /// [`NotKept`]: the first thing that is wrong.
    pub fn of(bytes: &[u8], shard: u16) -> Result<(Self, Place), NotKept> {
        let (head, rest) = Head::read_from_prefix(bytes).map_err(|_| NotKept::Beginning)?;
        if head.magic != MAGIC || head.version != VERSION {
            return Err(NotKept::Beginning);
        }
        let sessions = u64::from(head.sessions);
        let expected =
            (size_of::<Head>() + CRC_BYTES) as u64 + sessions * size_of::<Record>() as u64;
        let found = bytes.len() as u64;
        let (body, crc) = match bytes.split_last_chunk::<CRC_BYTES>() {
            Some(parts) if expected == found => parts,
            Some(_) | None => return Err(NotKept::Length { expected, found }),
        };
        let (says, computed) = (u32::from_le_bytes(*crc), crc32c::crc32c(body));
        if says != computed {
            return Err(NotKept::Crc { says, computed });
        }
        if head.shard != shard {
            return Err(NotKept::Shard {
                expected: shard,
                found: head.shard,
            });
        }
        let mut rows = BTreeMap::new();
        let (records, _) = rest.split_at(rest.len() - CRC_BYTES);
        for record in records.chunks_exact(size_of::<Record>()) {
            let Ok(record) = Record::read_from_bytes(record) else {
                return Err(NotKept::Length { expected, found });
            };
            let session = SessionId(record.session);
            let is_next = rows
                .last_key_value()
                .is_none_or(|(last, _)| *last < session);
            if !is_next || record.zero != 0 {
                return Err(NotKept::Order(record.session));
            }
            let row = Row {
                key: record.key,
                number: record.number,
                hash: RunningHash::from_bytes(record.hash),
                right: record.right,
                confirmed: record.confirmed,
            };
            rows.insert(session, row);
        }
        let place = Place {
            seq: Seq(head.seq),
            crc: head.frame_crc,
        };
        Ok((Self::with_rows(shard, rows), place))
    }
}
