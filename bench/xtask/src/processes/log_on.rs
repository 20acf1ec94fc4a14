//! The example that logs on, with a wallet of its own: its session trades, a new key replaces the old
//! one, and what it cannot do it says.

use anyhow::{Context as _, Result, ensure};
use bench::instance::{Instance, Plan};
use bench::programs;
use bench::web::WebUser;
use std::process::{Command, Output};
use std::time::Duration;

use super::examples::example_with;
use super::start;

/// Of the wallet.
const SEED: [u8; 32] = [77; 32];

pub(super) fn run(plan: &Plan) -> Result<String> {
    let plan = Plan {
        gateway: true,
        ..plan.clone()
    };
    let mut instance = start(&plan)?;
    let wallet = wallet_with_funds(&instance)?;
    let gateway = format!("http://{}", instance.config.gateway.bind);
    let server = instance.port.to_string();
    let file = |name: &str| instance.folder().join(name).display().to_string();
    let (first, second) = (file("first.secret"), file("second.secret"));
    let trades = |session: &str, secret: &str| -> Result<bool> {
        let given = [server.as_str(), session, "0", secret];
        let ended = example_with("place_and_cancel", given, &["--wait", "2"])?;
        Ok(ended.status.success())
    };

    let asked = |secret: &str| {
        let named = [
            ("--gateway", &*gateway),
            ("--wallet", &*wallet),
            ("--secret", secret),
        ];
        let words = named.iter().flat_map(|(name, value)| [*name, *value]);
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    let again = |session: &str| [asked(&second), vec!["--session".into(), session.into()]].concat();
    let key = file("delegated.key");
    let with_key = [asked(&first), vec!["--key".into(), key.clone()]].concat();
    let session = open(&with_key)?;
    let given = [server.as_str(), &session, "0", &first];
    let attests = example_with("place_and_cancel", given, &["--wait", "2", "--key", &key])?;
    ensure!(attests.status.success(), "it does not attest: {attests:?}");
    ensure!(trades(&session, &first)?, "the session does not trade");
    let renewed = open(&again(&session))?;
    ensure!(renewed == session, "another session: {renewed}");
    ensure!(!trades(&session, &first)?, "the old key is still good");
    ensure!(trades(&session, &second)?, "the new key is not good");

    for (given, says) in [
        (&asked(&second)[..], "File exists"),
        (&asked(&second)[..4], "--secret is needed; --help says more"),
        (
            &[gateway.clone()][..],
            "is not an option; --help lists them",
        ),
    ] {
        let errors = String::from_utf8_lossy(&example(given)?.stderr).into_owned();
        ensure!(
            errors.contains(says),
            "{given:?} does not say {says:?}: {errors}"
        );
    }
    instance.stop()?;
    Ok(format!(
        "session {session} opened by a wallet trades; a new key shuts the old one out"
    ))
}

/// The file of a wallet whose account has test funds.
fn wallet_with_funds(instance: &Instance) -> Result<String> {
    let gateway = instance.config.gateway.bind;
    let user = WebUser::log_on(gateway, SEED, Duration::from_secs(20))?;
    for asset in ["SOL", "USDC"] {
        user.faucet(asset, 1_000_000_000_000)?;
    }
    let key = ed25519_dalek::SigningKey::from_bytes(&SEED);
    let wallet = instance.folder().join("wallet.json");
    std::fs::write(&wallet, format!("{:?}", key.to_keypair_bytes()))?;
    Ok(wallet.display().to_string())
}

fn example(arguments: &[String]) -> Result<Output> {
    Command::new("cargo")
        .current_dir(programs::workspace_root()?)
        .args([
            "run",
            "--quiet",
            "-p",
            "client",
            "--example",
            "log_on",
            "--",
        ])
        .args(arguments)
        .output()
        .context("start cargo")
}

/// Logs on; the session that the example names.
fn open(arguments: &[String]) -> Result<String> {
    let out = example(arguments)?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let errors = String::from_utf8_lossy(&out.stderr).into_owned();
    ensure!(
        out.status.success(),
        "ended with {}: {text}{errors}",
        out.status
    );
    let words = text.split("--session ").nth(1);
    let session = words.and_then(|words| words.split(' ').next());
    Ok(session.context("it names its session")?.to_owned())
}
