//! Reading a body: everything in it is checked, and the engine is built the way that commands
//! would have built it.

use super::save::balance_record;
use super::{
    AccountRecord, ArrivingRecord, AssetRecord, BalanceRecord, Head, KillSwitchRecord, LAYOUT,
    MarketRecord, MassCancelRecord, OrderRecord, Pending, ProtectionRecord, SessionRecord,
    StopRecord, SweepRecord, UncrossingRecord,
};
use crate::accounts::Day;
use crate::attestation::Entered;
use crate::auction::{Looking, Stage, Uncrossing};
use crate::book::crosses;
use crate::collar::Collar;
use crate::engine::{ENGINE_VERSION, Engine, Work};
use crate::fees::Rates;
use crate::hash::existing;
use crate::market::Market;
use crate::mass_cancel::{Canceling, Wanted};
use crate::orders::{NIL, Order};
use crate::sources::ServiceNumbers;
use crate::stops::{Reach, Stop};
use crate::sweep::Sweep;
use domain::{
    Amount, AssetId, ClientOrderId, Effects, Flag, Genesis, Limits, MarketId, MarketState, Nanos,
    NewOrder, OpenSession, OrderId, OrderType, Phase, Price, Qty, Reason, Scope, SelfTrade, Seq,
    SessionId, SetFees, SetLimits, SetTier, Side, TimeInForce, Zero,
};
use zerocopy::TryFromBytes;

/// Why bytes are no body of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The head says how long the body is, and it is not.
    #[error("the body has {found} bytes where its head says {expected}")]
    Length {
        /// By the head's counts; of the head alone, if even that is cut off.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// Other layouts of records.
    #[error("body layout {0}, but this build reads layout {LAYOUT}")]
    Layout(u16),
    /// Rules that this build does not have.
    #[error("engine version {0}, but this build has version {ENGINE_VERSION}")]
    EngineVersion(u16),
    /// A file does not decide how much memory is taken.
    #[error("the capacities are not those of the shard's genesis")]
    Capacities,
    /// A record that cannot be.
    #[error("{section:?} record {index}: {fault}")]
    Record {
        /// Of which kind.
        section: Section,
        /// Counted from 0.
        index: u32,
        /// What is wrong with it.
        fault: Fault,
    },
    /// Funds are not conserved.
    #[error("accounts and fees do not add up to what was deposited of asset {}", .0.0)]
    Funds(AssetId),
}

/// A kind of record, in the order of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the records are those of docs/SNAPSHOTS.md")]
pub enum Section {
    Head,
    Asset,
    Market,
    Account,
    Session,
    Balance,
    Order,
    FreeSlot,
    Stop,
    KillSwitch,
    Limits,
    Fees,
    Sweep,
    MassCancel,
    Uncrossing,
    Arriving,
    Protection,
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each is")]
pub enum Fault {
    #[error("a field holds no value of its type")]
    Field,
    #[error("it does not come behind the record before it")]
    Order,
    #[error("a command that makes it is refused: {0}")]
    Refused(Reason),
    #[error("it names something that does not exist")]
    Unknown,
    #[error("a number is outside its range")]
    Range,
    #[error("its slot was never used, or is taken")]
    Slot,
    #[error("its client order id is 0, or taken")]
    ClientOrderId,
    #[error("its price is not one of the market's")]
    Price,
    #[error("its quantity cannot be counted")]
    Quantity,
    #[error("the account does not have what it holds")]
    NotCovered,
    #[error("what is held is not what the account's orders hold")]
    Held,
    #[error("it crosses the book")]
    Crossed,
    #[error("such an order does not sweep now")]
    Sweep,
    #[error("its session's orders, or its account's sessions, are no list")]
    List,
    #[error("no order's time has come")]
    Expiring,
    #[error("stops that are to arrive have not, or would have by now")]
    Stops,
    #[error("no page of price levels is free for it")]
    Pages,
    #[error("it is no side of a quote, or no protection, that its session has there")]
    Quote,
}

pub(super) fn ensure(holds: bool, fault: Fault) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(fault) }
}

/// The records of one kind, one after another.
pub(super) struct Records<'a, T> {
    section: Section,
    bytes: &'a [u8],
    kind: core::marker::PhantomData<T>,
}

impl<'a, T: TryFromBytes> Records<'a, T> {
    /// Takes `count` records off the front of `rest`, which has so many.
    fn split(rest: &mut &'a [u8], section: Section, count: u32) -> Self {
        let (bytes, behind) = rest.split_at(count as usize * size_of::<T>());
        *rest = behind;
        Self {
            section,
            bytes,
            kind: core::marker::PhantomData,
        }
    }

    /// Reads each; `take` says what is wrong with it.
    pub(super) fn each(
        &self,
        mut take: impl FnMut(&T) -> Result<(), Fault>,
    ) -> Result<(), LoadError> {
        for (index, bytes) in (0..).zip(self.bytes.chunks_exact(size_of::<T>())) {
            let record = T::try_read_from_bytes(bytes).map_err(|_| Fault::Field);
            record
                .and_then(|record| take(&record))
                .map_err(|fault| LoadError::Record {
                    section: self.section,
                    index,
                    fault,
                })?;
        }
        Ok(())
    }
}

/// Whether records come in increasing order of a key.
pub(super) struct Ascending<K>(pub(super) Option<K>);

impl<K: Ord + Copy> Ascending<K> {
    pub(super) fn check(&mut self, key: K) -> Result<(), Fault> {
        ensure(self.0.is_none_or(|before| before < key), Fault::Order)?;
        self.0 = Some(key);
        Ok(())
    }
}

impl Engine {
    /// The engine that [`Engine::save`] wrote `body` of. `capacities` are those of the shard's
    /// `Genesis`, none before it; `probe_key` as in [`Engine::with_probe_key`]. Allocates what a
    /// `Genesis` does.
    ///
    /// # Errors
    /// [`LoadError`]: the first thing that no engine would have written. That the state is the one
    /// that is meant is for the caller to say, by its [`Engine::state_hash_anew`].
    pub fn load(
        body: &[u8],
        capacities: Option<&Genesis>,
        probe_key: u64,
    ) -> Result<Self, LoadError> {
        let head = Head::read(body)?;
        head.check(capacities)?;
        let mut engine = Self::with_probe_key(probe_key);
        if let Some(genesis) = capacities {
            let begun = engine.begin(genesis);
            begun.map_err(|reason| Head::refuse(Fault::Refused(reason)))?;
        }
        let mut rest = &body[size_of::<Head>()..];
        let rest = &mut rest;
        engine.load_assets(&Records::split(rest, Section::Asset, head.assets))?;
        engine.load_markets(&Records::split(rest, Section::Market, head.markets))?;
        engine.load_accounts(&Records::split(rest, Section::Account, head.accounts))?;
        engine.load_sessions(&Records::split(rest, Section::Session, head.sessions))?;
        let balances = Records::split(rest, Section::Balance, head.balances);
        engine.load_funds(&balances)?;
        let resting = Records::split(rest, Section::Order, head.resting);
        engine.load_books(&resting, &head)?;
        let waiting = Records::split(rest, Section::Stop, head.stops);
        engine.load_stops(&waiting, head.next_fresh_slot)?;
        let free = Records::split(rest, Section::FreeSlot, head.free);
        let switches = Records::split(rest, Section::KillSwitch, head.kill_switches);
        engine.load_kill_switches(&switches)?;
        engine.load_limits(&Records::split(rest, Section::Limits, head.limits))?;
        engine.load_fees(&Records::split(rest, Section::Fees, head.fees))?;
        let protections = Records::split(rest, Section::Protection, head.protections);
        engine.load_protections(&protections, head.now)?;
        let sweeping = head.counts(Pending::Sweep);
        let swept = Records::split(rest, Section::Order, sweeping);
        engine.load_sweep(
            &swept,
            &Records::split(rest, Section::Sweep, sweeping),
            head.next_fresh_slot,
        )?;
        engine.load_lists([&resting, &swept], &waiting)?;
        let uncrossing = head.counts(Pending::Uncrossing);
        engine.load_uncrossing(&Records::split(rest, Section::Uncrossing, uncrossing))?;
        engine.check_crossed()?;
        let canceling = head.counts(Pending::MassCancel);
        engine.load_mass_cancel(&Records::split(rest, Section::MassCancel, canceling))?;
        let arriving = head.counts(Pending::Arriving);
        engine.load_arriving(&Records::split(rest, Section::Arriving, arriving))?;
        engine.load_free_slots(&free, head.next_fresh_slot)?;
        engine.check_held(&balances)?;
        engine.take_counters(&head);
        if head.pending == Pending::Expiring {
            let due = engine.next_expired().is_some();
            ensure(due, Fault::Expiring).map_err(Head::refuse)?;
            engine.work = Some(Work::Expiring);
        }
        engine.check_reaches()?;
        Ok(engine)
    }

    fn take_counters(&mut self, head: &Head) {
        self.version = head.version;
        self.epoch = head.epoch;
        self.phase = head.phase;
        self.cancel_only_until = head.cancel_only_until;
        self.now = head.now;
        self.day = Day::of(head.now);
        self.next_trade_id = head.next_trade_id;
        self.next_feed_no = head.next_feed_no;
        self.services = ServiceNumbers::of(head.services);
    }

    fn load_assets(&mut self, records: &Records<'_, AssetRecord>) -> Result<(), LoadError> {
        let mut ascending = Ascending(None);
        records.each(|record| {
            ascending.check(record.terms.asset)?;
            self.create_asset(&record.terms).map_err(Fault::Refused)?;
            let asset = self.assets.hot(record.terms.asset.0);
            *asset.deposited = record.deposited;
            *asset.fees = record.fees;
            Ok(())
        })
    }

    fn load_markets(&mut self, records: &Records<'_, MarketRecord>) -> Result<(), LoadError> {
        let (mut ascending, mut ignored) = (Ascending(None), Effects::new());
        records.each(|record| {
            let terms = &record.terms;
            ascending.check(terms.market)?;
            ignored.clear();
            self.create_market(terms, &mut ignored)
                .map_err(Fault::Refused)?;
            let has_traded = record.last_price != Price(0);
            let market = self.market_of_order(terms.market);
            ensure(
                !has_traded || market.has_price(record.last_price),
                Fault::Price,
            )?;
            let market = self.markets.hot(terms.market.0);
            *market.last_price = record.last_price;
            *market.reach = Reach {
                lowest: record.reach_lowest,
                highest: record.reach_highest,
            };
            *market.state = record.state;
            *market.collar = Collar {
                price: record.collar_price,
                width_ppm: record.collar_width_ppm,
                reference: record.collar_reference,
                halts: record.collar_halts,
            };
            ensure(market.collar.is_valid(), Fault::Range)
        })
    }

    fn load_accounts(&mut self, records: &Records<'_, AccountRecord>) -> Result<(), LoadError> {
        let mut ascending = Ascending(None);
        records.each(|record| {
            let id = record.terms.account;
            ascending.check(id)?;
            self.create_account(&record.terms).map_err(Fault::Refused)?;
            let tier = SetTier {
                account: id,
                tier: u32::from(record.tier),
            };
            self.set_tier(&tier).map_err(Fault::Refused)?;
            let traded = self.accounts.hot(id.0);
            *traded.volume = record.volume;
            *traded.day = record.volume_day;
            Ok(())
        })
    }

    fn load_limits(&mut self, records: &Records<'_, SetLimits>) -> Result<(), LoadError> {
        let mut ascending = Ascending(None);
        records.each(|record| {
            ascending.check((record.of_account, record.target))?;
            let is_tier = !record.of_account.is_yes();
            let is_needed = !is_tier || record.limits != Limits::default();
            ensure(is_needed && !record.as_tier.is_yes(), Fault::Range)?;
            self.set_limits(record).map_err(Fault::Refused)
        })
    }

    fn load_fees(&mut self, records: &Records<'_, SetFees>) -> Result<(), LoadError> {
        let mut ascending = Ascending(None);
        records.each(|record| {
            ascending.check((record.market, record.tier))?;
            let market = self.market(record.market).ok_or(Fault::Unknown)?;
            let rates = Rates {
                maker_ppm: record.maker_fee_ppm,
                taker_ppm: record.taker_fee_ppm,
            };
            ensure(rates != Rates::of(&market.terms), Fault::Range)?;
            self.set_fees(record).map_err(Fault::Refused)
        })
    }

    fn load_sessions(&mut self, records: &Records<'_, SessionRecord>) -> Result<(), LoadError> {
        let mut ascending = Ascending(None);
        records.each(|record| {
            ascending.check(record.session)?;
            let open = OpenSession {
                session: record.session,
                account: record.account,
                delegation: record.delegation,
                gate: record.gate,
                pad: [Zero::Zero; 7],
            };
            self.open_session(&open).map_err(Fault::Refused)?;
            let reports = 1..=record.next_report_no;
            ensure(reports.contains(&record.epoch_report_no), Fault::Range)?;
            self.sessions.change(record.session.0, |session| {
                session.next_report_no = record.next_report_no;
                session.last_number = record.last_number;
                session.epoch_report_no = record.epoch_report_no;
            });
            self.entered.set(
                record.session,
                Entered {
                    all: record.entered,
                    unattested: record.unattested,
                },
            );
            Ok(())
        })?;
        self.load_lists_of_sessions(records)
    }

    /// Links the sessions of each account: each stands before the one that it names, and one is the newest.
    fn load_lists_of_sessions(
        &mut self,
        records: &Records<'_, SessionRecord>,
    ) -> Result<(), LoadError> {
        let mut has_newer = vec![false; self.sessions.len()];
        self.accounts
            .change_all(|account| account.newest_session = NIL);
        records.each(|record| {
            self.sessions.change(record.session.0, |session| {
                session.older_session = record.older;
            });
            if record.older == NIL {
                return Ok(());
            }
            let older = self.session_or_none(SessionId(record.older));
            let is_its = older.is_some_and(|older| older.account == record.account);
            ensure(is_its, Fault::List)?;
            let is_named_before = core::mem::replace(&mut has_newer[record.older as usize], true);
            ensure(!is_named_before, Fault::List)
        })?;
        records.each(|record| {
            if has_newer[record.session.0 as usize] {
                return Ok(());
            }
            let newest = self.accounts.loose(record.account.0).newest_session;
            let is_first = core::mem::replace(newest, record.session.0) == NIL;
            ensure(is_first, Fault::List)
        })?;
        let mut listed = 0;
        for account in self.accounts.iter().flatten() {
            let some = |id: u32| (id != NIL).then_some(id);
            let older = |&id: &u32| some(self.session_state(SessionId(id)).older_session);
            listed += core::iter::successors(some(account.newest_session), older).count();
        }
        // Whatever is in no list goes round in a circle.
        ensure(listed == self.session_count(), Fault::List).map_err(Head::refuse)
    }

    /// Makes all funds available: the orders will hold theirs. They must add up.
    fn load_funds(&mut self, records: &Records<'_, BalanceRecord>) -> Result<(), LoadError> {
        let (mut ascending, mut totals) = (Ascending(None), vec![0_u128; self.assets.len()]);
        records.each(|record| {
            let BalanceRecord { account, asset, .. } = *record;
            ascending.check((account, asset))?;
            let exists = self.has_account(account) && self.asset(asset).is_some();
            ensure(exists, Fault::Unknown)?;
            let all = record
                .available
                .checked_add(record.held)
                .filter(|&all| all > Amount::ZERO)
                .ok_or(Fault::Range)?;
            self.funds.credit(account, asset, all);
            totals[asset.0 as usize] += u128::from(all.0);
            Ok(())
        })?;
        for asset in self.asset_ids() {
            let (deposited, fees) = self.asset(asset).expect("it is one of the ids");
            let total = totals[asset.0 as usize] + u128::from(fees.0);
            if total != u128::from(deposited.0) {
                return Err(LoadError::Funds(asset));
            }
        }
        Ok(())
    }

    fn load_books(
        &mut self,
        records: &Records<'_, OrderRecord>,
        head: &Head,
    ) -> Result<(), LoadError> {
        let mut ascending = Ascending(None);
        records.each(|record| {
            let rank = match record.side {
                Side::Buy => record.price.0.saturating_neg(),
                Side::Sell => record.price.0,
            };
            ascending.check((record.market, record.side, rank, record.priority))?;
            let told = 1..head.next_feed_no;
            ensure(told.contains(&record.priority), Fault::Range)?;
            if record.quote.is_yes() {
                self.put_back_quote(record, head.next_fresh_slot)?;
            } else {
                self.put_back(record, OrderType::Limit, head.next_fresh_slot)?;
            }
            self.orders[record.id.slot()].priority = record.priority;
            let market = self.market_of_order(record.market_id());
            let page = self.check_page(market, record.side, record.price);
            ensure(page.is_ok(), Fault::Pages)?;
            self.join_queue(record.id.slot());
            Ok(())
        })
    }

    fn load_stops(
        &mut self,
        records: &Records<'_, StopRecord>,
        next_fresh: u32,
    ) -> Result<(), LoadError> {
        let mut ascending = Ascending(None);
        records.each(|record| {
            let order = &record.order;
            ascending.check((order.market, order.side, record.entered))?;
            let order_type = if order.price == Price(0) {
                OrderType::Stop
            } else {
                OrderType::StopLimit
            };
            self.put_back(order, order_type, next_fresh)?;
            let market = self.market_of_order(order.market_id());
            let is_price = |price| market.has_price(price);
            let may_have_worst = !order_type.has_limit() && is_price(record.worst);
            let worst = record.worst == Price(0) || may_have_worst;
            ensure(worst && is_price(record.trigger), Fault::Price)?;
            let plain = order.priority == 0
                && order.filled == Qty::ZERO
                && order.display_qty == Qty::ZERO
                && !order.post_only.is_on()
                && order.self_trade != SelfTrade::Abort;
            ensure(plain && record.entered > Seq(0), Fault::Range)?;
            let stop = Stop {
                trigger: record.trigger,
                worst: record.worst,
                entered: record.entered,
            };
            let order = self.orders[order.id.slot()];
            self.hold_for_waiting(&order, &stop)?;
            self.wait(&order, stop);
            Ok(())
        })
    }

    /// Sets aside what a stop holds beyond what it will hold when it has arrived.
    fn hold_for_waiting(&mut self, order: &Order, stop: &Stop) -> Result<(), Fault> {
        let market = *self.market_of_order(order.market());
        let price = stop.price_of(order.side, order.price);
        let counts = market.buy_hold(price, order.leaves).is_some();
        ensure(counts, Fault::Quantity)?;
        let (asset, held) = market.hold_of_waiting(order, stop);
        let (_, already) = market.hold_of(order);
        let more = held.checked_sub(already).ok_or(Fault::NotCovered)?;
        let account = self.account_of(order.session);
        let available = self.funds.balance(account, asset).available;
        ensure(more <= available, Fault::NotCovered)?;
        self.funds.hold(account, asset, more);
        Ok(())
    }

    fn load_arriving(&mut self, records: &Records<'_, ArrivingRecord>) -> Result<(), LoadError> {
        records.each(|record| {
            let market = self.market(record.market).ok_or(Fault::Unknown)?;
            let open = market.state == MarketState::Continuous;
            let triggered = self.next_triggered(market).is_some();
            ensure(open && triggered, Fault::Stops)?;
            self.work = Some(Work::Arriving(record.market));
            Ok(())
        })
    }

    /// Whether stops have been looked at for all trades that they are to have been.
    fn check_reaches(&self) -> Result<(), LoadError> {
        let busy = match &self.work {
            Some(Work::Sweep(sweep)) => Some(self.orders[sweep.order_id.slot()].market()),
            Some(Work::Uncrossing(uncrossing)) => Some(uncrossing.market),
            &Some(Work::Arriving(market)) => Some(market),
            None | Some(Work::MassCancel(_) | Work::Expiring) => None,
        };
        for (index, (_, market)) in (0..).zip(existing(&self.markets)) {
            let Reach { lowest, highest } = market.reach;
            let is_busy = busy == Some(market.terms.market);
            let may_have = is_busy || market.state != MarketState::Continuous;
            let fits = market.reach == Reach::default()
                || may_have
                    && market.has_stops()
                    && market.has_price(lowest)
                    && market.has_price(highest)
                    && (lowest..=highest).contains(&market.last_price);
            ensure(fits, Fault::Stops).map_err(|fault| LoadError::Record {
                section: Section::Market,
                index,
                fault,
            })?;
        }
        Ok(())
    }

    /// Gives a live order its slot, its client order id and its hold.
    pub(super) fn put_back(
        &mut self,
        record: &OrderRecord,
        order_type: OrderType,
        next_fresh: u32,
    ) -> Result<(), Fault> {
        ensure(!record.quote.is_yes(), Fault::Quote)?;
        self.session(record.session).ok_or(Fault::Unknown)?;
        let market = *self.market(record.market_id()).ok_or(Fault::Unknown)?;
        let slot = record.id.slot();
        self.check_slot(record.id, next_fresh)?;
        let client_order_id = record.client_order_id;
        let known = self
            .client_ids
            .look_up(&self.orders, record.session, client_order_id);
        let vacancy = known.err().filter(|_| client_order_id != ClientOrderId(0));
        let vacancy = vacancy.ok_or(Fault::ClientOrderId)?;
        let is_price = match order_type {
            OrderType::Limit | OrderType::StopLimit => market.has_price(record.price),
            OrderType::Market | OrderType::Stop => record.price == Price(0),
        };
        ensure(is_price, Fault::Price)?;
        // An order was refused unless all of it could be counted.
        let all = record.filled.checked_add(record.leaves);
        let counts = all.is_some_and(|all| {
            let has_hold = || market.buy_hold(record.price, all).is_some();
            market.base_units(all).is_some() && (!order_type.has_limit() || has_hold())
        });
        ensure(counts && record.leaves > Qty::ZERO, Fault::Quantity)?;
        let fits = if record.display_qty == Qty::ZERO {
            record.hidden == Qty::ZERO
        } else {
            record.hidden < record.leaves
                && record.leaves.0 - record.hidden.0 <= record.display_qty.0
        };
        ensure(fits || record.priority == 0, Fault::Quantity)?;
        let ends_twice = record.until_close.is_yes() && record.expires != Nanos(0);
        ensure(!ends_twice, Fault::Range)?;
        let command = command(record, order_type);
        let mut order = Order::new(record.id, record.session, &command, record.price);
        order.filled = record.filled;
        self.put_back_with_hold(&order)?;
        self.client_ids.fill(vacancy, slot);
        self.note_end(&order, record.expires);
        self.orders.set_display(&order, record.display_qty);
        self.orders.hide(slot, record.hidden);
        Ok(())
    }

    /// Whether such an id can have been given, and its slot is empty.
    pub(super) fn check_slot(&self, id: OrderId, next_fresh: u32) -> Result<(), Fault> {
        let slot = id.slot();
        let is_id = id >= OrderId::first(slot) && slot < next_fresh;
        ensure(is_id && self.orders[slot].id == OrderId::NONE, Fault::Slot)
    }

    /// Puts an order into its slot, and sets aside what it holds.
    pub(super) fn put_back_with_hold(&mut self, order: &Order) -> Result<(), Fault> {
        let account = self.account_of(order.session);
        let (asset, held) = self.market_of_order(order.market()).hold_of(order);
        let available = self.funds.balance(account, asset).available;
        ensure(held <= available, Fault::NotCovered)?;
        self.funds.hold(account, asset, held);
        self.orders.put_back(*order);
        *self.accounts.loose(account.0).open_orders += 1;
        Ok(())
    }

    fn load_sweep(
        &mut self,
        orders: &Records<'_, OrderRecord>,
        records: &Records<'_, SweepRecord>,
        next_fresh: u32,
    ) -> Result<(), LoadError> {
        let mut sweep = None;
        records.each(|record| {
            sweep = Some(*record);
            let fits = match record.time_in_force {
                _ if record.order_type.waits() => false,
                TimeInForce::GoodTillCancel => record.order_type == OrderType::Limit,
                TimeInForce::ImmediateOrCancel | TimeInForce::FillOrKill => true,
                TimeInForce::GoodTillTime | TimeInForce::GoodTillClose => false,
            };
            ensure(fits, Fault::Sweep)
        })?;
        let Some(sweep) = sweep else { return Ok(()) };
        orders.each(|record| {
            let rests = sweep.time_in_force == TimeInForce::GoodTillCancel;
            let lasts = record.until_close.is_yes()
                || record.expires != Nanos(0)
                || record.display_qty != Qty::ZERO;
            let fits =
                record.priority == 0 && !record.post_only.is_on() && record.hidden == Qty::ZERO;
            // A stop that arrived as a market order still has the end of one that waits.
            let arrived = sweep.order_type == OrderType::Market
                && sweep.time_in_force == TimeInForce::ImmediateOrCancel
                && record.display_qty == Qty::ZERO;
            ensure(fits && (rests || arrived || !lasts), Fault::Sweep)?;
            self.put_back(record, sweep.order_type, next_fresh)?;
            let market = self.market_of_order(record.market_id());
            let may_have_worst = !sweep.order_type.has_limit() && market.has_price(sweep.worst);
            ensure(sweep.worst == Price(0) || may_have_worst, Fault::Price)?;
            let best = market.book.best_or_none_to_cross(record.side.opposite());
            let sweep = Sweep {
                order_id: record.id,
                order_type: sweep.order_type,
                time_in_force: sweep.time_in_force,
                worst: sweep.worst,
            };
            let limit = sweep.limit(&self.orders[record.id.slot()]);
            ensure(crosses(record.side, limit, best), Fault::Sweep)?;
            self.work = Some(Work::Sweep(sweep));
            Ok(())
        })
    }

    fn load_kill_switches(
        &mut self,
        records: &Records<'_, KillSwitchRecord>,
    ) -> Result<(), LoadError> {
        let mut ascending = Ascending(None);
        records.each(|&KillSwitchRecord { scope, target, .. }| {
            ascending.check((scope, target))?;
            ensure(self.has_target(scope, target), Fault::Unknown)?;
            let turned = self.turn_switch(scope, target, Flag::Yes);
            turned.map_err(|_| Fault::Refused(Reason::KillSwitchTableFull))
        })
    }

    /// Links the orders of each session: each stands before the one that it names, and one is the newest.
    fn load_lists(
        &mut self,
        records: [&Records<'_, OrderRecord>; 2],
        stops: &Records<'_, StopRecord>,
    ) -> Result<(), LoadError> {
        for records in records {
            records.each(|record| self.load_link(record))?;
        }
        stops.each(|record| self.load_link(&record.order))?;
        for records in records {
            records.each(|record| self.load_newest(record))?;
        }
        stops.each(|record| self.load_newest(&record.order))?;
        let mut listed = 0;
        for session in self.session_ids() {
            let some = |slot| (slot != NIL).then_some(slot);
            let newest = some(self.session_state(session).newest_order);
            let slots = core::iter::successors(newest, |&slot| some(self.orders.older(slot)));
            listed += slots.count();
        }
        // Whatever is in no list goes round in a circle.
        ensure(listed == self.live_orders(), Fault::List).map_err(Head::refuse)
    }

    fn load_link(&mut self, record: &OrderRecord) -> Result<(), Fault> {
        if record.older == NIL {
            return Ok(());
        }
        let exists = (record.older as usize) < self.orders.slots();
        let is_its = exists && {
            let older = &self.orders[record.older];
            older.id != OrderId::NONE && older.session == record.session
        };
        ensure(
            is_its && self.orders.newer(record.older) == NIL,
            Fault::List,
        )?;
        self.orders.join(record.id.slot(), record.older);
        Ok(())
    }

    fn load_newest(&mut self, record: &OrderRecord) -> Result<(), Fault> {
        let slot = record.id.slot();
        if self.orders.newer(slot) != NIL {
            return Ok(());
        }
        let newest = self.sessions.loose(record.session.0).newest_order;
        ensure(*newest == NIL, Fault::List)?;
        *newest = slot;
        Ok(())
    }

    fn load_mass_cancel(
        &mut self,
        records: &Records<'_, MassCancelRecord>,
    ) -> Result<(), LoadError> {
        records.each(|record| {
            let wanted = Wanted {
                scope: record.scope,
                target: record.target,
                market: record.market,
                sides: record.sides,
                lowest: record.lowest,
                highest: record.highest,
            };
            let canceling = Canceling {
                reason: record.reason,
                asked: record.by_session.is_yes().then_some(record.asked),
                request: record.request,
                wanted,
                count: record.count,
                next_session: record.next_session,
                next_order: self.slot_or_nil(record.next_order)?,
            };
            self.check_canceling(record, &canceling)?;
            self.work = Some(Work::MassCancel(canceling));
            Ok(())
        })
    }

    fn load_uncrossing(
        &mut self,
        records: &Records<'_, UncrossingRecord>,
    ) -> Result<(), LoadError> {
        records.each(|record| {
            let market = self.market(record.market).ok_or(Fault::Unknown)?;
            let stage = stage_of(record);
            let fits = match &stage {
                Stage::Looking(at) => self.can_look(market, at),
                &Stage::Trading { price, left } => {
                    let rest_is_zero = record.words[2..] == [0; 5];
                    rest_is_zero && left > Qty::ZERO && market.has_price(price)
                }
            };
            ensure(fits, Fault::Range)?;
            let allowed = !market.state.leaves_book_alone();
            ensure(allowed && Self::is_crossed(market), Fault::Crossed)?;
            let market = record.market;
            self.work = Some(Work::Uncrossing(Uncrossing { market, stage }));
            Ok(())
        })
    }

    /// Whether a search for an auction's price can be there.
    fn can_look(&self, market: &Market, at: &Looking) -> bool {
        let within = |side, price, left: Qty| {
            let there = || market.book.quantity(&self.ladders, side, price) > Qty::ZERO;
            let total = || market.book.total(&self.ladders, side, price);
            market.has_price(price) && left > Qty::ZERO && there() && left <= total()
        };
        at.bid >= at.ask
            && within(Side::Buy, at.bid, at.bid_left)
            && within(Side::Sell, at.ask, at.ask_left)
            && market.has_price(at.last_bid)
            && market.has_price(at.last_ask)
            && at.last_bid >= at.bid
            && at.last_ask <= at.ask
    }

    /// Bids are below asks wherever they must be by now.
    fn check_crossed(&self) -> Result<(), LoadError> {
        for (index, market) in (0..).zip(self.markets.iter().flatten()) {
            let id = market.terms.market;
            let is_pending =
                matches!(&self.work, Some(Work::Uncrossing(work)) if work.market == id);
            if !market.state.leaves_book_alone() && !is_pending && Self::is_crossed(market) {
                return Err(LoadError::Record {
                    section: Section::Market,
                    index,
                    fault: Fault::Crossed,
                });
            }
        }
        Ok(())
    }

    fn slot_or_nil(&self, id: OrderId) -> Result<u32, Fault> {
        if id == OrderId::NONE {
            return Ok(NIL);
        }
        self.orders.find(id).ok_or(Fault::Unknown)
    }

    /// Whether a walk can be there.
    fn check_canceling(
        &self,
        record: &MassCancelRecord,
        canceling: &Canceling,
    ) -> Result<(), Fault> {
        let wanted = &canceling.wanted;
        let asked = match canceling.asked {
            Some(session) => {
                let exists = self.session(session).is_some();
                exists && self.target(Some(session), wanted.scope, 0) == Ok(wanted.target)
            }
            None => record.asked == SessionId(0),
        };
        let known = wanted.market == MarketId::ANY || self.market(wanted.market).is_some();
        ensure(
            asked && known && self.has_target(wanted.scope, wanted.target),
            Fault::Unknown,
        )?;
        let has_ended = |state| {
            let market = self.market(wanted.market);
            *wanted == Wanted::in_market(wanted.market)
                && canceling.asked.is_none()
                && market.is_some_and(|market| market.state == state)
        };
        let is_killed = || {
            *wanted == Wanted::all(wanted.scope, wanted.target)
                && self.is_kill_switch_on(wanted.scope, wanted.target)
        };
        let reason = canceling.reason;
        let fits = reason == Reason::MassCancel
            || reason == Reason::KillSwitch && is_killed()
            || reason == Reason::Delisted && has_ended(MarketState::Delisted)
            || reason == Reason::MarketClose && has_ended(MarketState::Closed);
        ensure(fits, Fault::Range)?;
        let next = SessionId(canceling.next_session);
        let can_be_there = match wanted.scope {
            Scope::Session | Scope::Account => self.belongs(next, wanted),
            Scope::Firm | Scope::Everyone => next.0 < self.end_of_sessions(wanted),
        };
        ensure(can_be_there, Fault::Range)?;
        let is_its = canceling.next_order == NIL
            || self.belongs(next, wanted) && self.orders[canceling.next_order].session == next;
        ensure(is_its, Fault::Unknown)
    }

    fn load_free_slots(
        &mut self,
        records: &Records<'_, OrderId>,
        next_fresh: u32,
    ) -> Result<(), LoadError> {
        let mut is_free = vec![false; next_fresh as usize];
        let mut free = Vec::with_capacity(records.bytes.len() / size_of::<OrderId>());
        records.each(|&id| {
            let slot = id.slot();
            // What a slot gives out again is at least its second id.
            let is_id = id > OrderId::first(slot) && slot < next_fresh;
            ensure(
                is_id && self.orders[slot].id == OrderId::NONE && !is_free[slot as usize],
                Fault::Slot,
            )?;
            is_free[slot as usize] = true;
            free.push(id);
            Ok(())
        })?;
        self.orders.restore(next_fresh, free.into_iter());
        Ok(())
    }

    /// What the orders hold is what the balances say.
    fn check_held(&self, records: &Records<'_, BalanceRecord>) -> Result<(), LoadError> {
        records.each(|record| {
            let balance = self.funds.balance(record.account, record.asset);
            let ours = balance_record(record.account, record.asset, balance);
            ensure(ours == *record, Fault::Held)
        })
    }
}

fn stage_of(record: &UncrossingRecord) -> Stage {
    let price = |word: u64| Price(word.cast_signed());
    let [a, b, c, d, e, f, g] = record.words;
    if record.is_trading.is_yes() {
        return Stage::Trading {
            price: price(a),
            left: Qty(b),
        };
    }
    Stage::Looking(Looking {
        bid: price(a),
        bid_left: Qty(b),
        ask: price(c),
        ask_left: Qty(d),
        volume: Qty(e),
        last_bid: price(f),
        last_ask: price(g),
    })
}

/// The order as it was entered, as far as its slot shows it.
pub(super) fn command(record: &OrderRecord, order_type: OrderType) -> NewOrder {
    NewOrder {
        client_order_id: record.client_order_id,
        price: record.price,
        qty: record.leaves,
        market: record.market_id(),
        side: record.side,
        order_type,
        time_in_force: if record.expires != Nanos(0) {
            TimeInForce::GoodTillTime
        } else if record.until_close.is_yes() {
            TimeInForce::GoodTillClose
        } else {
            TimeInForce::GoodTillCancel
        },
        expires: record.expires,
        display_qty: record.display_qty,
        post_only: record.post_only,
        self_trade: record.self_trade,
        self_trade_scope: record.self_trade_scope,
        ..NewOrder::PLAIN
    }
}

impl Head {
    fn refuse(fault: Fault) -> LoadError {
        LoadError::Record {
            section: Section::Head,
            index: 0,
            fault,
        }
    }

    /// Reads the head and holds its counts against the length of the body.
    fn read(body: &[u8]) -> Result<Self, LoadError> {
        let found = body.len() as u64;
        let bytes = body.get(..size_of::<Self>()).ok_or(LoadError::Length {
            expected: size_of::<Self>() as u64,
            found,
        })?;
        let layout = u16::from_le_bytes([bytes[0], bytes[1]]);
        if layout != LAYOUT {
            return Err(LoadError::Layout(layout));
        }
        let head = Self::try_read_from_bytes(bytes).map_err(|_| Self::refuse(Fault::Field))?;
        let expected = head.body_bytes();
        if expected == found {
            Ok(head)
        } else {
            Err(LoadError::Length { expected, found })
        }
    }

    /// How often something of this kind is pending.
    fn counts(&self, pending: Pending) -> u32 {
        u32::from(self.pending == pending)
    }

    fn body_bytes(&self) -> u64 {
        let of = |count: u32, bytes: usize| u64::from(count) * bytes as u64;
        let sweeping = self.counts(Pending::Sweep);
        [
            of(1, size_of::<Self>()),
            of(self.assets, size_of::<AssetRecord>()),
            of(self.markets, size_of::<MarketRecord>()),
            of(self.accounts, size_of::<AccountRecord>()),
            of(self.sessions, size_of::<SessionRecord>()),
            of(self.balances, size_of::<BalanceRecord>()),
            of(self.resting, size_of::<OrderRecord>()),
            of(self.stops, size_of::<StopRecord>()),
            of(self.free, size_of::<OrderId>()),
            of(
                sweeping,
                size_of::<OrderRecord>() + size_of::<SweepRecord>(),
            ),
            of(self.kill_switches, size_of::<KillSwitchRecord>()),
            of(self.limits, size_of::<SetLimits>()),
            of(self.fees, size_of::<SetFees>()),
            of(self.protections, size_of::<ProtectionRecord>()),
            of(
                self.counts(Pending::MassCancel),
                size_of::<MassCancelRecord>(),
            ),
            of(
                self.counts(Pending::Uncrossing),
                size_of::<UncrossingRecord>(),
            ),
            of(self.counts(Pending::Arriving), size_of::<ArrivingRecord>()),
        ]
        .into_iter()
        .sum()
    }

    fn check(&self, capacities: Option<&Genesis>) -> Result<(), LoadError> {
        if self.version != ENGINE_VERSION {
            return Err(LoadError::EngineVersion(self.version));
        }
        let found = self.initialised.is_yes().then_some(&self.capacities);
        if found != capacities {
            return Err(LoadError::Capacities);
        }
        let most = capacities.map_or(0, |genesis| genesis.max_orders);
        let zeros = self.capacities == super::save::NOTHING;
        let holds = self.next_fresh_slot <= most
            && (capacities.is_some() || zeros)
            && (self.phase == Phase::CancelOnly || self.cancel_only_until.0 == 0)
            && self.next_trade_id >= 1
            && self.next_feed_no >= 1;
        ensure(holds, Fault::Range).map_err(Self::refuse)
    }
}
