//! Stops: orders that wait until the market has traded at a price.

use crate::auction::set_state;
use crate::exchange::*;
use domain::*;

const BUY: Side = Side::Buy;
const SELL: Side = Side::Sell;

/// A trade of one lot of others at a price.
fn trade_at(x: &mut Exchange, price: i64) -> Vec<Event> {
    x.rest(1, limit(90, PLAIN, SELL, price, 1));
    let events = x.enter(0, immediate(limit(90, PLAIN, BUY, price, 1)));
    assert_eq!(trades(&events).len(), 1);
    events
}

/// Enters an order that must wait.
fn wait(x: &mut Exchange, session: u32, order: NewOrder) -> OrderId {
    let events = x.enter(session, order);
    let [Event::Accepted(accepted)] = events[..] else {
        panic!("{order:?} must wait: {events:?}");
    };
    assert_eq!(accepted.trigger_price, order.trigger_price);
    accepted.order_id
}

fn arrived(events: &[Event]) -> Vec<u64> {
    let arrived = events.iter().filter_map(|event| match event {
        Event::Triggered(e) => Some(e.client_order_id.0),
        _ => None,
    });
    arrived.collect()
}

#[test]
fn a_stop_waits_unseen_and_holds_what_it_may_need() {
    let mut x = Exchange::new();
    let buy = wait(&mut x, 0, stop_limit(105, limit(1, PLAIN, BUY, 110, 3)));
    let sell = wait(&mut x, 0, stop(95, market(2, PLAIN, SELL, 4)));
    let other = wait(&mut x, 0, stop(106, market(3, PLAIN, BUY, 5)));
    assert_eq!(x.balance(0, QUOTE), (START - 860, 860), "330 and 530");
    assert_eq!(x.balance(0, BASE), (START - 4, 4));
    assert_eq!(x.engine.depth(PLAIN, BUY, 9), []);
    assert_eq!(x.engine.order(buy).unwrap().trigger_price, Price(105));
    for id in [buy, sell, other] {
        let events = x.cancel(0, id);
        assert!(
            matches!(events[..], [Event::Canceled(e)] if e.reason == Reason::Requested),
            "the book never had it: {events:?}"
        );
    }
    assert_eq!(x.balance(0, QUOTE), (START, 0));
    assert_eq!(x.engine.live_orders(), 0);
}

#[test]
fn a_trade_at_the_trigger_or_beyond_lets_it_arrive_in_the_next_frame() {
    let mut x = Exchange::new();
    x.rest(1, limit(1, PLAIN, SELL, 107, 2));
    let id = wait(&mut x, 0, stop(105, market(1, PLAIN, BUY, 3)));
    trade_at(&mut x, 104);
    assert_eq!(x.engine.pending_work(), None);
    trade_at(&mut x, 105);
    assert_eq!(x.engine.pending_work(), Some(OrderId::NONE));
    let (events, frames) = x.finish_sweep();
    assert_eq!((arrived(&events), frames), (vec![1], 1));
    assert!(matches!(events[0], Event::Triggered(e) if e.order_id == id && e.price == Price(0)));
    assert_eq!(trades(&events).len(), 1);
    assert_eq!(canceled(&events), Some((Reason::Unfilled, 1)));
    assert_eq!(x.engine.order(id), None);
}

#[test]
fn a_stop_limit_arrives_as_a_limit_order_and_may_rest() {
    let mut x = Exchange::new();
    let id = wait(&mut x, 0, stop_limit(95, limit(1, PLAIN, SELL, 94, 3)));
    x.rest(1, limit(1, PLAIN, BUY, 94, 1));
    trade_at(&mut x, 95);
    let (events, _) = x.finish_sweep();
    assert_eq!(trades(&events), [(OrderId::first(1), 94, 1)]);
    let order = x.engine.order(id).expect("it rests");
    assert_eq!(
        (order.price, order.leaves, order.trigger_price),
        (Price(94), Qty(2), Price(0))
    );
    assert_eq!(x.engine.best_ask(PLAIN), Some(Price(94)));
}

#[test]
fn what_a_stop_may_be() {
    let mut x = Exchange::new();
    let buy = market(1, PLAIN, BUY, 3);
    let sells = limit(1, PLAIN, SELL, 90, 3);
    let with = |order: NewOrder, change: fn(&mut NewOrder)| with(order, change);
    for (order, reason) in [
        (stop(0, buy), Reason::InvalidTrigger),
        (stop(201, buy), Reason::InvalidTrigger),
        (
            with(stop(100, buy), |o| o.price = Price(201)),
            Reason::InvalidPrice,
        ),
        (
            with(stop_limit(100, sells), |o| o.price = Price(0)),
            Reason::PriceOutOfRange,
        ),
        (
            with(sells, |o| o.trigger_price = Price(5)),
            Reason::InvalidCombination,
        ),
        (
            with(stop(100, buy), |o| o.min_qty = Qty(1)),
            Reason::InvalidCombination,
        ),
        (
            with(stop(100, buy), |o| o.display_qty = Qty(1)),
            Reason::InvalidCombination,
        ),
        (
            with(stop(100, buy), |o| o.post_only = PostOnly::Slide),
            Reason::InvalidCombination,
        ),
        (
            with(stop(100, buy), |o| o.self_trade = SelfTrade::Abort),
            Reason::InvalidCombination,
        ),
        (immediate(stop(100, buy)), Reason::InvalidCombination),
        (
            fill_or_kill(stop_limit(100, sells)),
            Reason::InvalidCombination,
        ),
        (
            stop_limit(100, limit(1, PLAIN, BUY, 200, START)),
            Reason::InsufficientFunds,
        ),
    ] {
        assert_eq!(x.rejection(0, order), reason, "{order:?}");
    }
    trade_at(&mut x, 100);
    for order in [
        stop(100, buy),
        stop(99, buy),
        stop_limit(100, sells),
        stop_limit(101, sells),
    ] {
        assert_eq!(x.rejection(0, order), Reason::WouldTrigger);
    }
    wait(&mut x, 0, stop(101, buy));
    wait(&mut x, 0, stop_limit(99, limit(2, PLAIN, SELL, 90, 3)));
    x.apply(
        Source::ADMINISTRATION,
        set_state(PLAIN, MarketState::PreOpen),
    );
    let another = stop(101, market(3, PLAIN, BUY, 3));
    assert_eq!(x.rejection(0, another), Reason::OnlyRestingOrders);
}

#[test]
fn the_nearest_arrives_first_and_one_may_trigger_the_next() {
    let mut x = Exchange::new();
    for (client, price) in [(1, 105), (2, 106), (3, 107), (4, 110)] {
        x.rest(1, limit(client, PLAIN, SELL, price, 1));
    }
    for (client, trigger) in [(1, 106), (2, 105), (3, 108), (4, 105), (5, 111)] {
        wait(&mut x, 0, stop(trigger, market(client, PLAIN, BUY, 1)));
    }
    x.enter(0, immediate(limit(91, PLAIN, BUY, 105, 1)));
    let (events, frames) = x.finish_sweep();
    // 2 trades at 106, which triggers 1; 4 was entered later and trades at 107; 1 at 110, which triggers 3.
    assert_eq!(arrived(&events), [2, 4, 1, 3]);
    assert_eq!(frames, 4);
    let prices: Vec<_> = trades(&events).iter().map(|&(_, price, _)| price).collect();
    assert_eq!(prices, [106, 107, 110]);
    assert_eq!(
        canceled(&events),
        Some((Reason::Unfilled, 1)),
        "3 found none"
    );
    assert_eq!(x.engine.live_orders(), 1, "5 waits");
}

#[test]
fn of_both_sides_the_one_that_was_entered_first_arrives_first() {
    let mut x = Exchange::new();
    wait(&mut x, 0, stop(100, market(1, PLAIN, SELL, 1)));
    wait(&mut x, 0, stop(100, market(2, PLAIN, BUY, 1)));
    trade_at(&mut x, 100);
    assert_eq!(arrived(&x.finish_sweep().0), [1, 2]);
}

#[test]
fn a_long_arrival_goes_on_before_the_next() {
    let mut x = Exchange::new();
    for client in 1..=MAX_FILLS as u64 + 3 {
        x.rest(1, limit(client, PLAIN, SELL, 105, 1));
    }
    wait(
        &mut x,
        0,
        stop(105, market(1, PLAIN, BUY, MAX_FILLS as u64 + 1)),
    );
    wait(&mut x, 0, stop(105, market(2, PLAIN, BUY, 1)));
    x.enter(0, immediate(limit(91, PLAIN, BUY, 105, 1)));
    let (events, frames) = x.finish_sweep();
    assert_eq!((arrived(&events), frames), (vec![1, 2], 3));
    assert_eq!(trades(&events).len(), MAX_FILLS + 2);
}

#[test]
fn what_trades_in_an_auction_triggers_when_the_market_is_open() {
    let mut x = Exchange::new();
    wait(&mut x, 0, stop(105, market(1, PLAIN, BUY, 1)));
    let state = |x: &mut Exchange, state| {
        let mut events = x.apply(Source::ADMINISTRATION, set_state(PLAIN, state));
        events.extend(x.finish_sweep().0);
        events
    };
    state(&mut x, MarketState::ClosingAuction);
    x.rest(0, limit(7, PLAIN, BUY, 106, 1));
    x.rest(1, limit(7, PLAIN, SELL, 106, 1));
    let events = state(&mut x, MarketState::Closed);
    assert_eq!((trades(&events).len(), arrived(&events)), (1, vec![]));
    let events = state(&mut x, MarketState::Continuous);
    assert_eq!(arrived(&events), [1]);
}

#[test]
fn a_stop_that_arrives_beyond_the_collar_ends() {
    let mut x = Exchange::new();
    x.admin(Command::SetCollar(SetCollar {
        price: Price(100),
        market: PLAIN,
        width_ppm: 50_000,
        reference: Reference::Set,
        halts: Flag::Yes,
        pad: [Zero::Zero; 6],
    }));
    wait(&mut x, 0, stop_limit(104, limit(1, PLAIN, BUY, 106, 1)));
    let left = wait(&mut x, 0, stop(104, market(2, PLAIN, BUY, 1)));
    trade_at(&mut x, 104);
    let (events, _) = x.finish_sweep();
    assert_eq!(arrived(&events), [1]);
    assert_eq!(canceled(&events), Some((Reason::PriceBeyondCollar, 1)));
    assert!(events.iter().any(
        |event| matches!(event, Event::MarketStateChanged(e) if e.state == MarketState::Halted)
    ));
    assert!(x.engine.order(left).is_some(), "the market is halted");
    x.rest_of_halt(PLAIN);
    assert_eq!(x.engine.order(left), None);
}

#[test]
fn a_stop_that_waits_can_be_amended_and_cut() {
    let mut x = Exchange::new();
    let id = wait(&mut x, 0, stop_limit(105, limit(1, PLAIN, BUY, 110, 3)));
    let events = x.amend(0, id, 120, 5);
    assert!(matches!(events[..], [Event::Amended(e)] if e.kept_priority.is_yes()));
    assert_eq!(x.balance(0, QUOTE), (START - 600, 600));
    assert_eq!(
        only_rejection(&x.amend(0, id, 120, START)),
        Reason::InsufficientFunds
    );
    assert_eq!(
        only_rejection(&x.amend(0, id, 201, 1)),
        Reason::PriceOutOfRange
    );
    let part = CancelOrder {
        order_id: id,
        client_order_id: ClientOrderId(0),
        qty: Qty(4),
    };
    let events = x.send(0, Command::CancelOrder(part));
    assert!(matches!(events[..], [Event::Amended(e)] if e.leaves == Qty(1)));
    assert_eq!(x.balance(0, QUOTE), (START - 120, 120));
    let market = wait(&mut x, 0, stop(105, market(2, PLAIN, SELL, 3)));
    x.amend(0, market, 77, 2);
    assert_eq!(x.balance(0, BASE), (START - 2, 2));
    let events = x.amend(0, id, 120, 0);
    assert_eq!(canceled(&events), Some((Reason::AmendedToFilled, 1)));
}

#[test]
fn one_without_a_limit_that_buys_holds_its_worst_price_or_its_trigger() {
    let mut x = Exchange::unfunded(GENESIS);
    for asset in [BASE, QUOTE] {
        x.fund(1, asset, START);
    }
    x.fund(0, QUOTE, 1_000);
    let worst = NewOrder {
        price: Price(120),
        ..market(1, PLAIN, BUY, 5)
    };
    let id = wait(&mut x, 0, stop(105, worst));
    assert_eq!(x.balance(0, QUOTE), (400, 600));
    let other = market(2, PLAIN, BUY, 4);
    assert_eq!(x.rejection(0, stop(105, other)), Reason::InsufficientFunds);
    assert_eq!(
        x.rejection(0, stop(100, worst)),
        Reason::DuplicateClientOrderId
    );
    wait(&mut x, 0, stop(100, other));
    assert_eq!(x.balance(0, QUOTE), (0, 1_000));
    x.amend(0, id, 7, 2);
    assert_eq!(x.balance(0, QUOTE), (360, 640));
    assert_eq!(
        only_rejection(&x.amend(0, id, 7, 6)),
        Reason::InsufficientFunds
    );
    x.engine.check_invariants().unwrap();
    // It arrives, has its 400 back, and pays what it takes.
    x.rest(1, limit(1, PLAIN, SELL, 100, 1));
    x.rest(1, limit(2, PLAIN, SELL, 101, 9));
    x.enter(1, limit(3, PLAIN, BUY, 100, 1));
    let (events, _) = x.finish_sweep();
    assert_eq!(arrived(&events), [2]);
    assert_eq!(x.balance(0, QUOTE), (1_000 - 240 - 404, 240));
    x.cancel(0, id);
    assert_eq!(x.balance(0, QUOTE), (596, 0));
}

#[test]
fn stops_end_as_others_do() {
    let mut x = Exchange::new();
    wait(&mut x, 0, until(500, stop(105, market(1, PLAIN, BUY, 1))));
    wait(&mut x, 0, until_close(stop(95, market(2, PLAIN, SELL, 1))));
    wait(&mut x, 0, stop(95, market(3, PLAIN, SELL, 1)));
    x.time = 499;
    let events = x.sequencer(timer(500));
    assert_eq!(canceled(&events), Some((Reason::Expired, 1)));
    let events = x.apply(
        Source::ADMINISTRATION,
        set_state(PLAIN, MarketState::Closed),
    );
    assert_eq!(canceled(&events), Some((Reason::MarketClose, 1)));
    let events = x.send(0, Command::MassCancel(MassCancel::OWN));
    assert_eq!(canceled(&events), Some((Reason::MassCancel, 1)));
    assert_eq!(x.balance(0, BASE), (START, 0));
}
