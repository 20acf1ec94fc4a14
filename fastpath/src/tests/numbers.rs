//! The client's numbers: each applies at most once, and what became of it can always be asked.

use super::rig::{Client, Received, Rig, messages, order, refusals, reports, resting};
use domain::{Reason, Side};
use tile::Tile as _;
use topology::TileKind;
use topology::instruments::net as counter;
use wire::order_entry::{Message, NewOrder, NotApplied};

fn not_applied(received: &[Received]) -> Vec<NotApplied> {
    let skipped = |message: &Message| {
        if let Message::NotApplied(skipped) = message {
            Some(*skipped)
        } else {
            None
        }
    };
    messages(received).iter().filter_map(skipped).collect()
}

/// The client order ids of what was accepted.
fn accepted(received: &[Received]) -> Vec<u64> {
    let id = |message: &Message| {
        if let Message::OrderAccepted(accepted) = message {
            Some(accepted.client_order_id.0)
        } else {
            None
        }
    };
    messages(received).iter().filter_map(id).collect()
}

fn last_accepted(rig: &Rig, client: &Client) -> u64 {
    let place = usize::try_from(client.session.0).unwrap();
    let session = rig.tiles.net.entry.sessions[place].as_ref().unwrap();
    session.last_accepted
}

#[test]
fn reports_carry_final_numbers_and_their_cause() {
    let mut rig = Rig::new();
    let (mut maker, mut taker) = (rig.client(1), rig.client(2));
    maker.send(1, &[order(11, Side::Sell, 100, 5), resting(12)]);
    rig.settle();
    let received = maker.receive();
    assert_eq!(accepted(&received), [11, 12]);
    let numbers: Vec<u64> = reports(&received).iter().map(|(no, _)| *no).collect();
    assert_eq!(numbers, [1, 2]);
    taker.send(1, &[order(21, Side::Buy, 100, 3)]);
    rig.settle();
    let (made, took) = (messages(&maker.receive()), messages(&taker.receive()));
    let [Message::OrderFilled(made)] = made[..] else {
        panic!("{made:?}");
    };
    let [Message::OrderAccepted(_), Message::OrderFilled(took)] = took[..] else {
        panic!("{took:?}");
    };
    assert_eq!((made.quantity.0, made.leaves_quantity.0), (3, 2));
    assert_eq!((took.quantity.0, took.leaves_quantity.0), (3, 0));
    assert_eq!((made.trade_id, made.price), (took.trade_id, took.price));
    assert_eq!(made.stamp.client_seq_no, 0, "another's message caused it");
    assert_eq!(took.stamp.client_seq_no, 1);
    assert_eq!(made.stamp.engine_seq, took.stamp.engine_seq);
    rig.check_engine();
}

#[test]
fn skipped_numbers_never_apply() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    client.send(1, &[resting(1)]);
    client.send(5, &[resting(5)]);
    rig.settle();
    let received = client.receive();
    assert_eq!(accepted(&received), [1, 5]);
    let [skipped] = not_applied(&received)[..] else {
        panic!("{received:?}");
    };
    assert_eq!((skipped.from_seq_no, skipped.count), (2, 3));
    assert_eq!(skipped.stamp.client_seq_no, 5);
    for late in [2, 3, 4, 3] {
        client.send(late, &[resting(late)]);
        rig.settle();
        let received = client.receive();
        assert_eq!(not_applied(&received), [skipped], "number {late} again");
        assert_eq!(reports(&received).len(), 1);
        assert!(received[0].context.is_retransmission());
    }
    assert_eq!(rig.engine().live_orders(), 2);
    assert_eq!(rig.count(TileKind::Net, counter::duplicates), 4);
}

#[test]
fn a_skip_of_nearly_all_numbers_is_one_report() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    client.send(u64::MAX - 1, &[resting(1)]);
    rig.settle();
    let [skipped] = not_applied(&client.receive())[..] else {
        panic!("one NotApplied");
    };
    assert_eq!((skipped.from_seq_no, skipped.count), (1, u64::MAX - 2));
    client.send(u64::MAX - 2, &[resting(2)]);
    client.send(1, &[resting(3)]);
    rig.settle();
    let received = client.receive();
    assert_eq!(not_applied(&received), [skipped]);
    assert_eq!(
        refusals(&received),
        [(Reason::NoLongerInMemory, 1, 1)],
        "the window holds the last 4,096 numbers"
    );
}

#[test]
fn a_duplicate_brings_identical_reports() {
    let mut rig = Rig::new();
    let (mut maker, mut taker) = (rig.client(1), rig.client(2));
    maker.send(1, &[order(1, Side::Sell, 100, 5)]);
    rig.settle();
    let bytes = taker.datagram(1, &[order(1, Side::Buy, 100, 3), resting(2)]);
    taker.send_bytes(&bytes);
    rig.settle();
    let first = taker.receive();
    let head = rig.head();
    assert!(first.iter().all(|r| !r.context.is_retransmission()));
    assert_eq!(reports(&first).len(), 3);
    taker.send_bytes(&bytes);
    rig.settle();
    let again = taker.receive();
    assert!(again.iter().all(|r| r.context.is_retransmission()));
    assert_eq!(reports(&first), reports(&again), "numbers and bytes");
    assert_eq!(rig.head(), head, "nothing was journalled");
    maker.receive();
    assert_eq!(rig.engine().live_orders(), 2);
}

#[test]
fn a_duplicate_in_flight_is_met_with_silence() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    let bytes = client.datagram(1, &[resting(1)]);
    client.send_bytes(&bytes);
    client.send_bytes(&bytes);
    rig.tiles.net.poll();
    // The out tile sees the request for the outcome before there is one.
    rig.tiles.out.poll();
    assert_eq!(client.receive(), []);
    rig.settle();
    let received = client.receive();
    assert_eq!(reports(&received).len(), 1);
    assert!(!received[0].context.is_retransmission());
}

#[test]
fn a_full_ring_is_busy_until_it_is_emptied() {
    let mut rig = Rig::with(1 << 18, |config| config.limits.net_ring = 4);
    let mut client = rig.client(1);
    let orders: [NewOrder; 6] = std::array::from_fn(|i| resting(1 + i as u64));
    client.send(1, &orders);
    rig.tiles.net.poll();
    rig.tiles.out.poll();
    assert_eq!(
        refusals(&client.receive()),
        [(Reason::Busy, 5, 2)],
        "the rest of the datagram is refused from number 5 on"
    );
    assert_eq!(last_accepted(&rig, &client), 4);
    assert_eq!(rig.count(TileKind::Net, counter::busy), 2);
    rig.settle();
    assert_eq!(accepted(&client.receive()), [1, 2, 3, 4]);
    client.send(5, &orders[4..]);
    rig.settle();
    let received = client.receive();
    assert_eq!(accepted(&received), [5, 6]);
    assert_eq!(not_applied(&received), []);
}

#[test]
fn a_session_takes_no_more_than_its_burst_of_a_turn() {
    let mut rig = Rig::with(1 << 18, |config| config.limits.session_burst = 3);
    let (mut greedy, mut other) = (rig.client(1), rig.client(2));
    greedy.send(1, &[resting(1), resting(2)]);
    greedy.send(3, &[resting(3), resting(4), resting(5)]);
    other.send(1, &[resting(1), resting(2), resting(3)]);
    rig.turn();
    rig.settle();
    let received = greedy.receive();
    assert_eq!(accepted(&received), [1, 2, 3]);
    assert_eq!(refusals(&received), [(Reason::Busy, 4, 2)]);
    assert_eq!(accepted(&other.receive()), [1, 2, 3], "another has its own");
    greedy.send(4, &[resting(4), resting(5)]);
    rig.settle();
    assert_eq!(accepted(&greedy.receive()), [4, 5], "the next turn is new");
}

fn orders(from: u64, count: u64) -> Vec<NewOrder> {
    (from..from + count).map(resting).collect()
}

#[test]
fn nothing_overtakes_a_number_that_was_answered_busy() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    for first in [1, 16, 31, 46, 61] {
        client.send(first, &orders(first, 15));
    }
    rig.tiles.net.poll();
    // On its way already when the client hears of it.
    client.send(76, &orders(76, 15));
    rig.settle();
    let received = client.receive();
    // Each answer says from where on nothing was taken: the one before may be lost.
    let busy = [(Reason::Busy, 65, 11), (Reason::Busy, 65, 26)];
    assert_eq!(refusals(&received), busy, "64 are the burst of a turn");
    assert_eq!(accepted(&received), Vec::from_iter(1..=64));
    // Neither does what is refused for another reason let higher numbers pass.
    client.send(91, &[NotApplied::default()]);
    let bad = NewOrder {
        side: 9,
        ..resting(92)
    };
    client.send(92, &[bad]);
    client.send(93, &orders(93, 1));
    rig.settle();
    let received = client.receive();
    let others = [
        (Reason::Busy, 65, 27),
        (Reason::Malformed, 92, 1),
        (Reason::Busy, 65, 29),
    ];
    assert_eq!(refusals(&received), others);
    for (first, count) in [(65, 11), (76, 15)] {
        client.send(first, &orders(first, count));
        rig.settle();
    }
    let received = client.receive();
    assert_eq!(refusals(&received), []);
    assert_eq!(not_applied(&received), []);
    assert_eq!(accepted(&received), Vec::from_iter(65..=90));
    assert_eq!(rig.count(TileKind::Net, counter::busy), 28);
}

/// A rig whose session 1 has number 4 answered with `Busy`.
fn with_a_busy_number() -> (Rig, Client) {
    let mut rig = Rig::with(1 << 18, |config| config.limits.session_burst = 3);
    let mut client = rig.client(1);
    client.send(1, &orders(1, 5));
    rig.settle();
    assert_eq!(refusals(&client.receive()), [(Reason::Busy, 4, 2)]);
    client.send(6, &orders(6, 1));
    rig.settle();
    assert_eq!(refusals(&client.receive()), [(Reason::Busy, 4, 3)]);
    (rig, client)
}

#[test]
fn whoever_establishes_again_may_leave_busy_numbers_out() {
    let (mut rig, _) = with_a_busy_number();
    let mut client = rig.client(1);
    client.send(7, &orders(7, 1));
    rig.settle();
    let received = client.receive();
    assert_eq!(accepted(&received), [7]);
    let skipped = not_applied(&received)[0];
    assert_eq!((skipped.from_seq_no, skipped.count), (4, 3));
}

#[test]
fn a_refusal_that_gives_a_number_up_lets_higher_ones_pass() {
    let bad = NewOrder {
        side: 9,
        ..resting(5)
    };
    let (mut rig, mut client) = with_a_busy_number();
    client.send(4, &[resting(4), bad]);
    rig.settle();
    assert_eq!(refusals(&client.receive()), [(Reason::Malformed, 4, 1)]);
    client.send(5, &orders(5, 1));
    rig.settle();
    assert_eq!(accepted(&client.receive()), [5]);
    let (mut rig, mut client) = with_a_busy_number();
    client.send(4, &[NotApplied::default()]);
    rig.settle();
    let unsupported = [(Reason::UnsupportedMessage, 4, 1)];
    assert_eq!(refusals(&client.receive()), unsupported);
    client.send(5, &orders(5, 1));
    rig.settle();
    assert_eq!(accepted(&client.receive()), [5]);
}

#[test]
fn duplicates_and_new_numbers_may_stand_in_one_datagram() {
    let mut rig = Rig::with(1 << 18, |config| config.limits.session_burst = 3);
    let mut client = rig.client(1);
    client.send(1, &orders(1, 3));
    rig.settle();
    client.receive();
    // Three duplicates use the burst up: what is new is refused, not dropped.
    client.send(1, &orders(1, 6));
    rig.settle();
    assert_eq!(refusals(&client.receive()), [(Reason::Busy, 4, 3)]);
    client.send(3, &orders(3, 3));
    rig.settle();
    let received = client.receive();
    assert_eq!(refusals(&received), []);
    assert_eq!(
        accepted(&received),
        [4, 5, 3],
        "the outcome again comes last"
    );
}

#[test]
fn numbers_survive_a_restart() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    client.send(1, &[resting(1)]);
    client.send(4, &[resting(4)]);
    rig.settle();
    let first = reports(&client.receive());
    let mut rig = rig.restart(|_| {});
    assert_eq!(last_accepted(&rig, &client), 4);
    // The binding is still there: no new Establish is needed.
    client.send(1, &[resting(1)]);
    client.send(3, &[resting(3)]);
    client.send(4, &[resting(4)]);
    rig.settle();
    let again = client.receive();
    assert_eq!(reports(&again)[0], first[0]);
    assert_eq!(
        not_applied(&again).len(),
        2,
        "of number 3, and of number 4's frame"
    );
    assert_eq!(accepted(&again), [1, 4]);
    assert_eq!(rig.engine().live_orders(), 2);
}
