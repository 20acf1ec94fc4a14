//! The state hash: the wrapping sum over all records, each as docs/ENGINE.md lists its words.

use crate::{
    Mutant, NaiveEngine,
    naive::{Canceling, Market, Order, Session, Stage, Sweep, Uncrossing, Work},
};
use domain::{Limits, Price, RecordHash, Tag};

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
            self.hash_lists(),
            self.hash_free_slots(),
            self.hash_kill_switches(),
            self.hash_protections(),
            self.hash_limits(),
            self.hash_fees(),
            self.hash_work(),
        ];
        sum(sums)
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
                genesis.max_pages,
            ];
            record(Tag::Capacities, capacities.map(u64::from))
        }))
    }

    fn hash_assets(&self) -> u64 {
        sum(self.assets.values().map(|asset| {
            let id = u64::from(asset.terms.asset.0);
            let terms = [id, u64::from(asset.terms.decimals)];
            let symbol = words_of(&asset.terms.symbol);
            sum([
                record(Tag::Asset, terms.into_iter().chain(symbol)),
                record(Tag::Supply, [id, asset.deposited, asset.fees]),
            ])
        }))
    }

    fn hash_markets(&self) -> u64 {
        sum(self.markets.values().map(hash_market))
    }

    fn hash_accounts(&self) -> u64 {
        sum(self.accounts.values().map(|account| {
            let terms = &account.terms;
            let id = u64::from(terms.account.0);
            let whose = [id, u64::from(terms.firm.0)].into_iter();
            let tier = [u64::from(account.tier)];
            let day = u64::from(account.volume_day);
            sum([
                record(
                    Tag::Account,
                    whose.chain(words_of(&terms.owner)).chain(tier),
                ),
                record(Tag::Volume, [id, account.volume, day]),
            ])
        }))
    }

    fn hash_balances(&self) -> u64 {
        sum(self
            .owned
            .iter()
            .filter(|(_, owned)| **owned != 0)
            .map(|((account, asset), _)| {
                let assets = self.capacities.map_or(0, |genesis| genesis.max_assets);
                let words = [
                    u64::from(account.0) * u64::from(assets) + u64::from(asset.0),
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
                entered,
                unattested,
                opened: _,
            } = session;
            let older = self.session_before(terms.session);
            let last = self.last_number(domain::Source::of_session(terms.session));
            let id = u64::from(terms.session.0);
            let numbers = record(Tag::Numbers, [id, *next_report_no, last]);
            let session = record(
                Tag::Session,
                [id, u64::from(terms.account.0)]
                    .into_iter()
                    .chain(words_of(&terms.delegation.public_key))
                    .chain(words_of(&terms.delegation.exchange_key))
                    .chain([
                        terms.delegation.expires.0,
                        terms.delegation.max_order_notional.0,
                        terms.gate as u64,
                        *epoch_report_no,
                        older.map_or(0, |older| u64::from(older.0) + 1),
                    ]),
            );
            sum([session, numbers, hash_entered(id, *entered, *unattested)])
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
            order.priority
        };
        let words = [
            order.id.0,
            self.whose_and_how(order),
            word_of(order.price),
            order.leaves.0,
            order.filled.0,
            order.client_order_id.0,
            priority,
        ];
        sum([record(Tag::Order, words), hash_extras(order)])
    }

    fn whose_and_how(&self, order: &Order) -> u64 {
        u64::from(order.session.0)
            + (u64::from(order.market.0) << 32)
            + ((order.side as u64) << 48)
            + (self.post_only_word(order) << 56)
            + ((order.self_trade as u64) << 58)
            + ((order.self_trade_scope as u64) << 61)
            + (u64::from(order.until_close) << 62)
    }

    /// Which order each order's session entered next before it.
    fn hash_lists(&self) -> u64 {
        sum(self.orders.iter().filter_map(|order| {
            let older = self.older(order)?;
            let [slot, older] = [order.id, older].map(|id| u64::from(id.slot()));
            Some(record(Tag::Older, [(slot << 32) + older]))
        }))
    }

    /// A quote is one more way not to trade on arrival.
    fn post_only_word(&self, order: &Order) -> u64 {
        if order.quote && !self.is(Mutant::HashForgetsQuotes) {
            3
        } else {
            order.post_only as u64
        }
    }

    fn hash_protections(&self) -> u64 {
        sum(self
            .protections
            .iter()
            .map(|((session, market), protection)| {
                let words = [
                    u64::from(session.0),
                    u64::from(market.0),
                    protection.terms.window,
                    protection.terms.max_qty.0,
                    protection.terms.max_notional.0,
                    u64::from(protection.terms.max_fills),
                    protection.begun.0,
                    protection.qty.0,
                    protection.notional.0,
                    u64::from(protection.fills),
                    u64::from(protection.reached),
                ];
                record(Tag::Protection, words)
            }))
    }

    fn hash_free_slots(&self) -> u64 {
        sum((0..)
            .zip(&self.free_slots)
            .map(|(position, id)| record(Tag::FreeSlot, [position, id.0])))
    }

    fn hash_kill_switches(&self) -> u64 {
        sum(self
            .kill_switches
            .iter()
            .map(|(scope, target)| record(Tag::KillSwitch, [*scope as u64, u64::from(*target)])))
    }

    fn hash_limits(&self) -> u64 {
        let tiers = self
            .tier_limits
            .iter()
            .filter(|(_, limits)| **limits != Limits::default())
            .map(|(tier, limits)| hash_limits(0, *tier, limits));
        let accounts = self
            .own_limits
            .iter()
            .map(|(account, limits)| hash_limits(1, account.0, limits));
        sum(tiers.chain(accounts))
    }

    fn hash_fees(&self) -> u64 {
        let differ = self
            .tier_fees
            .iter()
            .filter(|((market, _), (maker, taker))| {
                let list = self.markets[market].terms;
                (i64::from(*maker), *taker) != (i64::from(list.maker_fee_ppm), list.taker_fee_ppm)
            });
        sum(differ.map(|((market, tier), (maker, taker))| {
            let words = [
                u64::from(market.0),
                u64::from(*tier),
                i64::from(*maker).cast_unsigned(),
                u64::from(*taker),
            ];
            record(Tag::Fees, words)
        }))
    }

    fn hash_work(&self) -> u64 {
        match &self.work {
            None => 0,
            Some(Work::Sweep(sweep)) => hash_sweep(sweep),
            Some(Work::Canceling(canceling)) => hash_canceling(canceling),
            Some(Work::Uncrossing(uncrossing)) => hash_uncrossing(uncrossing),
            Some(Work::Expiring) => record(Tag::Expiring, [0]),
            Some(Work::Arriving(market)) => record(Tag::Arriving, [u64::from(market.0)]),
        }
    }
}

/// A slot's record, if anything is in its other words.
fn record_unless_empty<const N: usize>(tag: Tag, words: [u64; N]) -> u64 {
    if words[1..].iter().all(|&word| word == 0) {
        return 0;
    }
    record(tag, words)
}

/// What few orders have.
fn hash_extras(order: &Order) -> u64 {
    let slot = u64::from(order.id.slot());
    let iceberg = [slot, order.display.0, order.hidden.0];
    let expiry = [slot, order.expires.0];
    let stop = order.stop.map(|stop| {
        let words = [
            slot,
            word_of(stop.trigger),
            word_of(stop.worst),
            stop.entered.0,
        ];
        record(Tag::Stop, words)
    });
    sum([
        record_unless_empty(Tag::Iceberg, iceberg),
        record_unless_empty(Tag::Expiry, expiry),
        stop.unwrap_or_default(),
    ])
}

fn hash_sweep(sweep: &Sweep) -> u64 {
    let words = [
        sweep.order_id.0,
        sweep.order_type as u64,
        sweep.time_in_force as u64,
        word_of(sweep.worst),
    ];
    record(Tag::Sweep, words)
}

fn hash_canceling(canceling: &Canceling) -> u64 {
    let wanted = &canceling.wanted;
    let words = [
        canceling.reason as u64,
        canceling
            .asked
            .map_or(0, |session| u64::from(session.0) + 1),
        wanted.request,
        canceling.count,
        word_of(wanted.lowest),
        word_of(wanted.highest),
        u64::from(wanted.target),
        u64::from(wanted.market.0),
        wanted.scope as u64,
        wanted.sides as u64,
        u64::from(canceling.next_session.expect("it has not ended")),
        canceling.next_order.0,
    ];
    record(Tag::MassCancel, words)
}

fn hash_uncrossing(uncrossing: &Uncrossing) -> u64 {
    let stage = match uncrossing.stage {
        Stage::Looking(at) => [
            0,
            word_of(at.bid),
            at.bid_left.0,
            word_of(at.ask),
            at.ask_left.0,
            at.volume.0,
            word_of(at.last_bid),
            word_of(at.last_ask),
        ],
        Stage::Trading { price, left } => [1, word_of(price), left.0, 0, 0, 0, 0, 0],
    };
    let market = u64::from(uncrossing.market.0);
    record(Tag::Uncrossing, [market].into_iter().chain(stage))
}

fn hash_limits(of_account: u64, target: u32, limits: &Limits) -> u64 {
    let words = [
        of_account,
        u64::from(target),
        limits.max_order_qty.0,
        limits.max_order_notional,
        limits.max_position,
        limits.max_daily_volume,
        limits.max_unattested_notional,
        u64::from(limits.max_open_orders),
    ];
    record(Tag::Limits, words)
}

/// A price as two's complement.
fn word_of(price: Price) -> u64 {
    price.0.cast_unsigned()
}

fn sum(hashes: impl IntoIterator<Item = u64>) -> u64 {
    hashes.into_iter().fold(0, u64::wrapping_add)
}

fn hash_market(market: &Market) -> u64 {
    let Market {
        terms,
        state,
        last_price,
        collar,
        reach,
    } = market;
    let (low, high) = reach.unwrap_or((Price(0), Price(0)));
    let numbers = [
        u64::from(terms.market.0),
        u64::from(terms.base.0),
        u64::from(terms.quote.0),
        u64::from(terms.maker_fee_ppm),
        u64::from(terms.taker_fee_ppm),
        u64::from(terms.price_levels),
        terms.tick_value,
        terms.lot_size,
        terms.min_qty.0,
        word_of(terms.price_min),
    ];
    let id = u64::from(terms.market.0);
    let trading = [
        id,
        *state as u64,
        word_of(*last_price),
        collar.reference as u64,
        word_of(collar.price),
        u64::from(collar.width_ppm),
        collar.halts as u64,
        word_of(low),
        word_of(high),
    ];
    let at_first = [terms.state as u64];
    let symbol = words_of(&terms.symbol);
    sum([
        record(
            Tag::Market,
            numbers.into_iter().chain(symbol).chain(at_first),
        ),
        record(Tag::Trading, trading),
    ])
}

fn hash_entered(session: u64, entered: u64, unattested: u64) -> u64 {
    if entered == 0 && unattested == 0 {
        return 0;
    }
    record(Tag::Entered, [session, entered, unattested])
}
