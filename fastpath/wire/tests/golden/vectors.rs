//! The golden vectors are what this crate writes, and it reads them back.
//!
//! `WRITE_VECTORS=1 cargo test -p wire --test golden` writes them anew; a change of an existing one is
//! a change of the wire. `sbe_test.py` reads them with the schema alone.

use crate::samples::{DatagramSample, Expected, Sample, datagrams, keys, samples};
use core::fmt::Write;
use domain::{
    Amount, ClientOrderId, Flag, MarketId, Nanos, OrderId, OrderType, PostOnly, Price, Qty, Reason,
    Scope, SelfTrade, SelfTradeScope, Seq, SessionId, Side, Sides, Source, TimeInForce, Zero,
};
use std::path::PathBuf;
use wire::order_entry::{
    AttestationNoted, DatagramReader, FrameStamp, KillSwitch, MassCancel, MassQuote, Message,
    MessageHeader, NewOrder, NotACommand, OrderAccepted, OrderRejected, ProtectionReached,
    ProtectionSet, Refused, Stamp, Template,
};
use zerocopy::IntoBytes;

pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.chunks(32) {
        for byte in line {
            write!(text, "{byte:02x}").unwrap();
        }
        text.push('\n');
    }
    text
}

fn encode(sample: &Sample) -> Vec<u8> {
    let mut bytes = sample.template.header().as_bytes().to_vec();
    bytes.extend_from_slice(sample.message.block());
    bytes
}

pub(crate) fn camel(snake: &str) -> String {
    let mut words = snake.split('_');
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        name.push_str(&word[..1].to_uppercase());
        name.push_str(&word[1..]);
    }
    name
}

/// All numbers are strings, because JSON's are not 64 bits wide. A group is the list of its entries.
fn expected_values(samples: &[Sample]) -> String {
    let messages = samples.iter().map(|sample| {
        let field = |expected: &Expected| {
            let name = camel(expected.field);
            format!("      \"{name}\": \"{}\"", expected.value)
        };
        let is_group = |expected: &Expected| expected.field == "block_length";
        let mut parts = sample.expected.split(is_group);
        let block = parts.next().unwrap_or_default().iter().map(field);
        let groups = parts.map(|group| {
            // How many there are says the length of the list.
            let entry = group[1..].iter().map(field);
            format!(
                "      \"quotes\": [{{\n{}\n      }}]",
                entry.collect::<Vec<_>>().join(",\n")
            )
        });
        format!(
            "  \"{}\": {{\n    \"message\": \"{:?}\",\n    \"values\": {{\n{}\n    }}\n  }}",
            sample.name,
            sample.template,
            block.chain(groups).collect::<Vec<_>>().join(",\n")
        )
    });
    format!("{{\n{}\n}}\n", messages.collect::<Vec<_>>().join(",\n"))
}

fn expected_datagrams(datagrams: &[DatagramSample]) -> String {
    let entries = datagrams.iter().map(|datagram| {
        let templates = datagram.messages.iter();
        let templates = templates.map(|message| message.template_id().to_string());
        format!(
            "  \"datagram-{}\": {{ \"direction\": {}, \"epoch\": {}, \"templates\": [{}] }}",
            datagram.name,
            u8::from(datagram.is_from_exchange()),
            datagram.context.epoch,
            templates.collect::<Vec<_>>().join(", ")
        )
    });
    format!("{{\n{}\n}}\n", entries.collect::<Vec<_>>().join(",\n"))
}

/// The folder's files are these and no others.
pub(crate) fn check_files(folder: &str, files: &[(String, String)]) {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder);
    let write = std::env::var_os("WRITE_VECTORS").is_some();
    for (name, text) in files {
        let path = directory.join(name);
        if write {
            std::fs::write(&path, text).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(&found, text, "{name}");
    }
    let found = std::fs::read_dir(directory).unwrap();
    let found = found.filter(|entry| entry.as_ref().unwrap().file_type().unwrap().is_file());
    assert_eq!(found.count(), files.len(), "a vector that nothing writes");
}

#[test]
fn the_files_are_what_is_written() {
    let mut files: Vec<(String, String)> = Vec::new();
    for sample in &samples() {
        files.push((format!("{}.hex", sample.name), hex(&encode(sample))));
    }
    for datagram in &datagrams() {
        let name = format!("datagram-{}.hex", datagram.name);
        files.push((name, hex(&datagram.encode())));
    }
    files.push(("messages.json".to_owned(), expected_values(&samples())));
    let datagrams = expected_datagrams(&datagrams());
    files.push(("datagrams.json".to_owned(), datagrams));

    check_files("vectors", &files);
}

#[test]
fn messages_read_back() {
    for sample in samples() {
        let bytes = encode(&sample);
        let (header, block) = bytes.split_at(MessageHeader::BYTES);
        assert_eq!(header, sample.template.header().as_bytes());
        let id = sample.template.number();
        assert_eq!(Message::from_block(id, block), Some(sample.message));
        let mut longer = block.to_vec();
        longer.extend_from_slice(&[0xEE; 16]);
        assert_eq!(
            Message::from_block(id, &longer),
            Some(sample.message),
            "a newer version appends"
        );
        assert_eq!(Message::from_block(id, &block[..block.len() - 1]), None);
    }
}

#[test]
fn datagrams_read_back_with_their_numbers() {
    for sample in datagrams() {
        let bytes = sample.encode();
        let keys = keys(sample.context.epoch);
        let (own, other) = if sample.is_from_exchange() {
            (keys.to_client, keys.to_exchange)
        } else {
            (keys.to_exchange, keys.to_client)
        };
        assert!(DatagramReader::verify(&bytes, &own), "{}", sample.name);
        assert!(!DatagramReader::verify(&bytes, &other), "a reflection");
        assert_eq!(DatagramReader::context(&bytes), Ok(sample.context));
        let datagram = DatagramReader::parse(&bytes).unwrap();
        let mut next_no = sample.context.next_seq_no;
        let mut read = Vec::new();
        for numbered in datagram.messages {
            if numbered.message.template_id() >= 16 {
                assert_eq!(numbered.number, Some(next_no));
                next_no += 1;
            } else {
                assert_eq!(numbered.number, None);
            }
            read.push(numbered.message);
        }
        assert_eq!(read, sample.messages);
    }
}

#[test]
fn a_clients_message_is_the_domains_command() {
    let order = domain::NewOrder {
        client_order_id: ClientOrderId(1),
        price: Price(-2),
        qty: Qty(3),
        market: MarketId(4),
        side: Side::Sell,
        order_type: OrderType::StopLimit,
        time_in_force: TimeInForce::GoodTillTime,
        post_only: PostOnly::Slide,
        min_qty: Qty(5),
        expires: Nanos(6),
        display_qty: Qty(7),
        trigger_price: Price(-8),
        self_trade: SelfTrade::Abort,
        self_trade_scope: SelfTradeScope::Firm,
        pad: [Zero::Zero; 6],
    };
    let message = NewOrder::from(&order);
    assert_eq!(
        Message::from(message).command(),
        Ok(domain::Command::NewOrder(order))
    );
    let wrong = NewOrder {
        time_in_force: 5,
        ..message
    };
    let error = NotACommand::InvalidField {
        template: Template::NewOrder,
        field: "time_in_force",
    };
    assert_eq!(Message::from(wrong).command(), Err(error));
    let cancel = domain::CancelOrder {
        order_id: OrderId(1),
        client_order_id: ClientOrderId(2),
        qty: Qty(3),
    };
    assert_eq!(
        Message::CancelOrder((&cancel).into()).command(),
        Ok(domain::Command::CancelOrder(cancel))
    );
    let amend = domain::AmendOrder {
        order_id: OrderId(1),
        client_order_id: ClientOrderId(2),
        price: Price(3),
        qty: Qty(4),
        new_client_order_id: ClientOrderId(5),
    };
    assert_eq!(
        Message::AmendOrder((&amend).into()).command(),
        Ok(domain::Command::AmendOrder(amend))
    );
    let report = Message::from(OrderAccepted::default());
    let template_id = Template::OrderAccepted.number();
    let error = NotACommand::Unsupported { template_id };
    assert_eq!(report.command(), Err(error));
}

#[test]
fn a_mass_cancel_and_a_kill_switch_are_the_domains() {
    let cancel = domain::MassCancel {
        request: 1,
        lowest: Price(2),
        highest: Price(3),
        target: 0,
        market: MarketId(4),
        scope: Scope::Account,
        sides: Sides::Sells,
        pad: [Zero::Zero; 6],
    };
    let message = MassCancel::from(&cancel);
    assert_eq!(
        Message::from(message).command(),
        Ok(domain::Command::MassCancel(cancel))
    );
    let of_another = domain::MassCancel {
        target: 9,
        ..cancel
    };
    assert_eq!(MassCancel::from(&of_another), message, "it names nobody");
    let switch = domain::KillSwitch {
        request: 1,
        target: 0,
        scope: Scope::Account,
        on: Flag::Yes,
        pad: [Zero::Zero; 2],
    };
    let message = KillSwitch::from(&switch);
    assert_eq!(
        Message::from(message).command(),
        Ok(domain::Command::KillSwitch(switch))
    );
}

#[test]
fn a_quote_and_a_protection_are_the_domains() {
    let quote = domain::Quote {
        quote_id: ClientOrderId(1),
        bid_price: Price(-2),
        bid_qty: Qty(3),
        ask_price: Price(4),
        ask_qty: Qty(5),
        market: MarketId(6),
        slide: Flag::Yes,
        pad: [Zero::Zero; 3],
    };
    assert_eq!(
        Message::MassQuote((&quote).into()).command(),
        Ok(domain::Command::Quote(quote))
    );
    let protection = domain::SetProtection {
        request: 1,
        window: 2,
        max_qty: Qty(3),
        max_notional: Amount(4),
        max_fills: 5,
        market: MarketId(6),
    };
    assert_eq!(
        Message::SetProtection((&protection).into()).command(),
        Ok(domain::Command::SetProtection(protection))
    );
    let attest = domain::Attest {
        signature: core::array::from_fn(|at| u8::try_from(at).unwrap()),
    };
    assert_eq!(
        Message::Attest((&attest).into()).command(),
        Ok(domain::Command::Attest(attest))
    );
}

/// The first value of each enumeration that nobody knows.
#[test]
fn what_no_client_of_this_version_says_is_no_command() {
    let order = NewOrder::default();
    let cancel = MassCancel::default();
    let switch = KillSwitch::default();
    let quote = MassQuote::default();
    let wrong: [(Message, &str); 11] = [
        (NewOrder { side: 2, ..order }.into(), "side"),
        (
            NewOrder {
                order_type: 4,
                ..order
            }
            .into(),
            "order_type",
        ),
        (
            NewOrder {
                time_in_force: 5,
                ..order
            }
            .into(),
            "time_in_force",
        ),
        (
            NewOrder {
                post_only: 3,
                ..order
            }
            .into(),
            "post_only",
        ),
        (
            NewOrder {
                self_trade: 6,
                ..order
            }
            .into(),
            "self_trade",
        ),
        (
            NewOrder {
                self_trade_scope: 2,
                ..order
            }
            .into(),
            "self_trade_scope",
        ),
        (MassCancel { scope: 4, ..cancel }.into(), "scope"),
        (MassCancel { sides: 3, ..cancel }.into(), "sides"),
        (KillSwitch { scope: 4, ..switch }.into(), "scope"),
        (KillSwitch { on: 2, ..switch }.into(), "on"),
        (MassQuote { slide: 2, ..quote }.into(), "slide"),
    ];
    for (message, field) in wrong {
        let template = Template::try_from(message.template_id()).unwrap();
        let error = NotACommand::InvalidField { template, field };
        assert_eq!(message.command(), Err(error));
    }
}

#[test]
fn a_private_event_is_a_report_that_shows_a_session_its_own_number_only() {
    let frame = FrameStamp {
        seq: Seq(9),
        engine_time: Nanos(8),
        receive_time: Nanos(7),
        source: Source::of_session(SessionId(5)),
        source_seq: 6,
    };
    let rejected = |session| {
        domain::Event::Rejected(domain::Rejected {
            kind: domain::EventKind::Rejected,
            pad: Zero::Zero,
            reason: Reason::WouldTrade,
            session: SessionId(session),
            report_no: 1,
            order_id: OrderId(2),
            client_order_id: ClientOrderId(3),
            command: domain::CommandKind::AmendOrder,
            pad2: [Zero::Zero; 6],
        })
    };
    let report = |client_seq_no| {
        Message::OrderRejected(OrderRejected {
            stamp: Stamp {
                engine_seq: Seq(9),
                engine_time: Nanos(8),
                receive_time: Nanos(7),
                client_seq_no,
            },
            order_id: OrderId(2),
            client_order_id: ClientOrderId(3),
            reason: 13,
            refused_template_id: 18,
            reserved: 0,
        })
    };
    assert_eq!(Message::report(&frame, &rejected(5)), Some(report(6)));
    assert_eq!(Message::report(&frame, &rejected(4)), Some(report(0)));
    let public = domain::Event::BookDelete(domain::BookDelete {
        kind: domain::EventKind::BookDelete,
        side: Side::Buy,
        pad: [Zero::Zero; 2],
        market: MarketId(0),
        feed_no: 1,
        order_id: OrderId(2),
    });
    assert_eq!(Message::report(&frame, &public), None);
}

const OTHERS_FRAME: FrameStamp = FrameStamp {
    seq: Seq(1),
    engine_time: Nanos(2),
    receive_time: Nanos(3),
    source: Source::SEQUENCER,
    source_seq: 4,
};

#[test]
fn a_fill_keeps_every_field() {
    let stamp = OTHERS_FRAME.for_session(SessionId(1));
    assert_eq!(stamp.client_seq_no, 0);
    let fill = domain::Fill {
        kind: domain::EventKind::Fill,
        side: Side::Sell,
        liquidity: domain::Liquidity::Maker,
        pad: Zero::Zero,
        session: SessionId(1),
        report_no: 10,
        order_id: OrderId(11),
        client_order_id: ClientOrderId(12),
        trade_id: 13,
        price: Price(14),
        qty: Qty(15),
        leaves: Qty(16),
        fee: Amount(17),
        market: MarketId(18),
        is_rebate: Flag::Yes,
        pad2: [Zero::Zero; 3],
    };
    let Some(Message::OrderFilled(report)) =
        Message::report(&OTHERS_FRAME, &domain::Event::Fill(fill))
    else {
        panic!("a fill is reported as filled")
    };
    assert_eq!(report.stamp, stamp);
    let words = [report.order_id.0, report.client_order_id.0, report.trade_id];
    assert_eq!(words, [11, 12, 13]);
    assert_eq!((report.price.0, report.quantity.0), (14, 15));
    assert_eq!((report.leaves_quantity.0, report.fee.0), (16, 17));
    assert_eq!(
        (report.market_id.0, report.side, report.liquidity),
        (18, 1, 0)
    );
    assert_eq!(report.fee_is_rebate, 1);
}

#[test]
fn a_cancel_keeps_every_field() {
    let canceled = domain::Canceled {
        kind: domain::EventKind::Canceled,
        pad: Zero::Zero,
        reason: Reason::Unfilled,
        session: SessionId(1),
        report_no: 10,
        order_id: OrderId(11),
        client_order_id: ClientOrderId(12),
        qty: Qty(13),
        market: MarketId(14),
        pad2: [Zero::Zero; 4],
    };
    let event = domain::Event::Canceled(canceled);
    let Some(Message::OrderCanceled(report)) = Message::report(&OTHERS_FRAME, &event) else {
        panic!("a cancel is reported as canceled")
    };
    let words = [
        report.order_id.0,
        report.client_order_id.0,
        report.quantity.0,
    ];
    assert_eq!(words, [11, 12, 13]);
    assert_eq!((report.market_id.0, report.reason), (14, 201));
}

#[test]
fn an_amendment_keeps_every_field() {
    let amended = domain::Amended {
        kind: domain::EventKind::Amended,
        kept_priority: Flag::Yes,
        pad: [Zero::Zero; 2],
        session: SessionId(1),
        report_no: 10,
        order_id: OrderId(11),
        client_order_id: ClientOrderId(12),
        price: Price(13),
        qty: Qty(14),
        leaves: Qty(15),
        market: MarketId(16),
        pad2: [Zero::Zero; 4],
    };
    let event = domain::Event::Amended(amended);
    let Some(Message::OrderAmended(report)) = Message::report(&OTHERS_FRAME, &event) else {
        panic!("an amendment is reported as amended")
    };
    let words = [report.order_id.0, report.client_order_id.0];
    assert_eq!(words, [11, 12]);
    assert_eq!((report.price.0, report.quantity.0), (13, 14));
    assert_eq!((report.leaves_quantity.0, report.market_id.0), (15, 16));
    assert_eq!(report.kept_priority, 1);
}

#[test]
fn an_accepted_order_keeps_every_field() {
    let event = domain::Event::Accepted(domain::Accepted {
        kind: domain::EventKind::Accepted,
        side: Side::Sell,
        order_type: OrderType::StopLimit,
        time_in_force: TimeInForce::GoodTillClose,
        session: SessionId(1),
        report_no: 10,
        order_id: OrderId(11),
        client_order_id: ClientOrderId(12),
        price: Price(13),
        qty: Qty(14),
        expires: Nanos(16),
        display_qty: Qty(17),
        trigger_price: Price(18),
        market: MarketId(15),
        post_only: PostOnly::Slide,
        self_trade: SelfTrade::Abort,
        self_trade_scope: SelfTradeScope::Firm,
        quote: Flag::Yes,
    });
    let Some(Message::OrderAccepted(report)) = Message::report(&OTHERS_FRAME, &event) else {
        panic!("an acceptance is reported as accepted")
    };
    assert_eq!((report.order_id.0, report.client_order_id.0), (11, 12));
    assert_eq!((report.price.0, report.quantity.0), (13, 14));
    assert_eq!((report.market_id.0, report.side), (15, 1));
    let options = [report.order_type, report.time_in_force, report.post_only];
    assert_eq!(options, [3, 4, 2]);
    let options = [report.self_trade, report.self_trade_scope, report.quote];
    assert_eq!(options, [5, 1, 1]);
    assert_eq!((report.expires.0, report.display_quantity.0), (16, 17));
    assert_eq!(report.trigger_price.0, 18);
}

#[test]
fn a_prevented_trade_keeps_every_field() {
    let event = domain::Event::SelfTradePrevented(domain::SelfTradePrevented {
        kind: domain::EventKind::SelfTradePrevented,
        self_trade: SelfTrade::DecrementAndCancel,
        pad: [Zero::Zero; 2],
        session: SessionId(1),
        report_no: 10,
        order_id: OrderId(11),
        client_order_id: ClientOrderId(12),
        maker_order_id: OrderId(13),
        price: Price(14),
        qty: Qty(15),
        leaves: Qty(16),
        market: MarketId(17),
        pad2: [Zero::Zero; 4],
    });
    let Some(Message::SelfTradePrevented(report)) = Message::report(&OTHERS_FRAME, &event) else {
        panic!("a prevented trade is reported as prevented")
    };
    let ids = [report.order_id.0, report.client_order_id.0];
    assert_eq!(ids, [11, 12]);
    assert_eq!((report.maker_order_id.0, report.price.0), (13, 14));
    assert_eq!((report.quantity.0, report.leaves_quantity.0), (15, 16));
    assert_eq!((report.market_id.0, report.self_trade), (17, 4));
}

#[test]
fn a_stop_that_arrives_keeps_every_field() {
    let event = domain::Event::Triggered(domain::Triggered {
        kind: domain::EventKind::Triggered,
        side: Side::Sell,
        pad: [Zero::Zero; 2],
        session: SessionId(1),
        report_no: 10,
        order_id: OrderId(11),
        client_order_id: ClientOrderId(12),
        price: Price(-13),
        market: MarketId(14),
        pad2: [Zero::Zero; 4],
    });
    let Some(Message::Triggered(report)) = Message::report(&OTHERS_FRAME, &event) else {
        panic!("its arrival is reported")
    };
    assert_eq!((report.order_id.0, report.client_order_id.0), (11, 12));
    assert_eq!(
        (report.price.0, report.market_id.0, report.side),
        (-13, 14, 1)
    );
    assert_eq!(report.stamp, OTHERS_FRAME.for_session(SessionId(1)));
}

#[test]
fn the_end_of_a_mass_cancel_keeps_every_field() {
    let event = domain::Event::MassCanceled(domain::MassCanceled {
        kind: domain::EventKind::MassCanceled,
        pad: [Zero::Zero; 3],
        session: SessionId(1),
        report_no: 10,
        request: 11,
        count: 12,
    });
    let Some(Message::MassCanceled(report)) = Message::report(&OTHERS_FRAME, &event) else {
        panic!("its end is reported")
    };
    assert_eq!((report.request, report.count), (11, 12));
    assert_eq!(report.stamp, OTHERS_FRAME.for_session(SessionId(1)));
}

#[test]
fn what_is_told_of_a_protection_keeps_every_field() {
    let set = domain::Event::ProtectionSet(domain::ProtectionSet {
        kind: domain::EventKind::ProtectionSet,
        pad: [Zero::Zero; 3],
        session: SessionId(1),
        report_no: 10,
        request: 11,
        market: MarketId(12),
        pad2: [Zero::Zero; 4],
    });
    let expected = ProtectionSet {
        stamp: OTHERS_FRAME.for_session(SessionId(1)),
        request: 11,
        market_id: MarketId(12),
        reserved: 0,
    };
    assert_eq!(Message::report(&OTHERS_FRAME, &set), Some(expected.into()));
    let reached = domain::Event::ProtectionReached(domain::ProtectionReached {
        kind: domain::EventKind::ProtectionReached,
        pad: [Zero::Zero; 3],
        session: SessionId(1),
        report_no: 10,
        qty: Qty(11),
        notional: Amount(12),
        fills: 13,
        market: MarketId(14),
    });
    let expected = ProtectionReached {
        stamp: OTHERS_FRAME.for_session(SessionId(1)),
        quantity: Qty(11),
        notional: Amount(12),
        fills: 13,
        market_id: MarketId(14),
    };
    assert_eq!(
        Message::report(&OTHERS_FRAME, &reached),
        Some(expected.into())
    );
}

#[test]
fn what_is_told_of_an_attestation_keeps_every_field() {
    let noted = domain::Event::AttestationNoted(domain::AttestationNoted {
        kind: domain::EventKind::AttestationNoted,
        pad: [Zero::Zero; 3],
        session: SessionId(1),
        report_no: 10,
        level: 11,
    });
    let expected = AttestationNoted {
        stamp: OTHERS_FRAME.for_session(SessionId(1)),
        level: 11,
    };
    assert_eq!(
        Message::report(&OTHERS_FRAME, &noted),
        Some(expected.into())
    );
}

#[test]
fn a_replay_address_round_trips() {
    let address = "10.1.2.3:4567".parse().unwrap();
    let refused = Refused::default().with_replay(Some(address));
    assert_eq!(refused.replay_ip.to_le_bytes(), [10, 1, 2, 3]);
    assert_eq!(refused.replay(), Some(address));
    assert_eq!(refused.with_replay(None).replay(), None);
}
