//! Reports: put into order, holes filled.

use crate::backoff::Backoff;
use core::net::SocketAddrV4;
use domain::Nanos;
use std::collections::BTreeMap;
use wire::order_entry::{Message, ResendRequest};

/// Reports kept beyond a hole; later ones are asked for again.
const MAX_AHEAD: u64 = 4096;
/// Most reports asked for at once.
const MAX_RESEND: u64 = 256;
/// Most holes asked for at once; their requests fit into one datagram.
const MAX_HOLES: usize = 16;
/// Most reports asked for at once at the replay port, and of one request there.
const MAX_REPLAYED: u64 = 1024;
const MAX_REPLAYED_AT_ONCE: u64 = 64;
/// How long an answer of the replay port is waited for, first and at most, ns: it reads a disk, and each of its sessions has
/// a share.
const REPLAY_WAIT: [u64; 2] = [50_000_000, 500_000_000];
/// Attempts at the replay port of which nothing has come, after which reports are missed.
const REPLAY_ATTEMPTS: u32 = 12;

/// Reports that the exchange has no more, and the replay port may have.
#[derive(Clone, Copy, Debug)]
struct Elsewhere {
    address: SocketAddrV4,
    /// Those below it that are missing are asked for there.
    end: u64,
    attempts: u32,
    retry: Backoff,
}

#[derive(Debug)]
pub(crate) struct Inbox {
    /// The number of the next report to deliver.
    next_no: u64,
    /// One above the highest number known to have been issued.
    end: u64,
    ahead: BTreeMap<u64, Message>,
    /// When the hole at `next_no` is asked for, if there is one.
    request_at: Option<Nanos>,
    patience: u64,
    retry: Backoff,
    /// None: the order port is asked.
    elsewhere: Option<Elsewhere>,
}

impl Inbox {
    /// A hole is first asked for after `patience` nanoseconds: its reports may just be late.
    pub(crate) fn new(patience: u64, retry: Backoff) -> Self {
        Self {
            next_no: 1,
            end: 1,
            ahead: BTreeMap::new(),
            request_at: None,
            patience,
            retry,
            elsewhere: None,
        }
    }

    pub(crate) fn next_no(&self) -> u64 {
        self.next_no
    }

    /// Starts at `next_no`.
    pub(crate) fn start_at(&mut self, next_no: u64) {
        self.next_no = next_no;
        self.end = next_no;
        self.ahead.clear();
        self.request_at = None;
        self.elsewhere = None;
    }

    /// Reports from `next_no` on are issued anew, whatever arrived.
    pub(crate) fn roll_back(&mut self, next_no: u64, now: Nanos) {
        self.ahead.split_off(&next_no);
        self.next_no = self.next_no.min(next_no);
        self.end = next_no;
        self.request_at = None;
        self.elsewhere = None;
        self.look_for_hole(now);
    }

    /// All reports below `end` have been issued.
    pub(crate) fn issued_below(&mut self, end: u64, now: Nanos) {
        self.end = self.end.max(end);
        self.look_for_hole(now);
    }

    /// Takes a report in. False if it was delivered before.
    pub(crate) fn accept(&mut self, number: u64, message: Message) -> bool {
        if number < self.next_no {
            return false;
        }
        if number - self.next_no < MAX_AHEAD {
            self.ahead.insert(number, message);
        }
        self.end = self.end.max(number.saturating_add(1));
        true
    }

    /// The next report in order, if it is there.
    pub(crate) fn deliver(&mut self, now: Nanos) -> Option<(u64, Message)> {
        let Some(message) = self.ahead.remove(&self.next_no) else {
            self.look_for_hole(now);
            return None;
        };
        let number = self.next_no;
        self.next_no += 1;
        if self.request_at.take().is_some() {
            self.retry.reset();
        }
        self.replayed(now);
        Some((number, message))
    }

    fn look_for_hole(&mut self, now: Nanos) {
        let hole = self.next_no < self.end && !self.ahead.contains_key(&self.next_no);
        if hole && self.request_at.is_none() {
            self.request_at = Some(Nanos(now.0.saturating_add(self.patience)));
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Nanos> {
        self.request_at
    }

    /// The requests for the first holes, if they are due: one after another they would cost a round
    /// trip each, and a bad line makes holes faster than that.
    pub(crate) fn requests(&mut self, now: Nanos) -> Vec<ResendRequest> {
        if self.request_at.is_none_or(|at| at > now) || self.elsewhere.is_some() {
            return Vec::new();
        }
        self.request_at = Some(self.retry.after(now));
        let mut requests = Vec::with_capacity(MAX_HOLES);
        let mut from = self.next_no;
        let mut wanted = MAX_RESEND;
        let ends = self.ahead.keys().copied().chain([self.end]);
        for end in ends {
            let count = end.saturating_sub(from).min(wanted);
            if count > 0 {
                requests.push(ResendRequest {
                    from_report_no: from,
                    count: u32::try_from(count).expect("at most MAX_RESEND"),
                    reserved: 0,
                });
            }
            wanted -= count;
            if requests.len() == MAX_HOLES || wanted == 0 {
                break;
            }
            from = end.saturating_add(1);
        }
        requests
    }

    /// A report came: while others are to come from the replay port, they are waited for.
    fn replayed(&mut self, now: Nanos) {
        let Some(elsewhere) = &mut self.elsewhere else {
            return;
        };
        elsewhere.attempts = 0;
        elsewhere.retry.reset();
        if self.next_no < elsewhere.end {
            self.request_at = Some(elsewhere.retry.after(now));
        } else {
            self.elsewhere = None;
        }
    }

    /// The exchange can no longer send `from .. from + count`, and says who may: they are asked for there. False if that is
    /// of no use.
    pub(crate) fn redirect(
        &mut self,
        from: u64,
        count: u64,
        address: SocketAddrV4,
        now: Nanos,
    ) -> bool {
        let end = from.saturating_add(count).min(self.end);
        let is_hole = self.next_no < end && !self.ahead.contains_key(&self.next_no);
        if self.next_no < from || !is_hole {
            return false;
        }
        if self.elsewhere.is_none() {
            self.retry.reset();
            self.request_at = Some(now);
        }
        let [first, most] = REPLAY_WAIT;
        let (attempts, retry) = self.elsewhere.map_or_else(
            || (0, Backoff::new(first, most)),
            |known| (known.attempts, known.retry),
        );
        self.elsewhere = Some(Elsewhere {
            address,
            end,
            attempts,
            retry,
        });
        true
    }

    /// What is due at the replay port, and where that is.
    pub(crate) fn replay_requests(
        &mut self,
        now: Nanos,
    ) -> Option<(SocketAddrV4, Vec<ResendRequest>)> {
        let elsewhere = self.elsewhere.as_mut()?;
        if self.request_at.is_none_or(|at| at > now) || elsewhere.attempts >= REPLAY_ATTEMPTS {
            return None;
        }
        elsewhere.attempts += 1;
        let end = elsewhere.end.min(self.next_no.saturating_add(MAX_REPLAYED));
        let mut requests = Vec::with_capacity(MAX_HOLES);
        let mut from = self.next_no;
        let ends = self.ahead.range(..end).map(|(number, _)| *number);
        for hole_end in ends.chain([end]) {
            while from < hole_end && requests.len() < MAX_HOLES {
                let count = (hole_end - from).min(MAX_REPLAYED_AT_ONCE);
                requests.push(ResendRequest {
                    from_report_no: from,
                    count: u32::try_from(count).expect("at most MAX_REPLAYED_AT_ONCE"),
                    reserved: 0,
                });
                from += count;
            }
            from = from.max(hole_end.saturating_add(1));
        }
        let address = elsewhere.address;
        self.request_at = Some(elsewhere.retry.after(now));
        Some((address, requests))
    }

    /// The reports that the replay port has not sent although it was asked again and again: the first, how many, and
    /// where that is. They are missed.
    pub(crate) fn give_up_replay(&mut self, now: Nanos) -> Option<(u64, u64, SocketAddrV4)> {
        let due = self.request_at.is_some_and(|at| at <= now);
        let gone = self
            .elsewhere
            .filter(|it| due && it.attempts >= REPLAY_ATTEMPTS)?;
        self.elsewhere = None;
        let first = self.next_no;
        let count = self.skip(first, gone.end - first, now)?;
        Some((first, count, gone.address))
    }

    /// The exchange can no longer send `from .. from + count`: how many of them are missed, counted
    /// from the next one.
    pub(crate) fn skip(&mut self, from: u64, count: u64, now: Nanos) -> Option<u64> {
        let to = from.saturating_add(count).min(self.end);
        if self.next_no < from || to <= self.next_no || self.ahead.contains_key(&self.next_no) {
            return None;
        }
        let to = self.ahead.first_key_value().map_or(to, |(n, _)| to.min(*n));
        let missed = to - self.next_no;
        self.next_no = to;
        self.request_at = None;
        self.retry.reset();
        self.look_for_hole(now);
        Some(missed)
    }

    /// The exchange says that the next report was never issued.
    pub(crate) fn not_issued(&mut self, from: u64) {
        if from == self.next_no && self.ahead.is_empty() {
            self.end = self.next_no;
            self.request_at = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    const REPLAY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1);

    #[test]
    fn a_replay_port_of_which_something_comes_is_not_given_up() {
        let mut inbox = Inbox::new(1, Backoff::new(10, 100));
        inbox.issued_below(101, Nanos(0));
        assert!(inbox.redirect(1, 100, REPLAY, Nanos(0)));
        for number in 1..=3 * u64::from(REPLAY_ATTEMPTS) {
            let now = inbox.next_timeout().unwrap();
            let (address, requests) = inbox.replay_requests(now).unwrap();
            assert_eq!((address, requests[0].from_report_no), (REPLAY, number));
            assert!(
                inbox.requests(now).is_empty(),
                "the order port is not asked"
            );
            assert!(inbox.accept(number, Message::Unknown { template_id: 99 }));
            assert_eq!(inbox.deliver(now).map(|(number, _)| number), Some(number));
            assert_eq!(inbox.give_up_replay(now), None);
        }
    }
}
