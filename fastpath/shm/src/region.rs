//! Making, finding and locking region files.

use crate::header::{Header, Identity, RegionError, RegionSpec};
use crate::memory::{Memory, MemoryKind, check_header, failed, kind_of, map, open, own_user};
use crate::place::{Place, Places, make_directory};
use rustix::fs::{FallocateFlags, FlockOperation, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The right to write a region: nobody else gets it while this lives.
#[derive(Debug)]
#[must_use = "the region is locked only while this lives"]
pub struct WriterLock {
    file: File,
}

impl Drop for WriterLock {
    fn drop(&mut self) {
        // Closing alone would leave the lock with a child that was forked and has not yet executed
        // its program. If unlocking fails, closing is what is left.
        rustix::fs::flock(&self.file, FlockOperation::Unlock).ok();
    }
}

/// What [`Memory::create_or_open`] came upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing: the region is new and zero, and carries the identity that was given.
    Fresh,
    /// The region of an earlier run. It still carries that run's identity: see
    /// [`Header::set_identity`].
    Existing {
        /// Whether it was written since the machine was started. If not, it may be torn.
        boot_matches: bool,
        /// The epoch in which it was written.
        epoch: u64,
    },
}

impl Memory {
    /// The region `name`, as its one writer: the existing one, wherever it is, or a new one in the
    /// best place that takes it. All its memory is allocated and in place when this returns.
    ///
    /// # Errors
    /// If another process writes it, if it is not what `spec` and `identity` say, if it exists
    /// twice or cannot be looked for, if another user can have made it or may change it, or if no place
    /// takes it.
    pub fn create_or_open(
        places: &Places,
        name: &str,
        spec: RegionSpec,
        identity: Identity,
    ) -> Result<(Self, WriterLock, Found), RegionError> {
        if let Some(path) = places.find_one(name)? {
            return open_or_make(&path, &spec, &identity, places);
        }
        let mut tried = String::new();
        for (place, path) in places.files(name) {
            match make_in(place, &path, &spec, &identity, places) {
                Ok(made) => return Ok(made),
                Err(no_room @ RegionError::Io { .. }) => {
                    tried.push_str(&format!("\n  {no_room}"));
                }
                Err(refused) => return Err(refused),
            }
        }
        Err(RegionError::NoPlace {
            name: name.to_owned(),
            bytes: 8 * spec.words as u64,
            tried,
        })
    }
}

/// Makes the region in one place, and leaves nothing there if that fails.
fn make_in(
    place: Place,
    path: &Path,
    spec: &RegionSpec,
    identity: &Identity,
    places: &Places,
) -> Result<(Memory, WriterLock, Found), RegionError> {
    let directory = path.parent().expect("a region's file is in a directory");
    if place == Place::Hugetlbfs {
        let mount = directory.parent().expect("the directory is in a place");
        let opened = File::open(mount).map_err(failed("open it", mount))?;
        if kind_of(&opened, mount)? != MemoryKind::Hugetlbfs {
            let other = std::io::Error::other("no hugetlbfs is mounted there");
            return Err(failed("use it", mount)(other));
        }
    }
    make_directory(place, directory)?;
    open_or_make(path, spec, identity, places)
}

/// Opens the region at `path`, or makes it if it is not there or was never finished.
fn open_or_make(
    path: &Path,
    spec: &RegionSpec,
    identity: &Identity,
    places: &Places,
) -> Result<(Memory, WriterLock, Found), RegionError> {
    let file = open(path, OFlags::RDWR | OFlags::CREATE, own_user())?;
    let lock = lock(file, path)?;
    let is_empty = lock
        .file
        .metadata()
        .map_err(failed("look at it", path))?
        .len()
        == 0;
    let is_ready = !is_empty && map(&lock.file, path, false)?.header().magic() != [0; 8];
    if is_ready {
        return open_existing(lock, path, spec, identity, places);
    }
    match make(&lock.file, path, spec, identity, places) {
        Ok(memory) => Ok((memory, lock, Found::Fresh)),
        Err(refused) => {
            // Best effort: what stays is empty or without magic, and is made anew next time.
            std::fs::remove_file(path).ok();
            Err(refused)
        }
    }
}

/// Locks `file`, and makes sure that it is still the one at `path`.
fn lock(file: File, path: &Path) -> Result<WriterLock, RegionError> {
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let pid = map(&file, path, false).map_or(0, |memory| memory.header().pid());
            return Err(RegionError::Locked {
                path: path.to_path_buf(),
                pid,
            });
        }
        Err(error) => return Err(failed("lock it", path)(error)),
    }
    if file.metadata().map_err(failed("look at it", path))?.nlink() == 0 {
        // Its maker gave up between our open and our lock.
        return Err(RegionError::NotReady {
            path: path.to_path_buf(),
        });
    }
    Ok(WriterLock { file })
}

fn make(
    file: &File,
    path: &Path,
    spec: &RegionSpec,
    identity: &Identity,
    places: &Places,
) -> Result<Memory, RegionError> {
    file.set_len(0).map_err(failed("empty it", path))?;
    let bytes = 8 * spec.words as u64;
    let page = file
        .metadata()
        .map_err(failed("look at it", path))?
        .blksize();
    allocate(file, bytes.next_multiple_of(page.max(4096)), path)?;
    let memory = map(file, path, true)?.cut(bytes)?;
    memory.prefault();
    memory.header().set_home(places.home());
    Header::write(&memory, spec, identity);
    Ok(memory)
}

/// Most bytes that the system is asked for at once: it delivers signals only in between.
const CHUNK_BYTES: usize = 64 << 20;

/// Allocates the first `bytes` of `file`, so that no store into them can fail later.
fn allocate(mut file: &File, bytes: u64, path: &Path) -> Result<(), RegionError> {
    let fallocate = |from: u64| {
        let length = (bytes - from).min(CHUNK_BYTES as u64);
        rustix::io::retry_on_intr(|| {
            rustix::fs::fallocate(file, FallocateFlags::empty(), from, length)
        })
    };
    let mut chunks = (0..bytes).step_by(CHUNK_BYTES);
    match chunks.try_for_each(fallocate) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP) => {
            // A file system that cannot: writing zeros beyond the end allocates as well.
            let zeros = [0u8; 4096];
            let mut end = file
                .seek(SeekFrom::End(0))
                .map_err(failed("seek in it", path))?;
            while end < bytes {
                let part = (bytes - end).min(zeros.len() as u64);
                let part = &zeros[..usize::try_from(part).expect("at most 4096")];
                file.write_all(part).map_err(failed("allocate it", path))?;
                end += part.len() as u64;
            }
            Ok(())
        }
        Err(error) => Err(failed("allocate it", path)(error)),
    }
}

fn open_existing(
    lock: WriterLock,
    path: &Path,
    spec: &RegionSpec,
    identity: &Identity,
    places: &Places,
) -> Result<(Memory, WriterLock, Found), RegionError> {
    let memory = map(&lock.file, path, true)?;
    let found = check_header(&memory, spec.magic)?;
    places.check_home(&memory)?;
    let expected = 8 * spec.words as u64;
    if found != expected {
        return Err(RegionError::Size {
            path: path.to_path_buf(),
            found,
            expected,
        });
    }
    let mapped = memory.bytes() as u64;
    let memory = memory.cut(expected)?;
    let header = memory.header();
    for (parameter, (found, expected)) in header
        .parameters()
        .into_iter()
        .zip(spec.parameters)
        .enumerate()
    {
        if found != expected {
            let path = path.to_path_buf();
            return Err(RegionError::Parameter {
                path,
                parameter,
                found,
                expected,
            });
        }
    }
    if header.shard() != u64::from(identity.shard) {
        return Err(RegionError::Shard {
            path: path.to_path_buf(),
            found: header.shard(),
            expected: identity.shard,
        });
    }
    // A copied file may have holes.
    allocate(&lock.file, mapped, path)?;
    memory.prefault();
    header.set_pid();
    let boot_matches = header.boot_id() == identity.boot_id;
    let epoch = header.epoch();
    Ok((
        memory,
        lock,
        Found::Existing {
            boot_matches,
            epoch,
        },
    ))
}
