//! Single situations: what a fresh process takes in, what is out of memory, who is not believed.

use crate::exchange::{Exchange, SESSION, secret};
use client::{Config, Event, MAX_UNANSWERED, ReportsFrom, SendError, Session, Status};
use domain::{
    CancelOrder, ClientOrderId, MarketId, MassCancel, Nanos, NewOrder, OrderId, OrderType, Price,
    Qty, Quote, SetProtection, Side, TimeInForce,
};
use wire::order_entry::{Challenge, Context, DatagramReader, DatagramWriter, Established, Message};

pub(crate) const START: Nanos = Nanos(1_000_000_000);

pub(crate) fn order(id: u64) -> NewOrder {
    NewOrder {
        client_order_id: ClientOrderId(id),
        price: Price(100),
        qty: Qty(5),
        market: MarketId(0),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        ..NewOrder::PLAIN
    }
}

fn fresh(reports_from: ReportsFrom) -> Session {
    let config = Config {
        reports_from,
        ..Config::new(SESSION, secret())
    };
    Session::new(config, [7; 16], START)
}

/// What a session wants to send now.
pub(crate) fn transmit(session: &mut Session, now: Nanos) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    let mut buffer = [0; wire::MAX_DATAGRAM];
    while let Some(length) = session.poll_transmit(&mut buffer, now) {
        datagrams.push(buffer[..length].to_vec());
    }
    datagrams
}

/// Lets both talk over a perfect network for a while.
pub(crate) fn talk(session: &mut Session, exchange: &mut Exchange, now: &mut Nanos) -> Vec<Event> {
    for _ in 0..100 {
        now.0 += 1_000_000;
        for datagram in transmit(session, *now) {
            for answer in exchange.feed(&datagram) {
                session.feed(&answer, *now);
            }
        }
    }
    core::iter::from_fn(|| session.poll_event()).collect()
}

fn report_numbers(events: &[Event]) -> Vec<u64> {
    let numbers = events.iter().filter_map(|event| match event {
        Event::Report { number, .. } => Some(*number),
        Event::Established { .. }
        | Event::Silent
        | Event::RolledBack { .. }
        | Event::Missed { .. }
        | Event::OutcomeUnknown { .. }
        | Event::AttestationLost
        | Event::Outcome(_)
        | Event::QueryUnanswered(_)
        | Event::Refused(_) => None,
    });
    numbers.collect()
}

/// An exchange that an earlier process left with three live orders and one that is cancelled: five
/// reports.
fn used_exchange() -> (Exchange, Nanos) {
    let mut exchange = Exchange::new(1);
    let mut now = START;
    let mut session = fresh(ReportsFrom::Oldest);
    assert_eq!(session.new_order(&order(1)), Err(SendError::NotEstablished));
    talk(&mut session, &mut exchange, &mut now);
    for id in 1..=4 {
        assert_eq!(session.new_order(&order(id)), Ok(id));
    }
    talk(&mut session, &mut exchange, &mut now);
    let order_id = session.orders().get(ClientOrderId(2)).unwrap().order_id;
    let cancel = CancelOrder {
        order_id,
        client_order_id: ClientOrderId(2),
        qty: Qty::ZERO,
    };
    assert_eq!(session.cancel_order(&cancel), Ok(5));
    let events = talk(&mut session, &mut exchange, &mut now);
    assert_eq!(report_numbers(&events), [5]);
    (exchange, now)
}

#[test]
fn a_fresh_process_goes_on_with_the_numbers_and_learns_its_orders() {
    let (mut exchange, mut now) = used_exchange();
    let mut session = fresh(ReportsFrom::Oldest);
    let events = talk(&mut session, &mut exchange, &mut now);
    assert_eq!(report_numbers(&events), [1, 2, 3, 4, 5]);
    let live: Vec<u64> = session
        .orders()
        .live()
        .map(|it| it.client_order_id.0)
        .collect();
    assert_eq!(live, [1, 3, 4]);
    let canceled = session.orders().get(ClientOrderId(2)).unwrap();
    assert_eq!(
        (canceled.status, canceled.leaves),
        (Status::Canceled(200), Qty(0))
    );
    assert_eq!(session.new_order(&order(6)), Ok(6), "numbers go on");
    let events = talk(&mut session, &mut exchange, &mut now);
    assert_eq!(report_numbers(&events), [6]);
    assert_eq!(exchange.state.last_no, 6);
}

#[test]
fn a_fresh_process_may_start_later() {
    for (from, expected) in [
        (ReportsFrom::Next, vec![]),
        (ReportsFrom::Number(0), vec![1, 2, 3, 4, 5]),
        (ReportsFrom::Number(1), vec![1, 2, 3, 4, 5]),
        (ReportsFrom::Number(4), vec![4, 5]),
        (ReportsFrom::Number(6), vec![]),
    ] {
        let (mut exchange, mut now) = used_exchange();
        let mut session = fresh(from);
        let events = talk(&mut session, &mut exchange, &mut now);
        assert_eq!(report_numbers(&events), expected, "{from:?}");
        assert_eq!(session.next_report_no(), 6);
        let rolled_back = |event: &Event| matches!(event, Event::RolledBack { .. });
        assert!(!events.iter().any(rolled_back));
    }
}

#[test]
fn a_process_that_knows_more_than_the_exchange_is_told() {
    let (mut exchange, mut now) = used_exchange();
    let mut session = fresh(ReportsFrom::Number(9));
    let events = talk(&mut session, &mut exchange, &mut now);
    let told = Event::RolledBack {
        epoch: 1,
        last_seq_no: 5,
        next_report_no: 6,
    };
    assert_eq!(events[0], told);
    assert_eq!(session.next_report_no(), 6);
}

#[test]
fn reports_out_of_memory_are_named_and_what_remains_is_delivered() {
    let (mut exchange, mut now) = used_exchange();
    exchange.oldest_report_no = 4;
    let mut session = fresh(ReportsFrom::Number(2));
    let events = talk(&mut session, &mut exchange, &mut now);
    let missed = Event::Missed {
        from: 2,
        count: 2,
        replay: None,
    };
    assert!(events.contains(&missed), "{events:?}");
    assert_eq!(report_numbers(&events), [4, 5]);
}

#[test]
fn at_most_1024_numbers_wait_for_an_answer() {
    let (mut exchange, mut now) = used_exchange();
    let mut session = fresh(ReportsFrom::Next);
    talk(&mut session, &mut exchange, &mut now);
    for id in 0..MAX_UNANSWERED {
        assert!(session.new_order(&order(100 + id)).is_ok());
    }
    let refused = session.new_order(&order(9));
    assert_eq!(refused, Err(SendError::TooManyUnanswered));
    let datagrams = transmit(&mut session, now);
    let fit = (wire::MAX_DATAGRAM - 48) / 80;
    let expected = usize::try_from(MAX_UNANSWERED).unwrap().div_ceil(fit);
    assert_eq!(datagrams.len(), expected, "datagrams are filled");
    for datagram in datagrams {
        for answer in exchange.feed(&datagram) {
            session.feed(&answer, now);
        }
    }
    assert_eq!(session.unanswered(), 0);
    assert!(session.new_order(&order(9)).is_ok());
}

#[test]
fn what_is_unanswered_is_sent_again_with_longer_and_longer_waits() {
    let (mut exchange, mut now) = used_exchange();
    let mut session = fresh(ReportsFrom::Next);
    talk(&mut session, &mut exchange, &mut now);
    session.new_order(&order(7)).unwrap();
    let start = now.0;
    let mut sent = Vec::new();
    while now.0 < start + 2_000_000_000 {
        for datagram in transmit(&mut session, now) {
            let parsed = DatagramReader::parse(&datagram).unwrap();
            if parsed
                .messages
                .clone()
                .next()
                .is_some_and(|it| it.number == Some(6))
            {
                let again = parsed.context.is_retransmission();
                sent.push(((now.0 - start) / 1_000_000, again));
            }
        }
        now.0 += 1_000_000;
    }
    let times = [0, 20, 60, 140, 300, 620, 1120, 1620].map(|time| (time, time > 0));
    assert_eq!(sent, times);
}

#[test]
fn silence_makes_it_establish_again_and_nothing_is_lost() {
    let (mut exchange, mut now) = used_exchange();
    let mut session = fresh(ReportsFrom::Next);
    talk(&mut session, &mut exchange, &mut now);
    // Reports that never arrive, and no heartbeat that would tell.
    let lost = exchange.trade().len() + exchange.trade().len();
    assert!(lost > 0);
    now.0 += 2_000_000_000;
    transmit(&mut session, now);
    assert_eq!(session.poll_event(), None, "not silent yet");
    now.0 += 1_000_000_000;
    let events = talk(&mut session, &mut exchange, &mut now);
    assert_eq!(events[0], Event::Silent);
    assert_eq!(report_numbers(&events), [6, 7]);
}

#[test]
fn nobody_else_is_believed() {
    let (mut exchange, mut now) = used_exchange();
    let mut session = fresh(ReportsFrom::Next);
    talk(&mut session, &mut exchange, &mut now);
    let genuine = exchange.trade().remove(0);
    for bit in 0..genuine.len() * 8 {
        let mut forged = genuine.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        session.feed(&forged, now);
    }
    for length in 0..genuine.len() {
        session.feed(&genuine[..length], now);
    }
    // An answer to a Hello of somebody else, though with the right keys.
    let mut answer = [0; wire::MAX_DATAGRAM];
    let context = Context {
        session_id: SESSION,
        ..Context::default()
    };
    let mut writer = DatagramWriter::new(&mut answer, context);
    let established = Established {
        nonce: 1,
        epoch: 9,
        ..Established::default()
    };
    writer.push(&established).unwrap();
    let length = writer.finish(&secret().keys(SESSION, 0, 0).to_client);
    session.feed(&answer[..length], now);
    assert_eq!(session.poll_event(), None);
    // What it sent itself, sent back.
    now.0 += 1_000_000_000;
    for own in transmit(&mut session, now) {
        session.feed(&own, now);
    }
    assert_eq!(session.poll_event(), None);

    session.feed(&genuine, now);
    session.feed(&genuine, now);
    let event = session.poll_event();
    assert!(matches!(
        event,
        Some(Event::Report {
            number: 6,
            message: Message::OrderFilled(_)
        })
    ));
    assert_eq!(session.poll_event(), None, "once");
}

#[test]
fn a_restarted_exchange_in_a_new_epoch_is_noticed_from_its_heartbeat() {
    let (mut exchange, mut now) = used_exchange();
    let mut session = fresh(ReportsFrom::Oldest);
    talk(&mut session, &mut exchange, &mut now);
    exchange.lose(1);
    exchange.bound = true;
    for heartbeat in exchange.heartbeat() {
        session.feed(&heartbeat, now);
    }
    let events = talk(&mut session, &mut exchange, &mut now);
    let told = Event::RolledBack {
        epoch: 2,
        last_seq_no: 4,
        next_report_no: 5,
    };
    assert_eq!(events[0], told);
    let order = session.orders().get(ClientOrderId(2)).unwrap();
    assert_eq!(
        (order.status, order.certain),
        (Status::Live, false),
        "its cancel is void"
    );
    let cancel = CancelOrder {
        order_id: OrderId::NONE,
        client_order_id: ClientOrderId(2),
        qty: Qty::ZERO,
    };
    assert_eq!(
        session.cancel_order(&cancel),
        Ok(5),
        "the number is given out again"
    );
    talk(&mut session, &mut exchange, &mut now);
    let order = session.orders().get(ClientOrderId(2)).unwrap();
    assert_eq!(order.status, Status::Canceled(200));
}

/// A frame's reports may come apart; `NotApplied` carries the number that skipped, but says nothing of
/// what became of it.
#[test]
fn a_repeated_not_applied_does_not_answer_for_the_number_that_skipped() {
    let mut exchange = Exchange::new(1);
    let mut now = START;
    let mut session = fresh(ReportsFrom::Next);
    talk(&mut session, &mut exchange, &mut now);
    session.new_order(&order(1)).unwrap();
    let lost = transmit(&mut session, now);
    assert_eq!(lost.len(), 1);
    session.new_order(&order(2)).unwrap();
    let [datagram] = &transmit(&mut session, now)[..] else {
        panic!("one command, one datagram")
    };
    let answer = exchange.feed(datagram).remove(0);
    let context = DatagramReader::context(&answer).unwrap();
    let key = secret()
        .keys(SESSION, context.shard, context.epoch)
        .to_client;
    for (number, report) in [(1, 0), (1, 0), (2, 1)] {
        let mut bytes = [0; wire::MAX_DATAGRAM];
        let context = Context {
            next_seq_no: number,
            ..context
        };
        let mut writer = DatagramWriter::new(&mut bytes, context);
        writer
            .push_message(&exchange.state.reports[report])
            .unwrap();
        let length = writer.finish(&key);
        session.feed(&bytes[..length], now);
        assert_eq!(session.unanswered(), if number == 1 { 1 } else { 0 });
    }
    let events: Vec<_> = core::iter::from_fn(|| session.poll_event()).collect();
    assert_eq!(report_numbers(&events), [1, 2]);
    assert_eq!(events.len(), 2);
}

#[test]
fn a_busy_exchange_gets_the_same_number_again_after_a_pause_and_before_any_higher() {
    let mut exchange = Exchange::new(1);
    let mut now = START;
    let mut session = fresh(ReportsFrom::Next);
    talk(&mut session, &mut exchange, &mut now);
    exchange.busy = 1000;
    session.new_order(&order(1)).unwrap();
    let answers = exchange.feed(&transmit(&mut session, now)[0]);
    session.feed(&answers[0], now);
    exchange.busy = 0;
    session.new_order(&order(2)).unwrap();
    assert_eq!(transmit(&mut session, now).len(), 0, "a pause");
    now.0 += 1_000_000;
    assert_eq!(session.next_timeout(), now);
    for datagram in transmit(&mut session, now) {
        for answer in exchange.feed(&datagram) {
            session.feed(&answer, now);
        }
    }
    let frames = exchange.state.frames.iter().map(|frame| frame.number);
    assert_eq!(frames.collect::<Vec<_>>(), [1, 2]);
    assert_eq!(session.unanswered(), 0);
}

fn control(message: &Message) -> Vec<u8> {
    let context = Context {
        session_id: SESSION,
        ..Context::default()
    };
    let mut bytes = vec![0; wire::MAX_DATAGRAM];
    let mut writer = DatagramWriter::new(&mut bytes, context);
    writer.push_message(message).unwrap();
    let length = writer.finish(&secret().keys(SESSION, 0, 0).to_client);
    bytes.truncate(length);
    bytes
}

/// What the exchange says in the control epoch can be recorded and sent again in a later handshake:
/// only the nonce tells.
#[test]
fn answers_to_another_handshake_are_ignored() {
    let mut session = fresh(ReportsFrom::Next);
    let now = START;
    let hello = transmit(&mut session, now).remove(0);
    let mut messages = DatagramReader::parse(&hello).unwrap().messages;
    let Some(Message::Hello(hello)) = messages.next().map(|it| it.message) else {
        panic!("a session starts with Hello")
    };
    let nonce = hello.nonce;
    let challenge = |nonce| control(&Challenge { nonce, cookie: 8 }.into());
    let established = |nonce| {
        let established = Established {
            nonce,
            epoch: 1,
            ..Established::default()
        };
        control(&established.into())
    };
    session.feed(&challenge(nonce + 1), now);
    session.feed(&established(nonce), now);
    assert!(!session.is_established(), "no Establish was sent yet");
    assert_eq!(transmit(&mut session, now).len(), 0);
    session.feed(&challenge(nonce), now);
    assert_eq!(transmit(&mut session, now).len(), 1);
    session.feed(&established(nonce + 1), now);
    assert!(!session.is_established());
    session.feed(&established(nonce), now);
    assert!(session.is_established());
}

/// The frame of a long mass cancel holds no report for who sent it, and what ends it is lost on the way.
#[test]
fn a_mass_cancel_is_answered_by_what_ends_it() {
    let (mut exchange, mut now) = used_exchange();
    let mut session = fresh(ReportsFrom::Oldest);
    talk(&mut session, &mut exchange, &mut now);
    // Here an even number ends in its own frame.
    for (number, count) in [(6, 3), (7, 0)] {
        assert_eq!(session.mass_cancel(&MassCancel::OWN), Ok(number));
        for datagram in transmit(&mut session, now) {
            exchange.feed(&datagram);
        }
        assert_eq!(session.unanswered(), 1, "the answer was lost");
        let events = talk(&mut session, &mut exchange, &mut now);
        let Some(Event::Report { message, .. }) = events.last() else {
            panic!("{events:?}")
        };
        let Message::MassCanceled(ended) = message else {
            panic!("{message:?}")
        };
        assert_eq!((ended.request, ended.count), (number, count));
        let own_frame = ended.stamp.client_seq_no == number;
        assert_eq!(own_frame, number == 6);
        assert_eq!(session.unanswered(), 0);
        assert_eq!(session.orders().live().count(), 0);
    }
}

fn quotes(count: u32) -> Vec<Quote> {
    let quote = |market| Quote {
        quote_id: ClientOrderId(7),
        bid_price: Price(10),
        bid_qty: Qty(1),
        ask_price: Price(20),
        ask_qty: Qty(2),
        market: MarketId(market),
        ..Quote::PULL
    };
    (0..count).map(quote).collect()
}

/// The number of a datagram's first message, and how many it has.
fn numbers(datagram: &[u8]) -> (u64, usize) {
    let parsed = DatagramReader::parse(datagram).unwrap();
    (parsed.context.next_seq_no, parsed.messages.count())
}

#[test]
fn a_mass_quote_that_was_taken_in_part_goes_on_where_the_exchange_was_busy() {
    let mut exchange = Exchange::new(1);
    let mut now = START;
    let mut session = fresh(ReportsFrom::Next);
    talk(&mut session, &mut exchange, &mut now);
    exchange.busy = 100;
    assert_eq!(session.mass_quote(&quotes(40)), Ok(1..41));
    let datagrams = transmit(&mut session, now);
    let sent: Vec<_> = datagrams.iter().map(|it| numbers(it)).collect();
    assert_eq!(sent, [(1, 32), (33, 8)]);
    for datagram in datagrams {
        for answer in exchange.feed(&datagram) {
            session.feed(&answer, now);
        }
    }
    exchange.busy = 0;
    let taken = exchange.state.last_no;
    assert!((1..32).contains(&taken), "{taken} were taken");
    assert_eq!(session.unanswered() as u64, 40 - taken);
    now.0 += 1_000_000;
    let again: Vec<_> = transmit(&mut session, now);
    assert_eq!(numbers(&again[0]).0, taken + 1);
    for datagram in again {
        for answer in exchange.feed(&datagram) {
            session.feed(&answer, now);
        }
    }
    assert_eq!(session.unanswered(), 0);
    let frames = exchange.state.frames.iter().map(|frame| frame.number);
    assert!(frames.eq(1..=40));
    let ask = session.orders().quote(MarketId(39), Side::Sell).unwrap();
    assert_eq!(
        (ask.price, ask.leaves, ask.certain),
        (Price(20), Qty(2), true)
    );
    assert_eq!(session.orders().get(ClientOrderId(7)), None);
}

#[test]
fn a_mass_quote_is_given_as_a_whole_or_not_at_all() {
    let mut exchange = Exchange::new(1);
    let mut now = START;
    let mut session = fresh(ReportsFrom::Next);
    assert_eq!(
        session.mass_quote(&quotes(1)),
        Err(SendError::NotEstablished)
    );
    talk(&mut session, &mut exchange, &mut now);
    let most = u32::try_from(MAX_UNANSWERED).unwrap();
    let too_many = Err(SendError::TooManyUnanswered);
    assert_eq!(session.mass_quote(&quotes(most + 1)), too_many);
    assert_eq!(session.mass_quote(&quotes(0)), Ok(1..1));
    assert_eq!(session.unanswered(), 0);
    assert_eq!(session.mass_quote(&quotes(most)), Ok(1..MAX_UNANSWERED + 1));
    assert_eq!(session.mass_quote(&quotes(1)), too_many);
}

#[test]
fn a_protection_names_its_number() {
    let (mut exchange, mut now) = used_exchange();
    let mut session = fresh(ReportsFrom::Oldest);
    talk(&mut session, &mut exchange, &mut now);
    assert_eq!(session.set_protection(&SetProtection::OFF), Ok(6));
    let events = talk(&mut session, &mut exchange, &mut now);
    let Some(Event::Report { message, .. }) = events.last() else {
        panic!("{events:?}")
    };
    let Message::ProtectionSet(set) = message else {
        panic!("{message:?}")
    };
    assert_eq!((set.request, set.stamp.client_seq_no), (6, 6));
    assert_eq!(session.unanswered(), 0);
}
