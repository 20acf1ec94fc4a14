//! Stops: orders that wait until the market has traded at a price.
//!
//! Those of a side of a market are a leftist heap, whose links stand by slot: a stop comes, goes and is found to be next
//! in as many steps as the logarithm of their number, and there is room for as many as for orders.

use crate::engine::{Engine, Work};
use crate::hash::record;
use crate::market::Market;
use crate::orders::{NIL, Order};
use crate::rows::Trading;
use crate::sweep::Sweep;
use domain::{
    Amount, AssetId, Effects, MarketId, MarketState, NewOrder, OrderType, Price, Reason, Seq, Side,
    Tag, TimeInForce,
};

/// A stop that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) trigger: Price,
    /// If it arrives as a market order: the worst price at which it trades; 0: any.
    pub(crate) worst: Price,
    /// Frame in which it was entered.
    pub(crate) entered: Seq,
}

impl Stop {
    /// Of an order that does not wait.
    pub(crate) const NONE: Self = Self {
        trigger: Price(0),
        worst: Price(0),
        entered: Seq(0),
    };

    /// Entered by a command of this frame.
    pub(crate) fn of(seq: Seq, command: &NewOrder) -> Self {
        Self {
            trigger: command.trigger_price,
            worst: match command.order_type {
                OrderType::Stop => command.price,
                OrderType::StopLimit | OrderType::Limit | OrderType::Market => Price(0),
            },
            entered: seq,
        }
    }

    /// The price with which an order that waits is reckoned: its limit, else the worst of a buy, else the trigger.
    pub(crate) fn price_of(&self, side: Side, limit: Price) -> Price {
        if limit != Price(0) {
            limit
        } else if side == Side::Buy && self.worst != Price(0) {
            self.worst
        } else {
            self.trigger
        }
    }
}

/// Where a stop stands in its heap.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// Trigger 0: this slot's order does not wait.
    stop: Stop,
    above: u32,
    left: u32,
    right: u32,
    /// Nodes on the way down to the right to where there is none; never more than on the left.
    rank: u32,
}

impl Node {
    const NONE: Self = Self {
        stop: Stop::NONE,
        above: NIL,
        left: NIL,
        right: NIL,
        rank: 0,
    };
}

/// All stops that wait, of all markets.
pub(crate) struct Stops {
    nodes: Vec<Node>,
    /// The sum of the hashes of all.
    hash: u64,
}

/// Where none waits there is no record.
fn hash_of_stop(slot: u32, stop: Stop) -> u64 {
    if stop == Stop::NONE {
        return 0;
    }
    record(
        Tag::Stop,
        [
            u64::from(slot),
            stop.trigger.0.cast_unsigned(),
            stop.worst.0.cast_unsigned(),
            stop.entered.0,
        ],
    )
}

impl Stops {
    /// Room for all orders, allocated now.
    pub(crate) fn with_capacity(max_orders: u32) -> Self {
        Self {
            nodes: vec![Node::NONE; max_orders as usize],
            hash: 0,
        }
    }

    /// The stop in a slot, if it waits.
    pub(crate) fn get(&self, slot: u32) -> Option<&Stop> {
        let stop = &self.nodes[slot as usize].stop;
        (stop.trigger != Price(0)).then_some(stop)
    }

    /// The sum of the hashes of all.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// The same, of all of them anew.
    pub(crate) fn hash_anew(&self) -> u64 {
        let stops = (0..).zip(self.nodes.iter().map(|node| node.stop));
        stops
            .map(|(slot, stop)| hash_of_stop(slot, stop))
            .fold(0, u64::wrapping_add)
    }

    fn rank(&self, slot: u32) -> u32 {
        if slot == NIL {
            0
        } else {
            self.nodes[slot as usize].rank
        }
    }

    fn set_above(&mut self, slot: u32, above: u32) {
        if slot != NIL {
            self.nodes[slot as usize].above = above;
        }
    }

    /// Whether one stop of a side arrives before another: nearer to the market, or as near and entered earlier.
    fn is_before(&self, side: Side, a: u32, b: u32) -> bool {
        let key = |slot: u32| {
            let stop = &self.nodes[slot as usize].stop;
            let distance = match side {
                Side::Buy => stop.trigger.0,
                Side::Sell => -stop.trigger.0,
            };
            (distance, stop.entered)
        };
        key(a) < key(b)
    }

    /// Makes one heap of two; its root, which has no node above it.
    fn merge(&mut self, side: Side, a: u32, b: u32) -> u32 {
        let (mut a, mut b, mut above) = (a, b, NIL);
        // Down the right sides: the next node is the one that comes first of what is left of both.
        while a != NIL && b != NIL {
            if self.is_before(side, b, a) {
                (a, b) = (b, a);
            }
            let right = self.nodes[a as usize].right;
            self.set_above(a, above);
            if above != NIL {
                self.nodes[above as usize].right = a;
            }
            (above, a) = (a, right);
        }
        let rest = if a == NIL { b } else { a };
        if above == NIL {
            self.set_above(rest, NIL);
            return rest;
        }
        self.nodes[above as usize].right = rest;
        self.set_above(rest, above);
        self.balance_up(above)
    }

    /// Puts ranks and sides right from a node up to the root, which is answered.
    fn balance_up(&mut self, from: u32) -> u32 {
        let mut slot = from;
        loop {
            self.balance(slot);
            let above = self.nodes[slot as usize].above;
            if above == NIL {
                return slot;
            }
            slot = above;
        }
    }

    /// Puts the longer way down on the left. Whether the rank changed.
    fn balance(&mut self, slot: u32) -> bool {
        let Node {
            left, right, rank, ..
        } = self.nodes[slot as usize];
        let (left, right) = if self.rank(left) < self.rank(right) {
            (right, left)
        } else {
            (left, right)
        };
        let new = self.rank(right) + 1;
        let node = &mut self.nodes[slot as usize];
        (node.left, node.right, node.rank) = (left, right, new);
        new != rank
    }

    /// Adds a stop that does not wait yet; the heap's root from now on.
    fn insert(&mut self, side: Side, root: u32, slot: u32, stop: Stop) -> u32 {
        self.hash = self.hash.wrapping_add(hash_of_stop(slot, stop));
        self.nodes[slot as usize] = Node {
            stop,
            rank: 1,
            ..Node::NONE
        };
        self.merge(side, root, slot)
    }

    /// Takes out a stop that waits; the heap's root from now on.
    fn remove(&mut self, side: Side, root: u32, slot: u32) -> u32 {
        let Node {
            stop,
            above,
            left,
            right,
            ..
        } = self.nodes[slot as usize];
        self.hash = self.hash.wrapping_sub(hash_of_stop(slot, stop));
        self.nodes[slot as usize] = Node::NONE;
        let merged = self.merge(side, left, right);
        if above == NIL {
            return merged;
        }
        self.set_above(merged, above);
        let node = &mut self.nodes[above as usize];
        if node.left == slot {
            node.left = merged;
        } else {
            node.right = merged;
        }
        // Ranks change on the way up only as long as they do.
        let mut at = above;
        while at != NIL && self.balance(at) {
            at = self.nodes[at as usize].above;
        }
        root
    }

    /// Walks a heap: every node once, those above before those below.
    pub(crate) fn walk(&self, root: u32) -> Vec<u32> {
        let mut slots = Vec::from_iter((root != NIL).then_some(root));
        let mut next = 0;
        while let Some(&slot) = slots.get(next) {
            let node = &self.nodes[slot as usize];
            slots.extend([node.left, node.right].into_iter().filter(|&s| s != NIL));
            next += 1;
        }
        slots
    }
}

/// The prices of trades that stops have not been looked at for, lowest and highest; zeros: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) lowest: Price,
    pub(crate) highest: Price,
}

impl Reach {
    const NONE: Self = Self {
        lowest: Price(0),
        highest: Price(0),
    };

    fn take(&mut self, price: Price) {
        if *self == Self::NONE {
            (self.lowest, self.highest) = (price, price);
        }
        self.lowest = self.lowest.min(price);
        self.highest = self.highest.max(price);
    }

    /// Whether a stop of a side is to arrive.
    fn triggers(self, side: Side, trigger: Price) -> bool {
        match side {
            _ if self == Self::NONE => false,
            Side::Buy => self.highest >= trigger,
            Side::Sell => self.lowest <= trigger,
        }
    }
}

impl Trading<'_> {
    /// The price of a trade.
    #[inline]
    pub(crate) fn note_price(self, price: Price, has_stops: bool) {
        *self.last_price = price;
        if has_stops {
            self.reach.take(price);
        }
    }
}

impl Market {
    /// Whether any order waits for a trade.
    pub(crate) fn has_stops(&self) -> bool {
        self.stops != [NIL; 2]
    }

    /// Whether what a stop says of itself makes sense, and it has to wait.
    pub(crate) fn check_stop(&self, command: &NewOrder) -> Result<(), Reason> {
        if !command.order_type.waits() {
            return Ok(());
        }
        if !self.has_price(command.trigger_price) {
            return Err(Reason::InvalidTrigger);
        }
        // What has traded and was not told to stops yet would be told to this one.
        let mut last = self.reach;
        if self.last_price != Price(0) {
            last.take(self.last_price);
        }
        if last.triggers(command.side, command.trigger_price) {
            return Err(Reason::WouldTrigger);
        }
        Ok(())
    }
}

impl Engine {
    /// The stop that an order is, if it waits.
    pub(crate) fn stop_of(&self, order: &Order) -> Option<&Stop> {
        if !order.instructions.has_extras() {
            return None;
        }
        self.stops.get(order.id.slot())
    }

    /// Lets an order wait.
    pub(crate) fn wait(&mut self, order: &Order, stop: Stop) {
        let market = self.markets.loose(order.market().0);
        let root = &mut market.stops[order.side as usize];
        *root = self.stops.insert(order.side, *root, order.id.slot(), stop);
    }

    /// What a live order sets aside, and of which asset.
    pub(crate) fn hold_of(&self, order: &Order) -> (AssetId, Amount) {
        let market = self.market_of_order(order.market());
        match self.stop_of(order) {
            Some(stop) => market.hold_of_waiting(order, stop),
            None => market.hold_of(order),
        }
    }

    /// Lets an order wait no longer. A market buy pays as it goes from now on.
    pub(crate) fn stop_waiting(&mut self, order: &Order) {
        let (asset, held) = self.hold_of(order);
        let account = self.account_of(order.session);
        self.funds.release(account, asset, held);
        let (_, needed) = self.market_of_order(order.market()).hold_of(order);
        self.funds.hold(account, asset, needed);
        let market = self.markets.loose(order.market().0);
        let root = &mut market.stops[order.side as usize];
        *root = self.stops.remove(order.side, *root, order.id.slot());
        if *market.stops == [NIL; 2] {
            *self.markets.hot(order.market().0).reach = Reach::NONE;
        }
    }

    /// The next stop of a market that is to arrive: of both sides the one that was entered first.
    pub(crate) fn next_triggered(&self, market: &Market) -> Option<u32> {
        let first = |side: Side| {
            let root = market.stops[side as usize];
            let stop = (root != NIL).then(|| self.stops.get(root)).flatten()?;
            let triggered = market.reach.triggers(side, stop.trigger);
            triggered.then_some((stop.entered, root))
        };
        let next = [Side::Buy, Side::Sell].into_iter().filter_map(first).min();
        next.map(|(_, slot)| slot)
    }

    /// A market may have traded, and nothing else is pending: stops that are to arrive do so from the next frame on.
    #[inline]
    pub(crate) fn wake(&mut self, id: MarketId) {
        if self.market_of_order(id).has_stops() {
            self.look_for_triggered(id);
        }
    }

    fn look_for_triggered(&mut self, id: MarketId) {
        let market = self.market_of_order(id);
        // What trades while the market does not trade continuously is remembered until it does.
        if market.state != MarketState::Continuous {
            return;
        }
        if self.next_triggered(market).is_some() {
            self.work = Some(Work::Arriving(id));
        } else {
            *self.markets.hot(id.0).reach = Reach::NONE;
        }
    }

    /// Lets the next stop arrive.
    pub(crate) fn go_on_arriving(&mut self, id: MarketId, out: &mut Effects) {
        let market = self.market_of_order(id);
        let slot = self.next_triggered(market);
        let slot = slot.expect("this is pending only while one is to arrive");
        let order = self.orders[slot];
        let stop = *self.stops.get(slot).expect("it waits");
        self.stop_waiting(&order);
        let (order_type, price) = if order.price == Price(0) {
            (OrderType::Market, stop.worst)
        } else {
            (OrderType::Limit, order.price)
        };
        self.report_triggered(&order, price, out);
        let market = self.market_of_order(id);
        match market.within_collar(order.side, order_type, price) {
            Ok(price) => self.sweep(arrival(&order, order_type, price), out),
            Err(reason) => {
                self.cancel_rest(slot, reason, out);
                self.halt_if_beyond(id, reason, out);
                self.wake(id);
            }
        }
    }

    /// A stop that is smaller or larger, or at another price, still waits.
    pub(crate) fn amend_waiting(&mut self, slot: u32, amended: Order, out: &mut Effects) {
        self.put_amended(slot, amended);
        self.report_amended(&amended, domain::Flag::Yes, out);
    }
}

fn arrival(order: &Order, order_type: OrderType, price: Price) -> Sweep {
    let (time_in_force, worst) = match order_type {
        OrderType::Market | OrderType::Stop => (TimeInForce::ImmediateOrCancel, price),
        OrderType::Limit | OrderType::StopLimit => (TimeInForce::GoodTillCancel, Price(0)),
    };
    Sweep {
        order_id: order.id,
        order_type,
        time_in_force,
        worst,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    impl Stops {
        /// Every node is behind the one above it, and the way down to the right is the shorter one.
        fn check(&self, side: Side, root: u32) {
            for slot in self.walk(root) {
                let node = &self.nodes[slot as usize];
                for below in [node.left, node.right].into_iter().filter(|&s| s != NIL) {
                    assert_eq!(self.nodes[below as usize].above, slot);
                    assert!(self.is_before(side, slot, below));
                }
                assert!(self.rank(node.left) >= self.rank(node.right));
                assert_eq!(node.rank, self.rank(node.right) + 1);
            }
        }
    }

    proptest! {
        #[test]
        fn the_nearest_is_first_whatever_comes_and_goes(
            buys in any::<bool>(),
            steps in prop::collection::vec((0..24_u32, 1..9_i64), 0..300),
        ) {
            let side = if buys { Side::Buy } else { Side::Sell };
            let mut stops = Stops::with_capacity(24);
            let (mut root, mut model) = (NIL, BTreeMap::new());
            for (seq, (slot, trigger)) in (1..).zip(steps) {
                if stops.get(slot).is_some() {
                    root = stops.remove(side, root, slot);
                    model.retain(|_, &mut there| there != slot);
                } else {
                    let stop = Stop { trigger: Price(trigger), worst: Price(0), entered: Seq(seq) };
                    root = stops.insert(side, root, slot, stop);
                    let distance = if buys { trigger } else { -trigger };
                    model.insert((distance, seq), slot);
                }
                stops.check(side, root);
                prop_assert_eq!(root, model.values().next().copied().unwrap_or(NIL));
                prop_assert_eq!(stops.walk(root).len(), model.len());
            }
        }
    }
}
