//! Reading a body: everything in it is checked, and the engine is built the way that commands
//! would have built it.

use super::save::balance_record;
use super::{AssetRecord, BalanceRecord, Head, LAYOUT, OrderRecord, SessionRecord, SweepRecord};
use crate::book::crosses;
use crate::engine::{ENGINE_VERSION, Engine};
use crate::entry::limit_of;
use crate::orders::Order;
use crate::sources::ServiceNumbers;
use crate::sweep::Sweep;
use domain::{
    Amount, AssetId, ClientOrderId, CreateAccount, CreateMarket, Effects, Genesis, NewOrder,
    OpenSession, OrderId, OrderType, Phase, Price, Qty, Reason, Seq, Side, TimeInForce,
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
    Sweep,
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
}

fn ensure(holds: bool, fault: Fault) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(fault) }
}

/// The records of one kind, one after another.
struct Records<'a, T> {
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
    fn each(&self, mut take: impl FnMut(&T) -> Result<(), Fault>) -> Result<(), LoadError> {
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
struct Ascending<K>(Option<K>);

impl<K: Ord + Copy> Ascending<K> {
    fn check(&mut self, key: K) -> Result<(), Fault> {
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
    /// that is meant is for the caller to say, by its [`Engine::state_hash`].
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
        engine.load_books(
            &Records::split(rest, Section::Order, head.resting),
            head.next_fresh_slot,
        )?;
        let free = Records::split(rest, Section::FreeSlot, head.free);
        let sweeping = u32::from(head.sweeping.is_yes());
        engine.load_sweep(
            &Records::split(rest, Section::Order, sweeping),
            &Records::split(rest, Section::Sweep, sweeping),
            head.next_fresh_slot,
        )?;
        engine.load_free_slots(&free, head.next_fresh_slot)?;
        engine.check_held(&balances)?;
        engine.take_counters(&head);
        Ok(engine)
    }

    fn take_counters(&mut self, head: &Head) {
        self.version = head.version;
        self.epoch = head.epoch;
        self.phase = head.phase;
        self.cancel_only_until = head.cancel_only_until;
        self.now = head.now;
        self.next_trade_id = head.next_trade_id;
        self.next_feed_no = head.next_feed_no;
        self.services = ServiceNumbers::of(head.services);
    }

    fn load_assets(&mut self, records: &Records<'_, AssetRecord>) -> Result<(), LoadError> {
        let mut ascending = Ascending(None);
        records.each(|record| {
            ascending.check(record.terms.asset)?;
            self.create_asset(&record.terms).map_err(Fault::Refused)?;
            let asset = self.assets[record.terms.asset.0 as usize].as_mut();
            let asset = asset.expect("it was made a line above");
            asset.deposited = record.deposited;
            asset.fees = record.fees;
            Ok(())
        })
    }

    fn load_markets(&mut self, records: &Records<'_, CreateMarket>) -> Result<(), LoadError> {
        let (mut ascending, mut ignored) = (Ascending(None), Effects::new());
        records.each(|terms| {
            ascending.check(terms.market)?;
            ignored.clear();
            self.create_market(terms, &mut ignored)
                .map_err(Fault::Refused)
        })
    }

    fn load_accounts(&mut self, records: &Records<'_, CreateAccount>) -> Result<(), LoadError> {
        let mut ascending = Ascending(None);
        records.each(|record| {
            ascending.check(record.account)?;
            self.create_account(record).map_err(Fault::Refused)
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
                pad: record.pad,
            };
            self.open_session(&open).map_err(Fault::Refused)?;
            let reports = 1..=record.next_report_no;
            ensure(reports.contains(&record.epoch_report_no), Fault::Range)?;
            let session = self.session_state_mut(record.session);
            session.next_report_no = record.next_report_no;
            session.last_number = record.last_number;
            session.epoch_report_no = record.epoch_report_no;
            Ok(())
        })
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
        next_fresh: u32,
    ) -> Result<(), LoadError> {
        let mut ascending = Ascending(None);
        records.each(|record| {
            let rank = match record.side {
                Side::Buy => record.price.0.saturating_neg(),
                Side::Sell => record.price.0,
            };
            ascending.check((record.market, record.side, rank, record.priority))?;
            ensure(record.priority > Seq(0), Fault::Range)?;
            self.put_back(record, OrderType::Limit, next_fresh)?;
            // A price has one queue for both sides, so this comes before it is joined.
            let market = self.market_of_order(record.market_id());
            let opposite = market.book.best_or_none_to_cross(record.side.opposite());
            ensure(
                !crosses(record.side, record.price, opposite),
                Fault::Crossed,
            )?;
            self.rest(record.priority, record.id.slot());
            Ok(())
        })
    }

    /// Gives a live order its slot, its client order id and its hold.
    fn put_back(
        &mut self,
        record: &OrderRecord,
        order_type: OrderType,
        next_fresh: u32,
    ) -> Result<(), Fault> {
        let session = self.session(record.session).ok_or(Fault::Unknown)?;
        let market = *self.market(record.market_id()).ok_or(Fault::Unknown)?;
        let slot = record.id.slot();
        let is_id = record.id >= OrderId::first(slot) && slot < next_fresh;
        ensure(is_id && self.orders[slot].id == OrderId::NONE, Fault::Slot)?;
        let client_order_id = record.client_order_id;
        let known = self
            .client_ids
            .look_up(&self.orders, record.session, client_order_id);
        let vacancy = known.err().filter(|_| client_order_id != ClientOrderId(0));
        let vacancy = vacancy.ok_or(Fault::ClientOrderId)?;
        let is_price = match order_type {
            OrderType::Limit => market.has_price(record.price),
            OrderType::Market => record.price == Price(0),
        };
        ensure(is_price, Fault::Price)?;
        // An order was refused unless all of it could be counted.
        let all = record.filled.checked_add(record.leaves);
        let counts = all.is_some_and(|all| {
            let has_hold = || market.buy_hold(record.price, all).is_some();
            market.base_units(all).is_some() && (order_type == OrderType::Market || has_hold())
        });
        ensure(counts && record.leaves > Qty::ZERO, Fault::Quantity)?;
        let mut order = Order::new(record.id, record.session, &command(record, order_type));
        order.filled = record.filled;
        let (asset, held) = market.hold_of(&order);
        let available = self.funds.balance(session.account, asset).available;
        ensure(held <= available, Fault::NotCovered)?;
        self.funds.hold(session.account, asset, held);
        self.orders.put_back(order);
        self.client_ids.fill(vacancy, slot);
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
            let rests = record.time_in_force == TimeInForce::GoodTillCancel;
            ensure(
                record.order_type == OrderType::Limit || !rests,
                Fault::Sweep,
            )
        })?;
        let Some(sweep) = sweep else { return Ok(()) };
        orders.each(|record| {
            ensure(
                record.priority == Seq(0) && !record.post_only.is_yes(),
                Fault::Sweep,
            )?;
            self.put_back(record, sweep.order_type, next_fresh)?;
            let limit = limit_of(record.side, sweep.order_type, record.price);
            let market = self.market_of_order(record.market_id());
            let best = market.book.best_or_none_to_cross(record.side.opposite());
            ensure(crosses(record.side, limit, best), Fault::Sweep)?;
            self.sweep = Some(Sweep {
                order_id: record.id,
                order_type: sweep.order_type,
                time_in_force: sweep.time_in_force,
            });
            Ok(())
        })
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

/// The order as it was entered, as far as its slot shows it.
fn command(record: &OrderRecord, order_type: OrderType) -> NewOrder {
    NewOrder {
        client_order_id: record.client_order_id,
        price: record.price,
        qty: record.leaves,
        market: record.market_id(),
        side: record.side,
        order_type,
        time_in_force: TimeInForce::GoodTillCancel,
        post_only: record.post_only,
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

    fn body_bytes(&self) -> u64 {
        let of = |count: u32, bytes: usize| u64::from(count) * bytes as u64;
        let sweeping = u32::from(self.sweeping.is_yes());
        [
            of(1, size_of::<Self>()),
            of(self.assets, size_of::<AssetRecord>()),
            of(self.markets, size_of::<CreateMarket>()),
            of(self.accounts, size_of::<CreateAccount>()),
            of(self.sessions, size_of::<SessionRecord>()),
            of(self.balances, size_of::<BalanceRecord>()),
            of(self.resting, size_of::<OrderRecord>()),
            of(self.free, size_of::<OrderId>()),
            of(
                sweeping,
                size_of::<OrderRecord>() + size_of::<SweepRecord>(),
            ),
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
