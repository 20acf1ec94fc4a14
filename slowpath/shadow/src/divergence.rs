//! Where and how the shadow engine and the journal part.

use crate::conservation::Unbalanced;
use core::fmt;
use domain::{Event, Seq, Source};
use journal::ChainError;

/// The first difference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "seq {seq}: {found}; keep the archive and both binaries, stop settlement, and replay with the version that wrote this frame"
)]
pub struct Divergence {
    /// The frame.
    pub seq: Seq,
    /// What differs.
    pub found: Found,
}

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The frame does not continue those before it.
    Chain(ChainError),
    /// The frame was applied by rules that the shadow engine is not using.
    EngineVersion {
        /// The frame's.
        journal: u16,
        /// The shadow engine's.
        shadow: u16,
    },
    /// The command could not have been sequenced: its number is not admitted.
    NotAdmitted {
        /// Whose.
        source: Source,
        /// Its number.
        number: u64,
    },
    /// The command could not have been sequenced: it is a `Continue` of no pending sweep, or a sweep
    /// is pending and it is not its `Continue`.
    OutOfTurn,
    /// The checkpoint's hash is not that of the shadow engine's state.
    StateHash {
        /// The journal's.
        journal: u64,
        /// The shadow engine's.
        shadow: u64,
    },
    /// An event differs, or one of them has fewer.
    Event {
        /// The first that differs, counted from 0.
        index: usize,
        /// The journal's, if it has so many.
        journal: Option<Box<Event>>,
        /// The shadow engine's, if it has so many.
        shadow: Option<Box<Event>>,
    },
    /// Funds are not conserved, in both.
    Funds(Unbalanced),
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain(error) => write!(f, "{error}"),
            Self::EngineVersion { journal, shadow } => write!(
                f,
                "applied by engine version {journal}, but version {shadow} is in force"
            ),
            Self::NotAdmitted { source, number } => {
                write!(f, "number {number} of {source} is not admitted")
            }
            Self::OutOfTurn => f.write_str("the command does not fit the pending sweep"),
            Self::StateHash { journal, shadow } => write!(
                f,
                "the checkpoint says state hash {journal:016x}, the shadow engine has {shadow:016x}"
            ),
            Self::Event {
                index,
                journal,
                shadow,
            } => {
                write!(f, "event {index}: the journal has ")?;
                event(f, journal.as_deref())?;
                f.write_str(", the shadow engine ")?;
                event(f, shadow.as_deref())
            }
            Self::Funds(error) => write!(f, "{error}"),
        }
    }
}

fn event(f: &mut fmt::Formatter<'_>, event: Option<&Event>) -> fmt::Result {
    match event {
        Some(event) => write!(f, "{event:?}"),
        None => f.write_str("none"),
    }
}
