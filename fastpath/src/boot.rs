//! Start-up: regions, recovery, genesis, the machine that the supervisor runs.

use anyhow::{Context as _, Result, ensure};
use domain::{Nanos, Request, Source};
use nic::{Receive as _, sockets};
use shm::{
    FastWriter, Found, Identity, LogReader, LogWriter, Memory, Places, RegionError, SlowView,
    WriterLock, fast_spec, journal_spec, slow_spec,
};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tile::{Clock, Tile};
use topology::instruments::{process, tile_kind};
use topology::{Config, Genesis, TileKind};

use crate::assembly::{self, Tiles};
use crate::counters::Counters;
use crate::epochs;
use crate::recovery::{Replayed, Told, next_reports, replay};
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
    /// By session id: its first report number in this epoch.
    pub(crate) epoch_reports: Vec<u64>,
    pub(crate) told: Told,
}

/// Does all of it.
#[expect(clippy::print_stdout, reason = "the operator sees where memory lies")]
pub(crate) fn boot(config: &Config) -> Result<Machine> {
    let genesis = Genesis::load(&config.genesis_file())?;
    let (regions, locks) = open_regions(config, &genesis)?;
    println!(
        "memory: journal {} MiB, {:?}, {}",
        regions.journal.bytes() >> 20,
        regions.journal.kind(),
        regions.journal.path().display()
    );
    let recovered = recover(config, &genesis, &regions)?;
    assemble(config, &regions, recovered, locks)
}

/// From regions and archive to a sequencer that may take commands.
pub(crate) fn recover(config: &Config, genesis: &Genesis, regions: &Regions) -> Result<Recovered> {
    let log = LogWriter::attach(regions.journal.clone())?;
    let memory = LogReader::new(regions.journal.clone(), 1)?;
    // A head without a frame is the archive's: this process's predecessor died before its first.
    let continues = regions.continues && log.oldest() <= log.head();
    let (archive, shard) = (config.archive_dir(), config.instance.shard);
    let first_start = !config.epoch_file().exists();
    if first_start {
        // Later a missing archive is a disk that is not mounted, not a reason to begin again.
        std::fs::create_dir_all(&archive).with_context(|| format!("make {}", archive.display()))?;
    }
    let sent = FastWriter::new(regions.fast.clone())?.view().out_seq();
    let replayed = replay(&archive, shard, continues.then_some(&memory), sent)?;
    ensure!(
        first_start || replayed.chain.last_seq().0 > 0,
        "this instance has run before ({} exists), but neither journal memory nor the archive {} \
         holds a frame: restore the archive, or begin anew with another state_dir",
        config.epoch_file().display(),
        archive.display()
    );
    resume(config, genesis, regions, log, replayed, continues)
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
    let open = |name, spec| patiently(|| Memory::create_or_open(&places, name, spec, identity));
    let (journal, journal_lock, found) = open("journal", journal_spec(frames, words))?;
    let (fast, fast_lock, _) = open("fast", fast_spec(sessions))?;
    let slow = open_slow(&places, identity)?;
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
        .find("slow")
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
    ensure!(
        continues || !fresh || last_seq == 0,
        "the archive {} ends within the genesis, which nobody was told of: remove it and start again",
        config.archive_dir().display()
    );
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
    let begins = sequencer.engine().epoch() != epoch;
    let epoch_reports = if begins {
        next_reports(sequencer.engine())
    } else {
        replayed.epoch_reports
    };
    sequencer.recovered(epoch, grace, Clock::now());
    for region in [&regions.journal, &regions.fast] {
        region.header().set_identity(&Identity {
            epoch,
            ..regions.identity
        });
    }
    Ok(Recovered {
        sequencer,
        epoch_reports,
        told,
    })
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

fn sockets_config(config: &Config) -> sockets::SocketsConfig {
    let (port, feed) = (&config.port, &config.feed);
    let group = feed.destination.filter(|to| to.ip().is_multicast());
    match port.backend {
        topology::Backend::Sockets => sockets::SocketsConfig {
            bind: port.bind,
            burst: port.burst,
            recv_buffer: port.recv_buffer_kib * 1024,
            send_buffer: port.send_buffer_kib * 1024,
            busy_poll_us: port.busy_poll_us,
            multicast: group.map(|_| sockets::Multicast {
                ttl: feed.ttl,
                interface: feed.interface,
                loopback: feed.loopback,
            }),
        },
    }
}

/// The machine: tiles on the order port, and what the supervisor needs of the rest.
fn assemble(
    config: &Config,
    regions: &Regions,
    recovered: Recovered,
    locks: [WriterLock; 2],
) -> Result<Machine> {
    let (rx, tx) = sockets::open(sockets_config(config))
        .with_context(|| format!("open the order port {}", config.port.bind))?;
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
