//! The corpus: bytes that this version wrote once and must read for ever, and bytes that it must
//! refuse for ever. A difference means that a layout changed: that is a new format version.
//!
//! `WRITE_CORPUS=1 cargo test -p journal --test corpus` writes what is missing.

mod written;

use domain::Seq;
use journal::{ArchiveError, ArchiveReader, Frame, MAX_FRAME_WORDS};
use std::fs;
use std::path::{Path, PathBuf};
use written::{Archive, SHARD, Seeded, bytes, commands, journal};

fn corpus(part: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(part)
}

/// Compares a file of the corpus with what the code writes now.
fn check(path: &Path, content: &[u8]) {
    if !path.exists() && std::env::var_os("WRITE_CORPUS").is_some() {
        fs::create_dir_all(path.parent().expect("a directory")).expect("it can be made");
        fs::write(path, content).expect("it can be written");
    }
    let kept = fs::read(path).expect("the corpus has the file");
    assert!(
        kept == content,
        "{} differs from what is written now",
        path.display()
    );
}

fn words(bytes: &[u8]) -> Vec<u64> {
    let words = bytes.chunks_exact(8);
    words
        .map(|word| u64::from_le_bytes(word.try_into().expect("8 bytes")))
        .collect()
}

#[test]
fn frames_of_every_command_are_what_they_were() {
    for words in journal(commands().len()) {
        let frame = Frame::parse(&words).expect("whole");
        let name = format!("{:?}.frame", frame.command.kind());
        check(&corpus("frames").join(name), &bytes(&words));
    }
}

#[test]
fn an_archive_is_what_it_was() {
    let count = commands().len();
    let archive = Archive::of(&journal(count), 6);
    for (&first, content) in &archive.segments {
        let name = journal::SegmentName(first).to_string();
        check(&corpus("archive").join(name), content);
    }
    let mut reader = ArchiveReader::open(&corpus("archive"), SHARD).expect("it is whole");
    let mut frames = 0;
    while reader.next_frame().expect("it is whole").is_some() {
        frames += 1;
    }
    assert_eq!(frames, count);
}

/// Of a build before the rules of this version: it is not read as anything, and the message says what to do.
#[test]
fn an_archive_of_an_older_version_is_refused_as_such() {
    for older in [2_u16, 3, 4, 5] {
        let opened = ArchiveReader::open(&corpus(&format!("version-{older}")), SHARD);
        let error = opened.map(drop).expect_err("it is refused");
        assert!(
            matches!(
                error,
                ArchiveError::ForeignVersion { found, seq: Seq(1), .. } if found == older
            ),
            "{error}"
        );
        let text = error.to_string();
        let told = format!(
            "format version {older}, but this build reads version 6; run the version that wrote it"
        );
        assert!(text.ends_with(&told), "{text}");
    }
}

/// Files of the corpus, changed by a generator: refused, or read as a frame. Never a panic.
#[test]
fn mutants_of_the_corpus_are_refused_or_read() {
    let mut seeded = Seeded(23);
    let mut kept = Vec::new();
    for entry in fs::read_dir(corpus("frames")).expect("the corpus is there") {
        let bytes = fs::read(entry.expect("listed").path()).expect("readable");
        assert!(Frame::parse(&words(&bytes)).is_ok());
        kept.push(bytes);
    }
    kept.sort();
    for round in 0..20_000 {
        let mut bytes = kept[round % kept.len()].clone();
        let original = bytes.clone();
        for _ in 0..=seeded.below(4) {
            let at = seeded.below(bytes.len());
            let donor = &kept[seeded.below(kept.len())];
            match seeded.below(5) {
                0 => bytes[at] ^= 1 << seeded.below(8),
                1 => bytes.truncate(at.max(1)),
                2 => bytes.extend_from_slice(&donor[seeded.below(donor.len())..]),
                3 => drop(bytes.splice(at..at, donor[..seeded.below(donor.len())].to_vec())),
                _ => bytes.rotate_left(at),
            }
        }
        bytes.truncate(8 * MAX_FRAME_WORDS);
        let is_frame = Frame::parse(&words(&bytes)).is_ok();
        let whole_words = bytes.len() / 8 * 8;
        assert!(
            !is_frame || kept.iter().any(|kept| *kept == bytes[..whole_words]),
            "{original:?}"
        );
    }
}
