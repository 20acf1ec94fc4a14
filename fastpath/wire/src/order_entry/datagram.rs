//! Datagrams: a [`Context`], messages, a MAC.

use super::NotACommand;
use super::message::{
    Block, Context, GroupSize, KillSwitch, MAX_QUOTES, MassCancel, MassQuote, Message, NewOrder,
    QuoteEntry, SCHEMA_ID, Template, takes_number,
};
use super::quotes::{ENTRIES, Quotes};
use crate::auth::{Mac, MacKey};
use crate::sbe::MessageHeader;
use crate::{CONTROL_EPOCH, MAX_DATAGRAM};
use core::fmt;
use zerocopy::{FromBytes, IntoBytes};

/// Bytes of a datagram without messages: a heartbeat.
pub const MIN_DATAGRAM: usize = MessageHeader::BYTES + size_of::<Context>() + Mac::BYTES;

/// Bytes that are no datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// Shorter than a heartbeat or longer than [`MAX_DATAGRAM`].
    WrongLength {
        /// Its bytes.
        bytes: usize,
    },
    /// The first message is not a `Context`.
    NoContext,
    /// A second `Context`.
    SecondContext,
    /// A message of another schema.
    UnknownSchema {
        /// Its id.
        schema_id: u16,
    },
    /// A block whose length is not a multiple of 8.
    UnevenBlock {
        /// Of which template.
        template_id: u16,
    },
    /// A block shorter than this version's.
    ShortBlock {
        /// Of which template.
        template_id: u16,
    },
    /// A group without entries, with more than a message may have, or with entries that are too short or no
    /// multiple of 8.
    InvalidGroup {
        /// Of which template.
        template_id: u16,
    },
    /// The datagram ends within a message.
    CutOff,
    /// An enumeration of a client's message holds an unknown value.
    InvalidField(NotACommand),
    /// A message of the control epoch in another, or the other way round.
    WrongEpoch {
        /// Its template.
        template_id: u16,
    },
    /// The messages' numbers start at 0 or go beyond 2^64.
    InvalidNumber,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongLength { bytes } => write!(
                f,
                "{bytes} bytes; a datagram has {MIN_DATAGRAM} to {MAX_DATAGRAM}"
            ),
            Self::NoContext => f.write_str("the datagram does not start with a Context"),
            Self::SecondContext => f.write_str("a second Context"),
            Self::UnknownSchema { schema_id } => {
                write!(f, "schema {schema_id}; this port speaks {SCHEMA_ID}")
            }
            Self::UnevenBlock { template_id } => write!(
                f,
                "template {template_id}: the block is not a multiple of 8 bytes"
            ),
            Self::ShortBlock { template_id } => {
                write!(f, "template {template_id}: the block is too short")
            }
            Self::InvalidGroup { template_id } => write!(
                f,
                "template {template_id}: a group has 1 to {MAX_QUOTES} entries, of its version's length at least, in multiples of 8 bytes"
            ),
            Self::CutOff => f.write_str("the datagram ends within a message"),
            Self::InvalidField(field) => field.fmt(f),
            Self::WrongEpoch { template_id } => write!(
                f,
                "template {template_id} does not belong into this datagram's epoch"
            ),
            Self::InvalidNumber => f.write_str("sequence numbers are 1 to 2^64 - 2"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// Takes datagrams apart, in three steps: [`context`](Self::context) says whose keys to use,
/// [`verify`](Self::verify) whether the datagram is genuine, [`parse`](Self::parse) what it says.
#[derive(Clone, Copy, Debug)]
pub struct DatagramReader;

impl DatagramReader {
    /// Who claims to have sent these bytes.
    ///
    /// # Errors
    /// [`DecodeError`] if they do not start with a context or cannot be a datagram.
    pub fn context(bytes: &[u8]) -> Result<Context, DecodeError> {
        split_context(bytes).map(|(context, _)| context)
    }

    /// Whether the last 8 bytes are the MAC of those before.
    #[must_use]
    pub fn verify(bytes: &[u8], key: &MacKey) -> bool {
        bytes
            .split_last_chunk()
            .is_some_and(|(content, code)| Mac::verify(key, content, *code))
    }

    /// Checks all messages of a genuine datagram. What it returns is well formed to the last field:
    /// its messages can be applied one after another without a look ahead.
    ///
    /// # Errors
    /// [`DecodeError`] for the first thing that is wrong; then nothing of the datagram counts.
    pub fn parse(bytes: &[u8]) -> Result<Datagram<'_>, DecodeError> {
        let (context, blocks) = split_context(bytes)?;
        let mut rest = blocks;
        let mut numbered = 0_u64;
        while !rest.is_empty() {
            let (template_id, block, after) = split_block(rest)?;
            check_block(&context, template_id, block)?;
            if template_id == Template::MassQuote.number() {
                let quotes;
                (quotes, rest) = Quotes::split(block, after)?;
                numbered += quotes.check()?;
            } else {
                numbered += u64::from(takes_number(template_id));
                rest = after;
            }
        }
        let last = context.next_seq_no.checked_add(numbered);
        if last.is_none() || (numbered > 0 && context.next_seq_no == 0) {
            return Err(DecodeError::InvalidNumber);
        }
        Ok(Datagram {
            context,
            messages: Messages {
                rest: blocks,
                quotes: Quotes::default(),
                next_no: context.next_seq_no,
            },
        })
    }
}

fn split_context(bytes: &[u8]) -> Result<(Context, &[u8]), DecodeError> {
    if !(MIN_DATAGRAM..=MAX_DATAGRAM).contains(&bytes.len()) {
        return Err(DecodeError::WrongLength { bytes: bytes.len() });
    }
    let (template_id, block, rest) = split_block(&bytes[..bytes.len() - Mac::BYTES])?;
    if template_id != Template::Context.number() {
        return Err(DecodeError::NoContext);
    }
    let (context, _) =
        Context::read_from_prefix(block).map_err(|_| DecodeError::ShortBlock { template_id })?;
    Ok((context, rest))
}

/// The first message's template and block, and what follows it.
fn split_block(bytes: &[u8]) -> Result<(u16, &[u8], &[u8]), DecodeError> {
    let (header, rest) = MessageHeader::read_from_prefix(bytes).map_err(|_| DecodeError::CutOff)?;
    let MessageHeader {
        block_length,
        template_id,
        schema_id,
        version: _,
    } = header;
    if schema_id != SCHEMA_ID {
        return Err(DecodeError::UnknownSchema { schema_id });
    }
    if block_length % 8 != 0 {
        return Err(DecodeError::UnevenBlock { template_id });
    }
    let (block, rest) = rest
        .split_at_checked(usize::from(block_length))
        .ok_or(DecodeError::CutOff)?;
    Ok((template_id, block, rest))
}

/// Whether a message is whole, may stand where it does, and holds what it may. It is not taken apart for that:
/// on the hot path this is done before the message is wanted.
fn check_block(context: &Context, template_id: u16, block: &[u8]) -> Result<(), DecodeError> {
    // The control epoch's keys never change: a recorded datagram of it is genuine for ever. So it
    // must not carry anything that has an effect of its own, and the answers are bound by nonces.
    let control = context.epoch == CONTROL_EPOCH;
    let Ok(template) = Template::try_from(template_id) else {
        return if control && takes_number(template_id) {
            Err(DecodeError::WrongEpoch { template_id })
        } else {
            Ok(())
        };
    };
    if block.len() < template.block_length() {
        return Err(DecodeError::ShortBlock { template_id });
    }
    let belongs = match template {
        Template::Context => return Err(DecodeError::SecondContext),
        Template::Hello | Template::Challenge | Template::Establish | Template::Established => {
            control
        }
        Template::NewOrder => {
            check_fields::<NewOrder, domain::NewOrder>(block)?;
            !control
        }
        Template::MassCancel => {
            check_fields::<MassCancel, domain::MassCancel>(block)?;
            !control
        }
        Template::KillSwitch => {
            check_fields::<KillSwitch, domain::KillSwitch>(block)?;
            !control
        }
        Template::ResendRequest
        | Template::Refused
        | Template::OutcomeQuery
        | Template::Outcome
        | Template::CancelOrder
        | Template::AmendOrder
        | Template::MassQuote
        | Template::SetProtection
        | Template::Attest
        | Template::OrderAccepted
        | Template::OrderRejected
        | Template::OrderFilled
        | Template::OrderCanceled
        | Template::OrderAmended
        | Template::NotApplied
        | Template::SelfTradePrevented
        | Template::MassCanceled
        | Template::Triggered
        | Template::ProtectionSet
        | Template::ProtectionReached
        | Template::AttestationNoted => !control,
    };
    if belongs {
        Ok(())
    } else {
        Err(DecodeError::WrongEpoch { template_id })
    }
}

/// Whether a client's message with enumerations is its command `C`.
fn check_fields<B: Block, C>(block: &[u8]) -> Result<(), DecodeError>
where
    for<'a> C: TryFrom<&'a B, Error = NotACommand>,
{
    let (message, _) = B::read_from_prefix(block).map_err(|_| DecodeError::ShortBlock {
        template_id: B::TEMPLATE.number(),
    })?;
    let checked = C::try_from(&message);
    checked.map(drop).map_err(DecodeError::InvalidField)
}

/// A well-formed datagram.
#[derive(Clone, Debug)]
pub struct Datagram<'a> {
    /// Whose, and which numbers.
    pub context: Context,
    /// What it says.
    pub messages: Messages<'a>,
}

/// A message of a datagram; of a mass quote one quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// Its number, if it is an application message.
    pub number: Option<u64>,
    /// The message.
    pub message: Message,
}

/// The messages of a well-formed datagram, in order.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    /// Of the mass quote that was begun, those that come next.
    quotes: Quotes<'a>,
    rest: &'a [u8],
    next_no: u64,
}

impl Messages<'_> {
    /// Whether none is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty() && self.quotes.is_empty()
    }

    fn next_message(&mut self) -> Option<Message> {
        if let Some(quote) = self.quotes.next() {
            return Some(quote.into());
        }
        // `parse` went over these bytes, so only their end gives an error here.
        let (template_id, block, rest) = split_block(self.rest).ok()?;
        if template_id == Template::MassQuote.number() {
            (self.quotes, self.rest) = Quotes::split(block, rest).ok()?;
            return self.quotes.next().map(Message::from);
        }
        self.rest = rest;
        Message::from_block(template_id, block)
    }
}

impl Iterator for Messages<'_> {
    type Item = Numbered;

    fn next(&mut self) -> Option<Numbered> {
        let message = self.next_message()?;
        let number = message.takes_number().then_some(self.next_no);
        if number.is_some() {
            self.next_no = self.next_no.saturating_add(1);
        }
        Some(Numbered { number, message })
    }
}

/// The message does not fit into the datagram any more: finish it and start the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the datagram is full")
    }
}

impl core::error::Error for NoRoom {}

/// Writes one datagram into a buffer.
#[derive(Debug)]
pub struct DatagramWriter<'a> {
    buffer: &'a mut [u8],
    length: usize,
    /// Where the mass quote stands with which the datagram ends so far, if it does.
    quotes: Option<usize>,
}

impl<'a> DatagramWriter<'a> {
    /// Starts a datagram. Of the buffer at most [`MAX_DATAGRAM`] bytes are used.
    ///
    /// # Panics
    /// If the buffer has no room for [`MIN_DATAGRAM`] bytes.
    #[must_use]
    pub fn new(buffer: &'a mut [u8], context: Context) -> Self {
        let room = buffer.len().min(MAX_DATAGRAM);
        assert!(
            room >= MIN_DATAGRAM,
            "a datagram needs {MIN_DATAGRAM} bytes"
        );
        let mut writer = Self {
            buffer: &mut buffer[..room],
            length: 0,
            quotes: None,
        };
        writer
            .push(&context)
            .expect("a context fits into the smallest buffer");
        writer
    }

    /// Adds a message.
    ///
    /// # Errors
    /// [`NoRoom`] if it does not fit; the datagram stays as it was.
    pub fn push<B: Block>(&mut self, block: &B) -> Result<(), NoRoom> {
        self.write(B::TEMPLATE, block.as_bytes())
    }

    /// Adds any message but an unknown one, which there is no sense in sending.
    ///
    /// # Errors
    /// [`NoRoom`] if it does not fit; the datagram stays as it was.
    ///
    /// # Panics
    /// If the message is [`Message::Unknown`].
    pub fn push_message(&mut self, message: &Message) -> Result<(), NoRoom> {
        let template =
            Template::try_from(message.template_id()).expect("only known messages are sent");
        self.write(template, message.block())
    }

    fn write(&mut self, template: Template, message: &[u8]) -> Result<(), NoRoom> {
        let is_quote = template == Template::MassQuote;
        if let Some(at) = self
            .quotes
            .filter(|at| is_quote && self.shares(*at, message))
        {
            return self.join(at, &message[ENTRIES..]);
        }
        let at = self.length + MessageHeader::BYTES;
        let end = at + message.len();
        if end + Mac::BYTES > self.buffer.len() {
            return Err(NoRoom);
        }
        self.buffer[self.length..at].copy_from_slice(template.header().as_bytes());
        self.buffer[at..end].copy_from_slice(message);
        self.length = end;
        self.quotes = is_quote.then_some(at);
        if is_quote {
            self.count_quotes(at);
        }
        Ok(())
    }

    /// Adds an entry to the mass quote at `at`.
    fn join(&mut self, at: usize, entry: &[u8]) -> Result<(), NoRoom> {
        let end = self.length + entry.len();
        if end + Mac::BYTES > self.buffer.len() {
            return Err(NoRoom);
        }
        self.buffer[self.length..end].copy_from_slice(entry);
        self.length = end;
        self.count_quotes(at);
        Ok(())
    }

    /// Whether a quote has the block of the mass quote at `at`, with which the datagram ends so far, and room in it.
    fn shares(&self, at: usize, quote: &[u8]) -> bool {
        let block = &self.buffer[at..at + MassQuote::LENGTH];
        block == &quote[..MassQuote::LENGTH] && self.quotes_from(at) < MAX_QUOTES as usize
    }

    fn quotes_from(&self, at: usize) -> usize {
        (self.length - at - ENTRIES) / size_of::<QuoteEntry>()
    }

    fn count_quotes(&mut self, at: usize) {
        let size = GroupSize {
            num_in_group: u32::try_from(self.quotes_from(at)).expect("no more than fit"),
            ..QuoteEntry::ALONE
        };
        self.buffer[at + MassQuote::LENGTH..at + ENTRIES].copy_from_slice(size.as_bytes());
    }

    /// Adds the MAC and gives the datagram's bytes in the buffer.
    #[must_use]
    pub fn finish(self, key: &MacKey) -> usize {
        let (content, rest) = self.buffer.split_at_mut(self.length);
        rest[..Mac::BYTES].copy_from_slice(&Mac::sign(key, content));
        self.length + Mac::BYTES
    }
}
