//! The books of markets alone: ladders, queues and the slab of orders, as the engine has them, without accounts, funds,
//! numbers and reports. For measuring what matching costs by itself.

use crate::book::{Book, Ladders, crosses};
use crate::market::limit_of;
use crate::orders::{Order, Orders};
use domain::{ClientOrderId, MarketId, OrderId, Price, Qty, SessionId, Side};

/// Books of several markets, and all their orders.
pub struct Books {
    orders: Orders<false>,
    ladders: Ladders,
    books: Vec<Book>,
}

/// An order that arrives, or is taken out to arrive again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arriving {
    /// Under which it rests.
    pub id: OrderId,
    /// Its owner's id for it.
    pub client_order_id: ClientOrderId,
    /// Whose.
    pub session: SessionId,
    /// Where.
    pub market: MarketId,
    /// Buy or sell.
    pub side: Side,
    /// Ticks; 0: any.
    pub price: Price,
    /// Lots that can trade.
    pub qty: Qty,
}

/// A trade with an order that rested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// The engine's id of the order that rested.
    pub id: OrderId,
    /// Its owner's id for it.
    pub client_order_id: ClientOrderId,
    /// Whose.
    pub session: SessionId,
    /// Ticks.
    pub price: Price,
    /// Lots.
    pub qty: Qty,
}

impl Books {
    /// Without markets; room for so much, all of it allocated now.
    #[must_use]
    pub fn with_capacity(
        max_markets: u32,
        max_orders: u32,
        max_levels: u32,
        max_pages: u32,
    ) -> Self {
        Self {
            orders: Orders::with_capacity(max_orders),
            ladders: Ladders::with_capacity(max_markets, max_levels, max_pages),
            books: Vec::with_capacity(max_markets as usize),
        }
    }

    /// Makes the next market, of so many prices from `lowest` up. `None` without room for them.
    pub fn open(&mut self, lowest: Price, prices: u32) -> Option<MarketId> {
        let market = u32::try_from(self.books.len()).ok()?;
        if prices > self.ladders.free() {
            return None;
        }
        self.books
            .push(Book::new(&mut self.ladders, lowest, prices));
        Some(MarketId(market))
    }

    /// The id of an order that is about to arrive: it has a slot. `None` without one.
    #[inline]
    pub fn admit(&mut self) -> Option<OrderId> {
        self.orders.take()
    }

    /// An order that was admitted does not rest.
    #[inline]
    pub fn dismiss(&mut self, id: OrderId) {
        self.orders.dismiss(id);
    }

    /// Whether an order would trade on arrival.
    #[inline]
    #[must_use]
    pub fn crosses(&self, market: MarketId, side: Side, price: Price) -> bool {
        let best = self.books[market.0 as usize].best_or_none_to_cross(side.opposite());
        crosses(side, limit_of(side, price), best)
    }

    /// Whether all of an order would trade on arrival.
    #[must_use]
    pub fn fills(&self, arriving: &Arriving) -> bool {
        let limit = limit_of(arriving.side, arriving.price);
        let mut missing = arriving.qty;
        let book = &self.books[arriving.market.0 as usize];
        for (price, qty) in book.totals(&self.ladders, arriving.side.opposite()) {
            if missing == Qty::ZERO || !crosses(arriving.side, limit, price) {
                break;
            }
            missing = Qty(missing.0.saturating_sub(qty.0));
        }
        missing == Qty::ZERO
    }

    /// Trades an arriving order with whatever crosses, first come first, and tells of each trade. The lots that are left.
    #[inline]
    pub fn sweep(&mut self, arriving: &Arriving, mut tell: impl FnMut(&Fill)) -> Qty {
        let (side, limit) = (arriving.side, limit_of(arriving.side, arriving.price));
        let book = &mut self.books[arriving.market.0 as usize];
        let mut left = arriving.qty;
        loop {
            let best = book.best_or_none_to_cross(side.opposite());
            if left == Qty::ZERO || !crosses(side, limit, best) {
                return left;
            }
            let slot = book.first_in_queue(&self.ladders, side.opposite(), best);
            let maker = &mut self.orders[slot];
            let qty = left.min(maker.leaves);
            tell(&Fill {
                id: maker.id,
                client_order_id: maker.client_order_id,
                session: maker.session,
                price: best,
                qty,
            });
            left = Qty(left.0 - qty.0);
            if qty == maker.leaves {
                let id = maker.id;
                book.leave(&mut self.ladders, &mut self.orders, slot);
                self.orders.give_back(id);
            } else {
                maker.leaves = Qty(maker.leaves.0 - qty.0);
                maker.filled = Qty(maker.filled.0 + qty.0);
                let lots = (qty, Qty::ZERO);
                book.reduce(&mut self.ladders, side.opposite(), best, lots);
            }
        }
    }

    /// Lets an order rest that was admitted, or taken out, at the end of the queue of its price.
    #[inline]
    pub fn rest(&mut self, arriving: &Arriving, qty: Qty) {
        let slot = arriving.id.slot();
        self.orders[slot] = Order::plain(
            arriving.id,
            (arriving.session, arriving.client_order_id),
            (arriving.market, arriving.side),
            (arriving.price, qty),
        );
        let book = &mut self.books[arriving.market.0 as usize];
        book.join(&mut self.ladders, &mut self.orders, slot);
    }

    /// Reads the memory of an order that is named further on, so that it is near by then. Something that depends on it.
    #[inline]
    #[must_use]
    pub fn touch(&self, id: OrderId) -> u32 {
        let [prev, next] = self.orders.neighbours(id.slot());
        prev ^ next
    }

    /// The same of those that stand beside it, when it is near itself.
    #[inline]
    #[must_use]
    pub fn touch_neighbours(&self, id: OrderId) -> u32 {
        let [prev, next] = self.orders.neighbours(id.slot());
        let of = |slot| {
            let [prev, next] = self.orders.neighbours(slot);
            prev ^ next
        };
        of(prev) ^ of(next)
    }

    /// Cancels an order. `None` if no order of this id rests.
    #[inline]
    pub fn cancel(&mut self, id: OrderId) -> Option<Arriving> {
        let gone = self.take_out(id)?;
        self.orders.give_back(id);
        Some(gone)
    }

    /// Takes an order out of its queue. It keeps its slot: it is to rest again, or to be dismissed. `None` if no order
    /// of this id rests.
    #[inline]
    pub fn take_out(&mut self, id: OrderId) -> Option<Arriving> {
        let slot = self.orders.find(id)?;
        let order = &self.orders[slot];
        let arriving = Arriving {
            id,
            client_order_id: order.client_order_id,
            session: order.session,
            market: order.market(),
            side: order.side,
            price: order.price,
            qty: order.leaves,
        };
        let book = &mut self.books[arriving.market.0 as usize];
        book.leave(&mut self.ladders, &mut self.orders, slot);
        Some(arriving)
    }
}
