//! The raw result of a run: what its report is made from, and what a file keeps of it.
//!
//! Every subcommand of `bench` makes one; `--out` writes it, `bench report` reads it again. Latencies are kept as
//! histograms, so that whoever has the file can draw any percentile from it.

use anyhow::{Context as _, Result, ensure};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::path::Path;

use crate::load::flights::{self, From, Interval};
use crate::load::row::{Percentiles, Row};

/// The only layout that this build reads and writes.
pub const FORMAT: u32 = 2;
/// From when the latencies of an open loop count.
pub const INTENDED: &str = "the intended time";
const SECOND: u64 = 1_000_000_000;

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// [`FORMAT`].
    pub format: u32,
    /// What was measured, in one sentence.
    pub title: String,
    /// Why the run does not count; nothing if it does.
    pub faults: Vec<String>,
    /// The machine is a virtual one.
    pub virtualised: bool,
    /// From when the latencies count, as in "from ...".
    pub latency_from: String,
    /// Latencies, one subject at one rate each.
    pub series: Vec<Series>,
    /// What else was found.
    pub tables: Vec<Table>,
    /// What a reader must know to judge it.
    pub sections: Vec<Section>,
    /// The result in one line: see [`headline`].
    pub headline: String,
}

/// What every layout begins with.
#[derive(Deserialize)]
struct Versioned {
    format: u32,
}

/// A paragraph under the tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// What it is about, in one word.
    pub name: String,
    /// What is to be known.
    pub text: String,
}

/// A table that is shown as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// What it shows, and in which unit.
    pub caption: String,
    /// The heads of its columns.
    pub columns: Vec<String>,
    /// Its rows, each with as many cells as there are columns.
    pub rows: Vec<Vec<String>>,
}

/// One subject at one rate; times in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// What was measured.
    pub subject: String,
    /// Requests a second.
    pub rate: u64,
    /// Requests in the schedule.
    pub planned: u64,
    /// Requests that left.
    pub sent: u64,
    /// Requests that were answered.
    pub answered: u64,
    /// From when the record says.
    pub latency: Samples,
    /// From the time of sending, if that is another one.
    pub from_sent: Option<Samples>,
    /// The 99th percentile of each segment, in their order.
    pub segments: Vec<Option<u64>>,
    /// The course of the latency.
    pub over_time: Vec<Moment>,
    /// Why it does not count; nothing if it does.
    pub fail: Vec<String>,
}

/// A histogram: values in nanoseconds, ascending, and how often each was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Samples(pub Vec<(u64, u64)>);

/// A second of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Seconds since the series began.
    pub second: u64,
    /// Requests intended for it that were answered.
    pub count: u64,
    /// Half of the latencies are at most this.
    pub p50: Option<u64>,
    /// 99 in 100.
    pub p99: Option<u64>,
    /// The largest.
    pub max: u64,
}

impl Record {
    /// A run without latencies, tables and sections: its title, and `found` in one line, or why it does not count.
    #[must_use]
    pub fn new(
        title: impl Into<String>,
        virtualised: bool,
        faults: Vec<String>,
        found: &str,
    ) -> Self {
        Self {
            format: FORMAT,
            title: title.into(),
            virtualised,
            latency_from: String::new(),
            series: Vec::new(),
            tables: Vec::new(),
            sections: Vec::new(),
            headline: headline(&faults, found),
            faults,
        }
    }

    /// Reads a file that `--out` wrote.
    ///
    /// # Errors
    /// If it cannot be read, is no record, or one of another format.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("read the result {}", path.display()))?;
        let no_result = || format!("{} is no result of this bench", path.display());
        let Versioned { format } = serde_json::from_str(&text).with_context(no_result)?;
        ensure!(
            format == FORMAT,
            "{} has format {format}, this build reads format {FORMAT}: measure again",
            path.display(),
        );
        serde_json::from_str(&text).with_context(no_result)
    }

    /// Writes it to a file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string(self)? + "\n";
        std::fs::write(path, text).with_context(|| format!("write the result {}", path.display()))
    }

    /// Whether the run counts.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.faults.is_empty()
    }

    /// What a section says; nothing if it is missing or empty.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&str> {
        let mut sections = self.sections.iter();
        let found = sections.find(|section| section.name == name)?;
        Some(found.text.trim()).filter(|text| !text.is_empty())
    }
}

impl Series {
    /// Of a row of the generator.
    #[must_use]
    pub fn of(row: &Row) -> Self {
        Self {
            subject: row.subject.to_owned(),
            rate: row.rate.into(),
            planned: row.counts.planned as u64,
            sent: row.counts.sent as u64,
            answered: row.counts.answered as u64,
            latency: Samples::of(row.latencies(From::Intended)),
            from_sent: Some(Samples::of(row.latencies(From::Sent))),
            segments: row.segments.iter().map(|p| p.p99).collect(),
            over_time: over_time(row.intervals(From::Intended)),
            fail: row.reasons(),
        }
    }
}

/// Why rows do not count, each with its name.
#[must_use]
pub fn faults(series: &[Series]) -> Vec<String> {
    let failing = series.iter().filter(|row| !row.fail.is_empty());
    failing
        .map(|row| format!("{} at {}/s: {}", row.subject, row.rate, row.fail.join(", ")))
        .collect()
}

/// The result in one line. A run that does not count has none, whatever was measured.
#[must_use]
pub fn headline(faults: &[String], found: &str) -> String {
    if faults.is_empty() {
        format!("headline: {found}")
    } else {
        format!(
            "headline: none, the run does not count: {}",
            faults.join("; ")
        )
    }
}

/// The course of a series, second by second.
#[must_use]
pub fn over_time(intervals: &[Interval]) -> Vec<Moment> {
    let began = intervals.first().map_or(0, |first| first.start);
    let moment = |interval: &Interval| {
        let p = Percentiles::of(&interval.latencies);
        Moment {
            // Segments begin at any fraction of a second.
            second: (interval.start.saturating_sub(began) + SECOND / 2) / SECOND,
            count: p.count,
            p50: p.p50,
            p99: p.p99,
            max: p.max,
        }
    };
    intervals.iter().map(moment).collect()
}

impl Samples {
    /// Those of a histogram.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let recorded = histogram.iter_recorded();
        let pairs = recorded.map(|step| (step.value_iterated_to(), step.count_at_value()));
        Self(pairs.collect())
    }

    /// The histogram again.
    ///
    /// # Errors
    /// If a histogram cannot be made, which constant bounds exclude.
    pub fn histogram(&self) -> Result<Histogram<u64>> {
        let mut histogram = flights::empty()?;
        for (value, count) in &self.0 {
            histogram.saturating_record_n(*value, *count);
        }
        Ok(histogram)
    }

    /// Its percentiles.
    ///
    /// # Errors
    /// As [`Samples::histogram`].
    pub fn percentiles(&self) -> Result<Percentiles> {
        Ok(Percentiles::of(&self.histogram()?))
    }
}

/// A section.
#[must_use]
pub fn section(name: &str, text: impl Into<String>) -> Section {
    Section {
        name: name.to_owned(),
        text: text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_survives_its_file() {
        let mut histogram = flights::empty().expect("constant bounds");
        for value in [1, 900, 1_234_567, 1_234_567, 59_000_000_000] {
            histogram.saturating_record(value);
        }
        let text = serde_json::to_string(&Samples::of(&histogram)).expect("JSON");
        let read: Samples = serde_json::from_str(&text).expect("JSON");
        let again = read.histogram().expect("constant bounds");
        assert_eq!(Samples::of(&again), Samples::of(&histogram));
        assert_eq!(again.len(), 5);
        for quantile in [0.1, 0.5, 0.99, 1.0] {
            assert_eq!(
                again.value_at_quantile(quantile),
                histogram.value_at_quantile(quantile)
            );
        }
    }

    #[test]
    fn a_run_that_does_not_count_has_no_headline() {
        assert_eq!(headline(&[], "p50 1 µs"), "headline: p50 1 µs");
        let faults = ["late".to_owned(), "NOT VERIFIED".to_owned()];
        assert_eq!(
            headline(&faults, "p50 1 µs"),
            "headline: none, the run does not count: late; NOT VERIFIED"
        );
    }

    #[test]
    fn a_second_is_counted_from_the_first() {
        let interval = |start| Interval {
            start,
            latencies: flights::empty().expect("constant bounds"),
        };
        let at = 1_700_000_000_500_000_000;
        let moments = over_time(&[
            interval(at),
            interval(at + SECOND),
            interval(at + 5 * SECOND - 3),
        ]);
        let seconds: Vec<u64> = moments.iter().map(|moment| moment.second).collect();
        assert_eq!(seconds, [0, 1, 5]);
    }

    #[test]
    fn another_format_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("result.json");
        let record = Record {
            format: FORMAT + 1,
            title: String::new(),
            faults: Vec::new(),
            virtualised: false,
            latency_from: INTENDED.into(),
            series: Vec::new(),
            tables: Vec::new(),
            sections: vec![section("Host", "  ")],
            headline: String::new(),
        };
        assert_eq!(
            record.section("Host"),
            None,
            "an empty section says nothing"
        );
        record.write(&path).expect("written");
        let error = Record::read(&path).expect_err("another format").to_string();
        assert!(error.contains("has format 3"), "{error}");
        // That of an earlier build, whatever else is in it.
        std::fs::write(&path, r#"{"format":1,"ok":true}"#).expect("written");
        let error = Record::read(&path).expect_err("another format").to_string();
        assert!(error.contains("has format 1"), "{error}");
        std::fs::write(&path, "{}").expect("written");
        let error = Record::read(&path).expect_err("no record").to_string();
        assert!(error.contains("is no result of this bench"), "{error}");
    }
}
