//! Live orders, by their ids and by account.
//!
//! Data: every order that can trade. Owner: the hub. Invariant: an account's orders lie together, so that nobody's
//! question takes the time of everybody's orders.

use crate::view::Tracked;
use domain::{AccountId, OrderId};
use std::collections::{BTreeMap, BTreeSet};

/// See the module.
#[derive(Default)]
pub(crate) struct Orders {
    by_id: BTreeMap<OrderId, Tracked>,
    by_account: BTreeSet<(AccountId, OrderId)>,
}

impl Orders {
    pub(crate) fn insert(&mut self, order: Tracked) {
        self.by_account.insert((order.account, order.order_id));
        self.by_id.insert(order.order_id, order);
    }

    pub(crate) fn remove(&mut self, id: OrderId) -> Option<Tracked> {
        let order = self.by_id.remove(&id)?;
        self.by_account.remove(&(order.account, id));
        Some(order)
    }

    pub(crate) fn get(&self, id: OrderId) -> Option<&Tracked> {
        self.by_id.get(&id)
    }

    /// An order's account stays.
    pub(crate) fn get_mut(&mut self, id: OrderId) -> Option<&mut Tracked> {
        self.by_id.get_mut(&id)
    }

    /// Those of an account, lowest id first.
    pub(crate) fn of(&self, account: AccountId) -> impl Iterator<Item = &Tracked> {
        let own = (account, OrderId(0))..=(account, OrderId(u64::MAX));
        self.by_account
            .range(own)
            .filter_map(|(_, id)| self.by_id.get(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{
        ClientOrderId, MarketId, OrderType, PostOnly, Price, Qty, SelfTrade, SelfTradeScope,
        SessionId, Side, TimeInForce,
    };

    fn order(account: u32, id: u64) -> Tracked {
        Tracked {
            order_id: OrderId(id),
            client_order_id: ClientOrderId(0),
            session: SessionId(1),
            account: AccountId(account),
            market: MarketId(0),
            side: Side::Buy,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::GoodTillCancel,
            post_only: PostOnly::No,
            min_qty: Qty::ZERO,
            self_trade: SelfTrade::Allow,
            self_trade_scope: SelfTradeScope::Account,
            expires: domain::Nanos(0),
            trigger_price: Price(0),
            quote: false,
            waits: false,
            display_qty: Qty::ZERO,
            hidden: Qty::ZERO,
            price: Price(1),
            qty: Qty(1),
            leaves: Qty(1),
            filled: Qty(0),
            ended: None,
            changed: domain::Nanos(0),
        }
    }

    fn ids(orders: &Orders, account: u32) -> Vec<u64> {
        let own = orders.of(AccountId(account));
        own.map(|order| order.order_id.0).collect()
    }

    #[test]
    fn an_account_has_its_own_orders_until_they_end() {
        let mut orders = Orders::default();
        for (account, id) in [(2, 9), (1, 7), (2, 3), (3, 1), (2, u64::MAX)] {
            orders.insert(order(account, id));
        }
        assert_eq!(ids(&orders, 2), [3, 9, u64::MAX]);
        assert!(ids(&orders, 4).is_empty());
        assert!(orders.remove(OrderId(9)).is_some());
        assert!(orders.remove(OrderId(9)).is_none());
        assert_eq!(ids(&orders, 2), [3, u64::MAX]);
    }
}
