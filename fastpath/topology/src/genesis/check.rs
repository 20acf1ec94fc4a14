//! What a genesis file may hold: what the engine's commands accept (`docs/ENGINE.md`, "Other commands"), said earlier
//! and with the name of the key. Names that stand twice, which mean nothing to an engine, are refused for people's sake.

use super::{Account, Capacity, Deposit, Fees, Genesis, Market, Session, Symbol};
use crate::error::{Findings, Invalid, require};
use domain::{Amount, CreateAsset, CreateMarket, MAX_TIERS, OrderId, Price, SetFees};
use std::collections::{BTreeMap, BTreeSet};

impl Genesis {
    pub(super) fn check(&self) -> Findings {
        let mut found = Findings::default();
        if let Err(invalid) = self.capacity.check() {
            // Whatever else is wrong depends on it.
            found.0.push(invalid);
            return found;
        }
        let capacity = &self.capacity;
        let to = &mut found.0;
        let ids = self.assets.iter().map(|asset| asset.id);
        let assets = distinct(to, "asset", ids, "max_assets", capacity.max_assets);
        let ids = self.markets.iter().map(|market| market.id);
        distinct(to, "market", ids, "max_markets", capacity.max_markets);
        let ids = self.accounts.iter().map(|account| account.id);
        let accounts = distinct(to, "account", ids, "max_accounts", capacity.max_accounts);
        self.check_owners(to);
        let ids = self.sessions.iter().map(|session| session.id);
        distinct(to, "session", ids, "max_sessions", capacity.max_sessions);

        let names = self.assets.iter().map(|asset| (asset.id, asset.symbol));
        named_apart(to, "asset", names);
        let names = self.markets.iter().map(|market| (market.id, market.symbol));
        named_apart(to, "market", names);

        for asset in &self.assets {
            let (key, decimals) = (format!("asset {}, decimals", asset.id), asset.decimals);
            let most = CreateAsset::MAX_DECIMALS;
            let problem = format!("{decimals} is out of range: use 0 to {most}");
            to.extend(require(asset.command().is_within_limits(), key, problem).err());
        }
        let markets = self.markets.iter().map(|market| market.check(&assets));
        to.extend(markets.filter_map(Result::err));
        to.extend(self.check_levels().err());
        self.check_tiers(to);
        let sessions = self.sessions.iter().map(|session| session.check(&accounts));
        to.extend(sessions.filter_map(Result::err));
        let mut supply = BTreeMap::new();
        let deposits = (1..).zip(&self.deposits);
        to.extend(deposits.filter_map(|(number, deposit)| {
            deposit.check(number, &accounts, &assets, &mut supply).err()
        }));
        found
    }

    /// The tiers themselves, what they pay, and who is in them.
    fn check_tiers(&self, to: &mut Vec<Invalid>) {
        let mut seen = BTreeSet::new();
        for tier in &self.tiers {
            let key = format!("tier {}, id", tier.id);
            to.extend(tier_exists(tier.id, key.clone()).err());
            let problem = "stands twice: give every [[tier]] its own id";
            to.extend(require(seen.insert(tier.id), key, problem).err());
        }
        let fees = (1..).zip(&self.fees);
        to.extend(fees.filter_map(|(number, fees)| fees.check(number, &self.markets).err()));
        let accounts = self.accounts.iter().map(Account::check_tier);
        to.extend(accounts.filter_map(Result::err));
    }

    /// By its owner an account is found.
    fn check_owners(&self, to: &mut Vec<Invalid>) {
        let mut accounts = BTreeMap::new();
        for account in &self.accounts {
            let owner = account.owner.0;
            let of_another = (owner != [0; 32])
                .then(|| accounts.insert(owner, account.id))
                .flatten();
            if let Some(other) = of_another.filter(|other| *other != account.id) {
                let key = format!("account {}, owner", account.id);
                let problem = format!(
                    "owns account {other} as well: a wallet logs on for one account, name another owner"
                );
                to.extend(require(false, key, problem).err());
            }
        }
    }

    fn check_levels(&self) -> Result<(), Invalid> {
        let levels: u64 = self
            .markets
            .iter()
            .map(|market| u64::from(market.price_levels))
            .sum();
        let most = self.capacity.max_levels;
        require(
            levels <= u64::from(most),
            "capacity.max_levels",
            format!(
                "{most} is too few: the markets have {levels} price_levels together, use at least that"
            ),
        )
    }
}

impl Deposit {
    /// `supply` is what was deposited of each asset before it.
    fn check(
        &self,
        number: usize,
        accounts: &BTreeSet<u32>,
        assets: &BTreeSet<u32>,
        supply: &mut BTreeMap<u32, u64>,
    ) -> Result<(), Invalid> {
        let Self {
            account,
            asset,
            amount,
        } = *self;
        let key = |field| format!("deposit {number}, {field}");
        exists(accounts, account, key("account"), "account")?;
        exists(assets, asset, key("asset"), "asset")?;
        require(
            amount > 0,
            key("amount"),
            "is 0: deposit at least 1 base unit",
        )?;
        let deposited = supply.entry(asset).or_default();
        let total = deposited.checked_add(amount);
        let problem = format!(
            "takes the supply of asset {asset} beyond {}: deposit less",
            u64::MAX
        );
        require(total.is_some(), key("amount"), problem)?;
        *deposited = total.unwrap_or(u64::MAX);
        Ok(())
    }
}

impl Account {
    fn check_tier(&self) -> Result<(), Invalid> {
        tier_exists(self.tier, format!("account {}, tier", self.id))
    }
}

impl Fees {
    /// Orders set aside what the market's list says, so no tier pays more.
    fn check(&self, number: usize, markets: &[Market]) -> Result<(), Invalid> {
        let key = |field: &str| format!("fees {number}, {field}");
        tier_exists(self.tier, key("tier"))?;
        if let Some(market) = self.market {
            let ids = markets.iter().map(|market| market.id).collect();
            exists(&ids, market, key("market"), "market")?;
        }
        let most = SetFees::MAX_REBATE_PPM;
        let is_rebate = self.maker_fee_ppm < 0;
        let problem = format!(
            "{} is out of range: a rebate is at most {most}",
            self.maker_fee_ppm
        );
        let within = !is_rebate || self.maker_fee_ppm.unsigned_abs() <= most;
        require(within, key("maker_fee_ppm"), problem)?;
        for (field, fee) in [
            ("maker_fee_ppm", i64::from(self.maker_fee_ppm)),
            ("taker_fee_ppm", self.taker_fee_ppm.into()),
        ] {
            let most = CreateMarket::MAX_FEE_PPM;
            let problem = format!("{fee} is out of range: a fee is at most {most}");
            require(fee <= i64::from(most), key(field), problem)?;
        }
        let meant = |market: &&Market| self.market.is_none_or(|id| id == market.id);
        for market in markets.iter().filter(meant) {
            let list = i64::from(market.maker_fee_ppm);
            for (field, fee, list) in [
                ("maker_fee_ppm", i64::from(self.maker_fee_ppm), list),
                (
                    "taker_fee_ppm",
                    self.taker_fee_ppm.into(),
                    market.taker_fee_ppm.into(),
                ),
            ] {
                let problem = format!(
                    "{fee} is more than the {list} of market {}: a tier pays its list fees or less",
                    market.id
                );
                require(fee <= list, key(field), problem)?;
            }
        }
        Ok(())
    }
}

impl Capacity {
    fn check(&self) -> Result<(), Invalid> {
        type Engine = domain::Genesis;
        for (key, value, most) in [
            ("max_assets", self.max_assets, Engine::MAX_ASSETS),
            ("max_markets", self.max_markets, Engine::MAX_MARKETS),
            ("max_accounts", self.max_accounts, Engine::MAX_ACCOUNTS),
            ("max_sessions", self.max_sessions, Engine::MAX_SESSIONS),
            ("max_orders", self.max_orders, OrderId::MAX_SLOTS),
            ("max_levels", self.max_levels, Engine::MAX_LEVELS),
            ("max_pages", self.pages(), Engine::MAX_PAGES),
        ] {
            let problem = format!("{value} is out of range: use 1 to {most}");
            require(
                (1..=most).contains(&value),
                format!("capacity.{key}"),
                problem,
            )?;
        }
        // The engine's own rule has the last word.
        let command = self.command();
        let problem = format!(
            "{} accounts with {} assets are {} balances: use fewer of either, for at most {}",
            self.max_accounts,
            self.max_assets,
            command.balances(),
            Engine::MAX_BALANCES
        );
        require(command.is_within_limits(), "capacity.max_accounts", problem)
    }
}

impl Market {
    fn check(&self, assets: &BTreeSet<u32>) -> Result<(), Invalid> {
        let key = |field: &str| format!("market {}, {field}", self.id);
        exists(assets, self.base, key("base"), "asset")?;
        exists(assets, self.quote, key("quote"), "asset")?;
        require(
            self.base != self.quote,
            key("quote"),
            format!("is asset {}, like the base: use two assets", self.quote),
        )?;
        for (field, fee) in [
            ("maker_fee_ppm", self.maker_fee_ppm),
            ("taker_fee_ppm", self.taker_fee_ppm),
        ] {
            let most = CreateMarket::MAX_FEE_PPM;
            let problem = format!("{fee} is out of range: use 0 to {most}, which is all of it");
            require(fee <= most, key(field), problem)?;
        }
        for (field, value) in [
            ("tick_value", self.tick_value),
            ("lot_size", self.lot_size),
            ("min_qty", self.min_qty),
            ("price_levels", self.price_levels.into()),
        ] {
            require(value > 0, key(field), "is 0: use at least 1")?;
        }
        // All but the prices is said by now, and the engine's own rule has the last word.
        let prices = self.command().is_within_limits();
        let problem = format!(
            "{} with {} price_levels: the lowest price must be at least 1 and the highest fit 63 bits",
            self.price_min, self.price_levels
        );
        require(prices, key("price_min"), problem)?;
        self.check_notional(key("tick_value"))
    }

    /// The smallest order can be paid at every price, its fee included.
    fn check_notional(&self, key: String) -> Result<(), Invalid> {
        let highest = self.price_min + i64::from(self.price_levels) - 1;
        let problem = format!(
            "{} is too much: the smallest order (min_qty {}) at the highest price ({highest}) with its fee must fit 64 \
             bits, so use less of one of them",
            self.tick_value, self.min_qty
        );
        require(smallest_order_fits(&self.command()), key, problem)
    }
}

/// Whether the smallest order of a market can be paid at every price, its fee included: else none is taken there.
#[must_use]
pub fn smallest_order_fits(terms: &CreateMarket) -> bool {
    let highest = i64::from(terms.price_levels)
        .checked_sub(1)
        .and_then(|levels| terms.price_min.0.checked_add(levels));
    let notional = highest
        .and_then(|highest| Amount::notional(Price(highest), terms.min_qty, terms.tick_value));
    let rate = terms.maker_fee_ppm.max(terms.taker_fee_ppm);
    let paid = notional.and_then(|notional| notional.0.checked_add(notional.fee(rate).0));
    paid.is_some()
}

impl Session {
    fn check(&self, accounts: &BTreeSet<u32>) -> Result<(), Invalid> {
        let key = |field| format!("session {}, {field}", self.id);
        exists(accounts, self.account, key("account"), "account")?;
        let problem = "is all zeros, which is nobody's key: write the session's own";
        require(self.public_key.0 != [0; 32], key("public_key"), problem)
    }
}

fn tier_exists(tier: u32, key: String) -> Result<(), Invalid> {
    let problem = format!("there is no tier {tier}: use 0 to {}", MAX_TIERS - 1);
    require(tier < MAX_TIERS, key, problem)
}

/// The ids. Each must stand once and be below the capacity.
fn distinct(
    to: &mut Vec<Invalid>,
    table: &str,
    ids: impl Iterator<Item = u32>,
    limit: &str,
    capacity: u32,
) -> BTreeSet<u32> {
    let mut seen = BTreeSet::new();
    for id in ids {
        let key = format!("{table} {id}, id");
        let problem =
            format!("is not below capacity.{limit}, {capacity}: use a lower id or raise {limit}");
        to.extend(require(id < capacity, key.clone(), problem).err());
        let problem = format!("stands twice: give every [[{table}]] its own id");
        to.extend(require(seen.insert(id), key, problem).err());
    }
    seen
}

/// Each name must stand once.
fn named_apart(to: &mut Vec<Invalid>, table: &str, names: impl Iterator<Item = (u32, Symbol)>) {
    let mut seen = BTreeMap::new();
    for (id, symbol) in names {
        // The same id twice is said by others.
        let first = *seen.entry(symbol.0).or_insert(id);
        let problem =
            format!("is that of {table} {first} too: give every [[{table}]] its own symbol");
        to.extend(require(first == id, format!("{table} {id}, symbol"), problem).err());
    }
}

fn exists(ids: &BTreeSet<u32>, id: u32, key: String, table: &str) -> Result<(), Invalid> {
    let problem =
        format!("there is no {table} {id}: add an [[{table}]] with this id, or name another");
    require(ids.contains(&id), key, problem)
}
