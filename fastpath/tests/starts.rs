//! Starts of the real process: one that is refused leaves nothing behind that was not there.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot do what it needs fails where that shows"
)]

use shm::layout::ProcessState;
use shm::layout::fast_layout::FAST_MAGIC;
use shm::{FastView, Memory};
use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const NOTHING: [PathBuf; 0] = [];

/// An instance in a folder of its own.
struct Instance {
    folder: TempDir,
    port: SocketAddr,
}

impl Instance {
    fn new(cpu: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
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

    /// The regions that are there, in whatever place.
    fn regions(&self) -> Vec<PathBuf> {
        let folders = ["shm/sluice-start", "state/sluice-start"].map(|name| self.path(name));
        let files = folders.iter().filter_map(|path| fs::read_dir(path).ok());
        files.flatten().map(|file| file.unwrap().path()).collect()
    }

    fn state(&self) -> Option<ProcessState> {
        let fast = self.path("shm/sluice-start/fast");
        let memory = Memory::open_reader(&fast, FAST_MAGIC).unwrap();
        FastView::new(memory).unwrap().process_state()
    }
}

fn first_ready(child: &mut Child) -> Option<String> {
    let lines = BufReader::new(child.stdout.take()?).lines();
    lines
        .map_while(Result::ok)
        .find(|line| line.starts_with("ready "))
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
    // It goes on where the first was: the journal has one frame more, its `Recovered`.
    let seq = |ready: &str| ready.rsplit_once("seq=").unwrap().1.parse::<u64>().unwrap();
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

/// What is wrong with an instance that has not run yet, and what its start says to that.
struct Wrong {
    cpu: &'static str,
    make: fn(&Instance),
    says: &'static str,
}

const WRONG: [Wrong; 7] = [
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
