//! `slowpath`: the process that archives the journal and checks it with a shadow engine.
#![forbid(unsafe_code)]

use anyhow::Result;
use clap::Parser;
use domain::Utc;
use slowpath::asked::Asked;
use slowpath::console::{TARGET, now};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use topology::LineHead;

/// Runs the slowpath of one Sluice instance: writes the fastpath's journal to the archive, makes it
/// durable, and checks every frame with an engine of its own.
///
/// Give it the same file as `fastpath`; either may be started first, and either may be killed and
/// started again: nothing is lost, the fastpath answers Busy once its journal memory is full. Stop it
/// with SIGTERM, SIGINT or SIGHUP, after the fastpath: it archives and checks what the journal holds and exits with 0.
/// It exits with 1, and says why, if it cannot go on or leaves something undone.
///
/// Where feed.requests and slowpath.replay name addresses, it tells again there what was told: messages of the feed, and
/// reports and outcomes that have left journal memory.
///
/// `sluice start` runs it and the fastpath and watches both. `sluice status` shows how far it is, `sluice log-level`
/// changes what it logs, metrics.bind serves figures for Prometheus; lines with `alarm:` or `trouble:` want attention.
#[derive(Debug, Parser)]
#[command(name = "slowpath", version, max_term_width = 100)]
struct Arguments {
    /// The instance's configuration (TOML); `sluice config default` prints one with every key.
    #[arg(long, value_name = "FILE", default_value = "sluice.toml")]
    config: PathBuf,
}

fn main() -> ExitCode {
    // Before all else: whoever asks to stop from here on is heard.
    match Asked::listen().and_then(|asked| run(&Arguments::parse(), &asked)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without a configuration, or for people: on standard error.
            if slowpath::logging::is_json() {
                tracing::error!(target: TARGET, "{error:#}");
            } else {
                let (time, program) = (Utc(now()), TARGET);
                let head = LineHead { time, program };
                // Nobody listening is no reason to end in another way.
                let _ignored = writeln!(std::io::stderr(), "{head}{error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, asked: &Asked) -> Result<()> {
    let config = topology::Config::load(&arguments.config)?;
    let levels = slowpath::logging::begin(&config)?;
    slowpath::supervisor::run(&config, &levels, asked)
}
