//! Opening the order port.

use anyhow::{Context as _, Result};
use nic::Receive as _;
use nic::sockets::{self, Multicast, SocketsConfig, SocketsRx, SocketsTx};
use std::io::ErrorKind;
use topology::Config;

use crate::console::say;
use crate::patience::patiently;

/// Opens the port's two halves. What arrives from now on waits in the port until the tiles run.
pub(crate) fn open(config: &Config) -> Result<(SocketsRx, SocketsTx)> {
    let (port, sockets_config) = (&config.port, sockets_config(config));
    let in_use = |error: &std::io::Error| error.kind() == ErrorKind::AddrInUse;
    let (rx, tx) = patiently(|| sockets::open(sockets_config), in_use)
        .with_context(|| format!("open the order port {}", port.bind))?;
    say(format_args!(
        "port: {}, buffers of {} KiB to receive (of {} asked for) and {} KiB to send (of {})",
        rx.local(),
        rx.buffer_bytes() >> 10,
        port.recv_buffer_kib,
        tx.buffer_bytes() >> 10,
        port.send_buffer_kib
    ));
    Ok((rx, tx))
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
