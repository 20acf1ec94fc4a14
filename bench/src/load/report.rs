//! What is recorded of a run: its rows, the exchange in echoes, the stages inside the fastpath.

use anyhow::Result;

use super::inside::Stretch;
use super::row::{Percentiles, Row};
use super::sweep::{Knee, counts};
use crate::record::{INTENDED, Record, Section, Series, Table};
use crate::report::{best, hundredths, micros, ratios};

/// What the rows are called.
pub(super) const ECHO: &str = "echo";
pub(super) const EXCHANGE: &str = "exchange";

/// What a report is made of.
#[derive(Debug)]
pub struct Findings {
    /// What was measured, in one sentence.
    pub title: &'static str,
    /// Rows of all rates, echo and exchange in turn.
    pub rows: Vec<Row>,
    /// Inside the fastpath, by rate; empty if it is not ours.
    pub stretches: Vec<Stretch>,
    /// The paragraphs.
    pub sections: Vec<Section>,
    /// The knee of a sweep.
    pub knee: Option<Knee>,
    /// What speaks against the work that was done.
    pub faults: Vec<String>,
    /// The machine is a virtual one.
    pub virtualised: bool,
}

/// The record of these findings.
///
/// # Errors
/// If a histogram cannot be made, which constant bounds exclude.
pub fn record(findings: Findings) -> Result<Record> {
    let series: Vec<Series> = findings.rows.iter().map(Series::of).collect();
    let mut faults = counts(&series, findings.knee.as_ref(), ECHO);
    faults.extend(findings.faults);
    let mut found = best(&series, ECHO, EXCHANGE, ECHO)?;
    if let Some(knee) = &findings.knee {
        found = format!("{found}; {}", knee.sentence(ECHO));
    }
    let mut tables = Vec::new();
    tables.extend(ratios(&series, ECHO, EXCHANGE, "Exchange in echoes:")?);
    tables.extend(stages(&findings.stretches));
    Ok(Record {
        latency_from: INTENDED.to_owned(),
        series,
        tables,
        sections: findings.sections,
        ..Record::new(findings.title, findings.virtualised, faults, &found)
    })
}

/// Stages that the fastpath times itself, and how often its tiles found work.
fn stages(stretches: &[Stretch]) -> Vec<Table> {
    if stretches.is_empty() {
        return Vec::new();
    }
    let (mut timed, mut polls) = (Vec::new(), Vec::new());
    for Stretch {
        rate,
        stages,
        tiles,
    } in stretches
    {
        for (name, histogram) in stages {
            let p = Percentiles::of(histogram);
            let mut row = vec![rate.to_string(), name.replace('_', " ")];
            row.extend([p.p50, p.p99, p.p99_9, Some(p.max)].map(micros));
            row.push(p.count.to_string());
            timed.push(row);
        }
        let mut row = vec![rate.to_string()];
        row.extend(
            tiles
                .iter()
                .map(|(_, polls, busy)| hundredths(Some(busy * 10_000 / polls.max(&1)))),
        );
        polls.push(row);
    }
    let tiles = stretches
        .first()
        .into_iter()
        .flat_map(|stretch| &stretch.tiles);
    let names = tiles.map(|(name, _, _)| (*name).to_owned());
    vec![
        Table {
            caption: "Inside the fastpath (warm-up included), µs:".into(),
            columns: ["rate/s", "stage", "p50", "p99", "p99.9", "max", "count"]
                .map(str::to_owned)
                .to_vec(),
            rows: timed,
        },
        Table {
            caption: "Polls that found work, %:".into(),
            columns: std::iter::once("rate/s".to_owned()).chain(names).collect(),
            rows: polls,
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::flights::{self, Flights};
    use crate::load::generator::Segment;
    use crate::load::schedule::{Arrivals, Schedule};
    use crate::load::sweep::Missed;
    use crate::record::section;
    use crate::report::{REQUIRED, render};

    /// 2,000 requests that are answered after `latency`, but for the `lost` last.
    fn row(subject: &'static str, rate: u32, latency: u64, lost: usize) -> Row {
        let schedule = Schedule::new(Arrivals::Constant, rate, 0, 2_000 / rate, 0);
        let mut flights = Flights::new(&schedule, 1_700_000_000_000_000_000);
        for request in 0..schedule.planned() {
            let at = flights.intended(request).expect("planned");
            flights.sent(request, at);
            if request + lost < schedule.planned() {
                flights.answered(request, at + latency);
            }
        }
        let mut row = Row::new(subject, rate).expect("constant bounds");
        row.add(&Segment {
            flights,
            faults: Vec::new(),
            turns: flights::empty().expect("constant bounds"),
            preempted: 0,
        })
        .expect("the same bounds");
        row
    }

    fn recorded(rows: Vec<Row>, knee: Option<Knee>, faults: &[&str]) -> Record {
        record(Findings {
            title: "Round trip",
            rows,
            stretches: vec![Stretch::new(1_000).expect("constant bounds")],
            sections: REQUIRED.map(|name| section(name, "the network")).to_vec(),
            knee,
            faults: faults.iter().map(|fault| (*fault).to_owned()).collect(),
            virtualised: true,
        })
        .expect("constant bounds")
    }

    #[test]
    fn the_headline_is_the_highest_rate_that_counts() {
        let rows = || {
            vec![
                row("echo", 500, 800, 0),
                row("exchange", 500, 1_640, 0),
                row("echo", 1_000, 600, 0),
                row("exchange", 1_000, 1_500, 0),
                row("echo", 2_000, 10_000, 0),
                row("exchange", 2_000, 9_000, 1),
            ]
        };
        let found = recorded(rows()[..4].to_vec(), None, &[]);
        assert!(found.is_ok());
        let text = render(&found).expect("complete");
        assert!(
            text.ends_with(
                "headline: p50 1.5 µs, p99 1.5 µs at 1000/s; echo p50 0.6 µs, p99 0.6 µs, \
                 ratio p50 2.50, p99 2.50\n"
            ),
            "{text}"
        );
        assert!(text.contains("| 500 | 2.05 | 2.05 |"), "{text}");
        let swept = recorded(rows(), Some(knee(Some(1_000))), &[]);
        assert!(swept.is_ok(), "where a sweep ends is its result");
        assert!(
            swept.headline.contains("p99 2.50; the knee is 1000/s"),
            "{}",
            swept.headline
        );
    }

    #[test]
    fn a_run_with_a_row_that_fails_has_no_headline() {
        let rows = vec![
            row("echo", 1_000, 600, 0),
            row("exchange", 1_000, 1_500, 0),
            row("echo", 2_000, 10_000, 0),
            row("exchange", 2_000, 9_000, 1),
        ];
        let found = recorded(rows, None, &[]);
        assert!(!found.is_ok());
        let text = render(&found).expect("complete");
        assert!(text.contains("status: FAIL"), "{text}");
        assert!(text.contains("FAIL: 1 of 2000 not answered"), "{text}");
        assert!(
            text.ends_with(
                "headline: none, the run does not count: exchange at 2000/s: 1 of 2000 not answered\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn a_sweep_that_kept_no_rate_fails() {
        let rows = vec![row("echo", 1_000, 600, 0), row("exchange", 1_000, 1_500, 1)];
        let found = recorded(rows, Some(knee(None)), &[]);
        assert!(!found.is_ok());
        assert!(
            found
                .headline
                .contains("none, the run does not count: no rate was kept"),
            "{}",
            found.headline
        );
    }

    fn knee(kept: Option<u32>) -> Knee {
        let missed = Missed {
            exchange: vec!["1 of 2000 not answered".into()],
            floor: Vec::new(),
        };
        Knee {
            kept,
            missed: Some((2_000, missed)),
        }
    }

    #[test]
    fn the_table_says_where_it_holds() {
        let rows = || {
            vec![
                row("echo", 1_000, 8_000, 0),
                row("exchange", 1_000, 9_000, 0),
            ]
        };
        let text = render(&recorded(rows(), None, &[])).expect("complete");
        let (warning, table) = (
            text.find("development machine: compare only within one run"),
            text.find("| rate/s |"),
        );
        assert!(warning.is_some() && warning < table, "{text}");
        assert!(text.contains("status: OK") && text.contains("Excludes"));
        assert!(!text.contains("wire"));
        let unverified = recorded(rows(), None, &["the journal was not verified"]);
        assert!(!unverified.is_ok(), "unverified work fails the run");
        assert!(!unverified.headline.contains("p50"));
    }

    #[test]
    fn without_an_echo_there_is_no_headline_and_no_ratio() {
        let found = recorded(vec![row("exchange", 1_000, 25_000, 0)], None, &[]);
        assert_eq!(found.series[0].subject, "exchange");
        let p = found.series[0].latency.percentiles().expect("bounds");
        assert_eq!(p.count, 2_000);
        assert_eq!(
            found.headline,
            "headline: none, no rate was kept by both exchange and echo"
        );
        assert!(
            !found
                .tables
                .iter()
                .any(|table| table.caption.contains("echoes"))
        );
    }
}
