//! What is given and done: lines that become commands. A new command is one arm of [`read`], an
//! attribute of an order one line of [`new_order`].

use crate::{
    names::{Names, Register, order_id_from},
    words::{Fault, Words},
};
use domain::{
    AccountId, AmendOrder, Amount, AssetId, CancelOrder, Checkpoint, ClientOrderId, Command,
    Continue, CreateAccount, CreateAsset, CreateMarket, Delegate, Delegation, Deposit,
    EngineVersion, FirmId, Flag, Gate, Genesis, MarketId, Nanos, NewOrder, OpenSession, OrderId,
    OrderType, Price, Qty, Recovered, SessionId, Side, Source, TimeInForce, Timer, Zero,
};

/// Who sends what.
pub(crate) type Sent = (Source, Command);

/// What a line comes to.
pub(crate) enum Action {
    /// These commands, one after the other.
    Send {
        commands: Vec<Sent>,
        /// The source's number, if not the next.
        number: Option<u64>,
        /// A sweep that does not fit its frame stays pending.
        pausing: bool,
    },
    /// The sequencer's clock is set.
    Clock(Nanos),
    /// No genesis of its own accord comes before what follows.
    Uninitialised,
}

/// The capacities of who says nothing else.
pub(crate) const GENESIS: Genesis = Genesis {
    max_assets: 8,
    max_markets: 4,
    max_accounts: 8,
    max_sessions: 8,
    max_orders: 128,
    max_levels: 4_096,
};

/// What a file that somebody wrote may make both engines allocate.
const MOST_ROOM: u64 = 1 << 20;

/// The most orders that one line may be.
const MOST_TIMES: u32 = 10_000;

const COMMANDS: &str = "genesis, uninitialised, asset, market, account, session, trader, delegate, deposit, clock, \
    timer, checkpoint, recovered, version, continue, or a session and buys, sells, cancels, amends, \
    or a trader and has";

/// What a line says. `now` is what the sequencer's clock says.
pub(crate) fn read(mut words: Words, names: &mut Names, now: Nanos) -> Result<Action, Fault> {
    let words = &mut words;
    let number = words.option_number("number")?;
    let from = words.option("from");
    let pausing = words.flag("pausing");
    let first = words.next(COMMANDS)?;
    let one = |sent: Sent| vec![sent];
    let by = |source, command| one((source, command));
    let mut commands = match first.as_str() {
        "clock" => return clock(words, now),
        "uninitialised" => {
            words.finish()?;
            return Ok(Action::Uninitialised);
        }
        "genesis" => by(Source::ADMINISTRATION, genesis(words)?),
        "asset" => by(Source::ADMINISTRATION, create_asset(words, names)?),
        "market" => create_market(words, names)?,
        "account" => by(Source::ADMINISTRATION, create_account(words, names)?),
        "session" => by(Source::ADMINISTRATION, open_session(words, names)?),
        "trader" => trader(&words.next("a name")?, names),
        "delegate" => by(Source::ADMINISTRATION, delegate(words, names)?),
        "deposit" => by(Source::DEPOSITS, deposit(words, names)?),
        "timer" => by(Source::SEQUENCER, Command::Timer(Timer { deadline: now })),
        "checkpoint" => by(
            Source::SEQUENCER,
            Command::Checkpoint(Checkpoint { interval: 1 }),
        ),
        "recovered" => by(Source::SEQUENCER, recovered(words)?),
        "version" => by(Source::SEQUENCER, version(words)?),
        "continue" => by(Source::SEQUENCER, go_on(words, names)?),
        name => named(name, words, names)?,
    };
    words.finish()?;
    if let Some(from) = from {
        let source = source(words, &from, names)?;
        commands.iter_mut().for_each(|(sender, _)| *sender = source);
    }
    Ok(Action::Send {
        commands,
        number,
        pausing,
    })
}

/// What a session or a trader does.
fn named(name: &str, words: &mut Words, names: &mut Names) -> Result<Vec<Sent>, Fault> {
    let verb = words.next("buys, sells, cancels, amends or has")?;
    if verb == "has" {
        return funds(name, words, names);
    }
    let side = match verb.as_str() {
        "buys" => Some(Side::Buy),
        "sells" => Some(Side::Sell),
        _ => None,
    };
    let session = session_id(words, names, "session", name);
    let commands = match (side, verb.as_str()) {
        (Some(side), _) => new_orders(words, names, side)?,
        (None, "cancels") => vec![cancel_order(words, names)?],
        (None, "amends") => vec![amend_order(words, names)?],
        (None, _) => {
            return Err(words.fault(format!("expected {COMMANDS}, found `{name} {verb}`")));
        }
    };
    let source = Source::of_session(session?);
    Ok(commands
        .into_iter()
        .map(|command| (source, command))
        .collect())
}

/// One order; with `times=` so many, whose names end with their number, from 1.
fn new_orders(words: &mut Words, names: &mut Names, side: Side) -> Result<Vec<Command>, Fault> {
    let times = words.number_or("times", 1_u32)?;
    if !(1..=MOST_TIMES).contains(&times) {
        return Err(words.fault(format!("expected times=1 to {MOST_TIMES}, found {times}")));
    }
    let (name, order) = new_order(words, names, side)?;
    let named = |nth: u32| match times {
        1 => name.clone(),
        _ => format!("{name}{nth}"),
    };
    let mut order = |nth| {
        let client_order_id = names.client_order_id(&named(nth));
        Command::NewOrder(NewOrder {
            client_order_id,
            ..order
        })
    };
    Ok((1..=times).map(&mut order).collect())
}

/// `QTY @ PRICE as NAME` or `QTY @ market as NAME`, and attributes. The name, and the order without it.
fn new_order(words: &mut Words, names: &Names, side: Side) -> Result<(String, NewOrder), Fault> {
    let qty = words.number("a quantity in lots")?;
    words.word("@")?;
    let at_market = words.peek(0) == Some("market");
    let (order_type, price) = if at_market {
        words.word("market")?;
        (OrderType::Market, words.number_or("price", 0)?)
    } else {
        let price = words.number("a price in ticks, or market")?;
        (OrderType::Limit, price)
    };
    words.word("as")?;
    let name = words.next("the order's name")?;
    let post_only = Flag::from(words.flag("post-only"));
    let (gtc, ioc, fok) = (words.flag("gtc"), words.flag("ioc"), words.flag("fok"));
    let time_in_force = match (gtc, ioc, fok) {
        (false, false, false) if at_market => TimeInForce::ImmediateOrCancel,
        (_, false, false) => TimeInForce::GoodTillCancel,
        (false, true, false) => TimeInForce::ImmediateOrCancel,
        (false, false, true) => TimeInForce::FillOrKill,
        _ => return Err(words.fault("expected one of gtc, ioc, fok, found more")),
    };
    let market = MarketId(market(words, names)?);
    let order = NewOrder {
        client_order_id: ClientOrderId(0),
        price: Price(price),
        qty: Qty(qty),
        market,
        side,
        order_type,
        time_in_force,
        post_only,
    };
    Ok((name, order))
}

/// `NAME`.
fn cancel_order(words: &mut Words, names: &mut Names) -> Result<Command, Fault> {
    let (order_id, client_order_id) = target(words, names)?;
    Ok(Command::CancelOrder(CancelOrder {
        order_id,
        client_order_id,
    }))
}

/// `NAME to QTY @ PRICE`.
fn amend_order(words: &mut Words, names: &mut Names) -> Result<Command, Fault> {
    let (order_id, client_order_id) = target(words, names)?;
    words.word("to")?;
    let qty = words.number("a quantity in lots")?;
    words.word("@")?;
    let price = words.number("a price in ticks")?;
    Ok(Command::AmendOrder(AmendOrder {
        order_id,
        client_order_id,
        price: Price(price),
        qty: Qty(qty),
    }))
}

/// An order by its owner's id; with `by=id` by the engine's; with `id=0.1` by that id and both named.
fn target(words: &mut Words, names: &mut Names) -> Result<(OrderId, ClientOrderId), Fault> {
    let name = words.next("an order's name")?;
    if let Some(id) = words.option("id") {
        let fault = || words.fault("expected id=SLOT.GENERATION");
        let id = order_id_from(&id).ok_or_else(fault)?;
        return Ok((id, names.client_order_id(&name)));
    }
    match words.option("by").as_deref() {
        None => Ok((OrderId::NONE, names.client_order_id(&name))),
        Some("id") => Ok((accepted(words, names, &name)?, ClientOrderId(0))),
        Some(_) => Err(words.fault("expected by=id")),
    }
}

fn accepted(words: &Words, names: &Names, name: &str) -> Result<OrderId, Fault> {
    let id = names.order_id(name);
    id.ok_or_else(|| {
        words.fault(format!(
            "expected an order that was accepted, found `{name}`"
        ))
    })
}

/// The market that `market=` names, or the first.
pub(crate) fn market(words: &mut Words, names: &Names) -> Result<u32, Fault> {
    match words.option("market") {
        Some(name) => find(words, &names.markets, "market", &name),
        None => names
            .markets
            .first()
            .ok_or_else(|| words.fault("expected a market to be given before")),
    }
}

/// The id of something that has a name, or `#id`.
pub(crate) fn find(words: &Words, among: &Register, what: &str, name: &str) -> Result<u32, Fault> {
    among.id(name).ok_or_else(|| {
        let all = among.all();
        words.fault(format!("expected a known {what} ({all}), found `{name}`"))
    })
}

/// A session that could be a source.
fn session_id(words: &Words, names: &Names, what: &str, name: &str) -> Result<SessionId, Fault> {
    let id = find(words, &names.sessions, what, name)?;
    if id >= Genesis::MAX_SESSIONS {
        return Err(words.fault(format!("expected a session id below 2^24, found `{name}`")));
    }
    Ok(SessionId(id))
}

pub(crate) fn source(words: &Words, name: &str, names: &Names) -> Result<Source, Fault> {
    Ok(match name {
        "sequencer" => Source::SEQUENCER,
        "administration" => Source::ADMINISTRATION,
        "deposits" => Source::DEPOSITS,
        "gateway" => Source::GATEWAY,
        session => Source::of_session(session_id(words, names, "source", session)?),
    })
}

fn clock(words: &mut Words, now: Nanos) -> Result<Action, Fault> {
    let value = words.next("a time in nanoseconds, or +nanoseconds")?;
    let (start, span) = match value.strip_prefix('+') {
        Some(span) => (now.0, span),
        None => (0, value.as_str()),
    };
    let span = crate::words::number(span).and_then(|span| u64::try_from(span).ok());
    let time = span.and_then(|span| start.checked_add(span));
    let time = time.ok_or_else(|| words.fault(format!("expected nanoseconds, found `{value}`")))?;
    words.finish()?;
    Ok(Action::Clock(Nanos(time)))
}

fn genesis(words: &mut Words) -> Result<Command, Fault> {
    let genesis = Genesis {
        max_assets: words.number_or("assets", GENESIS.max_assets)?,
        max_markets: words.number_or("markets", GENESIS.max_markets)?,
        max_accounts: words.number_or("accounts", GENESIS.max_accounts)?,
        max_sessions: words.number_or("sessions", GENESIS.max_sessions)?,
        max_orders: words.number_or("orders", GENESIS.max_orders)?,
        max_levels: words.number_or("levels", GENESIS.max_levels)?,
    };
    let rooms = [genesis.max_orders, genesis.max_levels, genesis.max_sessions];
    let largest = rooms
        .into_iter()
        .map(u64::from)
        .chain([genesis.balances()])
        .max();
    if genesis.is_within_limits() && largest > Some(MOST_ROOM) {
        let message =
            format!("expected room for at most {MOST_ROOM} orders, levels, sessions and balances");
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

fn create_asset(words: &mut Words, names: &mut Names) -> Result<Command, Fault> {
    let name = words.next("an asset's name")?;
    let id = register(words, &mut names.assets, &name)?;
    Ok(asset_named(&name, id, words.number_or("decimals", 0)?))
}

/// `BASE/QUOTE` and its terms. Assets that have no name yet are made before it.
fn create_market(words: &mut Words, names: &mut Names) -> Result<Vec<Sent>, Fault> {
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

fn create_account(words: &mut Words, names: &mut Names) -> Result<Command, Fault> {
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

fn open_session(words: &mut Words, names: &mut Names) -> Result<Command, Fault> {
    let name = words.next("a session's name")?;
    let account = words.option("account").unwrap_or_else(|| name.clone());
    let account = find(words, &names.accounts, "account", &account)?;
    let id = register(words, &mut names.sessions, &name)?;
    Ok(session_named(id, account, delegation(words)?))
}

/// An account and a session of the same name.
fn trader(name: &str, names: &mut Names) -> Vec<Sent> {
    let (account, session) = (names.accounts.next(), names.sessions.next());
    names.accounts.insert(name, account);
    names.sessions.insert(name, session);
    let delegation = Delegation::unlimited([7; 32]);
    vec![
        (Source::ADMINISTRATION, account_named(account, 0)),
        (
            Source::ADMINISTRATION,
            session_named(session, account, delegation),
        ),
    ]
}

/// `NAME has 5 BTC, 10 USD`: deposits; the trader is made if nothing has the name.
fn funds(name: &str, words: &mut Words, names: &mut Names) -> Result<Vec<Sent>, Fault> {
    let mut commands = Vec::new();
    if !names.accounts.has(name) {
        commands = trader(name, names);
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
fn deposit(words: &mut Words, names: &Names) -> Result<Command, Fault> {
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

fn delegate(words: &mut Words, names: &Names) -> Result<Command, Fault> {
    let session = words.next("a session")?;
    Ok(Command::Delegate(Delegate {
        session: SessionId(find(words, &names.sessions, "session", &session)?),
        pad: [Zero::Zero; 4],
        delegation: delegation(words)?,
    }))
}

fn recovered(words: &mut Words) -> Result<Command, Fault> {
    Ok(Command::Recovered(Recovered {
        epoch: words.number_or("epoch", 0)?,
        pad: [Zero::Zero; 4],
        grace: Nanos(words.number_or("grace", 0)?),
    }))
}

fn version(words: &mut Words) -> Result<Command, Fault> {
    Ok(Command::EngineVersion(EngineVersion {
        version: words.number("a version")?,
        pad: [Zero::Zero; 6],
    }))
}

fn go_on(words: &mut Words, names: &Names) -> Result<Command, Fault> {
    let name = words.next("an order's name")?;
    let order_id = accepted(words, names, &name)?;
    Ok(Command::Continue(Continue { order_id }))
}
