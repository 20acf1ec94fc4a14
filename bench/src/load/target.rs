//! The exchange that is measured: one of our own, or one that runs somewhere.

use anyhow::{Context as _, Result};
use domain::SessionId;
use shm::FastView;
use std::net::SocketAddrV4;
use std::time::Duration;
use tile::Clock;
use wire::auth::SessionSecret;

use super::exchange::Reported;
use super::host::Disturbance;
use super::inside::Moment;
use super::{Ack, Arguments};
use crate::disk::FileSystem;
use crate::instance::{Instance, Placement, Plan, Role};
use crate::{disk, programs};

const READY: Duration = Duration::from_secs(60);

/// Where the load goes.
pub(super) struct Target {
    /// The order port.
    pub(super) address: SocketAddrV4,
    own: Option<Own>,
}

struct Own {
    instance: Instance,
    fast: FastView,
}

/// Whether the work was done.
#[derive(Clone, Debug)]
pub(super) struct Work {
    /// What was found.
    pub(super) text: String,
    /// What speaks against it.
    pub(super) faults: Vec<String>,
    /// Allocations of the fastpath after its start-up, if it is ours.
    pub(super) allocations: Option<u64>,
}

impl Target {
    /// Builds and starts an exchange, or takes the one that is given.
    pub(super) fn prepare(arguments: &Arguments) -> Result<Self> {
        if let Some(address) = arguments.server {
            return Ok(Self { address, own: None });
        }
        programs::build()?;
        let plan = Plan {
            name: "load",
            sessions: arguments.sessions,
            idle: arguments.idle.name(),
            ack: match arguments.ack {
                Ack::Sequenced => "sequenced",
                Ack::Durable => "durable",
            },
            journal_mib: 64,
            checkpoint_interval: 100_000,
            gateway: false,
            feed: false,
            snapshot_frames: 1_000_000,
        };
        let placement = Placement {
            tiles: arguments.tiles_cpu,
            slowpath: arguments.slowpath_cpu,
        };
        let mut instance = Instance::create_at(&plan, placement)?;
        if arguments.ack == Ack::Durable {
            disk::check_durable(instance.folder())?;
        }
        instance.start(Role::Fastpath)?;
        instance.start(Role::Slowpath)?;
        instance.wait_ready(READY)?;
        let (address, fast) = (instance.port, instance.fast()?);
        let own = Some(Own { instance, fast });
        Ok(Self { address, own })
    }

    /// On what an exchange of ours archives.
    pub(super) fn archive(&self) -> Result<Option<FileSystem>> {
        let own = self.own.as_ref();
        own.map(|own| FileSystem::of(own.instance.folder()))
            .transpose()
    }

    /// The secrets of the sessions that send.
    pub(super) fn secrets(&self, arguments: &Arguments) -> Result<Vec<(SessionId, SessionSecret)>> {
        let secret = |id| {
            let session = SessionId(id);
            if let Some(own) = &self.own {
                return Ok((session, own.instance.session_secret(session)?));
            }
            let folder = arguments.secrets.as_ref().context("give --secrets")?;
            let path = folder.join(format!("session-{id}.secret"));
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("read the session's secret {}", path.display()))?;
            let secret = SessionSecret::from_hex(text.trim())
                .with_context(|| format!("read the session's secret {}", path.display()))?;
            Ok((session, secret))
        };
        (1..=arguments.sessions).map(secret).collect()
    }

    /// Client order ids start here: an exchange that ran before may hold orders of an earlier load.
    pub(super) fn first_client_id(&self) -> u64 {
        if self.own.is_some() { 1 } else { Clock::now() }
    }

    /// Whether an echo on this machine says anything about the way to the exchange.
    pub(super) fn has_echo(&self) -> bool {
        self.address.ip().is_loopback()
    }

    /// What disturbed the run so far.
    pub(super) fn disturbance(&self) -> Disturbance {
        let pid = |role| self.own.as_ref().and_then(|own| own.instance.pid(role));
        Disturbance::look(pid(Role::Fastpath), pid(Role::Slowpath))
    }

    /// Keeps an exchange of ours from running.
    pub(super) fn pause(&self) -> Result<()> {
        self.own.as_ref().map_or(Ok(()), |own| own.instance.pause())
    }

    /// Lets it run again.
    pub(super) fn resume(&self) -> Result<()> {
        self.own
            .as_ref()
            .map_or(Ok(()), |own| own.instance.resume())
    }

    /// What the fastpath says of itself, if it is ours.
    pub(super) fn moment(&self) -> Option<Moment> {
        self.own.as_ref().map(|own| Moment::read(&own.fast))
    }

    /// Stops an exchange of ours, replays its journal, and compares its trades with what the sessions
    /// were told.
    pub(super) fn verify(&mut self, reported: &Reported) -> Result<Work> {
        let moment = self.moment();
        let mut faults: Vec<String> = reported.fault().into_iter().collect();
        let told = reported.text();
        let (Some(own), Some(moment)) = (&mut self.own, moment) else {
            return Ok(Work {
                text: format!(
                    "{told}; the journal of a server that runs elsewhere is not verified here"
                ),
                faults,
                allocations: None,
            });
        };
        own.instance.stop()?;
        let replay = own.instance.verify();
        faults.extend(replay.fault);
        let trades = moment.trades();
        // Maker and taker of every trade are among our sessions.
        if reported.fills != 2 * trades {
            faults.push(format!(
                "{} fills were told, not two of each of {trades} trades",
                reported.fills
            ));
        }
        Ok(Work {
            text: format!(
                "{told}; {trades} trades in the journal; {} answered Busy; replay: {}",
                moment.busy(),
                replay.text
            ),
            faults,
            allocations: Some(moment.allocations()),
        })
    }
}
