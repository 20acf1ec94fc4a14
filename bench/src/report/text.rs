//! A result as text.

use anyhow::Result;
use std::fmt::Write as _;

use super::check;
use crate::load::row::Percentiles;
use crate::record::{Record, Section, Series, Table};

/// The report of a result.
///
/// # Errors
/// [`super::Refusal`] if it does not say what its numbers mean.
pub fn render(record: &Record) -> Result<String> {
    check(record)?;
    let mut text = String::new();
    let status = if record.is_ok() { "OK" } else { "FAIL" };
    writeln!(text, "# {}    status: {status}\n", record.title)?;
    if record.virtualised {
        writeln!(text, "development machine: compare only within one run\n")?;
    }
    for table in tables(record)? {
        write_table(&mut text, &table)?;
    }
    for Section { name, text: about } in &record.sections {
        writeln!(text, "{name:<9} {about}")?;
    }
    writeln!(text, "\n{}", record.headline)?;
    Ok(text)
}

/// All tables of a result, those of its series first.
pub(super) fn tables(record: &Record) -> Result<Vec<Table>> {
    let mut tables = Vec::new();
    if !record.series.is_empty() {
        tables.push(latencies(record)?);
    }
    if record
        .series
        .iter()
        .any(|series| series.from_sent.is_some())
    {
        tables.push(from_sent(&record.series)?);
    }
    tables.extend(record.tables.iter().cloned());
    Ok(tables)
}

fn latencies(record: &Record) -> Result<Table> {
    let columns = [
        "rate/s",
        "subject",
        "planned",
        "sent",
        "answered",
        "samples",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "p99.99",
        "max",
        "p99 by segment",
        "",
    ];
    let row = |series: &Series| {
        let p = series.latency.percentiles()?;
        let mut row = vec![
            series.rate.to_string(),
            series.subject.clone(),
            series.planned.to_string(),
            series.sent.to_string(),
            series.answered.to_string(),
            p.count.to_string(),
        ];
        row.extend(cells(&p));
        let segments: Vec<String> = series.segments.iter().map(|p99| micros(*p99)).collect();
        row.push(segments.join(", "));
        row.push(if series.fail.is_empty() {
            "OK".to_owned()
        } else {
            format!("FAIL: {}", series.fail.join(", "))
        });
        Ok(row)
    };
    Ok(Table {
        caption: format!(
            "Latency from {}, µs (p99 of each segment at the right):",
            record.latency_from
        ),
        columns: columns.map(str::to_owned).to_vec(),
        rows: record.series.iter().map(row).collect::<Result<_>>()?,
    })
}

fn from_sent(series: &[Series]) -> Result<Table> {
    let columns = [
        "rate/s", "subject", "p50", "p90", "p99", "p99.9", "p99.99", "max",
    ];
    let mut rows = Vec::new();
    for series in series {
        if let Some(samples) = &series.from_sent {
            let mut row = vec![series.rate.to_string(), series.subject.clone()];
            row.extend(cells(&samples.percentiles()?));
            rows.push(row);
        }
    }
    Ok(Table {
        caption: "The same from the time of sending (less than above: the generator was late), µs:"
            .into(),
        columns: columns.map(str::to_owned).to_vec(),
        rows,
    })
}

/// The cells from p50 to the maximum.
fn cells(p: &Percentiles) -> [String; 6] {
    [p.p50, p.p90, p.p99, p.p99_9, p.p99_99, Some(p.max)].map(micros)
}

fn write_table(text: &mut String, table: &Table) -> Result<()> {
    writeln!(text, "{}\n", table.caption)?;
    writeln!(text, "| {} |", table.columns.join(" | "))?;
    // Figures stand at the right, words at the left.
    let line = |column: usize| {
        let cells = table.rows.iter().filter_map(|row| row.get(column));
        if cells.clone().next().is_some() && cells.clone().all(|cell| is_figure(cell)) {
            "---:"
        } else {
            "---"
        }
    };
    let lines: Vec<&str> = (0..table.columns.len()).map(line).collect();
    writeln!(text, "|{}|", lines.join("|"))?;
    for row in &table.rows {
        writeln!(text, "| {} |", row.join(" | "))?;
    }
    writeln!(text)?;
    Ok(())
}

pub(super) fn is_figure(cell: &str) -> bool {
    let digits = |c: char| c.is_ascii_digit() || matches!(c, '.' | '–' | '-' | '%' | '×');
    !cell.is_empty() && cell.chars().all(digits)
}

/// Nanoseconds as microseconds with one decimal; a dash where there is nothing to show.
#[must_use]
pub fn micros(nanos: Option<u64>) -> String {
    nanos.map_or_else(
        || "–".to_owned(),
        |nanos| format!("{}.{}", nanos / 1_000, nanos % 1_000 / 100),
    )
}

/// Hundredths with two decimals; a dash where there is nothing to show.
#[must_use]
pub fn hundredths(value: Option<u64>) -> String {
    value.map_or_else(
        || "–".to_owned(),
        |value| format!("{}.{:02}", value / 100, value % 100),
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;
    use super::*;

    #[test]
    fn everything_is_there_in_its_order() {
        let mut record = record();
        record.series[3].fail = vec!["1 of 2 not answered".into()];
        record.faults.push("late".into());
        let text = render(&record).expect("complete");
        let at = |what: &str| {
            text.find(what)
                .unwrap_or_else(|| panic!("{what:?} in {text}"))
        };
        let order = [
            at("# Round trip <of> a & b    status: FAIL"),
            at("development machine: compare only within one run"),
            at("| rate/s | subject | planned |"),
            at("| 1000 | echo | 30000 | 30000 | 30000 | 30000 | 15.0 |"),
            at("| 29.0 | FAIL: 1 of 2 not answered |"),
            at("from the time of sending"),
            at("Exchange in echoes:"),
            at("| 1000 | 1.25 |"),
            at("Excludes  said"),
            at("Noise     said"),
            at("headline: good"),
        ];
        assert!(order.is_sorted(), "{text}");
        assert!(text.contains("|---:|---|---:|"), "{text}");
    }

    #[test]
    fn a_dash_stands_where_nothing_is_known() {
        assert_eq!(
            (micros(None), micros(Some(1_234))),
            ("–".into(), "1.2".into())
        );
        assert_eq!(
            (hundredths(None), hundredths(Some(205))),
            ("–".into(), "2.05".into())
        );
    }
}
