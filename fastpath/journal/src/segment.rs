//! Archive segments: the header of one, and its name.

use crate::frame::FORMAT_VERSION;
use core::fmt;
use domain::Seq;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes of a segment's header; frames follow back to back.
pub const SEGMENT_HEADER_BYTES: usize = size_of::<RawSegmentHeader>();

/// Bytes that an archiver appends before it syncs them, at most. More than that at the end of an
/// archive cannot all be unsynced.
pub const LARGEST_GROUP_BYTES: usize = 1 << 20;

const MAGIC: [u8; 8] = *b"SLUICESG";
const CRC_AT: usize = 60;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct RawSegmentHeader {
    magic: [u8; 8],
    format_version: u16,
    shard: u16,
    epoch: u32,
    first_seq: u64,
    prev_crc: u32,
    zero: [u8; 32],
    crc: u32,
}

const _: () = assert!(SEGMENT_HEADER_BYTES == 64 && CRC_AT == SEGMENT_HEADER_BYTES - 4);

/// What stands at the front of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Whose journal.
    pub shard: u16,
    /// Epoch of the first frame.
    pub epoch: u32,
    /// The first frame's place.
    pub first_seq: Seq,
    /// CRC of the frame before the first, 0 for seq 1.
    pub prev_crc: u32,
}

/// Bytes that are no segment header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentError {
    /// Fewer bytes than a header has.
    Short {
        /// How many there are.
        bytes: usize,
    },
    /// It does not begin as a segment does.
    Magic,
    /// The header's bytes are not those that were written.
    Crc {
        /// What the header says.
        says: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// Written by another version.
    FormatVersion(u16),
    /// Reserved bytes are not zero.
    Reserved,
}

impl fmt::Display for SegmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { bytes } => write!(
                f,
                "{bytes} bytes where a header of {SEGMENT_HEADER_BYTES} bytes should be"
            ),
            Self::Magic => f.write_str("it does not begin with SLUICESG"),
            Self::Crc { says, computed } => write!(
                f,
                "the header has CRC {says:08x}, but its bytes give {computed:08x}"
            ),
            Self::FormatVersion(version) => write!(
                f,
                "format version {version}, but this build reads version {FORMAT_VERSION}"
            ),
            Self::Reserved => f.write_str("reserved bytes of the header are not zero"),
        }
    }
}

impl core::error::Error for SegmentError {}

impl SegmentHeader {
    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let raw = RawSegmentHeader {
            magic: MAGIC,
            format_version: FORMAT_VERSION,
            shard: self.shard,
            epoch: self.epoch,
            first_seq: self.first_seq.0,
            prev_crc: self.prev_crc,
            zero: [0; 32],
            crc: 0,
        };
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes.copy_from_slice(raw.as_bytes());
        let crc = crc32c::crc32c(&bytes[..CRC_AT]);
        bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header from the front of a segment.
    ///
    /// # Errors
    /// [`SegmentError`]: the first thing that is wrong; magic and CRC come before the version, so a
    /// version error means a whole header of another version.
    pub fn parse(bytes: &[u8]) -> Result<Self, SegmentError> {
        let (raw, _) = RawSegmentHeader::read_from_prefix(bytes)
            .map_err(|_| SegmentError::Short { bytes: bytes.len() })?;
        if raw.magic != MAGIC {
            return Err(SegmentError::Magic);
        }
        let computed = crc32c::crc32c(&bytes[..CRC_AT]);
        if computed != raw.crc {
            return Err(SegmentError::Crc {
                says: raw.crc,
                computed,
            });
        }
        if raw.format_version != FORMAT_VERSION {
            return Err(SegmentError::FormatVersion(raw.format_version));
        }
        if raw.zero != [0; 32] {
            return Err(SegmentError::Reserved);
        }
        Ok(Self {
            shard: raw.shard,
            epoch: raw.epoch,
            first_seq: Seq(raw.first_seq),
            prev_crc: raw.prev_crc,
        })
    }
}

/// The file name of the segment that begins with this seq: 20 digits and `.seg`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentName(pub Seq);

impl SegmentName {
    /// Whether a file of this name claims to be a segment.
    #[must_use]
    pub fn is_claimed_by(name: &str) -> bool {
        name.ends_with(".seg")
    }

    /// The name, if it is exactly one that [`fmt::Display`] writes, of a seq from 1 on.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let digits = name
            .strip_suffix(".seg")
            .filter(|digits| digits.len() == 20)?;
        let first = digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| digits.parse().ok())??;
        (first > 0).then_some(Self(Seq(first)))
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}.seg", self.0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_others_are_refused() {
        let name = SegmentName(Seq(42));
        assert_eq!(name.to_string(), "00000000000000000042.seg");
        assert_eq!(SegmentName::parse(&name.to_string()), Some(name));
        for other in [
            "42.seg",
            "00000000000000000000.seg",
            "+0000000000000000042.seg",
            "00000000000000000042.seg~",
            "99999999999999999999.seg",
        ] {
            assert_eq!(SegmentName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_header_has_the_documented_bytes() {
        let header = SegmentHeader {
            shard: 0x0201,
            epoch: 0x0605_0403,
            first_seq: Seq(0x0E0D_0C0B_0A09_0807),
            prev_crc: 0x1211_100F,
        };
        let bytes = header.encode();
        assert_eq!(&bytes[..10], b"SLUICESG\x06\x00");
        let counting: Vec<u8> = (1..=0x12).collect();
        assert_eq!(bytes[10..28], counting);
        assert_eq!(bytes[28..60], [0; 32]);
        assert_eq!(bytes[60..], crc32c::crc32c(&bytes[..60]).to_le_bytes());
        assert_eq!(SegmentHeader::parse(&bytes), Ok(header));
    }

    #[test]
    fn any_flipped_bit_of_a_header_is_seen() {
        let bytes = SegmentHeader {
            shard: 1,
            epoch: 2,
            first_seq: Seq(3),
            prev_crc: 4,
        }
        .encode();
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::parse(&flipped).is_err(), "bit {bit}");
        }
        assert_eq!(
            SegmentHeader::parse(&bytes[..63]),
            Err(SegmentError::Short { bytes: 63 })
        );
    }
}
