//! The book of a market: a ladder of price levels, each a queue of orders.
//!
//! A price has a queue for each side. While a market trades continuously only one of them has orders; in the call
//! of an auction both may. A side's levels stand in pages of 64 prices, which it has only where orders rest. Pages,
//! their directories and bitmap words come from pools that all markets share.

use crate::bitmap::{Bitmap, BitmapPool, words_of};
use crate::orders::{NIL, Order, Orders};
use crate::pages::{Directory, Level, Pages};
use core::hint::select_unpredictable;
use domain::{Price, Qty, Side};
use std::collections::BTreeSet;

/// No bid: below every price of a market, so that no seller crosses it.
pub(crate) const NO_BID: Price = Price(0);
/// No ask: above every price of a market, so that no buyer crosses it.
pub(crate) const NO_ASK: Price = Price(i64::MAX);

/// The levels of all markets: allocated at genesis, handed out market by market.
pub(crate) struct Ladders {
    /// Prices that no market has.
    free: u32,
    pages: Pages,
    bitmaps: BitmapPool,
}

impl Ladders {
    /// Room for `max_levels` prices of at most `max_markets` markets, and for orders in `max_pages` pages of them, all
    /// of it allocated now.
    pub(crate) fn with_capacity(max_markets: u32, max_levels: u32, max_pages: u32) -> Self {
        let (sides, places) = (2 * max_markets as usize, 2 * max_levels as usize);
        Self {
            free: max_levels,
            pages: Pages::with_capacity(words_of(sides, places), max_pages),
            bitmaps: BitmapPool::with_capacity(sides, places),
        }
    }

    /// Prices that no market has.
    pub(crate) fn free(&self) -> u32 {
        self.free
    }

    /// Pages that no side of a market has.
    pub(crate) fn free_pages(&self) -> usize {
        self.pages.free()
    }

    /// Checks that every page is free or one side's, once.
    pub(crate) fn check_pages(&self) -> Result<(), String> {
        self.pages.check()
    }
}

/// The taken prices of one side and the best of them.
#[derive(Clone, Copy, Debug)]
struct BookSide {
    taken: Bitmap,
    directory: Directory,
    best: Price,
}

/// One market's part of the ladders.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Book {
    /// By side.
    sides: [BookSide; 2],
    price_levels: u32,
    lowest: Price,
}

/// Why the lots of a level add up.
const COUNTS: &str = "holds cover all lots of a level, and holds fit";
/// Why the lots of an order can be taken off its level.
const HAS: &str = "a level has the lots of its orders";

/// Whether an order of `taker` that may go as far as `limit` trades with the price `best`.
pub(crate) fn crosses(taker: Side, limit: Price, best: Price) -> bool {
    // Sides come in any order, and nobody could foretell them.
    select_unpredictable(taker == Side::Buy, best <= limit, best >= limit)
}

/// How far a market order goes: over every price, but not over a side that has none.
pub(crate) fn no_limit(taker: Side) -> Price {
    match taker {
        Side::Buy => Price(NO_ASK.0 - 1),
        Side::Sell => Price(NO_BID.0 + 1),
    }
}

impl Book {
    /// An empty book of the prices from `lowest` up. The caller has checked that so many prices
    /// are free, and that all prices lie between [`NO_BID`] and [`NO_ASK`].
    pub(crate) fn new(ladders: &mut Ladders, lowest: Price, price_levels: u32) -> Self {
        ladders.free -= price_levels;
        let mut side = |best| BookSide {
            taken: ladders.bitmaps.bitmap(price_levels),
            directory: ladders.pages.directory(price_levels),
            best,
        };
        Self {
            sides: [side(NO_BID), side(NO_ASK)],
            price_levels,
            lowest,
        }
    }

    fn side(&self, side: Side) -> &BookSide {
        &self.sides[side as usize]
    }

    fn side_mut(&mut self, side: Side) -> &mut BookSide {
        &mut self.sides[side as usize]
    }

    fn place(&self, price: Price) -> u32 {
        u32::try_from(price.0 - self.lowest.0).expect("orders have prices of the market's range")
    }

    fn price(&self, place: u32) -> Price {
        Price(self.lowest.0 + i64::from(place))
    }

    /// The level of a price that has orders.
    fn level<'a>(&self, ladders: &'a Ladders, side: Side, price: Price) -> &'a Level {
        let directory = self.side(side).directory;
        ladders.pages.level(directory, self.place(price))
    }

    /// Whether an order that comes to rest at a price needs no page that its side does not have.
    pub(crate) fn has_page(&self, ladders: &Ladders, side: Side, price: Price) -> bool {
        let directory = self.side(side).directory;
        ladders.pages.has(directory, self.place(price))
    }

    /// The best price of a side; without one, a price that nothing crosses.
    pub(crate) fn best_or_none_to_cross(&self, side: Side) -> Price {
        self.side(side).best
    }

    /// The best price of a side.
    pub(crate) fn best(&self, side: Side) -> Option<Price> {
        let best = self.side(side).best;
        (best != NO_BID && best != NO_ASK).then_some(best)
    }

    /// The next price after this one, away from the other side.
    pub(crate) fn next_worse(&self, ladders: &Ladders, side: Side, price: Price) -> Option<Price> {
        let taken = &self.side(side).taken;
        let place = self.place(price);
        let next = match side {
            Side::Buy => taken.below(&ladders.bitmaps, place),
            Side::Sell => taken.above(&ladders.bitmaps, place),
        };
        next.map(|place| self.price(place))
    }

    /// The next price after this one, away from the other side; without one, a price that nothing crosses.
    pub(crate) fn next_or_none_to_cross(
        &self,
        ladders: &Ladders,
        side: Side,
        price: Price,
    ) -> Price {
        let next = self.next_worse(ladders, side, price);
        next.unwrap_or(match side {
            Side::Buy => NO_BID,
            Side::Sell => NO_ASK,
        })
    }

    /// The prices of a side with the lots that can trade there, best first.
    pub(crate) fn levels(
        &self,
        ladders: &Ladders,
        side: Side,
    ) -> impl Iterator<Item = (Price, Qty)> {
        core::iter::successors(self.best(side), move |&price| {
            self.next_worse(ladders, side, price)
        })
        .map(move |price| (price, self.level(ladders, side, price).qty))
    }

    /// The prices of a side with all lots that can trade there, shown or not, best first.
    pub(crate) fn totals(
        &self,
        ladders: &Ladders,
        side: Side,
    ) -> impl Iterator<Item = (Price, Qty)> {
        self.levels(ladders, side)
            .map(move |(price, _)| (price, self.total(ladders, side, price)))
    }

    /// All lots of a side at a price that it has.
    pub(crate) fn total(&self, ladders: &Ladders, side: Side, price: Price) -> Qty {
        let directory = self.side(side).directory;
        ladders.pages.total(directory, self.place(price))
    }

    /// The lots of a side that are shown at a price of the market.
    pub(crate) fn quantity(&self, ladders: &Ladders, side: Side, price: Price) -> Qty {
        let taken = &self.side(side).taken;
        if taken.contains(&ladders.bitmaps, self.place(price)) {
            self.level(ladders, side, price).qty
        } else {
            Qty::ZERO
        }
    }

    /// The orders of a price, first in the queue first.
    pub(crate) fn queue<'a>(
        &self,
        ladders: &Ladders,
        orders: &'a Orders,
        side: Side,
        price: Price,
    ) -> impl Iterator<Item = &'a Order> {
        let head = self.level(ladders, side, price).head;
        core::iter::successors((head != NIL).then(|| &orders[head]), |order| {
            (order.next != NIL).then(|| &orders[order.next])
        })
    }

    /// The slot of the first order in the queue of a side's best price.
    pub(crate) fn first_in_queue(&self, ladders: &Ladders, side: Side, best: Price) -> u32 {
        self.level(ladders, side, best).head
    }

    /// The slot of the last order in the queue of any price, or [`NIL`]; `None` of a price that the market does not have, or
    /// whose page its side does not have.
    pub(crate) fn last_in_queue(&self, ladders: &Ladders, side: Side, price: Price) -> Option<u32> {
        let above = price.0.checked_sub(self.lowest.0)?;
        let place = u32::try_from(above).ok()?;
        let is_there = place < self.price_levels && self.has_page(ladders, side, price);
        is_there.then(|| self.level(ladders, side, price).tail)
    }

    /// Puts an order at the end of the queue of its price. Its side has a page for that, or one is free.
    ///
    /// Whether others stand there makes no branch: nobody could foretell it.
    pub(crate) fn join<const HASHED: bool>(
        &mut self,
        ladders: &mut Ladders,
        orders: &mut Orders<HASHED>,
        slot: u32,
    ) {
        let order = &orders[slot];
        let Order { price, side, .. } = *order;
        let (shown, hidden) = orders.lots(order);
        let place = self.place(price);
        let side_of_book = self.side_mut(side);
        let at = ladders.pages.at_or_new(side_of_book.directory, place);
        let level = ladders.pages.level_mut(at);
        let ahead = level.tail;
        level.tail = slot;
        level.head = select_unpredictable(ahead == NIL, slot, level.head);
        level.qty = level.qty.checked_add(shown).expect(COUNTS);
        if hidden > Qty::ZERO {
            let sum = ladders.pages.hidden_mut(at);
            *sum = sum.checked_add(hidden).expect(COUNTS);
        }
        side_of_book.taken.insert(&mut ladders.bitmaps, place);
        let best = side_of_book.best;
        let (highest, lowest) = (best.max(price), best.min(price));
        side_of_book.best = select_unpredictable(side == Side::Buy, highest, lowest);
        orders.set_next(ahead, slot);
        orders.set_links(slot, ahead, NIL);
    }

    /// Takes lots of a resting order off its level, shown ones and hidden ones; the order itself is the caller's to change.
    pub(crate) fn reduce(
        &self,
        ladders: &mut Ladders,
        side: Side,
        price: Price,
        (shown, hidden): (Qty, Qty),
    ) {
        let at = ladders
            .pages
            .at(self.side(side).directory, self.place(price));
        let level = ladders.pages.level_mut(at);
        level.qty = level.qty.checked_sub(shown).expect(HAS);
        if hidden > Qty::ZERO {
            let sum = ladders.pages.hidden_mut(at);
            *sum = sum.checked_sub(hidden).expect(HAS);
        }
    }

    /// Takes an order out of its queue, with the lots that it still has.
    ///
    /// Where in the queue it stands, and whether it stood alone, makes no branch but for the side's best price.
    pub(crate) fn leave<const HASHED: bool>(
        &mut self,
        ladders: &mut Ladders,
        orders: &mut Orders<HASHED>,
        slot: u32,
    ) {
        let order = &orders[slot];
        let Order {
            price,
            side,
            next,
            prev,
            ..
        } = *order;
        let (shown, hidden) = orders.lots(order);
        let place = self.place(price);
        let BookSide {
            directory, best, ..
        } = *self.side(side);
        let at = ladders.pages.at(directory, place);
        let level = ladders.pages.level_mut(at);
        level.qty = level.qty.checked_sub(shown).expect(HAS);
        level.head = select_unpredictable(prev == NIL, next, level.head);
        level.tail = select_unpredictable(next == NIL, prev, level.tail);
        let is_empty = level.head == NIL;
        if hidden > Qty::ZERO {
            let sum = ladders.pages.hidden_mut(at);
            *sum = sum.checked_sub(hidden).expect(HAS);
        }
        orders.set_next(prev, next);
        orders.set_prev(next, prev);
        if is_empty & (best == price) {
            self.side_mut(side).best = self.next_or_none_to_cross(ladders, side, price);
        }
        let taken = &self.side(side).taken;
        if taken.remove_if(is_empty, &mut ladders.bitmaps, place) {
            ladders.pages.give_back(directory, place);
        }
    }

    /// Checks every price of the ladder against the side's bitmap, its pages and best price.
    pub(crate) fn check_taken(&self, ladders: &Ladders, side: Side) -> Result<(), String> {
        let by_walking: Vec<_> = self.levels(ladders, side).map(|(price, _)| price).collect();
        let taken = &self.side(side).taken;
        let mut by_looking: Vec<_> = (0..self.price_levels)
            .filter(|&place| taken.contains(&ladders.bitmaps, place))
            .map(|place| self.price(place))
            .collect();
        if side == Side::Buy {
            by_looking.reverse();
        }
        if by_walking != by_looking {
            return Err(format!(
                "best and next lead to {by_walking:?}, taken are {by_looking:?}"
            ));
        }
        let in_use: BTreeSet<_> = by_looking.iter().map(|&p| self.place(p) >> 6).collect();
        let has = |&row: &u32| ladders.pages.has(self.side(side).directory, row << 6);
        let have: BTreeSet<_> = (0..self.price_levels.div_ceil(64)).filter(has).collect();
        if in_use != have {
            return Err(format!("pages are {have:?}, in use are {in_use:?}"));
        }
        Ok(())
    }
}
