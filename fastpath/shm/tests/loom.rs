//! Every interleaving, and every value that a weakly ordered load may give, of small cases of the
//! algorithms; and for each ordering and check on which they stand, that a model fails without it.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p shm --release --test loom`
//!
//! Operations are bounded: nothing spins, so every path ends. Loom does not explore loads that see
//! stores from their own future; where that matters (slots that are reused) the words carry cells,
//! by which it finds accesses that are not ordered at all.
#![cfg(loom)]

use loom::thread;
use shm::{Counter, Read, SlowView, SlowWriter, Words, journal_spec, log, mutant, ring, slow_spec};
use shm::{
    HISTOGRAM_WORDS, Header, Heap, Histogram, Identity, LogReader, LogWriter, MAX_FRAME_WORDS,
};

/// Every execution.
const ALL: Option<usize> = None;
/// Executions in which threads are preempted at most three times: for models with too many others.
const MOST: Option<usize> = Some(3);

fn explore(preemptions: Option<usize>, model: fn()) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_branches = 10_000;
    builder.check(model);
}

/// For each point: the model must fail without it.
fn each_is_caught(points: &'static [&'static str], preemptions: Option<usize>, model: fn()) {
    for point in points {
        // A thread of its own, because a failed model leaves loom's thread-local state behind.
        let caught =
            std::thread::spawn(move || mutant::is_caught(point, || explore(preemptions, model)));
        assert!(
            caught.join().expect("the point is reached"),
            "nothing fails without {point}"
        );
    }
}

// --- the ring -----------------------------------------------------------------------------------

/// Three slots through a ring of one: every slot is used again.
fn slots_are_reused() {
    let (mut producer, mut consumer) = ring::heap(1);
    let pushing = thread::spawn(move || {
        let mut sent = 0;
        for _ in 0..3 {
            if producer.push(&[sent + 1, !sent]).is_ok() {
                sent += 1;
                producer.publish();
            }
        }
        sent
    });
    let mut received = 0;
    for _ in 0..3 {
        if let Some(slot) = consumer.peek().expect("the producer is honest") {
            assert_eq!(slot, [received + 1, !received]);
            received += 1;
            consumer.advance();
            consumer.release();
        }
    }
    let sent = pushing.join().expect("the producer ends");
    assert!(received <= sent && sent <= received + 1);
}

/// Bursts: what is pushed shows only when it is published, and all of it.
fn bursts_are_published_whole() {
    let (mut producer, mut consumer) = ring::heap(2);
    let pushing = thread::spawn(move || {
        for burst in [1, 3] {
            if producer.free() == 2 {
                producer.push(&[burst, 0]).expect("two are free");
                producer.push(&[burst + 1, 0]).expect("one is free");
                producer.publish();
            }
        }
    });
    let mut received = 0;
    for _ in 0..3 {
        while let Some(slot) = consumer.peek().expect("the producer is honest") {
            assert_eq!(slot[0], received + 1);
            received += 1;
            consumer.advance();
        }
        assert!(received % 2 == 0, "half a burst");
        consumer.release();
    }
    pushing.join().expect("the producer ends");
}

#[test]
fn ring_reuses_slots() {
    explore(ALL, slots_are_reused);
}

#[test]
fn ring_publishes_bursts() {
    explore(ALL, bursts_are_published_whole);
}

#[test]
fn ring_mutants_are_caught() {
    const POINTS: &[&str] = &[
        "ring.publish",
        "ring.observe",
        "ring.release",
        "ring.reclaim",
        "ring.full",
    ];
    each_is_caught(POINTS, ALL, slots_are_reused);
}

// --- the journal memory -------------------------------------------------------------------------

/// In a memory of 8 words with frames of 2, the first word of the first frame lies where the commit
/// word of the fourth will be, and here it looks like that commit word.
const MIMIC: u64 = 2 << 24 | 2;

fn frame(seq: u64) -> [u64; 2] {
    [if seq == 1 { MIMIC } else { seq }, 100 + seq]
}

fn written(memory: &Heap, frames: u64) -> LogWriter<Heap> {
    let mut writer = LogWriter::attach(memory.clone()).expect("a new memory");
    for seq in 1..=frames {
        writer.append(&frame(seq));
    }
    writer
}

/// Polls so many times: every frame must be the next one, whole. Says whether it was lapped.
fn follow(reader: &mut LogReader<Heap>, polls: usize) -> bool {
    let mut out = Box::new([0; MAX_FRAME_WORDS]);
    for _ in 0..polls {
        let seq = reader.next_seq();
        match reader.poll(&mut out) {
            Read::Frame(len) => assert_eq!(out[..len], frame(seq), "frame {seq}"),
            Read::Empty => {}
            Read::Lapped => return true,
            Read::Corrupt => panic!("a whole memory called corrupt"),
        }
    }
    false
}

/// A reader follows a writer from the start.
fn frames_arrive_whole() {
    let memory = log::heap(4, 8);
    let mut writer = written(&memory, 0);
    let mut reader = LogReader::new(memory, 1).expect("a journal memory");
    let writing = thread::spawn(move || {
        writer.append(&frame(1));
        writer.append(&frame(2));
    });
    assert!(!follow(&mut reader, 3), "there was room for both");
    writing.join().expect("the writer ends");
}

/// A reader at the first frame while the third and fourth are written over it.
fn readers_are_lapped() {
    let memory = log::heap(4, 8);
    let mut writer = written(&memory, 2);
    writer.gate(2).expect("both are written");
    let mut reader = LogReader::new(memory, 1).expect("a journal memory");
    let writing = thread::spawn(move || {
        writer.append(&frame(3));
        writer.append(&frame(4));
    });
    follow(&mut reader, 1);
    writing.join().expect("the writer ends");
    assert!(
        reader.next_seq() != 1 || follow(&mut reader, 1),
        "the first frame is gone"
    );
}

/// A reader behind the third frame, where the first frame's content looks like a commit word.
fn old_content_is_no_commit_word() {
    let memory = log::heap(4, 8);
    let mut writer = written(&memory, 2);
    writer.gate(2).expect("both are written");
    let mut reader = LogReader::new(memory, 3).expect("a journal memory");
    let writing = thread::spawn(move || {
        writer.append(&frame(3));
    });
    assert!(
        !follow(&mut reader, 3),
        "nothing is written over the third frame"
    );
    writing.join().expect("the writer ends");
    assert!(reader.next_seq() <= 4, "a frame that nobody wrote");
}

/// A look-up of the first frame while its entry in the index is given to the fifth.
fn index_entries_are_reused() {
    let memory = log::heap(4, 32);
    let mut writer = written(&memory, 3);
    writer.gate(3).expect("all are written");
    let reader = LogReader::new(memory, 1).expect("a journal memory");
    let writing = thread::spawn(move || {
        writer.append(&frame(4));
        writer.append(&frame(5));
    });
    let mut out = Box::new([0; MAX_FRAME_WORDS]);
    match reader.read_at(1, &mut out) {
        Read::Frame(len) => assert_eq!(out[..len], frame(1)),
        Read::Lapped => {}
        other => panic!("the first frame was there: {other:?}"),
    }
    writing.join().expect("the writer ends");
}

/// A look-up of the second frame while it is written.
fn looked_up_frames_are_there() {
    let memory = log::heap(4, 8);
    let mut writer = written(&memory, 0);
    let reader = LogReader::new(memory, 1).expect("a journal memory");
    let writing = thread::spawn(move || {
        writer.append(&frame(1));
        writer.append(&frame(2));
    });
    let mut out = Box::new([0; MAX_FRAME_WORDS]);
    match reader.read_at(2, &mut out) {
        Read::Frame(len) => assert_eq!(out[..len], frame(2)),
        Read::Empty => {}
        other => panic!("nothing was overwritten: {other:?}"),
    }
    writing.join().expect("the writer ends");
}

#[test]
fn log_delivers_whole_frames() {
    explore(ALL, frames_arrive_whole);
}

#[test]
fn log_tells_lapped_readers() {
    explore(ALL, readers_are_lapped);
}

#[test]
fn log_takes_no_old_content_for_new() {
    explore(ALL, old_content_is_no_commit_word);
}

#[test]
fn log_finds_by_seq() {
    explore(ALL, index_entries_are_reused);
    explore(ALL, looked_up_frames_are_there);
}

#[test]
fn log_delivery_mutants_are_caught() {
    each_is_caught(&["log.commit", "log.observe"], ALL, frames_arrive_whole);
    each_is_caught(
        &["log.head", "log.head.observe"],
        ALL,
        looked_up_frames_are_there,
    );
}

#[test]
fn log_lapping_mutants_are_caught() {
    const COPY: &[&str] = &["log.lapped", "log.reserve.fence", "log.read.fence"];
    each_is_caught(COPY, ALL, readers_are_lapped);
    each_is_caught(&["log.zero"], ALL, old_content_is_no_commit_word);
    const LOOK_UP: &[&str] = &["log.index", "log.locate.fence", "log.reserve.fence"];
    each_is_caught(LOOK_UP, ALL, index_entries_are_reused);
}

// --- progress -----------------------------------------------------------------------------------

/// A memory of this process that looks like the region `slow`.
fn slow_region() -> Heap {
    let (spec, memory) = (slow_spec(), Heap::new(slow_spec().words));
    Header::write(&memory, &spec, &IDENTITY);
    memory
}

const IDENTITY: Identity = Identity {
    shard: 0,
    boot_id: [1, 2],
    epoch: 3,
};

/// The archiver reads, publishes its progress; the writer is gated by it. What is not archived is
/// never overwritten, whatever the writer tries.
fn the_gate_keeps(frames: usize, words: usize) {
    let (memory, slow) = (log::heap(frames, words), slow_region());
    let mut writer = written(&memory, 0);
    let progress = SlowWriter::new(slow.clone()).expect("a slow region");
    let durable = SlowView::new(slow).expect("a slow region");
    let archiving = thread::spawn(move || {
        let reader = LogReader::new(memory, 1).expect("a journal memory");
        let mut out = Box::new([0; MAX_FRAME_WORDS]);
        let mut archived = 0;
        for _ in 0..2 {
            match reader.read_at(archived + 1, &mut out) {
                Read::Frame(len) => assert_eq!(out[..len], frame(archived + 1)),
                Read::Empty => continue,
                other => panic!("frame {} was not kept: {other:?}", archived + 1),
            }
            archived += 1;
            progress.set_durable_seq(archived);
        }
    });
    for _ in 0..4 {
        writer
            .gate(durable.durable_seq())
            .expect("the archiver is honest");
        if writer.has_room(2) {
            writer.append(&frame(writer.head() + 1));
        }
    }
    archiving.join().expect("the archiver ends");
}

fn the_gate_keeps_data() {
    the_gate_keeps(16, 8);
}

fn the_gate_keeps_the_index() {
    the_gate_keeps(4, 64);
}

/// What was done before progress was published can be relied on by who sees it.
fn progress_is_ordered() {
    let slow = slow_region();
    let archive = Heap::new(1);
    let progress = SlowWriter::new(slow.clone()).expect("a slow region");
    let seen = SlowView::new(slow).expect("a slow region");
    let disk = archive.clone();
    let archiving = thread::spawn(move || {
        disk.words()[0].set(1);
        progress.set_durable_seq(1);
        progress.set_shadow(1, 0xABC);
    });
    if seen.durable_seq() == 1 {
        assert_eq!(archive.words()[0].get(), 1);
    }
    if seen.shadow_seq() == 1 {
        assert_eq!(seen.shadow_hash(), 0xABC);
    }
    archiving.join().expect("the archiver ends");
}

/// Who sees a region's magic sees its header.
fn headers_are_finished() {
    let spec = journal_spec(4, 4);
    let memory = Heap::new(spec.words);
    let header = Header::of(&memory).expect("large enough");
    let making = thread::spawn(move || Header::write(&memory, &spec, &IDENTITY));
    if header.magic() == spec.magic {
        assert_eq!(header.bytes(), 8 * spec.words as u64);
        assert_eq!((header.boot_id(), header.epoch()), (IDENTITY.boot_id, 3));
        assert_eq!(header.parameters(), spec.parameters);
    }
    making.join().expect("the maker ends");
}

#[test]
fn gate_keeps_what_is_not_archived() {
    explore(MOST, the_gate_keeps_data);
    explore(MOST, the_gate_keeps_the_index);
}

#[test]
fn gate_mutants_are_caught() {
    each_is_caught(&["log.room.data"], MOST, the_gate_keeps_data);
    each_is_caught(&["log.room.index"], MOST, the_gate_keeps_the_index);
}

#[test]
fn progress_carries_what_was_done() {
    explore(ALL, progress_is_ordered);
    explore(ALL, headers_are_finished);
}

#[test]
fn progress_mutants_are_caught() {
    const POINTS: &[&str] = &[
        "slow.durable",
        "slow.durable.observe",
        "slow.shadow",
        "slow.shadow.observe",
    ];
    each_is_caught(POINTS, ALL, progress_is_ordered);
    each_is_caught(
        &["header.magic", "header.magic.observe"],
        ALL,
        headers_are_finished,
    );
}

// --- counters and histograms --------------------------------------------------------------------

// The writer of these reads a word before it sets it, and loom takes that read for the last access
// to the word: it then sees no reason to try the store before another thread's earlier read. So the
// writer runs on the model's own thread, whose turn comes first, and the readers choose among its
// stores.

/// A snapshot taken while values are recorded: it fits itself, and never goes back.
fn snapshots_fit_themselves() {
    let memory = Heap::new(HISTOGRAM_WORDS);
    let (histogram, seen) = (Histogram::new(&memory, 0), Histogram::new(&memory, 0));
    let reading = thread::spawn(move || {
        let (first, second) = (seen.snapshot(), seen.snapshot());
        for snapshot in [&first, &second] {
            assert!(snapshot.min <= snapshot.max, "{snapshot:?}");
            let within = snapshot.min >= 2 && snapshot.max <= 5;
            assert!(snapshot.count == 0 || within, "{snapshot:?}");
        }
        assert!(first.count <= second.count && second.count <= 2);
        seen
    });
    histogram.record(5);
    histogram.record(2);
    let last = reading.join().expect("the reader ends").snapshot();
    assert_eq!((last.count, last.min, last.max, last.sum), (2, 2, 5, 7));
}

/// A counter never goes back, and loses nothing.
fn counters_count() {
    let memory = Heap::new(1);
    let (counter, seen) = (Counter::new(&memory, 0), Counter::new(&memory, 0));
    let reading = thread::spawn(move || {
        let (first, second) = (seen.get(), seen.get());
        assert!(first <= second && [0, 2, 5].contains(&first) && [0, 2, 5].contains(&second));
    });
    counter.add(2);
    counter.add(3);
    reading.join().expect("the reader ends");
    assert_eq!(counter.get(), 5);
}

#[test]
fn histogram_snapshots_fit_themselves() {
    explore(ALL, snapshots_fit_themselves);
    explore(ALL, counters_count);
}

#[test]
fn histogram_mutants_are_caught() {
    each_is_caught(&["histogram.held"], ALL, snapshots_fit_themselves);
}
