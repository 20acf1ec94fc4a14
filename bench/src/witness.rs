//! A client that keeps what it sent and what it was told, and holds each report against what is durable.

use anyhow::{Context as _, Result, ensure};
use client::{Config, Connection, Event};
use domain::{
    ClientOrderId, Command, MarketId, NewOrder, OrderType, Price, Qty, Seq, SessionId, Side,
    TimeInForce,
};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use wire::order_entry::Message;

use crate::instance::Instance;

/// Longest wait for the exchange's first answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// A client of an exchange in durable mode.
pub struct Witness {
    /// Its session.
    pub session: SessionId,
    connection: Connection,
    /// What it sent, by number.
    pub sent: BTreeMap<u64, Command>,
    /// What it was told, by report number.
    pub told: BTreeMap<u64, Message>,
}

impl Witness {
    /// A witness whose session is established.
    pub fn open(instance: &Instance, session: SessionId) -> Result<Self> {
        let config = Config::new(session, instance.session_secret(session)?);
        let mut witness = Self {
            session,
            connection: Connection::open(instance.port.into(), config)?,
            sent: BTreeMap::new(),
            told: BTreeMap::new(),
        };
        let start = Instant::now();
        while !witness.connection.session().is_established() {
            ensure!(start.elapsed() < PATIENCE, "no answer");
            witness.listen(instance, Duration::from_millis(5))?;
        }
        Ok(witness)
    }

    /// Reports so far.
    #[must_use]
    pub fn reports(&self) -> u64 {
        self.told.len() as u64
    }

    /// Sends so many orders that rest: each causes one report.
    pub fn enter(&mut self, orders: u64) -> Result<()> {
        for _ in 0..orders {
            let order = NewOrder {
                client_order_id: ClientOrderId(self.sent.len() as u64 + 1),
                price: Price(9_000),
                qty: Qty(1),
                market: MarketId(0),
                side: Side::Buy,
                order_type: OrderType::Limit,
                time_in_force: TimeInForce::GoodTillCancel,
                ..NewOrder::PLAIN
            };
            let number = self.connection.session_mut().new_order(&order)?;
            self.sent.insert(number, Command::NewOrder(order));
        }
        Ok(self.connection.flush()?)
    }

    /// Takes in what comes within `time`, and holds it against what is durable.
    pub fn listen(&mut self, instance: &Instance, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.connection.poll(left)? {
                Some(Event::Report { number, message }) => {
                    let seq = message.stamp().context("a report is stamped")?.engine_seq;
                    let durable = Seq(instance.slow()?.durable_seq());
                    ensure!(
                        seq <= durable,
                        "report {number} tells of seq {seq}, durable is {durable}"
                    );
                    let twice = self.told.insert(number, message);
                    ensure!(twice.is_none(), "report {number} was delivered twice");
                }
                Some(_) => {}
                None if left.is_zero() => return Ok(()),
                None => {}
            }
        }
    }

    /// Listens until there are so many reports; an error if that takes longer than `patience`.
    pub fn wait_for(
        &mut self,
        instance: &Instance,
        reports: u64,
        patience: Duration,
    ) -> Result<()> {
        let start = Instant::now();
        while self.reports() < reports {
            ensure!(
                start.elapsed() < patience,
                "told {} of {reports} reports",
                self.reports()
            );
            self.listen(instance, Duration::from_millis(20))?;
        }
        Ok(())
    }
}
