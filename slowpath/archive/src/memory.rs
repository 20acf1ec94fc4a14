//! The journal memory as the archiver reads it: by seq, without a position of its own.

use domain::Seq;
use journal::{FrameBuffer, MAX_FRAME_WORDS, MemoryRead};
use shm::{LogReader, Read, Words};

const _: () = assert!(MAX_FRAME_WORDS == shm::MAX_FRAME_WORDS);

/// The frames of a journal memory, for [`crate::Archiver::new`] and [`journal::Recovery`].
pub fn frames_of<W: Words>(log: LogReader<W>) -> impl FnMut(Seq, &mut FrameBuffer) -> MemoryRead {
    move |seq, buffer| match log.read_at(seq.0, buffer) {
        Read::Frame(words) => MemoryRead::Frame(words),
        Read::Empty => MemoryRead::End,
        Read::Lapped => MemoryRead::Gone {
            oldest: Seq(log.oldest()),
        },
        Read::Corrupt => MemoryRead::Corrupt,
    }
}
