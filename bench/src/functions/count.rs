//! Instructions of a subject, as callgrind counts them, held to the bounds of `bench/instructions.toml`.
//!
//! The program runs itself under valgrind, which counts only within the function [`TOGGLE`] names. The count of
//! a build is the same on every run and on a busy machine as on a quiet one; another compiler, C library or
//! architecture counts differently, so each architecture has bounds of its own.

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Entry;
use crate::programs::workspace_root;

/// The function within which is counted, as callgrind names it.
pub const TOGGLE: &str = "*functions*measured*";
/// Operations under callgrind: enough that what is done once does not show.
const OPERATIONS: u64 = 10_000;
/// A bound is this much above what was measured, in percent.
const SLACK: u64 = 5;

/// The bounds of an architecture.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    /// The compiler with which they were measured.
    rustc: String,
    /// By subject.
    subjects: BTreeMap<String, Bound>,
}

/// Instructions of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bound {
    /// When the bound was written.
    measured: u64,
    /// At most so many.
    bound: u64,
}

impl Bound {
    fn above(measured: u64) -> Self {
        Self {
            measured,
            bound: measured + (measured * SLACK).div_ceil(100),
        }
    }
}

/// Counts the subjects that are counted; writes their bounds, or holds them to those that are there.
///
/// # Errors
/// If valgrind is missing, or a bound is broken or missing.
pub(super) fn run(chosen: &[&Entry], update: bool) -> Result<String> {
    let mut counted = BTreeMap::new();
    for entry in chosen.iter().filter(|entry| entry.is_counted) {
        counted.insert(entry.name.to_owned(), count(entry.name)?);
    }
    let path = workspace_root()?.join("bench/instructions.toml");
    let mut bounds = read(&path)?;
    let architecture = std::env::consts::ARCH;
    if update {
        let rustc = rustc()?;
        let own = bounds
            .entry(architecture.to_owned())
            .or_insert_with(|| Bounds {
                rustc: String::new(),
                subjects: BTreeMap::new(),
            });
        own.rustc = rustc;
        for (name, instructions) in &counted {
            own.subjects
                .insert(name.clone(), Bound::above(*instructions));
        }
        std::fs::write(&path, written(&bounds)?)?;
    }
    let own = bounds.get(architecture).with_context(|| {
        format!(
            "{} has no bounds for {architecture}: measure them there with\n    \
             cargo run --release --bin bench -- functions --count --update",
            path.display()
        )
    })?;
    let file = format!(
        "{} {}, [{architecture}], measured with rustc {}",
        if update {
            "bounds written to"
        } else {
            "bounds of"
        },
        path.display(),
        own.rustc
    );
    let held = hold(&counted, own).with_context(|| file.clone())?;
    Ok(format!("{file}:\n{held}"))
}

/// What was counted beside its bounds.
fn hold(counted: &BTreeMap<String, u64>, bounds: &Bounds) -> Result<String> {
    let mut text = format!(
        "{:<16} {:>12} {:>10} {:>8}\n",
        "subject", "instructions", "measured", "bound"
    );
    let mut broken = Vec::new();
    for (name, instructions) in counted {
        let Some(Bound { measured, bound }) = bounds.subjects.get(name) else {
            broken.push(format!("{name} has no bound"));
            continue;
        };
        writeln!(
            text,
            "{name:<16} {instructions:>12} {measured:>10} {bound:>8}"
        )?;
        if instructions > bound {
            let above = (instructions - measured) * 100 / measured.max(&1);
            broken.push(format!(
                "{name} takes {instructions} instructions, {above} % above the {measured} measured; its bound is {bound}"
            ));
        }
    }
    if broken.is_empty() {
        return Ok(text);
    }
    bail!(
        "{text}\n{}\nThe bounds were measured with rustc {}. Find what the hot path does now that it did not; if that is \
         meant, write new bounds and say why in the commit:\n    \
         cargo run --release --bin bench -- functions --count --update",
        broken.join("\n"),
        bounds.rustc
    );
}

/// Instructions of one operation of a subject, rounded.
fn count(subject: &str) -> Result<u64> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("callgrind");
    let program = std::env::current_exe().context("where this program is")?;
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={TOGGLE}"))
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(&program)
        .args(["functions", subject, "--once", &OPERATIONS.to_string()])
        .output()
        .context("start valgrind (Debian package valgrind)")?;
    ensure!(
        run.status.success(),
        "valgrind ended with {}: {}",
        run.status,
        String::from_utf8_lossy(&run.stderr)
    );
    let found = total(&std::fs::read_to_string(&out)?).context("callgrind's file has no total")?;
    // Far below what the loop alone takes: the toggle named no function.
    ensure!(
        found >= OPERATIONS,
        "callgrind counted {found} instructions of {OPERATIONS} operations of {subject}: it finds no function {TOGGLE:?} \
         in {}; was it stripped?",
        program.display()
    );
    Ok((found + OPERATIONS / 2) / OPERATIONS)
}

/// The total of a callgrind file.
fn total(file: &str) -> Option<u64> {
    let mut lines = file.lines();
    let total = lines.find_map(|line| {
        line.strip_prefix("totals:")
            .or_else(|| line.strip_prefix("summary:"))
    })?;
    total.split_whitespace().next()?.parse().ok()
}

fn read(path: &Path) -> Result<BTreeMap<String, Bounds>> {
    match std::fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text).with_context(|| path.display().to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error).context(PathBuf::from(path).display().to_string()),
    }
}

fn written(bounds: &BTreeMap<String, Bounds>) -> Result<String> {
    let mut text = "# Instructions of one operation of each subject of `bench functions`, in the release build, as callgrind counts\n\
         # them, and the bounds to which `cargo xtask test` holds them. Written by `bench functions --count --update`.\n"
        .to_owned();
    for (architecture, Bounds { rustc, subjects }) in bounds {
        writeln!(
            text,
            "\n[{architecture}]\nrustc = \"{rustc}\"\n\n[{architecture}.subjects]"
        )?;
        for (name, Bound { measured, bound }) in subjects {
            writeln!(
                text,
                "{name} = {{ measured = {measured}, bound = {bound} }}"
            )?;
        }
    }
    Ok(text)
}

fn rustc() -> Result<String> {
    let out = Command::new("rustc")
        .arg("--version")
        .output()
        .context("start rustc")?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    Ok(text
        .split_whitespace()
        .nth(1)
        .unwrap_or("unknown")
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds() -> Bounds {
        let subjects = [
            ("a".to_owned(), Bound::above(100)),
            ("b".to_owned(), Bound::above(7)),
        ];
        Bounds {
            rustc: "1.95.0".into(),
            subjects: subjects.into(),
        }
    }

    #[test]
    fn what_is_above_its_bound_is_named_with_what_to_do() {
        let counted = |a, b| BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), b)]);
        assert!(hold(&counted(105, 8), &bounds()).is_ok());
        let error = hold(&counted(106, 7), &bounds())
            .expect_err("above")
            .to_string();
        assert!(
            error
                .contains("a takes 106 instructions, 6 % above the 100 measured; its bound is 105"),
            "{error}"
        );
        assert!(
            error.contains("functions --count --update") && !error.contains("b takes"),
            "{error}"
        );
        let more = BTreeMap::from([("c".to_owned(), 1)]);
        let error = hold(&more, &bounds()).expect_err("unknown").to_string();
        assert!(error.contains("c has no bound"), "{error}");
    }

    #[test]
    fn bounds_survive_their_file() {
        let all = BTreeMap::from([("x86_64".to_owned(), bounds())]);
        let read: BTreeMap<String, Bounds> =
            toml::from_str(&written(&all).expect("text")).expect("TOML");
        assert_eq!(read, all);
    }

    #[test]
    fn the_shipped_bounds_name_every_subject() {
        let path = workspace_root()
            .expect("here")
            .join("bench/instructions.toml");
        for (architecture, bounds) in read(&path).expect("readable") {
            for entry in super::super::ENTRIES
                .iter()
                .filter(|entry| entry.is_counted)
            {
                let bound = bounds.subjects.get(entry.name);
                let bound = bound.unwrap_or_else(|| panic!("{} of {architecture}", entry.name));
                assert!(
                    bound.bound >= bound.measured && bound.bound <= bound.measured * 11 / 10 + 1
                );
            }
        }
    }

    #[test]
    fn the_total_of_a_callgrind_file_is_found() {
        assert_eq!(total("events: Ir\nsummary: 2100\n"), Some(2_100));
        assert_eq!(total("fn=(1) x\n12 3\n\ntotals: 77\n"), Some(77));
        assert_eq!(total("events: Ir\n"), None);
    }
}
