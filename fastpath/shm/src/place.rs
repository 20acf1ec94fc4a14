//! Where region files may lie, and who may have made them.

use crate::memory::failed;
use crate::{Memory, RegionError};
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The places for the regions of one instance, best first. In each the regions lie in a directory
/// `sluice-<instance>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The instance's name.
    pub instance: String,
    /// A mounted hugetlbfs, if one is to be used.
    pub hugetlbfs: Option<PathBuf>,
    /// A tmpfs: /dev/shm.
    pub shm_dir: PathBuf,
    /// A directory on disk, if neither has room. Slow to start, and written back now and then.
    pub state_dir: PathBuf,
}

/// One of the places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Hugetlbfs,
    ShmDir,
    StateDir,
}

impl Places {
    /// The file of the region `name`, wherever it is; none if it is nowhere.
    ///
    /// # Errors
    /// [`RegionError::Forbidden`] if it is in no place that this process's user may look at, but there
    /// is one that it may not; [`RegionError::Io`] if a place cannot be looked at.
    pub fn find(&self, name: &str) -> Result<Option<PathBuf>, RegionError> {
        let mut unseen = None;
        for (_, path) in self.files(name) {
            match is_there(&path) {
                Ok(true) => return Ok(Some(path)),
                Ok(false) => {}
                Err(error) => unseen = unseen.or(Some(error)),
            }
        }
        unseen.map_or(Ok(None), Err)
    }

    /// What tells this instance's regions from those of another of the same name: a hash of where its state folder
    /// really is. Never 0.
    #[must_use]
    pub fn home(&self) -> u64 {
        use std::os::unix::ffi::OsStrExt as _;
        // FNV-1a, 64 bits: every build and process must come to the same.
        let path = real(&self.state_dir);
        let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        let bytes = path.as_os_str().as_bytes();
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, hash).max(1)
    }

    /// Refuses a region of an instance of the same name with another state folder: its journal is another, and to
    /// stop it is somebody else's business.
    ///
    /// # Errors
    /// [`RegionError::Home`].
    pub fn check_home(&self, region: &Memory) -> Result<(), RegionError> {
        if region.header().home() == self.home() {
            return Ok(());
        }
        Err(RegionError::Home {
            path: region.path().to_path_buf(),
            state_dir: real(&self.state_dir),
        })
    }

    /// The user to whom the instance's regions belong: the owner of the state folder; this process's
    /// own as long as there is none.
    #[must_use]
    pub fn owner(&self) -> u32 {
        let own = || rustix::process::geteuid().as_raw();
        std::fs::metadata(&self.state_dir).map_or_else(|_| own(), |folder| folder.uid())
    }

    /// The file of the region `name`, if it exists.
    ///
    /// # Errors
    /// If it exists in more than one place, or a place cannot be looked at: a region that is not seen
    /// must not be taken for one that is not there.
    pub(crate) fn find_one(&self, name: &str) -> Result<Option<PathBuf>, RegionError> {
        let mut found = None;
        for (_, path) in self.files(name) {
            match (is_there(&path)?, found.take()) {
                (true, Some(first)) => {
                    return Err(RegionError::Ambiguous {
                        first,
                        second: path,
                    });
                }
                (true, None) => found = Some(path),
                (false, before) => found = before,
            }
        }
        Ok(found)
    }

    /// Where the file of the region `name` may be, best place first.
    pub(crate) fn files(&self, name: &str) -> Vec<(Place, PathBuf)> {
        let directory = format!("sluice-{}", self.instance);
        let places = [
            (Place::Hugetlbfs, self.hugetlbfs.as_deref()),
            (Place::ShmDir, Some(self.shm_dir.as_path())),
            (Place::StateDir, Some(self.state_dir.as_path())),
        ];
        let file = |(place, path): (Place, Option<&Path>)| {
            path.map(|path| (place, path.join(&directory).join(name)))
        };
        places.into_iter().filter_map(file).collect()
    }
}

/// The path without links and dots, as far as it exists.
fn real(path: &Path) -> PathBuf {
    if let Ok(path) = std::fs::canonicalize(path) {
        return path;
    }
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    match (whole.parent(), whole.file_name()) {
        (Some(parent), Some(name)) => real(parent).join(name),
        _ => whole,
    }
}

/// Whether there is something at `path`, even a link that leads nowhere.
fn is_there(path: &Path) -> Result<bool, RegionError> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Err(RegionError::forbidden(path))
        }
        Err(error) => Err(failed("look for it", path)(error)),
    }
}

/// Makes the directory of a region if there is none. The place itself must be there, unless it is the
/// state folder: a path that is mistyped, or not mounted, is not made.
pub(crate) fn make_directory(place: Place, directory: &Path) -> Result<(), RegionError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(place == Place::StateDir).mode(0o750);
    match builder.create(directory) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(failed("make the directory", directory)(error))
        }
        _ => Ok(()),
    }
}

/// Refuses a directory or a file that another user may have made or may change: /dev/shm is
/// everybody's, and who writes a region is the exchange. `owner` is accepted beside root.
pub(crate) fn check_owner(opened: &File, path: &Path, owner: u32) -> Result<(), RegionError> {
    let metadata = opened.metadata().map_err(failed("look at it", path))?;
    let found = metadata.uid();
    if found != 0 && found != owner {
        return Err(RegionError::Foreign {
            path: path.to_path_buf(),
            found,
            owner,
        });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(RegionError::Exposed {
            path: path.to_path_buf(),
            mode,
        });
    }
    Ok(())
}
