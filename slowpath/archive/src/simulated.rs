//! A disk in memory that can fail and crash, for tests and the simulator.
//!
//! It keeps apart what the page cache shows and what is on the disk. Reads see the cache; a crash
//! leaves the disk and, as the test chooses, some of what was not synced. A failed sync marks the
//! bytes as clean without writing them, as Linux does: a later sync that succeeds does not save them.

use crate::storage::Storage;
use domain::{Nanos, Seq};
use journal::{SegmentName, Segments};
use std::collections::BTreeMap;
use std::io;

/// What goes wrong in one operation that changes something (reads are not counted).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails and does nothing.
    Fails,
    /// An append writes this many bytes and then fails; other operations fail and do nothing.
    Torn(usize),
    /// It fails for lack of space, an append after half of its bytes.
    Full,
    /// The machine or the process ends in the middle of it: every later operation fails, until
    /// [`SimulatedDisk::lose_power`] or [`SimulatedDisk::restart`].
    Crash,
}

/// What a loss of power leaves of bytes and names that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// None of them.
    Nothing,
    /// This many bytes of each segment.
    Prefix(usize),
    /// All of them.
    Everything,
    /// All, but the first 64 bytes of each segment are zero: pages are not written in order.
    Hole,
}

#[derive(Clone, Debug, Default)]
struct File {
    cache: Vec<u8>,
    disk: Vec<u8>,
    /// First byte that differs from the disk, as far as the cache knows.
    dirty_from: usize,
    /// The shortest length since the last sync.
    cut: Option<usize>,
    /// Its name is on the disk.
    named: bool,
}

impl File {
    fn append(&mut self, bytes: &[u8]) {
        self.cache.extend_from_slice(bytes);
    }

    fn truncate(&mut self, len: usize) {
        self.cache.truncate(len);
        self.dirty_from = self.dirty_from.min(len);
        self.cut = Some(self.cut.map_or(len, |cut| cut.min(len)));
    }

    fn sync(&mut self) {
        if let Some(cut) = self.cut.take() {
            self.disk.truncate(cut);
        }
        self.disk.resize(self.cache.len(), 0);
        self.disk[self.dirty_from..].copy_from_slice(&self.cache[self.dirty_from..]);
        self.dirty_from = self.cache.len();
    }

    /// What a loss of power leaves.
    fn surviving(&self, survival: Survival) -> Vec<u8> {
        let pairs = self.disk.iter().zip(&self.cache);
        let same = pairs.take_while(|(disk, cache)| disk == cache).count();
        let mut left = match survival {
            Survival::Nothing => return self.disk.clone(),
            Survival::Prefix(_) if same == self.cache.len() => return self.disk.clone(),
            Survival::Prefix(bytes) => self.cache[..self.cache.len().min(same + bytes)].to_vec(),
            Survival::Everything | Survival::Hole => self.cache.clone(),
        };
        if survival == Survival::Hole {
            let end = left.len().min(same + 64);
            left[same..end].fill(0);
        }
        left
    }
}

/// The disk.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk {
    files: BTreeMap<Seq, File>,
    operations: u64,
    faults: BTreeMap<u64, Fault>,
    crashed: bool,
    capacity: Option<usize>,
    latency: Nanos,
}

impl SimulatedDisk {
    /// An empty disk without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Operations that changed something, or tried to, so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// Lets the operation with this number (from 0) go wrong.
    pub fn fault(&mut self, operation: u64, fault: Fault) {
        self.faults.insert(operation, fault);
    }

    /// Limits the bytes of all segments together; none: no limit.
    pub fn set_capacity(&mut self, bytes: Option<usize>) {
        self.capacity = bytes;
    }

    /// How long each operation takes; see [`SimulatedDisk::elapsed`].
    pub fn set_latency(&mut self, latency: Nanos) {
        self.latency = latency;
    }

    /// Time that all operations took so far, for the test to add to its clock.
    #[must_use]
    pub fn elapsed(&self) -> Nanos {
        Nanos(self.operations * self.latency.0)
    }

    /// Whether a [`Fault::Crash`] has happened and nothing works any more.
    #[must_use]
    pub fn has_crashed(&self) -> bool {
        self.crashed
    }

    /// The machine loses power and starts again.
    pub fn lose_power(&mut self, survival: Survival) {
        let keeps_names = survival != Survival::Nothing;
        self.files.retain(|_, file| file.named || keeps_names);
        for file in self.files.values_mut() {
            let left = file.surviving(survival);
            *file = File {
                dirty_from: left.len(),
                disk: left.clone(),
                cache: left,
                cut: None,
                named: true,
            };
        }
        self.restart();
    }

    /// The process starts again; the page cache is as it was.
    pub fn restart(&mut self) {
        self.crashed = false;
        self.faults.clear();
    }

    /// The bytes of a segment, as the page cache has them, for a test to look at or to damage.
    pub fn bytes(&mut self, first: Seq) -> Option<&mut Vec<u8>> {
        self.files.get_mut(&first).map(|file| &mut file.cache)
    }

    fn file(&mut self, first: Seq) -> io::Result<&mut File> {
        self.files
            .get_mut(&first)
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such segment"))
    }

    /// Counts an operation; says what goes wrong with it.
    fn begin(&mut self) -> io::Result<Option<Fault>> {
        self.alive()?;
        let fault = self.faults.get(&self.operations).copied();
        self.operations += 1;
        self.crashed = fault == Some(Fault::Crash);
        Ok(fault)
    }

    fn alive(&self) -> io::Result<()> {
        if self.crashed {
            return Err(io::Error::other("the machine is down"));
        }
        Ok(())
    }

    /// An operation other than append, which happens or does not.
    fn simple(&mut self, apply: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        match self.begin()? {
            None => apply(self),
            Some(fault) => Err(error_of(fault)),
        }
    }
}

fn error_of(fault: Fault) -> io::Error {
    match fault {
        Fault::Fails | Fault::Torn(_) => io::Error::other("input/output error"),
        Fault::Full => io::Error::new(io::ErrorKind::StorageFull, "no space left on device"),
        Fault::Crash => io::Error::other("the machine is down"),
    }
}

impl Segments for SimulatedDisk {
    fn names(&mut self) -> io::Result<Vec<String>> {
        self.alive()?;
        let names = self
            .files
            .keys()
            .map(|&first| SegmentName(first).to_string());
        Ok(names.chain(["LOCK".to_owned()]).collect())
    }

    fn read(&mut self, first: Seq, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.alive()?;
        let cache = &self.file(first)?.cache;
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| cache.get(offset..))
            .unwrap_or(&[]);
        let bytes = rest.len().min(buffer.len());
        buffer[..bytes].copy_from_slice(&rest[..bytes]);
        Ok(bytes)
    }
}

impl Storage for SimulatedDisk {
    fn create(&mut self, first: Seq) -> io::Result<()> {
        self.simple(|disk| {
            disk.files.entry(first).or_default();
            Ok(())
        })
    }

    fn append(&mut self, first: Seq, bytes: &[u8]) -> io::Result<()> {
        let fault = self.begin()?;
        let used: usize = self.files.values().map(|file| file.cache.len()).sum();
        let room = self
            .capacity
            .map_or(usize::MAX, |all| all.saturating_sub(used));
        let written = match fault {
            None => bytes.len(),
            Some(Fault::Fails) => 0,
            Some(Fault::Torn(written)) => written.min(bytes.len()),
            Some(Fault::Full | Fault::Crash) => bytes.len() / 2,
        };
        let written = written.min(room);
        self.file(first)?.append(&bytes[..written]);
        match fault {
            Some(fault) => Err(error_of(fault)),
            None if written < bytes.len() => Err(error_of(Fault::Full)),
            None => Ok(()),
        }
    }

    fn truncate(&mut self, first: Seq, len: u64) -> io::Result<()> {
        self.simple(|disk| {
            let len = usize::try_from(len).map_err(io::Error::other)?;
            disk.file(first)?.truncate(len);
            Ok(())
        })
    }

    fn sync(&mut self, first: Seq) -> io::Result<()> {
        match self.begin()? {
            None => {
                self.file(first)?.sync();
                Ok(())
            }
            Some(fault) => {
                let file = self.file(first)?;
                if fault != Fault::Crash {
                    // The cache forgets that these bytes are not on the disk.
                    file.dirty_from = file.cache.len();
                }
                Err(error_of(fault))
            }
        }
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        self.simple(|disk| {
            for file in disk.files.values_mut() {
                file.named = true;
            }
            Ok(())
        })
    }
}
