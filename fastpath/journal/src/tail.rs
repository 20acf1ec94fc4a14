//! What follows damage at the end of an archive: nothing that matters, or frames that must not be
//! cut off.

use crate::directory::Segments;
use crate::frame::{MAX_FRAME_WORDS, starts_whole_frame};
use domain::Seq;
use std::io;

/// Bytes searched at a time.
const CHUNK: usize = 1 << 20;

/// What stands behind a place in a segment where no frame can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    /// Bytes from the place to the end of the segment.
    pub(crate) bytes: u64,
    /// Offset of the first whole frame.
    pub(crate) whole_frame: Option<u64>,
}

/// Searches a segment from `offset` on for a whole frame of the shard, at every byte: bytes may have
/// been lost or put in, so that nothing is where it was. Stops at the first one. One at `offset`
/// itself means that it was written while we looked.
pub(crate) fn search<S: Segments>(
    source: &mut S,
    segment: Seq,
    offset: u64,
    shard: u16,
) -> io::Result<Rest> {
    let mut buffer = vec![0; CHUNK + 8 * MAX_FRAME_WORDS];
    let mut filled = 0;
    // Offset of the buffer's first byte.
    let mut base = offset;
    loop {
        let at = base + filled as u64;
        let read = source.read(segment, at, &mut buffer[filled..])?;
        filled += read;
        if read != 0 && filled < buffer.len() {
            continue;
        }
        let last = read == 0;
        let searched = if last { filled } else { CHUNK };
        for start in 0..searched {
            let place = base + start as u64;
            if starts_whole_frame(&buffer[start..filled], Some(shard)) {
                return Ok(Rest {
                    bytes: at + read as u64 - offset,
                    whole_frame: Some(place),
                });
            }
        }
        if last {
            return Ok(Rest {
                bytes: at - offset,
                whole_frame: None,
            });
        }
        buffer.copy_within(searched..filled, 0);
        filled -= searched;
        base += searched as u64;
    }
}
