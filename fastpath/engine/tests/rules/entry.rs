//! New orders: every check, and that the first failed one decides.

use crate::exchange::*;
use domain::*;

const BUY: Side = Side::Buy;
const SELL: Side = Side::Sell;

#[test]
fn an_accepted_order_rests_with_its_hold() {
    let mut x = Exchange::new();
    let order = limit(9, FEES, BUY, 100, 5);
    let events = x.enter(1, order);
    let id = OrderId::first(0);
    assert_eq!(
        events,
        [
            Event::Accepted(Accepted {
                kind: EventKind::Accepted,
                side: BUY,
                order_type: OrderType::Limit,
                time_in_force: TimeInForce::GoodTillCancel,
                session: SessionId(1),
                report_no: 1,
                order_id: id,
                client_order_id: ClientOrderId(9),
                price: Price(100),
                qty: Qty(5),
                expires: Nanos(0),
                display_qty: Qty(0),
                trigger_price: Price(0),
                market: FEES,
                post_only: PostOnly::No,
                self_trade: SelfTrade::Allow,
                self_trade_scope: SelfTradeScope::Account,
                quote: Flag::No,
            }),
            Event::BookAdd(BookAdd {
                kind: EventKind::BookAdd,
                side: BUY,
                pad: [Zero::Zero; 2],
                market: FEES,
                feed_no: 3,
                order_id: id,
                price: Price(100),
                qty: Qty(5),
            }),
        ]
    );
    // 100 ticks * 5 lots * 10, and 0.2 % of it: the higher of the two fees.
    assert_eq!(x.balance(1, QUOTE), (START - 5_010, 5_010));
    x.rest(1, limit(10, FEES, SELL, 101, 7));
    assert_eq!(x.balance(1, BASE), (START - 700, 700));
    assert_eq!(x.engine.best_bid(FEES), Some(Price(100)));
    assert_eq!(x.engine.best_ask(FEES), Some(Price(101)));
    assert_eq!(x.engine.order_id(SessionId(1), ClientOrderId(9)), Some(id));
}

fn refused<const N: usize>(reason: Reason, orders: [NewOrder; N]) {
    let mut x = Exchange::new();
    for order in orders {
        assert_eq!(x.rejection(0, order), reason, "{order:?}");
    }
}

#[test]
fn an_order_names_a_market_and_itself() {
    let good = limit(1, FEES, BUY, 100, 5);
    let unknown = [2, 3, u32::MAX].map(|id| with(good, |order| order.market = MarketId(id)));
    refused(Reason::UnknownMarket, unknown);
    refused(
        Reason::InvalidClientOrderId,
        [limit(0, FEES, BUY, 100, 5), market(0, FEES, SELL, 5)],
    );
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let good = limit(1, FEES, BUY, 100, 5);
    let market_buy = market(1, FEES, BUY, 5);
    let stays = TimeInForce::GoodTillCancel;
    refused(
        Reason::InvalidCombination,
        [
            with(market_buy, |order| order.time_in_force = stays),
            post_only(market_buy),
            post_only(fill_or_kill(market_buy)),
            post_only(immediate(good)),
            post_only(fill_or_kill(good)),
        ],
    );
}

#[test]
fn prices_are_in_range_and_market_orders_need_none() {
    let prices = [i64::MIN, -1, 0, 49, 150, i64::MAX];
    let outside = prices.map(|price| limit(1, FEES, BUY, price, 5));
    refused(Reason::PriceOutOfRange, outside);
    let priced = [i64::MIN, -1, 49, 150, i64::MAX]
        .map(|price| with(market(1, FEES, BUY, 5), |order| order.price = Price(price)));
    refused(Reason::InvalidPrice, priced);
}

#[test]
fn quantities_are_large_enough_and_can_be_counted() {
    refused(Reason::InvalidQuantity, [limit(1, FEES, BUY, 100, 0)]);
    refused(Reason::QuantityBelowMinimum, [limit(1, FEES, BUY, 100, 1)]);
    // 1,000 quote a lot at price 100 and 0.2 % of fee; a sell is bound by the same notional.
    let most = u64::MAX / 1_002;
    refused(
        Reason::NotionalTooLarge,
        [
            limit(1, FEES, BUY, 100, u64::MAX),
            limit(1, FEES, BUY, 100, most + 1),
            limit(1, FEES, SELL, 100, most + 1),
            market(1, FEES, BUY, u64::MAX / 100 + 1),
            market(1, FEES, SELL, u64::MAX / 100 + 1),
        ],
    );
    refused(
        Reason::InsufficientFunds,
        [
            limit(1, FEES, BUY, 100, most),
            limit(1, FEES, SELL, 100, most),
            market(1, FEES, SELL, u64::MAX / 100),
        ],
    );
    // One base unit a tick and a lot of 2^62 base units: here the base is what cannot be counted.
    let mut x = Exchange::new();
    let huge_lots = with(plain_market(), |terms| {
        terms.market = MarketId(2);
        terms.price_levels = 10;
        terms.lot_size = 1 << 62;
    });
    assert_eq!(x.admin(Command::CreateMarket(huge_lots)), Reason::None);
    let order = limit(1, MarketId(2), BUY, 1, 4);
    assert_eq!(x.rejection(0, order), Reason::NotionalTooLarge);
    x.rest(0, limit(1, MarketId(2), BUY, 1, 3));
}

#[test]
fn the_edges_of_the_price_range_and_the_minimum_are_inside() {
    let mut x = Exchange::new();
    x.rest(0, limit(1, FEES, BUY, 50, 2));
    x.rest(0, limit(2, FEES, SELL, 149, 2));
    assert_eq!(x.engine.best_bid(FEES), Some(Price(50)));
    assert_eq!(x.engine.best_ask(FEES), Some(Price(149)));
}

#[test]
fn client_order_ids_are_unique_among_the_live_orders_of_a_session() {
    let mut x = Exchange::new();
    let id = x.rest(0, limit(1, FEES, BUY, 100, 5));
    assert_eq!(
        x.rejection(0, limit(1, PLAIN, SELL, 100, 5)),
        Reason::DuplicateClientOrderId
    );
    x.rest(1, limit(1, FEES, BUY, 100, 5));
    x.rest(2, limit(1, FEES, BUY, 100, 5));
    x.cancel(0, id);
    x.rest(0, limit(1, FEES, BUY, 100, 5));
}

#[test]
fn a_full_order_table_refuses_until_a_slot_is_given_back() {
    let mut x = Exchange::unfunded(Genesis {
        max_orders: 2,
        ..GENESIS
    });
    x.fund(0, BASE, START);
    let first = x.rest(0, limit(1, PLAIN, SELL, 100, 5));
    x.rest(0, limit(2, PLAIN, SELL, 100, 5));
    assert_eq!(
        x.rejection(0, limit(3, PLAIN, SELL, 100, 5)),
        Reason::OrderTableFull
    );
    // Duplicate comes before full, and full before post-only, fill-or-kill and funds.
    assert_eq!(
        x.rejection(0, limit(2, PLAIN, SELL, 100, 5)),
        Reason::DuplicateClientOrderId
    );
    assert_eq!(
        x.rejection(0, post_only(limit(3, PLAIN, BUY, 100, 5))),
        Reason::OrderTableFull
    );
    x.cancel(0, first);
    assert_eq!(
        Some(x.rest(0, limit(3, PLAIN, SELL, 100, 5))),
        first.successor()
    );
}

#[test]
fn the_first_failed_check_decides() {
    let mut x = Exchange::new();
    x.rest(1, limit(1, PLAIN, SELL, 100, 5));
    let unaffordable = limit(1, PLAIN, BUY, 100, START);
    assert_eq!(x.rejection(0, post_only(unaffordable)), Reason::WouldTrade);
    assert_eq!(
        x.rejection(0, fill_or_kill(unaffordable)),
        Reason::InsufficientFunds
    );
    assert_eq!(
        x.rejection(0, fill_or_kill(limit(1, PLAIN, BUY, 100, 6))),
        Reason::CannotFill
    );
    assert_eq!(x.rejection(0, unaffordable), Reason::InsufficientFunds);
    let bad = NewOrder {
        price: Price(0),
        qty: Qty(0),
        ..unaffordable
    };
    assert_eq!(x.rejection(0, bad), Reason::PriceOutOfRange);
    let bad = NewOrder {
        client_order_id: ClientOrderId(0),
        ..post_only(immediate(bad))
    };
    assert_eq!(x.rejection(0, bad), Reason::InvalidClientOrderId);
    let bad = NewOrder {
        market: MarketId(9),
        ..bad
    };
    assert_eq!(x.rejection(0, bad), Reason::UnknownMarket);
}

#[test]
fn post_only_is_refused_exactly_when_it_would_trade() {
    let mut x = Exchange::new();
    x.rest(1, limit(1, PLAIN, SELL, 100, 5));
    x.rest(1, limit(2, PLAIN, BUY, 98, 5));
    assert_eq!(
        x.rejection(0, post_only(limit(1, PLAIN, BUY, 100, 1))),
        Reason::WouldTrade
    );
    assert_eq!(
        x.rejection(0, post_only(limit(1, PLAIN, SELL, 98, 1))),
        Reason::WouldTrade
    );
    x.rest(0, post_only(limit(1, PLAIN, BUY, 99, 1)));
    x.rest(0, post_only(limit(2, PLAIN, SELL, 101, 1)));
}

#[test]
fn fill_or_kill_fills_all_or_nothing() {
    let mut x = Exchange::new();
    x.rest(1, limit(1, PLAIN, SELL, 100, 5));
    x.rest(1, limit(2, PLAIN, SELL, 101, 5));
    x.rest(1, limit(3, PLAIN, SELL, 103, 5));
    let buy = |price, qty| fill_or_kill(limit(1, PLAIN, BUY, price, qty));
    assert_eq!(x.rejection(0, buy(102, 11)), Reason::CannotFill);
    assert_eq!(x.rejection(0, buy(99, 1)), Reason::CannotFill);
    assert_eq!(
        x.rejection(0, fill_or_kill(market(1, PLAIN, BUY, 16))),
        Reason::CannotFill
    );
    let events = x.enter(0, buy(102, 10));
    assert_eq!(trades(&events).iter().map(|t| t.2).sum::<u64>(), 10);
    assert_eq!(canceled(&events), None);
    assert_eq!(
        trades(&x.enter(0, fill_or_kill(market(1, PLAIN, BUY, 5)))).len(),
        1
    );
}

#[test]
fn funds_must_cover_the_hold_exactly() {
    let mut x = Exchange::unfunded(GENESIS);
    // 100 * 5 * 10 = 5,000, and a taker fee of 10.
    x.fund(0, QUOTE, 5_009);
    x.fund(0, BASE, 499);
    assert_eq!(
        x.rejection(0, limit(1, FEES, BUY, 100, 5)),
        Reason::InsufficientFunds
    );
    assert_eq!(
        x.rejection(0, limit(1, FEES, SELL, 100, 5)),
        Reason::InsufficientFunds
    );
    assert_eq!(
        x.rejection(0, market(1, FEES, SELL, 5)),
        Reason::InsufficientFunds
    );
    x.fund(0, QUOTE, 1);
    x.fund(0, BASE, 1);
    x.rest(0, limit(1, FEES, BUY, 100, 5));
    x.rest(0, limit(2, FEES, SELL, 101, 5));
    assert_eq!(
        (x.balance(0, QUOTE), x.balance(0, BASE)),
        ((0, 5_010), (0, 500))
    );
}

#[test]
fn a_market_fill_or_kill_buy_must_be_covered_in_full() {
    let mut x = Exchange::unfunded(GENESIS);
    x.fund(1, BASE, START);
    x.rest(1, limit(1, FEES, SELL, 100, 5));
    x.rest(1, limit(2, FEES, SELL, 110, 5));
    let order = fill_or_kill(market(1, FEES, BUY, 8));
    // 100 * 5 * 10 + 110 * 3 * 10 = 8,300; the fee on the sum is 16, that of the parts 10 + 6.
    x.fund(0, QUOTE, 8_315);
    assert_eq!(x.rejection(0, order), Reason::InsufficientFunds);
    x.fund(0, QUOTE, 1);
    assert_eq!(trades(&x.enter(0, order)).len(), 2);
    assert_eq!(x.balance(0, QUOTE), (0, 0));
    assert_eq!(x.balance(0, BASE), (800, 0));
}

#[test]
fn in_cancel_only_every_new_order_is_refused_for_that() {
    let mut x = Exchange::new();
    x.sequencer(Command::Recovered(Recovered {
        epoch: 1,
        pad: [Zero::Zero; 4],
        grace: Nanos(1_000),
    }));
    let bad = limit(0, MarketId(99), BUY, 0, 0);
    assert_eq!(x.rejection(0, bad), Reason::CancelOnly);
}
