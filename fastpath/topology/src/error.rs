//! Why a file was refused.

use std::io;
use std::path::{Path, PathBuf};

/// Why a configuration or genesis file was refused. Every message says where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}; name a file that exists and that this user may read", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The text is no TOML, has a key that does not exist, or a value of another type. The message has
    /// line and column.
    #[error("{origin}: {error}")]
    Syntax {
        /// The file, or what stands for it.
        origin: String,
        /// What the parser said.
        error: Box<toml::de::Error>,
    },
    /// A value is outside its range or does not go with another.
    #[error("{origin}: {key}: {problem}")]
    Invalid {
        /// The file, or what stands for it.
        origin: String,
        /// Which key.
        key: String,
        /// What is wrong and what to do.
        problem: String,
    },
}

/// A key with a value that cannot be, before it is known in which file.
#[derive(Debug)]
pub(crate) struct Invalid {
    key: String,
    problem: String,
}

impl Invalid {
    pub(crate) fn at(self, origin: &str) -> ConfigError {
        ConfigError::Invalid {
            origin: origin.to_owned(),
            key: self.key,
            problem: self.problem,
        }
    }
}

/// Refuses `key` with `problem` unless `holds`.
pub(crate) fn require(
    holds: bool,
    key: impl Into<String>,
    problem: impl Into<String>,
) -> Result<(), Invalid> {
    if holds {
        return Ok(());
    }
    Err(Invalid {
        key: key.into(),
        problem: problem.into(),
    })
}

pub(crate) fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|error| ConfigError::Read {
        path: path.to_owned(),
        error,
    })
}

pub(crate) fn parse<T: serde::de::DeserializeOwned>(
    text: &str,
    origin: &str,
) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| ConfigError::Syntax {
        origin: origin.to_owned(),
        error: Box::new(error),
    })
}
