//! A mapped region.
#![expect(
    unsafe_code,
    reason = "mapping memory, and calling it words, is what this module is for"
)]

use crate::header::{HEADER_WORDS, Header, Identity, LAYOUT_VERSION, RegionError, RegionSpec};
use crate::place::check_owner;
use crate::{Word, Words};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mm::{MapFlags, ProtFlags};
use std::fmt;
use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::Arc;

const HUGETLBFS: u64 = 0x9584_58f6;
const TMPFS: u64 = 0x0102_1994;
/// A small page; every page of a mapping starts at a multiple of it.
const PAGE_BYTES: usize = 4096;

/// What a region's file lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryKind {
    /// Huge pages.
    Hugetlbfs,
    /// A tmpfs, as /dev/shm.
    DevShm,
    /// A disk: the kernel writes it back now and then.
    File,
    /// No file: memory of this process alone, for tests and simulation.
    Anonymous,
}

impl fmt::Display for MemoryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hugetlbfs => "hugetlbfs",
            Self::DevShm => "shared memory",
            Self::File => "file",
            Self::Anonymous => "anonymous",
        })
    }
}

/// A mapped region. Clones share the mapping, which ends with the last of them.
///
/// A word of memory that was opened for reading must not be set: the process would die of SIGSEGV.
/// Everything in this crate that writes asks [`Words::writable`] first.
#[derive(Clone)]
pub struct Memory(Arc<Mapping>);

struct Mapping {
    address: NonNull<Word>,
    mapped_bytes: usize,
    words: usize,
    writable: bool,
    kind: MemoryKind,
    path: PathBuf,
}

// SAFETY: the mapping lives until drop, and all access to it is by atomic words.
unsafe impl Send for Mapping {}
// SAFETY: as for Send.
unsafe impl Sync for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this length and unmapped nowhere else; slices into it borrow
        // from the `Memory` that owns this.
        let unmapped =
            unsafe { rustix::mm::munmap(self.address.as_ptr().cast(), self.mapped_bytes) };
        debug_assert!(unmapped.is_ok(), "a mapping was unmapped twice");
    }
}

impl Words for Memory {
    #[inline]
    fn words(&self) -> &[Word] {
        // SAFETY: `map` mapped at least as many words there, zeroed or written as words before; they
        // are atomics and so may change under us; they stay mapped while `self` lives.
        unsafe { std::slice::from_raw_parts(self.0.address.as_ptr(), self.0.words) }
    }

    #[inline]
    fn writable(&self) -> bool {
        self.0.writable
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Memory({}, {}, {} bytes)",
            self.path().display(),
            self.kind(),
            self.bytes()
        )
    }
}

impl Memory {
    /// The words, header included.
    #[inline]
    #[must_use]
    pub fn words(&self) -> &[Word] {
        Words::words(self)
    }

    /// The region's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// What it lies on.
    #[must_use]
    pub fn kind(&self) -> MemoryKind {
        self.0.kind
    }

    /// Its size in bytes, header included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        8 * self.0.words
    }

    /// Its header.
    #[must_use]
    pub fn header(&self) -> Header {
        Header::of(self).expect("no region is smaller than its header")
    }

    /// Maps the region at `path` for reading only. It must begin with `magic`, be finished, and belong
    /// to this process's user or root.
    ///
    /// # Errors
    /// If it is not there, not ready, not such a region, another user's, or this process's user may not
    /// read it.
    pub fn open_reader(path: &Path, magic: [u8; 8]) -> Result<Self, RegionError> {
        Self::open_reader_of(path, magic, own_user())
    }

    /// The same for a region that belongs to the user `owner` or to root: see [`crate::Places::owner`].
    ///
    /// # Errors
    /// As [`Self::open_reader`].
    pub fn open_reader_of(path: &Path, magic: [u8; 8], owner: u32) -> Result<Self, RegionError> {
        let file = match open(path, OFlags::RDONLY, owner) {
            Err(RegionError::Io { source, .. }) if source.kind() == ErrorKind::PermissionDenied => {
                return Err(RegionError::forbidden(path));
            }
            opened => opened?,
        };
        let memory = match map(&file, path, false) {
            // Its maker has not given it its size yet.
            Err(RegionError::Size { .. }) => {
                let path = path.to_path_buf();
                return Err(RegionError::NotReady { path });
            }
            mapped => mapped?,
        };
        let bytes = check_header(&memory, magic)?;
        // Mapped again, because it may have grown until it had its magic.
        map(&file, path, false)?.cut(bytes)
    }

    /// Memory of this process alone that looks like the region `spec`, for tests and simulation.
    ///
    /// # Errors
    /// If the system has none.
    pub fn anonymous(spec: &RegionSpec, identity: &Identity) -> Result<Self, RegionError> {
        let path = PathBuf::from("(anonymous)");
        let bytes = (8 * spec.words).next_multiple_of(PAGE_BYTES);
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: no address is asked for, so nothing that exists is touched.
        let address = unsafe {
            rustix::mm::mmap_anonymous(std::ptr::null_mut(), bytes, protection, MapFlags::PRIVATE)
        };
        let address = address.map_err(failed("map memory", &path))?;
        let mapping = Mapping {
            address: NonNull::new(address.cast()).expect("mmap gives no null"),
            mapped_bytes: bytes,
            words: spec.words,
            writable: true,
            kind: MemoryKind::Anonymous,
            path,
        };
        let memory = Self(Arc::new(mapping));
        Header::write(&memory, spec, identity);
        Ok(memory)
    }

    /// Sets everything but the header to zero: for memory of another boot, which may be torn. Only
    /// the writer may do this, before anybody uses the region.
    ///
    /// # Errors
    /// If it is mapped for reading.
    pub fn wipe(&self) -> Result<(), RegionError> {
        if !self.writable() {
            return Err(RegionError::ReadOnly);
        }
        for word in &self.words()[HEADER_WORDS..] {
            word.set(0);
        }
        Ok(())
    }

    /// Touches every page, so that none is faulted in later. The writer writes what is there: it
    /// is alone to write, and a file's pages are marked dirty now and not in the middle of work.
    pub(crate) fn prefault(&self) {
        for word in self.words().iter().step_by(PAGE_BYTES / 8) {
            let value = std::hint::black_box(word.get());
            if self.writable() {
                word.set(value);
            }
        }
    }

    /// The same mapping, of which only the first `bytes` count.
    pub(crate) fn cut(self, bytes: u64) -> Result<Self, RegionError> {
        let found = self.bytes() as u64;
        let words = usize::try_from(bytes / 8).ok();
        let fits = bytes.is_multiple_of(8) && bytes >= 8 * HEADER_WORDS as u64 && bytes <= found;
        let (Some(words), true) = (words, fits) else {
            return Err(RegionError::Size {
                path: self.path().to_path_buf(),
                found,
                expected: bytes,
            });
        };
        let mut mapping = Arc::into_inner(self.0).expect("nobody else has it yet");
        mapping.words = words;
        Ok(Self(Arc::new(mapping)))
    }
}

impl RegionError {
    /// This process's user may not look at the region at `path`.
    pub(crate) fn forbidden(path: &Path) -> Self {
        Self::Forbidden {
            path: path.to_path_buf(),
            user: own_user(),
        }
    }
}

/// Turns a system error into one that says what was tried on which file.
pub(crate) fn failed<'a, E: Into<std::io::Error>>(
    what: &'static str,
    path: &'a Path,
) -> impl FnOnce(E) -> RegionError + 'a {
    move |source| RegionError::Io {
        what,
        path: path.to_path_buf(),
        source: source.into(),
    }
}

/// The user for whom this process acts.
pub(crate) fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Opens the region file at `path`; never through a link, and only if nobody but root and `owner` can
/// have made or may change it or its directory.
pub(crate) fn open(path: &Path, flags: OFlags, owner: u32) -> Result<File, RegionError> {
    let directory_path = path.parent().expect("a region's file is in a directory");
    let name = path.file_name().expect("a region's file has a name");
    let common = OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let flags_of_directory = OFlags::PATH | OFlags::DIRECTORY | common;
    let directory = rustix::fs::openat(CWD, directory_path, flags_of_directory, Mode::empty())
        .map_err(failed("open it", directory_path))?;
    let directory = File::from(directory);
    check_owner(&directory, directory_path, owner)?;
    let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP;
    let flags = flags | common | OFlags::NONBLOCK;
    let file =
        rustix::fs::openat(&directory, name, flags, mode).map_err(failed("open it", path))?;
    let file = File::from(file);
    let is_file = file
        .metadata()
        .map_err(failed("look at it", path))?
        .is_file();
    if !is_file {
        let other = std::io::Error::other("it is not a regular file");
        return Err(failed("use it", path)(other));
    }
    check_owner(&file, path, owner)?;
    Ok(file)
}

/// Maps all of `file`.
pub(crate) fn map(file: &File, path: &Path, writable: bool) -> Result<Memory, RegionError> {
    let found = file.metadata().map_err(failed("look at it", path))?.len();
    let expected = 8 * HEADER_WORDS as u64;
    let bytes = usize::try_from(found).ok().filter(|_| found >= expected);
    let bytes = bytes.ok_or(RegionError::Size {
        path: path.to_path_buf(),
        found,
        expected,
    })?;
    let write = if writable {
        ProtFlags::WRITE
    } else {
        ProtFlags::empty()
    };
    let (protection, null) = (ProtFlags::READ | write, std::ptr::null_mut());
    // SAFETY: no address is asked for, so nothing that exists is touched. Another process may change
    // the file while it is mapped: it is only read by atomic words.
    let address =
        unsafe { rustix::mm::mmap(null, bytes, protection, MapFlags::SHARED, file.as_fd(), 0) };
    let address = address.map_err(failed("map it", path))?;
    let mapping = Mapping {
        address: NonNull::new(address.cast()).expect("mmap gives no null"),
        mapped_bytes: bytes,
        words: bytes / 8,
        writable,
        kind: kind_of(file, path)?,
        path: path.to_path_buf(),
    };
    Ok(Memory(Arc::new(mapping)))
}

/// What `file` lies on.
pub(crate) fn kind_of(file: &File, path: &Path) -> Result<MemoryKind, RegionError> {
    let system = rustix::fs::fstatfs(file).map_err(failed("look at its file system", path))?;
    Ok(match system.f_type.cast_unsigned() {
        HUGETLBFS => MemoryKind::Hugetlbfs,
        TMPFS => MemoryKind::DevShm,
        _ => MemoryKind::File,
    })
}

/// Checks what every user of a region checks, and gives the size in bytes that the header says.
pub(crate) fn check_header(memory: &Memory, magic: [u8; 8]) -> Result<u64, RegionError> {
    let header = memory.header();
    let path = || memory.path().to_path_buf();
    let found = header.magic();
    if found == [0; 8] {
        return Err(RegionError::NotReady { path: path() });
    }
    if found != magic {
        let text = |bytes: [u8; 8]| bytes.escape_ascii().to_string();
        let (found, expected) = (text(found), text(magic));
        return Err(RegionError::Magic {
            path: path(),
            found,
            expected,
        });
    }
    if header.version() != LAYOUT_VERSION {
        return Err(RegionError::Version {
            path: path(),
            found: header.version(),
        });
    }
    Ok(header.bytes())
}
