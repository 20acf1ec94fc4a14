//! Segments as files of a directory, which one archiver at a time may write.

use crate::storage::Storage;
use domain::Seq;
use journal::{Directory, SegmentName, Segments};
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// What stands before the archiver's pid in `LOCK`, behind whose the archive is.
const PID: &str = "pid ";

/// Why a directory cannot be an archive's.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Another archiver writes it.
    #[error(
        "another archiver (pid {pid}) writes the archive in {}: stop it first, or give this one its own directory",
        directory.display()
    )]
    Locked {
        /// Which.
        directory: PathBuf,
        /// Of the other, as far as known.
        pid: String,
    },
    /// It is another instance's.
    #[error(
        "the archive in {} is that of {found}, this is {expected}: correct archive.dir; only if this instance had that \
         name may you remove {}/LOCK", directory.display(), directory.display()
    )]
    Foreign {
        /// Which.
        directory: PathBuf,
        /// Whose it is.
        found: String,
        /// Who asks.
        expected: String,
    },
    /// The file system refused.
    #[error("archive directory {}: {error}", directory.display())]
    Io {
        /// Which.
        directory: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

/// A directory of segments, locked against other archivers for as long as this lives.
#[derive(Debug)]
pub struct FileStorage {
    path: PathBuf,
    reading: Directory,
    writing: Option<(Seq, File)>,
    /// Held, never read.
    _lock: File,
}

impl FileStorage {
    /// Locks the directory, which is made if only itself is missing. `owner` is what `LOCK` says of the instance whose
    /// archive it is, in lines; nothing if nobody asks for that.
    ///
    /// # Errors
    /// [`StorageError`] if another archiver holds it, it is another owner's, or it cannot be used.
    pub fn open(directory: &Path, owner: &str) -> Result<Self, StorageError> {
        let io = |error| StorageError::Io {
            directory: directory.to_path_buf(),
            error,
        };
        make_directory(directory).map_err(io)?;
        let lock_path = directory.join("LOCK");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(lock_path)
            .map_err(io)?;
        let free = match lock.try_lock() {
            Ok(()) => true,
            Err(TryLockError::Error(error)) => return Err(io(error)),
            Err(TryLockError::WouldBlock) => false,
        };
        let mut held = String::new();
        let read = lock.read_to_string(&mut held);
        let (found, pid) = held.split_once(PID).unwrap_or(("", &held));
        if !free {
            // For the message only: who holds the lock may not have written it yet.
            let known = read.is_ok() && !pid.is_empty();
            return Err(StorageError::Locked {
                directory: directory.to_path_buf(),
                pid: if known { pid.trim() } else { "unknown" }.to_owned(),
            });
        }
        if !found.is_empty() && !owner.is_empty() && found != owner {
            let on_a_line = |owner: &str| owner.trim().replace('\n', ", ");
            return Err(StorageError::Foreign {
                directory: directory.to_path_buf(),
                found: on_a_line(found),
                expected: on_a_line(owner),
            });
        }
        // In place and of one length, so that a death within leaves whose it is. A full disk is waited out by who
        // writes segments.
        let text = format!("{owner}{PID}{:>10}\n", std::process::id());
        let _told = lock
            .write_all_at(text.as_bytes(), 0)
            .and_then(|()| lock.set_len(text.len() as u64));
        Ok(Self {
            path: directory.to_path_buf(),
            reading: Directory::open(directory).map_err(io)?,
            writing: None,
            _lock: lock,
        })
    }

    fn file(&self, first: Seq) -> PathBuf {
        self.path.join(SegmentName(first).to_string())
    }

    /// The segment's file, opened for appending.
    fn appending(&mut self, first: Seq) -> io::Result<&mut File> {
        let file = match self.writing.take() {
            Some((open, file)) if open == first => file,
            _ => OpenOptions::new().append(true).open(self.file(first))?,
        };
        Ok(&mut self.writing.insert((first, file)).1)
    }
}

/// Bytes are durable only where they are found again: somebody may have removed or moved the file, or its
/// directory, since it was opened.
fn check_place(path: &Path, synced: &Metadata) -> io::Result<()> {
    let trouble = |what: &str| {
        let path = path.display();
        io::Error::other(format!(
            "{path} {what}: what is written does not last; put the archive back as it was"
        ))
    };
    match fs::symlink_metadata(path) {
        Ok(found) if (found.dev(), found.ino()) == (synced.dev(), synced.ino()) => Ok(()),
        Ok(_) => Err(trouble("is another file than the one that is written")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(trouble("is gone")),
        Err(error) => Err(error),
    }
}

/// Makes the directory if it is missing, durably.
fn make_directory(directory: &Path) -> io::Result<()> {
    match fs::create_dir(directory) {
        Ok(()) => {
            let parent = directory.parent().filter(|parent| *parent != Path::new(""));
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

impl Segments for FileStorage {
    fn names(&mut self) -> io::Result<Vec<String>> {
        self.reading.names()
    }

    fn read(&mut self, first: Seq, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.reading.read(first, offset, buffer)
    }
}

impl Storage for FileStorage {
    fn create(&mut self, first: Seq) -> io::Result<()> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.file(first))?;
        self.writing = Some((first, file));
        Ok(())
    }

    fn append(&mut self, first: Seq, bytes: &[u8]) -> io::Result<()> {
        self.appending(first)?.write_all(bytes)
    }

    fn truncate(&mut self, first: Seq, len: u64) -> io::Result<()> {
        self.writing = None;
        self.appending(first)?.set_len(len)
    }

    fn sync(&mut self, first: Seq) -> io::Result<()> {
        let file = self.appending(first)?;
        file.sync_data()?;
        let synced = file.metadata()?;
        check_place(&self.file(first), &synced)
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}
