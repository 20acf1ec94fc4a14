//! Results as one page: the tables, the sections, and three plots of each.

use anyhow::Result;
use std::fmt::Write as _;

use super::check;
use super::plot::{Axis, Line, Scale, draw, escaped};
use super::text::{is_figure, tables};
use crate::record::{Record, Series, Table};

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#222}\
table{border-collapse:collapse;margin:.6em 0 1.4em;font-size:13px}td,th{padding:.15em .6em;border-bottom:1px solid #ddd;text-align:left}\
.n{text-align:right;font-variant-numeric:tabular-nums}svg{width:100%;font-size:12px}.grid{stroke:#e4e4e4}\
.headline{font-weight:600}.fail{color:#b00020}dt{font-weight:600}dd{margin:0 0 .5em}";
/// Where percentiles stand on their axis, by how many samples in so many lie above.
const TAILS: [(f64, &str); 6] = [
    (1.0, "0"),
    (10.0, "90"),
    (100.0, "99"),
    (1_000.0, "99.9"),
    (10_000.0, "99.99"),
    (100_000.0, "99.999"),
];
/// Points of a line over percentiles, per halving of what lies above.
const STEPS: u32 = 4;

/// The page of some results.
///
/// # Errors
/// [`super::Refusal`] if one of them does not say what its numbers mean.
pub fn page(records: &[Record]) -> Result<String> {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head><meta charset=\"utf-8\"/>\
         <title>Sluice: measured</title><style>{STYLE}</style></head>\n<body>\n"
    );
    for (number, record) in records.iter().enumerate() {
        check(record)?;
        write_record(&mut page, number, record)?;
    }
    Ok(page + "</body>\n</html>\n")
}

fn write_record(page: &mut String, number: usize, record: &Record) -> Result<()> {
    let status = if record.is_ok() {
        "OK"
    } else {
        "<span class=\"fail\">FAIL</span>"
    };
    let title = escaped(&record.title);
    writeln!(page, "<section>\n<h1>{title}: {status}</h1>")?;
    if record.virtualised {
        writeln!(
            page,
            "<p>Development machine: compare only within one run.</p>"
        )?;
    }
    writeln!(
        page,
        "<p class=\"headline\">{}</p>",
        escaped(&record.headline)
    )?;
    for table in tables(record)? {
        write_table(page, &table)?;
    }
    if !record.series.is_empty() {
        for (name, heading, svg) in plots(&record.series)? {
            let svg = svg.replacen("id=\"\"", &format!("id=\"{name}-{number}\""), 1);
            writeln!(page, "<h2>{heading}</h2>\n{svg}")?;
        }
    }
    writeln!(page, "<dl>")?;
    for section in &record.sections {
        let (name, text) = (escaped(&section.name), escaped(&section.text));
        writeln!(page, "<dt>{name}</dt><dd>{text}</dd>")?;
    }
    writeln!(page, "</dl>\n</section>")?;
    Ok(())
}

fn write_table(page: &mut String, table: &Table) -> Result<()> {
    let row = |cells: &[String], tag: &str| {
        let cell = |text: &String| {
            let class = if is_figure(text) { " class=\"n\"" } else { "" };
            format!("<{tag}{class}>{}</{tag}>", escaped(text))
        };
        cells.iter().map(cell).collect::<String>()
    };
    writeln!(page, "<p>{}</p>\n<table>", escaped(&table.caption))?;
    writeln!(page, "<tr>{}</tr>", row(&table.columns, "th"))?;
    for cells in &table.rows {
        writeln!(page, "<tr>{}</tr>", row(cells, "td"))?;
    }
    writeln!(page, "</table>")?;
    Ok(())
}

/// Name, heading and picture of each plot.
fn plots(series: &[Series]) -> Result<[(&'static str, &'static str, String); 3]> {
    Ok([
        (
            "by-percentile",
            "Latency by percentile",
            by_percentile(series)?,
        ),
        ("by-rate", "Latency by rate", by_rate(series)?),
        (
            "over-time",
            "Latency over time: p99 of each second",
            over_time(series),
        ),
    ])
}

fn microseconds() -> Axis {
    Axis {
        label: "µs",
        scale: Scale::Log,
        ticks: Vec::new(),
    }
}

/// Of a line; one that does not count says so.
fn name(series: &Series) -> String {
    let fail = if series.fail.is_empty() { "" } else { " FAIL" };
    format!("{} {}/s{fail}", series.subject, series.rate)
}

fn by_percentile(series: &[Series]) -> Result<String> {
    let x = Axis {
        label: "percentile",
        scale: Scale::Log,
        ticks: TAILS.map(|(at, text)| (at, text.to_owned())).to_vec(),
    };
    let mut lines = Vec::new();
    for series in series {
        let histogram = series.latency.histogram()?;
        let mut points = Vec::new();
        for step in histogram.iter_quantiles(STEPS) {
            let above = 1.0 - step.quantile_iterated_to();
            if above <= 0.0 {
                break;
            }
            points.push((1.0 / above, step.value_iterated_to() as f64 / 1e3));
        }
        // The largest value stands where one of all samples lies.
        points.push((histogram.len() as f64, histogram.max() as f64 / 1e3));
        let name = name(series);
        lines.push(Line { name, points });
    }
    Ok(draw("", &x, &microseconds(), &lines))
}

fn by_rate(series: &[Series]) -> Result<String> {
    let mut rates: Vec<u64> = series.iter().map(|series| series.rate).collect();
    rates.sort_unstable();
    rates.dedup();
    let x = Axis {
        label: "requests a second",
        scale: Scale::Log,
        ticks: rates
            .iter()
            .map(|rate| (*rate as f64, rate.to_string()))
            .collect(),
    };
    let mut lines: Vec<Line> = Vec::new();
    let mut sorted: Vec<&Series> = series.iter().collect();
    sorted.sort_by_key(|series| series.rate);
    // A row that does not count is in the table, not among the plots' points.
    for series in sorted.iter().filter(|series| series.fail.is_empty()) {
        let p = series.latency.percentiles()?;
        for (which, value) in [("p50", p.p50), ("p99", p.p99), ("p99.9", p.p99_9)] {
            let Some(value) = value else { continue };
            let name = format!("{} {which}", series.subject);
            let point = (series.rate as f64, value as f64 / 1e3);
            match lines.iter_mut().find(|line| line.name == name) {
                Some(line) => line.points.push(point),
                None => lines.push(Line {
                    name,
                    points: vec![point],
                }),
            }
        }
    }
    Ok(draw("", &x, &microseconds(), &lines))
}

fn over_time(series: &[Series]) -> String {
    let x = Axis {
        label: "seconds",
        scale: Scale::Linear,
        ticks: Vec::new(),
    };
    let line = |series: &Series| Line {
        name: name(series),
        points: series
            .over_time
            .iter()
            .filter_map(|moment| Some((moment.second as f64, moment.p99? as f64 / 1e3)))
            .collect(),
    };
    let lines: Vec<Line> = series.iter().map(line).collect();
    draw("", &x, &microseconds(), &lines)
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;
    use super::*;

    #[test]
    fn the_page_is_well_formed_and_has_three_plots_of_each_result() {
        let page = page(&[record(), record()]).expect("complete");
        let options = roxmltree::ParsingOptions {
            allow_dtd: true,
            ..roxmltree::ParsingOptions::default()
        };
        let document =
            roxmltree::Document::parse_with_options(&page, options).expect("well-formed");
        let svgs: Vec<_> = document
            .descendants()
            .filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "svg")))
            .collect();
        let ids: Vec<_> = svgs.iter().filter_map(|svg| svg.attribute("id")).collect();
        assert_eq!(
            ids,
            [
                "by-percentile-0",
                "by-rate-0",
                "over-time-0",
                "by-percentile-1",
                "by-rate-1",
                "over-time-1"
            ]
        );
        let lines = |svg: &roxmltree::Node<'_, '_>| {
            svg.descendants()
                .filter(|node| node.tag_name().name() == "polyline")
                .map(|line| line.attribute("points").unwrap_or("").split(' ').count())
                .collect::<Vec<_>>()
        };
        assert!(lines(&svgs[0]).iter().all(|points| *points > 20), "{page}");
        assert_eq!(
            lines(&svgs[1]),
            [2; 6],
            "two rates, three percentiles of two subjects"
        );
        assert_eq!(lines(&svgs[2]), [3; 4], "three seconds of four series");
        assert!(page.contains("Round trip &lt;of&gt; a &amp; b"));
        assert!(
            !page.contains("src=") && !page.contains("href="),
            "it needs nothing else"
        );
    }

    #[test]
    fn the_line_of_a_row_that_does_not_count_says_so() {
        let mut record = record();
        record.series[3].fail = vec!["late".into()];
        let by_percentile = by_percentile(&record.series).expect("constant bounds");
        for svg in [by_percentile, over_time(&record.series)] {
            assert!(svg.contains("exchange 2000/s FAIL"), "{svg}");
            assert_eq!(svg.matches("FAIL").count(), 1, "{svg}");
        }
    }

    #[test]
    fn a_row_that_does_not_count_is_no_point_over_the_rates() {
        let mut record = record();
        for series in &mut record.series {
            if series.rate == 2_000 {
                series.fail = vec!["late".into()];
            }
        }
        let svg = by_rate(&record.series).expect("constant bounds");
        assert_eq!(svg.matches("<polyline").count(), 6);
        assert!(
            !svg.lines()
                .any(|line| line.starts_with("<polyline") && line.matches(',').count() > 1)
        );
    }
}
