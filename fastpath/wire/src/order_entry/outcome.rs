//! What a frame says became of a session's message.

use super::message::{Became, Message, Outcome};
use super::report::FrameStamp;
use domain::{ClientOrderId, Event, Reason, SessionId};

impl Outcome {
    /// Of the session's message `number`, as the frame says that has it or has skipped it; `None` if it is another frame.
    /// `events` are the frame's.
    #[must_use]
    pub fn of(
        frame: &FrameStamp,
        events: impl Iterator<Item = Event>,
        session: SessionId,
        number: u64,
    ) -> Option<Self> {
        if frame.source.session() != Some(session) {
            return None;
        }
        let is_here = frame.source_seq == number;
        let first = events
            .filter(|event| event.report().is_some_and(|(whose, _)| whose == session))
            .find(|event| {
                // A frame may have both: what it skipped, and its own message.
                if let Event::NotApplied(skipped) = event {
                    skips(skipped, number)
                } else {
                    is_here
                }
            });
        if first.is_none() && !is_here {
            return None;
        }
        let became = if is_here {
            Became::Applied
        } else {
            Became::NotApplied
        };
        let report = first.and_then(|event| Some((event.report()?.1, event)));
        let template = |event: &Event| Message::report(frame, event).map_or(0, |m| m.template_id());
        Some(Self {
            seq_no: number,
            client_order_id: ClientOrderId(0),
            first_report_no: report.map_or(0, |(report_no, _)| report_no),
            engine_seq: frame.seq,
            became: became as u8,
            reserved: 0,
            reason: report.map_or(0, |(_, event)| refusal(&event).into()),
            first_template_id: report.map_or(0, |(_, event)| template(&event)),
            reserved2: 0,
        })
    }
}

fn skips(skipped: &domain::NotApplied, number: u64) -> bool {
    let after = number.checked_sub(skipped.from);
    after.is_some_and(|after| after < skipped.count)
}

fn refusal(event: &Event) -> Reason {
    if let Event::Rejected(rejected) = event {
        rejected.reason
    } else {
        Reason::None
    }
}
