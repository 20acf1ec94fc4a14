//! Where the reports and numbers of sessions stand in the journal, and who may ask for them.
//!
//! Data: for each session marks, in order: a block of the index, and the first report and number that come in it or
//! behind it; and the key that its owner agreed on last. Owner: [`crate::History`]. Invariant: what comes behind a mark
//! and before the next one stands in the [`SPAN`] blocks that begin with the mark's, so that one session in a block of
//! many costs a mark only now and then.

use domain::{Command, Event, Gate, Reason, SessionId};
use journal::Frame;
use std::collections::BTreeMap;

/// Blocks behind a mark in which what it leads to may stand.
pub(crate) const SPAN: usize = 16;

/// How a session is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// By which door its commands come in.
    pub gate: Gate,
    /// Its client's public key.
    pub client_key: [u8; 32],
}

/// Where something of a session begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    block: usize,
    report: u64,
    number: u64,
}

/// What is known of a session.
#[derive(Clone, Debug)]
struct Known {
    access: Option<Access>,
    next_report: u64,
    next_number: u64,
    marks: Vec<Mark>,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            access: None,
            next_report: 1,
            next_number: 1,
            marks: Vec::new(),
        }
    }
}

impl Known {
    /// Something of the session stands in the block.
    fn touch(&mut self, block: usize) {
        if self
            .marks
            .last()
            .is_none_or(|mark| block >= mark.block + SPAN)
        {
            self.marks.push(Mark {
                block,
                report: self.next_report,
                number: self.next_number,
            });
        }
    }

    /// The block with which a search begins that ends [`SPAN`] blocks further.
    fn last_mark(&self, is_before: impl Fn(&Mark) -> bool) -> Option<usize> {
        let behind = self.marks.partition_point(is_before);
        Some(self.marks.get(behind.checked_sub(1)?)?.block)
    }
}

/// All sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions(BTreeMap<SessionId, Known>);

impl Sessions {
    /// Takes note of a frame, which stands in a block.
    pub(crate) fn note(&mut self, frame: &Frame<'_>, block: usize) {
        if let Some(session) = frame.header.source.session() {
            let known = self.0.entry(session).or_default();
            known.touch(block);
            let next = frame.header.source_seq.saturating_add(1);
            known.next_number = known.next_number.max(next);
        }
        let mut is_refused = false;
        for event in frame.events().flatten() {
            if let Some((session, report)) = event.report() {
                let known = self.0.entry(session).or_default();
                known.touch(block);
                known.next_report = known.next_report.max(report.saturating_add(1));
            }
            if let Event::Outcome(outcome) = event {
                is_refused = outcome.reason != Reason::None;
            }
        }
        if !is_refused {
            self.delegated(&frame.command);
        }
    }

    fn delegated(&mut self, command: &Command) {
        if let Command::OpenSession(open) = command {
            let known = self.0.entry(open.session).or_default();
            known.access = Some(Access {
                gate: open.gate,
                client_key: open.delegation.exchange_key,
            });
        } else if let Command::Delegate(delegate) = command
            && let Some(known) = self.0.get_mut(&delegate.session)
            && let Some(access) = &mut known.access
        {
            access.client_key = delegate.delegation.exchange_key;
        }
    }

    pub(crate) fn access(&self, session: SessionId) -> Option<Access> {
        self.0.get(&session)?.access
    }

    /// The report number of the session that comes next.
    pub(crate) fn next_report(&self, session: SessionId) -> u64 {
        self.0.get(&session).map_or(1, |known| known.next_report)
    }

    /// The first of the [`SPAN`] blocks among which a report stands.
    pub(crate) fn block_of_report(&self, session: SessionId, report: u64) -> Option<usize> {
        let known = self.0.get(&session)?;
        let issued = report < known.next_report;
        issued
            .then(|| known.last_mark(|mark| mark.report <= report))
            .flatten()
    }

    /// The first of the [`SPAN`] blocks among which it stands what became of a number.
    pub(crate) fn block_of_number(&self, session: SessionId, number: u64) -> Option<usize> {
        let known = self.0.get(&session)?;
        let given = number < known.next_number;
        given
            .then(|| known.last_mark(|mark| mark.number <= number))
            .flatten()
    }

    /// The session's last mark before a block: the blocks behind it up to that one, at most [`SPAN`], have all that is
    /// the session's there.
    pub(crate) fn block_before(&self, session: SessionId, block: usize) -> Option<usize> {
        self.0.get(&session)?.last_mark(|mark| mark.block < block)
    }
}
