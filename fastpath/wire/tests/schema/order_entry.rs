//! Order entry.

use crate::xml::{
    Place, camel, check_header, check_messages, check_names, documented_fields, domain_values,
    tags, values,
};
use domain::{
    Flag, Liquidity, OrderType, PostOnly, Reason, Scope, SelfTrade, SelfTradeScope, Side, Sides,
    TimeInForce,
};
use wire::order_entry::{Context, Field, MessageHeader, SCHEMA_ID, Stamp, Template, VERSION};

const SCHEMA: &str = include_str!("../../schema/order-entry.xml");
const DOCUMENT: &str = include_str!("../../../../docs/WIRE.md");

/// Name, offset and size of every field of a block; a stamp is taken apart.
fn layout(fields: &[Field]) -> Vec<Place> {
    fields
        .iter()
        .flat_map(|field| {
            if field.name == "stamp" {
                assert_eq!((field.offset, field.size), (0, size_of::<Stamp>()));
                Stamp::FIELDS
            } else {
                core::slice::from_ref(field)
            }
        })
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
    assert_eq!(MessageHeader::BYTES, 8);
}

#[test]
fn enumerations_are_the_domains() {
    assert_eq!(values(SCHEMA, "Side"), domain_values::<Side>());
    assert_eq!(values(SCHEMA, "OrderType"), domain_values::<OrderType>());
    assert_eq!(
        values(SCHEMA, "TimeInForce"),
        domain_values::<TimeInForce>()
    );
    assert_eq!(values(SCHEMA, "Flag"), domain_values::<Flag>());
    assert_eq!(values(SCHEMA, "Liquidity"), domain_values::<Liquidity>());
    assert_eq!(values(SCHEMA, "PostOnly"), domain_values::<PostOnly>());
    assert_eq!(values(SCHEMA, "SelfTrade"), domain_values::<SelfTrade>());
    assert_eq!(
        values(SCHEMA, "SelfTradeScope"),
        domain_values::<SelfTradeScope>()
    );
    assert_eq!(values(SCHEMA, "Scope"), domain_values::<Scope>());
    assert_eq!(values(SCHEMA, "Sides"), domain_values::<Sides>());
    assert_eq!(values(SCHEMA, "Reason"), domain_values::<Reason>());
    let choice = tags(SCHEMA).into_iter().find(|tag| tag.name == "choice");
    let choice = choice.unwrap();
    assert_eq!(choice.get("name"), "Retransmission");
    let bit: u16 = choice.text.parse().unwrap();
    assert_eq!(Context::RETRANSMISSION, 1 << bit);
}

#[test]
fn the_document_describes_the_structs() {
    let stamp = DOCUMENT
        .split("`stamp` opens every report: `")
        .nth(1)
        .unwrap();
    let stamp = documented_fields(stamp.split('`').next().unwrap());
    let context = DOCUMENT.split("`Context` (1), block 32: `").nth(1).unwrap();
    let context = documented_fields(context.split('`').next().unwrap());
    assert_eq!(context, layout(Template::Context.fields()));
    let mut found = 1;
    for row in DOCUMENT.lines() {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let ["", number, name, "→" | "←", block, text, ""] = cells[..] else {
            continue;
        };
        let number: u16 = number.parse().unwrap();
        let template = Template::try_from(number).unwrap();
        assert_eq!(name, format!("{template:?}"));
        assert_eq!(block, template.block_length().to_string(), "{name}");
        let mut fields = documented_fields(text);
        if text.starts_with("stamp,") {
            fields.splice(0..0, stamp.iter().cloned());
        }
        assert_eq!(fields, layout(template.fields()), "{name}");
        found += 1;
    }
    assert_eq!(found, Template::ALL.len());
}

/// Every code stands in the document's table by number and name, with what it means and an example.
#[test]
fn the_document_lists_every_reason_with_an_example() {
    let (_, table) = DOCUMENT.split_once("## Reason codes").unwrap();
    let mut listed = Vec::new();
    for row in table.lines() {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let Some(code) = cells.get(1).and_then(|code| code.parse::<u16>().ok()) else {
            continue;
        };
        let ["", _, name, meaning, example, ""] = cells[..] else {
            panic!("{row}: code, name, meaning, example");
        };
        assert!(!meaning.is_empty() && !example.is_empty(), "{row}");
        listed.push((name.to_owned(), code));
    }
    let all = domain_values::<Reason>().into_iter();
    let expected: Vec<_> = all.filter(|(_, code)| *code != 0).collect();
    assert_eq!(listed, expected);
}
