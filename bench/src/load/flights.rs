//! What is known of each request of a segment: when it was meant to leave, left, and was answered.
//!
//! While a segment runs only these times are written; histograms are made of them afterwards, so that
//! the generator does nothing between two requests that it need not do.

use anyhow::Result;
use hdrhistogram::Histogram;

use super::schedule::Schedule;

/// Longest latency that is told apart, in nanoseconds: a minute.
const LONGEST: u64 = 60_000_000_000;
const SECOND: u64 = 1_000_000_000;

/// From when a latency counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// From the time of the schedule: the latency that a client has who cannot wait.
    Intended,
    /// From the time at which the generator began to write the request. If it is much less than the other one, the
    /// generator was late.
    Sent,
}

impl From {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Intended, Self::Sent];

    /// For file names and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Intended => "intended",
            Self::Sent => "sent",
        }
    }
}

/// UTC nanoseconds; 0 is not yet.
#[derive(Clone, Copy, Debug, Default)]
struct Flight {
    intended: u64,
    sent: u64,
    answered: u64,
}

/// The requests of a segment, by number.
#[derive(Clone, Debug)]
pub struct Flights {
    flights: Vec<Flight>,
    start: u64,
    first_measured: usize,
    length: u64,
    sent: usize,
    answered: usize,
    /// Answers to what was not asked, or was answered before.
    strays: usize,
}

/// A second of a segment.
#[derive(Clone, Debug)]
pub struct Interval {
    /// UTC nanoseconds.
    pub start: u64,
    /// Latencies of the requests that were intended for this second.
    pub latencies: Histogram<u64>,
}

impl Flights {
    /// The flights of a schedule that starts at `start`, UTC nanoseconds.
    #[must_use]
    pub fn new(schedule: &Schedule, start: u64) -> Self {
        let flight = |request| Flight {
            intended: start + schedule.offset(request).unwrap_or(0),
            ..Flight::default()
        };
        Self {
            flights: (0..schedule.planned()).map(flight).collect(),
            start,
            first_measured: schedule.first_measured(),
            length: schedule.length(),
            sent: 0,
            answered: 0,
            strays: 0,
        }
    }

    /// The intended time of `request`, if there is one.
    #[must_use]
    pub fn intended(&self, request: usize) -> Option<u64> {
        self.flights.get(request).map(|flight| flight.intended)
    }

    /// `request` left.
    pub fn sent(&mut self, request: usize, now: u64) {
        self.flights[request].sent = now;
        self.sent += 1;
    }

    /// The first answer to `request` is here.
    pub fn answered(&mut self, request: usize, now: u64) {
        match self.flights.get_mut(request) {
            Some(flight) if flight.sent != 0 && flight.answered == 0 => {
                flight.answered = now;
                self.answered += 1;
            }
            _ => self.strays += 1,
        }
    }

    /// Requests that were sent and not answered.
    #[must_use]
    pub fn open(&self) -> usize {
        self.sent - self.answered
    }

    /// Requests planned, sent, answered, and answers to nothing; warm-up included.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let lateness = |flight: &Flight| flight.sent.saturating_sub(flight.intended);
        let last = self.flights.iter().rev().find(|flight| flight.sent != 0);
        Counts {
            planned: self.flights.len(),
            sent: self.sent,
            answered: self.answered,
            strays: self.strays,
            behind_at_end: last.map_or(0, lateness),
            length: self.length,
        }
    }

    /// The measured latencies, in nanoseconds, second by second.
    ///
    /// # Errors
    /// If a histogram cannot be made, which constant bounds exclude.
    pub fn intervals(&self, from: From) -> Result<Vec<Interval>> {
        let mut intervals: Vec<Interval> = Vec::new();
        for flight in &self.flights[self.first_measured..] {
            let second = (flight.intended - self.start) / SECOND;
            let start = self.start + second * SECOND;
            if intervals.last().is_none_or(|last| last.start != start) {
                let latencies = empty()?;
                intervals.push(Interval { start, latencies });
            }
            let began = match from {
                From::Intended => flight.intended,
                From::Sent => flight.sent,
            };
            if let Some(last) = intervals.last_mut().filter(|_| flight.answered != 0) {
                let latency = flight.answered.saturating_sub(began);
                last.latencies.saturating_record(latency);
            }
        }
        Ok(intervals)
    }
}

/// A histogram for latencies: up to a minute, three significant digits.
///
/// # Errors
/// If it cannot be made, which constant bounds exclude.
pub fn empty() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, LONGEST, 3)?)
}

/// What became of the requests of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// In the schedule.
    pub planned: usize,
    /// That left.
    pub sent: usize,
    /// That were answered.
    pub answered: usize,
    /// Answers to what was not asked, or was answered before.
    pub strays: usize,
    /// Nanoseconds by which the last request left late.
    pub behind_at_end: u64,
    /// Nanoseconds that the schedule spans.
    pub length: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::schedule::Arrivals;

    const START: u64 = 1_700_000_000_000_000_000;
    const MS: u64 = 1_000_000;

    /// Four requests a second: one second of warm-up and two that are measured.
    fn flights() -> Flights {
        Flights::new(&Schedule::new(Arrivals::Constant, 4, 1, 2, 0), START)
    }

    fn all(flights: &Flights, from: From) -> Histogram<u64> {
        let mut all = empty().expect("constant bounds");
        for interval in flights.intervals(from).expect("constant bounds") {
            all.add(interval.latencies).expect("the same bounds");
        }
        all
    }

    #[test]
    fn a_late_generator_shows_in_the_intended_latency_only() {
        let mut flights = flights();
        for request in 0..12 {
            let intended = flights.intended(request).expect("planned");
            // The last one leaves 700 ms late; each is answered 2 ms after it left.
            let late = if request == 11 { 700 * MS } else { 0 };
            flights.sent(request, intended + late);
            flights.answered(request, intended + late + 2 * MS);
        }
        let (intended, sent) = (all(&flights, From::Intended), all(&flights, From::Sent));
        assert_eq!((intended.len(), sent.len()), (8, 8), "warm-up is excluded");
        let near = |value: u64, ms: u64| value.abs_diff(ms * MS) <= ms * MS / 500;
        assert!(near(sent.max(), 2), "{}", sent.max());
        assert!(near(intended.max(), 702), "{}", intended.max());
        assert!(near(intended.value_at_quantile(0.5), 2));
        assert_eq!(flights.counts().behind_at_end, 700 * MS);
    }

    #[test]
    fn a_latency_belongs_to_the_second_it_was_intended_for() {
        let mut flights = flights();
        for request in 0..12 {
            let intended = flights.intended(request).expect("planned");
            flights.sent(request, intended);
            // Answers of the second second come in the third.
            flights.answered(request, intended + 1_500 * MS);
        }
        let intervals = flights.intervals(From::Intended).expect("constant bounds");
        let seen: Vec<_> = intervals
            .iter()
            .map(|interval| (interval.start - START, interval.latencies.len()))
            .collect();
        assert_eq!(seen, [(SECOND, 4), (2 * SECOND, 4)]);
    }

    #[test]
    fn what_is_not_answered_is_open_and_not_a_latency() {
        let mut flights = flights();
        for request in 0..11 {
            flights.sent(request, START + 1);
        }
        for request in 0..9 {
            flights.answered(request, START + 2);
        }
        // Not sent; answered before; never planned.
        flights.answered(11, START + 3);
        flights.answered(8, START + 3);
        flights.answered(12, START + 3);
        assert_eq!(flights.open(), 2);
        let counts = flights.counts();
        assert_eq!(
            (counts.planned, counts.sent, counts.answered, counts.strays),
            (12, 11, 9, 3)
        );
        assert_eq!(all(&flights, From::Intended).len(), 5);
    }
}
