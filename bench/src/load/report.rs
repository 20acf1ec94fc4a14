//! The report: everything that a reader needs to judge the numbers, with the numbers.

use anyhow::Result;
use serde::Serialize;
use std::fmt::Write as _;

use super::flights::From;
use super::inside::Stretch;
use super::row::{Percentiles, Row};

/// A run's report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    title: &'static str,
    ok: bool,
    virtualised: bool,
    rows: Vec<Shown>,
    ratios: Vec<Ratio>,
    stages: Vec<Stages>,
    sections: Vec<Section>,
    headline: String,
}

/// A paragraph under the tables.
#[derive(Clone, Debug, Serialize)]
pub struct Section {
    /// What it is about, in one word.
    pub name: &'static str,
    /// What is to be known.
    pub text: String,
}

/// A row as it is shown; times in nanoseconds.
#[derive(Clone, Debug, Serialize)]
struct Shown {
    subject: &'static str,
    rate: u32,
    planned: usize,
    sent: usize,
    answered: usize,
    from_intended: Percentiles,
    from_sent: Percentiles,
    segments: Vec<Percentiles>,
    fail: Vec<String>,
}

/// The exchange's latency in echoes, in hundredths.
#[derive(Clone, Debug, Serialize)]
struct Ratio {
    rate: u32,
    p50: Option<u64>,
    p99: Option<u64>,
}

/// Inside the fastpath; times in nanoseconds.
#[derive(Clone, Debug, Serialize)]
struct Stages {
    rate: u32,
    stages: Vec<(&'static str, Percentiles)>,
    /// Polls that found work, in hundredths of a percent.
    busy_polls: Vec<(&'static str, u64)>,
}

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
    /// The journal was verified, or is not ours to verify.
    pub correct: bool,
    /// The machine is a virtual one.
    pub virtualised: bool,
}

impl Report {
    /// Of these findings.
    #[must_use]
    pub fn new(findings: Findings) -> Self {
        let rows: Vec<Shown> = findings.rows.iter().map(shown).collect();
        let headline = headline(&rows);
        Self {
            title: findings.title,
            ok: findings.correct && rows.iter().all(|row| row.fail.is_empty()),
            virtualised: findings.virtualised,
            ratios: pairs(&rows).map(|(echo, row)| ratio(echo, row)).collect(),
            rows,
            stages: findings.stretches.iter().map(stages).collect(),
            sections: findings.sections,
            headline,
        }
    }

    /// Whether every row counts and the work was verified.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.ok
    }

    /// The report as text, or as JSON.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn print(&self, json: bool) -> Result<String> {
        if json {
            return Ok(serde_json::to_string_pretty(self)? + "\n");
        }
        let mut text = String::new();
        self.write(&mut text)?;
        Ok(text)
    }

    fn write(&self, text: &mut String) -> Result<()> {
        let status = if self.ok { "OK" } else { "FAIL" };
        writeln!(text, "# {}    status: {status}\n", self.title)?;
        if self.virtualised {
            writeln!(text, "development machine: compare only within one run\n")?;
        }
        writeln!(
            text,
            "Latency from the intended time, µs (p99 of each segment at the right):\n"
        )?;
        write_rows(text, &self.rows)?;
        writeln!(
            text,
            "\nThe same from the time of sending (less than above: the generator was late), µs:\n"
        )?;
        write_from_sent(text, &self.rows)?;
        self.write_ratios(text)?;
        self.write_stages(text)?;
        writeln!(text)?;
        for Section { name, text: about } in &self.sections {
            writeln!(text, "{name:<9} {about}")?;
        }
        writeln!(text, "\n{}", self.headline)?;
        Ok(())
    }

    fn write_ratios(&self, text: &mut String) -> Result<()> {
        if self.ratios.is_empty() {
            return Ok(());
        }
        writeln!(text, "\nExchange in echoes:\n")?;
        writeln!(text, "| rate/s | p50 | p99 |\n|---:|---:|---:|")?;
        for Ratio { rate, p50, p99 } in &self.ratios {
            let (p50, p99) = (hundredths(*p50), hundredths(*p99));
            writeln!(text, "| {rate} | {p50} | {p99} |")?;
        }
        Ok(())
    }

    fn write_stages(&self, text: &mut String) -> Result<()> {
        if self.stages.is_empty() {
            return Ok(());
        }
        writeln!(text, "\nInside the fastpath (warm-up included), µs:\n")?;
        writeln!(
            text,
            "| rate/s | stage | p50 | p99 | p99.9 | max | count |\n|---:|---|---:|---:|---:|---:|---:|"
        )?;
        for of_rate in &self.stages {
            for (name, p) in &of_rate.stages {
                writeln!(
                    text,
                    "| {} | {} | {} | {} | {} | {} | {} |",
                    of_rate.rate,
                    name.replace('_', " "),
                    micros(p.p50),
                    micros(p.p99),
                    micros(p.p99_9),
                    micros(Some(p.max)),
                    p.count
                )?;
            }
        }
        writeln!(text, "\nPolls that found work, %:\n")?;
        for of_rate in &self.stages {
            let tiles: Vec<String> = of_rate
                .busy_polls
                .iter()
                .map(|(name, share)| format!("{name} {}", hundredths(Some(*share))))
                .collect();
            writeln!(text, "- {}/s: {}", of_rate.rate, tiles.join(", "))?;
        }
        Ok(())
    }
}

fn shown(row: &Row) -> Shown {
    Shown {
        subject: row.subject,
        rate: row.rate,
        planned: row.counts.planned,
        sent: row.counts.sent,
        answered: row.counts.answered,
        from_intended: Percentiles::of(row.latencies(From::Intended)),
        from_sent: Percentiles::of(row.latencies(From::Sent)),
        segments: row.segments.clone(),
        fail: row.reasons(),
    }
}

/// Echo and exchange of each rate.
fn pairs(rows: &[Shown]) -> impl Iterator<Item = (&Shown, &Shown)> {
    let exchanges = rows.iter().filter(|row| row.subject == "exchange");
    exchanges.filter_map(|row| {
        let mut echoes = rows.iter().filter(|row| row.subject == "echo");
        echoes.find(|echo| echo.rate == row.rate).map(|e| (e, row))
    })
}

fn ratio(echo: &Shown, row: &Shown) -> Ratio {
    let of = |value: Option<u64>, floor: Option<u64>| {
        value
            .zip(floor)
            .map(|(value, floor)| value * 100 / floor.max(1))
    };
    Ratio {
        rate: row.rate,
        p50: of(row.from_intended.p50, echo.from_intended.p50),
        p99: of(row.from_intended.p99, echo.from_intended.p99),
    }
}

fn stages(stretch: &Stretch) -> Stages {
    let busy =
        |(name, polls, busy): &(&'static str, u64, u64)| (*name, busy * 10_000 / polls.max(&1));
    Stages {
        rate: stretch.rate,
        stages: stretch
            .stages
            .iter()
            .map(|(name, histogram)| (*name, Percentiles::of(histogram)))
            .collect(),
        busy_polls: stretch.tiles.iter().map(busy).collect(),
    }
}

fn write_rows(text: &mut String, rows: &[Shown]) -> Result<()> {
    writeln!(
        text,
        "| rate/s | subject | planned | sent | answered | samples | p50 | p90 | p99 | p99.9 | p99.99 | max \
         | p99 by segment | |"
    )?;
    writeln!(
        text,
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|---|"
    )?;
    for row in rows {
        let segments: Vec<String> = row.segments.iter().map(|p| micros(p.p99)).collect();
        let status = if row.fail.is_empty() {
            "OK".to_owned()
        } else {
            format!("FAIL: {}", row.fail.join(", "))
        };
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {status} |",
            row.rate,
            row.subject,
            row.planned,
            row.sent,
            row.answered,
            row.from_intended.count,
            cells(&row.from_intended),
            segments.join(", "),
        )?;
    }
    Ok(())
}

fn write_from_sent(text: &mut String, rows: &[Shown]) -> Result<()> {
    writeln!(
        text,
        "| rate/s | subject | p50 | p90 | p99 | p99.9 | p99.99 | max |\n|---:|---|---:|---:|---:|---:|---:|---:|"
    )?;
    for row in rows {
        let (rate, subject) = (row.rate, row.subject);
        writeln!(text, "| {rate} | {subject} | {} |", cells(&row.from_sent))?;
    }
    Ok(())
}

/// The cells from p50 to the maximum.
fn cells(p: &Percentiles) -> String {
    [p.p50, p.p90, p.p99, p.p99_9, p.p99_99, Some(p.max)]
        .map(micros)
        .join(" | ")
}

/// The highest rate of which both rows count, in one line.
fn headline(rows: &[Shown]) -> String {
    let counting = pairs(rows).filter(|(echo, row)| echo.fail.is_empty() && row.fail.is_empty());
    let Some((echo, row)) = counting.max_by_key(|(_, row)| row.rate) else {
        return "headline: none, no rate was kept by both exchange and echo".to_owned();
    };
    let ratio = ratio(echo, row);
    format!(
        "headline: p50 {} µs, p99 {} µs at {}/s; echo p50 {} µs, p99 {} µs, ratio p50 {}, p99 {}",
        micros(row.from_intended.p50),
        micros(row.from_intended.p99),
        row.rate,
        micros(echo.from_intended.p50),
        micros(echo.from_intended.p99),
        hundredths(ratio.p50),
        hundredths(ratio.p99),
    )
}

/// Nanoseconds as microseconds with one decimal; a dash where there is nothing to show.
#[must_use]
pub fn micros(nanos: Option<u64>) -> String {
    nanos.map_or_else(
        || "–".to_owned(),
        |nanos| format!("{}.{}", nanos / 1_000, nanos % 1_000 / 100),
    )
}

fn hundredths(value: Option<u64>) -> String {
    value.map_or_else(
        || "–".to_owned(),
        |value| format!("{}.{:02}", value / 100, value % 100),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::flights::{self, Flights};
    use crate::load::generator::Segment;
    use crate::load::schedule::{Arrivals, Schedule};

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

    fn report(rows: Vec<Row>, correct: bool) -> Report {
        Report::new(Findings {
            title: "Round trip",
            rows,
            stretches: vec![Stretch::new(1_000).expect("constant bounds")],
            sections: vec![Section {
                name: "Excludes",
                text: "the network".into(),
            }],
            correct,
            virtualised: true,
        })
    }

    #[test]
    fn the_headline_is_the_highest_rate_that_counts() {
        let report = report(
            vec![
                row("echo", 500, 800, 0),
                row("exchange", 500, 1_640, 0),
                row("echo", 1_000, 600, 0),
                row("exchange", 1_000, 1_500, 0),
                row("echo", 2_000, 10_000, 0),
                row("exchange", 2_000, 9_000, 1),
            ],
            true,
        );
        assert!(!report.ok());
        let text = report.print(false).expect("text");
        assert!(text.contains("status: FAIL"), "{text}");
        assert!(text.contains("FAIL: 1 of 2000 not answered"), "{text}");
        assert!(
            text.ends_with(
                "headline: p50 1.5 µs, p99 1.5 µs at 1000/s; echo p50 0.6 µs, p99 0.6 µs, \
                 ratio p50 2.50, p99 2.50\n"
            ),
            "{text}"
        );
        assert!(text.contains("| 500 | 2.05 | 2.05 |"), "{text}");
    }

    #[test]
    fn the_table_says_where_it_holds() {
        let rows = || {
            vec![
                row("echo", 1_000, 8_000, 0),
                row("exchange", 1_000, 9_000, 0),
            ]
        };
        let text = report(rows(), true).print(false).expect("text");
        let (warning, table) = (
            text.find("development machine: compare only within one run"),
            text.find("| rate/s |"),
        );
        assert!(warning.is_some() && warning < table, "{text}");
        assert!(text.contains("status: OK") && text.contains("Excludes"));
        assert!(!text.contains("wire"));
        assert!(!report(rows(), false).ok(), "unverified work fails the run");
    }

    #[test]
    fn json_carries_the_same_numbers() {
        let rows = vec![row("exchange", 1_000, 25_000, 0)];
        let json = report(rows, true).print(true).expect("JSON");
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(json["rows"][0]["subject"], "exchange");
        assert_eq!(json["rows"][0]["from_intended"]["count"], 2_000);
        assert_eq!(
            json["headline"],
            "headline: none, no rate was kept by both exchange and echo"
        );
    }
}
