//! What became of a message: asked by its number or by its order's id, and answered outside the sequence.

use super::rig::{Client, Rig, messages, order, refusals, reports, resting};
use domain::{ClientOrderId, Reason, Seq, Side};
use std::net::SocketAddrV4;
use topology::TileKind;
use topology::instruments::{net, out};
use wire::order_entry::{Became, Message, Outcome, OutcomeQuery, Refused, Template};

fn ask(rig: &mut Rig, client: &mut Client, queries: &[OutcomeQuery]) -> Vec<Message> {
    client.send(1, queries);
    rig.settle();
    let received = client.receive();
    assert_eq!(reports(&received), [], "it is no report");
    messages(&received)
}

fn by_number(seq_no: u64) -> OutcomeQuery {
    OutcomeQuery {
        seq_no,
        ..OutcomeQuery::default()
    }
}

fn by_id(id: u64) -> OutcomeQuery {
    OutcomeQuery {
        seq_no: 0,
        client_order_id: ClientOrderId(id),
    }
}

/// The only answer.
fn outcome(rig: &mut Rig, client: &mut Client, query: OutcomeQuery) -> Outcome {
    let answers = ask(rig, client, &[query]);
    let [Message::Outcome(outcome)] = answers[..] else {
        panic!("{answers:?}")
    };
    outcome
}

fn applied(number: u64, report: u64, template: Template, reason: Reason) -> Outcome {
    Outcome {
        seq_no: number,
        first_report_no: report,
        became: Became::Applied as u8,
        reason: reason.into(),
        first_template_id: template.number(),
        ..Outcome::default()
    }
}

#[test]
fn applied_refused_skipped_and_never_given_are_told_apart() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    client.send(1, &[resting(7)]);
    client.send(2, &[order(8, Side::Buy, 100, 0)]);
    rig.settle();
    // 3 and 4 are skipped.
    client.send(5, &[resting(9)]);
    rig.settle();
    client.receive();
    let head = rig.head();
    for (query, expected, seq) in [
        (
            by_number(1),
            applied(1, 1, Template::OrderAccepted, Reason::None),
            head - 2,
        ),
        (
            by_number(2),
            applied(2, 2, Template::OrderRejected, Reason::InvalidQuantity),
            head - 1,
        ),
        (
            by_number(5),
            applied(5, 4, Template::OrderAccepted, Reason::None),
            head,
        ),
        (
            by_number(4),
            Outcome {
                became: Became::NotApplied as u8,
                ..applied(4, 3, Template::NotApplied, Reason::None)
            },
            head,
        ),
        (
            by_number(6),
            Outcome {
                seq_no: 6,
                ..Outcome::default()
            },
            0,
        ),
        (
            by_id(9),
            applied(5, 4, Template::OrderAccepted, Reason::None),
            head,
        ),
        (
            by_id(8),
            applied(2, 2, Template::OrderRejected, Reason::InvalidQuantity),
            head - 1,
        ),
        (by_id(10), Outcome::default(), 0),
    ] {
        let expected = Outcome {
            engine_seq: Seq(seq),
            client_order_id: query.client_order_id,
            ..expected
        };
        assert_eq!(outcome(&mut rig, &mut client, query), expected);
    }
    assert_eq!(rig.head(), head, "nothing of it is journalled");
}

#[test]
fn of_orders_with_the_same_id_the_last_is_meant() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    for number in 1..=3 {
        client.send(number, &[order(7, Side::Buy, 100, 0)]);
        rig.settle();
    }
    client.receive();
    let found = outcome(&mut rig, &mut client, by_id(7));
    assert_eq!((found.seq_no, found.first_report_no), (3, 3));
}

#[test]
fn what_is_older_is_had_at_the_replay_address() {
    let replay: SocketAddrV4 = "10.0.0.9:7500".parse().unwrap();
    let mut rig = Rig::with(4096, |config| config.slowpath.replay = Some(replay));
    let mut client = rig.client(1);
    for number in 1..=400 {
        client.send(number, &[resting(number)]);
        rig.settle();
        rig.slow.set_durable_seq(rig.head());
        client.receive();
    }
    for (query, from) in [(by_number(1), 1), (by_id(7), 7), (by_id(360), 360)] {
        let answers = ask(&mut rig, &mut client, &[query]);
        let [Message::Refused(refused)] = answers[..] else {
            panic!("{answers:?}")
        };
        let expected = Refused {
            from_no: from,
            count: 1,
            reason: Reason::NoLongerInMemory.into(),
            refused_template_id: Template::OutcomeQuery.number(),
            ..Refused::default()
        };
        assert_eq!(refused, expected.with_replay(Some(replay)));
    }
    let found = outcome(&mut rig, &mut client, by_id(380));
    assert_eq!((found.seq_no, found.first_report_no), (380, 380));
}

#[test]
fn queries_are_within_the_burst_and_cost_frames_of_the_turns_budget() {
    let mut rig = Rig::with(1 << 16, |config| config.limits.session_burst = 4);
    let mut client = rig.client(1);
    client.send(1, &[resting(1)]);
    rig.settle();
    client.receive();
    rig.turn();
    let whole = rig.tiles.out.resend_budget;
    client.send(2, &[1, 2, 3, 4, 5, 6].map(by_number));
    rig.turn();
    assert_eq!(rig.tiles.out.resend_budget, whole - 4);
    assert_eq!(rig.count(TileKind::Out, out::resent_frames), 1);
    assert_eq!(rig.count(TileKind::Net, net::throttled), 2);
    assert_eq!(client.receive().len(), 4);
}

/// In the control epoch, whose datagrams are genuine for ever, nothing is asked.
#[test]
fn the_control_epoch_asks_nothing() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    client.send(1, &[resting(1)]);
    rig.settle();
    client.receive();
    client.send_bytes(&client.datagram_of(0, 1, &[by_number(1)]));
    rig.settle();
    let received = client.receive();
    assert_eq!(messages(&received), []);
    assert_eq!(refusals(&received), []);
    assert_eq!(rig.count(TileKind::Net, net::malformed), 1);
}
