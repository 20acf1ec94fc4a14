//! What readers may know of the state. Nothing here changes it; some of it allocates.

use crate::engine::Engine;
use crate::market::Market;
use crate::orders::{Iceberg, NIL, Order};
use crate::stops::Stop;
use domain::{
    AccountId, AccountView, Amount, AssetId, ClientOrderId, CreateAsset, CreateMarket, Genesis,
    Limits, MAX_TIERS, MarketId, MarketState, Nanos, OrderId, OrderView, Phase, Price,
    ProtectionView, Qty, SessionId, SessionView, SetCollar, Side, Zero,
};

/// A place of a table that is taken: its id.
fn ids<T>(table: &[Option<T>]) -> impl Iterator<Item = u32> {
    (0_u32..)
        .zip(table)
        .filter_map(|(id, place)| place.is_some().then_some(id))
}

fn view(order: &Order, expires: Nanos, iceberg: Iceberg, stop: Stop) -> OrderView {
    OrderView {
        order_id: order.id,
        session: order.session,
        market: order.market(),
        side: order.side,
        post_only: order.instructions.post_only(),
        self_trade: order.instructions.self_trade(),
        self_trade_scope: order.instructions.self_trade_scope(),
        price: order.price,
        leaves: order.leaves,
        filled: order.filled,
        client_order_id: order.client_order_id,
        priority: order.priority,
        expires,
        until_close: order.instructions.until_close(),
        display_qty: iceberg.display,
        hidden: iceberg.hidden,
        trigger_price: stop.trigger,
        worst_price: stop.worst,
        quote: order.instructions.is_quote(),
    }
}

impl Engine {
    /// The version of the rules in force.
    #[must_use]
    pub fn version(&self) -> u16 {
        self.version
    }

    /// The epoch, which a recovery that may have lost frames raises.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Whether new orders are taken.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Engine time: the latest time of any stamp, UTC nanoseconds.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// The id that the next trade will have; from 1.
    #[must_use]
    pub fn next_trade_id(&self) -> u64 {
        self.next_trade_id
    }

    /// The number that the next public event gets.
    #[must_use]
    pub fn next_feed_no(&self) -> u64 {
        self.next_feed_no
    }

    /// The sizes of its tables; `None` before genesis.
    #[must_use]
    pub fn capacities(&self) -> Option<&Genesis> {
        self.genesis.as_ref()
    }

    /// A session, if it exists.
    #[must_use]
    pub fn session(&self, session: SessionId) -> Option<SessionView> {
        let entered = self.entered.get(session)?;
        let session = self.session_or_none(session)?;
        Some(SessionView {
            account: session.account,
            delegation: session.delegation,
            gate: session.gate,
            next_report_no: session.next_report_no,
            last_number: session.last_number,
            epoch_report_no: session.epoch_report_no,
            entered: entered.all,
            unattested: entered.unattested,
        })
    }

    /// How many sessions exist.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.session_ids().count()
    }

    /// The sessions that exist, lowest id first.
    pub fn session_ids(&self) -> impl Iterator<Item = SessionId> {
        ids(&self.sessions).map(SessionId)
    }

    /// The accounts that exist, lowest id first.
    pub fn account_ids(&self) -> impl Iterator<Item = AccountId> {
        ids(&self.accounts).map(AccountId)
    }

    /// The assets that exist, lowest id first.
    pub fn asset_ids(&self) -> impl Iterator<Item = AssetId> {
        ids(&self.assets).map(AssetId)
    }

    /// The markets that exist, lowest id first.
    pub fn market_ids(&self) -> impl Iterator<Item = MarketId> {
        ids(&self.markets).map(MarketId)
    }

    /// What an account has of an asset, (available, held) in base units; `None` if either does
    /// not exist.
    #[must_use]
    pub fn balance(&self, account: AccountId, asset: AssetId) -> Option<(Amount, Amount)> {
        self.asset(asset)?;
        let balance = self
            .has_account(account)
            .then(|| self.funds.balance(account, asset))?;
        Some((balance.available, balance.held))
    }

    /// What was deposited of an asset and what the exchange earned of it, (deposited, fees) in
    /// base units.
    #[must_use]
    pub fn asset(&self, asset: AssetId) -> Option<(Amount, Amount)> {
        let asset = self.assets.get(asset.0 as usize)?.as_ref()?;
        Some((asset.deposited, asset.fees))
    }

    /// An asset as it was created.
    #[must_use]
    pub fn asset_terms(&self, asset: AssetId) -> Option<&CreateAsset> {
        let asset = self.assets.get(asset.0 as usize)?.as_ref()?;
        Some(&asset.terms)
    }

    /// An account, if it exists.
    #[must_use]
    pub fn account(&self, account: AccountId) -> Option<AccountView> {
        let account = self.accounts.get(account.0 as usize)?.as_ref()?;
        Some(self.view_of(account))
    }

    /// A market as it was created.
    #[must_use]
    pub fn market_terms(&self, market: MarketId) -> Option<&CreateMarket> {
        self.market(market).map(|market| &market.terms)
    }

    /// What may happen in a market, and the price of its last trade, in ticks; 0 if there was none.
    #[must_use]
    pub fn market_state(&self, market: MarketId) -> Option<(MarketState, Price)> {
        let market = self.market(market)?;
        Some((market.state, market.last_price))
    }

    /// How far orders may reach into the other side of a market, as it was set last; its reference is none if it never
    /// was.
    #[must_use]
    pub fn collar(&self, market: MarketId) -> Option<SetCollar> {
        let collar = self.market(market)?.collar;
        Some(SetCollar {
            price: collar.price,
            market,
            width_ppm: collar.width_ppm,
            reference: collar.reference,
            halts: collar.halts,
            pad: [Zero::Zero; 6],
        })
    }

    /// The highest price that someone bids, in ticks.
    #[must_use]
    pub fn best_bid(&self, market: MarketId) -> Option<Price> {
        self.market(market)?.book.best(Side::Buy)
    }

    /// The lowest price that someone asks, in ticks.
    #[must_use]
    pub fn best_ask(&self, market: MarketId) -> Option<Price> {
        self.market(market)?.book.best(Side::Sell)
    }

    /// The best `count` prices of a side, best first: price in ticks, lots, orders. Empty for a
    /// market that does not exist. Allocates and walks all orders of these prices.
    #[must_use]
    pub fn depth(&self, market: MarketId, side: Side, count: usize) -> Vec<(Price, Qty, u32)> {
        let Some(market) = self.market(market) else {
            return Vec::new();
        };
        let orders_at = |price| {
            market
                .book
                .queue(&self.ladders, &self.orders, side, price)
                .count()
        };
        market
            .book
            .levels(&self.ladders, side)
            .take(count)
            .map(|(price, qty)| {
                let orders = u32::try_from(orders_at(price)).expect("there are fewer than 2^26");
                (price, qty, orders)
            })
            .collect()
    }

    /// The lots that are shown at a price of a side; 0 if the market or the price does not exist.
    #[must_use]
    pub fn quantity_at(&self, market: MarketId, side: Side, price: Price) -> Qty {
        self.market(market)
            .filter(|market| market.has_price(price))
            .map_or(Qty::ZERO, |market| {
                market.book.quantity(&self.ladders, side, price)
            })
    }

    /// The limits of a tier; `None` if there is no such tier.
    #[must_use]
    pub fn tier_limits(&self, tier: u32) -> Option<&Limits> {
        (tier < MAX_TIERS).then(|| self.limits.get(tier))
    }

    /// What a tier pays in a market, (maker, taker) in parts per million; below 0 it is a rebate.
    #[must_use]
    pub fn rates(&self, market: MarketId, tier: u32) -> Option<(i32, u32)> {
        let rates = self.market(market)?.rates.get(tier as usize)?;
        Some((rates.maker_ppm, rates.taker_ppm))
    }

    /// The sessions of an account, that which was opened last first.
    pub fn sessions_of(&self, account: AccountId) -> impl Iterator<Item = SessionId> {
        let some = |id: u32| (id != NIL).then_some(id);
        let account = self.accounts.get(account.0 as usize);
        let account = account.and_then(Option::as_ref);
        let newest = account.and_then(|account| some(account.newest_session));
        let older = move |&id: &u32| some(self.session_state(SessionId(id)).older_session);
        core::iter::successors(newest, older).map(SessionId)
    }

    /// How many orders rest or sweep.
    #[must_use]
    pub fn live_orders(&self) -> usize {
        self.orders.live()
    }

    /// The id of the session's live order with this client order id.
    #[must_use]
    pub fn order_id(&self, session: SessionId, client_order_id: ClientOrderId) -> Option<OrderId> {
        let slot = self
            .client_ids
            .find(&self.orders, session, client_order_id)?;
        Some(self.orders[slot].id)
    }

    /// The live order with this id.
    #[must_use]
    pub fn order(&self, order_id: OrderId) -> Option<OrderView> {
        let slot = self.orders.find(order_id)?;
        Some(self.order_view(&self.orders[slot]))
    }

    /// All live orders, by slot.
    pub fn orders(&self) -> impl Iterator<Item = OrderView> {
        self.orders.iter().map(|order| self.order_view(order))
    }

    /// The resting orders of a side, best price first, then first come first.
    pub fn book(&self, market: MarketId, side: Side) -> impl Iterator<Item = OrderView> {
        self.market(market).into_iter().flat_map(move |market| {
            let book = &market.book;
            let prices = book.levels(&self.ladders, side).map(|(price, _)| price);
            prices
                .flat_map(move |price| book.queue(&self.ladders, &self.orders, side, price))
                .map(|order| self.order_view(order))
        })
    }

    /// What a session quotes in a market: the orders that are its bid and its ask.
    #[must_use]
    pub fn quote_of(&self, session: SessionId, market: MarketId) -> [Option<OrderId>; 2] {
        [Side::Buy, Side::Sell].map(|side| {
            let slot = self.quote_slot(session, market, side)?;
            Some(self.orders[slot].id)
        })
    }

    /// The protection of a session's quotes in a market, if it has one.
    #[must_use]
    pub fn protection(&self, session: SessionId, market: MarketId) -> Option<ProtectionView> {
        let quoted = self.quoted.find(session, market)?;
        quoted.protection.is_on().then(|| quoted.protection.view())
    }

    /// All protections, in no order.
    pub fn protections(&self) -> impl Iterator<Item = (SessionId, MarketId, ProtectionView)> {
        let on = self.quoted.iter().filter(|entry| entry.protection.is_on());
        on.map(|entry| (entry.session, entry.market, entry.protection.view()))
    }

    fn order_view(&self, order: &Order) -> OrderView {
        let stop = self.stop_of(order).copied().unwrap_or(Stop::NONE);
        view(order, self.end_of(order), self.orders.iceberg(order), stop)
    }

    pub(crate) fn market(&self, market: MarketId) -> Option<&Market> {
        self.markets.get(market.0 as usize)?.as_ref()
    }
}
