//! The process's log: text or JSON on standard output, at levels that change while it runs.
//!
//! Data: the level in force. Owner: the supervisor's thread, which looks at the file that `sluice log-level`
//! writes; no signal and no gateway is needed for it.

use crate::console::{TARGET, now};
use anyhow::{Context as _, Result};
use domain::Utc;
use std::cell::RefCell;
use std::fmt;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use topology::{Config, LineHead, LogFormat, check_level};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry, reload};

/// Longest level that is read from the file, in bytes.
const LONGEST: usize = 4096;

static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// Whether lines are JSON: false before [`begin`].
#[must_use]
pub fn is_json() -> bool {
    FORMAT.get() == Some(&LogFormat::Json)
}

/// The level, which may change.
pub struct Levels {
    handle: reload::Handle<Targets, Registry>,
    configured: String,
    file: PathBuf,
    /// What the file said at the last look.
    seen: RefCell<Option<String>>,
}

/// Begins to write what the process says, as `[log]` says.
///
/// # Errors
/// If it was begun before, or the level is none.
pub fn begin(config: &Config) -> Result<Levels> {
    let configured = config.log.level.clone();
    let (filter, handle) = reload::Layer::new(targets(&configured)?);
    let lines = match config.log.format {
        LogFormat::Text => tracing_subscriber::fmt::layer()
            .event_format(Text)
            .with_ansi(false)
            .log_internal_errors(false)
            .boxed(),
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .log_internal_errors(false)
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init()
        .context("begin the log")?;
    let _first = FORMAT.set(config.log.format);
    end_with_any_thread();
    let levels = Levels {
        handle,
        configured,
        file: config.log_level_file(),
        seen: RefCell::new(None),
    };
    levels.look();
    Ok(levels)
}

/// What a file of the state folder says; nothing if it is none, or says more than a level can.
fn read(path: &Path) -> Option<String> {
    // A pipe would be waited for, and the process's heartbeat with it.
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    let longest = LONGEST as u64 + 1;
    File::open(path)
        .ok()?
        .take(longest)
        .read_to_string(&mut text)
        .ok()?;
    (text.len() <= LONGEST).then(|| text.trim().to_owned())
}

/// A thread that panics takes the process with it, in whatever way it was built: none of them can be missed, and
/// half a step of the shadow engine is nothing to answer from.
fn end_with_any_thread() {
    let for_people = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if is_json() {
            // Else a panic would be the one thing that is no JSON.
            tracing::error!(target: TARGET, "alarm: a thread panicked: {panic}");
        } else {
            for_people(panic);
        }
        std::process::abort();
    }));
}

fn targets(level: &str) -> Result<Targets> {
    check_level(level).map_err(anyhow::Error::msg)?;
    level.parse().context("understand the level of the log")
}

impl Levels {
    /// Takes over the level that `sluice log-level` has left, or the configured one again if it is gone.
    pub fn look(&self) {
        let now = read(&self.file);
        if *self.seen.borrow() == now {
            return;
        }
        let level = now.as_deref().unwrap_or(&self.configured);
        let changed = targets(level).and_then(|targets| Ok(self.handle.reload(targets)?));
        match changed {
            Ok(()) => tracing::warn!(
                target: TARGET,
                "log level is {level}{}",
                if now.is_some() {
                    ", by `sluice log-level`"
                } else {
                    " again, as configured"
                }
            ),
            Err(error) => tracing::warn!(
                target: TARGET,
                "warning: {} is left aside: {error:#}",
                self.file.display()
            ),
        }
        *self.seen.borrow_mut() = now;
    }
}

/// Behind the line's head what the process itself says follows as it is, `alarm:` first; what others say has level,
/// target and spans before it.
struct Text;

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let (time, program) = (Utc(now()), TARGET);
        write!(writer, "{}", LineHead { time, program })?;
        if metadata.target() != TARGET {
            let level = metadata.level().as_str().to_ascii_lowercase();
            write!(writer, "{level} {}: ", metadata.target())?;
            for span in context
                .event_scope()
                .into_iter()
                .flat_map(tracing_subscriber::registry::Scope::from_root)
            {
                let extensions = span.extensions();
                let fields = extensions.get::<tracing_subscriber::fmt::FormattedFields<N>>();
                let fields = fields.map_or("", |fields| fields.as_str());
                write!(writer, "{}{{{fields}}}: ", span.name())?;
            }
        }
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
