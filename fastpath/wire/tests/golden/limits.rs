//! The edges of a datagram: which epoch a message belongs to, which lengths are taken, what fits.

use crate::samples::{Values, context, keys, sample};
use wire::order_entry::{
    Context, DatagramReader, DatagramWriter, DecodeError, MIN_DATAGRAM, MessageHeader, NoRoom,
    NotApplied, Template,
};
use wire::{CONTROL_EPOCH, MAX_DATAGRAM};
use zerocopy::IntoBytes;

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

#[test]
fn unknown_messages_are_passed_on_and_numbered_like_known_ones() {
    for (template_id, number) in [(15, None), (21, Some(9)), (u16::MAX, Some(9))] {
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
