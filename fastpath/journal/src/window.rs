//! A part of a segment read ahead, and the frame at its front.

use crate::frame::{
    Checked, Extent, FrameError, HEADER_WORDS, MAX_FRAME_WORDS, starts_whole_frame,
};
use core::ops::Range;
use std::io;
use zerocopy::IntoBytes;

/// Words read at a time: large enough that the system call does not count.
const WINDOW_WORDS: usize = 1 << 17;
const _: () = assert!(
    WINDOW_WORDS > MAX_FRAME_WORDS,
    "the longest frame fits the window"
);

/// Why there is no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoFrame {
    /// The segment ends here.
    End,
    /// The segment ends within a frame.
    CutOff,
    /// These bytes are none.
    Bad(FrameError),
}

impl NoFrame {
    /// Whether a write that did not finish can look like this. A frame whose CRC is right was
    /// written as it stands.
    pub(crate) fn may_be_torn(self) -> bool {
        match self {
            Self::End | Self::CutOff => true,
            Self::Bad(error) => match error {
                FrameError::NoHeader { .. }
                | FrameError::FormatVersion(_)
                | FrameError::Length { .. }
                | FrameError::Crc { .. } => true,
                FrameError::Command(_)
                | FrameError::EventCount { .. }
                | FrameError::Event { .. } => false,
            },
        }
    }
}

/// Part of a segment. Frames begin at multiples of 8 bytes, so they are parsed where they lie.
pub(crate) struct Window {
    words: Box<[u64]>,
    /// Bytes that are filled.
    filled: usize,
    /// Bytes that are used up; a multiple of 8.
    used: usize,
}

impl Window {
    pub(crate) fn new() -> Self {
        Self {
            words: vec![0; WINDOW_WORDS].into_boxed_slice(),
            filled: 0,
            used: 0,
        }
    }

    /// Drops what was read ahead.
    pub(crate) fn forget(&mut self) {
        (self.filled, self.used) = (0, 0);
    }

    /// Steps over words at the front.
    pub(crate) fn step(&mut self, words: usize) {
        self.used += 8 * words;
    }

    pub(crate) fn words(&self, place: Range<usize>) -> &[u64] {
        &self.words[place]
    }

    fn rest(&self) -> usize {
        self.filled - self.used
    }

    /// The frame at the front, which stands at `offset` of the segment; `read(offset, buffer)` gives
    /// more bytes.
    pub(crate) fn peek(
        &mut self,
        offset: u64,
        mut read: impl FnMut(u64, &mut [u8]) -> io::Result<usize>,
    ) -> io::Result<Result<(Range<usize>, Checked), NoFrame>> {
        self.fill(offset, 8 * HEADER_WORDS, &mut read)?;
        if self.rest() == 0 {
            return Ok(Err(NoFrame::End));
        }
        if self.rest() < 8 * HEADER_WORDS {
            return Ok(Err(NoFrame::CutOff));
        }
        let extent = match Extent::peek(&self.words[self.used / 8..self.filled / 8]) {
            Ok(extent) => extent,
            Err(error) => {
                // All that a frame of another version may need to be recognised.
                self.fill(offset, 8 * MAX_FRAME_WORDS, &mut read)?;
                return Ok(Err(NoFrame::Bad(error)));
            }
        };
        self.fill(offset, 8 * extent.words, &mut read)?;
        if self.rest() < 8 * extent.words {
            return Ok(Err(NoFrame::CutOff));
        }
        let start = self.used / 8;
        let place = start..start + extent.words;
        Ok(Checked::check(&self.words[place.clone()], |_| {})
            .map(|checked| (place, checked))
            .map_err(NoFrame::Bad))
    }

    /// Whether a whole frame of any version stands at the front.
    pub(crate) fn has_foreign_frame(&self) -> bool {
        starts_whole_frame(&self.words.as_bytes()[self.used..self.filled], None)
    }

    /// Reads ahead until there are that many bytes or the segment ends.
    fn fill(
        &mut self,
        offset: u64,
        bytes: usize,
        read: &mut impl FnMut(u64, &mut [u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        if self.rest() >= bytes {
            return Ok(());
        }
        let (used, filled) = (self.used, self.filled);
        self.words.as_mut_bytes().copy_within(used..filled, 0);
        (self.filled, self.used) = (filled - used, 0);
        while self.filled < bytes {
            let place = offset + self.filled as u64;
            let buffer = &mut self.words.as_mut_bytes()[self.filled..];
            match read(place, buffer)? {
                0 => break,
                read => self.filled += read,
            }
        }
        Ok(())
    }
}
