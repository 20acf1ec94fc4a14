//! `bench report`: results as text, and as one page with plots.
//!
//! Who measures may leave out nothing that decides what a number means: without what is excluded, the
//! host, its tuning and its noise there is no report, however good the numbers are.

mod html;
mod pairs;
mod plot;
mod text;

use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};

use crate::record::Record;

pub use html::page;
pub use pairs::{best, ratio, ratios};
pub use text::{hundredths, micros, render};

/// Sections without which no headline is printed.
pub const REQUIRED: [&str; 4] = ["Excludes", "Host", "Tuning", "Noise"];

/// What to show.
#[derive(Clone, Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bench report load.json http.json --html report.html

Needs: results of this version of bench.

Takes: a moment.")]
pub struct Arguments {
    /// Results, as `--out` of the other commands wrote them.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Write the same as a page with plots, which needs nothing but itself.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// A result that may not be reported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no headline for {title:?}: the result does not say {}; measure again with a bench that records it",
    missing.join(", ")
)]
pub struct Refusal {
    /// Of the result.
    pub title: String,
    /// The sections that are missing or empty, of [`REQUIRED`].
    pub missing: Vec<&'static str>,
}

/// Refuses a result that does not say what its numbers mean.
///
/// # Errors
/// [`Refusal`] if one of [`REQUIRED`] is missing or empty.
pub fn check(record: &Record) -> Result<(), Refusal> {
    let required = REQUIRED.into_iter();
    let missing: Vec<&'static str> = required
        .filter(|name| record.section(name).is_none())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Refusal {
        title: record.title.clone(),
        missing,
    })
}

/// Reads the results and shows them; also says whether all of them count.
///
/// # Errors
/// [`Refusal`] of one of them, or if a file cannot be read or written.
pub fn run(arguments: &Arguments) -> Result<(String, bool)> {
    let read = |path: &PathBuf| {
        let record = Record::read(path)?;
        check(&record).with_context(|| path.display().to_string())?;
        Ok(record)
    };
    let records: Vec<Record> = arguments.files.iter().map(read).collect::<Result<_>>()?;
    if let Some(path) = &arguments.html {
        std::fs::write(path, page(&records)?)
            .with_context(|| format!("write {}", path.display()))?;
    }
    let texts: Vec<String> = records.iter().map(render).collect::<Result<_>>()?;
    Ok((texts.join("\n"), records.iter().all(Record::is_ok)))
}

/// Prints a run's record, and keeps it if it is asked to.
///
/// # Errors
/// If the file cannot be written, or the record may not be reported.
pub fn finish(record: &Record, out: Option<&Path>, json: bool) -> Result<String> {
    check(record)?;
    if let Some(path) = out {
        record.write(path)?;
    }
    if json {
        return Ok(serde_json::to_string_pretty(record)? + "\n");
    }
    render(record)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::record::{FORMAT, INTENDED, Moment, Samples, Series, Table, section};

    pub(crate) fn series(subject: &str, rate: u64) -> Series {
        let latency = Samples((1..=3_000).map(|n| (n * 10, 10)).collect());
        let moment = |second| Moment {
            second,
            count: 10_000,
            p50: Some(15_000),
            p99: Some(20_000 + second * 1_000),
            max: 30_000,
        };
        Series {
            subject: subject.into(),
            rate,
            planned: 30_000,
            sent: 30_000,
            answered: 30_000,
            from_sent: Some(latency.clone()),
            latency,
            segments: vec![Some(29_000)],
            over_time: (0..3).map(moment).collect(),
            fail: Vec::new(),
        }
    }

    pub(crate) fn record() -> Record {
        Record {
            format: FORMAT,
            title: "Round trip <of> a & b".into(),
            faults: Vec::new(),
            virtualised: true,
            latency_from: INTENDED.into(),
            series: vec![
                series("echo", 1_000),
                series("exchange", 1_000),
                series("echo", 2_000),
                series("exchange", 2_000),
            ],
            tables: vec![Table {
                caption: "Exchange in echoes:".into(),
                columns: vec!["rate/s".into(), "p50".into()],
                rows: vec![vec!["1000".into(), "1.25".into()]],
            }],
            sections: REQUIRED.map(|name| section(name, "said")).to_vec(),
            headline: "headline: good".into(),
        }
    }

    #[test]
    fn without_one_of_the_four_there_is_no_headline() {
        assert_eq!(check(&record()), Ok(()));
        for name in REQUIRED {
            let mut without = record();
            without.sections.retain(|section| section.name != name);
            let mut empty = record();
            for section in &mut empty.sections {
                if section.name == name {
                    section.text = " \n".into();
                }
            }
            for record in [without, empty] {
                let refusal = check(&record).expect_err("a section is missing");
                assert_eq!(refusal.missing, [name]);
                let refused = render(&record).expect_err("the same");
                assert_eq!(refused.downcast_ref(), Some(&refusal));
                assert!(page(&[record]).is_err());
            }
        }
    }

    #[test]
    fn files_are_read_shown_and_refused_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let (good, bad) = (folder.path().join("good"), folder.path().join("bad"));
        let html = folder.path().join("report.html");
        record().write(&good).expect("written");
        let mut without = record();
        without.sections.remove(3);
        without.faults.push("late".into());
        without.write(&bad).expect("written");
        let arguments = |files| Arguments {
            files,
            html: Some(html.clone()),
        };
        let (text, ok) = run(&arguments(vec![good.clone()])).expect("complete");
        assert!(ok && text.ends_with("headline: good\n"), "{text}");
        assert!(html.exists());
        std::fs::remove_file(&html).expect("it was there");
        let error = run(&arguments(vec![good, bad])).expect_err("one is not complete");
        let said = format!("{error:#}");
        assert!(
            said.contains("/bad") && said.contains("does not say Noise"),
            "{said}"
        );
        assert!(error.downcast_ref::<Refusal>().is_some());
        assert!(!html.exists(), "nothing is half reported");
    }

    #[test]
    fn what_may_not_be_reported_is_not_written_either() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("result");
        let mut without = record();
        without.sections.remove(0);
        for json in [false, true] {
            let refused = finish(&without, Some(&path), json).expect_err("a section is missing");
            assert!(refused.downcast_ref::<Refusal>().is_some());
            assert!(!path.exists());
        }
        let text = finish(&record(), Some(&path), true).expect("complete");
        assert!(text.contains("\"headline\": \"headline: good\"") && path.exists());
    }
}
