//! The SBE message header.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Opens every message.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct MessageHeader {
    /// Bytes of the block that follows; a multiple of 8.
    pub block_length: u16,
    /// Which message: a [`Template`](super::Template) number.
    pub template_id: u16,
    /// [`MessageHeader::SCHEMA_ID`].
    pub schema_id: u16,
    /// The sender's version of the schema.
    pub version: u16,
}

impl MessageHeader {
    /// Bytes of a header.
    pub const BYTES: usize = size_of::<Self>();
    /// The schema of order entry.
    pub const SCHEMA_ID: u16 = 1;
    /// The version of the schema that this crate sends. It reads any.
    pub const VERSION: u16 = 0;
}
