//! Mass cancels and kill switches, of sessions and of the operator.

use crate::{
    command::{any_market, find, orders::times},
    names::Names,
    spelling::{self, SCOPES},
    words::{Fault, Words},
};
use domain::{Command, Flag, KillSwitch, MassCancel, Price, Scope, Sides, Zero};

/// Who sends it: a session need not say which session or account is its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    Session,
    Operator,
}

/// `all`, and `of WHOSE` unless it is the session's own.
pub(super) fn mass_cancel(
    words: &mut Words,
    names: &Names,
    sender: Sender,
) -> Result<Command, Fault> {
    words.word("all")?;
    let sides = match (words.flag("buys"), words.flag("sells")) {
        (true, false) => Sides::Buys,
        (false, true) => Sides::Sells,
        _ => Sides::Both,
    };
    let mut whose = (Scope::Session, 0);
    if sender == Sender::Operator || !words.is_empty() {
        words.word("of")?;
        whose = self::whose(words, names, sender)?;
    }
    let (scope, target) = whose;
    Ok(Command::MassCancel(MassCancel {
        request: words.number_or("request", 0)?,
        lowest: Price(words.number_or("lowest", 0)?),
        highest: Price(words.number_or("highest", 0)?),
        market: any_market(words, names)?,
        target,
        scope,
        sides,
        ..MassCancel::OWN
    }))
}

/// `WHOSE`; with `times=` so many of them, by their numbers.
pub(super) fn kill_switches(
    words: &mut Words,
    names: &Names,
    sender: Sender,
    on: bool,
) -> Result<Vec<Command>, Fault> {
    let times = times(words)?;
    let (scope, first) = whose(words, names, sender)?;
    let last = first.checked_add(times - 1);
    let last = last.ok_or_else(|| words.fault("expected numbers below 2^32"))?;
    let request = words.number_or("request", 0)?;
    let switch = |target| {
        Command::KillSwitch(KillSwitch {
            request,
            target,
            scope,
            on: Flag::from(on),
            pad: [Zero::Zero; 2],
        })
    };
    Ok((first..=last).map(switch).collect())
}

/// `session NAME`, `account NAME`, `firm NUMBER`, or `everyone`.
fn whose(words: &mut Words, names: &Names, sender: Sender) -> Result<(Scope, u32), Fault> {
    let scope = spelling::next(words, "session, account, firm or everyone", SCOPES)?;
    if words.is_empty() && (sender == Sender::Session || scope == Scope::Everyone) {
        return Ok((scope, 0));
    }
    let target = match scope {
        Scope::Session => {
            let name = words.next("a session")?;
            find(words, &names.sessions, "session", &name)?
        }
        Scope::Account => {
            let name = words.next("an account")?;
            find(words, &names.accounts, "account", &name)?
        }
        Scope::Firm | Scope::Everyone => words.number("a number")?,
    };
    Ok((scope, target))
}
