//! The journal memory against a list of frames: every sequence of operations, with writers killed
//! after any store of theirs.
#![cfg(not(loom))]

use proptest::prelude::*;
use shm::{GateFault, HEADER_WORDS, Heap, LINE_WORDS, LogError, LogReader, LogWriter, log};
use shm::{MAX_FRAME_WORDS, Read, SeekError, Words};

const HEAD: usize = HEADER_WORDS;
const RESERVED: usize = HEAD + LINE_WORDS;
const INDEX: usize = HEAD + 3 * LINE_WORDS;

#[derive(Clone, Debug)]
enum Op {
    Append(Vec<u64>),
    /// A writer is killed after so many stores of an append, and another one comes.
    Kill(Vec<u64>, usize),
    Gate(u64),
    Poll,
    Seek(u64),
    ReadAt(u64),
}

/// Frames whose words look like commit words, because whatever a client sends lands here.
fn frame() -> impl Strategy<Value = Vec<u64>> {
    let word = prop_oneof![
        (1..6u64, 0..8u64).prop_map(|(lap, len)| lap << 24 | len),
        any::<u64>()
    ];
    prop::collection::vec(word, 1..12)
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => frame().prop_map(Op::Append),
        2 => (frame(), 0..18usize).prop_map(|(frame, stores)| Op::Kill(frame, stores)),
        4 => (0..5u64).prop_map(Op::Gate),
        6 => Just(Op::Poll),
        1 => (0..9u64).prop_map(Op::Seek),
        2 => (0..9u64).prop_map(Op::ReadAt),
    ]
}

fn place(n: u64) -> usize {
    usize::try_from(n).expect("64-bit machines only")
}

struct Bench {
    memory: Heap,
    frames: usize,
    words: usize,
    /// Seq of the frame before the first of `written`.
    base: u64,
    written: Vec<Vec<u64>>,
    /// The position of the next commit word.
    end: usize,
    /// The highest gate ever: frames above it must be whole.
    highest_gate: u64,
    writer: LogWriter<Heap>,
    reader: LogReader<Heap>,
    out: Box<[u64; MAX_FRAME_WORDS]>,
}

impl Bench {
    fn new(frames: usize, words: usize, first: u64) -> Self {
        let memory = log::heap(frames, words);
        let mut writer = LogWriter::attach(memory.clone()).expect("a new memory");
        writer.start_at(first).expect("it is empty");
        let reader = LogReader::new(memory.clone(), first).expect("a journal memory");
        let (base, out) = (first - 1, Box::new([0; MAX_FRAME_WORDS]));
        let written = Vec::new();
        Self {
            memory,
            frames,
            words,
            base,
            written,
            end: 0,
            highest_gate: base,
            writer,
            reader,
            out,
        }
    }

    fn head(&self) -> u64 {
        self.base + self.written.len() as u64
    }

    fn append(&mut self, frame: &[u64]) -> bool {
        // The last frame stays, whatever the gate.
        let kept = self.written.last().map_or(0, |last| 1 + last.len());
        let fits = kept + frame.len() + 2 <= self.words;
        let room = self.writer.has_room(frame.len());
        if self.writer.gate_seq() == self.head() {
            assert_eq!(room, fits, "all is archived");
        }
        assert!(fits || !room);
        if room {
            assert_eq!(self.writer.append(frame), self.head() + 1);
            self.written.push(frame.to_vec());
            self.end += 1 + frame.len();
        }
        room
    }

    /// Appends, then takes back all but the first `stores` of the stores, in the order in which the
    /// protocol makes them, and attaches a new writer.
    fn kill(&mut self, frame: &[u64], stores: usize) {
        let values = |memory: &Heap| {
            memory
                .words()
                .iter()
                .map(shm::Word::get)
                .collect::<Vec<_>>()
        };
        let (before, end) = (values(&self.memory), self.end);
        if !self.append(frame) {
            return;
        }
        let after = values(&self.memory);
        let at = |position: usize| INDEX + self.frames + position % self.words;
        let index = INDEX + place(self.head()) % self.frames;
        let content = (end + 1..=end + 1 + frame.len()).map(at);
        let order: Vec<_> = [RESERVED, index]
            .into_iter()
            .chain(content)
            .chain([at(end), HEAD])
            .collect();
        for (word, value) in self.memory.words().iter().zip(&before) {
            word.set(*value);
        }
        for place in order.iter().take(stores) {
            self.memory.words()[*place].set(after[*place]);
        }
        let happened = stores + 1 >= order.len();
        if stores >= order.len() {
            assert_eq!(values(&self.memory), after, "the test knows every store");
        }
        if !happened {
            self.written.pop();
            self.end = end;
        }
        self.writer =
            LogWriter::attach(self.memory.clone()).expect("a killed writer harms nothing");
        assert_eq!(
            self.writer.head(),
            self.head(),
            "after {stores} of {} stores",
            order.len()
        );
        assert!(
            self.writer.gate_seq() <= self.highest_gate.max(self.base),
            "a frame is lost"
        );
    }

    fn gate(&mut self, durable: u64) {
        let (gate, head) = (self.writer.gate_seq(), self.head());
        let expected = if durable < gate {
            Err(GateFault::Backwards { gate, durable })
        } else if durable > head {
            Err(GateFault::BeyondHead { head, durable })
        } else {
            Ok(())
        };
        assert_eq!(self.writer.gate(durable), expected);
        if expected.is_ok() {
            self.highest_gate = self.highest_gate.max(durable);
            assert_eq!(self.writer.gate_seq(), durable);
        } else {
            assert_eq!(self.writer.gate_seq(), gate, "a fault changes nothing");
        }
    }

    fn check(&self, seq: u64, read: Read) {
        match read {
            Read::Frame(len) => {
                let expected = &self.written[place(seq - self.base - 1)];
                assert_eq!(&self.out[..len], expected.as_slice(), "frame {seq}");
            }
            Read::Empty => assert!(seq > self.head(), "frame {seq} is there"),
            Read::Lapped => assert!(
                seq <= self.highest_gate,
                "frame {seq} was not to be overwritten"
            ),
            Read::Corrupt => panic!("a whole memory called corrupt at {seq}"),
        }
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Append(frame) => drop(self.append(&frame)),
            Op::Kill(frame, stores) => self.kill(&frame, stores),
            Op::Gate(back) => self.gate((self.head() + 1).saturating_sub(back)),
            Op::Poll => {
                let seq = self.reader.next_seq();
                let read = self.reader.poll(&mut self.out);
                self.check(seq, read);
                if read == Read::Lapped {
                    self.reader
                        .seek(self.writer.oldest())
                        .expect("it is there, or the next");
                }
            }
            Op::Seek(back) => {
                let (seq, next) = (
                    (self.head() + 2).saturating_sub(back),
                    self.reader.next_seq(),
                );
                match self.reader.seek(seq) {
                    Ok(()) => {
                        assert_eq!(self.reader.next_seq(), seq);
                        assert!(seq <= self.head() + 1, "nobody knows where {seq} will be");
                    }
                    Err(SeekError::NotYet) => assert!(seq > self.head() + 1),
                    Err(SeekError::TooOld { oldest }) => {
                        assert!(seq <= self.highest_gate && seq < oldest);
                        assert_eq!(oldest, self.writer.oldest());
                        assert_eq!(self.reader.next_seq(), next, "it stays where it was");
                    }
                }
            }
            Op::ReadAt(back) => {
                let seq = (self.head() + 1).saturating_sub(back);
                let read = self.reader.read_at(seq, &mut self.out);
                self.check(seq, read);
            }
        }
    }

    /// Every frame above the highest gate is there, and so is every one from the oldest on.
    fn finish(mut self) {
        assert!(self.writer.oldest() <= self.highest_gate + 1);
        for seq in self.writer.oldest()..=self.head() {
            let read = self.reader.read_at(seq, &mut self.out);
            assert!(matches!(read, Read::Frame(_)), "{seq}: {read:?}");
            self.check(seq, read);
        }
        let before = self.writer.oldest() - 1;
        if before > 0 {
            assert_eq!(self.reader.read_at(before, &mut self.out), Read::Lapped);
        }
        let again = LogWriter::attach(self.memory.clone()).expect("an honest memory");
        assert_eq!(
            (again.head(), again.oldest()),
            (self.head(), self.writer.oldest())
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn the_memory_is_a_list_of_frames(
        ops in prop::collection::vec(op(), 1..150),
        frames in prop_oneof![Just(4), Just(8), Just(32)],
        words in prop_oneof![Just(16), Just(32), Just(64)],
        first in prop_oneof![Just(1), Just(1000u64)],
    ) {
        let mut bench = Bench::new(frames, words, first);
        for op in ops {
            bench.step(op);
        }
        bench.finish();
    }
}

#[test]
fn a_writer_killed_at_any_store_leaves_the_frame_whole_or_absent() {
    for stores in 0..=12 {
        let mut bench = Bench::new(4, 16, 1);
        for seq in 1..20u64 {
            bench.gate(bench.head());
            bench.kill(&[seq, 2, 3, 4, 5, 6, 7], stores);
            bench.append(&[seq, 2 << 24 | 1]);
            bench.step(Op::ReadAt(1));
        }
        bench.finish();
    }
}

#[test]
fn a_commit_word_of_another_lap_is_no_frame() {
    let mut bench = Bench::new(4, 16, 1);
    bench.append(&[7, 7]);
    bench.step(Op::Poll);
    let next = &bench.memory.words()[INDEX + 4 + 3];
    assert_eq!(next.get(), 0, "the next commit word has its place");
    next.set(2 << 24 | 2);
    assert_eq!(bench.reader.poll(&mut bench.out), Read::Corrupt);
    let head = LogWriter::attach(bench.memory.clone()).map(|writer| writer.head());
    assert_eq!(head, Ok(1), "a writer does not take it for one either");
    next.set(1 << 24 | 2);
    let refused = LogWriter::attach(bench.memory.clone()).map(|writer| writer.head());
    assert_eq!(
        refused,
        Err(LogError::Head {
            head: 2,
            position: 3
        }),
        "it is not in the index"
    );
}

#[test]
fn the_largest_frame_fits_and_wraps() {
    let mut bench = Bench::new(8, 4096, 1);
    for seq in 0..10 {
        bench.gate(bench.head());
        assert!(bench.append(&[seq; MAX_FRAME_WORDS]));
        bench.step(Op::Poll);
    }
    bench.gate(bench.head());
    assert!(!bench.writer.has_room(MAX_FRAME_WORDS + 1) && !bench.writer.has_room(0));
    bench.finish();
}

#[test]
fn only_an_empty_memory_starts_at_a_chosen_seq() {
    let memory = log::heap(4, 16);
    let mut writer = LogWriter::attach(memory.clone()).unwrap();
    assert_eq!(
        (writer.head(), writer.oldest(), writer.gate_seq()),
        (0, 1, 0)
    );
    writer.start_at(500).unwrap();
    assert_eq!(
        (writer.head(), writer.oldest(), writer.gate_seq()),
        (499, 500, 499)
    );
    drop(writer);
    let mut writer = LogWriter::attach(memory.clone()).unwrap();
    assert_eq!(writer.head(), 499, "it is remembered");
    assert_eq!(writer.append(&[1]), 500);
    assert_eq!(writer.start_at(7), Err(LogError::NotEmpty { head: 500 }));
    let mut writer = LogWriter::attach(memory.clone()).unwrap();
    assert_eq!(writer.start_at(7), Err(LogError::NotEmpty { head: 500 }));
    let reader = LogReader::new(memory, 1).unwrap();
    let mut out = [0; MAX_FRAME_WORDS];
    assert_eq!(reader.read_at(499, &mut out), Read::Lapped);
    assert_eq!(reader.read_at(500, &mut out), Read::Frame(1));
    assert_eq!(reader.read_at(501, &mut out), Read::Empty);
}

#[test]
#[should_panic(expected = "append without asking for room")]
fn nothing_is_appended_without_room() {
    let mut writer = LogWriter::attach(log::heap(4, 16)).unwrap();
    writer.append(&[0; 8]);
    writer.append(&[0; 8]);
}

#[test]
fn a_reader_follows_a_writer_in_another_thread() {
    let memory = log::heap(64, 1024);
    let mut writer = LogWriter::attach(memory.clone()).unwrap();
    let mut reader = LogReader::new(memory, 1).unwrap();
    const FRAMES: u64 = 200_000;
    let writing = std::thread::spawn(move || {
        for seq in 1..=FRAMES {
            writer.gate(seq - 1).unwrap();
            writer.append(&vec![seq; 1 + place(seq) % 30]);
            if seq % 100 == 0 {
                std::thread::yield_now();
            }
        }
    });
    let (mut out, mut read, mut lapped) = (Box::new([0; MAX_FRAME_WORDS]), 0, 0);
    while reader.next_seq() <= FRAMES {
        let seq = reader.next_seq();
        match reader.poll(&mut out) {
            Read::Frame(len) => {
                assert_eq!(len, 1 + place(seq) % 30);
                assert!(
                    out[..len].iter().all(|word| *word == seq),
                    "frame {seq} is torn"
                );
                read += 1;
            }
            Read::Empty => std::thread::yield_now(),
            Read::Lapped => {
                lapped += 1;
                // It may be overwritten between being found and being sought.
                reader.seek(reader.oldest()).ok();
            }
            Read::Corrupt => panic!("a whole memory called corrupt at {seq}"),
        }
    }
    writing.join().unwrap();
    assert!(read > 0, "{read} read, lapped {lapped} times");
}
