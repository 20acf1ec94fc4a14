//! The library that a market maker links.
//!
//! [`Session`] is the protocol of `docs/WIRE.md` without I/O: datagrams and the time go in, datagrams
//! and [`Event`]s come out. [`Connection`] drives one over a UDP socket of its own, and waits in `ppoll`. A maker with a loop
//! of its own drives a `Session` itself:
//!
//! ```text
//! session.use_replay();
//! loop {
//!     while let Some(length) = session.poll_transmit(&mut buffer, now()) { send(&buffer[..length]) }
//!     while let Some((to, length)) = session.poll_replay(&mut buffer, now()) { send_to(to, &buffer[..length]) }
//!     while let Some(event) = session.poll_event() { react(event, &mut session) }
//!     receive until session.next_timeout(), and session.feed(datagram, now()), or feed_replay what came from there
//! }
//! ```
//!
//! What it promises:
//!
//! - A command applies at most once, however often its datagram is sent: a number keeps its content
//!   until the exchange has answered for it.
//! - Reports are delivered exactly once, in order and without holes; what the exchange can no longer
//!   send is asked for at its replay port, and what that does not send either is named by [`Event::Missed`].
//! - With [`Config::attesting`] it attests what it sends by itself: what it signs is what stands in the journal, whatever was
//!   lost, repeated or taken back, or it says that it no longer can ([`Event::AttestationLost`]).
//! - After a recovery that lost something, [`Event::RolledBack`] says where both sides continue.
//!
//! A session belongs to one process at a time; its numbers are its state.
//!
//! The public feed needs no session: see [`feed`].
#![forbid(unsafe_code)]

mod attestation;
mod backoff;
mod connection;
mod event;
pub mod feed;
mod inbox;
mod link;
mod orders;
mod outbox;
mod queries;
mod session;

pub use attestation::{AttestError, Attesting, Behind, MAX_HASHES};
pub use connection::Connection;
pub use event::Event;
pub use orders::{Order, Orders, Status};
pub use outbox::{MAX_UNANSWERED, SendError};
pub use session::{Config, ReportsFrom, Session, Timing};
