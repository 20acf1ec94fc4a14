//! The state hash: a sum over the records of the state, recomputed in full.
//!
//! A check between replicas. It reads all that lives, so it belongs between bursts of work.

use crate::engine::{Asset, Engine, Session};
use crate::funds::Balance;
use crate::market::Market;
use crate::orders::Order;
use crate::sources::SERVICES;
use crate::sweep::Sweep;
use domain::{AccountId, AccountView, AssetId, Genesis, RecordHash, SessionId, Tag};

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
            sum(existing(&self.accounts).map(|(id, account)| hash_of_account(id, account))),
            self.hash_of_balances(),
            sum(existing(&self.sessions).map(|(id, session)| hash_of_session(id, session))),
            self.hash_of_services(),
            sum(self.orders.iter().map(|order| self.hash_of_order(order))),
            sum(free.map(|(position, id)| record(Tag::FreeSlot, [position, id.0]))),
            self.sweep.as_ref().map_or(0, hash_of_sweep),
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

    fn hash_of_order(&self, order: &Order) -> u64 {
        record(
            Tag::Order,
            [
                order.id.0,
                u64::from(order.session.0),
                u64::from(self.account_of(order.session).0),
                u64::from(order.market().0),
                order.side as u64,
                order.post_only as u64,
                order.price.0.cast_unsigned(),
                order.leaves.0,
                order.filled.0,
                order.client_order_id.0,
                order.priority.0,
            ],
        )
    }
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
        ],
    )
}

fn hash_of_account(id: u32, account: &AccountView) -> u64 {
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
        ],
    )
}

fn hash_of_sweep(sweep: &Sweep) -> u64 {
    record(
        Tag::Sweep,
        [
            sweep.order_id.0,
            sweep.order_type as u64,
            sweep.time_in_force as u64,
        ],
    )
}
