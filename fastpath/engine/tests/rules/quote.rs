//! Quotes: a bid and an ask that are set together and never trade on arrival.

use crate::auction::set_state;
use crate::exchange::*;
use domain::*;

const BUY: Side = Side::Buy;
const SELL: Side = Side::Sell;

/// Of the plain market: (price, lots) of bid and ask; 0 lots are none.
pub(crate) fn quote(id: u64, bid: (i64, u64), ask: (i64, u64)) -> Quote {
    Quote {
        quote_id: ClientOrderId(id),
        bid_price: Price(bid.0),
        bid_qty: Qty(bid.1),
        ask_price: Price(ask.0),
        ask_qty: Qty(ask.1),
        market: PLAIN,
        ..Quote::PULL
    }
}

pub(crate) const PULL: Quote = Quote {
    market: PLAIN,
    ..Quote::PULL
};

fn sliding(quote: Quote) -> Quote {
    Quote {
        slide: Flag::Yes,
        ..quote
    }
}

impl Exchange {
    /// What a quote causes. The book that the feed tells of is never crossed.
    pub(crate) fn quote(&mut self, session: u32, quote: Quote) -> Vec<Event> {
        let levels = |x: &Self, side| x.engine.book(quote.market, side).collect::<Vec<_>>();
        let mut book: Vec<_> = [BUY, SELL]
            .into_iter()
            .flat_map(|side| levels(self, side))
            .map(|order| (order.order_id, order.side, order.price))
            .collect();
        let call = self.engine.market_state(quote.market);
        let call = call.is_some_and(|(state, _)| state.is_call());
        let events = self.send(session, Command::Quote(quote));
        assert!(events.len() <= 5, "{events:?}");
        for event in &events {
            match event {
                Event::BookAdd(e) => book.push((e.order_id, e.side, e.price)),
                Event::BookDelete(e) => book.retain(|order| order.0 != e.order_id),
                Event::BookReplace(e) => {
                    book.retain(|order| order.0 != e.order_id);
                    book.push((e.order_id, e.side, e.price));
                }
                Event::Trade(_) => panic!("a quote never trades on arrival: {events:?}"),
                _ => {}
            }
            let prices = |side| book.iter().filter(move |order| order.1 == side);
            let bid = prices(BUY).map(|order| order.2).max();
            let ask = prices(SELL).map(|order| order.2).min();
            let crossed = bid.zip(ask).is_some_and(|(bid, ask)| bid >= ask);
            assert!(call || !crossed, "crossed behind {event:?}: {events:?}");
        }
        events
    }

    /// Quotes; it must be taken.
    pub(crate) fn quoting(&mut self, session: u32, quote: Quote) {
        let events = self.quote(session, quote);
        let refused = events
            .iter()
            .any(|event| matches!(event, Event::Rejected(_)));
        assert!(!refused, "{quote:?}: {events:?}");
    }

    /// Why a quote is refused; nothing else changes.
    fn refused(&mut self, session: u32, quote: Quote) -> Reason {
        let before: Vec<_> = self.engine.orders().collect();
        let events = self.quote(session, quote);
        let Some(Event::Rejected(rejected)) = events.first() else {
            panic!("{quote:?} must be refused: {events:?}");
        };
        assert_eq!(rejected.command, CommandKind::Quote);
        assert_eq!(rejected.order_id, OrderId::NONE);
        assert_eq!(rejected.client_order_id, quote.quote_id);
        assert!(self.engine.orders().eq(before), "a refusal changes nothing");
        rejected.reason
    }

    /// (price, lots, client order id) of bid and ask.
    fn quoted(&self, session: u32) -> [Option<(i64, u64, u64)>; 2] {
        let ids = self.engine.quote_of(SessionId(session), PLAIN);
        ids.map(|id| {
            let order = self.engine.order(id?).expect("a quote lives");
            assert!(order.quote);
            assert_eq!(order.post_only, PostOnly::No);
            Some((order.price.0, order.leaves.0, order.client_order_id.0))
        })
    }
}

/// An event in short.
fn short(event: &Event) -> String {
    match event {
        Event::Accepted(e) => format!("accepted {:?} {} {}", e.side, e.qty.0, e.quote.is_yes()),
        Event::Amended(e) => format!("amended {} {}", e.leaves.0, e.kept_priority.is_yes()),
        Event::Canceled(e) => format!("canceled {} {:?}", e.qty.0, e.reason),
        Event::BookAdd(e) => format!("add {:?} {}", e.side, e.price.0),
        Event::BookReduce(e) => format!("reduce {:?} {}", e.side, e.leaves.0),
        Event::BookReplace(e) => format!("replace {:?} {}", e.side, e.price.0),
        Event::BookDelete(e) => format!("delete {:?}", e.side),
        other => format!("{other:?}"),
    }
}

fn shorts(events: &[Event]) -> Vec<String> {
    events.iter().map(short).collect()
}

#[test]
fn both_sides_are_entered_in_one_command() {
    let mut x = Exchange::new();
    let events = x.quote(0, quote(7, (98, 4), (102, 5)));
    assert_eq!(
        shorts(&events),
        [
            "accepted Buy 4 true",
            "add Buy 98",
            "accepted Sell 5 true",
            "add Sell 102"
        ]
    );
    assert_eq!(x.quoted(0), [Some((98, 4, 7)), Some((102, 5, 7))]);
    assert_eq!(x.balance(0, QUOTE).1, 98 * 4);
    assert_eq!(x.balance(0, BASE).1, 5);
    let Event::Accepted(accepted) = events[2] else {
        panic!("{events:?}")
    };
    assert_eq!(accepted.client_order_id, ClientOrderId(7));
    assert_eq!((accepted.price, accepted.market), (Price(102), PLAIN));
    assert_eq!(accepted.time_in_force, TimeInForce::GoodTillCancel);
    assert_eq!(accepted.order_type, OrderType::Limit);
    x.quoting(2, quote(7, (97, 4), (0, 0)));
    assert_eq!(x.quoted(2), [Some((97, 4, 7)), None]);
}

#[test]
fn a_side_keeps_its_place_for_less_and_loses_it_for_more_or_another_price() {
    let mut x = Exchange::new();
    x.quoting(0, quote(1, (98, 4), (102, 5)));
    let [bid, ask] = x.engine.quote_of(SessionId(0), PLAIN);
    let steps: [(Quote, &[&str]); 6] = [
        (
            quote(2, (98, 3), (102, 5)),
            &["amended 3 true", "reduce Buy 3", "amended 5 true"],
        ),
        (
            quote(3, (98, 4), (103, 5)),
            &[
                "amended 4 false",
                "replace Buy 98",
                "amended 5 false",
                "replace Sell 103",
            ],
        ),
        (
            quote(4, (98, 4), (103, 1)),
            &["amended 4 true", "amended 1 true", "reduce Sell 1"],
        ),
        (
            quote(5, (0, 0), (103, 1)),
            &["canceled 4 Requested", "delete Buy", "amended 1 true"],
        ),
        (
            quote(6, (97, 2), (0, 0)),
            &[
                "accepted Buy 2 true",
                "add Buy 97",
                "canceled 1 Requested",
                "delete Sell",
            ],
        ),
        (PULL, &["canceled 2 Requested", "delete Buy"]),
    ];
    for (step, expected) in steps {
        let events = x.quote(0, step);
        assert_eq!(shorts(&events), expected, "{step:?}");
        if (1..5).contains(&step.quote_id.0) {
            assert_eq!(x.engine.quote_of(SessionId(0), PLAIN), [bid, ask]);
            assert!(
                x.quoted(0)
                    .into_iter()
                    .all(|side| side.unwrap().2 == step.quote_id.0)
            );
        }
    }
    assert_eq!(x.quoted(0), [None, None]);
    assert_eq!(x.refused(0, PULL), Reason::UnknownOrder);
    assert_eq!(x.balance(0, QUOTE), (START, 0));
    assert_eq!(x.balance(0, BASE), (START, 0));
}

#[test]
fn what_was_filled_stays_part_of_the_total() {
    let mut x = Exchange::new();
    x.quoting(0, quote(1, (98, 4), (102, 5)));
    x.enter(1, immediate(limit(1, PLAIN, BUY, 102, 2)));
    let events = x.quote(0, quote(2, (98, 4), (102, 3)));
    let amended = events.iter().filter_map(|event| match event {
        Event::Amended(e) => Some((e.qty.0, e.leaves.0, e.kept_priority.is_yes())),
        _ => None,
    });
    assert_eq!(Vec::from_iter(amended), [(4, 4, true), (5, 3, true)]);
    x.enter(1, immediate(limit(1, PLAIN, BUY, 102, 3)));
    assert_eq!(x.quoted(0), [Some((98, 4, 2)), None], "the ask is done");
    let events = x.quote(0, quote(3, (98, 4), (102, 3)));
    assert_eq!(
        shorts(&events),
        ["amended 4 true", "accepted Sell 3 true", "add Sell 102"]
    );
}

/// The feed's book is looked at behind each event, see [`Exchange::quote`].
#[test]
fn a_quote_may_move_over_its_own_other_side() {
    let mut x = Exchange::new();
    x.quoting(0, quote(1, (98, 4), (102, 5)));
    let up = x.quote(0, quote(2, (102, 4), (105, 5)));
    assert_eq!(
        shorts(&up),
        [
            "amended 5 false",
            "replace Sell 105",
            "amended 4 false",
            "replace Buy 102"
        ]
    );
    let down = x.quote(0, quote(3, (95, 4), (102, 5)));
    assert_eq!(
        shorts(&down),
        [
            "amended 4 false",
            "replace Buy 95",
            "amended 5 false",
            "replace Sell 102"
        ]
    );
    let only_bid = x.quote(0, quote(4, (103, 4), (0, 0)));
    assert_eq!(
        shorts(&only_bid),
        [
            "canceled 5 Requested",
            "delete Sell",
            "amended 4 false",
            "replace Buy 103"
        ]
    );
    let only_ask = x.quote(0, quote(5, (0, 0), (103, 4)));
    assert_eq!(
        shorts(&only_ask),
        [
            "canceled 4 Requested",
            "delete Buy",
            "accepted Sell 4 true",
            "add Sell 103"
        ]
    );
}

#[test]
fn only_its_own_quote_is_not_in_the_way() {
    let mut x = Exchange::new();
    x.quoting(0, quote(1, (98, 4), (102, 5)));
    // Another session's order behind it, at the same price.
    let other = x.rest(1, limit(1, PLAIN, SELL, 102, 1));
    assert_eq!(
        x.refused(0, quote(2, (102, 4), (105, 5))),
        Reason::WouldTrade
    );
    x.cancel(1, other);
    // An order of its own, which is no quote.
    let own = x.rest(0, limit(1, PLAIN, SELL, 103, 1));
    assert_eq!(
        x.refused(0, quote(2, (103, 4), (105, 5))),
        Reason::WouldTrade
    );
    x.quoting(0, quote(2, (102, 4), (105, 5)));
    x.cancel(0, own);
    x.rest(1, limit(1, PLAIN, BUY, 101, 1));
    assert_eq!(
        x.refused(0, quote(3, (99, 4), (101, 5))),
        Reason::WouldTrade
    );
    x.quoting(0, quote(3, (99, 4), (102, 5)));
    assert_eq!(x.quoted(0), [Some((99, 4, 3)), Some((102, 5, 3))]);
}

#[test]
fn a_side_slides_to_one_tick_from_the_others() {
    let mut x = Exchange::new();
    x.quoting(0, quote(1, (98, 4), (102, 5)));
    x.rest(1, limit(1, PLAIN, SELL, 104, 1));
    x.rest(1, limit(2, PLAIN, BUY, 101, 1));
    x.quoting(0, sliding(quote(2, (100, 4), (101, 5))));
    assert_eq!(x.quoted(0), [Some((100, 4, 2)), Some((102, 5, 2))]);
    x.quoting(0, sliding(quote(3, (110, 4), (111, 5))));
    assert_eq!(x.quoted(0), [Some((103, 4, 3)), Some((111, 5, 3))]);
    let low = x.rest(1, limit(3, FEES, SELL, 50, 2));
    let fees = Quote {
        market: FEES,
        ..sliding(quote(4, (60, 2), (61, 2)))
    };
    assert_eq!(x.refused(0, fees), Reason::WouldTrade, "no price is left");
    x.cancel(1, low);
    x.rest(1, limit(3, FEES, BUY, 149, 2));
    assert_eq!(x.refused(0, fees), Reason::WouldTrade);
}

#[test]
fn the_first_reason_against_a_quote_decides() {
    let mut x = Exchange::new();
    let fees = |quote| Quote {
        market: FEES,
        ..quote
    };
    let unknown = Quote {
        market: MarketId(2),
        ..quote(0, (98, 4), (102, 5))
    };
    let refused = [
        (unknown, Reason::UnknownMarket),
        (
            Quote {
                bid_qty: Qty(0),
                ask_qty: Qty(0),
                ..unknown
            },
            Reason::UnknownMarket,
        ),
        (quote(0, (103, 4), (102, 5)), Reason::InvalidClientOrderId),
        (quote(1, (102, 4), (102, 5)), Reason::QuoteCrossed),
        (fees(quote(1, (150, 1), (200, 5))), Reason::PriceOutOfRange),
        (fees(quote(1, (49, 5), (0, 0))), Reason::PriceOutOfRange),
        (fees(quote(1, (0, 0), (150, 5))), Reason::PriceOutOfRange),
        (
            fees(quote(1, (90, 1), (100, 5))),
            Reason::QuantityBelowMinimum,
        ),
        (
            fees(quote(1, (90, 2), (100, 1))),
            Reason::QuantityBelowMinimum,
        ),
        (quote(1, (90, u64::MAX), (100, 1)), Reason::NotionalTooLarge),
        (quote(1, (90, 1), (100, u64::MAX)), Reason::NotionalTooLarge),
        (
            fees(quote(1, (0, 0), (100, u64::MAX / 50))),
            Reason::NotionalTooLarge,
        ),
        (
            quote(1, (100, START / 100 + 1), (110, 1)),
            Reason::InsufficientFunds,
        ),
        (
            quote(1, (100, 1), (110, START + 1)),
            Reason::InsufficientFunds,
        ),
    ];
    for (quote, reason) in refused {
        assert_eq!(x.refused(0, quote), reason, "{quote:?}");
    }
    // A side that is not asked for has no price.
    x.quoting(0, quote(1, (98, 4), (-5, 0)));
    x.quoting(0, quote(2, (i64::MAX, 0), (98, 4)));
    assert_eq!(x.quoted(0), [None, Some((98, 4, 2))]);
}

#[test]
fn a_session_that_may_only_cancel_can_pull_but_not_quote() {
    let both = quote(2, (98, 4), (102, 5));
    let mut x = Exchange::new();
    let pulls = |x: &mut Exchange, reason| {
        assert_eq!(
            x.refused(0, quote(0, (9, 4), (2, 5))),
            reason,
            "it comes first"
        );
        let events = x.quote(0, PULL);
        assert_eq!(events.len(), 4, "{events:?}");
    };
    for (state, reason) in [
        (MarketState::Halted, Reason::MarketHalted),
        (MarketState::CancelOnly, Reason::MarketCancelOnly),
        (MarketState::Closed, Reason::MarketClosed),
    ] {
        x.quoting(0, both);
        x.apply(Source::ADMINISTRATION, set_state(PLAIN, state));
        pulls(&mut x, reason);
        x.rest_of_halt(PLAIN);
    }
    x.quoting(0, both);
    x.sequencer(Command::Recovered(Recovered {
        epoch: 2,
        pad: [Zero::Zero; 4],
        grace: Nanos(5),
    }));
    pulls(&mut x, Reason::CancelOnly);
    x.time += 10;
    x.sequencer(timer(0));
    x.quoting(0, both);
    assert_eq!(
        x.admin(Command::Delegate(Delegate {
            session: SessionId(0),
            pad: [Zero::Zero; 4],
            delegation: Delegation {
                expires: Nanos(1),
                ..Delegation::unlimited([0; 32])
            },
        })),
        Reason::None
    );
    pulls(&mut x, Reason::DelegationExpired);
}

#[test]
fn a_kill_switch_and_a_mass_cancel_end_quotes_as_any_order() {
    let mut x = Exchange::new();
    let both = quote(2, (98, 4), (102, 5));
    x.quoting(0, both);
    let events = x.send(0, Command::MassCancel(MassCancel::OWN));
    assert_eq!(canceled(&events), Some((Reason::MassCancel, 5)));
    assert_eq!(x.quoted(0), [None, None]);
    assert_eq!(x.refused(0, PULL), Reason::UnknownOrder);
    x.quoting(0, both);
    x.send(0, kill_switch(Scope::Session, 0, Flag::Yes));
    assert_eq!(x.quoted(0), [None, None]);
    assert_eq!(x.refused(0, both), Reason::Killed);
    x.apply(
        Source::ADMINISTRATION,
        kill_switch(Scope::Session, 0, Flag::No),
    );
    x.quoting(0, both);
    let delist = Command::DelistMarket(DelistMarket {
        market: PLAIN,
        pad: [Zero::Zero; 4],
    });
    x.apply(Source::ADMINISTRATION, delist);
    assert_eq!(x.quoted(0), [None, None]);
    assert_eq!(x.refused(0, both), Reason::MarketDelisted);
}

#[test]
fn quotes_stand_outside_the_client_order_ids() {
    let mut x = Exchange::new();
    x.quoting(0, quote(7, (98, 4), (102, 5)));
    let order = x.rest(0, limit(7, PLAIN, BUY, 90, 1));
    let by_client = CancelOrder {
        order_id: OrderId::NONE,
        client_order_id: ClientOrderId(7),
        qty: Qty::ZERO,
    };
    let events = x.send(0, Command::CancelOrder(by_client));
    assert!(matches!(events[0], Event::Canceled(e) if e.order_id == order));
    let events = x.send(0, Command::CancelOrder(by_client));
    assert_eq!(only_rejection(&events), Reason::UnknownOrder);
    let [bid, ask] = x.engine.quote_of(SessionId(0), PLAIN).map(Option::unwrap);
    let events = x.amend(0, bid, 98, 4);
    assert_eq!(only_rejection(&events), Reason::UnknownOrder);
    // By the exchange's id they can be cancelled, whole or in part, by their session only.
    assert_eq!(only_rejection(&x.cancel(1, ask)), Reason::UnknownOrder);
    let part = CancelOrder {
        order_id: ask,
        client_order_id: ClientOrderId(0),
        qty: Qty(2),
    };
    let events = x.send(0, Command::CancelOrder(part));
    assert_eq!(shorts(&events), ["amended 3 true", "reduce Sell 3"]);
    x.cancel(0, ask);
    assert_eq!(x.quoted(0), [Some((98, 4, 7)), None]);
}

#[test]
fn both_sides_have_slots_or_nothing_happens() {
    let genesis = Genesis {
        max_orders: 3,
        ..GENESIS
    };
    let mut x = Exchange::unfunded(genesis);
    for asset in [BASE, QUOTE] {
        x.fund(0, asset, START);
        x.fund(1, asset, START);
    }
    x.rest(1, limit(1, PLAIN, BUY, 90, 1));
    let other = x.rest(1, limit(2, PLAIN, BUY, 90, 1));
    assert_eq!(
        x.refused(0, quote(1, (98, 4), (102, 5))),
        Reason::OrderTableFull
    );
    x.quoting(0, quote(1, (98, 4), (102, 0)));
    // The slot of the side that goes is not reckoned with.
    assert_eq!(
        x.refused(0, quote(2, (98, 0), (102, 5))),
        Reason::OrderTableFull
    );
    x.cancel(1, other);
    x.quoting(0, quote(3, (98, 0), (102, 5)));
    assert_eq!(x.quoted(0), [None, Some((102, 5, 3))]);
}

#[test]
fn what_a_side_holds_already_counts_for_it() {
    let mut x = Exchange::new();
    let most = START / 100;
    x.quoting(0, quote(1, (100, most), (110, START)));
    x.quoting(0, quote(2, (99, most), (111, START)));
    x.quoting(0, quote(3, (100, most), (110, START)));
    assert_eq!(x.balance(0, QUOTE), (0, START));
    assert_eq!(x.balance(0, BASE), (0, START));
    let reason = x.refused(0, quote(4, (100, most + 1), (110, START)));
    assert_eq!(reason, Reason::InsufficientFunds);
    let reason = x.refused(0, quote(4, (100, most), (110, START + 1)));
    assert_eq!(reason, Reason::InsufficientFunds);
}

#[test]
fn limits_look_at_each_side_and_count_the_new_ones() {
    let mut x = Exchange::of_whole_units();
    let both = quote(1, (98, 4), (102, 5));
    let of = |limits| set_limits(true, 0, limits);
    let refusals = [
        (
            Limits {
                max_order_qty: Qty(4),
                ..Limits::default()
            },
            Reason::QuantityAboveLimit,
        ),
        (
            Limits {
                max_order_notional: 391,
                ..Limits::default()
            },
            Reason::NotionalAboveLimit,
        ),
        (
            Limits {
                max_open_orders: 1,
                ..Limits::default()
            },
            Reason::TooManyOpenOrders,
        ),
        (
            Limits {
                max_position: START + 3,
                ..Limits::default()
            },
            Reason::PositionAboveLimit,
        ),
        (
            Limits {
                max_daily_volume: 509,
                ..Limits::default()
            },
            Reason::VolumeAboveLimit,
        ),
    ];
    for (limits, reason) in refusals {
        assert_eq!(x.admin(of(limits)), Reason::None);
        assert_eq!(x.refused(0, both), reason);
    }
    let two = Limits {
        max_open_orders: 2,
        ..Limits::default()
    };
    assert_eq!(x.admin(of(two)), Reason::None);
    x.quoting(0, both);
    x.quoting(0, quote(2, (97, 9), (103, 9)));
    assert_eq!(
        x.rejection(0, limit(9, PLAIN, BUY, 1, 1)),
        Reason::TooManyOpenOrders
    );
}

#[test]
fn each_side_is_held_to_the_delegation() {
    let mut x = Exchange::new();
    assert_eq!(
        x.admin(Command::Delegate(Delegate {
            session: SessionId(0),
            pad: [Zero::Zero; 4],
            delegation: Delegation {
                max_order_notional: Amount(500),
                ..Delegation::unlimited([0; 32])
            },
        })),
        Reason::None
    );
    assert_eq!(
        x.refused(0, quote(3, (98, 4), (102, 5))),
        Reason::BeyondDelegation
    );
    x.quoting(0, quote(3, (98, 4), (100, 5)));
}

#[test]
fn a_quote_beyond_the_collar_that_would_have_been_taken_halts_the_market() {
    let mut x = Exchange::new();
    let collar = SetCollar {
        price: Price(100),
        market: PLAIN,
        width_ppm: 50_000,
        reference: Reference::Set,
        halts: Flag::Yes,
        pad: [Zero::Zero; 6],
    };
    assert_eq!(x.admin(Command::SetCollar(collar)), Reason::None);
    x.quoting(0, quote(1, (105, 4), (106, 5)));
    x.quoting(0, quote(2, (94, 4), (95, 5)));
    let poor = quote(3, (106, START), (107, 5));
    assert_eq!(x.refused(0, poor), Reason::InsufficientFunds);
    for beyond in [quote(4, (106, 4), (107, 5)), quote(4, (90, 4), (94, 5))] {
        let events = x.quote(0, beyond);
        assert!(
            matches!(events[..], [Event::Rejected(a), Event::MarketStateChanged(b)]
                if a.reason == Reason::PriceBeyondCollar && b.state == MarketState::Halted),
            "{events:?}"
        );
        x.rest_of_halt(PLAIN);
    }
    assert_eq!(x.quoted(0), [Some((94, 4, 2)), Some((95, 5, 2))]);
}

#[test]
fn in_a_call_quotes_rest_whatever_is_there() {
    let mut x = Exchange::new();
    x.apply(
        Source::ADMINISTRATION,
        set_state(PLAIN, MarketState::PreOpen),
    );
    x.rest(1, limit(1, PLAIN, BUY, 105, 3));
    x.rest(1, limit(2, PLAIN, SELL, 95, 2));
    x.quoting(0, sliding(quote(1, (98, 4), (102, 5))));
    assert_eq!(x.quoted(0), [Some((98, 4, 1)), Some((102, 5, 1))]);
    assert_eq!(
        x.refused(0, quote(2, (102, 4), (102, 5))),
        Reason::QuoteCrossed
    );
    let open = set_state(PLAIN, MarketState::Continuous);
    let events = x.apply(Source::ADMINISTRATION, open);
    assert!(!trades(&events).is_empty());
}

#[test]
fn only_post_only_takes_a_quote_and_no_service_sends_one() {
    let mut x = Exchange::new();
    x.apply(
        Source::ADMINISTRATION,
        set_state(PLAIN, MarketState::PostOnly),
    );
    x.quoting(0, quote(1, (98, 4), (102, 5)));
    let command = Command::Quote(PULL);
    assert_eq!(x.admin(command), Reason::UnknownSession);
    let command = Command::SetProtection(SetProtection::OFF);
    assert_eq!(x.admin(command), Reason::UnknownSession);
}

/// The sum of what an order was and is must be countable.
#[test]
fn an_order_that_has_traded_too_much_must_be_pulled_first() {
    let mut x = Exchange::new();
    x.fund(0, BASE, u64::MAX / 2 - START);
    x.quoting(0, quote(1, (0, 0), (1, u64::MAX / 2)));
    x.enter(1, immediate(limit(1, PLAIN, BUY, 1, 10)));
    let reason = x.refused(0, quote(2, (0, 0), (1, u64::MAX - 9)));
    assert_eq!(reason, Reason::NotionalTooLarge, "10 and that are too many");
    let reason = x.refused(0, quote(2, (0, 0), (1, u64::MAX - 10)));
    assert_eq!(reason, Reason::InsufficientFunds);
}

/// A shard with this many markets.
fn with_markets(markets: u32, max_orders: u32) -> Exchange {
    let mut x = Exchange::unfunded(Genesis {
        max_markets: markets,
        max_orders,
        max_levels: 300 + 2 * markets,
        max_pages: 2 * markets,
        ..GENESIS
    });
    for market in 2..markets {
        let terms = CreateMarket {
            market: MarketId(market),
            price_levels: 2,
            ..plain_market()
        };
        assert_eq!(x.admin(Command::CreateMarket(terms)), Reason::None);
    }
    x.fund(0, QUOTE, START);
    x.fund(1, QUOTE, START);
    x
}

fn one_lot(market: u32) -> Quote {
    Quote {
        market: MarketId(market),
        ..quote(1, (1, 1), (0, 0))
    }
}

#[test]
fn an_account_quotes_in_no_more_markets_than_it_may() {
    let mut x = with_markets(258, 1_000);
    for market in 1..=MAX_QUOTED_OF_ACCOUNT {
        x.quoting(0, one_lot(market));
    }
    assert_eq!(x.refused(0, one_lot(257)), Reason::QuoteTableFull);
    x.quoting(
        0,
        Quote {
            bid_qty: Qty(2),
            ..one_lot(3)
        },
    );
    x.quoting(1, one_lot(257));
    x.quoting(
        0,
        Quote {
            bid_qty: Qty(0),
            ..one_lot(3)
        },
    );
    x.quoting(0, one_lot(257));
}

#[test]
fn a_shard_has_no_more_of_them_than_orders() {
    let mut x = with_markets(5, 3);
    for market in 1..=3 {
        let protection = Command::SetProtection(SetProtection {
            window: 1,
            max_fills: 1,
            market: MarketId(market),
            ..SetProtection::OFF
        });
        x.send(1, protection);
    }
    assert_eq!(x.refused(0, one_lot(1)), Reason::QuoteTableFull);
    x.send(
        1,
        Command::SetProtection(SetProtection {
            market: MarketId(2),
            ..SetProtection::OFF
        }),
    );
    x.quoting(0, one_lot(1));
}
