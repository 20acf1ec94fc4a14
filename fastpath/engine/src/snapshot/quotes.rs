//! Quotes and their protections in a body.

use super::faults::{Fault, LoadError, ensure};
use super::load_orders::command;
use super::reader::{Ascending, Records};
use super::save::put;
use super::{OrderRecord, ProtectionRecord};
use crate::engine::Engine;
use crate::orders::{Instructions, Order};
use crate::protection::Protection;
use crate::quoted::Quoted;
use domain::{
    Amount, ClientOrderId, Flag, Nanos, OrderType, PostOnly, Qty, SelfTrade, SelfTradeScope,
    SetProtection, Side,
};

impl Engine {
    pub(super) fn save_protections(&self, body: &mut Vec<u8>) {
        let on = self.quoted.iter().filter(|entry| entry.protection.is_on());
        let mut on: Vec<_> = on.collect();
        on.sort_by_key(|entry| (entry.session, entry.market));
        for entry in on {
            let protection = &entry.protection;
            let record = ProtectionRecord {
                session: entry.session,
                market: entry.market,
                window: protection.window,
                max_qty: protection.max_qty,
                max_notional: protection.max_notional,
                max_fills: protection.max_fills,
                fills: protection.fills,
                begun: protection.begun,
                qty: protection.qty,
                notional: protection.notional,
            };
            put(body, &record);
        }
    }

    /// Gives a side of a quote its slot, its hold and its place in the table.
    pub(super) fn put_back_quote(
        &mut self,
        record: &OrderRecord,
        next_fresh: u32,
    ) -> Result<(), Fault> {
        let exists = self.session(record.session).is_some();
        let market = self.market(record.market_id()).filter(|_| exists);
        let market = market.ok_or(Fault::Unknown)?;
        self.check_slot(record.id, next_fresh)?;
        ensure(
            record.client_order_id != ClientOrderId(0),
            Fault::ClientOrderId,
        )?;
        ensure(market.has_price(record.price), Fault::Price)?;
        let counts = record.filled.checked_add(record.leaves).is_some()
            && market.base_units(record.leaves).is_some()
            && market.buy_hold(record.price, record.leaves).is_some();
        ensure(counts && record.leaves > Qty::ZERO, Fault::Quantity)?;
        ensure(is_plain(record), Fault::Range)?;
        let (session, market) = (record.session, record.market_id());
        let free = self.quote_slot(session, market, record.side).is_none();
        ensure(free, Fault::Quote)?;
        let other = self.quote_slot(session, market, record.side.opposite());
        if let Some(slot) = other {
            let other = &self.orders[slot];
            let is_below = match record.side {
                Side::Buy => record.price < other.price,
                Side::Sell => record.price > other.price,
            };
            let is_same = record.client_order_id == other.client_order_id;
            ensure(is_below && is_same, Fault::Quote)?;
        }
        self.check_room_to_quote(session, market)
            .map_err(Fault::Refused)?;
        let new = command(record, OrderType::Limit);
        let mut order = Order::new(record.id, session, &new, record.price);
        order.instructions = Instructions::QUOTE;
        order.filled = record.filled;
        self.put_back_with_hold(&order)?;
        self.note_quoted(session, market);
        self.quoted
            .set_slot((session, market), record.side, Some(record.id.slot()));
        Ok(())
    }

    pub(super) fn load_protections(
        &mut self,
        records: &Records<'_, ProtectionRecord>,
        now: Nanos,
    ) -> Result<(), LoadError> {
        let mut ascending = Ascending(None);
        records.each(|record| {
            ascending.check((record.session, record.market))?;
            let exist =
                self.session(record.session).is_some() && self.market(record.market).is_some();
            ensure(exist, Fault::Unknown)?;
            let protection = protection(record);
            let terms = terms(record);
            ensure(terms.has_limit() && protection.is_on(), Fault::Range)?;
            ensure(can_have_counted(&protection, now), Fault::Range)?;
            self.check_room_to_quote(record.session, record.market)
                .map_err(Fault::Refused)?;
            let quoted = self.quoted.find(record.session, record.market);
            let quotes = quoted.is_some_and(Quoted::has_quotes);
            ensure(!(quotes && protection.is_reached()), Fault::Quote)?;
            self.protect_quotes(record.session, record.market, protection);
            Ok(())
        })
    }
}

/// Whether an order has nothing that quotes have not.
fn is_plain(record: &OrderRecord) -> bool {
    record.post_only == PostOnly::No
        && record.self_trade == SelfTrade::Allow
        && record.self_trade_scope == SelfTradeScope::Account
        && record.until_close == Flag::No
        && record.expires == Nanos(0)
        && record.display_qty == Qty::ZERO
        && record.hidden == Qty::ZERO
}

fn terms(record: &ProtectionRecord) -> SetProtection {
    SetProtection {
        request: 0,
        window: record.window,
        max_qty: record.max_qty,
        max_notional: record.max_notional,
        max_fills: record.max_fills,
        market: record.market,
    }
}

fn protection(record: &ProtectionRecord) -> Protection {
    Protection {
        fills: record.fills,
        begun: record.begun,
        qty: record.qty,
        notional: record.notional,
        ..Protection::of(&terms(record))
    }
}

/// Whether trades can have added up to the counters: each has a lot, and each lot is worth something.
fn can_have_counted(protection: &Protection, now: Nanos) -> bool {
    if protection.fills == 0 {
        return (protection.begun, protection.qty, protection.notional)
            == (Nanos(0), Qty::ZERO, Amount::ZERO);
    }
    protection.begun <= now
        && protection.qty.0 >= u64::from(protection.fills)
        && protection.notional.0 >= protection.qty.0
}
