//! An exchange of one's own with its gateway's limits out of the way, and users that have logged on.

use anyhow::{Context as _, Result};
use bench::instance::{Instance, Placement, Plan, Role};
use bench::programs;
use bench::web::WebUser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::SocketAddr;
use std::time::Duration;

const READY: Duration = Duration::from_secs(60);
/// Base units of each asset that a user begins with.
const FUNDS: u64 = 1_000_000_000_000_000;

/// Starts fastpath and slowpath with a gateway that takes so many connections.
pub(crate) fn start(
    name: &'static str,
    connections: usize,
    slowpath: Option<usize>,
    tiles: Option<usize>,
) -> Result<Instance> {
    programs::build()?;
    let plan = Plan {
        name,
        sessions: 1,
        idle: "spin-then-yield",
        ack: "sequenced",
        journal_mib: 64,
        checkpoint_interval: 100_000,
        gateway: true,
        feed: false,
        snapshot_frames: 1_000_000,
    };
    // What protects an exchange from its users is not what is measured here.
    let limits =
        format!("max_connections = {connections}\naddress_rate = 1000000\norder_rate = 1000000\n");
    let mut instance = Instance::create_with(&plan, Placement { tiles, slowpath }, &limits)?;
    instance.start(Role::Fastpath)?;
    instance.start(Role::Slowpath)?;
    instance.wait_ready(READY)?;
    Ok(instance)
}

/// So many users with funds.
pub(crate) fn users(gateway: SocketAddr, count: u8) -> Result<Vec<WebUser>> {
    let user = |number: u8| {
        let user = WebUser::log_on(gateway, [number; 32], READY)?;
        for asset in ["SOL", "USDC"] {
            user.faucet(asset, FUNDS).context("ask for test funds")?;
        }
        Ok(user)
    };
    (1..=count).map(user).collect()
}

/// Lets this process and those that it starts have so many files open; says how many they may.
pub(crate) fn allow_files(count: u64) -> Result<u64> {
    let now = getrlimit(Resource::Nofile);
    let hard = now.maximum.unwrap_or(u64::MAX);
    if now.current.is_none_or(|current| current >= count) {
        return Ok(now.current.unwrap_or(u64::MAX));
    }
    let wish = |maximum: u64| Rlimit {
        current: Some(count.min(maximum)),
        maximum: Some(maximum),
    };
    // Root may raise the hard limit; else what it allows must do.
    if hard < count && setrlimit(Resource::Nofile, wish(count)).is_ok() {
        return Ok(count);
    }
    setrlimit(Resource::Nofile, wish(hard)).context("raise the limit of open files")?;
    Ok(count.min(hard))
}
