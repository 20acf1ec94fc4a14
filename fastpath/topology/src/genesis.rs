//! The genesis file: the assets, markets, accounts, sessions and deposits that a shard starts with,
//! and the commands that make them.

mod check;
mod field;
mod place;

use crate::error::{self, ConfigError, FileKind, Text};
use crate::keys;
use crate::wording::plain;
pub use check::smallest_order_fits;
use domain::{
    AccountId, Amount, AssetId, Command, CreateAccount, CreateAsset, CreateMarket, Delegation,
    FirmId, Flag, Gate, Limits, MAX_TIERS, MarketId, MarketState, Nanos, OpenSession, Price, Qty,
    SessionId, SetFees, SetLimits, SetTier, Source, Zero,
};
pub(crate) use field::base58_bytes;
pub use field::{PublicKey, Symbol};
use serde::Deserialize;
use std::path::Path;
use toml::de::Deserializer;

/// The shipped genesis file: a market to try things out with, and what every key means.
pub const DEFAULT_GENESIS: &str = include_str!("../defaults/genesis.toml");

/// A checked genesis file. An engine that knows nothing accepts all of its commands.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// Sizes of the engine's tables.
    pub capacity: Capacity,
    /// Assets.
    #[serde(rename = "asset", default)]
    pub assets: Vec<Asset>,
    /// Markets.
    #[serde(rename = "market", default)]
    pub markets: Vec<Market>,
    /// Tiers of accounts. Each that is not among them has the limits of [`Tier::default`].
    #[serde(rename = "tier", default)]
    pub tiers: Vec<Tier>,
    /// What tiers pay where it is less than the markets' list fees.
    #[serde(default)]
    pub fees: Vec<Fees>,
    /// Accounts.
    #[serde(rename = "account", default)]
    pub accounts: Vec<Account>,
    /// Sessions.
    #[serde(rename = "session", default)]
    pub sessions: Vec<Session>,
    /// Deposits, in the order of their numbers.
    #[serde(rename = "deposit", default)]
    pub deposits: Vec<Deposit>,
}

/// Section `[capacity]`: sizes of the engine's tables, each at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each is a field of `domain::Genesis`")]
pub struct Capacity {
    pub max_assets: u32,
    pub max_markets: u32,
    pub max_accounts: u32,
    pub max_sessions: u32,
    pub max_orders: u32,
    pub max_levels: u32,
    /// Without one as many as orders can ever need.
    pub max_pages: Option<u32>,
}

/// One `[[asset]]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asset {
    /// Below `max_assets`.
    pub id: u32,
    /// Its name.
    pub symbol: Symbol,
    /// Base units per whole unit, as a power of ten: 0 to 18.
    pub decimals: u8,
}

/// One `[[market]]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Market {
    /// Below `max_markets`.
    pub id: u32,
    /// Its name.
    pub symbol: Symbol,
    /// Asset that is traded.
    pub base: u32,
    /// Asset that it is paid in.
    pub quote: u32,
    /// Quote base units per tick and lot.
    #[serde(deserialize_with = "field::units")]
    pub tick_value: u64,
    /// Base units of the base asset per lot.
    #[serde(deserialize_with = "field::units")]
    pub lot_size: u64,
    /// Smallest order in lots.
    #[serde(deserialize_with = "field::units")]
    pub min_qty: u64,
    /// Lowest price in ticks.
    pub price_min: i64,
    /// Prices from `price_min` up.
    pub price_levels: u32,
    /// Parts per million of the notional, of the resting side.
    pub maker_fee_ppm: u32,
    /// Parts per million of the notional, of the arriving side.
    pub taker_fee_ppm: u32,
    /// In which it begins.
    #[serde(default)]
    pub state: InitialState,
}

/// In which state a market begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InitialState {
    /// Orders trade as they arrive.
    #[default]
    Continuous,
    /// Orders are collected for an opening auction.
    PreOpen,
    /// Orders are taken that do not trade on arrival.
    PostOnly,
    /// No orders are taken until it is opened.
    Closed,
}

/// One `[[tier]]`: what an account in it may do at most. Of each limit 0 is none.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Below [`domain::MAX_TIERS`].
    pub id: u32,
    /// Lots of an order.
    #[serde(default, deserialize_with = "field::units")]
    pub max_order_qty: u64,
    /// Notional of an order, in whole units of the quote asset.
    #[serde(
        default = "Tier::max_order_notional",
        deserialize_with = "field::units"
    )]
    pub max_order_notional: u64,
    /// What an account owns of a base asset when a buy has filled, in whole units.
    #[serde(default, deserialize_with = "field::units")]
    pub max_position: u64,
    /// Notional of an account's trades on one day (UTC), in whole units of the quote assets.
    #[serde(default = "Tier::max_daily_volume", deserialize_with = "field::units")]
    pub max_daily_volume: u64,
    /// What a session may have entered and not attested, in whole units of the quote assets.
    #[serde(default, deserialize_with = "field::units")]
    pub max_unattested_notional: u64,
    /// Live orders of an account.
    #[serde(default = "Tier::max_open_orders")]
    pub max_open_orders: u32,
}

impl Default for Tier {
    fn default() -> Self {
        Self {
            id: 0,
            max_order_qty: 0,
            max_order_notional: Self::max_order_notional(),
            max_position: 0,
            max_daily_volume: Self::max_daily_volume(),
            max_unattested_notional: 0,
            max_open_orders: Self::max_open_orders(),
        }
    }
}

/// One `[[fees]]`: what a tier pays in a market.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fees {
    /// Below [`domain::MAX_TIERS`].
    pub tier: u32,
    /// Where; in all markets if it is not said.
    pub market: Option<u32>,
    /// Parts per million of the notional, of the resting side; below 0 it is a rebate.
    pub maker_fee_ppm: i32,
    /// Parts per million of the notional, of the arriving side.
    pub taker_fee_ppm: u32,
}

/// One `[[account]]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Below `max_accounts`.
    pub id: u32,
    /// Whose it is.
    pub firm: u32,
    /// The wallet that may log on for it, if it has one; in the file base58 or 64 hexadecimal digits.
    #[serde(default)]
    pub owner: PublicKey,
    /// Whose limits and fees it has.
    #[serde(default)]
    pub tier: u32,
}

/// One `[[session]]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Below `max_sessions`.
    pub id: u32,
    /// The account that it trades for.
    pub account: u32,
    /// The delegated ed25519 public key.
    pub public_key: PublicKey,
    /// UTC nanoseconds from which on it can only cancel; 0: never.
    #[serde(default, deserialize_with = "field::units")]
    pub expires: u64,
    /// Largest notional of an order, in quote base units; 0: no limit.
    #[serde(default, deserialize_with = "field::units")]
    pub max_order_notional: u64,
}

/// One `[[deposit]]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deposit {
    /// Whose.
    pub account: u32,
    /// Of what.
    pub asset: u32,
    /// Base units, at least 1.
    #[serde(deserialize_with = "field::units")]
    pub amount: u64,
}

impl Genesis {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ConfigError`] if the file cannot be read, is not understood, or holds what an engine would
    /// refuse.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = error::read(path, FileKind::Genesis)?;
        Self::parse_from(&text, &path.display().to_string())
    }

    /// Parses and checks the text of a file.
    ///
    /// # Errors
    /// [`ConfigError`] if it is not understood or holds what an engine would refuse.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Self::parse_from(text, "genesis")
    }

    fn parse_from(text: &str, origin: &str) -> Result<Self, ConfigError> {
        let text = Text { text, origin };
        let document = keys::parse(text, &place::schema()).map_err(ConfigError::Refused)?;
        let genesis = Self::deserialize(Deserializer::from(document.clone())).map_err(|error| {
            let at = error.span().map(|span| span.start);
            ConfigError::Refused(vec![text.problem(at, "", plain(error.message()))])
        })?;
        let found = genesis.check().0;
        if found.is_empty() {
            return Ok(genesis);
        }
        let problems = found.into_iter().map(|invalid| {
            let place = place::of(&invalid.key, document.get_ref(), text);
            invalid.at(&place)
        });
        Err(ConfigError::Refused(problems.collect()))
    }

    /// The commands that make all this, in order: `Genesis`, assets, markets, limits of all tiers, fees of
    /// some, accounts and their tiers, sessions, deposits, each kind as in the file. Whoever sends them
    /// numbers them from 1 per source.
    #[must_use]
    pub fn commands(&self) -> Vec<(Source, Command)> {
        let administration = std::iter::once(Command::Genesis(self.capacity.command()))
            .chain(
                self.assets
                    .iter()
                    .map(|asset| Command::CreateAsset(asset.command())),
            )
            .chain(
                self.markets
                    .iter()
                    .map(|market| Command::CreateMarket(market.command())),
            )
            .chain(
                self.all_tiers()
                    .map(|tier| Command::SetLimits(tier.command())),
            )
            .chain(
                self.fees
                    .iter()
                    .map(|fees| Command::SetFees(fees.command())),
            )
            .chain(
                self.accounts
                    .iter()
                    .map(|account| Command::CreateAccount(account.command())),
            )
            .chain(
                self.accounts
                    .iter()
                    .filter(|account| account.tier != 0)
                    .map(|account| Command::SetTier(account.tier_command())),
            )
            .chain(
                self.sessions
                    .iter()
                    .map(|session| Command::OpenSession(session.command())),
            )
            .map(|command| (Source::ADMINISTRATION, command));
        let deposits = self
            .deposits
            .iter()
            .map(|deposit| Command::Deposit(deposit.command()));
        administration
            .chain(deposits.map(|command| (Source::DEPOSITS, command)))
            .collect()
    }
}

impl Genesis {
    /// All tiers that there are: no account is without limits because nobody has thought of its tier.
    fn all_tiers(&self) -> impl Iterator<Item = Tier> {
        (0..MAX_TIERS).map(|id| {
            let said = self.tiers.iter().find(|tier| tier.id == id);
            let default = || Tier {
                id,
                ..Tier::default()
            };
            said.cloned().unwrap_or_else(default)
        })
    }
}

impl From<InitialState> for MarketState {
    fn from(state: InitialState) -> Self {
        match state {
            InitialState::Continuous => Self::Continuous,
            InitialState::PreOpen => Self::PreOpen,
            InitialState::PostOnly => Self::PostOnly,
            InitialState::Closed => Self::Closed,
        }
    }
}

impl Tier {
    fn max_order_notional() -> u64 {
        1_000_000
    }

    fn max_daily_volume() -> u64 {
        10_000_000
    }

    fn max_open_orders() -> u32 {
        100
    }

    fn command(&self) -> SetLimits {
        SetLimits {
            target: self.id,
            of_account: Flag::No,
            as_tier: Flag::No,
            pad: [Zero::Zero; 2],
            limits: Limits {
                max_order_qty: Qty(self.max_order_qty),
                max_order_notional: self.max_order_notional,
                max_position: self.max_position,
                max_daily_volume: self.max_daily_volume,
                max_unattested_notional: self.max_unattested_notional,
                max_open_orders: self.max_open_orders,
                pad: [Zero::Zero; 4],
            },
        }
    }
}

impl Fees {
    fn command(&self) -> SetFees {
        SetFees {
            tier: self.tier,
            market: self.market.map_or(MarketId::ANY, MarketId),
            maker_fee_ppm: self.maker_fee_ppm,
            taker_fee_ppm: self.taker_fee_ppm,
        }
    }
}

impl Capacity {
    /// Pages of price levels: as the file says, or as many as orders can ever need.
    #[must_use]
    pub fn pages(&self) -> u32 {
        let enough =
            || domain::Genesis::enough_pages(self.max_orders, self.max_markets, self.max_levels);
        self.max_pages.unwrap_or_else(enough)
    }

    fn command(&self) -> domain::Genesis {
        domain::Genesis {
            max_assets: self.max_assets,
            max_markets: self.max_markets,
            max_accounts: self.max_accounts,
            max_sessions: self.max_sessions,
            max_orders: self.max_orders,
            max_levels: self.max_levels,
            max_pages: self.pages(),
            pad: [Zero::Zero; 4],
        }
    }
}

impl Asset {
    fn command(&self) -> CreateAsset {
        CreateAsset {
            asset: AssetId(self.id),
            decimals: self.decimals,
            pad: [Zero::Zero; 3],
            symbol: self.symbol.0,
        }
    }
}

impl Market {
    fn command(&self) -> CreateMarket {
        CreateMarket {
            market: MarketId(self.id),
            base: AssetId(self.base),
            quote: AssetId(self.quote),
            maker_fee_ppm: self.maker_fee_ppm,
            taker_fee_ppm: self.taker_fee_ppm,
            price_levels: self.price_levels,
            tick_value: self.tick_value,
            lot_size: self.lot_size,
            min_qty: Qty(self.min_qty),
            price_min: Price(self.price_min),
            symbol: self.symbol.0,
            state: self.state.into(),
            pad: [Zero::Zero; 7],
        }
    }
}

impl Account {
    fn command(&self) -> CreateAccount {
        CreateAccount {
            account: AccountId(self.id),
            firm: FirmId(self.firm),
            owner: self.owner.0,
        }
    }

    fn tier_command(&self) -> SetTier {
        SetTier {
            account: AccountId(self.id),
            tier: self.tier,
        }
    }
}

impl Session {
    fn command(&self) -> OpenSession {
        OpenSession {
            session: SessionId(self.id),
            account: AccountId(self.account),
            delegation: Delegation {
                public_key: self.public_key.0,
                exchange_key: [0; 32],
                expires: Nanos(self.expires),
                max_order_notional: Amount(self.max_order_notional),
            },
            gate: Gate::Port,
            pad: [Zero::Zero; 7],
        }
    }
}

impl Deposit {
    fn command(&self) -> domain::Deposit {
        domain::Deposit {
            account: AccountId(self.account),
            asset: AssetId(self.asset),
            amount: Amount(self.amount),
        }
    }
}
