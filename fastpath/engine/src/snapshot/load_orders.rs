//! Live orders in a body: their slots and holds, the queues and lists that they stand in, and the slots that are free.

use super::faults::{Fault, LoadError, ensure};
use super::reader::{Ascending, Records};
use super::save::balance_record;
use super::{BalanceRecord, Head, OrderRecord, StopRecord};
use crate::engine::Engine;
use crate::orders::{NIL, Order};
use crate::stops::Stop;
use domain::{
    ClientOrderId, Nanos, NewOrder, OrderId, OrderType, Price, Qty, SelfTrade, Seq, Side,
    TimeInForce,
};

impl Engine {
    pub(super) fn load_books(
        &mut self,
        records: &Records<'_, OrderRecord>,
        head: &Head,
    ) -> Result<(), LoadError> {
        let mut ascending = Ascending(None);
        records.each(|record| {
            let rank = match record.side {
                Side::Buy => record.price.0.saturating_neg(),
                Side::Sell => record.price.0,
            };
            ascending.check((record.market, record.side, rank, record.priority))?;
            let told = 1..head.next_feed_no;
            ensure(told.contains(&record.priority), Fault::Range)?;
            if record.quote.is_yes() {
                self.put_back_quote(record, head.next_fresh_slot)?;
            } else {
                self.put_back(record, OrderType::Limit, head.next_fresh_slot)?;
            }
            self.orders[record.id.slot()].priority = record.priority;
            let market = self.market_of_order(record.market_id());
            let page = self.check_page(market, record.side, record.price);
            ensure(page.is_ok(), Fault::Pages)?;
            self.join_queue(record.id.slot());
            Ok(())
        })
    }

    pub(super) fn load_stops(
        &mut self,
        records: &Records<'_, StopRecord>,
        next_fresh: u32,
    ) -> Result<(), LoadError> {
        let mut ascending = Ascending(None);
        records.each(|record| {
            let order = &record.order;
            ascending.check((order.market, order.side, record.entered))?;
            let order_type = if order.price == Price(0) {
                OrderType::Stop
            } else {
                OrderType::StopLimit
            };
            self.put_back(order, order_type, next_fresh)?;
            let market = self.market_of_order(order.market_id());
            let is_price = |price| market.has_price(price);
            let may_have_worst = !order_type.has_limit() && is_price(record.worst);
            let worst = record.worst == Price(0) || may_have_worst;
            ensure(worst && is_price(record.trigger), Fault::Price)?;
            let plain = order.priority == 0
                && order.filled == Qty::ZERO
                && order.display_qty == Qty::ZERO
                && !order.post_only.is_on()
                && order.self_trade != SelfTrade::Abort;
            ensure(plain && record.entered > Seq(0), Fault::Range)?;
            let stop = Stop {
                trigger: record.trigger,
                worst: record.worst,
                entered: record.entered,
            };
            let order = self.orders[order.id.slot()];
            self.hold_for_waiting(&order, &stop)?;
            self.wait(&order, stop);
            Ok(())
        })
    }

    /// Sets aside what a stop holds beyond what it will hold when it has arrived.
    pub(super) fn hold_for_waiting(&mut self, order: &Order, stop: &Stop) -> Result<(), Fault> {
        let market = *self.market_of_order(order.market());
        let price = stop.price_of(order.side, order.price);
        let counts = market.buy_hold(price, order.leaves).is_some();
        ensure(counts, Fault::Quantity)?;
        let (asset, held) = market.hold_of_waiting(order, stop);
        let (_, already) = market.hold_of(order);
        let more = held.checked_sub(already).ok_or(Fault::NotCovered)?;
        let account = self.account_of(order.session);
        let available = self.funds.balance(account, asset).available;
        ensure(more <= available, Fault::NotCovered)?;
        self.funds.hold(account, asset, more);
        Ok(())
    }

    /// Gives a live order its slot, its client order id and its hold.
    pub(super) fn put_back(
        &mut self,
        record: &OrderRecord,
        order_type: OrderType,
        next_fresh: u32,
    ) -> Result<(), Fault> {
        ensure(!record.quote.is_yes(), Fault::Quote)?;
        self.session(record.session).ok_or(Fault::Unknown)?;
        let market = *self.market(record.market_id()).ok_or(Fault::Unknown)?;
        let slot = record.id.slot();
        self.check_slot(record.id, next_fresh)?;
        let client_order_id = record.client_order_id;
        let known = self
            .client_ids
            .look_up(&self.orders, record.session, client_order_id);
        let vacancy = known.err().filter(|_| client_order_id != ClientOrderId(0));
        let vacancy = vacancy.ok_or(Fault::ClientOrderId)?;
        let is_price = match order_type {
            OrderType::Limit | OrderType::StopLimit => market.has_price(record.price),
            OrderType::Market | OrderType::Stop => record.price == Price(0),
        };
        ensure(is_price, Fault::Price)?;
        // An order was refused unless all of it could be counted.
        let all = record.filled.checked_add(record.leaves);
        let counts = all.is_some_and(|all| {
            let has_hold = || market.buy_hold(record.price, all).is_some();
            market.base_units(all).is_some() && (!order_type.has_limit() || has_hold())
        });
        ensure(counts && record.leaves > Qty::ZERO, Fault::Quantity)?;
        let fits = if record.display_qty == Qty::ZERO {
            record.hidden == Qty::ZERO
        } else {
            record.hidden < record.leaves
                && record.leaves.0 - record.hidden.0 <= record.display_qty.0
        };
        ensure(fits || record.priority == 0, Fault::Quantity)?;
        let ends_twice = record.until_close.is_yes() && record.expires != Nanos(0);
        ensure(!ends_twice, Fault::Range)?;
        let command = command(record, order_type);
        let mut order = Order::new(record.id, record.session, &command, record.price);
        order.filled = record.filled;
        self.put_back_with_hold(&order)?;
        self.client_ids.fill(vacancy, slot);
        self.note_end(&order, record.expires);
        self.orders.set_display(&order, record.display_qty);
        self.orders.hide(slot, record.hidden);
        Ok(())
    }

    /// Whether such an id can have been given, and its slot is empty.
    pub(super) fn check_slot(&self, id: OrderId, next_fresh: u32) -> Result<(), Fault> {
        let slot = id.slot();
        let is_id = id >= OrderId::first(slot) && slot < next_fresh;
        ensure(is_id && self.orders[slot].id == OrderId::NONE, Fault::Slot)
    }

    /// Puts an order into its slot, and sets aside what it holds.
    pub(super) fn put_back_with_hold(&mut self, order: &Order) -> Result<(), Fault> {
        let account = self.account_of(order.session);
        let (asset, held) = self.market_of_order(order.market()).hold_of(order);
        let available = self.funds.balance(account, asset).available;
        ensure(held <= available, Fault::NotCovered)?;
        self.funds.hold(account, asset, held);
        self.orders.put_back(*order);
        *self.accounts.loose(account.0).open_orders += 1;
        Ok(())
    }

    /// Links the orders of each session: each stands before the one that it names, and one is the newest.
    pub(super) fn load_lists(
        &mut self,
        records: [&Records<'_, OrderRecord>; 2],
        stops: &Records<'_, StopRecord>,
    ) -> Result<(), LoadError> {
        for records in records {
            records.each(|record| self.load_link(record))?;
        }
        stops.each(|record| self.load_link(&record.order))?;
        for records in records {
            records.each(|record| self.load_newest(record))?;
        }
        stops.each(|record| self.load_newest(&record.order))?;
        let mut listed = 0;
        for session in self.session_ids() {
            let some = |slot| (slot != NIL).then_some(slot);
            let newest = some(self.session_state(session).newest_order);
            let slots = core::iter::successors(newest, |&slot| some(self.orders.older(slot)));
            listed += slots.count();
        }
        // Whatever is in no list goes round in a circle.
        ensure(listed == self.live_orders(), Fault::List).map_err(Head::refuse)
    }

    pub(super) fn load_link(&mut self, record: &OrderRecord) -> Result<(), Fault> {
        if record.older == NIL {
            return Ok(());
        }
        let exists = (record.older as usize) < self.orders.slots();
        let is_its = exists && {
            let older = &self.orders[record.older];
            older.id != OrderId::NONE && older.session == record.session
        };
        ensure(
            is_its && self.orders.newer(record.older) == NIL,
            Fault::List,
        )?;
        self.orders.join(record.id.slot(), record.older);
        Ok(())
    }

    pub(super) fn load_newest(&mut self, record: &OrderRecord) -> Result<(), Fault> {
        let slot = record.id.slot();
        if self.orders.newer(slot) != NIL {
            return Ok(());
        }
        let newest = self.sessions.loose(record.session.0).newest_order;
        ensure(*newest == NIL, Fault::List)?;
        *newest = slot;
        Ok(())
    }

    pub(super) fn load_free_slots(
        &mut self,
        records: &Records<'_, OrderId>,
        next_fresh: u32,
    ) -> Result<(), LoadError> {
        let mut is_free = vec![false; next_fresh as usize];
        let mut free = Vec::with_capacity(records.bytes.len() / size_of::<OrderId>());
        records.each(|&id| {
            let slot = id.slot();
            // What a slot gives out again is at least its second id.
            let is_id = id > OrderId::first(slot) && slot < next_fresh;
            ensure(
                is_id && self.orders[slot].id == OrderId::NONE && !is_free[slot as usize],
                Fault::Slot,
            )?;
            is_free[slot as usize] = true;
            free.push(id);
            Ok(())
        })?;
        self.orders.restore(next_fresh, free.into_iter());
        Ok(())
    }

    /// What the orders hold is what the balances say.
    pub(super) fn check_held(&self, records: &Records<'_, BalanceRecord>) -> Result<(), LoadError> {
        records.each(|record| {
            let balance = self.funds.balance(record.account, record.asset);
            let ours = balance_record(record.account, record.asset, balance);
            ensure(ours == *record, Fault::Held)
        })
    }
}

/// The order as it was entered, as far as its slot shows it.
pub(super) fn command(record: &OrderRecord, order_type: OrderType) -> NewOrder {
    NewOrder {
        client_order_id: record.client_order_id,
        price: record.price,
        qty: record.leaves,
        market: record.market_id(),
        side: record.side,
        order_type,
        time_in_force: if record.expires != Nanos(0) {
            TimeInForce::GoodTillTime
        } else if record.until_close.is_yes() {
            TimeInForce::GoodTillClose
        } else {
            TimeInForce::GoodTillCancel
        },
        expires: record.expires,
        display_qty: record.display_qty,
        post_only: record.post_only,
        self_trade: record.self_trade,
        self_trade_scope: record.self_trade_scope,
        ..NewOrder::PLAIN
    }
}
