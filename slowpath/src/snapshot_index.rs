//! The index of snapshots in the store: kept in step with their folder.
//!
//! The folder is the truth, whoever wrote or removed a file and whatever died between the two: it is read once a
//! second, which takes a header a file, and what has changed is indexed.

use journal::{
    SnapshotDirectory, SnapshotFiles as _, SnapshotHeader, SnapshotName, read_snapshot_header,
};
use std::io;
use std::time::{Duration, Instant};
use store::{Snapshot, SnapshotFolder};
use topology::Config;

/// Time between two looks at the folder.
const LOOK: Duration = Duration::from_secs(1);

/// Compares the folder with what was indexed last.
pub(crate) struct SnapshotIndex {
    files: SnapshotDirectory,
    shard: u16,
    looked: Option<Instant>,
    indexed: Option<SnapshotFolder>,
}

impl SnapshotIndex {
    /// Of an instance of whose snapshots nothing has been indexed by this process.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            files: SnapshotDirectory::new(&config.snapshot_dir()),
            shard: config.instance.shard,
            looked: None,
            indexed: None,
        }
    }

    /// What the folder holds, if it is time to look and that is not what was indexed last. A folder that cannot
    /// be listed is looked at again later: the snapshots' writer says what is wrong with it.
    pub(crate) fn news(&mut self) -> Option<SnapshotFolder> {
        if self.looked.is_some_and(|when| when.elapsed() < LOOK) {
            return None;
        }
        self.looked = Some(Instant::now());
        let folder = self.read().ok()?;
        (self.indexed.as_ref() != Some(&folder)).then_some(folder)
    }

    /// This is indexed now.
    pub(crate) fn is_indexed(&mut self, folder: SnapshotFolder) {
        self.indexed = Some(folder);
    }

    fn read(&self) -> io::Result<SnapshotFolder> {
        let mut names = self.files.newest_first()?;
        // No journal gets so far, and no column holds more.
        names.retain(|seq| i64::try_from(seq.0).is_ok());
        let headers = names
            .iter()
            .filter_map(|&seq| read_snapshot_header(&self.files, seq, self.shard).ok());
        let whole = headers.map(|header| row(&header)).collect();
        Ok(SnapshotFolder { whole, names })
    }
}

fn row(header: &SnapshotHeader) -> Snapshot {
    Snapshot {
        seq: header.seq,
        path: SnapshotName(header.seq).to_string(),
        state_hash: header.state_hash,
        bytes: header.body_bytes + journal::SNAPSHOT_HEADER_BYTES as u64,
        created: header.engine_time,
        removed: None,
    }
}
