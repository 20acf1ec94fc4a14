//! Icebergs: orders of which the book shows a part at a time.

use crate::auction::set_state;
use crate::exchange::*;
use domain::*;

const BUY: Side = Side::Buy;
const SELL: Side = Side::Sell;

fn shown(x: &Exchange, id: OrderId) -> (u64, u64) {
    let order = x.engine.order(id).expect("it lives");
    (order.shown().0, order.leaves.0)
}

/// (client order id, lots) of each maker's fill.
fn makers(events: &[Event]) -> Vec<(u64, u64)> {
    let fills = events.iter().filter_map(|event| match event {
        Event::Fill(fill) if fill.liquidity == Liquidity::Maker => {
            Some((fill.client_order_id.0, fill.qty.0))
        }
        _ => None,
    });
    fills.collect()
}

fn added(events: &[Event]) -> Vec<(OrderId, u64)> {
    let adds = events.iter().filter_map(|event| match event {
        Event::BookAdd(add) => Some((add.order_id, add.qty.0)),
        _ => None,
    });
    adds.collect()
}

#[test]
fn the_book_shows_a_part_and_the_account_holds_for_all() {
    let mut x = Exchange::new();
    let events = x.enter(0, showing(3, limit(1, PLAIN, BUY, 90, 10)));
    let [Event::Accepted(accepted), Event::BookAdd(add)] = events[..] else {
        panic!("it must rest: {events:?}");
    };
    assert_eq!(
        (accepted.qty, accepted.display_qty, add.qty),
        (Qty(10), Qty(3), Qty(3))
    );
    assert_eq!(shown(&x, add.order_id), (3, 10));
    assert_eq!(x.engine.depth(PLAIN, BUY, 9), [(Price(90), Qty(3), 1)]);
    assert_eq!(x.balance(0, QUOTE), (START - 900, 900));
    let events = x.cancel(0, add.order_id);
    assert_eq!(canceled(&events), Some((Reason::Requested, 10)));
    assert_eq!(x.balance(0, QUOTE), (START, 0));
}

#[test]
fn what_is_gone_is_shown_anew_behind_the_others() {
    let mut x = Exchange::new();
    let iceberg = x.rest(1, showing(3, limit(1, PLAIN, SELL, 100, 7)));
    x.rest(1, limit(2, PLAIN, SELL, 100, 4));
    let events = x.enter(0, immediate(limit(1, PLAIN, BUY, 100, 3)));
    assert!(matches!(
        events[..],
        [
            Event::Accepted(_),
            Event::Trade(Trade { maker_leaves: Qty(0), .. }),
            Event::Fill(Fill { leaves: Qty(4), liquidity: Liquidity::Maker, .. }),
            Event::Fill(_),
            Event::BookAdd(add),
        ] if add.order_id == iceberg && add.qty == Qty(3)
    ));
    let events = x.enter(0, immediate(limit(2, PLAIN, BUY, 100, 5)));
    assert_eq!(makers(&events), [(2, 4), (1, 1)]);
    assert_eq!(shown(&x, iceberg), (2, 3));
}

#[test]
fn one_order_takes_all_of_it_slice_by_slice() {
    let mut x = Exchange::new();
    let iceberg = x.rest(1, showing(3, limit(1, PLAIN, SELL, 100, 7)));
    x.rest(1, limit(2, PLAIN, SELL, 100, 4));
    let events = x.enter(0, fill_or_kill(limit(1, PLAIN, BUY, 100, 11)));
    assert_eq!(makers(&events), [(1, 3), (2, 4), (1, 3), (1, 1)]);
    assert_eq!(added(&events), [(iceberg, 3), (iceberg, 1)]);
    assert_eq!(x.engine.live_orders(), 0);
    assert_eq!(x.balance(1, BASE), (START - 11, 0));
}

#[test]
fn what_it_shows_is_part_of_it_and_goes_with_orders_that_rest() {
    let mut x = Exchange::new();
    let order = limit(1, FEES, BUY, 90, 10);
    for (other, reason) in [
        (showing(11, order), Reason::InvalidQuantity),
        (showing(1, order), Reason::QuantityBelowMinimum),
        (showing(5, immediate(order)), Reason::InvalidCombination),
        (showing(5, fill_or_kill(order)), Reason::InvalidCombination),
        (
            showing(5, market(1, FEES, BUY, 10)),
            Reason::InvalidCombination,
        ),
    ] {
        assert_eq!(x.rejection(0, other), reason, "{other:?}");
    }
    let whole = x.rest(0, showing(10, order));
    assert_eq!(shown(&x, whole), (10, 10));
}

#[test]
fn an_order_is_shown_in_few_parts() {
    let mut x = Exchange::new();
    let most = 3 * MAX_SLICES;
    let beyond = showing(3, limit(1, PLAIN, SELL, 100, most + 1));
    assert_eq!(x.rejection(0, beyond), Reason::InvalidQuantity);
    let id = x.rest(0, showing(3, limit(1, PLAIN, SELL, 100, most)));
    for qty in [most + 1, u64::MAX] {
        let events = x.amend(0, id, 101, qty);
        assert_eq!(only_rejection(&events), Reason::InvalidQuantity);
    }
    x.enter(1, immediate(limit(1, PLAIN, BUY, 100, 2)));
    x.amend(0, id, 101, most + 2);
    assert_eq!(shown(&x, id), (3, most), "what has traded is not shown");
}

#[test]
fn an_iceberg_that_arrives_trades_all_of_it_and_shows_a_part_of_the_rest() {
    let mut x = Exchange::new();
    x.rest(1, limit(1, PLAIN, SELL, 100, 4));
    let events = x.enter(0, showing(2, limit(1, PLAIN, BUY, 100, 9)));
    assert_eq!(makers(&events), [(1, 4)]);
    let [(id, 2)] = added(&events)[..] else {
        panic!("two lots are shown: {events:?}");
    };
    assert_eq!(shown(&x, id), (2, 5));
}

#[test]
fn what_is_hidden_goes_first_when_it_becomes_smaller() {
    let mut x = Exchange::new();
    let id = x.rest(1, showing(3, limit(1, PLAIN, SELL, 100, 7)));
    let events = x.amend(1, id, 100, 4);
    assert!(
        matches!(events[..], [Event::Amended(a)] if a.kept_priority.is_yes() && a.leaves == Qty(4))
    );
    assert_eq!(shown(&x, id), (3, 4));
    let events = x.amend(1, id, 100, 2);
    assert!(matches!(events[..], [Event::Amended(_), Event::BookReduce(r)] if r.leaves == Qty(2)));
    assert_eq!(shown(&x, id), (2, 2));
    assert_eq!(x.balance(1, BASE), (START - 2, 2));
    let events = x.amend(1, id, 101, 8);
    assert!(matches!(events[..], [Event::Amended(_), Event::BookReplace(r)] if r.qty == Qty(3)));
    assert_eq!(shown(&x, id), (3, 8));
}

#[test]
fn a_frame_has_room_for_trades_and_what_they_show() {
    let mut x = Exchange::new();
    let lots = 2 * MAX_FILLS as u64;
    x.rest(1, showing(1, limit(1, PLAIN, SELL, 100, lots)));
    let mut events = x.enter(0, limit(1, PLAIN, BUY, 100, lots));
    assert_eq!(trades(&events).len(), MAX_FILLS / 2);
    let (more, frames) = x.finish_sweep();
    events.extend(more);
    assert_eq!((trades(&events).len() as u64, frames), (lots, 3));
    assert_eq!(x.engine.live_orders(), 0);
}

#[test]
fn its_own_order_meets_the_whole_of_it() {
    let own = |self_trade, order| NewOrder {
        self_trade,
        ..order
    };
    let iceberg = showing(2, limit(1, PLAIN, SELL, 100, 9));
    let mut x = Exchange::new();
    let id = x.rest(0, iceberg);
    let decrement = own(SelfTrade::DecrementAndCancel, limit(2, PLAIN, BUY, 100, 4));
    let events = x.enter(0, decrement);
    assert_eq!(canceled(&events), Some((Reason::SelfTrade, 4)));
    assert_eq!(shown(&x, id), (2, 5));
    let oldest = own(SelfTrade::CancelOldest, limit(3, PLAIN, BUY, 100, 4));
    assert_eq!(canceled(&x.enter(0, oldest)), Some((Reason::SelfTrade, 5)));
}

#[test]
fn who_looks_ahead_sees_what_is_hidden_behind_what_is_shown() {
    let mut x = Exchange::new();
    let aborts = |order| NewOrder {
        self_trade: SelfTrade::Abort,
        ..order
    };
    let all = |order| NewOrder {
        self_trade: SelfTrade::CancelNewest,
        ..fill_or_kill(order)
    };
    x.rest(1, showing(2, limit(1, PLAIN, SELL, 100, 6)));
    let own = x.rest(0, limit(1, PLAIN, SELL, 100, 1));
    let order = limit(2, PLAIN, BUY, 100, 3);
    assert_eq!(x.rejection(0, aborts(order)), Reason::WouldSelfTrade);
    assert_eq!(x.rejection(0, all(order)), Reason::CannotFill);
    x.cancel(0, own);
    let more = limit(2, PLAIN, BUY, 100, 7);
    assert_eq!(x.rejection(0, all(more)), Reason::CannotFill);
    let events = x.enter(0, all(limit(2, PLAIN, BUY, 100, 6)));
    assert_eq!(makers(&events), [(1, 2), (1, 2), (1, 2)]);
}

#[test]
fn an_auction_trades_what_is_hidden() {
    let mut x = Exchange::new();
    x.apply(
        Source::ADMINISTRATION,
        set_state(PLAIN, MarketState::PreOpen),
    );
    let bid = x.rest(0, showing(2, limit(1, PLAIN, BUY, 105, 10)));
    let ask = x.rest(1, showing(3, limit(1, PLAIN, SELL, 100, 7)));
    let open = set_state(PLAIN, MarketState::Continuous);
    let mut events = x.apply(Source::ADMINISTRATION, open);
    events.extend(x.finish_sweep().0);
    let uncrossed = events.iter().find_map(|event| match event {
        Event::Uncrossed(e) => Some(e.qty),
        _ => None,
    });
    assert_eq!(uncrossed, Some(Qty(7)));
    let lots: Vec<_> = trades(&events).iter().map(|&(_, _, qty)| qty).collect();
    assert_eq!(lots, [2, 1, 1, 2, 1]);
    assert_eq!(shown(&x, bid), (1, 3));
    assert_eq!(x.engine.order(ask), None);
}

#[test]
fn without_funds_nobody_counts_what_is_hidden() {
    let mut x = Exchange::unfunded(GENESIS);
    x.fund(1, BASE, 10);
    x.fund(0, QUOTE, 149);
    x.rest(1, showing(1, limit(1, PLAIN, Side::Sell, 50, 6)));
    // Two lots are what it can pay; six are there.
    for qty in [4, 6, 7] {
        for order in [
            limit(1, PLAIN, Side::Buy, 50, qty),
            market(1, PLAIN, Side::Buy, qty),
        ] {
            assert_eq!(
                x.rejection(0, fill_or_kill(order)),
                Reason::InsufficientFunds,
                "{qty}"
            );
        }
    }
    x.fund(0, QUOTE, 500);
    assert_eq!(
        x.rejection(0, fill_or_kill(market(1, PLAIN, Side::Buy, 7))),
        Reason::CannotFill
    );
}
