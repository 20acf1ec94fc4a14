//! Stops: orders that wait until their market has traded at a price.

use crate::{
    Mutant, NaiveEngine,
    amend::Amendment,
    entry::ensure,
    limits::Intent,
    naive::{Market, Order, Stop, Sweep, Work},
};
use domain::{
    Effects, Flag, MarketId, MarketState, NewOrder, OrderType, PostOnly, Price, Qty, Reason,
    SelfTrade, Side, TimeInForce,
};

impl Stop {
    /// What the order is that waits.
    fn order_type(order: &Order) -> OrderType {
        if order.price == Price(0) {
            OrderType::Stop
        } else {
            OrderType::StopLimit
        }
    }
}

impl NaiveEngine {
    /// Whether a stop asks for nothing that is seen to when an order is entered.
    pub(crate) fn may_wait(new: &NewOrder) -> bool {
        new.time_in_force.rests()
            && new.post_only == PostOnly::No
            && new.min_qty == Qty::ZERO
            && new.display_qty == Qty::ZERO
            && new.self_trade != SelfTrade::Abort
    }

    /// The end of check 7: a stop has a trigger, and still has to wait for it.
    pub(crate) fn check_trigger(&self, market: &Market, new: &NewOrder) -> Result<(), Reason> {
        if !new.order_type.waits() {
            return Ok(());
        }
        let trigger = new.trigger_price;
        ensure(self.has_price(market, trigger), Reason::InvalidTrigger)?;
        let last = market.last_price;
        let (low, high) = market.reach.unwrap_or((last, last));
        let traded = (low.min(last), high.max(last));
        let reached = last != Price(0) && self.is_at(new.side, trigger, traded);
        ensure(
            !reached || self.is(Mutant::StopsNeedNotWait),
            Reason::WouldTrigger,
        )
    }

    /// Whether trades between two prices are at a trigger or beyond.
    fn is_at(&self, side: Side, trigger: Price, (low, high): (Price, Price)) -> bool {
        let beyond = i64::from(self.is(Mutant::StopsWaitForMore));
        match side {
            Side::Buy => high.0 >= trigger.0 + beyond,
            Side::Sell => low.0 <= trigger.0 - beyond,
        }
    }

    fn waiting(&self, market: MarketId) -> impl Iterator<Item = (Order, Stop)> {
        let of_market = move |order: &&Order| order.market == market;
        let orders = self.orders.iter().filter(of_market);
        orders.filter_map(|order| order.stop.map(|stop| (*order, stop)))
    }

    /// A trade at a price.
    pub(crate) fn reach(&mut self, market: MarketId, price: Price) {
        let waits = self.waiting(market).next().is_some();
        let only_last = self.is(Mutant::StopsSeeTheLastPrice);
        let market = self.markets.get_mut(&market);
        let market = market.expect("orders stand in markets that exist");
        market.last_price = price;
        if waits {
            let reach = market.reach.filter(|_| !only_last);
            let (low, high) = reach.unwrap_or((price, price));
            market.reach = Some((low.min(price), high.max(price)));
        }
    }

    /// Without a stop that waits nobody needs to know where the market has traded.
    pub(crate) fn forget_reach(&mut self, market: MarketId) {
        if self.waiting(market).next().is_none() {
            let market = self.markets.get_mut(&market);
            market.expect("orders stand in markets that exist").reach = None;
        }
    }

    /// The stop that arrives next: of each side the nearest one, and of these the one entered first.
    fn next_arrival(&self, market: MarketId) -> Option<(Order, Stop)> {
        let reach = self.markets[&market].reach?;
        let first = |side: Side| {
            let distance = |stop: &Stop| match side {
                _ if self.is(Mutant::NearestStopIsNotFirst) => 0,
                Side::Buy => stop.trigger.0,
                Side::Sell => -stop.trigger.0,
            };
            let of_side = self.waiting(market).filter(|(order, stop)| {
                order.side == side && self.is_at(side, stop.trigger, reach)
            });
            of_side.min_by_key(|(_, stop)| (distance(stop), stop.entered))
        };
        let both = [Side::Buy, Side::Sell].into_iter().filter_map(first);
        if self.is(Mutant::BuyStopsComeFirst) {
            return both.min_by_key(|(order, _)| order.side);
        }
        both.min_by_key(|(_, stop)| stop.entered)
    }

    /// A market may have traded, or may trade again.
    pub(crate) fn wake(&mut self, market: MarketId) {
        let open = self.markets[&market].state == MarketState::Continuous;
        if !open && !self.is(Mutant::StopsArriveInAnyState) {
            return;
        }
        if self.next_arrival(market).is_some() {
            self.work = Some(Work::Arriving(market));
        } else if let Some(market) = self.markets.get_mut(&market) {
            market.reach = None;
        }
    }

    pub(crate) fn arrive(&mut self, market: MarketId, out: &mut Effects) {
        let next = self.next_arrival(market);
        let (order, stop) = next.expect("one is to arrive while this is pending");
        self.order_mut(order.id).stop = None;
        self.forget_reach(market);
        let has_limit = order.price != Price(0);
        let (order_type, price, time_in_force) = if has_limit {
            (OrderType::Limit, order.price, TimeInForce::GoodTillCancel)
        } else {
            (
                OrderType::Market,
                stop.worst,
                TimeInForce::ImmediateOrCancel,
            )
        };
        self.report_triggered(&order, price, out);
        let terms = self.markets[&market];
        let price = match self.within_collar(&terms, order.side, order_type, price) {
            Ok(price) => price,
            Err(_) if self.is(Mutant::StopsHaveNoCollar) => price,
            Err(reason) => {
                self.remove(order.id);
                self.report_canceled(&order, reason, out);
                self.halt_if_beyond_collar(market, reason, out);
                return self.wake(market);
            }
        };
        let sweep = Sweep {
            order_id: order.id,
            order_type,
            time_in_force,
            worst: if has_limit { Price(0) } else { price },
        };
        self.go_on_sweeping(sweep, out);
    }

    /// The price with which an order is reckoned that waits and has no limit, and at which it holds funds.
    pub(crate) fn reckoned_price(side: Side, worst: Price, trigger: Price) -> Price {
        if side == Side::Buy && worst != Price(0) {
            worst
        } else {
            trigger
        }
    }

    /// A stop that waits is amended, and goes on waiting.
    pub(crate) fn amend_stop(
        &mut self,
        old: &Order,
        stop: Stop,
        amendment: &Amendment,
        out: &mut Effects,
    ) -> Result<(), Reason> {
        let market = self.markets[&old.market];
        let order_type = Stop::order_type(old);
        let qty = amendment.qty;
        let mut new = Order {
            leaves: qty,
            client_order_id: amendment.client_order_id,
            ..*old
        };
        if order_type == OrderType::StopLimit {
            new.price = amendment.price;
            ensure(self.has_price(&market, new.price), Reason::PriceOutOfRange)?;
        }
        ensure(qty >= market.terms.min_qty, Reason::QuantityBelowMinimum)?;
        let limit = order_type.has_limit().then_some(new.price);
        let reckoned = Self::reckoned_price(old.side, stop.worst, stop.trigger);
        self.check_size(&market, limit.or(Some(reckoned)), qty)?;
        self.check_delegation_covers(old.session, &market, limit, qty)?;
        let intent = Intent {
            account: old.account,
            market: old.market,
            side: old.side,
            order_type,
            price: limit.unwrap_or(stop.worst),
            trigger: stop.trigger,
            qty,
            leaves: qty,
            new_orders: 0,
        };
        self.check_limits(&intent)?;
        let asks_for_no_more = new.price == old.price && new.leaves <= old.leaves;
        let volume = self.amended_volume(&intent, asks_for_no_more);
        self.check_unattested(old.session, volume)?;
        self.check_hold_of_amended(old, &new)?;
        self.count_entered(old.session, volume);
        *self.order_mut(old.id) = new;
        self.report_amended(&new, Flag::Yes, qty, out);
        Ok(())
    }
}
