//! `cargo xtask test`: every test of the project, from one command.
//!
//! It prints first what will run and what each check needs, installs what is missing where it may
//! (as root on Debian), and names each check that it has to skip with the command that enables it.
//! With `CI=true` in the environment a skipped check is a failure.

use anyhow::{Context as _, Result, bail, ensure};
use bench::programs::{self, workspace_root};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::choice;

/// Something that a check needs and that a machine with Rust and a C compiler may not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// A program of a Debian package.
    Program {
        name: &'static str,
        package: &'static str,
    },
    /// A cargo subcommand of a crate.
    CargoTool {
        name: &'static str,
        version: &'static str,
    },
    /// The standard library of another target.
    Target(&'static str),
    /// The right to capture what goes over loopback.
    Root,
}

const STRACE: Need = Need::package("strace");
const PYTHON: Need = Need::package("python3");
const OPENSSL: Need = Need::package("openssl");
const VENV: Need = Need::package("python3-venv");
/// SQLite is C, and comes with its source. (The package brings the C compiler and the headers.)
const AARCH64_CC: Need = Need::Program {
    name: "aarch64-linux-gnu-gcc",
    package: "g++-aarch64-linux-gnu",
};
/// The programs are not in the path: it is the folder of the server that counts.
const POSTGRES: Need = Need::package("postgresql");
const TSHARK: Need = Need::package("tshark");
const VALGRIND: Need = Need::package("valgrind");
const DENY: Need = Need::CargoTool {
    name: "cargo-deny",
    version: "0.20.2",
};

struct Check {
    name: &'static str,
    shows: &'static str,
    needs: &'static [Need],
    run: fn(&Path) -> Result<()>,
}

const CHECKS: &[Check] = &[
    Check {
        name: "tests",
        shows: "unit, property, mutation and layer tests of every crate",
        needs: &[],
        run: |root| cargo(root, &["test", "--workspace", "--quiet"], &[]),
    },
    Check {
        name: "loom",
        shows: "every interleaving of the shared-memory algorithms; seeded mutants are caught",
        needs: &[],
        run: |root| {
            let flags = [
                ("RUSTFLAGS", "--cfg loom"),
                ("CARGO_TARGET_DIR", "target/loom"),
            ];
            cargo(
                root,
                &[
                    "test",
                    "-p",
                    "shm",
                    "--release",
                    "--quiet",
                    "--test",
                    "loom",
                ],
                &flags,
            )
        },
    },
    Check {
        name: "deny",
        shows: "licences, duplicate versions and sources of all dependencies",
        needs: &[DENY],
        run: |root| {
            let check = [
                "deny",
                "--config",
                ".deny.toml",
                "check",
                "bans",
                "licenses",
                "sources",
            ];
            cargo(root, &check, &[])
        },
    },
    Check {
        name: "sbe",
        shows: "another implementation of SBE reads the schemas and every golden vector",
        needs: &[PYTHON, VENV],
        run: sbe,
    },
    Check {
        name: "dissector",
        shows: "tshark takes every golden vector apart by the dissector, and garbage too",
        needs: &[PYTHON, TSHARK],
        run: |root| {
            let script = "fastpath/wire/tests/dissector_test.py";
            run_in(root, "python3", &[script], &[])
        },
    },
    Check {
        name: "store-pg",
        shows: "the store on a real PostgreSQL, killed under load: the same tables and answers",
        needs: &[POSTGRES],
        run: |root| {
            let test = ["test", "-p", "store", "--features", "postgres-tests"];
            cargo(
                root,
                &[&test[..], &["--quiet", "--test", "postgres"]].concat(),
                &[],
            )
        },
    },
    Check {
        name: "aarch64",
        shows: "the workspace compiles for aarch64",
        needs: &[Need::Target("aarch64-unknown-linux-gnu"), AARCH64_CC],
        run: |root| {
            let target = "aarch64-unknown-linux-gnu";
            cargo(
                root,
                &["check", "--workspace", "--quiet", "--target", target],
                &[],
            )
        },
    },
    Check {
        name: "instructions",
        shows: "callgrind's count of every function of the hot path is within its bound",
        needs: &[VALGRIND],
        run: |root| {
            let count = [
                "run",
                "--quiet",
                "--release",
                "--bin",
                "bench",
                "--",
                "functions",
                "--count",
            ];
            cargo(root, &count, &[])
        },
    },
    Check {
        name: "processes",
        shows: "the release binaries: closed hot path, garbage, restarts, demo and chaos",
        needs: &[STRACE],
        run: |root| cargo(root, &["xtask-release", "processes"], &[]),
    },
    Check {
        name: "feed",
        shows: "tshark knows every packet of a running exchange, and of its feed none is missing",
        needs: &[TSHARK, PYTHON, Need::Root],
        run: |root| cargo(root, &["xtask-release", "feed"], &[]),
    },
    Check {
        name: "http",
        shows: "the gateway of a real exchange: log-on, kills, streams, limits, TLS, schemathesis",
        needs: &[PYTHON, VENV, OPENSSL],
        run: http,
    },
    Check {
        name: "operate",
        shows: "start, stop, logs and figures of a real instance, the figures by Prometheus's own parser",
        needs: &[PYTHON, VENV],
        run: operate,
    },
    Check {
        name: "crash",
        shows: "20 SIGKILLs of either process under load: nothing acknowledged is lost",
        needs: &[],
        run: |root| cargo(root, &["xtask-release", "crash", "--kills", "20"], &[]),
    },
    // The last one runs only if it is named.
    Check {
        name: "long",
        shows: "every sequence of four commands and of six; random streams that are long",
        needs: &[],
        run: |root| {
            let tests = ["--test", "exhaustive", "--test", "twins"];
            let packages = [
                "test",
                "--release",
                "--quiet",
                "-p",
                "scenario",
                "-p",
                "sim",
            ];
            cargo(root, &[&packages[..], &tests].concat(), &[("LONG", "1")])
        },
    },
];

/// The checks, for who asks which there are.
pub(crate) fn list() -> String {
    let lines = CHECKS
        .iter()
        .map(|check| format!("\n  {:<12}  {}", check.name, check.shows));
    format!("Checks:{}", lines.collect::<String>())
}

/// Runs all checks but the long one, or those named.
#[expect(clippy::print_stdout, reason = "this is what the command prints")]
pub(crate) fn run(only: &[String]) -> Result<()> {
    let root = workspace_root()?;
    let usual = CHECKS.len() - usize::from(only.is_empty());
    let checks = &CHECKS[..usual];
    let chosen = choice::chosen(checks, |check| check.name, only, |word, name| word == name)?;
    print_plan(&chosen);
    install_missing(&chosen)?;
    let (mut passed, mut failed, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
    for check in chosen {
        if let Some(need) = check.needs.iter().find(|need| !need.is_met()) {
            println!("\n==> {}: SKIPPED, needs {}", check.name, need.describe());
            println!("    to enable it: {}", need.remedy());
            skipped.push(check.name);
            continue;
        }
        println!("\n==> {}: {}", check.name, check.shows);
        let start = Instant::now();
        match (check.run)(&root) {
            Ok(()) => {
                println!(
                    "    {} passed in {:.0} s",
                    check.name,
                    start.elapsed().as_secs_f32()
                );
                passed.push(check.name);
            }
            Err(error) => {
                println!("    {} FAILED: {error:#}", check.name);
                failed.push(check.name);
            }
        }
    }
    println!(
        "\n{} passed, {} failed, {} skipped",
        passed.len(),
        failed.len(),
        skipped.len()
    );
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    if std::env::var_os("CI").is_some() {
        ensure!(
            skipped.is_empty(),
            "in CI a skipped check is a failure: {}",
            skipped.join(", ")
        );
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is what the command prints")]
fn print_plan(chosen: &[&Check]) {
    println!(
        "{:<10} {:<28} what it shows",
        "check", "needs beside Rust and cc"
    );
    for check in chosen {
        let needs: Vec<String> = check
            .needs
            .iter()
            .map(|need| {
                format!(
                    "{}{}",
                    need.describe(),
                    if need.is_met() { "" } else { " (missing)" }
                )
            })
            .collect();
        let needs = if needs.is_empty() {
            "-".to_owned()
        } else {
            needs.join(", ")
        };
        println!("{:<10} {needs:<28} {}", check.name, check.shows);
    }
}

impl Need {
    /// A program of the Debian package that has its name.
    const fn package(name: &'static str) -> Self {
        Self::Program {
            name,
            package: name,
        }
    }

    fn is_met(self) -> bool {
        match self {
            OPENSSL => succeeds(Command::new("openssl").arg("version")),
            VENV => succeeds(Command::new("python3").args(["-c", "import venv, ensurepip"])),
            POSTGRES => std::fs::read_dir("/usr/lib/postgresql").is_ok_and(|versions| {
                versions
                    .flatten()
                    .any(|v| v.path().join("bin/initdb").exists())
            }),
            Self::Program { name, .. } | Self::CargoTool { name, .. } => {
                succeeds(Command::new(name).arg("--version"))
            }
            Self::Target(target) => {
                let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output();
                sysroot.is_ok_and(|out| {
                    let root = String::from_utf8_lossy(&out.stdout).trim().to_owned();
                    Path::new(&root)
                        .join("lib/rustlib")
                        .join(target)
                        .join("lib")
                        .is_dir()
                })
            }
            Self::Root => is_root(),
        }
    }

    fn describe(self) -> String {
        match self {
            Self::Program { name, .. } | Self::CargoTool { name, .. } => name.to_owned(),
            Self::Target(target) => format!("std of {target}"),
            Self::Root => "root".to_owned(),
        }
    }

    fn remedy(self) -> String {
        match self {
            Self::Program { package, .. } => format!("apt-get install {package}"),
            Self::CargoTool { name, version } => {
                // Unoptimised, because it is built far sooner and is fast enough for what it does.
                format!("cargo install {name} --version {version} --locked --debug")
            }
            Self::Target(target) => format!("rustup target add {target}"),
            Self::Root => "run this command as root".to_owned(),
        }
    }
}

/// Installs what can be installed without asking: Debian packages as root, the rest in any case
/// of CI. On a developer's own machine a missing cargo tool is only named. What cannot be had is named too, and the
/// checks that need it are skipped.
#[expect(clippy::print_stdout, reason = "says what it changes on the machine")]
fn install_missing(chosen: &[&Check]) -> Result<()> {
    let mut missing: Vec<Need> = chosen
        .iter()
        .flat_map(|c| c.needs.iter().copied())
        .filter(|need| !need.is_met())
        .collect();
    missing.dedup();
    let packages: Vec<&str> = missing
        .iter()
        .filter_map(|need| match need {
            Need::Program { package, .. } => Some(*package),
            Need::CargoTool { .. } | Need::Target(_) | Need::Root => None,
        })
        .collect();
    if !packages.is_empty() && is_root() && Path::new("/etc/debian_version").exists() {
        println!("\ninstalling Debian packages: {}", packages.join(" "));
        let mut update = Command::new("apt-get");
        try_to(update.args(["update", "-qq"]));
        let mut install = Command::new("apt-get");
        install
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(&packages);
        try_to(&mut install);
    }
    if std::env::var_os("CI").is_none() && !is_root() {
        return Ok(());
    }
    for need in missing {
        if matches!(need, Need::CargoTool { .. } | Need::Target(_)) {
            println!("\ninstalling: {}", need.remedy());
            let remedy = need.remedy();
            let mut words = remedy.split(' ');
            let program = words.next().context("a remedy names a program")?;
            try_to(Command::new(program).args(words));
        }
    }
    Ok(())
}

/// Runs a command that may fail; then it says what that said.
#[expect(clippy::print_stdout, reason = "says why a check will be skipped")]
fn try_to(command: &mut Command) {
    if let Err(why) = tried(command) {
        println!("    could not be had here: {why}");
    }
}

/// What a command said if it failed.
fn tried(command: &mut Command) -> Result<(), String> {
    let out = command.output().map_err(|error| error.to_string())?;
    if out.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&out.stderr);
    Err(format!("{}: {}", out.status, said.trim()))
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|out| out.status.success())
}

fn cargo(root: &Path, args: &[&str], env: &[(&str, &str)]) -> Result<()> {
    run_in(root, "cargo", args, env)
}

fn run_in(root: &Path, program: &str, args: &[&str], env: &[(&str, &str)]) -> Result<()> {
    let mut command = Command::new(program);
    command
        .current_dir(root)
        .args(args)
        .envs(env.iter().copied());
    let status = command
        .status()
        .with_context(|| format!("start {program}"))?;
    if !status.success() {
        bail!("{program} {} ended with {status}", args.join(" "));
    }
    Ok(())
}

fn sbe(root: &Path) -> Result<()> {
    python(root, "sbe-venv", "fastpath/wire/tests", "sbe_test.py", &[])
}

fn http(root: &Path) -> Result<()> {
    with_binaries(root, "http_test.py")
}

fn operate(root: &Path) -> Result<()> {
    with_binaries(root, "operate_test.py")
}

/// Runs one of the gateway's scripts on the release binaries.
fn with_binaries(root: &Path, script: &str) -> Result<()> {
    programs::build()?;
    let binaries = programs::folder()?;
    let binaries = binaries.to_string_lossy();
    let env = [("BINARIES", &*binaries)];
    python(root, "http-venv", "slowpath/gateway/tests", script, &env)
}

/// Runs a script of `folder` with what the folder's `requirements.txt` names, each file by its hash.
fn python(root: &Path, venv: &str, folder: &str, script: &str, env: &[(&str, &str)]) -> Result<()> {
    let venv = root.join("target").join(venv);
    let python = venv.join("bin/python");
    if !python.exists() {
        let venv = venv.to_string_lossy();
        run_in(root, "python3", &["-m", "venv", &venv], &[])?;
    }
    let python = python.to_string_lossy().into_owned();
    let requirements = format!("{folder}/requirements.txt");
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "--requirement",
        &requirements,
    ];
    run_in(root, &python, &pip, &[])?;
    run_in(root, &python, &[&format!("{folder}/{script}")], env)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_had_says_why() {
        let failing = "echo no such package >&2; exit 3";
        let why = tried(Command::new("sh").args(["-c", failing])).expect_err("it fails");
        assert_eq!(why, "exit status: 3: no such package");
        assert!(tried(&mut Command::new("no such program")).is_err());
        assert_eq!(tried(&mut Command::new("true")), Ok(()));
    }
}
