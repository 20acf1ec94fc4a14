//! What the regions and the disk show at one moment.

use super::catalogue::{Described, catalogue, counter, stage_name};
use super::family::Figures;
use crate::attach::{self, Fate, Region, RegionFile};
use crate::counters;
use crate::life::Life;
use crate::rejects::Rejects;
use domain::Seq;
use gateway::Measures;
use journal::{SnapshotDirectory, SnapshotFiles as _, SnapshotName};
use prometheus::proto::MetricFamily;
use shm::layout::ShadowState;
use shm::layout::fast_layout::TILES;
use shm::{
    FastView, LogReader, Memory, Places, RegionError, SlowView, TileState, heartbeat, since_boot,
};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;
use topology::Config;
use topology::instruments::{matching, net, out, process, stage, tile_kind};

/// Everything that is looked at. It only reads: nobody who writes notices.
pub struct Sources {
    places: Places,
    boot_id: [u64; 2],
    slow: Memory,
    journal: Mapped,
    fast: Mapped,
    snapshots: PathBuf,
    has_store: bool,
    has_gateway: bool,
    has_requests: bool,
    has_replay: bool,
    /// Labels of `sluice_info`.
    info: [(&'static str, String); 4],
    catalogue: BTreeMap<String, Described>,
    measures: Measures,
    rejects: Rejects,
}

/// A region of the fastpath, mapped as long as its file is the same.
struct Mapped {
    region: Region,
    found: Option<(Memory, RegionFile)>,
}

impl Mapped {
    fn new(region: Region) -> Self {
        Self {
            region,
            found: None,
        }
    }

    fn memory(&mut self, places: &Places) -> Option<Memory> {
        let is_same = |(_, file): &(Memory, RegionFile)| file.fate() == Fate::Same;
        if !self.found.as_ref().is_some_and(is_same) {
            // What cannot be read shows as a process that is not up; `sluice status` says why.
            let found: Result<_, RegionError> = attach::open(places, self.region);
            self.found = found.ok().flatten();
        }
        self.found.as_ref().map(|(memory, _)| memory.clone())
    }
}

impl Sources {
    /// Of an instance whose region `slow` is this process's.
    #[must_use]
    pub fn new(
        config: &Config,
        slow: &Memory,
        boot_id: [u64; 2],
        measures: &Measures,
        rejects: &Rejects,
    ) -> Self {
        Self {
            places: attach::places(config),
            boot_id,
            slow: slow.clone(),
            journal: Mapped::new(Region::Journal),
            fast: Mapped::new(Region::Fast),
            snapshots: config.snapshot_dir(),
            has_store: config.store.enabled,
            has_gateway: config.gateway.enabled,
            has_requests: config.feed.requests.is_some(),
            has_replay: config.slowpath.replay.is_some(),
            info: [
                ("instance", config.instance.name.clone()),
                ("shard", config.instance.shard.to_string()),
                ("version", env!("CARGO_PKG_VERSION").to_owned()),
                ("profile", config.profile.name().to_owned()),
            ],
            catalogue: catalogue(measures),
            measures: measures.clone(),
            rejects: rejects.clone(),
        }
    }

    /// All figures that there are now.
    pub fn collect(&mut self) -> Vec<MetricFamily> {
        let journal = self.journal.memory(&self.places);
        // What another boot of the machine left says nothing of this one.
        let fast = self.fast.memory(&self.places);
        let fast = fast.filter(|memory| memory.header().boot_id() == self.boot_id);
        let mut to = Figures::new(&self.catalogue);
        let info: Vec<(&str, &str)> = self.info.iter().map(|(k, v)| (*k, &**v)).collect();
        to.add("sluice_info", &info, 1);
        let head = journal
            .filter(|memory| memory.header().boot_id() == self.boot_id)
            .and_then(|memory| journal_figures(&memory, &mut to));
        let out_seq = fast_figures(fast, &mut to);
        let mut readers = vec![("out", out_seq)];
        if let Ok(slow) = SlowView::new(self.slow.clone()) {
            readers.extend(self.slow_figures(&slow, &mut to));
        }
        for (reason, count) in self.rejects.by_name() {
            to.add("sluice_rejects_total", &[("reason", &reason)], count);
        }
        readers.push(("snapshot", self.snapshot_figures(&mut to)));
        for (reader, seq) in readers {
            let Some(seq) = seq else { continue };
            let labels = [("reader", reader)];
            to.add("sluice_reader_seq", &labels, seq);
            if let Some(head) = head {
                to.add(
                    "sluice_reader_lag_frames",
                    &labels,
                    head.saturating_sub(seq),
                );
            }
        }
        let gateway = self.measures.gather();
        // A family without a figure is nothing to tell.
        let gateway = gateway
            .into_iter()
            .filter(|family| !family.get_metric().is_empty());
        to.finish().chain(gateway).collect()
    }

    /// Gives how far the slowpath's readers are.
    fn slow_figures(
        &self,
        slow: &SlowView,
        to: &mut Figures<'_>,
    ) -> Vec<(&'static str, Option<u64>)> {
        let has_store = self.has_store;
        let tells_again = self.has_requests || self.has_replay;
        let said = slow.process_state();
        life_figures("slowpath", Life::of(&self.slow, said, slow.pid()), to);
        let count = |number| slow.counter(number).unwrap_or(0);
        if slow.heartbeat() != 0 {
            let age = heartbeat::age(slow.heartbeat(), since_boot());
            to.add_nanos("sluice_slowpath_heartbeat_age_seconds", &[], age);
        }
        let agrees = slow.shadow_state() == Some(ShadowState::Ok);
        for (name, value) in [
            ("sluice_shadow_agrees", u64::from(agrees)),
            ("sluice_shadow_lapped_total", count(counters::SHADOW_LAPPED)),
            ("sluice_archive_groups_total", count(counters::GROUPS)),
            (
                "sluice_attestations_right_total",
                count(counters::ATTESTATIONS_RIGHT),
            ),
            (
                "sluice_attestations_wrong_total",
                count(counters::ATTESTATIONS_WRONG),
            ),
            (
                "sluice_attestations_confirmed_total",
                count(counters::ATTESTATIONS_CONFIRMED),
            ),
        ] {
            to.add(name, &[], value);
        }
        if has_store {
            to.add("sluice_store_rows_total", &[], count(counters::STORE_ROWS));
        }
        for (what, troubles, is_there) in [
            ("archive", counters::ARCHIVE_TROUBLES, true),
            ("shadow", counters::SHADOW_TROUBLES, true),
            ("snapshot", counters::SNAPSHOT_TROUBLES, true),
            ("attestation", counters::ATTESTATION_TROUBLES, true),
            ("store", counters::STORE_TROUBLES, has_store),
            ("gateway", counters::GATEWAY_TROUBLES, self.has_gateway),
            ("replay", counters::REPLAY_TROUBLES, tells_again),
        ] {
            if is_there {
                let name = |figure: &str| format!("sluice_{what}_{figure}");
                to.add(&name("troubles_total"), &[], count(troubles.begun));
                to.add(&name("in_trouble"), &[], u64::from(troubles.last(count)));
            }
        }
        self.repeated_figures(count, to);
        vec![
            ("archived", Some(slow.archived_seq())),
            ("durable", Some(slow.durable_seq())),
            ("shadow", Some(slow.shadow_seq())),
            ("store", has_store.then(|| count(counters::STORE_SEQ))),
            ("attestation", Some(count(counters::ATTESTATION_SEQ))),
            ("replay", tells_again.then(|| count(counters::REPLAY_SEQ))),
        ]
    }

    /// What was told again.
    fn repeated_figures(&self, count: impl Fn(usize) -> u64, to: &mut Figures<'_>) {
        let feed = [
            ("feed_requests", counters::FEED_REQUESTS),
            ("feed_requests_malformed", counters::FEED_REQUESTS_MALFORMED),
            ("feed_requests_unknown", counters::FEED_REQUESTS_UNKNOWN),
            ("feed_requests_throttled", counters::FEED_REQUESTS_THROTTLED),
            ("feed_repeated", counters::FEED_REPEATED),
        ];
        let replay = [
            ("replay_requests", counters::REPLAY_REQUESTS),
            ("replay_refused", counters::REPLAY_REFUSED),
            ("replay_unknown", counters::REPLAY_UNKNOWN),
            ("replay_throttled", counters::REPLAY_THROTTLED),
            ("replay_reports", counters::REPLAY_REPORTS),
            ("replay_outcomes", counters::REPLAY_OUTCOMES),
        ];
        let feed = feed.iter().filter(|_| self.has_requests);
        for (name, number) in feed.chain(replay.iter().filter(|_| self.has_replay)) {
            to.add(&format!("sluice_{name}_total"), &[], count(*number));
        }
    }

    fn snapshot_figures(&self, to: &mut Figures<'_>) -> Option<u64> {
        let seqs: Vec<Seq> = SnapshotDirectory::new(&self.snapshots)
            .newest_first()
            .ok()?;
        to.add("sluice_snapshots", &[], seqs.len() as u64);
        let newest = seqs.first().copied()?;
        let file = self.snapshots.join(SnapshotName(newest).to_string());
        let written = file.metadata().and_then(|metadata| metadata.modified());
        let age = written
            .ok()
            .and_then(|time| SystemTime::now().duration_since(time).ok());
        if let Some(age) = age {
            let nanos = u64::try_from(age.as_nanos()).unwrap_or(u64::MAX);
            to.add_nanos("sluice_snapshot_age_seconds", &[], nanos);
        }
        Some(newest.0)
    }
}

/// Gives the journal's head.
fn journal_figures(memory: &Memory, to: &mut Figures<'_>) -> Option<u64> {
    let log = LogReader::new(memory.clone(), 1).ok()?;
    let [frames, ..] = memory.header().parameters();
    let head = log.head();
    for (name, value) in [
        ("sluice_epoch", memory.header().epoch()),
        ("sluice_journal_head_seq", head),
        ("sluice_journal_oldest_seq", log.oldest()),
        ("sluice_journal_capacity_frames", frames),
        ("sluice_journal_size_bytes", memory.bytes() as u64),
    ] {
        to.add(name, &[], value);
    }
    Some(head)
}

fn life_figures(name: &str, life: Life, to: &mut Figures<'_>) {
    let labels = [("process", name)];
    to.add("sluice_up", &labels, u64::from(life == Life::Running));
    for (state, state_name) in Life::NAMED {
        let labels = [("process", name), ("state", state_name)];
        to.add("sluice_process_state", &labels, u64::from(state == life));
    }
}

/// Gives how far the out tile is.
fn fast_figures(memory: Option<Memory>, to: &mut Figures<'_>) -> Option<u64> {
    let fast = memory.clone().and_then(|memory| FastView::new(memory).ok());
    let (Some(memory), Some(fast)) = (memory, fast) else {
        life_figures("fastpath", Life::Absent, to);
        return None;
    };
    // Before the pid: what has ended is said of the pid before.
    let said = fast.process_state();
    let life = Life::of(&memory, said, memory.header().pid());
    life_figures("fastpath", life, to);
    for tile in (0..TILES).filter_map(|slot| fast.tile(slot)) {
        let name = tile_kind::name(tile.kind);
        let (names, counts) = match tile.kind {
            tile_kind::NET => (net::NAMES, &tile.counters),
            tile_kind::MATCH => (matching::NAMES, &tile.counters),
            tile_kind::OUT => (out::NAMES, &tile.counters),
            tile_kind::PROCESS => {
                let count = |number: usize| tile.counters[number];
                let allocations = count(process::allocations);
                to.add("sluice_fastpath_allocations_total", &[], allocations);
                let recovered = count(process::recovered_seq);
                to.add("sluice_fastpath_recovered_seq", &[], recovered);
                to.add("sluice_clock_jumps_total", &[], count(process::clock_jumps));
                let is_off = life == Life::Running && count(process::clock_in_trouble) != 0;
                to.add("sluice_clock_in_trouble", &[], u64::from(is_off));
                continue;
            }
            _ => continue,
        };
        for (number, count) in names.iter().zip(counts) {
            to.add(&counter(name, number), &[], *count);
        }
        let labels = [("tile", name)];
        let runs = life == Life::Running && tile.state == Some(TileState::Run);
        to.add("sluice_tile_up", &labels, u64::from(runs));
        to.add("sluice_tile_polls_total", &labels, tile.polls);
        to.add("sluice_tile_busy_polls_total", &labels, tile.busy_polls);
        if tile.heartbeat != 0 {
            let age = heartbeat::age(tile.heartbeat, since_boot());
            to.add_nanos("sluice_tile_heartbeat_age_seconds", &labels, age);
        }
    }
    for (number, name) in stage::NAMES.iter().enumerate() {
        if let Some(snapshot) = fast.histogram(number) {
            to.add_histogram(&stage_name(name), &snapshot);
        }
    }
    Some(fast.out_seq())
}
