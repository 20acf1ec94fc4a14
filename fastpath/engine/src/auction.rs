//! Auctions: bids and asks that cross trade at one price.
//!
//! The price is found by going through the prices from both ends, best first, as if each bid traded with each ask; then
//! the orders trade. Both as far as a frame has room.

use crate::book::{NO_ASK, NO_BID};
use crate::engine::{Engine, Work};
use crate::market::Market;
use crate::reports::TradeTerms;
use domain::{
    Effects, Liquidity, MAX_AUCTION_TRADES, MAX_LOOKS, MarketId, Price, Qty, Reference, Side,
};

/// An auction that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Uncrossing {
    pub(crate) market: MarketId,
    pub(crate) stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Looking(Looking),
    /// At this price so many lots are to trade.
    Trading {
        price: Price,
        left: Qty,
    },
}

/// Where the search for the price is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Looking {
    /// The next bid price, and what of it has found no ask yet.
    pub(crate) bid: Price,
    pub(crate) bid_left: Qty,
    /// The next ask price, and what of it has found no bid yet.
    pub(crate) ask: Price,
    pub(crate) ask_left: Qty,
    /// Lots that have found each other.
    pub(crate) volume: Qty,
    /// The last prices at which some did.
    pub(crate) last_bid: Price,
    pub(crate) last_ask: Price,
}

impl Looking {
    fn crosses(&self) -> bool {
        self.bid >= self.ask
    }
}

/// Prices from the first up to the second.
type Range = (Price, Price);

/// The price of a range nearest to the reference, or the lowest if there is none.
fn nearest((low, high): Range, reference: Option<Price>) -> Price {
    reference.map_or(low, |reference| reference.clamp(low, high))
}

/// Of two prices the one nearer to the reference; of two as near, or without one, the lower.
fn nearer(a: Price, b: Price, reference: Option<Price>) -> Price {
    let (low, high) = (a.min(b), a.max(b));
    match reference {
        Some(reference) if reference.0.abs_diff(high.0) < reference.0.abs_diff(low.0) => high,
        _ => low,
    }
}

impl Engine {
    /// Whether bids and asks of a market cross.
    pub(crate) fn is_crossed(market: &Market) -> bool {
        let best = |side| market.book.best_or_none_to_cross(side);
        best(Side::Buy) >= best(Side::Sell)
    }

    /// Begins the auction of a market whose book is crossed.
    pub(crate) fn begin_to_uncross(&mut self, id: MarketId, out: &mut Effects) {
        let market = self.market_of_order(id);
        let best = |side| {
            let price = market.book.best_or_none_to_cross(side);
            (price, market.book.total(&self.ladders, side, price))
        };
        let ((bid, bid_left), (ask, ask_left)) = (best(Side::Buy), best(Side::Sell));
        let looking = Looking {
            bid,
            bid_left,
            ask,
            ask_left,
            volume: Qty::ZERO,
            last_bid: Price(0),
            last_ask: Price(0),
        };
        let stage = Stage::Looking(looking);
        self.go_on_uncrossing(Uncrossing { market: id, stage }, out);
    }

    /// Goes on as far as the frame has room. What is left stays pending.
    pub(crate) fn go_on_uncrossing(&mut self, mut work: Uncrossing, out: &mut Effects) {
        if let Stage::Looking(looking) = work.stage {
            let looking = self.look_further(work.market, looking);
            if looking.crosses() {
                work.stage = Stage::Looking(looking);
                self.work = Some(Work::Uncrossing(work));
                return;
            }
            let market = self.market_of_order(work.market);
            let price = self.auction_price(market, &looking);
            self.publish_uncrossed(work.market, price, looking.volume, out);
            work.stage = Stage::Trading {
                price,
                left: looking.volume,
            };
        }
        if let Stage::Trading { price, left } = work.stage {
            let left = self.trade_in_auction(work.market, (price, left), out);
            if left > Qty::ZERO {
                work.stage = Stage::Trading { price, left };
                self.work = Some(Work::Uncrossing(work));
            } else {
                // The next frame begins with it: this one may be full.
                match self.closing(work.market) {
                    Some(closing) => self.work = Some(Work::MassCancel(closing)),
                    None => self.wake(work.market),
                }
            }
        }
    }

    fn look_further(&self, id: MarketId, mut at: Looking) -> Looking {
        let market = self.market_of_order(id);
        let next = |side, price, end| {
            let next = market.book.next_worse(&self.ladders, side, price);
            next.map_or((end, Qty::ZERO), |price| {
                (price, market.book.total(&self.ladders, side, price))
            })
        };
        for _ in 0..MAX_LOOKS {
            if !at.crosses() {
                break;
            }
            let found = at.bid_left.min(at.ask_left);
            at.volume = Qty(at.volume.0 + found.0);
            (at.last_bid, at.last_ask) = (at.bid, at.ask);
            at.bid_left = Qty(at.bid_left.0 - found.0);
            at.ask_left = Qty(at.ask_left.0 - found.0);
            if at.bid_left == Qty::ZERO {
                (at.bid, at.bid_left) = next(Side::Buy, at.bid, NO_BID);
            }
            if at.ask_left == Qty::ZERO {
                (at.ask, at.ask_left) = next(Side::Sell, at.ask, NO_ASK);
            }
        }
        at
    }

    /// The price at which most lots trade; of these, that with the least left over; of these, that nearest to the
    /// reference; of two, the lower.
    ///
    /// Most trade from the last ask to the last bid that found another. Nothing is left over between the first bid and the
    /// first ask that did not; at that bid and down to the next one there is what is left of it, and likewise upwards.
    fn auction_price(&self, market: &Market, end: &Looking) -> Price {
        let reference = market.auction_reference();
        let (low, high) = (end.last_ask, end.last_bid);
        let between = (
            low.max(Price(end.bid.0 + 1)),
            high.min(Price(end.ask.0 - 1)),
        );
        if between.0 <= between.1 {
            return nearest(between, reference);
        }
        let next = |side, price| market.book.next_worse(&self.ladders, side, price);
        let at_bid = (end.bid >= low).then(|| {
            let below = next(Side::Buy, end.bid).unwrap_or(NO_BID);
            (end.bid_left, (low.max(Price(below.0 + 1)), end.bid))
        });
        let at_ask = (end.ask <= high).then(|| {
            let above = next(Side::Sell, end.ask).unwrap_or(NO_ASK);
            (end.ask_left, (end.ask, high.min(Price(above.0 - 1))))
        });
        match (at_bid, at_ask) {
            (Some((bids, at_bid)), Some((asks, at_ask))) if bids == asks => nearer(
                nearest(at_bid, reference),
                nearest(at_ask, reference),
                reference,
            ),
            (Some((bids, at_bid)), Some((asks, _))) if bids < asks => nearest(at_bid, reference),
            (_, Some((_, at_ask))) => nearest(at_ask, reference),
            (Some((_, at_bid)), None) => nearest(at_bid, reference),
            (None, None) => {
                unreachable!("one of them is where most trade, or there is a price between")
            }
        }
    }

    /// Trades the first bids with the first asks. Lots that are left to trade.
    fn trade_in_auction(
        &mut self,
        id: MarketId,
        (price, mut left): (Price, Qty),
        out: &mut Effects,
    ) -> Qty {
        let mut trades = 0;
        while trades < MAX_AUCTION_TRADES {
            let book = &self.market_of_order(id).book;
            let best = |side| book.best_or_none_to_cross(side);
            let (bid, ask) = (best(Side::Buy), best(Side::Sell));
            if left == Qty::ZERO || bid < price || ask > price {
                return Qty::ZERO;
            }
            let bid = book.first_in_queue(&self.ladders, Side::Buy, bid);
            let ask = book.first_in_queue(&self.ladders, Side::Sell, ask);
            let shown = |slot| self.orders.shown(&self.orders[slot]);
            let qty = shown(bid).min(shown(ask)).min(left);
            trades += 1 + self.trade_resting((bid, ask), (price, qty), out);
            left = Qty(left.0 - qty.0);
        }
        left
    }

    /// Trades two orders that both rest. Who came later is the taker. How many of them then show lots that they had hidden.
    fn trade_resting(
        &mut self,
        (bid, ask): (u32, u32),
        (price, qty): (Price, Qty),
        out: &mut Effects,
    ) -> usize {
        let bid_is_older = self.orders[bid].priority < self.orders[ask].priority;
        let (maker, taker) = if bid_is_older { (bid, ask) } else { (ask, bid) };
        let terms = TradeTerms {
            trade_id: self.take_trade_id(),
            price,
            qty,
        };
        let (maker_fee, taker_fee) = self.exchange_funds(taker, maker, terms);
        self.fill_resting(maker, qty);
        self.fill_resting(taker, qty);
        let (maker, taker) = (self.orders[maker], self.orders[taker]);
        if self.orders.shown(&taker) == Qty::ZERO {
            self.publish_delete(&taker, out);
        } else {
            self.publish_reduce(&taker, out);
        }
        self.report_trade(terms, &maker, &taker, out);
        self.report_fill(terms, &maker, Liquidity::Maker, maker_fee, out);
        self.report_fill(terms, &taker, Liquidity::Taker, taker_fee, out);
        let more = [maker, taker].map(|order| self.show_more(&order, out));
        more.into_iter().filter(|&shows| shows).count()
    }
}

impl Market {
    /// The price that an auction's stays near: the last trade's, or one that was set.
    fn auction_reference(&self) -> Option<Price> {
        let set = (self.collar.reference == Reference::Set).then_some(self.collar.price);
        Some(self.last_price)
            .filter(|&last| last != Price(0))
            .or(set)
    }
}
