//! A request for messages of the feed once more: MoldUDP64's, which looks like a header of a packet.

use super::mold::{HEADER_BYTES, SessionName};
use core::fmt;

/// Bytes of a request.
pub const REQUEST_BYTES: usize = HEADER_BYTES;

/// Asks for messages of a session, `first .. first + count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Whose numbers.
    pub session: SessionName,
    /// The first number that is wanted, from 1 on.
    pub first: u64,
    /// How many messages, at least 1.
    pub count: u16,
}

/// Bytes that are no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// A request has exactly [`REQUEST_BYTES`].
    WrongLength {
        /// Its bytes.
        bytes: usize,
    },
    /// Its count is 0: it asks for nothing.
    AsksForNothing,
    /// Its first number is 0, or the number behind its last is beyond 2^64 - 1: no message has such a number.
    InvalidNumber,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongLength { bytes } => {
                write!(f, "{bytes} bytes; a request has {REQUEST_BYTES}")
            }
            Self::AsksForNothing => f.write_str("a count of 0 asks for nothing"),
            Self::InvalidNumber => f.write_str("feed numbers are 1 to 2^64 - 2"),
        }
    }
}

impl core::error::Error for RequestError {}

impl Request {
    /// Reads a datagram that must be a request and nothing else.
    ///
    /// # Errors
    /// [`RequestError`] for the first thing that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestError> {
        let header: &[u8; REQUEST_BYTES] = bytes
            .try_into()
            .map_err(|_| RequestError::WrongLength { bytes: bytes.len() })?;
        let [name @ .., s0, s1, s2, s3, s4, s5, s6, s7, c0, c1] = *header;
        let request = Self {
            session: SessionName::from_bytes(name),
            first: u64::from_be_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
            count: u16::from_be_bytes([c0, c1]),
        };
        if request.count == 0 {
            return Err(RequestError::AsksForNothing);
        }
        if request.first == 0 || request.first.checked_add(request.count.into()).is_none() {
            return Err(RequestError::InvalidNumber);
        }
        Ok(request)
    }

    /// The datagram's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; REQUEST_BYTES] {
        let mut bytes = [0; REQUEST_BYTES];
        let (name, numbers) = bytes.split_at_mut(REQUEST_BYTES - 10);
        name.copy_from_slice(self.session.bytes());
        numbers[..8].copy_from_slice(&self.first.to_be_bytes());
        numbers[8..].copy_from_slice(&self.count.to_be_bytes());
        bytes
    }

    /// The number behind the last that is wanted.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.first.saturating_add(self.count.into())
    }
}
