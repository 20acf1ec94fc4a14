//! What a process says of its own life in the region that it writes.

/// Set by a start before it changes anything, and by the process as the last thing that it does. A
/// process that is killed says nothing: its region is still that of one that runs, under a pid that
/// nobody has any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u64)]
pub enum ProcessState {
    /// It has not ended by itself: it runs, it was killed, or it has never been there.
    #[default]
    Running = 0,
    /// It was asked to stop, and left nothing undone.
    Stopped = 1,
    /// It was asked to stop, and what was left stays in journal memory.
    Unfinished = 2,
    /// It ended because of an error.
    Failed = 3,
}

impl ProcessState {
    /// The state with this number.
    #[must_use]
    pub fn from_word(word: u64) -> Option<Self> {
        [Self::Running, Self::Stopped, Self::Unfinished, Self::Failed]
            .into_iter()
            .find(|state| *state as u64 == word)
    }
}
