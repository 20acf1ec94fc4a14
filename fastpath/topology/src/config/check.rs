//! What values a configuration may hold. Every refusal names the key and what to do.

use super::{Config, Cpu, Registration, TileKind};
use crate::error::{Findings, Invalid, require};
use crate::genesis::Capacity;
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddrV4;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// Datagrams per call that the kernel allows.
const BURST: RangeInclusive<u64> = 1..=1024;
/// `docs/WIRE.md` promises 4,096 numbers to every client.
const DUPLICATE_WINDOW: RangeInclusive<u64> = 4096..=65_536;

/// What the out tile keeps of a number of a session, and of a report.
const WINDOW_BYTES: u64 = 8;
/// Most memory for that of all sessions.
const WINDOWS_MIB: u64 = 4096;

impl Config {
    pub(super) fn check(&self) -> Findings {
        let mut findings = Findings::default();
        let found = &mut findings;
        self.check_instance(found);
        self.check_memory(found);
        self.check_port(found);
        self.check_feed(found);
        self.check_cores(found);
        self.check_limits(found);
        self.check_slow_side(found);
        self.check_store(found);
        self.check_addresses(found);
        self.gateway.check(found);
        self.log.check(found);
        self.check_profile(found);
        findings
    }

    fn check_instance(&self, found: &mut Findings) {
        let name = &self.instance.name;
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        found.require(
            (1..=32).contains(&name.len()) && name.bytes().all(allowed),
            "instance.name",
            format!("{name:?} is no name: use 1 to 32 of a-z, 0-9 and -"),
        );
        for (key, path) in [
            ("instance.state_dir", &self.instance.state_dir),
            ("genesis", &self.genesis),
        ] {
            found.require(!path.as_os_str().is_empty(), key, "is empty: name a path");
        }
    }

    fn check_memory(&self, found: &mut Findings) {
        let memory = &self.memory;
        power_of_two(
            found,
            "memory.journal_mib",
            memory.journal_mib.into(),
            1..=65_536,
        );
        let frames = u64::from(memory.journal_frames);
        power_of_two(found, "memory.journal_frames", frames, 1024..=1 << 30);
        let mut absolute = |key, path: &Path| {
            found.require(
                path.is_absolute(),
                key,
                format!(
                    "{path:?} is relative: both processes need the same place, so write a path from /"
                ),
            );
        };
        absolute("memory.shm_dir", &memory.shm_dir);
        if let Some(path) = &memory.hugetlbfs {
            absolute("memory.hugetlbfs", path);
        }
    }

    fn check_port(&self, found: &mut Findings) {
        let port = &self.port;
        within(found, "port.burst", port.burst as u64, BURST);
        found.require(
            !port.bind.ip().is_multicast() && !port.bind.ip().is_broadcast(),
            "port.bind",
            format!(
                "{} is no address to receive orders on: use one of this machine",
                port.bind
            ),
        );
        for (key, kib) in [
            ("port.recv_buffer_kib", port.recv_buffer_kib),
            ("port.send_buffer_kib", port.send_buffer_kib),
        ] {
            within(found, key, kib as u64, 16..=1 << 19);
        }
        if let Some(microseconds) = port.busy_poll_us {
            within(
                found,
                "port.busy_poll_us",
                microseconds.into(),
                1..=1_000_000,
            );
        }
    }

    fn check_feed(&self, found: &mut Findings) {
        let (feed, bind) = (&self.feed, self.port.bind);
        if let Some(to) = feed.destination {
            found.require(
                to.port() != 0 && !to.ip().is_unspecified() && !to.ip().is_broadcast(),
                "feed.destination",
                format!("{to} is nowhere: use an address or a multicast group, and a port"),
            );
            // 0.0.0.0 is every address of the machine, so it may be this one.
            let own = to.ip() == bind.ip() || bind.ip().is_unspecified();
            found.require(
                !(own && to.port() == bind.port()),
                "feed.destination",
                format!("{to} is the order port, which would read its own feed: use another port"),
            );
        }
        found.require(
            feed.interface
                .is_none_or(|address| !address.is_multicast() && !address.is_unspecified()),
            "feed.interface",
            "is no address of an interface: use one of this machine, or leave it out",
        );
        self.check_requests(found);
    }

    fn check_requests(&self, found: &mut Findings) {
        let feed = &self.feed;
        let rate = feed.requests_rate.into();
        within(found, "feed.requests_rate", rate, 1..=1_000_000);
        let Some(at) = feed.requests else { return };
        found.require(
            at.port() != 0 && !at.ip().is_multicast() && !at.ip().is_broadcast(),
            "feed.requests",
            format!("{at} is no address to be asked at: use one of this machine, and a port"),
        );
        found.require(
            feed.destination.is_some(),
            "feed.requests",
            "is set, but there is no feed: set feed.destination, or leave this out",
        );
        for (key, other) in [
            ("feed.destination", feed.destination),
            ("port.bind", Some(self.port.bind)),
        ] {
            found.require(
                !other.is_some_and(|other| overlap(at, other)),
                "feed.requests",
                format!("{at} is that of {key}: use another port"),
            );
        }
    }

    /// The order port is UDP and has its numbers for itself; gateway and metrics share those of TCP.
    fn check_addresses(&self, found: &mut Findings) {
        let (gateway, metrics) = (self.gateway.bind, self.metrics.bind);
        let both = self.gateway.enabled && self.metrics.enabled;
        let (one, other) = (gateway.ip().to_canonical(), metrics.ip().to_canonical());
        let overlap = one == other || one.is_unspecified() || other.is_unspecified();
        found.require(
            !(both && overlap && gateway.port() == metrics.port()),
            "metrics.bind",
            format!("{metrics} is the gateway's port: use another"),
        );
    }

    fn check_cores(&self, found: &mut Findings) {
        let mut cpus = BTreeSet::new();
        for core in &self.cores {
            found.require(
                !core.tiles.is_empty(),
                "core.tiles",
                "is empty: give the core a tile, or remove the [[core]]",
            );
            if let Cpu::Number(cpu) = core.cpu {
                found.require(
                    cpus.insert(cpu),
                    "core.cpu",
                    format!("{cpu} stands in two [[core]]s: put all tiles of a CPU into one"),
                );
            }
        }
        for kind in TileKind::ALL {
            let tiles = self.cores.iter().flat_map(|core| &core.tiles);
            let count = tiles.filter(|&&tile| tile == kind).count();
            let name = kind.name();
            found.require(
                count == 1,
                "core.tiles",
                format!(
                    "tile {name:?} stands {count} times in the [[core]]s: put it into exactly one"
                ),
            );
        }
        let shared = self.slowpath.cpus.iter().find(|cpu| cpus.contains(cpu));
        found.require(
            shared.is_none(),
            "slowpath.cpus",
            format!(
                "CPU {} polls tiles already: keep the slowpath off it, or set that core's cpu to \"any\"",
                shared.copied().unwrap_or_default()
            ),
        );
    }

    fn check_limits(&self, found: &mut Findings) {
        let limits = &self.limits;
        within(
            found,
            "limits.session_burst",
            limits.session_burst as u64,
            1..=4096,
        );
        within(
            found,
            "limits.command_ring_share",
            limits.command_ring_share as u64,
            1..=4096,
        );
        power_of_two(
            found,
            "limits.net_ring",
            limits.net_ring as u64,
            64..=65_536,
        );
        power_of_two(
            found,
            "limits.duplicate_window",
            limits.duplicate_window as u64,
            DUPLICATE_WINDOW,
        );
    }

    /// The windows are allocated for every session that there may ever be.
    pub(super) fn check_windows(&self, capacity: &Capacity) -> Result<(), Invalid> {
        let window = self.limits.duplicate_window as u64;
        let sessions = u64::from(capacity.max_sessions);
        let mib = (window * sessions * WINDOW_BYTES).div_ceil(1 << 20);
        require(
            mib <= WINDOWS_MIB,
            "capacity.max_sessions",
            format!(
                "{sessions} sessions with a limits.duplicate_window of {window} take {mib} MiB of \
                 memory, of which at most {WINDOWS_MIB} are allowed: lower one of the two"
            ),
        )
    }

    /// What log-ons leave for operators is less than there is.
    pub(super) fn check_reserve(&self, capacity: &Capacity) -> Result<(), Invalid> {
        let gateway = &self.gateway;
        let opens = gateway.enabled && gateway.registration == Registration::Open;
        let reserve = gateway.reserved_accounts;
        for (key, most) in [
            ("max_accounts", capacity.max_accounts),
            ("max_sessions", capacity.max_sessions),
        ] {
            require(
                !opens || reserve < most,
                format!("capacity.{key}"),
                format!(
                    "of {most}, gateway.reserved_accounts leaves {reserve} for operators, so that nobody could open an \
                     account by logging on: raise {key}, lower gateway.reserved_accounts, or set \
                     gateway.registration = \"closed\""
                ),
            )?;
        }
        Ok(())
    }

    fn check_slow_side(&self, found: &mut Findings) {
        within(
            found,
            "engine.checkpoint_interval",
            self.engine.checkpoint_interval,
            // A checkpoint is a frame itself: one after each frame would come without end.
            2..=1 << 40,
        );
        within(
            found,
            "engine.recovery_grace_ms",
            self.engine.recovery_grace_ms,
            0..=86_400_000,
        );
        within(
            found,
            "engine.clock_jump_ms",
            self.engine.clock_jump_ms,
            0..=86_400_000,
        );
        within(
            found,
            "archive.segment_mib",
            self.archive.segment_mib.into(),
            1..=4096,
        );
        within(
            found,
            "archive.group_max_ms",
            self.archive.group_max_ms,
            0..=1000,
        );
        within(
            found,
            "snapshots.every_frames",
            self.snapshots.every_frames,
            1..=1 << 40,
        );
        within(
            found,
            "snapshots.keep",
            self.snapshots.keep as u64,
            1..=1000,
        );
        found.require(
            self.archive
                .dir
                .as_ref()
                .is_none_or(|dir| !dir.as_os_str().is_empty()),
            "archive.dir",
            "is empty: name a folder, or leave it out for the one in the state folder",
        );
        self.check_replay(found);
    }

    fn check_replay(&self, found: &mut Findings) {
        let rate = self.slowpath.replay_rate.into();
        within(found, "slowpath.replay_rate", rate, 1..=1_000_000);
        let Some(at) = self.slowpath.replay else {
            return;
        };
        let ip = at.ip();
        found.require(
            at.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast(),
            "slowpath.replay",
            format!("{at} is nowhere: clients are told this address, so name one of this machine, and a port"),
        );
        for (key, other) in [
            ("port.bind", Some(self.port.bind)),
            ("feed.destination", self.feed.destination),
            ("feed.requests", self.feed.requests),
        ] {
            found.require(
                !other.is_some_and(|other| overlap(at, other)),
                "slowpath.replay",
                format!("{at} is that of {key}: use another port"),
            );
        }
    }

    fn check_store(&self, found: &mut Findings) {
        found.require(
            self.store.enabled || !self.gateway.enabled,
            "store.enabled",
            "is false, but the gateway keeps its users and their history in the store: leave it out, or set \
             gateway.enabled = false",
        );
        let Some(url) = &self.store.url else {
            return;
        };
        let sqlite = url.strip_prefix("sqlite:");
        let is_path = sqlite.is_some_and(|path| {
            let is_file = !path.is_empty() && !path.ends_with('/');
            is_file
                && !path.starts_with(":memory:")
                && !path.starts_with("//")
                && !path.contains('?')
        });
        let is_server = ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| url.len() > scheme.len() && url.starts_with(scheme));
        found.require(
            is_path || is_server,
            "store.url",
            // Not the address itself: it may hold a password.
            "is no database: write sqlite:PATH, without options, or postgres://USER@HOST/DATABASE, or leave it out for a file in the state folder",
        );
    }

    /// What has the name of the state folder or of the archive's, if anything has, is a folder.
    pub(super) fn check_folders(&self, found: &mut Findings) {
        let archive = self.archive.dir.is_some();
        let named = [
            ("instance.state_dir", Some(self.state_dir())),
            ("archive.dir", archive.then(|| self.archive_dir())),
        ];
        for (key, folder) in named {
            let Some(folder) = folder else { continue };
            let is_other = match folder.metadata() {
                Ok(metadata) => !metadata.is_dir(),
                Err(error) => error.kind() == io::ErrorKind::NotADirectory,
            };
            found.require(
                !is_other,
                key,
                format!(
                    "{} is, or lies in, a file: name a folder, or one that can be made",
                    folder.display()
                ),
            );
        }
    }

    /// The store's file is none of those that the instance keeps already. `own` is the configuration's.
    pub(super) fn check_store_file(&self, own: &Path, found: &mut Findings) {
        let (true, Some(file)) = (self.store.enabled, self.store_file()) else {
            return;
        };
        let file = place(&file);
        let own = own.to_owned();
        let files = [
            own,
            self.genesis_file(),
            self.secret_file(),
            self.epoch_file(),
            self.lock_file(),
            self.log_level_file(),
        ];
        let folders = [self.archive_dir(), self.snapshot_dir(), self.region_dir()];
        let is_taken = files.iter().any(|taken| place(taken) == file)
            || folders.iter().any(|folder| file.starts_with(place(folder)));
        found.require(
            !is_taken,
            "store.url",
            format!(
                "{} is, or lies in, what the instance keeps already: name a file of its own",
                file.display()
            ),
        );
    }
}

/// Whether two sockets of the machine would be one: 0.0.0.0 is every address.
fn overlap(one: SocketAddrV4, other: SocketAddrV4) -> bool {
    let same = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    same && one.port() == other.port()
}

/// Where a path leads, as far as that exists.
fn place(path: &Path) -> PathBuf {
    let known = path.canonicalize();
    known.unwrap_or_else(|_| match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if !parent.as_os_str().is_empty() => place(parent).join(name),
        _ => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
    })
}

pub(super) fn within(found: &mut Findings, key: &str, value: u64, range: RangeInclusive<u64>) {
    let problem = format!(
        "{value} is out of range: use {} to {}",
        range.start(),
        range.end()
    );
    found.require(range.contains(&value), key, problem);
}

fn power_of_two(found: &mut Findings, key: &str, value: u64, range: RangeInclusive<u64>) {
    let (start, end) = (range.start(), range.end());
    let problem = format!("{value} is no power of two from {start} to {end}: use one");
    found.require(
        value.is_power_of_two() && range.contains(&value),
        key,
        problem,
    );
}
