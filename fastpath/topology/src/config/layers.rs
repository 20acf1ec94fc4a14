//! Where each value comes from: the shipped defaults, the profile's, the file, the environment; the later wins.

use super::{Config, DEFAULT_CONFIG, Profile};
use crate::environment::{self, Override};
use crate::error::{self, ConfigError, FileKind, Problem, Text};
use crate::keys::{self, Schema, Shape};
use crate::wording::plain;
use serde::Deserialize as _;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use toml::de::{DeTable, DeValue, Deserializer};
use toml::{Spanned, Table, Value};

/// A checked configuration, and where its values come from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Every key that is set, in the order of the shipped file's sections.
    pub keys: Vec<Key>,
}

/// A key that is set.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Its section; empty at the top of the file.
    pub section: String,
    /// Its name; `core` stands for all `[[core]]`s.
    pub name: String,
    /// What it says.
    pub value: Value,
    /// Who says so.
    pub origin: Origin,
}

/// Who says what a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody: it is the default.
    Default,
    /// The profile's default.
    Profile(Profile),
    /// The file, at a place in it.
    File(String),
    /// The variable of this name.
    Environment(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Profile(profile) => write!(f, "profile {}", profile.name()),
            Self::File(place) => f.write_str(place),
            Self::Environment(variable) => write!(f, "environment variable {variable}"),
        }
    }
}

/// Section and key.
type Name = (String, String);
/// What is said of each key, and by whom.
type Said = BTreeMap<Name, (Value, Origin)>;

/// The keys of a configuration.
pub(crate) fn schema() -> Schema {
    let section = |name| {
        let keys = match name {
            "instance" => keys::of::<super::Instance>(),
            "memory" => keys::of::<super::Memory>(),
            "port" => keys::of::<super::Port>(),
            "feed" => keys::of::<super::Feed>(),
            "core" => return Shape::Tables(keys::of::<super::Core>()),
            "limits" => keys::of::<super::Limits>(),
            "engine" => keys::of::<super::Engine>(),
            "archive" => keys::of::<super::Archive>(),
            "snapshots" => keys::of::<super::Snapshots>(),
            "slowpath" => keys::of::<super::Slowpath>(),
            "store" => keys::of::<super::Store>(),
            "gateway" => keys::of::<super::Gateway>(),
            "log" => keys::of::<super::Log>(),
            "metrics" => keys::of::<super::Metrics>(),
            _ => return Shape::Value,
        };
        Shape::Table(keys)
    };
    let top = keys::of::<Config>();
    top.iter().map(|name| (*name, section(*name))).collect()
}

/// Every key that a configuration may have, as `section.key`; one without a section begins with the dot.
#[must_use]
pub fn every_key() -> Vec<String> {
    let keys = schema().into_iter().flat_map(|(top, shape)| match shape {
        Shape::Value => vec![format!(".{top}")],
        Shape::Table(keys) | Shape::Tables(keys) => {
            keys.iter().map(|key| format!("{top}.{key}")).collect()
        }
    });
    keys.collect()
}

impl Loaded {
    /// Reads and checks a file and this process's environment.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = error::read(path, FileKind::Configuration)?;
        let origin = path.display().to_string();
        Self::read(&text, &origin, &environment::of_process(), Some(path))
    }

    /// Parses and checks a text that is called `origin`, in an environment of these variables.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that was found.
    pub fn parse(
        text: &str,
        origin: &str,
        variables: &[(String, String)],
    ) -> Result<Self, ConfigError> {
        Self::read(text, origin, variables, None)
    }

    /// The same of the file at a path, if it is one's.
    fn read(
        text: &str,
        origin: &str,
        variables: &[(String, String)],
        path: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let text = Text { text, origin };
        let schema = schema();
        let overrides = environment::overrides(variables, &schema);
        let document = keys::parse(text, &schema).and_then(|document| typed(document, text));
        let (document, overrides) = match (document, overrides) {
            (Ok(document), Ok(overrides)) => (document, overrides),
            (document, overrides) => {
                let found = document.err().into_iter().chain(overrides.err());
                return Err(ConfigError::Refused(found.flatten().collect()));
            }
        };
        let from_file = said_in(document.get_ref(), text);
        let profile = profile(&from_file, &overrides);
        let mut said = said_by_us(DEFAULT_CONFIG, &Origin::Default);
        said.extend(said_by_us(profile.defaults(), &Origin::Profile(profile)));
        said.extend(from_file);
        said.extend(overrides.into_iter().map(|one| {
            let name = (
                one.section.unwrap_or_default().to_owned(),
                one.key.to_owned(),
            );
            (name, (one.value, Origin::Environment(one.variable)))
        }));
        let mut config = Config::deserialize(merged(&said)).map_err(|error| {
            ConfigError::Refused(vec![text.problem(None, "", plain(error.message()))])
        })?;
        let mut findings = config.check();
        if let Some(path) = path {
            let folder = path.parent().unwrap_or(Path::new(""));
            folder.clone_into(&mut config.folder);
            config.check_folders(&mut findings);
            config.check_store_file(path, &mut findings);
        }
        let findings = findings.0;
        if findings.is_empty() {
            let keys = listed(said);
            return Ok(Self { config, keys });
        }
        let problems = findings.into_iter().map(|invalid| {
            let place = place_of(&invalid.key, &said, document.get_ref(), text);
            invalid.at(&place)
        });
        Err(ConfigError::Refused(problems.collect()))
    }
}

/// Refuses values of the wrong type: all of them, because one that was refused is left out and the rest looked at.
fn typed<'t>(
    document: Spanned<DeTable<'t>>,
    text: Text<'_>,
) -> Result<Spanned<DeTable<'t>>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut rest = document.clone();
    while let Err(error) = Config::deserialize(Deserializer::from(rest.clone())) {
        let at = error.span().map(|span| span.start);
        let left_out = at.and_then(|at| leave_out(rest.get_mut(), at));
        let key = left_out.clone().unwrap_or_default();
        problems.push((at, text.problem(at, key, plain(error.message()))));
        if left_out.is_none() {
            break;
        }
    }
    if problems.is_empty() {
        return Ok(document);
    }
    // They were found in the order of names.
    problems.sort_by_key(|(at, _)| *at);
    Err(problems.into_iter().map(|(_, problem)| problem).collect())
}

/// Removes the key whose value stands at an offset; gives its name.
fn leave_out(document: &mut DeTable<'_>, at: usize) -> Option<String> {
    let mut found = None;
    for (name, value) in document.iter() {
        let top: &str = name.get_ref();
        if let DeValue::Table(section) = value.get_ref() {
            let inner = section.iter().find(|(_, value)| value.span().contains(&at));
            if let Some((key, _)) = inner {
                let key: &str = key.get_ref();
                found = Some((top.to_owned(), Some(key.to_owned())));
                break;
            }
        }
        if value.span().contains(&at) {
            found = Some((top.to_owned(), None));
        }
    }
    let (top, inner) = found?;
    match inner {
        Some(key) => {
            if let Some(value) = document.get_mut(top.as_str())
                && let DeValue::Table(section) = value.get_mut()
            {
                section.remove(key.as_str());
            }
            Some(format!("{top}.{key}"))
        }
        None => {
            // Of several tables of one name it is not told here which: all of them go.
            document.remove(top.as_str());
            Some(top)
        }
    }
}

/// What the file says, each key with its place.
fn said_in(document: &DeTable<'_>, text: Text<'_>) -> Said {
    let mut said = Said::new();
    let origin = |key: &Spanned<_>| Origin::File(text.place(Some(span_start(key))));
    let values: Table = toml::from_str(text.text).unwrap_or_default();
    for (key, value) in document {
        let top: &str = key.get_ref();
        match (value.get_ref(), values.get(top)) {
            (DeValue::Table(section), Some(Value::Table(values))) => {
                for name in section.keys() {
                    let inner: &str = name.get_ref();
                    if let Some(value) = values.get(inner) {
                        let name_of = (top.to_owned(), inner.to_owned());
                        said.insert(name_of, (value.clone(), origin(name)));
                    }
                }
            }
            (_, Some(value)) => {
                let name_of = (String::new(), top.to_owned());
                said.insert(name_of, (value.clone(), origin(key)));
            }
            (_, None) => {}
        }
    }
    said
}

fn span_start<T>(spanned: &Spanned<T>) -> usize {
    spanned.span().start
}

/// What a text of ours says.
fn said_by_us(text: &str, origin: &Origin) -> Said {
    let values: Table = toml::from_str(text).unwrap_or_default();
    let mut said = Said::new();
    for (top, value) in values {
        if let Value::Table(section) = value {
            for (key, value) in section {
                said.insert((top.clone(), key), (value, origin.clone()));
            }
        } else {
            said.insert((String::new(), top), (value, origin.clone()));
        }
    }
    said
}

fn profile(from_file: &Said, overrides: &[Override]) -> Profile {
    let name = (String::new(), "profile".to_owned());
    let overridden = overrides
        .iter()
        .find(|one| one.section.is_none() && one.key == "profile")
        .map(|one| &one.value);
    let value = overridden.or_else(|| from_file.get(&name).map(|(value, _)| value));
    value
        .and_then(Value::as_str)
        .and_then(Profile::named)
        .unwrap_or_default()
}

fn merged(said: &Said) -> Table {
    let mut table = Table::new();
    for ((section, key), (value, _)) in said {
        if section.is_empty() {
            table.insert(key.clone(), value.clone());
        } else if let Value::Table(section) = table
            .entry(section.clone())
            .or_insert_with(|| Value::Table(Table::new()))
        {
            section.insert(key.clone(), value.clone());
        }
    }
    table
}

fn listed(said: Said) -> Vec<Key> {
    let order = keys::of::<Config>();
    let mut keys: Vec<Key> = said
        .into_iter()
        .map(|((section, name), (value, origin))| Key {
            section,
            name,
            value,
            origin,
        })
        .collect();
    keys.sort_by_key(|key| {
        // At the top of a file sections end the keys that have none; `[[core]]` is a section here.
        let named = match key.section.as_str() {
            "" if key.name != "core" => return 0,
            "" => key.name.as_str(),
            section => section,
        };
        1 + order.iter().position(|top| *top == named).unwrap_or(0)
    });
    keys
}

/// Where a value that cannot be comes from, or where it is missing.
fn place_of(key: &str, said: &Said, document: &DeTable<'_>, text: Text<'_>) -> String {
    let (section, name) = key.split_once('.').unwrap_or(("", key));
    let by_name = |section: &str, name: &str| said.get(&(section.to_owned(), name.to_owned()));
    let own = by_name(section, name).or_else(|| by_name("", section));
    match own {
        Some((_, origin @ Origin::File(_))) if section != "core" => origin.to_string(),
        Some((_, origin @ (Origin::Environment(_) | Origin::Profile(_)))) => origin.to_string(),
        // The default, beside another key that does not go with it: the section's place.
        _ => {
            let header = document
                .iter()
                .find(|(name, _)| *name.get_ref() == section)
                .map(|(name, _)| span_start(name));
            text.place(header)
        }
    }
}
