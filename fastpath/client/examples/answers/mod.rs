//! What the exchange answers to one message after the other.

use crate::arguments::Arguments;
use crate::refusal;
use client::{Connection, Event};
use std::error::Error;
use std::time::{Duration, Instant};
use wire::order_entry::Message;

/// Established, and all earlier reports taken in.
pub(crate) fn wait_until_up_to_date(
    connection: &mut Connection,
    arguments: &Arguments,
    wait: Duration,
) -> Result<(), Box<dyn Error>> {
    let end = Instant::now() + wait;
    let mut issued = None;
    while issued.is_none_or(|next| connection.session().next_report_no() < next) {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(match issued {
                None => refusal::silent(connection, arguments, wait),
                Some(_) => {
                    "established, but earlier reports do not arrive: try a longer --wait".into()
                }
            });
        }
        if let Some(Event::Established { next_report_no, .. }) = connection.poll(left)? {
            issued = Some(next_report_no);
        }
    }
    Ok(())
}

/// The first report that our command `number` caused, or one that says that it will never apply.
pub(crate) fn answer(
    connection: &mut Connection,
    number: u64,
    wait: Duration,
) -> Result<(Message, Duration), Box<dyn Error>> {
    let started = Instant::now();
    loop {
        let left = wait.saturating_sub(started.elapsed());
        if left.is_zero() {
            let trouble = connection.trouble();
            let trouble = trouble.map_or(String::new(), |kind| format!(": {kind}"));
            return Err(format!("no answer to number {number} within {wait:?}{trouble}").into());
        }
        let Some(Event::Report { message, .. }) = connection.poll(left)? else {
            continue;
        };
        let skipped = matches!(&message, Message::NotApplied(report)
            if (report.from_seq_no..report.from_seq_no + report.count).contains(&number));
        let caused = !matches!(message, Message::NotApplied(_))
            && message
                .stamp()
                .is_some_and(|stamp| stamp.client_seq_no == number);
        if skipped || caused {
            return Ok((message, started.elapsed()));
        }
    }
}

/// Why an answer is not the one that was waited for.
pub(crate) fn describe(message: &Message, arguments: &Arguments) -> Box<dyn Error> {
    if let Message::OrderRejected(rejected) = message {
        return refusal::rejected(rejected.reason, arguments);
    }
    if let Message::OrderCanceled(canceled) = message {
        return format!("the order is gone: {}", refusal::reason(canceled.reason)).into();
    }
    if let Message::NotApplied(_) = message {
        return "our number was skipped: does another process use this session?".into();
    }
    let template = message.template_id();
    format!("an answer with template {template} was not expected").into()
}
