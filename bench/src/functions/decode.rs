//! Decoding a datagram with one order, or with a mass quote: whose it is, whether it is well formed, and its commands.

use domain::{ClientOrderId, Nanos, SessionId};
use domain::{Command, MarketId, OrderType, Price, Qty, Side, TimeInForce};
use std::hint::black_box;
use wire::MAX_DATAGRAM;
use wire::auth::MacKey;
use wire::order_entry::{Context, DatagramReader, DatagramWriter, MAX_QUOTES, Message};

use super::{Entry, Subject};

pub(super) const ENTRY: Entry = Entry {
    name: "decode",
    what: "context, well-formedness and command of a datagram with one order, 128 bytes",
    batch: 10_000,
    is_counted: true,
    make: || {
        let (bytes, length) = datagram();
        Box::new(Decode { bytes, length })
    },
};

pub(super) const QUOTES: Entry = Entry {
    name: "decode-quotes",
    what: "context, well-formedness and commands of a datagram with a mass quote of 32, 1,360 bytes",
    batch: 1_000,
    is_counted: true,
    make: || {
        let (bytes, length) = quotes();
        Box::new(Decode { bytes, length })
    },
};

/// The key of what is signed here.
pub(super) fn key() -> MacKey {
    MacKey::from_bytes([7; 16])
}

/// A datagram with one order, and its length.
pub(super) fn datagram() -> ([u8; MAX_DATAGRAM], usize) {
    let order = domain::NewOrder {
        client_order_id: ClientOrderId(42),
        price: Price(30_000),
        qty: Qty(3),
        market: MarketId(0),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        ..domain::NewOrder::PLAIN
    };
    let mut bytes = [0; MAX_DATAGRAM];
    let mut writer = DatagramWriter::new(&mut bytes, context());
    let message = Message::NewOrder((&order).into());
    writer.push_message(&message).expect("one message fits");
    let length = writer.finish(&key());
    (bytes, length)
}

/// A datagram with as many quotes as fit, and its length.
fn quotes() -> ([u8; MAX_DATAGRAM], usize) {
    let mut bytes = [0; MAX_DATAGRAM];
    let mut writer = DatagramWriter::new(&mut bytes, context());
    for market in 0..MAX_QUOTES {
        let quote = domain::Quote {
            quote_id: ClientOrderId(42),
            bid_price: Price(29_999),
            bid_qty: Qty(3),
            ask_price: Price(30_001),
            ask_qty: Qty(3),
            market: MarketId(market),
            ..domain::Quote::PULL
        };
        let message = Message::MassQuote((&quote).into());
        writer.push_message(&message).expect("so many fit");
    }
    let length = writer.finish(&key());
    (bytes, length)
}

pub(super) fn context() -> Context {
    Context {
        session_id: SessionId(1),
        epoch: 1,
        next_seq_no: 7,
        sending_time: Nanos(1_700_000_000_000_000_000),
        shard: 0,
        flags: 0,
        reserved: 0,
    }
}

struct Decode {
    bytes: [u8; MAX_DATAGRAM],
    length: usize,
}

impl Subject for Decode {
    fn run(&mut self, count: u64) -> u64 {
        let mut sum = 0;
        for _ in 0..count {
            let bytes = black_box(&self.bytes[..self.length]);
            sum += decoded(bytes);
        }
        sum
    }
}

/// As the net tile does it, but for the MAC between the first two steps.
#[inline]
fn decoded(bytes: &[u8]) -> u64 {
    let Ok(context) = DatagramReader::context(bytes) else {
        return 0;
    };
    let Ok(datagram) = DatagramReader::parse(bytes) else {
        return 0;
    };
    let mut sum = u64::from(context.session_id.0);
    for numbered in datagram.messages {
        let command = black_box(numbered.message.command());
        if let Ok(Command::NewOrder(order)) = command {
            sum += order.qty.0 + numbered.number.unwrap_or(0);
        } else if let Ok(Command::Quote(quote)) = command {
            sum += quote.bid_qty.0 + numbered.number.unwrap_or(0);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_datagram_is_the_most_frequent_of_the_load_and_decodes() {
        let (bytes, length) = datagram();
        assert_eq!(length, crate::echo::DATAGRAM);
        assert_eq!(decoded(&bytes[..length]), 1 + 3 + 7);
        assert!(DatagramReader::verify(&bytes[..length], &key()));
    }

    #[test]
    fn the_quotes_fill_a_datagram_and_each_has_a_number() {
        let (bytes, length) = quotes();
        assert_eq!(length, 1360);
        assert_eq!(decoded(&bytes[..length]), 1 + 32 * 3 + (7..39).sum::<u64>());
    }
}
