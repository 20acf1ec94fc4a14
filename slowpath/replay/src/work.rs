//! How much may still be done in a turn.

/// What is left of a turn's work. It may be overdrawn by one piece, a frame or a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Frames that may be looked at.
    pub frames: usize,
    /// Bytes that may be read from the archive.
    pub bytes: usize,
}

impl Work {
    /// Whether there is none left.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.frames == 0 || self.bytes == 0
    }

    /// A part of it, of so many frames at most.
    pub(crate) fn slice(&self, frames: usize) -> Self {
        Self {
            frames: self.frames.min(frames),
            bytes: self.bytes,
        }
    }

    /// What was done of that part is done.
    pub(crate) fn take(&mut self, slice: &Self, frames: usize) {
        let done = self.frames.min(frames) - slice.frames;
        self.frames -= done;
        self.bytes = slice.bytes;
    }

    /// A frame was looked at.
    pub(crate) fn frame(&mut self) {
        self.frames = self.frames.saturating_sub(1);
    }

    /// Bytes were read.
    pub(crate) fn bytes(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}
