//! `sluice log-level`.

use crate::Instance;
use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use std::fs;
use std::io;
use std::process::ExitCode;

/// Shows or changes what the slowpath logs, while it runs.
///
/// A level is off, error, warn, info, debug or trace; targets may have others, as in `info,gateway=debug`, which
/// shows every request. The slowpath takes it over within a second, and keeps to it when it is started again, until
/// --configured gives `log.level` its place back. It is left in a file of the state folder, so it takes no gateway
/// and no signal. The fastpath says a few lines in its life, and always all of them.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  sluice log-level                           show it
  sluice log-level info,gateway=debug        every request, over restarts too, until it is changed again
  sluice log-level --configured              as the configuration says

Exit codes:
  0  shown or changed
  1  the level is none, or this user may not write in the state folder

Next: the slowpath's output says `log level is …` when it has changed.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    instance: Instance,

    /// The level; none: show it.
    #[arg(conflicts_with = "configured")]
    level: Option<String>,

    /// Back to `log.level` of the configuration.
    #[arg(long)]
    configured: bool,
}

/// Shows it or leaves it for the slowpath.
pub(crate) fn run(arguments: &Arguments, out: &mut impl io::Write) -> Result<ExitCode> {
    let config = arguments.instance.load()?;
    let file = config.log_level_file();
    if arguments.configured {
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("remove {}", file.display()));
            }
            Ok(()) | Err(_) => {}
        }
    }
    if let Some(level) = &arguments.level {
        topology::check_level(level).map_err(|problem| anyhow!(problem))?;
        // Whole or not at all, for whoever looks meanwhile.
        let draft = file.with_extension("draft");
        fs::write(&draft, format!("{level}\n"))
            .and_then(|()| fs::rename(&draft, &file))
            .with_context(|| format!("write {}; was the slowpath ever started?", file.display()))?;
    }
    match fs::read_to_string(&file) {
        Ok(level) => writeln!(out, "{} (configured: {})", level.trim(), config.log.level)?,
        Err(_) => writeln!(out, "{} (as configured)", config.log.level)?,
    }
    Ok(ExitCode::SUCCESS)
}
