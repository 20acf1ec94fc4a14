//! `recvmmsg` and `sendmmsg` behind a safe face: the one place in the crate with system calls on the
//! hot path.
#![expect(unsafe_code, reason = "system calls that take pointers")]

use crate::transmit::Outgoing;
use crate::{MTU_PAYLOAD, Peer};
use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::ptr;

const NAME_BYTES: libc::socklen_t = 16;
const _: () = assert!(size_of::<libc::sockaddr_in>() == NAME_BYTES as usize);

/// Message headers for a burst, allocated once. Their pointers are written anew before each call
/// and mean nothing between calls, so that no pointer outlives the borrow that it was made from.
pub(super) struct Messages {
    headers: Box<[libc::mmsghdr]>,
    vectors: Box<[libc::iovec]>,
    names: Box<[libc::sockaddr_in]>,
}

// SAFETY: the raw pointers in `headers` and `vectors` are only dereferenced (by the kernel) during
// `receive` and `send`, which first replace those that they pass by pointers into borrows that they
// hold; between calls nothing reads them. All else is plain memory that this value owns.
unsafe impl Send for Messages {}

/// What the kernel wrote into a header.
pub(super) struct Received {
    pub(super) len: usize,
    /// The datagram was longer than the buffer.
    pub(super) truncated: bool,
    pub(super) peer: Peer,
}

impl Messages {
    pub(super) fn new(burst: usize) -> Self {
        // SAFETY: an `mmsghdr` is integers and raw pointers of C; all of them may be zero.
        let header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        let vector = libc::iovec {
            iov_base: ptr::null_mut(),
            iov_len: 0,
        };
        Self {
            headers: vec![header; burst].into_boxed_slice(),
            vectors: vec![vector; burst].into_boxed_slice(),
            names: vec![socket_name(Peer::default()); burst].into_boxed_slice(),
        }
    }

    /// Points the header at `index` to its vector and name, and the vector to `payload`.
    fn point(&mut self, index: usize, payload: &mut [u8]) {
        let vector = &mut self.vectors[index];
        vector.iov_base = payload.as_mut_ptr().cast();
        vector.iov_len = payload.len();
        let header = &mut self.headers[index].msg_hdr;
        header.msg_name = ptr::from_mut(&mut self.names[index]).cast();
        header.msg_namelen = NAME_BYTES;
        header.msg_iov = vector;
        header.msg_iovlen = 1;
        header.msg_flags = 0;
    }

    /// Fills buffers from the front with waiting datagrams; returns how many, at least 1.
    pub(super) fn receive(
        &mut self,
        socket: &UdpSocket,
        buffers: &mut [[u8; MTU_PAYLOAD]],
    ) -> io::Result<usize> {
        for (index, buffer) in buffers.iter_mut().enumerate() {
            self.point(index, buffer);
        }
        let headers = &mut self.headers[..buffers.len()];
        // SAFETY: `headers` are as many as said, and `point` has just made each refer to one vector, one
        // name and one buffer of `buffers`, of the sizes said, all distinct and borrowed mutably
        // until the call returns. No control data is asked for and the time-out may be null.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                count_of(headers),
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }

    /// What the last [`Messages::receive`] wrote for the datagram at `index`.
    pub(super) fn received(&self, index: usize) -> Received {
        let header = &self.headers[index];
        let name = &self.names[index];
        Received {
            len: header.msg_len as usize,
            truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            peer: Peer {
                ip: name.sin_addr.s_addr.to_ne_bytes(),
                port: u16::from_be(name.sin_port),
            },
        }
    }

    /// Sends datagrams from the front; returns how many the kernel took, at least 1.
    pub(super) fn send(
        &mut self,
        socket: &UdpSocket,
        datagrams: &mut [Outgoing],
    ) -> io::Result<usize> {
        for (index, datagram) in datagrams.iter_mut().enumerate() {
            self.names[index] = socket_name(datagram.to());
            self.point(index, datagram.payload_mut());
        }
        let headers = &mut self.headers[..datagrams.len()];
        // SAFETY: as in `receive`: as many headers as said, each referring to one vector, one name and one
        // payload of `datagrams`, which stay borrowed until the call returns; the kernel only reads them.
        let count = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                count_of(headers),
                libc::MSG_DONTWAIT,
            )
        };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }
}

fn count_of(headers: &[libc::mmsghdr]) -> libc::c_uint {
    libc::c_uint::try_from(headers.len()).expect("a burst is at most MAX_BURST")
}

fn socket_name(peer: Peer) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::sa_family_t::try_from(libc::AF_INET).expect("address families are small"),
        sin_port: peer.port.to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes(peer.ip),
        },
        sin_zero: [0; 8],
    }
}
