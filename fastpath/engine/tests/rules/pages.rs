//! Prices that lie far apart: orders rest in pages, which are there only where orders are.

use crate::exchange::*;
use domain::*;

const BUY: Side = Side::Buy;
const SELL: Side = Side::Sell;
/// As many prices as a market of this page has.
const WIDE: u32 = 1 << 26;
const HIGHEST: i64 = WIDE as i64;

/// A market of prices from 1 up, and so many pages.
fn of_pages(orders: u32, price_levels: u32, max_pages: u32) -> Exchange {
    let mut x = Exchange::blank();
    for command in [
        Command::Genesis(Genesis {
            max_orders: orders,
            max_levels: price_levels,
            max_pages,
            ..GENESIS
        }),
        asset(0),
        asset(1),
        Command::CreateMarket(CreateMarket {
            price_levels,
            ..plain_market()
        }),
        account(0),
        account(1),
        session(0, 0),
        session(1, 1),
    ] {
        assert_eq!(x.admin(command), Reason::None, "{command:?}");
    }
    for (account, asset) in [(0, BASE), (0, QUOTE), (1, BASE), (1, QUOTE)] {
        x.fund(account, asset, 1 << 60);
    }
    x
}

/// Applies without the walk over the whole state, which a large book would take too long for.
fn quickly(x: &mut Exchange, session: u32, command: Command) -> Vec<Event> {
    let source = Source::of_session(SessionId(session));
    let number = x.engine.last_number(source) + 1;
    x.seq += 1;
    x.time += 1;
    let request = Request {
        source,
        source_seq: number,
        receive_time: Nanos(0),
        command,
    };
    let stamp = Stamp {
        seq: Seq(x.seq),
        time: Nanos(x.time),
    };
    x.engine.apply(stamp, &request, &mut x.out);
    x.out.events().map(|event| event.unwrap()).collect()
}

#[test]
fn both_ends_of_a_wide_range_trade() {
    let mut x = of_pages(8, WIDE, 2);
    x.rest(0, limit(1, PLAIN, BUY, 1, 3));
    x.rest(1, limit(1, PLAIN, SELL, HIGHEST, 3));
    assert_eq!(x.engine.best_bid(PLAIN), Some(Price(1)));
    assert_eq!(x.engine.best_ask(PLAIN), Some(Price(HIGHEST)));
    let events = x.enter(1, immediate(limit(2, PLAIN, BUY, HIGHEST, 3)));
    assert_eq!(trades(&events).len(), 1);
    assert_eq!(x.engine.best_ask(PLAIN), None);
    let events = x.enter(1, limit(3, PLAIN, SELL, 1, 4));
    assert_eq!(trades(&events).len(), 1);
    // The rest of it stands in the page of the other side's lowest prices.
    assert_eq!(x.engine.best_ask(PLAIN), Some(Price(1)));
}

#[test]
fn a_market_that_gaps_takes_its_pages_with_it() {
    let mut x = of_pages(64, WIDE, 3);
    for (client, middle) in (1..).zip([HIGHEST / 2, HIGHEST / 4, 12_801, HIGHEST - 255]) {
        let asks = [64, 65, 127, 128].map(|over| middle + over);
        let mut orders = vec![(0, x.rest(0, limit(client, PLAIN, BUY, middle - 70, 1)))];
        for (number, ask) in (0..).zip(asks) {
            let order = limit(10 * client + number, PLAIN, SELL, ask, 1);
            orders.push((1, x.rest(1, order)));
        }
        let farther = limit(5, PLAIN, SELL, middle + 200, 1);
        assert_eq!(x.rejection(1, farther), Reason::LevelTableFull);
        let depth = x.engine.depth(PLAIN, SELL, 9);
        let prices: Vec<_> = depth.iter().map(|(price, _, _)| price.0).collect();
        assert_eq!(prices, asks);
        for (session, order) in orders {
            x.cancel(session, order);
        }
    }
}

/// What a simple model says of a million prices: each is taken once, the best is the last that is left.
#[test]
fn an_order_at_each_of_a_million_prices() {
    const PRICES: i64 = 1_000_000;
    const ORDERS: u32 = 1_000_000;
    let mut x = of_pages(ORDERS + 1, ORDERS, ORDERS.div_ceil(64));
    // Coprime to their number, so that every price comes once, far from the one before.
    let price = |number: i64| 1 + number * 611_953 % PRICES;
    for number in 0..PRICES {
        let client = u64::try_from(1 + number).unwrap();
        let order = limit(client, PLAIN, SELL, price(number), 1);
        let events = quickly(&mut x, 0, Command::NewOrder(order));
        assert!(matches!(events[..], [_, Event::BookAdd(_)]), "{events:?}");
    }
    assert_eq!(x.engine.live_orders(), ORDERS as usize);
    assert_eq!(x.engine.best_ask(PLAIN), Some(Price(1)));
    // Every third goes, wherever it is.
    for number in (0..PRICES).step_by(3) {
        let id = ClientOrderId(u64::try_from(1 + number).unwrap());
        let cancel = CancelOrder {
            order_id: OrderId::NONE,
            client_order_id: id,
            qty: Qty::ZERO,
        };
        quickly(&mut x, 0, Command::CancelOrder(cancel));
    }
    let mut left: Vec<i64> = (0..PRICES).filter(|n| n % 3 != 0).map(price).collect();
    left.sort_unstable();
    let mut client = 0;
    for sweep in left.chunks(MAX_FILLS) {
        client += 1;
        let order = immediate(limit(client, PLAIN, BUY, PRICES, sweep.len() as u64));
        let events = quickly(&mut x, 1, Command::NewOrder(order));
        let traded: Vec<_> = trades(&events).iter().map(|trade| trade.1).collect();
        assert_eq!(traded, sweep);
    }
    assert_eq!(x.engine.best_ask(PLAIN), None);
    x.engine.check_invariants().unwrap();
    // All pages are free again.
    for (client, price) in (1..).zip((1..=PRICES).step_by(64)) {
        quickly(
            &mut x,
            0,
            Command::NewOrder(limit(client, PLAIN, BUY, price, 1)),
        );
    }
    assert_eq!(x.engine.live_orders(), ORDERS.div_ceil(64) as usize);
}
