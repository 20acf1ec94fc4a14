//! Start-up: regions, recovery, genesis, sessions' keys, tiles. Everything is allocated here.

use anyhow::{Context as _, Result, ensure};
use domain::{Nanos, Request, SessionId, SessionView, Source};
use journal::Frame;
use nic::{Receive as _, Transmit, sockets};
use shm::{
    FastWriter, Found, Heap, Identity, LogReader, LogWriter, MAX_FRAME_WORDS, Memory, Places, Read,
    RegionError, RingConsumer, RingProducer, SlowView, TileBlock, TileState, WriterLock,
    command_ring_consumer, fast_spec, journal_spec, slow_spec,
};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tile::{Clock, Tile};
use topology::instruments::{matching, net, out, process, stage, tile_kind};
use topology::{Config, Genesis, TileKind};
use wire::CONTROL_EPOCH;
use wire::auth::{HostSecret, MacKey};

use crate::counters::Counters;
use crate::epochs;
use crate::match_tile::{MatchTile, NET_BURST};
use crate::net::{Entry, NetSession, NetTile};
use crate::out::{Ack, OutTile, note};
use crate::post::{OutKeys, Post};
use crate::recovery::{Replayed, next_reports, replay};
use crate::sequencer::{Resumed, Sequencer};
use crate::window::Windows;

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

struct Regions {
    journal: Memory,
    fast: Memory,
    slow: Memory,
    /// Journal memory of this boot of the machine was found.
    continues: bool,
    identity: Identity,
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
    let replayed = replay(&archive, shard, continues.then_some(&memory))?;
    ensure!(
        first_start || replayed.chain.last_seq().0 > 0,
        "this instance has run before ({} exists), but neither journal memory nor the archive {} \
         holds a frame: restore the archive, or begin anew with another state_dir",
        config.epoch_file().display(),
        archive.display()
    );
    let (sequencer, epoch_reports) = resume(config, &genesis, &regions, log, replayed, continues)?;
    assemble(config, &regions, sequencer, epoch_reports, locks)
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
            Err(RegionError::Locked { .. }) if start.elapsed() < LOCK_PATIENCE => {
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
    Ok(Memory::open_reader(
        &path,
        shm::layout::slow_layout::SLOW_MAGIC,
    )?)
}

pub(crate) fn places(config: &Config) -> Places {
    Places {
        instance: config.instance.name.clone(),
        hugetlbfs: config.memory.hugetlbfs.clone(),
        shm_dir: config.memory.shm_dir.clone(),
        state_dir: config.state_dir(),
    }
}

/// From what was replayed to a sequencer that may take commands: genesis done, epoch settled. Also
/// gives each session's first report number in the epoch.
fn resume(
    config: &Config,
    genesis: &Genesis,
    regions: &Regions,
    mut log: LogWriter,
    replayed: Replayed,
    continues: bool,
) -> Result<(Sequencer, Vec<u64>)> {
    let fast = FastWriter::new(regions.fast.clone())?;
    let (engine, chain) = (replayed.engine, replayed.chain);
    let last_seq = chain.last_seq().0;
    if !continues {
        log.start_at(last_seq + 1)?;
        fast.set_out_seq(last_seq);
    }
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
        fast.set_out_seq(sequencer.log().head());
    }
    let grace = if fresh {
        0
    } else {
        config.engine.recovery_grace_ms * 1_000_000
    };
    wait_for_room(&mut sequencer, &slow);
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
    Ok((sequencer, epoch_reports))
}

/// Journals the genesis file's commands, as far as they are not there yet.
fn run_genesis(sequencer: &mut Sequencer, genesis: &Genesis, slow: &SlowView) {
    let mut numbers: BTreeMap<Source, u64> = BTreeMap::new();
    for (source, command) in genesis.commands() {
        let number = numbers.entry(source).or_default();
        *number += 1;
        if sequencer.engine().admits(source, *number) {
            wait_for_room(sequencer, slow);
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
fn wait_for_room(sequencer: &mut Sequencer, slow: &SlowView) {
    let (mut said, mut gate) = (Instant::now(), 0);
    while !sequencer.has_room() {
        let durable = slow.durable_seq().min(sequencer.log().head());
        if durable > gate.max(sequencer.log().gate_seq()) {
            gate = durable;
            sequencer
                .log_mut()
                .gate(durable)
                .expect("between the gate and the head");
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

fn sockets_config(port: &topology::Port) -> sockets::SocketsConfig {
    match port.backend {
        topology::Backend::Sockets => sockets::SocketsConfig {
            bind: port.bind,
            burst: port.burst,
            recv_buffer: port.recv_buffer_kib * 1024,
            send_buffer: port.send_buffer_kib * 1024,
            busy_poll_us: port.busy_poll_us,
        },
    }
}

fn assemble(
    config: &Config,
    regions: &Regions,
    sequencer: Sequencer,
    epoch_reports: Vec<u64>,
    locks: [WriterLock; 2],
) -> Result<Machine> {
    let parts = Parts::new(config, regions, &sequencer)?;
    let (requests_in, requests_out) = shm::ring::heap(config.limits.net_ring);
    let (replies_in, replies_out) = shm::ring::heap(config.limits.net_ring);
    let (rx, tx) = sockets::open(sockets_config(&config.port))
        .with_context(|| format!("open the order port {}", config.port.bind))?;
    let port = rx.local();
    let net = NetTile {
        burst: config.port.burst,
        entry: parts.entry(config, requests_in, replies_in)?,
        port: rx,
        stopping: false,
    };
    let out = parts.out(config, &sequencer, epoch_reports, tx, replies_out)?;
    let epoch = sequencer.epoch();
    let process = Counters::new(&parts.block(3, tile_kind::PROCESS), process::NAMES);
    process.raise(process::epoch, u64::from(epoch));
    process.raise(process::recovered_seq, sequencer.log().head());
    let matching = parts.matching(config, sequencer, requests_out)?;
    let tiles: BTreeMap<TileKind, Box<dyn Tile>> = BTreeMap::from([
        (TileKind::Net, Box::new(net) as Box<dyn Tile>),
        (TileKind::Match, Box::new(matching)),
        (TileKind::Out, Box::new(out)),
    ]);
    let head = LogReader::new(regions.journal.clone(), 1)?;
    let Parts { fast, slow, .. } = parts;
    Ok(Machine {
        tiles,
        fast,
        slow,
        head,
        process,
        port,
        epoch,
        _locks: locks,
    })
}

/// What the tiles are made from.
struct Parts<'a> {
    regions: &'a Regions,
    fast: FastWriter,
    slow: SlowView,
    host: HostSecret,
    sessions: Vec<Option<SessionView>>,
    shard: u16,
    epoch: u32,
}

impl<'a> Parts<'a> {
    fn new(config: &Config, regions: &'a Regions, sequencer: &Sequencer) -> Result<Self> {
        let engine = sequencer.engine();
        let fast = FastWriter::new(regions.fast.clone())?;
        let capacity = u32::try_from(fast.view().max_sessions()).context("max_sessions")?;
        Ok(Self {
            regions,
            fast,
            slow: SlowView::new(regions.slow.clone())?,
            host: HostSecret::from_bytes(topology::secret::load_or_create(&config.secret_file())?),
            sessions: (0..capacity)
                .map(|id| engine.session(SessionId(id)))
                .collect(),
            shard: config.instance.shard,
            epoch: sequencer.epoch(),
        })
    }

    fn block(&self, slot: usize, kind: u64) -> TileBlock {
        let block = self.fast.tile(slot);
        block.set_kind(kind);
        block.set_state(TileState::Boot);
        block
    }

    /// Each session with its id, or nothing where there is none.
    fn each<T>(&self, make: impl Fn(SessionId, &SessionView) -> T) -> Vec<Option<T>> {
        let with_id = self.sessions.iter().zip(0..);
        with_id
            .map(|(view, id)| view.as_ref().map(|view| make(SessionId(id), view)))
            .collect()
    }

    fn entry(
        &self,
        config: &Config,
        requests: RingProducer<Heap>,
        replies: RingProducer<Heap>,
    ) -> Result<Entry> {
        let mut cookie_key = [0; 16];
        getrandom::fill(&mut cookie_key).context("draw the key of this boot's challenges")?;
        let sessions = self.each(|id, view| {
            let secret = self.host.session_secret(id);
            NetSession {
                control_key: secret.keys(id, self.shard, CONTROL_EPOCH).to_exchange,
                key: secret.keys(id, self.shard, self.epoch).to_exchange,
                last_accepted: view.last_number,
                turn: 0,
                used: 0,
            }
        });
        Ok(Entry {
            sessions,
            epoch: self.epoch,
            session_burst: config.limits.session_burst,
            cookie_key: MacKey::from_bytes(cookie_key),
            requests,
            replies,
            fast: self.fast.clone(),
            counters: Counters::new(&self.block(0, tile_kind::NET), net::NAMES),
            turn: 0,
        })
    }

    fn matching(
        &self,
        config: &Config,
        sequencer: Sequencer,
        from_net: RingConsumer<Heap>,
    ) -> Result<MatchTile> {
        Ok(MatchTile {
            sequencer,
            from_net,
            from_slow: command_ring_consumer(&self.regions.slow, &self.regions.fast)?,
            slow_share: config.limits.command_ring_share,
            fast: self.fast.clone(),
            slow: self.slow.clone(),
            counters: Counters::new(&self.block(1, tile_kind::MATCH), matching::NAMES),
            receive_to_commit: self.fast.histogram(stage::receive_to_commit),
            durable: 0,
            received: [0; NET_BURST],
            slow_ring_refused: false,
        })
    }

    fn out<T: Transmit + Send>(
        &self,
        config: &Config,
        sequencer: &Sequencer,
        epoch_reports: Vec<u64>,
        port: T,
        replies: RingConsumer<Heap>,
    ) -> Result<OutTile<T>> {
        let sent = self.fast.view().out_seq();
        let state = |view: &Option<SessionView>| {
            view.as_ref()
                .map_or((1, 0), |view| (view.next_report_no, view.last_number))
        };
        let mut windows = Windows::new(
            config.limits.duplicate_window,
            self.sessions.iter().map(state),
        );
        self.fill_windows(&mut windows, sent)?;
        let keys = self.each(|id, _| {
            let secret = self.host.session_secret(id);
            OutKeys {
                control: secret.keys(id, self.shard, CONTROL_EPOCH).to_client,
                current: secret.keys(id, self.shard, self.epoch).to_client,
            }
        });
        Ok(OutTile {
            post: Post {
                port,
                keys,
                fast: self.fast.view().clone(),
                shard: self.shard,
                epoch: self.epoch,
                replay: config.slowpath.replay,
            },
            reader: LogReader::new(self.regions.journal.clone(), sent + 1)?,
            windows,
            epoch_reports,
            replies,
            ack: match config.instance.ack {
                topology::Ack::Sequenced => Ack::Sequenced,
                topology::Ack::Durable => Ack::Durable,
            },
            fast: self.fast.clone(),
            slow: self.slow.clone(),
            counters: Counters::new(&self.block(2, tile_kind::OUT), out::NAMES),
            receive_to_send: self.fast.histogram(stage::receive_to_send),
            frame: Box::new([0; MAX_FRAME_WORDS]),
            current: None,
            sent,
            engine_time: sequencer.engine().now().0,
            again: Box::new([0; MAX_FRAME_WORDS]),
        })
    }

    /// Takes note of the frames that were sent before the restart and are still in memory.
    fn fill_windows(&self, windows: &mut Windows, sent: u64) -> Result<()> {
        let mut reader = LogReader::new(self.regions.journal.clone(), 1)?;
        let oldest = reader.oldest();
        if oldest > sent || reader.seek(oldest).is_err() {
            return Ok(());
        }
        let mut buffer = Box::new([0; MAX_FRAME_WORDS]);
        while reader.next_seq() <= sent {
            let Read::Frame(words) = reader.poll(&mut buffer) else {
                break;
            };
            note(windows, &Frame::parse(&buffer[..words])?);
        }
        Ok(())
    }
}
