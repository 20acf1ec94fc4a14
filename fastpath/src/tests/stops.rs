//! Stops: orders that wait for a trade, and arrive in frames of the exchange's own.

use super::rig::{Client, Rig, messages, order, reports};
use domain::{OrderType, Price, Reason, Side};
use tile::Tile as _;
use wire::order_entry::{CancelOrder, Message, NewOrder, Triggered};

/// Sells once a trade is at 100 or below.
fn stop(id: u64, quantity: u64) -> NewOrder {
    NewOrder {
        order_type: OrderType::Stop as u8,
        trigger_price: Price(100),
        ..order(id, Side::Sell, 0, quantity)
    }
}

fn triggered(messages: &[Message]) -> Vec<Triggered> {
    let triggered = |message: &Message| {
        if let Message::Triggered(triggered) = message {
            Some(*triggered)
        } else {
            None
        }
    };
    messages.iter().filter_map(triggered).collect()
}

/// Bids of session 1, and a session each for stops and for who lets them arrive.
fn stage() -> (Rig, Client, Client) {
    let mut rig = Rig::new();
    let bidder = rig.client(1);
    bidder.send(
        1,
        &[order(1, Side::Buy, 100, 1), order(2, Side::Buy, 95, 400)],
    );
    rig.settle();
    let (owner, seller) = (rig.client(3), rig.client(2));
    (rig, owner, seller)
}

#[test]
fn a_stop_waits_until_a_trade_and_arrives_before_anything_else() {
    let (mut rig, mut owner, mut seller) = stage();
    owner.send(1, &[stop(1, 5)]);
    rig.settle();
    let received = messages(&owner.receive());
    let [Message::OrderAccepted(accepted)] = received[..] else {
        panic!("{received:?}")
    };
    assert_eq!((accepted.order_type, accepted.trigger_price.0), (2, 100));
    let head = rig.head();
    // The first is at 100; the second waits in the ring already.
    seller.send(
        1,
        &[order(1, Side::Sell, 100, 1), order(2, Side::Sell, 95, 1)],
    );
    rig.settle();
    assert_eq!(rig.head(), head + 3);
    let received = messages(&owner.receive());
    let [Message::Triggered(triggered), Message::OrderFilled(filled)] = received[..] else {
        panic!("{received:?}")
    };
    assert_eq!(triggered.order_id, accepted.order_id);
    assert_eq!(triggered.stamp.engine_seq.0, head + 2);
    assert_eq!(triggered.stamp.client_seq_no, 0);
    assert_eq!((filled.price.0, filled.quantity.0), (95, 5));
    assert_eq!(filled.leaves_quantity.0, 0);
    let last = messages(&seller.receive()).pop().unwrap();
    assert_eq!(last.stamp().unwrap().engine_seq.0, head + 3);
    rig.check_engine();
}

/// One arrival a frame, and the process dies between: what is left to arrive is state.
#[test]
fn stops_go_on_arriving_after_a_restart() {
    let (mut rig, mut owner, seller) = stage();
    let count = 20;
    for id in 1..=count {
        owner.send(id, &[stop(id, id)]);
    }
    rig.settle();
    owner.receive();
    seller.send(1, &[order(1, Side::Sell, 100, 1)]);
    rig.tiles.net.poll();
    // The trade, and seven arrivals.
    for _ in 0..8 {
        assert_eq!(rig.tiles.matching.poll(), 1);
    }
    let mut rig = rig.restart(|_| {});
    assert!(rig.engine().pending_work().is_some());
    rig.settle();
    let received = owner.receive();
    let arrived = triggered(&messages(&received));
    let ids = arrived.iter().map(|it| it.client_order_id.0);
    assert!(ids.eq(1..=count), "in the order of their entry");
    let frames = arrived.windows(2);
    assert!(
        frames
            .map(|two| two[1].stamp.engine_seq.0 - two[0].stamp.engine_seq.0)
            .filter(|apart| *apart != 1)
            .eq([2]),
        "a frame each, and one of the restart between"
    );
    let numbers = reports(&received).into_iter().map(|(number, _)| number);
    assert!(
        numbers.eq(count + 1..=3 * count),
        "arrival and fill of each"
    );
    assert_eq!(rig.engine().live_orders(), 1, "the bidder's");
    rig.check_engine();
}

#[test]
fn a_stop_that_waits_is_cancelled_and_one_that_would_not_wait_refused() {
    let (mut rig, mut owner, seller) = stage();
    owner.send(1, &[stop(1, 5)]);
    let cancel = CancelOrder {
        client_order_id: domain::ClientOrderId(1),
        ..CancelOrder::default()
    };
    owner.send(2, &[cancel]);
    rig.settle();
    let received = messages(&owner.receive());
    let [Message::OrderAccepted(_), Message::OrderCanceled(canceled)] = received[..] else {
        panic!("{received:?}")
    };
    assert_eq!((canceled.quantity.0, canceled.stamp.client_seq_no), (5, 2));
    seller.send(1, &[order(1, Side::Sell, 100, 1)]);
    owner.send(3, &[stop(3, 5)]);
    rig.settle();
    let received = messages(&owner.receive());
    let [Message::OrderRejected(refused)] = received[..] else {
        panic!("{received:?}")
    };
    assert_eq!(refused.reason, u16::from(Reason::WouldTrigger));
    assert_eq!(rig.engine().live_orders(), 1);
}
