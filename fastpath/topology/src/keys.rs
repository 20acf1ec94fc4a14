//! Which keys a file may have, read off the types that it is parsed into, and what to say of others.

use crate::error::{Problem, Text};
use serde::de::value::Error as Nothing;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What stands behind a key at the top of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A value.
    Value,
    /// A section, `[key]`, with these keys.
    Table(&'static [&'static str]),
    /// Any number of sections, `[[key]]`, each with these keys.
    Tables(&'static [&'static str]),
}

impl Shape {
    pub(crate) fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Value => &[],
            Self::Table(keys) | Self::Tables(keys) => keys,
        }
    }
}

/// The keys at the top of a file.
pub(crate) type Schema = BTreeMap<&'static str, Shape>;

/// The keys of a section that is parsed into `T`.
pub(crate) fn of<T: DeserializeOwned>() -> &'static [&'static str] {
    struct Ask<'a>(&'a mut &'static [&'static str]);
    impl<'de> Deserializer<'de> for Ask<'_> {
        type Error = Nothing;
        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Nothing> {
            Err(Nothing::custom("no struct"))
        }
        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Nothing> {
            *self.0 = fields;
            Err(Nothing::custom("its fields were all that was asked for"))
        }
        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }
    let mut fields: &'static [&'static str] = &[];
    // It always fails, behind the names.
    let _asked = T::deserialize(Ask(&mut fields));
    fields
}

/// Parses a text and refuses keys that `schema` does not have, each by name and line.
pub(crate) fn parse<'t>(
    text: Text<'t>,
    schema: &Schema,
) -> Result<Spanned<DeTable<'t>>, Vec<Problem>> {
    let (document, errors) = DeTable::parse_recoverable(text.text);
    if !errors.is_empty() {
        return Err(errors.iter().map(|error| text.syntax(error)).collect());
    }
    let problems = unknown(document.get_ref(), text, schema);
    if problems.is_empty() {
        Ok(document)
    } else {
        Err(problems)
    }
}

fn unknown(document: &DeTable<'_>, text: Text<'_>, schema: &Schema) -> Vec<Problem> {
    let mut problems = Vec::new();
    let top: Vec<&str> = schema.keys().copied().collect();
    for (key, value) in document {
        let name: &str = key.get_ref();
        let Some(shape) = schema.get(name) else {
            // Written a level too high, it is known further down.
            let home = schema
                .iter()
                .find(|(_, shape)| shape.keys().contains(&name));
            let problem = match home {
                Some((section, _)) => {
                    format!(
                        "there is no such key here, but in section {section}: write it under [{section}]"
                    )
                }
                None => no_such(name, &top),
            };
            let at = key.span().start;
            problems.push((at, text.problem(Some(at), name, problem)));
            continue;
        };
        let sections: Vec<&DeTable<'_>> = match (shape, value.get_ref()) {
            (Shape::Table(_), DeValue::Table(table)) => vec![table],
            (Shape::Tables(_), DeValue::Array(array)) => array
                .iter()
                .filter_map(|entry| entry.get_ref().as_table())
                .collect(),
            // Of the wrong type: the types say so.
            _ => Vec::new(),
        };
        for inner in sections.iter().flat_map(|section| section.keys()) {
            let inner_name: &str = inner.get_ref();
            if !shape.keys().contains(&inner_name) {
                let problem = no_such(inner_name, shape.keys());
                let name = format!("{name}.{inner_name}");
                let at = inner.span().start;
                problems.push((at, text.problem(Some(at), name, problem)));
            }
        }
    }
    // They were found in the order of names.
    problems.sort_by_key(|(at, _)| *at);
    problems.into_iter().map(|(_, problem)| problem).collect()
}

/// What to say of a name that is none of `known`.
pub(crate) fn no_such(name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(nearest) => format!("there is no such key; did you mean `{nearest}`?"),
        None => format!("there is no such key; there are {}", known.join(", ")),
    }
}

/// The one of `known` that somebody who wrote `name` probably meant.
pub(crate) fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    known
        .iter()
        .map(|known| (distance(name, known), *known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
        .min()
        .map(|(_, known)| known)
}

/// How many letters must be changed, added, removed or swapped with their neighbour to make `b` of `a`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (rows[i - 1][j] + 1)
                .min(row[j - 1] + 1)
                .min(rows[i - 1][j - 1] + changed);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_key_that_was_meant() {
        let known = ["burst", "bind", "backend", "recv_buffer_kib"];
        let meant = |name| nearest(name, &known);
        assert_eq!(meant("brust"), Some("burst"));
        assert_eq!(meant("bid"), Some("bind"));
        assert_eq!(meant("recv_bufer_kb"), Some("recv_buffer_kib"));
        assert_eq!(meant("colour"), None);
        assert_eq!(distance("ab", "ba"), 1, "a swap is one slip");
        assert_eq!(distance("", "abc"), 3);
    }
}
