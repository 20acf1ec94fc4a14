//! Snapshots as processes write and read them, whole and harmed.

use crate::instance::{Fastpath, Instance, Slowpath, wait};
use domain::Seq;
use journal::{SNAPSHOT_HEADER_BYTES, SnapshotHeader, SnapshotName};
use rustix::fs::{CWD, Mode};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

/// Every checkpoint is one.
pub(crate) const EVERY: &str = "[snapshots]\nevery_frames = 1\nkeep = 2\n";

pub(crate) fn path(instance: &Instance, seq: u64) -> PathBuf {
    let name = SnapshotName(Seq(seq)).to_string();
    instance.config.snapshot_dir().join(name)
}

/// Seqs of the snapshots that are there.
fn seqs(instance: &Instance) -> Vec<u64> {
    let listed = fs::read_dir(instance.config.snapshot_dir());
    let names = listed.into_iter().flatten();
    let mut seqs: Vec<u64> = names
        .filter_map(|entry| SnapshotName::parse(&entry.unwrap().file_name().to_string_lossy()))
        .map(|SnapshotName(seq)| seq.0)
        .collect();
    seqs.sort_unstable();
    seqs
}

/// Journals something with a checkpoint behind it, and waits for its snapshot.
pub(crate) fn snapshot(instance: &Instance, fastpath: &mut Fastpath, slowpath: &Slowpath) -> u64 {
    fastpath.trade(11);
    let seq = fastpath.head();
    slowpath.wait_for(&format!("snapshot of seq {seq}: "));
    instance.wait_archived(seq);
    seq
}

/// An instance with two snapshots and some frames behind them, whose slowpath was killed.
fn with_two() -> (Instance, Fastpath, [u64; 2]) {
    let instance = Instance::new(EVERY);
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    let two = [(); 2].map(|()| snapshot(&instance, &mut fastpath, &slowpath));
    slowpath.kill();
    fastpath.trade_without_checkpoint(5);
    (instance, fastpath, two)
}

/// Starts a slowpath, which checks everything and agrees; what it said.
fn agrees(instance: &Instance, fastpath: &Fastpath) -> String {
    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for("archiving from");
    wait("everything is checked", || {
        instance.slow().shadow_seq() >= fastpath.head()
    });
    assert_eq!(instance.slow().shadow_hash(), fastpath.state_hash());
    assert_eq!(slowpath.stop().code(), Some(0), "{}", slowpath.said());
    slowpath.said()
}

fn begins_behind(said: &str, seq: u64) -> bool {
    said.contains(&format!(
        "the shadow engine begins behind the snapshot of seq {seq},"
    ))
}

/// Changes a snapshot and gives it right CRCs again.
fn forge(instance: &Instance, seq: u64, change: impl FnOnce(&mut SnapshotHeader, &mut [u8])) {
    let file = path(instance, seq);
    let mut bytes = fs::read(&file).unwrap();
    let (front, body) = bytes.split_at_mut(SNAPSHOT_HEADER_BYTES);
    let front: &mut [u8; SNAPSHOT_HEADER_BYTES] = front.try_into().unwrap();
    let mut header = SnapshotHeader::parse(front).unwrap();
    change(&mut header, body);
    let whole = SnapshotHeader::of(
        &header.chain(),
        header.engine_version,
        header.state_hash,
        body,
    );
    *front = whole.encode();
    fs::write(&file, bytes).unwrap();
}

#[test]
fn a_shadow_engine_begins_behind_the_newest_snapshot_and_agrees() {
    let (instance, fastpath, two) = with_two();
    let said = agrees(&instance, &fastpath);
    assert!(begins_behind(&said, two[1]), "{said}");
    assert!(!said.contains("is not used"), "{said}");

    let status = instance.sluice(&["status"]);
    let line = format!("\nsnapshot   seq {}, lag ", two[1]);
    assert!(status.out.contains(&line), "{status:?}");
    let listed = instance.sluice(&["snapshot", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed.out).unwrap();
    assert_eq!(listed[0]["seq"], two[1].to_string());
    assert_eq!(listed[1]["seq"], two[0].to_string());
    let verified = instance.sluice(&["snapshot", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    assert_eq!(verified.out.matches("  holds\n").count(), 2, "{verified:?}");
    let whole = instance.sluice(&["journal", "verify"]);
    let rest = instance.sluice(&["journal", "verify", "--from-snapshot"]);
    assert_eq!((whole.code, rest.code), (0, 0), "{whole:?} {rest:?}");
    let begun = format!("begun behind  seq {}", two[1]);
    assert!(
        rest.out.contains(&begun) && !whole.out.contains("begun"),
        "{rest:?}"
    );
    let last = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap();
        line.to_owned()
    };
    for key in ["last seq", "state hash", "asset 0", "asset 1"] {
        assert_eq!(last(&whole.out, key), last(&rest.out, key));
    }
}

#[test]
fn only_the_newest_are_kept_and_only_as_often_as_configured() {
    let instance = Instance::new("[snapshots]\nevery_frames = 30\nkeep = 2\n");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let slowpath = instance.start_slowpath();
    let mut written = Vec::new();
    for _ in 0..12 {
        fastpath.trade(11);
        let head = fastpath.head();
        instance.wait_archived(head);
        wait("it is checked", || instance.slow().shadow_seq() >= head);
        if head - written.last().unwrap_or(&0) >= 30 {
            slowpath.wait_for(&format!("snapshot of seq {head}: "));
            written.push(head);
        }
    }
    assert_eq!(written.len(), 4, "{written:?}");
    assert_eq!(seqs(&instance), written[2..]);
    assert_eq!(slowpath.said().matches("snapshot of seq").count(), 4);
}

#[test]
fn without_snapshots_none_is_written_or_used() {
    let (instance, mut fastpath, two) = with_two();
    instance.configure("[snapshots]\nenabled = false\n");
    fastpath.trade(1);
    let said = agrees(&instance, &fastpath);
    assert!(!said.contains("snapshot"), "{said}");
    assert_eq!(seqs(&instance), two);
}

/// Every kind of harm to the newest: it is refused by name, and the older one is used.
#[test]
fn a_snapshot_that_does_not_hold_is_refused_by_name_and_the_older_one_is_used() {
    let (instance, fastpath, [older, newest]) = with_two();
    let whole = fs::read(path(&instance, newest)).unwrap();
    let other = fs::read(path(&instance, older)).unwrap();
    let write = |bytes: &[u8]| fs::write(path(&instance, newest), bytes).unwrap();
    let harms: [(&str, &dyn Fn()); 9] = [
        ("read its header", &|| write(&whole[..40])),
        ("bytes where its header says", &|| {
            write(&whole[..whole.len() - 1]);
        }),
        ("the header has CRC", &|| {
            let mut bytes = whole.clone();
            bytes[33] ^= 4;
            write(&bytes);
        }),
        ("the body has CRC", &|| {
            let mut bytes = whole.clone();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 4;
            write(&bytes);
        }),
        ("it is of seq", &|| write(&other)),
        ("it is of shard 9, not of shard 3", &|| {
            forge(&instance, newest, |header, _| header.shard = 9);
        }),
        // As of another instance of the shard: another frame stands at that seq.
        ("behind another frame", &|| {
            forge(&instance, newest, |header, _| header.frame_crc ^= 1);
        }),
        ("but the checkpoint journalled", &|| {
            forge(&instance, newest, |header, _| header.state_hash ^= 1);
        }),
        // A balance moves from one account to the other: everything adds up, and it is a lie.
        ("but the checkpoint journalled", &|| {
            forge(&instance, newest, |_, body| move_a_unit(body));
        }),
    ];
    for (why, harm) in harms {
        write(&whole);
        harm();
        let verified = instance.sluice(&["snapshot", "verify"]);
        assert_eq!(verified.code, 1, "{why}: {verified:?}");
        assert!(verified.out.contains(why), "{why}: {verified:?}");
        let rest = instance.sluice(&["journal", "verify", "--from-snapshot"]);
        let name = format!("snapshot {} is not used: ", SnapshotName(Seq(newest)));
        assert!(
            rest.err.contains(&name) && rest.err.contains(why),
            "{why}: {rest:?}"
        );
        assert!(
            rest.out.contains(&format!("begun behind  seq {older}")),
            "{rest:?}"
        );
        assert_eq!(rest.code, 0, "{rest:?}");
    }
    let said = agrees(&instance, &fastpath);
    assert!(
        said.contains("is not used: ") && begins_behind(&said, older),
        "{said}"
    );
}

/// One unit of the first asset goes from the available funds of its first owner to those of the next.
fn move_a_unit(body: &mut [u8]) {
    let word = |body: &[u8], at: usize| u32::from_le_bytes(body[at..at + 4].try_into().unwrap());
    let [assets, markets, accounts, sessions, balances] =
        [112, 116, 120, 124, 128].map(|at| word(body, at) as usize);
    let first = 160 + 40 * assets + 120 * markets + 56 * accounts + 136 * sessions;
    let asset = word(body, first + 4);
    let next = (1..balances)
        .map(|index| first + 24 * index)
        .find(|&at| word(body, at + 4) == asset)
        .expect("another account has some of it");
    let mut add = |at: usize, change: i64| {
        let field = &mut body[at + 8..at + 16];
        let amount = u64::from_le_bytes((&*field).try_into().unwrap());
        field.copy_from_slice(&amount.wrapping_add_signed(change).to_le_bytes());
    };
    add(first, -1);
    add(next, 1);
}

#[test]
fn if_none_holds_the_whole_journal_is_checked() {
    let (instance, fastpath, two) = with_two();
    for seq in two {
        forge(&instance, seq, |header, _| header.epoch += 1);
    }
    let said = agrees(&instance, &fastpath);
    assert_eq!(said.matches("is not used: ").count(), 2, "{said}");
    assert!(!said.contains("the shadow engine begins"), "{said}");
}

/// Killed at any moment of many: what is there holds, and the next start uses it.
#[test]
fn killed_while_it_writes_it_leaves_snapshots_that_hold() {
    let instance = Instance::new(EVERY);
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    for round in 0..12 {
        let mut slowpath = instance.start_slowpath();
        slowpath.wait_for("archiving from");
        for _ in 0..10 + round {
            fastpath.trade(2);
        }
        slowpath.kill();
        let verified = instance.sluice(&["snapshot", "verify"]);
        assert_eq!(verified.code, 0, "{verified:?}");
    }
    // As if the last one had died within its write.
    let folder = instance.config.snapshot_dir();
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("unfinished"), b"SLUICESN, and no more").unwrap();
    let mut slowpath = instance.start_slowpath();
    fastpath.trade(2);
    slowpath.wait_for("snapshot of seq");
    assert_eq!(slowpath.stop().code(), Some(0), "{}", slowpath.said());
    assert!(!folder.join("unfinished").exists());
    let said = agrees(&instance, &fastpath);
    assert!(said.contains("begins behind the snapshot of seq"), "{said}");
}

#[test]
fn a_folder_that_cannot_be_written_is_told_once_and_nothing_waits_for_it() {
    let instance = Instance::new(EVERY);
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let folder = instance.config.snapshot_dir();
    fs::create_dir_all(folder.parent().unwrap()).unwrap();
    // A file stands in its place: what root may not write to either.
    fs::write(&folder, b"").unwrap();
    let mut slowpath = instance.start_slowpath();
    fastpath.trade(4);
    slowpath.wait_for("trouble: the snapshot of seq");
    let status = instance.sluice(&["status"]);
    assert_eq!(status.code, 1, "{status:?}");
    assert!(
        status.out.contains("no snapshot can be written"),
        "{status:?}"
    );
    fastpath.trade(4);
    instance.wait_archived(fastpath.head());
    wait("it is checked", || {
        instance.slow().shadow_seq() >= fastpath.head()
    });
    assert_eq!(slowpath.said().matches("trouble").count(), 1);
    fs::remove_file(&folder).unwrap();
    slowpath.wait_for("s: snapshots are written again");
    slowpath.wait_for("slowpath: snapshot of seq");
    assert_eq!(slowpath.stop().code(), Some(0), "{}", slowpath.said());
    assert_eq!(seqs(&instance).len(), 1);
}

#[test]
fn what_is_named_like_a_snapshot_and_is_none_stops_nobody() {
    let (instance, mut fastpath, two) = with_two();
    // A pipe waits for a writer, a link may lead anywhere, a folder can be neither read nor removed.
    fs::remove_file(path(&instance, two[1])).unwrap();
    rustix::fs::mkfifoat(CWD, path(&instance, two[1]), Mode::RUSR).unwrap();
    symlink(path(&instance, two[0]), path(&instance, two[1] + 1)).unwrap();
    fs::create_dir(path(&instance, 1)).unwrap();
    let said = agrees(&instance, &fastpath);
    assert!(begins_behind(&said, two[0]), "{said}");
    assert!(said.contains("it is no regular file"), "{said}");
    let slowpath = instance.start_slowpath();
    let newest = [(); 2].map(|()| snapshot(&instance, &mut fastpath, &slowpath));
    assert_eq!(seqs(&instance), [1, newest[0], newest[1]]);
}

#[test]
fn a_folder_in_the_place_of_a_snapshot_costs_that_one() {
    let (instance, mut fastpath, _) = with_two();
    let slowpath = instance.start_slowpath();
    slowpath.wait_for("archiving from");
    let next = fastpath.head() + 12;
    for seq in fastpath.head()..=next {
        fs::create_dir(path(&instance, seq)).unwrap();
    }
    fastpath.trade(11);
    slowpath.wait_for("because a folder has its name");
    snapshot(&instance, &mut fastpath, &slowpath);
}

#[test]
fn what_is_unfinished_is_removed_and_not_written_through() {
    let (instance, mut fastpath, _) = with_two();
    let mine = instance.config.state_dir().join("mine");
    fs::write(&mine, "mine").unwrap();
    symlink(&mine, instance.config.snapshot_dir().join("unfinished")).unwrap();
    let slowpath = instance.start_slowpath();
    snapshot(&instance, &mut fastpath, &slowpath);
    assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
}

/// A frame with which the shadow engine did not agree is not skipped by a snapshot.
#[test]
fn a_state_behind_a_doubted_frame_is_never_a_snapshot() {
    let instance = Instance::new(EVERY);
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    let good = snapshot(&instance, &mut fastpath, &slowpath);
    // An odd number has been traded: the next but one rests.
    fastpath.trade(1);
    let wrong = fastpath.head() + 1;
    fastpath.falsify = Some(wrong);
    fastpath.trade(20);
    slowpath.wait_for(&format!("alarm: the shadow engine stops: seq {wrong}"));
    instance.wait_archived(fastpath.head());
    slowpath.kill();
    assert!(
        seqs(&instance)
            .iter()
            .all(|&seq| seq >= good && seq < wrong)
    );
    let again = instance.start_slowpath();
    again.wait_for(&format!("alarm: the shadow engine stops: seq {wrong}"));
}
