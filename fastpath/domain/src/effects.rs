//! The buffer that an engine writes its events into, and the reader of such words.

use crate::event::{
    Accepted, Amended, AttestationNoted, BookAdd, BookDelete, BookReduce, BookReplace, Canceled,
    Event, EventKind, EventRecord, Fill, MarketDefined, MarketStateChanged, MassCanceled,
    NotApplied, Outcome, PhaseChanged, ProtectionReached, ProtectionSet, Rejected,
    SelfTradePrevented, StateHash, Trade, Triggered, Uncrossed,
};
use core::fmt;
use zerocopy::{IntoBytes, TryFromBytes};

/// Most resting orders that an arriving one trades with, or is kept from trading with, in one frame; a longer sweep
/// goes on in `Continue` frames.
pub const MAX_FILLS: usize = 8;
/// Most resting orders that are looked at one by one before an order is taken.
pub const MAX_LOOK_AHEAD: usize = 1024;
/// Most orders that a mass cancel cancels in one frame; a longer one goes on in `Continue` frames.
pub const MAX_CANCELS: usize = 48;
/// Most trades of an auction in one frame.
pub const MAX_AUCTION_TRADES: usize = 24;
/// Most sessions and orders that a mass cancel looks at in one frame, or prices that an auction does.
pub const MAX_LOOKS: usize = 1024;
/// Most parts in which the book may show an order, one after the other: each is a trade of its own for whoever takes it.
pub const MAX_SLICES: u64 = 100;
/// Most firms whose kill switches are on at the same time. Those of sessions, accounts and everyone need no room.
pub const MAX_KILL_SWITCHES: usize = 4096;
/// Most pairs of a session and a market in which it quotes, or has a protection, in a shard.
pub const MAX_QUOTED: usize = 65_536;
/// Most pairs of a session of an account and a market in which it quotes, or has a protection.
pub const MAX_QUOTED_OF_ACCOUNT: u32 = 256;
/// As how many trades one counts, for [`MAX_FILLS`], by which a protection is reached.
pub const PROTECTED_FILLS: usize = 3;
/// Most events of one frame: two per order that a mass cancel cancels and its end, the most that any frame has.
pub const MAX_EVENTS: usize = 2 * MAX_CANCELS + 10;
/// Words of the events of one frame.
pub const MAX_EVENT_WORDS: usize = 1024;

const TRADE_WORDS: usize = (size_of::<Trade>() + 2 * size_of::<Fill>()) / 8;
const _: () = assert!(
    3 * MAX_FILLS + PROTECTED_EVENTS + 5 <= MAX_EVENTS,
    "each trade is three events, the last may reach a protection, and something opens and closes a command"
);
const _: () = assert!(
    4 * MAX_AUCTION_TRADES + 5 <= MAX_EVENTS,
    "each trade of an auction is four events, and both orders of the last may show more"
);
/// What follows a trade by which a protection is reached: the quotes of both sides are cancelled.
const PROTECTED_EVENTS: usize = 5;
const _: () = assert!(
    3 + PROTECTED_EVENTS <= 3 * PROTECTED_FILLS,
    "it counts as so many trades that their events are no fewer"
);
const PROTECTED_WORDS: usize =
    (size_of::<ProtectionReached>() + 2 * (size_of::<Canceled>() + size_of::<BookDelete>())) / 8;
/// A trade that was prevented: the resting order is cancelled or becomes smaller.
const PREVENTED_WORDS: usize =
    (size_of::<SelfTradePrevented>() + size_of::<Amended>() + size_of::<BookReduce>()) / 8;
const _: () = assert!(
    PREVENTED_WORDS <= TRADE_WORDS
        && PROTECTED_WORDS <= (PROTECTED_FILLS - 1) * TRADE_WORDS
        && MAX_FILLS * TRADE_WORDS + PROTECTED_WORDS + 5 * size_of::<Fill>() / 8 <= MAX_EVENT_WORDS,
    "a full frame's events fit: no event that may stand beside trades is larger than a fill"
);

/// The events of one frame, as the words that will stand in the journal.
pub struct Effects {
    words: Box<[u64; MAX_EVENT_WORDS]>,
    len: usize,
    count: u16,
}

impl Effects {
    /// An empty buffer; the only allocation that it ever makes.
    #[must_use]
    pub fn new() -> Self {
        Self {
            words: Box::new([0; MAX_EVENT_WORDS]),
            len: 0,
            count: 0,
        }
    }

    /// Forgets all events.
    pub fn clear(&mut self) {
        self.len = 0;
        self.count = 0;
    }

    /// Adds an event.
    ///
    /// # Panics
    /// If the record's `kind` is not that of its type, or the buffer is full: both are errors of
    /// the engine, which is bound by [`MAX_EVENTS`].
    pub fn push<E: EventRecord>(&mut self, event: &E) {
        let bytes = event.as_bytes();
        assert_eq!(
            bytes[0],
            E::KIND as u8,
            "an event carries the kind of its record"
        );
        let end = self.len + bytes.len() / 8;
        self.words[self.len..end]
            .as_mut_bytes()
            .copy_from_slice(bytes);
        self.len = end;
        self.count += 1;
    }

    /// The events as words.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.words[..self.len]
    }

    /// How many events.
    #[must_use]
    pub fn count(&self) -> u16 {
        self.count
    }

    /// The events one by one.
    #[must_use]
    pub fn events(&self) -> Events<'_> {
        Events::new(self.words())
    }
}

impl Default for Effects {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Effects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.events()).finish()
    }
}

/// Words that are no events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventError {
    /// No event has this kind.
    UnknownKind(u8),
    /// The words end within an event.
    CutOff(EventKind),
    /// A field holds no value of its type.
    InvalidField(EventKind),
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKind(kind) => write!(f, "no event has kind {kind}"),
            Self::CutOff(kind) => write!(f, "the frame ends within a {kind:?} event"),
            Self::InvalidField(kind) => write!(f, "{kind:?} event with an invalid field"),
        }
    }
}

impl core::error::Error for EventError {}

/// Reads events from words. After an error it ends.
#[derive(Clone, Debug)]
pub struct Events<'a> {
    rest: &'a [u64],
}

impl<'a> Events<'a> {
    /// Over the event words of a frame.
    #[must_use]
    pub fn new(words: &'a [u64]) -> Self {
        Self { rest: words }
    }

    fn take<E: EventRecord>(&mut self) -> Result<E, EventError> {
        let words = size_of::<E>() / 8;
        let (event, rest) = self
            .rest
            .split_at_checked(words)
            .ok_or(EventError::CutOff(E::KIND))?;
        self.rest = rest;
        E::try_read_from_bytes(event.as_bytes()).map_err(|_| EventError::InvalidField(E::KIND))
    }

    fn read(&mut self, first: u8) -> Result<Event, EventError> {
        let kind =
            EventKind::try_read_from_bytes(&[first]).map_err(|_| EventError::UnknownKind(first))?;
        Ok(match kind {
            EventKind::Accepted => Event::Accepted(self.take::<Accepted>()?),
            EventKind::Rejected => Event::Rejected(self.take::<Rejected>()?),
            EventKind::Fill => Event::Fill(self.take::<Fill>()?),
            EventKind::Canceled => Event::Canceled(self.take::<Canceled>()?),
            EventKind::Amended => Event::Amended(self.take::<Amended>()?),
            EventKind::NotApplied => Event::NotApplied(self.take::<NotApplied>()?),
            EventKind::SelfTradePrevented => {
                Event::SelfTradePrevented(self.take::<SelfTradePrevented>()?)
            }
            EventKind::MassCanceled => Event::MassCanceled(self.take::<MassCanceled>()?),
            EventKind::Triggered => Event::Triggered(self.take::<Triggered>()?),
            EventKind::ProtectionSet => Event::ProtectionSet(self.take::<ProtectionSet>()?),
            EventKind::ProtectionReached => {
                Event::ProtectionReached(self.take::<ProtectionReached>()?)
            }
            EventKind::AttestationNoted => {
                Event::AttestationNoted(self.take::<AttestationNoted>()?)
            }
            EventKind::BookAdd => Event::BookAdd(self.take::<BookAdd>()?),
            EventKind::BookReduce => Event::BookReduce(self.take::<BookReduce>()?),
            EventKind::BookDelete => Event::BookDelete(self.take::<BookDelete>()?),
            EventKind::Trade => Event::Trade(self.take::<Trade>()?),
            EventKind::PhaseChanged => Event::PhaseChanged(self.take::<PhaseChanged>()?),
            EventKind::MarketDefined => Event::MarketDefined(self.take::<MarketDefined>()?),
            EventKind::BookReplace => Event::BookReplace(self.take::<BookReplace>()?),
            EventKind::MarketStateChanged => {
                Event::MarketStateChanged(self.take::<MarketStateChanged>()?)
            }
            EventKind::Uncrossed => Event::Uncrossed(self.take::<Uncrossed>()?),
            EventKind::Outcome => Event::Outcome(self.take::<Outcome>()?),
            EventKind::StateHash => Event::StateHash(self.take::<StateHash>()?),
        })
    }
}

impl Iterator for Events<'_> {
    type Item = Result<Event, EventError>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = self.rest.first()?.to_le_bytes()[0];
        let event = self.read(first);
        if event.is_err() {
            self.rest = &[];
        }
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MarketId, OrderId, Side, Zero};
    use proptest::prelude::*;

    #[test]
    fn events_read_back_in_order() {
        let mut effects = Effects::new();
        let delete = BookDelete {
            kind: EventKind::BookDelete,
            side: Side::Sell,
            pad: [Zero::Zero; 2],
            market: MarketId(1),
            feed_no: 2,
            order_id: OrderId(3),
        };
        effects.push(&delete);
        effects.push(&StateHash {
            kind: EventKind::StateHash,
            pad: [Zero::Zero; 7],
            hash: 4,
        });
        let events: Vec<_> = effects
            .events()
            .map(|event| event.expect("valid"))
            .collect();
        assert_eq!(events[0], Event::BookDelete(delete));
        assert_eq!(events.len(), usize::from(effects.count()));
        let cut = &effects.words()[..4];
        assert_eq!(
            Events::new(cut).last(),
            Some(Err(EventError::CutOff(EventKind::StateHash)))
        );
    }

    const KINDS: [EventKind; 23] = [
        EventKind::Accepted,
        EventKind::Rejected,
        EventKind::Fill,
        EventKind::Canceled,
        EventKind::Amended,
        EventKind::NotApplied,
        EventKind::SelfTradePrevented,
        EventKind::MassCanceled,
        EventKind::Triggered,
        EventKind::ProtectionSet,
        EventKind::ProtectionReached,
        EventKind::AttestationNoted,
        EventKind::BookAdd,
        EventKind::BookReduce,
        EventKind::BookDelete,
        EventKind::Trade,
        EventKind::PhaseChanged,
        EventKind::MarketDefined,
        EventKind::BookReplace,
        EventKind::MarketStateChanged,
        EventKind::Uncrossed,
        EventKind::Outcome,
        EventKind::StateHash,
    ];
    /// More than the largest event.
    const ROOM: usize = 256;

    fn to_words(bytes: &[u8]) -> Vec<u64> {
        let (words, _) = bytes.as_chunks::<8>();
        words.iter().map(|word| u64::from_le_bytes(*word)).collect()
    }

    /// The words of the event that stands first, if one does.
    fn size_of_first(bytes: &[u8]) -> Option<usize> {
        let words = to_words(bytes);
        let mut events = Events::new(&words);
        events.next()?.ok()?;
        Some(words.len() - events.rest.len())
    }

    /// An event of this kind: as much of the noise as its fields can hold.
    fn event(kind: EventKind, noise: &[u8]) -> Vec<u64> {
        let mut bytes = vec![0; ROOM];
        bytes[0] = kind as u8;
        // Most events may be zeros behind their kind; two have a command's kind, which is never 0.
        let lacks = (1..ROOM).find(|&at| {
            let with = |value| {
                let mut bytes = bytes.clone();
                bytes[at] = value;
                size_of_first(&bytes).is_some()
            };
            size_of_first(&bytes).is_none() && with(1)
        });
        if let Some(at) = lacks {
            bytes[at] = 1;
        }
        let size = 8 * size_of_first(&bytes).expect("a valid event");
        for (at, value) in noise.iter().enumerate().take(size).skip(1) {
            let before = core::mem::replace(&mut bytes[at], *value);
            if size_of_first(&bytes).is_none() {
                bytes[at] = before;
            }
        }
        to_words(&bytes[..size])
    }

    proptest! {
        #[test]
        fn any_words_are_read_or_refused(
            events in prop::collection::vec(
                (prop::sample::select(&KINDS[..]), prop::collection::vec(any::<u8>(), ROOM)),
                1..8,
            ),
            flips in prop::collection::vec((any::<prop::sample::Index>(), 0..64_u32), 1..4),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut words = Vec::new();
            for (kind, noise) in &events {
                words.extend(event(*kind, noise));
            }
            let whole: Vec<_> = Events::new(&words).collect();
            prop_assert_eq!(whole.len(), events.len());
            prop_assert!(whole.iter().all(Result::is_ok));
            let first = flips.iter().map(|(at, _)| at.index(words.len())).min();
            let mut flipped = words.clone();
            for (at, bit) in flips {
                flipped[at.index(words.len())] ^= 1 << bit;
            }
            flipped.truncate(1 + cut.index(words.len()));
            let mut reader = Events::new(&flipped);
            let mut end = 0;
            let mut read = 0;
            while let Some(event) = reader.next() {
                end = if event.is_ok() { flipped.len() - reader.rest.len() } else { usize::MAX };
                read += 1;
                // What stands before the first flip is read as it was.
                prop_assert!(end > first.unwrap_or(0) || Some(&event) == whole.get(read - 1));
                prop_assert!(event.is_ok() || reader.next().is_none(), "it ends after an error");
            }
            prop_assert!(read <= flipped.len());
            prop_assert!(end >= flipped.len(), "all is read, or refused");
        }

        #[test]
        fn words_without_sense_are_read_or_refused(words in prop::collection::vec(any::<u64>(), 0..64)) {
            prop_assert!(Events::new(&words).count() <= words.len());
        }
    }
}
