//! The client library's examples, as programs.

use anyhow::{Context as _, Result, ensure};
use bench::programs;
use std::process::{Command, Output};
use topology::instruments::{net, tile_kind};

use super::{PLAN, counter, start};

/// The client library's documented examples, against the real exchange: they do what they say, and
/// where they cannot they say why, each reason in words of its own.
pub(super) fn examples() -> Result<String> {
    let mut instance = start(&PLAN)?;
    let secrets = [1, 2].map(|id: u32| instance.folder().join(format!("session-{id}.secret")));
    for (secret, id) in secrets.iter().zip(["1", "2"]) {
        std::fs::write(
            secret,
            instance.sluice(&["session-secret", "--session", id])?,
        )?;
    }
    let [secret, other] = secrets.each_ref().map(|path| path.display().to_string());
    let server = instance.port.to_string();
    let mut said = String::new();
    for (example, more) in [
        ("place_and_cancel", &[][..]),
        ("small_maker", &["--seconds", "2"][..]),
        ("stop_and_iceberg", &["--trade", "yes"][..]),
        ("quoter", &["--seconds", "2"][..]),
        ("cancel_all", &[][..]),
    ] {
        let out = example_with(example, [&server, "1", "0", &secret], more)?;
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let errors = String::from_utf8_lossy(&out.stderr).into_owned();
        ensure!(
            out.status.success(),
            "{example} ended with {}: {text}{errors}",
            out.status
        );
        if example == "stop_and_iceberg" {
            ensure_told(&text)?;
        }
        let last = text.lines().last().unwrap_or("(nothing)");
        said = format!("{said}{example}: {last}; ");
        let nobody = std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
        let silence = "counters unknown_session and wrong_mac grows";
        for (given, says) in [
            (
                [&nobody.to_string(), "1", "0", &secret],
                "nothing listens on",
            ),
            ([&server, "1", "0", &other], silence),
            ([&server, "999", "0", &secret], silence),
            (
                [&server, "1", "77", &secret],
                "the exchange has no market 77",
            ),
        ] {
            let out = example_with(example, given, &["--wait", "1"])?;
            let errors = String::from_utf8_lossy(&out.stderr).into_owned();
            ensure!(
                out.status.code() == Some(1) && errors.contains(says),
                "{example} {given:?} ended with {} and does not say {says:?}: {errors}",
                out.status
            );
        }
    }
    let fast = instance.fast()?;
    for number in [net::unknown_session, net::wrong_mac] {
        ensure!(
            counter(&fast, tile_kind::NET, number)? > 0,
            "{} did not grow",
            net::NAMES[number]
        );
    }
    instance.stop()?;
    Ok(format!("{said}each failure is named"))
}

/// The iceberg trades in parts, and what it trades lets the stop arrive, which takes the rest of what it wants from it.
fn ensure_told(text: &str) -> Result<()> {
    let told: Vec<&str> = text
        .lines()
        .map(|line| line.split_once(": ").map_or(line, |(_, told)| told))
        .collect();
    for says in [
        "10 lots for sale at 1000, of which everybody sees 3 at a time",
        "waits, in no book, until a trade is at 1000 or above; then it buys 2 lots",
        "3 lots traded at 1000, 7 left",
        "1 lots traded at 1000, 6 left",
        "waits no more",
        "2 lots traded at 1000, 0 left",
        "nothing of the stop was left to cancel",
        "4 lots of the iceberg cancelled",
    ] {
        ensure!(
            told.iter().any(|line| line.starts_with(says)),
            "stop_and_iceberg does not say {says:?}: {text}"
        );
    }
    Ok(())
}

pub(super) fn example_with(
    example: &str,
    [server, session, market, secret]: [&str; 4],
    more: &[&str],
) -> Result<Output> {
    Command::new("cargo")
        .current_dir(programs::workspace_root()?)
        .args(["run", "--quiet", "-p", "client", "--example", example, "--"])
        .args(["--server", server, "--session", session])
        .args(["--market", market, "--secret", secret])
        .args(more)
        .output()
        .context("start cargo")
}
