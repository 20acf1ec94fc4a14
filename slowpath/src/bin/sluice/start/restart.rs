//! When a process that died is started again.

use std::time::{Duration, Instant};

/// Shortest and longest wait before a process that died is started again; each is twice the one before.
const BACK_OFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(10)];
/// A process that ran for so long had started well: the wait begins anew.
const WELL: Duration = Duration::from_secs(60);

/// When a process is started again.
#[derive(Clone, Copy)]
pub(super) struct Restart {
    due: Option<Instant>,
    /// The next wait.
    wait: Duration,
}

impl Default for Restart {
    fn default() -> Self {
        Self {
            due: None,
            wait: BACK_OFF[0],
        }
    }
}

impl Restart {
    /// After it ran for so long: how long it is waited.
    pub(super) fn after(&mut self, ran: Duration) -> Duration {
        let wait = if ran >= WELL { BACK_OFF[0] } else { self.wait };
        self.due = Some(Instant::now() + wait);
        self.wait = (wait * 2).min(BACK_OFF[1]);
        wait
    }

    /// Says so once.
    pub(super) fn is_due(&mut self) -> bool {
        self.due.take_if(|due| *due <= Instant::now()).is_some()
    }
}
