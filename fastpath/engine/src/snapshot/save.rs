//! Writing a body.

use super::{AssetRecord, BalanceRecord, Head, LAYOUT, OrderRecord, SessionRecord, SweepRecord};
use crate::engine::Engine;
use crate::funds::Balance;
use crate::hash::existing;
use crate::orders::Order;
use crate::sources::SERVICES;
use domain::{AccountId, AssetId, CreateAccount, Flag, Genesis, MarketId, SessionId, Side, Zero};
use zerocopy::{Immutable, IntoBytes};

pub(super) const NOTHING: Genesis = Genesis {
    max_assets: 0,
    max_markets: 0,
    max_accounts: 0,
    max_sessions: 0,
    max_orders: 0,
    max_levels: 0,
};

fn put(body: &mut Vec<u8>, record: &(impl IntoBytes + Immutable)) {
    body.extend_from_slice(record.as_bytes());
}

fn count(records: usize) -> u32 {
    u32::try_from(records).expect("genesis bounds every table to 2^28")
}

impl From<&Order> for OrderRecord {
    fn from(order: &Order) -> Self {
        Self {
            id: order.id,
            price: order.price,
            leaves: order.leaves,
            filled: order.filled,
            client_order_id: order.client_order_id,
            priority: order.priority,
            session: order.session,
            market: order.market_number(),
            side: order.side,
            post_only: order.post_only,
        }
    }
}

impl Engine {
    /// Appends the whole state to `body`, as docs/SNAPSHOTS.md lays it out. [`Engine::load`] makes
    /// an engine of it that has the same state hash and goes on in the same way. Walks the state
    /// and allocates.
    pub fn save(&self, body: &mut Vec<u8>) {
        let front = body.len();
        let mut head = self.head();
        put(body, &head);
        for (_, asset) in existing(&self.assets) {
            let record = AssetRecord {
                terms: asset.terms,
                deposited: asset.deposited,
                fees: asset.fees,
            };
            put(body, &record);
        }
        for (_, market) in existing(&self.markets) {
            put(body, &market.terms);
        }
        for (id, account) in existing(&self.accounts) {
            let record = CreateAccount {
                account: AccountId(id),
                firm: account.firm,
                owner: account.owner,
            };
            put(body, &record);
        }
        self.save_sessions(body);
        head.balances = self.save_balances(body);
        head.resting = self.save_books(body);
        for id in self.orders.free_ids() {
            put(body, id);
        }
        self.save_sweep(body);
        // Only now is it known how many balances and orders there are.
        body[front..front + size_of::<Head>()].copy_from_slice(head.as_bytes());
    }

    fn head(&self) -> Head {
        Head {
            layout: LAYOUT,
            version: self.version,
            epoch: self.epoch,
            phase: self.phase,
            initialised: Flag::from(self.genesis.is_some()),
            sweeping: Flag::from(self.sweep.is_some()),
            pad: Zero::Zero,
            next_fresh_slot: self.orders.next_fresh(),
            cancel_only_until: self.cancel_only_until,
            now: self.now,
            next_trade_id: self.next_trade_id,
            next_feed_no: self.next_feed_no,
            services: SERVICES.map(|source| self.last_number(source)),
            capacities: self.genesis.unwrap_or(NOTHING),
            assets: count(self.asset_ids().count()),
            markets: count(self.market_ids().count()),
            accounts: count(self.account_ids().count()),
            sessions: count(self.session_count()),
            balances: 0,
            resting: 0,
            free: count(self.orders.free_ids().len()),
            pad2: [Zero::Zero; 4],
        }
    }

    fn save_sessions(&self, body: &mut Vec<u8>) {
        for (id, session) in existing(&self.sessions) {
            let record = SessionRecord {
                session: SessionId(id),
                account: session.account,
                delegation: session.delegation,
                gate: session.gate,
                pad: [Zero::Zero; 7],
                next_report_no: session.next_report_no,
                last_number: session.last_number,
                epoch_report_no: session.epoch_report_no,
            };
            put(body, &record);
        }
    }

    fn save_balances(&self, body: &mut Vec<u8>) -> u32 {
        let mut saved = 0;
        for account in self.account_ids() {
            for asset in self.asset_ids() {
                let balance = self.funds.balance(account, asset);
                if balance != Balance::default() {
                    put(body, &balance_record(account, asset, balance));
                    saved += 1;
                }
            }
        }
        saved
    }

    /// The orders that rest: by market, bids before asks, best price first, first come first.
    fn save_books(&self, body: &mut Vec<u8>) -> u32 {
        let mut saved = 0;
        for (_, market) in existing(&self.markets) {
            for side in [Side::Buy, Side::Sell] {
                for (price, _) in market.book.levels(&self.ladders, side) {
                    for order in market.book.queue(&self.ladders, &self.orders, price) {
                        put(body, &OrderRecord::from(order));
                        saved += 1;
                    }
                }
            }
        }
        saved
    }

    fn save_sweep(&self, body: &mut Vec<u8>) {
        let Some(sweep) = &self.sweep else { return };
        put(
            body,
            &OrderRecord::from(&self.orders[sweep.order_id.slot()]),
        );
        let record = SweepRecord {
            order_type: sweep.order_type,
            time_in_force: sweep.time_in_force,
            pad: [Zero::Zero; 6],
        };
        put(body, &record);
    }
}

pub(super) fn balance_record(
    account: AccountId,
    asset: AssetId,
    balance: Balance,
) -> BalanceRecord {
    BalanceRecord {
        account,
        asset,
        available: balance.available,
        held: balance.held,
    }
}

impl OrderRecord {
    pub(super) fn market_id(&self) -> MarketId {
        MarketId(u32::from(self.market))
    }
}
