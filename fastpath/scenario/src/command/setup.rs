//! What there is: capacities, assets, markets, accounts, sessions, and what is deposited.

use crate::{
    command::{Sent, find},
    names::{Names, Register},
    spelling::{self, MARKET_STATES},
    words::{Fault, Words},
};
use domain::{
    AccountId, Amount, AssetId, Command, CreateAccount, CreateAsset, CreateMarket, Delegate,
    Delegation, Deposit, FirmId, Gate, Genesis, MarketId, MarketState, Nanos, OpenSession, Price,
    Qty, SessionId, Source, Zero,
};

/// The capacities of who says nothing else.
pub(crate) const GENESIS: Genesis = Genesis {
    max_assets: 8,
    max_markets: 4,
    max_accounts: 8,
    max_sessions: 8,
    max_orders: 128,
    max_levels: 4_096,
    max_pages: 130,
    pad: [Zero::Zero; 4],
};

/// What a file that somebody wrote may make both engines allocate.
const MOST_ROOM: u64 = 1 << 20;

pub(super) fn genesis(words: &mut Words) -> Result<Command, Fault> {
    let genesis = Genesis {
        max_assets: words.number_or("assets", GENESIS.max_assets)?,
        max_markets: words.number_or("markets", GENESIS.max_markets)?,
        max_accounts: words.number_or("accounts", GENESIS.max_accounts)?,
        max_sessions: words.number_or("sessions", GENESIS.max_sessions)?,
        max_orders: words.number_or("orders", GENESIS.max_orders)?,
        max_levels: words.number_or("levels", GENESIS.max_levels)?,
        max_pages: words.number_or("pages", GENESIS.max_pages)?,
        pad: [Zero::Zero; 4],
    };
    let rooms = [
        genesis.max_orders,
        genesis.max_levels,
        genesis.max_pages,
        genesis.max_sessions,
    ];
    let largest = rooms
        .into_iter()
        .map(u64::from)
        .chain([genesis.balances()])
        .max();
    if genesis.is_within_limits() && largest > Some(MOST_ROOM) {
        let message = format!(
            "expected room for at most {MOST_ROOM} orders, levels, pages, sessions and balances"
        );
        return Err(words.fault(message));
    }
    Ok(Command::Genesis(genesis))
}

/// The id that a new thing gets: `id=`, or the lowest without a name. It has its name from now on.
fn register(words: &mut Words, among: &mut Register, name: &str) -> Result<u32, Fault> {
    let id = words.number_or("id", among.next())?;
    among.insert(name, id);
    Ok(id)
}

fn symbol(name: &str) -> [u8; 16] {
    let mut symbol = [0; 16];
    symbol
        .iter_mut()
        .zip(name.bytes())
        .for_each(|(to, from)| *to = from);
    symbol
}

fn asset_named(name: &str, id: u32, decimals: u8) -> Command {
    Command::CreateAsset(CreateAsset {
        asset: AssetId(id),
        decimals,
        pad: [Zero::Zero; 3],
        symbol: symbol(name),
    })
}

pub(super) fn create_asset(words: &mut Words, names: &mut Names) -> Result<Command, Fault> {
    let name = words.next("an asset's name")?;
    let id = register(words, &mut names.assets, &name)?;
    Ok(asset_named(&name, id, words.number_or("decimals", 0)?))
}

/// `BASE/QUOTE` and its terms. Assets that have no name yet are made before it.
pub(super) fn create_market(words: &mut Words, names: &mut Names) -> Result<Vec<Sent>, Fault> {
    let name = words.next("a market's name")?;
    let pair = name.split_once('/');
    let (base, quote) = pair.ok_or_else(|| words.fault("expected BASE/QUOTE"))?;
    let mut commands = Vec::new();
    let mut asset = |words: &mut Words, name: &str| {
        if name.starts_with('#') || names.assets.has(name) {
            return find(words, &names.assets, "asset", name);
        }
        let id = names.assets.next();
        names.assets.insert(name, id);
        commands.push((Source::ADMINISTRATION, asset_named(name, id, 0)));
        Ok(id)
    };
    let (base, quote) = (asset(words, base)?, asset(words, quote)?);
    let prices = words.option("prices").unwrap_or("1..100".to_owned());
    let range = prices.split_once("..").and_then(|(low, high)| {
        let number = crate::words::number;
        let (low, high) = (number(low)?, number(high)?);
        let levels = u32::try_from(high.checked_sub(low)?.checked_add(1)?).ok()?;
        Some((i64::try_from(low).ok()?, levels))
    });
    let (price_min, price_levels) =
        range.ok_or_else(|| words.fault(format!("expected prices=LOW..HIGH, found `{prices}`")))?;
    let terms = CreateMarket {
        market: MarketId(register(words, &mut names.markets, &name)?),
        base: AssetId(base),
        quote: AssetId(quote),
        maker_fee_ppm: words.number_or("maker", 0)?,
        taker_fee_ppm: words.number_or("taker", 0)?,
        price_levels,
        tick_value: words.number_or("tick", 1)?,
        lot_size: words.number_or("lot", 1)?,
        min_qty: Qty(words.number_or("min", 1)?),
        price_min: Price(price_min),
        symbol: symbol(&name),
        state: spelling::option_or(words, "state", MARKET_STATES, MarketState::Continuous)?,
        pad: [Zero::Zero; 7],
    };
    commands.push((Source::ADMINISTRATION, Command::CreateMarket(terms)));
    Ok(commands)
}

fn account_named(id: u32, firm: u32) -> Command {
    Command::CreateAccount(CreateAccount {
        account: AccountId(id),
        firm: FirmId(firm),
        owner: [0; 32],
    })
}

pub(super) fn create_account(words: &mut Words, names: &mut Names) -> Result<Command, Fault> {
    let name = words.next("an account's name")?;
    let id = register(words, &mut names.accounts, &name)?;
    Ok(account_named(id, words.number_or("firm", 0)?))
}

fn session_named(id: u32, account: u32, delegation: Delegation) -> Command {
    Command::OpenSession(OpenSession {
        session: SessionId(id),
        account: AccountId(account),
        delegation,
        gate: Gate::Port,
        pad: [Zero::Zero; 7],
    })
}

fn delegation(words: &mut Words) -> Result<Delegation, Fault> {
    Ok(Delegation {
        expires: Nanos(words.number_or("expires", 0)?),
        max_order_notional: Amount(words.number_or("max", 0)?),
        ..Delegation::unlimited([7; 32])
    })
}

pub(super) fn open_session(words: &mut Words, names: &mut Names) -> Result<Command, Fault> {
    let name = words.next("a session's name")?;
    let account = words.option("account").unwrap_or_else(|| name.clone());
    let account = find(words, &names.accounts, "account", &account)?;
    let id = register(words, &mut names.sessions, &name)?;
    Ok(session_named(id, account, delegation(words)?))
}

/// An account and a session of the same name.
pub(super) fn trader(words: &mut Words, names: &mut Names) -> Result<Vec<Sent>, Fault> {
    let name = words.next("a name")?;
    let firm = words.number_or("firm", 0)?;
    Ok(trader_of_firm(&name, firm, names))
}

fn trader_of_firm(name: &str, firm: u32, names: &mut Names) -> Vec<Sent> {
    let (account, session) = (names.accounts.next(), names.sessions.next());
    names.accounts.insert(name, account);
    names.sessions.insert(name, session);
    let delegation = Delegation::unlimited([7; 32]);
    let account_of_it = account_named(account, firm);
    let session_of_it = session_named(session, account, delegation);
    vec![
        (Source::ADMINISTRATION, account_of_it),
        (Source::ADMINISTRATION, session_of_it),
    ]
}

/// `NAME has 5 BTC, 10 USD`: deposits; the trader is made if nothing has the name.
pub(super) fn funds(name: &str, words: &mut Words, names: &mut Names) -> Result<Vec<Sent>, Fault> {
    let mut commands = Vec::new();
    if !names.accounts.has(name) {
        commands = trader_of_firm(name, 0, names);
    }
    let account = find(words, &names.accounts, "account", name)?;
    loop {
        let amount = words.number("an amount in base units")?;
        let asset = words.next("an asset")?;
        let deposit = Command::Deposit(Deposit {
            account: AccountId(account),
            asset: AssetId(find(words, &names.assets, "asset", &asset)?),
            amount: Amount(amount),
        });
        commands.push((Source::DEPOSITS, deposit));
        if words.is_empty() {
            return Ok(commands);
        }
        words.word(",")?;
    }
}

/// `ACCOUNT AMOUNT ASSET`.
pub(super) fn deposit(words: &mut Words, names: &Names) -> Result<Command, Fault> {
    let account = words.next("an account")?;
    let account = find(words, &names.accounts, "account", &account)?;
    let amount = words.number("an amount in base units")?;
    let asset = words.next("an asset")?;
    Ok(Command::Deposit(Deposit {
        account: AccountId(account),
        asset: AssetId(find(words, &names.assets, "asset", &asset)?),
        amount: Amount(amount),
    }))
}

pub(super) fn delegate(words: &mut Words, names: &Names) -> Result<Command, Fault> {
    let session = words.next("a session")?;
    Ok(Command::Delegate(Delegate {
        session: SessionId(find(words, &names.sessions, "session", &session)?),
        pad: [Zero::Zero; 4],
        delegation: delegation(words)?,
    }))
}
