//! MoldUDP64: a header of 20 bytes, big-endian, then length-prefixed messages.

use super::NoRoom;
use super::message::{Message, SCHEMA_ID, Template};
use crate::MAX_DATAGRAM;
use crate::sbe::MessageHeader;
use core::fmt;
use zerocopy::{FromBytes, IntoBytes};

/// Bytes of a packet without messages.
pub const HEADER_BYTES: usize = 20;
const SESSION_BYTES: usize = 10;
/// Bytes of the length before each message.
const LENGTH_BYTES: usize = 2;
/// The message count of a heartbeat, and of an end of session.
const HEARTBEAT: u16 = 0;
const END_OF_SESSION: u16 = 0xFFFF;

/// A session of the feed: one epoch of one shard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionName([u8; SESSION_BYTES]);

impl SessionName {
    const DIGITS: &'static [u8; 32] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";

    /// The name of a shard's epoch: the number `shard * 2^32 + epoch` as ten digits in base 32
    /// (0 to 9, then A to V), the highest first.
    #[must_use]
    pub fn new(shard: u16, epoch: u32) -> Self {
        let mut rest = (u64::from(shard) << 32) | u64::from(epoch);
        let mut name = [b'0'; SESSION_BYTES];
        for digit in name.iter_mut().rev() {
            *digit = Self::DIGITS[usize::from(rest.to_le_bytes()[0] & 31)];
            rest >>= 5;
        }
        Self(name)
    }

    pub(super) fn from_bytes(bytes: [u8; SESSION_BYTES]) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8; SESSION_BYTES] {
        &self.0
    }

    /// Shard and epoch; `None` if no shard's epoch has this name.
    #[must_use]
    pub fn parts(self) -> Option<(u16, u32)> {
        let mut number = 0_u64;
        for byte in self.0 {
            let digit = match byte {
                b'0'..=b'9' => byte - b'0',
                b'A'..=b'V' => byte - b'A' + 10,
                _ => return None,
            };
            number = (number << 5) | u64::from(digit);
        }
        let shard = u16::try_from(number >> 32).ok()?;
        let epoch = u32::try_from(number & u64::from(u32::MAX)).ok()?;
        Some((shard, epoch))
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

impl fmt::Debug for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Bytes that are no packet of the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketError {
    /// Shorter than a header or longer than [`MAX_DATAGRAM`].
    WrongLength {
        /// Its bytes.
        bytes: usize,
    },
    /// It ends within a message.
    CutOff,
    /// Bytes behind the last message that the header counts.
    TooLong,
    /// A message of another schema.
    UnknownSchema {
        /// Its id.
        schema_id: u16,
    },
    /// A message whose block is longer than the message, or shorter than this version's.
    WrongBlock {
        /// Of which template.
        template_id: u16,
    },
    /// Numbers are 1 to 2^64 - 2, so that there is always a next one.
    InvalidNumber,
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongLength { bytes } => write!(
                f,
                "{bytes} bytes; a packet has {HEADER_BYTES} to {MAX_DATAGRAM}"
            ),
            Self::CutOff => f.write_str("the packet ends within a message"),
            Self::TooLong => f.write_str("the packet goes on behind its last message"),
            Self::UnknownSchema { schema_id } => {
                write!(f, "schema {schema_id}; the feed speaks {SCHEMA_ID}")
            }
            Self::WrongBlock { template_id } => {
                write!(f, "template {template_id}: a block of a wrong length")
            }
            Self::InvalidNumber => f.write_str("feed numbers are 1 to 2^64 - 2"),
        }
    }
}

impl core::error::Error for PacketError {}

/// A well-formed packet.
#[derive(Clone, Debug)]
pub struct Packet<'a> {
    /// Whose numbers.
    pub session: SessionName,
    /// The number of the first message or, if there is none, of the next one to come.
    pub sequence: u64,
    /// What it says.
    pub content: Content<'a>,
}

/// What a packet says.
#[derive(Clone, Debug)]
pub enum Content<'a> {
    /// One or more messages.
    Messages(Messages<'a>),
    /// Nothing is new.
    Heartbeat,
    /// The exchange stopped.
    EndOfSession,
}

impl<'a> Packet<'a> {
    /// Checks a packet to the last message.
    ///
    /// # Errors
    /// [`PacketError`] for the first thing that is wrong; then nothing of the packet counts.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PacketError> {
        if bytes.len() > MAX_DATAGRAM {
            return Err(PacketError::WrongLength { bytes: bytes.len() });
        }
        let (header, blocks) = bytes
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(PacketError::WrongLength { bytes: bytes.len() })?;
        let [name @ .., s0, s1, s2, s3, s4, s5, s6, s7, c0, c1] = *header;
        let sequence = u64::from_be_bytes([s0, s1, s2, s3, s4, s5, s6, s7]);
        let count = u16::from_be_bytes([c0, c1]);
        let (content, counted) = match count {
            HEARTBEAT => (Content::Heartbeat, 0),
            END_OF_SESSION => (Content::EndOfSession, 0),
            count => (Content::Messages(Messages { rest: blocks }), count),
        };
        let mut rest = blocks;
        for _ in 0..counted {
            rest = split_message(rest)?.1;
        }
        if !rest.is_empty() {
            return Err(PacketError::TooLong);
        }
        if sequence == 0 || sequence.checked_add(counted.into()).is_none() {
            return Err(PacketError::InvalidNumber);
        }
        Ok(Self {
            session: SessionName(name),
            sequence,
            content,
        })
    }
}

/// The first message of length-prefixed ones, and the rest.
fn split_message(bytes: &[u8]) -> Result<(Message, &[u8]), PacketError> {
    let (length, rest) = bytes
        .split_first_chunk::<LENGTH_BYTES>()
        .ok_or(PacketError::CutOff)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (message, rest) = rest.split_at_checked(length).ok_or(PacketError::CutOff)?;
    let (header, block) =
        MessageHeader::read_from_prefix(message).map_err(|_| PacketError::CutOff)?;
    let MessageHeader {
        block_length,
        template_id,
        schema_id,
        version: _,
    } = header;
    if schema_id != SCHEMA_ID {
        return Err(PacketError::UnknownSchema { schema_id });
    }
    let message = block
        .get(..usize::from(block_length))
        .and_then(|block| Message::from_block(template_id, block))
        .ok_or(PacketError::WrongBlock { template_id })?;
    Ok((message, rest))
}

/// The messages of a well-formed packet, in the order of their numbers.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl Iterator for Messages<'_> {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        // `parse` went over these bytes, so only their end gives an error here.
        let (message, rest) = split_message(self.rest).ok()?;
        self.rest = rest;
        Some(message)
    }
}

/// Fills one packet after another, in memory of its own.
#[derive(Debug)]
pub struct PacketWriter {
    bytes: [u8; MAX_DATAGRAM],
    length: usize,
    count: u16,
    first: u64,
}

impl PacketWriter {
    /// An empty packet of this session, whose first message will have the number `first`.
    #[must_use]
    pub fn new(session: SessionName, first: u64) -> Self {
        let mut bytes = [0; MAX_DATAGRAM];
        bytes[..SESSION_BYTES].copy_from_slice(&session.0);
        Self {
            bytes,
            length: HEADER_BYTES,
            count: 0,
            first,
        }
    }

    /// Empties the packet; its first message will have the number `first`.
    pub fn restart(&mut self, first: u64) {
        self.length = HEADER_BYTES;
        self.count = 0;
        self.first = first;
    }

    /// Adds the message with the number [`PacketWriter::next_number`].
    ///
    /// # Errors
    /// [`NoRoom`] if it does not fit; the packet stays as it was.
    ///
    /// # Panics
    /// If the message is [`Message::Unknown`], which there is no sense in sending.
    pub fn push(&mut self, message: &Message) -> Result<(), NoRoom> {
        let template =
            Template::try_from(message.template_id()).expect("only known messages are sent");
        let header = template.header();
        let length = MessageHeader::BYTES + message.block().len();
        let room = self.bytes[self.length..].get_mut(..LENGTH_BYTES + length);
        let room = room.ok_or(NoRoom)?;
        let prefix = u16::try_from(length).expect("a message is far below 65,536 bytes");
        room[..LENGTH_BYTES].copy_from_slice(&prefix.to_be_bytes());
        let (head, block) = room[LENGTH_BYTES..].split_at_mut(MessageHeader::BYTES);
        head.copy_from_slice(header.as_bytes());
        block.copy_from_slice(message.block());
        self.length += LENGTH_BYTES + length;
        self.count += 1;
        Ok(())
    }

    /// How many messages it has.
    #[must_use]
    pub fn count(&self) -> u16 {
        self.count
    }

    /// The number of the message that comes next.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.first.saturating_add(self.count.into())
    }

    /// The packet's bytes; of an empty one: a heartbeat.
    pub fn finish(&mut self) -> &[u8] {
        self.write_header(self.count);
        &self.bytes[..self.length]
    }

    /// An end of session that names the number that would have come next. The packet must be empty.
    ///
    /// # Panics
    /// If it is not.
    pub fn end_of_session(&mut self) -> &[u8] {
        assert_eq!(self.count, 0, "messages stand before the end");
        self.write_header(END_OF_SESSION);
        &self.bytes[..HEADER_BYTES]
    }

    fn write_header(&mut self, count: u16) {
        let sequence = &mut self.bytes[SESSION_BYTES..HEADER_BYTES];
        sequence[..8].copy_from_slice(&self.first.to_be_bytes());
        sequence[8..].copy_from_slice(&count.to_be_bytes());
    }
}
