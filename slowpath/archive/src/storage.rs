//! What an archiver asks of a disk.

use domain::Seq;
use journal::Segments;
use std::io;

/// Segments that can be written. A segment is known by the seq of its first frame.
///
/// After any error the archiver assumes nothing about what was written: it opens the archive anew,
/// cuts it back to what was durable and writes the rest again.
pub trait Storage: Segments {
    /// Makes an empty segment, or finds the one that is there. Its name is durable only after
    /// [`Storage::sync_directory`].
    ///
    /// # Errors
    /// What the file system says.
    fn create(&mut self, first: Seq) -> io::Result<()>;

    /// Writes all bytes behind the end of a segment; after an error, any part of them.
    ///
    /// # Errors
    /// What the file system says.
    fn append(&mut self, first: Seq, bytes: &[u8]) -> io::Result<()>;

    /// Cuts a segment off behind its first `len` bytes. Opens the file anew: a handle that has seen
    /// an error is not used again.
    ///
    /// # Errors
    /// What the file system says.
    fn truncate(&mut self, first: Seq, len: u64) -> io::Result<()>;

    /// Makes the bytes and the length of a segment durable (`fdatasync`), where the archive is read.
    ///
    /// # Errors
    /// What the file system says, or that the segment is no longer there; the bytes may then be lost,
    /// even if a later sync succeeds.
    fn sync(&mut self, first: Seq) -> io::Result<()>;

    /// Makes the names of all segments durable.
    ///
    /// # Errors
    /// What the file system says.
    fn sync_directory(&mut self) -> io::Result<()>;
}
