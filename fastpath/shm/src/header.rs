//! The header of a region: what it is, who writes it, since when.

use crate::{Memory, Word, Words};
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// The version of all layouts in this crate. Shared memory is never migrated. In version 1, never released,
/// heartbeats were UTC, and a peer's word said nothing of the key that its client had; in version 2, nor released, a
/// region did not say whose it was; in version 3, neither, the slowpath had fewer counters.
pub const LAYOUT_VERSION: u64 = 4;

/// Words of the header.
#[cfg(not(loom))]
pub const HEADER_WORDS: usize = 64;
/// Words of the header. Loom pays for every word, so the spare ones are left out.
#[cfg(loom)]
pub const HEADER_WORDS: usize = 16;

const MAGIC: usize = 0;
const VERSION: usize = 1;
const SIZE: usize = 2;
const EPOCH: usize = 3;
const BOOT_ID: usize = 4;
const PID: usize = 6;
const SHARD: usize = 7;
const PARAMETERS: usize = 8;
const _: () = assert!(PARAMETERS + 8 <= HEADER_WORDS);
#[cfg(not(loom))]
const HOME: usize = PARAMETERS + 8;

/// What a region is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionSpec {
    /// Its first eight bytes.
    pub magic: [u8; 8],
    /// Its size in words, header included.
    pub words: usize,
    /// What its layout depends on; the region's own business. Unused ones are 0.
    pub parameters: [u64; 8],
}

/// In whose name a writer writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The shard.
    pub shard: u16,
    /// The boot of the machine, see [`crate::boot_id`].
    pub boot_id: [u64; 2],
    /// The epoch.
    pub epoch: u32,
}

/// Why a region cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegionError {
    /// The system refused something.
    #[error("{path}: cannot {what}: {source}", path = path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// This process's user may not see or read the region.
    #[error("{path}: user {user} is not permitted to read it; run this as the user that runs the instance's processes, as a member of that user's group, or as root", path = path.display())]
    Forbidden {
        /// The region's file.
        path: PathBuf,
        /// The user that this process acts for.
        user: u32,
    },
    /// Another process writes the region.
    #[error("{path} is being written by process {pid}; stop that one first, or give this instance another name", path = path.display())]
    Locked {
        /// The region's file.
        path: PathBuf,
        /// The writer according to the header; 0 if it has not said yet.
        pid: u64,
    },
    /// The file is something else.
    #[error("{path} is no {expected:?} region: it begins with {found:?}; move it away if it is not needed", path = path.display())]
    Magic {
        /// The file.
        path: PathBuf,
        /// What it begins with.
        found: String,
        /// What it should begin with.
        expected: String,
    },
    /// The region was laid out by another version of the program.
    #[error("{path} has layout version {found}, this build has {LAYOUT_VERSION}; start the build that wrote it, stop it in an orderly way, and remove the file", path = path.display())]
    Version {
        /// The region's file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// The region's size is not the configured one, or not that of its file.
    #[error("{path} has {found} bytes where {expected} are expected; restore the configured sizes, or stop in an orderly way with the old ones and remove the file", path = path.display())]
    Size {
        /// The region's file.
        path: PathBuf,
        /// Its size in bytes.
        found: u64,
        /// The size in bytes that it should have.
        expected: u64,
    },
    /// The region's layout depends on other parameters than the configured ones.
    #[error("{path} was made with {found} as its parameter {parameter}, configured is {expected}; restore the configured value, or stop in an orderly way with the old one and remove the file", path = path.display())]
    Parameter {
        /// The region's file.
        path: PathBuf,
        /// The first parameter that differs, from 0.
        parameter: usize,
        /// What it is.
        found: u64,
        /// What it should be.
        expected: u64,
    },
    /// The region belongs to another shard.
    #[error("{path} belongs to shard {found}, this is shard {expected}; correct `shard` or the instance's name", path = path.display())]
    Shard {
        /// The region's file.
        path: PathBuf,
        /// Its shard.
        found: u64,
        /// The shard that was asked for.
        expected: u16,
    },
    /// The region belongs to an instance of the same name with another state folder.
    #[error("{path} is the memory of an instance of this name with another state folder than {state_dir}: two instances of one machine need two names, so change instance.name and start again; if it is this one's, and its state folder was moved, or is to begin anew, remove {path} once everything in it is archived (its fastpath ended with 0)", path = path.display(), state_dir = state_dir.display())]
    Home {
        /// The region's file.
        path: PathBuf,
        /// The state folder of this instance.
        state_dir: PathBuf,
    },
    /// The region's writer has not finished making it.
    #[error("{path} is not ready; start its writer, or wait for it", path = path.display())]
    NotReady {
        /// The region's file.
        path: PathBuf,
    },
    /// The region exists in two places.
    #[error("the region exists twice, in {first} and in {second}; remove the stale one", first = first.display(), second = second.display())]
    Ambiguous {
        /// One.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// No place took the region.
    #[error(
        "no place for region {name} of {bytes} bytes:{tried}; free memory there or configure a smaller size"
    )]
    NoPlace {
        /// The region's name.
        name: String,
        /// Its size in bytes.
        bytes: u64,
        /// Each place, and why not.
        tried: String,
    },
    /// Somebody else may have made the region, or its directory, in this instance's name.
    #[error("{path} belongs to user {found}, neither to root nor to user {owner}, whose instance this is; find out who made it, and remove it, or correct its owner", path = path.display())]
    Foreign {
        /// The region's file or directory.
        path: PathBuf,
        /// Its owner.
        found: u32,
        /// Who it should be.
        owner: u32,
    },
    /// Others than its owner may write the region, or replace it.
    #[error("{path} has mode {mode:04o}: others than its owner may write it; run `chmod go-w` on it if nobody has, else remove it", path = path.display())]
    Exposed {
        /// The region's file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A writer was asked for on memory that is mapped for reading.
    #[error("the memory is mapped for reading only; open it as its writer")]
    ReadOnly,
    /// The region is too small for, or its header contradicts, the layout.
    #[error(
        "a region of {words} words with {parameter} as its first parameter is no `{layout}` region of this build; it is damaged: remove it once its writer has stopped"
    )]
    Layout {
        /// Which layout.
        layout: &'static str,
        /// Words of the region.
        words: usize,
        /// The first parameter in its header.
        parameter: u64,
    },
}

/// The header of a region. Only the region's writer writes it.
#[derive(Clone, Debug)]
pub struct Header<W = Memory>(W);

impl<W: Words> Header<W> {
    /// The header of the region in `memory`; nothing if that is too small for one.
    #[must_use]
    pub fn of(memory: &W) -> Option<Self> {
        (memory.words().len() >= HEADER_WORDS).then(|| Self(memory.clone()))
    }

    fn word(&self, at: usize) -> &Word {
        &self.0.words()[at]
    }

    /// Makes `memory`, all zero, a region. The magic comes last: until then it is not one. Files get
    /// theirs from [`Memory`]; this is for memory of one process.
    ///
    /// # Panics
    /// If the memory is smaller than a header.
    pub fn write(memory: &W, spec: &RegionSpec, identity: &Identity) {
        let header = Self::of(memory).expect("a region is larger than its header");
        header.word(VERSION).set(LAYOUT_VERSION);
        header.word(SIZE).set(8 * spec.words as u64);
        header.word(PID).set(u64::from(std::process::id()));
        header.word(SHARD).set(u64::from(identity.shard));
        for (i, parameter) in spec.parameters.iter().enumerate() {
            header.word(PARAMETERS + i).set(*parameter);
        }
        header.set_identity(identity);
        // ORDER: pairs with the acquire in `magic`: whoever sees the magic sees a finished header.
        header.word(MAGIC).store_at(
            "header.magic",
            u64::from_le_bytes(spec.magic),
            Ordering::Release,
        );
    }

    /// Says that the writer writes for `identity` from now on. Called when recovery has decided,
    /// not before: until then the memory is still that of the boot and the epoch it was.
    pub fn set_identity(&self, identity: &Identity) {
        self.word(EPOCH).set(u64::from(identity.epoch));
        self.word(BOOT_ID).set(identity.boot_id[0]);
        self.word(BOOT_ID + 1).set(identity.boot_id[1]);
    }

    /// Says whose it is, see [`crate::Places::home`]. Before it is a region.
    #[cfg(not(loom))]
    pub(crate) fn set_home(&self, home: u64) {
        self.word(HOME).set(home);
    }

    /// Whose it is; 0 of memory without a file.
    #[cfg(not(loom))]
    pub(crate) fn home(&self) -> u64 {
        self.word(HOME).get()
    }

    /// Says that this process is the writer now.
    #[cfg(not(loom))]
    pub(crate) fn set_pid(&self) {
        self.word(PID).set(u64::from(std::process::id()));
    }

    /// The magic; zeros if the region is not ready.
    #[must_use]
    pub fn magic(&self) -> [u8; 8] {
        // ORDER: pairs with the release in `write`.
        self.word(MAGIC)
            .load_at("header.magic.observe", Ordering::Acquire)
            .to_le_bytes()
    }

    /// The layout version.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.word(VERSION).get()
    }

    /// The region's size in bytes, as it was made.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.word(SIZE).get()
    }

    /// The epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.word(EPOCH).get()
    }

    /// The boot in which it was written.
    #[must_use]
    pub fn boot_id(&self) -> [u64; 2] {
        [self.word(BOOT_ID).get(), self.word(BOOT_ID + 1).get()]
    }

    /// The process that last wrote it.
    #[must_use]
    pub fn pid(&self) -> u64 {
        self.word(PID).get()
    }

    /// The shard.
    #[must_use]
    pub fn shard(&self) -> u64 {
        self.word(SHARD).get()
    }

    /// The region's parameters.
    #[must_use]
    pub fn parameters(&self) -> [u64; 8] {
        std::array::from_fn(|i| self.word(PARAMETERS + i).get())
    }
}
