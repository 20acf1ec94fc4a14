//! Time, recovery, rule versions and checkpoints: what the sequencer itself sends.

use crate::engine::{ENGINE_VERSION, Engine};
use domain::{
    CommandKind, Effects, EngineVersion, EventKind, Nanos, Phase, Reason, Recovered, StateHash,
    Zero,
};

impl Engine {
    /// When a `Timer` is due next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Nanos> {
        let expiry = self.expiries.first().map(|(time, _)| time);
        match self.phase {
            Phase::Open => expiry,
            Phase::CancelOnly => {
                let opening = self.cancel_only_until;
                Some(expiry.map_or(opening, |expiry| expiry.min(opening)))
            }
        }
    }

    /// Does what is due by now.
    pub(crate) fn timer(&mut self, out: &mut Effects) {
        if self.phase == Phase::CancelOnly && self.now >= self.cancel_only_until {
            self.open(out);
        }
        Self::report_outcome(CommandKind::Timer, Reason::None, out);
        self.expire(out);
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
            self.sessions.change_all(|session| {
                session.epoch_report_no = session.next_report_no;
            });
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
