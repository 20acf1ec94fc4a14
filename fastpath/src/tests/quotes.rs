//! Mass quotes: each entry is a message of the session's own; and the protection of what they quote.

use super::rig::{Client, Received, Rig, messages, order, refusals, reports};
use domain::{ClientOrderId, MarketId, Price, Qty, Reason, SessionId, Side};
use topology::TileKind;
use topology::instruments::net as counter;
use wire::order_entry::{
    MassQuote, Message, NotApplied, OrderRejected, ProtectionReached, QuoteEntry, SetProtection,
};

/// Quotes 5 lots on both sides in market 0, one tick higher than the quote before `number`.
fn quote(number: u64) -> MassQuote {
    let price = 100 + number.cast_signed();
    MassQuote {
        quote_id: ClientOrderId(7),
        quotes: QuoteEntry::ALONE,
        quote: QuoteEntry {
            bid_price: Price(price),
            bid_quantity: Qty(5),
            ask_price: Price(price + 50),
            ask_quantity: Qty(5),
            market_id: MarketId(0),
            reserved: 0,
        },
        ..MassQuote::default()
    }
}

fn quotes(numbers: std::ops::RangeInclusive<u64>) -> Vec<MassQuote> {
    numbers.map(quote).collect()
}

/// The client's own numbers, as the reports name them.
fn causes(received: &[Received]) -> Vec<u64> {
    let messages = messages(received);
    let stamps = messages.iter().filter_map(Message::stamp);
    stamps.map(|stamp| stamp.client_seq_no).collect()
}

/// Each of these numbers twice: what the two sides of a quote are told.
fn twice(numbers: std::ops::RangeInclusive<u64>) -> Vec<u64> {
    numbers.flat_map(|number| [number, number]).collect()
}

fn rejected(received: &[Received]) -> Vec<OrderRejected> {
    let rejected = |message: &Message| {
        if let Message::OrderRejected(rejected) = message {
            Some(*rejected)
        } else {
            None
        }
    };
    messages(received).iter().filter_map(rejected).collect()
}

fn last_number(rig: &Rig) -> u64 {
    rig.engine().session(SessionId(1)).unwrap().last_number
}

/// A rig whose session 1 has sent one mass quote of 32, and all that it was told.
fn quoted() -> (Rig, Client, Vec<Received>) {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    client.send(1, &quotes(1..=32));
    rig.settle();
    let received = client.receive();
    (rig, client, received)
}

#[test]
fn each_entry_of_a_mass_quote_is_a_frame_with_a_number_of_its_own() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    let head = rig.head();
    let bytes = client.datagram(1, &quotes(1..=32));
    assert_eq!(bytes.len(), 1360, "one message");
    client.send_bytes(&bytes);
    rig.settle();
    let received = client.receive();
    assert_eq!(rig.head(), head + 32);
    assert_eq!(last_number(&rig), 32);
    assert_eq!(causes(&received), twice(1..=32));
    let told = messages(&received);
    let [Message::OrderAccepted(bid), Message::OrderAccepted(ask), ..] = told[..] else {
        panic!("{told:?}")
    };
    assert_eq!((bid.side, bid.price, bid.quote), (0, Price(101), 1));
    assert_eq!((ask.side, ask.price, ask.quote), (1, Price(151), 1));
    let Some(Message::OrderAmended(last)) = told.last() else {
        panic!("{told:?}")
    };
    assert_eq!((last.order_id, last.price), (ask.order_id, Price(182)));
    assert_eq!(rig.engine().live_orders(), 2);
    rig.check_engine();
}

#[test]
fn a_mass_quote_that_comes_again_is_answered_entry_by_entry_with_what_became_of_each() {
    let (mut rig, mut client, first) = quoted();
    let head = rig.head();
    client.send(1, &quotes(1..=32));
    rig.settle();
    let again = client.receive();
    assert!(again.iter().all(|it| it.context.is_retransmission()));
    assert_eq!(reports(&again), reports(&first), "numbers and bytes");
    assert_eq!(rig.head(), head, "nothing was journalled");
    assert_eq!(rig.count(TileKind::Net, counter::duplicates), 32);
    // A part of it, in another message, and two that are new.
    client.send(30, &quotes(30..=34));
    rig.settle();
    let received = client.receive();
    let (again, new): (Vec<_>, Vec<_>) = received
        .into_iter()
        .partition(|it| it.context.is_retransmission());
    assert_eq!(causes(&again), twice(30..=32));
    assert_eq!(causes(&new), twice(33..=34));
    assert_eq!(rig.head(), head + 2);
}

#[test]
fn numbers_that_a_mass_quote_skips_never_apply() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    client.send(5, &quotes(5..=8));
    rig.settle();
    let received = client.receive();
    let Message::NotApplied(skipped) = messages(&received)[0] else {
        panic!("{received:?}")
    };
    let NotApplied {
        from_seq_no, count, ..
    } = skipped;
    assert_eq!((from_seq_no, count, skipped.stamp.client_seq_no), (1, 4, 5));
    // Two that were skipped, and one that was not.
    client.send(3, &quotes(3..=5));
    rig.settle();
    let again = messages(&client.receive());
    assert_eq!(again[..2], [Message::NotApplied(skipped); 2]);
    assert_eq!(again.len(), 2 + 3, "number 5's frame says that it skipped");
    assert_eq!(last_number(&rig), 8);
}

#[test]
fn what_applies_of_a_mass_quote_is_its_beginning() {
    for (ring, burst, taken) in [(8, 64, 8), (64, 10, 10)] {
        let mut rig = Rig::with(1 << 18, |config| {
            config.limits.net_ring = ring;
            config.limits.session_burst = burst;
        });
        let mut client = rig.client(1);
        client.send(1, &quotes(1..=32));
        // On its way before the client hears of it.
        client.send(33, &quotes(33..=34));
        rig.turn();
        rig.settle();
        let received = client.receive();
        let next = taken + 1;
        let busy = [
            (Reason::Busy, next, 32 - taken),
            (Reason::Busy, next, 34 - taken),
        ];
        assert_eq!(refusals(&received), busy);
        assert_eq!(causes(&received), twice(1..=taken));
        assert_eq!(last_number(&rig), taken);
        // Sent again from there on; of what was taken already nothing applies once more.
        let head = rig.head();
        client.send(taken, &quotes(taken..=taken + 4));
        rig.settle();
        let received = client.receive();
        assert_eq!(refusals(&received), []);
        assert_eq!(rig.head(), head + 4);
        rig.check_engine();
    }
}

#[test]
fn an_entry_that_is_refused_leaves_the_others_what_they_are() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    let mut some = quotes(1..=3);
    some[1].quote.market_id = MarketId(77);
    client.send(1, &some);
    rig.settle();
    let received = client.receive();
    assert_eq!(causes(&received), [1, 1, 2, 3, 3]);
    let [refused] = rejected(&received)[..] else {
        panic!("{received:?}")
    };
    assert_eq!(refused.reason, u16::from(Reason::UnknownMarket));
    let named = (refused.refused_template_id, refused.client_order_id);
    assert_eq!(named, (21, ClientOrderId(7)));
    client.send(
        4,
        &[MassQuote {
            slide: 2,
            ..quote(4)
        }],
    );
    rig.settle();
    assert_eq!(refusals(&client.receive()), [(Reason::Malformed, 4, 1)]);
    assert_eq!(last_number(&rig), 3);
}

/// No more than one trade in a minute.
const ONE_FILL: SetProtection = SetProtection {
    request: 5,
    window: 60_000_000_000,
    max_quantity: Qty(0),
    max_notional: domain::Amount(0),
    max_fills: 1,
    market_id: MarketId(0),
};

#[test]
fn a_protection_that_is_reached_cancels_and_refuses_quotes_until_it_is_set_anew() {
    let mut rig = Rig::new();
    let (mut maker, mut taker) = (rig.client(1), rig.client(2));
    maker.send(1, &[ONE_FILL]);
    maker.send(2, &quotes(2..=2));
    rig.settle();
    let told = messages(&maker.receive());
    let Message::ProtectionSet(set) = told[0] else {
        panic!("{told:?}")
    };
    assert_eq!(
        (set.request, set.market_id, set.stamp.client_seq_no),
        (5, MarketId(0), 1)
    );
    taker.send(1, &[order(1, Side::Sell, 102, 2)]);
    rig.settle();
    let told = messages(&maker.receive());
    let [
        Message::OrderFilled(fill),
        Message::ProtectionReached(reached),
        Message::OrderCanceled(bid),
        Message::OrderCanceled(ask),
    ] = told[..]
    else {
        panic!("{told:?}")
    };
    let expected = ProtectionReached {
        stamp: fill.stamp,
        quantity: Qty(2),
        notional: domain::Amount(204),
        fills: 1,
        market_id: MarketId(0),
    };
    assert_eq!(reached, expected);
    assert_eq!((bid.quantity, ask.quantity), (Qty(3), Qty(5)));
    assert_eq!([bid.reason, ask.reason], [u16::from(Reason::Protection); 2]);
    maker.send(3, &quotes(3..=4));
    rig.settle();
    let reasons: Vec<u16> = rejected(&maker.receive())
        .iter()
        .map(|it| it.reason)
        .collect();
    assert_eq!(reasons, [u16::from(Reason::Protected); 2]);
    maker.send(5, &[ONE_FILL]);
    maker.send(6, &quotes(6..=6));
    rig.settle();
    assert_eq!(causes(&maker.receive()), [5, 6, 6]);
    taker.receive();
    rig.check_engine();
}

#[test]
fn a_protection_that_makes_no_sense_is_refused_by_its_request() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    client.send(
        1,
        &[SetProtection {
            window: 0,
            ..ONE_FILL
        }],
    );
    rig.settle();
    let [refused] = rejected(&client.receive())[..] else {
        panic!("refused")
    };
    assert_eq!(refused.reason, u16::from(Reason::InvalidProtection));
    let named = (refused.refused_template_id, refused.client_order_id);
    assert_eq!(named, (22, ClientOrderId(5)));
}

#[test]
fn outcomes_of_quotes_outlive_the_process() {
    let (rig, mut client, first) = quoted();
    let mut rig = rig.restart(|_| {});
    client.send(20, &quotes(20..=32));
    rig.settle();
    let again = reports(&client.receive());
    let first = reports(&first);
    assert_eq!(again[..], first[2 * 19..]);
}
