//! Whether a process of an instance lives, by what it said of itself in its region and what the system says of its
//! pid.

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde::Serialize;
use shm::layout::ProcessState;

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
    /// It has not said that it ended, and no process has its pid.
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

    /// Of the process `pid`, which `said` so of itself; 0 if there never was one.
    #[must_use]
    pub fn of(said: Option<ProcessState>, pid: u64) -> Self {
        match said {
            _ if pid == 0 => Self::Absent,
            Some(ProcessState::Stopped) => Self::Stopped,
            Some(ProcessState::Unfinished) => Self::Unfinished,
            Some(ProcessState::Failed) => Self::Failed,
            Some(ProcessState::Running) | None if is_alive(pid) => Self::Running,
            Some(ProcessState::Running) | None => Self::Killed,
        }
    }
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
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    matches!(state, Some('Z' | 'X'))
}
