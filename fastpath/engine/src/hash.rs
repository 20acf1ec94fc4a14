//! The state hash: a sum over the records of the state, recomputed in full.
//!
//! A check between replicas. It reads all that lives, so it belongs between bursts of work.

use crate::accounts::Account;
use crate::auction::{Stage, Uncrossing};
use crate::engine::{Asset, Engine, Session, Work};
use crate::fees::Rates;
use crate::funds::Balance;
use crate::market::Market;
use crate::orders::{NIL, Order};
use crate::quoted::Quoted;
use crate::sources::SERVICES;
use crate::stops::Stop;
use crate::sweep::Sweep;
use domain::{
    AccountId, AssetId, Genesis, Limits, MAX_TIERS, OrderId, Price, RecordHash, Scope, SessionId,
    Tag,
};

fn record<const N: usize>(tag: Tag, words: [u64; N]) -> u64 {
    words
        .into_iter()
        .fold(RecordHash::new(tag), RecordHash::word)
        .finish()
}

/// Bytes as little-endian words.
fn words<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut chunks = bytes.chunks_exact(8);
    core::array::from_fn(|_| {
        let chunk = chunks.next().expect("the bytes fill the words");
        u64::from_le_bytes(chunk.try_into().expect("a chunk is 8 bytes"))
    })
}

/// The records of a table that exist, with their ids.
pub(crate) fn existing<T>(table: &[Option<T>]) -> impl Iterator<Item = (u32, &T)> {
    (0_u32..)
        .zip(table)
        .filter_map(|(id, place)| Some((id, place.as_ref()?)))
}

fn sum(hashes: impl Iterator<Item = u64>) -> u64 {
    hashes.fold(0, u64::wrapping_add)
}

impl Engine {
    /// The hash of the whole state (docs/ENGINE.md).
    #[must_use]
    pub fn state_hash(&self) -> u64 {
        let free = (0..).zip(self.orders.free_ids());
        [
            self.hash_of_counters(),
            self.genesis.as_ref().map_or(0, hash_of_capacities),
            sum(existing(&self.assets).map(|(_, asset)| hash_of_asset(asset))),
            sum(existing(&self.markets).map(|(_, market)| hash_of_market(market))),
            self.hash_of_accounts(),
            self.hash_of_tiers(),
            self.hash_of_balances(),
            sum(existing(&self.sessions).map(|(id, session)| hash_of_session(id, session))),
            self.hash_of_services(),
            sum(self.orders.iter().map(|order| self.hash_of_order(order))),
            sum(free.map(|(position, id)| record(Tag::FreeSlot, [position, id.0]))),
            sum(self.kill_switches().map(hash_of_kill_switch)),
            sum(self.quoted.iter().map(hash_of_protection)),
            self.work.as_ref().map_or(0, |work| self.hash_of_work(work)),
        ]
        .into_iter()
        .fold(0, u64::wrapping_add)
    }

    fn hash_of_counters(&self) -> u64 {
        record(
            Tag::Engine,
            [
                u64::from(self.version),
                u64::from(self.epoch),
                self.phase as u64,
                self.cancel_only_until.0,
                self.now.0,
                self.next_trade_id,
                self.next_feed_no,
                u64::from(self.orders.next_fresh()),
            ],
        )
    }

    fn hash_of_balances(&self) -> u64 {
        sum(self.account_ids().flat_map(|account| {
            self.asset_ids().map(move |asset| {
                let balance = self.funds.balance(account, asset);
                hash_of_balance(account, asset, balance)
            })
        }))
    }

    fn hash_of_services(&self) -> u64 {
        sum(SERVICES
            .into_iter()
            .map(|source| (source, self.last_number(source)))
            .filter(|&(_, last)| last != 0)
            .map(|(source, last)| record(Tag::Source, [u64::from(source.0), last])))
    }

    fn hash_of_accounts(&self) -> u64 {
        sum(existing(&self.accounts).map(|(id, account)| {
            let own = if account.has_own_limits.is_yes() {
                hash_of_limits(1, id, self.limits_of(account))
            } else {
                0
            };
            hash_of_account(id, account).wrapping_add(own)
        }))
    }

    /// Limits and fees of tiers, where they are not what they were at first.
    fn hash_of_tiers(&self) -> u64 {
        let limits = sum((0..MAX_TIERS)
            .map(|tier| (tier, self.limits.get(tier)))
            .filter(|&(_, limits)| *limits != Limits::default())
            .map(|(tier, limits)| hash_of_limits(0, tier, limits)));
        let fees = sum(existing(&self.markets).map(|(_, market)| hash_of_rates(market)));
        limits.wrapping_add(fees)
    }

    /// The id of the order in a slot, which is live if it is one.
    pub(crate) fn id_or_none(&self, slot: u32) -> OrderId {
        if slot == NIL {
            return OrderId::NONE;
        }
        self.orders[slot].id
    }

    fn hash_of_work(&self, work: &Work) -> u64 {
        let canceling = match work {
            Work::Sweep(sweep) => return hash_of_sweep(sweep),
            Work::Uncrossing(uncrossing) => return hash_of_uncrossing(uncrossing),
            Work::Expiring => return record(Tag::Expiring, [0]),
            Work::Arriving(market) => return record(Tag::Arriving, [u64::from(market.0)]),
            Work::MassCancel(canceling) => canceling,
        };
        let wanted = &canceling.wanted;
        record(
            Tag::MassCancel,
            [
                u64::from(u16::from(canceling.reason)),
                canceling
                    .asked
                    .map_or(0, |session| u64::from(session.0) + 1),
                canceling.request,
                canceling.count,
                wanted.lowest.0.cast_unsigned(),
                wanted.highest.0.cast_unsigned(),
                u64::from(wanted.target),
                u64::from(wanted.market.0),
                wanted.scope as u64,
                wanted.sides as u64,
                u64::from(canceling.next_session),
                self.id_or_none(canceling.next_order).0,
            ],
        )
    }

    fn hash_of_order(&self, order: &Order) -> u64 {
        let stop = self.stop_of(order).copied().unwrap_or(Stop::NONE);
        record(
            Tag::Order,
            [
                order.id.0,
                u64::from(order.session.0),
                u64::from(self.account_of(order.session).0),
                u64::from(order.market().0),
                order.side as u64,
                post_only_of(order),
                order.instructions.self_trade() as u64,
                order.instructions.self_trade_scope() as u64,
                order.price.0.cast_unsigned(),
                order.leaves.0,
                order.filled.0,
                order.client_order_id.0,
                order.priority,
                self.id_or_none(self.orders.older(order.id.slot())).0,
                u64::from(order.instructions.until_close()),
                self.end_of(order).0,
                self.orders.iceberg(order).display.0,
                self.orders.iceberg(order).hidden.0,
                stop.trigger.0.cast_unsigned(),
                stop.worst.0.cast_unsigned(),
                stop.entered.0,
            ],
        )
    }
}

fn hash_of_kill_switch((scope, target): (Scope, u32)) -> u64 {
    record(Tag::KillSwitch, [scope as u64, u64::from(target)])
}

/// How an order's post-only stands in its record: 3 of a quote.
fn post_only_of(order: &Order) -> u64 {
    if order.instructions.is_quote() {
        return 3;
    }
    order.instructions.post_only() as u64
}

/// Quotes without a protection are no record.
fn hash_of_protection(quoted: &Quoted) -> u64 {
    let protection = &quoted.protection;
    if !protection.is_on() {
        return 0;
    }
    record(
        Tag::Protection,
        [
            u64::from(quoted.session.0),
            u64::from(quoted.market.0),
            protection.window,
            protection.max_qty.0,
            protection.max_notional.0,
            u64::from(protection.max_fills),
            protection.begun.0,
            protection.qty.0,
            protection.notional.0,
            u64::from(protection.fills),
            u64::from(protection.is_reached()),
        ],
    )
}

fn hash_of_capacities(genesis: &Genesis) -> u64 {
    record(
        Tag::Capacities,
        [
            u64::from(genesis.max_assets),
            u64::from(genesis.max_markets),
            u64::from(genesis.max_accounts),
            u64::from(genesis.max_sessions),
            u64::from(genesis.max_orders),
            u64::from(genesis.max_levels),
            u64::from(genesis.max_pages),
        ],
    )
}

fn hash_of_asset(asset: &Asset) -> u64 {
    let [symbol_lo, symbol_hi] = words(&asset.terms.symbol);
    record(
        Tag::Asset,
        [
            u64::from(asset.terms.asset.0),
            u64::from(asset.terms.decimals),
            symbol_lo,
            symbol_hi,
            asset.deposited.0,
            asset.fees.0,
        ],
    )
}

fn hash_of_market(market: &Market) -> u64 {
    let terms = &market.terms;
    let [symbol_lo, symbol_hi] = words(&terms.symbol);
    record(
        Tag::Market,
        [
            u64::from(terms.market.0),
            u64::from(terms.base.0),
            u64::from(terms.quote.0),
            u64::from(terms.maker_fee_ppm),
            u64::from(terms.taker_fee_ppm),
            u64::from(terms.price_levels),
            terms.tick_value,
            terms.lot_size,
            terms.min_qty.0,
            terms.price_min.0.cast_unsigned(),
            symbol_lo,
            symbol_hi,
            terms.state as u64,
            market.state as u64,
            market.last_price.0.cast_unsigned(),
            market.collar.reference as u64,
            market.collar.price.0.cast_unsigned(),
            u64::from(market.collar.width_ppm),
            market.collar.halts as u64,
            market.reach.lowest.0.cast_unsigned(),
            market.reach.highest.0.cast_unsigned(),
        ],
    )
}

fn hash_of_limits(of_account: u64, target: u32, limits: &Limits) -> u64 {
    record(
        Tag::Limits,
        [
            of_account,
            u64::from(target),
            limits.max_order_qty.0,
            limits.max_order_notional,
            limits.max_position,
            limits.max_daily_volume,
            u64::from(limits.max_open_orders),
        ],
    )
}

fn hash_of_rates(market: &Market) -> u64 {
    let list = Rates::of(&market.terms);
    sum((0_u64..)
        .zip(&market.rates)
        .filter(|&(_, rates)| *rates != list)
        .map(|(tier, rates)| {
            let maker = i64::from(rates.maker_ppm).cast_unsigned();
            let words = [
                u64::from(market.terms.market.0),
                tier,
                maker,
                u64::from(rates.taker_ppm),
            ];
            record(Tag::Fees, words)
        }))
}

fn hash_of_account(id: u32, account: &Account) -> u64 {
    let owner: [u64; 4] = words(&account.owner);
    record(
        Tag::Account,
        [
            u64::from(id),
            u64::from(account.firm.0),
            owner[0],
            owner[1],
            owner[2],
            owner[3],
            u64::from(account.tier),
            account.volume,
            u64::from(account.volume_day),
        ],
    )
}

/// An empty balance is no record.
fn hash_of_balance(account: AccountId, asset: AssetId, balance: Balance) -> u64 {
    if balance == Balance::default() {
        return 0;
    }
    record(
        Tag::Balance,
        [
            u64::from(account.0),
            u64::from(asset.0),
            balance.available.0,
            balance.held.0,
        ],
    )
}

fn hash_of_session(id: u32, session: &Session) -> u64 {
    let delegation = &session.delegation;
    let key: [u64; 4] = words(&delegation.public_key);
    let exchange: [u64; 4] = words(&delegation.exchange_key);
    record(
        Tag::Session,
        [
            u64::from(SessionId(id).0),
            u64::from(session.account.0),
            key[0],
            key[1],
            key[2],
            key[3],
            exchange[0],
            exchange[1],
            exchange[2],
            exchange[3],
            delegation.expires.0,
            delegation.max_order_notional.0,
            session.gate as u64,
            session.next_report_no,
            session.last_number,
            session.epoch_report_no,
            // Behind the last id there is none: the end of a list is 0.
            u64::from(session.older_session.wrapping_add(1)),
        ],
    )
}

fn hash_of_uncrossing(uncrossing: &Uncrossing) -> u64 {
    let market = u64::from(uncrossing.market.0);
    let price = |price: Price| price.0.cast_unsigned();
    let words = match &uncrossing.stage {
        Stage::Looking(at) => [
            market,
            0,
            price(at.bid),
            at.bid_left.0,
            price(at.ask),
            at.ask_left.0,
            at.volume.0,
            price(at.last_bid),
            price(at.last_ask),
        ],
        &Stage::Trading { price: at, left } => [market, 1, price(at), left.0, 0, 0, 0, 0, 0],
    };
    record(Tag::Uncrossing, words)
}

fn hash_of_sweep(sweep: &Sweep) -> u64 {
    record(
        Tag::Sweep,
        [
            sweep.order_id.0,
            sweep.order_type as u64,
            sweep.time_in_force as u64,
            sweep.worst.0.cast_unsigned(),
        ],
    )
}
