//! Commands that set the stage: capacities, assets, markets, accounts, sessions, deposits, phases.
//!
//! Each answers with the reason of a refusal, which changes nothing.

use crate::{
    Mutant, NaiveEngine,
    naive::{Account, Asset, Market, Session},
};
use domain::{
    CreateAccount, CreateAsset, CreateMarket, Delegate, Deposit, Effects, EngineVersion, Flag,
    Genesis, MarketState, Nanos, OpenSession, Phase, Price, Reason, Recovered, Reference,
    SetCollar, Zero,
};
use std::collections::BTreeMap;

/// What became of a command that no session sent.
pub(crate) type Answer = Result<(), Reason>;

fn ensure(holds: bool, otherwise: Reason) -> Answer {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// A new id is below the capacity and not in use.
fn ensure_new<K: Ord, V>(used: &BTreeMap<K, V>, id: K, number: u32, capacity: u32) -> Answer {
    ensure(
        number < capacity && !used.contains_key(&id),
        Reason::InvalidId,
    )
}

impl NaiveEngine {
    pub(crate) fn genesis(&mut self, command: &Genesis) -> Answer {
        ensure(self.capacities.is_none(), Reason::AlreadyInitialised)?;
        ensure(command.is_within_limits(), Reason::InvalidParameter)?;
        self.capacities = Some(*command);
        Ok(())
    }

    pub(crate) fn initialised(&self) -> Result<Genesis, Reason> {
        self.capacities.ok_or(Reason::NotInitialised)
    }

    pub(crate) fn create_asset(&mut self, command: &CreateAsset) -> Answer {
        let capacity = self.initialised()?.max_assets;
        ensure_new(&self.assets, command.asset, command.asset.0, capacity)?;
        ensure(command.decimals <= 18, Reason::InvalidParameter)?;
        let asset = Asset {
            terms: *command,
            deposited: 0,
            fees: 0,
        };
        self.assets.insert(command.asset, asset);
        Ok(())
    }

    pub(crate) fn create_market(&mut self, command: &CreateMarket, out: &mut Effects) -> Answer {
        let capacities = self.initialised()?;
        ensure_new(
            &self.markets,
            command.market,
            command.market.0,
            capacities.max_markets,
        )?;
        ensure(
            self.assets.contains_key(&command.base) && self.assets.contains_key(&command.quote),
            Reason::UnknownReference,
        )?;
        let sizes = [
            u64::from(command.price_levels),
            command.tick_value,
            command.lot_size,
            command.min_qty.0,
        ];
        let end_of_prices = command
            .price_min
            .0
            .checked_add(i64::from(command.price_levels));
        ensure(
            command.base != command.quote
                && command.maker_fee_ppm <= 1_000_000
                && command.taker_fee_ppm <= 1_000_000
                && sizes.iter().all(|&size| size > 0)
                && command.price_min.0 >= 1
                && end_of_prices.is_some()
                && command.state != MarketState::Delisted,
            Reason::InvalidParameter,
        )?;
        let levels: u64 = self
            .markets
            .values()
            .map(|market| &market.terms)
            .chain([command])
            .map(|terms| u64::from(terms.price_levels))
            .sum();
        ensure(
            levels <= u64::from(capacities.max_levels) || self.is(Mutant::LevelsWithoutLimit),
            Reason::LevelTableFull,
        )?;
        let market = Market {
            terms: *command,
            state: command.state,
            last_price: Price(0),
            reach: None,
            collar: SetCollar {
                price: Price(0),
                market: command.market,
                width_ppm: 0,
                reference: Reference::None,
                halts: Flag::No,
                pad: [Zero::Zero; 6],
            },
        };
        self.markets.insert(command.market, market);
        self.publish_definition(command, out);
        Ok(())
    }

    pub(crate) fn create_account(&mut self, command: &CreateAccount) -> Answer {
        let capacity = self.initialised()?.max_accounts;
        ensure_new(&self.accounts, command.account, command.account.0, capacity)?;
        let account = Account {
            terms: *command,
            tier: 0,
            volume: 0,
            volume_day: 0,
        };
        self.accounts.insert(command.account, account);
        Ok(())
    }

    pub(crate) fn open_session(&mut self, command: &OpenSession) -> Answer {
        let capacity = self.initialised()?.max_sessions;
        ensure_new(&self.sessions, command.session, command.session.0, capacity)?;
        ensure(
            self.accounts.contains_key(&command.account),
            Reason::UnknownReference,
        )?;
        let session = Session {
            terms: *command,
            next_report_no: 1,
            epoch_report_no: 1,
            entered: 0,
            unattested: 0,
            opened: self.sessions.len(),
        };
        self.sessions.insert(command.session, session);
        Ok(())
    }

    pub(crate) fn delegate(&mut self, command: &Delegate) -> Answer {
        self.initialised()?;
        let session = self
            .sessions
            .get_mut(&command.session)
            .ok_or(Reason::UnknownReference)?;
        session.terms.delegation = command.delegation;
        Ok(())
    }

    pub(crate) fn deposit(&mut self, command: &Deposit) -> Answer {
        self.initialised()?;
        ensure(
            self.accounts.contains_key(&command.account),
            Reason::UnknownReference,
        )?;
        let limit = if self.is(Mutant::SupplyLimitTooLow) {
            u64::MAX / 2
        } else {
            u64::MAX
        };
        let asset = self
            .assets
            .get_mut(&command.asset)
            .ok_or(Reason::UnknownReference)?;
        ensure(command.amount.0 > 0, Reason::InvalidParameter)?;
        asset.deposited = asset
            .deposited
            .checked_add(command.amount.0)
            .filter(|&deposited| deposited <= limit)
            .ok_or(Reason::SupplyTooLarge)?;
        self.credit(command.account, command.asset, command.amount.0);
        Ok(())
    }

    /// Orders are taken again when the time has come.
    pub(crate) fn end_grace(&mut self, out: &mut Effects) {
        let due = if self.is(Mutant::GraceEndsLate) {
            self.now > self.cancel_only_until
        } else {
            self.now >= self.cancel_only_until
        };
        if self.phase == Phase::CancelOnly && due {
            self.change_phase(Phase::Open, Nanos(0), out);
        }
    }

    pub(crate) fn recovered(&mut self, command: &Recovered, out: &mut Effects) -> Answer {
        ensure(command.epoch >= self.epoch, Reason::InvalidParameter)?;
        if command.epoch != self.epoch && !self.is(Mutant::EpochKeepsFirstReports) {
            for session in self.sessions.values_mut() {
                session.epoch_report_no = session.next_report_no;
            }
        }
        self.epoch = command.epoch;
        if command.grace.0 > 0 {
            let until = self.now.0.saturating_add(command.grace.0);
            self.change_phase(Phase::CancelOnly, Nanos(until), out);
        } else if self.phase == Phase::CancelOnly {
            self.change_phase(Phase::Open, Nanos(0), out);
        }
        Ok(())
    }

    fn change_phase(&mut self, phase: Phase, cancel_only_until: Nanos, out: &mut Effects) {
        self.phase = phase;
        self.cancel_only_until = cancel_only_until;
        self.report_phase(out);
    }

    pub(crate) fn engine_version(&mut self, command: &EngineVersion) -> Answer {
        ensure(command.version == 1, Reason::UnsupportedEngineVersion)?;
        self.version = command.version;
        Ok(())
    }
}
