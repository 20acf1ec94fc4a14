//! Which sessions quote in which markets, or have a protection there: a hash table of (session, market).

use crate::hash::{hash_of_protection, sum};
use crate::kept::Kept;
use crate::orders::NIL;
use crate::protection::Protection;
use domain::{AccountId, MAX_QUOTED, MAX_QUOTED_OF_ACCOUNT, MarketId, SessionId, Side};

/// What a session has in a market. It stands in the table while it is not empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quoted {
    pub(crate) session: SessionId,
    pub(crate) market: MarketId,
    /// By side the slot of its quote, or [`NIL`].
    slots: [u32; 2],
    pub(crate) protection: Protection,
}

impl Quoted {
    pub(crate) fn slot(&self, side: Side) -> Option<u32> {
        let slot = self.slots[side as usize];
        (slot != NIL).then_some(slot)
    }

    fn set_slot(&mut self, side: Side, slot: Option<u32>) {
        self.slots[side as usize] = slot.unwrap_or(NIL);
    }

    pub(crate) fn has_quotes(&self) -> bool {
        self.slots != [NIL; 2]
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.has_quotes() && !self.protection.is_on()
    }
}

/// The table. Twice as many places as entries, so that a search is short; all of it is allocated at genesis. Where an
/// entry lies is no state.
pub(crate) struct QuotedTable {
    /// Index of an entry, or [`NIL`].
    places: Vec<u32>,
    entries: Vec<Quoted>,
    /// Entries that are not used, but for those that never were.
    unused: Vec<u32>,
    /// Entries of each account.
    by_account: Vec<u16>,
    most: usize,
    key: u64,
    /// Of the protections, by index of their entries.
    kept: Kept,
}

impl QuotedTable {
    /// Room for what a shard with so many orders and accounts can have, all of it allocated now. The key decides where
    /// entries lie.
    pub(crate) fn with_capacity(max_orders: u32, max_accounts: u32, key: u64) -> Self {
        let most = MAX_QUOTED.min(max_orders as usize);
        Self {
            places: vec![NIL; (2 * most).next_power_of_two()],
            entries: Vec::with_capacity(most),
            unused: Vec::with_capacity(most),
            by_account: vec![0; max_accounts as usize],
            most,
            key,
            kept: Kept::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.unused.len()
    }

    /// Whether a session of the account may have one more entry.
    pub(crate) fn has_room_for(&self, account: AccountId) -> bool {
        self.len() < self.most && u32::from(self.of_account(account)) < MAX_QUOTED_OF_ACCOUNT
    }

    /// Entries of the account's sessions.
    pub(crate) fn of_account(&self, account: AccountId) -> u16 {
        self.by_account[account.0 as usize]
    }

    fn mask(&self) -> usize {
        self.places.len() - 1
    }

    /// The place at which the search for an entry begins.
    fn home(&self, session: SessionId, market: MarketId) -> usize {
        let pair = u64::from(session.0) << 32 | u64::from(market.0);
        let mixed = (pair ^ self.key).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ mixed >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        usize::try_from(mixed >> 33).expect("31 bits fit") & self.mask()
    }

    /// The place of an entry, or else the empty one where it would be.
    fn place(&self, session: SessionId, market: MarketId) -> usize {
        let mut place = self.home(session, market);
        loop {
            let index = self.places[place];
            if index == NIL {
                return place;
            }
            let entry = &self.entries[index as usize];
            if (entry.session, entry.market) == (session, market) {
                return place;
            }
            place = (place + 1) & self.mask();
        }
    }

    pub(crate) fn find(&self, session: SessionId, market: MarketId) -> Option<&Quoted> {
        let index = self.places[self.place(session, market)];
        self.entries.get(index as usize)
    }

    /// Says which order is a side of a quote, in an entry that is there.
    pub(crate) fn set_slot(
        &mut self,
        (session, market): (SessionId, MarketId),
        side: Side,
        slot: Option<u32>,
    ) {
        let index = self.places[self.place(session, market)];
        self.entries[index as usize].set_slot(side, slot);
    }

    /// The protection of an entry, to be changed.
    pub(crate) fn protection_mut(
        &mut self,
        session: SessionId,
        market: MarketId,
    ) -> Option<&mut Protection> {
        let index = self.places[self.place(session, market)];
        let Self { entries, kept, .. } = self;
        if index != NIL && !kept.has_out(index) {
            kept.take_out(index, |index| hash_of_protection(&entries[index as usize]));
        }
        let entry = entries.get_mut(index as usize)?;
        Some(&mut entry.protection)
    }

    /// The sum of the hashes of all protections.
    pub(crate) fn hash(&self) -> u64 {
        self.kept
            .sum(|index| hash_of_protection(&self.entries[index as usize]))
    }

    /// The same, of all of them anew.
    pub(crate) fn hash_anew(&self) -> u64 {
        sum(self.iter().map(hash_of_protection))
    }

    /// A new entry of a session of the account, empty. The caller has found that it is not there, and that there is room.
    pub(crate) fn insert(&mut self, account: AccountId, session: SessionId, market: MarketId) {
        self.by_account[account.0 as usize] += 1;
        let entry = Quoted {
            session,
            market,
            slots: [NIL; 2],
            protection: Protection::OFF,
        };
        let place = self.place(session, market);
        let index = self.unused.pop().unwrap_or_else(|| {
            self.entries.push(entry);
            u32::try_from(self.entries.len() - 1).expect("there are no more than 2^16")
        });
        self.places[place] = index;
        // Neither it nor what was there has a protection.
        self.entries[index as usize] = entry;
    }

    /// Takes an entry of a session of the account out, which is there and has no protection. Those behind it that would
    /// no longer be found move up.
    pub(crate) fn remove(&mut self, account: AccountId, session: SessionId, market: MarketId) {
        self.by_account[account.0 as usize] -= 1;
        let mut hole = self.place(session, market);
        self.unused.push(self.places[hole]);
        let mut place = hole;
        loop {
            place = (place + 1) & self.mask();
            let index = self.places[place];
            if index == NIL {
                break;
            }
            let entry = &self.entries[index as usize];
            let home = self.home(entry.session, entry.market);
            let way = |from: usize| place.wrapping_sub(from) & self.mask();
            if way(home) >= way(hole) {
                self.places[hole] = index;
                hole = place;
            }
        }
        self.places[hole] = NIL;
    }

    pub(crate) fn places(&self) -> usize {
        self.places.len()
    }

    /// The entry at a place. One that is taken out there, or behind it, moves none to a place before it.
    pub(crate) fn at(&self, place: usize) -> Option<&Quoted> {
        self.entries.get(self.places[place] as usize)
    }

    /// All entries, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Quoted> {
        let used = self.places.iter().filter(|&&index| index != NIL);
        used.map(|&index| &self.entries[index as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// A table of 2 to 32 places is so small that most pairs collide, and runs wrap around.
        #[test]
        fn the_table_is_a_map(
            most in prop::sample::select(vec![1_u32, 2, 3, 8, 16]),
            key in any::<u64>(),
            steps in prop::collection::vec((0..4_u32, 0..5_u32, any::<u32>()), 1..300),
        ) {
            let of = |session: SessionId| AccountId(session.0 / 2);
            let mut table = QuotedTable::with_capacity(most, 2, key);
            let mut model = BTreeMap::new();
            for (session, market, slot) in steps {
                let (session, market, slot) = (SessionId(session), MarketId(market), slot >> 1);
                if model.remove(&(session, market)).is_some() {
                    table.remove(of(session), session, market);
                } else if table.has_room_for(of(session)) {
                    table.insert(of(session), session, market);
                    table.set_slot((session, market), Side::Sell, Some(slot));
                    model.insert((session, market), slot);
                }
                prop_assert_eq!(table.len(), model.len());
                for account in (0..2).map(AccountId) {
                    let own = model.keys().filter(|(session, _)| of(*session) == account);
                    prop_assert_eq!(usize::from(table.of_account(account)), own.count());
                    prop_assert_eq!(table.has_room_for(account), model.len() < most as usize);
                }
                for session in (0..4).map(SessionId) {
                    for market in (0..5).map(MarketId) {
                        let found = table.find(session, market);
                        prop_assert_eq!(
                            found.and_then(|entry| entry.slot(Side::Sell)),
                            model.get(&(session, market)).copied()
                        );
                    }
                }
                let all: BTreeMap<_, _> = table
                    .iter()
                    .map(|entry| ((entry.session, entry.market), entry.slot(Side::Sell)))
                    .collect();
                prop_assert_eq!(all.len(), model.len());
            }
        }
    }
}
