//! Start-up: regions, recovery, genesis, the machine that the supervisor runs.

use anyhow::{Context as _, Result, bail, ensure};
use domain::{Command, Nanos, Request, Source};
use journal::{ArchiveReader, Frame};
use nic::Receive as _;
use nic::sockets::{SocketsRx, SocketsTx};
use shm::{
    FastWriter, Found, Identity, LogReader, LogWriter, MAX_FRAME_WORDS, Memory, MemoryKind, Places,
    Read, RegionError, RegionSpec, SlowView, WriterLock, fast_spec, journal_spec, slow_spec,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tile::{Clock, Tile};
use topology::instruments::{address_number, process, tile_kind};
use topology::{Ack, Config, Cpu, TileKind};

use crate::assembly::{self, Tiles};
use crate::booting::Begun;
use crate::claim::{self, Claim};
use crate::clock_watch;
use crate::console::{say, warn};
use crate::counters::Counters;
use crate::epochs;
use crate::keys::KeyMaker;
use crate::patience::patiently;
use crate::port;
use crate::recovery::{Replayed, Sources, Told, replay};
use crate::sequencer::{Resumed, Sequencer};
use crate::watermark::{self, Watermark};

/// The process's own block in the `fast` region, after those of its tiles.
const PROCESS_BLOCK: usize = 3;
/// Nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// A booted fastpath: tiles that are ready to be run, and what must live as long as they do.
pub(crate) struct Machine {
    pub(crate) tiles: BTreeMap<TileKind, Box<dyn Tile>>,
    pub(crate) keys: KeyMaker,
    pub(crate) fast: FastWriter,
    pub(crate) slow: SlowView,
    pub(crate) head: LogReader,
    pub(crate) process: Counters,
    pub(crate) port: nic::Peer,
    pub(crate) epoch: u32,
    /// The right to write the regions, and the state folder.
    _locks: ([WriterLock; 2], Claim),
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
pub(crate) fn boot(config: &Config, begun: &Begun) -> Result<Machine> {
    let claim = claim::take(config)?;
    topology::state_lock::check_archive(config)?;
    check_cpus(config)?;
    check_secret(config)?;
    let early = if has_regions(config, &["journal", "fast", "slow"]) {
        // Their locks come first: a process that runs has the port as well, and the locks name it.
        None
    } else {
        let port = port::open(config)?;
        let replayed = if has_regions(config, &["journal"]) {
            None
        } else {
            let replayed = replay_journal(config, None, 0)?;
            if let Some(slow) = slow_of_this_boot(config)? {
                watermark::check_start(config, &slow, replayed.chain.last_seq().0)?;
            }
            Some(replayed)
        };
        Some(Early { port, replayed })
    };
    let machine = open_regions(config, begun).and_then(|(regions, locks)| {
        say_where(&regions.journal);
        begun.made(&regions)?;
        start(config, &regions, (locks, claim), early)
    });
    if machine.is_err() {
        begun.refused();
    }
    machine
}

/// Tells the operator where memory lies, which a mistyped or missing place changes.
fn say_where(journal: &Memory) {
    let (mib, kind, path) = (journal.bytes() >> 20, journal.kind(), journal.path());
    say(format_args!(
        "memory: journal {mib} MiB, {kind}, {}",
        path.display()
    ));
    if kind == MemoryKind::File {
        warn(format_args!(
            "warning: journal memory lies on a disk, which is slow and stalls: let memory.shm_dir name a \
             tmpfs with room for it"
        ));
    }
}

/// The tiles' assembly loads it: here it only refuses in time, and says what nobody asked for.
fn check_secret(config: &Config) -> Result<()> {
    let file = config.secret_file();
    if topology::secret::is_new(&file)? && !is_first_start(config) {
        warn(format_args!(
            "warning: {} was missing, and this instance has run before: a new one was made, with which no \
             session's earlier secret agrees; stop and restore the file from a backup, or hand every session \
             its new secret (`sluice session-secret`)",
            file.display()
        ));
    }
    Ok(())
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
    regions: &Regions,
    locks: ([WriterLock; 2], Claim),
    early: Option<Early>,
) -> Result<Machine> {
    let (port, replayed) = match early {
        Some(Early { port, replayed }) => (port, replayed),
        None => (port::open(config)?, None),
    };
    clock_watch::begin(config, &regions.fast, regions.identity.boot_id);
    let recovered = recover(config, regions, replayed, &Clock::now)?;
    assemble(config, regions, recovered, port, locks)
}

/// From regions and archive to a sequencer that may take commands. `replayed` is the archive alone,
/// if it was replayed already; `clock` shows UTC ns.
pub(crate) fn recover(
    config: &Config,
    regions: &Regions,
    replayed: Option<Replayed>,
    clock: &dyn Fn() -> u64,
) -> Result<Recovered> {
    let log = LogWriter::attach(regions.journal.clone())
        .with_context(|| format!("the journal region {}", regions.journal.path().display()))?;
    let memory = LogReader::new(regions.journal.clone(), 1)?;
    // A head without a frame is the archive's: this process's predecessor died before its first.
    let continues = regions.continues && log.oldest() <= log.head();
    let sent = sent(&memory, &regions.fast, &regions.slow)?;
    let replayed = match replayed.filter(|_| !regions.continues) {
        Some(replayed) => replayed,
        None => {
            let replayed = replay_journal(config, continues.then_some(&memory), sent);
            // What is to be removed or corrected must have a name.
            let (archive, region) = (config.archive_dir(), regions.journal.path());
            replayed.with_context(|| {
                format!(
                    "recover from the archive {} and the journal region {}",
                    archive.display(),
                    region.display()
                )
            })?
        }
    };
    // Only now: what is durable never falls, so what a slowpath that runs has said meanwhile counts too.
    watermark::check_start(config, &regions.slow, replayed.chain.last_seq().0)?;
    resume(config, regions, log, (replayed, continues), clock)
}

/// The last frame whose reports were handed on. Journal memory never loses one that was not: if the
/// region `fast` says otherwise it was made anew, and what is durable counts as told. Its bindings are
/// gone as well; clients that establish themselves again ask for what they miss.
pub(crate) fn sent(log: &LogReader, fast: &Memory, slow: &Memory) -> Result<u64> {
    let fast = FastWriter::new(fast.clone())?;
    let possible = log.oldest().saturating_sub(1)..=log.head();
    let said = fast.view().out_seq();
    if possible.contains(&said) {
        return Ok(said);
    }
    let durable = SlowView::new(slow.clone())?.durable_seq();
    let sent = if possible.contains(&durable) {
        durable
    } else {
        *possible.start()
    };
    fast.set_out_seq(sent);
    Ok(sent)
}

/// Makes the archive's folder at the first start. Later a missing one is a disk that is not mounted,
/// not a reason to begin again.
fn make_archive(config: &Config) -> Result<()> {
    let archive = config.archive_dir();
    if is_first_start(config) {
        std::fs::create_dir_all(&archive).with_context(|| format!("make {}", archive.display()))?;
    }
    Ok(())
}

fn is_first_start(config: &Config) -> bool {
    !config.epoch_file().exists()
}

/// Replays what there is of the journal, and refuses what no start may go on from.
fn replay_journal(config: &Config, memory: Option<&LogReader>, sent: u64) -> Result<Replayed> {
    let (archive, shard) = (config.archive_dir(), config.instance.shard);
    let first_start = is_first_start(config);
    make_archive(config)?;
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

fn open_regions(config: &Config, begun: &Begun) -> Result<(Regions, [WriterLock; 2])> {
    let places = places(config);
    let boot_id = shm::boot_id().context("read the boot id")?;
    let identity = Identity {
        shard: config.instance.shard,
        boot_id,
        epoch: 0,
    };
    let mut made = Made::default();
    let mut open = |name, spec| {
        begun.region(&places, name);
        let opened = patiently(
            || Memory::create_or_open(&places, name, spec, identity),
            may_pass,
        );
        if let Ok((memory, _, Found::Fresh)) = &opened {
            made.0.push(memory.path().to_path_buf());
        }
        opened
    };
    let (journal, journal_lock, found) = open("journal", journal_of(config)?)?;
    let continues = matches!(
        found,
        Found::Existing {
            boot_matches: true,
            ..
        }
    );
    let sessions = max_sessions(config, continues.then_some(&journal))?;
    let (fast, fast_lock, _) = open("fast", fast_spec(sessions))?;
    let slow = open_slow(&places, identity)?;
    made.0.clear();
    if !continues {
        // Memory of another boot of the machine may be torn: what counts is in the archive.
        journal.wipe()?;
        journal.header().set_identity(&identity);
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

/// The journal region as it is configured.
pub(crate) fn journal_of(config: &Config) -> Result<RegionSpec> {
    let memory = &config.memory;
    let words = usize::try_from(u64::from(memory.journal_mib) << 17).context("journal_mib")?;
    let frames = usize::try_from(memory.journal_frames).context("journal_frames")?;
    Ok(journal_spec(frames, words))
}

/// How many sessions the shard can have: as its journal says, whose first command it is; as the genesis
/// file says only if there is no journal yet. `journal` is journal memory of this boot.
fn max_sessions(config: &Config, journal: Option<&Memory>) -> Result<usize> {
    make_archive(config)?;
    let mut archive = ArchiveReader::open(&config.archive_dir(), config.instance.shard)?;
    let mut buffer = Box::new([0; MAX_FRAME_WORDS]);
    let mut words = archive.next(&mut buffer)?;
    if let (None, Some(journal)) = (words, journal) {
        let log = LogReader::new(journal.clone(), 1)?;
        if let Read::Frame(read) = log.read_at(1, &mut buffer) {
            words = Some(read);
        }
    }
    let first = words.map(|words| Frame::parse(&buffer[..words]));
    let max_sessions = match first.transpose()?.map(|frame| frame.command) {
        Some(Command::Genesis(genesis)) => genesis.max_sessions,
        // Of a journal that begins with something else recovery says what is wrong.
        Some(_) | None => config.load_genesis()?.capacity.max_sessions,
    };
    usize::try_from(max_sessions).context("max_sessions")
}

/// Another process may be making the region, or on its way out.
fn may_pass(refusal: &RegionError) -> bool {
    matches!(
        refusal,
        RegionError::Locked { .. } | RegionError::NotReady { .. }
    )
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
    open_to_read(places, &path)
}

/// The region that a slowpath of this boot of the machine left or writes, if there is one.
fn slow_of_this_boot(config: &Config) -> Result<Option<Memory>> {
    let places = places(config);
    let Some(path) = places.find("slow")? else {
        return Ok(None);
    };
    let boot_id = shm::boot_id().context("read the boot id")?;
    let slow = open_to_read(&places, &path)?;
    Ok(Some(slow).filter(|slow| slow.header().boot_id() == boot_id))
}

fn open_to_read(places: &Places, path: &Path) -> Result<Memory> {
    let magic = shm::layout::slow_layout::SLOW_MAGIC;
    let memory = patiently(|| Memory::open_reader(path, magic), may_pass)?;
    places.check_home(&memory)?;
    Ok(memory)
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
    regions: &Regions,
    mut log: LogWriter,
    (replayed, continues): (Replayed, bool),
    clock: &dyn Fn() -> u64,
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
        // Before the journal has a frame: who dies behind this begins again. Bindings of an earlier
        // epoch, or of another boot of the machine, do not count in this one.
        // The command ring goes on where it stands: a slowpath that was there first counts from it.
        let command_tail = fast.view().command_tail();
        regions.fast.wipe()?;
        fast.set_command_tail(command_tail);
        regions.fast.header().set_identity(&regions.identity);
        log.start_at(last_seq + 1)?;
        fast.set_out_seq(last_seq);
    }
    if !continues && !fresh {
        say(format_args!(
            "epoch {epoch} begins: no journal memory joined the archive; frames behind seq {last_seq}, if \
             there were any, are lost"
        ));
    }
    let resumed = Resumed {
        last_crc: chain.last_crc,
        last_time: chain.engine_time.0,
        epoch: chain.epoch.filter(|_| continues || !fresh).unwrap_or(epoch),
        engine,
    };
    let shard = config.instance.shard;
    let interval = config.engine.checkpoint_interval;
    let mut sequencer = Sequencer::new(resumed, log, shard, interval, clock());
    if let Some(warning) = ahead_of_clock(sequencer.ahead()) {
        warn(format_args!("{warning}"));
    }
    let slow = SlowView::new(regions.slow.clone())?;
    if fresh {
        run_genesis(&mut sequencer, config, &slow, &replayed.genesis, clock)?;
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
    sequencer.recovered(epoch, grace, clock());
    for region in [&regions.journal, &regions.fast] {
        region.header().set_identity(&Identity {
            epoch,
            ..regions.identity
        });
    }
    Ok(Recovered { sequencer, told })
}

/// What an operator must know of a clock that is behind the journal, `ahead` in ns: engine time never goes
/// back, so nothing sets it right but the clock itself, when it has caught up.
fn ahead_of_clock(ahead: u64) -> Option<String> {
    let seconds = ahead / SECOND;
    (ahead > SECOND).then(|| {
        format!(
            "warning: engine time is {seconds} s ahead of this machine's clock, because the journal was written \
             under a clock that was ahead, or this one is behind: set the clock right and start again \
             (with engine.clock_jump_ms = 0 for that start, if an alarm then says that the system's time is ahead); until \
             the clock has caught up every time in journal, reports and feed is ahead by this much"
        )
    })
}

/// Journals the genesis file's commands, as far as they are not there yet: `journalled` are those that are. A shard
/// that lacks one of them must not be told to anybody.
fn run_genesis(
    sequencer: &mut Sequencer,
    config: &Config,
    slow: &SlowView,
    journalled: &[Request],
    clock: &dyn Fn() -> u64,
) -> Result<()> {
    let genesis = numbered(config.load_genesis()?.commands());
    check_begun(config, &genesis, journalled)?;
    for (source, source_seq, command) in genesis.into_iter().skip(journalled.len()) {
        wait_for(sequencer, slow, u64::MAX, Sequencer::has_room);
        let now = clock();
        let request = Request {
            source,
            source_seq,
            receive_time: Nanos(now),
            command,
        };
        sequencer.sequence(&request, now);
        ensure!(
            sequencer.refused().is_none(),
            "the engine refuses {:?} of {}: {:?}; correct the file, remove the journal (archive {} and the \
             regions), and start again",
            command.kind(),
            config.genesis_file().display(),
            sequencer.refused(),
            config.archive_dir().display()
        );
    }
    Ok(())
}

/// Each source counts its commands from 1 on.
fn numbered(commands: Vec<(Source, Command)>) -> Vec<(Source, u64, Command)> {
    let mut numbers: BTreeMap<Source, u64> = BTreeMap::new();
    let number = |(source, command)| {
        let number = numbers.entry(source).or_default();
        *number += 1;
        (source, *number, command)
    };
    commands.into_iter().map(number).collect()
}

/// Refuses to go on with another file than the one whose commands were `journalled` by a start that died within.
fn check_begun(
    config: &Config,
    genesis: &[(Source, u64, Command)],
    journalled: &[Request],
) -> Result<()> {
    let was = |request: &Request| (request.source, request.source_seq, request.command);
    let differs = (0..journalled.len()).find(|&at| genesis.get(at) != Some(&was(&journalled[at])));
    if let Some(at) = differs {
        bail!(
            "{} is not the file with which the genesis began: seq {} of the journal is a {:?} that does not stand there; \
             put the file back as it was, or remove the journal (archive {} and the regions), and start again",
            config.genesis_file().display(),
            at + 1,
            journalled[at].command.kind(),
            config.archive_dir().display()
        );
    }
    Ok(())
}

/// Before the tiles run, a journal that is full can only wait for the archiver.
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
            say(format_args!(
                "journal memory is full: waiting for the slowpath to archive (is it running?)"
            ));
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
    locks: ([WriterLock; 2], Claim),
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
    process.set(process::utc_at_boot, Clock::utc_at_boot());
    // What the last process found says nothing of this one's clock.
    process.set(process::clock_in_trouble, 0);
    process.set(process::order_port, u64::from(port.port));
    process.set(
        process::ack,
        match config.instance.ack {
            Ack::Sequenced => 1,
            Ack::Durable => 2,
        },
    );
    let feed = config.feed.destination.map_or(0, address_number);
    process.set(process::feed, feed);
    Ok(Machine {
        tiles: BTreeMap::from([
            (TileKind::Net, Box::new(tiles.net) as Box<dyn Tile>),
            (TileKind::Match, Box::new(tiles.matching)),
            (TileKind::Out, Box::new(tiles.out)),
        ]),
        keys: tiles.keys,
        fast,
        slow: SlowView::new(regions.slow.clone())?,
        head: LogReader::new(regions.journal.clone(), 1)?,
        process,
        port,
        epoch,
        _locks: locks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_far_behind_the_journal_is_said() {
        assert_eq!(ahead_of_clock(0), None);
        assert_eq!(ahead_of_clock(SECOND), None, "clocks are set by less");
        let year = 31_536_000;
        let said = ahead_of_clock(year * SECOND).expect("a year is much");
        assert!(said.contains("31536000 s ahead"), "{said}");
    }
}
