//! The slowpath's counters in the region `slow`, by number. A new one goes to the end.

/// Groups of frames that were written and synced.
pub const GROUPS: usize = 0;
/// How often the archive's storage began to fail.
pub const TROUBLES_BEGUN: usize = 1;
/// How often it worked again. Less than [`TROUBLES_BEGUN`]: it fails at the moment.
pub const TROUBLES_ENDED: usize = 2;
/// How often the shadow engine went back to the archive because it was lapped in journal memory.
pub const SHADOW_LAPPED: usize = 3;
/// The last frame that is in the store: a level, no count.
pub const STORE_SEQ: usize = 4;
/// Rows that were written to the store.
pub const STORE_ROWS: usize = 5;
/// How often the store's database began to fail.
pub const STORE_TROUBLES_BEGUN: usize = 6;
/// How often it worked again. Less than [`STORE_TROUBLES_BEGUN`]: it fails at the moment.
pub const STORE_TROUBLES_ENDED: usize = 7;

/// The names, by number.
pub const NAMES: [&str; 8] = [
    "groups",
    "troubles_begun",
    "troubles_ended",
    "shadow_lapped",
    "store_seq",
    "store_rows",
    "store_troubles_begun",
    "store_troubles_ended",
];
