//! Reads a schema and a document's table, as far as ours need it.

use std::collections::BTreeMap;
use zerocopy::TryFromBytes;

/// Name, offset and size of a field.
pub(crate) type Place = (String, usize, usize);
/// Name, number, block length and fields of a message.
pub(crate) type Layout = (String, usize, usize, Vec<Place>);

/// A start tag, its attributes and the text that follows it.
#[derive(Debug)]
pub(crate) struct Tag {
    pub(crate) name: String,
    attributes: BTreeMap<String, String>,
    pub(crate) text: String,
}

impl Tag {
    pub(crate) fn get(&self, attribute: &str) -> &str {
        self.attributes
            .get(attribute)
            .unwrap_or_else(|| panic!("{self:?} has no {attribute}"))
    }

    pub(crate) fn number(&self, attribute: &str) -> usize {
        self.get(attribute).parse().unwrap()
    }
}

/// Start tags of an XML document without CDATA, entities, or `>` and `=` in attributes: enough for
/// ours, and anything else in it fails a test below.
pub(crate) fn tags(mut xml: &str) -> Vec<Tag> {
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
        "uint8" | "char" => 1,
        "uint16" => 2,
        "uint32" => 4,
        "uint64" | "int64" => 8,
        other => panic!("{other} is not used in this schema"),
    }
}

/// Sizes of the declared types, sets and enumerations.
fn type_sizes(schema: &str) -> BTreeMap<String, usize> {
    tags(schema)
        .iter()
        .filter_map(|tag| {
            let primitive = match tag.name.as_str() {
                "type" => tag.get("primitiveType"),
                "set" | "enum" => tag.get("encodingType"),
                _ => return None,
            };
            let length = tag.attributes.get("length");
            let length: usize = length.map_or(1, |length| length.parse().unwrap());
            Some((
                tag.get("name").to_owned(),
                primitive_size(primitive) * length,
            ))
        })
        .collect()
}

/// The names and values of an enumeration.
pub(crate) fn values(schema: &str, enumeration: &str) -> Vec<(String, u16)> {
    tags(schema)
        .iter()
        .skip_while(|tag| !(tag.name == "enum" && tag.get("name") == enumeration))
        .skip(1)
        .take_while(|tag| tag.name == "validValue")
        .map(|tag| (tag.get("name").to_owned(), tag.text.parse().unwrap()))
        .collect()
}

pub(crate) fn camel(snake: &str) -> String {
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

pub(crate) fn domain_values<T: TryFromBytes + core::fmt::Debug>() -> Vec<(String, u16)> {
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

/// `name type @offset, …`, as the document's table has it.
pub(crate) fn documented_fields(text: &str) -> Vec<Place> {
    let mut words = text
        .split_whitespace()
        .map(|word| word.trim_matches([',', '`', '.']));
    let mut fields = Vec::new();
    let mut last = [""; 2];
    for word in &mut words {
        if let Some(offset) = word.strip_prefix('@') {
            let bytes = match last[1].strip_prefix("char") {
                Some(letters) => letters.parse().unwrap(),
                None => last[1][1..].parse::<usize>().unwrap() / 8,
            };
            fields.push((last[0].to_owned(), offset.parse().unwrap(), bytes));
        }
        last = [last[1], word];
    }
    fields
}

/// Bytes of what opens a group.
const GROUP_SIZE: usize = 8;

/// Every message of the schema, a group behind its fields as one field and then those of an entry; checks on the way that its fields are numbered and typed.
fn messages(schema: &str) -> Vec<Layout> {
    let sizes = type_sizes(schema);
    let mut messages: Vec<Layout> = Vec::new();
    for tag in &tags(schema) {
        if tag.name == "sbe:message" {
            messages.push((
                tag.get("name").to_owned(),
                tag.number("id"),
                tag.number("blockLength"),
                Vec::new(),
            ));
        } else if tag.name == "group" {
            let (_, _, length, fields) = messages.last_mut().expect("groups stand in messages");
            assert_eq!(tag.number("id"), fields.len() + 1, "{tag:?}");
            assert_eq!(tag.get("dimensionType"), "groupSize");
            fields.push((tag.get("name").to_owned(), *length, GROUP_SIZE));
        } else if tag.name == "field" {
            let fields = &mut messages.last_mut().expect("fields stand in messages").3;
            let size = sizes.get(tag.get("type"));
            let size = *size.unwrap_or_else(|| panic!("{tag:?} must name a declared type"));
            assert_eq!(tag.number("id"), fields.len() + 1, "{tag:?}");
            fields.push((tag.get("name").to_owned(), tag.number("offset"), size));
        }
    }
    messages
}

/// The schema describes the structs, and neither has gaps.
pub(crate) fn check_messages(schema: &str, structs: &[Layout]) {
    assert_eq!(messages(schema), structs);
    for (message, _, length, fields) in structs {
        let mut end = 0;
        let mut length = *length;
        for (name, offset, size) in fields {
            if *offset == 0 && end > 0 {
                // The fields of an entry count from its start.
                assert_eq!(end, length + GROUP_SIZE, "{message}");
                (end, length) = (0, entry_length(schema));
            }
            assert_eq!(*offset, end, "{message}.{name}");
            assert_eq!(offset % size, 0, "{message}.{name} is aligned");
            end = offset + size;
        }
        assert_eq!(end, length, "{message}");
    }
}

/// The bytes of an entry of the schema's only group.
pub(crate) fn entry_length(schema: &str) -> usize {
    let tags = tags(schema);
    let mut groups = tags.iter().filter(|tag| tag.name == "group");
    let length = groups.next().expect("a group").number("blockLength");
    assert!(groups.next().is_none(), "one group");
    length
}

/// The names of a composite's types, each of which is of this primitive type.
pub(crate) fn composite(schema: &str, name: &str, primitive: &str) -> Vec<String> {
    let tags = tags(schema);
    let types = tags
        .iter()
        .skip_while(|tag| !(tag.name == "composite" && tag.get("name") == name))
        .skip(1)
        .take_while(|tag| tag.name == "type" && tag.get("name").starts_with(char::is_lowercase));
    types
        .map(|tag| {
            assert_eq!(tag.get("primitiveType"), primitive, "{tag:?}");
            tag.get("name").to_owned()
        })
        .collect()
}

/// Namespace, byte order, id, version and header are what our structs have.
pub(crate) fn check_header(xml: &str, id: u16, version: u16) {
    let tags = tags(xml);
    let schema = tags.iter().find(|tag| tag.name == "sbe:messageSchema");
    let schema = schema.unwrap();
    assert_eq!(
        schema.get("xmlns:sbe"),
        "http://fixprotocol.io/2016/sbe",
        "the namespace of SBE 1.0"
    );
    assert_eq!(schema.get("byteOrder"), "littleEndian");
    assert_eq!(schema.number("id"), usize::from(id));
    assert_eq!(schema.number("version"), usize::from(version));
    assert_eq!(
        composite(xml, "messageHeader", "uint16"),
        ["blockLength", "templateId", "schemaId", "version"]
    );
}

/// Every name is declared once, and everything is described.
pub(crate) fn check_names(schema: &str) {
    let mut names = Vec::new();
    for tag in tags(schema) {
        match tag.name.as_str() {
            "group" => {
                tag.get("description");
            }
            "set" | "enum" | "sbe:message" => {
                names.push(tag.get("name").to_owned());
                tag.get("description");
            }
            "validValue" | "choice" => {
                tag.get("description");
            }
            // The parts of a composite are its own.
            "type" if tag.get("name").starts_with(char::is_lowercase) => {}
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
