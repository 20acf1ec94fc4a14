//! Variables of the environment that stand for keys of the configuration: `SLUICE_SECTION__KEY`.

use crate::config::Config;
use crate::error::Problem;
use crate::keys::{Schema, Shape, nearest, no_such};
use crate::wording::plain;
use serde::Deserialize as _;
use toml::{Table, Value};

/// What their names begin with.
const PREFIX: &str = "SLUICE_";

/// A key that the environment sets.
#[derive(Debug)]
pub(crate) struct Override {
    /// Its section; none at the top of the file.
    pub(crate) section: Option<&'static str>,
    pub(crate) key: &'static str,
    pub(crate) value: Value,
    /// The variable's name.
    pub(crate) variable: String,
}

/// The variables of this process.
pub(crate) fn of_process() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| {
            // Not ours, whatever they are, if their names are no text.
            let name = name.into_string().ok()?;
            Some((name, value.to_string_lossy().into_owned()))
        })
        .collect()
}

/// What the variables of the environment say; those without the prefix are not ours.
pub(crate) fn overrides(
    variables: &[(String, String)],
    schema: &Schema,
) -> Result<Vec<Override>, Vec<Problem>> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    let mut ours: Vec<_> = variables
        .iter()
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    ours.sort();
    for (name, text) in ours {
        match one(name, text, schema) {
            Ok(one) => found.push(one),
            Err((key, problem)) => problems.push(Problem {
                place: format!("environment variable {name}"),
                key,
                problem,
            }),
        }
    }
    if problems.is_empty() {
        Ok(found)
    } else {
        Err(problems)
    }
}

fn one(variable: &str, text: &str, schema: &Schema) -> Result<Override, (String, String)> {
    let (section, key) = find(variable, schema)?;
    let name = section.map_or(key.to_owned(), |section| format!("{section}.{key}"));
    // A text need not be quoted here: what is no TOML value, or one of the wrong type, is a text.
    let typed: Option<Value> = toml::from_str::<Table>(&format!("value = {text}"))
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"));
    let candidates = typed.into_iter().chain([Value::String(text.to_owned())]);
    let mut refusal = None;
    for value in candidates {
        match try_out(section, key, &value) {
            Ok(()) => {
                return Ok(Override {
                    section,
                    key,
                    value,
                    variable: variable.to_owned(),
                });
            }
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    Err((name, refusal.unwrap_or_default()))
}

fn find(
    variable: &str,
    schema: &Schema,
) -> Result<(Option<&'static str>, &'static str), (String, String)> {
    let name = variable[PREFIX.len()..].to_ascii_lowercase();
    let nameless = |problem| Err((String::new(), problem));
    let Some((section, key)) = name.split_once("__") else {
        return match schema.get_key_value(name.as_str()) {
            Some((key, Shape::Value)) => Ok((None, key)),
            Some((section, Shape::Tables(_))) => nameless(may_repeat(section)),
            Some((_, Shape::Table(_))) | None => nameless(format!(
                "names no key: write {PREFIX}SECTION__KEY with two underscores between, or unset it{}",
                meant(&name, schema)
            )),
        };
    };
    let sections: Vec<&str> = schema
        .iter()
        .filter(|(_, shape)| matches!(shape, Shape::Table(_)))
        .map(|(section, _)| *section)
        .collect();
    match schema.get_key_value(section) {
        Some((section, Shape::Table(keys))) => match keys.iter().find(|known| **known == key) {
            Some(key) => Ok((Some(section), key)),
            None => Err((format!("{section}.{key}"), no_such(key, keys))),
        },
        Some((section, Shape::Tables(_))) => nameless(may_repeat(section)),
        Some((_, Shape::Value)) | None => nameless(format!(
            "section {section}: {}",
            no_such(section, &sections)
        )),
    }
}

fn may_repeat(section: &str) -> String {
    format!(
        "names [[{section}]], which may stand several times: write it in the file, and unset this"
    )
}

/// The variable that was probably meant, if one is near.
fn meant(name: &str, schema: &Schema) -> String {
    let names: Vec<String> = schema
        .iter()
        .flat_map(|(top, shape)| match shape {
            Shape::Value => vec![(*top).to_owned()],
            Shape::Table(keys) => keys.iter().map(|key| format!("{top}__{key}")).collect(),
            Shape::Tables(_) => Vec::new(),
        })
        .collect();
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    nearest(name, &known).map_or_else(String::new, |name| {
        format!("; did you mean {PREFIX}{}?", name.to_ascii_uppercase())
    })
}

/// Whether the key takes the value, all else as it is by itself.
fn try_out(section: Option<&str>, key: &str, value: &Value) -> Result<(), String> {
    let mut table = Table::from_iter([(key.to_owned(), value.clone())]);
    if let Some(section) = section {
        table = Table::from_iter([(section.to_owned(), Value::Table(table))]);
    }
    Config::deserialize(table)
        .map(|_| ())
        .map_err(|error| plain(error.message()))
}
