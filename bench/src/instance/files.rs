//! The files of an instance: its configuration and its genesis.

use anyhow::{Context as _, Result, bail};
use std::fmt::Write as _;
use std::net::{SocketAddrV4, UdpSocket};
use std::path::Path;

use super::{Placement, Plan};

/// Base units of the quote asset per whole unit (6 decimals), and what each account starts with.
const QUOTE_FUNDS: u64 = 10_000_000_000_000;
const BASE_FUNDS: u64 = 10_000_000_000_000;

/// A UDP port of loopback that nobody has at the moment.
pub(super) fn free_port() -> Result<SocketAddrV4> {
    let socket = UdpSocket::bind("127.0.0.1:0").context("find a free port")?;
    match socket.local_addr()? {
        std::net::SocketAddr::V4(address) => Ok(address),
        std::net::SocketAddr::V6(_) => bail!("an IPv4 socket has an IPv4 address"),
    }
}

/// A TCP port of loopback that nobody has at the moment.
pub(super) fn free_tcp_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").context("find a free port")?;
    Ok(listener.local_addr()?.port())
}

/// Where an instance listens and sends.
pub(super) struct Addresses {
    pub(super) port: SocketAddrV4,
    pub(super) feed: Option<SocketAddrV4>,
    /// TCP, on loopback.
    pub(super) gateway: u16,
}

pub(super) fn config_text(
    plan: &Plan,
    placement: Placement,
    folder: &Path,
    addresses: &Addresses,
) -> String {
    let name = format!("{}-{}", plan.name, std::process::id());
    let tiles = placement
        .tiles
        .map_or_else(|| "\"any\"".to_owned(), |cpu| cpu.to_string());
    let slowpath = placement
        .slowpath
        .map_or_else(String::new, |cpu| cpu.to_string());
    let feed = addresses
        .feed
        .map_or_else(String::new, |to| format!("destination = \"{to}\""));
    format!(
        r#"
genesis = "genesis.toml"

[instance]
name = "{name}"
shard = 0
state_dir = "{state}"
ack = "{ack}"

[memory]
journal_mib = {journal_mib}

[port]
bind = "{port}"

[feed]
{feed}

[[core]]
cpu = {tiles}
idle = "{idle}"
tiles = ["net", "match", "out"]

[engine]
checkpoint_interval = {checkpoint_interval}
recovery_grace_ms = 0

[archive]
segment_mib = 16

[snapshots]
every_frames = {snapshot_frames}

[slowpath]
cpus = [{slowpath}]

[metrics]
enabled = false

[gateway]
enabled = {gateway}
bind = "127.0.0.1:{gateway_port}"
registration = "open"
faucet = true
address_connections = 0
address_registrations = 1000000
registrations = 1000000
access_token_s = 86400
"#,
        port = addresses.port,
        gateway = plan.gateway,
        gateway_port = addresses.gateway,
        state = folder.join("state").display(),
        ack = plan.ack,
        journal_mib = plan.journal_mib,
        idle = plan.idle,
        checkpoint_interval = plan.checkpoint_interval,
        snapshot_frames = plan.snapshot_frames,
    )
}

/// Two assets, one market, and as many accounts and sessions as asked for.
///
/// # Errors
/// None: writing to a text does not fail.
pub fn genesis_text(sessions: u32) -> Result<String> {
    let mut text = format!(
        r#"
[capacity]
max_assets = 4
max_markets = 4
max_accounts = {capacity}
max_sessions = {capacity}
max_orders = 200000
max_levels = 65536

[[asset]]
id = 0
symbol = "SOL"
decimals = 9

[[asset]]
id = 1
symbol = "USDC"
decimals = 6

[[market]]
id = 0
symbol = "SOL/USDC"
base = 0
quote = 1
tick_value = 10
lot_size = 1000000
min_qty = 1
price_min = 1
price_levels = 65536
maker_fee_ppm = 100
taker_fee_ppm = 300

# No limits: what is measured is the exchange.
[[tier]]
id = 0
max_order_notional = 0
max_daily_volume = 0
max_open_orders = 0
"#,
        // Beside them there is room for those who come in by the gateway.
        capacity = sessions.max(1) + 257,
    );
    for id in 1..=sessions {
        let key = format!("{id:064x}");
        write!(
            text,
            r#"
[[account]]
id = {id}
firm = {id}

[[session]]
id = {id}
account = {id}
public_key = "{key}"

[[deposit]]
account = {id}
asset = 0
amount = "{BASE_FUNDS}"

[[deposit]]
account = {id}
asset = 1
amount = "{QUOTE_FUNDS}"
"#
        )?;
    }
    Ok(text)
}
