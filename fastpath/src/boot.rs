//! Start-up: regions, recovery, genesis, the machine that the supervisor runs.

use anyhow::{Context as _, Result, ensure};
use domain::{Nanos, Request, Source};
use nic::Receive as _;
use nic::sockets::{SocketsRx, SocketsTx};
use shm::layout::ProcessState;
use shm::{
    FastWriter, Found, Identity, LogReader, LogWriter, Memory, Places, RegionError, SlowView,
    WriterLock, fast_spec, journal_spec, slow_spec,
};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tile::{Clock, Tile};
use topology::instruments::{process, tile_kind};
use topology::{Config, Cpu, Genesis, TileKind};

use crate::assembly::{self, Tiles};
use crate::counters::Counters;
use crate::epochs;
use crate::port;
use crate::recovery::{Replayed, Sources, Told, replay};
use crate::sequencer::{Resumed, Sequencer};
use crate::watermark::Watermark;

/// The process's own block in the `fast` region, after those of its tiles.
const PROCESS_BLOCK: usize = 3;
/// How long a start waits for the locks of a process that is on its way out.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// A booted fastpath: tiles that are ready to be run, and what must live as long as they do.
pub(crate) struct Machine {
    pub(crate) tiles: BTreeMap<TileKind, Box<dyn Tile>>,
    pub(crate) fast: FastWriter,
    pub(crate) slow: SlowView,
    pub(crate) head: LogReader,
    pub(crate) process: Counters,
    pub(crate) port: nic::Peer,
    pub(crate) epoch: u32,
    /// The right to write the regions.
    _locks: [WriterLock; 2],
}

/// The shared memory of an instance.
pub(crate) struct Regions {
    pub(crate) journal: Memory,
    pub(crate) fast: Memory,
    pub(crate) slow: Memory,
    /// Journal memory of this boot of the machine was found.
    pub(crate) continues: bool,
    pub(crate) identity: Identity,
}

/// Where a start begins to take commands.
pub(crate) struct Recovered {
    pub(crate) sequencer: Sequencer,
    pub(crate) told: Told,
}

/// What a start has done before it makes a region.
struct Early {
    port: (SocketsRx, SocketsTx),
    /// The archive, if there is no journal memory.
    replayed: Option<Replayed>,
}

/// Does all of it. What may refuse a start comes before what a start makes, so that one that is refused
/// leaves no new region behind.
#[expect(clippy::print_stdout, reason = "the operator sees where memory lies")]
pub(crate) fn boot(config: &Config) -> Result<Machine> {
    let genesis = config.load_genesis()?;
    check_cpus(config)?;
    // The tiles' assembly loads it: here it only refuses in time.
    topology::secret::load_or_create(&config.secret_file())?;
    let early = if has_regions(config, &["journal", "fast", "slow"]) {
        // Their locks come first: a process that runs has the port as well, and the locks name it.
        None
    } else {
        let port = port::open(config)?;
        let replayed = if has_regions(config, &["journal"]) {
            None
        } else {
            Some(replay_journal(config, None, 0)?)
        };
        Some(Early { port, replayed })
    };
    let (regions, locks) = open_regions(config, &genesis)?;
    println!(
        "memory: journal {} MiB, {:?}, {}",
        regions.journal.bytes() >> 20,
        regions.journal.kind(),
        regions.journal.path().display()
    );
    let fast = FastWriter::new(regions.fast.clone())?;
    fast.set_process_state(ProcessState::Running);
    let machine = start(config, &genesis, &regions, locks, early);
    if machine.is_err() {
        fast.set_process_state(ProcessState::Failed);
    }
    machine
}

fn check_cpus(config: &Config) -> Result<()> {
    for core in &config.cores {
        match core.cpu {
            Cpu::Any => {}
            Cpu::Number(cpu) => tile::check_cpu(cpu)?,
        }
    }
    Ok(())
}

/// Whether an earlier start has made these regions.
fn has_regions(config: &Config, names: &[&str]) -> bool {
    let places = places(config);
    let is_there = |name: &&str| matches!(places.find(name), Ok(Some(_)));
    names.iter().all(is_there)
}

fn start(
    config: &Config,
    genesis: &Genesis,
    regions: &Regions,
    locks: [WriterLock; 2],
    early: Option<Early>,
) -> Result<Machine> {
    let (port, replayed) = match early {
        Some(Early { port, replayed }) => (port, replayed),
        None => (port::open(config)?, None),
    };
    let recovered = recover(config, genesis, regions, replayed)?;
    assemble(config, regions, recovered, port, locks)
}

/// From regions and archive to a sequencer that may take commands. `replayed` is the archive alone,
/// if it was replayed already.
pub(crate) fn recover(
    config: &Config,
    genesis: &Genesis,
    regions: &Regions,
    replayed: Option<Replayed>,
) -> Result<Recovered> {
    let log = LogWriter::attach(regions.journal.clone())?;
    let memory = LogReader::new(regions.journal.clone(), 1)?;
    // A head without a frame is the archive's: this process's predecessor died before its first.
    let continues = regions.continues && log.oldest() <= log.head();
    let sent = FastWriter::new(regions.fast.clone())?.view().out_seq();
    let replayed = match replayed.filter(|_| !regions.continues) {
        Some(replayed) => replayed,
        None => replay_journal(config, continues.then_some(&memory), sent)?,
    };
    resume(config, genesis, regions, log, replayed, continues)
}

/// Replays what there is of the journal, and refuses what no start may go on from.
fn replay_journal(config: &Config, memory: Option<&LogReader>, sent: u64) -> Result<Replayed> {
    let (archive, shard) = (config.archive_dir(), config.instance.shard);
    let first_start = !config.epoch_file().exists();
    if first_start {
        // Later a missing archive is a disk that is not mounted, not a reason to begin again.
        std::fs::create_dir_all(&archive).with_context(|| format!("make {}", archive.display()))?;
    }
    let snapshots = config.snapshots.enabled.then(|| config.snapshot_dir());
    let sources = Sources {
        archive: &archive,
        snapshots: snapshots.as_deref(),
        shard,
        memory,
    };
    let replayed = replay(&sources, sent)?;
    let (epoch, last_seq) = (replayed.engine.epoch(), replayed.chain.last_seq().0);
    ensure!(
        first_start || last_seq > 0,
        "this instance has run before ({} exists), but neither journal memory nor the archive {} \
         holds a frame: restore the archive, or begin anew with another state_dir",
        config.epoch_file().display(),
        archive.display()
    );
    ensure!(
        memory.is_some() || epoch > 0 || last_seq == 0,
        "the archive {} ends within the genesis, which nobody was told of: remove it and start again",
        archive.display()
    );
    // Whether one is needed shows later: here a file that holds none only refuses in time.
    epochs::next(&config.epoch_file(), epoch)?;
    Ok(replayed)
}

/// The files of new regions, removed again unless the start goes on.
#[derive(Default)]
struct Made(Vec<PathBuf>);

impl Drop for Made {
    fn drop(&mut self) {
        for path in &self.0 {
            // Best effort: what stays holds no frame.
            std::fs::remove_file(path).ok();
        }
    }
}

fn open_regions(config: &Config, genesis: &Genesis) -> Result<(Regions, [WriterLock; 2])> {
    let places = places(config);
    let boot_id = shm::boot_id().context("read the boot id")?;
    let identity = Identity {
        shard: config.instance.shard,
        boot_id,
        epoch: 0,
    };
    let words =
        usize::try_from(u64::from(config.memory.journal_mib) << 17).context("journal_mib")?;
    let frames = usize::try_from(config.memory.journal_frames).context("journal_frames")?;
    let sessions = usize::try_from(genesis.capacity.max_sessions).context("max_sessions")?;
    let mut made = Made::default();
    let mut open = |name, spec| {
        let opened = patiently(|| Memory::create_or_open(&places, name, spec, identity));
        if let Ok((memory, _, Found::Fresh)) = &opened {
            made.0.push(memory.path().to_path_buf());
        }
        opened
    };
    let (journal, journal_lock, found) = open("journal", journal_spec(frames, words))?;
    let (fast, fast_lock, _) = open("fast", fast_spec(sessions))?;
    let slow = open_slow(&places, identity)?;
    made.0.clear();
    let continues = matches!(
        found,
        Found::Existing {
            boot_matches: true,
            ..
        }
    );
    if !continues {
        // Memory of another boot of the machine may be torn: what counts is in the archive.
        for region in [&journal, &fast] {
            region.wipe()?;
            region.header().set_identity(&identity);
        }
    }
    Ok((
        Regions {
            journal,
            fast,
            slow,
            continues,
            identity,
        },
        [journal_lock, fast_lock],
    ))
}

/// A process that was killed a moment ago may hold its locks still.
fn patiently<T>(open: impl Fn() -> Result<T, RegionError>) -> Result<T, RegionError> {
    let start = Instant::now();
    loop {
        match open() {
            Err(RegionError::Locked { .. } | RegionError::NotReady { .. })
                if start.elapsed() < LOCK_PATIENCE =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            other => return other,
        }
    }
}

/// The slowpath writes this region and holds its lock while it lives. Whichever process comes first
/// makes it; we map it read-only in any case.
fn open_slow(places: &Places, identity: Identity) -> Result<Memory> {
    match Memory::create_or_open(places, "slow", slow_spec(), identity) {
        Ok((
            memory,
            _,
            Found::Existing {
                boot_matches: false,
                ..
            },
        )) => {
            // Progress of another boot says nothing about this one.
            memory.wipe()?;
            memory.header().set_identity(&identity);
        }
        Ok(_) | Err(RegionError::Locked { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let path = places
        .find("slow")?
        .context("the region `slow` has vanished")?;
    let magic = shm::layout::slow_layout::SLOW_MAGIC;
    Ok(patiently(|| Memory::open_reader(&path, magic))?)
}

pub(crate) fn places(config: &Config) -> Places {
    Places {
        instance: config.instance.name.clone(),
        hugetlbfs: config.memory.hugetlbfs.clone(),
        shm_dir: config.memory.shm_dir.clone(),
        state_dir: config.state_dir(),
    }
}

/// From what was replayed to a sequencer that may take commands: genesis done, epoch settled.
fn resume(
    config: &Config,
    genesis: &Genesis,
    regions: &Regions,
    mut log: LogWriter,
    replayed: Replayed,
    continues: bool,
) -> Result<Recovered> {
    let fast = FastWriter::new(regions.fast.clone())?;
    let (engine, chain, mut told) = (replayed.engine, replayed.chain, replayed.told);
    let last_seq = chain.last_seq().0;
    let fresh = engine.epoch() == 0;
    let epoch = match chain.epoch.filter(|_| continues) {
        Some(epoch) => epoch,
        None => epochs::next(&config.epoch_file(), engine.epoch())?,
    };
    if !fresh {
        epochs::hold(&config.epoch_file(), epoch)?;
    }
    if !continues {
        log.start_at(last_seq + 1)?;
        fast.set_out_seq(last_seq);
    }
    let resumed = Resumed {
        last_crc: chain.last_crc,
        last_time: chain.engine_time.0,
        epoch: chain.epoch.filter(|_| continues || !fresh).unwrap_or(epoch),
        engine,
    };
    let shard = config.instance.shard;
    let mut sequencer = Sequencer::new(resumed, log, shard, config.engine.checkpoint_interval);
    let slow = SlowView::new(regions.slow.clone())?;
    if fresh {
        run_genesis(&mut sequencer, genesis, &slow);
        // Only now: a start that dies before this is still the first.
        epochs::hold(&config.epoch_file(), epoch)?;
        // The feed tells of the markets, if memory still has all of the genesis and room to go on.
        if sequencer.log().oldest() > 1 || !sequencer.has_room() {
            fast.set_out_seq(sequencer.log().head());
            told = Told::by(sequencer.engine());
        }
    }
    let grace = if fresh {
        0
    } else {
        config.engine.recovery_grace_ms * 1_000_000
    };
    let told_to = fast.view().out_seq();
    wait_for(
        &mut sequencer,
        &slow,
        told_to,
        Sequencer::has_room_to_recover,
    );
    sequencer.recovered(epoch, grace, Clock::now());
    for region in [&regions.journal, &regions.fast] {
        region.header().set_identity(&Identity {
            epoch,
            ..regions.identity
        });
    }
    Ok(Recovered { sequencer, told })
}

/// Journals the genesis file's commands, as far as they are not there yet.
fn run_genesis(sequencer: &mut Sequencer, genesis: &Genesis, slow: &SlowView) {
    let mut numbers: BTreeMap<Source, u64> = BTreeMap::new();
    for (source, command) in genesis.commands() {
        let number = numbers.entry(source).or_default();
        *number += 1;
        if sequencer.engine().admits(source, *number) {
            wait_for(sequencer, slow, u64::MAX, Sequencer::has_room);
            let now = Clock::now();
            let receive_time = Nanos(now);
            let request = Request {
                source,
                source_seq: *number,
                receive_time,
                command,
            };
            sequencer.sequence(&request, now);
        }
    }
}

/// Before the tiles run, a journal that is full can only wait for the archiver.
#[expect(clippy::print_stdout, reason = "says what it waits for")]
fn wait_for(
    sequencer: &mut Sequencer,
    slow: &SlowView,
    told_to: u64,
    has_room: fn(&Sequencer) -> bool,
) {
    let (mut said, mut watermark) = (Instant::now(), Watermark::default());
    while !has_room(sequencer) {
        let head = sequencer.log().head();
        let durable = watermark.follow(slow.durable_seq(), head).unwrap_or(0);
        let gate = durable.min(told_to);
        if gate > sequencer.log().gate_seq() {
            let log = sequencer.log_mut();
            log.gate(gate).expect("between the gate and the head");
            continue;
        }
        if said.elapsed() > Duration::from_secs(5) {
            said = Instant::now();
            println!(
                "journal memory is full: waiting for the slowpath to archive (is it running?)"
            );
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The machine: tiles on the order port, and what the supervisor needs of the rest.
fn assemble(
    config: &Config,
    regions: &Regions,
    recovered: Recovered,
    (rx, tx): (SocketsRx, SocketsTx),
    locks: [WriterLock; 2],
) -> Result<Machine> {
    let port = rx.local();
    let epoch = recovered.sequencer.epoch();
    let recovered_seq = recovered.sequencer.log().head();
    let tiles = Tiles::assemble(config, regions, recovered, rx, tx)?;
    let fast = FastWriter::new(regions.fast.clone())?;
    let block = assembly::block(&fast, PROCESS_BLOCK, tile_kind::PROCESS);
    let process = Counters::new(&block, process::NAMES);
    process.set(process::epoch, u64::from(epoch));
    process.set(process::recovered_seq, recovered_seq);
    Ok(Machine {
        tiles: BTreeMap::from([
            (TileKind::Net, Box::new(tiles.net) as Box<dyn Tile>),
            (TileKind::Match, Box::new(tiles.matching)),
            (TileKind::Out, Box::new(tiles.out)),
        ]),
        fast,
        slow: SlowView::new(regions.slow.clone())?,
        head: LogReader::new(regions.journal.clone(), 1)?,
        process,
        port,
        epoch,
        _locks: locks,
    })
}
