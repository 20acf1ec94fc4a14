//! On the wire: order entry, SBE messages in authenticated UDP datagrams; and the public feed, SBE
//! messages in MoldUDP64 packets.
//!
//! `docs/WIRE.md` and `docs/FEED.md` are the law for the bytes, `schema/` says the same to other
//! languages, and `vectors/` holds golden messages that both must agree with.
//!
//! A receiver's path of order entry is: [`DatagramReader::context`] (whose keys?), [`DatagramReader::verify`] (is it
//! theirs?), [`DatagramReader::parse`] (is all of it well formed?), then its messages, which can no
//! longer fail. A sender's is a [`DatagramWriter`]. The feed's are in [`market_data`].
//!
//! Architecture invariant: no I/O, no clock, no allocation; no bytes from outside can make it panic
//! or do more work than one pass over the datagram.
//!
//! [`DatagramReader::context`]: order_entry::DatagramReader::context
//! [`DatagramReader::verify`]: order_entry::DatagramReader::verify
//! [`DatagramReader::parse`]: order_entry::DatagramReader::parse
//! [`DatagramWriter`]: order_entry::DatagramWriter
#![forbid(unsafe_code)]

pub mod auth;
pub mod market_data;
pub mod order_entry;
mod sbe;

/// Most bytes of a datagram, its MAC included.
pub const MAX_DATAGRAM: usize = 1400;
/// The epoch whose keys authenticate the establishing of a session; never an exchange's epoch.
pub const CONTROL_EPOCH: u32 = 0;
