//! Region files: found, refused, locked, mapped, and found again after a process was killed.
#![cfg(not(loom))]

use shm::layout::fast_layout::FAST_MAGIC;
use shm::log::JOURNAL_MAGIC;
use shm::{Found, Identity, LogReader, LogWriter, MAX_FRAME_WORDS, Memory, MemoryKind, Places};
use shm::{Read, RegionError, RegionSpec, Words, WriterLock, fast_spec, journal_spec};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A user who owns nothing.
const NOBODY: u32 = 65_534;

const IDENTITY: Identity = Identity {
    shard: 3,
    boot_id: [11, 12],
    epoch: 7,
};

fn places(root: &Path) -> Places {
    Places {
        instance: "test".into(),
        hugetlbfs: None,
        shm_dir: root.join("shm"),
        state_dir: root.join("state"),
    }
}

fn spec() -> RegionSpec {
    journal_spec(64, 4096)
}

/// A folder with a place in it, as /dev/shm is there before anybody uses it.
fn root() -> TempDir {
    let root = TempDir::new().expect("a folder");
    std::fs::create_dir(root.path().join("shm")).expect("a place");
    root
}

type Made = Result<(Memory, WriterLock, Found), RegionError>;

fn make(root: &Path) -> Made {
    Memory::create_or_open(&places(root), "journal", spec(), IDENTITY)
}

fn refusal(made: Made) -> String {
    made.expect_err("refused").to_string()
}

#[test]
fn a_region_is_made_once_and_found_again() {
    let root = root();
    assert_eq!(places(root.path()).find("journal").unwrap(), None);
    let (memory, lock, found) = make(root.path()).unwrap();
    assert_eq!(found, Found::Fresh);
    assert_eq!(memory.path(), root.path().join("shm/sluice-test/journal"));
    assert_eq!(
        places(root.path()).find("journal").unwrap().as_deref(),
        Some(memory.path())
    );
    assert_eq!(memory.bytes(), 8 * spec().words);
    assert_eq!(memory.header().shard(), 3);
    assert_eq!(memory.header().pid(), u64::from(std::process::id()));
    memory.words()[100].set(42);
    drop((memory, lock));

    let again = Identity {
        epoch: 8,
        ..IDENTITY
    };
    let (memory, lock, found) =
        Memory::create_or_open(&places(root.path()), "journal", spec(), again).unwrap();
    assert_eq!(
        found,
        Found::Existing {
            boot_matches: true,
            epoch: 7
        }
    );
    assert_eq!(memory.words()[100].get(), 42);
    assert_eq!(
        memory.header().epoch(),
        7,
        "the identity is still that of the last writer"
    );
    drop((memory, lock));

    let rebooted = Identity {
        boot_id: [11, 13],
        ..IDENTITY
    };
    let (memory, _lock, found) =
        Memory::create_or_open(&places(root.path()), "journal", spec(), rebooted).unwrap();
    assert_eq!(
        found,
        Found::Existing {
            boot_matches: false,
            epoch: 7
        }
    );
    assert_eq!(memory.words()[100].get(), 42, "nothing is wiped unasked");
    memory.wipe().unwrap();
    memory.header().set_identity(&rebooted);
    assert_eq!(
        (memory.words()[100].get(), memory.header().boot_id()),
        (0, [11, 13])
    );
}

/// Of the same name, in the same place, with another state folder; and a link to it is the same one.
#[test]
fn a_region_is_that_of_one_state_folder() {
    let root = root();
    let ours = places(root.path());
    std::fs::create_dir_all(&ours.state_dir).unwrap();
    drop(Memory::create_or_open(&ours, "journal", spec(), IDENTITY).unwrap());
    let link = root.path().join("link");
    std::os::unix::fs::symlink(&ours.state_dir, &link).unwrap();
    let linked = Places {
        state_dir: link,
        ..ours.clone()
    };
    let (memory, lock, _) = Memory::create_or_open(&linked, "journal", spec(), IDENTITY).unwrap();
    linked.check_home(&memory).unwrap();
    drop(lock);
    let other = Places {
        state_dir: root.path().join("other"),
        ..ours
    };
    let refused = Memory::create_or_open(&other, "journal", spec(), IDENTITY).unwrap_err();
    assert!(matches!(refused, RegionError::Home { .. }), "{refused}");
    assert!(other.check_home(&memory).is_err());
}

#[test]
fn what_is_on_disk_is_allocated() {
    use std::os::unix::fs::MetadataExt;
    // The second is more than is asked for at once, and no multiple of that.
    for spec in [spec(), journal_spec(64, 64 << 17)] {
        let root = root();
        let (memory, _lock, _) =
            Memory::create_or_open(&places(root.path()), "journal", spec, IDENTITY).unwrap();
        let file = std::fs::metadata(memory.path()).unwrap();
        assert!(file.len() >= memory.bytes() as u64);
        assert!(
            file.blocks() * 512 >= file.len(),
            "holes: {} blocks",
            file.blocks()
        );
        assert_eq!(file.mode() & 0o777, 0o640);
    }
}

#[test]
fn a_place_that_is_not_there_is_passed_over_and_not_made() {
    let root = TempDir::new().unwrap();
    let (memory, lock, _) = make(root.path()).unwrap();
    assert!(memory.path().starts_with(root.path().join("state")));
    assert!(!root.path().join("shm").exists());
    drop((memory, lock));
    // Found where it is, although a better place is there now.
    std::fs::create_dir(root.path().join("shm")).unwrap();
    let (memory, _lock, found) = make(root.path()).unwrap();
    assert!(memory.path().starts_with(root.path().join("state")));
    assert!(matches!(found, Found::Existing { .. }));
}

/// Permission bits and owner of what somebody may have put where the region belongs.
fn expose(path: &Path, mode: u32, owner: Option<u32>) {
    use std::os::unix::fs::PermissionsExt;
    std::os::unix::fs::chown(path, owner, None).expect("give it away");
    let mode = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(path, mode).expect("set its mode");
}

#[test]
fn what_others_may_change_is_no_region() {
    let root = root();
    drop(make(root.path()).unwrap());
    let directory = root.path().join("shm/sluice-test");
    let file = directory.join("journal");
    let before = std::fs::read(&file).unwrap();
    for (path, exposed, right) in [(&directory, 0o777, 0o750), (&file, 0o660, 0o640)] {
        expose(path, exposed, None);
        let says = format!("{} has mode {exposed:04o}", path.display());
        let writer = refusal(make(root.path()));
        assert!(writer.contains(&says), "{writer}");
        let reader = Memory::open_reader(&file, JOURNAL_MAGIC).unwrap_err();
        assert!(reader.to_string().contains(&says), "{reader}");
        expose(path, right, None);
    }
    assert_eq!(std::fs::read(&file).unwrap(), before);
    assert!(make(root.path()).is_ok());
}

/// As whoever is first in /dev/shm may do it. Nothing is made elsewhere instead.
#[test]
fn a_directory_that_others_may_write_refuses_a_first_start() {
    let root = root();
    let directory = root.path().join("shm/sluice-test");
    std::fs::create_dir(&directory).unwrap();
    expose(&directory, 0o777, None);
    for planted in [false, true] {
        if planted {
            std::fs::write(directory.join("journal"), "").unwrap();
        }
        let text = refusal(make(root.path()));
        assert!(text.contains("others than its owner may write"), "{text}");
        assert!(!root.path().join("state").exists(), "moved to the disk");
    }
    std::fs::remove_dir_all(&directory).unwrap();
    std::fs::write(&directory, "a file where the directory should be").unwrap();
    let text = refusal(make(root.path()));
    assert!(text.contains("cannot look for it"), "{text}");
}

#[test]
fn what_belongs_to_another_user_is_no_region() {
    if !rustix::process::geteuid().is_root() {
        // Only root can give files away.
        return;
    }
    let root = root();
    drop(make(root.path()).unwrap());
    let directory = root.path().join("shm/sluice-test");
    let file = directory.join("journal");
    for (path, mode) in [(&directory, 0o750), (&file, 0o640)] {
        expose(path, mode, Some(NOBODY));
        let says = format!("{} belongs to user {NOBODY}", path.display());
        let writer = refusal(make(root.path()));
        assert!(writer.contains(&says), "{writer}");
        let reader = Memory::open_reader(&file, JOURNAL_MAGIC).unwrap_err();
        assert!(reader.to_string().contains(&says), "{reader}");
        assert!(Memory::open_reader_of(&file, JOURNAL_MAGIC, NOBODY).is_ok());
        expose(path, mode, Some(0));
    }
    std::fs::create_dir(root.path().join("state")).unwrap();
    expose(&root.path().join("state"), 0o750, Some(NOBODY));
    assert_eq!(places(root.path()).owner(), NOBODY);
}

/// What cannot be looked at may be there: it must not be made anew elsewhere.
#[test]
fn a_region_that_cannot_be_looked_for_refuses_the_start() {
    if let Some(root) = root_of_the_deed() {
        let text = refusal(make(&root));
        assert!(text.contains("is not permitted"), "{text}");
        return;
    }
    let root = root();
    drop(make(root.path()).unwrap());
    expose(root.path(), 0o755, None);
    expose(&root.path().join("shm/sluice-test"), 0, None);
    // Where it would be made instead.
    std::fs::create_dir(root.path().join("state")).unwrap();
    expose(&root.path().join("state"), 0o777, None);
    // Root may look everywhere, and nobody else may have its programs' folder.
    let program = root.path().join("program");
    // Copied by a process of its own: none that another test forks meanwhile has it open for writing.
    let mut copy = Command::new("cp");
    copy.arg(std::env::current_exe().unwrap()).arg(&program);
    assert!(copy.status().unwrap().success());
    let mut command = Command::new(program);
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.args([
        "--exact",
        "a_region_that_cannot_be_looked_for_refuses_the_start",
    ]);
    let said = command.env(ROOT, root.path()).output().unwrap();
    assert!(said.status.success(), "{said:?}");
    expose(&root.path().join("shm/sluice-test"), 0o750, None);
}

#[test]
fn a_directory_that_is_no_hugetlbfs_is_passed_over() {
    let root = root();
    let plain = root.path().join("huge");
    std::fs::create_dir(&plain).unwrap();
    let places = Places {
        hugetlbfs: Some(plain.clone()),
        ..places(root.path())
    };
    let (memory, _lock, _) = Memory::create_or_open(&places, "journal", spec(), IDENTITY).unwrap();
    assert!(memory.path().starts_with(root.path().join("shm")));
    assert!(!plain.join("sluice-test").exists(), "nothing is left there");
    assert_ne!(memory.kind(), MemoryKind::Hugetlbfs);
}

#[test]
fn no_place_at_all_says_why_for_each() {
    let root = root();
    let huge = RegionSpec {
        words: 1 << 57,
        ..spec()
    };
    let made = Memory::create_or_open(&places(root.path()), "journal", huge, IDENTITY);
    let text = refusal(made);
    for part in [
        "shm/sluice-test/journal",
        "state/sluice-test/journal",
        "allocate",
        "smaller size",
    ] {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    assert_eq!(
        places(root.path()).find("journal").unwrap(),
        None,
        "nothing is left"
    );
}

#[test]
fn a_region_in_two_places_is_refused() {
    let root = root();
    drop(make(root.path()).unwrap());
    let second = root.path().join("state/sluice-test");
    std::fs::create_dir_all(&second).unwrap();
    std::fs::copy(
        root.path().join("shm/sluice-test/journal"),
        second.join("journal"),
    )
    .unwrap();
    let text = refusal(make(root.path()));
    assert!(
        text.contains("exists twice") && text.contains("remove the stale one"),
        "{text}"
    );
}

#[test]
fn what_differs_is_refused_with_a_remedy() {
    let root = root();
    let path = root.path().join("shm/sluice-test/journal");
    drop(make(root.path()).unwrap());
    let places = places(root.path());
    let open = |spec, identity| refusal(Memory::create_or_open(&places, "journal", spec, identity));

    let text = open(
        RegionSpec {
            magic: FAST_MAGIC,
            ..spec()
        },
        IDENTITY,
    );
    assert!(
        text.contains("SLUICEFA") && text.contains("SLUICEJM"),
        "{text}"
    );
    let text = open(journal_spec(64, 8192), IDENTITY);
    let sizes = [8 * spec().words, 8 * journal_spec(64, 8192).words];
    assert!(
        sizes.iter().all(|size| text.contains(&size.to_string())),
        "{text}"
    );
    assert!(text.contains("restore the configured sizes"), "{text}");
    let mut other = spec();
    other.parameters[1] = 5;
    assert!(open(other, IDENTITY).contains("parameter 1, configured is 5"));
    let text = open(
        spec(),
        Identity {
            shard: 4,
            ..IDENTITY
        },
    );
    assert!(text.contains("shard 3, this is shard 4"), "{text}");

    let mut bytes = std::fs::read(&path).unwrap();
    bytes[8] = 9;
    std::fs::write(&path, &bytes).unwrap();
    let text = open(spec(), IDENTITY);
    assert!(
        text.contains("layout version 9") && text.contains("start the build that wrote it"),
        "{text}"
    );
    let text = Memory::open_reader(&path, JOURNAL_MAGIC)
        .unwrap_err()
        .to_string();
    assert!(text.contains("layout version 9"), "{text}");

    bytes[8..16].copy_from_slice(&shm::LAYOUT_VERSION.to_le_bytes());
    bytes.truncate(4096);
    std::fs::write(&path, &bytes).unwrap();
    assert!(
        open(spec(), IDENTITY).contains("4096 bytes where"),
        "a short file is not mapped beyond its end"
    );
    assert!(Memory::open_reader(&path, JOURNAL_MAGIC).is_err());
    std::fs::write(&path, "short").unwrap();
    assert!(open(spec(), IDENTITY).contains("5 bytes where"));
    assert!(Memory::open_reader(&path, JOURNAL_MAGIC).is_err());
}

/// As a reader may come upon a region while it is being made.
#[test]
fn a_region_without_its_size_is_not_ready() {
    let root = root();
    let directory = root.path().join("shm/sluice-test");
    std::fs::create_dir(&directory).unwrap();
    for bytes in [0, 8, 4096] {
        std::fs::write(directory.join("journal"), vec![0; bytes]).unwrap();
        let opened = Memory::open_reader(&directory.join("journal"), JOURNAL_MAGIC);
        assert!(
            matches!(opened, Err(RegionError::NotReady { .. })),
            "{bytes} bytes: {opened:?}"
        );
    }
}

#[test]
fn a_region_that_was_never_finished_is_made_anew() {
    let root = root();
    drop(make(root.path()).unwrap());
    let path = root.path().join("shm/sluice-test/journal");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[..8].fill(0);
    bytes[4000] = 1;
    std::fs::write(&path, &bytes).unwrap();
    let text = Memory::open_reader(&path, JOURNAL_MAGIC)
        .unwrap_err()
        .to_string();
    assert!(text.contains("not ready"), "{text}");
    let (memory, _lock, found) = make(root.path()).unwrap();
    assert_eq!(found, Found::Fresh);
    assert_eq!(memory.words()[500].get(), 0, "what was there is gone");
}

#[test]
fn links_and_directories_are_no_regions() {
    let root = root();
    let directory = root.path().join("shm/sluice-test");
    std::fs::create_dir_all(&directory).unwrap();
    std::os::unix::fs::symlink(root.path().join("target"), directory.join("journal")).unwrap();
    std::fs::write(root.path().join("target"), "precious").unwrap();
    let text = refusal(make(root.path()));
    assert!(text.contains("cannot open it"), "{text}");
    assert_eq!(
        std::fs::read_to_string(root.path().join("target")).unwrap(),
        "precious"
    );
    assert!(Memory::open_reader(&directory, JOURNAL_MAGIC).is_err());
    assert!(Memory::open_reader(&directory.join("none"), JOURNAL_MAGIC).is_err());
}

#[test]
fn a_second_writer_is_refused_while_the_first_lives() {
    let root = root();
    let (_memory, lock, _) = make(root.path()).unwrap();
    let text = refusal(make(root.path()));
    let pid = format!("process {}", std::process::id());
    assert!(
        text.contains(&pid) && text.contains("stop that one first"),
        "{text}"
    );
    // The mapping alone does not hold the lock.
    drop(lock);
    assert!(make(root.path()).is_ok());
}

#[test]
fn a_reader_reads_and_has_no_right_to_write() {
    let root = root();
    let (memory, _lock, _) = make(root.path()).unwrap();
    let reader = Memory::open_reader(memory.path(), JOURNAL_MAGIC).unwrap();
    memory.words()[200].set(77);
    assert_eq!(reader.words()[200].get(), 77);
    assert_eq!((reader.bytes(), reader.writable()), (memory.bytes(), false));
    assert!(matches!(reader.wipe(), Err(RegionError::ReadOnly)));
    assert!(LogWriter::attach(reader.clone()).is_err());
    let path = memory.path().to_str().unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let rights: Vec<_> = maps
        .lines()
        .filter(|line| line.ends_with(path))
        .map(|line| line.split_whitespace().nth(1))
        .collect();
    assert!(
        rights.contains(&Some("rw-s")) && rights.contains(&Some("r--s")),
        "{rights:?}"
    );
}

#[test]
fn mappings_end_with_their_last_clone() {
    let root = root();
    let (memory, _lock, _) = make(root.path()).unwrap();
    let path = memory.path().to_str().unwrap().to_owned();
    let mapped = || {
        std::fs::read_to_string("/proc/self/maps")
            .unwrap()
            .contains(&path)
    };
    let clone = memory.clone();
    drop(memory);
    assert!(mapped());
    clone.words()[70].set(1);
    drop(clone);
    assert!(!mapped());
}

#[test]
fn anonymous_memory_is_a_region_too() {
    let memory = Memory::anonymous(&fast_spec(9), &IDENTITY).unwrap();
    assert_eq!(
        shm::FastView::new(memory.clone()).unwrap().max_sessions(),
        9
    );
    assert_eq!(
        (memory.kind(), memory.header().magic()),
        (MemoryKind::Anonymous, FAST_MAGIC)
    );
}

// --- other processes ----------------------------------------------------------------------------

const ROOT: &str = "SHM_TEST_ROOT";

/// Runs the test `name` of this file in a process of its own, as the one who does the deed.
fn in_a_process(name: &str, root: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a process has one"));
    command
        .args(["--exact", name, "--nocapture"])
        .env(ROOT, root);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The directory to work in, if this is such a process.
fn root_of_the_deed() -> Option<std::path::PathBuf> {
    std::env::var_os(ROOT).map(Into::into)
}

#[test]
fn a_reader_that_writes_dies() {
    if let Some(root) = root_of_the_deed() {
        let path = places(&root).find("journal").unwrap().unwrap();
        Memory::open_reader(&path, JOURNAL_MAGIC).unwrap().words()[200].set(1);
        return;
    }
    let root = root();
    let (memory, _lock, _) = make(root.path()).unwrap();
    let status = in_a_process("a_reader_that_writes_dies", root.path())
        .status()
        .unwrap();
    assert_eq!(
        status.signal(),
        Some(rustix::process::Signal::SEGV.as_raw()),
        "{status}"
    );
    assert_eq!(memory.words()[200].get(), 0);
}

/// The frame `seq`: as many words as its number says, all its number.
fn numbered(seq: u64) -> Vec<u64> {
    (0..1 + seq * 7 % 100).map(|_| seq).collect()
}

#[test]
fn a_killed_writer_leaves_whole_frames_and_no_lock() {
    if let Some(root) = root_of_the_deed() {
        let (memory, _lock, _) = make(&root).unwrap();
        let mut log = LogWriter::attach(memory.clone()).unwrap();
        // Ends by itself some time, should nobody come to kill it.
        for _ in 0..20_000_000 {
            log.gate(log.head()).unwrap();
            log.append(&numbered(log.head() + 1));
        }
        return;
    }
    let root = root();
    for round in 0..5 {
        let name = "a_killed_writer_leaves_whole_frames_and_no_lock";
        let mut child = in_a_process(name, root.path()).spawn().unwrap();
        let path = loop {
            if let Some(path) = places(root.path()).find("journal").unwrap() {
                break path;
            }
            std::thread::yield_now();
        };
        // Follows the writer for a while from a process of its own.
        let reader = loop {
            match Memory::open_reader(&path, JOURNAL_MAGIC) {
                Ok(memory) => break LogReader::new(memory, 1).unwrap(),
                // Empty, or without magic yet.
                Err(RegionError::Size { .. } | RegionError::NotReady { .. }) => {}
                Err(other) => panic!("{other}"),
            }
            std::thread::yield_now();
        };
        let before = reader.head();
        while reader.head() < before + 50_000 {
            assert_eq!(
                child.try_wait().unwrap(),
                None,
                "the writer stopped by itself"
            );
            std::thread::yield_now();
        }
        assert!(refusal(make(root.path())).contains("is being written by process"));
        child.kill().unwrap();
        child.wait().unwrap();

        let (memory, _lock, found) = make(root.path()).unwrap();
        assert_eq!(
            found,
            Found::Existing {
                boot_matches: true,
                epoch: 7
            }
        );
        let log = LogWriter::attach(memory.clone()).unwrap();
        assert!(
            log.head() >= reader.head(),
            "round {round}: a frame that a reader saw is gone"
        );
        let mut out = [0; MAX_FRAME_WORDS];
        for seq in log.oldest()..=log.head() {
            let expected = numbered(seq);
            let read = reader.read_at(seq, &mut out);
            assert_eq!(read, Read::Frame(expected.len()), "frame {seq}");
            assert_eq!(out[..expected.len()], expected, "frame {seq} is torn");
        }
    }
}
