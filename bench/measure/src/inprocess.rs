//! `bench inprocess`: how much one core takes, with the kernel's network left out and the archive left in.
//!
//! One thread runs the real tiles, net to out, over a wire in memory; one archives what they write, with
//! fdatasync; one is the crowd of sessions. Beside it, in the same run, what the disk does alone.

mod crowd;
mod disk;
mod report;
mod turns;
mod wire;

use ::wire::auth::HostSecret;
use anyhow::{Context as _, Result, ensure};
use bench::disk::{FileSystem, check_durable};
use bench::environment;
use bench::instance::genesis_text;
use bench::leftovers::Folder;
use bench::load::host::Disturbance;
use bench::load::inside::{Moment as Inside, Stretch};
use bench::record::Record;
use domain::{Seq, SessionId};
use fastpath::inprocess::Instance;
use journal::ArchiveReader;
use nic::{Peer, RxStats};
use shadow::Shadow;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tile::{Idle, StopFlag};
use topology::Config;
use topology::instruments::{matching, net, tile_kind};

use self::crowd::{Crowd, Told};
use self::disk::{Archived, Floor};
use self::turns::Turns;
use self::wire::{Rx, Tx};

const SESSIONS: u32 = 8;
const RESTING: usize = 10_000;
/// How long the disk is measured, before the run and after it.
const FLOOR_TIME: Duration = Duration::from_secs(3);
const SEGMENT_MIB: u32 = 256;

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bench inprocess --turns --seconds 20 --folder /var/tmp --out inprocess.json

Needs: a folder on a disk that writes some 200 MiB/s (--folder, or TMPDIR; tmpfs is refused);
three CPUs, or --turns; with --keep 250 MB for each second; that no variable SLUICE_* is set.

Takes: the seconds and six more for the disk; with --keep the time of a replay.")]
pub(crate) struct Arguments {
    /// How long.
    #[arg(long, default_value_t = 60)]
    pub(crate) seconds: u64,
    /// Commands on their way at once; the ring from net to match has 1,024 places.
    #[arg(long, default_value_t = 256)]
    pub(crate) window: u64,
    /// Journal memory in MiB, a power of two: what the archiver may be behind.
    #[arg(long, default_value_t = 256)]
    pub(crate) journal_mib: u32,
    /// Where the archive is written (default: the folder for temporary files).
    #[arg(long, value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// Keep the whole archive to the end and replay it with a shadow engine, event by event; else what is
    /// durable is removed, which a minute's 15 GB ask for.
    #[arg(long)]
    pub(crate) keep: bool,
    /// The crowd takes turns with the tiles on their thread, and the rate is that of the tiles' own CPU time: for a
    /// machine with fewer CPUs than crowd, tiles and archiver need together.
    #[arg(long)]
    pub(crate) turns: bool,
    /// CPU of the tiles (default: any).
    #[arg(long, value_name = "CPU")]
    pub(crate) tiles_cpu: Option<usize>,
    /// Write the result for `bench report`.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What was found.
struct Found {
    told: Told,
    archived: Archived,
    floors: [Floor; 2],
    /// Commands of each second, and the stages within it.
    seconds: Vec<(u64, Stretch)>,
    took: Duration,
    commands: u64,
    counters: Counters,
    /// Of all frames, headers of segments included.
    bytes: u64,
    /// On what they were archived.
    disk: FileSystem,
    disturbance: Disturbance,
    replayed: Option<String>,
    turns: Option<Turns>,
}

/// Of the tiles, over the whole run.
#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    busy: u64,
    dropped: u64,
    no_room: u64,
    faults: u64,
}

/// Measures, and records what was found.
///
/// # Errors
/// If the tiles cannot be assembled, or a command stays without an answer.
pub(crate) fn run(arguments: &Arguments) -> Result<Record> {
    ensure!(arguments.seconds > 0, "--seconds must be above 0");
    // Twice a window may stand in the ring from net to match: what net took and what the wire holds.
    ensure!(
        (1..=512).contains(&arguments.window),
        "--window: 1 to 512, or the ring from net to match is full"
    );
    let folder = Folder::make(arguments.folder.as_deref())?;
    check_durable(folder.path()).context("give another --folder")?;
    let found = measure(arguments, folder.path(), FLOOR_TIME)?;
    report::record(arguments, &found)
}

fn configure(arguments: &Arguments, folder: &Path) -> Result<Config> {
    environment::check()?;
    let path = folder.join("sluice.toml");
    std::fs::write(folder.join("genesis.toml"), genesis_text(SESSIONS)?)?;
    let text = format!(
        "genesis = \"genesis.toml\"\n[instance]\nname = \"inprocess\"\nstate_dir = \"state\"\n[memory]\njournal_mib = {}\n\
         journal_frames = {}\n[archive]\nsegment_mib = {SEGMENT_MIB}\n",
        arguments.journal_mib,
        // A frame of the mix has some 25 words.
        (u64::from(arguments.journal_mib) << 17 >> 4)
            .next_power_of_two()
            .max(1 << 14),
    );
    std::fs::write(&path, text)?;
    let config = Config::load(&path)?;
    std::fs::create_dir_all(config.state_dir())?;
    Ok(config)
}

fn measure(arguments: &Arguments, folder: &Path, floor_time: Duration) -> Result<Found> {
    let config = configure(arguments, folder)?;
    let (to_exchange, at_exchange) = wire::direction();
    let (from_exchange, at_crowd) = wire::direction();
    let peer = Peer {
        ip: [127, 0, 0, 1],
        port: 1,
    };
    let rx = Rx {
        from: at_exchange,
        peer,
        stats: RxStats::default(),
    };
    let instance = Instance::fresh(&config, rx, Tx::new(from_exchange))?;
    let host = HostSecret::from_bytes(topology::secret::load_or_create(&config.secret_file())?);
    let mut keys = Vec::new();
    for id in 1..=SESSIONS {
        let session = SessionId(id);
        let secret = host.session_secret(session);
        keys.push(
            secret
                .keys(session, config.instance.shard, instance.epoch)
                .to_exchange,
        );
        instance.bind(session, peer);
    }
    let crowd = Crowd::new(
        keys,
        instance.epoch,
        RESTING,
        arguments.window,
        (to_exchange, at_crowd),
    );
    let archive = config.archive_dir();
    let group = journal::LARGEST_GROUP_BYTES;
    let before = disk::floor(folder, group, floor_time)?;
    let mut found = together(arguments, &config, instance, crowd)?;
    found.floors = [before, disk::floor(folder, group, floor_time)?];
    if arguments.keep {
        found.replayed = Some(replay(&archive)?);
    }
    Ok(found)
}

/// Tiles, crowd and archiver, and this thread that watches.
fn together(
    arguments: &Arguments,
    config: &Config,
    instance: Instance,
    crowd: Crowd,
) -> Result<Found> {
    let (stop, stop_archive) = (AtomicBool::new(false), AtomicBool::new(false));
    let (archive, segment) = (config.archive_dir(), u64::from(SEGMENT_MIB) << 20);
    let (journal, slow) = (instance.journal.clone(), instance.slow.clone());
    let fast = instance.fast.clone();
    if let Some(cpu) = arguments.tiles_cpu {
        tile::check_cpu(cpu)?;
    }
    std::thread::scope(|scope| {
        let archiving =
            scope.spawn(|| disk::archive(&archive, segment, &journal, &slow, &stop_archive));
        let filled = AtomicBool::new(false);
        let (filled, stop) = (&filled, &stop);
        let trading = std::thread::scope(|scope| {
            let trading = scope.spawn(|| trade(arguments, instance, crowd, filled, stop));
            // ORDER: the flags are the whole message.
            while !filled.load(Ordering::Relaxed) && !trading.is_finished() {
                std::thread::sleep(Duration::from_millis(1));
            }
            let watched = watch(arguments, &archive, fast.view(), || {
                archiving.is_finished() || trading.is_finished()
            });
            stop.store(true, Ordering::Relaxed);
            let traded = trading.join();
            let (told, turns) =
                traded.map_err(|_| anyhow::anyhow!("tiles or crowd panicked"))??;
            let mut found = watched?;
            (found.told, found.turns) = (told, turns);
            anyhow::Ok(found)
        });
        stop_archive.store(true, Ordering::Relaxed);
        let archived = archiving.join();
        let archived = archived.map_err(|_| anyhow::anyhow!("the archiver panicked"))??;
        let mut found = trading?;
        found.archived = archived;
        // Nothing more is written.
        found.bytes += disk::left(&archive)?;
        found.counters = Counters::read(fast.view());
        Ok(found)
    })
}

/// The tiles and their crowd, on two threads or in turns on one.
fn trade(
    arguments: &Arguments,
    instance: Instance,
    mut crowd: Crowd,
    filled: &AtomicBool,
    stop: &AtomicBool,
) -> Result<(Told, Option<Turns>)> {
    let Instance {
        mut tiles, blocks, ..
    } = instance;
    let pin = || arguments.tiles_cpu.map_or(Ok(()), tile::pin);
    if arguments.turns {
        pin()?;
        let (told, turns) = turns::run(tiles, crowd, filled, stop)?;
        return Ok((told, Some(turns)));
    }
    let stop_tiles = StopFlag::new();
    std::thread::scope(|scope| {
        let core = scope.spawn(|| {
            pin()?;
            tile::run(&mut tiles, &blocks, Idle::Spin, &stop_tiles);
            anyhow::Ok(())
        });
        let told = crowd.fill(&mut || {}).and_then(|()| {
            // ORDER: the flag is the whole message.
            filled.store(true, Ordering::Relaxed);
            crowd.run(stop)
        });
        stop_tiles.stop();
        let ran = core.join();
        ran.map_err(|_| anyhow::anyhow!("a tile panicked"))??;
        Ok((told?, None))
    })
}

/// Looks once a second what the tiles have done.
fn watch(
    arguments: &Arguments,
    archive: &Path,
    fast: &shm::FastView,
    has_ended: impl Fn() -> bool,
) -> Result<Found> {
    let begin = Instant::now();
    let disturbance = Disturbance::look(None, None);
    let (mut seconds, mut removed) = (Vec::new(), 0);
    let mut before = Inside::read(fast);
    let first = before.accepted();
    for second in 1..=arguments.seconds {
        let due = Duration::from_secs(second);
        std::thread::sleep(due.saturating_sub(begin.elapsed()));
        ensure!(
            !has_ended(),
            "archiver, tiles or crowd have ended by themselves"
        );
        let now = Inside::read(fast);
        let mut stretch = Stretch::new(0)?;
        stretch.add(&before, &now)?;
        seconds.push((now.accepted() - before.accepted(), stretch));
        before = now;
        if !arguments.keep {
            removed += disk::remove_old(archive)?;
        }
    }
    let took = begin.elapsed();
    let none = Floor {
        bytes: 0,
        groups: 0,
    };
    Ok(Found {
        told: Told::default(),
        archived: Archived::default(),
        floors: [none, none],
        commands: before.accepted() - first,
        seconds,
        took,
        counters: Counters::default(),
        bytes: removed,
        disk: FileSystem::of(archive)?,
        disturbance: Disturbance::look(None, None).since(disturbance),
        replayed: None,
        turns: None,
    })
}

impl Counters {
    fn read(fast: &shm::FastView) -> Self {
        let now = Inside::read(fast);
        let of = |kind, counter| now.find(kind, counter).unwrap_or(0);
        let net_of = |counter| of(tile_kind::NET, counter);
        let match_of = |counter| of(tile_kind::MATCH, counter);
        Self {
            busy: net_of(net::busy),
            dropped: net_of(net::wrong_mac)
                + net_of(net::garbage)
                + net_of(net::throttled)
                + net_of(net::duplicates),
            no_room: match_of(matching::no_room),
            faults: match_of(matching::gate_faults) + match_of(matching::stale),
        }
    }
}

/// Replays the archive from its first frame with an engine of its own.
fn replay(archive: &Path) -> Result<String> {
    let mut reader = ArchiveReader::open(archive, 0)?;
    let mut shadow = Shadow::new(0, NonZeroU64::new(1 << 20).context("not zero")?);
    while let Some(frame) = reader.next_frame()? {
        shadow.step(&frame)?;
    }
    ensure!(shadow.checked_seq() > Seq(0), "the archive is empty");
    Ok(format!(
        "replayed {} frames with a second engine, every event the same, state hash {:016x}",
        shadow.checked_seq(),
        shadow.engine().state_hash()
    ))
}

impl Found {
    /// Why the run does not count; nothing if it does.
    fn faults(&self) -> Vec<String> {
        let (told, counters) = (&self.told, &self.counters);
        let mut fail = Vec::new();
        for (what, count) in [
            ("answered Busy", counters.busy),
            (
                "refused, dropped or throttled",
                counters.dropped + told.refused,
            ),
            ("faults of gate or numbers", counters.faults),
            ("not answered", told.sent - told.answered),
        ] {
            if count > 0 {
                fail.push(format!("{count} {what}"));
            }
        }
        fail
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_answered_archived_and_replayed_alone_or_in_turns() {
        for turns in [true, false] {
            let arguments = Arguments {
                seconds: 1,
                window: 64,
                journal_mib: 16,
                folder: None,
                keep: true,
                turns,
                tiles_cpu: None,
                out: None,
                json: false,
            };
            let folder = tempfile::tempdir().expect("a folder");
            let found = measure(&arguments, folder.path(), Duration::from_millis(10));
            let found = found.expect("it runs");
            assert_eq!(found.faults(), Vec::<String>::new());
            let Told {
                sent,
                answered,
                accepted,
                fills,
                drawn,
                ..
            } = found.told;
            assert_eq!(sent, answered);
            assert_eq!(
                sent,
                RESTING as u64 + drawn.passive + drawn.cancels + drawn.amends + drawn.takers
            );
            assert!(accepted > RESTING as u64 && fills % 2 == 0, "{fills}");
            assert!(found.archived.frames > sent, "genesis and commands");
            assert!(found.replayed.is_some());
            // With --keep everything is there to be counted again.
            let kept = disk::left(&folder.path().join("state/archive"));
            assert_eq!(found.bytes, kept.expect("the archive"));
            assert_eq!(found.turns.is_some(), turns);
        }
    }
}
