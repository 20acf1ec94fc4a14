//! Opening the order port.

use anyhow::{Context as _, Result};
use nic::sockets::{self, SocketsConfig, SocketsRx, SocketsTx};
use std::io::ErrorKind;
use std::time::{Duration, Instant};

/// How long a start waits for the port of a process that is on its way out.
const PATIENCE: Duration = Duration::from_secs(2);

/// Opens the port's two halves. What arrives from now on waits in the port until the tiles run.
pub(crate) fn open(port: &topology::Port) -> Result<(SocketsRx, SocketsTx)> {
    let start = Instant::now();
    loop {
        match sockets::open(sockets_config(port)) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && start.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            decided => {
                return decided.with_context(|| format!("open the order port {}", port.bind));
            }
        }
    }
}

fn sockets_config(port: &topology::Port) -> SocketsConfig {
    match port.backend {
        topology::Backend::Sockets => SocketsConfig {
            bind: port.bind,
            burst: port.burst,
            recv_buffer: port.recv_buffer_kib * 1024,
            send_buffer: port.send_buffer_kib * 1024,
            busy_poll_us: port.busy_poll_us,
        },
    }
}
