//! Auctions: bids and asks that cross trade at one price.
//!
//! Volume and price are taken from what they mean, price by price. The search of docs/ENGINE.md is followed only
//! because where it stands is state while it is pending; both must come to the same.

use crate::{
    Mutant, NaiveEngine,
    naive::{Looking, Order, Stage, Uncrossing, Work},
};
use domain::{Effects, MAX_AUCTION_TRADES, MAX_LOOKS, MarketId, Price, Qty, Reference, Side};
use std::cmp::Reverse;

impl Looking {
    fn has_ended(&self) -> bool {
        self.bid_left == Qty::ZERO || self.ask_left == Qty::ZERO || self.bid < self.ask
    }
}

impl NaiveEngine {
    pub(crate) fn begin_auction(&mut self, market: MarketId, out: &mut Effects) {
        let (bid, bid_left) = self.next_price(market, Side::Buy, Price(i64::MAX));
        let (ask, ask_left) = self.next_price(market, Side::Sell, Price(0));
        let looking = Looking {
            bid,
            bid_left,
            ask,
            ask_left,
            volume: Qty::ZERO,
            last_bid: bid,
            last_ask: ask,
        };
        let stage = Stage::Looking(looking);
        self.uncross(Uncrossing { market, stage }, out);
    }

    /// Goes on with an auction until it ends or the frame is full.
    pub(crate) fn uncross(&mut self, uncrossing: Uncrossing, out: &mut Effects) {
        let market = uncrossing.market;
        let (price, left) = match uncrossing.stage {
            Stage::Trading { price, left } => (price, left),
            Stage::Looking(looking) => {
                let looking = self.look_on(market, looking);
                if !looking.has_ended() {
                    let stage = Stage::Looking(looking);
                    self.work = Some(Work::Uncrossing(Uncrossing { market, stage }));
                    return;
                }
                let (price, volume) = self.auction_of(market);
                assert_eq!(volume, looking.volume, "two ways to the volume");
                let found = looking.last_ask..=looking.last_bid;
                assert!(found.contains(&price), "{price} is not in {looking:?}");
                self.publish_uncrossed(market, price, volume, out);
                (price, volume)
            }
        };
        self.trade_at_auction(market, price, left, out);
    }

    /// Lets prices meet until none do, or the frame has had its looks.
    fn look_on(&self, market: MarketId, mut looking: Looking) -> Looking {
        for _ in 0..MAX_LOOKS {
            if looking.has_ended() {
                break;
            }
            looking = self.meet(market, looking);
        }
        looking
    }

    fn meet(&self, market: MarketId, at: Looking) -> Looking {
        let lots = at.bid_left.0.min(at.ask_left.0);
        let mut next = Looking {
            bid_left: Qty(at.bid_left.0 - lots),
            ask_left: Qty(at.ask_left.0 - lots),
            volume: Qty(at.volume.0 + lots),
            last_bid: at.bid,
            last_ask: at.ask,
            ..at
        };
        if next.bid_left == Qty::ZERO {
            (next.bid, next.bid_left) = self.next_price(market, Side::Buy, at.bid);
        }
        if next.ask_left == Qty::ZERO {
            (next.ask, next.ask_left) = self.next_price(market, Side::Sell, at.ask);
        }
        next
    }

    /// The best price of a side that is worse than this one, and its lots; no lots if there is none.
    fn next_price(&self, market: MarketId, side: Side, than: Price) -> (Price, Qty) {
        let mut book = self.book(market, side);
        book.retain(|order| match side {
            Side::Buy => order.price < than,
            Side::Sell => order.price > than,
        });
        let price = book.first().map_or(than, |first| first.price);
        let there = book.iter().filter(|order| order.price == price);
        (price, Qty(there.map(|order| order.leaves.0).sum()))
    }

    /// Price and volume of the auction: of all prices the one at which most lots trade, fewest are left over, that is
    /// nearest to the reference, that is the lowest; each only among those that are alike so far.
    fn auction_of(&self, market: MarketId) -> (Price, Qty) {
        let [bids, asks] = [Side::Buy, Side::Sell].map(|side| self.book(market, side));
        let reference = self.auction_reference(market);
        let trades_at = |price: i64| {
            let bought = lots(bids.iter().filter(|bid| bid.price.0 >= price));
            let sold = lots(asks.iter().filter(|ask| ask.price.0 <= price));
            (bought.min(sold), bought.abs_diff(sold))
        };
        let rank = |price: &i64| {
            let (volume, surplus) = trades_at(*price);
            let distance = reference.map_or(0, |reference| reference.0.abs_diff(*price));
            let surplus = if self.is(Mutant::AuctionIgnoresSurplus) {
                0
            } else {
                surplus
            };
            let tie = if self.is(Mutant::AuctionTiesGoHigher) {
                -*price
            } else {
                *price
            };
            (Reverse(volume), surplus, distance, tie)
        };
        let prices = asks[0].price.0..=bids[0].price.0;
        let price = prices.min_by_key(rank).expect("the book is crossed");
        (Price(price), Qty(trades_at(price).0))
    }

    /// The price that decides among prices that are alike.
    fn auction_reference(&self, market: MarketId) -> Option<Price> {
        let market = &self.markets[&market];
        let last = Some(market.last_price);
        let last =
            last.filter(|last| *last != Price(0) && !self.is(Mutant::AuctionForgetsLastTrade));
        let set = Some(market.collar.price);
        let set = set.filter(|_| {
            market.collar.reference == Reference::Set && !self.is(Mutant::AuctionForgetsCollar)
        });
        last.or(set)
    }

    /// First bid with first ask, again and again.
    fn trade_at_auction(
        &mut self,
        market: MarketId,
        price: Price,
        mut left: Qty,
        out: &mut Effects,
    ) {
        let most = MAX_AUCTION_TRADES + usize::from(self.is(Mutant::AuctionOneTradeTooLong));
        let mut trades = 0;
        while trades < most && left > Qty::ZERO {
            let [bid, ask] = [Side::Buy, Side::Sell].map(|side| self.book(market, side)[0]);
            let qty = bid.shown().min(ask.shown()).min(left);
            let earlier_makes = !self.is(Mutant::AuctionLaterMakes);
            trades += 1;
            trades += if (bid.priority < ask.priority) == earlier_makes {
                self.auction_trade(&bid, &ask, price, qty, out)
            } else {
                self.auction_trade(&ask, &bid, price, qty, out)
            };
            left.0 -= qty.0;
        }
        if left > Qty::ZERO {
            let stage = Stage::Trading { price, left };
            self.work = Some(Work::Uncrossing(Uncrossing { market, stage }));
            return;
        }
        match self.closing(market) {
            Some(closing) => self.work = Some(Work::Canceling(closing)),
            None => self.wake(market),
        }
    }

    /// The taker's lots leave the book by an event of their own, the maker's by the trade. How many of them show more.
    fn auction_trade(
        &mut self,
        maker: &Order,
        taker: &Order,
        price: Price,
        qty: Qty,
        out: &mut Effects,
    ) -> usize {
        let charges = self.exchange(maker, taker, price, qty);
        let [maker, taker] = [maker, taker].map(|order| *self.order_mut(order.id));
        if taker.shown() == Qty::ZERO {
            self.publish_delete(&taker, out);
        } else {
            self.publish_reduce(&taker, out);
        }
        self.report_trade([&maker, &taker], price, qty, charges, out);
        let more = [maker, taker].map(|order| self.settle_maker(order.id, out));
        if self.is(Mutant::ProtectionCountsAuctions) {
            self.protect(&maker, price, qty, out);
        }
        more.into_iter().filter(|&shows| shows).count()
    }
}

fn lots<'a>(orders: impl Iterator<Item = &'a Order>) -> u64 {
    orders.map(|order| order.leaves.0).sum()
}
