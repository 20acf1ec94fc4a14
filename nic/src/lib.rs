//! Datagrams in and out of a port, whatever carries them.
//!
//! A port is one local IPv4 address and UDP port number. Opening it gives two halves, each of which
//! may live in a tile of its own: [`Receive`] lends every datagram of a burst to a callback,
//! [`Transmit`] lends memory to write a datagram into and hands a burst over in one flush. Neither
//! half waits, allocates or locks (but see [`inproc`], which is for tests and simulations).
//!
//! | backend | carries by | used for |
//! |---|---|---|
//! | [`sockets`] | the kernel's UDP, `recvmmsg` and `sendmmsg` | the default; needs no privilege |
//! | [`inproc`] | memory, with seeded loss, duplication and reordering | tests, the simulator |
//!
//! All backends obey one conformance suite, `tests/conformance.rs`.
//!
//! Architecture invariants: this crate knows no domain record and no session; nothing above it
//! names a socket. Like UDP it promises no delivery and no order: who needs them numbers messages.

pub mod inproc;
mod peer;
pub mod sockets;
mod transmit;

pub use peer::Peer;
pub use transmit::{Handover, Outgoing, Slot, TransmitQueue};

/// Longest payload of a datagram in bytes. With IP and UDP headers it stays below an Ethernet MTU
/// of 1,500 with room for a tunnel; what is longer is dropped and counted, never cut.
pub const MTU_PAYLOAD: usize = 1400;

/// Most datagrams that one call into a driver may carry (the kernel's own limit for `sendmmsg`).
pub const MAX_BURST: usize = 1024;

/// A received datagram, lent for the time of a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// What was sent: 0 to [`MTU_PAYLOAD`] bytes.
    pub payload: &'a [u8],
    /// Who sent it, as the network says; not authenticated.
    pub peer: Peer,
    /// When the card received it, UTC nanoseconds; `None` from a backend without hardware stamps.
    pub hardware_time: Option<u64>,
}

/// The half of a port that receives.
pub trait Receive {
    /// Lends up to `limit` waiting datagrams, in the order of their arrival, to `each`; returns how
    /// many. One call takes at most one burst of the backend and never waits: 0 means that nothing
    /// was there, or nothing fit to be lent.
    fn receive(&mut self, limit: usize, each: &mut impl FnMut(Datagram<'_>)) -> usize;

    /// What happened since the port was opened.
    fn stats(&self) -> RxStats;

    /// The address that the port is bound to.
    fn local(&self) -> Peer;
}

/// The half of a port that transmits.
pub trait Transmit {
    /// Memory for one more datagram; `None` while all slots hold datagrams that are not handed over
    /// yet, which is counted (`tx_full`). Flush, and try again later.
    fn reserve(&mut self) -> Option<Slot<'_>>;

    /// Hands the committed datagrams to the driver, oldest first, without waiting; returns how many
    /// it took. Those it had no room for are kept in order for the next flush; one that can never
    /// be sent is dropped and counted (`tx_error`).
    fn flush(&mut self) -> usize;

    /// Datagrams committed and not handed over yet.
    fn pending(&self) -> usize;

    /// What happened since the port was opened. Every committed datagram ends in exactly one of
    /// `tx` and `tx_error`; until then it is [`Transmit::pending`].
    fn stats(&self) -> TxStats;
}

/// Counts of a receiving half since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RxStats {
    /// Datagrams lent to a callback.
    pub rx: u64,
    /// Datagrams dropped here because they were longer than [`MTU_PAYLOAD`].
    pub rx_drop: u64,
    /// Datagrams lost before they came here, because the receive buffer was full or (sockets) their
    /// checksum was wrong. The kernel counts them modulo 2^32.
    pub no_buffer: u64,
    /// Calls that failed: on loopback a dead peer's refusal, else the network being down. Nothing is
    /// lost by it and the next call goes on.
    pub rx_error: u64,
    /// Calls that found nothing.
    pub empty_polls: u64,
}

/// Counts of a transmitting half since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TxStats {
    /// Datagrams handed to the driver.
    pub tx: u64,
    /// Times that there was no room: no slot to reserve, or no space in the driver.
    pub tx_full: u64,
    /// Datagrams dropped because the driver can never send them, such as to port 0 or a network
    /// without a route.
    pub tx_error: u64,
    /// Refusals from dead peers that the driver reported in place of sending. Nothing is lost by it.
    pub refused: u64,
    /// Calls into the driver.
    pub kicks: u64,
}
