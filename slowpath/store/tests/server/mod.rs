//! A PostgreSQL server on a private socket in a folder of its own, run by a user that is not root.

use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a server may take to start; a killed one first recovers.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    folder: tempfile::TempDir,
    programs: PathBuf,
    /// Behind a thread while it is killed and started again.
    process: Process,
}

enum Process {
    Running(Child),
    Restarting(JoinHandle<Child>),
    Ended,
}

impl Server {
    pub(crate) fn start() -> Self {
        sqlx::any::install_default_drivers();
        let programs = programs();
        let folder = tempfile::Builder::new()
            .prefix("store-pg")
            .tempdir()
            .unwrap();
        if let Some((user, group)) = other_user() {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let made = as_user(&programs.join("initdb"))
            .args([
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--no-locale",
            ])
            .arg("--pgdata")
            .arg(folder.path().join("data"))
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let process = Process::Running(run(&programs, folder.path()));
        Self {
            folder,
            programs,
            process,
        }
    }

    fn url(&self, database: &str) -> String {
        let host = self.folder.path().display();
        format!("postgres://postgres@localhost/{database}?host={host}")
    }

    /// Makes a database; answers with its address.
    pub(crate) async fn database(&self, name: &str) -> String {
        let mut connection = AnyConnection::connect(&self.url("postgres")).await.unwrap();
        let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        connection.execute(create).await.unwrap();
        connection.close().await.unwrap();
        self.url(name)
    }

    /// In another thread, after a while: SIGKILL to the server and all its processes, then a new server.
    pub(crate) fn kill_and_restart_after(&mut self, delay: Duration) {
        let mut child = self.wait();
        let (programs, folder) = (self.programs.clone(), self.folder.path().to_owned());
        self.process = Process::Restarting(std::thread::spawn(move || {
            std::thread::sleep(delay);
            kill(&mut child);
            run(&programs, &folder)
        }));
    }

    /// The process, once it is there.
    fn wait(&mut self) -> Child {
        match std::mem::replace(&mut self.process, Process::Ended) {
            Process::Running(child) => child,
            Process::Restarting(thread) => thread.join().unwrap(),
            Process::Ended => panic!("the server has ended"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !matches!(self.process, Process::Ended) {
            kill(&mut self.wait());
        }
    }
}

/// Where Debian keeps the programs of its newest PostgreSQL.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").map(Iterator::flatten);
    let newest = versions
        .into_iter()
        .flatten()
        .map(|entry| entry.path())
        .max();
    newest.expect("apt-get install postgresql").join("bin")
}

/// User and group `postgres`, if this is root, whom the server refuses.
fn other_user() -> Option<(u32, u32)> {
    let id = |option| {
        let said = Command::new("id")
            .args([option, "postgres"])
            .output()
            .unwrap()
            .stdout;
        String::from_utf8(said).unwrap().trim().parse().unwrap()
    };
    rustix::process::geteuid()
        .is_root()
        .then(|| (id("-u"), id("-g")))
}

fn as_user(program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some((user, group)) = other_user() {
        command.uid(user).gid(group).current_dir("/");
    }
    command
}

/// Starts a server and waits until it answers. One that was killed may leave processes that are still
/// ending, and then another does not start yet.
fn run(programs: &Path, folder: &Path) -> Child {
    let begin = Instant::now();
    let log = std::fs::File::create(folder.join("log")).unwrap();
    loop {
        assert!(begin.elapsed() < PATIENCE, "{}", log_of(folder));
        let mut child = as_user(&programs.join("postgres"))
            .arg("-D")
            .arg(folder.join("data"))
            .arg("-k")
            .arg(folder)
            .args(["-c", "listen_addresses=", "-c", "max_connections=20"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.try_clone().unwrap())
            .spawn()
            .unwrap();
        while child.try_wait().unwrap().is_none() {
            assert!(begin.elapsed() < PATIENCE, "{}", log_of(folder));
            if is_ready(programs, folder) {
                return child;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn is_ready(programs: &Path, folder: &Path) -> bool {
    let mut ask = Command::new(programs.join("pg_isready"));
    ask.arg("-q").arg("-h").arg(folder);
    ask.status().is_ok_and(|status| status.success())
}

fn log_of(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
}

fn kill(child: &mut Child) {
    let children = format!("/proc/{id}/task/{id}/children", id = child.id());
    let children = std::fs::read_to_string(children).unwrap_or_default();
    child.kill().unwrap();
    for pid in children.split_whitespace() {
        let pid = rustix::process::Pid::from_raw(pid.parse().unwrap());
        // It may have ended by itself.
        let _ended = rustix::process::kill_process(pid.unwrap(), rustix::process::Signal::KILL);
    }
    child.wait().unwrap();
}
