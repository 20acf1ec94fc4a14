//! Genesis, and what is made after it: assets, markets, accounts, sessions, deposits.

use crate::accounts::{Account, LimitsTable};
use crate::book::{Book, Ladders};
use crate::client_ids::ClientIds;
use crate::engine::{Asset, Engine, Session};
use crate::expiries::Expiries;
use crate::funds::Funds;
use crate::market::Market;
use crate::orders::{NIL, Orders};
use crate::quoted::QuotedTable;
use crate::stops::Stops;
use domain::{
    AccountId, Amount, AssetId, CreateAccount, CreateAsset, CreateMarket, Delegate, Deposit,
    Effects, Flag, Genesis, OpenSession, Reason,
};

/// The place for a new record, if the id is below the capacity and not used.
fn vacant<T>(table: &mut [Option<T>], id: u32) -> Result<&mut Option<T>, Reason> {
    match table.get_mut(id as usize) {
        Some(place) if place.is_none() => Ok(place),
        _ => Err(Reason::InvalidId),
    }
}

fn empty_table<T>(capacity: u32) -> Vec<Option<T>> {
    core::iter::repeat_with(|| None)
        .take(capacity as usize)
        .collect()
}

fn exists<T>(table: &[Option<T>], id: u32) -> bool {
    table.get(id as usize).is_some_and(Option::is_some)
}

impl Engine {
    /// Allocates everything that the engine will ever need.
    pub(crate) fn begin(&mut self, genesis: &Genesis) -> Result<(), Reason> {
        if self.genesis.is_some() {
            return Err(Reason::AlreadyInitialised);
        }
        if !genesis.is_within_limits() {
            return Err(Reason::InvalidParameter);
        }
        self.genesis = Some(*genesis);
        self.assets = empty_table(genesis.max_assets);
        self.markets = empty_table(genesis.max_markets);
        self.accounts = empty_table(genesis.max_accounts);
        self.limits = LimitsTable::with_capacity(genesis.max_accounts);
        self.sessions = empty_table(genesis.max_sessions);
        self.funds = Funds::with_capacity(genesis.max_accounts, genesis.max_assets);
        self.orders = Orders::with_capacity(genesis.max_orders);
        self.client_ids = ClientIds::with_capacity(genesis.max_orders, self.probe_key);
        self.quoted =
            QuotedTable::with_capacity(genesis.max_orders, genesis.max_accounts, self.probe_key);
        self.expiries = Expiries::with_capacity(genesis.max_orders);
        self.stops = Stops::with_capacity(genesis.max_orders);
        self.ladders = Ladders::with_capacity(genesis.max_markets, genesis.max_levels);
        Ok(())
    }

    pub(crate) fn initialised(&self) -> Result<(), Reason> {
        self.genesis.map(drop).ok_or(Reason::NotInitialised)
    }

    pub(crate) fn create_asset(&mut self, terms: &CreateAsset) -> Result<(), Reason> {
        self.initialised()?;
        let place = vacant(&mut self.assets, terms.asset.0)?;
        if !terms.is_within_limits() {
            return Err(Reason::InvalidParameter);
        }
        *place = Some(Asset {
            terms: *terms,
            deposited: Amount::ZERO,
            fees: Amount::ZERO,
        });
        Ok(())
    }

    pub(crate) fn create_market(
        &mut self,
        terms: &CreateMarket,
        out: &mut Effects,
    ) -> Result<(), Reason> {
        self.initialised()?;
        let place = vacant(&mut self.markets, terms.market.0)?;
        let known = |asset: AssetId| exists(&self.assets, asset.0);
        if !known(terms.base) || !known(terms.quote) {
            return Err(Reason::UnknownReference);
        }
        if !terms.is_within_limits() {
            return Err(Reason::InvalidParameter);
        }
        if terms.price_levels as usize > self.ladders.free() {
            return Err(Reason::LevelTableFull);
        }
        let unit = |id: AssetId| {
            let asset = self.assets[id.0 as usize].as_ref();
            let decimals = asset.expect("it was found to be known").terms.decimals;
            10_u64.pow(u32::from(decimals))
        };
        let units = [unit(terms.base), unit(terms.quote)];
        let book = Book::new(&mut self.ladders, terms.price_min, terms.price_levels);
        *place = Some(Market::new(terms, book, units));
        self.publish_definition(terms, out);
        Ok(())
    }

    pub(crate) fn create_account(&mut self, command: &CreateAccount) -> Result<(), Reason> {
        self.initialised()?;
        *vacant(&mut self.accounts, command.account.0)? = Some(Account::new(command));
        Ok(())
    }

    pub(crate) fn open_session(&mut self, command: &OpenSession) -> Result<(), Reason> {
        self.initialised()?;
        let place = vacant(&mut self.sessions, command.session.0)?;
        if !exists(&self.accounts, command.account.0) {
            return Err(Reason::UnknownReference);
        }
        *place = Some(Session {
            account: command.account,
            next_report_no: 1,
            last_number: 0,
            epoch_report_no: 1,
            delegation: command.delegation,
            gate: command.gate,
            is_killed: Flag::No,
            newest_order: NIL,
            older_session: NIL,
        });
        let id = command.session.0;
        let newest = &mut self.account_state_mut(command.account).newest_session;
        let older = core::mem::replace(newest, id);
        self.session_state_mut(command.session).older_session = older;
        self.sessions_end = self.sessions_end.max(id + 1);
        Ok(())
    }

    pub(crate) fn delegate(&mut self, command: &Delegate) -> Result<(), Reason> {
        self.initialised()?;
        let session = self.sessions.get_mut(command.session.0 as usize);
        let session = session
            .and_then(Option::as_mut)
            .ok_or(Reason::UnknownReference)?;
        session.delegation = command.delegation;
        Ok(())
    }

    pub(crate) fn deposit(&mut self, command: &Deposit) -> Result<(), Reason> {
        self.initialised()?;
        if !self.has_account(command.account) {
            return Err(Reason::UnknownReference);
        }
        let Some(asset) = self.assets.get_mut(command.asset.0 as usize) else {
            return Err(Reason::UnknownReference);
        };
        let asset = asset.as_mut().ok_or(Reason::UnknownReference)?;
        if command.amount == Amount::ZERO {
            return Err(Reason::InvalidParameter);
        }
        asset.deposited = asset
            .deposited
            .checked_add(command.amount)
            .ok_or(Reason::SupplyTooLarge)?;
        self.funds
            .credit(command.account, command.asset, command.amount);
        Ok(())
    }

    pub(crate) fn has_account(&self, account: AccountId) -> bool {
        exists(&self.accounts, account.0)
    }
}
