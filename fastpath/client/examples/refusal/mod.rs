//! Why the exchange did not do what it was asked, as far as a client can tell, and what to check.

use crate::arguments::Arguments;
use client::Connection;
use domain::Reason;
use std::error::Error;
use std::io::ErrorKind;
use std::time::Duration;

/// Nothing was heard for `waited` since the first Hello.
pub(crate) fn silent(
    connection: &Connection,
    arguments: &Arguments,
    waited: Duration,
) -> Box<dyn Error> {
    let server = arguments.text("server");
    let text = match connection.trouble() {
        Some(ErrorKind::ConnectionRefused) => format!(
            "nothing listens on {server}: check --server against `bind` under [port] in the exchange's \
             configuration, and that its fastpath runs (`sluice status`)"
        ),
        Some(other) => format!(
            "{server} cannot be reached, {other}: check --server and the routes of this machine"
        ),
        None => {
            let (session, secret) = (arguments.text("session"), arguments.text("secret"));
            format!(
                "no answer from {server} within {waited:?}. An exchange answers neither a session that it \
                 does not have nor a datagram that is not signed with the session's secret: check --session \
                 {session} against the genesis file, and --secret {secret} against what `sluice \
                 session-secret --session {session}` prints. `sluice status` tells which it is: one of the \
                 counters unknown_session and wrong_mac grows. If neither does, nothing arrives: check \
                 --server, and firewalls for UDP"
            )
        }
    };
    text.into()
}

/// An order was rejected with this reason code.
pub(crate) fn rejected(code: u16, arguments: &Arguments) -> Box<dyn Error> {
    let text = match Reason::try_from(code) {
        Ok(Reason::UnknownMarket) => format!(
            "rejected: the exchange has no market {}: check --market against the [[market]] entries of its \
             genesis file",
            arguments.text("market")
        ),
        Ok(Reason::CancelOnly) => {
            "rejected: after a restart the exchange takes cancels only for some seconds: try again"
                .to_owned()
        }
        Ok(_) | Err(_) => format!("rejected: {}; docs/WIRE.md lists the reasons", reason(code)),
    };
    text.into()
}

/// A reason code as people read it.
pub(crate) fn reason(code: u16) -> String {
    match Reason::try_from(code) {
        Ok(reason) => reason.to_string(),
        Err(unknown) => unknown.to_string(),
    }
}
