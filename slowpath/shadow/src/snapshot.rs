//! Putting a snapshot on the disk so that a crash at any point leaves the older ones.

use domain::Seq;
use journal::{SnapshotFiles, SnapshotHeader};
use std::io;

/// Snapshots that can be written, one at a time: there is one unfinished file, which has no seq yet.
pub trait SnapshotStorage: SnapshotFiles {
    /// Makes the unfinished file, or empties the one that is there, and writes into it.
    ///
    /// # Errors
    /// What the file system says; the file may then hold any part of the bytes.
    fn write(&mut self, header: &[u8], body: &[u8]) -> io::Result<()>;

    /// Makes the unfinished file's bytes durable.
    ///
    /// # Errors
    /// What the file system says.
    fn sync(&mut self) -> io::Result<()>;

    /// Gives the unfinished file the name of a snapshot, in the place of one that has it. Durable only
    /// after [`SnapshotStorage::sync_directory`].
    ///
    /// # Errors
    /// What the file system says.
    fn publish(&mut self, seq: Seq) -> io::Result<()>;

    /// Makes all names durable.
    ///
    /// # Errors
    /// What the file system says.
    fn sync_directory(&mut self) -> io::Result<()>;

    /// Removes the unfinished file, if there is one.
    ///
    /// # Errors
    /// What the file system says.
    fn discard(&mut self) -> io::Result<()>;

    /// Removes a snapshot.
    ///
    /// # Errors
    /// What the file system says.
    fn remove(&mut self, seq: Seq) -> io::Result<()>;
}

/// Stores a snapshot, durable when this returns, and then removes all but the newest `keep` of those
/// that are not newer than it.
///
/// # Errors
/// What the file system says. The snapshots that were there are there still, unless the new one is
/// durable; no unfinished file takes up room.
pub fn store_snapshot<S: SnapshotStorage>(
    storage: &mut S,
    header: &SnapshotHeader,
    body: &[u8],
    keep: usize,
) -> io::Result<()> {
    if let Err(error) = write_and_publish(storage, header, body) {
        // Whatever this says, the first error is the one to be told.
        let _ignored = storage.discard();
        return Err(error);
    }
    // A snapshot of a history that was lost may be newer: it does not count among those to keep.
    let mut seqs = storage.newest_first()?;
    seqs.retain(|&seq| seq <= header.seq);
    for &old in seqs.iter().skip(keep.max(1)) {
        storage.remove(old)?;
    }
    Ok(())
}

fn write_and_publish<S: SnapshotStorage>(
    storage: &mut S,
    header: &SnapshotHeader,
    body: &[u8],
) -> io::Result<()> {
    storage.write(&header.encode(), body)?;
    storage.sync()?;
    storage.publish(header.seq)?;
    storage.sync_directory()
}
