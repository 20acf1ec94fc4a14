//! The schema, the document and the structs say the same about every byte.

#![cfg(test)]

use domain::{Flag, Liquidity, OrderType, Reason, Side, TimeInForce};
use std::collections::BTreeMap;
use wire::order_entry::{Context, Field, MessageHeader, Stamp, Template};
use zerocopy::TryFromBytes;

const SCHEMA: &str = include_str!("../schema/order-entry.xml");
const DOCUMENT: &str = include_str!("../../../docs/WIRE.md");

/// A start tag, its attributes and the text that follows it.
#[derive(Debug)]
struct Tag {
    name: String,
    attributes: BTreeMap<String, String>,
    text: String,
}

impl Tag {
    fn get(&self, attribute: &str) -> &str {
        self.attributes
            .get(attribute)
            .unwrap_or_else(|| panic!("{self:?} has no {attribute}"))
    }

    fn number(&self, attribute: &str) -> usize {
        self.get(attribute).parse().unwrap()
    }
}

/// Start tags of an XML document without CDATA, entities, or `>` and `=` in attributes: enough for
/// ours, and anything else in it fails a test below.
fn tags(mut xml: &str) -> Vec<Tag> {
    while let Some((before, rest)) = xml.split_once("<!--") {
        assert_eq!(before.matches("<!--").count(), 0);
        let (_, after) = rest.split_once("-->").unwrap();
        if before.trim_end().ends_with("?>") {
            xml = after;
        } else {
            panic!("a comment is allowed at the head of the schema only");
        }
    }
    xml.split('<')
        .skip(1)
        .filter(|tag| !tag.starts_with('/'))
        .map(|tag| {
            let (inside, text) = tag.split_once('>').unwrap();
            let inside = inside.trim_end_matches('/');
            let (name, mut rest) = inside
                .split_once(char::is_whitespace)
                .unwrap_or((inside, ""));
            let mut attributes = BTreeMap::new();
            while let Some((key, value)) = rest.trim_start().split_once("=\"") {
                let (value, after) = value.split_once('"').unwrap();
                let old = attributes.insert(key.to_owned(), value.to_owned());
                assert!(old.is_none(), "{key} twice in {tag}");
                rest = after;
            }
            Tag {
                name: name.to_owned(),
                attributes,
                text: text.trim().to_owned(),
            }
        })
        .collect()
}

fn primitive_size(primitive: &str) -> usize {
    match primitive {
        "uint8" => 1,
        "uint16" => 2,
        "uint32" => 4,
        "uint64" | "int64" => 8,
        other => panic!("{other} is not used in this schema"),
    }
}

/// Sizes of the declared types, sets and enumerations.
fn type_sizes() -> BTreeMap<String, usize> {
    tags(SCHEMA)
        .iter()
        .filter_map(|tag| {
            let primitive = match tag.name.as_str() {
                "type" => tag.get("primitiveType"),
                "set" | "enum" => tag.get("encodingType"),
                _ => return None,
            };
            Some((tag.get("name").to_owned(), primitive_size(primitive)))
        })
        .collect()
}

/// The names and values of an enumeration.
fn values(enumeration: &str) -> Vec<(String, u16)> {
    tags(SCHEMA)
        .iter()
        .skip_while(|tag| !(tag.name == "enum" && tag.get("name") == enumeration))
        .skip(1)
        .take_while(|tag| tag.name == "validValue")
        .map(|tag| (tag.get("name").to_owned(), tag.text.parse().unwrap()))
        .collect()
}

fn camel(snake: &str) -> String {
    let mut name = String::new();
    let mut upper = false;
    for letter in snake.chars() {
        if letter == '_' {
            upper = true;
        } else {
            name.push(if upper {
                letter.to_ascii_uppercase()
            } else {
                letter
            });
            upper = false;
        }
    }
    name
}

/// Name, offset and size of every field of a block; a stamp is taken apart.
fn layout(fields: &[Field]) -> Vec<(String, usize, usize)> {
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
    let sizes = type_sizes();
    let mut messages: Vec<(&str, usize, usize, Vec<_>)> = Vec::new();
    let tags = tags(SCHEMA);
    for tag in &tags {
        if tag.name == "sbe:message" {
            messages.push((
                tag.get("name"),
                tag.number("id"),
                tag.number("blockLength"),
                Vec::new(),
            ));
        } else if tag.name == "field" {
            let fields = &mut messages.last_mut().expect("fields stand in messages").3;
            let size = sizes.get(tag.get("type"));
            let size = *size.unwrap_or_else(|| panic!("{tag:?} must name a declared type"));
            assert_eq!(tag.number("id"), fields.len() + 1, "{tag:?}");
            fields.push((tag.get("name").to_owned(), tag.number("offset"), size));
        }
    }
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
    assert_eq!(messages.len(), structs.len());
    for (message, block) in messages.into_iter().zip(structs) {
        assert_eq!(
            (message.0, message.1, message.2),
            (block.0.as_str(), block.1, block.2)
        );
        assert_eq!(message.3, block.3, "{}", block.0);
    }
}

#[test]
fn blocks_have_no_gaps() {
    for template in Template::ALL {
        let mut end = 0;
        for (name, offset, size) in layout(template.fields()) {
            assert_eq!(offset, end, "{template:?}.{name}");
            assert_eq!(offset % size, 0, "{template:?}.{name} is aligned");
            end = offset + size;
        }
        assert_eq!(end, template.block_length(), "{template:?}");
    }
}

#[test]
fn the_header_is_the_schemas() {
    let tags = tags(SCHEMA);
    let schema = tags.iter().find(|tag| tag.name == "sbe:messageSchema");
    let schema = schema.unwrap();
    assert_eq!(
        schema.get("xmlns:sbe"),
        "http://fixprotocol.io/2016/sbe",
        "the namespace of SBE 1.0"
    );
    assert_eq!(schema.get("byteOrder"), "littleEndian");
    assert_eq!(schema.number("id"), usize::from(MessageHeader::SCHEMA_ID));
    assert_eq!(
        schema.number("version"),
        usize::from(MessageHeader::VERSION)
    );
    let header: Vec<_> = tags
        .iter()
        .skip_while(|tag| tag.name != "composite")
        .skip(1)
        .take(4)
        .map(|tag| (tag.get("name"), tag.get("primitiveType")))
        .collect();
    assert_eq!(
        header,
        ["blockLength", "templateId", "schemaId", "version"].map(|name| (name, "uint16"))
    );
    assert_eq!(MessageHeader::BYTES, 8);
}

#[test]
fn every_name_is_declared_once_and_everything_is_described() {
    let mut names = Vec::new();
    for tag in tags(SCHEMA) {
        match tag.name.as_str() {
            "set" | "enum" | "sbe:message" => {
                names.push(tag.get("name").to_owned());
                tag.get("description");
            }
            "validValue" | "choice" => {
                tag.get("description");
            }
            "type" => names.push(tag.get("name").to_owned()),
            "?xml" | "types" | "composite" | "field" | "sbe:messageSchema" => {}
            other => panic!("the schema does without <{other}>"),
        }
    }
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}

fn domain_values<T: TryFromBytes + core::fmt::Debug>() -> Vec<(String, u16)> {
    (0..=u16::MAX)
        .filter_map(|value| {
            let bytes = value.to_le_bytes();
            if size_of::<T>() == 1 && bytes[1] != 0 {
                return None;
            }
            let name = T::try_read_from_bytes(&bytes[..size_of::<T>()]).ok()?;
            Some((format!("{name:?}"), value))
        })
        .collect()
}

#[test]
fn enumerations_are_the_domains() {
    assert_eq!(values("Side"), domain_values::<Side>());
    assert_eq!(values("OrderType"), domain_values::<OrderType>());
    assert_eq!(values("TimeInForce"), domain_values::<TimeInForce>());
    assert_eq!(values("Flag"), domain_values::<Flag>());
    assert_eq!(values("Liquidity"), domain_values::<Liquidity>());
    assert_eq!(values("Reason"), domain_values::<Reason>());
    let choice = tags(SCHEMA).into_iter().find(|tag| tag.name == "choice");
    let choice = choice.unwrap();
    assert_eq!(choice.get("name"), "Retransmission");
    let bit: u16 = choice.text.parse().unwrap();
    assert_eq!(Context::RETRANSMISSION, 1 << bit);
}

/// `name type @offset, …`, as the document's table has it.
fn documented_fields(text: &str) -> Vec<(String, usize, usize)> {
    let mut words = text
        .split_whitespace()
        .map(|word| word.trim_matches([',', '`', '.']));
    let mut fields = Vec::new();
    let mut last = [""; 2];
    for word in &mut words {
        if let Some(offset) = word.strip_prefix('@') {
            let bits: usize = last[1][1..].parse().unwrap();
            fields.push((last[0].to_owned(), offset.parse().unwrap(), bits / 8));
        }
        last = [last[1], word];
    }
    fields
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

#[test]
fn the_document_lists_the_reasons_that_sessions_see() {
    let seen: Vec<(u16, String)> = DOCUMENT
        .split("## Reason codes")
        .nth(1)
        .unwrap()
        .lines()
        .filter_map(|row| {
            let mut cells = row.split('|').map(str::trim).skip(1);
            let code = cells.next()?.parse().ok()?;
            Some((code, cells.next()?.to_owned()))
        })
        .collect();
    let expected: Vec<(u16, String)> = domain_values::<Reason>()
        .into_iter()
        .filter(|(_, code)| *code != 0 && !(100..200).contains(code))
        .map(|(name, code)| (code, name))
        .collect();
    assert_eq!(seen, expected);
}
