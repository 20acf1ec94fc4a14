//! Chaos for a running instance: a lossy proxy before its port, and SIGKILLs.
//!
//! The proxy gives each client its own socket towards the exchange, so that the exchange sees one
//! address per client, as it would without the proxy.

use anyhow::{Context as _, Result, bail, ensure};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::{SocketAddr, UdpSocket};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::random::Random;

/// What goes wrong: `loss=20%,dup,reorder,kill=5s`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Chaos {
    /// Datagrams lost, in percent of each direction.
    pub loss: u64,
    /// Datagrams doubled, in percent.
    pub dup: u64,
    /// Datagrams that change places with the next, in percent.
    pub reorder: u64,
    /// Time between two SIGKILLs, of fastpath and slowpath in turn.
    pub kill: Option<Duration>,
}

impl FromStr for Chaos {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut chaos = Self::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            match name {
                "loss" => chaos.loss = percent(name, value)?,
                "dup" => chaos.dup = percent(name, value)?,
                "reorder" => chaos.reorder = percent(name, value)?,
                "kill" => chaos.kill = Some(seconds(value)?),
                _ => bail!("unknown kind of chaos {name:?}: give loss=20%,dup,reorder,kill=5s"),
            }
        }
        Ok(chaos)
    }
}

/// `20%`, `20`, or nothing for 10%.
fn percent(name: &str, value: &str) -> Result<u64> {
    if value.is_empty() {
        return Ok(10);
    }
    let number: u64 = value
        .trim_end_matches('%')
        .parse()
        .with_context(|| format!("{name}={value}"))?;
    ensure!(
        number <= 90,
        "{name}={value}: at most 90%, or nothing would ever arrive"
    );
    Ok(number)
}

/// `5s`, `500ms` or `5`.
fn seconds(value: &str) -> Result<Duration> {
    let (number, unit) = match value.strip_suffix("ms") {
        Some(number) => (number, Duration::from_millis(1)),
        None => (value.trim_end_matches('s'), Duration::from_secs(1)),
    };
    let number: u32 = number
        .parse()
        .with_context(|| format!("kill={value}: give kill=5s"))?;
    ensure!(number > 0, "kill={value}: give a time above 0");
    Ok(unit * number)
}

/// The proxy; it ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    /// Where clients send to.
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Takes datagrams at a free loopback port and passes them, or not, to `exchange`.
    pub fn start(exchange: SocketAddr, chaos: Chaos, seed: u64) -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0").context("bind the proxy's port")?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let relay = Relay {
            socket,
            exchange,
            clients: BTreeMap::new(),
            faults: Faults {
                chaos,
                random: Random(seed),
            },
        };
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("chaos".into())
            .spawn(move || relay.run(&stopped))?;
        Ok(Self {
            address,
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // ORDER: the flag is the whole message; nothing else is published by it.
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the relay shows itself in its clients' silence.
            drop(thread.join());
        }
    }
}

struct Faults {
    chaos: Chaos,
    random: Random,
}

struct Client {
    upstream: UdpSocket,
    held_up: Option<Vec<u8>>,
    held_down: Option<Vec<u8>>,
}

struct Relay {
    socket: UdpSocket,
    exchange: SocketAddr,
    clients: BTreeMap<SocketAddr, Client>,
    faults: Faults,
}

impl Relay {
    fn run(mut self, stop: &AtomicBool) {
        let mut idle = 0_u32;
        // ORDER: see `Proxy::drop`.
        while !stop.load(Ordering::Relaxed) {
            if self.turn() {
                idle = 0;
                continue;
            }
            idle += 1;
            if idle > 20 {
                self.release_held();
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    }

    fn turn(&mut self) -> bool {
        let mut buffer = [0; 2048];
        let mut moved = false;
        while let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
            moved = true;
            if let Ok(client) = client(&mut self.clients, from, self.exchange) {
                let Client {
                    upstream, held_up, ..
                } = client;
                self.faults.pass(&buffer[..length], held_up, |bytes| {
                    // A send that fails is a datagram lost, which is what this is for.
                    upstream.send(bytes).ok();
                });
            }
        }
        for (address, client) in &mut self.clients {
            while let Ok(length) = client.upstream.recv(&mut buffer) {
                moved = true;
                self.faults
                    .pass(&buffer[..length], &mut client.held_down, |bytes| {
                        self.socket.send_to(bytes, address).ok();
                    });
            }
        }
        moved
    }

    fn release_held(&mut self) {
        for (address, client) in &mut self.clients {
            if let Some(bytes) = client.held_up.take() {
                client.upstream.send(&bytes).ok();
            }
            if let Some(bytes) = client.held_down.take() {
                self.socket.send_to(&bytes, address).ok();
            }
        }
    }
}

fn client(
    clients: &mut BTreeMap<SocketAddr, Client>,
    from: SocketAddr,
    exchange: SocketAddr,
) -> Result<&mut Client> {
    match clients.entry(from) {
        Entry::Occupied(known) => Ok(known.into_mut()),
        Entry::Vacant(new) => {
            let upstream = UdpSocket::bind("127.0.0.1:0")?;
            upstream.connect(exchange)?;
            upstream.set_nonblocking(true)?;
            Ok(new.insert(Client {
                upstream,
                held_up: None,
                held_down: None,
            }))
        }
    }
}

impl Faults {
    /// Sends the datagram as often and when the dice say.
    fn pass(&mut self, bytes: &[u8], held: &mut Option<Vec<u8>>, mut send: impl FnMut(&[u8])) {
        if self.random.percent(self.chaos.loss) {
            return;
        }
        if held.is_none() && self.random.percent(self.chaos.reorder) {
            *held = Some(bytes.to_vec());
            return;
        }
        send(bytes);
        if self.random.percent(self.chaos.dup) {
            send(bytes);
        }
        if let Some(earlier) = held.take() {
            send(&earlier);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_reads_as_documented() {
        let chaos: Chaos = "loss=20%,dup,reorder,kill=5s".parse().expect("valid");
        assert_eq!((chaos.loss, chaos.dup, chaos.reorder), (20, 10, 10));
        assert_eq!(chaos.kill, Some(Duration::from_secs(5)));
        assert!("loss=95%".parse::<Chaos>().is_err());
        assert!("kill=0".parse::<Chaos>().is_err());
        let error = "flood".parse::<Chaos>().expect_err("no such chaos");
        assert!(error.to_string().contains("loss=20%"), "{error}");
    }

    #[test]
    fn faults_lose_double_and_swap() {
        let chaos = Chaos {
            loss: 20,
            dup: 10,
            reorder: 10,
            kill: None,
        };
        let mut faults = Faults {
            chaos,
            random: Random(1),
        };
        let (mut held, mut out) = (None, Vec::new());
        for n in 0..10_000_u64 {
            faults.pass(&n.to_le_bytes(), &mut held, |bytes| {
                out.push(bytes.to_vec());
            });
        }
        let swapped = out.windows(2).filter(|pair| {
            let number = |b: &[u8]| u64::from_le_bytes(b.try_into().expect("eight bytes"));
            number(&pair[0]) > number(&pair[1])
        });
        assert!(
            (8_000..9_500).contains(&out.len()),
            "{} of 10,000 and their doubles",
            out.len()
        );
        assert!(swapped.count() > 300);
    }
}
