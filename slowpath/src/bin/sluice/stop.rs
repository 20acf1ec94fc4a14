//! `sluice stop`.

use crate::process::Role;
use crate::{Instance, WRONG};
use anyhow::{Result, bail};
use clap::Args;
use slowpath::life::{Life, lock_holder};
use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Stops both processes of an instance in order: the fastpath, which waits until all is archived, then the slowpath.
///
/// Their pids come from their regions; a process that is not the program it should be is left alone. One that does
/// not run is passed over. A `sluice start` in the foreground notices that somebody stops them and ends too.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Example:
  sluice stop --config sluice.toml

Exit codes:
  0  neither runs any more, and nothing was left undone
  1  one still runs, or has left something undone, now or when it stopped before; it is said which

Next: `sluice start` goes on where they stopped. Shared memory stays in memory.shm_dir for it; to forget an
instance, remove that folder and its state folder.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    instance: Instance,

    /// Longest wait for each of the two.
    #[arg(long, value_name = "SECONDS", default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    wait: u64,
}

/// What is not archived is in the memory of the machine only: the next start goes on with it, a restart of the machine
/// loses it.
const REMEDY: &str = "see the end of its output; before the machine is restarted, `sluice start`, wait until \
                      `sluice status` shows the archive with lag 0, and stop again";

/// Stops both.
pub(crate) fn run(arguments: &Arguments, out: &mut impl io::Write) -> Result<ExitCode> {
    let config = arguments.instance.load()?;
    let mut code = ExitCode::SUCCESS;
    for role in Role::BOTH {
        let name = role.program();
        let seen = role.look(&config)?;
        if seen.life == Life::Unfinished {
            writeln!(
                out,
                "the {name} (pid {}) stopped before and left something undone: {REMEDY}",
                seen.pid
            )?;
            code = ExitCode::from(WRONG);
            continue;
        }
        if seen.life != Life::Running {
            if let Some(pid) = lock_holder(&role.lock_file(&config)) {
                writeln!(
                    out,
                    "the {name} (pid {pid}) runs, and its region is gone or has another name: only `kill {pid}` stops it"
                )?;
                code = ExitCode::from(WRONG);
            } else {
                writeln!(out, "the {name} does not run")?;
            }
            continue;
        }
        role.ask_to_stop(seen.pid)?;
        let start = Instant::now();
        let end = loop {
            // Whoever has ended has said how before: it is looked at behind its end.
            let has_ended = !slowpath::life::is_alive(seen.pid);
            let now = role.look(&config)?;
            if has_ended || now.pid != seen.pid {
                break now;
            }
            if start.elapsed() > Duration::from_secs(arguments.wait) {
                bail!(
                    "the {name} (pid {}) has not stopped within {} s of SIGTERM: see its output, and `sluice status`",
                    seen.pid,
                    arguments.wait
                );
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        if end.life == Life::Stopped {
            writeln!(out, "the {name} (pid {}) has stopped", seen.pid)?;
        } else {
            writeln!(
                out,
                "the {name} (pid {}) has stopped and left something undone: {REMEDY}",
                seen.pid
            )?;
            code = ExitCode::from(WRONG);
        }
        out.flush()?;
    }
    Ok(code)
}
