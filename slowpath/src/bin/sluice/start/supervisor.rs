//! The processes that `sluice start` has started: ready, watched, stopped.

use super::restart::Restart;
use super::{does_not_answer, tell};
use crate::process::{Role, Seen, no_gateway};
use anyhow::{Context as _, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use shm::SlowView;
use slowpath::asked::Asked;
use slowpath::attach::{self, Region};
use slowpath::life::Life;
use slowpath::{metrics, serving, state_folder};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use topology::Config;

/// Time between two looks at the processes.
const LOOK: Duration = Duration::from_millis(20);
/// Time between two looks whether a process that was started again is ready.
const READY_LOOK: Duration = Duration::from_millis(250);
/// How long gateway and figures have to be served before it is said that they are not.
const DOORS: Duration = Duration::from_secs(1);
/// How long a process has to stop in order before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(40);
/// Lines of a process's own words that are shown when it does not become ready.
const LAST_WORDS: usize = 12;

/// A process that was started.
struct Started {
    child: Child,
    /// Nanoseconds since boot.
    since: u64,
    started: Instant,
    /// When it is looked next whether it is ready, which is to be said; none: it was.
    look: Option<Instant>,
}

/// What `sluice start` has started.
pub(super) struct Supervisor<'a> {
    config: &'a Config,
    file: &'a Path,
    programs: PathBuf,
    detach: bool,
    processes: [Option<Started>; 2],
    /// Where each log file ended before.
    logs: [u64; 2],
}

impl<'a> Supervisor<'a> {
    /// Of the instance of a configuration, which is in `file`, with the programs in a folder.
    pub(super) fn new(config: &'a Config, file: &'a Path, programs: PathBuf, detach: bool) -> Self {
        Self {
            config,
            file,
            programs,
            detach,
            processes: [None, None],
            logs: [0, 0],
        }
    }

    /// Starts a process.
    ///
    /// # Errors
    /// If the program is not to be had, or its log.
    pub(super) fn start(&mut self, role: Role) -> Result<()> {
        let program = self.programs.join(role.program());
        let mut command = Command::new(&program);
        command
            .arg("--config")
            .arg(self.file)
            .stdin(Stdio::null())
            // Ctrl-C in a terminal is for us: we stop them in order.
            .process_group(0);
        if self.detach {
            let mut log = self.open_log(role)?;
            self.logs[role as usize] = log.seek(SeekFrom::End(0))?;
            command.stdout(log.try_clone()?).stderr(log);
        }
        let since = shm::since_boot();
        let child = command.spawn().map_err(|error| {
            let advice = if error.kind() == ErrorKind::ExecutableFileBusy {
                "it is being written: wait until that is done"
            } else {
                "--programs names the folder of both, which this user must be allowed to execute"
            };
            anyhow!("start {}: {error}; {advice}", program.display())
        })?;
        self.processes[role as usize] = Some(Started {
            child,
            since,
            started: Instant::now(),
            look: None,
        });
        Ok(())
    }

    fn log(&self, role: Role) -> PathBuf {
        let name = format!("{}.log", role.program());
        self.config.state_dir().join(name)
    }

    fn open_log(&self, role: Role) -> Result<File> {
        state_folder::make(self.config)?;
        let path = self.log(role);
        let mut options = OpenOptions::new();
        options
            .create(true)
            .append(true)
            .read(true)
            .mode(0o640)
            .open(&path)
            .with_context(|| format!("open {}", path.display()))
    }

    /// Whether both are ready; false if somebody asked to stop meanwhile.
    ///
    /// # Errors
    /// If one ends before, or is not ready in time.
    pub(super) fn wait_ready(&mut self, limit: Duration, asked: &Asked) -> Result<bool> {
        let start = Instant::now();
        loop {
            // First: it may have been passed on, and what ends by it has not failed.
            if asked.is_set() {
                return Ok(false);
            }
            let mut missing = None;
            for role in Role::BOTH {
                if let Some(status) = self.ended(role)? {
                    bail!(
                        "the {} ended with {status} before it was ready{}",
                        role.program(),
                        self.last_words(role)
                    );
                }
                if let Some(process) = &self.processes[role as usize] {
                    let ready = process.readiness(role, self.config);
                    missing = missing.or(ready.err().map(|why| (role, why)));
                }
            }
            let Some((role, why)) = missing else {
                return Ok(true);
            };
            if start.elapsed() > limit {
                bail!(
                    "the {} was not ready within {} s: {why}{}",
                    role.program(),
                    limit.as_secs(),
                    self.last_words(role)
                );
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Says what is ready, and where it is to be asked. False if a process that it has not started does not answer.
    pub(super) fn tell_ready(&self, asked: &Asked) -> bool {
        let (mut ready, mut silent) = (Vec::new(), Vec::new());
        for role in Role::BOTH {
            match &self.processes[role as usize] {
                Some(process) => ready.push(format!("{} {}", role.program(), process.child.id())),
                None => silent.extend(self.silence(role)),
            }
        }
        let (instance, ready) = (&self.config.instance.name, ready.join(", "));
        if silent.is_empty() {
            let doors = self.doors(asked);
            tell(&format!("instance {instance} is ready: {ready}{doors}"));
        } else {
            let silent = silent.join(", the ");
            tell(&format!(
                "instance {instance} is not ready: {ready} serves, but the {silent}"
            ));
        }
        silent.is_empty()
    }

    /// What is to be said of one that runs and does not answer.
    fn silence(&self, role: Role) -> Option<String> {
        let seen = role.look(self.config).ok()?;
        (seen.life == Life::Running && seen.is_silent).then(|| does_not_answer(role, seen))
    }

    /// Where the slowpath is asked.
    fn doors(&self, asked: &Asked) -> String {
        let (gateway, mut doors) = (&self.config.gateway, String::new());
        if gateway.enabled {
            let scheme = gateway.scheme();
            doors = match self.served(serving::address, asked) {
                Some(address) => format!("; gateway {scheme}://{address}"),
                None => format!("; {}", no_gateway(self.config)),
            };
        }
        if self.config.metrics.enabled {
            doors += &match self.served(metrics::address, asked) {
                Some(address) => format!("; metrics http://{address}/metrics"),
                None => format!(
                    "; no metrics at {}: see `trouble:` in the slowpath's output",
                    self.config.metrics.bind
                ),
            };
        }
        doors
    }

    /// Where the slowpath serves something, which is not waited for otherwise.
    fn served(
        &self,
        address: impl Fn(&Config, &SlowView) -> Option<SocketAddr>,
        asked: &Asked,
    ) -> Option<SocketAddr> {
        let start = Instant::now();
        loop {
            let found = attach::open(&attach::places(self.config), Region::Slow);
            let slow = found.ok().flatten();
            let slow = slow.and_then(|(memory, _)| SlowView::new(memory).ok());
            let found = slow.and_then(|slow| address(self.config, &slow));
            if found.is_some() || start.elapsed() > DOORS || asked.is_set() {
                return found;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// How a process has ended, if it has; then it is forgotten.
    fn ended(&mut self, role: Role) -> Result<Option<ExitStatus>> {
        let Some(process) = &mut self.processes[role as usize] else {
            return Ok(None);
        };
        let status = process.child.try_wait()?;
        if status.is_some() {
            self.processes[role as usize] = None;
        }
        Ok(status)
    }

    /// What a process said last, if it did not say it on our own output.
    fn last_words(&self, role: Role) -> String {
        if !self.detach {
            return ": see its output above".to_owned();
        }
        let path = self.log(role);
        let mut text = String::new();
        // Words that cannot be read are only missing.
        let _read = File::open(&path).and_then(|mut log| {
            log.seek(SeekFrom::Start(self.logs[role as usize]))?;
            log.read_to_string(&mut text)
        });
        let lines: Vec<&str> = text.lines().collect();
        if lines.is_empty() {
            return format!("; it said nothing in {}", path.display());
        }
        let last = lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n  ");
        format!("; it said in {}:\n  {last}", path.display())
    }

    /// Starts again what dies, until somebody asks to stop or one of them was stopped in order.
    ///
    /// # Errors
    /// If the system does not say how a process is.
    pub(super) fn watch(&mut self, asked: &Asked) -> Result<()> {
        let mut restarts = [Restart::default(); 2];
        while !asked.is_set() {
            for role in Role::BOTH {
                if self.watch_one(role, &mut restarts[role as usize])? {
                    return Ok(());
                }
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Whether somebody has stopped it in order.
    fn watch_one(&mut self, role: Role, restart: &mut Restart) -> Result<bool> {
        let name = role.program();
        let process = self.processes[role as usize].as_ref();
        let ran = process.map_or(Duration::ZERO, |process| process.started.elapsed());
        if let Some(status) = self.ended(role)? {
            if self.was_stopped(role, status) {
                tell(&format!("the {name} was stopped ({status})"));
                return Ok(true);
            }
            let wait = restart.after(ran).as_millis();
            tell(&format!(
                "the {name} died with {status}: starting it again in {wait} ms"
            ));
        }
        if restart.is_due() {
            match self.start(role) {
                Ok(()) => self.say_when_ready(role),
                Err(error) => {
                    let wait = restart.after(Duration::ZERO).as_millis();
                    tell(&format!("{error:#}: trying again in {wait} ms"));
                }
            }
        }
        self.look_whether_ready(role);
        Ok(false)
    }

    /// Says that it was started again, and will say when it is ready.
    fn say_when_ready(&mut self, role: Role) {
        if let Some(process) = &mut self.processes[role as usize] {
            process.look = Some(process.started);
            let pid = process.child.id();
            tell(&format!(
                "the {} was started again (pid {pid})",
                role.program()
            ));
        }
    }

    fn look_whether_ready(&mut self, role: Role) {
        let Some(process) = &mut self.processes[role as usize] else {
            return;
        };
        if process.look.is_none_or(|look| look > Instant::now()) {
            return;
        }
        process.look = Some(Instant::now() + READY_LOOK);
        if process.readiness(role, self.config).is_ok() {
            process.look = None;
            let (name, pid) = (role.program(), process.child.id());
            tell(&format!("the {name} (pid {pid}) is ready again"));
        }
    }

    /// Whether it had taken its region.
    fn has_begun(&self, role: Role, process: &Started) -> bool {
        let seen = role.look(self.config);
        seen.is_ok_and(|seen| seen.pid == u64::from(process.child.id()))
    }

    /// Whether somebody asked a process that has ended to stop: it says so itself. One whose region cannot be read died.
    fn was_stopped(&self, role: Role, status: ExitStatus) -> bool {
        let left_something = |seen: Seen| seen.life == Life::Unfinished;
        status.success() || role.look(self.config).is_ok_and(left_something)
    }

    /// Stops what runs, the fastpath first.
    ///
    /// # Errors
    /// What one of them left undone.
    pub(super) fn stop(mut self) -> Result<ExitCode> {
        let mut undone = Vec::new();
        for role in Role::BOTH {
            let Some(mut process) = self.processes[role as usize].take() else {
                continue;
            };
            let name = role.program();
            match stop_one(&mut process.child) {
                Ok(status) if status.success() => {}
                // It was not there yet to hear it, and has begun nothing.
                Ok(status) if was_early(status) && !self.has_begun(role, &process) => {}
                Ok(status) => undone.push(format!(
                    "the {name} ended with {status}{}",
                    self.last_words(role)
                )),
                Err(error) => undone.push(format!("the {name} cannot be stopped: {error}")),
            }
        }
        match undone.is_empty() {
            true => Ok(ExitCode::SUCCESS),
            false => bail!("{}", undone.join("; ")),
        }
    }
}

impl Started {
    /// Whether it serves; if not, what is missing.
    fn readiness(&self, role: Role, config: &Config) -> Result<(), String> {
        role.readiness(config, self.child.id(), self.since)
    }
}

/// Whether it was killed by the signal that asks it to stop.
fn was_early(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::TERM.as_raw())
}

fn stop_one(child: &mut Child) -> io::Result<ExitStatus> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // One that has just ended needs no signal; it is still our child, so the pid is nobody else's.
        let _ended = kill_process(pid, Signal::TERM);
    }
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if start.elapsed() > STOP_PATIENCE {
            child.kill()?;
            return child.wait();
        }
        std::thread::sleep(LOOK);
    }
}
