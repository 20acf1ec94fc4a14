//! What always holds, checked in full. For tests and simulators: it walks the whole state.

use crate::engine::Engine;
use crate::market::Market;
use crate::orders::{NIL, Order};
use core::fmt;
use domain::{AccountId, AssetId, MarketId, OrderId, Price, Qty, Seq, Side};
use std::collections::{BTreeMap, BTreeSet};

/// Something that must always hold and does not: an error of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenInvariant(String);

impl fmt::Display for BrokenInvariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for BrokenInvariant {}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), BrokenInvariant> {
    if holds {
        Ok(())
    } else {
        Err(BrokenInvariant(what()))
    }
}

impl Engine {
    /// Checks that funds are conserved, holds add up, queues are linked and in order of priority,
    /// bitmaps and best prices are true, no book is crossed, slots are either live or free, and
    /// every live order is found by its client order id.
    ///
    /// # Errors
    /// [`BrokenInvariant`] says what does not hold.
    pub fn check_invariants(&self) -> Result<(), BrokenInvariant> {
        self.check_funds()?;
        let mut queued = BTreeSet::new();
        for (index, market) in self.markets.iter().enumerate() {
            if let Some(market) = market {
                let id = MarketId(u32::try_from(index).expect("ids are below 2^16"));
                self.check_book(id, market, &mut queued)?;
            }
        }
        self.check_slots(&queued)
    }

    fn check_funds(&self) -> Result<(), BrokenInvariant> {
        let mut holds: BTreeMap<(AccountId, AssetId), u128> = BTreeMap::new();
        for order in self.orders.iter() {
            let (asset, amount) = self.market_of_order(order.market()).hold_of(order);
            let account = self.account_of(order.session);
            *holds.entry((account, asset)).or_default() += u128::from(amount.0);
        }
        for asset in self.asset_ids() {
            let (deposited, fees) = self.asset(asset).expect("it is one of the ids");
            let mut total = u128::from(fees.0);
            for account in self.account_ids() {
                let balance = self.funds.balance(account, asset);
                total += u128::from(balance.available.0) + u128::from(balance.held.0);
                let holds = holds.get(&(account, asset)).copied().unwrap_or(0);
                ensure(u128::from(balance.held.0) == holds, || {
                    format!(
                        "{account:?} holds {:?} of {asset:?}, its orders {holds}",
                        balance.held
                    )
                })?;
            }
            ensure(total == u128::from(deposited.0), || {
                format!("{asset:?}: there are {total}, deposited were {deposited}")
            })?;
        }
        Ok(())
    }

    fn check_book(
        &self,
        id: MarketId,
        market: &Market,
        queued: &mut BTreeSet<OrderId>,
    ) -> Result<(), BrokenInvariant> {
        for side in [Side::Buy, Side::Sell] {
            let mut count = 0;
            for (price, qty) in market.book.levels(&self.ladders, side) {
                let in_queue = self.check_queue(id, market, (side, price, qty), queued)?;
                count += in_queue;
            }
            let resting = self.orders.iter().filter(|order| {
                order.market() == id && order.side == side && order.priority != Seq(0)
            });
            let resting = resting.count();
            ensure(count == resting, || {
                format!("{id:?} {side:?}: {count} orders in queues, {resting} resting")
            })?;
            market
                .book
                .check_taken(&self.ladders, side)
                .map_err(|what| BrokenInvariant(format!("{id:?} {side:?}: {what}")))?;
        }
        let (bid, ask) = (market.book.best(Side::Buy), market.book.best(Side::Sell));
        let crossed = bid.zip(ask).is_some_and(|(bid, ask)| bid >= ask);
        ensure(!crossed, || format!("{id:?} is crossed: {bid:?} {ask:?}"))
    }

    /// Checks one price of one side; answers with how many orders stand there.
    fn check_queue(
        &self,
        id: MarketId,
        market: &Market,
        (side, price, qty): (Side, Price, Qty),
        queued: &mut BTreeSet<OrderId>,
    ) -> Result<usize, BrokenInvariant> {
        let place = || format!("{id:?} {side:?} at {price}");
        let (mut count, mut lots, mut ahead) = (0, 0_u128, (NIL, Seq(0)));
        for order in market.book.queue(&self.ladders, &self.orders, price) {
            ensure(queued.insert(order.id), || {
                format!("{}: {:?} is queued twice", place(), order.id)
            })?;
            let belongs = order.market() == id && order.side == side && order.price == price;
            ensure(belongs && self.orders.find(order.id).is_some(), || {
                format!("{}: {order:?} does not belong there", place())
            })?;
            let in_order = order.prev == ahead.0 && order.priority > ahead.1;
            ensure(in_order && order.leaves > Qty::ZERO, || {
                format!("{}: {order:?} comes after {ahead:?}", place())
            })?;
            ahead = (order.id.slot(), order.priority);
            count += 1;
            lots += u128::from(order.leaves.0);
        }
        ensure(count > 0 && lots == u128::from(qty.0), || {
            format!(
                "{}: {count} orders of {lots} lots, level says {qty}",
                place()
            )
        })?;
        Ok(count)
    }

    fn check_slots(&self, queued: &BTreeSet<OrderId>) -> Result<(), BrokenInvariant> {
        let mut live = 0;
        let sweeping = self.pending_sweep();
        for order in self.orders.iter() {
            live += 1;
            self.check_order(order)?;
            let expected = sweeping != Some(order.id);
            ensure(queued.contains(&order.id) == expected, || {
                format!("{order:?} must either rest or sweep; sweeping is {sweeping:?}")
            })?;
        }
        ensure(live == self.live_orders(), || {
            format!("{live} orders live, counted are {}", self.live_orders())
        })?;
        let known = self.client_ids.len();
        ensure(known == live, || {
            format!("{live} orders live, {known} client order ids are known")
        })?;
        let mut free = BTreeSet::new();
        for id in self.orders.free_ids() {
            let slot = id.slot();
            let unused = slot < self.orders.next_fresh() && self.orders[slot].id == OrderId::NONE;
            ensure(unused && free.insert(slot), || {
                format!("slot {slot} is on the free list, and live, fresh or free twice")
            })?;
        }
        ensure(
            sweeping.is_none_or(|id| self.orders.find(id).is_some()),
            || format!("{sweeping:?} sweeps but does not live"),
        )
    }

    fn check_order(&self, order: &Order) -> Result<(), BrokenInvariant> {
        let known = self.order_id(order.session, order.client_order_id);
        ensure(known == Some(order.id), || {
            format!("{order:?} is not found by its client order id but {known:?}")
        })
    }
}
