//! Snapshots as files of a folder.

use domain::Seq;
use journal::{SnapshotDirectory, SnapshotFiles, SnapshotName};
use shadow::SnapshotStorage;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The unfinished file: one that a killed process left behind is removed by the next.
const UNFINISHED: &str = "unfinished";

/// A folder of snapshots that one slowpath writes: it holds the region `slow` of its instance.
#[derive(Debug)]
pub struct SnapshotFolder {
    path: PathBuf,
    reading: SnapshotDirectory,
}

impl SnapshotFolder {
    /// Over a folder, which is made when something is written.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            reading: SnapshotDirectory::new(path),
        }
    }

    fn unfinished(&self) -> PathBuf {
        self.path.join(UNFINISHED)
    }

    fn file(&self, seq: Seq) -> PathBuf {
        self.path.join(SnapshotName(seq).to_string())
    }
}

impl SnapshotFiles for SnapshotFolder {
    type File = File;

    fn seqs(&self) -> io::Result<Vec<Seq>> {
        self.reading.seqs()
    }

    fn open(&self, seq: Seq) -> io::Result<(File, u64)> {
        self.reading.open(seq)
    }
}

impl SnapshotStorage for SnapshotFolder {
    fn write(&mut self, header: &[u8], body: &[u8]) -> io::Result<()> {
        match fs::create_dir(&self.path) {
            Ok(()) => File::open(self.path.join(".."))?.sync_all()?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        // Removed first, not overwritten: what has this name may lead elsewhere.
        self.discard()?;
        let mut file = File::create_new(self.unfinished())?;
        file.write_all(header)?;
        file.write_all(body)
    }

    fn sync(&mut self) -> io::Result<()> {
        File::open(self.unfinished())?.sync_all()
    }

    fn publish(&mut self, seq: Seq) -> io::Result<()> {
        fs::rename(self.unfinished(), self.file(seq))
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn discard(&mut self) -> io::Result<()> {
        match fs::remove_file(self.unfinished()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn remove(&mut self, seq: Seq) -> io::Result<()> {
        fs::remove_file(self.file(seq))
    }
}
