//! Cancels all live orders of a session or of its account, by one message.
//!
//! ```text
//! cargo run --release --example cancel_all -- \
//!     --server 127.0.0.1:7400 --session 1 --secret session-1.secret --market 0 --side sell
//! ```
//!
//! With `--kill yes` it turns the kill switch on: then everything is cancelled, in all markets, and the exchange takes no
//! orders until its operator turns the switch off. The exit code is 1 if it did not come to its end, and the last
//! line then says why.
#![expect(clippy::print_stdout, reason = "an example talks to the terminal")]

mod arguments;
mod ending;
mod refusal;

use arguments::Arguments;
use client::{Connection, Event};
use domain::{MarketId, MassCancel, Scope, Sides};
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use wire::order_entry::Message;

const ABOUT: &str = "Cancels all live orders of a session or of its account.";
const HELP: &str = "  (without --market: in all markets)
  --scope SCOPE    session, or account: of all its sessions [session]
  --side SIDE      buy or sell [both]
  --kill YES       yes: turn the kill switch on as well [no]
  --wait SECONDS   longest wait for an answer [5]";

fn main() -> ExitCode {
    ending::code("cancel_all", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let own = ["scope", "side", "kill", "wait"];
    let Some(arguments) = Arguments::read(ABOUT, &own, HELP)? else {
        return Ok(());
    };
    let cancel = wanted(&arguments)?;
    let kill = match arguments.text("kill") {
        "" | "no" => false,
        "yes" => true,
        other => return Err(format!("--kill {other}: yes or no").into()),
    };
    let wait = Duration::from_secs(arguments.get("wait", 5)?);
    let mut connection = Connection::open(arguments.server()?, arguments.config()?)?;
    establish(&mut connection, &arguments, wait)?;
    let session = connection.session_mut();
    let number = if kill {
        session.kill(cancel.scope)?
    } else {
        session.mass_cancel(&cancel)?
    };
    let count = end_of(&mut connection, number, &arguments, wait)?;
    println!("{count} orders cancelled");
    Ok(())
}

fn wanted(arguments: &Arguments) -> Result<MassCancel, Box<dyn Error>> {
    Ok(MassCancel {
        market: match arguments.text("market") {
            "" => MarketId::ANY,
            _ => arguments.market()?,
        },
        scope: match arguments.text("scope") {
            "" | "session" => Scope::Session,
            "account" => Scope::Account,
            other => return Err(format!("--scope {other}: session or account").into()),
        },
        sides: match arguments.text("side") {
            "" | "both" => Sides::Both,
            "buy" => Sides::Buys,
            "sell" => Sides::Sells,
            other => return Err(format!("--side {other}: buy, sell or both").into()),
        },
        ..MassCancel::OWN
    })
}

fn establish(
    connection: &mut Connection,
    arguments: &Arguments,
    wait: Duration,
) -> Result<(), Box<dyn Error>> {
    let end = Instant::now() + wait;
    while !connection.session().is_established() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(refusal::silent(connection, arguments, wait));
        }
        connection.poll(left)?;
    }
    Ok(())
}

/// How many orders our command `number` cancelled. The first of them are reported in its own frame, the others and the
/// end in frames behind it, so it is the end that is waited for.
fn end_of(
    connection: &mut Connection,
    number: u64,
    arguments: &Arguments,
    wait: Duration,
) -> Result<u64, Box<dyn Error>> {
    let end = Instant::now() + wait;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("no answer to number {number} within {wait:?}").into());
        }
        let Some(Event::Report { message, .. }) = connection.poll(left)? else {
            continue;
        };
        if let Message::MassCanceled(ended) = message
            && ended.request == number
        {
            return Ok(ended.count);
        }
        if let Message::OrderRejected(rejected) = message
            && rejected.stamp.client_seq_no == number
        {
            return Err(refusal::rejected(rejected.reason, arguments));
        }
    }
}
