//! A mass quote in a datagram: one block, and the quotes that share it.

use super::datagram::DecodeError;
use super::message::{Block, GroupSize, MAX_QUOTES, MassQuote, QuoteEntry, Template};
use zerocopy::{FromBytes, IntoBytes};

/// From the start of a mass quote's block to its first entry, as this version writes it.
pub(super) const ENTRIES: usize = MassQuote::LENGTH + size_of::<GroupSize>();

/// The quotes of a mass quote that come next.
#[derive(Clone, Debug, Default)]
pub(super) struct Quotes<'a> {
    block: &'a [u8],
    /// Whole entries of `entry` bytes, each at least as long as this version's.
    entries: &'a [u8],
    entry: usize,
}

impl<'a> Quotes<'a> {
    /// Those of the mass quote with this block, which is as long as this version's at least; and what follows them.
    pub(super) fn split(block: &'a [u8], after: &'a [u8]) -> Result<(Self, &'a [u8]), DecodeError> {
        let (size, after) = GroupSize::read_from_prefix(after).map_err(|_| DecodeError::CutOff)?;
        let entry = size.block_length as usize;
        if !(1..=MAX_QUOTES).contains(&size.num_in_group)
            || entry < size_of::<QuoteEntry>()
            || !entry.is_multiple_of(8)
        {
            return Err(DecodeError::InvalidGroup {
                template_id: Template::MassQuote.number(),
            });
        }
        let bytes = entry.saturating_mul(size.num_in_group as usize);
        let (entries, after) = after.split_at_checked(bytes).ok_or(DecodeError::CutOff)?;
        let quotes = Self {
            block,
            entries,
            entry,
        };
        Ok((quotes, after))
    }

    /// Whether none is left.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Each takes a number: how many, if they hold what they may. What could be wrong stands in the block, and so is
    /// the same in all of them.
    pub(super) fn check(mut self) -> Result<u64, DecodeError> {
        let count = self.entries.len() / self.entry;
        if let Some(first) = self.next() {
            domain::Quote::try_from(&first).map_err(DecodeError::InvalidField)?;
        }
        Ok(count as u64)
    }
}

impl Iterator for Quotes<'_> {
    type Item = MassQuote;

    fn next(&mut self) -> Option<MassQuote> {
        let (entry, entries) = self.entries.split_at_checked(self.entry.max(1))?;
        let (quote, _) = QuoteEntry::read_from_prefix(entry).ok()?;
        self.entries = entries;
        let mut message = MassQuote {
            quotes: QuoteEntry::ALONE,
            quote,
            ..MassQuote::default()
        };
        let block = self.block.get(..MassQuote::LENGTH)?;
        message.as_mut_bytes()[..MassQuote::LENGTH].copy_from_slice(block);
        Some(message)
    }
}
