//! The disk: the archiver's thread, and what the disk does alone.

use anyhow::{Context as _, Result};
use archive::{Archiver, FileStorage, Limits, frames_of};
use domain::Seq;
use journal::SegmentName;
use shm::{LogReader, Memory, SlowWriter};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Sleep of an archiver that has nothing to do.
const IDLE: Duration = Duration::from_micros(200);

/// What the archiver did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Archived {
    /// Groups, each with one write and one fdatasync.
    pub(super) groups: u64,
    pub(super) frames: u64,
    /// Time within its steps.
    pub(super) busy: Duration,
}

/// Archives until it is asked to end and everything is durable: the slowpath's archiver over files of the
/// folder, without its pauses between groups.
pub(super) fn archive(
    folder: &Path,
    segment_bytes: u64,
    journal: &Memory,
    slow: &SlowWriter,
    stop: &AtomicBool,
) -> Result<Archived> {
    let storage = FileStorage::open(folder, "")?;
    let frames = frames_of(LogReader::new(journal.clone(), 1)?);
    let head = LogReader::new(journal.clone(), 1)?;
    let limits = Limits {
        segment_bytes,
        ..Limits::default()
    };
    let mut archiver = Archiver::new(storage, frames, 0, limits, None);
    let mut archived = Archived::default();
    loop {
        let begin = Instant::now();
        // ORDER: the flag is the whole message; the head is looked at after it.
        let last = stop.load(Ordering::Relaxed);
        // Nothing is tried again: what fails ends it.
        let frames = archiver
            .step(Duration::ZERO)
            .context("the archiver refuses to go on")?;
        if let Some(trouble) = archiver.trouble() {
            anyhow::bail!("the archiver is in trouble: {trouble}");
        }
        slow.set_durable_seq(archiver.durable().0);
        if frames > 0 {
            archived.groups += 1;
            archived.frames += frames as u64;
            archived.busy += begin.elapsed();
        } else if last && archiver.durable().0 >= head.head() {
            return Ok(archived);
        } else {
            std::thread::sleep(IDLE);
        }
    }
}

/// Removes segments that are closed and durable, but for the newest two; says how many bytes went.
pub(super) fn remove_old(folder: &Path) -> Result<u64> {
    let mut segments: Vec<(Seq, std::path::PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(SegmentName(first)) = name.and_then(SegmentName::parse) {
            segments.push((first, path));
        }
    }
    segments.sort();
    let mut bytes = 0;
    for (_, path) in segments.iter().rev().skip(2) {
        bytes += fs::metadata(path)?.len();
        fs::remove_file(path)?;
    }
    Ok(bytes)
}

/// Bytes that are there.
pub(super) fn left(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

/// What the disk does alone: sequential writes with an fdatasync each, in the archive's folder.
#[derive(Clone, Copy, Debug)]
pub(super) struct Floor {
    /// Bytes a second.
    pub(super) bytes: u64,
    /// Groups a second.
    pub(super) groups: u64,
}

/// Measures it with groups of so many bytes.
pub(super) fn floor(folder: &Path, group: usize, time: Duration) -> Result<Floor> {
    let path = folder.join("floor.tmp");
    let bytes: Vec<u8> = (0..group)
        .map(|n| u8::try_from(n % 251).unwrap_or(0))
        .collect();
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .open(&path)?;
    let (begin, mut groups) = (Instant::now(), 0_u64);
    while begin.elapsed() < time {
        file.write_all(&bytes)?;
        file.sync_data()?;
        groups += 1;
    }
    let took = u64::try_from(begin.elapsed().as_millis())
        .unwrap_or(u64::MAX)
        .max(1);
    drop(file);
    fs::remove_file(&path)?;
    Ok(Floor {
        bytes: groups * group as u64 * 1_000 / took,
        groups: groups * 1_000 / took,
    })
}
