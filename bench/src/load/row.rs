//! A row of the result: one subject at one rate, over all its segments, and whether it counts.

use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use serde::Serialize;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::flights::{self, Counts, From, Interval};
use super::generator::Segment;

/// Samples that must lie above a percentile before it is shown: fewer say nothing about it.
const SAMPLES_ABOVE: u64 = 10;
/// A generator that ends so much late, in parts of the segment, has not kept the rate.
pub const BEHIND_PARTS: u64 = 100;

/// One subject at one rate.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured.
    pub subject: &'static str,
    /// Requests a second.
    pub rate: u32,
    /// Summed over the segments; `behind_at_end` is the worst.
    pub counts: Counts,
    /// What went wrong, by name.
    pub faults: Vec<(&'static str, u64)>,
    /// Of each segment, in their order.
    pub segments: Vec<Percentiles>,
    /// Nanoseconds between two turns of the generator.
    pub turns: Histogram<u64>,
    /// Times that the generator was taken off its CPU.
    pub preempted: u64,
    latencies: [Histogram<u64>; 2],
    intervals: [Vec<Interval>; 2],
    behind: bool,
}

impl Row {
    /// A row without a segment.
    ///
    /// # Errors
    /// If a histogram cannot be made, which constant bounds exclude.
    pub fn new(subject: &'static str, rate: u32) -> Result<Self> {
        Ok(Self {
            subject,
            rate,
            counts: Counts::default(),
            faults: Vec::new(),
            segments: Vec::new(),
            turns: flights::empty()?,
            preempted: 0,
            latencies: [flights::empty()?, flights::empty()?],
            intervals: [Vec::new(), Vec::new()],
            behind: false,
        })
    }

    /// Adds a segment. Histograms are merged; percentiles are never averaged.
    ///
    /// # Errors
    /// If histograms do not fit each other, which constant bounds exclude.
    pub fn add(&mut self, segment: &Segment) -> Result<()> {
        let counts = segment.flights.counts();
        let sum = &mut self.counts;
        sum.planned += counts.planned;
        sum.sent += counts.sent;
        sum.answered += counts.answered;
        sum.strays += counts.strays;
        sum.length += counts.length;
        sum.behind_at_end = sum.behind_at_end.max(counts.behind_at_end);
        self.behind |= counts.behind_at_end > counts.length / BEHIND_PARTS;
        for (name, count) in &segment.faults {
            match self.faults.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum += count,
                None => self.faults.push((name, *count)),
            }
        }
        self.turns.add(&segment.turns)?;
        self.preempted += segment.preempted;
        for from in From::BOTH {
            let mut of_segment = flights::empty()?;
            for interval in segment.flights.intervals(from)? {
                of_segment.add(&interval.latencies)?;
                self.intervals[from as usize].push(interval);
            }
            self.latencies[from as usize].add(&of_segment)?;
            if from == From::Intended {
                self.segments.push(Percentiles::of(&of_segment));
            }
        }
        Ok(())
    }

    /// The measured latencies, in nanoseconds.
    #[must_use]
    pub fn latencies(&self, from: From) -> &Histogram<u64> {
        &self.latencies[from as usize]
    }

    /// The same, second by second, of one segment after the other.
    #[must_use]
    pub fn intervals(&self, from: From) -> &[Interval] {
        &self.intervals[from as usize]
    }

    /// Why the row does not count; nothing if it does.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let Counts {
            planned,
            sent,
            answered,
            strays,
            behind_at_end,
            ..
        } = self.counts;
        let mut reasons = Vec::new();
        if sent < planned {
            reasons.push(format!("{} of {planned} not sent", planned - sent));
        }
        if answered < sent {
            reasons.push(format!("{} of {sent} not answered", sent - answered));
        }
        if strays > 0 {
            reasons.push(format!("{strays} answers to nothing"));
        }
        if self.behind {
            let late = Duration::from_nanos(behind_at_end);
            reasons.push(format!("the generator ended {late:.1?} late"));
        }
        let faults = self.faults.iter().filter(|(_, count)| *count > 0);
        reasons.extend(faults.map(|(name, count)| format!("{count} {name}")));
        reasons
    }

    /// Writes the interval logs of both series, a second an interval, values in nanoseconds.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write_hlog(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        From::BOTH
            .into_iter()
            .map(|from| self.write_series(folder, from))
            .collect()
    }

    fn write_series(&self, folder: &Path, from: From) -> Result<PathBuf> {
        let name = format!("{}-{}-{}.hlog", self.subject, self.rate, from.name());
        let path = folder.join(name);
        let intervals = &self.intervals[from as usize];
        let start = intervals.first().map_or(0, |interval| interval.start);
        let mut file = BufWriter::new(
            File::create(&path).with_context(|| format!("write {}", path.display()))?,
        );
        let mut serializer = V2DeflateSerializer::new();
        let comment = format!(
            "{} at {}/s, latency from the {} time, nanoseconds",
            self.subject,
            self.rate,
            from.name()
        );
        let mut log = IntervalLogWriterBuilder::new()
            .add_comment(&comment)
            .with_start_time(UNIX_EPOCH + Duration::from_nanos(start))
            .begin_log_with(&mut file, &mut serializer)?;
        for interval in intervals {
            log.write_histogram(
                &interval.latencies,
                Duration::from_nanos(interval.start),
                Duration::from_secs(1),
                Tag::new(self.subject),
            )
            .map_err(|error| anyhow::anyhow!("write {}: {error:?}", path.display()))?;
        }
        file.flush()?;
        Ok(path)
    }
}

/// What is shown of a histogram, in nanoseconds. A percentile with too few samples above it is left
/// out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// Half of the samples are at most this.
    pub p50: Option<u64>,
    /// 90 in 100.
    pub p90: Option<u64>,
    /// 99 in 100.
    pub p99: Option<u64>,
    /// 999 in 1,000.
    pub p99_9: Option<u64>,
    /// 9,999 in 10,000.
    pub p99_99: Option<u64>,
    /// The largest.
    pub max: u64,
    /// How many samples.
    pub count: u64,
}

impl Percentiles {
    /// Those of a histogram.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let count = histogram.len();
        let at = |above: u64| {
            let quantile = 1.0 - 1.0 / above as f64;
            (count / above >= SAMPLES_ABOVE).then(|| histogram.value_at_quantile(quantile))
        };
        Self {
            p50: at(2),
            p90: at(10),
            p99: at(100),
            p99_9: at(1_000),
            p99_99: at(10_000),
            max: histogram.max(),
            count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::flights::Flights;
    use crate::load::schedule::{Arrivals, Schedule};
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    const START: u64 = 1_700_000_000_000_000_000;

    /// 100 requests a second for a second of warm-up and two more; `spoil` before it is added.
    fn row(spoil: impl FnOnce(&mut Segment)) -> Row {
        let schedule = Schedule::new(Arrivals::Constant, 100, 1, 2, 0);
        let mut segment = Segment {
            flights: Flights::new(&schedule, START),
            faults: vec![("datagrams sent again", 0)],
            turns: flights::empty().expect("constant bounds"),
            preempted: 0,
        };
        spoil(&mut segment);
        let mut row = Row::new("exchange", 100).expect("constant bounds");
        row.add(&segment).expect("the same bounds");
        row
    }

    fn fly(flights: &mut Flights, requests: core::ops::Range<usize>, late: u64) {
        for request in requests {
            let at = flights.intended(request).expect("planned") + late;
            flights.sent(request, at);
            flights.answered(request, at + 50_000);
        }
    }

    #[test]
    fn a_whole_run_counts() {
        let row = row(|segment| fly(&mut segment.flights, 0..300, 1_000));
        assert_eq!(row.reasons(), Vec::<String>::new());
        assert_eq!(row.segments[0].count, 200);
    }

    #[test]
    fn each_way_to_miss_a_rate_fails_the_row() {
        let unsent = row(|segment| fly(&mut segment.flights, 0..299, 0));
        assert_eq!(unsent.reasons(), ["1 of 300 not sent"]);

        let unanswered = row(|segment| {
            fly(&mut segment.flights, 1..300, 0);
            segment.flights.sent(0, START);
        });
        assert_eq!(
            unanswered.reasons(),
            ["1 of 300 not answered"],
            "the warm-up counts as well"
        );

        let again = row(|segment| {
            fly(&mut segment.flights, 0..300, 0);
            segment.faults[0].1 = 2;
        });
        assert_eq!(again.reasons(), ["2 datagrams sent again"]);

        // A hundredth of three seconds is 30 ms.
        let late = row(|segment| fly(&mut segment.flights, 0..300, 30_000_001));
        assert_eq!(late.reasons(), ["the generator ended 30.0ms late"]);
        let late = row(|segment| fly(&mut segment.flights, 0..300, 30_000_000));
        assert_eq!(late.reasons(), Vec::<String>::new());

        let twice = row(|segment| {
            fly(&mut segment.flights, 0..300, 0);
            segment.flights.answered(7, START + 1);
        });
        assert_eq!(twice.reasons(), ["1 answers to nothing"]);
    }

    #[test]
    fn one_bad_segment_fails_the_row_of_two() {
        let mut row = row(|segment| fly(&mut segment.flights, 0..300, 40_000_000));
        let schedule = Schedule::new(Arrivals::Constant, 100, 1, 2, 0);
        let mut flights = Flights::new(&schedule, START);
        fly(&mut flights, 0..300, 0);
        row.add(&Segment {
            flights,
            faults: vec![("datagrams sent again", 1)],
            turns: flights::empty().expect("constant bounds"),
            preempted: 0,
        })
        .expect("the same bounds");
        assert_eq!(
            row.reasons(),
            ["the generator ended 40.0ms late", "1 datagrams sent again"]
        );
        assert_eq!(
            (row.counts.planned, row.latencies(From::Sent).len()),
            (600, 400)
        );
        assert_eq!(row.segments.len(), 2);
    }

    #[test]
    fn a_percentile_needs_samples_above_it() {
        let mut histogram = flights::empty().expect("constant bounds");
        for value in 1..=1_000 {
            histogram.saturating_record(value);
        }
        let percentiles = Percentiles::of(&histogram);
        assert_eq!(percentiles.p50, Some(500));
        assert_eq!(percentiles.p99, Some(990));
        assert_eq!((percentiles.p99_9, percentiles.p99_99), (None, None));
        assert_eq!((percentiles.max, percentiles.count), (1_000, 1_000));
        let nothing = Percentiles::of(&flights::empty().expect("constant bounds"));
        assert_eq!(nothing, Percentiles::default());
    }

    #[test]
    fn an_interval_log_gives_back_what_was_measured() {
        let row = row(|segment| fly(&mut segment.flights, 0..300, 1_000));
        let folder = tempfile::tempdir().expect("a folder");
        let files = row.write_hlog(folder.path()).expect("written");
        let text = std::fs::read(folder.path().join("exchange-100-intended.hlog")).expect("read");
        assert_eq!(files.len(), 2);
        let mut read = flights::empty().expect("constant bounds");
        let mut seconds = 0;
        for entry in IntervalLogIterator::new(&text) {
            let LogEntry::Interval(interval) = entry.expect("well formed") else {
                continue;
            };
            let bytes = base64_of_the_log(interval.encoded_histogram());
            let histogram: Histogram<u64> = Deserializer::new()
                .deserialize(&mut bytes.as_slice())
                .expect("a histogram");
            read.add(histogram).expect("the same bounds");
            seconds += 1;
        }
        assert_eq!(seconds, 2);
        assert_eq!(&read, row.latencies(From::Intended));
    }

    /// The interval log's histograms are base64, which the crate writes and does not read.
    fn base64_of_the_log(text: &str) -> Vec<u8> {
        let digit = |byte: u8| match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        let mut bytes = Vec::new();
        for four in text.trim_end_matches('=').as_bytes().chunks(4) {
            let bits = four
                .iter()
                .fold(0_u32, |bits, byte| bits << 6 | u32::from(digit(*byte)));
            let bits = bits << (6 * (4 - four.len()));
            bytes.extend_from_slice(&bits.to_be_bytes()[1..four.len()]);
        }
        bytes
    }
}
