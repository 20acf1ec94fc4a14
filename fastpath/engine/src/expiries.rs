//! Orders that end at a time: a heap with the next one on top.

use crate::engine::{Engine, Work};
use crate::hash::record;
use crate::orders::{NIL, Order};
use domain::{Effects, MAX_CANCELS, Nanos, OrderId, Reason, Tag};

/// When an order ends. Of two that end at the same time the one with the lower id is first.
type Expiry = (Nanos, OrderId);

/// A binary heap, and where in it each order stands, so that one that is cancelled can be taken out.
pub(crate) struct Expiries {
    heap: Vec<Expiry>,
    /// By slot; [`NIL`] of an order that is not there.
    places: Vec<u32>,
    /// The sum of the hashes of all.
    hash: u64,
}

fn hash_of_expiry((time, id): Expiry) -> u64 {
    record(Tag::Expiry, [u64::from(id.slot()), time.0])
}

impl Expiries {
    /// Room for all orders, allocated now.
    pub(crate) fn with_capacity(max_orders: u32) -> Self {
        Self {
            heap: Vec::with_capacity(max_orders as usize),
            places: vec![NIL; max_orders as usize],
            hash: 0,
        }
    }

    /// The next to end.
    pub(crate) fn first(&self) -> Option<Expiry> {
        self.heap.first().copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// The sum of the hashes of all.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// The same, of all of them anew.
    pub(crate) fn hash_anew(&self) -> u64 {
        let hashes = self.heap.iter().map(|&expiry| hash_of_expiry(expiry));
        hashes.fold(0, u64::wrapping_add)
    }

    /// When the order in a slot ends, if it does.
    pub(crate) fn end(&self, slot: u32) -> Option<Nanos> {
        let place = self.places[slot as usize];
        (place != NIL).then(|| self.heap[place as usize].0)
    }

    /// Adds an order that is not there.
    pub(crate) fn insert(&mut self, time: Nanos, id: OrderId) {
        self.hash = self.hash.wrapping_add(hash_of_expiry((time, id)));
        self.heap.push((time, id));
        self.rise(self.heap.len() - 1);
    }

    /// Takes out an order that is there.
    pub(crate) fn remove(&mut self, slot: u32) {
        let place = self.places[slot as usize] as usize;
        self.places[slot as usize] = NIL;
        let gone = self.heap.swap_remove(place);
        self.hash = self.hash.wrapping_sub(hash_of_expiry(gone));
        if place < self.heap.len() {
            self.rise(place);
            self.sink(self.places[self.heap[place].1.slot() as usize] as usize);
        }
    }

    fn put(&mut self, place: usize, expiry: Expiry) {
        self.heap[place] = expiry;
        self.places[expiry.1.slot() as usize] =
            u32::try_from(place).expect("genesis bounds orders to 2^26");
    }

    /// Moves the entry at a place up until what is above is earlier.
    fn rise(&mut self, mut place: usize) {
        let expiry = self.heap[place];
        while place > 0 {
            let above = (place - 1) / 2;
            if self.heap[above] <= expiry {
                break;
            }
            self.put(place, self.heap[above]);
            place = above;
        }
        self.put(place, expiry);
    }

    /// Moves the entry at a place down until what is below is later.
    fn sink(&mut self, mut place: usize) {
        let expiry = self.heap[place];
        loop {
            let left = 2 * place + 1;
            let below = [left, left + 1]
                .into_iter()
                .filter(|&below| below < self.heap.len())
                .min_by_key(|&below| self.heap[below]);
            match below {
                Some(below) if self.heap[below] < expiry => {
                    self.put(place, self.heap[below]);
                    place = below;
                }
                _ => break,
            }
        }
        self.put(place, expiry);
    }
}

impl Engine {
    /// When an order ends; 0: it does not.
    pub(crate) fn end_of(&self, order: &Order) -> Nanos {
        if !order.instructions.has_extras() {
            return Nanos(0);
        }
        self.expiries.end(order.id.slot()).unwrap_or(Nanos(0))
    }

    /// Sees to it that an order ends when it is to.
    #[inline]
    pub(crate) fn note_end(&mut self, order: &Order, expires: Nanos) {
        if expires != Nanos(0) {
            self.expiries.insert(expires, order.id);
        }
        if order.instructions.until_close() {
            self.orders_until_close(order, |count| count + 1);
        }
    }

    /// An order is done.
    #[inline]
    pub(crate) fn forget_end(&mut self, order: &Order) {
        if self.end_of(order) != Nanos(0) {
            self.expiries.remove(order.id.slot());
        }
        if order.instructions.until_close() {
            self.orders_until_close(order, |count| count - 1);
        }
    }

    fn orders_until_close(&mut self, order: &Order, change: impl Fn(u32) -> u32) {
        let until_close = self.markets.loose(order.market().0).until_close;
        *until_close = change(*until_close);
    }

    /// Cancels orders whose time has come, as far as the frame has room. What is left stays pending.
    pub(crate) fn expire(&mut self, out: &mut Effects) {
        for _ in 0..MAX_CANCELS {
            let Some(id) = self.next_expired() else {
                return;
            };
            self.cancel_resting(id.slot(), Reason::Expired, out);
        }
        self.work = self.next_expired().map(|_| Work::Expiring);
    }

    /// The next order whose time has come.
    pub(crate) fn next_expired(&self) -> Option<OrderId> {
        let (time, id) = self.expiries.first()?;
        (time <= self.now).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn the_earliest_is_first_whatever_comes_and_goes(
            steps in prop::collection::vec((0..16_u32, 0..8_u64, any::<bool>()), 0..200),
        ) {
            let mut expiries = Expiries::with_capacity(16);
            let mut model = BTreeSet::new();
            for (slot, time, comes) in steps {
                let there = model.iter().copied().find(|&(_, id): &Expiry| id.slot() == slot);
                match there {
                    None if comes => {
                        expiries.insert(Nanos(time), OrderId::first(slot));
                        model.insert((Nanos(time), OrderId::first(slot)));
                    }
                    Some(expiry) if !comes => {
                        expiries.remove(slot);
                        model.remove(&expiry);
                    }
                    _ => {}
                }
                prop_assert_eq!(expiries.first(), model.first().copied());
                prop_assert_eq!(expiries.len(), model.len());
                for slot in 0..16 {
                    let end = model.iter().find(|(_, id)| id.slot() == slot);
                    prop_assert_eq!(expiries.end(slot), end.map(|&(time, _)| time));
                }
            }
        }
    }
}
