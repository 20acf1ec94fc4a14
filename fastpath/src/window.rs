//! Where the reports and outcomes of a session stand in the journal.
//!
//! A cache for the out tile, rebuilt from journal memory at start: for the last
//! [`Windows::size`] report numbers and message numbers of each session, the seq of the frame that
//! holds them. Only the low half of a seq is kept; the other half follows from the head. The entry
//! of a session that was idle for 2^32 frames so names a frame that it has nothing to do with: who
//! reads the frame checks that it holds what was looked for.

use domain::SessionId;

/// The fixed windows of all sessions.
pub(crate) struct Windows {
    size: usize,
    sessions: Vec<SessionWindow>,
    frames: Box<[u32]>,
}

/// What is known of one session.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SessionWindow {
    /// The session's report number to come.
    pub(crate) next_report: u64,
    /// The highest number of the session in the journal.
    pub(crate) last_applied: u64,
    /// Reports and numbers below these are not in the window.
    first_report: u64,
    first_number: u64,
}

#[derive(Clone, Copy)]
enum Row {
    Reports = 0,
    Numbers = 1,
}

impl Windows {
    /// Windows of `size` (a power of two) for sessions whose state at the head is given. Entries
    /// come with [`Windows::report`] and [`Windows::number`].
    pub(crate) fn new(size: usize, heads: impl Iterator<Item = (u64, u64)>) -> Self {
        assert!(
            size.is_power_of_two(),
            "the configuration checks that the window is a power of two"
        );
        let sessions: Vec<_> = heads
            .map(|(next_report, last_applied)| SessionWindow {
                next_report,
                last_applied,
                first_report: u64::MAX,
                first_number: u64::MAX,
            })
            .collect();
        let frames = vec![0; sessions.len() * 2 * size].into_boxed_slice();
        Self {
            size,
            sessions,
            frames,
        }
    }

    pub(crate) fn session(&self, session: SessionId) -> Option<&SessionWindow> {
        self.sessions.get(usize::try_from(session.0).ok()?)
    }

    /// The oldest report that can be found.
    pub(crate) fn oldest_report(&self, session: SessionId) -> u64 {
        self.session(session).map_or(1, |s| {
            let kept = s.next_report.saturating_sub(self.size as u64);
            s.first_report.max(kept).min(s.next_report)
        })
    }

    /// Report `number` of the session stands in frame `seq`.
    pub(crate) fn report(&mut self, session: SessionId, number: u64, seq: u64) {
        let Some(place) = self.place(session, Row::Reports, number) else {
            return;
        };
        self.frames[place] = low(seq);
        let entry = &mut self.sessions[session.0 as usize];
        entry.next_report = entry.next_report.max(number + 1);
        entry.first_report = entry.first_report.min(number);
    }

    /// Frame `seq` says what became of the session's message `number`.
    pub(crate) fn number(&mut self, session: SessionId, number: u64, seq: u64) {
        let Some(place) = self.place(session, Row::Numbers, number) else {
            return;
        };
        self.frames[place] = low(seq);
        let entry = &mut self.sessions[session.0 as usize];
        entry.last_applied = entry.last_applied.max(number);
        entry.first_number = entry.first_number.min(number);
    }

    /// The numbers `from .. from + count` were skipped, and frame `seq` says so.
    pub(crate) fn skipped(&mut self, session: SessionId, from: u64, count: u64, seq: u64) {
        let end = from.saturating_add(count);
        let start = from.max(end.saturating_sub(self.size as u64));
        let Some(first) = self
            .place(session, Row::Numbers, start)
            .filter(|_| start < end)
        else {
            return;
        };
        // At most once around the ring: from the first place to the end of the row, then the rest.
        let row = first - (first % self.size);
        let count = usize::try_from(end - start)
            .unwrap_or(self.size)
            .min(self.size);
        let before_end = count.min(row + self.size - first);
        self.frames[first..first + before_end].fill(low(seq));
        self.frames[row..row + count - before_end].fill(low(seq));
        let entry = &mut self.sessions[session.0 as usize];
        entry.last_applied = entry.last_applied.max(end - 1);
        entry.first_number = entry.first_number.min(start);
    }

    /// The frame of a report; `head` is the last frame that the caller has seen.
    pub(crate) fn frame_of_report(
        &self,
        session: SessionId,
        number: u64,
        head: u64,
    ) -> Option<u64> {
        let entry = self.session(session)?;
        (number < entry.next_report && number >= self.oldest_report(session))
            .then(|| self.frame(session, Row::Reports, number, head))
            .flatten()
    }

    /// The frame that says what became of a message.
    pub(crate) fn frame_of_number(
        &self,
        session: SessionId,
        number: u64,
        head: u64,
    ) -> Option<u64> {
        let entry = self.session(session)?;
        let kept = (entry.last_applied + 1).saturating_sub(self.size as u64);
        (number <= entry.last_applied && number >= entry.first_number.max(kept))
            .then(|| self.frame(session, Row::Numbers, number, head))
            .flatten()
    }

    fn frame(&self, session: SessionId, row: Row, number: u64, head: u64) -> Option<u64> {
        let frame = self.frames[self.place(session, row, number)?];
        head.checked_sub(u64::from(low(head).wrapping_sub(frame)))
    }

    fn place(&self, session: SessionId, row: Row, number: u64) -> Option<usize> {
        let session = usize::try_from(session.0)
            .ok()
            .filter(|&s| s < self.sessions.len())?;
        let slot = usize::try_from(number).ok()? & (self.size - 1);
        Some((session * 2 + row as usize) * self.size + slot)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the low half is what is kept"
)]
fn low(seq: u64) -> u32 {
    seq as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: SessionId = SessionId(1);

    #[test]
    fn finds_what_is_in_the_window_and_nothing_else() {
        let mut windows = Windows::new(4, [(1, 0), (1, 0)].into_iter());
        for n in 1..=6 {
            windows.report(SESSION, n, 100 + n);
            windows.number(SESSION, n, 100 + n);
        }
        assert_eq!(windows.frame_of_report(SESSION, 6, 200), Some(106));
        assert_eq!(windows.frame_of_report(SESSION, 3, 200), Some(103));
        assert_eq!(
            windows.frame_of_report(SESSION, 2, 200),
            None,
            "has left the window"
        );
        assert_eq!(
            windows.frame_of_report(SESSION, 7, 200),
            None,
            "was not issued"
        );
        assert_eq!(windows.frame_of_number(SESSION, 2, 200), None);
        assert_eq!(windows.frame_of_number(SESSION, 3, 200), Some(103));
        assert_eq!(windows.frame_of_number(SessionId(0), 1, 200), None);
        assert_eq!(windows.frame_of_number(SessionId(9), 1, 200), None);
    }

    #[test]
    fn a_fresh_window_knows_the_numbers_but_no_frames() {
        let windows = Windows::new(4, [(50, 40)].into_iter());
        assert_eq!(windows.frame_of_report(SessionId(0), 49, 200), None);
        assert_eq!(windows.frame_of_number(SessionId(0), 40, 200), None);
        assert_eq!(windows.oldest_report(SessionId(0)), 50);
    }

    #[test]
    fn skipped_numbers_lead_to_the_frame_that_skipped_them() {
        let mut windows = Windows::new(4, [(1, 0)].into_iter());
        windows.skipped(SessionId(0), 1, 1_000_000_000_000, 7);
        assert_eq!(
            windows.frame_of_number(SessionId(0), 1_000_000_000_000, 9),
            Some(7)
        );
        assert_eq!(
            windows.frame_of_number(SessionId(0), 999_999_999_996, 9),
            None
        );
    }

    #[test]
    fn the_upper_half_of_a_seq_follows_from_the_head() {
        let mut windows = Windows::new(4, [(1, 0)].into_iter());
        let seq = (1 << 32) - 2;
        windows.report(SessionId(0), 1, seq);
        assert_eq!(
            windows.frame_of_report(SessionId(0), 1, (1 << 32) + 5),
            Some(seq)
        );
    }
}
