//! Snapshot files: the state of an engine behind a checkpoint, so that a recovery need not begin at
//! the first frame.
//!
//! A snapshot is only as good as the journal says: it is used if its hash is the one that the
//! archive's `Checkpoint` frame of that seq journalled, and if that very frame is the one it names.
//! Anything else is refused by name, and the next older one is tried (docs/SNAPSHOTS.md).

use crate::chain::Chain;
use crate::damage::ArchiveError;
use crate::directory::{Segments, open_file};
use crate::reader::ArchiveReader;
use core::fmt;
use domain::{Command, Event, Genesis, Nanos, Seq};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes of a snapshot's header; the body follows, and nothing behind it.
pub const SNAPSHOT_HEADER_BYTES: usize = size_of::<RawSnapshotHeader>();
/// The version of the header's layout.
pub const SNAPSHOT_VERSION: u16 = 1;

const MAGIC: [u8; 8] = *b"SLUICESN";
const CRC_AT: usize = 60;
const _: () = assert!(SNAPSHOT_HEADER_BYTES == 64 && CRC_AT == SNAPSHOT_HEADER_BYTES - 4);

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct RawSnapshotHeader {
    magic: [u8; 8],
    version: u16,
    shard: u16,
    engine_version: u16,
    zero: u16,
    seq: u64,
    epoch: u32,
    frame_crc: u32,
    engine_time: u64,
    state_hash: u64,
    body_bytes: u64,
    body_crc: u32,
    crc: u32,
}

/// What stands at the front of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotHeader {
    /// Whose journal.
    pub shard: u16,
    /// Rules in force.
    pub engine_version: u16,
    /// The checkpoint frame behind which the state was taken.
    pub seq: Seq,
    /// That frame's epoch.
    pub epoch: u32,
    /// That frame's CRC.
    pub frame_crc: u32,
    /// That frame's engine time, UTC nanoseconds.
    pub engine_time: Nanos,
    /// Of the state.
    pub state_hash: u64,
    /// Length of the body in bytes.
    pub body_bytes: u64,
    /// CRC32C of the body.
    pub body_crc: u32,
}

/// Why a file is not used as a snapshot.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each is")]
pub enum SnapshotError {
    #[error("{doing}: {error}")]
    Io {
        doing: &'static str,
        error: io::Error,
    },
    #[error("it does not begin as a snapshot of this version does")]
    Magic,
    #[error("the header has CRC {says:08x}, but its bytes give {computed:08x}")]
    HeaderCrc { says: u32, computed: u32 },
    #[error("snapshot version {0}, but this build reads version {SNAPSHOT_VERSION}")]
    Version(u16),
    #[error("reserved bytes of the header are not zero")]
    Reserved,
    #[error("it is of seq {0}, which is not what its name says")]
    OtherName(Seq),
    #[error("it is of shard {found}, not of shard {expected}")]
    Shard { expected: u16, found: u16 },
    #[error("the file has {found} bytes where its header says {expected}")]
    Length { expected: u64, found: u64 },
    #[error("the body has CRC {computed:08x} where the header says {says:08x}")]
    BodyCrc { says: u32, computed: u32 },
    #[error("its frame cannot be read: {}", .0.brief())]
    Archive(#[from] ArchiveError),
    #[error("the archive does not begin with a genesis")]
    NoGenesis,
    #[error("the archive's frame is no checkpoint")]
    NoCheckpoint,
    #[error("it was taken behind another frame than the archive's of that seq")]
    OtherFrame,
    #[error("it has state hash {found:016x}, but the checkpoint journalled {journalled:016x}")]
    StateHash { journalled: u64, found: u64 },
    #[error("{0}")]
    Body(String),
}

impl SnapshotHeader {
    /// The header of a body that was saved behind the last frame of `chain`.
    #[must_use]
    pub fn of(chain: &Chain, engine_version: u16, state_hash: u64, body: &[u8]) -> Self {
        Self {
            shard: chain.shard,
            engine_version,
            seq: chain.last_seq(),
            epoch: chain.epoch.unwrap_or(0),
            frame_crc: chain.last_crc,
            engine_time: chain.engine_time,
            state_hash,
            body_bytes: body.len() as u64,
            body_crc: crc32c::crc32c(body),
        }
    }

    /// What the next frame must continue.
    #[must_use]
    pub fn chain(&self) -> Chain {
        Chain {
            shard: self.shard,
            next_seq: self.seq.next(),
            last_crc: self.frame_crc,
            epoch: Some(self.epoch),
            engine_time: self.engine_time,
        }
    }

    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; SNAPSHOT_HEADER_BYTES] {
        let raw = RawSnapshotHeader {
            magic: MAGIC,
            version: SNAPSHOT_VERSION,
            shard: self.shard,
            engine_version: self.engine_version,
            zero: 0,
            seq: self.seq.0,
            epoch: self.epoch,
            frame_crc: self.frame_crc,
            engine_time: self.engine_time.0,
            state_hash: self.state_hash,
            body_bytes: self.body_bytes,
            body_crc: self.body_crc,
            crc: 0,
        };
        let mut bytes = [0; SNAPSHOT_HEADER_BYTES];
        bytes.copy_from_slice(raw.as_bytes());
        let crc = crc32c::crc32c(&bytes[..CRC_AT]);
        bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header.
    ///
    /// # Errors
    /// [`SnapshotError`]: the first thing that is wrong; magic and CRC come before the version.
    pub fn parse(bytes: &[u8; SNAPSHOT_HEADER_BYTES]) -> Result<Self, SnapshotError> {
        let raw: RawSnapshotHeader = zerocopy::transmute!(*bytes);
        if raw.magic != MAGIC {
            return Err(SnapshotError::Magic);
        }
        let (says, computed) = (raw.crc, crc32c::crc32c(&bytes[..CRC_AT]));
        if says != computed {
            return Err(SnapshotError::HeaderCrc { says, computed });
        }
        if raw.version != SNAPSHOT_VERSION {
            return Err(SnapshotError::Version(raw.version));
        }
        if raw.zero != 0 {
            return Err(SnapshotError::Reserved);
        }
        Ok(Self {
            shard: raw.shard,
            engine_version: raw.engine_version,
            seq: Seq(raw.seq),
            epoch: raw.epoch,
            frame_crc: raw.frame_crc,
            engine_time: Nanos(raw.engine_time),
            state_hash: raw.state_hash,
            body_bytes: raw.body_bytes,
            body_crc: raw.body_crc,
        })
    }

    /// Holds the header against the archive's frame of its seq: that very frame, and a checkpoint
    /// that journalled this hash.
    fn check_frame<S: Segments>(
        &self,
        archive: &mut ArchiveReader<S>,
    ) -> Result<(), SnapshotError> {
        archive.seek(self.seq)?;
        let last = archive.chain().last_seq();
        let frame = archive.next_frame()?.ok_or(ArchiveError::NotArchived {
            seq: self.seq,
            last,
        })?;
        let journalled = match (frame.command, frame.events().next()) {
            (Command::Checkpoint(_), Some(Ok(Event::StateHash(event)))) => event.hash,
            _ => return Err(SnapshotError::NoCheckpoint),
        };
        let header = &frame.header;
        let is_frame = frame.crc == self.frame_crc
            && header.epoch == self.epoch
            && header.engine_time == self.engine_time
            && header.engine_version == self.engine_version;
        if !is_frame {
            return Err(SnapshotError::OtherFrame);
        }
        self.check_hash(journalled, self.state_hash)
    }

    fn check_hash(&self, journalled: u64, found: u64) -> Result<(), SnapshotError> {
        if journalled == found {
            Ok(())
        } else {
            Err(SnapshotError::StateHash { journalled, found })
        }
    }
}

/// The file name of the snapshot of this seq: 20 digits and `.snap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotName(pub Seq);

impl SnapshotName {
    /// The name, if it is exactly one that [`fmt::Display`] writes, of a seq from 1 on.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let seq = name.strip_suffix(".snap")?.parse().ok()?;
        let parsed = Self(Seq(seq));
        (seq > 0 && parsed.to_string() == name).then_some(parsed)
    }
}

impl fmt::Display for SnapshotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}.snap", self.0.0)
    }
}

/// Reads snapshots by their seq: a directory, or whatever a simulation puts in its place.
pub trait SnapshotFiles {
    /// An open file.
    type File: io::Read;

    /// The seqs of all files that are named like snapshots, in any order. None if there is no such
    /// directory.
    ///
    /// # Errors
    /// What the file system says.
    fn seqs(&self) -> io::Result<Vec<Seq>>;

    /// Opens a file; says how many bytes it has.
    ///
    /// # Errors
    /// What the file system says.
    fn open(&self, seq: Seq) -> io::Result<(Self::File, u64)>;

    /// The seqs, newest first.
    ///
    /// # Errors
    /// What the file system says.
    fn newest_first(&self) -> io::Result<Vec<Seq>> {
        let mut seqs = self.seqs()?;
        seqs.sort_unstable_by(|a, b| b.cmp(a));
        Ok(seqs)
    }
}

/// Snapshots in a directory of the file system, for reading.
#[derive(Clone, Debug)]
pub struct SnapshotDirectory(PathBuf);

impl SnapshotDirectory {
    /// Over a directory, which need not exist.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_path_buf())
    }
}

impl SnapshotFiles for SnapshotDirectory {
    type File = File;

    fn seqs(&self) -> io::Result<Vec<Seq>> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut seqs = Vec::new();
        for entry in entries {
            let entry = entry?;
            // A folder is no snapshot, and can neither be read nor removed like one.
            if entry.file_type()?.is_dir() {
                continue;
            }
            let name = SnapshotName::parse(&entry.file_name().to_string_lossy());
            seqs.extend(name.map(|SnapshotName(seq)| seq));
        }
        Ok(seqs)
    }

    fn open(&self, seq: Seq) -> io::Result<(File, u64)> {
        open_file(&self.0.join(SnapshotName(seq).to_string()))
    }
}

/// Reads the header of a snapshot of `shard`.
///
/// # Errors
/// [`SnapshotError`]: it is not whole, or not of this seq and shard, or not as long as it says.
pub fn read_snapshot_header<F: SnapshotFiles>(
    files: &F,
    seq: Seq,
    shard: u16,
) -> Result<SnapshotHeader, SnapshotError> {
    open_snapshot(files, seq, shard).map(|(header, _)| header)
}

fn reading(doing: &'static str) -> impl FnOnce(io::Error) -> SnapshotError {
    move |error| SnapshotError::Io { doing, error }
}

fn open_snapshot<F: SnapshotFiles>(
    files: &F,
    seq: Seq,
    shard: u16,
) -> Result<(SnapshotHeader, F::File), SnapshotError> {
    let (mut file, found) = files.open(seq).map_err(reading("open it"))?;
    let mut bytes = [0; SNAPSHOT_HEADER_BYTES];
    file.read_exact(&mut bytes)
        .map_err(reading("read its header"))?;
    let header = SnapshotHeader::parse(&bytes)?;
    if header.seq != seq {
        return Err(SnapshotError::OtherName(header.seq));
    }
    if header.shard != shard {
        return Err(SnapshotError::Shard {
            expected: shard,
            found: header.shard,
        });
    }
    let expected = header
        .body_bytes
        .saturating_add(SNAPSHOT_HEADER_BYTES as u64);
    if expected != found {
        return Err(SnapshotError::Length { expected, found });
    }
    Ok((header, file))
}

/// Reads a body of the length that the file was found to have.
fn read_body(header: &SnapshotHeader, file: impl io::Read) -> Result<Vec<u8>, SnapshotError> {
    let mut body = Vec::new();
    let bytes = usize::try_from(header.body_bytes).unwrap_or(usize::MAX);
    body.try_reserve_exact(bytes)
        .map_err(|error| SnapshotError::Body(format!("no memory for its body: {error}")))?;
    file.take(header.body_bytes)
        .read_to_end(&mut body)
        .map_err(reading("read its body"))?;
    if body.len() as u64 != header.body_bytes {
        return Err(SnapshotError::Length {
            expected: header.body_bytes,
            found: body.len() as u64,
        });
    }
    let (says, computed) = (header.body_crc, crc32c::crc32c(&body));
    if says != computed {
        return Err(SnapshotError::BodyCrc { says, computed });
    }
    Ok(body)
}

/// Loads the snapshot of `seq`, if it holds against the archive. `load` makes a state of the body,
/// for a shard with this genesis, and says its hash.
///
/// # Errors
/// [`SnapshotError`]: the first thing that is wrong.
pub fn load_snapshot<F: SnapshotFiles, S: Segments, T>(
    files: &F,
    seq: Seq,
    shard: u16,
    archive: &mut ArchiveReader<S>,
    load: impl FnOnce(&[u8], &Genesis) -> Result<(T, u64), String>,
) -> Result<(SnapshotHeader, T), SnapshotError> {
    let (header, file) = open_snapshot(files, seq, shard)?;
    let genesis = genesis_of(archive)?;
    header.check_frame(archive)?;
    let body = read_body(&header, file)?;
    let (state, hash) = load(&body, &genesis).map_err(SnapshotError::Body)?;
    header.check_hash(header.state_hash, hash)?;
    Ok((header, state))
}

/// The capacities of the shard: a file does not decide how much memory is taken.
fn genesis_of<S: Segments>(archive: &mut ArchiveReader<S>) -> Result<Genesis, SnapshotError> {
    archive.seek(Seq(1))?;
    match archive.next_frame()?.map(|frame| frame.command) {
        Some(Command::Genesis(genesis)) => Ok(genesis),
        _ => Err(SnapshotError::NoGenesis),
    }
}

/// Loads the newest snapshot that holds, of those up to the seq `up_to`. `refused` is told of each
/// newer one, and why it is not used.
///
/// # Errors
/// If the directory cannot be listed.
pub fn newest_snapshot<F: SnapshotFiles, S: Segments, T>(
    files: &F,
    shard: u16,
    archive: &mut ArchiveReader<S>,
    up_to: Seq,
    mut load: impl FnMut(&[u8], &Genesis) -> Result<(T, u64), String>,
    mut refused: impl FnMut(SnapshotName, &SnapshotError),
) -> io::Result<Option<(SnapshotHeader, T)>> {
    for seq in files.newest_first()? {
        if seq > up_to {
            continue;
        }
        match load_snapshot(files, seq, shard, archive, &mut load) {
            Ok(loaded) => return Ok(Some(loaded)),
            Err(error) => refused(SnapshotName(seq), &error),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SnapshotHeader {
        SnapshotHeader {
            shard: 0x0201,
            engine_version: 0x0403,
            seq: Seq(0x0C0B_0A09_0807_0605),
            epoch: 0x100F_0E0D,
            frame_crc: 0x1413_1211,
            engine_time: Nanos(0x1C1B_1A19_1817_1615),
            state_hash: 0x2423_2221_201F_1E1D,
            body_bytes: 0x2C2B_2A29_2827_2625,
            body_crc: 0x302F_2E2D,
        }
    }

    #[test]
    fn a_header_has_the_documented_bytes() {
        let bytes = header().encode();
        assert_eq!(&bytes[..10], b"SLUICESN\x01\x00");
        let counting: Vec<u8> = (1..=0x30).collect();
        assert_eq!(bytes[10..14], counting[..4]);
        assert_eq!(bytes[14..16], [0; 2]);
        assert_eq!(bytes[16..60], counting[4..]);
        assert_eq!(bytes[60..], crc32c::crc32c(&bytes[..60]).to_le_bytes());
        assert_eq!(SnapshotHeader::parse(&bytes).ok(), Some(header()));
    }

    #[test]
    fn any_flipped_bit_of_a_header_is_seen() {
        let bytes = header().encode();
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(SnapshotHeader::parse(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn names_round_trip_and_others_are_ignored() {
        let name = SnapshotName(Seq(42));
        assert_eq!(name.to_string(), "00000000000000000042.snap");
        assert_eq!(SnapshotName::parse(&name.to_string()), Some(name));
        for other in [
            "42.snap",
            "00000000000000000000.snap",
            "+0000000000000000042.snap",
            "00000000000000000042.snap~",
            "99999999999999999999.snap",
            "unfinished",
        ] {
            assert_eq!(SnapshotName::parse(other), None, "{other}");
        }
    }
}
