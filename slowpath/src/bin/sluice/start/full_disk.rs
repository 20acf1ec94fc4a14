//! Disks without room: nothing that is written there can say so itself, because its words go there too.

use crate::host::nearest;
use rustix::fs::statvfs;
use std::path::Path;
use topology::Config;

/// Less than this is no room: a log's first page, a lock, the first group of frames.
const LEAST: u64 = 64 << 10;

/// What to say of the first folder whose disk is full, if one is. It is one line.
pub(super) fn full(config: &Config) -> Option<String> {
    let store = config.store_file().filter(|_| config.store.enabled);
    let store = store.and_then(|file| Some(file.parent()?.to_path_buf()));
    let places = [
        (
            Some(config.state_dir()),
            "state folder",
            "instance.state_dir",
        ),
        (Some(config.archive_dir()), "archive", "archive.dir"),
        (store, "store's folder", "store.url"),
    ];
    places
        .into_iter()
        .filter_map(|(folder, what, key)| Some((folder?, what, key)))
        .find_map(|(folder, what, key)| {
            let kib = left(&folder)?;
            Some(format!(
                "no room on the disk of the {what} {} ({kib} KiB left): make room there, or let {key} name another disk, \
                 and start again",
                folder.display()
            ))
        })
}

/// The KiB that are left where a folder is or will be, if they are too few.
fn left(folder: &Path) -> Option<u64> {
    let disk = statvfs(&nearest(folder)?).ok()?;
    // A disk that counts no files has 0 of them.
    let no_file = disk.f_files > 0 && disk.f_ffree == 0;
    let bytes = match rustix::process::geteuid().is_root() {
        true => disk.f_bfree * disk.f_frsize,
        false => disk.f_bavail * disk.f_frsize,
    };
    (no_file || bytes < LEAST).then_some(bytes >> 10)
}
