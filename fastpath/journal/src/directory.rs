//! Where segments lie: a directory, or whatever a simulation puts in its place.

use crate::segment::SegmentName;
use domain::Seq;
use rustix::fs::{Mode, OFlags};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Reads segments by the seq of their first frame.
pub trait Segments {
    /// Names of all files, in any order, segments or not.
    ///
    /// # Errors
    /// What the file system says.
    fn names(&mut self) -> io::Result<Vec<String>>;

    /// Reads into `buffer` from `offset` on; 0 bytes only at the end of the segment.
    ///
    /// # Errors
    /// What the file system says; [`io::ErrorKind::NotFound`] if there is no such segment.
    fn read(&mut self, first: Seq, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

impl<S: Segments + ?Sized> Segments for &mut S {
    fn names(&mut self) -> io::Result<Vec<String>> {
        (**self).names()
    }

    fn read(&mut self, first: Seq, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        (**self).read(first, offset, buffer)
    }
}

/// Segments in a directory of the file system, for reading.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    open: Option<(Seq, File)>,
}

impl Directory {
    /// Over a directory, which must exist: one that is absent may be a disk that is not mounted.
    ///
    /// # Errors
    /// If it cannot be read; the message says what to do.
    pub fn open(path: &Path) -> io::Result<Self> {
        fs::read_dir(path).map_err(|error| {
            let advice = format!(
                "archive directory {}: {error}; mount its disk, or make the directory if this is the first start",
                path.display()
            );
            io::Error::new(error.kind(), advice)
        })?;
        Ok(Self {
            path: path.to_path_buf(),
            open: None,
        })
    }
}

/// Opens a file for reading, and gives its length: without waiting, because a pipe waits for a writer; and nothing but
/// a file of its folder.
pub(crate) fn open_file(path: &Path) -> io::Result<(File, u64)> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    Ok((file, metadata.len()))
}

impl Segments for Directory {
    fn names(&mut self) -> io::Result<Vec<String>> {
        fs::read_dir(&self.path)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn read(&mut self, first: Seq, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let file = match self.open.take() {
            Some((seq, file)) if seq == first => file,
            _ => open_file(&self.path.join(SegmentName(first).to_string()))?.0,
        };
        // A file that gave an error is opened anew: another may have taken its place.
        let read = file.read_at(buffer, offset)?;
        self.open = Some((first, file));
        Ok(read)
    }
}
