//! The state hash: a sum over the records of the state, kept as they change.
//!
//! A check between replicas. Every table keeps the sum of its records ([`Kept`](crate::kept::Kept)).

use crate::auction::{Stage, Uncrossing};
use crate::engine::{Engine, Work};
use crate::orders::NIL;
use crate::quoted::Quoted;
use crate::sources::SERVICES;
use crate::sweep::Sweep;
use domain::{Genesis, Limits, MAX_TIERS, OrderId, Price, RecordHash, Scope, Tag};

pub(crate) fn record<const N: usize>(tag: Tag, words: [u64; N]) -> u64 {
    words
        .into_iter()
        .fold(RecordHash::new(tag), RecordHash::word)
        .finish()
}

/// Bytes as little-endian words.
pub(crate) fn words<const N: usize>(bytes: &[u8]) -> [u64; N] {
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

pub(crate) fn sum(hashes: impl Iterator<Item = u64>) -> u64 {
    hashes.fold(0, u64::wrapping_add)
}

impl Engine {
    /// The hash of the whole state (docs/ENGINE.md), as it was kept while the state changed: what a checkpoint tells.
    /// It takes no longer the more there is.
    #[must_use]
    pub fn state_hash(&self) -> u64 {
        self.hash_of_few()
            .wrapping_add(self.assets.hash())
            .wrapping_add(self.markets.hash())
            .wrapping_add(self.accounts.hash())
            .wrapping_add(self.limits.hash())
            .wrapping_add(self.kill_switches.hash())
            .wrapping_add(self.sessions.hash())
            .wrapping_add(self.entered.hash())
            .wrapping_add(self.funds.hash())
            .wrapping_add(self.orders.hash())
            .wrapping_add(self.expiries.hash())
            .wrapping_add(self.stops.hash())
            .wrapping_add(self.quoted.hash())
    }

    /// The same, of every record anew: a check of [`Engine::state_hash`]. It reads all that lives, so it belongs to
    /// starts and tests.
    #[must_use]
    pub fn state_hash_anew(&self) -> u64 {
        self.hash_of_few()
            .wrapping_add(self.assets.hash_anew())
            .wrapping_add(self.markets.hash_anew())
            .wrapping_add(self.accounts.hash_anew())
            .wrapping_add(self.hash_of_limits_anew())
            .wrapping_add(self.kill_switches.hash_anew())
            .wrapping_add(self.sessions.hash_anew())
            .wrapping_add(self.entered.hash_anew())
            .wrapping_add(self.funds.hash_anew())
            .wrapping_add(self.orders.hash_anew())
            .wrapping_add(self.expiries.hash_anew())
            .wrapping_add(self.stops.hash_anew())
            .wrapping_add(self.quoted.hash_anew())
    }

    /// Of what is so little that it is hashed whenever the hash is asked for.
    fn hash_of_few(&self) -> u64 {
        self.hash_of_counters()
            .wrapping_add(self.genesis.as_ref().map_or(0, hash_of_capacities))
            .wrapping_add(self.hash_of_services())
            .wrapping_add(self.work.as_ref().map_or(0, |work| self.hash_of_work(work)))
    }

    fn hash_of_limits_anew(&self) -> u64 {
        let accounts = existing(&self.accounts)
            .filter(|(_, account)| account.has_own_limits.is_yes())
            .map(|(id, account)| hash_of_limits(1, id, self.limits_of(account)));
        let tiers = (0..MAX_TIERS).map(|tier| hash_of_limits_of_tier(tier, self.limits.get(tier)));
        sum(accounts.chain(tiers))
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

    fn hash_of_services(&self) -> u64 {
        sum(SERVICES
            .into_iter()
            .map(|source| (source, self.last_number(source)))
            .filter(|&(_, last)| last != 0)
            .map(|(source, last)| record(Tag::Source, [u64::from(source.0), last])))
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
}

pub(crate) fn hash_of_kill_switch((scope, target): (Scope, u32)) -> u64 {
    record(Tag::KillSwitch, [scope as u64, u64::from(target)])
}

/// Quotes without a protection are no record.
pub(crate) fn hash_of_protection(quoted: &Quoted) -> u64 {
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

/// No limits are no record.
pub(crate) fn hash_of_limits_of_tier(tier: u32, limits: &Limits) -> u64 {
    if *limits == Limits::default() {
        return 0;
    }
    hash_of_limits(0, tier, limits)
}

pub(crate) fn hash_of_limits(of_account: u64, target: u32, limits: &Limits) -> u64 {
    record(
        Tag::Limits,
        [
            of_account,
            u64::from(target),
            limits.max_order_qty.0,
            limits.max_order_notional,
            limits.max_position,
            limits.max_daily_volume,
            limits.max_unattested_notional,
            u64::from(limits.max_open_orders),
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
