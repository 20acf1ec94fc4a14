//! A Sluice of one's own: a folder with configuration, genesis and secret, and the two processes.
//!
//! Used by the demo, the crash test and the process tests. Everything lies under one temporary
//! folder and one instance name, and is gone when the instance is dropped, or a signal ends this process.

mod files;

use anyhow::{Context as _, Result, bail, ensure};
use domain::SessionId;
use rustix::process::Signal;
use shm::layout::{fast_layout, slow_layout};
use shm::{FastView, LogReader, Memory, Places, SlowView};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use topology::{Config, message_of};
use wire::auth::SessionSecret;

use self::files::{Addresses, config_text, free_port, free_tcp_port};
use crate::leftovers::{Folder, Process};
use crate::{environment, programs};

pub use self::files::genesis_text;

/// What an instance is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Prefix of the instance's name.
    pub name: &'static str,
    /// Accounts, each with one session of the same id.
    pub sessions: u32,
    /// `spin` or `spin-then-yield`.
    pub idle: &'static str,
    /// `sequenced` or `durable`.
    pub ack: &'static str,
    /// Journal memory in MiB.
    pub journal_mib: u64,
    /// Frames between checkpoints.
    pub checkpoint_interval: u64,
    /// Whether it serves HTTP and WebSocket.
    pub gateway: bool,
    /// Whether it has a public feed, on loopback.
    pub feed: bool,
    /// Fewest frames between snapshots.
    pub snapshot_frames: u64,
}

#[cfg(test)]
impl Plan {
    /// The smallest, for tests.
    pub(crate) const UNIT: Self = Self {
        name: "unit",
        sessions: 1,
        idle: "spin-then-yield",
        ack: "sequenced",
        journal_mib: 1,
        checkpoint_interval: 1_000,
        gateway: false,
        feed: false,
        snapshot_frames: 1_000,
    };
}

/// The CPUs that an instance keeps to; none: the scheduler's choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// Of the tiles, all on one core.
    pub tiles: Option<usize>,
    /// Of the slowpath.
    pub slowpath: Option<usize>,
}

/// Which of the two processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes orders.
    Fastpath,
    /// Archives and watches.
    Slowpath,
}

impl Role {
    /// Both, in the order in which they are stopped.
    pub const BOTH: [Self; 2] = [Self::Fastpath, Self::Slowpath];

    /// Its program's name.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::Fastpath => "fastpath",
            Self::Slowpath => "slowpath",
        }
    }
}

/// What a replay of the journal said, in one line.
#[derive(Clone, Debug)]
pub struct Replay {
    /// The state that it led to, or why there is none.
    pub text: String,
    /// What speaks against the run that wrote it.
    pub fault: Option<String>,
}

/// A folder and two processes.
#[derive(Debug)]
pub struct Instance {
    // Dropped in this order: nobody writes into a folder that is removed.
    processes: [Option<Process>; 2],
    /// In `memory.shm_dir`; the others lie in the folder.
    #[expect(dead_code, reason = "it is removed when dropped")]
    regions: Folder,
    folder: Folder,
    /// As both processes read it.
    pub config: Config,
    /// Where it stands.
    pub config_path: PathBuf,
    /// The order port.
    pub port: SocketAddrV4,
    /// Where the feed goes.
    pub feed: Option<SocketAddrV4>,
    binaries: PathBuf,
    /// Where each process's log began at its last start, in bytes.
    logs_from: [u64; 2],
    /// Times that a process had to be started again.
    pub restarts: [u64; 2],
}

impl Instance {
    /// Writes the files of an instance; starts nothing.
    pub fn create(plan: &Plan) -> Result<Self> {
        Self::create_at(plan, Placement::default())
    }

    /// The same, on given CPUs.
    pub fn create_at(plan: &Plan, placement: Placement) -> Result<Self> {
        Self::create_with(plan, placement, "")
    }

    /// The same, with more lines of TOML for the section `[gateway]`.
    pub fn create_with(plan: &Plan, placement: Placement, gateway: &str) -> Result<Self> {
        environment::check()?;
        let folder = Folder::make(None)?;
        let addresses = Addresses {
            port: free_port()?,
            feed: plan.feed.then(free_port).transpose()?,
            gateway: free_tcp_port()?,
        };
        let genesis = folder.path().join("genesis.toml");
        std::fs::write(&genesis, genesis_text(plan.sessions)?)?;
        let config_path = folder.path().join("sluice.toml");
        std::fs::write(
            &config_path,
            config_text(plan, placement, folder.path(), &addresses) + gateway,
        )?;
        let config = Config::load(&config_path)?;
        topology::secret::load_or_create(&config.secret_file())?;
        Ok(Self {
            processes: [None, None],
            regions: Folder::claim(config.region_dir())?,
            folder,
            config,
            config_path,
            port: addresses.port,
            feed: addresses.feed,
            binaries: programs::folder()?,
            logs_from: [0, 0],
            restarts: [0, 0],
        })
    }

    /// Where everything but shared memory lies.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The secret that a session's owner is handed.
    pub fn session_secret(&self, session: SessionId) -> Result<SessionSecret> {
        let host = topology::secret::load_or_create(&self.config.secret_file())?;
        Ok(wire::auth::HostSecret::from_bytes(host).session_secret(session))
    }

    /// The program of a role, with nothing set yet.
    pub fn command(&self, role: Role) -> Command {
        Command::new(self.binaries.join(role.program()))
    }

    /// Starts a process; its output goes to a log file in the folder.
    pub fn start(&mut self, role: Role) -> Result<()> {
        let log = self.open_log(role)?;
        let mut command = self.command(role);
        let command = command.arg("--config").arg(&self.config_path);
        let command = command.stdin(Stdio::null()).stdout(log.try_clone()?);
        self.processes[role as usize] = Some(Process::start(command.stderr(log))?);
        Ok(())
    }

    /// The log of a process, for its next start.
    fn open_log(&mut self, role: Role) -> Result<File> {
        let path = self.log(role);
        let log = File::options().create(true).append(true).open(path)?;
        self.logs_from[role as usize] = log.metadata()?.len();
        Ok(log)
    }

    /// What a process printed.
    #[must_use]
    pub fn log(&self, role: Role) -> PathBuf {
        self.folder().join(format!("{}.log", role.program()))
    }

    /// The last lines that a process printed.
    pub fn last_words(&self, role: Role) -> String {
        let text = std::fs::read_to_string(self.log(role)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    /// What a process said since its last start, line by line, without the time and name that they begin with. A
    /// line that is half written is none yet.
    pub fn said(&self, role: Role) -> Result<Vec<String>> {
        let mut text = String::new();
        let mut log = File::open(self.log(role))?;
        log.seek(SeekFrom::Start(self.logs_from[role as usize]))?;
        log.read_to_string(&mut text)?;
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let messages = whole.lines().map(message_of);
        Ok(messages.map(str::to_owned).collect())
    }

    /// The process, if it was started.
    #[must_use]
    pub fn pid(&self, role: Role) -> Option<u32> {
        self.processes[role as usize].as_ref().map(Process::id)
    }

    /// Kills a process without warning.
    pub fn kill(&mut self, role: Role) -> Result<()> {
        if let Some(process) = self.processes[role as usize].take() {
            process.with(std::process::Child::kill)?;
            process.wait()?;
        }
        Ok(())
    }

    /// Whether a process has ended by itself, and how.
    pub fn ended(&mut self, role: Role) -> Result<Option<String>> {
        let Some(process) = &self.processes[role as usize] else {
            return Ok(None);
        };
        let Some(status) = process.ended()? else {
            return Ok(None);
        };
        self.processes[role as usize] = None;
        Ok(Some(status.to_string()))
    }

    /// Starts again what does not run.
    pub fn revive(&mut self) -> Result<()> {
        for role in Role::BOTH {
            self.ended(role)?;
            if self.processes[role as usize].is_none() {
                self.start(role)?;
                self.restarts[role as usize] += 1;
            }
        }
        Ok(())
    }

    /// Waits until the fastpath says, since its last start, that it serves.
    pub fn wait_ready(&mut self, limit: Duration) -> Result<()> {
        let start = Instant::now();
        loop {
            let said = self.said(Role::Fastpath)?;
            if said.iter().any(|message| message.starts_with("ready ")) {
                return Ok(());
            }
            for role in Role::BOTH {
                if let Some(status) = self.ended(role)? {
                    bail!(
                        "{} ended with {status}:\n{}",
                        role.program(),
                        self.last_words(role)
                    );
                }
            }
            ensure!(
                start.elapsed() < limit,
                "the fastpath is not ready after {limit:?}:\n{}",
                self.last_words(Role::Fastpath)
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Keeps both processes from running until [`Instance::resume`], so that something else can be
    /// measured on their CPUs. Nothing is lost by it.
    pub fn pause(&self) -> Result<()> {
        self.signal_all(Signal::STOP)
    }

    /// Lets both processes run again.
    pub fn resume(&self) -> Result<()> {
        self.signal_all(Signal::CONT)
    }

    fn signal_all(&self, signal: Signal) -> Result<()> {
        for role in Role::BOTH {
            if self.pid(role).is_some() {
                self.signal(role, signal)?;
            }
        }
        Ok(())
    }

    /// Sends a signal to a process.
    pub fn signal(&self, role: Role, signal: Signal) -> Result<()> {
        let process = self.processes[role as usize].as_ref();
        let process = process.with_context(|| format!("{} does not run", role.program()))?;
        let sent = process.signal(signal);
        sent.with_context(|| format!("signal {}", role.program()))
    }

    /// Asks both processes to stop, the fastpath first, and waits for them.
    pub fn stop(&mut self) -> Result<()> {
        Role::BOTH
            .into_iter()
            .try_for_each(|role| self.stop_one(role))
    }

    /// Asks a process to stop, if it runs, and waits for it.
    pub fn stop_one(&mut self, role: Role) -> Result<()> {
        // A process that is already gone needs no signal.
        self.signal(role, Signal::TERM).ok();
        let Some(process) = self.processes[role as usize].take() else {
            return Ok(());
        };
        let start = Instant::now();
        let status = loop {
            if let Some(status) = process.ended()? {
                break status;
            }
            // Dropped, it is killed.
            ensure!(
                start.elapsed() < Duration::from_secs(20),
                "{} did not stop within 20 s of SIGTERM",
                role.program()
            );
            std::thread::sleep(Duration::from_millis(5));
        };
        let words = self.last_words(role);
        ensure!(
            status.success(),
            "{} ended with {status}:\n{words}",
            role.program()
        );
        Ok(())
    }

    /// The fastpath's region, for reading.
    pub fn fast(&self) -> Result<FastView> {
        let memory = self.region("fast", fast_layout::FAST_MAGIC)?;
        Ok(FastView::new(memory)?)
    }

    /// The slowpath's region, for reading.
    pub fn slow(&self) -> Result<SlowView> {
        let memory = self.region("slow", slow_layout::SLOW_MAGIC)?;
        Ok(SlowView::new(memory)?)
    }

    /// Journal memory, for reading.
    pub fn journal(&self) -> Result<LogReader> {
        let memory = self.region("journal", shm::log::JOURNAL_MAGIC)?;
        Ok(LogReader::new(memory, 1)?)
    }

    /// A region, wherever there was room for it.
    fn region(&self, name: &str, magic: [u8; 8]) -> Result<Memory> {
        let places = self.places();
        let path = places.find(name)?;
        let path = path.with_context(|| format!("there is no region {name}"))?;
        Ok(Memory::open_reader(&path, magic)?)
    }

    fn places(&self) -> Places {
        let Config {
            instance, memory, ..
        } = &self.config;
        Places {
            instance: instance.name.clone(),
            hugetlbfs: memory.hugetlbfs.clone(),
            shm_dir: memory.shm_dir.clone(),
            state_dir: self.config.state_dir(),
        }
    }

    /// Forgets all shared memory, as a loss of power would. Both processes must be dead.
    pub fn lose_memory(&self) -> Result<()> {
        for name in ["fast", "slow", "journal"] {
            if let Some(path) = self.places().find(name)? {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Replays what was journalled. Both processes must have been stopped.
    #[must_use]
    pub fn verify(&self) -> Replay {
        match self.sluice(&["journal", "verify"]) {
            Ok(text) => Replay {
                text: text.trim().replace('\n', "; "),
                fault: None,
            },
            Err(error) => Replay {
                text: format!("NOT VERIFIED: {error:#}"),
                fault: Some("the journal was not verified".into()),
            },
        }
    }

    /// Runs the operator's command on this instance and gives what it prints.
    pub fn sluice(&self, args: &[&str]) -> Result<String> {
        let out = Command::new(self.binaries.join("sluice"))
            .args(args)
            .arg("--config")
            .arg(&self.config_path)
            .output()
            .context("start sluice")?;
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let errors = String::from_utf8_lossy(&out.stderr);
        ensure!(
            out.status.success(),
            "sluice {} failed: {text}{errors}",
            args.join(" ")
        );
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm::{Identity, fast_spec};
    use std::io::Write as _;
    use topology::LineHead;

    /// A variable of the environment can be set for another process only: this test starts itself.
    #[test]
    fn in_an_environment_that_would_change_it_there_is_no_instance() {
        const VARIABLE: &str = "SLUICE_INSTANCE__NAME";
        if std::env::var_os(VARIABLE).is_some() {
            let refused = Instance::create(&Plan::UNIT).expect_err("another's name");
            assert!(refused.to_string().contains(VARIABLE), "{refused}");
            return;
        }
        let name = "instance::tests::in_an_environment_that_would_change_it_there_is_no_instance";
        let again = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", name])
            .env(VARIABLE, "of-a-test")
            .output()
            .expect("it starts");
        let said = String::from_utf8_lossy(&again.stdout);
        assert!(
            again.status.success() && said.contains("1 passed"),
            "{said}"
        );
    }

    #[test]
    fn only_the_last_start_says_that_it_is_ready() {
        let mut instance = Instance::create(&Plan::UNIT).expect("files");
        let limit = Duration::from_millis(1);
        // Killed before it was ready, started again, and ready.
        let mut log = instance.open_log(Role::Fastpath).expect("a log");
        writeln!(log, "recovering").expect("written");
        let mut log = instance.open_log(Role::Fastpath).expect("a log");
        let head = LineHead {
            time: domain::Utc(domain::Nanos(7)),
            program: "fastpath",
        };
        writeln!(log, "{head}ready port=1").expect("written");
        instance.wait_ready(limit).expect("it said so");
        // Started again, and not ready yet.
        let mut log = instance.open_log(Role::Fastpath).expect("a log");
        instance.wait_ready(limit).expect_err("that was the last");
        write!(log, "{head}ready port=1").expect("written");
        instance.wait_ready(limit).expect_err("half a line");
        writeln!(log, " epoch=1").expect("written");
        instance.wait_ready(limit).expect("it said so");
        let said = instance.said(Role::Fastpath).expect("a log");
        assert_eq!(said, ["ready port=1 epoch=1"]);
    }

    #[test]
    fn a_region_is_found_where_there_was_room_and_forgotten_there() {
        let mut instance = Instance::create(&Plan::UNIT).expect("files");
        instance.config.memory.shm_dir = instance.folder().join("no room here");
        let spec = fast_spec(0);
        let identity = Identity {
            shard: 0,
            boot_id: shm::boot_id().expect("the kernel says"),
            epoch: 1,
        };
        let made = Memory::create_or_open(&instance.places(), "fast", spec, identity);
        drop(made.expect("the state folder has room"));
        instance.fast().expect("it is found");
        instance.lose_memory().expect("it can be removed");
        let gone = instance.fast().expect_err("it is gone");
        assert!(gone.to_string().contains("no region fast"), "{gone}");
    }
}
