//! Opening the order port.

use anyhow::{Context as _, Result};
use nic::Receive as _;
use nic::sockets::{self, Multicast, SocketsConfig, SocketsRx, SocketsTx};
use std::io::ErrorKind;
use std::time::{Duration, Instant};
use topology::Config;

use crate::console::say;

/// How long a start waits for the port of a process that is on its way out.
const PATIENCE: Duration = Duration::from_secs(2);

/// Opens the port's two halves. What arrives from now on waits in the port until the tiles run.
pub(crate) fn open(config: &Config) -> Result<(SocketsRx, SocketsTx)> {
    let start = Instant::now();
    let (port, sockets_config) = (&config.port, sockets_config(config));
    loop {
        match sockets::open(sockets_config) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && start.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            decided => {
                let (rx, tx) =
                    decided.with_context(|| format!("open the order port {}", port.bind))?;
                say(format_args!(
                    "port: {}, buffers of {} KiB to receive (of {} asked for) and {} KiB to send (of {})",
                    rx.local(),
                    rx.buffer_bytes() >> 10,
                    port.recv_buffer_kib,
                    tx.buffer_bytes() >> 10,
                    port.send_buffer_kib
                ));
                return Ok((rx, tx));
            }
        }
    }
}

/// One port for both: the feed leaves by it, so a group's options are the port's.
fn sockets_config(config: &Config) -> SocketsConfig {
    let (port, feed) = (&config.port, &config.feed);
    let group = feed.destination.filter(|to| to.ip().is_multicast());
    match port.backend {
        topology::Backend::Sockets => SocketsConfig {
            bind: port.bind,
            burst: port.burst,
            recv_buffer: port.recv_buffer_kib * 1024,
            send_buffer: port.send_buffer_kib * 1024,
            busy_poll_us: port.busy_poll_us,
            multicast: group.map(|_| Multicast {
                ttl: feed.ttl,
                interface: feed.interface,
                loopback: feed.loopback,
            }),
        },
    }
}
