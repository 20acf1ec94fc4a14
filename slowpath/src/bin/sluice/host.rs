//! Whether this machine has what a configuration takes: folders, memory, addresses. It is only looked.

use crate::process::Role;
use rustix::fs::{Access, access, statvfs};
use slowpath::life::Life;
use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use topology::{Config, Genesis};

/// Bytes.
const MIB: u64 = 1 << 20;
/// Bytes that an engine takes for an order: slot, links, iceberg, place of its ids, expiry, stop.
const ORDER: u64 = 208;
/// For a page of 64 price levels of one side.
const PAGE: u64 = 1540;
/// For an account with its limits, without its balances.
const ACCOUNT: u64 = 112;
/// For what an account has of an asset.
const BALANCE: u64 = 16;
/// For a session.
const SESSION: u64 = 128;
/// Of a ring of the tiles.
const SLOT: u64 = 128;

/// What is wrong, and what may be.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) wrong: Vec<String>,
    pub(crate) warnings: Vec<String>,
}

/// Looks at the machine.
pub(crate) fn look(config: &Config, genesis: &Genesis) -> Findings {
    let mut found = Findings::default();
    found.wrong.extend(store_folder(config));
    memory(config, genesis, &mut found);
    addresses(config, &mut found);
    found
}

/// Why the store's file cannot be where it is to be.
fn store_folder(config: &Config) -> Option<String> {
    let file = config.store_file().filter(|_| config.store.enabled)?;
    let folder = file.parent()?;
    let may = |path: &Path, what| access(path, what).map_err(std::io::Error::from);
    if let Ok(kind) = fs::metadata(&file) {
        let refused = may(&file, Access::READ_OK | Access::WRITE_OK).err();
        return match (kind.is_file(), refused) {
            (true, None) => None,
            (true, Some(error)) => Some(format!(
                "store.url: {}: {error}: let this user read and write it, or name another file",
                file.display()
            )),
            (false, _) => Some(format!(
                "store.url: {} is no file: name one",
                file.display()
            )),
        };
    }
    // A start makes the state folder; nobody makes others.
    let made = (config.store.url.is_none() || folder == config.state_dir())
        .then(|| nearest(folder))
        .flatten();
    let place = made.as_deref().unwrap_or(folder);
    let error: std::io::Error = match fs::metadata(place) {
        Ok(kind) if !kind.is_dir() => ErrorKind::NotADirectory.into(),
        Ok(_) => may(place, Access::WRITE_OK | Access::EXEC_OK).err()?,
        Err(error) => error,
    };
    let path = place.display();
    Some(if error.kind() == ErrorKind::NotFound {
        format!(
            "store.url: there is no folder {path}, and a start makes none: make it, or name a file in one that is there"
        )
    } else {
        format!(
            "store.url: the database cannot be made in {path}: {error}: name a folder that this user may write"
        )
    })
}

/// The folder itself, or the first above it that is there.
pub(crate) fn nearest(folder: &Path) -> Option<PathBuf> {
    let is_there = |place: &PathBuf| fs::symlink_metadata(place).is_ok();
    // Above the first folder of a relative path is the one in which this command was given.
    let mut places = folder.ancestors().map(|place| Path::new(".").join(place));
    places.find(is_there)
}

/// Bytes that an engine of these capacities takes, about.
fn engine_bytes(genesis: &Genesis) -> u64 {
    let capacity = &genesis.capacity;
    let [orders, levels, pages, accounts, assets, sessions] = [
        capacity.max_orders,
        capacity.max_levels,
        capacity.pages(),
        capacity.max_accounts,
        capacity.max_assets,
        capacity.max_sessions,
    ]
    .map(u64::from);
    // A price has two bits, and the 64th part of two numbers of pages.
    let prices = levels * 3 / 8;
    let accounts = accounts * (ACCOUNT + assets * BALANCE);
    orders * ORDER + prices + pages * PAGE + accounts + sessions * SESSION
}

/// What both processes take, in bytes, about.
struct Needs {
    journal: u64,
    engine: u64,
    /// The fastpath's, the shadow engine's, its copy for a snapshot, and the store's.
    engines: u64,
    rings: u64,
}

impl Needs {
    fn of(config: &Config, genesis: &Genesis) -> Self {
        let memory = &config.memory;
        let sessions = u64::from(genesis.capacity.max_sessions);
        Self {
            journal: u64::from(memory.journal_mib) * MIB + u64::from(memory.journal_frames) * 8,
            engine: engine_bytes(genesis),
            engines: 2 + u64::from(config.snapshots.enabled) + u64::from(config.store.enabled),
            rings: 2 * config.limits.net_ring as u64 * SLOT
                + sessions * config.limits.duplicate_window as u64 * 8,
        }
    }

    fn all(&self) -> u64 {
        self.journal + self.engines * self.engine + self.rings
    }

    fn against(&self, has: &str) -> String {
        format!(
            "memory: about {} MiB are needed (journal memory {}, {} engines of {} each, rings and windows {}), and {has}: \
             lower memory.journal_mib, the genesis file's capacities or limits.duplicate_window",
            self.all() / MIB,
            self.journal / MIB,
            self.engines,
            self.engine / MIB,
            self.rings / MIB
        )
    }

    /// Compares it with what /proc/meminfo says. What a running fastpath has is not free.
    fn compare(&self, meminfo: &str, runs: bool, found: &mut Findings) {
        let figure = |name| in_meminfo(meminfo, name);
        match (figure("MemTotal"), figure("MemAvailable")) {
            (Some(total), _) if self.all() > total => {
                let has = format!("this machine has {} MiB", total / MIB);
                found.wrong.push(self.against(&has));
            }
            (_, Some(free)) if self.all() > free && !runs => {
                let has = format!("{} MiB of this machine's are free now", free / MIB);
                found.warnings.push(self.against(&has));
            }
            _ => {}
        }
    }
}

fn memory(config: &Config, genesis: &Genesis, found: &mut Findings) {
    let needs = Needs::of(config, genesis);
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    needs.compare(&meminfo, runs(config, Role::Fastpath), found);
    let shm = &config.memory.shm_dir;
    let may_lie_there = config.memory.hugetlbfs.is_none();
    let is_new = !config.region_dir().join("journal").exists();
    let disk = nearest(shm).and_then(|place| statvfs(&place).ok());
    let room = disk.map(|disk| disk.f_bavail * disk.f_frsize);
    if let Some(room) = room.filter(|room| is_new && may_lie_there && *room < needs.journal) {
        found.warnings.push(format!(
            "memory.shm_dir: {} has room for {} MiB, and journal memory takes {}: it would lie in the state folder, on a \
             disk; make room, or name a tmpfs with more",
            shm.display(),
            room / MIB,
            needs.journal / MIB
        ));
    }
}

/// A figure of /proc/meminfo in bytes.
fn in_meminfo(text: &str, name: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

fn runs(config: &Config, role: Role) -> bool {
    role.look(config)
        .is_ok_and(|seen| seen.life == Life::Running)
}

/// How an address is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Datagrams,
    Connections,
}

impl Use {
    fn tables(self) -> [&'static str; 2] {
        match self {
            Self::Datagrams => ["/proc/net/udp", "/proc/net/udp6"],
            Self::Connections => ["/proc/net/tcp", "/proc/net/tcp6"],
        }
    }
}

/// Looks whether each address is one of this machine and free.
fn addresses(config: &Config, found: &mut Findings) {
    let mut all = vec![(
        "port.bind",
        SocketAddr::V4(config.port.bind),
        Use::Datagrams,
        Role::Fastpath,
    )];
    if config.gateway.enabled {
        all.push((
            "gateway.bind",
            config.gateway.bind,
            Use::Connections,
            Role::Slowpath,
        ));
    }
    if config.metrics.enabled {
        all.push((
            "metrics.bind",
            config.metrics.bind,
            Use::Connections,
            Role::Slowpath,
        ));
    }
    if let Some(requests) = config.feed.requests {
        all.push((
            "feed.requests",
            SocketAddr::V4(requests),
            Use::Datagrams,
            Role::Slowpath,
        ));
    }
    if let Some(replay) = config.slowpath.replay {
        all.push((
            "slowpath.replay",
            SocketAddr::V4(replay),
            Use::Datagrams,
            Role::Slowpath,
        ));
    }
    for (key, address, used, role) in all {
        if let Some(problem) = not_ours(key, address.ip()) {
            found.wrong.push(problem);
        } else if is_taken(address, used) {
            let program = role.program();
            if runs(config, role) {
                found.warnings.push(format!(
                    "{key}: {address} is in use, and this instance's {program} runs"
                ));
            } else {
                found.wrong.push(format!(
                    "{key}: {address} is in use by another process: end that one, or name another port"
                ));
            }
        }
    }
    let interface = config.feed.interface.map(IpAddr::V4);
    let problem = interface.and_then(|address| not_ours("feed.interface", address));
    found.wrong.extend(problem);
}

/// What to say of an address that no interface has: a socket cannot have it, at whatever port.
fn not_ours(key: &str, address: IpAddr) -> Option<String> {
    let error = UdpSocket::bind((address, 0)).err()?;
    (error.kind() == ErrorKind::AddrNotAvailable).then(|| {
        format!("{key}: no interface of this machine has the address {address}: name one that `ip address` shows")
    })
}

/// Whether a socket has this port at this address, or at one that includes it.
fn is_taken(address: SocketAddr, used: Use) -> bool {
    address.port() != 0
        && used.tables().iter().any(|table| {
            let text = fs::read_to_string(table).unwrap_or_default();
            text.lines()
                .filter_map(|line| local(line, used))
                .any(|other| collide(address, other))
        })
}

fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let plain = |ip: IpAddr| ip.to_canonical();
    let (a, b) = (plain(one.ip()), plain(other.ip()));
    one.port() == other.port() && (a == b || a.is_unspecified() || b.is_unspecified())
}

/// The local address of a line of the system's table of sockets: of connections, only of who listens.
fn local(line: &str, used: Use) -> Option<SocketAddr> {
    const LISTENS: &str = "0A";
    let mut words = line.split_whitespace().skip(1);
    let (address, port) = words.next()?.split_once(':')?;
    let state = words.nth(1)?;
    if used == Use::Connections && state != LISTENS {
        return None;
    }
    // Each four bytes are a number in the machine's order.
    let word = |at: usize| {
        let digits = address.get(8 * at..8 * at + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let ip = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some((ip, u16::from_str_radix(port, 16).ok()?).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_sockets_are_understood() {
        let udp = "  510: 0100007F:1CE8 00000000:0000 07 00000000:00000000 00:00000000 00000000";
        let address: SocketAddr = "127.0.0.1:7400".parse().unwrap();
        assert_eq!(local(udp, Use::Datagrams), Some(address));
        assert_eq!(local(udp, Use::Connections), None, "nobody listens");
        let six = "0: 00000000000000000000000001000000:1D38 0:0 0A 0 0";
        assert_eq!(local(six, Use::Connections), "[::1]:7480".parse().ok());
        assert_eq!(
            local("  sl  local_address rem_address   st", Use::Datagrams),
            None
        );
    }

    #[test]
    fn what_is_not_there_would_be_in_what_is() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            nearest(&folder.path().join("a/b")),
            Some(folder.path().into())
        );
        assert_eq!(nearest(Path::new("no such folder/a")), Some("./".into()));
    }

    #[test]
    fn every_address_includes_each() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let one = at("127.0.0.1:7400");
        for (other, collides) in [
            ("127.0.0.1:7400", true),
            ("0.0.0.0:7400", true),
            ("[::]:7400", true),
            ("[::ffff:127.0.0.1]:7400", true),
            ("127.0.0.2:7400", false),
            ("127.0.0.1:7401", false),
        ] {
            assert_eq!(collide(one, at(other)), collides, "{other}");
        }
    }

    #[test]
    fn memory_that_the_machine_has_not_is_wrong_and_that_is_not_free_a_warning() {
        let needs = Needs {
            journal: 100 * MIB,
            engine: 200 * MIB,
            engines: 4,
            rings: 50 * MIB,
        };
        let found = |total: u64, free: u64, runs| {
            let meminfo = format!("MemTotal: {total} kB\nMemAvailable: {free} kB\n");
            let mut found = Findings::default();
            needs.compare(&meminfo, runs, &mut found);
            (found.wrong, found.warnings)
        };
        let kib = 950 * 1024;
        assert_eq!(found(kib, kib, false), (vec![], vec![]));
        let (wrong, _) = found(kib - 1, kib - 1, false);
        let says = "memory: about 950 MiB are needed (journal memory 100, 4 engines of 200 each, rings and windows 50), \
                    and this machine has 949 MiB";
        assert!(wrong[0].starts_with(says), "{wrong:?}");
        let (wrong, warnings) = found(kib, kib - 1, false);
        assert!(
            wrong.is_empty() && warnings[0].contains("are free now"),
            "{warnings:?}"
        );
        assert_eq!(found(kib, 7, true), (vec![], vec![]));
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "MemTotal:       24000000 kB\nMemFree:  5 kB\nMemAvailable:   1024 kB\n";
        assert_eq!(in_meminfo(text, "MemAvailable"), Some(MIB));
        assert_eq!(in_meminfo(text, "Mem"), None);
    }
}
