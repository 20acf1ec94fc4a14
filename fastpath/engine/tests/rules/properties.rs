//! Random histories with any field values: no panic on what is admitted, all invariants hold, and
//! what the feed says is what the book shows.

use crate::exchange::*;
use domain::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Mostly sensible values, sometimes any.
fn often<T: std::fmt::Debug + Clone + 'static>(
    sensible: impl Strategy<Value = T> + 'static,
    any: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = T> {
    prop_oneof![30 => sensible, 1 => any]
}

/// Options that most orders do not have.
fn options() -> impl Strategy<Value = NewOrder> {
    const MODES: [SelfTrade; 6] = [
        SelfTrade::Allow,
        SelfTrade::CancelNewest,
        SelfTrade::CancelOldest,
        SelfTrade::CancelBoth,
        SelfTrade::DecrementAndCancel,
        SelfTrade::Abort,
    ];
    const SCOPES: [SelfTradeScope; 2] = [SelfTradeScope::Account, SelfTradeScope::Firm];
    (
        prop::sample::select(&MODES[..]),
        prop::sample::select(&SCOPES[..]),
        prop_oneof![4 => Just(0), 1 => 0..25_u64],
        prop_oneof![3 => Just(0), 1 => 95..106_i64],
    )
        .prop_map(|(self_trade, self_trade_scope, least, worst)| NewOrder {
            self_trade,
            self_trade_scope,
            min_qty: Qty(least),
            price: Price(worst),
            ..NewOrder::PLAIN
        })
}

fn new_order() -> impl Strategy<Value = Command> {
    (
        often(1..12_u64, any::<u64>()),
        often(95..106_i64, any::<i64>()),
        often(1..20_u64, any::<u64>()),
        often(0..2_u32, any::<u32>()),
        any::<bool>(),
        0..21_u8,
        options(),
        (
            often(1..400_u64, any::<u64>()),
            often(95..106_i64, any::<i64>()),
        ),
    )
        .prop_map(
            |(client, price, qty, place, buys, kind, options, (end, trigger))| {
                let side = if buys { Side::Buy } else { Side::Sell };
                let with_options = |order| NewOrder {
                    self_trade: options.self_trade,
                    self_trade_scope: options.self_trade_scope,
                    min_qty: options.min_qty,
                    ..order
                };
                let order = with_options(limit(client, MarketId(place), side, price, qty));
                let market = with_options(NewOrder {
                    price: options.price,
                    ..market(client, MarketId(place), side, qty)
                });
                Command::NewOrder(match kind {
                    0 => immediate(order),
                    1 => fill_or_kill(order),
                    2 => post_only(order),
                    3 => market,
                    4 => fill_or_kill(market),
                    5 => post_only(market),
                    6 => NewOrder {
                        post_only: PostOnly::Slide,
                        min_qty: Qty::ZERO,
                        ..order
                    },
                    7 => until(end, order),
                    8 => until_close(order),
                    9 | 10 => showing(qty.div_ceil(3), order),
                    11 => until(end, showing(2, order)),
                    12 => stop(
                        trigger,
                        NewOrder {
                            min_qty: Qty(0),
                            ..market
                        },
                    ),
                    13 => stop_limit(
                        trigger,
                        NewOrder {
                            min_qty: Qty(0),
                            ..order
                        },
                    ),
                    14 => until_close(stop(
                        trigger,
                        NewOrder {
                            min_qty: Qty(0),
                            ..market
                        },
                    )),
                    _ => order,
                })
            },
        )
}

fn named() -> impl Strategy<Value = (OrderId, ClientOrderId)> {
    let ids = (1..4_u64, 0..12_u64).prop_map(|(generation, slot)| (generation << 26) | slot);
    prop_oneof![
        (1..12_u64).prop_map(|client| (OrderId::NONE, ClientOrderId(client))),
        often(ids, any::<u64>()).prop_map(|id| (OrderId(id), ClientOrderId(0))),
    ]
}

fn quoting() -> impl Strategy<Value = Command> {
    let price = || often(95..106_i64, any::<i64>());
    let qty = || often(0..20_u64, any::<u64>());
    let quote = (
        (price(), price()),
        (qty(), qty()),
        often(0..2_u32, any::<u32>()),
        any::<bool>(),
    );
    let quote = quote.prop_map(|(prices, qtys, place, slides)| {
        // Mostly not crossed.
        let (bid, ask) = (prices.0.min(prices.1), prices.0.max(prices.1));
        Command::Quote(Quote {
            quote_id: ClientOrderId(1 + qtys.0 % 12),
            bid_price: Price(bid),
            bid_qty: Qty(qtys.0),
            ask_price: Price(ask),
            ask_qty: Qty(qtys.1),
            market: MarketId(place),
            slide: Flag::from(slides),
            ..Quote::PULL
        })
    });
    let limits = (0..40_u64, 0..3_000_u64, 0..4_u32);
    let protection = (0..60_u64, limits, often(0..2_u32, any::<u32>()));
    let protection = protection.prop_map(|(window, (qty, notional, fills), place)| {
        Command::SetProtection(SetProtection {
            request: 1,
            window,
            max_qty: Qty(qty),
            max_notional: Amount(notional),
            max_fills: fills,
            market: MarketId(place),
        })
    });
    prop_oneof![4 => quote, 1 => protection]
}

fn session_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        6 => new_order(),
        5 => quoting(),
        2 => (named(), often(0..12_u64, any::<u64>())).prop_map(|((order_id, client_order_id), qty)| {
            Command::CancelOrder(CancelOrder { order_id, client_order_id, qty: Qty(qty) })
        }),
        1 => (0..3_usize, 0..2_u32, 0..3_usize, 90..110_i64, any::<bool>()).prop_map(
            |(scope, place, sides, lowest, everywhere)| Command::MassCancel(MassCancel {
                scope: [Scope::Session, Scope::Account, Scope::Firm][scope],
                market: if everywhere { MarketId::ANY } else { MarketId(place) },
                sides: [Sides::Both, Sides::Buys, Sides::Sells][sides],
                lowest: Price(lowest),
                ..MassCancel::OWN
            })
        ),
        3 => (named(), often(95..106_i64, any::<i64>()), often(0..25_u64, any::<u64>()), 0..12_u64).prop_map(
            |((order_id, client_order_id), price, qty, new)| Command::AmendOrder(AmendOrder {
                order_id,
                client_order_id,
                price: Price(price),
                qty: Qty(qty),
                new_client_order_id: ClientOrderId(new),
            })
        ),
    ]
}

/// The book as someone sees it who has only the feed: market, side, price and lots by order.
#[derive(Default)]
struct FromTheFeed {
    orders: BTreeMap<OrderId, (MarketId, Side, Price, Qty)>,
}

impl FromTheFeed {
    fn take(&mut self, event: &Event) {
        match event {
            Event::BookAdd(add) => {
                let order = (add.market, add.side, add.price, add.qty);
                assert_eq!(self.orders.insert(add.order_id, order), None);
            }
            Event::BookReplace(new) => {
                let order = self.orders.get_mut(&new.order_id).unwrap();
                assert_eq!((order.0, order.1), (new.market, new.side));
                (order.2, order.3) = (new.price, new.qty);
            }
            Event::BookReduce(reduce) => {
                let order = self.orders.get_mut(&reduce.order_id).unwrap();
                assert!(reduce.leaves < order.3);
                order.3 = reduce.leaves;
            }
            Event::BookDelete(delete) => {
                self.orders.remove(&delete.order_id).unwrap();
            }
            Event::Trade(trade) => {
                let order = self.orders.get_mut(&trade.maker_order_id).unwrap();
                assert_eq!(
                    (order.2, order.3.0 - trade.qty.0),
                    (trade.price, trade.maker_leaves.0)
                );
                order.3 = trade.maker_leaves;
                if order.3 == Qty(0) {
                    self.orders.remove(&trade.maker_order_id);
                }
            }
            _ => {}
        }
    }

    fn depth(&self, market: MarketId, side: Side) -> Vec<(Price, Qty, u32)> {
        let mut levels: BTreeMap<Price, (u64, u32)> = BTreeMap::new();
        for order in self
            .orders
            .values()
            .filter(|order| (order.0, order.1) == (market, side))
        {
            let level = levels.entry(order.2).or_default();
            *level = (level.0 + order.3.0, level.1 + 1);
        }
        let mut levels: Vec<_> = levels
            .into_iter()
            .map(|(price, (qty, count))| (price, Qty(qty), count))
            .collect();
        if side == Side::Buy {
            levels.reverse();
        }
        levels
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_history_is_applied_and_the_feed_tells_the_book(
        commands in prop::collection::vec((0..3_u32, 1..3_u64, session_command()), 1..150),
        funds in prop::array::uniform4(prop_oneof![1..50_000_u64, Just(u64::MAX / 4)]),
    ) {
        let mut x = Exchange::unfunded(Genesis { max_orders: 40, ..GENESIS });
        for (place, amount) in [(0, BASE), (0, QUOTE), (1, BASE), (1, QUOTE)].into_iter().zip(funds) {
            x.fund(place.0, place.1, amount);
        }
        let mut feed = FromTheFeed::default();
        for (session, step, command) in commands {
            let source = Source::of_session(SessionId(session));
            let number = x.engine.last_number(source) + step;
            let mut events = x.apply_numbered(source, number, command);
            events.extend(x.finish_sweep().0);
            if let Some(deadline) = x.engine.next_deadline().filter(|due| due.0 <= x.time + 1) {
                events.extend(x.sequencer(timer(deadline.0)));
                events.extend(x.finish_sweep().0);
                prop_assert!(x.engine.next_deadline().is_none_or(|due| due.0 > x.time));
            }
            events.iter().for_each(|event| feed.take(event));
            for market in [FEES, PLAIN] {
                for side in [Side::Buy, Side::Sell] {
                    prop_assert_eq!(feed.depth(market, side), x.engine.depth(market, side, usize::MAX));
                }
            }
        }
    }

    #[test]
    fn commands_of_any_words_are_applied(
        bodies in prop::collection::vec(
            (prop::sample::select(vec![1_u16, 2, 3, 4, 5, 6, 7, 8, 17, 18, 19, 20, 33, 34, 35, 36, 39, 45, 48]),
             prop::array::uniform12(prop_oneof![0..3_u64, (0..3_u64).prop_map(|n| n << 32), any::<u64>()]),
             prop::sample::select(vec![0_u32, 1, 2, 3, 1 << 31, (1 << 31) + 1])),
            1..60,
        ),
        initialised in any::<bool>(),
    ) {
        let mut x = if initialised { Exchange::new() } else { Exchange::blank() };
        for (kind, words, source) in bodies {
            let kind = CommandKind::try_from(kind).unwrap();
            let source = Source(source);
            let number = x.engine.last_number(source) + 1;
            if let Ok(command) = Command::decode(kind, &words[..kind.body_words()])
                && x.engine.admits(source, number)
            {
                x.apply_numbered(source, number, command);
                x.finish_sweep();
            }
        }
    }
}
