//! `sluice config`.

use crate::{Instance, validate_config};
use anyhow::Result;
use clap::{Args, Subcommand};
use std::io;
use std::process::ExitCode;
use topology::{Key, Loaded, Profile};

/// `sluice config …`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Default(DefaultFile),
    Show(Show),
    /// The same as `sluice validate-config`.
    Check(validate_config::Arguments),
}

/// Prints the configuration that is shipped: every key with its default and what it means.
///
/// A file of your own needs only what differs, and stays shorter than this one. A profile decides the defaults of some
/// keys; here they stand as it decides them.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  sluice config default --profile production > sluice.toml
  sluice config default --genesis > genesis.toml

Exit codes:
  0  printed

Next: edit both, `sluice validate-config --config sluice.toml`, then `sluice start`.")]
pub(crate) struct DefaultFile {
    /// The genesis file instead: assets, markets, accounts, sessions, deposits.
    #[arg(long, conflicts_with = "profile")]
    genesis: bool,

    /// What the instance is for: development, staging or production.
    #[arg(long, value_name = "PROFILE", default_value = "development",
        value_parser = clap::builder::PossibleValuesParser::new(Profile::ALL.map(Profile::name)))]
    profile: String,
}

/// Prints the configuration that is in force, and where each value comes from.
///
/// The environment (SLUICE_SECTION__KEY) wins over the file, the file over the profile's defaults, these over the
/// shipped defaults. What is printed is a configuration itself. Keys without a value are not printed; the password of
/// an address is not shown.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  sluice config show --config sluice.toml
  SLUICE_PORT__BURST=64 sluice config show       with what a variable changes

Exit codes:
  0  printed
  1  the configuration is not valid; everything that is wrong is said

Next: `sluice config default` says what each key means.")]
pub(crate) struct Show {
    #[command(flatten)]
    instance: Instance,
}

/// Does it.
pub(crate) fn run(command: &Command, out: &mut impl io::Write) -> Result<ExitCode> {
    match command {
        Command::Default(file) if file.genesis => {
            write!(out, "{}", topology::DEFAULT_GENESIS)?;
        }
        Command::Default(file) => {
            let profile = Profile::named(&file.profile).unwrap_or_default();
            write!(out, "{}", profile.file())?;
        }
        Command::Show(show) => {
            let loaded = Loaded::load(&show.instance.config)?;
            print(&loaded.keys, out)?;
        }
        Command::Check(arguments) => return validate_config::run(arguments, out),
    }
    Ok(ExitCode::SUCCESS)
}

fn print(keys: &[Key], out: &mut impl io::Write) -> io::Result<()> {
    let mut section = "";
    for key in keys {
        if key.section != section && !key.section.is_empty() {
            section = &key.section;
            writeln!(out, "\n[{section}]")?;
        }
        let origin = &key.origin;
        let tables = key.value.as_array().filter(|_| key.name == "core");
        let Some(tables) = tables else {
            let text = without_password(&key.value.to_string());
            writeln!(out, "{:<44} # {origin}", format!("{} = {text}", key.name))?;
            continue;
        };
        section = "core";
        writeln!(out, "\n# {origin}")?;
        for table in tables.iter().filter_map(toml::Value::as_table) {
            writeln!(out, "[[core]]")?;
            for (name, value) in table {
                writeln!(out, "{name} = {value}")?;
            }
        }
    }
    Ok(())
}

/// `postgres://user:…@host` without what nobody else should see.
fn without_password(text: &str) -> String {
    let (text, options) = match text.split_once('?') {
        Some((address, _)) if text.contains("://") => (address, "?…\""),
        _ => (text, ""),
    };
    let hidden = || {
        let (scheme, rest) = text.split_once("://")?;
        let (user, rest) = rest.rsplit_once('@')?;
        let (user, _) = user.split_once(':')?;
        Some(format!("{scheme}://{user}:…@{rest}"))
    };
    hidden().unwrap_or_else(|| text.to_owned()) + options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let shown = without_password("\"postgres://u:p@ss:word@h/d\"");
        assert_eq!(shown, "\"postgres://u:…@h/d\"");
        let shown = without_password("\"postgres://u:p@h/d?password=x\"");
        assert_eq!(shown, "\"postgres://u:…@h/d?…\"");
        for text in ["\"postgres://u@h/d\"", "\"sqlite:a\"", "7"] {
            assert_eq!(without_password(text), text);
        }
    }
}
