//! Reads an archive frame by frame, checks all of it, and tells a torn tail from damage.

use crate::chain::{Chain, ChainError};
use crate::damage::{ArchiveError, Damage, Position};
use crate::directory::{Directory, Segments};
use crate::frame::{Checked, Frame, FrameBuffer, FrameError};
use crate::segment::{SEGMENT_HEADER_BYTES, SegmentError, SegmentHeader, SegmentName};
use crate::tail;
use crate::window::{NoFrame, Window};
use core::ops::Range;
use domain::Seq;
use std::io;
use std::path::Path;

/// Bytes behind the last whole frame that are no frame: a write that did not finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Where they begin.
    pub at: Position,
    /// How many there are.
    pub bytes: u64,
}

/// Where an archive ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The last whole frame, 0 if there is none.
    pub last_seq: Seq,
    /// Its CRC.
    pub last_crc: u32,
    /// What follows it, if anything does.
    pub torn: Option<Torn>,
}

/// Reads an archive from its first frame on, or from a seq on, while an archiver may append to it.
pub struct ArchiveReader<S = Directory> {
    source: S,
    shard: u16,
    /// First seqs, in order.
    segments: Vec<Seq>,
    /// Which of them is read.
    index: usize,
    /// Where the next frame begins; 0 if the segment's header comes first.
    offset: u64,
    chain: Chain,
    window: Window,
    /// Epoch that the header of the segment announced for its first frame.
    announced: Option<u32>,
    torn: Option<Torn>,
}

impl ArchiveReader {
    /// Opens the archive in a directory and checks the headers of its segments.
    ///
    /// # Errors
    /// [`ArchiveError`], as [`ArchiveReader::over`].
    pub fn open(directory: &Path, shard: u16) -> Result<Self, ArchiveError> {
        let directory = Directory::open(directory).map_err(|error| ArchiveError::Io {
            doing: "open".to_owned(),
            error,
        })?;
        Self::over(directory, shard)
    }
}

impl<S: Segments> ArchiveReader<S> {
    /// Opens an archive and checks the headers of its segments: names, shard, version. Only the
    /// last one may be unfinished.
    ///
    /// # Errors
    /// [`ArchiveError`], without damage within segments, which is found when they are read.
    pub fn over(source: S, shard: u16) -> Result<Self, ArchiveError> {
        let mut reader = Self {
            source,
            shard,
            segments: Vec::new(),
            index: 0,
            offset: 0,
            chain: Chain::new(shard),
            window: Window::new(),
            announced: None,
            torn: None,
        };
        reader.refresh()?;
        if let Some(&first) = reader.segments.first().filter(|first| first.0 != 1) {
            return Err(ArchiveError::Missing {
                from: Seq(1),
                to: Seq(first.0 - 1),
                before: first,
            });
        }
        for index in 0..reader.segments.len() {
            let first = reader.segments[index];
            let read = reader.header(first)?;
            if let Err(damage) = read
                && index + 1 < reader.segments.len()
            {
                return Err(reader.damaged(Position::front(first), first, damage, None));
            }
        }
        Ok(reader)
    }

    /// What the archive lies in.
    pub fn source(&mut self) -> &mut S {
        &mut self.source
    }

    /// Where the chain stands behind the last frame that was read.
    #[must_use]
    pub fn chain(&self) -> Chain {
        self.chain
    }

    /// First seqs of the segments, as last listed.
    #[must_use]
    pub fn segments(&self) -> &[Seq] {
        &self.segments
    }

    /// Where the next frame begins (the front of a segment if its header was not read yet); none in
    /// an archive without segments.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.segments.get(self.index).map(|&segment| Position {
            segment,
            offset: self.offset,
        })
    }

    /// Where the archive ends, once [`ArchiveReader::next`] has said `None`.
    #[must_use]
    pub fn tail(&self) -> Tail {
        Tail {
            last_seq: self.chain.last_seq(),
            last_crc: self.chain.last_crc,
            torn: self.torn,
        }
    }

    /// Goes to a seq: the next frame will be that one. The seq behind the last is allowed.
    ///
    /// # Errors
    /// [`ArchiveError::NotArchived`] beyond that, and whatever reading up to it finds. After an
    /// error the reader stands at some earlier seq.
    pub fn seek(&mut self, seq: Seq) -> Result<(), ArchiveError> {
        self.refresh()?;
        let behind = self.segments.partition_point(|&first| first <= seq);
        self.go_to(behind.saturating_sub(1))?;
        while self.chain.next_seq < seq {
            if self.next_frame()?.is_none() {
                let last = self.chain.last_seq();
                return Err(ArchiveError::NotArchived { seq, last });
            }
        }
        Ok(())
    }

    /// Goes to the front of the last segment that has a whole header; what stands before it is
    /// taken on trust. For an archiver that starts.
    ///
    /// # Errors
    /// [`ArchiveError`] if the segments cannot be listed or read.
    pub fn seek_last_segment(&mut self) -> Result<(), ArchiveError> {
        self.refresh()?;
        self.go_to(self.segments.len().saturating_sub(1))
    }

    /// Copies the next frame's words to the front of `out` and says how many; `None` at the end for
    /// now (an archiver may append more). The frame is whole, decodes, and continues the chain.
    ///
    /// # Errors
    /// [`ArchiveError`]; asking again gives the same.
    pub fn next(&mut self, out: &mut FrameBuffer) -> Result<Option<usize>, ArchiveError> {
        let Some((words, _)) = self.advance()? else {
            return Ok(None);
        };
        let frame = self.words(words);
        out[..frame.len()].copy_from_slice(frame);
        Ok(Some(frame.len()))
    }

    /// As [`ArchiveReader::next`], without the copy.
    ///
    /// # Errors
    /// [`ArchiveError`]; asking again gives the same.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, ArchiveError> {
        let advanced = self.advance()?;
        Ok(advanced.map(|(words, checked)| checked.over(self.words(words))))
    }

    /// Words of the window.
    pub(crate) fn words(&self, place: Range<usize>) -> &[u64] {
        self.window.words(place)
    }

    /// Checks the next frame and steps over it; says where in the window it stands.
    pub(crate) fn advance(&mut self) -> Result<Option<(Range<usize>, Checked)>, ArchiveError> {
        loop {
            let Some(&segment) = self.segments.get(self.index) else {
                self.refresh()?;
                if self.segments.is_empty() {
                    return Ok(None);
                }
                continue;
            };
            if self.offset == 0 && !self.enter(segment)? {
                return Ok(None);
            }
            // Known before the segment is read: if it follows now, then this one is closed.
            let following = self.segments.get(self.index + 1).copied();
            match self.peek(segment)? {
                Ok((words, checked)) => {
                    self.accept(segment, &checked)?;
                    self.offset += 8 * words.len() as u64;
                    self.window.step(words.len());
                    return Ok(Some((words, checked)));
                }
                Err(NoFrame::End) => {}
                Err(bad) => {
                    self.judge(segment, bad, following.is_some())?;
                    return Ok(None);
                }
            }
            match following {
                Some(next) => self.step_to(segment, next)?,
                None if self.refresh()? => {}
                None => {
                    self.torn = None;
                    return Ok(None);
                }
            }
        }
    }

    /// Moves on from a closed segment that was read to its end.
    fn step_to(&mut self, segment: Seq, next: Seq) -> Result<(), ArchiveError> {
        let expected = self.chain.next_seq;
        if next > expected {
            return Err(ArchiveError::Missing {
                from: expected,
                to: Seq(next.0 - 1),
                before: next,
            });
        }
        if next < expected {
            return Err(ArchiveError::Overlap {
                first: segment,
                last: self.chain.last_seq(),
                second: next,
            });
        }
        self.index += 1;
        self.offset = 0;
        self.window.forget();
        Ok(())
    }

    /// Lists the segments; says whether there are new ones. Segments known before stay.
    fn refresh(&mut self) -> Result<bool, ArchiveError> {
        let names = self.source.names().map_err(|error| ArchiveError::Io {
            doing: "list the directory".to_owned(),
            error,
        })?;
        let known = self.segments.last().copied().unwrap_or(Seq(0));
        let mut added = Vec::new();
        for name in names
            .into_iter()
            .filter(|name| SegmentName::is_claimed_by(name))
        {
            match SegmentName::parse(&name) {
                None => return Err(ArchiveError::ForeignFile { name }),
                Some(SegmentName(first)) if first > known => added.push(first),
                Some(_) => {}
            }
        }
        added.sort_unstable();
        self.segments.extend_from_slice(&added);
        Ok(!added.is_empty())
    }

    /// Reads the header of a segment; the inner error is for the last segment to have.
    fn header(&mut self, first: Seq) -> Result<Result<SegmentHeader, Damage>, ArchiveError> {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        let mut filled = 0;
        while filled < bytes.len() {
            let offset = filled as u64;
            let read = self
                .source
                .read(first, offset, &mut bytes[filled..])
                .map_err(|error| {
                    reading(
                        Position {
                            segment: first,
                            offset,
                        },
                        error,
                    )
                })?;
            if read == 0 {
                break;
            }
            filled += read;
        }
        let header = match SegmentHeader::parse(&bytes[..filled]) {
            Ok(header) => header,
            Err(SegmentError::FormatVersion(found)) => {
                return Err(ArchiveError::ForeignVersion {
                    at: Position::front(first),
                    seq: first,
                    found,
                });
            }
            Err(error) => return Ok(Err(error.into())),
        };
        if header.shard != self.shard {
            return Err(ArchiveError::ForeignShard {
                segment: first,
                expected: self.shard,
                found: header.shard,
            });
        }
        if header.first_seq != first {
            let damage = Damage::OtherName(header.first_seq);
            return Err(self.damaged(Position::front(first), first, damage, None));
        }
        Ok(Ok(header))
    }

    /// Goes to the front of a segment, or of the one before it if its header is not whole.
    fn go_to(&mut self, index: usize) -> Result<(), ArchiveError> {
        self.index = index;
        self.offset = 0;
        self.torn = None;
        self.window.forget();
        self.chain = Chain::new(self.shard);
        let Some(&first) = self.segments.get(index) else {
            return Ok(());
        };
        match self.header(first)? {
            Ok(header) => {
                self.chain.next_seq = first;
                self.chain.last_crc = header.prev_crc;
                Ok(())
            }
            Err(_) if index > 0 => self.go_to(index - 1),
            Err(_) => Ok(()),
        }
    }

    /// Reads the header of the segment that comes next; false if it is not written yet.
    fn enter(&mut self, segment: Seq) -> Result<bool, ArchiveError> {
        let mut header = self.header(segment)?;
        if let Err(damage) = header {
            let rest = self.search(segment)?;
            // An archiver may have written it meanwhile.
            header = self.header(segment)?;
            if header.is_err() && (rest.whole_frame.is_some() || self.is_closed()) {
                // To cut a closed segment would help nobody.
                let follows = rest.whole_frame.filter(|_| !self.is_closed());
                return Err(self.bad(segment, damage, follows));
            }
            if header.is_err() {
                self.set_torn(segment, rest.bytes);
                return Ok(false);
            }
        }
        let Ok(header) = header else {
            return Ok(false);
        };
        if header.prev_crc != self.chain.last_crc {
            let (expected, found) = (self.chain.last_crc, header.prev_crc);
            return Err(self.bad(segment, Damage::HeaderPrevCrc { expected, found }, None));
        }
        self.announced = Some(header.epoch);
        self.offset = SEGMENT_HEADER_BYTES as u64;
        self.window.forget();
        Ok(true)
    }

    fn is_closed(&self) -> bool {
        self.index + 1 < self.segments.len()
    }

    /// The frame at the front of the window, which is filled as needed.
    fn peek(
        &mut self,
        segment: Seq,
    ) -> Result<Result<(Range<usize>, Checked), NoFrame>, ArchiveError> {
        let (source, offset) = (&mut self.source, self.offset);
        self.window
            .peek(offset, |offset, buffer| {
                source.read(segment, offset, buffer)
            })
            .map_err(|error| reading(Position { segment, offset }, error))
    }

    /// Takes a whole frame as the next one.
    fn accept(&mut self, segment: Seq, checked: &Checked) -> Result<(), ArchiveError> {
        if let Some(header) = self.announced
            && header != checked.header.epoch
        {
            let frame = checked.header.epoch;
            return Err(self.bad(segment, Damage::HeaderEpoch { header, frame }, None));
        }
        self.chain
            .check_parts(checked)
            .map_err(|error| self.bad(segment, error.into(), None))?;
        self.announced = None;
        self.torn = None;
        Ok(())
    }

    /// Bytes that are no frame: at the end of the last segment a torn tail or a write that goes on,
    /// unless they are whole and wrong, or something whole follows.
    fn judge(&mut self, segment: Seq, bad: NoFrame, closed: bool) -> Result<(), ArchiveError> {
        let damage = match bad {
            NoFrame::Bad(FrameError::FormatVersion(found)) if self.window.has_foreign_frame() => {
                return Err(ArchiveError::ForeignVersion {
                    at: self.here(segment),
                    seq: self.chain.next_seq,
                    found,
                });
            }
            NoFrame::Bad(error) => Damage::Frame(error),
            NoFrame::End | NoFrame::CutOff => Damage::EndsWithinFrame,
        };
        if closed || !bad.may_be_torn() {
            return Err(self.bad(segment, damage, None));
        }
        let rest = self.search(segment)?;
        self.window.forget();
        match rest.whole_frame {
            Some(place) if place == self.offset => {
                // The archiver finished the write between the two looks.
                self.torn = None;
                Ok(())
            }
            Some(place) => Err(self.bad(segment, damage, Some(place))),
            None => {
                self.set_torn(segment, rest.bytes);
                Ok(())
            }
        }
    }

    fn set_torn(&mut self, segment: Seq, bytes: u64) {
        let at = Position {
            segment,
            offset: self.offset,
        };
        self.torn = (bytes > 0).then_some(Torn { at, bytes });
    }

    fn search(&mut self, segment: Seq) -> Result<tail::Rest, ArchiveError> {
        let at = self.here(segment);
        tail::search(&mut self.source, segment, at.offset, self.shard)
            .map_err(|error| reading(at, error))
    }

    fn here(&self, segment: Seq) -> Position {
        Position {
            segment,
            offset: self.offset,
        }
    }

    fn bad(&self, segment: Seq, damage: Damage, whole_frame: Option<u64>) -> ArchiveError {
        self.damaged(self.here(segment), self.chain.next_seq, damage, whole_frame)
    }

    fn damaged(
        &self,
        at: Position,
        seq: Seq,
        damage: Damage,
        whole_frame: Option<u64>,
    ) -> ArchiveError {
        if let Damage::Chain(ChainError::Shard { expected, found }) = damage {
            return ArchiveError::ForeignShard {
                segment: at.segment,
                expected,
                found,
            };
        }
        ArchiveError::Damaged {
            at,
            seq,
            damage,
            whole_frame,
        }
    }
}

fn reading(at: Position, error: io::Error) -> ArchiveError {
    ArchiveError::Io {
        doing: format!("read {at}"),
        error,
    }
}
