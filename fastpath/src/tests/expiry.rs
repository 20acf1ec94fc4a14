//! Orders that end by themselves: at a time, or with their market's close.

use super::rig::{Client, Received, Rig, messages, order, reports};
use super::slow_region::administer;
use domain::{
    Command, MAX_CANCELS, MarketId, MarketState, Nanos, Phase, Reason, SetMarketState, Side,
    TimeInForce, Zero,
};
use tile::{Clock, Tile as _};
use wire::order_entry::{Message, NewOrder, OrderCanceled};

const HOUR: u64 = 3_600_000_000_000;

fn until(id: u64, expires: u64) -> NewOrder {
    NewOrder {
        time_in_force: TimeInForce::GoodTillTime as u8,
        expires: Nanos(expires),
        ..order(id, Side::Buy, 50, 1)
    }
}

/// The cancels of what came, which must be of this reason and of no message of the session's.
fn ended(received: &[Received], reason: Reason) -> Vec<OrderCanceled> {
    let ended = |message: &Message| {
        if let Message::OrderCanceled(canceled) = message {
            assert_eq!(canceled.reason, u16::from(reason));
            assert_eq!(canceled.stamp.client_seq_no, 0);
            Some(*canceled)
        } else {
            None
        }
    };
    messages(received).iter().filter_map(ended).collect()
}

/// Orders from number 1 on that all end at `expires`.
fn rest(rig: &mut Rig, client: &mut Client, count: u64, expires: u64) {
    for first in (1..=count).step_by(16) {
        let orders: Vec<_> = (first..=count.min(first + 15))
            .map(|id| until(id, expires))
            .collect();
        client.send(first, &orders);
        rig.settle();
        assert_eq!(reports(&client.receive()).len(), orders.len());
    }
    assert_eq!(rig.engine().live_orders() as u64, count);
}

#[test]
fn an_order_ends_when_its_time_has_come_and_before_anything_else() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    let expires = Clock::now() + HOUR;
    rest(&mut rig, &mut client, 1, expires);
    let seller = rig.client(2);
    seller.send(1, &[order(1, Side::Sell, 50, 1)]);
    rig.tiles.net.poll();
    let head = rig.head();
    // The seller is there as well, and comes too late.
    assert_eq!(rig.tiles.matching.turn(expires), 1);
    rig.settle();
    let [ended] = ended(&client.receive(), Reason::Expired)[..] else {
        panic!("it ends")
    };
    assert_eq!(ended.stamp.engine_seq.0, head + 1);
    assert!(ended.stamp.engine_time.0 >= expires);
    assert_eq!(rig.engine().live_orders(), 1, "the seller's");
    rig.check_engine();
}

#[test]
fn nothing_ends_before_its_time() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    let expires = Clock::now() + HOUR;
    rest(&mut rig, &mut client, 1, expires);
    assert_eq!(rig.tiles.matching.turn(expires - 1), 0);
    client.send(2, &[until(2, 1)]);
    rig.settle();
    let received = messages(&client.receive());
    let [Message::OrderRejected(refused)] = received[..] else {
        panic!("{received:?}")
    };
    assert_eq!(refused.reason, u16::from(Reason::AlreadyExpired));
    assert_eq!(rig.engine().live_orders(), 1);
}

/// More than a frame has room for, and the process dies between: what is left to end is state.
#[test]
fn expiries_go_on_after_a_restart() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    let (count, expires) = (2 * MAX_CANCELS as u64 + 5, Clock::now() + HOUR);
    rest(&mut rig, &mut client, count, expires);
    assert_eq!(rig.tiles.matching.turn(expires), 1);
    let left = rig.engine().live_orders() as u64;
    assert_eq!(left, count - MAX_CANCELS as u64);
    assert!(rig.engine().pending_work().is_some());
    let mut rig = rig.restart(|_| {});
    rig.settle();
    assert_eq!(rig.engine().live_orders(), 0);
    let received = client.receive();
    let ids = ended(&received, Reason::Expired);
    let ids = ids.iter().map(|it| it.client_order_id.0);
    assert!(ids.eq(1..=count), "all of one time: by their ids");
    let numbers = reports(&received).into_iter().map(|(number, _)| number);
    assert!(numbers.eq(count + 1..=2 * count));
    rig.check_engine();
}

/// It ends before whatever comes first after the start, although orders are not taken yet.
#[test]
fn what_is_overdue_after_a_restart_ends_first() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    let expires = Clock::now() + HOUR;
    rest(&mut rig, &mut client, 1, expires);
    let mut rig = rig.restart_under(&|| expires + 1, |_| {});
    assert_eq!(rig.engine().live_orders(), 1);
    let head = rig.head();
    assert_eq!(rig.tiles.matching.turn(expires + 1), 1);
    rig.settle();
    let [ended] = ended(&client.receive(), Reason::Expired)[..] else {
        panic!("it ends")
    };
    assert_eq!(ended.stamp.engine_seq.0, head + 1);
    assert_eq!(rig.engine().phase(), Phase::CancelOnly);
    assert_eq!(rig.engine().live_orders(), 0);
}

#[test]
fn the_close_of_the_market_ends_what_is_good_till_then() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    let till_close = NewOrder {
        time_in_force: TimeInForce::GoodTillClose as u8,
        ..order(1, Side::Buy, 50, 4)
    };
    client.send(1, &[till_close, order(2, Side::Buy, 50, 1)]);
    rig.settle();
    client.receive();
    let close = Command::SetMarketState(SetMarketState {
        market: MarketId(0),
        state: MarketState::Closed,
        pad: [Zero::Zero; 3],
    });
    administer(&mut rig, &[close]);
    let [ended] = ended(&client.receive(), Reason::MarketClose)[..] else {
        panic!("one of both ends")
    };
    assert_eq!((ended.client_order_id.0, ended.quantity.0), (1, 4));
    assert_eq!(rig.engine().live_orders(), 1);
}
