//! On what a folder lies: what fdatasync says of it depends on that.

use anyhow::{Context as _, Result, ensure};
use std::path::Path;

/// Kinds by the number that the kernel gives them, as far as it is likely that one measures on them.
const KINDS: [(u64, &str); 10] = [
    (0xEF53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683E, "btrfs"),
    (0xF2F5_2010, "f2fs"),
    (0x2FC1_2FC1, "zfs"),
    (0x794C_7630, "overlayfs"),
    (0x6969, "nfs"),
    (0x6573_5546, "fuse"),
    (TMPFS, "tmpfs"),
    (RAMFS, "ramfs"),
];
const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58F6;

/// A kind of file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSystem(u64);

impl FileSystem {
    /// That on which a folder lies.
    ///
    /// # Errors
    /// If there is no such folder.
    pub fn of(folder: &Path) -> Result<Self> {
        let found = rustix::fs::statfs(folder)
            .with_context(|| format!("look at the file system of {}", folder.display()))?;
        // The kernel's number has 32 bits; the field is signed where it is a long.
        Ok(Self(found.f_type.cast_unsigned() & 0xFFFF_FFFF))
    }

    /// What it is called; its number if that is not known here.
    #[must_use]
    pub fn name(self) -> String {
        let known = KINDS.iter().find(|(number, _)| *number == self.0);
        known.map_or_else(
            || format!("file system {:#x}", self.0),
            |(_, name)| (*name).to_owned(),
        )
    }

    /// What is written there stays in memory.
    #[must_use]
    pub fn is_memory(self) -> bool {
        matches!(self.0, TMPFS | RAMFS)
    }
}

/// Refuses a folder in which nothing becomes durable.
///
/// # Errors
/// If it lies in memory: the error says where to turn.
pub fn check_durable(folder: &Path) -> Result<()> {
    let found = FileSystem::of(folder)?;
    ensure!(
        !found.is_memory(),
        "{} lies on {}: fdatasync does nothing there; set TMPDIR to a folder on a disk",
        folder.display(),
        found.name()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_memory_is_not_durable() {
        let refused = check_durable(Path::new("/dev/shm")).expect_err("it is a tmpfs");
        assert!(
            refused.to_string().contains("/dev/shm lies on tmpfs"),
            "{refused}"
        );
        assert!(FileSystem(RAMFS).is_memory() && !FileSystem(0xEF53).is_memory());
        assert!(check_durable(Path::new("/nowhere at all")).is_err());
    }

    #[test]
    fn a_kind_is_named_or_numbered() {
        assert_eq!(FileSystem(0xEF53).name(), "ext4");
        assert_eq!(FileSystem(0xABC).name(), "file system 0xabc");
    }
}
