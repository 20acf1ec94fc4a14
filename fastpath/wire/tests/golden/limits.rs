//! The edges of a datagram: which epoch a message belongs to, which lengths are taken, what fits.

use crate::samples::{Values, context, keys, quote, sample};
use wire::order_entry::{
    Context, DatagramReader, DatagramWriter, DecodeError, GroupSize, MAX_QUOTES, MIN_DATAGRAM,
    MassQuote, Message, MessageHeader, NoRoom, NotApplied, Template,
};
use wire::{CONTROL_EPOCH, MAX_DATAGRAM};
use zerocopy::{FromBytes, IntoBytes};

fn datagram(context: &Context, header: MessageHeader, block: &[u8]) -> Vec<u8> {
    let mut bytes = Template::Context.header().as_bytes().to_vec();
    bytes.extend_from_slice(context.as_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(block);
    bytes.extend_from_slice(&[0; 8]);
    bytes
}

fn parse(context: &Context, header: MessageHeader, block: &[u8]) -> Result<usize, DecodeError> {
    DatagramReader::parse(&datagram(context, header, block))
        .map(|datagram| datagram.messages.count())
}

/// The control epoch's keys are the same for ever, so a datagram recorded there must be harmless.
#[test]
fn the_control_epoch_carries_the_establishing_and_nothing_else() {
    for &template in Template::ALL {
        let message = sample(template, Values::Telling).message;
        let template_id = template.number();
        let establishing = (2..=5).contains(&template_id);
        for epoch in [CONTROL_EPOCH, 1, u32::MAX] {
            let found = parse(&context(epoch, 1, 0), template.header(), message.block());
            let expected = if template == Template::Context {
                Err(DecodeError::SecondContext)
            } else if establishing == (epoch == CONTROL_EPOCH) {
                Ok(1)
            } else {
                Err(DecodeError::WrongEpoch { template_id })
            };
            assert_eq!(found, expected, "{template:?} in epoch {epoch}");
        }
    }
}

#[test]
fn blocks_are_multiples_of_8_and_at_least_as_long_as_known() {
    let template = Template::NewOrder;
    let template_id = template.number();
    for length in 0..=96_u16 {
        let header = MessageHeader {
            block_length: length,
            ..template.header()
        };
        let expected = match length {
            _ if length % 8 != 0 => Err(DecodeError::UnevenBlock { template_id }),
            0..72 => Err(DecodeError::ShortBlock { template_id }),
            _ => Ok(1),
        };
        let block = vec![0; usize::from(length)];
        assert_eq!(parse(&context(1, 1, 0), header, &block), expected);
        if length >= 72 && length % 8 == 0 {
            let cut = parse(&context(1, 1, 0), header, &block[1..]);
            assert_eq!(cut, Err(DecodeError::CutOff));
        }
    }
}

/// A mass quote with this block length, and what stands behind the block.
fn mass_quote(block_length: u16, group: &[u8]) -> Vec<u8> {
    let template = Template::MassQuote;
    let header = MessageHeader {
        block_length,
        ..template.header()
    };
    let block = vec![0; usize::from(block_length)];
    datagram(&context(1, 9, 0), header, &[&block, group].concat())
}

/// A group that says so, of bytes that count up.
fn group(entry: u32, count: u32, bytes: usize) -> Vec<u8> {
    let size = GroupSize {
        block_length: entry,
        num_in_group: count,
    };
    let entries = (0..bytes).map(|at| u8::try_from(at % 251).unwrap());
    size.as_bytes().iter().copied().chain(entries).collect()
}

fn quotes(bytes: &[u8]) -> Result<Vec<(u64, MassQuote)>, DecodeError> {
    let datagram = DatagramReader::parse(bytes)?;
    let quotes = datagram.messages.map(|numbered| {
        let Message::MassQuote(quote) = numbered.message else {
            panic!("{numbered:?} is no quote")
        };
        (numbered.number.expect("a quote has one"), quote)
    });
    Ok(quotes.collect())
}

#[test]
fn a_group_has_1_to_32_entries_that_are_multiples_of_8_and_at_least_as_long_as_known() {
    let template_id = Template::MassQuote.number();
    let invalid = DecodeError::InvalidGroup { template_id };
    for entry in 0..=64_u32 {
        let bytes = mass_quote(16, &group(entry, 3, 3 * entry as usize));
        let found = quotes(&bytes).map(|quotes| quotes.len());
        let fits = entry % 8 == 0 && entry >= 40;
        assert_eq!(found, if fits { Ok(3) } else { Err(invalid) }, "{entry}");
    }
    for count in [0, 1, 31, 32, 33, 1 << 16, u32::MAX] {
        let bytes = mass_quote(16, &group(40, count, 40 * count.min(32) as usize));
        let found = quotes(&bytes).map(|quotes| u32::try_from(quotes.len()).unwrap());
        let fits = (1..=MAX_QUOTES).contains(&count);
        assert_eq!(
            found,
            if fits { Ok(count) } else { Err(invalid) },
            "{count}"
        );
    }
    for (entry, count) in [(u32::MAX - 7, 32), (1 << 31, 2), (48, 3), (40, 4)] {
        let bytes = mass_quote(16, &group(entry, count, 120));
        assert_eq!(quotes(&bytes), Err(DecodeError::CutOff), "{entry} {count}");
    }
    for behind_block in 0..8 {
        let bytes = mass_quote(16, &vec![0; behind_block]);
        assert_eq!(quotes(&bytes), Err(DecodeError::CutOff));
    }
}

#[test]
fn each_entry_of_a_mass_quote_has_a_number_and_what_it_says_whatever_a_newer_version_adds() {
    let read = quotes(&mass_quote(16, &group(40, 3, 120))).unwrap();
    let numbers: Vec<u64> = read.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [9, 10, 11]);
    assert_eq!(read[1].1.quote.bid_price.0.to_le_bytes()[0], 40);
    assert_eq!(read[2].1.quote.market_id.0.to_le_bytes()[0], 112);
    let newer = quotes(&mass_quote(24, &group(56, 2, 112))).unwrap();
    assert_eq!(newer.len(), 2);
    assert_eq!(newer[0], read[0]);
    assert_eq!(newer[1].1.quote.bid_price.0.to_le_bytes()[0], 56);
    let short = mass_quote(8, &group(40, 3, 120));
    let template_id = Template::MassQuote.number();
    assert_eq!(quotes(&short), Err(DecodeError::ShortBlock { template_id }));
}

#[test]
fn the_numbers_of_a_mass_quote_are_numbers() {
    for (next, fits) in [(0, false), (u64::MAX - 32, true), (u64::MAX - 31, false)] {
        let mut bytes = mass_quote(16, &group(40, 32, 32 * 40));
        bytes[16..24].copy_from_slice(&u64::to_le_bytes(next));
        let found = quotes(&bytes).map(|quotes| quotes.len());
        assert_eq!(
            found,
            if fits {
                Ok(32)
            } else {
                Err(DecodeError::InvalidNumber)
            }
        );
    }
}

/// What is written of some quotes: how many stand in each mass quote.
fn groups(quotes: &[MassQuote], room: usize) -> (Vec<u32>, usize) {
    let mut buffer = vec![0; room];
    let mut writer = DatagramWriter::new(&mut buffer, context(1, 1, 0));
    let written = quotes
        .iter()
        .take_while(|quote| writer.push(*quote) == Ok(()));
    let written = written.count();
    let length = writer.finish(&keys(1).to_exchange);
    let read = DatagramReader::parse(&buffer[..length]).unwrap().messages;
    let read: Vec<_> = read.map(|numbered| numbered.message).collect();
    let expected: Vec<Message> = quotes[..written].iter().map(|it| (*it).into()).collect();
    assert_eq!(read, expected);
    let mut sizes = Vec::new();
    let mut rest = &buffer[40..length - 8];
    while !rest.is_empty() {
        let (size, _) = GroupSize::read_from_prefix(&rest[24..]).unwrap();
        sizes.push(size.num_in_group);
        rest = &rest[32 + 40 * size.num_in_group as usize..];
    }
    (sizes, written)
}

#[test]
fn quotes_that_follow_each_other_share_a_message() {
    let of = |ids: &[u64]| -> Vec<_> { ids.iter().map(|id| quote(*id, 7)).collect() };
    assert_eq!(groups(&of(&[1, 1, 1]), MAX_DATAGRAM), (vec![3], 3));
    assert_eq!(
        groups(&of(&[1, 1, 2, 2, 2, 1]), MAX_DATAGRAM),
        (vec![2, 3, 1], 6)
    );
    assert_eq!(
        groups(&of(&[1; 40]), MAX_DATAGRAM),
        (vec![32], 32),
        "a datagram is full"
    );
    // Room for one that shares, but for none that does not.
    assert_eq!(groups(&of(&[1, 1, 1]), 48 + 8 + 64 + 40), (vec![2], 2));
    assert_eq!(groups(&of(&[1, 2]), 48 + 8 + 64 + 40), (vec![1], 1));
}

#[test]
fn unknown_messages_are_passed_on_and_numbered_like_known_ones() {
    for (template_id, number) in [(15, None), (24, Some(9)), (u16::MAX, Some(9))] {
        let header = MessageHeader {
            template_id,
            version: 7,
            ..Template::Hello.header()
        };
        let bytes = datagram(&context(1, 9, 0), header, &[0xFF; 8]);
        let mut messages = DatagramReader::parse(&bytes).unwrap().messages;
        let numbered = messages.next().unwrap();
        assert_eq!(numbered.message.template_id(), template_id);
        assert_eq!(numbered.number, number);
    }
}

#[test]
fn application_messages_need_numbers() {
    let block = NotApplied::default();
    let header = Template::NotApplied.header();
    let number = |next| parse(&context(1, next, 0), header, block.as_bytes());
    assert_eq!(number(0), Err(DecodeError::InvalidNumber));
    assert_eq!(number(1), Ok(1));
    assert_eq!(number(u64::MAX - 1), Ok(1));
    assert_eq!(number(u64::MAX), Err(DecodeError::InvalidNumber));
}

#[test]
fn a_full_datagram_says_so_and_stays_whole() {
    let mut buffer = [0; MAX_DATAGRAM + 100];
    let context = context(1, 1, 0);
    let mut writer = DatagramWriter::new(&mut buffer, context);
    let mut written = 0;
    while writer.push(&NotApplied::default()) == Ok(()) {
        written += 1;
    }
    assert_eq!(writer.push(&NotApplied::default()), Err(NoRoom));
    let key = keys(1).to_exchange;
    let length = writer.finish(&key);
    assert!(length <= MAX_DATAGRAM && length + 56 > MAX_DATAGRAM);
    assert!(DatagramReader::verify(&buffer[..length], &key));
    let datagram = DatagramReader::parse(&buffer[..length]).unwrap();
    assert_eq!(datagram.messages.count(), written);

    let mut smallest = [0; MIN_DATAGRAM];
    let mut writer = DatagramWriter::new(&mut smallest, context);
    assert_eq!(writer.push(&NotApplied::default()), Err(NoRoom));
    assert_eq!(writer.finish(&key), MIN_DATAGRAM);
    assert!(DatagramReader::parse(&smallest).is_ok());
}
