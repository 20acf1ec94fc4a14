//! Genesis, and what is made after it: assets, markets, accounts, sessions, deposits.

use crate::accounts::{Account, LimitsTable};
use crate::attestation::EnteredTable;
use crate::book::{Book, Ladders};
use crate::client_ids::ClientIds;
use crate::engine::{Asset, Engine, Session};
use crate::expiries::Expiries;
use crate::funds::Funds;
use crate::market::Market;
use crate::orders::{NIL, Orders};
use crate::quoted::QuotedTable;
use crate::stops::Stops;
use crate::table::Table;
use domain::{
    AccountId, Amount, AssetId, CreateAccount, CreateAsset, CreateMarket, Delegate, Deposit,
    Effects, Flag, Genesis, OpenSession, Reason,
};

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
        self.assets = Table::with_capacity(genesis.max_assets);
        self.markets = Table::with_capacity(genesis.max_markets);
        self.accounts = Table::with_capacity(genesis.max_accounts);
        self.limits = LimitsTable::with_capacity(genesis.max_accounts);
        self.sessions = Table::with_capacity(genesis.max_sessions);
        self.entered = EnteredTable::with_capacity(genesis.max_sessions);
        self.funds = Funds::with_capacity(genesis.max_accounts, genesis.max_assets);
        self.orders = Orders::with_capacity(genesis.max_orders);
        self.client_ids = ClientIds::with_capacity(genesis.max_orders, self.probe_key);
        self.quoted =
            QuotedTable::with_capacity(genesis.max_orders, genesis.max_accounts, self.probe_key);
        self.expiries = Expiries::with_capacity(genesis.max_orders);
        self.stops = Stops::with_capacity(genesis.max_orders);
        let Genesis {
            max_markets,
            max_levels,
            max_pages,
            ..
        } = *genesis;
        self.ladders = Ladders::with_capacity(max_markets, max_levels, max_pages);
        Ok(())
    }

    pub(crate) fn initialised(&self) -> Result<(), Reason> {
        self.genesis.map(drop).ok_or(Reason::NotInitialised)
    }

    pub(crate) fn create_asset(&mut self, terms: &CreateAsset) -> Result<(), Reason> {
        self.initialised()?;
        self.assets.check_vacant(terms.asset.0)?;
        if !terms.is_within_limits() {
            return Err(Reason::InvalidParameter);
        }
        let asset = Asset {
            terms: *terms,
            deposited: Amount::ZERO,
            fees: Amount::ZERO,
        };
        self.assets.insert(terms.asset.0, asset);
        Ok(())
    }

    pub(crate) fn create_market(
        &mut self,
        terms: &CreateMarket,
        out: &mut Effects,
    ) -> Result<(), Reason> {
        self.initialised()?;
        self.markets.check_vacant(terms.market.0)?;
        let known = |asset: AssetId| exists(&self.assets, asset.0);
        if !known(terms.base) || !known(terms.quote) {
            return Err(Reason::UnknownReference);
        }
        if !terms.is_within_limits() {
            return Err(Reason::InvalidParameter);
        }
        if terms.price_levels > self.ladders.free() {
            return Err(Reason::LevelTableFull);
        }
        let unit = |id: AssetId| {
            let asset = self.assets[id.0 as usize].as_ref();
            let decimals = asset.expect("it was found to be known").terms.decimals;
            10_u64.pow(u32::from(decimals))
        };
        let units = [unit(terms.base), unit(terms.quote)];
        let book = Book::new(&mut self.ladders, terms.price_min, terms.price_levels);
        let market = Market::new(terms, book, units);
        self.markets.insert(terms.market.0, market);
        self.publish_definition(terms, out);
        Ok(())
    }

    pub(crate) fn create_account(&mut self, command: &CreateAccount) -> Result<(), Reason> {
        self.initialised()?;
        let id = command.account.0;
        self.accounts.check_vacant(id)?;
        self.accounts.insert(id, Account::new(command));
        Ok(())
    }

    pub(crate) fn open_session(&mut self, command: &OpenSession) -> Result<(), Reason> {
        self.initialised()?;
        let id = command.session.0;
        self.sessions.check_vacant(id)?;
        if !exists(&self.accounts, command.account.0) {
            return Err(Reason::UnknownReference);
        }
        let newest = self.accounts.loose(command.account.0).newest_session;
        let session = Session {
            account: command.account,
            next_report_no: 1,
            last_number: 0,
            epoch_report_no: 1,
            delegation: command.delegation,
            gate: command.gate,
            is_killed: Flag::No,
            newest_order: NIL,
            older_session: core::mem::replace(newest, id),
        };
        self.sessions.insert(id, session);
        self.sessions_end = self.sessions_end.max(id + 1);
        Ok(())
    }

    pub(crate) fn delegate(&mut self, command: &Delegate) -> Result<(), Reason> {
        self.initialised()?;
        self.session_or_none(command.session)
            .ok_or(Reason::UnknownReference)?;
        self.sessions.change(command.session.0, |session| {
            session.delegation = command.delegation;
        });
        Ok(())
    }

    pub(crate) fn deposit(&mut self, command: &Deposit) -> Result<(), Reason> {
        self.initialised()?;
        if !self.has_account(command.account) {
            return Err(Reason::UnknownReference);
        }
        if !exists(&self.assets, command.asset.0) {
            return Err(Reason::UnknownReference);
        }
        if command.amount == Amount::ZERO {
            return Err(Reason::InvalidParameter);
        }
        let deposited = self.assets.hot(command.asset.0).deposited;
        *deposited = deposited
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
