//! The kernel's UDP: one socket, `recvmmsg` and `sendmmsg`, memory allocated once.
//!
//! Both halves hold a descriptor of the same socket, so they share its address, and the port is
//! free again when both are dropped. The socket is not connected and does not ask for the errors of
//! the network, so a dead peer normally goes unnoticed; should the kernel report one all the same,
//! it is counted and the half goes on.

mod mmsg;
mod option;

use crate::transmit::{Handover, TransmitQueue};
use crate::{Datagram, MAX_BURST, MTU_PAYLOAD, Peer, Receive, RxStats, Slot, Transmit, TxStats};
use mmsg::Messages;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};

/// What a socket port needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketsConfig {
    /// Address to receive on; port 0 lets the kernel choose one.
    pub bind: SocketAddrV4,
    /// Most datagrams per call and direction, and the number of transmit slots: 1 to [`MAX_BURST`].
    pub burst: usize,
    /// Bytes of the kernel's receive buffer to ask for. The kernel may grant less: see
    /// [`SocketsRx::buffer_bytes`].
    pub recv_buffer: usize,
    /// Bytes of the kernel's send buffer to ask for; likewise.
    pub send_buffer: usize,
    /// Microseconds that the kernel polls the card on an empty receive (`SO_BUSY_POLL`).
    pub busy_poll_us: Option<u32>,
    /// How datagrams to multicast groups leave. Not set: as the system decides.
    pub multicast: Option<Multicast>,
}

/// How datagrams to multicast groups leave. Those to other addresses are not concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multicast {
    /// Networks that they may cross: 0 this machine, 1 the interface's own network.
    pub ttl: u8,
    /// The address of the interface that they leave by. Not set: as the routes say.
    pub interface: Option<Ipv4Addr>,
    /// Whether listeners on this machine get them too.
    pub loopback: bool,
}

/// Opens a port.
///
/// # Errors
/// If the address cannot be bound, the burst is out of range, or the kernel refuses an option. The
/// message names which, and what to do.
pub fn open(config: SocketsConfig) -> io::Result<(SocketsRx, SocketsTx)> {
    if !(1..=MAX_BURST).contains(&config.burst) {
        let problem = format!(
            "a burst of {} datagrams: use 1 to {MAX_BURST}",
            config.burst
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    let socket = UdpSocket::bind(config.bind).map_err(|error| {
        let bind = config.bind;
        let problem = format!(
            "cannot bind UDP {bind}: {error}; use an address of this machine that no other process has"
        );
        io::Error::new(error.kind(), problem)
    })?;
    socket.set_nonblocking(true)?;
    let recv_buffer = option::set_buffer(&socket, option::Buffer::Receive, config.recv_buffer)?;
    let send_buffer = option::set_buffer(&socket, option::Buffer::Send, config.send_buffer)?;
    if let Some(microseconds) = config.busy_poll_us {
        option::set_busy_poll(&socket, microseconds)?;
    }
    if let Some(multicast) = config.multicast {
        socket.set_multicast_ttl_v4(multicast.ttl.into())?;
        socket.set_multicast_loop_v4(multicast.loopback)?;
        if let Some(address) = multicast.interface {
            option::set_multicast_interface(&socket, address)?;
        }
    }
    let SocketAddr::V4(local) = socket.local_addr()? else {
        return Err(io::Error::other(
            "the kernel bound an IPv4 socket to an IPv6 address",
        ));
    };
    let tx = SocketsTx {
        socket: socket.try_clone()?,
        messages: Messages::new(config.burst),
        queue: TransmitQueue::new(config.burst),
        buffer_bytes: send_buffer,
    };
    let rx = SocketsRx {
        socket,
        messages: Messages::new(config.burst),
        buffers: vec![[0; MTU_PAYLOAD]; config.burst].into_boxed_slice(),
        local: local.into(),
        stats: RxStats::default(),
        buffer_bytes: recv_buffer,
    };
    Ok((rx, tx))
}

/// The receiving half of a socket port.
pub struct SocketsRx {
    socket: UdpSocket,
    messages: Messages,
    buffers: Box<[[u8; MTU_PAYLOAD]]>,
    local: Peer,
    stats: RxStats,
    buffer_bytes: usize,
}

impl SocketsRx {
    /// Bytes of receive buffer that the kernel granted, its own bookkeeping not included. Less than
    /// asked for means that `net.core.rmem_max` is lower.
    #[must_use]
    pub fn buffer_bytes(&self) -> usize {
        self.buffer_bytes
    }
}

impl Receive for SocketsRx {
    fn receive(&mut self, limit: usize, each: &mut impl FnMut(Datagram<'_>)) -> usize {
        let limit = limit.min(self.buffers.len());
        if limit == 0 {
            return 0;
        }
        let count = match self
            .messages
            .receive(&self.socket, &mut self.buffers[..limit])
        {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.stats.empty_polls += 1;
                return 0;
            }
            Err(_) => {
                self.stats.rx_error += 1;
                return 0;
            }
        };
        let mut lent = 0;
        for (index, buffer) in self.buffers[..count].iter().enumerate() {
            let received = self.messages.received(index);
            match buffer.get(..received.len) {
                Some(payload) if !received.truncated => {
                    each(Datagram {
                        payload,
                        peer: received.peer,
                        hardware_time: None,
                    });
                    lent += 1;
                }
                _ => self.stats.rx_drop += 1,
            }
        }
        self.stats.rx += lent as u64;
        lent
    }

    /// Asks the kernel for its drops: one system call.
    fn stats(&self) -> RxStats {
        RxStats {
            no_buffer: option::drops(&self.socket).map_or(0, u64::from),
            ..self.stats
        }
    }

    fn local(&self) -> Peer {
        self.local
    }
}

/// The transmitting half of a socket port.
pub struct SocketsTx {
    socket: UdpSocket,
    messages: Messages,
    queue: TransmitQueue,
    buffer_bytes: usize,
}

impl SocketsTx {
    /// Bytes of send buffer that the kernel granted, its own bookkeeping not included. Less than
    /// asked for means that `net.core.wmem_max` is lower.
    #[must_use]
    pub fn buffer_bytes(&self) -> usize {
        self.buffer_bytes
    }
}

impl Transmit for SocketsTx {
    fn reserve(&mut self) -> Option<Slot<'_>> {
        self.queue.reserve()
    }

    fn flush(&mut self) -> usize {
        let (socket, messages) = (&self.socket, &mut self.messages);
        self.queue
            .flush(|stretch| match messages.send(socket, stretch) {
                Ok(count) => Handover::Took(count),
                Err(error) => verdict(&error),
            })
    }

    fn pending(&self) -> usize {
        self.queue.pending()
    }

    fn stats(&self) -> TxStats {
        self.queue.stats()
    }
}

/// What an error of `sendmmsg` means for the datagram at the front. An error after the first
/// datagram of a call is not reported by that call; it comes back with the next one, which starts
/// with the datagram that caused it.
fn verdict(error: &io::Error) -> Handover {
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM | libc::EINTR) => Handover::Full,
        Some(libc::ECONNREFUSED) => Handover::Refused,
        _ => Handover::Impossible,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart() {
        let says = |errno| verdict(&io::Error::from_raw_os_error(errno));
        assert_eq!(says(libc::EAGAIN), Handover::Full);
        assert_eq!(says(libc::ENOBUFS), Handover::Full);
        assert_eq!(says(libc::ECONNREFUSED), Handover::Refused);
        assert_eq!(says(libc::EMSGSIZE), Handover::Impossible);
        assert_eq!(says(libc::ENETUNREACH), Handover::Impossible);
        assert_eq!(says(libc::EPERM), Handover::Impossible);
    }

    #[test]
    fn halves_may_move_to_other_threads() {
        fn is_send<T: Send>() {}
        is_send::<SocketsRx>();
        is_send::<SocketsTx>();
    }
}
