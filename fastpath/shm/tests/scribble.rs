//! The other process gone mad: random words over everything that it may write, while this one
//! reads. What it wrote may cost a fault, a refusal or a wrong number; never a panic, never an
//! access out of range, and never anything that only this process may decide.
#![cfg(not(loom))]

use shm::layout::{ProcessState, fast_layout, slow_layout};
use shm::{FastView, FastWriter, Full, Identity, LogReader, LogWriter, MAX_FRAME_WORDS, Memory};
use shm::{Read, RingConsumer, RingProducer, SeekError, SlowView, SlowWriter};
use shm::{command_ring_consumer, command_ring_producer, fast_spec, journal_spec, slow_spec};

const IDENTITY: Identity = Identity {
    shard: 0,
    boot_id: [1, 2],
    epoch: 1,
};
const SEEDS: u64 = 300;
const STEPS: usize = 60;
const SESSIONS: usize = 16;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn place(&mut self, places: usize) -> usize {
        usize::try_from(self.below(places as u64)).expect("below a usize")
    }

    /// Small numbers, numbers around what is there, the edges, commit words, and anything.
    fn word(&mut self, old: u64) -> u64 {
        match self.below(8) {
            0 => 0,
            1 => u64::MAX - self.below(3),
            2 => self.below(100),
            3 => old.wrapping_add(self.below(5)).wrapping_sub(2),
            4 => 1 << self.below(64),
            5 => (1 + self.below(4)) << 24 | self.below(1100),
            6 => old.wrapping_add(1 << self.below(64)),
            _ => self.next(),
        }
    }

    /// Overwrites some words, all of them now and then, and often those at the start, where the
    /// header and the positions are.
    fn scribble(&mut self, memory: &Memory) {
        let words = memory.words();
        let everywhere = self.below(20) == 0;
        let count = if everywhere {
            words.len()
        } else {
            1 + self.place(30)
        };
        for i in 0..count {
            let range = if self.below(2) == 0 {
                words.len().min(256)
            } else {
                words.len()
            };
            let word = &words[if everywhere { i } else { self.place(range) }];
            word.set(self.word(word.get()));
        }
    }
}

struct Fastpath {
    consumer: RingConsumer,
    log: LogWriter,
    journal: LogReader,
    slow: SlowView,
}

impl Fastpath {
    fn step(&mut self, random: &mut Random, out: &mut [u64; MAX_FRAME_WORDS]) {
        // At most a ring's length between two releases, whatever the producer says.
        let mut taken = 0;
        while let Ok(Some(_)) = self.consumer.peek() {
            self.consumer.advance();
            taken += 1;
            assert!(taken <= slow_layout::COMMAND_SLOTS);
        }
        self.consumer.release();

        let (gate, head) = (self.log.gate_seq(), self.log.head());
        let durable = self.slow.durable_seq();
        let accepted = self.log.gate(durable).is_ok();
        assert_eq!(accepted, (gate..=head).contains(&durable));
        assert_eq!(self.log.gate_seq(), if accepted { durable } else { gate });
        let frame = vec![head + 1; 1 + random.place(1000)];
        if self.log.has_room(frame.len()) {
            self.log.append(&frame);
        }
        for seq in self.log.gate_seq() + 1..=self.log.head() {
            assert!(
                matches!(self.journal.read_at(seq, out), Read::Frame(_)),
                "{seq} is lost"
            );
        }
        self.look();
    }

    fn look(&self) {
        let slow = &self.slow;
        let sum = [
            slow.pid(),
            slow.heartbeat(),
            slow.archived_seq(),
            slow.shadow_seq(),
        ];
        std::hint::black_box((
            sum,
            slow.shadow_state(),
            slow.process_state(),
            slow.diverged_seq(),
            slow.shadow_hash(),
        ));
        for counter in 0..slow_layout::SLOW_COUNTERS {
            assert!(slow.counter(counter).is_some());
        }
        assert_eq!(slow.counter(slow_layout::SLOW_COUNTERS), None);
    }
}

#[test]
fn the_fastpath_survives_any_slow_region() {
    let mut out = [0; MAX_FRAME_WORDS];
    let mut gated = 0;
    for seed in 0..SEEDS {
        let mut random = Random(seed);
        let slow = Memory::anonymous(&slow_spec(), &IDENTITY).unwrap();
        let fast = Memory::anonymous(&fast_spec(SESSIONS), &IDENTITY).unwrap();
        let journal = Memory::anonymous(&journal_spec(8, 4096), &IDENTITY).unwrap();
        let mut fastpath = Fastpath {
            consumer: command_ring_consumer(&slow, &fast).unwrap(),
            log: LogWriter::attach(journal.clone()).unwrap(),
            journal: LogReader::new(journal, 1).unwrap(),
            slow: SlowView::new(slow.clone()).unwrap(),
        };
        for step in 0..STEPS {
            random.scribble(&slow);
            if step % 3 == 0 {
                // So that gates are accepted too.
                let durable = random.below(fastpath.log.head() + 3);
                slow.words()[80].set(durable);
            }
            fastpath.step(&mut random, &mut out);
            // A fastpath that starts now reads the same garbage.
            if let Ok(mut consumer) = command_ring_consumer(&slow, &fast) {
                std::hint::black_box(consumer.peek().is_ok());
            }
            std::hint::black_box(SlowView::new(slow.clone()).is_ok());
        }
        gated += fastpath.log.gate_seq();
    }
    assert!(
        gated > SEEDS,
        "gates were accepted, or the test shows nothing: {gated}"
    );
}

#[test]
fn the_slowpath_survives_any_fast_region() {
    for seed in 0..SEEDS {
        let mut random = Random(seed);
        let slow = Memory::anonymous(&slow_spec(), &IDENTITY).unwrap();
        let fast = Memory::anonymous(&fast_spec(SESSIONS), &IDENTITY).unwrap();
        let mut producer = command_ring_producer(&slow, &fast).unwrap();
        let view = FastView::new(fast.clone()).unwrap();
        for _ in 0..STEPS {
            random.scribble(&fast);
            push_some(&mut producer, &mut random);
            look_at(&view);
            if let Ok(later) = FastView::new(fast.clone()) {
                look_at(&later);
            }
            if let Ok(mut producer) = command_ring_producer(&slow, &fast) {
                push_some(&mut producer, &mut random);
            }
        }
    }
}

fn push_some(producer: &mut RingProducer, random: &mut Random) {
    let free = producer.free();
    assert!(free <= producer.capacity());
    for _ in 0..random.below(200) {
        if producer.push(&[random.next(); 16]) == Err(Full) {
            assert_eq!(producer.free(), 0);
            break;
        }
    }
    producer.publish();
}

fn look_at(view: &FastView) {
    let sum = [view.command_tail(), view.out_seq()];
    std::hint::black_box((sum, view.process_state()));
    for tile in 0..=fast_layout::TILES {
        assert!(tile < fast_layout::TILES || view.tile(tile).is_none());
        std::hint::black_box(view.tile(tile));
    }
    assert_eq!(view.max_sessions(), SESSIONS);
    assert!(view.peer(SESSIONS - 1).is_some() && view.peer(SESSIONS).is_none());
    let snapshot = view.histogram(0).expect("there is one");
    assert!(snapshot.min <= snapshot.percentile(99.0) && snapshot.percentile(99.0) <= snapshot.max);
    assert!(view.histogram(fast_layout::HISTOGRAMS).is_none());
    std::hint::black_box((snapshot.mean(), snapshot.buckets().count()));
}

#[test]
fn readers_survive_any_journal_region() {
    let mut out = Box::new([0; MAX_FRAME_WORDS]);
    let (mut frames, mut corrupt) = (0, 0);
    for seed in 0..SEEDS {
        let mut random = Random(seed);
        let journal = Memory::anonymous(&journal_spec(64, 4096), &IDENTITY).unwrap();
        let mut log = LogWriter::attach(journal.clone()).unwrap();
        let mut reader = LogReader::new(journal.clone(), 1).unwrap();
        for _ in 0..STEPS {
            for _ in 0..random.below(20) {
                log.gate(log.head()).unwrap();
                let frame = vec![random.word(1 << 24); 1 + random.place(200)];
                if log.has_room(frame.len()) {
                    log.append(&frame);
                }
            }
            random.scribble(&journal);
            read_all(
                &mut reader,
                &mut random,
                &mut out,
                &mut frames,
                &mut corrupt,
            );
            if let Ok(mut later) = LogReader::new(journal.clone(), random.word(log.head())) {
                read_all(&mut later, &mut random, &mut out, &mut frames, &mut corrupt);
            }
            // A writer that comes now refuses the memory, or goes on in it.
            if let Ok(mut later) = LogWriter::attach(journal.clone()) {
                let _ = later.gate(random.word(later.head()));
                if later.has_room(5) {
                    later.append(&[1; 5]);
                }
            }
            // The index is the writer's own, and it relies on it: a new one for the next round.
            journal.wipe().unwrap();
            let header = journal_spec(64, 4096);
            for (i, value) in [u64::from_le_bytes(header.magic), 1, 8 * header.words as u64]
                .iter()
                .enumerate()
            {
                journal.words()[i].set(*value);
            }
            for (i, parameter) in header.parameters.iter().enumerate() {
                journal.words()[8 + i].set(*parameter);
            }
            log = LogWriter::attach(journal.clone()).unwrap();
            if random.below(2) == 0 {
                let _ = reader.seek(1);
            }
        }
    }
    assert!(
        frames > SEEDS && corrupt > SEEDS,
        "{frames} frames, {corrupt} corrupt ones"
    );
}

fn read_all(
    reader: &mut LogReader,
    random: &mut Random,
    out: &mut [u64; MAX_FRAME_WORDS],
    frames: &mut u64,
    corrupt: &mut u64,
) {
    for _ in 0..70 {
        match reader.poll(out) {
            Read::Frame(len) => {
                assert!((1..=MAX_FRAME_WORDS).contains(&len));
                *frames += 1;
            }
            Read::Corrupt => *corrupt += 1,
            Read::Empty | Read::Lapped => break,
        }
    }
    let seq = random.word(reader.head());
    std::hint::black_box((reader.oldest(), reader.read_at(seq, out)));
    match reader.seek(seq) {
        Ok(()) => assert_eq!(reader.next_seq(), seq),
        Err(SeekError::NotYet | SeekError::TooOld { .. }) => {}
    }
}

#[test]
fn a_reader_survives_a_writer_that_scribbles_meanwhile() {
    let journal = Memory::anonymous(&journal_spec(64, 4096), &IDENTITY).unwrap();
    let slow = Memory::anonymous(&slow_spec(), &IDENTITY).unwrap();
    let fast = Memory::anonymous(&fast_spec(SESSIONS), &IDENTITY).unwrap();
    let mut consumer = command_ring_consumer(&slow, &fast).unwrap();
    let mut reader = LogReader::new(journal.clone(), 1).unwrap();
    let (slow_too, journal_too) = (slow.clone(), journal.clone());
    let scribbling = std::thread::spawn(move || {
        let mut random = Random(99);
        for _ in 0..3000 {
            random.scribble(&journal_too);
            random.scribble(&slow_too);
        }
    });
    let mut out = [0; MAX_FRAME_WORDS];
    let mut random = Random(7);
    while !scribbling.is_finished() {
        for _ in 0..100 {
            std::hint::black_box(reader.poll(&mut out));
            if let Ok(Some(_)) = consumer.peek() {
                consumer.advance();
                consumer.release();
            }
        }
        let _ = reader.seek(random.word(reader.head()));
    }
    scribbling.join().unwrap();
}

#[test]
fn the_fastpath_reads_what_the_slowpath_wrote() {
    let slow = Memory::anonymous(&slow_spec(), &IDENTITY).unwrap();
    let (writer, view) = (
        SlowWriter::new(slow.clone()).unwrap(),
        SlowView::new(slow.clone()).unwrap(),
    );
    assert_eq!((view.shadow_state(), view.durable_seq()), (None, 0));
    writer.set_archived_seq(5);
    writer.set_durable_seq(4);
    writer.set_shadow(3, 0xABC);
    writer.heartbeat().beat(9);
    writer.counter(31).add(2);
    assert_eq!(
        (view.archived_seq(), view.durable_seq(), view.shadow_seq()),
        (5, 4, 3)
    );
    assert_eq!(
        (view.shadow_hash(), view.heartbeat(), view.counter(31)),
        (0xABC, 9, Some(2))
    );
    assert_eq!(view.shadow_state(), Some(shm::layout::ShadowState::Ok));
    writer.set_diverged(3);
    assert_eq!(
        (view.shadow_state(), view.diverged_seq()),
        (Some(shm::layout::ShadowState::Diverged), 3)
    );
    assert_eq!(view.pid(), u64::from(std::process::id()));
    assert_eq!(view.process_state(), Some(ProcessState::Running));
    writer.set_process_state(ProcessState::Stopped);
    assert_eq!(view.process_state(), Some(ProcessState::Stopped));
    let _next = SlowWriter::new(slow).unwrap();
    assert_eq!(
        view.process_state(),
        Some(ProcessState::Running),
        "a start clears it"
    );
}

#[test]
fn the_slowpath_reads_what_the_fastpath_wrote() {
    let fast = Memory::anonymous(&fast_spec(SESSIONS), &IDENTITY).unwrap();
    let (writer, view) = (
        FastWriter::new(fast.clone()).unwrap(),
        FastView::new(fast).unwrap(),
    );
    writer.set_out_seq(8);
    assert_eq!(view.process_state(), Some(ProcessState::Running));
    writer.set_process_state(ProcessState::Unfinished);
    writer.set_peer(SESSIONS - 1, 77);
    writer.histogram(7).record(1000);
    let block = writer.tile(15);
    assert!(
        view.tile(15).is_none(),
        "there is no tile before it says what it is"
    );
    block.set_kind(4);
    block.set_state(shm::TileState::Run);
    block.beat(6);
    block.set_polls(10, 3);
    block.counter(39).add(5);
    assert_eq!(
        (view.out_seq(), view.process_state()),
        (8, Some(ProcessState::Unfinished))
    );
    assert_eq!(
        (view.peer(SESSIONS - 1), view.histogram(7).unwrap().max),
        (Some(77), 1000)
    );
    let tile = view.tile(15).unwrap();
    assert_eq!(
        (tile.kind, tile.state, tile.heartbeat),
        (4, Some(shm::TileState::Run), 6)
    );
    assert_eq!((tile.polls, tile.busy_polls, tile.counters[39]), (10, 3, 5));
    assert_eq!(
        tile.counters.iter().sum::<u64>(),
        5,
        "no counter lies in another's place"
    );
}

#[test]
fn the_command_ring_lies_apart_from_everything_else() {
    let slow = Memory::anonymous(&slow_spec(), &IDENTITY).unwrap();
    let fast = Memory::anonymous(&fast_spec(SESSIONS), &IDENTITY).unwrap();
    let (archiver, out) = (
        SlowWriter::new(slow.clone()).unwrap(),
        FastWriter::new(fast.clone()).unwrap(),
    );
    archiver.set_durable_seq(4);
    out.set_out_seq(8);
    let mut producer = command_ring_producer(&slow, &fast).unwrap();
    let mut consumer = command_ring_consumer(&slow, &fast).unwrap();
    for n in 0..10_000u64 {
        producer.push(&[n; 16]).unwrap();
        producer.publish();
        assert_eq!(consumer.peek(), Ok(Some([n; 16])));
        consumer.advance();
        consumer.release();
    }
    assert_eq!(
        (out.view().command_tail(), out.view().out_seq()),
        (10_000, 8)
    );
    assert_eq!(
        (
            archiver.view().durable_seq(),
            archiver.view().archived_seq()
        ),
        (4, 0)
    );
}
