//! Profiles: what an instance is for decides the defaults of some keys, and what is refused.

use super::{Config, DEFAULT_CONFIG, Registration};
use crate::error::Findings;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What an instance is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// A machine of one's own.
    #[default]
    Development,
    /// As in production, but nothing is at stake.
    Staging,
    /// Funds are real.
    Production,
}

impl Profile {
    /// All.
    pub const ALL: [Self; 3] = [Self::Development, Self::Staging, Self::Production];

    /// As in the file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// Its defaults where they are others than those of development, as a file: keys that stand in a file or in
    /// the environment win.
    #[must_use]
    pub fn defaults(self) -> &'static str {
        match self {
            Self::Development => "",
            Self::Staging => include_str!("../../defaults/staging.toml"),
            Self::Production => include_str!("../../defaults/production.toml"),
        }
    }
}

impl Profile {
    /// The shipped file, with this profile and its defaults instead of development's.
    #[must_use]
    pub fn file(self) -> String {
        let mut changes: BTreeMap<(String, &str), &str> = BTreeMap::new();
        let mut section = String::new();
        for line in self.defaults().lines() {
            match line.split_once(" = ") {
                Some((key, _)) => {
                    changes.insert((section.clone(), key), line);
                }
                None => line.clone_into(&mut section),
            }
        }
        let mut section = String::new();
        let mut text = String::new();
        for line in DEFAULT_CONFIG.lines() {
            if line.starts_with('[') {
                line.clone_into(&mut section);
            }
            let key = line.split_once(" = ").map_or(line, |(key, _)| key);
            let change = changes.get(&(section.clone(), key));
            text.push_str(change.unwrap_or(&line));
            text.push('\n');
        }
        text
    }
}

impl Config {
    /// What no key may say where funds are real.
    pub(super) fn check_profile(&self, found: &mut Findings) {
        if self.profile != Profile::Production {
            return;
        }
        let gateway = &self.gateway;
        found.require(
            !gateway.faucet,
            "gateway.faucet",
            "profile production has no test funds: set it to false, or use profile staging",
        );
        found.require(
            gateway.registration == Registration::Closed,
            "gateway.registration",
            "profile production lets in only whom the operator has given an account: set it to \"closed\", or use \
             profile staging",
        );
        found.require(
            !self.metrics.bind.ip().to_canonical().is_unspecified(),
            "metrics.bind",
            format!(
                "{} is every address of the machine, and whoever reaches it reads without a token: name loopback or \
                 the address of the network of operators",
                self.metrics.bind
            ),
        );
    }
}
