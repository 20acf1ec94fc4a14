//! The exchange as the subject: sessions of the client library over the generator's one socket.

use anyhow::{Result, ensure};
use client::{Config, Event, ReportsFrom, Session, Timing};
use domain::{Command, Nanos, SessionId};
use std::collections::BTreeMap;
use tile::Clock;
use wire::MAX_DATAGRAM;
use wire::auth::SessionSecret;
use wire::order_entry::{DatagramReader, Message};

use super::flow::{Drawn, Flow, Place};
use super::generator::{Port, Subject, settle};

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
/// A command without an answer for so long is sent again, which fails the run. Far above the library's
/// default: a stall is to be seen as latency, not answered with more load.
pub const ANSWER_WAIT: u64 = 200 * MILLISECOND;
/// Commands of a session that are on their way at once while the book is filled.
const PREFILL_UNANSWERED: usize = 8;

/// Commands that may be rejected, in percent: cancels and amends of orders that were filled on the way.
const MOST_REJECTED: u64 = 3;

/// What was reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Reported {
    /// Orders accepted.
    pub accepted: u64,
    /// Fills, of makers and takers.
    pub fills: u64,
    /// Orders cancelled, the rests of takers included.
    pub canceled: u64,
    /// Orders amended.
    pub amended: u64,
    /// Commands rejected: mostly cancels of orders that were filled meanwhile.
    pub rejected: u64,
}

impl Reported {
    /// In one line.
    #[must_use]
    pub fn text(&self) -> String {
        let Self {
            accepted,
            fills,
            canceled,
            amended,
            rejected,
        } = self;
        format!(
            "{accepted} accepted, {fills} fills, {canceled} cancelled, {amended} amended, {rejected} rejected"
        )
    }

    /// What speaks against it: an exchange that rejects what it is asked has other work to do than one that does it.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let answers = self.accepted + self.canceled + self.amended + self.rejected;
        let too_many = self.rejected * 100 > answers * MOST_REJECTED;
        too_many.then(|| {
            format!(
                "{} of {answers} commands were rejected, more than {MOST_REJECTED} %",
                self.rejected
            )
        })
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Trouble {
    sent_again: u64,
    missed: u64,
    not_applied: u64,
    interrupted: u64,
}

struct Member {
    session: Session,
    flow: Flow,
    /// Requests of the segment by the session's number.
    requests: BTreeMap<u64, usize>,
}

/// Sessions that send the mix in turn.
pub struct Exchange {
    members: Vec<Member>,
    /// By session id, its place among the members.
    places: BTreeMap<SessionId, usize>,
    buffer: [u8; MAX_DATAGRAM],
    /// What was reported so far.
    pub reported: Reported,
    trouble: Trouble,
}

/// How the sessions trade.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Where.
    pub place: Place,
    /// Orders that rest, of all sessions together.
    pub resting: usize,
    /// The first client order id of each session.
    pub first_client_id: u64,
    /// Of the mix.
    pub seed: u64,
}

impl Exchange {
    /// Sessions that are not established yet.
    #[must_use]
    pub fn new(secrets: Vec<(SessionId, SessionSecret)>, style: &Style) -> Self {
        let target = style.resting / secrets.len().max(1);
        let mut members = Vec::new();
        let mut places = BTreeMap::new();
        for (id, secret) in secrets {
            places.insert(id, members.len());
            let seed = style.seed.wrapping_add(u64::from(id.0));
            members.push(Member {
                session: session(id, secret),
                flow: Flow::new(style.place, target, style.first_client_id, seed),
                requests: BTreeMap::new(),
            });
        }
        Self {
            members,
            places,
            buffer: [0; MAX_DATAGRAM],
            reported: Reported::default(),
            trouble: Trouble::default(),
        }
    }

    /// Establishes every session.
    ///
    /// # Errors
    /// If one is not answered within ten seconds.
    pub fn establish(&mut self, port: &mut Port) -> Result<()> {
        let all = |exchange: &mut Self, _: &mut Port| {
            exchange.members.iter().all(|m| m.session.is_established())
        };
        ensure!(
            settle(self, port, 10 * SECOND, all),
            "the exchange does not answer every session: check its address, the sessions' ids and secrets"
        );
        Ok(())
    }

    /// Fills the book with the resting orders; gives how many rest.
    ///
    /// # Errors
    /// If it takes longer than a minute.
    pub fn prefill(&mut self, port: &mut Port) -> Result<usize> {
        let filled = settle(self, port, 60 * SECOND, |exchange, port| {
            let mut done = true;
            for place in 0..exchange.members.len() {
                let member = &mut exchange.members[place];
                while member.session.unanswered() < PREFILL_UNANSWERED {
                    let Some(order) = member.flow.prefill() else {
                        break;
                    };
                    // Refusals are counted with the reports, where the book would be too small.
                    let _ = member.session.new_order(&order);
                }
                done &= member.session.unanswered() == 0;
                exchange.transmit(place, Clock::now(), port);
            }
            done
        });
        ensure!(filled, "the book was not filled within a minute");
        ensure!(
            self.reported.rejected == 0,
            "{} of the orders that fill the book were rejected: check --market, --middle and the \
             accounts' funds",
            self.reported.rejected
        );
        Ok(self.members.iter().map(|m| m.flow.resting()).sum())
    }

    /// Waits until every command has its answer, and forgets the requests of the segment before.
    ///
    /// # Errors
    /// If that takes longer than half a minute.
    pub fn calm(&mut self, port: &mut Port) -> Result<()> {
        let all = |exchange: &mut Self, port: &mut Port| {
            let now = Clock::now();
            for place in 0..exchange.members.len() {
                exchange.transmit(place, now, port);
            }
            exchange.members.iter().all(|m| m.session.unanswered() == 0)
        };
        ensure!(
            settle(self, port, 30 * SECOND, all),
            "the exchange does not answer what was sent beyond its rate"
        );
        for member in &mut self.members {
            member.requests.clear();
        }
        Ok(())
    }

    /// What the mix was, over all sessions.
    #[must_use]
    pub fn drawn(&self) -> Drawn {
        let mut all = Drawn::default();
        for drawn in self.members.iter().map(|member| member.flow.drawn) {
            all += drawn;
        }
        all
    }

    /// Sends what the session has to send.
    fn transmit(&mut self, place: usize, now: u64, port: &mut Port) {
        let session = &mut self.members[place].session;
        while let Some(length) = session.poll_transmit(&mut self.buffer, Nanos(now)) {
            let datagram = &self.buffer[..length];
            let context = DatagramReader::context(datagram).ok();
            let again = context.is_some_and(|context| context.is_retransmission());
            self.trouble.sent_again += u64::from(again);
            port.send(datagram);
        }
    }

    fn event(&mut self, place: usize, event: &Event, answered: &mut dyn FnMut(usize)) {
        match event {
            Event::Report { message, .. } => self.report(place, message, answered),
            Event::Established { .. } => {}
            Event::Missed { count, .. } => self.trouble.missed += count,
            Event::OutcomeUnknown { .. } | Event::AttestationLost | Event::Refused(_) => {
                self.trouble.missed += 1;
            }
            // Nobody asks.
            Event::Outcome(_) | Event::QueryUnanswered(_) => {}
            Event::RolledBack { .. } | Event::Silent => self.trouble.interrupted += 1,
        }
    }

    fn report(&mut self, place: usize, message: &Message, answered: &mut dyn FnMut(usize)) {
        let member = &mut self.members[place];
        let number = message.stamp().map_or(0, |stamp| stamp.client_seq_no);
        if let Some(request) = member.requests.remove(&number) {
            answered(request);
        }
        let reported = &mut self.reported;
        match message {
            Message::OrderAccepted(_) => reported.accepted += 1,
            Message::OrderFilled(fill) => {
                reported.fills += 1;
                if fill.leaves_quantity.0 == 0 {
                    member.flow.done(fill.client_order_id);
                }
            }
            Message::OrderCanceled(canceled) => {
                reported.canceled += 1;
                member.flow.done(canceled.client_order_id);
            }
            Message::OrderAmended(_) => reported.amended += 1,
            Message::OrderRejected(_) => reported.rejected += 1,
            Message::NotApplied(_) => self.trouble.not_applied += 1,
            _ => {}
        }
    }
}

fn session(id: SessionId, secret: SessionSecret) -> Session {
    let mut config = Config::new(id, secret);
    config.reports_from = ReportsFrom::Next;
    config.timing = Timing {
        answer: ANSWER_WAIT,
        // While the echo has its turn the exchange is not spoken to.
        silence: 3_600 * SECOND,
        ..Timing::default()
    };
    let now = Clock::now();
    // Unpredictable enough for a run that nobody attacks, and new for every process.
    let mut seed = [0; 16];
    seed[..8].copy_from_slice(&now.to_le_bytes());
    seed[8..12].copy_from_slice(&std::process::id().to_le_bytes());
    Session::new(config, seed, Nanos(now))
}

impl Subject for Exchange {
    fn send(&mut self, request: usize, now: u64, port: &mut Port) -> bool {
        let place = request % self.members.len();
        let member = &mut self.members[place];
        let number = match member.flow.draw() {
            Command::NewOrder(order) => member.session.new_order(&order),
            Command::CancelOrder(cancel) => member.session.cancel_order(&cancel),
            Command::AmendOrder(amend) => member.session.amend_order(&amend),
            _ => return false,
        };
        let Ok(number) = number else { return false };
        member.requests.insert(number, request);
        self.transmit(place, now, port);
        true
    }

    fn take(&mut self, bytes: &[u8], now: u64, answered: &mut dyn FnMut(usize)) {
        let Ok(context) = DatagramReader::context(bytes) else {
            return;
        };
        let Some(&place) = self.places.get(&context.session_id) else {
            return;
        };
        self.members[place].session.feed(bytes, Nanos(now));
        while let Some(event) = self.members[place].session.poll_event() {
            self.event(place, &event, answered);
        }
    }

    fn upkeep(&mut self, now: u64, port: &mut Port) {
        for place in 0..self.members.len() {
            if self.members[place].session.next_timeout().0 <= now {
                self.transmit(place, now, port);
            }
        }
    }

    fn faults(&self) -> Vec<(&'static str, u64)> {
        let Trouble {
            sent_again,
            missed,
            not_applied,
            interrupted,
        } = self.trouble;
        vec![
            ("datagrams sent again", sent_again),
            ("reports missed", missed),
            ("numbers not applied", not_applied),
            ("interruptions", interrupted),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_that_rejects_has_not_done_the_work() {
        let reported = |rejected| Reported {
            accepted: 50,
            fills: 900,
            canceled: 40,
            amended: 10 - rejected,
            rejected,
        };
        assert_eq!(reported(3).fault(), None);
        let fault = reported(4).fault().expect("4 of 100");
        assert!(
            fault.starts_with("4 of 100 commands were rejected"),
            "{fault}"
        );
        assert_eq!(Reported::default().fault(), None);
        assert!(reported(3).text().ends_with("7 amended, 3 rejected"));
    }
}
