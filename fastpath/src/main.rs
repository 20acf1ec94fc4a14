//! `fastpath`: the process of busy-polling tiles between a NIC queue and the journal.
//!
//! It reads its configuration, takes its memory, recovers, and then runs its tiles until SIGTERM,
//! SIGINT or SIGHUP. After the line `ready` nothing allocates.
#![forbid(unsafe_code)]

use anyhow::Result;
use clap::Parser;
use fastpath::{Booting, console};
use std::path::PathBuf;
use std::process::ExitCode;
use tile::allocator::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

/// Runs the fastpath of one Sluice instance: takes binary orders from its port, matches them, writes
/// everything to the shared-memory journal, and sends reports and, if configured, the public feed.
///
/// Give it the same file as `slowpath`, which archives what this process writes; either may be
/// started first, and either may be killed and started again. Stop it with SIGTERM, SIGINT or SIGHUP:
/// it finishes what it accepted, waits until the slowpath has archived it, and exits with 0. It exits
/// with 1, and says why, if it cannot go on, or if frames stay in journal memory because no slowpath
/// archives them: they wait there for the next slowpath, but not beyond a loss of power.
///
/// `sluice config default` prints a file with every key and what it means; variables of the environment win over the
/// file (SLUICE_SECTION__KEY). `sluice start` runs this process and the slowpath and watches both.
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

fn main() -> ExitCode {
    // Before all else: whoever asks to stop from here on is heard.
    match Booting::begin().and_then(|booting| run(&Arguments::parse(), booting)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::complain(format_args!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, booting: Booting) -> Result<()> {
    let config = topology::Config::load(&arguments.config)?;
    console::begin(config.log.format);
    if arguments.check {
        let genesis = config.load_genesis()?;
        console::say(format_args!(
            "{} is valid: {} genesis commands",
            arguments.config.display(),
            genesis.commands().len()
        ));
        return Ok(());
    }
    fastpath::run(&config, &ALLOCATOR, booting)
}
