//! Whether a process of an instance lives, by what it said of itself in its region and what the system says of its
//! pid and of the lock of its region. A pid alone says nothing: after a restart of the machine, or after a while, it is
//! another process's, perhaps another instance's.

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde::Serialize;
use shm::Memory;
use shm::layout::ProcessState;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The locks of files of all processes that this one may see.
const LOCKS: &str = "/proc/locks";

/// Whether a process runs, or how it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Life {
    /// It has never been there.
    Absent,
    /// It is there.
    Running,
    /// It was asked to stop, and left nothing undone.
    Stopped,
    /// It was asked to stop, and what was left stays in journal memory.
    Unfinished,
    /// It ended because of an error.
    Failed,
    /// It has not said that it ended, and does not write its region any more.
    Killed,
}

impl Life {
    /// All, with the names by which figures call them.
    pub const NAMED: [(Self, &'static str); 6] = [
        (Self::Absent, "absent"),
        (Self::Running, "running"),
        (Self::Stopped, "stopped"),
        (Self::Unfinished, "unfinished"),
        (Self::Failed, "failed"),
        (Self::Killed, "killed"),
    ];

    /// Of the process `pid`, which `said` so of itself in its `region`; 0 if there never was one.
    #[must_use]
    pub fn of(region: &Memory, said: Option<ProcessState>, pid: u64) -> Self {
        match said {
            _ if pid == 0 => Self::Absent,
            Some(ProcessState::Stopped) => Self::Stopped,
            Some(ProcessState::Unfinished) => Self::Unfinished,
            Some(ProcessState::Failed) => Self::Failed,
            Some(ProcessState::Running) | None if writes(pid, region) => Self::Running,
            Some(ProcessState::Running) | None => Self::Killed,
        }
    }
}

/// Whether the process lives and is the one that writes the region.
fn writes(pid: u64, region: &Memory) -> bool {
    // Where the system does not say its boot, or who locks what, the pid has to do.
    let this_boot = shm::boot_id().map_or(true, |boot| region.header().boot_id() == boot);
    this_boot && is_alive(pid) && holds_lock(pid, region.path()).unwrap_or(true)
}

/// Whether a process holds the lock of a file. It is looked up, not tried: who tries it keeps out a process that
/// starts.
fn holds_lock(pid: u64, path: &Path) -> io::Result<bool> {
    let inode = fs::metadata(path)?.ino();
    // The list is not read at once: what stands in it may be missed while others come and go.
    for _ in 0..3 {
        if fs::read_to_string(LOCKS)?
            .lines()
            .any(|line| is_lock(line, pid, inode))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The process that holds the lock of a file; none if nobody does, or if the system does not say.
#[must_use]
pub fn lock_holder(path: &Path) -> Option<u64> {
    let inode = fs::metadata(path).ok()?.ino();
    let locks = fs::read_to_string(LOCKS).ok()?;
    let pids = locks
        .lines()
        .filter_map(|line| line.split_whitespace().nth(4)?.parse().ok());
    let mut pids = pids.filter(|pid| locks.lines().any(|line| is_lock(line, *pid, inode)));
    pids.next()
}

/// Whether a line as `3: FLOCK  ADVISORY  WRITE 6393 fe:00:5357570 0 EOF` is of this process and file. Devices are left
/// aside: there are file systems that give files another one than the system's lists.
fn is_lock(line: &str, pid: u64, inode: u64) -> bool {
    let mut words = line.split_whitespace().skip(1);
    let (kind, mode) = (words.next(), words.nth(1));
    let (holder, file) = (words.next(), words.next());
    let inode_of = |file: &str| file.rsplit(':').next()?.parse().ok();
    kind == Some("FLOCK")
        && mode == Some("WRITE")
        && holder.and_then(|pid| pid.parse().ok()) == Some(pid)
        && file.and_then(inode_of) == Some(inode)
}

/// Whether there is such a process, ours or not, that can still do something.
#[must_use]
pub fn is_alive(pid: u64) -> bool {
    let id = i32::try_from(pid).ok().and_then(Pid::from_raw);
    id.is_some_and(|id| matches!(test_kill_process(id), Ok(()) | Err(Errno::PERM)))
        && !is_zombie(pid)
}

/// Whether a process has ended and its parent has not taken note of it yet.
fn is_zombie(pid: u64) -> bool {
    // After the program's name in brackets, which may hold anything, comes the state.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    matches!(state, Some('Z' | 'X'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm::{Identity, Places, slow_spec};

    #[test]
    fn whoever_holds_the_lock_runs_and_a_pid_that_is_anothers_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places {
            instance: "life".into(),
            hugetlbfs: None,
            shm_dir: folder.path().to_owned(),
            state_dir: folder.path().join("state"),
        };
        let here = shm::boot_id().unwrap();
        let make = |boot_id| {
            let identity = Identity {
                shard: 0,
                boot_id,
                epoch: 1,
            };
            Memory::create_or_open(&places, "slow", slow_spec(), identity).unwrap()
        };
        // Its pid is this test's, which lives.
        let pid = u64::from(std::process::id());
        let life = |region: &Memory| Life::of(region, Some(ProcessState::Running), pid);
        let (region, lock, _) = make(here);
        assert_eq!(life(&region), Life::Running);
        assert_eq!(Life::of(&region, None, 0), Life::Absent);
        assert_eq!(lock_holder(region.path()), Some(pid));
        drop(lock);
        assert_eq!(lock_holder(region.path()), None);
        assert_eq!(life(&region), Life::Killed, "nobody writes it");
        let stopped = Life::of(&region, Some(ProcessState::Stopped), pid);
        assert_eq!(stopped, Life::Stopped);
        fs::remove_file(region.path()).unwrap();
        let (region, _lock, _) = make([here[0] ^ 1, here[1]]);
        assert_eq!(life(&region), Life::Killed, "of another boot");
    }

    #[test]
    fn a_lock_is_known_by_kind_mode_process_and_file() {
        let line = "3: FLOCK  ADVISORY  WRITE 6393 fe:00:5357570 0 EOF";
        assert!(is_lock(line, 6393, 5_357_570));
        assert!(!is_lock(line, 6393, 5_357_571) && !is_lock(line, 1, 5_357_570));
        for other in ["POSIX", "FLOCK  ADVISORY  READ", "-> FLOCK"] {
            let line = line.replace("FLOCK  ADVISORY  WRITE", other);
            assert!(!is_lock(&line, 6393, 5_357_570), "{line}");
        }
    }
}
