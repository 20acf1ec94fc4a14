//! Time, recovery, rule versions and checkpoints: what the sequencer itself sends.

use crate::engine::{ENGINE_VERSION, Engine};
use domain::{Effects, EngineVersion, EventKind, Nanos, Phase, Reason, Recovered, StateHash, Zero};

impl Engine {
    /// When a `Timer` is due next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Nanos> {
        match self.phase {
            Phase::Open => None,
            Phase::CancelOnly => Some(self.cancel_only_until),
        }
    }

    /// Does what is due by now.
    pub(crate) fn timer(&mut self, out: &mut Effects) {
        if self.next_deadline().is_some_and(|due| self.now >= due) {
            self.open(out);
        }
    }

    pub(crate) fn recovered(
        &mut self,
        command: &Recovered,
        out: &mut Effects,
    ) -> Result<(), Reason> {
        if command.epoch < self.epoch {
            return Err(Reason::InvalidParameter);
        }
        if command.epoch > self.epoch {
            self.epoch = command.epoch;
            for session in self.sessions.iter_mut().flatten() {
                session.epoch_report_no = session.next_report_no;
            }
        }
        if command.grace > Nanos(0) {
            self.phase = Phase::CancelOnly;
            self.cancel_only_until = Nanos(self.now.0.saturating_add(command.grace.0));
            self.report_phase(out);
        } else if self.phase == Phase::CancelOnly {
            self.open(out);
        }
        Ok(())
    }

    fn open(&mut self, out: &mut Effects) {
        self.phase = Phase::Open;
        self.cancel_only_until = Nanos(0);
        self.report_phase(out);
    }

    pub(crate) fn switch_version(&mut self, command: &EngineVersion) -> Result<(), Reason> {
        if command.version != ENGINE_VERSION {
            return Err(Reason::UnsupportedEngineVersion);
        }
        self.version = command.version;
        Ok(())
    }

    pub(crate) fn checkpoint(&self, out: &mut Effects) {
        out.push(&StateHash {
            kind: EventKind::StateHash,
            pad: [Zero::Zero; 7],
            hash: self.state_hash(),
        });
    }
}
