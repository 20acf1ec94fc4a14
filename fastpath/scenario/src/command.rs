//! What is given and done: lines that become commands. A new command is one arm of [`read`], an
//! attribute of an order one line of `orders::new_order`.

mod mass;
mod operator;
mod orders;
mod quotes;
mod setup;

pub(crate) use setup::GENESIS;

use crate::{
    names::{Names, Register},
    slip,
    words::{Fault, Words},
};
use domain::{
    Attest, Checkpoint, Command, Continue, EngineVersion, Genesis, MarketId, Nanos, OrderId,
    Recovered, SessionId, Side, Source, Timer, Zero,
};
use mass::Sender;

/// Who sends what.
pub(crate) type Sent = (Source, Command);

/// The engine does not look at signatures.
const ATTEST: Command = Command::Attest(Attest { signature: [0; 64] });

/// What a line comes to.
pub(crate) enum Action {
    /// These commands, one after the other.
    Send {
        commands: Vec<Sent>,
        /// The source's number, if not the next.
        number: Option<u64>,
        /// What does not fit its frame stays pending.
        pausing: bool,
    },
    /// The sequencer's clock is set.
    Clock(Nanos),
    /// No genesis of its own accord comes before what follows.
    Uninitialised,
}

const COMMANDS: &str = "genesis, uninitialised, asset, market, account, session, trader, delegate, deposit, cancel, \
    kill, revive, tier, limits, fees, collect, state, collar, delist, clock, timer, checkpoint, recovered, version, \
    confirm, continue, or a session and buys, sells, cancels, amends, quotes, pulls, protects, attests, kills, revives, \
    or a trader and has";

/// What a line says. `now` is what the sequencer's clock says.
pub(crate) fn read(mut words: Words, names: &mut Names, now: Nanos) -> Result<Action, Fault> {
    let words = &mut words;
    let number = words.option_number("number")?;
    let from = words.option("from");
    let pausing = words.flag("pausing");
    let first = words.next(COMMANDS)?;
    let mut commands = match first.as_str() {
        "clock" => return clock(words, now),
        "uninitialised" => {
            words.finish()?;
            return Ok(Action::Uninitialised);
        }
        "market" => setup::create_market(words, names)?,
        "trader" => setup::trader(words, names)?,
        "deposit" => vec![(Source::DEPOSITS, setup::deposit(words, names)?)],
        name => match by_sequencer(name, words, names, now)? {
            Some(command) => vec![(Source::SEQUENCER, command)],
            None => match by_operator(name, words, names)? {
                Some(commands) => by(Source::ADMINISTRATION, commands),
                None => named(name, words, names)?,
            },
        },
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

fn by(source: Source, commands: Vec<Command>) -> Vec<Sent> {
    let commands = commands.into_iter();
    commands.map(|command| (source, command)).collect()
}

/// What the sequencer itself does, if the line is that.
fn by_sequencer(
    name: &str,
    words: &mut Words,
    names: &Names,
    now: Nanos,
) -> Result<Option<Command>, Fault> {
    Ok(Some(match name {
        "timer" => Command::Timer(Timer { deadline: now }),
        "checkpoint" => Command::Checkpoint(Checkpoint { interval: 1 }),
        "recovered" => recovered(words)?,
        "version" => version(words)?,
        "continue" => go_on(words, names)?,
        _ => return Ok(None),
    }))
}

/// What the operator does, if the line is that.
fn by_operator(
    name: &str,
    words: &mut Words,
    names: &mut Names,
) -> Result<Option<Vec<Command>>, Fault> {
    let command = match name {
        "genesis" => setup::genesis(words)?,
        "asset" => setup::create_asset(words, names)?,
        "account" => setup::create_account(words, names)?,
        "session" => setup::open_session(words, names)?,
        "delegate" => setup::delegate(words, names)?,
        "cancel" => mass::mass_cancel(words, names, Sender::Operator)?,
        "kill" | "revive" => {
            let on = name == "kill";
            return mass::kill_switches(words, names, Sender::Operator, on).map(Some);
        }
        "tier" => operator::set_tier(words, names)?,
        "limits" => operator::set_limits(words, names)?,
        "fees" => operator::set_fees(words, names)?,
        "collect" => operator::collect_fees(words, names)?,
        "state" => operator::set_market_state(words, names)?,
        "collar" => operator::set_collar(words, names)?,
        "delist" => operator::delist(words, names)?,
        "confirm" => operator::confirm(words, names)?,
        _ => return Ok(None),
    };
    Ok(Some(vec![command]))
}

/// What a session or a trader does.
fn named(name: &str, words: &mut Words, names: &mut Names) -> Result<Vec<Sent>, Fault> {
    let verb = words.next(
        "buys, sells, cancels, amends, quotes, pulls, protects, attests, kills, revives or has",
    )?;
    if verb == "has" {
        return setup::funds(name, words, names);
    }
    let session = session_id(words, names, "session", name);
    let commands = match verb.as_str() {
        "buys" => orders::new_orders(words, names, Side::Buy)?,
        "sells" => orders::new_orders(words, names, Side::Sell)?,
        "cancels" if words.peek(0) == Some("all") => {
            vec![mass::mass_cancel(words, names, Sender::Session)?]
        }
        "cancels" => vec![orders::cancel_order(words, names)?],
        "amends" => vec![orders::amend_order(words, names)?],
        "quotes" => vec![quotes::quote(words, names)?],
        "pulls" => vec![quotes::pull(words, names)?],
        "protects" => vec![quotes::protect(words, names)?],
        "attests" => vec![ATTEST],
        "kills" => mass::kill_switches(words, names, Sender::Session, true)?,
        "revives" => mass::kill_switches(words, names, Sender::Session, false)?,
        _ => {
            let fault = words.fault(format!("expected {COMMANDS}, found `{name} {verb}`"));
            let meant = slip::meant(name, COMMANDS).or_else(|| slip::meant(&verb, COMMANDS));
            return Err(match meant {
                Some(meant) => Fault {
                    message: format!("{}; did you mean `{meant}`?", fault.message),
                    ..fault
                },
                None => fault,
            });
        }
    };
    Ok(by(Source::of_session(session?), commands))
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

/// The market that `market=` names, or all of them.
fn any_market(words: &mut Words, names: &Names) -> Result<MarketId, Fault> {
    let name = words.option("market");
    let find = |name: String| find(words, &names.markets, "market", &name).map(MarketId);
    name.map_or(Ok(MarketId::ANY), find)
}

/// The id of something that has a name, or `#id`.
pub(crate) fn find(words: &Words, among: &Register, what: &str, name: &str) -> Result<u32, Fault> {
    among.id(name).ok_or_else(|| {
        let all = among.all();
        words.expected(&format!("a known {what} ({all})"), Some(name))
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

/// The order that sweeps; nothing if other work is to go on.
fn go_on(words: &mut Words, names: &Names) -> Result<Command, Fault> {
    let mut order_id = OrderId::NONE;
    if !words.is_empty() {
        let name = words.next("an order's name")?;
        order_id = orders::accepted(words, names, &name)?;
    }
    Ok(Command::Continue(Continue { order_id }))
}
