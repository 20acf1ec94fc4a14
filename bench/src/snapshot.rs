//! `bench snapshot`: how long a start takes behind a snapshot, and by replay of everything.
//!
//! A journal that leads to a large state is made by the engine itself and laid into an archive. The
//! real programs then do the rest: the fastpath replays it, the slowpath writes the snapshot, the
//! fastpath starts behind it; times are what they print, and from the start of the process to `ready`.

mod archive;
mod report;

use crate::instance::{Instance, Plan, Role};
use crate::load::host::Disturbance;
use crate::programs;
use crate::record::Record;
use anyhow::{Context as _, Result, ensure};
use archive::{Size, Written, write_archive};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// More than any start takes.
const PATIENCE: Duration = Duration::from_secs(600);

/// How large the state is.
#[derive(Clone, Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bench snapshot --orders 100000 --accounts 10000 --runs 1 --out snapshot.json
  bench snapshot --orders 10000000 --markets 10000 --runs 1

Needs: room for archive and snapshot in TMPDIR, some 300 bytes for each order; that no variable
SLUICE_* is set.

Takes: under a minute as it is, some minutes with ten million orders.")]
pub struct Arguments {
    /// Orders that rest.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=50_000_000))]
    orders: u32,
    /// Accounts, each with funds of two assets.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    accounts: u32,
    /// Sessions, to which the orders belong: of the first accounts, so no more than these.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    sessions: u32,
    /// Markets of 20,000 prices each, over which the orders are spread.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    markets: u32,
    /// Starts of each kind.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    runs: u32,
    /// Write the result for `bench report`.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What was found.
struct Found {
    size: Size,
    written: Written,
    replays: Vec<Start>,
    behind: Vec<Start>,
    /// What the slowpath said of the snapshot that it wrote.
    snapshot: String,
    /// What it said when its shadow engine began behind that.
    shadow: String,
    disturbance: Disturbance,
}

/// A start of the fastpath without journal memory, as after a loss of power.
struct Start {
    /// From the start of the process to its line `ready`.
    ready: Duration,
    /// The most memory that it had till then, journal memory included, bytes.
    memory: u64,
    /// What it said of its recovery.
    said: String,
}

/// Measures, and records what was found.
///
/// # Errors
/// If the programs cannot be built or do not do their part, or a start does not use the snapshot.
pub fn run(arguments: &Arguments) -> Result<Record> {
    let size = Size {
        orders: arguments.orders,
        accounts: arguments.accounts,
        sessions: arguments.sessions,
        markets: arguments.markets,
    };
    ensure!(
        size.sessions <= size.accounts,
        "--sessions: at most as many as --accounts"
    );
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
    let found = measure(&mut instance, size, arguments.runs)?;
    Ok(report::record(&instance, &found))
}

fn measure(instance: &mut Instance, size: Size, runs: u32) -> Result<Found> {
    let genesis = instance.folder().join("genesis.toml");
    std::fs::write(&genesis, size.genesis_text())?;
    let written = write_archive(&size, &instance.config.archive_dir())?;
    let before = Disturbance::look(None, None);
    let mut replays = Vec::new();
    for _ in 0..runs {
        replays.push(start(instance)?);
    }
    let snapshot = with_slowpath(instance, "snapshot of seq", ": ")?;
    let mut behind = Vec::new();
    for _ in 0..runs {
        let start = start(instance)?;
        check_loaded(&start.said)?;
        behind.push(start);
    }
    let shadow = with_slowpath(instance, "the shadow engine begins", "loaded in")?;
    Ok(Found {
        size,
        written,
        replays,
        behind,
        snapshot,
        shadow,
        disturbance: Disturbance::look(None, None).since(before),
    })
}

/// Starts the fastpath, and kills it when it is ready.
fn start(instance: &mut Instance) -> Result<Start> {
    instance.lose_memory()?;
    let begin = Instant::now();
    instance.start(Role::Fastpath)?;
    instance.wait_ready(PATIENCE)?;
    let ready = begin.elapsed();
    let pid = instance.pid(Role::Fastpath);
    let memory = most_memory(pid.context("the fastpath is gone")?)?;
    instance.kill(Role::Fastpath)?;
    instance.lose_memory()?;
    let mut said = instance.said(Role::Fastpath)?;
    said.retain(|message| message.starts_with("recovered") || message.starts_with("snapshot"));
    Ok(Start {
        ready,
        memory,
        said: said.join("; "),
    })
}

/// The most memory that a process has had, bytes.
fn most_memory(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: u64 = kib.context("no VmHWM in its status")?.trim().parse()?;
    Ok(kib << 10)
}

/// Refuses a start that was meant to be behind a snapshot and was not.
fn check_loaded(said: &str) -> Result<()> {
    ensure!(
        said.contains("snapshot of seq") && said.contains(" loaded in "),
        "the start did not use the snapshot: it says {said:?}"
    );
    Ok(())
}

/// Runs both processes until the slowpath says a line that begins and goes on so; gives that line.
fn with_slowpath(instance: &mut Instance, begins: &str, goes_on: &str) -> Result<String> {
    instance.start(Role::Fastpath)?;
    instance.start(Role::Slowpath)?;
    // One that is asked to stop before it is ready just dies.
    instance.wait_ready(PATIENCE)?;
    let begin = Instant::now();
    loop {
        let mut said = instance.said(Role::Slowpath)?.into_iter();
        let said = said.find(|message| message.starts_with(begins) && message.contains(goes_on));
        if let Some(said) = said {
            instance.stop().context("stop both processes")?;
            return Ok(said);
        }
        ensure!(
            begin.elapsed() < PATIENCE,
            "the slowpath never says {begins:?}:\n{}",
            instance.last_words(Role::Slowpath)
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn a_start_that_refuses_the_snapshot_is_no_start_behind_it() {
        let loaded = "snapshot of seq 9 loaded in 344 ms; recovered: seq 10, 1 frames in 0 ms";
        check_loaded(loaded).expect("it was used");
        let refused = "snapshot 9.snap is not used: its hash is another; recovered: seq 10, 10 frames in 5 ms";
        let error = check_loaded(refused).expect_err("refused").to_string();
        assert!(error.contains("its hash is another"), "{error}");
        check_loaded("recovered: seq 10, 10 frames in 5 ms").expect_err("there was none");
    }

    #[test]
    fn a_state_of_nothing_is_refused() {
        let parse = |line: &str| Line::try_parse_from(line.split(' '));
        assert!(parse("snapshot --sessions 1").is_ok());
        for nothing in ["--orders 0", "--accounts 0", "--sessions 0", "--runs 0"] {
            assert!(parse(&format!("snapshot {nothing}")).is_err(), "{nothing}");
        }
        let more = parse("snapshot --accounts 5 --sessions 6").expect("a command");
        let error = run(&more.arguments).expect_err("more sessions than accounts");
        assert!(error.to_string().contains("--sessions"), "{error}");
    }
}
