//! Frames: one command and all the events that it caused, as words.

use core::fmt;
use domain::{
    Command, CommandError, CommandKind, Effects, Event, EventError, Events, MAX_COMMAND_WORDS,
    MAX_EVENT_WORDS, MAX_EVENTS, Nanos, Request, Seq, Source,
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The only version of the layout that this build reads and writes.
pub const FORMAT_VERSION: u16 = 6;
/// Words of a frame's header.
pub const HEADER_WORDS: usize = size_of::<RawHeader>() / 8;
/// Words of the longest frame.
pub const MAX_FRAME_WORDS: usize = HEADER_WORDS + MAX_COMMAND_WORDS + MAX_EVENT_WORDS;
/// Room for any frame.
pub type FrameBuffer = [u64; MAX_FRAME_WORDS];

/// Where the CRC stands; it covers all bytes but its own four.
const CRC_AT: usize = 60;

/// The header as it stands in memory.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct RawHeader {
    format_version: u16,
    engine_version: u16,
    length: u32,
    seq: u64,
    epoch: u32,
    shard: u16,
    kind: u16,
    source: u32,
    command_words: u16,
    events: u16,
    source_seq: u64,
    receive_time: u64,
    engine_time: u64,
    prev_crc: u32,
    crc: u32,
}

const _: () = assert!(size_of::<RawHeader>() == 64 && CRC_AT == size_of::<RawHeader>() - 4);

/// What a frame says of itself, but for what follows from its command and events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// In force when the command was applied.
    pub engine_version: u16,
    /// Place in the journal of the shard.
    pub seq: Seq,
    /// Epoch; a `Recovered` frame carries the one that it begins.
    pub epoch: u32,
    /// Whose journal this is.
    pub shard: u16,
    /// Who sent the command.
    pub source: Source,
    /// Its number among that source's commands.
    pub source_seq: u64,
    /// When the command reached us, UTC nanoseconds.
    pub receive_time: Nanos,
    /// When it was sequenced, UTC nanoseconds; never less than the frame before.
    pub engine_time: Nanos,
    /// CRC of the frame before, 0 before seq 1.
    pub prev_crc: u32,
}

/// Writes a frame to the front of `out`; returns its words and its CRC. Does not allocate.
pub fn encode(
    header: &FrameHeader,
    command: &Command,
    effects: &Effects,
    out: &mut FrameBuffer,
) -> (usize, u32) {
    let kind = command.kind();
    let events_at = HEADER_WORDS + kind.body_words();
    let words = events_at + effects.words().len();
    let raw = RawHeader {
        format_version: FORMAT_VERSION,
        engine_version: header.engine_version,
        length: u32::try_from(8 * words).expect("a frame is shorter than 2^32 bytes"),
        seq: header.seq.0,
        epoch: header.epoch,
        shard: header.shard,
        kind: kind.number(),
        source: header.source.0,
        command_words: u16::try_from(kind.body_words()).expect("a body has at most 12 words"),
        events: effects.count(),
        source_seq: header.source_seq,
        receive_time: header.receive_time.0,
        engine_time: header.engine_time.0,
        prev_crc: header.prev_crc,
        crc: 0,
    };
    let frame = &mut out[..words];
    frame[..HEADER_WORDS]
        .as_mut_bytes()
        .copy_from_slice(raw.as_bytes());
    frame[HEADER_WORDS..events_at]
        .as_mut_bytes()
        .copy_from_slice(command.body());
    frame[events_at..].copy_from_slice(effects.words());
    let crc = crc_of(frame.as_bytes());
    frame.as_mut_bytes()[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
    (words, crc)
}

/// The CRC that a frame of these bytes (at least a header) should carry.
fn crc_of(frame: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&frame[..CRC_AT]), &frame[CRC_AT + 4..])
}

/// Words that are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Fewer words than a header has.
    NoHeader {
        /// How many there are.
        words: usize,
    },
    /// Written by another version.
    FormatVersion(u16),
    /// The length is impossible, or not that of the words given.
    Length {
        /// What the header says, in bytes.
        says: u32,
        /// How many words there are.
        words: usize,
    },
    /// The bytes are not those that were written.
    Crc {
        /// What the header says.
        says: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// The command does not decode.
    Command(CommandError),
    /// More or fewer events than the header says.
    EventCount {
        /// What the header says.
        says: u16,
        /// How many there are.
        found: usize,
    },
    /// An event does not decode.
    Event {
        /// Which, counted from 0.
        index: usize,
        /// Why.
        error: EventError,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHeader { words } => write!(f, "{words} words are no frame header"),
            Self::FormatVersion(version) => write!(
                f,
                "format version {version}, but this build reads version {FORMAT_VERSION}"
            ),
            Self::Length { says, words } => write!(
                f,
                "a frame length of {says} bytes where there are {} bytes",
                8 * words
            ),
            Self::Crc { says, computed } => {
                write!(f, "CRC {says:08x}, but the bytes give {computed:08x}")
            }
            Self::Command(error) => write!(f, "command: {error}"),
            Self::EventCount { says, found } => {
                write!(f, "{found} events where the header says {says}")
            }
            Self::Event { index, error } => write!(f, "event {index}: {error}"),
        }
    }
}

impl core::error::Error for FrameError {}

/// Where a frame stands and how long it says it is: what a reader needs before it has all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The frame's place in the journal.
    pub seq: Seq,
    /// Its words, header included; at most [`MAX_FRAME_WORDS`].
    pub words: usize,
}

impl Extent {
    /// Reads the extent from the first words of a frame. Nothing but version and bounds is checked.
    ///
    /// # Errors
    /// [`FrameError::NoHeader`], [`FrameError::FormatVersion`] or [`FrameError::Length`].
    pub fn peek(words: &[u64]) -> Result<Self, FrameError> {
        let raw = read_header(words)?;
        if raw.format_version != FORMAT_VERSION {
            return Err(FrameError::FormatVersion(raw.format_version));
        }
        Ok(Self {
            seq: Seq(raw.seq),
            words: plausible_words(raw.length).ok_or(FrameError::Length {
                says: raw.length,
                words: words.len(),
            })?,
        })
    }
}

fn read_header(words: &[u64]) -> Result<RawHeader, FrameError> {
    RawHeader::read_from_prefix(words.as_bytes())
        .map(|(raw, _)| raw)
        .map_err(|_| FrameError::NoHeader { words: words.len() })
}

/// The words of a frame that says it has `length` bytes, if a frame can.
fn plausible_words(length: u32) -> Option<usize> {
    let length = usize::try_from(length).ok()?;
    let possible =
        length.is_multiple_of(8) && (HEADER_WORDS + 1..=MAX_FRAME_WORDS).contains(&(length / 8));
    possible.then_some(length / 8)
}

/// Whether these bytes begin with a whole frame of the shard, of any seq, or of any version if
/// `shard` is none. Bytes need no alignment: this is how what follows damage is judged.
pub(crate) fn starts_whole_frame(bytes: &[u8], shard: Option<u16>) -> bool {
    let Ok((raw, _)) = RawHeader::read_from_prefix(bytes) else {
        return false;
    };
    if shard.is_some_and(|shard| raw.format_version != FORMAT_VERSION || raw.shard != shard) {
        return false;
    }
    plausible_words(raw.length)
        .and_then(|words| bytes.get(..8 * words))
        .is_some_and(|frame| crc_of(frame) == raw.crc)
}

/// A frame, checked, over the words that hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it says of itself.
    pub header: FrameHeader,
    /// Its CRC, which the next frame repeats.
    pub crc: u32,
    /// The command.
    pub command: Command,
    /// The events, of which every one decodes.
    pub event_words: &'a [u64],
}

/// What is left to say of checked words but where they are.
#[derive(Clone, Copy)]
pub(crate) struct Checked {
    pub(crate) header: FrameHeader,
    pub(crate) crc: u32,
    command: Command,
    events_at: usize,
}

impl Checked {
    /// Checks that the words are exactly one frame; `each` sees every event on the way.
    pub(crate) fn check(words: &[u64], each: impl FnMut(Event)) -> Result<Self, FrameError> {
        let raw = read_header(words)?;
        if raw.format_version != FORMAT_VERSION {
            return Err(FrameError::FormatVersion(raw.format_version));
        }
        if plausible_words(raw.length) != Some(words.len()) {
            return Err(FrameError::Length {
                says: raw.length,
                words: words.len(),
            });
        }
        let computed = crc_of(words.as_bytes());
        if computed != raw.crc {
            return Err(FrameError::Crc {
                says: raw.crc,
                computed,
            });
        }
        let kind = CommandKind::try_from(raw.kind).map_err(FrameError::Command)?;
        let events_at = HEADER_WORDS + usize::from(raw.command_words);
        let body = words
            .get(HEADER_WORDS..events_at)
            .ok_or(FrameError::Command(CommandError::WrongLength {
                kind,
                words: usize::from(raw.command_words),
            }))?;
        let command = Command::decode(kind, body).map_err(FrameError::Command)?;
        check_events(&words[events_at..], raw.events, each)?;
        Ok(Self {
            header: FrameHeader {
                engine_version: raw.engine_version,
                seq: Seq(raw.seq),
                epoch: raw.epoch,
                shard: raw.shard,
                source: Source(raw.source),
                source_seq: raw.source_seq,
                receive_time: Nanos(raw.receive_time),
                engine_time: Nanos(raw.engine_time),
                prev_crc: raw.prev_crc,
            },
            crc: raw.crc,
            command,
            events_at,
        })
    }

    pub(crate) fn kind(&self) -> CommandKind {
        self.command.kind()
    }

    /// The frame, over the same words that were checked.
    pub(crate) fn over(self, words: &[u64]) -> Frame<'_> {
        Frame {
            header: self.header,
            crc: self.crc,
            command: self.command,
            event_words: &words[self.events_at..],
        }
    }
}

fn check_events(words: &[u64], says: u16, mut each: impl FnMut(Event)) -> Result<(), FrameError> {
    let mut found = 0;
    for (index, event) in Events::new(words).enumerate() {
        each(event.map_err(|error| FrameError::Event { index, error })?);
        found += 1;
    }
    if found != usize::from(says) || found > MAX_EVENTS {
        return Err(FrameError::EventCount { says, found });
    }
    Ok(())
}

impl<'a> Frame<'a> {
    /// Checks that the words are exactly one frame: version, length, CRC, command and every event.
    /// Its place in the chain is for [`crate::Chain`] to check.
    ///
    /// # Errors
    /// [`FrameError`]: the first thing that is wrong.
    pub fn parse(words: &'a [u64]) -> Result<Self, FrameError> {
        Self::parse_each(words, |_| {})
    }

    /// As [`Frame::parse`], and gives every event to `each` as it checks it: who needs them all takes
    /// them apart once. If the frame is refused, `each` may have seen some of its events.
    ///
    /// # Errors
    /// As [`Frame::parse`].
    pub fn parse_each(words: &'a [u64], each: impl FnMut(Event)) -> Result<Self, FrameError> {
        Ok(Checked::check(words, each)?.over(words))
    }

    /// The events one by one; all are `Ok`.
    #[must_use]
    pub fn events(&self) -> Events<'a> {
        Events::new(self.event_words)
    }

    /// The request that was sequenced.
    #[must_use]
    pub fn request(&self) -> Request {
        Request {
            source: self.header.source,
            source_seq: self.header.source_seq,
            receive_time: self.header.receive_time,
            command: self.command,
        }
    }

    /// Words of the whole frame.
    #[must_use]
    pub fn words(&self) -> usize {
        HEADER_WORDS + self.command.kind().body_words() + self.event_words.len()
    }
}
