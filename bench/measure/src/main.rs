//! `bench`: measurements of a whole Sluice.
#![forbid(unsafe_code)]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a crowd looks at a few messages of many"
)]

mod book;
mod gate;
mod http;
mod inprocess;
mod ws;

use anyhow::{Result, ensure};
use bench::record::Record;
use bench::{functions, load, programs, report, snapshot};
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use tile::allocator::CountingAllocator;

/// That of the fastpath, so that its tables lie here as they lie there; for the peers of a contest as well.
#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

/// Measures a whole Sluice. The method is in docs/BENCHMARKING.md.
#[derive(Debug, Parser)]
#[command(name = "bench", max_term_width = 100)]
#[command(after_long_help = "\
Examples:
  bench load --rates 1000,20000 --seconds 2 --rounds 2 --out load.json
  bench report load.json --html load.html

Needs: the release build (`cargo run --release --bin bench -- COMMAND`) and this source tree: a
command that runs an exchange builds its programs first. Quiet CPUs, or the figures are others';
each report says how quiet they were.

Takes: minutes, as `bench COMMAND --help` says for each; the first build five to six more.")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Open-loop load over the real order port, beside a bare echo over the same NIC backend.
    Load(load::Arguments),
    /// Functions of the hot path alone: wall time, or instructions held to bounds.
    Functions(functions::Arguments),
    /// Orders by HTTP at given rates, through the gateway of an exchange of its own, beside GET /health.
    Http(http::Arguments),
    /// The fan-out of trades to thousands of WebSocket clients, beside as many plain writes.
    Ws(ws::Arguments),
    /// Writes the floor of `ws`, which starts it.
    #[command(hide = true)]
    FloorWriter(ws::floor::Plan),
    /// The fastpath in this process, archiving on, as fast as one core goes, beside what the disk does alone.
    Inprocess(inprocess::Arguments),
    /// The common workload for matching cores, by ours, by others and by floors.
    Book(book::Arguments),
    /// Results that `--out` wrote, as text and as a page with plots.
    Report(report::Arguments),
    /// Start-up behind a snapshot of a large state, beside a replay of all that led to it.
    Snapshot(snapshot::Arguments),
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is what the command prints"
)]
fn main() -> ExitCode {
    match run(&Arguments::parse().command) {
        Ok((text, is_ok)) => {
            print!("{text}");
            if is_ok {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What is to be printed, and whether all is well.
fn run(task: &Task) -> Result<(String, bool)> {
    refuse(task, cfg!(debug_assertions), programs::profile())?;
    let finish = |record: Record, out: &Option<PathBuf>, json| {
        let text = report::finish(&record, out.as_deref(), json)?;
        Ok((text, record.is_ok()))
    };
    match task {
        Task::Load(asked) => finish(load::run(asked)?, &asked.out, asked.json),
        Task::Http(asked) => finish(http::run(asked)?, &asked.out, asked.json),
        Task::Ws(asked) => finish(ws::run(asked)?, &asked.out, asked.json),
        Task::Inprocess(asked) => finish(inprocess::run(asked)?, &asked.out, asked.json),
        Task::Snapshot(asked) => finish(snapshot::run(asked)?, &asked.out, asked.json),
        Task::Book(asked) => finish(book::run(asked)?, &asked.out, asked.json),
        Task::Functions(asked) => Ok((functions::run(asked)?, true)),
        Task::FloorWriter(plan) => {
            ws::floor::write(plan)?;
            Ok((String::new(), true))
        }
        Task::Report(asked) => report::run(asked),
    }
}

/// Refuses to measure with another build than the one that is shipped, or to write its bounds.
fn refuse(task: &Task, is_debug: bool, profile: &str) -> Result<()> {
    let measures = !matches!(task, Task::Report(_));
    ensure!(
        !measures || !is_debug && profile == programs::RELEASE,
        "this build is not the one that is shipped, so its figures mean nothing: cargo run --release --bin bench"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn refused(line: &str, is_debug: bool, profile: &str) -> bool {
        let words = std::iter::once("bench").chain(line.split(' '));
        let task = Arguments::try_parse_from(words).expect("a command").command;
        refuse(&task, is_debug, profile).is_err()
    }

    /// What its examples show has to be understood.
    #[test]
    fn help_teaches() {
        let mut bench = Arguments::command();
        let mut helps = vec![bench.render_long_help().to_string()];
        let commands = bench.get_subcommands_mut();
        let shown = commands.filter(|it| !it.is_hide_set() && it.get_name() != "help");
        helps.extend(shown.map(|command| command.render_long_help().to_string()));
        assert_eq!(helps.len(), 9);
        for help in helps {
            assert!(
                help.contains("\nNeeds: ") && help.contains("\nTakes: "),
                "{help}"
            );
            let (_, examples) = help.split_once("\nExamples:\n").expect("an example");
            for line in examples.lines().take_while(|line| !line.is_empty()) {
                let parsed = Arguments::try_parse_from(line.split_whitespace());
                parsed.unwrap_or_else(|error| panic!("{line}: {error}"));
            }
        }
    }

    #[test]
    fn only_the_shipped_build_measures() {
        for line in [
            "load",
            "http",
            "ws",
            "inprocess",
            "functions",
            "functions --count --update",
            "snapshot",
            "book",
        ] {
            assert!(!refused(line, false, "release"), "{line}");
            assert!(refused(line, true, "release"), "{line}");
            assert!(refused(line, false, "demo"), "{line}");
        }
        assert!(!refused("report load.json", true, "release"));
    }

    #[test]
    fn a_server_that_is_not_ours_cannot_be_told_from_others() {
        let line = "bench load --server 127.0.0.1:7400 --secrets s";
        assert!(Arguments::try_parse_from(line.split(' ')).is_ok());
        let more = format!("{line} --max-others 8");
        assert!(Arguments::try_parse_from(more.split(' ')).is_err());
    }
}
