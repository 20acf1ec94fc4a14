//! The order slab: one cache line per live order, found by the slot in its id.

use core::ops::{Index, IndexMut};
use domain::{ClientOrderId, Flag, MarketId, OrderId, Price, Qty, Seq, SessionId, Side};

/// No slot: the end of a queue.
pub(crate) const NIL: u32 = u32::MAX;

/// A live order, or an empty slot (its id is none).
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    pub(crate) price: Price,
    pub(crate) leaves: Qty,
    /// The order behind in the queue of the price, or [`NIL`].
    pub(crate) next: u32,
    /// The order ahead in the queue of the price, or [`NIL`].
    pub(crate) prev: u32,
    pub(crate) session: SessionId,
    market: u16,
    pub(crate) side: Side,
    pub(crate) post_only: Flag,
    pub(crate) filled: Qty,
    pub(crate) client_order_id: ClientOrderId,
    /// Seq of the frame in which it joined its queue; 0 while it sweeps.
    pub(crate) priority: Seq,
}

const _: () = assert!(
    size_of::<Order>() == 64,
    "an order is exactly one cache line"
);

impl Order {
    const EMPTY: Self = Self {
        id: OrderId::NONE,
        price: Price(0),
        leaves: Qty::ZERO,
        next: NIL,
        prev: NIL,
        session: SessionId(0),
        market: 0,
        side: Side::Buy,
        post_only: Flag::No,
        filled: Qty::ZERO,
        client_order_id: ClientOrderId(0),
        priority: Seq(0),
    };

    /// An order that is in no queue.
    pub(crate) fn new(id: OrderId, session: SessionId, command: &domain::NewOrder) -> Self {
        Self {
            id,
            price: command.price,
            leaves: command.qty,
            session,
            market: u16::try_from(command.market.0).expect("genesis bounds markets to 2^16"),
            side: command.side,
            post_only: command.post_only,
            client_order_id: command.client_order_id,
            ..Self::EMPTY
        }
    }

    pub(crate) fn market_number(&self) -> u16 {
        self.market
    }

    pub(crate) fn market(&self) -> MarketId {
        MarketId(u32::from(self.market))
    }
}

/// All slots, and the stack of the ids that used slots will give out.
///
/// The stack is state: which slot an order gets decides its id, so replicas must agree on it.
pub(crate) struct Orders {
    slots: Vec<Order>,
    free: Vec<OrderId>,
    next_fresh: u32,
    live: u32,
}

impl Orders {
    /// Room for this many orders, all of it allocated now.
    pub(crate) fn with_capacity(max_orders: u32) -> Self {
        Self {
            slots: vec![Order::EMPTY; max_orders as usize],
            free: Vec::with_capacity(max_orders as usize),
            next_fresh: 0,
            live: 0,
        }
    }

    /// Whether no slot is left.
    pub(crate) fn is_full(&self) -> bool {
        self.free.is_empty() && self.next_fresh as usize == self.slots.len()
    }

    /// Takes a slot: the id of the order to be put there, or `None` if there is none left.
    pub(crate) fn take(&mut self) -> Option<OrderId> {
        if self.is_full() {
            return None;
        }
        self.live += 1;
        Some(self.free.pop().unwrap_or_else(|| {
            let id = OrderId::first(self.next_fresh);
            self.next_fresh += 1;
            id
        }))
    }

    /// Gives back the slot of an order that is done. A slot whose generations are used up is
    /// never used again.
    pub(crate) fn give_back(&mut self, id: OrderId) {
        debug_assert_eq!(self[id.slot()].id, id, "only a live order is given back");
        self[id.slot()].id = OrderId::NONE;
        self.live -= 1;
        if let Some(successor) = id.successor() {
            self.free.push(successor);
        }
    }

    /// The slot of the live order with exactly this id.
    pub(crate) fn find(&self, id: OrderId) -> Option<u32> {
        let slot = id.slot();
        let order = self.slots.get(slot as usize)?;
        (order.id == id && id != OrderId::NONE).then_some(slot)
    }

    /// Slots as they were: none is live yet. The caller has checked that `free` names slots below
    /// `next_fresh`, each once, and that there are so many slots.
    pub(crate) fn restore(&mut self, next_fresh: u32, free: impl Iterator<Item = OrderId>) {
        self.next_fresh = next_fresh;
        self.free.extend(free);
    }

    /// Puts an order into its slot, which is used and empty.
    pub(crate) fn put_back(&mut self, order: Order) {
        self[order.id.slot()] = order;
        self.live += 1;
    }

    /// Slots that were never taken start here.
    pub(crate) fn next_fresh(&self) -> u32 {
        self.next_fresh
    }

    /// How many orders live.
    pub(crate) fn live(&self) -> usize {
        self.live as usize
    }

    /// The ids that used slots will give out, bottom of the stack first.
    pub(crate) fn free_ids(&self) -> &[OrderId] {
        &self.free
    }

    /// All live orders, by slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Order> {
        self.slots[..self.next_fresh as usize]
            .iter()
            .filter(|order| order.id != OrderId::NONE)
    }

    #[cfg(test)]
    pub(crate) fn push_free(&mut self, id: OrderId) {
        self.free.push(id);
    }
}

impl Index<u32> for Orders {
    type Output = Order;
    fn index(&self, slot: u32) -> &Order {
        &self.slots[slot as usize]
    }
}

impl IndexMut<u32> for Orders {
    fn index_mut(&mut self, slot: u32) -> &mut Order {
        &mut self.slots[slot as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(orders: &mut Orders) -> OrderId {
        let id = orders.take().expect("a slot is left");
        orders[id.slot()].id = id;
        id
    }

    #[test]
    fn the_last_slot_given_back_is_the_first_taken_with_a_new_generation() {
        let mut orders = Orders::with_capacity(3);
        let ids = [live(&mut orders), live(&mut orders), live(&mut orders)];
        assert_eq!(ids.map(OrderId::slot), [0, 1, 2]);
        assert_eq!(orders.take(), None);
        orders.give_back(ids[0]);
        orders.give_back(ids[2]);
        assert_eq!(orders.live(), 1);
        assert_eq!(Some(live(&mut orders)), ids[2].successor());
        assert_eq!(Some(live(&mut orders)), ids[0].successor());
        assert!(orders.is_full());
    }

    #[test]
    fn an_id_finds_only_its_own_generation() {
        let mut orders = Orders::with_capacity(1);
        let first = live(&mut orders);
        assert_eq!(orders.find(first), Some(0));
        orders.give_back(first);
        assert_eq!(orders.find(first), None);
        let second = live(&mut orders);
        assert_eq!(orders.find(first), None);
        assert_eq!(orders.find(second), Some(0));
        assert_eq!(orders.find(OrderId::NONE), None);
        assert_eq!(orders.find(OrderId(u64::MAX)), None);
    }

    #[test]
    fn a_slot_without_generations_left_is_never_used_again() {
        let mut orders = Orders::with_capacity(1);
        let last = OrderId(!u64::from(OrderId::MAX_SLOTS - 1));
        assert_eq!((last.slot(), last.successor()), (0, None));
        orders.next_fresh = 1;
        orders.push_free(last);
        assert_eq!(live(&mut orders), last);
        orders.give_back(last);
        assert!(orders.is_full());
        assert_eq!(orders.take(), None);
        assert_eq!(orders.find(OrderId::NONE), None);
    }
}
