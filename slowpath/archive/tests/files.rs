//! The archiver on a real file system.

mod journal_memory;

use archive::{Archiver, FileStorage, Limits, Refusal, Storage as _, StorageError};
use domain::Seq;
use journal::{ArchiveReader, MAX_FRAME_WORDS, SegmentName};
use journal_memory::JournalMemory;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

const SHARD: u16 = 3;

fn limits() -> Limits {
    Limits {
        segment_bytes: 700,
        group_bytes: 300,
        ..Limits::default()
    }
}

/// One life of an archiver, which sees frames up to `head`.
fn archive(directory: &Path, memory: &JournalMemory, head: u64) -> Result<Seq, Refusal> {
    let storage = FileStorage::open(directory, "").expect("the directory can be used");
    let source = memory.growing(Some(Seq(head))).source();
    let mut archiver = Archiver::new(storage, source, SHARD, limits(), None);
    while archiver.step(Duration::ZERO)? > 0 {}
    assert_eq!(archiver.trouble(), None);
    Ok(archiver.durable())
}

fn frames(directory: &Path) -> Vec<Vec<u64>> {
    let mut reader = ArchiveReader::open(directory, SHARD).expect("an archive");
    let (mut frames, mut buffer) = (Vec::new(), [0; MAX_FRAME_WORDS]);
    while let Some(words) = reader.next(&mut buffer).expect("whole") {
        frames.push(buffer[..words].to_vec());
    }
    assert_eq!(reader.tail().torn, None);
    frames
}

#[test]
fn an_archive_on_disk_is_continued_and_a_torn_tail_cut() {
    let place = tempfile::tempdir().expect("a directory");
    let directory = place.path().join("archive");
    let memory = JournalMemory::new(SHARD, 30);
    assert_eq!(
        archive(&directory, &memory, 11).expect("no refusal"),
        Seq(11)
    );
    assert_eq!(frames(&directory), memory.frames()[..11]);

    let mut segments: Vec<_> = fs::read_dir(&directory)
        .expect("listed")
        .map(|entry| entry.expect("listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .collect();
    segments.sort();
    assert!(segments.len() > 1, "{segments:?}");
    let last = segments.last().expect("there are some");
    let whole = fs::metadata(last).expect("there").len();
    let mut file = OpenOptions::new().append(true).open(last).expect("there");
    file.write_all(&[9; 50]).expect("written");

    assert_eq!(
        archive(&directory, &memory, 11).expect("no refusal"),
        Seq(11)
    );
    assert_eq!(fs::metadata(last).expect("there").len(), whole);
    assert_eq!(
        archive(&directory, &memory, 30).expect("no refusal"),
        Seq(30)
    );
    assert_eq!(frames(&directory), memory.frames());
    let name = SegmentName(Seq(1)).to_string();
    assert_eq!(segments[0].file_name().expect("a name"), name.as_str());
}

/// What is written to a file that nobody finds again is not durable.
#[test]
fn a_segment_that_is_removed_or_replaced_is_noticed() {
    let place = tempfile::tempdir().expect("a directory");
    let directory = place.path().join("archive");
    let aside = place.path().join("aside");
    let mut storage = FileStorage::open(&directory, "").expect("it can be used");
    let segment = directory.join(SegmentName(Seq(1)).to_string());
    storage.create(Seq(1)).expect("made");
    storage.append(Seq(1), &[1; 8]).expect("written");
    storage.sync(Seq(1)).expect("it is there");
    let refused = |storage: &mut FileStorage| {
        let error = storage.sync(Seq(1)).expect_err("it does not last");
        error.to_string()
    };
    fs::rename(&segment, &aside).expect("moved");
    let says = refused(&mut storage);
    assert!(says.contains("1.seg is gone"), "{says}");
    fs::copy(&aside, &segment).expect("copied");
    let says = refused(&mut storage);
    assert!(says.contains("is another file"), "{says}");
    fs::rename(&aside, &segment).expect("put back");
    storage.sync(Seq(1)).expect("it is there again");
    fs::rename(&directory, &aside).expect("moved");
    let says = refused(&mut storage);
    assert!(says.contains("1.seg is gone"), "{says}");
}

#[test]
fn a_second_archiver_is_refused_and_told_what_to_do() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = FileStorage::open(directory.path(), "").expect("free");
    let Err(error) = FileStorage::open(directory.path(), "") else {
        panic!("it is refused");
    };
    assert!(matches!(error, StorageError::Locked { .. }), "{error:?}");
    let says = error.to_string();
    let pid = format!("pid {}", std::process::id());
    assert!(
        says.contains(&pid) && says.contains("stop it first"),
        "{says}"
    );
    drop(first);
    FileStorage::open(directory.path(), "").expect("free again");
}

#[test]
fn an_archive_is_that_of_one_instance() {
    let directory = tempfile::tempdir().expect("a directory");
    let open = |owner: &str| FileStorage::open(directory.path(), owner).map(drop);
    open("").expect("nobody's");
    open("instance one\nshard 3\n").expect("nobody's yet");
    open("instance one\nshard 3\n").expect("its own");
    let says = open("instance other\nshard 3\n")
        .expect_err("refused")
        .to_string();
    assert!(
        says.contains("is that of instance one, shard 3, this is instance other, shard 3"),
        "{says}"
    );
}

#[test]
fn a_directory_that_cannot_be_is_refused() {
    let place = tempfile::tempdir().expect("a directory");
    let nested = place.path().join("not/there");
    let Err(error) = FileStorage::open(&nested, "") else {
        panic!("it is refused");
    };
    assert!(error.to_string().contains("not/there"), "{error}");
    let Err(error) = ArchiveReader::open(&nested, SHARD) else {
        panic!("it is refused");
    };
    assert!(error.to_string().contains("mount its disk"), "{error}");
}
