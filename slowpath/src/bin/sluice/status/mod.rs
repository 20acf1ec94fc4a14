//! `sluice status`.

mod collect;
mod judge;
mod render;

use crate::{Instance, UNKNOWN, WRONG};
use anyhow::Result;
use clap::Args;
use collect::Status;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

/// Shows how an instance is: processes, journal, archive, shadow engine, tiles, latencies.
///
/// It only reads shared memory, so it disturbs nothing, and it works on an instance that is dead or
/// half dead: what is missing, or not permitted, is said. A lag is a number of frames behind the journal's head. Counters
/// and latencies count since the regions were made, shares of busy polls since the process was started, or
/// with --watch since the line before.
///
/// A process that does not run was stopped, stopped before all was archived and checked (`unfinished`),
/// ended with an error (`failed`), or killed.
///
/// Exit code 0: healthy. 1: something is wrong (a process does not run or is silent for more than 2 s, the
/// shadow engine does not agree, the archive fails, the gateway does not listen, the system's time has stepped, progress was impossible, the region of a
/// process that runs is gone). 2: it cannot be told, because
/// configuration or regions are missing, or this user may not read them.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  sluice status --config sluice.toml
  sluice status --watch 1                        with shares of busy polls of the last second
  sluice status --json | jq .problems

Next: `wrong:` lines say what to do. For figures over time let Prometheus read metrics.bind (docs/OPERATING.md).")]
pub(crate) struct Arguments {
    #[command(flatten)]
    instance: Instance,

    /// One object of JSON, in which numbers of 64 bits are strings; with --watch one a line.
    #[arg(long)]
    json: bool,

    /// Look again every so many seconds, until interrupted.
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    watch: Option<u64>,
}

impl Arguments {
    /// Whether it looks again and again.
    pub(crate) fn goes_on(&self) -> bool {
        self.watch.is_some()
    }
}

/// Shows it once, or again and again.
pub(crate) fn run(arguments: &Arguments, out: &mut impl io::Write) -> Result<ExitCode> {
    let config = arguments.instance.load()?;
    let mut status = collect::collect(&config)?;
    loop {
        show(&status, arguments, out)?;
        out.flush()?;
        let Some(seconds) = arguments.watch else {
            return Ok(code(&status));
        };
        std::thread::sleep(Duration::from_secs(seconds));
        let before = status;
        status = collect::collect(&config)?;
        status.since(&before);
    }
}

fn show(status: &Status, arguments: &Arguments, out: &mut impl io::Write) -> Result<()> {
    match (arguments.json, arguments.watch) {
        (true, None) => serde_json::to_writer_pretty(&mut *out, status).map_err(io::Error::from)?,
        (true, Some(_)) => serde_json::to_writer(&mut *out, status).map_err(io::Error::from)?,
        (false, _) => render::render(status, out)?,
    }
    writeln!(out)?;
    Ok(())
}

fn code(status: &Status) -> ExitCode {
    if !status.problems.is_empty() {
        ExitCode::from(WRONG)
    } else if !status.unknown.is_empty() {
        ExitCode::from(UNKNOWN)
    } else {
        ExitCode::SUCCESS
    }
}
