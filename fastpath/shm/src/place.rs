//! Where region files may lie.

use crate::RegionError;
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

impl Places {
    /// The file of the region `name`, wherever it is; none if it is nowhere.
    ///
    /// # Errors
    /// [`RegionError::Forbidden`] if it is in no place that this process's user may look at, but there
    /// is one that it may not.
    pub fn find(&self, name: &str) -> Result<Option<PathBuf>, RegionError> {
        let mut forbidden = None;
        for path in self.files(name) {
            match path.try_exists() {
                Ok(true) => return Ok(Some(path)),
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    forbidden = forbidden.or(Some(path));
                }
                // What cannot be there is not there.
                Ok(false) | Err(_) => {}
            }
        }
        match forbidden {
            Some(path) => Err(RegionError::forbidden(&path)),
            None => Ok(None),
        }
    }

    /// The file of the region `name`, if it exists.
    ///
    /// # Errors
    /// If it exists in more than one place.
    pub(crate) fn find_one(&self, name: &str) -> Result<Option<PathBuf>, RegionError> {
        let mut found = self.files(name).filter(|path| path.exists());
        match (found.next(), found.next()) {
            (Some(first), Some(second)) => Err(RegionError::Ambiguous { first, second }),
            (first, _) => Ok(first),
        }
    }

    /// Where the file of the region `name` may be, best place first.
    pub(crate) fn files(&self, name: &str) -> impl Iterator<Item = PathBuf> {
        let directory = format!("sluice-{}", self.instance);
        let places = [
            self.hugetlbfs.as_deref(),
            Some(&self.shm_dir),
            Some(&self.state_dir),
        ];
        let places: Vec<&Path> = places.into_iter().flatten().collect();
        let files: Vec<_> = places
            .iter()
            .map(|p| p.join(&directory).join(name))
            .collect();
        files.into_iter()
    }
}

/// Makes the directory of a region if there is none, and refuses one of a foreign user: /dev/shm is
/// everybody's, and who owns the directory can replace what is in it.
pub(crate) fn make_directory(path: &Path) -> Result<(), RegionError> {
    let failed = |what| {
        move |source| RegionError::Io {
            what,
            path: path.to_path_buf(),
            source,
        }
    };
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(path);
    made.map_err(failed("make the directory"))?;
    let owner = std::fs::symlink_metadata(path)
        .map_err(failed("look at the directory"))?
        .uid();
    if owner == 0 || owner == rustix::process::geteuid().as_raw() {
        Ok(())
    } else {
        Err(RegionError::ForeignDirectory {
            path: path.to_path_buf(),
            owner,
        })
    }
}
