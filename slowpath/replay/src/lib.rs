//! What was told already, once more: to whoever missed it, from journal memory where that has it and the archive where
//! it must be.
//!
//! [`FeedRequests`] answers for the public feed, [`ReportRequests`] for sessions. Each is a step function over a port and a [`History`], which reads and
//! indexes the journal; neither knows a thread, a clock or a file system, so that a simulator runs the same code as the
//! product. Nothing here is kept across a start: whatever is said follows from the journal.
//!
//! What always holds: nothing is told again that was not told before, and every number has the content that it had.
#![forbid(unsafe_code)]

mod askers;
mod feed;
mod history;
mod index;
mod loaded;
mod reports;
mod sessions;
mod trouble;
mod work;

pub use feed::{FeedCounts, FeedRequests};
pub use history::{Hint, History, Place, Progress, Sources};
pub use reports::{Keys, ReportCounts, ReportRequests};
pub use sessions::Access;
pub use trouble::Unreadable;
pub use work::Work;
