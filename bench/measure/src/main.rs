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

use bench::{functions, load, report, snapshot};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Measures a whole Sluice. The method is in docs/BENCHMARKING.md.
#[derive(Debug, Parser)]
#[command(name = "bench", max_term_width = 100)]
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
fn run(task: &Task) -> anyhow::Result<(String, bool)> {
    match task {
        Task::Load(arguments) => {
            let record = load::run(arguments)?;
            let text = report::finish(&record, arguments.out.as_deref(), arguments.json)?;
            Ok((text, record.ok))
        }
        Task::Functions(arguments) => Ok((functions::run(arguments)?, true)),
        Task::Http(arguments) => {
            let record = http::run(arguments)?;
            let text = report::finish(&record, arguments.out.as_deref(), arguments.json)?;
            Ok((text, record.ok))
        }
        Task::Ws(arguments) => {
            let record = ws::run(arguments)?;
            let text = report::finish(&record, arguments.out.as_deref(), arguments.json)?;
            Ok((text, record.ok))
        }
        Task::FloorWriter(plan) => {
            ws::floor::write(plan)?;
            Ok((String::new(), true))
        }
        Task::Inprocess(arguments) => {
            let record = inprocess::run(arguments)?;
            let text = report::finish(&record, arguments.out.as_deref(), arguments.json)?;
            Ok((text, record.ok))
        }
        Task::Book(arguments) => {
            let record = book::run(arguments)?;
            let text = report::finish(&record, arguments.out.as_deref(), arguments.json)?;
            Ok((text, record.ok))
        }
        Task::Report(arguments) => report::run(arguments),
        Task::Snapshot(arguments) => Ok((snapshot::run(arguments)?, true)),
    }
}
