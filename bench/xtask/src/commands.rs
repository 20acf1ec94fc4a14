//! What `cargo xtask` can be asked to do.

use crate::{checks, crash, demo, feed, layers, processes, scenarios};
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// The project's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Runs every test: prints first what will run and what each needs, installs what is missing
    /// as root on Debian, names what it must skip and how to enable it.
    #[command(after_help = checks::list())]
    Test {
        /// Only these checks (default: all but `long`, the longest form of the tests that have one).
        only: Vec<String>,
    },
    /// Starts an exchange on loopback, with two makers and a taker, and shows it live. It restarts
    /// what dies and ends on Ctrl-C or after `--seconds`, with a summary and a replay of everything. A
    /// second Ctrl-C ends it at once.
    Demo(demo::Arguments),
    /// SIGKILLs the processes of a running exchange under load and compares what clients were told
    /// with the journal.
    Crash(crash::Arguments),
    /// Tests of the real binaries (part of `test`).
    Processes {
        /// Only tests whose name contains one of these (default: all).
        only: Vec<String>,
    },
    /// Captures the feed of a running exchange and lets tshark take it apart (part of `test`; needs
    /// tshark, and root to capture).
    Feed,
    /// Runs scenarios of the rules, as docs/SCENARIOS.md describes them, on both engines.
    Scenarios {
        /// Files, or folders with .scenario files (default: those of the repository).
        paths: Vec<PathBuf>,
    },
    /// Holds the resolved dependency graph against the layers.
    Layers,
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is what the command prints"
)]
pub(crate) fn run() -> ExitCode {
    let result = match Arguments::parse().command {
        Task::Test { only } => checks::run(&only),
        Task::Demo(arguments) => demo::run(&arguments).map(drop),
        Task::Crash(arguments) => crash::run(&arguments),
        Task::Processes { only } => processes::run(&only),
        Task::Feed => feed::run(),
        Task::Scenarios { paths } => scenarios::run(&paths),
        Task::Layers => layers::check().map(|said| println!("{said}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_of_test_names_its_checks() {
        let asked = Arguments::try_parse_from(["cargo xtask", "test", "--help"]);
        let help = asked.map(drop).expect_err("help").to_string();
        for check in ["tests ", "loom ", "crash ", "long "] {
            assert!(help.contains(&format!("  {check}")), "{help}");
        }
    }

    #[test]
    fn a_demo_of_nothing_is_refused() {
        let parse = |option, value| {
            Arguments::try_parse_from(["cargo xtask", "demo", option, value]).map(drop)
        };
        for option in ["--rate", "--seconds"] {
            parse(option, "1").unwrap();
            let refused = parse(option, "0").expect_err("nothing would happen");
            assert!(refused.to_string().contains(option), "{refused}");
        }
    }
}
