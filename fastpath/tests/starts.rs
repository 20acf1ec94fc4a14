//! Starts of the real process: one that is refused leaves nothing behind that was not there.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot do what it needs fails where that shows"
)]

use shm::layout::ProcessState;
use shm::layout::fast_layout::FAST_MAGIC;
use shm::log::JOURNAL_MAGIC;
use shm::{
    FastView, FastWriter, Identity, LogReader, Memory, SlowWriter, fast_spec, journal_spec,
    slow_spec,
};
use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;
use tempfile::TempDir;
use topology::instruments::process;

const NOTHING: [PathBuf; 0] = [];

/// An instance in a folder of its own.
struct Instance {
    folder: TempDir,
    port: SocketAddr,
}

/// A port that nobody has, on an address that nobody else asks for one on: it is not given away meanwhile.
fn free_port() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let [high, low] = port.to_be_bytes();
    SocketAddr::from(([127, 77, high, low], port))
}

impl Instance {
    fn new(cpu: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let text = format!(
            "[instance]\nname = \"start\"\nstate_dir = \"state\"\n\
             [memory]\njournal_mib = 1\njournal_frames = 1024\nshm_dir = \"{}\"\n\
             [port]\nbind = \"{port}\"\n\
             [[core]]\ncpu = {cpu}\nidle = \"spin-then-yield\"\ntiles = [\"net\", \"match\", \"out\"]\n",
            folder.path().join("shm").display(),
        );
        let instance = Self { folder, port };
        fs::write(instance.path("sluice.toml"), text).unwrap();
        fs::write(instance.path("genesis.toml"), topology::DEFAULT_GENESIS).unwrap();
        fs::create_dir_all(instance.path("shm/sluice-start")).unwrap();
        // Whatever mask the tests run under.
        let private = Permissions::from_mode(0o750);
        fs::set_permissions(instance.path("shm/sluice-start"), private).unwrap();
        fs::create_dir_all(instance.path("state/archive")).unwrap();
        instance
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fastpath"));
        command.arg("--config").arg(self.path("sluice.toml"));
        command.stdin(Stdio::null());
        command
    }

    /// Starts the process, which is expected to refuse; gives what it said.
    #[track_caller]
    fn refused(&self) -> String {
        let mut command = self.command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Its output ends when it ends, or begins to serve, which it must not.
        if let Some(ready) = first_ready(&mut child) {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it serves: {ready}");
        }
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        said
    }

    /// Starts the process, waits until it serves, and kills it; gives the line that says so.
    fn served_and_killed(&self) -> String {
        let mut child = self.command().stdout(Stdio::piped()).spawn().unwrap();
        let ready = first_ready(&mut child);
        child.kill().unwrap();
        child.wait().unwrap();
        ready.expect("the process serves")
    }

    /// Starts the process, kills it when it serves, and gives what it had said by then.
    fn said_until_it_served(&self) -> Vec<String> {
        let mut child = self.command().stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = Vec::new();
        for line in lines.map_while(Result::ok) {
            said.push(line);
            if said.last().is_some_and(|line| is_ready(line)) {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(said.last().is_some_and(|line| is_ready(line)), "{said:?}");
        said
    }

    /// Starts the process and waits until it serves; what it says after that nobody reads.
    fn serving(&self) -> Child {
        let mut command = self.command();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        assert!(first_ready(&mut child).is_some());
        child
    }

    /// Starts the process and waits for nothing.
    fn booting(&self) -> Child {
        let mut command = self.command();
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Changes the configuration.
    fn configure(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.path("sluice.toml")).unwrap();
        assert!(text.contains(from));
        fs::write(self.path("sluice.toml"), text.replace(from, to)).unwrap();
    }

    fn fast(&self) -> FastView {
        let fast = self.path("shm/sluice-start/fast");
        FastView::new(Memory::open_reader(&fast, FAST_MAGIC).unwrap()).unwrap()
    }

    /// The regions that are there, in whatever place.
    fn regions(&self) -> Vec<PathBuf> {
        let folders = ["shm/sluice-start", "state/sluice-start"].map(|name| self.path(name));
        let files = folders.iter().filter_map(|path| fs::read_dir(path).ok());
        files.flatten().map(|file| file.unwrap().path()).collect()
    }

    fn state(&self) -> Option<ProcessState> {
        self.fast().process_state()
    }
}

/// Where an instance's regions are.
fn places(instance: &Instance) -> shm::Places {
    shm::Places {
        instance: "start".into(),
        hugetlbfs: None,
        shm_dir: instance.path("shm"),
        state_dir: instance.path("state"),
    }
}

fn identity() -> Identity {
    Identity {
        shard: 0,
        boot_id: shm::boot_id().unwrap(),
        epoch: 0,
    }
}

/// The seq of the line that says that a process serves.
fn seq(ready: &str) -> u64 {
    ready.rsplit_once("seq=").unwrap().1.parse().unwrap()
}

/// Sends a signal, waits for the end, and gives exit code and complaint.
fn signalled(mut child: Child, signal: &str) -> (Option<i32>, String) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-s", signal, &pid]).status();
    assert!(sent.unwrap().success());
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    (child.wait().unwrap().code(), said)
}

fn first_ready(child: &mut Child) -> Option<String> {
    let lines = BufReader::new(child.stdout.take()?).lines();
    lines.map_while(Result::ok).find(|line| is_ready(line))
}

fn is_ready(line: &str) -> bool {
    topology::message_of(line).starts_with("ready ")
}

#[test]
fn every_line_for_people_begins_with_time_and_program() {
    let instance = Instance::new("\"any\"");
    let mut said = instance.said_until_it_served();
    instance.configure("cpu = \"any\"", "cpu = 1023");
    said.push(instance.refused());
    for line in said {
        let head = line.strip_suffix(topology::message_of(&line)).unwrap();
        assert!(head.ends_with("Z fastpath: "), "{line}");
    }
}

#[test]
fn a_host_secret_that_is_made_anew_is_said() {
    let instance = Instance::new("\"any\"");
    let warned = || {
        let said = instance.said_until_it_served();
        said.iter()
            .filter(|line| line.contains("this instance has run before: a new one was made"))
            .count()
    };
    assert_eq!(warned(), 0, "at the first start there is none");
    assert_eq!(warned(), 0);
    fs::remove_file(instance.path("state/host.secret")).unwrap();
    assert_eq!(warned(), 1);
    assert_eq!(warned(), 0);
}

#[test]
fn a_port_in_use_is_refused_and_leaves_no_region() {
    let instance = Instance::new("\"any\"");
    let in_use = UdpSocket::bind(instance.port).unwrap();
    let said = instance.refused();
    let says = format!("cannot bind UDP {}", instance.port);
    assert!(said.contains(&says), "{said}");
    assert_eq!(instance.regions(), NOTHING);
    drop(in_use);
    let ready = instance.served_and_killed();
    assert!(ready.contains(" epoch=1 "), "{ready}");
    assert_eq!(instance.regions().len(), 3, "a start makes what it needs");
}

#[test]
fn regions_that_were_there_outlive_a_refused_start() {
    let instance = Instance::new("\"any\"");
    let first = instance.served_and_killed();
    assert_eq!(instance.state(), Some(ProcessState::Running));
    let in_use = UdpSocket::bind(instance.port).unwrap();
    instance.refused();
    assert_eq!(instance.regions().len(), 3);
    assert_eq!(instance.state(), Some(ProcessState::Failed));
    drop(in_use);
    let secret = instance.path("state/host.secret");
    for (mode, cpu) in [(0o644, "\"any\""), (0o600, "1023")] {
        fs::set_permissions(&secret, Permissions::from_mode(mode)).unwrap();
        instance.configure("cpu = \"any\"", &format!("cpu = {cpu}"));
        instance.refused();
        instance.configure(&format!("cpu = {cpu}"), "cpu = \"any\"");
    }
    // It goes on where the first was: the journal has one frame more, its `Recovered`.
    let second = instance.served_and_killed();
    assert!(second.contains(" epoch=1 "), "{second}");
    assert_eq!(seq(&second), seq(&first) + 1);
    assert_eq!(instance.state(), Some(ProcessState::Running));
}

/// Nothing is archived, so that all there is of the journal is in its memory.
#[test]
fn journal_memory_is_gone_on_from_although_another_region_is_gone() {
    let instance = Instance::new("\"any\"");
    instance.served_and_killed();
    fs::remove_file(instance.path("shm/sluice-start/slow")).unwrap();
    let ready = instance.served_and_killed();
    assert!(ready.contains(" epoch=1 "), "{ready}");
}

/// Under another name it would not find its journal memory, and go on without what is in there.
#[test]
fn a_state_folder_is_that_of_one_instance() {
    let instance = Instance::new("\"any\"");
    let first = instance.serving();
    instance.configure("name = \"start\"", "name = \"other\"");
    let said = instance.refused();
    let says = format!(
        "another fastpath (pid {}) uses the state folder",
        first.id()
    );
    assert!(said.contains(&says), "{said}");
    signalled(first, "KILL");
    let said = instance.refused();
    let says = "is that of instance start, shard 0, this is instance other, shard 0: restore";
    assert!(said.contains(says), "{said}");
    assert!(!instance.path("shm/sluice-other").exists());
    instance.configure("name = \"other\"", "name = \"start\"");
    let ready = instance.served_and_killed();
    assert!(ready.contains(" epoch=1 "), "{ready}");
}

/// The file is read when the journal is empty; afterwards it is history.
/// One of the same name whose state folder is another, and one of another name with the same archive.
#[test]
fn memory_and_archive_are_those_of_one_instance() {
    let instance = Instance::new("\"any\"");
    let ready = instance.served_and_killed();
    instance.configure("state_dir = \"state\"", "state_dir = \"other\"");
    fs::create_dir_all(instance.path("other/archive")).unwrap();
    let said = instance.refused();
    assert!(said.contains("with another state folder"), "{said}");
    instance.configure("state_dir = \"other\"", "state_dir = \"state\"");
    assert_eq!(seq(&instance.served_and_killed()), seq(&ready) + 1);

    let lock = instance.path("state/archive/LOCK");
    fs::write(lock, "instance another\nshard 0\npid          7\n").unwrap();
    let said = instance.refused();
    assert!(
        said.contains("is that of instance another, shard 0"),
        "{said}"
    );
}

#[test]
fn the_genesis_file_may_change_or_go_once_it_is_journalled() {
    let instance = Instance::new("\"any\"");
    let first = seq(&instance.served_and_killed());
    let sessions = instance.fast().max_sessions();
    let genesis = topology::DEFAULT_GENESIS.replace("max_sessions = 1024", "max_sessions = 3");
    fs::write(instance.path("genesis.toml"), genesis).unwrap();
    assert_eq!(seq(&instance.served_and_killed()), first + 1);
    fs::remove_file(instance.path("genesis.toml")).unwrap();
    fs::remove_file(instance.path("shm/sluice-start/fast")).unwrap();
    assert_eq!(seq(&instance.served_and_killed()), first + 2);
    assert_eq!(instance.fast().max_sessions(), sessions);
}

#[test]
fn snapshots_that_cannot_be_listed_cost_a_longer_replay() {
    let instance = Instance::new("\"any\"");
    let first = instance.served_and_killed();
    fs::write(instance.path("state/snapshots"), b"").unwrap();
    assert_eq!(seq(&instance.served_and_killed()), seq(&first) + 1);
}

/// As if the system's time had stepped an hour forward since the last process began: what it left says when that was.
#[test]
fn a_step_of_the_clock_forward_is_an_alarm_and_no_start_follows_it() {
    // And half a second, so that the seconds are these however exactly it is measured.
    const STEP: u64 = 3_600_500_000_000;
    let instance = Instance::new("\"any\"");
    let ready = instance.served_and_killed();
    let level = |number: usize| instance.fast().tile(3).unwrap().counters[number];
    let begun = level(process::utc_at_boot);
    let places = places(&instance);
    let (fast, lock, _) =
        Memory::create_or_open(&places, "fast", fast_spec(1024), identity()).unwrap();
    let counter = FastWriter::new(fast)
        .unwrap()
        .tile(3)
        .counter(process::utc_at_boot);
    counter.set(begun - STEP);
    drop(lock);

    let mut child = instance.serving();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut alarm = String::new();
    said.read_line(&mut alarm).unwrap();
    let says = "alarm: the system's time has stepped: it is 3600.";
    assert!(
        alarm.contains(says) && alarm.contains(" s ahead of the exchange's"),
        "{alarm}"
    );
    while level(process::clock_in_trouble) == 0 {
        std::thread::yield_now();
    }
    assert_eq!(level(process::utc_at_boot), begun - STEP);
    assert_eq!(level(process::clock_jumps), 1);
    child.kill().unwrap();
    child.wait().unwrap();

    // The operator's way out.
    instance.configure("[port]", "[engine]\nclock_jump_ms = 0\n[port]");
    assert!(seq(&instance.served_and_killed()) > seq(&ready));
    assert!(level(process::utc_at_boot).abs_diff(begun) < STEP / 2);
    assert_eq!(level(process::clock_in_trouble), 0);
}

/// As a start leaves it that is killed after it made journal memory and before anything else.
#[test]
fn bindings_do_not_outlive_their_journal_memory() {
    let instance = Instance::new("\"any\"");
    instance.served_and_killed();
    let (places, identity) = (places(&instance), identity());
    let open = |name, spec| Memory::create_or_open(&places, name, spec, identity).unwrap();
    let (fast, ..) = open("fast", fast_spec(1024));
    FastWriter::new(fast).unwrap().set_peer(1, 77);
    fs::remove_file(instance.path("shm/sluice-start/journal")).unwrap();
    drop(open("journal", journal_spec(1024, 1 << 17)));
    // Nothing was archived, and so nothing is left of its first life.
    fs::remove_file(instance.path("state/epoch")).unwrap();
    instance.served_and_killed();
    assert_eq!(instance.fast().peer(1), Some(0));
}

/// Nobody archives, and nobody listens either.
#[test]
fn a_stop_that_leaves_frames_unarchived_says_so_and_fails() {
    let instance = Instance::new("\"any\"");
    for signal in ["TERM", "HUP", "INT"] {
        let (code, said) = signalled(instance.serving(), signal);
        assert_eq!(code, Some(1), "{signal}: {said}");
        assert!(said.contains("archived to 0; the rest stays"), "{said}");
        assert_eq!(instance.state(), Some(ProcessState::Unfinished));
    }
}

/// It waits for the lock of the state folder then; it would refuse in the end.
#[test]
fn asked_to_stop_before_it_serves_it_ends_at_once_and_in_order() {
    let instance = Instance::new("\"any\"");
    let lock = fs::File::create(instance.path("state/LOCK")).unwrap();
    lock.lock().unwrap();
    let mut child = instance.booting();
    let status = format!("/proc/{}/status", child.id());
    let listens = |status: &str| {
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.map(|mask| u64::from_str_radix(mask.trim(), 16).unwrap());
        caught.is_some_and(|mask| mask >> (15 - 1) & 1 == 1)
    };
    while !listens(&fs::read_to_string(&status).unwrap()) {
        assert_eq!(child.try_wait().unwrap(), None, "it waits for the lock");
        std::thread::sleep(Duration::from_millis(1));
    }
    let (code, said) = signalled(child, "TERM");
    assert_eq!(code, Some(0), "{said}");
}

/// It waits for the port then.
#[test]
fn asked_to_stop_while_it_recovers_it_says_how_it_ended() {
    let instance = Instance::new("\"any\"");
    instance.served_and_killed();
    let in_use = UdpSocket::bind(instance.port).unwrap();
    for (archived, ends) in [
        (false, ProcessState::Unfinished),
        (true, ProcessState::Stopped),
    ] {
        if archived {
            let journal = instance.path("shm/sluice-start/journal");
            let journal = Memory::open_reader(&journal, JOURNAL_MAGIC).unwrap();
            let head = LogReader::new(journal, 1).unwrap().head();
            let (slow, ..) =
                Memory::create_or_open(&places(&instance), "slow", slow_spec(), identity())
                    .unwrap();
            SlowWriter::new(slow).unwrap().set_durable_seq(head);
        }
        let child = instance.booting();
        let runs = || {
            let fast = instance.path("shm/sluice-start/fast");
            let fast = Memory::open_reader(&fast, FAST_MAGIC).unwrap();
            fast.header().pid() == u64::from(child.id())
                && instance.state() == Some(ProcessState::Running)
        };
        while !runs() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let (code, said) = signalled(child, "TERM");
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(instance.state(), Some(ends));
    }
    drop(in_use);
}

/// It has made one region and waits for the lock of another.
#[test]
fn asked_to_stop_while_it_makes_its_regions_it_leaves_none() {
    let instance = Instance::new("\"any\"");
    let path = instance.path("shm/sluice-start/fast");
    let fast = fs::File::create(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    fast.lock().unwrap();
    let child = instance.booting();
    let journal = instance.path("shm/sluice-start/journal");
    while Memory::open_reader(&journal, JOURNAL_MAGIC).is_err() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let (code, said) = signalled(child, "TERM");
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(instance.regions(), [path], "which is somebody else's");
}

/// The out tile only shows that it has failed; the supervisor says it, once.
#[test]
fn damaged_memory_is_said_by_the_process_that_runs() {
    let instance = Instance::new("\"any\"");
    let mut child = instance.serving();
    let path = instance.path("shm/sluice-start/journal");
    let bytes = fs::read(&path).unwrap();
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    // The next commit word is among these, whatever zeros the last frame ends with.
    let behind = (last / 8 + 1) * 8;
    let journal = fs::OpenOptions::new().write(true).open(&path).unwrap();
    journal.write_all_at(&[0xff; 128], behind as u64).unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let (tell, said) = channel();
    std::thread::spawn(move || {
        lines
            .map_while(Result::ok)
            .try_for_each(|line| tell.send(line))
    });
    let line = said
        .recv_timeout(Duration::from_secs(20))
        .unwrap_or_default();
    let seq = instance.fast().out_seq();
    let says = format!("alarm: journal memory is damaged behind seq {seq}: no report");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.contains(&says), "{line}");
    assert_eq!(said.iter().count(), 0, "once");
}

/// What is wrong with an instance that has not run yet, and what its start says to that.
struct Wrong {
    cpu: &'static str,
    make: fn(&Instance),
    says: &'static str,
}

const WRONG: [Wrong; 8] = [
    Wrong {
        cpu: "1023",
        make: |_| {},
        says: "this process may not run on CPU 1023",
    },
    Wrong {
        cpu: "\"any\"",
        make: |instance| fs::write(instance.path("genesis.toml"), "nme = 1\n").unwrap(),
        says: "nme",
    },
    Wrong {
        cpu: "\"any\"",
        make: |instance| {
            // What comes before its first frame is missing.
            let segment = instance.path("state/archive/00000000000000000007.seg");
            fs::write(segment, [7; 4096]).unwrap();
        },
        says: "00000000000000000007.seg",
    },
    Wrong {
        cpu: "\"any\"",
        make: |instance| {
            // It has no writer, and nobody waits for one.
            let segment = instance.path("state/archive/00000000000000000001.seg");
            let made = Command::new("mkfifo").arg(segment).status();
            assert!(made.unwrap().success());
        },
        says: "it is no regular file",
    },
    Wrong {
        cpu: "\"any\"",
        make: |instance| fs::write(instance.path("state/epoch"), "4\n").unwrap(),
        says: "this instance has run before",
    },
    Wrong {
        cpu: "\"any\"",
        make: |instance| fs::write(instance.path("state/epoch"), "four\n").unwrap(),
        says: "holds a frame: restore the archive",
    },
    Wrong {
        cpu: "\"any\"",
        make: |instance| {
            let secret = instance.path("state/host.secret");
            fs::write(&secret, "00".repeat(32)).unwrap();
            fs::set_permissions(secret, Permissions::from_mode(0o644)).unwrap();
        },
        says: "others may know the secret",
    },
    Wrong {
        cpu: "\"any\"",
        make: |instance| fs::create_dir(instance.path("shm/sluice-start/fast")).unwrap(),
        says: "fast: cannot open it: Is a directory",
    },
];

#[test]
fn whatever_else_refuses_a_first_start_leaves_no_region_either() {
    for Wrong { cpu, make, says } in WRONG {
        let instance = Instance::new(cpu);
        make(&instance);
        let before = instance.regions();
        let said = instance.refused();
        assert!(said.contains(says), "{says}: {said}");
        assert_eq!(instance.regions(), before, "{says}");
    }
}
