//! Our numbered messages, until the exchange has answered for them.
//!
//! Messages are sent in the order of their numbers, and sent again from the first unanswered one on: a
//! higher number that overtook a lower one would make the exchange refuse the lower for ever.

use crate::backoff::Backoff;
use core::fmt;
use core::ops::Range;
use domain::Nanos;
use std::collections::BTreeMap;
use wire::order_entry::{DatagramWriter, Message};

/// Most numbers between the first unanswered one and the last given out, both included.
pub const MAX_UNANSWERED: u64 = 1024;

/// Why a command was not taken. It has no number and will not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The session has not been established yet, so its numbers are unknown.
    NotEstablished,
    /// [`MAX_UNANSWERED`] numbers wait for an answer: give the next command later.
    TooManyUnanswered,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEstablished => f.write_str("wait until the session is established"),
            Self::TooManyUnanswered => write!(
                f,
                "{MAX_UNANSWERED} messages are unanswered: wait for reports before sending more"
            ),
        }
    }
}

impl core::error::Error for SendError {}

#[derive(Debug)]
pub(crate) struct Outbox {
    /// By number.
    unanswered: BTreeMap<u64, Message>,
    /// The next number to give out.
    next_no: u64,
    /// The next number to send; those below it were sent.
    cursor: u64,
    /// One above the highest number that was ever sent.
    sent_end: u64,
    /// Nothing is sent before: the exchange was busy.
    paused_until: Nanos,
    /// When everything unanswered is sent again.
    retry_at: Nanos,
    retry: Backoff,
    busy: Backoff,
}

impl Outbox {
    pub(crate) fn new(retry: Backoff, busy: Backoff) -> Self {
        Self {
            unanswered: BTreeMap::new(),
            next_no: 1,
            cursor: 1,
            sent_end: 1,
            paused_until: Nanos(0),
            retry_at: Nanos(0),
            retry,
            busy,
        }
    }

    /// One above the highest number that was ever sent: the next one to come.
    pub(crate) fn sent_end(&self) -> u64 {
        self.sent_end
    }

    /// The number that the next message gets.
    pub(crate) fn next_no(&self) -> u64 {
        self.next_no
    }

    pub(crate) fn len(&self) -> usize {
        self.unanswered.len()
    }

    /// Gives a message the next number.
    pub(crate) fn push(&mut self, message: Message) -> Result<u64, SendError> {
        let numbers = self.push_all([message].into_iter())?;
        Ok(numbers.start)
    }

    /// Gives messages the next numbers: all of them, or none.
    pub(crate) fn push_all(
        &mut self,
        messages: impl ExactSizeIterator<Item = Message>,
    ) -> Result<Range<u64>, SendError> {
        let first = self.first().unwrap_or(self.next_no);
        let end = self.next_no + messages.len() as u64;
        if end - first > MAX_UNANSWERED {
            return Err(SendError::TooManyUnanswered);
        }
        let numbers = self.next_no..end;
        self.unanswered.extend(numbers.clone().zip(messages));
        self.next_no = end;
        Ok(numbers)
    }

    /// Whether there is a number for one more.
    pub(crate) fn has_room(&self) -> bool {
        self.next_no - self.first().unwrap_or(self.next_no) < MAX_UNANSWERED
    }

    fn first(&self) -> Option<u64> {
        self.unanswered.first_key_value().map(|(number, _)| *number)
    }

    /// The first number to send, if there is one to send now.
    pub(crate) fn due(&mut self, now: Nanos) -> Option<u64> {
        if now < self.paused_until {
            return None;
        }
        let first = self.first()?;
        if first < self.cursor && self.retry_at <= now {
            self.cursor = first;
        }
        let (number, _) = self.unanswered.range(self.cursor..).next()?;
        Some(*number)
    }

    /// When there may be something to send.
    pub(crate) fn next_timeout(&self) -> Option<Nanos> {
        let first = self.first()?;
        let unsent = self.unanswered.range(self.cursor..).next().is_some();
        let due = if unsent { Nanos(0) } else { self.retry_at };
        debug_assert!(unsent || first < self.cursor);
        Some(due.max(self.paused_until))
    }

    /// Whether `number` was sent before.
    pub(crate) fn was_sent(&self, number: u64) -> bool {
        number < self.sent_end
    }

    /// Writes the messages from `number` on: as many as follow each other, fit, and are all sent for
    /// the first time or all again.
    pub(crate) fn write(&mut self, number: u64, writer: &mut DatagramWriter<'_>, now: Nanos) {
        let again = self.was_sent(number);
        let mut next = number;
        for (&number, message) in self.unanswered.range(number..) {
            if number != next
                || (number < self.sent_end) != again
                || writer.push_message(message).is_err()
            {
                break;
            }
            next += 1;
        }
        if self.first() == Some(number) {
            // The first unanswered message is on its way: its answer is waited for from now on.
            self.retry_at = self.retry.after(now);
        }
        self.cursor = next;
        self.sent_end = self.sent_end.max(next);
    }

    /// The exchange answered for `number`; lower ones that it did not answer for are returned: their
    /// answers were among the reports missed.
    pub(crate) fn answered(&mut self, number: u64, now: Nanos) -> Vec<u64> {
        if self.unanswered.remove(&number).is_none() {
            return Vec::new();
        }
        self.progressed(now);
        let above = self.unanswered.split_off(&number);
        let below = core::mem::replace(&mut self.unanswered, above);
        below.into_keys().collect()
    }

    /// The exchange will never apply these numbers, or has forgotten what became of them.
    pub(crate) fn give_up(&mut self, from: u64, count: u64, now: Nanos) -> Vec<u64> {
        let end = from.saturating_add(count);
        let range = self.unanswered.range(from..end);
        let given_up: Vec<u64> = range.map(|(number, _)| *number).collect();
        for number in &given_up {
            self.unanswered.remove(number);
        }
        if !given_up.is_empty() {
            self.progressed(now);
        }
        given_up
    }

    fn progressed(&mut self, now: Nanos) {
        self.retry.reset();
        self.retry_at = self.retry.after(now);
        self.busy.reset();
    }

    /// The exchange did not take `from`: it and what follows is sent again after a pause.
    pub(crate) fn busy(&mut self, from: u64, now: Nanos) {
        if from < self.cursor && self.first().is_some_and(|first| first <= from) {
            self.cursor = from;
            self.paused_until = self.busy.after(now);
        }
    }

    /// The exchange stands at `last_seq_no`; if it `lost` what came after, so do we.
    pub(crate) fn established(&mut self, last_seq_no: u64, lost: bool, now: Nanos) {
        let next = last_seq_no.saturating_add(1);
        if lost {
            self.unanswered.split_off(&next);
            self.next_no = next;
            self.sent_end = self.sent_end.min(next);
        }
        // Numbers used by an earlier process of this session.
        self.next_no = self.next_no.max(next);
        self.sent_end = self.sent_end.max(next);
        self.cursor = self.first().unwrap_or(self.next_no);
        self.paused_until = Nanos(0);
        self.retry.reset();
        self.retry_at = now;
    }
}
