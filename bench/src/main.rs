//! `bench`: measurements of a whole Sluice.
#![forbid(unsafe_code)]

use bench::load;
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
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is what the command prints"
)]
fn main() -> ExitCode {
    let Task::Load(arguments) = Arguments::parse().command;
    match load::run(&arguments) {
        Ok(report) => {
            match report.print(arguments.json) {
                Ok(text) => print!("{text}"),
                Err(error) => {
                    eprintln!("error: {error:#}");
                    return ExitCode::FAILURE;
                }
            }
            if report.ok() {
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
