//! Trades: who trades with whom at which price, what is paid, who hears of it.

use crate::exchange::*;
use domain::*;

const BUY: Side = Side::Buy;
const SELL: Side = Side::Sell;

#[test]
fn a_trade_moves_funds_and_tells_feed_maker_and_taker_in_this_order() {
    let mut x = Exchange::new();
    let maker = x.rest(1, limit(7, FEES, SELL, 99, 10));
    let events = x.enter(0, limit(8, FEES, BUY, 101, 4));
    let taker = OrderId::first(1);
    let fill = |side, liquidity, session, report_no, order_id, client, leaves, fee| {
        Event::Fill(Fill {
            kind: EventKind::Fill,
            side,
            liquidity,
            pad: Zero::Zero,
            session: SessionId(session),
            report_no,
            order_id,
            client_order_id: ClientOrderId(client),
            trade_id: 1,
            price: Price(99),
            qty: Qty(4),
            leaves: Qty(leaves),
            fee: Amount(fee),
            market: FEES,
            is_rebate: Flag::No,
            pad2: [Zero::Zero; 3],
        })
    };
    // 99 * 4 * 10 = 3,960: fees of 3.96 and 7.92, rounded down.
    assert_eq!(
        events[1..],
        [
            Event::Trade(Trade {
                kind: EventKind::Trade,
                taker_side: BUY,
                pad: [Zero::Zero; 2],
                market: FEES,
                feed_no: 4,
                trade_id: 1,
                maker_order_id: maker,
                taker_order_id: taker,
                price: Price(99),
                qty: Qty(4),
                maker_leaves: Qty(6),
            }),
            fill(SELL, Liquidity::Maker, 1, 2, maker, 7, 6, 3),
            fill(BUY, Liquidity::Taker, 0, 2, taker, 8, 0, 7),
        ]
    );
    assert_eq!(x.balance(0, QUOTE), (START - 3_960 - 7, 0));
    assert_eq!(x.balance(0, BASE), (START + 400, 0));
    assert_eq!(x.balance(1, QUOTE), (START + 3_960 - 3, 0));
    assert_eq!(x.balance(1, BASE), (START - 1_000, 600));
    assert_eq!(x.fees(QUOTE), 10);
    assert_eq!(x.engine.depth(FEES, SELL, 9), [(Price(99), Qty(6), 1)]);
}

#[test]
fn a_resting_buy_pays_the_maker_fee_and_gets_back_what_was_held_for_more() {
    let mut x = Exchange::new();
    x.rest(0, limit(1, FEES, BUY, 100, 10));
    assert_eq!(x.balance(0, QUOTE), (START - 10_020, 10_020));
    x.enter(1, limit(1, FEES, SELL, 90, 3));
    // 3,000 and a fee of 3; 7,000 and 14 stay held.
    assert_eq!(x.balance(0, QUOTE), (START - 3_003 - 7_014, 7_014));
    assert_eq!(x.balance(1, QUOTE), (START + 3_000 - 6, 0));
    x.enter(1, limit(1, FEES, SELL, 100, 7));
    assert_eq!(x.balance(0, QUOTE), (START - 3_003 - 7_007, 0));
    assert_eq!(x.fees(QUOTE), 3 + 6 + 7 + 14);
}

#[test]
fn the_best_price_trades_first_and_within_a_price_the_oldest() {
    let mut x = Exchange::new();
    let a = x.rest(1, limit(1, PLAIN, SELL, 101, 5));
    let b = x.rest(2, limit(1, PLAIN, SELL, 100, 5));
    let c = x.rest(1, limit(2, PLAIN, SELL, 100, 5));
    x.rest(1, limit(3, PLAIN, SELL, 102, 5));
    let events = x.enter(0, limit(1, PLAIN, BUY, 101, 20));
    assert_eq!(trades(&events), [(b, 100, 5), (c, 100, 5), (a, 101, 5)]);
    assert_eq!(x.engine.best_bid(PLAIN), Some(Price(101)));
    assert_eq!(x.engine.best_ask(PLAIN), Some(Price(102)));
    assert_eq!(x.engine.depth(PLAIN, BUY, 9), [(Price(101), Qty(5), 1)]);
    let sells = x.enter(2, limit(9, PLAIN, SELL, 1, 5));
    assert_eq!(trades(&sells), [(OrderId::first(4), 101, 5)]);
}

#[test]
fn a_partly_filled_maker_keeps_its_place() {
    let mut x = Exchange::new();
    let a = x.rest(1, limit(1, PLAIN, SELL, 100, 5));
    let b = x.rest(1, limit(2, PLAIN, SELL, 100, 5));
    x.enter(0, limit(1, PLAIN, BUY, 100, 2));
    let events = x.enter(0, limit(1, PLAIN, BUY, 100, 4));
    assert_eq!(trades(&events), [(a, 100, 3), (b, 100, 1)]);
}

#[test]
fn a_filled_maker_leaves_the_engine() {
    let mut x = Exchange::new();
    let maker = x.rest(1, limit(1, PLAIN, SELL, 100, 5));
    let events = x.enter(0, limit(1, PLAIN, BUY, 100, 5));
    assert_eq!(events.len(), 4, "accepted, trade, two fills; nothing rests");
    assert_eq!(x.engine.live_orders(), 0);
    assert_eq!(only_rejection(&x.cancel(1, maker)), Reason::UnknownOrder);
    // The maker's slot went on the stack first, the taker's second.
    assert_eq!(x.rest(1, limit(1, PLAIN, SELL, 100, 5)).slot(), 1);
    assert_eq!(x.rest(1, limit(2, PLAIN, SELL, 100, 5)).slot(), 0);
}

#[test]
fn an_order_may_trade_with_its_own_session() {
    let mut x = Exchange::new();
    x.rest(1, limit(1, FEES, SELL, 100, 5));
    let events = x.enter(1, limit(2, FEES, BUY, 100, 5));
    let reports: Vec<_> = events
        .iter()
        .filter_map(Event::report)
        .map(|r| r.1)
        .collect();
    assert_eq!(reports, [2, 3, 4]);
    assert_eq!(x.balance(1, BASE), (START, 0));
    assert_eq!(x.balance(1, QUOTE), (START - 15, 0));
    assert_eq!(x.fees(QUOTE), 15);
}

#[test]
fn the_rest_of_an_immediate_order_is_cancelled_and_its_hold_returns() {
    let mut x = Exchange::new();
    x.rest(1, limit(1, FEES, SELL, 100, 5));
    let events = x.enter(0, immediate(limit(1, FEES, BUY, 120, 8)));
    assert_eq!(canceled(&events), Some((Reason::Unfilled, 3)));
    assert_eq!(x.balance(0, QUOTE), (START - 5_010, 0));
    let events = x.enter(0, immediate(limit(1, FEES, SELL, 50, 8)));
    assert_eq!(canceled(&events), Some((Reason::Unfilled, 8)));
    assert_eq!(x.balance(0, BASE), (START + 500, 0));
    assert_eq!(x.engine.live_orders(), 0);
}

#[test]
fn a_market_order_takes_any_price_and_never_rests() {
    let mut x = Exchange::new();
    x.rest(1, limit(1, FEES, SELL, 50, 2));
    x.rest(1, limit(2, FEES, SELL, 149, 2));
    let events = x.enter(0, market(1, FEES, BUY, 5));
    assert_eq!(trades(&events).len(), 2);
    assert_eq!(canceled(&events), Some((Reason::Unfilled, 1)));
    x.rest(1, limit(3, FEES, BUY, 50, 2));
    let events = x.enter(0, market(1, FEES, SELL, 5));
    assert_eq!(canceled(&events), Some((Reason::Unfilled, 3)));
    assert_eq!(x.balance(0, BASE), (START + 200, 0));
    assert_eq!(
        canceled(&x.enter(0, market(1, FEES, SELL, 5))),
        Some((Reason::Unfilled, 5))
    );
}

#[test]
fn a_market_buy_buys_what_it_can_pay() {
    for (funds, bought) in [
        (0, 0),
        (1_001, 0),
        (1_002, 1),
        (3_005, 2),
        (3_006, 3),
        (5_010, 5),
        (6_131, 5),
        (6_132, 6),
    ] {
        let mut x = Exchange::unfunded(GENESIS);
        x.fund(1, BASE, START);
        // 1,000 a lot and 0.2 % of the notional, then 1,120 a lot.
        x.rest(1, limit(1, FEES, SELL, 100, 5));
        x.rest(1, limit(2, FEES, SELL, 112, 5));
        if funds > 0 {
            x.fund(0, QUOTE, funds);
        }
        let events = x.enter(0, market(1, FEES, BUY, 20));
        assert_eq!(x.balance(0, BASE), (bought * 100, 0), "with {funds}");
        assert_eq!(
            canceled(&events),
            Some((Reason::FundsExhausted, 20 - bought))
        );
    }
}

#[test]
fn funds_that_end_with_the_book_leave_the_rest_unfilled() {
    let mut x = Exchange::unfunded(GENESIS);
    x.fund(1, BASE, START);
    x.fund(0, QUOTE, 5_010);
    x.rest(1, limit(1, FEES, SELL, 100, 5));
    let events = x.enter(0, market(1, FEES, BUY, 20));
    assert_eq!(canceled(&events), Some((Reason::Unfilled, 15)));
}

#[test]
fn the_largest_amounts_trade_without_overflow() {
    let mut x = Exchange::unfunded(GENESIS);
    x.fund(0, QUOTE, u64::MAX);
    x.fund(1, BASE, u64::MAX);
    x.rest(1, limit(1, PLAIN, SELL, 1, u64::MAX));
    assert_eq!(
        x.engine.depth(PLAIN, SELL, 1),
        [(Price(1), Qty(u64::MAX), 1)]
    );
    let events = x.enter(0, market(1, PLAIN, BUY, u64::MAX));
    assert_eq!(trades(&events), [(OrderId::first(0), 1, u64::MAX)]);
    assert_eq!(x.balance(0, BASE), (u64::MAX, 0));
    assert_eq!(x.balance(1, QUOTE), (u64::MAX, 0));
}

#[test]
fn a_buy_holds_the_higher_fee_whichever_it_is() {
    let mut x = Exchange::new();
    let dear_to_make = with(plain_market(), |terms| {
        terms.market = MarketId(2);
        terms.price_levels = 10;
        terms.maker_fee_ppm = 100_000;
        terms.taker_fee_ppm = 50_000;
    });
    assert_eq!(x.admin(Command::CreateMarket(dear_to_make)), Reason::None);
    x.rest(0, limit(1, MarketId(2), BUY, 10, 100));
    assert_eq!(x.balance(0, QUOTE), (START - 1_100, 1_100));
    x.enter(1, limit(1, MarketId(2), SELL, 10, 50));
    assert_eq!(x.balance(0, QUOTE), (START - 1_100, 550));
    x.enter(1, limit(2, MarketId(2), SELL, 10, 50));
    assert_eq!(x.balance(0, QUOTE), (START - 1_100, 0));
    // As taker the buyer pays less than was held.
    x.rest(1, limit(3, MarketId(2), SELL, 10, 100));
    x.enter(0, limit(2, MarketId(2), BUY, 10, 100));
    assert_eq!(x.balance(0, QUOTE), (START - 1_100 - 1_050, 0));
}

#[test]
fn a_fee_of_the_whole_notional_leaves_the_seller_nothing() {
    let mut x = Exchange::unfunded(GENESIS);
    let greedy = CreateMarket {
        market: MarketId(2),
        price_levels: 10,
        maker_fee_ppm: 1_000_000,
        taker_fee_ppm: 1_000_000,
        ..plain_market()
    };
    assert_eq!(x.admin(Command::CreateMarket(greedy)), Reason::None);
    x.fund(0, QUOTE, 100);
    x.fund(1, BASE, 10);
    x.rest(1, limit(1, MarketId(2), SELL, 5, 10));
    x.enter(0, market(1, MarketId(2), BUY, 20));
    assert_eq!((x.balance(0, QUOTE), x.balance(0, BASE)), ((0, 0), (10, 0)));
    assert_eq!((x.balance(1, QUOTE), x.fees(QUOTE)), ((0, 0), 100));
}
