//! From (session, client order id) to the slot of the live order.
//!
//! Open addressing with linear probing; a removal shifts its successors back, so there are no
//! tombstones and a long life does not slow the table down. An entry is one word: a tag of 32 bits,
//! which is also its home, and the slot; the key itself stands in the slab.
//!
//! Clients count their ids up. So eight ids that differ in the last three bits alone have their homes in one
//! cache line, side by side: which line is hashed, where in it is not. A session's next id is then
//! looked for where the last one was put.

use crate::orders::Orders;
use domain::{ClientOrderId, SessionId};

/// The table. Its layout is no state: it depends on `key`, what it answers does not.
pub(crate) struct ClientIds {
    /// `tag << 32 | slot + 1`, or 0.
    entries: Vec<u64>,
    /// There are two to the power of this many lines.
    line_bits: u32,
    key: u64,
}

/// Where a key that is not in the table would stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vacancy {
    place: usize,
    tag: u64,
}

/// Bits of an id that say where in a line its home is: a line has eight words.
const PLACE_BITS: u32 = 3;
const PLACE_MASK: u64 = (1 << PLACE_BITS) - 1;

impl ClientIds {
    /// Room for `max_orders` entries at a load of at most one half, all of it allocated now.
    /// Clients choose the ids: with a `key` that they do not know they cannot choose ids that
    /// collide.
    pub(crate) fn with_capacity(max_orders: u32, key: u64) -> Self {
        let places = (u64::from(max_orders) * 2)
            .next_power_of_two()
            .max(1 << PLACE_BITS);
        Self {
            entries: vec![0; place(places)],
            line_bits: places.trailing_zeros() - PLACE_BITS,
            key,
        }
    }

    /// The hash of the line, but for its last bits: they are the id's.
    fn tag(&self, session: SessionId, id: ClientOrderId) -> u64 {
        let folded = |a: u64, b: u64| {
            let product = u128::from(a) * u128::from(b);
            low(product) ^ low(product >> 64)
        };
        let mixed = folded(
            (id.0 >> PLACE_BITS) ^ self.key,
            0x9E37_79B9_7F4A_7C15 ^ u64::from(session.0) << 20,
        );
        let mixed = folded(
            mixed ^ self.key.rotate_left(32),
            0xD6E8_FEB8_6659_FD93 ^ u64::from(session.0),
        );
        mixed >> 32 & !PLACE_MASK | id.0 & PLACE_MASK
    }

    /// The home of a tag. The line comes from its upper bits, of which at most 24 are used: genesis
    /// bounds orders to 2^26.
    fn home(&self, tag: u64) -> usize {
        let line = (tag << self.line_bits) >> 32;
        place(line << PLACE_BITS | tag & PLACE_MASK)
    }

    fn after(&self, place: usize) -> usize {
        (place + 1) & (self.entries.len() - 1)
    }

    /// The slot of the session's live order with this client order id; without one, where it would stand.
    pub(crate) fn look_up(
        &self,
        orders: &Orders,
        session: SessionId,
        id: ClientOrderId,
    ) -> Result<u32, Vacancy> {
        let tag = self.tag(session, id);
        let mut place = self.home(tag);
        loop {
            let entry = self.entries[place];
            if entry == 0 {
                return Err(Vacancy { place, tag });
            }
            if tag_of(entry) == tag {
                let slot = slot_of(entry);
                let order = &orders[slot];
                if order.client_order_id == id && order.session == session {
                    return Ok(slot);
                }
            }
            place = self.after(place);
        }
    }

    /// The slot of the session's live order with this client order id.
    pub(crate) fn find(
        &self,
        orders: &Orders,
        session: SessionId,
        id: ClientOrderId,
    ) -> Option<u32> {
        self.look_up(orders, session, id).ok()
    }

    /// Puts an order where its key was looked up in vain. The table has not changed since.
    pub(crate) fn fill(&mut self, vacancy: Vacancy, slot: u32) {
        debug_assert_eq!(self.entries[vacancy.place], 0, "the table has not changed");
        self.entries[vacancy.place] = vacancy.tag << 32 | u64::from(slot + 1);
    }

    /// Removes the order in this slot, which is in the table under this key.
    pub(crate) fn remove(&mut self, session: SessionId, id: ClientOrderId, slot: u32) {
        let tag = self.tag(session, id);
        let entry = tag << 32 | u64::from(slot + 1);
        let mut hole = self.home(tag);
        while self.entries[hole] != entry {
            assert!(self.entries[hole] != 0, "a live order is in the table");
            hole = self.after(hole);
        }
        let mut place = self.after(hole);
        while self.entries[place] != 0 {
            // An entry may move back to the hole unless its home lies behind the hole.
            let mask = self.entries.len() - 1;
            let from_home = place.wrapping_sub(self.home(tag_of(self.entries[place]))) & mask;
            let from_hole = place.wrapping_sub(hole) & mask;
            if from_home >= from_hole {
                self.entries[hole] = self.entries[place];
                hole = place;
            }
            place = self.after(place);
        }
        self.entries[hole] = 0;
    }

    /// How many orders are in the table.
    pub(crate) fn len(&self) -> usize {
        self.entries.iter().filter(|&&entry| entry != 0).count()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
fn low(product: u128) -> u64 {
    product as u64
}

fn tag_of(entry: u64) -> u64 {
    entry >> 32
}

fn place(number: u64) -> usize {
    usize::try_from(number).expect("at most 2^27 places")
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
fn slot_of(entry: u64) -> u32 {
    entry as u32 - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orders::Order;
    use domain::{Flag, MarketId, NewOrder, OrderType, Price, Qty, Side, TimeInForce};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn order(client_order_id: ClientOrderId) -> NewOrder {
        NewOrder {
            client_order_id,
            price: Price(1),
            qty: Qty(1),
            market: MarketId(0),
            side: Side::Buy,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::GoodTillCancel,
            post_only: Flag::No,
        }
    }

    fn insert(
        table: &mut ClientIds,
        orders: &Orders,
        (session, id): (SessionId, ClientOrderId),
        order_id: domain::OrderId,
    ) {
        let vacancy = table.look_up(orders, session, id).expect_err("it is new");
        table.fill(vacancy, order_id.slot());
    }

    /// Two of these keys that have one tag.
    fn collision(
        table: &ClientIds,
        keys: impl Iterator<Item = (SessionId, ClientOrderId)>,
    ) -> [(SessionId, ClientOrderId); 2] {
        let mut seen = BTreeMap::new();
        for (session, id) in keys {
            if let Some(first) = seen.insert(table.tag(session, id), (session, id)) {
                return [first, (session, id)];
            }
        }
        panic!("so many keys have two of one tag");
    }

    #[test]
    fn keys_of_one_tag_are_told_apart() {
        let mut orders = Orders::with_capacity(2);
        let mut table = ClientIds::with_capacity(2, 0);
        let many = 0..400_000;
        let by_session = many.clone().map(|n| (SessionId(n), ClientOrderId(1)));
        let by_id = many.map(|n| (SessionId(1), ClientOrderId(u64::from(n) << PLACE_BITS)));
        for keys in [collision(&table, by_session), collision(&table, by_id)] {
            let ids = keys.map(|(session, id)| {
                assert_eq!(table.find(&orders, session, id), None);
                let order_id = orders.take().expect("two slots");
                orders[order_id.slot()] = Order::new(order_id, session, &order(id));
                insert(&mut table, &orders, (session, id), order_id);
                order_id
            });
            for ((session, id), order_id) in keys.into_iter().zip(ids) {
                assert_eq!(table.find(&orders, session, id), Some(order_id.slot()));
            }
            for ((session, id), order_id) in keys.into_iter().zip(ids) {
                table.remove(session, id, order_id.slot());
                orders.give_back(order_id);
                assert_eq!(table.find(&orders, session, id), None);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// A table of 8, 16 or 32 places is so small that most keys collide and runs wrap around.
        #[test]
        fn the_table_is_a_map(
            max_orders in prop::sample::select(vec![1_u32, 3, 4, 16]),
            key in any::<u64>(),
            steps in prop::collection::vec((0..3_u32, 1..12_u64), 1..300),
        ) {
            let mut orders = Orders::with_capacity(max_orders);
            let mut table = ClientIds::with_capacity(max_orders, key);
            let mut model = BTreeMap::new();
            for (session, client) in steps {
                let (session, id) = (SessionId(session), ClientOrderId(client));
                if let Some(order_id) = model.remove(&(session, id)) {
                    table.remove(session, id, domain::OrderId::slot(order_id));
                    orders.give_back(order_id);
                } else if let Some(order_id) = orders.take() {
                    orders[order_id.slot()] = Order::new(order_id, session, &order(id));
                    insert(&mut table, &orders, (session, id), order_id);
                    model.insert((session, id), order_id);
                }
                prop_assert_eq!(table.len(), model.len());
                for session in (0..3).map(SessionId) {
                    for id in (1..12).map(ClientOrderId) {
                        let expected = model.get(&(session, id)).map(|order_id| order_id.slot());
                        prop_assert_eq!(table.find(&orders, session, id), expected);
                    }
                }
            }
        }
    }
}
