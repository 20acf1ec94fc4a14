//! Section `[gateway]`: HTTP and WebSocket.

use crate::error::Findings;
use crate::genesis::base58_bytes;
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
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
    /// Where clients reach it, as `https://exchange.example`: what wallets sign to log on says so.
    pub public_url: Option<String>,
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
    /// Open connections of one address; 0: no limit.
    pub address_connections: usize,
    /// Proxies, whose connections are those of many.
    pub trusted_proxies: Vec<IpAddr>,
    /// Size of a request's body.
    pub max_body_kib: usize,
    /// Milliseconds for a request.
    pub request_timeout_ms: u64,
    /// Requests per second of one address.
    pub address_rate: u32,
    /// New orders and amendments per second of one user.
    pub order_rate: u32,
    /// Accounts that wallets of one address may open by logging on, per minute.
    pub address_registrations: u32,
    /// Accounts that all wallets together may open by logging on, per minute.
    pub registrations: u32,
    /// Accounts, and sessions, that are not opened by logging on.
    pub reserved_accounts: u32,
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
            public_url: None,
            registration: Registration::Closed,
            faucet: false,
            operators: Vec::new(),
            threads: 1,
            max_connections: 12_000,
            address_connections: 64,
            trusted_proxies: Vec::new(),
            max_body_kib: 16,
            request_timeout_ms: 10_000,
            address_rate: 200,
            order_rate: 100,
            address_registrations: 10,
            registrations: 120,
            reserved_accounts: 16,
            access_token_s: 900,
            refresh_token_s: 30 * 86_400,
            port_sessions: 4,
            delegation_s: 30 * 86_400,
        }
    }
}

impl Gateway {
    /// By which clients speak to it.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        match self.tls_cert {
            Some(_) => "https",
            None => "http",
        }
    }

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
        found.require(
            !self.enabled || self.bind.port() != 0,
            "gateway.bind",
            format!(
                "{} has port 0: clients have to know where it is, so name a port",
                self.bind
            ),
        );
        if let Some(url) = &self.public_url {
            found.require(
                is_origin(url),
                "gateway.public_url",
                format!(
                    "{url:?} is no address of a site: write it as \"https://exchange.example\", with a port if it has \
                     one, and without a path"
                ),
            );
        }
        for wallet in &self.operators {
            found.require(
                base58_bytes(wallet).is_some(),
                "gateway.operators",
                format!("{wallet:?} is no wallet: write its public key (32 bytes) in base58"),
            );
        }
        self.check_ranges(found);
    }

    fn check_ranges(&self, found: &mut Findings) {
        let sizes = |size: usize| size as u64;
        for (key, value, range) in [
            ("threads", sizes(self.threads), 1..=64),
            (
                "max_connections",
                sizes(self.max_connections),
                1..=1_000_000,
            ),
            (
                "address_connections",
                sizes(self.address_connections),
                0..=1_000_000,
            ),
            ("max_body_kib", sizes(self.max_body_kib), 1..=1024),
            ("request_timeout_ms", self.request_timeout_ms, 100..=600_000),
            ("address_rate", self.address_rate.into(), 1..=1 << 20),
            ("order_rate", self.order_rate.into(), 1..=1 << 20),
            (
                "address_registrations",
                self.address_registrations.into(),
                1..=1 << 20,
            ),
            ("registrations", self.registrations.into(), 1..=1 << 20),
            (
                "reserved_accounts",
                self.reserved_accounts.into(),
                0..=1 << 24,
            ),
            ("access_token_s", self.access_token_s, 10..=86_400),
            ("refresh_token_s", self.refresh_token_s, 60..=366 * 86_400),
            ("port_sessions", sizes(self.port_sessions), 0..=1024),
            ("delegation_s", self.delegation_s, 60..=366 * 86_400),
        ] {
            super::check::within(found, &format!("gateway.{key}"), value, range);
        }
    }
}

/// Whether it is scheme, host and perhaps a port.
fn is_origin(url: &str) -> bool {
    let site = url.strip_prefix("https://");
    let Some(site) = site.or_else(|| url.strip_prefix("http://")) else {
        return false;
    };
    let (host, port) = match site.rsplit_once(':') {
        // The last colon of an IPv6 address that has no port.
        Some((_, rest)) if rest.ends_with(']') => (site, None),
        Some((host, port)) => (host, Some(port)),
        None => (site, None),
    };
    let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let is_port = |port: &str| digits(port) && port.parse().is_ok_and(|port: u16| port != 0);
    is_host(host) && port.is_none_or(is_port)
}

/// Whether it is a name, or an address as an address of a site has it.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']');
        return address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    let is_sign = |sign: u8| sign.is_ascii_alphanumeric() || sign == b'-';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(is_sign)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(is_label)
}
