//! An allocator that can be closed: what it gives before is all there, and what allocates after
//! start-up is counted.
//!
//! The kernel gives a page when it is first touched, a microsecond or two in the middle of an order.
//! So until it is closed, the allocator touches every page of what it hands out: the tables are the
//! process's own when the hot path begins, whoever made them and whether or not he filled them. Tables of
//! 2 MiB and more are asked for in huge pages, where the kernel gives them on advice: an order touches a
//! few places far apart, and each small page costs it a walk through the page tables.
//!
//! The hot path is closed once every table is made. The process goes on if something allocates all
//! the same, because refusing memory would stop the exchange; the counter stands in shared memory's
//! tile blocks, a test holds it at zero under load, and `sluice status` shows it.

use rustix::mm::{Advice, madvise};
use std::alloc::{GlobalAlloc, Layout, System};
#[expect(
    clippy::disallowed_types,
    reason = "a counter of all threads of this process, not shared memory"
)]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::{AtomicBool, Ordering};

#[expect(clippy::disallowed_types, reason = "see above")]
type Counter = AtomicU64;

/// Pages are this large or a multiple of it.
const PAGE_BYTES: usize = 4096;
/// A huge page.
const HUGE_PAGE_BYTES: usize = 2 << 20;

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

    /// Counts a call, or touches what it gave: bytes `from .. to` of the allocation `at`, which
    /// hold nothing yet or zeros.
    ///
    /// # Safety
    /// `at` is null or an allocation of at least `to` bytes that nobody else has yet.
    unsafe fn opened(&self, at: *mut u8, from: usize, to: usize) -> *mut u8 {
        // ORDER: see `close` and `calls`.
        if self.closed.load(Ordering::Relaxed) {
            self.calls.fetch_add(1, Ordering::Relaxed);
        } else if !at.is_null() && from < to {
            if to - from >= HUGE_PAGE_BYTES {
                // SAFETY: as of this function; the bytes are within the allocation.
                unsafe { advise_huge_pages(at.wrapping_add(from), to - from) };
            }
            let pages = (from..to).step_by(PAGE_BYTES);
            for offset in pages.chain([to - 1]) {
                // SAFETY: below `to`, so within the allocation, which is writable and not shared.
                unsafe { at.wrapping_add(offset).write_volatile(0) };
            }
        }
        at
    }
}

/// Asks for huge pages where these bytes lie. A kernel that gives none goes on with small ones.
///
/// # Safety
/// The bytes belong to an allocation of this process.
unsafe fn advise_huge_pages(at: *mut u8, bytes: usize) {
    let before = at.addr().next_multiple_of(PAGE_BYTES) - at.addr();
    let whole = bytes.saturating_sub(before) / PAGE_BYTES * PAGE_BYTES;
    // SAFETY: whole pages within the allocation; advice on their size changes nothing that they hold.
    let advised = unsafe { madvise(at.wrapping_add(before).cast(), whole, Advice::LinuxHugepage) };
    // Without huge pages everything works, only slower.
    let _: rustix::io::Result<()> = advised;
}

impl Default for CountingAllocator {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: every call is handed on to the system's allocator with the same arguments, so its
// contract is kept by the caller's keeping ours; counting touches two words and allocates nothing,
// and zeros are written only where there is nothing or zeros.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        let at = unsafe { System.alloc(layout) };
        // SAFETY: fresh, of this size, and its bytes hold nothing.
        unsafe { self.opened(at, 0, layout.size()) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: `at` came from `System` through us, with this layout.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as for `alloc`.
        let at = unsafe { System.alloc_zeroed(layout) };
        // SAFETY: fresh, of this size, and its bytes are zeros.
        unsafe { self.opened(at, 0, layout.size()) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: `at` came from `System` through us, with this layout; the caller keeps the rest.
        let at = unsafe { System.realloc(at, layout, new_size) };
        // SAFETY: of the new size; what is behind the old one holds nothing.
        unsafe { self.opened(at, layout.size(), new_size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Page faults of this thread so far.
    fn faults() -> u64 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let fields = stat.rsplit(')').next().unwrap();
        fields.split_whitespace().nth(7).unwrap().parse().unwrap()
    }

    /// Faults of writing to every page of a large table made by `allocator`.
    fn faults_of_a_table(allocator: &CountingAllocator) -> u64 {
        let layout = Layout::from_size_align(64 << 20, 8).unwrap();
        // SAFETY: the size is not 0.
        let table = unsafe { allocator.alloc_zeroed(layout) };
        let before = faults();
        for offset in (0..layout.size()).step_by(PAGE_BYTES) {
            // SAFETY: within the allocation.
            unsafe { table.wrapping_add(offset).write_volatile(1) };
        }
        let after = faults();
        // SAFETY: it came from this allocator with this layout.
        unsafe { allocator.dealloc(table, layout) };
        after - before
    }

    /// KiB of huge pages that this process has where `at` lies.
    fn huge_kib(at: *mut u8) -> u64 {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut within = false;
        for line in maps.lines() {
            let range = line.split_whitespace().next().unwrap();
            if let Some((from, to)) = range.split_once('-') {
                let parse = |text| usize::from_str_radix(text, 16).unwrap();
                within = (parse(from)..parse(to)).contains(&at.addr());
            } else if within && let Some(kib) = line.strip_prefix("AnonHugePages:") {
                return kib.trim().trim_end_matches(" kB").parse().unwrap();
            }
        }
        0
    }

    #[test]
    fn a_large_table_lies_on_huge_pages_where_they_are_to_be_had() {
        let mode = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
        let allocator = CountingAllocator::new();
        let layout = Layout::from_size_align(64 << 20, 8).unwrap();
        // SAFETY: the size is not 0.
        let table = unsafe { allocator.alloc_zeroed(layout) };
        let kib = huge_kib(table.wrapping_add(layout.size() / 2));
        // SAFETY: it came from this allocator with this layout.
        unsafe { allocator.dealloc(table, layout) };
        if mode.is_ok_and(|mode| !mode.contains("[never]")) {
            assert!(kib >= 32 << 10, "{kib} KiB of 64 MiB");
        }
    }

    #[test]
    fn what_it_gives_before_it_is_closed_is_there() {
        // Looking at the faults makes a few of its own.
        const LOOKING: u64 = 16;
        let allocator = CountingAllocator::new();
        let faults = faults_of_a_table(&allocator);
        assert!(faults <= LOOKING, "{faults}");
        assert_eq!(allocator.calls(), 0);
        allocator.close();
        let faults = faults_of_a_table(&allocator);
        assert!(faults > LOOKING, "pages come when touched: {faults}");
        assert_eq!(allocator.calls(), 1);
    }
}
