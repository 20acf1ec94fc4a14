//! The claim to a state folder: one fastpath at a time, and always the same instance and shard.
//!
//! Under another name an instance does not find its journal memory: it would go on from the archive
//! while that memory holds what clients were told.

use anyhow::{Context as _, Result, ensure};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use topology::{Config, state_lock};

use crate::patience::patiently;

/// The right to use a state folder: nobody else gets it while this lives.
#[derive(Debug)]
pub(crate) struct Claim {
    /// Held, never read.
    _lock: File,
}

/// Takes the state folder, which is made if it is missing.
pub(crate) fn take(config: &Config) -> Result<Claim> {
    let folder = config.state_dir();
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(0o750).create(&folder);
    made.with_context(|| format!("make the state folder {}", folder.display()))?;
    let path = config.lock_file();
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options
        .mode(0o640)
        .open(&path)
        .with_context(|| format!("open {}", path.display()))?;
    let mut held = String::new();
    let free = lock(&file)?;
    file.read_to_string(&mut held)
        .with_context(|| format!("read {}", path.display()))?;
    let (owner, pid) = held.split_once("pid ").unwrap_or((&held, "unknown"));
    let is_first = owner.is_empty();
    ensure!(
        free,
        "another fastpath (pid {}) uses the state folder {}: stop that one first, or give this instance its \
         own state_dir",
        pid.trim(),
        folder.display()
    );
    state_lock::check_text(config, &held)?;
    // In place and of one length, so that a death within leaves what was there.
    let ours = state_lock::text(config);
    let text = format!("{ours}pid {:>10}\n", std::process::id());
    write(&mut file, &text).with_context(|| format!("write {}", path.display()))?;
    if is_first {
        sync(&file, &folder).with_context(|| format!("sync {}", path.display()))?;
    }
    Ok(Claim { _lock: file })
}

/// Whether the lock was to be had.
fn lock(file: &File) -> Result<bool> {
    let is_held = |error: &TryLockError| matches!(error, TryLockError::WouldBlock);
    match patiently(|| file.try_lock(), is_held) {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error).context("lock the state folder"),
    }
}

fn write(file: &mut File, text: &str) -> std::io::Result<()> {
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)
}

fn sync(file: &File, folder: &Path) -> std::io::Result<()> {
    file.sync_all()?;
    File::open(folder)?.sync_all()
}
