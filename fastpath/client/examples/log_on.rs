//! Logs on with a Solana wallet and opens a session of the binary port: nobody hands out a secret.
//!
//! ```text
//! solana-keygen new --outfile wallet.json          # or any file with a key's 64 bytes as a JSON list
//! cargo run --release --example log_on -- --gateway http://127.0.0.1:7480 --wallet wallet.json --secret session.secret
//! ```
//!
//! What is agreed and signed: `docs/WIRE.md`, "Log-on". The session's secret is written to a file
//! that only its owner may read; the other examples take it as `--secret`. `--session` names a session whose key is to
//! be replaced. The exit code is 1 if it did not come to its end, and the last
//! line then says why.
#![expect(clippy::print_stdout, reason = "an example talks to the terminal")]

#[expect(dead_code, reason = "this example has options of its own only")]
mod arguments;
mod ending;

use arguments::Arguments;
use domain::SessionId;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};
use std::error::Error;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::ExitCode;
use wire::auth::{ExchangeSecret, SessionSecret};

const ABOUT: &str =
    "Logs on with a Solana wallet and opens a session of the binary port, or gives one a new key.";
const HELP: &str = "  --gateway URL    such as http://127.0.0.1:7480
  --wallet FILE    a key's 64 bytes as a JSON list, as solana-keygen writes it
  --secret FILE    the file to write the session's secret to; it must not exist
  --key FILE       the file to write the delegated key to, by which the session can attest; it must not exist either
                   [the key is forgotten]
  --session N      a session of the account that is to have the new key [a new session]";

fn main() -> ExitCode {
    ending::code("log_on", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let names = ["gateway", "wallet", "secret", "key", "session"];
    let Some(arguments) = Arguments::read_only(ABOUT, &names, HELP)? else {
        return Ok(());
    };
    let gateway: String = arguments.required("gateway")?;
    let wallet: String = arguments.required("wallet")?;
    let secret: String = arguments.required("secret")?;
    let session: Option<u32> = match arguments.text("session") {
        "" => None,
        _ => Some(arguments.required("session")?),
    };
    let wallet = read_wallet(&wallet)?;
    // Before anything is opened whose secret could not be kept.
    let mut file = new_file(&secret)?;
    // Ours alone, as the exchange key: the exchange sees the public halves.
    let delegated = SigningKey::from_bytes(&random()?);
    let kept = keep_key(arguments.text("key"), &delegated);
    let opened = kept.and_then(|()| open(&gateway, &wallet, session, &delegated, &mut file));
    let (number, address) = opened.inspect_err(|_| {
        // It holds nothing. If it stays, the next try says so.
        let _stays = std::fs::remove_file(&secret);
    })?;
    println!(
        "session {} at {address}: its secret is in {secret}",
        number.0
    );
    println!(
        "try it: cargo run --profile {} --example place_and_cancel -- --server {address} --session {} --secret {secret} \
         --market 0",
        profile().unwrap_or_else(|| "dev".to_owned()),
        number.0
    );
    Ok(())
}

/// The profile in which this example was built, from its folder: what was compiled for it serves the next one too.
fn profile() -> Option<String> {
    let own = std::env::current_exe().ok()?;
    let folder = own.parent()?.parent()?.file_name()?.to_str()?;
    (folder != "debug").then(|| folder.to_owned())
}

/// Logs on and opens a session, whose number and address it gives, and whose secret it writes.
fn open(
    gateway: &str,
    wallet: &SigningKey,
    session: Option<u32>,
    delegated: &SigningKey,
    file: &mut File,
) -> Result<(SessionId, String), Box<dyn Error>> {
    let exchange_key = ExchangeSecret::from_bytes(random()?);
    let mut delegation = json!({
        "exchange_key": base58(&exchange_key.public_key()),
        "public_key": base58(delegated.verifying_key().as_bytes()),
    });
    if let Some(session) = session {
        delegation["session"] = session.into();
    }
    let who = base58(wallet.verifying_key().as_bytes());
    let challenge = post(
        gateway,
        "challenge",
        &json!({ "wallet": who, "delegation": delegation }),
    )?;
    let message = text(&challenge, "message")?;
    println!("{message}\n");
    let signed = json!({
        "wallet": who,
        "nonce": challenge["nonce"],
        "signature": base58(&wallet.sign(message.as_bytes()).to_bytes()),
    });
    let tokens = post(gateway, "token", &signed)?;
    let opened = &tokens["session"];
    let number = opened["session"]
        .as_u64()
        .and_then(|n| u32::try_from(n).ok());
    let number = SessionId(number.ok_or("the answer names no session")?);
    let theirs = bs58::decode(text(opened, "exchange_key")?).into_vec()?;
    let theirs = theirs
        .try_into()
        .map_err(|_| "the exchange's key has 32 bytes")?;
    write_secret(file, &exchange_key.session_secret(number, &theirs)?)?;
    let (address, expires) = (text(opened, "address")?, text(opened, "expires")?);
    println!("the delegation ends at {expires} UTC nanoseconds");
    Ok((number, address.to_owned()))
}

/// The first 32 of the file's 64 bytes are the secret key, the others the public key.
fn read_wallet(file: &str) -> Result<SigningKey, Box<dyn Error>> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let wrong =
        || format!("{file}: write the key's 64 bytes as a JSON list, as solana-keygen does");
    let bytes: Vec<u8> = serde_json::from_str(&text).map_err(|_| wrong())?;
    let bytes: [u8; 64] = bytes.try_into().map_err(|_| wrong())?;
    Ok(SigningKey::from_keypair_bytes(&bytes).map_err(|_| wrong())?)
}

fn random() -> Result<[u8; 32], Box<dyn Error>> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| format!("the system gives no random bytes: {error}"))?;
    Ok(bytes)
}

fn base58(bytes: &[u8]) -> String {
    bs58::encode(bytes).into_string()
}

fn text<'a>(answer: &'a Value, field: &str) -> Result<&'a str, Box<dyn Error>> {
    let text = answer[field].as_str();
    text.ok_or_else(|| format!("the answer has no {field}").into())
}

/// Asks the gateway; its problems say what to do.
fn post(gateway: &str, path: &str, body: &Value) -> Result<Value, Box<dyn Error>> {
    let url = format!("{}/api/v1/auth/{path}", gateway.trim_end_matches('/'));
    let agent = ureq::Agent::new_with_config(
        ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build(),
    );
    let mut answer = agent.post(&url).send_json(body)?;
    let content: Value = answer.body_mut().read_json()?;
    if answer.status().is_success() {
        return Ok(content);
    }
    Err(format!("{url}: {}: {}", answer.status(), content["detail"]).into())
}

/// A file that only its owner may read.
fn new_file(path: &str) -> Result<File, Box<dyn Error>> {
    let mut options = OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|error| {
        format!("{path}: {error}: name a file that does not exist, in a folder that does").into()
    })
}

/// Writes the delegated key to a file, if one is named.
fn keep_key(path: &str, key: &SigningKey) -> Result<(), Box<dyn Error>> {
    match path {
        "" => Ok(()),
        _ => write_hex(&mut new_file(path)?, key.as_bytes()),
    }
}

fn write_secret(file: &mut File, secret: &SessionSecret) -> Result<(), Box<dyn Error>> {
    write_hex(file, secret.expose())
}

fn write_hex(file: &mut File, bytes: &[u8; 32]) -> Result<(), Box<dyn Error>> {
    let mut hex = String::new();
    for byte in bytes {
        write!(hex, "{byte:02x}")?;
    }
    Ok(writeln!(file, "{hex}")?)
}
