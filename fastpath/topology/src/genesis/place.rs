//! Where in a genesis file the thing stands that a refusal names.

use crate::error::Text;
use crate::keys::{self, Schema, Shape};
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The keys of a genesis file.
pub(super) fn schema() -> Schema {
    BTreeMap::from([
        ("capacity", Shape::Table(keys::of::<super::Capacity>())),
        ("asset", Shape::Tables(keys::of::<super::Asset>())),
        ("market", Shape::Tables(keys::of::<super::Market>())),
        ("tier", Shape::Tables(keys::of::<super::Tier>())),
        ("fees", Shape::Tables(keys::of::<super::Fees>())),
        ("account", Shape::Tables(keys::of::<super::Account>())),
        ("session", Shape::Tables(keys::of::<super::Session>())),
        ("deposit", Shape::Tables(keys::of::<super::Deposit>())),
    ])
}

/// The place of `capacity.max_orders`, of `market 3, quote`, which is the last one with this id, or of
/// `deposit 2, amount`, which is the second.
pub(super) fn of(key: &str, document: &DeTable<'_>, text: Text<'_>) -> String {
    let at = match key.split_once(", ") {
        Some((which, field)) => in_tables(which, field, document),
        None => {
            let (section, field) = key.split_once('.').unwrap_or((key, ""));
            let table = named(document, section);
            table.and_then(|(at, value)| Some(in_table(value.as_table()?, field).unwrap_or(at)))
        }
    };
    text.place(at)
}

fn in_tables(which: &str, field: &str, document: &DeTable<'_>) -> Option<usize> {
    let (table, number) = which.split_once(' ')?;
    let (_, entries) = named(document, table)?;
    let entries = entries.as_array()?;
    // These have no id: they are counted.
    let entry: &Spanned<DeValue<'_>> = if matches!(table, "deposit" | "fees") {
        let index: usize = number.parse().ok()?;
        entries.get(index.checked_sub(1)?)?
    } else {
        let is_it = |entry: &&Spanned<DeValue<'_>>| {
            let id = entry
                .get_ref()
                .as_table()
                .and_then(|entry| named(entry, "id"));
            id.and_then(|(_, id)| id.as_integer())
                .is_some_and(|id| id.as_str() == number)
        };
        entries.iter().rev().find(is_it)?
    };
    let found = entry
        .get_ref()
        .as_table()
        .and_then(|entry| in_table(entry, field));
    Some(found.unwrap_or(entry.span().start))
}

fn in_table(table: &DeTable<'_>, field: &str) -> Option<usize> {
    named(table, field).map(|(at, _)| at)
}

/// Where a key stands, and what it says.
fn named<'d>(table: &'d DeTable<'_>, name: &str) -> Option<(usize, &'d DeValue<'d>)> {
    table
        .iter()
        .find(|(key, _)| *key.get_ref() == name)
        .map(|(key, value)| (key.span().start, value.get_ref()))
}
