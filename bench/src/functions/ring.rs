//! A hop over the ring between two tiles.

use shm::{Heap, RingConsumer, RingProducer, SLOT_WORDS, ring};
use std::hint::{black_box, spin_loop};

use super::{Entry, Subject};

const CAPACITY: usize = 1_024;

pub(super) const HERE: Entry = Entry {
    name: "ring-here",
    what: "a request of 16 words is pushed, published, read and released, on one thread",
    batch: 10_000,
    is_counted: true,
    make: || {
        let (to, from) = ring::heap(CAPACITY);
        Box::new(Here { to, from })
    },
};

pub(super) const ACROSS: Entry = Entry {
    name: "ring-across",
    what: "the same to another thread that spins: half of the way there and back",
    batch: 2_000,
    is_counted: false,
    make: || Box::new(Across::start()),
};

struct Here {
    to: RingProducer<Heap>,
    from: RingConsumer<Heap>,
}

fn push(to: &mut RingProducer<Heap>, number: u64) {
    to.push(black_box(&[number; SLOT_WORDS]))
        .expect("the ring was emptied");
    to.publish();
}

fn take(from: &mut RingConsumer<Heap>) -> Option<u64> {
    let slot = black_box(from.peek().expect("both ends are ours")?);
    from.advance();
    from.release();
    Some(slot[0])
}

impl Subject for Here {
    fn run(&mut self, count: u64) -> u64 {
        let mut sum = 0;
        for number in 1..=count {
            push(&mut self.to, number);
            sum += take(&mut self.from).unwrap_or(0);
        }
        sum
    }
}

/// Sent to end the other thread.
const END: u64 = u64::MAX;

struct Across {
    to: RingProducer<Heap>,
    from: RingConsumer<Heap>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Across {
    fn start() -> Self {
        let (to, mut there) = ring::heap(CAPACITY);
        let (mut back, from) = ring::heap(CAPACITY);
        let thread = std::thread::spawn(move || {
            loop {
                match take(&mut there) {
                    Some(END) => return,
                    Some(number) => push(&mut back, number),
                    None => spin_loop(),
                }
            }
        });
        Self {
            to,
            from,
            thread: Some(thread),
        }
    }
}

impl Drop for Across {
    fn drop(&mut self) {
        push(&mut self.to, END);
        if let Some(thread) = self.thread.take() {
            // It cannot have panicked without the subject having waited for ever.
            drop(thread.join());
        }
    }
}

impl Subject for Across {
    fn run(&mut self, count: u64) -> u64 {
        let mut sum = 0;
        // An operation is one way.
        for number in 1..=count.div_ceil(2) {
            push(&mut self.to, number);
            sum += loop {
                if let Some(number) = take(&mut self.from) {
                    break number;
                }
                spin_loop();
            };
        }
        sum
    }
}
