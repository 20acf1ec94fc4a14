//! What orders can ask for, and what operators can change, as the tables have it.

use crate::exchange::Exchange;
use crate::{limit, of_small};
use domain::{
    AccountId, AmendOrder, Amount, ClientOrderId, Command, Event, Flag, MarketId, MarketState,
    MassCancel, Nanos, NewOrder, OrderId, OrderType, PostOnly, Price, Qty, Quote, Reason,
    SelfTrade, SelfTradeScope, SessionId, SetProtection, Side, Source, TimeInForce, Timer,
};
use store::{OrderFilter, OrderStatus, Outcome, Store};

fn exchange() -> Exchange {
    Exchange::with_traders(100_000, 64)
}

async fn first_order(store: &Store, account: u32) -> store::Order {
    let all = OrderFilter::default();
    let orders = store.orders(AccountId(account), all, None, 10).await;
    orders.unwrap().value.remove(0)
}

#[test]
fn an_order_has_what_it_asked_for() {
    let mut exchange = exchange();
    exchange.order(0, limit(1, Side::Sell, 100, 5));
    let sliding = NewOrder {
        post_only: PostOnly::Slide,
        self_trade: SelfTrade::CancelBoth,
        self_trade_scope: SelfTradeScope::Firm,
        ..limit(1, Side::Buy, 105, 4)
    };
    exchange.order(1, sliding);
    let protected = NewOrder {
        order_type: OrderType::Market,
        time_in_force: TimeInForce::ImmediateOrCancel,
        min_qty: Qty(2),
        ..limit(1, Side::Buy, 102, 3)
    };
    exchange.order(2, protected);
    of_small(&exchange, async |store| {
        let order = first_order(store, 1).await;
        let own = (order.post_only, order.self_trade, order.self_trade_scope);
        let asked = (PostOnly::Slide, SelfTrade::CancelBoth, SelfTradeScope::Firm);
        assert_eq!((own, order.price), (asked, Price(99)), "where it slid");
        let order = first_order(store, 2).await;
        assert_eq!(
            (order.min_qty, order.price, order.filled),
            (Qty(2), Price(102), Qty(3))
        );
    });
}

#[test]
fn a_rebate_is_no_fee() {
    let mut exchange = exchange();
    exchange.set_fees(1);
    exchange.order(0, limit(1, Side::Sell, 1_000, 5));
    exchange.order(1, limit(1, Side::Buy, 1_000, 5));
    exchange.collect_fees(3, 70);
    of_small(&exchange, async |store| {
        let market = MarketId(0);
        let trades = store.trades_of_market(market, None, 10).await.unwrap();
        let [trade] = &trades.value[..] else {
            panic!("one trade")
        };
        // 5,000 at 2 % and at -0.4 %.
        assert_eq!(
            (trade.taker_fee, trade.maker_fee, trade.maker_is_rebate),
            (Amount(100), Amount(20), Flag::Yes)
        );
        let has = async |account| {
            let balances = store.balances(AccountId(account)).await.unwrap().value;
            balances[1].available
        };
        assert_eq!(has(0).await, Amount(100_000 + 5_000 + 20));
        assert_eq!(has(3).await, Amount(100_000 + 70), "the fee account");
    });
}

#[test]
fn trades_with_oneself_that_did_not_happen_are_kept() {
    let mut exchange = exchange();
    exchange.order(0, limit(1, Side::Sell, 100, 2));
    exchange.order(0, limit(2, Side::Sell, 101, 9));
    let decrementing = NewOrder {
        self_trade: SelfTrade::DecrementAndCancel,
        ..limit(3, Side::Buy, 101, 5)
    };
    exchange.order(0, decrementing);
    exchange.order(0, limit(4, Side::Buy, 90, 7));
    let newest = NewOrder {
        self_trade: SelfTrade::CancelNewest,
        ..limit(5, Side::Sell, 90, 7)
    };
    exchange.order(0, newest);
    of_small(&exchange, async |store| {
        let found = store
            .self_trades(AccountId(0), None, 2)
            .await
            .unwrap()
            .value;
        let seen: Vec<_> = found
            .iter()
            .map(|met| (met.self_trade, met.price.0, met.qty.0))
            .collect();
        let modes = (SelfTrade::CancelNewest, SelfTrade::DecrementAndCancel);
        assert_eq!(seen, [(modes.0, 90, 7), (modes.1, 101, 3)]);
        let last = &found[1];
        assert_eq!(last.maker_order, OrderId::first(1));
        let behind = Some((last.seq, last.report_no));
        let rest = store.self_trades(AccountId(0), behind, 2).await.unwrap();
        assert_eq!(rest.value.len(), 1);
        assert_eq!(
            (rest.value[0].price, rest.value[0].qty),
            (Price(100), Qty(2))
        );

        let all = OrderFilter::default();
        let orders = store.orders(AccountId(0), all, None, 10).await.unwrap();
        let sizes: Vec<_> = orders
            .value
            .iter()
            .rev()
            .map(|order| (order.qty.0, order.leaves.0, order.reason))
            .collect();
        // The decrementing one became smaller by 2, and then ended; the second became smaller by 3.
        let (ended, none) = (Reason::SelfTrade, Reason::None);
        assert_eq!(
            sizes,
            [
                (2, 0, ended),
                (6, 6, none),
                (3, 0, ended),
                (7, 7, none),
                (7, 0, ended)
            ]
        );
    });
}

#[test]
fn a_replaced_client_order_id_still_finds_its_order() {
    let mut exchange = exchange();
    exchange.order(0, limit(1, Side::Sell, 100, 5));
    for (old, new) in [(1, 2), (2, 3)] {
        let command = AmendOrder {
            order_id: OrderId::NONE,
            client_order_id: ClientOrderId(old),
            price: Price(100),
            qty: Qty(5),
            new_client_order_id: ClientOrderId(new),
        };
        let source = Source::of_session(SessionId(0));
        exchange.apply(source, Command::AmendOrder(command));
    }
    of_small(&exchange, async |store| {
        for id in [1, 2, 3] {
            let owner = (AccountId(0), SessionId(0));
            let found = store.outcome(owner, ClientOrderId(id)).await.unwrap();
            let Some(Outcome::Accepted(order)) = found.value else {
                panic!("{id} is accepted: {found:?}")
            };
            assert_eq!(
                (order.order_id, order.client_order_id),
                (OrderId::first(0), ClientOrderId(3))
            );
        }
    });
}

#[test]
fn a_mass_cancel_ends_orders_and_is_reported() {
    let mut exchange = exchange();
    for id in 1..=3 {
        exchange.order(0, limit(id, Side::Sell, 100, 5));
    }
    let command = MassCancel {
        request: 77,
        ..MassCancel::OWN
    };
    exchange.apply(
        Source::of_session(SessionId(0)),
        Command::MassCancel(command),
    );
    of_small(&exchange, async |store| {
        let order = first_order(store, 0).await;
        assert_eq!(
            (order.status, order.reason),
            (OrderStatus::Canceled, Reason::MassCancel)
        );
        let reports = store.reports(SessionId(0), 7, 10).await.unwrap().value;
        let [report] = &reports[..] else {
            panic!("three accepted, three cancelled, one more")
        };
        assert!(
            matches!(&report.event, Event::MassCanceled(event) if (event.request, event.count) == (77, 3)),
            "{report:?}"
        );
    });
}

#[test]
fn states_and_auctions_of_a_market_are_kept() {
    let mut exchange = exchange();
    exchange.set_state(0, MarketState::PreOpen);
    exchange.order(0, limit(1, Side::Sell, 100, 5));
    exchange.order(1, limit(1, Side::Buy, 104, 3));
    exchange.order(2, limit(1, Side::Buy, 103, 4));
    exchange.set_state(0, MarketState::Continuous);
    of_small(&exchange, async |store| {
        let market = MarketId(0);
        let states = store.market_states(market, None, 10).await.unwrap().value;
        let seen: Vec<_> = states.iter().map(|row| row.state).collect();
        let (open, before) = (MarketState::Continuous, MarketState::PreOpen);
        assert_eq!(seen, [open, before, open]);
        let older = store.market_states(market, Some(states[1].seq), 10).await;
        assert_eq!(older.unwrap().value, states[2..]);

        let auctions = store.auctions(market, None, 10).await.unwrap().value;
        let [auction] = &auctions[..] else {
            panic!("one auction")
        };
        assert_eq!((auction.qty, auction.seq), (Qty(5), states[0].seq));
        let trades = store.trades_of_market(market, None, 10).await.unwrap();
        let seen: Vec<_> = trades
            .value
            .iter()
            .map(|trade| (trade.price, trade.qty, trade.maker_account.0))
            .collect();
        assert_eq!(
            seen,
            [(auction.price, Qty(2), 0), (auction.price, Qty(3), 0)]
        );
        let rest = first_order(store, 2).await;
        assert_eq!((rest.filled, rest.leaves), (Qty(2), Qty(2)));
        assert_eq!(rest.status, OrderStatus::PartiallyFilled);
        let done = first_order(store, 1).await;
        assert_eq!(done.status, OrderStatus::Filled);
    });
}

#[test]
fn a_stop_waits_until_it_arrives_and_is_open_all_the_while() {
    let mut exchange = exchange();
    exchange.order(0, limit(1, Side::Sell, 100, 5));
    let stop = |order_type, price| NewOrder {
        order_type,
        trigger_price: Price(100),
        ..limit(1, Side::Buy, price, 2)
    };
    exchange.order(1, stop(OrderType::Stop, 120));
    exchange.order(2, stop(OrderType::StopLimit, 99));
    let command = AmendOrder {
        order_id: OrderId::NONE,
        client_order_id: ClientOrderId(1),
        price: Price(0),
        qty: Qty(3),
        new_client_order_id: ClientOrderId(0),
    };
    let source = Source::of_session(SessionId(1));
    exchange.apply(source, Command::AmendOrder(command));
    let seen = async |store: &Store, account| {
        let open = OrderFilter {
            open_only: true,
            ..OrderFilter::default()
        };
        let orders = store.orders(AccountId(account), open, None, 10).await;
        let orders = orders.unwrap().value;
        let of = |order: &store::Order| (order.status, order.price.0, order.trigger_price.0);
        orders.iter().map(of).collect::<Vec<_>>()
    };
    of_small(&exchange, async |store| {
        let waiting = OrderStatus::Waiting;
        assert_eq!(seen(store, 1).await, [(waiting, 120, 100)], "its worst");
        assert_eq!(seen(store, 2).await, [(waiting, 99, 100)]);
        let only = OrderFilter {
            status: Some(waiting),
            ..OrderFilter::default()
        };
        let found = store.orders(AccountId(1), only, None, 10).await.unwrap();
        assert_eq!(found.value[0].qty, Qty(3));
    });
    exchange.order(3, limit(1, Side::Buy, 100, 1));
    of_small(&exchange, async |store| {
        assert_eq!(seen(store, 1).await, []);
        let order = first_order(store, 1).await;
        assert_eq!((order.status, order.filled), (OrderStatus::Filled, Qty(3)));
        assert_eq!(order.notional, 300);
        assert_eq!(seen(store, 2).await, [(OrderStatus::New, 99, 100)]);
    });
}

#[test]
fn an_order_has_its_end_and_what_is_shown_of_it() {
    let mut exchange = exchange();
    let ends = Nanos(exchange.now.0 + 5);
    let good_till_time = NewOrder {
        time_in_force: TimeInForce::GoodTillTime,
        expires: ends,
        ..limit(1, Side::Sell, 100, 5)
    };
    exchange.order(0, good_till_time);
    let iceberg = NewOrder {
        time_in_force: TimeInForce::GoodTillClose,
        display_qty: Qty(2),
        ..limit(1, Side::Sell, 101, 7)
    };
    exchange.order(1, iceberg);
    exchange.order(2, limit(1, Side::Buy, 101, 8));
    exchange.order(
        0,
        NewOrder {
            client_order_id: ClientOrderId(2),
            ..good_till_time
        },
    );
    of_small(&exchange, async |store| {
        let order = first_order(store, 0).await;
        assert_eq!((order.expires, order.leaves), (ends, Qty(5)));
        let order = first_order(store, 1).await;
        assert_eq!((order.display_qty, order.leaves), (Qty(2), Qty(4)));
        let trades = store.trades_of_market(MarketId(0), None, 10).await.unwrap();
        let lots: Vec<_> = trades.value.iter().map(|trade| trade.qty.0).collect();
        assert_eq!(lots, [1, 2, 5], "no more at a time than are shown");
    });
    exchange.now = ends;
    let timer = Timer { deadline: ends };
    exchange.apply(Source::SEQUENCER, Command::Timer(timer));
    exchange.set_state(0, MarketState::Closed);
    of_small(&exchange, async |store| {
        for (account, reason) in [(0, Reason::Expired), (1, Reason::MarketClose)] {
            let order = first_order(store, account).await;
            assert_eq!(
                (order.status, order.reason),
                (OrderStatus::Canceled, reason)
            );
        }
    });
}

/// All private events of a session.
async fn reports(store: &Store, session: u32) -> Vec<Event> {
    let reports = store.reports(SessionId(session), 1, 100).await;
    let reports = reports.unwrap().value.into_iter();
    reports.map(|report| report.event).collect()
}

/// A session quotes under a protection of two lots, then at another price, then so that it is refused.
fn quoting() -> Exchange {
    let mut exchange = exchange();
    let protection = SetProtection {
        request: 5,
        window: 1_000,
        max_qty: Qty(2),
        ..SetProtection::OFF
    };
    exchange.apply(
        Source::of_session(SessionId(0)),
        Command::SetProtection(protection),
    );
    for (id, ask_price) in [(7, 101), (8, 102), (9, 99)] {
        let quote = Quote {
            quote_id: ClientOrderId(id),
            bid_price: Price(99),
            bid_qty: Qty(3),
            ask_price: Price(ask_price),
            ask_qty: Qty(4),
            ..Quote::PULL
        };
        exchange.quotes(0, quote);
    }
    exchange
}

#[test]
fn a_side_of_a_quote_is_an_order_that_no_client_order_id_finds() {
    of_small(&quoting(), async |store| {
        let all = store.orders(AccountId(0), OrderFilter::default(), None, 10);
        let told = |order: &store::Order| {
            let quote = (order.quote, order.client_order_id.0);
            let open = (order.price.0, order.leaves.0, order.status);
            (order.side, quote, open)
        };
        let mut sides: Vec<_> = all.await.unwrap().value.iter().map(told).collect();
        sides.sort_by_key(|(.., open)| open.0);
        let (by, new) = ((Flag::Yes, 8), OrderStatus::New);
        let bid = (Side::Buy, by, (99, 3, new));
        assert_eq!(sides, [bid, (Side::Sell, by, (102, 4, new))]);
        for id in [5, 7, 8, 9] {
            let owner = (AccountId(0), SessionId(0));
            let outcome = store.outcome(owner, ClientOrderId(id)).await.unwrap();
            assert_eq!(outcome.value, None, "{id}");
        }
    });
}

#[test]
fn quotes_end_when_their_protection_is_reached() {
    let mut exchange = quoting();
    exchange.order(1, limit(1, Side::Sell, 99, 2));
    of_small(&exchange, async |store| {
        let all = store.orders(AccountId(0), OrderFilter::default(), None, 10);
        for order in all.await.unwrap().value {
            let filled = if order.side == Side::Buy { 2 } else { 0 };
            let ended = (order.status, order.reason, order.filled);
            let expected = (OrderStatus::Canceled, Reason::Protection, Qty(filled));
            assert_eq!(ended, expected, "{:?}", order.side);
        }
        let reports = reports(store, 0).await;
        let set = |event: &Event| matches!(event, Event::ProtectionSet(e) if e.request == 5);
        let reached =
            |event: &Event| matches!(event, Event::ProtectionReached(e) if e.qty == Qty(2));
        assert!(reports.iter().any(set) && reports.iter().any(reached));
    });
}
