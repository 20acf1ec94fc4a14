//! What may be where funds are real, and is seldom meant.

use super::{Ack, Config, Cpu, Idle, LogFormat, Profile};
use crate::genesis::{DEFAULT_GENESIS, Genesis};

impl Config {
    /// What of this configuration and its genesis file an operator of profile production hardly wants, each with its
    /// key and what to do. Nothing of it is refused; other profiles have no doubts.
    #[must_use]
    pub fn doubts(&self, genesis: &Genesis) -> Vec<String> {
        if self.profile != Profile::Production {
            return Vec::new();
        }
        let mut doubts = self.differences();
        doubts.extend(self.core_doubts());
        doubts.extend(self.gateway_doubts());
        doubts.extend(known_keys(genesis));
        doubts
    }

    /// Values of development that a file made for it keeps.
    fn differences(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        if self.instance.ack == Ack::Sequenced {
            doubts.push(
                "instance.ack: \"sequenced\" loses acknowledged orders with the machine's power, and profile production \
                 has \"durable\": set that, or remove the key"
                    .to_owned(),
            );
        }
        if self.log.format == LogFormat::Text {
            doubts.push(
                "log.format: \"text\" is for people, and profile production has \"json\": set that, or remove the key"
                    .to_owned(),
            );
        }
        doubts
    }

    fn core_doubts(&self) -> Vec<String> {
        let cores = self.cores.iter().enumerate();
        let doubt = cores.filter_map(|(number, core)| {
            let says = match (core.idle, core.cpu) {
                (Idle::SpinThenYield, _) => {
                    "idle = \"spin-then-yield\" wakes up late, and profile production has \"spin\": set that, or remove \
                     the key with its [[core]]"
                }
                (Idle::Spin, Cpu::Any) => {
                    "idle = \"spin\" with cpu = \"any\" takes a whole CPU from whatever runs beside it, and is moved \
                     about: name a CPU that nothing else uses"
                }
                (Idle::Spin, Cpu::Number(_)) => return None,
            };
            Some(format!("[[core]] {}: {says}", number + 1))
        });
        doubt.collect()
    }

    fn gateway_doubts(&self) -> Vec<String> {
        let gateway = &self.gateway;
        let mut doubts = Vec::new();
        if gateway.enabled && gateway.operators.is_empty() {
            doubts.push(
                "gateway.operators: is empty, so nobody can open accounts, take deposits or halt a market: name the \
                 wallets that may"
                    .to_owned(),
            );
        }
        if gateway.enabled && gateway.public_url.is_none() {
            doubts.push(
                "gateway.public_url: is not set, so that what wallets sign to log on names no site that their owners \
                 know: set it"
                    .to_owned(),
            );
        }
        doubts
    }
}

/// Sessions whose private key everybody knows, because the shipped file has it.
fn known_keys(genesis: &Genesis) -> Option<String> {
    let shipped = Genesis::parse(DEFAULT_GENESIS).ok()?;
    let is_known = |key| shipped.sessions.iter().any(|known| known.public_key == key);
    let known = genesis.sessions.iter();
    let known = known.filter(|session| is_known(session.public_key));
    let ids: Vec<String> = known.map(|session| session.id.to_string()).collect();
    (!ids.is_empty()).then(|| {
        format!(
            "session.public_key in the genesis file: that of session {} is a test key of RFC 8032, whose private half \
             everybody knows: use one of its owner's",
            ids.join(", ")
        )
    })
}
