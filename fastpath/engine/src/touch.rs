//! Reading ahead: what waiting requests will need is fetched before it is their turn.
//!
//! An order needs a dozen places that lie far apart: its session, its account, a balance, a price, its neighbours there,
//! the entry of its client order id. Where the state is larger than the caches near the core, each of them is waited for
//! when it is come to, one after another. The places of requests that wait are known beforehand, and are read together
//! here, so that one wait covers many. Nothing changes, and nothing depends on what is read.

use crate::engine::{Engine, Session};
use crate::market::Market;
use crate::orders::Order;
use core::hint::black_box;
use domain::{Command, NewOrder, OrderId, Request, Side};

/// With fewer live orders what orders need is near enough, and reading ahead takes as long as it saves (measured:
/// docs/BENCHMARKING.md).
const MANY_ORDERS: usize = 1 << 15;

impl Engine {
    /// Reads what these requests will need, if there is so much state that this pays. They need not be admitted, nor
    /// name anything that exists. Worth its while for some 8 to 64 requests at a time.
    pub fn touch(&self, burst: &[Request]) {
        if self.orders.live() < MANY_ORDERS {
            return;
        }
        // What is found by what a request says; and when all of that has come, what is found by that.
        let sum = |read: u64, more: u64| read.wrapping_add(more);
        black_box(burst.iter().map(|it| self.touch_named(it)).fold(0, sum));
        black_box(burst.iter().map(|it| self.touch_near(it)).fold(0, sum));
    }

    fn touch_named(&self, request: &Request) -> u64 {
        let Some(id) = request.source.session() else {
            return 0;
        };
        let session = self.session_or_none(id).map_or(0, |it| it.last_number);
        let named = if let Command::NewOrder(command) = &request.command {
            let queue = self.last_at_price_of(command).unwrap_or(0);
            u64::from(queue) ^ self.client_ids.touch(id, command.client_order_id)
        } else if let Some(order_id) = named_order(&request.command) {
            let slot = order_id.slot();
            self.orders.touch(slot) ^ self.orders.touch_links(slot)
        } else {
            0
        };
        session ^ named
    }

    fn touch_near(&self, request: &Request) -> u64 {
        let session = request.source.session();
        let Some(session) = session.and_then(|id| self.session_or_none(id)) else {
            return 0;
        };
        let near = if let Command::NewOrder(command) = &request.command {
            self.touch_near_new(session, command)
        } else if let Some(order_id) = named_order(&request.command) {
            let slot = self.orders.find(order_id);
            slot.map_or(0, |slot| self.touch_near_order(&self.orders[slot]))
        } else {
            0
        };
        u64::from(self.account_state(session.account).open_orders) ^ near
    }

    fn touch_near_new(&self, session: &Session, command: &NewOrder) -> u64 {
        let Some(market) = self.market(command.market) else {
            return 0;
        };
        let ahead = self.last_at_price_of(command);
        ahead.map_or(0, |slot| self.orders.touch(slot))
            ^ self.orders.touch_links(session.newest_order)
            ^ self.touch_balance(session, market, command.side)
    }

    fn touch_near_order(&self, order: &Order) -> u64 {
        let market = self.market_of_order(order.market());
        let slot = order.id.slot();
        let level = market
            .book
            .last_in_queue(&self.ladders, order.side, order.price);
        self.orders.touch(order.prev)
            ^ self.orders.touch(order.next)
            ^ u64::from(level.unwrap_or(0))
            ^ self.orders.touch_links(self.orders.older(slot))
            ^ self.orders.touch_links(self.orders.newer(slot))
            ^ self.client_ids.touch(order.session, order.client_order_id)
            ^ self.touch_balance(self.session_state(order.session), market, order.side)
    }

    fn touch_balance(&self, session: &Session, market: &Market, side: Side) -> u64 {
        let asset = match side {
            Side::Buy => market.terms.quote,
            Side::Sell => market.terms.base,
        };
        self.funds.balance(session.account, asset).available.0
    }

    /// The last order at the price of a new one, if that is one of its market's.
    fn last_at_price_of(&self, command: &NewOrder) -> Option<u32> {
        let market = self.market(command.market)?;
        let book = &market.book;
        book.last_in_queue(&self.ladders, command.side, command.price)
    }
}

/// The order that a cancel or an amendment names by the engine's id.
fn named_order(command: &Command) -> Option<OrderId> {
    let id = if let Command::CancelOrder(command) = command {
        command.order_id
    } else if let Command::AmendOrder(command) = command {
        command.order_id
    } else {
        OrderId::NONE
    };
    (id != OrderId::NONE).then_some(id)
}
