//! Reading a body: everything in it is checked, and the engine is built the way that commands
//! would have built it.

use super::faults::{Fault, LoadError, Section, ensure};
use super::reader::{Ascending, Records};
use super::{
    AccountRecord, AssetRecord, BalanceRecord, Head, KillSwitchRecord, MarketRecord, Pending,
    SessionRecord,
};
use crate::accounts::Day;
use crate::attestation::Entered;
use crate::collar::Collar;
use crate::engine::{Engine, Work};
use crate::fees::Rates;
use crate::orders::NIL;
use crate::sources::ServiceNumbers;
use crate::stops::Reach;
use domain::{
    Amount, Effects, Flag, Genesis, Limits, OpenSession, Price, Reason, SessionId, SetFees,
    SetLimits, SetTier, Zero,
};

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

    pub(super) fn load_assets(
        &mut self,
        records: &Records<'_, AssetRecord>,
    ) -> Result<(), LoadError> {
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

    pub(super) fn load_markets(
        &mut self,
        records: &Records<'_, MarketRecord>,
    ) -> Result<(), LoadError> {
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

    pub(super) fn load_accounts(
        &mut self,
        records: &Records<'_, AccountRecord>,
    ) -> Result<(), LoadError> {
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

    pub(super) fn load_limits(
        &mut self,
        records: &Records<'_, SetLimits>,
    ) -> Result<(), LoadError> {
        let mut ascending = Ascending(None);
        records.each(|record| {
            ascending.check((record.of_account, record.target))?;
            let is_tier = !record.of_account.is_yes();
            let is_needed = !is_tier || record.limits != Limits::default();
            ensure(is_needed && !record.as_tier.is_yes(), Fault::Range)?;
            self.set_limits(record).map_err(Fault::Refused)
        })
    }

    pub(super) fn load_fees(&mut self, records: &Records<'_, SetFees>) -> Result<(), LoadError> {
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

    pub(super) fn load_sessions(
        &mut self,
        records: &Records<'_, SessionRecord>,
    ) -> Result<(), LoadError> {
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
    pub(super) fn load_lists_of_sessions(
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
    pub(super) fn load_funds(
        &mut self,
        records: &Records<'_, BalanceRecord>,
    ) -> Result<(), LoadError> {
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

    pub(super) fn load_kill_switches(
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
}
