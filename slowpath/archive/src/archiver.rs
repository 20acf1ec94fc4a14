//! The archiver's step: gather a group of frames, write it, sync it, say so.

use crate::agreement::Witness;
use crate::refusal::Refusal;
use crate::storage::Storage;
use crate::trouble::Trouble;
use domain::Seq;
use journal::{
    ArchiveError, ArchiveReader, Chain, Frame, FrameBuffer, LARGEST_GROUP_BYTES, MAX_FRAME_WORDS,
    MemoryRead, Position, SEGMENT_HEADER_BYTES, SegmentHeader, Torn,
};
use std::io;
use std::time::Duration;
use zerocopy::IntoBytes;

/// Sizes and times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A segment is closed when the next frame would take it beyond this many bytes.
    pub segment_bytes: u64,
    /// A group ends when the next frame would take it beyond this many bytes; at most
    /// [`LARGEST_GROUP_BYTES`], by which an operator tells what cannot have been durable.
    pub group_bytes: usize,
    /// Wait after the first failed attempt; doubled after each further one.
    pub shortest_wait: Duration,
    /// Longest wait between attempts.
    pub longest_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            segment_bytes: 256 << 20,
            group_bytes: LARGEST_GROUP_BYTES,
            shortest_wait: Duration::from_millis(10),
            longest_wait: Duration::from_secs(1),
        }
    }
}

/// The segment that is appended to.
#[derive(Clone, Copy, Debug)]
struct Segment {
    first: Seq,
    /// Bytes; 0 if it is there without its header.
    len: u64,
}

/// An archive that is open: all of it is durable.
#[derive(Clone, Copy, Debug)]
struct Open {
    chain: Chain,
    segment: Option<Segment>,
}

/// Where an archive ends, or is to be cut.
struct End {
    chain: Chain,
    /// None: it has no segment.
    at: Option<Position>,
    torn: Option<Torn>,
}

/// Why an attempt failed.
enum Failure {
    /// May pass.
    Storage(io::Error),
    /// Will not.
    Refused(Refusal),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Storage(error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        if let ArchiveError::Io { doing, error } = error {
            return Self::Storage(io::Error::new(error.kind(), format!("{doing}: {error}")));
        }
        Self::Refused(Refusal::Archive(error))
    }
}

/// Writes the archive of one shard. `M` reads the journal memory: it copies the frame of a seq.
pub struct Archiver<S, M> {
    storage: S,
    memory: M,
    shard: u16,
    limits: Limits,
    /// Durable for certain in this boot, whatever the page cache shows above it.
    durable: Option<Seq>,
    /// None at the start and after an error of the storage.
    open: Option<Open>,
    trouble: Option<Trouble>,
    cut: Option<Torn>,
    group: Vec<u8>,
    buffer: Box<FrameBuffer>,
}

impl<S: Storage, M: FnMut(Seq, &mut FrameBuffer) -> MemoryRead> Archiver<S, M> {
    /// An archiver that will open its archive in its first step. `published` is the durable seq that
    /// an archiver of the same boot published last, if there was one: above it the page cache may
    /// hold what never reached the disk.
    #[must_use]
    pub fn new(storage: S, memory: M, shard: u16, limits: Limits, published: Option<Seq>) -> Self {
        Self {
            storage,
            memory,
            shard,
            limits,
            durable: published,
            open: None,
            trouble: None,
            cut: None,
            group: Vec::with_capacity(limits.group_bytes + 8 * MAX_FRAME_WORDS),
            buffer: Box::new([0; MAX_FRAME_WORDS]),
        }
    }

    /// The last frame that is on the disk for certain; 0 if none is, or not known yet. Never less
    /// than before.
    #[must_use]
    pub fn durable(&self) -> Seq {
        self.durable.unwrap_or(Seq(0))
    }

    /// What keeps it from writing, if anything does.
    #[must_use]
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// The unfinished write that was found, and cut off, when the archive was opened last.
    #[must_use]
    pub fn cut(&self) -> Option<Torn> {
        self.cut
    }

    /// Gives the storage back.
    pub fn into_storage(self) -> S {
        self.storage
    }

    /// Archives one group of frames, or opens the archive first. Says how many frames became
    /// durable; [`Archiver::durable`] is then to be published. 0 means that there was nothing to do,
    /// or that there is [`Archiver::trouble`]. `now` is the time since any one moment, by a clock that is never
    /// set: after a step of UTC it would not be tried again for as long as the step was.
    ///
    /// # Errors
    /// [`Refusal`]: the archiver cannot go on, and says the same if it is asked again.
    pub fn step(&mut self, now: Duration) -> Result<usize, Refusal> {
        if self
            .trouble
            .as_ref()
            .is_some_and(|trouble| now < trouble.retry_at)
        {
            return Ok(0);
        }
        match self.attempt() {
            Ok(frames) => {
                self.trouble = None;
                Ok(frames)
            }
            Err(Failure::Storage(error)) => {
                self.note(&error, now);
                Ok(0)
            }
            Err(Failure::Refused(refusal)) => Err(refusal),
        }
    }

    fn attempt(&mut self) -> Result<usize, Failure> {
        // Taken out: after any error the archive is opened anew.
        let open = match self.open.take() {
            Some(open) => open,
            None => self.open_archive()?,
        };
        let (open, frames) = self.write_group(open)?;
        self.open = Some(open);
        Ok(frames)
    }

    /// Remembers a failed attempt and when to make the next one.
    fn note(&mut self, error: &io::Error, now: Duration) {
        let attempts = self.trouble.as_ref().map_or(0, |trouble| trouble.attempts);
        let doublings = attempts.min(30);
        let wait = self.limits.shortest_wait.saturating_mul(1 << doublings);
        let wait = wait.min(self.limits.longest_wait);
        self.trouble = Some(Trouble {
            kind: Trouble::kind_of(error),
            message: error.to_string(),
            attempts: attempts.saturating_add(1),
            retry_at: now.saturating_add(wait),
        });
    }

    /// Finds the end of the archive, cuts off what cannot be trusted, and makes the rest durable.
    /// Before it changes anything it has made sure that journal memory is of the same journal.
    fn open_archive(&mut self) -> Result<Open, Failure> {
        let End { chain, at, torn } = self.find_end()?;
        let segment = match at {
            None => None,
            Some(end) => {
                // A header without a frame goes too: the frame that comes may be of another epoch.
                let empty = end.offset <= SEGMENT_HEADER_BYTES as u64;
                let len = if empty { 0 } else { end.offset };
                self.storage.truncate(end.segment, len)?;
                self.storage.sync(end.segment)?;
                self.storage.sync_directory()?;
                Some(Segment {
                    first: end.segment,
                    len,
                })
            }
        };
        self.cut = torn;
        self.durable = Some(chain.last_seq());
        Ok(Open { chain, segment })
    }

    /// Reads the last segment: where the archive is to be cut. A sync may have failed, so that the
    /// page cache shows above the durable seq what is not on the disk: if journal memory has the
    /// frame above it, that and all that follow are to be written again. If not, the archive's own
    /// are all there is. Changes nothing; refuses an archive that is not of the memory's journal.
    fn find_end(&mut self) -> Result<End, Failure> {
        let mut witness = Witness {
            memory: &mut self.memory,
            buffer: &mut self.buffer,
        };
        let rewritable = self.durable.filter(|durable| witness.has(durable.next()));
        let mut reader = ArchiveReader::over(&mut self.storage, self.shard)?;
        reader.seek_last_segment()?;
        let last_segment = reader.segments().last().copied();
        let mut cut = None;
        loop {
            let (chain, at) = (reader.chain(), reader.position());
            let in_last = at.map(|at| at.segment) == last_segment;
            let enough = rewritable.is_some_and(|durable| chain.last_seq() >= durable);
            if cut.is_none() && in_last && enough {
                witness.check_end(&chain)?;
                cut = Some((chain, at));
            }
            match reader.next_frame() {
                Ok(Some(frame)) if cut.is_some() => {
                    witness.check_frame(frame.header.seq, frame.crc)?;
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                // What was never synced may have a hole or not be readable: the memory has what
                // belongs there.
                Err(
                    ArchiveError::Io { .. }
                    | ArchiveError::Damaged {
                        whole_frame: Some(_),
                        ..
                    },
                ) if cut.is_some() => break,
                Err(error) => return Err(error.into()),
            }
        }
        let (chain, at) = cut.unwrap_or((reader.chain(), reader.position()));
        let found = chain.last_seq();
        if let Some(durable) = self.durable.filter(|&durable| found < durable) {
            return Err(Refusal::DurableLost { durable, found }.into());
        }
        if cut.is_none() {
            witness.check_end(&chain)?;
        }
        let torn = reader.tail().torn;
        Ok(End { chain, at, torn })
    }

    /// Appends what the memory has, up to a group and within one segment, and syncs it.
    fn write_group(&mut self, open: Open) -> Result<(Open, usize), Failure> {
        let Some((segment, chain)) = self.gather(&open)? else {
            return Ok((open, 0));
        };
        let frames = chain.next_seq.0 - open.chain.next_seq.0;
        let first = segment.first;
        if segment.len == 0 {
            self.storage.create(first)?;
        }
        self.storage.append(first, &self.group)?;
        self.storage.sync(first)?;
        if segment.len == 0 {
            self.storage.sync_directory()?;
        }
        let len = segment.len + self.group.len() as u64;
        self.durable = Some(chain.last_seq());
        let open = Open {
            chain,
            segment: Some(Segment { first, len }),
        };
        let frames = usize::try_from(frames).expect("a group's frames fit memory");
        Ok((open, frames))
    }

    /// Fills the group; says which segment it goes to (length 0: a new one, whose header is then in
    /// the group) and where the chain stands behind it. None if there are no frames.
    fn gather(&mut self, open: &Open) -> Result<Option<(Segment, Chain)>, Refusal> {
        let mut chain = open.chain;
        let mut target = None;
        self.group.clear();
        loop {
            let seq = chain.next_seq;
            let words = match (self.memory)(seq, &mut self.buffer) {
                MemoryRead::Frame(words) => words,
                MemoryRead::End => break,
                MemoryRead::Gone { oldest } => return Err(Refusal::Lapped { next: seq, oldest }),
                MemoryRead::Corrupt => return Err(Refusal::Corrupt { seq }),
            };
            let bytes = self.buffer[..words].as_bytes();
            let size = self.group.len() + bytes.len();
            if let Some(Segment { len, .. }) = target
                && (size > self.limits.group_bytes || len + size as u64 > self.limits.segment_bytes)
            {
                break;
            }
            let frame = Frame::parse(&self.buffer[..words])
                .map_err(|error| Refusal::Frame { seq, error })?;
            let prev_crc = chain.last_crc;
            chain
                .check(&frame)
                .map_err(|error| Refusal::Chain { seq, error })?;
            if target.is_none() {
                let segment = self.limits.place(open.segment, seq, bytes.len());
                if segment.len == 0 {
                    let header = SegmentHeader {
                        shard: self.shard,
                        epoch: frame.header.epoch,
                        first_seq: seq,
                        prev_crc,
                    };
                    self.group.extend_from_slice(&header.encode());
                }
                target = Some(segment);
            }
            self.group.extend_from_slice(bytes);
        }
        Ok(target.map(|segment| (segment, chain)))
    }
}

impl Limits {
    /// Where a frame of so many bytes goes: to the segment if it has room, else to a new one.
    fn place(&self, segment: Option<Segment>, seq: Seq, bytes: usize) -> Segment {
        segment
            .filter(|segment| segment.len == 0 || segment.len + bytes as u64 <= self.segment_bytes)
            .unwrap_or(Segment { first: seq, len: 0 })
    }
}
