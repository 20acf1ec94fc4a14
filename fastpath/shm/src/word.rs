//! The one atomic type of the workspace.

use crate::mutant;
use std::sync::atomic::Ordering;

#[cfg(loom)]
type Atomic = loom::sync::atomic::AtomicU64;
#[cfg(not(loom))]
#[expect(
    clippy::disallowed_types,
    reason = "the one place where the atomic is wrapped"
)]
type Atomic = std::sync::atomic::AtomicU64;

/// A 64-bit word that one thread or process writes and others may read.
#[cfg(not(loom))]
#[repr(transparent)]
pub struct Word(Atomic);

/// A 64-bit word that one thread or process writes and others may read. Under loom it also carries
/// a cell by which loom sees whether [`Word::owned_get`] and [`Word::owned_set`] are ordered.
#[cfg(loom)]
pub struct Word(Atomic, loom::cell::UnsafeCell<()>);

// SAFETY: the cell holds no data; it is touched only inside `with` and `with_mut`, where loom itself
// reports unordered accesses.
#[cfg(loom)]
#[expect(unsafe_code, reason = "loom's cells are not Sync by themselves")]
unsafe impl Sync for Word {}

impl Word {
    /// A word that holds `value`.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(Atomic::new(value))
    }

    /// A word that holds `value`.
    #[cfg(loom)]
    #[must_use]
    pub fn new(value: u64) -> Self {
        Self(Atomic::new(value), loom::cell::UnsafeCell::new(()))
    }

    /// The value, unordered with everything else.
    #[inline]
    #[must_use]
    pub fn get(&self) -> u64 {
        // ORDER: relaxed by contract; a caller that needs an order uses `acquire` or `fence`.
        self.0.load(Ordering::Relaxed)
    }

    /// Sets the value, unordered with everything else.
    #[inline]
    pub fn set(&self, value: u64) {
        // ORDER: relaxed by contract; a caller that needs an order uses `release` or `fence`.
        self.0.store(value, Ordering::Relaxed);
    }

    /// The value; what its writer did before it released this value is visible afterwards.
    #[inline]
    #[must_use]
    pub fn acquire(&self) -> u64 {
        // ORDER: pairs with `release` of the same word.
        self.0.load(Ordering::Acquire)
    }

    /// Sets the value; whoever acquires it sees everything that was done before.
    #[inline]
    pub fn release(&self, value: u64) {
        // ORDER: pairs with `acquire` of the same word.
        self.0.store(value, Ordering::Release);
    }

    /// The value, with the order that the mutation point `at` stands for.
    #[inline]
    pub(crate) fn load_at(&self, at: &'static str, order: Ordering) -> u64 {
        self.0.load(mutant::order(at, order))
    }

    /// Sets the value, with the order that the mutation point `at` stands for.
    #[inline]
    pub(crate) fn store_at(&self, at: &'static str, value: u64, order: Ordering) {
        self.0.store(value, mutant::order(at, order));
    }

    /// The value of a word that no other thread writes now. Under loom this is checked.
    #[inline]
    pub(crate) fn owned_get(&self) -> u64 {
        #[cfg(loom)]
        self.1.with(|_| ());
        self.get()
    }

    /// Sets a word that no other thread reads or writes now. Under loom this is checked.
    #[inline]
    pub(crate) fn owned_set(&self, value: u64) {
        #[cfg(loom)]
        self.1.with_mut(|_| ());
        self.set(value);
    }
}

impl std::fmt::Debug for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Word({:#x})", self.get())
    }
}

/// A fence with the order that the mutation point `at` stands for.
#[inline]
pub(crate) fn fence_at(at: &'static str, order: Ordering) {
    if mutant::keeps(at) {
        #[cfg(not(loom))]
        std::sync::atomic::fence(order);
        #[cfg(loom)]
        loom::sync::atomic::fence(order);
    }
}
