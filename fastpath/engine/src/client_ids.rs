//! From (session, client order id) to the slot of the live order.
//!
//! Open addressing with linear probing; a removal shifts its successors back, so there are no
//! tombstones and a long life does not slow the table down. An entry is one word: a tag of 32 bits,
//! which is also its home, and the slot; the key itself stands in the slab.
//!
//! Clients count their ids up. So eight ids that differ in the last three bits alone have their homes in one
//! cache line, side by side: which line is hashed, where in it is not. A session's next id is then
//! looked for where the last one was put.
//!
//! A shard has room for millions of orders and mostly a few thousand live ones: spread over room for all, each would lie on
//! a line of its own, far from every cache. So there is a table of every size, and the one in use is at most half and,
//! but for the smallest, at least a sixteenth full. When another takes its place, entries move over run by run, a few
//! with each change. A run (entries without a gap) moves whole, so that what is left can still be found by probing.

use crate::orders::Orders;
use domain::{ClientOrderId, SessionId};

/// The map. Where entries lie is no state: it depends on `key`, what it answers does not.
pub(crate) struct ClientIds {
    /// The tables of all sizes, the smallest first. A place holds `tag << 32 | slot + 1`, or 0.
    words: Vec<u64>,
    /// The size of the largest.
    most_bits: u32,
    /// Takes new entries.
    current: Table,
    /// What is left of the one before.
    moving: Option<Moving>,
    live: usize,
    /// From `least` to `most` of them nothing is to be done about the size.
    least: usize,
    most: usize,
    key: u64,
}

/// One size: two to the power of `line_bits` lines.
#[derive(Clone, Copy)]
struct Table {
    line_bits: u32,
    /// Where its places begin, at a multiple of their number: behind those of all smaller ones.
    start: usize,
    /// One less than it has places.
    mask: usize,
}

/// A table that is being left.
#[derive(Clone, Copy)]
struct Moving {
    from: Table,
    /// The place to be looked at next, and how many are left. Before it is a gap.
    next: usize,
    left: usize,
}

/// Where a key that is not in the map would stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vacancy {
    place: usize,
    tag: u64,
}

/// Bits of an id that say where in a line its home is: a line has eight words.
const PLACE_BITS: u32 = 3;
const PLACE_MASK: u64 = (1 << PLACE_BITS) - 1;
/// Places that one change looks at while entries move, to the end of the run that it is in. A table is left long before
/// the next is full, or nearly empty.
const STEP: usize = 32;

impl Table {
    fn new(line_bits: u32) -> Self {
        let places = 1 << (line_bits + PLACE_BITS);
        Self {
            line_bits,
            // The smaller ones have together as many places but for one line, which is left free.
            start: places,
            mask: places - 1,
        }
    }

    /// The home of a tag. The line comes from its upper bits, of which at most 24 are used: genesis
    /// bounds orders to 2^26.
    #[inline]
    fn home(self, tag: u64) -> usize {
        let line = (tag << self.line_bits) >> 32;
        place(line << PLACE_BITS | tag & PLACE_MASK)
    }

    #[inline]
    fn after(self, place: usize) -> usize {
        place.wrapping_add(1) & self.mask
    }

    /// The place of the entry that `is_meant`, or the gap at which the search for it ends.
    #[inline]
    fn probe(
        self,
        words: &[u64],
        tag: u64,
        mut is_meant: impl FnMut(u64) -> bool,
    ) -> Result<usize, usize> {
        let mut place = self.home(tag);
        loop {
            let entry = words[self.start | place];
            if entry == 0 {
                return Err(place);
            }
            if tag_of(entry) == tag && is_meant(entry) {
                return Ok(place);
            }
            place = self.after(place);
        }
    }

    /// Puts an entry that is in no table into the first gap from its home on.
    fn insert(self, words: &mut [u64], entry: u64) {
        let mut place = self.home(tag_of(entry));
        while words[self.start | place] != 0 {
            place = self.after(place);
        }
        words[self.start | place] = entry;
    }

    /// Empties a place and closes the gap that this leaves in its run.
    fn remove(self, words: &mut [u64], mut hole: usize) {
        let mut place = self.after(hole);
        loop {
            let entry = words[self.start | place];
            if entry == 0 {
                break;
            }
            // An entry may move back to the hole unless its home lies behind the hole.
            let from_home = place.wrapping_sub(self.home(tag_of(entry))) & self.mask;
            let from_hole = place.wrapping_sub(hole) & self.mask;
            if from_home >= from_hole {
                words[self.start | hole] = entry;
                hole = place;
            }
            place = self.after(place);
        }
        words[self.start | hole] = 0;
    }
}

impl ClientIds {
    /// Room for `max_orders` entries, all of it allocated now. Clients choose the ids: with a `key` that they
    /// do not know they cannot choose ids that collide.
    pub(crate) fn with_capacity(max_orders: u32, key: u64) -> Self {
        let places = (u64::from(max_orders) * 2)
            .next_power_of_two()
            .max(1 << PLACE_BITS);
        let mut map = Self {
            words: vec![0; place(2 * places)],
            most_bits: places.trailing_zeros() - PLACE_BITS,
            current: Table::new(0),
            moving: None,
            live: 0,
            least: 0,
            most: 0,
            key,
        };
        map.settle();
        map
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

    /// The slot of the session's live order with this client order id; without one, where it would stand.
    pub(crate) fn look_up(
        &self,
        orders: &Orders,
        session: SessionId,
        id: ClientOrderId,
    ) -> Result<u32, Vacancy> {
        let tag = self.tag(session, id);
        let mut found = 0;
        let mut is_meant = |entry| {
            found = slot_of(entry);
            let order = &orders[found];
            order.client_order_id == id && order.session == session
        };
        let Err(place) = self.current.probe(&self.words, tag, &mut is_meant) else {
            return Ok(found);
        };
        if let Some(moving) = &self.moving
            && moving.from.probe(&self.words, tag, is_meant).is_ok()
        {
            return Ok(found);
        }
        Err(Vacancy { place, tag })
    }

    /// Reads where the search for a key begins, only so that it is near when it is needed.
    pub(crate) fn touch(&self, session: SessionId, id: ClientOrderId) -> u64 {
        let table = self.current;
        self.words[table.start | table.home(self.tag(session, id))]
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

    /// Puts an order where its key was looked up in vain. The map has not changed since.
    pub(crate) fn fill(&mut self, vacancy: Vacancy, slot: u32) {
        let place = self.current.start | vacancy.place;
        debug_assert_eq!(self.words[place], 0, "the map has not changed");
        self.words[place] = vacancy.tag << 32 | u64::from(slot + 1);
        self.has(self.live + 1);
    }

    /// Removes the order in this slot, which is in the map under this key.
    pub(crate) fn remove(&mut self, session: SessionId, id: ClientOrderId, slot: u32) {
        let tag = self.tag(session, id);
        let wanted = tag << 32 | u64::from(slot + 1);
        let is_meant = |entry| entry == wanted;
        match self.current.probe(&self.words, tag, is_meant) {
            Ok(place) => self.current.remove(&mut self.words, place),
            Err(_) => {
                let from = self.moving.expect("a live order is in the map").from;
                let place = from.probe(&self.words, tag, is_meant);
                from.remove(&mut self.words, place.expect("a live order is in the map"));
            }
        }
        self.has(self.live - 1);
    }

    /// How many orders are in the map.
    pub(crate) fn len(&self) -> usize {
        self.words.iter().filter(|&&entry| entry != 0).count()
    }

    #[inline]
    fn has(&mut self, live: usize) {
        self.live = live;
        if live < self.least || live > self.most {
            self.keep_size();
        }
    }

    #[cold]
    fn keep_size(&mut self) {
        if self.moving.is_some() {
            self.step();
        } else if self.live > self.most {
            self.leave_for(self.current.line_bits + 1);
        } else {
            self.leave_for(self.current.line_bits - 1);
        }
    }

    /// The current table is the only one. Between two sizes there is room to come and go.
    fn settle(&mut self) {
        self.moving = None;
        let (places, bits) = (self.current.mask + 1, self.current.line_bits);
        self.least = if bits == 0 { 0 } else { places / 16 };
        self.most = if bits == self.most_bits {
            usize::MAX
        } else {
            places / 2
        };
    }

    fn leave_for(&mut self, line_bits: u32) {
        let from = self.current;
        let entries = &self.words[from.start..=from.start | from.mask];
        let gap = entries.iter().position(|&entry| entry == 0);
        self.moving = Some(Moving {
            from,
            next: from.after(gap.expect("a table is at most half full, or has one entry more")),
            left: from.mask + 1,
        });
        self.current = Table::new(line_bits);
        // Every change is a step from now on.
        (self.least, self.most) = (usize::MAX, 0);
    }

    /// Moves what stands in the next places, and the rest of the run in which that ends.
    fn step(&mut self) {
        let Some(Moving { from, next, left }) = self.moving else {
            return;
        };
        let (mut next, mut left, mut looked) = (next, left, 0);
        while left > 0 {
            let entry = std::mem::take(&mut self.words[from.start | next]);
            if entry != 0 {
                self.current.insert(&mut self.words, entry);
            } else if looked >= STEP {
                break;
            }
            (next, left, looked) = (from.after(next), left - 1, looked + 1);
        }
        self.moving = Some(Moving { from, next, left });
        if left == 0 {
            self.settle();
        }
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
    usize::try_from(number).expect("at most 2^28 places")
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
fn slot_of(entry: u64) -> u32 {
    entry as u32 - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orders::Order;
    use domain::{MarketId, NewOrder, OrderType, Price, Qty, Side, TimeInForce};
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
            ..NewOrder::PLAIN
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
                orders[order_id.slot()] = Order::new(order_id, session, &order(id), Price(1));
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

    /// Most orders come in the first half of a round, and go in the second.
    #[test]
    fn it_is_a_map_while_it_grows_and_shrinks_through_every_size() {
        let most = 700;
        let mut orders = Orders::with_capacity(most);
        let mut table = ClientIds::with_capacity(most, 7);
        let mut model = BTreeMap::new();
        let (mut sizes, mut random) = (BTreeMap::new(), 1_u64);
        for step in 0..30_000_u32 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let drawn = u32::try_from(random >> 40).expect("24 bits");
            let grows = step % 10_000 < 5_000;
            let comes = drawn % 8 < if grows { 6 } else { 2 };
            if comes && let Some(order_id) = orders.take() {
                let key = (SessionId(drawn % 3), ClientOrderId(1 + u64::from(step)));
                orders[order_id.slot()] = Order::new(order_id, key.0, &order(key.1), Price(1));
                insert(&mut table, &orders, key, order_id);
                model.insert(key, order_id);
            } else if let Some((&key, &order_id)) =
                model.iter().nth(drawn as usize % model.len().max(1))
            {
                table.remove(key.0, key.1, order_id.slot());
                orders.give_back(order_id);
                model.remove(&key);
                assert_eq!(table.find(&orders, key.0, key.1), None);
            }
            *sizes.entry(table.current.line_bits).or_insert(0) += 1;
            if step % 64 == 0 {
                assert_eq!(table.len(), model.len());
                for (&(session, id), order_id) in &model {
                    assert_eq!(table.find(&orders, session, id), Some(order_id.slot()));
                }
            }
        }
        let sizes: Vec<u32> = sizes.into_keys().collect();
        assert_eq!(sizes, Vec::from_iter(0..=table.most_bits));
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
                    orders[order_id.slot()] = Order::new(order_id, session, &order(id), Price(1));
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
