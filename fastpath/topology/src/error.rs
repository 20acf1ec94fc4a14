//! Why a file was refused.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a configuration or genesis file was refused. Every message says where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}; {}", path.display(), kind.remedy(path, error))]
    Read {
        /// What it should be.
        kind: FileKind,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// What is in it cannot be: everything that was found, one a line.
    #[error("{}", lines(.0))]
    Refused(Vec<Problem>),
}

/// What a file should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// The configuration.
    Configuration,
    /// What a shard starts with.
    Genesis,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configuration => "configuration file",
            Self::Genesis => "genesis file",
        })
    }
}

impl FileKind {
    fn remedy(self, path: &Path, error: &io::Error) -> String {
        let path = path.display();
        if error.kind() == io::ErrorKind::InvalidData {
            return format!("it is no text: name a {self} (TOML)");
        }
        if error.kind() != io::ErrorKind::NotFound {
            return format!("name a {self} that this user may read");
        }
        match self {
            Self::Configuration => {
                format!(
                    "`sluice config default > {path}` writes one, or name another with --config"
                )
            }
            Self::Genesis => format!(
                "`sluice config default --genesis > {path}` writes one, or name another with the key genesis of the \
                 configuration"
            ),
        }
    }
}

impl ConfigError {
    /// What was found, at least one.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        match self {
            Self::Read { .. } => vec![self.to_string()],
            Self::Refused(problems) => problems.iter().map(Problem::to_string).collect(),
        }
    }
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}

/// One thing that cannot be: where, which key, what is wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file with line and column, an environment variable, or the profile.
    pub place: String,
    /// Which key.
    pub key: String,
    /// What is wrong and what to do.
    pub problem: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            place,
            key,
            problem,
        } = self;
        if key.is_empty() {
            return write!(f, "{place}: {problem}");
        }
        write!(f, "{place}: {key}: {problem}")
    }
}

/// A key with a value that cannot be, before it is known where it stands.
#[derive(Debug)]
pub(crate) struct Invalid {
    pub(crate) key: String,
    pub(crate) problem: String,
}

impl Invalid {
    pub(crate) fn at(self, place: &str) -> Problem {
        Problem {
            place: place.to_owned(),
            key: self.key,
            problem: self.problem,
        }
    }
}

/// All that was found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings(pub(crate) Vec<Invalid>);

impl Findings {
    /// Refuses `key` with `problem` unless `holds`.
    pub(crate) fn require(
        &mut self,
        holds: bool,
        key: impl Into<String>,
        problem: impl Into<String>,
    ) {
        self.0.extend(require(holds, key, problem).err());
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

pub(crate) fn read(path: &Path, kind: FileKind) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|error| ConfigError::Read {
        kind,
        path: path.to_owned(),
        error,
    })
}

/// A text and what it is called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'t> {
    pub(crate) text: &'t str,
    pub(crate) origin: &'t str,
}

impl Text<'_> {
    /// A place in it: the origin with line and column, or the origin alone.
    pub(crate) fn place(self, offset: Option<usize>) -> String {
        let Some(before) = offset.and_then(|offset| self.text.get(..offset)) else {
            return self.origin.to_owned();
        };
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        format!("{}: line {line}, column {column}", self.origin)
    }

    pub(crate) fn problem(
        self,
        offset: Option<usize>,
        key: impl Into<String>,
        problem: impl Into<String>,
    ) -> Problem {
        Problem {
            place: self.place(offset),
            key: key.into(),
            problem: problem.into(),
        }
    }

    /// What the parser refused. It names a key if that is what it points at.
    pub(crate) fn syntax(self, error: &toml::de::Error) -> Problem {
        let span = error.span();
        let pointed = span.clone().and_then(|span| self.text.get(span));
        let is_key = |text: &&str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        };
        let key = pointed.filter(is_key).unwrap_or_default();
        self.problem(span.map(|span| span.start), key, error.message())
    }
}
