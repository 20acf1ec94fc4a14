//! `sluice`: the operator's command. It starts and stops the processes, and reads what they write. It writes little
//! itself: `session-secret` the host secret if there is none yet, `init-db` the store's tables, `log-level` and
//! `start --detach` a file each in the state folder.
#![forbid(unsafe_code)]

mod config;
mod decimal;
mod host;
mod init_db;
mod journal;
mod log_level;
mod output;
mod process;
mod session_secret;
mod snapshot;
mod start;
mod status;
mod stop;
mod validate_config;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use output::{Output, note};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

/// Starts and stops a Sluice instance, and looks at it and its journal, whether its processes live or not.
///
/// Start here: `sluice config default > sluice.toml` and `sluice config default --genesis >
/// genesis.toml`, edit both, `sluice validate-config`, then `sluice start`. `sluice status` says how
/// the processes are, `sluice journal verify` proves that what they wrote follows from the rules.
///
/// Keys of the configuration may be set in the environment, SLUICE_SECTION__KEY, for this command and for both
/// processes.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Start(start::Arguments),
    Stop(stop::Arguments),
    Status(status::Arguments),
    /// Reads the journal: the archive's frames, then those in journal memory.
    #[command(subcommand)]
    Journal(journal::Command),
    /// Shows the states from which a start goes on.
    #[command(subcommand)]
    Snapshot(snapshot::Command),
    SessionSecret(session_secret::Arguments),
    InitDb(init_db::Arguments),
    ValidateConfig(validate_config::Arguments),
    /// Prints configurations: what is shipped, and what is in force.
    #[command(subcommand)]
    Config(config::Command),
    LogLevel(log_level::Arguments),
}

impl Command {
    /// Whether it does or judges something, whoever reads what it prints: its exit code is the answer then. What only
    /// prints ends when its reader has seen enough.
    fn answers_by_code(&self) -> bool {
        match self {
            Self::Status(arguments) => !arguments.goes_on(),
            Self::Start(_)
            | Self::Stop(_)
            | Self::Journal(journal::Command::Verify(_))
            | Self::Snapshot(_)
            | Self::InitDb(_)
            | Self::ValidateConfig(_)
            | Self::LogLevel(_) => true,
            Self::Journal(journal::Command::Print(_))
            | Self::SessionSecret(_)
            | Self::Config(_) => false,
        }
    }
}

/// Which instance.
#[derive(Args, Debug)]
pub(crate) struct Instance {
    /// The instance's configuration (TOML).
    #[arg(long, value_name = "FILE", default_value = "sluice.toml")]
    config: PathBuf,
}

impl Instance {
    fn load(&self) -> Result<topology::Config> {
        Ok(topology::Config::load(&self.config)?)
    }
}

/// Exit code if something is wrong.
pub(crate) const WRONG: u8 = 1;
/// Exit code if it cannot be told.
pub(crate) const UNKNOWN: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let by_code = arguments.command.answers_by_code();
    let is_status = matches!(arguments.command, Command::Status(_));
    let failed = if is_status { UNKNOWN } else { WRONG };
    let mut out = io::BufWriter::new(Output::new(io::stdout().lock(), by_code));
    let ended = run(arguments.command, &mut out).and_then(|code| {
        out.flush()?;
        Ok(code)
    });
    match ended {
        Ok(code) => match out.get_mut().lost() {
            Some(error) => {
                note(format_args!("sluice: cannot write: {error}"));
                if code == ExitCode::SUCCESS {
                    ExitCode::from(failed)
                } else {
                    code
                }
            }
            None => code,
        },
        // Whoever reads our output has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // What was found until then.
            let _ignored = out.flush();
            note(format_args!("sluice: {error:#}"));
            ExitCode::from(failed)
        }
    }
}

fn run(command: Command, out: &mut impl io::Write) -> Result<ExitCode> {
    match command {
        Command::Status(arguments) => status::run(&arguments, out),
        Command::Journal(journal::Command::Print(arguments)) => {
            journal::print::run(&arguments, out)
        }
        Command::Journal(journal::Command::Verify(arguments)) => {
            journal::verify::run(&arguments, out)
        }
        Command::Snapshot(command) => snapshot::run(&command, out),
        Command::SessionSecret(arguments) => session_secret::run(&arguments, out),
        Command::InitDb(arguments) => init_db::run(&arguments, out),
        Command::Config(command) => config::run(&command, out),
        Command::ValidateConfig(arguments) => validate_config::run(&arguments, out),
        Command::LogLevel(arguments) => log_level::run(&arguments, out),
        Command::Start(arguments) => start::run(&arguments),
        Command::Stop(arguments) => stop::run(&arguments, out),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
