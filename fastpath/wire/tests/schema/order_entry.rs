//! Order entry.

use crate::xml::{
    Place, camel, check_header, check_messages, check_names, composite, documented_fields,
    domain_values, entry_length, tags, values,
};
use domain::{
    Flag, Liquidity, OrderType, PostOnly, Reason, Scope, SelfTrade, SelfTradeScope, Side, Sides,
    TimeInForce,
};
use wire::order_entry::{
    Became, Context, Field, GroupSize, MAX_QUOTES, MessageHeader, QuoteEntry, SCHEMA_ID, Stamp,
    Template, VERSION,
};

const SCHEMA: &str = include_str!("../../schema/order-entry.xml");
const DOCUMENT: &str = include_str!("../../../../docs/WIRE.md");

/// Name, offset and size of every field of a block; a stamp is taken apart, and a quote, whose fields count from its
/// start.
fn layout(fields: &[Field]) -> Vec<Place> {
    fields
        .iter()
        .flat_map(|field| {
            if field.name == "stamp" {
                assert_eq!((field.offset, field.size), (0, size_of::<Stamp>()));
                Stamp::FIELDS
            } else if field.name == "quote" && field.size == size_of::<QuoteEntry>() {
                QuoteEntry::FIELDS
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
    let group = GroupSize::FIELDS.iter().map(|field| camel(field.name));
    assert!(group.eq(composite(SCHEMA, "groupSize", "uint32")));
    assert_eq!(entry_length(SCHEMA), size_of::<QuoteEntry>());
}

/// The document's table has what is in the block; the group has a sentence of its own.
#[test]
fn the_document_describes_the_group() {
    let group = |before: &str| {
        let text = DOCUMENT.split(before).nth(1).unwrap();
        documented_fields(text.split('`').next().unwrap())
    };
    let size = group("the group `quotes` opens with `");
    assert_eq!(size, layout(GroupSize::FIELDS));
    let entry = group(&format!("1 to {MAX_QUOTES} entries, each `"));
    assert_eq!(entry, layout(QuoteEntry::FIELDS));
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
    assert_eq!(values(SCHEMA, "Became"), domain_values::<Became>());
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
        let block = layout(template.fields()).into_iter();
        let block = block.take_while(|(_, offset, _)| *offset < template.block_length());
        assert!(block.eq(fields), "{name}");
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
