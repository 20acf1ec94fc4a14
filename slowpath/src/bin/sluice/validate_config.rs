//! `sluice validate-config`.

use crate::{Instance, WRONG, host};
use anyhow::Result;
use clap::Args;
use slowpath::host_cpus;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use topology::{Config, ConfigError};

/// Checks a configuration and the genesis file that it names, as the processes would read them.
///
/// Everything that is wrong is said, one a line: the file with line and column, or the environment variable; the key;
/// what is wrong and what to do. The environment counts (SLUICE_SECTION__KEY), as it does for the processes. So do the
/// files of certificate and key. Then it is looked whether this machine has what they take: the folder of the store's
/// file, memory, addresses, free ports. CPUs that this machine does not have are a warning, because the files may be
/// another's; so are ports that a running process of this instance has, memory that is only not free now, and what an
/// instance of profile production hardly wants. Nothing is changed, and no port is taken.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  sluice validate-config --config sluice.toml
  sluice validate-config sluice.toml             the same

Exit codes:
  0  both files are valid, and this machine has what they take
  1  something is wrong with one of them, or it cannot be read, or a start would fail here

Next: `sluice config show --config sluice.toml` shows what is in force and where each value comes from;
`sluice start` starts it.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    instance: Instance,

    /// The same as --config.
    #[arg(value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
}

/// Says that it is valid, or what is not.
pub(crate) fn run(arguments: &Arguments, out: &mut impl io::Write) -> Result<ExitCode> {
    match check(arguments, out) {
        Ok(code) => Ok(code),
        Err(error) => match error.downcast_ref::<ConfigError>() {
            Some(refused) => {
                let problems = refused.problems();
                for problem in &problems {
                    writeln!(out, "{problem}")?;
                }
                Ok(ExitCode::from(WRONG))
            }
            None => Err(error),
        },
    }
}

fn check(arguments: &Arguments, out: &mut impl io::Write) -> Result<ExitCode> {
    let file = arguments.file.as_ref();
    let file = file.unwrap_or(&arguments.instance.config);
    let config = Config::load(file)?;
    if let Err(problem) = gateway::check_tls(&config) {
        writeln!(out, "{}: {problem}", file.display())?;
        return Ok(ExitCode::from(WRONG));
    }
    let (genesis, cores) = (config.load_genesis()?, config.cores.len());
    let found = host::look(&config, &genesis);
    writeln!(
        out,
        "{} is valid: profile {}, instance {}, shard {}, {cores} core{}",
        file.display(),
        config.profile.name(),
        config.instance.name,
        config.instance.shard,
        if cores == 1 { "" } else { "s" }
    )?;
    writeln!(
        out,
        "{} is valid: {} commands",
        config.genesis_file().display(),
        genesis.commands().len()
    )?;
    writeln!(out, "archive in {}", config.archive_dir().display())?;
    for doubt in config.doubts(&genesis) {
        writeln!(out, "warning: {doubt}")?;
    }
    for absent in host_cpus::absent(&config) {
        writeln!(out, "warning: {absent}; `sluice start` refuses it here")?;
    }
    for warning in &found.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    for wrong in &found.wrong {
        writeln!(out, "{wrong}; `sluice start` fails here")?;
    }
    Ok(match found.wrong.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(WRONG),
    })
}
