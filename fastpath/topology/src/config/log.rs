//! Section `[log]`: what the processes tell their operator, and how.

use crate::error::Findings;
use serde::Deserialize;

/// Section `[log]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// How a line is written.
    pub format: LogFormat,
    /// What the slowpath says: a level, and levels of targets, as in `info,gateway=debug`.
    pub level: String,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object of JSON a line.
    Json,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: "info".into(),
        }
    }
}

impl Log {
    pub(super) fn check(&self, found: &mut Findings) {
        if let Err(problem) = check_level(&self.level) {
            found.require(false, "log.level", problem);
        }
    }
}

/// Who says something, as the first part of a target: ours, and those of others that trace.
const TARGETS: [&str; 6] = ["slowpath", "gateway", "axum", "h2", "sqlx", "tower"];

/// Whether a text is a level, or a list of levels and of levels of targets.
///
/// # Errors
/// What is wrong with it and what to write.
pub fn check_level(text: &str) -> Result<(), String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    for directive in text.split(',') {
        let (target, level) = directive.split_once('=').unwrap_or(("any", directive));
        let is_target = !target.is_empty()
            && target
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_:".contains(&byte));
        if !is_target || !LEVELS.contains(&level) {
            return Err(format!(
                "{directive:?} is no level: use one of {}, or levels of targets as in info,gateway=debug",
                LEVELS.join(", ")
            ));
        }
        let part = target.split("::").next().unwrap_or_default();
        if directive != level && !TARGETS.contains(&part) {
            return Err(format!(
                "nobody is called {target:?}: use one of {}, or a part of one as in slowpath::metrics",
                TARGETS.join(", ")
            ));
        }
    }
    Ok(())
}
