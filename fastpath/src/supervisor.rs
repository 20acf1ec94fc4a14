//! The supervisor: starts a thread per core, watches, and stops them in order.
//!
//! It runs on the main thread, sleeps most of the time, and touches nothing that a tile waits for. It also
//! derives the keys of sessions that are opened meanwhile ([`crate::keys`]).

use anyhow::{Context as _, Result, bail, ensure};
use shm::heartbeat::is_silent;
use shm::layout::ProcessState;
use shm::{FastView, SlowView, TileState, since_boot};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tile::allocator::CountingAllocator;
use tile::{Clock, StopFlag, Tile};
use topology::instruments::process;
use topology::{Config, Core, Cpu, TileKind};

use crate::boot::Machine;
use crate::booting::Booting;
use crate::clock_watch::ClockWatch;
use crate::console::{complain, say};
use crate::watermark::Watermark;

/// How long an orderly stop waits for the archiver.
const ARCHIVE_PATIENCE: Duration = Duration::from_secs(10);
/// Time between two turns: how long a client waits at most until its session can be used.
const TURN: Duration = Duration::from_millis(5);

/// Runs the machine until a signal, then stops it. Its region says at the end how it went.
pub(crate) fn supervise(
    config: &Config,
    machine: Machine,
    allocator: &CountingAllocator,
    booting: Booting,
) -> Result<()> {
    let fast = machine.fast.clone();
    let asked = booting.over();
    let ended = serve(config, machine, allocator, &asked);
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

fn serve(
    config: &Config,
    mut machine: Machine,
    allocator: &CountingAllocator,
    asked: &AtomicBool,
) -> Result<Ended> {
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
    let (mut has_failed, mut watch) = (false, ClockWatch::new(config));
    // ORDER: the flag is set by a signal handler and is the whole message.
    while !asked.load(Ordering::Relaxed) {
        machine.process.set(process::allocations, allocator.calls());
        watch.turn(Clock::system_ahead(), &machine.process);
        // Not behind a panic: the shipped process aborts at once.
        ensure!(
            !threads.iter().any(JoinHandle::is_finished),
            "a tile has ended by itself"
        );
        if !has_failed && out_has_failed(machine.fast.view()) {
            has_failed = true;
            complain(format_args!(
                "alarm: journal memory is damaged behind seq {}: no report leaves any more; stop this \
                 process, and start it again: it says what it finds (docs/JOURNAL.md, Recovery)",
                machine.fast.view().out_seq()
            ));
        }
        machine.keys.turn();
        std::thread::sleep(TURN);
    }
    stop.stop();
    for thread in threads {
        // It does not come to this in the shipped process, which aborts where a tile panics.
        thread
            .join()
            .map_err(|_| anyhow::anyhow!("a tile panicked while stopping"))?;
    }
    Ok(finish(machine.head.head(), &machine.slow))
}

/// A tile says nothing itself: its state does.
fn out_has_failed(fast: &FastView) -> bool {
    let out = fast.tile(block_of(TileKind::Out));
    out.is_some_and(|tile| tile.state == Some(TileState::Fail))
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

/// Waits until what was journalled is archived, as long as there is somebody to archive it. What the slowpath
/// says of it counts as far as it can be.
fn finish(head: u64, slow: &SlowView) -> Ended {
    let (start, mut watermark) = (Instant::now(), Watermark::default());
    loop {
        watermark.follow(slow.durable_seq(), head);
        let durable = watermark.believed();
        if durable == head {
            say(format_args!("stopped: seq {head}, all archived"));
            return Ended::Archived;
        }
        let alone = is_silent(slow.heartbeat(), since_boot());
        if alone || start.elapsed() > ARCHIVE_PATIENCE {
            return Ended::Unarchived { head, durable };
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm::{Identity, Memory, SlowWriter, slow_spec};

    fn slow() -> SlowWriter {
        let identity = Identity {
            shard: 0,
            boot_id: [1, 2],
            epoch: 1,
        };
        let memory = Memory::anonymous(&slow_spec(), &identity).expect("memory");
        SlowWriter::new(memory).expect("its layout")
    }

    #[test]
    fn only_progress_that_can_be_counts_as_archived() {
        let slow = slow();
        for (said, believed) in [(0, 0), (8, 8), (10, 0), (u64::MAX, 0)] {
            slow.set_durable_seq(said);
            let Ended::Unarchived { head, durable } = finish(9, slow.view()) else {
                panic!("{said} of 9 is not all");
            };
            assert_eq!((head, durable), (9, believed), "said {said}");
        }
        slow.set_durable_seq(9);
        assert!(matches!(finish(9, slow.view()), Ended::Archived));
    }

    /// The heartbeat is since boot, so what the system's time does meanwhile is nothing to it.
    #[test]
    fn a_slowpath_that_beats_is_waited_for() {
        let slow = slow();
        slow.heartbeat().beat(since_boot());
        let ended = std::thread::scope(|scope| {
            let archiver = slow.clone();
            let waiting = scope.spawn(|| finish(9, slow.view()));
            for seq in 1..=9 {
                std::thread::yield_now();
                archiver.set_durable_seq(seq);
            }
            waiting.join().expect("it ends")
        });
        assert!(matches!(ended, Ended::Archived));
    }
}
