//! Cancels.

use crate::exchange::*;
use domain::*;

#[test]
fn a_cancel_returns_the_hold_and_tells_owner_and_feed() {
    let mut x = Exchange::new();
    let id = x.rest(0, limit(5, FEES, Side::Buy, 100, 10));
    x.enter(1, limit(1, FEES, Side::Sell, 100, 4));
    let events = x.cancel(0, id);
    assert_eq!(
        events,
        [
            Event::Canceled(Canceled {
                kind: EventKind::Canceled,
                pad: Zero::Zero,
                reason: Reason::Requested,
                session: SessionId(0),
                report_no: 3,
                order_id: id,
                client_order_id: ClientOrderId(5),
                qty: Qty(6),
                market: FEES,
                pad2: [Zero::Zero; 4],
            }),
            Event::BookDelete(BookDelete {
                kind: EventKind::BookDelete,
                side: Side::Buy,
                pad: [Zero::Zero; 2],
                market: FEES,
                feed_no: 5,
                order_id: id,
            }),
        ]
    );
    assert_eq!(x.balance(0, QUOTE), (START - 4_004, 0));
    assert_eq!(x.engine.best_bid(FEES), None);
    assert_eq!(only_rejection(&x.cancel(0, id)), Reason::UnknownOrder);
}

#[test]
fn the_engines_id_goes_before_the_clients() {
    let mut x = Exchange::new();
    let first = x.rest(0, limit(1, PLAIN, Side::Sell, 100, 5));
    let second = x.rest(0, limit(2, PLAIN, Side::Sell, 100, 5));
    let cancel = |order_id, client| {
        Command::CancelOrder(CancelOrder {
            order_id,
            client_order_id: ClientOrderId(client),
            qty: Qty::ZERO,
        })
    };
    let target = |events: &[Event]| match events[0] {
        Event::Canceled(canceled) => canceled.order_id,
        event => panic!("{event:?}"),
    };
    assert_eq!(target(&x.send(0, cancel(second, 1))), second);
    // The id that is not live decides, though the client's is.
    let events = x.send(0, cancel(second, 1));
    let [Event::Rejected(rejected)] = events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(rejected.reason, Reason::UnknownOrder);
    assert_eq!(rejected.command, CommandKind::CancelOrder);
    assert_eq!(
        (rejected.order_id, rejected.client_order_id),
        (second, ClientOrderId(1))
    );
    assert_eq!(target(&x.send(0, cancel(OrderId::NONE, 1))), first);
    for client in [0, 1, 2, u64::MAX] {
        let events = x.send(0, cancel(OrderId::NONE, client));
        assert_eq!(only_rejection(&events), Reason::UnknownOrder);
    }
}

#[test]
fn only_the_owning_session_cancels() {
    let mut x = Exchange::new();
    let id = x.rest(1, limit(1, PLAIN, Side::Sell, 100, 5));
    assert_eq!(only_rejection(&x.cancel(0, id)), Reason::UnknownOrder);
    assert_eq!(only_rejection(&x.cancel(2, id)), Reason::UnknownOrder);
    assert_eq!(x.engine.live_orders(), 1);
    let id_of_no_slot = OrderId(u64::MAX);
    assert_eq!(
        only_rejection(&x.cancel(1, id_of_no_slot)),
        Reason::UnknownOrder
    );
}

#[test]
fn an_order_leaves_from_any_place_of_its_queue() {
    for gone in 0..4 {
        let mut x = Exchange::new();
        let mut ids: Vec<_> = (1..=4)
            .map(|client| x.rest(1, limit(client, PLAIN, Side::Sell, 100, client)))
            .collect();
        x.cancel(1, ids.remove(gone));
        let events = x.enter(0, limit(1, PLAIN, Side::Buy, 100, 10));
        let makers: Vec<_> = trades(&events).iter().map(|trade| trade.0).collect();
        assert_eq!(makers, ids);
    }
}

#[test]
fn cancels_work_in_cancel_only() {
    let mut x = Exchange::new();
    let id = x.rest(1, limit(1, PLAIN, Side::Sell, 100, 5));
    x.sequencer(Command::Recovered(Recovered {
        epoch: 1,
        pad: [Zero::Zero; 4],
        grace: Nanos(u64::MAX),
    }));
    assert_eq!(canceled(&x.cancel(1, id)), Some((Reason::Requested, 5)));
}
