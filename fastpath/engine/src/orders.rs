//! The order slab: one cache line per live order, found by the slot in its id.

use crate::hash::record;
use crate::kept::{Kept, KeptStack};
use core::mem::replace;
use core::ops::{Index, IndexMut};
use domain::{
    ClientOrderId, MarketId, NewOrder, OrderId, OrderType, PostOnly, Price, Qty, SelfTrade,
    SelfTradeScope, SessionId, Side, Tag, TimeInForce,
};

/// No slot: the end of a queue.
pub(crate) const NIL: u32 = u32::MAX;

/// What an order asks for beyond side, price and quantity, in one byte: post-only in the bits 0 and 1, or 3 there of a
/// quote; self-trade prevention in 2 to 4, its scope in 5; in 6 whether it ends when its market closes, in 7 whether it has what few orders have:
/// an end at a time, hidden lots, or a trade to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instructions(u8);

impl Instructions {
    const NONE: Self = Self(0);
    const EXTRAS: u8 = 1 << 7;
    /// Of a side of a quote.
    pub(crate) const QUOTE: Self = Self(0b11);

    pub(crate) fn of(command: &NewOrder) -> Self {
        Self(
            command.post_only as u8
                | (command.self_trade as u8) << 2
                | (command.self_trade_scope as u8) << 5
                | u8::from(command.time_in_force == TimeInForce::GoodTillClose) << 6
                | u8::from(has_extras(command)) << 7,
        )
    }

    /// Whether it is a side of a quote.
    #[inline]
    pub(crate) fn is_quote(self) -> bool {
        self.0 & 0b11 == 0b11
    }

    /// Whether it ends when its market closes.
    pub(crate) fn until_close(self) -> bool {
        self.0 & 1 << 6 != 0
    }

    /// Whether it may end at a time, have hidden lots, or wait for a trade.
    pub(crate) fn has_extras(self) -> bool {
        self.0 & Self::EXTRAS != 0
    }

    pub(crate) fn post_only(self) -> PostOnly {
        match self.0 & 0b11 {
            1 => PostOnly::Refuse,
            2 => PostOnly::Slide,
            _ => PostOnly::No,
        }
    }

    pub(crate) fn self_trade(self) -> SelfTrade {
        match self.0 >> 2 & 0b111 {
            0 => SelfTrade::Allow,
            1 => SelfTrade::CancelNewest,
            2 => SelfTrade::CancelOldest,
            3 => SelfTrade::CancelBoth,
            4 => SelfTrade::DecrementAndCancel,
            _ => SelfTrade::Abort,
        }
    }

    pub(crate) fn self_trade_scope(self) -> SelfTradeScope {
        match self.0 >> 5 & 1 {
            0 => SelfTradeScope::Account,
            _ => SelfTradeScope::Firm,
        }
    }
}

fn has_extras(command: &NewOrder) -> bool {
    command.time_in_force == TimeInForce::GoodTillTime
        || command.display_qty > Qty::ZERO
        || command.order_type.waits()
}

/// How much of an order the book shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Iceberg {
    /// At a time; 0: all.
    pub(crate) display: Qty,
    /// Lots that it does not show now; 0 of an order that does not rest.
    pub(crate) hidden: Qty,
}

impl Iceberg {
    const NONE: Self = Self {
        display: Qty::ZERO,
        hidden: Qty::ZERO,
    };
}

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
    pub(crate) instructions: Instructions,
    pub(crate) filled: Qty,
    pub(crate) client_order_id: ClientOrderId,
    /// Feed number of the event by which it joined its queue; 0 while it sweeps.
    pub(crate) priority: u64,
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
        instructions: Instructions::NONE,
        filled: Qty::ZERO,
        client_order_id: ClientOrderId(0),
        priority: 0,
    };

    /// An order that is in no queue, taken at this price. A market order has none of its own.
    pub(crate) fn new(id: OrderId, session: SessionId, command: &NewOrder, price: Price) -> Self {
        Self {
            id,
            price: match command.order_type {
                OrderType::Limit | OrderType::StopLimit => price,
                OrderType::Market | OrderType::Stop => Price(0),
            },
            leaves: command.qty,
            session,
            market: u16::try_from(command.market.0).expect("genesis bounds markets to 2^16"),
            side: command.side,
            instructions: Instructions::of(command),
            client_order_id: command.client_order_id,
            ..Self::EMPTY
        }
    }

    /// A limit order that stays, without anything else to it.
    pub(crate) fn plain(
        id: OrderId,
        (session, client_order_id): (SessionId, ClientOrderId),
        (market, side): (MarketId, Side),
        (price, leaves): (Price, Qty),
    ) -> Self {
        Self {
            id,
            price,
            leaves,
            session,
            market: u16::try_from(market.0).expect("genesis bounds markets to 2^16"),
            side,
            client_order_id,
            ..Self::EMPTY
        }
    }

    /// Its quantity, filled part included.
    pub(crate) fn total(&self) -> Qty {
        self.filled
            .checked_add(self.leaves)
            .expect("an order was refused unless all of it could be counted")
    }

    /// Session, market, side and instructions, as one word of its record.
    fn whose_and_how(&self) -> u64 {
        let Instructions(instructions) = self.instructions;
        u64::from(self.session.0)
            | u64::from(self.market) << 32
            | (self.side as u64) << 48
            | u64::from(instructions) << 56
    }

    pub(crate) fn market_number(&self) -> u16 {
        self.market
    }

    pub(crate) fn market(&self) -> MarketId {
        MarketId(u32::from(self.market))
    }
}

/// The neighbours of an order in its session's list, which has the newest order first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Link {
    /// Slot of the order that was entered next before it, or [`NIL`].
    older: u32,
    /// Slot of the order that was entered next after it, or [`NIL`].
    newer: u32,
}

impl Link {
    const NONE: Self = Self {
        older: NIL,
        newer: NIL,
    };
}

/// All slots, and the stack of the ids that used slots will give out.
///
/// The stack is state: which slot an order gets decides its id, so replicas must agree on it.
///
/// Without `HASHED` no hash is kept, and none may be asked for: for a book alone.
pub(crate) struct Orders<const HASHED: bool = true> {
    /// The last is nobody's: what would be written to the neighbour of an order that has none is written there, so that no
    /// branch has to ask.
    slots: Vec<Order>,
    /// By slot. Apart from the orders, because whoever comes or goes touches its neighbours' links and nothing else of them.
    links: Vec<Link>,
    /// By slot; of orders without extras nothing that means anything.
    icebergs: Vec<Iceberg>,
    free: Vec<OrderId>,
    next_fresh: u32,
    live: u32,
    /// Of the orders, by slot, and of their links.
    kept: Kept,
    /// Of the links, by slot of the newer order.
    kept_links: Kept,
    /// Of the bottom of `free`.
    kept_free: KeptStack,
}

impl<const HASHED: bool> Orders<HASHED> {
    /// Room for this many orders, all of it allocated now.
    pub(crate) fn with_capacity(max_orders: u32) -> Self {
        Self {
            slots: vec![Order::EMPTY; max_orders as usize + 1],
            links: vec![Link::NONE; max_orders as usize],
            icebergs: vec![Iceberg::NONE; max_orders as usize],
            free: Vec::with_capacity(max_orders as usize),
            next_fresh: 0,
            live: 0,
            kept: Kept::new(),
            kept_links: Kept::new(),
            kept_free: KeptStack::default(),
        }
    }

    /// Whether no slot is left.
    pub(crate) fn is_full(&self) -> bool {
        self.free.is_empty() && self.next_fresh as usize == self.slots()
    }

    /// Whether so many slots are left.
    pub(crate) fn have_room_for(&self, orders: u32) -> bool {
        self.free.len() + self.slots() - self.next_fresh as usize >= orders as usize
    }

    /// Takes a slot: the id of the order to be put there, or `None` if there is none left.
    pub(crate) fn take(&mut self) -> Option<OrderId> {
        let id = if let Some(id) = self.free.pop() {
            if HASHED {
                self.kept_free.popped(&self.free, id);
            }
            id
        } else if (self.next_fresh as usize) < self.slots() {
            let id = OrderId::first(self.next_fresh);
            self.next_fresh += 1;
            id
        } else {
            return None;
        };
        self.live += 1;
        Some(id)
    }

    /// Gives back the slot of an order that is done. A slot whose generations are used up is
    /// never used again.
    pub(crate) fn give_back(&mut self, id: OrderId) {
        debug_assert_eq!(self[id.slot()].id, id, "only a live order is given back");
        self[id.slot()].id = OrderId::NONE;
        self.live -= 1;
        if let Some(successor) = id.successor() {
            self.push_free(successor);
        }
    }

    pub(crate) fn push_free(&mut self, id: OrderId) {
        self.free.push(id);
        if HASHED {
            self.kept_free.pushed(&self.free);
        }
    }

    /// Those who stand before and behind an order in the queue of its price, or [`NIL`]; of a slot that there is not, anything.
    #[inline]
    pub(crate) fn neighbours(&self, slot: u32) -> [u32; 2] {
        let nobody = self.slots.len() - 1;
        let order = &self.slots[(slot as usize).min(nobody)];
        [order.prev, order.next]
    }

    /// Of an order, or [`NIL`], which of its price comes behind it. Where it stands there is no part of its record.
    #[inline]
    pub(crate) fn set_next(&mut self, slot: u32, next: u32) {
        let nobody = self.slots.len() - 1;
        self.slots[(slot as usize).min(nobody)].next = next;
    }

    /// Of an order, or [`NIL`], which of its price stands before it.
    #[inline]
    pub(crate) fn set_prev(&mut self, slot: u32, prev: u32) {
        let nobody = self.slots.len() - 1;
        self.slots[(slot as usize).min(nobody)].prev = prev;
    }

    /// Where an order stands among those of its price.
    #[inline]
    pub(crate) fn set_links(&mut self, slot: u32, prev: u32, next: u32) {
        let order = &mut self.slots[slot as usize];
        (order.prev, order.next) = (prev, next);
    }

    /// Gives back the slot of an order that is in no queue, and perhaps never was in its slot.
    pub(crate) fn dismiss(&mut self, id: OrderId) {
        self[id.slot()].id = id;
        self.give_back(id);
    }

    /// Slot of the order that the session entered next before this one, or [`NIL`].
    pub(crate) fn older(&self, slot: u32) -> u32 {
        self.links[slot as usize].older
    }

    /// Slot of the order that the session entered next after this one, or [`NIL`].
    pub(crate) fn newer(&self, slot: u32) -> u32 {
        self.links[slot as usize].newer
    }

    /// Puts an order before `newest`, the first of its session's list, or [`NIL`] of an empty one.
    pub(crate) fn link(&mut self, slot: u32, newest: u32) {
        self.open_link(slot);
        self.links[slot as usize] = Link {
            older: newest,
            newer: NIL,
        };
        if newest != NIL {
            self.links[newest as usize].newer = slot;
        }
    }

    /// Two neighbours of a list that is put together in any order: one was entered next before the other, which has
    /// none before it as yet.
    pub(crate) fn join(&mut self, slot: u32, older: u32) {
        self.open_link(slot);
        self.links[slot as usize].older = older;
        self.links[older as usize].newer = slot;
    }

    /// Takes an order out of its list. Whether it was the newest of it.
    pub(crate) fn unlink(&mut self, slot: u32) -> bool {
        self.open_link(slot);
        let Link { older, newer } = replace(&mut self.links[slot as usize], Link::NONE);
        if older != NIL {
            self.links[older as usize].newer = newer;
        }
        if newer != NIL {
            self.open_link(newer);
            self.links[newer as usize].older = older;
        }
        newer == NIL
    }

    /// Sees to it that what an order was entered behind is out of the sum, to be changed.
    #[inline]
    fn open_link(&mut self, slot: u32) {
        if HASHED && !self.kept_links.has_out(slot) {
            self.take_link_out(slot);
        }
    }

    #[inline(never)]
    fn take_link_out(&mut self, slot: u32) {
        let links = &self.links[..];
        self.kept_links
            .take_out(slot, |slot| hash_of_link(links, slot));
    }

    /// Sees to it that an order is out of the sum, to be changed.
    #[inline]
    fn open(&mut self, slot: u32) {
        if HASHED && !self.kept.has_out(slot) {
            self.take_out(slot);
        }
    }

    #[inline(never)]
    fn take_out(&mut self, slot: u32) {
        let (slots, icebergs) = (&self.slots[..], &self.icebergs[..]);
        self.kept
            .take_out(slot, |slot| hash_of_order(slots, icebergs, slot));
    }

    /// The sum of the hashes of all orders, their lists, and the free list.
    pub(crate) fn hash(&self) -> u64 {
        let orders = self
            .kept
            .sum(|slot| hash_of_order(&self.slots, &self.icebergs, slot));
        let links = self.kept_links.sum(|slot| hash_of_link(&self.links, slot));
        orders
            .wrapping_add(links)
            .wrapping_add(self.kept_free.sum(&self.free))
    }

    /// The same, of all of them anew.
    pub(crate) fn hash_anew(&self) -> u64 {
        let orders = self.iter().map(|order| {
            let slot = order.id.slot();
            let link = hash_of_link(&self.links, slot);
            hash_of_order(&self.slots, &self.icebergs, slot).wrapping_add(link)
        });
        let free = KeptStack::default().sum(&self.free);
        orders.fold(free, u64::wrapping_add)
    }

    /// How much of an order the book shows.
    pub(crate) fn iceberg(&self, order: &Order) -> Iceberg {
        if order.instructions.has_extras() {
            self.icebergs[order.id.slot() as usize]
        } else {
            Iceberg::NONE
        }
    }

    /// Lots of a resting order that the book shows, and those that it does not.
    #[inline]
    pub(crate) fn lots(&self, order: &Order) -> (Qty, Qty) {
        if order.instructions.has_extras() {
            return (self.shown(order), self.iceberg(order).hidden);
        }
        (order.leaves, Qty::ZERO)
    }

    /// Lots of a resting order that the book shows.
    pub(crate) fn shown(&self, order: &Order) -> Qty {
        Qty(order.leaves.0 - self.iceberg(order).hidden.0)
    }

    /// Of an order that has just come into its slot.
    pub(crate) fn set_display(&mut self, order: &Order, display: Qty) {
        if order.instructions.has_extras() {
            self.open(order.id.slot());
            self.icebergs[order.id.slot() as usize] = Iceberg {
                display,
                hidden: Qty::ZERO,
            };
        }
    }

    /// Hides so many lots of an order, and shows the rest.
    pub(crate) fn hide(&mut self, slot: u32, hidden: Qty) {
        if self.slots[slot as usize].instructions.has_extras() {
            self.open(slot);
            self.icebergs[slot as usize].hidden = hidden;
        }
    }

    /// Lots of an order that are to be hidden when it joins its queue.
    pub(crate) fn to_hide(&self, order: &Order) -> Qty {
        let display = self.iceberg(order).display;
        if display == Qty::ZERO {
            return Qty::ZERO;
        }
        Qty(order.leaves.0.saturating_sub(display.0))
    }

    /// The slot of the live order with exactly this id.
    pub(crate) fn find(&self, id: OrderId) -> Option<u32> {
        let slot = id.slot();
        let order = self.slots.get(slot as usize)?;
        (order.id == id && id != OrderId::NONE).then_some(slot)
    }

    /// Reads an order, or an empty slot, or none, only so that it is near when it is needed.
    pub(crate) fn touch(&self, slot: u32) -> u64 {
        self.slots.get(slot as usize).map_or(0, |order| order.id.0)
    }

    /// Reads the neighbours of an order likewise.
    pub(crate) fn touch_links(&self, slot: u32) -> u64 {
        let link = self.links.get(slot as usize);
        link.map_or(0, |link| u64::from(link.older))
    }

    /// Slots as they were: none is live yet. The caller has checked that `free` names slots below
    /// `next_fresh`, each once, and that there are so many slots.
    pub(crate) fn restore(&mut self, next_fresh: u32, free: impl Iterator<Item = OrderId>) {
        self.next_fresh = next_fresh;
        free.for_each(|id| self.push_free(id));
    }

    /// Puts an order into its slot, which is used and empty.
    pub(crate) fn put_back(&mut self, order: Order) {
        self[order.id.slot()] = order;
        self.live += 1;
    }

    /// Slots that there are.
    pub(crate) fn slots(&self) -> usize {
        self.links.len()
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
}

/// An order's record, and that of what the book shows of it. An empty slot has none.
#[inline]
fn hash_of_order(slots: &[Order], icebergs: &[Iceberg], slot: u32) -> u64 {
    let order = &slots[slot as usize];
    if order.id == OrderId::NONE {
        return 0;
    }
    // Of the instructions all but the bit that only says where to look.
    const EXTRAS: u64 = (Instructions::EXTRAS as u64) << 56;
    let whose_and_how = order.whose_and_how();
    let hash = record(
        Tag::Order,
        [
            order.id.0,
            whose_and_how & !EXTRAS,
            order.price.0.cast_unsigned(),
            order.leaves.0,
            order.filled.0,
            order.client_order_id.0,
            order.priority,
        ],
    );
    if whose_and_how & EXTRAS == 0 {
        return hash;
    }
    hash.wrapping_add(hash_of_iceberg(slot, icebergs[slot as usize]))
}

#[cold]
fn hash_of_iceberg(slot: u32, iceberg: Iceberg) -> u64 {
    if iceberg == Iceberg::NONE {
        return 0;
    }
    record(
        Tag::Iceberg,
        [u64::from(slot), iceberg.display.0, iceberg.hidden.0],
    )
}

/// That the session of an order entered another one next before it. Without one there is no record.
fn hash_of_link(links: &[Link], slot: u32) -> u64 {
    let older = links[slot as usize].older;
    if older == NIL {
        return 0;
    }
    record(Tag::Older, [u64::from(slot) << 32 | u64::from(older)])
}

impl<const HASHED: bool> Index<u32> for Orders<HASHED> {
    type Output = Order;
    fn index(&self, slot: u32) -> &Order {
        &self.slots[slot as usize]
    }
}

impl<const HASHED: bool> IndexMut<u32> for Orders<HASHED> {
    fn index_mut(&mut self, slot: u32) -> &mut Order {
        self.open(slot);
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
        let mut orders: Orders = Orders::with_capacity(3);
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
    fn instructions_are_what_was_asked_for() {
        use SelfTrade::{Abort, Allow, CancelBoth, CancelNewest, CancelOldest, DecrementAndCancel};
        let modes = [
            Allow,
            CancelNewest,
            CancelOldest,
            CancelBoth,
            DecrementAndCancel,
            Abort,
        ];
        let times = [
            (TimeInForce::GoodTillCancel, false, false),
            (TimeInForce::GoodTillTime, true, false),
            (TimeInForce::GoodTillClose, false, true),
        ];
        for post_only in [PostOnly::No, PostOnly::Refuse, PostOnly::Slide] {
            for self_trade in modes {
                for self_trade_scope in [SelfTradeScope::Account, SelfTradeScope::Firm] {
                    for (time_in_force, has_extras, until_close) in times {
                        let kept = Instructions::of(&NewOrder {
                            post_only,
                            self_trade,
                            self_trade_scope,
                            time_in_force,
                            ..NewOrder::PLAIN
                        });
                        let asked = (post_only, self_trade, self_trade_scope);
                        let answer = (kept.post_only(), kept.self_trade(), kept.self_trade_scope());
                        assert_eq!(answer, asked);
                        assert_eq!(
                            (kept.has_extras(), kept.until_close()),
                            (has_extras, until_close)
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn an_id_finds_only_its_own_generation() {
        let mut orders: Orders = Orders::with_capacity(1);
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
        let mut orders: Orders = Orders::with_capacity(1);
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
