//! `bench snapshot`: how long a start takes behind a snapshot, and by replay of everything.
//!
//! A journal that leads to a large state is made by the engine itself and laid into an archive. The
//! real programs then do the rest: the fastpath replays it, the slowpath writes the snapshot, the
//! fastpath starts behind it; times are what they print, and from the start of the process to `ready`.

mod archive;

use crate::instance::{Instance, Plan, Role};
use crate::programs;
use anyhow::{Context as _, Result};
use archive::{Size, write_archive};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// More than any start takes.
const PATIENCE: Duration = Duration::from_secs(600);

/// How large the state is.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Arguments {
    /// Orders that rest.
    #[arg(long, default_value_t = 1_000_000)]
    orders: u32,
    /// Accounts, each with funds of two assets.
    #[arg(long, default_value_t = 100_000)]
    accounts: u32,
    /// Sessions, to which the orders belong: of the first accounts.
    #[arg(long, default_value_t = 1_000)]
    sessions: u32,
    /// Starts of each kind.
    #[arg(long, default_value_t = 3)]
    runs: u32,
}

/// Measures, and says what was found.
///
/// # Errors
/// If the programs cannot be built or do not do their part.
pub fn run(arguments: &Arguments) -> Result<String> {
    programs::build()?;
    let mut instance = Instance::create(&Plan {
        name: "snapshot",
        sessions: 1,
        idle: "spin-then-yield",
        ack: "sequenced",
        journal_mib: 64,
        checkpoint_interval: 1 << 30,
        gateway: false,
        feed: false,
        snapshot_frames: 1,
    })?;
    let size = Size {
        orders: arguments.orders,
        accounts: arguments.accounts,
        sessions: arguments.sessions.min(arguments.accounts),
    };
    let genesis = instance.folder().join("genesis.toml");
    std::fs::write(&genesis, size.genesis_text())?;
    let written = write_archive(&size, &instance.config.archive_dir())?;
    let mut text = String::new();
    writeln!(
        text,
        "state     {} resting orders, {} accounts, {} sessions: {} frames, {} bytes of archive",
        size.orders, size.accounts, size.sessions, written.frames, written.bytes
    )?;
    for run in 1..=arguments.runs {
        say_start(&mut instance, &format!("replay {run}"), &mut text)?;
    }
    instance.start(Role::Fastpath)?;
    instance.start(Role::Slowpath)?;
    wait_for(&instance, Role::Slowpath, ": ", "snapshot of seq")?;
    let line = last_line(&instance, Role::Slowpath, "snapshot of seq")?;
    writeln!(text, "written   {line}")?;
    instance.stop()?;
    for run in 1..=arguments.runs {
        say_start(&mut instance, &format!("behind {run}"), &mut text)?;
    }
    instance.start(Role::Fastpath)?;
    instance.start(Role::Slowpath)?;
    wait_for(
        &instance,
        Role::Slowpath,
        "loaded in",
        "the shadow engine begins",
    )?;
    let line = last_line(&instance, Role::Slowpath, "the shadow engine begins")?;
    writeln!(text, "shadow    {line}")?;
    Ok(text)
}

/// Starts the fastpath without journal memory, as after a loss of power, and kills it again.
fn say_start(instance: &mut Instance, name: &str, text: &mut String) -> Result<()> {
    std::fs::remove_dir_all(instance.config.region_dir()).ok();
    std::fs::remove_file(instance.log(Role::Fastpath)).ok();
    let begin = Instant::now();
    instance.start(Role::Fastpath)?;
    instance.wait_ready(1, PATIENCE)?;
    let ready = begin.elapsed();
    instance.kill(Role::Fastpath)?;
    std::fs::remove_dir_all(instance.config.region_dir()).ok();
    let printed = std::fs::read_to_string(instance.log(Role::Fastpath))?;
    let recovered = printed
        .lines()
        .filter(|line| line.starts_with("recovered") || line.starts_with("snapshot"));
    let recovered: Vec<&str> = recovered.collect();
    writeln!(
        text,
        "{name:<9} ready after {} ms ({})",
        ready.as_millis(),
        recovered.join("; ")
    )?;
    Ok(())
}

fn wait_for(instance: &Instance, role: Role, text: &str, line: &str) -> Result<()> {
    let begin = Instant::now();
    loop {
        let printed = std::fs::read_to_string(instance.log(role)).unwrap_or_default();
        if printed
            .lines()
            .any(|l| l.starts_with(line) && l.contains(text))
        {
            return Ok(());
        }
        anyhow::ensure!(
            begin.elapsed() < PATIENCE,
            "{} never says {line:?}:\n{}",
            role.program(),
            instance.last_words(role)
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn last_line(instance: &Instance, role: Role, line: &str) -> Result<String> {
    let printed = std::fs::read_to_string(instance.log(role))?;
    let found = printed.lines().rev().find(|l| l.starts_with(line));
    found.map(str::to_owned).context("it was there just now")
}
