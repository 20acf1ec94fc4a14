//! The two processes of an instance, as their regions show them.

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use shm::heartbeat::is_silent;
use shm::{FastView, LogReader, SlowView, TileState, since_boot};
use slowpath::attach::{self, Region};
use slowpath::counters::GATEWAY_TROUBLES;
use slowpath::life::Life;
use slowpath::serving;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;
use topology::instruments::tile_kind;
use topology::{Config, TileKind};

/// How long a gateway has to answer whether it is ready.
const ANSWER: Duration = Duration::from_secs(1);

/// Which of the two processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Takes orders.
    Fastpath,
    /// Archives, watches, serves.
    Slowpath,
}

/// What a region says of the process that writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) life: Life,
    /// 0 if there never was one.
    pub(crate) pid: u64,
    /// It has shown that it lives, and not lately.
    pub(crate) is_silent: bool,
}

impl Role {
    /// Both, in the order in which they are stopped.
    pub(crate) const BOTH: [Self; 2] = [Self::Fastpath, Self::Slowpath];

    /// Its program's name.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Fastpath => "fastpath",
            Self::Slowpath => "slowpath",
        }
    }

    /// What it holds the lock of while it lives, beside its region.
    pub(crate) fn lock_file(self, config: &Config) -> PathBuf {
        match self {
            Self::Fastpath => config.lock_file(),
            Self::Slowpath => config.archive_dir().join("LOCK"),
        }
    }

    /// What its region says.
    pub(crate) fn look(self, config: &Config) -> Result<Seen> {
        let places = attach::places(config);
        let region = match self {
            Self::Fastpath => Region::Fast,
            Self::Slowpath => Region::Slow,
        };
        let Some((memory, _)) = attach::open(&places, region)? else {
            return Ok(Seen {
                life: Life::Absent,
                pid: 0,
                is_silent: false,
            });
        };
        // The state before the pid: what has ended is said of the pid before.
        let (said, pid, is_silent) = match self {
            Self::Fastpath => {
                let fast = FastView::new(memory.clone())?;
                let said = fast.process_state();
                (said, memory.header().pid(), is_any_tile_silent(&fast))
            }
            Self::Slowpath => {
                let slow = SlowView::new(memory.clone())?;
                let said = slow.process_state();
                (said, slow.pid(), was_last(slow.heartbeat()))
            }
        };
        Ok(Seen {
            life: Life::of(&memory, said, pid),
            pid,
            is_silent,
        })
    }

    /// Whether the process `pid`, which was started at `since` (ns since boot), serves; if not, what is missing.
    pub(crate) fn readiness(self, config: &Config, pid: u32, since: u64) -> Result<(), String> {
        let seen = self.look(config).map_err(|error| error.to_string())?;
        if seen.pid != u64::from(pid) || seen.life != Life::Running {
            return Err("it has not taken its region yet".to_owned());
        }
        match self {
            Self::Fastpath => tiles_run(config, since),
            Self::Slowpath => has_caught_up(config, since),
        }
    }

    /// Asks the process with this pid to stop, if it is the program that it should be.
    pub(crate) fn ask_to_stop(self, pid: u64) -> Result<()> {
        let program = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        ensure!(
            program.trim() == self.program(),
            "process {pid} is {program:?} and no {}: it is left alone; see `sluice status`",
            self.program()
        );
        let id = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let Some(id) = id else {
            bail!("{pid} is no process")
        };
        kill_process(id, Signal::TERM).with_context(|| format!("send SIGTERM to process {pid}"))
    }
}

/// Whether a heartbeat is old; one that never came is not.
fn was_last(heartbeat: u64) -> bool {
    heartbeat != 0 && is_silent(heartbeat, since_boot())
}

fn is_any_tile_silent(fast: &FastView) -> bool {
    let mut tiles = (0..).map_while(|slot| fast.tile(slot));
    // The process's own block has no heartbeat.
    tiles.any(|tile| tile.state == Some(TileState::Run) && was_last(tile.heartbeat))
}

fn tiles_run(config: &Config, since: u64) -> Result<(), String> {
    let missing = || "it is starting, recovers, or waits for the slowpath".to_owned();
    let found = attach::open(&attach::places(config), Region::Fast);
    let (memory, _) = found.ok().flatten().ok_or_else(missing)?;
    let fast = FastView::new(memory).map_err(|error| error.to_string())?;
    let runs = |kind: &TileKind| {
        let tiles = (0..).map_while(|slot| fast.tile(slot));
        let mut tiles = tiles.filter(|tile| tile_kind::name(tile.kind) == kind.name());
        // What a killed process has left behind says so too, but is not alive.
        tiles.any(|tile| tile.state == Some(TileState::Run) && tile.heartbeat > since)
    };
    match TileKind::ALL.iter().all(runs) {
        true => Ok(()),
        false => Err(missing()),
    }
}

fn has_caught_up(config: &Config, since: u64) -> Result<(), String> {
    let places = attach::places(config);
    let slow = attach::open(&places, Region::Slow).ok().flatten();
    let slow = slow.and_then(|(memory, _)| SlowView::new(memory).ok());
    let slow = slow.ok_or("its region is gone")?;
    if slow.heartbeat() <= since {
        return Err("it has not shown a heartbeat".to_owned());
    }
    let journal = attach::open(&places, Region::Journal).ok().flatten();
    let log = journal.and_then(|(memory, _)| LogReader::new(memory, 1).ok());
    let head = log.ok_or("it waits for the fastpath")?.head();
    let (durable, shadow) = (slow.durable_seq(), slow.shadow_seq());
    // Of a journal that grows: it keeps up with it if it is this near.
    let near = head.saturating_sub(1024);
    if durable < near || shadow < near {
        return Err(format!(
            "it reads the journal: archived to seq {durable}, checked to {shadow} of {head}"
        ));
    }
    match config.gateway.enabled {
        true => gateway_is_ready(config, &slow),
        false => Ok(()),
    }
}

/// What is said of a gateway that does not listen.
pub(crate) fn no_gateway(config: &Config) -> String {
    let bind = config.gateway.bind;
    format!("no gateway at {bind}: see `trouble:` in the slowpath's output")
}

/// Whether it says itself that it listens, because another process may answer at its address, and is ready.
fn gateway_is_ready(config: &Config, slow: &SlowView) -> Result<(), String> {
    let count = |number| slow.counter(number).unwrap_or(0);
    match serving::address(config, slow) {
        Some(address) => answers_ready(address, config.gateway.tls_cert.is_some()),
        None if GATEWAY_TROUBLES.last(count) => Err(no_gateway(config)),
        None => Err("its gateway does not listen yet".to_owned()),
    }
}

/// Asks `/ready`; behind TLS only whether it can be connected to.
fn answers_ready(address: SocketAddr, tls: bool) -> Result<(), String> {
    let failed =
        |error: std::io::Error| format!("the gateway at {address} does not answer: {error}");
    let mut stream = TcpStream::connect_timeout(&address, ANSWER).map_err(failed)?;
    if tls {
        return Ok(());
    }
    stream.set_read_timeout(Some(ANSWER)).map_err(failed)?;
    let ask = format!("GET /ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).map_err(failed)?;
    let mut answer = Vec::new();
    stream
        .take(65_536)
        .read_to_end(&mut answer)
        .map_err(failed)?;
    if answer.starts_with(b"HTTP/1.1 200") {
        return Ok(());
    }
    let answer = String::from_utf8_lossy(&answer);
    let detail = answer.split("\"detail\":\"").nth(1);
    let detail = detail.and_then(|rest| rest.split('"').next());
    Err(format!(
        "the gateway is not ready: {}",
        detail.unwrap_or_else(|| answer.lines().next().unwrap_or_default())
    ))
}
