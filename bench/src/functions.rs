//! `bench functions`: what the hot path is made of, one operation at a time.
//!
//! Two measures of the same code. Wall time says what this machine takes, with everything that disturbs it;
//! instructions, as callgrind counts them, say what the compiler made of the source, and are the same on
//! every run: a test holds them to bounds ([`count`]).

mod append;
mod apply;
mod book;
pub mod count;
mod decode;
mod feed_encode;
mod frame_encode;
mod mac;
mod report_encode;
mod ring;
mod wall;

use anyhow::{Context as _, Result, ensure};
use std::hint::black_box;
use std::path::PathBuf;

use crate::load::host::{Disturbance, Host, repeat, system};
use crate::record::{Record, Table, section};
use crate::{report, tuning};

/// Operations that can be repeated any number of times.
pub trait Subject {
    /// Makes ready for `count` operations; not measured.
    fn prepare(&mut self, count: u64) {
        let _ = count;
    }

    /// Does `count` operations, which [`Subject::prepare`] was told of. What it returns depends on all of
    /// them, so that none can be left out.
    fn run(&mut self, count: u64) -> u64;
}

/// A subject and what is to be known of it.
pub struct Entry {
    /// What it is called.
    pub name: &'static str,
    /// What one operation is.
    pub what: &'static str,
    /// Operations between two looks at the clock.
    pub batch: u64,
    /// Whether its instructions are counted: not if it waits for another thread.
    pub is_counted: bool,
    make: fn() -> Box<dyn Subject>,
}

/// All subjects, in the order of an order's walk.
pub const ENTRIES: &[Entry] = &[
    decode::ENTRY,
    decode::QUOTES,
    mac::VERIFY,
    mac::SIGN,
    ring::HERE,
    ring::ACROSS,
    apply::NEW,
    apply::CANCEL,
    apply::AMEND,
    apply::CROSS,
    apply::CHECKPOINT,
    frame_encode::ENTRY,
    append::ENTRY,
    report_encode::ENTRY,
    feed_encode::ENTRY,
];

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bench functions decode apply-new --batches 500
  bench functions --count

Needs: nothing; --count valgrind and this source tree, whose bench/instructions.toml it names,
compares with and, with --update, writes.

Takes: some seconds, with --count too.")]
pub struct Arguments {
    /// Only these subjects (default: all).
    pub only: Vec<String>,
    /// Batches of each subject that are timed.
    #[arg(long, default_value_t = 200)]
    pub batches: u32,
    /// Count instructions in place of time: every subject under valgrind's callgrind, held to the bounds
    /// of bench/instructions.toml.
    #[arg(long)]
    pub count: bool,
    /// Write what was counted, and 5 % above it as the bounds, to bench/instructions.toml.
    #[arg(long, requires = "count")]
    pub update: bool,
    /// Do so many operations of one subject and end: what runs under callgrind.
    #[arg(long, value_name = "OPERATIONS", conflicts_with = "count")]
    pub once: Option<u64>,
    /// Write the result for `bench report`.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Measures; gives what is to be printed.
///
/// # Errors
/// If there is no such subject, valgrind is missing, or a bound is broken.
pub fn run(arguments: &Arguments) -> Result<String> {
    let chosen = chosen(&arguments.only)?;
    if let Some(operations) = arguments.once {
        let [entry] = chosen[..] else {
            anyhow::bail!("--once runs one subject: name it");
        };
        let mut subject = (entry.make)();
        subject.prepare(operations);
        return Ok(format!("{}\n", measured(&mut *subject, operations)));
    }
    if arguments.count {
        return count::run(&chosen, arguments.update);
    }
    let record = time(&chosen, arguments.batches)?;
    report::finish(&record, arguments.out.as_deref(), arguments.json)
}

fn chosen(only: &[String]) -> Result<Vec<&'static Entry>> {
    let is_wanted = |entry: &&Entry| only.is_empty() || only.iter().any(|name| name == entry.name);
    for name in only {
        ensure!(
            ENTRIES.iter().any(|entry| entry.name == name),
            "there is no subject {name:?}; there are: {}",
            ENTRIES
                .iter()
                .map(|entry| entry.name)
                .collect::<Vec<_>>()
                .join(", ")
        );
    }
    Ok(ENTRIES.iter().filter(is_wanted).collect())
}

/// All operations of a batch. Callgrind counts from here to its end ([`count::TOGGLE`]), so it must stay a
/// function of its own, and not end in a jump to the subject.
#[inline(never)]
fn measured(subject: &mut dyn Subject, count: u64) -> u64 {
    black_box(subject.run(black_box(count)))
}

fn time(chosen: &[&Entry], batches: u32) -> Result<Record> {
    ensure!(batches > 0, "--batches must be above 0");
    let before = Disturbance::look(None, None);
    let mut rows = Vec::new();
    for entry in chosen {
        let found = wall::time(entry, batches).with_context(|| entry.name.to_owned())?;
        rows.push(found.row(entry));
    }
    let disturbance = Disturbance::look(None, None).since(before);
    let host = Host::look();
    let columns = [
        "subject",
        "ns min",
        "ns median",
        "ns max",
        "batches",
        "in a batch",
        "one operation",
    ];
    let clock = wall::clock_tenths();
    let record = Record::new(
        "Functions of the hot path, alone and warm",
        host.virtualised,
        Vec::new(),
        "none, these are parts; instructions, not times, are held to bounds",
    );
    Ok(Record {
        tables: vec![Table {
            caption: "Time of one operation, ns (each batch's mean; smallest, middle and largest of them):".into(),
            columns: columns.map(str::to_owned).to_vec(),
            rows,
        }],
        sections: vec![
            section("Where", "level (a), function: one thread, no kernel, caches warm; ring-across: two threads"),
            section("Excludes", "everything between the functions, cold caches, the clock's own calls on the hot path"),
            section("Load", "book of 10000 orders of 4 sessions on 500 prices a side; one order a datagram of 128 bytes"),
            section("System", system()),
            section("Host", host.text),
            section("Tuning", tuning::report()),
            section(
                "Noise",
                format!(
                    "CPU time used by other processes {}, stolen {}; a reading of the clock takes {} ns, twice a batch, and is in the figures",
                    disturbance.share(disturbance.others()),
                    disturbance.share(disturbance.stolen),
                    wall::tenths(clock),
                ),
            ),
            section("Runs", format!("{batches} batches of each subject after one that is not counted")),
            section("Repeat", repeat()),
            section("Limits", "a mean hides what single operations take; instructions are counted by --count"),
        ],
        ..record
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_runs_again_and_again() {
        for entry in ENTRIES {
            let mut subject = (entry.make)();
            for count in [1, 50, 7] {
                subject.prepare(count);
                assert_ne!(measured(&mut *subject, count), 0, "{}", entry.name);
            }
        }
    }

    #[test]
    fn names_are_told_apart_and_asked_for() {
        let mut names: Vec<&str> = ENTRIES.iter().map(|entry| entry.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ENTRIES.len());
        let found = chosen(&["mac-sign".into()]).expect("there is one");
        assert_eq!(found.len(), 1);
        let error = chosen(&["mac-sing".into()]).err().expect("there is none");
        assert!(error.to_string().contains("mac-sign"), "{error}");
    }
}
