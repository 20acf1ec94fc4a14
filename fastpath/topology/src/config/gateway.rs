//! Section `[gateway]`: HTTP and WebSocket.

use crate::error::Findings;
use serde::Deserialize;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Section `[gateway]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gateway {
    /// Whether there is one.
    pub enabled: bool,
    /// Address and TCP port.
    pub bind: SocketAddr,
    /// Certificate chain (PEM); with `tls_key`.
    pub tls_cert: Option<PathBuf>,
    /// Private key (PEM); with `tls_cert`.
    pub tls_key: Option<PathBuf>,
    /// Who gets an account by logging on.
    pub registration: Registration,
    /// Whether anyone with an account may credit themselves test funds.
    pub faucet: bool,
    /// Wallets (base58) that are operators.
    pub operators: Vec<String>,
    /// Threads.
    pub threads: usize,
    /// Open connections.
    pub max_connections: usize,
    /// Size of a request's body.
    pub max_body_kib: usize,
    /// Milliseconds for a request.
    pub request_timeout_ms: u64,
    /// Requests per second of one address.
    pub address_rate: u32,
    /// New orders and amendments per second of one user.
    pub order_rate: u32,
    /// Seconds that an access token is valid.
    pub access_token_s: u64,
    /// Seconds that a refresh token is valid.
    pub refresh_token_s: u64,
    /// Most sessions of the binary port that an account may open by logging on.
    pub port_sessions: usize,
    /// Longest time for which a wallet may delegate, in seconds.
    pub delegation_s: u64,
}

/// Who gets an account by logging on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Registration {
    /// Every wallet.
    Open,
    /// Nobody: the operator makes accounts.
    Closed,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            enabled: true,
            bind: (Ipv4Addr::LOCALHOST, 7480).into(),
            tls_cert: None,
            tls_key: None,
            registration: Registration::Closed,
            faucet: false,
            operators: Vec::new(),
            threads: 1,
            max_connections: 12_000,
            max_body_kib: 16,
            request_timeout_ms: 10_000,
            address_rate: 200,
            order_rate: 100,
            access_token_s: 900,
            refresh_token_s: 30 * 86_400,
            port_sessions: 4,
            delegation_s: 30 * 86_400,
        }
    }
}

impl Gateway {
    pub(super) fn check(&self, found: &mut Findings) {
        found.require(
            self.tls_cert.is_some() == self.tls_key.is_some(),
            "gateway.tls_key",
            "certificate and key go together: set tls_cert and tls_key, or neither",
        );
        found.require(
            self.tls_cert.is_some() || self.bind.ip().is_loopback(),
            "gateway.bind",
            format!(
                "{} can be reached from other machines without TLS, and tokens would go in the clear: set \
                 tls_cert and tls_key, or bind a loopback address behind a proxy that does TLS",
                self.bind
            ),
        );
        for wallet in &self.operators {
            let alphabet = |byte: u8| byte.is_ascii_alphanumeric() && !b"0OIl".contains(&byte);
            found.require(
                (32..=44).contains(&wallet.len()) && wallet.bytes().all(alphabet),
                "gateway.operators",
                format!("{wallet:?} is no wallet: write its public key in base58"),
            );
        }
        self.check_ranges(found);
    }

    fn check_ranges(&self, found: &mut Findings) {
        use super::check::within;
        within(found, "gateway.threads", self.threads as u64, 1..=64);
        within(
            found,
            "gateway.max_connections",
            self.max_connections as u64,
            1..=1_000_000,
        );
        within(
            found,
            "gateway.max_body_kib",
            self.max_body_kib as u64,
            1..=1024,
        );
        within(
            found,
            "gateway.request_timeout_ms",
            self.request_timeout_ms,
            100..=600_000,
        );
        within(
            found,
            "gateway.address_rate",
            self.address_rate.into(),
            1..=1 << 20,
        );
        within(
            found,
            "gateway.order_rate",
            self.order_rate.into(),
            1..=1 << 20,
        );
        within(
            found,
            "gateway.access_token_s",
            self.access_token_s,
            10..=86_400,
        );
        within(
            found,
            "gateway.refresh_token_s",
            self.refresh_token_s,
            60..=366 * 86_400,
        );
        within(
            found,
            "gateway.port_sessions",
            self.port_sessions as u64,
            0..=1024,
        );
        within(
            found,
            "gateway.delegation_s",
            self.delegation_s,
            60..=366 * 86_400,
        );
    }
}
