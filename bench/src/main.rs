//! `bench`: measurements of a whole Sluice.
#![forbid(unsafe_code)]

use bench::{load, snapshot};
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
            let report = load::run(arguments)?;
            Ok((report.print(arguments.json)?, report.ok()))
        }
        Task::Snapshot(arguments) => Ok((snapshot::run(arguments)?, true)),
    }
}
