//! The configuration file. What each key means is said once, in `defaults/sluice.toml`.

mod check;
mod cpu;
mod doubts;
mod gateway;
mod layers;
mod log;
mod profile;

use crate::error::ConfigError;
use crate::genesis::Genesis;
pub use cpu::Cpu;
pub use gateway::{Gateway, Registration};
pub use layers::{Key, Loaded, Origin, every_key};
pub use log::{Log, LogFormat, check_level};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
pub use profile::Profile;
use serde::Deserialize;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// The shipped configuration: every key with its default and what it means.
pub const DEFAULT_CONFIG: &str = include_str!("../defaults/sluice.toml");

/// Bytes of a path that are written otherwise in an address.
const IN_ADDRESS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A checked configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What the instance is for.
    pub profile: Profile,
    /// Genesis file as written; resolved: [`Config::genesis_file`].
    pub genesis: PathBuf,
    /// Which instance this is.
    pub instance: Instance,
    /// Shared memory.
    pub memory: Memory,
    /// The port for binary order entry.
    pub port: Port,
    /// The public feed.
    pub feed: Feed,
    /// Threads of the fastpath, each with the tiles that it polls in turn.
    #[serde(rename = "core")]
    pub cores: Vec<Core>,
    /// Shares and sizes of the input rings.
    pub limits: Limits,
    /// Checkpoints and recovery.
    pub engine: Engine,
    /// Where frames become durable.
    pub archive: Archive,
    /// States from which a recovery begins.
    pub snapshots: Snapshots,
    /// The slowpath process.
    pub slowpath: Slowpath,
    /// The SQL store, which the slowpath keeps.
    pub store: Store,
    /// HTTP and WebSocket.
    pub gateway: Gateway,
    /// What the processes tell their operator.
    pub log: Log,
    /// Figures for Prometheus.
    pub metrics: Metrics,
    /// What relative paths are relative to: the folder of the file.
    #[serde(skip)]
    folder: PathBuf,
}

/// Section `[instance]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Instance {
    /// 1 to 32 of `a-z`, `0-9` and `-`; unique on the machine.
    pub name: String,
    /// The shard's number, in every frame.
    pub shard: u16,
    /// State folder as written; resolved: [`Config::state_dir`].
    pub state_dir: PathBuf,
    /// What an acknowledgement promises.
    pub ack: Ack,
}

/// What must have happened to a frame before anybody is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ack {
    /// It is in journal memory: survives the death of either process.
    Sequenced,
    /// It is archived with fdatasync: survives power loss.
    Durable,
}

/// Section `[memory]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Memory {
    /// Data ring of the journal in MiB, a power of two.
    pub journal_mib: u32,
    /// Index ring of the journal in frames, a power of two.
    pub journal_frames: u32,
    /// A mounted hugetlbfs to try first.
    pub hugetlbfs: Option<PathBuf>,
    /// A tmpfs to try next; the state folder is last.
    pub shm_dir: PathBuf,
}

/// Section `[port]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Port {
    /// What carries the datagrams.
    pub backend: Backend,
    /// Address to receive on.
    pub bind: SocketAddrV4,
    /// Most datagrams per call into the backend.
    pub burst: usize,
    /// Receive buffer to ask the kernel for, in KiB.
    pub recv_buffer_kib: usize,
    /// Send buffer to ask the kernel for, in KiB.
    pub send_buffer_kib: usize,
    /// Microseconds that the kernel polls the card on an empty receive.
    pub busy_poll_us: Option<u32>,
}

/// A way to carry datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// The kernel's UDP.
    Sockets,
}

/// Section `[feed]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Feed {
    /// Where packets go: an address or a multicast group; none: there is no feed.
    pub destination: Option<SocketAddrV4>,
    /// Networks that multicast may cross.
    pub ttl: u8,
    /// The address of the interface that multicast leaves by.
    pub interface: Option<Ipv4Addr>,
    /// Whether listeners on this machine get multicast too.
    pub loopback: bool,
    /// Where the slowpath answers requests for what was lost; none: nowhere.
    pub requests: Option<SocketAddrV4>,
    /// Most packets that one asker is sent in a second.
    pub requests_rate: u32,
}

/// One `[[core]]`: a thread and its tiles.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Core {
    /// Where it runs.
    pub cpu: Cpu,
    /// What it does when no tile has work.
    pub idle: Idle,
    /// Its tiles, in the order in which they are polled and stopped.
    pub tiles: Vec<TileKind>,
}

/// What a core does when none of its tiles has work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Idle {
    /// Polls on without any system call: for a core that has nothing else to do.
    Spin,
    /// Polls on for a while, then lets others run, then sleeps 50 µs at a time.
    SpinThenYield,
}

/// A tile of the fastpath.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TileKind {
    /// Datagrams in.
    Net,
    /// Sequences and matches.
    Match,
    /// Reports out.
    Out,
}

impl TileKind {
    /// Every kind, in the order of an order's way.
    pub const ALL: [Self; 3] = [Self::Net, Self::Match, Self::Out];

    /// As in the file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Net => "net",
            Self::Match => "match",
            Self::Out => "out",
        }
    }
}

/// Section `[limits]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Most messages of one session per turn.
    pub session_burst: usize,
    /// Most commands of the slowpath's ring per turn.
    pub command_ring_share: usize,
    /// Slots of the rings from net to match and from net to out, a power of two.
    pub net_ring: usize,
    /// Numbers of a session for which duplicates are answered, a power of two.
    pub duplicate_window: usize,
}

/// Section `[engine]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Engine {
    /// Frames between journalled state hashes.
    pub checkpoint_interval: u64,
    /// Milliseconds of cancel-only after a recovery.
    pub recovery_grace_ms: u64,
    /// Milliseconds by which the system's time may step until that is an alarm, and one forward is not followed; 0: any.
    pub clock_jump_ms: u64,
}

/// Section `[archive]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Archive {
    /// Archive folder as written; resolved: [`Config::archive_dir`].
    pub dir: Option<PathBuf>,
    /// Size at which a segment is closed, in MiB.
    pub segment_mib: u32,
    /// Longest that a frame waits for others before it is synced, in milliseconds.
    pub group_max_ms: u64,
}

/// Section `[snapshots]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Snapshots {
    /// Whether any are written and used.
    pub enabled: bool,
    /// Fewest frames between two.
    pub every_frames: u64,
    /// How many are kept.
    pub keep: usize,
}

/// Section `[slowpath]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Slowpath {
    /// CPUs that the process keeps to; none: any.
    pub cpus: Vec<usize>,
    /// Where reports and outcomes that have left journal memory are had; none: nowhere.
    pub replay: Option<SocketAddrV4>,
    /// Most datagrams that one session is sent there in a second.
    pub replay_rate: u32,
}

/// Section `[store]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// Whether there is one.
    pub enabled: bool,
    /// Address of the database as written; resolved: [`Config::store_url`].
    pub url: Option<String>,
}

/// Section `[metrics]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Whether the slowpath serves them.
    pub enabled: bool,
    /// Address and TCP port.
    pub bind: SocketAddr,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            profile: Profile::Development,
            genesis: "genesis.toml".into(),
            instance: Instance::default(),
            memory: Memory::default(),
            port: Port::default(),
            feed: Feed::default(),
            cores: vec![Core {
                cpu: Cpu::Any,
                idle: Idle::SpinThenYield,
                tiles: TileKind::ALL.to_vec(),
            }],
            limits: Limits::default(),
            engine: Engine::default(),
            archive: Archive::default(),
            snapshots: Snapshots::default(),
            slowpath: Slowpath::default(),
            store: Store::default(),
            gateway: Gateway::default(),
            log: Log::default(),
            metrics: Metrics::default(),
            folder: PathBuf::new(),
        }
    }
}

impl Default for Instance {
    fn default() -> Self {
        Self {
            name: "main".into(),
            shard: 0,
            state_dir: "state".into(),
            ack: Ack::Sequenced,
        }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            journal_mib: 64,
            journal_frames: 1 << 18,
            hugetlbfs: None,
            shm_dir: "/dev/shm".into(),
        }
    }
}

impl Default for Port {
    fn default() -> Self {
        Self {
            backend: Backend::Sockets,
            bind: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7400),
            burst: 32,
            recv_buffer_kib: 4096,
            send_buffer_kib: 4096,
            busy_poll_us: None,
        }
    }
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            destination: None,
            ttl: 1,
            interface: None,
            loopback: true,
            requests: None,
            requests_rate: 10_000,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            session_burst: 64,
            command_ring_share: 8,
            net_ring: 1024,
            duplicate_window: 4096,
        }
    }
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            checkpoint_interval: 100_000,
            recovery_grace_ms: 5_000,
            clock_jump_ms: 1_000,
        }
    }
}

impl Default for Archive {
    fn default() -> Self {
        Self {
            dir: None,
            segment_mib: 64,
            group_max_ms: 2,
        }
    }
}

impl Default for Slowpath {
    fn default() -> Self {
        Self {
            cpus: Vec::new(),
            replay: None,
            replay_rate: 2_000,
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self {
            enabled: true,
            url: None,
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            enabled: true,
            bind: (Ipv4Addr::LOCALHOST, 7490).into(),
        }
    }
}

impl Default for Snapshots {
    fn default() -> Self {
        Self {
            enabled: true,
            every_frames: 1_000_000,
            keep: 3,
        }
    }
}

fn sqlite_url(path: &Path) -> String {
    let path = percent_encode(path.as_os_str().as_bytes(), IN_ADDRESS);
    format!("sqlite:{path}")
}

impl Config {
    /// Reads and checks a file, and what this process's environment changes of it (`SLUICE_SECTION__KEY`). Its
    /// relative paths are relative to its folder.
    ///
    /// # Errors
    /// [`ConfigError`] if the file cannot be read, is not understood, or holds what cannot be.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Ok(Loaded::load(path)?.config)
    }

    /// Parses and checks the text of a file; the environment changes nothing. Its relative paths are relative to the
    /// current folder.
    ///
    /// # Errors
    /// [`ConfigError`] if it is not understood or holds what cannot be.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Ok(Loaded::parse(text, "configuration", &[])?.config)
    }

    /// A path of the file, which is relative to the file's folder.
    #[must_use]
    pub fn beside(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    /// The folder of everything that the instance keeps.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.folder.join(&self.instance.state_dir)
    }

    /// The folder of the archive's segments.
    #[must_use]
    pub fn archive_dir(&self) -> PathBuf {
        match &self.archive.dir {
            Some(dir) => self.folder.join(dir),
            None => self.state_dir().join("archive"),
        }
    }

    /// The address of the store's database: `sqlite:` and a path, or `postgres:` and what follows it. In a
    /// path, bytes that mean something in an address are written as `%` and two hexadecimal digits.
    #[must_use]
    pub fn store_url(&self) -> String {
        match (self.store_file(), &self.store.url) {
            (None, Some(url)) => url.clone(),
            (file, _) => sqlite_url(&file.unwrap_or_default()),
        }
    }

    /// The file of the store's database; none if it is on a server.
    #[must_use]
    pub fn store_file(&self) -> Option<PathBuf> {
        match &self.store.url {
            None => Some(self.state_dir().join("store.db")),
            Some(url) => url
                .strip_prefix("sqlite:")
                .map(|path| self.folder.join(path)),
        }
    }

    /// The folder of the snapshots.
    #[must_use]
    pub fn snapshot_dir(&self) -> PathBuf {
        self.state_dir().join("snapshots")
    }

    /// The file of the host secret: see [`crate::secret`].
    #[must_use]
    pub fn secret_file(&self) -> PathBuf {
        self.state_dir().join("host.secret")
    }

    /// The file that says whose the state folder is, locked by the fastpath that uses it.
    #[must_use]
    pub fn lock_file(&self) -> PathBuf {
        self.state_dir().join("LOCK")
    }

    /// The file with the level that the slowpath keeps to instead of `log.level`; see `sluice log-level`.
    #[must_use]
    pub fn log_level_file(&self) -> PathBuf {
        self.state_dir().join("log-level")
    }

    /// The file with the number of the last epoch.
    #[must_use]
    pub fn epoch_file(&self) -> PathBuf {
        self.state_dir().join("epoch")
    }

    /// The genesis file.
    #[must_use]
    pub fn genesis_file(&self) -> PathBuf {
        self.folder.join(&self.genesis)
    }

    /// The folder of this instance's regions in `memory.shm_dir`. Regions lie elsewhere only if
    /// `memory.hugetlbfs` is set, or if there was no room here.
    #[must_use]
    pub fn region_dir(&self) -> PathBuf {
        let name = format!("sluice-{}", self.instance.name);
        self.memory.shm_dir.join(name)
    }

    /// Reads and checks the genesis file, and that this configuration suits it.
    ///
    /// # Errors
    /// As [`Genesis::load`], if windows of this size for so many sessions take too much memory, and if nobody could
    /// log on for the first time although registration is open.
    pub fn load_genesis(&self) -> Result<Genesis, ConfigError> {
        let file = self.genesis_file();
        let genesis = Genesis::load(&file)?;
        let capacity = &genesis.capacity;
        let suits = self.check_windows(capacity);
        let suits = suits.and_then(|()| self.check_reserve(capacity));
        suits.map_err(|invalid| {
            ConfigError::Refused(vec![invalid.at(&file.display().to_string())])
        })?;
        Ok(genesis)
    }
}
