//! The host secret: 32 random bytes in a file that only its owner may read. Every session's keys
//! follow from it, so both processes load the same file and nobody else may.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

/// Bytes of a host secret.
pub const SECRET_BYTES: usize = 32;

/// Why there is no host secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// A file operation failed.
    #[error("cannot {what} {}: {error}; the state folder must belong to the user of both processes", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Others than its owner may read or write the file.
    #[error(
        "{} has mode {mode:04o}: others may know the secret. Run `chmod 600` on it if nobody else has read it; \
         else delete it, and hand every session its new secret",
        path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Somebody else owns the file or its folder.
    #[error(
        "{} belongs to user {found}, who knows or may replace the secret; it must belong to root or to user {owner}, \
         for whom this process acts. Run `chown` on it if nobody else has read it; else delete it, and hand every \
         session its new secret",
        path.display()
    )]
    Foreign {
        /// The file or folder.
        path: PathBuf,
        /// Whose it is.
        found: u32,
        /// Whose it may be beside root's.
        owner: u32,
    },
    /// Others than its owner may put another file in its place.
    #[error("{} has mode {mode:04o}: others may replace the secret in it; run `chmod go-w` on it", path.display())]
    OpenFolder {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file does not hold 64 hexadecimal digits.
    #[error(
        "{} holds no host secret (64 hexadecimal digits): restore it from a backup; or delete it, and hand \
         every session its new secret",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The system has no randomness.
    #[error("the system gives no random bytes: {0}; see random(7)")]
    NoRandomness(getrandom::Error),
}

/// Loads the secret in the file at `path`; makes file and folder first if there are none. Of two
/// processes that make it at once, one wins and both load the same.
///
/// # Errors
/// [`SecretError`]: the file cannot be read or made, is another user's or open to others, or holds something else.
pub fn load_or_create(path: &Path) -> Result<[u8; SECRET_BYTES], SecretError> {
    load_or_create_of(path, own_user())
}

/// The same for a secret that belongs to the user `owner` or to root: the operator may be another user than the
/// processes.
///
/// # Errors
/// As [`load_or_create`].
pub fn load_or_create_of(path: &Path, owner: u32) -> Result<[u8; SECRET_BYTES], SecretError> {
    Ok(open_or_create(path, owner)?.0)
}

/// Does the same and says whether this call made the secret: where one was before, every session's keys
/// have changed.
///
/// # Errors
/// As [`load_or_create`].
pub fn is_new(path: &Path) -> Result<bool, SecretError> {
    Ok(open_or_create(path, own_user())?.1)
}

/// The user for whom this process acts.
fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The secret, and whether it was made here.
fn open_or_create(path: &Path, owner: u32) -> Result<([u8; SECRET_BYTES], bool), SecretError> {
    let open = || File::open(path);
    match open() {
        Ok(file) => Ok((load(file, path, owner)?, false)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = create(path)?;
            Ok((
                load(open().map_err(failed("open", path))?, path, owner)?,
                made,
            ))
        }
        Err(error) => Err(failed("open", path)(error)),
    }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SecretError {
    let path = path.to_owned();
    move |error| SecretError::Io { what, path, error }
}

fn load(file: File, path: &Path, owner: u32) -> Result<[u8; SECRET_BYTES], SecretError> {
    check_folder(folder_of(path), owner)?;
    let metadata = file.metadata().map_err(failed("look at", path))?;
    check_user(&metadata, path, owner)?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SecretError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = Vec::new();
    file.take(256)
        .read_to_end(&mut text)
        .map_err(failed("read", path))?;
    let digits = text.strip_suffix(b"\n").unwrap_or(&text);
    domain::from_hex(digits).ok_or_else(|| SecretError::Malformed {
        path: path.to_owned(),
    })
}

/// Whoever may change the folder may put a secret that he knows in the place of this one.
fn check_folder(folder: &Path, owner: u32) -> Result<(), SecretError> {
    let metadata = std::fs::metadata(folder).map_err(failed("look at", folder))?;
    check_user(&metadata, folder, owner)?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(SecretError::OpenFolder {
            path: folder.to_owned(),
            mode,
        });
    }
    Ok(())
}

fn check_user(metadata: &Metadata, path: &Path, owner: u32) -> Result<(), SecretError> {
    let found = metadata.uid();
    if found == 0 || found == owner {
        return Ok(());
    }
    Err(SecretError::Foreign {
        path: path.to_owned(),
        found,
        owner,
    })
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes the file whole and durable under another name, then links it into place: nobody ever sees
/// half a secret, and a file that is there already is left alone: then it is not this one's making.
fn create(path: &Path) -> Result<bool, SecretError> {
    let folder = folder_of(path);
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o750);
    builder
        .create(folder)
        .map_err(failed("make the folder", folder))?;

    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(SecretError::NoRandomness)?;
    let text: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();

    let mut suffix = [0; 8];
    getrandom::fill(&mut suffix).map_err(SecretError::NoRandomness)?;
    let draft = folder.join(format!(".host.secret.{:016x}", u64::from_le_bytes(suffix)));
    let outcome = write_durably(&draft, &text).and_then(|()| link(&draft, path, folder));
    let removed = std::fs::remove_file(&draft).map_err(failed("remove", &draft));
    let made = outcome?;
    removed.map(|()| made)
}

fn write_durably(draft: &Path, text: &str) -> Result<(), SecretError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(draft).map_err(failed("make", draft))?;
    writeln!(file, "{text}").map_err(failed("write", draft))?;
    file.sync_all().map_err(failed("sync", draft))
}

fn link(draft: &Path, path: &Path, folder: &Path) -> Result<bool, SecretError> {
    match std::fs::hard_link(draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed("make", path)(error)),
        Ok(()) => {
            let folder_file = File::open(folder).map_err(failed("open", folder))?;
            folder_file.sync_all().map_err(failed("sync", folder))?;
            Ok(true)
        }
    }
}
