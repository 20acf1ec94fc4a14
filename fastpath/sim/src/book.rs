//! Live orders, their slots, and the books that they make up.

use crate::{
    Mutant, NaiveEngine,
    naive::{Order, SWEEPING},
};
use domain::{MarketId, OrderId, Price, Seq, SessionId, Side};

impl Order {
    pub(crate) fn is_resting(&self) -> bool {
        self.priority != SWEEPING
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
                u64::MAX - order.priority.0
            } else {
                order.priority.0
            };
            (price, priority)
        });
        book
    }

    /// The opposite orders that an order of `side` with limit `price` (0: any price) trades with,
    /// in the order in which it would.
    pub(crate) fn opposite(&self, market: MarketId, side: Side, price: Price) -> Vec<Order> {
        let mut book = self.book(market, side.opposite());
        book.retain(|order| crosses(side, price, order.price));
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

    pub(crate) fn order_mut(&mut self, id: OrderId) -> &mut Order {
        self.orders
            .iter_mut()
            .find(|order| order.id == id)
            .expect("asked for live orders only")
    }

    /// The order joins the queue of its price.
    pub(crate) fn rest(&mut self, id: OrderId, seq: Seq) {
        self.order_mut(id).priority = seq;
    }

    pub(crate) fn has_slot(&self) -> bool {
        let capacity = self.capacities.map_or(0, |genesis| genesis.max_orders);
        !self.free_slots.is_empty() || self.next_fresh_slot < capacity
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
        self.orders.retain(|order| order.id != id);
        self.free_slots.extend(id.successor());
    }

    /// The live order that a cancel or amend of `session` names.
    pub(crate) fn target(
        &self,
        session: SessionId,
        order_id: OrderId,
        client_order_id: domain::ClientOrderId,
    ) -> Option<Order> {
        let anyone = self.is(Mutant::CancelAnyonesOrder);
        self.orders.iter().copied().find(|order| {
            if order_id == OrderId::NONE {
                order.session == session && order.client_order_id == client_order_id
            } else {
                order.id == order_id && (order.session == session || anyone)
            }
        })
    }
}
