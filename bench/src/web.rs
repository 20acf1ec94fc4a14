//! A user of the gateway: logs on with a wallet and asks for test funds.

use anyhow::{Context as _, Result};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A wallet that has logged on.
#[derive(Debug)]
pub struct WebUser {
    /// The address of the API.
    pub api: String,
    /// For `Authorization: Bearer`.
    pub access_token: String,
}

impl WebUser {
    /// Logs on, as soon as the gateway lets it in.
    pub fn log_on(gateway: SocketAddr, seed: [u8; 32], patience: Duration) -> Result<Self> {
        let begin = Instant::now();
        loop {
            match Self::try_log_on(gateway, seed) {
                Err(_) if begin.elapsed() < patience => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                decided => return decided.context("log on at the gateway"),
            }
        }
    }

    fn try_log_on(gateway: SocketAddr, seed: [u8; 32]) -> Result<Self> {
        let key = SigningKey::from_bytes(&seed);
        let wallet = bs58::encode(key.verifying_key().to_bytes()).into_string();
        let mut user = Self {
            api: format!("http://{gateway}/api/v1"),
            access_token: String::new(),
        };
        let challenge = user.post("/auth/challenge", &json!({ "wallet": wallet }))?;
        let message = challenge["message"]
            .as_str()
            .context("there is a message")?;
        let signature = bs58::encode(key.sign(message.as_bytes()).to_bytes()).into_string();
        let signed =
            json!({ "wallet": wallet, "nonce": challenge["nonce"], "signature": signature });
        let tokens = user.post("/auth/token", &signed)?;
        let token = tokens["access_token"]
            .as_str()
            .context("there is a token")?;
        user.access_token = token.to_owned();
        Ok(user)
    }

    /// Credits its account with test funds: base units of an asset.
    pub fn faucet(&self, asset: &str, amount: u64) -> Result<()> {
        let wish = json!({ "asset": asset, "amount": amount.to_string() });
        self.post("/faucet", &wish).map(drop)
    }

    /// Asks for something of the API and gives its answer.
    ///
    /// # Errors
    /// If the gateway refuses it or does not answer.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let request = ureq::post(format!("{}{path}", self.api));
        let bearer = format!("Bearer {}", self.access_token);
        let mut answer = request.header("Authorization", bearer).send_json(body)?;
        Ok(answer.body_mut().read_json()?)
    }
}
