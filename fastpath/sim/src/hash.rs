//! The state hash: the wrapping sum over all records, each as docs/ENGINE.md lists its words.

use crate::{
    Mutant, NaiveEngine,
    naive::{Order, Session},
};
use domain::{CreateMarket, RecordHash, Tag};

fn record(tag: Tag, words: impl IntoIterator<Item = u64>) -> u64 {
    words
        .into_iter()
        .fold(RecordHash::new(tag), RecordHash::word)
        .finish()
}

/// Bytes as little-endian words.
fn words_of(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.chunks_exact(8).map(|chunk| {
        u64::from_le_bytes(chunk.try_into().expect("chunks of eight bytes have eight"))
    })
}

impl NaiveEngine {
    /// The hash of everything that counts.
    #[must_use]
    pub fn state_hash(&self) -> u64 {
        let sums = [
            self.hash_engine(),
            self.hash_capacities(),
            self.hash_assets(),
            self.hash_markets(),
            self.hash_accounts(),
            self.hash_balances(),
            self.hash_sessions(),
            self.hash_sources(),
            self.hash_orders(),
            self.hash_free_slots(),
            self.hash_sweep(),
        ];
        sums.into_iter().fold(0, u64::wrapping_add)
    }

    fn hash_engine(&self) -> u64 {
        let words = [
            u64::from(self.version),
            u64::from(self.epoch),
            self.phase as u64,
            self.cancel_only_until.0,
            self.now.0,
            self.next_trade_id,
            self.next_feed_no,
            u64::from(self.next_fresh_slot),
        ];
        record(Tag::Engine, words)
    }

    fn hash_capacities(&self) -> u64 {
        sum(self.capacities.iter().map(|genesis| {
            let capacities = [
                genesis.max_assets,
                genesis.max_markets,
                genesis.max_accounts,
                genesis.max_sessions,
                genesis.max_orders,
                genesis.max_levels,
            ];
            record(Tag::Capacities, capacities.map(u64::from))
        }))
    }

    fn hash_assets(&self) -> u64 {
        sum(self.assets.values().map(|asset| {
            let terms = [
                u64::from(asset.terms.asset.0),
                u64::from(asset.terms.decimals),
            ];
            record(
                Tag::Asset,
                terms
                    .into_iter()
                    .chain(words_of(&asset.terms.symbol))
                    .chain([asset.deposited, asset.fees]),
            )
        }))
    }

    fn hash_markets(&self) -> u64 {
        sum(self.markets.values().map(hash_market))
    }

    fn hash_accounts(&self) -> u64 {
        sum(self.accounts.values().map(|account| {
            let ids = [u64::from(account.account.0), u64::from(account.firm.0)];
            record(
                Tag::Account,
                ids.into_iter().chain(words_of(&account.owner)),
            )
        }))
    }

    fn hash_balances(&self) -> u64 {
        sum(self
            .owned
            .iter()
            .filter(|(_, owned)| **owned != 0)
            .map(|((account, asset), _)| {
                let words = [
                    u64::from(account.0),
                    u64::from(asset.0),
                    self.available(*account, *asset),
                    self.held(*account, *asset),
                ];
                record(Tag::Balance, words)
            }))
    }

    fn hash_sessions(&self) -> u64 {
        sum(self.sessions.values().map(|session| {
            let Session {
                terms,
                next_report_no,
                epoch_report_no,
            } = session;
            let last = self.last_number(domain::Source::of_session(terms.session));
            record(
                Tag::Session,
                [u64::from(terms.session.0), u64::from(terms.account.0)]
                    .into_iter()
                    .chain(words_of(&terms.delegation.public_key))
                    .chain(words_of(&terms.delegation.exchange_key))
                    .chain([
                        terms.delegation.expires.0,
                        terms.delegation.max_order_notional.0,
                        terms.gate as u64,
                        *next_report_no,
                        last,
                        *epoch_report_no,
                    ]),
            )
        }))
    }

    fn hash_sources(&self) -> u64 {
        sum(self
            .last_numbers
            .iter()
            .filter(|(source, last)| source.session().is_none() && **last != 0)
            .map(|(source, last)| record(Tag::Source, [u64::from(source.0), *last])))
    }

    fn hash_orders(&self) -> u64 {
        sum(self.orders.iter().map(|order| self.hash_order(order)))
    }

    fn hash_order(&self, order: &Order) -> u64 {
        let priority = if self.is(Mutant::HashForgetsPriority) {
            0
        } else {
            order.priority.0
        };
        let words = [
            order.id.0,
            u64::from(order.session.0),
            u64::from(order.account.0),
            u64::from(order.market.0),
            order.side as u64,
            order.post_only as u64,
            order.price.0.cast_unsigned(),
            order.leaves.0,
            order.filled.0,
            order.client_order_id.0,
            priority,
        ];
        record(Tag::Order, words)
    }

    fn hash_free_slots(&self) -> u64 {
        sum((0..)
            .zip(&self.free_slots)
            .map(|(position, id)| record(Tag::FreeSlot, [position, id.0])))
    }

    fn hash_sweep(&self) -> u64 {
        sum(self.sweep.iter().map(|sweep| {
            let words = [
                sweep.order_id.0,
                sweep.order_type as u64,
                sweep.time_in_force as u64,
            ];
            record(Tag::Sweep, words)
        }))
    }
}

fn sum(hashes: impl Iterator<Item = u64>) -> u64 {
    hashes.fold(0, u64::wrapping_add)
}

fn hash_market(market: &CreateMarket) -> u64 {
    let terms = [
        u64::from(market.market.0),
        u64::from(market.base.0),
        u64::from(market.quote.0),
        u64::from(market.maker_fee_ppm),
        u64::from(market.taker_fee_ppm),
        u64::from(market.price_levels),
        market.tick_value,
        market.lot_size,
        market.min_qty.0,
        market.price_min.0.cast_unsigned(),
    ];
    record(
        Tag::Market,
        terms.into_iter().chain(words_of(&market.symbol)),
    )
}
