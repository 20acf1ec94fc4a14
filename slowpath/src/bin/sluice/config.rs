//! `sluice config`.

use anyhow::Result;
use clap::Subcommand;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// `sluice config …`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Prints the configuration that is shipped: every key with its default and what it means.
    Default {
        /// The genesis file instead: assets, markets, accounts, sessions, deposits.
        #[arg(long)]
        genesis: bool,
    },
    /// Checks a configuration and the genesis file that it names.
    Check {
        /// The configuration (TOML).
        file: PathBuf,
    },
}

/// Does it.
pub(crate) fn run(command: &Command, out: &mut impl io::Write) -> Result<ExitCode> {
    match command {
        Command::Default { genesis: false } => write!(out, "{}", topology::DEFAULT_CONFIG)?,
        Command::Default { genesis: true } => write!(out, "{}", topology::DEFAULT_GENESIS)?,
        Command::Check { file } => {
            let config = topology::Config::load(file)?;
            let genesis = config.load_genesis()?;
            writeln!(
                out,
                "{} is valid: instance {}, shard {}, {} cores",
                file.display(),
                config.instance.name,
                config.instance.shard,
                config.cores.len()
            )?;
            writeln!(
                out,
                "{} is valid: {} commands",
                config.genesis_file().display(),
                genesis.commands().len()
            )?;
            writeln!(out, "archive in {}", config.archive_dir().display())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
