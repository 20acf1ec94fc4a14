//! What readers may ask of an engine between commands.

use crate::{NaiveEngine, naive::Order};
use domain::{
    AccountId, Amount, AssetId, MarketId, Nanos, OrderId, OrderView, Phase, Price, Qty, SessionId,
    SessionView, Side, Source,
};

fn view(order: &Order) -> OrderView {
    OrderView {
        order_id: order.id,
        session: order.session,
        market: order.market,
        side: order.side,
        post_only: order.post_only,
        price: order.price,
        leaves: order.leaves,
        filled: order.filled,
        client_order_id: order.client_order_id,
        priority: order.priority,
    }
}

impl NaiveEngine {
    /// The order whose sweep must go on before anything else, if there is one.
    #[must_use]
    pub fn pending_sweep(&self) -> Option<OrderId> {
        self.sweep.map(|sweep| sweep.order_id)
    }

    /// When the next `Timer` is due, if anything waits for one.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Nanos> {
        (self.phase == Phase::CancelOnly).then_some(self.cancel_only_until)
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
                    qty.0 += order.leaves.0;
                    *orders += 1;
                }
                None => depth.push((order.price, order.leaves, 1)),
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
        let sweeping = self.orders.iter().filter(|order| !order.is_resting());
        if !sweeping.map(|order| order.id).eq(self.pending_sweep()) {
            return Err("an order rests nowhere and does not sweep".to_owned());
        }
        for market in self.markets.keys() {
            let best = self.best_bid(*market).zip(self.best_ask(*market));
            if best.is_some_and(|(bid, ask)| bid >= ask) && self.sweep.is_none() {
                return Err(format!("market {} is crossed: {best:?}", market.0));
            }
        }
        Ok(())
    }
}
