//! What readers may ask of an engine between commands.

use crate::{
    NaiveEngine,
    naive::{Order, Work},
};
use domain::{
    AccountId, AccountView, Amount, AssetId, MarketId, MarketState, Nanos, OrderId, OrderView,
    Phase, Price, ProtectionView, Qty, SessionId, SessionView, Side, Source,
};

fn view(order: &Order) -> OrderView {
    OrderView {
        order_id: order.id,
        session: order.session,
        market: order.market,
        side: order.side,
        post_only: order.post_only,
        self_trade: order.self_trade,
        self_trade_scope: order.self_trade_scope,
        price: order.price,
        leaves: order.leaves,
        filled: order.filled,
        client_order_id: order.client_order_id,
        priority: order.priority,
        expires: order.expires,
        until_close: order.until_close,
        display_qty: order.display,
        hidden: order.hidden,
        trigger_price: order.stop.map_or(Price(0), |stop| stop.trigger),
        worst_price: order.stop.map_or(Price(0), |stop| stop.worst),
        quote: order.quote,
    }
}

impl NaiveEngine {
    /// What must go on before anything else: the order that sweeps, or none of any other work.
    #[must_use]
    pub fn pending_work(&self) -> Option<OrderId> {
        self.work.map(|work| match work {
            Work::Sweep(sweep) => sweep.order_id,
            Work::Canceling(_) | Work::Uncrossing(_) | Work::Expiring | Work::Arriving(_) => {
                OrderId::NONE
            }
        })
    }

    /// The order that sweeps, if one does.
    fn sweeping_order(&self) -> Option<OrderId> {
        self.pending_work().filter(|id| *id != OrderId::NONE)
    }

    /// The rules in force.
    #[must_use]
    pub fn version(&self) -> u16 {
        self.version
    }

    /// The epoch, 0 before the first `Recovered`.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Engine time, UTC nanoseconds; 0 before the first command.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// Whether new orders are taken.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// All live orders, lowest id first.
    #[must_use]
    pub fn order_views(&self) -> Vec<OrderView> {
        let mut views: Vec<OrderView> = self.orders.iter().map(view).collect();
        views.sort_by_key(|order| order.order_id);
        views
    }

    /// The resting orders of a side, best price first, then first come first.
    #[must_use]
    pub fn book_views(&self, market: MarketId, side: Side) -> Vec<OrderView> {
        self.book(market, side).iter().map(view).collect()
    }

    /// Whether orders are accepted, and not only cancels.
    pub(crate) fn accepts_orders(&self) -> bool {
        self.phase == Phase::Open
    }

    /// The highest number of a source so far, or 0.
    #[must_use]
    pub fn last_number(&self, source: Source) -> u64 {
        self.last_numbers.get(&source).copied().unwrap_or(0)
    }

    /// A session, if it exists.
    #[must_use]
    pub fn session(&self, id: SessionId) -> Option<SessionView> {
        let session = self.sessions.get(&id)?;
        Some(SessionView {
            account: session.terms.account,
            delegation: session.terms.delegation,
            gate: session.terms.gate,
            next_report_no: session.next_report_no,
            last_number: self.last_number(Source::of_session(id)),
            epoch_report_no: session.epoch_report_no,
            entered: session.entered,
            unattested: session.unattested,
        })
    }

    /// How many sessions there are.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// The ids of all sessions, ascending.
    pub fn session_ids(&self) -> impl Iterator<Item = SessionId> {
        self.sessions.keys().copied()
    }

    /// The ids of all markets, ascending.
    pub fn market_ids(&self) -> impl Iterator<Item = MarketId> {
        self.markets.keys().copied()
    }

    /// An account, if it exists.
    #[must_use]
    pub fn account(&self, id: AccountId) -> Option<AccountView> {
        let account = self.accounts.get(&id)?;
        let is_its = |order: &&Order| order.account == id;
        let open_orders = self.orders.iter().filter(is_its).count();
        Some(AccountView {
            firm: account.terms.firm,
            owner: account.terms.owner,
            tier: account.tier,
            own_limits: self.own_limits.get(&id).copied(),
            open_orders: u32::try_from(open_orders).expect("there are fewer than 2^26 orders"),
            volume: account.volume,
            volume_day: account.volume_day,
        })
    }

    /// The protection of what a session quotes in a market, if it has one.
    #[must_use]
    pub fn protection(&self, session: SessionId, market: MarketId) -> Option<ProtectionView> {
        let protection = self.protections.get(&(session, market))?;
        Some(ProtectionView {
            window: protection.terms.window,
            max_qty: protection.terms.max_qty,
            max_notional: protection.terms.max_notional,
            max_fills: protection.terms.max_fills,
            begun: protection.begun,
            qty: protection.qty,
            notional: protection.notional,
            fills: protection.fills,
            reached: protection.reached,
        })
    }

    /// What may happen in a market, and the price of its last trade, in ticks; 0 if there was none.
    #[must_use]
    pub fn market_state(&self, id: MarketId) -> Option<(MarketState, Price)> {
        let market = self.markets.get(&id)?;
        Some((market.state, market.last_price))
    }

    /// What an account has of an asset, available and held, if both exist.
    #[must_use]
    pub fn balance(&self, account: AccountId, asset: AssetId) -> Option<(Amount, Amount)> {
        let both_exist = self.accounts.contains_key(&account) && self.assets.contains_key(&asset);
        both_exist.then(|| {
            let held = self.held(account, asset);
            (Amount(self.available(account, asset)), Amount(held))
        })
    }

    /// What was deposited of an asset and what fees took of it, if it exists.
    #[must_use]
    pub fn asset(&self, asset: AssetId) -> Option<(Amount, Amount)> {
        let asset = self.assets.get(&asset)?;
        Some((Amount(asset.deposited), Amount(asset.fees)))
    }

    /// The highest price at which someone buys.
    #[must_use]
    pub fn best_bid(&self, market: MarketId) -> Option<Price> {
        self.book(market, Side::Buy)
            .first()
            .map(|order| order.price)
    }

    /// The lowest price at which someone sells.
    #[must_use]
    pub fn best_ask(&self, market: MarketId) -> Option<Price> {
        self.book(market, Side::Sell)
            .first()
            .map(|order| order.price)
    }

    /// The best `levels` prices of a side with their quantities and numbers of orders.
    #[must_use]
    pub fn depth(&self, market: MarketId, side: Side, levels: usize) -> Vec<(Price, Qty, u32)> {
        let mut depth: Vec<(Price, Qty, u32)> = Vec::new();
        for order in self.book(market, side) {
            match depth.last_mut().filter(|level| level.0 == order.price) {
                Some((_, qty, orders)) => {
                    qty.0 += order.shown().0;
                    *orders += 1;
                }
                None => depth.push((order.price, order.shown(), 1)),
            }
        }
        depth.truncate(levels);
        depth
    }

    /// How many orders rest or sweep.
    #[must_use]
    pub fn live_orders(&self) -> usize {
        self.orders.len()
    }

    /// Checks what always holds, of funds and of books.
    ///
    /// # Errors
    /// What does not hold, and where.
    pub fn check_invariants(&self) -> Result<(), String> {
        for (id, asset) in &self.assets {
            let owned = self.owned.iter().filter(|((_, of), _)| of == id);
            let owned: u128 = owned.map(|(_, amount)| u128::from(*amount)).sum();
            if owned + u128::from(asset.fees) != u128::from(asset.deposited) {
                return Err(format!("{owned} of asset {} is owned: {asset:?}", id.0));
            }
        }
        for (account, asset) in self.owned.keys() {
            if self.held(*account, *asset) > self.owned(*account, *asset) {
                return Err(format!("account {} holds too much", account.0));
            }
        }
        let is_anywhere = |order: &&Order| order.is_resting() || order.stop.is_some();
        let sweeping = self.orders.iter().filter(|order| !is_anywhere(order));
        if !sweeping.map(|order| order.id).eq(self.sweeping_order()) {
            return Err("an order neither rests nor waits, and does not sweep".to_owned());
        }
        for id in self.markets.keys() {
            let may_be_crossed = self.work.is_some() || self.may_be_crossed(*id);
            if self.is_crossed(*id) && !may_be_crossed {
                return Err(format!("market {} is crossed", id.0));
            }
        }
        Ok(())
    }
}
