//! The ring against a queue: every sequence of operations, and restarts of either end.
#![cfg(not(loom))]

use proptest::prelude::*;
use shm::{Full, Heap, LINE_WORDS, RingConsumer, RingProducer, SLOT_WORDS, Slot, Span, WordAt};
use shm::{RingFault, Words, ring};
use std::collections::VecDeque;

const CAPACITY: usize = 4;

#[derive(Clone, Copy, Debug)]
enum Op {
    Push,
    Publish,
    Take,
    Release,
    RestartProducer,
    RestartConsumer,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => Just(Op::Push),
        2 => Just(Op::Publish),
        4 => Just(Op::Take),
        2 => Just(Op::Release),
        1 => Just(Op::RestartProducer),
        1 => Just(Op::RestartConsumer),
    ]
}

fn producer(memory: &Heap) -> RingProducer<Heap> {
    let (head, tail) = (WordAt::new(memory, 0), WordAt::new(memory, LINE_WORDS));
    RingProducer::resume(slots(memory), head, tail)
}

fn consumer(memory: &Heap) -> RingConsumer<Heap> {
    let (head, tail) = (WordAt::new(memory, 0), WordAt::new(memory, LINE_WORDS));
    RingConsumer::resume(slots(memory), head, tail)
}

fn slots(memory: &Heap) -> Span<Heap> {
    Span::new(memory, 2 * LINE_WORDS, CAPACITY * SLOT_WORDS)
}

fn memory() -> Heap {
    Heap::new(2 * LINE_WORDS + CAPACITY * SLOT_WORDS)
}

fn slot(n: u64) -> Slot {
    std::array::from_fn(|i| n * 100 + i as u64)
}

/// The ring as three queues: pushed only, published, taken but not released.
#[derive(Default)]
struct Oracle {
    pushed: VecDeque<u64>,
    published: VecDeque<u64>,
    taken: VecDeque<u64>,
    next: u64,
}

impl Oracle {
    fn used(&self) -> usize {
        self.pushed.len() + self.published.len() + self.taken.len()
    }
}

proptest! {
    #[test]
    fn a_ring_is_a_queue(
        ops in prop::collection::vec(op(), 1..200),
        start in prop_oneof![Just(0), Just(u64::MAX - 5), any::<u64>()],
    ) {
        let memory = memory();
        // Positions count for ever; here they may wrap, which takes centuries.
        memory.words()[0].set(start);
        memory.words()[LINE_WORDS].set(start);
        let (mut producer_end, mut consumer_end) = (producer(&memory), consumer(&memory));
        let mut oracle = Oracle::default();
        for op in ops {
            match op {
                Op::Push => {
                    let full = oracle.used() == CAPACITY;
                    let pushed = producer_end.push(&slot(oracle.next));
                    prop_assert_eq!(pushed, if full { Err(Full) } else { Ok(()) });
                    if !full {
                        oracle.pushed.push_back(oracle.next);
                        oracle.next += 1;
                    }
                    prop_assert_eq!(producer_end.free(), CAPACITY - oracle.used());
                }
                Op::Publish => {
                    producer_end.publish();
                    oracle.published.append(&mut oracle.pushed);
                }
                Op::Take => {
                    let published: Vec<_> = oracle.published.iter().copied().map(slot).collect();
                    let expected = oracle.published.pop_front();
                    prop_assert_eq!(consumer_end.peek(), Ok(expected.map(slot)));
                    let behind: Vec<_> = (0..=CAPACITY).map_while(|n| consumer_end.peek_behind(n)).collect();
                    prop_assert!(published.starts_with(&behind), "what is published, in its order");
                    prop_assert_eq!(behind.is_empty(), expected.is_none());
                    if let Some(n) = expected {
                        prop_assert_eq!(consumer_end.peek(), Ok(Some(slot(n))), "peeking moves nothing");
                        consumer_end.advance();
                        oracle.taken.push_back(n);
                    }
                }
                Op::Release => {
                    consumer_end.release();
                    oracle.taken.clear();
                }
                // Positions that wrap make a stored head look smaller than the tail.
                Op::RestartProducer if start < u64::MAX / 2 => {
                    producer_end = producer(&memory);
                    oracle.pushed.clear();
                }
                Op::RestartProducer => {}
                Op::RestartConsumer => {
                    consumer_end = consumer(&memory);
                    oracle.taken.append(&mut oracle.published);
                    std::mem::swap(&mut oracle.taken, &mut oracle.published);
                }
            }
        }
    }
}

#[test]
fn two_threads_pass_a_million_slots_in_order() {
    const SLOTS: u64 = 1_000_000;
    let (mut producer, mut consumer) = ring::heap(64);
    let pushing = std::thread::spawn(move || {
        for n in 0..SLOTS {
            while producer.push(&slot(n)).is_err() {
                producer.publish();
                std::thread::yield_now();
            }
            if n % 7 == 0 {
                producer.publish();
            }
        }
        producer.publish();
    });
    let mut next = 0;
    while next < SLOTS {
        match consumer.peek().expect("the producer is honest") {
            Some(found) => {
                assert_eq!(found, slot(next));
                next += 1;
                consumer.advance();
            }
            None => std::thread::yield_now(),
        }
        if next % 5 == 0 {
            consumer.release();
        }
    }
    pushing.join().expect("the producer ends");
    assert_eq!(consumer.peek(), Ok(None));
}

#[test]
fn all_that_was_published_before_a_look_can_be_peeked() {
    let memory = memory();
    let (mut producer, mut consumer) = (producer(&memory), consumer(&memory));
    for n in 0..3 {
        producer.push(&slot(n)).expect("there is room");
    }
    producer.publish();
    assert_eq!(consumer.peek_behind(0), None, "nobody has looked");
    assert_eq!(consumer.peek(), Ok(Some(slot(0))));
    let behind = [0, 1, 2, 3].map(|n| consumer.peek_behind(n));
    assert_eq!(behind, [Some(slot(0)), Some(slot(1)), Some(slot(2)), None]);
    consumer.advance();
    assert_eq!(consumer.peek_behind(1), Some(slot(2)));
    assert_eq!(consumer.peek(), Ok(Some(slot(1))), "peeking moves nothing");
}

#[test]
fn an_impossible_head_is_a_fault_until_it_is_possible_again() {
    let memory = memory();
    let (mut producer, mut consumer) = (producer(&memory), consumer(&memory));
    for n in 0..2 {
        producer.push(&slot(n)).expect("four are free");
        producer.publish();
        assert_eq!(consumer.peek(), Ok(Some(slot(n))));
        consumer.advance();
    }
    let head = &memory.words()[0];
    let overrun = 1 + CAPACITY as u64;
    for (found, fault) in [
        (1, RingFault::Backwards { seen: 2, found: 1 }),
        (
            overrun,
            RingFault::Overrun {
                tail: 0,
                found: overrun,
            },
        ),
        (
            u64::MAX,
            RingFault::Overrun {
                tail: 0,
                found: u64::MAX,
            },
        ),
    ] {
        head.set(found);
        assert_eq!(consumer.peek(), Err(fault));
        assert_eq!(consumer.peek(), Err(fault), "it stays one");
    }
    head.set(3);
    assert!(matches!(consumer.peek(), Ok(Some(_))), "the ring goes on");
}

#[test]
fn an_impossible_tail_frees_no_slot() {
    let memory = memory();
    let mut producer = producer(&memory);
    for n in 0..4 {
        producer.push(&slot(n)).expect("four are free");
    }
    for tail in [5, u64::MAX, 1 << 63] {
        memory.words()[LINE_WORDS].set(tail);
        assert_eq!(
            (producer.push(&slot(9)), producer.free()),
            (Err(Full), 0),
            "tail {tail}"
        );
    }
    memory.words()[LINE_WORDS].set(2);
    assert_eq!(producer.free(), 2);
    memory.words()[LINE_WORDS].set(1);
    assert_eq!(
        producer.free(),
        2,
        "a tail that goes back takes nothing away"
    );
}

#[test]
fn a_producer_whose_memory_is_new_begins_where_the_consumer_is() {
    for (head, tail) in [(0, 57), (57, 0), (3, u64::MAX)] {
        let memory = memory();
        memory.words()[0].set(head);
        memory.words()[LINE_WORDS].set(tail);
        let mut consumer = consumer(&memory);
        let mut producer = producer(&memory);
        assert_eq!(consumer.peek(), Ok(None), "head {head}, tail {tail}");
        producer.push(&slot(7)).expect("it is empty");
        producer.publish();
        assert_eq!(consumer.peek(), Ok(Some(slot(7))));
    }
}

#[test]
fn what_is_erased_is_gone_from_memory_and_its_slot_is_free() {
    let memory = memory();
    let (mut producer, mut consumer) = (producer(&memory), consumer(&memory));
    for n in 1..=4 {
        producer.push(&slot(n)).expect("four are free");
    }
    producer.publish();
    for n in 1..=2 {
        assert_eq!(consumer.peek(), Ok(Some(slot(n))));
        consumer.advance_and_erase();
    }
    consumer.release();
    let words: Vec<u64> = memory.words()[2 * LINE_WORDS..]
        .iter()
        .map(shm::Word::get)
        .collect();
    let (erased, kept) = words.split_at(2 * SLOT_WORDS);
    assert!(erased.iter().all(|word| *word == 0));
    assert_eq!(kept, [slot(3), slot(4)].concat());
    producer.push(&slot(5)).expect("it was released");
    producer.publish();
    for n in 3..=5 {
        assert_eq!(consumer.peek(), Ok(Some(slot(n))));
        consumer.advance();
    }
}

#[test]
#[should_panic(expected = "advance without a slot")]
fn what_was_not_there_cannot_be_left_behind() {
    ring::heap(1).1.advance();
}
