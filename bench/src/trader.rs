//! Makers and takers for demo and crash test: each a client of its own, in a thread of its own.
//!
//! A trader keeps what it sent and what it was told, so that both can be held against the journal,
//! and measures from the intended time of an order to its first report.

use anyhow::Result;
use client::{Config, Connection, Event};
use domain::{
    AmendOrder, CancelOrder, ClientOrderId, Command, MarketId, NewOrder, OrderId, OrderType, Price,
    Qty, SessionId, Side, TimeInForce,
};
use hdrhistogram::Histogram;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use wire::auth::SessionSecret;
use wire::order_entry::Message;

use crate::random::Random;

/// Middle of the traders' prices, in ticks.
const MIDDLE: i64 = 10_000;
/// Live orders above which a maker cancels its oldest.
const MAKER_ORDERS: usize = 40;

/// A trader that has stopped leaves when nothing was heard for so long.
const QUIET: Duration = Duration::from_millis(2_500);

/// What a trader does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Quotes both sides, moves and cancels.
    Maker,
    /// Takes what is there.
    Taker,
}

/// What a trader saw since it was asked last.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Orders accepted.
    pub accepted: u64,
    /// Fills of its orders.
    pub fills: u64,
    /// Rejections.
    pub rejected: u64,
    /// Epochs that began with a loss.
    pub rolled_back: u64,
    /// Reports that the exchange could no longer send.
    pub missed: u64,
    /// Commands that came due while it was held up, and were not sent.
    pub skipped: u64,
}

/// A client and its memory.
pub struct Trader {
    /// Its session.
    pub session: SessionId,
    connection: Connection,
    style: Style,
    random: Random,
    next_client_id: u64,
    live: VecDeque<ClientOrderId>,
    intended: BTreeMap<u64, Instant>,
    /// What was sent, by number.
    pub sent: BTreeMap<u64, Command>,
    /// What was told, by report number.
    pub told: BTreeMap<u64, Message>,
    /// Keep `sent` and `told`.
    keep: bool,
    /// Commands that its own session did not take.
    refused: u64,
    /// Totals.
    pub seen: Seen,
    /// Nanoseconds from the intended time of a command to its first report.
    pub latency: Histogram<u64>,
}

impl Trader {
    /// A trader that has not said Hello yet.
    ///
    /// # Errors
    /// If no socket can be had.
    pub fn open(
        server: SocketAddr,
        session: SessionId,
        secret: SessionSecret,
        style: Style,
        keep: bool,
    ) -> Result<Self> {
        let connection = Connection::open(server, Config::new(session, secret))?;
        Ok(Self {
            session,
            connection,
            style,
            random: Random(u64::from(session.0)),
            next_client_id: 1,
            live: VecDeque::new(),
            intended: BTreeMap::new(),
            sent: BTreeMap::new(),
            told: BTreeMap::new(),
            keep,
            refused: 0,
            seen: Seen::default(),
            latency: Histogram::new_with_bounds(1, 60_000_000_000, 3)?,
        })
    }

    /// Trades at `rate` commands a second until `stop`, then waits for the last answers and
    /// reports (at most
    /// `patience`). `report` is called about five times a second.
    ///
    /// # Errors
    /// If its socket fails for good.
    pub fn run(
        &mut self,
        rate: u32,
        stop: &AtomicBool,
        patience: Duration,
        mut report: impl FnMut(&mut Self),
    ) -> Result<()> {
        let interval = Duration::from_secs(1) / rate.max(1);
        let mut next = Instant::now();
        let mut said = Instant::now();
        let mut held_up = Duration::ZERO;
        // ORDER: the flag is the whole message.
        while !stop.load(Ordering::Relaxed) {
            let now = Instant::now();
            if now >= next && self.connection.session().is_established() {
                self.act(next);
                // A trader that was held up does not send the past: it is a person at a desk, and
                // load with a fixed schedule is `bench load`.
                let on_time = next + interval;
                next = on_time.max(now);
                held_up += next - on_time;
                self.seen.skipped = self.refused + whole(held_up, interval);
            }
            self.connection.flush()?;
            let wait = next
                .saturating_duration_since(Instant::now())
                .min(Duration::from_millis(2));
            self.receive(wait.max(Duration::from_micros(20)))?;
            if said.elapsed() > Duration::from_millis(200) {
                said = Instant::now();
                report(self);
            }
        }
        let end = Instant::now() + patience;
        let mut quiet = Instant::now();
        let mut heard = self.heard();
        // Others may trade with its orders after its last command, and the last report may be lost
        // on the way: a heartbeat shows it within a second.
        while (self.unanswered() > 0 || quiet.elapsed() < QUIET) && Instant::now() < end {
            self.receive(Duration::from_millis(1))?;
            if self.heard() != heard {
                heard = self.heard();
                quiet = Instant::now();
            }
        }
        report(self);
        Ok(())
    }

    /// Reports delivered so far.
    fn heard(&self) -> u64 {
        self.connection.session().next_report_no()
    }

    /// Commands without an answer.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.connection.session().unanswered()
    }

    /// One command, as the style has it.
    fn act(&mut self, intended: Instant) {
        let command = match self.style {
            Style::Taker => self.take(),
            Style::Maker if self.live.len() > MAKER_ORDERS => self.cancel_oldest(),
            Style::Maker if self.random.below(8) == 0 => self.amend(),
            Style::Maker => self.quote(),
        };
        let session = self.connection.session_mut();
        let number = match &command {
            Command::NewOrder(order) => session.new_order(order),
            Command::CancelOrder(cancel) => session.cancel_order(cancel),
            Command::AmendOrder(amend) => session.amend_order(amend),
            _ => return,
        };
        let Ok(number) = number else {
            // Refused here: too much is unanswered, which passes.
            self.refused += 1;
            return;
        };
        self.intended.insert(number, intended);
        if self.keep {
            self.sent.insert(number, command);
        }
    }

    fn quote(&mut self) -> Command {
        let distance = 1 + i64::try_from(self.random.below(10)).unwrap_or(0);
        let side = if self.random.below(2) == 0 {
            Side::Buy
        } else {
            Side::Sell
        };
        let price = if side == Side::Buy {
            MIDDLE - distance
        } else {
            MIDDLE + distance
        };
        let order = self.order(side, price, TimeInForce::GoodTillCancel);
        self.live.push_back(order.client_order_id);
        Command::NewOrder(order)
    }

    fn take(&mut self) -> Command {
        let side = if self.random.below(2) == 0 {
            Side::Buy
        } else {
            Side::Sell
        };
        let price = if side == Side::Buy {
            MIDDLE + 5
        } else {
            MIDDLE - 5
        };
        Command::NewOrder(self.order(side, price, TimeInForce::ImmediateOrCancel))
    }

    fn order(&mut self, side: Side, price: i64, time_in_force: TimeInForce) -> NewOrder {
        let client_order_id = ClientOrderId(self.next_client_id);
        self.next_client_id += 1;
        NewOrder {
            client_order_id,
            price: Price(price),
            qty: Qty(1 + self.random.below(5)),
            market: MarketId(0),
            side,
            order_type: OrderType::Limit,
            time_in_force,
            ..NewOrder::PLAIN
        }
    }

    fn cancel_oldest(&mut self) -> Command {
        let client_order_id = self.live.pop_front().unwrap_or_default();
        Command::CancelOrder(CancelOrder {
            order_id: OrderId::NONE,
            client_order_id,
            qty: Qty::ZERO,
        })
    }

    fn amend(&mut self) -> Command {
        let some = self.random.below(self.live.len() as u64 + 1);
        let place = usize::try_from(some).unwrap_or(0);
        let client_order_id = self.live.get(place).copied().unwrap_or(ClientOrderId(1));
        Command::AmendOrder(AmendOrder {
            order_id: OrderId::NONE,
            client_order_id,
            price: Price(MIDDLE - 5),
            qty: Qty(1 + self.random.below(5)),
            new_client_order_id: ClientOrderId(0),
        })
    }

    fn receive(&mut self, wait: Duration) -> Result<()> {
        let mut next = self.connection.poll(wait)?;
        while let Some(event) = next {
            self.take_in(&event);
            next = self.connection.poll(Duration::ZERO)?;
        }
        Ok(())
    }

    fn take_in(&mut self, event: &Event) {
        match event {
            Event::Report { number, message } => self.report(*number, message),
            Event::RolledBack { .. } => self.seen.rolled_back += 1,
            Event::Missed { count, .. } => self.seen.missed += count,
            Event::Established { .. }
            | Event::Silent
            | Event::OutcomeUnknown { .. }
            | Event::AttestationLost
            | Event::Outcome(_)
            | Event::QueryUnanswered(_)
            | Event::Refused(_) => {}
        }
    }

    fn report(&mut self, number: u64, message: &Message) {
        if self.keep {
            self.told.insert(number, *message);
        }
        match message {
            Message::OrderAccepted(_) => self.seen.accepted += 1,
            Message::OrderFilled(_) => self.seen.fills += 1,
            Message::OrderRejected(_) => self.seen.rejected += 1,
            _ => {}
        }
        let caused_by = message.stamp().map_or(0, |stamp| stamp.client_seq_no);
        if let Some(intended) = self.intended.remove(&caused_by) {
            let waited = u64::try_from(intended.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.latency.saturating_record(waited);
        }
    }
}

/// How many commands come due in a time.
fn whole(time: Duration, interval: Duration) -> u64 {
    u64::try_from(time.as_nanos() / interval.as_nanos().max(1)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_due_while_a_trader_is_held_up_is_counted() {
        let ms = Duration::from_millis(1);
        assert_eq!(whole(Duration::ZERO, 2 * ms), 0);
        // Twice half an interval late is one command less.
        assert_eq!(whole(ms + ms, 2 * ms), 1);
        assert_eq!(whole(11 * ms, 2 * ms), 5);
    }
}
