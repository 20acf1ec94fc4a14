//! What must not outlive this process: children and folders.
//!
//! Each ends with its owner. A signal asks no owner, and with `panic = "abort"` neither does a panic: for both there is
//! a list of all that lives, which is ended before this process is. Children have process groups of their own, so that
//! Ctrl-C in a terminal is for us and they can be stopped in order.

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

/// Between two looks at a child that is waited for.
const LOOK: Duration = Duration::from_millis(5);
/// To remove a folder.
const TRIES: usize = 8;

/// All that lives.
#[derive(Debug)]
struct Living {
    next: u64,
    children: BTreeMap<u64, Child>,
    folders: BTreeMap<u64, PathBuf>,
    /// Whoever looks at it ends everything in order, once.
    in_order: Option<Arc<AtomicBool>>,
}

static LIVING: Mutex<Living> = Mutex::new(Living {
    next: 0,
    children: BTreeMap::new(),
    folders: BTreeMap::new(),
    in_order: None,
});

impl Living {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Ends it all. Errors are of what is gone already.
    fn end(&mut self) {
        for child in self.children.values_mut() {
            child.kill().ok();
            child.wait().ok();
        }
        for folder in self.folders.values() {
            // A thread of this process may still make files in it.
            (0..TRIES).any(|_| std::fs::remove_dir_all(folder).is_ok());
        }
    }
}

fn living() -> MutexGuard<'static, Living> {
    LIVING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A child, killed when dropped.
#[derive(Debug)]
pub struct Process(u64);

impl Process {
    /// Starts it, in a process group of its own.
    ///
    /// # Errors
    /// If it cannot be started, or signals cannot be watched.
    pub fn start(command: &mut Command) -> Result<Self> {
        watch()?;
        // A signal that comes in between finds the child.
        let mut living = living();
        let program = Path::new(command.get_program()).display().to_string();
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {program}"))?;
        let number = living.number();
        living.children.insert(number, child);
        Ok(Self(number))
    }

    /// Does something with it. Nothing else that lives can be looked at, or ended, meanwhile: do not wait in it.
    ///
    /// # Panics
    /// Never: it is there as long as this is.
    pub fn with<T>(&self, act: impl FnOnce(&mut Child) -> T) -> T {
        act(living()
            .children
            .get_mut(&self.0)
            .expect("it is not dropped"))
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.with(|child| child.id())
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// If it is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        // It has not been waited for while this looks at it, so the id is its own.
        self.with(|child| {
            let gone = child.try_wait()?.is_some();
            let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            let pid = pid.filter(|_| !gone).context("it has ended")?;
            Ok(kill_process(pid, signal)?)
        })
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn ended(&self) -> Result<Option<ExitStatus>> {
        Ok(self.with(Child::try_wait)?)
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// As [`Process::ended`].
    pub fn wait(&self) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let child = living().children.remove(&self.0);
        if let Some(mut child) = child {
            // It may have ended by itself.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// A folder that is removed when dropped, with everything in it.
#[derive(Debug)]
pub struct Folder {
    number: u64,
    path: PathBuf,
}

impl Folder {
    /// A new one for temporary files; in `parent`, if one is given.
    ///
    /// # Errors
    /// If it cannot be made, or signals cannot be watched.
    pub fn make(parent: Option<&Path>) -> Result<Self> {
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix("sluice-");
        let folder = match parent {
            Some(parent) => builder.tempdir_in(parent),
            None => builder.tempdir(),
        };
        Self::claim(folder.context("make a folder")?.keep())
    }

    /// One that others make, or have made.
    ///
    /// # Errors
    /// If signals cannot be watched.
    pub fn claim(path: PathBuf) -> Result<Self> {
        watch()?;
        let mut living = living();
        let number = living.number();
        living.folders.insert(number, path.clone());
        Ok(Self { number, path })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        living().folders.remove(&self.number);
        // It may never have been made.
        std::fs::remove_dir_all(&self.path).ok();
    }
}

/// While this lives, the first signal that asks this process to end only says so here, to one who stops everything
/// in order. The second ends it at once.
#[derive(Debug)]
pub struct InOrder(Arc<AtomicBool>);

impl InOrder {
    /// From now on.
    ///
    /// # Errors
    /// If signals cannot be watched.
    pub fn begin() -> Result<Self> {
        watch()?;
        let asked = Arc::new(AtomicBool::new(false));
        living().in_order = Some(Arc::clone(&asked));
        Ok(Self(asked))
    }

    /// Whether this process was asked to end.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        // ORDER: the flag is the whole message.
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for InOrder {
    fn drop(&mut self) {
        living().in_order = None;
    }
}

/// Watches signals and panics from the first call on.
fn watch() -> Result<()> {
    static WATCHED: Mutex<bool> = Mutex::new(false);
    let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    if !*watched {
        let mut wanted = vec![SIGINT, SIGTERM];
        // Under nohup it is ignored, and stays so.
        if !ignores(&std::fs::read_to_string("/proc/self/status")?, SIGHUP) {
            wanted.push(SIGHUP);
        }
        let mut signals = Signals::new(wanted).context("watch signals")?;
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || signals.forever().for_each(end_by))?;
        if cfg!(panic = "abort") {
            end_on_panic();
        }
        *watched = true;
    }
    Ok(())
}

/// Whether a process ignores a signal, by its `status` file.
fn ignores(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Ends what lives and then this process, as the signal does by default; or leaves it to who does it in order.
#[expect(clippy::print_stderr, reason = "an end without a report says why")]
fn end_by(signal: i32) {
    let mut living = living();
    if let Some(in_order) = living.in_order.take() {
        // ORDER: the flag is the whole message.
        in_order.store(true, Ordering::Relaxed);
        return;
    }
    // Held to the end: nothing new begins.
    living.end();
    eprintln!("interrupted: there is no report, and nothing is left behind");
    emulate_default_handler(signal).ok();
}

/// Ends what lives when any thread panics.
fn end_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let say = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            say(panic);
            living().end();
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Read as _};
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Stdio;

    /// Set for a second process of this test, which is ended as it says.
    const ROLE: &str = "LEFTOVERS_ROLE";

    fn sleeper() -> Process {
        // Without this process's output, which is read to its end.
        let mut command = Command::new("sleep");
        Process::start(command.arg("600").stdout(Stdio::null())).expect("sleep starts")
    }

    fn is_there(pid: u32) -> bool {
        Path::new(&format!("/proc/{pid}")).exists()
    }

    /// What the second process does: owns a child and two folders, says which, and waits to be ended.
    fn live(role: &str) {
        let (child, folder) = (sleeper(), Folder::make(None).expect("a folder"));
        let claimed = Folder::claim(folder.path().with_extension("claimed")).expect("claimed");
        std::fs::create_dir(claimed.path()).expect("made");
        let in_order = (role == "in order").then(|| InOrder::begin().expect("watched"));
        if role == "panic" {
            end_on_panic();
        }
        println!("\nlives {} {}", child.id(), folder.path().display());
        if role == "panic" {
            std::thread::spawn(|| panic!("as asked")).join().ok();
            // With panic = "abort" this is not reached.
            std::process::abort();
        }
        while in_order.as_ref().is_none_or(|asked| !asked.is_asked()) {
            std::thread::sleep(LOOK);
        }
        println!("asked");
        std::thread::sleep(Duration::from_secs(600));
    }

    /// Starts the second process, ends it, and says by which signal it ended.
    fn ended(role: &str, end: impl FnOnce(&Process, &mut dyn BufRead)) -> Option<i32> {
        let name = "leftovers::tests::whatever_ends_it_leaves_nothing";
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", name, "--nocapture"]);
        command.env(ROLE, role).stderr(Stdio::null());
        let second = Process::start(command.stdout(Stdio::piped())).expect("it starts");
        let out = second.with(|child| child.stdout.take()).expect("piped");
        let mut out = BufReader::new(out);
        let mut line = String::new();
        while !line.starts_with("lives ") {
            line.clear();
            assert!(out.read_line(&mut line).expect("readable") > 0, "{role}");
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, pid, folder] = words[..] else {
            panic!("it says {line:?}");
        };
        let (pid, folder) = (pid.parse().expect("a pid"), Path::new(folder));
        let claimed = folder.with_extension("claimed");
        assert!(is_there(pid) && folder.exists() && claimed.exists());
        end(&second, &mut out);
        let status = second.wait().expect("it ends");
        out.read_to_string(&mut String::new()).expect("readable");
        assert!(!is_there(pid), "{role}: its child lives");
        assert!(!folder.exists() && !claimed.exists(), "{role}: folders");
        status.signal()
    }

    fn send(to: &Process, signal: Signal) {
        to.signal(signal).expect("it lives");
    }

    #[test]
    fn whatever_ends_it_leaves_nothing() {
        if let Ok(role) = std::env::var(ROLE) {
            return live(&role);
        }
        assert_eq!(ended("signal", |it, _| send(it, Signal::INT)), Some(SIGINT));
        assert_eq!(
            ended("signal", |it, _| send(it, Signal::TERM)),
            Some(SIGTERM)
        );
        let twice = ended("in order", |it, out| {
            send(it, Signal::INT);
            let mut line = String::new();
            out.read_line(&mut line).expect("readable");
            assert_eq!(line, "asked\n", "the first signal only asks");
            send(it, Signal::INT);
        });
        assert_eq!(twice, Some(SIGINT), "the second ends it");
        assert!(ended("panic", |_, _| ()).is_some());
    }

    #[test]
    fn what_is_dropped_is_gone() {
        let (child, folder) = (sleeper(), Folder::make(None).expect("a folder"));
        let (pid, path) = (child.id(), folder.path().to_owned());
        assert!(is_there(pid) && path.exists());
        drop((child, folder));
        assert!(!is_there(pid) && !path.exists());
    }

    #[test]
    fn what_nohup_ignores_is_told() {
        let status = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n";
        assert!(ignores(status, SIGHUP) && !ignores(status, SIGINT));
        assert!(!ignores("", SIGHUP));
    }
}
