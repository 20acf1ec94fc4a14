//! Cores that others have published as Rust crates, each used as its own documentation shows.
//!
//! Where one lacks a rule, it is told what the rule would say: an order that must not trade or must be filled whole
//! is not sent if it would be refused. That is work that it is spared.

mod lobster;
mod matchcore;
mod orderbook_rs;

pub use lobster::Lobster;
pub use matchcore::Matchcore;
pub use orderbook_rs::OrderBookRs;

use crate::command::{Workload, place_of};
use crate::oracle::Oracle;
use domain::Side;

/// By command: whether it is taken.
fn verdicts(workload: &Workload) -> Vec<bool> {
    let mut oracle = Oracle::new(workload.symbols);
    let taken = workload.commands.iter();
    taken
        .map(|command| oracle.apply(command).unwrap_or(false))
        .collect()
}

/// By command: the side of the order that it names, or makes.
fn sides(workload: &Workload) -> Vec<Side> {
    let mut known = vec![Side::Buy; place_of(workload.largest_id) + 1];
    let commands = workload.commands.iter();
    commands
        .map(|command| {
            let id = place_of(command.id);
            if let (Some(crate::Op::New), Some(side)) = (command.op(), command.side()) {
                known[id] = side;
            }
            known[id]
        })
        .collect()
}
