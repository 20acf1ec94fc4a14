//! The supervisor: starts a thread per core, watches, and stops them in order.
//!
//! It runs on the main thread, sleeps most of the time, and touches nothing that a tile waits for. It also
//! derives the keys of sessions that are opened meanwhile ([`crate::keys`]).

use anyhow::{Context as _, Result, bail, ensure};
use shm::TileState;
use shm::layout::ProcessState;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tile::allocator::CountingAllocator;
use tile::{Clock, StopFlag, Tile};
use topology::instruments::process;
use topology::{Config, Core, Cpu, TileKind};

use crate::boot::Machine;
use crate::console::say;

/// How long an orderly stop waits for the archiver.
const ARCHIVE_PATIENCE: Duration = Duration::from_secs(10);
/// Time between two turns: how long a client waits at most until its session can be used.
const TURN: Duration = Duration::from_millis(5);
/// A slowpath that has not been heard of for so long is taken for dead.
const SILENCE: u64 = 2_000_000_000;

/// Runs the machine until a signal, then stops it. Its region says at the end how it went.
pub(crate) fn supervise(
    config: &Config,
    machine: Machine,
    allocator: &CountingAllocator,
) -> Result<()> {
    let fast = machine.fast.clone();
    let ended = serve(config, machine, allocator);
    fast.set_process_state(match &ended {
        Ok(Ended::Archived) => ProcessState::Stopped,
        Ok(Ended::Unarchived { .. }) => ProcessState::Unfinished,
        Err(_) => ProcessState::Failed,
    });
    match ended? {
        Ended::Archived => Ok(()),
        Ended::Unarchived { head, durable } => bail!(
            "stopped: seq {head}, archived to {durable}; the rest stays in journal memory until a slowpath \
             archives it"
        ),
    }
}

/// How it was when everything had stopped.
enum Ended {
    Archived,
    Unarchived { head: u64, durable: u64 },
}

fn serve(config: &Config, mut machine: Machine, allocator: &CountingAllocator) -> Result<Ended> {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&asked)).context("install a handler")?;
    }
    let stop = StopFlag::new();
    let mut tiles = std::mem::take(&mut machine.tiles);
    let threads: Vec<JoinHandle<()>> = config
        .cores
        .iter()
        .enumerate()
        .map(|(number, core)| start_core(number, core, &mut tiles, &machine, &stop))
        .collect::<Result<_>>()?;
    wait_until_running(&machine, &threads)?;
    let head = machine.head.head();
    say(format_args!(
        "ready port={} epoch={} seq={head}",
        machine.port, machine.epoch
    ));
    allocator.close();
    // ORDER: the flag is set by a signal handler and is the whole message.
    while !asked.load(Ordering::Relaxed) {
        machine.process.set(process::allocations, allocator.calls());
        ensure!(
            !threads.iter().any(JoinHandle::is_finished),
            "a tile has ended by itself"
        );
        machine.keys.turn();
        std::thread::sleep(TURN);
    }
    stop.stop();
    for thread in threads {
        thread
            .join()
            .map_err(|_| anyhow::anyhow!("a tile panicked while stopping"))?;
    }
    Ok(finish(&machine))
}

/// A thread allocates while it starts; after this nothing does.
fn wait_until_running(machine: &Machine, threads: &[JoinHandle<()>]) -> Result<()> {
    let runs = |kind: &TileKind| {
        let tile = machine.fast.view().tile(block_of(*kind));
        tile.is_some_and(|tile| tile.state == Some(TileState::Run) && tile.polls > 0)
    };
    while !TileKind::ALL.iter().all(runs) {
        ensure!(
            !threads.iter().any(JoinHandle::is_finished),
            "a tile ended at its start"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn start_core(
    number: usize,
    core: &Core,
    tiles: &mut BTreeMap<TileKind, Box<dyn Tile>>,
    machine: &Machine,
    stop: &StopFlag,
) -> Result<JoinHandle<()>> {
    let mut own = Vec::new();
    let mut blocks = Vec::new();
    for kind in &core.tiles {
        own.push(
            tiles
                .remove(kind)
                .context("the configuration names each tile once")?,
        );
        blocks.push(machine.fast.tile(block_of(*kind)));
    }
    let cpu = match core.cpu {
        Cpu::Any => None,
        Cpu::Number(cpu) => Some(cpu),
    };
    let idle = core.idle;
    let stop = stop.clone();
    let thread = std::thread::Builder::new().name(format!("core-{number}"));
    let run = move || {
        if let Some(cpu) = cpu {
            tile::pin(cpu).expect("the CPU was there when the process started");
        }
        tile::run(&mut own, &blocks, idle, &stop);
    };
    thread.spawn(run).context("start a core's thread")
}

/// Which block of the `fast` region a tile writes.
pub(crate) fn block_of(kind: TileKind) -> usize {
    match kind {
        TileKind::Net => 0,
        TileKind::Match => 1,
        TileKind::Out => 2,
    }
}

/// Waits until what was journalled is archived, as long as there is somebody to archive it.
fn finish(machine: &Machine) -> Ended {
    let head = machine.head.head();
    let start = Instant::now();
    loop {
        let durable = machine.slow.durable_seq();
        let alive = Clock::now().saturating_sub(machine.slow.heartbeat()) < SILENCE;
        if durable >= head {
            say(format_args!("stopped: seq {head}, all archived"));
            return Ended::Archived;
        }
        if !alive || start.elapsed() > ARCHIVE_PATIENCE {
            return Ended::Unarchived { head, durable };
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
