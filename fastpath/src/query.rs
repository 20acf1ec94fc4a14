//! What became of a message, in a word: whether it was applied, and how that began.
//!
//! Data: none of its own; it is the out tile's, as that of `resend` is. Invariant: what is said stands in a frame that
//! was read for it; where no frame can be had, the client is told where it can.

use crate::out::{OutTile, stamp};
use crate::post::NotSent;
use domain::{ClientOrderId, Command, SessionId};
use nic::Transmit;
use wire::order_entry::{Outcome, Template};

/// Numbers of a session, counted back from its last, among which a client order id is looked for.
const LOOKED_AT: u64 = 32;

/// What a frame says.
struct Found {
    outcome: Outcome,
    /// The order that the message entered, if it did.
    order: Option<ClientOrderId>,
}

impl<T: Transmit> OutTile<T> {
    /// Answers a query by number, or by client order id if that is 0.
    pub(crate) fn query(
        &mut self,
        session: SessionId,
        number: u64,
        client_order_id: u64,
    ) -> Result<(), NotSent> {
        let window = self.windows.session(session).ok_or(NotSent::Unreachable)?;
        let last = window.last_applied;
        let asked = Outcome {
            seq_no: number,
            client_order_id: ClientOrderId(client_order_id),
            ..Outcome::default()
        };
        let found = if number == 0 {
            self.look_back(session, last, &asked)
        } else if number > last {
            // It is not in the journal, so far. That costs no frame, and counts as one all the same.
            self.resend_budget = self.resend_budget.saturating_sub(1);
            Some(asked)
        } else {
            self.look(session, number).map(|found| found.outcome)
        };
        let Some(found) = found else {
            let template = Template::OutcomeQuery.number();
            let from = if number == 0 { client_order_id } else { number };
            return self.not_in_memory(session, template, from, 1);
        };
        let next = self.next_report(session);
        let client_order_id = asked.client_order_id;
        let outcome = Outcome {
            client_order_id,
            ..found
        };
        self.post.became(session, next, &outcome)
    }

    /// The last new order with the id among the last numbers; one that is not known if these are all that the session
    /// ever had.
    fn look_back(&mut self, session: SessionId, last: u64, asked: &Outcome) -> Option<Outcome> {
        let first = (last + 1).saturating_sub(LOOKED_AT).max(1);
        for number in (first..=last).rev() {
            let found = self.look(session, number)?;
            if found.order == Some(asked.client_order_id) {
                return Some(found.outcome);
            }
        }
        (first == 1).then_some(*asked)
    }

    /// What became of a message; none if its frame cannot be had here.
    fn look(&mut self, session: SessionId, number: u64) -> Option<Found> {
        let seq = self.windows.frame_of_number(session, number, self.noted);
        if seq.is_none() {
            self.resend_budget = self.resend_budget.saturating_sub(1);
        }
        let frame = self.frame_again(seq?)?;
        let events = frame.events().flatten();
        // A window's entry may be so old that it names a newer frame: then this is none.
        let outcome = Outcome::of(&stamp(&frame.header), events, session, number)?;
        let order = if let Command::NewOrder(order) = frame.command
            && frame.header.source_seq == number
        {
            Some(order.client_order_id)
        } else {
            None
        };
        Some(Found { outcome, order })
    }
}
