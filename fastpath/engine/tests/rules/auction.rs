//! Market states, and the auctions between them.

use crate::exchange::*;
use domain::*;

const BUY: Side = Side::Buy;
const SELL: Side = Side::Sell;

pub(crate) fn set_state(market: MarketId, state: MarketState) -> Command {
    Command::SetMarketState(SetMarketState {
        market,
        state,
        pad: [Zero::Zero; 3],
    })
}

fn in_state(state: MarketState) -> Exchange {
    let mut x = Exchange::new();
    x.apply(Source::ADMINISTRATION, set_state(PLAIN, state));
    x
}

/// Price and lots.
type Traded = (i64, u64);

/// Of the auction, and of each trade.
fn auction(x: &mut Exchange, state: MarketState) -> (Option<Traded>, Vec<Traded>) {
    let mut events = x.apply(Source::ADMINISTRATION, set_state(PLAIN, state));
    events.extend(x.finish_sweep().0);
    let found = events.iter().find_map(|event| match event {
        Event::Uncrossed(e) => Some((e.price.0, e.qty.0)),
        _ => None,
    });
    let trades = events.iter().filter_map(|event| match event {
        Event::Trade(e) => Some((e.price.0, e.qty.0)),
        _ => None,
    });
    (found, trades.collect())
}

#[test]
fn a_state_says_what_is_taken() {
    use MarketState::*;
    let order = limit(9, PLAIN, BUY, 90, 1);
    for (state, reason) in [
        (Halted, Reason::MarketHalted),
        (CancelOnly, Reason::MarketCancelOnly),
        (Closed, Reason::MarketClosed),
    ] {
        let mut x = Exchange::new();
        let id = x.rest(0, limit(1, PLAIN, BUY, 90, 2));
        x.apply(Source::ADMINISTRATION, set_state(PLAIN, state));
        assert_eq!(x.rejection(0, order), reason);
        assert_eq!(only_rejection(&x.amend(0, id, 91, 2)), reason);
        assert_eq!(x.cancel(0, id).len(), 2);
        x.rest(0, limit(2, FEES, BUY, 90, 2));
    }
    for state in [PreOpen, OpeningAuction, ClosingAuction] {
        let mut x = in_state(state);
        for other in [
            immediate(order),
            fill_or_kill(order),
            market(9, PLAIN, BUY, 1),
            NewOrder {
                min_qty: Qty(1),
                ..order
            },
        ] {
            assert_eq!(x.rejection(0, other), Reason::OnlyRestingOrders);
        }
        x.rest(0, order);
        x.rest(1, limit(1, PLAIN, SELL, 80, 1));
    }
    let mut x = in_state(PostOnly);
    x.rest(0, order);
    assert_eq!(
        x.rejection(1, limit(1, PLAIN, SELL, 90, 1)),
        Reason::WouldTrade
    );
    let slides = NewOrder {
        post_only: domain::PostOnly::Slide,
        ..limit(1, PLAIN, SELL, 90, 1)
    };
    let id = x.rest(1, slides);
    assert_eq!(x.engine.order(id).unwrap().price, Price(91));
}

#[test]
fn a_state_is_told_and_changed_by_others_only() {
    let mut x = Exchange::new();
    let halt = set_state(PLAIN, MarketState::Halted);
    let events = x.apply(Source::ADMINISTRATION, halt);
    assert!(matches!(
        events[..],
        [Event::MarketStateChanged(e), Event::Outcome(_)] if e.state == MarketState::Halted
    ));
    assert_eq!(
        x.apply(Source::ADMINISTRATION, halt).len(),
        1,
        "it is halted"
    );
    assert_eq!(
        x.admin(set_state(MarketId(2), MarketState::Halted)),
        Reason::UnknownReference
    );
    assert_eq!(
        x.admin(set_state(PLAIN, MarketState::Delisted)),
        Reason::InvalidParameter
    );
    assert_eq!(only_rejection(&x.send(0, halt)), Reason::UnknownSession);
}

#[test]
fn an_auction_trades_most_at_one_price() {
    let mut x = in_state(MarketState::PreOpen);
    x.rest(0, limit(1, PLAIN, BUY, 105, 10));
    x.rest(0, limit(2, PLAIN, BUY, 100, 10));
    x.rest(1, limit(1, PLAIN, SELL, 95, 5));
    x.rest(1, limit(2, PLAIN, SELL, 102, 10));
    // At 102: bids of 10, asks of 15; at 101 and below fewer asks, above 105 no bids.
    let (found, trades) = auction(&mut x, MarketState::Continuous);
    assert_eq!(found, Some((102, 10)));
    assert_eq!(trades, [(102, 5), (102, 5)]);
    assert_eq!(x.engine.best_bid(PLAIN), Some(Price(100)));
    assert_eq!(x.engine.best_ask(PLAIN), Some(Price(102)));
    assert_eq!(x.engine.quantity_at(PLAIN, SELL, Price(102)), Qty(5));
    // Who bid 105 paid 102, and the rest of the hold came back.
    assert_eq!(x.balance(0, QUOTE), (START - 1_020 - 1_000, 1_000));
}

#[test]
fn of_prices_alike_the_one_near_the_last_trade_and_else_the_lowest() {
    for (last, expected) in [(None, 95), (Some(97), 97), (Some(50), 95), (Some(150), 105)] {
        let mut x = Exchange::new();
        if let Some(last) = last {
            x.rest(1, limit(8, PLAIN, SELL, last, 1));
            x.enter(0, limit(8, PLAIN, BUY, last, 1));
        }
        x.apply(
            Source::ADMINISTRATION,
            set_state(PLAIN, MarketState::OpeningAuction),
        );
        x.rest(0, limit(1, PLAIN, BUY, 105, 5));
        x.rest(1, limit(1, PLAIN, SELL, 95, 5));
        let (found, _) = auction(&mut x, MarketState::Continuous);
        assert_eq!(found, Some((expected, 5)), "{last:?}");
    }
}

#[test]
fn what_is_left_over_is_least() {
    // From 100 to 104 five trade; 3 bids are left at 104, or 2 asks at 100: 100 it is.
    let mut x = in_state(MarketState::PreOpen);
    x.rest(0, limit(1, PLAIN, BUY, 104, 8));
    x.rest(1, limit(1, PLAIN, SELL, 100, 5));
    let (found, _) = auction(&mut x, MarketState::Continuous);
    assert_eq!(found, Some((100, 5)), "3 bids are left over at any of them");
    let mut x = in_state(MarketState::PreOpen);
    x.rest(0, limit(1, PLAIN, BUY, 104, 5));
    x.rest(0, limit(2, PLAIN, BUY, 101, 2));
    x.rest(1, limit(1, PLAIN, SELL, 100, 5));
    let (found, _) = auction(&mut x, MarketState::Continuous);
    assert_eq!(found, Some((102, 5)), "above 101 nothing is left over");
}

#[test]
fn a_long_auction_goes_on_in_the_next_frames() {
    let mut x = in_state(MarketState::ClosingAuction);
    let half = MAX_AUCTION_TRADES as u64 + 3;
    for client in 1..=half {
        x.rest(0, limit(client, PLAIN, BUY, 110, 1));
        x.rest(1, limit(client, PLAIN, SELL, 90, 1));
    }
    let first = x.apply(
        Source::ADMINISTRATION,
        set_state(PLAIN, MarketState::Closed),
    );
    assert_eq!(trades(&first).len(), MAX_AUCTION_TRADES);
    assert_eq!(x.engine.pending_work(), Some(OrderId::NONE));
    let (rest, frames) = x.finish_sweep();
    assert_eq!((trades(&rest).len(), frames), (3, 1));
    assert_eq!(x.engine.live_orders(), 0);
}

#[test]
fn halting_a_crossed_book_leaves_it_and_opening_trades() {
    let mut x = in_state(MarketState::PreOpen);
    x.rest(0, limit(1, PLAIN, BUY, 100, 5));
    x.rest(1, limit(1, PLAIN, SELL, 100, 5));
    assert_eq!(auction(&mut x, MarketState::Halted), (None, vec![]));
    assert_eq!(
        auction(&mut x, MarketState::PostOnly),
        (Some((100, 5)), vec![(100, 5)])
    );
}

#[test]
fn a_delisted_market_is_empty_for_ever() {
    let mut x = Exchange::new();
    x.rest(0, limit(1, PLAIN, BUY, 100, 5));
    x.rest(1, limit(1, FEES, SELL, 100, 5));
    let end = |market| {
        Command::DelistMarket(DelistMarket {
            market,
            pad: [Zero::Zero; 4],
        })
    };
    let events = x.apply(Source::ADMINISTRATION, end(PLAIN));
    assert!(matches!(
        events[..],
        [
            Event::MarketStateChanged(_),
            Event::Outcome(_),
            Event::Canceled(e),
            Event::BookDelete(_)
        ] if e.reason == Reason::Delisted
    ));
    assert_eq!(x.engine.live_orders(), 1);
    assert_eq!(
        x.rejection(0, limit(2, PLAIN, BUY, 100, 5)),
        Reason::MarketDelisted
    );
    assert_eq!(x.admin(end(PLAIN)), Reason::InvalidParameter);
    assert_eq!(
        x.admin(set_state(PLAIN, MarketState::Continuous)),
        Reason::InvalidParameter
    );
    assert_eq!(x.admin(end(MarketId(2))), Reason::UnknownReference);
}
