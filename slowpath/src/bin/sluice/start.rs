//! `sluice start`.

use crate::Instance;
use crate::process::{Role, Seen};
use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use slowpath::host_cpus;
use slowpath::life::Life;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use topology::Config;

/// Time between two looks at the processes.
const LOOK: Duration = Duration::from_millis(20);
/// How long a process has to stop in order before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(40);
/// Shortest and longest wait before a process that died is started again; each is twice the one before.
const BACK_OFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(10)];
/// A process that ran for so long had started well: the wait begins anew.
const WELL: Duration = Duration::from_secs(60);
/// Lines of a process's own words that are shown when it does not become ready.
const LAST_WORDS: usize = 12;

/// Starts both processes of an instance, or the one that does not run, and waits until what it started serves.
///
/// The fastpath serves when its tiles run, the slowpath when it has archived and checked the journal and its
/// gateway, if there is one, answers `/ready`. If one of them ends or is not ready in time, its own words are
/// shown and what was started is stopped again.
///
/// In the foreground their output is this command's, and they are watched: one that dies is started again, after
/// 0.1 s and then twice as long each time, up to 10 s. Ctrl-C, SIGTERM or SIGHUP stops the fastpath first and then
/// the slowpath, as does somebody who stops one of them in order (`sluice stop`). With --detach they are left to
/// themselves, their output goes to fastpath.log and slowpath.log in the state folder, and nobody starts them again.
///
/// A process that runs already is left to itself: it is neither watched nor stopped by this command.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  sluice start --config sluice.toml              watch both until Ctrl-C
  sluice start --config sluice.toml --detach     start both, say their pids, and end

Exit codes:
  0  what it started was ready and, in the foreground, has stopped in order
  1  both run already, or one did not become ready or left something undone; it is said which and why

Next: `sluice status` shows how they are, `sluice stop` stops them, docs/OPERATING.md has the rest.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    instance: Instance,

    /// Longest wait until both are ready.
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    wait: u64,

    /// End when both are ready, and leave them to themselves.
    #[arg(long)]
    detach: bool,

    /// Folder of the programs `fastpath` and `slowpath`; default: that of this program.
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
}

/// A process that was started.
struct Started {
    child: Child,
    /// UTC ns.
    since: u64,
    started: Instant,
}

struct Supervisor<'a> {
    config: &'a Config,
    file: &'a PathBuf,
    programs: PathBuf,
    detach: bool,
    processes: [Option<Started>; 2],
    /// Where each log file ended before.
    logs: [u64; 2],
}

/// Starts both; watches them unless they are left to themselves.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let config = arguments.instance.load()?;
    config.load_genesis()?;
    let absent = host_cpus::absent(&config);
    ensure!(absent.is_empty(), "{}", absent.join("\n"));
    let missing = missing(&config)?;
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&asked)).context("install a handler")?;
    }
    // ORDER: the flag is set by a signal handler and is the whole message.
    let is_asked = || asked.load(Ordering::Relaxed);
    let mut supervisor = Supervisor {
        config: &config,
        file: &arguments.instance.config,
        programs: programs(arguments)?,
        detach: arguments.detach,
        processes: [None, None],
        logs: [0, 0],
    };
    let limit = Duration::from_secs(arguments.wait);
    let ready = missing
        .into_iter()
        .try_for_each(|role| supervisor.start(role))
        .and_then(|()| supervisor.wait_ready(limit, &is_asked));
    match ready {
        Ok(true) => {}
        Ok(false) => return supervisor.stop(),
        Err(error) => {
            // What it says about stopping does not matter beside why it had to.
            let _stopped = supervisor.stop();
            return Err(error);
        }
    }
    supervisor.tell_ready();
    if arguments.detach {
        return Ok(ExitCode::SUCCESS);
    }
    let watched = supervisor.watch(&is_asked);
    // However that ended, nothing is left unwatched.
    let stopped = supervisor.stop();
    watched.and(stopped)
}

/// Which of the two do not run.
fn missing(config: &Config) -> Result<Vec<Role>> {
    let (mut missing, mut running) = (Vec::new(), Vec::new());
    for role in Role::BOTH {
        let seen = role.look(config)?;
        if seen.life == Life::Running {
            running.push(format!(
                "{} runs already (pid {})",
                role.program(),
                seen.pid
            ));
        } else {
            missing.push(role);
        }
    }
    let running = running.join(", the ");
    let instance = &config.instance.name;
    if missing.is_empty() {
        bail!(
            "of instance {instance} the {running}: see `sluice status`, or `sluice stop` them first"
        );
    }
    if !running.is_empty() {
        tell(&format!(
            "of instance {instance} the {running} and is left to itself"
        ));
    }
    Ok(missing)
}

fn programs(arguments: &Arguments) -> Result<PathBuf> {
    if let Some(folder) = &arguments.programs {
        return Ok(folder.clone());
    }
    let own = std::env::current_exe().context("find this program's folder")?;
    Ok(own.parent().map(PathBuf::from).unwrap_or_default())
}

/// Says something for people: on standard error, because standard output is the processes'.
#[expect(clippy::print_stderr, reason = "what this command does")]
fn tell(line: &str) {
    eprintln!("sluice: {line}");
}

impl Supervisor<'_> {
    fn start(&mut self, role: Role) -> Result<()> {
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
        let child = command
            .spawn()
            .with_context(|| format!("start {}; --programs names its folder", program.display()))?;
        self.processes[role as usize] = Some(Started {
            child,
            since,
            started: Instant::now(),
        });
        Ok(())
    }

    fn log(&self, role: Role) -> PathBuf {
        let name = format!("{}.log", role.program());
        self.config.state_dir().join(name)
    }

    fn open_log(&self, role: Role) -> Result<File> {
        let folder = self.config.state_dir();
        let mut builder = DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o750)
            .create(&folder)
            .with_context(|| format!("make the state folder {}", folder.display()))?;
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
    fn wait_ready(&mut self, limit: Duration, is_asked: &impl Fn() -> bool) -> Result<bool> {
        let start = Instant::now();
        loop {
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
                    let (pid, since) = (process.child.id(), process.since);
                    let ready = role.readiness(self.config, pid, since);
                    missing = missing.or(ready.err().map(|why| (role, why)));
                }
            }
            let Some((role, why)) = missing else {
                return Ok(true);
            };
            if is_asked() {
                return Ok(false);
            }
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

    fn tell_ready(&self) {
        let pids: Vec<String> = Role::BOTH
            .into_iter()
            .filter_map(|role| {
                let process = self.processes[role as usize].as_ref()?;
                Some(format!("{} {}", role.program(), process.child.id()))
            })
            .collect();
        tell(&format!(
            "instance {} is ready: {}",
            self.config.instance.name,
            pids.join(", ")
        ));
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
        let last = lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n  ");
        format!("; it said in {}:\n  {last}", path.display())
    }

    /// Starts again what dies, until somebody asks to stop or one of them was stopped in order.
    fn watch(&mut self, is_asked: &impl Fn() -> bool) -> Result<()> {
        let mut restarts = [Restart::default(); 2];
        while !is_asked() {
            for role in Role::BOTH {
                let (number, name) = (role as usize, role.program());
                let process = self.processes[number].as_ref();
                let ran = process.map_or(Duration::ZERO, |process| process.started.elapsed());
                let restart = &mut restarts[number];
                if let Some(status) = self.ended(role)? {
                    if self.was_stopped(role, status) {
                        tell(&format!("the {name} was stopped ({status})"));
                        return Ok(());
                    }
                    let wait = restart.after(ran).as_millis();
                    tell(&format!(
                        "the {name} died with {status}: starting it again in {wait} ms"
                    ));
                }
                if restart.is_due()
                    && let Err(error) = self.start(role)
                {
                    let wait = restart.after(Duration::ZERO).as_millis();
                    tell(&format!("{error:#}: trying again in {wait} ms"));
                }
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Whether somebody asked a process that has ended to stop: it says so itself. One whose region cannot be read died.
    fn was_stopped(&self, role: Role, status: ExitStatus) -> bool {
        let left_something = |seen: Seen| seen.life == Life::Unfinished;
        status.success() || role.look(self.config).is_ok_and(left_something)
    }

    /// Stops what runs, the fastpath first.
    fn stop(mut self) -> Result<ExitCode> {
        let mut undone = Vec::new();
        for role in Role::BOTH {
            let Some(mut process) = self.processes[role as usize].take() else {
                continue;
            };
            let name = role.program();
            match stop_one(&mut process.child) {
                Ok(status) if status.success() => {}
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

/// When a process is started again.
#[derive(Clone, Copy)]
struct Restart {
    due: Option<Instant>,
    /// The next wait.
    wait: Duration,
}

impl Default for Restart {
    fn default() -> Self {
        Self {
            due: None,
            wait: BACK_OFF[0],
        }
    }
}

impl Restart {
    /// After it ran for so long: how long it is waited.
    fn after(&mut self, ran: Duration) -> Duration {
        let wait = if ran >= WELL { BACK_OFF[0] } else { self.wait };
        self.due = Some(Instant::now() + wait);
        self.wait = (wait * 2).min(BACK_OFF[1]);
        wait
    }

    /// Says so once.
    fn is_due(&mut self) -> bool {
        self.due.take_if(|due| *due <= Instant::now()).is_some()
    }
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
