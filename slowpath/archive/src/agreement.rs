//! Whether archive and journal memory are of one journal, asked before anything is cut or written.

use crate::refusal::Refusal;
use domain::Seq;
use journal::{Chain, Frame, FrameBuffer, MemoryRead};

/// The journal memory as a witness of what the archive should hold.
pub(crate) struct Witness<'a, M> {
    pub(crate) memory: &'a mut M,
    pub(crate) buffer: &'a mut FrameBuffer,
}

impl<M: FnMut(Seq, &mut FrameBuffer) -> MemoryRead> Witness<'_, M> {
    pub(crate) fn has(&mut self, seq: Seq) -> bool {
        matches!((self.memory)(seq, self.buffer), MemoryRead::Frame(_))
    }

    /// Checks the end of what is kept of the archive: its last frame is the memory's, and the
    /// memory's next one continues it. The frame before may have left the memory: then the CRC that
    /// the next one names tells. A memory that has neither says nothing.
    pub(crate) fn check_end(&mut self, chain: &Chain) -> Result<(), Refusal> {
        let seq = chain.last_seq();
        if seq != Seq(0) {
            self.check_frame(seq, chain.last_crc)?;
        }
        let seq = chain.next_seq;
        match (self.memory)(seq, self.buffer) {
            MemoryRead::Frame(words) => {
                let mut chain = *chain;
                chain
                    .check(&self.frame(seq, words)?)
                    .map_err(|error| Refusal::Chain { seq, error })
            }
            MemoryRead::End => Ok(()),
            MemoryRead::Gone { oldest } => Err(Refusal::Lapped { next: seq, oldest }),
            MemoryRead::Corrupt => Err(Refusal::Corrupt { seq }),
        }
    }

    /// Checks a frame of the archive against the memory's, if that has it. The archive is written
    /// from the memory: it cannot be ahead of one that has frames.
    pub(crate) fn check_frame(&mut self, seq: Seq, archive: u32) -> Result<(), Refusal> {
        match (self.memory)(seq, self.buffer) {
            MemoryRead::Frame(words) => {
                let memory = self.frame(seq, words)?.crc;
                if memory == archive {
                    return Ok(());
                }
                Err(Refusal::Forked {
                    seq,
                    archive,
                    memory,
                })
            }
            MemoryRead::End if self.has_any() => Err(Refusal::MemoryBehind { archive: seq }),
            MemoryRead::End | MemoryRead::Gone { .. } | MemoryRead::Corrupt => Ok(()),
        }
    }

    /// Whether the memory has frames at all: a new one says of every seq that it is gone or to come.
    fn has_any(&mut self) -> bool {
        let mut seq = Seq(1);
        loop {
            match (self.memory)(seq, self.buffer) {
                MemoryRead::Gone { oldest } if oldest > seq => seq = oldest,
                MemoryRead::Frame(_) | MemoryRead::Corrupt => return true,
                MemoryRead::Gone { .. } | MemoryRead::End => return false,
            }
        }
    }

    fn frame(&self, seq: Seq, words: usize) -> Result<Frame<'_>, Refusal> {
        Frame::parse(&self.buffer[..words]).map_err(|error| Refusal::Frame { seq, error })
    }
}
