//! `sluice start`.

mod full_disk;
mod restart;
mod supervisor;

use crate::output::note;
use crate::process::{Role, Seen};
use crate::{Instance, WRONG};
use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use slowpath::asked::Asked;
use slowpath::host_cpus;
use slowpath::life::Life;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use supervisor::Supervisor;
use topology::Config;

/// Starts both processes of an instance, or the one that does not run, and waits until what it started serves.
///
/// The fastpath serves when its tiles run, the slowpath when it has archived and checked the journal and its
/// gateway, if there is one, listens and answers `/ready`. If one of them ends or is not ready in time, its own words are
/// shown and what was started is stopped again.
///
/// In the foreground their output is this command's, and they are watched: one that dies is started again, after
/// 0.1 s and then twice as long each time, up to 10 s. Ctrl-C, SIGTERM or SIGHUP stops the fastpath first and then
/// the slowpath, as does somebody who stops one of them in order (`sluice stop`). With --detach they are left to
/// themselves, their output goes to fastpath.log and slowpath.log in the state folder, and nobody starts them again.
///
/// A process that runs already is left to itself: it is neither watched nor stopped by this command. If it does not
/// answer, that is said, and the instance is not called ready.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  sluice start --config sluice.toml              watch both until Ctrl-C
  sluice start --config sluice.toml --detach     start both, say their pids, and end

Exit codes:
  0  what it started was ready and, in the foreground, has stopped in order
  1  both run already, or a disk is full, or one did not become ready, does not answer or left something
     undone; it is said which and why. With --detach also: it was interrupted before they were ready

Next: `sluice status` shows how they are, `sluice stop` stops them, docs/OPERATING.md has the rest.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    instance: Instance,

    /// Longest wait until both are ready.
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    wait: u64,

    /// End when both are ready, and leave them to themselves.
    #[arg(long)]
    detach: bool,

    /// Folder of the programs `fastpath` and `slowpath`; default: that of this program.
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
}

/// Starts both; watches them unless they are left to themselves.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    // Before all else: whoever asks to stop from here on is heard.
    let asked = Asked::listen()?;
    let config = arguments.instance.load()?;
    config.load_genesis()?;
    let absent = host_cpus::absent(&config);
    ensure!(absent.is_empty(), "{}", absent.join("\n"));
    gateway::check_tls(&config).map_err(anyhow::Error::msg)?;
    let missing = missing(&config)?;
    if let Some(full) = full_disk::full(&config) {
        bail!("{full}; nothing was started");
    }
    let file = &arguments.instance.config;
    let mut supervisor = Supervisor::new(&config, file, programs(arguments)?, arguments.detach);
    let limit = Duration::from_secs(arguments.wait);
    let ready = missing
        .into_iter()
        .filter(|_| !asked.is_set())
        .try_for_each(|role| supervisor.start(role))
        .and_then(|()| supervisor.wait_ready(limit, &asked));
    match ready {
        Ok(true) => {}
        Ok(false) => {
            let stopped = supervisor.stop()?;
            if !arguments.detach {
                return Ok(stopped);
            }
            tell(&format!(
                "interrupted before instance {} was ready: what was started is stopped again",
                config.instance.name
            ));
            return Ok(ExitCode::from(WRONG));
        }
        Err(error) => {
            // What it says about stopping does not matter beside why it had to.
            let _stopped = supervisor.stop();
            return match full_disk::full(&config) {
                // Then whatever else they would have said is not there, or follows from it.
                Some(full) => Err(anyhow::anyhow!("{full}; what was started is stopped again")),
                None => Err(error),
            };
        }
    }
    let all_answer = supervisor.tell_ready(&asked);
    if arguments.detach {
        return Ok(match all_answer {
            true => ExitCode::SUCCESS,
            false => ExitCode::from(WRONG),
        });
    }
    let watched = supervisor.watch(&asked);
    // However that ended, nothing is left unwatched.
    let stopped = supervisor.stop();
    watched.and(stopped)
}

/// Which of the two do not run.
fn missing(config: &Config) -> Result<Vec<Role>> {
    let (mut missing, mut running) = (Vec::new(), Vec::new());
    for role in Role::BOTH {
        let seen = role.look(config)?;
        if seen.life == Life::Running {
            running.push(match seen.is_silent {
                true => does_not_answer(role, seen),
                false => format!("{} runs already (pid {})", role.program(), seen.pid),
            });
        } else {
            missing.push(role);
        }
    }
    let running = running.join(", the ");
    let instance = &config.instance.name;
    if missing.is_empty() {
        bail!(
            "of instance {instance} the {running}: see `sluice status`, or `sluice stop` them first"
        );
    }
    if !running.is_empty() {
        tell(&format!(
            "of instance {instance} the {running} and is left to itself"
        ));
    }
    Ok(missing)
}

/// What to say of a process that runs and does nothing.
fn does_not_answer(role: Role, Seen { pid, .. }: Seen) -> String {
    format!(
        "{} (pid {pid}) runs and does not answer, it has been silent for more than 2 s (`kill -CONT {pid}` lets one go \
         on that was suspended, `kill -KILL {pid}` ends it for `sluice start` to start it again)",
        role.program()
    )
}

fn programs(arguments: &Arguments) -> Result<PathBuf> {
    if let Some(folder) = &arguments.programs {
        return Ok(folder.clone());
    }
    let own = std::env::current_exe().context("find this program's folder")?;
    Ok(own.parent().map(PathBuf::from).unwrap_or_default())
}

/// Says something for people: on standard error, because standard output is the processes'.
fn tell(line: &str) {
    note(format_args!("sluice: {line}"));
}
