//! Live orders, their slots, and the books that they make up.

use crate::{
    Mutant, NaiveEngine,
    naive::{NOWHERE, Order},
};
use domain::{Effects, MarketId, OrderId, Price, Qty, SessionId, Side};
use std::collections::BTreeSet;

/// A market, a side of it, and a price.
type PlaceOfOrder = (MarketId, Side, Price);
/// A market, a side of it, and which 64 of its prices.
type Page = (MarketId, Side, i64);

impl Order {
    pub(crate) fn is_resting(&self) -> bool {
        self.priority != NOWHERE
    }

    /// Lots that the book shows.
    pub(crate) fn shown(&self) -> Qty {
        Qty(self.leaves.0 - self.hidden.0)
    }
}

/// Whether an order of `side` with limit `price` (0: any price) trades with an opposite order at
/// `opposite`.
fn crosses(side: Side, price: Price, opposite: Price) -> bool {
    price == Price(0)
        || match side {
            Side::Buy => opposite <= price,
            Side::Sell => opposite >= price,
        }
}

impl NaiveEngine {
    /// The resting orders of one side of a market, best price first, then first come first.
    pub(crate) fn book(&self, market: MarketId, side: Side) -> Vec<Order> {
        let mut book: Vec<Order> = self
            .orders
            .iter()
            .filter(|order| order.market == market && order.side == side && order.is_resting())
            .copied()
            .collect();
        let last_in_first_out = self.is(Mutant::LastInFirstOut);
        book.sort_by_key(|order| {
            let price = match side {
                Side::Buy => -order.price.0,
                Side::Sell => order.price.0,
            };
            let priority = if last_in_first_out {
                u64::MAX - order.priority
            } else {
                order.priority
            };
            (price, priority)
        });
        book
    }

    /// The opposite orders that an order of `side` with limit `price` (0: any price) trades with,
    /// in the order in which it would. In a call there are none.
    pub(crate) fn opposite(&self, market: MarketId, side: Side, price: Price) -> Vec<Order> {
        let mut book = self.book(market, side.opposite());
        let is_call = self.is_in_call(market);
        book.retain(|order| !is_call && crosses(side, price, order.price));
        book
    }

    /// Whether a post-only order would trade on arrival.
    pub(crate) fn would_trade(&self, market: MarketId, side: Side, price: Price) -> bool {
        let opposite = self.opposite(market, side, price);
        if self.is(Mutant::PostOnlyMayLock) {
            opposite.iter().any(|order| order.price != price)
        } else {
            !opposite.is_empty()
        }
    }

    pub(crate) fn order(&self, id: OrderId) -> Option<Order> {
        self.orders.iter().find(|order| order.id == id).copied()
    }

    /// The live order of the same session that was entered next before this one.
    pub(crate) fn older(&self, order: &Order) -> Option<OrderId> {
        let before = self.orders.iter().take_while(|other| other.id != order.id);
        let own = before.filter(|other| other.session == order.session);
        own.last().map(|older| older.id)
    }

    /// The live order of a session that was entered last.
    pub(crate) fn newest(&self, session: SessionId) -> Option<OrderId> {
        let newest_first = self.orders.iter().rev();
        let mut own = newest_first.filter(|order| order.session == session);
        own.next().map(|newest| newest.id)
    }

    pub(crate) fn order_mut(&mut self, id: OrderId) -> &mut Order {
        self.orders
            .iter_mut()
            .find(|order| order.id == id)
            .expect("asked for live orders only")
    }

    /// The order joins the queue of its price, as the next public event says.
    pub(crate) fn rest(&mut self, id: OrderId) -> Order {
        let (next, all_is_shown) = (self.next_feed_no, self.is(Mutant::IcebergsShowAll));
        let order = self.order_mut(id);
        order.priority = next;
        order.hidden = if order.display == Qty::ZERO || all_is_shown {
            Qty::ZERO
        } else {
            Qty(order.leaves.0.saturating_sub(order.display.0))
        };
        *order
    }

    /// An order that rested has traded: it ends without lots, and shows more of them if none is shown. Whether it does.
    pub(crate) fn settle_maker(&mut self, id: OrderId, out: &mut Effects) -> bool {
        let order = *self.order_mut(id);
        if order.leaves == Qty::ZERO {
            self.remove(id);
            return false;
        }
        if order.shown() > Qty::ZERO {
            return false;
        }
        let mut again = self.rest(id);
        if self.is(Mutant::IcebergsKeepTheirPlace) {
            again.priority = order.priority;
            *self.order_mut(id) = again;
        }
        self.publish_add(&again, out);
        true
    }

    /// The page of 64 prices that a price of a market stands in.
    pub(crate) fn page_of(&self, (market, side, price): PlaceOfOrder) -> Page {
        let lowest = self.markets[&market].terms.price_min;
        let offset = if self.is(Mutant::PagesBeginAtZero) {
            price.0
        } else {
            price.0 - lowest.0
        };
        (market, side, offset / 64)
    }

    /// Those in which an order rests.
    pub(crate) fn pages_in_use(&self) -> BTreeSet<Page> {
        let resting = self.orders.iter().filter(|order| order.is_resting());
        resting
            .map(|order| self.page_of((order.market, order.side, order.price)))
            .collect()
    }

    pub(crate) fn max_pages(&self) -> usize {
        self.capacities.map_or(0, |genesis| genesis.max_pages) as usize
    }

    /// Whether an order may come to rest there.
    pub(crate) fn has_page(&self, place: PlaceOfOrder) -> bool {
        let pages = self.pages_in_use();
        pages.contains(&self.page_of(place)) || pages.len() < self.max_pages()
    }

    pub(crate) fn has_slot(&self) -> bool {
        self.slots_left() > 0
    }

    /// How many more orders there can be.
    pub(crate) fn slots_left(&self) -> usize {
        let capacity = self.capacities.map_or(0, |genesis| genesis.max_orders);
        self.free_slots.len() + capacity.saturating_sub(self.next_fresh_slot) as usize
    }

    /// The id of a new order. Only if [`Self::has_slot`].
    pub(crate) fn take_slot(&mut self) -> OrderId {
        if self.is(Mutant::SlotsFirstInFirstOut) && !self.free_slots.is_empty() {
            return self.free_slots.remove(0);
        }
        self.free_slots.pop().unwrap_or_else(|| {
            let slot = self.next_fresh_slot;
            self.next_fresh_slot += 1;
            OrderId::first(slot)
        })
    }

    /// The order ends: its slot and its client order id are free again, and what it held is too.
    pub(crate) fn remove(&mut self, id: OrderId) {
        let order = *self.order_mut(id);
        self.orders.retain(|order| order.id != id);
        self.free_slots.extend(id.successor());
        self.forget_reach(order.market);
    }

    /// The live order that a cancel or amend of `session` names. A quote has no name of its own.
    pub(crate) fn target(
        &self,
        session: SessionId,
        order_id: OrderId,
        client_order_id: domain::ClientOrderId,
    ) -> Option<Order> {
        let anyone = self.is(Mutant::CancelAnyonesOrder);
        let quotes_too = self.is(Mutant::QuotesHaveNames);
        self.orders.iter().copied().find(|order| {
            if order_id == OrderId::NONE {
                let named = !order.quote || quotes_too;
                named && order.session == session && order.client_order_id == client_order_id
            } else {
                order.id == order_id && (order.session == session || anyone)
            }
        })
    }
}
