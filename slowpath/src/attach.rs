//! The regions: the slowpath's own, and those of the fastpath, for reading.

use crate::asked::Asked;
use crate::patience;
use anyhow::{Context as _, Result};
use domain::Seq;
use shm::layout::fast_layout::FAST_MAGIC;
use shm::layout::slow_layout::SLOW_MAGIC;
use shm::log::JOURNAL_MAGIC;
use shm::{
    Found, Identity, LogReader, Memory, Places, RegionError, SlowWriter, WriterLock, slow_spec,
};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use topology::Config;

/// A region of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// Journal memory.
    Journal,
    /// What the fastpath shows.
    Fast,
    /// What the slowpath shows.
    Slow,
}

impl Region {
    /// All.
    pub const ALL: [Self; 3] = [Self::Journal, Self::Fast, Self::Slow];

    /// Its name, which is that of its file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Fast => "fast",
            Self::Slow => "slow",
        }
    }

    fn magic(self) -> [u8; 8] {
        match self {
            Self::Journal => JOURNAL_MAGIC,
            Self::Fast => FAST_MAGIC,
            Self::Slow => SLOW_MAGIC,
        }
    }
}

/// Where the regions of an instance may lie.
#[must_use]
pub fn places(config: &Config) -> Places {
    Places {
        instance: config.instance.name.clone(),
        hugetlbfs: config.memory.hugetlbfs.clone(),
        shm_dir: config.memory.shm_dir.clone(),
        state_dir: config.state_dir(),
    }
}

/// What has become of the file behind a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is where it was.
    Same,
    /// Its path leads nowhere: whoever has it mapped goes on, nobody else will find it.
    Gone,
    /// Its path leads to another file: somebody made the region anew.
    Replaced,
}

/// The file of a region, to be told from one that takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionFile {
    region: Region,
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl RegionFile {
    fn look(region: Region, path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(Self {
            region,
            path: path.to_path_buf(),
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }

    /// Which region.
    #[must_use]
    pub fn region(&self) -> Region {
        self.region
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What has become of it.
    #[must_use]
    pub fn fate(&self) -> Fate {
        match Self::look(self.region, &self.path) {
            Ok(now) if now == *self => Fate::Same,
            Ok(_) => Fate::Replaced,
            Err(_) => Fate::Gone,
        }
    }
}

/// Maps a region for reading; none if it is not there, or not finished yet.
///
/// # Errors
/// [`RegionError`] if what is there is something else, another user's than the instance's, or this
/// process's user may not read it.
pub fn open(places: &Places, region: Region) -> Result<Option<(Memory, RegionFile)>, RegionError> {
    let Some(path) = places.find(region.name())? else {
        return Ok(None);
    };
    let Ok(before) = RegionFile::look(region, &path) else {
        return Ok(None);
    };
    match Memory::open_reader_of(&path, region.magic(), places.owner()) {
        // Replaced while we looked: the next look will find the new one.
        Ok(_) if before.fate() != Fate::Same => Ok(None),
        Ok(memory) => {
            places.check_home(&memory)?;
            Ok(Some((memory, before)))
        }
        Err(RegionError::NotReady { .. }) => Ok(None),
        Err(RegionError::Size {
            found, expected, ..
        }) if found < expected => Ok(None),
        Err(RegionError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Journal memory of this boot, for reading; none if there is none or it was written in another boot
/// of the machine, and may be torn. Its writer wipes such a one when it starts.
///
/// # Errors
/// [`RegionError`] if what is there is something else.
pub fn open_journal(
    places: &Places,
    boot_id: [u64; 2],
) -> Result<Option<(Memory, RegionFile)>, RegionError> {
    let found = open(places, Region::Journal)?;
    Ok(found.filter(|(memory, _)| memory.header().boot_id() == boot_id))
}

/// A reader of journal memory of this boot, if there is any.
///
/// # Errors
/// If what is there is something else, or the boot id is not to be had.
pub fn journal_reader(config: &Config) -> Result<Option<LogReader>> {
    let boot_id = shm::boot_id().context("read the boot id")?;
    match open_journal(&places(config), boot_id)? {
        Some((memory, _)) => Ok(Some(LogReader::new(memory, 1)?)),
        None => Ok(None),
    }
}

/// The region `slow`, and the right to write it.
pub struct OwnRegion {
    /// Writes it.
    pub writer: SlowWriter,
    /// Its memory.
    pub memory: Memory,
    /// Its file.
    pub file: RegionFile,
    /// What an archiver of this boot published last, if one did.
    pub published: Option<Seq>,
    /// Held, never read.
    _lock: WriterLock,
}

impl OwnRegion {
    /// Opens or makes it. What an earlier boot left is wiped. Another holder is waited for, because a fastpath that
    /// starts has it for a moment; none if somebody asked to stop meanwhile.
    ///
    /// # Errors
    /// If another process goes on writing it, or no place takes it.
    pub fn open(
        places: &Places,
        shard: u16,
        boot_id: [u64; 2],
        asked: &Asked,
    ) -> Result<Option<Self>> {
        let identity = Identity {
            shard,
            boot_id,
            epoch: 0,
        };
        let name = Region::Slow.name();
        let make = || Memory::create_or_open(places, name, slow_spec(), identity);
        let is_held = |error: &RegionError| {
            matches!(
                error,
                RegionError::Locked { .. } | RegionError::NotReady { .. }
            )
        };
        let Some(made) = patience::wait_out(asked, make, is_held) else {
            return Ok(None);
        };
        let (memory, lock, found) = made?;
        let other_boot = Found::Existing {
            boot_matches: false,
            epoch: memory.header().epoch(),
        };
        if found == other_boot {
            memory.wipe()?;
            memory.header().set_identity(&identity);
        }
        let file = RegionFile::look(Region::Slow, memory.path())
            .with_context(|| format!("look at {}", memory.path().display()))?;
        let writer = SlowWriter::new(memory.clone())?;
        // 0 says no more than that nobody published: an archive that has frames is then trusted.
        let published = Some(Seq(writer.view().durable_seq())).filter(|seq| *seq > Seq(0));
        Ok(Some(Self {
            writer,
            memory,
            file,
            published,
            _lock: lock,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm::{fast_spec, journal_spec};

    fn places_in(folder: &Path) -> Places {
        fs::create_dir_all(folder.join("shm")).unwrap();
        Places {
            instance: "attach".into(),
            hugetlbfs: None,
            shm_dir: folder.join("shm"),
            state_dir: folder.join("state"),
        }
    }

    fn identity(boot: u64) -> Identity {
        Identity {
            shard: 0,
            boot_id: [boot, 0],
            epoch: 1,
        }
    }

    #[test]
    fn what_is_not_there_or_not_finished_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let places = places_in(folder.path());
        assert!(open(&places, Region::Fast).unwrap().is_none());
        let directory = places.shm_dir.join("sluice-attach");
        fs::create_dir_all(&directory).unwrap();
        for unfinished in [0, 4096] {
            fs::write(directory.join("fast"), vec![0; unfinished]).unwrap();
            assert!(open(&places, Region::Fast).unwrap().is_none());
        }
        fs::write(directory.join("fast"), vec![7; 4096]).unwrap();
        let foreign = open(&places, Region::Fast).unwrap_err();
        assert!(
            foreign.to_string().contains("no \"SLUICEFA\" region"),
            "{foreign}"
        );
    }

    #[test]
    fn a_region_that_is_made_anew_is_not_the_one_that_is_mapped() {
        let folder = tempfile::tempdir().unwrap();
        let places = places_in(folder.path());
        let made = Memory::create_or_open(&places, "fast", fast_spec(1), identity(1)).unwrap();
        let (_, file) = open(&places, Region::Fast).unwrap().unwrap();
        assert_eq!(file.fate(), Fate::Same);
        fs::rename(file.path(), folder.path().join("elsewhere")).unwrap();
        assert_eq!(file.fate(), Fate::Gone);
        drop(made);
        let _made = Memory::create_or_open(&places, "fast", fast_spec(1), identity(1)).unwrap();
        assert_eq!(file.fate(), Fate::Replaced);
    }

    #[test]
    fn journal_memory_of_another_boot_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let places = places_in(folder.path());
        let spec = journal_spec(1024, 4096);
        let _made = Memory::create_or_open(&places, "journal", spec, identity(1)).unwrap();
        assert!(open_journal(&places, [1, 0]).unwrap().is_some());
        assert!(open_journal(&places, [2, 0]).unwrap().is_none());
    }

    #[test]
    fn progress_counts_in_its_own_boot_only() {
        let folder = tempfile::tempdir().unwrap();
        let places = places_in(folder.path());
        let asked = Asked::default();
        let own = |boot: u64| {
            OwnRegion::open(&places, 0, [boot, 0], &asked)
                .unwrap()
                .unwrap()
        };
        let published = |boot: u64| own(boot).published;
        assert_eq!(published(1), None);
        own(1).writer.set_durable_seq(9);
        assert_eq!(published(1), Some(Seq(9)));
        assert_eq!(published(2), None, "another boot");
        assert_eq!(published(2), None, "wiped");
    }
}
