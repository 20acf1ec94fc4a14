//! An allocator that can be closed: what allocates after start-up is counted.
//!
//! The hot path is closed once every table is made. The process goes on if something allocates all
//! the same, because refusing memory would stop the exchange; the counter stands in shared memory's
//! tile blocks, a test holds it at zero under load, and `sluice status` shows it.

use std::alloc::{GlobalAlloc, Layout, System};
#[expect(
    clippy::disallowed_types,
    reason = "a counter of all threads of this process, not shared memory"
)]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::{AtomicBool, Ordering};

#[expect(clippy::disallowed_types, reason = "see above")]
type Counter = AtomicU64;

/// The system's allocator with a count of calls after [`CountingAllocator::close`].
#[derive(Debug)]
pub struct CountingAllocator {
    closed: AtomicBool,
    calls: Counter,
}

impl CountingAllocator {
    /// Open: nothing is counted.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            closed: AtomicBool::new(false),
            calls: Counter::new(0),
        }
    }

    /// From now on calls are counted.
    pub fn close(&self) {
        // ORDER: a thread that sees this late miscounts its last calls of start-up; nothing is
        // published by it.
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Allocations and re-allocations since it was closed.
    #[must_use]
    pub fn calls(&self) -> u64 {
        // ORDER: a count; it orders nothing.
        self.calls.load(Ordering::Relaxed)
    }

    fn count(&self) {
        // ORDER: see `close` and `calls`.
        if self.closed.load(Ordering::Relaxed) {
            self.calls.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Default for CountingAllocator {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: every call is handed on to the system's allocator with the same arguments, so its
// contract is kept by the caller's keeping ours; counting touches two words and allocates nothing.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.count();
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: `at` came from `System` through us, with this layout.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.count();
        // SAFETY: as for `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        self.count();
        // SAFETY: `at` came from `System` through us, with this layout; the caller keeps the rest.
        unsafe { System.realloc(at, layout, new_size) }
    }
}
