//! Mass cancels and kill switches: of a session, by the port, larger than a frame.

use super::rig::{Client, Received, Rig, messages, order, refusals, reports};
use super::slow_region::administer;
use domain::{
    Command, Flag, KillSwitch as Switch, MAX_CANCELS, MarketId, Price, Reason, Scope, SessionId,
    Side, Sides, Zero,
};
use tile::Tile as _;
use wire::order_entry::{
    KillSwitch, MassCancel, MassCanceled, Message, NewOrder, OrderCanceled, OrderRejected,
    ResendRequest,
};

/// Of all that the session has.
const ALL: MassCancel = MassCancel {
    request: 77,
    lowest_price: Price(0),
    highest_price: Price(0),
    market_id: MarketId::ANY,
    scope: Scope::Session as u8,
    sides: Sides::Both as u8,
    reserved: 0,
};

const KILL: KillSwitch = KillSwitch {
    request: 78,
    scope: Scope::Account as u8,
    on: Flag::Yes as u8,
    reserved: 0,
    reserved2: 0,
};

fn canceled(received: &[Received]) -> Vec<OrderCanceled> {
    let canceled = |message: &Message| {
        if let Message::OrderCanceled(canceled) = message {
            Some(*canceled)
        } else {
            None
        }
    };
    messages(received).iter().filter_map(canceled).collect()
}

fn ends(received: &[Received]) -> Vec<MassCanceled> {
    let end = |message: &Message| {
        if let Message::MassCanceled(end) = message {
            Some(*end)
        } else {
            None
        }
    };
    messages(received).iter().filter_map(end).collect()
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

/// Bids at prices from 1 up, one a lot, by messages from number 1 on.
fn rest(rig: &mut Rig, client: &mut Client, count: u64) {
    let bids: Vec<NewOrder> = (1..=count)
        .map(|id| order(id, Side::Buy, 1 + (id - 1).cast_signed() % 1000, 1))
        .collect();
    let before = rig.engine().live_orders() as u64;
    for (first, bids) in (1..).step_by(16).zip(bids.chunks(16)) {
        client.send(first, bids);
        rig.settle();
        assert_eq!(reports(&client.receive()).len(), bids.len());
    }
    assert_eq!(rig.engine().live_orders() as u64, before + count);
}

#[test]
fn a_session_cancels_those_of_its_orders_that_it_means() {
    let mut rig = Rig::new();
    let (mut client, mut other) = (rig.client(1), rig.client(2));
    rest(&mut rig, &mut client, 10);
    rest(&mut rig, &mut other, 3);
    client.send(11, &[order(11, Side::Sell, 500, 1)]);
    rig.settle();
    client.receive();
    let some = MassCancel {
        lowest_price: Price(4),
        highest_price: Price(600),
        sides: Sides::Buys as u8,
        market_id: MarketId(0),
        ..ALL
    };
    client.send(12, &[some]);
    rig.settle();
    let received = client.receive();
    let ids: Vec<u64> = canceled(&received)
        .iter()
        .map(|it| it.client_order_id.0)
        .collect();
    assert_eq!(ids, [10, 9, 8, 7, 6, 5, 4], "the newest first");
    let reason = u16::from(Reason::MassCancel);
    assert!(canceled(&received).iter().all(|it| it.reason == reason));
    let [end] = ends(&received)[..] else {
        panic!("{received:?}")
    };
    assert_eq!((end.request, end.count), (77, 7));
    assert_eq!(end.stamp.client_seq_no, 12, "in the frame of the message");
    assert_eq!(rig.engine().live_orders(), 7);
    client.send(13, &[ALL]);
    rig.settle();
    assert_eq!(ends(&client.receive())[0].count, 4);
    assert_eq!(other.receive(), [], "and nobody else's");
    rig.check_engine();
}

#[test]
fn a_mass_cancel_larger_than_a_frame_goes_on_before_anything_else() {
    let mut rig = Rig::new();
    let (mut client, mut other) = (rig.client(1), rig.client(2));
    let count = 2 * MAX_CANCELS as u64 + 5;
    rest(&mut rig, &mut client, count);
    let (head, next) = (rig.head(), count + 1);
    client.send(next, &[ALL]);
    other.send(1, &[order(1, Side::Sell, 1, 5)]);
    rig.settle();
    let received = client.receive();
    let reports: Vec<_> = canceled(&received);
    assert_eq!(reports.len() as u64, count, "the seller came too late");
    let frames: Vec<u64> = reports
        .iter()
        .map(|it| it.stamp.engine_seq.0 - head)
        .collect();
    let expected = (0..count).map(|at| 1 + at / MAX_CANCELS as u64);
    assert!(frames.iter().copied().eq(expected));
    let [end] = ends(&received)[..] else {
        panic!("one end")
    };
    assert_eq!((end.request, end.count), (77, count));
    assert_eq!(end.stamp.client_seq_no, 0, "a frame of the exchange's own");
    assert_eq!(rig.head(), head + 4, "three frames, and then the seller's");
    assert_eq!(rig.engine().live_orders(), 1);
    other.receive();
    rig.check_engine();
}

/// The process may die in the middle: what is left to cancel is state.
#[test]
fn a_mass_cancel_goes_on_after_a_restart() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    let count = 3 * MAX_CANCELS as u64;
    rest(&mut rig, &mut client, count);
    client.send(count + 1, &[ALL]);
    rig.tiles.net.poll();
    rig.tiles.matching.poll();
    let left = rig.engine().live_orders() as u64;
    assert_eq!(left, count - MAX_CANCELS as u64);
    let mut rig = rig.restart(|_| {});
    rig.settle();
    assert_eq!(rig.engine().live_orders(), 0);
    let received = client.receive();
    assert_eq!(ends(&received)[0].count, count);
    let numbers: Vec<u64> = reports(&received)
        .iter()
        .map(|(number, _)| *number)
        .collect();
    assert!(numbers.iter().copied().eq(count + 1..=2 * count + 1));
}

#[test]
fn who_asks_again_sees_what_it_missed() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    // None of those that are looked at first is meant: the message's own frame has no report.
    let count = domain::MAX_LOOKS as u64 + 50;
    rest(&mut rig, &mut client, count);
    let sells = MassCancel {
        sides: Sides::Sells as u8,
        ..ALL
    };
    let next = count + 1;
    let bytes = client.datagram(next, &[sells]);
    client.send_bytes(&bytes);
    rig.settle();
    let [end] = ends(&client.receive())[..] else {
        panic!("its end alone")
    };
    assert_eq!(
        (end.request, end.count, end.stamp.client_seq_no),
        (77, 0, 0)
    );
    // It never arrived, as far as the client knows.
    client.send_bytes(&bytes);
    rig.settle();
    let again = client.receive();
    let [heartbeat] = &again[..] else {
        panic!("{again:?}")
    };
    assert!(heartbeat.messages.is_empty() && !heartbeat.context.is_retransmission());
    assert_eq!(heartbeat.context.next_seq_no, count + 2);
    let request = ResendRequest {
        from_report_no: count + 1,
        count: 1,
        reserved: 0,
    };
    client.send(next + 1, &[request]);
    rig.settle();
    assert_eq!(ends(&client.receive()), [end]);
}

#[test]
fn a_kill_switch_cancels_all_and_refuses_until_the_operator_turns_it_off() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    rest(&mut rig, &mut client, 3);
    client.send(4, &[KILL]);
    rig.settle();
    let received = client.receive();
    let reason = u16::from(Reason::KillSwitch);
    assert_eq!(canceled(&received).len(), 3);
    assert!(canceled(&received).iter().all(|it| it.reason == reason));
    assert_eq!(
        (ends(&received)[0].request, ends(&received)[0].count),
        (78, 3)
    );
    let off = KillSwitch {
        on: Flag::No as u8,
        ..KILL
    };
    client.send(5, &[order(5, Side::Buy, 1, 1)]);
    client.send(6, &[off]);
    rig.settle();
    let [order_refused, off_refused] = rejected(&client.receive())[..] else {
        panic!("both are refused")
    };
    assert_eq!(order_refused.reason, u16::from(Reason::Killed));
    assert_eq!(off_refused.reason, u16::from(Reason::NotPermitted));
    assert_eq!(off_refused.refused_template_id, 20);
    assert_eq!(off_refused.client_order_id.0, 78, "its request");
    let operators = Command::KillSwitch(Switch {
        request: 0,
        target: 1,
        scope: Scope::Account,
        on: Flag::No,
        pad: [Zero::Zero; 2],
    });
    administer(&mut rig, &[operators]);
    client.send(7, &[order(7, Side::Buy, 1, 1)]);
    rig.settle();
    assert!(matches!(
        messages(&client.receive())[..],
        [Message::OrderAccepted(_)]
    ));
}

#[test]
fn a_session_cancels_for_nobody_else() {
    let mut rig = Rig::new();
    let (mut client, mut other) = (rig.client(1), rig.client(2));
    rest(&mut rig, &mut other, 3);
    for (number, scope) in [(1, Scope::Firm), (2, Scope::Everyone)] {
        let scope = scope as u8;
        client.send(number, &[MassCancel { scope, ..ALL }]);
        rig.settle();
        let [refused] = rejected(&client.receive())[..] else {
            panic!("refused")
        };
        assert_eq!(refused.reason, u16::from(Reason::NotPermitted));
        assert_eq!(refused.refused_template_id, 19);
        assert_eq!(refused.client_order_id.0, ALL.request);
    }
    client.send(3, &[MassCancel { scope: 4, ..ALL }]);
    rig.settle();
    assert_eq!(refusals(&client.receive()), [(Reason::Malformed, 3, 1)]);
    assert_eq!(rig.engine().live_orders(), 3);
    let session = rig.engine().session(SessionId(1)).unwrap();
    assert_eq!(session.last_number, 2);
}
