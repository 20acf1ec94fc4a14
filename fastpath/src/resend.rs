//! What was said already, once more: reports and outcomes that are still in journal memory.
//!
//! Data: none of its own; it is the out tile's, whose windows say where a report stands and whose budget says how
//! many frames a turn may read again. Invariant: what goes out again is what stands in the journal, marked as
//! retransmission; what no longer stands there is refused with where it can be had.

use crate::counters::Counters;
use crate::out::{OutTile, stamp};
use crate::post::{NotSent, Post};
use crate::replies::Refusal;
use domain::{Command, Event, Reason, SessionId};
use journal::Frame;
use nic::Transmit;
use shm::Read;
use topology::instruments::out as counter;
use wire::order_entry::{Context, Message, Template};

/// Most reports that one request brings back; a client asks again for more.
const RESEND_LIMIT: u64 = 64;

impl<T: Transmit> OutTile<T> {
    /// What became of the session's message: the reports of its own frame once more. While the
    /// message is on its way there is nothing to say.
    pub(crate) fn outcome(&mut self, session: SessionId, number: u64) -> Result<(), NotSent> {
        let window = self.windows.session(session).ok_or(NotSent::Unreachable)?;
        let is_applied = number <= window.last_applied;
        let seq = is_applied
            .then(|| self.windows.frame_of_number(session, number, self.noted))
            .flatten();
        if seq.is_none() {
            // A mass quote that is sent again asks for many of these: each counts as a frame that is read.
            self.resend_budget = self.resend_budget.saturating_sub(1);
        }
        if !is_applied {
            return Ok(());
        }
        let words = seq.and_then(|seq| self.read_again(seq));
        let frame = words.and_then(|words| parse(&self.again[..words], &self.counters));
        // A window's entry may be so old that it names a newer frame.
        let Some(frame) = frame.filter(|frame| tells_of_number(frame, session, number)) else {
            return self.not_in_memory(session, Template::NewOrder.number(), number, 1);
        };
        let applied = frame.header.source_seq == number;
        let wanted = |event: &Event| applied || matches!(event, Event::NotApplied(_));
        // What ends these may stand in a later frame: by the number of its next report the session sees whether
        // it has that.
        let may_end_later = matches!(
            frame.command,
            Command::MassCancel(_) | Command::KillSwitch(_)
        );
        send_again(&mut self.post, &frame, session, wanted)?;
        if may_end_later {
            self.heartbeat(session)?;
        }
        Ok(())
    }

    /// Reports `from .. from + count` once more, frame by frame.
    pub(crate) fn resend(
        &mut self,
        session: SessionId,
        from: u64,
        count: u64,
    ) -> Result<(), NotSent> {
        let next_report = self.next_report(session);
        let template = Template::ResendRequest.number();
        if from == 0 || from >= next_report {
            let refusal = Refusal {
                reason: Reason::NotIssued,
                template,
                from,
                count,
            };
            return self.post.refused(session, None, next_report, &refusal);
        }
        let end = from
            .saturating_add(count.clamp(1, RESEND_LIMIT))
            .min(next_report);
        let oldest = self.windows.oldest_report(session);
        if from < oldest {
            self.not_in_memory(session, template, from, oldest.min(end) - from)?;
        }
        let mut number = from.max(oldest);
        while number < end {
            let seq = self.windows.frame_of_report(session, number, self.noted);
            let words = seq.and_then(|seq| self.read_again(seq));
            let frame = words.and_then(|words| parse(&self.again[..words], &self.counters));
            let Some(frame) = frame.filter(|frame| has_report(frame, session, number)) else {
                return self.not_in_memory(session, template, number, end - number);
            };
            let wanted = |event: &Event| {
                event
                    .report()
                    .is_some_and(|(_, report)| (number..end).contains(&report))
            };
            let Some(last) = send_again(&mut self.post, &frame, session, wanted)? else {
                return self.not_in_memory(session, template, number, end - number);
            };
            number = last + 1;
        }
        Ok(())
    }

    /// Reads a frame into `again`, at the cost of this turn's budget.
    fn read_again(&mut self, seq: u64) -> Option<usize> {
        self.resend_budget = self.resend_budget.saturating_sub(1);
        match self.reader.read_at(seq, &mut self.again) {
            Read::Frame(words) => {
                self.counters.add(counter::resent_frames, 1);
                Some(words)
            }
            Read::Corrupt => {
                self.counters.add(counter::corrupt, 1);
                None
            }
            Read::Empty | Read::Lapped => None,
        }
    }

    /// The frame, if journal memory has it whole.
    pub(crate) fn frame_again(&mut self, seq: u64) -> Option<Frame<'_>> {
        let words = self.read_again(seq)?;
        parse(&self.again[..words], &self.counters)
    }

    pub(crate) fn not_in_memory(
        &mut self,
        session: SessionId,
        template: u16,
        from: u64,
        count: u64,
    ) -> Result<(), NotSent> {
        let refusal = Refusal {
            reason: Reason::NoLongerInMemory,
            template,
            from,
            count,
        };
        self.post
            .refused(session, None, self.next_report(session), &refusal)
    }
}

/// None, and counted, if the frame is not what the match tile wrote: whoever asks for what was in there is told that
/// it cannot be had here, and the tile goes on with what is whole.
fn parse<'a>(words: &'a [u64], counters: &Counters) -> Option<Frame<'a>> {
    let frame = Frame::parse(words).ok();
    counters.add(counter::corrupt, u64::from(frame.is_none()));
    frame
}

/// Whether a frame says what became of the session's message `number`: it holds the message, or one
/// that skipped it.
fn tells_of_number(frame: &Frame<'_>, session: SessionId, number: u64) -> bool {
    let skips = |event: Event| {
        if let Event::NotApplied(skipped) = event {
            skipped.session == session
                && number
                    .checked_sub(skipped.from)
                    .is_some_and(|after| after < skipped.count)
        } else {
            false
        }
    };
    frame.header.source.session() == Some(session)
        && (frame.header.source_seq == number || frame.events().flatten().any(skips))
}

/// Whether a frame holds the session's report `number`.
fn has_report(frame: &Frame<'_>, session: SessionId, number: u64) -> bool {
    let mut events = frame.events().flatten();
    events.any(|event| event.report() == Some((session, number)))
}

/// Sends those reports of a frame that belong to `session` and are `wanted`, marked as
/// retransmission; gives the number of the last one.
fn send_again<T: Transmit>(
    post: &mut Post<T>,
    frame: &Frame<'_>,
    session: SessionId,
    wanted: impl Fn(&Event) -> bool,
) -> Result<Option<u64>, NotSent> {
    let stamp = stamp(&frame.header);
    let of_session = |event: &Event| event.report().is_some_and(|(whose, _)| whose == session);
    let mut events = frame
        .events()
        .flatten()
        .filter(|e| of_session(e) && wanted(e))
        .peekable();
    let mut last = None;
    while let Some((_, first)) = events.peek().and_then(Event::report) {
        let mut next = first;
        post.reports(session, first, Context::RETRANSMISSION, |writer| {
            // A datagram's reports are consecutive: its context names only the first number.
            while let Some(event) = events
                .peek()
                .filter(|e| e.report() == Some((session, next)))
            {
                let report = Message::report(&stamp, event).expect("a private event");
                if writer.push_message(&report).is_err() {
                    break;
                }
                events.next();
                last = Some(next);
                next += 1;
            }
        })?;
        if last.is_none_or(|last| last < first) {
            break;
        }
    }
    Ok(last)
}
