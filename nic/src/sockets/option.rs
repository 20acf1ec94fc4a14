//! Socket options that the standard library does not offer.
#![expect(unsafe_code, reason = "system calls that take pointers")]

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;

/// Which of a socket's two buffers.
#[derive(Clone, Copy)]
pub(super) enum Buffer {
    Receive,
    Send,
}

/// Asks for a buffer of `bytes`; returns what the kernel granted. A privileged process gets what
/// it asks for, another at most the system's limit.
pub(super) fn set_buffer(socket: &UdpSocket, buffer: Buffer, bytes: usize) -> io::Result<usize> {
    let (option, force, name) = match buffer {
        Buffer::Receive => (libc::SO_RCVBUF, libc::SO_RCVBUFFORCE, "receive"),
        Buffer::Send => (libc::SO_SNDBUF, libc::SO_SNDBUFFORCE, "send"),
    };
    // The kernel doubles the number for its own bookkeeping.
    let wanted = libc::c_int::try_from(bytes)
        .ok()
        .filter(|&wanted| wanted <= libc::c_int::MAX / 2)
        .ok_or_else(|| {
            let problem = format!("a {name} buffer of {bytes} bytes: use less than 1 GiB");
            io::Error::new(io::ErrorKind::InvalidInput, problem)
        })?;
    if set(socket, libc::SOL_SOCKET, force, wanted).is_err() {
        set(socket, libc::SOL_SOCKET, option, wanted).map_err(|error| {
            let problem = format!("cannot set the {name} buffer to {bytes} bytes: {error}");
            io::Error::new(error.kind(), problem)
        })?;
    }
    let mut granted = [0_u32];
    get(socket, option, &mut granted)?;
    Ok(granted[0] as usize / 2)
}

/// Lets an empty receive poll the card for so long.
pub(super) fn set_busy_poll(socket: &UdpSocket, microseconds: u32) -> io::Result<()> {
    let value = libc::c_int::try_from(microseconds).unwrap_or(libc::c_int::MAX);
    set(socket, libc::SOL_SOCKET, libc::SO_BUSY_POLL, value).map_err(|error| {
        let problem = format!(
            "cannot set busy polling to {microseconds} µs: {error}; it needs CAP_NET_ADMIN, or \
             net.core.busy_read at least as high: grant one of them or leave the option out"
        );
        io::Error::new(error.kind(), problem)
    })
}

/// Sends to multicast groups by the interface with this address.
pub(super) fn set_multicast_interface(socket: &UdpSocket, address: Ipv4Addr) -> io::Result<()> {
    // The address as it is on the wire, in the place of the `in_addr` that the option takes.
    let value = libc::c_int::from_ne_bytes(address.octets());
    set(socket, libc::IPPROTO_IP, libc::IP_MULTICAST_IF, value).map_err(|error| {
        let problem = format!(
            "cannot send multicast by {address}: {error}; use the address of an interface of this machine"
        );
        io::Error::new(error.kind(), problem)
    })
}

/// Datagrams that the kernel dropped at this socket since it was made, modulo 2^32.
pub(super) fn drops(socket: &UdpSocket) -> io::Result<u32> {
    // The last of the `SK_MEMINFO_VARS` of <linux/sock_diag.h>.
    const SK_MEMINFO_DROPS: usize = 8;
    let mut memory = [0_u32; SK_MEMINFO_DROPS + 1];
    get(socket, libc::SO_MEMINFO, &mut memory)?;
    Ok(memory[SK_MEMINFO_DROPS])
}

/// Sets an option that is one `c_int`, or as long as one.
fn set(
    socket: &UdpSocket,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the pointer is to one `c_int` that lives through the call, and its size is passed.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            socklen_of::<libc::c_int>(1),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Reads an option that is an array of `u32`, as many as `values` has or fewer.
fn get(socket: &UdpSocket, option: libc::c_int, values: &mut [u32]) -> io::Result<()> {
    let mut bytes = socklen_of::<u32>(values.len());
    // SAFETY: the kernel writes at most `bytes` bytes, which is the size of `values`, and integers may
    // hold anything; `bytes` itself lives through the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            values.as_mut_ptr().cast(),
            &raw mut bytes,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn socklen_of<T>(count: usize) -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>() * count).expect("options are small")
}
