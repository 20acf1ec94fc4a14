//! `fastpath`: the process of busy-polling tiles between a NIC queue and the journal.
//!
//! It reads its configuration, takes its memory, recovers, and then runs its tiles until SIGTERM or
//! SIGINT. After the line `ready` nothing allocates.
#![forbid(unsafe_code)]

mod assembly;
mod boot;
mod counters;
mod epochs;
mod match_tile;
mod net;
mod out;
mod port;
mod post;
mod recovery;
mod replies;
mod sequencer;
mod supervisor;
#[cfg(test)]
mod tests;
mod watermark;
mod window;

use anyhow::Result;
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use tile::allocator::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

/// Runs the fastpath of one Sluice instance: takes binary orders from its port, matches them, and
/// writes everything to the shared-memory journal.
///
/// Give it the same file as `slowpath`, which archives what this process writes; either may be
/// started first, and either may be killed and started again. Stop it with SIGTERM: it finishes
/// what it accepted, waits until the slowpath has archived it, and exits with 0.
///
/// `sluice config default` prints a file with every key and what it means.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    /// The instance's configuration (TOML).
    #[arg(long, value_name = "FILE", default_value = "sluice.toml")]
    config: PathBuf,

    /// Check the configuration and the genesis file, then exit.
    #[arg(long)]
    check: bool,
}

#[expect(
    clippy::print_stderr,
    reason = "the reason of a failure goes to the terminal"
)]
fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fastpath: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "says what was checked")]
fn run(arguments: &Arguments) -> Result<()> {
    let config = topology::Config::load(&arguments.config)?;
    if arguments.check {
        let genesis = config.load_genesis()?;
        println!(
            "{} is valid: {} genesis commands",
            arguments.config.display(),
            genesis.commands().len()
        );
        return Ok(());
    }
    let machine = boot::boot(&config)?;
    supervisor::supervise(&config, machine, &ALLOCATOR)
}
