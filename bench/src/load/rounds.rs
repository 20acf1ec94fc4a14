//! The segments of a run: echo and exchange in turn, at every rate.

use anyhow::Result;
use std::time::Duration;

use super::Arguments;
use super::exchange::Exchange;
use super::generator::{self, Port, Segment};
use super::host::Disturbance;
use super::inside::{Moment, Stretch};
use super::report::{ECHO, EXCHANGE};
use super::row::Row;
use super::schedule::Schedule;
use super::sweep::{Knee, Missed, sweep};
use super::target::Target;
use crate::echo::{Echo, Echoed};

/// How often a round is repeated on a machine that others use.
const REPEATS: u32 = 30;
/// Between two looks at whether others still use it, and the most of them.
const LOOK: Duration = Duration::from_secs(1);
const LOOKS: u32 = 600;
/// The name of the fault of a row that has a round in which others used the machine nevertheless.
const DISTURBED: &str = "rounds disturbed by other processes";

/// A run's segments, and what they gave so far.
pub(super) struct Rounds<'a> {
    arguments: &'a Arguments,
    target: &'a Target,
    exchange: &'a mut Exchange,
    port: &'a mut Port,
    /// Echo and exchange of each rate.
    pub(super) rows: Vec<Row>,
    /// Inside the fastpath, by rate.
    pub(super) stretches: Vec<Stretch>,
    /// What disturbed the rounds that were kept.
    pub(super) disturbance: Disturbance,
    /// Rounds that were not kept.
    pub(super) repeated: u32,
}

/// A segment of each.
struct Round {
    echo: Option<Segment>,
    exchange: Segment,
    inside: Option<(Moment, Moment)>,
    disturbance: Disturbance,
}

impl<'a> Rounds<'a> {
    pub(super) fn new(
        arguments: &'a Arguments,
        target: &'a Target,
        exchange: &'a mut Exchange,
        port: &'a mut Port,
    ) -> Self {
        Self {
            arguments,
            target,
            exchange,
            port,
            rows: Vec::new(),
            stretches: Vec::new(),
            disturbance: Disturbance::default(),
            repeated: 0,
        }
    }

    /// All rates, or as many as a sweep needs; the knee if it is one.
    pub(super) fn all(&mut self) -> Result<Option<Knee>> {
        let rates = self.arguments.rates.clone();
        if self.arguments.sweep {
            let first = rates.first().copied().unwrap_or(1);
            return sweep(first, |rate| self.rate(rate)).map(Some);
        }
        for rate in rates {
            self.rate(rate)?;
        }
        Ok(None)
    }

    /// All rounds of one rate; why its rows do not count.
    fn rate(&mut self, rate: u32) -> Result<Missed> {
        let mut echo = Row::new(ECHO, rate)?;
        let mut exchange = Row::new(EXCHANGE, rate)?;
        let mut stretch = Stretch::new(rate)?;
        for number in 0..self.arguments.rounds {
            progress(rate, number, self.arguments.rounds);
            let schedule = self.arguments.schedule(rate, number);
            let mut round = self.quiet_round(&schedule)?;
            if self.disturbed(&round.disturbance) {
                round.exchange.faults.push((DISTURBED, 1));
            }
            if let Some(segment) = &round.echo {
                echo.add(segment)?;
            }
            exchange.add(&round.exchange)?;
            if let Some((before, after)) = &round.inside {
                stretch.add(before, after)?;
            }
            self.disturbance = self.disturbance.and(round.disturbance);
        }
        let missed = Missed {
            exchange: exchange.reasons(),
            floor: if self.target.has_echo() {
                echo.reasons()
            } else {
                Vec::new()
            },
        };
        if !missed.exchange.is_empty() {
            // What is still on its way must not be taken for an answer to the next rate's.
            self.exchange.calm(self.port)?;
        }
        if self.target.has_echo() {
            self.rows.push(echo);
        }
        self.rows.push(exchange);
        if self.target.moment().is_some() {
            self.stretches.push(stretch);
        }
        Ok(missed)
    }

    /// A round that others did not disturb, or the last of many attempts.
    fn quiet_round(&mut self, schedule: &Schedule) -> Result<Round> {
        self.wait_for_quiet();
        let mut round = self.round(schedule)?;
        for _ in 0..REPEATS {
            if !self.disturbed(&round.disturbance) {
                break;
            }
            self.repeated += 1;
            self.wait_for_quiet();
            round = self.round(schedule)?;
        }
        Ok(round)
    }

    fn round(&mut self, schedule: &Schedule) -> Result<Round> {
        let start = self.target.disturbance();
        let echo = if self.target.has_echo() {
            Some(self.echo(schedule)?)
        } else {
            None
        };
        let before = self.target.moment();
        let cpu = self.arguments.generator_cpu;
        let exchange = generator::run_on(cpu, self.exchange, self.port, schedule)?;
        // The tiles copy their counters about every millisecond.
        std::thread::sleep(Duration::from_millis(5));
        Ok(Round {
            echo,
            exchange,
            inside: before.zip(self.target.moment()),
            disturbance: self.target.disturbance().since(start),
        })
    }

    /// A segment of the echo. An exchange of ours does not run meanwhile.
    fn echo(&self, schedule: &Schedule) -> Result<Segment> {
        self.target.pause()?;
        let echo = Echo::start(self.arguments.idle.idle(), self.arguments.tiles_cpu)?;
        let mut port = Port::open(echo.address)?;
        let cpu = self.arguments.generator_cpu;
        let segment = generator::run_on(cpu, &mut Echoed::default(), &mut port, schedule);
        drop(echo);
        self.target.resume()?;
        segment
    }

    fn disturbed(&self, disturbance: &Disturbance) -> bool {
        let limit = self.arguments.max_others;
        limit.is_some_and(|percent| disturbance.others() * 100 > percent * disturbance.ticks)
    }

    /// Waits until others leave the machine alone, or patience ends.
    fn wait_for_quiet(&self) {
        for _ in 0..self.arguments.max_others.map_or(0, |_| LOOKS) {
            let start = self.target.disturbance();
            std::thread::sleep(LOOK);
            if !self.disturbed(&self.target.disturbance().since(start)) {
                break;
            }
        }
    }
}

#[expect(clippy::print_stderr, reason = "progress does not mix with the report")]
fn progress(rate: u32, round: u32, rounds: u32) {
    eprintln!("{rate}/s, round {} of {rounds} ...", round + 1);
}
