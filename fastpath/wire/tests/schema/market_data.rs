//! Market data.

use crate::xml::{
    Place, camel, check_header, check_messages, check_names, documented_fields, domain_values,
    values,
};
use domain::{MarketState, Phase, Side};
use wire::market_data::{Field, HEADER_BYTES, SCHEMA_ID, Stamp, Template, VERSION};

const SCHEMA: &str = include_str!("../../schema/market-data.xml");
const DOCUMENT: &str = include_str!("../../../../docs/FEED.md");

/// Name, offset and size of every field of a block; its stamp is taken apart.
fn layout(fields: &[Field]) -> Vec<Place> {
    let (stamp, own) = fields.split_first().unwrap();
    assert_eq!(
        (stamp.name, stamp.offset, stamp.size),
        ("stamp", 0, size_of::<Stamp>())
    );
    Stamp::FIELDS
        .iter()
        .chain(own)
        .map(|field| (camel(field.name), field.offset, field.size))
        .collect()
}

#[test]
fn the_schema_describes_the_structs() {
    let structs: Vec<_> = Template::ALL
        .iter()
        .map(|template| {
            (
                format!("{template:?}"),
                usize::from(template.number()),
                template.block_length(),
                layout(template.fields()),
            )
        })
        .collect();
    check_messages(SCHEMA, &structs);
    check_header(SCHEMA, SCHEMA_ID, VERSION);
    check_names(SCHEMA);
    assert_eq!(values(SCHEMA, "Side"), domain_values::<Side>());
    assert_eq!(values(SCHEMA, "Phase"), domain_values::<Phase>());
    assert_eq!(
        values(SCHEMA, "MarketState"),
        domain_values::<MarketState>()
    );
}

#[test]
fn the_document_describes_the_structs() {
    let stamp = DOCUMENT
        .split("`stamp` opens every message: `")
        .nth(1)
        .unwrap();
    let stamp = documented_fields(stamp.split('`').next().unwrap());
    let mut found = 0;
    for row in DOCUMENT.lines() {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let ["", number, name, block, text, ""] = cells[..] else {
            continue;
        };
        let Ok(number) = number.parse::<u16>() else {
            continue;
        };
        let template = Template::try_from(number).unwrap();
        assert_eq!(name, format!("{template:?}"));
        assert_eq!(block, template.block_length().to_string(), "{name}");
        let own = documented_fields(text.strip_prefix("stamp, ").unwrap());
        let fields = [&stamp[..], &own].concat();
        assert_eq!(fields, layout(template.fields()), "{name}");
        found += 1;
    }
    assert_eq!(found, Template::ALL.len());
    assert!(
        DOCUMENT.contains(&format!("| {HEADER_BYTES} | | count times")),
        "where the messages begin"
    );
}
