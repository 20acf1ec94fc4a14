//! What the file `LOCK` in a state folder says: the instance and shard that the folder is of. The fastpath
//! writes it and holds its lock.

use crate::Config;
use std::io;
use std::path::PathBuf;

/// The state folder is not to be used by this instance.
#[derive(Debug, thiserror::Error)]
pub enum StateLockError {
    /// It cannot be read.
    #[error(
        "cannot read {}: {error}; instance.state_dir must name a folder that this user may write, or none yet", path.display()
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It names another.
    #[error(
        "the state folder {} is that of {found}, this is {expected}: restore `name` and `shard`, or use another \
         state_dir; only if everything of the other is archived (its fastpath ended with 0) may you remove {}",
        folder.display(), path.display()
    )]
    Foreign {
        /// The state folder.
        folder: PathBuf,
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Who asks.
        expected: String,
    },
    /// The archive names another.
    #[error(
        "the archive in {} is that of {found}, this is {expected}: correct archive.dir; only if this instance had that \
         name may you remove {}",
        folder.display(), path.display()
    )]
    ForeignArchive {
        /// The archive.
        folder: PathBuf,
        /// The file in it.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Who asks.
        expected: String,
    },
}

/// Whether the archive may be used: it says of whom it is in the same way, once an archiver has written it.
///
/// # Errors
/// [`StateLockError::ForeignArchive`]. What cannot be read is for who reads the archive to say.
pub fn check_archive(config: &Config) -> Result<(), StateLockError> {
    let path = config.archive_dir().join("LOCK");
    let held = std::fs::read_to_string(&path).unwrap_or_default();
    let (owner, ours) = (held.split_once("pid "), text(config));
    match owner {
        Some((owner, _)) if !owner.is_empty() && owner != ours => {
            Err(StateLockError::ForeignArchive {
                folder: config.archive_dir(),
                path,
                found: on_a_line(owner),
                expected: on_a_line(&ours),
            })
        }
        _ => Ok(()),
    }
}

fn on_a_line(owner: &str) -> String {
    owner.trim().replace('\n', ", ")
}

/// What the file says of this instance, in front of the pid.
#[must_use]
pub fn text(config: &Config) -> String {
    let instance = &config.instance;
    format!("instance {}\nshard {}\n", instance.name, instance.shard)
}

/// Whether the state folder may be used: nobody has yet, or this instance has.
///
/// # Errors
/// [`StateLockError`].
pub fn check(config: &Config) -> Result<(), StateLockError> {
    let path = config.lock_file();
    match std::fs::read_to_string(&path) {
        Ok(held) => check_text(config, &held),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StateLockError::Io { path, error }),
    }
}

/// The same of what was read of the file.
///
/// # Errors
/// [`StateLockError::Foreign`].
pub fn check_text(config: &Config, held: &str) -> Result<(), StateLockError> {
    let owner = held.split_once("pid ").map_or(held, |(owner, _)| owner);
    let ours = text(config);
    if owner.is_empty() || owner == ours {
        return Ok(());
    }
    Err(StateLockError::Foreign {
        folder: config.state_dir(),
        path: config.lock_file(),
        found: on_a_line(owner),
        expected: on_a_line(&ours),
    })
}
