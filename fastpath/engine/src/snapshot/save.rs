//! Writing a body.

use super::{
    AccountRecord, ArrivingRecord, AssetRecord, BalanceRecord, Head, KillSwitchRecord, LAYOUT,
    MarketRecord, MassCancelRecord, OrderRecord, Pending, SessionRecord, StopRecord, SweepRecord,
    UncrossingRecord,
};
use crate::accounts::Account;
use crate::auction::{Stage, Uncrossing};
use crate::engine::{Engine, Work};
use crate::fees::Rates;
use crate::funds::Balance;
use crate::hash::existing;
use crate::market::Market;
use crate::mass_cancel::Canceling;
use crate::orders::{Iceberg, Order};
use crate::sources::SERVICES;
use crate::sweep::Sweep;
use domain::{
    AccountId, AssetId, CreateAccount, Flag, Genesis, Limits, MAX_TIERS, MarketId, Nanos, Price,
    SessionId, SetFees, SetLimits, Side, Zero,
};
use zerocopy::{Immutable, IntoBytes};

pub(super) const NOTHING: Genesis = Genesis {
    max_assets: 0,
    max_markets: 0,
    max_accounts: 0,
    max_sessions: 0,
    max_orders: 0,
    max_levels: 0,
    max_pages: 0,
    pad: [Zero::Zero; 4],
};

pub(super) fn put(body: &mut Vec<u8>, record: &(impl IntoBytes + Immutable)) {
    body.extend_from_slice(record.as_bytes());
}

fn count(records: usize) -> u32 {
    u32::try_from(records).expect("genesis bounds every table to 2^28")
}

impl OrderRecord {
    /// Of an order behind which its session has `older`, and that ends at `expires`.
    fn of(order: &Order, older: u32, expires: Nanos, iceberg: Iceberg) -> Self {
        Self {
            id: order.id,
            price: order.price,
            leaves: order.leaves,
            filled: order.filled,
            client_order_id: order.client_order_id,
            priority: order.priority,
            expires,
            display_qty: iceberg.display,
            hidden: iceberg.hidden,
            session: order.session,
            market: order.market_number(),
            side: order.side,
            post_only: order.instructions.post_only(),
            self_trade: order.instructions.self_trade(),
            self_trade_scope: order.instructions.self_trade_scope(),
            until_close: Flag::from(order.instructions.until_close()),
            quote: Flag::from(order.instructions.is_quote()),
            older,
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
            put(body, &market_record(market));
        }
        for (id, account) in existing(&self.accounts) {
            put(body, &account_record(id, account));
        }
        self.save_sessions(body);
        head.balances = self.save_balances(body);
        head.resting = self.save_books(body);
        head.stops = self.save_stops(body);
        for id in self.orders.free_ids() {
            put(body, id);
        }
        for (scope, target) in self.kill_switches() {
            let record = KillSwitchRecord {
                target,
                scope,
                pad: [Zero::Zero; 3],
            };
            put(body, &record);
        }
        head.limits = self.save_limits(body);
        head.fees = self.save_fees(body);
        self.save_protections(body);
        match &self.work {
            None | Some(Work::Expiring) => {}
            &Some(Work::Arriving(market)) => {
                let pad = [Zero::Zero; 4];
                put(body, &ArrivingRecord { market, pad });
            }
            Some(Work::Sweep(sweep)) => self.save_sweep(sweep, body),
            Some(Work::MassCancel(canceling)) => put(body, &self.mass_cancel_record(canceling)),
            Some(Work::Uncrossing(uncrossing)) => put(body, &uncrossing_record(uncrossing)),
        }
        // Only now is it known how many there are of some.
        body[front..front + size_of::<Head>()].copy_from_slice(head.as_bytes());
    }

    fn head(&self) -> Head {
        Head {
            layout: LAYOUT,
            version: self.version,
            epoch: self.epoch,
            phase: self.phase,
            initialised: Flag::from(self.genesis.is_some()),
            pending: match self.work {
                None => Pending::Nothing,
                Some(Work::Sweep(_)) => Pending::Sweep,
                Some(Work::MassCancel(_)) => Pending::MassCancel,
                Some(Work::Uncrossing(_)) => Pending::Uncrossing,
                Some(Work::Expiring) => Pending::Expiring,
                Some(Work::Arriving(_)) => Pending::Arriving,
            },
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
            kill_switches: count(self.kill_switches().count()),
            limits: 0,
            fees: 0,
            stops: 0,
            protections: count(self.protections().count()),
        }
    }

    fn save_sessions(&self, body: &mut Vec<u8>) {
        for (id, session) in existing(&self.sessions) {
            let entered = self.entered(SessionId(id));
            let record = SessionRecord {
                session: SessionId(id),
                account: session.account,
                delegation: session.delegation,
                gate: session.gate,
                pad: [Zero::Zero; 3],
                older: session.older_session,
                next_report_no: session.next_report_no,
                last_number: session.last_number,
                epoch_report_no: session.epoch_report_no,
                entered: entered.all,
                unattested: entered.unattested,
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
                    for order in market.book.queue(&self.ladders, &self.orders, side, price) {
                        put(body, &self.order_record(order));
                        saved += 1;
                    }
                }
            }
        }
        saved
    }

    /// The stops that wait: by market, buys before sells, first come first.
    fn save_stops(&self, body: &mut Vec<u8>) -> u32 {
        let waiting = self
            .orders
            .iter()
            .filter_map(|order| self.stop_of(order).map(|stop| (order, stop)));
        let mut waiting: Vec<_> = waiting.collect();
        waiting.sort_by_key(|(order, stop)| (order.market(), order.side, stop.entered));
        for (order, stop) in &waiting {
            let record = StopRecord {
                order: self.order_record(order),
                trigger: stop.trigger,
                worst: stop.worst,
                entered: stop.entered,
            };
            put(body, &record);
        }
        count(waiting.len())
    }

    /// Of tiers, and then of accounts: where they are not what they were at first.
    fn save_limits(&self, body: &mut Vec<u8>) -> u32 {
        let tiers = (0..MAX_TIERS)
            .map(|tier| (tier, Flag::No, self.limits.get(tier)))
            .filter(|(_, _, limits)| **limits != Limits::default());
        let accounts = existing(&self.accounts)
            .filter(|(_, account)| account.has_own_limits.is_yes())
            .map(|(id, account)| (id, Flag::Yes, self.limits_of(account)));
        let mut saved = 0;
        for (target, of_account, limits) in tiers.chain(accounts) {
            let record = SetLimits {
                target,
                of_account,
                as_tier: Flag::No,
                pad: [Zero::Zero; 2],
                limits: *limits,
            };
            put(body, &record);
            saved += 1;
        }
        saved
    }

    /// By market and tier, where they are not the list fees.
    fn save_fees(&self, body: &mut Vec<u8>) -> u32 {
        let mut saved = 0;
        for (_, market) in existing(&self.markets) {
            for (tier, rates) in (0..).zip(market.rates) {
                if rates != Rates::of(&market.terms) {
                    let record = SetFees {
                        tier,
                        market: market.terms.market,
                        maker_fee_ppm: rates.maker_ppm,
                        taker_fee_ppm: rates.taker_ppm,
                    };
                    put(body, &record);
                    saved += 1;
                }
            }
        }
        saved
    }

    fn order_record(&self, order: &Order) -> OrderRecord {
        OrderRecord::of(
            order,
            self.orders.older(order.id.slot()),
            self.end_of(order),
            self.orders.iceberg(order),
        )
    }

    fn mass_cancel_record(&self, canceling: &Canceling) -> MassCancelRecord {
        let Canceling { wanted, .. } = *canceling;
        MassCancelRecord {
            request: canceling.request,
            count: canceling.count,
            lowest: wanted.lowest,
            highest: wanted.highest,
            next_order: self.id_or_none(canceling.next_order),
            next_session: canceling.next_session,
            asked: canceling.asked.unwrap_or(SessionId(0)),
            target: wanted.target,
            market: wanted.market,
            reason: canceling.reason,
            by_session: Flag::from(canceling.asked.is_some()),
            scope: wanted.scope,
            sides: wanted.sides,
            pad: [Zero::Zero; 3],
        }
    }

    fn save_sweep(&self, sweep: &Sweep, body: &mut Vec<u8>) {
        let order = &self.orders[sweep.order_id.slot()];
        put(body, &self.order_record(order));
        let record = SweepRecord {
            order_type: sweep.order_type,
            time_in_force: sweep.time_in_force,
            pad: [Zero::Zero; 6],
            worst: sweep.worst,
        };
        put(body, &record);
    }
}

fn market_record(market: &Market) -> MarketRecord {
    MarketRecord {
        terms: market.terms,
        last_price: market.last_price,
        reach_lowest: market.reach.lowest,
        reach_highest: market.reach.highest,
        collar_price: market.collar.price,
        collar_width_ppm: market.collar.width_ppm,
        state: market.state,
        collar_reference: market.collar.reference,
        collar_halts: market.collar.halts,
        pad: Zero::Zero,
    }
}

fn uncrossing_record(uncrossing: &Uncrossing) -> UncrossingRecord {
    let price = |price: Price| price.0.cast_unsigned();
    let words = match &uncrossing.stage {
        Stage::Looking(at) => [
            price(at.bid),
            at.bid_left.0,
            price(at.ask),
            at.ask_left.0,
            at.volume.0,
            price(at.last_bid),
            price(at.last_ask),
        ],
        &Stage::Trading { price: at, left } => [price(at), left.0, 0, 0, 0, 0, 0],
    };
    UncrossingRecord {
        market: uncrossing.market,
        is_trading: Flag::from(matches!(uncrossing.stage, Stage::Trading { .. })),
        pad: [Zero::Zero; 3],
        words,
    }
}

fn account_record(id: u32, account: &Account) -> AccountRecord {
    AccountRecord {
        terms: CreateAccount {
            account: AccountId(id),
            firm: account.firm,
            owner: account.owner,
        },
        volume: account.volume,
        volume_day: account.volume_day,
        tier: account.tier,
        pad: [Zero::Zero; 3],
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
