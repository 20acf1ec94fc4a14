//! Memory shared between the two processes, and between the tiles of one: region files, rings, the
//! journal memory, progress words, counters, histograms.
//!
//! Everything shared is made of [`Word`]s, 64-bit atomics, and every word has one writer. The
//! algorithms ([`ring`], [`log`], [`Histogram`]) are generic over what holds the words ([`Words`]):
//! a mapped file ([`Memory`]) in production, a heap ([`Heap`]) inside one process and under loom.
//! So what loom checks is what runs. Layouts: `docs/JOURNAL.md`.
//!
//! Architecture invariant: this crate knows no domain: it moves words. Nothing that another process
//! may write is trusted: positions are checked where they are read, lengths are bounded before they
//! are used, and what is impossible is a typed fault. No slice into shared memory is ever handed
//! out as bytes, and no word is read twice for one decision.
//!
//! Known limit: a process that may write a region may also shorten its file, and then a reader of
//! it dies of SIGBUS. The permissions of the region's directory are the guard against it.

mod boot;
mod counter;
mod header;
pub mod heartbeat;
mod histogram;
pub mod layout;
pub mod log;
#[cfg(not(loom))]
mod memory;
pub mod mutant;
#[cfg(not(loom))]
mod place;
#[cfg(not(loom))]
mod region;
pub mod ring;
mod word;
mod words;

pub use boot::{boot_id, since_boot};
pub use counter::Counter;
pub use header::{HEADER_WORDS, Header, Identity, LAYOUT_VERSION, RegionError, RegionSpec};
pub use heartbeat::Heartbeat;
pub use histogram::{BUCKETS, HISTOGRAM_WORDS, Histogram, HistogramSnapshot};
pub use layout::{
    FastView, FastWriter, SlowView, SlowWriter, TileBlock, TileState, command_ring_consumer,
    command_ring_producer, fast_spec, slow_spec,
};
pub use log::{
    GateFault, LogError, LogReader, LogWriter, MAX_FRAME_WORDS, Read, SeekError, journal_spec,
};
pub use ring::{Full, RingConsumer, RingFault, RingProducer, SLOT_WORDS, Slot};
pub use word::Word;
pub use words::{Heap, LINE_WORDS, Span, WordAt, Words};

#[cfg(not(loom))]
pub use memory::{Memory, MemoryKind};
#[cfg(not(loom))]
pub use place::Places;
#[cfg(not(loom))]
pub use region::{Found, WriterLock};

/// Under loom nothing is mapped: its atomics have another size.
#[cfg(loom)]
pub use words::Heap as Memory;
