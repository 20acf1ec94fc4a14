//! What can be seen of an instance at one moment.

use super::judge;
use crate::decimal::Decimal;
use crate::process::Role;
use anyhow::{Context as _, Result};
use serde::Serialize;
use shm::layout::fast_layout::TILES;
use shm::layout::{ShadowState, TileView};
use shm::{
    FastView, LogReader, MAX_FRAME_WORDS, Memory, Places, Read, SlowView, TileState, heartbeat,
    since_boot,
};
use slowpath::attach::{self, Region};
pub(crate) use slowpath::life::Life;
use slowpath::{counters, metrics, serving};
use std::net::SocketAddrV4;
use topology::instruments::{matching, net, numbered_address, out, process, stage, tile_kind};
use topology::{Ack, Config};

/// Most frames that are read to estimate how full the journal memory is.
const SAMPLE: u64 = 512;

/// An instance at one moment. This is the object of `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    pub(crate) instance: String,
    pub(crate) shard: u16,
    /// None if there is no journal.
    pub(crate) epoch: Option<Decimal>,
    /// `sequenced` or `durable`, as the running fastpath began; as configured if none runs.
    pub(crate) ack: &'static str,
    /// Where orders come in, as the fastpath has it; as configured before it has run.
    pub(crate) port: String,
    /// Where the slowpath's gateway listens; none: it does not.
    pub(crate) gateway: Option<String>,
    /// Where the slowpath serves figures; none: it does not.
    pub(crate) metrics: Option<String>,
    /// Where the public feed goes; none: nowhere. From where `ack` is.
    pub(crate) feed: Option<String>,
    /// `healthy`, `wrong` or `unknown`.
    pub(crate) health: &'static str,
    /// What is wrong.
    pub(crate) problems: Vec<String>,
    /// What could not be looked at, and why.
    pub(crate) unknown: Vec<String>,
    pub(crate) journal: Option<Journal>,
    pub(crate) fastpath: Option<Fastpath>,
    pub(crate) slowpath: Option<Slowpath>,
    /// The newest snapshot on the disk, if there is one; that it holds is for `sluice snapshot verify`
    /// to say.
    pub(crate) snapshot: Option<Progress>,
}

/// Journal memory.
#[derive(Debug, Serialize)]
pub(crate) struct Journal {
    pub(crate) path: String,
    pub(crate) memory: String,
    /// Whether it was written since the machine was started; if not, it does not count.
    pub(crate) this_boot: bool,
    pub(crate) head: Decimal,
    pub(crate) oldest: Decimal,
    /// For frames, as `memory.journal_mib` has it; their index is beside it.
    pub(crate) bytes: Decimal,
    pub(crate) frame_capacity: Decimal,
    /// How much of the memory is waiting for the archive, estimated from some of its frames.
    pub(crate) fill_per_mille: u32,
}

/// What the fastpath shows.
#[derive(Debug, Serialize)]
pub(crate) struct Fastpath {
    pub(crate) pid: Decimal,
    pub(crate) state: Life,
    pub(crate) out: Progress,
    /// Since the process was started, as are ring faults.
    pub(crate) gate_faults: Decimal,
    pub(crate) ring_faults: Decimal,
    /// Heap allocations after start-up.
    pub(crate) allocations: Decimal,
    /// Last seq of the journal as the process found it.
    pub(crate) recovered_seq: Decimal,
    /// Times that the system's time was found to have stepped.
    pub(crate) clock_jumps: Decimal,
    /// Whether it differs from the exchange's clock now.
    pub(crate) clock_is_off: bool,
    pub(crate) tiles: Vec<Tile>,
    pub(crate) stages: Vec<Stage>,
}

/// What the slowpath shows.
#[derive(Debug, Serialize)]
pub(crate) struct Slowpath {
    pub(crate) pid: Decimal,
    pub(crate) state: Life,
    /// None if it has never been alive.
    pub(crate) heartbeat_age_ns: Option<Decimal>,
    pub(crate) archived: Progress,
    pub(crate) durable: Progress,
    pub(crate) shadow: ShadowProgress,
    /// None if it is not enabled.
    pub(crate) store: Option<Progress>,
    pub(crate) counters: Vec<Count>,
}

/// How far something has come.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Progress {
    pub(crate) seq: Decimal,
    /// Frames behind the journal's head; none if there is no journal.
    pub(crate) lag: Option<Decimal>,
}

/// How far the shadow engine has come.
#[derive(Debug, Serialize)]
pub(crate) struct ShadowProgress {
    #[serde(flatten)]
    pub(crate) progress: Progress,
    /// `ok`, `diverged`, `unreadable`, or `silent` if it has not said yet.
    pub(crate) state: &'static str,
    /// The frame with which it does not agree.
    pub(crate) diverged_seq: Option<Decimal>,
    /// The frame that it cannot read.
    pub(crate) unreadable_seq: Option<Decimal>,
    /// Of the engine's state at about `seq`, 16 hexadecimal digits.
    pub(crate) state_hash: String,
}

/// A tile of the fastpath.
#[derive(Debug, Serialize)]
pub(crate) struct Tile {
    pub(crate) kind: &'static str,
    /// `boot`, `run`, `halt`, `fail` or `unknown`.
    pub(crate) state: &'static str,
    /// None if it has never been alive.
    pub(crate) heartbeat_age_ns: Option<Decimal>,
    pub(crate) polls: Decimal,
    pub(crate) busy_polls: Decimal,
    /// Share of polls that found work.
    pub(crate) busy_per_mille: u32,
    pub(crate) counters: Vec<Count>,
}

/// A counter.
#[derive(Debug, Serialize)]
pub(crate) struct Count {
    pub(crate) name: &'static str,
    pub(crate) count: Decimal,
}

/// A stage that is timed, ns.
#[derive(Debug, Serialize)]
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) count: Decimal,
    pub(crate) p50: Decimal,
    pub(crate) p99: Decimal,
    pub(crate) p99_9: Decimal,
    pub(crate) max: Decimal,
}

/// Looks at everything, and judges it.
pub(crate) fn collect(config: &Config) -> Result<Status> {
    let places = attach::places(config);
    let boot_id = shm::boot_id().context("read the boot id")?;
    let (mut problems, mut unknown) = (Vec::new(), Vec::new());
    let [journal, fast, slow] = Region::ALL.map(|region| match attach::open(&places, region) {
        Ok(Some((memory, _))) => Some(memory),
        Ok(None) => {
            match lost(config, region) {
                Some(lost) => problems.push(lost),
                None => unknown.push(missing(&places, region)),
            }
            None
        }
        Err(error) => {
            unknown.push(error.to_string());
            None
        }
    });
    let slow = slow.and_then(|memory| {
        let slow = view(SlowView::new(memory.clone()), &mut unknown)?;
        // Before the pid: what has ended is said of the pid before.
        let said = slow.process_state();
        let life = Life::of(&memory, said, slow.pid());
        Some((slow, life, memory.header().boot_id() == boot_id))
    });
    let fast = fast.and_then(|memory| {
        let fast = view(FastView::new(memory.clone()), &mut unknown)?;
        let said = fast.process_state();
        let pid = memory.header().pid();
        let this_boot = memory.header().boot_id() == boot_id;
        Some((fast, Life::of(&memory, said, pid), pid, this_boot))
    });
    let epoch = journal
        .as_ref()
        .map(|memory| Decimal(memory.header().epoch()));
    let durable = slow.as_ref().map_or(0, |(slow, ..)| slow.durable_seq());
    let journal = journal.and_then(|memory| {
        let this_boot = memory.header().boot_id() == boot_id;
        view(Journal::of(&memory, this_boot, durable), &mut unknown)
    });
    let head = journal.as_ref().filter(|journal| journal.this_boot);
    let head = head.map(|journal| journal.head.0);
    let newest = view(crate::snapshot::newest_seq(config), &mut unknown).flatten();
    let (ack, feed) = promises(config, fast.as_ref());
    let mut status = Status {
        instance: config.instance.name.clone(),
        shard: config.instance.shard,
        epoch,
        ack,
        port: port(config, fast.as_ref().map(|(fast, ..)| fast)),
        gateway: gateway_of(config, slow.as_ref()),
        metrics: metrics_of(config, slow.as_ref()),
        feed: feed.map(|to| to.to_string()),
        health: "",
        problems,
        unknown,
        journal,
        fastpath: fast.map(|(fast, life, pid, this_boot)| {
            let mut fastpath = Fastpath::of(&fast, life, pid, head);
            fastpath.forget_ages_unless(this_boot);
            fastpath
        }),
        slowpath: slow.map(|(slow, life, this_boot)| {
            let mut slowpath = Slowpath::of(&slow, life, head, config.store.enabled);
            slowpath.heartbeat_age_ns = slowpath.heartbeat_age_ns.filter(|_| this_boot);
            slowpath
        }),
        snapshot: newest.map(|seq| Progress::of(seq.0, head)),
    };
    judge::judge(&mut status);
    Ok(status)
}

/// The address that orders come in by: of a port that the system chose, if the fastpath has said which.
fn port(config: &Config, fast: Option<&FastView>) -> String {
    let mut address = config.port.bind;
    let number = fast.map_or(0, |fast| own_count(fast, process::order_port));
    if let Some(number) = u16::try_from(number).ok().filter(|number| *number != 0) {
        address.set_port(number);
    }
    address.to_string()
}

/// What reports promise and where the feed goes: as the running fastpath began, for the file may say something else
/// by now; as configured if none runs.
fn promises(
    config: &Config,
    fast: Option<&(FastView, Life, u64, bool)>,
) -> (&'static str, Option<SocketAddrV4>) {
    let running = fast.filter(|(_, life, ..)| *life == Life::Running);
    let running = running.map(|(fast, ..)| fast);
    let feed = || running.and_then(|fast| numbered_address(own_count(fast, process::feed)));
    match (
        running.map_or(0, |fast| own_count(fast, process::ack)),
        config.instance.ack,
    ) {
        (1, _) => ("sequenced", feed()),
        (2, _) => ("durable", feed()),
        (_, Ack::Sequenced) => ("sequenced", config.feed.destination),
        (_, Ack::Durable) => ("durable", config.feed.destination),
    }
}

/// A counter of the fastpath's own block; 0 if there is none yet.
fn own_count(fast: &FastView, number: usize) -> u64 {
    let mut tiles = (0..TILES).filter_map(|slot| fast.tile(slot));
    let process = tiles.find(|tile| tile.kind == tile_kind::PROCESS);
    process.map_or(0, |tile| tile.counters[number])
}

/// Where the gateway of a slowpath that runs listens.
fn gateway_of(config: &Config, slow: Option<&(SlowView, Life, bool)>) -> Option<String> {
    let (slow, life, _) = slow?;
    let address = serving::address(config, slow).filter(|_| *life == Life::Running)?;
    Some(format!("{}://{address}", config.gateway.scheme()))
}

/// Where a slowpath that runs serves figures.
fn metrics_of(config: &Config, slow: Option<&(SlowView, Life, bool)>) -> Option<String> {
    let (slow, life, _) = slow?;
    let address = metrics::address(config, slow).filter(|_| *life == Life::Running)?;
    Some(format!("http://{address}/metrics"))
}

fn missing(places: &Places, region: Region) -> String {
    format!(
        "there is no region {} of instance {}: `sluice start` makes it",
        region.name(),
        places.instance
    )
}

/// What to say of a region that is not there although the process that writes it runs: nobody finds the process by it.
fn lost(config: &Config, region: Region) -> Option<String> {
    let role = match region {
        Region::Journal | Region::Fast => Role::Fastpath,
        Region::Slow => Role::Slowpath,
    };
    let pid = slowpath::life::lock_holder(&role.lock_file(config))?;
    let remedy = match region {
        Region::Journal => {
            "`sluice stop`, then `sluice start` makes it anew from the archive".to_owned()
        }
        Region::Fast => {
            format!("only `kill {pid}` stops it, then `sluice stop` and `sluice start`")
        }
        Region::Slow => {
            format!(
                "`sluice stop` stops the fastpath, then only `kill {pid}` stops it, then `sluice start`"
            )
        }
    };
    Some(format!(
        "the {} (pid {pid}) runs, and its region {} is gone or has another name, unless it has just begun: {remedy}",
        role.program(),
        region.name()
    ))
}

fn view<T, E: std::fmt::Display>(view: Result<T, E>, unknown: &mut Vec<String>) -> Option<T> {
    view.map_err(|error| unknown.push(error.to_string())).ok()
}

impl Status {
    /// Makes the shares of busy polls those since an earlier moment.
    pub(crate) fn since(&mut self, before: &Self) {
        let (Some(now), Some(before)) = (&mut self.fastpath, &before.fastpath) else {
            return;
        };
        for (now, before) in now.tiles.iter_mut().zip(&before.tiles) {
            let since = |now: Decimal, before: Decimal| now.0.checked_sub(before.0);
            // Fewer than before: the process was started again.
            if let (Some(polls), Some(busy)) = (
                since(now.polls, before.polls),
                since(now.busy_polls, before.busy_polls),
            ) {
                now.busy_per_mille = per_mille(busy, polls);
            }
        }
    }
}

impl Journal {
    fn of(memory: &Memory, this_boot: bool, durable: u64) -> Result<Self, shm::LogError> {
        let log = LogReader::new(memory.clone(), 1)?;
        let [frame_capacity, words, ..] = memory.header().parameters();
        let (head, oldest) = (log.head(), log.oldest());
        // Below the oldest everything is archived, whatever the slowpath says.
        let from = durable.saturating_add(1).max(oldest);
        let waiting = head.saturating_add(1).saturating_sub(from);
        let fill =
            per_mille(waiting, frame_capacity).max(per_mille(words_of(&log, from, waiting), words));
        Ok(Self {
            path: memory.path().display().to_string(),
            memory: memory.kind().to_string(),
            this_boot,
            head: Decimal(head),
            oldest: Decimal(oldest),
            bytes: Decimal(words * 8),
            frame_capacity: Decimal(frame_capacity),
            fill_per_mille: fill,
        })
    }
}

/// About how many words `count` frames from `first` on take, commit words included.
fn words_of(log: &LogReader, first: u64, count: u64) -> u64 {
    let mut buffer = Box::new([0; MAX_FRAME_WORDS]);
    let (mut sampled, mut words) = (0, 0);
    for index in 0..count.min(SAMPLE) {
        let seq = first + index * count / count.min(SAMPLE);
        if let Read::Frame(len) = log.read_at(seq, &mut buffer) {
            sampled += 1;
            words += 1 + len as u64;
        }
    }
    // Frames that were lapped meanwhile are archived.
    (words * count).checked_div(sampled).unwrap_or(0)
}

impl Fastpath {
    fn of(fast: &FastView, life: Life, pid: u64, head: Option<u64>) -> Self {
        let tiles: Vec<TileView> = (0..TILES).filter_map(|slot| fast.tile(slot)).collect();
        let process = tiles.iter().find(|tile| tile.kind == tile_kind::PROCESS);
        let sequencing = tiles.iter().find(|tile| tile.kind == tile_kind::MATCH);
        let own = |number: usize| process.map_or(0, |tile| tile.counters[number]);
        let faults = |number: usize| Decimal(sequencing.map_or(0, |tile| tile.counters[number]));
        Self {
            pid: Decimal(pid),
            state: life,
            out: Progress::of(fast.out_seq(), head),
            gate_faults: faults(matching::gate_faults),
            ring_faults: faults(matching::ring_faults),
            allocations: Decimal(own(process::allocations)),
            recovered_seq: Decimal(own(process::recovered_seq)),
            clock_jumps: Decimal(own(process::clock_jumps)),
            clock_is_off: own(process::clock_in_trouble) != 0,
            tiles: tiles.iter().map(Tile::of).collect(),
            stages: stage::NAMES
                .iter()
                .enumerate()
                .filter_map(|(number, name)| Stage::of(fast, number, name))
                .collect(),
        }
    }

    /// Heartbeats are times since the boot of the machine in which they were written.
    fn forget_ages_unless(&mut self, this_boot: bool) {
        if !this_boot {
            let tiles = self.tiles.iter_mut();
            tiles.for_each(|tile| tile.heartbeat_age_ns = None);
        }
    }
}

impl Slowpath {
    fn of(slow: &SlowView, life: Life, head: Option<u64>, has_store: bool) -> Self {
        let state = slow.shadow_state();
        let stopped_at = |of| (state == Some(of)).then(|| Decimal(slow.diverged_seq()));
        let names = counters::NAMES.iter().enumerate();
        Self {
            pid: Decimal(slow.pid()),
            state: life,
            heartbeat_age_ns: age(slow.heartbeat()),
            archived: Progress::of(slow.archived_seq(), head),
            durable: Progress::of(slow.durable_seq(), head),
            shadow: ShadowProgress {
                progress: Progress::of(slow.shadow_seq(), head),
                state: match state {
                    Some(ShadowState::Ok) => "ok",
                    Some(ShadowState::Diverged) => "diverged",
                    Some(ShadowState::Unreadable) => "unreadable",
                    None => "silent",
                },
                diverged_seq: stopped_at(ShadowState::Diverged),
                unreadable_seq: stopped_at(ShadowState::Unreadable),
                state_hash: format!("{:016x}", slow.shadow_hash()),
            },
            store: has_store.then(|| {
                let seq = slow.counter(counters::STORE_SEQ).unwrap_or(0);
                Progress::of(seq, head)
            }),
            counters: names
                .filter_map(|(number, name)| Some((name, slow.counter(number)?)))
                .map(|(name, count)| Count {
                    name,
                    count: Decimal(count),
                })
                .collect(),
        }
    }

    /// The count with this number in [`counters`].
    pub(crate) fn count(&self, number: usize) -> u64 {
        self.counters.get(number).map_or(0, |count| count.count.0)
    }
}

impl Progress {
    fn of(seq: u64, head: Option<u64>) -> Self {
        Self {
            seq: Decimal(seq),
            lag: head.map(|head| Decimal(head.saturating_sub(seq))),
        }
    }
}

impl Tile {
    fn of(tile: &TileView) -> Self {
        let names = match tile.kind {
            tile_kind::NET => net::NAMES,
            tile_kind::MATCH => matching::NAMES,
            tile_kind::OUT => out::NAMES,
            tile_kind::PROCESS => process::NAMES,
            _ => &[],
        };
        let counts = names.iter().zip(tile.counters);
        Self {
            kind: tile_kind::name(tile.kind),
            state: match tile.state {
                Some(TileState::Boot) => "boot",
                Some(TileState::Run) => "run",
                Some(TileState::Halt) => "halt",
                Some(TileState::Fail) => "fail",
                None => "unknown",
            },
            heartbeat_age_ns: age(tile.heartbeat),
            polls: Decimal(tile.polls),
            busy_polls: Decimal(tile.busy_polls),
            busy_per_mille: per_mille(tile.busy_polls, tile.polls),
            counters: counts
                .map(|(name, count)| Count {
                    name,
                    count: Decimal(count),
                })
                .collect(),
        }
    }

    /// Whether it polls: the process's own block only counts.
    pub(crate) fn is_polling(&self) -> bool {
        self.kind != tile_kind::name(tile_kind::PROCESS)
    }
}

impl Stage {
    fn of(fast: &FastView, number: usize, name: &'static str) -> Option<Self> {
        let snapshot = fast.histogram(number)?;
        let percentile = |p| Decimal(snapshot.percentile(p));
        Some(Self {
            name,
            count: Decimal(snapshot.count),
            p50: percentile(50.0),
            p99: percentile(99.0),
            p99_9: percentile(99.9),
            max: Decimal(snapshot.max),
        })
    }
}

/// Nanoseconds since a heartbeat; none if there never was one.
fn age(last: u64) -> Option<Decimal> {
    (last != 0).then(|| Decimal(heartbeat::age(last, since_boot())))
}

/// `part` in thousandths of `whole`; 0 of nothing.
fn per_mille(part: u64, whole: u64) -> u32 {
    let share = u128::from(part) * 1000;
    let share = share.checked_div(u128::from(whole)).unwrap_or(0);
    u32::try_from(share).unwrap_or(u32::MAX)
}
